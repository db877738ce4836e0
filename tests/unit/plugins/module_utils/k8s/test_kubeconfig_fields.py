"""kubeconfig_fields.py: what is of the wrong kind is refused with the field's name and without its value. That it is
what client-go refuses is held by tests/acceptance/test_cases_kubeconfig.py.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig_fields import check, typed

GOOD = {
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://h", "insecure-skip-tls-verify": True}}],
    "users": [{"name": "u", "user": {"token": "t", "as-groups": ["a"], "as-user-extra": {"k": ["v"]}}}],
}
#: A value of each kind, none of which may be told.
KINDS: dict[str, Any] = {
    "text": "hunter2",
    "a number": 72831,
    "a boolean": False,
    "a list": ["hunter2"],
    "a map": {"hunter2": "hunter2"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [each for key, inner in pairs for each in places(inner, (*path, key))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at `path`."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {name: put(each, tuple(rest), new) if name == key else each for name, each in value.items()}
    return [put(each, tuple(rest), new) if index == key else each for index, each in enumerate(value)]


def kind(value: Any) -> str:
    return next(name for name, each in KINDS.items() if type(each) is type(value))


def at(path: tuple[Any, ...]) -> Any:
    value: Any = GOOD
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("path", places(GOOD), ids=lambda path: ".".join(map(str, path)))
def test_every_other_kind_in_every_place_is_refused_by_name(path: tuple[Any, ...]) -> None:
    names = [part for part in path if isinstance(part, str)]
    for other, value in KINDS.items():
        if other == kind(at(path)):
            continue
        with pytest.raises(ApiUnavailable) as caught:
            typed(put(GOOD, path, value), "kubeconfig /x")
        message = str(caught.value)
        assert re.fullmatch(rf"kubeconfig /x: .*{re.escape(names[-1])}\S* is {other}, and .* belongs there.*", message)
        assert not re.search("hunter2|72831", message)


@pytest.mark.parametrize("path", places(GOOD), ids=lambda path: ".".join(map(str, path)))
def test_null_is_as_if_nothing_was_there(path: tuple[Any, ...]) -> None:
    found = typed(put(GOOD, path, None), "")
    if isinstance(path[-1], str) and path[-1] != "k":  # a key of the user's own is there
        assert found == typed(put(GOOD, path[:-1], {k: v for k, v in at(path[:-1]).items() if k != path[-1]}), "")


def test_what_a_person_does_about_it_is_said() -> None:
    def message(path: tuple[Any, ...], value: Any) -> str:
        with pytest.raises(ApiUnavailable) as caught:
            typed(put(GOOD, path, value), "kubeconfig /x")
        return str(caught.value)

    insecure = ("clusters", 0, "cluster", "insecure-skip-tls-verify")
    assert message(insecure, "false") == (
        "kubeconfig /x: clusters[k].cluster.insecure-skip-tls-verify is text, and true or false belongs there: write "
        "true or false without quotes; of a template, `| bool` makes it one"
    )
    assert message(("users", 0, "user", "token"), 5) == (
        "kubeconfig /x: users[u].user.token is a number, and text belongs there: put it in quotes"
    )
    assert message(("users", 0, "user", "as-groups"), "devs") == (
        "kubeconfig /x: users[u].user.as-groups is text, and a list belongs there"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "it holds a list, and a map belongs there"),
        ("hunter2", "it holds text"),
        ({"kind": "Secret"}, "its kind isn't Config"),
        ({"apiVersion": "v2"}, "its apiVersion isn't v1"),
        ({"users": [{"name": "a"}, {"name": "a"}]}, "users has two entries named 'a'"),
        ({"users": [None, None]}, "users has two entries named ''"),
        ({"users": [{"user": {"client-key-data": "?hunter2"}}]}, r"users\[0\].user.client-key-data is not base64"),
        ({"users": [{"user": {"as-user-extra": {5: ["a"]}}}]}, "a key of .*as-user-extra is a number"),
    ],
)
def test_a_whole_that_is_none(config: Any, message: str) -> None:
    with pytest.raises(ApiUnavailable, match=message) as caught:
        typed(config, "kubeconfig /x")
    assert "hunter2" not in str(caught.value)


def test_unknown_fields_and_what_stands_in_extensions_are_left_alone() -> None:
    extension = {"name": "a", "extension": {"x": [1, None]}}
    found = typed({**GOOD, "extensions": [extension], "Kind": 5, "who": object()}, "")
    assert found == {**GOOD, "extensions": [extension]}


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        ({"server": ""}, {}, "no server"),
        ({"certificate-authority": "a", "certificate-authority-data": "b"}, {}, "are both there"),
        ({"insecure-skip-tls-verify": True, "certificate-authority": "a"}, {}, "are both there"),
        ({}, {"token": "hunter2", "password": "p"}, "token and password are both there"),
        ({}, {"client-certificate": "a"}, "client-certificate without client-key"),
        ({}, {"client-certificate": "a", "client-key": "a", "client-key-data": "b"}, "client-key and client-key-data"),
        ({}, {"as-groups": ["a"]}, "need `as`"),
        ({}, {"as": "a\nhunter2"}, "as has a control character"),
        ({}, {"exec": {}, "auth-provider": {}}, "exec and auth-provider are both there"),
    ],
)
def test_what_does_not_belong_together(cluster: dict[str, Any], user: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiUnavailable, match=message) as caught:
        check({"server": "https://h", **cluster}, user, "kubeconfig /x", secure=True)
    assert "hunter2" not in str(caught.value)
