# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a live object's status to ready, progressing or failed, and why, for people. Pure: no network, no clock.

A status counts only when it was written for the present generation, and nothing that is being deleted is ready.
What somebody may mend on the management or the workload cluster meanwhile is waited for, with its message; what only
another wish of ours can end has failed for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    IS_READY,
    Object,
    Readiness,
    before_status,
    condition,
    failed,
    gone,
    progressing,
    since,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import digest
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.sveltos import values_hash
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import without_login
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import parse

# A ServiceTemplate is false for a while after its creation: the chart has to be fetched first. Seconds.
TEMPLATE_GRACE = 120.0


# -- kcm and Sveltos

_CREDENTIAL_ADVICE = "see the Credential's conditions: its identity object and the identity's Secret must exist"
_CONDITION_ADVICE = {
    "TemplateReady": "see the ClusterTemplate's status.validationError; name another one if it can't be fixed",
    "CredentialReady": _CREDENTIAL_ADVICE,
    "HelmChartReady": "see the HelmChart and HelmRepository of the ClusterTemplate",
    "HelmReleaseReady": "see the HelmRelease of the cluster's name",
    "InfrastructureReady": "see the events of the infrastructure cluster: quotas and permissions of the cloud account",
    "ControlPlaneReady": "see the Machines of the cluster and their events",
    "ControlPlaneInitialized": "see the Machines of the cluster and their events",
    "Available": "see the MachineDeployments and Machines of the cluster",
    "SveltosProfileReady": "see that every ServiceTemplate exists and is valid",
}
_CONDITION_CODES = {
    "TemplateReady": "cluster-template-not-ready",
    "CredentialReady": "credential-not-ready",
    "HelmChartReady": "cluster-chart-not-ready",
    "HelmReleaseReady": "cluster-release-not-ready",
    "InfrastructureReady": "infrastructure-not-ready",
    "ControlPlaneReady": "control-plane-not-ready",
    "ControlPlaneInitialized": "control-plane-not-ready",
    "Available": "machines-not-ready",
    "SveltosProfileReady": "services-not-handed-over",
    "FetchServicesStatusSuccess": "service-status-unread",
}
# kcm renders the cluster's chart with spec.config, without a cluster: the same chart and config fail the same way.
_BAD_CONFIG = "failed to validate template with provided configuration"
_KCM_FINALIZER = f"{KCM_GROUP}/cluster-deployment"

Pair = tuple[str, str]  # namespace and name of a release


@dataclass(frozen=True)
class Surroundings:
    """What is known of one cluster beside its ClusterDeployment.

    :ivar summaries: its ClusterSummaries.
    :ivar clusters: what Sveltos reaches it by: its SveltosCluster, or its Cluster API Cluster.
    :ivar configurations: its ClusterConfigurations: what Sveltos says is deployed in which version.
    :ivar template: the ServiceTemplate of a name, None when there is none, or when nobody knows.
    """

    summaries: Sequence[Object] = ()
    clusters: Sequence[Object] = ()
    configurations: Sequence[Object] = ()
    template: Callable[[str], Object | None] = lambda _name: None


def cluster_deployment(
    obj: Object | None, around: Surroundings | None = None, services: Sequence[Pair] | None = None
) -> Readiness:
    """A ClusterDeployment: Ready is True, Sveltos reaches the cluster, and says of every wanted service that it is
    deployed with these values, in this version, and that no other is left.

    services: wanted (namespace, name), None for those in its spec.
    """
    around = around or Surroundings()
    if obj is None:
        return failed("doesn't exist", "was it deleted meanwhile? run again", can_heal=False, code="cluster-missing")
    verdict = before_status(obj, "the ClusterDeployment")
    if verdict is not None:
        return verdict
    if obj.get("spec", {}).get("dryRun"):
        return failed(
            "spec.dryRun is set: kcm makes no cluster of it", "unset dryRun", can_heal=False, code="cluster-dry-run"
        )
    own = _own_summary(obj, around.summaries)
    ready = condition(obj, "Ready")
    if ready is None or ready.get("status") != "True":
        return _not_ready(obj, ready, own, around)
    wanted = _services_of(obj)
    if services is not None:
        wanted = {pair: wanted.get(pair, {}) for pair in services}
    return _services(obj, own, wanted, around) if wanted or own else IS_READY


