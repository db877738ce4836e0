# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_apply.py: one layer of a batch, from its hosts' variables to what is ready.

It only walks the rooms in order: reading is plugin_utils/fleet.py, all that is sent module_utils/fleet/apply.py,
waiting module_utils/fleet/wait.py, who is left out and when it is over module_utils/fleet/rollout.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import (
    alert_rules,
    apply,
    dashboards,
    installed,
    pending,
    render,
    wait,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault, members
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import (
    NO_OUTCOMES,
    Run,
    batch_result,
    leave_out_failed,
    outcomes_of,
    stopped,
    within_limit,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "layer": {"type": "str", "required": True, "choices": list(LAYERS)},
        "wait": {"type": "bool", "default": False},
        "after_charts": {"type": "bool", "default": False},
        **booking.OPTION,
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer = options["layer"]
        run = booking.run_of(task_vars, options["booked_by"])
        ended = stopped(layer, members(task_vars["groups"], layer), run)
        if ended:
            return ended | {"all_ready": False}
        fleet = fleets.read_fleet(task_vars, [layer])
        if not fleet.batch[layer]:
            if layer == "mothership":
                # Its role has more tasks, which would go on with the variables of another host.
                hosts = some(task_vars.get("ansible_play_batch") or ())
                raise FleetFault(f"{hosts}: not in group kof_mothership. Say hosts: kof_mothership")
            return batch_result([], []) | NO_OUTCOMES | {"all_ready": False}
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        with self.connect(fleet, options) as connection:
            return self._layer(connection, fleet, options, run, task_vars)

    def _layer(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        options: Mapping[str, Any],
        run: Run,
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        layer, after_charts = options["layer"], options["after_charts"]
        surroundings = render.look_up(connection, fleet, layer)
        if layer == "mothership":
            installed.refuse_another_kof(connection, fleet)
        domains = fleets.domains_of(fleet, layer, surroundings, task_vars)
        left_out = leave_out_failed(fleet, layer, run)
        awaited = fleets.pending_of(task_vars) if self.check_mode else None
        if awaited and after_charts:
            for missing in pending.of_mothership(connection, fleet, surroundings.kcm_version):
                awaited.add(*missing)
        looked = dashboards.Looked()
        if layer == "regional" or after_charts:
            looked = dashboards.look(connection, fleet, layer, fleets.regions_of(task_vars))
        if looked.faults:
            raise FleetFault.of(looked.faults)
        rules_left = alert_rules.look(connection, fleet, layer) if layer != "mothership" or after_charts else []
        by_host, warnings = apply.apply(
            connection,
            fleet,
            layer,
            surroundings,
            domains,
            check_mode=self.check_mode,
            pending=awaited,
            say=run.say,
            after_charts=after_charts,
        )
        refused = {host for host, outcome in by_host if outcome.action == "refused"}

        def of_the_others(left: alert_rules.Left) -> alert_rules.Left:
            return [(host, ref) for host, ref in left if host not in refused and host not in left_out]

        by_host += dashboards.prune(connection, fleet, of_the_others(looked.left), check_mode=self.check_mode)
        by_host += alert_rules.prune(connection, fleet, of_the_others(rules_left), check_mode=self.check_mode)
        warnings += looked.warnings(pruned=fleet.permissions.prune_dashboards)
        warnings += alert_rules.warnings(rules_left, pruned=fleet.permissions.prune_alert_rules)

        diff = self._play_context.diff or self._task.diff
        result = batch_result(by_host, left_out, check_mode=self.check_mode, diff=diff)
        result |= {"warnings": warnings, "all_ready": False}
        waits = fleet.shared("kof_wait") and not self.check_mode
        if waits and layer != "mothership" and not (result["changed"] or result["refused"] or left_out):
            result["all_ready"], more_warnings = wait.all_ready(connection, fleet, layer, surroundings)
            result["warnings"] += more_warnings
        if result["all_ready"]:
            result["msg"] += "; all are ready"
        outcomes = outcomes_of(by_host, result["refused"], left_out, check_mode=self.check_mode)
        if layer != "mothership":
            outcomes.tell(result, run.booked_by, run.say, check_mode=self.check_mode)
        result = within_limit(result, fleet, layer, outcomes, run, finished=not waits)
        over = result["all_ready"] or result["stop"] or result.get("failed")
        if over or not options["wait"] or not fleet.shared("kof_wait"):
            return result

        for each in result["refused"]:
            fleet.clusters.pop(each["host"], None)
        if self.check_mode:
            waited = wait.announced(fleet, layer, surroundings.kcm_version, surroundings.live)
        else:
            try:
                waited = wait.until_ready(
                    connection, fleet, layer, surroundings.kcm_version, run.say, surroundings.live
                )
            except (ApiError, ApiUnavailable) as problem:
                return result | {"failed": True, "msg": f"{result['msg']}; {problem}"}
            outcomes.failed |= {each["host"]: each["reason"] for each in waited["refused"]}
            waited["refused"] = [*result["refused"], *waited["refused"]]
            waited["all_ready"] = not (waited["refused"] or left_out)
        result |= waited | {"msg": f"{result['msg']}; {waited['msg']}"}
        return within_limit(result, fleet, layer, outcomes, run, finished=True)
