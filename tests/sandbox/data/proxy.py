"""The way from a name to a regional's load balancer: a proxy that knows CONNECT and nothing else.

May hold: names, and bytes that pass. May not hold: who may use it (it is on loopback) or what passes.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
from collections.abc import Callable


class Proxy(socketserver.ThreadingTCPServer):
    """Serves until it is shut down.

    :param resolve: the address and port behind a name's port 443, or None where no such name is known.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, resolve: Callable[[str], tuple[str, int] | None]) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.resolve = resolve


class _Connection(socketserver.StreamRequestHandler):
    server: Proxy
    timeout = 30

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._tunnel()

    def _tunnel(self) -> None:
        words = self.rfile.readline(8192).decode("latin-1").split()
        while self.rfile.readline(8192).strip():
            pass
        if len(words) != 3 or words[0] != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = words[1].rpartition(":")
        known = self.server.resolve(host) if port == "443" else None
        if known is None:
            # As a proxy says it that asked a name server.
            self.wfile.write(b"HTTP/1.1 502 No such name\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            there = socket.create_connection(known, timeout=5)
        except OSError:
            self.wfile.write(b"HTTP/1.1 503 Connection refused\r\nContent-Length: 0\r\n\r\n")
            return
        with there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _relay(self.connection, there)


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until one side ends, or nothing has passed for five minutes."""
    across = {one: other, other: one}
    while True:
        ready, _, _ = select.select(list(across), [], [], 300)
        if not ready:
            return
        for each in ready:
            text = each.recv(65536)
            if not text:
                return
            across[each].sendall(text)
