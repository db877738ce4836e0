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
import importlib
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

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import pem, route, validity
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import TMPDIR, unwritable

CONNECT_TIMEOUT = 10.0  # seconds
Failure = (OSError, http.client.HTTPException, zlib.error)


class OutOfTime(ssl.SSLCertVerificationError):
    """A certificate that isn't valid yet, or no more; `words` say when it is, and what time it is here."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class TooMuch(http.client.HTTPException):
    """A server whose answers are larger than anybody means them to be."""


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

    def __init__(self, link: _Link) -> None:
        self.http = link
        self.clock = _Clock()
        self.used = False
        clock = self.clock

        class TimedResponse(http.client.HTTPResponse):
            def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
                super().__init__(_Makefile(sock, clock), *args, **kwargs)  # type: ignore[arg-type]

        self.http.response_class = TimedResponse

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        extra: Any,
        before: Callable[[], None] | None = None,
    ) -> Any:
        """Send and read the status line and headers. extra: header pairs that may repeat a name, Host first; before:
        called when all else is done, and what it raises keeps the request from being sent."""
        link = self.http
        if link.sock is None:
            link.timeout = min(CONNECT_TIMEOUT, self.clock.left())
            link.connect()
        link.sock.settimeout(self.clock.left())
        link.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in (*extra, *headers.items()):
            link.putheader(name, value.encode())
        if body is not None:
            link.putheader("Content-Length", str(len(body)))
        link.end(body, before)
        return link.getresponse()

    def abort(self) -> None:
        """End a read that another thread is blocked in; the socket's own method, since TLS's would pull the layer from
        under the reader."""
        sock = self.http.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # TLS in TLS is no socket, but has one.
                socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.http.close()


class Transport:
    """A pool of kept-alive connections to the server of `settings`. Thread-safe."""

    def __init__(self, settings: Settings, size: int, most: int | None = None) -> None:
        """settings: whom to speak to and how; size: idle connections to keep; most: bytes that all answers together may
        have, unpacked; None for any. Raises ApiUnavailable (bad address, TLS material or proxy); opens no
        connection."""
        self.settings = settings
        self._size = size
        self._most = self._left = most
        self._idle: list[_Line] = []
        self._lock = threading.Lock()
        self.broken_at = float("-inf")  # monotonic time at which a connection was last found broken
        self._server = route.address(settings.server)
        self.prefix = self._server.path
        self._context = _tls(settings) if "https" in (self._server.scheme, _scheme(settings.proxy)) else None
        self._proxy = route.address(settings.proxy, route.PROXIES) if settings.proxy else None
        if self._proxy is not None:
            _need_library(self._proxy, self._server, settings.proxy_source)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        until: float,
        before: Callable[[], None] | None = None,
    ) -> Answer:
        """One request and its whole answer, complete before `until` (monotonic seconds). `before`: called when all that
        is left is to send it, and what it raises prevents that.

        An idle connection that the server has closed meanwhile is replaced once. Raises what is in Failure.
        """
        while True:
            line = self._take()
            reused = line.used
            line.clock.until = until
            try:
                response = line.send(method, self._target(target), headers, body, self._extra(), before)
                data = self._body(response)
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
                data = self._unpacked(data)
            if self._left is not None:
                self._left = max(0, self._left - len(data))
            return Answer(status, answer_headers, data)

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        if self._left is None:
            return response.read()
        data = response.read(self._left + 1)
        if len(data) > self._left:
            raise TooMuch(self._too_much)
        if response.length:  # a part isn't told to be one
            raise http.client.IncompleteRead(data, response.length)
        return data

    def _unpacked(self, data: bytes) -> bytes:
        if self._left is None:
            return zlib.decompress(data, 16 + zlib.MAX_WBITS)
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        unpacked = unpacker.decompress(data, self._left + 1)
        if len(unpacked) > self._left:
            raise TooMuch(self._too_much)
        if not unpacker.eof:
            raise zlib.error
        return unpacked

    @property
    def _too_much(self) -> str:
        return f"its answers have more than {self._most or 0:,} bytes"

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
        return f"http://{self._server.authority}{target}" if self._asks_proxy else target

    def _extra(self) -> tuple[tuple[str, str], ...]:
        # http.client's own Host has an address' zone in some releases of Python.
        host = self._server.authority.removesuffix(f":{route.PORTS[self._server.scheme]}")
        return (("Host", host), *self.settings.headers, *(self._proxy_pairs() if self._asks_proxy else ()))

    @property
    def _asks_proxy(self) -> bool:
        """Whether requests are the proxy's to forward, rather than going through a tunnel."""
        return self._proxy is not None and self._server.scheme == "http" and self._proxy.scheme in ("http", "https")

    def _proxy_pairs(self) -> tuple[tuple[str, str], ...]:
        pairs = self.settings.proxy_headers
        if self._proxy is not None and self._proxy.login:
            login = ":".join(self._proxy.login)
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
        name = self.settings.tls_server_name
        return _Line(_Link(self._server, self._proxy, self._context, name, self._proxy_pairs()))


