# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/helm_release.py: sees in the controller's process whether anything is to do for the module.

A module's process, its code unpacked and compiled, takes longer than this look. Where the release isn't surely as
wanted, or can't be read, the module does all of its work as if there had been no look.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.helm import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.helm_run import OPTIONS, BadInput, ReleaseRun
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import elsewhere


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        seen = None if self._task.async_val or elsewhere(self) else self._as_wanted()
        if seen is None:
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}
        return {**result, **seen}

    def _as_wanted(self) -> dict[str, Any] | None:
        try:
            _validated, options = self.validate_argument_spec(argument_spec={**CONNECTION_OPTIONS, **OPTIONS})
            if options["release_state"] != "present":
                return None
            run = ReleaseRun(options, check_mode=bool(self._task.check_mode), scratch=None)
            try:
                seen = run.as_wanted()
            finally:
                run.connection.close()
        except (AnsibleError, ApiError, ApiUnavailable, BadInput, NotARelease):
            return None  # the module says what is wrong
        if seen is not None and not (self._task.diff or self._play_context.diff):
            del seen["diff"]
        return seen
