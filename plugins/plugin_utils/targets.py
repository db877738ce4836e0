# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each layer of a batch must become before the next one may start: the targets of fleet_wait, by host. Pure."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import grafana_datasource
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.mothership_values import expected_deployments
from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import Ref
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import Fleet


def of_layer(fleet: Fleet, layer: str, kcm_version: str) -> list[tuple[str, wait.Target]]:
    """(host, target) of every cluster of the batch in a layer.

    :param kcm_version: the served version of kcm's API.
    """
    if layer == "mothership":
        return [(each.host, target) for each in fleet.of(layer) for target in of_mothership(fleet, kcm_version)]
    namespace, release = fleet.shared("kof_kcm_namespace"), fleet.release
    targets = []
    for cluster in fleet.of(layer):
        ref = Ref(f"{KCM_GROUP}/{kcm_version}", "ClusterDeployment", namespace, cluster.cluster_name)
        targets.append((cluster.host, wait.cluster_deployment(ref)))
        if layer == "regional":
            name = grafana_datasource.name_of(cluster.cluster_name)
            ref = Ref(release.grafana_api_version, "GrafanaDatasource", cluster.namespace, name)
            targets.append((cluster.host, wait.grafana_datasource(ref)))
    return targets


def of_mothership(fleet: Fleet, kcm_version: str) -> list[wait.Target]:
    """What kof-operators and kof-mothership bring and later layers need: Deployments, Secrets, ServiceTemplates."""
    release, namespace = fleet.release, fleet.shared("kof_namespace")
    deployments = {name for each in fleet.of("mothership") for name in expected_deployments(each, release)}
    targets = [wait.deployment(Ref("apps/v1", "Deployment", namespace, name)) for name in sorted(deployments)]
    targets += [
        wait.secret(Ref("v1", "Secret", namespace, name), keys) for name, keys in release.mothership_secrets.items()
    ]
    if all(mothership.install_templates for mothership in fleet.of("mothership")):
        api = f"{KCM_GROUP}/{kcm_version}"
        templates = fleet.shared("kof_kcm_namespace")
        targets += [
            wait.service_template(Ref(api, "ServiceTemplate", templates, name)) for name in release.service_templates
        ]
    return targets
