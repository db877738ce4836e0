# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' quantities, and which of a chart's values would become less. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig

_ANY = re.compile(
    r"([+-]?)(\d{1,100}\.?\d{0,100}|\.\d{1,100})(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?\Z", re.ASCII
)
_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = dict(zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True))


def quantity(value: Any) -> Fraction | None:
    """A Kubernetes quantity: 128Mi, 0.5Gi, 1e9, 128974848, 1500m; None for what is none, or is below zero.

    Source: kubernetes.io/docs, Resource Management, Quantity. YAML may have made a number of it.
    """
    match = _ANY.match(str(value)) if isinstance(value, (str, int, float)) else None
    if match is None or match[1] == "-":
        return None
    number = Fraction(match[2])
    if match[3]:
        return number * _BINARY[match[3]]
    return number * Fraction(10) ** int(_DECIMAL[match[4]] if match[4] else match[5] or 0)


def shrinking(before: Any, after: Any, growing: Mapping[tuple[str, ...], object]) -> Iterator[tuple[str, Any, Any]]:
    """Values of a chart that would become less, and may only grow: path, what it was, what it would be.

    :param growing: by path, the chart's default.
    """
    for path, default in growing.items():
        was, now = (default if (said := dig(each, path)) is None else said for each in (before, after))
        size, less = quantity(was), quantity(now)
        if size is not None and less is not None and size > less:
            yield ".".join(path), was, now
