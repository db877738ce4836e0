"""A small client for one API server: JSON over keep-alive connections, LIST, WATCH, writes under a named manager.

Nothing here knows kcm or kof. Not the collection's client on purpose: the simulator must not share its mistakes.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from sandbox.simulator.kinds import Kind

Object = dict[str, Any]

#: The name under which the controllers built with controller-runtime write (their binary is called `manager`).
MANAGER = "manager"
#: The name under which Sveltos applies.
SVELTOS_MANAGER = "application/apply-patch"


class ApiError(Exception):
    """The API server's refusal: HTTP status, reason and message of its Status object."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def conflict(self) -> bool:
        return self.status == 409


class Gone(Exception):
    """A watch can't go on from its resourceVersion: LIST again."""


def _pem_file(folder: str, name: str, inline: str | None, path: str | None) -> str | None:
    if inline:
        target = Path(folder, name)
        target.touch(mode=0o600)
        target.write_bytes(base64.b64decode(inline))
        return str(target)
    return path


class Api:
    """One API server, as the current context of a kubeconfig file names it. Safe to use from many threads.

    Raises `OSError`, `KeyError` or `yaml.YAMLError` if the file isn't a kubeconfig, `urllib3.exceptions.HTTPError` if
    the server can't be reached, `ApiError` for its refusals.
    """

    def __init__(self, kubeconfig: Path | str, *, user_agent: str = "sandbox-simulator") -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        self.server = cluster["server"].rstrip("/")
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if user.get("token"):
            self._headers["Authorization"] = f"Bearer {user['token']}"
        context_tls = ssl.create_default_context()
        # kwok's and our own certificates needn't carry the extensions that Python 3.13 insists on.
        context_tls.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        with tempfile.TemporaryDirectory(prefix="sandbox-simulator-") as folder:
            ca = _pem_file(
                folder, "ca.crt", cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
            )
            if cluster.get("insecure-skip-tls-verify"):
                context_tls.check_hostname = False
                context_tls.verify_mode = ssl.CERT_NONE
            elif ca:
                context_tls.load_verify_locations(ca)
            certificate = _pem_file(
                folder, "c.crt", user.get("client-certificate-data"), user.get("client-certificate")
            )
            key = _pem_file(folder, "c.key", user.get("client-key-data"), user.get("client-key"))
            if certificate:
                context_tls.load_cert_chain(certificate, key)
        self._pool = urllib3.PoolManager(maxsize=32, ssl_context=context_tls, retries=False)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> Object:
        """One request; the parsed answer. A keep-alive connection that the server closed meanwhile is replaced once."""
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        url = self.server + path
        if query:
            url += "?" + urlencode(query)
        retries = urllib3.Retry(total=1, connect=0, read=1 if method == "GET" else 0, other=0, redirect=0, status=0)
        retries.respect_retry_after_header = False  # 429 is answered by our queues' back-off
        response = self._pool.request(method, url, body=data, headers=headers, timeout=timeout, retries=retries)
        if response.status >= 400:
            raise _error(response.status, response.data)
        return json.loads(response.data) if response.data else {}

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object, or None where it doesn't exist (or its kind isn't served)."""
        try:
            return self.request("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    def list(self, kind: Kind, *, selector: dict[str, str] | None = None) -> tuple[list[Object], str]:
        """All objects of a kind, with apiVersion and kind filled in, and the list's resourceVersion."""
        answer = self.request("GET", kind.path(), query=selector)
        items = answer.get("items") or []
        for item in items:
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return items, answer["metadata"]["resourceVersion"]

    def watch(
        self, kind: Kind, version: str, *, selector: dict[str, str] | None = None
    ) -> Iterator[tuple[str, Object]]:
        """Events (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`) after `version` until the server ends the stream.

        Raises `Gone` where the server no longer has that version.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "1800",
            "resourceVersion": version,
            **(selector or {}),
        }
        url = f"{self.server}{kind.path()}?{urlencode(query)}"
        # Bookmarks come every minute, so a longer silence is a dead connection.
        timeout = urllib3.Timeout(connect=10, read=150)
        response = self._pool.request(
            "GET", url, headers=self._headers, preload_content=False, timeout=timeout, retries=False
        )
        try:
            if response.status >= 400:
                error = _error(response.status, response.read())
                if error.status == 410:
                    raise Gone from error
                raise error
            rest = b""
            for chunk in response.stream(65536, decode_content=True):
                rest += chunk
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise Gone(event["object"].get("message", ""))
                    yield event["type"], event["object"]
        finally:
            # A stream that is left early can't be reused; one that ended is closed already.
            response.close()

    def create(self, kind: Kind, obj: Object, *, manager: str = MANAGER) -> Object:
        """POST the object; its namespace is taken from its metadata."""
        path = kind.path(obj["metadata"].get("namespace"))
        return self.request("POST", path, query={"fieldManager": manager}, body=obj)

    def replace(self, kind: Kind, obj: Object, *, subresource: str | None = None, manager: str = MANAGER) -> Object:
        """PUT the object as read and changed: the resourceVersion in it guards against lost updates (409)."""
        meta = obj["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"], subresource)
        return self.request("PUT", path, query={"fieldManager": manager}, body=obj)

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        subresource: str | None = None,
        manager: str = MANAGER,
    ) -> Object:
        """A merge patch (null deletes)."""
        path = kind.path(namespace, name, subresource)
        return self.request(
            "PATCH", path, query={"fieldManager": manager}, body=body, content_type="application/merge-patch+json"
        )

    def apply(self, kind: Kind, obj: Object, *, manager: str = MANAGER) -> Object:
        """Server-side apply with force, as an operator does with what is its own."""
        meta = obj["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"])
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        query = {"fieldManager": manager, "force": "true"}
        return self.request("PATCH", path, query=query, body=body, content_type="application/apply-patch+yaml")

    def delete(self, kind: Kind, namespace: str | None, name: str) -> bool:
        """Delete; False if it was gone already."""
        try:
            self.request("DELETE", kind.path(namespace, name), body={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.not_found:
                return False
            raise
        return True

    def close(self) -> None:
        self._pool.clear()


def _error(status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        return ApiError(status, answer.get("reason", ""), answer.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", data.decode(errors="replace")[:500])
