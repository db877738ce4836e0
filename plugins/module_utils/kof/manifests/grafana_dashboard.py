# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GrafanaDashboard: one of the user's dashboards in the management cluster's Grafana.

Those of a region, too: the region's own Grafana has the dashboards that are files of kof-storage, and that chart has no
value by which it would take others. From the management cluster's it is read through promxy and the region's logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import Dashboard, inputs
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import DASHBOARDS_OF
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Mothership, Regional

KIND = "GrafanaDashboard"
#: The operator's own default, said here: its CRD would add it.
_RESYNC = "5m"


def owner_of(cluster: Mothership | Regional, release: Direct) -> str:
    """Whose dashboards they are, in names and labels. No region may have the mothership's name."""
    return cluster.cluster_name if isinstance(cluster, Regional) else release.mothership_cluster_name


def name_of(owner: str, dashboard: Dashboard) -> str:
    """kof's charts have dashboards of their own in the same namespace."""
    return f"{owner}-dashboard-{dashboard.name}"


def folder_of(cluster: Mothership | Regional) -> str:
    """The folder in Grafana, which the operator makes: apart from kof's own dashboards, which are in General."""
    return cluster.cluster_name if isinstance(cluster, Regional) else cluster.fleet


def inputs_of(cluster: Mothership | Regional, release: Direct) -> dict[str, str]:
    """What `${KOF_...}` becomes in the dashboards of a cluster."""
    return inputs(release.grafana.metrics, cluster.cluster_name if isinstance(cluster, Regional) else "")


def grafana_dashboard(cluster: Mothership | Regional, release: Direct, dashboard: Dashboard) -> dict[str, Any]:
    """The object of one file."""
    owner = owner_of(cluster, release)
    made = head(
        release.grafana.api_version,
        KIND,
        name_of(owner, dashboard),
        cluster.fleet,
        cluster.namespace,
        labels={DASHBOARDS_OF: owner},
    )
    given = inputs_of(cluster, release)
    made["spec"] = {
        "folder": folder_of(cluster),
        "instanceSelector": {"matchLabels": dict(release.grafana.selector)},
        "json": dashboard.text,
        "resyncPeriod": _RESYNC,
        **_datasources({name: given[name] for name in dashboard.inputs if name in given}),
    }
    return made


def _datasources(given: Mapping[str, str]) -> dict[str, Any]:
    if not given:
        return {}
    return {"datasources": [{"inputName": name, "datasourceName": value} for name, value in given.items()]}
