# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values the charts of line 0.1 read. Data only.

Source: every `.Values` in the templates of the charts at tag 0.1.1, in the rules and dashboards that they run as
templates (`files/`), and what their subcharts read of `global`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Setting, Values

_LOGS_VOLUME = "victoria-logs-single.server.persistentVolume"
_NAMES_NO_CLUSTER = "no metric gets its name from there"

#: Of VictoriaMetrics' charts.
_GLOBAL = ("cluster", "compatibility", "fullnameOverride", "image", "imagePullSecrets", "license")


def _paths(text: str, *more: str) -> frozenset[str]:
    """One a line: `a.b c d` for a.b.c and a.b.d, `a` alone for itself."""
    made = set(more)
    for line in filter(None, map(str.strip, text.splitlines())):
        first, *rest = line.split()
        made.update(f"{first}.{each}" for each in rest) if rest else made.add(first)
    return frozenset(made)


_VICTORIA_METRICS = """
    victoriametrics enabled
    victoriametrics.vmcluster enabled replicationFactor replicaCount retentionPeriod
    victoriametrics.vmcluster.vmselect.storage size
    victoriametrics.vmcluster.vmstorage.storage size
    victoriametrics.vmalert enabled remoteRead
    victoria-metrics-operator
"""
_GRAFANA = """
    defaultDashboards defaultTimezone
    defaultRules
    global clusterLabel random_username_length random_password_length storageClass
    grafana enabled
    grafana.alerts enabled
    grafana.security credentials_secret_name create_secret
    grafana-operator
"""

VALUES: Mapping[str, Values] = {
    "kof-operators": Values(_paths("opentelemetry-operator\nprometheus-operator-crds")),
    "kof-mothership": Values(
        _paths(
            _VICTORIA_METRICS
            + _GRAFANA
            + """
            cluster-api-visualizer
            sveltos-dashboard
            grafana logSources version
            grafana.ingress host
            grafana.storage size
            kcm installTemplates namespace
            kcm.kof charts clusterProfiles
            kcm.kof.repo name type url insecure
            sveltos serviceMonitors grafanaDashboard
            victoriametrics.vmalert.vmalertmanager config
            promxy enabled replicaCount resources secret affinity annotations deployment env extraArgs extraLabels
            promxy fullnameOverride nameOverride imagePullSecrets nodeSelector podAnnotations tolerations
            promxy.configmapReload resources
            promxy.image repository tag pullPolicy
            promxy.operator affinity annotations deployment extraLabels imagePullSecrets nodeSelector tolerations
            promxy.operator replicaCount resources
            promxy.operator.image repository tag pullPolicy
            promxy.operator.rbac create
            promxy.service enabled type servicePort annotations clusterIP externalIPs loadBalancerIP
            promxy.service loadBalancerSourceRanges
            promxy.serviceAccount create annotations name
            """,
            *(f"global.{key}" for key in _GLOBAL),
        ),
        ignored={
            "global.clusterName": (_NAMES_NO_CLUSTER, ""),
            "grafana.ingress.enabled": ("Grafana gets an Ingress all the same, of grafana.ingress.host", ""),
            "kcm.serviceMonitor": ("the ServiceMonitor comes all the same, and false empties its dashboard", ""),
            "promxy.config": ("promxy's operator writes the configuration, with an address of its own", ""),
            "promxy.ingress": (
                "its Ingress names the Service kof-mothership, which there is not",
                "an Ingress of your own of Service kof-mothership-promxy, or promxy.service.type",
            ),
            "promxy.service.extraLabels": ("the Service takes others", "promxy.extraLabels"),
        },
    ),
    "kof-storage": Values(
        _paths(
            _VICTORIA_METRICS
            + _GRAFANA
            + """
            external-dns
            global lint victoriaLogs
            grafana datasources
            grafana.autoinstrumentation enabled
            grafana.ingress enabled host
            promxy enabled
            victoria-logs-single
            victoriametrics.vmauth enabled
            victoriametrics.vmauth.credentials username_key password_key credentials_secret_name
            victoriametrics.vmauth.ingress host
            """,
            "cert-manager.enabled",
            # So it is in charts/kof-storage/templates/cert-manager/clusterissuer.yaml.
            "cert-manager.email ",
            *(f"global.{key}" for key in _GLOBAL),
        ),
        ignored={
            "cert-manager.email": (
                "its template reads a key with a blank at the end",
                'cert-manager: {"email ": …}, or regional_cluster_issuer',
            ),
            "global.clusterName": (_NAMES_NO_CLUSTER, ""),
            "victoria-logs-single.fluent-bit": ("the subchart has none of it", "victoria-logs-single.vector"),
            "victoria-logs-single.server.storage": (
                "the subchart's volume is said elsewhere, and without one logs are on an emptyDir",
                f"{_LOGS_VOLUME}, or regional_logs_storage_size and regional_storage_class",
            ),
            "victoriametrics.security": (
                "vmauth's login is said elsewhere",
                "victoriametrics.vmauth.credentials, or regional_vmuser_secret",
            ),
            "victoriametrics.vmagent": ("no template makes one", ""),
        },
    ),
    "kof-collectors": Values(
        _paths("""
            collectors enabled
            global clusterLabel clusterName imagePullSecrets imageRegistry lint
            kof.instrumentation enabled resources
            kof.logs endpoint credentials_secret_name username_key password_key
            kof.metrics endpoint credentials_secret_name username_key password_key
            kube-state-metrics
            opencost
            prometheus-node-exporter
        """)
    ),
    # Charts that have the project's own as their one subchart.
    **{name: Values(_paths(f"{name}\nglobal")) for name in ("cert-manager", "ingress-nginx")},
}


