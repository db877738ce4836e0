# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_verify.py: the status with what it takes more rights to know, in the same faces.

What is looked at more is module_utils/fleet/verify.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action import fleet_status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import status, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import ReadFleet

#: What is looked at.
SCOPES = ("management", "inside")


class ActionModule(fleet_status.ActionModule):
    OPTIONS: ClassVar = {
        **fleet_status.ActionModule.OPTIONS,
        "scope": {"type": "str", "default": "inside", "choices": list(SCOPES)},
        "deadline": {"type": "int", "default": 30},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if options["deadline"] < 1:
            raise FleetFault("deadline (verify_deadline) is less than 1; seconds for each cluster, 30 for example")
        return super().fleet(options, task_vars)

    def look(
        self,
        connection: Connection,
        fleet: ReadFleet,
        charts: Sequence[InstalledChart] | None,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
        more: Sequence[Callable[[status.Look], None]] = (),
    ) -> dict[str, Any]:
        more = [*more, verify.datasources]
        if options["scope"] == "inside":
            more.append(verify.inside(options["deadline"]))
        return super().look(connection, fleet, charts, options, task_vars, more)
