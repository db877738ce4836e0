# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to what runs behind a Service, through the API server's proxy: it takes no way of one's own there, and the
right to get services/proxy. And that nobody answered, whichever way was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable

#: Seconds for one answer: what is asked may ask others first.
TIMEOUT = 15.0


class NoAnswer(Exception):
    """Nobody answered.

    :ivar kind: name (there is no such name), certificate (it isn't trusted), or refused (anything else on the way).
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


#: (path, query) -> HTTP status and body. Raises NoAnswer.
Ask = Callable[[str, "Mapping[str, str] | None"], "tuple[int, bytes]"]


def asking(connection: Connection, namespace: str, service: str, port: int) -> Ask:
    """To ask by GET what answers JSON. Of a question that it refuses, the body stays with the API server."""
    base = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    def ask(path: str, query: Mapping[str, str] | None) -> tuple[int, bytes]:
        try:
            said = connection.request("GET", f"{base}{path}", query=query, timeout=TIMEOUT, retries=False)
        except ApiError as refusal:
            if refusal.status in (400, 422):
                return refusal.status, b""
            raise NoAnswer("refused", f"by way of the API server: {refusal.message}") from None
        except ApiUnavailable as reason:
            raise NoAnswer("refused", str(reason)) from None
        return 200, json.dumps(said).encode()

    return ask
