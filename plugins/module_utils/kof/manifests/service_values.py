# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm values of the services of regional and child clusters. Dicts only; `cluster_deployment` makes their text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import external_dns
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.image_values import with_images
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Mothership, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged


def with_settings(values: dict[str, Any], chart: str, cluster: Mothership | Regional | Child, release: Direct) -> Any:
    """Values of a chart with the options that are one value of it."""
    for name, said in cluster.settings.items():
        setting = release.options[name]
        if setting.chart == chart:
            for key in reversed(setting.path):
                said = {key: said}
            values = merged(values, said)
    return values


def regional_values(regional: Regional, release: Direct) -> dict[str, dict[str, Any]]:
    """Values by service of a regional cluster, the user's merged over ours; services without any are absent."""
    ours = {"cert-manager": dict(release.cert_manager_values), "kof-storage": kof_storage(regional, release)}
    found = _with_users(_with_images(ours, "regional", regional, release), regional.service_values)
    storage, section = found["kof-storage"], external_dns.SECTION
    if isinstance(storage.get(section), Mapping):
        arguments = ours["kof-storage"][section].get("extraArgs", ())
        storage[section] = external_dns.with_users_arguments(storage[section], arguments)
    return found


def child_values(child: Child, release: Direct, regional_domain: str) -> dict[str, dict[str, Any]]:
    """Values by service of a child cluster, the user's merged over ours; services without any are absent.

    :param regional_domain: of its regional cluster.
    """
    collectors = kof_collectors(child, release, regional_domain)
    ours = {"cert-manager": dict(release.cert_manager_values), "kof-collectors": collectors}
    return _with_users(_with_images(ours, "child", child, release), child.service_values)


def kof_storage(regional: Regional, release: Direct) -> dict[str, Any]:
    """Values of kof-storage. The keys are those the chart's templates read, which the guide's partly are not."""
    user_key, password_key = release.vmuser_keys
    volume: dict[str, Any] = {"enabled": True, "size": regional.logs_storage_size}
    metrics: dict[str, Any] = {
        "vmauth": {
            "credentials": {
                "username_key": user_key,
                "password_key": password_key,
                "credentials_secret_name": regional.vmuser_secret,
            },
            "ingress": {"host": vmauth_of(regional.domain)},
        }
    }
    values: dict[str, Any] = {
        "cert-manager": {"email": regional.admin_email},
        external_dns.SECTION: external_dns.values(regional, release.dns.without_secret),
        "grafana": {
            "ingress": {"host": f"grafana.{regional.domain}"},
            "security": {"credentials_secret_name": release.grafana.secret},
        },
        # Without persistentVolume the logs are on an emptyDir and gone with their pod.
        "victoria-logs-single": {"server": {"persistentVolume": volume}},
        "victoriametrics": metrics,
    }
    if regional.storage_class:
        values["global"] = {"storageClass": regional.storage_class}
        volume["storageClassName"] = regional.storage_class
    if regional.cluster_issuer:
        # Ingresses name this one whatever makes it; cert-manager's kinds are there before the chart, so a subchart that
        # takes any object can bring it.
        issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": release.issuer}}
        values["cert-manager"]["enabled"] = False
        values["victoria-metrics-operator"] = {"extraObjects": [{**issuer, "spec": regional.cluster_issuer}]}
    return with_settings(values, "kof-storage", regional, release)


def kof_collectors(child: Child, release: Direct, regional_domain: str) -> dict[str, Any]:
    """Values of kof-collectors: everything is sent to the regional cluster's vmauth."""
    user_key, password_key = release.vmuser_keys
    base = f"https://{vmauth_of(regional_domain)}"
    credentials = {
        "username_key": user_key,
        "password_key": password_key,
        "credentials_secret_name": child.vmuser_secret,
    }
    values: dict[str, Any] = {
        "global": {"clusterName": child.cluster_name},
        "kof": {
            "logs": {**credentials, "endpoint": base + release.paths.write_logs},
            "metrics": {**credentials, "endpoint": base + release.paths.write_metrics},
        },
        "opencost": {"enabled": child.opencost},
    }
    if child.opencost:
        values["opencost"]["opencost"] = {
            "exporter": {"defaultClusterId": child.cluster_name},
            "prometheus": {
                "username_key": user_key,
                "password_key": password_key,
                "existingSecretName": child.vmuser_secret,
                "external": {"url": base + release.paths.read_metrics},
            },
        }
    return with_settings(values, "kof-collectors", child, release)


def _with_images(
    ours: Mapping[str, dict[str, Any]], layer: str, cluster: Regional | Child, release: Direct
) -> dict[str, dict[str, Any]]:
    """With those of a mirror, also of services that have no values otherwise."""
    of_all = {name: with_images(ours.get(name, {}), name, cluster, release) for name in release.service_names(layer)}
    return {name: values for name, values in of_all.items() if values or name in ours}


def _with_users(ours: Mapping[str, dict[str, Any]], users: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: merged(ours.get(name, {}), users.get(name, {})) for name in {**ours, **users}}
