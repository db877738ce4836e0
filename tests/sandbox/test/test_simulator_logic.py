"""The simulator's pure parts: what it decides and what it renders, without a server."""

from __future__ import annotations

import base64
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.simulator import (
    admission,
    conditions,
    faults,
    gotemplate,
    grafana,
    promxy,
    provisioners,
    sources,
    summaries,
    sveltos,
    texts,
)
from sandbox.simulator.deployments import cluster_labels, config_problem, credential_refs, services_status
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    MULTI_CLUSTER_SERVICE,
    SERVICE_TEMPLATE,
    SVELTOS_CLUSTER,
    Kind,
)
from sandbox.simulator.runtime import Later, Queue

# promxy: durations as Go reads and writes them


@pytest.mark.parametrize(
    ("given", "written"),
    [("5s", "5s"), ("60s", "1m0s"), ("1500ms", "1.5s"), ("1m30s", "1m30s"), ("2h", "2h0m0s"), ("0", "0s"), ("0s", "0s"),
     ("250us", "250µs"), ("-3s", "-3s"), ("1.25s", "1.25s"), (".5s", "500ms"), ("90ns", "90ns")],
)  # fmt: skip
def test_durations_come_out_as_go_writes_them(given: str, written: str) -> None:
    assert promxy.format_duration(promxy.parse_duration(given)) == written


@pytest.mark.parametrize("given", ["5", "", "s", "5 s", "1d", "5s!", "-"])
def test_durations_that_go_refuses_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        promxy.parse_duration(given)


def _group(**spec: Any) -> dict[str, Any]:
    auth = {"credentials_secret_name": "s", "username_key": "username", "password_key": "password"}
    client = {"dial_timeout": "5s", "tls_config": {"insecure_skip_verify": True}, "basic_auth": auth}
    return {"cluster_name": "c", "targets": ["a:443", "b:443"], "path_prefix": "/p/", "scheme": "https",
            "http_client": client, **spec}  # fmt: skip


def test_the_promxy_configuration_holds_every_group() -> None:
    text = promxy.render([(_group(), "u", "p"), (_group(cluster_name="d"), "v", "q")])
    config = yaml.safe_load(text)
    assert config["remote_write"] == [{"url": promxy.REMOTE_WRITE_URL}]
    assert [g["labels"]["promxyCluster"] for g in config["promxy"]["server_groups"]] == ["c", "d"]
    first = config["promxy"]["server_groups"][0]
    assert first["static_configs"] == [{"targets": ["a:443", "b:443"]}]
    assert first["http_client"] == {
        "dial_timeout": "5s",
        "tls_config": {"insecure_skip_verify": True},
        "basic_auth": {"username": "u", "password": "p"},
    }


def test_the_promxy_configuration_of_an_empty_group_has_the_operators_defaults() -> None:
    group = yaml.safe_load(promxy.render([({}, "", "")]))["promxy"]["server_groups"][0]
    assert (group["scheme"], group["path_prefix"], group["labels"]["promxyCluster"]) == ("", "", "")
    assert group["http_client"]["dial_timeout"] == "0s"
    assert group["http_client"]["tls_config"]["insecure_skip_verify"] is False


def test_a_quote_in_a_password_breaks_the_promxy_configuration_of_all() -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(promxy.render([(_group(), "u", "fine"), (_group(), "u", 'a"b')]))


def test_missing_keys_are_empty_but_a_missing_secret_is_an_error() -> None:
    assert promxy.credentials(_group(), lambda _name: {"username": base64.b64encode(b"u").decode()}) == ("u", "")
    with pytest.raises(promxy.CredentialsMissing):
        promxy.credentials(_group(), lambda _name: None)
    with pytest.raises(promxy.CredentialsMissing):
        promxy.credentials(_group(http_client={}), lambda _name: {})


# Grafana

