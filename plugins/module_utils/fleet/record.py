# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that a run leaves of itself on the management cluster: a ConfigMap in kof's namespace. Who ran what, when,
and what became of whom; the newest of a fleet are kept.

Pure but for the client it is given; who ran is given, too. Sentences, never an object or a value of one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Policy, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import MANAGED_BY, OURS, PART_OF, fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, from_json

SCHEMA = "k0rdent.kof.run/1"
#: How many records of a fleet are kept.
KEPT = 20
#: Of the names and sentences of one record, in bytes: a ConfigMap may hold 1 MiB, and a look reads KEPT of them.
LIMIT = 200_000
#: Seconds that all of it may take: nobody waits for a record.
PATIENCE = 20.0
#: Why none is kept before kof is there, and after it was uninstalled: nothing is wrong with that.
NOWHERE = "the namespace of kof isn't there, so no record is kept of this run"
_COMPONENT, _RECORD, _KEY = "app.kubernetes.io/component", "run-record", "run.json"


def rights(job: str, namespace: str) -> Iterator[Right]:
    """
    :param job: record (who changes something), status (who looks).
    """
    verbs = ("list",) if job == "status" else ("get", "list", "create", "patch", "delete")
    yield right(job, Ref("v1", "ConfigMap", namespace, ""), *verbs)


def of(ran: Mapping[str, Any], outcomes: Outcomes) -> dict[str, Any]:
    """A record as it is kept.

    :param ran: fleet, user, host, job, playbook, kof_version, began and ended of the run.
    """
    left = LIMIT
    told: dict[str, Any] = {}
    for name in ("failed", "changed", "left_out"):
        hosts: Mapping[str, str] = getattr(outcomes, name)
        named: dict[str, str] = {}
        for host, what in hosts.items():
            left -= len(json.dumps({host: what}))
            if left < 0:
                break
            named[host] = what
        told[name] = {"count": len(hosts), "clusters": named}
        if len(named) < len(hosts):
            told[name]["not_named"] = len(hosts) - len(named)
    result = "failed" if outcomes.failed or outcomes.stop else "changed"
    return {"schema": SCHEMA, **ran, "result": result, **told}


def write(
    connection: Connection, namespace: str, name: str, record: Mapping[str, Any], permissions: guards.Permissions
) -> str:
    """Keep a record, and delete the oldest ones of the fleet beyond KEPT.

    :param name: of the ConfigMap; one of this run that is there is written anew.
    :returns: why it couldn't be, or why older ones couldn't go; empty if nothing was wrong.
    :raises ApiError, ApiUnavailable: the server can't be asked at all.
    """
    fleet, until = record["fleet"], time.monotonic() + PATIENCE
    live = {ref_of(each): each for each in _listed(connection, namespace, fleet, until)}
    wanted = head("v1", "ConfigMap", name, fleet, namespace, labels={_COMPONENT: _RECORD})
    wanted["data"] = {_KEY: json.dumps(record, indent=1, ensure_ascii=False)}

    def policy() -> Policy:
        return Policy(deadline=max(0.1, until - time.monotonic()))

    (kept,) = reconcile.reconcile(
        connection,
        [wanted],
        policy=policy(),
        check_mode=False,
        live=live,
        guards=guards.of_writing(fleet, permissions),
    )
    if kept.action == "refused":
        nowhere = f'namespaces "{namespace}" not found' in (kept.reason or "")
        return NOWHERE if nowhere else f"{kept.ref}: {kept.reason}"
    others = sorted((each for ref, each in live.items() if ref != kept.ref), key=_age, reverse=True)
    too_many = [ref_of(each) for each in others[KEPT - 1 :]]
    gone = reconcile.delete(
        connection,
        too_many,
        policy=policy(),
        check_mode=False,
        live=live,
        guards=(_still_one_of(fleet),),
    )
    return next((f"old records stay: {each.ref}: {each.reason}" for each in gone if each.action == "refused"), "")


def read(connection: Connection, namespace: str, fleet: str) -> list[dict[str, Any]]:
    """The fleet's records, the newest first, each with the `name` of its ConfigMap. What isn't one of ours is left out:
    anybody may write ConfigMaps.

    :raises ApiError, ApiUnavailable: they can't be read.
    """
    found = sorted(_listed(connection, namespace, fleet, time.monotonic() + PATIENCE), key=_age, reverse=True)
    told = ((each["metadata"]["name"], _parsed(dig(each, ("data", _KEY)))) for each in found)
    return [{**record, "name": name} for name, record in told if record][:KEPT]


def in_short(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without names of clusters, for a list of runs: see `runs` of docs/status.schema.json."""
    job = record.get("job") or {}
    texts = ("name", "user", "host", "playbook", "began", "ended", "result")
    return {
        **{name: str(record.get(name) or "") for name in texts},
        "job": " ".join(str(job[part]) for part in ("id", "template") if job.get(part)),
        **{name: record[name]["count"] for name in ("changed", "failed", "left_out")},
    }


def _listed(connection: Connection, namespace: str, fleet: str, until: float) -> Sequence[dict[str, Any]]:
    labels = {MANAGED_BY: OURS, PART_OF: fleet, _COMPONENT: _RECORD}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    path = connection.path("v1", "ConfigMap", namespace)
    return connection.list_objects(path, query={"labelSelector": selector}, deadline=until)[0]


def _age(item: Mapping[str, Any]) -> tuple[str, str]:
    """By the server's clock: those of two controllers may differ."""
    return item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]


def _still_one_of(fleet: str) -> guards.Guard:
    """Only what still says that it is a record of this fleet goes, whatever this run may take over."""

    def guard(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        labels = live["metadata"].get("labels") or {}
        ours = fleet_of(live) == fleet and labels.get(_COMPONENT) == _RECORD
        return None if ours else f"is no record of fleet {fleet} any more"

    return guard


def _parsed(text: Any) -> dict[str, Any] | None:
    try:
        found = from_json(text)
    except (TypeError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        return None
    for name in ("changed", "failed", "left_out"):
        count = dig(found, (name, "count"))
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            return None
    return found if isinstance(found.get("job") or {}, dict) else None
