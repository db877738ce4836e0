# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of a fleet that live and have left its inventory: found, told, and made ready for deletion.py. What is
left of clusters that stay (rules, dashboards of no variable any more) is pruning.py's.

Only who sees the whole inventory can say what has left it: that is plugin_utils/whole.py's to judge.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import Deletion
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, GROUPS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import OTHER_FORM
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    DASHBOARDS_OF,
    MANAGED_BY,
    OURS,
    PART_OF,
    fleet_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import grafana_dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import RULES_OF, VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

if TYPE_CHECKING:
    from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import Look

#: Extra variable: the fleet's name, as a confirmation.
CONFIRM = "kof_prune_confirm"
LIMIT = "kof_max_delete"
LAYERS = ("regional", "child")
Object = Mapping[str, Any]


@dataclass
class Gone:
    """A cluster that lives, or of which something is left, and that isn't in the inventory.

    :ivar layer: regional | child; None where its ClusterDeployment doesn't say.
    :ivar deployment: its ClusterDeployment; None where only what a deletion has not come to is left.
    :ivar beside: its rules of alerts and its dashboards.
    :ivar domain: of a regional cluster, as far as it is known.
    :ivar external_dns: as regional_external_dns; None where its services don't tell.
    """

    name: str
    layer: str | None
    deployment: Object | None = None
    beside: list[Object] = field(default_factory=list)
    domain: str | None = None
    external_dns: str | None = None

    @property
    def lives(self) -> bool:
        """Whether anything of it is there that isn't being deleted yet."""
        objects = [*([self.deployment] if self.deployment else []), *self.beside]
        return any("deletionTimestamp" not in each["metadata"] for each in objects)


def names(fleet: Fleet) -> set[str]:
    """The clusters of the inventory."""
    return {each.cluster_name for layer in LAYERS for each in fleet.everywhere(layer)}


def gone_deployments(deployments: Iterable[Object], fleet: str, known: Collection[str]) -> Iterator[Object]:
    """The ClusterDeployments that this fleet's runs have made, and that are of no cluster of the inventory.

    :param known: see `names`.
    """
    for each in deployments:
        if fleet_of(each) == fleet and each["metadata"]["name"] not in known:
            yield each


def look(connection: Connection, fleet: Fleet, kcm_version: str) -> list[Gone]:
    """The clusters that have left the inventory, by name.

    :param fleet: the whole inventory.
    :raises ApiError, ApiUnavailable: as a LIST.
    """
    release, mine, home = fleet.release, fleet.shared("kof_fleet"), fleet.shared("kof_namespace")
    space = fleet.shared("kof_kcm_namespace")

    def listed(api_version: str, kind: str, namespace: str, **query: str) -> list[dict[str, Any]]:
        if connection.resource(api_version, kind) is None:
            return []
        return connection.list_objects(connection.path(api_version, kind, namespace), query=query)[0]

    selector = {"labelSelector": f"{MANAGED_BY}={OURS},{PART_OF}={mine}"}
    deployments = listed(f"{KCM_GROUP}/{kcm_version}", "ClusterDeployment", space, **selector)
    groups = listed(release.promxy.api_version, PROMXY_SERVER_GROUP, home)
    beside = listed(release.grafana.api_version, grafana_dashboard.KIND, home, **selector)
    if release.alerts is not None:
        beside += listed(release.alerts.api_version, VMRULE, home, **selector)
    return found(deployments, groups, beside, release, mine, names(fleet))


def found(
    deployments: Iterable[Object],
    groups: Sequence[Object],
    beside: Iterable[Object],
    release: Direct,
    fleet: str,
    known: Collection[str],
) -> list[Gone]:
    """As `look`, of what was listed.

    :param groups: PromxyServerGroups, which tell of domains.
    :param beside: GrafanaDashboards and VMRules. They may be there without their cluster, of a deletion that was ended.
    """
    gone: dict[str, Gone] = {}
    for item in gone_deployments(deployments, fleet, known):
        name = item["metadata"]["name"]
        gone[name] = Gone(name, None, item)
        with contextlib.suppress(*OTHER_FORM):  # what can't be read says of no layer, and stays
            for each in found_clusters([item], release, groups):
                domain, external_dns = (each.variables.get(f"regional_{what}") for what in ("domain", "external_dns"))
                gone[name] = Gone(name, each.layer, item, domain=domain, external_dns=external_dns)
    others = {*known, release.mothership_cluster_name}
    for item in beside:
        name = _whose(item)
        if fleet_of(item) == fleet and name and name not in others:
            layer = "regional" if item["kind"] == grafana_dashboard.KIND else "child"
            gone.setdefault(name, Gone(name, layer)).beside.append(item)
    return [gone[name] for name in sorted(gone)]


def _whose(item: Object) -> str | None:
    """The cluster of a VMRule or a GrafanaDashboard that a run has made."""
    if item["kind"] == VMRULE:
        name = str(item["metadata"]["name"])
        return name.removesuffix(RULES_OF) if name.endswith(RULES_OF) else None
    return (item["metadata"].get("labels") or {}).get(DASHBOARDS_OF)


def tell(seen: Look) -> None:
    """A look of status.py, over what it has listed: the clusters that have left the inventory.

    :param seen: of the whole inventory.
    """
    make, known = seen.about_whole(), names(seen.fleet)
    for item in gone_deployments(seen.live.values(), seen.fleet.shared("kof_fleet"), known):
        why = f"no host of {GROUPS['regional']} or {GROUPS['child']} has its name"
        seen.add(make(code="cluster-left-inventory", what=str(ref_of(item)), why=why))