_FROM_SECRET = [
    {"targetPath": "basicAuthUser", "valueFrom": {"secretKeyRef": {"name": "s", "key": "username"}}},
    {"targetPath": "secureJsonData.basicAuthPassword", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
]


def test_a_datasource_gets_its_credentials_where_the_placeholders_are() -> None:
    datasource = {"basicAuthUser": "${username}", "secureJsonData": {"basicAuthPassword": "x-$password"}}
    filled = grafana.substitute(datasource, _FROM_SECRET, lambda _kind, _name, key: f"<{key}>")
    assert filled == {"basicAuthUser": "<username>", "secureJsonData": {"basicAuthPassword": "x-<password>"}}
    assert datasource["basicAuthUser"] == "${username}"


@pytest.mark.parametrize("datasource", [{}, {"basicAuthUser": "${username}"}, {"basicAuthUser": 1}])
def test_a_datasource_without_placeholders_is_an_error(datasource: dict[str, Any]) -> None:
    with pytest.raises(grafana.CannotResolve, match="pattern must be a string"):
        grafana.substitute(datasource, _FROM_SECRET, lambda _kind, _name, key: key)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({"matchLabels": {"dashboards": "grafana"}}, True),
        ({"matchLabels": {"dashboards": "other"}}, False),
        ({"matchExpressions": [{"key": "dashboards", "operator": "In", "values": ["grafana"]}]}, True),
        ({"matchExpressions": [{"key": "dashboards", "operator": "NotIn", "values": ["grafana"]}]}, False),
        ({"matchExpressions": [{"key": "dashboards", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "dashboards", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "dashboards", "operator": "Nonsense"}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any], chosen: bool) -> None:
    assert grafana.selects(selector, {"dashboards": "grafana"}) is chosen


# Values strings are Go templates


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a: b\n", "a: b\n"),
        ('x: {{ "{{" }} $labels.x }}', "x: {{ $labels.x }}"),
        ("x: {{`{{ $labels.x }}`}}!", "x: {{ $labels.x }}!"),
        ('{{ "\\"}}\\u00e9" }}', '"}}é'),
        ("a {{- `b` -}} c", "abc"),
        ("a{{/* gone }} */}}b", "ab"),
        ("}}", "}}"),
    ],
)
def test_literals_in_values_are_evaluated(text: str, result: str) -> None:
    assert gotemplate.evaluate(text, "t") == result


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ $labels.x }}", 'undefined variable "\\$labels"'),
        ("{{ nothing }}", 'function "nothing" not defined'),
        ("a {{ b", "unclosed action"),
        ("{{ .Cluster.metadata.name }}", "unexpected"),
        ("{{ }}", "unexpected"),
    ],
)
def test_other_templates_in_values_are_refused(text: str, problem: str) -> None:
    with pytest.raises(gotemplate.TemplateError, match=problem):
        gotemplate.evaluate(text, "t")


# Conditions


def test_ready_is_false_if_one_is_false_and_unknown_if_one_is_unknown() -> None:
    found: list[dict[str, Any]] = []
    conditions.set_condition(found, "A", "True", "Succeeded", "fine")
    conditions.aggregate_ready(found)
    assert (conditions.find(found, "Ready") or {})["message"] == "ClusterDeployment is ready"
    assert conditions.is_true(found, "Ready")
    conditions.set_condition(found, "B", "Unknown", "Progressing", "not yet")
    conditions.aggregate_ready(found)
    ready = conditions.find(found, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"], ready["message"]) == ("Unknown", "Progressing", "not yet. ")
    conditions.set_condition(found, "C", "False", "Failed", "broken")
    conditions.set_condition(found, "D", "False", "Failed", "too")
    conditions.aggregate_ready(found)
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "Failed", "broken. too. ")


