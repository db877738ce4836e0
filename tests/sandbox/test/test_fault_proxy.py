"""Tests of the fault proxy in front of a real API server, with a client that does nothing by itself."""

from __future__ import annotations

import http.client
import json
import pathlib
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import lifecycle
from sandbox.api import Api, ApiFailure, connect
from sandbox.fault_proxy import Fault, FaultProxy
from sandbox.fixtures import ControlPlane

NAMESPACES = "/api/v1/namespaces"


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.state, control_plane.kubeconfig, lifecycle.MOTHERSHIP) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy, tmp_path: pathlib.Path) -> Iterator[Api]:
    with connect(proxy.write_kubeconfig(tmp_path / "kubeconfig")) as through:
        assert through.server == proxy.url
        yield through


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def names(api: Api) -> set[str]:
    return {each["metadata"]["name"] for each in api.request("GET", NAMESPACES)["items"]}


def test_without_faults_all_goes_through_as_the_same_user_on_one_connection(proxy, client, control_plane):
    name = fresh("through-the-proxy")
    client.request("POST", NAMESPACES, namespace(name))
    link = client._connection.sock
    client.apply(f"{NAMESPACES}/{name}", namespace(name))
    with pytest.raises(ApiFailure, match="not found"):
        client.request("GET", f"{NAMESPACES}/nothing")
    assert name in names(client)
    assert client._connection.sock is link
    assert proxy.counts == {"all": 4, "POST": 1, "PATCH": 1, "GET": 2}
    creation = next(line for line in control_plane.audit.read_text().splitlines() if name in line)
    assert json.loads(creation)["user"]["username"] == lifecycle.KOF_USER


def test_who_brings_a_token_is_that_user_and_a_bad_one_is_nobody(proxy, client, control_plane):
    robot = fresh("robot")
    control_plane.kubectl("create", "serviceaccount", robot, "-n", "default")
    token = control_plane.kubectl("create", "token", robot, "-n", "default").strip()
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    link = http.client.HTTPSConnection(proxy.url.removeprefix("https://"), context=proxy.as_nobody)
    for authorization, status, name in (
        (token, 201, f"system:serviceaccount:default:{robot}"),
        ("bad", 401, "Unauthorized"),
    ):
        headers = {"Authorization": f"Bearer {authorization}", "Content-Type": "application/json"}
        link.request("POST", path, json.dumps(review), headers)
        answer = link.getresponse()
        assert answer.status == status
        told = json.loads(answer.read())
        assert (told["status"]["userInfo"]["username"] if status == 201 else told["message"]) == name
    link.close()


def test_events_of_a_watch_come_one_by_one(proxy, client, control_plane):
    version = client.request("GET", NAMESPACES)["metadata"]["resourceVersion"]
    link = http.client.HTTPSConnection(proxy.url.removeprefix("https://"), context=proxy.as_nobody, timeout=300)
    link.request("GET", f"{NAMESPACES}?watch=true&timeoutSeconds=60&resourceVersion={version}")
    stream = link.getresponse()
    for name in (fresh("watched-first"), fresh("watched-second")):
        # The second is only made when the first event has arrived: nothing keeps events back.
        control_plane.kubectl("create", "namespace", name)
        while json.loads(stream.readline())["object"]["metadata"]["name"] != name:
            pass
    link.close()
    assert proxy.counts["watches"] == 1


def test_busy_for_a_time_then_all_is_well(proxy, client):
    proxy.faults = (Fault("busy", after=1, seconds=0.5, delay=7),)
    assert client.raw("GET", NAMESPACES)[0] == 200
    client._connection.request("GET", NAMESPACES)
    answer = client._connection.getresponse()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert json.loads(answer.read())["reason"] == "TooManyRequests"
    while client.raw("GET", NAMESPACES)[0] == 429:
        time.sleep(0.05)
    assert client.raw("GET", NAMESPACES)[0] == 200
    assert proxy.counts["busy"] >= 1


