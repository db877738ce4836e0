# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mothership layer would have made, for the check mode of the layers after it. Reads only what is missing."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.connection import ApiError, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import Fleet


def of_mothership(connection: Connection, fleet: Fleet, kcm_version: str) -> list[tuple[str, str]]:
    """(kind, name), as Pending takes them, of what kof's namespace and charts bring and isn't there yet."""
    release, namespace = fleet.release, fleet.shared("kof_namespace")
    templates = fleet.shared("kof_kcm_namespace")
    found: list[tuple[str, str]] = []
    if not _exists(connection, connection.path("v1", "Namespace", None, namespace)):
        found.append(("Namespace", namespace))
    for api_version, kind in (
        (release.promxy_api_version, "PromxyServerGroup"),
        (release.grafana_api_version, "GrafanaDatasource"),
    ):
        if connection.resource(api_version, kind) is None:
            found.append(("crd", f"{api_version.rpartition('/')[0]}/{kind}"))
    api = f"{KCM_GROUP}/{kcm_version}"
    found += [
        ("ServiceTemplate", f"{templates}/{name}")
        for name in release.service_templates
        if not _exists(connection, connection.path(api, "ServiceTemplate", templates, name))
    ]
    return found


def _exists(connection: Connection, path: str) -> bool:
    try:
        connection.request("GET", path)
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True
