# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_delete.py: all children of a batch, and when they are gone their regionals.

It only walks the rooms in order: what may go and what must stay is plugin_utils/deletion.py, deleting
module_utils/reconcile.py, waiting module_utils/wait.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils import reconcile, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.cluster_deployment import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import render
from ansible_collections.k0rdent.kof.plugins.plugin_utils.batch import policy_of, progress_lines
from ansible_collections.k0rdent.kof.plugins.plugin_utils.deletion import Deletion

CONFIRM = "kof_delete_confirm"


class ActionModule(fleets.FleetAction):
    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        fleet = fleets.read_fleet(task_vars, ["regional", "child"])
        if fleet.faults:
            raise fleets.FleetFault.of(fleet.faults)
        if not fleet.hosts:
            msg = "nothing to delete: this run has no host of kof_regional or kof_child (see --limit)"
            fleets.display.display(msg)
            return {"changed": False, "counts": {}, "objects": [], "refused": [], "left_out": [], "msg": msg}
        with self.connect(fleet, options) as connection:
            deletion = Deletion(fleet, f"{KCM_GROUP}/{render.kcm_version_of(connection)}")
            deletion.leave_failed(task_vars["groups"].get(fleets.FAILED_GROUP, ()))
            result = _Run(connection, deletion, check_mode=self.check_mode).run(
                fleets.extra_variables(task_vars["hostvars"]).get(CONFIRM)
            )
        # What was left out, and which DNS records stay, is nobody's failure: without -v nothing else would say it.
        fleets.display.display(result["msg"])
        outcomes = result.pop("outcomes")
        if self._play_context.diff or self._task.diff:
            result["diff"] = reconcile.diff_of(outcomes)
        return result


