# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of a module that speaks to the management cluster: all that was said about where becomes its options. And
of one for a single host that does the module's work itself, in the controller's process.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import CONNECTION_OPTIONS, Said
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import NotHeld
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import LOCAL_TMP, unwritable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded, leases, lines, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import elsewhere
from ansible_collections.k0rdent.kof.plugins.plugin_utils.options import mistyped


class ModuleAction(ActionBase):
    """Runs the module of the same name with the task's arguments, completed by place.arguments."""

    _supports_check_mode = True
    _supports_diff = True
    #: What a job ends with is read by core's async_status, past the gate of leaving.py.
    _supports_async = False
    #: The module's options, beside kubernetes.core's for the connection.
    OPTIONS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: What the action itself does ("writes"), of the controller's process only; empty where a module does it.
    DOES: ClassVar[str] = ""

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        why_not = elsewhere(self, task_vars or {}) if self.DOES else ""
        if why_not:
            why_not = f"This {self.DOES} from the controller's process only: {why_not}"
            return {**result, "failed": True, "msg": why_not}
        problem = mistyped(self._task.args, {**self.OPTIONS, **CONNECTION_OPTIONS})
        problem = problem or ("" if self._task.check_mode else leases.lost())
        if problem:
            return {**result, "failed": True, "msg": problem}
        try:
            with self.where(task_vars or {}) as said:
                return {**result, **self.module(said, task_vars or {})}
        except (ApiUnavailable, NotHeld) as problem:
            return {**result, "failed": True, "msg": str(problem)}

    def where(self, task_vars: dict[str, Any]) -> AbstractContextManager[dict[str, Said]]:
        """Who said which management cluster it is, while the task's arguments have it all."""
        return place.arguments(self, task_vars)

    def module(self, said: dict[str, Said], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The module's result. `said`: who said the connection's options."""
        environment = self._task.environment
        if self._connection.transport == "local" and not self._connection.become:
            # The module inherits it from this process. Said once more, it would stand on a command line.
            self._task.environment = []
            # Arguments hold secrets, too: they go through the module's standard input, whatever ansible.cfg says, and
            # not through a file, which a killed run would leave.
            self._connection.set_option("pipelining", True)
        try:
            result: dict[str, Any] = self._execute_module(task_vars=task_vars)
            for each in result.pop("requests", ()):
                lines.show_verbose(str(each))
            return result
        except OSError as error:
            raise ApiUnavailable(unwritable(error, "the module", C.DEFAULT_LOCAL_TMP, LOCAL_TMP)) from None
        finally:
            self._task.environment = environment
