# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the charts of line 0.1 are told of a mirror of their images, and which of them can't be. Data only.

Sources: every `image` and `imagePullSecrets` in the templates of the charts at tag 0.1.1 and of the subcharts that are
locked there; the operators of VictoriaMetrics v0.48.4 and v0.51.3 (VM_CONTAINERREGISTRY goes before what they run) and
of Grafana v5.13.0 and v5.15.1 (where the chart says Grafana's version, its image is written in).
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Images

#: Of VictoriaMetrics' charts: their own image and that of the Job which cleans up; and what the operator runs.
_VICTORIA_METRICS = "global.image.registry"
_OF_ITS_OPERATOR = {"victoria-metrics-operator.env": ("VM_CONTAINERREGISTRY", "")}
_SECRETS = "imagePullSecrets"
_GRAFANA_OPERATOR = {"grafana-operator.image.repository": "grafana/grafana-operator"}
_GRAFANA = ("docker.io/grafana/grafana:10.4.7",)
#: The objects that stand for them have no pull secrets in the charts.
_OF_OPERATORS = ("Grafana", "VictoriaMetrics")


def cert_manager(section: str) -> Images:
    """The project's own chart; section: below which its values are, with a dot."""
    others = ("acmesolver", "cainjector", "startupapicheck", "webhook")
    parts = {"": "controller", **{f"{name}.": name for name in others}}
    return Images(
        repositories={f"{section}{at}image.repository": f"jetstack/cert-manager-{name}" for at, name in parts.items()},
        secrets=(f"{section}global.{_SECRETS}",),
    )


IMAGES: Mapping[str, Images] = {
    "kof-operators": Images(
        repositories={
            f"opentelemetry-operator.{path}.repository": image
            for path, image in (
                ("manager.image", "open-telemetry/opentelemetry-operator/opentelemetry-operator"),
                ("manager.collectorImage", "otel/opentelemetry-collector-contrib"),
                ("kubeRBACProxy.image", "brancz/kube-rbac-proxy"),
            )
        },
        secrets=(f"opentelemetry-operator.{_SECRETS}",),
    ),
    "kof-mothership": Images(
        registries=(_VICTORIA_METRICS,),
        repositories={
            "promxy.image.repository": "jacksontj/promxy",
            "promxy.operator.image.repository": "k0rdent/kof/promxy-operator-controller",
            # Its chart puts the image's name behind.
            "cluster-api-visualizer.image.repository": "jont828",
            "sveltos-dashboard.dashboard.dashboard.image.repository": "projectsveltos/dashboard",
            "sveltos-dashboard.uiBackendManager.manager.image.repository": "projectsveltos/ui-backend",
            **_GRAFANA_OPERATOR,
        },
        variables=_OF_ITS_OPERATOR,
        secrets=tuple(
            f"{of}.{_SECRETS}" for of in ("promxy", "promxy.operator", "grafana-operator", "victoria-metrics-operator")
        ),
        fixed=("jimmidyson/configmap-reload:v0.5.0", *_GRAFANA),
        without_secrets=(*_OF_OPERATORS, "the Sveltos dashboard", "cluster-api-visualizer"),
    ),
    "kof-storage": Images(
        registries=(_VICTORIA_METRICS,),
        repositories={**_GRAFANA_OPERATOR, "external-dns.image.repository": "external-dns/external-dns"},
        variables=_OF_ITS_OPERATOR,
        secrets=tuple(
            f"{of}.{_SECRETS}"
            for of in ("external-dns", "grafana-operator", "victoria-logs-single.server", "victoria-metrics-operator")
        ),
        fixed=_GRAFANA,
        without_secrets=_OF_OPERATORS,
    ),
    "kof-collectors": Images(
        registries=(
            "global.imageRegistry",
            "opencost.opencost.exporter.image.registry",
            "opencost.opencost.ui.image.registry",
        ),
        secrets=(f"global.{_SECRETS}", f"opencost.{_SECRETS}"),
        fixed=(
            "ghcr.io/open-telemetry/opentelemetry-operator/target-allocator:main",
            "ghcr.io/open-telemetry/opentelemetry-go-instrumentation/autoinstrumentation-go:v0.19.0-alpha",
        ),
        without_secrets=("the collectors",),
    ),
    "ingress-nginx": Images(
        registries=tuple(f"ingress-nginx.controller.{path}image.registry" for path in ("", "admissionWebhooks.patch.")),
        secrets=(f"ingress-nginx.{_SECRETS}",),
    ),
    "cert-manager": cert_manager("cert-manager."),
}
