# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Helm releases of the management cluster: kof-operators and kof-mothership, with their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.service_values import merged
from ansible_collections.k0rdent.kof.plugins.module_utils.model import Mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.releases import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import with_defaults

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


def releases(mothership: Mothership, release: Release) -> list[dict[str, Any]]:
    """What to install, in this order: name, namespace, chart_ref, chart_version, values, timeout (seconds),
    skip_schema_validation, needed_objects.

    Release names are the guide's: the charts derive names from them which others refer to.
    """
    values = {
        "kof-operators": operators_values(mothership, release),
        "kof-mothership": mothership_values(mothership, release),
    }
    return [
        {
            "name": chart,
            "namespace": mothership.namespace,
            "chart_ref": f"{mothership.chart_repository}/{chart}",
            "chart_version": version,
            "values": values[chart],
            "timeout": mothership.helm_timeout,
            "skip_schema_validation": chart in release.invalid_schemas,
            "needed_objects": list(release.needed_objects.get(chart, ())),
        }
        for chart, version in release.chart_versions.items()
    ]


def settings(mothership: Mothership, release: Release, variables: Mapping[str, Any]) -> dict[str, Any]:
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
        "wait": values["kof_wait"],
        "wait_timeout": values["kof_wait_timeout"],
    }


def operators_values(mothership: Mothership, release: Release) -> dict[str, Any]:
    """Values of kof-operators: nothing but the user's."""
    return dict(mothership.operators_values)


def mothership_values(mothership: Mothership, release: Release) -> dict[str, Any]:
    """Values of kof-mothership: what differs from the chart's, and the user's merged over it.

    Helm merges maps, so the chart's own ClusterProfile stays beside ours.
    """
    kof: dict[str, Any] = {}
    if mothership.chart_repository != DEFAULT_REPOSITORY or mothership.chart_repository_plain_http:
        kof["repo"] = {"url": mothership.chart_repository, "insecure": mothership.chart_repository_plain_http}
    if mothership.dns_secret:
        kof["clusterProfiles"] = {
            release.dns_profile: {"matchLabels": {release.dns_secrets_label: "true"}, "secrets": [release.dns_secret]}
        }
    kcm: dict[str, Any] = {"installTemplates": mothership.install_templates}
    if mothership.kcm_namespace != DEFAULT_KCM_NAMESPACE:
        kcm["namespace"] = mothership.kcm_namespace
    if kof:
        kcm["kof"] = kof
    values: dict[str, Any] = {"kcm": kcm, "promxy": {"image": {"tag": mothership.promxy_image_tag}}}
    if mothership.storage_class:
        values["global"] = {"storageClass": mothership.storage_class}
    if mothership.retention:
        values["victoriametrics"] = {"vmcluster": {"retentionPeriod": mothership.retention}}
    return merged(values, mothership.values)


def expected_deployments(mothership: Mothership, release: Release) -> list[str]:
    """Deployments that must work after both charts are installed, without those the values switch off."""
    values = {each["name"]: each["values"] for each in releases(mothership, release)}
    return [each.name for each in release.mothership_deployments if _switched_on(values[each.chart], each.switch)]


def entrances(mothership: Mothership, release: Release) -> list[str]:
    """One line for each thing that people open: how to reach it, and in which Secret its login is (never the login)."""
    values, namespace_of_kof = mothership_values(mothership, release), mothership.namespace
    lines = []
    for each in release.entrances:
        if not _switched_on(values, each.switch):
            continue
        line = (
            f"{each.name}: kubectl port-forward -n {namespace_of_kof} svc/{each.service} {each.port}:{each.port}, "
            f"then http://127.0.0.1:{each.port}"
        )
        if each.secret:
            line += f"; login: Secret {namespace_of_kof}/{each.secret}, keys {' and '.join(each.keys)}"
        lines.append(line)
    there = f"Secret {namespace_of_kof}/{release.grafana_secret} on that cluster"
    return [*lines, f"each region: https://grafana.<regional_domain>; login: {there}"]


def _switched_on(values: Any, switch: tuple[str, ...]) -> bool:
    for key in switch:
        if not isinstance(values, dict) or key not in values:
            return True
        values = values[key]
    return values is not False
