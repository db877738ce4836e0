"""delete.yml on a small fleet: what it needs to be told, whom it leaves alone, and in which order it deletes.

The tests build on each other, in file order: the fleet is made once, and at the end it is gone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
import yaml
from support import DEPLOYMENTS, Run, Sandbox

pytestmark = pytest.mark.lines

FLEET = example_fleet.fleet(2, 6)
LARGE, SMALL = FLEET.regionals
CHILDREN = {
    regional: {name for name, each in FLEET.children.items() if each["child_regional"] == regional}
    for regional in FLEET.regionals
}
STUCK = min(CHILDREN[LARGE])
CONFIRMED = ("-e", "kof_delete_confirm=sandbox")


@pytest.fixture(scope="module")
def inventory(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a fleet that is there."""
    written = fleet_sandbox.inventory(tmp_path_factory.mktemp("delete"), FLEET)
    for layer in ("regional", "child"):
        run = fleet_sandbox.playbook(layer, inventory=written)
        assert run.code == 0, run.output
    yield written
    fleet_sandbox.command("fault", "--clear")
    for kind in ("clusterdeployments", "promxyservergroups", "grafanadatasources"):
        for where in ("kcm-system", "kof"):
            fleet_sandbox.kubectl("delete", kind, "-n", where, "-l", "app.kubernetes.io/part-of in (sandbox, other)")


@pytest.fixture(scope="module")
def predicted(fleet_sandbox: Sandbox, inventory: str) -> Run:
    run = fleet_sandbox.playbook("delete", "--check", inventory=inventory)
    assert run.code == 0, run.output
    return run


@pytest.fixture(scope="module")
def stuck(fleet_sandbox: Sandbox, inventory: str, predicted: Run) -> tuple[Run, list[tuple[str, str]], list[str]]:
    """A run of which one child doesn't go: it, what happened to the ClusterDeployments, and its requests."""
    fleet_sandbox.command("fault", f"stuck_finalizer={STUCK}")
    version = json.loads(fleet_sandbox.kubectl("get", "--raw", DEPLOYMENTS))["metadata"]["resourceVersion"]
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("delete", *CONFIRMED, "-e", "kof_wait_timeout=20", inventory=inventory)
    return run, happened_since(fleet_sandbox, version), fleet_sandbox.changes_since(mark)


def happened_since(sandbox: Sandbox, version: str) -> list[tuple[str, str]]:
    """What happened to ClusterDeployments after a resourceVersion, in the API server's order: (name, going | gone)."""
    path = f"{DEPLOYMENTS}?watch=true&resourceVersion={version}&timeoutSeconds=5"
    found = []
    for event in map(json.loads, sandbox.kubectl("get", "--raw", path).splitlines()):
        metadata = event["object"]["metadata"]
        if event["type"] == "DELETED":
            found.append((metadata["name"], "gone"))
        elif "deletionTimestamp" in metadata:
            found.append((metadata["name"], "going"))
    return found


def deletion(run: Run) -> dict[str, Any]:
    """The result of the task that deletes."""
    (found,) = [each["result"] for each in run.events if str(each.get("action")).endswith("fleet_delete")]
    return found


def deleted(run: Run) -> list[str]:
    return [each["object"] for each in deletion(run)["objects"] if each["action"] == "deleted"]


def refused(run: Run) -> dict[str, str]:
    return {each["host"]: each["reason"] for each in deletion(run)["refused"]}


def failed(run: Run) -> dict[str, int]:
    return {host: numbers["failures"] for host, numbers in run.stats.items() if numbers["failures"]}


def clusters(sandbox: Sandbox) -> set[str]:
    return {each["metadata"]["name"] for each in sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]}


def promxy_clusters(sandbox: Sandbox) -> set[str]:
    """Whom promxy's configuration knows."""
    data = sandbox.get("secret", "-n", "kof", "kof-mothership-promxy-config")["data"]["config.yaml"]
    groups = yaml.safe_load(base64.b64decode(data))["promxy"]["server_groups"]
    return {group["labels"]["promxyCluster"] for group in groups}


