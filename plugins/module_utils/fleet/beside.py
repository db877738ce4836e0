# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status looks at beside the parts of a blueprint: what runs on the management cluster, whether promxy knows the
regions, and of each cluster what its ClusterDeployment leads to. Looks of fleet/status.py, which reads for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import alert_rules, dashboards, side_effects
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import workloads
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import identity, operators, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import promxy
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import switched_on
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

if TYPE_CHECKING:
    from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import Look

Object = dict[str, Any]
#: Makes a finding of somebody; see Look.about.
Make: TypeAlias = Callable[..., Any]

#: What runs in kof's namespace, and what volumes are made of.
RUNS = (("v1", "Pod"), ("v1", "PersistentVolumeClaim"))
CLASS = ("storage.k8s.io/v1", "StorageClass")
_PROMXY_SWITCH = ("promxy", "enabled")
#: Of a PromxyServerGroup what keeps promxy from every region, whosever it is.
_OF_ALL_REGIONS = ("server-group-login-missing", "promxy-config-broken")
_OF_CREDENTIAL = "credential-not-ready"
#: What is no more than that pods of a Deployment aren't there: a pod itself may tell why.
_OF_PODS = ("deployment-not-available", "deployment-stuck")


def running(seen: Look) -> None:
    """Pods, volumes and Grafana of kof's namespace: of the mothership, and what they tell of its Deployments."""
    if not seen.fleet.of("mothership"):
        return
    home = seen.fleet.shared("kof_namespace")
    pods, claims = (seen.list_of(*kind, home, "mothership") or [] for kind in RUNS)
    unbound = any(dig(each, ("status", "phase")) != "Bound" for each in claims)
    classes = (seen.list_of(*CLASS, None, "mothership") if unbound else []) or []
    make = seen.about_whole()
    late = {each.what: each for each in seen.findings if each.code in _OF_PODS}
    for trouble in workloads.troubles(pods, claims, classes, seen.recent):
        deployment = late.get(str(Ref("apps/v1", trouble.of[0], home, trouble.of[1])))
        if deployment is None:
            seen.found(make, str(ref_of(trouble.obj)), trouble.verdict, trouble.obj)
        elif not trouble.plain and deployment.code in _OF_PODS:
            deployment.also = deployment.code
            deployment.code = trouble.verdict.code
            deployment.why = f"{deployment.why}; {trouble.verdict.why}"
            deployment.advice = ""
    if seen.connection.resource(*operators.GRAFANA) is not None:
        for each in seen.list_of(*operators.GRAFANA, home, "mothership") or ():
            seen.found(make, str(ref_of(each)), core_readiness.of_any_form(operators.grafana, each), each)


def regions_of_promxy(seen: Look) -> None:
    """Whether promxy knows the batch's regions; what another one's does to all of them is the mothership's."""
    groups = seen.listed.get(PROMXY_SERVER_GROUP, ())
    mothership = next(iter(seen.fleet.of("mothership")), None)
    if not groups or (mothership and not switched_on(mothership.values, _PROMXY_SWITCH)):
        return
    home, of = seen.fleet.shared("kof_namespace"), {name_of(each): each for each in seen.fleet.of("regional")}
    told = {each.what for each in seen.findings} | {(each.name, each.code) for each in seen.findings}
    try:
        config = seen.secret(seen.release.promxy.secret)
        found = list(promxy.troubles(seen.release, groups, config, seen.secret))
    except ApiError as error:
        if error.status == 401:
            raise
        return seen.not_read_of(f"promxy's regions: {error}", "mothership")
    for each in found:
        group = each.group
        name = str(dig(group, ("spec", "cluster_name")))
        if name not in of and each.verdict.code not in _OF_ALL_REGIONS:
            continue
        make = seen.about(of[name]) if name in of else seen.about_whole()
        what = str(ref_of(group) if group else Ref("v1", "Secret", home, seen.release.promxy.secret))
        secret = str(Ref("v1", "Secret", home, promxy.login_of(group))) if group else ""
        lacks = each.verdict.code == "server-group-login-missing" and secret in told
        if what not in told and not lacks and (name, each.verdict.code) not in told:
            seen.found(make, what, each.verdict, group)


