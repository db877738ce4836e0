# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Line 0.0 of kof: its four charts 0.1.0 of 2025-01-28, published in an HTTP repository until 2025-02-06, and their
ServiceTemplates without versions.

What differs from 0.1.1, data only. Sources: kof at commit 121b61f5 (no tag exists), the templates of kcm v0.0.7.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.images_0_1 import cert_manager
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import NamedClasses, Values

_CHARTS = "0.1.0"
#: What the chart 0.1.0 of line 0.1 brings; here it is the operator that makes that Secret.
_FOREIGN = ("ServiceTemplate/kof-storage-0-1-0", f"Secret/{KOF_0_1_1.promxy.secret}")
#: A mirror of that line's registry would take these away.
_NEEDED = tuple(f"ServiceTemplate/{name}" for name in ("kof-storage", "kof-collectors", "kof-operators"))
_WRITTEN_IN = "its charts have it written in"
#: Of VictoriaMetrics, in both charts that have one.
_SIZES = tuple(f"victoriametrics.vmcluster.{key}" for key in ("retentionPeriod", "vmselect", "vmstorage"))
#: By chart, what it can be told only from 0.1 on, but does by itself.
_HARD_CODED = {
    chart: dict.fromkeys(paths, (_WRITTEN_IN, ""))
    for chart, paths in {
        "kof-mothership": (*_SIZES, "grafana.storage", "promxy.configmapReload"),
        "kof-storage": _SIZES,
        "kof-collectors": ("kof.instrumentation.resources",),
    }.items()
}
_LATER = frozenset(
    path
    for known in KOF_0_1_1.values.values()
    for path in known.read
    if path.startswith(
        (
            *(each for paths in _HARD_CODED.values() for each in paths),
            "grafana.version",
            "sveltos.",
            "victoriametrics.vmalert.vmalertmanager",
        )
    )
)
#: Here the charts leave the version of Grafana to its operator, which takes the image from its environment; another
#: fetches the plugins.
_GRAFANA = {"grafana-operator.env": ("RELATED_IMAGE_GRAFANA", "grafana/grafana:10.4.3")}
_FETCHES_PLUGINS = "docker.io/curlimages/curl:latest"
_UNHEARD = "its charts bring no Alertmanager, and its vmalert tells one that isn't there"

# ingress-nginx-4-11-3 comes with k0rdent 0.0.7, not with kof-mothership.
_TEMPLATES = ("cert-manager", "kof-collectors", "kof-operators", "kof-storage")

KOF_0_0 = replace(
    KOF_0_1_1,
    version="0.0.x",
    charts={
        "kof-operators": replace(KOF_0_1_1.charts["kof-operators"], version=_CHARTS),
        "kof-mothership": replace(
            KOF_0_1_1.charts["kof-mothership"],
            version=_CHARTS,
            values={
                # Without a version each installs the newest chart there is, of any line.
                "kcm": {
                    "kof": {"charts": {name: {"version": _CHARTS} for name in ("operators", "collectors", "storage")}}
                },
                # Two examples that point nowhere, of a template that no Grafana operator takes: the datasources are
                # ours.
                "grafana": {"logSources": []},
            },
            needed_objects=(*KOF_0_1_1.charts["kof-mothership"].needed_objects, *_NEEDED),
            foreign_objects=_FOREIGN,
        ),
    },
    needs=replace(
        KOF_0_1_1.needs,
        # It has no ingress-nginx-4-11-3 that kof-mothership would not bring, and its way to ServiceTemplates is another
        # (kof pull request 57).
        k0rdent_below="0.1.0",
        unlabelled=("adopted-cluster", "azure-aks", "openstack-standalone-cp"),
        internet="its plugins at each start (api.github.com, which counts calls by address, and github.com)",
        operators={
            "opentelemetry-operator": ("0.75", "0.75.1", "kof-operators 0.1.0"),
            "victoria-metrics-operator": ("0.40", "0.40.5", "kof-storage 0.1.0"),
        },
    ),
    cluster_template_version="0-0-5",
    promxy=replace(KOF_0_1_1.promxy, needs_regions=True, escapes=True),
    services={
        layer: tuple(replace(each, template=each.name) if each.name in _TEMPLATES else each for each in services)
        for layer, services in KOF_0_1_1.services.items()
    },
    # The ServiceTemplate is of jetstack's chart itself, which later releases wrap.
    cert_manager_values={"crds": {"enabled": True}},
    service_templates=_TEMPLATES,
    # A setting of which the chart's value isn't among these is refused.
    values={
        # The ServiceTemplate of cert-manager is of the project's own chart.
        name: Values(known.read - _LATER, {**known.ignored, **_HARD_CODED.get(name, {})})
        for name, known in KOF_0_1_1.values.items()
        if name != "cert-manager"
    },
    images={
        **KOF_0_1_1.images,
        **{
            chart: replace(
                known,
                variables={**known.variables, **_GRAFANA},
                fixed=(_FETCHES_PLUGINS, *(each for each in known.fixed if "/grafana:" not in each)),
            )
            for chart, known in KOF_0_1_1.images.items()
            if "grafana-operator.image.repository" in known.repositories
        },
        "cert-manager": cert_manager(""),
    },
    refused=dict.fromkeys(
        (
            "mothership_alertmanager_config",
            "mothership_alert_rules",
            *(f"{layer}_{what}" for layer in ("regional", "child") for what in ("alert_rules", "maintenance_until")),
        ),
        _UNHEARD,
    ),
    alerts=None,
    elsewhere={
        "oci://ghcr.io/k0rdent/kof/charts": "has other charts under the version 0.1.0, those of line 0.1",
        "https://k0rdent.github.io/kof": "was deleted on 2025-02-06",
    },
    classes=NamedClasses("standard", "ebs-csi-default-sc", ("aws-standalone-cp", "aws-hosted-cp")),
    workloads={
        layer: tuple(
            replace(each, switches=(("cainjector", "enabled"),)) if each.name == "cert-manager-cainjector" else each
            for each in workloads
            if (layer, each.name) != ("mothership", "vmalertmanager-cluster")
        )
        for layer, workloads in KOF_0_1_1.workloads.items()
    },
    deployments=tuple(each for each in KOF_0_1_1.deployments if each.name != KOF_0_1_1.promxy.deployment),
)
