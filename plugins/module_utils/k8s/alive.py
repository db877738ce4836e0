# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a request without an answer is about the server, or about the one kind that was asked for: the webhook that
converts a kind may never end, and then nothing of it comes, while the server is well.
"""

from __future__ import annotations

import time

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost

_SECONDS = 5.0


def of_one_kind(connection: Connection, error: ApiUnavailable) -> None:
    """
    :param error: of a request about a kind.
    :raises ApiUnavailable: the server is away, or this run may send nothing more: the same error.
    """
    if isinstance(error, Lost):
        raise error
    try:
        connection.request("GET", "/version", deadline=time.monotonic() + _SECONDS, timeout=_SECONDS)
    except ApiError:
        return  # an answer, too
    except ApiUnavailable:
        raise error from None
