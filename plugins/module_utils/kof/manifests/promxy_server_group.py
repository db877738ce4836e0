# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PromxyServerGroup: where promxy reads the metrics of one regional cluster."""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Regional


def name_of(cluster_name: str) -> str:
    """The guide has one fixed name for all, so that a second region would overwrite the first."""
    return f"{cluster_name}-metrics"


def of_regional(regional: Regional, release: Direct) -> dict[str, Any]:
    """The object of a regional cluster."""
    return promxy_server_group(
        release,
        name=name_of(regional.cluster_name),
        namespace=regional.namespace,
        fleet=regional.fleet,
        cluster_name=regional.cluster_name,
        targets=[f"{vmauth_of(regional.domain)}:443"],
        credentials_secret=regional.vmuser_secret,
        dial_timeout=regional.promxy_dial_timeout,
        insecure_skip_verify=regional.promxy_insecure_skip_verify,
    )


def promxy_server_group(
    release: Direct,
    *,
    name: str,
    namespace: str,
    fleet: str,
    cluster_name: str,
    targets: list[str],
    credentials_secret: str,
    path_prefix: str | None = None,
    scheme: str = "https",
    dial_timeout: str = "5s",
    insecure_skip_verify: bool = False,
    username_key: str | None = None,
    password_key: str | None = None,
) -> dict[str, Any]:
    """A server group. `promxy_config.faults` says what its strings must not hold.

    :param namespace: where the charts are; the operator of this release reads groups and credentials nowhere else.
    :param targets: `host:port`; several are taken for replicas of each other.
    :param path_prefix: None for the release's.
    :param dial_timeout: a Go duration.
    """
    user, password = release.vmuser_keys
    group = head(
        release.promxy.api_version,
        "PromxyServerGroup",
        name,
        fleet,
        namespace,
        labels={"app.kubernetes.io/name": "promxy-operator", release.promxy.label: release.promxy.secret},
    )
    group["spec"] = {
        "cluster_name": cluster_name,
        "targets": list(targets),
        "path_prefix": release.promxy.path_prefix if path_prefix is None else path_prefix,
        # Unset it would be "", which overrides promxy's own http.
        "scheme": scheme,
        "http_client": {
            "dial_timeout": dial_timeout,
            "tls_config": {"insecure_skip_verify": insecure_skip_verify},
            "basic_auth": {
                "credentials_secret_name": credentials_secret,
                "username_key": username_key or user,
                "password_key": password_key or password,
            },
        },
    }
    return group
