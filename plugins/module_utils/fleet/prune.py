# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of a fleet that have left its inventory: found, told, and made ready for deletion.py. What is left of
clusters that stay (rules, dashboards of no variable any more) is pruning.py's.

They are found by any of their parts, not by their ClusterDeployments alone: of a regional cluster whose
ClusterDeployment somebody deleted by hand promxy would ask for ever, and fail every query.

Only who sees the whole inventory can say what has left it: that is plugin_utils/whole.py's to judge.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import listing
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import Deletion, Live
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, GROUPS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import OTHER_FORM
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    DASHBOARDS_OF,
    MADE_BY,
    MANAGED_BY,
    OURS,
    PART_OF,
    domain_of_target,
    fleet_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    grafana_dashboard,
    grafana_datasource,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import RULES_OF, VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
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
    :ivar beside: its other parts: places in promxy and Grafana, rules of alerts, dashboards.
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
        """Whether it is a cluster that would be deleted: one that is being deleted already is nobody's loss any more,
        and what is left of one that has gone is none."""
        return self.deployment is not None and not _going(self.deployment)

    @property
    def there(self) -> list[Object]:
        """What of it isn't being deleted yet."""
        return [each for each in ([self.deployment] if self.deployment else []) + self.beside if not _going(each)]

    def said(self) -> str:
        """How it is, for people."""
        if self.deployment is None:
            return f"its ClusterDeployment is gone, and {some([str(ref_of(each)) for each in self.beside])} left"
        since = self.deployment["metadata"].get("deletionTimestamp")
        if since:
            left = [str(ref_of(each)) for each in self.there]
            return f"being deleted since {since}" + (f", and {some(left)} left" if left else "")
        return "live"


