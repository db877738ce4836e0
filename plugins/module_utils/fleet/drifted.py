# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a fleet isn't as the inventory says, whose hand that is by, and since when: site's check without a run.

Pure but for the client it is given, and reads only: what a status reads of the parts, without judging how they are.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import beside
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import Charts, Look
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.report import drift as report


def look(
    connection: Connection,
    fleet: Fleet,
    charts: Charts,
    *,
    now: datetime.datetime,
    domain_of: Callable[[str], str | None],
    whole: bool,
) -> dict[str, Any]:
    """As docs/drift.schema.json describes it.

    :param charts: the Helm releases of kof's charts; why, where they can't be read.
    :param now: with its time zone.
    :param domain_of: of a regional cluster of the inventory that isn't in the batch, by its host; None for none.
    :param whole: the batch is all of the inventory, so that what is of no host of it can be counted.
    :raises ApiError: ClusterDeployments may not be listed, or a request is refused for another reason than rights.
    :raises ApiUnavailable: the API server is away.
    :raises FleetFault: it serves no version of kcm's API that is known here.
    """
    seen = Look(connection, fleet, kcm_version_of(connection), 0, now, domain_of)
    seen.whole(charts)
    seen.parts()
    _of_nothing(seen)
    drift = seen.drift
    objects = drift.told_in_full()
    named = [
        {"host": each.host, "name": beside.name_of(each), "layer": layer}
        for layer in LAYERS
        for each in fleet.of(layer)
    ]
    not_read = {host for hosts in drift.unknown.values() for host in hosts}
    clusters = list(report.states(named, objects, not_read))
    states = Counter(each["state"] for each in clusters)
    whose = drift.whose()
    return {
        "schema": report.SCHEMA,
        "at": now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fleet": fleet.shared("kof_fleet"),
        "kof_version": fleet.release.version,
        "counts": {
            "clusters": {state: states[state] for state in report.STATES},
            "fields": {each: whose[each] for each in report.WHOSE},
            "kinds": list(drift.told()["counts"]),
        },
        "clusters": clusters,
        "objects": objects,
        "extra": drift.extra(seen.listed, fleet.shared("kof_fleet")) if whole else None,
        "not_looked_at": [{"what": what, "hosts": list(hosts)} for what, hosts in drift.unknown.items()],
    }


def _of_nothing(seen: Look) -> None:
    """Where kof's namespace isn't there, nothing that is in it is: a look doesn't come to the mothership's parts. Of
    one that is being deleted nobody knows what is still there when it has gone."""
    for cluster in seen.fleet.of("mothership") if seen.absent else ():
        for part in parts("mothership", cluster, seen.usual):
            if part.manifest and isinstance(part.what, Ref) and seen.home:
                if part.what.kind == "Namespace":
                    seen.drift.add(cluster.host, part.manifest(), seen.home[0])
                elif part.what.namespace in seen.absent:
                    seen.drifts_in_absent(cluster, part)
        for name in () if seen.home and seen.home[0] else seen.release.charts:
            seen.drift.chart(cluster.host, name, installed=False, as_wanted=False)
