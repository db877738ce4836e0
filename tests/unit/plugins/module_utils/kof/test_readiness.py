"""Verdicts on objects as they really look on their way to ready, and on those that never get there."""

from __future__ import annotations

import base64
import copy
import re
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import FAILED, PROGRESSING, READY
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.readiness import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.sveltos import values_hash


def conditions(**states: Any) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": status, "message": f"about {kind}", "reason": "R"} for kind, status in states.items()
    ]


def cluster(**status: Any) -> dict[str, Any]:
    return {
        "kind": "ClusterDeployment",
        "metadata": {"name": "c", "namespace": "n", "generation": 2},
        "spec": {"serviceSpec": {"services": [{"name": "s", "namespace": "kof", "template": "t", "values": "a: 1"}]}},
        "status": {"observedGeneration": 2, "conditions": conditions(Ready="True"), **status},
    }


def release(values: str = "a: 1", **more: Any) -> dict[str, Any]:
    name = {"releaseName": "s", "releaseNamespace": "kof", "status": "Managing"}
    return {**name, "valuesHash": values_hash(values), **more}


def summary(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p--c-capi-c", "namespace": "n"},
        "spec": {
            "clusterName": "c",
            "clusterNamespace": "n",
            "clusterProfileSpec": {
                "helmCharts": [{"releaseName": "s", "releaseNamespace": "kof", "values": "a: 1"}],
            },
        },
        "status": {
            "featureSummaries": [{"featureID": "Helm", "status": "Provisioned"}],
            "helmReleaseSummaries": [release()],
            **status,
        },
    }


def judged(obj: Any, summaries: Any = (), services: Any = None, **more: Any) -> core.Readiness:
    return readiness.cluster_deployment(obj, Surroundings(summaries=summaries, **more), services)


def test_a_cluster_is_ready_with_its_services():
    assert judged(cluster(), [summary()]).state == READY


def test_a_cluster_without_services_needs_no_summary():
    bare = cluster()
    del bare["spec"]["serviceSpec"]
    assert judged(bare, []).state == READY
    assert judged(cluster(), [], services=[]).state == READY


def helm(status: str, message: str = "") -> dict[str, Any]:
    return {"featureSummaries": [{"featureID": "Helm", "status": status, "failureMessage": message}]}


OTHERS = summary()
OTHERS["metadata"]["name"] = "kof-storage-secrets-capi-c"
NEW_VALUES = summary()
NEW_VALUES["spec"]["clusterProfileSpec"]["helmCharts"][0]["values"] = "a: 0"


@pytest.mark.parametrize(
    ("summaries", "why"),
    [
        ([], "no ClusterSummary"),
        ([OTHERS], "no ClusterSummary"),
        ([NEW_VALUES], "hasn't taken over the new values of kof/s"),
        ([summary(helmReleaseSummaries=[release(valuesHash="")])], "service kof/s isn't deployed yet"),
        ([summary(helmReleaseSummaries=[release("a: 0")])], "hasn't deployed the new values of kof/s"),
        (
            [summary(helmReleaseSummaries=[release(), release(releaseName="old")])],
            "kof/old is no service of it any more",
        ),
        ([summary(helmReleaseSummaries=[])], "service kof/s isn't deployed yet"),
        ([summary(featureSummaries=[])], "Helm has no status yet"),
        ([summary(**helm("Provisioning"))], "Helm is Provisioning"),
        ([summary(**helm("Failed", "index of untyped nil"))], "Helm: index of untyped nil"),
        ([summary(**helm("Provisioning", "index of untyped nil"))], "Helm: index of untyped nil (being tried again)"),
        ([summary(**helm("FailedNonRetriable", "Referenced resource: ConfigMap n/x does not exist"))], "ConfigMap n/x"),
        (
            [summary(helmReleaseSummaries=[{"releaseName": "s", "releaseNamespace": "kof", "status": "Conflict"}])],
            "managed by another profile",
        ),
    ],
)
def test_services_that_are_on_their_way(summaries, why):
    verdict = judged(cluster(), summaries)
    assert verdict.state == PROGRESSING
    assert verdict.can_heal
    assert why in verdict.why


