"""Sveltos' profiles: which clusters a ClusterProfile or Profile selects, and the ClusterSummaries that come of it.

A cluster is a CAPI Cluster whose control plane is ready, or a SveltosCluster that was reached once. What becomes of a
ClusterSummary is in summaries.py.
"""

from __future__ import annotations

import copy
import logging
from typing import Any

from sandbox.simulator.api import SVELTOS_MANAGER, Api, ApiError, Object
from sandbox.simulator.deployments import HELM_NAME, HELM_NAMESPACE
from sandbox.simulator.faults import Faults
from sandbox.simulator.grafana import selects
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_PROFILE,
    CLUSTER_SUMMARY,
    PROFILE,
    SVELTOS_CLUSTER,
    Kind,
)
from sandbox.simulator.runtime import Cluster, Key, Later, key_of
from sandbox.simulator.summaries import DeployFailed, Summaries

log = logging.getLogger("simulator")

PROFILE_LABELS = {
    CLUSTER_PROFILE.kind: "projectsveltos.io/cluster-profile-name",
    PROFILE.kind: "projectsveltos.io/profile-name",
}
PROFILE_FINALIZER = "profilefinalizer.projectsveltos.io"
#: spec.clusterType and the middle of a ClusterSummary's name, by the cluster's kind.
TYPES = {CAPI_CLUSTER: "Capi", SVELTOS_CLUSTER: "Sveltos"}


def summary_name(profile: Object, cluster: str, kind: Kind = CAPI_CLUSTER) -> str:
    """`<clusterprofile>-capi-<cluster>` or `-sveltos-`, with `p--` before a namespaced Profile's name."""
    prefix = "p--" if profile["kind"] == PROFILE.kind else ""
    return f"{prefix}{profile['metadata']['name']}-{TYPES[kind].lower()}-{cluster}"


def is_ready(cluster: Object) -> bool:
    """Whether Sveltos counts with a CAPI Cluster or SveltosCluster."""
    status = cluster.get("status") or {}
    return bool(status.get("controlPlaneReady") or status.get("ready")) and not cluster["metadata"].get(
        "deletionTimestamp"
    )


def matches(profile: Object, cluster: Object) -> bool:
    """Whether a profile selects a cluster; an empty selector selects none."""
    meta = cluster["metadata"]
    if profile["kind"] == PROFILE.kind and profile["metadata"]["namespace"] != meta["namespace"]:
        return False
    selector = profile["spec"].get("clusterSelector") or {}
    named = any(
        ref.get("name") == meta["name"] and ref.get("namespace", meta["namespace"]) == meta["namespace"]
        for ref in profile["spec"].get("clusterRefs") or []
    )
    chosen = bool(selector.get("matchLabels") or selector.get("matchExpressions"))
    return named or (chosen and selects(selector, meta.get("labels") or {}))


