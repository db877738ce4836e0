"""Choosing a ClusterTemplate by version order, and keys a template doesn't know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.situations import CONFIG, template

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.templates import (
    UnknownKey,
    choose_template,
    template_for,
    unknown_keys,
    wrong_types,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import Version, of_name, parse, parse_dashed

KIND = "aws-standalone-cp"
numbers = st.tuples(*[st.integers(0, 120)] * 3)
prereleases = st.sampled_from(["", "", "", "rc1", "rc.2", "rc.10", "alpha", "1"])


def dashed(version: tuple[int, int, int], prerelease: str = "") -> str:
    return "-".join(map(str, version)) + (f"-{prerelease}" if prerelease else "")


@given(
    st.lists(st.tuples(numbers, prereleases, st.booleans()), unique_by=lambda entry: entry[:2], max_size=8),
    st.randoms(),
)
def test_the_newest_valid_release_is_chosen_whatever_the_order(entries, random):
    templates = [template(f"{KIND}-{dashed(version, pre)}", valid) for version, pre, valid in entries]
    random.shuffle(templates)
    chosen = choose_template(templates, KIND)
    releases = [version for version, pre, valid in entries if valid and not pre]
    candidates = [(version, pre) for version, pre, valid in entries if valid and pre]
    if releases:
        assert chosen == f"{KIND}-{dashed(max(releases))}"
    elif candidates:
        newest = max(version for version, _pre in candidates)
        assert chosen in {f"{KIND}-{dashed(version, pre)}" for version, pre in candidates if version == newest}
    else:
        assert chosen is None


@given(numbers, numbers)
def test_versions_are_ordered_as_numbers_not_as_text(one, other):
    assert (Version(one) < Version(other)) == (one < other)
    assert (parse(".".join(map(str, one))) == parse_dashed(dashed(other))) == (one == other)


def test_prereleases_are_ordered_as_semver_says():
    told = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    versions = [parse(text) for text in told]
    assert versions == sorted(versions)  # type: ignore[type-var]
    assert len(set(versions)) == len(told)


@pytest.mark.parametrize("text", ["", "latest", "1.2.3.4", "v", "1.x", None, 1.1])
def test_what_is_no_version_is_none(text):
    assert parse(text) is None


def test_names_of_k0rdent_end_in_a_version():
    assert str(of_name("kcm-0-1-0")) == "0.1.0"
    assert str(of_name("cert-manager-v1-16-4")) == "1.16.4"
    assert of_name("kcm") is None
    assert of_name("aws-1-2") is None


def test_a_longer_kind_is_another_kind():
    templates = [template(f"{KIND}-0-1-0"), template(f"{KIND}-custom-0-2-0"), template("aws-hosted-cp-0-3-0")]
    assert choose_template(templates, KIND) == f"{KIND}-0-1-0"
    assert choose_template(templates, "aws") is None


def test_a_template_kcm_has_not_validated_is_not_chosen():
    assert choose_template([template(f"{KIND}-0-2-0", None), template(f"{KIND}-0-1-0")], KIND) == f"{KIND}-0-1-0"


def test_named_before_kept_before_newest():
    templates = [template(f"{KIND}-0-1-0")]
    live = {"spec": {"template": f"{KIND}-0-0-5"}}
    assert template_for("mine-1-0-0", KIND, live, templates) == "mine-1-0-0"
    assert template_for(None, KIND, live, templates) == f"{KIND}-0-0-5"
    assert template_for(None, KIND, None, templates) == f"{KIND}-0-1-0"
    assert template_for(None, KIND, None, []) is None


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"region": "eu", "worker": {"instanceType": "t3"}}, []),
        ({"regoin": "eu"}, [UnknownKey("regoin", "region", None)]),
        ({"Region": "eu"}, [UnknownKey("Region", "region", None)]),
        ({"workers_number": 1}, [UnknownKey("workers_number", "workersNumber", None)]),
        ({"worker": {"instanceTyp": "t3"}}, [UnknownKey("worker.instanceTyp", "worker.instanceType", None)]),
        ({"instanceType": "t3"}, [UnknownKey("instanceType", None, "controlPlane.instanceType")]),
        ({"quite": {"else": 1}}, [UnknownKey("quite", None, None)]),
        ({"clusterLabels": {"anything": "goes"}}, []),
        ({"region": {"a": "map"}}, []),
        # The guide's own: aws-standalone-cp 0.1.0 has no such default, and it is no slip of `name`.
        ({"clusterIdentity": {"namespace": "kcm-system"}}, [UnknownKey("clusterIdentity.namespace", None, None)]),
    ],
)
def test_keys_the_template_does_not_know(config, found):
    assert unknown_keys(config, CONFIG) == found


def test_free_form_maps_take_any_key_although_they_have_defaults():
    assert unknown_keys({"clusterLabels": {"b": 1}}, {"clusterLabels": {"a": 1}}) == []


@pytest.mark.parametrize(
    ("value", "default", "certain"),
    [
        ("3", 3, True),  # an expression's, from -e workers=3
        ("1.5", 3, True),
        ("25%", 1, False),  # an integer or a percentage
        ("true", False, True),
        ("Yes", True, True),
        ("maybe", True, False),
        (False, "", True),  # NO
        (True, "t3", True),
        (1, True, True),
        (1, False, True),
        (True, 0, True),
        (1.1, "1.0", True),
        (1.1, "", False),
        (["a"], {}, False),
        (["a"], {"a": 1}, True),
        ({"a": 1}, "", False),
        ({"a": 1}, "x", True),
        ("x", {"a": 1}, True),
        ("x", [], False),
    ],
)
def test_values_of_another_type_than_the_templates_default(value, default, certain):
    (found,) = wrong_types({"a": {"b": value}}, {"a": {"b": default, "c": 1}})
    assert (found.path, found.certain) == ("a.b", certain)
    assert wrong_types({"clusterLabels": {"b": value}}, {"clusterLabels": {"b": default}}) == []


@pytest.mark.parametrize(
    ("value", "default"),
    [
        (3, 1),
        (3, 1.5),
        (None, 1),
        (None, "x"),
        ("x", None),
        ([1], None),
        ("", "x"),
        ({"a": 1}, {}),
        ([], ["x"]),
        (0, 3),
    ],
)
def test_values_that_fit_the_templates_default(value, default):
    assert wrong_types({"a": value}, {"a": default}) == []
    assert wrong_types({"other": value}, {"a": default}) == []


maps = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3)),
    lambda children: st.dictionaries(st.text(min_size=1, max_size=4), children, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), maps, max_size=5))
def test_a_config_of_known_keys_is_never_complained_about(known):
    assert unknown_keys(known, known) == []
    assert wrong_types(known, known) == []


def test_the_value_of_a_secret_is_not_quoted():
    wrong = wrong_types({"vsphere": {"password": 1234567}}, {"vsphere": {"password": "x"}})
    assert [(each.path, each.found) for each in wrong] == [("vsphere.password", "a number")]
