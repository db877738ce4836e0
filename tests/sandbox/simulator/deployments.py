"""kcm's ClusterDeployment controller, with the parts of Flux and Cluster API that one sees from outside.

A ClusterDeployment becomes a Profile (its services) and, by a HelmRelease which is played here, a CAPI Cluster or
(where it adopts one) a SveltosCluster, whose labels decide which Secrets it gets; its conditions follow. `Ready` says
nothing of the services at kcm 0.1: those are in status.services and the ClusterSummary.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.conditions import FAILED, PROGRESSING, SUCCEEDED, aggregate_ready, find, now, set_condition
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import Fleet, Running
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_DEPLOYMENT,
    CLUSTER_SUMMARY,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    HELM_CHART,
    HELM_REPOSITORY,
    PROFILE,
    SECRET,
    SERVICE_TEMPLATE,
    SVELTOS_CLUSTER,
    Kind,
)
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Informer, Key, Later, enqueue, key_of
from sandbox.simulator.sources import StandIns, source

FINALIZER = "k0rdent.mirantis.com/cluster-deployment"
COMPONENT = {"k0rdent.mirantis.com/component": "kcm"}
HELM_NAME = "helm.toolkit.fluxcd.io/name"
HELM_NAMESPACE = "helm.toolkit.fluxcd.io/namespace"
ADOPTS = "infrastructure-internal"  # the provider of templates that adopt a cluster instead of making one
_TIER_BASE = 2**31 - 1  # kcm turns a priority (higher wins) into a Sveltos tier (lower wins)

#: What kcm sets in a Profile; the rest are Sveltos' defaults.
_PROFILE_FIELDS = (
    "clusterSelector", "tier", "continueOnConflict", "reloader", "syncMode", "helmCharts", "templateResourceRefs",
    "policyRefs", "driftExclusions",
)  # fmt: skip

#: What a new ClusterDeployment says before anything is known, in this order; a dry run makes no HelmRelease.
_INITIAL = (
    ("TemplateReady", "Template is not yet ready"),
    ("HelmChartReady", "HelmChart is not yet ready"),
    ("HelmReleaseReady", "HelmRelease is not yet ready"),
    ("Ready", "ClusterDeployment is not yet ready"),
)

#: Two writers met. Controllers try again, but put it into their conditions first.
_MODIFIED = (
    'Operation cannot be fulfilled on {resource} "{name}": the object has been modified; please apply your changes to '
    "the latest version and try again"
)


def summary_name(cluster: str, kind: Kind = CAPI_CLUSTER) -> str:
    """Name of the ClusterSummary of a ClusterDeployment's own services."""
    return f"p--{cluster}-{'sveltos' if kind is SVELTOS_CLUSTER else 'capi'}-{cluster}"


def cluster_labels(deployment: Object) -> dict[str, str]:
    """Labels of the cluster: config.clusterLabels, or the ClusterDeployment's own where that key is absent."""
    config = deployment["spec"].get("config") or {}
    chosen = config["clusterLabels"] if "clusterLabels" in config else deployment["metadata"].get("labels")
    meta = deployment["metadata"]
    return {**(chosen or {}), HELM_NAME: meta["name"], HELM_NAMESPACE: meta["namespace"]}


def services_status(deployment: Object, summary: Object | None) -> list[Object]:
    """status.services: how Sveltos' summary of this cluster reads in kcm's words, made anew each time.

    A feature is True unless it has a failureMessage: `Provisioning` reads True.
    """
    meta = deployment["metadata"]
    if summary is None:
        return []
    conditions: list[dict[str, Any]] = []
    for feature in (summary.get("status") or {}).get("featureSummaries") or []:
        message = feature.get("failureMessage") or ""
        set_condition(
            conditions, feature["featureID"], "False" if message else "True", feature["status"], message[:32000]
        )
    for release in (summary.get("status") or {}).get("helmReleaseSummaries") or []:
        place, conflict = f"{release['releaseNamespace']}/{release['releaseName']}", release.get("conflictMessage")
        set_condition(
            conditions,
            f"{place.replace('/', '.')}/SveltosHelmReleaseReady",
            "False" if conflict else "True",
            release["status"],
            f"Release {place}" + (f": {conflict}" if conflict else ""),
        )
    entry: Object = {"clusterName": meta["name"], "clusterNamespace": meta["namespace"]}
    return [{**entry, "conditions": conditions} if conditions else entry]


