"""Helm repositories with an index, over HTTP on loopback: what served charts before OCI registries did, and what
mirrors of old charts are made of.

May hold: the server, its start and end. May not hold: what is in the repositories (chart_packages.py).
"""

from __future__ import annotations

import argparse
import functools
import http.server
import pathlib
import shutil
import sys
import urllib.parse
from http import HTTPStatus
from typing import Any

from sandbox import processes
from sandbox import state as state_files
from sandbox.registry import started

NAME = "chart-index"
#: As GitHub's release assets, a package there lies elsewhere: the answer is an address that is good for a moment.
MOVED, ASSETS = "/releases/download/", "/assets/"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the folder. A query, which some mirrors put behind a package's address, doesn't matter."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith(MOVED):
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", ASSETS + path.removeprefix(MOVED) + "?X-Amz-Expires=300&X-Amz-Signature=0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)


def folder(state: pathlib.Path) -> pathlib.Path:
    """What it serves."""
    return state / NAME


def start(state: pathlib.Path) -> str:
    """Start it unless it runs, and return its address (`http://127.0.0.1:PORT`)."""
    folder(state).mkdir(parents=True, exist_ok=True)

    def begin(port: int) -> None:
        command = [sys.executable, "-m", "sandbox.chart_index", "--folder", str(folder(state)), "--port", str(port)]
        environment = {"PYTHONPATH": str(pathlib.Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
        processes.start(state, NAME, command, environment)

    return f"http://127.0.0.1:{started(state, NAME, 'the server of chart indexes', begin)}"


def stop(state: pathlib.Path) -> None:
    """End it and remove what it serves."""
    processes.end(state, [NAME])
    shutil.rmtree(folder(state), ignore_errors=True)
    state_files.forget_ports(state, NAME)


def main() -> None:
    """Serve until killed; each request is a line of the log."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.chart_index", description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    handler = functools.partial(_Handler, directory=str(arguments.folder))
    http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), handler).serve_forever()


if __name__ == "__main__":
    main()
