# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_apply.py: read, validate, render, LIST, decide and apply one layer of a batch.

It only walks the rooms in order: reading is plugin_utils/fleet.py, rendering plugin_utils/render.py and
module_utils/manifests, deciding and sending module_utils/reconcile.py.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils import guards, own_cluster, reconcile, side_effects, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, render, targets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import (
    batch_result,
    guards_of,
    guide_objects_of,
    leave_out_failed,
    pending_of,
    policy_of,
    progress_lines,
    refuse_another_kof,
    regional_domains,
    still_stands_in,
    stopped,
    unless_lost,
    within_limit,
)
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    _booked_by: str
    OPTIONS: ClassVar = {"layer": {"type": "str", "required": True, "choices": list(fleets.LAYERS)}, **booking.OPTION}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        layer, self._booked_by = options["layer"], options["booked_by"]
        ended = stopped(layer, task_vars, self._booked_by)
        if ended:
            return ended | {"all_ready": False}
        fleet = fleets.read_fleet(task_vars, [layer])
        if not fleet.batch[layer]:
            if layer == "mothership":
                # Its role has more tasks, which would go on with the variables of another host.
                hosts = some(task_vars.get("ansible_play_batch") or ())
                raise fleets.FleetFault(f"{hosts}: not in group kof_mothership. Say hosts: kof_mothership")
            return batch_result([], [], {}) | booking.NO_OUTCOMES | {"all_ready": False}
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
        with self.connect(fleet, options) as connection:
            return self._apply(connection, fleet, layer, task_vars)

    def _apply(
        self, connection: Connection, fleet: fleets.Fleet, layer: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        surroundings = render.look_up(connection, fleet, layer)
        if layer == "mothership":
            refuse_another_kof(connection, fleet)
        domains, faults = regional_domains(fleet, layer, surroundings, task_vars)
        if faults:
            raise fleets.FleetFault.of(faults)
        left_out = leave_out_failed(fleet, layer, task_vars)
        objects, more = render.layer_objects(fleet, layer, surroundings, domains)
        if more:
            raise fleets.FleetFault.of(more)

        own = (
            {}
            if layer == "mothership"
            else own_cluster.refusals(
                connection, {host: of_host[0] for host, of_host in objects.items()}, surroundings.deployments
            )
        )
        itself = [
            (host, reconcile.Outcome(reconcile.ref_of(objects.pop(host)[0]), "refused", reason=reason))
            for host, reason in own.items()
        ]
        policy, until = policy_of(fleet), time.monotonic() + fleet.shared("kof_apply_timeout")
        pending = pending_of(task_vars) if self.check_mode else None

        def apply(wanted: list[tuple[str, dict[str, Any]]], **known: Any) -> list[tuple[str, reconcile.Outcome]]:
            outcomes = reconcile.reconcile(
                connection,
                [each for _host, each in wanted],
                policy=replace(policy, deadline=max(0.1, until - time.monotonic())),
                check_mode=self.check_mode,
                pending=pending,
                progress=progress_lines(f"{layer} objects", say),
                guards=guards_of(fleet),
                **known,
            )
            return [(host, outcome) for (host, _each), outcome in zip(wanted, outcomes, strict=True)]

        # The clusters were listed for the rendering: a second LIST of the largest kind would tell nothing new.
        live = {reconcile.ref_of(each): each for each in surroundings.deployments.values()}
        listed = {} if layer == "mothership" else {"live": live}
        by_host = apply([(host, of_host[0]) for host, of_host in objects.items()], **listed)
        # A server group without its cluster would make promxy fail every query.
        refused = {host for host, outcome in by_host if outcome.action == "refused"}
        by_host += apply([(host, each) for host in objects if host not in refused for each in objects[host][1:]])
        unless_lost(by_host, layer)
        by_host += itself
        if fleet.shared("kof_replace_guide_objects") and layer == "regional":
            by_host += self._replace(connection, fleet, by_host, policy)
        counts = Counter(outcome.action for _host, outcome in by_host)
        result = batch_result(by_host, left_out, counts, check_mode=self.check_mode)
        if self._play_context.diff or self._task.diff:
            hosts = [host for host, _outcome in by_host]
            result["diff"] = reconcile.diff_of([outcome for _host, outcome in by_host], hosts=hosts)
        result["warnings"] = side_effects.of_upgrades(
            {host: of_host[0] for host, of_host in objects.items()},
            {host for host, outcome in by_host if outcome.changed and outcome.ref.kind == "ClusterDeployment"},
            surroundings.deployments,
            fleet.release,
        )
        waits = fleet.shared("kof_wait") and not self.check_mode
        as_wanted = layer != "mothership" and not (result["changed"] or result["refused"] or left_out)
        if waits and as_wanted:
            result["all_ready"], more_warnings = _all_ready(connection, fleet, layer, surroundings)
            result["warnings"] += more_warnings
        else:
            result["all_ready"] = False
        if result["all_ready"]:
            result["msg"] += "; all are ready"
        outcomes = booking.of_batch(by_host, result["refused"], left_out, check_mode=self.check_mode)
        if layer != "mothership":
            booking.tell(outcomes, result, self._booked_by, check_mode=self.check_mode)
        return within_limit(result, fleet, layer, task_vars, outcomes, finished=not waits, booked_by=self._booked_by)

    def _replace(
        self,
        connection: Connection,
        fleet: fleets.Fleet,
        by_host: list[tuple[str, reconcile.Outcome]],
        policy: reconcile.Policy,
    ) -> list[tuple[str, reconcile.Outcome]]:
        """Delete the guide's fixed-name objects that stand for clusters whose own objects are there now."""
        refused = {host for host, outcome in by_host if outcome.action == "refused"}
        host_of = {
            cluster.cluster_name: cluster.host for cluster in fleet.of("regional") if cluster.host not in refused
        }
        found = [each for each in guide_objects_of(connection, fleet) if each.cluster in host_of]
        refs = [reconcile.Ref(each.api_version, each.kind, each.namespace, each.name) for each in found]
        outcomes = reconcile.delete(
            connection,
            refs,
            policy=policy,
            check_mode=self.check_mode,
            guards=(
                *guards.of_deleting(fleet.shared("kof_fleet"), fleet.permissions),
                guards.kept_by_others,
                guards.kept_by_gitops,
                still_stands_in(fleet),
            ),
        )
        return [(host_of[each.cluster], outcome) for each, outcome in zip(found, outcomes, strict=True)]


def _all_ready(
    connection: Connection, fleet: fleets.Fleet, layer: str, surroundings: render.Surroundings
) -> tuple[bool, list[str]]:
    """Whether fleet_wait would find all as it must be, and what is worth a warning all the same: it would read every
    host's variables again to see that.

    The clusters are judged as they were listed for the rendering: nothing was sent since.
    """
    each_target = [target for _host, target in targets.of_layer(fleet, layer, surroundings.kcm_version)]
    namespace = fleet.shared("kof_kcm_namespace")
    known = {"ClusterDeployment": list(surroundings.deployments.values())}
    try:
        if connection.resource(wait.SVELTOS, "ClusterSummary"):
            path = connection.path(wait.SVELTOS, "ClusterSummary", namespace)
            known["ClusterSummary"] = connection.list_objects(path)[0]
        warnings = side_effects.of_another_repository(
            connection,
            fleet.of(layer),
            known.get("ClusterSummary", []),
            fleet.shared("kof_chart_repository"),
            namespace,
        )
        return wait.all_ready(connection, each_target, known), warnings
    except (ApiError, ApiUnavailable):
        return False, []  # fleet_wait waits for the server, or says what is wrong
