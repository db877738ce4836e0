"""Says how long each make target took, and which was over its budget, as CONTRIBUTING.md has it.

Fails nothing: how fast a machine is, and what else it does, is nobody's fault.

Usage: budgets.py CONTRIBUTING.md SECONDS, a file with lines of a target and the seconds it took.
"""

from __future__ import annotations

import pathlib
import re
import sys

#: A row of the table: | `make unit` | 4 minutes | ...
_ROW = re.compile(r"^\| `make ([-a-z]+)` \| (\d+) minutes? \|", re.MULTILINE)


def report(document: str, seconds: str) -> list[str]:
    """Lines for people: each target's seconds and budget, the longest first, and loudly those that were over it."""
    budgets = {name: 60 * int(minutes) for name, minutes in _ROW.findall(document)}
    took = {name: int(number) for name, number in (line.split() for line in seconds.splitlines())}
    lines = []
    for name, number in sorted(took.items(), key=lambda item: -item[1]):
        budget = budgets.get(name)
        over = "" if budget is None or number <= budget else "   <<< OVER ITS BUDGET"
        lines.append(f"{name:20}{number:5} s   of {budget or 'no budget'}{' s' if budget else ''}{over}")
    if any("<<<" in line for line in lines):
        lines.append("If nothing else kept two cores busy: make it faster again, or say in CONTRIBUTING.md why not.")
    return lines


if __name__ == "__main__":
    paths = [pathlib.Path(each) for each in sys.argv[1:]]
    if paths[1].exists():
        print("\n".join(report(*(path.read_text(encoding="utf-8") for path in paths))))