def test_every_so_many_th_of_a_method_and_one_fault_at_a_time(proxy, client):
    proxy.faults = (Fault("error", "GET", every=2), Fault("bare_error", "GET", every=3))
    answers = [client.raw("GET", NAMESPACES) for _number in range(6)]
    assert [status for status, _body in answers] == [200, 500, 500, 500, 200, 500]
    assert json.loads(answers[1][1])["reason"] == "InternalError"
    assert answers[2][1] == b""
    assert (proxy.counts["error"], proxy.counts["bare_error"]) == (3, 1)
    assert client.raw("POST", NAMESPACES, namespace(fresh("of-another-method")))[0] == 201
    proxy.faults = ()
    assert client.raw("GET", NAMESPACES)[0] == 200
    with pytest.raises(ValueError, match="'explode' is no fault"):
        proxy.faults = (Fault("explode"),)


def test_a_reset_before_leaves_nothing_and_a_reset_after_leaves_the_object(proxy, client):
    headers = {"Content-Type": "application/json"}
    for kind, there in (("reset_before", False), ("reset_after", True)):
        proxy.faults = (Fault(kind, "POST"),)
        name = fresh(kind.replace("_", "-"))
        link = http.client.HTTPSConnection(proxy.url.removeprefix("https://"), context=proxy.as_nobody)
        link.request("POST", NAMESPACES, json.dumps(namespace(name)), headers)
        assert link.sock is not None
        # Under TLS, where Python would call it an end: a real reset.
        with socket.socket(fileno=link.sock.detach()) as below, pytest.raises(ConnectionResetError):
            list(iter(lambda: below.recv(65536), b""))
        assert (name in names(client)) is there
        assert proxy.counts[kind] == 1


def test_who_is_asked_of_each_change_says_what_reaches_the_server_and_what_the_client(proxy, client):
    asked, never, unheard = [], fresh("never"), fresh("unheard")

    def passes(method: str, path: str, done: bool) -> bool:
        path = path.partition("?")[0]
        asked.append((method, path, done))
        return not (path.endswith(never) or (path.endswith(unheard) and done))

    proxy.passes = passes
    for name in (never, unheard):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.apply(f"{NAMESPACES}/{name}", namespace(name))
        client.close()  # the next request has a line of its own
    assert names(client) & {never, unheard} == {unheard}
    assert asked == [
        ("PATCH", f"{NAMESPACES}/{never}", False),
        ("PATCH", f"{NAMESPACES}/{unheard}", False),
        ("PATCH", f"{NAMESPACES}/{unheard}", True),
    ]


def test_a_hang_lasts_until_the_client_gives_up_or_for_its_time(proxy, tmp_path):
    proxy.faults = (Fault("hang", "POST"), Fault("hang", "GET", delay=0.3))
    kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig")
    impatient = Api(kubeconfig, timeout=2)
    with pytest.raises(TimeoutError):
        impatient.request("POST", NAMESPACES, namespace("never-made"))
    with pytest.raises(http.client.RemoteDisconnected), connect(kubeconfig) as patient:
        patient.request("GET", NAMESPACES)
    proxy.faults = (Fault("slow", delay=5),)
    with pytest.raises(TimeoutError):
        Api(kubeconfig, timeout=2).request("GET", NAMESPACES)
    proxy.faults = ()
    with connect(kubeconfig) as patient:
        assert "never-made" not in names(patient)
    assert (proxy.counts["hang"], proxy.counts["slow"]) == (2, 1)


def test_a_client_that_says_nothing_stops_nobody(proxy, client):
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))):  # no TLS handshake follows
        assert names(client)


def test_a_killed_api_server_looks_as_it_does_without_us(proxy, client, control_plane):
    assert names(client)
    control_plane.restart()
    # The proxy's own idle connection is gone; the client need not know.
    assert names(client)
