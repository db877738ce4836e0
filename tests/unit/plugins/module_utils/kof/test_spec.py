"""spec.py: types as the specs have them, stricter than ansible-core, and no secret in a message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import NEVER_EMPTY
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import (
    EXTRA,
    IN_INI,
    IN_YAML,
    ROLES,
    Fault,
    faults_of,
    load_spec,
    remedy,
    settled,
    strangers,
    with_defaults,
)

RIGHT: dict[str, Any] = {"kof_version": "0.1.1", "regional_domain": "a.b", "regional_admin_email": "a@b.de"}


def problem_of(role: str, **variables: Any) -> str:
    """The one fault of the one variable given."""
    (name,) = tuple(variables)
    found = [fault for fault in faults_of(role, {**RIGHT, **variables}, "eu1") if fault.variable == name]
    assert len(found) == 1, found
    assert found[0].host == "eu1"
    assert found[0].example
    return found[0].problem


#: Every option of every role, by role and name.
OPTIONS = [(role, name) for role in ROLES for name in load_spec(role)]
#: What may stand for nothing at all, and what text each type takes; None: it has no text of its own.
TEXT_OF = {"int": "600", "bool": "false", "list": "a, b", "dict": "{a: 1}", "str": None, "path": None, "raw": None}
NOT_TEXT = (1.1, 83, 0, True, False)


def faults(role: str, name: str, value: Any) -> list[Fault]:
    return [fault for fault in faults_of(role, {**RIGHT, name: value}, "eu1") if fault.variable == name]


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_every_option_takes_nothing_for_unset_its_default_and_the_text_of_its_type(role: str, name: str) -> None:
    option = load_spec(role)[name]
    kind, required, default = option.get("type", "str"), option.get("required", False), option.get("default")
    # Unset: null always, an empty text where it can't be what is wanted.
    assert name not in settled(role, {name: None})
    assert with_defaults(role, {name: None}).get(name) == default
    assert bool(faults(role, name, None)) == required
    meant = "default" in option or name in {f"kof_{each}" for each in NEVER_EMPTY}
    assert (name in settled(role, {name: ""})) == meant
    assert bool(faults(role, name, "")) == (required or meant)
    if "default" in option:
        assert faults(role, name, default) == []
    # Text, as an extra variable or a survey brings it.
    text = TEXT_OF[kind]
    if text is not None and option.get("elements") != "dict":
        assert faults(role, name, text) == []
        assert settled(role, {name: text})[name].__class__.__name__ == kind
    # What has become a number or a boolean on its way is refused by name, and nothing is made of it.
    for value in NOT_TEXT if kind in ("str", "path", "raw") else ():
        (fault,) = faults(role, name, value)
        assert settled(role, {name: value})[name] is value
        assert "arrived as" in fault.problem
        assert "quote it" in fault.example
        if option.get("no_log"):
            assert str(value) not in fault.problem


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.1, "arrived as the number 1.1, but must be a string"),
        (0, "the number 0"),
        (True, "arrived as the boolean true, but must be a string"),
        ("", "is required, and set to nothing"),
        ({"a": 1}, "is a map, but must be a string"),
        (["0.1.1"], "is a list, but must be a string"),
        ("0.1.2", "must be 0.1.1 or 0.0.x; did you mean 0.1.1?"),
        (" 0.1.1", "must be 0.1.1"),
    ],
)
def test_a_version_is_one_of_the_known_strings(value: Any, why: str) -> None:
    assert why in problem_of("regional", kof_version=value)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (IN_YAML, "quote it: without quotes YAML reads 1.10 as the number 1.1"),
        (IN_INI, "an INI inventory takes a pair of quotes away"),
        (EXTRA, "AWX reads a survey's answer as YAML"),
    ],
)
def test_the_remedy_fits_where_it_was_said(said: str, says: str) -> None:
    assert says in remedy("kof_context", 1.1, said)
    assert remedy("kof_context", 1.1, said).endswith('for example kof_context: "text"')
    assert says not in remedy("kof_context", ["a"], said)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a", ["a"]),
        (" a,b , ,c,", ["a", "b", "c"]),
        ("a\nb\n", ["a", "b"]),  # a survey's choices
        ('["a", "b, c"]', ["a", "b, c"]),
        ("- a\n- b", ["a", "b"]),
    ],
)
def test_lists_as_text(text: str, items: list[str]) -> None:
    assert settled("regional", {"kof_drift_managers": text}) == {"kof_drift_managers": items}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{region: us-east-2, workersNumber: 3}", {"region": "us-east-2", "workersNumber": 3}),
        (
            "region: us-east-2\nworker:\n  instanceType: t3.large\n",
            {"region": "us-east-2", "worker": {"instanceType": "t3.large"}},
        ),
        ('{"a": {"b": true}}', {"a": {"b": True}}),
        ("{'a': 'b'}", {"a": "b"}),
    ],
)
def test_maps_as_text(text: str, value: dict[str, Any]) -> None:
    assert settled("regional", {"regional_config": text}) == {"regional_config": value}


@pytest.mark.parametrize(
    "text", ["a: 010", "{a: [{b: 1:30}]}", "a: &x 007\nb: *x", "a: -0_1", "x: &x [1]\ny: *x\na: 0777"]
)
def test_a_number_that_yaml_reads_otherwise_is_told_of_text_too(text: str) -> None:
    told = "has a number with a leading 0 or colons"
    assert told in problem_of("regional", regional_config=text)
    assert told in problem_of("child", child_extra_services=f"- {{name: a, values: {{{text}}}}}") or "\n" in text


@pytest.mark.parametrize(
    "text", ["a: '010'", "a: 0\nb: 10:30:99", "a: 0.5", "a: 00:1A:2b", "a: 0x10", "a: h:80", "a: |\n  010\n"]
)
def test_what_yaml_reads_as_people_do_is_a_map(text: str) -> None:
    assert faults_of("regional", {**RIGHT, "regional_config": text}) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{region: a, region: b}", "'region'"),
        ("worker: {a: 1}\nb: 2\nworker: {}\n", "'worker'"),
        ("{a: [{b: 1, 'b': 2}]}", "'b'"),
        ("x: &x {a: 1, 2: c, 2: d}\ny: *x\n", "'2'"),
    ],
)
def test_a_key_that_is_there_twice_is_told_of_text_by_its_name(text: str, key: str) -> None:
    told = problem_of("regional", regional_config=text)
    assert f"has the key {key} twice in one map, and YAML takes the last one" in told
    if "\n" not in text:
        assert f"has the key {key} twice" in problem_of("child", child_extra_services=f"- {{name: a, values: {text}}}")


@pytest.mark.parametrize(
    "text", ["{a: {b: 1}, c: {b: 1}}", "a: &a {b: 1}\nc: *a\nd: *a\n", "{a: 1, '1': 2, 1: 3}", "a: {<<: {b: 1}, b: 2}"]
)
def test_the_same_key_in_two_maps_is_none(text: str) -> None:
    assert not [each for each in faults_of("regional", {**RIGHT, "regional_config": text}) if "twice" in each.problem]


def test_maps_of_a_list_as_text() -> None:
    text = "- {name: velero, template: velero-8-1-0}"
    assert settled("child", {"child_extra_services": text})["child_extra_services"] == [
        {"name": "velero", "template": "velero-8-1-0"}
    ]


@pytest.mark.parametrize("value", [0, 1, -5, "600", "0"])
def test_integers_may_come_as_text_from_the_command_line(value: Any) -> None:
    assert faults_of("regional", {**RIGHT, "kof_wait_timeout": value}) == []
    assert with_defaults("regional", {"kof_wait_timeout": value})["kof_wait_timeout"] == int(value)


@pytest.mark.parametrize(
    "value", [True, False, 1.5, "", "1.5", "0x1f", "012", "1e3", " 5", "5s", "\u0665", [], "1" * 30]
)
def test_what_is_no_integer(value: Any) -> None:
    problem_of("regional", kof_wait_timeout=value)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        ("true", True),
        ("False", False),
        ("no", False),
        ("Yes", True),
        ("on", True),
        ("OFF", False),
        ("1", True),
        ("0", False),
    ],
)
def test_booleans_may_come_as_text_from_the_command_line(value: Any, meant: bool) -> None:
    assert faults_of("regional", {**RIGHT, "kof_wait": value}) == []
    assert with_defaults("regional", {"kof_wait": value})["kof_wait"] is meant


@pytest.mark.parametrize("value", [0, 1, "2", "", "maybe", "enabled", []])
def test_what_is_no_boolean(value: Any) -> None:
    problem_of("regional", kof_wait=value)


@pytest.mark.parametrize(
    "value",
    ["a=1", "a", "{a: 1", "[a]", "{a: 2026-01-01}", "{1: a}", "{a: .nan}", "{{ a }}", "", 5, True, [1], [["a", 1]]],
)
def test_maps_are_maps(value: Any) -> None:
    problem_of("regional", regional_config=value)


@pytest.mark.parametrize("value", ["[a, 1]", "[a", "- {", ",", {"a": 1}, 1, ["a", 1], ["a", None], [True], [""]])
def test_lists_are_lists_of_their_elements(value: Any) -> None:
    problem_of("regional", kof_drift_managers=value)


def test_the_wrong_item_of_a_list_is_named() -> None:
    assert problem_of("regional", kof_drift_managers=["a", 1.1]).startswith("item 2 arrived as the number 1.1")


def test_required_ones_are_missed_with_an_example() -> None:
    missing = {fault.variable: fault for fault in faults_of("regional", {}, "eu1")}
    assert set(missing) == {"kof_version", "regional_domain", "regional_admin_email"}
    assert str(missing["kof_version"]) == 'eu1: kof_version: is required; for example kof_version: "0.1.1"'
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
    assert faults_of("child", {**RIGHT, "child_regional": "a", "kof_kubeconfig": "/a"}) == []
    assert faults_of("child", {**RIGHT, "child_regional": "a", "kof_kubeconfig": {"users": ["geheim"]}}) == []
    (fault,) = faults_of("child", {**RIGHT, "child_regional": "a", "kof_kubeconfig": ["geheim"]})
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
    assert strangers([name]) == [(name, f"did you mean {meant}?")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("child_instance_type", "perhaps child_config: {worker: {instanceType: ...}}"),
        ("regional_replicas", "perhaps regional_config: {workersNumber: ...}"),
        ("regional_annotations", "perhaps regional_config: {clusterAnnotations: ...}"),
        ("regional_bastion_host", "perhaps regional_config: {bastionHost: ...}"),
        ("kof_grafana_enabled", "keys of mothership_values"),
        ("regional_logs_storage", "did you mean regional_logs_storage_size?"),
        ("dns_credentials_zone", "ansible-doc -t role k0rdent.kof.dns_credentials"),
    ],
)
def test_whatever_begins_as_an_option_and_is_none_is_told_with_its_place(name: str, hint: str) -> None:
    ((stranger, meant),) = strangers([name])
    assert stranger == name
    assert hint in meant


def test_options_are_no_strangers() -> None:
    assert strangers(name for _role, name in OPTIONS) == []


@given(st.sampled_from(sorted(load_spec("regional"))), st.data())
def test_one_lost_letter_is_always_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    slip = name[:at] + name[at + 1 :]
    if slip not in load_spec("regional") and slip not in load_spec("child"):
        assert strangers([slip])[0][1].startswith("did you mean")


def test_a_fault_is_one_line_and_four_fields() -> None:
    fault = Fault("eu1", "kof_version", "is wrong", "for example x")
    assert str(fault) == "eu1: kof_version: is wrong; for example x"
    host, variable, problem, example = fault
    assert (host, variable, problem, example) == ("eu1", "kof_version", "is wrong", "for example x")
