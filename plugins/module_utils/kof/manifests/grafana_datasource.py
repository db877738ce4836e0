# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GrafanaDatasource: where the management cluster's Grafana reads the logs of one regional cluster."""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional


def name_of(cluster_name: str) -> str:
    """The guide has one fixed name for all, so that a second region would overwrite the first."""
    return f"{cluster_name}-logs"


def of_regional(regional: Regional, release: Direct) -> dict[str, Any]:
    """The object of a regional cluster."""
    return grafana_datasource(
        release,
        name=name_of(regional.cluster_name),
        namespace=regional.namespace,
        fleet=regional.fleet,
        datasource_name=regional.cluster_name,
        url=f"https://{vmauth_of(regional.domain)}{release.paths.read_logs}",
        credentials_secret=regional.vmuser_secret,
        resync_period=regional.datasource_resync_period,
    )


def grafana_datasource(
    release: Direct,
    *,
    name: str,
    namespace: str,
    fleet: str,
    datasource_name: str,
    url: str,
    credentials_secret: str,
    datasource_type: str | None = None,
    resync_period: str = "5m",
    is_default: bool = False,
    username_key: str | None = None,
    password_key: str | None = None,
) -> dict[str, Any]:
    """A datasource with basic authentication out of a Secret of the same namespace.

    :param datasource_name: as Grafana shows it; a second one of the same name would overwrite the first there.
    :param datasource_type: None for the release's logs.
    """
    user_key, password_key = (
        username_key or release.vmuser_keys[0],
        password_key or release.vmuser_keys[1],
    )
    datasource = head(release.grafana.api_version, "GrafanaDatasource", name, fleet, namespace)
    datasource["spec"] = {
        # The operator replaces ${key} in the string that is at targetPath: without these strings it refuses.
        "valuesFrom": [
            _from_secret("basicAuthUser", credentials_secret, user_key),
            _from_secret("secureJsonData.basicAuthPassword", credentials_secret, password_key),
        ],
        "datasource": {
            "name": datasource_name,
            "url": url,
            "access": "proxy",
            "isDefault": is_default,
            "type": release.grafana.logs_type if datasource_type is None else datasource_type,
            "basicAuth": True,
            "basicAuthUser": f"${{{user_key}}}",
            "secureJsonData": {"basicAuthPassword": f"${{{password_key}}}"},
        },
        "instanceSelector": {"matchLabels": dict(release.grafana.selector)},
        "resyncPeriod": resync_period,
    }
    return datasource


def _from_secret(target: str, secret: str, key: str) -> dict[str, Any]:
    return {"targetPath": target, "valueFrom": {"secretKeyRef": {"key": key, "name": secret}}}
