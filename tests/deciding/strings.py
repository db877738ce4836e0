"""Strings that may break on their way through YAML inventories, JSON bodies read as YAML, and YAML text inside YAML."""

from __future__ import annotations

import random
from collections.abc import Iterator

#: What readers of YAML take for something else, and what its writers stumble over.
SPECIAL = (
    *["", " ", "  a", "a ", "\ta", "a\t", "\n", "\n\n", "a\n", "\na", "a\nb\n", "a\r\nb", "\r", "a\rb"],
    *["\u0085", "a\u0085b", "\u2028", "\u2029", "a\u2028b", "\ufeff", "\ufeffa", "a\ufeffb"],
    *["\ufffd", "\ufffe", "\uffff", "\x00", "\x01\x1f", "\x7f", "\u202eabc", "\u200b", "\ud7ff", "\ue000", "\ufdd0"],
    *["0x1f", "0o17", "017", "1_000", "1e3", "1.0", ".5", "+1", "-0", ".inf", ".nan", "1:30", "0b1", "2025-02-12"],
    *["yes", "no", "on", "off", "y", "n", "true", "True", "null", "~", "<<", "=", "-", "?", ":", "---", "..."],
    *["- a", "a: b", "a #b", "#a", "!a", "&a", "*a", "|", ">", "%a", "@a", "`a", "'", '"', "''", "\\", "\\n"],
    *["\\u0041", "[]", "{}", "[", "{", "é", "e\u0301", "日本", "😀", "👨\u200d👩\u200d👧", "\U0010ffff", "\U0001fffe"],
    *["x" * 100_000, "x " * 50_000, "é" * 5_000, "a: b\n" * 5_000],
)  # fmt: skip


def text(rng: random.Random) -> str:
    """A string of any characters, short or special."""
    if rng.random() < 0.5:
        return rng.choice(SPECIAL[:-4])
    return "".join(character(rng) for _number in range(rng.randint(0, 12)))


def character(rng: random.Random) -> str:
    """One of any plane, mostly of the first."""
    top = rng.choice([0x7F, 0x7F, 0x2FF, 0xFFFF, 0x10FFFF])
    code = rng.randint(0, top)
    return chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"


def code_points(size: int, first: int = 0, last: int = 0x10FFFF) -> Iterator[list[str]]:
    """All that Unicode has from `first` to `last`, but for surrogates, in lists of `size` characters."""
    found = [chr(code) for code in range(first, last + 1) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(found), size):
        yield found[start : start + size]