def _resources(cpu: object, memory: str) -> dict[str, dict[str, object]]:
    return {part: {"cpu": cpu, "memory": memory} for part in ("requests", "limits")}


_CLUSTER = ("victoriametrics", "vmcluster")

OPTIONS: Mapping[str, Setting] = {
    "mothership_promxy_resources": Setting("kof-mothership", ("promxy", "resources"), _resources("100m", "128Mi")),
    "mothership_promxy_reload_resources": Setting(
        "kof-mothership", ("promxy", "configmapReload", "resources"), _resources(0.02, "20Mi")
    ),
    "mothership_promxy_operator_resources": Setting(
        "kof-mothership", ("promxy", "operator", "resources"), _resources("100m", "64Mi")
    ),
    "mothership_promxy_replicas": Setting("kof-mothership", ("promxy", "replicaCount"), 1),
    "mothership_grafana_storage_size": Setting(
        "kof-mothership", ("grafana", "storage", "size"), "200Mi", syntax.storage_size
    ),
    **{
        f"{role}_{name}": Setting(chart, (*_CLUSTER, *path), default, check)
        for role, chart, replicas, factor in (("mothership", "kof-mothership", 1, 1), ("regional", "kof-storage", 3, 2))
        for name, path, default, check in (
            ("retention", ("retentionPeriod",), None, None),
            ("metrics_storage_size", ("vmstorage", "storage", "size"), "10Gi", syntax.storage_size),
            ("metrics_cache_size", ("vmselect", "storage", "size"), "2Gi", syntax.storage_size),
            ("metrics_replicas", ("replicaCount",), replicas, None),
            ("metrics_replication_factor", ("replicationFactor",), factor, None),
        )
    },
    "regional_logs_retention": Setting(
        "kof-storage", ("victoria-logs-single", "server", "retentionPeriod"), None, syntax.retention
    ),
    "child_instrumentation_resources": Setting(
        "kof-collectors",
        ("kof", "instrumentation", "resources"),
        {part: {"memory": "128Mi"} for part in ("requests", "limits")},
    ),
}
