# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys out of PEM texts as Go's encoding/pem and crypto/tls take them: what stands between them, lines
of any length and blocks of other kinds don't matter.

Texts and bytes only; decides about no connection, and no message quotes a byte.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

_BLOCK = re.compile(rb"(?:^|\n)-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)-----END \1-----", re.DOTALL)
_HEADERS = re.compile(rb"\A(?:[^\n:]+:[^\n]*\n)+\s*")


class NoPem(ValueError):
    """What a text lacks; the message quotes nothing of it."""


def certificates(text: bytes) -> list[bytes]:
    """The certificates of an authority's text (DER); blocks with headers are none. May be empty."""
    return [data for kind, headers, data in _blocks(text) if kind == b"CERTIFICATE" and not headers]


def client(certificate: bytes, key: bytes) -> bytes:
    """The certificates of one text and the key of another, which may be the same, as one PEM text in canonical form.

    :raises NoPem: says which of them holds none.
    """
    chain = [data for kind, _headers, data in _blocks(certificate) if kind == b"CERTIFICATE"]
    if not chain:
        raise NoPem("the certificate's text holds no PEM block CERTIFICATE")
    for kind, headers, data in _blocks(key):
        if kind == b"PRIVATE KEY" or kind.endswith(b" PRIVATE KEY"):
            if kind.startswith(b"ENCRYPTED") or b"ENCRYPTED" in headers:
                raise NoPem("the key is encrypted, and nobody is asked for its passphrase: decrypt it (openssl pkey)")
            return b"".join(_written(b"CERTIFICATE", each) for each in chain) + _written(kind, data)
    raise NoPem("the key's text holds no PEM block PRIVATE KEY")


def _blocks(text: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(kind, headers, content) of each block; those that aren't base64 are skipped."""
    for match in _BLOCK.finditer(text.replace(b"\r\n", b"\n")):
        kind, body = match.groups()
        headers = _HEADERS.match(body)
        content = re.sub(rb"\s", b"", body[headers.end() :] if headers else body)
        try:
            yield kind, headers[0] if headers else b"", binascii.a2b_base64(content, strict_mode=True)
        except binascii.Error:
            continue


def _written(kind: bytes, data: bytes) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (kind, base64.encodebytes(data), kind)
