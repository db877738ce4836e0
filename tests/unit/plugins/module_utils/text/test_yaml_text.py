"""yaml_text.py: whatever is written comes back unchanged, from PyYAML and from what kcm and Helm read it with."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from deciding import strings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import LARGEST_INTEGER
from ansible_collections.k0rdent.kof.plugins.module_utils.text.yaml_text import dump, dump_all
from yaml_judge import Judge, same

# Strings that some reader of YAML 1.1 or 1.2 takes for something else, or that break a writer.
WORDS = r"""
on off yes no y n Y N On OFF true True FALSE null Null NULL ~ nan .nan .NaN inf .inf -.inf +.INF Infinity None
012 0o12 0x1f 0b1 1e3 1E3 1.5e+3 1_000 0x_1 1. .5 -1 +1 - + 0 -0 1:30 190:20:30 1,000 12e03 00 1e e3
2025-02-12 2025-02-12T01:30:00Z 2025-02-12T01:30 2001-1-1 = << ! & * > | % @ ` # ? : --- ... { } [ ] , {} []
!!str !a &a *a @a %a `a -a- :a a: a:b #a a#b 'a' " "" ' '' a,b a] [a x:y z:w \ \\n \u0041 C:\x
{{ }} {{{{ {{.X}} {{{ ${username} $labels {%a%} {#a#} \xA é
"""
TRAPS = [
    *WORDS.split(),
    *["", " ", "  a", "a ", "a: b", "a #b", "- a", "? a", "a\tb", "\ta", "a\n", "\na", "a\nb", "a\nb\n", "a\n\n"],
    *["\n", "\n\n", "a\r\nb", "a\rb", "  a\nb", "a\n  b\n", "a\n \nb", "a\nb \n", "#a\n#b\n", "---\na\n"],
    *["a\n...\nb", "{{ $labels.x }}\nb\n", "key: |\n  text\n", "!vault |", "a: {b", "a, b", "日本\n語\n"],
    *[
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\x85",
        "a\x85b",
        "\xa0",
        "\xa0\n\xa0",
        "a\u2028b",
        "a\u2029b",
        "\ufeff",
        "\ufeffa\n",
    ],
    *["\ufffd", "\ufffe", "\uffff", "\U0001f600", "\U0001f600\nb\n", "\U0010ffff", "\u200b", "\u202e"],
    *["x" * 5000, "x " * 2000],
]
TEXT = st.text(max_size=30) | st.sampled_from(TRAPS) | st.text(alphabet=" \n\t{}a:#-'\"\\\x85\u2028", max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
# The readers take keys of up to 1024 characters as such; model.py refuses longer ones.
KEYS = TEXT.filter(lambda text: len(text) < 160)
MAPS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=10,
    ),
    max_size=4,
)


@given(MAPS, st.booleans())
def test_pyyaml_reads_what_was_written(value: dict[str, Any], sort_keys: bool) -> None:
    assert same(yaml.safe_load(dump(value, sort_keys=sort_keys)), value)


@pytest.mark.parametrize("text", TRAPS, ids=ascii)
def test_traps_as_value_key_and_item(text: str) -> None:
    key = text[:150]
    value = {"a": text, key: "b", "list": [text, [text], {key: text}], "map": {"deep": {"er": text}}}
    assert same(yaml.safe_load(dump(value)), value)


def test_go_is_a_judge_that_can_say_no(go: Judge) -> None:
    on, template, broken = go(["a: on\n", "a: {{ 1 }}\n", "a: [\n"])
    assert on["value"] == {"a": True}
    assert template["template"] is False
    assert broken["error"]


def test_go_reads_the_traps(go: Judge) -> None:
    values = [{"a": text, text[:150]: "b", "list": [text, {text[:150]: text}]} for text in TRAPS]
    for value, answer in zip(values, go([dump(value, sort_keys=True) for value in values]), strict=True):
        assert answer["template"] is True, answer
        assert same(answer["value"], value)


def test_go_and_pyyaml_read_every_character(go: Judge) -> None:
    values: list[dict[str, Any]] = [
        {"text": "".join(batch), "keys": {character: character for character in batch if ord(character) < 0x3000}}
        for batch in strings.code_points(4096)
    ]
    texts = [dump(value) for value in values]
    for value, text, answer in zip(values, texts, go(texts), strict=True):
        assert answer["template"] is True
        assert same(answer["value"], value)
        assert same(yaml.load(text, Loader=yaml.CSafeLoader), value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(MAPS, min_size=5, max_size=25))
def test_go_reads_what_was_written(go: Judge, values: list[dict[str, Any]]) -> None:
    for value, answer in zip(values, go([dump(value) for value in values]), strict=True):
        assert answer.get("template") is True, answer
        assert same(answer["value"], value)


def test_it_is_made_to_be_read() -> None:
    value = {
        "host": "vmauth.eu1.kof.example.com",
        "url": "https://vmauth.eu1.kof.example.com/vm/select/0/prometheus",
        "flag": "true",
        "on": True,
        "nothing": None,
        "empty": {},
        "none": [],
        "config": "route:\n  receiver: a\n",
        "list": [{"name": "A", "value": "b c"}, "x", ["z"], {}],
        "number": 1e-7,
    }
    assert dump(value) == (
        "host: vmauth.eu1.kof.example.com\n"
        "url: https://vmauth.eu1.kof.example.com/vm/select/0/prometheus\n"
        'flag: "true"\n'
        '"on": true\n'
        "nothing: null\n"
        "empty: {}\n"
        "none: []\n"
        "config: |\n"
        "  route:\n"
        "    receiver: a\n"
        "list:\n"
        "  - name: A\n"
        "    value: b c\n"
        "  - x\n"
        "  - - z\n"
        "  - {}\n"
        "number: 1.0e-07\n"
    )


def test_order_of_keys_is_kept_or_sorted() -> None:
    assert dump({"b": 1, "a": 2}) == "b: 1\na: 2\n"
    assert dump({"b": {"d": 1, "c": 2}, "a": 2}, sort_keys=True) == "a: 2\nb:\n  c: 2\n  d: 1\n"


def test_several_documents() -> None:
    assert dump_all([{"a": 1}, {}]) == "---\na: 1\n---\n{}\n"


def test_what_is_no_json_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="to_plain"):
        dump({"a": {1, 2}})
