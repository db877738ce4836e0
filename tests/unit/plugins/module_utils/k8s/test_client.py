"""Requests against a server that misbehaves on purpose: what is tried again, what isn't, and what a person reads."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import io
import json
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import client as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, ApiUnavailable, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost
from sandbox.certificates import Authority

Script = Callable[["Handler", int], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the test's script says; the script gets the number of the request, from 1."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server: Any = self.server
        with server.lock:
            server.seen.append((self.command, self.path, dict(self.headers), time.monotonic(), self.body))
            number = len(server.seen)
        server.script(self, number)

    do_GET = do_PATCH = do_POST = do_DELETE = do_CONNECT = handle_any

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str, reason: str = "", **headers: str) -> None:
        self.answer(status, {"kind": "Status", "status": "Failure", "message": message, "reason": reason}, **headers)

    def reset(self) -> None:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        # The socket is closed for good, with a reset, when its last file is.
        for part in (self.rfile, self.wfile, self.connection):
            part.close()
        self.wfile = io.BytesIO()  # the base class flushes it

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Any]]:
    servers = []

    def start(script: Script, authority: Authority | None = None) -> Any:
        server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.script, server.seen, server.lock = script, [], threading.Lock()
        server.url = f"http://127.0.0.1:{server.server_port}"
        if authority is not None:
            server.url = server.url.replace("http:", "https:")
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            with tempfile.NamedTemporaryFile("w") as file:
                file.writelines(authority.issue("server", addresses=("127.0.0.1",), server=True))
                file.flush()
                context.load_cert_chain(file.name)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def config_of(server: str, authority: str, user: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig of one cluster with this authority's file, and this user."""
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "u", "user": user}],
    }


def to(server: Any, **options: Any) -> under_test.Connection:
    return connect({"host": server.url, **options}, {})


