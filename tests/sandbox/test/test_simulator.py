"""The simulator on a real API server, without clusters behind the ClusterDeployments (`--clusters none`)."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from sandbox import cluster as control_planes
from sandbox import lifecycle
from sandbox.simulated import (
    KCM,
    KOF,
    Charts,
    Sandbox,
    cluster_deployment,
    refusal,
    running,
    service_template,
    two_services,
    valid,
    within,
)
from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_DEPLOYMENT,
    CLUSTER_PROFILE,
    CLUSTER_SUMMARY,
    CLUSTER_TEMPLATE,
    CONFIG_MAP,
    CRD,
    CREDENTIAL,
    GRAFANA,
    GRAFANA_DASHBOARD,
    GRAFANA_DATASOURCE,
    HELM_CHART,
    MANAGEMENT,
    NAMESPACE,
    PROFILE,
    PROMXY_SERVER_GROUP,
    SECRET,
    SERVICE_TEMPLATE,
    Kind,
)
from sandbox.simulator.seed import seed


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield from running(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    sandbox.fault()


@pytest.fixture(scope="module")
def services(sandbox: Sandbox) -> list[Object]:
    return two_services(sandbox)


def test_the_seed_is_a_healthy_management_cluster(sandbox: Sandbox) -> None:
    seed(sandbox.api)  # a second time it leaves all as it is
    management = sandbox.api.get(MANAGEMENT, None, "kcm") or {}
    assert management["status"]["release"] == "kcm-0-1-0"
    assert all(component["success"] for component in management["status"]["components"].values())
    states = {
        name: (sandbox.api.get(CLUSTER_TEMPLATE, KCM, f"aws-standalone-cp-{name}") or {})["status"]
        for name in ("0-0-5", "0-1-0", "0-9-0")
    }
    assert [states[name]["valid"] for name in ("0-0-5", "0-1-0", "0-9-0")] == [True, True, False]
    assert states["0-1-0"]["config"]["clusterIdentity"]["kind"] == "AWSClusterStaticIdentity"
    credential = sandbox.api.get(CREDENTIAL, KCM, "aws-cluster-identity-cred") or {}
    assert credential["status"]["ready"] is True


def test_a_service_template_turns_valid_when_its_chart_is_there(sandbox: Sandbox, services: list[Object]) -> None:
    service_template(sandbox, "late-1-0-0", "late", "1.0.0")
    invalid = within(5, lambda: (sandbox.api.get(SERVICE_TEMPLATE, KCM, "late-1-0-0") or {}).get("status"))
    assert invalid["valid"] is False
    assert "not found" in invalid["validationError"]
    wanted = cluster_deployment("refused", {"name": "late", "template": "late-1-0-0"})
    message = refusal(lambda: sandbox.api.create(CLUSTER_DEPLOYMENT, wanted))
    assert (
        "the ClusterDeployment is invalid: the template is not valid: failed to download helm chart artifact" in message
    )
    Charts.there.add("/v2/kof/charts/late/manifests/1.0.0")
    within(8, lambda: valid(sandbox, "late-1-0-0"))
    assert sandbox.api.get(HELM_CHART, KCM, "late-1-0-0")


def test_the_webhook_answers_dry_runs_and_real_requests(sandbox: Sandbox) -> None:
    wanted = cluster_deployment("refused", template="aws-standalone-cp-0-9-0")
    path = CLUSTER_DEPLOYMENT.path(KCM)

    def post(**query: str) -> Object:
        return sandbox.api.request("POST", path, query=query, body=wanted)

    for message in (refusal(lambda: post(dryRun="All")), refusal(post)):
        assert message.startswith('admission webhook "validation.clusterdeployment.k0rdent.mirantis.com" denied')
        assert "the ClusterDeployment is invalid: the template is not valid" in message
    wanted = cluster_deployment("refused")
    post(dryRun="All")
    assert sandbox.api.get(CLUSTER_DEPLOYMENT, KCM, "refused") is None


def test_an_unready_credential_is_refused_and_heals(sandbox: Sandbox) -> None:
    sandbox.fault(credential_not_ready=["aws-cluster-identity-cred"])

    def ready() -> bool:
        return bool((sandbox.api.get(CREDENTIAL, KCM, "aws-cluster-identity-cred") or {})["status"]["ready"])

    within(5, lambda: not ready())
    message = refusal(lambda: sandbox.api.create(CLUSTER_DEPLOYMENT, cluster_deployment("refused")))
    assert "credential is not Ready" in message
    sandbox.fault()
    within(5, ready)


def test_a_cluster_deployment_lives_and_dies(sandbox: Sandbox, services: list[Object]) -> None:
    api = sandbox.api
    api.create(CLUSTER_DEPLOYMENT, cluster_deployment("c1", *services), manager="test")
    within(10, lambda: sandbox.ready("c1"))
    within(10, lambda: "Available" in sandbox.conditions("c1"))
    conditions = sandbox.conditions("c1")
    assert list(conditions) == [
        "TemplateReady", "HelmChartReady", "HelmReleaseReady", "Ready", "CredentialReady", "SveltosProfileReady",
        "FetchServicesStatusSuccess", "ControlPlaneInitialized", "ControlPlaneReady", "InfrastructureReady",
        "Available",
    ]  # fmt: skip
    assert conditions["Ready"]["message"] == "ClusterDeployment is ready"
    assert (conditions["ControlPlaneReady"]["reason"], conditions["ControlPlaneReady"]["message"]) == (
        "Succeeded",
        "c1 is Ready",
    )
    assert conditions["HelmReleaseReady"]["message"] == (
        "Helm install succeeded for release kcm-system/c1.v1 with chart aws-standalone-cp@0.1.0"
    )
    summary = within(
        5,
        lambda: (
            (found := api.get(CLUSTER_SUMMARY, KCM, "p--c1-capi-c1"))
            and (found.get("status") or {}).get("featureSummaries")
            and [f["status"] for f in found["status"]["featureSummaries"]] == ["Provisioned"] * 2
            and found
        ),
    )
    assert [r["releaseName"] for r in summary["status"]["helmReleaseSummaries"]] == ["one", "two"]
    assert [c["values"] for c in summary["spec"]["clusterProfileSpec"]["helmCharts"]] == ["who: one\n", "who: two\n"]
    deployment = within(
        5,
        lambda: (
            (found := api.get(CLUSTER_DEPLOYMENT, KCM, "c1") or {})
            and found["status"].get("services")
            and found["status"]["services"][0].get("conditions")
            and found
        ),
    )
    assert deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
    writers = {(m["manager"], m["operation"], m.get("subresource")) for m in deployment["metadata"]["managedFields"]}
    assert writers == {("test", "Update", None), ("manager", "Update", None), ("manager", "Update", "status")}
    authors = {(m["manager"], m["operation"]) for m in summary["metadata"]["managedFields"]}
    assert authors == {("application/apply-patch", "Update")}
    cluster = api.get(CAPI_CLUSTER, KCM, "c1") or {}
    assert cluster["metadata"]["labels"]["own"] == "label"
    kubeconfig = api.get(SECRET, KCM, "c1-kubeconfig") or {}
    assert yaml.safe_load(base64.b64decode(kubeconfig["data"]["value"]))["current-context"] == "c1"

    assert "template deletion is forbidden" in refusal(lambda: api.delete(SERVICE_TEMPLATE, KCM, "one-1-0-0"))

    # A service that is disabled is uninstalled, as one that is taken out.
    changed = [{**services[0], "values": "who: new\n"}, {**services[1], "disable": True}]
    deployment["spec"]["serviceSpec"]["services"] = changed
    deployment["spec"]["config"]["clusterLabels"] = {}
    current = api.get(CLUSTER_DEPLOYMENT, KCM, "c1") or {}
    api.replace(CLUSTER_DEPLOYMENT, {**current, "spec": deployment["spec"]}, manager="test")

    def renewed() -> bool:
        found = api.get(CLUSTER_SUMMARY, KCM, "p--c1-capi-c1") or {}
        charts = found["spec"]["clusterProfileSpec"]["helmCharts"]
        return [c["values"] for c in charts] == ["who: new\n"] and len(found["status"]["helmReleaseSummaries"]) == 1

    within(5, renewed)
    within(5, lambda: "own" not in (api.get(CAPI_CLUSTER, KCM, "c1") or {})["metadata"]["labels"])

    sandbox.fault(stuck_finalizer=["c1"])
    api.delete(CLUSTER_DEPLOYMENT, KCM, "c1")
    time.sleep(0.5)
    stuck = api.get(CLUSTER_DEPLOYMENT, KCM, "c1") or {}
    assert stuck["metadata"]["finalizers"] == ["k0rdent.mirantis.com/cluster-deployment"]
    sandbox.fault()
    within(5, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "c1") is None)
    left = ((PROFILE, "c1"), (CAPI_CLUSTER, "c1"), (SECRET, "c1-kubeconfig"), (CLUSTER_SUMMARY, "p--c1-capi-c1"))
    within(5, lambda: not any(api.get(kind, KCM, name) for kind, name in left))


def passed(api: Api, kind: Kind, name: str, since: dict[Kind, str]) -> Iterator[Object]:
    """What an object of kcm's namespace was, one version after the other, up to now."""
    now = int((api.get(kind, KCM, name) or {})["metadata"]["resourceVersion"])
    for _type, item in api.watch(kind, since[kind]):
        if item["metadata"].get("name") == name:
            yield item
            if int(item["metadata"]["resourceVersion"]) >= now:
                return


