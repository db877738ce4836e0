"""The OCI registry that serves the charts, on loopback, plain HTTP, its blobs in the state folder.

May hold: its configuration, start and end, and how any server of the sandbox comes to its port. May not hold: what is
pushed to it.
"""

from __future__ import annotations

import pathlib
import shutil
import socket
from collections.abc import Callable

import yaml

from sandbox import processes
from sandbox import state as state_files
from sandbox.api import wait_until
from sandbox.state import SandboxError

NAME = "registry"


def start(state: pathlib.Path, tools: dict[str, pathlib.Path]) -> str:
    """Start it unless it runs, and return its address (`127.0.0.1:PORT`)."""

    def begin(port: int) -> None:
        config = state / NAME / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(files(state))},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        state_files.write(config, yaml.safe_dump(settings))
        # The registry lets variables like REGISTRY_HTTP_ADDR of the user's shell override its file: it gets none.
        processes.start(state, NAME, [str(tools["registry"]), "serve", str(config)], {"OTEL_TRACES_EXPORTER": "none"})

    return f"127.0.0.1:{started(state, NAME, 'the registry', begin)}"


def files(state: pathlib.Path) -> pathlib.Path:
    """Where all that is pushed to it lies."""
    return state / NAME / "data"


def started(state: pathlib.Path, name: str, what: str, begin: Callable[[int], None]) -> int:
    """Start a server on a port of its own unless it runs, on another one where somebody took it; its port.

    :param begin: starts its process, given the port.
    """
    for attempt in (1, 2, 3):
        port = state_files.ports(state, name, ("http",), fresh=attempt > 1)["http"]
        begin(port)
        if answers(state, name, port):
            return port
    log = processes.log_file(state, name)
    raise SandboxError(f"{what} does not start; the end of {log}:\n{processes.tail(log)}")


def answers(state: pathlib.Path, name: str, port: int, seconds: float = 300) -> bool:
    """Wait until the process listens on its port; False if it has ended instead."""

    def listens() -> bool:
        if processes.find(state, name) is None:
            return True
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    wait_until(name, seconds, listens, lambda: processes.tail(processes.log_file(state, name)))
    return processes.find(state, name) is not None


def stop(state: pathlib.Path) -> None:
    """End it and remove what it holds."""
    processes.end(state, [NAME])
    shutil.rmtree(state / NAME, ignore_errors=True)
    state_files.forget_ports(state, NAME)