def test_retry_after_is_honoured_by_all_threads(serve):
    eight = threading.Barrier(8)

    def script(handler: Handler, number: int) -> None:
        if number <= 8:
            eight.wait(60)  # all are in flight
            handler.refuse(429, "too many requests", "TooManyRequests", Retry_After="1")
        else:
            handler.answer(200, {"ok": True})

    server = serve(script)
    connection = to(server)
    threads = [threading.Thread(target=connection.request, args=("GET", f"/{n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    times = [seen[3] for seen in server.seen]
    assert len(times) == 28
    # None of the eight was refused before the last of them had come.
    assert min(times[8:]) >= times[7] + 0.9, "somebody asked while everybody was asked to wait"
    assert connection.pace.backoffs >= 1
    assert connection.pace.limit < connection.pace.most


SCHEMA_REFUSAL = "failed to create typed patch object (n/x; v1, Kind=A): .spec.b: field not declared in schema"


@pytest.mark.parametrize(
    ("status", "message", "slower"),
    [
        (429, "too many requests", True),
        (500, "Internal error occurred: etcdserver: leader changed", True),
        (500, SCHEMA_REFUSAL, False),
        (502, "", True),
        (503, "not ready", True),
        (504, "", True),
        (422, "spec.b: Invalid value", False),
    ],
)
def test_fewer_requests_fly_at_once_while_the_server_has_trouble(serve, monkeypatch, status, message, slower):
    """Eight fly. When all eight were answered by trouble four do, and one more after four successes; else eight."""
    monkeypatch.setattr(under_test, "_backoff", lambda _tries: 0.0)
    eight = threading.Barrier(8)
    flying: set[int] = set()
    most: list[int] = []

    def script(handler: Handler, number: int) -> None:
        if number <= 8 or (number <= 16 and not slower):
            eight.wait(60)
        if number <= 8:
            handler.refuse(status, message)
            return
        flying.add(number)
        most.append(len(flying))
        time.sleep(0.05)
        flying.discard(number)
        handler.answer(200)

    server = serve(script)
    connection = to(server)

    def ask(number: int) -> None:
        with contextlib.suppress(ApiError):
            connection.request("PATCH", f"/{number}", body={})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))
    assert len(most) == len(server.seen) - 8 == (24 if slower else 16)
    assert not slower or max(most[:6]) <= 5
    assert connection.pace.backoffs == (1 if slower else 0)


def test_it_becomes_as_fast_as_before_when_the_trouble_is_over(serve):
    server = serve(lambda handler, n: handler.refuse(503, "away") if n == 1 else handler.answer(200))
    connection = to(server)
    connection.request("GET", "/x")
    slow = connection.pace.limit
    for _number in range(40):
        connection.request("GET", "/x")
    assert slow < connection.pace.limit == connection.pace.most


def test_retry_after_as_a_date_and_limits_by_deadline(serve):
    server = serve(lambda handler, _n: handler.refuse(429, "busy", Retry_After="Wed, 21 Oct 2099 07:28:00 GMT"))
    started = time.monotonic()
    with pytest.raises(ApiError) as caught:
        to(server).request("GET", "/x", deadline=time.monotonic() + 60)
    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 1e6
    assert time.monotonic() - started < 60


def test_who_has_to_wait_too_long_for_his_turn_is_told_so(serve):
    server = serve(lambda handler, _n: handler.refuse(429, "busy", Retry_After="60"))
    connection = to(server)
    with pytest.raises(ApiError, match="busy"):
        connection.request("GET", "/x", deadline=time.monotonic() + 30)
    with pytest.raises(
        ApiUnavailable, match=r"can't keep up \(it answered with HTTP status 429\), and no time was left"
    ):
        connection.request("GET", "/x", deadline=time.monotonic() + 0.2)
    assert len(server.seen) == 1


def test_a_hang_that_the_deadline_ends_is_told_with_its_own_length(serve):
    connection = to(serve(lambda _handler, _n: time.sleep(3)))
    with pytest.raises(ApiUnavailable, match=r"no answer within [01]\.?\d* s"):
        connection.request("GET", "/x", deadline=time.monotonic() + 0.2)


def test_patience_ends_also_where_the_deadline_is_far(serve, monkeypatch):
    monkeypatch.setattr(under_test, "PATIENCE", 1.0)
    server = serve(lambda handler, _n: handler.refuse(503, "starting", "ServiceUnavailable"))
    with pytest.raises(ApiError, match="starting"):
        to(server).request("GET", "/x", deadline=time.monotonic() + 15)
    assert len(server.seen) <= 4


def test_a_schema_refusal_is_final(serve):
    server = serve(lambda handler, _n: handler.refuse(500, SCHEMA_REFUSAL))
    with pytest.raises(ApiError) as caught:
        to(server).request("PATCH", "/x", body={})
    assert caught.value.is_schema_refusal
    assert len(server.seen) == 1


def test_a_kind_that_the_server_cant_fill_its_cache_of_slows_no_other(serve):
    """As the webhook that converts it is away: 429 each time, and the server has little to do."""
    why = "storage is (re)initializing: failed to list Kind=A: conversion webhook for A failed"

    server = serve(lambda handler, _n: handler.refuse(429, why, "TooManyRequests", Retry_After="14"))
    connection, began = to(server), time.monotonic()
    with pytest.raises(ApiError, match="conversion webhook") as caught:
        connection.request("GET", "/apis/x/v1/as")
    # By what the server asks for (more and more, 30 seconds in the end) it would be a minute for each look at the kind.
    assert time.monotonic() - began < 14
    assert caught.value.is_of_one_kind
    assert len(server.seen) == 5
    assert connection.pace.limit == under_test.POOL_SIZE


def test_a_kind_whose_cache_is_only_being_filled_is_waited_for_and_slows_no_other(serve):
    """Of a definition that is new, or after a restart: the server names no reason, and it takes half a minute."""

    def script(handler: Handler, number: int) -> None:
        if number < 12:
            handler.refuse(429, "storage is (re)initializing", "TooManyRequests", Retry_After="0")
        elif number == 12:  # the first error, and one that isn't tried without end
            handler.refuse(500, "Internal error occurred: etcdserver: leader changed", "InternalError")
        else:
            handler.answer(200, {"ok": True})

    server = serve(script)
    connection = to(server)
    paces = []
    connection.observe = lambda _request: paces.append(connection.pace.limit)
    assert connection.request("GET", "/apis/x/v1/as") == {"ok": True}
    assert len(server.seen) == 13
    assert set(paces[:12]) == {under_test.POOL_SIZE}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_other_server_errors_are_tried_again(serve, status):
    def script(handler: Handler, number: int) -> None:
        if number < 3:
            handler.refuse(status, "Internal error occurred: etcdserver: leader changed", "InternalError")
        else:
            handler.answer(200, {"ok": True})

    server = serve(script)
    assert to(server).request("PATCH", "/x", body={}) == {"ok": True}
    assert len(server.seen) == 3


def test_a_server_error_after_other_trouble_is_the_first_of_its_kind(serve, monkeypatch):
    """While a server settles it may say 503 as often as it likes; one 500 then is no error that stays."""
    monkeypatch.setattr(under_test, "_backoff", lambda _tries: 0.01)

    def script(handler: Handler, number: int) -> None:
        if number < 8:
            handler.refuse(500 if number == 7 else 503, "Internal error occurred: etcdserver: leader changed", "Error")
        else:
            handler.answer(200, {"ok": True})

    assert to(serve(script)).request("GET", "/x") == {"ok": True}


def test_a_server_error_that_stays_is_told(serve):
    server = serve(lambda handler, _n: handler.refuse(500, "Internal error occurred: it burns", "InternalError"))
    with pytest.raises(ApiError, match="it burns"):
        to(server).request("GET", "/x", deadline=time.monotonic() + 2)
    assert 2 <= len(server.seen) <= 5


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [(403, 'x is forbidden: User "u" cannot patch', "Forbidden"), (404, "404 page not found", "")],
)
def test_a_server_that_was_just_restarted_is_not_believed_at_once(serve, status, message, reason):
    def script(handler: Handler, number: int) -> None:
        if number == 2:
            handler.reset()
        elif number in (3, 4, 7):
            handler.refuse(status, message, reason)
        else:
            handler.answer(200, {"n": number})

    server = serve(script)
    connection = to(server)
    connection.request("GET", "/warm")
    assert connection.request("GET", "/x") == {"n": 5}
    with connect({"host": server.url}, {}) as calm:
        assert calm.request("GET", "/x") == {"n": 6}
        with pytest.raises(ApiError):
            calm.request("GET", "/x")
    assert len(server.seen) == 7


