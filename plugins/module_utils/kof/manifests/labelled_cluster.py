# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClusterDeployment of a cluster that kof's operator and MultiClusterServices know by its labels (kof 0.2 and later).

For lines not offered yet. The services' values are text under annotations of the cluster, and no service of kof is in
its spec. Empty values are left out, so that a live object can be compared field by field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import REGIONAL_LABEL, ROLE_LABEL
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.cluster_deployment import extra_service
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text import yaml_text
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged

#: Written by us, or kof's operator does it and owns more of the object than its label from then on.
NAME_LABEL = f"{KCM_GROUP}/kof-cluster-name"
#: Selected by from 1.11 on.
VERSION_LABEL = f"{KCM_GROUP}/kof-version"
DOMAIN, EMAIL, STORAGE_CLASS, HTTP_CONFIG = (
    f"{KCM_GROUP}/kof-{name}" for name in ("regional-domain", "cert-email", "storage-class", "http-config")
)
#: Ours, on a child: a hash of what is said of how its regional cluster is reached.
REGIONAL_CONFIG = "k0rdent-kof/regional-config"
#: kof's own, where no annotation says otherwise.
_DIAL_TIMEOUT = "5s"


def regional(regional: Regional, *, release: Labels, kcm_version: str, template: str) -> dict[str, Any]:
    """The ClusterDeployment of a regional cluster.

    :param kcm_version: the version of kcm's API the management cluster serves.
    :param template: name of a ClusterTemplate.
    """
    settings = {DOMAIN: regional.domain, EMAIL: regional.admin_email}
    if regional.storage_class:
        settings[STORAGE_CLASS] = regional.storage_class
    return _cluster(
        regional,
        release,
        f"{KCM_GROUP}/{kcm_version}",
        template,
        labels={
            ROLE_LABEL: "regional",
            **({release.dns.label: "true"} if regional.external_dns == "secret" else {}),
        },
        annotations=_http_config(regional),
        settings=settings,
        values={"kof-storage": kof_storage(regional, release)},
    )


def child(
    child: Child,
    *,
    release: Labels,
    kcm_version: str,
    template: str,
    regional_name: str,
    regional_config: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The ClusterDeployment of a child cluster.

    :param kcm_version: the version of kcm's API the management cluster serves.
    :param template: name of a ClusterTemplate.
    :param regional_name: its regional cluster; without it kof's operator would choose one, and keep to it.
    :param regional_config: what kof's operator says of how that is reached; None where nothing is said yet.
    """
    # In another region or cloud kof's operator doesn't hear of a change there before this object is touched.
    text = json.dumps(regional_config, sort_keys=True)
    reached = {REGIONAL_CONFIG: hashlib.sha256(text.encode()).hexdigest()[:16]} if regional_config else {}
    return _cluster(
        child,
        release,
        f"{KCM_GROUP}/{kcm_version}",
        template,
        labels={ROLE_LABEL: "child", REGIONAL_LABEL: regional_name},
        annotations=reached,
        settings={},
        values={} if child.opencost else {"kof-collectors": {"opencost": {"enabled": False}}},
    )


def kof_storage(regional: Regional, release: Labels) -> dict[str, Any]:
    """Values of kof-storage beyond what kof's MultiClusterService says for all."""
    # Never left out: kof switches it on for all regions wherever a Secret named external-dns* is, and it then waits
    # for one that this region hasn't got, and all that is installed after it with it.
    external_dns: dict[str, Any] = {"enabled": regional.external_dns != "none"}
    if regional.external_dns == "node":
        external_dns.update(release.dns.without_secret)
    values: dict[str, Any] = {
        "external-dns": external_dns,
        "victoria-logs-cluster": {"vlstorage": {"persistentVolume": {"size": regional.logs_storage_size}}},
    }
    if regional.retention:
        values["victoriametrics"] = {"vmcluster": {"spec": {"retentionPeriod": regional.retention}}}
    return values


def _http_config(regional: Regional) -> dict[str, str]:
    skip = regional.promxy_insecure_skip_verify
    if not skip and regional.promxy_dial_timeout == _DIAL_TIMEOUT:
        return {}
    found = {"dial_timeout": regional.promxy_dial_timeout, "tls_config": {"insecure_skip_verify": skip}}
    return {HTTP_CONFIG: json.dumps(found, separators=(",", ":"))}


def _cluster(
    cluster: Regional | Child,
    release: Labels,
    api_version: str,
    template: str,
    *,
    labels: Mapping[str, str],
    settings: Mapping[str, str],
    values: Mapping[str, Mapping[str, Any]],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    ours = {**labels, NAME_LABEL: cluster.cluster_name, VERSION_LABEL: release.version}
    deployment = head(
        api_version,
        "ClusterDeployment",
        cluster.cluster_name,
        cluster.fleet,
        cluster.kcm_namespace,
        labels={**cluster.labels, **ours},
        annotations=annotations,
    )
    extra = {service["name"]: service for service in cluster.extra_services}
    users = {name: theirs for name, theirs in cluster.service_values.items() if name not in extra}
    by_service = {name: merged(values.get(name, {}), users.get(name, {})) for name in {**values, **users}}
    settings = {
        **settings,
        # Sorted: the same values written in another order are no change.
        **{release.settings[name]: yaml_text.dump(text, sort_keys=True) for name, text in by_service.items() if text},
    }
    # Never null: kof's operator reads it without looking, for this cluster and for each regional it serves.
    config = dict(cluster.config)
    if settings:
        config["clusterAnnotations"] = {**(config.get("clusterAnnotations") or {}), **settings}
    theirs = {**(config.get("clusterLabels") or {}), **cluster.cluster_labels}
    if theirs:
        # With labels of its own the cluster doesn't get those of the ClusterDeployment.
        of_kof = {key: value for key, value in deployment["metadata"]["labels"].items() if key.startswith(KCM_GROUP)}
        config["clusterLabels"] = {**theirs, **of_kof}
    deployment["spec"] = {
        "template": template,
        "credential": cluster.credential,
        "cleanupOnDeletion": True,
        "config": config,
    }
    if not cluster.propagate_credentials:
        deployment["spec"]["propagateCredentials"] = False
    if extra:
        services = [extra_service(each, cluster.service_values.get(name, {})) for name, each in extra.items()]
        deployment["spec"]["serviceSpec"] = {"priority": cluster.service_priority, "services": services}
    return deployment
