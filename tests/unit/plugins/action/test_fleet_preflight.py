"""The action fleet_preflight, where it needs no play: what it looks at first. All else is in the acceptance tests."""

from __future__ import annotations

import pathlib
import types
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_preflight
from ansible_collections.k0rdent.kof.plugins.action.fleet_preflight import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import WARNING, Check
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving


def keywords(**given: str) -> list[str]:
    action = object.__new__(ActionModule)
    action._templar = Templar(DataLoader())
    return action._keywords({name: trust_as_template(value) for name, value in given.items()})


@pytest.mark.parametrize(("given", "fine"), [("inside", True), ("False", True), ("{{ omit }}", True), ("insde", False)])
def test_what_site_would_not_know_at_its_end_is_told_before_anything_changes(given: str, fine: bool) -> None:
    told = [
        "kof_verify: is none of management (or true), inside and nothing (or false); for example -e kof_verify=false"
    ]
    assert keywords(kof_verify=given) == ([] if fine else told)
    assert keywords(kof_verify="{{ nowhere }}")[0].startswith("kof_verify: can't be templated: 'nowhere' is undefined")


def test_how_verify_asks_for_data_is_told_before_anything_changes() -> None:
    fine = {"verify_data": "yes", "verify_promxy": "http://localhost:8082", "verify_logs_age": "60"}
    assert keywords(**fine) == keywords(verify_data="", verify_promxy="", verify_logs_age="") == []
    wrong = {"verify_data": "yess", "verify_promxy": "http://me:CANARY@x", "verify_metrics_age": "-1"}
    told = keywords(**wrong)
    assert [line.partition(" ")[0].rstrip(":") for line in told] == list(wrong)
    assert "verify_metrics_age: is no whole number of 1 or more; in seconds, 300 for example" in told
    assert "CANARY" not in str(told)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("1,10%", []),
        ("{{ none }}", []),
        ("{{ omit }}", []),
        ("abc", ["kof_serial: 'abc' is no number"]),
        ("{{ nowhere }}", ["kof_serial: can't be templated: 'nowhere' is undefined"]),
        ("{{ 'CANARY' | no_such_filter }}", ["kof_serial: can't be templated: "]),
        ("{{ 'CANARY: {' | from_yaml }}", ["kof_serial: can't be templated: "]),
        ("{{ 'CANARY", ["kof_serial: can't be templated: "]),
    ],
)
def test_what_is_wrong_with_kof_serial_is_told_without_what_it_held(given: str, told: list[str]) -> None:
    found = keywords(kof_serial=given)
    assert len(found) == len(told)
    assert all(
        one.startswith(other) and "for example -e kof_serial" in one for one, other in zip(found, told, strict=True)
    )
    assert "CANARY" not in str(found)


UNSAID = FLEET.replace('    kof_version: "0.1.1"\n', "")


def checks_of(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, **extra: Any) -> str:
    """The lines of the table for this inventory, where the management cluster doesn't answer."""
    variables = task_vars(folder, text, extra=extra)
    action = object.__new__(ActionModule)
    action._task = types.SimpleNamespace(tags=[], args={}, check_mode=False)

    def connect(*_arguments: Any) -> None:
        raise ApiUnavailable("nobody answers")

    monkeypatch.setattr(ActionModule, "connect", connect)
    fleet = fleets.read_fleet(variables, LAYERS, everywhere=True)
    return "\n".join(each.line() for each in action._checks(fleet, {"layers": list(LAYERS), "job": "apply"}, variables))


@pytest.mark.parametrize("extra", [{}, {"kof_version": ""}, {"kof_version": None}])
def test_a_fleet_that_says_no_release_is_asked_about_at_the_management_cluster(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    """Not told for each host that a variable is missing; what else is wrong with the variables is."""
    wrong = UNSAID.replace("child_regional: us1", "child_regional: us1, child_service_priority: 0")
    found = checks_of(tmp_path, monkeypatch, wrong, **extra)
    assert found.splitlines()[0].startswith("us1-child1: child_service_priority: ")
    assert found.splitlines()[1:] == ["kof_kubeconfig: API server: nobody answers (wanted: answers)"]


@pytest.mark.parametrize(
    ("text", "extra", "told"),
    [
        (UNSAID.replace("eu1-child1: {", 'eu1-child1: {kof_version: "0.1.1", '), {}, "kof_version: is required"),
        (UNSAID, {"kof_version": "9.9"}, "kof_version: is '9.9', but must be 0.1.1"),
        (UNSAID, {"kof_version": 1.1}, "kof_version: arrived as the number 1.1"),
        (FLEET.replace('"0.1.1"', "'{{ nowhere }}'"), {}, "kof_version: can't be templated"),
    ],
)
def test_a_release_that_some_say_or_that_there_is_not_is_a_fault_of_the_inventory(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str, extra: dict[str, Any], told: str
) -> None:
    with pytest.raises(FleetFault) as caught:
        checks_of(tmp_path, monkeypatch, text, **extra)
    assert told in str(caught.value)


def test_a_table_breaks_no_secret_into_lines_that_nobody_knows_it_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """helm quotes a value that its chart refuses, and the table is narrow."""
    words = " ".join(f"CANARY{number}" for number in range(14))
    refused = Check("chart", f"helm template: values don't meet the schema: {words} is too long", status=WARNING)
    action = object.__new__(ActionModule)
    action._task = types.SimpleNamespace(tags=[], args={}, check_mode=False)
    said: list[str] = []
    monkeypatch.setattr(fleet_preflight.asked, "by_tags", lambda *_arguments: ["mothership"])
    monkeypatch.setattr(fleet_preflight.fleets, "read_fleet", lambda *_a, **_n: types.SimpleNamespace(hosts=["m"]))
    monkeypatch.setattr(fleet_preflight, "say", said.append)
    monkeypatch.setattr(ActionModule, "_checks", lambda *_arguments: [refused])
    note = VaultedValue(ciphertext="$ANSIBLE_VAULT;1.1;AES256").tag(words)
    with leaving.of_action(action, {"kof_note": note}):
        result = action.fleet({"scope": "all", "table": "full", "layers": []}, {})
    assert "(hidden)" in said[0]
    assert "CANARY" not in said[0] + str(result)
