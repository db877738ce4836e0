# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From parsed clusters to the objects of a layer, by host: what fleet_apply sends and fleet_render writes.

Pure but for `look_up`, the few reads a rendering depends on (served API version, templates, what is there already).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kcm import KCM_GROUP, NoKcm, version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import (
    cluster_deployment,
    grafana_datasource,
    namespace,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.guide import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.templates import template_for
from ansible_collections.k0rdent.kof.plugins.module_utils.releases import Release
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import Fleet, FleetFault


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


def kcm_version_of(connection: Connection) -> str:
    """The version of kcm's API to speak with the management cluster.

    :raises FleetFault: it serves none that is known here.
    """
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


def _server_groups(connection: Connection, fleet: Fleet) -> list[dict[str, Any]]:
    api, kind = fleet.release.promxy_api_version, PROMXY_SERVER_GROUP
    if connection.resource(api, kind) is None:
        return []
    return connection.list_objects(connection.path(api, kind, fleet.shared("kof_namespace")))[0]


def offline(release: Release) -> Surroundings:
    """What a release's own management cluster would say, for rendering without one."""
    return Surroundings(release.kcm_version, offline=True)


def template_of(cluster: Any, layer: str, surroundings: Surroundings, release: Release) -> str | Fault:
    """The ClusterTemplate of a cluster (see template_for), or the fault that there is none."""
    live = surroundings.deployments.get(cluster.cluster_name)
    chosen = template_for(cluster.template, cluster.template_kind, live, surroundings.templates)
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
    release = fleet.release
    objects: dict[str, list[dict[str, Any]]] = {}
    faults: list[Fault] = []
    for cluster in fleet.of(layer):
        if layer == "mothership":
            objects[cluster.host] = [namespace.namespace(fleet.shared("kof_namespace"), fleet.shared("kof_fleet"))]
            continue
        template = template_of(cluster, layer, surroundings, release)
        if isinstance(template, Fault):
            faults.append(template)
            continue
        wanted: dict[str, Any] = {"release": release, "kcm_version": surroundings.kcm_version, "template": template}
        if layer == "regional":
            objects[cluster.host] = [
                cluster_deployment.regional(cluster, **wanted),
                promxy_server_group.of_regional(cluster, release),
                grafana_datasource.of_regional(cluster, release),
            ]
        else:
            domain = domains[cluster.regional]
            objects[cluster.host] = [cluster_deployment.child(cluster, **wanted, regional_domain=domain)]
    return objects, faults
