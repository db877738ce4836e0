"""SIGKILL at the n-th write of a run, whichever of its processes sends it, to whichever server.

May hold: the ways that writes take, counting and killing. May not hold: which runs, which writes, what is right after.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import pathlib
import signal
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.fault_proxy import FaultProxy

#: POST requests that change nothing.
_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
_LEASES = "/apis/coordination.k8s.io/"


class Killer:
    """Counts writes, and kills at one of them.

    :ivar writes: since `count` or `at`, in the order in which they came.
    :ivar killed: the write at which it was done.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.killed = ""
        self._lock = threading.Lock()
        self._number, self._after, self._thread = 0, False, 0
        self._kill: Callable[[], None] = lambda: None

    def count(self) -> None:
        """Only count, from now on."""
        self.at(0, after=False, kill=lambda: None)

    def at(self, number: int, *, after: bool, kill: Callable[[], None]) -> None:
        """Kill at a write, counted from now on and from 1, instead of passing it on, or after the server has done it.

        What else was on its way from the killed run's processes is passed on.
        """
        with self._lock:
            self.writes, self.killed = [], ""
            self._number, self._after, self._thread, self._kill = number, after, 0, kill

    def passes(self, what: str, done: bool) -> bool:
        """Whether a write is to reach the server or, once that has done it, its answer the client. One thread asks
        both."""
        with self._lock:
            if not done:
                self.writes.append(what)
                if len(self.writes) == self._number:
                    self._thread = threading.get_ident()
            if self.killed or self._thread != threading.get_ident() or done != self._after:
                return True
            self.killed = what
            self._kill()
            return False


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:  # grows meanwhile
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def kill(pid: int, *, whole_tree: bool) -> None:
    """SIGKILL to a process, or to it and all that it has started."""
    for each in tree(pid) if whole_tree else [pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def watched(proxy: FaultProxy, killer: Killer) -> None:
    """Writes to an API server. Renewals of leases are none: they come by time, not by what a run does."""

    def passes(method: str, path: str, done: bool) -> bool:
        where, _mark, query = path.partition("?")
        if "dryRun=All" in query or where.startswith(_REVIEWS) or where.endswith("/token"):
            return True
        if where.startswith(_LEASES) and method in ("PUT", "PATCH"):
            return True
        return killer.passes(f"{method} {where}", done)

    proxy.passes = passes


@contextlib.contextmanager
def aws_watched(upstream: str, killer: Killer) -> Iterator[str]:
    """The address of a relay to AWS' services."""
    server = _Relay(("127.0.0.1", 0), _Handler)
    server.upstream, server.killer = urllib.parse.urlsplit(upstream).netloc, killer
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Relay(http.server.ThreadingHTTPServer):
    daemon_threads = True
    upstream: str
    killer: Killer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed: that is what this is for."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Relay

    def take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self._write(body)
        if what and not self.server.killer.passes(what, False):
            self.close_connection = True
            return
        link = http.client.HTTPConnection(self.server.upstream)
        with contextlib.closing(link):
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            link.request(self.command, self.path, body, headers)
            answer = link.getresponse()
            data = answer.read()
        if what and not self.server.killer.passes(what, True):
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = take

    def _write(self, body: bytes) -> str:
        """What a request changes; empty for one that only looks. Of IAM and STS by name, of Route 53 by method."""
        name = urllib.parse.parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        if name:
            return "" if name.startswith(("Get", "List", "Simulate")) else f"AWS {name}"
        return "" if self.command == "GET" else f"AWS {self.command} {self.path}"

    def log_message(self, *_args: object) -> None:
        pass
