"""fleet_prune in a play: only of an inventory that is declared whole, within its limits, and never another fleet's."""

from __future__ import annotations

import copy
import json
import pathlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from unit.unconvertible import unconvertible

EVERYBODY = "kof_mothership:kof_regional:kof_child"
PRUNE = {"name": "Prune", "k0rdent.kof.fleet_prune": {}}
CONFIRMED = ("-v", "-e", "kof_prune_confirm=actions")
KINDS = "clusterdeployments,promxyservergroups,grafanadatasources,vmrules"
Inventory = dict[str, Any]
Write = Callable[[Callable[[Inventory], object]], None]
LABELS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "actions"}
RULES = [{"name": "own", "rules": [{"alert": "Down", "expr": 'up{clusterName="us1-child1"} == 0'}]}]


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def whole(play: Any, tmp_path: pathlib.Path) -> Write:
    """Writes the inventory anew, declared whole, as a function has changed it."""
    told = yaml.safe_load((tmp_path / "hosts.yml").read_text())
    told["all"]["vars"]["kof_inventory_complete"] = True
    told["kof_child"]["hosts"]["us1-child1"] = {**told["kof_child"]["hosts"]["eu1-child1"], "child_regional": "us1"}
    told["kof_child"]["hosts"]["us1-child1"]["child_alert_rules"] = RULES

    def write(change: Callable[[Inventory], object]) -> None:
        mine = copy.deepcopy(told)
        change(mine)
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(mine))

    write(lambda _mine: None)
    return write


