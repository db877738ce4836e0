# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to a server that is no Kubernetes API, by Ansible's own HTTP client: with the user's proxies and CAs."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
from collections.abc import Mapping
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data import NoAnswer

#: Seconds for one answer, and bytes of it: regions may be slow, and an answer is read whole.
TIMEOUT, LARGEST = 30, 64 * 2**20


def ask(url: str, form: Mapping[str, str] | None, login: tuple[str, str] | None) -> tuple[int, bytes]:
    """HTTP status and body, as `fleet.data.Ask`. A redirection is an answer: a login goes nowhere else.

    :raises NoAnswer: nobody answered; its text names neither login nor form.
    """
    user, password = login or (None, None)
    try:
        try:
            answer = open_url(
                url,
                data=urlencode(form) if form else None,
                method="POST" if form else "GET",
                url_username=user,
                url_password=password,
                force_basic_auth=login is not None,
                timeout=TIMEOUT,
                follow_redirects="none",
                use_netrc=False,
            )
        except urllib.error.HTTPError as refusal:
            answer = refusal
        return answer.status, answer.read(LARGEST)
    except (OSError, http.client.HTTPException, ValueError) as reason:  # a name may be one that no name can be
        cause = getattr(reason, "reason", reason)
        raise NoAnswer(_kind(cause), str(cause) or type(cause).__name__) from None


def _kind(cause: object) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "certificate"
    return "name" if isinstance(cause, socket.gaierror) else "refused"
