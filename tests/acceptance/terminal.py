"""A command on a terminal of its own, as a person calls it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence

from support import REPOSITORY


def on_a_terminal(command: Sequence[str], environment: Mapping[str, str], limit: float) -> tuple[int, str]:
    """Its exit code, and what the terminal shows.

    :param limit: seconds. Raises subprocess.TimeoutExpired.
    """
    main, other = pty.openpty()
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, cwd=REPOSITORY, env=environment)
    os.close(other)
    shown = []

    def read() -> None:
        with contextlib.suppress(OSError):  # a terminal that nobody has open any more
            while data := os.read(main, 65536):
                shown.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(limit)
    reader.join(120)
    os.close(main)
    return code, re.sub(r"\r+\n", "\n", b"".join(shown).decode())
