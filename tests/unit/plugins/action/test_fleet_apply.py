"""fleet_apply in a play: once per batch, a second run without a write, check mode, and where it must refuse to run."""

from __future__ import annotations

import json
from typing import Any

import pytest

APPLY = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "regional"}}


@pytest.fixture(autouse=True)
def namespaces(control_plane: Any) -> Any:
    for name in ("kof", "kcm-system"):
        control_plane.kubectl("create", "namespace", name, "--dry-run=client", "-o", "name")
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
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


def test_child_of_an_unknown_regional_is_named(control_plane: Any, play: Any) -> None:
    task = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "child"}}
    run = play("kof_child", task, "-e", "child_regional=stranger")
    assert run.returncode != 0
    assert "eu1-child1: child_regional: no regional cluster stranger" in run.stdout + run.stderr


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
    assert run.returncode == 0, run.stdout + run.stderr
    assert "spec.credential is owned by field manager 'kof-operator'" in run.stdout
    groups = control_plane.kubectl("get", "promxyservergroups", "-n", "kof", "-o", "name")
    assert "us1-metrics" in groups
    assert "eu1-metrics" not in groups


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
