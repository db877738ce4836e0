# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change, by what a look has read: nothing is sent for it, and no right to write is needed. Pure.

What would become of an object is k8s/reconcile.py's to say; here it is counted, and told by cluster: in short for a
status, and with whose hand each field is by (`told_in_full`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import (
    FIELD_MANAGER,
    Claim,
    handover,
    held_by,
    is_hand,
    leaf_paths,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.report.drift import (
    CONTROLLER,
    LEFT,
    OURS,
    PERSON,
    REFUSED,
    TAKEN_BACK,
    UNKNOWN,
    UNPROVED,
    WRITTEN,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.status import ACTIONS

#: Of one object, how many fields a status names, and how many are named with their hands.
FIELDS, FIELDS_IN_FULL = 10, 200
#: Who writes the Secret of a Helm release's revision, a run and a person alike.
_HELM = "helm"
_LEFT_ALONE = "a run leaves it as it is, since it refuses its cluster's ClusterDeployment"


class Drift:
    """Asked of each object that a run would write, cluster by cluster, the cluster's own first."""

    def __init__(self, fleet: Fleet) -> None:
        self._policy = policy_of(fleet)
        self._guards = guards.of_writing(fleet.shared("kof_fleet"), fleet.permissions, self._policy.drift_managers)
        self._counts: dict[str, Counter[str]] = {}
        #: In short, and with the fields' holders.
        self._objects: list[tuple[dict[str, Any], list[dict[str, str]]]] = []
        #: What isn't as wanted, though a run doesn't come to it: only told in full.
        self._left_alone: list[tuple[dict[str, Any], list[dict[str, str]]]] = []
        self._refused: set[str] = set()
        self._wanted: set[tuple[str, str | None, str]] = set()
        #: What isn't known, by what stands in the way, with the hosts that it is of, in order.
        self.unknown: dict[str, dict[str, None]] = {}

    def not_known(self, what: str, *hosts: str) -> None:
        """What a run would change of these hosts isn't known in full, and why."""
        self.unknown.setdefault(one_line(what), {}).update(dict.fromkeys(hosts))

    def is_wanted(self, ref: Ref) -> None:
        """An object is of a host of the inventory, whether it can be asked about or not."""
        self._wanted.add((ref.kind, ref.namespace, ref.name))

    def add(self, host: str, want: dict[str, Any], live: dict[str, Any] | None) -> None:
        """
        :param live: as it was read; None: it isn't there.
        """
        outcome = reconcile.foreseen(want, live, policy=self._policy, guards=self._guards)
        self.is_wanted(outcome.ref)
        kind, action, why = outcome.ref.kind, outcome.action, outcome.reason or ""
        if host in self._refused:  # a run leaves the rest of such a cluster as it is
            if action != "unchanged":
                held = list(self._held(outcome, want, live, "refused"))
                self._left_alone.append((_about(host, kind, str(outcome.ref), "refused", _LEFT_ALONE), held))
            return
        if action == "refused" and kind == "ClusterDeployment":
            self._refused.add(host)
        self._told(host, kind, str(outcome.ref), action, list(self._held(outcome, want, live, action)), why)

    def chart(
        self,
        host: str,
        name: str,
        *,
        installed: bool,
        as_wanted: bool,
        why: str = "",
        since: str = "",
        fields: Sequence[str] = (),
    ) -> None:
        """A Helm release, by its version, state and values; which of its objects are gone is told of them.

        :param since: when its newest revision was made.
        :param fields: the paths of the values that differ.
        """
        action = "unchanged" if as_wanted else "upgraded" if installed else "created"
        held = [_field(path, Claim(path, _HELM, since), UNKNOWN, WRITTEN) for path in (fields if installed else ())]
        self._told(host, "Helm release", f"Helm release {name}", action, held, why)

    def _told(self, host: str, kind: str, what: str, action: str, held: list[dict[str, str]], why: str) -> None:
        self._counts.setdefault(kind, Counter())[action] += 1
        if action != "unchanged":
            self._objects.append((_about(host, kind, what, action, why), held))

    def _held(
        self, outcome: Outcome, want: dict[str, Any], live: dict[str, Any] | None, action: str
    ) -> Iterator[dict[str, str]]:
        """The fields that aren't as wanted, and who has each."""
        if live is None or outcome.action == "unchanged":
            return
        refused = outcome.action == "refused"
        for change in reconcile.difference(want, live, policy=self._policy) if refused else outcome.changes:
            holder = held_by(live, change.path, change.steps)
            yield _field(change.path, holder, self._whose(holder.manager), self._becomes(holder.manager, action))
        if not outcome.changes and outcome.action == "adopted":
            # As it should be, and in others' hands: what we stop to want later would stay.
            transfer = handover(want, live, "", self._policy.drift_managers)
            for manager, time, trie in transfer.taken if transfer else ():
                for path in leaf_paths(trie):
                    yield _field(path, Claim(path, manager, time), self._whose(manager), self._becomes(manager, action))

    def _whose(self, manager: str) -> str:
        if not manager:
            return UNKNOWN
        if manager == FIELD_MANAGER:
            return OURS
        return PERSON if is_hand(manager, self._policy.drift_managers) else CONTROLLER

    def _becomes(self, manager: str, action: str) -> str:
        others = manager not in ("", FIELD_MANAGER)
        if others and not reconcile.takes_from(manager, self._policy):
            # Of one item of a list, or of an object that is one value, the API server alone can say whose it is.
            return LEFT if action == "refused" else UNPROVED
        return REFUSED if action == "refused" else TAKEN_BACK if others else WRITTEN

    def told(self) -> Mapping[str, Any]:
        """As docs/status.schema.json has it."""
        counts = [
            {"kind": kind, "unchanged": numbers["unchanged"], **{action: numbers[action] for action in ACTIONS}}
            for kind, numbers in self._counts.items()
        ]
        objects = []
        for about, held in self._objects:
            fields = [each["path"] for each in held] if about["action"] in ("updated", "adopted", "upgraded") else []
            objects.append({**about, "fields": fields[:FIELDS], "more_fields": max(len(fields) - FIELDS, 0)})
        return {"counts": counts, "objects": objects}

    def told_in_full(self) -> list[dict[str, Any]]:
        """As `objects` of docs/drift.schema.json, host by host."""
        everything = [*self._objects, *self._left_alone]
        order = {
            host: number for number, host in enumerate(dict.fromkeys(about["host"] for about, _held in everything))
        }
        return [
            {**about, "fields": held[:FIELDS_IN_FULL], "more_fields": max(len(held) - FIELDS_IN_FULL, 0)}
            for about, held in sorted(everything, key=lambda each: order[each[0]["host"]])
        ]

    def whose(self) -> Counter[str]:
        """How many fields are whose: all of them, also those that aren't named."""
        return Counter(field["whose"] for _about, held in (*self._objects, *self._left_alone) for field in held)

    def extra(self, listed: Mapping[str, Sequence[Mapping[str, Any]]], fleet: str) -> list[dict[str, Any]]:
        """By kind, how many objects are the fleet's, and of no host that was asked about."""
        found = []
        for kind in ("ClusterDeployment", PROMXY_SERVER_GROUP):
            refs = [
                ref_of(each)
                for each in listed.get(kind, ())
                if fleet_of(each) == fleet and "deletionTimestamp" not in each["metadata"]
            ]
            count = sum((ref.kind, ref.namespace, ref.name) not in self._wanted for ref in refs)
            found += [{"kind": kind, "count": count}] if count else []
        return found


def _about(host: str, kind: str, what: str, action: str, why: str) -> dict[str, Any]:
    return {"host": host, "kind": kind, "object": one_line(what), "action": action, "why": one_line(why)}


def _field(path: str, holder: Claim, whose: str, becomes: str) -> dict[str, str]:
    return {
        "path": one_line(path),
        "manager": one_line(holder.manager),
        "whose": whose,
        "since": one_line(holder.time),
        "becomes": becomes,
    }
