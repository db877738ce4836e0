"""What has left an inventory that is declared whole: told by site and status, deleted by prune.yml, as docs/grow.md has
it.

The tests build on each other, in file order: the fleet is made once, and shrinks.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
import yaml
from support import DEPLOYMENTS, Run, Sandbox

pytestmark = pytest.mark.lines

FLEET = example_fleet.fleet(3, 6)
SECOND, _WITHOUT_CHILDREN, BIG = FLEET.regionals
CHILDREN = {
    regional: sorted(name for name, each in FLEET.children.items() if each["child_regional"] == regional)
    for regional in FLEET.regionals
}
OTHERS = CHILDREN[BIG][0]
CONFIRMED = ("-e", "kof_prune_confirm=sandbox")
#: Of a run that is about what is written, not about clusters that come to life.
QUICK = ("--skip-tags", "dns_credentials", "-e", "kof_wait=false", "-e", "kof_verify=false")
#: What an inventory script is: it prints the whole as JSON.
SCRIPT = """#!{python}
import json, pathlib, sys
told = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text())
print(json.dumps(told if "--list" in sys.argv else {{}}))
"""


class Shrinking:
    """A fleet, and its inventory without some of its clusters: written by hand, or by a script."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder, self._number = sandbox, folder, itertools.count()
        self.fleet = dataclasses.replace(FLEET, shared={**FLEET.shared, "kof_inventory_complete": True})

    def without(self, *names: str, complete: bool = True) -> str:
        regionals = {name: each for name, each in self.fleet.regionals.items() if name not in names}
        children = {name: each for name, each in self.fleet.children.items() if name not in names}
        shared = {**self.fleet.shared, "kof_inventory_complete": complete}
        left = dataclasses.replace(self.fleet, shared=shared, regionals=regionals, children=children)
        return self.sandbox.inventory(self.folder / f"by-hand-{next(self._number)}", left)

    def by_script(self, *names: str) -> str:
        """The same, as `ansible-inventory --list` has it."""
        by_hand = pathlib.Path(self.without(*names))
        shared = yaml.safe_load((by_hand / "group_vars" / "all.yml").read_text())
        fleet = example_fleet.at(self.fleet, shared["kof_version"])
        hosts: dict[str, Any] = {"mothership": self._mothership(by_hand), **fleet.regionals, **fleet.children}
        told: dict[str, Any] = {"all": {"vars": shared}, "_meta": {"hostvars": hosts}}
        told["kof_mothership"] = {"hosts": ["mothership"]}
        told["kof_regional"] = {"hosts": [name for name in self.fleet.regionals if name not in names]}
        told["kof_child"] = {"hosts": [name for name in self.fleet.children if name not in names]}
        script = self.folder / "inventory.py"
        script.write_text(SCRIPT.format(python=sys.executable))
        script.chmod(0o755)
        script.with_suffix(".json").write_text(json.dumps(told))
        return str(script)

    @staticmethod
    def _mothership(folder: pathlib.Path) -> Any:
        return yaml.safe_load((folder / "hosts.yml").read_text())["kof_mothership"]["hosts"]["mothership"]

    def prune(self, inventory: str, *arguments: str) -> Run:
        return self.sandbox.playbook("prune", *arguments, inventory=inventory)

    def there(self) -> set[str]:
        """The names of all objects of clusters."""
        groups = "/apis/kof.k0rdent.mirantis.com/v1alpha1/namespaces/kof/promxyservergroups"
        sources = "/apis/grafana.integreatly.org/v1beta1/namespaces/kof/grafanadatasources"
        ours = ("k0rdent.kof",)
        return {
            each["metadata"]["name"]
            for path in (DEPLOYMENTS, groups, sources)
            for each in self.sandbox.items(path)
            if (each["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") in ours
        }


@pytest.fixture(scope="module")
def shrinking(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shrinking]:
    """The fleet lives, but for one cluster that is another fleet's by now."""
    found = Shrinking(fleet_sandbox, tmp_path_factory.mktemp("prune"))
    for layer in ("regional", "child"):
        run = fleet_sandbox.playbook(layer, inventory=found.without())
        assert run.code == 0, run.output
    label = ("-n", "kcm-system", "--overwrite", "app.kubernetes.io/part-of=other")
    fleet_sandbox.kubectl("label", "clusterdeployment", OTHERS, *label)
    yield found
    fleet_sandbox.delete_clusters()


@pytest.fixture(scope="module")
def everything(shrinking: Shrinking) -> set[str]:
    return shrinking.there()


def pruned(run: Run) -> dict[str, Any]:
    """The result of the task that deletes."""
    (found,) = [each["result"] for each in run.events if str(each.get("action")).endswith("fleet_prune")]
    return found


def deletes(sandbox: Sandbox, mark: int) -> list[str]:
    """What was deleted since a mark, by name; not old records of runs, nor a lease that was given back."""
    sent = [each for each in sandbox.changes_since(mark) if each.startswith("delete ") and "/configmaps/" not in each]
    return [each.rpartition("/")[2].partition("?")[0] for each in sent]


def told(run: Run) -> str:
    return " ".join(run.output.split())


def test_site_and_status_tell_what_has_left_and_change_nothing_of_it(
    shrinking: Shrinking, everything: set[str]
) -> None:
    gone, stays = CHILDREN[SECOND][0], CHILDREN[BIG][1]
    inventory = shrinking.without(gone, OTHERS)
    run = shrinking.sandbox.playbook("site", *QUICK, inventory=inventory)
    assert run.code == 0, run.output
    checks = [check for each in run.events for check in each.get("result", {}).get("checks", ())]
    (row,) = {each["found"] for each in checks if each["name"] == "left the inventory"}
    assert row == f"{gone}: live, and not in the inventory"
    status = shrinking.sandbox.playbook("status", inventory=inventory)
    findings = next(each["result"]["findings"] for each in status.events if "findings" in each.get("result", {}))
    assert [each["object"] for each in findings if each["code"] == "cluster-left-inventory"] == [
        f"ClusterDeployment kcm-system/{gone}"
    ]
    assert shrinking.there() == everything
    # One that isn't declared whole, or isn't seen as a whole, says nothing of it.
    for inventory, arguments in (
        (shrinking.without(gone, OTHERS, complete=False), ()),
        (shrinking.without(gone, OTHERS), ("--limit", f"mothership,{SECOND},{stays}")),
    ):
        status = shrinking.sandbox.playbook("status", *arguments, inventory=inventory)
        assert "cluster-left-inventory" not in status.output, status.output


def test_what_cant_say_what_left_it_is_refused(shrinking: Shrinking, everything: set[str]) -> None:
    gone = (CHILDREN[BIG][1], OTHERS)
    mark = shrinking.sandbox.audit_mark()
    children = list(FLEET.children)
    for inventory, arguments, why in (
        (shrinking.without(*gone, complete=False), (), "kof_inventory_complete: isn't true"),
        (shrinking.without(*gone), ("--limit", "mothership"), "--limit mothership: what is limited away"),
        (
            shrinking.without(*gone),
            ("-e", "awx_job_id=7", "-e", "awx_job_template_name=kof", "-e", "awx_workflow_job_name=kof"),
            "this job is a slice",
        ),
        (shrinking.without(*children), ("-e", "kof_max_delete=100"), "the inventory has no host in kof_child, and 5 "),
        (
            shrinking.without(*gone, CHILDREN[BIG][2]),
            (),
            "2 clusters of fleet sandbox have left the inventory, and kof_max_delete is 1",
        ),
        (shrinking.without(*gone), ("-e", "kof_prune_confirm=Sandbox"), "pass -e kof_prune_confirm=sandbox"),
    ):
        run = shrinking.prune(inventory, *CONFIRMED, *arguments)
        assert run.code != 0, run.output
        assert why in told(run), run.output
    assert shrinking.sandbox.mutations_since(mark) == []
    assert shrinking.there() == everything


def test_a_child_leaves_as_check_mode_said_and_another_fleets_stays(shrinking: Shrinking, everything: set[str]) -> None:
    gone = CHILDREN[BIG][1]
    inventory = shrinking.without(gone, OTHERS)
    mark = shrinking.sandbox.audit_mark()
    predicted = shrinking.prune(inventory, "--check", "--diff")
    assert predicted.code == 0, predicted.output
    assert shrinking.sandbox.mutations_since(mark) == []
    run = shrinking.prune(inventory, *CONFIRMED)
    assert run.code == 0, run.output
    assert pruned(run)["clusters"] == [gone]
    assert pruned(run)["objects"] == pruned(predicted)["objects"]
    assert run.stats["mothership"]["changed"] == 1
    assert f"pruned {gone}" in told(run)
    assert shrinking.there() == everything - {gone}


def test_a_second_run_changes_nothing(shrinking: Shrinking) -> None:
    mark = shrinking.sandbox.audit_mark()
    run = shrinking.prune(shrinking.without(CHILDREN[BIG][1], OTHERS), *CONFIRMED)
    assert (run.code, run.total("changed")) == (0, 0), run.output
    assert shrinking.sandbox.mutations_since(mark) == []


def test_a_region_leaves_a_generated_inventory_after_its_children(shrinking: Shrinking) -> None:
    """The first run is killed at its first deletion; the next one does the rest."""
    leaving = {SECOND, *CHILDREN[SECOND]}
    inventory = shrinking.by_script(CHILDREN[BIG][1], OTHERS, *leaving)
    refused = shrinking.prune(inventory, *CONFIRMED)
    assert refused.code != 0
    assert "kof_max_delete is 1" in told(refused)
    mark, before = shrinking.sandbox.audit_mark(), shrinking.there()
    all_of_them = (*CONFIRMED, "-e", f"kof_max_delete={len(leaving)}")
    killed, _events = shrinking.sandbox.start_playbook("prune", *all_of_them, inventory=inventory)
    end = time.monotonic() + 600
    while not (sent := deletes(shrinking.sandbox, mark)) and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert set(sent) & set(CHILDREN[SECOND])
    run = shrinking.prune(inventory, *all_of_them)
    assert run.code == 0, run.output
    assert before - shrinking.there() == {*leaving, f"{SECOND}-metrics", f"{SECOND}-logs"}
    order = list(dict.fromkeys(deletes(shrinking.sandbox, mark)))
    assert set(order[: len(CHILDREN[SECOND])]) == set(CHILDREN[SECOND])
    assert order[-1] == SECOND


def test_a_region_whose_cluster_was_deleted_by_hand_leaves_promxy_and_grafana(shrinking: Shrinking) -> None:
    """Nothing of it is any host's, and no ClusterDeployment is there: told by preflight and status, and taken away."""
    region, sandbox = _WITHOUT_CHILDREN, shrinking.sandbox
    inventory = shrinking.without(CHILDREN[BIG][1], OTHERS, SECOND, *CHILDREN[SECOND], region)
    sandbox.kubectl("delete", "clusterdeployment", region, "-n", "kcm-system")
    before = shrinking.there()
    assert {f"{region}-metrics", f"{region}-logs"} <= before
    looked = sandbox.playbook("preflight", inventory=inventory)
    checks = [check for each in looked.events for check in each.get("result", {}).get("checks", ())]
    (row,) = {each["found"] for each in checks if each["name"] == "left the inventory"}
    assert row.startswith(f"{region}: its ClusterDeployment is gone, and PromxyServerGroup kof/{region}-metrics"), row
    status = sandbox.playbook("status", inventory=inventory)
    findings = next(each["result"]["findings"] for each in status.events if "findings" in each.get("result", {}))
    (found,) = [each for each in findings if each["code"] == "cluster-left-inventory"]
    assert found["object"] == f"PromxyServerGroup kof/{region}-metrics"
    assert f"GrafanaDatasource kof/{region}-logs left" in found["why"]
    mark = sandbox.audit_mark()
    run = shrinking.prune(inventory, "-e", "kof_max_delete=0")
    assert run.code != 0
    assert "pass -e kof_prune_confirm=sandbox" in told(run)
    assert sandbox.mutations_since(mark) == []
    run = shrinking.prune(inventory, *CONFIRMED, "-e", "kof_max_delete=0")
    assert run.code == 0, run.output
    assert before - shrinking.there() == {f"{region}-metrics", f"{region}-logs"}
    again = sandbox.playbook("status", inventory=inventory)
    assert "cluster-left-inventory" not in again.output


def test_a_region_with_children_of_the_inventory_never_leaves(shrinking: Shrinking) -> None:
    """Its children name it, and send to it."""
    before = shrinking.there()
    inventory = shrinking.without(CHILDREN[BIG][1], SECOND, *CHILDREN[SECOND], BIG)
    mark = shrinking.sandbox.audit_mark()
    run = shrinking.prune(inventory, *CONFIRMED)
    assert run.code != 0
    assert f"not pruned: {BIG}: children of the inventory name it as child_regional" in told(run)
    assert run.stats["mothership"]["failures"] == 1
    assert shrinking.there() == before
    assert shrinking.sandbox.mutations_since(mark) == []