def _services_of(obj: Object) -> dict[Pair, Object]:
    entries = (obj.get("spec", {}).get("serviceSpec") or {}).get("services") or []
    return {
        (entry.get("namespace") or entry["name"], entry["name"]): entry for entry in entries if not entry.get("disable")
    }


def _not_ready(obj: Object, ready: Object | None, own: Object | None, around: Surroundings) -> Readiness:
    """The first condition that stands in the way, in the order in which kcm goes through them."""
    bad = [
        entry
        for entry in (obj.get("status") or {}).get("conditions") or []
        if entry.get("type") != "Ready" and entry.get("status") != "True"
    ]
    bad.sort(key=lambda entry: entry.get("status") != "False")
    faults = [fault.text for fault in _feature_faults(own)] if own else []
    unreached = _unreached(own, around.clusters)
    more = [*([unreached.text] if unreached else ()), *(f"services: {each}" for each in faults)]
    tail = f"; {more[0]}" if more else ""
    if not bad:
        said = f": {ready['message']}" if ready and ready.get("message") else ""
        return progressing(
            f"Ready is {ready.get('status') if ready else 'not set'} yet{said}{tail}",
            code="cluster-not-ready",
            since=since(ready or {}),
        )
    first = bad[0]
    message = first.get("message") or first.get("reason") or first.get("status")
    advice = _CONDITION_ADVICE.get(first["type"], "")
    if first["type"] == "HelmChartReady" and _BAD_CONFIG in message:
        advice = "the ClusterTemplate's chart refuses the cluster's config: change regional_config or child_config"
        # Unless the manager was stopped while it looked: the next one looks again.
        if not re.search(r"context (canceled|deadline exceeded)", message):
            return failed(
                f"HelmChartReady: {_brief(message, 280)}",
                advice,
                can_heal=False,
                code="cluster-config-refused",
                since=since(first),
            )
    why = f"{first['type']}: {message}{tail}"
    code = _CONDITION_CODES.get(first["type"], "cluster-not-ready")
    # kcm checks these again by itself, but they only change when a person changes something.
    if first.get("status") == "False" and first["type"] in ("TemplateReady", "CredentialReady"):
        return failed(why, advice, code=code, since=since(first))
    return progressing(why, advice, code=code, since=since(first))


def _own_summary(obj: Object, summaries: Sequence[Object]) -> Object | None:
    """The ClusterSummary that Sveltos keeps for the Profile of this ClusterDeployment."""
    name = obj["metadata"]["name"]
    names = {f"p--{name}-capi-{name}", f"p--{name}-sveltos-{name}"}
    for summary in summaries:
        owners = summary["metadata"].get("ownerReferences") or []
        if summary["metadata"]["name"] in names or any(
            owner.get("kind") == "Profile" and owner.get("name") == name for owner in owners
        ):
            return summary
    return None


@dataclass(frozen=True)
class Obstacle:
    """What Sveltos says is wrong with a cluster, feature or release; all of these it tries again by itself, or when
    what is missing is there.

    :ivar code, since: as a Readiness has them.
    """

    text: str
    advice: str
    code: str
    since: str = ""


def _unreached(own: Object | None, clusters: Sequence[Object], *, patient: bool = False) -> Obstacle | None:
    """Why Sveltos does nothing on the cluster, None when it can. It leaves a summary as it is meanwhile.

    patient: single failed tries don't count, as they don't for Sveltos itself.
    """
    for cluster in clusters:
        status = cluster.get("status") or {}
        if (cluster.get("spec") or {}).get("paused"):
            return _out_of_reach("cluster-paused", f"its {cluster['kind']} is paused: Sveltos deploys nothing there")
        if cluster["kind"] == "SveltosCluster":
            state, failures = status.get("connectionStatus"), status.get("connectionFailures")
            if state != "Healthy" or (failures and not patient):
                said = f": {_brief(status['failureMessage'])}" if status.get("failureMessage") else ""
                if not state and not said:
                    return _out_of_reach("cluster-not-connected", "Sveltos hasn't connected to the cluster yet")
                tries = f", {failures} failures" if failures else ""
                return _out_of_reach(
                    "cluster-unsteady" if state == "Healthy" else "cluster-unreached",
                    f"Sveltos doesn't reach the cluster (connectionStatus {state or 'not set'}{tries}){said}",
                )
        for entry in [
            *(status.get("conditions") or []),
            *((status.get("v1beta2") or {}).get("conditions") or []),
        ]:
            if entry.get("type") == "RemoteConnectionProbe" and entry.get("status") == "False":
                text = f"Cluster API doesn't reach the cluster: {_brief(entry.get('message') or entry.get('reason'))}"
                return _out_of_reach("cluster-unreached", text, since(entry))
    if own and own["spec"].get("clusterType") == "Sveltos" and not clusters:
        return _out_of_reach("sveltos-cluster-missing", "it has no SveltosCluster")
    return None


