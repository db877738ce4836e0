"""`python -m sandbox.simulator seed|run`: what one types; the programs themselves are in the other modules."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from sandbox import lines
from sandbox.simulator.api import Api
from sandbox.simulator.app import Simulator
from sandbox.simulator.seed import seed

READY = "simulator.json"  # written once everything watches and the webhook answers


def _run(arguments: argparse.Namespace) -> None:
    state: Path = arguments.state_dir
    endpoints = json.loads((state / "endpoints.json").read_text()) if (state / "endpoints.json").exists() else {}
    kubeconfig = arguments.kubeconfig or state / "mothership.kubeconfig"
    ready = state / READY
    ready.unlink(missing_ok=True)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    simulator = Simulator(kubeconfig, state, endpoints, clusters=arguments.clusters)
    simulator.start()
    ready.write_text(json.dumps({"pid": os.getpid(), "webhook": simulator.webhook_url}))
    simulator.faults.watch(simulator.faults_changed, stop)
    ready.unlink(missing_ok=True)
    simulator.stop()
    # Clusters that are just starting would hold us up; they are on disk and can be found again.
    logging.shutdown()
    os._exit(0)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and do it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    seeding = commands.add_parser("seed", help="make the objects of a management cluster with kcm, without kof")
    seeding.add_argument("--kubeconfig", type=Path, required=True)
    seeding.add_argument("--line", choices=lines.NAMES, default=lines.LINE_0_1.name)
    running = commands.add_parser("run", help="play kcm, Sveltos and the operators until SIGTERM")
    running.add_argument("--state-dir", type=Path, required=True, help="the sandbox's folder")
    running.add_argument("--kubeconfig", type=Path, help="default: mothership.kubeconfig in the folder")
    running.add_argument("--clusters", choices=("real", "none"), default="real", help="none: no control planes")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(levelname)s %(message)s")
    if arguments.command == "seed":
        seed(Api(arguments.kubeconfig), lines.find(arguments.line))
    else:
        _run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
