# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_prune.py: deletes the clusters that have left an inventory which is declared whole.

Which those are is module_utils/fleet/prune.py, whether the inventory can say it plugin_utils/whole.py; they go as in
fleet_delete.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action.fleet_delete import _Deleting
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune, render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import LEAVE
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import named


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = booking.OPTION

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleets.read_fleet(task_vars, LAYERS)
        extra = fleets.extra_variables(task_vars["hostvars"])
        leave, wrong = named(extra, LEAVE)
        doubts = list(whole.doubts(fleet, task_vars))
        outside = [] if doubts else whole.outside(fleet, task_vars)
        if outside:
            doubts.append(
                f"{some(outside)}: not in this batch, or failed before in this run, and what isn't seen hasn't left "
                "the inventory; hosts: kof_mothership:kof_regional:kof_child, without serial"
            )
        if fleet.faults or wrong or doubts:
            raise FleetFault.of([*fleet.faults, *wrong, *doubts], "what this run goes by")
        run = booking.run_of(task_vars, options["booked_by"])
        # Pruned clusters are no hosts: they are booked on the mothership, or whoever speaks to it.
        host, confirmed = fleet.hosts[0], extra.get(prune.CONFIRM)
        nothing = {"changed": False, "counts": {}, "objects": [], "uninstalled": [], "left_behind": [], "refused": []}
        with self.connect(fleet, options) as connection:
            kcm_version = render.kcm_version_of(connection)
            gone = prune.look(connection, fleet, kcm_version)
            names = [each.name for each in gone]
            if not gone:
                msg = f"no cluster of fleet {fleet.shared('kof_fleet')} has left the inventory; at {self._place}"
                say(msg)
                return nothing | {"left_out": [], "clusters": [], "outcomes": {}, "msg": msg}
            prune.refuse_a_loss(gone, fleet, self._place)
            if not self.check_mode:
                prune.refuse_unconfirmed(gone, fleet, self._place, confirmed)
            deletion = prune.leaving(gone, fleet, kcm_version)
            deleting = _Deleting(connection, deletion, check_mode=self.check_mode)
            diff = self._task.diff or self._play_context.diff
            result = deleting.run(fleet.shared("kof_fleet"), leave, diff=diff)
        result["clusters"] = names
        told = f"left the inventory: {some(names, FAULTS_SHOWN)}; {result['msg']}"
        result["msg"] = told
        say(f"{told}; at {self._place}")
        outcomes = Outcomes()
        stay = {each["host"]: each["reason"] for each in [*result["left_out"], *result["refused"]]}
        changed = sorted({name for name, each in deleting.outcomes if each.changed} | deleting.withdrawn)
        if changed:
            outcomes.changed[host] = f"{'would prune' if self.check_mode else 'pruned'} {some(changed, FAULTS_SHOWN)}"
        lines = guilty_of([{"host": name, "reason": reason} for name, reason in stay.items()])
        if lines:
            outcomes.failed[host] = "not pruned: " + " | ".join(lines)
        result["outcomes"] = outcomes.fact(run.booked_by)
        if run.booked_by == booking.BY_PLAY:
            result["changed"] = False
        if lines and run.alone:
            head = f"{len(stay)} of {len(names)} clusters that left the inventory stay:"
            result |= {"failed": True, "msg": "\n".join([head, *lines, told])}
        return result
