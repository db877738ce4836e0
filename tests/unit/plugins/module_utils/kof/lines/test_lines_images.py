"""A mirror of images, and the login there: in the values that each chart reads, as the charts want them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from test_lines_values import LINES, told, values_of

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import objections, unread
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec

MIRROR = "registry.example.com:5000/mirror"
STORAGE = {"regional_storage_class": "gp3"}


def said(role: str, **more: Any) -> dict[str, Any]:
    both = {f"{role}_image_registry": MIRROR, f"{role}_image_pull_secrets": ["one", "other"]}
    return both | (STORAGE if role == "regional" else {}) | more


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("role", ["mothership", "regional", "child"])
def test_a_mirror_is_told_by_what_each_chart_reads_and_by_nothing_else(line: str, role: str) -> None:
    release, usual = LINES[line], values_of(line, role, **(STORAGE if role == "regional" else {}))
    found = values_of(line, role, **said(role))
    assert set(usual) <= set(found)
    assert set(found) <= set(release.images)
    for chart, values in found.items():
        before, after = dict(leaves(usual.get(chart, {}))), dict(leaves(values))
        assert before.items() <= after.items()
        new = {path: value for path, value in after.items() if path not in before}
        known = release.images[chart]
        expected: dict[str, Any] = dict.fromkeys(known.registries, MIRROR)
        expected |= {path: f"{MIRROR}/{image}" for path, image in known.repositories.items()}
        expected |= {path: [{"name": "one"}, {"name": "other"}] for path in known.secrets}
        expected |= {
            path: [{"name": name, "value": f"{MIRROR}/{image}" if image else MIRROR}]
            for path, (name, image) in known.variables.items()
        }
        assert new == expected
        assert new
        if chart in release.values:
            deaf = {".".join(path) for path, _why, _right in unread(values, release.values[chart])}
            assert not deaf & set(new)


def test_values_of_the_users_own_are_over_it() -> None:
    own = {"promxy": {"image": {"repository": "registry.example.com/ours/promxy"}}}
    found = values_of("0.1", "mothership", **said("mothership", mothership_values=own))["kof-mothership"]
    assert found["promxy"]["image"]["repository"] == "registry.example.com/ours/promxy"
    assert found["promxy"]["operator"]["image"]["repository"] == f"{MIRROR}/k0rdent/kof/promxy-operator-controller"


@pytest.mark.parametrize("line", LINES)
def test_a_list_that_would_take_the_mirror_away_is_refused(line: str) -> None:
    env: list[Any] = [{"name": "VM_LOOPBACK", "value": "x"}]
    section = "victoria-metrics-operator"
    for role, own in (
        ("mothership", {"mothership_values": {section: {"env": env}}}),
        ("regional", {"regional_service_values": {"kof-storage": {section: {"env": env}}}}),
    ):
        ((variable, problem, right),) = told(line, role, **said(role, **own))
        assert variable in own
        why = f"{section}.env replaces the list by which {role}_image_registry reaches what an operator runs"
        assert problem.endswith(why)
        assert right == "VM_CONTAINERREGISTRY in it, too"
        assert told(line, role, **{**own, **(STORAGE if role == "regional" else {})}) == []
    env.append({"name": "VM_CONTAINERREGISTRY", "value": MIRROR})
    assert told(line, "mothership", **said("mothership", mothership_values={section: {"env": env}})) == []


def test_a_line_whose_charts_take_no_mirror_refuses_both_by_name() -> None:
    release = replace(LINES["0.1"], images={})
    found = list(objections("child", said("child"), load_spec("child"), release))
    assert [each.variable for each in found] == ["child_image_registry", "child_image_pull_secrets"]
    assert found[0].problem == "can't be said at kof 0.1.1: its charts are told of no mirror"


@pytest.mark.parametrize(
    "mirror",
    [
        "https://registry.example.com",
        "registry.example.com/",
        "registry.example.com/Upper",
        "registry",
        "registry/mirror",
        "me:CANARY@registry.example.com",
        "registry.example.com:5000:1",
        "registry.example.com//a",
        " registry.example.com",
        "registry.example.com/a:v1",
    ],
)
def test_what_is_no_registry_is_refused_without_being_told(mirror: str) -> None:
    ((variable, problem, _right),) = told("0.1", "child", child_image_registry=mirror)
    assert variable == "child_image_registry"
    assert "must be a host" in problem
    assert mirror not in problem


@pytest.mark.parametrize(
    "mirror", ["registry.example.com", "localhost:5000", "10.0.0.1:443/a/b-c__d.e", "r.example.com/a"]
)
def test_what_is_one_is_taken(mirror: str) -> None:
    assert told("0.1", "child", child_image_registry=mirror) == []


@pytest.mark.parametrize(("names", "why"), [(["A"], "lowercase"), (["a", "a"], "twice"), (["a b"], "lowercase")])
def test_what_is_no_secret_is_refused(names: list[str], why: str) -> None:
    ((variable, problem, _right),) = told("0.1", "child", child_image_pull_secrets=names)
    assert (variable, why in problem) == ("child_image_pull_secrets", True)
