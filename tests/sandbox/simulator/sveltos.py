"""Sveltos: matches profiles with clusters, and deploys to each cluster what its ClusterSummaries say.

Helm charts go one after the other in list order and stop at the first failure, which is retried; Secrets are copied
where a ConfigMap's template says `copy "<identifier>"`. A cluster counts once its control plane is ready.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sandbox.simulator.api import SVELTOS_MANAGER, Api, ApiError, Object
from sandbox.simulator.conditions import now
from sandbox.simulator.deployments import HELM_NAME, HELM_NAMESPACE
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import Fleet, create_all, namespace
from sandbox.simulator.gotemplate import TemplateError, evaluate
from sandbox.simulator.grafana import selects
from sandbox.simulator.helm import Helm, HelmFailed, Release
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_PROFILE,
    CLUSTER_SUMMARY,
    CONFIG_MAP,
    NAMESPACE,
    PROFILE,
    SECRET,
    Kind,
)
from sandbox.simulator.oci import ChartSource
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Key, Later, enqueue, key_of

log = logging.getLogger("simulator")

PROFILE_LABELS = {
    CLUSTER_PROFILE.kind: "projectsveltos.io/cluster-profile-name",
    PROFILE.kind: "projectsveltos.io/profile-name",
}
_TEMPLATE_ANNOTATION = "projectsveltos.io/template"
_COPY = re.compile(r'\{\{-?\s*copy\s+"([^"]+)"\s*-?\}\}')
#: Pauses between attempts of a feature that failed (seconds).
_RETRIES = (1.0, 2.0, 4.0, 8.0, 15.0)


#: Deploys a feature of a ClusterSummary to a cluster; the ClusterSummary as last written. Raises DeployFailed.
Deploy = Callable[[Object, Key], Object]


class DeployFailed(Exception):
    """A feature of a ClusterSummary can't be deployed; `final` means that Sveltos won't try again."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


def summary_name(profile: Object, cluster: str) -> str:
    """`<clusterprofile>-capi-<cluster>`, with `p--` before a namespaced Profile's name."""
    prefix = "p--" if profile["kind"] == PROFILE.kind else ""
    return f"{prefix}{profile['metadata']['name']}-capi-{cluster}"


def matches(profile: Object, cluster: Object) -> bool:
    """Whether a profile selects a CAPI cluster; an empty selector selects none."""
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


def copies(template: str) -> list[str]:
    """Identifiers that a Secret template copies. Raises DeployFailed for any other template."""
    found = _COPY.findall(template)
    if "{{" in _COPY.sub("", template):
        raise DeployFailed("the sandbox plays no other Sveltos template than copy")
    return found


def digest(value: Any) -> str:
    """A hash for featureSummaries, in base64 as its `byte` format wants it."""
    return base64.b64encode(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()).decode()


