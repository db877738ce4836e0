"""The status of a fleet on real control planes: each fault alone at its cluster, and nothing where all is well."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import jsonschema
import pytest
from support import DEPLOYMENTS, REPOSITORY, Run, Sandbox

Findings = set[tuple[str, str, str]]
REGION, CHILD = "aws-us-east-1-1", "aws-us-east-1-1-child1"
FLEET = example_fleet.fleet(1, 2)
CREDENTIAL = "aws-cluster-identity-cred"


class Fleet:
    """A fleet that is well, and looks at it."""

    def __init__(self, sandbox: Sandbox, where: str, folder: pathlib.Path) -> None:
        self.sandbox, self.where, self.folder = sandbox, where, folder
        self.last: Run | None = None
        self.took = 0.0

    def look(self, *arguments: str, patience: int = 60) -> dict[str, Any]:
        """The JSON face; the run itself is `last`, and `took` so many seconds."""
        asked = {"status_format": ["text", "json"], "status_folder": str(self.folder), "status_patience": patience}
        arguments, began = ("-e", json.dumps(asked), *arguments), time.monotonic()
        self.last = self.sandbox.playbook("status", *arguments, inventory=self.where)
        assert self.last.code in (0, 2), self.last.output
        self.took = time.monotonic() - began
        return json.loads((self.folder / "status.json").read_text())

    def until(self, expected: Findings, *, on_the_way: str = "", **options: Any) -> dict[str, Any]:
        """Look until this is found and nothing else, of earlier faults neither; controllers take their time.

        :param on_the_way: severities that may be found before; empty for any.
        """
        end = time.monotonic() + 600
        while (found := told(seen := self.look(**options))) != expected:
            assert time.monotonic() < end, (found, self.last and self.last.output)
            alarms = {each for each in found if on_the_way and each[1] not in on_the_way.split()}
            assert not alarms, self.last and self.last.output
            time.sleep(0.5)
        return seen


def told(seen: dict[str, Any]) -> Findings:
    return {(each["host"], each["severity"], each["code"]) for each in seen["findings"]}


@pytest.fixture(scope="module")
def fleet(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("status")
    where = fleet_sandbox.inventory(folder / "fleet", FLEET)
    try:
        made = fleet_sandbox.playbook("site", "--tags", "regional,child", inventory=where)
        assert made.code == 0, made.output
        yield Fleet(fleet_sandbox, where, folder / "faces")
    finally:
        fleet_sandbox.command("fault", "--clear")
        fleet_sandbox.delete_clusters()


def test_of_a_fleet_that_is_well_nothing_is_found_and_nothing_is_sent(fleet: Fleet) -> None:
    mark = fleet.sandbox.audit_mark()
    seen = fleet.look("-e", json.dumps({"status_format": ["text", "json", "prometheus", "junit", "html"]}))
    assert told(seen) == set()
    assert seen["counts"]["clusters"]["ready"] == 4
    assert set(seen["versions"]["charts"]) == {"kof-operators", "kof-mothership"}
    assert seen["not_looked_at"] == []
    assert seen["drift"]["objects"] == []
    assert {each["kind"]: each["unchanged"] for each in seen["drift"]["counts"]} == {
        "Namespace": 1,
        "Helm release": 2,
        "ClusterDeployment": 3,
        "PromxyServerGroup": 1,
        "GrafanaDatasource": 1,
    }
    jsonschema.validate(seen, json.loads((REPOSITORY / "docs" / "status.schema.json").read_text()))
    run = fleet.last
    assert run is not None
    assert (run.code, run.total("changed"), run.total("failures")) == (0, 0, 0), run.output
    assert "4 of 4 clusters ready; nothing is wrong" in run.output
    assert fleet.sandbox.mutations_since(mark) == []
    requests = fleet.sandbox.requests_since(mark)
    assert {each["verb"] for each in requests} <= {"get", "list"}
    lists = [each["requestURI"].partition("?")[0] for each in requests if each["verb"] == "list"]
    assert len(lists) == len(set(lists))
    # Secrets by name, but for helm's own record.
    listed = [each["requestURI"] for each in requests if each["verb"] == "list"]
    assert all("secrets" not in each or "owner%3Dhelm" in each for each in listed)
    names = {"status.txt", "status.json", "kof_status.prom", "status.xml", "status.html"}
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in fleet.folder.iterdir()} == dict.fromkeys(
        names, "0o644"
    )


def test_what_a_run_would_change_is_what_check_mode_says(fleet: Fleet) -> None:
    """The one by what it has read alone; the other by dry runs, for which one needs the right to write."""
    sandbox, other = fleet.sandbox, sorted(FLEET.children)[1]
    of_child = ("label", "clusterdeployment", CHILD, "-n", "kcm-system")
    of_other = ("label", "clusterdeployment", other, "-n", "kcm-system")
    sandbox.kubectl(*of_child, "app.kubernetes.io/managed-by=me", "--overwrite")
    sandbox.kubectl("delete", "grafanadatasource", f"{REGION}-logs", "-n", "kof", "--wait=true")
    try:
        mark = sandbox.audit_mark()
        seen = fleet.look()
        assert {each["verb"] for each in sandbox.requests_since(mark)} <= {"get", "list"}
        checked = sandbox.playbook("site", "--tags", "regional,child", "--check", inventory=fleet.where)
        sandbox.kubectl(*of_other, "app.kubernetes.io/part-of=us", "--overwrite")
        refused = {each["host"]: each for each in fleet.look()["drift"]["objects"] if each["action"] == "refused"}
    finally:
        sandbox.kubectl(*of_other, "app.kubernetes.io/part-of=sandbox", "--overwrite")
        mended = sandbox.playbook("site", "--tags", "regional,child", inventory=fleet.where)
    assert mended.code == 0, mended.output
    drift = {(each["object"], each["action"]): each for each in seen["drift"]["objects"]}
    assert set(drift) == checked.changes()
    assert set(drift) == {
        (f"ClusterDeployment kcm-system/{CHILD}", "updated"),
        (f"GrafanaDatasource kof/{REGION}-logs", "created"),
    }
    changed = drift[f"ClusterDeployment kcm-system/{CHILD}", "updated"]
    assert (changed["host"], changed["fields"]) == (CHILD, ["metadata.labels[app.kubernetes.io/managed-by]"])
    assert set(refused) == {other}
    assert "belongs to fleet us" in refused[other]["why"]


def everybody(*what: str) -> Findings:
    return {(host, *what) for host in (*FLEET.regionals, *FLEET.children)}  # type: ignore[misc]


def edited(fleet: Fleet, number: int) -> None:
    """Another text of the same values: Sveltos upgrades for it."""
    # kcm refuses the change as long as the Credential hasn't come back from an earlier fault.
    fleet.sandbox.kubectl(
        "wait", "--for=jsonpath={.status.ready}=true", "credential", "--all", "-n", "kcm-system", "--timeout=600s"
    )
    live = next(each for each in fleet.sandbox.items(DEPLOYMENTS) if each["metadata"]["name"] == CHILD)
    service = live["spec"]["serviceSpec"]["services"][2]
    assert service["name"] == "kof-collectors"
    edit = {"op": "replace", "path": "/spec/serviceSpec/services/2/values", "value": f"{service['values']}# {number}\n"}
    command = ("patch", "clusterdeployment", CHILD, "-n", "kcm-system", "--type=json", "-p", json.dumps([edit]))
    fleet.sandbox.kubectl(*command)


#: By switches of the simulator: whether a service has to change for it to show, minutes of patience, what is found.
SWITCHES: dict[str, tuple[bool, int, Findings]] = {
    f"unreachable={CHILD}": (True, 60, {(CHILD, "failed", "cluster-unreached")}),
    f"credential_not_ready={CREDENTIAL}": (False, 60, everybody("failed", "credential-not-ready")),
    # After one that leaves no message at the summary, which stays until Sveltos looks again.
    "slow_sveltos_seconds=20": (True, 0, {(CHILD, "warning", "service-not-deployed")}),
    f"helm_failed_non_retriable={CHILD}/kof-collectors": (True, 60, {(CHILD, "failed", "service-failed")}),
    # What a fault that heals shows lasts for some looks, however long one takes on this machine.
    f"helm_fails_first={CHILD}/kof-collectors step_seconds=SOME-LOOKS": (
        True,
        60,
        {(CHILD, "progress", "service-being-retried")},
    ),
}


@pytest.mark.parametrize("switches", SWITCHES)
def test_each_fault_alone_names_its_cluster_code_and_remedy(fleet: Fleet, switches: str) -> None:
    changes, patience, expected = SWITCHES[switches]
    if not fleet.took:
        fleet.look()
    said = switches.replace("SOME-LOOKS", f"{max(8.0, 4 * fleet.took):.0f}")
    fleet.sandbox.command("fault", *said.split())
    try:
        if changes:
            edited(fleet, list(SWITCHES).index(switches))
        seen = fleet.until(expected, patience=patience)
    finally:
        fleet.sandbox.command("fault", "--clear")
    run = fleet.last
    assert run is not None
    for each in seen["findings"]:
        assert each["why"]
        assert each["severity"] == "progress" or each["remedy"] in run.output
        assert each["code"] in run.output
    failed = {host for host, severity, _code in expected if severity == "failed"}
    assert {host for host, counts in run.stats.items() if counts["failures"]} == failed
    assert run.code == (2 if failed else 0)


def test_a_rollout_in_progress_gives_no_alarm_until_patience_is_over(fleet: Fleet) -> None:
    other = sorted(FLEET.children)[1]
    fleet.sandbox.kubectl("delete", "clusterdeployment", other, "-n", "kcm-system", "--timeout=600s")
    fleet.until({(other, "progress", "cluster-missing")}, on_the_way="progress")
    assert fleet.last is not None
    assert fleet.last.code == 0
    fleet.until({(other, "failed", "cluster-missing")}, patience=0)
    assert fleet.last.code == 2

    fleet.sandbox.command("fault", f"never_ready={other}")
    made = fleet.sandbox.playbook("child", "--limit", other, "-e", '{"kof_wait": false}', inventory=fleet.where)
    assert made.code == 0, made.output
    fleet.until({(other, "progress", "infrastructure-not-ready")}, on_the_way="progress")
    assert fleet.last.code == 0
    seen = fleet.until({(other, "warning", "infrastructure-not-ready")}, patience=0)
    assert "VpcLimitExceeded" in seen["findings"][0]["why"]
    assert fleet.last.code == 0

    fleet.sandbox.command("fault", "--clear")
    fleet.sandbox.command("fault", f"stuck_finalizer={other}")
    fleet.sandbox.kubectl("delete", "clusterdeployment", other, "-n", "kcm-system", "--wait=false")
    seen = fleet.until({(other, "warning", "being-deleted")})
    assert "k0rdent.mirantis.com/cluster-deployment" in seen["findings"][0]["why"]
    fleet.sandbox.command("fault", "--clear")


def test_who_only_reads_is_told_what_he_may_not_see(fleet: Fleet) -> None:
    """With docs/rbac/reader.yaml, as it is shipped."""
    manifest = (REPOSITORY / "docs" / "rbac" / "reader.yaml").read_text()
    fleet.sandbox.kubectl("apply", "-f", "-", stdin=manifest)
    try:
        reader = json.dumps({"kof_impersonate_user": "reader", "kof_impersonate_groups": ["k0rdent-kof-reader"]})
        admin = json.dumps({"kof_kubeconfig": str(fleet.sandbox.folder / "mothership.kubeconfig")})
        seen = fleet.look("-e", reader, "-e", admin, "--limit", f"mothership,{REGION},{CHILD}")
    finally:
        fleet.sandbox.kubectl("delete", "-f", "-", stdin=manifest)
    assert told(seen) == set()
    unread = {each.partition(":")[0] for each in seen["not_looked_at"]}
    assert unread == {"Helm releases of kof's charts", "Secret", "promxy's regions"}
    states = {each["host"]: each["state"] for each in seen["clusters"]}
    assert states == {"mothership": "unknown", REGION: "ready", CHILD: "ready"}
