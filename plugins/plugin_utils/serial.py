# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kof_serial as the play keyword `serial` takes it: for the keyword, and for the look before any change."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted

EXAMPLE = 'for example -e kof_serial=1,10%,100%, or [1, "10%", "100%"] in YAML and JSON'
_WHOLE = "100%"
_SIZE = re.compile(r"([1-9][0-9]{0,8})(%?)\Z", re.ASCII)


def batches(given: Any) -> list[int | str]:
    """The sizes of the batches, numbers of clusters or percentages; null, an empty text or list are unset: all at once.

    :param given: a size, a list of them, or a text with commas between them.
    :raises ValueError: it is none of these; the message tells what is wrong.
    """
    if isinstance(given, str):
        inside = given.strip().removeprefix("[").removesuffix("]").strip()
        given = [part.strip().strip("\"'") for part in inside.split(",")] if inside else []
    sizes = [] if given is None else given if isinstance(given, (list, tuple)) else [given]
    return [_size(each) for each in sizes] or [_WHOLE]


def _size(given: Any) -> int | str:
    text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    found = _SIZE.match(text)
    if not found:
        shown = quoted(given, 40) if isinstance(given, (str, int, float)) else f"a {type(given).__name__}"
        raise ValueError(f"{shown} is no number of clusters and no percentage")
    number, percent = int(found[1]), found[2]
    if percent and number > 100:
        raise ValueError(f"{text} is more than all")
    return text if percent else number
