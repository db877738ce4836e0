"""The sandbox's DNS: a server on loopback, fed from the stand-in for AWS.

May hold: its start and end, and which load balancers have which addresses. May not hold: how it answers (names_server).
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Mapping, Sequence

from sandbox import processes
from sandbox import state as state_files
from sandbox.registry import started

NAME = "names"


def start(state: pathlib.Path, aws: str) -> str:
    """Start it unless it runs, and return its address (`127.0.0.1:PORT`).

    :param aws: address of the stand-in for AWS.
    """

    def begin(port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "K8S_AUTH_"))}
        server = pathlib.Path(__file__).with_name("names_server.py")
        command = [sys.executable, str(server), "--port", str(port), "--endpoint", aws, "--hosts", str(_file(state))]
        processes.start(state, NAME, command, environment)

    return f"127.0.0.1:{started(state, NAME, 'the DNS server', begin)}"


def stop(state: pathlib.Path) -> None:
    """End it."""
    processes.end(state, [NAME])
    state_files.forget_ports(state, NAME)
    _file(state).unlink(missing_ok=True)


def tell(state: pathlib.Path, hosts: Mapping[str, Sequence[str]]) -> None:
    """Which names have which addresses, beside those of zones; nothing else has, from now on."""
    state_files.write_json(_file(state), {name.rstrip(".").lower(): list(each) for name, each in hosts.items()})


def _file(state: pathlib.Path) -> pathlib.Path:
    return state / "names.json"
