"""Canaries: texts that stand where secrets do, and the search for them in all that a run leaves or shows meanwhile.

Machinery only; which places there are and what is run is for the tests to say.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import pathlib
import re
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_CORE = re.compile(rb"CANARY(\d{4})END")
#: How a text begins that Ansible Vault has encrypted.
VAULT = b"$ANSIBLE_VAULT;"
#: What base64 makes of CANARY behind 0, 1 or 2 other bytes, without the digits that its neighbours share in; and how
#: many digits before that the group of four begins.
_PACKED = {
    base64.b64encode(b"." * lead + b"CANARY")[before:end]: before
    for lead, before, end in ((0, 0, 8), (1, 2, 8), (2, 3, 10))
}


@dataclasses.dataclass(frozen=True)
class Canary:
    """The secret of one place, malformed in one way."""

    number: int
    place: str
    how: str

    @property
    def text(self) -> str:
        """As long as an AWS key's secret half at least, and with what base64 and URLs code otherwise."""
        return f"a/+{core(self.number)}=b"


def core(number: int) -> str:
    return f"CANARY{number:04d}END"


def found_in(data: bytes) -> set[int]:
    """The numbers of the canaries in `data`, as they are, coded for a URL, or in base64 (also inside of more)."""
    found = {int(match[1]) for match in _CORE.finditer(data)}
    for packed, before in _PACKED.items():
        for match in re.finditer(re.escape(packed), data):
            begin = match.start() - before
            digits = (re.match(rb"[A-Za-z0-9+/]*", data[max(0, begin) : begin + 32]) or [b""])[0]
            unpacked = base64.b64decode(digits[: len(digits) // 4 * 4])
            found |= {int(each[1]) for each in _CORE.finditer(unpacked)} or {-1}
    return found


def found_below(*folders: pathlib.Path) -> dict[str, set[int]]:
    """By file, the canaries in the files of some folders; in their names, too."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                numbers = found_in(os.fsencode(path)) | (found_in(path.read_bytes()) if path.is_file() else set())
                if numbers:
                    found[str(path)] = numbers
    return found


def found_in_archive(file: pathlib.Path) -> dict[str, set[int]]:
    """By member, the canaries in what is packed in a .tar.gz; in their names, too. Not in what Ansible Vault has
    encrypted: that is where they are to be."""
    found = {}
    with tarfile.open(file) as tar:
        for member in tar:
            packed = tar.extractfile(member)
            data = packed.read() if packed else b""
            numbers = found_in(member.name.encode()) | (set() if data.startswith(VAULT) else found_in(data))
            if numbers:
                found[f"{file.name}: {member.name}"] = numbers
    return found


class Processes:
    """Looks at the command lines and environments of all that a process starts, and at the files of some folders, again
    and again."""

    def __init__(self, root: int, own_environment: bytes = b"", folders: Sequence[pathlib.Path] = ()) -> None:
        """
        :param own_environment: as the process itself was started; what is in it was put there by the test.
        :param folders: of files that come and go while it runs.
        """
        self._folders = folders
        self.files: set[str] = set()
        self.found: dict[str, set[int]] = {}
        self.seen: set[int] = set()
        self._root = root
        self._given = found_in(own_environment)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.03):
            for path in self._files():
                self.files.add(path)
                with contextlib.suppress(OSError):
                    if not stat.S_ISREG(os.lstat(path).st_mode):
                        continue  # who opens a pipe may wait for ever
                    if numbers := found_in(pathlib.Path(path).read_bytes()):
                        self.found.setdefault(f"{path}, meanwhile", set()).update(numbers)
            for pid in self._descendants():
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        data = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                        numbers = found_in(data) - (self._given if name == "environ" else set())
                        if numbers:
                            self.found.setdefault(name, set()).update(numbers)
                self.seen.add(pid)

    def _files(self) -> Iterator[str]:
        for folder in self._folders:
            for path, _folders, names in os.walk(folder):  # which doesn't mind that one goes meanwhile
                yield from (os.path.join(path, name) for name in names)

    def _descendants(self) -> list[int]:
        parents: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with (
                    contextlib.suppress(OSError, IndexError, ValueError),
                    open(f"/proc/{entry.name}/stat", "rb") as file,
                ):
                    parents.setdefault(int(file.read().rpartition(b")")[2].split(None, 2)[1]), []).append(
                        int(entry.name)
                    )
        found, waiting = [], [self._root]
        for pid in waiting:  # grows meanwhile
            waiting += parents.get(pid, [])
            found.append(pid)
        return found


@dataclasses.dataclass
class Seen:
    """All that a run showed or left: where, and which canaries were in it; how many processes and temporary files were
    looked at meanwhile."""

    code: int
    output: str
    found: dict[str, set[int]]
    processes: int
    files: int


def run(command: list[str], work: pathlib.Path, environment: dict[str, str], timeout: float = 500) -> Seen:
    """Run Ansible with everything that it may write kept below `work`, and look for canaries in all of that.

    The inventory and playbooks with the canaries must be outside of `work`.
    """
    for name in ("home", "tmp", "local", "facts"):
        (work / name).mkdir(parents=True, exist_ok=True)
    surroundings = {
        **environment,
        "HOME": str(work / "home"),
        "PWD": str(work),
        "TMPDIR": str(work / "tmp"),
        "ANSIBLE_LOCAL_TEMP": str(work / "local"),
        "ANSIBLE_REMOTE_TEMP": str(work / "remote"),
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(work / "facts"),
        "ANSIBLE_LOG_PATH": str(work / "ansible.log"),
        "ANSIBLE_RETRY_FILES_ENABLED": "1",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": str(work),
        "KOF_EVENTS_FILE": str(work / "events.jsonl"),
    }
    with open(work / "output", "wb") as output:
        process = subprocess.Popen(
            command, env=surroundings, cwd=work, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        given = b"\0".join(f"{name}={value}".encode(errors="surrogateescape") for name, value in environment.items())
        temporary = [work / name for name in ("tmp", "local", "remote", "home")]
        with Processes(process.pid, given, temporary) as processes:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"no end in {timeout} s: {(work / 'output').read_text()[-2000:]}") from None
            time.sleep(0.05)
    found = {**found_below(work), **processes.found}
    told = (work / "output").read_text(errors="replace")
    return Seen(process.returncode, told, found, len(processes.seen), len(processes.files))


def around(work: pathlib.Path, number: int, width: int = 120) -> Iterator[str]:
    """Where a canary was seen in the output, for a failing test's message."""
    text = (work / "output").read_text(errors="replace")
    for match in list(re.finditer(core(number), text))[:3]:
        yield text[max(0, match.start() - width) : match.end() + width]


def named(seen: Seen, canaries: Iterable[Canary], work: pathlib.Path) -> list[Any]:
    """What was found, by place and way, with where it was."""
    by_number = {each.number: each for each in canaries}
    return [
        (
            where,
            getattr(by_number.get(number), "place", "?"),
            getattr(by_number.get(number), "how", "?"),
            *around(work, number),
        )
        for where, numbers in seen.found.items()
        for number in sorted(numbers)
    ]
