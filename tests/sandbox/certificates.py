"""Keys, certificates and kubeconfigs of one control plane.

May hold: making them. May not hold: starting anything, or any other knowledge of a cluster than its names and address.
They are worth nothing outside: each control plane has its own authority, which lives in the state folder only.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import pathlib

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox import state as state_files

_LIFE = datetime.timedelta(days=3650)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


class Authority:
    """A certificate authority in a folder (`ca.crt`, `ca.key`); made on first use."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.certificate_file = folder / "ca.crt"
        self.key_file = folder / "ca.key"
        # The certificate is written last: where it is, the key is.
        if not self.certificate_file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"sandbox {name}"[:64])])
            certificate = (
                self._builder(subject, subject, key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(
                    x509.KeyUsage(
                        digital_signature=True,
                        key_cert_sign=True,
                        crl_sign=True,
                        content_commitment=False,
                        key_encipherment=False,
                        data_encipherment=False,
                        key_agreement=False,
                        encipher_only=False,
                        decipher_only=False,
                    ),
                    critical=True,
                )
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            state_files.write(self.key_file, _pem(key), 0o600)
            text = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
            state_files.write(self.certificate_file, text)
        self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key_object = serialization.load_pem_private_key(self.key_file.read_bytes(), password=None)
        assert isinstance(key_object, ec.EllipticCurvePrivateKey)
        self._key = key_object

    @staticmethod
    def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            # A clock that is a little behind must not refuse it.
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + _LIFE)
        )

    def issue(
        self,
        common_name: str,
        organizations: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
        server: bool = False,
    ) -> tuple[str, str]:
        """PEM texts (certificate, key) for a client, or for a server with these DNS names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if addresses:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(address) for address in addresses]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"), _pem(key)

    def kubeconfig(
        self, file: pathlib.Path, cluster: str, server: str, user: str, organizations: tuple[str, ...] = ()
    ) -> None:
        """Write a kubeconfig for `user` with a new client certificate in it, unless the file is there."""
        if file.exists():
            return
        certificate, key = self.issue(user, organizations)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _base64(self.certificate_file.read_text(encoding="ascii")),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
                }
            ],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
            "current-context": cluster,
        }
        state_files.write(file, yaml.safe_dump(config, sort_keys=False), 0o600)


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode("ascii")


def signing_key(private: pathlib.Path, public: pathlib.Path) -> None:
    """Write a key pair for service account tokens, unless it is there."""
    if public.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    state_files.write(private, _pem(key), 0o600)
    text = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    state_files.write(public, text.decode("ascii"))
