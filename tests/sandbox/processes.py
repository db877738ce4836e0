"""Starting background processes, finding them again from any other process, and ending exactly these.

May hold: what concerns any process. May not hold: knowledge of a particular program (cluster.py, registry.py, aws.py).

A process is known by a record in `<state>/processes/<name>`: its pid, its start time and the boot it belongs to. Only a
process for which all three fit is ours: a pid alone is reused by strangers.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.state import SandboxError

# The child notes itself down before it becomes the program, so that no moment exists at which the starter can be
# killed and leave a process which nobody knows.
_NOTE_AND_EXEC = (
    "read -r boot </proc/sys/kernel/random/boot_id && read -r stat </proc/$$/stat && "
    'printf "%s\\n" "$boot $stat" >"$0" && exec "$@"'
)


@dataclass(frozen=True)
class Process:
    """A process that runs now: its record's name, pid and start time (kernel ticks since boot)."""

    name: str
    pid: int
    started: int

    def rss(self) -> int:
        """Resident memory in bytes; 0 if it has just ended."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as stream:
                return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (FileNotFoundError, ProcessLookupError):
            return 0

    def cpu_seconds(self) -> float:
        """User and system time so far; 0 if it has just ended."""
        fields = _stat_fields(self.pid)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _split_stat(line: str) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the second, the program's name, may hold blanks."""
    return line.rpartition(")")[2].split()


def _stat_fields(pid: int) -> list[str] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return _split_stat(stream.read())
    except (FileNotFoundError, ProcessLookupError):
        return None


def _has_ended(fields: list[str]) -> bool:
    """Whether all of it has: its first thread may be a zombie while others still hold its ports."""
    return fields[0] in ("Z", "X") and int(fields[17]) <= 1


def _boot() -> str:
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _record(state: pathlib.Path, name: str) -> pathlib.Path:
    return state / "processes" / name


def log_file(state: pathlib.Path, name: str) -> pathlib.Path:
    """Where a process' output goes."""
    return state / "logs" / f"{name}.log"


def _noted(state: pathlib.Path, name: str) -> tuple[str, int, int] | None:
    """Boot, pid and start time in a record."""
    try:
        boot, _, line = _record(state, name).read_text(encoding="utf-8", errors="replace").partition(" ")
        return boot, int(line.split()[0]), int(_split_stat(line)[19])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def find(state: pathlib.Path, name: str) -> Process | None:
    """The running process of that name, or None if it never ran or has ended."""
    note = _noted(state, name)
    if note is None:
        return None
    boot, pid, started = note
    fields = _stat_fields(pid)
    if fields is None or int(fields[19]) != started or boot != _boot():
        return None
    if _has_ended(fields):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # ended, and we are its parent: let it go
        return None
    return Process(name, pid, started)


def _sessions() -> dict[int, list[int]]:
    """Pids of all processes of this machine but zombies, by session."""
    sessions: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat_fields(int(entry))
            if fields and not _has_ended(fields):
                sessions.setdefault(int(fields[3]), []).append(int(entry))
    return sessions


def _left_behind(state: pathlib.Path, names: Iterable[str]) -> list[int]:
    """Processes of the sessions that ended processes of ours led (a helm that the simulator ran).

    A session's number is not given to anyone else while it has members; if somebody else leads it now, it is not ours.
    """
    notes = [note for note in (_noted(state, name) for name in names) if note and note[0] == _boot()]
    sessions = _sessions() if notes else {}
    found = []
    for _, pid, started in notes:
        leader = _stat_fields(pid)
        if leader is None or int(leader[19]) == started:
            found += [member for member in sessions.get(pid, ()) if member != pid]
    return found


def running(state: pathlib.Path) -> list[Process]:
    """All processes of the sandbox that run now, by name."""
    try:
        names = sorted(entry.name for entry in (state / "processes").iterdir())
    except FileNotFoundError:
        return []
    return [process for process in (find(state, name) for name in names) if process]


def start(
    state: pathlib.Path,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    directory: pathlib.Path | None = None,
) -> None:
    """Start a program in the background unless it runs already; its output is added to `log_file(state, name)`.

    `environment` replaces ours if given. The process gets a session of its own: a Ctrl-C on us does not reach it.
    """
    if find(state, name):
        return
    child = _spawn(state, name, command, environment, directory)
    # Noted is started, even if it has ended by now: whoever waits for it to answer tells why.
    while (note := _noted(state, name)) is None or note[1] != child.pid:
        if child.poll() is not None:
            note = _noted(state, name)
            if note is None or note[1] != child.pid:
                log = log_file(state, name)
                raise SandboxError(f"{name} could not be started; the end of {log}:\n{tail(log)}")
            break
        time.sleep(0.005)
    child.returncode = 0  # it outlives us on purpose: keeps subprocess from warning about it


def _spawn(
    state: pathlib.Path,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    directory: pathlib.Path | None,
) -> subprocess.Popen[bytes]:
    if not os.path.exists("/proc/self/stat"):
        raise SandboxError("the sandbox runs on Linux only: it knows its processes by /proc")
    record, log = _record(state, name), log_file(state, name)
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        return subprocess.Popen(
            ["/bin/sh", "-c", _NOTE_AND_EXEC, str(record), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environment) if environment is not None else None,
            cwd=directory,
        )


def tail(log: pathlib.Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def end(state: pathlib.Path, names: Iterable[str], patience: float = 0) -> None:
    """End the processes of these names and return when they are gone; those that do not run are no error.

    With `patience` (seconds) they are first asked with SIGTERM. Their records are removed.
    """
    names = list(names)
    found = {name: process for name in names if (process := find(state, name))}
    for stage, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 120.0)):
        if not found or wait <= 0:
            continue
        for process in found.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, stage)
        deadline = time.monotonic() + wait
        while found and time.monotonic() < deadline:
            time.sleep(0.01)
            found = {name: process for name, process in found.items() if find(state, name) == process}
    # Whoever was started by them and outlived them; they can start no more.
    for pid in _left_behind(state, names):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if found:
        raise SandboxError(f"processes that do not end: {', '.join(f'{p.name} (pid {p.pid})' for p in found.values())}")
    for name in names:
        _record(state, name).unlink(missing_ok=True)


def end_all(state: pathlib.Path, patience: float = 0) -> None:
    """End every process that has a record, also those which are just being started by somebody who was killed."""
    folder = state / "processes"
    if not folder.is_dir():
        return
    end(state, [entry.name for entry in folder.iterdir()], patience)
    # Without the folder, whoever has not noted itself yet cannot become the program any more; whoever did so since our
    # look is in the moved folder.
    moved = state / "processes-ending" / "processes"
    shutil.rmtree(moved.parent, ignore_errors=True)
    moved.parent.mkdir()
    os.rename(folder, moved)
    late = list(moved.iterdir())
    deadline = time.monotonic() + 1
    while any(entry.stat().st_size == 0 for entry in late) and time.monotonic() < deadline:
        time.sleep(0.01)
    end(moved.parent, [entry.name for entry in late])
    shutil.rmtree(moved.parent)