def _out_of_reach(code: str, text: str, since: str = "") -> Obstacle:
    return Obstacle(text, UNREACHED_ADVICE, code, since)


UNREACHED_ADVICE = (
    "see that its API server runs, the kubeconfig in the Secret that its Credential names, and that nobody paused it"
)


#: What helm says of an object that another release, or nobody's, has made already.
_OF_OTHERS = "cannot be imported into the current release"
#: So many failures of Sveltos in a row are no accident.
OFTEN = 3
#: What helm and Sveltos say where no API server answers; of a cluster of Cluster API's own nothing else may tell it.
_OUT_OF_REACH = ("Kubernetes cluster unreachable", "failed to get API group resources")
LEAVE_OUT = (
    "leave out what somebody else has installed on the cluster (regional_disabled_services, child_disabled_services), "
    "or uninstall it there"
)


def _feature_faults(summary: Object) -> list[Obstacle]:
    status = summary.get("status") or {}
    faults = []
    for feature in status.get("featureSummaries") or []:
        state, kind = str(feature.get("status", "")), feature.get("featureID")
        # Failed shows for a second, then Provisioning for ten, with the message of the last try.
        if not state.startswith("Failed") and not (state == "Provisioning" and feature.get("failureMessage")):
            continue
        message = feature.get("failureMessage") or feature.get("failureReason") or "no message"
        text = f"{kind}: {_brief(message)}" + ("" if state.startswith("Failed") else " (being tried again)")
        code = "service-failed" if state == "FailedNonRetriable" else "service-being-retried"
        if "Referenced resource:" in message:
            code = "service-reference-missing"
            advice = "make it, and Sveltos goes on by itself"
            if "-resource-template " in message:
                advice += (
                    "; kcm wants this ConfigMap beside a Credential's identity object: an empty one with annotation "
                    'projectsveltos.io/template: "true" will do'
                )
        elif _OF_OTHERS in message:
            code, advice = "service-of-others", LEAVE_OUT
        elif any(text in message for text in _OUT_OF_REACH):
            code, advice = "cluster-unreached", UNREACHED_ADVICE
        elif kind == "Helm":
            advice = "Sveltos tries again by itself; if it stays, the service's values or chart don't fit"
        else:
            advice = "Sveltos tries again by itself"
        # Each try dates itself; newer versions of Sveltos also count them.
        often = int(feature.get("consecutiveFailures") or 0) >= OFTEN
        faults.append(Obstacle(text, advice, code, "" if often else str(feature.get("lastAppliedTime") or "")))
    for release in status.get("helmReleaseSummaries") or []:
        if release.get("status") == "Conflict":
            name = f"{release.get('releaseNamespace')}/{release.get('releaseName')}"
            text = f"release {name}: {_brief(release.get('conflictMessage') or 'managed by another profile')}"
            advice = "the same release is deployed by another profile: remove it there or raise the priority here; or "
            advice += LEAVE_OUT
            faults.insert(0, Obstacle(text, advice, "service-conflict"))
    return faults


def kept_by_others(obj: Object) -> list[tuple[str | None, str]]:
    """The services of a ClusterDeployment that somebody else has installed on the cluster already, as kcm hands on what
    helm and Sveltos say: name (None where it can't be told) and the message."""
    names = [name for _namespace, name in _services_of(obj)]
    found: dict[str | None, str] = {}
    for entry in (obj.get("status") or {}).get("services") or []:
        messages = [entry.get("failureMessage")]  # of kcm 1.x, where an entry is a service
        for each in entry.get("conditions") or []:
            if each.get("status") == "False":
                messages.append(each.get("message"))
                release, _slash, conflict = str(each.get("type")).partition("/")
                name = next((one for one in names if release.endswith(f".{one}")), None)
                if conflict and name:
                    found.setdefault(name, _brief(each.get("message")))
        for message in filter(None, messages):
            if _OF_OTHERS in message:
                told = re.search(r'meta\.helm\.sh/release-name" must equal "([^"]+)"', message)
                name = told.group(1) if told else None
                if name not in names:  # the object's tells: "certificates.cert-manager.io"
                    word = r"(?<![a-z0-9]){}(?![a-z0-9])"
                    name = next((one for one in names if re.search(word.format(re.escape(one)), message)), None)
                found.setdefault(name, _brief(message))
    return list(found.items())


