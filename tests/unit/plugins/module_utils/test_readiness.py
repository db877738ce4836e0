"""Verdicts on objects as they really look on their way to ready, and on those that never get there."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils import readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.readiness import FAILED, PROGRESSING, READY


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
            "helmReleaseSummaries": [{"releaseName": "s", "releaseNamespace": "kof", "status": "Managing"}],
            **status,
        },
    }


def test_a_cluster_is_ready_with_its_services():
    assert readiness.cluster_deployment(cluster(), [summary()]).state == READY


def test_a_cluster_without_services_needs_no_summary():
    bare = cluster()
    del bare["spec"]["serviceSpec"]
    assert readiness.cluster_deployment(bare, []).state == READY
    assert readiness.cluster_deployment(cluster(), [], services=[]).state == READY


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
        ([summary(helmReleaseSummaries=[])], "service kof/s isn't deployed yet"),
        ([summary(featureSummaries=[])], "Helm has no status yet"),
        ([summary(**helm("Provisioning"))], "Helm is Provisioning"),
        ([summary(**helm("Failed", "index of untyped nil"))], "index of untyped nil"),
        (
            [summary(helmReleaseSummaries=[{"releaseName": "s", "releaseNamespace": "kof", "status": "Conflict"}])],
            "managed by another profile",
        ),
    ],
)
def test_services_that_are_on_their_way(summaries, why):
    verdict = readiness.cluster_deployment(cluster(), summaries)
    assert verdict.state == PROGRESSING
    assert verdict.can_heal
    assert why in verdict.why


def test_a_service_that_failed_for_good_ends_it_even_before_the_cluster_is_ready():
    for status in ("True", "False"):
        verdict = readiness.cluster_deployment(
            cluster(conditions=conditions(Ready=status)), [summary(**helm("FailedNonRetriable", "values don't fit"))]
        )
        assert (verdict.state, verdict.can_heal) == (FAILED, False)
        assert "values don't fit" in verdict.why
        assert verdict.advice


def test_yesterday_s_ready_does_not_count():
    old = cluster(observedGeneration=1)
    assert readiness.cluster_deployment(old, [summary()]).state == PROGRESSING
    assert readiness.cluster_deployment({**old, "status": {}}, [summary()]).state == PROGRESSING


def test_what_is_being_deleted_or_gone_is_never_ready():
    going = cluster()
    going["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    verdict = readiness.cluster_deployment(going, [summary()])
    assert (verdict.state, verdict.can_heal) == (FAILED, False)
    assert "x/y" in verdict.why
    assert readiness.cluster_deployment(None, []).state == FAILED
    assert not readiness.cluster_deployment(None, []).can_heal
    for judge in (readiness.deployment, readiness.secret, readiness.grafana_datasource, readiness.exists):
        assert judge({"metadata": going["metadata"], "data": {}}).state == FAILED
        assert judge(None).state == PROGRESSING


def test_the_first_false_condition_is_the_reason():
    states = {"TemplateReady": "True", "ControlPlaneReady": "Unknown", "InfrastructureReady": "False", "Ready": "False"}
    verdict = readiness.cluster_deployment(
        cluster(conditions=conditions(**states)), [summary(**helm("Failed", "nope"))]
    )
    assert verdict.state == PROGRESSING
    assert verdict.why == "InfrastructureReady: about InfrastructureReady; services: Helm: nope"
    assert "quotas" in verdict.advice
    verdict = readiness.cluster_deployment(cluster(conditions=conditions(CredentialReady="False", Ready="False")))
    assert (verdict.state, verdict.can_heal) == (FAILED, True)
    assert readiness.cluster_deployment(cluster(conditions=[])).state == PROGRESSING


def test_dry_run_never_becomes_a_cluster():
    dry = copy.deepcopy(cluster())
    dry["spec"]["dryRun"] = True
    assert not readiness.cluster_deployment(dry, [summary()]).can_heal


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

    assert readiness.deployment(deployment(replicas=2, updatedReplicas=2, availableReplicas=2)).state == READY
    assert readiness.deployment(deployment(replicas=3, updatedReplicas=2, availableReplicas=2)).state == PROGRESSING
    assert readiness.deployment(deployment(replicas=2, updatedReplicas=2, availableReplicas=1)).state == PROGRESSING
    assert readiness.deployment(deployment()).why == "0 of 2 replicas are updated and available"
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    assert readiness.deployment(deployment(conditions=late)).state == FAILED
    none = {**deployment(), "spec": {"replicas": 0}}
    assert readiness.deployment(none).state == READY


def test_secrets_are_judged_without_being_quoted():
    value = base64.b64encode(b"hunter2").decode()
    found = {"metadata": {"name": "s"}, "data": {"a": value, "empty": ""}}
    assert readiness.secret(found, ["a"]).state == READY
    verdict = readiness.secret(found, ["a", "empty", "none"])
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
    assert readiness.gone(None).state == READY
    going = {"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}}
    assert "a/b" in readiness.gone(going).why
    assert readiness.gone({"metadata": {"name": "x"}}).state == PROGRESSING


def test_why_is_always_one_short_line():
    verdict = readiness.cluster_deployment(cluster(), [summary(**helm("Failed", "x\ny" * 1000))])
    assert "\n" not in verdict.why
    assert len(verdict.why) <= 300