def test_a_disabled_service_is_not_waited_for():
    off = cluster()
    off["spec"]["serviceSpec"]["services"].append({"name": "t", "namespace": "kof", "template": "t-1", "disable": True})
    assert judged(off, [summary()]).state == READY
    # What it leaves behind is.
    left = summary(helmReleaseSummaries=[release(), release(releaseName="t")])
    assert "kof/t is no service of it any more" in judged(off, [left]).why


IMPORTED = (
    'Unable to continue with install: {} in namespace "" exists and cannot be imported into the current release: '
    "invalid ownership metadata; {}"
)
OF_ANOTHER = 'annotation validation error: key "meta.helm.sh/release-name" must equal "s": current value is "other"'
OF_NOBODY = 'label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"'


def test_what_others_installed_can_be_left_out():
    verdict = judged(cluster(), [summary(**helm("Provisioning", IMPORTED.format('CustomResourceDefinition "x"', "")))])
    assert "regional_disabled_services, child_disabled_services" in verdict.advice
    conflict = {"releaseName": "s", "releaseNamespace": "kof", "status": "Conflict"}
    assert "regional_disabled_services" in judged(cluster(), [summary(helmReleaseSummaries=[conflict])]).advice


def test_services_of_others_are_known_by_what_kcm_hands_on():
    def said(*entries: dict[str, Any]) -> list[str | None]:
        names = ("s", "cert-manager")
        spec = {"serviceSpec": {"services": [{"name": name, "template": "t", "namespace": "kof"} for name in names]}}
        found = readiness.kept_by_others({"spec": spec, "status": {"services": list(entries)}})
        assert all(message for _name, message in found)
        return [name for name, _message in found]

    def condition(type_: str, message: str, status: str = "False") -> dict[str, Any]:
        return {"conditions": [{"type": type_, "status": status, "message": message}]}

    crd = IMPORTED.format('CustomResourceDefinition "issuers.cert-manager.io"', OF_NOBODY)
    assert said(condition("Helm", crd)) == ["cert-manager"]
    assert said(condition("Helm", IMPORTED.format('ClusterRole "x"', OF_ANOTHER))) == ["s"]
    assert said(condition("Helm", IMPORTED.format('ClusterRole "x-y"', OF_NOBODY))) == [None]
    assert said(condition("kof.s/SveltosHelmReleaseReady", "Release kof/s: another profile has it")) == ["s"]
    assert said({"name": "cert-manager", "state": "Failed", "failureMessage": crd}) == ["cert-manager"]  # kcm 1.x
    assert said(condition("Helm", "timed out"), condition("kof.s/SveltosHelmReleaseReady", "", "True"), {}) == []


def test_what_is_missing_is_named_with_what_to_make_of_it():
    missing = "Referenced resource: ConfigMap kcm-system/aws-resource-template does not exist"
    features = [
        {"featureID": "Resources", "status": "FailedNonRetriable", "failureMessage": missing},
        {"featureID": "Helm", "status": "Provisioned"},
    ]
    verdict = judged(cluster(), [summary(featureSummaries=features)])
    assert (verdict.state, verdict.can_heal) == (PROGRESSING, True)
    assert missing in verdict.why
    assert "projectsveltos.io/template" in verdict.advice
    assert "chart" not in verdict.advice


@pytest.mark.parametrize("state", ["Failed", "Provisioning"])
def test_the_text_of_a_template_that_fails_is_not_told(state: str):
    """Sveltos quotes it whole, as Go's %q does, and it may be what a Secret of valuesFrom holds."""
    text = r'"password: \"TOPSECRET\"\nuser: {{ .Nope }}\n"'
    why = 'template: x:2:9: executing "x" at <.Nope>: map has no entry for key "Nope"'
    verdict = judged(cluster(), [summary(**helm(state, f"error executing template {text}: {why}"))])
    assert "TOPSECRET" not in verdict.why
    assert f"error executing template: {why}" in verdict.why
    cut = judged(cluster(), [summary(**helm(state, f"error executing template {text[:25]}"))])
    assert "TOPSECRET" not in cut.why


