"""Rules of alerts whose variable was taken out stay, are told, and go when somebody asks for it."""

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
VMRULES = "/apis/operator.victoriametrics.com/v1beta1/namespaces/kof/vmrules"


class Rules:
    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.where = sandbox, sandbox.inventory(folder / "fleet", FLEET)

    def say(self, *names: str) -> None:
        """The rules of these and of no others, in a file of the inventory."""
        hosts = {}
        for name in names:
            selector = f'promxyCluster="{name}"' if name != "mothership" else ""
            rules = [{"name": "a", "rules": [{"alert": "A", "expr": f"up{{{selector}}} == 0"}]}]
            hosts[name] = {f"{'mothership' if name == 'mothership' else 'regional'}_alert_rules": rules}
        (pathlib.Path(self.where) / "rules.yml").write_text(json.dumps({"all": {"hosts": hosts}}))

    def run(self, playbook: str = "site", *arguments: str) -> Run:
        quick = ("-e", "kof_wait=false", "--skip-tags", "dns_credentials")
        return self.sandbox.playbook(playbook, *quick, *arguments, inventory=self.where)

    def there(self) -> dict[str, Any]:
        return {
            each["metadata"]["name"]: each
            for each in self.sandbox.items(VMRULES)
            if each["metadata"]["labels"].get("app.kubernetes.io/managed-by") == "k0rdent.kof"
        }


@pytest.fixture(scope="module")
def rules(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    yield Rules(fleet_sandbox, tmp_path_factory.mktemp("alert-rules"))
    fleet_sandbox.delete_clusters()
    fleet_sandbox.kubectl("delete", "vmrules", "-n", "kof", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")
    fleet_sandbox.command("fault", "--clear")


def test_01_they_stay_and_are_told_until_they_are_asked_to_go(rules: Rules) -> None:
    rules.say(EU, US, "mothership")
    run = rules.run()
    assert run.code == 0, run.output
    all_of_them = {f"{EU}-alerts", f"{US}-alerts", "mothership-alerts"}
    assert set(rules.there()) == all_of_them

    rules.say(EU)
    mark = rules.sandbox.audit_mark()
    run = rules.run()
    assert (run.code, run.changes()) == (0, set()), run.output
    assert f"VMRule kof/{US}-alerts; -e kof_alert_rules_prune=true deletes them" in " ".join(run.output.split())
    status = rules.sandbox.playbook("status", inventory=rules.where)
    text = " ".join(status.output.split())
    assert (
        f"WARNING alert-rules-left: Alert rules of no variable any more are still evaluated mothership, {US}: no"
        in text
    )
    checked = rules.run("site", "--check", "-e", "kof_alert_rules_prune=true")
    gone = {(f"VMRule kof/{name}", "deleted") for name in (f"{US}-alerts", "mothership-alerts")}
    assert (checked.code, checked.changes()) == (0, gone), checked.output
    assert rules.sandbox.mutations_since(mark) == []
    assert set(rules.there()) == all_of_them

    run = rules.run("site", "-e", "kof_alert_rules_prune=true")
    assert (run.code, run.changes()) == (0, gone), run.output
    assert set(rules.there()) == {f"{EU}-alerts"}
    again = rules.run("site", "-e", "kof_alert_rules_prune=true")
    assert (again.code, again.total("changed")) == (0, 0), again.output


def test_02_the_permission_to_delete_is_one_runs(rules: Rules) -> None:
    run = rules.run("site", "-e", "kof_alert_rules_prune=perhaps")
    assert run.code != 0
    assert "kof_alert_rules_prune: as an extra variable is neither true nor false" in run.output