class _Run:
    """One deletion: what is there, and what came of each object so far."""

    def __init__(self, connection: Connection, deletion: Deletion, *, check_mode: bool) -> None:
        self.connection = connection
        self.deletion = deletion
        self.fleet = deletion.fleet
        self.check_mode = check_mode
        self.live: dict[Ref, dict[str, Any]] = {}
        self.outcomes: list[tuple[str, Outcome]] = []

    def run(self, confirmed: object) -> dict[str, Any]:
        deletion = self.deletion
        self.live = self._listed(ref for refs in deletion.refs.values() for ref in refs)
        before = dict(self.live)
        deletion.guard(self.live)
        deletion.hold_regionals(self.live, going=deletion.hosts("child"))
        if not self.check_mode:
            self._confirm(confirmed)

        children = self._delete("child", slice(None))
        if self.fleet.shared("kof_wait") or deletion.hosts("regional"):
            self._wait_until_gone(children)
        self._look_again(children)
        # A server group without its cluster would make promxy fail every query.
        places = self._delete("regional", slice(1, None))
        self._wait_until_gone([(host, ref) for host, ref in places if self.live[ref]["metadata"].get("finalizers")])
        clusters = self._delete("regional", slice(1))
        if self.fleet.shared("kof_wait"):
            self._wait_until_gone(clusters)
        return self._result(before)

    def _listed(self, refs: Iterable[Ref]) -> dict[Ref, dict[str, Any]]:
        """What there is of the kinds of `refs`; nothing is there of a kind that isn't served."""
        live: dict[Ref, dict[str, Any]] = {}
        for api_version, kind, namespace in dict.fromkeys((ref.api_version, ref.kind, ref.namespace) for ref in refs):
            if self.connection.resource(api_version, kind):
                path = self.connection.path(api_version, kind, namespace)
                live.update((reconcile.ref_of(each), each) for each in self.connection.list_objects(path)[0])
        return live

    def _confirm(self, confirmed: object) -> None:
        """
        :raises FleetFault: something would be deleted, and nobody has said for this run that it may be.
        """
        going, fleet = self.deletion.going(self.live), self.fleet.shared("kof_fleet")
        if not any(going.values()) or str(confirmed) == fleet:
            return
        names = [host for hosts in going.values() for host in hosts]
        said = "" if confirmed is None else f"{CONFIRM} is another text than the fleet's name. "
        raise fleets.FleetFault(
            f"{said}This run would delete {len(going['child'])} child and {len(going['regional'])} regional clusters "
            f"of fleet {fleet} on {self.connection.server}: {some(names, fleets.FAULTS_SHOWN)}. Nothing was changed. "
            f"If that is what you want, pass -e {CONFIRM}={fleet}"
        )

    def _delete(self, layer: str, which: slice) -> list[tuple[str, Ref]]:
        """Delete these objects of a layer's hosts; those that were there, with their hosts."""
        pairs = [(host, ref) for host in self.deletion.hosts(layer) for ref in self.deletion.refs[host][which]]
        outcomes = reconcile.delete(
            self.connection,
            [ref for _host, ref in pairs],
            policy=policy_of(self.fleet),
            check_mode=self.check_mode,
            live=self.live,
            progress=progress_lines(f"{layer} objects deleted", fleets.display.display),
        )
        for (host, ref), outcome in zip(pairs, outcomes, strict=True):
            self.outcomes.append((host, outcome))
            if outcome.action == "refused":
                self.deletion.refused[host] = f"{ref}: {outcome.reason}"
        return [
            pair for pair, outcome in zip(pairs, outcomes, strict=True) if outcome.action in ("deleted", "unchanged")
        ]

    def _wait_until_gone(self, pairs: list[tuple[str, Ref]]) -> None:
        """Refuse each host of which an object is still there when time is up. In check mode all go at once."""
        if self.check_mode:
            return
        waited = wait.wait(
            self.connection,
            [wait.cluster_gone(ref) if ref.kind == "ClusterDeployment" else wait.gone(ref) for _host, ref in pairs],
            timeout=self.fleet.shared("kof_wait_timeout"),
            progress=fleets.display.display,
            word="gone",
        )
        for (host, _ref), each in zip(pairs, waited, strict=True):
            if each.state != "ready":
                self.deletion.refused[host] = f"{each.ref} is still there after {each.seconds:.0f} s: {each.because}"

    def _look_again(self, children: list[tuple[str, Ref]]) -> None:
        """Which regionals may go, now that the children are gone: waiting for them may have taken long."""
        deletion = self.deletion
        if not deletion.hosts("regional"):
            return
        if self.check_mode:
            gone = {ref for _host, ref in children}
            self.live = {ref: item for ref, item in self.live.items() if ref not in gone}
        elif children:
            clusters = self._listed(deletion.refs[host][0] for host in deletion.hosts("regional"))
            others = {ref: item for ref, item in self.live.items() if ref.kind != "ClusterDeployment"}
            self.live = {**others, **clusters}
            deletion.guard(self.live)
        deletion.hold_regionals(self.live)
        deletion.hold_after_failures()

    def _result(self, before: dict[Ref, dict[str, Any]]) -> dict[str, Any]:
        deletion = self.deletion
        counts = Counter("being_deleted" if each.action == "unchanged" else each.action for _h, each in self.outcomes)
        changed = [(host, outcome) for host, outcome in self.outcomes if outcome.changed]
        gone = {host for host, outcome in changed if outcome.ref.kind == "ClusterDeployment"}
        records = deletion.dns_records(gone, before)
        words = [f"{number} {action.replace('_', ' ')}" for action, number in sorted(counts.items())] or [
            "nothing to do"
        ]
        words += [
            f"{len(hosts)} {what}: {some(hosts, fleets.FAULTS_SHOWN)}"
            for what, hosts in (("refused", deletion.refused), ("left out", deletion.left_out))
            if hosts
        ]
        if records:
            words.append(f"DNS records that may stay behind in the hosted zones: {some(records, fleets.FAULTS_SHOWN)}")
        return {
            "changed": bool(changed),
            "counts": dict(counts),
            "objects": [{"object": str(outcome.ref), "action": outcome.action} for _host, outcome in changed],
            "refused": [{"host": host, "reason": reason} for host, reason in deletion.refused.items()],
            "left_out": [{"host": host, "reason": reason} for host, reason in deletion.left_out.items()],
            "dns_records": records,
            "msg": "; ".join(words),
            "outcomes": [outcome for _host, outcome in self.outcomes],
        }
