"""validation.py: types as the specs have them, stricter than ansible-core, and no secret in a message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.validation import (
    ROLES,
    Fault,
    faults_of,
    load_spec,
    misspelt,
    with_defaults,
)

RIGHT: dict[str, Any] = {"regional_domain": "a.b", "regional_admin_email": "a@b.de"}


def problem_of(role: str, **variables: Any) -> str:
    """The one fault of the one variable given."""
    (name,) = tuple(variables)
    found = [fault for fault in faults_of(role, {**RIGHT, **variables}, "eu1") if fault.variable == name]
    assert len(found) == 1, found
    assert found[0].host == "eu1"
    assert found[0].example
    return found[0].problem


@pytest.mark.parametrize("role", ROLES)
def test_every_option_takes_its_own_default_and_refuses_null(role: str) -> None:
    for name, option in load_spec(role).items():
        if "default" in option and option["default"] != "":
            assert not [fault for fault in faults_of(role, {name: option["default"]}) if fault.variable == name], name
        assert [fault for fault in faults_of(role, {name: None}) if fault.variable == name], name


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.1, "the number 1.1, but must be a string (quote it"),
        (0, "the number 0"),
        (True, "the boolean true, but must be a string (YAML reads"),
        (None, "no value (null)"),
        ("", "is empty"),
        ({"a": 1}, "is a map, but must be a string"),
        (["0.1.1"], "is a list, but must be a string"),
        ("0.1.2", "must be 0.1.1; did you mean 0.1.1?"),
        (" 0.1.1", "must be 0.1.1"),
    ],
)
def test_a_version_is_one_of_the_known_strings(value: Any, why: str) -> None:
    assert why in problem_of("regional", kof_version=value)


@pytest.mark.parametrize("value", [0, 1, -5, "600", "0"])
def test_integers_may_come_as_text_from_the_command_line(value: Any) -> None:
    assert faults_of("regional", {**RIGHT, "kof_wait_timeout": value}) == []
    assert with_defaults("regional", {"kof_wait_timeout": value})["kof_wait_timeout"] == int(value)


@pytest.mark.parametrize(
    "value", [True, False, 1.5, "", "1.5", "0x1f", "012", "1e3", " 5", "5s", "\u0665", None, [], "1" * 30]
)
def test_what_is_no_integer(value: Any) -> None:
    problem_of("regional", kof_wait_timeout=value)


@pytest.mark.parametrize(
    ("value", "meant"), [(True, True), ("true", True), ("False", False), ("no", False), ("Yes", True)]
)
def test_booleans_may_come_as_text_from_the_command_line(value: Any, meant: bool) -> None:
    assert faults_of("regional", {**RIGHT, "kof_wait": value}) == []
    assert with_defaults("regional", {"kof_wait": value})["kof_wait"] is meant


@pytest.mark.parametrize("value", [0, 1, "1", "", "on", None, "maybe", []])
def test_what_is_no_boolean(value: Any) -> None:
    problem_of("regional", kof_wait=value)


@pytest.mark.parametrize("value", ["a=1", "a", '{"a": 1}', 5, None, True, [1], [["a", 1]]])
def test_maps_are_maps(value: Any) -> None:
    problem_of("regional", regional_config=value)


@pytest.mark.parametrize("value", ["a,b", {"a": 1}, None, 1, ["a", 1], ["a", None], [True], [""]])
def test_lists_are_lists_of_their_elements(value: Any) -> None:
    problem_of("regional", kof_drift_managers=value)


def test_the_wrong_item_of_a_list_is_named() -> None:
    assert problem_of("regional", kof_drift_managers=["a", 1.1]).startswith("item 2 is the number 1.1")


def test_required_ones_are_missed_with_an_example() -> None:
    missing = {fault.variable: fault for fault in faults_of("regional", {}, "eu1")}
    assert set(missing) == {"regional_domain", "regional_admin_email"}
    assert str(missing["regional_domain"]) == (
        "eu1: regional_domain: is required; for example regional_domain: aws-us-east-2.kof.example.com"
    )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("value", [123456789, 1.25, True, {"a": "geheim"}, ["geheim"], "geheim\n", b"geheim"])
def test_no_fault_quotes_a_secret(role: str, value: Any) -> None:
    secrets = [name for name, option in load_spec(role).items() if option.get("no_log")]
    assert "kof_password" in secrets
    for name in secrets:
        text = " ".join(str(fault) for fault in faults_of(role, {name: value}))
        assert "geheim" not in text
        assert "123456789" not in text
        assert "1.25" not in text


def test_a_kubeconfig_is_a_path_or_a_map_and_never_quoted() -> None:
    assert faults_of("child", {"child_regional": "a", "kof_kubeconfig": "/a"}) == []
    assert faults_of("child", {"child_regional": "a", "kof_kubeconfig": {"users": ["geheim"]}}) == []
    (fault,) = faults_of("child", {"child_regional": "a", "kof_kubeconfig": ["geheim"]})
    assert "geheim" not in str(fault)


def test_defaults_are_filled_in_and_are_nobodys_to_change() -> None:
    first = with_defaults("regional", {"regional_domain": "a.b"})
    assert first["kof_namespace"] == "kof"
    assert first["regional_domain"] == "a.b"
    assert "regional_retention" not in first
    first["regional_config"]["a"] = 1
    first["kof_drift_managers"].append("x")
    again = with_defaults("regional", {})
    assert again["regional_config"] == {}
    assert "x" not in again["kof_drift_managers"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("regional_domian", "regional_domain"),
        ("regionl_domain", "regional_domain"),
        ("kof_verison", "kof_version"),
        ("kof_kubeconfg", "kof_kubeconfig"),
        ("Regional_Domain", "regional_domain"),
        ("regional_labels_cluster", "regional_cluster_labels"),
        ("child_service_value", "child_service_values"),
    ],
)
def test_slips_are_found(name: str, meant: str) -> None:
    assert misspelt([name]) == [(name, meant)]


@pytest.mark.parametrize(
    "name", ["child_instance_type", "regional_subnets", "kof_team", "regional_domain", "kof_version", "dns_zone", "x"]
)
def test_own_helper_variables_are_left_alone(name: str) -> None:
    assert misspelt([name]) == []


@given(st.sampled_from(sorted(load_spec("regional"))), st.data())
def test_one_lost_letter_is_always_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    slip = name[:at] + name[at + 1 :]
    if slip not in load_spec("regional") and slip not in load_spec("child"):
        assert misspelt([slip])


def test_a_fault_is_one_line_and_four_fields() -> None:
    fault = Fault("eu1", "kof_version", "is wrong", "for example x")
    assert str(fault) == "eu1: kof_version: is wrong; for example x"
    host, variable, problem, example = fault
    assert (host, variable, problem, example) == ("eu1", "kof_version", "is wrong", "for example x")
