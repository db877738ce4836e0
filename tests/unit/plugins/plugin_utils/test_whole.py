"""Whether a run sees the whole fleet: what core goes on without, and what no variable of a host says."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import one_cluster, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import unparsed_sources

WHOLE = FLEET.replace("kof_fleet: test", "kof_fleet: test\n    kof_inventory_complete: true")
LAYERS = ("mothership", "regional", "child")


def doubts(variables: dict[str, Any]) -> list[str]:
    return list(map(str, whole.doubts(fleets.read_fleet(variables, LAYERS), variables)))


def test_one_that_is_declared_and_seen_as_a_whole_leaves_no_doubt(tmp_path: pathlib.Path) -> None:
    assert doubts(task_vars(tmp_path, WHOLE)) == []


def test_one_host_that_isnt_declared_is_named(tmp_path: pathlib.Path) -> None:
    text = WHOLE.replace("child_regional: us1", "child_regional: us1, kof_inventory_complete: false")
    (told,) = doubts(task_vars(tmp_path, text))
    assert told.startswith("us1-child1: kof_inventory_complete: isn't true: only an inventory declared whole")


@pytest.mark.parametrize("said", ["null", '"true"', "1", "{}"])
def test_what_isnt_plainly_true_declares_nothing(tmp_path: pathlib.Path, said: str) -> None:
    """Words for true are true, as for any option; what is nothing or no boolean isn't."""
    variables = task_vars(tmp_path, WHOLE.replace("complete: true", f"complete: {said}"))
    fleet = fleets.read_fleet(variables, LAYERS)
    found = [*fleet.faults, *whole.doubts(fleet, variables)]
    assert (found == []) is (said == '"true"')


@pytest.mark.parametrize(
    ("extra", "is_slice"),
    [
        ({"awx_workflow_job_name": "kof prune", "awx_job_template_name": "kof prune"}, True),
        ({"tower_workflow_job_name": "kof prune", "tower_job_template_name": "kof prune"}, True),
        ({"awx_workflow_job_name": "every night", "awx_job_template_name": "kof prune"}, False),
        ({"awx_job_template_name": "kof prune"}, False),
    ],
)
def test_slices_of_awx_are_told_from_nodes_of_workflows(
    tmp_path: pathlib.Path, extra: dict[str, str], is_slice: bool
) -> None:
    assert bool(doubts(task_vars(tmp_path, WHOLE, extra=extra))) is is_slice


def test_a_run_about_one_more_cluster_says_nothing_of_others(tmp_path: pathlib.Path) -> None:
    text = WHOLE + f"localhosts: {{hosts: {{localhost: {{{one_cluster.FACT}: {{host: eu2, layer: regional}}}}}}}}\n"
    assert any("one cluster that is added" in each for each in doubts(task_vars(tmp_path, text)))


def test_a_batch_without_some_says_whom(tmp_path: pathlib.Path) -> None:
    variables = task_vars(tmp_path, WHOLE, batch=["mothership", "eu1", "eu1-child1"])
    assert whole.outside(fleets.read_fleet(variables, LAYERS), variables) == ["us1", "us1-child1"]


def test_sources_that_core_could_not_read_are_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "INVENTORY_ANY_UNPARSED_IS_FAILED", False)
    for name, text in {
        "fleet/a.yml": WHOLE,
        "fleet/broken.yml": "kof_child: {hosts: [",
        "fleet/README.md": "no inventory",
        "fleet/group_vars/all.yml": "kof_fleet: test\n",
        "fleet/more/deeper.yml": "- no inventory\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    loader = DataLoader()
    sources = [str(tmp_path / "fleet"), "bastion,", str(tmp_path / "missing.yml")]
    inventory = InventoryManager(loader, sources=sources)
    hostvars = HostVars(inventory, VariableManager(loader, inventory), loader)
    wrong = [tmp_path / "fleet/broken.yml", tmp_path / "fleet/more/deeper.yml", tmp_path / "missing.yml"]
    assert unparsed_sources(hostvars) == list(map(str, wrong))
