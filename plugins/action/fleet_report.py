# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_report.py: what this run did, each cluster by name, once for all hosts.

Reads what the batches left as facts (plugin_utils/booking.py); asks no cluster.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, guarded
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

ARGUMENTS: dict[str, dict[str, Any]] = {"management_cluster": {"type": "str", "default": ""}}


class ActionModule(ActionBase):
    BYPASS_HOST_LOOP = True
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False
    _supports_async = False
    TELLS_AGAIN = True
    GOES_BY = ("stats", "play", "failures", "told")

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        check_mode = bool(self._task.check_mode)
        lines = booking.for_report(task_vars or {}).lines(check_mode=check_mode) or ["No cluster changed, none failed."]
        if options["management_cluster"]:
            lines.append(f"Management cluster: {options['management_cluster']}")
        for line in lines:
            say(line)
        return {
            **result,
            **booking.report(task_vars or {}, check_mode=check_mode),
            "changed": False,
            "msg": "\n".join(lines),
        }