def test_no_login_is_cut_in_two():
    text = f"failed: {'x' * 40} https://robot:{'CANARY' * 40}@charts.example.com/x: 404 {'y' * 100}"
    assert "CAN" not in judged(cluster(), [summary(**helm("Failed", text))]).why


def test_a_config_that_the_chart_refuses_has_failed_for_good():
    """kcm renders the chart without a cluster, so that only another config ends this."""
    text = (
        "failed to validate template with provided configuration: values don't meet the specifications of the "
        "schema(s) in the following chart(s):\naws-standalone-cp:\n- workersNumber: Invalid type. Expected: integer, "
        "given: string\n"
    )
    bad = [{"type": "HelmChartReady", "status": "False", "message": text}, *conditions(Ready="False")]
    verdict = judged(cluster(conditions=bad))
    assert (verdict.state, verdict.can_heal) == (FAILED, False)
    assert "workersNumber: Invalid type. Expected: integer, given: string" in verdict.why
    assert "child_config" in verdict.advice
    for passing in (
        "failed to validate template with provided configuration: context canceled",
        "failed to download helm chart: no such host",
    ):
        verdict = judged(cluster(conditions=[{**bad[0], "message": passing}, bad[1]]))
        assert (verdict.state, verdict.can_heal) == (PROGRESSING, True), passing


def adopted(**status: Any) -> dict[str, Any]:
    return {"kind": "SveltosCluster", "metadata": {"name": "c", "namespace": "n"}, "spec": {}, "status": status}


def capi(**status: Any) -> dict[str, Any]:
    return {"kind": "Cluster", "metadata": {"name": "c", "namespace": "n"}, "spec": {}, "status": status}


def probe(status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "RemoteConnectionProbe", "status": status, "message": "last at 10:00"}]}


HEALTHY = adopted(connectionStatus="Healthy", ready=True)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (HEALTHY, ""),
        (adopted(), "hasn't connected"),
        (
            adopted(connectionStatus="Down", failureMessage="dial tcp: refused", connectionFailures=3),
            "dial tcp: refused",
        ),
        (adopted(connectionStatus="Healthy", failureMessage="dial tcp: refused", connectionFailures=1), "1 failures"),
        ({**HEALTHY, "spec": {"paused": True}}, "SveltosCluster is paused"),
        ({**capi(), "spec": {"paused": True}}, "Cluster is paused"),
        (capi(v1beta2=probe("False")), "Cluster API doesn't reach the cluster: last at 10:00"),
        (capi(**probe("False")), "Cluster API doesn't reach the cluster"),
        (capi(v1beta2=probe("Unknown")), ""),
        (capi(v1beta2=probe("True")), ""),
        (capi(), ""),
    ],
)
def test_a_cluster_is_ready_only_while_it_can_be_reached(found, why):
    for summaries in ([summary()], []):
        verdict = judged(cluster(), summaries, clusters=[found])
        assert why in verdict.why
        assert verdict.ready == (not why and bool(summaries))
        assert verdict.can_heal


def test_an_adopted_cluster_has_a_sveltoscluster():
    own = summary()
    own["spec"]["clusterType"] = "Sveltos"
    assert judged(cluster(), [own]).why == "it has no SveltosCluster"
    assert judged(cluster(), [own], clusters=[HEALTHY]).ready


def with_version(version: str, chart: str = "s/s") -> dict[str, Any]:
    own = summary()
    own["spec"]["clusterProfileSpec"]["helmCharts"][0] |= {"chartVersion": version, "chartName": chart}
    return own


