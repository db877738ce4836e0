# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core has no public name for yet: how it tags values. The one room for its private names.

Where a version of core lacks them, nothing is known of a value, and no more.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from ansible.parsing.vault import EncryptedString, is_encrypted_file

try:
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:
    Origin = VaultedValue = None

#: Fewer digits are in too many places that have nothing to do with a secret.
_DIGITS = 6


def origin(value: Any) -> tuple[str, int]:
    """The file and line (0: not known) that a value comes from; no file where that isn't known."""
    tag = Origin.get_tag(value) if Origin else None
    return (tag.path, tag.line_num or 0) if tag is not None and tag.path else ("", 0)


def of_vault(value: Any) -> Iterator[str]:
    """The texts, and numbers of many digits, in an untemplated value that a vault held: as one vaulted text, or in a
    file that is encrypted as a whole. A text that no password opens is left out: it can't be anywhere either."""
    if isinstance(value, EncryptedString):
        try:
            yield str(value)
        except Exception:
            return
    elif isinstance(value, dict):
        for each in dict.values(value):
            yield from of_vault(each)
    elif isinstance(value, (list, tuple)):
        for each in list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value):
            yield from of_vault(each)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        text = str.__str__(value) if isinstance(value, str) else str(value)
        if isinstance(value, str) or len(text) >= _DIGITS:
            tagged = VaultedValue is not None and VaultedValue.get_tag(value) is not None
            if tagged or _is_encrypted(origin(value)[0]):
                yield text


@functools.cache
def _is_encrypted(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return bool(path) and is_encrypted_file(stream)
    except OSError:
        return False
