"""What of a cluster's text a terminal gets."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.text.shown import shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;owned\a\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),  # a title of one's own, and a cleared screen
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),  # the same, without an escape
        ("\x9d0;t\x9c", r"\x9d0;t\x9c"),
        ("all is well\rTASK FAILED", r"all is well\x0dTASK FAILED"),
        ("password\b\b\b", r"password\x08\x08\x08"),
        ("\x00\x7f", r"\x00\x7f"),
        ("\u202eadmin\u202c \u2066a\u2069", r"\u202eadmin\u202c \u2066a\u2069"),  # written from right to left
        ("a\u200bb\u200d\u2060\ufeff\u00ad", r"a\u200bb\u200d\u2060\ufeff\xad"),  # nothing to see
        ("a\U000e0041", r"a\U000e0041"),  # tags, invisible letters
        ("a\u2028b\u2029c\x85d\x0be\x0cf", r"a\u2028b\u2029c\x85d\x0be\x0cf"),  # line ends to some
        ("half \ud83d", r"half \ud83d"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Größe 大 🚀 é עברית", "Größe 大 🚀 é עברית"),
        (r"\x1b", r"\x1b"),
        ("", ""),
    ],
)
def test_characters_that_do_something_are_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen
    assert shown({text: [text, (text, 1)], "n": None, "b": True, "f": 1.5}) == {
        seen: [seen, [seen, 1]],
        "n": None,
        "b": True,
        "f": 1.5,
    }


def test_all_characters() -> None:
    """Whatever comes out can be printed, has none of the characters with powers, and all else is left alone."""
    for code in range(0x110000):
        character = chr(code)
        powers = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in "\n\t"
        assert (shown(character) != character) is powers
    every = shown("".join(map(chr, range(sys.maxunicode + 1))))
    assert not [each for each in every if unicodedata.category(each) in ("Cc", "Cf", "Cs") and each not in "\n\t"]
    every.encode()


def test_no_url_is_shown_with_its_login() -> None:
    told = {"msg": "HelmRepository kcm-system/kof-repo has oci://me:hunter2@registry.example.com/kof: Get it", "n": 1}
    assert shown(told) == {
        "msg": "HelmRepository kcm-system/kof-repo has oci://registry.example.com/kof: Get it",
        "n": 1,
    }
    assert shown(["http://me:hunter2@h\x1b", "me@h"]) == ["http://h\\x1b", "me@h"]
