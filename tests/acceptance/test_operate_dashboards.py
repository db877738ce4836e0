"""The user's own dashboards: a folder of files becomes what Grafana shows, and what speaks against that is told by file
before anything is sent."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
from support import Run, Sandbox

FLEET = example_fleet.fleet(2, 0)
EU, US = FLEET.regionals
BOARDS = "/apis/grafana.integreatly.org/v1beta1/namespaces/kof/grafanadashboards"


class Folders:
    """A folder of the mothership's dashboards, and one of both regions'."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.mothership, self.regional = sandbox, folder / "mothership", folder / "regional"
        for each in (self.mothership, self.regional):
            each.mkdir()
        own = {
            "mothership": {**FLEET.mothership, "mothership_dashboards": str(self.mothership)},
            "regionals": {
                name: {**said, "regional_dashboards": str(self.regional)} for name, said in FLEET.regionals.items()
            },
        }
        fleet = example_fleet.Fleet(FLEET.shared, own["mothership"], own["regionals"], {}, {})
        self.where = sandbox.inventory(folder / "fleet", fleet)

    def run(self, playbook: str = "site", *arguments: str) -> Run:
        quick = ("-e", "kof_wait=false", "--skip-tags", "dns_credentials")
        return self.sandbox.playbook(playbook, *quick, *arguments, inventory=self.where)

    def there(self) -> dict[str, Any]:
        found = self.sandbox.items(BOARDS + "?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dk0rdent.kof")
        return {each["metadata"]["name"]: each for each in found}

    def in_grafana(self) -> set[str]:
        """As the Grafana operator (here the simulator) says what it has sent there."""
        (grafana,) = self.sandbox.items("/apis/grafana.integreatly.org/v1beta1/namespaces/kof/grafanas")
        return {each.partition("/")[2] for each in (grafana.get("status") or {}).get("dashboards") or ()}


def board(uid: str, title: str, **more: Any) -> str:
    return json.dumps({"uid": uid, "title": title, "panels": [], **more}, indent=2)


