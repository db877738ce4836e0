"""The action fleet_add: whose the answers are, what is refused before anything is asked, and what is in an entry."""

from __future__ import annotations

import pathlib
import types
from typing import Any

import pytest
import yaml
from ansible._internal._datatag._tags import VaultedValue
from ansible.parsing.dataloader import DataLoader
from tagged_yaml import Loader
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.action.fleet_add import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving, lines, one_cluster

NEW = {"regional_cluster_name": "new", "regional_domain": "new.example.com"}


def action_of(check: bool = False) -> Any:
    action = object.__new__(ActionModule)
    action._loader = DataLoader()
    action._task = types.SimpleNamespace(args={}, check_mode=check)
    return action


def step(name: str, variables: dict[str, Any], layer: str = "regional", folder: str | None = None, **more: Any) -> Any:
    action = action_of(**more)
    with leaving.of_action(action, variables):
        return action.fleet({"layer": layer, "step": name, "folder": folder}, one_cluster.scoped(variables))


def answers(base: pathlib.Path, given: dict[str, Any], layer: str = "regional", **more: Any) -> Any:
    variables = task_vars(base, extra=given, name=f"{len(list(base.iterdir()))}.yml")
    return step("answers", {**variables, **more.pop("task", {})}, layer, **more)


def entry(
    base: pathlib.Path, given: dict[str, Any], host: str = "new", layer: str = "regional", text: str = FLEET,
    own: dict[str, Any] | None = None, **more: Any,
) -> Any:  # fmt: skip
    variables = task_vars(base, text, batch=["eu1"], extra=given)
    hostvars = variables["hostvars"]
    hostvars._inventory._inventory.add_host(host, group=f"kof_{layer}")
    hostvars._inventory.clear_caches()
    hostvars._inventory.get_host(host).vars |= own or {}
    hostvars._variable_manager.set_nonpersistent_facts("localhost", {one_cluster.FACT: {"layer": layer, "host": host}})
    variables = {
        **hostvars.raw_get(host), "hostvars": hostvars, "groups": hostvars._inventory.get_groups_dict(),
        "ansible_play_batch": [host], "inventory_hostname": host,
    }  # fmt: skip
    return step("entry", variables, layer, **more)


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from ansible_collections.k0rdent.kof.plugins.action import fleet_add

    told: list[str] = []
    monkeypatch.setattr(fleet_add, "say", lambda text: told.append(leaving.leaving(text)))
    assert lines.say is not fleet_add.say
    return told


def test_a_new_cluster_and_one_of_the_inventory_are_told_apart(tmp_path: pathlib.Path) -> None:
    found = answers(tmp_path, NEW)
    assert (found["host"], found["cluster"], found["group"], found["known"]) == ("new", "new", "kof_regional", False)
    assert found["pattern"] == "new"
    known = answers(tmp_path, {**NEW, "regional_cluster_name": "eu1"})
    assert (known["host"], known["known"]) == ("eu1", True)


def test_a_host_of_another_name_is_found_by_its_clusters(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("eu1: {", "eu1: {regional_cluster_name: aws-eu, ")
    variables = task_vars(tmp_path, text, extra={"regional_cluster_name": "aws-eu"})
    assert step("answers", variables)["host"] == "eu1"
    variables = task_vars(tmp_path, text, extra={"child_cluster_name": "aws-eu"})
    with pytest.raises(
        FleetFault, match="child_cluster_name: 'aws-eu' is taken: the inventory has eu1, the cluster aws-eu"
    ):
        step("answers", variables, "child")


@pytest.mark.parametrize(
    ("given", "layer", "told"),
    [
        ({}, "regional", "regional_cluster_name: is required"),
        ({"regional_domain": "a.b"}, "regional", "regional_cluster_name: is required"),
        ({"child_cluster_name": None}, "child", "child_cluster_name: is required"),
        ({"child_cluster_name": 83}, "child", "child_cluster_name: arrived as the number 83"),
        ({"child_cluster_name": "A"}, "child", "child_cluster_name: 'A' must be"),
        ({"child_cluster_name": "eu1"}, "child", "child_cluster_name: 'eu1' is taken"),
        (
            {"child_cluster_name": "a", "regional_domain": "x.y"},
            "child",
            "regional_domain: no question of k0rdent.kof.add_child",
        ),
    ],
)
def test_what_is_wrong_is_said_by_the_question(
    tmp_path: pathlib.Path, given: dict[str, Any], layer: str, told: str
) -> None:
    with pytest.raises(FleetFault, match="nothing was changed") as refused:
        answers(tmp_path, given, layer)
    assert told in str(refused.value)


def test_a_limit_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetFault, match="--limit: k0rdent\\.kof\\.add_region is about the one cluster"):
        answers(tmp_path, NEW, task={"ansible_limit": "eu1"})


def test_an_inventory_that_has_none_of_our_groups_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetFault, match="no host in kof_mothership"):
        step("answers", task_vars(tmp_path, "all: {hosts: {a: }}", extra=NEW))


def test_somebody_elses_file_is_seen_at_the_first_step_and_again_when_it_is_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "kept").mkdir()
    theirs = tmp_path / "kept" / "new.yml"
    theirs.write_text("kof_regional: {}\n")
    for call in (answers, entry):
        with pytest.raises(FleetFault, match="new\\.yml is there, and no entry that was written here"):
            call(tmp_path, NEW, folder=str(tmp_path / "kept"))
    assert theirs.read_text() == "kof_regional: {}\n"


