"""The table keeps its width, loses and breaks no word of what it has to say, and says nothing three times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import (
    ANNOUNCED,
    FAILED,
    OK,
    STATUSES,
    WARNING,
    Check,
    failures,
    message,
    narrowed,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.table import WIDTH, render
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

words = st.text("abcdefg-./ ", max_size=200)
rows = st.lists(
    st.builds(Check, words, words, words, words, st.sampled_from(STATUSES), st.lists(words, max_size=2).map(tuple)),
    max_size=6,
)


@settings(max_examples=40)
@given(rows, st.integers(60, 160))
def test_a_line_is_longer_than_the_width_only_for_what_must_stay_whole(checks, width):
    for line in render(checks, width).splitlines():
        if len(line) > width and not line.lstrip().startswith("->"):
            assert max(map(len, line.split())) > 10, line


@settings(max_examples=40)
@given(rows)
def test_every_character_is_shown(checks):
    shown = "".join(render(checks).split())
    for check in checks:
        if check.status != FAILED:
            for letter in "abcdefg":
                assert shown.count(letter) >= check.found.count(letter)


NAME = "Secret external-dns-aws-credentials-of-a-fleet-with-a-very-long-name-indeed"
COMMAND = "kubectl --context the-management-cluster get namespace kof -o yaml says what holds it, and who may let it go"


@settings(max_examples=20)
@given(rows, st.integers(60, 160))
def test_no_name_and_no_command_is_broken(checks, width):
    check = Check(NAME, f"as `{COMMAND}`, -e kof_take_over_fleet={'x' * 40}", NAME, COMMAND, WARNING, (NAME,))
    lines = render([*checks, check], width).splitlines()
    for whole in (NAME.split()[1], f"`{COMMAND}`", f"-e kof_take_over_fleet={'x' * 40}"):
        assert any(whole in line for line in lines), whole
    assert f"         -> {COMMAND}" in lines


def test_columns_are_aligned():
    table = render(
        [
            Check("helm", "v3.19.5 (/usr/bin/helm)", ">= 3.8"),
            Check(
                "Credential aws",
                "not ready: " + "no Secret " * 20,
                "ready",
                "make it",
                WARNING,
                ("eu1",),
                "regional_credential",
            ),
        ]
    )
    lines = table.splitlines()
    head = lines[0]
    assert head.split() == ["check", "found", "wanted"]
    for line in lines[2:-1]:
        if "->" not in line:
            for title in ("check", "found", "wanted"):
                assert line[head.index(title) - 1 : head.index(title)].strip() == ""
    assert lines[-2] == "         -> make it"
    assert lines[-1] == "2 checks: 1 warning, 1 ok"
    assert "eu1: regional_credential: not ready" in table
    assert max(map(len, lines)) <= WIDTH


def failing(number: int) -> list[Check]:
    return [Check(f"check {n}", f"fault {n}", "", "mend it", FAILED, (f"host{n}",)) for n in range(number)]


def test_what_failed_is_told_in_full_only_where_the_message_cannot():
    """Ansible prints the message twice; a third copy helps nobody."""
    few, many = render(failing(10)), render(failing(11))
    assert "host3: see the error below" in few
    assert "fault 3" not in few
    assert "mend it" not in few
    assert "host3: fault 3" in many
    assert many.count("-> mend it") == 11


def test_of_many_rows_only_the_problems_are_shown_and_the_rest_is_counted():
    fine = [Check(f"fine {n}", "as it must be") for n in range(48)]
    problems = [Check("old", "too old", status=WARNING), *failing(1)]
    assert len(render([*fine, *problems]).splitlines()) == 2 + 50 + 1
    told = render([*fine, Check("later", "not yet", status=ANNOUNCED), *problems])
    assert "fine" not in told.rpartition("\n")[0]
    assert "later" not in told.rpartition("\n")[0]
    assert "WARNING  old" in told
    assert told.splitlines()[-1] == (
        "51 checks: 1 failed, 1 warning, 1 announced, 48 ok; the problems are shown, 49 are not"
    )


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


def test_the_code_of_a_finding_stands_behind_what_was_found():
    check = Check("Credential aws", "not ready", "ready", "see it", WARNING, ("eu1",), code="credential-not-ready")
    assert "eu1: not ready [credential-not-ready]" in " ".join(render([check], 160).split())
    assert check.line() == "eu1: Credential aws: not ready (wanted: ready) [credential-not-ready]; see it"
