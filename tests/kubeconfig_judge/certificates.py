"""Authorities and certificates as they are found in the wild, good and bad.

May hold: making them. May not hold: who is to trust which.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def words(text: str) -> list[str]:
    return text.split()


NOW = datetime.datetime.now(datetime.UTC)
#: By name, from when until when, in days from now.
LIVES = {"now": (-2, 3650), "gone": (-20, -1), "to come": (1, 3650)}
USAGES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_KEY_USAGES = words(
    """
    digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign
    crl_sign encipher_only decipher_only
    """
)


@dataclass(frozen=True)
class Kind:
    """What stands in a certificate.

    :ivar authority: of its basicConstraints; None without these.
    :ivar key_usages, usages: None without the extension.
    :ivar ids: with the identifiers of its own and its issuer's key.
    """

    name: str = "kubernetes"
    authority: bool | None = True
    key_usages: tuple[str, ...] | None = ("digital_signature", "key_cert_sign", "crl_sign")
    usages: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    ids: bool = True
    life: str = "now"


@dataclass(frozen=True)
class Made:
    kind: Kind
    certificate: x509.Certificate = field(repr=False)
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, passphrase: bytes = b"") -> str:
        how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        format_ = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, format_, how).decode()


def make(kind: Kind, issuer: Made | None = None) -> Made:
    """A certificate of a new key; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind.name)])
    begins, ends = (NOW + datetime.timedelta(days=days) for days in LIVES[kind.life])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if kind.authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(kind.authority, None), critical=True)
    if kind.key_usages is not None:
        flags = {name: name in kind.key_usages for name in _KEY_USAGES}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    if kind.usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([USAGES[each] for each in kind.usages]), critical=False)
    if kind.names:
        names = x509.SubjectAlternativeName([general_name(each) for each in kind.names])
        builder = builder.add_extension(names, critical=False)
    signer = issuer.key if issuer else key
    if kind.ids:
        own, theirs = (each.public_key() for each in (key, signer))
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(theirs), critical=False)
    return Made(kind, builder.sign(signer, hashes.SHA256()), key)


def general_name(text: str) -> x509.GeneralName:
    """`dns:1.2.3.4` is an address that stands among the names."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text.removeprefix("dns:"))


@functools.cache
def made(kind: Kind, *issuers: Kind) -> Made:
    """`make`, once for each kind and its issuers, the next one first."""
    return make(kind, made(*issuers) if issuers else None)