def _services(obj: Object, summary: Object | None, wanted: Mapping[Pair, Object], around: Surroundings) -> Readiness:
    unreached = _unreached(summary, around.clusters)
    if unreached:
        return progressing(unreached.text, unreached.advice, code=unreached.code, since=unreached.since)
    if summary is None:
        return progressing(
            "Sveltos has no ClusterSummary of it yet",
            "see that Sveltos runs (namespace projectsveltos)",
            code="services-not-taken-over",
        )
    if "deletionTimestamp" in summary["metadata"]:
        when = summary["metadata"]["deletionTimestamp"]
        return progressing("its ClusterSummary is being deleted", code="services-not-taken-over", since=when)
    charts = {
        (chart.get("releaseNamespace"), chart.get("releaseName")): chart
        for chart in (summary.get("spec", {}).get("clusterProfileSpec") or {}).get("helmCharts") or []
    }
    behind = "see that Sveltos runs (namespace projectsveltos)"
    features = {_feature(service, around.template) for service in wanted.values()}
    for pair, service in wanted.items():
        feature = _feature(service, around.template)
        if feature == "Helm":
            what = _not_taken_over(charts.get(pair), service, around.template)
        else:
            what = _not_referred_to(summary, feature, around.template(service["template"]) or {})
        if what:
            return progressing(
                f"Sveltos hasn't taken over {what} of {'/'.join(pair)} yet", behind, code="services-not-taken-over"
            )
    faults = _feature_faults(summary)
    status = summary.get("status") or {}
    releases = {
        (release.get("releaseNamespace"), release.get("releaseName")): release
        for release in status.get("helmReleaseSummaries") or []
    }
    wanted = _with_charts(wanted, around.template)
    missing = [pair for pair in wanted if not (releases.get(pair) or {}).get("valuesHash")]
    versions = _deployed_versions(around.configurations, obj["metadata"]["name"])
    behind_in = {
        pair: what
        for pair in wanted
        if pair not in missing
        and (what := _not_deployed(charts[pair], releases[pair], None if versions is None else versions.get(pair, "")))
    }
    if faults:
        # What is deployed as it is wanted, and failed when it was deployed once more, goes on as it was.
        once_more = faults[0].code == "service-being-retried" and not missing and not behind_in
        when = faults[0].since if once_more else ""
        return progressing(f"services: {faults[0].text}", faults[0].advice, code=faults[0].code, since=when)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return progressing(f"service {'/'.join(missing[0])}{more} isn't deployed yet", code="service-not-deployed")
    if behind_in:
        pair, what = next(iter(behind_in.items()))
        # Yesterday's summary says Provisioned for yesterday's values.
        return progressing(
            f"Sveltos hasn't deployed {what} of {'/'.join(pair)} yet", behind, code="service-not-deployed"
        )
    declared = _with_charts(_services_of(obj), around.template)
    left = [pair for pair in {**charts, **releases} if pair not in declared]
    if left:
        gone_from_it = f"{'/'.join(map(str, left[0]))} is no service of it any more, but still deployed"
        return progressing(gone_from_it, behind, code="service-still-deployed")
    states = {each.get("featureID"): each.get("status") for each in status.get("featureSummaries") or []}
    for feature in [*states, *sorted(features)]:
        if states.get(feature) != "Provisioned":
            state = f"is {states[feature]}" if feature in states else "has no status yet"
            return progressing(f"services: {feature} {state}", code="service-not-deployed")
    return IS_READY


#: What a ServiceTemplate may hold instead of a chart (kcm 0.2 and newer): by the key of its spec, Sveltos' feature.
_NO_CHARTS = {"kustomize": "Kustomize", "resources": "Resources"}
_REFERENCES = {"Kustomize": "kustomizationRefs", "Resources": "policyRefs"}


