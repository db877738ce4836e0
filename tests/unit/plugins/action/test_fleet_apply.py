"""fleet_apply in a play: once per batch, a second run without a write, check mode, and where it must refuse to run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

APPLY = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "regional"}}


@pytest.fixture(scope="module")
def namespaces(control_plane: Any) -> None:
    for name in ("kof", "kcm-system"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


@pytest.fixture(autouse=True)
def emptied(control_plane: Any, namespaces: None) -> Iterator[None]:
    yield
    for kind, where in (
        ("clusterdeployments", "kcm-system"),
        ("promxyservergroups", "kof"),
        ("grafanadatasources", "kof"),
    ):
        control_plane.kubectl("delete", kind, "--all", "-n", where)


def writes(control_plane: Any, since: int) -> list[str]:
    found = []
    with open(control_plane.audit, encoding="utf-8") as log:
        log.seek(since)
        for line in log:
            entry = json.loads(line)
            if entry["user"]["username"] == "k0rdent-kof" and entry["verb"] not in ("get", "list", "watch"):
                found.append(f"{entry['verb']} {entry['requestURI']}")
    return found


def test_batch_is_applied_once_and_then_left_alone(control_plane: Any, play: Any) -> None:
    first = play("kof_regional", APPLY)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("changed: [") == 1  # one batch, not one task per host
    names = control_plane.kubectl("get", "clusterdeployments", "-n", "kcm-system", "-o", "name").split()
    assert sorted(name.rpartition("/")[2] for name in names) == ["eu1", "us1"]
    mark = control_plane.audit.stat().st_size
    second = play("kof_regional", APPLY)
    assert second.returncode == 0, second.stdout
    assert "changed: [" not in second.stdout
    assert writes(control_plane, mark) == []


def test_check_mode_sends_only_dry_runs(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play("kof_regional", APPLY, "--check", "--diff")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "changed: [" in run.stdout
    assert "ClusterDeployment kcm-system/eu1 created" in run.stdout
    sent = writes(control_plane, mark)
    assert len(sent) == 6
    assert all("dryRun=All" in each for each in sent)


def test_child_gets_the_domain_of_a_regional_outside_the_batch(control_plane: Any, play: Any) -> None:
    task = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "child"}}
    run = play("kof_child", task)
    assert run.returncode == 0, run.stdout + run.stderr
    child = json.loads(
        control_plane.kubectl("get", "clusterdeployment", "eu1-child1", "-n", "kcm-system", "-o", "json")
    )
    assert "https://vmauth.eu1.example.com/" in json.dumps(child["spec"]["serviceSpec"])


@pytest.mark.any_core
def test_child_of_an_unknown_regional_is_named(control_plane: Any, play: Any) -> None:
    task = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "child"}}
    run = play("kof_child", task, "-e", "child_regional=stranger")
    assert run.returncode != 0
    assert "eu1-child1: child_regional: no regional cluster stranger" in run.stdout + run.stderr


@pytest.mark.any_core
def test_what_belongs_to_a_refused_cluster_is_not_applied(control_plane: Any, play: Any) -> None:
    foreign = {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": "eu1", "namespace": "kcm-system"},
        "spec": {"template": "aws-standalone-cp-0-1-0", "credential": "somebody-elses"},
    }
    manager = ("--server-side", "--field-manager=kof-operator")
    control_plane.kubectl("apply", *manager, "-f", "-", stdin=json.dumps(foreign))
    run = play("kof_regional", {**APPLY, "register": "applied"}, "-v")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "spec.credential is owned by field manager 'kof-operator'" in run.stdout
    groups = control_plane.kubectl("get", "promxyservergroups", "-n", "kof", "-o", "name")
    assert "us1-metrics" in groups
    assert "eu1-metrics" not in groups


def clusters(control_plane: Any) -> dict[str, Any]:
    kinds = "clusterdeployments,promxyservergroups,grafanadatasources"
    listed = json.loads(control_plane.kubectl("get", kinds, "-A", "-o", "json"))["items"]
    ours = [each for each in listed if each["metadata"]["namespace"] in ("kcm-system", "kof")]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in ours}


@pytest.mark.any_core
def test_another_fleet_s_clusters_stay_as_they_are_and_are_taken_over_only_by_name(
    control_plane: Any, play: Any
) -> None:
    assert play("kof_regional", APPLY).returncode == 0
    before, mark = clusters(control_plane), control_plane.audit.stat().st_size
    task = {**APPLY, "register": "applied"}
    as_b = ("-v", "-e", "kof_fleet=team-b", "-e", "regional_credential=another")
    for more in ((), ("--check",), ("-e", "kof_take_over_fleet=team-c")):
        run = play("kof_regional", task, *as_b, *more)
        assert "ClusterDeployment kcm-system/eu1: belongs to fleet actions" in run.stdout + run.stderr
        assert "pass -e kof_take_over_fleet=actions" in run.stdout + run.stderr
    assert clusters(control_plane) == before
    assert writes(control_plane, mark) == []
    run = play("kof_regional", task, *as_b, "-e", "kof_take_over_fleet=actions")
    assert run.returncode == 0, run.stdout
    fleets = {each["metadata"]["labels"]["app.kubernetes.io/part-of"] for each in clusters(control_plane).values()}
    assert fleets == {"team-b"}


@pytest.mark.any_core
def test_a_place_in_the_global_view_that_is_another_fleet_s_is_refused_by_itself(control_plane: Any, play: Any) -> None:
    assert play("kof_regional", APPLY).returncode == 0
    theirs = "app.kubernetes.io/part-of=team-c"
    control_plane.kubectl("label", "promxyservergroup", "eu1-metrics", "-n", "kof", "--overwrite", theirs)
    run = play("kof_regional", {**APPLY, "register": "applied"}, "-v")
    assert "PromxyServerGroup kof/eu1-metrics: belongs to fleet team-c" in run.stdout
    group = clusters(control_plane)["PromxyServerGroup/eu1-metrics"]
    assert group["metadata"]["labels"]["app.kubernetes.io/part-of"] == "team-c"


@pytest.mark.any_core
@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("kustomize.toolkit.fluxcd.io/name=apps", "kept by the Flux Kustomization apps"),
        ("app.kubernetes.io/part-of=team-c", "belongs to fleet team-c"),
    ],
)
def test_a_guide_s_object_that_somebody_keeps_is_not_replaced(
    control_plane: Any, play: Any, label: str, told: str
) -> None:
    assert play("kof_regional", APPLY).returncode == 0
    group = clusters(control_plane)["PromxyServerGroup/eu1-metrics"]
    sample = {key: group[key] for key in ("apiVersion", "kind", "spec")}
    sample["metadata"] = {"name": "sample", "namespace": "kof", "labels": group["metadata"]["labels"]}
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(sample))
    control_plane.kubectl("label", "promxyservergroup", "sample", "-n", "kof", "--overwrite", label)
    replace = ("-v", "-e", '{"kof_replace_guide_objects": true}')
    run = play("kof_regional", {**APPLY, "register": "applied"}, *replace)
    assert f"PromxyServerGroup kof/sample: {told}" in run.stdout
    assert "PromxyServerGroup/sample" in clusters(control_plane)
    control_plane.kubectl("label", "promxyservergroup", "sample", "-n", "kof", f"{label.partition('=')[0]}-")
    assert play("kof_regional", APPLY, *replace).returncode == 0
    assert "PromxyServerGroup/sample" not in clusters(control_plane)


@pytest.mark.any_core
def test_a_cluster_of_kof_s_labels_keeps_them(control_plane: Any, play: Any) -> None:
    """As the guide of kof 0.2 and later makes it, with kubectl apply."""
    made = {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "eu1",
            "namespace": "kcm-system",
            "labels": {"k0rdent.mirantis.com/kof-cluster-role": "regional"},
        },
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws",
            "config": {"clusterAnnotations": {"k0rdent.mirantis.com/kof-regional-domain": "eu1.example.com"}},
        },
    }
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    before = clusters(control_plane)
    run = play("kof_regional", {**APPLY, "register": "applied"}, "-v", "-e", "kof_dangerous_changes=eu1")
    assert "ClusterDeployment kcm-system/eu1: was made for kof 0.2 or later" in run.stdout
    now = clusters(control_plane)
    assert now["ClusterDeployment/eu1"] == before["ClusterDeployment/eu1"]
    assert "PromxyServerGroup/us1-metrics" in now
    assert "PromxyServerGroup/eu1-metrics" not in now


@pytest.mark.any_core
def test_a_dangerous_change_needs_the_cluster_s_name(control_plane: Any, play: Any) -> None:
    assert play("kof_regional", APPLY).returncode == 0
    before = clusters(control_plane)
    task, smaller = {**APPLY, "register": "applied"}, ("-v", "-e", "regional_logs_storage_size=7Gi")
    run = play("kof_regional", task, *smaller, "-e", json.dumps({"kof_dangerous_changes": ["us1"]}))
    assert "ClusterDeployment kcm-system/eu1: dangerous change: service kof-storage can't take" in run.stdout
    now = clusters(control_plane)
    assert now["ClusterDeployment/eu1"] == before["ClusterDeployment/eu1"]
    assert "7Gi" in json.dumps(now["ClusterDeployment/us1"])


@pytest.mark.parametrize("name", ["kof_take_over_fleet", "kof_dangerous_changes"])
def test_a_permission_in_a_play_is_refused_by_file_and_line(control_plane: Any, play: Any, name: str) -> None:
    mark = control_plane.audit.stat().st_size
    run = play("kof_regional", APPLY, vars={name: "actions"})
    assert run.returncode != 0
    assert f"{name}: set " in run.stdout + run.stderr
    assert "play.yml:" in run.stdout + run.stderr
    assert writes(control_plane, mark) == []


def test_variable_of_the_play_stops_the_run(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play("kof_regional", APPLY, vars={"regional_credential": "another"})
    assert run.returncode != 0
    assert "regional_credential" in run.stdout + run.stderr
    assert "play.yml" in run.stdout + run.stderr
    assert writes(control_plane, mark) == []


def test_strategy_free_is_refused_by_ansible(play: Any) -> None:
    run = play("kof_regional", APPLY, strategy="free")
    assert run.returncode != 0
    assert "bypasses the host loop" in run.stdout + run.stderr
