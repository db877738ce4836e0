"""What a real chain (kcm 0.1.0, Flux, Sveltos 0.45) was seen to go through, state by state, and so the simulator.

Its clusters are none, but every state in between is shown (`step_seconds`): what stands in the asserts is what was
recorded there, with other names.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
    within,
)
from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.kinds import (
    CAPI_CLUSTER,
    CLUSTER_CONFIGURATION,
    CLUSTER_DEPLOYMENT,
    CLUSTER_PROFILE,
    CLUSTER_SUMMARY,
    CONFIG_MAP,
    CREDENTIAL,
    PROFILE,
    SECRET,
    SERVICE_TEMPLATE,
    SVELTOS_CLUSTER,
    Kind,
)
from sandbox.simulator.runtime import Informer
from sandbox.simulator.seed import adopt
from sandbox.simulator.texts import values_hash

STEP = 0.3
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Film:
    """Every state of the objects of a kind, in order."""

    def __init__(self, api: Api, kind: Kind) -> None:
        self._api, self._kind = api, kind
        self._lock = threading.Lock()
        self._states: list[tuple[str, Object | None]] = []
        self._gone: dict[str, float] = {}
        self._informer = Informer(api, kind)
        self._informer.on_change(self._take)
        self._informer.start()
        self._informer.wait_synced()

    def _take(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        with self._lock:
            self._states.append((name, new))
            if new is None:
                self._gone[name] = time.monotonic()

    def stop(self) -> None:
        self._informer.stop()

    def gone_at(self, name: str) -> float:
        """When it was seen to go."""
        within(2, lambda: name in self._gone)
        return self._gone[name]

    def of(self, name: str, show: Callable[[Object], Any] = lambda obj: obj) -> list[Any]:
        """What `show` makes of the states of one object up to now, without repetitions; None where it was gone."""
        live = self._api.get(self._kind, KCM, name)
        version = int(live["metadata"]["resourceVersion"]) if live else 0

        def states_of() -> list[Object | None]:
            with self._lock:
                return [state for found, state in self._states if found == name]

        def caught_up() -> bool:
            last = (states_of() or [None])[-1]
            return int(last["metadata"]["resourceVersion"]) >= version if last else live is None

        within(2, caught_up)
        states = states_of()
        shown: list[Any] = []
        for state in states:
            now = None if state is None else show(state)
            if not shown or shown[-1] != now:
                shown.append(now)
        return shown


class Films:
    def __init__(self, api: Api) -> None:
        kinds = (CLUSTER_DEPLOYMENT, CLUSTER_SUMMARY, SVELTOS_CLUSTER, PROFILE, SERVICE_TEMPLATE)
        self._films = {kind: Film(api, kind) for kind in kinds}

    def __getitem__(self, kind: Kind) -> Film:
        return self._films[kind]

    def stop(self) -> None:
        for film in self._films.values():
            film.stop()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield from running(tmp_path_factory.mktemp("sandbox"), step=STEP)


@pytest.fixture(scope="module")
def films(sandbox: Sandbox) -> Iterator[Films]:
    films = Films(sandbox.api)
    yield films
    films.stop()


@pytest.fixture(scope="module")
def services(sandbox: Sandbox, films: Films) -> list[Object]:
    return two_services(sandbox)


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    sandbox.fault()


def kubeconfig(server: str = "https://adopted.invalid:6443") -> str:
    return json.dumps(
        {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {}}],
        }
    )  # fmt: skip


def adopted(sandbox: Sandbox, name: str, *services: Object, text: str | None = None, **spec: Any) -> Object:
    """A ClusterDeployment that adopts a cluster, with what it needs made."""
    adopt(sandbox.api, name, kubeconfig() if text is None else text)
    within(5, lambda: ((sandbox.api.get(CREDENTIAL, KCM, f"{name}-cred") or {}).get("status") or {}).get("ready"))
    wanted = cluster_deployment(
        name,
        *services,
        **{"template": "adopted-cluster-0-1-0", "credential": f"{name}-cred", "config": {"clusterLabels": {}}, **spec},
    )
    return sandbox.api.create(CLUSTER_DEPLOYMENT, wanted, manager="test")


def condition(kind: str, *fields: str) -> Callable[[Object], Any]:
    """Shows fields of a status condition."""

    def show(obj: Object) -> Any:
        for found in (obj.get("status") or {}).get("conditions") or []:
            if found["type"] == kind:
                return tuple(found[field] for field in fields) if len(fields) > 1 else found[fields[0]]
        return None

    return show


def feature(kind: str) -> Callable[[Object], Any]:
    """Shows a feature's status, and whether it has a message."""

    def show(obj: Object) -> Any:
        for found in (obj.get("status") or {}).get("featureSummaries") or []:
            if found["featureID"] == kind:
                return found["status"] + (" with message" if found.get("failureMessage") else "")
        return None

    return show


