# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_wait.py: waiting alone, where nothing of the layer is applied in the same task."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import pending, render, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import (
    NO_OUTCOMES,
    leave_out_failed,
    outcomes_of,
    within_limit,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {"layer": {"type": "str", "required": True, "choices": list(LAYERS)}, **booking.OPTION}
    GOES_BY = ("pending",)

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        nothing = {"changed": False, "refused": [], "ready": 0, "left_out": []} | NO_OUTCOMES
        fleet = fleets.read_fleet(task_vars, [layer])
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        if not fleet.batch[layer] or not (fleet.shared("kof_wait") or self.check_mode):
            return nothing | {"msg": "nothing to wait for"}
        run = booking.run_of(task_vars, options["booked_by"])
        left_out = leave_out_failed(fleet, layer, run)
        with self.connect(fleet, options) as connection:
            waited = self._wait(connection, fleet, layer)
        result: dict[str, Any] = nothing | {"left_out": left_out} | waited
        # Who is left out here was before, or has failed.
        return within_limit(result, fleet, layer, outcomes_of([], result["refused"], []), run, finished=True)

    def _wait(self, connection: Connection, fleet: Fleet, layer: str) -> dict[str, Any]:
        kcm_version = render.kcm_version_of(connection)
        if not self.check_mode:
            return wait.until_ready(connection, fleet, layer, kcm_version, say)
        result = wait.announced(fleet, layer, kcm_version)
        if layer == "mothership":
            # The next layers' check mode has to know what isn't there only because this run changed nothing. The role
            # registers it for them: a fact would go to the fact cache, for the next run to believe.
            result["pending"] = pending.of_mothership(connection, fleet, kcm_version)
        return result
