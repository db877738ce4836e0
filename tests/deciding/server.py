"""The API server as people and controllers use it: requests in their names, refusals as None."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, Connection, connect
from deciding.objects import KEYED_GROUP, NAMESPACE, Object, keyed_definition

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
OURS = "k0rdent.kof"


class Server:
    """What others do to objects, by a connection of the administrator."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def prepare(self) -> None:
        """The namespace of the random objects, and the kind with a keyed list."""
        space: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        for obj in (space, keyed_definition()):
            if self.patch(obj, "test", APPLY, force="true") is None:
                raise RuntimeError(f"can't make {obj['kind']} {obj['metadata']['name']}")
        while self.connection.resource(f"{KEYED_GROUP}/v1beta1", "ClusterDeployment") is None:
            pass  # served a moment after it is written

    def path(self, obj: Object) -> str:
        metadata = obj["metadata"]
        return self.connection.path(obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"])

    def get(self, obj: Object) -> Object | None:
        try:
            return self.connection.request("GET", self.path(obj))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def patch(
        self, obj: Object, manager: str, content_type: str, body: Any = None, subresource: str = "", **query: str
    ) -> Object | None:
        """PATCH `obj` (with `body`, where that is something else) in the name of `manager`."""
        path = f"{self.path(obj)}/{subresource}" if subresource else self.path(obj)
        try:
            return self.connection.request(
                "PATCH",
                path,
                query={"fieldManager": manager, **query},
                body=obj if body is None else body,
                content_type=content_type,
            )
        except ApiError:
            return None

    def dry_run(self, obj: Object) -> Object | ApiError:
        """What applying `obj` as ours would make of it, or why not."""
        query = {"fieldManager": OURS, "dryRun": "All", "force": "false"}
        try:
            return self.connection.request("PATCH", self.path(obj), query=query, body=obj, content_type=APPLY)
        except ApiError as error:
            return error

    def create(self, obj: Object, manager: str) -> Object | None:
        metadata = obj["metadata"]
        path = self.connection.path(obj["apiVersion"], obj["kind"], metadata.get("namespace"))
        try:
            return self.connection.request("POST", path, query={"fieldManager": manager}, body=obj)
        except ApiError:
            return None

    def delete(self, obj: Object) -> bool:
        try:
            self.connection.request("DELETE", self.path(obj))
        except ApiError:
            return False
        return True


def meddle(connection: Connection, before: Callable[[str, str], None]) -> None:
    """Have `before(method, path)` called ahead of every write that `connection` sends from now on, dry runs excepted:
    what somebody does between our look and our write."""
    send = connection.request_status

    def request_status(method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        if method in ("PATCH", "DELETE", "POST", "PUT") and "dryRun" not in (more.get("query") or {}):
            before(method, path)
        return send(method, path, **more)

    connection.request_status = request_status  # type: ignore[method-assign]


@contextlib.contextmanager
def serving(kubeconfig: pathlib.Path) -> Iterator[Server]:
    """The server of `kubeconfig`, with the namespace and the kinds that the random objects need."""
    with connect({"kubeconfig": str(kubeconfig)}) as connection:
        server = Server(connection)
        server.prepare()
        yield server
