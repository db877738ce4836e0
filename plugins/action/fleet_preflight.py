# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_preflight.py: the whole inventory and the management cluster, as one table of checks.

The checks themselves are module_utils/preflight, what they are given is plugin_utils/checking.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleValueOmittedError

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_KEPT, GROUPS, LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.jobs import JOBS
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row, table
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import to_plain, truth
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asked, serial
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "scope": {"type": "str", "default": "all", "choices": ["inventory", "all"]},
        "table": {"type": "str", "default": "full", "choices": ["full", "problems"]},
        "job": {"type": "str", "default": "apply", "choices": list(JOBS)},
        "promxy": {"type": "str"},
        "layers": {"type": "list", "elements": "str", "default": list(asked.LAYERS), "choices": list(asked.LAYERS)},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if options["scope"] == "inventory":
            self._look(options, task_vars)
            return {"changed": False, "checks": [], "announced": 0, "msg": "the inventory has clusters"}
        options["layers"] = asked.by_tags(options["layers"], task_vars, self._task.tags)
        fleet = fleets.read_fleet(task_vars, _of_hosts(options["layers"]), everywhere=True)
        if not fleet.hosts:
            return {"changed": False, "checks": [], "announced": 0, "msg": "no cluster of these layers is in the batch"}
        # Before the table breaks their texts into lines.
        checks = [
            replace(each, **leaving({name: getattr(each, name) for name in ("found", "wanted", "remedy")}))
            for each in self._checks(fleet, options, task_vars)
        ]
        told = [check for check in checks if check.status != row.OK]
        shown = checks if options["table"] == "full" else told
        if shown:
            say(table.render(shown))
        result: dict[str, Any] = {
            "changed": False,
            "checks": [asdict(check) for check in told[:FAULTS_KEPT]],
            "announced": sum(check.status == row.ANNOUNCED for check in checks),
        }
        failed = row.failures(checks)
        if failed:
            result.update(failed=True, msg=row.message(checks))
            result.update(fleets.errors_beside(result["msg"], [check.line() for check in failed]))
        else:
            result["msg"] = f"{len(checks)} checks, {len(checks) - len(told)} fine, {len(told)} to read"
        return result

    def _look(self, options: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """
        :raises FleetFault: the inventory's groups are wrong, what the command line asks for is nothing, or a later play
            could not begin.
        """
        groups = [GROUPS[layer] for layer in LAYERS if layer in _of_hosts(options["layers"])]
        faults = fleets.group_faults(task_vars["groups"])
        if faults:
            raise FleetFault.of(faults)
        nothing = [*self._keywords(task_vars), *asked.faults(self, task_vars, groups, options["layers"])]
        if nothing:
            raise FleetFault.of(nothing, "what this run is asked for")

    def _keywords(self, task_vars: dict[str, Any]) -> list[str]:
        """What is wrong with what users set for later plays; elsewhere than in an extra variable or the play it is
        refused with the variables."""
        return [
            *self._keyword(task_vars, "kof_serial", serial.batches, serial.EXAMPLE),
            *self._keyword(task_vars, "kof_verify", _verified_at_the_end, "for example -e kof_verify=false"),
            *self._keyword(task_vars, "verify_data", _truth, "for example -e verify_data=true"),
            *self._keyword(task_vars, "verify_promxy", data.address, data.ADDRESS),
            *self._keyword(task_vars, "preflight_promxy", data.address, data.ADDRESS),
            *(
                line
                for kind, seconds in data.AGES.items()
                for line in self._keyword(
                    task_vars, f"verify_{kind}_age", data.seconds, f"in seconds, {seconds} for example"
                )
            ),
        ]

    def _keyword(
        self, task_vars: dict[str, Any], name: str, read: Callable[[Any], object], example: str
    ) -> Iterator[str]:
        if name not in task_vars:
            return
        try:
            read(to_plain(self._templar.template(task_vars[name])))
        except AnsibleValueOmittedError:
            pass
        except AnsibleError as problem:
            yield f"{name}: can't be templated: {telling.of_template(problem)}; {example}"
        except ValueError as problem:
            yield f"{name}: {problem}; {example}"

    def _checks(self, fleet: fleets.ReadFleet, options: dict[str, Any], task_vars: dict[str, Any]) -> list[row.Check]:
        # Every playbook begins with a look at its inventory, which needs none of it.
        from ansible_collections.k0rdent.kof.plugins.plugin_utils import checking

        connect = functools.partial(self.connect, fleet, options)
        return checking.checks(fleet, options, task_vars, connect, check_mode=self.check_mode)


def _of_hosts(layers: list[str]) -> set[str]:
    """The layers by the groups of their hosts: dns_credentials is a role of the mothership's."""
    return {"mothership" if layer == "dns_credentials" else layer for layer in layers}


def _verified_at_the_end(said: Any) -> None:
    """
    :raises ValueError: site.yml would not know at its end what is meant.
    """
    if str(said).lower() not in ("", "none", "true", "yes", "false", "no", "management", "inside", "nothing"):
        raise ValueError("is none of management (or true), inside and nothing (or false)")


def _truth(said: Any) -> None:
    """
    :raises ValueError: it is none of Ansible's words for true and false.
    """
    try:
        truth("false" if said in ("", None) else str(said))
    except ValueError:
        raise ValueError("is none of true and false") from None
