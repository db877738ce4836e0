"""Sveltos' ClusterSummaries: deploying what they say to their cluster, and the status that tells of it.

The spec of a ClusterSummary is written by profiles (sveltos.py), its status a moment later from here: in between it
holds new values and yesterday's verdict. Helm charts go one after the other in list order and stop at the first
failure, which is retried; Secrets are copied where a ConfigMap's template says `copy "<identifier>"`.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3
import yaml

from sandbox.simulator.api import SVELTOS_MANAGER, Api, ApiError, Object
from sandbox.simulator.conditions import now
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import Fleet, Running, namespace
from sandbox.simulator.gotemplate import TemplateError, evaluate
from sandbox.simulator.helm import Helm, HelmFailed, Release
from sandbox.simulator.kinds import (
    AWS_STATIC_IDENTITY,
    CAPI_CLUSTER,
    CLUSTER_CONFIGURATION,
    CLUSTER_DEPLOYMENT,
    CLUSTER_SUMMARY,
    CONFIG_MAP,
    NAMESPACE,
    PROFILE,
    SECRET,
    SVELTOS_CLUSTER,
    Kind,
)
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Key, Later, key_of
from sandbox.simulator.sources import ChartMissing, ChartSource, Registry, same_version, source
from sandbox.simulator.texts import no_discovery, no_helm, quote

log = logging.getLogger("simulator")

SUMMARY_FINALIZER = "clustersummaryfinalizer.projectsveltos.io"
FEATURES = ("Resources", "Helm")
_GONE = "cluster is not ready"
_TEMPLATE_ANNOTATION = "projectsveltos.io/template"
_COPY = re.compile(r'\{\{-?\s*copy\s+"([^"]+)"\s*-?\}\}')
#: Seconds from a summary's spec to the first look at it, where states in between are shown.
_GAP = 0.035
#: Pauses between attempts of a feature that failed (seconds), where they are not.
_RETRIES = (1.0, 2.0, 4.0, 8.0, 15.0)

Report = Callable[[list[Object]], None]  # takes the helmReleaseSummaries as they are now


class DeployFailed(Exception):
    """A feature of a ClusterSummary can't be deployed; `final` means that Sveltos won't try the same again."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True)
class _Result:
    """How the deployment of what `stamp` is the hash of ended; it shows in the status from `due` (monotonic)."""

    stamp: str
    due: float
    error: DeployFailed | None = None
    kinds: tuple[str, ...] = ()


def copies(template: str) -> list[str]:
    """Identifiers that a Secret template copies. Raises DeployFailed for any other template."""
    found = _COPY.findall(template)
    if "{{" in _COPY.sub("", template):
        raise DeployFailed("the sandbox plays no other Sveltos template than copy")
    return found


def digest(value: Any) -> str:
    """A hash for featureSummaries, in base64 as its `byte` format wants it."""
    return base64.b64encode(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()).decode()


def managing(summary: Object) -> list[Object]:
    """`helmReleaseSummaries` of the charts that a summary wants; Sveltos takes hold of all before deploying one."""
    known = {_release_key(release): release.get("valuesHash") for release in _releases(summary)}
    found = []
    for chart in (summary["spec"].get("clusterProfileSpec") or {}).get("helmCharts") or []:
        release = {"releaseName": chart["releaseName"], "releaseNamespace": chart["releaseNamespace"]}
        stamp = known.get(_release_key(chart))
        found.append({**release, "status": "Managing", **({"valuesHash": stamp} if stamp else {})})
    return found


def _releases(summary: Object) -> list[Object]:
    return list((summary.get("status") or {}).get("helmReleaseSummaries") or [])


def _release_key(release: Object) -> Key:
    return release["releaseNamespace"], release["releaseName"]


def _feature_of(status: Object, feature: str) -> Object:
    return next((f for f in status.get("featureSummaries") or [] if f["featureID"] == feature), {})


def set_feature(status: Object, feature: str, state: str, stamp: str | None, message: str | None = None) -> None:
    """Set a feature's status in place; a failureMessage stays until `Provisioned`, as Sveltos leaves it."""
    features = status.setdefault("featureSummaries", [])
    found = next((f for f in features if f["featureID"] == feature), None)
    if found is None:
        found = {"featureID": feature}
        features.append(found)
    found.update(status=state, lastAppliedTime=now())
    found.pop("hash", None)
    if stamp:
        found["hash"] = stamp
    if message is not None:
        found["failureMessage"] = message
    elif state == "Provisioned":
        found.pop("failureMessage", None)


