"""The table keeps its width whatever it has to say, and loses no word of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import (
    ANNOUNCED,
    FAILED,
    OK,
    STATUSES,
    WARNING,
    Check,
    failures,
    message,
    narrowed,
    some,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.table import WIDTH, render

words = st.text("abcdefg-./ ", max_size=200)
rows = st.lists(
    st.builds(Check, words, words, words, words, st.sampled_from(STATUSES), st.lists(words, max_size=2).map(tuple)),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(60, 160))
def test_no_line_is_longer_than_the_width(checks, width):
    assert max(map(len, render(checks, width).splitlines())) <= width


@settings(max_examples=40, deadline=None)
@given(rows)
def test_every_character_is_shown(checks):
    shown = "".join(render(checks).split())
    for check in checks:
        for letter in "abcdefg":
            assert shown.count(letter) >= check.found.count(letter)


def test_columns_are_aligned():
    table = render(
        [
            Check("helm", "v3.19.5 (/usr/bin/helm)", ">= 3.8"),
            Check(
                "Credential aws",
                "not ready: " + "no Secret " * 20,
                "ready",
                "make it",
                FAILED,
                ("eu1",),
                "regional_credential",
            ),
        ]
    )
    lines = table.splitlines()
    head = lines[0]
    assert head.split() == ["check", "found", "wanted", "remedy"]
    for line in lines[2:-1]:
        for title in ("check", "found", "wanted", "remedy"):
            assert line[head.index(title) - 1 : head.index(title)].strip() == ""
    assert lines[-1] == "2 checks: 1 failed, 1 ok"
    assert "eu1: regional_credential: not ready" in table
    assert max(map(len, lines)) <= WIDTH


def test_an_empty_table_says_so():
    assert render([]).splitlines()[-1] == "no checks"


@pytest.mark.parametrize("status", [OK, WARNING, ANNOUNCED])
def test_only_faults_are_narrowed(status):
    check = Check("a", "b", status=status, hosts=("x",))
    assert narrowed(check, ["y"]) is check


def test_a_fault_stops_only_the_batch_it_involves():
    check = Check("a", "b", status=FAILED, hosts=("x", "y"))
    assert narrowed(check, ["y"]) is check
    assert narrowed(check, ["z"]).status == WARNING
    everybody = Check("a", "b", status=FAILED)
    assert narrowed(everybody, []) is everybody


def test_the_message_counts_what_it_does_not_show():
    checks = [Check("a", f"fault {n}", status=FAILED, hosts=("h",), variable="v") for n in range(12)] + [
        Check("b", "fine")
    ]
    lines = message(checks).splitlines()
    assert lines[0] == "preflight: 12 of 13 checks failed; nothing was changed."
    assert lines[1] == "h: v: a: fault 0"
    assert lines[-1] == "... and 2 more"
    assert len(failures(checks)) == 12
    assert message([Check("b", "fine")]) == ""


def test_long_lists_are_cut():
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert some([]) == ""
