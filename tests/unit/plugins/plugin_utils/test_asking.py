"""Questions to servers that may answer whatever they like, for as long as they like."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.plugin_utils import asking

LOGIN = ("user", "CANARY")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[Any], None]
    heard: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.heard.append(self.path)
        try:
            self.server.answer(self)
        except OSError:
            self.close_connection = True

    do_GET = do_POST

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    made = Server(("127.0.0.1", 0), Handler)
    made.heard = []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def asked(server: Server, answer: Callable[[Any], None]) -> tuple[int, bytes]:
    server.answer = answer
    return asking.ask(f"http://127.0.0.1:{server.server_port}/a", {"query": "up"}, LOGIN)


def saying(status: int, body: bytes, **headers: str) -> Callable[[Any], None]:
    def say(to: Any) -> None:
        to.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    return say


def dripping(head: bool) -> Callable[[Any], None]:
    def drip(to: Any) -> None:
        if not head:
            to.send_response(200)
            to.end_headers()
        while True:
            to.wfile.write(b"x")
            to.wfile.flush()
            time.sleep(0.05)

    return drip


@pytest.mark.parametrize("head", [False, True])
def test_an_answer_that_never_ends_is_none(head: bool, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST", 0.5)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="no whole answer within"):
        asked(server, dripping(head))
    assert time.monotonic() - began < 60  # and not without end


def test_an_answer_is_read_as_far_as_anybody_means_one_to_be(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1000)
    assert asked(server, saying(200, b"x" * 5000)) == (200, b"x" * 1000)
    much = gzip.compress(b"x" * 2**24)
    assert asked(server, saying(200, much, Content_Encoding="gzip")) == (200, b"x" * 1000)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 9000)[:30], gzip.compress(b"xyz")[:-12] + b"z" * 9])
def test_what_can_t_be_unpacked_is_no_answer(body: bytes, server: Server) -> None:
    with pytest.raises(NoAnswer) as caught:
        asked(server, saying(200, body, Content_Encoding="gzip"))
    assert "CANARY" not in str(caught.value)


def test_a_redirection_is_an_answer_and_the_login_goes_nowhere_else(server: Server) -> None:
    there = f"http://127.0.0.1:{server.server_port}/elsewhere"
    assert asked(server, saying(302, b"", Location=there)) == (302, b"")
    assert server.heard == ["/a"]
    assert asked(server, saying(503, b"away")) == (503, b"away")


def test_a_name_that_no_name_can_be_is_no_answer() -> None:
    for host in ("a..b", "x" * 300, "a b", "[::1"):
        with pytest.raises(NoAnswer):
            asking.ask(f"https://vmauth.{host}/a", None, LOGIN)