class Profiles:
    """Makes a ClusterSummary for each pair of a profile and a ready cluster it selects, and removes those left over."""

    def __init__(self, cluster: Cluster, deployer: Summaries, *, workers: int = 1) -> None:
        self._api: Api = cluster.api
        self._deployer = deployer
        self._clusters = cluster.informer(CAPI_CLUSTER)
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._profiles = {kind: cluster.informer(kind) for kind in (CLUSTER_PROFILE, PROFILE)}
        self._queue = cluster.queue("profiles", self._reconcile, workers=workers)
        # Lists of a thousand clusters aren't rewritten for each of them.
        self._matching = cluster.queue("matching-clusters", self._write_matching)
        self._clusters.on_change(enqueue(self._queue))
        for kind, informer in self._profiles.items():

            def changed(old: Object | None, new: Object | None, kind: Kind = kind) -> None:
                if old and new and old["metadata"].get("generation") == new["metadata"].get("generation"):
                    return
                labels = ((new or old or {})["spec"].get("clusterSelector") or {}).get("matchLabels") or {}
                if HELM_NAME in labels:  # kcm's own Profiles select exactly one cluster
                    self._queue.add((labels.get(HELM_NAMESPACE, ""), labels[HELM_NAME]))
                    return
                for capi in self._clusters.all():
                    if any(profile and matches(profile, capi) for profile in (old, new)):
                        self._queue.add(key_of(capi))

            informer.on_change(changed)

    def _reconcile(self, key: Key) -> None:
        cluster = self._clusters.get(*key)
        ready = bool(cluster and (cluster.get("status") or {}).get("controlPlaneReady"))
        gone = cluster is None or bool(cluster["metadata"].get("deletionTimestamp"))
        wanted: dict[str, Object] = {}
        if cluster and ready and not gone:
            for informer in self._profiles.values():
                for profile in informer.all():
                    if matches(profile, cluster):
                        wanted[summary_name(profile, key[1])] = profile
        for summary in self._summaries.all(key[0]):
            name = summary["metadata"]["name"]
            if summary["spec"]["clusterName"] == key[1] and name not in wanted:
                if not gone and self._api.get(CAPI_CLUSTER, *key):  # the cache may not know yet that it went
                    self._withdraw(summary)
                self._api.delete(CLUSTER_SUMMARY, key[0], name)
                self._touch(summary["metadata"].get("ownerReferences") or [])
        for name, profile in wanted.items():
            self._ensure(key, name, profile)

    def _withdraw(self, summary: Object) -> None:
        try:
            self._deployer.withdraw(summary)
        except DeployFailed as error:
            raise Later(f"withdrawing {summary['metadata']['name']}: {error}") from error

    def _touch(self, owners: list[Object]) -> None:
        for owner in owners:
            for kind in self._profiles:
                if owner["kind"] == kind.kind:
                    for profile in self._profiles[kind].all():
                        if profile["metadata"]["uid"] == owner["uid"]:
                            self._matching.add((kind, key_of(profile)), 1.0)

    def _ensure(self, key: Key, name: str, profile: Object) -> None:
        meta = profile["metadata"]
        spec = {
            "clusterNamespace": key[0],
            "clusterName": key[1],
            "clusterType": "Capi",
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
                        PROFILE_LABELS[profile["kind"]]: meta["name"],
                        "projectsveltos.io/cluster-name": key[1],
                        "projectsveltos.io/cluster-type": "Capi",
                    },
                    "ownerReferences": [owner],
                },
                "spec": spec,
            }
            self._summaries.put(self._api.create(CLUSTER_SUMMARY, summary, manager=SVELTOS_MANAGER))
            kind = PROFILE if profile["kind"] == PROFILE.kind else CLUSTER_PROFILE
            self._matching.add((kind, key_of(profile)), 1.0)
        elif live["spec"] != spec:
            updated = self._api.replace(CLUSTER_SUMMARY, {**live, "spec": spec}, manager=SVELTOS_MANAGER)
            self._summaries.put(updated)

    def _write_matching(self, item: tuple[Kind, Key]) -> None:
        kind, key = item
        profile = self._profiles[kind].get(*key)
        if profile is None:
            return
        references = sorted(
            (
                {
                    "apiVersion": CAPI_CLUSTER.api_version,
                    "kind": CAPI_CLUSTER.kind,
                    "namespace": cluster["metadata"]["namespace"],
                    "name": cluster["metadata"]["name"],
                }
                for cluster in self._clusters.all()
                if matches(profile, cluster)
            ),
            key=lambda reference: (reference["namespace"], reference["name"]),
        )
        status = {"matchingClusters": references}
        if status != profile.get("status"):
            updated = self._api.replace(
                kind, {**profile, "status": status}, subresource="status", manager=SVELTOS_MANAGER
            )
            self._profiles[kind].put(updated)


