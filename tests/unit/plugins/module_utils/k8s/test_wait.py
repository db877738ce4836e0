"""Waiting on a real API server while somebody else (a thread) moves the objects on."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import Readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Target, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.sveltos import values_hash

NAMESPACE = "wait-test"
#: Requests of a look at clusters beside the one for themselves.
LOOKS = 5
_NUMBERS = itertools.count()


class Others:
    """The controllers' part."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def put(self, api: str, kind: str, name: str, spec: Any, status: Any = None, **more: Any) -> Ref:
        """Create or update an object and its status, its generation observed."""
        namespace = None if kind == "Namespace" else NAMESPACE
        ref = Ref(api, kind, namespace, name)
        path = self.connection.path(api, kind, namespace, name)
        body = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}
        if spec is not None:
            body["spec"] = spec
        query = {"fieldManager": "others", "force": "true"}
        found = self.connection.request(
            "PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml"
        )
        if status is not None:
            status = {"observedGeneration": found["metadata"]["generation"], **status}
            self.connection.request(
                "PATCH", path + "/status", body={"status": status}, content_type="application/merge-patch+json"
            )
        return ref

    def template(self, name: str, **status: Any) -> Ref:
        chart = {
            "chart": "x",
            "version": "1.0.0",
            "interval": "10m",
            "sourceRef": {"kind": "HelmRepository", "name": "x"},
        }
        spec = {"helm": {"chartSpec": chart}}
        return self.put("k0rdent.mirantis.com/v1alpha1", "ServiceTemplate", name, spec, status)

    def cluster(self, name: str, ready: str, template: str = "t", credential: str = "", refused: str = "") -> Ref:
        services = [{"name": "s", "namespace": "kof", "template": template}]
        spec = {"template": "t", "serviceSpec": {"services": services}}
        if credential:
            spec["credential"] = credential
        when = "2026-01-01T00:00:00Z"
        condition = {"type": "Ready", "status": ready, "reason": "R", "message": "m", "lastTransitionTime": when}
        status = {"conditions": [condition]}
        if refused:
            message = f"failed to validate template with provided configuration: {refused}"
            status["conditions"].append({**condition, "type": "HelmChartReady", "message": message})
        return self.put("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", name, spec, status)

    def summary(self, name: str, state: str, message: str = "") -> None:
        chart = {"repositoryURL": "x", "repositoryName": "x", "chartName": "x", "chartVersion": "0.9.0"}
        spec = {
            "clusterName": name,
            "clusterNamespace": NAMESPACE,
            "clusterType": "Capi",
            "clusterProfileSpec": {"helmCharts": [{**chart, "releaseName": "s", "releaseNamespace": "kof"}]},
        }
        feature = {"featureID": "Helm", "status": state, "hash": "eA==", "failureMessage": message}
        release = {"releaseName": "s", "releaseNamespace": "kof", "status": "Managing"}
        if state != "Provisioning":
            release["valuesHash"] = values_hash("")
        status = {"featureSummaries": [feature], "helmReleaseSummaries": [release]}
        self.put("config.projectsveltos.io/v1beta1", "ClusterSummary", f"p--{name}-capi-{name}", spec, status)


@pytest.fixture(scope="module")
def others(control_plane):
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:
        others = Others(connection)
        others.put("v1", "Namespace", NAMESPACE, None)
        yield others


@pytest.fixture
def connection(control_plane):
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as connection:
        yield connection


def fresh(name: str) -> str:
    return f"{name}{next(_NUMBERS)}-{time.time_ns()}"


def assert_no_thread_stays(before: set[threading.Thread]) -> None:
    """Of those that watched, once each has seen that it is over."""
    end = time.monotonic() + 120
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < end, left
        time.sleep(0.1)


