# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_lease.py: the fleet's lease for tasks of modules that don't take it themselves."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Said
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.syntax import label_value
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leases, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    OPTIONS: ClassVar = {
        "fleet": {"type": "str", "required": True},
        "state": {"type": "str", "default": "held", "choices": ["held", "released"]},
    }
    DOES = "holds a lease"

    def module(self, said: dict[str, Said], task_vars: dict[str, Any]) -> dict[str, Any]:
        _validated, options = self.validate_argument_spec(argument_spec={**self.OPTIONS, **CONNECTION_OPTIONS})
        # Who named nobody's fleet would hold a lease that nobody else takes.
        problem = label_value(options["fleet"]) if options["fleet"] else "is empty"
        if problem:
            return {"changed": False, "failed": True, "msg": f"fleet: {problem}"}
        try:
            with place.connected(options, said) as connection:
                held = leases.of_fleet(connection, options["fleet"], leases.namespace_of(self, task_vars), task_vars)
                if self._task.check_mode:
                    by = held.held_by()
                    told = f"held by {by}" if by else "free"
                elif options["state"] == "held":
                    held.prove()
                    told = "held by this run"
                else:
                    held.release()
                    told = "not held by this run"
        except ApiError as error:
            return {"changed": False, "failed": True, "msg": error.message}
        return {"changed": False, "msg": f"the lease of fleet {options['fleet']} is {told}"}
