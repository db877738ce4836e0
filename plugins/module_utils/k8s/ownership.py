# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns which field of a live object, from its managedFields: the proof of "unchanged", who stands in the way of an
apply, and what a take-over hands to us. Pure: no network, no kind of object known by name.

A trie is the content of a FieldsV1: {"f:spec": {"f:a": {}, ".": {}}}; "." is the node itself, {} a leaf.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIELD_MANAGER = "k0rdent.kof"
# Managers that are a person at a keyboard, not a controller.
HANDS = ("kubectl*", "before-first-apply", "OpenAPI-Generator", "k9s", "lens*", "headlamp*", "Mozilla")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Trie = dict[str, Any]

# Objects that the API takes as one value (x-kubernetes-map-type: atomic) by these names everywhere. At other names a
# leaf that holds an object may also be an empty map of ours that something else has filled: not proved.
_ATOMIC_NAME = re.compile(r"([sS]elector|Ref)$")
_MISSING = object()


@dataclass(frozen=True)
class Claim:
    """A field that we want with another value, and who owns it. time: RFC 3339 or ""."""

    field: str
    manager: str
    time: str


@dataclass(frozen=True)
class Handover:
    """What taking over from hands means: the managedFields to write, and what comes to us with it."""

    managed_fields: list[dict[str, Any]]
    taken: tuple[tuple[str, str, Trie], ...]  # manager, time, trie of each hand
    drop_last_applied: bool


def is_hand(manager: str, hands: Sequence[str] = HANDS) -> bool:
    """Is `manager` one of ours or of the patterns (shell style) in `hands`?"""
    return manager == FIELD_MANAGER or any(fnmatch.fnmatchcase(manager, pattern) for pattern in hands)


