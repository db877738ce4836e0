"""kcm's ClusterDeployment controller, with the parts of Flux and Cluster API that one sees from outside.

A ClusterDeployment becomes a Profile (its services) and a CAPI Cluster (its labels decide which Secrets it gets); its
conditions follow. `Ready` says nothing of the services at kcm 0.1: those are in status.services and the ClusterSummary.
"""

from __future__ import annotations

import base64
import copy
import time
from typing import Any

from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.conditions import FAILED, PROGRESSING, SUCCEEDED, aggregate_ready, now, set_condition
from sandbox.simulator.faults import Faults
from sandbox.simulator.fleet import Fleet, Running
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_DEPLOYMENT,
    CLUSTER_SUMMARY,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    HELM_REPOSITORY,
    PROFILE,
    SECRET,
    SERVICE_TEMPLATE,
)
from sandbox.simulator.oci import source
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, Key, Later, enqueue, key_of

FINALIZER = "k0rdent.mirantis.com/cluster-deployment"
HELM_NAME = "helm.toolkit.fluxcd.io/name"
HELM_NAMESPACE = "helm.toolkit.fluxcd.io/namespace"
_TIER_BASE = 2**31 - 1  # kcm turns a priority (higher wins) into a Sveltos tier (lower wins)

#: What kcm sets in a Profile; the rest are Sveltos' defaults.
_PROFILE_FIELDS = (
    "clusterSelector", "tier", "continueOnConflict", "reloader", "syncMode", "helmCharts", "templateResourceRefs",
    "driftExclusions",
)  # fmt: skip

#: What a new ClusterDeployment says before anything is known; the last not in a dry run, which makes no HelmRelease.
_INITIAL = (
    ("TemplateReady", "Template is not yet ready"),
    ("HelmChartReady", "HelmChart is not yet ready"),
    ("CredentialReady", "Credential is not yet ready"),
    ("HelmReleaseReady", "HelmRelease is not yet ready"),
)


def summary_name(cluster: str) -> str:
    """Name of the ClusterSummary of a ClusterDeployment's own services."""
    return f"p--{cluster}-capi-{cluster}"


def cluster_labels(deployment: Object) -> dict[str, str]:
    """Labels of the CAPI Cluster: config.clusterLabels, or the ClusterDeployment's own where that key is absent."""
    config = deployment["spec"].get("config") or {}
    chosen = config["clusterLabels"] if "clusterLabels" in config else deployment["metadata"].get("labels")
    meta = deployment["metadata"]
    return {**(chosen or {}), HELM_NAME: meta["name"], HELM_NAMESPACE: meta["namespace"]}


def services_status(deployment: Object, summary: Object | None, old: list[Object]) -> list[Object]:
    """status.services: how Sveltos' summary of this cluster reads in kcm's words. Transition times come from `old`."""
    meta = deployment["metadata"]
    if summary is None or not summary.get("status"):
        return []
    known = next((entry for entry in old if entry.get("clusterName") == meta["name"]), {})
    before = {condition["type"]: condition for condition in known.get("conditions") or []}
    conditions: list[dict[str, Any]] = []

    def add(kind: str, good: bool, reason: str, message: str) -> None:
        current = [dict(before[kind])] if kind in before else []
        set_condition(current, kind, "True" if good else "False", reason, message[:32000])
        conditions.extend(current)

    for feature in summary["status"].get("featureSummaries") or []:
        status = feature["status"]
        add(feature["featureID"], status == "Provisioned", status, feature.get("failureMessage") or "")
    for release in summary["status"].get("helmReleaseSummaries") or []:
        name, space, status = release["releaseName"], release["releaseNamespace"], release["status"]
        message = release.get("conflictMessage") or f"Release {space}/{name}"
        add(f"{space}.{name}/SveltosHelmReleaseReady", status == "Managing", status, message)
    return [{"clusterName": meta["name"], "clusterNamespace": meta["namespace"], "conditions": conditions}]


class InvalidService(Exception):
    """A service's template can't be turned into a helm chart."""


