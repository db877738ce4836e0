# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm values of the services of regional and child clusters. Dicts only; `cluster_deployment` makes their text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Regional


def merged(ours: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` merged into `ours`, map by map; anything else replaces.

    A null stays: in Helm it deletes the chart's default.
    """
    result = dict(ours)
    for key, value in over.items():
        mine = result.get(key)
        result[key] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return result


def regional_values(regional: Regional, release: Direct) -> dict[str, dict[str, Any]]:
    """Values by service of a regional cluster, the user's merged over ours; services without any are absent."""
    ours = {"cert-manager": dict(release.cert_manager_values), "kof-storage": kof_storage(regional, release)}
    return _with_users(ours, regional.service_values)


def child_values(child: Child, release: Direct, regional_domain: str) -> dict[str, dict[str, Any]]:
    """Values by service of a child cluster, the user's merged over ours; services without any are absent.

    :param regional_domain: of its regional cluster.
    """
    collectors = kof_collectors(child, release, regional_domain)
    return _with_users(
        {"cert-manager": dict(release.cert_manager_values), "kof-collectors": collectors}, child.service_values
    )


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
    if regional.retention:
        metrics["vmcluster"] = {"retentionPeriod": regional.retention}
    values: dict[str, Any] = {
        "cert-manager": {"email": regional.admin_email},
        "external-dns": _external_dns(regional, release),
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
    return values


def _external_dns(regional: Regional, release: Direct) -> dict[str, Any]:
    if regional.external_dns == "node":
        return {"enabled": True, **release.dns.without_secret}
    return {"enabled": regional.external_dns == "secret"}


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
    return values


def _with_users(ours: Mapping[str, dict[str, Any]], users: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: merged(ours.get(name, {}), users.get(name, {})) for name in {**ours, **users}}
