# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text as it may be shown: whoever may write a status, an annotation or an event on a cluster may not write to the
terminals and logs of those who read it; and no URL is shown with the login in it, wherever it comes from. Pure.

Applied where text leaves: to the results of all actions, to lines that are displayed, to an inventory's messages.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import without_login

#: Control characters (escape sequences begin with one), what is invisible or turns the direction of writing, halves of
#: UTF-16 pairs, and the separators that some take for the end of a line.
_HIDDEN_POWERS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LAYOUT = "\n\t"


def shown(value: Any) -> Any:
    """`value` with every text in it, of keys too, without characters that do more than stand there: each is written as
    in source code, ``\\x1b`` or ``\\u202e``. Line breaks and tabs stay. Of URLs the user info is taken out."""
    if isinstance(value, str):
        value = without_login(value)
        return value if _is_plain(value) else "".join(map(_character, value))
    if isinstance(value, dict):
        return {shown(key): shown(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    return value


def _is_plain(text: str) -> bool:
    return text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()


def _character(each: str) -> str:
    if each.isprintable() or each in _LAYOUT or unicodedata.category(each) not in _HIDDEN_POWERS:
        return each
    code = ord(each)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
