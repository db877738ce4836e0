"""A reverse proxy in front of a sandbox's API server that breaks things on purpose, and counts what it did.

May hold: passing requests on, and the ways of not doing so. May not hold: which faults a test wants, or what a request
means. It has a certificate of the cluster's own authority; who brings an Authorization header is passed on with it and
without a client certificate, everybody else is the user of the kubeconfig.
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import http.server
import io
import json
import math
import pathlib
import select
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox import api, cluster
from sandbox import state as state_files

KINDS = ("busy", "error", "bare_error", "reset_before", "reset_after", "hang", "slow")


@dataclass(frozen=True)
class Fault:
    """What to do to some of the requests; the first fault of a list that strikes counts.

    kind: busy (429 with Retry-After) | error (500 with a Status that is no refusal of the object) | bare_error (500
    with nothing) | reset_before (a TCP reset instead of passing it on) | reset_after (passed on, but the answer is
    lost) | hang (taken, never answered) | slow (answered late).
    method: of which requests, "" for all; every: the n-th of them; after: not the first so many of them; seconds: for
    so long after it struck first; delay: seconds that busy asks to wait, that slow takes, and after which a hanging
    connection is closed.
    """

    kind: str
    method: str = ""
    every: int = 1
    after: int = 0
    seconds: float = math.inf
    delay: float = math.inf


class FaultProxy:
    """Listens on loopback while it is entered. `faults` may be changed at any time; `counts` has the requests taken
    by "all", their method, and the kind of the fault that struck, and `watches` the streams passed on. `sent` has, in
    the order in which they came, what could change something: method, path with query, User-Agent, body.

    `passes` is asked of each of those, with method, path and whether the server has done it by now; where it says no,
    it isn't passed on, or its answer is lost."""

    def __init__(self, state: pathlib.Path, kubeconfig: pathlib.Path, name: str) -> None:
        """state: the sandbox's folder; kubeconfig: of the user whose requests it passes on; name: of the cluster."""
        self.counts: collections.Counter[str] = collections.Counter()
        self.sent: list[tuple[str, str, str, bytes]] = []
        self.passes: Callable[[str, str, bool], bool] = lambda _method, _path, _done: True
        self.stopped = threading.Event()
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._seen: collections.Counter[Fault] = collections.Counter()
        self._first: dict[Fault, float] = {}
        upstream, self.as_user = api.server_of(kubeconfig)
        _server, self.as_nobody = api.server_of(kubeconfig, client_certificate=False)
        self.upstream = urllib.parse.urlsplit(upstream).netloc
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        api.load_certificate(own, *cluster.server_certificate(name, state=state))
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        # The handshake is for the connection's own thread: here, a silent client would stop all others.
        self._server.socket = own.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults

    @faults.setter
    def faults(self, wanted: tuple[Fault, ...]) -> None:
        if odd := [fault.kind for fault in wanted if fault.kind not in KINDS]:
            raise ValueError(f"{odd[0]!r} is no fault; there are {', '.join(KINDS)}")
        with self._lock:
            self._faults = tuple(wanted)
            self._seen.clear()
            self._first.clear()

    def write_kubeconfig(self, file: pathlib.Path) -> pathlib.Path:
        """A kubeconfig like the given one, but for this proxy."""
        config = yaml.safe_load(self._kubeconfig.read_text(encoding="utf-8"))
        config["clusters"][0]["cluster"]["server"] = self.url
        state_files.write(file, yaml.safe_dump(config, sort_keys=False), 0o600)
        return file

    def strikes(self, method: str) -> Fault | None:
        """Count a request, and the fault that it is to suffer."""
        with self._lock:
            self.counts.update(("all", method))
            hit = None
            for fault in self._faults:
                if fault.method not in ("", method):
                    continue
                self._seen[fault] += 1
                number = self._seen[fault] - fault.after
                if hit or number <= 0 or number % fault.every:
                    continue
                if time.monotonic() < self._first.setdefault(fault, time.monotonic()) + fault.seconds:
                    self.counts[fault.kind] += 1
                    hit = fault
            return hit

    def hold(self, fault: Fault) -> None:
        """Return after the fault's delay, or when it is over."""
        until = time.monotonic() + fault.delay
        while fault in self.faults and (left := until - time.monotonic()) > 0:
            if self.stopped.wait(min(left, 0.05)):
                return

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or a server that did, is what this is for: no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _links: dict[bool, http.client.HTTPSConnection]

    def setup(self) -> None:
        super().setup()
        self._links = {}

    def finish(self) -> None:
        for link in self._links.values():
            link.close()
        with contextlib.suppress(OSError):
            super().finish()

    def take(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        if self.command != "GET":
            proxy.sent.append((self.command, self.path, self.headers.get("User-Agent", ""), body or b""))
            if not proxy.passes(self.command, self.path, False):
                self._reset()
                return
        fault = proxy.strikes(self.command)
        kind = fault.kind if fault else ""
        if fault and kind == "busy":
            wait = {"Retry-After": f"{fault.delay:g}"}
            self._reply(429, _status(429, "TooManyRequests", "too many requests, please try again later"), wait)
        elif kind == "error":
            self._reply(500, _status(500, "InternalError", "Internal error occurred: etcdserver: leader changed"))
        elif kind == "bare_error":
            self._reply(500, b"")
        elif kind == "reset_before":
            self._reset()
        elif fault and kind == "hang":
            self._hang(fault.delay)
        else:
            if fault and kind == "slow":
                proxy.hold(fault)
            self._pass_on(body, lose=kind == "reset_after")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = take

    def _pass_on(self, body: bytes | None, lose: bool) -> None:
        """Ask the API server and hand on its answer as it comes: a watch never ends by itself."""
        try:
            answer = self._ask(body)
        except (OSError, http.client.HTTPException):
            # As without us: the client sees a broken connection.
            self._reset()
            return
        if self.command != "GET" and not self.server.proxy.passes(self.command, self.path, True):
            lose = True
        if lose:
            answer.read()
            self._reset()
            return
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("transfer-encoding", "connection", "keep-alive", "content-length", "date")
        }
        if not answer.chunked:
            self._reply(answer.status, answer.read(), headers)
            return
        if "watch=" in self.path:
            self.server.proxy.count("watches")
        self._head(answer.status, headers | {"Transfer-Encoding": "chunked"})
        try:
            while chunk := answer.read1(65536):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            self._reset()

    def _ask(self, body: bytes | None) -> http.client.HTTPResponse:
        proxy = self.server.proxy
        by_token = "Authorization" in self.headers
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "connection", "content-length")
        }
        while True:
            fresh = by_token not in self._links
            if fresh:
                context = proxy.as_nobody if by_token else proxy.as_user
                self._links[by_token] = http.client.HTTPSConnection(proxy.upstream, context=context)
            link = self._links[by_token]
            try:
                link.request(self.command, self.path, body, headers)
                return link.getresponse()
            except (OSError, http.client.HTTPException):
                link.close()
                del self._links[by_token]
                # An idle connection may have ended long ago; what was sent on a new one may have been done.
                if fresh:
                    raise

    def _hang(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.server.proxy.stopped.is_set() and time.monotonic() < until:
            if select.select([self.connection], [], [], 0.1)[0]:
                break  # the client gave up
        self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        # With this, closing sends a reset; the socket is closed when its last file is.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for part in (self.rfile, self.wfile, self.connection):
            part.close()
        self.rfile = self.wfile = io.BytesIO()  # the base class flushes and closes them

    def _reply(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, (headers or {}) | {"Content-Length": str(len(data))})
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


def _status(code: int, reason: str, message: str) -> bytes:
    return json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
    ).encode()