def configuration(version: str, profile: str = "c") -> dict[str, Any]:
    charts = [{"namespace": "kof", "releaseName": "s", "chartVersion": version}] if version else []
    features = [{"featureID": "Helm", "charts": charts}]
    return {"status": {"profileResources": [{"profileName": profile, "Features": features}]}}


def template(version: str, chart: str = "s") -> dict[str, Any]:
    return {"spec": {"helm": {"chartSpec": {"chart": chart, "version": version}}}}


@pytest.mark.parametrize(
    ("wanted", "taken_over", "deployed", "why"),
    [
        ("1.2.0", "1.2.0", "1.2.0", ""),
        ("1.2.0", "1.1.0", "1.1.0", "hasn't taken over version 1.2.0 of kof/s"),
        ("1.2.0", "1.2.0", "1.1.0", "hasn't deployed version 1.2.0 of kof/s"),
        ("1.2.0", "1.2.0", "", "hasn't deployed version 1.2.0 of kof/s"),
        ("1.2.0", "1.2.0", "v1.2.0", ""),  # as Sveltos compares
        ("1.x", "1.x", "1.9.3", ""),
        ("1.x", "1.x", "", "hasn't deployed version 1.x"),
        ("1.2", "1.2.7", "1.2.7", ""),  # a range, too
        ("1.2", "1.2", "1.2.7", ""),
    ],
)
def test_the_chart_s_version_is_the_template_s_and_deployed(wanted, taken_over, deployed, why):
    verdict = judged(
        cluster(),
        [with_version(taken_over)],
        template={"t": template(wanted)}.get,
        configurations=[configuration(deployed)],
    )
    assert why in verdict.why
    assert verdict.ready == (not why)


def test_of_what_nobody_says_a_version_nothing_is_asked():
    assert judged(cluster(), [with_version("1.2.0")], configurations=[configuration("1.1.0", "another")]).ready
    by_reference = {"spec": {"helm": {"chartRef": {"kind": "HelmChart", "name": "x"}}}}
    assert judged(cluster(), [with_version("1.2.0")], template={"t": by_reference}.get).ready


def test_another_chart_under_the_same_name_and_version_is_seen():
    verdict = judged(cluster(), [with_version("1.2.0")], template={"t": template("1.2.0", "other")}.get)
    assert "hasn't taken over chart other of kof/s" in verdict.why


@pytest.mark.parametrize(
    ("chart", "name"),
    [
        ("s", "s"),
        ("s", "s/s"),
        ("team/charts/s", "team/charts/s"),  # in an OCI repository
        ("team/s", "team/s/team/s"),
        ("./charts/s", "./charts/s"),  # in a Git repository
    ],
)
def test_a_chart_may_be_a_path(chart: str, name: str):
    assert judged(cluster(), [with_version("1.2.0", name)], template={"t": template("1.2.0", chart)}.get).ready


@pytest.mark.parametrize(
    ("key", "refs", "feature"),
    [("kustomize", "kustomizationRefs", "Kustomize"), ("resources", "policyRefs", "Resources")],
)
def test_a_service_need_not_be_a_chart(key: str, refs: str, feature: str):
    """kcm 0.2 and newer: no release comes of a ServiceTemplate of kustomizations or plain manifests."""
    source = {"kind": "GitRepository", "name": "g", "namespace": "n"}
    plain = {"p": {"spec": {key: {"path": "./x"}}, "status": {"sourceStatus": source}}}
    obj, own = cluster(), summary()
    obj["spec"]["serviceSpec"]["services"].append({"name": "p", "namespace": "q", "template": "p"})

    def verdict() -> core.Readiness:
        return judged(obj, [own], template=plain.get)

    assert "hasn't taken over the service of q/p" in verdict().why
    own["spec"]["clusterProfileSpec"][refs] = [{**source, "path": "./x"}]
    assert f"{feature} has no status yet" in verdict().why
    features = own["status"]["featureSummaries"]
    features.append({"featureID": feature, "status": "Provisioning"})
    assert f"{feature} is Provisioning" in verdict().why
    features[-1]["status"] = "Provisioned"
    assert verdict().ready
    # What was a chart before is uninstalled first.
    own["spec"]["clusterProfileSpec"]["helmCharts"].append({"releaseName": "p", "releaseNamespace": "q"})
    assert "q/p is no service of it any more" in verdict().why