class _Link(http.client.HTTPConnection):
    """A connection to `server`, through `proxy` if there is one, with TLS by `context` under a server name of our
    choice (tls-server-name of a kubeconfig). As Go's http.Transport, both also for an https:// proxy."""

    def __init__(
        self,
        server: route.Address,
        proxy: route.Address | None,
        context: ssl.SSLContext | None,
        server_name: str | None,
        proxy_headers: tuple[tuple[str, str], ...],
    ) -> None:
        super().__init__(server.host, server.port)
        self.default_port = route.PORTS[server.scheme]
        self._server, self._proxy, self._proxy_headers = server, proxy, proxy_headers
        self._tls_context, self._server_name = context, server_name
        self._pieces: list[bytes] | None = None

    def end(self, body: bytes | None, before: Callable[[], None] | None) -> None:
        """Send head and body in one piece, which a process that is stopped can't have begun. `before`: see _Line."""
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            self.endheaders(body)
        finally:
            self._pieces = None
        whole = b"".join(pieces)
        if before is not None:
            before()
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)

    def connect(self) -> None:
        try:
            self.sock = self._dialled()
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._proxy is not None and self._proxy.scheme == "https":
                self.sock = self._secured(self.sock, self._proxy.host)
            if self._server.scheme == "https":
                if self._proxy is not None and self._proxy.scheme in ("http", "https"):
                    self._tunnel_to(self._server.authority)
                self.sock = self._secured(self.sock, self._server.host)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in (validity.NOT_YET, validity.EXPIRED):
                raise OutOfTime(self._when_valid(error.verify_code)) from None
            raise
        except OSError:  # a TLS error is a ValueError, too
            raise
        except ValueError:  # a name that no name can be, such as a..b
            raise socket.gaierror(socket.EAI_NONAME, "no such name") from None

    def _when_valid(self, code: int) -> str:
        """What is wrong with the times of the server's certificate: shown by it once more, to nobody who trusts it or
        sends it anything. An https:// proxy would get its login, so it isn't asked."""
        found = ""
        if self._proxy is None or self._proxy.scheme != "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            again = _Link(self._server, self._proxy, context, self._server_name, self._proxy_headers)
            again.timeout, again.response_class = self.timeout, self.response_class
            with contextlib.suppress(*Failure), contextlib.closing(again):
                again.connect()
                shown: Any = again.sock
                found = validity.out_of_time([shown.getpeercert(binary_form=True)])
        state = "has expired" if code == validity.EXPIRED else "isn't valid yet"
        return found or f"or one that it is signed by {state}, and {validity.clock()}"

    def _dialled(self) -> Any:
        there = self._proxy or self._server
        if self._proxy is None or self._proxy.scheme in ("http", "https"):
            return socket.create_connection((there.host, there.port), self.timeout)
        import socks

        name, password = self._proxy.login or (None, None)
        return socks.create_connection(
            (self._server.host, self._server.port),
            self.timeout,
            proxy_type=socks.SOCKS5,
            proxy_addr=there.host,
            proxy_port=there.port,
            proxy_username=name,
            proxy_password=password,
        )

    def _secured(self, sock: Any, host: str) -> Any:
        if self._tls_context is None:
            raise AssertionError("a secured line has a context")
        # Certificates say neither the root's dot nor an address' zone.
        name = (self._server_name or host).removesuffix(".").partition("%")[0]
        if not isinstance(sock, ssl.SSLSocket):
            return self._tls_context.wrap_socket(sock, server_hostname=name)
        from urllib3.util.ssltransport import SSLTransport

        return SSLTransport(sock, self._tls_context, server_hostname=name)

    def _tunnel_to(self, authority: str) -> None:
        """Ask the proxy for a way to `authority`; http.client's own knows no brackets before Python 3.13."""
        pairs = (("Host", authority), *self._proxy_headers)
        lines = [f"CONNECT {authority} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
        self.sock.sendall("\r\n".join(lines).encode())
        answer = self.response_class(self.sock, method="CONNECT")
        try:
            answer.begin()
            if answer.status != 200:
                raise OSError(f"Tunnel connection failed: {answer.status} {answer.reason}")
        finally:
            answer.close()


def _scheme(url: str | None) -> str:
    return (url or "").partition("://")[0].lower()


def _need_library(proxy: route.Address, server: route.Address, source: str) -> None:
    """Raise ApiUnavailable where a proxy needs a Python library that isn't there."""
    package = None
    if proxy.scheme.startswith("socks5"):
        package, module = "PySocks", "socks"
    elif proxy.scheme == server.scheme == "https":
        package, module = "urllib3", "urllib3.util.ssltransport"
    if package is None:
        return
    try:
        importlib.import_module(module)
    except ImportError:
        raise ApiUnavailable(
            f"the proxy of {source} is {proxy.scheme}://, which needs the Python library {package} "
            f"(pip install {package}), or take an http:// proxy"
        ) from None


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
    """TLS as client-go has it: a certificate that is given as an authority is trusted for what it signed, whoever
    signed it and whatever else it lacks, and a server's names are those it says as such, not its common name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif settings.ca_pem is not None:
        # Only the given authorities: the system's aren't trusted besides.
        if not [each for each in pem.certificates(settings.ca_pem) if _trusted(context, each)]:
            raise ApiUnavailable(f"the certificate authority of {settings.source} is not a PEM certificate")
    else:
        context.load_default_certs()
    if settings.client_pem is not None:
        try:
            with _short_lived_file(settings.client_pem) as path:
                context.load_cert_chain(path, password=b"")  # without, OpenSSL asks the terminal
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            raise ApiUnavailable(
                f"the client certificate and key of {settings.source} can't be used: {reason}"
            ) from None
    return context


def _trusted(context: ssl.SSLContext, certificate: bytes) -> bool:
    """Whether a certificate could be added to those that are trusted; one that is broken doesn't spoil the others."""
    try:
        context.load_verify_locations(cadata=certificate)
    except ssl.SSLError:
        return False
    return True


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
    try:
        with tempfile.NamedTemporaryFile(prefix="kof-") as file:
            file.write(content)
            file.flush()
            yield file.name
    except OSError as error:
        if isinstance(error, ssl.SSLError):
            raise
        raise ApiUnavailable(unwritable(error, "the client certificate", error.filename or "TMPDIR", TMPDIR)) from None


def describe(error: BaseException) -> str:
    """The cause of a Failure in a few words, without anything that was sent."""
    if isinstance(error, TooMuch):
        return str(error)
    if isinstance(error, OutOfTime):
        return f"its TLS certificate {error.words}"
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
    if isinstance(error, zlib.error):
        return "the answer can't be unpacked"
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return f"the proxy refused the tunnel ({str(error).split(':', 1)[-1].strip()})"
    if type(error).__module__ == "socks":
        return f"the SOCKS proxy failed ({type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return type(error).__name__
