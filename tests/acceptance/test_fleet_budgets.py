"""The preflight of a fleet that is to be large: what its regions will use up of what they share. Nothing is created."""

from __future__ import annotations

from typing import Any

import example_fleet
import pytest
from support import Run, Sandbox

SMALL = example_fleet.fleet(2, 2)
LARGE = example_fleet.fleet(300, 300)
#: More than promxy's one Secret has room for.
TOO_LARGE = example_fleet.fleet(2700, 0)
#: What each budget's row of the large fleet says: found, wanted, remedy.
BUDGETS = {
    "promxy reloads": ("300 by this run, 25 min", "at most 10 min", "kof_serial"),
    "promxy memory": ("about 1264Mi for 300 regions", "128Mi", "{promxy: {resources: {limits: {memory: 2Gi}}}}"),
    "certificates": ("600 under example.com: 300 new regions", "letsencrypt.org", "25 new regions fit this week"),
    "Route 53 requests": ("35 a second for 300 regions", "at most 10 a second", "interval: 5m"),
}
PROMXY = "/apis/apps/v1/namespaces/kof/deployments/kof-mothership-promxy"


def requests_since(sandbox: Sandbox, mark: int) -> list[str]:
    """Every request of the collection since a mark of the audit log, in the order of their text."""
    return sorted(f"{entry['verb']} {entry['requestURI']}" for entry in sandbox.requests_since(mark))


def checks(run: Run) -> dict[str, dict[str, Any]]:
    """The checks of a preflight that aren't simply fine, by name."""
    results = [event["result"] for event in run.events if str(event.get("action")).endswith("fleet_preflight")]
    return {check["name"]: check for check in results[-1]["checks"]}


@pytest.fixture(scope="module")
def large(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str], list[str]]:
    """A preflight of the large fleet: it, its requests, and those of them that could have changed something."""
    inventory = fleet_sandbox.inventory(tmp_path_factory.mktemp("large"), LARGE)
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("preflight", inventory=inventory)
    return run, requests_since(fleet_sandbox, mark), fleet_sandbox.mutations_since(mark)


@pytest.fixture(scope="module")
def small(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str], str]:
    """A preflight of the small fleet: it, its requests, and the inventory."""
    inventory = fleet_sandbox.inventory(tmp_path_factory.mktemp("small"), SMALL)
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("preflight", inventory=inventory)
    return run, requests_since(fleet_sandbox, mark), inventory


def test_a_large_fleet_is_warned_of_each_budget_and_goes_on(large):
    run, _requests, mutations = large
    assert run.code == 0, run.output
    assert mutations == []
    told = checks(run)
    for name, (found, wanted, remedy) in BUDGETS.items():
        check = told[name]
        assert check["status"] == "warning"
        assert found in check["found"]
        assert wanted in check["wanted"]
        assert remedy in check["remedy"]
    assert "promxy config" not in told
    for name in (*BUDGETS, "promxy config"):
        assert f" {name} " in run.output
    assert "bytes for 300" in run.output
    assert "1,048,576 bytes" in run.output


def test_a_small_fleet_sees_the_same_rows_and_is_fine(small):
    run = small[0]
    assert run.code == 0, run.output
    assert not set(checks(run)) & {*BUDGETS, "promxy config"}
    rows = [line.split("  ") for line in run.output.splitlines()]
    fine = {row[next(place for place, cell in enumerate(row[1:], 1) if cell)].strip() for row in rows if row[0] == "ok"}
    assert {*BUDGETS, "promxy config"} <= fine


def test_a_larger_fleet_sends_no_more_requests(large, small):
    assert large[1]
    assert large[1] == small[1]
    # For what helm would change of it; its limit is known from the values.
    assert large[1].count(f"get {PROMXY}") == 1


def test_a_region_team_is_told_by_the_live_limit_for_one_request_more(fleet_sandbox, small):
    """Where the mothership isn't in the run, its values say nothing about what is installed."""
    there = fleet_sandbox.get("deployment", "-n", "kof", "kof-mothership-promxy")
    (limit,) = [
        each["resources"]["limits"]["memory"]
        for each in there["spec"]["template"]["spec"]["containers"]
        if each["name"] == "promxy"
    ]
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("preflight", "--limit", "kof_regional", inventory=small[2])
    assert run.code == 0, run.output
    assert requests_since(fleet_sandbox, mark).count(f"get {PROMXY}") == 1
    assert f"at most 80% of its limit, {limit}" in " ".join(run.output.split())


@pytest.mark.long
def test_a_fleet_that_no_secret_can_hold_is_stopped_before_any_change(fleet_sandbox, tmp_path):
    inventory = fleet_sandbox.inventory(tmp_path, TOO_LARGE)
    mark = fleet_sandbox.audit_mark()
    run = fleet_sandbox.playbook("site", inventory=inventory)
    assert run.code != 0
    assert fleet_sandbox.mutations_since(mark) == []
    (failed,) = [event["result"] for event in run.events if event["event"] == "failed"]
    error = failed["msg"]
    assert "promxy config: 1," in error
    assert "for 2,700 regions" in error
    assert "spread the regions over several management clusters" in error
