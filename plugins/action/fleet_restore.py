# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_restore.py: what a backup has, brought back, before kof's charts and after them.

It only walks the rooms in order: what is in an archive, and what speaks against it, is module_utils/fleet/restore.py.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action.fleet_backup import grafana_address
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import (
    archive,
    backup,
    in_grafana,
    installed,
    pending,
    render,
    restore,
    rollout,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import progress_lines
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, counts, in_words, result_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import Pending
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import first_lines, some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asking, booking, core_internals
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

CONFIRM = "kof_restore_confirm"
BEFORE, AFTER, GRAFANA = "before_charts", "after_charts", "grafana"


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "file": {"type": "path", "required": True},
        "step": {"type": "str", "required": True, "choices": [BEFORE, AFTER, GRAFANA]},
        "grafana": {"type": "str"},
        "sha256": {"type": "str"},
        **booking.OPTION,
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        grafana_address(options["grafana"], "restore_grafana")
        fleet = fleets.read_fleet(task_vars, ["mothership"])
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        if not fleet.batch["mothership"]:
            raise FleetFault("a restore needs the host in kof_mothership, and this run has none of it (see --limit)")
        raw = _content(options["file"])
        digest = hashlib.sha256(raw).hexdigest()
        if options["sha256"] not in (None, "", digest):
            raise FleetFault(f"{options['file']} is another file than when this run began: run again")
        secrets = core_internals.vault_secrets(self)
        try:
            content = restore.read(raw, (lambda each: core_internals.decrypted(each, secrets)) if secrets else None)
        except archive.NotAnArchive as problem:
            raise FleetFault(f"{options['file']} can't be restored: {problem}. Nothing was changed.") from None
        wrong = restore.faults(content.about, fleet)
        if wrong:
            raise FleetFault.of(wrong, f"what {options['file']} would be restored with")
        with self.connect(fleet, options) as connection:
            installed.refuse_another_kof(connection, fleet)
            try:
                if options["step"] == GRAFANA:
                    result = self._in_grafana(connection, fleet, content, options, task_vars)
                else:
                    result = self._step(connection, fleet, content, options, task_vars)
            except FleetFault as fault:
                if options["step"] == BEFORE or booking.run_of(task_vars, options["booked_by"]).alone:
                    raise
                # What the steps before have written is still to be reported.
                outcomes = Outcomes(failed={fleet.batch["mothership"][0]: str(fault)})
                nothing = {"changed": False, "objects": [], "counts": {}}
                result = self._booked(
                    nothing | {"refused": [str(fault)], "msg": str(fault)}, outcomes, options["booked_by"], task_vars
                )
        return {**result, "sha256": digest}

    def _step(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        content: restore.Content,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        before = options["step"] == BEFORE
        waves = content.first if before else content.then
        warnings: list[str] = []
        if before:
            warnings += [f"wasn't in the backup: {each}" for each in content.about.left_out]
            warnings += restore.other_values(content, render.helm_releases(fleet))
        if not self.check_mode:
            # Of all of it before the first is written; and once more of what the charts have made meanwhile.
            everything = [*content.first, *content.then] if before else waves
            there = restore.looked_at(connection, fleet, [each for wave in everything for each in wave])
            refused = [f"{each.ref}: {each.reason}" for each in there if each.action == "refused"]
            if before and refused:
                raise FleetFault(
                    f"{len(refused)} objects of the archive would be refused: {some(refused, FAULTS_SHOWN)}. Nothing "
                    "was changed."
                )
            self._confirmed(fleet, task_vars, lambda: map(str, restore.overwritten(there)), connection.place)
        outcomes = restore.apply(
            connection,
            fleet,
            waves,
            check_mode=self.check_mode,
            pending=self._pending(connection, fleet, task_vars, before=before),
            progress=progress_lines("objects restored", say),
        )
        outcomes = content.veiled(outcomes)
        refused = [f"{each.ref}: {each.reason}" for each in outcomes if each.action == "refused"]
        mothership = fleet.batch["mothership"][0]
        at = restore.became(waves, outcomes, fleet.release, fleets.hosts_of_clusters(task_vars), mothership)
        hosts = [host for host, _outcome in at]
        result = result_of(outcomes, diff=self._task.diff or self._play_context.diff, hosts=hosts)
        msg = "; ".join(in_words(counts(outcomes), check_mode=self.check_mode))
        left = restore.left(waves, outcomes)
        if left:
            msg += f"; not begun: {some(left, FAULTS_SHOWN)}"
        what = "namespace and Secrets" if before else "clusters, and what they have in promxy and Grafana"
        say(f"Restore of {what}: {msg}; at {self._place}")
        result |= {"counts": counts(outcomes), "refused": refused, "warnings": warnings, "msg": msg}
        told = rollout.outcomes_of(at, _refused(at, mothership, left), [], check_mode=self.check_mode)
        return self._booked(result, told, options["booked_by"], task_vars)

    def _booked(
        self, result: dict[str, Any], told: Outcomes, booked_by: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        """The result, of which a play at the end tells each cluster's; else the task fails by what was refused."""
        run = booking.run_of(task_vars, booked_by)
        result["outcomes"] = told.fact(run.booked_by)
        if run.booked_by == booking.BY_PLAY:
            result["changed"] = False
        if result["refused"] and run.alone:
            head = f"{len(result['refused'])} objects were refused:"
            lines = [head, *first_lines(result["refused"], FAULTS_SHOWN), result["msg"]]
            result |= {"failed": True, "msg": "\n".join(lines)}
        return result

    def _in_grafana(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        content: restore.Content,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        address = options["grafana"]
        nothing: dict[str, Any] = {"changed": False, "objects": [], "refused": [], "counts": {}, "outcomes": {}}
        if not address or not content.grafana:
            why = "the archive has nothing of Grafana's own" if address else "Grafana's address isn't said"
            return nothing | {"msg": f"nothing to do: {why}"}
        try:
            ask = asking.grafana(address, backup.grafana_login(connection, fleet))
            steps = in_grafana.plan(ask, content.grafana)
            if not self.check_mode:
                differing = [each.what for each in steps if each.action == "updated"]
                self._confirmed(fleet, task_vars, lambda: differing, address)
                steps = in_grafana.send(self._with_lease(ask), steps)
        except (in_grafana.NotGrafana, NoAnswer, backup.NoLogin) as problem:
            if self.check_mode:  # before kof is there it can't be asked
                msg = f"what was Grafana's own would be looked at once Grafana answers: {problem}"
                say(msg)
                return nothing | {"msg": msg}
            raise FleetFault(f"what was Grafana's own isn't restored: {problem}") from None
        refused = [f"{each.what}: {each.reason}" for each in steps if each.action == "refused"]
        told = dict(Counter(each.action for each in steps))
        changed = [
            {"object": each.what, "action": each.action} for each in steps if each.action in ("created", "updated")
        ]
        msg = "; ".join(in_words(told, check_mode=self.check_mode))
        say(f"Restore of what was Grafana's own: {msg}; at {address}")
        result = {"changed": bool(changed), "objects": changed, "counts": told, "refused": refused, "msg": msg}
        outcomes, mothership = Outcomes(), fleet.batch["mothership"][0]
        if changed:
            did = "would be restored" if self.check_mode else "restored"
            outcomes.changed[mothership] = f"{len(changed)} folders and dashboards of Grafana's own {did}"
        if refused:
            outcomes.failed[mothership] = "\n".join(first_lines(refused, FAULTS_SHOWN))
        return self._booked(result, outcomes, options["booked_by"], task_vars)

    def _with_lease(self, ask: in_grafana.Ask) -> in_grafana.Ask:
        """Grafana is no API server's, whose connection takes the fleet's lease before it writes."""

        def asked(path: str, query: Mapping[str, str], content: Any, method: str = "POST") -> tuple[int, bytes]:
            if content is not None and self._lease is not None:
                self._lease.take()
            return ask(path, query, content, method)

        return asked

    def _pending(
        self, connection: Connection, fleet: fleets.ReadFleet, task_vars: dict[str, Any], *, before: bool
    ) -> Pending | None:
        """In check mode, what this run would have made by now."""
        if not self.check_mode:
            return None
        found = fleets.pending_of(task_vars)
        found.add("Namespace", fleet.shared("kof_namespace"))
        if not before:
            for missing in pending.of_mothership(connection, fleet, render.kcm_version_of(connection)):
                found.add(*missing)
        return found

    @staticmethod
    def _confirmed(
        fleet: fleets.ReadFleet, task_vars: dict[str, Any], other: Callable[[], Iterable[str]], place: str
    ) -> None:
        """
        :param other: what there is and would be another than it is.
        :raises FleetFault: there is some, and nobody has said that it may be set back.
        """
        name = fleet.shared("kof_fleet")
        confirmed = fleets.extra_variables(task_vars["hostvars"]).get(CONFIRM)
        if confirmed is not None and str(confirmed) == name:
            return
        there = list(other())
        if there:
            said = "" if confirmed is None else f"{CONFIRM} is another text than the fleet's name. "
            raise FleetFault(
                f"{said}This run would set {len(there)} objects of fleet {name} on {place} back to what "
                f"they were when the backup was made: {some(there, FAULTS_SHOWN)}. This task has written "
                f"nothing. Look with --check --diff; if that is what you want, pass -e {CONFIRM}={name}"
            )


def _refused(at: Iterable[tuple[str, Outcome]], mothership: str, left: Sequence[str]) -> list[Mapping[str, str]]:
    """Who was refused what; what wasn't begun because of it is the mothership's, for it may be of many."""
    by_host: dict[str, list[str]] = {}
    for host, each in at:
        if each.action == "refused":
            by_host.setdefault(host, []).append(f"{each.ref}: {each.reason}")
    if left:
        by_host.setdefault(mothership, []).append(f"not begun: {some(left, FAULTS_SHOWN)}")
    return [{"host": host, "reason": "; ".join(reasons)} for host, reasons in by_host.items()]


def _content(path: str) -> bytes:
    """
    :raises FleetFault: it is no file that can be read.
    """
    if not path:
        raise FleetFault("file (restore_file) isn't said: pass -e restore_file=<the archive of a backup>")
    if telling.CONTROL.search(path):
        raise FleetFault("file (restore_file) has a line break or another control character inside")
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise FleetFault(f"file (restore_file): {path} is no file; name the archive of a backup")
            return stream.read(archive.LARGEST_FILE + 1)
    except OSError as error:
        raise FleetFault(f"file (restore_file): {path} can't be read: {error.strerror}") from None
