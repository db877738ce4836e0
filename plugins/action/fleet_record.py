# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_record.py: the record of this run, where it changed something.

What a record is and how it is kept is module_utils/fleet/record.py, what this run did plugin_utils/booking.py.
"""

from __future__ import annotations

import datetime
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import record, support
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import NotHeld
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, leases, this_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import warn


class ActionModule(fleets.FleetAction):
    GOES_BY = ("name",)
    ENDS = True

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        outcomes = booking.of_run(task_vars)
        if self.check_mode or not outcomes.changed:
            if leases.held() and not self.check_mode:  # to be given back
                with self.connect(self._read(outcomes, task_vars), options):
                    pass
            return {"changed": False, "name": "", "msg": "nothing changed, so no record is kept of this run"}
        name = this_run.name()
        try:
            why_not = self._keep(name, outcomes, options, task_vars)
        except (FleetFault, ApiError, ApiUnavailable, UnsendableString, NotHeld) as problem:
            why_not = str(problem)
        if why_not and why_not != record.NOWHERE:
            # What was done is done, whether a record says so or not.
            warn(f"the record of this run: {why_not}")
        return {"changed": False, "name": "" if why_not else name, "msg": why_not or f"the record is ConfigMap {name}"}

    @staticmethod
    def _read(outcomes: Any, task_vars: dict[str, Any]) -> fleets.ReadFleet:
        # Of a batch all are of one fleet on one management cluster: one host says which. Why another failed may quote
        # what its variables hold.
        hosts = [host for layer in LAYERS for host in fleets.members(task_vars["groups"], layer)]
        # In a block that failed the last host is in no batch any more.
        for batch in ("ansible_play_batch", "ansible_play_hosts_all"):
            one = next((host for host in hosts if host in task_vars[batch]), "")
            if one:
                break
        told = list(dict.fromkeys([one, *outcomes.failed]))
        fleet = fleets.read_fleet({**task_vars, "ansible_play_batch": told}, LAYERS)
        if any(fault.variable in fleets.SAME_IN_A_BATCH for fault in fleet.faults):
            raise FleetFault.of(fleet.faults)
        return fleet

    def _keep(self, name: str, outcomes: Any, options: dict[str, Any], task_vars: dict[str, Any]) -> str:
        fleet = self._read(outcomes, task_vars)
        ran = {
            "fleet": fleet.shared("kof_fleet"),
            "kof_version": fleet.shared("kof_version"),
            **this_run.told(task_vars),
            "began": this_run.began(),
            "ended": this_run.stamp(datetime.datetime.now(datetime.UTC)),
        }
        hide = telling.Hider(support.secrets(fleet), anywhere=telling.ANYWHERE)
        made = hide.all_of(leaving(record.of(ran, outcomes)))
        # The API takes no other text than ours there, and tasks go by it.
        made |= {key: ran[key] for key in ("fleet", "began", "ended")}
        with self.connect(fleet, options) as connection:
            return record.write(connection, fleet.shared("kof_namespace"), name, made, fleet.permissions)