@pytest.fixture(autouse=True)
def fleet(control_plane: Any, play: Any, whole: Write, made: list[dict[str, Any]]) -> Iterator[None]:
    """Two regions with a child each, and no controller: what has no finalizer goes at once."""
    if not made:
        for name in ("kof", "kcm-system"):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        for layer in ("regional", "child"):
            run = play(f"kof_{layer}", {"k0rdent.kof.fleet_apply": {"layer": layer}})
            assert run.returncode == 0, run.stdout
        made += json.loads(control_plane.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
        for each in made:
            for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
                each["metadata"].pop(field, None)
    else:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
        control_plane.kubectl("create", "-f", "-", stdin=text)
    yield
    control_plane.kubectl("delete", KINDS, "--all", "-A")


def without(*hosts: str) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        for group in ("kof_regional", "kof_child"):
            for host in hosts:
                inventory[group]["hosts"].pop(host, None)

    return change


def result(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found = re.search(r"=> (\{.*\})$", run.stdout, re.MULTILINE)
    assert found, run.stdout
    return json.loads(found.group(1))


def there(control_plane: Any) -> set[str]:
    return {
        each["metadata"]["name"]
        for each in json.loads(control_plane.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
    }


EVERYTHING = {
    "eu1", "eu1-metrics", "eu1-logs", "eu1-child1",
    "us1", "us1-metrics", "us1-logs", "us1-child1", "us1-child1-alerts",
}  # fmt: skip


def test_a_child_goes_with_its_rules_and_nothing_else_does(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1-child1"))
    predicted = play(EVERYBODY, PRUNE, "-v", "--check")
    assert predicted.returncode == 0, predicted.stdout
    assert there(control_plane) == EVERYTHING
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode == 0, run.stdout
    assert there(control_plane) == EVERYTHING - {"us1-child1", "us1-child1-alerts"}
    assert result(run)["clusters"] == ["us1-child1"]
    assert result(run)["objects"] == result(predicted)["objects"]
    again = play(EVERYBODY, PRUNE, "-v")
    assert again.returncode == 0, again.stdout
    assert result(again)["changed"] is False
    assert "no cluster of fleet actions has left the inventory" in result(again)["msg"]


def test_a_region_goes_after_its_child(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1", "us1-child1"))
    run = play(EVERYBODY, PRUNE, *CONFIRMED, "-e", "kof_max_delete=2")
    assert run.returncode == 0, run.stdout
    assert there(control_plane) == {"eu1", "eu1-metrics", "eu1-logs", "eu1-child1"}
    assert result(run)["clusters"] == ["us1", "us1-child1"]


def test_more_than_may_go_are_none(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1", "us1-child1"))
    for arguments in (CONFIRMED, ("-v", "--check")):
        run = play(EVERYBODY, PRUNE, *arguments)
        assert run.returncode != 0
        told = result(run)["msg"]
        assert "2 clusters of fleet actions have left the inventory, and kof_max_delete is 1: us1, us1-child1" in told
        assert "pass -e kof_max_delete=2" in told
    assert there(control_plane) == EVERYTHING


@pytest.mark.parametrize("said", [(), ("-e", "kof_prune_confirm=another"), ("-e", "kof_delete_confirm=actions")])
def test_only_the_fleets_name_confirms(control_plane: Any, play: Any, whole: Write, said: tuple[str, ...]) -> None:
    whole(without("us1-child1"))
    run = play(EVERYBODY, PRUNE, "-v", *said)
    assert run.returncode != 0
    assert "pass -e kof_prune_confirm=actions" in result(run)["msg"]
    assert there(control_plane) == EVERYTHING


@pytest.mark.parametrize("layer", ["regional", "child"])
def test_an_inventory_that_has_lost_a_layer_deletes_nothing(
    control_plane: Any, play: Any, whole: Write, layer: str
) -> None:
    whole(lambda inventory: inventory[f"kof_{layer}"].pop("hosts"))
    run = play(EVERYBODY, PRUNE, *CONFIRMED, "-e", "kof_max_delete=100")
    assert run.returncode != 0
    assert f"the inventory has no host in kof_{layer}, and 2 {layer} clusters of fleet actions live" in run.stdout
    assert there(control_plane) == EVERYTHING


def test_a_regional_that_a_child_of_the_inventory_names_stays(control_plane: Any, play: Any, whole: Write) -> None:
    """Though it sends elsewhere as yet."""

    def change(inventory: Inventory) -> None:
        without("us1", "us1-child1")(inventory)
        inventory["kof_child"]["hosts"]["eu1-child1"]["child_regional"] = "us1"

    whole(change)
    run = play(EVERYBODY, PRUNE, *CONFIRMED, "-e", "kof_max_delete=2")
    assert run.returncode != 0
    (refused,) = result(run)["refused"]
    assert refused["host"] == "us1"
    assert "children of the inventory name it as child_regional: eu1-child1" in refused["reason"]
    assert there(control_plane) == EVERYTHING - {"us1-child1", "us1-child1-alerts"}


def test_a_regional_to_which_a_child_of_the_inventory_still_sends_stays(
    control_plane: Any, play: Any, whole: Write
) -> None:
    """By the inventory it has moved."""

    def change(inventory: Inventory) -> None:
        without("us1")(inventory)
        inventory["kof_child"]["hosts"]["us1-child1"]["child_regional"] = "eu1"

    whole(change)
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode != 0
    assert "still send to it: us1-child1" in result(run)["refused"][0]["reason"]
    assert there(control_plane) == EVERYTHING


def test_another_fleets_and_nobodys_clusters_are_not_seen(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1", "us1-child1"))
    label = ("-n", "kcm-system", "--overwrite")
    control_plane.kubectl("label", "clusterdeployment/us1", *label, "app.kubernetes.io/part-of=other")
    control_plane.kubectl("label", "clusterdeployment/us1-child1", *label, "app.kubernetes.io/managed-by-")
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode == 0, run.stdout
    assert result(run)["clusters"] == []
    assert there(control_plane) == EVERYTHING


def test_what_a_deletion_has_not_come_to_goes_too(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1-child1"))
    control_plane.kubectl("delete", "clusterdeployment/us1-child1", "-n", "kcm-system")
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode == 0, run.stdout
    assert [each["object"] for each in result(run)["objects"]] == ["VMRule kof/us1-child1-alerts"]


def test_a_region_whose_cluster_somebody_deleted_leaves_promxy(control_plane: Any, play: Any, whole: Write) -> None:
    """With the limit at none: no cluster goes. Where even one part is left, and whichever it is."""
    whole(without("us1", "us1-child1"))
    control_plane.kubectl("delete", "clusterdeployment/us1", "clusterdeployment/us1-child1", "-n", "kcm-system")
    limit = ("-e", "kof_max_delete=0")
    refused = play(EVERYBODY, PRUNE, "-v", *limit)
    assert refused.returncode != 0
    assert "what is left at " in result(refused)["msg"]
    assert "GrafanaDatasource kof/us1-logs" in result(refused)["msg"]
    predicted = play(EVERYBODY, PRUNE, "-v", "--check", *limit)
    run = play(EVERYBODY, PRUNE, *CONFIRMED, *limit)
    assert run.returncode == 0, run.stdout
    left = {"PromxyServerGroup kof/us1-metrics", "GrafanaDatasource kof/us1-logs", "VMRule kof/us1-child1-alerts"}
    assert {each["object"] for each in result(run)["objects"]} == left
    assert result(predicted)["objects"] == result(run)["objects"]
    assert there(control_plane) == {"eu1", "eu1-metrics", "eu1-logs", "eu1-child1"}


def test_a_region_whose_cluster_is_in_another_namespace_keeps_its_parts(
    control_plane: Any, play: Any, whole: Write, made: list[dict[str, Any]]
) -> None:
    """Where runs went by another kof_kcm_namespace before."""
    whole(without("us1", "us1-child1"))
    control_plane.kubectl("delete", "clusterdeployment/us1-child1", "clusterdeployment/us1", "-n", "kcm-system")
    (cluster,) = [each for each in made if (each["kind"], each["metadata"]["name"]) == ("ClusterDeployment", "us1")]
    elsewhere = {**cluster, "metadata": {**cluster["metadata"], "namespace": "team-b"}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(space))
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(elsewhere))
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode != 0, run.stdout
    (refused,) = result(run)["refused"]
    assert refused["host"] == "us1"
    assert refused["reason"].startswith("ClusterDeployment team-b/us1 is there, with the labels of fleet actions")
    assert there(control_plane) >= {"us1", "us1-metrics", "us1-logs"}


def test_one_that_is_being_deleted_is_none_of_the_limit_and_is_not_deleted_again(
    control_plane: Any, play: Any, whole: Write
) -> None:
    """By somebody, and held by a finalizer; the other one goes with a limit of one."""
    whole(without("us1", "us1-child1"))
    held = ("clusterdeployment/us1-child1", "-n", "kcm-system")
    keep = {"metadata": {"finalizers": ["tests/hold"]}}
    control_plane.kubectl("patch", *held, "--type=merge", "-p", json.dumps(keep))
    control_plane.kubectl("delete", *held, "--wait=false")
    before = json.loads(control_plane.kubectl("get", *held, "-o", "json"))["metadata"]
    run = play(EVERYBODY, PRUNE, *CONFIRMED, "-e", "kof_wait_timeout=10")
    after = json.loads(control_plane.kubectl("get", *held, "-o", "json"))["metadata"]
    control_plane.kubectl("patch", *held, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert run.returncode != 0, run.stdout
    found = result(run)
    assert "kof_max_delete" not in found["msg"]
    assert found["counts"].get("being_deleted") == 1
    # It is waited for, as its regional cluster goes after it, and who holds it is told.
    (reason,) = [each["reason"] for each in found["refused"] if each["host"] == "us1-child1"]
    assert "tests/hold" in reason
    assert [each["host"] for each in found["left_out"]] == ["us1"]
    assert before["resourceVersion"] == after["resourceVersion"]
    again = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert again.returncode == 0, again.stdout
    assert there(control_plane) == {"eu1", "eu1-metrics", "eu1-logs", "eu1-child1"}


def test_what_cant_be_listed_is_named_and_nothing_goes(control_plane: Any, play: Any, whole: Write) -> None:
    """The webhook that converts a kind is away: what is left of clusters isn't taken for nothing."""
    whole(without("us1-child1"))
    board = {
        "apiVersion": "grafana.integreatly.org/v1beta1", "kind": "GrafanaDashboard", "spec": {"instanceSelector": {}},
        "metadata": {"name": "mine", "namespace": "kof", "labels": LABELS},
    }  # fmt: skip
    with unconvertible(control_plane.admin, "grafanadashboards.grafana.integreatly.org", board):
        run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode != 0
    told = result(run)["msg"]
    assert "GrafanaDashboard (grafana.integreatly.org/v1beta1) in namespace kof: can't be listed" in told
    assert "conversion webhook" in told
    assert "Nothing was changed" in told
    assert there(control_plane) == EVERYTHING


def test_a_cluster_of_no_layer_stays(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1-child1"))
    gone = {"metadata": {"labels": {"kof": None}}, "spec": {"serviceSpec": None}}
    what = ("clusterdeployment/us1-child1", "-n", "kcm-system")
    control_plane.kubectl("patch", *what, "--type=merge", "-p", json.dumps(gone))
    run = play(EVERYBODY, PRUNE, *CONFIRMED)
    assert run.returncode != 0
    assert "whether it is a regional or a child cluster" in result(run)["refused"][0]["reason"]
    assert there(control_plane) == EVERYTHING


NOT_WHOLE = {
    "not declared": ({"kof_inventory_complete": False}, (), "kof_inventory_complete: isn't true"),
    "by an extra variable": ({}, ("-e", "kof_inventory_complete=true"), "as an extra variable it would declare"),
    "--limit": ({}, ("--limit", "mothership,eu1"), "--limit mothership,eu1: what is limited away hasn't left"),
    "a slice": (
        {},
        ("-e", "awx_workflow_job_name=kof", "-e", "awx_job_template_name=kof", "-e", "awx_job_id=1"),
        "this job is a slice",
    ),
    "a fault": ({"child_config": "text"}, (), "child_config"),
    "a number that is none": ({"kof_max_delete": -1}, (), "from 0 to 100000"),
}


@pytest.mark.parametrize(("said", "arguments", "told"), NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_doesnt_see_all_is_refused(
    control_plane: Any, play: Any, whole: Write, said: Inventory, arguments: tuple[str, ...], told: str
) -> None:
    def change(inventory: Inventory) -> None:
        without("us1-child1")(inventory)
        inventory["all"]["vars"].update(said)

    whole(change)
    run = play(EVERYBODY, PRUNE, *CONFIRMED, *arguments)
    assert run.returncode != 0
    assert told in result(run)["msg"]
    assert there(control_plane) == EVERYTHING


@pytest.mark.parametrize("where", ["serial", "hosts"])
def test_a_play_of_some_hosts_is_refused(control_plane: Any, play: Any, whole: Write, where: str) -> None:
    whole(without("us1-child1"))
    run = play(EVERYBODY, PRUNE, *CONFIRMED, serial=2) if where == "serial" else play("kof_regional", PRUNE, *CONFIRMED)
    assert run.returncode != 0
    assert "not in this batch, or failed before in this run" in result(run)["msg"]
    assert there(control_plane) == EVERYTHING


def test_a_copy_by_a_strange_name_stays_and_the_rest_goes(control_plane: Any, play: Any, whole: Write) -> None:
    whole(without("us1-child1"))
    copied = json.loads(
        control_plane.kubectl("get", "clusterdeployment", "us1-child1", "-n", "kcm-system", "-o", "json")
    )
    labels = copied["metadata"]["labels"]
    copied["metadata"] = {"name": "us1.copy", "namespace": "kcm-system", "labels": labels}
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(copied))
    run = play(EVERYBODY, PRUNE, *CONFIRMED, "-e", "kof_max_delete=2")
    assert run.returncode != 0, run.stdout
    assert there(control_plane) == {*EVERYTHING - {"us1-child1", "us1-child1-alerts"}, "us1.copy"}
    assert "us1.copy: no run gives a cluster such a name" in run.stdout
    assert "Traceback" not in run.stdout
