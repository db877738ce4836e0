# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line 0.1 of kof: charts kof-operators and kof-mothership out of an OCI registry, ServiceTemplates with versions. Data
only."""

from __future__ import annotations

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.images_0_1 import IMAGES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import (
    Alerts,
    Chart,
    Dashboard,
    Direct,
    Dns,
    Entrance,
    ExpectedDeployment,
    Grafana,
    Needs,
    Paths,
    Service,
    Workload,
    WrittenPromxy,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.values_0_1 import OPTIONS, VALUES

_METRICS = ("victoriametrics", "enabled")
_CLUSTER, _ALERTS = (_METRICS, ("victoriametrics", "vmcluster", "enabled")), ("victoriametrics", "vmalert", "enabled")
_GRAFANA = (("grafana", "enabled"),)
_OF_NODES = ("cluster", "kube_node_info", "clusterName")
_ADMINISTRATOR = "grafana-admin-credentials"
_ADMINISTRATOR_KEYS = ("GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD")

_CERT_MANAGER = (
    Workload("Deployment", "cert-manager", "cert-manager"),
    Workload("Deployment", "cert-manager-cainjector", "cert-manager", (("cert-manager", "cainjector", "enabled"),)),
    Workload("Deployment", "cert-manager-webhook", "cert-manager"),
)

KOF_0_1_1 = Direct(
    version="0.1.1",
    charts={
        # Its subchart opentelemetry-operator 0.75.1 has text for `examples` of manager.featureGates, which must be a
        # list.
        "kof-operators": Chart("0.1.1", invalid_schema=True),
        "kof-mothership": Chart(
            "0.1.1",
            needed_objects=("Secret/storage-vmuser-credentials", "ClusterProfile/kof-storage-secrets"),
            fixed_values=(("global", "storageClass"),),
            growing_values={
                OPTIONS[f"mothership_{name}"].path: OPTIONS[f"mothership_{name}"].default
                for name in ("metrics_storage_size", "metrics_cache_size", "metrics_replicas", "grafana_storage_size")
            },
        ),
    },
    needs=Needs(
        kcm="v1alpha1",
        k0rdent="0.0.7",
        kubernetes="1.32",
        operators={
            "opentelemetry-operator": ("0.75", "0.75.1", "kof-operators 0.1.1"),
            "victoria-metrics-operator": ("0.40", "0.40.5", "kof-storage 0.1.1"),
        },
    ),
    cluster_template_version="0-1-0",
    promxy=WrittenPromxy(
        api_version=f"kof.{KCM_GROUP}/v1alpha1",
        label=f"{KCM_GROUP}/promxy-secret-name",
        secret="kof-mothership-promxy-config",
        deployment="kof-mothership-promxy",
        memory="128Mi",
        path_prefix="/vm/select/0/prometheus/",
        remote_write_url="http://vminsert-cluster:8480/insert/0/prometheus/api/v1/write",
    ),
    grafana=Grafana(
        api_version="grafana.integreatly.org/v1beta1",
        selector={"dashboards": "grafana"},
        logs_type="victoriametrics-logs-datasource",
        metrics="promxy",
        sources=("promxy", "victoriametrics", "agg-prometheus"),
        secret=_ADMINISTRATOR,
        # charts/kof-storage/templates/grafana/secret.yaml renders it only where it isn't there yet (kof pull request
        # 100).
        upgrade_drops_secret=True,
    ),
    paths=Paths(
        read_logs="/vls",
        read_metrics="/vm/select/0/prometheus",
        write_logs="/vls/insert/opentelemetry/v1/logs",
        write_metrics="/vm/insert/0/prometheus/api/v1/write",
    ),
    # List order is the order of installation: kof-storage needs an ingress and certificates.
    services={
        "regional": (
            Service("ingress-nginx", "ingress-nginx-4-11-3", "ingress-nginx"),
            Service("cert-manager", "cert-manager-1-16-2", "cert-manager"),
            Service(
                "kof-storage",
                "kof-storage-0-1-1",
                fixed_values=(
                    ("global", "storageClass"),
                    ("victoria-logs-single", "server", "persistentVolume", "size"),
                    ("victoria-logs-single", "server", "persistentVolume", "storageClassName"),
                ),
                growing_values={
                    OPTIONS[f"regional_{name}"].path: OPTIONS[f"regional_{name}"].default
                    for name in ("metrics_storage_size", "metrics_cache_size", "metrics_replicas")
                },
            ),
        ),
        "child": (
            Service("cert-manager", "cert-manager-1-16-2"),
            Service("kof-operators", "kof-operators-0-1-1"),
            Service("kof-collectors", "kof-collectors-0-1-1"),
        ),
    },
    cluster_labels={"regional": {"kof": "storage"}, "child": {"kof": "collector"}},
    vmuser_label=f"{KCM_GROUP}/kof-storage-secrets",
    dns=Dns(
        secret="external-dns-aws-credentials",
        label=f"{KCM_GROUP}/kof-aws-dns-secrets",
        copier="kof-aws-dns-secrets",
        # The chart's lists can only be replaced as a whole; the SDK still wants a region, Route 53 is in all of them.
        without_secret={
            "env": [{"name": "AWS_DEFAULT_REGION", "value": "us-east-2"}],
            "extraVolumes": [],
            "extraVolumeMounts": [],
        },
    ),
    values=VALUES,
    options=OPTIONS,
    images=IMAGES,
    cert_manager_values={"cert-manager": {"crds": {"enabled": True}}},
    service_templates=(
        "cert-manager-1-16-2",
        "ingress-nginx-4-11-3",
        "kof-collectors-0-1-1",
        "kof-operators-0-1-1",
        "kof-storage-0-1-1",
    ),
    deployments=(
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
    # As the charts and, behind them, the operators of Grafana, VictoriaMetrics and OpenTelemetry call them.
    workloads={
        "mothership": (
            Workload("Deployment", "grafana-vm-deployment", "kof-mothership", _GRAFANA),
            Workload("Deployment", "vminsert-cluster", "kof-mothership", _CLUSTER),
            Workload("StatefulSet", "vmselect-cluster", "kof-mothership", _CLUSTER),
            Workload("StatefulSet", "vmstorage-cluster", "kof-mothership", _CLUSTER),
            Workload("Deployment", "vmalert-cluster", "kof-mothership", (_METRICS, _ALERTS)),
            Workload("StatefulSet", "vmalertmanager-cluster", "kof-mothership", (_METRICS, _ALERTS)),
            Workload("Deployment", "capi-visualizer", "kof-mothership", (("cluster-api-visualizer", "enabled"),)),
            Workload("Deployment", "dashboard", "kof-mothership", (("sveltos-dashboard", "enabled"),)),
        ),
        "regional": (
            Workload("Deployment", "ingress-nginx-controller", "ingress-nginx"),
            *_CERT_MANAGER,
            Workload("Deployment", "kof-storage-grafana-operator", "kof-storage", _GRAFANA),
            Workload("Deployment", "grafana-vm-deployment", "kof-storage", _GRAFANA),
            Workload(
                "Deployment",
                "kof-storage-victoria-metrics-operator",
                "kof-storage",
                (("victoria-metrics-operator", "enabled"),),
            ),
            Workload("Deployment", "vminsert-cluster", "kof-storage", _CLUSTER),
            Workload("StatefulSet", "vmselect-cluster", "kof-storage", _CLUSTER),
            Workload("StatefulSet", "vmstorage-cluster", "kof-storage", _CLUSTER),
            Workload("Deployment", "vmalert-cluster", "kof-storage", (_METRICS, _ALERTS)),
            Workload(
                "Deployment", "vmauth-cluster", "kof-storage", (_METRICS, ("victoriametrics", "vmauth", "enabled"))
            ),
            Workload(
                "StatefulSet",
                "kof-storage-victoria-logs-single-server",
                "kof-storage",
                (("victoria-logs-single", "enabled"),),
            ),
            Workload("Deployment", "kof-storage-external-dns", "kof-storage", (("external-dns", "enabled"),)),
        ),
        "child": (
            *_CERT_MANAGER,
            Workload(
                "Deployment",
                "kof-operators-opentelemetry-operator",
                "kof-operators",
                (("opentelemetry-operator", "enabled"),),
            ),
            *(
                Workload(kind, f"kof-collectors-{name}", "kof-collectors", ((switch, "enabled"),))
                for kind, name, switch in (
                    ("OpenTelemetryCollector", "node-exporter", "collectors"),
                    ("DaemonSet", "node-exporter-collector", "collectors"),
                    ("Deployment", "node-exporter-targetallocator", "collectors"),
                    ("OpenTelemetryCollector", "k8s-cluster", "collectors"),
                    ("Deployment", "k8s-cluster-collector", "collectors"),
                    ("Deployment", "kube-state-metrics", "kube-state-metrics"),
                    ("DaemonSet", "prometheus-node-exporter", "prometheus-node-exporter"),
                    ("Deployment", "opencost", "opencost"),
                )
            ),
        ),
    },
    secrets={"storage-vmuser-credentials": ("username", "password"), _ADMINISTRATOR: _ADMINISTRATOR_KEYS},
    entrances=(
        Entrance("Grafana", "grafana-vm-service", 3000, _ADMINISTRATOR, _ADMINISTRATOR_KEYS, ("grafana", "enabled")),
        Entrance("promxy", "kof-mothership-promxy", 8082, "", (), ("promxy", "enabled")),
        Entrance("VictoriaMetrics", "vmselect-cluster", 8481, "", (), _METRICS, path="/select/0/vmui"),
        Entrance("Sveltos", "dashboard", 80, "", (), ("sveltos-dashboard", "enabled"), local=8081, path="/login"),
        Entrance("Cluster API", "capi-visualizer", 8081, "", (), ("cluster-api-visualizer", "enabled"), local=8083),
    ),
    regional_entrances=(
        Entrance("Grafana", "grafana-vm-service", 3000, _ADMINISTRATOR, _ADMINISTRATOR_KEYS, ("grafana", "enabled")),
        Entrance("VictoriaMetrics", "vmselect-cluster", 8481, "", (), _METRICS, path="/select/0/vmui"),
        Entrance(
            "VictoriaLogs",
            "kof-storage-victoria-logs-single-server",
            9428,
            "",
            (),
            ("victoria-logs-single", "enabled"),
            path="/select/vmui",
        ),
    ),
    # charts/kof-mothership/files/dashboards
    dashboards=(
        Dashboard("Kubernetes / Views / Global", (_OF_NODES, ("job", "node_cpu_seconds_total", "job"))),
        Dashboard("Kubernetes / Views / Namespaces", (_OF_NODES, ("namespace", "kube_pod_info", "namespace"))),
        Dashboard("Kubernetes / Views / Nodes", (_OF_NODES, ("node", "kube_node_info", "node"))),
        Dashboard("Kubernetes / Views / Pods", (_OF_NODES, ("pod", "kube_pod_info", "pod"))),
        Dashboard("Node Exporter Full", (("cluster", "node_uname_info", "clusterName"),)),
        *(
            Dashboard(
                f"OpenCost / Cost reporter / {name}", (("namespace", "kube_namespace_labels", "namespace"),), True
            )
            for name in ("Basic overview", "Detailed overview")
        ),
    ),
    alerts=Alerts(
        api_version="operator.victoriametrics.com/v1beta1",
        alertmanager="cluster",
        config=("victoriametrics", "vmalert", "vmalertmanager", "config"),
        switches=(_METRICS, _ALERTS, ("promxy", "enabled"), ("victoria-metrics-operator", "enabled")),
        cluster_label="clusterName",
        region_label="promxyCluster",
    ),
)