@pytest.fixture(scope="module")
def folders(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    yield Folders(fleet_sandbox, tmp_path_factory.mktemp("dashboards"))
    fleet_sandbox.delete_clusters()
    fleet_sandbox.kubectl("delete", "grafanadashboards", "--all", "-n", "kof")
    fleet_sandbox.command("fault", "--clear")


def test_01_a_file_each_becomes_a_dashboard_in_grafana(folders: Folders) -> None:
    (folders.mothership / "payments.json").write_text(board("payments", "Payments {{ of }} all", datasource="promxy"))
    template = board("logs-${KOF_REGION}", "Logs of ${KOF_REGION}", datasource={"uid": "${KOF_LOGS}"})
    (folders.regional / "logs.json").write_text(template)
    run = folders.run()
    assert run.code == 0, run.output
    named = {"mothership-dashboard-payments", f"{EU}-dashboard-logs", f"{US}-dashboard-logs"}
    assert {(f"GrafanaDashboard kof/{name}", "created") for name in named} <= run.changes()
    there = folders.there()
    assert set(there) == named
    assert there["mothership-dashboard-payments"]["spec"]["json"] == (folders.mothership / "payments.json").read_text()
    assert {each["spec"]["folder"] for each in there.values()} == {"sandbox", EU, US}
    waited = folders.sandbox.playbook("mothership", "-e", "kof_wait=true", inventory=folders.where)
    assert waited.code == 0, waited.output
    assert "mothership-dashboard-payments/payments" in folders.in_grafana()
    assert {f"{name}-dashboard-logs/logs-{name}" for name in (EU, US)} <= folders.in_grafana()


def test_02_what_did_not_change_changes_nothing(folders: Folders) -> None:
    mark = folders.sandbox.audit_mark()
    for arguments in ((), ("--check",)):
        run = folders.run("site", *arguments)
        assert (run.code, run.total("changed"), run.changes()) == (0, 0, set()), run.output
    assert folders.sandbox.mutations_since(mark) == []


def test_03_a_file_that_changed_and_a_hand_in_between(folders: Folders) -> None:
    (folders.mothership / "payments.json").write_text(board("payments", "Payments of all", datasource="promxy"))
    edit = json.dumps({"spec": {"folder": "Mine"}})
    folders.sandbox.kubectl(
        "patch", "grafanadashboard", f"{US}-dashboard-logs", "-n", "kof", "--type=merge", "-p", edit,
        "--field-manager=kubectl-edit",
    )  # fmt: skip
    checked = folders.run("site", "--check", "--diff")
    wanted = {
        ("GrafanaDashboard kof/mothership-dashboard-payments", "updated"),
        (f"GrafanaDashboard kof/{US}-dashboard-logs", "updated"),
    }
    assert checked.code == 0, checked.output
    assert checked.changes() == wanted
    assert "Payments of all" in checked.output
    run = folders.run()
    assert (run.code, run.changes()) == (0, wanted), run.output
    assert folders.there()[f"{US}-dashboard-logs"]["spec"]["folder"] == US
    assert "spec.folder from kubectl-edit" in json.dumps(run.events)


def test_04_faults_are_told_by_file_and_nothing_is_sent(folders: Folders) -> None:
    ugly = {
        "a": board("payments", "Twice"),
        "b": "{",
        "c": board("c", "C", datasource={"type": "prometheus", "uid": "promxi"}),
        "d": json.dumps({"title": "without a uid"}),
    }
    for name in ("a", "b", "d"):
        (folders.mothership / f"{name}.json").write_text(ugly[name])
    mark = folders.sandbox.audit_mark()
    run = folders.run()
    assert run.code != 0
    for told in (
        "mothership: mothership_dashboards: b.json is no JSON: ",
        "d.json has no uid",
        "payments.json has the uid of a.json, 'payments'",
    ):
        assert told in run.output, run.output
    for name in ("a", "b", "d"):
        (folders.mothership / f"{name}.json").unlink()
    (folders.mothership / "c.json").write_text(ugly["c"])
    why = "c.json reads from 'promxi', and Grafana has no such data source"
    for playbook, row in (("mothership", "dashboards: "), ("layers/mothership", "")):  # early, and at the act
        run = folders.run(playbook)
        assert run.code != 0
        assert f"mothership: mothership_dashboards: {row}{why}" in " ".join(run.output.split()), run.output
    (folders.mothership / "c.json").unlink()
    assert folders.sandbox.mutations_since(mark) == []


def test_05_what_left_the_folder_stays_and_is_told_until_it_is_asked_to_go(folders: Folders) -> None:
    (folders.mothership / "payments.json").unlink()
    (folders.regional / "logs.json").rename(folders.regional / "renamed.json")
    run = folders.run()
    assert run.code == 0, run.output
    left = {"mothership-dashboard-payments", f"{EU}-dashboard-logs", f"{US}-dashboard-logs"}
    assert left <= set(folders.there())
    for name in left:
        assert f"GrafanaDashboard kof/{name}" in run.output
    status = folders.sandbox.playbook("status", inventory=folders.where)
    for name in left:
        assert f"the file of {name} isn't there any more" in " ".join(status.output.split()), status.output
    checked = folders.run("site", "--check", "-e", "kof_dashboards_prune=true")
    gone = {(f"GrafanaDashboard kof/{name}", "deleted") for name in left}
    assert checked.changes() == gone
    assert left <= set(folders.there())
    run = folders.run("site", "-e", "kof_dashboards_prune=true")
    assert (run.code, run.changes()) == (0, gone), run.output
    assert set(folders.there()) == {f"{EU}-dashboard-renamed", f"{US}-dashboard-renamed"}
    again = folders.run("site", "-e", "kof_dashboards_prune=true")
    assert (again.code, again.total("changed")) == (0, 0), again.output


def test_06_the_permission_to_delete_is_one_runs(folders: Folders) -> None:
    kept = pathlib.Path(folders.where) / "group_vars" / "kof_mothership.yml"
    kept.write_text("kof_dashboards_prune: true\n")
    run = folders.run()
    kept.unlink()
    assert run.code != 0
    assert "kof_dashboards_prune" in run.output
    run = folders.run("site", "-e", "kof_dashboards_prune=perhaps")
    assert run.code != 0
    assert "kof_dashboards_prune: as an extra variable is neither true nor false" in run.output


def test_07_with_its_region_a_dashboard_goes(folders: Folders) -> None:
    folders.sandbox.command("fault", "--clear")
    run = folders.sandbox.playbook("delete", "--limit", EU, "-e", "kof_delete_confirm=sandbox", inventory=folders.where)
    assert run.code == 0, run.output
    assert set(folders.there()) == {f"{US}-dashboard-renamed"}