def test_a_transition_time_moves_with_the_status_only() -> None:
    found = [{"type": "A", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "then"}]
    conditions.set_condition(found, "A", "True", "Other", "text")
    assert (found[0]["lastTransitionTime"], found[0]["reason"]) == ("then", "Other")
    conditions.set_condition(found, "A", "False", "Other", "text")
    assert found[0]["lastTransitionTime"] != "then"


# Faults


def test_faults_are_read_and_wrong_ones_named() -> None:
    assert faults.parse({"slow_seconds": 3, "never_ready": ["a"]}) == faults.FaultSet(3.0, never_ready=frozenset({"a"}))
    wrong: Any
    for wrong in ({"nonsense": 1}, {"slow_seconds": -1}, {"slow_seconds": True}, {"never_ready": "a"}, []):
        with pytest.raises(ValueError, match=r"fault|seconds|list|object"):
            faults.parse(wrong)


def test_a_half_written_fault_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    current = faults.Faults(file)
    file.write_text(json.dumps({"never_ready": ["a"]}))
    assert current.current().never_ready == {"a"}
    file.write_text('{"never_ready": [')
    assert current.current().never_ready == {"a"}
    file.unlink()
    assert current.current() == faults.FaultSet()


def test_the_sandbox_and_the_simulator_know_the_same_faults() -> None:
    from sandbox import faults as switches

    assert faults.parse(switches.none()) == faults.FaultSet()
    assert set(switches.SWITCHES) == set(vars(faults.FaultSet()))


# Labels and matching


def _deployment(config: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "c", "namespace": "n", "labels": labels}, "spec": {"config": config}}


def test_a_clusters_labels_are_those_of_the_config_or_else_the_deployments_own() -> None:
    own = cluster_labels(_deployment({}, {"a": "b"}))
    assert own["a"] == "b"
    assert "a" not in cluster_labels(_deployment({"clusterLabels": {}}, {"a": "b"}))
    chosen = cluster_labels(_deployment({"clusterLabels": {"x": "y"}}, {"a": "b"}))
    assert (chosen.get("a"), chosen["x"]) == (None, "y")


def _profile(kind: str, selector: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "p", "namespace": "n"}, "spec": {"clusterSelector": selector, **spec}}


def test_profiles_match_by_label_within_their_namespace() -> None:
    cluster = {"metadata": {"name": "c", "namespace": "n", "labels": {"a": "b"}}}
    elsewhere = {"metadata": {**cluster["metadata"], "namespace": "m"}}
    by_label = {"matchLabels": {"a": "b"}}
    assert sveltos.matches(_profile("ClusterProfile", by_label), elsewhere)
    assert sveltos.matches(_profile("Profile", by_label), cluster)
    assert not sveltos.matches(_profile("Profile", by_label), elsewhere)
    assert not sveltos.matches(_profile("ClusterProfile", {}), cluster)
    assert not sveltos.matches(_profile("ClusterProfile", None), cluster)
    assert sveltos.matches(_profile("ClusterProfile", None, clusterRefs=[{"namespace": "n", "name": "c"}]), cluster)


def test_summaries_are_named_as_sveltos_names_them() -> None:
    assert sveltos.summary_name(_profile("ClusterProfile", {}), "c") == "p-capi-c"
    assert sveltos.summary_name(_profile("Profile", {}), "c") == "p--p-capi-c"
    assert sveltos.summary_name(_profile("Profile", {}), "c", SVELTOS_CLUSTER) == "p--p-sveltos-c"


def test_secret_templates_are_copies_and_nothing_else() -> None:
    assert summaries.copies('{{ copy "secret-a" }}\n') == ["secret-a"]
    assert summaries.copies("plain: text") == []
    with pytest.raises(summaries.DeployFailed):
        summaries.copies('{{ getField "x" "y" }}')


