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
from urllib.parse import urlsplit

PROMXY_SERVER_GROUP = "PromxyServerGroup"
GRAFANA_DATASOURCE = "GrafanaDatasource"
#: The first label of the host name under which a regional cluster's vmauth is reached.
VMAUTH = "vmauth."
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
OURS = "k0rdent.kof"
#: Annotation of a regional ClusterDeployment of ours, so that its children need no inventory to find the domain.
DOMAIN_ANNOTATION = "k0rdent-kof/regional-domain"


@dataclass(frozen=True)
class StandIn:
    """An object that stands for one of our regional clusters, but isn't the one this collection makes.

    :ivar kind: PromxyServerGroup or GrafanaDatasource.
    :ivar cluster: name of the cluster it stands for.
    :ivar why: by what it was recognised, `spec.cluster_name is eu1`.
    :ivar fleet: another fleet whose label it carries; None for anybody's.
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
    )


def fleet_of(item: Mapping[str, Any]) -> str | None:
    """The fleet of an object that this collection made; None for anybody else's object."""
    labels = item["metadata"].get("labels") or {}
    return labels.get(PART_OF) if labels.get(MANAGED_BY) == OURS else None


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


def domain_of_target(target: object) -> str | None:
    """`vmauth.eu1.kof.example.com:443` -> `eu1.kof.example.com`; None for a target that isn't a vmauth."""
    host = target.rpartition(":")[0] or target if isinstance(target, str) else ""
    return host[len(VMAUTH) :].lower() if host.startswith(VMAUTH) else None


def domain_of_url(url: object) -> str | None:
    """`https://vmauth.eu1.kof.example.com/vls` -> `eu1.kof.example.com`; None for an url that isn't a vmauth's."""
    try:
        host = urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return None
    return host[len(VMAUTH) :] if host.startswith(VMAUTH) else None


def regional_domains(
    cluster_deployments: Iterable[Mapping[str, Any]], promxy_server_groups: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """The domain of every regional cluster that is live, by the cluster's name.

    Our annotation says it; for a regional made by hand with the guide, the target of its PromxyServerGroup does.
    Groups for clusters without a ClusterDeployment are left out: they are no place for a child to send to.
    """
    domains: dict[str, str] = {}
    for group in promxy_server_groups:
        spec = group.get("spec") or {}
        for target in spec.get("targets") or ():
            domain = domain_of_target(target)
            if domain and isinstance(spec.get("cluster_name"), str):
                domains.setdefault(spec["cluster_name"], domain)
    live: dict[str, str] = {}
    for item in cluster_deployments:
        name = item["metadata"]["name"]
        domain = (item["metadata"].get("annotations") or {}).get(DOMAIN_ANNOTATION) or domains.get(name)
        if domain:
            live[name] = domain
    return live
