# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A writer of YAML text that comes back unchanged from every reader on its way, Go's included.

Only text may be made here; nothing is decided about its content. PyYAML's writer isn't used: it takes 50 times as long,
refuses nothing, and leaves strings plain that Go's reader (YAML 1.1 with its own exceptions) takes for something else.
Strings are plain only where no reader could mistake them, else in JSON's double quotes or, over several lines, literal.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Plain scalars begin with a letter or slash and hold nothing that means something in YAML; no spaces at the ends.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(?:[ :][A-Za-z0-9_./@+-]+)*\Z")
#: Words that YAML 1.1 reads as booleans or null, in any case; .inf and .nan don't begin with a letter.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
# What a literal block can hold: printable, no tab (indentation), no break but \n, no byte-order mark, no template.
_LITERAL = re.compile(r"[ -~\n\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffd]*\Z")
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]|(?<=\{)\{')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dump(value: Mapping[str, Any] | list[Any], *, sort_keys: bool = False) -> str:
    """The YAML text of a map or list: one document without markers, ending in a line break; `{}` or `[]` when empty.

    The same value gives the same bytes. Lists and maps of several kinds of values may be nested; all keys are strings
    (`plain.to_plain` sees to it).

    :param sort_keys: by name, so that a map written in another order is the same text.
    """
    if not value:
        return "[]\n" if isinstance(value, list) else "{}\n"
    lines: list[str] = []
    if isinstance(value, list):
        _list(value, "", lines, sort_keys)
    else:
        _map(value, "", lines, sort_keys)
    return "\n".join(lines) + "\n"


@functools.lru_cache(4096)  # keys are a few, and many values are those of others
def written(text: str) -> str:
    """A string as a key or value on one line, with quotes and escapes where it needs them."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """What stands between the quotes of a string that needs them."""
    return _ESCAPED.sub(_escape, text)


def dump_all(values: Iterable[Mapping[str, Any]]) -> str:
    """Several documents, each begun by `---`."""
    return "".join(f"---\n{dump(value)}" for value in values)


def _map(value: Mapping[str, Any], indent: str, lines: list[str], sort_keys: bool) -> None:
    for key in sorted(value) if sort_keys else value:
        _entry(f"{indent}{written(key)}:", value[key], indent, lines, sort_keys)


def _list(value: list[Any], indent: str, lines: list[str], sort_keys: bool) -> None:
    inner = indent + "  "
    for item in value:
        if item and isinstance(item, (dict, list)):
            before = len(lines)
            if isinstance(item, dict):
                _map(item, inner, lines, sort_keys)
            else:
                _list(item, inner, lines, sort_keys)
            lines[before] = f"{indent}- {lines[before][len(inner) :]}"
        else:
            _entry(f"{indent}-", item, indent, lines, sort_keys)


def _entry(head: str, value: Any, indent: str, lines: list[str], sort_keys: bool) -> None:
    """`head` with a value after it, or under it."""
    if isinstance(value, str):
        if "\n" in value and _fits_literal(value):
            lines.append(f"{head} {'|' if value.endswith(chr(10)) else '|-'}")
            inner = indent + "  "
            lines.extend(inner + line if line else "" for line in value.removesuffix("\n").split("\n"))
        else:
            lines.append(f"{head} {written(value)}")
    elif isinstance(value, dict) and value:
        lines.append(head)
        _map(value, indent + "  ", lines, sort_keys)
    elif isinstance(value, list) and value:
        lines.append(head)
        _list(value, indent + "  ", lines, sort_keys)
    else:
        lines.append(f"{head} {_scalar(value)}")


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    raise TypeError(f"{type(value).__name__} has no YAML form here; values pass through to_plain first")


def _number(value: float) -> str:
    # Go writes exponents as 1e-07, which PyYAML reads as a string: it wants a dot.
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if e and "." not in mantissa:
        mantissa += ".0"
    if e and exponent[0] not in "+-":
        exponent = f"+{exponent}"
    return f"{mantissa}{e}{exponent}"


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    # The second brace of {{ too: kcm's Sveltos runs Go templates over the text, before it is YAML.
    return _SHORT.get(char) or f"\\u{ord(char):04X}"


def _fits_literal(text: str) -> bool:
    if not _LITERAL.match(text) or "{{" in text or text.endswith("\n\n") or text == "\n" or text[0] in " \n":
        return False
    # A line of spaces only is an empty line to some readers.
    return not any(line and line.isspace() for line in text.split("\n"))
