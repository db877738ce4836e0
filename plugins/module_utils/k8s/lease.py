# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write now: a Lease that is taken before a run's first write, renewed while it works, and given back.

One object, so that each step is one compare-and-swap by its resourceVersion; who holds it, several where all share it,
stands in an annotation, and for kubectl in its spec. Clocks of machines are for people only: a holder counts its own
time from when it began to renew, and who finds it watches it for as long as that, as client-go's leaderelection does.
What it is a Lease of, and who runs this, is given.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import from_json
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut

API, KIND, PLURAL = "coordination.k8s.io/v1", "Lease", "leases"
HOLDERS = "k0rdent.kof/holders"
_ENVIRONMENT = "K0RDENT_KOF_LEASE"
#: Seconds without a renewal after which nobody holds it any more. Between the tasks of a run nobody renews.
SECONDS = 300
#: Of what another's entry says, what is believed.
_SHORTEST, _LONGEST = 1, 3600
#: The part of that time after which a holder itself begins no request: what it began has to end in the rest.
_OWN_PART = 0.8
#: Seconds between renewals, and between looks at another holder, at most: so long until a second run knows.
_RENEWED_EACH, _LOOKED_EACH = 10.0, 2.0
#: What is told of a holder, and what a time must look like for the API.
_TOLD, _TIME = ("user", "host", "job", "playbook"), re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_OVER = 100  # dead runs that are named
_TRIES = 20  # while others change the same Lease
_GOES = 10.0  # seconds for which a Lease that is being deleted is given to go
#: POST requests that change nothing: reviews of rights, and of tokens.
_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")

#: Seconds that go on while this machine sleeps. Where there is no such clock that of the system's own is the next best:
#: macOS' goes on, and what Python calls monotonic there (mach_absolute_time) stands still.
now: Callable[[], float] = functools.partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class NotHeld(Exception):
    """This run may not write: somebody else is at work, or nobody can say. Nothing was sent by this task. The message
    says who, since when and how to go on."""


class Lost(ApiUnavailable):
    """The run had the lease, and has it no more: as with a server that is lost, nothing more is sent."""


class Memory(Protocol):
    """What the tasks of one run, each in a process of its own, tell each other of their lease."""

    def get(self) -> dict[str, Any]:
        """`renewed` (see `now`) while it is held, `lost` (why) afterwards; empty before."""

    def set(self, known: Mapping[str, Any]) -> None:
        """Replace it."""


class Requests(Protocol):
    """The part of `Connection` that is used here."""

    def request(self, method: str, path: str, *, body: Any = None, deadline: float | None = None) -> dict[str, Any]:
        """See there."""


@dataclass(frozen=True)
class Holder:
    """A run.

    :ivar run: its own name, no other's.
    :ivar told: user, host, job and playbook, for people.
    :ivar shared: holds it beside others that do so, too.
    :ivar machine: where its process number means something: of one start of one machine, and one container; "" where
        that isn't known.
    :ivar process: number and start time of Ansible's main process there.
    """

    run: str
    told: Mapping[str, str]
    shared: bool = False
    machine: str = ""
    process: tuple[int, str] = (0, "")


@dataclass
class _Entry:
    """A holder as the Lease has it: anybody may have written it."""

    run: str
    told: dict[str, str]
    shared: bool = False
    since: str = ""
    renewed: str = ""
    beat: int = 0  # one more with each renewal
    seconds: int = SECONDS
    machine: str = ""
    process: tuple[int, str] = (0, "")
    over: list[str] = field(default_factory=list)  # the dead runs from which it took the lease
    sign: str = field(default="", compare=False)  # what another look compares

    def said(self) -> str:
        """Who it is, for people."""
        who = [f"{self.told.get('user') or 'somebody'} on {self.told.get('host') or 'an unknown machine'}"]
        who += [f"job {self.told['job']}"] if self.told.get("job") else []
        who += [cut(self.told["playbook"], 80)] if self.told.get("playbook") else []
        return f"{', '.join(who)} (since {self.since or 'nobody knows when'})"

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("run", "sign") and value}


def is_write(method: str, path: str, query: Mapping[str, str] | None) -> bool:
    """Does a request change something? Dry runs and reviews don't, nor does a token that is asked for."""
    if method == "GET" or (query or {}).get("dryRun") == "All":
        return False
    return not (method == "POST" and (path.startswith(_REVIEWS) or path.endswith("/token")))


