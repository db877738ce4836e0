# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style "direct": services, PromxyServerGroup and GrafanaDatasource are written by us. Lines 0.0 and 0.1."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import Readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, external_dns, operators, strangers
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    Given,
    Goes,
    Inside,
    Installed,
    Kind,
    Part,
    Signs,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import promxy
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    alerts,
    cluster_deployment,
    grafana_dashboard,
    grafana_datasource,
    namespace,
    promxy_server_group,
    service_values,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import (
    expected_deployments,
    releases,
    switched_on,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Child, Mothership, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import (
    GRAFANA_DATASOURCE,
    PROMXY_SERVER_GROUP,
)


def mothership(cluster: Mothership, given: Given[Direct]) -> tuple[Part, ...]:
    """kof's namespace, kof-operators and kof-mothership, and what they bring there and in kcm's namespace."""
    release, home = given.release, cluster.namespace
    wanted = namespace.namespace(home, cluster.fleet)
    deployments = (Ref("apps/v1", "Deployment", home, name) for name in sorted(expected_deployments(cluster, release)))
    secrets = ((Ref("v1", "Secret", home, name), keys) for name, keys in release.secrets.items())
    templates = (
        Ref(given.kcm_api, "ServiceTemplate", cluster.kcm_namespace, name) for name in release.service_templates
    )
    return (
        Part(Ref("v1", "Namespace", None, home), manifest=lambda: wanted, needed=True),
        *(
            Part(Installed(each["namespace"], each["name"]), manifest=functools.partial(dict, each))
            for each in releases(cluster, release)
        ),
        Part(Kind(release.promxy.api_version, PROMXY_SERVER_GROUP), needed=True),
        Part(Kind(release.grafana.api_version, GRAFANA_DATASOURCE), needed=True),
        Part(Kind(release.grafana.api_version, grafana_dashboard.KIND), needed=True),
        *(Part(ref, target=functools.partial(awaited.deployment, ref)) for ref in deployments),
        *(Part(ref, target=functools.partial(awaited.secret, ref, keys)) for ref, keys in secrets),
        *(
            Part(
                ref,
                target=functools.partial(awaited.service_template, ref) if cluster.install_templates else None,
                needed=True,
            )
            for ref in templates
        ),
        *_dashboards(cluster, release),
        *_alerting(cluster, release),
    )


def _alerting(cluster: Mothership, release: Direct) -> Iterator[Part]:
    """What of alerts stands on the charts."""
    if release.alerts is None or not all(switched_on(cluster.values, each) for each in release.alerts.switches):
        return
    for kind in (alerts.VMRULE, alerts.VMALERTMANAGER):
        yield Part(Kind(release.alerts.api_version, kind), needed=True)
    if cluster.alertmanager_config is not None:
        ref = alerts.alertmanager_ref(cluster, release.alerts)
        yield Part(ref, manifest=lambda: alerts.alertmanager(cluster, ref))
    yield from _rules(cluster, release)


def _rules(cluster: Mothership | Regional | Child, release: Direct) -> Iterator[Part]:
    """The rules about a cluster, and its maintenance."""
    of_line = release.alerts
    if of_line is None or not alerts.wanted(cluster):
        return
    ref = alerts.rules_ref(cluster, of_line, release.mothership_cluster_name)
    yield Part(
        ref,
        manifest=lambda: alerts.rules(cluster, of_line, ref),
        target=functools.partial(awaited.vm_rule, ref),
        goes=Goes.STAYS if isinstance(cluster, Mothership) else Goes.DELETED,
    )


def _dashboards(cluster: Mothership | Regional, release: Direct) -> Iterator[Part]:
    """The user's own, in Grafana of the management cluster."""
    owner = grafana_dashboard.owner_of(cluster, release)
    for each in cluster.dashboards or ():
        name = grafana_dashboard.name_of(owner, each)
        ref = Ref(release.grafana.api_version, grafana_dashboard.KIND, cluster.namespace, name)
        yield Part(
            ref,
            manifest=functools.partial(grafana_dashboard.grafana_dashboard, cluster, release, each),
            target=functools.partial(awaited.grafana_dashboard, ref),
            goes=Goes.DELETED if isinstance(cluster, Regional) else Goes.STAYS,
        )


def regional(cluster: Regional, given: Given[Direct]) -> tuple[Part, ...]:
    """The cluster with its services, and where promxy and Grafana of the management cluster read from it."""
    release, name = given.release, cluster.cluster_name
    group = Ref(release.promxy.api_version, PROMXY_SERVER_GROUP, cluster.namespace, promxy_server_group.name_of(name))
    source = Ref(release.grafana.api_version, GRAFANA_DATASOURCE, cluster.namespace, grafana_datasource.name_of(name))
    signs = strangers.signs(cluster)
    return (
        _deployment(
            cluster,
            given,
            lambda: cluster_deployment.regional(
                external_dns.settled(
                    cluster,
                    given.live.objects.get(Ref(given.kcm_api, "ClusterDeployment", cluster.kcm_namespace, name)),
                    given.template,
                    given.template_config,
                ),
                release=release,
                kcm_version=given.kcm_version,
                template=given.template,
            ),
        ),
        Part(
            group,
            manifest=lambda: promxy_server_group.of_regional(cluster, release),
            goes=Goes.DELETED,
            stand_in=Signs(strangers.read_from, signs),
        ),
        Part(
            source,
            manifest=lambda: grafana_datasource.of_regional(cluster, release),
            target=functools.partial(awaited.grafana_datasource, source),
            goes=Goes.DELETED,
            stand_in=Signs(strangers.shown_from, signs),
        ),
        *_dashboards(cluster, release),
        *(_promxy(cluster, release) if release.promxy.needs_regions else ()),
        *_rules(cluster, release),
    )


def _promxy(cluster: Regional, release: Direct) -> Iterator[Part]:
    """What of the mothership comes to life with its first region."""
    secret = Ref("v1", "Secret", cluster.namespace, release.promxy.secret)
    yield Part(secret, target=functools.partial(promxy.asks, secret, cluster.cluster_name))
    deployment = Ref("apps/v1", "Deployment", cluster.namespace, release.promxy.deployment)
    yield Part(deployment, target=functools.partial(awaited.deployment, deployment))


def child(cluster: Child, given: Given[Direct]) -> tuple[Part, ...]:
    """The cluster with its services, and its alerts."""
    return (
        _deployment(
            cluster,
            given,
            lambda: cluster_deployment.child(
                cluster,
                release=given.release,
                kcm_version=given.kcm_version,
                template=given.template,
                regional_domain=given.regional_domain,
            ),
        ),
        *_rules(cluster, given.release),
    )


def _deployment(cluster: Regional | Child, given: Given[Direct], manifest: Callable[[], dict[str, Any]]) -> Part:
    ref = Ref(given.kcm_api, "ClusterDeployment", cluster.kcm_namespace, cluster.cluster_name)
    return Part(
        ref,
        manifest=manifest,
        target=functools.partial(awaited.cluster_deployment, ref),
        goes=Goes.DELETED,
        gone=functools.partial(awaited.cluster_gone, ref),
    )


def inside(cluster: Mothership | Regional | Child, given: Given[Direct]) -> Iterator[Part]:
    """What is inside of the cluster once its charts are deployed and their operators have done their work: namespaces,
    the login, and what runs. None of it is made by us or waited for."""
    release = given.release
    layer, charts = _charts(cluster, release)
    name = None if isinstance(cluster, Mothership) else cluster.cluster_name
    if not isinstance(cluster, Mothership):
        for namespace in dict.fromkeys(namespace for namespace, _values in charts.values()):
            yield _seen(name, Ref("v1", "Namespace", None, namespace), operators.namespace)
        login = Ref("v1", "Secret", cluster.namespace, cluster.vmuser_secret)
        yield Part(Inside(name, login), target=functools.partial(awaited.secret, login, release.vmuser_keys))
    for each in release.workloads.get(layer, ()):
        found = charts.get(each.chart)
        if found is not None and all(switched_on(found[1], switch) for switch in each.switches):
            api, judge = operators.OF_WORKLOADS[each.kind]
            yield _seen(name, Ref(api, each.kind, found[0], each.name), judge)
    if isinstance(cluster, Regional) and "kof-storage" in charts and switched_on(charts["kof-storage"][1], _GRAFANA):
        login = Ref("v1", "Secret", cluster.namespace, release.grafana.secret)
        yield _seen(name, login, lambda obj: operators.grafana_login(obj, {}))


_GRAFANA = ("grafana", "enabled")


def _seen(cluster: str | None, ref: Ref, judge: Callable[[Any], Readiness]) -> Part:
    return Part(Inside(cluster, ref), target=lambda: Target(ref, lambda obj, _lookup: judge(obj)))


def _charts(
    cluster: Mothership | Regional | Child, release: Direct
) -> tuple[str, dict[str, tuple[str, Mapping[str, Any]]]]:
    """The layer, and by chart its namespace and values."""
    if isinstance(cluster, Mothership):
        return "mothership", {each["name"]: (each["namespace"], each["values"]) for each in releases(cluster, release)}
    if isinstance(cluster, Regional):
        layer, values = "regional", service_values.regional_values(cluster, release)
    else:
        layer, values = "child", service_values.child_values(cluster, release, "")  # where to doesn't matter here
    return layer, {
        each.name: (each.namespace or cluster.namespace, values.get(each.name, {}))
        for each in release.services[layer]
        if each.name not in cluster.disabled_services
    }


PARTS: Mapping[str, Callable[[Any, Given[Direct]], tuple[Part, ...]]] = {
    "mothership": mothership,
    "regional": regional,
    "child": child,
}
