# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one server over kept-alive connections: TLS, proxies, time limits, and how many requests fly at once.

Knows nothing of Kubernetes: bytes in, bytes out. Standard library only, so that an unchanged run doesn't pay for
imports. Every read is bounded by a deadline for the whole answer: a server that sends a byte a second ends it too.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import os
import socket
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.kubeconfig import Settings

CONNECT_TIMEOUT = 10.0  # seconds
Failure = (OSError, http.client.HTTPException, zlib.error)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Pace:
    """How many requests may be in flight: additive increase, multiplicative decrease, and nothing while asked to wait.

    Thread-safe. `limit` starts at the most and never falls below one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.backoffs = 0  # how often the limit was halved
        self._flying = 0
        self._not_before = 0.0
        self._last_cut = 0.0
        self._changed = threading.Condition()

    def enter(self, deadline: float) -> bool:
        """Wait for a place; False when `deadline` (monotonic seconds) comes first."""
        with self._changed:
            while True:
                now = time.monotonic()
                pause = self._not_before - now
                if pause <= 0 and self._flying < int(self.limit):
                    self._flying += 1
                    return True
                if now >= deadline:
                    return False
                self._changed.wait(min(deadline - now, pause if pause > 0 else deadline - now))

    def leave(self, overloaded: bool, wait: float | None = None) -> None:
        """Give the place back; `overloaded` halves the limit (once per burst), `wait` keeps everybody back so long."""
        with self._changed:
            self._flying -= 1
            now = time.monotonic()
            if overloaded:
                if now - self._last_cut > 0.2:
                    self.limit = max(1.0, self.limit / 2)
                    self._last_cut = now
                    self.backoffs += 1
                if wait:
                    self._not_before = max(self._not_before, now + wait)
            else:
                self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
            self._changed.notify_all()


class _Timed(io.RawIOBase):
    """The read side of a socket whose every recv waits no longer than the answer's deadline leaves."""

    def __init__(self, sock: Any, clock: _Clock) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._clock.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Clock:
    """When an answer must be complete (`until`), or how long a stream may be silent (`idle`)."""

    def __init__(self) -> None:
        self.until: float | None = None
        self.idle: float | None = None

    def left(self) -> float:
        if self.idle is not None:
            return self.idle
        left = (self.until or 0.0) - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        return left


class _Makefile:
    """What http.client asks of a socket when it builds a response."""

    def __init__(self, sock: Any, clock: _Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, _mode: str, *_args: Any) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._sock, self._clock), 65536)


class _Line:
    """One kept-alive connection."""

    def __init__(self, http_connection: http.client.HTTPConnection) -> None:
        self.http = http_connection
        self.clock = _Clock()
        self.used = False
        clock = self.clock

        class TimedResponse(http.client.HTTPResponse):
            def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
                super().__init__(_Makefile(sock, clock), *args, **kwargs)  # type: ignore[arg-type]

        self.http.response_class = TimedResponse

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, extra: Any) -> Any:
        """Send and read the status line and headers. extra: header pairs that may repeat a name."""
        link = self.http
        if link.sock is None:
            link.timeout = min(CONNECT_TIMEOUT, self.clock.left())
            link.connect()
        link.sock.settimeout(self.clock.left())
        link.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            link.putheader(name, value)
        for name, value in extra:
            link.putheader(name, value)
        if body is not None:
            link.putheader("Content-Length", str(len(body)))
        link.endheaders(body)
        return link.getresponse()

    def abort(self) -> None:
        """End a read that another thread is blocked in; the socket's own method, since TLS's would pull the layer from
        under the reader."""
        sock = self.http.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.http.close()


