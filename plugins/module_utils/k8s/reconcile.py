# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make live objects equal wanted ones: list, decide without a request where that can be proved, apply the rest.

Knows no kind but Secret (never listed), and no release of kof. Every write is a server-side apply, a JSON patch or a
delete of the very object that was read (uid and resourceVersion), or an apply of one that isn't there: so a guard's
answer holds until the write, and each may be repeated after a broken connection.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import (
    Guard,
    Outcome,
    Pending,
    Policy,
    Ref,
    counts,
    diff_of,
    ref_of,
    refusal_reason,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import POOL_SIZE, Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import (
    Creation,
    FieldChange,
    changes,
    comparable,
    same_ownership,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.encoding import encode
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import (
    ApiError,
    ApiUnavailable,
    UnsendableString,
    one_line,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import (
    FIELD_MANAGER,
    LAST_APPLIED,
    Claim,
    Handover,
    authored,
    claims,
    entries,
    handover,
    is_hand,
    leaf_paths,
    migrated,
    own_entry,
    owner_of,
    same,
    unchanged,
    union,
    without,
)

__all__ = [
    "FIELD_MANAGER",
    "FieldChange",
    "Guard",
    "Outcome",
    "Pending",
    "Policy",
    "Ref",
    "counts",
    "delete",
    "diff_of",
    "difference",
    "foreseen",
    "patch",
    "reconcile",
    "ref_of",
    "takes_from",
    "unchanged",
]

Progress = Callable[[int, int], None]
_TRIES = 8  # of one object that others keep changing meanwhile: controllers write its status while it settles
# No object has it, so an apply that carries it creates and never overwrites: etcd's first write makes revision 2.
_NOWHERE = "1"
_FEW = 3  # that many objects of a kind are read by name, more by one LIST


class _Refused(Exception):
    """This object can't be brought to what is wanted; the text says why."""


def reconcile(
    connection: Connection,
    wanted: Sequence[dict[str, Any]],
    *,
    policy: Policy,
    check_mode: bool,
    pending: Pending | None = None,
    live: Mapping[Ref, dict[str, Any]] | None = None,
    progress: Progress | None = None,
    guards: Sequence[Guard] = (),
) -> list[Outcome]:
    """Bring the objects `wanted` about; in check mode find out with dry runs what would happen. Same order as wanted.

    live: objects read already, as a list of everything there is of their kinds (see `read`); pending: see Pending;
    progress: called with (done, total) from worker threads, one at a time; guards: see Guard, asked of each object
    that is there and about to be changed, on every look at it.
    A refused object doesn't hold back the others. Raises ApiUnavailable or ApiError when nothing can be read at all.
    """
    run = _Run(connection, policy, check_mode, pending or Pending(), guards)
    refs = [ref_of(want) for want in wanted]
    served = run.served({(ref.api_version, ref.kind) for ref in refs})
    if live is None:
        live = read(connection, [ref for ref in refs if served[ref.api_version, ref.kind]], deadline=run.deadline)
    outcomes: list[Outcome | None] = [None] * len(refs)
    todo: list[int] = []
    for index, (ref, want) in enumerate(zip(refs, wanted, strict=True)):
        if not served[ref.api_version, ref.kind]:
            outcomes[index] = run.not_served(ref, want)
        elif ref in live and unchanged(want, live[ref], policy.drift_managers):
            outcomes[index] = Outcome(ref, "unchanged")
        else:
            todo.append(index)

    def one(index: int) -> Outcome:
        return run.guarded(refs[index], lambda: run.bring_about(refs[index], wanted[index], live.get(refs[index])))

    for index, outcome in zip(todo, run.each(todo, one, progress, len(refs)), strict=True):
        outcomes[index] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def foreseen(
    want: dict[str, Any], live: dict[str, Any] | None, *, policy: Policy, guards: Sequence[Guard] = ()
) -> Outcome:
    """What `reconcile` would do to an object, by what was read of it alone: nothing is asked, and no right to write
    is needed. "unchanged" is proved; of what changes the API server, its defaults and webhooks, has the last word.

    live: as it was read; None: it isn't there. An object that isn't proved to be as wanted, and of which no difference
    is seen, is "unproved". Of what is adopted, more fields may be told than change: the server sets its defaults again.
    """
    if live is not None and unchanged(want, live, policy.drift_managers):
        return Outcome(ref_of(want), "unchanged")
    run = _Run(None, policy, True, Pending(), guards)  # type: ignore[arg-type]  # it sends nothing
    ref = ref_of(want)
    return run.guarded(ref, lambda: run.foreseen(ref, want, live))


def difference(want: dict[str, Any], live: dict[str, Any], *, policy: Policy) -> tuple[FieldChange, ...]:
    """What of `live` would be another, were it written: less what only we own, or take over, and with `want`."""
    transfer = handover(want, live, _now(), policy.drift_managers)
    ours = own_entry(live)
    # What nobody owns stays: the server's defaults.
    gone, keep = (ours or {}).get("fieldsV1") or {}, _fields(authored(want))
    for _manager, _time, trie in transfer.taken if transfer else ():
        gone = union(gone, trie)
    for entry in transfer.managed_fields[:-1] if transfer else entries(live):
        if entry is not ours:
            keep = union(keep, entry.get("fieldsV1") or {})
    after = _overlay(without(comparable(live), gone, keep), want)
    if transfer is not None and transfer.drop_last_applied:
        kept = {key: each for key, each in (after["metadata"].get("annotations") or {}).items() if key != LAST_APPLIED}
        after["metadata"] = {**after["metadata"], "annotations": kept}
    return changes(live, after)


def takes_from(manager: str, policy: Policy) -> bool:
    """Whether a field that we want otherwise is taken back from this field manager."""
    hand = is_hand(manager, policy.drift_managers)
    return policy.force_conflicts == "always" or (hand and policy.force_conflicts == "hands")


def delete(
    connection: Connection,
    refs: Sequence[Ref],
    *,
    policy: Policy,
    check_mode: bool,
    propagation: str = "Background",
    live: Mapping[Ref, dict[str, Any]] | None = None,
    progress: Progress | None = None,
    guards: Sequence[Guard] = (),
) -> list[Outcome]:
    """Delete the objects `refs`, each only as the one that was read; what isn't there, or isn't served, is "absent",
    what is being deleted already is "unchanged". propagation: Background | Foreground | Orphan; guards: as for
    `reconcile`. Doesn't wait for finalizers. Raises as `reconcile`."""
    run = _Run(connection, policy, check_mode, Pending(), guards)
    served = run.served({(ref.api_version, ref.kind) for ref in refs})
    if live is None:
        live = read(connection, [ref for ref in refs if served[ref.api_version, ref.kind]], deadline=run.deadline)

    def one(index: int) -> Outcome:
        ref = refs[index]
        found = live.get(ref)
        if found is None:
            return Outcome(ref, "absent")
        return run.guarded(ref, lambda: run.remove(ref, found, propagation))

    return list(run.each(list(range(len(refs))), one, progress, len(refs)))


def patch(
    connection: Connection,
    patches: Mapping[Ref, list[dict[str, Any]]],
    *,
    policy: Policy,
    check_mode: bool,
    progress: Progress | None = None,
) -> dict[Ref, Outcome]:
    """Send a JSON patch to each object. What must hold of it is said by `test` operations: the API server looks at them
    when it writes, so that no look of ours can be out of date. Raises as `reconcile`."""
    run = _Run(connection, policy, check_mode, Pending(), ())
    refs = list(patches)

    def one(index: int) -> Outcome:
        ref = refs[index]
        return run.guarded(ref, lambda: run.patched(ref, patches[ref]))

    return dict(zip(refs, run.each(list(range(len(refs))), one, progress, len(refs)), strict=True))


def read(connection: Connection, refs: Sequence[Ref], *, deadline: float | None = None) -> dict[Ref, dict[str, Any]]:
    """The live objects of `refs`, those that exist. Kinds must be served. One consistent LIST per kind (of one
    namespace when all are in it), single requests for a few objects and for Secrets, which are never listed."""
    result: dict[Ref, dict[str, Any]] = {}
    kinds: dict[tuple[str, str], list[Ref]] = {}
    for ref in dict.fromkeys(refs):
        kinds.setdefault((ref.api_version, ref.kind), []).append(ref)
    by_name = [ref for group in kinds.values() for ref in group if len(group) <= _FEW or ref.kind == "Secret"]
    listed: set[Ref] = set()
    for (api_version, kind), group in kinds.items():
        if len(group) <= _FEW or kind == "Secret":
            continue
        namespaces = {ref.namespace for ref in group}
        path = connection.path(api_version, kind, namespaces.pop() if len(namespaces) == 1 else None)
        wanted = set(group)
        items, _version = connection.list_objects(path, deadline=deadline)
        for item in items:
            ref = ref_of(item)
            if ref in wanted:
                result[ref] = item
        listed |= wanted
    if by_name:
        with ThreadPoolExecutor(min(POOL_SIZE, len(by_name))) as pool:
            answers = list(pool.map(lambda ref: _get(connection, ref, deadline), by_name))
        result.update({ref: found for ref, found in zip(by_name, answers, strict=True) if found is not None})
    return result


def _get(connection: Connection, ref: Ref, deadline: float | None) -> dict[str, Any] | None:
    return get_or_none(connection, (ref.api_version, ref.kind, ref.namespace, ref.name), deadline=deadline)


class _Run:
    """One call of reconcile or delete: its connection, policy and clock."""

    def __init__(
        self, connection: Connection, policy: Policy, check_mode: bool, pending: Pending, guards: Sequence[Guard]
    ) -> None:
        self.guards = guards
        self.connection = connection
        self.policy = policy
        self.check_mode = check_mode
        self.pending = pending
        self.deadline = time.monotonic() + policy.deadline if policy.deadline else None
        self._lost: str | None = None  # why nothing more is sent

    def served(self, kinds: set[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Which of `kinds` (apiVersion, kind) the API serves."""
        return {pair: self.connection.resource(*pair, deadline=self.deadline) is not None for pair in sorted(kinds)}

    def not_served(self, ref: Ref, want: dict[str, Any]) -> Outcome:
        needs = self.pending.kind_missing(ref.api_version, ref.kind) if self.check_mode else None
        if needs:
            return Outcome(ref, "created", Creation(want), not_checked=needs)
        return Outcome(
            ref, "refused", reason=f"the API server doesn't serve {ref.kind} ({ref.api_version}): is its CRD installed?"
        )

    def each(
        self, todo: Sequence[int], one: Callable[[int], Outcome], progress: Progress | None, total: int
    ) -> list[Outcome]:
        """`one` for each of `todo`, several at once; in order."""
        done = total - len(todo)
        lock = threading.Lock()

        def step(index: int) -> Outcome:
            nonlocal done
            outcome = one(index)
            with lock:
                done += 1
                if progress is not None:
                    progress(done, total)
            return outcome

        if len(todo) <= 1:
            return [step(index) for index in todo]
        with ThreadPoolExecutor(min(POOL_SIZE, len(todo))) as pool:
            return list(pool.map(step, todo))

    def guarded(self, ref: Ref, action: Callable[[], Outcome]) -> Outcome:
        """`action`, its failures turned into refused outcomes; nothing more is sent once the server is lost."""
        if self._lost is None and self.deadline is not None and time.monotonic() > self.deadline:
            self._lost = f"the time limit of {self.policy.deadline:g} s for this step has passed"
        if self._lost is not None:
            return Outcome(ref, "refused", reason=one_line(f"not tried: {self._lost}"), lost=True)
        try:
            return action()
        except ApiUnavailable as error:
            self._lost = str(error)
            return Outcome(ref, "refused", reason=one_line(str(error)), lost=True)
        except ApiError as error:
            if error.status == 401:
                self._lost = error.message
            return Outcome(ref, "refused", reason=refusal_reason(error, ref), lost=error.status == 401)
        except UnsendableString as error:
            return Outcome(ref, "refused", reason=one_line(str(error)))
        except _Refused as refusal:
            return Outcome(ref, "refused", reason=one_line(str(refusal)))

    # -- one object

    def bring_about(self, ref: Ref, want: dict[str, Any], live: dict[str, Any] | None) -> Outcome:
        """Decide and apply; decide again on a fresh read when others changed the object meanwhile."""
        first, behind = live, False  # behind: an owner's entry of another API version stands in the way
        for attempt in range(_TRIES):
            try:
                self._ask_guards(live, want)
                owners = migrated(want, live) if live is not None and behind else None
                if owners and self.check_mode:
                    return self._predicted(ref, want, live, f"its fields' owners brought to {ref.api_version}")
                if live is not None and owners:
                    live = self._json_patch(ref, _owners_patch(live, owners), dry_run=False)
                return self._bring_about(ref, want, live)
            except ApiError as error:
                needs = self.pending.lacking(error, ref) if self.check_mode else None
                if needs:
                    return self._predicted(ref, want, live, needs)
                if error.is_of_another_version and not behind and attempt < _TRIES - 1:
                    behind = True
                    continue
                self._raise_unless_moved(error, attempt, live)
                problem = error
            seen, live = live, self._look_again(ref, attempt)
            # A webhook says 404, too, when it misses something else: then the object is there as before.
            if problem.status == 404 and seen and live and _version_of(seen) == _version_of(live):
                raise problem
            if live is not None and unchanged(want, live, self.policy.drift_managers):
                return self._as_found(ref, first, live)
        raise AssertionError("unreachable")

    def _ask_guards(self, live: dict[str, Any] | None, want: dict[str, Any] | None) -> None:
        """
        :raises _Refused: by what a guard says of the object that is there.
        """
        reason = next(filter(None, (guard(live, want) for guard in self.guards)), None) if live is not None else None
        if reason:
            raise _Refused(reason)

    def _raise_unless_moved(self, error: ApiError, attempt: int, live: dict[str, Any] | None) -> None:
        """
        :raises ApiError: `error`, unless it says that the object isn't the one that was read any more.
        :raises _Refused: it isn't for the last time.
        """
        # A field conflict has been decided already; any other 409 says that the object moved on, a 404 that it is gone
        # (to an apply that is 409, too).
        if (error.status != 409 or error.field_conflicts) and (error.status != 404 or live is None):
            raise error
        if attempt == _TRIES - 1:
            raise _Refused(f"others kept changing it, {_TRIES} times between our look and our write: run again")

    def _look_again(self, ref: Ref, attempt: int) -> dict[str, Any] | None:
        """A fresh read, at once the first time, later after a pause in which others may come to an end."""
        if attempt:
            time.sleep(min(2.0, 0.05 * 2**attempt) * (0.5 + random.random()))
        return _get(self.connection, ref, self.deadline)

    def _as_found(self, ref: Ref, first: dict[str, Any] | None, live: dict[str, Any]) -> Outcome:
        """The outcome where a second look finds all as wanted: by a write of ours whose answer was lost, or others'."""
        if first is None:
            return Outcome(ref, "created", Creation(live))
        if own_entry(first) == own_entry(live):
            return Outcome(ref, "unchanged")
        return self._outcome(ref, first, live, (), ())

    def _bring_about(self, ref: Ref, want: dict[str, Any], live: dict[str, Any] | None) -> Outcome:
        if live is None:
            return Outcome(ref, "created", Creation(self._apply(ref, want, None, dry_run=self.check_mode)))
        if "deletionTimestamp" in live["metadata"]:
            raise _Refused(_being_deleted(live))
        contested, complete = claims(want, live)
        self._refuse_foreign(contested)
        if not entries(live):
            return self._without_owners(ref, want, live)
        transfer = handover(want, live, _now(), self.policy.drift_managers)
        if transfer is not None and not self._worth_taking(transfer, contested, live):
            transfer = None
        if transfer is not None and own_entry(live) is None and not self.policy.adopt:
            raise _Refused(_belongs_to_hands(transfer))
        force = bool(contested)
        if not complete or (transfer is not None and not contested):
            conflicts = self._conflicts(ref, want, live)
            self._refuse_foreign(conflicts)
            contested = [*contested, *conflicts]
            force = bool(contested)
        if transfer is not None and self.policy.adopt:
            answer = self._take_over(ref, want, live, transfer, force)
            taken = transfer.taken
        else:
            answer = self._apply(ref, want, live, dry_run=self.check_mode, force=force)
            taken = ()
        return self._outcome(ref, live, answer, contested, taken)

    def _without_owners(self, ref: Ref, want: dict[str, Any], live: dict[str, Any]) -> Outcome:
        """An object whose managedFields were cleared: the first apply makes the server give all of it to a hand called
        before-first-apply, from which it is then taken over like from any other."""
        answer = self._apply(ref, want, live, dry_run=True)
        transfer = handover(want, answer, _now(), self.policy.drift_managers)
        if transfer is not None and not self.policy.adopt:
            raise _Refused(_belongs_to_hands(transfer))
        if not self.check_mode:
            answer = self._apply(ref, want, live, dry_run=False)
            transfer = handover(want, answer, _now(), self.policy.drift_managers)
        if transfer is not None and self.check_mode:
            answer = self._as_taken_over(ref, live, answer, transfer)
        elif transfer is not None:
            answer = self._take_over(ref, want, answer, transfer, force=False)
        return self._outcome(ref, live, answer, (), transfer.taken if transfer else ())

    def _worth_taking(self, transfer: Handover, contested: list[Claim], live: dict[str, Any]) -> bool:
        """False when all that the hands hold are fields with another value than ours, which one forced apply takes."""
        if own_entry(live) is None:
            return True
        fields = {claim.field for claim in contested}
        return any(
            _owns_container(trie) or any(path not in fields for path in leaf_paths(trie))
            for _manager, _time, trie in transfer.taken
        )

    def _refuse_foreign(self, contested: Sequence[Claim]) -> None:
        """Raise _Refused when a contested field's owner isn't one that we take back from."""
        for claim in contested:
            if takes_from(claim.manager, self.policy):
                continue
            hand = is_hand(claim.manager, self.policy.drift_managers)
            since = f" since {claim.time}" if claim.time else ""
            more = f" and {len(contested) - 1} more fields" if len(contested) > 1 else ""
            remedy = "see force_conflicts (kof_force_conflicts)" if hand else "not taken from a controller"
            raise _Refused(f"{claim.field}{more} is owned by field manager {claim.manager!r}{since}: {remedy}")

    def _conflicts(self, ref: Ref, want: dict[str, Any], live: dict[str, Any]) -> list[Claim]:
        """Whose fields the server says we would take: a dry run without force."""
        try:
            self._apply(ref, want, live, dry_run=True)
        except ApiError as error:
            if not error.field_conflicts:
                raise
            return [_claim_of(cause) for cause in error.field_conflicts]
        return []

    def _apply(
        self,
        ref: Ref,
        want: dict[str, Any],
        seen: dict[str, Any] | None,
        *,
        dry_run: bool,
        force: bool = False,
    ) -> dict[str, Any]:
        """Server-side apply, only if the object is still as `seen` (None: isn't there); else ApiError 409."""
        pin = {"resourceVersion": _NOWHERE}
        if seen is not None:
            pin = {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}
        body = {**want, "metadata": {**want["metadata"], **pin}}
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        return self.connection.request(
            "PATCH",
            self._path(ref),
            query=query,
            body=encode(body),
            content_type="application/apply-patch+yaml",
            timeout=self.policy.request_timeout,
            deadline=self.deadline,
        )

    def _take_over(
        self, ref: Ref, want: dict[str, Any], live: dict[str, Any], transfer: Handover, force: bool
    ) -> dict[str, Any]:
        """Hand the hands' entries to us, then apply; gives the object afterwards. First a dry run, so that a refused
        object isn't left half taken; in check mode a second one of the object as it would become."""
        forced = self._apply(ref, want, live, dry_run=True, force=True)
        if self.check_mode:
            return self._as_taken_over(ref, live, forced, transfer)
        patch = _owners_patch(live, transfer.managed_fields)
        if transfer.drop_last_applied and LAST_APPLIED in (live["metadata"].get("annotations") or {}):
            patch.append({"op": "remove", "path": f"/metadata/annotations/{pointer(LAST_APPLIED)}"})
        handed = self._json_patch(ref, patch, dry_run=False)
        return self._apply(ref, want, handed, dry_run=False, force=force)

    def _as_taken_over(
        self, ref: Ref, live: dict[str, Any], forced: dict[str, Any], transfer: Handover
    ) -> dict[str, Any]:
        """What the object would be after the hand-over and the apply: the forced dry run's answer less what only the
        hands owned, run through the server (defaults, admission) once more without writing."""
        mine = (own_entry(forced) or {}).get("fieldsV1") or {}
        keep = mine
        for entry in transfer.managed_fields[:-1]:
            keep = union(keep, entry.get("fieldsV1") or {})
        taken: dict[str, Any] = {}
        for _manager, _time, trie in transfer.taken:
            taken = union(taken, trie)
        after = without(forced, taken, keep)
        if transfer.drop_last_applied:
            (after["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
        answer = after
        if not same(comparable(after), comparable(forced)):
            patch: list[dict[str, Any]] = []
            for parent, old, new in (("", live, after), ("/metadata", live["metadata"], after["metadata"])):
                for key in {**old, **new}:
                    if key in ("apiVersion", "kind", "metadata", "status", "managedFields") or same(
                        old.get(key), new.get(key)
                    ):
                        continue
                    step = f"{parent}/{pointer(key)}"
                    patch.append(
                        {"op": "add", "path": step, "value": new[key]} if key in new else {"op": "remove", "path": step}
                    )
            answer = self._json_patch(ref, patch, dry_run=True)
        fields = [entry for entry in entries(answer) if entry.get("manager") != FIELD_MANAGER]
        answer["metadata"]["managedFields"] = [*fields, *([own_entry(forced)] if own_entry(forced) else [])]
        return answer

    def patched(self, ref: Ref, patch: list[dict[str, Any]]) -> Outcome:
        """Send a JSON patch; an object that isn't there is absent."""
        try:
            self._json_patch(ref, patch, dry_run=self.check_mode)
        except ApiError as error:
            if error.status == 404 and _get(self.connection, ref, self.deadline) is None:
                return Outcome(ref, "absent")
            if error.status == 422 and not error.causes:  # a test, or a path that is gone
                raise _Refused("was changed by somebody else meanwhile: run again") from None
            raise
        return Outcome(ref, "updated")

    def _json_patch(self, ref: Ref, patch: list[dict[str, Any]], *, dry_run: bool) -> dict[str, Any]:
        return self.connection.request(
            "PATCH",
            self._path(ref),
            query={"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})},
            body=encode(patch),
            content_type="application/json-patch+json",
            timeout=self.policy.request_timeout,
            deadline=self.deadline,
        )

    def _outcome(
        self,
        ref: Ref,
        live: dict[str, Any],
        answer: dict[str, Any],
        contested: Sequence[Claim],
        taken: Sequence[tuple[str, str, Any]],
    ) -> Outcome:
        """Compare what was listed with what the server answered, and say whose changes were undone."""
        differing = changes(live, answer)
        ours_before = own_entry(live) is not None
        if not differing and same_ownership(live, answer) and not taken:
            return Outcome(ref, "unchanged")
        told: list[FieldChange] = []
        took_back: list[tuple[str, str, str]] = []
        for change in differing:
            claim = next((c for c in contested if _within(change.path, c.field)), None)
            claim = claim or owner_of(change.path, taken, change.steps)
            if claim is not None and LAST_APPLIED not in change.path:
                change = replace(change, taken_from=claim.manager, taken_at=claim.time)
                took_back.append((change.path, claim.manager, claim.time))
            told.append(change)
        action = "updated" if ours_before and differing else "adopted"
        return Outcome(ref, action, tuple(told), took_back=tuple(dict.fromkeys(took_back)))

    def _predicted(self, ref: Ref, want: dict[str, Any], live: dict[str, Any] | None, needs: str) -> Outcome:
        """What no server could check: created as rendered, or the wanted fields that differ from the live object."""
        if live is None:
            return Outcome(ref, "created", Creation(want), not_checked=needs)
        differing = changes(live, _overlay(comparable(live), want))
        action = "updated" if own_entry(live) is not None else "adopted"
        return Outcome(ref, action, differing, not_checked=needs)

    def foreseen(self, ref: Ref, want: dict[str, Any], live: dict[str, Any] | None) -> Outcome:
        """What would become of an object, by what was read of it."""
        if live is None:
            return Outcome(ref, "created", Creation(want))
        if "deletionTimestamp" in live["metadata"]:
            raise _Refused(_being_deleted(live))
        self._ask_guards(live, want)
        contested, _complete = claims(want, live)
        self._refuse_foreign(contested)
        transfer = handover(want, live, _now(), self.policy.drift_managers)
        ours = own_entry(live)
        if transfer is not None and ours is None and not self.policy.adopt:
            raise _Refused(_belongs_to_hands(transfer))
        differing = difference(want, live, policy=self.policy)
        if ours is None or (transfer is not None and not differing):
            return Outcome(ref, "adopted", differing)
        return Outcome(ref, "updated" if differing else "unproved", differing)

    def remove(self, ref: Ref, live: dict[str, Any], propagation: str) -> Outcome:
        """Delete `ref` as the guards let it be; look again when others changed it meanwhile."""
        found: dict[str, Any] | None = live
        for attempt in range(_TRIES):
            if found is None:
                return Outcome(ref, "deleted")
            if found["metadata"]["uid"] != live["metadata"]["uid"]:
                raise _Refused("another object of this name has taken its place meanwhile: run again")
            if "deletionTimestamp" in found["metadata"]:
                return Outcome(ref, "unchanged", reason=_being_deleted(found))
            self._ask_guards(found, None)
            try:
                return self._remove(ref, found, propagation)
            except ApiError as error:
                self._raise_unless_moved(error, attempt, None)
            found = self._look_again(ref, attempt)
        raise AssertionError("unreachable")

    def _remove(self, ref: Ref, live: dict[str, Any], propagation: str) -> Outcome:
        """Delete `ref` if it still is `live`, else ApiError 409."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {key: live["metadata"][key] for key in ("uid", "resourceVersion")},
        }
        if self.check_mode:
            body["dryRun"] = ["All"]
        try:
            self.connection.request(
                "DELETE",
                self._path(ref),
                query={"dryRun": "All"} if self.check_mode else None,
                body=body,
                timeout=self.policy.request_timeout,
                deadline=self.deadline,
            )
        except ApiError as error:
            # Gone since we looked, or gone by a try of ours whose answer was lost.
            # A webhook says 404, too, when it misses something else: then the object is still there.
            if error.status != 404:
                raise
            found = _get(self.connection, ref, self.deadline)
            if found is not None and found["metadata"]["uid"] == live["metadata"]["uid"]:
                raise
        return Outcome(ref, "deleted")

    def _path(self, ref: Ref) -> str:
        return self.connection.path(ref.api_version, ref.kind, ref.namespace, ref.name)


def _owners_patch(live: dict[str, Any], managed_fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A JSON patch that replaces the managedFields of `live`, if it is still that."""
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
    ]


def _version_of(live: Mapping[str, Any]) -> tuple[str, str]:
    return live["metadata"]["uid"], live["metadata"]["resourceVersion"]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _belongs_to_hands(transfer: Handover) -> str:
    hands = ", ".join(sorted({manager for manager, _time, _trie in transfer.taken}))
    return f"exists and belongs to {hands}; to take it over set adopt (kof_adopt) to true"


def _being_deleted(live: dict[str, Any]) -> str:
    metadata = live["metadata"]
    held = ", ".join(metadata.get("finalizers") or []) or "no finalizer"
    return f"is being deleted since {metadata['deletionTimestamp']} (held by {held}): wait until it is gone, run again"


def _claim_of(cause: Mapping[str, str]) -> Claim:
    """From a conflict cause: field ".spec.a", message 'conflict with "kubectl-edit" using v1 at 2026-…'."""
    message = cause.get("message", "")
    manager = message.partition('conflict with "')[2].partition('"')[0]
    stamp = message.rpartition(" at ")[2] if " at " in message else ""
    return Claim(cause.get("field", "").lstrip("."), manager, stamp)


def _within(path: str, field: str) -> bool:
    """Is the change at `path` one of `field` (its value, or a part of it)?"""
    plain, root = path.replace("[", ".").replace("]", ""), field.replace("[", ".").replace("]", "")
    return plain == root or plain.startswith(f"{root}.")


def _owns_container(trie: Mapping[str, Any]) -> bool:
    """Does a trie hold an object or list as such? A forced apply takes its fields, but not that."""
    return "." in trie or any(_owns_container(below) for below in trie.values())


def pointer(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _fields(value: Any) -> dict[str, Any]:
    """The trie of an object's fields; a list is one value."""
    return {f"f:{key}": _fields(below) for key, below in value.items()} if isinstance(value, dict) else {}


def _overlay(live: dict[str, Any], want: Mapping[str, Any]) -> dict[str, Any]:
    """`live` with the values of `want` over it, objects merged, lists replaced."""
    result = dict(live)
    for key, value in want.items():
        old = result.get(key)
        result[key] = _overlay(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
