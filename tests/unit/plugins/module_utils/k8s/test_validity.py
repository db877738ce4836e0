"""Certificates whose time hasn't come or is over, the server's and ours: real handshakes."""

from __future__ import annotations

import base64
import datetime
import http.server
import pathlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, ApiUnavailable, connect

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
#: Days from now.
GOOD, EXPIRED, NOT_YET = (-2, 2), (-9, -1), (1, 9)


class Pair:
    """A certificate and its key, self-signed or by another."""

    def __init__(self, name: str, days: tuple[int, int], issuer: Pair | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.begin, self.end = NOW + days[0] * DAY, NOW + days[1] * DAY
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            issuer_name=issuer.certificate.subject if issuer else subject,
            subject_name=subject,
            public_key=self.key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=self.begin,
            not_valid_after=self.end,
        ).add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        if issuer:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, kind, none)

    @property
    def words(self) -> str:
        return f"it is valid from {self.begin:%Y-%m-%d %H:%M:%S} UTC to {self.end:%Y-%m-%d %H:%M:%S} UTC"


class Server:
    """Answers 401 to all, behind TLS; `asks_for`: the authority of the client certificates it takes."""

    def __init__(self, folder: pathlib.Path, pair: Pair, asks_for: Pair | None = None) -> None:
        self.requests: list[str] = []
        seen = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.path)
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        (folder / "server.pem").write_bytes(pair.pem + pair.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        if asks_for:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=asks_for.pem.decode())
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def running(tmp_path: pathlib.Path) -> Iterator[Any]:
    servers = []

    def start(pair: Pair, asks_for: Pair | None = None) -> Server:
        servers.append(Server(tmp_path, pair, asks_for))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


def failure(server: Server, authority: Pair, client: Pair | None = None) -> str:
    user = {}
    if client:
        for name, pem in (("certificate", client.pem), ("key", client.key_pem)):
            user[f"client-{name}-data"] = base64.b64encode(pem).decode()
    cluster = {"server": server.url, "certificate-authority-data": base64.b64encode(authority.pem).decode()}
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    with connect({"kubeconfig": kubeconfig}, {}) as connection, pytest.raises((ApiError, ApiUnavailable)) as caught:
        connection.request("GET", "/version")
    return str(caught.value)


def clock(message: str) -> datetime.datetime:
    told = message.partition("this machine's clock says ")[2][: len("2026-01-01 00:00:00 UTC")]
    return datetime.datetime.strptime(told, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(("days", "state"), [(EXPIRED, "has expired"), (NOT_YET, "isn't valid yet")])
def test_the_servers_certificate(running: Any, days: tuple[int, int], state: str) -> None:
    authority = Pair("authority", GOOD)
    pair = Pair("localhost", days, authority)
    server = running(pair)
    message = failure(server, authority)
    assert f"its TLS certificate {state}: {pair.words}" in message
    assert abs(clock(message) - NOW) < datetime.timedelta(minutes=30)
    assert message.endswith("; put this machine's clock right, or have the certificate renewed")
    assert server.requests == []


def test_the_certificate_it_is_signed_by(running: Any) -> None:
    authority = Pair("authority", EXPIRED)
    message = failure(running(Pair("localhost", GOOD, authority)), authority)
    assert "its TLS certificate or one that it is signed by has expired, and this machine's clock says 2" in message


def test_a_certificate_that_is_wrong_otherwise_is_no_matter_of_clocks(running: Any) -> None:
    message = failure(running(Pair("localhost", GOOD, Pair("authority", GOOD))), Pair("another", GOOD))
    assert "isn't trusted" in message
    assert "clock" not in message


@pytest.mark.parametrize("in_the_handshake", [True, False])
@pytest.mark.parametrize(("days", "state"), [(EXPIRED, "has expired"), (NOT_YET, "isn't valid yet"), (GOOD, "")])
def test_our_own_certificate(running: Any, days: tuple[int, int], state: str, in_the_handshake: bool) -> None:
    authority = Pair("authority", GOOD)
    client = Pair("me", days, authority)
    server = running(Pair("localhost", GOOD, authority), authority if in_the_handshake else None)
    message = failure(server, authority, client)
    assert (f"(the client certificate {state}: {client.words}, and this machine's clock says 2" in message) is bool(
        state
    )
    assert ("clock" in message) is bool(state)
