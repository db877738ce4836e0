"""fleet_delete in a play: only when confirmed, children first, and never what isn't ours or is still needed."""

from __future__ import annotations

import copy
import json
import pathlib
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

DELETE = {"name": "Delete", "k0rdent.kof.fleet_delete": {}}
EVERYTHING = "kof_regional:kof_child"
CONFIRMED = ("-v", "-e", "kof_delete_confirm=actions")
KINDS = "clusterdeployments,promxyservergroups,grafanadatasources"
ALL = {
    "clusterdeployments/eu1",
    "clusterdeployments/eu1-child1",
    "clusterdeployments/us1",
    "grafanadatasources/eu1-logs",
    "grafanadatasources/us1-logs",
    "promxyservergroups/eu1-metrics",
    "promxyservergroups/us1-metrics",
}
OF_EU1 = {each for each in ALL if "/eu1" in each}


@pytest.fixture(scope="module")
def applied() -> list[dict[str, Any]]:
    """The objects of both regions and the child, as fleet_apply made them for the first test."""
    return []


@pytest.fixture(autouse=True)
def fleet(control_plane: Any, play: Any, applied: list[dict[str, Any]]) -> Any:
    """Both regions and the child are there, and no controller: what has no finalizer goes at once."""
    if not applied:
        for name in ("kof", "kcm-system"):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        for layer in ("regional", "child"):
            run = play(f"kof_{layer}", {"k0rdent.kof.fleet_apply": {"layer": layer}})
            assert run.returncode == 0, run.stdout + run.stderr
        applied += json.loads(control_plane.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
        for each in applied:
            for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
                each["metadata"].pop(field, None)
    else:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": applied})
        control_plane.kubectl("create", "-f", "-", stdin=text)
    yield
    control_plane.kubectl("delete", KINDS, "--all", "-A", "--wait=false")
    for held in json.loads(control_plane.kubectl("get", KINDS, "-A", "-o", "json"))["items"]:
        free = '{"metadata": {"finalizers": null}}'
        what, where = f"{held['kind']}/{held['metadata']['name']}", held["metadata"]["namespace"]
        control_plane.kubectl("patch", what, "-n", where, "--type=merge", "-p", free)


def result(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The task's result, which `-v` prints as one line of JSON."""
    found = re.search(r"=> (\{.*\})$", run.stdout, re.MULTILINE)
    assert found, run.stdout + run.stderr
    return json.loads(found.group(1))


def as_done(predicted: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The result of check mode, in the words of a run."""
    return json.loads(json.dumps(result(predicted)).replace("would be ", ""))


def there(control_plane: Any) -> set[str]:
    """`clusterdeployments/eu1` and so on."""
    names = control_plane.kubectl("get", KINDS, "-A", "-o", "name").split()
    return {re.sub(r"^([a-z]+)\.[^/]*", r"\1s", name) for name in names}


def requests(control_plane: Any, since: int) -> list[str]:
    """Of the collection's user, in order: `delete clusterdeployments/eu1`, with (dry) behind a dry run."""
    found = []
    with open(control_plane.audit, encoding="utf-8") as log:
        log.seek(since)
        for line in log:
            entry = json.loads(line)
            if entry["user"]["username"] == "k0rdent-kof":
                about = entry.get("objectRef", {})
                dry = " (dry)" if "dryRun=All" in entry["requestURI"] else ""
                found.append(f"{entry['verb']} {about.get('resource')}/{about.get('name')}{dry}")
    return found


def deletes(control_plane: Any, since: int) -> list[str]:
    """All that was changed, but for the lease."""
    sent = requests(control_plane, since)
    return [each for each in sent if each.split()[0] not in ("get", "list", "watch") and " leases/" not in each]


def label(control_plane: Any, what: str, where: str, text: str) -> None:
    control_plane.kubectl("label", what, "-n", where, "--overwrite", text)


def hold(control_plane: Any, what: str, where: str = "kcm-system") -> None:
    """As a controller that never does its work."""
    patch = {"metadata": {"finalizers": ["example.com/never"]}}
    control_plane.kubectl("patch", what, "-n", where, "--type=merge", "-p", json.dumps(patch))


@pytest.mark.any_core
def test_unconfirmed_says_what_it_would_do_and_how(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play(EVERYTHING, DELETE, "-v")
    assert run.returncode != 0
    told = result(run)["msg"]
    assert "1 child and 2 regional clusters of fleet actions on https://" in told
    assert "eu1-child1, eu1, us1" in told
    assert "pass -e kof_delete_confirm=actions" in told
    assert deletes(control_plane, mark) == []


@pytest.mark.parametrize("given", ["another", "{{ kof_fleet }}", ""])
def test_only_the_fleets_name_confirms(control_plane: Any, play: Any, given: str) -> None:
    mark = control_plane.audit.stat().st_size
    run = play(EVERYTHING, DELETE, "-v", "-e", json.dumps({"kof_delete_confirm": given}))
    assert run.returncode != 0
    assert "kof_delete_confirm is another text than the fleet's name" in result(run)["msg"]
    assert deletes(control_plane, mark) == []


def test_a_play_can_not_confirm(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play(EVERYTHING, DELETE, vars={"kof_delete_confirm": "actions"})
    assert run.returncode != 0
    assert "kof_delete_confirm: set " in run.stdout + run.stderr
    assert "play.yml:" in run.stdout + run.stderr
    assert deletes(control_plane, mark) == []


@pytest.mark.any_core
def test_another_fleet_s_clusters_stay_unless_they_are_taken_over_by_name(control_plane: Any, play: Any) -> None:
    before, mark = there(control_plane), control_plane.audit.stat().st_size
    as_b = ("-v", "-e", "kof_fleet=team-b", "-e", "kof_delete_confirm=team-b")
    run = play(EVERYTHING, DELETE, *as_b)
    assert "ClusterDeployment kcm-system/eu1 belongs to fleet actions" in run.stdout + run.stderr
    assert "pass -e kof_take_over_fleet=actions" in run.stdout + run.stderr
    assert deletes(control_plane, mark) == []
    assert there(control_plane) == before
    run = play(EVERYTHING, DELETE, *as_b, "-e", "kof_take_over_fleet=actions")
    assert run.returncode == 0, run.stdout
    assert there(control_plane) == set()


@pytest.mark.any_core
def test_what_another_fleet_takes_over_while_we_wait_for_the_children_stays(control_plane: Any, play: Any) -> None:
    hold(control_plane, "clusterdeployment/eu1-child1")

    def take_over() -> None:
        child = ("clusterdeployment", "eu1-child1", "-n", "kcm-system")
        end = time.monotonic() + 120
        while "deletionTimestamp" not in control_plane.kubectl("get", *child, "-o", "json"):
            assert time.monotonic() < end
            time.sleep(0.2)
        label(control_plane, "promxyservergroup/eu1-metrics", "kof", "app.kubernetes.io/part-of=team-c")
        control_plane.kubectl("patch", *child, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(take_over)
        run = play(EVERYTHING, DELETE, *CONFIRMED)
        other.result()
    assert "PromxyServerGroup kof/eu1-metrics: belongs to fleet team-c" in run.stdout + run.stderr
    assert {"promxyservergroups/eu1-metrics", "clusterdeployments/eu1"} <= there(control_plane)
    assert "clusterdeployments/us1" not in there(control_plane)


def test_children_go_first_then_the_global_view_then_the_regionals(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play(EVERYTHING, DELETE, *CONFIRMED)
    assert run.returncode == 0, run.stdout + run.stderr
    assert there(control_plane) == set()
    sent = deletes(control_plane, mark)
    assert sent[0] == "delete clusterdeployments/eu1-child1"
    # Whether all of a regional may go is asked before any of it does.
    assert sorted(sent[1:7]) == sorted(f"delete {each} (dry)" for each in ALL - {"clusterdeployments/eu1-child1"})
    sent = [each for each in sent if "(dry)" not in each]
    assert sorted(sent[1:5]) == sorted(f"delete {each}" for each in ALL if not each.startswith("clusterdep"))
    assert sorted(sent[5:]) == ["delete clusterdeployments/eu1", "delete clusterdeployments/us1"]
    told = result(run)
    assert told["counts"] == {"deleted": 7}
    assert told["dns_records"] == [
        f"{name}.{region}.example.com" for region in ("eu1", "us1") for name in ("vmauth", "grafana")
    ]
    assert "vmauth.eu1.example.com" in told["msg"]

    mark = control_plane.audit.stat().st_size
    second = play(EVERYTHING, DELETE, *CONFIRMED)
    assert second.returncode == 0, second.stdout
    assert deletes(control_plane, mark) == []
    told = result(second)
    assert (told["changed"], told["counts"], told["dns_records"]) == (False, {"absent": 7}, [])
    assert "DNS" not in told["msg"]


def test_check_mode_needs_no_word_and_says_what_the_run_does(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    predicted = play(EVERYTHING, DELETE, "-v", "--check")
    assert predicted.returncode == 0, predicted.stdout + predicted.stderr
    assert there(control_plane) == ALL
    sent = deletes(control_plane, mark)
    assert len(sent) == 7
    assert all(each.endswith("(dry)") for each in sent)
    done = play(EVERYTHING, DELETE, *CONFIRMED)
    assert as_done(predicted) == result(done)


@pytest.mark.any_core
def test_a_child_outside_the_run_holds_its_regional(control_plane: Any, play: Any) -> None:
    # Nobody has to confirm what wouldn't be deleted anyway.
    assert "0 child and 1 regional clusters" in result(play("kof_regional", DELETE, "-v"))["msg"]
    runs = [play("kof_regional", DELETE, "-v", "--check"), play("kof_regional", DELETE, *CONFIRMED)]
    for run in runs:
        assert run.returncode == 2, run.stdout + run.stderr
        (refused,) = result(run)["refused"]
        assert refused["host"] == "eu1"
        assert "still send to it: eu1-child1;" in refused["reason"]
        assert result(run)["msg"].startswith(f"1 of 2 clusters failed:\neu1: {refused['reason']}\n3 ")
        assert [each["object"].rpartition("/")[2] for each in result(run)["objects"]] == [
            "us1-metrics",
            "us1-logs",
            "us1",
        ]
    assert there(control_plane) == OF_EU1


@pytest.mark.parametrize(
    ("booked_by", "arguments", "fails", "changes"),
    [
        ("task", (), True, True),
        ("role", (), False, True),
        ("role", ("--skip-tags", "always"), False, True),
        ("play", (), False, False),
        ("play", ("--skip-tags", "always"), True, False),
    ],
)
def test_the_task_fails_by_a_cluster_only_where_nobody_else_does(
    control_plane: Any, play: Any, booked_by: str, arguments: tuple[str, ...], fails: bool, changes: bool
) -> None:
    task = {"name": "Delete", "k0rdent.kof.fleet_delete": {"booked_by": booked_by}}
    run = play("kof_regional", task, "-v", "--check", *arguments)
    assert bool(run.returncode) is fails, run.stdout + run.stderr
    told = result(run)
    assert told["changed"] is changes
    assert list(told["outcomes"]["failed"]) == ["eu1"]
    assert told["outcomes"]["booked_by"] == booked_by


@pytest.fixture
def team_b(control_plane: Any, applied: list[dict[str, Any]]) -> Any:
    """Makes somebody's child of us1 in another namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))

    def make() -> None:
        child = copy.deepcopy(next(each for each in applied if each["metadata"]["name"] == "eu1-child1"))
        child["metadata"] = {"name": "theirs", "namespace": "team-b"}
        text = json.dumps(child).replace("vmauth.eu1", "vmauth.us1")
        control_plane.kubectl("create", "-f", "-", stdin=text)

    return make


@pytest.mark.any_core
def test_a_child_in_another_namespace_holds_its_regional(control_plane: Any, play: Any, team_b: Any) -> None:
    team_b()
    (refused,) = result(play(EVERYTHING, DELETE, *CONFIRMED))["refused"]
    assert refused["host"] == "us1"
    assert "still send to it: team-b/theirs;" in refused["reason"]
    assert {each for each in there(control_plane) if "/us1" in each} == {each for each in ALL if "/us1" in each}


@pytest.mark.any_core
def test_a_child_that_comes_while_its_regional_goes_keeps_what_is_left(
    control_plane: Any, play: Any, team_b: Any
) -> None:
    hold(control_plane, "promxyservergroup/us1-metrics", "kof")

    def come() -> None:
        group = ("promxyservergroup", "us1-metrics", "-n", "kof")
        end = time.monotonic() + 300
        while "deletionTimestamp" not in control_plane.kubectl("get", *group, "-o", "json"):
            assert time.monotonic() < end
            time.sleep(0.2)
        team_b()
        control_plane.kubectl("patch", *group, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come)
        run = play("us1", DELETE, *CONFIRMED)
        other.result()
    (refused,) = result(run)["refused"]
    assert refused["reason"].startswith("ClusterDeployment kcm-system/us1: child clusters that this run doesn't delete")
    assert "Deleted before: PromxyServerGroup kof/us1-metrics, GrafanaDatasource kof/us1-logs" in refused["reason"]
    assert "clusterdeployments/us1" in there(control_plane)


RIGHTS = pathlib.Path(__file__).parents[4] / "docs" / "rbac" / "deleter.yaml"


@pytest.mark.any_core
def test_who_may_not_see_other_namespaces_deletes_no_regional(control_plane: Any, play: Any) -> None:
    text = RIGHTS.read_text()
    control_plane.kubectl("apply", "-f", "-", stdin=text)
    as_team = ("-v", "-e", "kof_delete_confirm=actions", "-e", f"kof_kubeconfig={control_plane.admin}")
    as_team += ("-e", '{"kof_impersonate_user": "ann", "kof_impersonate_groups": ["k0rdent-kof-deleter"]}')
    try:
        # Who deletes children alone may see their namespace alone.
        everywhere, home, _kof = (each for each in yaml.safe_load(text)["items"] if "rules" in each)
        home["rules"].append({**everywhere["rules"][0], "resources": ["clusterdeployments"]})
        control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([{**everywhere, "rules": []}, home]))
        told = result(play(EVERYTHING, DELETE, *as_team))["msg"]
        assert "the right to list clusterdeployments.k0rdent.mirantis.com in all namespaces is missing" in told
        assert told.endswith("(docs/rights.md). Nothing was changed.")
        assert there(control_plane) == ALL
        # Children need no such right, and with it what is documented is enough.
        assert result(play("kof_child", DELETE, *as_team))["counts"] == {"deleted": 1}
        control_plane.kubectl("apply", "-f", "-", stdin=text)
        assert result(play(EVERYTHING, DELETE, *as_team))["refused"] == []
        assert there(control_plane) == set()
    finally:
        control_plane.kubectl("delete", "-f", "-", stdin=text)


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: keep-clusters}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: [DELETE], resources: [clusterdeployments, grafanadatasources]}
  validations:
  - {expression: "oldObject.metadata.name != 'NAME'", message: protected by the platform team}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: keep-clusters}
spec: {policyName: keep-clusters, validationActions: [Deny]}
"""


@pytest.fixture
def keep(control_plane: Any) -> Any:
    """keep(kind, namespace, name): nobody may delete that object."""

    kept: list[tuple[str, str, str]] = []

    def until(denied: bool) -> None:
        """A policy takes a moment to become one, and to end."""
        kind, namespace, name = kept[0]
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end
            try:
                control_plane.kubectl("delete", kind, name, "-n", namespace, "--dry-run=server")
            except AssertionError:
                if denied:
                    return
            else:
                if not denied:
                    return
            time.sleep(0.2)

    def start(kind: str, namespace: str, name: str) -> None:
        kept.append((kind, namespace, name))
        control_plane.kubectl("apply", "-f", "-", stdin=POLICY.replace("NAME", name))
        until(denied=True)

    yield start
    control_plane.kubectl("delete", "-f", "-", stdin=POLICY)
    until(denied=False)


@pytest.mark.any_core
@pytest.mark.parametrize(
    ("kind", "namespace", "name"),
    [("ClusterDeployment", "kcm-system", "us1"), ("GrafanaDatasource", "kof", "us1-logs")],
)
def test_what_the_api_server_keeps_keeps_all_of_its_cluster(
    control_plane: Any, play: Any, keep: Any, kind: str, namespace: str, name: str
) -> None:
    keep(kind, namespace, name)
    mark = control_plane.audit.stat().st_size
    predicted = as_done(play("kof_regional:kof_child", DELETE, "-v", "--check"))
    run = result(play(EVERYTHING, DELETE, *CONFIRMED))
    assert predicted == run
    (refused,) = run["refused"]
    assert refused["host"] == "us1"
    assert refused["reason"].startswith(f"{kind} {namespace}/{name}: ")
    assert "protected by the platform team" in refused["reason"]
    assert refused["reason"].endswith("Nothing of this cluster is deleted")
    assert there(control_plane) == {each for each in ALL if "/us1" in each}
    assert not [each for each in deletes(control_plane, mark) if "/us1" in each and "(dry)" not in each]


@pytest.mark.any_core
@pytest.mark.parametrize(
    ("what", "where", "text", "why"),
    [
        ("clusterdeployment/eu1", "kcm-system", "app.kubernetes.io/part-of=other", "belongs to fleet other"),
        ("promxyservergroup/eu1-metrics", "kof", "app.kubernetes.io/managed-by-", "wasn't made by this collection"),
    ],
)
def test_what_is_not_ours_stays_with_all_of_its_cluster(
    control_plane: Any, play: Any, what: str, where: str, text: str, why: str
) -> None:
    label(control_plane, what, where, text)
    run = play(EVERYTHING, DELETE, *CONFIRMED)
    assert run.returncode == 2, run.stdout + run.stderr
    (refused,) = result(run)["refused"]
    assert refused["host"] == "eu1"
    assert why in refused["reason"]
    assert there(control_plane) == OF_EU1 - {"clusterdeployments/eu1-child1"}


@pytest.mark.any_core
def test_a_refused_child_leaves_its_regional_out(control_plane: Any, play: Any) -> None:
    label(control_plane, "clusterdeployment/eu1-child1", "kcm-system", "app.kubernetes.io/part-of=other")
    run = play(EVERYTHING, DELETE, *CONFIRMED)
    told = result(run)
    assert [each["host"] for each in told["refused"]] == ["eu1-child1"]
    assert told["left_out"] == [{"host": "eu1", "reason": "its child clusters are still there: eu1-child1"}]
    assert there(control_plane) == OF_EU1


@pytest.mark.any_core
def test_more_failures_than_allowed_keep_all_regionals(control_plane: Any, play: Any) -> None:
    label(control_plane, "clusterdeployment/eu1-child1", "kcm-system", "app.kubernetes.io/part-of=other")
    run = play(EVERYTHING, DELETE, *CONFIRMED, "-e", "kof_max_fail_percentage=99")
    assert {each["host"] for each in result(run)["left_out"]} == {"eu1", "us1"}
    assert there(control_plane) == ALL


@pytest.mark.any_core
def test_a_child_that_does_not_go_is_named_with_its_finalizer(control_plane: Any, play: Any) -> None:
    hold(control_plane, "clusterdeployment/eu1-child1")
    # Without waiting for the regionals: for the children it waits all the same.
    run = play(EVERYTHING, DELETE, *CONFIRMED, "-e", "kof_wait_timeout=1", "-e", "kof_wait=false")
    (refused,) = result(run)["refused"]
    assert refused["host"] == "eu1-child1"
    assert "held by example.com/never" in refused["reason"]
    assert [each["host"] for each in result(run)["left_out"]] == ["eu1"]
    assert there(control_plane) == OF_EU1
    again = play(EVERYTHING, DELETE, *CONFIRMED, "-e", "kof_wait_timeout=1")
    assert result(again)["counts"] == {"being_deleted": 1, "absent": 3}
    assert result(again)["changed"] is False


@pytest.mark.any_core
def test_the_last_wait_can_be_left_out(control_plane: Any, play: Any) -> None:
    hold(control_plane, "clusterdeployment/us1")
    run = play("us1", DELETE, *CONFIRMED, "-e", "kof_wait=false")
    assert result(run)["refused"] == []
    waited = play("us1", DELETE, *CONFIRMED, "-e", "kof_wait_timeout=1")
    assert [each["host"] for each in result(waited)["refused"]] == ["us1"]


@pytest.mark.any_core
def test_a_cluster_stays_until_it_is_out_of_the_global_view(control_plane: Any, play: Any) -> None:
    hold(control_plane, "promxyservergroup/us1-metrics", "kof")
    run = play("us1", DELETE, *CONFIRMED, "-e", "kof_wait_timeout=1")
    (refused,) = result(run)["refused"]
    assert refused["reason"].startswith("PromxyServerGroup kof/us1-metrics is still there after 1 s")
    assert "clusterdeployments/us1" in there(control_plane)


@pytest.mark.any_core
def test_a_run_of_the_mothership_alone_says_that_there_is_nothing(control_plane: Any, play: Any) -> None:
    mark = control_plane.audit.stat().st_size
    run = play("kof_mothership", DELETE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "no host of kof_regional or kof_child" in run.stdout
    assert requests(control_plane, mark) == []


# -- clusters that live on


def adopted(control_plane: Any, name: str, **status: Any) -> dict[str, Any]:
    """Sveltos' objects of an adopted cluster with two releases on it; gives its ClusterSummary."""
    meta = {"namespace": "kcm-system", "labels": {"test": "adopted"}}
    cluster = {
        "apiVersion": "lib.projectsveltos.io/v1beta1",
        "kind": "SveltosCluster",
        "metadata": {**meta, "name": name},
        "status": {"ready": True, "connectionStatus": "Healthy", **status},
    }
    releases = [{"releaseName": each, "releaseNamespace": "kof", "status": "Managing"} for each in ("one", "two")]
    charts = [
        {
            "releaseName": each["releaseName"],
            "releaseNamespace": "kof",
            "repositoryURL": "oci://r",
            "repositoryName": "r",
        }
        | {"chartName": "c", "chartVersion": "1"}
        for each in releases
    ]
    summary = {
        "apiVersion": "config.projectsveltos.io/v1beta1",
        "kind": "ClusterSummary",
        "metadata": {**meta, "name": f"p--{name}-sveltos-{name}"},
        "spec": {
            "clusterNamespace": "kcm-system",
            "clusterName": name,
            "clusterType": "Sveltos",
            "clusterProfileSpec": {"helmCharts": charts},
        },
        "status": {
            "featureSummaries": [{"featureID": "Helm", "status": "Provisioned", "hash": "YQ=="}],
            "helmReleaseSummaries": releases,
        },
    }
    for each in (cluster, summary):
        text = json.dumps(each)
        control_plane.kubectl("apply", "-f", "-", stdin=text)
        what = f"{each['kind']}/{each['metadata']['name']}"
        status_of = json.dumps({"status": each["status"]})
        control_plane.kubectl(
            "patch", what, "-n", "kcm-system", "--subresource=status", "--type=merge", "-p", status_of
        )
    return summary


@pytest.fixture
def sveltos(control_plane: Any) -> Any:
    """adopted() and what Sveltos does once services are emptied: charts out, releases out, Helm Provisioned."""
    stop = threading.Event()
    threads = []

    def play_on(summary: dict[str, Any]) -> None:
        name, where = summary["spec"]["clusterName"], ("-n", "kcm-system", "--type=merge", "-p")
        what = f"clustersummary/{summary['metadata']['name']}"
        path = "jsonpath={.spec.serviceSpec.services}{.spec.config.clusterLabels}"
        while not stop.wait(0.2):
            left = control_plane.kubectl("get", f"clusterdeployment/{name}", "-n", "kcm-system", "-o", path)
            if "template" not in left:
                control_plane.kubectl("patch", what, *where, '{"spec":{"clusterProfileSpec":{"helmCharts":null}}}')
                time.sleep(1)
                events.append(f"{name} had {left or 'nothing'} in its spec")
                gone = '{"status":{"helmReleaseSummaries":null}}'
                control_plane.kubectl("patch", what, "--subresource=status", *where, gone)
                return

    events: list[str] = []

    def start(name: str, *, works: bool = True, **status: Any) -> list[str]:
        summary = adopted(control_plane, name, **status)
        if works:
            threads.append(threading.Thread(target=play_on, args=(summary,), daemon=True))
            threads[-1].start()
        return events

    yield start
    stop.set()
    for thread in threads:
        thread.join(60)
    control_plane.kubectl("delete", "clustersummaries,sveltosclusters", "-n", "kcm-system", "-l", "test=adopted")


@pytest.mark.any_core
def test_services_of_clusters_that_live_on_go_first(control_plane: Any, play: Any, sveltos: Any) -> None:
    events = sveltos("us1")
    said = play("us1", DELETE).stdout
    assert re.search(r"Adopted clusters live on.*: kof/one, kof/two on us1\.", said), said
    predicted = result(play("us1", DELETE, "-v", "--check"))
    since = control_plane.audit.stat().st_size
    done = result(play("us1", DELETE, *CONFIRMED))
    assert done["uninstalled"] == predicted["uninstalled"] == ["us1"]
    assert done["counts"] == predicted["counts"] == {"deleted": 3}
    assert events == ["us1 had {} in its spec"]
    sent = deletes(control_plane, since)
    assert sent[3] == "patch clusterdeployments/us1 (dry)"
    assert all(each.endswith("(dry)") for each in sent[:4])
    assert set(sent[4:6]) == {"delete promxyservergroups/us1-metrics", "delete grafanadatasources/us1-logs"}
    assert sent[6:] == [
        "patch clusterdeployments/us1",
        "delete clusterdeployments/us1",
    ]
    assert there(control_plane) == OF_EU1
    assert "promxy has" not in done["msg"]  # there is another region


@pytest.mark.any_core
def test_services_that_do_not_go_keep_their_cluster(control_plane: Any, play: Any, sveltos: Any) -> None:
    sveltos("us1", works=False)
    run = play("us1", DELETE, *CONFIRMED, "-e", '{"kof_wait_timeout": 3}')
    (refused,) = result(run)["refused"]
    assert "its services are still on the cluster after 3 s" in refused["reason"]
    assert "-e kof_delete_leave_services=us1" in refused["reason"]
    assert "clusterdeployments/us1" in there(control_plane)


@pytest.mark.any_core
def test_an_unreachable_cluster_goes_when_its_services_may_stay(control_plane: Any, play: Any, sveltos: Any) -> None:
    sveltos("eu1-child1", works=False, connectionStatus="Down", failureMessage="dial tcp: connection refused")
    (refused,) = result(play("kof_child", DELETE, *CONFIRMED))["refused"]
    assert "connection refused" in refused["reason"]
    assert there(control_plane) == ALL
    done = result(play("kof_child", DELETE, *CONFIRMED, "-e", "kof_delete_leave_services=eu1-child1"))
    assert done["left_behind"] == [{"host": "eu1-child1", "releases": ["kof/one", "kof/two"]}]
    assert done["refused"] == done["uninstalled"] == []
    assert "clusterdeployments/eu1-child1" not in there(control_plane)


@pytest.mark.any_core
def test_the_last_region_of_promxy_is_told(play: Any) -> None:
    assert re.search(r"promxy has (eu1|us1) in its configuration", play(EVERYTHING, DELETE, *CONFIRMED).stdout)
