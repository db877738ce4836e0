# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/helm_release.py: sees in the controller's process whether anything is to do for the module.

A module's process, its code unpacked and compiled, takes longer than this look. Where the release isn't surely as
wanted, or can't be read, the module does all of its work as if there had been no look.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.run import OPTIONS, BadInput, ReleaseRun
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS, warned
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Said
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leases, lines, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import elsewhere
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction
from ansible_collections.k0rdent.kof.plugins.plugin_utils.signals import seen_to_its_end

_NAMES = (("release_namespace", "namespace"), ("release_name", "name"))


class ActionModule(ModuleAction):
    OPTIONS = OPTIONS
    GOES_BY = ("action", "status")

    def module(self, said: dict[str, Said], task_vars: dict[str, Any]) -> dict[str, Any]:
        # What an environment means to helm is the module's to know.
        there = elsewhere(self, task_vars)
        alone = any(self._task.environment or []) or there
        seen = None if alone else self._as_wanted()
        if seen is not None:
            return seen
        if there:
            return super().module(said, task_vars)
        name = "/".join(str(self._task.args.get(long) or self._task.args.get(short)) for long, short in _NAMES)
        module = super().module
        with self._leased(said, task_vars):
            return seen_to_its_end(f"release {name}", lambda: module(said, task_vars))

    @contextlib.contextmanager
    def _leased(self, said: dict[str, Said], task_vars: dict[str, Any]) -> Iterator[None]:
        """The fleet's lease, while the module is at work; nobody's where no fleet is named. What the arguments name is
        the module's to judge."""
        options: dict[str, Any] = {}
        with contextlib.suppress(AnsibleError):
            _validated, options = self.validate_argument_spec(argument_spec={**CONNECTION_OPTIONS, **OPTIONS})
        if self._task.check_mode or not options.get("fleet"):
            yield
            return
        with place.connected(options, said) as connection:
            held = leases.of_fleet(connection, options["fleet"], leases.namespace_of(self, task_vars), task_vars)
            held.take()
            given = lease.handed_over(held)
            os.environ.update(given)
            try:
                yield
            finally:
                for name in given:
                    del os.environ[name]

    def _as_wanted(self) -> dict[str, Any] | None:
        try:
            _validated, options = self.validate_argument_spec(argument_spec={**CONNECTION_OPTIONS, **OPTIONS})
            # A value with Ansible's tags is another than helm's by its type.
            options["release_values"] = to_plain(options["release_values"])
            run = ReleaseRun(options, check_mode=bool(self._task.check_mode), scratch=None, guard=None)
            run.connection.observe = lines.observer()
            try:
                seen = run.as_wanted()
            finally:
                run.connection.close()
        except (AnsibleError, ApiError, ApiUnavailable, BadInput, NotARelease, NotPlain):
            return None  # the module says what is wrong
        if seen is not None:
            warned(run.connection, lines.warn)
        if seen is not None and not (self._task.diff or self._play_context.diff):
            del seen["diff"]
        return seen
