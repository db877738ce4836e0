"""Where nothing changes, one look tells that all is ready; what isn't is waited for and told all the same."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import example_fleet
from support import Run, Sandbox


def waits(run: Run) -> list[str]:
    """The layers that were waited for, by what their tasks say."""
    applied = [each for each in run.events if str(each.get("action")).endswith("fleet_apply")]
    return [str(each["task"]) for each in applied if "ready" in each["result"]]


def test_a_fleet_as_wanted_is_not_waited_for_unless_it_is_not_ready(
    fleet_sandbox: Sandbox, tmp_path: pathlib.Path
) -> None:
    fleet = example_fleet.fleet(2, 4)
    arguments: tuple[Any, ...] = ("--tags", "regional,child")
    where = fleet_sandbox.inventory(tmp_path / "fleet", fleet)
    try:
        first = fleet_sandbox.playbook("site", *arguments, inventory=where)
        assert first.code == 0, first.output
        assert len(waits(first)) == 2

        again = fleet_sandbox.playbook("site", *arguments, inventory=where)
        assert (again.code, again.total("changed"), waits(again)) == (0, 0, []), again.output
        told = [each["result"]["msg"] for each in again.events if str(each.get("action")).endswith("fleet_apply")]
        assert told == ["6 unchanged; all are ready", "4 unchanged; all are ready"]

        # Somebody's cluster breaks: nothing of ours differs, and still the run must not call the fleet well.
        fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
        victim = sorted(fleet.children)[2]
        condition = {"type": "Ready", "status": "False", "reason": "Failed", "message": "a node is gone"}
        condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        patch = json.dumps({"status": {"conditions": [condition]}})
        edit = ("patch", "clusterdeployment", victim, "-n", "kcm-system", "--subresource=status", "--type=merge")
        fleet_sandbox.kubectl(*edit, "-p", patch)
        broken = fleet_sandbox.playbook("site", *arguments, "-e", '{"kof_wait_timeout": 3}', inventory=where)
        assert broken.code != 0
        assert len(waits(broken)) == 1
        assert {host for host, counts in broken.stats.items() if counts["failures"]} == {victim}
        assert "a node is gone" in broken.output
    finally:
        fleet_sandbox.command("fault", "--clear")
        fleet_sandbox.delete_clusters()