def hashes(obj: Object) -> list[str | None]:
    return [r.get("valuesHash") for r in (obj.get("status") or {}).get("helmReleaseSummaries") or []]


def provisioned(sandbox: Sandbox, summary: str) -> Object | None:
    """The summary, once all its features are provisioned for its present spec."""
    found = sandbox.api.get(CLUSTER_SUMMARY, KCM, summary) or {}
    status = found.get("status") or {}
    charts = found.get("spec", {}).get("clusterProfileSpec", {}).get("helmCharts") or []
    features = [f["status"] for f in status.get("featureSummaries") or []]
    wanted = [values_hash(chart.get("values", "")) for chart in charts]
    return found if features and set(features) == {"Provisioned"} and hashes(found) == wanted else None


def change(sandbox: Sandbox, name: str, edit: Callable[[Object], None]) -> Object:
    """Change a ClusterDeployment as a user does, whoever writes meanwhile."""

    def attempt() -> Object | None:
        live = sandbox.api.get(CLUSTER_DEPLOYMENT, KCM, name) or {}
        edit(live["spec"])
        try:
            return sandbox.api.replace(CLUSTER_DEPLOYMENT, live, manager="test")
        except ApiError as error:
            if error.conflict:
                return None
            raise

    return within(5, attempt)


def test_a_service_template_is_invalid_while_flux_gets_its_chart(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    seen = films[SERVICE_TEMPLATE].of("one-1-0-0", lambda obj: obj.get("status", {}).get("validationError"))
    assert seen == [
        None,
        "failed to download helm chart artifact: processing object: new generation -1 -> 1",
        "failed to download helm chart artifact: building artifact",
        None,
    ]


def test_an_adopted_cluster_lives(sandbox: Sandbox, films: Films, services: list[Object]) -> None:
    """One walk, since each step needs the one before; the later tests of an adopted cluster go on with `a`."""
    api = sandbox.api
    adopted(sandbox, "a", *services, config={"clusterLabels": {"secrets": "true"}})
    within(10, lambda: provisioned(sandbox, "p--a-sveltos-a"))
    within(5, lambda: (api.get(CLUSTER_DEPLOYMENT, KCM, "a") or {})["status"]["services"][0].get("conditions"))

    cluster = api.get(SVELTOS_CLUSTER, KCM, "a") or {}
    assert cluster["spec"] == {"consecutiveFailureThreshold": 3, "kubeconfigName": "a-kubeconf"}
    assert cluster["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "Helm",
        "helm.toolkit.fluxcd.io/name": "a",
        "helm.toolkit.fluxcd.io/namespace": "kcm-system",
        "secrets": "true",
        "projectsveltos.io/k8s-version": "v1.34.4",
    }
    assert cluster["metadata"]["annotations"] == {
        "meta.helm.sh/release-name": "a",
        "meta.helm.sh/release-namespace": "kcm-system",
    }
    assert cluster["status"] == {"connectionStatus": "Healthy", "ready": True, "version": "v1.34.4"}
    assert api.get(CAPI_CLUSTER, KCM, "a") is None
    assert api.get(SECRET, KCM, "a-kubeconfig") is None

    deployment = api.get(CLUSTER_DEPLOYMENT, KCM, "a") or {}
    assert deployment["metadata"]["labels"] == {"own": "label", "k0rdent.mirantis.com/component": "kcm"}
    assert list(sandbox.conditions("a")) == [
        "TemplateReady", "HelmChartReady", "HelmReleaseReady", "Ready", "CredentialReady", "SveltosProfileReady",
        "FetchServicesStatusSuccess",
    ]  # fmt: skip
    own = deployment["status"]["services"][0]
    assert (own["clusterName"], own["clusterNamespace"]) == ("a", KCM)
    assert [c["type"] for c in own["conditions"]] == [
        "Resources", "Helm", "kof.one/SveltosHelmReleaseReady", "kof.two/SveltosHelmReleaseReady"
    ]  # fmt: skip


def test_an_adopted_clusters_conditions_come_as_recorded(films: Films) -> None:
    film = films[CLUSTER_DEPLOYMENT]
    profile = (
        "failed to reconcile Profile: Operation cannot be fulfilled on profiles.config.projectsveltos.io "
        f'"a": {MODIFIED}'
    )
    assert film.of("a", condition("HelmReleaseReady", "status", "reason", "message")) == [
        None,
        ("Unknown", "Progressing", "HelmRelease is not yet ready"),
        ("Unknown", "Progressing", "Running 'install' action with timeout of 5m0s"),
        (
            "True",
            "InstallSucceeded",
            "Helm install succeeded for release kcm-system/a.v1 with chart adopted-cluster@0.1.0",
        ),
    ]
    ready = film.of("a", condition("Ready", "status", "reason", "message"))
    assert ready[:4] == [
        None,
        ("Unknown", "Progressing", "HelmRelease is not yet ready. "),
        ("Unknown", "Progressing", "Running 'install' action with timeout of 5m0s. "),
        ("True", "Succeeded", "ClusterDeployment is ready"),
    ]
    assert ready[4:] == [
        ("False", "Failed", f"{profile}. "),
        ("True", "Succeeded", "ClusterDeployment is ready"),
    ]
    assert film.of("a", condition("SveltosProfileReady", "status", "message")) == [
        None,
        ("True", ""),
        ("False", profile),
        ("True", ""),
    ]
    finalizers = film.of("a", lambda obj: (bool(obj["metadata"].get("finalizers")), len(obj["metadata"]["labels"])))
    assert finalizers == [(False, 1), (True, 1), (True, 2)], "the label is a write of its own, after the finalizer"

    def helm_of_services(obj: Object) -> Any:
        conditions = ((obj.get("status") or {}).get("services") or [{}])[0].get("conditions") or []
        return {c["type"]: (c["status"], c["reason"]) for c in conditions}.get("Helm")

    seen = [state for state in film.of("a", helm_of_services) if state]
    assert seen == [("True", "Provisioning"), ("True", "Provisioned")]


def test_a_profile_and_its_summary_are_written_as_recorded(sandbox: Sandbox, films: Films) -> None:
    api = sandbox.api
    profile = api.get(PROFILE, KCM, "a") or {}
    assert profile["metadata"]["finalizers"] == ["profilefinalizer.projectsveltos.io"]
    assert profile["metadata"]["labels"] == {
        "k0rdent.mirantis.com/managed": "true",
        "projectsveltos.io/cluster-name": "a",
        "projectsveltos.io/cluster-type": "Sveltos",
        "projectsveltos.io/profile-name": "a",
    }
    assert profile["status"]["matchingClusters"] == [
        {"apiVersion": "lib.projectsveltos.io/v1beta1", "kind": "SveltosCluster", "name": "a", "namespace": KCM}
    ]
    chart = profile["spec"].pop("helmCharts")[0]
    registry = chart.pop("repositoryURL")
    assert registry.endswith("/kof/charts")
    assert chart == {
        "chartName": "one",
        "chartVersion": "1.0.0",
        "helmChartAction": "Install",
        "registryCredentialsConfig": {"plainHTTP": True},  # the sandbox's registry; {} elsewhere
        "releaseName": "one",
        "releaseNamespace": "kof",
        "repositoryName": "one",
        "values": "who: one\n",
    }
    assert {k: v for k, v in profile["spec"].items() if k not in ("continueOnError",)} == {
        "clusterSelector": {
            "matchLabels": {"helm.toolkit.fluxcd.io/name": "a", "helm.toolkit.fluxcd.io/namespace": "kcm-system"}
        },
        "continueOnConflict": True,
        "policyRefs": [
            {
                "deploymentType": "Remote",
                "kind": "ConfigMap",
                "name": "a-kubeconf-resource-template",
                "namespace": "kcm-system",
            }
        ],
        "reloader": False,
        "stopMatchingBehavior": "WithdrawPolicies",
        "syncMode": "Continuous",
        "templateResourceRefs": [
            {
                "identifier": "InfrastructureProviderIdentity",
                "resource": {"apiVersion": "v1", "kind": "Secret", "name": "a-kubeconf", "namespace": "kcm-system"},
            }
        ],
        "tier": 2147483547,
    }
    summary = api.get(CLUSTER_SUMMARY, KCM, "p--a-sveltos-a") or {}
    assert summary["metadata"]["finalizers"] == ["clustersummaryfinalizer.projectsveltos.io"]
    assert summary["metadata"]["labels"] == {
        "k0rdent.mirantis.com/managed": "true",
        "projectsveltos.io/cluster-name": "a",
        "projectsveltos.io/cluster-type": "Sveltos",
        "projectsveltos.io/profile-name": "a",
    }
    assert (summary["spec"]["clusterName"], summary["spec"]["clusterType"]) == ("a", "Sveltos")
    film = films[CLUSTER_SUMMARY]
    for kind in ("Resources", "Helm"):
        assert film.of("p--a-sveltos-a", feature(kind)) == [None, "Provisioning", "Provisioned"]
    one, two = values_hash("who: one\n"), values_hash("who: two\n")
    assert film.of("p--a-sveltos-a", hashes) == [[], [None, None], [one, None], [one, two]]
    assert [f["featureID"] for f in summary["status"]["featureSummaries"]] == ["Resources", "Helm"]
    assert summary["status"]["dependencies"] == "no dependencies"
    configuration = api.get(CLUSTER_CONFIGURATION, KCM, "sveltos--a") or {}
    (entry,) = configuration["status"]["profileResources"]
    charts = entry["Features"][0].pop("charts")
    assert entry == {"profileName": "a", "Features": [{"featureID": "Helm"}]}
    assert [(c["namespace"], c["releaseName"], c["chartVersion"]) for c in charts] == [
        ("kof", "one", "1.0.0"),
        ("kof", "two", "1.0.0"),
    ]


def test_a_changed_value_is_in_the_spec_before_the_status_speaks_of_it(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    change(sandbox, "a", lambda spec: spec["serviceSpec"]["services"][0].update(values="who: new\n"))
    old, new = values_hash("who: one\n"), values_hash("who: new\n")
    within(10, lambda: hashes(provisioned(sandbox, "p--a-sveltos-a") or {})[:1] == [new])

    def shown(obj: Object) -> Any:
        values = obj["spec"]["clusterProfileSpec"]["helmCharts"][0]["values"]
        found = hashes(obj)
        return values, feature("Helm")(obj), found[0] if found else None

    assert films[CLUSTER_SUMMARY].of("p--a-sveltos-a", shown)[-5:] == [
        ("who: one\n", "Provisioned", old),
        ("who: new\n", "Provisioned", old),  # here whoever believes the status is told of yesterday
        ("who: new\n", "Provisioning", old),
        ("who: new\n", "Provisioning", new),
        ("who: new\n", "Provisioned", new),
    ]


def test_all_times_of_the_services_status_are_new_at_each_write(sandbox: Sandbox, films: Films) -> None:
    def times(obj: Object) -> Any:
        services = (obj.get("status") or {}).get("services") or []
        return services and tuple(c["lastTransitionTime"] for c in services[0].get("conditions") or [])

    seen = [found for found in films[CLUSTER_DEPLOYMENT].of("a", times) if found]
    assert len(seen) > 1
    assert all(len(set(found)) == 1 for found in seen), "each write has one time for all, whatever changed"


def test_slow_sveltos_is_a_longer_gap(sandbox: Sandbox, films: Films, services: list[Object]) -> None:
    sandbox.fault(slow_sveltos_seconds=2)
    began = len(films[CLUSTER_SUMMARY].of("p--a-sveltos-a", feature("Helm")))
    change(sandbox, "a", lambda spec: spec["serviceSpec"].update(services=services))
    within(5, lambda: (sandbox.api.get(PROFILE, KCM, "a") or {})["spec"]["helmCharts"][0]["values"] == "who: one\n")
    sandbox.simulator._cluster.stopped.wait(1.0)
    assert len(films[CLUSTER_SUMMARY].of("p--a-sveltos-a", feature("Helm"))) == began, "it looked too early"
    within(10, lambda: provisioned(sandbox, "p--a-sveltos-a"))


def test_a_label_reaches_the_cluster_by_an_upgrade_of_its_helm_release(sandbox: Sandbox, films: Films) -> None:
    api, name = sandbox.api, "a"
    change(sandbox, name, lambda spec: spec["config"]["clusterLabels"].update(more="true"))
    within(5, lambda: ".v2 " in sandbox.conditions(name)["HelmReleaseReady"]["message"])
    assert (api.get(SVELTOS_CLUSTER, KCM, name) or {})["metadata"]["labels"]["more"] == "true"
    assert films[CLUSTER_DEPLOYMENT].of(name, condition("HelmReleaseReady", "status", "reason", "message"))[-4:] == [
        (
            "True",
            "InstallSucceeded",
            "Helm install succeeded for release kcm-system/a.v1 with chart adopted-cluster@0.1.0",
        ),
        (
            "False",
            "Failed",
            f'Operation cannot be fulfilled on helmreleases.helm.toolkit.fluxcd.io "a": {MODIFIED}',
        ),
        ("Unknown", "Progressing", "Running 'upgrade' action with timeout of 5m0s"),
        (
            "True",
            "UpgradeSucceeded",
            "Helm upgrade succeeded for release kcm-system/a.v2 with chart adopted-cluster@0.1.0",
        ),
    ]
    refused = f'Operation cannot be fulfilled on helmreleases.helm.toolkit.fluxcd.io "a": {MODIFIED}. '
    assert ("False", refused) in films[CLUSTER_DEPLOYMENT].of(name, condition("Ready", "status", "message"))


def test_a_cluster_that_cannot_be_reached_keeps_its_summary_as_it_is(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    api = sandbox.api

    def connection() -> Object:
        return (api.get(SVELTOS_CLUSTER, KCM, "a") or {})["status"]

    sandbox.fault(unreachable=["a"])
    down = within(5, lambda: connection().get("connectionStatus") == "Down" and connection())
    assert down["failureMessage"] == (
        "failed to get API group resources: unable to retrieve the complete list of server APIs: "
        'v1: Get "https://a.invalid:6443/api/v1": dial tcp a.invalid:6443: connect: connection refused'
    )
    assert down["connectionFailures"] >= 3
    assert (down["ready"], down["version"]) == (True, "v1.34.4"), "ready stays"
    counts = films[SVELTOS_CLUSTER].of("a", lambda obj: obj.get("status", {}).get("connectionStatus"))
    assert counts == [None, "Healthy", "Down"]
    status = (api.get(CLUSTER_SUMMARY, KCM, "p--a-sveltos-a") or {})["status"]
    change(sandbox, "a", lambda spec: spec["serviceSpec"]["services"][0].update(values="who: late\n"))

    def summary() -> Object:
        return api.get(CLUSTER_SUMMARY, KCM, "p--a-sveltos-a") or {}

    within(5, lambda: summary()["spec"]["clusterProfileSpec"]["helmCharts"][0]["values"] == "who: late\n")
    within(5, lambda: sandbox.ready("a"))
    sandbox.simulator._cluster.stopped.wait(2 * STEP)
    assert summary()["status"] == status, "spec is new, status of yesterday, and Ready True"
    sandbox.fault()
    within(5, lambda: connection() == {"connectionStatus": "Healthy", "ready": True, "version": "v1.34.4"})
    within(10, lambda: provisioned(sandbox, "p--a-sveltos-a"))


def test_what_helm_refuses_fails_and_is_tried_by_turns_with_the_message_kept(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    change(sandbox, "a", lambda spec: spec["serviceSpec"]["services"][1].update(values="rule: '{{ $labels.x }}'\n"))
    film = films[CLUSTER_SUMMARY]
    within(15, lambda: film.of("p--a-sveltos-a", feature("Helm")).count("Failed with message") > 2)

    def helm_of_services(obj: Object) -> Any:
        conditions = ((obj.get("status") or {}).get("services") or [{}])[0].get("conditions") or []
        return {c["type"]: (c["status"], c["reason"]) for c in conditions}.get("Helm")

    change(sandbox, "a", lambda spec: spec["serviceSpec"].update(services=services))
    within(10, lambda: provisioned(sandbox, "p--a-sveltos-a"))
    states = film.of("p--a-sveltos-a", feature("Helm"))
    first = states.index("Failed with message")
    failing = states[first:-1]
    assert states[first - 1] == "Provisioning"
    assert failing == ["Failed with message", "Provisioning with message"] * (len(failing) // 2)
    assert states[-1] == "Provisioned"
    kcm = films[CLUSTER_DEPLOYMENT].of("a", helm_of_services)
    assert ("False", "Provisioning") in kcm
    assert ("False", "Failed") in kcm


def test_a_missing_reference_fails_for_good_and_heals_at_once_when_it_is_there(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    api = sandbox.api
    template = api.get(CONFIG_MAP, KCM, "aws-cluster-identity-resource-template") or {}
    adopt(api, "poor", kubeconfig())
    api.delete(CONFIG_MAP, KCM, "poor-kubeconf-resource-template")
    wanted = cluster_deployment(
        "poor", *services, template="adopted-cluster-0-1-0", credential="poor-cred", config={"clusterLabels": {}}
    )
    within(5, lambda: ((api.get(CREDENTIAL, KCM, "poor-cred") or {}).get("status") or {}).get("ready"))
    api.create(CLUSTER_DEPLOYMENT, wanted, manager="test")

    def resources() -> Object:
        status = (api.get(CLUSTER_SUMMARY, KCM, "p--poor-sveltos-poor") or {}).get("status") or {}
        return next((f for f in status.get("featureSummaries") or [] if f["featureID"] == "Resources"), {})

    failed = within(5, lambda: resources().get("status") == "FailedNonRetriable" and resources())
    assert failed["failureMessage"] == (
        "Referenced resource: ConfigMap kcm-system/poor-kubeconf-resource-template does not exist"
    )
    within(10, lambda: len([h for h in hashes(api.get(CLUSTER_SUMMARY, KCM, "p--poor-sveltos-poor") or {}) if h]) == 2)
    annotations = template["metadata"]["annotations"]
    sandbox.make(CONFIG_MAP, "poor-kubeconf-resource-template", KCM, metadata={"annotations": annotations})
    within(5, lambda: provisioned(sandbox, "p--poor-sveltos-poor"))
    film = films[CLUSTER_SUMMARY]
    assert film.of("p--poor-sveltos-poor", feature("Resources")) == [
        None,
        "Provisioning",
        "FailedNonRetriable with message",
        "Provisioning with message",
        "Provisioned",
    ]
    assert film.of("p--poor-sveltos-poor", feature("Helm")) == [None, "Provisioning", "Provisioned"]
    api.delete(CLUSTER_DEPLOYMENT, KCM, "poor")


@pytest.mark.parametrize("name", ["garbage", "nobody"])
def test_a_kubeconfig_that_leads_nowhere_is_told_by_the_sveltos_cluster_alone(
    sandbox: Sandbox, films: Films, services: list[Object], name: str
) -> None:
    api = sandbox.api
    if name == "nobody":
        sandbox.fault(unreachable=[name])
    adopted(sandbox, name, *services, text="not a kubeconfig" if name == "garbage" else None)
    within(5, lambda: sandbox.ready(name))
    down = within(
        5,
        lambda: (
            ((found := api.get(SVELTOS_CLUSTER, KCM, name) or {}).get("status") or {}).get("connectionStatus") == "Down"
            and found["status"]
        ),
    )
    assert "ready" not in down
    if name == "garbage":
        assert down["failureMessage"].startswith('BuildConfigFromFlags: error loading config file "/tmp/kubeconfig')
        assert "cannot unmarshal string into Go value of type struct" in down["failureMessage"]
    else:
        assert down["failureMessage"].endswith("connect: connection refused")
    assert api.get(CLUSTER_SUMMARY, KCM, f"p--{name}-sveltos-{name}") is None
    assert "services" not in (api.get(CLUSTER_DEPLOYMENT, KCM, name) or {})["status"]
    profile = api.get(PROFILE, KCM, name) or {}
    assert "matchingClusters" not in (profile.get("status") or {})
    api.delete(CLUSTER_DEPLOYMENT, KCM, name)
    within(5, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, name) is None and api.get(PROFILE, KCM, name) is None)


def test_two_profiles_of_a_new_cluster_get_in_each_others_way_once(sandbox: Sandbox, films: Films) -> None:
    api = sandbox.api
    helm = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "kof"}}
    annotated = {"metadata": {"annotations": {"projectsveltos.io/template": "true"}}}
    for name in ("first", "second"):
        sandbox.make(SECRET, name, KOF, stringData={"key": "value"})
        sandbox.make(CONFIG_MAP, f"template-{name}", KOF, data={"s.yaml": f'{{{{ copy "{name}" }}}}'}, **annotated)
        spec = {
            "clusterSelector": {"matchLabels": {name: "true"}},
            "policyRefs": [{"kind": "ConfigMap", "name": f"template-{name}", "namespace": KOF}],
            "templateResourceRefs": [
                {"identifier": name, "resource": {"apiVersion": "v1", "kind": "Secret", "name": name, "namespace": KOF}}
            ],
        }
        sandbox.make(CLUSTER_PROFILE, name, spec=spec, metadata=helm)
    adopted(sandbox, "race", config={"clusterLabels": {"first": "true", "second": "true"}})
    names = ("first-sveltos-race", "second-sveltos-race")
    within(10, lambda: all(provisioned(sandbox, name) for name in names))
    films_of = [films[CLUSTER_SUMMARY].of(name, feature("Resources")) for name in names]
    plain = [None, "Provisioning", "Provisioned"]
    healed = [None, "Provisioning", "Failed with message", "Provisioning with message", "Provisioned"]
    assert plain in films_of
    assert healed in films_of
    message = films[CLUSTER_SUMMARY].of(
        names[films_of.index(healed)],
        lambda obj: next((f.get("failureMessage") for f in obj.get("status", {}).get("featureSummaries", [])), None),
    )
    assert message == [None, 'namespaces "kof" already exists', None]
    summary = api.get(CLUSTER_SUMMARY, KCM, names[0]) or {}
    assert summary["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert summary["metadata"]["annotations"] == helm["annotations"]
    assert summary["status"]["deployedGVKs"] == [{"featureID": "Resources", "deployedGroupVersionKind": ["Secret.v1."]}]

    # A label that goes takes the summary with it, a step later: what it deployed is taken back first.
    change(sandbox, "race", lambda spec: spec["config"]["clusterLabels"].pop("second"))
    within(5, lambda: api.get(CLUSTER_SUMMARY, KCM, names[1]) is None)
    shown = films[CLUSTER_SUMMARY].of(
        names[1],
        lambda obj: (
            bool(obj["metadata"].get("deletionTimestamp")),
            [(f["featureID"], f["status"]) for f in obj.get("status", {}).get("featureSummaries", [])],
        ),
    )
    removing = [("Resources", "Removing"), ("Helm", "Removing"), ("Kustomize", "Removing")]
    assert shown[-4:] == [
        (False, [("Resources", "Provisioned")]),
        (True, [("Resources", "Provisioned")]),
        (True, removing),
        None,
    ]
    api.delete(CLUSTER_DEPLOYMENT, KCM, "race")
    within(5, lambda: api.get(CLUSTER_SUMMARY, KCM, names[0]) is None)
    shown = films[CLUSTER_SUMMARY].of(
        names[0], lambda obj: [(f["status"], f.get("failureMessage")) for f in obj["status"]["featureSummaries"]]
        if obj.get("status") else None,
    )  # fmt: skip
    assert shown[-3:] == [[("Provisioned", None)], [("Failed", "cluster is not ready")], None]


def test_a_deletion_goes_as_recorded(sandbox: Sandbox, films: Films) -> None:
    api = sandbox.api
    kinds = ((SVELTOS_CLUSTER, "a"), (CLUSTER_SUMMARY, "p--a-sveltos-a"), (CLUSTER_DEPLOYMENT, "a"), (PROFILE, "a"))
    before = api.get(CLUSTER_DEPLOYMENT, KCM, "a") or {}
    api.delete(CLUSTER_DEPLOYMENT, KCM, "a")
    within(10, lambda: not any(api.get(kind, KCM, name) for kind, name in kinds))
    gone = [films[kind].gone_at(name) for kind, name in kinds]
    cluster, summary_gone, deployment, profile = gone
    assert cluster < summary_gone < profile
    assert cluster < deployment < profile
    seen = films[CLUSTER_DEPLOYMENT].of(
        "a",
        lambda obj: (
            bool(obj["metadata"].get("deletionTimestamp")),
            obj["metadata"]["generation"] - (obj.get("status") or {}).get("observedGeneration", 0),
        ),
    )
    assert seen[-2:] == [(True, 1), None], "observedGeneration lags, old conditions stay"
    last = films[CLUSTER_DEPLOYMENT].of("a", lambda obj: obj["status"].get("conditions") if obj.get("status") else None)
    assert last[-2] == before["status"]["conditions"]
    summary = films[CLUSTER_SUMMARY].of("p--a-sveltos-a", feature("Helm"))
    assert summary[-2:] == ["Removing", None]
    assert hashes(films[CLUSTER_SUMMARY].of("p--a-sveltos-a")[-2]), "nothing was withdrawn"
    assert films[PROFILE].of("a", lambda obj: bool(obj["metadata"].get("deletionTimestamp")))[-2:] == [True, None]


def test_a_deletion_hangs_where_the_credential_went_first(sandbox: Sandbox, services: list[Object]) -> None:
    api = sandbox.api
    adopted(sandbox, "hang", *services)
    within(10, lambda: provisioned(sandbox, "p--hang-sveltos-hang"))
    credential = api.get(CREDENTIAL, KCM, "hang-cred") or {}
    assert api.delete(CREDENTIAL, KCM, "hang-cred"), "nobody refuses that"
    api.delete(CLUSTER_DEPLOYMENT, KCM, "hang")
    within(5, lambda: api.get(SVELTOS_CLUSTER, KCM, "hang") is None)
    sandbox.simulator._cluster.stopped.wait(3 * STEP)
    hanging = api.get(CLUSTER_DEPLOYMENT, KCM, "hang") or {}
    assert hanging["metadata"]["finalizers"] == ["k0rdent.mirantis.com/cluster-deployment"]
    made = api.create(CREDENTIAL, {**credential, "metadata": {"name": "hang-cred", "namespace": KCM}}, manager="test")
    assert made["metadata"]["name"] == "hang-cred"
    within(10, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "hang") is None)


def test_a_deletion_hangs_where_a_service_template_is_no_longer_valid(sandbox: Sandbox) -> None:
    api = sandbox.api
    Charts.there.add("/v2/kof/charts/spoilt/manifests/1.0.0")
    service_template(sandbox, "spoilt-1-0-0", "spoilt", "1.0.0")

    def valid_now(valid: bool) -> None:
        live = api.get(SERVICE_TEMPLATE, KCM, "spoilt-1-0-0") or {}
        api.replace(SERVICE_TEMPLATE, {**live, "status": {**live["status"], "valid": valid}}, subresource="status")

    within(5, lambda: ((api.get(SERVICE_TEMPLATE, KCM, "spoilt-1-0-0") or {}).get("status") or {}).get("valid"))
    adopted(sandbox, "spoil", {"name": "spoilt", "template": "spoilt-1-0-0"})
    within(10, lambda: provisioned(sandbox, "p--spoil-sveltos-spoil"))
    assert refusal(lambda: api.delete(SERVICE_TEMPLATE, KCM, "spoilt-1-0-0")).endswith("template deletion is forbidden")
    valid_now(False)
    api.delete(CLUSTER_DEPLOYMENT, KCM, "spoil")
    within(5, lambda: api.get(SVELTOS_CLUSTER, KCM, "spoil") is None)
    sandbox.simulator._cluster.stopped.wait(3 * STEP)
    assert api.get(CLUSTER_DEPLOYMENT, KCM, "spoil") is not None
    valid_now(True)
    within(10, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "spoil") is None)


def test_what_the_webhook_misses_is_a_404_of_the_api_server(sandbox: Sandbox) -> None:
    """Which is never "gone" nor "kind not served"."""
    wanted = cluster_deployment("refused", credential="nope")
    with pytest.raises(ApiError) as refused:
        sandbox.api.create(CLUSTER_DEPLOYMENT, wanted)
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    assert refused.value.message == (
        'admission webhook "validation.clusterdeployment.k0rdent.mirantis.com" denied the request: '
        'Credential.k0rdent.mirantis.com "nope" not found'
    )


def test_a_config_that_the_chart_refuses_is_accepted_and_then_fails(sandbox: Sandbox, services: list[Object]) -> None:
    api = sandbox.api
    wanted = cluster_deployment("three", *services, config={"workersNumber": "three"})
    api.create(CLUSTER_DEPLOYMENT, wanted, manager="test")
    within(5, lambda: "SveltosProfileReady" in sandbox.conditions("three"))
    conditions = sandbox.conditions("three")
    assert list(conditions) == [
        "TemplateReady", "HelmChartReady", "HelmReleaseReady", "Ready", "SveltosProfileReady",
        "FetchServicesStatusSuccess",
    ]  # fmt: skip
    assert (conditions["HelmChartReady"]["status"], conditions["HelmChartReady"]["reason"]) == ("False", "Failed")
    assert conditions["HelmChartReady"]["message"].startswith(
        "failed to validate template with provided configuration: values don't meet the specifications of the schema(s)"
    )
    assert conditions["Ready"]["status"] == "False"
    assert api.get(PROFILE, KCM, "three") is not None
    assert api.get(CAPI_CLUSTER, KCM, "three") is None
    api.delete(CLUSTER_DEPLOYMENT, KCM, "three")
    within(5, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "three") is None)


def test_a_dry_run_makes_a_profile_and_is_ready_without_a_helm_release(
    sandbox: Sandbox, services: list[Object]
) -> None:
    api = sandbox.api
    api.create(CLUSTER_DEPLOYMENT, cluster_deployment("dry", *services, dryRun=True), manager="test")
    within(5, lambda: sandbox.ready("dry"))
    assert list(sandbox.conditions("dry")) == [
        "TemplateReady", "HelmChartReady", "Ready", "CredentialReady", "SveltosProfileReady",
        "FetchServicesStatusSuccess",
    ]  # fmt: skip
    assert api.get(PROFILE, KCM, "dry") is not None
    assert api.get(CAPI_CLUSTER, KCM, "dry") is None
    api.delete(CLUSTER_DEPLOYMENT, KCM, "dry")
    within(5, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "dry") is None)


