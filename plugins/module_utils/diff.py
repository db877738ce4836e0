# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two objects, field by field, as people may see it: the only place where values leave for
output, so secrets are masked here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.ownership import (
    LAST_APPLIED,
    join,
    own_entry,
    same,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.telling import HIDDEN, without_login

HIDDEN_NEW = "(hidden, another value)"
_ABSENT: Any = object()

# Names whose value is a secret …
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|pwd$|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|authorization|bearer|tls\.key|secure",
    re.IGNORECASE,
)
# … but for those that only say where the secret is.
_NO_SECRET = re.compile(
    r"secret([-_]?key)?[-_]?(name|namespace|ref|refs|store|type)s?$|(user(name)?|password)[-_]?key$"
    r"|^create[-_]?secrets?$|^secrets$|-secrets$|^(api)?token[-_]?(ttl|url|audience)s?$|secret[-_]?providers?$|^insecure|existing[-_]?secret$",
    re.IGNORECASE,
)

# Says whose value is put in there: ${password} of a GrafanaDatasource, $(PASSWORD) of a container's environment.
_REFERENCE = re.compile(r"\$\{\w+\}|\$\(\w+\)")


@dataclass(frozen=True)
class FieldChange:
    """One field before and after, masked. taken_from/taken_at: whose change we took back and when it was made."""

    path: str
    before: Any
    after: Any
    taken_from: str | None = None
    taken_at: str | None = None
    steps: tuple[str, ...] = ()  # the keys of `path` down to the first list


def is_secret_name(name: str) -> bool:
    """Is the value of a field, key or variable of this name to be hidden?"""
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET.search(name)


def comparable(obj: dict[str, Any]) -> dict[str, Any]:
    """`obj` without what moves by itself: status, resourceVersion, generation, managedFields but our own entry."""
    metadata = {
        key: value
        for key, value in obj.get("metadata", {}).items()
        if key not in ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp", "selfLink")
    }
    result: dict[str, Any] = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    result["metadata"] = metadata
    return {**result, **{key: value for key, value in obj.items() if key not in ("status", "metadata")}}