def dashboards_left(seen: Look) -> None:
    """The user's dashboards that are of no file any more."""
    owners = [*seen.fleet.of("mothership"), *seen.fleet.of("regional")]
    api, home = seen.release.grafana.api_version, seen.fleet.shared("kof_namespace")
    if not owners or seen.connection.resource(api, dashboards.KIND) is None:
        return
    with seen.forbidden(dashboards.KIND):
        there = dashboards.ours(seen.connection, api, home, seen.fleet.shared("kof_fleet"))
        for cluster in owners:
            for item in dashboards.left(cluster, seen.release, there):
                what, why = str(ref_of(item)), f"the file of {item['metadata']['name']} isn't there any more"
                seen.add(seen.about(cluster)(code="dashboard-left", what=what, why=why))


def alert_rules_left(seen: Look) -> None:
    """The rules of alerts that no variable says any more."""
    owners = [cluster for layer in ("mothership", "regional", "child") for cluster in seen.fleet.of(layer)]
    of_line, home = seen.release.alerts, seen.fleet.shared("kof_namespace")
    if not owners or of_line is None or seen.connection.resource(of_line.api_version, VMRULE) is None:
        return
    with seen.forbidden(VMRULE):
        there = alert_rules.ours(seen.connection, seen.release, home, seen.fleet.shared("kof_fleet"))
        for cluster in owners:
            for item in alert_rules.left(cluster, seen.release, there, seen.now.timestamp()):
                what, why = str(ref_of(item)), "no variable says these rules any more, and they are still evaluated"
                seen.add(seen.about(cluster)(code="alert-rules-left", what=what, why=why))


def clusters(seen: Look) -> None:
    """Of those that are there: whose they are, their Credential, ServiceTemplates, services, copied Secrets, charts."""
    api, space = f"{readiness.KCM_GROUP}/{seen.kcm_version}", seen.fleet.shared("kof_kcm_namespace")
    mine, credentials = seen.fleet.shared("kof_fleet"), seen.list_of(api, "Credential", space, "regional", "child")
    by_name = {each["metadata"]["name"]: each for each in credentials or ()}
    seen.listed["Credential"] = list(by_name.values())
    templates = {each["metadata"]["name"]: each for each in seen.listed.get("ServiceTemplate", ())}
    judged = functools.cache(lambda name: core_readiness.of_any_form(readiness.service_template, templates.get(name)))
    told = {(each.host, each.code) for each in seen.findings}
    of_mothership = {each.what for each in seen.findings if each.layer == "mothership"}
    copied: dict[str, list[Object]] = {}
    for summary in seen.listed.get("ClusterSummary", ()):
        copied.setdefault(str(dig(summary, ("spec", "clusterName"))), []).append(summary)
    for layer in ("regional", "child"):
        for cluster in seen.fleet.of(layer):
            live = seen.live.get(name_of(cluster))
            if live is None:
                continue
            make = seen.about(cluster)
            with seen.of_any_form(make):
                theirs = identity.fleet_of(live)
                if theirs not in (None, mine):
                    why = f"it belongs to fleet {theirs}"
                    seen.add(make(code="cluster-of-another-fleet", what=str(ref_of(live)), why=why))
                named = str(dig(live, ("spec", "credential")) or "")
                verdict = core_readiness.of_any_form(readiness.credential, by_name.get(named))
                if "deletionTimestamp" in live["metadata"]:
                    continue  # what holds it is told already
                known = (cluster.host, verdict.code) in told
                if named and credentials is not None and not verdict.ready and not known:
                    # kcm calls one that is gone not ready, too.
                    seen.forget(cluster.host, _OF_CREDENTIAL)
                    seen.found(make, str(Ref(api, "Credential", space, named)), verdict, live)
                if "ServiceTemplate" in seen.listed:
                    for name in sorted({service["template"] for service in services_of(live)}):
                        what, verdict = str(Ref(api, "ServiceTemplate", space, name)), judged(name)
                        if what not in of_mothership:
                            seen.found(make, what, verdict, templates.get(name) or live)
                if isinstance(seen.release, Direct):
                    _skew(seen, make, layer, cluster, live)
                    if layer == "regional":
                        _logs(seen, make, cluster, live)
                    if "ClusterSummary" in seen.listed and cluster.host in seen.ready:
                        _copied(seen, make, cluster, live, copied.get(name_of(cluster), ()))
    _repository(seen, seen.listed.get("ClusterSummary", ()))


