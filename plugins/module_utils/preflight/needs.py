# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kinds preflight looks at, and which rights the jobs after it need: both by the parts of what a run is about.

Pure. What helm needs for the charts is charts.py's to say; facts.py looks, and asks who has the rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import (
    access,
    backup,
    dashboards,
    deletion,
    dns_credentials,
    lease,
    record,
    render,
    status,
    support,
    verify,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.awaited import SVELTOS_CLUSTERS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Part, Right, right, rights
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.jobs import JOBS

OF_CLUSTERS = frozenset({"regional", "child"})
#: In the order in which Kubernetes' own documentation has them.
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")


@dataclass(frozen=True)
class Need:
    """A right that a layer needs.

    :ivar namespace: where; None for cluster-wide.
    :ivar layer: dns_credentials | mothership | regional | child.
    :ivar name: of the one object that it is about; empty for all.
    :ivar optional: the layer can do without: only the record of the run isn't kept then.
    """

    verb: str
    group: str
    resource: str
    namespace: str | None
    layer: str
    name: str = ""
    optional: bool = False


class Look(NamedTuple):
    """A kind that is listed.

    :ivar fact: of Facts, where it goes.
    :ivar needed: nothing can be said without it; else it is told that it couldn't be read.
    """

    fact: str
    of: Ref
    needed: bool = True

    @property
    def right(self) -> Right:
        return right("look", self.of, "list")

    @property
    def path(self) -> str:
        """Of the list, at the API server."""
        space = f"/namespaces/{self.of.namespace}" if self.of.namespace else ""
        return f"/apis/{self.of.api_version}{space}/{self.right.resource}"


@dataclass(frozen=True)
class Walk:
    """What a run is about.

    :ivar clusters: by layer, one of the model's, which stands for all: they share what they are written for, and the
        namespaces. Of dns_credentials its options.
    :ivar release: the line's data.
    :ivar jobs: see JOBS.
    """

    clusters: Mapping[str, Any]
    release: Direct
    namespace: str
    kcm_namespace: str
    jobs: tuple[str, ...] = JOBS["apply"]

    @property
    def layers(self) -> frozenset[str]:
        """Those of clusters."""
        return frozenset(self.clusters) - {"dns_credentials"}

    def looks(self, kcm_version: str) -> list[Look]:
        """
        :param kcm_version: of kcm's API, as the management cluster serves it.
        """
        given = self._given(kcm_version)
        # Also where no cluster of the batch can be read: k0rdent is there all the same.
        of_layers = (look for layer in self.clusters for look in self._looks(layer, given))
        return list({look.fact: look for look in (*_of_all(given), *of_layers)}.values())

    def needs(self, kcm_version: str) -> tuple[Need, ...]:
        """Every right that the jobs need, once, with the first layer that does."""
        found: dict[tuple[str, str, str | None], dict[tuple[str, str], Need]] = {}
        for layer in sorted(self.clusters):
            for each in self._rights(layer, self._given(kcm_version)):
                where = each.group, each.resource, each.namespace
                for verb in each.verbs if each.job in self.jobs else ():
                    need = Need(verb, *where, layer, each.name, each.job == "record")
                    known = found.setdefault(where, {}).setdefault((verb, each.name), need)
                    if known.optional and not need.optional:
                        found[where][verb, each.name] = need
        return tuple(
            need
            for those in found.values()
            for need in sorted(those.values(), key=lambda need: VERBS.index(need.verb))
            if not need.name or (need.verb, "") not in those  # who may do it with all may do it with one
        )

    def _given(self, kcm_version: str) -> Given[Any]:
        return Given(self.release, kcm_version)

    def _parts(self, layer: str, given: Given[Any]) -> tuple[Part, ...]:
        cluster = self.clusters[layer]
        return dns_credentials.parts(cluster) if layer == "dns_credentials" else parts(layer, cluster, given)

    def _looks(self, layer: str, given: Given[Any]) -> Iterator[Look]:
        kcm = given.kcm_api
        yield from _of_all(given)
        if layer == "mothership":
            yield Look("storage_classes", Ref("storage.k8s.io/v1", "StorageClass", None, ""))
            if self.clusters[layer].dashboards:
                sources = Ref(self.release.grafana.api_version, GRAFANA_DATASOURCE, self.namespace, "")
                yield Look("grafana_datasources", sources, needed=False)
        if layer not in OF_CLUSTERS:
            return
        for kind, fact in _OF_KCM.items():
            yield Look(fact, Ref(kcm, kind, self.kcm_namespace, ""))
        yield Look("sveltos_clusters", Ref(SVELTOS_CLUSTERS, "SveltosCluster", self.kcm_namespace, ""))
        # Who adds children alone need not see where promxy reads from, and is told what he can't.
        for fact, api_version, kind in (
            ("promxy_server_groups", self.release.promxy.api_version, PROMXY_SERVER_GROUP),
            ("grafana_datasources", self.release.grafana.api_version, GRAFANA_DATASOURCE),
        ):
            yield Look(fact, Ref(api_version, kind, self.namespace, ""), needed=layer == "regional")

    def _rights(self, layer: str, given: Given[Any]) -> Iterator[Right]:
        yield from (look.right for look in self._looks(layer, given) if look.needed)
        for part in self._parts(layer, given):
            yield from rights(part)
        if layer == "dns_credentials":
            yield from dns_credentials.rights(self.clusters[layer])
        if getattr(self.clusters[layer], "dashboards", None) is not None:
            yield from dashboards.rights(self.release, self.namespace)
        if layer in OF_CLUSTERS:
            yield from render.rights(given, self.kcm_namespace)
            yield from deletion.rights(layer, given, self.kcm_namespace)
        if layer in LAYERS:
            yield from verify.rights(layer, self.clusters[layer], given)
        yield from status.rights(layer, given, self.namespace, self.kcm_namespace)
        yield from record.rights("record", self.namespace)
        if layer != "dns_credentials" or any(isinstance(part.what, Ref) for part in self._parts(layer, given)):
            yield from lease.rights(self.kcm_namespace)
        yield from support.rights(self.namespace, self.kcm_namespace)
        yield from access.rights(self.namespace)
        yield from backup.rights(given, self.namespace, self.kcm_namespace)
        if layer == "regional":
            # The logins of all regions, which promxy's operator doesn't escape.
            yield right("apply", Ref("v1", "Secret", self.namespace, ""), "get")


def _of_all(given: Given[Any]) -> Iterator[Look]:
    yield Look("managements", Ref(given.kcm_api, "Management", None, ""))
    yield Look("releases", Ref(given.kcm_api, "Release", None, ""), needed=False)


_OF_KCM = {
    "Credential": "credentials",
    "ClusterTemplate": "cluster_templates",
    "ServiceTemplate": "service_templates",
    "ClusterDeployment": "cluster_deployments",
}