class ClusterDeployments:
    """The controller. `provisioned_after` is how long a cluster without a control plane takes (seconds)."""

    def __init__(
        self,
        cluster: Cluster,
        faults: Faults,
        registry: str | None,
        *,
        provisioned_after: float = 0.0,
        workers: int = 2,
    ) -> None:
        self._api: Api = cluster.api
        self._faults = faults
        self._registry = registry
        self._provisioned_after = provisioned_after
        self._fleet: Fleet | None = None
        self._began: dict[str, float] = {}
        self._deployments = cluster.informer(CLUSTER_DEPLOYMENT)
        self._templates = cluster.informer(CLUSTER_TEMPLATE)
        self._service_templates = cluster.informer(SERVICE_TEMPLATE)
        self._credentials = cluster.informer(CREDENTIAL)
        self._repositories = cluster.informer(HELM_REPOSITORY)
        self._profiles = cluster.informer(PROFILE)
        self._clusters = cluster.informer(CAPI_CLUSTER)
        self._summaries = cluster.informer(CLUSTER_SUMMARY)
        self._secrets = cluster.informer(SECRET, selector=NO_HELM_RELEASES)
        self.queue = cluster.queue("clusterdeployments", self._reconcile, workers=workers)
        self._deployments.on_change(enqueue(self.queue))

        def summary_changed(old: Object | None, new: Object | None) -> None:
            summary = new or old or {}
            name = summary["spec"]["clusterName"]
            if summary["metadata"]["name"] == summary_name(name):
                self.queue.add((summary["spec"]["clusterNamespace"], name))

        def credential_changed(old: Object | None, new: Object | None) -> None:
            space, name = key_of(new or old or {})
            was = ((old or {}).get("status") or {}).get("ready")
            if was == ((new or {}).get("status") or {}).get("ready"):
                return
            for deployment in self._deployments.all(space):
                if deployment["spec"].get("credential") == name:
                    self.queue.add(key_of(deployment))

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
        if deployment is None or self._faults.current().ignored(key[0]):
            return None
        if deployment["metadata"].get("deletionTimestamp"):
            self._delete(key, deployment)
            return None
        if FINALIZER not in (deployment["metadata"].get("finalizers") or []):
            changed = copy.deepcopy(deployment)
            changed["metadata"].setdefault("finalizers", []).append(FINALIZER)
            deployment = self._api.replace(CLUSTER_DEPLOYMENT, changed)
            self._deployments.put(deployment)
        status = copy.deepcopy(deployment.get("status") or {})
        conditions = status.setdefault("conditions", [])
        if not conditions:
            for kind, message in _INITIAL[: 3 if deployment["spec"].get("dryRun") else None]:
                set_condition(conditions, kind, "Unknown", PROGRESSING, message)
        again = self._walk(key, deployment, status)
        aggregate_ready(conditions)
        status["observedGeneration"] = deployment["metadata"]["generation"]
        if status != deployment.get("status"):
            updated = self._api.replace(CLUSTER_DEPLOYMENT, {**deployment, "status": status}, subresource="status")
            self._deployments.put(updated)
        return again

    def _walk(self, key: Key, deployment: Object, status: Object) -> float | None:
        """Do what can be done now and set the conditions; seconds until the next step if nothing else will tell."""
        conditions, spec = status["conditions"], deployment["spec"]
        template = self._templates.get(key[0], spec["template"])
        if template is None:
            message = f'failed to get provided template: ClusterTemplate "{spec["template"]}" not found'
            set_condition(conditions, "TemplateReady", "False", FAILED, message)
            return 5.0
        template_status = template.get("status") or {}
        if not template_status.get("valid"):
            set_condition(conditions, "TemplateReady", "False", FAILED, "provided template is not marked as valid")
            return 5.0
        set_condition(conditions, "TemplateReady", "True", SUCCEEDED, "Template is valid")
        set_condition(conditions, "HelmChartReady", "True", SUCCEEDED, "Helm chart is valid")
        if template_status.get("k8sVersion"):
            status["k8sVersion"] = template_status["k8sVersion"]
        upgrades = self._upgrades(template)
        if upgrades:
            status["availableUpgrades"] = upgrades
        else:
            status.pop("availableUpgrades", None)
        credential = self._credentials.get(key[0], spec.get("credential", ""))
        if credential is None or not (credential.get("status") or {}).get("ready"):
            set_condition(conditions, "CredentialReady", "False", FAILED, "Credential is not in Ready state")
            return None
        set_condition(conditions, "CredentialReady", "True", SUCCEEDED, "Credential is Ready")
        if spec.get("dryRun"):
            return None
        self._services(key, deployment, conditions)
        status["services"] = services_status(
            deployment, self._summaries.get(key[0], summary_name(key[1])), status.get("services") or []
        )
        set_condition(conditions, "FetchServicesStatusSuccess", "True", SUCCEEDED, "")
        return self._infrastructure(key, deployment, conditions)

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
            template = self._service_templates.get(namespace, service["template"])
            if template is None:
                raise InvalidService(f'ServiceTemplate "{service["template"]}" not found')
            if not (template.get("status") or {}).get("valid"):
                raise InvalidService(f"ServiceTemplate {namespace}/{service['template']} is not valid")
            spec = template["spec"]["helm"]["chartSpec"]
            repository = self._repositories.get(namespace, spec["sourceRef"]["name"])
            if repository is None:
                raise InvalidService(f'HelmRepository "{spec["sourceRef"]["name"]}" not found')
            place = source(
                repository["spec"]["url"], spec["chart"], bool(repository["spec"].get("insecure")), self._registry
            )
            chart: Object = {
                "repositoryURL": place.reference.rpartition("/")[0],
                "repositoryName": repository["metadata"]["name"],
                "chartName": spec["chart"],
                "chartVersion": spec["version"],
                "releaseName": service["name"],
                "releaseNamespace": service.get("namespace") or service["name"],
                "helmChartAction": "Install",
            }
            if service.get("values"):
                chart["values"] = service["values"]
            if service.get("valuesFrom"):
                chart["valuesFrom"] = [{"namespace": namespace, **reference} for reference in service["valuesFrom"]]
            if place.plain_http:
                chart["registryCredentialsConfig"] = {"plainHTTP": True}
            charts.append(chart)
        return charts

    def _services(self, key: Key, deployment: Object, conditions: list[dict[str, Any]]) -> None:
        service_spec = deployment["spec"].get("serviceSpec") or {}
        try:
            charts = self._helm_charts(key[0], service_spec.get("services") or [])
        except InvalidService as error:
            set_condition(conditions, "SveltosProfileReady", "False", FAILED, str(error))
            return
        spec: Object = {
            "clusterSelector": {"matchLabels": {HELM_NAME: key[1], HELM_NAMESPACE: key[0]}},
            "tier": _TIER_BASE - service_spec.get("priority", 100),
            "continueOnConflict": not service_spec.get("stopOnConflict", False),
            "reloader": service_spec.get("reload", False),
            "syncMode": service_spec.get("syncMode", "Continuous"),
            "helmCharts": charts,
        }
        if service_spec.get("templateResourceRefs"):
            spec["templateResourceRefs"] = service_spec["templateResourceRefs"]
        if service_spec.get("driftExclusions"):
            spec["driftExclusions"] = service_spec["driftExclusions"]
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
        set_condition(conditions, "SveltosProfileReady", "True", SUCCEEDED, "")

    def _infrastructure(self, key: Key, deployment: Object, conditions: list[dict[str, Any]]) -> float | None:
        """HelmRelease, Cluster API objects and the control plane."""
        if self._fleet is None:
            raise RuntimeError("no fleet yet")
        faults, (_, name), uid = self._faults.current(), key, deployment["metadata"]["uid"]
        began = self._began.setdefault(uid, time.monotonic())
        cluster = self._capi_cluster(key, deployment)
        release = (
            f"Helm install succeeded for release {key[0]}/{name}.v1 with chart of {deployment['spec']['template']}"
        )
        set_condition(conditions, "HelmReleaseReady", "True", "InstallSucceeded", release)
        if (cluster.get("status") or {}).get("controlPlaneReady"):
            running = self._fleet.ensure(key)  # after a restart of ours it may have to be found again
            self._provisioned(key, deployment, cluster, conditions, running)
            return None
        if name in faults.never_ready:
            message = "VpcLimitExceeded: The maximum number of VPCs has been reached."
            set_condition(conditions, "InfrastructureReady", "False", "VpcReconciliationFailed", message)
            return None
        waiting = (
            ("InfrastructureReady", "WaitingForInfrastructure", "Waiting for the infrastructure"),
            ("ControlPlaneInitialized", "WaitingForControlPlaneProviderInitialized", "Waiting for the control plane"),
            ("ControlPlaneReady", "WaitingForControlPlane", "Waiting for the control plane"),
            ("Available", "WaitingForAvailableMachines", "Minimum availability requires more replicas"),
        )
        for kind, reason, message in waiting:
            set_condition(conditions, kind, "False", reason, message)
        delay = faults.slow_seconds + (0.0 if self._fleet.real else self._provisioned_after)
        left = began + delay - time.monotonic()
        if left > 0:
            return left
        try:
            running = self._fleet.ensure(key)
        except Later as error:
            set_condition(conditions, "InfrastructureReady", "False", "ProvisioningFailed", str(error)[:2000])
            return 5.0
        if running is not None:
            self._provisioned(key, deployment, cluster, conditions, running)
        return None

    def _capi_cluster(self, key: Key, deployment: Object) -> Object:
        labels = cluster_labels(deployment)
        live = self._clusters.get(*key)
        if live is None:
            cluster: Object = {
                "apiVersion": CAPI_CLUSTER.api_version,
                "kind": CAPI_CLUSTER.kind,
                "metadata": {"name": key[1], "namespace": key[0], "labels": labels},
                "spec": {
                    "controlPlaneRef": {
                        "apiVersion": "controlplane.cluster.x-k8s.io/v1beta1",
                        "kind": "K0sControlPlane",
                        "name": f"{key[1]}-cp",
                    },
                    "infrastructureRef": {
                        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2",
                        "kind": "AWSCluster",
                        "name": key[1],
                    },
                },
            }
            live = self._api.create(CAPI_CLUSTER, cluster, manager="helm-controller")
            self._clusters.put(live)
        elif live["metadata"].get("labels") != labels:
            changed = {**live, "metadata": {**live["metadata"], "labels": labels}}
            live = self._api.replace(CAPI_CLUSTER, changed, manager="helm-controller")
            self._clusters.put(live)
        return live

    def _provisioned(
        self, key: Key, deployment: Object, cluster: Object, conditions: list[dict[str, Any]], running: Running | None
    ) -> None:
        for kind in ("InfrastructureReady", "ControlPlaneInitialized", "ControlPlaneReady"):
            set_condition(conditions, kind, "True", SUCCEEDED, f"{kind} is Ready")
        set_condition(conditions, "Available", "True", "MinimumReplicasAvailable", "")
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
            self._clusters.put(updated)

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

    def _delete(self, key: Key, deployment: Object) -> None:
        """Take away what was made, the cluster last, then let the object go (unless the fault says it sticks)."""
        meta = deployment["metadata"]
        if FINALIZER not in (meta.get("finalizers") or []) or key[1] in self._faults.current().stuck_finalizer:
            return
        # The cluster first: a profile that goes before it is taken back from it, release by release.
        self._api.delete(CAPI_CLUSTER, *key)
        self._api.delete(PROFILE, *key)
        if self._fleet is not None:
            self._fleet.remove(key)
        self._api.delete(SECRET, key[0], f"{key[1]}-kubeconfig")
        self._began.pop(meta["uid"], None)
        remaining = [finalizer for finalizer in meta["finalizers"] if finalizer != FINALIZER]
        changed = {**deployment, "metadata": {**meta, "finalizers": remaining}}
        try:
            self._api.replace(CLUSTER_DEPLOYMENT, changed)
        except ApiError as error:
            if not error.not_found:
                raise


def _owner(deployment: Object) -> Object:
    meta = deployment["metadata"]
    return {
        "apiVersion": CLUSTER_DEPLOYMENT.api_version,
        "kind": CLUSTER_DEPLOYMENT.kind,
        "name": meta["name"],
        "uid": meta["uid"],
    }
