# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When what kof's operator, kcm and Flux make for a cluster told by labels is as it must be. For lines not offered yet.

Each function makes the Target of one object. No request is made, and nothing says here which parts there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    IS_READY,
    PROGRESSING,
    Readiness,
    before_status,
    condition,
    failed,
    progressing,
    since,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup, Object, Related, Target
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: A service of a cluster may have failed for as long while what it needs is being installed; kcm tries again every
#: minute at least. Seconds.
FAILED_GRACE = 240.0
_OPERATOR = "see that kof-mothership-kof-operator runs, and its log"


def helm_release(ref: Ref, version: str) -> Target:
    """A HelmRelease whose chart is deployed in this version."""

    def judge(obj: Object | None, _lookup: Lookup) -> Readiness:
        verdict = before_status(obj, "the HelmRelease", missing="helm-release-missing")
        if verdict is not None or obj is None:
            return verdict or IS_READY
        ready, stalled = condition(obj, "Ready") or {}, condition(obj, "Stalled") or {}
        if ready.get("status") != "True":
            said = ready.get("message") or "Flux hasn't looked at it yet"
            why = f"{ready.get('reason', 'not ready')}: {said}"
            if ready.get("status") == "False" and stalled.get("status") == "True":
                return failed(
                    f"{why}; Flux tries no more",
                    f"see its events; then flux reconcile hr {ref.name}",
                    False,
                    code="helm-release-stalled",
                    since=since(stalled),
                )
            return progressing(why, code="helm-release-not-ready", since=since(ready))
        deployed = _deployed_version(obj.get("status") or {})
        if deployed != version:
            why = f"has {deployed or 'no version'} of its chart, {version} is wanted"
            return progressing(why, "see its HelmChart", code="helm-release-version")
        return IS_READY

    return Target(ref, judge)


def _deployed_version(status: Mapping[str, Any]) -> str:
    history = status.get("history") or [{}]
    # Of a chart out of an OCI registry Flux writes a digest after the version.
    return str(status.get("lastAttemptedRevision") or history[0].get("chartVersion") or "").partition("+")[0]


def services(ref: Ref) -> Target:
    """A MultiClusterService of which kcm knows all ServiceTemplates: only then does it bring anything to a cluster."""

    def judge(obj: Object | None, _lookup: Lookup) -> Readiness:
        verdict = before_status(obj, "the MultiClusterService", missing="multi-cluster-service-missing")
        if verdict is not None or obj is None:
            return verdict or IS_READY
        found = condition(obj, "ServicesReferencesValidation") or {}
        if found.get("status") == "True":
            return IS_READY
        return progressing(
            f"its services aren't valid: {found.get('message') or 'kcm has not looked at it yet'}",
            "see that its ServiceTemplates exist and are valid",
            code="multi-cluster-service-not-valid",
            since=since(found),
        )

    return Target(ref, judge)


def brought_to(ref: Ref, namespace: str, cluster: str) -> Target:
    """A MultiClusterService that is deployed on a cluster."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        verdict = services(ref).judge(obj, lookup)
        if not verdict.ready or obj is None:
            return verdict
        for each in (obj.get("status") or {}).get("matchingClusters") or ():
            if (each.get("namespace"), each.get("name")) == (namespace, cluster):
                if each.get("deployed"):
                    return IS_READY
                return progressing(f"isn't deployed on {cluster} yet", code="service-not-deployed")
        advice = "see the label that it selects by on its ClusterDeployment"
        return progressing(f"doesn't match {cluster} yet", advice, code="multi-cluster-service-unmatched")

    return Target(ref, judge)


def service_set(ref: Ref, services: Ref) -> Target:
    """A ServiceSet: every service of its MultiClusterService is in it, and deployed from that template.

    It grows service by service, and is called deployed as often: only the MultiClusterService says where it ends.
    """

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        wish = lookup.named(services.kind, None, services.name)
        if wish is None:
            why = f"MultiClusterService {services.name} doesn't exist"
            return progressing(why, "see HelmReleases of kof", code="multi-cluster-service-missing")
        verdict = before_status(obj, "the ServiceSet", observed=False, missing="service-set-missing")
        if verdict is not None or obj is None:
            return verdict or IS_READY
        wanted = {_pair(each): each.get("template") for each in _wanted(wish)}
        states = {_pair(each): each for each in (obj.get("status") or {}).get("services") or ()}
        broken = [pair for pair in wanted if states.get(pair, {}).get("state") == "Failed"]
        lasting = lookup.lasting((ref, "Failed"), bool(broken))
        # While it is upgraded it is deployed still, of the template of before.
        there = {pair: each.get("template") for pair, each in states.items() if each.get("state") == "Deployed"}
        missing = [pair[1] for pair, template in wanted.items() if there.get(pair) != template]
        if not missing:
            if wanted:
                return IS_READY
            return progressing(f"MultiClusterService {services.name} has no services yet", code="service-set-empty")
        deployed = f"{len(wanted) - len(missing)} of {len(wanted)} services are deployed, not {some(missing)}"
        if not broken:
            return progressing(deployed, code="service-not-deployed")
        said = states[broken[0]].get("failureMessage") or "no reason given"
        why, advice = f"{deployed}; {broken[0][1]}: {said}", "see the ClusterSummaries of the cluster"
        if lasting < FAILED_GRACE:
            return progressing(why, advice, recheck=FAILED_GRACE - lasting, code="service-being-retried")
        return failed(why, advice, code="service-failed")

    return Target(ref, judge, (Related(services.api_version, services.kind),))


def service_names(multi_cluster_service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Namespace and name of each release that a MultiClusterService brings to a cluster."""
    return [_pair(each) for each in _wanted(multi_cluster_service)]


