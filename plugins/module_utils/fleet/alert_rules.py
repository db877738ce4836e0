# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of alerts that a run has made and no variable says any more: found, told, and deleted where a run may.

Without its variable nothing is touched, so they would be evaluated for ever. The deciding is pure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import pruning
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import MANAGED_BY, OURS, PART_OF, fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import alerts
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, maps_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]
#: Each with the host of its cluster.
Left = list[tuple[str, Ref]]
#: A maintenance, as kof/manifests/alerts.py writes it: until when, in seconds since 1970.
_MAINTENANCE = re.compile(r"vector\(time\(\)\) < ([0-9]+)")


def look(connection: Connection, fleet: Fleet, layer: str) -> Left:
    """Those of the batch's clusters, where rules of any are wanted or some are to go; else nothing is looked at.

    :raises ApiError, ApiUnavailable: as a LIST.
    """
    clusters, of_line = fleet.of(layer), fleet.release.alerts
    asked = any(alerts.wanted(each) for each in clusters) or fleet.permissions.prune_alert_rules
    if of_line is None or not asked or connection.resource(of_line.api_version, alerts.VMRULE) is None:
        return []
    there = ours(connection, fleet.release, fleet.shared("kof_namespace"), fleet.shared("kof_fleet"))
    now = time.time()
    return [(each.host, ref_of(item)) for each in clusters for item in left(each, fleet.release, there, now)]


def warnings(found: Left, *, pruned: bool) -> list[str]:
    """What is told of those that stay."""
    if pruned or not found:
        return []
    names = some([str(ref) for _host, ref in found])
    return [f"of no variable any more, and still evaluated: {names}; -e {guards.PRUNE_RULES}=true deletes them"]


def ours(connection: Connection, release: Direct, namespace: str, fleet: str) -> list[Object]:
    """What runs of this fleet have made of rules; nothing at a line that has none.

    :raises ApiError, ApiUnavailable: as a LIST.
    """
    if release.alerts is None:
        return []
    labels = {"labelSelector": f"{MANAGED_BY}={OURS},{PART_OF}={fleet}"}
    path = connection.path(release.alerts.api_version, alerts.VMRULE, namespace)
    return connection.list_objects(path, query=labels)[0]


def left(cluster: Any, release: Direct, there: Iterable[Object], now: float) -> list[Object]:
    """Of a cluster of which nothing is said, what is there all the same, and can still fire.

    :param there: as `ours`.
    :param now: seconds since 1970.
    """
    if release.alerts is None or alerts.wanted(cluster):
        return []
    name = alerts.rules_ref(cluster, release.alerts, release.mothership_cluster_name).name
    mine = [item for item in there if item["metadata"]["name"] == name and fleet_of(item) == cluster.fleet]
    return [item for item in mine if not _is_over(item, now)]


def _is_over(item: Object, now: float) -> bool:
    """Whether nothing of it fires any more: there are no rules, or a maintenance that has been."""
    groups = maps_of(dig(item, ("spec", "groups")))
    found = [rule for group in groups for rule in maps_of(group.get("rules"))]
    ends = [_MAINTENANCE.fullmatch(str(rule.get("expr"))) for rule in found]
    return all(each is not None and float(each[1]) <= now for each in ends)


def prune(
    connection: Connection, fleet: Fleet, left: Sequence[tuple[str, Ref]], *, check_mode: bool
) -> list[tuple[str, Outcome]]:
    """Delete them, where this run may; each one's outcome with its cluster's host.

    :raises ApiError, ApiUnavailable: nothing can be read.
    """
    if not left or not fleet.permissions.prune_alert_rules:
        return []

    def still(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        """At that moment, too."""
        labels = live["metadata"].get("labels") or {}
        return None if labels.get(MANAGED_BY) == OURS else "isn't one that a run has made any more: run again"

    return pruning.delete(connection, fleet, left, still, check_mode=check_mode)
