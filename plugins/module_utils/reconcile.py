# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make live objects equal wanted ones: list, decide without a request where that can be proved, apply the rest.

Knows no kind but Secret (never listed), and no release of kof. Every write is a server-side apply, a JSON patch at a
known resourceVersion, or a delete with a known uid: all may be repeated after a broken connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import (
    ApiError,
    ApiUnavailable,
    UnsendableString,
    one_line,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import POOL_SIZE, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.diff import (
    Creation,
    FieldChange,
    changes,
    comparable,
    same_ownership,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.encoding import encode
from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import (
    Outcome,
    Pending,
    Policy,
    Ref,
    counts,
    diff_of,
    refusal_reason,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.ownership import (
    FIELD_MANAGER,
    LAST_APPLIED,
    Claim,
    Handover,
    claims,
    entries,
    handover,
    is_hand,
    join,
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
    "Outcome",
    "Pending",
    "Policy",
    "Ref",
    "counts",
    "delete",
    "diff_of",
    "patch",
    "reconcile",
    "ref_of",
    "unchanged",
]

Progress = Callable[[int, int], None]
_TRIES = 3  # of one object that others keep changing meanwhile
_FEW = 3  # that many objects of a kind are read by name, more by one LIST


class _Refused(Exception):
    """This object can't be brought to what is wanted; the text says why."""


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The Ref of an object."""
    metadata = obj["metadata"]
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"])


def reconcile(
    connection: Connection,
    wanted: Sequence[dict[str, Any]],
    *,
    policy: Policy,
    check_mode: bool,
    pending: Pending | None = None,
    live: Mapping[Ref, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Bring the objects `wanted` about; in check mode find out with dry runs what would happen. Same order as wanted.

    live: objects read already, as a list of everything there is of their kinds (see `read`); pending: see Pending;
    progress: called with (done, total) from worker threads, one at a time.
    A refused object doesn't hold back the others. Raises ApiUnavailable or ApiError when nothing can be read at all.
    """
    run = _Run(connection, policy, check_mode, pending or Pending())
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


def delete(
    connection: Connection,
    refs: Sequence[Ref],
    *,
    policy: Policy,
    check_mode: bool,
    propagation: str = "Background",
    live: Mapping[Ref, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Delete the objects `refs`, each only as the one that was read (uid); what isn't there, or isn't served, is
    "absent", what is being deleted already is "unchanged". propagation: Background | Foreground | Orphan. Doesn't
    wait for finalizers. Raises as `reconcile`."""
    run = _Run(connection, policy, check_mode, Pending())
    served = run.served({(ref.api_version, ref.kind) for ref in refs})
    if live is None:
        live = read(connection, [ref for ref in refs if served[ref.api_version, ref.kind]], deadline=run.deadline)

    def one(index: int) -> Outcome:
        ref = refs[index]
        found = live.get(ref)
        if found is None:
            return Outcome(ref, "absent")
        if "deletionTimestamp" in found["metadata"]:
            return Outcome(ref, "unchanged", reason=_being_deleted(found))
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
    run = _Run(connection, policy, check_mode, Pending())
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
    try:
        return connection.request(
            "GET", connection.path(ref.api_version, ref.kind, ref.namespace, ref.name), deadline=deadline
        )
    except ApiError as error:
        if error.status == 404:
            return None
        raise


class _Run:
    """One call of reconcile or delete: its connection, policy and clock."""

    def __init__(self, connection: Connection, policy: Policy, check_mode: bool, pending: Pending) -> None:
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
        for attempt in range(_TRIES):
            try:
                return self._bring_about(ref, want, live)
            except ApiError as error:
                needs = self.pending.lacking(error, ref) if self.check_mode else None
                if needs:
                    return self._predicted(ref, want, live, needs)
                # A field conflict has been decided already; any other 409 says that the object moved on.
                if error.status != 409 or error.field_conflicts or attempt == _TRIES - 1:
                    raise
            live = _get(self.connection, ref, self.deadline)
            if live is not None and unchanged(want, live, self.policy.drift_managers):
                return Outcome(ref, "unchanged")
        raise AssertionError("unreachable")

    def _bring_about(self, ref: Ref, want: dict[str, Any], live: dict[str, Any] | None) -> Outcome:
        if live is None:
            status, answer = self._apply(ref, want, dry_run=self.check_mode)
            if status == 201:
                return Outcome(ref, "created", Creation(answer))
            # Somebody made it since we looked, and our apply agreed with them.
            return Outcome(ref, "updated" if not self.check_mode else "created", Creation(answer))
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
            conflicts = self._conflicts(ref, want)
            self._refuse_foreign(conflicts)
            contested = [*contested, *conflicts]
            force = bool(contested)
        if transfer is not None and self.policy.adopt:
            answer = self._take_over(ref, want, live, transfer, force)
            taken = transfer.taken
        else:
            _status, answer = self._apply(ref, want, dry_run=self.check_mode, pin=live if force else None, force=force)
            taken = ()
        return self._outcome(ref, live, answer, contested, taken)

    def _without_owners(self, ref: Ref, want: dict[str, Any], live: dict[str, Any]) -> Outcome:
        """An object whose managedFields were cleared: the first apply makes the server give all of it to a hand called
        before-first-apply, from which it is then taken over like from any other."""
        _status, answer = self._apply(ref, want, dry_run=True)
        transfer = handover(want, answer, _now(), self.policy.drift_managers)
        if transfer is not None and not self.policy.adopt:
            raise _Refused(_belongs_to_hands(transfer))
        if not self.check_mode:
            _status, answer = self._apply(ref, want, dry_run=False)
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
            _owns_container(trie) or any(path not in fields for path in _leaf_paths(trie))
            for _manager, _time, trie in transfer.taken
        )

    def _refuse_foreign(self, contested: Sequence[Claim]) -> None:
        """Raise _Refused when a contested field's owner isn't one that we take back from."""
        if self.policy.force_conflicts == "always":
            return
        for claim in contested:
            hand = is_hand(claim.manager, self.policy.drift_managers)
            if hand and self.policy.force_conflicts == "hands":
                continue
            since = f" since {claim.time}" if claim.time else ""
            more = f" and {len(contested) - 1} more fields" if len(contested) > 1 else ""
            remedy = "see force_conflicts (kof_force_conflicts)" if hand else "not taken from a controller"
            raise _Refused(f"{claim.field}{more} is owned by field manager {claim.manager!r}{since}: {remedy}")

    def _conflicts(self, ref: Ref, want: dict[str, Any]) -> list[Claim]:
        """Whose fields the server says we would take: a dry run without force."""
        try:
            self._apply(ref, want, dry_run=True)
        except ApiError as error:
            if not error.field_conflicts:
                raise
            return [_claim_of(cause) for cause in error.field_conflicts]
        return []

    def _apply(
        self,
        ref: Ref,
        want: dict[str, Any],
        *,
        dry_run: bool,
        pin: dict[str, Any] | None = None,
        force: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """Server-side apply; `pin`: only if the object is still this one, unchanged (else ApiError 409)."""
        body = want
        if pin is not None:
            seen = {key: pin["metadata"][key] for key in ("uid", "resourceVersion")}
            body = {**want, "metadata": {**want["metadata"], **seen}}
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        return self.connection.request_status(
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
        _status, forced = self._apply(ref, want, dry_run=True, pin=live, force=True)
        if self.check_mode:
            return self._as_taken_over(ref, live, forced, transfer)
        patch: list[dict[str, Any]] = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": transfer.managed_fields},
        ]
        if transfer.drop_last_applied and LAST_APPLIED in (live["metadata"].get("annotations") or {}):
            patch.append({"op": "remove", "path": f"/metadata/annotations/{pointer(LAST_APPLIED)}"})
        self._json_patch(ref, patch, dry_run=False)
        _status, answer = self._apply(ref, want, dry_run=False, force=force)
        return answer

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

    def remove(self, ref: Ref, live: dict[str, Any], propagation: str) -> Outcome:
        """Delete `ref` if it still is `live`."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": live["metadata"]["uid"]},
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
            # Gone since we looked, or gone by a try of ours whose answer was lost; 409: another object of that name.
            # A webhook says 404, too, when it misses something else: then the object is still there.
            if error.status == 404:
                found = _get(self.connection, ref, self.deadline)
                if found is None or found["metadata"]["uid"] != live["metadata"]["uid"]:
                    return Outcome(ref, "deleted")
                raise
            if error.status == 409:
                raise _Refused("another object of this name has taken its place meanwhile: run again") from None
            raise
        return Outcome(ref, "deleted")

    def _path(self, ref: Ref) -> str:
        return self.connection.path(ref.api_version, ref.kind, ref.namespace, ref.name)


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


def _leaf_paths(trie: Mapping[str, Any], path: str = "") -> list[str]:
    """The fields of a trie in the notation of Claim; list items as their list's."""
    result: list[str] = []
    for step, below in trie.items():
        if step == ".":
            continue
        if not step.startswith("f:"):
            result.append(path)
        elif len(below) - ("." in below):
            result += _leaf_paths(below, join(path, step[2:]))
        else:
            result.append(join(path, step[2:]))
    return result


def _owns_container(trie: Mapping[str, Any]) -> bool:
    """Does a trie hold an object or list as such? A forced apply takes its fields, but not that."""
    return "." in trie or any(_owns_container(below) for below in trie.values())


def pointer(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _overlay(live: dict[str, Any], want: Mapping[str, Any]) -> dict[str, Any]:
    """`live` with the values of `want` over it, objects merged, lists replaced."""
    result = dict(live)
    for key, value in want.items():
        old = result.get(key)
        result[key] = _overlay(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
