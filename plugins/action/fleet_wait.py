# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_wait.py: what a layer of the batch must become, handed to module_utils/wait.py."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, pending, render, targets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import leave_out_failed, within_limit
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {"layer": {"type": "str", "required": True, "choices": list(fleets.LAYERS)}, **booking.OPTION}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        nothing = {"changed": False, "refused": [], "ready": 0, "left_out": []} | booking.NO_OUTCOMES
        # Whether to wait is known from any host: reading a thousand of them takes half a second.
        one = fleets.read_fleet({**task_vars, "ansible_play_batch": [task_vars["inventory_hostname"]]}, [layer])
        if not one.faults and one.batch[layer] and not (one.shared("kof_wait") or self.check_mode):
            return nothing | {"msg": "nothing to wait for"}
        fleet = fleets.read_fleet(task_vars, [layer], reader=one.reader)
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
        if not fleet.batch[layer]:
            return nothing | {"msg": "nothing to wait for"}
        left_out = leave_out_failed(fleet, layer, task_vars)
        with self.connect(fleet, options) as connection:
            waited = self._wait(connection, fleet, layer)
        result: dict[str, Any] = nothing | {"left_out": left_out} | waited
        # Who is left out here was before, or has failed.
        outcomes = booking.of_batch([], result["refused"], [])
        return within_limit(result, fleet, layer, task_vars, outcomes, finished=True, booked_by=options["booked_by"])

    def _wait(self, connection: Connection, fleet: fleets.Fleet, layer: str) -> dict[str, Any]:
        kcm_version = render.kcm_version_of(connection)
        pairs = targets.of_layer(fleet, layer, kcm_version) if fleet.shared("kof_wait") else []
        if self.check_mode:
            result: dict[str, Any] = {"waiting_for": [str(target.ref) for _host, target in pairs][:100]}
            result["msg"] = f"would wait until {len(pairs)} objects are ready"
            if layer == "mothership":
                # The next layers' check mode has to know what isn't there only because this run changed nothing. The
                # role registers it for them: a fact would go to the fact cache, for the next run to believe.
                result["pending"] = pending.of_mothership(connection, fleet, kcm_version)
            return result
        waited = wait.wait(
            connection,
            [target for _host, target in pairs],
            timeout=fleet.shared("kof_wait_timeout"),
            progress=say,
            owners=[] if layer == "mothership" else [host for host, _target in pairs],
        )
        late: dict[str, list[str]] = {}
        for (host, _target), each in zip(pairs, waited, strict=True):
            if each.state != "ready":
                late.setdefault(host, []).append(f"{each.ref} {each.state} after {each.seconds:.0f} s: {each.because}")
        clusters = {host for host, _target in pairs}
        total, ready = len(clusters), len(clusters) - len(late)
        told = f"{ready} of {total} clusters ready"
        if layer == "mothership":
            total, ready = len(waited), sum(each.state == "ready" for each in waited)
            told = f"{ready} of {total} objects ready"
        return {
            "ready": ready,
            "refused": [{"host": host, "reason": "; ".join(reasons)} for host, reasons in late.items()],
            "msg": told,
        }