def same_ownership(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Is our own managedFields entry the same in both, its time aside?"""
    first, second = own_entry(before), own_entry(after)
    if first is None or second is None:
        return first is second
    return first.get("apiVersion") == second.get("apiVersion") and same(first.get("fieldsV1"), second.get("fieldsV1"))


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[FieldChange, ...]:
    """The fields that differ between two whole objects (None: absent), as `comparable` sees them."""
    kind = (before or after or {}).get("kind", "")
    left = comparable(before) if before is not None else {}
    right = comparable(after) if after is not None else {}
    return tuple(_walk(left, right, "", (), kind == "Secret", False, False))


class Creation(Sequence[FieldChange]):
    """The fields of a new object, worked out when somebody looks: most runs don't, and it costs as much as the rest."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self._obj = obj
        self._found: tuple[FieldChange, ...] | None = None

    def _fields(self) -> tuple[FieldChange, ...]:
        if self._found is None:
            self._found = changes(None, self._obj)
            self._obj = {}
        return self._found

    def __len__(self) -> int:
        return len(self._fields())

    def __getitem__(self, index: Any) -> Any:
        return self._fields()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._fields() == tuple(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return repr(self._fields())


def _walk(
    left: Any, right: Any, path: str, steps: tuple[str, ...], secret_kind: bool, hide: bool, in_list: bool
) -> Iterator[FieldChange]:
    if left is not _ABSENT and right is not _ABSENT and same(left, right):
        return
    if isinstance(left, dict) and isinstance(right, dict):
        old, new = left, right
    elif isinstance(left, dict) and left and right is _ABSENT:
        old, new = left, {}
    elif isinstance(right, dict) and right and left is _ABSENT:
        old, new = {}, right
    elif _list_of_objects(left if right is _ABSENT else right) and (left is _ABSENT or right is _ABSENT):
        for index, item in enumerate(left if right is _ABSENT else right):
            one, other = (item, _ABSENT) if right is _ABSENT else (_ABSENT, item)
            yield from _walk(one, other, f"{path}[{index}]", steps, secret_kind, hide, True)
        return
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _walk(one, other, f"{path}[{index}]", steps, secret_kind, hide, True)
        return
    else:
        name = steps[-1] if steps else ""
        yield FieldChange(path, *_masked_pair(left, right, hide, name), steps=steps)
        return
    named = _names_a_secret(old) or _names_a_secret(new)
    for key in {**old, **new}:
        hidden = hide or is_secret_name(key) or (secret_kind and not path and key in ("data", "stringData"))
        hidden = hidden or (named and key == "value")
        yield from _walk(
            old.get(key, _ABSENT),
            new.get(key, _ABSENT),
            join(path, key),
            steps if in_list else (*steps, key),
            secret_kind,
            hidden,
            in_list,
        )


def _list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _masked_pair(left: Any, right: Any, hide: bool, name: str) -> tuple[Any, Any]:
    before = None if left is _ABSENT else left
    after = None if right is _ABSENT else right
    if name == LAST_APPLIED:
        return (None if before is None else "(last applied)"), (None if after is None else "(last applied)")
    if hide:
        before = _hidden(before)
        return before, HIDDEN_NEW if before == HIDDEN and _hidden(after) == HIDDEN else _hidden(after)
    return masked(before), masked(after)


def _hidden(value: Any, mark: str = HIDDEN) -> Any:
    """Strings and numbers hidden, what can't be a secret left."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _REFERENCE.fullmatch(value)):
        return value
    if isinstance(value, dict):
        return {key: _hidden(child, mark) for key, child in value.items()}
    if isinstance(value, list):
        return [_hidden(child, mark) for child in value]
    return mark


def _names_a_secret(pair: dict[str, Any]) -> bool:
    """Is it one of a list of environment variables and the like, whose name is a secret's?"""
    return isinstance(pair.get("name"), str) and "value" in pair and is_secret_name(pair["name"])


def masked(value: Any, secret: Callable[[str], bool] | None = None, mark: str = HIDDEN) -> Any:
    """`value` with everything under a password-like key hidden; YAML text in strings (service values) too.

    :param secret: says of a text that it holds a secret, whatever its name.
    :param mark: stands where a secret was.
    """
    if isinstance(value, dict):
        named = _names_a_secret(value)
        return {
            key: _hidden(child, mark)
            if is_secret_name(str(key)) or (named and key == "value")
            else masked(child, secret, mark)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [masked(child, secret, mark) for child in value]
    if isinstance(value, str):
        value = without_login(value)
        if (len(value) > 4 and _SECRET_NAME.search(value)) or (secret and "\n" in value):
            value = _masked_text(value, secret, mark)
        return mark if secret and "\n" not in value and secret(value) else value
    return mark if secret and not isinstance(value, bool) and value is not None and secret(str(value)) else value


def _masked_text(text: str, secret: Callable[[str], bool] | None, mark: str) -> str:
    """Text that names a secret: if it is a YAML or JSON mapping or list, its secrets are hidden; other text stays."""
    if ":" not in text and "=" not in text:
        return mark if secret and secret(text) else text
    import yaml  # PyYAML comes with ansible-core; module_utils may not import it at the top

    try:
        tree = foreign_yaml.read(text, whole=True)
    except foreign_yaml.NotYaml:
        return mark  # names a secret and can't be read: better hidden than half shown
    if not isinstance(tree, (dict, list)):
        if secret and secret(text):
            return mark
        return text if "\n" not in text and "=" not in text else _masked_lines(text, mark)
    hidden = masked(tree, secret, mark)
    if same(hidden, tree):
        return text
    return yaml.dump(hidden, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True)


def _masked_lines(text: str, mark: str) -> str:
    """INI-like text: the values of lines whose name is a secret's."""
    return re.sub(
        r"(?m)^(\s*([\w.-]+)\s*=\s*)(\S.*)$",
        lambda match: match.group(1) + (mark if is_secret_name(match.group(2)) else match.group(3)),
        text,
    )