def _feature(service: Object, template: Callable[[str], Object | None]) -> str:
    """The feature of Sveltos that a service is deployed by."""
    spec = ((template(service["template"]) if service.get("template") else None) or {}).get("spec") or {}
    return next((feature for key, feature in _NO_CHARTS.items() if spec.get(key)), "Helm")


def _with_charts(services: Mapping[Pair, Object], template: Callable[[str], Object | None]) -> dict[Pair, Object]:
    return {pair: service for pair, service in services.items() if _feature(service, template) == "Helm"}


def _not_referred_to(summary: Object, feature: str, template: Object) -> str:
    """As `_not_taken_over`, of a service without a chart: its source, which is all that a summary tells of it."""
    source = (template.get("status") or {}).get("sourceStatus") or {}
    refs = (summary.get("spec", {}).get("clusterProfileSpec") or {}).get(_REFERENCES[feature]) or []
    there = any((ref.get("kind"), ref.get("name")) == (source.get("kind"), source.get("name")) for ref in refs)
    return "" if there else "the service"


def _not_taken_over(chart: Object | None, service: Object, template: Callable[[str], Object | None]) -> str:
    """What of a service isn't in the summary's own wish yet, "" when all is."""
    if chart is None:
        return "the service"
    if not service:
        return ""
    if (chart.get("values") or "") != (service.get("values") or ""):
        return "the new values"
    if _sources(chart) != _sources(service):
        return "the new valuesFrom"
    found = template(service["template"]) if service.get("template") else None
    source = (((found or {}).get("spec") or {}).get("helm") or {}).get("chartSpec") or {}
    if source.get("version") and not _same_version(source["version"], chart.get("chartVersion")):
        return f"version {source['version']}"
    # kcm writes <chart>/<chart>, for an OCI repository or a Git one <chart>, which may be a path.
    if source.get("chart") and chart.get("chartName") not in (source["chart"], "{0}/{0}".format(source["chart"])):
        return f"chart {source['chart']}"
    return ""


def _sources(entry: Object) -> list[tuple[Any, Any]]:
    return [(source.get("kind"), source.get("name")) for source in entry.get("valuesFrom") or []]


def _not_deployed(chart: Object, release: Object, version: str | None) -> str:
    """What of a chart in the summary's wish isn't on the cluster yet, "" when all is.

    version: the one that is deployed, "" for none, None when nobody knows.
    """
    values = chart.get("values") or ""
    # The hash of a template's result, or with the data of other objects, is nothing that the text could tell.
    if not chart.get("valuesFrom") and "{{" not in values and release["valuesHash"] != values_hash(values):
        return "the new values"
    if version is not None and not _same_version(chart.get("chartVersion"), version):
        return f"version {chart.get('chartVersion')}"
    return ""


def _deployed_versions(configurations: Sequence[Object], profile: str) -> dict[Pair, str] | None:
    """Chart versions of the releases that Sveltos has deployed for a Profile; None when it says nothing of that."""
    for configuration in configurations:
        for entry in (configuration.get("status") or {}).get("profileResources") or []:
            for feature in entry.get("Features") or []:
                if entry.get("profileName") == profile and feature.get("featureID") == "Helm":
                    return {
                        (chart.get("namespace"), chart["releaseName"]): chart.get("chartVersion") or ""
                        for chart in feature.get("charts") or []
                    }
    return None


def _same_version(wanted: object, found: object) -> bool:
    """Sveltos compares as semantic versions do; a range (`1.x`, `1.2`) is whatever it was resolved to."""
    if wanted == found:
        return True
    left, right = parse(wanted), parse(found)
    if left is None or str(wanted).count(".") < 2:
        return bool(found)
    return left == right


# Sveltos quotes the whole text of a Go template that fails, which may come from a Secret (valuesFrom).
_QUOTED_TEMPLATE = re.compile(r'(error executing template) "(?:[^"\\]|\\.)*"?', re.DOTALL)


def _brief(text: object, limit: int = 220) -> str:
    """A message on one line; of a long one the ends, since helm says what failed first and why last."""
    flat = without_login(" ".join(_QUOTED_TEMPLATE.sub(r"\1", str(text)).split()))
    if len(flat) <= limit:
        return flat
    return f"{flat[: limit // 3].rstrip()} … {flat[-(limit - limit // 3 - 3) :].lstrip()}"


