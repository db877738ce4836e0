# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics and logs of a fleet's regionals, saved into a folder and brought back: in parts, so that a run goes on where
another one was stopped, and counted on both sides, so that nothing is lost or doubled unnoticed.

Pure but for the way to the stores and the folder that it is given. One store's formats and questions are
fleet/stores.py's, the files fleet/saved_data.py's.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import stores
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.saved_data import (
    Folder,
    NotSaved,
    Part,
    content,
    gaps,
    slices,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.stores import (
    KINDS,
    LOGS,
    METRICS,
    Ambiguous,
    Reader,
    Refused,
    Region,
    TooMuch,
    Unknown,
    Way,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

_Answer = TypeVar("_Answer")
#: Stores that are asked at a time.
AT_ONCE = 8
#: Samples or lines of one file, about; names of metrics of one file at most.
MOST: Mapping[str, int] = {METRICS: 1_000_000, LOGS: 200_000}
MOST_NAMES = 200
#: Milliseconds that one file is of at most. VictoriaMetrics gives whole blocks, which have hours of a series: a shorter
#: time has the same blocks again. And at least, where a store gives less at a time.
_LENGTH: Mapping[str, int] = {METRICS: 86_400_000, LOGS: 3_600_000}
_SHORTEST = 1000
#: How often something is tried, and seconds between.
_TRIES, _PAUSE = 3, 2.0


@dataclass
class Patience:
    """Seconds.

    :ivar settled: what a store has counts as all that it took once it has been the same for so long.
    :ivar arrived: what was sent has to be seen within so long.
    """

    settled: float = 15.0
    arrived: float = 90.0


@dataclass
class Told:
    """What became of one kind of a regional's data.

    :ivar count: samples or lines; of a restore those that were sent by this run.
    :ivar there: parts that were there already.
    :ivar why: what went wrong, one line each.
    """

    cluster: str
    kind: str
    count: int = 0
    size: int = 0
    there: int = 0
    why: list[str] = field(default_factory=list)


class _Failed(Exception):
    """Of one part."""


class _Moves(Exception):
    """What is to be saved has changed meanwhile."""


class _Stopped(Exception):
    """The run ends."""


def _each(
    regions: Sequence[Region],
    job: Callable[[Region, str, Told], None],
    ended: threading.Event,
    say: Callable[[Told], None],
) -> list[Told]:
    """Both kinds of all regions, several at a time."""

    def run(region: Region, kind: str) -> Told:
        told = Told(region.cluster, kind)
        try:
            job(region, kind, told)
        except (Refused, TooMuch, _Failed, NotSaved) as reason:
            told.why.append(str(reason))
        except _Stopped:
            told.why.append("stopped")
        except OSError as error:
            told.why.append(f"{kind}: {error.strerror or type(error).__name__}")
        return told

    with ThreadPoolExecutor(AT_ONCE) as pool:
        todo = [pool.submit(run, region, kind) for region in regions for kind in KINDS]
        try:
            for done in as_completed(todo):
                say(done.result())
        except BaseException:
            ended.set()
            for each in todo:
                each.cancel()
            raise
    return [each.result() for each in todo]


# -- out


def save(
    folder: Folder,
    regions: Sequence[Region],
    way: Way,
    say: Callable[[Told], None],
    lives: Callable[[], bool] = lambda: True,
) -> list[Told]:
    """Save what isn't in the folder yet.

    :param say: is given what is done, one by one.
    :param lives: whether who wants it is there still; the next run isn't to wait for hours for one that nobody sees.
    """
    ended = threading.Event()
    return _each(regions, _Saving(folder, way, ended, lives).run, ended, say)


@dataclass
class _Saving:
    folder: Folder
    way: Way
    ended: threading.Event
    lives: Callable[[], bool]

    def run(self, region: Region, kind: str, told: Told) -> None:
        about = self.folder.about
        there = [each for each in about.parts if (each.cluster, each.kind) == (region.cluster, kind)]
        told.there = len(there)
        try:
            for begin, end in slices(about.begin, about.end, _LENGTH[kind]):
                if kind == METRICS:
                    self._metrics(region, begin, end, there)
                else:
                    for low, high in gaps(begin, end, ((each.begin, each.end) for each in there)):
                        self._logs(region, low, high)
        finally:
            mine = [each for each in about.parts if (each.cluster, each.kind) == (region.cluster, kind)]
            told.count, told.size = sum(each.count for each in mine), sum(each.size for each in mine)

    def _metrics(self, region: Region, begin: int, end: int, there: Sequence[Part]) -> None:
        try:
            counts = self._asked(lambda: stores.samples(region, self.way, begin, end))
        except TooMuch:
            for low, high in _halves(begin, end):
                self._metrics(region, low, high, there)
            return
        todo: dict[tuple[int, int], list[str]] = {}
        done: dict[str, list[tuple[int, int]]] = {}
        for each in there:
            for name in each.names:
                done.setdefault(name, []).append((each.begin, each.end))
        for name in sorted(name for name, count in counts.items() if count):
            for gap in gaps(begin, end, done.get(name, ())):
                todo.setdefault(gap, []).append(name)
        for (low, high), names in todo.items():
            for group in _groups(names, counts):
                of = {name: counts[name] for name in group} if (low, high) == (begin, end) else None
                self._metrics_part(region, low, high, group, of)

    def _metrics_part(
        self, region: Region, begin: int, end: int, names: Sequence[str], before: Mapping[str, int] | None
    ) -> None:
        """
        :param before: how many samples there are by name; None where that isn't known.
        """

        def counted() -> dict[str, int]:
            found = stores.samples(region, self.way, begin, end, names)
            return {name: count for name, count in found.items() if count}

        def fill(write: Callable[[bytes], object]) -> int:
            rows = stores.read_metrics(region, self.way, begin, end, names, write)
            after = counted()
            short = [name for name, count in wanted[0].items() if rows.get(name, 0) < count]
            if short:
                raise TooMuch(f"{METRICS}: the answer lacked samples of {some(short, 3)}")
            if after != wanted[0]:
                wanted[0] = after
                raise _Moves
            return sum(after.values())

        wanted = [dict(before)] if before is not None else [self._asked(counted)]
        if not wanted[0]:
            return
        why = self._put(region, METRICS, begin, end, names, fill)
        if why is None:
            return
        if len(names) > 1:
            middle = len(names) // 2
            for group in (names[:middle], names[middle:]):
                self._metrics_part(region, begin, end, group, None)
            return
        for low, high in _halves(begin, end, why):
            self._metrics_part(region, low, high, names, None)

    def _logs(self, region: Region, begin: int, end: int) -> None:
        try:
            count = self._asked(lambda: stores.lines(region, self.way, begin, end))
        except TooMuch as problem:
            for low, high in _halves(begin, end, problem):
                self._logs(region, low, high)
            return
        if not count:
            return

        def fill(write: Callable[[bytes], object]) -> int:
            number = stores.read_logs(region, self.way, begin, end, write)
            after = stores.lines(region, self.way, begin, end)
            if number < after:
                raise TooMuch(f"{LOGS}: the answer had {number} of {after} lines")
            if number > after:
                raise _Moves
            return number

        why: TooMuch | None = TooMuch("")
        if count <= MOST[LOGS] or end - begin <= _SHORTEST:
            why = self._put(region, LOGS, begin, end, (), fill)
        if why is not None:
            for low, high in _halves(begin, end, why):
                self._logs(region, low, high)

    def _put(
        self,
        region: Region,
        kind: str,
        begin: int,
        end: int,
        names: Sequence[str],
        fill: Callable[[Callable[[bytes], object]], int],
    ) -> TooMuch | None:
        """Write a part; or why less of it is to be asked for.

        :raises Refused:
        :raises _Failed: it doesn't stay as it is.
        """
        problem: TooMuch | None = None
        for number in range(_TRIES):
            if number:
                self.ended.wait(_PAUSE)
            self._go_on()
            try:
                self.folder.put(region.cluster, kind, begin, end, names, fill)
                return None
            except _Moves:
                problem = None
            except TooMuch as reason:
                problem = reason
        if problem is None:
            raise _Failed(
                f"{kind} of {stores.stamp(begin)} to {stores.stamp(end)} change while they are read: choose "
                "an end that is longer ago (backup_data_to)"
            )
        return problem

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        self._go_on()
        return ask()

    def _go_on(self) -> None:
        if self.ended.is_set() or not self.lives():
            raise _Stopped


def _halves(begin: int, end: int, why: TooMuch | None = None) -> Iterator[tuple[int, int]]:
    """
    :raises _Failed: it can't be halved.
    """
    if end - begin <= _SHORTEST:
        raise _Failed(
            f"{why or 'the store refuses even a short time'}, even of {end - begin} ms at {stores.stamp(begin)}"
        )
    middle = (begin + end) // 2
    yield from ((begin, middle), (middle, end))


def _groups(names: Sequence[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Names of metrics for a file each."""
    group: list[str] = []
    size = 0
    for name in names:
        if group and (size + counts[name] > MOST[METRICS] or len(group) >= MOST_NAMES):
            yield group
            group, size = [], 0
        group.append(name)
        size += counts[name]
    if group:
        yield group


# -- back


def bring_back(
    folder: Folder,
    regions: Sequence[Region],
    way: Way,
    say: Callable[[Told], None],
    *,
    may_write: Callable[[], None],
    patience: Patience,
    check_mode: bool,
) -> list[Told]:
    """Send what isn't at the regionals yet.

    :param may_write: is asked before each request that sends something; raises where it mustn't be.
    """
    ended = threading.Event()
    begun = folder.begun()

    def before() -> None:
        if ended.is_set():
            raise _Stopped
        may_write()

    job = _Sending(folder, _Asking(way, before), ended, may_write, patience, check_mode, begun)
    told = _each(regions, job.run, ended, say)
    # What was begun at a region that isn't there now is still to be known when it is.
    asked = {each.cluster for each in regions}
    if not check_mode and not any(each.why for each in told) and all(file.split("/")[0] in asked for file in begun):
        folder.sent()
    return told


@dataclass
class _Asking:
    """A way that asks before something is sent."""

    way: Way
    before: Callable[[], None]

    def ask(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> tuple[int, bytes]:
        return self.way.ask(url, form, login)

    def read(
        self, url: str, form: Mapping[str, str], login: tuple[str, str]
    ) -> AbstractContextManager[tuple[int, Reader]]:
        return self.way.read(url, form, login)

    def send(self, url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        self.before()
        return self.way.send(url, body, login)


@dataclass
class _Sending:
    folder: Folder
    way: Way
    ended: threading.Event
    may_write: Callable[[], None]
    patience: Patience
    check_mode: bool
    begun: Sequence[str]

    def run(self, region: Region, kind: str, told: Told) -> None:
        parts = [each for each in self.folder.about.parts if (each.cluster, each.kind) == (region.cluster, kind)]
        mine = {each.file: each for each in parts}
        last = next((mine[file] for file in reversed(self.begun) if file in mine), None)
        if last is not None:
            # What was sent before it has been on its way for longer.
            self._settled(region, last)
        sent: list[tuple[Part, int]] = []
        for part in parts:
            if self.ended.is_set():
                raise _Stopped
            try:
                wanted = self._part(region, part, told)
            except (TooMuch, _Failed, Unknown) as problem:
                told.why.append(f"{part.file}: {problem}")
                continue
            if wanted:
                sent.append((part, wanted))
        end = time.monotonic() + self.patience.arrived
        for part, wanted in sent:
            why = self._arrived(region, part, wanted, end)
            if why:
                told.why.append(f"{part.file}: {why}")

    def _part(self, region: Region, part: Part, told: Told) -> int:
        """What has to be there afterwards, once something was sent; 0 where nothing was to be."""
        unsettled = False  # whether something of it may be on its way
        for _number in range(_TRIES):
            now = self._settled(region, part) if unsettled else self._count(region, part)
            if now == part.count:
                told.there += 1
                return 0
            if now and part.kind == METRICS and part.file not in self.begun and not unsettled:
                raise _Failed(
                    f"{region.cluster} has {now} samples of these metrics in that time already, and {part.count} are "
                    "saved: nothing of it was sent, for what is in both would be there twice"
                )
            if self.check_mode:
                told.count += self._lacking(region, part) if now and part.kind == LOGS else max(0, part.count - now)
                return 0
            unsettled = True
            try:
                number = self._send(region, part, whole=not now)
            except Ambiguous:
                raise
            except Unknown:
                self.ended.wait(_PAUSE)
                continue
            if part.kind == LOGS:
                told.count, told.size = told.count + number, told.size + part.size
                return now + number
            if number:  # else all of it was there once, and the store didn't keep it
                told.count, told.size = told.count + max(0, part.count - now), told.size + part.size
            return part.count
        raise _Failed(f"{region.cluster} doesn't take it, or doesn't answer: run again")

    def _lacking(self, region: Region, part: Part) -> int:
        """How many lines would be sent: those that are there may be others."""
        missing_line = stores.missing_lines(region, self.way, part.begin, part.end)
        with content(self.folder.path, part) as stream:
            return sum(map(missing_line, stream))

    def _send(self, region: Region, part: Part, *, whole: bool) -> int:
        if part.kind == LOGS:
            missing_line = None if whole else stores.missing_lines(region, self.way, part.begin, part.end)
            self._begin(part)
            with content(self.folder.path, part) as stream:
                return stores.send_logs(region, self.way, filter(missing_line, stream))
        with content(self.folder.path, part) as stream:
            head = stores.head_of(stream)
        missing = None
        if not whole:
            missing = stores.missing_blocks(
                region, self.way, part.begin, part.end, part.names, functools.partial(self._blocks, part)
            )
        self._begin(part)
        return stores.send_metrics(region, self.way, head, filter(missing, self._blocks(part)))

    def _begin(self, part: Part) -> None:
        self.may_write()
        self.folder.sending(part)

    def _blocks(self, part: Part) -> Iterator[stores.Block]:
        with content(self.folder.path, part) as stream:
            stores.head_of(stream)
            yield from stores.blocks(stream)

    def _count(self, region: Region, part: Part) -> int:
        if part.kind == LOGS:
            return stores.lines(region, self.way, part.begin, part.end)
        return sum(stores.samples(region, self.way, part.begin, part.end, part.names).values())

    def _settled(self, region: Region, part: Part) -> int:
        """How many there are, once that has stayed the same: a store shows what it was sent after a second or more."""
        now, since = self._count(region, part), time.monotonic()
        while time.monotonic() - since < self.patience.settled:
            if self.ended.wait(min(1.0, self.patience.settled)):
                raise _Stopped
            again = self._count(region, part)
            if again != now:
                now, since = again, time.monotonic()
        return now

    def _arrived(self, region: Region, part: Part, wanted: int, end: float) -> str:
        """Why not all of it is there; "" where it is."""
        while (now := self._count(region, part)) < wanted:
            if time.monotonic() > end:
                return (
                    f"all was sent, and {now} of {wanted} are at {region.cluster}: the others are older than what it "
                    "keeps (its retention), or longer than what it takes, or it lost them"
                )
            if self.ended.wait(0.5):
                raise _Stopped
        if now > wanted:
            return f"{now} are at {region.cluster}, and {wanted} were to be: somebody else writes there, too"
        return ""


def wait(region: Region, way: Way, seconds: float) -> str:
    """Until both stores of a region answer; why they don't.

    :param seconds: how long they may take.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            stores.samples(region, way, 1, 2)
            stores.lines(region, way, 1, 2)
        except (Refused, TooMuch) as reason:
            if time.monotonic() >= end:
                return str(reason)
        else:
            return ""
        time.sleep(min(5.0, max(0.1, end - time.monotonic())))