class Transport:
    """A pool of kept-alive connections to the server of `settings`. Thread-safe."""

    def __init__(self, settings: Settings, size: int) -> None:
        """settings: whom to speak to and how; size: idle connections to keep. Raises ApiUnavailable (bad address, TLS
        material or proxy); opens no connection."""
        self.settings = settings
        self._size = size
        self._idle: list[_Line] = []
        self._lock = threading.Lock()
        self.broken_at = float("-inf")  # monotonic time at which a connection was last found broken
        parts = urlsplit(settings.server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ApiUnavailable(
                f"{settings.address!r} ({settings.source}) is no address of an API server: it starts with https://"
            )
        try:
            self._port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ApiUnavailable(f"{settings.address!r} ({settings.source}) has no usable port") from None
        self._host, self._scheme, self.prefix = parts.hostname, parts.scheme, parts.path.rstrip("/")
        self._context = _tls(settings) if parts.scheme == "https" else None
        self._proxy = urlsplit(settings.proxy) if settings.proxy else None
        if self._proxy is not None and (self._proxy.scheme != "http" or not self._proxy.hostname):
            raise ApiUnavailable(
                f"the proxy of {settings.proxy_source} is no http:// address; others (https, socks) aren't supported"
            )

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, until: float) -> Answer:
        """One request and its whole answer, complete before `until` (monotonic seconds).

        An idle connection that the server has closed meanwhile is replaced once. Raises what is in Failure.
        """
        while True:
            line = self._take()
            reused = line.used
            line.clock.until = until
            try:
                response = line.send(method, self._target(target), headers, body, self._extra())
                data = response.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                line.close()
                self.broken_at = time.monotonic()
                if reused:
                    continue
                raise
            except BaseException:
                line.close()
                self.broken_at = time.monotonic()
                raise
            keep = not response.will_close
            status, answer_headers = response.status, response.headers
            response.close()
            self._give_back(line, keep)
            if answer_headers.get("Content-Encoding") == "gzip":
                data = zlib.decompress(data, 16 + zlib.MAX_WBITS)
            return Answer(status, answer_headers, data)

    @contextlib.contextmanager
    def stream(
        self,
        target: str,
        headers: Mapping[str, str],
        *,
        silence: float,
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """A GET whose answer is read line by line as it comes; `silence`: seconds without a byte that end it
        (TimeoutError); opened: called with a function that ends the stream from another thread. Gives the head (its
        body filled only for an error status) and the lines."""
        line = self._new()
        line.clock.idle = silence
        try:
            response = line.send("GET", self._target(target), headers, None, self._extra())
            if opened is not None:
                opened(line.abort)
            if response.status != 200:
                yield Answer(response.status, response.headers, response.read(1 << 20)), iter(())
            else:
                yield Answer(200, response.headers, b""), _lines(response)
        except Failure:
            self.broken_at = time.monotonic()
            raise
        finally:
            line.close()

    def close(self) -> None:
        with self._lock:
            lines, self._idle = self._idle, []
        for line in lines:
            line.close()

    def _target(self, target: str) -> str:
        if self._proxy is not None and self._scheme == "http":
            return f"http://{self._host}:{self._port}{target}"
        return target

    def _extra(self) -> tuple[tuple[str, str], ...]:
        if self._proxy is not None and self._scheme == "http":
            return self.settings.headers + self._proxy_pairs()
        return self.settings.headers

    def _proxy_pairs(self) -> tuple[tuple[str, str], ...]:
        pairs = self.settings.proxy_headers
        if self._proxy is not None and self._proxy.username:
            login = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            pairs += (("Proxy-Authorization", "Basic " + base64.b64encode(login.encode()).decode()),)
        return pairs

    def _take(self) -> _Line:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._new()

    def _give_back(self, line: _Line, keep: bool) -> None:
        line.used = True
        with self._lock:
            if keep and len(self._idle) < self._size:
                self._idle.append(line)
                return
        line.close()

    def _new(self) -> _Line:
        if self._proxy is None:
            if self._context is None:
                return _Line(http.client.HTTPConnection(self._host, self._port))
            return _Line(_Https(self._host, self._port, self._context, self.settings.tls_server_name))
        proxy_port = self._proxy.port or 80
        if self._context is None:
            return _Line(http.client.HTTPConnection(str(self._proxy.hostname), proxy_port))
        link = _Https(str(self._proxy.hostname), proxy_port, self._context, self.settings.tls_server_name or self._host)
        link.set_tunnel(self._host, self._port, dict(self._proxy_pairs()))
        return _Line(link)


class _Https(http.client.HTTPConnection):
    """HTTPS with a server name of our choice (tls-server-name of a kubeconfig), through a tunnel if one is set."""

    default_port = 443

    def __init__(self, host: str, port: int, context: ssl.SSLContext, server_name: str | None) -> None:
        super().__init__(host, port)
        self._tls_context = context
        self._server_name = server_name or host

    def connect(self) -> None:
        super().connect()
        self.sock = self._tls_context.wrap_socket(self.sock, server_hostname=self._server_name)


def _lines(response: Any) -> Iterator[bytes]:
    """The answer's lines without their ends, each as soon as it is there."""
    rest = b""
    while True:
        chunk = response.read1(65536)
        if not chunk:
            if rest:
                yield rest
            return
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line for line in complete if line.strip())


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not settings.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif settings.ca_pem is not None:
            # Only the given authorities: the system's aren't trusted besides, as kubectl does.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_verify_locations(cadata=settings.ca_pem.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise ApiUnavailable(
            f"the certificate authority of {settings.source} is not a PEM certificate: {error}"
        ) from None
    if settings.client_pem is not None:
        try:
            with _short_lived_file(settings.client_pem) as path:
                context.load_cert_chain(path)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            raise ApiUnavailable(
                f"the client certificate and key of {settings.source} can't be used: {reason}"
            ) from None
    return context


@contextlib.contextmanager
def _short_lived_file(content: bytes) -> Iterator[str]:
    """A path to read `content` from: ssl takes client keys from files only. In memory where the system can, else a
    file of mode 0600 that is gone when the block ends."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("kof-client-certificate")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp(prefix="kof-")
    try:
        os.write(descriptor, content)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)


def describe(error: BaseException) -> str:
    """The cause of a Failure in a few words, without anything that was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate isn't trusted ({error.verify_message or 'verification failed'})"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "connection broken"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'handshake'})"
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its name can't be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)):
        return "connection broken"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer broke off"
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return f"the proxy refused the tunnel ({str(error).split(':', 1)[-1].strip()})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return type(error).__name__
