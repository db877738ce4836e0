"""The terminal of the person who called Ansible: found past a worker's closed streams, and never that of a runner."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest

#: A main process and its worker, which has lost its terminal as Ansible's workers have.
PROGRAM = """
import multiprocessing, os, sys
from ansible_collections.k0rdent.kof.plugins.plugin_utils import terminal

def work():
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    with terminal.of_person() as person:
        if person is not None:
            os.write(person, b"CANARY")

worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
"""


def shown(environment: Mapping[str, str], *, stdin: bool = True, stdout: bool = True) -> bytes:
    """What a terminal shows that is the streams which are said."""
    main, other = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "JOB_ID")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdin=other if stdin else subprocess.DEVNULL,
        stdout=other if stdout else subprocess.PIPE,
        env={**clean, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    os.close(other)
    os.set_blocking(main, False)
    try:
        return os.read(main, 1000) + (done.stdout or b"")
    except OSError:
        return done.stdout or b""
    finally:
        os.close(main)


def test_a_worker_writes_to_the_terminal_of_its_main_process() -> None:
    assert shown({}) == b"CANARY"


@pytest.mark.parametrize("name", ["AWX_ISOLATED_DATA_DIR", "AWX_PRIVATE_DATA_DIR", "JOB_ID", "CI"])
def test_a_runners_terminal_is_nobodys(name: str) -> None:
    assert shown({name: "x"}) == b""


def test_where_output_or_input_is_no_terminal_nobody_looks() -> None:
    assert shown({}, stdout=False) == shown({}, stdin=False) == b""
