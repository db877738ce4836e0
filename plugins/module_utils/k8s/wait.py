# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for many objects at once: one LIST and WATCH per kind, a verdict whenever something changes, lines of progress.
Or look at them once.

Judges nothing itself (a Target has its judge) and writes nothing to the cluster. Secrets are read by name, never
listed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.alive import of_one_kind
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    FAILED,
    OTHER_FORM,
    PROGRESSING,
    READY,
    Readiness,
    of_any_form,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import coded

LATE = "late"
PROGRESS_SECONDS = 15.0
PROGRESS_SHARE = 0.05
LOOK_SECONDS = 60.0  # for the LISTs of a look that waits for nothing
_NAMED_POLL = 3.0  # seconds between reads of objects that are read by name
_UNSERVED_POLL = 10.0  # seconds until a kind that isn't served is asked for again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between WATCHes of which each ended
_SHORT_WATCH = 5.0  # within that many seconds

Object = dict[str, Any]


@dataclass(frozen=True)
class Related:
    """Another kind that a target's verdict depends on. key: from such an object to the (namespace, name) of the target
    it is about, None if it is about none; without a key these objects concern every target, and are asked for by
    name."""

    api_version: str
    kind: str
    key: Callable[[Object], tuple[str | None, str] | None] | None = None


class Lookup:
    """What a judge may ask besides its own object: related objects, and for how long something has been so."""

    def __init__(self) -> None:
        self._related: dict[tuple[str, Hashable], dict[Hashable, Object]] = {}
        self._since: dict[Hashable, float] = {}

    def related(self, kind: str, namespace: str | None, name: str) -> list[Object]:
        """The live objects of `kind` that are about the target (namespace, name)."""
        return list(self._related.get((kind, (namespace, name)), {}).values())

    def named(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """The live object of a related kind without a key."""
        return self._related.get((kind, None), {}).get((namespace, name))

    def lasting(self, key: Hashable, holds: bool) -> float:
        """Seconds since `holds` was first seen true without interruption; 0 when it is false."""
        if not holds:
            self._since.pop(key, None)
            return 0.0
        return time.monotonic() - self._since.setdefault(key, time.monotonic())

    def _put(self, kind: str, about: tuple[str | None, str] | None, obj: Object, gone: bool) -> None:
        found = self._related.setdefault((kind, about), {})
        identity = (obj["metadata"].get("namespace"), obj["metadata"]["name"])
        if gone:
            found.pop(identity, None)
        else:
            found[identity] = obj

    def _clear(self, kind: str) -> None:
        for pair in [pair for pair in self._related if pair[0] == kind]:
            del self._related[pair]


Judge = Callable[["Object | None", Lookup], Readiness]


@dataclass(frozen=True)
class Target:
    """What to wait for: an object, how to judge it, and what else the judge looks at."""

    ref: Ref
    judge: Judge
    related: tuple[Related, ...] = ()


@dataclass(frozen=True)
class Waited:
    """How it ended. state: ready | failed | late (not ready at the deadline); why: one line, "" when ready; seconds:
    from the start of the wait until that verdict; advice: what to do, "" for nothing; code: of the finding that it is
    (kof/findings.py), "" when ready."""

    ref: Ref
    state: str
    why: str
    seconds: float
    advice: str = ""
    code: str = ""

    @property
    def because(self) -> str:
        """Why it ended so, the code for it, and what to do."""
        why = coded(self.why, self.code)
        return f"{why} ({self.advice})" if self.advice else why


@dataclass(frozen=True)
class Seen:
    """What one look told of a target. live: the object, None if it isn't there; unread: why it or what its judge looks
    at may not be read, "" where it may: else the verdict says nothing."""

    live: Object | None
    verdict: Readiness
    unread: str = ""


def wait(
    connection: Connection,
    targets: Sequence[Target],
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _line: None,
    word: str = READY,
    owners: Sequence[str] = (),
) -> list[Waited]:
    """Wait until all targets are ready, until those that are left have failed for good, or for `timeout` seconds.

    progress: gets a line at most every 15 s or 5% of the targets, and one for each failure for good; word: what they
    are in these lines when they are ready; owners: of each target, whose cluster it belongs to: then these lines count
    clusters, each ready with its last target, else objects. Same order as targets; never raises for what happens while
    it waits except ApiError for a LIST or WATCH that isn't allowed, and ApiUnavailable when the first LIST fails.
    """
    if not targets:
        return []
    return _Wait(connection, targets, timeout, progress, word, owners).run()


def all_ready(connection: Connection, targets: Sequence[Target], known: Mapping[str, Sequence[Object]]) -> bool:
    """Whether all targets are ready now; waits for nothing.

    known: as of `look`. Raises ApiError, ApiUnavailable.
    """
    return all(each.verdict.ready for each in look(connection, targets, known))


def look(
    connection: Connection,
    targets: Sequence[Target],
    known: Mapping[str, Sequence[Object]] | None = None,
    *,
    unread: Mapping[str, str] | None = None,
) -> list[Seen]:
    """What all targets are now, in their order; waits for nothing.

    known: by kind, all objects of that kind in the targets' namespace as they were just listed; the others are listed.
    unread: by kind, why it can't be read, as was just seen; what can't is told per target then, and no error. None:
    it is an error. Raises ApiError, ApiUnavailable.
    """
    return _Wait(connection, targets, LOOK_SECONDS, lambda _line: None, READY).look(known or {}, unread)


@dataclass
class _Scope:
    """One LIST and WATCH: a kind, in one namespace or in all."""

    api_version: str
    kind: str
    namespace: str | None
    names: set[tuple[str | None, str]] = field(default_factory=set)  # of targets; empty for related kinds
    related: list[Related] = field(default_factory=list)
    version: str = ""  # resourceVersion of the first LIST, to watch from


@dataclass
class _News:
    """From a watching thread: objects that appeared or changed, or are gone; `complete`: there are no others."""

    scope: _Scope
    objects: list[Object]
    gone: bool = False
    complete: bool = False
    error: Exception | None = None


class _Wait:
    def __init__(
        self,
        connection: Connection,
        targets: Sequence[Target],
        timeout: float,
        progress: Callable[[str], None],
        word: str,
        owners: Sequence[str] = (),
    ) -> None:
        self._connection = connection
        self._targets = list(targets)
        self._progress = progress
        self._owners = list(owners or range(len(self._targets)))
        self._word = f"{'clusters' if owners else 'objects'} {word}"
        self._started = time.monotonic()
        self._deadline = self._started + timeout
        self._news: queue.Queue[_News] = queue.Queue()
        self._stop = threading.Event()
        self._aborts: dict[int, Callable[[], None]] = {}
        self._live: dict[tuple[str, str | None, str], Object] = {}
        self._lookup = Lookup()
        self._verdicts: list[Readiness] = [Readiness(PROGRESSING, "not looked at yet")] * len(self._targets)
        self._since: list[float] = [self._started] * len(self._targets)
        self._recheck: dict[int, float] = {}
        self._by_object: dict[tuple[str, str | None, str], list[int]] = {}
        for index, target in enumerate(self._targets):
            key = (target.ref.kind, target.ref.namespace, target.ref.name)
            self._by_object.setdefault(key, []).append(index)
        self._related_kinds = {target.ref.kind for target in self._targets if target.related}
        self._by_related: dict[Related, set[int]] = {}
        for index, target in enumerate(self._targets):
            for related in target.related:
                self._by_related.setdefault(related, set()).add(index)
        self._last_line = self._started
        self._last_done = 0
        self._told: set[int] = set()
        self._away: str | None = None
        # By kind, of Secrets by (kind, namespace, name), why it can't be read; None where that is an error.
        self._unread: dict[Hashable, str] | None = None

    def run(self) -> list[Waited]:
        listed, named = self._scopes()
        self._look(listed, named, {})
        if not self._finished():
            threads = [threading.Thread(target=self._watch, args=(s,), daemon=True) for s in listed]
            threads += [threading.Thread(target=self._poll, args=(s,), daemon=True) for s in named]
            try:
                for thread in threads:
                    thread.start()
                self._follow()
            finally:
                self._stop.set()
                for abort in list(self._aborts.values()):
                    abort()
                for thread in threads:
                    thread.join(2)
        return self._result()

    def look(self, known: Mapping[str, Sequence[Object]], before: Mapping[str, str] | None) -> list[Seen]:
        self._unread = None if before is None else dict[Hashable, str](before.items())
        self._look(*self._scopes(), known)
        unread = self._unread or {}
        found = []
        for target, verdict in zip(self._targets, self._verdicts, strict=True):
            ref = target.ref
            key = (ref.kind, ref.namespace, ref.name)
            needed = (key, ref.kind, *(related.kind for related in target.related))
            why = next((unread[each] for each in needed if each in unread), "")
            found.append(Seen(self._live.get(key), verdict, why))
        return found

    def _look(self, listed: list[_Scope], named: list[_Scope], known: Mapping[str, Sequence[Object]]) -> None:
        """The first look at everything."""
        for scope in (*listed, *named):
            there = known.get(scope.kind)
            if there is None and scope.kind in (self._unread or ()):
                continue
            try:
                if scope in named:
                    there = self._named(scope)
                self._take(self._first_list(scope) if there is None else _News(scope, list(there), complete=True))
            except ApiError as error:
                if self._unread is None or error.status == 401:
                    raise
                self._unread[scope.kind] = str(error)
            except ApiUnavailable as error:
                if self._unread is None:
                    raise
                of_one_kind(self._connection, error)
                self._unread[scope.kind] = str(error)
        self._judge(range(len(self._targets)))

    def _scopes(self) -> tuple[list[_Scope], list[_Scope]]:
        """The kinds to list and watch, and those to read by name."""
        groups: dict[tuple[str, str], _Scope] = {}
        spaces: dict[tuple[str, str], set[str | None]] = {}
        for target in self._targets:
            ref = target.ref
            pair = (ref.api_version, ref.kind)
            scope = groups.setdefault(pair, _Scope(*pair, None))
            scope.names.add((ref.namespace, ref.name))
            spaces.setdefault(pair, set()).add(ref.namespace)
        for related, indexes in self._by_related.items():
            pair = (related.api_version, related.kind)
            groups.setdefault(pair, _Scope(*pair, None)).related.append(related)
            # Sveltos keeps what is about a cluster in the cluster's namespace, and kcm looks for templates there.
            spaces.setdefault(pair, set()).update(self._targets[index].ref.namespace for index in indexes)
        for pair, scope in groups.items():
            scope.namespace = next(iter(spaces[pair])) if len(spaces[pair]) == 1 else None
        return (
            [scope for scope in groups.values() if scope.kind != "Secret"],
            [scope for scope in groups.values() if scope.kind == "Secret"],
        )

    # -- reading; the second half of these runs in threads

    def _path(self, scope: _Scope) -> str | None:
        """None while the kind isn't served."""
        if self._connection.resource(scope.api_version, scope.kind) is None:
            return None
        return self._connection.path(scope.api_version, scope.kind, scope.namespace)

    def _first_list(self, scope: _Scope) -> _News:
        path = self._path(scope)
        if path is None:
            return _News(scope, [], complete=True)
        items, version = self._connection.list_objects(path, deadline=self._deadline)
        scope.version = version
        return _News(scope, items, complete=True)

    def _named(self, scope: _Scope) -> list[Object]:
        found = []
        for namespace, name in sorted(scope.names, key=str):
            path = self._connection.path(scope.api_version, scope.kind, namespace, name)
            try:
                found.append(self._connection.request("GET", path, deadline=self._deadline))
            except ApiError as error:
                if error.status == 404:
                    continue
                if self._unread is None or error.status == 401:
                    raise
                self._unread[scope.kind, namespace, name] = str(error)
        return found

    def _poll(self, scope: _Scope) -> None:
        """Thread: read objects by name again and again."""
        while not self._stop.wait(_NAMED_POLL):
            try:
                self._news.put(_News(scope, self._named(scope), complete=True))
            except Exception as error:  # whatever it is, the waiting thread must hear of it
                self._news.put(_News(scope, [], error=error))

    def _watch(self, scope: _Scope) -> None:
        """Thread: watch, and list again whenever the watch can't go on from where it was."""
        version = scope.version
        pause = 0.0
        while not self._stop.is_set():
            began, asked = time.monotonic(), 0.0
            try:
                path = self._path(scope)
                if path is None:
                    self._stop.wait(_UNSERVED_POLL)
                    continue
                if not version:
                    items, version = self._connection.list_objects(path, deadline=self._deadline)
                    self._news.put(_News(scope, items, complete=True))
                version = self._events(scope, path, version)
            except (ApiError, ApiUnavailable) as error:
                version = ""
                if self._stop.is_set():
                    return
                if isinstance(error, ApiUnavailable) or error.status in (401, 403):
                    self._news.put(_News(scope, [], error=error))
                if isinstance(error, ApiError):
                    asked = error.retry_after or 0.0
            except Exception as error:  # a fault of ours: the waiting thread must hear of it
                self._news.put(_News(scope, [], error=error))
                return
            # Whatever the reason, a WATCH that ends at once is opened ever more slowly: server and proxies have others.
            pause = min(max(_FIRST_PAUSE, pause * 2), _LONGEST_PAUSE) if time.monotonic() - began < _SHORT_WATCH else 0
            self._stop.wait(max(pause, asked))

    def _events(self, scope: _Scope, path: str, version: str) -> str:
        """Follow one watch to its end; the version to go on from, "" to list again."""
        me = threading.get_ident()

        def opened(abort: Callable[[], None]) -> None:
            self._aborts[me] = abort
            if self._stop.is_set():
                abort()

        stream = self._connection.watch(path, version, opened=opened)
        with contextlib.closing(stream):
            for event in stream:
                if self._stop.is_set():
                    return version
                obj = event.get("object") or {}
                kind = event.get("type")
                if kind == "ERROR":
                    return ""  # 410 Gone, for a stream that began with 200; any other error is as final
                version = (obj.get("metadata") or {}).get("resourceVersion") or version
                if kind in ("ADDED", "MODIFIED", "DELETED"):
                    self._news.put(_News(scope, [obj], gone=kind == "DELETED"))
        return version

    # -- judging

    def _follow(self) -> None:
        """Take news until the end."""
        while not self._finished():
            now = time.monotonic()
            if now >= self._deadline:
                return
            until = min([self._deadline, self._last_line + PROGRESS_SECONDS, *self._recheck.values()])
            touched: set[int] = set()
            with contextlib.suppress(queue.Empty):
                touched |= self._take(self._news.get(timeout=max(0.01, until - now)))
                while True:
                    touched |= self._take(self._news.get_nowait())
            now = time.monotonic()
            touched |= {index for index, moment in self._recheck.items() if moment <= now}
            self._judge(touched)
            self._say()

    def _take(self, news: _News) -> set[int]:
        """Remember what is new; the targets that it concerns."""
        scope = news.scope
        if news.error is not None:
            if not isinstance(news.error, (ApiError, ApiUnavailable)) or _not_allowed(news.error):
                raise news.error
            self._away = str(news.error)
            return set()
        self._away = None
        touched: set[int] = set()
        if news.complete:
            seen = {(o["metadata"].get("namespace"), o["metadata"]["name"]) for o in news.objects}
            for pair in scope.names - seen:
                if self._live.pop((scope.kind, *pair), None) is not None:
                    touched |= set(self._by_object.get((scope.kind, *pair), ()))
            if scope.related:
                self._lookup._clear(scope.kind)
                touched |= {index for related in scope.related for index in self._by_related[related]}
        for obj in news.objects:
            pair = (obj["metadata"].get("namespace"), obj["metadata"]["name"])
            if pair in scope.names:
                key = (scope.kind, *pair)
                if news.gone:
                    self._live.pop(key, None)
                else:
                    self._live[key] = obj
                touched |= set(self._by_object.get(key, ()))
            for related in scope.related:
                if related.key is None:
                    self._lookup._put(scope.kind, None, obj, news.gone)
                    touched |= self._by_related[related]
                    continue
                try:
                    about = related.key(obj)
                    hash(about)
                except OTHER_FORM:
                    about = None
                if about is None:
                    continue
                self._lookup._put(scope.kind, about, obj, news.gone)
                for kind in self._related_kinds:
                    touched |= set(self._by_object.get((kind, *about), ()))
        return touched

    def _judge(self, indexes: Any) -> None:
        now = time.monotonic()
        for index in indexes:
            ref = self._targets[index].ref
            live = self._live.get((ref.kind, ref.namespace, ref.name))
            verdict = of_any_form(self._targets[index].judge, live, self._lookup)
            if verdict.state != self._verdicts[index].state:
                self._since[index] = now
            self._verdicts[index] = verdict
            self._recheck.pop(index, None)
            if verdict.recheck is not None:
                self._recheck[index] = now + verdict.recheck + 0.05

    def _finished(self) -> bool:
        return all(v.ready or (v.state == FAILED and not v.can_heal) for v in self._verdicts)

    def _say(self) -> None:
        """A failure for good at once, the state of things at most every 15 s or 5%."""
        for index, verdict in enumerate(self._verdicts):
            if verdict.state == FAILED and not verdict.can_heal and index not in self._told:
                self._told.add(index)
                self._progress(f"{self._targets[index].ref} failed: {coded(verdict.why, verdict.code)}")
        now, total = time.monotonic(), len(set(self._owners))
        done = total - len({owner for owner, v in zip(self._owners, self._verdicts, strict=True) if not v.ready})
        if now - self._last_line < PROGRESS_SECONDS and done - self._last_done < max(1, total * PROGRESS_SHARE):
            return
        if done == total:
            return
        self._last_line, self._last_done = now, done
        pairs = enumerate(zip(self._targets, self._verdicts, strict=True))
        late = [(target.ref, v) for index, (target, v) in pairs if not v.ready and index not in self._told]
        failed = f", {len({self._owners[index] for index in self._told})} failed" if self._told else ""
        text = f"{done} of {total} {self._word}{failed} after {now - self._started:.0f} s"
        if self._away:
            text += f"; {self._away}"
        elif late:
            examples = "; ".join(f"{ref}: {coded(one_line(v.why, 120), v.code)}" for ref, v in late[:3])
            text += f"; {examples}" + (f"; and {len(late) - 3} more" if len(late) > 3 else "")
        self._progress(text)

    def _result(self) -> list[Waited]:
        result = []
        for target, verdict, since in zip(self._targets, self._verdicts, self._since, strict=True):
            state, why, until = verdict.state, verdict.why, since
            if state not in (READY, FAILED):
                state, until = LATE, time.monotonic()
                if self._away:
                    why = one_line(f"{why}; and {self._away}")
            seconds = round(until - self._started, 3)
            result.append(Waited(target.ref, state, why, seconds, verdict.advice, verdict.code))
        return result


def _not_allowed(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status in (401, 403)


def _described(refs: Sequence[Ref]) -> str:
    """12 ClusterDeployments, 2 Secrets."""
    numbers: dict[str, int] = {}
    for ref in refs:
        numbers[ref.kind] = numbers.get(ref.kind, 0) + 1
    return ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in numbers.items())
