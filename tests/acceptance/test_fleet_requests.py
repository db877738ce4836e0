"""What a fleet costs the API server when nothing or one thing differs: its requests, counted in the audit log.

How long it takes is not a test: that is `make bench`.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import example_fleet
import pytest
from support import LEASES, Run, Sandbox

FLEET = example_fleet.fleet(4, 60)
#: However many clusters the fleet has; LISTs of more than 2,500 objects take another for each further 2,500.
MOST = 12


@pytest.fixture(scope="module")
def inventory(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The fleet, applied once; nobody waits for it here, so nobody works on it either."""
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    where = fleet_sandbox.inventory(tmp_path_factory.mktemp("requests"), FLEET)
    for layer in ("regional", "child"):
        first = fleet_sandbox.playbook(layer, "-e", "kof_wait=false", inventory=where)
        assert first.code == 0, first.output
    yield where
    fleet_sandbox.delete_clusters()
    fleet_sandbox.command("fault", "--clear")


def child_layer(sandbox: Sandbox, inventory: str, *arguments: str) -> tuple[Run, list[str]]:
    """The layer alone with its report, and what it sent: verb and address."""
    mark = sandbox.audit_mark()
    report = "playbooks/layers/report.yml"
    run = sandbox.playbook("layers/child", report, "-e", "kof_wait=false", *arguments, inventory=inventory)
    assert run.code == 0, run.output
    return run, [f"{each['verb']} {each['requestURI']}" for each in sandbox.requests_since(mark)]


def test_nothing_changed_costs_a_dozen_requests_that_only_read(fleet_sandbox: Sandbox, inventory: str) -> None:
    run, sent = child_layer(fleet_sandbox, inventory)
    assert run.total("changed") == 0
    assert {each.split()[0] for each in sent} <= {"get", "list"}
    assert 0 < len(sent) <= MOST, sent
    assert len([each for each in sent if "clusterdeployments" in each]) == 1, "the largest kind is listed once"


def test_one_drifted_cluster_costs_one_patch_and_its_field_is_named(fleet_sandbox: Sandbox, inventory: str) -> None:
    victim = sorted(FLEET.children)[30]
    patch = json.dumps({"spec": {"config": {"workersNumber": 77}}})
    edit = ("patch", "clusterdeployment", victim, "-n", "kcm-system", "--type=merge", "--field-manager=kubectl-edit")
    fleet_sandbox.kubectl(*edit, "-p", patch)
    run, sent = child_layer(fleet_sandbox, inventory, "--diff")
    old = "delete /api/v1/namespaces/kof/configmaps/kof-run-"  # records, of which there may be too many
    writes = [each for each in sent if each.split()[0] not in ("get", "list") and not each.startswith(old)]
    lease = [each for each in sent if LEASES in each]
    assert [each.split()[0] for each in lease] == ["get", "create", "get", "delete"], "taken, and given back"
    patch, record = sorted(set(writes) - set(lease), key=lambda each: "/configmaps/kof-run-" in each)
    assert patch.startswith("patch ")
    assert f"/clusterdeployments/{victim}?" in patch
    assert record.startswith("patch /api/v1/namespaces/kof/configmaps/kof-run-")
    assert run.changes() == {(f"ClusterDeployment kcm-system/{victim}", "updated")}
    assert "-spec.config.workersNumber: 77  # by kubectl-edit at " in run.output


def test_a_long_diff_is_capped_and_says_so(fleet_sandbox: Sandbox, inventory: str, tmp_path: pathlib.Path) -> None:
    labels = json.dumps({"child_cluster_labels": {f"label-{number}": "new" for number in range(100)}})
    run, _sent = child_layer(fleet_sandbox, inventory, "--check", "--diff", "-e", labels)
    assert run.total("changed") == len(FLEET.children)
    assert len(run.changes()) == len(FLEET.children)
    assert "… 40 more lines" in run.output
    assert "more changed objects are left out of this diff" in run.output
    assert len(run.output) < 50_000