def _skew(seen: Look, make: Make, layer: str, cluster: Any, live: Object) -> None:
    wanted = wanted_of(seen.release, layer, cluster)
    there = {service["name"]: service["template"] for service in services_of(live)}
    what, make = str(ref_of(live)), functools.partial(make, settled=seen.rolled)
    other = others_of(wanted, live)
    if other:
        seen.add(make(code="version-skew", what=what, why=some(other)))
    missing = [name for name in wanted if name not in there and name not in cluster.disabled_services]
    if missing and "deletionTimestamp" not in live["metadata"]:  # before a deletion they are taken out
        seen.add(make(code="service-missing", what=what, why=f"it doesn't want {some(missing)}"))


def _logs(seen: Look, make: Make, cluster: Any, live: Object) -> None:
    """Whether a region keeps its logs; where the inventory itself wants it otherwise, that is told by nobody."""
    storage = next((each for each in services_of(live) if each["name"] == side_effects.STORAGE), None)
    wanted = dig(cluster.service_values.get(side_effects.STORAGE), operators.LOGS_VOLUME)
    on = dig(cluster.service_values.get(side_effects.STORAGE), (operators.LOGS_VOLUME[0], "enabled"))
    if storage is not None and wanted in (None, True) and on is not False:
        verdict = operators.logs_kept(str(storage.get("values") or ""))
        seen.found(make, str(ref_of(live)), verdict, live)


def wanted_of(release: Direct, layer: str, cluster: Any) -> dict[str, str]:
    """By kof's services of a cluster the ServiceTemplate that the inventory wants."""
    return {
        service.name: cluster.service_templates.get(service.name, service.template)
        for service in release.services[layer]
    }


def _copied(seen: Look, make: Make, cluster: Any, live: Object, summaries: Sequence[Object]) -> None:
    """Whether the Secrets that this cluster's labels ask for are on it."""
    wanted = [seen.release.vmuser_label]
    if getattr(cluster, "external_dns", "") == "secret":
        wanted.append(seen.release.dns.label)
    for label in wanted:
        profile = label.rpartition("/")[2]  # the charts call it so
        own = [each for each in summaries if readiness.profile_of(each) == profile]
        features = [
            feature
            for each in own
            for feature in (each.get("status") or {}).get("featureSummaries") or ()
            if feature.get("featureID") == "Resources"
        ]
        left = [each for each in features if each.get("status") != "Provisioned"]
        if features and not left:
            continue
        why = f"Resources is {left[0].get('status')}" if left else f"it doesn't select the cluster by label {label}"
        what = f"ClusterProfile {profile}"
        # A login that changed is copied anew in one go; where that fails, the time is only that of the last try.
        tried = [str(each.get("lastAppliedTime") or "") for each in left if not each.get("failureMessage")]
        changed = max([core_readiness.changed_at(live), *tried])
        seen.add(make(code="secrets-not-copied", what=what, why=why, at_most_since=changed))


def _repository(seen: Look, summaries: Sequence[Object]) -> None:
    shared, clusters = seen.fleet.shared, [*seen.fleet.of("regional"), *seen.fleet.of("child")]
    stale, now = dict[str, str](), ""
    with seen.forbidden("HelmRepository", "regional", "child"):
        live = side_effects.live_repository(seen.connection, shared("kof_kcm_namespace"))
        if live is not None:
            verdict = core_readiness.of_any_form(readiness.chart_repository, live)
            seen.found(seen.about_whole(), str(ref_of(live)), verdict, live)
        stale, now = side_effects.from_another_repository(
            clusters, summaries, shared("kof_chart_repository"), lambda: live
        )
    for cluster in clusters:
        if cluster.host in stale:
            why = f"kof's charts still come from {stale[cluster.host]}, and HelmRepository kof has {now}"
            advice = side_effects.touch(shared("kof_kcm_namespace"), name_of(cluster))
            seen.add(seen.about(cluster)(code="another-repository", why=why, advice=advice))


def name_of(cluster: Any) -> str:
    return getattr(cluster, "cluster_name", cluster.host)


def services_of(deployment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The services that a live ClusterDeployment wants, but for those that name no template."""
    found = dig(deployment, ("spec", "serviceSpec", "services"))
    return [
        each
        for each in (found if isinstance(found, list) else ())
        if isinstance(dig(each, ("template",)), str) and each["template"] and not each.get("disable")
    ]


def others_of(wanted: Mapping[str, str], live: Mapping[str, Any]) -> list[str]:
    """Services of a ClusterDeployment that are of another ServiceTemplate than is wanted, in words."""
    there = {str(service.get("name")): service["template"] for service in services_of(live)}
    return [
        f"{name} is {template}, {wanted[name]} is wanted"
        for name, template in there.items()
        if wanted.get(name, template) != template
    ]
