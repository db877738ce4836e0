"""No false "ready": the gap between a summary's wish and status, a slow or stopped Sveltos, an unreachable regional.

Each was seen on the real chain: the play ended green within three seconds, and nothing was deployed.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import example_fleet
import pytest
from recordings import hash_of
from support import Run, Sandbox

from sandbox.simulator.seed import adoption

REGIONAL = "adopted-eu"
SHORT = ("-e", '{"kof_wait_timeout": 4}')
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": f"https://{REGIONAL}.invalid:6443"}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    "users": [{"name": "x", "user": {"token": "none"}}],
}


@pytest.fixture(autouse=True)
def adopted(fleet_sandbox: Sandbox) -> Iterator[None]:
    """What is made by hand before a cluster can be adopted, and a Sveltos that shows its steps."""
    made = [
        {"apiVersion": kind.api_version, "kind": kind.kind, **item}
        for kind, item in adoption(REGIONAL, json.dumps(KUBECONFIG))
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    fleet_sandbox.kubectl("apply", "-f", "-", stdin=listed)
    fleet_sandbox.command("fault", "step_seconds=1")
    yield
    fleet_sandbox.command("fault", "--clear")
    fleet_sandbox.delete_clusters()
    fleet_sandbox.kubectl("delete", "-f", "-", stdin=listed)


@pytest.fixture
def regional(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> Callable[..., Run]:
    """Runs regional.yml with a retention."""
    variables = {
        "regional_domain": f"{REGIONAL}.kof.example.com",
        "regional_template_kind": "adopted-cluster",
        "regional_credential": f"{REGIONAL}-cred",
    }
    fleet = dataclasses.replace(example_fleet.fleet(0, 0), regionals={REGIONAL: variables})
    where = fleet_sandbox.inventory(tmp_path / "fleet", fleet)

    def run(retention: str, *arguments: str) -> Run:
        return fleet_sandbox.playbook("regional", "-e", f"regional_retention={retention}", *arguments, inventory=where)

    return run


def sveltos_cluster(sandbox: Sandbox) -> Any:
    return sandbox.get("sveltoscluster", REGIONAL, "-n", "kcm-system").get("status") or {}


def behind(sandbox: Sandbox, retention: str) -> list[str]:
    """The services of which Sveltos hasn't written that their present values are deployed."""
    wish = sandbox.get("clusterdeployment", REGIONAL, "-n", "kcm-system")
    summary = sandbox.get("clustersummary", f"p--{REGIONAL}-sveltos-{REGIONAL}", "-n", "kcm-system")
    there = {each["releaseName"]: each.get("valuesHash") for each in summary["status"]["helmReleaseSummaries"]}
    services = wish["spec"]["serviceSpec"]["services"]
    assert any(retention in service.get("values", "") for service in services)
    return [each["name"] for each in services if there.get(each["name"]) != hash_of(each.get("values", ""))]


def failed_because(run: Run, *words: str) -> None:
    assert run.code != 0
    assert {host for host, counts in run.stats.items() if counts["failures"]} == {REGIONAL}
    for word in words:
        assert word in run.output, run.output


@pytest.mark.parametrize("slow", [0, 5])
def test_a_changed_value_is_ready_when_it_is_deployed(
    fleet_sandbox: Sandbox, regional: Callable[..., Run], slow: int
) -> None:
    """With a Sveltos at its usual pace (the gap is 35 ms of it), and one that looks at the summary seconds later."""
    first = regional("20d")
    assert first.code == 0, first.output
    assert behind(fleet_sandbox, "20d") == []
    fleet_sandbox.command("fault", "step_seconds=1", f"slow_sveltos_seconds={slow}")
    started = time.monotonic()
    changed = regional("40d")
    took = time.monotonic() - started
    assert behind(fleet_sandbox, "40d") == []
    assert changed.code == 0, changed.output
    assert changed.total("changed") == 1
    assert took >= slow
    again = regional("40d")
    assert (again.code, again.total("changed")) == (0, 0), again.output


def test_a_stopped_sveltos_is_no_ready_cluster(fleet_sandbox: Sandbox, regional: Callable[..., Run]) -> None:
    assert regional("20d").code == 0
    fleet_sandbox.command("fault", "step_seconds=1", "slow_sveltos_seconds=3600")
    because = "Sveltos hasn't deployed the new values of kof/kof-storage yet"
    failed_because(regional("50d", *SHORT), because)
    again = regional("50d", *SHORT)
    failed_because(again, because)
    assert not [what for what, _action in again.changes() if what.startswith("ClusterDeployment")], again.changes()
    assert behind(fleet_sandbox, "50d") == ["kof-storage"]
    fleet_sandbox.command("fault", "slow_sveltos_seconds=0")
    healed = regional("60d")
    assert healed.code == 0, healed.output
    assert behind(fleet_sandbox, "60d") == []


def test_an_unreachable_regional_is_not_ready_and_says_so(fleet_sandbox: Sandbox, regional: Callable[..., Run]) -> None:
    assert regional("20d").code == 0
    fleet_sandbox.command("fault", "step_seconds=1", f"unreachable={REGIONAL}")
    end = time.monotonic() + 300
    while sveltos_cluster(fleet_sandbox).get("connectionStatus") != "Down":
        assert time.monotonic() < end, sveltos_cluster(fleet_sandbox)
        time.sleep(0.2)
    why = "Sveltos doesn't reach the cluster (connectionStatus Down"
    told = "WARNING  adopted clusters"  # the preflight's table, which breaks the lines of what it found
    failed_because(regional("70d", *SHORT), why, told, f"https://{REGIONAL}.invalid:6443")
    again = regional("70d", *SHORT)
    failed_because(again, why, told)
    assert not [what for what, _action in again.changes() if what.startswith("ClusterDeployment")], again.changes()
    assert behind(fleet_sandbox, "70d") == ["kof-storage"]
    fleet_sandbox.command("fault", "--clear")
    healed = regional("70d")
    assert (healed.code, healed.total("changed")) == (0, 0), healed.output
    assert behind(fleet_sandbox, "70d") == []