def test_values_from_other_objects_can_t_be_hashed_from_here():
    """Sveltos hashes those objects' data too: that it has deployed the service is all that can be seen."""
    source = [{"kind": "ConfigMap", "name": "x"}]
    obj, own = cluster(), summary(helmReleaseSummaries=[release("of both")])
    obj["spec"]["serviceSpec"]["services"][0]["valuesFrom"] = source
    assert "hasn't taken over the new valuesFrom" in judged(obj, [own]).why
    own["spec"]["clusterProfileSpec"]["helmCharts"][0]["valuesFrom"] = [{**source[0], "namespace": "n"}]
    assert judged(obj, [own]).ready
    own["status"]["helmReleaseSummaries"][0].pop("valuesHash")
    assert "isn't deployed yet" in judged(obj, [own]).why


def test_services_taken_away_are_waited_for():
    obj = cluster()
    obj["spec"]["serviceSpec"]["services"] = []
    assert "kof/s is no service of it any more" in judged(obj, [summary()]).why
    emptied = summary(helmReleaseSummaries=[], **helm("Provisioning"))
    emptied["spec"]["clusterProfileSpec"]["helmCharts"] = []
    assert "Helm is Provisioning" in judged(obj, [emptied]).why
    emptied["status"]["featureSummaries"][0]["status"] = "Provisioned"
    assert judged(obj, [emptied]).ready


def test_yesterday_s_ready_does_not_count():
    old = cluster(observedGeneration=1)
    assert judged(old, [summary()]).state == PROGRESSING
    assert judged({**old, "status": {}}, [summary()]).state == PROGRESSING


