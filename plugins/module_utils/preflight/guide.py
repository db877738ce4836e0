# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects on the management cluster that stand for a cluster under a name that isn't ours: the guide's above all.

The kof 0.1.1 guide gives every region's PromxyServerGroup and GrafanaDatasource the same fixed names. Beside ours such
a group would double the cluster's series. Pure: listed objects in, findings out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.guards import kept_by
from ansible_collections.k0rdent.kof.plugins.module_utils.identity import (
    domain_of_target,
    domain_of_url,
    fleet_of,
    gitops_keeper,
)

PROMXY_SERVER_GROUP = "PromxyServerGroup"
GRAFANA_DATASOURCE = "GrafanaDatasource"


@dataclass(frozen=True)
class StandIn:
    """An object that stands for one of our regional clusters, but isn't the one this collection makes.

    :ivar kind: PromxyServerGroup or GrafanaDatasource.
    :ivar cluster: name of the cluster it stands for.
    :ivar why: by what it was recognised, `spec.cluster_name is eu1`.
    :ivar fleet: another fleet whose label it carries; None for anybody's.
    :ivar keeper: the software that keeps it, and would make it again; None for a person's or nobody's.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    cluster: str
    why: str
    fleet: str | None
    keeper: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Expected:
    """What of one regional cluster must exist only once: its name, its domain and our objects' names."""

    cluster: str
    domain: str
    promxy_server_group: str
    grafana_datasource: str


def guide_objects(
    promxy_server_groups: Iterable[Mapping[str, Any]],
    grafana_datasources: Iterable[Mapping[str, Any]],
    regionals: Sequence[Expected],
    fleet: str,
) -> list[StandIn]:
    """The PromxyServerGroups and GrafanaDatasources that stand for one of `regionals` under another name than ours.

    A group is recognised by `spec.cluster_name` or by a target on `vmauth.<domain>`; a datasource by an `url` on
    `vmauth.<domain>`, or by having the cluster's name with a logs type. Objects being deleted don't count.
    """
    ours = {
        PROMXY_SERVER_GROUP: {one.promxy_server_group for one in regionals},
        GRAFANA_DATASOURCE: {one.grafana_datasource for one in regionals},
    }
    by_name = {one.cluster: one for one in regionals}
    by_domain = {one.domain: one for one in regionals if one.domain}
    found = []
    for kind, objects, recognise in (
        (PROMXY_SERVER_GROUP, promxy_server_groups, _group_of),
        (GRAFANA_DATASOURCE, grafana_datasources, _datasource_of),
    ):
        for item in objects:
            meta = item["metadata"]
            if meta["name"] in ours[kind] or meta.get("deletionTimestamp"):
                continue
            match = recognise(item, by_name, by_domain)
            if match:
                regional, why = match
                found.append(_stand_in(item, kind, regional, why, fleet))
    return found


def _stand_in(item: Mapping[str, Any], kind: str, regional: Expected, why: str, fleet: str) -> StandIn:
    meta = item["metadata"]
    part_of = fleet_of(item)
    return StandIn(
        item.get("apiVersion", ""),
        kind,
        meta.get("namespace", ""),
        meta["name"],
        meta.get("uid", ""),
        meta.get("resourceVersion", ""),
        regional.cluster,
        why,
        part_of if part_of not in (None, fleet) else None,
        kept_by(item) or gitops_keeper(item),
    )


def _group_of(
    item: Mapping[str, Any], by_name: Mapping[str, Expected], by_domain: Mapping[str, Expected]
) -> tuple[Expected, str] | None:
    spec = item.get("spec") or {}
    name = str(spec.get("cluster_name"))
    if name in by_name:
        return by_name[name], f"spec.cluster_name is {name}"
    for target in spec.get("targets") or ():
        domain = domain_of_target(target)
        if domain and domain in by_domain:
            return by_domain[domain], f"its target is {target}"
    return None


def _datasource_of(
    item: Mapping[str, Any], by_name: Mapping[str, Expected], by_domain: Mapping[str, Expected]
) -> tuple[Expected, str] | None:
    datasource = (item.get("spec") or {}).get("datasource") or {}
    domain = domain_of_url(datasource.get("url"))
    if domain and domain in by_domain:
        return by_domain[domain], f"its url is {datasource['url']}"
    name = str(datasource.get("name"))
    if name in by_name and "logs" in str(datasource.get("type", "")):
        return by_name[name], f"spec.datasource.name is {name}"
    return None