def test_no_retries_when_told(serve):
    server = serve(lambda handler, _n: handler.refuse(503, "away"))
    with pytest.raises(ApiError):
        to(server).request("GET", "/x", retries=False)
    assert len(server.seen) == 1


def test_a_reset_is_tried_again_but_not_for_a_post(serve):
    def script(handler: Handler, number: int) -> None:
        if number in (2, 4):
            handler.reset()
        else:
            handler.answer(200, {"n": number})

    server = serve(script)
    connection = to(server)
    connection.request("GET", "/warm")
    connection.close()
    assert connection.request("PATCH", "/x", body={}) == {"n": 3}
    connection.close()
    with pytest.raises(ApiUnavailable, match="connection broken"):
        connection.request("POST", "/x", body={})


def test_an_idle_connection_that_the_server_closed_is_replaced(serve):
    def script(handler: Handler, number: int) -> None:
        handler.answer(200, {"n": number})
        handler.close_connection = True  # without saying so: the client keeps it

    connection = to(serve(script))
    assert [connection.request("GET", "/x")["n"] for _number in range(3)] == [1, 2, 3]


def test_a_hanging_server_costs_no_more_than_the_time_limit(serve):
    server = serve(lambda _handler, _n: time.sleep(60))
    started = time.monotonic()
    with pytest.raises(ApiUnavailable, match=r"no answer within 0\.\d+ s"):
        to(server).request("GET", "/x", timeout=0.3, retries=False)
    assert time.monotonic() - started < 30


def test_a_server_that_dribbles_is_ended_too(serve):
    def script(handler: Handler, _number: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        try:
            for _number in range(1000):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    started = time.monotonic()
    with pytest.raises(ApiUnavailable, match="no answer within"):
        to(serve(script)).request("GET", "/x", timeout=0.5, retries=False)
    assert time.monotonic() - started < 25  # half of what the server takes


def test_a_wrong_address_is_told_soon():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ApiUnavailable) as caught:
        connect({"host": f"https://127.0.0.1:{port}", "api_key": "hunter2"}, {}).request("GET", "/api")
    assert time.monotonic() - started < 60
    text = str(caught.value)
    assert f"https://127.0.0.1:{port}" in text
    assert "connection refused" in text
    assert "hunter2" not in text


