# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_outcome.py: books on a host what fleet_report has found to be its own."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, guarded

CHANGED = "changed"
FAILED = "failed"
ARGUMENTS: dict[str, dict[str, Any]] = {"book": {"type": "str", "required": True, "choices": [CHANGED, FAILED]}}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False
    TELLS_AGAIN = True

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = {**super().run(tmp, task_vars), "changed": False}
        _validated, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        host = variables["inventory_hostname"]
        if options["book"] == FAILED:
            why = booking.failure_of(variables, host)
            return {**result, "failed": True, "msg": why} if why else {**result, "skipped": True}
        booked = booking.booking_of(variables, host)
        if not booked:
            return {**result, "skipped": True}
        # Why it was left out and what changed is what the line is for, also without -v.
        result |= {"msg": booked["msg"], "_ansible_verbose_always": True}
        if booked["status"] != CHANGED:
            return {**result, "skipped": True}
        result["changed"] = True
        if self._task.diff or self._play_context.diff:
            result["diff"] = booking.diffs_of(variables, [host, *booked.get("more", ())])
        return result