@contextlib.contextmanager
def meanwhile(*steps: Callable[[], Any], pause: float = 0.3) -> Any:
    """Run steps in a thread, each after a pause; their failure is the test's."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            for step in steps:
                time.sleep(pause)
                step()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(120)
    assert not failures, failures


def test_ready_already_needs_no_watch(connection, others):
    ref = others.template(fresh("t"), valid=True)
    (done,) = wait(connection, [awaited.service_template(ref)], timeout=60)
    assert (done.state, done.why) == ("ready", "")
    assert "WATCH" not in connection.counts


def test_clusters_become_ready_with_their_services(connection, others, monkeypatch):
    names = [fresh("c") for _number in range(3)]
    refs = [others.cluster(name, "Unknown") for name in names]
    lines: list[str] = []
    one_of_two = "1 of 2 clusters ready"  # the second of them has two objects

    def become_ready(name: str) -> None:
        others.cluster(name, "True")
        others.summary(name, "Provisioned")

    def until_told() -> None:
        deadline = time.monotonic() + 60
        while not any(line.startswith(one_of_two) for line in lines) and time.monotonic() < deadline:
            time.sleep(0.05)

    watched: list[str] = []
    watch = Connection.watch

    def recorded(self: Connection, path: str, *args: Any, **options: Any) -> Any:
        watched.append(path.rpartition("/")[2])
        return watch(self, path, *args, **options)

    monkeypatch.setattr(Connection, "watch", recorded)
    steps = [lambda n=name: become_ready(n) for name in names]
    before = set(threading.enumerate())
    with meanwhile(steps[0], until_told, *steps[1:]):
        targets = [awaited.cluster_deployment(ref) for ref in refs]
        done = wait(connection, targets, timeout=120, progress=lines.append, owners=["a", "b", "b"])
    assert [one.state for one in done] == ["ready"] * 3
    assert [one.ref for one in done] == refs
    assert 0 < done[0].seconds < done[2].seconds < 120
    # One for each kind, however many objects; a server that was restarted by another test may end some early.
    assert set(watched) - {"clusterconfigurations"} == {
        "clusterdeployments", "clustersummaries", "sveltosclusters", "clusters", "servicetemplates"
    }  # fmt: skip
    assert any(line.startswith(one_of_two) for line in lines)
    assert not [line for line in lines if " of 3 " in line]
    assert_no_thread_stays(before)


def test_a_failure_for_good_is_told_at_once_and_does_not_end_the_wait_for_the_others(connection, others):
    bad, good = fresh("bad"), fresh("good")
    refs = [others.cluster(bad, "Unknown"), others.cluster(good, "Unknown")]
    lines: list[str] = []
    with meanwhile(
        lambda: others.cluster(bad, "False", refused="values don't fit"),
        lambda: (others.summary(good, "Failed", "first"), others.cluster(good, "True")),
        lambda: others.summary(good, "Provisioned"),
    ):
        started = time.monotonic()
        done = wait(connection, [awaited.cluster_deployment(ref) for ref in refs], timeout=120, progress=lines.append)
    assert [one.state for one in done] == ["failed", "ready"]
    assert time.monotonic() - started < 60
    assert "values don't fit" in done[0].why
    assert done[0].because == f"{done[0].why} [{done[0].code}] ({done[0].advice})"
    assert done[0].code == "cluster-config-refused"
    assert sum("failed" in line and bad in line and done[0].code in line for line in lines) == 1


def test_the_deadline_comes_with_the_reasons(connection, others):
    late, sick = fresh("late"), fresh("sick")
    refs = [others.cluster(late, "Unknown"), others.cluster(sick, "True")]
    others.summary(sick, "Failed", "index of untyped nil")
    absent = Ref("k0rdent.mirantis.com/v1alpha1", "ServiceTemplate", NAMESPACE, "absent")
    started = time.monotonic()
    targets = [*(awaited.cluster_deployment(ref) for ref in refs), awaited.service_template(absent)]
    done = wait(connection, targets, timeout=1)
    assert 1 <= time.monotonic() - started < 30
    assert [one.state for one in done] == ["late", "late", "late"]
    assert "index of untyped nil" in done[1].why
    assert "doesn't exist yet" in done[2].why


def test_a_look_waits_for_nothing_and_lists_only_what_is_not_known(connection, others):
    names = [fresh("looked-at"), fresh("looked-at")]
    refs = [others.cluster(name, "True") for name in names]
    for name in names:
        others.summary(name, "Provisioned")
    targets = [awaited.cluster_deployment(ref) for ref in refs]
    assert under_test.all_ready(connection, targets, {})
    path = connection.path("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", NAMESPACE)
    known, _version = connection.list_objects(path)
    before = connection.counts["GET"]
    assert under_test.all_ready(connection, targets, {"ClusterDeployment": known})
    # One for each kind that is served: ClusterSummaries, SveltosClusters, Clusters, ServiceTemplates; and one for what
    # isn't (ClusterConfigurations, in a sandbox that knows none).
    assert connection.counts["GET"] - before == LOOKS

    others_only = [each for each in known if each["metadata"]["name"] != names[1]]
    assert not under_test.all_ready(connection, targets, {"ClusterDeployment": others_only})
    others.summary(names[1], "Failed", "index of untyped nil")
    started = time.monotonic()
    assert not under_test.all_ready(connection, targets, {"ClusterDeployment": known})
    assert time.monotonic() - started < 30


def test_secrets_are_read_by_name_and_never_listed(connection, others, control_plane):
    name = fresh("s")
    ref = Ref("v1", "Secret", NAMESPACE, name)
    value = base64.b64encode(b"hunter2").decode()
    before = len(control_plane.audit.read_text())
    with meanwhile(
        lambda: others.put("v1", "Secret", name, None, data={"a": ""}),
        lambda: others.put("v1", "Secret", name, None, data={"a": value}),
    ):
        (done,) = wait(connection, [awaited.secret(ref, ["a"])], timeout=60)
    assert done.state == "ready"
    asked = [line for line in control_plane.audit.read_text()[before:].splitlines() if '"k0rdent-kof"' in line]
    assert [line for line in asked if f"/secrets/{name}" in line]
    assert not [line for line in asked if "/secrets" in line and ('"verb":"list"' in line or '"verb":"watch"' in line)]


def test_an_object_that_goes_away_is_noticed(connection, others):
    ref = others.cluster(fresh("c"), "Unknown")
    path = connection.path(ref.api_version, ref.kind, ref.namespace, ref.name)
    with meanwhile(lambda: others.connection.request("DELETE", path)):
        (done,) = wait(connection, [awaited.cluster_deployment(ref)], timeout=60)
    assert (done.state, done.why) == ("failed", "doesn't exist")
    with meanwhile():
        (done,) = wait(connection, [awaited.gone(ref)], timeout=60)
    assert done.state == "ready"


def test_time_alone_changes_a_verdict(connection, others, monkeypatch):
    monkeypatch.setattr(readiness, "TEMPLATE_GRACE", 1.0)
    ref = others.template(fresh("t"), valid=False, validationError="chart pull error")
    started = time.monotonic()
    (done,) = wait(connection, [awaited.service_template(ref)], timeout=60)
    assert done.state == "failed"
    assert "chart pull error" in done.why
    assert 1 <= time.monotonic() - started < 30


class Scripted(Connection):
    """The real server, but watches that end as the test says."""

    script: list[Any]

    def watch(self, path: str, resource_version: str, **options: Any) -> Any:
        self.versions = [*getattr(self, "versions", []), resource_version]
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            yield step
            return
        yield from super().watch(path, resource_version, **options)


@pytest.mark.parametrize(
    ("step", "listed_again"),
    [
        (ApiError(410, "Expired", "too old resource version"), True),
        ({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}, True),
        (ApiUnavailable("the watch broke off: no answer in time"), True),
        ({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "BOOKMARK"}}}, False),
    ],
)
def test_a_watch_that_ends_goes_on(control_plane, others, step, listed_again):
    ref = others.template(fresh("t"), valid=False)
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as plain:
        connection = Scripted(plain._settings)
        if not listed_again:
            # A real version to go on from.
            _items, version = plain.list_objects(plain.path(ref.api_version, ref.kind, NAMESPACE))
            step["object"]["metadata"]["resourceVersion"] = version
        connection.script = [step]
        with meanwhile(lambda: others.template(ref.name, valid=True), pause=1.5):
            (done,) = wait(connection, [awaited.service_template(ref)], timeout=60)
        connection.close()
    assert done.state == "ready"
    assert len(connection.versions) == 2
    if not listed_again:
        assert connection.versions[1] == version
    lists = connection.counts["GET"] - 1  # less the one of discovery
    assert lists == (2 if listed_again else 1)


class Failing(Connection):
    """The real server, but each WATCH ends at once in one way."""

    way: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.opened: list[float] = []

    def watch(self, path: str, resource_version: str, **options: Any) -> Any:
        self.opened.append(time.monotonic())
        if isinstance(self.way, Exception):
            raise self.way
        yield from self.way


@pytest.mark.parametrize(
    "way",
    [
        ApiError(500, "InternalError", "etcd has no leader"),
        ApiError(410, "Expired", "too old resource version"),
        ApiUnavailable("the connection was reset"),
        [{"type": "ERROR", "object": {"kind": "Status", "code": 500}}],
        [{"type": "ERROR", "object": {"kind": "Status", "code": 410}}],
        [],  # a proxy that ends every stream
    ],
    ids=str,
)
def test_a_watch_that_always_ends_is_opened_ever_more_slowly(control_plane, others, way):
    ref = others.template(fresh("t"), valid=False)
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as plain:
        connection = Failing(plain._settings)
        connection.way = way
        (done,) = wait(connection, [awaited.service_template(ref)], timeout=3)
        connection.close()
    assert done.state == "late"
    pauses = [after - before for before, after in itertools.pairwise(connection.opened)]
    assert pauses  # of 0.5, 1 and 2 s, and of no less
    assert all(pause >= 0.5 * 2**number for number, pause in enumerate(pauses)), pauses
    assert connection.counts["GET"] - 1 <= len(connection.opened)


class Cut(Connection):
    """The real server, but the first WATCH of ClusterSummaries shows nothing and ends when the test says so."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ended = threading.Event()

    def watch(self, path: str, resource_version: str, **options: Any) -> Any:
        if path.endswith("/clustersummaries") and not self.ended.is_set():
            self.ended.wait(60)
            raise ApiError(410, "Expired", "too old resource version")
        yield from super().watch(path, resource_version, **options)


