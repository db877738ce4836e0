# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm releases of the management cluster: kof-operators and kof-mothership, with their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import with_maintenance
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import services_repository
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Chart, Direct, Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.image_values import with_images
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.service_values import with_settings
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import with_defaults
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import merged
from ansible_collections.k0rdent.kof.plugins.module_utils.text.yaml_text import dump

#: The chart's own values: what equals them isn't written.
DEFAULT_REPOSITORY = "oci://ghcr.io/k0rdent/kof/charts"
DEFAULT_KCM_NAMESPACE = "kcm-system"
#: kubernetes.core's connection options; ours are named kof_*.
CONNECTION = (
    "kubeconfig",
    "context",
    "host",
    "api_key",
    "username",
    "password",
    "client_cert",
    "client_key",
    "ca_cert",
    "validate_certs",
    "proxy",
    "no_proxy",
    "impersonate_user",
    "impersonate_groups",
)
#: Arguments of the module helm_release, and our variables for them.
HELM_ARGUMENTS = {
    "binary_path": "kof_helm_binary",
    "registry_username": "kof_chart_repository_username",
    "registry_password": "kof_chart_repository_password",
    "registry_ca_file": "kof_chart_repository_ca_file",
    "plain_http": "kof_chart_repository_plain_http",
}


def releases(mothership: Mothership, release: Direct) -> list[dict[str, Any]]:
    """What to install, in this order: name, namespace, chart_ref, chart_version, values, timeout (seconds),
    skip_schema_validation, needed_objects; foreign_objects, growing_values and fixed_values where there are some, and
    chart_repo_url for charts of an HTTP repository.

    Release names are the guide's: the charts derive names from them which others refer to.
    """
    values = {
        "kof-operators": merged(with_images({}, "kof-operators", mothership, release), mothership.operators_values),
        "kof-mothership": mothership_values(mothership, release),
    }
    return [helm_release(mothership, name, chart, values[name]) for name, chart in release.charts.items()]


def helm_release(mothership: Mothership, name: str, chart: Chart, values: Mapping[str, Any]) -> dict[str, Any]:
    """One of `releases`."""
    repository = mothership.chart_repository.rstrip("/")
    by_http = repository.startswith(("https://", "http://"))
    return {
        "name": name,
        "namespace": mothership.namespace,
        "chart_ref": name if by_http else f"{repository}/{name}",
        **({"chart_repo_url": repository} if by_http else {}),
        "chart_version": chart.version,
        "values": values,
        "timeout": mothership.helm_timeout,
        "skip_schema_validation": chart.invalid_schema,
        "needed_objects": list(chart.needed_objects),
        **({"foreign_objects": list(chart.foreign_objects)} if chart.foreign_objects else {}),
        **_of_volumes(chart),
    }


def _of_volumes(chart: Chart) -> dict[str, Any]:
    """What no volume can follow, as helm_release takes it."""
    grows = {".".join(path): default for path, default in chart.growing_values.items()}
    fixed = [".".join(path) for path in chart.fixed_values]
    return {**({"growing_values": grows} if grows else {}), **({"fixed_values": fixed} if fixed else {})}


def unguarded(release: Mapping[str, Any]) -> dict[str, Any]:
    """One of `releases` to which dangerous changes may be made."""
    return {name: each for name, each in release.items() if name not in ("growing_values", "fixed_values")} | {
        "needed_objects": []
    }


def settings(mothership: Mothership, release: Direct, variables: Mapping[str, Any]) -> dict[str, Any]:
    """All that the tasks of role mothership need; what isn't set is absent from `connection` and `helm`.

    :param variables: the host's plain variables, for those which are no matter of the charts.
    """
    values = with_defaults("mothership", variables)
    return {
        "namespace": mothership.namespace,
        "namespace_object": namespace(mothership.namespace, mothership.fleet),
        "kcm_namespace": mothership.kcm_namespace,
        "fleet": mothership.fleet,
        "connection": {name: values[f"kof_{name}"] for name in CONNECTION if f"kof_{name}" in values},
        "helm": {argument: values[name] for argument, name in HELM_ARGUMENTS.items() if name in values},
        "releases": releases(mothership, release),
        "deployments": expected_deployments(mothership, release),
        "entrances": entrances(mothership, release),
        "after_charts": mothership.dashboards is not None
        or (
            release.alerts is not None
            and (mothership.alertmanager_config is not None or mothership.alert_rules is not None)
        ),
        "wait": values["kof_wait"],
        "wait_timeout": values["kof_wait_timeout"],
    }


