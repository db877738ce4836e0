# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways that are held open while somebody looks: a kubectl port-forward each, begun again where it ends or where nobody
answers behind it any more, and all ended with us, however we end.

kubectl forwards to one pod of a service: with that pod it ends, or, where its connection stays, answers nobody.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line

#: Seconds between looks at a process, and at what answers.
TICK, PROBED_EVERY = 0.2, 3.0
#: For an answer, before it counts as none, and for kubectl to end by itself.
PATIENCE, LAST = 10.0, 5.0
#: Before a way is tried again: the first time, and at most.
SOON, LATE = 0.5, 15.0
_SET_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG


@dataclass(eq=False)
class Forward:
    """One way.

    :ivar name: for people.
    :ivar command: kubectl and its arguments.
    :ivar port: on loopback.
    :ivar began: how often it was begun.
    :ivar why: what was last wrong with it.
    """

    name: str
    command: Sequence[str]
    port: int
    began: int = 0
    why: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _errors: int | None = None
    _since: float = 0.0
    _next: float = 0.0
    _probe: float = 0.0
    _pause: float = SOON
    _open: bool = False

    def look(self, say: Callable[[str], None]) -> None:
        """See to it that it is open, as far as its time has come."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._next:
                self._begin()
            return
        if self._process.poll() is not None:
            self._again(self._said() or f"kubectl ended with {self._process.returncode}", say)
        elif now >= self._probe:
            self._probe = now + (PROBED_EVERY if self._open else SOON)
            if answers(self.port):
                if not self._open:
                    say(f"{self.name}: open{' again' if self.began > 1 else ''}")
                self._open, self._pause = True, SOON
            elif self._open or now - self._since > PATIENCE:
                self._again("nobody answers behind it", say)

    def ask_to_end(self) -> None:
        """Without waiting for it."""
        if self._process is not None:
            self._process.terminate()

    def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(LAST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._errors is not None:
            os.close(self._errors)
            self._errors = None

    def _begin(self) -> None:
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                [*self.command, "--address", "127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                preexec_fn=_dies_with_us,
            )
            self._errors = os.dup(errors.fileno())
        self.began += 1
        self._since = time.monotonic()
        self._probe = self._since + TICK

    def _again(self, why: str, say: Callable[[str], None]) -> None:
        self.end()
        if self._open or why != self.why:
            say(f"{self.name}: {why}; tried again")
        self.why, self._open = why, False
        self._next = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LATE)

    def _said(self) -> str:
        return (
            "" if self._errors is None else one_line(os.pread(self._errors, 4096, 0).decode(errors="replace").strip())
        )


def _dies_with_us() -> None:
    """Linux ends it with the process that began it, also where that is killed; elsewhere it is ended by `end` alone."""
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def is_taken(port: int) -> bool:
    """Whether somebody listens on a port of loopback, or it may not be had."""
    with contextlib.closing(socket.socket()) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ours.bind(("127.0.0.1", port))
        except (OSError, OverflowError):  # the ports of very many regions end before they do
            return True
    return False


def answers(port: int) -> bool:
    """Whether a page is behind a port of loopback: kubectl listens also where nothing is."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as there:
            there.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            return bool(there.recv(1))
    except OSError:
        return False


def hold(forwards: Sequence[Forward], seconds: float, ended: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Hold them open for so long, or until `ended`; none is left afterwards."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and not ended():
            for each in forwards:
                if ended():  # one that answers nobody takes its time, and each of them may be one
                    break
                each.look(say)
            time.sleep(TICK)
    finally:
        for each in forwards:
            each.ask_to_end()
        for each in forwards:
            each.end()
