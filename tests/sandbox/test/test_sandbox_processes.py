"""Tests of sandbox.processes with small real processes: found again, ended exactly, nobody else touched."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

import pytest

from sandbox import processes
from sandbox.state import SandboxError


def _lives(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _until(condition) -> bool:
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture(name="state")
def _state(tmp_path):
    yield tmp_path
    processes.end_all(tmp_path)


def test_start_find_and_end(state):
    processes.start(state, "a", ["sleep", "60"])
    found = processes.find(state, "a")
    assert found is not None
    assert _lives(found.pid)
    assert os.getsid(found.pid) == found.pid != os.getsid(0)
    processes.start(state, "a", ["sleep", "60"])
    assert processes.find(state, "a") == found, "started a second one"
    assert [process.name for process in processes.running(state)] == ["a"]
    processes.end(state, ["a", "never-started"])
    assert not _lives(found.pid)
    assert processes.running(state) == []


def test_a_process_that_ended_is_not_found_and_can_be_started_again(state):
    processes.start(state, "a", ["sh", "-c", "echo last words; exit 3"])
    assert _until(lambda: processes.find(state, "a") is None)
    assert "last words" in processes.tail(processes.log_file(state, "a"))
    processes.start(state, "a", ["sleep", "60"])
    assert processes.find(state, "a") is not None


def test_a_process_runs_until_its_last_thread_has_ended(state):
    """A killed API server's first thread is gone before its port is free."""
    leave = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); "
    processes.start(state, "a", [sys.executable, "-c", leave + "ctypes.CDLL(None).pthread_exit(None)"])
    found = processes.find(state, "a")
    assert found is not None
    assert _until(lambda: not _lives(found.pid))
    assert processes.find(state, "a") == found
    processes.end(state, ["a"])
    assert processes.find(state, "a") is None


def test_a_stranger_with_the_pid_of_ours_is_left_alone(state):
    """Pids are reused; only pid, start time and boot together make a process ours."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        time.sleep(0.05)  # the kernel's clock for start times ticks every 10 ms
        processes.start(state, "a", ["sleep", "0"])
        assert _until(lambda: processes.find(state, "a") is None)
        record = state / "processes" / "a"
        boot, pid, rest = record.read_text().split(" ", 2)
        assert int(pid) != stranger.pid
        record.write_text(f"{boot} {stranger.pid} {rest}")
        assert processes.find(state, "a") is None
        processes.end(state, ["a"])
        record.write_text(f"{boot} {stranger.pid} {rest}")
        processes.end_all(state)
        assert stranger.poll() is None

        line = pathlib.Path(f"/proc/{stranger.pid}/stat").read_text()
        record.parent.mkdir()
        record.write_text(f"00000000-another-boot {line}")
        processes.end(state, ["a"])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_children_that_outlive_an_ended_process_are_ended_too(state):
    note = state / "child.pid"
    processes.start(state, "a", ["sh", "-c", f"sleep 60 & echo $! >{note}; exec sleep 60"])
    assert _until(lambda: note.exists() and note.read_text().strip().isdigit())
    child = int(note.read_text())
    found = processes.find(state, "a")
    assert found is not None
    os.kill(found.pid, 9)
    assert _until(lambda: processes.find(state, "a") is None)
    assert _lives(child)
    processes.end(state, ["a"])
    assert _until(lambda: not _lives(child))


def test_patience_lets_a_process_tidy_up_and_then_ends_it_anyway(state):
    tidied, works = state / "tidied", [state / "tidy-works", state / "deaf-works"]
    goes_on = "while :; do sleep 0.05; done"
    processes.start(state, "tidy", ["sh", "-c", f"trap 'touch {tidied}; exit' TERM; touch {works[0]}; {goes_on}"])
    processes.start(state, "deaf", ["sh", "-c", f"trap '' TERM; touch {works[1]}; {goes_on}"])
    deaf = processes.find(state, "deaf")
    assert deaf is not None
    assert _until(lambda: all(each.exists() for each in works))
    processes.end(state, ["tidy"], patience=120)
    assert tidied.exists()
    processes.end(state, ["deaf"], patience=0.5)
    assert not _lives(deaf.pid)


def test_one_that_was_just_being_started_when_its_starter_was_killed_is_ended(state):
    """Between the look for records and the end of the folder somebody may note himself: play him."""
    processes.start(state, "a", ["sleep", "60"])
    real_rename, late = os.rename, []

    def rename(source, target):
        processes.start(state, "late", ["sleep", "60"])
        late.append(processes.find(state, "late"))
        real_rename(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.rename", rename)
        processes.end_all(state)
    assert late[0] is not None
    assert not _lives(late[0].pid)
    assert not (state / "processes").exists()


def test_a_note_that_cannot_be_written_starts_nothing(state):
    """This is what stops a starter whose folder `down` has taken away."""
    done = state / "done"
    (state / "processes").mkdir()
    (state / "processes" / "a").symlink_to(state / "removed" / "a")
    with pytest.raises(SandboxError, match="could not be started"):
        processes.start(state, "a", ["touch", str(done)])
    time.sleep(0.05)
    assert not done.exists()
