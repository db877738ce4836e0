# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_uninstall.py: whether a fleet may go, and what goes beside its clusters and charts.

It only walks the rooms in order: module_utils/fleet/uninstall.py decides and acts, remains.py says what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import plan
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import uninstall
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    FAULTS_SHOWN,
    LAYERS,
    FleetFault,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.uninstall import IAM, ITEMS, RECORDS, Uninstall
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import counts, in_words, result_of, told_as
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NAMES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_AT_AWS
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row, table
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import LOCALHOST, Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import first_lines
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, this_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import named

LOOK, OBJECTS, REST = "look", "objects", "rest"


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "step": {"type": "str", "required": True, "choices": [LOOK, OBJECTS, REST]},
        "only_tell": {"type": "bool", "default": False},
        "at_aws": {"type": "dict"},
        **booking.OPTION,
    }
    GOES_BY = ("also", "go_on")

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleets.read_fleet(task_vars, LAYERS)
        extra = fleets.extra_variables(task_vars["hostvars"])
        names, wrong = named(extra, uninstall.ALSO)
        if fleet.faults or wrong:
            raise FleetFault.of([*fleet.faults, *wrong])
        also = uninstall.items(names)
        if not fleet.hosts:
            return {"changed": False, "also": {}, "go_on": False, "msg": "no cluster is in the batch", "outcomes": {}}
        run = booking.run_of(task_vars, options["booked_by"])
        stay = run.before.failed.keys() | run.before.left_out.keys()
        gone = [host for host in fleet.hosts if host not in stay]
        if options["step"] == LOOK or not self.check_mode:
            gone = []
        with self.connect(fleet, options) as connection:
            work = Uninstall(connection, fleet, also, self.check_mode, say, gone)
            if options["step"] == LOOK:
                told = work.look(extra.get(uninstall.CONFIRM))
                say(f"{told}; at {self._place}")
                return {"changed": False, "also": {item: item in also for item in ITEMS}, "go_on": True, "msg": told}
            done: dict[str, Any] = {}
            try:
                if options["step"] == OBJECTS:
                    work.objects()
                elif not options["only_tell"]:
                    work.rest()
            except (FleetFault, ApiError, ApiUnavailable) as problem:
                # What was done until then is told all the same; who may send no more says that and nothing else.
                if isinstance(problem, Lost):
                    raise
                work.refused.append(str(problem))
            if options["step"] == REST:
                done = self._left(work, fleet, options)
        return done | self._result(work, fleet, run)

    def _result(self, work: Uninstall, fleet: fleets.ReadFleet, run: Any) -> dict[str, Any]:
        diff = self._task.diff or self._play_context.diff
        result = result_of(work.outcomes, diff=diff)
        del result["took_back"]
        numbers = counts(work.outcomes)
        msg = "; ".join([*in_words(numbers, check_mode=self.check_mode), *work.refused])
        host = next(iter(fleet.batch["mothership"]), fleet.hosts[0])
        outcomes = Outcomes()
        if result["changed"]:
            outcomes.changed[host] = f"{numbers['deleted']} objects {told_as('deleted', check_mode=self.check_mode)}"
        if work.refused:
            outcomes.failed[host] = "\n".join(first_lines(work.refused, FAULTS_SHOWN))
        result |= {
            "counts": numbers,
            "refused": work.refused[:FAULTS_KEPT],
            "go_on": not work.refused,
            "outcomes": outcomes.fact(run.booked_by),
            "msg": msg,
        }
        if run.booked_by == booking.BY_PLAY:
            result["changed"] = False
        if work.refused and run.alone:
            result["failed"] = True
        return result

    # -- what is left

    def _left(self, work: Uninstall, fleet: fleets.ReadFleet, options: Mapping[str, Any]) -> dict[str, Any]:
        left, unread = work.left()
        left += self._record(work, left)
        stay = RECORDS not in work.also or _records_stay(self._task_vars, fleet)
        left += _at_aws(fleet, work, options["at_aws"] or {}, check_mode=self.check_mode, records=stay)
        left = [leaving(each) for each in left]
        checks = [
            row.Check(each["object"], each["whose"], "", each["remove"], row.WARNING if each["remove"] else row.OK)
            for each in left
        ]
        checks += [row.Check(what, "not looked at", "", why, row.WARNING) for what, why in leaving(unread).items()]
        head = "would be left" if self.check_mode else "is left"
        say(f"What {head}, and whose it is:\n{table.render(checks)}" if checks else f"Nothing {head}.")
        return {"left": left, "unread": unread}

    def _record(self, work: Uninstall, left: list[dict[str, str]]) -> list[dict[str, str]]:
        """The record of this run, which is written after this."""
        try:
            there = get_or_none(work.connection, ("v1", "Namespace", None, work.namespace))
        except (ApiError, ApiUnavailable):
            return []  # that nothing can be seen is told
        name = f"ConfigMap {work.namespace}/{this_run.name()}"
        if there is None or "deletionTimestamp" in there["metadata"] or self.check_mode:
            return []
        if any(each["object"] == name for each in left):
            return []
        return [{"object": name, "whose": f"fleet {work.name}: the record of this run, if it changed something",
                 "remove": "-e kof_uninstall_also=namespace"}]  # fmt: skip


def _records_stay(task_vars: Mapping[str, Any], fleet: fleets.ReadFleet) -> bool:
    """Whether the play before could not take the DNS records away, or not all of them, or did not come to them at all:
    as clusters that need them are still there, for example."""
    raw = task_vars["hostvars"].raw_get
    looked = [raw(host).get("__dns_records_told") or {} for host in fleet.batch["mothership"]]
    if not looked or any(not each or each.get("skipped") for each in looked):
        return True
    return any(each.get("failed") for each in raw(LOCALHOST).get("__dns_records_outcomes") or ())


def _at_aws(
    fleet: fleets.ReadFleet, work: Uninstall, looked: Mapping[str, Any], *, check_mode: bool, records: bool
) -> list[dict[str, str]]:
    """What role dns_credentials and external-dns have made at AWS.

    :param records: whether those of DNS may still be there.
    :param looked: by the role's look, `left`: what is there by now; nothing where it couldn't be.
    """
    found: list[dict[str, str]] = []
    whose = f"fleet {work.name}"
    for host in fleet.batch["mothership"]:
        values = fleet.variables[host]
        of_role = {key.removeprefix("dns_credentials_"): value for key, value in values.items()}
        if of_role.get("method") not in DNS_METHODS_AT_AWS:
            continue
        if "left" in looked:
            entries = [f"IAM {each['kind'].replace('_', ' ')} {each['name']}" for each in looked["left"]]
        else:
            entries = [f"IAM {kind.replace('_', ' ')} {name} (not looked at)" for kind, name in plan.entries(of_role)]
        goes = IAM in work.also and not work.refused and check_mode
        remove = f"-e {uninstall.ALSO}={IAM}"
        found += [{"object": each, "whose": whose, "remove": remove} for each in entries if not goes]
    if records:
        names = [
            f"{name}.{each.domain}" for each in fleet.of("regional") for name in NAMES if each.external_dns != "none"
        ]
        remove = f"-e {uninstall.ALSO}={RECORDS}"
        found += [
            {"object": f"DNS record {name} (not looked at)", "whose": f"{whose}, by external-dns", "remove": remove}
            for name in names
        ]
    return found
