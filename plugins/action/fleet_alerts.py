# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_alerts.py: which alert rules there are, and what they say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import alerts, data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import service_proxy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import VMRULE
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {"vmalert": {"type": "str"}}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            data.address(options["vmalert"], "vmalert")
        except ValueError as problem:
            raise FleetFault(f"vmalert (alerts_vmalert) {problem}; http://localhost:8080 for example") from None
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        of_line = fleet.release.alerts
        if of_line is None:
            text = f"kof {fleet.shared('kof_version')} has no alerts that anybody is told: {_reason(fleet)}"
            raise FleetFault(text)
        with self.connect(fleet, options) as connection:
            path = connection.path(of_line.api_version, VMRULE, fleet.shared("kof_namespace"))
            vmrules = connection.list_objects(path)[0] if connection.resource(of_line.api_version, VMRULE) else []
            told, warnings = self._told(connection, fleet, options["vmalert"])
        found = alerts.rules(vmrules, told, of_line.cluster_label)
        rows, lines = leaving([asdict(each) for each in found]), leaving(alerts.lines(found))
        say("\n".join(lines))
        return {"changed": False, "rules": rows, "warnings": leaving(warnings), "msg": lines[-1]}

    @staticmethod
    def _told(connection: Connection, fleet: Fleet, address: str | None) -> tuple[alerts.Told | None, list[str]]:
        """What vmalert says, or why it doesn't."""
        try:
            if address:
                status, body = ask(f"{address.rstrip('/')}/api/v1/rules", None, None)
            else:
                vmalert = service_proxy.asking(connection, fleet.shared("kof_namespace"), "vmalert-cluster", 8080)
                status, body = vmalert("/api/v1/rules", None)
        except NoAnswer as reason:
            return None, [
                f"vmalert doesn't answer ({reason}): states aren't known. alerts_vmalert is its address from here; "
                "without it the API server's proxy is asked, which takes the right to get services/proxy"
            ]
        if status != 200:
            return None, [f"vmalert answers with HTTP status {status}: states aren't known"]
        told = alerts.told_by_vmalert(body)
        return told, [] if told is not None else ["what answers isn't vmalert: states aren't known"]


def _reason(fleet: Fleet) -> str:
    """Why a line has none."""
    return fleet.release.refused.get("mothership_alert_rules", "its charts bring none")
