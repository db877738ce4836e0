# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door between Ansible's values and ours: from tagged, lazy, templated containers to builtin types.

Only the conversion, what it refuses and walks over its texts may be here. Every value that comes from a user passes
through `to_plain` once; behind it a value is None, bool, int, float, str, list or dict with string keys, and nothing
else.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling

#: Why a template failed that ansible-core has a marker for; plugin_utils/core_internals.py, which only the controller
#: has, says how that is asked.
failure_of_marker: Callable[[Any], BaseException] | None = None
#: Integers beyond this lose digits on their way: JSON readers, kcm's and the charts', take them as float64.
LARGEST_INTEGER = 2**53


def texts(value: Any, *, keys: bool = False) -> Iterator[str]:
    """All texts in a plain value.

    :param keys: those of maps, too.
    """
    if isinstance(value, dict):
        for key, each in value.items():
            if keys:
                yield key
            yield from texts(each, keys=keys)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each, keys=keys)
    elif isinstance(value, str):
        yield value


#: What is a dict need not be asked whether it counts as a mapping, which takes ten times as long.
_MAPS = (dict, Mapping)


def dig(value: Any, path: Iterable[str]) -> Any:
    """What is at a path of maps in a plain value; None where nothing is."""
    for key in path:
        value = value.get(key) if isinstance(value, _MAPS) else None
    return value


def maps_of(value: Any) -> list[dict[str, Any]]:
    """The maps that are in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def from_json(text: str | bytes) -> Any:
    """What somebody else's JSON holds.

    :raises ValueError: it is none, or nested so deep that nobody means it.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def merged(ours: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` merged into `ours`, map by map; anything else replaces.

    A null stays: in Helm it deletes the chart's default.
    """
    result = dict(ours)
    for key, value in over.items():
        mine = result.get(key)
        result[key] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return result


def truth(text: Any) -> bool:
    """What a text that stands for a boolean means, wherever one may: Ansible's words (true, yes, on, 1, y, t and their
    opposites, in any case), as core has them for options and kubernetes.core for K8S_AUTH_*. YAML files of others, such
    as kubeconfigs, aren't read so: what is text there is none.

    :raises ValueError: any other text: a guess could trust anybody.
    """
    try:
        return bool(boolean(text))
    except TypeError:
        raise ValueError("is neither true nor false") from None


class NotPlain(ValueError):
    """A value that neither JSON nor Kubernetes can carry.

    :ivar path: where it is inside the variable, like `controlPlane.tags[0]`; empty for the variable itself.
    :ivar why: what is wrong and how to say it instead. It never quotes the value, which may be a secret.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}" if path else why)
        self.path, self.why = path, why


def to_plain(value: Any) -> Any:
    """Convert a variable, whatever Ansible wrapped it into, to builtin types.

    :returns: None, bool, int, float, str, or a list or dict (string keys) of these; containers are copies.
    :raises NotPlain: dates, sets, bytes, NaN, infinity, integers beyond 2**53, keys that are no strings, text that is
        no Unicode, and anything else without a JSON form.
    """
    return _plain(value, "")


def _plain(value: Any, path: str) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value, path)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):  # tagged: __str__ of the base class gives an exact str
        return _text(str.__str__(value), path)
    if isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise NotPlain(path, "the integer is beyond 2**53 and would lose digits; quote it if it is a name or an id")
        return int.__index__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotPlain(path, "the number is infinite or not a number, which JSON can't carry")
        return float.__float__(value)
    if kind.__name__.endswith("Marker"):
        # ansible-core's stand-in for a template that failed, nested in a filter's input; it must not be touched.
        why = telling.of_template(failure_of_marker(value)) if failure_of_marker else "it failed"
        raise NotPlain(path, f"can't be templated: {why}")
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return _unusual(value, path)


def _unusual(value: Any, path: str) -> Any:
    if type(value).__name__ == "EncryptedString":  # ansible-core's vaulted string, which decrypts itself when asked
        return _text(str(value), path)
    if isinstance(value, (datetime.date, datetime.time)):
        raise NotPlain(path, 'YAML reads it as a date; quote it, like "2025-02-12"')
    if isinstance(value, (bytes, bytearray)):
        raise NotPlain(path, "it is binary data, not text")
    if isinstance(value, Set):
        raise NotPlain(path, "it is a set, not a list; write its items with '- ' before them")
    if isinstance(value, Sequence):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise NotPlain(path, f"it is {type(value).__name__}, not a string, number, boolean, list or map")


def _key(key: Any, path: str) -> str:
    kind = type(key)
    if kind is str and key.isascii():
        return key
    if isinstance(key, str):
        return _text(str.__str__(key), path)
    raise NotPlain(path, f"the key {telling.quoted(key, 60)} is no string; quote it")


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotPlain(path, "the text holds half a UTF-16 pair (a lone surrogate), which is no Unicode") from None
    return value
