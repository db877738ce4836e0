"""What encode sends, YAML reads back unchanged; what YAML can't carry is refused."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.encoding import MAX_KEY, encode
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import UnsendableString

# Half of a surrogate pair is refused; the rest of Unicode must arrive.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300)
@given(JSON)
def test_the_bytes_mean_the_same_as_json_and_as_yaml(value):
    data = encode({"value": value})
    assert json.loads(data) == {"value": value}
    # PyYAML's C loader is as strict about characters as the server's parser. It alone takes "<<" as a merge key.
    if b'"<<"' not in data:
        assert yaml.load(data, Loader=yaml.CSafeLoader) == {"value": value}


@pytest.mark.parametrize(
    "text", ["\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff", "😀", "\x00"]
)
def test_awkward_characters_arrive(text):
    data = encode({"key" + text: text})
    assert yaml.load(data, Loader=yaml.CSafeLoader) == {"key" + text: text}
    assert json.loads(data) == {"key" + text: text}


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"a": {"b": ["x", "\ud800"]}}, "a.b[1]", "surrogate"),
        ({"a": {"\udfff": 1}}, "a", "surrogate"),
        ({"a": {"k" * (MAX_KEY - 1): 1}}, "a", "characters"),
        ({"a": {"\x01" * 171: 1}}, "a", "characters"),
        ({"a": {"\x85" * 171: 1}}, "a", "characters"),
        ({"a": {'"' * 512: 1}}, "a", "characters"),
        ({"a": {'k":' * 300: 1}}, "a", "characters"),
        ({"k" * (MAX_KEY - 1): "x" * 100}, "", "characters"),
        ({"a": {"é" * (MAX_KEY - 1): 1}}, "a", "characters"),
        ({"a": {"\ud800" * (MAX_KEY + 1): 1}}, "a", "surrogate"),
        ({"a": float("nan")}, "a", "number"),
        ({"a": [float("inf")]}, "a[0]", "number"),
        ({"a": 2**63}, "a", "64 bits"),
        ({"a": -(2**63) - 1}, "a", "64 bits"),
        ({"a": b"bytes"}, "a", "bytes"),
        ({"a": {"b": {1: 2}, "c": object()}}, "a.b", "no string"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_path(value, path, why):
    with pytest.raises(UnsendableString) as caught:
        encode(value)
    assert caught.value.path == path
    assert why in caught.value.why


def test_long_values_are_no_long_keys():
    assert json.loads(encode({"a": "x" * 5000, "k" * (MAX_KEY - 2): 'y": ' * 900}))["a"] == "x" * 5000


@pytest.mark.parametrize("key", ["k" * 1022, "é" * 1022, "😀" * 1022, "\x85" * 170, "\x01" * 170, '"' * 511])
def test_the_longest_keys_are_still_keys(key):
    assert yaml.load(encode({"a": {key: 1}}), Loader=yaml.CSafeLoader) == {"a": {key: 1}}


def test_a_text_of_quotes_is_scanned_once():
    """Begun anew at each of them, the search for long keys would take hours."""
    assert json.loads(encode({"a": '": ' * 500_000}))["a"] == '": ' * 500_000
