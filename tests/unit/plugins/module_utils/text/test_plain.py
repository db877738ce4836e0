"""plain.py: what comes out is of builtin types, what can't be carried is refused without being quoted."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.tagging import tagged

from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import LARGEST_INTEGER, NotPlain, to_plain

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
BUILTIN = (type(None), bool, int, float, str, list, dict)


def types_of(value: Any) -> set[type]:
    found = {type(value)}
    if isinstance(value, dict):
        for key, item in value.items():
            found |= types_of(key) | types_of(item)
    elif isinstance(value, list):
        for item in value:
            found |= types_of(item)
    return found


@given(JSON)
def test_every_json_value_comes_back_equal_and_of_builtin_types(value: Any) -> None:
    for given_value in (value, tagged(value)):
        plain = to_plain(given_value)
        assert plain == value
        assert json.dumps(plain) == json.dumps(value)  # True and 1 are equal, but not the same
        assert types_of(plain) <= set(BUILTIN)


def test_containers_are_copies() -> None:
    inner: list[int] = [1]
    plain = to_plain({"a": inner})
    inner.append(2)
    assert plain == {"a": [1]}


def test_tuples_are_lists() -> None:
    assert to_plain((1, ("a",))) == [1, ["a"]]


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"a": {"b": datetime.date(2025, 2, 12)}}, "a.b", "date"),
        ([1, [datetime.datetime(2025, 2, 12, 1, 30)]], "[1][0]", "date"),
        ({"a": {1: "x"}}, "a", "key 1 is no string"),
        ({True: "x"}, "", "key True is no string"),
        ({None: "x"}, "", "key None is no string"),
        ({"a": [float("nan")]}, "a[0]", "not a number"),
        ({"a": float("inf")}, "a", "infinite"),
        ({"a": {"x", "y"}}, "a", "set"),
        ({"a": b"x"}, "a", "binary"),
        ({"a": 2**53 + 1}, "a", "beyond"),
        ({"a": "x\ud800y"}, "a", "surrogate"),
        ({"\udfff": 1}, "", "surrogate"),
        ({"a": object()}, "a", "object"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_place(value: Any, path: str, why: str) -> None:
    with pytest.raises(NotPlain) as caught:
        to_plain(value)
    assert caught.value.path == path
    assert why in caught.value.why


def test_a_refused_value_is_not_quoted() -> None:
    with pytest.raises(NotPlain) as caught:
        to_plain({"password": {"x": "geheim\ud800"}})
    assert "geheim" not in str(caught.value)