def test_an_entry_has_what_was_answered_as_it_was_meant(tmp_path: pathlib.Path, said: list[str]) -> None:
    given = {
        **NEW,
        "regional_config": "region: eu-west-1\nworkersNumber: 3",
        "regional_disabled_services": "cert-manager, ingress-nginx",
        "regional_metrics_replicas": "2",
        "regional_metrics_replication_factor": 2,
        "regional_retention": None,
        "regional_storage_class": "",
        "regional_alert_rules": [
            {
                "name": "a",
                "rules": [{"alert": "A", "expr": 'up{promxyCluster="new"} == 0', "annotations": {"b": "{{ $value }}"}}],
            }
        ],
    }
    found = entry(tmp_path, given, folder=str(tmp_path / "kept"))
    assert found["changed"]
    assert yaml.load(found["entry"], Loader) == {
        "kof_regional": {
            "hosts": {
                "new": {
                    "regional_domain": "new.example.com",
                    "regional_config": {"region": "eu-west-1", "workersNumber": 3},
                    "regional_metrics_replicas": 2,
                    "regional_metrics_replication_factor": 2,
                    "regional_disabled_services": ["cert-manager", "ingress-nginx"],
                    "regional_alert_rules": given["regional_alert_rules"],
                }
            }
        }
    }
    assert '!unsafe "{{ $value }}"' in found["entry"]
    assert pathlib.Path(found["file"]).read_text() == found["entry"]
    assert found["stats"]["k0rdent_kof_entry"]["yaml"] == found["entry"]
    assert found["entry"] in said[0]
    again = entry(tmp_path, given, folder=str(tmp_path / "kept"))
    assert (again["changed"], again["entry"]) == (False, found["entry"])


def test_check_mode_writes_nothing_and_hands_nothing_on(tmp_path: pathlib.Path) -> None:
    found = entry(tmp_path, NEW, folder=str(tmp_path / "kept"), check=True)
    assert found["changed"]
    assert found["stats"] == {}
    assert not (tmp_path / "kept").exists()


def test_what_the_inventory_says_of_the_host_itself_is_kept_and_what_its_groups_say_stays_theirs(
    tmp_path: pathlib.Path,
) -> None:
    text = FLEET.replace(
        "eu1: {", 'eu1: {regional_retention: 30d, regional_labels: {a: "{{ inventory_hostname }}"}, my_own: x, '
    )
    given = {"regional_cluster_name": "eu1", "regional_domain": "b.example.com", "regional_retention": None}
    found = yaml.load(entry(tmp_path, given, "eu1", text=text)["entry"], Loader)
    assert found["kof_regional"]["hosts"]["eu1"] == {
        "regional_domain": "b.example.com",
        "regional_labels": {"a": "{{ inventory_hostname }}"},
        "regional_retention": "30d",
    }


CANARY = "CANARY-of-a-vault"


@pytest.mark.parametrize(
    ("given", "own", "name"),
    [
        (
            {"regional_extra_services": [{"name": "a", "template": "a-1", "values": {"adminPassword": CANARY}}]},
            {},
            "regional_extra_services",
        ),
        ({"regional_config": f"{{proxy: 'https://me:{CANARY}@example.com'}}"}, {}, "regional_config"),
        ({}, {"regional_config": {"key": VaultedValue(ciphertext="x").tag(CANARY)}}, "regional_config"),
        ({"regional_config": {"key": VaultedValue(ciphertext="x").tag(CANARY)}}, {}, "regional_config"),
    ],
)
def test_no_secret_is_in_an_entry_and_which_variable_is_missing_is_said(
    tmp_path: pathlib.Path, said: list[str], given: dict[str, Any], own: dict[str, Any], name: str
) -> None:
    found = entry(tmp_path, {**NEW, **given}, own=own, folder=str(tmp_path / "kept"))
    assert found["left_out"] == found["stats"]["k0rdent_kof_entry"]["left_out"] == [name]
    assert name in found["msg"]
    assert f"may be secret: {name}" in found["entry"]
    assert CANARY not in f"{found}{said}"
    assert CANARY not in (tmp_path / "kept" / "new.yml").read_text()


def test_data_of_an_inventory_that_was_no_template_is_none_in_the_entry_either(tmp_path: pathlib.Path) -> None:
    """As the plugin clusters gives it: from live objects."""
    found = entry(tmp_path, NEW, own={"regional_config": {"a": "{{ lookup('pipe', 'id') }}"}})
    assert """a: !unsafe "{{ lookup('pipe', 'id') }}\"""" in found["entry"]


def test_a_child_has_its_regional_and_its_hosts_other_name(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("eu1-child1: {", "eu1-child1: {child_cluster_name: team-a, ")
    given = {"child_cluster_name": "team-a", "child_regional": "us1", "child_opencost": False}
    found = entry(tmp_path, given, "eu1-child1", "child", text, folder=str(tmp_path / "kept"))
    assert yaml.load(found["entry"], Loader)["kof_child"]["hosts"] == {
        "eu1-child1": {"child_cluster_name": "team-a", "child_regional": "us1", "child_opencost": False}
    }
    assert found["file"].endswith("/kept/team-a.yml")
