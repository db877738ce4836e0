# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a fleet's saved metrics and logs: `<regional>/<kind>/<from>-<to>….gz`, a file for each part, and
`manifest.json`, which has a checksum of each and of itself once all is there.

A part's file is there whole or not at all, and known as soon as it is there: what has been done stays done, whatever
ends a run. What is in the files is fleet/stores.py's.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import re
import stat
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import NotAnArchive, as_json, read_json
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.stores import KINDS, METRICS

#: The number goes up where a reader of the older form would go wrong.
FORMAT, NUMBER = "k0rdent.kof.data", 1
MANIFEST = "manifest.json"
#: Parts that are there, before the manifest has them; parts that a restore has begun to send.
DONE, BEGUN = "done.jsonl", "sending.jsonl"
_UNFINISHED = ".unfinished"
_STAMP = "%Y%m%dt%H%M%Sz"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_FILE = re.compile(r"[0-9tz]+\.[0-9]{3}-[0-9tz]+\.[0-9]{3}(-[0-9a-f]{12})?\.(native|jsonl)\.gz\Z")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
#: Of the newest samples some are still on their way: seconds before now at which a range without an end ends.
LAG = 60
#: What a range without a begin is long, in seconds.
USUAL = 86400
_DAMAGED = "It was damaged, or isn't one that k0rdent.kof.backup has written: take another one"


class NotSaved(ValueError):
    """Not a folder of saved data that may be used; the message says why."""


class Busy(Exception):
    """Another run works with the folder."""


@dataclass(frozen=True)
class Part:
    """One file.

    :ivar cluster: name of the regional; kind: metrics or logs.
    :ivar begin, end: of its time, in ms since 1970; end isn't in it.
    :ivar names: of metrics, whose samples it has; of logs none.
    :ivar count: samples or lines, as the store counted them.
    :ivar file: below the folder; size and sha256: of it.
    """

    cluster: str
    kind: str
    begin: int
    end: int
    names: tuple[str, ...]
    count: int
    file: str
    size: int
    sha256: str


@dataclass
class About:
    """What a folder says of itself.

    :ivar begin, end: of all, in ms since 1970.
    :ivar said: how the range was said, by which a run that goes on with it is known.
    :ivar complete: whether it has all that was asked for.
    :ivar left_out: what isn't in it, and why.
    :ivar management_cluster: the uid of its namespace kube-system.
    """

    fleet: str
    kof_version: str
    begin: int
    end: int
    said: tuple[str, str] = ("", "")
    complete: bool = False
    left_out: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    management_cluster: str = ""


# -- times