def test_what_went_away_while_a_watch_was_cut_is_forgotten(control_plane, others):
    name = fresh("c")
    ref = others.cluster(name, "Unknown")
    others.summary(name, "Provisioned")
    api = "config.projectsveltos.io/v1beta1"
    path = others.connection.path(api, "ClusterSummary", NAMESPACE, f"p--{name}-capi-{name}")
    target = awaited.cluster_deployment(ref)
    forgotten = "Sveltos has no ClusterSummary of it yet"

    def judge(obj: Any, lookup: Any) -> Readiness:
        """The real one's; what is to be told is the end of the wait."""
        found = target.judge(obj, lookup)
        return Readiness("failed", found.why, can_heal=False) if found.why == forgotten else found

    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as plain:
        connection = Cut(plain._settings)
        with meanwhile(
            lambda: others.connection.request("DELETE", path),
            connection.ended.set,
            lambda: time.sleep(1.5),  # the pause before the LIST
            lambda: others.cluster(name, "True"),
        ):
            (done,) = wait(connection, [dataclasses.replace(target, judge=judge)], timeout=120)
        connection.close()
    assert (done.state, done.why) == ("failed", forgotten)


def test_a_template_s_version_and_what_is_deployed_of_it_are_looked_at(connection, others):
    """A new version of a ServiceTemplate changes the verdict of every cluster that uses it, without another LIST."""
    name = fresh("c")
    ref = others.cluster(name, "True", template=name)
    others.summary(name, "Provisioned")
    template = others.template(name, valid=True)
    (done,) = wait(connection, [awaited.cluster_deployment(ref)], timeout=1)
    assert (done.state, done.why) == ("late", "Sveltos hasn't taken over version 1.0.0 of kof/s yet")
    path = others.connection.path(template.api_version, template.kind, NAMESPACE, name)
    with meanwhile(lambda: others.connection.request("DELETE", path)):
        (done,) = wait(connection, [awaited.cluster_deployment(ref)], timeout=60)
    assert done.state == "ready"


