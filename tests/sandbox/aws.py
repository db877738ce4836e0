"""The stand-in for AWS: moto's server on loopback. It keeps all in memory, so a restart is an empty account.

May hold: its start and end. May not hold: AWS objects (those that are there from the beginning are in aws_server).
"""

from __future__ import annotations

import os
import pathlib
import sys

from sandbox import processes
from sandbox import state as state_files
from sandbox.registry import started

NAME = "aws"


def start(state: pathlib.Path) -> str:
    """Start it unless it runs, and return its address (`http://127.0.0.1:PORT`)."""

    def begin(port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
        server = pathlib.Path(__file__).with_name("aws_server.py")
        command = [sys.executable, str(server), "-H", "127.0.0.1", "-p", str(port)]
        processes.start(state, NAME, command, environment)

    return f"http://127.0.0.1:{started(state, NAME, 'the server of AWS', begin)}"


def stop(state: pathlib.Path) -> None:
    """End it."""
    processes.end(state, [NAME])
    state_files.forget_ports(state, NAME)
