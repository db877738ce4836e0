# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a live object's status to ready, progressing or failed, and why, for people. Pure: no network, no clock.

A status counts only when it was written for the present generation, and nothing that is being deleted is ready.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import one_line

READY, PROGRESSING, FAILED = "ready", "progressing", "failed"
# A ServiceTemplate is false for a while after its creation: the chart has to be fetched first. Seconds.
TEMPLATE_GRACE = 120.0

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Readiness:
    """state: ready | progressing | failed; why: one line, "" when ready; can_heal: may it become ready without anyone
    doing something; advice: what to do about it, "" for nothing but waiting; recheck: seconds after which time alone
    may change the verdict, None if it can't."""

    state: str
    why: str = ""
    can_heal: bool = True
    advice: str = ""
    recheck: float | None = None

    @property
    def ready(self) -> bool:
        return self.state == READY


_READY = Readiness(READY)


def _progressing(why: str, advice: str = "", recheck: float | None = None) -> Readiness:
    return Readiness(PROGRESSING, one_line(why), advice=advice, recheck=recheck)


def _failed(why: str, advice: str = "", can_heal: bool = True) -> Readiness:
    return Readiness(FAILED, one_line(why), can_heal, advice)


def _common(obj: Object | None, what: str, *, observed: bool = True) -> Readiness | None:
    """The verdict that doesn't depend on the kind, None if the status has to be read. observed: does the kind's
    controller write status.observedGeneration?"""
    if obj is None:
        return _progressing(f"{what} doesn't exist yet")
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        held = ", ".join(metadata.get("finalizers") or []) or "nothing"
        return _failed(
            f"is being deleted since {metadata['deletionTimestamp']} (held by {held})",
            "wait until it is gone, then run again",
            can_heal=False,
        )
    if observed and int((obj.get("status") or {}).get("observedGeneration") or 0) < int(
        metadata.get("generation") or 0
    ):
        return _progressing("its controller hasn't seen the latest change yet")
    return None


def condition(obj: Object, kind: str) -> Object | None:
    """The status condition of type `kind`, None without one."""
    for entry in (obj.get("status") or {}).get("conditions") or []:
        if entry.get("type") == kind:
            return entry
    return None


# -- kcm

_CONDITION_ADVICE = {
    "TemplateReady": "see the ClusterTemplate's status.validationError; name another one if it can't be fixed",
    "CredentialReady": "see the Credential's conditions: its identity object and the identity's Secret must exist",
    "HelmChartReady": "see the HelmChart and HelmRepository of the ClusterTemplate",
    "HelmReleaseReady": "see the HelmRelease of the cluster's name",
    "InfrastructureReady": "see the events of the infrastructure cluster: quotas and permissions of the cloud account",
    "ControlPlaneReady": "see the Machines of the cluster and their events",
    "ControlPlaneInitialized": "see the Machines of the cluster and their events",
    "Available": "see the MachineDeployments and Machines of the cluster",
    "SveltosProfileReady": "see that every ServiceTemplate exists and is valid",
}


def cluster_deployment(
    obj: Object | None, summaries: Sequence[Object] = (), services: Sequence[tuple[str, str]] | None = None
) -> Readiness:
    """A ClusterDeployment: Ready is True, and its own ClusterSummary lists every wanted service and has deployed all.

    summaries: the ClusterSummaries of this cluster; services: wanted (namespace, name), None for those in its spec.
    """
    if obj is None:
        return _failed("doesn't exist", "was it deleted meanwhile? run again", can_heal=False)
    verdict = _common(obj, "the ClusterDeployment")
    if verdict is not None:
        return verdict
    if obj.get("spec", {}).get("dryRun"):
        return _failed("spec.dryRun is set: kcm makes no cluster of it", "unset dryRun", can_heal=False)
    own = _own_summary(obj, summaries)
    final = [found for found in _feature_faults(own) if found[0] == "FailedNonRetriable"] if own else []
    if final:
        return _failed(
            f"service deployment failed for good: {final[0][1]}",
            "fix the service's values or chart, run again; Sveltos doesn't retry this",
            can_heal=False,
        )
    ready = condition(obj, "Ready")
    if ready is None or ready.get("status") != "True":
        return _not_ready(obj, ready, own)
    wanted = _services_of(obj) if services is None else list(services)
    return _services(obj, own, wanted) if wanted else _READY


def _services_of(obj: Object) -> list[tuple[str, str]]:
    entries = (obj.get("spec", {}).get("serviceSpec") or {}).get("services") or []
    return [(entry.get("namespace") or entry["name"], entry["name"]) for entry in entries if not entry.get("disable")]


