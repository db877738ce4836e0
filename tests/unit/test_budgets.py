"""Each target of `make test` has a budget in CONTRIBUTING.md, and one that is over it is told loudly."""

from __future__ import annotations

import pathlib
import re

import budgets

REPOSITORY = pathlib.Path(__file__).parents[2]
TABLE = "| target | may take | |\n|---|---|---|\n| `make unit` | 2 minutes | x |\n| `make lint` | 1 minute | y |\n"


def test_each_target_of_make_test_has_a_budget() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    lanes = re.findall(r"^LANES := (.*)$", makefile, re.MULTILINE)[0].split()
    document = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = budgets.report(document, "".join(f"{name} 1\n" for name in lanes))
    assert len(told) == len(lanes) > 5
    assert not [line for line in told if "no budget" in line]


def test_what_is_over_its_budget_is_told_loudly_the_longest_first() -> None:
    told = budgets.report(TABLE, "lint 61\nunit 120\nnew 3\n")
    assert [line.split()[0] for line in told[:3]] == ["unit", "lint", "new"]
    assert ["OVER" in line for line in told[:3]] == [False, True, False]
    assert "no budget" in told[2]
    assert "two cores" in told[3]
    assert "OVER" not in "".join(budgets.report(TABLE, "lint 60\n"))
