"""Clusters that are none, or mean harm: what a kubeconfig leads to may answer whatever it likes, for as long as it
likes. One visit's finding, and nobody else's.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_inside import PARTS, Management, codes, kubeconfig, whole

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside

KINDS = {"deployments": "Deployment", "daemonsets": "DaemonSet", "opentelemetrycollectors": "OpenTelemetryCollector"}
#: For each cluster: the one that is well has to be read in it, too, on a machine that is busy.
SECONDS = 3
#: Writes an answer to a request of this path.
Answer = Callable[[Any, str], None]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        try:
            self.server.answer(self, self.path.partition("?")[0])
        except OSError:
            self.close_connection = True

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[Callable[[Answer], str]]:
    servers: list[Server] = []

    def serve(answer: Answer) -> str:
        server = Server(("127.0.0.1", 0), Handler)
        server.answer = answer
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def say(to: Any, status: int, body: bytes, **headers: str) -> None:
    to.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    to.wfile.write(body)


def well(to: Any, path: str) -> None:
    """An API server, of a cluster that has all."""
    say(to, 200, json.dumps(of_a_cluster(path)).encode())


def of_a_cluster(path: str) -> dict[str, Any]:
    plural = path.rpartition("/")[2]
    if plural in ("pods", "services", "persistentvolumeclaims", "certificates", *KINDS):
        items = [whole(each) for each in PARTS if each.what.ref.kind == KINDS.get(plural)]  # type: ignore[union-attr]
        return {"kind": "List", "apiVersion": "v1", "items": items}
    data = {"username": "YQ==", "password": "Yg=="}
    return {"kind": "It", "apiVersion": "v1", "metadata": {"name": plural}, "data": data}


def always(status: int, body: bytes, **headers: str) -> Answer:
    return lambda to, _path: say(to, status, body, **headers)


def listed(items: Any) -> Answer:
    """Well, but that all lists are this."""

    def answer(to: Any, path: str) -> None:
        found = of_a_cluster(path)
        say(to, 200, json.dumps({**found, "items": items} if "items" in found else found).encode())

    return answer


def drips(to: Any, _path: str) -> None:
    """Never ends its answer."""
    to.send_response(200)
    to.end_headers()
    while True:
        to.wfile.write(b" ")
        time.sleep(0.05)


def without_end(to: Any, _path: str) -> None:
    to.send_response(200)
    to.end_headers()
    while True:
        to.wfile.write(b" " * 65536)


def breaks_off(to: Any, path: str) -> None:
    body = json.dumps(of_a_cluster(path)).encode()
    to.send_response(200)
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    to.wfile.write(body[: len(body) // 2])
    to.close_connection = True


def no_last_page(to: Any, path: str) -> None:
    found = of_a_cluster(path)
    say(to, 200, json.dumps({**found, "metadata": {"continue": "x", **found.get("metadata", {})}}).encode())


BOMB = gzip.compress(b" " * 300 * 2**20)
DEEP = b"[" * 100_000
HOSTILE: dict[str, tuple[Answer, str]] = {
    "a gateway's own 404": (always(404, b"<html>no such page</html>"), inside.NO_API),
    "404 in somebody's JSON": (always(404, b'{"error": "not found"}'), inside.NO_API),
    "an empty map": (always(200, b"{}"), inside.NO_API),
    "another map": (always(200, b'{"ok": true, "metadata": [1]}'), inside.NO_API),
    "a page": (always(200, b"<html>welcome</html>"), "doesn't answer in JSON"),
    "what is nested too deep": (always(200, DEEP), "doesn't answer in JSON"),
    "a list that is none": (listed({"a": 1}), inside.NO_API),
    "a list of texts": (listed(["CANARY"]), inside.NO_API),
    "objects without metadata": (listed([{"spec": {}}]), inside.NO_API),
    "labels that are none": (listed([{"metadata": {"name": "a", "labels": ["b"]}}]), inside.NO_API),
    "an answer without an end": (without_end, "its answers have more than 2,097,152 bytes"),
    "little that unpacks to much": (always(200, BOMB, Content_Encoding="gzip"), "its answers have more than"),
    "an answer that is no gzip": (always(200, b"{}", Content_Encoding="gzip"), "the answer can't be unpacked"),
    "half of one": (always(200, BOMB[:100], Content_Encoding="gzip"), ""),
    "an answer that breaks off": (breaks_off, "the answer broke off"),
    "a drop at a time": (drips, f"no answer within {SECONDS} s"),
    "no last page": (no_last_page, f"within {SECONDS} s"),
    "a redirection": (always(302, b"", Location="https://169.254.169.254/"), "answers with a redirect"),
}


def visited(servers: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    secrets = {f"{name}_kubeconfig": kubeconfig(server) for name, server in servers.items()}
    visits = [
        inside.Visit(name, PARTS, [("kcm-system", f"{name}-kubeconfig")], SECONDS, keeps=True) for name in servers
    ]
    management = Management(**secrets)
    inside.look(management, visits, lambda _when: True)  # type: ignore[arg-type]
    return {visit.name: [(each.verdict.code, each.verdict.why) for each in visit.found] for visit in visits}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_server_that_isn_t_one_is_a_finding_and_spoils_no_other(
    case: str, served: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "LARGEST", 2 * 2**20)
    answer, why = HOSTILE[case]
    began = time.monotonic()
    found = visited({"hostile": served(answer), "well": served(well)})
    assert time.monotonic() - began < 60  # and not without end
    assert found["well"] == []
    assert codes(found["hostile"]) == ["cluster-not-answering"], found
    assert why in found["hostile"][0][1]
    assert "CANARY" not in str(found)


UGLY = (None, 5, "text", ["x"], {"a": None}, [[1]], "9" * 5000)


@pytest.mark.parametrize("ugly", UGLY, ids=str)
def test_objects_of_another_form_are_told_and_the_others_looked_at(ugly: Any, served: Callable[[Answer], str]) -> None:
    """Of another version of a chart's kinds, or somebody's joke: a cluster that does answer."""

    def answer(to: Any, path: str) -> None:
        found = of_a_cluster(path)
        for each in found.get("items", ()):
            each["status"] = ugly
        if path.endswith("/pods"):
            named = {"metadata": {"name": "a", "namespace": "kof", "uid": ugly}, "spec": {"volumes": ugly}}
            whole_pod = {"phase": "Running", "containerStatuses": [ugly], "conditions": ugly}
            found["items"] = [named, {**named, "status": ugly}, {**named, "status": whole_pod}]
        say(to, 200, json.dumps(found).encode())

    found = visited({"ugly": served(answer), "well": served(well)})
    assert found["well"] == []
    assert "cluster-not-answering" not in codes(found["ugly"])
    assert set(codes(found["ugly"])) & {"object-malformed", "deployment-not-available"}


def test_requests_of_visits_are_told_to_who_observes(served: Callable[[Answer], str]) -> None:
    told: list[str] = []
    management = Management(a_kubeconfig=kubeconfig(server := served(well)))
    management.observe = lambda request: told.append(str(request))
    visit = inside.Visit("a", PARTS, [("kcm-system", "a-kubeconfig")], 5.0)
    inside.look(management, [visit], lambda _when: True)  # type: ignore[arg-type]
    assert any(each.startswith(f"<{server}> GET /api/v1/namespaces/kof/pods") for each in told)
    assert "CANARY" not in str(told)
