"""What a run leaves of itself, and the bundle for a question at night: there, true, bounded, and without any secret."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import canaries
import example_fleet
import jsonschema
import pytest
from support import DEPLOYMENTS, REPOSITORY, Run, Sandbox

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
    run = fleet.sandbox.run(["-i", fleet.where, str(fleet.folder / "mine.yml"), *QUICK])
    assert run.code == 0, run.output
    records = [json.loads(each["data"]["run.json"]) for each in fleet.sandbox.items(RECORDS)]
    assert [each["playbook"] for each in records].count(str(fleet.folder / "mine.yml")) == 1


@contextlib.contextmanager
def refusing(
    sandbox: Sandbox, group: str, resource: str, expression: str, message: str, *, probe: tuple[str, ...]
) -> Iterator[None]:
    """A policy of the API server's that refuses what isn't so, while it is heeded: `probe` is a command that it refuses
    then."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "see-record"}}
    rule = {"apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": ["CREATE", "UPDATE"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
    }
    binding = {"policyName": "see-record", "validationActions": ["Deny"]}
    items = [
        {**head, "kind": "ValidatingAdmissionPolicy", "spec": spec},
        {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    heeded = lambda: not sandbox.kubectl(*probe, check=False)  # noqa: E731
    sandbox.kubectl("apply", "-f", "-", stdin=text)
    try:
        until(heeded)
        yield
    finally:
        sandbox.kubectl("delete", "-f", "-", stdin=text)
    until(lambda: not heeded())


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not done():
        assert time.monotonic() < end
        time.sleep(0.5)


def test_05_where_it_may_not_be_kept_the_run_warns_and_is_well(fleet: Fleet) -> None:
    """As an administrator may have a policy for all ConfigMaps."""
    probe = ("create", "configmap", "kof-run-x", "-n", "kof", "--dry-run=server")
    expression = "!object.metadata.name.startsWith('kof-run-')"
    with refusing(fleet.sandbox, "", "configmaps", expression, "no records", probe=probe):
        fleet.drift(74)
        run, records = fleet.run("child")
    assert (run.code, records) == (0, []), run.output
    assert "the record of this run: ConfigMap kof/kof-run-" in run.output
    assert "no records" in run.output
    live = next(each for each in fleet.sandbox.items(DEPLOYMENTS) if each["metadata"]["name"] == CHILD)
    assert live["spec"]["config"]["workersNumber"] != 74


def test_05b_a_run_that_ends_in_a_chart_leaves_one(fleet: Fleet) -> None:
    """With nobody left for a report."""
    probe = ("create", "deployment", "kof-mothership-promxy-x", "-n", "kof", "--image=x", "--dry-run=server")
    values = {"mothership_values": {"promxy": {"resources": {"limits": {"memory": "1100Mi"}}}}}
    expression = "!object.metadata.name.startsWith('kof-mothership-promxy')"
    with refusing(fleet.sandbox, "apps", "deployments", expression, "no promxy", probe=probe):
        run, records = fleet.run("mothership", "-e", json.dumps(values))
    mended, later = fleet.run("mothership")
    assert (run.code, mended.code) == (2, 0), run.output + mended.output
    assert "no promxy" in run.output
    assert [each["result"] for each in (*records, *later)] == ["failed", "changed"], run.output
    assert records[0]["failed"]["clusters"] == {"mothership": "a task of it failed"}
    assert "kof/kof-mothership begun, and failed" in records[0]["changed"]["clusters"]["mothership"]
    run, records = fleet.run("mothership")
    assert (run.code, records) == (0, []), run.output


def planted(folder: pathlib.Path) -> tuple[str, ...]:
    """Options of a run with three secrets: of a no_log option, in a map by its key, and of Ansible Vault; and in what
    forms clusters may repeat them."""
    in_option, in_map, in_vault = (canaries.Canary(number, "", "").text for number in (1, 2, 3))
    values = {"kof-collectors": {"kube-state-metrics": {"password": in_map, "note": "{{ my_own }}"}}}
    plain = {
        "kof_chart_repository_username": "robot",
        "kof_chart_repository_password": in_option,
        "child_service_values": values,
    }
    folder.mkdir()
    (folder / "plain.json").write_text(json.dumps(plain))
    (folder / "password").write_text("open")
    (folder / "vault.json").write_text(json.dumps({"my_own": in_vault}))
    vault = ["encrypt", "--vault-password-file", str(folder / "password"), str(folder / "vault.json")]
    subprocess.run([pathlib.Path(sys.executable).with_name("ansible-vault"), *vault], check=True, capture_output=True)
    files = ("-e", f"@{folder}/vault.json", "-e", f"@{folder}/plain.json")
    return ("--vault-password-file", str(folder / "password"), *files)


def test_06_no_planted_secret_is_in_record_bundle_or_output(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    options = planted(tmp_path / "planted")
    secrets = [canaries.Canary(number, "", "").text for number in (1, 2, 3)]
    forms = [(each, urllib.parse.quote(each, safe=""), base64.b64encode(each.encode()).decode()) for each in secrets]
    repeated = " ".join(form for each in forms for form in each)
    assert canaries.found_in(repeated.encode()) == {1, 2, 3}
    other = sorted(FLEET.children)[1]
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{CHILD}.1", "namespace": "kcm-system"},
        "involvedObject": {"kind": "ClusterDeployment", "namespace": "kcm-system", "name": CHILD},
        "reason": "Failed", "type": "Warning", "message": repeated, "lastTimestamp": "2026-03-01T10:00:00Z",
    }  # fmt: skip
    fleet.sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(event))
    guarded = ("k0rdent.mirantis.com", "clusterdeployments", f"object.metadata.name != '{other}'", repeated)
    probe = ("annotate", "clusterdeployment", other, "-n", "kcm-system", "x=y", "--overwrite", "--dry-run=server")
    with refusing(fleet.sandbox, *guarded, probe=probe):
        run, (record,) = fleet.run("child", "-vvv", *options)
    assert run.code == 2, run.output
    assert (record["result"], record["changed"]["count"]) == ("failed", 1)
    assert "admission policy see-record" in record["failed"]["clusters"][other]
    folder = tmp_path / "bundle"
    bundle, none = fleet.run("support_bundle", "-vvv", "-e", f"support_bundle_folder={folder}", *options)
    assert (bundle.code, none, bundle.total("changed")) == (0, [], 0), bundle.output
    (file,) = folder.iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with tarfile.open(file) as tar:
        files = {each.name.partition("/")[2]: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    assert set(files) == {
        "README.txt", "events.json", "inventory.json", "runs.json", "status.json", "status.txt", "versions.json",
    }  # fmt: skip
    assert json.loads(files["runs.json"])[0]["failed"]["count"] == 1
    mine = [each for each in json.loads(files["events.json"]) if each["object"].endswith(f"/{CHILD}")]
    assert "(hidden)" in mine[-1]["message"]
    jsonschema.validate(
        json.loads(files["status.json"]), json.loads((REPOSITORY / "docs" / "status.schema.json").read_text())
    )
    kept = "".join(each["data"]["run.json"] for each in fleet.sandbox.items(RECORDS))
    found = {name: canaries.found_in(data) for name, data in {**files, "records": kept.encode()}.items()}
    found["bundle's output"] = canaries.found_in(bundle.output.encode())
    assert {name: numbers for name, numbers in found.items() if numbers} == {}
    # Of requests there is what helps, and no more.
    assert re.search(r"<https://[^>]*> PATCH /apis/k0rdent.mirantis.com/\S+: 200 in \d+ ms", run.output)
    assert re.search(r"<https://[^>]*> GET /version: 200 in \d+ ms", bundle.output)
