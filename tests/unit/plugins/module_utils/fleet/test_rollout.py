"""Who is left out of a batch, what a result carries, when a batch fails as a whole."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import rollout
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import BY_PLAY, BY_ROLE, BY_TASK, Outcomes
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

CHILDREN = ["eu1-child1", "us1-child1"]


def read(folder: pathlib.Path, layer: str, text: str = FLEET) -> tuple[Fleet, dict[str, Any]]:
    variables = task_vars(folder, text)
    return fleets.read_fleet(variables, [layer]), variables


def run(variables: dict[str, Any], booked_by: str = BY_PLAY) -> rollout.Run:
    return booking.run_of(variables, booked_by)


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
    assert rollout.leave_out_failed(fleet, "child", run(variables)) == [
        {"host": "eu1-child1", "reason": "its regional eu1 failed"}
    ]
    assert [child.host for child in fleet.of("child")] == ["us1-child1"]


def test_who_is_left_out_is_told_once_and_who_failed_not_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(booking, "warn", told.append)
    fleet, variables = read(tmp_path, "child")
    note(variables, failed={"eu1": "frozen", "us1-child1": "frozen"})
    rollout.leave_out_failed(fleet, "child", run(variables))
    assert told == ["1 child clusters are left out: eu1-child1 (its regional eu1 failed)"]
    # Then they are waited for.
    note(
        variables, failed={"eu1": "frozen", "us1-child1": "frozen"}, left_out={"eu1-child1": "its regional eu1 failed"}
    )
    fleet, _variables = read(tmp_path, "child")
    assert len(rollout.leave_out_failed(fleet, "child", run(variables))) == 2
    assert len(told) == 1


def test_a_failed_cluster_is_not_tried_again(tmp_path: pathlib.Path) -> None:
    fleet, variables = read(tmp_path, "regional")
    note(variables, failed={"us1": "frozen"})
    rollout.leave_out_failed(fleet, "regional", run(variables))
    assert [each.host for each in fleet.of("regional")] == ["eu1"]


def test_result_has_names_and_reasons_never_objects() -> None:
    by_host = [
        ("eu1", outcome("eu1", "created")),
        ("us1", outcome("us1", "refused", reason="webhook: no")),
        ("ap1", outcome("ap1", "unchanged")),
        ("sa1", outcome("sa1", "updated", took_back=(("spec.config.x", "kubectl-edit", "2026-01-01T00:00:00Z"),))),
    ]
    result = rollout.batch_result(by_host, [])
    assert result["changed"] is True
    assert result["objects"] == [
        {"object": "ClusterDeployment kcm-system/eu1", "action": "created"},
        {"object": "ClusterDeployment kcm-system/sa1", "action": "updated"},
    ]
    assert result["refused"] == [{"host": "us1", "reason": "ClusterDeployment kcm-system/us1: webhook: no"}]
    assert "kubectl-edit" in result["msg"]


def test_unchanged_thousand_is_a_short_result() -> None:
    by_host = [(f"c{number}", outcome(f"c{number}", "unchanged")) for number in range(1000)]
    result = rollout.batch_result(by_host, [])
    assert result["changed"] is False
    assert len(json.dumps(result)) < 300


def limited(folder: pathlib.Path, limit: int) -> tuple[Fleet, dict[str, Any]]:
    return read(
        folder, "regional", FLEET.replace("kof_fleet: test", f"kof_fleet: test\n    kof_max_fail_percentage: {limit}")
    )


def refuse_us1() -> tuple[dict[str, Any], Outcomes]:
    refused = [{"host": "us1", "reason": "webhook: no"}]
    return {"refused": refused}, rollout.outcomes_of([("eu1", outcome("eu1", "updated"))], refused, [])


@pytest.mark.parametrize("booked_by", [BY_TASK, BY_ROLE, BY_PLAY])
@pytest.mark.parametrize(("limit", "over"), [(0, True), (49, True), (50, False), (100, False)])
def test_batch_stops_above_the_limit_and_fails_only_where_nobody_books_it(
    tmp_path: pathlib.Path, limit: int, over: bool, booked_by: str
) -> None:
    fleet, variables = limited(tmp_path, limit)
    result, outcomes = refuse_us1()

    def judged() -> dict[str, Any]:
        return rollout.within_limit(result, fleet, "regional", outcomes, run(variables, booked_by), finished=True)

    if booked_by == BY_TASK:  # whatever the limit, nobody else would say it
        told = judged()
        assert told["failed"]
        ends = "1 of 2 regional clusters failed:\nus1: webhook: no\nThe rollout stops here. done: eu1; failed: us1"
        assert told["msg"].startswith(ends)
        # What was done to the others is kept.
        assert told["outcomes"]["changed"] == {"eu1": "ClusterDeployment kcm-system/eu1 updated"}
        assert told["refused"] == result["refused"]
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
    told = rollout.within_limit(result, fleet, "regional", outcomes, run(variables, BY_PLAY), finished=True)
    assert told["stop"], "each look alone has half of the batch, both have all of it"


@pytest.mark.parametrize("tags", [["always"], ["tagged"]])
def test_batch_fails_by_any_cluster_where_the_play_that_books_is_skipped(
    tmp_path: pathlib.Path, tags: list[str]
) -> None:
    fleet, variables = limited(tmp_path, 100)
    result, outcomes = refuse_us1()
    told = rollout.within_limit(
        result, fleet, "regional", outcomes, run(variables | {"ansible_skip_tags": tags}), finished=True
    )
    assert told["failed"]
    assert "us1: webhook: no" in told["msg"]


def test_later_batches_are_left_out_by_name_and_so_is_every_later_layer(tmp_path: pathlib.Path) -> None:
    fleet, variables = limited(tmp_path, 10)
    fleet.batch["regional"] = ["us1"]
    variables["ansible_play_hosts_all"] = ["us1", "eu1"]
    result, outcomes = refuse_us1()
    told = rollout.within_limit(result, fleet, "regional", outcomes, run(variables, BY_PLAY), finished=False)
    why = "1 of 1 regional clusters failed, more than kof_max_fail_percentage (10) allows"
    assert told["outcomes"]["left_out"] == {"eu1": f"the rollout stopped before its turn: {why}"}
    assert rollout.stopped("child", CHILDREN, run(variables, BY_PLAY)) is None
    note(variables, **told["outcomes"])
    variables["ansible_play_hosts_all"] = ["eu1-child1", "us1-child1"]
    later = rollout.stopped("child", CHILDREN, run(variables, BY_PLAY))
    assert later
    assert later["stop"]
    assert list(later["outcomes"]["left_out"]) == ["eu1-child1", "us1-child1"]
    assert rollout.stopped("child", CHILDREN, run(variables, BY_TASK)) is None, (
        "somebody's own task is somebody's own rollout"
    )


@pytest.mark.parametrize(("finished", "done", "unfinished"), [(True, ["a", "d"], []), (False, ["a"], ["d"])])
def test_a_stopped_rollout_sorts_every_host_of_the_play(
    tmp_path: pathlib.Path, finished: bool, done: list[str], unfinished: list[str]
) -> None:
    _fleet, variables = read(tmp_path, "regional")
    variables["ansible_play_hosts_all"] = ["a", "b", "c", "d", "e", "f"]
    note(variables, failed={"b": "frozen"})
    found = rollout.Rollout.of(run(variables), ["c", "d"], ["c"], [], finished=finished)
    assert found == rollout.Rollout(done, ["b", "c"], unfinished, ["e", "f"])
    told = str(found)
    assert "failed: b, c (2)" in told
    assert "untouched: e, f (2)" in told


def test_who_was_left_out_is_untouched_and_not_done(tmp_path: pathlib.Path) -> None:
    _fleet, variables = read(tmp_path, "regional")
    variables["ansible_play_hosts_all"] = ["a", "b", "c", "d", "e"]
    note(variables, left_out={"a": "its regional failed"})
    found = rollout.Rollout.of(run(variables), ["b", "c", "d"], ["c"], ["d"], finished=True)
    assert found == rollout.Rollout(["b"], ["c"], [], ["a", "d", "e"])
