# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's dashboards among all that are there: what speaks against writing them, and which are of no file any more.

One LIST of each kind, for whoever is about to write; the deciding is pure. What a file is by itself is
kof/dashboards.py's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import pruning
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import SEEN, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import EXAMPLE_UID, Dashboard, head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    DASHBOARDS_OF,
    MANAGED_BY,
    OURS,
    PART_OF,
    fleet_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.grafana_dashboard import (
    KIND,
    grafana_dashboard,
    name_of,
    owner_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some

Object = dict[str, Any]


@dataclass
class Looked:
    """
    :ivar faults: what speaks against writing any of it.
    :ivar left: those of no file any more, each with the host of its cluster.
    """

    faults: list[Fault] = field(default_factory=list)
    left: list[tuple[str, Ref]] = field(default_factory=list)

    def warnings(self, *, pruned: bool) -> list[str]:
        """What is told of those that stay."""
        if pruned or not self.left:
            return []
        names = some([str(ref) for _host, ref in self.left])
        return [f"of no file any more, and still in Grafana: {names}; -e {guards.PRUNE}=true deletes them"]


def rights(release: Direct, namespace: str) -> Iterator[Right]:
    """What it takes to write dashboards, and to take away what is of no file any more."""
    api = release.grafana.api_version
    yield right("apply", Ref(api, KIND, namespace, ""), "get", "list", "create", "patch")
    yield right("apply", Ref(api, GRAFANA_DATASOURCE, namespace, ""), "list")
    yield right("wait", Ref(api, KIND, namespace, ""), *SEEN)
    yield right("delete", Ref(api, KIND, namespace, ""), "get", "delete", *SEEN)


def look(connection: Connection, fleet: Fleet, layer: str, regions: Collection[str]) -> Looked:
    """Look at what is there, where a cluster of the batch has dashboards or some are to go; else at nothing.

    :param regions: the regional clusters of the inventory, by name: their logs are data sources once they are there.
    :raises ApiError, ApiUnavailable: as a LIST.
    """
    clusters, release = fleet.of(layer), fleet.release
    asked = any(each.dashboards is not None for each in clusters) or fleet.permissions.prune_dashboards
    api, space = release.grafana.api_version, fleet.shared("kof_namespace")
    if not asked or connection.resource(api, KIND) is None:
        return Looked()
    there = connection.list_objects(connection.path(api, KIND, space))[0]
    datasources = connection.list_objects(connection.path(api, GRAFANA_DATASOURCE, space))[0]
    return looked(clusters, release, there, sources_of(release, regions, datasources))


def looked(clusters: Iterable[Any], release: Direct, there: Sequence[Object], sources: Collection[str]) -> Looked:
    """
    :param there: all GrafanaDashboards of kof's namespace.
    :param sources: what a dashboard may read from, names and uids.
    """
    found, clusters = Looked(), list(clusters)
    of = {owner_of(each, release): each for each in clusters}
    wanted = {
        name_of(owner, each): (cluster, each) for owner, cluster in of.items() for each in cluster.dashboards or ()
    }
    found.left = [(each.host, ref_of(item)) for each in clusters for item in left(each, release, there)]
    spoken_for = {*wanted, *(ref.name for _host, ref in found.left)}
    strangers: dict[str, Ref] = {}
    for item in there:
        uid = head(item.get("spec"))[0] or dig(item, ("status", "uid"))
        if uid and item["metadata"]["name"] not in spoken_for:
            strangers[str(uid)] = ref_of(item)
    known: dict[str, str] = {}
    for cluster, each in wanted.values():
        for what, better in _objections(cluster, each, release, known, strangers, sources):
            variable = f"{'regional' if isinstance(cluster, Regional) else 'mothership'}_dashboards"
            found.faults.append(Fault(cluster.host, variable, f"{each.file} {what}", better))
    return found


def left(cluster: Any, release: Direct, there: Iterable[Object]) -> list[Object]:
    """Of a cluster, those of no file any more."""
    owner = owner_of(cluster, release)
    names = {name_of(owner, each) for each in cluster.dashboards or ()}
    return [
        item
        for item in there
        if (item["metadata"].get("labels") or {}).get(DASHBOARDS_OF) == owner
        and fleet_of(item) == cluster.fleet
        and item["metadata"]["name"] not in names
    ]


def ours(connection: Connection, api_version: str, namespace: str, fleet: str) -> list[Object]:
    """What a run of this fleet has made of dashboards.

    :raises ApiError, ApiUnavailable: as a LIST.
    """
    labels = {"labelSelector": f"{MANAGED_BY}={OURS},{PART_OF}={fleet},{DASHBOARDS_OF}"}
    return connection.list_objects(connection.path(api_version, KIND, namespace), query=labels)[0]


def _objections(
    cluster: Any,
    dashboard: Dashboard,
    release: Direct,
    known: dict[str, str],
    strangers: Mapping[str, Ref],
    sources: Collection[str],
) -> Iterator[tuple[str, str]]:
    """
    :param known: by uid, whose it is, of those looked at before.
    :param strangers: by uid, what else has it.
    """
    yield from without_source(dashboard, sources)
    uid, mine = head(grafana_dashboard(cluster, release, dashboard)["spec"])[0], f"{dashboard.file} of {cluster.host}"
    if known.setdefault(uid, mine) != mine:
        yield f"has the uid {quoted(uid)}, as {known[uid]} has", f'for example "uid": "{EXAMPLE_UID}" for every region'
    if uid in strangers:
        yield f"has the uid {quoted(uid)}, as {strangers[uid]} has, which it would take out of Grafana", "another one"


def without_source(dashboard: Dashboard, sources: Collection[str]) -> Iterator[tuple[str, str]]:
    """What a dashboard reads from and nobody has, and what would be right.

    :param sources: names and uids.
    """
    for source in dashboard.sources:
        if source not in sources:
            right = f"one of {some(sorted(sources), 8)}{did_you_mean(source, sources)}"
            yield f"reads from {quoted(source, 60)}, and Grafana has no such data source", right


def sources_of(release: Direct, regions: Collection[str], datasources: Iterable[Object]) -> set[str]:
    """What a dashboard may read from: what the charts bring, each region's logs once it is there, and what is live."""
    return {*regions, *release.grafana.sources, *_names_of(datasources)}


def _names_of(datasources: Iterable[Object]) -> Iterator[str]:
    """Names and uids by which Grafana finds a data source: the operator gives it its object's, where it has none."""
    for item in datasources:
        of_spec = (dig(item, ("spec", "datasource", key)) for key in ("name", "uid"))
        for name in (*of_spec, dig(item, ("status", "uid"))):
            if isinstance(name, str) and name:
                yield name
        yield str(item["metadata"].get("uid"))


def prune(
    connection: Connection, fleet: Fleet, left: Sequence[tuple[str, Ref]], *, check_mode: bool
) -> list[tuple[str, Outcome]]:
    """Delete those of no file any more, where this run may; each one's outcome with its cluster's host.

    :raises ApiError, ApiUnavailable: nothing can be read.
    """
    if not left or not fleet.permissions.prune_dashboards:
        return []

    def still(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        """At that moment, too."""
        labels = live["metadata"].get("labels") or {}
        return None if labels.get(DASHBOARDS_OF) else "isn't one of a folder any more: run again"

    return pruning.delete(connection, fleet, left, still, check_mode=check_mode)
