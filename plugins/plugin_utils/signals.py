# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task does when Ansible is told to end while its helm changes something that must not be left half-way.

Ansible runs each task in a worker process, a group of its own. On Ctrl-C (SIGINT) the main process tells the workers,
then sends them SIGTERM once or twice, as often as not at once, and ends when they have; on SIGTERM it tells them and is
gone. Neither shows what a task says from then on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def seen_to_its_end(what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`, which starts processes and waits for them. A signal that ends Ansible is passed on to
    them, and this process dies of it when `work` has ended.

    Nothing is begun where the main process is gone already: a worker that nobody told of it would go on with its loop.

    :param what: is worked on, for people.
    :raises AnsibleActionFail: the main process is gone.
    """
    main = multiprocessing.parent_process()
    if main is None or threading.current_thread() is not threading.main_thread() or os.getpgrp() != os.getpid():
        return work()  # no worker, so whoever signals reaches the processes as well
    if not main.is_alive():
        raise AnsibleActionFail(f"Ansible has ended, so nothing is begun any more with {what}")
    received: list[int] = []
    errors = _errors_of(main.pid)

    def passed_on(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:  # the first one says what is meant
            return
        stops = "helm is told to stop, and notes there how far it came"
        _say(errors, f"{what}: {stops if number == signal.SIGTERM else 'helm is waited for'}.")
        # Not to this process itself.
        signal.signal(number, signal.SIG_IGN)
        os.killpg(os.getpgrp(), number)
        signal.signal(number, passed_on)

    before = {number: signal.signal(number, passed_on) for number in _SIGNALS}
    try:
        result = work()
        if received:
            _say(errors, str(result.get("msg") or f"{what}: helm has ended well."))
        return result
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if errors is not None:
            os.close(errors)
        if received:
            os.kill(os.getpid(), received[0])


@contextlib.contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Whether this process is told to end, or Ansible has ended: for work that ends by itself then. A signal that came
    takes effect afterwards."""
    main = multiprocessing.parent_process()
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    before = {number: signal.signal(number, lambda got, _frame: received.append(got)) for number in _SIGNALS}
    try:
        yield lambda: bool(received) or (main is not None and not main.is_alive())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            os.kill(os.getpid(), received[0])


def _errors_of(pid: int | None) -> int | None:
    """Where a process writes its errors, opened anew, as it can't be asked to write there; None where that can't be."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/{pid}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    return None


def _say(descriptor: int | None, text: str) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.write(descriptor, f"\n{leaving(text)}\n".encode(errors="replace"))