class Summaries:
    """Deploys ClusterSummaries and writes their status."""

    def __init__(self, cluster: Cluster, faults: Faults, helm: Helm | None, *, workers: int = 2) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._helm = helm
        self._fleet: Fleet | None = None
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], int] = {}  # (ClusterSummary's uid, feature or service) -> failures
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._secrets = cluster.informer(SECRET, selector=NO_HELM_RELEASES)
        self._config_maps = cluster.informer(CONFIG_MAP)
        # Not in one queue: Secrets would wait behind helm, and helm needs them.
        self._queues = {
            "Resources": cluster.queue("resources", self._reconcile),
            "Helm": cluster.queue("charts", self._reconcile, workers=workers),
        }

        def changed(old: Object | None, new: Object | None) -> None:
            if new is None and old is not None:
                with self._lock:
                    for key in [key for key in self._attempts if key[0] == old["metadata"]["uid"]]:
                        del self._attempts[key]
            elif new is not None and (old is None or old["spec"] != new["spec"]):
                self._look_at(new)

        def source_changed(kind: str) -> Any:
            def handler(old: Object | None, new: Object | None) -> None:
                if old and new and old.get("data") == new.get("data"):
                    return
                key = key_of(new or old or {})
                for summary in self._summaries.all():
                    if self._refers(summary, kind, key):
                        self._look_at(summary)

            return handler

        self._summaries.on_change(changed)
        self._secrets.on_change(source_changed(SECRET.kind))
        self._config_maps.on_change(source_changed(CONFIG_MAP.kind))

    def use(self, fleet: Fleet) -> None:
        """The fleet, which is made after us."""
        self._fleet = fleet

    def recheck(self) -> None:
        """Faults changed."""
        for summary in self._summaries.all():
            self._look_at(summary)

    def _look_at(self, summary: Object) -> None:
        for feature, queue in self._queues.items():
            queue.add((feature, key_of(summary)))

    @staticmethod
    def _refers(summary: Object, kind: str, key: Key) -> bool:
        spec = summary["spec"].get("clusterProfileSpec") or {}
        references = [ref["resource"] for ref in spec.get("templateResourceRefs") or []]
        references += spec.get("policyRefs") or []
        references += [ref for chart in spec.get("helmCharts") or [] for ref in chart.get("valuesFrom") or []]
        return any(
            ref.get("kind") == kind
            and ref.get("name") == key[1]
            and (ref.get("namespace") or summary["metadata"]["namespace"]) == key[0]
            for ref in references
        )

    # One ClusterSummary

    def _reconcile(self, item: tuple[str, Key]) -> float | None:
        feature, key = item
        summary = self._summaries.get(*key)
        if summary is None or summary["metadata"].get("deletionTimestamp"):
            return None
        if self._fleet is None:
            raise RuntimeError("no fleet yet")
        spec = summary["spec"].get("clusterProfileSpec") or {}
        cluster = (summary["spec"]["clusterNamespace"], summary["spec"]["clusterName"])
        if feature == "Helm":
            wanted, deploy = spec.get("helmCharts") or self._releases(summary), self._deploy_charts
        else:
            wanted, deploy = spec.get("policyRefs"), self._deploy_resources
        if not wanted:
            return None
        if self._fleet.running(cluster) is None:
            self._fleet.ensure(cluster)
            return 1.0  # the control plane is being found again after a restart of ours
        return self._feature(summary, feature, cluster, deploy)

    @staticmethod
    def _releases(summary: Object) -> list[Object]:
        return list((summary.get("status") or {}).get("helmReleaseSummaries") or [])

    def _feature(self, summary: Object, feature: str, cluster: Key, deploy: Deploy) -> float | None:
        """Bring one feature to Provisioned; seconds until the next attempt if it failed."""
        attempt = (summary["metadata"]["uid"], feature)
        found = _feature_of(summary, feature)
        try:
            stamp = digest(self._inputs(summary, feature))
            if found.get("hash") == stamp and found.get("status") == "Provisioned":
                return None
            # A thousand clusters without control planes have nothing to show in between.
            if self._fleet is not None and self._fleet.real and found.get("status") != "Failed":
                summary = self._write(summary, feature, {"status": "Provisioning", "hash": stamp})
            summary = deploy(summary, cluster)
        except DeployFailed as error:
            with self._lock:
                count = self._attempts.get(attempt, 0)
                self._attempts[attempt] = count + 1
            status = "FailedNonRetriable" if error.final else "Failed"
            current = self._summaries.get(*key_of(summary)) or summary
            if feature == "Helm":
                current = {**current, "status": {**(current.get("status") or {}), **_managing(current)}}
            failed = {"status": status, "failureMessage": str(error), "consecutiveFailures": count + 1}
            self._write(current, feature, {**failed, "hash": found.get("hash") or digest(None)})
            return None if error.final else _RETRIES[min(count, len(_RETRIES) - 1)]
        with self._lock:
            self._attempts.pop(attempt, None)
        self._write(summary, feature, {"status": "Provisioned", "hash": stamp, "lastAppliedTime": now()})
        return None

    def _inputs(self, summary: Object, feature: str) -> Any:
        """All that a feature's result depends on; a change of it means deploying again. Raises DeployFailed."""
        spec = summary["spec"].get("clusterProfileSpec") or {}
        if feature == "Helm":
            charts = spec.get("helmCharts") or []
            references = [ref for chart in charts for ref in chart.get("valuesFrom") or []]
            return [charts, [self._values_from(summary, ref) for ref in references]]
        found = [self._source(summary, ref) for ref in spec.get("policyRefs") or []]
        found += [self._source(summary, ref["resource"]) for ref in spec.get("templateResourceRefs") or []]
        return [[obj["metadata"]["name"], obj.get("data")] for obj in found]

    def _source(self, summary: Object, reference: Object) -> Object:
        space = reference.get("namespace") or summary["metadata"]["namespace"]
        informers = {SECRET.kind: self._secrets, CONFIG_MAP.kind: self._config_maps}
        informer = informers.get(reference["kind"])
        found = informer.get(space, reference["name"]) if informer else None
        if found is None:
            kind, name = reference["kind"], reference["name"]
            raise DeployFailed(f'failed to collect {kind} {space}/{name}: {kind.lower()}s "{name}" not found')
        return found

    def _write(self, summary: Object, feature: str, values: Object, releases: list[Object] | None = None) -> Object:
        status = copy.deepcopy(summary.get("status") or {})
        features = [f for f in status.get("featureSummaries") or [] if f["featureID"] != feature]
        status["featureSummaries"] = [*features, {"featureID": feature, **values}]
        if releases is not None:
            status["helmReleaseSummaries"] = releases
        return self._put_status(summary, status)

    def _put_status(self, summary: Object, status: Object) -> Object:
        if status == summary.get("status"):
            return summary
        body = {**summary, "status": status}
        updated = self._api.replace(CLUSTER_SUMMARY, body, subresource="status", manager=SVELTOS_MANAGER)
        self._summaries.put(updated)
        return updated

    # Secrets

    def _deploy_resources(self, summary: Object, cluster: Key) -> Object:
        assert self._fleet is not None
        running = self._fleet.running(cluster)
        if running is None or running.cluster is None:
            return summary
        for obj in self._resources(summary):
            meta = obj["metadata"]
            create_all(running.cluster.api, ((NAMESPACE, namespace(meta["namespace"])),), manager=SVELTOS_MANAGER)
            kind = SECRET if obj["kind"] == SECRET.kind else CONFIG_MAP
            running.cluster.api.apply(kind, obj, manager=SVELTOS_MANAGER)
        return summary

    def _resources(self, summary: Object) -> list[Object]:
        """Objects that the policyRefs of a summary put into its cluster. Raises DeployFailed."""
        spec = summary["spec"]["clusterProfileSpec"]
        identifiers = {ref["identifier"]: ref["resource"] for ref in spec.get("templateResourceRefs") or []}
        objects: list[Object] = []
        for reference in spec.get("policyRefs") or []:
            policy = self._source(summary, reference)
            data = policy.get("data") or {}
            if policy["kind"] == SECRET.kind:
                data = {key: base64.b64decode(value).decode() for key, value in data.items()}
            if _TEMPLATE_ANNOTATION in (policy["metadata"].get("annotations") or {}):
                for identifier in [name for text in data.values() for name in copies(text)]:
                    if identifier not in identifiers:
                        raise DeployFailed(f"failed to get resource with identifier {identifier}")
                    objects.append(self._source(summary, identifiers[identifier]))
            else:
                objects += [obj for text in data.values() for obj in yaml.safe_load_all(text) if obj]
        return [_copy_of(obj, summary["metadata"]["namespace"]) for obj in objects]

    # Charts

    def _values_from(self, summary: Object, reference: Object) -> list[str]:
        data = self._source(summary, reference).get("data") or {}
        if reference["kind"] == SECRET.kind:
            return [base64.b64decode(value).decode() for value in data.values()]
        return list(data.values())

    def _deploy_charts(self, summary: Object, cluster: Key) -> Object:
        assert self._fleet is not None
        running = self._fleet.running(cluster)
        faults = self._faults.current()
        charts = (summary["spec"].get("clusterProfileSpec") or {}).get("helmCharts") or []
        wanted = {(chart["releaseNamespace"], chart["releaseName"]) for chart in charts}
        for release in self._releases(summary):
            if (release["releaseNamespace"], release["releaseName"]) not in wanted and running and running.file:
                self._uninstall(running.file, release)
        releases = _managing(summary)["helmReleaseSummaries"]
        before = copy.deepcopy({**(summary.get("status") or {}), "helmReleaseSummaries": releases})
        # Without control planes there is one write for all of it, when it is done.
        summary = self._put_status(summary, before) if self._fleet.real else {**summary, "status": before}
        for chart, release in zip(charts, releases, strict=True):
            name = f"{cluster[1]}/{chart['releaseName']}"
            if name in faults.helm_failed_non_retriable:
                raise DeployFailed(
                    f"failed to install chart {chart['chartName']}: values don't meet its schema", final=True
                )
            attempt = (summary["metadata"]["uid"], chart["releaseName"])
            if name in faults.helm_fails_first and attempt not in self._attempts:
                self._attempts[attempt] = 1
                raise DeployFailed(
                    f"execution error at ({chart['chartName']}/templates): error calling index: index of untyped nil"
                )
            try:
                values = [text for ref in chart.get("valuesFrom") or [] for text in self._values_from(summary, ref)]
                if chart.get("values"):
                    values.append(evaluate(chart["values"], f"{cluster[1]}-{chart['releaseName']}"))
            except TemplateError as error:
                raise DeployFailed(str(error)) from error
            stamp = digest([chart["chartVersion"], values])
            if running and running.file and self._helm and release["valuesHash"] != stamp:
                self._upgrade(running.file, chart, values)
                release["valuesHash"] = stamp
                status = {**(summary.get("status") or {}), "helmReleaseSummaries": copy.deepcopy(releases)}
                summary = self._put_status(summary, status)
        return summary

    def _upgrade(self, kubeconfig: Path, chart: Object, values: list[str]) -> None:
        assert self._helm is not None
        plain = bool((chart.get("registryCredentialsConfig") or {}).get("plainHTTP"))
        place = ChartSource(f"{chart['repositoryURL'].rstrip('/')}/{chart['chartName']}", plain)
        release = Release(chart["releaseName"], chart["releaseNamespace"], place, chart["chartVersion"], tuple(values))
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

    def withdraw(self, summary: Object) -> None:
        """Take back what a summary deployed, for a profile that no longer selects the cluster."""
        assert self._fleet is not None
        running = self._fleet.running((summary["spec"]["clusterNamespace"], summary["spec"]["clusterName"]))
        if running is None or running.file is None or running.cluster is None:
            return
        for release in self._releases(summary):
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