def without_times(status: Object | None) -> Object:
    """A status without what is new at each reconcile: the times in status.services."""
    bare = copy.deepcopy(status or {})
    for entry in bare.get("services") or []:
        for condition in entry.get("conditions") or []:
            condition.pop("lastTransitionTime", None)
    return bare


def config_problem(chart: str, config: Object, defaults: Object) -> str | None:
    """What helm says of a cluster chart's values; the types of its defaults stand for the chart's schema."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}
    faults: list[str] = []

    def look(place: str, value: Any, default: Any) -> None:
        if isinstance(default, dict) and isinstance(value, dict):
            for key in value:
                if key in default:
                    look(f"{place}.{key}".lstrip("."), value[key], default[key])
        elif value is not None and default is not None:
            wanted, given = names.get(type(default)), names.get(type(value))
            if wanted != given:
                given = "integer" if type(value) is int else given
                faults.append(f"- {place}: Invalid type. Expected: {wanted}, given: {given}")

    look("", config, defaults)
    if not faults:
        return None
    return "\n".join(
        ["values don't meet the specifications of the schema(s) in the following chart(s):", f"{chart}:", *faults, ""]
    )


@dataclass
class _HelmRelease:
    """Flux's release of a cluster's chart: what it was last given, and how far it is with that."""

    revision: int
    given: str
    phase: str = "requested"  # requested, refused (upgrades), running, done
    since: float = 0.0
    shown: str = ""  # the phase that the ClusterDeployment's conditions tell of

    @property
    def action(self) -> str:
        return "install" if self.revision == 1 else "upgrade"


#: What kcm says in a condition that is False, by its type: Flux', Cluster API's and Sveltos' words.
_SAID = {
    "TemplateReady": "provided template is not marked as valid",
    "HelmChartReady": "failed to download helm chart artifact: building artifact",
    "HelmReleaseReady": (
        "Helm install failed for release kcm-system/{name} with chart aws-standalone-cp@0.1.0: context deadline "
        "exceeded"
    ),
    "InfrastructureReady": "{name}: 1 of 2 completed",
    "ControlPlaneReady": "{name}-cp: Scaling up control plane to 3 replicas (actual 2)",
    "Available": "{name}-md: Minimum availability requires 2 replicas, current 1 available",
    "SveltosProfileReady": 'ServiceTemplate.k0rdent.mirantis.com "kof-collectors-0-1-1" not found',
    "FetchServicesStatusSuccess": "failed to list ClusterSummaries: the server was unable to return a response in time",
}


class InvalidService(Exception):
    """A Profile can't be made of the services as they are; `passing` if the next attempt will do."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class ClusterDeployments:
    """The controller. `provisioned_after` is how long a cluster without a control plane takes (seconds)."""

    def __init__(
        self,
        cluster: Cluster,
        faults: Faults,
        instead: StandIns,
        *,
        provisioned_after: float = 0.0,
        workers: int = 2,
    ) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._instead = instead
        self._provisioned_after = provisioned_after
        self._fleet: Fleet | None = None
        self._began: dict[str, float] = {}
        self._releases: dict[str, _HelmRelease] = {}
        self._deleting: dict[str, float] = {}
        self._deployments = cluster.informer(CLUSTER_DEPLOYMENT)
        self._templates = cluster.informer(CLUSTER_TEMPLATE)
        self._service_templates = cluster.informer(SERVICE_TEMPLATE)
        self._credentials = cluster.informer(CREDENTIAL)
        self._charts = cluster.informer(HELM_CHART)
        self._repositories = cluster.informer(HELM_REPOSITORY)
        self._profiles = cluster.informer(PROFILE)
        self._clusters: dict[Kind, Informer] = {k: cluster.informer(k) for k in (CAPI_CLUSTER, SVELTOS_CLUSTER)}
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._secrets = cluster.informer(SECRET, selector=NO_HELM_RELEASES)
        self.queue = cluster.queue("clusterdeployments", self._reconcile, workers=workers)

        def changed(old: Object | None, new: Object | None) -> None:
            seen = ("generation", "labels", "finalizers", "deletionTimestamp")
            if old is None or new is None or any(old["metadata"].get(f) != new["metadata"].get(f) for f in seen):
                enqueue(self.queue)(old, new)

        def summary_changed(old: Object | None, new: Object | None) -> None:
            summary = new or old or {}
            name = summary["spec"]["clusterName"]
            if summary["metadata"]["name"] in (summary_name(name), summary_name(name, SVELTOS_CLUSTER)):
                self.queue.add((summary["spec"]["clusterNamespace"], name))

        def credential_changed(old: Object | None, new: Object | None) -> None:
            space, name = key_of(new or old or {})
            was = ((old or {}).get("status") or {}).get("ready")
            if was == ((new or {}).get("status") or {}).get("ready"):
                return
            for deployment in self._deployments.all(space):
                if deployment["spec"].get("credential") == name:
                    self.queue.add(key_of(deployment))

        self._deployments.on_change(changed)
        self._summaries.on_change(summary_changed)
        self._credentials.on_change(credential_changed)

    def use(self, fleet: Fleet) -> None:
        """The fleet, which needs our queue and so comes second."""
        self._fleet = fleet

    def recheck(self) -> None:
        """Faults changed."""
        for deployment in self._deployments.all():
            self.queue.add(key_of(deployment))

    def _reconcile(self, key: Key) -> float | None:
        deployment = self._deployments.get(*key)
        faults = self._faults.current()
        if deployment is None or faults.ignored(key[0]) or key[1] in faults.kcm_asleep:
            return None
        if deployment["metadata"].get("deletionTimestamp"):
            return self._delete(key, deployment)
        deployment = self._mark(deployment)
        status = copy.deepcopy(deployment.get("status") or {})
        conditions = status.setdefault("conditions", [])
        if not conditions:
            for kind, message in _INITIAL:
                if kind != "HelmReleaseReady" or not deployment["spec"].get("dryRun"):
                    set_condition(conditions, kind, "Unknown", PROGRESSING, message)
        again = self._walk(key, deployment, status)
        for name, _slash, kind in (each.partition("/") for each in sorted(faults.says_no)):
            if name == key[1]:
                set_condition(conditions, kind, "False", FAILED, _SAID.get(kind, "not done").format(name=name))
        aggregate_ready(conditions)
        status["observedGeneration"] = deployment["metadata"]["generation"]
        old = deployment.get("status")
        if status != old and without_times(status) != without_times(old):
            updated = self._api.replace(CLUSTER_DEPLOYMENT, {**deployment, "status": status}, subresource="status")
            self._deployments.put(updated)
        if release := self._releases.get(deployment["metadata"]["uid"]):
            release.shown = release.phase
        return again

    def _mark(self, deployment: Object) -> Object:
        """kcm's finalizer and then, in a write of its own, its label."""
        meta = copy.deepcopy(deployment["metadata"])
        if FINALIZER not in (meta.get("finalizers") or []):
            meta.setdefault("finalizers", []).append(FINALIZER)
            if self._faults.step():
                deployment = self._api.replace(CLUSTER_DEPLOYMENT, {**deployment, "metadata": meta})
                self._deployments.put(deployment)
                meta = copy.deepcopy(deployment["metadata"])
        meta["labels"] = {**(meta.get("labels") or {}), **COMPONENT}
        if meta != deployment["metadata"]:
            deployment = self._api.replace(CLUSTER_DEPLOYMENT, {**deployment, "metadata": meta})
            self._deployments.put(deployment)
        return deployment

    def _walk(self, key: Key, deployment: Object, status: Object) -> float | None:
        """Do what can be done now and set the conditions; seconds until the next step if nothing else will tell.

        What is wrong with the cluster doesn't hold up its services' Profile, and the other way round.
        """
        template = self._templates.get(key[0], deployment["spec"]["template"])
        if template is None:
            set_condition(status["conditions"], "TemplateReady", "False", FAILED, "provided template is not found")
            return 5.0
        kind = SVELTOS_CLUSTER if ADOPTS in ((template.get("status") or {}).get("providers") or []) else CAPI_CLUSTER
        waits = [self._cluster(key, deployment, template, kind, status), self._services(key, deployment, kind, status)]
        if not deployment["spec"].get("dryRun") and kind is CAPI_CLUSTER:
            waits.append(self._infrastructure(key, deployment, status["conditions"]))
        due = [wait for wait in waits if wait is not None]
        return min(due) if due else None

    def _cluster(self, key: Key, deployment: Object, template: Object, kind: Kind, status: Object) -> float | None:
        """Template, configuration, Credential and HelmRelease."""
        conditions, spec = status["conditions"], deployment["spec"]
        template_status = template.get("status") or {}
        if not template_status.get("valid"):
            set_condition(conditions, "TemplateReady", "False", FAILED, "provided template is not marked as valid")
            return 5.0
        set_condition(conditions, "TemplateReady", "True", SUCCEEDED, "Template is valid")
        if template_status.get("k8sVersion"):
            status["k8sVersion"] = template_status["k8sVersion"]
        upgrades = self._upgrades(template)
        if upgrades:
            status["availableUpgrades"] = upgrades
        else:
            status.pop("availableUpgrades", None)
        chart = template["spec"]["helm"].get("chartSpec", {}).get("chart", "")
        problem = config_problem(chart, spec.get("config") or {}, template_status.get("config") or {})
        if problem:
            text = f"failed to validate template with provided configuration: {problem}"
            set_condition(conditions, "HelmChartReady", "False", FAILED, text)
            return None
        set_condition(conditions, "HelmChartReady", "True", SUCCEEDED, "Helm chart is valid")
        credential = self._credentials.get(key[0], spec.get("credential", ""))
        if credential is None:
            text = f"Failed to get Credential: {_not_found(spec.get('credential', ''))}"
            set_condition(conditions, "CredentialReady", "False", FAILED, text)
            return None
        if not (credential.get("status") or {}).get("ready"):  # and a moment later it is called Ready all the same
            set_condition(conditions, "CredentialReady", "False", FAILED, "Credential is not in Ready state")
        set_condition(conditions, "CredentialReady", "True", SUCCEEDED, "Credential is Ready")
        if spec.get("dryRun"):
            return None
        return self._helm_release(key, deployment, template, kind, credential, conditions)

    def _helm_release(
        self,
        key: Key,
        deployment: Object,
        template: Object,
        kind: Kind,
        credential: Object,
        conditions: list[dict[str, Any]],
    ) -> float | None:
        """Install or upgrade the cluster's chart; seconds until its next phase."""
        uid, name = deployment["metadata"]["uid"], key[1]
        tick = self._faults.step() / 10
        values = {
            **(deployment["spec"].get("config") or {}),
            "clusterIdentity": credential["spec"]["identityRef"],
            "clusterLabels": cluster_labels(deployment),
        }
        given = json.dumps([template["metadata"]["name"], values], sort_keys=True)
        live = self._clusters[kind].get(*key)
        release = self._releases.get(uid)
        if release is None:
            revision = re.search(
                rf"/{re.escape(name)}\.v(\d+) ", (find(conditions, "HelmReleaseReady") or {}).get("message", "")
            )
            if live is not None and revision:  # a restart of ours forgot it
                release = _HelmRelease(int(revision.group(1)), given, "done")
                live = self._make_cluster(key, deployment, kind, values)
            else:
                release = _HelmRelease(1, given, since=time.monotonic())
            self._releases[uid] = release
        elif release.given != given:
            step_on = release.phase == "done"
            release.given = given
            if step_on:
                release.revision, release.phase, release.since = release.revision + 1, "requested", time.monotonic()
        new = release.revision == 1
        order = ("requested", "running", "done") if new else ("requested", "refused", "running", "done")
        lasts = {"requested": (0.8 if new else 0.1) * tick, "refused": 0.2 * tick, "running": 0.3 * tick}
        while release.phase != "done":
            left = release.since + lasts[release.phase] - time.monotonic()
            if tick and (left > 0 or release.shown != release.phase):
                break
            release.phase, release.since = order[order.index(release.phase) + 1], time.monotonic()
            if release.phase in ("running", "done"):
                live = self._make_cluster(key, deployment, kind, values)
        action = release.action
        if release.phase == "done":
            live = self._make_cluster(key, deployment, kind, values) if live is None else live
            chart = template["spec"]["helm"].get("chartSpec") or {}
            text = (
                f"Helm {action} succeeded for release {key[0]}/{name}.v{release.revision} "
                f"with chart {chart.get('chart')}@{chart.get('version')}"
            )
            set_condition(conditions, "HelmReleaseReady", "True", f"{action.capitalize()}Succeeded", text)
            return None
        if release.phase == "refused":
            text = _MODIFIED.format(resource="helmreleases.helm.toolkit.fluxcd.io", name=name)
            set_condition(conditions, "HelmReleaseReady", "False", FAILED, text)
        elif release.phase == "running":
            text = f"Running '{action}' action with timeout of 5m0s"
            set_condition(conditions, "HelmReleaseReady", "Unknown", PROGRESSING, text)
        return max(0.01, release.since + lasts[release.phase] - time.monotonic())

    def _upgrades(self, template: Object) -> list[str]:
        """ClusterTemplates of the same chart in a newer version: what kcm's ClusterTemplateChain allows."""

        def version(other: Object) -> tuple[int, ...]:
            parts = str(other["spec"]["helm"].get("chartSpec", {}).get("version", "")).split(".")
            return tuple(int(part) for part in parts if part.isdigit())

        chart = template["spec"]["helm"].get("chartSpec", {}).get("chart")
        return sorted(
            other["metadata"]["name"]
            for other in self._templates.all(template["metadata"]["namespace"])
            if other["spec"]["helm"].get("chartSpec", {}).get("chart") == chart
            and version(other) > version(template)
            and (other.get("status") or {}).get("valid")
        )

    def _helm_charts(self, namespace: str, services: list[Object]) -> list[Object]:
        """The Profile's helmCharts for a list of services. Raises InvalidService."""
        charts = []
        for service in services:
            if service.get("disable"):
                continue
            place = f"{namespace}/{service['template']}"
            template = self._service_templates.get(namespace, service["template"])
            if template is None:
                text = f'ServiceTemplate.k0rdent.mirantis.com "{service["template"]}" not found'
                raise InvalidService(f"failed to get ServiceTemplate {place}: {text}")
            reference = (template.get("status") or {}).get("chartRef")
            if not reference:
                raise InvalidService(f"status for ServiceTemplate {place} has not been updated yet")
            spec = template["spec"]["helm"].get("chartSpec")
            if spec is None:  # it names a HelmChart that somebody else made
                chart = self._charts.get(reference["namespace"], reference["name"])
                if chart is None:
                    text = f'HelmChart.source.toolkit.fluxcd.io "{reference["name"]}" not found'
                    raise InvalidService(
                        f"failed to get HelmChart {reference['namespace']}/{reference['name']} referenced by "
                        f"ServiceTemplate {place}: {text}"
                    )
                spec = chart["spec"]
            repository = self._repositories.get(namespace, spec["sourceRef"]["name"])
            if repository is None:
                name = spec["sourceRef"]["name"]
                text = f'HelmRepository.source.toolkit.fluxcd.io "{name}" not found'
                raise InvalidService(f"failed to get HelmRepository {namespace}/{name}: {text}")
            origin = source(
                repository["spec"]["url"], spec["chart"], bool(repository["spec"].get("insecure")), self._instead
            )
            name = spec["chart"]
            helm_chart: Object = {
                "repositoryURL": origin.repository or origin.reference.rpartition("/")[0],
                "repositoryName": name,  # kcm has no other name for it
                "chartName": f"{name}/{name}" if origin.repository else name,
                "chartVersion": spec["version"],
                "releaseName": service["name"],
                "releaseNamespace": service.get("namespace") or service["name"],
                "helmChartAction": "Install",
                "registryCredentialsConfig": {"plainHTTP": True} if origin.plain_http else {},
            }
            if service.get("values"):
                helm_chart["values"] = service["values"]
            if service.get("valuesFrom"):
                helm_chart["valuesFrom"] = [{"namespace": namespace, **each} for each in service["valuesFrom"]]
            charts.append(helm_chart)
        return charts

    def _services(self, key: Key, deployment: Object, kind: Kind, status: Object) -> float | None:
        """The Profile, and what came of it."""
        conditions = status["conditions"]
        try:
            summary = self._summaries.get(key[0], summary_name(key[1], kind))
            self._profile(key, deployment)
            if summary and self._faults.step() and not status.get("services") and not _said(conditions):
                release = self._releases.get(deployment["metadata"]["uid"])
                if release and release.shown != "done":
                    # A machine that is slow here may have both at once; they are shown one after the other.
                    return self._faults.step() / 50
                # Sveltos has just put its finalizer and labels on it, and kcm meets that write once.
                text = _MODIFIED.format(resource="profiles.config.projectsveltos.io", name=key[1])
                raise InvalidService(f"failed to reconcile Profile: {text}", passing=True)
        except InvalidService as error:
            set_condition(conditions, "SveltosProfileReady", "False", FAILED, str(error))
            set_condition(conditions, "FetchServicesStatusSuccess", "True", SUCCEEDED, "")
            return self._faults.step() / 50 if error.passing else 5.0
        set_condition(conditions, "SveltosProfileReady", "True", SUCCEEDED, "")
        set_condition(conditions, "FetchServicesStatusSuccess", "True", SUCCEEDED, "")
        services = services_status(deployment, summary)
        if services:
            status["services"] = services
        return None

    def _profile(self, key: Key, deployment: Object) -> None:
        """Make or change the Profile. Raises InvalidService with what kcm says where it can't."""
        service_spec = deployment["spec"].get("serviceSpec") or {}
        charts = self._helm_charts(key[0], service_spec.get("services") or [])
        credential = self._credentials.get(key[0], deployment["spec"].get("credential", ""))
        if credential is None:
            raise InvalidService(_not_found(deployment["spec"].get("credential", "")))
        refs, policies = credential_refs(deployment, credential)
        spec: Object = {
            "clusterSelector": {"matchLabels": {HELM_NAME: key[1], HELM_NAMESPACE: key[0]}},
            "tier": _TIER_BASE - service_spec.get("priority", 100),
            "continueOnConflict": not service_spec.get("stopOnConflict", False),
            "reloader": service_spec.get("reload", False),
            "syncMode": service_spec.get("syncMode", "Continuous"),
        }
        optional = {
            "helmCharts": charts,
            "templateResourceRefs": refs + (service_spec.get("templateResourceRefs") or []),
            "policyRefs": policies,
            "driftExclusions": service_spec.get("driftExclusions"),
        }
        spec |= {field: value for field, value in optional.items() if value}
        live = self._profiles.get(*key)
        if live is None:
            profile: Object = {
                "apiVersion": PROFILE.api_version,
                "kind": PROFILE.kind,
                "metadata": {
                    "name": key[1],
                    "namespace": key[0],
                    "labels": {"k0rdent.mirantis.com/managed": "true"},
                    "ownerReferences": [_owner(deployment)],
                },
                "spec": spec,
            }
            self._profiles.put(self._api.create(PROFILE, profile))
        elif any(live["spec"].get(field) != spec.get(field) for field in _PROFILE_FIELDS):
            self._profiles.put(self._api.replace(PROFILE, {**live, "spec": spec}))

    def _infrastructure(self, key: Key, deployment: Object, conditions: list[dict[str, Any]]) -> float | None:
        """The control plane behind a CAPI Cluster. Its conditions come a moment after the HelmRelease is ready."""
        if self._fleet is None:
            raise RuntimeError("no fleet yet")
        faults, name, uid = self._faults.current(), key[1], deployment["metadata"]["uid"]
        cluster = self._clusters[CAPI_CLUSTER].get(*key)
        release = self._releases.get(uid)
        if cluster is None or release is None or release.phase != "done":
            return None
        if (cluster.get("status") or {}).get("controlPlaneReady"):
            running = self._fleet.ensure(key)  # after a restart of ours it may have to be found again
            self._provisioned(key, cluster, conditions, running)
            return None
        if uid not in self._began:
            self._began[uid] = time.monotonic()
            return max(self._faults.step() / 50, 0.01 if self._fleet.real else self._provisioned_after)
        began = self._began[uid]
        if name in faults.never_ready:
            message = f"{name}: VpcLimitExceeded: The maximum number of VPCs has been reached."
            set_condition(conditions, "InfrastructureReady", "False", "VpcReconciliationFailed", message)
            return None
        delay = faults.slow_seconds + (0.0 if self._fleet.real else self._provisioned_after)
        left = began + delay - time.monotonic()
        running = None
        if left <= 0:
            try:
                running = self._fleet.ensure(key)
            except Later as error:
                text = f"{name}: {error}"[:2000]
                set_condition(conditions, "InfrastructureReady", "False", "ProvisioningFailed", text)
                return 5.0
        if running is not None:
            self._provisioned(key, cluster, conditions, running)
            return None
        if faults.slow_seconds or self._fleet.real or self._faults.step():
            waiting = (
                ("ControlPlaneInitialized", "WaitingForControlPlaneProviderInitialized", "Waiting for control plane"),
                ("ControlPlaneReady", "WaitingForControlPlane", "Waiting for the control plane"),
                ("InfrastructureReady", "WaitingForInfrastructure", "Waiting for the infrastructure"),
                ("Available", "WaitingForAvailableMachines", "Minimum availability requires more replicas"),
            )
            for kind, reason, message in waiting:
                origin = f"{name}-md" if kind == "Available" else name
                set_condition(conditions, kind, "False", reason, f"{origin}: {message}")
        return left if left > 0 else None

    def _make_cluster(self, key: Key, deployment: Object, kind: Kind, values: Object) -> Object:
        """What the cluster's chart holds, as far as anybody here reads it: helm's labels and annotations on it."""
        name, labels = key[1], {**values["clusterLabels"], "app.kubernetes.io/managed-by": "Helm"}
        spec: Object
        if kind is SVELTOS_CLUSTER:
            threshold = values.get("consecutiveFailureThreshold", 3)
            spec = {"consecutiveFailureThreshold": threshold, "kubeconfigName": values["clusterIdentity"]["name"]}
        else:
            spec = {
                "controlPlaneRef": {
                    "apiVersion": "controlplane.cluster.x-k8s.io/v1beta1",
                    "kind": "K0sControlPlane",
                    "name": f"{name}-cp",
                },
                "infrastructureRef": {
                    "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2",
                    "kind": "AWSCluster",
                    "name": name,
                },
            }
        live = self._clusters[kind].get(*key)
        if live is None:
            cluster: Object = {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {
                    "name": name,
                    "namespace": key[0],
                    "labels": labels,
                    "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": key[0]},
                },
                "spec": spec,
            }
            live = self._api.create(kind, cluster, manager="helm-controller")
            self._clusters[kind].put(live)
            return live
        others = {k: v for k, v in (live["metadata"].get("labels") or {}).items() if k.startswith("projectsveltos.io/")}
        if live["metadata"].get("labels") != {**labels, **others} or live["spec"] != spec:
            changed = {**live, "metadata": {**live["metadata"], "labels": {**labels, **others}}, "spec": spec}
            live = self._api.replace(kind, changed, manager="helm-controller")
            self._clusters[kind].put(live)
        return live

    def _provisioned(
        self, key: Key, cluster: Object, conditions: list[dict[str, Any]], running: Running | None
    ) -> None:
        for kind in ("ControlPlaneInitialized", "ControlPlaneReady", "InfrastructureReady"):
            set_condition(conditions, kind, "True", SUCCEEDED, f"{key[1]} is Ready")
        set_condition(conditions, "Available", "True", SUCCEEDED, f"{key[1]}-md is Ready")
        if running is not None:
            self._kubeconfig(key, running)
        if not (cluster.get("status") or {}).get("controlPlaneReady"):
            done = [
                {"type": kind, "status": "True", "lastTransitionTime": now()}
                for kind in ("Ready", "ControlPlaneInitialized", "ControlPlaneReady", "InfrastructureReady")
            ]
            status = {
                "conditions": done,
                "controlPlaneReady": True,
                "infrastructureReady": True,
                "phase": "Provisioned",
                "observedGeneration": cluster["metadata"]["generation"],
            }
            updated = self._api.replace(CAPI_CLUSTER, {**cluster, "status": status}, subresource="status")
            self._clusters[CAPI_CLUSTER].put(updated)

    def _kubeconfig(self, key: Key, running: Running) -> None:
        """The Secret that Cluster API makes: type and label as clusterctl looks for them, key `value`."""
        name = f"{key[1]}-kubeconfig"
        value = base64.b64encode(running.kubeconfig.encode()).decode()
        live = self._secrets.get(key[0], name)
        if live is None:
            secret: Object = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": key[0], "labels": {"cluster.x-k8s.io/cluster-name": key[1]}},
                "type": "cluster.x-k8s.io/secret",
                "data": {"value": value},
            }
            self._secrets.put(self._api.create(SECRET, secret))
        elif (live.get("data") or {}).get("value") != value:
            self._secrets.put(self._api.replace(SECRET, {**live, "data": {"value": value}}))

    def _delete(self, key: Key, deployment: Object) -> float | None:
        """HelmRelease and Profile go first, then (with the release) the cluster, then the finalizer.

        Nothing is withdrawn: where the cluster lives on, all that was deployed stays on it. The status stays as it was,
        observedGeneration too.
        """
        meta, tick = deployment["metadata"], self._faults.step() / 10
        if FINALIZER not in (meta.get("finalizers") or []) or key[1] in self._faults.current().stuck_finalizer:
            return None
        uid = meta["uid"]
        kinds = [kind for kind, informer in self._clusters.items() if informer.get(*key) is not None]
        if kinds:  # as long as there is a HelmRelease
            if uid not in self._deleting:
                self._deleting[uid] = time.monotonic()
                self._api.delete(PROFILE, *key)
            left = self._deleting[uid] + 0.3 * tick - time.monotonic()
            if left > 0:
                return left
            for kind in kinds:
                self._api.delete(kind, *key)
            if self._fleet is not None and CAPI_CLUSTER in kinds:
                self._fleet.remove(key)
                self._api.delete(SECRET, key[0], f"{key[1]}-kubeconfig")
        left = self._deleting.get(uid, 0.0) + 1.2 * tick - time.monotonic()
        if left > 0:
            return left
        remaining = [finalizer for finalizer in meta["finalizers"] if finalizer != FINALIZER]
        changed = {**deployment, "metadata": {**meta, "finalizers": remaining}}
        try:
            self._api.replace(CLUSTER_DEPLOYMENT, changed)
        except ApiError as error:
            if error.conflict:
                raise
            if "admission webhook" in error.message:  # kcm's own; it asks again until somebody has repaired that
                return max(self._faults.step(), 0.5)
            if not error.not_found:
                raise
        if uid not in self._deleting:
            self._api.delete(PROFILE, *key)  # the garbage collector's work
        for memory in (self._began, self._releases, self._deleting):
            memory.pop(uid, None)
        return None


