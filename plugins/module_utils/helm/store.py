# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A helm release on the API server: its revisions, its objects, its Secrets. Requests only; decides nothing and
starts no helm.

Release Secrets are read and, where a killed helm left one pending, patched; none is ever deleted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import (
    Revision,
    decode,
    marked_failed,
    secret_data,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import POOL_SIZE, ApiError, Connection, get_or_none

_MERGE_PATCH = "application/merge-patch+json"
_FIELD_MANAGER = {"fieldManager": "k0rdent.kof"}
#: helm's annotation; its one value is "keep".
_POLICY = "helm.sh/resource-policy"

SecretData = Mapping[tuple[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Missing:
    """An object that is not there; with the time (RFC 3339) if it still is but on its way out, and who holds it."""

    ref: Ref
    deleted_at: str | None = None
    finalizers: tuple[str, ...] = ()


class ReleaseStore:
    """The release `name` in `namespace` through `connection`. All methods raise ApiError and ApiUnavailable."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name

    def history(self) -> list[Revision]:
        """The revisions in ascending order; empty where there is no release or no such namespace. Raises
        NotARelease."""
        secrets, _version = self._connection.list_objects(
            self._secrets(self._namespace), query={"labelSelector": f"owner=helm,name={self._name}"}, page=5
        )
        return sorted((decode(secret) for secret in secrets), key=lambda revision: revision.version)

    def mark_failed(self, revision: Revision, why: str) -> bool:
        """Say of a revision that it failed; False if it has changed since it was read."""
        try:
            self._connection.request(
                "PATCH",
                f"{self._secrets(self._namespace)}/{revision.secret}",
                query=_FIELD_MANAGER,
                body=marked_failed(revision, why),
                content_type=_MERGE_PATCH,
            )
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    def missing(self, wanted: Sequence[Ref]) -> list[Missing]:
        """Those of the objects which are not there, or are being deleted."""
        # Discovery first and in one thread: the same group is asked once.
        for group in sorted({ref.api_version for ref in wanted}):
            kinds = [ref.kind for ref in wanted if ref.api_version == group]
            self._connection.resource(group, kinds[0])
        with ThreadPoolExecutor(POOL_SIZE) as pool:
            return [found for found in pool.map(self._missing, wanted) if found is not None]

    def _missing(self, ref: Ref) -> Missing | None:
        metadata = self._metadata(ref)
        if metadata is None:
            return Missing(ref)
        if metadata.get("deletionTimestamp"):
            return Missing(ref, metadata["deletionTimestamp"], tuple(metadata.get("finalizers") or ()))
        return None

    def deleted_without(self, held: Sequence[Ref], wanted: Sequence[Ref]) -> list[Ref]:
        """Those of the objects in `held` that helm deletes when the next revision holds those in `wanted`, with the
        namespace they are in: those that are there, and don't carry its annotation to keep them."""
        staying = {ref.identity(self._namespace) for ref in wanted}
        there = {ref.identity(self._namespace): ref for ref in held}
        leaving = [ref for identity, ref in there.items() if identity not in staying]
        with ThreadPoolExecutor(POOL_SIZE) as pool:
            found = list(pool.map(self._metadata, leaving))
        return [
            replace(ref, namespace=metadata.get("namespace"))
            for ref, metadata in zip(leaving, found, strict=True)
            if metadata is not None and (metadata.get("annotations") or {}).get(_POLICY) != "keep"
        ]

    def _metadata(self, ref: Ref) -> Mapping[str, Any] | None:
        # One GET by name each: a LIST would bring every Secret of the namespace, and every ClusterRole of the cluster.
        where = (ref.api_version, ref.kind, ref.namespace or self._namespace, ref.name)
        found = get_or_none(self._connection, where)
        return None if found is None else found.get("metadata", {})

    def overwritten_by(self, manifest: str) -> SecretData:
        """Live Secrets whose data applying `manifest` would change: (namespace, name) to their data."""
        found = {}
        for (namespace, name), data in secret_data(manifest).items():
            place = namespace or self._namespace
            live = get_or_none(self._connection, f"{self._secrets(place)}/{quote(name, safe='')}")
            held = (live or {}).get("data") or {}
            if any(held.get(key) != value for key, value in data.items() if held.get(key)):
                found[place, name] = held
        return found

    def put_back(self, secrets: SecretData) -> None:
        """Write data back that `overwritten_by` has found."""
        for (namespace, name), data in secrets.items():
            self._connection.request(
                "PATCH",
                f"{self._secrets(namespace)}/{quote(name, safe='')}",
                query=_FIELD_MANAGER,
                body={"data": dict(data)},
                content_type=_MERGE_PATCH,
            )

    @staticmethod
    def _secrets(namespace: str) -> str:
        return f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
