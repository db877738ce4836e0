# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClusterDeployment of kcm: a regional or a child cluster and the services in it.

Empty values are left out and the API's defaults inside lists are written out (a service's namespace), so that a live
object can be compared field by field. `v1alpha1` and `v1beta1` have the same fields as far as they are used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct, Service
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import service_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text import yaml_text
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged

#: A regional's domain, for children whose regional is in another inventory.
DOMAIN_ANNOTATION = "k0rdent-kof/regional-domain"


def regional(regional: Regional, *, release: Direct, kcm_version: str, template: str) -> dict[str, Any]:
    """The ClusterDeployment of a regional cluster.

    :param kcm_version: the version of kcm's API the management cluster serves: v1alpha1 or v1beta1.
    :param template: name of a ClusterTemplate.
    """
    ours = {release.vmuser_label: "true"}
    if regional.external_dns == "secret":
        ours[release.dns.label] = "true"
    return _cluster(
        regional,
        release.services["regional"],
        service_values.regional_values(regional, release),
        api_version=f"{KCM_GROUP}/{kcm_version}",
        template=template,
        labels=release.cluster_labels["regional"],
        cluster_labels=ours,
        annotations={DOMAIN_ANNOTATION: regional.domain},
    )


def child(
    child: Child, *, release: Direct, kcm_version: str, template: str, regional_domain: str | None
) -> dict[str, Any]:
    """The ClusterDeployment of a child cluster.

    :param kcm_version: the version of kcm's API the management cluster serves: v1alpha1 or v1beta1.
    :param template: name of a ClusterTemplate.
    :param regional_domain: of its regional cluster; None for services without their values.
    """
    return _cluster(
        child,
        release.services["child"],
        {} if regional_domain is None else service_values.child_values(child, release, regional_domain),
        api_version=f"{KCM_GROUP}/{kcm_version}",
        template=template,
        labels=release.cluster_labels["child"],
        cluster_labels={release.vmuser_label: "true"},
    )


def _cluster(
    cluster: Regional | Child,
    services: tuple[Service, ...],
    values: Mapping[str, dict[str, Any]],
    *,
    api_version: str,
    template: str,
    labels: Mapping[str, str],
    cluster_labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    deployment = head(
        api_version,
        "ClusterDeployment",
        cluster.cluster_name,
        cluster.fleet,
        cluster.kcm_namespace,
        labels={**labels, **cluster.labels},
        annotations=annotations,
    )
    # kcm takes the object's own labels for the CAPI cluster only where config has no clusterLabels; ours are there.
    theirs = cluster.config.get("clusterLabels") or {}
    config = {**cluster.config, "clusterLabels": {**theirs, **cluster.cluster_labels, **cluster_labels}}
    deployment["spec"] = {
        "template": template,
        "credential": cluster.credential,
        "config": config,
        "serviceSpec": {
            "priority": cluster.service_priority,
            "services": [
                *(_service(cluster, service, values.get(service.name, {})) for service in services),
                *(extra_service(service, values.get(service["name"], {})) for service in cluster.extra_services),
            ],
        },
    }
    if not cluster.propagate_credentials:
        deployment["spec"]["propagateCredentials"] = False
    return deployment


def _service(cluster: Regional | Child, service: Service, values: Mapping[str, Any]) -> dict[str, Any]:
    template = cluster.service_templates.get(service.name, service.template)
    namespace = service.namespace or cluster.namespace
    wanted: dict[str, Any] = {"name": service.name, "namespace": namespace, "template": template, **_values(values)}
    return {**wanted, "disable": True} if service.name in cluster.disabled_services else wanted


def extra_service(service: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A service of the user's as kcm takes it.

    :param values: merged over its own.
    """
    wanted = {
        "name": service["name"],
        "namespace": service.get("namespace", service["name"]),
        "template": service["template"],
    }
    wanted.update(_values(merged(service.get("values", {}), values)))
    if service.get("valuesFrom"):
        wanted["valuesFrom"] = [dict(source) for source in service["valuesFrom"]]
    if service.get("disable"):
        wanted["disable"] = True
    return wanted


def regional_domain_of(cluster: Mapping[str, Any] | None) -> str | None:
    """The domain that a live regional ClusterDeployment carries as our annotation; None for any other, and for none."""
    return ((cluster or {}).get("metadata", {}).get("annotations") or {}).get(DOMAIN_ANNOTATION)


def _values(values: Mapping[str, Any]) -> dict[str, str]:
    # Sorted: the same values written in another order are no change.
    return {"values": yaml_text.dump(values, sort_keys=True)} if values else {}
