# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clusters of a batch may be deleted now, which must stay, and why. Pure: live objects in, decisions out.

What is decided here can't be undone: in doubt a cluster stays, by name and reason. No request is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    SEEN,
    Given,
    Goes,
    Known,
    Right,
    right,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import (
    another_fleet,
    kept_by_gitops,
    kept_by_others,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    MANAGED_BY,
    OURS,
    PART_OF,
    REGIONAL_LABEL,
    fleet_of,
    of_config,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import destination, layer_of, regional_domain
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NAMES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.readiness import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import (
    PROMXY_SERVER_GROUP,
    stand_ins,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: Extra variable: hosts on whose clusters, which live on, the services may stay.
LEAVE = "kof_delete_leave_services"
#: The kinds by which services come to clusters, those that send to a regional among them.
SENDERS = ("ClusterDeployment", "MultiClusterService")
Live = Mapping[Ref, Mapping[str, Any]]


def rights(layer: str, given: Given[Any], kcm_namespace: str) -> Iterator[Right]:
    """What deleting clusters needs beside their parts: whether a regional cluster still has children, of whatever
    namespace, and to take the services off clusters that live on."""
    for kind in SENDERS if layer == "regional" else ():
        yield right("delete", Ref(given.kcm_api, kind, None, ""), "list")
    yield right("delete", Ref(given.kcm_api, "ClusterDeployment", kcm_namespace, ""), "patch")
    for related in awaited.OF_ADOPTED:
        yield right("delete", Ref(related.api_version, related.kind, kcm_namespace, ""), *SEEN)


@dataclass
class Deletion:
    """The clusters of a batch on their way out.

    :ivar kcm_version: of kcm's API, as the management cluster serves it.
    :ivar given: what the clusters' parts depend on.
    :ivar refs: by host, its objects: the cluster, and for a regional its place in the global view.
    :ivar host_of: the host of each of them.
    :ivar refused: by host, why; it fails by this reason.
    :ivar left_out: by host, why its turn didn't come.
    :ivar standing: by host of a cluster that lives on, the releases to uninstall there before its ClusterDeployment
        goes: nobody would afterwards.
    :ivar left_behind: by host, the releases that stay on such a cluster, because the user said so.
    """

    fleet: Fleet
    kcm_version: str
    given: Given[Any] = field(init=False)
    refs: dict[str, list[Ref]] = field(init=False)
    host_of: dict[Ref, str] = field(init=False)
    _gone: dict[Ref, Callable[[], Target]] = field(init=False, default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    standing: dict[str, list[str]] = field(default_factory=dict)
    left_behind: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.walk({})

    def walk(self, live: Live) -> None:
        """Have the clusters' parts be those that come of what is live."""
        self.given = Given(self.fleet.release, self.kcm_version, live=Known(live))
        self.refs = {
            each.host: self._refs(layer, each) for layer in ("child", "regional") for each in self.fleet.of(layer)
        }
        self.host_of = {ref: host for host, refs in self.refs.items() for ref in refs}

    def _refs(self, layer: str, cluster: Any) -> list[Ref]:
        """What of a cluster we have made, the cluster itself first."""
        ours = []
        for each in parts(layer, cluster, self.given):
            if each.goes is Goes.DELETED and isinstance(each.what, Ref):
                ours.append(each.what)
                if each.gone:
                    self._gone[each.what] = each.gone
        return ours

    def gone(self, ref: Ref) -> Target:
        """What one of `refs` must become."""
        return self._gone[ref]() if ref in self._gone else awaited.gone(ref)

    def hosts(self, layer: str) -> list[str]:
        """The clusters of a layer that neither were refused nor are left out."""
        stay = self.refused.keys() | self.left_out.keys()
        return [each.host for each in self.fleet.of(layer) if each.host not in stay]

    def going(self, live: Live) -> dict[str, list[str]]:
        """By layer, the hosts of whose objects some are there and not being deleted yet."""
        return {
            layer: [
                host
                for host in self.hosts(layer)
                if any(ref in live and "deletionTimestamp" not in live[ref]["metadata"] for ref in self.refs[host])
            ]
            for layer in ("child", "regional")
        }

    def leave_failed(self, failed: Collection[str]) -> None:
        """Leave out what failed in an earlier task of the run."""
        self.left_out.update((host, "it failed in an earlier task of this run") for host in self.refs if host in failed)

    def guard(self, live: Live) -> None:
        """Refuse each cluster of which an object isn't this fleet's, or that has a second place in the global view."""
        others = self._stand_ins(live)
        for layer in ("child", "regional"):
            for host in self.hosts(layer):
                asked = ((ref, self._not_ours(live[ref], layer)) for ref in self.refs[host] if ref in live)
                reasons = [f"{ref} {reason}" for ref, reason in asked if reason]
                reason = next(filter(None, [*reasons, others.get(host)]), None)
                if reason:
                    self.refused[host] = f"{reason}. Nothing of this cluster is deleted"

    def guard_of(self, layer: str) -> Guard:
        """What `guard` asks of each object, for the moment in which it is deleted."""
        return lambda live, _wanted: self._not_ours(live, layer)

    def _stand_ins(self, live: Live) -> dict[str, str]:
        """By host, what would be wrong with promxy once the cluster is gone: somebody's own group still names it."""
        regionals = {each.cluster_name: each for each in self.fleet.of("regional") if self.refs[each.host][0] in live}
        groups = {PROMXY_SERVER_GROUP: _server_groups(live)}
        of_cluster = {name: parts("regional", each, self.given) for name, each in regionals.items()}
        return {
            regionals[
                found.cluster
            ].host: f"{found} stands for it, too ({found.why}), and promxy would fail every query "
            "without the cluster: delete that first"
            for found in stand_ins(groups, of_cluster, self.fleet.shared("kof_fleet"))
        }

    def _not_ours(self, found: Mapping[str, Any], layer: str) -> str | None:
        if fleet_of(found) is None:
            return f"has no label {MANAGED_BY}: {OURS}, so it wasn't made by this collection"
        another = another_fleet(self.fleet.shared("kof_fleet"), self.fleet.permissions)(found, None)
        if another:
            return another
        # Deleted here it would come back, as a new cluster without the data of this one.
        keeper = kept_by_others(found, None) or kept_by_gitops(found, None)
        if keeper:
            return keeper
        there = layer_of(found, self.fleet.release) if found["kind"] == "ClusterDeployment" else layer
        return None if there == layer else f"is a {there} cluster, and the inventory has it in kof_{layer}"

    def find_standing(self, live: Live, around: Mapping[str, Surroundings], leave: Collection[str]) -> None:
        """Find the clusters that live on; refuse those of which nothing can be uninstalled now, unless it may stay.

        :param around: by cluster name, what Sveltos says of it.
        :param leave: hosts on whose clusters all may stay as it is.
        :raises FleetFault: one of `leave` is no host of this run.
        """
        unknown = [host for host in leave if host not in self.refs]
        if unknown:
            raise FleetFault(f"{LEAVE}: {some(unknown)}: no regional or child cluster of this run; nothing was changed")
        for host in [*self.hosts("child"), *self.hosts("regional")]:
            cluster = live.get(self.refs[host][0])
            known = around.get(self.refs[host][0].name)
            if cluster is None or known is None or "deletionTimestamp" in cluster["metadata"]:
                continue
            if not readiness.lives_on(known):
                continue
            # Whatever passes is waited for when its services are uninstalled.
            there, why = readiness.installed(cluster, known), readiness.unreached(cluster, known, patient=True)
            if host in leave:
                self.left_behind[host] = there
            elif not why:
                self.standing[host] = there
            elif there:
                self.refused[host] = (
                    f"{why}. So {some(there, FAULTS_SHOWN)} can't be uninstalled there. If that may stay on the "
                    f"cluster, pass -e {LEAVE}={host}. Nothing of this cluster is deleted"
                )

    def withdrawal(self, host: str, live: Live) -> list[dict[str, Any]]:
        """The JSON patch that has kcm and Sveltos take all services, and the Secrets asked for by label, off a cluster.

        Nothing for an object that asks for none. It holds only as long as the object is the same fleet's.
        """
        cluster = live[self.refs[host][0]]
        spec = cluster.get("spec") or {}
        patch = [{"op": "remove", "path": "/spec/serviceSpec/services"}]
        if not (spec.get("serviceSpec") or {}).get("services"):
            patch = []
        wanted = of_config(cluster, "clusterLabels")
        patch += [
            {"op": "remove", "path": f"/spec/config/clusterLabels/{reconcile.pointer(label)}"}
            for label in self.fleet.release.secret_labels
            if label in wanted
        ]
        if not patch:
            return []
        ours = {MANAGED_BY: OURS, PART_OF: fleet_of(cluster)}
        return [
            {"op": "test", "path": "/metadata/uid", "value": cluster["metadata"]["uid"]},
            *(
                {"op": "test", "path": f"/metadata/labels/{reconcile.pointer(label)}", "value": value}
                for label, value in ours.items()
            ),
            *patch,
        ]

    @property
    def secret_profiles(self) -> list[str]:
        """The ClusterProfiles that select by these labels: the charts call them so."""
        return [label.rpartition("/")[2] for label in self.fleet.release.secret_labels]

    def last_region(self, before: Live, gone: Collection[Ref]) -> str | None:
        """The region that promxy goes on asking when `gone` are the last PromxyServerGroups; None if there are others.

        kof's operator writes promxy's configuration for the groups that there are, and nothing when there is none.
        """
        label = self.fleet.release.promxy.label
        groups = [
            ref
            for ref, item in before.items()
            if ref.kind == PROMXY_SERVER_GROUP and label in (item["metadata"].get("labels") or {})
        ]
        if not groups or any(ref not in gone for ref in groups):
            return None
        return str((before[groups[-1]].get("spec") or {}).get("cluster_name"))

    def hold_regionals(self, live: Live, going: Collection[str] = ()) -> None:
        """Keep every regional that has a living child, or may have one.

        :param live: with the ClusterDeployments of all namespaces.
        :param going: hosts of children that this run deletes before.
        """
        refused, left_out = self.held(live, going)
        self.refused.update((host, f"{reason}. Nothing of this cluster is deleted") for host, reason in refused.items())
        self.left_out.update(left_out)

    def held(self, live: Live, going: Collection[str] = ()) -> tuple[dict[str, str], dict[str, str]]:
        """By regional host, why it must stay: for what this run doesn't delete, and for what it does but is there yet.

        Parameters as for `hold_regionals`.
        """
        ours = {self.refs[child.host][0]: child.host for child in self.fleet.of("child")}
        living, untold = self._living_children(live)
        refused, left_out = {}, {}
        doubtful = {ref: why for ref, why in untold.items() if ours.get(ref) not in going}
        for host in self.hosts("regional"):
            stay = [ref for ref in living.get(host, ()) if ours.get(ref) not in going]
            others = [f"{self._name(ref)}{living[host][ref]}" for ref in stay if ref not in ours]
            itself, own = self.refs[host][0], [*stay, *(ref for ref in doubtful if ref in ours)]
            unknown = {ref: why for ref, why in doubtful.items() if ref not in ours and ref != itself}
            if others:
                refused[host] = (
                    f"child clusters that this run doesn't delete still send to it: {some(others, FAULTS_SHOWN)}; "
                    "delete them first or in the same run"
                )
            elif unknown:
                refused[host] = self._may_send(unknown)
            elif own:
                names = [self._name(ref) for ref in dict.fromkeys(own)]
                left_out[host] = f"its child clusters are still there: {some(names, FAULTS_SHOWN)}"
        return refused, left_out

    def _may_send(self, unknown: Mapping[Ref, str]) -> str:
        (first, why), *_others = unknown.items()
        names = [self._name(ref) for ref in unknown]
        return (
            f"whether {some(names, FAULTS_SHOWN)} send to it can't be told ({self._name(first)}: {why}): delete them "
            f"first, or name their regional cluster on them: kubectl label {first.kind.lower()} {first.name} "
            f"{f'-n {first.namespace} ' if first.namespace else ''}{REGIONAL_LABEL}=<cluster>"
        )

    def _name(self, ref: Ref) -> str:
        if ref.kind != "ClusterDeployment":
            return f"{ref.kind} {ref.name}"
        return ref.name if ref.namespace == self.fleet.shared("kof_kcm_namespace") else f"{ref.namespace}/{ref.name}"

    def _living_children(self, live: Live) -> tuple[dict[str, dict[Ref, str]], dict[Ref, str]]:
        """By regional host, the clusters that send there or, by the inventory, should, each with a remark to follow its
        name; none where there is no cluster. And the clusters that may send anywhere, with the reason.

        Live objects and inventory both count: what an inventory says of a child need not have been applied.
        """
        by_domain: dict[str, str] = {}
        by_name: dict[str, str] = {}
        groups = _server_groups(live)
        for regional in self.fleet.of("regional"):
            cluster = live.get(self.refs[regional.host][0])
            if cluster is not None:
                by_name[regional.cluster_name] = regional.host
                by_domain.update(
                    {
                        domain.lower(): regional.host
                        for domain in (regional.domain, regional_domain(cluster, groups))
                        if domain
                    }
                )
        if not by_name:
            return {}, {}
        regional_of = {self.refs[child.host][0]: child.regional for child in self.fleet.of("child")}
        there = set(by_name.values())
        found: dict[str, dict[Ref, str]] = {}
        untold: dict[Ref, str] = {}
        for ref, item in live.items():
            if ref.kind not in SENDERS:
                continue
            sends = destination(item, self.fleet.release)
            hosts = {by_domain[domain] for domain in sends.domains - sends.disabled if domain in by_domain}
            off = {by_domain[domain] for domain in sends.disabled if domain in by_domain}
            hosts |= there & {regional_of.get(ref)}
            if sends.regional:
                name, namespace = sends.regional
                if namespace in (None, self.fleet.shared("kof_kcm_namespace")):
                    hosts |= {by_name[name]} if name in by_name else set()
            for host in hosts | off:
                if self.refs[host][0] != ref:
                    remark = "" if host in hosts else " (by a disabled service, which may not be uninstalled)"
                    found.setdefault(host, {})[ref] = remark
            if sends.untold:
                untold[ref] = sends.untold
        return found, untold

    def hold_after_failures(self) -> None:
        """Keep all regionals when more children failed than kof_max_fail_percentage allows."""
        children, limit = self.fleet.batch["child"], self.fleet.shared("kof_max_fail_percentage")
        failed = sum(host in self.refused for host in children)
        if failed * 100 > limit * len(children):
            why = (
                f"{failed} of {len(children)} child clusters failed, more than kof_max_fail_percentage ({limit}) allows"
            )
            self.left_out.update((host, why) for host in self.hosts("regional"))

    def dns_records(self, hosts: Collection[str], live: Live) -> list[str]:
        """The names that external-dns made for regionals: its policy is never to take one back."""
        groups = _server_groups(live)
        domains = [
            regional_domain(live.get(self.refs[regional.host][0]), groups) or regional.domain
            for regional in self.fleet.of("regional")
            if regional.host in hosts and regional.external_dns != "none"
        ]
        return [f"{name}.{domain}" for domain in domains for name in NAMES]


def _server_groups(live: Live) -> list[Mapping[str, Any]]:
    return [item for ref, item in live.items() if ref.kind == PROMXY_SERVER_GROUP]
