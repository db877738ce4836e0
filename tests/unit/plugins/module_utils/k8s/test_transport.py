"""transport.py: whom it trusts, and the libraries that proxies need. tests/acceptance/test_cases_kubeconfig.py holds it
against Go's own; here is what OpenSSL and Python would have otherwise, in each Python.
"""

from __future__ import annotations

import pathlib
import ssl
import sys

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.transport import Transport
from kubeconfig_judge.certificates import Kind, Made, made

BARE = Kind("kubernetes", True, None, ids=False)  # EKS, microk8s: basicConstraints alone
ROOT, MIDDLE = Kind("root"), Kind("intermediate")
SERVER = Kind("kube-apiserver", None, ("digital_signature",), ("server",), ("127.0.0.1", "h"), ids=False)


def verdict(server: Made, authority: Made | str, host: str = "127.0.0.1", chain: tuple[Made, ...] = ()) -> str:
    """Why the server isn't trusted; empty if it is."""
    text = authority if isinstance(authority, str) else authority.pem
    transport = Transport(Settings(f"https://{host}:1", "test", ca_pem=text.encode()), 1)
    ends = [ssl.MemoryBIO() for _number in range(4)]
    assert transport._context is not None
    client = transport._context.wrap_bio(ends[0], ends[1], server_hostname=host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_file(server, *chain))
    peer = context.wrap_bio(ends[2], ends[3], server_side=True)
    for _round in range(4):
        for side, (came_from, goes_to) in ((client, (ends[1], ends[2])), (peer, (ends[3], ends[0]))):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            goes_to.write(came_from.read())
    assert client.version()
    return ""


def _file(*chain: Made) -> str:
    path = pathlib.Path(_folder, f"{chain[0].certificate.serial_number}.pem")
    path.write_text("".join(each.pem for each in chain) + chain[0].key_pem())
    return str(path)


_folder = ""


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path) -> None:
    global _folder
    _folder = str(tmp_path)


def test_an_authority_needs_nothing_but_to_be_given() -> None:
    assert verdict(made(SERVER, BARE), made(BARE)) == ""
    inner, outer = made(MIDDLE, ROOT), made(ROOT)
    assert verdict(made(SERVER, MIDDLE, ROOT), inner) == ""
    assert verdict(made(SERVER, MIDDLE, ROOT), outer, chain=(inner,)) == ""
    assert "unable to get" in verdict(made(SERVER, MIDDLE, ROOT), outer)
    itself = made(Kind("rancher", False, None, None, ("127.0.0.1",), ids=False))
    assert verdict(itself, itself) == ""
    assert "self-signed" in verdict(itself, made(BARE))


def test_names_are_those_that_are_said_as_such() -> None:
    only_common = made(Kind("h", None, None, ("server",)), BARE)
    assert "ismatch" in verdict(only_common, made(BARE), "h")
    assert verdict(made(SERVER, BARE), made(BARE), "h") == ""
    as_name = made(Kind("x", None, None, ("server",), ("dns:127.0.0.1",)), BARE)
    assert "ismatch" in verdict(as_name, made(BARE))


def test_one_broken_certificate_does_not_spoil_a_bundle() -> None:
    broken = "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"
    for bundle in (broken + made(BARE).pem, made(ROOT).pem + broken + made(BARE).pem + "# end"):
        assert verdict(made(SERVER, BARE), bundle) == ""
    for none in (broken, "x", ""):
        with pytest.raises(ApiUnavailable, match="is not a PEM certificate"):
            verdict(made(SERVER, BARE), none)


def test_an_encrypted_key_asks_nobody() -> None:
    locked = made(SERVER, BARE)
    pem = (locked.pem + locked.key_pem(b"open")).encode()
    with pytest.raises(ApiUnavailable, match="client certificate and key"):
        Transport(Settings("https://h", "test", client_pem=pem), 1)


@pytest.mark.parametrize(
    ("proxy", "module", "package"),
    [
        ("socks5://jane:hunter2@p", "socks", "PySocks"),
        ("socks5h://p", "socks", "PySocks"),
        ("https://jane:hunter2@p", "urllib3.util.ssltransport", "urllib3"),
    ],
)
def test_a_proxy_s_library_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str, module: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ApiUnavailable, match=rf"the proxy of option proxy is .*{package} \(pip install {package}\)"
    ) as caught:
        Transport(Settings("https://h", "test", proxy=proxy, proxy_source="option proxy"), 1)
    assert "hunter2" not in str(caught.value)
