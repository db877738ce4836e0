"""Which part of a long test `make test` runs: another each day, so that in four days it has run all of it.

May hold: the choice. May not hold: what is tested. `make acceptance-long` runs all parts.
"""

from __future__ import annotations

import datetime
import os

#: Of 4, which part. A failure of the part of another day comes back by KOF_SLICE; a test's name has it.
SLICE = int(os.environ.get("KOF_SLICE") or datetime.datetime.now(datetime.UTC).toordinal() % 4)
NAME = f"KOF_SLICE={SLICE}"


def of(whole: int, size: int) -> range:
    """`size` of the numbers below `whole`, or all: the parts of different days overlap where it doesn't divide."""
    parts = -(-whole // size)
    start = max(0, min(SLICE % parts * size, whole - size))
    return range(start, min(start + size, whole))