def _going(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


def names(fleet: Fleet) -> set[str]:
    """The clusters of the inventory."""
    return {each.cluster_name for layer in LAYERS for each in fleet.everywhere(layer)}


def kinds_beside(release: Direct) -> Iterator[tuple[str, str]]:
    """API version and kind of a cluster's parts beside its ClusterDeployment, on the management cluster."""
    yield release.promxy.api_version, PROMXY_SERVER_GROUP
    yield release.grafana.api_version, GRAFANA_DATASOURCE
    yield release.grafana.api_version, grafana_dashboard.KIND
    if release.alerts is not None:
        yield release.alerts.api_version, VMRULE


def look(connection: Connection, fleet: Fleet, kcm_version: str) -> list[Gone]:
    """The clusters that have left the inventory, by name.

    :param fleet: the whole inventory.
    :raises FleetFault: something can't be listed, so it can't be told which those are.
    :raises ApiError, ApiUnavailable: as a request.
    """
    release, mine, home = fleet.release, fleet.shared("kof_fleet"), fleet.shared("kof_namespace")
    kcm_api, space = f"{KCM_GROUP}/{kcm_version}", fleet.shared("kof_kcm_namespace")
    if listing.serves(connection, kcm_api, "ClusterDeployment") is None:
        raise FleetFault(
            f"the API server doesn't serve ClusterDeployment ({kcm_api}), so which clusters live isn't known: is its "
            "CustomResourceDefinition being installed anew? Nothing was changed."
        )
    selector = f"{MANAGED_BY}={OURS},{PART_OF}={mine}"
    try:
        # All, whosever they are: what is left of a cluster that is another's by now is no leftover.
        deployments = listing.objects(connection, kcm_api, "ClusterDeployment", space)
        groups = listing.objects(connection, release.promxy.api_version, PROMXY_SERVER_GROUP, home)
        beside = list(groups)
        for api, kind in kinds_beside(release):
            if kind != PROMXY_SERVER_GROUP:
                beside += listing.objects(connection, api, kind, home, selector=selector)
    except listing.Unlisted as unlisted:
        raise FleetFault(f"{unlisted}. Nothing was changed.") from None
    return found(deployments, groups, beside, release, mine, names(fleet))


def found(
    deployments: Sequence[Object],
    groups: Sequence[Object],
    beside: Iterable[Object],
    release: Direct,
    fleet: str,
    known: Collection[str],
) -> list[Gone]:
    """As `look`, of what was listed.

    :param deployments: all that are in kcm's namespace.
    :param groups: PromxyServerGroups, which tell of domains.
    :param beside: other parts of clusters (see `kinds_beside`). They may be there without their cluster, of a deletion
        that was ended, or that somebody made by hand.
    """
    gone: dict[str, Gone] = {}
    for item in deployments:
        name = item["metadata"]["name"]
        if fleet_of(item) != fleet or name in known:
            continue
        gone[name] = Gone(name, None, item)
        with contextlib.suppress(*OTHER_FORM):  # what can't be read says of no layer, and stays
            for each in found_clusters([item], release, groups):
                domain, external_dns = (each.variables.get(f"regional_{what}") for what in ("domain", "external_dns"))
                gone[name] = Gone(name, each.layer, item, domain=domain, external_dns=external_dns)
    # Those by whose names clusters live that are others', or nobody's.
    living = {each["metadata"]["name"] for each in deployments}
    others = {*known, release.mothership_cluster_name, *(living - gone.keys())}
    for item in beside:
        name = _whose(item)
        if fleet_of(item) == fleet and name and name not in others:
            of = gone.setdefault(name, Gone(name, "child"))
            if of.deployment is None and item.get("kind") != VMRULE:  # which both layers have
                of.layer = "regional"
            of.beside.append(item)
            if item.get("kind") == PROMXY_SERVER_GROUP and of.domain is None:
                targets = dig(item, ("spec", "targets"))
                told = map(domain_of_target, targets if isinstance(targets, list) else ())
                of.domain = next(filter(None, told), None)
    return [gone[name] for name in sorted(gone)]


def _whose(item: Object) -> str | None:
    """The cluster of a part that a run has made; None for what only resembles one: k0rdent.kof.promxy_server_group and
    grafana_datasource make these kinds for clusters of no inventory, under whatever name, and a person may have changed
    of whom they tell."""
    kind, name = str(item.get("kind")), str(item["metadata"]["name"])
    if (item["metadata"].get("annotations") or {}).get(MADE_BY):
        return None
    if kind == VMRULE:
        return name.removesuffix(RULES_OF) if name.endswith(RULES_OF) else None
    if kind in _TELLS:
        path, name_of = _TELLS[kind]
        told = dig(item, path)
        return told if isinstance(told, str) and told and name_of(told) == name else None
    return (item["metadata"].get("labels") or {}).get(DASHBOARDS_OF)


#: Of the parts by which promxy and Grafana read from a cluster: where each tells of which, and how a run names it.
_TELLS: Mapping[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    PROMXY_SERVER_GROUP: (("spec", "cluster_name"), promxy_server_group.name_of),
    GRAFANA_DATASOURCE: (("spec", "datasource", "name"), grafana_datasource.name_of),
}


def tell(seen: Look) -> None:
    """A look of status.py, over what it has listed, and over the other parts of clusters: the clusters that have left
    the inventory.

    :param seen: of the whole inventory.
    """
    make, home = seen.about_whole(), seen.fleet.shared("kof_namespace")
    beside: list[Object] = []
    for api, kind in kinds_beside(seen.release) if home not in seen.absent else ():
        there = seen.listed.get(kind)
        if there is None and kind not in seen.refused:
            with seen.forbidden(kind):
                there = listing.objects(seen.connection, api, kind, home)
        beside += there or ()
    groups = [each for each in beside if each["kind"] == PROMXY_SERVER_GROUP]
    mine = seen.fleet.shared("kof_fleet")
    with seen.of_any_form(make):
        for each in found(list(seen.live.values()), groups, beside, seen.release, mine, names(seen.fleet)):
            what = each.deployment or each.beside[0]
            why = f"no host of {GROUPS['regional']} or {GROUPS['child']} has its name ({each.name}): {each.said()}"
            seen.add(make(code="cluster-left-inventory", what=str(ref_of(what)), why=why))


def refuse_a_loss(gone: Sequence[Gone], fleet: Fleet, place: str) -> None:
    """
    :raises FleetFault: the inventory has no cluster of a layer any more, or more clusters have left it than may go in
        one run: it rather looks as if the inventory were at fault.
    """
    mine, limit = fleet.shared("kof_fleet"), fleet.shared(LIMIT)
    living = [each for each in gone if each.lives]  # what is left of others is no loss
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
    left = [str(ref_of(item)) for each in gone if not each.lives for item in each.there]
    if not (living or left) or (confirmed is not None and str(confirmed) == mine):
        return
    said = "" if confirmed is None else f"{CONFIRM} is another text than the fleet's name. "
    would = []
    if living:
        would.append(
            f"{len(living)} clusters of fleet {mine} at {place} that have left the inventory, with what is installed "
            f"there: {some(living, FAULTS_SHOWN)}"
        )
    if left:
        would.append(
            f"what is left at {place} of clusters of fleet {mine} that are gone, or going: {some(left, FAULTS_SHOWN)}"
        )
    raise FleetFault(
        f"{said}This run would delete {'; and '.join(would)}. Nothing was changed. If that is what you want, "
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

    def guard(self, live: Live) -> None:
        """Refuse those, too, of which only parts seem to be left, as the cluster is in another namespace."""
        mine, space = self.fleet.shared("kof_fleet"), self.fleet.shared("kof_kcm_namespace")
        clusters = {refs[0].name: (host, refs[0]) for host, refs in self.refs.items()}
        for ref, item in live.items():
            host, itself = clusters.get(ref.name, ("", ref))
            if ref.kind == itself.kind and itself not in live and fleet_of(item) == mine and host not in self.refused:
                self.refused[host] = (
                    f"{ref} is there, with the labels of fleet {mine}, and kof_kcm_namespace is {space}. Nothing of "
                    "this cluster is deleted"
                )
        super().guard(live)


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