class Summaries:
    """Deploys ClusterSummaries and writes their status."""

    def __init__(self, cluster: Cluster, faults: Faults, helm: Helm | None, *, workers: int = 2) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._helm = helm
        self._charts = Registry()
        self._fleet: Fleet | None = None
        self._lock = threading.Lock()
        # By the ClusterSummary's uid and a feature or service.
        self._failures: dict[tuple[str, str], int] = {}
        self._results: dict[tuple[str, str], _Result] = {}
        self._running: dict[tuple[str, str], str] = {}
        self._retry: set[tuple[str, str]] = set()
        self._versions: dict[tuple[str, Key], str] = {}  # charts as they were deployed
        self._not_before: dict[str, float] = {}  # uid -> monotonic
        self._namespaces: dict[tuple[Key, str], tuple[str, float]] = {}  # who made one in a cluster, and its birth
        self._referring: dict[tuple[str, Key], set[Key]] = {}  # by kind and key: the summaries that name it
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._clusters = {"Capi": cluster.informer(CAPI_CLUSTER), "Sveltos": cluster.informer(SVELTOS_CLUSTER)}
        self._sources = {
            SECRET.kind: cluster.informer(SECRET, selector=NO_HELM_RELEASES),
            CONFIG_MAP.kind: cluster.informer(CONFIG_MAP),
            AWS_STATIC_IDENTITY.kind: cluster.informer(AWS_STATIC_IDENTITY),
        }
        self._deployments = cluster.informer(CLUSTER_DEPLOYMENT)
        self._looks = cluster.queue("summaries", self._look, workers=workers)
        # Not in one queue: Secrets would wait behind helm, and helm needs them.
        self._jobs = {
            "Resources": cluster.queue("resources", self._job),
            "Helm": cluster.queue("charts", self._job, workers=workers),
        }

        def changed(old: Object | None, new: Object | None) -> None:
            if old is None or new is None or old["spec"] != new["spec"]:
                self._index(old, new)
            if new is None:
                self._forget((old or {})["metadata"]["uid"])
            elif old is None or old["spec"] != new["spec"]:
                self._spec_changed(new)
            elif new["metadata"].get("deletionTimestamp") and not old["metadata"].get("deletionTimestamp"):
                self._looks.add(key_of(new))

        def source_changed(kind: str) -> Any:
            def handler(old: Object | None, new: Object | None) -> None:
                if old and new and old.get("data") == new.get("data"):
                    return
                with self._lock:
                    summaries = list(self._referring.get((kind, key_of(new or old or {})), ()))
                for key in summaries:
                    self._looks.add(key)

            return handler

        def connection_changed(old: Object | None, new: Object | None) -> None:
            was, is_now = ((o or {}).get("status", {}).get("connectionStatus") for o in (old, new))
            if new is not None and was != is_now:
                for summary in self._summaries.all(new["metadata"]["namespace"]):
                    if summary["spec"]["clusterName"] == new["metadata"]["name"]:
                        self._looks.add(key_of(summary), self._faults.step() * 0.8)

        self._summaries.on_change(changed)
        self._clusters["Sveltos"].on_change(connection_changed)
        for kind, informer in self._sources.items():
            informer.on_change(source_changed(kind))

    def use(self, fleet: Fleet) -> None:
        """The fleet, which is made after us."""
        self._fleet = fleet

    def recheck(self) -> None:
        """Faults changed."""
        for summary in self._summaries.all():
            with self._lock:
                self._retry.update((summary["metadata"]["uid"], feature) for feature in FEATURES)
            self._looks.add(key_of(summary))

    def look_at(self, summary: Object) -> None:
        """Something changed that this summary's own events don't tell."""
        self._looks.add(key_of(summary))

    def _spec_changed(self, summary: Object) -> None:
        faults = self._faults.current()
        wait = faults.slow_sveltos_seconds + (_GAP if self._faults.step() else 0.0)
        if wait:
            self._not_before[summary["metadata"]["uid"]] = time.monotonic() + wait
        self._looks.add(key_of(summary), wait)

    def _forget(self, uid: str) -> None:
        with self._lock:
            self._not_before.pop(uid, None)
            for memory in (self._failures, self._results, self._running, self._versions):
                for key in [key for key in memory if key[0] == uid]:
                    del memory[key]  # type: ignore[arg-type]
            self._retry = {key for key in self._retry if key[0] != uid}

    def _index(self, old: Object | None, new: Object | None) -> None:
        """Keep who names what: a thousand kubeconfig Secrets shall not be held against all summaries."""
        with self._lock:
            for name in _named(old) if old else ():
                self._referring.get(name, set()).discard(key_of(old or {}))
            for name in _named(new) if new else ():
                self._referring.setdefault(name, set()).add(key_of(new or {}))

    # One ClusterSummary

    def _cluster_of(self, summary: Object) -> Object | None:
        spec = summary["spec"]
        found = self._clusters[spec["clusterType"]].get(spec["clusterNamespace"], spec["clusterName"])
        return None if found is None or found["metadata"].get("deletionTimestamp") else found

    def _look(self, key: Key) -> float | None:
        summary = self._summaries.get(*key)
        if summary is None:
            return None
        if summary["metadata"].get("deletionTimestamp"):
            return self._let_go(summary)
        wait = self._not_before.get(summary["metadata"]["uid"], 0.0) - time.monotonic()
        if wait > 0:
            return wait
        cluster = self._cluster_of(summary)
        if cluster is None or (cluster.get("status") or {}).get("connectionStatus") == "Down":
            return None  # nothing is written as long as the cluster can't be reached
        if self._fleet is None:
            raise RuntimeError("no fleet yet")
        running = self._fleet.running(key_of(cluster))
        if running is None:
            if summary["spec"]["clusterType"] == "Capi":
                self._fleet.ensure(key_of(cluster))
            return 1.0  # it is being found again after a restart of ours
        if not self._faults.step():
            return self._at_once(summary, running)
        finalizers = summary["metadata"].get("finalizers") or []
        if SUMMARY_FINALIZER not in finalizers:
            meta = {**summary["metadata"], "finalizers": [*finalizers, SUMMARY_FINALIZER]}
            summary = self._api.replace(CLUSTER_SUMMARY, {**summary, "metadata": meta}, manager=SVELTOS_MANAGER)
            self._summaries.put(summary)
        return self._in_steps(summary)

    @staticmethod
    def _features(summary: Object) -> list[str]:
        spec, status = summary["spec"].get("clusterProfileSpec") or {}, summary.get("status") or {}
        wanted = {"Resources": spec.get("policyRefs"), "Helm": spec.get("helmCharts")}
        return [feature for feature in FEATURES if wanted[feature] or _feature_of(status, feature)]

    def _done(self, uid: str, feature: str, found: Object, stamp: str) -> bool:
        """Whether a feature stays as it is."""
        if found.get("hash") != stamp:
            return False
        with self._lock:
            final = found.get("status") == "FailedNonRetriable" and (uid, feature) not in self._retry
        return final or found.get("status") == "Provisioned"

    def _in_steps(self, summary: Object) -> float | None:
        """Write down what is known now, and start what is to be done; seconds until the next look, if any."""
        uid, step = summary["metadata"]["uid"], self._faults.step()
        status = copy.deepcopy(summary.get("status") or {})
        status["dependencies"] = "no dependencies"
        start: list[str] = []
        shown: list[tuple[str, str]] = []
        again: list[float] = []
        for feature in self._features(summary):
            memory, stamp, found = (uid, feature), self._stamp(summary, feature), _feature_of(status, feature)
            result = self._results.get(memory)
            if result and result.stamp == stamp:
                if result.due > time.monotonic():
                    again.append(result.due - time.monotonic())
                    continue
                shown.append(memory)
                if result.error is None:
                    set_feature(status, feature, "Provisioned", stamp)
                    self._deployed_kinds(status, feature, result.kinds)
                elif result.error.final:
                    set_feature(status, feature, "FailedNonRetriable", stamp, str(result.error))
                else:
                    set_feature(status, feature, "Failed", stamp, str(result.error))
                    again.append(step * 0.15)
            elif self._running.get(memory) != stamp and not self._done(uid, feature, found, stamp):
                if found.get("status") != "Provisioning" or found.get("hash") != stamp:
                    set_feature(status, feature, "Provisioning", stamp)
                start.append(feature)
        self._put_status(summary, status)
        with self._lock:
            for memory in shown:
                self._results.pop(memory, None)
            for feature in start:
                self._retry.discard((uid, feature))
                self._running[uid, feature] = self._stamp(summary, feature)
        for feature in start:
            self._jobs[feature].add((feature, key_of(summary)))
        return min(again) if again else None

    @staticmethod
    def _deployed_kinds(status: Object, feature: str, kinds: Iterable[str]) -> None:
        others = [entry for entry in status.get("deployedGVKs") or [] if entry["featureID"] != feature]
        entry = {"featureID": feature, "deployedGroupVersionKind": sorted(kinds)}
        entries = [*others, entry] if entry["deployedGroupVersionKind"] else others
        if entries or "deployedGVKs" in status:
            status["deployedGVKs"] = entries

    def _job(self, item: tuple[str, Key]) -> None:
        """Deploy one feature as the ClusterSummary says now; the result waits for its step."""
        feature, key = item
        summary = self._summaries.get(*key)
        assert self._fleet is not None
        if summary is None or summary["metadata"].get("deletionTimestamp"):
            return
        memory, stamp, began = (summary["metadata"]["uid"], feature), self._stamp(summary, feature), time.monotonic()
        running = self._fleet.running((summary["spec"]["clusterNamespace"], summary["spec"]["clusterName"]))
        error: DeployFailed | None = None
        kinds: tuple[str, ...] = ()
        if running is None:
            raise Later(f"{key[1]}: its cluster isn't connected")
        try:
            if feature == "Helm":

                def report(releases: list[Object]) -> None:
                    self._change_status(key, lambda status: status.update(helmReleaseSummaries=copy.deepcopy(releases)))

                self._deploy_charts(summary, running, report)
                self._record(summary)
            else:
                kinds = self._deploy_resources(summary, running)
        except DeployFailed as failure:
            error = failure
        with self._lock:
            self._running.pop(memory, None)
            self._results[memory] = _Result(stamp, began + self._faults.step(), error, kinds)
        self._looks.add(key, max(0.0, began + self._faults.step() - time.monotonic()))

    def _at_once(self, summary: Object, running: Running) -> float | None:
        """All features, and one write of what came of it."""
        uid, status = summary["metadata"]["uid"], copy.deepcopy(summary.get("status") or {})
        status["dependencies"] = "no dependencies"
        again: list[float] = []
        for feature in self._features(summary):
            memory, stamp = (uid, feature), self._stamp(summary, feature)
            if self._done(uid, feature, _feature_of(status, feature), stamp):
                continue
            try:
                if feature == "Helm":

                    def report(releases: list[Object]) -> None:
                        status["helmReleaseSummaries"] = copy.deepcopy(releases)

                    self._deploy_charts(summary, running, report)
                else:
                    self._deployed_kinds(status, feature, self._deploy_resources(summary, running))
            except DeployFailed as error:
                set_feature(status, feature, "FailedNonRetriable" if error.final else "Failed", stamp, str(error))
                with self._lock:
                    count = self._failures[memory] = self._failures.get(memory, 0) + 1
                    self._retry.discard(memory)
                if not error.final:
                    again.append(_RETRIES[min(count, len(_RETRIES)) - 1])
            else:
                set_feature(status, feature, "Provisioned", stamp)
                with self._lock:
                    self._failures.pop(memory, None)
        self._put_status(summary, status)
        return min(again) if again else None

    def _stamp(self, summary: Object, feature: str) -> str:
        """The hash of all that a feature's result depends on; a change of it means deploying again."""
        spec = summary["spec"].get("clusterProfileSpec") or {}
        if feature == "Helm":
            charts = spec.get("helmCharts") or []
            references = [ref for chart in charts for ref in chart.get("valuesFrom") or []]
            return digest([charts, [self._data_of(summary, ref) for ref in references]])
        references = [*(spec.get("policyRefs") or []), *(ref["resource"] for ref in _template_refs(spec))]
        return digest([self._data_of(summary, ref) for ref in references])

    def _find(self, summary: Object, reference: Object) -> Object | None:
        informer = self._sources.get(reference["kind"])
        space = reference.get("namespace") or summary["metadata"]["namespace"]
        if informer is None:
            return None
        return informer.get(space if informer.kind.namespaced else None, reference["name"])

    def _data_of(self, summary: Object, reference: Object) -> Any:
        found = self._find(summary, reference)
        return [reference["name"], found.get("data") if found else "absent"]

    def _referenced(self, summary: Object, reference: Object) -> Object:
        """What a policyRef or valuesFrom names. Raises DeployFailed, not to be retried, where it doesn't exist."""
        found = self._find(summary, reference)
        if found is None:
            place = f"{reference['kind']} {reference.get('namespace', '')}/{reference['name']}"
            message = f"Referenced resource: {place} does not exist"
            raise DeployFailed(message, final=True)
        return found

    def _put_status(self, summary: Object, status: Object) -> Object:
        if status == (summary.get("status") or {}):
            return summary
        body = {**summary, "status": status}
        updated = self._api.replace(CLUSTER_SUMMARY, body, subresource="status", manager=SVELTOS_MANAGER)
        self._summaries.put(updated)
        return updated

    def _change_status(self, key: Key, change: Callable[[Object], None]) -> None:
        """Change the status as it is now, whoever wrote meanwhile; nothing if the object went."""
        summary = self._summaries.get(*key)
        for _attempt in range(10):
            if summary is None:
                return
            status = copy.deepcopy(summary.get("status") or {})
            change(status)
            try:
                self._put_status(summary, status)
            except ApiError as error:
                if error.not_found:
                    return
                if not error.conflict:
                    raise
                summary = self._api.get(CLUSTER_SUMMARY, *key)
            else:
                return
        raise Later(f"{key[1]}: others write its status all the time")

    def _record(self, summary: Object) -> None:
        """Keep what was deployed in the cluster's ClusterConfiguration, which alone tells a chart's version."""
        spec, meta = summary["spec"], summary["metadata"]
        if meta["ownerReferences"][0]["kind"] != PROFILE.kind:
            return
        name, space = _configuration(summary)
        charts = [
            {
                "repoURL": chart["repositoryURL"],
                "releaseName": chart["releaseName"],
                "namespace": chart["releaseNamespace"],
                "chartVersion": self._versions.get((meta["uid"], _release_key(chart)), chart["chartVersion"]),
                "lastAppliedTime": now(),
            }
            for chart in (spec.get("clusterProfileSpec") or {}).get("helmCharts") or []
        ]
        feature = {"featureID": "Helm", **({"charts": charts} if charts else {})}
        live = self._api.get(CLUSTER_CONFIGURATION, space, name)
        if live is None:
            body: Object = {
                "apiVersion": CLUSTER_CONFIGURATION.api_version,
                "kind": CLUSTER_CONFIGURATION.kind,
                "metadata": {"name": name, "namespace": space, "ownerReferences": meta["ownerReferences"]},
            }
            live = self._api.create(CLUSTER_CONFIGURATION, body, manager=SVELTOS_MANAGER)
        entry = {"profileName": meta["ownerReferences"][0]["name"], "Features": [feature]}
        status = {"profileResources": [entry]}
        self._api.replace(
            CLUSTER_CONFIGURATION, {**live, "status": status}, subresource="status", manager=SVELTOS_MANAGER
        )

    # The end of a ClusterSummary

    def cluster_gone(self, summary: Object) -> None:
        """The cluster of a summary went: its features say so for the moment they still have."""

        def change(status: Object) -> None:
            for entry in list(status.get("featureSummaries") or []):
                set_feature(status, entry["featureID"], "Failed", None, _GONE)

        self._change_status(key_of(summary), change)

    def _let_go(self, summary: Object) -> float | None:
        """Take back what was deployed where the cluster lives on, then remove the finalizer."""
        meta, step = summary["metadata"], self._faults.step()
        if SUMMARY_FINALIZER not in (meta.get("finalizers") or []):
            return None
        features = (summary.get("status") or {}).get("featureSummaries") or []
        told = {entry["status"] if entry.get("failureMessage") != _GONE else "Removing" for entry in features}
        if features and told != {"Removing"}:
            status = copy.deepcopy(summary["status"])
            for feature in (*FEATURES, "Kustomize"):
                set_feature(status, feature, "Removing", None)
            summary = self._put_status(summary, status)
            self._not_before[meta["uid"]] = time.monotonic() + step
        cluster = self._cluster_of(summary)
        if cluster is not None:
            if (cluster.get("status") or {}).get("connectionStatus") == "Down":
                return max(step, 0.2)
            wait = self._not_before.get(meta["uid"], 0.0) - time.monotonic()
            if wait > 0:
                return wait
            if self._dying(summary):  # the cluster's object goes any moment, and then nothing is taken back
                return max(step, 0.2)
            try:
                self.withdraw(summary)
            except DeployFailed as error:
                raise Later(f"withdrawing {meta['name']}: {error}") from error
        if meta["ownerReferences"][0]["kind"] == PROFILE.kind:
            name, space = _configuration(summary)
            self._api.delete(CLUSTER_CONFIGURATION, space, name)
        remaining = [name for name in meta["finalizers"] if name != SUMMARY_FINALIZER]
        body = {**summary, "metadata": {**summary["metadata"], "finalizers": remaining}}
        try:
            self._api.replace(CLUSTER_SUMMARY, body, manager=SVELTOS_MANAGER)
        except ApiError as error:
            if not error.not_found:
                raise
        return None

    def _dying(self, summary: Object) -> bool:
        """Whether it is the own summary of a ClusterDeployment that is being deleted."""
        owner = summary["metadata"]["ownerReferences"][0]
        if owner["kind"] != PROFILE.kind:
            return False
        deployment = self._deployments.get(summary["metadata"]["namespace"], owner["name"])
        return bool(deployment and deployment["metadata"].get("deletionTimestamp"))

    def withdraw(self, summary: Object) -> None:
        """Take back what a summary deployed, for a profile that no longer selects the cluster. Raises DeployFailed."""
        assert self._fleet is not None
        running = self._fleet.running((summary["spec"]["clusterNamespace"], summary["spec"]["clusterName"]))
        if running is None or running.file is None or running.cluster is None:
            return
        for release in _releases(summary):
            self._uninstall(running.file, release)
        try:
            objects = self._resources(summary) if summary["spec"]["clusterProfileSpec"].get("policyRefs") else []
        except DeployFailed:
            objects = []  # its sources are gone too; what they were can't be told any more
        for obj in objects:
            kind = SECRET if obj["kind"] == SECRET.kind else CONFIG_MAP
            try:
                running.cluster.api.delete(kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
            except ApiError as error:
                log.warning("withdrawing %s: %s", obj["metadata"]["name"], error)

    # Secrets

    def _deploy_resources(self, summary: Object, running: Running) -> tuple[str, ...]:
        """Copy a summary's objects into its cluster; their kinds as status.deployedGVKs lists them."""
        spec = summary["spec"]
        key = (spec["clusterNamespace"], spec["clusterName"])
        if key[1] in self._faults.current().unreachable:
            raise DeployFailed(no_discovery(running.server))
        kinds: set[str] = set()
        for obj in self._resources(summary):
            self._ensure_namespace(summary, key, running, obj["metadata"]["namespace"])
            kind = SECRET if obj["kind"] == SECRET.kind else CONFIG_MAP
            kinds.add(f"{kind.kind}.v1.")
            if running.cluster is not None:
                try:
                    running.cluster.api.apply(kind, obj, manager=SVELTOS_MANAGER)
                except urllib3.exceptions.HTTPError as error:
                    raise DeployFailed(no_discovery(running.server, error)) from error
        return tuple(sorted(kinds))

    def _ensure_namespace(self, summary: Object, cluster: Key, running: Running, name: str) -> None:
        """Make a namespace. Profiles that come to a cluster together get in each other's way once, and it shows."""
        uid, born = summary["metadata"]["uid"], _seconds(summary["metadata"]["creationTimestamp"])
        maker, makers_birth = self._namespaces.get((cluster, name), ("", 0.0))
        new = running.cluster is None and not maker
        if running.cluster is not None:
            try:
                running.cluster.api.create(NAMESPACE, namespace(name), manager=SVELTOS_MANAGER)
                new = True
            except ApiError as error:
                if not error.conflict:
                    raise
            except urllib3.exceptions.HTTPError as error:
                raise DeployFailed(no_discovery(running.server, error)) from error
        if new:
            self._namespaces[cluster, name] = (uid, born)
        elif (
            self._faults.step()
            and maker not in ("", uid)
            and abs(born - makers_birth) < 3
            and (uid, name) not in self._failures
        ):
            self._failures[uid, name] = 1
            raise DeployFailed(f'namespaces "{name}" already exists')

    def _resources(self, summary: Object) -> list[Object]:
        """Objects that the policyRefs of a summary put into its cluster. Raises DeployFailed."""
        spec = summary["spec"]["clusterProfileSpec"]
        sources: dict[str, Object] = {}
        for reference in _template_refs(spec):
            found = self._find(summary, reference["resource"])
            if found is None and reference["resource"]["kind"] == SECRET.kind:
                raise DeployFailed(f'secrets "{reference["resource"]["name"]}" not found')
            if found is not None:
                sources[reference["identifier"]] = found
        objects: list[Object] = []
        for reference in spec.get("policyRefs") or []:
            policy = self._referenced(summary, reference)
            data = policy.get("data") or {}
            if policy["kind"] == SECRET.kind:
                data = {key: base64.b64decode(value).decode() for key, value in data.items()}
            found_here: list[Object] = []
            if _TEMPLATE_ANNOTATION in (policy["metadata"].get("annotations") or {}):
                for identifier in [name for text in data.values() for name in copies(text)]:
                    if identifier not in sources:
                        raise DeployFailed(f"failed to get resource with identifier {identifier}")
                    found_here.append(sources[identifier])
            else:
                found_here += [obj for text in data.values() for obj in yaml.safe_load_all(text) if obj]
            objects += [copy_of(obj, policy, summary) for obj in found_here]
        return objects

    # Charts

    def _values_from(self, summary: Object, reference: Object) -> list[str]:
        data = self._referenced(summary, reference).get("data") or {}
        if reference["kind"] == SECRET.kind:
            return [base64.b64decode(value).decode() for value in data.values()]
        return list(data.values())

    def _deploy_charts(self, summary: Object, running: Running, report: Report) -> None:
        """Uninstall what is no longer wanted, then the charts in their order. Raises DeployFailed."""
        faults, uid, name = self._faults.current(), summary["metadata"]["uid"], summary["spec"]["clusterName"]
        charts = (summary["spec"].get("clusterProfileSpec") or {}).get("helmCharts") or []
        wanted = {_release_key(chart) for chart in charts}
        releases = managing(summary)
        stale = [release for release in _releases(summary) if _release_key(release) not in wanted]
        report(releases)
        if name in faults.unreachable:
            raise DeployFailed(no_helm(running.server))
        for release in stale:
            if running.file:
                self._uninstall(running.file, release)
            self._versions.pop((uid, _release_key(release)), None)
        for chart, release in zip(charts, releases, strict=True):
            service = f"{name}/{chart['releaseName']}"
            if service in faults.helm_conflict:
                release |= {"status": "Conflict", "conflictMessage": "release managed by Profile:kcm-system/another"}
                report(releases)
                continue
            if service in faults.helm_of_others:
                raise DeployFailed(
                    'Unable to continue with install: CustomResourceDefinition "issuers.cert-manager.io" in namespace '
                    '"" exists and cannot be imported into the current release: invalid ownership metadata; annotation '
                    f'validation error: key "meta.helm.sh/release-name" must equal "{chart["releaseName"]}": current '
                    'value is "theirs"'
                )
            if service in faults.helm_failed_non_retriable:
                raise DeployFailed(
                    f"failed to install chart {chart['chartName']}: values don't meet its schema", final=True
                )
            attempt = (uid, f"first/{chart['releaseName']}")
            if service in faults.helm_fails_first and attempt not in self._failures:
                self._failures[attempt] = 1
                raise DeployFailed(
                    f"execution error at ({chart['chartName']}/templates): error calling index: index of untyped nil"
                )
            try:
                values = [text for ref in chart.get("valuesFrom") or [] for text in self._values_from(summary, ref)]
                config = quote(chart.get("values") or "") + (digest(values) if values else "")
                if chart.get("values"):
                    values.append(evaluate(chart["values"], f"{name}-{chart['releaseName']}"))
            except TemplateError as error:
                raise DeployFailed(str(error)) from error
            stamp = base64.b64encode(hashlib.sha256(config.encode()).digest()).decode()
            there = self._version(running, uid, chart)
            if release.get("valuesHash") == stamp and there and same_version(there, chart["chartVersion"]):
                continue
            version, place = chart["chartVersion"], _place(chart)
            if place.repository:
                try:
                    version = self._charts.check(place, version)
                except ChartMissing as error:
                    raise DeployFailed(str(error)) from error
            if running.file and self._helm:
                self._upgrade(running.file, chart, values)
            self._versions[uid, _release_key(chart)] = version
            if release.get("valuesHash") != stamp:
                release["valuesHash"] = stamp
                report(releases)

    def _version(self, running: Running, uid: str, chart: Object) -> str | None:
        """The chart version that is deployed; the valuesHash doesn't cover it."""
        known = self._versions.get((uid, _release_key(chart)))
        if known is None and running.file and self._helm:  # a restart of ours forgot it
            known = self._helm.version(
                running.file, chart["releaseName"], chart["releaseNamespace"], chart["chartName"].rpartition("/")[2]
            )
        return known

    def _upgrade(self, kubeconfig: Path, chart: Object, values: list[str]) -> None:
        assert self._helm is not None
        release = Release(
            chart["releaseName"], chart["releaseNamespace"], _place(chart), chart["chartVersion"], tuple(values)
        )
        log.info("helm: %s in %s", chart["releaseName"], kubeconfig.stem)
        try:
            self._helm.upgrade(kubeconfig, release)
        except HelmFailed as error:
            log.info("helm: %s in %s failed: %s", chart["releaseName"], kubeconfig.stem, error)
            raise DeployFailed(str(error)) from error

    def _uninstall(self, kubeconfig: Path, release: Object) -> None:
        if self._helm:
            try:
                self._helm.uninstall(kubeconfig, release["releaseName"], release["releaseNamespace"])
            except HelmFailed as error:
                raise DeployFailed(str(error)) from error


def _place(chart: Object) -> ChartSource:
    """Where a Profile's helmCharts entry says that the chart is."""
    plain = bool((chart.get("registryCredentialsConfig") or {}).get("plainHTTP"))
    return source(chart["repositoryURL"], chart["chartName"].rpartition("/")[2], plain, {})


def _named(summary: Object) -> set[tuple[str, Key]]:
    """Kind and key of all that a summary refers to."""
    spec = summary["spec"].get("clusterProfileSpec") or {}
    references = [ref["resource"] for ref in _template_refs(spec)] + (spec.get("policyRefs") or [])
    references += [ref for chart in spec.get("helmCharts") or [] for ref in chart.get("valuesFrom") or []]
    space = summary["metadata"]["namespace"]
    return {(ref.get("kind", ""), (ref.get("namespace") or space, ref.get("name", ""))) for ref in references}


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _configuration(summary: Object) -> tuple[str, str]:
    """Name and namespace of the ClusterConfiguration of a summary's cluster."""
    spec = summary["spec"]
    return f"{spec['clusterType'].lower()}--{spec['clusterName']}", spec["clusterNamespace"]


def _template_refs(spec: Object) -> list[Object]:
    return list(spec.get("templateResourceRefs") or [])


def copy_of(obj: Object, policy: Object, summary: Object) -> Object:
    """An object as Sveltos writes it to another cluster: its own labels and annotations, helm's among them, stay; where
    it comes from is added, and as owner a profile that exists on the management cluster only."""
    meta, source = obj["metadata"], policy["metadata"]
    kind: Kind | str = policy["kind"]
    profile = summary["spec"]["clusterProfileSpec"]
    copied: Object = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {"name": meta["name"], "namespace": meta.get("namespace") or summary["metadata"]["namespace"]},
    }
    for field in ("data", "stringData", "type", "binaryData"):
        if field in obj:
            copied[field] = obj[field]
    stamp = hashlib.sha256(json.dumps(copied, sort_keys=True).encode()).hexdigest()
    copied["metadata"] |= {
        "labels": {
            **(meta.get("labels") or {}),
            "projectsveltos.io/reference-kind": kind,
            "projectsveltos.io/reference-name": source["name"],
            "projectsveltos.io/reference-namespace": source["namespace"],
            "projectsveltos.io/reason": "Resources",
        },
        "annotations": {
            **(meta.get("annotations") or {}),
            "projectsveltos.io/hash": f"sha256:{stamp}",
            "projectsveltos.io/owner-tier": str(profile.get("tier", 100)),
        },
        "ownerReferences": [dict(owner) for owner in summary["metadata"].get("ownerReferences") or []],
    }
    return copied