def test_faults_hold_a_cluster_up(sandbox: Sandbox, services: list[Object]) -> None:
    api = sandbox.api
    sandbox.fault(
        never_ready=["never"], slow_seconds=1, helm_fails_first=["heals/two"], helm_failed_non_retriable=["broken/one"]
    )
    began = time.monotonic()
    versions = {kind: api.list(kind)[1] for kind in (CLUSTER_DEPLOYMENT, CLUSTER_SUMMARY)}
    for name in ("never", "heals", "broken"):
        api.create(CLUSTER_DEPLOYMENT, cluster_deployment(name, *services), manager="test")

    def state_of(summary: Object) -> str:
        features = (summary.get("status") or {}).get("featureSummaries") or []
        return next((each["status"] for each in features if each["featureID"] == "Helm"), "")

    def helm(name: str) -> str:
        return state_of(api.get(CLUSTER_SUMMARY, KCM, f"p--{name}-capi-{name}") or {})

    within(10, lambda: helm("heals") == "Provisioned")
    assert time.monotonic() - began > 1
    # What passed on the way, however quickly: the API server has all of it.
    assert "Failed" in {state_of(each) for each in passed(api, CLUSTER_SUMMARY, "p--heals-capi-heals", versions)}
    waiting = {
        (each["status"], each["reason"])
        for item in passed(api, CLUSTER_DEPLOYMENT, "heals", versions)
        for each in (item.get("status") or {}).get("conditions") or []
        if each["type"] == "InfrastructureReady"
    }
    assert ("False", "WaitingForInfrastructure") in waiting
    within(5, lambda: helm("broken") == "FailedNonRetriable")
    services_of = within(5, lambda: (api.get(CLUSTER_DEPLOYMENT, KCM, "broken") or {})["status"].get("services"))
    assert services_of[0]["conditions"][1]["reason"] == "FailedNonRetriable"
    assert sandbox.ready("broken"), "Ready doesn't speak of services at kcm 0.1"
    never = sandbox.conditions("never")
    assert (never["InfrastructureReady"]["reason"], never["Ready"]["status"]) == ("VpcReconciliationFailed", "False")
    assert api.get(CLUSTER_SUMMARY, KCM, "p--never-capi-never") is None
    sandbox.fault()
    within(10, lambda: sandbox.ready("never") and helm("broken") == "Provisioned")
    for name in ("never", "heals", "broken"):
        api.delete(CLUSTER_DEPLOYMENT, KCM, name)


