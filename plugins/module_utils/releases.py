# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between releases of kof: names, versions, API versions, labels, nesting of values. Data only.

No function with a decision in it belongs here; whoever needs one asks a Release and decides in `model` or `manifests`.
Sources: the release's charts and CRDs, and its guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service of a cluster (`spec.serviceSpec.services[]`).

    :ivar namespace: into which it is installed; None stands for the namespace of kof.
    :ivar template: name of its ServiceTemplate.
    """

    name: str
    template: str
    namespace: str | None = None


@dataclass(frozen=True)
class ExpectedDeployment:
    """A Deployment on the management cluster that must work after the charts are installed.

    :ivar switch: path of the chart's value that takes it away when false; empty where it is always there.
    :ivar chart: of which the switch is a value.
    """

    name: str
    chart: str
    switch: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entrance:
    """Something on the management cluster that a person opens in a browser.

    :ivar service, port: the Service in the namespace of kof, and its port.
    :ivar secret, keys: where user and password are, and under which keys; empty where it asks for none.
    :ivar switch: path of the value of kof-mothership that takes it away when false.
    """

    name: str
    service: str
    port: int
    secret: str
    keys: tuple[str, ...]
    switch: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """One release of kof.

    :ivar chart_versions: by chart; the order is that of installation on the management cluster.
    :ivar invalid_schemas: charts of them with a values.schema.json that isn't valid by the rules of JSON Schema.
    :ivar kcm_version: version of kcm's API in which its charts make ServiceTemplates, and that of a management cluster
        where none can be asked.
    :ivar cluster_template_version: suffix of the ClusterTemplates that came with it, where none can be asked.
    :ivar promxy_label: label of a PromxyServerGroup that names the Secret the operator writes.
    :ivar promxy_deployment, promxy_memory: its name, and its memory limit where no values say otherwise.
    :ivar promxy_path_prefix: of the metrics, behind vmauth.
    :ivar read_logs_path, read_metrics_path, write_logs_path, write_metrics_path: behind `https://vmauth.<domain>`.
    :ivar cluster_labels: by layer, labels of the ClusterDeployment (the guide's; nothing selects by them).
    :ivar storage_secrets_label: cluster label by which the user Secret is copied to a cluster.
    :ivar dns_secrets_label, dns_profile: the same for the DNS Secret, and the ClusterProfile that does it.
    :ivar cert_manager_values: values of service cert-manager, as its ServiceTemplate's chart nests them.
    :ivar external_dns_without_secret: values of external-dns with the chart's mounted AWS credentials taken out.
    :ivar upgrade_drops_grafana_secret: every upgrade of kof-storage takes `grafana_secret` away from the cluster, or
        makes one with a new password.
    :ivar mothership_secrets: Secrets the charts make, with the keys that must be in them.
    :ivar needed_objects: by chart, objects of its release (kind/name) that every cluster lives on: the credentials of
        all regions, and what copies them there.
    :ivar entrances: what people open, in the order of interest.
    :ivar fixed_values: by service, values that its StatefulSets' volumes can't follow once they are there.
    :ivar minimum_operators: by app.kubernetes.io/name: least chart version, the one that comes, with which chart.
    """

    version: str
    chart_versions: Mapping[str, str]
    invalid_schemas: frozenset[str]
    kcm_version: str
    cluster_template_version: str
    promxy_api_version: str
    promxy_label: str
    promxy_secret: str
    promxy_deployment: str
    promxy_memory: str
    promxy_path_prefix: str
    promxy_remote_write_url: str
    grafana_api_version: str
    grafana_selector: Mapping[str, str]
    grafana_logs_type: str
    read_logs_path: str
    read_metrics_path: str
    write_logs_path: str
    write_metrics_path: str
    regional_services: tuple[Service, ...]
    child_services: tuple[Service, ...]
    cluster_labels: Mapping[str, Mapping[str, str]]
    storage_secrets_label: str
    dns_secrets_label: str
    dns_profile: str
    dns_secret: str
    grafana_secret: str
    upgrade_drops_grafana_secret: bool
    vmuser_secret_keys: tuple[str, str]
    cert_manager_values: Mapping[str, object]
    external_dns_without_secret: Mapping[str, object]
    mothership_secrets: Mapping[str, tuple[str, ...]]
    needed_objects: Mapping[str, tuple[str, ...]]
    mothership_deployments: tuple[ExpectedDeployment, ...]
    entrances: tuple[Entrance, ...]
    service_templates: tuple[str, ...]
    guide_objects: Mapping[str, str]
    minimum_k0rdent: str
    minimum_kubernetes: str
    minimum_operators: Mapping[str, tuple[str, str, str]]
    fixed_values: Mapping[str, tuple[tuple[str, ...], ...]]
    #: The management cluster's own metrics carry this cluster name.
    mothership_cluster_name: str = "mothership"


_PREFIX = "k0rdent.mirantis.com"

_KOF_0_1_1 = Release(
    version="0.1.1",
    chart_versions={"kof-operators": "0.1.1", "kof-mothership": "0.1.1"},
    # Its subchart opentelemetry-operator 0.75.1 has text for `examples` of manager.featureGates, which must be a list.
    invalid_schemas=frozenset({"kof-operators"}),
    kcm_version="v1alpha1",
    cluster_template_version="0-1-0",
    promxy_api_version="kof.k0rdent.mirantis.com/v1alpha1",
    promxy_label=f"{_PREFIX}/promxy-secret-name",
    promxy_secret="kof-mothership-promxy-config",
    promxy_deployment="kof-mothership-promxy",
    promxy_memory="128Mi",
    promxy_path_prefix="/vm/select/0/prometheus/",
    promxy_remote_write_url="http://vminsert-cluster:8480/insert/0/prometheus/api/v1/write",
    grafana_api_version="grafana.integreatly.org/v1beta1",
    grafana_selector={"dashboards": "grafana"},
    grafana_logs_type="victoriametrics-logs-datasource",
    read_logs_path="/vls",
    read_metrics_path="/vm/select/0/prometheus",
    write_logs_path="/vls/insert/opentelemetry/v1/logs",
    write_metrics_path="/vm/insert/0/prometheus/api/v1/write",
    # List order is the order of installation: kof-storage needs an ingress and certificates.
    regional_services=(
        Service("ingress-nginx", "ingress-nginx-4-11-3", "ingress-nginx"),
        Service("cert-manager", "cert-manager-1-16-2", "cert-manager"),
        Service("kof-storage", "kof-storage-0-1-1"),
    ),
    child_services=(
        Service("cert-manager", "cert-manager-1-16-2"),
        Service("kof-operators", "kof-operators-0-1-1"),
        Service("kof-collectors", "kof-collectors-0-1-1"),
    ),
    cluster_labels={"regional": {"kof": "storage"}, "child": {"kof": "collector"}},
    storage_secrets_label=f"{_PREFIX}/kof-storage-secrets",
    dns_secrets_label=f"{_PREFIX}/kof-aws-dns-secrets",
    dns_profile="kof-aws-dns-secrets",
    dns_secret="external-dns-aws-credentials",
    grafana_secret="grafana-admin-credentials",
    # charts/kof-storage/templates/grafana/secret.yaml renders it only where it isn't there yet (kof pull request 100).
    upgrade_drops_grafana_secret=True,
    vmuser_secret_keys=("username", "password"),
    cert_manager_values={"cert-manager": {"crds": {"enabled": True}}},
    # The lists of the chart can only be replaced as a whole; the SDK still wants a region, Route 53 is in all of them.
    external_dns_without_secret={
        "env": [{"name": "AWS_DEFAULT_REGION", "value": "us-east-2"}],
        "extraVolumes": [],
        "extraVolumeMounts": [],
    },
    mothership_secrets={
        "storage-vmuser-credentials": ("username", "password"),
        "grafana-admin-credentials": ("GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD"),
    },
    needed_objects={"kof-mothership": ("Secret/storage-vmuser-credentials", "ClusterProfile/kof-storage-secrets")},
    mothership_deployments=(
        ExpectedDeployment(
            "kof-operators-opentelemetry-operator", "kof-operators", ("opentelemetry-operator", "enabled")
        ),
        ExpectedDeployment("kof-mothership-grafana-operator", "kof-mothership", ("grafana", "enabled")),
        ExpectedDeployment(
            "kof-mothership-victoria-metrics-operator", "kof-mothership", ("victoria-metrics-operator", "enabled")
        ),
        ExpectedDeployment("kof-mothership-promxy", "kof-mothership", ("promxy", "enabled")),
        ExpectedDeployment("kof-mothership-promxy-operator", "kof-mothership", ("promxy", "enabled")),
    ),
    entrances=(
        Entrance(
            "Grafana",
            "grafana-vm-service",
            3000,
            "grafana-admin-credentials",
            ("GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD"),
            ("grafana", "enabled"),
        ),
        Entrance("promxy", "kof-mothership-promxy", 8082, "", (), ("promxy", "enabled")),
    ),
    service_templates=(
        "cert-manager-1-16-2",
        "ingress-nginx-4-11-3",
        "kof-collectors-0-1-1",
        "kof-operators-0-1-1",
        "kof-storage-0-1-1",
    ),
    guide_objects={"PromxyServerGroup": "promxyservergroup-sample", "GrafanaDatasource": "victoria-logs-regional0"},
    minimum_k0rdent="0.0.7",
    minimum_kubernetes="1.32",
    minimum_operators={
        "opentelemetry-operator": ("0.75", "0.75.1", "kof-operators 0.1.1"),
        "victoria-metrics-operator": ("0.40", "0.40.5", "kof-storage 0.1.1"),
    },
    fixed_values={
        "kof-storage": (
            ("global", "storageClass"),
            ("victoria-logs-single", "server", "persistentVolume", "size"),
            ("victoria-logs-single", "server", "persistentVolume", "storageClassName"),
        )
    },
)

#: By `kof_version`.
RELEASES: Mapping[str, Release] = {release.version: release for release in (_KOF_0_1_1,)}

#: By the line (0.0, 0.1, 0.2 ...) that a management cluster has, what hinders writing a known release over its charts;
#: `newer` for every line that came after those.
UPGRADES_FROM: Mapping[str, str] = {
    "0.0": (
        "0.0 is upgraded by hand: helm must take over Secret kof-mothership-promxy-config (--take-ownership), the "
        "storage classes of before must be pinned, and every cluster's services get their new ServiceTemplates before "
        "the old ones go. The charts alone would leave running clusters without theirs"
    ),
    "newer": (
        "there is no way back: from 0.2 on kof installs its services by labels, and these charts would take away the "
        "operators and ServiceTemplates that its clusters run with. Use a release of this collection that knows the "
        "installed kof, with its kof_version"
    ),
}
