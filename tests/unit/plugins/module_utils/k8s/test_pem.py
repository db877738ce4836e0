"""pem.py: what Go takes of a PEM text, and what OpenSSL then gets of it."""

from __future__ import annotations

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import pem


def block(kind: str, data: str = "eA==", header: str = "") -> str:
    return f"-----BEGIN {kind}-----\n{header}{data}\n-----END {kind}-----\n"


def test_an_authority_is_every_certificate_whatever_stands_around() -> None:
    one_line = block("CERTIFICATE", "eHg" * 400 + "eHg=")
    broken = block("CERTIFICATE", "!")
    text = f"# a\r\n{block('CERTIFICATE')}b\n{block('PRIVATE KEY')}{broken}\n{one_line}"
    found = pem.certificates(text.encode())
    assert [each[:2] for each in found] == [b"x", b"xx"]
    assert pem.certificates(block("CERTIFICATE").replace("\n", "\r\n").encode()) == [b"x"]
    for none in (
        "",
        "x",
        block("TRUSTED CERTIFICATE"),
        block("CERTIFICATE", header="A: b\n\n"),
        " " + block("CERTIFICATE"),
    ):
        assert pem.certificates(none.encode()) == []


def test_a_client_is_the_certificates_of_one_text_and_the_first_key_of_the_other() -> None:
    both = (
        block("EC PARAMETERS") + block("EC PRIVATE KEY", "eQ==") + block("CERTIFICATE") + block("CERTIFICATE", "eg==")
    ).encode()
    expected = block("CERTIFICATE") + block("CERTIFICATE", "eg==") + block("EC PRIVATE KEY", "eQ==")
    assert pem.client(both, both).decode() == expected


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (block("PRIVATE KEY"), block("PRIVATE KEY"), "certificate's text holds no"),
        (block("CERTIFICATE"), block("CERTIFICATE"), "key's text holds no"),
        (block("CERTIFICATE"), block("ENCRYPTED PRIVATE KEY"), "encrypted"),
        (block("CERTIFICATE"), block("RSA PRIVATE KEY", header="Proc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n"), "encrypted"),
    ],
)
def test_what_is_lacking_is_said(certificate: str, key: str, message: str) -> None:
    with pytest.raises(pem.NoPem, match=message):
        pem.client(certificate.encode(), key.encode())
