# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal of the person who called ansible-playbook, past all that keeps what Ansible shows: callbacks, log file,
events of a runner. For what nobody but that person may see.

Ansible runs a task in a worker without its own terminal, and the main process can't be asked to write: so its terminal
is opened by name.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Mapping

#: Where one of these is set, the terminal is a runner's, which keeps all that is shown there.
_OF_RUNNERS = ("AWX_ISOLATED_DATA_DIR", "AWX_PRIVATE_DATA_DIR", "JOB_ID", "CI")


@contextlib.contextmanager
def of_person(environment: Mapping[str, str] | None = None) -> Iterator[int | None]:
    """A descriptor to write to; None where no person looks, or that can't be told.

    :param environment: of this process; None for its own.
    """
    descriptor = None
    if not any(map((os.environ if environment is None else environment).get, _OF_RUNNERS)):
        descriptor = _terminal_of(getattr(multiprocessing.parent_process(), "pid", None) or os.getpid())
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _terminal_of(pid: int) -> int | None:
    """That on which a process both asks and answers."""
    with contextlib.suppress(OSError):
        where, asks = (os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 0))
        if where == asks and where.startswith("/dev/"):
            found = os.open(where, os.O_WRONLY | os.O_NOCTTY)
            if os.isatty(found):
                return found
            os.close(found)
    return None