def lives_on(around: Surroundings) -> bool:
    """Whether the cluster is there without its ClusterDeployment: one that was adopted, not made."""
    return any(cluster["kind"] == "SveltosCluster" for cluster in around.clusters) or any(
        summary["spec"].get("clusterType") == "Sveltos" for summary in around.summaries
    )


def installed(obj: Object, around: Surroundings) -> list[str]:
    """The releases that Sveltos keeps on the cluster for its ClusterDeployment, `<namespace>/<name>`."""
    own = _own_summary(obj, around.summaries) or {}
    releases = (own.get("status") or {}).get("helmReleaseSummaries") or []
    return [f"{each['releaseNamespace']}/{each['releaseName']}" for each in releases if each["status"] != "Conflict"]


def unreached(obj: Object, around: Surroundings, *, patient: bool = False) -> str:
    """Why Sveltos can do nothing on the cluster of that name now, "" when it can.

    patient: single failed tries don't count.
    """
    fault = unreached_as(obj, around, patient=patient)
    return fault.text if fault else ""


def unreached_as(obj: Object, around: Surroundings, *, patient: bool = False) -> Obstacle | None:
    """As `unreached`, with code and advice."""
    return _unreached(_own_summary(obj, around.summaries), around.clusters, patient=patient)


def services_gone(obj: Object | None, around: Surroundings, profiles: Collection[str] = ()) -> Readiness:
    """A ClusterDeployment whose services were taken out of its spec: ready when they are off the cluster.

    profiles: ClusterProfiles that don't select the cluster any more, whose Secrets must be off, too.
    """
    if obj is None:
        return IS_READY
    own = _own_summary(obj, around.summaries)
    copied = [each for each in around.summaries if each is not own and profile_of(each) in profiles]
    if own is None and not copied:
        return IS_READY
    fault = _unreached(own, around.clusters)
    if fault:
        return progressing(fault.text, fault.advice, code=fault.code, since=fault.since)
    code = "service-still-deployed"
    if own is not None:
        if ((own.get("spec") or {}).get("clusterProfileSpec") or {}).get("helmCharts"):
            why = "Sveltos hasn't seen yet that the services must go"
            return progressing(why, "see that kcm and Sveltos run", code=code)
        left = installed(obj, around)
        helm = [each for each in (own.get("status") or {}).get("featureSummaries") or [] if each["featureID"] == "Helm"]
        if left or any(each.get("status") != "Provisioned" for each in helm):
            faults = _feature_faults(own)
            what = f"being uninstalled{': ' + ', '.join(left) if left else ''}"
            said = (f"{what}; {faults[0].text}", faults[0].advice) if faults else (what, "")
            return progressing(*said, code=code)
    if copied:
        return progressing(
            f"the Secrets of ClusterProfile {profile_of(copied[0])} are being withdrawn", code="secrets-still-copied"
        )
    return IS_READY


def profile_of(summary: Object) -> str:
    """The Profile or ClusterProfile that a ClusterSummary is of."""
    owners = summary["metadata"].get("ownerReferences") or []
    return next((owner["name"] for owner in owners if owner.get("kind") in ("Profile", "ClusterProfile")), "")


