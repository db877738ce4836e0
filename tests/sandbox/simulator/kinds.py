"""The kinds the simulator reads or writes, with their paths. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A served kind: enough to build its paths and to fill in apiVersion and kind, which LIST answers leave out."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def prefix(self) -> str:
        """`/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of one object, or of the collection (of all namespaces if `namespace` is None)."""
        parts = [self.prefix]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        parts.extend(part for part in (name, subresource) if part)
        return "/".join(parts)

    @property
    def resource(self) -> str:
        """`plural.group` as in API error messages."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural


_KCM = "k0rdent.mirantis.com/v1alpha1"
CLUSTER_DEPLOYMENT = Kind(_KCM, "ClusterDeployment", "clusterdeployments")
CLUSTER_TEMPLATE = Kind(_KCM, "ClusterTemplate", "clustertemplates")
SERVICE_TEMPLATE = Kind(_KCM, "ServiceTemplate", "servicetemplates")
CREDENTIAL = Kind(_KCM, "Credential", "credentials")
MANAGEMENT = Kind(_KCM, "Management", "managements", namespaced=False)
MULTI_CLUSTER_SERVICE = Kind(_KCM, "MultiClusterService", "multiclusterservices", namespaced=False)

_SVELTOS = "config.projectsveltos.io/v1beta1"
CLUSTER_PROFILE = Kind(_SVELTOS, "ClusterProfile", "clusterprofiles", namespaced=False)
PROFILE = Kind(_SVELTOS, "Profile", "profiles")
CLUSTER_SUMMARY = Kind(_SVELTOS, "ClusterSummary", "clustersummaries")
CLUSTER_CONFIGURATION = Kind(_SVELTOS, "ClusterConfiguration", "clusterconfigurations")
SVELTOS_CLUSTER = Kind("lib.projectsveltos.io/v1beta1", "SveltosCluster", "sveltosclusters")

CAPI_CLUSTER = Kind("cluster.x-k8s.io/v1beta1", "Cluster", "clusters")
AWS_STATIC_IDENTITY = Kind(
    "infrastructure.cluster.x-k8s.io/v1beta2",
    "AWSClusterStaticIdentity",
    "awsclusterstaticidentities",
    namespaced=False,
)
HELM_REPOSITORY = Kind("source.toolkit.fluxcd.io/v1", "HelmRepository", "helmrepositories")
HELM_CHART = Kind("source.toolkit.fluxcd.io/v1", "HelmChart", "helmcharts")

PROMXY_SERVER_GROUP = Kind("kof.k0rdent.mirantis.com/v1alpha1", "PromxyServerGroup", "promxyservergroups")
GRAFANA = Kind("grafana.integreatly.org/v1beta1", "Grafana", "grafanas")
GRAFANA_DATASOURCE = Kind("grafana.integreatly.org/v1beta1", "GrafanaDatasource", "grafanadatasources")
GRAFANA_DASHBOARD = Kind("grafana.integreatly.org/v1beta1", "GrafanaDashboard", "grafanadashboards")

NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
PVC = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
PV = Kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False)
STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
VALIDATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
