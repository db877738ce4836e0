"""fleet/access.py: a region whose API answers as none does, and logins that aren't there as they should be, are told
and hold up nobody else. A region is a server of the test here, since no real one can be brought to such answers."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import access
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.inside import NO_API
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
GRAFANA = RELEASE.regional_entrances[0]
SECRET = "s3cr3t-of-the-test"


class Region(http.server.ThreadingHTTPServer):
    """:ivar answers: status and body, by the last word of a path."""

    daemon_threads = True

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def config(self) -> dict[str, Any]:
        return {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [{"name": "a", "user": {}}],
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Region

    def do_GET(self) -> None:
        status, body = self.server.answers[self.path.partition("?")[0].rpartition("/")[2]]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        pass


def listed(*items: Any) -> tuple[int, Any]:
    return 200, {"kind": "List", "apiVersion": "v1", "items": list(items)}


def service(**spec: Any) -> dict[str, Any]:
    fine = {"selector": {"app": "g"}, "ports": [{"port": GRAFANA.port}]}
    return {"metadata": {"name": GRAFANA.service}, "spec": {**fine, **spec}}


def pod(labels: Any = None, conditions: Any = None) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    meta = {"name": "p", "labels": {"app": "g"} if labels is None else labels}
    return {"metadata": meta, "status": {"conditions": ready if conditions is None else conditions}}


WELL = {"services": listed(service()), "pods": listed(pod())}


@pytest.fixture
def region() -> Iterator[Callable[..., Region]]:
    running: list[Region] = []

    def start(**answers: Any) -> Region:
        running.append(Region(WELL | answers))
        return running[-1]

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


def ways(*regions: Region) -> list[access.Way]:
    """Of each region that to its Grafana."""
    clusters = []
    for number in range(len(regions)):
        said = {"kof_version": "0.1.1", "regional_domain": f"r{number}.example.com", "regional_admin_email": "a@b.cd"}
        clusters.append(parse_regional(f"r{number}", said)[0])
    fleet: Any = types.SimpleNamespace(release=RELEASE, of=lambda _layer: clusters)
    configs = [access.Kubeconfig(f"r{n}", f"r{n}", each.config) for n, each in enumerate(regions)]
    return [each for each in access.of_regions(fleet, configs, 2.0) if each.entrance is GRAFANA]


NO_SERVICE = "hasn't made it"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, ""),
        ({"services": (200, b"<html>login</html>")}, "doesn't answer in JSON"),
        ({"services": (200, [])}, "doesn't answer in JSON"),
        ({"services": (200, b"")}, NO_SERVICE),
        ({"services": (200, {"items": None})}, NO_SERVICE),
        ({"services": (200, {"items": "none"})}, NO_API),
        ({"services": (200, {"items": 5})}, NO_API),
        ({"services": (200, {"items": {"a": 1}})}, NO_API),
        ({"services": (200, {"items": [], "metadata": ["a"]})}, NO_API),
        ({"services": listed("a")}, NO_API),
        ({"services": listed(None)}, NO_API),
        ({"services": listed({"spec": {}})}, NO_API),
        ({"services": listed({"metadata": {"name": ["a"]}})}, NO_API),
        ({"services": listed({**service(), "spec": "none"})}, NO_API),
        ({"services": listed(service(ports=5))}, NO_API),
        ({"services": listed(service(ports=["a"]))}, NO_API),
        ({"services": listed(service(ports=[{}]))}, NO_API),
        ({"services": listed(service(ports=None))}, "has no port"),
        ({"services": listed(service(ports=[{"port": 8080}]))}, ""),
        ({"services": listed(service(ports=[{"port": GRAFANA.port, "protocol": "UDP"}]))}, "has no port"),
        ({"services": listed(service(selector=None))}, "no pod is behind it"),
        ({"services": listed(service(selector=["app"]))}, NO_API),
        ({"pods": listed()}, "no pod is behind it"),
        ({"pods": listed(pod(labels=["app"]))}, NO_API),
        ({"pods": listed(pod(labels="app"))}, NO_API),
        ({"pods": listed(pod(conditions=5))}, NO_API),
        ({"pods": listed(pod(conditions=["Ready"]))}, NO_API),
        ({"pods": listed(pod(conditions=[]))}, "no pod behind it is ready"),
        ({"pods": (403, {"message": "may not list pods"})}, "may not list pods"),
        ({"pods": (404, b"<html>")}, "404"),
        ({"pods": (410, {"message": "too old"})}, "too old"),
        ({"pods": (500, b"\xff\xfe")}, "500"),
        ({"services": (302, b"")}, "a redirect"),
    ],
)
def test_a_region_that_answers_so_is_told_and_holds_up_no_other(
    answers: dict[str, Any], why: str, region: Callable[..., Region]
) -> None:
    strange, fine = ways(region(**answers), region())
    assert fine.why_not == ""
    assert (why in strange.why_not) if why else not strange.why_not, strange.why_not
    assert strange.url == "http://127.0.0.1:13000"
    assert fine.url == "http://127.0.0.1:13010"


def encoded(text: bytes = SECRET.encode()) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "has no GF_SECURITY_ADMIN_USER"),
        ({}, "has no GF_SECURITY_ADMIN_USER"),
        ([], "has no GF_SECURITY_ADMIN_USER"),
        (["a"], "holds no text"),
        ("text", "holds no text"),
        ({"GF_SECURITY_ADMIN_USER": encoded()}, "has no GF_SECURITY_ADMIN_PASSWORD"),
        (dict.fromkeys(GRAFANA.keys, ""), "has no"),
        ({key: encoded(b"\xff\xfe") for key in GRAFANA.keys}, "holds no text"),
        (dict.fromkeys(GRAFANA.keys, "abc"), "holds no text"),
        (dict.fromkeys(GRAFANA.keys, "straße"), "holds no text"),
        (dict.fromkeys(GRAFANA.keys, 5), "holds no text"),
        ({key: [encoded()] for key in GRAFANA.keys}, "holds no text"),
        ({key: encoded() for key in GRAFANA.keys}, ""),
    ],
)
def test_a_login_that_is_none_is_told_without_it(data: Any, told: str) -> None:
    class Connection:
        def path(self, *_where: str) -> str:
            return "/"

        def request(self, *_request: Any, **_options: Any) -> dict[str, Any]:
            return {"data": data}

    way = access.Way("r", "r", GRAFANA, "kof", 3000, 3000)
    connection: Any = Connection()
    found = access.login(connection, way)
    if told:
        assert isinstance(found, str)
        assert told in found
        assert SECRET not in found
        assert encoded() not in found
    else:
        assert found == (SECRET, SECRET)


@pytest.mark.parametrize("status", [401, 403, 410, 500])
def test_a_login_that_may_not_be_read_is_told(status: int) -> None:
    class Connection:
        def path(self, *_where: str) -> str:
            raise ApiError(status, "Reason", "why")

        request = path

    connection: Any = Connection()
    assert "why" in access.login(connection, access.Way("r", "r", GRAFANA, "kof", 3000, 3000))


def test_another_fleet_s_cluster_is_nobody_s_to_open() -> None:
    class Connection:
        def resource(self, *_kind: str) -> None:
            pass

        def request(self, *_request: Any, **_options: Any) -> None:
            raise AssertionError("its Secret was read")

    connection: Any = Connection()
    (found,) = access.kubeconfigs(
        connection, [types.SimpleNamespace(host="h", cluster_name="eu1", credential=None)], [], {"eu1": "theirs"}
    )
    assert (found.config, found.why_not) == (None, "it belongs to fleet theirs")
