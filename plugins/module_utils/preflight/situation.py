# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks look at: the facts, the release's minimums and the inventory's clusters. Data only."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ansible_collections.k0rdent.kof.plugins.module_utils.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.live_fleet import regional_domains
from ansible_collections.k0rdent.kof.plugins.module_utils.ownership import HANDS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import (
    some,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import (
    Facts,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.guide import (
    PROMXY_SERVER_GROUP,
    Expected,
    StandIn,
    guide_objects,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.releases import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import Fault

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
    promxy_server_group: str = ""
    grafana_datasource: str = ""
    storage_values: Mapping[str, Any] = field(default_factory=dict)
    propagate_credentials: bool = True
    disabled_services: tuple[str, ...] = ()

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
class Situation:
    """All a check may look at.

    :ivar layers: layers this run walks through.
    :ivar check_mode: nothing will be changed.
    :ivar dns_layer: the run walks through dns_credentials, by `dns_method`.
    :ivar announce: the mothership layer comes before what is checked (or would have, in check mode);
        announce_dns: the same of the DNS credentials.
    :ivar makes_dns_secret: the run writes the Secret with external-dns' credentials.
    :ivar subjects: the clusters of the batch; `others` those of the inventory outside it.
    :ivar faults: of the model, of whatever host; `unparsed` the hosts that are no clusters here because of theirs.
    :ivar replaced: maps of groups that hosts replace by their own.
    :ivar groups: the PromxyServerGroups this run would write, rendered.
    :ivar promxy_memory: promxy's limit as the mothership's values have it, a quantity; None for no limit.
    :ivar hosted_zones: how many Route 53 zones the inventory names; `zones` those that were looked up.
    :ivar render_promxy_config: (groups, credentials by Secret name) -> the text the operator would write.
    :ivar permissions: those of this one run.
    :ivar hands: field managers that are people.
    :ivar render_cluster: host -> its ClusterDeployment, complete but for what only the management cluster knows.
    """

    facts: Facts
    release: Release
    layers: frozenset[str]
    announce: bool
    announce_dns: bool
    namespace: str
    kcm_namespace: str
    fleet: str
    check_mode: bool = False
    makes_dns_secret: bool = False
    subjects: tuple[Subject, ...] = ()
    others: tuple[Subject, ...] = ()
    faults: tuple[Fault, ...] = ()
    unparsed: frozenset[str] = frozenset()
    replaced: tuple[ReplacedMap, ...] = ()
    mothership_host: str | None = None
    mothership_in_batch: bool = False
    storage_class: str | None = None
    install_templates: bool = True
    dns_method: str = "none"
    dns_layer: bool = False
    replace_guide_objects: bool = False
    adopt: bool = True
    promxy_memory: Any = None
    hosted_zones: int = 0
    zones: tuple[Zone, ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    render_promxy_config: Callable[[Sequence[Mapping[str, Any]], Mapping[str, tuple[str, str]]], str] | None = None
    permissions: Permissions = field(default_factory=Permissions)
    hands: tuple[str, ...] = HANDS
    render_cluster: Callable[[str], Mapping[str, Any]] | None = None

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
        """The guide's objects of this batch's regional clusters; see guide_objects."""
        expected = [
            Expected(one.name, (one.domain or "").lower(), one.promxy_server_group, one.grafana_datasource)
            for one in self.regionals
        ]
        return guide_objects(self.facts.promxy_server_groups, self.facts.grafana_datasources, expected, self.fleet)

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


def suggestion(name: str, names: Iterable[str]) -> str:
    """`did you mean x?` if a name is alike, else an empty text."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else ""


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
