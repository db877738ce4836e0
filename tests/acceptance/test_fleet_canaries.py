"""Canaries: rollout.yml of the example goes by batches, stops at the first with a failure, and says how far it came."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import example_fleet
import pytest
from support import Run, Sandbox

ROLLOUT = ("-e", "@inventories/example/rollout.yml")
CHILDREN = 20


@pytest.fixture(autouse=True)
def nothing_stays(fleet_sandbox: Sandbox) -> Iterator[None]:
    yield
    fleet_sandbox.command("fault", "--clear")
    fleet_sandbox.delete_clusters()


@pytest.fixture
def inventory(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> str:
    """One regional cluster, which is there and ready, and twenty children, which aren't."""
    where = fleet_sandbox.inventory(tmp_path / "fleet", example_fleet.fleet(1, CHILDREN))
    ready = fleet_sandbox.playbook("regional", inventory=where)
    assert ready.code == 0, ready.output
    return where


@pytest.fixture
def children() -> list[str]:
    """In the order in which the batches take them: 1, then 10% (2), then the rest."""
    return list(example_fleet.fleet(1, CHILDREN).children)


def spoil(inventory: str, guilty: str) -> pathlib.Path:
    """A config that the ClusterTemplate's chart refuses: only another one ends that. The file that has it."""
    file = pathlib.Path(inventory) / "host_vars" / f"{guilty}.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text('child_config: {region: us-east-2, workersNumber: "three"}\n')
    return file


def live(sandbox: Sandbox) -> set[str]:
    items = sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
    return {item["metadata"]["name"] for item in items if "-child" in item["metadata"]["name"]}


def message(run: Run) -> str:
    return next(event["result"]["msg"] for event in run.events if event["event"] == "failed")


def test_a_rollout_stops_after_the_batch_that_failed(
    fleet_sandbox: Sandbox, inventory: str, children: list[str]
) -> None:
    guilty = children[2]
    spoilt = spoil(inventory, guilty)
    run = fleet_sandbox.playbook("child", *ROLLOUT, inventory=inventory)
    assert run.code != 0
    assert live(fleet_sandbox) == set(children[:3]), "the third batch must not have begun"
    told = run.output
    assert "1 of 2 child clusters failed, more than kof_max_fail_percentage (0) allows. " in told
    assert "workersNumber: Invalid type. Expected: number, given: string" in message(run)
    assert {host for host, counts in run.stats.items() if counts["failures"]} == {guilty}
    assert f"The rollout stops here. done: {children[0]}, {children[1]} (2); failed: {guilty};" in told
    assert f"untouched: {', '.join(children[3:13])} and 7 more (17)" in told
    assert "Traceback" not in run.output

    spoilt.unlink()
    again = fleet_sandbox.playbook("child", *ROLLOUT, inventory=inventory)
    assert again.code == 0, again.output
    assert live(fleet_sandbox) == set(children)
    assert {name for name, action in again.changes() if action == "created"} == {
        f"ClusterDeployment kcm-system/{name}" for name in children[3:]
    }
    assert (f"ClusterDeployment kcm-system/{guilty}", "updated") in again.changes()


def test_a_stopped_site_begins_no_later_layer(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    """The canary of the regional layer isn't ready in time: no other regional and no child is tried."""
    fleet = example_fleet.fleet(3, 3)
    canary, *others = fleet.regionals
    fleet_sandbox.command("fault", f"never_ready={canary}")
    where = fleet_sandbox.inventory(tmp_path / "fleet", fleet)
    arguments = (*ROLLOUT, "-e", '{"kof_wait_timeout": 5}', "--tags", "regional,child")
    run = fleet_sandbox.playbook("site", *arguments, inventory=where)
    assert run.code != 0
    assert [item["metadata"]["name"] for item in fleet_sandbox.get("clusterdeployments", "-A")["items"]] == [canary]
    assert f"The rollout stops here. failed: {canary}; untouched: {', '.join(others)} (2)" in run.output
    assert {host: counts["failures"] for host, counts in run.stats.items() if counts["failures"]} == {canary: 1}


def test_without_a_limit_one_failure_holds_nobody_back(
    fleet_sandbox: Sandbox, inventory: str, children: list[str]
) -> None:
    guilty = children[0]
    spoil(inventory, guilty)
    arguments = ("-e", '{"kof_serial": [1, "10%", "100%"]}')
    run = fleet_sandbox.playbook("child", *arguments, inventory=inventory)
    assert run.code != 0
    assert live(fleet_sandbox) == set(children)
    assert {host for host, counts in run.stats.items() if counts["failures"]} == {guilty}
    assert "workersNumber: Invalid type" in message(run)