def test_kcm_leaves_ignored_namespaces_alone(sandbox: Sandbox) -> None:
    api, space = sandbox.api, "ignored-1"
    api.create(NAMESPACE, {"metadata": {"name": space}})
    for kind, name in ((CLUSTER_TEMPLATE, "aws-standalone-cp-0-1-0"), (CREDENTIAL, "aws-cluster-identity-cred")):
        seeded = api.get(kind, KCM, name) or {}
        sandbox.make(kind, name, space, spec=seeded["spec"])
        status = {"status": seeded["status"]}  # the controller writes too: a PATCH doesn't mind
        api.request("PATCH", kind.path(space, name, "status"), body=status, content_type="application/merge-patch+json")
    sandbox.fault(kcm_ignores=["ignored-*"])
    ignored = cluster_deployment("alone")
    ignored["metadata"]["namespace"] = space

    def create() -> bool:  # the webhook reads from a cache, which may not have the copies yet
        try:
            return bool(api.create(CLUSTER_DEPLOYMENT, ignored, manager="test"))
        except ApiError:
            return False

    within(5, create)
    # Later in the same queue: what becomes ready shows that kcm had its chance with the other.
    api.create(CLUSTER_DEPLOYMENT, cluster_deployment("cared-for"), manager="test")
    within(10, lambda: sandbox.ready("cared-for"))
    live = api.get(CLUSTER_DEPLOYMENT, space, "alone") or {}
    assert (live.get("status"), live["metadata"].get("finalizers")) == (None, None)
    sandbox.fault()
    within(10, lambda: (api.get(CLUSTER_DEPLOYMENT, space, "alone") or {}).get("status"))
    api.delete(CLUSTER_DEPLOYMENT, KCM, "cared-for")


