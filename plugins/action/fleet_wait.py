# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_wait.py: what a layer of the batch must become, handed to module_utils/wait.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils import readiness, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import render, targets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import leave_out_failed, regional_domains, within_limit


class ActionModule(fleets.FleetAction):
    OPTIONS = {"layer": {"type": "str", "required": True, "choices": list(fleets.LAYERS)}}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        fleet = fleets.read_fleet(task_vars, [layer])
        nothing = {"changed": False, "refused": [], "ready": 0, "left_out": []}
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
        if not fleet.batch[layer] or not fleet.shared("kof_wait"):
            return nothing | {"msg": "nothing to wait for"}
        left_out = leave_out_failed(fleet, layer, task_vars)
        connection = self.connect(fleet, options)
        try:
            waited = self._wait(connection, fleet, layer, task_vars)
        finally:
            connection.close()
        return within_limit(nothing | {"left_out": left_out} | waited, fleet, layer)
