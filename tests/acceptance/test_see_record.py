"""What a run leaves of itself, and the bundle for a question at night: there, true, bounded, and without any secret."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
from support import DEPLOYMENTS, Run, Sandbox

REGION, CHILD = "aws-us-east-1-1", "aws-us-east-1-1-child1"
FLEET = example_fleet.fleet(1, 2)
RECORDS = "/api/v1/namespaces/kof/configmaps?labelSelector=app.kubernetes.io%2Fcomponent%3Drun-record"
QUICK = ("-e", "kof_wait=false")


class Fleet:
    """A fleet on which nobody works, and the records of the runs over it."""

    def __init__(self, sandbox: Sandbox, where: str, folder: pathlib.Path) -> None:
        self.sandbox, self.where, self.folder = sandbox, where, folder

    def run(self, playbook: str, *arguments: str, **environment: str) -> tuple[Run, list[dict[str, Any]]]:
        """A run, and the records that it left."""
        before = {each["metadata"]["uid"] for each in self.sandbox.items(RECORDS)}
        run = self.sandbox.playbook(playbook, *QUICK, *arguments, inventory=self.where, **environment)
        after = [each for each in self.sandbox.items(RECORDS) if each["metadata"]["uid"] not in before]
        return run, [json.loads(each["data"]["run.json"]) for each in after]

    def drift(self, number: int) -> None:
        edit = [{"op": "replace", "path": "/spec/config/workersNumber", "value": number}]
        self.sandbox.kubectl(
            "patch", "clusterdeployment", CHILD, "-n", "kcm-system", "--type=json", "-p", json.dumps(edit),
            "--field-manager=kubectl-edit",
        )  # fmt: skip


@pytest.fixture(scope="module")
def fleet(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("record")
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    yield Fleet(fleet_sandbox, fleet_sandbox.inventory(folder / "fleet", FLEET), folder)
    fleet_sandbox.delete_clusters()
    fleet_sandbox.command("fault", "--clear")


def test_01_a_run_that_changed_something_leaves_who_what_when_and_of_whom(fleet: Fleet) -> None:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    awx = {"awx_job_id": 12, "awx_job_template_name": "kof site", "awx_user_name": "alice"}
    run, records = fleet.run("site", "--tags", "regional,child", "-e", json.dumps(awx))
    assert run.code == 0, run.output
    (record,) = records
    assert (record["fleet"], record["user"], record["result"]) == ("sandbox", "alice", "changed")
    assert record["job"] == {"id": "12", "template": "kof site"}
    assert record["playbook"].endswith("site.yml") or record["playbook"] == "k0rdent.kof.site"
    assert record["ended"] >= began
    assert record["changed"]["count"] == 3
    assert set(record["changed"]["clusters"]) == {*FLEET.regionals, *FLEET.children}
    assert f"ClusterDeployment kcm-system/{REGION} created" in record["changed"]["clusters"][REGION]
    assert record["failed"]["count"] == record["left_out"]["count"] == 0


def test_02_runs_that_change_nothing_or_may_not_leave_none(fleet: Fleet) -> None:
    """Also where they fail: a status of clusters that nobody works on."""
    fleet.drift(71)
    for playbook, arguments in (
        ("site", ("--tags", "regional,child", "--check")),
        ("status", ()),
        ("preflight", ()),
        ("regional", ()),
        ("delete", ("--check",)),
    ):
        mark = fleet.sandbox.audit_mark()
        run, records = fleet.run(playbook, *arguments)
        assert records == [], (playbook, run.output)
        assert fleet.sandbox.mutations_since(mark) == [], playbook
        assert "the record of this run" not in run.output


def test_03_one_drifted_child_is_named_and_status_says_who_ran_last(fleet: Fleet) -> None:
    fleet.drift(72)
    run, (record,) = fleet.run("child")
    assert run.code == 0, run.output
    assert record["changed"] == {
        "count": 1,
        "clusters": {CHILD: f"ClusterDeployment kcm-system/{CHILD} updated"},
    }
    asked = {"status_format": ["text", "json"], "status_folder": str(fleet.folder / "status")}
    run, _none = fleet.run("status", "-e", json.dumps(asked))
    runs = json.loads((fleet.folder / "status" / "status.json").read_text())["runs"]
    # Before them, another file may have installed the mothership.
    assert [each["changed"] for each in runs][:2] == [1, 3]
    assert (runs[1]["user"], runs[1]["job"], runs[0]["job"]) == ("alice", "12 kof site", "")
    assert "last run" in run.output
    assert f"{runs[0]['ended']} {runs[0]['playbook']}" in " ".join(run.output.split())


def test_04_a_role_alone_leaves_one_too(fleet: Fleet) -> None:
    fleet.drift(73)
    play = [{
        "hosts": "kof_child", "gather_facts": False, "connection": "local",
        "tasks": [{"ansible.builtin.import_role": {"name": "k0rdent.kof.child", "rolespec_validate": False}}],
    }]  # fmt: skip
    (fleet.folder / "mine.yml").write_text(json.dumps(play))
    before = len(fleet.sandbox.items(RECORDS))
    run = fleet.sandbox.run(["-i", fleet.where, str(fleet.folder / "mine.yml"), *QUICK])
    assert run.code == 0, run.output
    records = [json.loads(each["data"]["run.json"]) for each in fleet.sandbox.items(RECORDS)]
    assert len(records) == before + 1
    assert [each["playbook"] for each in records].count(str(fleet.folder / "mine.yml")) == 1


def test_05_where_it_may_not_be_kept_the_run_warns_and_is_well(fleet: Fleet) -> None:
    """A policy of the API server's, as an administrator may have one for all ConfigMaps."""
    policy, binding = (
        {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "no-records"}, **rest}
        for rest in (
            {
                "kind": "ValidatingAdmissionPolicy",
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {
                        "resourceRules": [
                            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}
                        ]
                    },
                    "validations": [{"expression": "!request.name.startsWith('kof-run-')", "message": "no records"}],
                },
            },
            {
                "kind": "ValidatingAdmissionPolicyBinding",
                "spec": {"policyName": "no-records", "validationActions": ["Deny"]},
            },
        )
    )
    items = {"apiVersion": "v1", "kind": "List", "items": [policy, binding]}
    fleet.sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(items))
    try:
        end = time.monotonic() + 30
        while fleet.sandbox.kubectl("create", "configmap", "kof-run-x", "-n", "kof", "--dry-run=server", check=False):
            assert time.monotonic() < end
            time.sleep(0.5)
        fleet.drift(74)
        run, records = fleet.run("child")
    finally:
        fleet.sandbox.kubectl("delete", "-f", "-", stdin=json.dumps(items))
    assert (run.code, records) == (0, []), run.output
    assert "the record of this run: ConfigMap kof/kof-run-" in run.output
    assert "no records" in run.output
    live = next(each for each in fleet.sandbox.items(DEPLOYMENTS) if each["metadata"]["name"] == CHILD)
    assert live["spec"]["config"]["workersNumber"] != 74