def test_the_services_status_follows_the_summary() -> None:
    deployment = {"metadata": {"name": "c", "namespace": "n"}}
    summary: dict[str, Any] = {
        "status": {
            "featureSummaries": [{"featureID": "Helm", "status": "Failed", "failureMessage": "no"}],
            "helmReleaseSummaries": [{"releaseName": "r", "releaseNamespace": "s", "status": "Managing"}],
        }
    }
    assert services_status(deployment, None) == []
    assert services_status(deployment, {}) == [{"clusterName": "c", "clusterNamespace": "n"}]
    helm, release = services_status(deployment, summary)[0]["conditions"]
    assert (helm["type"], helm["status"], helm["reason"], helm["message"]) == ("Helm", "False", "Failed", "no")
    assert (release["type"], release["status"], release["reason"]) == (
        "s.r/SveltosHelmReleaseReady",
        "True",
        "Managing",
    )
    assert release["message"] == "Release s/r"
    # The message outlives the failure, and while there is one the condition is False; without, Provisioning is True.
    summary["status"]["featureSummaries"][0]["status"] = "Provisioning"
    helm, release = services_status(deployment, summary)[0]["conditions"]
    assert (helm["status"], helm["reason"], helm["message"]) == ("False", "Provisioning", "no")
    del summary["status"]["featureSummaries"][0]["failureMessage"]
    summary["status"]["helmReleaseSummaries"][0].update(status="Conflict", conflictMessage="managed by p")
    helm, release = services_status(deployment, summary)[0]["conditions"]
    assert (helm["status"], helm["reason"], helm["message"]) == ("True", "Provisioning", "")
    assert (release["status"], release["message"]) == ("False", "Release s/r: managed by p")


# What the real chain says


@pytest.mark.parametrize(
    ("values", "stamp"),  # as recorded on a real management cluster
    [
        ("", "Eq4yyx7ALQHto1gbEnwf7jsNxTVy7WuvI5choD2C4SY="),
        ("cert-manager:\n  crds:\n    enabled: true\n", "5aWdA2n8mzuNcUm4jFmOOSWZcvabnN1Z0wyEJm4Bg1U="),
    ],
)
def test_the_values_hash_is_the_one_that_sveltos_writes(values: str, stamp: str) -> None:
    assert texts.values_hash(values) == stamp


def test_text_is_quoted_as_go_quotes_it() -> None:
    assert texts.quote('a"b\\c\n\té\x7f\u00a0\u2028\U000e0001') == '"a\\"b\\\\c\\n\\té\\x7f\\u00a0\\u2028\\U000e0001"'


def test_a_failure_message_stays_until_it_is_provisioned() -> None:
    status: dict[str, Any] = {}
    seen = []
    for state, message in (("Provisioning", None), ("Failed", "no"), ("Provisioning", None), ("Provisioned", None)):
        summaries.set_feature(status, "Helm", state, "hash", message)
        seen.append((status["featureSummaries"][0]["status"], status["featureSummaries"][0].get("failureMessage")))
    assert seen == [("Provisioning", None), ("Failed", "no"), ("Provisioning", "no"), ("Provisioned", None)]
    assert "consecutiveFailures" not in status["featureSummaries"][0]


def test_a_chart_that_refuses_its_values_is_quoted() -> None:
    defaults = {"workersNumber": 2, "region": "", "bastion": {"enabled": False}, "clusterLabels": {}}
    fine = {"workersNumber": 3, "unknown": 1, "clusterLabels": {"a": "b"}, "region": None}
    assert config_problem("aws-standalone-cp", fine, defaults) is None
    assert config_problem("aws-standalone-cp", {"workersNumber": "three", "bastion": {"enabled": 1}}, defaults) == (
        "values don't meet the specifications of the schema(s) in the following chart(s):\naws-standalone-cp:\n"
        "- workersNumber: Invalid type. Expected: number, given: string\n"
        "- bastion.enabled: Invalid type. Expected: boolean, given: integer\n"
    )