def test_ready_is_true_before_there_is_a_control_plane(sandbox: Sandbox, films: Films) -> None:
    sandbox.fault(slow_seconds=1)
    sandbox.api.create(CLUSTER_DEPLOYMENT, cluster_deployment("early"), manager="test")
    within(10, lambda: sandbox.conditions("early").get("Available", {}).get("status") == "True")
    film = films[CLUSTER_DEPLOYMENT]
    ready = [status for status in film.of("early", condition("Ready", "status")) if status]
    assert ready[:4] == ["Unknown", "True", "False", "True"]
    assert film.of("early", condition("ControlPlaneReady", "status", "reason", "message")) == [
        None,
        ("False", "WaitingForControlPlane", "early: Waiting for the control plane"),
        ("True", "Succeeded", "early is Ready"),
    ]
    sandbox.api.delete(CLUSTER_DEPLOYMENT, KCM, "early")


def test_without_labels_of_its_own_a_cluster_gets_its_deployments(sandbox: Sandbox) -> None:
    api = sandbox.api
    api.create(CLUSTER_DEPLOYMENT, cluster_deployment("bare", config={"region": "r"}), manager="test")
    cluster = within(5, lambda: api.get(CAPI_CLUSTER, KCM, "bare"))
    assert cluster["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "Helm",
        "helm.toolkit.fluxcd.io/name": "bare",
        "helm.toolkit.fluxcd.io/namespace": "kcm-system",
        "k0rdent.mirantis.com/component": "kcm",
        "own": "label",
    }
    api.delete(CLUSTER_DEPLOYMENT, KCM, "bare")


def test_a_service_that_goes_leaves_the_profile_and_the_releases_at_once(
    sandbox: Sandbox, films: Films, services: list[Object]
) -> None:
    adopted(sandbox, "less", *services)
    within(10, lambda: provisioned(sandbox, "p--less-sveltos-less"))
    change(sandbox, "less", lambda spec: spec["serviceSpec"].update(services=[]))

    def without() -> bool:
        summary = provisioned(sandbox, "p--less-sveltos-less") or {}
        return "helmCharts" not in summary.get("spec", {}).get("clusterProfileSpec", {"helmCharts": []})

    within(10, without)

    def shown(obj: Object) -> Any:
        return feature("Helm")(obj), len(hashes(obj))

    assert films[CLUSTER_SUMMARY].of("p--less-sveltos-less", shown)[-4:] == [
        ("Provisioned", 2),
        ("Provisioning", 2),
        ("Provisioning", 0),
        ("Provisioned", 0),
    ]
    sandbox.api.delete(CLUSTER_DEPLOYMENT, KCM, "less")