def _said(conditions: list[dict[str, Any]]) -> str:
    """What SveltosProfileReady says."""
    return str((find(conditions, "SveltosProfileReady") or {}).get("message", ""))


def _not_found(credential: str) -> str:
    return f'{CREDENTIAL.kind}.k0rdent.mirantis.com "{credential}" not found'


def credential_refs(deployment: Object, credential: Object) -> tuple[list[Object], list[Object]]:
    """templateResourceRefs and policyRefs by which a cluster gets what its Credential names (propagateCredentials)."""
    identity = credential["spec"].get("identityRef")
    if not deployment["spec"].get("propagateCredentials", True) or not identity:
        return [], []
    space = {"namespace": identity["namespace"]} if identity.get("namespace") else {}
    refs: list[Object] = [{"identifier": "InfrastructureProviderIdentity", "resource": identity}]
    if identity["kind"] != SECRET.kind:
        secret = {"apiVersion": "v1", "kind": SECRET.kind, "name": f"{identity['name']}-secret", **space}
        refs.append({"identifier": "InfrastructureProviderIdentitySecret", "resource": secret})
    policy = {"kind": "ConfigMap", "name": f"{identity['name']}-resource-template", **space}
    return refs, [{**policy, "deploymentType": "Remote"}]


def _owner(deployment: Object) -> Object:
    meta = deployment["metadata"]
    return {
        "apiVersion": CLUSTER_DEPLOYMENT.api_version,
        "kind": CLUSTER_DEPLOYMENT.kind,
        "name": meta["name"],
        "uid": meta["uid"],
    }
