# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_delete.py: all children of a batch, and when they are gone their regionals.

It only walks the rooms in order: what may go and what must stay is module_utils/fleet/deletion.py, deleting
module_utils/k8s/reconcile.py, waiting module_utils/k8s/wait.py.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import listing, render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of, progress_lines
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import LEAVE, SENDERS, Deletion
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of, outcomes_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard, Outcome, Ref, in_words, result_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.readiness import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import named

CONFIRM = "kof_delete_confirm"
#: The extra variables that confirm it: of delete.yml and of uninstall.yml.
CONFIRMS = (CONFIRM, "kof_uninstall_confirm")
_FRESH = 1.0  # seconds


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "confirmed_by": {"type": "str", "default": CONFIRM, "choices": [*CONFIRMS]},
        **booking.OPTION,
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        confirm = options["confirmed_by"]
        fleet = fleets.read_fleet(task_vars, ["regional", "child"])
        extra = fleets.extra_variables(task_vars["hostvars"])
        leave, wrong = named(extra, LEAVE)
        if fleet.faults or wrong:
            raise FleetFault.of([*fleet.faults, *wrong])
        if not fleet.hosts:
            msg = "nothing to delete: this run has no host of kof_regional or kof_child (see --limit)"
            say(msg)
            return {"changed": False, "counts": {}, "objects": [], "refused": [], "left_out": [], "msg": msg} | {
                "uninstalled": [],
                "left_behind": [],
                "outcomes": {},
            }
        run = booking.run_of(task_vars, options["booked_by"])
        with self.connect(fleet, options) as connection:
            # Of a fleet that is uninstalled kcm may be gone before, and all clusters with it.
            kcm = render.kcm_version_of(connection, may_be_gone=confirm != CONFIRM)
            deletion = Deletion(fleet, kcm)
            deletion.leave_failed(run.before.failed)
            deleting = _Deleting(connection, deletion, check_mode=self.check_mode, confirm=confirm)
            diff = self._task.diff or self._play_context.diff
            result = deleting.run(extra.get(confirm), leave, diff=diff)
        # What was left out, and which DNS records stay, is nobody's failure: without -v nothing else would say it.
        say(f"{result['msg']}; at {self._place}")
        outcomes = outcomes_of(deleting.outcomes, result["refused"], result["left_out"], check_mode=self.check_mode)
        for host in sorted(deleting.withdrawn):
            outcomes.changed.setdefault(host, f"services {'would be ' if self.check_mode else ''}uninstalled")
        result["outcomes"] = outcomes.fact(run.booked_by)
        if run.booked_by == booking.BY_PLAY:
            result["changed"] = False
        if result["refused"] and run.alone:
            # With all that was done: it can't be undone.
            head = f"{len(result['refused'])} of {len(fleet.hosts)} clusters failed:"
            result |= {"failed": True, "msg": "\n".join([head, *guilty_of(result["refused"]), result["msg"]])}
        return result