def _managing(summary: Object) -> Object:
    """`helmReleaseSummaries` of the charts that a summary wants; Sveltos takes hold of all before deploying one."""
    known = {
        (release["releaseNamespace"], release["releaseName"]): release["valuesHash"]
        for release in (summary.get("status") or {}).get("helmReleaseSummaries") or []
    }
    charts = (summary["spec"].get("clusterProfileSpec") or {}).get("helmCharts") or []
    return {
        "helmReleaseSummaries": [
            {
                "releaseName": chart["releaseName"],
                "releaseNamespace": chart["releaseNamespace"],
                "status": "Managing",
                "valuesHash": known.get((chart["releaseNamespace"], chart["releaseName"])) or digest(None),
            }
            for chart in charts
        ]
    }


def _feature_of(summary: Object, feature: str) -> Object:
    features = (summary.get("status") or {}).get("featureSummaries") or []
    return next((f for f in features if f["featureID"] == feature), {})


def _copy_of(obj: Object, default_namespace: str) -> Object:
    """An object as Sveltos writes it to another cluster: nothing of its life on this one."""
    meta = obj["metadata"]
    copied: Object = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {
            "name": meta["name"],
            "namespace": meta.get("namespace") or default_namespace,
            "labels": {k: v for k, v in (meta.get("labels") or {}).items() if k != "app.kubernetes.io/managed-by"},
            "annotations": {"projectsveltos.io/deployed-by-sveltos": "ok"},
        },
    }
    for field in ("data", "stringData", "type", "binaryData"):
        if field in obj:
            copied[field] = obj[field]
    return copied