def test_a_cluster_gets_what_its_credential_names_unless_told_not_to() -> None:
    aws = {"spec": {"identityRef": {"apiVersion": "v", "kind": "AWSClusterStaticIdentity", "name": "id"}}}
    secret = {"spec": {"identityRef": {"apiVersion": "v1", "kind": "Secret", "name": "kube", "namespace": "n"}}}
    refs, policies = credential_refs({"spec": {}}, aws)
    assert [(ref["identifier"], ref["resource"]["name"]) for ref in refs] == [
        ("InfrastructureProviderIdentity", "id"),
        ("InfrastructureProviderIdentitySecret", "id-secret"),
    ]
    assert policies == [{"kind": "ConfigMap", "name": "id-resource-template", "deploymentType": "Remote"}]
    refs, policies = credential_refs({"spec": {"propagateCredentials": True}}, secret)
    assert refs == [{"identifier": "InfrastructureProviderIdentity", "resource": secret["spec"]["identityRef"]}]
    assert policies == [
        {"kind": "ConfigMap", "name": "kube-resource-template", "namespace": "n", "deploymentType": "Remote"}
    ]
    assert credential_refs({"spec": {"propagateCredentials": False}}, aws) == ([], [])


def test_a_copied_secret_keeps_what_helm_wrote_on_it_and_says_where_it_comes_from() -> None:
    helm = {"meta.helm.sh/release-name": "kof-mothership", "meta.helm.sh/release-namespace": "kof"}
    meta = {"name": "s", "namespace": "kof", "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": helm}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**meta, "uid": "u"},
        "type": "Opaque",
        "data": {"a": "Yg=="},
    }
    policy = {"kind": "ConfigMap", "metadata": {"name": "template", "namespace": "kof"}}
    owner = {"apiVersion": "config.projectsveltos.io/v1beta1", "kind": "ClusterProfile", "name": "p", "uid": "1"}
    summary = {
        "metadata": {"name": "x", "namespace": "n", "ownerReferences": [owner]},
        "spec": {"clusterProfileSpec": {"tier": 100}},
    }
    copied = summaries.copy_of(secret, policy, summary)
    stamp = copied["metadata"]["annotations"].pop("projectsveltos.io/hash")
    assert stamp.startswith("sha256:")
    assert copied == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "namespace": "kof",
            "labels": {
                "app.kubernetes.io/managed-by": "Helm",
                "projectsveltos.io/reference-kind": "ConfigMap",
                "projectsveltos.io/reference-name": "template",
                "projectsveltos.io/reference-namespace": "kof",
                "projectsveltos.io/reason": "Resources",
            },
            "annotations": {**helm, "projectsveltos.io/owner-tier": "100"},
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "data": {"a": "Yg=="},
    }


# Chart places


def test_public_charts_come_from_the_sandboxs_registry() -> None:
    ours = sources.stand_ins({"registry": "h:1", "index": "http://h:2"})
    found = sources.source("oci://ghcr.io/k0rdent/catalog/charts", "c", False, ours)
    assert found == sources.ChartSource("oci://h:1/catalog/charts/c", True)
    assert sources.source("oci://ghcr.io/k0rdent/kof/charts", "c", False, {}).plain_http is False
    assert sources.source("oci://mirror:5/kof/", "c", True, ours) == sources.ChartSource("oci://mirror:5/kof/c", True)
    for url in ("https://charts.jetstack.io", "https://charts.jetstack.io/"):
        assert sources.source(url, "c", False, ours) == sources.ChartSource("c", True, "http://h:2/jetstack")
    assert sources.source("http://h:2/kof/", "c", True, ours) == sources.ChartSource("c", True, "http://h:2/kof")


# Volumes


