# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one attaches to a question: the files of a support bundle, and the archive of them.

Pure but for the client it is given, and reads only. Nothing is taken from a Secret. Of an inventory there is only what
is known to be harmless by its option; that no secret is in what clusters say is for who hands the files on to see to.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import GROUPS, LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import secrets_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import is_secret_name, masked
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import PREFIXES, ROLES, load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.text import plain, telling

#: How many events there are at most, the newest.
EVENTS = 1000
#: Longer texts are no names, addresses or sizes.
_LONGEST = 200
#: Who somebody is, beside what is a secret by its name.
_WHO = ("username", "access_key", "impersonate")
_SIMPLE = ("bool", "int", "float", "str", "path")


def rights(namespace: str, kcm_namespace: str) -> Iterator[Right]:
    """What it reads beside a status."""
    for space in (namespace, kcm_namespace):
        yield right("support", Ref("v1", "Event", space, ""), "list")


# -- inventory


def inventory(fleet: Fleet) -> dict[str, Any]:
    """Hosts by group, and of each host the variables that it says: those whose option allows no more than a name, a
    number or a word, with their values; of all others the names alone."""
    hosts = {}
    for host, layer in sorted(fleet.layer_of.items()):
        said = {name for name in fleet.raw.get(host, ()) if name.startswith(PREFIXES)}
        values = fleet.variables.get(host, {})
        told = {name: values[name] for name in sorted(said & values.keys()) if _may_be_told(name, values[name])}
        hosts[host] = {"layer": layer, "variables": told, "not_told": sorted(said - told.keys())}
    groups = {GROUPS[layer]: [host for host in hosts if fleet.layer_of[host] == layer] for layer in LAYERS}
    return {"groups": groups, "hosts": hosts}


def secrets(fleet: Fleet) -> set[str]:
    """What the inventory holds that is, or may be, a secret: of no_log options, and in maps by its name or form.
    Wherever else it turns up it is none of the bundle's."""
    found: set[str] = set()
    for variables in fleet.variables.values():
        for name, value in variables.items():
            option = _option(name)
            if value is None or not option:
                continue
            if option.get("no_log"):
                found |= set(plain.texts(value))
            elif option.get("type") not in _SIMPLE:
                found |= set(secrets_of(value if isinstance(value, (dict, list)) else {"value": value}))
    return {text for text in found if telling.is_worth_hiding(text)}


def _option(name: str) -> Mapping[str, Any]:
    return next((load_spec(role)[name] for role in ROLES if name in load_spec(role)), {})


def _may_be_told(name: str, value: Any) -> bool:
    option = _option(name)
    kind = option.get("elements") if option.get("type") == "list" else option.get("type")
    if kind not in _SIMPLE or option.get("no_log") or is_secret_name(name) or any(each in name for each in _WHO):
        return False
    values = value if isinstance(value, list) else [value]
    return all(
        each is None
        or isinstance(each, (bool, int, float))
        or (isinstance(each, str) and len(each) <= _LONGEST and not telling.CONTROL.search(each))
        for each in values
    )


# -- events


def events(connection: Connection, fleet: Fleet) -> tuple[list[dict[str, Any]], list[str]]:
    """The newest events of kof's namespace, and of kcm's those of the fleet's clusters; and what may not be read."""
    # Also of those whose variables have faults, under the name that a cluster has without another one.
    names = {each.cluster_name for layer in ("regional", "child") for each in fleet.of(layer)} | fleet.layer_of.keys()
    found: list[dict[str, Any]] = []
    unread = []
    for space, only in ((fleet.shared("kof_namespace"), None), (fleet.shared("kof_kcm_namespace"), names)):
        try:
            items = connection.list_objects(connection.path("v1", "Event", space))[0]
        except ApiError as error:
            if error.status != 403:
                raise
            unread.append(one_line(f"events in {space}: {error}"))
            continue
        found += [_event(each) for each in items if only is None or _is_of(each, only)]
    found.sort(key=lambda each: json.dumps(each, sort_keys=True))
    found.sort(key=lambda each: each["last"], reverse=True)
    return found[:EVENTS], unread


def _is_of(event: Mapping[str, Any], names: Collection[str]) -> bool:
    """Machines, summaries and the like of a cluster have its name first."""
    parts = str((event.get("involvedObject") or {}).get("name") or "").split("-")
    return any("-".join(parts[:end]) in names for end in range(1, len(parts) + 1))


def _event(item: Mapping[str, Any]) -> dict[str, Any]:
    of, series = item.get("involvedObject") or {}, item.get("series") or {}
    last = series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime")
    return {
        "last": str(last or item["metadata"].get("creationTimestamp") or ""),
        "type": str(item.get("type") or ""),
        "reason": one_line(str(item.get("reason") or "")),
        "object": one_line(f"{of.get('kind')} {of.get('namespace') or ''}/{of.get('name')}"),
        "count": series.get("count") or item.get("count") or 1,
        "by": one_line(str(item.get("reportingComponent") or (item.get("source") or {}).get("component") or "")),
        # Whatever a program was called with, and says when it fails.
        "message": one_line(masked(str(item.get("message") or "")), 1000),
    }


# -- archive


def archive(folder: str, files: Mapping[str, str], when: int) -> bytes:
    """A gzipped tar of these files in one folder; of the same, the same bytes.

    :param when: seconds since 1970, the time of all of it.
    """
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in sorted(files.items()):
            content = text.encode()
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.mtime, member.mode = len(content), when, 0o600
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=when)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def contents(files: Mapping[str, str], unread: Sequence[str]) -> str:
    """What is in the bundle, for who opens it."""
    lines = [f"{name:<16}{_ABOUT[name]}" for name in sorted(files)]
    if unread:
        lines += ["", "Not looked at:", *(f"- {each}" for each in unread)]
    lines += ["", "No Secret was read for it, and what the inventory holds of secrets is left out."]
    lines += ["Look through it all the same before you hand it on."]
    return "\n".join(lines) + "\n"


_ABOUT = {
    "versions.json": "of the collection, of what it runs on, and of what is on the management cluster",
    "inventory.json": "hosts by group; of their variables those that can be no secret, of all others the names",
    "faults.txt": "what is wrong with the inventory",
    "status.json": "every cluster, as k0rdent.kof.status has it (docs/status.schema.json)",
    "status.txt": "the same for people",
    "events.json": f"of objects of the fleet, the newest {EVENTS}",
    "runs.json": "records of the last runs that changed something",
}