def _wanted(multi_cluster_service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = ((multi_cluster_service.get("spec") or {}).get("serviceSpec") or {}).get("services") or ()
    return [each for each in found if not each.get("disable")]


def _pair(service: Mapping[str, Any]) -> tuple[str, str]:
    return service.get("namespace") or "default", service["name"]


def cluster_deployment(ref: Ref) -> Target:
    """A ClusterDeployment whose cluster is there. It is so before kof is on it, and isn't while another service of its
    comes (each child adds one to its regional): its services are judged by their ServiceSets."""

    def judge(obj: Object | None, _lookup: Lookup) -> Readiness:
        verdict = readiness.cluster_deployment(obj, None, ())
        if verdict.state != PROGRESSING or before_status(obj, "") is not None or obj is None:
            return verdict
        states = {each["type"]: each.get("status") for each in (obj.get("status") or {}).get("conditions") or ()}
        there = states.get("CAPIClusterSummary") == "True" and "ServicesInReadyState" in states
        others = (state for kind, state in states.items() if kind not in _NOT_OF_THE_CLUSTER)
        return IS_READY if there and all(state == "True" for state in others) else verdict

    return Target(ref, judge)


#: Conditions that say nothing of whether the cluster is there.
_NOT_OF_THE_CLUSTER = ("Ready", "ServicesInReadyState", "HelmChartNameChanged", "Deleting", "Paused")


def regional_config(ref: Ref, cluster: str, endpoint: str) -> Target:
    """The ConfigMap in which kof's operator keeps where a regional cluster is read from."""

    def judge(obj: Object | None, _lookup: Lookup) -> Readiness:
        if obj is None:
            return progressing(
                "doesn't exist yet",
                f"the ClusterTemplate's status.providers must name an infrastructure that kof knows; {_OPERATOR}",
                code="regional-not-known",
            )
        data = obj.get("data") or {}
        for key, wanted in (("regional_cluster_name", cluster), ("read_metrics_endpoint", endpoint)):
            if data.get(key) != wanted:
                return progressing(f"has another {key} than {wanted}", _OPERATOR, code="regional-known-otherwise")
        return IS_READY

    return _there(ref, judge)


def child_config(ref: Ref, regional: str, regional_config: Ref) -> Target:
    """The ConfigMap in which kof's operator keeps where a child cluster sends to: to this regional cluster, as it is
    reached now."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        wanted = lookup.named("ConfigMap", regional_config.namespace, regional_config.name)
        if obj is None:
            advice = f"regional cluster {regional} must be there; {_OPERATOR}"
            return progressing("doesn't exist yet", advice, code="child-not-attached")
        data = obj.get("data") or {}
        found = data.get("regional_cluster_name")
        if found != regional:
            why = f"the cluster sends to regional cluster {found}, not to {regional}"
            return failed(why, _OPERATOR, code="child-sends-elsewhere")
        if wanted is None:
            why = f"regional cluster {regional} isn't there: no {regional_config}"
            return progressing(why, _OPERATOR, code="child-not-attached")
        differ = sorted(key for key, value in (wanted.get("data") or {}).items() if data.get(key) != value)
        if differ:
            return progressing(
                f"isn't that of {regional} any more: {some(differ)}",
                "kof's operator looks again when its ClusterDeployment is applied again",
                code="child-config-old",
            )
        return IS_READY

    return _there(ref, judge, (Related("v1", "ConfigMap"),))


def server_group(ref: Ref, cluster: str, target: str, secret: str) -> Target:
    """The PromxyServerGroup that kof's operator makes for a regional cluster."""

    def judge(obj: Object | None, _lookup: Lookup) -> Readiness:
        if obj is None:
            return progressing("doesn't exist yet", _OPERATOR, code="server-group-missing")
        spec = obj.get("spec") or {}
        login = ((spec.get("http_client") or {}).get("basic_auth") or {}).get("credentials_secret_name")
        for what, found, wanted in (
            ("cluster_name", spec.get("cluster_name"), cluster),
            ("targets", spec.get("targets"), [target]),
            ("credentials_secret_name", login, secret),
        ):
            if found != wanted:
                return progressing(f"has another {what} than {wanted}", _OPERATOR, code="server-group-otherwise")
        return IS_READY

    return _there(ref, judge)


def _there(ref: Ref, judge: Callable[[Object | None, Lookup], Readiness], related: Sequence[Related] = ()) -> Target:
    """A judge of what has no status, for which that it is being deleted counts all the same."""

    def whole(obj: Object | None, lookup: Lookup) -> Readiness:
        verdict = before_status(obj, "it", observed=False) if obj else None
        return verdict or judge(obj, lookup)

    return Target(ref, whole, tuple(related))