def test_a_values_string_is_a_template(sandbox: Sandbox, services: list[Object]) -> None:
    api = sandbox.api
    unescaped = {**services[0], "values": "rule: '{{ $labels.x }}'\n"}
    api.create(CLUSTER_DEPLOYMENT, cluster_deployment("tmpl", unescaped), manager="test")

    def failure() -> str:
        found = (api.get(CLUSTER_SUMMARY, KCM, "p--tmpl-capi-tmpl") or {}).get("status") or {}
        return next((f["failureMessage"] for f in found.get("featureSummaries") or [] if "failureMessage" in f), "")

    assert 'undefined variable "$labels"' in within(10, failure)
    api.delete(CLUSTER_DEPLOYMENT, KCM, "tmpl")


def test_a_cluster_profile_needs_its_secret_and_its_label(sandbox: Sandbox) -> None:
    api = sandbox.api
    labelled = {"metadata": {"annotations": {"projectsveltos.io/template": "true"}}}
    sandbox.make(CONFIG_MAP, "secret-template-dns", KOF, data={"secret.yaml": '{{ copy "secret-dns" }}'}, **labelled)
    secret = {"apiVersion": "v1", "kind": "Secret", "name": "dns", "namespace": KOF}
    spec = {
        "clusterSelector": {"matchLabels": {"dns": "true"}},
        "templateResourceRefs": [{"identifier": "secret-dns", "resource": secret}],
        "policyRefs": [{"kind": "ConfigMap", "name": "secret-template-dns", "namespace": KOF}],
    }
    sandbox.make(CLUSTER_PROFILE, "dns", spec=spec)
    for name, labels in (("with", {"dns": "true"}), ("without", {"dns": "false"})):
        config = {"region": "r", "clusterLabels": labels}
        api.create(CLUSTER_DEPLOYMENT, cluster_deployment(name, config=config), manager="test")

    def feature() -> Object:
        found = (api.get(CLUSTER_SUMMARY, KCM, "dns-capi-with") or {}).get("status") or {}
        return next(iter(found.get("featureSummaries") or []), {})

    failed = within(10, lambda: feature().get("status") == "Failed" and feature())
    assert 'secrets "dns" not found' in failed["failureMessage"]
    sandbox.make(SECRET, "dns", KOF, stringData={"key": "value"})
    within(5, lambda: feature()["status"] == "Provisioned")
    within(5, lambda: sandbox.ready("without"))
    assert api.get(CLUSTER_SUMMARY, KCM, "dns-capi-without") is None

    def matching() -> list[str]:
        status = (api.get(CLUSTER_PROFILE, None, "dns") or {}).get("status") or {}
        return [cluster["name"] for cluster in status.get("matchingClusters") or []]

    within(5, lambda: matching() == ["with"])
    for name in ("with", "without"):
        api.delete(CLUSTER_DEPLOYMENT, KCM, name)


