# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates are valid, beside what this machine's clock says: as often the clock is wrong as the certificate.

Only words about certificates that somebody else refused; decides about no connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

#: Of OpenSSL's verification: not yet valid, expired.
NOT_YET, EXPIRED = 9, 10


def out_of_time(certificates: Iterable[bytes]) -> str:
    """Of the first certificate (DER) that isn't valid now: which, since or until when, and what time it is here. Empty
    where each is, or where the library that reads them, which comes with ansible-core, is missing."""
    certificates = list(certificates)
    if not certificates:
        return ""
    try:
        from cryptography import x509
    except ImportError:
        return ""
    now = datetime.now(UTC)
    for each in certificates:
        try:
            certificate: Any = x509.load_der_x509_certificate(each)
            begin, end = _utc(certificate, "not_valid_before"), _utc(certificate, "not_valid_after")
        except ValueError:
            continue
        if not begin <= now <= end:
            state = "isn't valid yet" if now < begin else "has expired"
            return f"{state}: it is valid from {_said(begin)} to {_said(end)}, and {clock(now)}"
    return ""


def clock(now: datetime | None = None) -> str:
    """What time this machine believes it is."""
    return f"this machine's clock says {_said(now or datetime.now(UTC))}"


def _utc(certificate: Any, name: str) -> datetime:
    # Versions of the library before 42 have it without a time zone only.
    moment: datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
