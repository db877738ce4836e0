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
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import drifted, status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_KEPT, LAYERS, members
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.report import drift as report
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, looking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving

FILE = "drift.json"


class ActionModule(looking.LookAction):
    OPTIONS: ClassVar = {
        "fails": {"type": "str", "default": "never", "choices": list(report.FAILS)},
        "folder": {"type": "path"},
        **booking.OPTION,
    }
    FOLDER = "kof_drift_folder"
    LISTED = "objects"

    def look(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        charts: status.Charts,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        """As docs/drift.schema.json describes it."""
        everybody = {host for layer in LAYERS for host in members(task_vars["groups"], layer)}
        return drifted.look(
            connection,
            fleet,
            charts,
            now=datetime.datetime.now(datetime.UTC),
            domain_of=functools.cache(functools.partial(looking.domain_of, fleet, task_vars)),
            whole=everybody == set(fleet.hosts),
        )

    def leaves(self, found: dict[str, Any]) -> dict[str, Any]:
        return as_it_leaves(found)

    def failures(self, found: dict[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
        return report.failures(found, options["fails"])

    def text(self, found: dict[str, Any], options: Mapping[str, Any]) -> str:
        return report.text(found)

    def files(self, found: dict[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
        return {FILE: json.dumps(found, indent=2, ensure_ascii=False) + "\n"}

    def summary(self, found: dict[str, Any]) -> str:
        return report.summary(found)

    def told(self, found: dict[str, Any]) -> dict[str, Any]:
        return {
            "counts": found["counts"],
            "objects": found["objects"][:FAULTS_KEPT],
            "extra": found["extra"],
            "not_looked_at": found["not_looked_at"],
        }


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