def _not_ready(obj: Object, ready: Object | None, own: Object | None) -> Readiness:
    """The first condition that stands in the way, in the order in which kcm goes through them."""
    faults = _feature_faults(own) if own else []
    tail = f"; services: {faults[0][1]}" if faults else ""
    bad = [
        entry
        for entry in (obj.get("status") or {}).get("conditions") or []
        if entry.get("type") != "Ready" and entry.get("status") != "True"
    ]
    bad.sort(key=lambda entry: entry.get("status") != "False")
    if not bad:
        said = f": {ready['message']}" if ready and ready.get("message") else ""
        return _progressing(f"Ready is {ready.get('status') if ready else 'not set'} yet{said}{tail}")
    first = bad[0]
    why = f"{first['type']}: {first.get('message') or first.get('reason') or first.get('status')}{tail}"
    advice = _CONDITION_ADVICE.get(first["type"], "")
    # kcm checks these again by itself, but they only change when a person changes something.
    if first.get("status") == "False" and first["type"] in ("TemplateReady", "CredentialReady"):
        return _failed(why, advice)
    return _progressing(why, advice)


def _own_summary(obj: Object, summaries: Sequence[Object]) -> Object | None:
    """The ClusterSummary that Sveltos keeps for the Profile of this ClusterDeployment."""
    name = obj["metadata"]["name"]
    names = {f"p--{name}-capi-{name}", f"p--{name}-sveltos-{name}"}
    for summary in summaries:
        owners = summary["metadata"].get("ownerReferences") or []
        if summary["metadata"]["name"] in names or any(
            owner.get("kind") == "Profile" and owner.get("name") == name for owner in owners
        ):
            return summary
    return None


def _feature_faults(summary: Object) -> list[tuple[str, str]]:
    """(status, message) of the summary's failed features and conflicting releases."""
    status = summary.get("status") or {}
    faults = []
    for feature in status.get("featureSummaries") or []:
        if str(feature.get("status", "")).startswith("Failed"):
            text = feature.get("failureMessage") or feature.get("failureReason") or "no message"
            faults.append((feature["status"], one_line(f"{feature.get('featureID')}: {text}", 200)))
    for release in status.get("helmReleaseSummaries") or []:
        if release.get("status") == "Conflict":
            name = f"{release.get('releaseNamespace')}/{release.get('releaseName')}"
            text = release.get("conflictMessage") or "managed by another profile"
            faults.append(("Conflict", one_line(f"release {name}: {text}", 200)))
    return faults


def _services(obj: Object, summary: Object | None, wanted: Sequence[tuple[str, str]]) -> Readiness:
    if summary is None:
        return _progressing(
            "Sveltos has no ClusterSummary of it yet", "see that Sveltos runs (namespace projectsveltos)"
        )
    if "deletionTimestamp" in summary["metadata"]:
        return _progressing("its ClusterSummary is being deleted")
    charts = {
        (chart.get("releaseNamespace"), chart.get("releaseName")): chart
        for chart in (summary.get("spec", {}).get("clusterProfileSpec") or {}).get("helmCharts") or []
    }
    values = {
        (entry.get("namespace") or entry["name"], entry["name"]): entry.get("values") or ""
        for entry in (obj.get("spec", {}).get("serviceSpec") or {}).get("services") or []
    }
    for pair in wanted:
        # Yesterday's summary may still say Provisioned for yesterday's values.
        if pair in charts and pair in values and (charts[pair].get("values") or "") != values[pair]:
            return _progressing(f"Sveltos hasn't taken over the new values of {'/'.join(pair)} yet")
    listed = {
        (release.get("releaseNamespace"), release.get("releaseName"))
        for release in (summary.get("status") or {}).get("helmReleaseSummaries") or []
        if release.get("status") != "Conflict"
    }
    faults = _feature_faults(summary)
    if faults:
        # A first failure often heals: the Secrets that a chart looks up may not have been copied yet.
        status, text = faults[0]
        advice = "Sveltos tries again by itself; if it stays, see the message and the cluster's namespace kof"
        if status == "Conflict":
            advice = "the same release is deployed by another profile: remove it there or raise the priority here"
        return _progressing(f"services: {text}", advice)
    missing = [pair for pair in wanted if pair not in listed]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return _progressing(f"service {'/'.join(missing[0])}{more} isn't deployed yet")
    features = (summary.get("status") or {}).get("featureSummaries") or []
    waiting = [feature for feature in features if feature.get("status") != "Provisioned"]
    if waiting or not any(feature.get("featureID") == "Helm" for feature in features):
        what = f"{waiting[0].get('featureID')} is {waiting[0].get('status')}" if waiting else "Helm has no status yet"
        return _progressing(f"services: {what}")
    return _READY


