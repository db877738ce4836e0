# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How names are told: many of them in one sentence, the one that was probably meant, the code of a finding.

Pure, standard library only. Knows no names of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

#: How many names a sentence lists before it counts the rest.
NAMES_SHOWN = 3
#: Two names at least this alike (difflib's ratio) are taken for a slip of the keyboard: one letter that is lost, added
#: or changed in a word of four, two in one of eight. Neighbours in a series (eu-west-1 and eu-west-2) are that, too.
ALIKE = 0.75


def some(names: Iterable[str], shown: int = NAMES_SHOWN) -> str:
    """`a, b, c and 4 more`, in the order given."""
    names = list(names)
    text = ", ".join(names[:shown])
    return f"{text} and {len(names) - shown} more" if len(names) > shown else text


def first_lines(lines: Sequence[str], shown: int) -> list[str]:
    """The first of many lines, and one that counts the rest."""
    return [*lines[:shown], *([f"... and {len(lines) - shown} more"] if len(lines) > shown else [])]


def coded(told: str, code: str) -> str:
    """What is told of something, with the code of its finding (docs/findings.md) behind it; "" for none."""
    return f"{told} [{code}]" if code else told


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most probably a slip of; None where none is alike."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=ALIKE)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str], before: str = "; ") -> str:
    """`did you mean x?` behind what comes `before` it, for a name that is none of the known ones; or nothing."""
    near = nearest(name, known)
    return f"{before}did you mean {near}?" if near else ""