def mothership_values(mothership: Mothership, release: Direct) -> dict[str, Any]:
    """Values of kof-mothership: what differs from the chart's, and the user's merged over it.

    Helm merges maps, so the chart's own ClusterProfile stays beside ours.
    """
    kof: dict[str, Any] = {}
    repository, plain_http = mothership.chart_repository, mothership.chart_repository_plain_http
    chart = release.charts["kof-mothership"]
    if release.elsewhere or repository != DEFAULT_REPOSITORY or plain_http:
        kof["repo"] = {"url": repository, "insecure": plain_http}
    if release.elsewhere:
        # The chart's own address is dead; and what is a folder here, the cluster has to have elsewhere.
        address = services_repository(mothership.values) or repository
        kof["repo"] |= {"url": address, "type": "oci" if address.startswith("oci://") else "default"}
    if mothership.dns_secret:
        kof["clusterProfiles"] = {
            release.dns.copier: {"matchLabels": {release.dns.label: "true"}, "secrets": [release.dns.secret]}
        }
    kcm: dict[str, Any] = {"installTemplates": mothership.install_templates}
    if mothership.kcm_namespace != DEFAULT_KCM_NAMESPACE:
        kcm["namespace"] = mothership.kcm_namespace
    if kof:
        kcm["kof"] = kof
    values: dict[str, Any] = {"kcm": kcm, "promxy": {"image": {"tag": mothership.promxy_image_tag}}}
    if mothership.storage_class:
        values["global"] = {"storageClass": mothership.storage_class}
    values = with_settings(values, "kof-mothership", mothership, release)
    values = with_images(values, "kof-mothership", mothership, release)
    if mothership.alertmanager_config is not None and release.alerts is not None:
        alerts: Any = dump(with_maintenance(mothership.alertmanager_config, release.alerts.cluster_label))
        for key in reversed(release.alerts.config):
            alerts = {key: alerts}
        values = merged(values, alerts)
    return merged(merged(values, chart.values), mothership.values)


def expected_deployments(mothership: Mothership, release: Direct) -> list[str]:
    """Deployments that must work after both charts are installed, without those the values switch off."""
    return working(release, {each["name"]: each["values"] for each in releases(mothership, release)})


def working(release: Release, values: Mapping[str, Any]) -> list[str]:
    """The Deployments of a release of any line that its charts' values leave on; values: by chart."""
    return [each.name for each in release.deployments if switched_on(values[each.chart], each.switch)]


def entrances(mothership: Mothership, release: Direct) -> list[str]:
    """One line for each thing that people open: how to reach it, and in which Secret its login is (never the login)."""
    values, namespace_of_kof = mothership_values(mothership, release), mothership.namespace
    lines = []
    for each in release.entrances:
        if not switched_on(values, each.switch):
            continue
        line = (
            f"{each.name}: kubectl port-forward -n {namespace_of_kof} svc/{each.service} {each.local}:{each.port}, "
            f"then http://127.0.0.1:{each.local}{each.path}"
        )
        if each.secret:
            line += f"; login: Secret {namespace_of_kof}/{each.secret}, keys {' and '.join(each.keys)}"
        lines.append(line)
    there = f"Secret {namespace_of_kof}/{release.grafana.secret} on that cluster"
    return [*lines, f"each region: https://grafana.<regional_domain>; login: {there}"]


def switched_on(values: Any, switch: tuple[str, ...]) -> bool:
    """Whether nothing at this path of values is false."""
    for key in switch:
        if not isinstance(values, dict) or key not in values:
            return True
        values = values[key]
    return values is not False