def _claim(**annotations: str) -> dict[str, Any]:
    names = {"asked": "volume.kubernetes.io/storage-provisioner", "node": "volume.kubernetes.io/selected-node"}
    return {
        "metadata": {
            "name": "p", "namespace": "n", "uid": "u",
            "annotations": {names[key]: value for key, value in annotations.items()},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Pending"},
    }  # fmt: skip


def test_a_volume_is_made_when_the_class_can_and_the_claim_asks() -> None:
    immediate = {"metadata": {"name": "sc"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}
    waiting = {**immediate, "volumeBindingMode": "WaitForFirstConsumer"}
    volume = provisioners.volume_for(_claim(asked="x"), immediate)
    assert volume is not None
    assert volume["spec"]["claimRef"]["uid"] == "u"
    assert volume["spec"]["capacity"] == {"storage": "1Gi"}
    assert provisioners.volume_for(_claim(), immediate) is None
    assert provisioners.volume_for(_claim(asked="x"), waiting) is None
    assert provisioners.volume_for(_claim(asked="x", node="w"), waiting) is not None
    manual = {**immediate, "provisioner": "kubernetes.io/no-provisioner"}
    assert provisioners.volume_for(_claim(asked="x"), manual) is None


# Admission


class _Objects:
    """A lookup in what the test made."""

    def __init__(self) -> None:
        self.found: dict[tuple[Kind, str, str], dict[str, Any]] = {}

    def add(self, kind: Kind, name: str, *, namespace: str = "kcm-system", **rest: Any) -> dict[str, Any]:
        obj = {"metadata": {"name": name, "namespace": namespace}, **rest}
        self.found[kind, namespace, name] = obj
        return obj

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return self.found.get((kind, namespace, name))

    def all(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        return [obj for (k, space, _), obj in self.found.items() if k is kind and namespace in (None, space)]


@pytest.fixture
def objects() -> _Objects:
    lookup = _Objects()
    good = {"valid": True, "providers": ["infrastructure-aws"]}
    lookup.add(CLUSTER_TEMPLATE, "aws-1", status=good)
    lookup.add(CLUSTER_TEMPLATE, "aws-2", status=good)
    lookup.add(CLUSTER_TEMPLATE, "bad", status={"valid": False, "validationError": "no contract"})
    lookup.add(CLUSTER_TEMPLATE, "bare", status={"valid": True})
    lookup.add(CLUSTER_TEMPLATE, "adopted", status={"valid": True, "providers": ["infrastructure-internal"]})
    lookup.add(SERVICE_TEMPLATE, "nginx", status=good)
    lookup.add(SERVICE_TEMPLATE, "new")
    lookup.add(SERVICE_TEMPLATE, "elsewhere", namespace="other", status=good)
    aws = {"identityRef": {"kind": "AWSClusterStaticIdentity"}}
    lookup.add(CREDENTIAL, "cred", spec=aws, status={"ready": True})
    lookup.add(CREDENTIAL, "unready", spec=aws, status={"ready": False})
    lookup.add(CREDENTIAL, "wrong", spec={"identityRef": {"kind": "Secret"}}, status={"ready": True})
    return lookup


def _review(lookup: _Objects, kind: Kind, operation: str, obj: Any = None, old: Any = None) -> dict[str, Any]:
    request = {"uid": "1", "kind": {"kind": kind.kind}, "operation": operation, "object": obj, "oldObject": old}
    return admission.review(lookup, request)


def _cld(template: str = "aws-1", credential: str = "cred", *services: str, **spec: Any) -> dict[str, Any]:
    service_spec = {"services": [{"name": name, "template": name} for name in services], **spec}
    return {
        "metadata": {"name": "c", "namespace": "kcm-system"},
        "spec": {"template": template, "credential": credential, "serviceSpec": service_spec},
    }


_ELSEWHERE = {"kind": "Secret", "name": "s", "namespace": "kof"}


@pytest.mark.parametrize(
    ("deployment", "problem"),
    [
        (_cld("bad"), "the template is not valid: no contract"),
        (_cld("bare"), 'template "bare" has no providers defined'),
        (_cld("aws-1", "unready"), "credential is not Ready"),
        (_cld("aws-1", "wrong"), 'wrong kind of the ClusterIdentity "Secret" for provider "infrastructure-aws"'),
        (_cld("adopted", "cred"), 'wrong kind of the ClusterIdentity "AWSClusterStaticIdentity" for provider '
         '"infrastructure-internal"'),
        (_cld("aws-1", "cred", "new"), "the template is not valid: "),
        (
            _cld(templateResourceRefs=[{"identifier": "i", "resource": _ELSEWHERE}]),
            'Secret "s" is in namespace kof, cannot refer to a resource in a namespace other than kcm-system '
            "in .spec.serviceSpec.templateResourceRefs",
        ),
        (
            _cld(services=[{"name": "n", "template": "nginx", "valuesFrom": [_ELSEWHERE]}]),
            'Secret "s" is in namespace kof, cannot refer to a resource in a namespace other than kcm-system '
            "in .spec.serviceSpec.services[].valuesFrom",
        ),
    ],
)  # fmt: skip
def test_a_cluster_deployment_is_refused(objects: _Objects, deployment: dict[str, Any], problem: str) -> None:
    for operation, old in (("CREATE", None), ("UPDATE", deployment)):
        answer = _review(objects, CLUSTER_DEPLOYMENT, operation, deployment, old)
        if operation == "UPDATE" and deployment["spec"]["template"] == "bad":
            continue  # kcm looks at a template's validity only where it is new
        assert answer["allowed"] is False
        assert (answer["status"]["code"], answer["status"]["reason"]) == (403, "Forbidden")
        assert answer["status"]["message"] == f"the ClusterDeployment is invalid: {problem}"


@pytest.mark.parametrize(
    ("deployment", "kind"),
    [
        (_cld("nope"), "ClusterTemplate"),
        (_cld("aws-1", "nope"), "Credential"),
        (_cld("aws-1", "cred", "nginx", "nope", "nope-too"), "ServiceTemplate"),
        (_cld("aws-1", "cred", "new", "nope"), "ServiceTemplate"),
        (_cld(services=[{"name": "n", "template": "nope", "disable": True}]), "ServiceTemplate"),
    ],
)
def test_what_is_missing_is_answered_as_the_api_server_answers_it(
    objects: _Objects, deployment: dict[str, Any], kind: str
) -> None:
    for operation, old in (("CREATE", None), ("UPDATE", deployment)):
        status = _review(objects, CLUSTER_DEPLOYMENT, operation, deployment, old)["status"]
        assert (status["code"], status["reason"]) == (404, "NotFound")
        assert status["message"] == f'{kind}.k0rdent.mirantis.com "nope" not found'
        assert status["details"] == {"group": "k0rdent.mirantis.com", "kind": kind, "name": "nope"}


def test_a_service_of_another_namespace_is_missing(objects: _Objects) -> None:
    status = _review(objects, CLUSTER_DEPLOYMENT, "CREATE", _cld("aws-1", "cred", "elsewhere"))["status"]
    assert status["message"] == 'ServiceTemplate.k0rdent.mirantis.com "elsewhere" not found'


def test_a_good_cluster_deployment_is_allowed(objects: _Objects) -> None:
    assert _review(objects, CLUSTER_DEPLOYMENT, "CREATE", _cld("aws-1", "cred", "nginx"))["allowed"]
    assert _review(objects, CLUSTER_DEPLOYMENT, "CREATE", _cld("adopted", "wrong"))["allowed"]


def test_the_removal_of_a_finalizer_is_judged_too(objects: _Objects) -> None:
    dying = _cld("aws-1", "cred", "nginx")
    dying["metadata"]["deletionTimestamp"] = "now"
    assert _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", dying, dying)["allowed"]
    credential = objects.found.pop((CREDENTIAL, "kcm-system", "cred"))
    assert _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", dying, dying)["status"]["code"] == 404
    objects.found[CREDENTIAL, "kcm-system", "cred"] = credential
    objects.get(SERVICE_TEMPLATE, "kcm-system", "nginx")["status"] = {"valid": False}  # type: ignore[index]
    answer = _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", dying, dying)
    assert answer["status"]["message"] == "the ClusterDeployment is invalid: the template is not valid: "


def test_a_template_changes_only_to_an_offered_upgrade(objects: _Objects) -> None:
    old = _cld("aws-1")
    refused = _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", _cld("aws-2"), old)
    assert (refused["status"]["code"], refused["status"]["message"]) == (403, "cluster upgrade is forbidden")
    assert refused["warnings"] == [
        "Cluster can't be upgraded from aws-1 to aws-2. This upgrade sequence is not allowed"
    ]
    assert _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", _cld("nope"), old)["status"]["code"] == 404
    old["status"] = {"availableUpgrades": ["aws-2"]}
    assert _review(objects, CLUSTER_DEPLOYMENT, "UPDATE", _cld("aws-2"), old)["allowed"]


def test_a_referenced_template_stays(objects: _Objects) -> None:
    cluster_template = objects.get(CLUSTER_TEMPLATE, "kcm-system", "aws-1")
    service_template = objects.get(SERVICE_TEMPLATE, "kcm-system", "nginx")
    assert _review(objects, CLUSTER_TEMPLATE, "DELETE", old=cluster_template)["allowed"]
    objects.add(CLUSTER_DEPLOYMENT, "c", spec=_cld("aws-1", "cred", "nginx")["spec"])
    for kind, template in ((CLUSTER_TEMPLATE, cluster_template), (SERVICE_TEMPLATE, service_template)):
        answer = _review(objects, kind, "DELETE", old=template)
        assert answer["status"]["message"] == "template deletion is forbidden"
        assert "ClusterDeployment objects referencing it still exist" in answer["warnings"][0]
    del objects.found[CLUSTER_DEPLOYMENT, "kcm-system", "c"]
    service_spec = {"serviceSpec": {"services": [{"name": "n", "template": "nginx"}]}}
    objects.add(MULTI_CLUSTER_SERVICE, "m", namespace="", spec=service_spec)
    answer = _review(objects, SERVICE_TEMPLATE, "DELETE", old=service_template)
    assert "MultiClusterService" in answer["warnings"][0]
    other = {**service_spec["serviceSpec"]["services"][0], "template": "elsewhere"}
    service = {"metadata": {"name": "m"}, "spec": {"serviceSpec": {"services": [other]}}}
    assert not _review(objects, MULTI_CLUSTER_SERVICE, "CREATE", service)["allowed"]


# The work queue


def test_a_key_is_never_in_two_hands_and_a_late_change_isnt_lost() -> None:
    entered, leave, runs = threading.Event(), threading.Event(), []

    def reconcile(key: str) -> None:
        runs.append(key)
        entered.set()
        assert leave.wait(60)

    queue = Queue("test", reconcile, workers=2)
    queue.start()
    queue.add("a")
    assert entered.wait(60)
    for _ in range(3):
        queue.add("a")
    time.sleep(0.2)  # enough for the other worker to take it, if it could
    assert runs == ["a"]
    leave.set()
    _until(lambda: len(runs) == 2)
    queue.stop()
    assert runs == ["a", "a"]


def test_a_failure_is_tried_again_and_an_earlier_visit_wins() -> None:
    runs: list[str] = []
    done = threading.Event()

    def reconcile(key: str) -> float | None:
        runs.append(key)
        if len(runs) == 1:
            raise Later("not yet")
        done.set()
        return None

    queue = Queue("test", reconcile)
    queue.start()
    queue.add("a", after=60)
    queue.add("a")
    assert done.wait(60)
    queue.stop()
    assert runs == ["a", "a"]


def _until(true: Any, seconds: float = 60.0) -> None:
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        waiting.wait(0.02)
    raise AssertionError("not within time")