def test_unconfirmed_changes_nothing_and_says_what_to_pass(fleet_sandbox: Sandbox, inventory: str) -> None:
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("delete", inventory=inventory)
    assert run.code != 0
    told = " ".join(run.output.split())
    assert "would delete 6 child and 2 regional clusters of fleet sandbox on https://" in told
    assert "-e kof_delete_confirm=sandbox" in told
    assert fleet_sandbox.mutations_since(mark) == []


def test_others_clusters_and_regionals_with_other_children_stay(fleet_sandbox: Sandbox, inventory: str) -> None:
    fleet_sandbox.kubectl(
        "label", "clusterdeployment", SMALL, "-n", "kcm-system", "--overwrite", "app.kubernetes.io/part-of=other"
    )
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("delete", *CONFIRMED, "--limit", f"{LARGE},{SMALL}", inventory=inventory)
    fleet_sandbox.kubectl(
        "label", "clusterdeployment", SMALL, "-n", "kcm-system", "--overwrite", "app.kubernetes.io/part-of=sandbox"
    )
    assert run.code != 0
    assert failed(run) == {LARGE: 1, SMALL: 1}
    assert "belongs to fleet other" in refused(run)[SMALL]
    assert "still send to it" in refused(run)[LARGE]
    assert all(child in refused(run)[LARGE] for child in CHILDREN[LARGE])
    assert fleet_sandbox.mutations_since(mark) == []


def test_check_mode_changes_nothing(fleet_sandbox: Sandbox, inventory: str, predicted: Run) -> None:
    assert len(deleted(predicted)) == 6 + 2 * 3
    assert clusters(fleet_sandbox) == {*FLEET.regionals, *FLEET.children}


def test_a_stuck_child_fails_by_name_and_only_its_regional_waits(
    fleet_sandbox: Sandbox, stuck: tuple[Run, list[tuple[str, str]], list[str]]
) -> None:
    run, _happened, _sent = stuck
    assert run.code != 0
    assert failed(run) == {STUCK: 1}
    assert f"ClusterDeployment kcm-system/{STUCK} is still there after" in refused(run)[STUCK]
    assert "held by k0rdent.mirantis.com/cluster-deployment" in refused(run)[STUCK]
    assert deletion(run)["left_out"] == [{"host": LARGE, "reason": f"its child clusters are still there: {STUCK}"}]
    assert clusters(fleet_sandbox) == {LARGE, STUCK}
    told = " ".join(run.output.split())
    assert f"1 left out: {LARGE}" in told
    assert f"vmauth.{SMALL}.kof.example.com" in told
    assert promxy_clusters(fleet_sandbox) == {LARGE}


def test_no_regional_goes_before_its_children_are_gone(
    stuck: tuple[Run, list[tuple[str, str]], list[str]],
) -> None:
    _run, happened, sent = stuck
    begun = happened.index((SMALL, "going"))
    assert {name for name, what in happened[:begun] if what == "gone"} == set(FLEET.children) - {STUCK}
    assert (LARGE, "going") not in happened
    # But of old records of runs.
    deletes = [each for each in sent if each.startswith("delete ") and "/configmaps/" not in each]
    deletes = [each.rpartition("/")[2].partition("?")[0] for each in deletes]
    assert deletes[-1] == SMALL
    assert set(deletes[-3:-1]) == {f"{SMALL}-metrics", f"{SMALL}-logs"}
    assert set(deletes[:-3]) == set(FLEET.children)


def test_the_next_run_finishes_as_check_mode_said(
    fleet_sandbox: Sandbox,
    inventory: str,
    predicted: Run,
    stuck: tuple[Run, list[tuple[str, str]], list[str]],
) -> None:
    fleet_sandbox.command("fault", "--clear")
    run = fleet_sandbox.playbook("delete", *CONFIRMED, inventory=inventory)
    assert run.code == 0, run.output
    assert clusters(fleet_sandbox) == set()
    assert sorted([*deleted(stuck[0]), *deleted(run)]) == sorted(deleted(predicted))


def test_a_second_run_changes_nothing(fleet_sandbox: Sandbox, inventory: str) -> None:
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("delete", *CONFIRMED, inventory=inventory)
    assert run.code == 0, run.output
    assert run.total("changed") == 0
    assert fleet_sandbox.mutations_since(mark) == []
