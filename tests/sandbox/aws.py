"""The stand-in for AWS: moto's server on loopback. It keeps all in memory, so a restart is an empty account.

May hold: its start and end. May not hold: AWS objects (those that are there from the beginning are in aws_server).
"""

from __future__ import annotations

import os
import pathlib
import sys

from sandbox import processes
from sandbox import state as state_files
from sandbox.registry import answers
from sandbox.state import SandboxError

NAME = "aws"


def start(state: pathlib.Path) -> str:
    """Start it unless it runs, and return its address (`http://127.0.0.1:PORT`)."""
    for attempt in (1, 2, 3):
        port = state_files.ports(state, NAME, ("http",), fresh=attempt > 1)["http"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
        server = pathlib.Path(__file__).with_name("aws_server.py")
        command = [sys.executable, str(server), "-H", "127.0.0.1", "-p", str(port)]
        processes.start(state, NAME, command, environment)
        if answers(state, NAME, port):
            return f"http://127.0.0.1:{port}"
    log = processes.log_file(state, NAME)
    raise SandboxError(f"moto's server does not start; the end of {log}:\n{processes.tail(log)}")


def stop(state: pathlib.Path) -> None:
    """End it."""
    processes.end(state, [NAME])
    state_files.forget_ports(state, NAME)
