"""The state folder of one sandbox: where things lie in it, whole-or-nothing writes, locks and ports.

May hold: paths, files, locks, port numbers. May not hold: anything that starts or ends a process or talks to one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import random
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# Below Linux' usual range of ephemeral ports (32768 and up), or an outgoing connection of any program could hold a
# port of ours at the moment when an API server comes back to it.
PORTS = range(20000, 32000)


class SandboxError(Exception):
    """Something the person at the keyboard must know; its text is the whole message, without a traceback."""


def folder() -> pathlib.Path:
    """The state folder: `$KOF_SANDBOX_DIR`, else `.sandbox` in the clone. It need not exist."""
    return pathlib.Path(os.environ.get("KOF_SANDBOX_DIR") or REPOSITORY / ".sandbox").absolute()


def claim(state: pathlib.Path) -> None:
    """Make the state folder and mark it as ours: `down` empties it, so it must not be anybody's home.

    Raises SandboxError if it exists, is not marked, and holds something.
    """
    if state.is_dir() and not is_ours(state) and any(entry.name != "faults.json" for entry in state.iterdir()):
        raise SandboxError(f"{state} holds other things; KOF_SANDBOX_DIR must name an empty or a new folder")
    main_lock(state).parent.mkdir(parents=True, exist_ok=True)
    main_lock(state).touch()


def is_ours(state: pathlib.Path) -> bool:
    """Whether a folder was claimed by a sandbox."""
    return main_lock(state).exists()


def main_lock(state: pathlib.Path) -> pathlib.Path:
    """The lock that `up` and `down` hold, which marks the folder too."""
    return state / "locks" / ".sandbox"


def write(path: pathlib.Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a later run after a SIGKILL, sees the old text or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def write_json(path: pathlib.Path, value: Any) -> None:
    """`write` of a value as indented JSON."""
    write(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: pathlib.Path, default: Any = None) -> Any:
    """The JSON value in a file, or `default` where the file is not there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default


def _same_file(descriptor: int, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def lock(path: pathlib.Path, on_wait: str | None = None) -> Iterator[None]:
    """Hold a lock among processes and threads; the kernel gives it back even if we are killed.

    `on_wait` is printed once if somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait:
                    print(on_wait, flush=True)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The holder before us may have removed the folder with the file: then we hold a lock nobody else can see.
            if _same_file(descriptor, path):
                yield
                return
            path.parent.mkdir(parents=True, exist_ok=True)
        finally:
            os.close(descriptor)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a port that only lingers in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ports(state: pathlib.Path, owner: str, names: tuple[str, ...], fresh: bool = False) -> dict[str, int]:
    """Port numbers of `owner`, by name; the same ones each time for as long as the state folder lives.

    `fresh` gives new ones up for old: for a first start that found one of them taken by a stranger.
    """
    with lock(state / "ports.lock"):
        book: dict[str, dict[str, int]] = read_json(state / "ports.json", {})
        mine = {} if fresh else book.get(owner, {})
        taken = {port for theirs in book.values() for port in theirs.values()}
        for name in names:
            while name not in mine:
                port = random.choice(PORTS)
                if port not in taken and _free(port):
                    mine[name] = port
                    taken.add(port)
        book[owner] = mine
        write_json(state / "ports.json", book)
        return {name: mine[name] for name in names}


def forget_ports(state: pathlib.Path, owner: str) -> None:
    """Give back the ports of `owner`."""
    with lock(state / "ports.lock"):
        book = read_json(state / "ports.json", {})
        if book.pop(owner, None) is not None:
            write_json(state / "ports.json", book)