def moment(said: str, now: int) -> int:
    """A time in ms since 1970 that was said as RFC 3339 or as how long ago (`90m`, `36h`, `7d`, `4w`).

    :raises ValueError: it is neither.
    """
    ago = re.fullmatch(r"([1-9]\d{0,5})([mhdw])", said, re.ASCII)
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]] * 1000
    try:
        if not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", said, re.ASCII):
            raise ValueError
        found = datetime.datetime.fromisoformat(said.upper())
        if found.tzinfo is None:
            raise ValueError
        return round(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(
            "is neither a time with its zone (2026-03-01T12:00:00Z) nor how long ago (90m, 36h, 7d, 4w)"
        ) from None


def time_range(begin: str, end: str, now: int) -> tuple[int, int]:
    """What was said as a range; "" for what wasn't.

    :param now: in ms since 1970.
    :raises ValueError: that is none; its text begins with the option's name.
    """
    times = []
    for name, said in (("from", begin), ("to", end)):
        try:
            times.append(moment(said, now) if said else None)
        except ValueError as problem:
            raise ValueError(f"{name} {problem}") from None
    to = times[1] if times[1] is not None else (now - LAG * 1000) // 1000 * 1000
    since = times[0] if times[0] is not None else to - USUAL * 1000
    if to > now:
        raise ValueError("to is later than now")
    if since >= to:
        raise ValueError("from isn't before to")
    if since < 0:
        raise ValueError("from is before 1970")
    return since, to


def _short(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at // 1000, datetime.UTC).strftime(_STAMP)}.{at % 1000:03d}"


def folder_name(fleet: str, end: int) -> str:
    return f"kof-data-{fleet}-{datetime.datetime.fromtimestamp(end // 1000, datetime.UTC).strftime(_STAMP)}"


# -- the folder


class Folder:
    """A folder that one run works with."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.about = About("", "", 0, 0)
        self._lock = threading.Lock()
        self._held: int | None = None

    # -- who works with it

    def hold(self) -> None:
        """
        :raises Busy:
        """
        self._held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise Busy(f"another run works with {self.path}: wait until it has ended") from None
        except OSError:
            pass  # on some network's disks nothing can be locked

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    # -- written

    def begin(self, about: About) -> None:
        """Say what it is to be."""
        self.about = about
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.hold()
        self._say()

    def go_on(self) -> int:
        """What another run has left here, but for what isn't whole; how many parts that is.

        :raises NotSaved, Busy: see `read`, `hold`.
        """
        self.hold()
        self.about = read(self.path)
        kept = {}  # a file that was made anew is in two lines
        for each in self.about.parts + list(self._done()):
            with contextlib.suppress(NotSaved):
                check(self.path, each)
                kept[each.file] = each
        self.about.parts = list(kept.values())
        return len(kept)

    def _done(self) -> Iterator[Part]:
        """As far as the lines are whole; the rest is cut off, so that the next line is one of its own."""
        file, whole = self.path / DONE, 0
        try:
            raw = _opened(file).read()
        except FileNotFoundError:
            return
        for line in raw.splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    break
                yield _part(json.loads(line))
            except (ValueError, TypeError, KeyError):
                break
            whole += len(line)
        if whole < len(raw):
            os.truncate(file, whole)

    def put(
        self,
        cluster: str,
        kind: str,
        begin: int,
        end: int,
        names: Sequence[str],
        fill: Callable[[Callable[[bytes], object]], int],
    ) -> Part:
        """Write a file.

        :param fill: is given what takes its content, and says how many samples or lines that is.
        :raises OSError: it can't be written.
        """
        ending = "native" if kind == METRICS else "jsonl"
        of = "-" + hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()[:12] if names else ""
        where = self.path / cluster / kind
        for each in (where.parent, where):
            if not each.exists():
                each.mkdir(mode=0o700, exist_ok=True)
                _sync(each.parent)
        file = where / f"{_short(begin)}-{_short(end)}{of}.{ending}.gz"
        unfinished = file.with_name(f".{file.name}{_UNFINISHED}")
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        pack = zlib.compressobj(1, wbits=31)
        digest, size = hashlib.sha256(), 0
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:

                def write(content: bytes) -> None:
                    nonlocal size
                    digest.update(content)
                    size += stream.write(content)

                count = fill(lambda content: write(pack.compress(content)))
                write(pack.flush())
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, file)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
        _sync(where)
        name = str(file.relative_to(self.path))
        part = Part(cluster, kind, begin, end, tuple(names), count, name, size, digest.hexdigest())
        with self._lock:
            _append(self.path / DONE, asdict(part))
            self.about.parts.append(part)
        return part

    def finish(self, left_out: Sequence[str]) -> None:
        """All is there."""
        self.about.complete, self.about.left_out = True, list(left_out)
        self._say()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / DONE)

    def _say(self) -> None:
        said = asdict(self.about)
        said["parts"] = sorted(said["parts"] if self.about.complete else [], key=lambda each: each["file"])
        said["schema"] = f"{FORMAT}/{NUMBER}"
        said["checksum"] = hashlib.sha256(as_json(said)).hexdigest()
        unfinished = self.path / f".{MANIFEST}{_UNFINISHED}"
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:
            stream.write(as_json(said))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, self.path / MANIFEST)
        _sync(self.path)

    # -- which parts a restore has begun to send

    def sending(self, part: Part) -> None:
        """It is about to be sent: known before the first byte is."""
        with self._lock:
            _append(self.path / BEGUN, {"file": part.file})

    def begun(self) -> list[str]:
        """Files of parts of which a run that has ended may have sent something, in that order."""
        try:
            raw = _opened(self.path / BEGUN).read()
        except FileNotFoundError:
            return []
        found = []
        for line in raw.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                found.append(str(json.loads(line)["file"]))
        return found

    def sent(self) -> None:
        """All that was begun has arrived."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / BEGUN)


def content(folder: pathlib.Path, part: Part) -> IO[bytes]:
    """What is in the file of a part."""
    return gzip.open(_opened(folder / part.file), "rb")  # type: ignore[return-value]


def check(folder: pathlib.Path, part: Part) -> None:
    """
    :raises NotSaved: its file isn't there as it was written.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with _opened(folder / part.file) as stream:
            while block := stream.read(2**20):
                size += len(block)
                digest.update(block)
    except FileNotFoundError:
        raise NotSaved(f"{part.file} isn't there. {_DAMAGED}") from None
    except OSError as error:
        raise NotSaved(f"{part.file} can't be read: {error.strerror}") from None
    if (size, digest.hexdigest()) != (part.size, part.sha256):
        raise NotSaved(f"{part.file} has another checksum than the manifest says. {_DAMAGED}")


def read(folder: pathlib.Path) -> About:
    """What a folder says of itself.

    :raises NotSaved: it is none, or another release's.
    """
    try:
        raw = _opened(folder / MANIFEST).read(256 * 2**20)
    except OSError as error:
        raise NotSaved(f"{folder / MANIFEST} can't be read: {error.strerror}") from None
    try:
        said = read_json(raw, MANIFEST)
        schema = str(said.pop("schema"))
        number = re.fullmatch(rf"{re.escape(FORMAT)}/([1-9]\d{{0,5}})", schema)
        if number and int(number[1]) > NUMBER:
            raise NotSaved(f"it was written by a newer release of this collection ({schema}): restore it with that one")
        checksum = said.pop("checksum")
        if number is None or checksum != hashlib.sha256(as_json({**said, "schema": schema})).hexdigest():
            raise NotSaved(f"{MANIFEST} has another checksum than it says. {_DAMAGED}")
        parts = [_part(each) for each in said.pop("parts")]
        begin, end = said.pop("said")
        return About(**said, said=(str(begin), str(end)), parts=parts)
    except NotAnArchive as problem:
        raise NotSaved(str(problem)) from None
    except NotSaved:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotSaved(f"{MANIFEST} isn't one of saved data. {_DAMAGED}") from None


def _part(said: Mapping[str, Any]) -> Part:
    """
    :raises ValueError, TypeError, KeyError: it is none, or its file is elsewhere.
    """
    found = Part(**{**said, "names": tuple(said["names"])})
    cluster, _slash, rest = found.file.partition("/")
    kind, _slash, file = rest.partition("/")
    numbers = (found.begin, found.end, found.count, found.size)
    if (
        not _NAME.match(found.cluster)
        or found.kind not in KINDS
        or not all(isinstance(each, int) and each >= 0 for each in numbers)
        or not all(isinstance(each, str) for each in (*found.names, found.sha256))
        or (cluster, kind) != (found.cluster, found.kind)
        or not _FILE.match(file)
        or found.begin >= found.end
    ):
        raise ValueError("not a part")
    return found


def is_bare(folder: pathlib.Path) -> bool:
    """Whether it is what a run has left that could make the folder, and not say yet what it is to be."""
    try:
        found = os.stat(folder, follow_symlinks=False)
        names = set(os.listdir(folder)) if stat.S_ISDIR(found.st_mode) else {MANIFEST}
    except OSError:
        return False
    return names <= {f".{MANIFEST}{_UNFINISHED}"} and found.st_uid == os.getuid() and not found.st_mode & 0o077


def unfinished(folder: pathlib.Path, fleet: str) -> list[pathlib.Path]:
    """Folders below it with data of the fleet that a run hasn't finished."""
    found = []
    pattern = re.compile(rf"kof-data-{re.escape(fleet)}-\d{{8}}t\d{{6}}z\Z")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as there:
        for each in there:
            if pattern.match(each.name) and each.is_dir(follow_symlinks=False):
                with contextlib.suppress(NotSaved):
                    about = read(folder / each.name)
                    if about.fleet == fleet and not about.complete:
                        found.append(folder / each.name)
    return sorted(found)


def gaps(begin: int, end: int, there: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of a range isn't in the ranges that are there."""
    found, at = [], begin
    for low, high in sorted(there):
        if high <= at:
            continue
        if low >= end:
            break
        if low > at:
            found.append((at, low))
        at = max(at, high)
    return [*found, *([(at, end)] if at < end else [])]


def slices(begin: int, end: int, length: int) -> list[tuple[int, int]]:
    """A range in slices that end where whole such lengths do."""
    found, at = [], begin
    while at < end:
        high = min(end, (at // length + 1) * length)
        found.append((at, high))
        at = high
    return found


def _opened(file: pathlib.Path) -> IO[bytes]:
    stream = open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(0, "it is no file")
    return stream


def _append(file: pathlib.Path, said: Mapping[str, Any]) -> None:
    new = not file.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with open(os.open(file, flags, 0o600), "r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size and os.pread(stream.fileno(), 1, size - 1) != b"\n":
            # A line that a full disk or a power failure has cut would spoil this one.
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)
        stream.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    if new:
        _sync(file.parent)


def _sync(folder: pathlib.Path) -> None:
    """A name that was given stays after a power failure."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
