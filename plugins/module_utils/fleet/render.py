# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From parsed clusters to the objects of a layer, by host: what fleet_apply sends and fleet_render writes.

Pure but for `look_up`, the few reads a rendering depends on (served API version, templates, what is there already).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Installed, Known, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP, KCM_VERSIONS, NoKcm, version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.templates import (
    labels_nobody,
    template_for,
    unlabelled_told,
)


@dataclass
class Surroundings:
    """What the management cluster says that a rendering depends on.

    :ivar kcm_version: the version of k0rdent.mirantis.com it serves (discovered, not assumed).
    :ivar templates: the ClusterTemplates of the kcm namespace.
    :ivar deployments: the live ClusterDeployments by name: they keep their template, and carry a regional's domain.
    :ivar server_groups: lists the PromxyServerGroups, where a regional's domain is looked for that we didn't make.
    """

    kcm_version: str
    templates: list[dict[str, Any]] = field(default_factory=list)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    offline: bool = False
    server_groups: Callable[[], list[dict[str, Any]]] = list

    @functools.cached_property
    def live(self) -> Known:
        """What parts may depend on that is listed anyway."""
        return Known({ref_of(each): each for each in self.deployments.values()})

    def config_of(self, template: str) -> dict[str, Any] | None:
        """What a ClusterTemplate's `config` may have, as it says itself; None where it isn't there or says nothing."""
        found = (each.get("status") or {} for each in self.templates if each["metadata"]["name"] == template)
        config = next(found, {}).get("config")
        return config if isinstance(config, dict) else None


def kcm_version_of(connection: Connection, *, may_be_gone: bool = False) -> str:
    """The version of kcm's API to speak with the management cluster.

    :param may_be_gone: where kcm's API isn't served at all, a version of which nothing is found then.
    :raises FleetFault: it serves none that is known here.
    """
    if may_be_gone and connection.api_groups(KCM_GROUP) is None:
        return KCM_VERSIONS[-1]
    try:
        return version_of(connection)
    except NoKcm as problem:
        raise FleetFault(f"{problem}. Check kof_kubeconfig and kof_context; nothing was changed.") from None


def look_up(connection: Connection, fleet: Fleet, layer: str) -> Surroundings:
    """Three reads, however many clusters the batch has; one for the mothership, which needs no template.

    :raises FleetFault: the API server doesn't serve kcm's API group.
    """
    version = kcm_version_of(connection)
    if layer == "mothership":
        return Surroundings(version)
    api, kcm_namespace = f"{KCM_GROUP}/{version}", fleet.shared("kof_kcm_namespace")
    deployments, _version = connection.list_objects(connection.path(api, "ClusterDeployment", kcm_namespace))
    templates, _version = connection.list_objects(connection.path(api, "ClusterTemplate", kcm_namespace))
    by_name = {each["metadata"]["name"]: each for each in deployments}
    groups = functools.partial(_server_groups, connection, fleet)
    return Surroundings(version, templates, by_name, server_groups=groups)


def rights(given: Given[Any], kcm_namespace: str) -> Iterator[Right]:
    """What applying clusters reads beside their parts: here, and in own_cluster.py."""
    for kind in ("ClusterTemplate", "Credential"):
        yield right("apply", Ref(given.kcm_api, kind, kcm_namespace, ""), "list")


def _server_groups(connection: Connection, fleet: Fleet) -> list[dict[str, Any]]:
    api, kind = fleet.release.promxy.api_version, PROMXY_SERVER_GROUP
    if connection.resource(api, kind) is None:
        return []
    return connection.list_objects(connection.path(api, kind, fleet.shared("kof_namespace")))[0]


def offline(release: Release) -> Surroundings:
    """What a release's own management cluster would say, for rendering without one."""
    return Surroundings(release.needs.kcm, offline=True)


def template_of(cluster: Any, layer: str, surroundings: Surroundings, release: Release) -> str | Fault:
    """The ClusterTemplate of a cluster (see template_for), or the fault that there is none, or that it can't be."""
    live = surroundings.deployments.get(cluster.cluster_name)
    chosen = template_for(cluster.template, cluster.template_kind, live, surroundings.templates)
    needs = release.needs
    found = (each for each in surroundings.templates if each["metadata"]["name"] == chosen)
    if needs.unlabelled and any(labels_nobody(each, needs.unlabelled) for each in found):
        return Fault(cluster.host, f"{layer}_template_kind", *unlabelled_told(str(chosen), needs.k0rdent_below))
    if chosen:
        return chosen
    if surroundings.offline:
        return f"{cluster.template_kind}-{release.cluster_template_version}"
    return Fault(
        cluster.host,
        f"{layer}_template_kind",
        f"no valid ClusterTemplate of kind {cluster.template_kind} in the kcm namespace",
        "one that `kubectl get clustertemplate -A` shows as valid, without its version: aws-standalone-cp",
    )


def layer_objects(
    fleet: Fleet, layer: str, surroundings: Surroundings, domains: Mapping[str, str]
) -> tuple[dict[str, list[dict[str, Any]]], list[Fault]]:
    """The objects of every cluster of a layer, by host; the first of each is the cluster itself.

    :param domains: of each child's regional, by the regional's host name.
    """
    made: dict[str, list[dict[str, Any]]] = {}
    faults: list[Fault] = []
    for cluster in fleet.of(layer):
        template = "" if layer == "mothership" else template_of(cluster, layer, surroundings, fleet.release)
        if isinstance(template, Fault):
            faults.append(template)
            continue
        domain = domains[cluster.regional] if layer == "child" else None
        given = Given(
            fleet.release,
            surroundings.kcm_version,
            template,
            domain,
            live=surroundings.live,
            template_config=surroundings.config_of(template),
        )
        made[cluster.host] = objects(layer, cluster, given)
    return made, faults


def helm_releases(fleet: Fleet) -> list[dict[str, Any]]:
    """What helm is to install on the management cluster, in this order; see mothership_values.releases."""
    given = Given(fleet.release, fleet.release.needs.kcm)
    return [made for cluster in fleet.of("mothership") for made in objects("mothership", cluster, given, Installed)]
