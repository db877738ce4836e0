"""Runs a program whose `ansible-playbook`s are forks: `python -m forked.around molecule test --all`.

For tools that start very many of them, each to look at one playbook or to say its version. May hold: what stands for
ansible-playbook on PATH, and who answers it. May not hold: how runs are started (Forks).
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import socketserver
import subprocess
import sys
import tempfile
import threading

from forked import Forks

#: Seconds that one run may take.
LONGEST = 3600
#: Run by a Python that reads no site-packages, for it is started as often as the program would be.
ASKS = """\
import json, os, socket, sys
here = socket.socket(socket.AF_UNIX)
here.connect(sys.argv[1])
about = {"pid": os.getpid(), "arguments": sys.argv[2:], "environment": dict(os.environ), "folder": os.getcwd()}
here.sendall(json.dumps(about).encode() + b"\\n")
code = here.makefile().read()
sys.exit(int(code) if code else "ansible-playbook didn't come to its end")
"""


class _Answers(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        # Its own streams, whatever they are: what is written there is there at once, and ends with the run.
        streams = tuple(f"/proc/{asked['pid']}/fd/{number}" for number in (1, 2))
        code = self.server.forks.served(  # type: ignore[attr-defined]
            asked["arguments"], asked["environment"], LONGEST, streams, folder=asked["folder"]
        )
        self.wfile.write(b"" if code is None else str(code).encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, address: str, forks: Forks) -> None:
        self.forks = forks
        super().__init__(address, _Answers)


def run(command: list[str]) -> int:
    """The program to its end; its exit code."""
    forks = Forks()
    with tempfile.TemporaryDirectory(prefix="kof-forked-") as folder:
        address = os.path.join(folder, "socket")
        words = shlex.join([sys.executable, "-IS", os.path.join(folder, "asks.py"), address])
        shim = pathlib.Path(folder, "bin", "ansible-playbook")
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        pathlib.Path(folder, "asks.py").write_text(ASKS, encoding="utf-8")
        with _Server(address, forks) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            environment = {**os.environ, "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}
            try:
                return subprocess.run(command, env=environment, check=False).returncode
            finally:
                server.shutdown()
                forks.end()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