def is_over(age: float, seconds: int) -> bool:
    """For its holder; for others it isn't yet, so that what it began has ended by then.

    :param age: seconds since it began to renew it.
    """
    return age > seconds * _OWN_PART


class Lease:
    """The lease of one run, as a task of it has it. Thread-safe; a Connection asks it before it writes."""

    def __init__(
        self,
        connection: Requests,
        ref: tuple[str, str],
        holder: Holder,
        memory: Memory,
        *,
        of: str,
        labels: Mapping[str, str],
        say: Callable[[str], None] = lambda _text: None,
        seconds: int = SECONDS,
        alive: Callable[[], bool] = lambda: True,
        gone: Callable[[str, tuple[int, str]], bool] = lambda _machine, _process: False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = now,
    ) -> None:
        """
        :param connection: for requests of its own; they ask nobody.
        :param ref: namespace and name.
        :param of: whose lease it is, for people ("fleet kof").
        :param labels: of the Lease; one with others belongs to somebody else.
        :param say: is told that another run is watched.
        :param seconds: see SECONDS.
        :param alive: whether the run that this task is of still goes on.
        :param gone: whether a process of a machine (see Holder) has surely ended.
        """
        self._connection, self._holder, self._memory = connection, holder, memory
        self._namespace, self._name = ref
        self.run = holder.run
        self._folder = f"/apis/{API}/namespaces/{quote(self._namespace, safe='')}/{PLURAL}"
        self.path = f"{self._folder}/{quote(self._name, safe='')}"
        self._of, self._labels, self._say = of, dict(labels), say
        self._seconds, self._alive, self._gone = seconds, alive, gone
        self._sleep, self._clock = sleep, clock
        self._lock = threading.RLock()
        self._refused: NotHeld | None = None
        self._live: dict[str, Any] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    # -- asked by the connection

    def take(self) -> None:
        """Have the lease before something is written: once a run, all others just look whether it is still held.

        :raises NotHeld: another run has it, or it can't be had.
        :raises Lost: this run had it.
        """
        if self._thread is not None:
            self.check()
            return
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if not self._memory.get():
                try:
                    self._acquire()
                except NotHeld as refusal:
                    self._refused = refusal
                    raise
            self.check()
            self.keep()

    def check(self, path: str = "") -> None:
        """Before each request, which of our own are too late for renewals only: asks nobody.

        :param path: of the request.
        :raises Lost: it was taken away, not renewed for too long, or the run has ended.
        """
        known = self._memory.get()
        if not known and self.owns(path):
            return  # it is being taken, or given back
        if "lost" in known:
            raise Lost(known["lost"])
        if "renewed" not in known:
            raise self._is_lost("it was given back")
        age = self._clock() - known["renewed"]
        if is_over(age, self._seconds):
            raise self._is_lost(f"it wasn't renewed for {age:.0f} s: this run was stopped, or the server away")
        if not self._alive():
            raise self._ended()

    def keep(self) -> None:
        """Renew it from now on where this run has it, until `stop`."""
        with self._lock:
            if self._thread is None and "renewed" in self._memory.get():
                self._stopped.clear()
                self._thread = threading.Thread(target=self._renew_on, name="lease", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Renew it no more: the run's next task does."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2)  # a renewal under way is no harm

    def release(self) -> None:
        """Give it back where this run has it: the next run may begin at once. Nobody is told where that can't be done;
        it ends by itself."""
        self.stop()
        with self._lock:
            if "renewed" not in self._memory.get():
                return
            self._memory.set({})
            with contextlib.suppress(ApiError, ApiUnavailable):
                for _try in range(_TRIES):
                    live = self._read()
                    entries = _entries(live)
                    if live is None or not entries.pop(self._holder.run, None):
                        return
                    try:
                        self._give_back(live, entries)
                        return
                    except ApiError as error:
                        if error.status not in (404, 409):
                            raise

    def held_by(self) -> str:
        """Who has it now, for people; "" for nobody. It may have died, which only watching it tells.

        :raises ApiError, ApiUnavailable: it can't be read.
        """
        return next((entry.said() for entry in _entries(self._read()).values()), "")

    def prove(self) -> None:
        """Renew it now, so that the server has said that this run has it: before what asks nobody while it works.

        :raises NotHeld, Lost: as `take`.
        :raises ApiError, ApiUnavailable: nobody can say.
        """
        self.take()
        if self._clock() - self._memory.get().get("renewed", 0.0) > 1.0:
            self._renew()

    def owns(self, path: str) -> bool:
        """Is it a request about the lease itself?"""
        return path in (self.path, self._folder)

    # -- the protocol

    def _acquire(self) -> None:
        watched: dict[str, tuple[str, float]] = {}
        blocking: str | None = None  # the run that was in the way when we looked last
        going: float | None = None  # since when it was seen to be on its way out, and nobody's
        while True:
            if not self._alive():  # a lease that nobody gives back would be in the way of the living
                raise self._ended()
            live = self._asked(self._read)
            if live is not None:
                self._is_ours(live)
            others = _entries(live)
            mine = others.pop(self._holder.run, None)
            if blocking is not None and blocking not in others:
                for entry in filter(self._in_the_way, others.values()):
                    raise self._held(entry)
                # Of a dead one another that we share it with may have seen that first.
                if not any(blocking in entry.over for entry in others.values()):
                    raise NotHeld(
                        f"{self._of}: the run that held its lease has just ended, and has changed what this run had "
                        "looked at. Nothing was changed by this task: run again"
                    )
            looked, dead = self._clock(), set()
            for run, entry in others.items():
                sign, first = watched.setdefault(run, (entry.sign, looked))
                if sign != entry.sign and self._in_the_way(entry):
                    raise self._held(entry)
                if looked - first >= entry.seconds or self._gone(entry.machine, entry.process):
                    dead.add(run)
            standing = {run: entry for run, entry in others.items() if run not in dead}
            blocking = next((run for run, entry in standing.items() if self._in_the_way(entry)), None)
            if blocking is None and live is not None and live["metadata"].get("deletionTimestamp"):
                going = looked if going is None else going
                if looked - going >= _GOES:
                    raise self._stuck(live["metadata"])
                self._sleep(_LOOKED_EACH / 2)
                continue
            if blocking is None:
                sent = self._asked(functools.partial(self._put, live, standing, mine, sorted(dead)))
                if sent is None:
                    continue
                self._stopped.clear()
                self._memory.set({"renewed": sent})
                return
            entry = standing[blocking]
            if looked == watched[blocking][1]:
                self._say(
                    f"The lease of {self._of} is held by {entry.said()}. Watching for a sign of life of that run, for "
                    f"{entry.seconds} s at most; without one it is dead, and this run goes on."
                )
            self._sleep(min(_LOOKED_EACH, entry.seconds / 10))

    def _stuck(self, metadata: Mapping[str, Any]) -> NotHeld:
        """One that goes any moment can't be held: a second run would have another by its name."""
        finalizers = [_text(each) for each in metadata.get("finalizers") or ()]
        return NotHeld(
            f"the lease of {self._of} ({self._namespace}/{self._name}), without which nothing is written, is being "
            f"deleted since {_text(metadata['deletionTimestamp'])} and doesn't go, as somebody's finalizer holds it: "
            f"{', '.join(finalizers) or 'none is named'}. Nobody has the lease. Have whoever set the finalizer take it "
            f"off, or do it by hand, then run again: kubectl patch lease {self._name} -n {self._namespace} "
            """--type=merge -p '{"metadata":{"finalizers":null}}'. Nothing was changed by this task"""
        )

    def _ended(self) -> Lost:
        return Lost(f"Ansible has ended, so nothing more is sent for {self._of}")

    def _in_the_way(self, entry: _Entry) -> bool:
        return not (entry.shared and self._holder.shared)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """The answer to one of our requests.

        :raises NotHeld: it is refused.
        """
        try:
            return ask()
        except ApiError as error:
            # The server has other reasons to forbid it: a quota, a webhook, a namespace that is being deleted.
            if error.status == 403 and " cannot " in error.message:
                why = (
                    f"the right to get, create, update and delete leases.coordination.k8s.io in namespace "
                    f"{self._namespace} is missing ({error.message}): see docs/rights.md"
                )
            elif error.status == 404:
                why = (
                    f"there is no namespace for it ({error.message}). Where kcm is gone for good, and its namespace "
                    f"with it: kubectl create namespace {self._namespace}, for as long as what is left is taken away"
                )
            else:
                why = error.message
            raise NotHeld(
                f"the lease of {self._of} ({self._namespace}/{self._name}), without which nothing is written, can't be "
                f"taken: {why}. Nothing was changed by this task"
            ) from None

    def _is_ours(self, live: Mapping[str, Any]) -> None:
        there = live["metadata"].get("labels") or {}
        if any(there.get(key) != value for key, value in self._labels.items()):
            raise NotHeld(
                f"Lease {self._namespace}/{self._name} is there without the labels of {self._of}, so it belongs to "
                "somebody else: take it away, or use another kof_fleet. Nothing was changed by this task"
            )

    def _put(
        self,
        live: dict[str, Any] | None,
        others: Mapping[str, _Entry],
        mine: _Entry | None,
        dead: Sequence[str] = (),
    ) -> float | None:
        """Write ourselves in beside others, and instead of the dead: when that was sent; None where somebody was
        quicker."""
        sent, stamp = self._clock(), _stamp()
        entry = _Entry(
            self._holder.run,
            dict(self._holder.told),
            self._holder.shared,
            mine.since if mine else stamp,
            stamp,
            mine.beat + 1 if mine else 1,
            self._seconds,
            self._holder.machine,
            self._holder.process,
            [*(mine.over if mine else ()), *dead],
        )
        try:
            self._live = self._written(live, {**others, entry.run: entry}, stamp)
        except ApiError as error:
            if error.status == 409 or (error.status == 404 and live is not None):
                return None
            raise
        return sent

    def _renew(self) -> None:
        """
        :raises Lost: it names this run no more.
        :raises ApiError, ApiUnavailable: it can't be asked for now.
        """
        for _try in range(_TRIES):
            live, self._live = self._live or self._read(), None
            entries = _entries(live)
            mine = entries.pop(self._holder.run, None)
            if mine is None and self._stopped.is_set():
                return  # given back by now
            if mine is None:
                by = next((each for each in entries.values() if self._in_the_way(each)), None)
                raise self._is_lost(f"held now by {by.said()}" if by else "its Lease was deleted or written anew")
            sent = self._put(live, entries, mine)
            if sent is None:
                continue
            with self._lock:
                if not self._stopped.is_set():  # else it may be given back by now
                    self._memory.set({"renewed": sent})
            return

    def _renew_on(self) -> None:
        each = min(_RENEWED_EACH, self._seconds / 6)
        while True:
            known = self._memory.get()
            if "renewed" not in known:
                return
            if self._stopped.wait(max(0.0, min(each, known["renewed"] + each - self._clock()))):
                return
            try:
                self.check()
                self._renew()
            except Lost:
                return
            except (ApiError, ApiUnavailable):
                self._stopped.wait(1.0)  # it is lost when its time is up, not before

    def _is_lost(self, why: str) -> Lost:
        """For this run's other tasks, too."""
        told = f"this run has lost the lease of {self._of}, so nothing more is sent: {why}. Run again"
        self._memory.set({"lost": told})
        return Lost(told)

    def _held(self, entry: _Entry) -> NotHeld:
        return NotHeld(
            f"another run is at work on {self._of}: {entry.said()}. Nothing was changed by this task. Wait until that "
            f"run has ended, or end it; then run again. A run that died holds its lease for {entry.seconds} s at most "
            f"(Lease {self._namespace}/{self._name}; docs/lease.md)"
        )

    # -- requests

    def _read(self) -> dict[str, Any] | None:
        try:
            return self._connection.request("GET", self.path, deadline=self._patience())
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _written(self, live: dict[str, Any] | None, entries: Mapping[str, _Entry], stamp: str) -> dict[str, Any]:
        first = next(iter(entries.values()), None)
        spec = (
            {}
            if first is None
            else {
                "holderIdentity": first.run,
                "leaseDurationSeconds": max(entry.seconds for entry in entries.values()),
                "acquireTime": first.since or stamp,
                "renewTime": stamp,
            }
        )
        holders = json.dumps({run: entry.as_json() for run, entry in entries.items()})
        metadata: dict[str, Any] = (
            dict(live["metadata"]) if live else {"namespace": self._namespace, "name": self._name}
        )
        metadata["labels"] = {**(metadata.get("labels") or {}), **self._labels}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), HOLDERS: holders}
        body = {"apiVersion": API, "kind": KIND, "metadata": metadata, "spec": spec}
        if live is None:
            return self._connection.request("POST", self._folder, body=body, deadline=self._patience())
        return self._connection.request("PUT", self.path, body=body, deadline=self._patience())

    def _give_back(self, live: dict[str, Any], entries: Mapping[str, _Entry]) -> None:
        if entries:
            self._written(live, entries, _stamp())
            return
        if live["metadata"].get("finalizers"):
            # It may stay for long, and must name nobody then.
            live = self._written(live, {}, _stamp())
        if live["metadata"].get("deletionTimestamp"):
            return
        preconditions = {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        self._connection.request("DELETE", self.path, body=body, deadline=self._patience())

    def _patience(self) -> float:
        return time.monotonic() + self._seconds / 4


def _entries(live: Mapping[str, Any] | None) -> dict[str, _Entry]:
    """Who holds it, by run. What is no entry of ours is one holder that shares nothing with anybody."""
    if live is None:
        return {}
    annotations = live["metadata"].get("annotations") or {}
    said_of_it = live.get("spec")
    spec = said_of_it if isinstance(said_of_it, dict) else {}
    try:
        found = from_json(annotations.get(HOLDERS) or "{}")
    except ValueError:
        found = None
    said = found.items() if isinstance(found, dict) else ()
    entries = {_text(run): _entry(_text(run), each) for run, each in said if isinstance(each, dict) and run}
    stranger = _text(spec.get("holderIdentity"))
    if stranger and not entries:
        since, sign = _text(spec.get("acquireTime")), _text(spec.get("renewTime"))
        return {stranger: _Entry(stranger, {"user": stranger}, since=since, sign=sign)}
    return entries


def _entry(run: str, said: Mapping[str, Any]) -> _Entry:
    told, process, beat, seconds = (said.get(name) for name in ("told", "process", "beat", "seconds"))
    over = said.get("over")
    number, start = process if isinstance(process, list) and len(process) == 2 else (0, "")
    since = _text(said.get("since"))
    return _Entry(
        run,
        {key: _text(told[key]) for key in _TOLD if told.get(key)} if isinstance(told, dict) else {},
        said.get("shared") is True,
        since if _is_time(since) else "",
        _text(said.get("renewed")),
        beat if isinstance(beat, int) else 0,
        # What is no time that a run can have said is none: it is watched for as long as one that says nothing.
        min(seconds, _LONGEST)
        if isinstance(seconds, int) and seconds >= _SHORTEST and seconds is not True
        else SECONDS,
        _text(said.get("machine")),
        (number if isinstance(number, int) else 0, _text(start)),
        [_text(each) for each in over[:_OVER]] if isinstance(over, list) else [],
        json.dumps([beat, said.get("renewed")]),
    )


def _is_time(text: str) -> bool:
    """Whether the API takes it for one: with the month 13 no write would be taken any more."""
    try:
        return bool(_TIME.fullmatch(text) and datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ"))
    except ValueError:
        return False


def _text(value: Any) -> str:
    """As it may be written again and shown: anybody may have said it."""
    return str("" if value is None else value).encode("utf-8", "replace").decode()[:200]


def _stamp() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def machine() -> str:
    """What holds as long as process numbers mean the same: this start of this machine, and this container."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return f"{stream.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process(number: int) -> tuple[int, str]:
    """A process of this machine, as none before or after it; without a start time where that can't be seen."""
    return number, _state(number)[1]


def gone(of_machine: str, of_process: tuple[int, str]) -> bool:
    """Has it surely ended? Never of another machine's, or where that can't be seen."""
    number, start = of_process
    if number <= 0 or not start or not of_machine or of_machine != machine():
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False  # another user's
    state, started = _state(number)
    return bool(started) and (started != start or state in "ZX")


def _state(number: int) -> tuple[str, str]:
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""


def handed_over(held: Lease) -> dict[str, str]:
    """What a module of this run finds in its environment, to see before it acts whether the run still has the lease."""
    return {_ENVIRONMENT: json.dumps([held.path, held.run])}


def see(connection: Requests, environ: Mapping[str, str]) -> None:
    """In a module's process: whether the run that began it still has the lease; nothing where it needs none.

    :raises Lost: it has it no more.
    :raises ApiError, ApiUnavailable: it can't be read.
    """
    if _ENVIRONMENT not in environ:
        return
    path, run = json.loads(environ[_ENVIRONMENT])
    try:
        live = connection.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        live = None
    if run not in _entries(live):
        raise Lost("this run has lost the lease of its fleet, so nothing more is sent: run again (docs/lease.md)")
