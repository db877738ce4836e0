# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_preflight.py: the whole inventory and the management cluster, as one table of checks.

The checks themselves are module_utils/preflight.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleValueOmittedError

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import ended_maintenance
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    GROUPS,
    LAYERS,
    Fleet,
    FleetFault,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiUnavailable, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import settings, unguarded
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import REQUIRED
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller, expressions, foresight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import JOBS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Zone
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row, table
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import to_plain, truth
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asked, replaced, serial, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask
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
            *self._keyword(task_vars, "verify_promxy", verify.address, verify.ADDRESS),
            *self._keyword(task_vars, "preflight_promxy", verify.address, verify.ADDRESS),
            *(
                line
                for kind, seconds in verify.AGES.items()
                for line in self._keyword(
                    task_vars, f"verify_{kind}_age", verify.seconds, f"in seconds, {seconds} for example"
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

    @staticmethod
    def _foresee(fleet: Fleet, release: Direct) -> foresight.Foresee | None:
        """The look at what helm will have to do; None where the batch has no mothership."""
        for mothership in fleet.of("mothership"):
            wanted = settings(mothership, release, fleet.variables[mothership.host])
            if mothership.namespace in fleet.permissions.dangerous:
                wanted["releases"] = [unguarded(each) for each in wanted["releases"]]
            return foresight.of_settings(wanted)
        return None

    def _checks(self, fleet: Fleet, options: dict[str, Any], task_vars: dict[str, Any]) -> list[row.Check]:
        release = RELEASES.get(fleet.shared("kof_version"))
        shared = set(fleets.SAME_IN_A_BATCH)
        unsaid = [
            fault for fault in fleet.faults if fault.variable == "kof_version" and fault.problem.startswith(REQUIRED)
        ]
        if {fault.host for fault in unsaid}.issuperset(fleet.hosts):
            # Where none says which kof is wanted, the management cluster says more of it than the inventory.
            fleet.faults = [fault for fault in fleet.faults if fault not in unsaid]
        elif release is None:
            raise FleetFault.of(fleet.faults)
        if any(fault.variable in shared and fault.host in fleet.hosts for fault in fleet.faults):
            # Where the batch speaks to, or as what, is in doubt: nothing further can be asked.
            raise FleetFault.of(fleet.faults)
        motherships = fleet.everywhere("mothership")
        inventory = preflight.Inventory(
            motherships[0] if motherships else None,
            fleet.everywhere("regional"),
            fleet.everywhere("child"),
            fleet.faults,
            # The mothership's dns_credentials_* matter to the regional clusters also where it isn't in the batch.
            {name: value for each in motherships for name, value in fleet.variables[each.host].items()}
            | fleet.variables[fleet.hosts[0]],
            fleet.permissions,
            replaced.maps(
                task_vars["hostvars"],
                fleet.raw,
                {host: fleets.ROLES_OF_LAYER[layer] for host, layer in fleet.layer_of.items()},
            ),
            not any(whole.doubts(fleet, task_vars)),
        )
        variables = inventory.shared if motherships and motherships[0].host in fleet.hosts else {}
        looked_up = _zones(variables) if "dns_credentials" in options["layers"] else ()
        try:
            connection: Any = self.connect(fleet, options)
        except ApiUnavailable as problem:
            connection = problem
        try:
            checks = preflight.run(
                connection,
                fleet.hosts,
                inventory,
                release,
                check_mode=self.check_mode,
                layers=options["layers"],
                zones=looked_up,
                foresee=self._foresee(fleet, release) if release else None,
                job=options["job"],
            )
            if options["job"] == "apply":
                checks += [each for layer in options["layers"] for each in ended_maintenance(fleet, layer)]
                if release and not isinstance(connection, ApiUnavailable):
                    checks += self._expressions(connection, fleet, release, options)
            return checks
        finally:
            if not isinstance(connection, ApiUnavailable):
                connection.close()

    @staticmethod
    def _expressions(
        connection: Connection, fleet: Fleet, release: Direct, options: Mapping[str, Any]
    ) -> Iterator[row.Check]:
        """What promxy says of users' alert rules."""
        port = next((each.port for each in release.entrances if each.service == release.promxy.deployment), 0)
        home, address = fleet.shared("kof_namespace"), (options["promxy"] or "").rstrip("/")
        asking = expressions.by_the_api_server(connection, home, release.promxy.deployment, port)
        if address:
            asking = functools.partial(_asked_there, f"{address}/api/v1/query")
        for layer in LAYERS:
            if layer in options["layers"]:
                yield from expressions.rows(layer, fleet.of(layer), asking)


def _asked_there(url: str, expression: str) -> tuple[int, bytes]:
    """expressions.Ask, by an address."""
    try:
        return ask(url, {"query": expression}, None)
    except NoAnswer as reason:
        raise NoAnswer(reason.kind, f"{url}: {reason}") from None


def _zones(variables: Mapping[str, Any]) -> tuple[Zone, ...]:
    """Where the collection or the SDK is missing that AWS is asked with, the checks say that alone."""
    there = controller.versions()
    if any(there[name] is None for name in controller.FOR_AWS):
        return ()
    from ansible_collections.k0rdent.kof.plugins.plugin_utils import zones

    return zones.look(variables)


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
