# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change, by what a look has read: nothing is sent for it, and no right to write is needed. Pure.

What would become of an object is k8s/reconcile.py's to say; here it is counted, and told by cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.report.status import ACTIONS

#: Of one object, how many fields are named.
FIELDS = 10


class Drift:
    """Asked of each object that a run would write, cluster by cluster, the cluster's own first."""

    def __init__(self, fleet: Fleet) -> None:
        self._policy = policy_of(fleet)
        self._guards = guards.of_writing(fleet.shared("kof_fleet"), fleet.permissions, self._policy.drift_managers)
        self._counts: dict[str, Counter[str]] = {}
        self._objects: list[dict[str, Any]] = []
        self._refused: set[str] = set()

    def add(self, host: str, want: dict[str, Any], live: dict[str, Any] | None) -> None:
        """
        :param live: as it was read; None: it isn't there.
        """
        if host in self._refused:
            return  # a run leaves the rest of such a cluster as it is
        outcome = reconcile.foreseen(want, live, policy=self._policy, guards=self._guards)
        if outcome.action == "refused" and outcome.ref.kind == "ClusterDeployment":
            self._refused.add(host)
        paths = [change.path for change in outcome.changes] if outcome.action in ("updated", "adopted") else []
        self._told(host, outcome.ref.kind, str(outcome.ref), outcome.action, paths, outcome.reason or "")

    def chart(self, host: str, name: str, *, installed: bool, as_wanted: bool, why: str = "") -> None:
        """A Helm release, by its version and state: which values it has only helm can compare."""
        action = "unchanged" if as_wanted else "upgraded" if installed else "created"
        self._told(host, "Helm release", f"Helm release {name}", action, [], why)

    def _told(self, host: str, kind: str, what: str, action: str, paths: list[str], why: str) -> None:
        self._counts.setdefault(kind, Counter())[action] += 1
        if action != "unchanged":
            fields = [one_line(each) for each in paths[:FIELDS]]
            about = {"host": host, "kind": kind, "object": one_line(what), "action": action, "why": one_line(why)}
            self._objects.append({**about, "fields": fields, "more_fields": max(len(paths) - FIELDS, 0)})

    def told(self) -> Mapping[str, Any]:
        """As docs/status.schema.json has it."""
        counts = [
            {"kind": kind, "unchanged": numbers["unchanged"], **{action: numbers[action] for action in ACTIONS}}
            for kind, numbers in self._counts.items()
        ]
        return {"counts": counts, "objects": self._objects}
