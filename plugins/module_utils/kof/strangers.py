# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects on the management cluster that stand for a cluster under a name that isn't ours: the guide's above all.

The kof 0.1.1 guide gives every region's PromxyServerGroup and GrafanaDatasource the same fixed names. Beside ours such
a group would double the cluster's series. Pure: listed objects in, findings out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Part, Sign, Signs
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import kept_by
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    domain_of_target,
    domain_of_url,
    fleet_of,
    gitops_keeper,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional

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


def stood_for(parts: Iterable[Part]) -> Iterator[tuple[Ref, Signs]]:
    """The parts for which another object of their kind may stand, and by what that is seen."""
    return ((part.what, part.stand_in) for part in parts if part.stand_in and isinstance(part.what, Ref))


def stand_ins(
    live: Mapping[str, Iterable[Mapping[str, Any]]], parts: Mapping[str, Iterable[Part]], fleet: str
) -> list[StandIn]:
    """What stands for one of these clusters under another name than ours. One that is being deleted doesn't.

    :param live: objects by kind.
    :param parts: by the cluster's name.
    """
    ours: set[tuple[str, str]] = set()
    clusters: dict[tuple[str, Any], dict[Sign, str]] = {}
    for cluster, those in parts.items():
        for ref, signs in stood_for(those):
            ours.add((ref.kind, ref.name))
            told = clusters.setdefault((ref.kind, signs.read), {})
            for sign in signs.ours:
                told.setdefault(sign, cluster)
    found = []
    for (kind, read), told in clusters.items():
        for item in live.get(kind, ()):
            meta = item["metadata"]
            if (kind, meta["name"]) in ours or meta.get("deletionTimestamp"):
                continue
            stands = next(((told[sign], why) for sign, why in read(item) if sign in told), None)
            if stands:
                found.append(_stand_in(item, kind, *stands, fleet))
    return found


def _stand_in(item: Mapping[str, Any], kind: str, cluster: str, why: str, fleet: str) -> StandIn:
    meta = item["metadata"]
    part_of = fleet_of(item)
    return StandIn(
        item.get("apiVersion", ""),
        kind,
        meta.get("namespace", ""),
        meta["name"],
        meta.get("uid", ""),
        meta.get("resourceVersion", ""),
        cluster,
        why,
        part_of if part_of not in (None, fleet) else None,
        kept_by(item) or gitops_keeper(item),
    )


def signs(cluster: Regional) -> frozenset[Sign]:
    """What tells of a regional cluster."""
    return frozenset({("cluster", cluster.cluster_name), ("domain", cluster.domain)})


def read_from(group: Mapping[str, Any]) -> Iterator[tuple[Sign, str]]:
    """Of whom a PromxyServerGroup tells: by `spec.cluster_name`, and by targets on `vmauth.<domain>`."""
    spec = group.get("spec") or {}
    name = str(spec.get("cluster_name"))
    yield ("cluster", name), f"spec.cluster_name is {name}"
    for target in spec.get("targets") or ():
        yield ("domain", domain_of_target(target) or ""), f"its target is {target}"


def shown_from(datasource: Mapping[str, Any]) -> Iterator[tuple[Sign, str]]:
    """Of whom a GrafanaDatasource tells: by an `url` on `vmauth.<domain>`, and by its name where it is of logs."""
    found = (datasource.get("spec") or {}).get("datasource") or {}
    yield ("domain", domain_of_url(found.get("url")) or ""), f"its url is {found.get('url')}"
    if "logs" in str(found.get("type", "")):
        yield ("cluster", str(found.get("name"))), f"spec.datasource.name is {found.get('name')}"
