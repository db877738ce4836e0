# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two objects, field by field, as people may see it: the only place that writes values for
output, so what is a secret by its name or form is masked here; what a vault held, by plugin_utils/leaving.py. Pure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import LAST_APPLIED, join, own_entry, same
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.secret_names import (
    Within,
    hidden_keys,
    is_flag_of,
    is_secret,
    is_secret_name,
    is_told_of,
    may_be_secret,
    may_name,
    within_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml, secret_forms, yaml_text
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import HIDDEN, without_login

__all__ = ["HIDDEN", "HIDDEN_NEW", "Creation", "FieldChange", "changes", "is_secret_name", "masked", "veiled"]
HIDDEN_NEW = "(hidden, another value)"
_ABSENT: Any = object()

# In a text that is no map: name=value at the beginning of a line, where the value is all of the rest, and within one.
_LINE = re.compile(r"(\s*([\w.-]+)\s*=\s*)(\S.*)")
_QUOTED = r"\"[^\"\\]*(?:\\[\s\S][^\"\\]*)*\"|'[^'\\]*(?:\\[\s\S][^'\\]*)*'|[\"'].*"
# How a value is begun in a text, and what it is then; what isn't a secret's is looked through, for some may be in it.
_BEGUN = (
    # A pair of JSON that has something else around it, also where it stands in quotation marks itself.
    (
        re.compile(r"(?<!\\)(\\*[\"'])(?P<name>[\w.-]+)\1\s*:\s*(?!(?:null|true|false)\b)"),
        re.compile(rf"(\\+)\".*?(?<!\\)\1\"|{_QUOTED}|[\[{{].*|[^\s,}}\]]+"),
    ),
    # The flag of a command, with no other flag behind it.
    (
        re.compile(r"(?<![\w.-])(?P<name>--?[A-Za-z][\w.-]*)\s+(?!--|-\w(?:\s|$))"),
        re.compile(rf"{_QUOTED}|\S+"),
    ),
    (
        re.compile(r"(?<![\w.-])(?P<name>[\w.-]+)="),
        re.compile(rf"{_QUOTED}|[^\s&;,\"']+(?:[\"'](?=[^\s&;,\"'\])}}])[^\s&;,\"']*)*"),
    ),
)
# A connection string, whose values may have white space: what stands between its separators.
_LISTED = {
    separator: re.compile(
        rf"(?:^|(?<=[{separator}\"']))(\s*([\w.-]+(?: [\w.-]+)*)\s*=\s*)([^\s\"'{separator}][^{separator}]*)"
    )
    for separator in ";,"
}
_SEVERAL_LINES = re.compile(r"=\s*(\"\"\"|''')|\\$", re.MULTILINE)
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
    return tuple(_walk(left, right, "", (), kind == "Secret", False, False, Within.ANYTHING))


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
    left: Any,
    right: Any,
    path: str,
    steps: tuple[str, ...],
    secret_kind: bool,
    hide: bool,
    in_list: bool,
    within: Within,
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
            yield from _walk(one, other, f"{path}[{index}]", steps, secret_kind, hide, True, within)
        return
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            hidden = hide or (index > 0 and (is_flag_of(left[index - 1], one) or is_flag_of(right[index - 1], other)))
            hidden = hidden or is_told_of(one, within) or is_told_of(other, within)
            yield from _walk(one, other, f"{path}[{index}]", steps, secret_kind, hidden, True, within)
        return
    else:
        name = steps[-1] if steps else ""
        yield FieldChange(path, *_masked_pair(left, right, hide, name, within), steps=steps)
        return
    both = {**old, **new}
    secrets = hidden_keys(old, within) | hidden_keys(new, within)
    for key in both:
        hidden = hide or key in secrets or (secret_kind and not path and key in ("data", "stringData"))
        yield from _walk(
            old.get(key, _ABSENT),
            new.get(key, _ABSENT),
            join(path, key),
            steps if in_list else (*steps, key),
            secret_kind,
            hidden,
            in_list,
            within_of(key, both, within),
        )


#: What names an object.
_NAMES = ("apiVersion", "kind", "metadata.name", "metadata.namespace")


def veiled(change: FieldChange) -> FieldChange:
    """That a field of an object differs, and nothing of what is in it: something in the object is known to be secret,
    but not what."""
    if change.path in _NAMES:
        return change
    before, after = _hidden_pair(change.before, change.after)
    return replace(change, before=before, after=after)


def _list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _masked_pair(left: Any, right: Any, hide: bool, name: str, within: Within) -> tuple[Any, Any]:
    before = None if left is _ABSENT else left
    after = None if right is _ABSENT else right
    if name == LAST_APPLIED:
        return (None if before is None else "(last applied)"), (None if after is None else "(last applied)")
    if hide:
        return _hidden_pair(before, after)
    return _told_apart(masked(before, within=within), masked(after, within=within))


def _hidden_pair(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two values nothing but whether they are there and, of two hidden ones, that they differ."""
    before, after = _hidden(before), _hidden(after)
    return before, HIDDEN_NEW if before == after == HIDDEN else after


def _told_apart(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two values that differ in what is hidden alone, a URL's password or a secret in a text, that they do."""
    if not isinstance(after, str) or before != after:
        return before, after
    return before, f"{after.removesuffix(chr(10))}{chr(10) if chr(10) in after else ' '}{HIDDEN_NEW}"


def _hidden(value: Any, mark: str = HIDDEN) -> Any:
    """Strings and numbers hidden, what can't be a secret left."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _REFERENCE.fullmatch(value)):
        return value
    if isinstance(value, dict):
        return {key: _hidden(child, mark) for key, child in value.items()}
    if isinstance(value, list):
        return [_hidden(child, mark) for child in value]
    return mark


def masked(
    value: Any, secret: Callable[[str], bool] | None = None, mark: str = HIDDEN, within: Within = Within.ANYTHING
) -> Any:
    """`value` with everything under a password-like key, and what is a secret by its form, hidden; YAML text in strings
    (service values) too.

    :param secret: says of a text that it holds a secret, whatever its name.
    :param mark: stands where a secret was.
    :param within: what is known of it by the names around it.
    """
    if isinstance(value, dict):
        secrets = hidden_keys(value, within)
        return {
            key: _hidden(child, mark)
            if key in secrets
            else masked(child, secret, mark, within_of(str(key), value, within))
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [
            _hidden(child, mark)
            if (index and is_flag_of(value[index - 1], child)) or is_told_of(child, within)
            else masked(child, secret, mark, within)
            for index, child in enumerate(value)
        ]
    if isinstance(value, str):
        return _masked_string(value, secret, mark)
    return mark if secret and not isinstance(value, bool) and value is not None and secret(str(value)) else value


@functools.lru_cache(maxsize=2048)  # most texts of a cluster, the values of some services too, are those of many others
def _masked_string(value: str, secret: Callable[[str], bool] | None, mark: str) -> str:
    # Who asks for secrets gets to see a URL's login, too.
    value = value if secret else without_login(value)
    if (secret and "\n" in value) or (len(value) > 4 and may_name(value)) or secret_forms.found(value):
        value = _masked_text(value, secret, mark)
    # In a text of several lines one may be over two of them, in a comment or in what is no YAML.
    return mark if secret and secret(value) else value


def _masked_text(text: str, secret: Callable[[str], bool] | None, mark: str) -> str:
    """Text that names a secret: if it is a YAML or JSON mapping or list, its secrets are hidden; other text stays."""
    if ":" not in text and "=" not in text:
        return mark if secret and secret(text) else _masked_lines(text, mark)
    try:
        tree = foreign_yaml.shared(text)
    except foreign_yaml.NotYaml:
        return mark  # names a secret and can't be read: better hidden than half shown
    if not isinstance(tree, (dict, list)):
        return mark if secret and secret(text) else _masked_lines(text, mark)
    hidden = _masked_keys(masked(tree, secret, mark), mark)
    # Our own writer, for what it escapes is known to those who look for secrets in it.
    # What is left is in a comment.
    if not same(hidden, tree):
        return yaml_text.dump(hidden)
    return secret_forms.hidden(text, mark) if secret_forms.found(text) else text


def _masked_keys(value: Any, mark: str) -> Any:
    """A command with a colon in it, or a line of a log, is a key to YAML."""
    if isinstance(value, list):
        return [_masked_keys(each, mark) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        (_masked_lines(key, mark) if re.search(r"[\s=:]", key) and may_name(key) else secret_forms.hidden(key, mark)): (
            _masked_keys(each, mark)
        )
        for key, each in value.items()
    }


def _masked_lines(text: str, mark: str) -> str:
    """Text with assignments (INI, a script, a query, a connection string), flags of commands or JSON: what is assigned
    to a secret's name."""

    def plain(name: str) -> str:
        return name.lstrip("-").replace(" ", "")

    def named(name: str, value: str) -> bool:
        return is_secret(plain(name), value.strip("\\\"'"))

    def is_reference(value: str) -> bool:
        return bool(_REFERENCE.fullmatch(value.strip("\"'")))

    def hidden(found: re.Match[str]) -> str:
        return found[1] + mark if named(found[2], found[3]) and not is_reference(found[3]) else found[0]

    def line(text: str) -> str:
        whole = _LINE.fullmatch(text)
        if whole and named(whole[2], whole[3]) and not is_reference(whole[3]):
            return whole[1] + mark
        for separator, listed in _LISTED.items():
            text = listed.sub(hidden, text) if separator in text else text
        return text

    if _SEVERAL_LINES.search(text) and may_name(text):
        return mark
    text = secret_forms.hidden(text, mark)
    for begun, value in _BEGUN:
        pieces, at = [], 0
        for found in begun.finditer(text):
            # Where a value ends is looked for where it matters alone: it may be all of a long text.
            if found.start() < at or not may_be_secret(plain(found["name"])):
                continue
            its = value.match(text, found.end())
            if its and named(found["name"], its[0]) and not is_reference(its[0]):
                pieces += [text[at : found.end()], mark]
                at = its.end()
        text = "".join([*pieces, text[at:]])
    return "\n".join(map(line, text.split("\n")))