class Profiles:
    """Makes a ClusterSummary for each pair of a profile and a ready cluster it selects, and removes those left over."""

    def __init__(self, cluster: Cluster, faults: Faults, deployer: Summaries, *, workers: int = 1) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._deployer = deployer
        self._clusters = {kind: cluster.informer(kind) for kind in TYPES}
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._profiles = {kind: cluster.informer(kind) for kind in (CLUSTER_PROFILE, PROFILE)}
        self._queue = cluster.queue("profiles", self._reconcile, workers=workers)
        # Lists of a thousand clusters aren't rewritten for each of them.
        self._matching = cluster.queue("matching-clusters", self._keep)
        for kind, clusters in self._clusters.items():

            def cluster_changed(old: Object | None, new: Object | None, kind: Kind = kind) -> None:
                self._queue.add((kind, key_of(new or old or {})))

            clusters.on_change(cluster_changed)
        for kind, informer in self._profiles.items():

            def changed(old: Object | None, new: Object | None, kind: Kind = kind) -> None:
                if old and new and old["metadata"].get("generation") == new["metadata"].get("generation"):
                    return
                if new is not None and (self._faults.step() or new["metadata"].get("deletionTimestamp")):
                    self._matching.add((kind, key_of(new)), self._faults.step() / 50)
                labels = ((new or old or {})["spec"].get("clusterSelector") or {}).get("matchLabels") or {}
                for cluster_kind, clusters in self._clusters.items():
                    if HELM_NAME in labels:  # kcm's own Profiles select exactly one cluster
                        self._queue.add((cluster_kind, (labels.get(HELM_NAMESPACE, ""), labels[HELM_NAME])))
                        continue
                    for found in clusters.all():
                        if any(profile and matches(profile, found) for profile in (old, new)):
                            self._queue.add((cluster_kind, key_of(found)))

            informer.on_change(changed)

        def summary_changed(old: Object | None, new: Object | None) -> None:
            if new is None and old is not None:
                self._touch(old["metadata"].get("ownerReferences") or [])

        self._summaries.on_change(summary_changed)

    def _reconcile(self, item: tuple[Kind, Key]) -> None:
        kind, key = item
        cluster = self._clusters[kind].get(*key)
        gone = cluster is None or bool(cluster["metadata"].get("deletionTimestamp"))
        wanted: dict[str, Object] = {}
        if cluster and is_ready(cluster):
            for informer in self._profiles.values():
                for profile in informer.all():
                    if not profile["metadata"].get("deletionTimestamp") and matches(profile, cluster):
                        wanted[summary_name(profile, key[1], kind)] = profile
        for summary in self._summaries.all(key[0]):
            spec, meta = summary["spec"], summary["metadata"]
            if spec["clusterName"] == key[1] and spec["clusterType"] == TYPES[kind] and meta["name"] not in wanted:
                # The cache may not know yet that the cluster went.
                self._remove(summary, gone or self._api.get(kind, *key) is None)
        for name, profile in wanted.items():
            self._ensure(kind, key, name, profile)

    def _remove(self, summary: Object, gone: bool) -> None:
        """Delete a ClusterSummary; what it deployed is taken back from a cluster that lives on."""
        meta = summary["metadata"]
        if meta.get("finalizers"):  # the rest is done where the finalizer is removed
            if not meta.get("deletionTimestamp"):
                if gone and meta["ownerReferences"][0]["kind"] == CLUSTER_PROFILE.kind:
                    self._deployer.cluster_gone(summary)
                self._api.delete(CLUSTER_SUMMARY, meta["namespace"], meta["name"])
            self._deployer.look_at(summary)
            return
        if not gone:
            try:
                self._deployer.withdraw(summary)
            except DeployFailed as error:
                raise Later(f"withdrawing {meta['name']}: {error}") from error
        self._api.delete(CLUSTER_SUMMARY, meta["namespace"], meta["name"])

    def _touch(self, owners: list[Object]) -> None:
        for owner in owners:
            for kind in self._profiles:
                if owner["kind"] == kind.kind:
                    for profile in self._profiles[kind].all():
                        if profile["metadata"]["uid"] == owner["uid"]:
                            self._matching.add((kind, key_of(profile)), self._faults.step() or 1.0)

    def _ensure(self, kind: Kind, key: Key, name: str, profile: Object) -> None:
        meta = profile["metadata"]
        spec = {
            "clusterNamespace": key[0],
            "clusterName": key[1],
            "clusterType": TYPES[kind],
            "clusterProfileSpec": profile["spec"],
        }
        live = self._summaries.get(key[0], name)
        if live is None:
            owner = {
                "apiVersion": profile["apiVersion"],
                "kind": profile["kind"],
                "name": meta["name"],
                "uid": meta["uid"],
            }
            summary: Object = {
                "apiVersion": CLUSTER_SUMMARY.api_version,
                "kind": CLUSTER_SUMMARY.kind,
                "metadata": {
                    "name": name,
                    "namespace": key[0],
                    "labels": {
                        **(meta.get("labels") or {}),
                        PROFILE_LABELS[profile["kind"]]: meta["name"],
                        "projectsveltos.io/cluster-name": key[1],
                        "projectsveltos.io/cluster-type": TYPES[kind],
                    },
                    **({"annotations": meta["annotations"]} if meta.get("annotations") else {}),
                    "ownerReferences": [owner],
                },
                "spec": spec,
            }
            self._summaries.put(self._api.create(CLUSTER_SUMMARY, summary, manager=SVELTOS_MANAGER))
            owner_kind = PROFILE if profile["kind"] == PROFILE.kind else CLUSTER_PROFILE
            self._matching.add((owner_kind, key_of(profile)), self._faults.step() / 50 or 1.0)
        elif live["spec"] != spec and not live["metadata"].get("deletionTimestamp"):
            updated = self._api.replace(CLUSTER_SUMMARY, {**live, "spec": spec}, manager=SVELTOS_MANAGER)
            self._summaries.put(updated)

    # The profile itself

    def _keep(self, item: tuple[Kind, Key]) -> float | None:
        """Finalizer, labels and status.matchingClusters of a profile; seconds until it may go, if it is to."""
        kind, key = item
        profile = self._profiles[kind].get(*key)
        if profile is None:
            return None
        matching = sorted(
            (
                {
                    "apiVersion": cluster_kind.api_version,
                    "kind": cluster_kind.kind,
                    "namespace": cluster["metadata"]["namespace"],
                    "name": cluster["metadata"]["name"],
                }
                for cluster_kind, clusters in self._clusters.items()
                for cluster in clusters.all()
                if is_ready(cluster) and matches(profile, cluster)
            ),
            key=lambda reference: (reference["namespace"], reference["name"]),
        )
        if kind is PROFILE and (profile["metadata"].get("finalizers") or self._faults.step()):
            profile = self._hold(profile, matching)
            if profile is None:
                return None
            if profile["metadata"].get("deletionTimestamp"):
                return self._faults.step() or 1.0
        status = {**(profile.get("status") or {}), "matchingClusters": matching}
        if status != profile.get("status") and (matching or profile.get("status")):
            updated = self._api.replace(
                kind, {**profile, "status": status}, subresource="status", manager=SVELTOS_MANAGER
            )
            self._profiles[kind].put(updated)
        return None

    def _hold(self, profile: Object, matching: list[Object]) -> Object | None:
        """Put on, or take off, the finalizer of a Profile; None once it went."""
        meta = copy.deepcopy(profile["metadata"])
        finalizers = meta.setdefault("finalizers", [])
        if meta.get("deletionTimestamp"):
            if any(
                owner["uid"] == meta["uid"]
                for summary in self._summaries.all(meta["namespace"])
                for owner in summary["metadata"].get("ownerReferences") or []
            ):
                return profile
            meta["finalizers"] = [name for name in finalizers if name != PROFILE_FINALIZER]
        else:
            if PROFILE_FINALIZER not in finalizers:
                finalizers.append(PROFILE_FINALIZER)
            if matching:  # its own summary's labels end up on it too
                wanted: dict[str, Any] = {
                    "projectsveltos.io/cluster-name": matching[0]["name"],
                    "projectsveltos.io/cluster-type": "Sveltos" if "Sveltos" in matching[0]["kind"] else "Capi",
                    PROFILE_LABELS[PROFILE.kind]: meta["name"],
                }
                meta["labels"] = {**(meta.get("labels") or {}), **wanted}
        if meta == profile["metadata"]:
            return profile
        try:
            updated = self._api.replace(PROFILE, {**profile, "metadata": meta}, manager=SVELTOS_MANAGER)
        except ApiError as error:
            if error.not_found:
                return None
            raise
        if meta.get("deletionTimestamp"):
            return None
        self._profiles[PROFILE].put(updated)
        return updated
