"""client-go as the judge of which way we go and as whom: one GET, sent by it and by us to the same peer.

May hold: the program (main.go, rest.go), its building, its process, and one GET of ours to it. May not hold: an
assertion, or what is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable

HERE = pathlib.Path(__file__).parent
#: The sandbox's module has client-go in its build list, and kubectl was built of the same packages.
GO_MODULE = HERE.parent / "sandbox" / "tools" / "kubernetes"


class NoJudge(Exception):
    """There is no Go, or the libraries aren't fetched; the message says which."""


@dataclass(frozen=True)
class Task:
    """What is asked.

    :ivar file: the path of a kubeconfig that is named; else those of KUBECONFIG in `environment` are meant.
    :ivar certificate: PEM of the server's chain and key; `proxy` the same of an https:// proxy.
    """

    file: str = ""
    context: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    certificate: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Seen:
    """What the peer saw of a GET, in one spelling; with `error`, the client's own words, nothing else counts."""

    error: str = ""
    dialled: str = ""
    way: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    client: bool = False
    target: str = ""
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()


def build(folder: pathlib.Path) -> pathlib.Path:
    """Builds the program into `folder`. Raises NoJudge."""
    compiler = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not compiler:
        raise NoJudge("no Go here")
    program = folder / "kubeconfig-judge"
    # The same flags as the sandbox's kubectl has: all packages are in the compiler's cache then.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    files = [str(HERE / name) for name in ("main.go", "rest.go")]
    command = [compiler, "build", "-C", str(GO_MODULE), "-trimpath", "-o", str(program), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    if done.returncode and re.search(r"dial|lookup|timeout|proxy\.|missing go\.sum", done.stderr):
        raise NoJudge(f"k8s.io/client-go isn't fetched yet: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return program


class Judge:
    """The program, running."""

    def __init__(self, program: pathlib.Path, system_authorities: pathlib.Path) -> None:
        """system_authorities: PEM file of whom the system trusts."""
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": "/nowhere", "SSL_CERT_FILE": str(system_authorities)}
        # client-go's log says why it refuses certificates of files.
        with program.with_suffix(".log").open("w") as log:
            self._process = subprocess.Popen(
                [program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._authorities = system_authorities
        self.port: int = self._line()["port"]

    def close(self) -> None:
        self._process.communicate(timeout=10)

    def of_client_go(self, task: Task) -> Seen:
        return _seen(self._ask({"judge": asdict(task)}))

    def of_ours(self, task: Task) -> Seen:
        """One GET of ours, every connection of which ends at the judge's peer."""
        self._ask({"play": asdict(task)})
        options = {"kubeconfig": task.file or None, "context": task.context or None}
        dialled: list[str] = []
        with self._as_every_host(dialled):
            try:
                with connect(
                    options, {"HOME": "/nowhere", "PATH": os.environ.get("PATH", ""), **task.environment}
                ) as connection:
                    connection.request("GET", "/version", retries=False, timeout=10)
            except ApiUnavailable as error:
                return Seen(error=str(error))
        return _seen({**self._ask({"seen": {}}), "dialled": dialled[0] if dialled else ""})

    @contextlib.contextmanager
    def _as_every_host(self, dialled: list[str]) -> Iterator[None]:
        def resolved(host: Any, port: Any, *_more: Any, **_named: Any) -> list[Any]:
            host.encode("idna")  # as the real one, which refuses names that can't be any
            dialled.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.port))]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", resolved)
            patch.setenv("SSL_CERT_FILE", str(self._authorities))
            yield

    def _ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


def _seen(found: Mapping[str, Any]) -> Seen:
    if found.get("error"):
        return Seen(error=found["error"])
    headers = {name: tuple(values) for name, values in (found.get("headers") or {}).items()}
    return Seen(
        dialled=found.get("dialled", ""),
        way=tuple(each if each.startswith("login") else each.lower() for each in found.get("way") or ()),
        names=tuple(name.lower() for name in found.get("names") or ()),
        client=found.get("client", False),
        target=_target(found.get("target", ""), (found.get("way") or [""])[-1] == "tls"),
        headers=tuple(sorted(headers.items())),
    )


def _target(text: str, encrypted: bool) -> str:
    """The Host header and the request's URI, without the port that is meant anyway and with plain characters."""
    host, _blank, uri = text.partition(" ")
    parts = urlsplit(uri)
    port = ":443" if encrypted and not parts.netloc else ":80"
    hosts = {each.lower().removesuffix(port) for each in (host, parts.netloc) if each}
    return f"{'absolute ' if parts.netloc else ''}{' '.join(sorted(hosts))} {unquote(parts.path)}"