def test_a_cluster_that_hangs_in_deletion_names_its_credential(connection, others):
    name = fresh("going")
    ref = others.cluster(name, "True", template=name, credential=name)
    path = connection.path(ref.api_version, ref.kind, NAMESPACE, name)
    held = {"metadata": {"finalizers": ["k0rdent.mirantis.com/cluster-deployment"]}}
    others.connection.request("PATCH", path, body=held, content_type="application/merge-patch+json")
    others.connection.request("DELETE", path)
    others.template(name, valid=True)
    try:
        (done,) = wait(connection, [awaited.cluster_gone(ref)], timeout=1)
        assert done.state == "late"
        assert f"its Credential {name} doesn't exist" in done.why
        identity = {"apiVersion": "v1", "kind": "Secret", "name": "x"}
        credential = {"identityRef": identity}
        with meanwhile(
            lambda: others.put("k0rdent.mirantis.com/v1alpha1", "Credential", name, credential, {"ready": True}),
            lambda: others.template(name, valid=False),
        ):
            (done,) = wait(connection, [awaited.cluster_gone(ref)], timeout=4)
        assert f"its ServiceTemplate {name} isn't valid" in done.why
    finally:
        nothing = {"metadata": {"finalizers": None}}
        others.connection.request("PATCH", path, body=nothing, content_type="application/merge-patch+json")


def test_an_api_server_that_restarts_meanwhile(connection, others, control_plane):
    ref = others.template(fresh("t"), valid=False)
    with meanwhile(lambda: control_plane.restart(1), lambda: others.template(ref.name, valid=True)):
        (done,) = wait(connection, [awaited.service_template(ref)], timeout=60)
    assert done.state == "ready"


def test_a_fault_in_a_judge_is_no_endless_wait(connection, others):
    ref = others.template(fresh("t"), valid=False)
    before = set(threading.enumerate())
    calls: list[int] = []

    def judge(_obj: Any, _lookup: Any) -> Readiness:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("a fault")
        return Readiness("progressing")

    with meanwhile(lambda: others.template(ref.name, valid=True)), pytest.raises(RuntimeError, match="a fault"):
        wait(connection, [Target(ref, judge)], timeout=60)
    assert_no_thread_stays(before)


def test_what_is_not_allowed_is_an_error(control_plane):
    nobody = {"kubeconfig": str(control_plane.admin), "impersonate_user": "nobody"}
    ref = Ref("k0rdent.mirantis.com/v1alpha1", "ServiceTemplate", NAMESPACE, "x")
    with connect(nobody) as connection, pytest.raises(ApiError, match="nobody"):
        wait(connection, [awaited.service_template(ref)], timeout=5)
