"""One cluster by answers: whose they are, what is refused, and that an entry is read back as what it was made of."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import adding
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Hider

KNOWN = {
    "mothership": {"mothership": "mothership"},
    "regional": {"eu1": "eu1", "west": "aws-us-west-2"},
    "child": {"eu1-child1": "eu1-child1", "a": "team-a"},
}
NO_SECRET = Hider(()).finds


@pytest.mark.parametrize("answer", [None, "", "absent"])
def test_which_cluster_is_meant_has_to_be_said(answer: Any) -> None:
    answers = {} if answer == "absent" else {"child_cluster_name": answer}
    (fault,) = adding.name_faults("child", answers)
    assert fault.variable == "child_cluster_name"
    assert "is required" in fault.problem
    assert "child_cluster_name: " in fault.example


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (83, "arrived as the number 83"),
        (True, "arrived as the boolean true"),
        (["a"], "is a list"),
        ("Upper_case", "Upper_case"),
        ("a.b", "a.b"),
        ("a" * 64, "64"),
        ("../../etc/x", "etc"),
    ],
)
def test_a_name_that_no_cluster_can_have_is_refused_by_the_question(answer: Any, problem: str) -> None:
    (fault,) = adding.name_faults("regional", {"regional_cluster_name": answer})
    assert fault.variable == "regional_cluster_name"
    assert problem in fault.problem


def test_a_good_name_has_no_fault() -> None:
    assert adding.name_faults("regional", {"regional_cluster_name": "aws-eu-west-1"}) == []


@pytest.mark.parametrize(
    ("layer", "name", "found"),
    [
        ("regional", "eu1", ("eu1", True)),
        ("regional", "aws-us-west-2", ("west", True)),
        ("child", "team-a", ("a", True)),
        ("regional", "new", ("new", False)),
        ("child", "new", ("new", False)),
    ],
)
def test_the_host_is_found_by_its_clusters_name(layer: str, name: str, found: tuple[str, bool]) -> None:
    assert adding.host_of(layer, name, KNOWN) == found


@pytest.mark.parametrize(
    ("layer", "name", "told"),
    [
        ("regional", "west", "west, the cluster aws-us-west-2 in kof_regional"),
        ("regional", "eu1-child1", "eu1-child1 in kof_child"),
        ("regional", "team-a", "a, the cluster team-a in kof_child"),
        ("child", "eu1", "eu1 in kof_regional"),
        ("child", "mothership", "mothership in kof_mothership"),
        ("child", "localhost", "this machine"),
    ],
)
def test_a_name_that_is_somebody_elses_is_refused_by_the_question(layer: str, name: str, told: str) -> None:
    fault = adding.host_of(layer, name, KNOWN)
    assert isinstance(fault, Fault)
    assert fault.variable == f"{layer}_cluster_name"
    assert told in fault.problem


def test_a_live_cluster_of_another_layer_is_refused_and_of_the_same_or_of_nobody_taken() -> None:
    assert adding.other_layer_fault("regional", "a", "a", None) is None
    assert adding.other_layer_fault("regional", "a", "a", "regional") is None
    fault = adding.other_layer_fault("regional", "a", "a", "child")
    assert fault is not None
    assert str(fault).startswith("a: regional_cluster_name: a is live, as a child cluster; ")
    assert "k0rdent.kof.add_child" in fault.example


VALUES = {
    "regional_domain": "new.example.com",
    "regional_config": {"region": "eu-west-1", "workersNumber": 3, "tags": ["a", "0123", "yes", "1.10", ""]},
    "regional_alert_rules": [{"name": "a", "rules": [{"alert": "Down", "annotations": {"summary": "{{ $value }}"}}]}],
    "regional_service_values": {"kof-storage": {"text": "two\nlines\n", "none": None, "ends ": " in spaces "}},
    "regional_propagate_credentials": False,
    "regional_disabled_services": ["cert-manager"],
    "regional_labels": {"a": "{% raw %}", "b": "{# x #}", "c": "{{ lookup('pipe', 'touch /tmp/x') }}", "d": "{ {"},
}


def read_back(folder: pathlib.Path, text: str) -> dict[str, Any]:
    (folder / "new.yml").write_text(text)
    inventory = InventoryManager(DataLoader(), sources=[str(folder / "new.yml")])
    assert {group.name for group in inventory.get_host("new").get_groups()} == {"all", "kof_regional"}
    return {name: value for name, value in inventory.get_host("new").vars.items() if name.startswith("regional_")}


def templates(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in templates(each)]
    if isinstance(value, list):
        return [text for each in value for text in templates(each)]
    return [value] if isinstance(value, str) and TrustedAsTemplate.is_tagged_on(value) and "{" in value else []


def test_an_entry_is_an_inventory_of_the_same_values_and_no_answer_becomes_a_template(tmp_path: pathlib.Path) -> None:
    text = adding.entry("regional", "new", adding.as_data(VALUES))
    found = read_back(tmp_path, text)
    assert found == VALUES
    assert list(found) == list(VALUES)
    assert templates(found) == ["{ {"]  # which is none
    assert text == adding.entry("regional", "new", adding.as_data(dict(VALUES)))
    assert adding.is_ours(text)
    assert not adding.is_ours("---\nkof_regional:\n")


def test_a_template_of_the_inventorys_own_stays_one(tmp_path: pathlib.Path) -> None:
    found = read_back(tmp_path, adding.entry("regional", "new", {"regional_domain": "{{ inventory_hostname }}.a.com"}))
    assert templates(found) == ["{{ inventory_hostname }}.a.com"]


def test_an_entry_without_variables_and_one_of_which_some_are_left_out(tmp_path: pathlib.Path) -> None:
    assert read_back(tmp_path, adding.entry("regional", "new", {})) == {}
    text = adding.entry("regional", "new", {"regional_domain": "a.b"}, ["regional_service_values"])
    assert "# Not in it, since it may be secret: regional_service_values." in text
    assert read_back(tmp_path, text) == {"regional_domain": "a.b"}


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ({"kof-storage": {"grafana": {"adminPassword": "x-12345678"}}}, True),
        ([{"name": "a", "values": {"token": "x-12345678"}}], True),
        ("https://me:hunter2@example.com/", True),
        ({"a": ["https://me:hunter2@example.com/"]}, True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("KNOWN-secret", True),
        ({"a": {"b": "has KNOWN-secret in it"}}, True),
        ("storage-vmuser-credentials", False),
        ({"region": "eu-west-1", "workersNumber": 3}, False),
        ({}, False),
        (5, False),
        (None, False),
    ],
)
def test_what_may_be_secret_is_seen(value: Any, secret: bool) -> None:
    from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rendered import secret_by

    assert adding.has_secret(value, secret_by(Hider({"KNOWN-secret"}))) is secret


def test_an_artifact_is_small_and_says_its_schema() -> None:
    text = adding.entry("child", "a", {"child_regional": "eu1"})
    found = adding.artifact("child", "a", "team-a", text, "/x/team-a.yml", [])
    assert found == {
        "schema": "k0rdent.kof.entry/1",
        "layer": "child",
        "group": "kof_child",
        "host": "a",
        "cluster": "team-a",
        "file": "/x/team-a.yml",
        "left_out": [],
        "yaml": text,
    }
    assert adding.artifact("child", "a", "a", "é" * adding.LIMIT, "", [])["yaml"] == ""
    assert not adding.ARTIFACT.startswith("kof_")
