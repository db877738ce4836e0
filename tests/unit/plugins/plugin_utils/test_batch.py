"""Who is left out of a batch, which regional a child has, what a result carries, when a batch fails as a whole."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.cluster_deployment import DOMAIN_ANNOTATION
from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.plugin_utils import batch as batches
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, render
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from inventories import FLEET, task_vars

REPOSITORY = pathlib.Path(__file__).parents[4]


def read(folder: pathlib.Path, layer: str, text: str = FLEET) -> tuple[fleets.Fleet, dict[str, Any]]:
    variables = task_vars(folder, text)
    return fleets.read_fleet(variables, [layer]), variables


def note(variables: dict[str, Any], layer: str = "regional", **fact: Any) -> None:
    """What a batch of a layer left on localhost, as set_fact does it."""
    manager, name = variables["hostvars"]._variable_manager, f"__{layer}_outcomes"
    before = variables["hostvars"].raw_get("localhost").get(name, [])
    manager.set_nonpersistent_facts("localhost", {name: [*before, fact]})


def outcome(name: str, action: str, **more: Any) -> Outcome:
    return Outcome(Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", name), action, **more)


def test_children_of_a_failed_regional_are_left_out(tmp_path: pathlib.Path) -> None:
    fleet, variables = read(tmp_path, "child")
    note(variables, failed={"eu1": "frozen"})
    assert batches.leave_out_failed(fleet, "child", variables) == [
        {"host": "eu1-child1", "reason": "its regional eu1 failed"}
    ]
    assert [child.host for child in fleet.of("child")] == ["us1-child1"]


def test_a_failed_cluster_is_not_tried_again(tmp_path: pathlib.Path) -> None:
    fleet, variables = read(tmp_path, "regional")
    note(variables, failed={"us1": "frozen"})
    batches.leave_out_failed(fleet, "regional", variables)
    assert [each.host for each in fleet.of("regional")] == ["eu1"]


def test_domain_comes_from_the_inventory_else_from_the_live_regional(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("child_regional: us1", "child_regional: far-away")
    fleet, variables = read(tmp_path, "child", text)
    live = {"far-away": {"metadata": {"annotations": {DOMAIN_ANNOTATION: "far.example.com"}}}}
    surroundings = render.Surroundings("v1alpha1", deployments=live)
    domains, faults = batches.regional_domains(fleet, "child", surroundings, variables)
    assert domains == {"eu1": "eu1.example.com", "far-away": "far.example.com"}
    assert faults == []
    _domains, faults = batches.regional_domains(fleet, "child", render.Surroundings("v1alpha1"), variables)
    assert [(fault.host, fault.variable) for fault in faults] == [("us1-child1", "child_regional")]
    assert "eu1" in faults[0].example


def test_domain_of_a_regional_made_by_hand_is_the_one_that_promxy_asks(tmp_path: pathlib.Path) -> None:
    fleet, variables = read(tmp_path, "child", FLEET.replace("child_regional: us1", "child_regional: by-hand"))
    # What promxy asks counts, as for preflight: kof-storage's host may be behind another name.
    values = "victoriametrics: {vmauth: {ingress: {host: vmauth.inside.example.com}}}"
    services = {"serviceSpec": {"services": [{"name": "kof-storage", "values": values}]}}
    live: dict[str, Any] = {"by-hand": {"metadata": {"name": "by-hand"}, "spec": services}}
    group = {"spec": {"cluster_name": "by-hand", "targets": ["vmauth.hand.example.com:443"]}}
    asked = render.Surroundings("v1alpha1", deployments=live, server_groups=lambda: [group])
    assert batches.regional_domains(fleet, "child", asked, variables) == (
        {"eu1": "eu1.example.com", "by-hand": "hand.example.com"},
        [],
    )
    live["by-hand"]["spec"] = {}
    _domains, faults = batches.regional_domains(
        fleet, "child", render.Surroundings("v1alpha1", deployments=live), variables
    )
    assert "is live, but nothing says its domain" in faults[0].problem


def test_result_has_names_and_reasons_never_objects() -> None:
    by_host = [
        ("eu1", outcome("eu1", "created")),
        ("us1", outcome("us1", "refused", reason="webhook: no")),
        ("ap1", outcome("ap1", "unchanged")),
        ("sa1", outcome("sa1", "updated", took_back=(("spec.config.x", "kubectl-edit", "2026-01-01T00:00:00Z"),))),
    ]
    result = batches.batch_result(by_host, [], {"created": 1, "refused": 1, "unchanged": 1, "updated": 1})
    assert result["changed"] is True
    assert result["objects"] == [
        {"object": "ClusterDeployment kcm-system/eu1", "action": "created"},
        {"object": "ClusterDeployment kcm-system/sa1", "action": "updated"},
    ]
    assert result["refused"] == [{"host": "us1", "reason": "ClusterDeployment kcm-system/us1: webhook: no"}]
    assert "kubectl-edit" in result["msg"]


def test_unchanged_thousand_is_a_short_result() -> None:
    by_host = [(f"c{number}", outcome(f"c{number}", "unchanged")) for number in range(1000)]
    result = batches.batch_result(by_host, [], {"unchanged": 1000})
    assert result["changed"] is False
    assert len(json.dumps(result)) < 300


def limited(folder: pathlib.Path, limit: int) -> tuple[fleets.Fleet, dict[str, Any]]:
    return read(
        folder, "regional", FLEET.replace("kof_fleet: test", f"kof_fleet: test\n    kof_max_fail_percentage: {limit}")
    )


def refuse_us1() -> tuple[dict[str, Any], booking.Outcomes]:
    refused = [{"host": "us1", "reason": "webhook: no"}]
    return {"refused": refused}, booking.of_batch([("eu1", outcome("eu1", "updated"))], refused, [])


@pytest.mark.parametrize("booked_by", [booking.BY_TASK, booking.BY_ROLE, booking.BY_PLAY])
@pytest.mark.parametrize(("limit", "over"), [(0, True), (49, True), (50, False), (100, False)])
def test_batch_stops_above_the_limit_and_fails_only_where_nobody_books_it(
    tmp_path: pathlib.Path, limit: int, over: bool, booked_by: str
) -> None:
    fleet, variables = limited(tmp_path, limit)
    result, outcomes = refuse_us1()

    def judged() -> dict[str, Any]:
        return batches.within_limit(result, fleet, "regional", variables, outcomes, finished=True, booked_by=booked_by)

    if over and booked_by == booking.BY_TASK:
        ends = r"us1: webhook: no\nThe rollout stops here. done: eu1; failed: us1"
        with pytest.raises(fleets.FleetFault, match=ends):
            judged()
        return
    told = judged()
    assert told["stop"] is over
    assert told["outcomes"]["changed"] == {"eu1": "ClusterDeployment kcm-system/eu1 updated"}
    assert told["outcomes"]["failed"] == {"us1": "webhook: no"}
    head = f"1 of 2 regional clusters failed, more than kof_max_fail_percentage ({limit}) allows"
    assert told.get("warnings", []) == ([f"{head}. The rollout stops here. done: eu1; failed: us1"] if over else [])


def test_what_failed_when_applied_counts_when_the_batch_is_waited_for(tmp_path: pathlib.Path) -> None:
    fleet, variables = limited(tmp_path, 60)
    note(variables, failed={"eu1": "frozen"})
    result, outcomes = refuse_us1()
    told = batches.within_limit(
        result, fleet, "regional", variables, outcomes, finished=True, booked_by=booking.BY_PLAY
    )
    assert told["stop"], "each look alone has half of the batch, both have all of it"


@pytest.mark.parametrize("tags", [["always"], ["tagged"]])
def test_batch_fails_by_any_cluster_where_the_play_that_books_is_skipped(
    tmp_path: pathlib.Path, tags: list[str]
) -> None:
    fleet, variables = limited(tmp_path, 100)
    result, outcomes = refuse_us1()
    with pytest.raises(fleets.FleetFault, match="us1: webhook: no"):
        batches.within_limit(
            result,
            fleet,
            "regional",
            variables | {"ansible_skip_tags": tags},
            outcomes,
            finished=True,
            booked_by=booking.BY_PLAY,
        )


def test_later_batches_are_left_out_by_name_and_so_is_every_later_layer(tmp_path: pathlib.Path) -> None:
    fleet, variables = limited(tmp_path, 10)
    fleet.batch["regional"] = ["us1"]
    variables["ansible_play_hosts_all"] = ["us1", "eu1"]
    result, outcomes = refuse_us1()
    told = batches.within_limit(
        result, fleet, "regional", variables, outcomes, finished=False, booked_by=booking.BY_PLAY
    )
    why = "1 of 1 regional clusters failed, more than kof_max_fail_percentage (10) allows"
    assert told["outcomes"]["left_out"] == {"eu1": f"the rollout stopped before its turn: {why}"}
    assert batches.stopped("child", variables, booking.BY_PLAY) is None
    note(variables, **told["outcomes"])
    variables["ansible_play_hosts_all"] = ["eu1-child1", "us1-child1"]
    later = batches.stopped("child", variables, booking.BY_PLAY)
    assert later
    assert later["stop"]
    assert list(later["outcomes"]["left_out"]) == ["eu1-child1", "us1-child1"]
    assert batches.stopped("child", variables, booking.BY_TASK) is None, "somebody's own task is somebody's own rollout"


@pytest.mark.parametrize(("finished", "done", "unfinished"), [(True, ["a", "d"], []), (False, ["a"], ["d"])])
def test_a_stopped_rollout_sorts_every_host_of_the_play(
    tmp_path: pathlib.Path, finished: bool, done: list[str], unfinished: list[str]
) -> None:
    _fleet, variables = read(tmp_path, "regional")
    variables["ansible_play_hosts_all"] = ["a", "b", "c", "d", "e", "f"]
    note(variables, failed={"b": "frozen"})
    rollout = batches.rollout_of(variables, ["c", "d"], ["c"], finished=finished)
    assert rollout == batches.Rollout(done, ["b", "c"], unfinished, ["e", "f"])
    told = str(rollout)
    assert "failed: b, c (2)" in told
    assert "untouched: e, f (2)" in told


def test_who_was_left_out_is_untouched_and_not_done(tmp_path: pathlib.Path) -> None:
    _fleet, variables = read(tmp_path, "regional")
    variables["ansible_play_hosts_all"] = ["a", "b", "c", "d", "e"]
    note(variables, left_out={"a": "its regional failed"})
    rollout = batches.rollout_of(variables, ["b", "c", "d"], ["c"], finished=True, left_out=["d"])
    assert rollout == batches.Rollout(["b"], ["c"], [], ["a", "d", "e"])


def test_progress_of_a_long_batch_is_told_now_and_then() -> None:
    lines: list[str] = []
    silent, talking = (batches.progress_lines("objects", lines.append, every) for every in (1000, 0))
    silent(1, 3)
    assert lines == []
    talking(2, 3)
    assert lines == ["2 of 3 objects"]


def test_a_lost_server_is_told_once_and_not_by_each_host() -> None:
    lost = [(f"eu{n}", outcome(f"eu{n}", "refused", reason="not tried: no answer", lost=True)) for n in range(500)]
    by_host = [("us1", outcome("us1", "created")), ("us2", outcome("us2", "refused", reason="webhook: no")), *lost]
    with pytest.raises(fleets.FleetFault) as caught:
        batches.unless_lost(by_host, "regional")
    told = str(caught.value)
    assert told.startswith(
        "ClusterDeployment kcm-system/eu0: not tried: no answer\n500 regional clusters were not reached"
    )
    assert "Of the other objects: 1 created, 1 refused" in told
    assert len(told) < 500
    assert caught.value.faults == ["us2: ClusterDeployment kcm-system/us2: webhook: no"]
    batches.unless_lost(by_host[:2], "regional")


def test_policy_is_what_the_variables_say(tmp_path: pathlib.Path) -> None:
    settings = "kof_fleet: test\n    kof_apply_timeout: 7\n    kof_adopt: false\n    kof_force_conflicts: never"
    policy = batches.policy_of(read(tmp_path, "regional", FLEET.replace("kof_fleet: test", settings))[0])
    assert (policy.deadline, policy.adopt, policy.force_conflicts) == (7, False, "never")


def test_pending_is_what_the_motherships_role_registered(tmp_path: pathlib.Path) -> None:
    variables = task_vars(tmp_path)
    manager = variables["hostvars"]._variable_manager
    # What another run left in a fact cache says nothing about this one.
    manager.set_host_facts("mothership", {"kof_pending": [["Namespace", "old"]], "pending": [["Namespace", "old"]]})
    for waited in ({}, {"skipped": True}, {"pending": []}):
        manager.set_nonpersistent_facts("mothership", {batches.MOTHERSHIP_WAITED: waited})
        assert batches.pending_of(variables).items == set()
    waited = {"pending": [["Namespace", "kof"], ["crd", "g/Kind"]]}
    manager.set_nonpersistent_facts("mothership", {batches.MOTHERSHIP_WAITED: waited})
    assert batches.pending_of(variables).items == {("Namespace", "kof"), ("crd", "g/Kind")}
    tasks = yaml.safe_load((REPOSITORY / "roles/mothership/tasks/main.yml").read_text(encoding="utf-8"))
    assert [task["register"] for task in tasks if "k0rdent.kof.fleet_wait" in task] == [batches.MOTHERSHIP_WAITED]
