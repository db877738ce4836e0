# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's checks as one aligned table of plain text. Only layout; what it says comes from the checks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import (
    ANNOUNCED,
    FAILED,
    MESSAGE_SHOWS,
    OK,
    STATUSES,
    WARNING,
    Check,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import coded, some

WIDTH = 120
GAP = "  "
#: A word that stands out, and isn't a colour: the table is read in terminals, AWX and log files.
MARKS = {OK: "ok", WARNING: "WARNING", FAILED: "FAILED", ANNOUNCED: "later"}
HEAD = ("", "check", "found", "wanted")
#: The least a column of the table gets before the wider ones give way.
NARROWEST = 10
#: Of more rows than these only the problems are shown.
ROWS = 50
#: What no line may break: a command in backticks, an option with its value, a word.
_WHOLE = re.compile(r"`[^`]*`\S*|-[ei] \S+|\S+")


def render(checks: Iterable[Check], width: int = WIDTH) -> str:
    """One row per check, columns aligned, cells wrapped between words, and the remedy in a line of its own, so that a
    name or a command can be copied; ends with a line that counts.

    Lines are longer than `width` only for a remedy, or a name that is longer than its column. Of more than ROWS checks
    only the problems are shown. What failed is told in full only where the message of the failure can't: else it would
    be the third copy, Ansible shows that twice.

    :param width: characters per line, 60 at least.
    """
    checks, width = list(checks), max(width, 60)
    in_full = sum(check.status == FAILED for check in checks) > MESSAGE_SHOWS
    shown = [check for check in checks if len(checks) <= ROWS or check.status in (FAILED, WARNING)]
    rows = [HEAD, *(_row(check, in_full) for check in shown)]
    widths = _widths(rows, width)
    lines = _lines(HEAD, widths)
    for check, row in zip(shown, rows[1:], strict=True):
        lines += _lines(row, widths)
        if check.remedy and (in_full or check.status != FAILED):
            lines.append(f"{' ' * (widths[0] + len(GAP))}-> {' '.join(check.remedy.split())}")
    lines.insert(1, "-" * min(max(map(len, lines)), width))
    counts = Counter(check.status for check in checks)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    total = "1 check" if len(checks) == 1 else f"{len(checks)} checks"
    hidden = f"; the problems are shown, {len(checks) - len(shown)} are not" if len(shown) < len(checks) else ""
    return "\n".join([*lines, f"{total}: {told}{hidden}" if checks else "no checks"])


def _row(check: Check, in_full: bool) -> tuple[str, ...]:
    about = [some(check.hosts)] if check.hosts else []
    if check.variable and check.status != OK:
        about.append(check.variable)
    if check.status == FAILED and not in_full:
        return (MARKS[check.status], check.name, ": ".join([*about, "see the error below"]), "")
    return (MARKS[check.status], check.name, ": ".join([*about, coded(check.found, check.code)]), check.wanted)


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


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        GAP.join(
            (cell[number] if number < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for number in range(max(1, *map(len, cells)))
    ]


def _wrapped(cell: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in _WHOLE.findall(cell):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