def entries(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The managedFields entries of `live`."""
    return live.get("metadata", {}).get("managedFields") or []


def own_entry(live: dict[str, Any]) -> dict[str, Any] | None:
    """Our Apply entry, None without one."""
    for entry in entries(live):
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry
    return None


def authored(want: dict[str, Any]) -> dict[str, Any]:
    """What of `want` an apply makes us own: all but apiVersion, kind, name, namespace and empty metadata."""
    result = {key: value for key, value in want.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {k: v for k, v in (want.get("metadata") or {}).items() if k not in ("name", "namespace")}
    if metadata:
        result["metadata"] = metadata
    return result


def unchanged(want: dict[str, Any], live: dict[str, Any], hands: Sequence[str] = HANDS) -> bool:
    """Is it proved that applying `want` over `live` would change nothing? False says nothing either way."""
    if live.get("apiVersion") != want.get("apiVersion") or "deletionTimestamp" in live.get("metadata", {}):
        return False
    ours = [entry for entry in entries(live) if entry.get("manager") == FIELD_MANAGER]
    if len(ours) != 1:
        return False
    mine = ours[0]
    if mine.get("operation") != "Apply" or mine.get("subresource") or mine.get("fieldsType") != "FieldsV1":
        return False
    if mine.get("apiVersion") != want.get("apiVersion"):
        return False
    others = [entry for entry in entries(live) if entry is not mine and entry.get("subresource") != "status"]
    # An Update of ours can't be here: there is one entry of ours and it is the Apply.
    if any(_under(want, entry) for entry in others if is_hand(entry.get("manager", ""), hands)):
        return False
    tries = [entry.get("fieldsV1") or {} for entry in others]
    return _proved(authored(want), live, mine.get("fieldsV1") or {}, tries, atomic=False)


def _proved(want: Any, live: Any, owned: Trie, others: list[Trie], *, atomic: bool) -> bool:
    """The recursion of `unchanged`: `owned` is our trie at this node, `others` the tries of other managers there;
    atomic: an object here whose fields have no owners is one value."""
    size = len(owned) - ("." in owned)
    if size:
        if not isinstance(want, (dict, list)) or size != len(want):
            return False
        if isinstance(want, list):
            return _proved_items(want, live, owned, others)
        if not isinstance(live, dict):
            return False
        for key, value in want.items():
            step = f"f:{key}"
            if step not in owned or key not in live:
                return False
            below = [trie[step] for trie in others if step in trie]
            if not _proved(value, live[key], owned[step], below, atomic=bool(_ATOMIC_NAME.search(key))):
                return False
        return True
    if isinstance(want, (dict, list)) and want:
        if any(len(trie) - ("." in trie) for trie in others):
            return False
        if isinstance(want, dict) and not atomic:
            return False
    return same(want, live)


def _proved_items(want: list[Any], live: Any, owned: Trie, others: list[Trie]) -> bool:
    """A list whose items have owners of their own, by key or value: ours, each proved, in this order, and no others."""
    if not isinstance(live, list) or len(live) != len(want):
        return False
    left = dict(owned)
    for item, found in zip(want, live, strict=True):
        step = _step_of(item, left)
        if step is None or _step_of(found, {step: {}}) is None:
            return False
        below = [trie[step] for trie in others if step in trie]
        # An item that isn't one value has owners of the fields it is known by.
        if not _proved(item, found, left.pop(step), below, atomic=True):
            return False
    return True


def same(left: Any, right: Any) -> bool:
    """Deep equality as JSON means it: True isn't 1, 1.0 is 1, None only None, lists in order."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and len(left) == len(right)
            and all(key in right and same(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, (list, tuple)):
        return (
            isinstance(right, (list, tuple))
            and len(left) == len(right)
            and all(same(a, b) for a, b in zip(left, right, strict=True))
        )
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, (int, float)):
        return isinstance(right, (int, float)) and left == right
    return isinstance(right, str) and left == right


# -- who stands in the way


def claims(want: dict[str, Any], live: dict[str, Any]) -> tuple[list[Claim], bool]:
    """The fields of `want` that differ in `live` and are owned by others, and whether that list is complete.

    It isn't where lists with keys, or objects taken as one value, are involved: then only the server can say.
    """
    nodes = [
        (entry, entry.get("fieldsV1") or {})
        for entry in entries(live)
        if not (entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply")
        and entry.get("subresource") != "status"
    ]
    found: list[Claim] = []
    complete = _contested(authored(want), live, nodes, "", found)
    return found, complete


def _contested(want: Any, live: Any, nodes: list[tuple[dict[str, Any], Trie]], path: str, found: list[Claim]) -> bool:
    if isinstance(want, dict) and isinstance(live, dict):
        complete = True
        for key, value in want.items():
            step = f"f:{key}"
            below = [(entry, trie[step]) for entry, trie in nodes if step in trie]
            if below:
                complete = _contested(value, live.get(key, _MISSING), below, join(path, key), found) and complete
        # A leaf of theirs that holds an object: theirs as a whole, or just the empty object.
        if path and want and any(not trie for _entry, trie in nodes) and not same(want, live):
            return False
        return complete
    if live is not _MISSING and same(want, live):
        return True
    for entry, trie in nodes:
        if len(trie) - ("." in trie):
            return False
        found.append(Claim(path, entry.get("manager", ""), entry.get("time", "")))
    return True


def join(path: str, key: str) -> str:
    """The path of `key` below `path`: spec.config, metadata.labels[a.b/c]."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


# -- owners of another API version


def migrated(want: dict[str, Any], live: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The managedFields of `live` with every entry at the API version of `want`, None where all are.

    The server reads an object at the version of each entry, and refuses every apply where it can't: where the version
    is gone from the kind, or doesn't know a field which a newer one fills with a default.
    """
    version = want["apiVersion"]
    if all(entry.get("apiVersion") == version for entry in entries(live)):
        return None
    result: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries(live):
        # Known to the server by these: two entries of one manager, at two versions, become one.
        key = tuple(entry.get(name, "") for name in ("manager", "operation", "subresource"))
        fields = union(result.get(key, {}).get("fieldsV1") or {}, entry.get("fieldsV1") or {})
        result[key] = {**entry, "apiVersion": version, "fieldsV1": fields}
    return list(result.values())


# -- taking over from hands


def _under(want: dict[str, Any], entry: dict[str, Any]) -> Trie:
    """The part of a hand's `entry` that lies under what `want` authors: whole top-level keys, but of metadata only
    the very fields (a person's own labels and annotations stay theirs)."""
    fields = entry.get("fieldsV1") or {}
    part: Trie = {
        f"f:{key}": fields[f"f:{key}"] for key in authored(want) if key != "metadata" and f"f:{key}" in fields
    }
    metadata = _exact(authored(want).get("metadata"), fields.get("f:metadata"))
    if metadata:
        part["f:metadata"] = metadata
    return part


def _exact(want: Any, trie: Any) -> Trie:
    """The leaves of `trie` that `want` has too."""
    if not isinstance(want, dict) or not trie:
        return {}
    result: Trie = {}
    for key, value in want.items():
        step = f"f:{key}"
        if step not in trie:
            continue
        if not len(trie[step]) - ("." in trie[step]):
            # Labels and annotations without any of them: who once made the map, which means nothing.
            if not isinstance(value, dict):
                result[step] = trie[step]
        else:
            below = _exact(value, trie[step])
            if below:
                result[step] = below
    return result


def handover(want: dict[str, Any], live: dict[str, Any], now: str, hands: Sequence[str] = HANDS) -> Handover | None:
    """What to hand from hands' entries to our Apply entry, None when no hand holds anything under what we author.

    Of someone who applied a manifest for this object (kubectl apply) everything comes to us, so that what we don't
    want goes; of an edit only what lies under what we author. now: RFC 3339 time for our entry.
    """
    rest: list[dict[str, Any]] = []
    taken: list[tuple[str, str, Trie]] = []
    mine: Trie = {}
    drop = False
    beyond_metadata = any(key != "metadata" for key in authored(want))
    for entry in entries(live):
        is_apply = entry.get("operation") == "Apply"
        if entry.get("subresource") or not is_hand(entry.get("manager", ""), hands):
            rest.append(entry)
            continue
        fields = entry.get("fieldsV1") or {}
        if entry.get("manager") == FIELD_MANAGER and is_apply:
            mine = union(mine, fields)
            continue
        part = _under(want, entry)
        if not part:
            rest.append(entry)
            continue
        annotations = fields.get("f:metadata", {}).get("f:annotations", {})
        manifest = is_apply or f"f:{LAST_APPLIED}" in annotations
        if manifest and beyond_metadata:
            part = fields
            drop = drop or f"f:{LAST_APPLIED}" in annotations
        left = subtract(fields, part)
        if left:
            rest.append({**entry, "fieldsV1": left})
        part = _without_last_applied(part)
        taken.append((entry.get("manager", ""), entry.get("time", ""), part))
        mine = union(mine, part)
    if not taken:
        return None
    ours = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": want["apiVersion"],
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": mine,
    }
    return Handover([*rest, ours], tuple(taken), drop)


def _without_last_applied(trie: Trie) -> Trie:
    return subtract(trie, {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}) or {}


def union(left: Trie, right: Trie) -> Trie:
    """Both tries' fields. A leaf and a node with children become a node that is a member itself."""
    result = dict(left)
    for step, below in right.items():
        if step not in result:
            result[step] = below
        elif step != ".":
            first = result[step]
            merged = union(first, below)
            if merged and (not first or not below):
                merged = {".": {}, **merged}
            result[step] = merged
    return result


def subtract(trie: Trie, minus: Trie) -> Trie | None:
    """`trie` without the leaves of `minus`; None when nothing but containers is left."""
    if not minus:
        return None
    result: Trie = {}
    for step, below in trie.items():
        if step == ".":
            continue
        left = subtract(below, minus[step]) if step in minus else below
        if left is not None:
            result[step] = left
    if result and "." in trie and "." not in minus:
        result["."] = {}
    return result or None


def without(value: Any, taken: Trie, keep: Trie) -> Any:
    """A copy of `value` less what `taken` owns and nobody in `keep` does: what an apply removes after a take-over."""
    if isinstance(value, dict):
        result = {}
        for key, child in value.items():
            step = f"f:{key}"
            if step not in taken:
                result[key] = child
            elif step in keep or step == "f:metadata":  # an object never loses its name
                result[key] = without(child, taken[step], keep.get(step, {}))
        return result
    if isinstance(value, list):
        items = []
        for item in value:
            found = _step_of(item, taken)
            if found is None:
                items.append(item)
            elif found in keep:
                items.append(without(item, taken[found], keep[found]))
        return items
    return value


def as_written(live: Mapping[str, Any], field: str, hands: Sequence[str] = HANDS) -> dict[str, Any]:
    """`metadata.labels` or another map of `live`, without what controllers put into it for themselves.

    Of an object that we apply only what we own: what a person adds stays theirs, and an apply leaves it alone. But a
    person's edit under what we author, `spec`, counts: the object is so now. Of an object that hands made what they
    own; and all of it where its author is neither, or isn't known.
    """
    steps = field.split(".")
    value: Any = live
    for key in steps:
        value = (value or {}).get(key) or {}
    mine: Trie = {}
    people: Trie = {}
    others: Trie = {}
    for entry in entries(live):
        if entry.get("subresource"):
            continue
        fields = entry.get("fieldsV1") or {}
        if entry.get("manager") == FIELD_MANAGER:
            mine = union(mine, fields)
        elif is_hand(entry.get("manager", ""), hands):
            people = union(people, fields)
        else:
            others = union(others, fields)
    keep = union(mine, people)
    if "f:spec" not in keep:
        return value
    if mine and steps[0] == "metadata":
        keep, others = mine, union(others, people)
    for key in steps:
        keep, others = keep.get(f"f:{key}") or {}, others.get(f"f:{key}") or {}
    return without(value, others, keep)


#: What nobody has said, whoever it is booked on: the API server puts the label on a namespace, in its maker's name.
_NOBODYS = {LAST_APPLIED, "kubernetes.io/metadata.name"}


def of_people(live: Mapping[str, Any], hands: Sequence[str] = HANDS) -> dict[str, Any]:
    """What of a live object we and people have said: what would bring it about again, without what the server and
    controllers put into it. Of one of which neither has said anything that is known, all but its status.

    Its labels and annotations, but for what kubectl keeps there for itself; no other metadata.
    """
    mine: Trie = {}
    for entry in entries(live):
        if not entry.get("subresource") and is_hand(entry.get("manager", ""), hands):
            mine = union(mine, entry.get("fieldsV1") or {})
    meta = live["metadata"]
    said = {"metadata": meta, **{key: value for key, value in live.items() if key not in ("metadata", "status")}}
    if own_entry(dict(live)) or any(step not in ("f:metadata", ".") for step in mine):
        said = owned(said, mine)
    metadata = {key: meta[key] for key in ("name", "namespace") if key in meta}
    for name in ("labels", "annotations"):
        kept = {key: value for key, value in (said.get("metadata", {}).get(name) or {}).items() if key not in _NOBODYS}
        metadata |= {name: kept} if kept else {}
    return {**said, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def owned(value: Any, trie: Trie) -> Any:
    """A copy of `value` less all that isn't in `trie`."""
    if all(step == "." for step in trie):
        # A map or list of theirs in which all is others'; else one value.
        return type(value)() if trie and isinstance(value, (dict, list)) else value
    if isinstance(value, dict):
        return {key: owned(child, trie[f"f:{key}"]) for key, child in value.items() if f"f:{key}" in trie}
    if isinstance(value, list):
        steps = [(item, _step_of(item, trie)) for item in value]
        return [_owned_item(item, trie[step], step) for item, step in steps if step is not None]
    return value


def _owned_item(item: Any, trie: Trie, step: str) -> Any:
    """An item of a list has the keys that it is known by."""
    kept = owned(item, trie)
    return {**json.loads(step.partition(":")[2]), **kept} if step.startswith("k:") and isinstance(kept, dict) else kept


def _step_of(item: Any, trie: Trie) -> str | None:
    """The step of `trie` that stands for list item `item`: k:{"name":"x"} or v:"x"."""
    for step in trie:
        kind, _colon, text = step.partition(":")
        if kind == "v" and same(json.loads(text), item):
            return step
        if kind == "k" and isinstance(item, dict):
            keys = json.loads(text)
            if all(key in item and same(item[key], value) for key, value in keys.items()):
                return step
    return None


def leaf_paths(trie: Mapping[str, Any], path: str = "") -> list[str]:
    """The fields of a trie in the notation of Claim; list items as their list's."""
    result: list[str] = []
    for step, below in trie.items():
        if step == ".":
            continue
        if not step.startswith("f:"):
            result.append(path)
        elif len(below) - ("." in below):
            result += leaf_paths(below, join(path, step[2:]))
        else:
            result.append(join(path, step[2:]))
    return result


def owner_of(path: str, taken: Iterable[tuple[str, str, Trie]], steps: Sequence[str]) -> Claim | None:
    """Which of the `taken` entries owns the field at `steps` (keys from the root); `path` is how to call it."""
    for manager, time, trie in taken:
        node: Trie | None = trie
        for key in steps:
            if not node:
                break  # a leaf above: the whole value is theirs
            node = node.get(f"f:{key}")
        if node is not None:
            return Claim(path, manager, time)
    return None


def held_by(live: Mapping[str, Any], path: str, steps: Sequence[str]) -> Claim:
    """Who has the field at `steps` now, since when: of several the one who came last, and we after all others. Nobody
    ("") has one that is gone: who takes a field away leaves no trace."""
    holders = [
        (str(entry.get("manager") or ""), str(entry.get("time") or ""), entry["fieldsV1"])
        for entry in entries(live)
        if entry.get("fieldsV1")
    ]
    holders.sort(key=lambda each: (each[0] != FIELD_MANAGER, each[1]), reverse=True)
    return owner_of(path, holders, steps) or Claim(path, "", "")
