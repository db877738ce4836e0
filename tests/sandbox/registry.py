"""The OCI registry that serves the charts, on loopback, plain HTTP, its blobs in the state folder.

May hold: its configuration, start and end. May not hold: what is pushed to it.
"""

from __future__ import annotations

import pathlib
import shutil
import socket

import yaml

from sandbox import processes
from sandbox import state as state_files
from sandbox.api import wait_until
from sandbox.state import SandboxError

NAME = "registry"


def start(state: pathlib.Path, tools: dict[str, pathlib.Path]) -> str:
    """Start it unless it runs, and return its address (`127.0.0.1:PORT`)."""
    for attempt in (1, 2, 3):
        port = state_files.ports(state, NAME, ("http",), fresh=attempt > 1)["http"]
        config = state / NAME / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(state / NAME / "data")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        state_files.write(config, yaml.safe_dump(settings))
        # The registry lets variables like REGISTRY_HTTP_ADDR of the user's shell override its file: it gets none.
        processes.start(state, NAME, [str(tools["registry"]), "serve", str(config)], {"OTEL_TRACES_EXPORTER": "none"})
        if answers(state, NAME, port):
            return f"127.0.0.1:{port}"
    log = processes.log_file(state, NAME)
    raise SandboxError(f"the registry does not start; the end of {log}:\n{processes.tail(log)}")


def answers(state: pathlib.Path, name: str, port: int, seconds: float = 60) -> bool:
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
