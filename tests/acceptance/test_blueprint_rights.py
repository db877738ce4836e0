"""With each role of docs/rbac/ its playbooks pass, on a cluster with kof; what is refused meanwhile they don't need."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from example_fleet import fleet
from support import REPOSITORY, Run, Sandbox, finish

RBAC = REPOSITORY / "docs" / "rbac"
ROLES = ("reader", "operator", "deleter", "dns_credentials")
#: (verb, resource) that docs/rights.md calls of use, and not needed.
OF_USE = {
    ("get", "configmaps"),
    ("get", "deployments"),
    ("get", "helmrepositories"),
    ("get", "namespaces"),
    ("get", "secrets"),
    ("get", "services"),
    ("list", "endpointslices"),
    ("list", "helmreleases"),
    ("list", "secrets"),
}


class Staff:
    """People with one role each, and a fleet of one region with one child."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox = sandbox
        self._inventory = sandbox.inventory(folder / "inventory", fleet(1, 1))
        self._folder = folder

    def run(self, playbook: str, *roles: str, **variables: Any) -> Run:
        return self.sandbox.playbook(playbook, *self._as(roles, variables), inventory=self._inventory)

    def waits(self, *roles: str) -> Run:
        """A play of somebody's own that waits for clusters and does nothing else."""
        tasks = [{"k0rdent.kof.fleet_wait": {"layer": layer}, "run_once": True} for layer in ("regional", "child")]
        python = {"ansible_python_interpreter": sys.executable}
        play = {"hosts": "kof_regional:kof_child", "gather_facts": False, "connection": "local", "vars": python}
        file = self._folder / "wait.yml"
        file.write_text(yaml.safe_dump([{**play, "tasks": tasks}]))
        return finish(self.sandbox.start(["-i", self._inventory, str(file), *self._as(roles, {})], {}))

    @staticmethod
    def _as(roles: tuple[str, ...], variables: dict[str, Any]) -> tuple[str, ...]:
        groups = [f"k0rdent-kof-{role.replace('_', '-')}" for role in roles]
        who = {"kof_impersonate_user": "+".join(roles), "kof_impersonate_groups": groups}
        return "-e", json.dumps({**who, **variables})

    def refused(self, mark: int) -> set[tuple[str, str]]:
        """(verb, resource) of what the API server refused to people with a role since a mark."""
        return {
            (entry["verb"], entry["objectRef"]["resource"])
            for entry in self.sandbox.requests_since(mark)
            if "impersonatedUser" in entry and entry["responseStatus"].get("code") == 403
        }


@pytest.fixture
def staff(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> Iterator[Staff]:
    manifests = "".join((RBAC / f"{role}.yaml").read_text(encoding="utf-8") for role in ROLES)
    fleet_sandbox.kubectl("apply", "-f", "-", stdin=manifests)
    yield Staff(fleet_sandbox, tmp_path)
    fleet_sandbox.delete_clusters()
    fleet_sandbox.kubectl("delete", "-f", "-", stdin=manifests)


CLUSTERS = {"preflight_layers": ["regional", "child"]}


@pytest.mark.long
def test_with_each_role_its_playbooks_pass(staff: Staff) -> None:
    mark = staff.sandbox.audit_mark()
    # Nobody can do another's work.
    assert staff.run("regional", "reader").code != 0
    for layer in ("regional", "child"):
        run = staff.run(layer, "operator")
        assert run.code == 0, run.output
    again = staff.run("child", "operator")
    assert (again.code, again.total("changed")) == (0, 0), again.output
    looked = staff.run("preflight", "reader", **CLUSTERS, preflight_job="look")
    assert looked.code == 0, looked.output
    waited = staff.waits("reader")
    assert waited.code == 0, waited.output
    assert staff.run("delete", "operator", kof_delete_confirm="sandbox").code != 0
    asked = staff.run("preflight", "deleter", "reader", **CLUSTERS, preflight_job="delete")
    assert asked.code == 0, asked.output
    gone = staff.run("delete", "deleter", kof_delete_confirm="sandbox")
    assert gone.code == 0, gone.output
    left = staff.sandbox.get("clusterdeployments", "-A")["items"]
    assert [each for each in left if "deletionTimestamp" not in each["metadata"]] == []
    staff.sandbox.kubectl("delete", "secret", "-n", "kof", "external-dns-aws-credentials", "--ignore-not-found")
    run = staff.run("dns_credentials", "dns_credentials")
    assert run.code == 0, run.output
    assert ("Secret kof/external-dns-aws-credentials", "created") in run.changes()
    refused = staff.refused(mark)
    # The two that were to fail: by preflight, before anything is sent, and by a dry run.
    assert refused - OF_USE <= {
        ("delete", "promxyservergroups"),
        ("list", "multiclusterservices"),
        ("list", "clusterdeployments"),
    }
