# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of a kind, for whoever acts on what isn't there: a kind that can't be listed is never taken for an empty
one, whatever the reason is, and it is named.

Reads, by the client it is given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.alive import of_one_kind
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, Resource, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line


class Unlisted(FleetFault):
    """What is there of a kind isn't known. The message names the kind, why, and what helps.

    :ivar why: the server's reason alone, in one line.
    :ivar status: of its answer; 0 where there is none.
    """

    def __init__(self, kind: str, api_version: str, namespace: str | None, error: Exception) -> None:
        self.why = one_line(str(error))
        self.status = error.status if isinstance(error, ApiError) else 0
        space = f" in namespace {namespace}" if namespace else ""
        super().__init__(
            f"{kind} ({api_version}){space}: can't be listed, and what can't be seen isn't taken for gone: {self.why}. "
            f"{_remedy(error)}"
        )


def _remedy(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ApiError) and error.status == 403:
        return "Grant the right to list it (docs/rights.md), then run again"
    if "conversion webhook" in text or (isinstance(error, ApiError) and error.is_of_one_kind):
        return (
            "Have the webhook answer that is named there (spec.conversion of the kind's CustomResourceDefinition), or "
            "delete the objects and the definition by hand; then run again"
        )
    if isinstance(error, ApiError) and error.status == 503:
        return "Have whoever serves the kind answer (kubectl get apiservices), then run again"
    return "Run again when it can be (kubectl get tells the same)"


def objects(
    connection: Connection, api_version: str, kind: str, namespace: str | None = None, *, selector: str = ""
) -> list[dict[str, Any]]:
    """All of a kind; nothing of one that no version of its group serves.

    :param selector: of labels.
    :raises Unlisted: what there is isn't known.
    :raises ApiError: the login isn't accepted.
    :raises ApiUnavailable: the API server is away.
    """
    with told(connection, api_version, kind, namespace):
        found = serves(connection, api_version, kind)
        if found is None:
            return []
        query = {"labelSelector": selector} if selector else {}
        try:
            return connection.list_objects(connection.path(found.api_version, kind, namespace), query=query)[0]
        except ApiError as error:
            if error.status == 404 and not _still(connection, found):
                return []  # gone since it was discovered, and all its objects before it
            raise
    raise AssertionError("unreachable")


@contextlib.contextmanager
def told(connection: Connection, api_version: str, kind: str, namespace: str | None) -> Iterator[None]:
    """What hinders a look at a kind in here is told with the kind's name.

    :raises Unlisted, ApiError, ApiUnavailable: as `objects`.
    """
    try:
        yield
    except ApiError as error:
        if error.status == 401:
            raise
        raise Unlisted(kind, api_version, namespace, error) from None
    except ApiUnavailable as error:
        of_one_kind(connection, error)
        raise Unlisted(kind, api_version, namespace, error) from None


def _still(connection: Connection, found: Resource) -> bool:
    """Whether a kind is served, asked for anew."""
    version = found.api_version
    there = get_or_none(connection, f"/apis/{version}" if "/" in version else f"/api/{version}") or {}
    return any(each.get("kind") == found.kind for each in there.get("resources") or ())


def serves(connection: Connection, api_version: str, kind: str) -> Resource | None:
    """How a kind is served: in this version or, where that one isn't any more, in another; None where it isn't at all.

    :raises ApiError, ApiUnavailable: nobody says.
    """
    found = connection.resource(api_version, kind)
    group, slash, version = api_version.partition("/")
    if found is not None or not slash:
        return found
    others = (connection.api_groups(group) or {}).get("versions") or ()
    there = (connection.resource(f"{group}/{each}", kind) for each in others if each != version)
    return next((each for each in there if each is not None), None)
