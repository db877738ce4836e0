# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_drift.py: what isn't as the inventory says, and by whose hand, once for the whole batch.

What is looked at is module_utils/fleet/drifted.py, how it looks module_utils/report/drift.py.
"""

from __future__ import annotations

import datetime
import functools
import json
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action.fleet_status import domain_of, folder_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import drifted, status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    FAULTS_SHOWN,
    LAYERS,
    FleetFault,
    errors_beside,
    members,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of
from ansible_collections.k0rdent.kof.plugins.module_utils.report import drift as report
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

FILE = "drift.json"


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "fails": {"type": "str", "default": "never", "choices": list(report.FAILS)},
        "folder": {"type": "path"},
        **booking.OPTION,
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = folder_of(options["folder"], "kof_drift_folder")
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        nothing = {"changed": False, "objects": [], "files": [], "outcomes": {}}
        if not fleet.hosts:
            return nothing | {"msg": "no cluster is in the batch"}
        if folder and not self.check_mode:
            folder.write({})  # where nothing can be written that is told before anybody looks
        run = booking.run_of(task_vars, options["booked_by"])
        everybody = {host for layer in LAYERS for host in members(task_vars["groups"], layer)}
        with self.connect(fleet, options) as connection:
            found = drifted.look(
                connection,
                fleet,
                status.charts_of(connection, fleet.shared("kof_namespace")),
                now=datetime.datetime.now(datetime.UTC),
                domain_of=functools.cache(functools.partial(domain_of, fleet, task_vars)),
                whole=everybody == set(fleet.hosts),
            )
        found = as_it_leaves({**found, "management_cluster": self._place})
        failed = report.failures(found, options["fails"])
        say(report.text(found))
        if folder and not self.check_mode:
            folder.write({FILE: json.dumps(found, indent=2, ensure_ascii=False) + "\n"})
        result = nothing | {
            "counts": found["counts"],
            "objects": found["objects"][:FAULTS_KEPT],
            "extra": found["extra"],
            "not_looked_at": found["not_looked_at"],
            "files": [str(folder.path / FILE)] if folder else [],
            "msg": report.summary(found),
            "outcomes": Outcomes(failed=failed).fact(options["booked_by"]),
        }
        if failed and run.alone:
            lines = [{"host": host, "reason": reason} for host, reason in failed.items()]
            message = "\n".join([report.summary(found), *guilty_of(lines, FAULTS_SHOWN)])
            result |= {"failed": True, "msg": message, **errors_beside(message, guilty_of(lines, FAULTS_KEPT))}
        return result


def as_it_leaves(found: dict[str, Any]) -> dict[str, Any]:
    """No secret, and no character that does more than stand there. Words of ours, by which programs go, stay: a vault
    may hold one of them."""
    leaves = leaving(found)
    leaves |= {key: found[key] for key in ("schema", "at")}
    for row, each in zip(leaves["clusters"], found["clusters"], strict=True):
        row |= {key: each[key] for key in ("layer", "state")}
    for row, each in zip(leaves["counts"]["kinds"], found["counts"]["kinds"], strict=True):
        row["kind"] = each["kind"]
    for row, each in zip(leaves["objects"], found["objects"], strict=True):
        row |= {key: each[key] for key in ("kind", "action")}
        for field, before in zip(row["fields"], each["fields"], strict=True):
            field |= {key: before[key] for key in ("whose", "becomes", "since")}
    return leaves