def test_the_promxy_operator_and_its_flaws(sandbox: Sandbox) -> None:
    api, crds = sandbox.api, Path(lifecycle.HERE) / "crds" / "charts" / "kof.k0rdent.mirantis.com.yaml"
    for document in yaml.safe_load_all(crds.read_text()):
        api.create(CRD, document)
    label = {"k0rdent.mirantis.com/promxy-secret-name": "promxy-config"}

    def group(name: str, secret: str, **metadata: Any) -> None:
        spec = {"cluster_name": name, "scheme": "https", "targets": ["t:443"], "unknown": "dropped",
                "http_client": {"basic_auth": {"credentials_secret_name": secret, "username_key": "username",
                                               "password_key": "password"}}}  # fmt: skip
        made = within(
            10, lambda: attempt(lambda: sandbox.make(PROMXY_SERVER_GROUP, name, KOF, spec=spec, metadata=metadata))
        )
        assert "unknown" not in made["spec"]

    def attempt(do: Callable[[], Object]) -> Object | None:
        try:
            return do()
        except ApiError as error:
            if error.status in (404, 429):  # the new kind isn't served quite yet
                return None
            raise

    def clusters() -> set[str]:
        secret = api.get(SECRET, KOF, "promxy-config") or {}
        config = yaml.safe_load(base64.b64decode(secret["data"]["config.yaml"]))
        if not config:
            return set()
        return {g["labels"]["promxyCluster"] for g in config["promxy"]["server_groups"]}

    sandbox.make(SECRET, "promxy-config", KOF, data={"config.yaml": ""}, metadata={"labels": {"of": "helm"}})
    sandbox.make(SECRET, "vm", KOF, stringData={"username": "u", "password": "p"})
    group("a", "vm", labels=label)
    within(5, lambda: clusters() == {"a"})
    written = api.get(SECRET, KOF, "promxy-config") or {}
    assert written["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "promxy-operator"}
    owner = [m for m in written["metadata"]["managedFields"] if "f:config.yaml" in json.dumps(m["fieldsV1"])]
    assert [(m["manager"], m["operation"]) for m in owner] == [("manager", "Update")]
    group("unlabelled", "vm")
    group("b", "missing", labels=label)
    group("c", "vm", labels=label)
    time.sleep(0.5)
    assert clusters() == {"a"}, "one missing credentials Secret holds up all groups"
    sandbox.make(SECRET, "missing", KOF, stringData={"username": "u"})
    within(10, lambda: clusters() == {"a", "b", "c"})
    api.delete(PROMXY_SERVER_GROUP, KOF, "a")
    api.delete(PROMXY_SERVER_GROUP, KOF, "b")
    within(5, lambda: clusters() == {"c"})
    api.delete(PROMXY_SERVER_GROUP, KOF, "c")
    time.sleep(0.5)
    assert clusters() == {"c"}, "the last group's deletion leaves its content"


def test_a_datasource_waits_for_grafana_and_for_its_credentials(sandbox: Sandbox) -> None:
    api = sandbox.api
    reference = {"secretKeyRef": {"name": "logs", "key": "username"}}
    spec = {
        "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
        "valuesFrom": [{"targetPath": "basicAuthUser", "valueFrom": reference}],
    }
    sandbox.make(GRAFANA_DATASOURCE, "good", KOF, spec={**spec, "datasource": {"basicAuthUser": "${username}"}})
    sandbox.make(GRAFANA_DATASOURCE, "bad", KOF, spec={**spec, "datasource": {"name": "x"}})

    def status(name: str) -> Object:
        return (api.get(GRAFANA_DATASOURCE, KOF, name) or {}).get("status") or {}

    within(5, lambda: status("good").get("NoMatchingInstances"))
    sandbox.make(GRAFANA, "grafana-vm", KOF, metadata={"labels": {"dashboards": "grafana"}}, spec={"version": "10.4.7"})
    assert 'secrets "logs" not found' in within(5, lambda: status("good").get("lastMessage"))
    sandbox.make(SECRET, "logs", KOF, stringData={"username": "u"})
    within(8, lambda: status("good").get("uid"))
    done = status("good")
    assert set(done) == {"uid", "hash", "lastResync"}
    within(8, lambda: status("bad").get("lastMessage") == "pattern must be a string")
    assert "uid" not in status("bad")
    instance = api.get(GRAFANA, KOF, "grafana-vm") or {}
    assert (instance["status"]["stage"], instance["status"]["stageStatus"]) == ("complete", "success")


def test_a_dashboard_is_in_grafana_as_it_says_and_out_of_it_once_it_is_gone(sandbox: Sandbox) -> None:
    api = sandbox.api
    selector = {"instanceSelector": {"matchLabels": {"boards": "grafana"}}}
    source = {"datasources": [{"inputName": "IN", "datasourceName": "promxy"}]}
    sandbox.make(GRAFANA_DASHBOARD, "good", KOF, spec={**selector, **source, "json": '{"uid": "u-${IN}"}'})
    sandbox.make(GRAFANA_DASHBOARD, "bad", KOF, spec={**selector, "json": "{"})

    def status(name: str) -> Object:
        return (api.get(GRAFANA_DASHBOARD, KOF, name) or {}).get("status") or {}

    def there() -> list[str]:
        return ((api.get(GRAFANA, KOF, "boards") or {}).get("status") or {}).get("dashboards") or []

    within(5, lambda: status("good").get("NoMatchingInstances"))
    sandbox.make(GRAFANA, "boards", KOF, metadata={"labels": {"boards": "grafana"}}, spec={})
    within(8, lambda: there() == ["kof/good/u-promxy"])
    within(5, lambda: status("good").get("hash") == hashlib.sha256(b'{"uid": "u-promxy"}').hexdigest())
    assert set(status("good")) == {"uid", "hash", "lastResync"}
    assert status("bad") == {}, "only the operator's log tells of it"
    sandbox.make(GRAFANA_DASHBOARD, "other", KOF, spec={**selector, "json": "{}"})
    within(5, lambda: len(there()) == 2)
    api.delete(GRAFANA_DASHBOARD, KOF, "good")
    within(5, lambda: [each.split("/")[1] for each in there()] == ["other"])


def test_many_clusters_are_ready_soon(sandbox: Sandbox, services: list[Object]) -> None:
    names = [f"many-{number}" for number in range(50)]
    for name in names:
        sandbox.api.create(CLUSTER_DEPLOYMENT, cluster_deployment(name, *services), manager="test")

    def provisioned() -> int:
        items, _ = sandbox.api.list(CLUSTER_SUMMARY)
        features = [
            {each["featureID"]: each["status"] for each in (summary.get("status") or {}).get("featureSummaries") or []}
            for summary in items
            if summary["metadata"]["name"].startswith("p--many-")
        ]
        return sum("Helm" in each and set(each.values()) == {"Provisioned"} for each in features)

    within(20, lambda: provisioned() == 50)
    assert all(sandbox.ready(name) for name in names[:3])


def test_it_outlives_a_restart_of_the_api_server(sandbox: Sandbox) -> None:
    control_planes.restart_apiserver("mothership", down_seconds=1, state=sandbox.state)
    create = within(10, lambda: patient(lambda: sandbox.api.create(CLUSTER_DEPLOYMENT, cluster_deployment("after"))))
    assert create["metadata"]["name"] == "after"
    within(15, lambda: sandbox.ready("after"))
    sandbox.api.delete(CLUSTER_DEPLOYMENT, KCM, "after")
    within(15, lambda: sandbox.api.get(CLUSTER_DEPLOYMENT, KCM, "after") is None)


def patient(do: Callable[[], Object]) -> Object | None:
    """The answer, or None where a connection of before the restart turned out to be dead."""
    try:
        return do()
    except urllib3.exceptions.HTTPError:
        return None


def test_while_the_webhook_is_away_nothing_it_guards_is_accepted(sandbox: Sandbox) -> None:
    """Last: it stops the webhook."""
    sandbox.simulator._webhook.stop()
    message = refusal(lambda: sandbox.api.create(CLUSTER_DEPLOYMENT, cluster_deployment("refused")))
    assert "failed calling webhook" in message
