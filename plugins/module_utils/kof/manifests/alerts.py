# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMRule: a cluster's alerts, and its maintenance; and the Secrets that Alertmanager reads.

All rules are on the management cluster, whose vmalert takes every VMRule and asks promxy, which has all regions: that
of a regional cluster tells nobody (its notifier isn't there at kof 0.1).
"""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import MAINTENANCE, secrets_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Alerts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Mothership, Regional

VMRULE, VMALERTMANAGER = "VMRule", "VMAlertmanager"
#: How the name of a cluster's VMRule goes on.
RULES_OF = "-alerts"


def wanted(cluster: Mothership | Regional | Child) -> bool:
    """Whether anything is said of a cluster's alerts: without that, what is there stays as it is."""
    return cluster.alert_rules is not None or bool(_until(cluster))


def rules_ref(cluster: Mothership | Regional | Child, alerts: Alerts, mothership: str) -> Ref:
    """mothership: how the management cluster calls itself in metrics, which no other cluster may be called."""
    name = mothership if isinstance(cluster, Mothership) else cluster.cluster_name
    return Ref(alerts.api_version, VMRULE, cluster.namespace, f"{name}{RULES_OF}")


def rules(cluster: Mothership | Regional | Child, alerts: Alerts, ref: Ref) -> dict[str, Any]:
    """The object; an alert of a regional or child cluster carries the cluster's name, by which it is routed and held
    back, whatever its expression leaves of the labels."""
    found = head(ref.api_version, ref.kind, ref.name, cluster.fleet, ref.namespace)
    groups = [dict(group) for group in cluster.alert_rules or ()]
    if not isinstance(cluster, Mothership):
        label = {alerts.cluster_label: cluster.cluster_name}
        for group in groups:
            group["rules"] = [{**rule, "labels": {**rule.get("labels", {}), **label}} for rule in group["rules"]]
        until = _until(cluster)
        if until:
            groups.append({"name": "maintenance", "rules": [_maintenance(until, label)]})
    found["spec"] = {"groups": groups}
    return found


def _until(cluster: Mothership | Regional | Child) -> str | None:
    return None if isinstance(cluster, Mothership) else cluster.maintenance_until


def _maintenance(until: str, label: dict[str, str]) -> dict[str, Any]:
    """An alert that is there until then, and whose end needs nobody."""
    return {
        "alert": MAINTENANCE,
        "expr": f"vector(time()) < {syntax.seconds(until):.0f}",
        "labels": {**label, "severity": "none"},
        "annotations": {"summary": f"Under maintenance until {until}; its alerts are held back."},
    }


def alertmanager_ref(mothership: Mothership, alerts: Alerts) -> Ref:
    return Ref(alerts.api_version, VMALERTMANAGER, mothership.namespace, alerts.alertmanager)


def alertmanager(mothership: Mothership, ref: Ref) -> dict[str, Any]:
    """What of the chart's VMAlertmanager is ours: the Secrets that its configuration reads, which the chart has no
    value for. The rest, its labels too, is Helm's; a server-side apply leaves it alone."""
    secrets = secrets_of(mothership.alertmanager_config)
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": {"secrets": secrets} if secrets else {},
    }
