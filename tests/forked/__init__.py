"""Ansible's programs for very many short runs: each is a fork of a process that has imported all that it begins with.

For tests to which a run's beginning is nothing; who looks at the process, or ends it, starts one. May hold: how runs
are started. May not hold: what is run, nor what becomes of it.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
#: Beginnings of what is read at import: by Ansible (base.yml of its configuration), by Python, by the C library.
AT_IMPORT = ("ANSIBLE_", "_ANSIBLE_", "NO_COLOR", "EDITOR", "PAGER", "PYTHON", "LC_", "LANG", "TZ")


class Forks:
    """Runs with the same of what is read at import (AT_IMPORT, and Ansible's own below HOME). From any thread.

    Servers are started when none is idle, and end with this process at the latest.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[tuple[str, str], ...], list[subprocess.Popen[str]]] = {}

    def run(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        timeout: float,
        *,
        program: str = "playbook",
        folder: pathlib.Path = REPOSITORY,
    ) -> tuple[int, str]:
        """ansible-playbook, or another `program` of ansible's, in a folder, to its end: exit code and output.

        `environment` is all of it. Raises AssertionError when it takes longer than `timeout` seconds.
        """
        descriptor, output = tempfile.mkstemp(prefix="kof-output-")
        os.close(descriptor)
        try:
            code = self.served(arguments, environment, timeout, (output, output), program=program, folder=folder)
            told = pathlib.Path(output).read_text(encoding="utf-8", errors="replace")
            assert code is not None, f"no end in {timeout} seconds: {told}"
            return code, told
        finally:
            os.unlink(output)

    def served(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        timeout: float,
        outputs: tuple[str, str],
        *,
        program: str = "playbook",
        folder: pathlib.Path | str = REPOSITORY,
    ) -> int | None:
        """The same, with the paths of its stdout and stderr; None where it took longer, and was ended."""
        settings = tuple(
            sorted(
                (name, value)
                for name, value in environment.items()
                if name.startswith(AT_IMPORT) or (name == "HOME" and _has_ansibles_own(pathlib.Path(value)))
            )
        )
        idle = self._idle.setdefault(settings, [])
        try:
            server = idle.pop()
        except IndexError:
            server = _start(environment)
        assert server.stdin
        assert server.stdout
        patience = threading.Timer(timeout, os.killpg, (server.pid, signal.SIGKILL))
        patience.start()
        code = ""
        try:
            request = {
                "program": program,
                "arguments": arguments,
                "environment": dict(environment),
                "folder": str(folder),
                "outputs": outputs,
            }
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            code = server.stdout.readline()
        finally:
            patience.cancel()
            if not code:
                os.killpg(server.pid, signal.SIGKILL)
                server.communicate()
        if not code:
            return None
        idle.append(server)
        return int(code)

    def end(self) -> None:
        for servers in self._idle.values():
            for server in servers:
                server.communicate()
        self._idle.clear()


#: For all of a session that need no other: one server serves those with the same settings.
SHARED = Forks()


def _has_ansibles_own(home: pathlib.Path) -> bool:
    """Settings, plugins, roles or collections. All homes without are one to a server; the folder is each run's own."""
    return (home / ".ansible.cfg").exists() or any(each.name != "tmp" for each in home.glob(".ansible/*"))


def _start(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "forked"],
        cwd=REPOSITORY,
        env={**environment, "PYTHONPATH": str(REPOSITORY / "tests")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
