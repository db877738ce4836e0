"""The table of findings has every code that is used and no other, and docs/findings.md is made of it."""

from __future__ import annotations

import os
import pathlib
import re

from unit import findings
from unit.known_faults import FAULTS, VERIFY

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.findings import FINDINGS, SEVERITIES, UNSEEN

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "findings.md"


def test_every_code_that_is_used_is_in_the_table_and_each_of_the_table_is_used() -> None:
    assert findings.used() == set(FINDINGS)


def test_codes_and_texts_have_the_form_that_readers_go_by() -> None:
    for code, meaning in FINDINGS.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", code)
        assert meaning.severity in SEVERITIES
        assert meaning.after(patience_is_over=True) in SEVERITIES
        assert not meaning.title.endswith("."), code
        for text in (meaning.means, meaning.remedy):
            assert text.endswith("."), code
            assert "  " not in text, code


def test_what_is_normal_becomes_a_warning_and_nothing_becomes_better() -> None:
    for code, meaning in FINDINGS.items():
        before, later = (SEVERITIES.index(meaning.after(patience_is_over=over)) for over in (False, True))
        assert later <= before, code
        assert meaning.after(patience_is_over=True) != "progress", code


def test_whatever_is_known_to_go_wrong_has_a_code_or_a_reason() -> None:
    numbers = [each.number for each in FAULTS]
    assert len(numbers) == len(set(numbers))
    assert {str(number) for number in range(1, 36)} | {f"seen {number}" for number in range(8, 12)} <= set(numbers)
    for each in FAULTS:
        assert bool(each.codes) != bool(each.unseen), each.number
        assert set(each.codes) <= set(FINDINGS), each.number
        assert not each.unseen or each.unseen in UNSEEN, each.number
        inside = [FINDINGS[code].inside for code in each.codes]
        assert VERIFY in each.where or not any(inside), each.number
    assert sum(bool(each.codes) for each in FAULTS) >= 25
    assert set(UNSEEN) == {each.unseen for each in FAULTS if each.unseen}


def test_the_page_is_made_of_the_table() -> None:
    if os.environ.get("KOF_RENEW_FINDINGS"):
        PAGE.write_text(findings.page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == findings.page()
