# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the status of an object of Kubernetes' own kinds to ready, progressing or failed, and why, for people.

The verdict and what is common to all kinds are here too; kinds of kcm, Sveltos and Grafana are in kof/readiness.py.
Pure: no network, no clock. A status counts only when it was written for the present generation, and nothing that is
being deleted is ready.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling

Object = Mapping[str, Any]
READY, PROGRESSING, FAILED = "ready", "progressing", "failed"


@dataclass(frozen=True)
class Readiness:
    """state: ready | progressing | failed; why: one line, "" when ready; can_heal: may it become ready without anyone
    doing something; advice: what to do about it, "" for nothing but waiting; recheck: seconds after which time alone
    may change the verdict, None if it can't; code: a stable word for what it is (kof/findings.py has them all), "" when
    ready; since: RFC 3339, by the condition it was read from, "" where nobody says."""

    state: str
    why: str = ""
    can_heal: bool = True
    advice: str = ""
    recheck: float | None = None
    code: str = ""
    since: str = ""

    @property
    def ready(self) -> bool:
        return self.state == READY


IS_READY = Readiness(READY)


def progressing(why: str, advice: str = "", recheck: float | None = None, *, code: str, since: str = "") -> Readiness:
    return Readiness(PROGRESSING, one_line(why), advice=advice, recheck=recheck, code=code, since=since)


def failed(why: str, advice: str = "", can_heal: bool = True, *, code: str, since: str = "") -> Readiness:
    return Readiness(FAILED, one_line(why), can_heal, advice, code=code, since=since)


#: What reading an object raises where a part of it is of another type than its kind has: it was stored before its CRD
#: changed, its schema allows anything there, or no API server sent it.
OTHER_FORM = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def of_any_form(judge: Callable[..., Readiness], *given: Any) -> Readiness:
    """What a judge says, also of an object that it can't read: that one spoils no look at the others."""
    try:
        return judge(*given)
    except OTHER_FORM as error:
        return of_other_form(error)


def of_other_form(error: BaseException) -> Readiness:
    """:param error: of OTHER_FORM."""
    return progressing(f"it can't be read ({telling.unexpected(error).partition('. ')[0]})", code="object-malformed")


def before_status(
    obj: Object | None, what: str, *, observed: bool = True, missing: str = "object-missing"
) -> Readiness | None:
    """The verdict that doesn't depend on the kind, None if the status has to be read. observed: does the kind's
    controller write status.observedGeneration? missing: the code of its not being there."""
    if obj is None:
        return progressing(f"{what} doesn't exist yet", code=missing)
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        held = ", ".join(metadata.get("finalizers") or []) or "nothing"
        return failed(
            f"is being deleted since {metadata['deletionTimestamp']} (held by {held})",
            "wait until it is gone, then run again",
            can_heal=False,
            code="being-deleted",
            since=metadata["deletionTimestamp"],
        )
    if observed and int((obj.get("status") or {}).get("observedGeneration") or 0) < int(
        metadata.get("generation") or 0
    ):
        return progressing(
            "its controller hasn't seen the latest change yet", code="change-not-seen", since=changed_at(obj)
        )
    return None


def changed_at(obj: Object) -> str:
    """When what is wanted of an object last changed, as far as the API server has noted; RFC 3339, "" for never."""
    metadata = obj["metadata"]
    times = [
        str(entry["time"])
        for entry in metadata.get("managedFields") or []
        if entry.get("time") and entry.get("subresource") != "status"
    ]
    return max(times, default=str(metadata.get("creationTimestamp") or ""))


def since(entry: Object) -> str:
    """Since when a condition has been as it is; RFC 3339, "" where it doesn't say."""
    return str(entry.get("lastTransitionTime") or "")


def condition(obj: Object, kind: str) -> Object | None:
    """The status condition of type `kind`, None without one."""
    for entry in (obj.get("status") or {}).get("conditions") or []:
        if entry.get("type") == kind:
            return entry
    return None


def deployment(obj: Object | None) -> Readiness:
    """A Deployment: all replicas updated and available."""
    verdict = before_status(obj, "the Deployment", missing="deployment-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    wanted = int(obj.get("spec", {}).get("replicas", 1))
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    if updated >= wanted and available >= wanted and int(status.get("replicas") or 0) <= updated:
        return IS_READY
    stuck = condition(obj, "Progressing") or {}
    why = f"{min(updated, available)} of {wanted} replicas are updated and available"
    failure = condition(obj, "ReplicaFailure") or {}
    refused = failure.get("status") == "True"
    if refused:
        why += f": {failure.get('message')}"
    advice = "see its pods and their events (image, Secrets, PersistentVolumeClaims)"
    if stuck.get("reason") == "ProgressDeadlineExceeded":
        return failed(
            f"{why}, and its progress deadline has passed", advice, code="deployment-stuck", since=since(stuck)
        )
    if refused:
        return progressing(why, advice, code="deployment-pods-refused", since=since(failure))
    unavailable = condition(obj, "Available") or {}
    # While one is replaced enough may be available: that is so since long ago, the rollout isn't.
    rolled = str(stuck.get("lastUpdateTime") or changed_at(obj))
    began = rolled if unavailable.get("status") == "True" else since(unavailable)
    return progressing(why, advice, code="deployment-not-available", since=began)


def secret(obj: Object | None, keys: Sequence[str] = ()) -> Readiness:
    """A Secret that holds `keys`, each with a value. Never quotes a value."""
    verdict = before_status(obj, "the Secret", observed=False, missing="secret-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    data = obj.get("data") or {}
    missing = [key for key in keys if not _filled(data.get(key))]
    if missing:
        return progressing(f"has no value at {', '.join(missing)} yet", code="secret-empty")
    return IS_READY


def _filled(value: Any) -> bool:
    try:
        return bool(value) and bool(base64.b64decode(value))
    except ValueError:
        return False


def exists(obj: Object | None) -> Readiness:
    """Anything that only has to be there."""
    return before_status(obj, "it", observed=False) or IS_READY


def namespace(obj: Object) -> Readiness:
    """A Namespace that stays: one that is being deleted takes all that is in it along, or hangs by it."""
    if "deletionTimestamp" not in obj["metadata"]:
        return IS_READY
    held = [
        str(entry.get("message"))
        for kind in ("NamespaceFinalizersRemaining", "NamespaceContentRemaining", "NamespaceDeletionContentFailure")
        if (entry := condition(obj, kind) or {}).get("status") == "True"
    ]
    when = obj["metadata"]["deletionTimestamp"]
    return failed(
        f"is being deleted since {when}" + (f": {held[0]}" if held else ""),
        "let the controllers of these finalizers finish, or take the finalizers off; then run k0rdent.kof.site again",
        can_heal=False,
        code="namespace-terminating",
        since=when,
    )


def gone(obj: Object | None, held_by: str = "") -> Readiness:
    """Anything that has to be deleted: ready when it isn't there any more. held_by: why its finalizers stay."""
    if obj is None:
        return IS_READY
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata:
        return progressing("isn't being deleted", code="not-being-deleted")
    held = ", ".join(metadata.get("finalizers") or []) or "nothing"
    why = f"is being deleted since {metadata['deletionTimestamp']}, held by {held}"
    when = metadata["deletionTimestamp"]
    if held_by:
        return progressing(f"{why}: {held_by}", "repair that, and it goes by itself", code="deletion-held", since=when)
    advice = "the controller of that finalizer must do its work: see its log"
    return progressing(why, advice, code="being-deleted", since=when)
