"""A client for the sandbox's own API servers: as much of one as starting a sandbox and asking it a few things needs.

May hold: requests to a Kubernetes API. May not hold: what any of the objects mean. (The collection has a client of its
own; using that one here would let a fault in it hide itself.)
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import os
import pathlib
import ssl
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from sandbox.state import SandboxError


class ApiFailure(Exception):
    """The API server's refusal: HTTP status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


def _material(entry: dict[str, Any], key: str) -> str:
    """PEM text of a kubeconfig's certificate or key, embedded or in a file."""
    if f"{key}-data" in entry:
        return base64.b64decode(entry[f"{key}-data"]).decode("ascii")
    return pathlib.Path(entry[key]).read_text(encoding="ascii")


def server_of(kubeconfig: pathlib.Path, *, client_certificate: bool = True) -> tuple[str, ssl.SSLContext]:
    """Address of a kubeconfig's API server, and how to speak TLS to it: as its user, or as nobody yet."""
    cluster, user = _read(kubeconfig.read_text(encoding="utf-8"))
    authority = _material(cluster, "certificate-authority")
    if not client_certificate:
        return cluster["server"], ssl.create_default_context(cadata=authority)
    own = _material(user, "client-certificate"), _material(user, "client-key")
    return cluster["server"], _context(authority, *own)


# Tests ask very often, and as few users: to read a kubeconfig, and to load what is in it, takes longer than a request.
@functools.lru_cache(maxsize=64)
def _read(kubeconfig: str) -> tuple[dict[str, Any], dict[str, Any]]:
    config = yaml.safe_load(kubeconfig)
    return config["clusters"][0]["cluster"], config["users"][0]["user"]


@functools.lru_cache(maxsize=64)
def _context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority)
    load_certificate(context, certificate, key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Give a TLS context the PEM texts of its own certificate, which `ssl` takes only from a file."""
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(certificate + key)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)


class Api:
    """One keep-alive connection, made from a kubeconfig with a client certificate. Not for several threads."""

    def __init__(self, kubeconfig: pathlib.Path, timeout: float = 120) -> None:
        self.server, context = server_of(kubeconfig)
        self._connection = http.client.HTTPSConnection(
            urllib.parse.urlsplit(self.server).netloc, timeout=timeout, context=context
        )

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, bytes]:
        """Send one request; returns status and body. Raises OSError or http.client.HTTPException without an answer."""
        text = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Accept": accept, "User-Agent": "kof-sandbox"}
        if text is not None:
            headers["Content-Type"] = content_type
        try:
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """Send one request and return the object in the answer. Raises ApiFailure if the server refuses."""
        status, text = self.raw(method, path, body, content_type, accept)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"message": text.decode("utf-8", "replace")[:300]}
        if status >= 400:
            raise ApiFailure(status, answer.get("message", ""))
        return answer

    def get(self, path: str) -> Any:
        """The object at a path, or None if it does not exist."""
        try:
            return self.request("GET", path)
        except ApiFailure as refusal:
            if refusal.status == 404:
                return None
            raise

    def apply(self, path: str, wanted: dict[str, Any]) -> Any:
        """Server-side apply of an object at its path."""
        query = "fieldManager=kof-sandbox&force=true"
        return self.request("PATCH", f"{path}?{query}", wanted, "application/apply-patch+yaml")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextlib.contextmanager
def connect(kubeconfig: pathlib.Path) -> Iterator[Api]:
    """An `Api` that is closed at the end."""
    api = Api(kubeconfig)
    try:
        yield api
    finally:
        api.close()


def wait_until(what: str, seconds: float, done: Callable[[], bool], hint: Callable[[], str] = str) -> None:
    """Ask `done` until it says yes, riding over refused connections and refusals.

    Raises SandboxError with `what` and `hint()` after so many seconds.
    """
    deadline = time.monotonic() + seconds
    pause, last = 0.02, ""
    while True:
        try:
            if done():
                return
        except (OSError, http.client.HTTPException, ApiFailure) as reason:
            last = f" ({reason})"
        if time.monotonic() > deadline:
            raise SandboxError(f"{what}: not within {seconds:g} s{last}\n{hint()}".rstrip())
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)
