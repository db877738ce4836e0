# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as bytes that a Kubernetes API server reads back unchanged. Pure; no network, no Kubernetes kinds."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import UnsendableString

# YAML's parsers end a "simple key" after 1,024 characters as it is written, quotes and escapes included.
MAX_KEY = 1024
# YAML calls these non-printable or line breaks although JSON allows them raw.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT64 = 2**63


def encode(obj: Any) -> bytes:
    """`obj` (dicts, lists, strings, numbers, booleans, None) as UTF-8 JSON that is also YAML with the same meaning.

    Astral characters stay raw: YAML reads a JSON surrogate pair as two broken characters.
    Raises UnsendableString for what can't be carried: lone surrogates, keys that take over 1,024 characters, NaN and
    infinity, integers outside 64 bits, keys that aren't strings.
    """
    try:
        text = _written(obj)
        data = text.encode()
    except (ValueError, TypeError):
        _explain(obj, "")
        raise
    # A scan of the text is cheaper than a walk of the object, which is needed for a precise message only.
    if _WIDE_NUMBER.search(text) or (len(text) > MAX_KEY and _has_long_key(text)):
        _explain(obj, "")
    return data


_WIDE_NUMBER = re.compile(r"\d{19}")
_STRING = re.compile(r'"(?:[^"\\]+|\\.)*+":?')


def _has_long_key(text: str) -> bool:
    # A key ends in ": and has that within only where it has an escaped quotation mark.
    if '\\":' not in text and max(map(len, text.split('":'))) <= MAX_KEY:
        return False
    # String by string: a search for long ones would begin anew at each escaped quote, in seconds for a long text.
    return any(len(found) > MAX_KEY + 1 and found[-1] == ":" for found in _STRING.findall(text))


def _written(obj: Any) -> str:
    text = json.dumps(obj, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _explain(value: Any, path: str) -> None:
    """Raise UnsendableString for the first part of `value` that can't be sent; return if there is none."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise UnsendableString(path, "holds half of a surrogate pair, which no YAML or UTF-8 text can carry")
    elif isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise UnsendableString(path, f"has a key that is no string ({type(key).__name__})")
            if _SURROGATE.search(key):
                raise UnsendableString(path, "has a key with half of a surrogate pair")
            size = len(_written(key))
            if size > MAX_KEY:
                why = f"has a key of {len(key)} characters, {size} as it is written; {MAX_KEY} is the most"
                raise UnsendableString(path, why)
            _explain(child, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            _explain(child, f"{path}[{index}]")
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise UnsendableString(path, "is an integer that doesn't fit into 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UnsendableString(path, "is not a number that JSON can carry")
    else:
        raise UnsendableString(path, f"is a {type(value).__name__}, which JSON can't carry")
