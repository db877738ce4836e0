"""What a batch's writes go by, what is told of it while it works, and when all of it is lost."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import apply
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets


def outcome(name: str, action: str, **more: Any) -> Outcome:
    return Outcome(Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", name), action, **more)


def test_progress_of_a_long_batch_is_told_now_and_then() -> None:
    lines: list[str] = []
    silent, talking = (apply.progress_lines("objects", lines.append, every) for every in (1000, 0))
    silent(1, 3)
    assert lines == []
    talking(2, 3)
    assert lines == ["2 of 3 objects"]


def test_a_lost_server_is_told_once_and_not_by_each_host() -> None:
    lost = [(f"eu{n}", outcome(f"eu{n}", "refused", reason="not tried: no answer", lost=True)) for n in range(500)]
    by_host = [("us1", outcome("us1", "created")), ("us2", outcome("us2", "refused", reason="webhook: no")), *lost]
    with pytest.raises(FleetFault) as caught:
        apply.unless_lost(by_host, "regional")
    told = str(caught.value)
    assert told.startswith(
        "ClusterDeployment kcm-system/eu0: not tried: no answer\n500 regional clusters were not reached"
    )
    assert "Of the other objects: 1 created, 1 refused" in told
    assert len(told) < 500
    assert caught.value.faults == ["us2: ClusterDeployment kcm-system/us2: webhook: no"]
    apply.unless_lost(by_host[:2], "regional")


def test_policy_is_what_the_variables_say(tmp_path: pathlib.Path) -> None:
    settings = "kof_fleet: test\n    kof_apply_timeout: 7\n    kof_adopt: false\n    kof_force_conflicts: never"
    variables = task_vars(tmp_path, FLEET.replace("kof_fleet: test", settings))
    policy = apply.policy_of(fleets.read_fleet(variables, ["regional"]))
    assert (policy.deadline, policy.adopt, policy.force_conflicts) == (7, False, "never")