class _Deleting:
    """One deletion: what is there, and what came of each object so far."""

    def __init__(self, connection: Connection, deletion: Deletion, *, check_mode: bool, confirm: str = CONFIRM) -> None:
        self.connection = connection
        self.deletion = deletion
        self.fleet = deletion.fleet
        self.check_mode = check_mode
        self.confirm = confirm
        self.live: dict[Ref, dict[str, Any]] = {}
        self.outcomes: list[tuple[str, Outcome]] = []
        self.withdrawn: set[str] = set()
        self.tried: dict[Ref, Outcome] = {}
        self._gone: set[Ref] = set()  # children, in check mode as if they were
        self._lock = threading.Lock()
        self._held: tuple[float, dict[str, str]] = (-math.inf, {})

    def run(self, confirmed: object, leave: list[str], *, diff: bool) -> dict[str, Any]:
        deletion = self.deletion
        known: tuple[str, ...] = ()
        if self.fleet.of("regional"):
            self.live, known = self._clusters("Nothing was changed."), SENDERS
            deletion.walk(self.live)
        try:
            self.live |= self._listed(ref for refs in deletion.refs.values() for ref in refs if ref.kind not in known)
            before = dict(self.live)
            deletion.guard(self.live)
            around = self._around()
        except listing.Unlisted as unlisted:
            raise FleetFault(f"{unlisted}. Nothing was changed.") from None
        deletion.find_standing(self.live, around, leave)
        deletion.hold_regionals(self.live, going=deletion.hosts("child"))
        if not self.check_mode:
            self._confirm(confirmed)

        self._try("child")
        self._uninstall("child")
        children = self._delete("child", slice(None))
        if self.fleet.shared("kof_wait") or deletion.hosts("regional"):
            self._wait_until_gone(children)
        self._look_again(children)
        self._try("regional")
        # A server group without its cluster would make promxy fail every query.
        places = self._delete("regional", slice(1, None))
        self._wait_until_gone([(host, ref) for host, ref in places if self.live[ref]["metadata"].get("finalizers")])
        self._uninstall("regional")
        clusters = self._delete("regional", slice(1))
        self._tell_what_is_gone(places)
        if self.fleet.shared("kof_wait"):
            self._wait_until_gone(clusters)
        return self._result(before, diff=diff)

    def _listed(self, refs: Iterable[Ref]) -> dict[Ref, dict[str, Any]]:
        """What there is of the kinds of `refs`; nothing is there of a kind that isn't served.

        :raises FleetFault: a kind can't be listed.
        """
        live: dict[Ref, dict[str, Any]] = {}
        for api_version, kind, namespace in dict.fromkeys((ref.api_version, ref.kind, ref.namespace) for ref in refs):
            if self.connection.resource(api_version, kind):
                there = listing.objects(self.connection, api_version, kind, namespace)
                live.update((reconcile.ref_of(each), each) for each in there)
        return live

    def _clusters(self, so_far: str) -> dict[Ref, dict[str, Any]]:
        """All that may send to a regional cluster: every ClusterDeployment there is, of all namespaces, and the
        MultiClusterServices, which bring services to clusters without a word in their ClusterDeployments.

        :param so_far: what has been changed, for the message.
        :raises FleetFault: they may not be listed.
        """
        found: dict[Ref, dict[str, Any]] = {}
        for kind in SENDERS:
            try:
                found |= self._listed([Ref(self.deletion.given.kcm_api, kind, None, "")])
            except listing.Unlisted as unlisted:
                if unlisted.status != 403:
                    raise FleetFault(
                        "whether clusters in other namespaces send to these regional clusters can't be seen: "
                        f"{unlisted}. {so_far}"
                    ) from None
                raise FleetFault(
                    "whether clusters in other namespaces send to these regional clusters can't be seen: the right to "
                    f"list {kind.lower()}s.{KCM_GROUP} in all namespaces is missing ({unlisted.why}). Bind a "
                    "ClusterRole with it to the user of kof_kubeconfig, or of the job's credential (docs/rights.md). "
                    f"{so_far}"
                ) from None
        return found

    def _childless(self, live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        """A guard: whether a regional, of which an object is about to go, has a child by now. The regionals of one step
        may share an answer, for _FRESH seconds from when it is there: of a thousand clusters it takes longer."""
        host = self.deletion.host_of[reconcile.ref_of(live)]
        with self._lock:
            when, held = self._held
            if time.monotonic() - when > _FRESH:
                there = {ref: item for ref, item in self.live.items() if ref.kind not in SENDERS}
                try:
                    clusters = self._clusters("It stays.")
                except FleetFault as fault:
                    return str(fault)
                there |= {ref: item for ref, item in clusters.items() if ref not in self._gone}
                refused, left_out = self.deletion.held(there)
                held = {**left_out, **refused}
                self._held = time.monotonic(), held
        return held.get(host)

    def _guards(self, layer: str) -> tuple[Guard, ...]:
        """Those of one step."""
        self._held = (-math.inf, {})
        ours = self.deletion.guard_of(layer)
        return (ours, self._childless) if layer == "regional" else (ours,)

    def _try(self, layer: str) -> None:
        """Have the API server say whether all of a cluster's objects may go, before the first one does: a cluster that
        must stay keeps its services and its place in the global view.

        A child that has but one object needs no try, its deletion is one.
        """
        deletion = self.deletion
        hosts = [host for host in deletion.hosts(layer) if layer == "regional" or host in deletion.standing]
        host_of = {ref: host for host in hosts for ref in deletion.refs[host]}
        withdrawn = {deletion.refs[host][0]: host for host in hosts if host in deletion.standing}
        outcomes = reconcile.delete(
            self.connection,
            list(host_of),
            policy=policy_of(self.fleet),
            check_mode=True,
            live=self.live,
            guards=self._guards(layer),
        )
        self.tried |= dict(zip(host_of, outcomes, strict=True))
        patches = {ref: deletion.withdrawal(host, self.live) for ref, host in withdrawn.items()}
        patched = reconcile.patch(
            self.connection,
            {ref: patch for ref, patch in patches.items() if patch},
            policy=policy_of(self.fleet),
            check_mode=True,
        )
        for ref, outcome in [*zip(host_of, outcomes, strict=True), *patched.items()]:
            if outcome.action == "refused":
                deletion.refused[host_of[ref]] = f"{ref}: {outcome.reason}. Nothing of this cluster is deleted"

    def _tell_what_is_gone(self, places: list[tuple[str, Ref]]) -> None:
        """Say of clusters that stay after all which of their objects were deleted before."""
        refused = {} if self.check_mode else self.deletion.refused
        for host in dict.fromkeys(host for host, _ref in places if host in refused):
            gone = [str(ref) for of_host, ref in places if of_host == host]
            refused[host] += f". Deleted before: {some(gone)}: k0rdent.kof.regional makes them again"

    def _around(self) -> dict[str, Surroundings]:
        """By cluster name, what Sveltos says of the clusters."""
        namespace = self.fleet.shared("kof_kcm_namespace")
        found: dict[str, dict[str, list[Any]]] = {}
        for related in awaited.OF_ADOPTED if any(self.deletion.going(self.live).values()) else ():
            for item in self._listed([Ref(related.api_version, related.kind, namespace, "")]).values():
                about = related.key(item) if related.key else None
                if about and about[0] == namespace:
                    of_cluster = found.setdefault(about[1], {"SveltosCluster": [], "ClusterSummary": []})
                    of_cluster[related.kind].append(item)
        return {
            name: Surroundings(summaries=kinds["ClusterSummary"], clusters=kinds["SveltosCluster"])
            for name, kinds in found.items()
        }

    def _uninstall(self, layer: str) -> None:
        """Have the services of clusters that live on uninstalled, and wait until they are: kcm and Sveltos forget such
        a cluster within a second of its ClusterDeployment. A host of which some is left is refused."""
        deletion = self.deletion
        refs = {deletion.refs[host][0]: host for host in deletion.hosts(layer) if host in deletion.standing}
        _ours, *more = self._guards(layer)
        for ref, host in refs.items():
            held = next(filter(None, (guard(self.live[ref], None) for guard in more)), None)
            if held:
                deletion.refused[host] = f"{ref}: {held}"
        refs = {ref: host for ref, host in refs.items() if host not in deletion.refused}
        patches = {ref: deletion.withdrawal(host, self.live) for ref, host in refs.items()}
        outcomes = reconcile.patch(
            self.connection,
            {ref: patch for ref, patch in patches.items() if patch},
            policy=policy_of(self.fleet),
            check_mode=self.check_mode,
        )
        for ref, outcome in outcomes.items():
            if outcome.action == "refused":
                deletion.refused[refs[ref]] = f"{ref}: {outcome.reason}"
            self.withdrawn |= {refs[ref]} if outcome.changed else set()
        if self.check_mode or not refs:
            return
        going = {*deletion.hosts(layer)}
        targets = [awaited.services_gone(ref, deletion.secret_profiles) for ref, host in refs.items() if host in going]
        waited = wait.wait(
            self.connection,
            targets,
            timeout=self.fleet.shared("kof_wait_timeout"),
            progress=say,
            word="without services",
            owners=[refs[target.ref] for target in targets],
        )
        for each in waited:
            host = refs[each.ref]
            if each.state != "ready":
                deletion.refused[host] = (
                    f"{each.ref}: its services are still on the cluster after {each.seconds:.0f} s: {each.because}. It "
                    f"stays without services in its spec. Run again, or pass -e {LEAVE}={host} to leave them there"
                )
        # Waiting for them may have taken long.
        try:
            self.live |= self._listed(refs)
        except listing.Unlisted as unlisted:
            for host in refs.values():  # of the others it is told already why they stay, and that they have services
                deletion.refused.setdefault(host, f"{unlisted}. It stays, without its services")
        deletion.guard(self.live)

    def _confirm(self, confirmed: object) -> None:
        """
        :raises FleetFault: something would be deleted, and nobody has said for this run that it may be.
        """
        going, fleet = self.deletion.going(self.live), self.fleet.shared("kof_fleet")
        if not any(going.values()) or (confirmed is not None and str(confirmed) == fleet):
            return
        names = [host for hosts in going.values() for host in hosts]
        said = "" if confirmed is None else f"{self.confirm} is another text than the fleet's name. "
        raise FleetFault(
            f"{said}This run would delete {len(going['child'])} child and {len(going['regional'])} regional clusters "
            f"of fleet {fleet} on {self.connection.place}: {some(names, FAULTS_SHOWN)}. {self._stays()}"
            "Nothing was changed. "
            f"If that is what you want, pass -e {self.confirm}={fleet}"
        )

    def _stays(self) -> str:
        """What becomes of clusters that live on; empty if none does."""
        deletion = self.deletion
        told = ""
        if deletion.standing:
            services = list(dict.fromkeys(each for there in deletion.standing.values() for each in there))
            told += (
                "Adopted clusters live on, and what was installed there is uninstalled first, with its data: "
                f"{some(services, FAULTS_SHOWN) or 'nothing yet'} "
                f"on {some(deletion.standing, FAULTS_SHOWN)}. "
            )
        if deletion.left_behind:
            told += f"Left as they are: {some(deletion.left_behind, FAULTS_SHOWN)}. "
        return told

    def _delete(self, layer: str, which: slice) -> list[tuple[str, Ref]]:
        """Delete these objects of a layer's hosts; those that were there, with their hosts."""
        pairs = [(host, ref) for host in self.deletion.hosts(layer) for ref in self.deletion.refs[host][which]]
        if self.check_mode and all(ref in self.tried for _host, ref in pairs):
            outcomes = [self.tried[ref] for _host, ref in pairs]
        else:
            outcomes = reconcile.delete(
                self.connection,
                [ref for _host, ref in pairs],
                policy=policy_of(self.fleet),
                check_mode=self.check_mode,
                live=self.live,
                guards=self._guards(layer),
                progress=progress_lines(f"{layer} objects deleted", say),
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
        of_clusters = all(ref.kind == "ClusterDeployment" for _host, ref in pairs)
        try:
            waited = wait.wait(
                self.connection,
                [self.deletion.gone(ref) for _host, ref in pairs],
                timeout=self.fleet.shared("kof_wait_timeout"),
                progress=say,
                word="gone",
                owners=[host for host, _ref in pairs] if of_clusters else [],
            )
        except Lost:
            raise
        except (ApiError, ApiUnavailable) as error:
            # What was deleted is told all the same.
            for host, ref in pairs:
                self.deletion.refused[host] = f"{ref}: whether it is gone can't be seen: {one_line(str(error))}"
            return
        for (host, _ref), each in zip(pairs, waited, strict=True):
            if each.state != "ready":
                self.deletion.refused[host] = f"{each.ref} is still there after {each.seconds:.0f} s: {each.because}"

    def _look_again(self, children: list[tuple[str, Ref]]) -> None:
        """Which regionals may go, now that the children are gone: waiting for them may have taken long."""
        deletion = self.deletion
        if not deletion.hosts("regional"):
            return
        if self.check_mode:
            self._gone = {ref for _host, ref in children}
            self.live = {ref: item for ref, item in self.live.items() if ref not in self._gone}
        elif children:
            try:
                clusters = self._clusters("It stays.")
            except (FleetFault, ApiError, ApiUnavailable) as problem:
                deletion.refused.update((host, str(problem)) for host in deletion.hosts("regional"))
                return
            others = {ref: item for ref, item in self.live.items() if ref.kind not in SENDERS}
            self.live = {**others, **clusters}
            deletion.guard(self.live)
        deletion.hold_regionals(self.live)
        deletion.hold_after_failures()

    def _result(self, before: dict[Ref, dict[str, Any]], *, diff: bool) -> dict[str, Any]:
        deletion = self.deletion
        counts = Counter("being_deleted" if each.action == "unchanged" else each.action for _h, each in self.outcomes)
        gone = {host for host, each in self.outcomes if each.changed and each.ref.kind == "ClusterDeployment"}
        left_behind = {host: there for host, there in deletion.left_behind.items() if host in gone}
        going = {each.ref for _host, each in self.outcomes if each.action in ("deleted", "unchanged")}
        last = deletion.last_region(before, going)
        records = deletion.dns_records(gone, before)
        words = in_words(counts, check_mode=self.check_mode)
        words += [
            f"{len(hosts)} {what}: {some(hosts, FAULTS_SHOWN)}"
            for what, hosts in (("refused", deletion.refused), ("left out", deletion.left_out))
            if hosts
        ]
        if self.withdrawn:
            told = f"services {'would be ' if self.check_mode else ''}uninstalled on clusters that live on"
            words.append(f"{told}: {some(sorted(self.withdrawn), FAULTS_SHOWN)}")
        words += [f"{host} lives on with {some(there, FAULTS_SHOWN)}" for host, there in left_behind.items() if there]
        if last:
            words.append(
                f"promxy has {last} in its configuration until another region is applied, and answers no query "
                "meanwhile: kof's operator writes no configuration without any region"
            )
        if records:
            words.append(f"DNS records that may stay behind in the hosted zones: {some(records, FAULTS_SHOWN)}")
        outcomes, hosts = [each for _host, each in self.outcomes], [host for host, _each in self.outcomes]
        result = result_of(outcomes, diff=diff, hosts=hosts)
        del result["took_back"]
        return result | {
            "changed": bool(result["changed"] or self.withdrawn),
            "uninstalled": sorted(self.withdrawn),
            "left_behind": [{"host": host, "releases": there} for host, there in left_behind.items()],
            "counts": dict(counts),
            "refused": [{"host": host, "reason": reason} for host, reason in deletion.refused.items()],
            "left_out": [{"host": host, "reason": reason} for host, reason in deletion.left_out.items()],
            "dns_records": records,
            "msg": "; ".join(words),
        }
