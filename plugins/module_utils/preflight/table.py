# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's checks as one aligned table of plain text. Only layout; what it says comes from the checks."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import (
    ANNOUNCED,
    FAILED,
    OK,
    STATUSES,
    WARNING,
    Check,
    some,
)

WIDTH = 120
GAP = "  "
#: A word that stands out, and isn't a colour: the table is read in terminals, AWX and log files.
MARKS = {OK: "ok", WARNING: "WARNING", FAILED: "FAILED", ANNOUNCED: "later"}
HEAD = ("", "check", "found", "wanted", "remedy")
#: The least a column of the table gets before the wider ones give way.
NARROWEST = 10


def render(checks: Iterable[Check], width: int = WIDTH) -> str:
    """One row per check, columns aligned, cells wrapped, no line longer than `width`; ends with a line that counts.

    :param width: characters per line, 60 at least.
    """
    checks = list(checks)
    rows = [HEAD, *(_row(check) for check in checks)]
    widths = _widths(rows, max(width, 60))
    lines = [_line(wrapped) for row in rows for wrapped in _wrapped(row, widths)]
    lines.insert(1, "-" * min(max(map(len, lines)), max(width, 60)))
    counts = Counter(check.status for check in checks)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    total = "1 check" if len(checks) == 1 else f"{len(checks)} checks"
    return "\n".join([*lines, f"{total}: {told}" if checks else "no checks"])


def _row(check: Check) -> tuple[str, ...]:
    about = [some(check.hosts)] if check.hosts else []
    if check.variable and check.status != OK:
        about.append(check.variable)
    return (MARKS[check.status], check.name, ": ".join([*about, check.found]), check.wanted, check.remedy)


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths that fit: what a column needs, the widest ones cut until all fit side by side."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    room = width - len(GAP) * (len(HEAD) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda column: widths[column])
        if widths[widest] <= NARROWEST:
            break
        others = sorted(widths, reverse=True)[1]
        widths[widest] = max(min(widths[widest] - 1, others), widths[widest] - (sum(widths) - room), NARROWEST)
    return widths


def _wrapped(row: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False) if width else []
        for cell, width in zip(row, widths, strict=True)
    ]
    height = max(1, *(len(cell) for cell in cells))
    return [
        [(cell[number] if number < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)]
        for number in range(height)
    ]


def _line(cells: Sequence[str]) -> str:
    return GAP.join(cells).rstrip()