def test_what_is_being_deleted_or_gone_is_never_ready():
    going = cluster()
    going["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    verdict = judged(going, [summary()])
    assert (verdict.state, verdict.can_heal) == (FAILED, False)
    assert "x/y" in verdict.why
    assert judged(None, []).state == FAILED
    assert not judged(None, []).can_heal
    for judge in (
        core.deployment,
        core.secret,
        readiness.grafana_datasource,
        core.exists,
    ):
        assert judge({"metadata": going["metadata"], "data": {}}).state == FAILED
        assert judge(None).state == PROGRESSING


def test_the_first_false_condition_is_the_reason():
    states = {"TemplateReady": "True", "ControlPlaneReady": "Unknown", "InfrastructureReady": "False", "Ready": "False"}
    verdict = judged(cluster(conditions=conditions(**states)), [summary(**helm("Failed", "nope"))])
    assert verdict.state == PROGRESSING
    assert verdict.why == "InfrastructureReady: about InfrastructureReady; services: Helm: nope"
    assert "quotas" in verdict.advice
    verdict = judged(cluster(conditions=conditions(CredentialReady="False", Ready="False")))
    assert (verdict.state, verdict.can_heal) == (FAILED, True)
    assert judged(cluster(conditions=[])).state == PROGRESSING


def test_dry_run_never_becomes_a_cluster():
    dry = copy.deepcopy(cluster())
    dry["spec"]["dryRun"] = True
    assert not judged(dry, [summary()]).can_heal


def test_templates():
    def template(**status: Any) -> dict[str, Any]:
        return {"metadata": {"name": "t", "generation": 1}, "status": {"observedGeneration": 1, **status}}

    assert readiness.service_template(template(valid=True)).state == READY
    assert readiness.service_template(None).state == PROGRESSING
    verdict = readiness.service_template(template(valid=False, validationError="chart pull error"), 30)
    assert (verdict.state, verdict.recheck) == (PROGRESSING, 90)
    assert "chart pull error" in verdict.why
    verdict = readiness.service_template(template(valid=False, validationError="chart pull error"), 120)
    assert (verdict.state, verdict.can_heal) == (FAILED, False)
    assert (
        readiness.service_template({**template(valid=True), "metadata": {"name": "t", "generation": 2}}).state
        == PROGRESSING
    )


def test_deployments():
    def deployment(**status: Any) -> dict[str, Any]:
        return {
            "metadata": {"name": "d", "generation": 3},
            "spec": {"replicas": 2},
            "status": {"observedGeneration": 3, **status},
        }

    assert core.deployment(deployment(replicas=2, updatedReplicas=2, availableReplicas=2)).state == READY
    assert core.deployment(deployment(replicas=3, updatedReplicas=2, availableReplicas=2)).state == PROGRESSING
    assert core.deployment(deployment(replicas=2, updatedReplicas=2, availableReplicas=1)).state == PROGRESSING
    for enough, since in (("True", "2026-03-01T00:00:00Z"), ("False", "2026-01-01T00:00:00Z")):
        conditions = [
            {"type": "Available", "status": enough, "lastTransitionTime": "2026-01-01T00:00:00Z"},
            {
                "type": "Progressing",
                "status": "True",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "lastUpdateTime": "2026-03-01T00:00:00Z",
            },
        ]
        rolling = deployment(replicas=3, updatedReplicas=1, availableReplicas=2, conditions=conditions)
        assert core.deployment(rolling).since == since
    assert core.deployment(deployment()).why == "0 of 2 replicas are updated and available"
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    assert core.deployment(deployment(conditions=late)).state == FAILED
    none = {**deployment(), "spec": {"replicas": 0}}
    assert core.deployment(none).state == READY


def test_secrets_are_judged_without_being_quoted():
    value = base64.b64encode(b"hunter2").decode()
    found = {"metadata": {"name": "s"}, "data": {"a": value, "empty": ""}}
    assert core.secret(found, ["a"]).state == READY
    verdict = core.secret(found, ["a", "empty", "none"])
    assert verdict.why == "has no value at empty, none yet"
    assert value not in str(verdict)


def test_datasources():
    def datasource(**status: Any) -> dict[str, Any]:
        return {"metadata": {"name": "g", "generation": 1}, "status": status}

    assert readiness.grafana_datasource(datasource(hash="x", uid="y")).state == READY
    assert "instanceSelector" in readiness.grafana_datasource(datasource(NoMatchingInstances=True, hash="x")).why
    assert "no key" in readiness.grafana_datasource(datasource(lastMessage="no key", hash="x")).why
    assert readiness.grafana_datasource(datasource()).state == PROGRESSING


def test_credentials_and_gone():
    assert readiness.credential({"metadata": {"name": "c"}, "status": {"ready": True}}).state == READY
    assert readiness.credential({"metadata": {"name": "c"}}).state == PROGRESSING
    assert core.gone(None).state == READY
    going = {"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}}
    assert "a/b" in core.gone(going).why
    assert core.gone({"metadata": {"name": "x"}}).state == PROGRESSING


def test_a_cluster_that_hangs_in_deletion_names_what_kcm_misses():
    going = cluster()
    going["metadata"] |= {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["k0rdent.mirantis.com/cluster-deployment"],
    }
    going["spec"]["credential"] = "aws"
    fine, valid = {"status": {"ready": True}}, {"status": {"valid": True}}
    for credential, used, cause in (
        (None, valid, "Credential aws doesn't exist"),
        ({"status": {}}, valid, "Credential aws isn't ready"),
        (fine, None, "ServiceTemplate t doesn't exist"),
        (fine, {"status": {"valid": False}}, "ServiceTemplate t isn't valid"),
        (fine, valid, ""),
    ):
        verdict = readiness.cluster_gone(going, lambda _name, it=credential: it, lambda _name, it=used: it)
        assert verdict.state == PROGRESSING
        assert cause in verdict.why
        assert ("kcm wants it" in verdict.why) == bool(cause)
        assert verdict.advice
    going["metadata"]["finalizers"] = ["somebody/else"]
    assert "Credential" not in readiness.cluster_gone(going, lambda _name: None, lambda _name: None).why
    assert readiness.cluster_gone(None, lambda _name: None, lambda _name: None).ready


def test_why_is_always_one_short_line():
    verdict = judged(cluster(), [summary(**helm("Failed", "x\ny" * 1000))])
    assert "\n" not in verdict.why
    assert len(verdict.why) <= 300


# -- clusters that live on


CONNECTED = {"connectionStatus": "Healthy", "ready": True}


def of_adopted(**status: Any) -> dict[str, Any]:
    found = summary(**status)
    found["metadata"]["name"] = "p--c-sveltos-c"
    found["spec"]["clusterType"] = "Sveltos"
    return found


def copying(profile: str) -> dict[str, Any]:
    owner = {"kind": "ClusterProfile", "name": profile}
    return {
        "metadata": {"name": f"{profile}-sveltos-c", "ownerReferences": [owner]},
        "spec": {"clusterType": "Sveltos"},
    }


def test_a_cluster_that_was_adopted_lives_on():
    assert readiness.lives_on(Surroundings(clusters=[adopted()]))
    assert readiness.lives_on(Surroundings(summaries=[of_adopted()]))  # the SveltosCluster may not be readable
    assert not readiness.lives_on(Surroundings(summaries=[summary()], clusters=[{"kind": "Cluster"}]))
    assert not readiness.lives_on(Surroundings())


def without_charts(**status: Any) -> dict[str, Any]:
    found = of_adopted(**status)
    found["spec"]["clusterProfileSpec"]["helmCharts"] = []
    return found


PROVISIONING = [{"featureID": "Helm", "status": "Provisioning", "failureMessage": "timed out"}]


@pytest.mark.parametrize(
    ("summaries", "connection", "why"),
    [
        ([of_adopted(helmReleaseSummaries=[])], CONNECTED, "hasn't seen yet that the services must go"),
        ([without_charts()], CONNECTED, "being uninstalled: kof/s"),
        # The list of releases is emptied as soon as they are being uninstalled: seen 43 s before they were.
        ([without_charts(helmReleaseSummaries=[], featureSummaries=PROVISIONING)], CONNECTED, "timed out"),
        ([without_charts()], {"connectionStatus": "Down", "failureMessage": "refused"}, "Down\\): refused"),
        ([copying("kof-storage-secrets")], CONNECTED, "Secrets of ClusterProfile kof-storage-secrets"),
    ],
)
def test_services_are_not_gone_yet(summaries: Any, connection: dict[str, Any], why: str):
    around = Surroundings(summaries=summaries, clusters=[adopted(**connection)])
    found = readiness.services_gone(cluster(), around, ["kof-storage-secrets"])
    assert found.state == PROGRESSING
    assert re.search(why, found.why), found.why


@pytest.mark.parametrize(
    "summaries",
    [
        [],
        [without_charts(helmReleaseSummaries=[])],
        [without_charts(helmReleaseSummaries=[], featureSummaries=[]), copying("somebodys-own")],
    ],
)
def test_services_are_gone(summaries: Any):
    around = Surroundings(summaries=summaries, clusters=[adopted(**CONNECTED)])
    assert readiness.services_gone(cluster(), around, ["kof-storage-secrets"]).ready
    assert readiness.services_gone(None, Surroundings(summaries=[of_adopted()])).ready


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (None, ""),  # the operator says nothing of a rule that it takes
        ({"status": "operational"}, ""),
        ({"status": "failed"}, "alert-rules-refused"),
        ({"lastSyncError": "cannot parse expr"}, "alert-rules-refused"),
        ("gone", "alert-rules-missing"),
    ],
)
def test_vm_rule(status: Any, code: str) -> None:
    rule = None if status == "gone" else {"metadata": {"name": "a", "namespace": "kof"}, "status": status}
    assert readiness.vm_rule(rule).code == code
