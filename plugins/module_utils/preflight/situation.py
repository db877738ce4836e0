# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks look at: the facts, the release's minimums and the inventory's clusters. Data only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import HANDS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Part
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import Dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import regional_domains
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import (
    GRAFANA_DATASOURCE,
    PROMXY_SERVER_GROUP,
    StandIn,
    stand_ins,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Facts
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Item = TypeVar("Item")


@dataclass(frozen=True)
class Subject:
    """What the checks want to know of one regional or child cluster of the inventory.

    :ivar layer: regional | child.
    :ivar name: the cluster's name.
    :ivar templates: ServiceTemplates it needs, each with the variable that names it.
    :ivar domain: of a regional cluster; None for a child.
    :ivar regional: the regional host of a child; None for a regional.
    :ivar external_dns: secret | node | none for a regional; None for a child.
    :ivar dns_owner: as whom a regional's external-dns owns records, where somebody says it.
    :ivar instance_profile: of a regional's nodes, where its external-dns gets at the zones by one.
    :ivar parts: what a regional is made of.
    :ivar storage_values: values of a regional's kof-storage, as far as the chart's are not left alone.
    """

    host: str
    layer: str
    name: str
    template: str | None
    template_kind: str
    credential: str
    config: Mapping[str, Any]
    templates: tuple[tuple[str, str], ...] = ()
    vmuser_secret: str = ""
    domain: str | None = None
    regional: str | None = None
    external_dns: str | None = None
    dns_owner: str | None = None
    instance_profile: str | None = None
    promxy_server_group: str = ""
    grafana_datasource: str = ""
    storage_values: Mapping[str, Any] = field(default_factory=dict)
    propagate_credentials: bool = True
    disabled_services: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    def variable(self, suffix: str) -> str:
        return f"{self.layer}_{suffix}"


@dataclass(frozen=True)
class Zone:
    """A hosted zone of Route 53 that the inventory names.

    :ivar domain: without the last dot; None where there is no such zone, or AWS couldn't be asked.
    :ivar problem: why it couldn't.
    """

    id: str
    domain: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class ReplacedMap:
    """A map of a group that a host's own, or a nearer group's, replaces as a whole.

    :ivar lost: keys, as paths, that are in the group's map only.
    """

    host: str
    variable: str
    group: str
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Mirrored:
    """A cluster of the batch of which something is said about where its images come from.

    :ivar charts: whose pods run there, by name of chart or service.
    :ivar registry: whether a mirror is named.
    :ivar secrets: names of pull secrets.
    """

    host: str
    layer: str
    charts: tuple[str, ...]
    registry: bool
    secrets: tuple[str, ...]


#: The value of kof-mothership and kof-storage that takes Grafana away when false.
GRAFANA_SWITCH = ("grafana", "enabled")


@dataclass(frozen=True)
class Situation:
    """All a check may look at.

    :ivar layers: layers this run walks through.
    :ivar check_mode: nothing will be changed.
    :ivar whole: the run sees the whole inventory, which is declared to have all clusters of the fleet.
    :ivar needs_secrets: what comes after preflight needs to read the logins of regions.
    :ivar dns_layer: the run walks through dns_credentials, by `dns_method`.
    :ivar announce: the mothership layer comes before what is checked (or would have, in check mode);
        announce_dns: the same of the DNS credentials.
    :ivar makes_dns_secret: the run writes the Secret with external-dns' credentials.
    :ivar subjects: the clusters of the batch; `others` those of the inventory outside it.
    :ivar faults: of the model, of whatever host; `unparsed` the hosts that are no clusters here because of theirs.
    :ivar replaced: maps of groups that hosts replace by their own.
    :ivar groups: the PromxyServerGroups this run would write, rendered.
    :ivar storage_class: of the mothership's volumes; None for the cluster's default.
    :ivar grafana: whether the mothership has one.
    :ivar promxy_memory: promxy's limit as the mothership's values have it, a quantity; None for no limit.
    :ivar hosted_zones: how many Route 53 zones the inventory names; `zones` those that were looked up.
    :ivar dashboards: the user's own, of the clusters of the batch: host, variable, and the file.
    :ivar alerting_secrets: what Alertmanager's configuration reads: Secret of kof's namespace, and its key.
    :ivar mirrored: the clusters of the batch that have their images out of a mirror.
    :ivar render_promxy_config: (groups, credentials by Secret name) -> the text the operator would write.
    :ivar permissions: those of this one run.
    :ivar hands: field managers that are people.
    :ivar render_cluster: (host, what is live of it) -> its ClusterDeployment, complete but for its template.
    """

    facts: Facts
    release: Direct
    layers: frozenset[str]
    announce: bool
    announce_dns: bool
    namespace: str
    kcm_namespace: str
    fleet: str
    check_mode: bool = False
    whole: bool = False
    needs_secrets: bool = True
    makes_dns_secret: bool = False
    subjects: tuple[Subject, ...] = ()
    others: tuple[Subject, ...] = ()
    faults: tuple[Fault, ...] = ()
    unparsed: frozenset[str] = frozenset()
    replaced: tuple[ReplacedMap, ...] = ()
    mothership_host: str | None = None
    mothership_in_batch: bool = False
    storage_class: str | None = None
    grafana: bool = True
    install_templates: bool = True
    dns_method: str = "none"
    dns_layer: bool = False
    replace_guide_objects: bool = False
    adopt: bool = True
    promxy_memory: Any = None
    hosted_zones: int = 0
    zones: tuple[Zone, ...] = ()
    dashboards: tuple[tuple[str, str, Dashboard], ...] = ()
    alerting_secrets: tuple[tuple[str, str], ...] = ()
    mirrored: tuple[Mirrored, ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    render_promxy_config: Callable[[Sequence[Mapping[str, Any]], Mapping[str, tuple[str, str]]], str] | None = None
    permissions: Permissions = field(default_factory=Permissions)
    hands: tuple[str, ...] = HANDS
    render_cluster: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None

    @cached_property
    def live(self) -> dict[str, dict]:
        """The ClusterDeployments by name."""
        return {item["metadata"]["name"]: item for item in self.facts.cluster_deployments}

    @cached_property
    def live_domains(self) -> dict[str, str]:
        """The domain of every regional cluster that is live, by the cluster's name."""
        return regional_domains(self.facts.cluster_deployments, self.facts.promxy_server_groups)

    @cached_property
    def stand_ins(self) -> list[StandIn]:
        """What stands for this batch's regional clusters, the guide's objects above all."""
        live = {
            PROMXY_SERVER_GROUP: self.facts.promxy_server_groups,
            GRAFANA_DATASOURCE: self.facts.grafana_datasources,
        }
        return stand_ins(live, {one.name: one.parts for one in self.regionals}, self.fleet)

    @cached_property
    def groups_going(self) -> set[str]:
        """Names of the guide's PromxyServerGroups that the run replaces by its own and deletes."""
        if not self.replace_guide_objects:
            return set()
        return {found.name for found in self.stand_ins if found.kind == PROMXY_SERVER_GROUP}

    @property
    def everyone(self) -> tuple[Subject, ...]:
        return self.subjects + self.others

    @property
    def regionals(self) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.layer == "regional")

    @property
    def children(self) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.layer == "child")

    @property
    def mothership_hosts(self) -> tuple[str, ...]:
        return (self.mothership_host,) if self.mothership_host and self.mothership_in_batch else ()

    def unread(self, *kinds: str) -> bool:
        """Whether a kind could not be read: then nothing can be said about it but that (see `readable`)."""
        return any(kind in self.facts.unread for kind in kinds)


def grouped(items: Iterable[Item], key: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """Items by key, in the order of first appearance."""
    found: dict[Any, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def by_value(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    """(value, host) pairs -> hosts by value, in the order of first appearance."""
    grouped: dict[Any, list[str]] = {}
    for value, host in pairs:
        grouped.setdefault(value, []).append(host)
    return grouped


def hosts_told(hosts: Sequence[str]) -> str:
    return f" (for {some(hosts)})" if hosts else ""