def service_template(obj: Object | None, false_for: float = 0.0) -> Readiness:
    """A ServiceTemplate or ClusterTemplate: status.valid. false_for: seconds for which it has been seen invalid."""
    verdict = _common(obj, "the template")
    if verdict is not None or obj is None:
        return verdict or _progressing("doesn't exist yet")
    status = obj.get("status") or {}
    if status.get("valid"):
        return _READY
    text = status.get("validationError") or "not validated yet"
    if false_for < TEMPLATE_GRACE:
        return _progressing(f"not valid: {text}", recheck=TEMPLATE_GRACE - false_for)
    advice = "see its HelmChart and HelmRepository: address, login, CA of the registry"
    return _failed(f"not valid: {text}", advice, can_heal=False)


def credential(obj: Object | None) -> Readiness:
    """A Credential: status.ready."""
    verdict = _common(obj, "the Credential", observed=False)
    if verdict is not None or obj is None:
        return verdict or _progressing("doesn't exist yet")
    if (obj.get("status") or {}).get("ready"):
        return _READY
    found = condition(obj, "CredentialReady") or {}
    return _progressing(f"not ready: {found.get('message') or 'no status yet'}", _CONDITION_ADVICE["CredentialReady"])


# -- core kinds and operators


def deployment(obj: Object | None) -> Readiness:
    """A Deployment: all replicas updated and available."""
    verdict = _common(obj, "the Deployment")
    if verdict is not None or obj is None:
        return verdict or _progressing("doesn't exist yet")
    status = obj.get("status") or {}
    wanted = int(obj.get("spec", {}).get("replicas", 1))
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    if updated >= wanted and available >= wanted and int(status.get("replicas") or 0) <= updated:
        return _READY
    stuck = condition(obj, "Progressing") or {}
    why = f"{min(updated, available)} of {wanted} replicas are updated and available"
    failure = condition(obj, "ReplicaFailure") or {}
    if failure.get("status") == "True":
        why += f": {failure.get('message')}"
    advice = "see its pods and their events (image, Secrets, PersistentVolumeClaims)"
    if stuck.get("reason") == "ProgressDeadlineExceeded":
        return _failed(f"{why}, and its progress deadline has passed", advice)
    return _progressing(why, advice)


def secret(obj: Object | None, keys: Sequence[str] = ()) -> Readiness:
    """A Secret that holds `keys`, each with a value. Never quotes a value."""
    verdict = _common(obj, "the Secret", observed=False)
    if verdict is not None or obj is None:
        return verdict or _progressing("doesn't exist yet")
    data = obj.get("data") or {}
    missing = [key for key in keys if not _filled(data.get(key))]
    if missing:
        return _progressing(f"has no value at {', '.join(missing)} yet")
    return _READY


def _filled(value: Any) -> bool:
    try:
        return bool(value) and bool(base64.b64decode(value))
    except ValueError:
        return False


def grafana_datasource(obj: Object | None) -> Readiness:
    """A GrafanaDatasource that the Grafana operator has put into an instance."""
    verdict = _common(obj, "the GrafanaDatasource", observed=False)
    if verdict is not None or obj is None:
        return verdict or _progressing("doesn't exist yet")
    status = obj.get("status") or {}
    if status.get("NoMatchingInstances"):
        return _progressing(
            "no Grafana matches its instanceSelector", "the Grafana must be in its namespace with the selected labels"
        )
    if status.get("lastMessage"):
        return _progressing(
            f"the Grafana operator says: {status['lastMessage']}", "see the Secret and keys in its valuesFrom"
        )
    if status.get("hash") or status.get("uid"):
        return _READY
    return _progressing("the Grafana operator hasn't seen it yet", "see that the Grafana operator runs")


def exists(obj: Object | None) -> Readiness:
    """Anything that only has to be there."""
    return _common(obj, "it", observed=False) or _READY


def gone(obj: Object | None) -> Readiness:
    """Anything that has to be deleted: ready when it isn't there any more."""
    if obj is None:
        return _READY
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata:
        return _progressing("isn't being deleted")
    held = ", ".join(metadata.get("finalizers") or []) or "nothing"
    return _progressing(
        f"is being deleted since {metadata['deletionTimestamp']}, held by {held}",
        "the controller of that finalizer must do its work: see its log",
    )