def service_template(obj: Object | None, false_for: float = 0.0) -> Readiness:
    """A ServiceTemplate or ClusterTemplate: status.valid. false_for: seconds for which it has been seen invalid."""
    verdict = before_status(obj, "the template", missing="template-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    if status.get("valid"):
        return IS_READY
    text = status.get("validationError") or "not validated yet"
    if false_for < TEMPLATE_GRACE:
        return progressing(f"not valid: {text}", recheck=TEMPLATE_GRACE - false_for, code="template-not-valid")
    advice = "see its HelmChart and HelmRepository: address, login, CA of the registry"
    return failed(f"not valid: {text}", advice, can_heal=False, code="template-not-valid")


def chart_repository(obj: Object | None) -> Readiness:
    """A HelmRepository that Flux reaches, or says nothing of, as of OCI repositories."""
    found = (condition(obj, "Ready") if obj is not None else None) or {}
    if found.get("status") != "False":
        return IS_READY
    why = f"it isn't Ready: {without_login(str(found.get('message') or found.get('reason') or 'no message'))}"
    return progressing(why, code="chart-repository-not-ready", since=since(found))


def credential(obj: Object | None) -> Readiness:
    """A Credential: status.ready."""
    verdict = before_status(obj, "the Credential", observed=False, missing="credential-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    if (obj.get("status") or {}).get("ready"):
        return IS_READY
    found = condition(obj, "CredentialReady") or {}
    why = f"not ready: {found.get('message') or 'no status yet'}"
    return progressing(why, _CREDENTIAL_ADVICE, code="credential-not-ready", since=since(found))


# -- core kinds and operators


def grafana_datasource(obj: Object | None) -> Readiness:
    """A GrafanaDatasource that the Grafana operator has put into an instance."""
    verdict = before_status(obj, "the GrafanaDatasource", observed=False, missing="datasource-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    if status.get("NoMatchingInstances"):
        return _in_no_grafana(code="datasource-unmatched")
    if status.get("lastMessage"):
        return progressing(
            f"the Grafana operator says: {status['lastMessage']}",
            "see the Secret and keys in its valuesFrom",
            code="datasource-refused",
        )
    if status.get("hash") or status.get("uid"):
        return IS_READY
    return progressing(
        "the Grafana operator hasn't seen it yet", "see that the Grafana operator runs", code="datasource-not-seen"
    )


def _in_no_grafana(*, code: str) -> Readiness:
    why = "no Grafana matches its instanceSelector"
    return progressing(why, "the Grafana must be in its namespace with the selected labels", code=code)


def vm_rule(obj: Object | None) -> Readiness:
    """A VMRule that the VictoriaMetrics operator has nothing against: of one that it takes it says nothing in every
    version (api/operator/v1beta1/vmrule_types.go)."""
    verdict = before_status(obj, "the VMRule", observed=False, missing="alert-rules-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    if status.get("status") == "failed" or status.get("lastSyncError"):
        return failed(
            f"the VictoriaMetrics operator refuses it: {status.get('lastSyncError') or 'without a word'}",
            "mend the rule that is named",
            code="alert-rules-refused",
        )
    return IS_READY


def grafana_dashboard(obj: Object | None) -> Readiness:
    """A GrafanaDashboard whose text, as it is wanted now, is in Grafana: the operator keeps its digest. What it can't
    put there it says in its log alone (grafana-operator 5.13), or in a condition (5.15)."""
    verdict = before_status(obj, "the GrafanaDashboard", observed=False, missing="dashboard-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    status = obj.get("status") or {}
    if status.get("NoMatchingInstances"):
        return _in_no_grafana(code="dashboard-unmatched")
    refused = condition(obj, "DashboardSynchronized")
    if refused and refused.get("status") == "False":
        return progressing(
            f"the Grafana operator says: {refused.get('message') or refused.get('reason')}",
            "see the log of the Grafana operator",
            code="dashboard-refused",
        )
    if status.get("hash") == digest(obj.get("spec") or {}):
        return IS_READY
    return progressing(
        "the Grafana operator hasn't put it into Grafana yet",
        "see that the Grafana operator runs, and its log",
        code="dashboard-not-in-grafana",
    )


def cluster_gone(
    obj: Object | None,
    credential_of: Callable[[str], Object | None],
    template: Callable[[str], Object | None],
) -> Readiness:
    """A ClusterDeployment that has to be deleted. kcm's webhook checks its Credential and ServiceTemplates even when
    kcm takes its own finalizer off: without them it stays for ever.

    credential_of, template: the Credential or ServiceTemplate of a name, None when there is none.
    """
    held = ""
    if obj is not None and _KCM_FINALIZER in (obj["metadata"].get("finalizers") or []):
        spec = obj.get("spec") or {}
        name = spec.get("credential")
        found = credential_of(name) if name else None
        if name and found is None:
            held = f"its Credential {name} doesn't exist, and kcm wants it to the end"
        elif found is not None and not (found.get("status") or {}).get("ready"):
            held = f"its Credential {name} isn't ready, and kcm wants it to the end"
        for service in (spec.get("serviceSpec") or {}).get("services") or []:
            used = template(service["template"])
            if not held and (used is None or not (used.get("status") or {}).get("valid")):
                state = "doesn't exist" if used is None else "isn't valid"
                held = f"its ServiceTemplate {service['template']} {state}, and kcm wants it to the end"
    return gone(obj, held)
