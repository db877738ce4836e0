"""syntax.py: what each kind of string may be, at its limits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax

RIGHT_AND_WRONG = {
    syntax.cluster_name: (
        ["a", "aws-us-east-2", "1a", "x" * 53],
        ["", "-a", "a-", "A", "a_b", "a.b", "x" * 54, "a b", "a\n", "é"],
    ),
    syntax.object_name: (
        ["a", "aws-standalone-cp-0-1-0", "a.b", "x" * 63],
        ["", "A", "a..b", ".a", "a/b", "x" * 64, "a.b\n", "y." * 127 + "z"],
    ),
    syntax.domain: (
        ["a.b", "kof.example.com", "1.example.com", "x" * 63 + ".de", ".".join(["a" * 60] * 4)[:245].rstrip(".")],
        [
            "localhost",
            "a.b.",
            ".a.b",
            "a..b",
            "A.b",
            "*.a.b",
            "10.0.0.1",
            "a_b.c",
            "-a.b",
            "a.b/c",
            "a.b\n",
            "a." * 123,
        ],
    ),
    syntax.go_duration: (
        ["5s", "1m30s", "1.5h", "100ms", "1h0m1s", "10us", "10µs"],
        ["5", "", "s", "5 s", "-5s", "5d", "1e3s", ".5s", "0s", "0h0m", "5S", "5s\n", "\u0665s"],
    ),
    syntax.retention: (
        ["1d", "30d", "2w", "1y", "24h", "36h"],
        ["1", "30", "0d", "01d", "23h", "5m", "1M", "1.5d", "d", "30d ", "1y6w"],
    ),
    syntax.storage_size: (
        ["10Gi", "500Mi", "1Ti", "10G"],
        ["10", "10gi", "0Gi", "-1Gi", "1.5Gi", "10 Gi", "10GB", "Gi", ""],
    ),
    syntax.email: (
        ["a@example.com", "first.last+tag@a-b.example.com"],
        ["", "a", "a@", "@b.com", "a@b", "a b@c.de", 'a"b@c.de', "a@b..de", "a@-b.de", "a@b.de\n", "x" * 65 + "@b.de"],
    ),
    syntax.image_tag: (["v0.0.93", "latest", "_x", "1"], ["", ".x", "-x", "a b", "a:b", "x" * 129]),
    syntax.label_key: (
        ["kof", "example.com/team", "a.b_c-d", "a/" + "x" * 63],
        ["", "/a", "a/", "a/b/c", "-a", "a-", "x" * 64, "Ex.com/a", "a b", "a\n"],
    ),
    syntax.label_value: (["", "true", "A.b_c-d", "x" * 63], ["-a", "a-", "a b", "x" * 64, "a/b", "é"]),
}
CASES = [
    (check, text, right)
    for check, (rights, wrongs) in RIGHT_AND_WRONG.items()
    for texts, right in ((rights, True), (wrongs, False))
    for text in texts
]


@pytest.mark.parametrize(("check", "text", "right"), CASES, ids=[f"{c.__name__}-{t!r:.30}" for c, t, _r in CASES])
def test_each_kind_at_its_limits(check, text: str, right: bool) -> None:
    problem = check(text)
    assert (problem is None) is right, problem


@pytest.mark.parametrize("value", [True, 1, None, ["a"]])
def test_label_values_are_strings(value: object) -> None:
    assert "string" in str(syntax.label_value(value))


def test_the_longest_domain_leaves_room_for_its_prefixes() -> None:
    label = "a" * 49
    domain = ".".join([label] * 4) + "." + "b" * 45
    assert len(domain) == 245
    assert syntax.domain(domain) is None
    assert len(f"grafana.{domain}") == 253
    assert "grafana" in str(syntax.domain(f"{domain}c"))


@given(st.text(max_size=20))
def test_promxy_safe_is_what_double_quotes_carry_as_it_is(text: str) -> None:
    if syntax.promxy_safe(text) is None:
        import yaml

        # A line of its own, as the operator writes it.
        try:
            assert yaml.safe_load(f'a: "{text}"\n') == {"a": text}
        except yaml.reader.ReaderError as problem:
            pytest.fail(str(problem))


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "a\tb", "a\x00", "a\x7f", "a\u0085b", "a\u2028", "\ufeffa"])
def test_promxy_unsafe(text: str) -> None:
    assert re.search("quote|backslash|line break|control", str(syntax.promxy_safe(text)))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5s", 5_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("100ms", 100_000_000),
        ("0.1us", 100),
    ],
)
def test_nanoseconds(text: str, nanoseconds: int) -> None:
    assert syntax.nanoseconds(text) == nanoseconds