def refuse_a_loss(gone: Sequence[Gone], fleet: Fleet, place: str) -> None:
    """
    :raises FleetFault: the inventory has no cluster of a layer any more, or more clusters have left it than may go in
        one run: it rather looks as if the inventory were at fault.
    """
    mine, limit = fleet.shared("kof_fleet"), fleet.shared(LIMIT)
    living = [each for each in gone if each.lives]
    for layer in LAYERS:
        lost = [each.name for each in living if each.layer == layer]
        if lost and not fleet.batch[layer]:
            raise FleetFault(
                f"the inventory has no host in {GROUPS[layer]}, and {len(lost)} {layer} clusters of fleet {mine} live "
                f"at {place}: {some(lost, FAULTS_SHOWN)}. An inventory that has lost its hosts looks the same, so "
                "nothing was deleted. If these are to go, k0rdent.kof.delete does it, with an inventory that has them"
            )
    if len(living) > limit:
        raise FleetFault(
            f"{len(living)} clusters of fleet {mine} have left the inventory, and {LIMIT} is {limit}: "
            f"{some([each.name for each in living], FAULTS_SHOWN)}. Nothing was deleted. If all of them are to go, "
            f"pass -e {LIMIT}={len(living)}; else put back into the inventory what is to stay"
        )


def refuse_unconfirmed(gone: Sequence[Gone], fleet: Fleet, place: str, confirmed: object) -> None:
    """
    :raises FleetFault: something would be deleted, and nobody has said for this run that it may be.
    """
    mine = fleet.shared("kof_fleet")
    living = [each.name for each in gone if each.lives]
    if not living or (confirmed is not None and str(confirmed) == mine):
        return
    said = "" if confirmed is None else f"{CONFIRM} is another text than the fleet's name. "
    raise FleetFault(
        f"{said}This run would delete {len(living)} clusters of fleet {mine} at {place} that have left the inventory, "
        f"with what is installed there: {some(living, FAULTS_SHOWN)}. Nothing was changed. If that is what you want, "
        f"pass -e {CONFIRM}={mine}"
    )


@dataclass
class Leaving(Deletion):
    """The deletion of clusters that are in no inventory: their names stand for their hosts.

    :ivar beside: by cluster, what goes with it that no variable tells of any more.
    """

    beside: Mapping[str, Sequence[Ref]] = field(default_factory=dict)

    def _refs(self, layer: str, cluster: Any) -> list[Ref]:
        return list(dict.fromkeys([*super()._refs(layer, cluster), *self.beside.get(cluster.host, ())]))


def leaving(gone: Sequence[Gone], fleet: Fleet, kcm_version: str) -> Leaving:
    """The deletion of these clusters; those that may not go are refused in it.

    :param fleet: the whole inventory.
    """
    shared = {name: value for name, value in fleet.variables[fleet.hosts[0]].items() if name.startswith("kof_")}
    # What isn't known of a layer is deleted as nothing.
    layers = {each.name: each.layer or "child" for each in gone}
    clusters: dict[str, Any] = {}
    strange: dict[str, str] = {}
    for each in gone:
        try:
            clusters[each.name] = _cluster(each, shared)
        except FleetFault:
            strange[each.name] = (
                "no run gives a cluster such a name, so somebody has copied this fleet's labels. Nothing of it is "
                "deleted; if it is to go, delete it by hand"
            )
            nobody = Gone("nobody", layers[each.name])
            clusters[each.name] = dataclasses.replace(_cluster(nobody, shared), host=each.name, cluster_name=each.name)
    going = Fleet(
        batch={"mothership": [], **{layer: [name for name, its in layers.items() if its == layer] for layer in LAYERS}},
        variables=dict.fromkeys(layers, shared),
        clusters=clusters,
        layer_of=layers,
        permissions=fleet.permissions,
    )
    made = Leaving(going, kcm_version, beside={each.name: [ref_of(item) for item in each.beside] for each in gone})
    made.refused.update(strange)
    wanted: dict[str, list[str]] = {}
    for child in fleet.everywhere("child"):
        wanted.setdefault(child.regional, []).append(child.host)
    for each in gone:
        if each.layer is None:
            made.refused[each.name] = (
                "neither its services nor its labels say whether it is a regional or a child cluster. Nothing of it is "
                "deleted; if it is to go, delete its ClusterDeployment by hand"
            )
        elif each.name in wanted and each.name not in fleet.clusters:
            children = some(wanted[each.name], FAULTS_SHOWN)
            made.refused[each.name] = (
                f"children of the inventory name it as child_regional: {children}. Nothing of this cluster is deleted"
            )
    return made


def _cluster(gone: Gone, shared: Mapping[str, Any]) -> Any:
    """A cluster as far as deleting it needs it: whose name, and of a regional whose domain it is."""
    if gone.layer != "regional":
        cluster, faults = model.parse_child(gone.name, {**shared, "child_regional": "unknown"})
    else:
        # Required of who makes one; nothing is made of them here.
        needed = {"regional_admin_email": "a@example.com", "regional_storage_class": "a"}
        known = {"regional_domain": gone.domain, "regional_external_dns": gone.external_dns or "none"}
        unknown = {"regional_domain": f"{gone.name}.invalid", "regional_external_dns": "none"}
        cluster, faults = None, []
        for said in (known, unknown):
            if cluster is None:
                cluster, faults = model.parse_regional(gone.name, {**shared, **needed, **said})  # type: ignore[assignment]
    if cluster is None:
        raise FleetFault.of(faults, f"what lives of {gone.name}")
    return cluster