def test_an_unknown_name_and_no_json_and_a_redirect(serve):
    with pytest.raises(ApiUnavailable, match="can't be resolved"):
        connect({"host": "https://nowhere.invalid"}, {}).request("GET", "/api", retries=False)
    server = serve(lambda handler, _n: handler.answer(200, b"<html>log in</html>"))
    with pytest.raises(ApiUnavailable, match="JSON"):
        to(server).request("GET", "/api")
    server = serve(lambda handler, _n: handler.answer(302, b"", Location="https://sso.example.com"))
    with pytest.raises(ApiError, match="redirect"):
        to(server).request("GET", "/api")


def test_plain_http_to_a_tls_port_and_the_other_way_round(serve, control_plane):
    server = serve(lambda handler, _n: handler.answer(200))
    with pytest.raises(ApiUnavailable, match="TLS failed"):
        connect({"host": server.url.replace("http:", "https:")}, {}).request("GET", "/api")
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as good:
        url = good.server
    with pytest.raises(ApiUnavailable, match="isn't trusted"):
        connect({"host": url, "api_key": "x"}, {}).request("GET", "/api")
    with pytest.raises(ApiError, match="doesn't accept the credentials"):
        connect({"host": url, "api_key": "hunter2", "validate_certs": False}, {}).request("GET", "/api/v1/namespaces")


def test_gzip_and_headers(serve):
    server = serve(lambda handler, _n: handler.answer(200, gzip.compress(b'{"zipped": true}'), Content_Encoding="gzip"))
    options = {"api_key": "t", "impersonate_user": "ann", "impersonate_groups": ["a", "b"]}
    assert to(server, **options).request("GET", "/x", query={"a": "b c"}) == {"zipped": True}
    _method, path, headers, _when, _body = server.seen[0]
    assert path == "/x?a=b+c"
    assert headers["Authorization"] == "Bearer t"
    assert headers["User-Agent"] == "k0rdent.kof"
    assert headers["Impersonate-User"] == "ann"


def test_a_token_file_is_read_again_once_for_all_threads(serve, tmp_path):
    token = tmp_path / "token"
    token.write_text("old")

    def script(handler: Handler, _number: int) -> None:
        if handler.headers["Authorization"] == "Bearer new":
            handler.answer(200, {"ok": True})
        else:
            handler.refuse(401, "Unauthorized", "Unauthorized")

    authority = Authority(tmp_path, "test")
    server = serve(script, authority)
    kubeconfig = config_of(server.url, str(authority.certificate_file), {"tokenFile": str(token)})
    connection = connect({"kubeconfig": kubeconfig}, {})
    token.write_text("new")
    threads = [threading.Thread(target=connection.request, args=("GET", "/x")) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    accepted = [seen for seen in server.seen if seen[2]["Authorization"] == "Bearer new"]
    assert len(accepted) == 8
    assert len(server.seen) <= 16
    token.write_text("revoked")
    connection = connect({"kubeconfig": kubeconfig}, {})
    server.seen.clear()
    with pytest.raises(ApiError, match="doesn't accept the credentials"):
        connection.request("GET", "/x")
    assert len(server.seen) == 2


def test_a_plugin_is_asked_again_for_what_was_refused_and_for_what_expires_too_soon(serve, tmp_path):
    plugin, token, calls = tmp_path / "plugin", tmp_path / "token", tmp_path / "calls"
    version = "client.authentication.k8s.io/v1"
    plugin.write_text(f"#!/bin/sh\necho run >>{calls}\ncat {token}\n")
    plugin.chmod(0o700)

    def gives(name: str, **more: str) -> None:
        told = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": name, **more}}
        token.write_text(json.dumps(told))

    def script(handler: Handler, _number: int) -> None:
        if handler.headers["Authorization"] == "Bearer new":
            handler.answer(200, {"ok": True})
        else:
            handler.refuse(401, "Unauthorized", "Unauthorized")

    authority = Authority(tmp_path, "test")
    server = serve(script, authority)
    user = {"exec": {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}}
    kubeconfig = config_of(server.url, str(authority.certificate_file), user)
    run = {**os.environ, exec_plugin.SHARED: exec_plugin.shared_memory()}
    gives("old")
    first, second = connect({"kubeconfig": kubeconfig}, run), connect({"kubeconfig": kubeconfig}, run)
    assert calls.read_text().count("run") == 1
    gives("new", expirationTimestamp="2100-01-01T00:00:00Z")
    first.request("GET", "/x")
    second.request("GET", "/x")  # refused too, and finds what the first has got meanwhile
    assert calls.read_text().count("run") == 2
    assert first.settings_for(3600).authorization == "Bearer new"
    assert calls.read_text().count("run") == 2
    assert first.settings_for(100 * 366 * 24 * 3600).authorization == "Bearer new"
    assert calls.read_text().count("run") == 3


def test_a_watch_begins_with_a_fresh_token_where_the_old_one_has_expired(serve, tmp_path):
    """A wait of half an hour outlives a cloud's token: the next watch must not end it."""
    token = tmp_path / "token"
    token.write_text("old")
    event = {"type": "ADDED", "object": {"metadata": {"resourceVersion": "8"}}}

    def script(handler: Handler, _number: int) -> None:
        if handler.headers["Authorization"] == "Bearer new":
            handler.answer(200, event)
        else:
            handler.refuse(401, "Unauthorized", "Unauthorized")

    authority = Authority(tmp_path, "test")
    server = serve(script, authority)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config_of(server.url, "ca.crt", {"tokenFile": str(token)})))
    connection = connect({"kubeconfig": str(kubeconfig)}, {})
    token.write_text("new")
    assert list(connection.watch("/x", "7")) == [event]
    assert len(server.seen) == 2
    token.write_text("revoked")
    fresh = connect({"kubeconfig": str(kubeconfig)}, {})
    with pytest.raises(ApiError, match="doesn't accept the credentials"):
        list(fresh.watch("/x", "7"))
    assert len(server.seen) == 4


def test_a_watch_is_not_told_no_by_a_server_that_was_just_restarted(serve):
    def script(handler: Handler, number: int) -> None:
        if number == 1:
            handler.reset()
        else:
            handler.refuse(403, 'x is forbidden: User "u" cannot watch', "Forbidden")

    connection = to(serve(script))
    with pytest.raises(ApiUnavailable, match="broke off"):
        list(connection.watch("/x", "7"))
    with pytest.raises(ApiUnavailable, match="just starting"):
        list(connection.watch("/x", "7"))
    with pytest.raises(ApiError, match="forbidden"):
        list(to(serve(lambda handler, _n: script(handler, 2))).watch("/x", "7"))


def test_pages_are_read_again_from_the_start_when_one_has_expired(serve):
    def script(handler: Handler, number: int) -> None:
        item = {"metadata": {"name": f"n{number}"}}
        if number == 2:
            handler.refuse(410, "the provided continue parameter is too old", "Expired")
        elif number in (1, 3):
            handler.answer(
                200, {"kind": "AList", "apiVersion": "v1", "metadata": {"continue": "more"}, "items": [item]}
            )
        else:
            metadata = {"resourceVersion": "7"}
            handler.answer(200, {"kind": "AList", "apiVersion": "v1", "metadata": metadata, "items": [item]})

    items, version = to(serve(script)).list_objects("/x")
    assert [item["metadata"]["name"] for item in items] == ["n3", "n4"]
    assert {item["kind"] for item in items} == {"A"}
    assert version == "7"


def test_an_http_proxy_is_used_and_named(serve):
    proxy = serve(lambda handler, _n: handler.answer(200, {"through": "proxy"}))
    connection = connect({"host": "http://api.example.com:8080", "proxy": proxy.url.replace("//", "//u:hunter2@")}, {})
    assert connection.request("GET", "/x") == {"through": "proxy"}
    assert proxy.seen[0][1] == "http://api.example.com:8080/x"
    assert proxy.seen[0][2]["Proxy-Authorization"].startswith("Basic ")
    refusing = serve(lambda handler, _n: handler.answer(403, b"no"))
    connection = connect(
        {"host": "https://api.example.com"}, {"HTTPS_PROXY": refusing.url.replace("//", "//u:hunter2@")}
    )
    with pytest.raises(ApiUnavailable) as caught:
        connection.request("GET", "/x")
    assert "HTTPS_PROXY" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_discovery_paths_lists_and_watch_of_a_real_server(control_plane):
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as connection:
        group = connection.api_groups("k0rdent.mirantis.com")
        assert group is not None
        assert group["preferred"] in group["versions"]
        assert connection.api_groups("nothing.example.com") is None
        assert connection.api_groups("") == {"preferred": "v1", "versions": ["v1"]}
        found = connection.resource("kof.k0rdent.mirantis.com/v1alpha1", "PromxyServerGroup")
        assert found is not None
        assert (found.plural, found.namespaced) == ("promxyservergroups", True)
        assert connection.resource("v1", "Nothing") is None
        assert connection.path("v1", "Namespace", None, "x") == "/api/v1/namespaces/x"
        assert connection.path("v1", "Secret", "n", "x") == "/api/v1/namespaces/n/secrets/x"
        with pytest.raises(ApiError, match="doesn't serve"):
            connection.path("v1", "Nothing")
        items, version = connection.list_objects("/api/v1/namespaces", page=2)
        assert len(items) >= 4
        assert all(item["kind"] == "Namespace" and item["apiVersion"] == "v1" for item in items)
        events = connection.watch("/api/v1/namespaces", version, timeout_seconds=2)
        assert [event["type"] for event in events if event["type"] == "ERROR"] == []
        with pytest.raises(ApiUnavailable, match="no answer in time"):
            list(connection.watch("/api/v1/namespaces", version, timeout_seconds=30, read_timeout=0.3))


class Held:
    """A lease that notes when it is asked, and is lost after so many looks."""

    def __init__(self, looks: int = 99) -> None:
        self.asked: list[str] = []
        self.looks = looks

    def owns(self, path: str) -> bool:
        return path.endswith("/leases")

    def take(self) -> None:
        self.asked.append("take")

    def check(self, path: str) -> None:
        self.asked.append(f"check {path}")
        if len(self.asked) > 1 + self.looks:
            raise Lost("it is another's")

    def stop(self) -> None:
        self.asked.append("stop")


def test_what_writes_asks_for_the_lease_and_nothing_else_does(serve: Any) -> None:
    server = serve(lambda handler, _number: handler.answer(200))
    with to(server) as connection:
        connection.lease = held = Held()
        connection.request("GET", "/api/v1/pods")
        connection.request("PATCH", "/api/v1/pods/a", query={"dryRun": "All"}, body={})
        connection.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body={})
        assert held.asked == []
        connection.request("DELETE", "/api/v1/pods/a", body={})
        assert held.asked == ["take", "check /api/v1/pods/a"]
        held.asked.clear()
        leases = "/apis/coordination.k8s.io/v1/namespaces/x/leases"
        connection.request("POST", leases, body={})
        assert held.asked == [f"check {leases}"], "what it sends itself can't take it first"
    assert held.asked[-1] == "stop"


def test_each_try_looks_last_of_all_whether_the_lease_is_held_and_nothing_is_sent_without(serve: Any) -> None:
    def script(handler: Handler, _number: int) -> None:
        handler.refuse(503, "busy", Retry_After="0")

    server = serve(script)
    with to(server) as connection:
        connection.lease = held = Held(looks=2)
        with pytest.raises(ApiUnavailable, match="it is another's"):
            connection.request("PATCH", "/api/v1/pods/a", body={})
        assert held.asked == ["take", *["check /api/v1/pods/a"] * 3]
        assert [command for command, *_rest in server.seen] == ["PATCH", "PATCH"]


def test_head_and_body_are_sent_in_one_piece_after_that_look(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is stopped between two of them would send the second, and so the request, when it wakes up."""
    server = serve(lambda handler, _number: handler.answer(200))
    sent: list[bytes] = []
    sendall = socket.socket.sendall

    def noted(line: socket.socket, data: bytes) -> None:
        if threading.current_thread() is threading.main_thread():
            sent.append(bytes(data))
            assert held.asked[-1:] == ["check /api/v1/pods/a"]
        sendall(line, data)

    with to(server) as connection:
        connection.lease = held = Held()
        monkeypatch.setattr(socket.socket, "sendall", noted)
        connection.request("PATCH", "/api/v1/pods/a", body={"spec": "x" * 70_000})
    assert [(each[:21], each[-12:]) for each in sent] == [(b"PATCH /api/v1/pods/a ", b"x" * 10 + b'"}')]
