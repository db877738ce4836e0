# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for many objects at once: one LIST and WATCH per kind, a verdict whenever something changes, lines of progress.

Judges nothing itself (see readiness.py) and writes nothing to the cluster. Secrets are read by name, never listed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils import readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.readiness import FAILED, READY, Readiness

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
    from the start of the wait until that verdict; advice: what to do, "" for nothing."""

    ref: Ref
    state: str
    why: str
    seconds: float
    advice: str = ""

    @property
    def because(self) -> str:
        """Why it ended so, and what to do."""
        return f"{self.why} ({self.advice})" if self.advice else self.why


# -- targets of the usual kinds

SVELTOS = "config.projectsveltos.io/v1beta1"


def _cluster_of(summary: Object) -> tuple[str | None, str] | None:
    spec = summary.get("spec") or {}
    return (spec.get("clusterNamespace"), spec["clusterName"]) if spec.get("clusterName") else None


def _itself(obj: Object) -> tuple[str | None, str]:
    return obj["metadata"].get("namespace"), obj["metadata"]["name"]


def _configured(configuration: Object) -> tuple[str | None, str]:
    """Of a ClusterConfiguration, `capi--<cluster>` or `sveltos--<cluster>`."""
    return configuration["metadata"].get("namespace"), configuration["metadata"]["name"].partition("--")[2]


# kcm's charts name the cluster as the ClusterDeployment. What is asked for after the ClusterDeployments is at least as
# new as they are: a summary from before the wish that is judged would be a false "ready".
_ABOUT_A_CLUSTER = (
    Related(SVELTOS, "ClusterSummary", _cluster_of),
    Related(SVELTOS, "ClusterConfiguration", _configured),
    Related("lib.projectsveltos.io/v1beta1", "SveltosCluster", _itself),
    Related("cluster.x-k8s.io/v1beta1", "Cluster", _itself),
)

#: Of these, what says whether a cluster lives on without its ClusterDeployment, and what is installed on it.
OF_ADOPTED = tuple(related for related in _ABOUT_A_CLUSTER if related.kind in ("ClusterSummary", "SveltosCluster"))


def cluster_deployment(ref: Ref, services: Sequence[tuple[str, str]] | None = None) -> Target:
    """A ClusterDeployment with its services; services: (namespace, name) wanted, None for those in its spec."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        def about(kind: str) -> list[Object]:
            return lookup.related(kind, ref.namespace, ref.name)

        around = readiness.Surroundings(
            summaries=about("ClusterSummary"),
            clusters=[*about("SveltosCluster"), *about("Cluster")],
            configurations=about("ClusterConfiguration"),
            template=lambda name: lookup.named("ServiceTemplate", ref.namespace, name),
        )
        return readiness.cluster_deployment(obj, around, services)

    return Target(ref, judge, (*_ABOUT_A_CLUSTER, Related(ref.api_version, "ServiceTemplate")))


def cluster_gone(ref: Ref) -> Target:
    """A ClusterDeployment that is being deleted."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        return readiness.cluster_gone(
            obj,
            lambda name: lookup.named("Credential", ref.namespace, name),
            lambda name: lookup.named("ServiceTemplate", ref.namespace, name),
        )

    return Target(ref, judge, tuple(Related(ref.api_version, kind) for kind in ("Credential", "ServiceTemplate")))


def services_gone(ref: Ref, profiles: Collection[str]) -> Target:
    """A ClusterDeployment whose services, and the Secrets of these ClusterProfiles, are being taken off its cluster."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        around = readiness.Surroundings(
            summaries=lookup.related("ClusterSummary", ref.namespace, ref.name),
            clusters=lookup.related("SveltosCluster", ref.namespace, ref.name),
        )
        return readiness.services_gone(obj, around, profiles)

    return Target(ref, judge, OF_ADOPTED)


def service_template(ref: Ref) -> Target:
    """A ServiceTemplate (or ClusterTemplate) that becomes valid."""

    def judge(obj: Object | None, lookup: Lookup) -> Readiness:
        invalid = obj is not None and not (obj.get("status") or {}).get("valid")
        return readiness.service_template(obj, lookup.lasting(ref, invalid))

    return Target(ref, judge)


def deployment(ref: Ref) -> Target:
    """A Deployment whose replicas are all available."""
    return Target(ref, lambda obj, _lookup: readiness.deployment(obj))


def secret(ref: Ref, keys: Sequence[str] = ()) -> Target:
    """A Secret with values at `keys`."""
    return Target(ref, lambda obj, _lookup: readiness.secret(obj, keys))


def grafana_datasource(ref: Ref) -> Target:
    """A GrafanaDatasource that is in a Grafana."""
    return Target(ref, lambda obj, _lookup: readiness.grafana_datasource(obj))


def gone(ref: Ref) -> Target:
    """Anything that is being deleted."""
    return Target(ref, lambda obj, _lookup: readiness.gone(obj))


# -- waiting


def wait(
    connection: Connection,
    targets: Sequence[Target],
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _line: None,
    check_mode: bool = False,
    word: str = READY,
    owners: Sequence[str] = (),
) -> list[Waited]:
    """Wait until all targets are ready, until those that are left have failed for good, or for `timeout` seconds.

    progress: gets a line at most every 15 s or 5% of the targets, and one for each failure for good; word: what they
    are in these lines when they are ready; owners: of each target, whose cluster it belongs to: then these lines count
    clusters, each ready with its last target, else objects. In check mode says what it would wait for and calls nothing
    late. Same order as targets; never raises for what happens while it waits except ApiError for a LIST or WATCH that
    isn't allowed, and ApiUnavailable when the first LIST fails.
    """
    if check_mode:
        if targets:
            progress(f"would wait for {_described([target.ref for target in targets])}")
        return [Waited(target.ref, READY, "not waited for in check mode", 0.0) for target in targets]
    if not targets:
        return []
    return _Wait(connection, targets, timeout, progress, word, owners).run()


def all_ready(connection: Connection, targets: Sequence[Target], known: Mapping[str, Sequence[Object]]) -> bool:
    """Whether all targets are ready now; waits for nothing.

    known: by kind, all objects of that kind in the targets' namespace as they were just listed; the others are listed.
    Raises ApiError, ApiUnavailable.
    """
    return _Wait(connection, targets, LOOK_SECONDS, lambda _line: None, READY).all_ready(known)


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
        self._verdicts: list[Readiness] = [Readiness("progressing", "not looked at yet")] * len(self._targets)
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

    def all_ready(self, known: Mapping[str, Sequence[Object]]) -> bool:
        self._look(*self._scopes(), known)
        return all(verdict.ready for verdict in self._verdicts)

    def _look(self, listed: list[_Scope], named: list[_Scope], known: Mapping[str, Sequence[Object]]) -> None:
        """The first look at everything."""
        for scope in listed:
            there = known.get(scope.kind)
            self._take(self._first_list(scope) if there is None else _News(scope, list(there), complete=True))
        for scope in named:
            self._take(_News(scope, self._named(scope), complete=True))
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
                if error.status != 404:
                    raise
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
                about = related.key(obj)
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
            verdict = self._targets[index].judge(self._live.get((ref.kind, ref.namespace, ref.name)), self._lookup)
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
                self._progress(f"{self._targets[index].ref} failed: {verdict.why}")
        now, total = time.monotonic(), len(set(self._owners))
        done = total - len({owner for owner, v in zip(self._owners, self._verdicts, strict=True) if not v.ready})
        if now - self._last_line < PROGRESS_SECONDS and done - self._last_done < max(1, total * PROGRESS_SHARE):
            return
        if done == total:
            return
        self._last_line, self._last_done = now, done
        pairs = enumerate(zip(self._targets, self._verdicts, strict=True))
        late = [(target.ref, v.why) for index, (target, v) in pairs if not v.ready and index not in self._told]
        failed = f", {len({self._owners[index] for index in self._told})} failed" if self._told else ""
        text = f"{done} of {total} {self._word}{failed} after {now - self._started:.0f} s"
        if self._away:
            text += f"; {self._away}"
        elif late:
            examples = "; ".join(f"{ref}: {one_line(why, 120)}" for ref, why in late[:3])
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
            result.append(Waited(target.ref, state, why, round(until - self._started, 3), verdict.advice))
        return result


def _not_allowed(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status in (401, 403)


def _described(refs: Sequence[Ref]) -> str:
    """12 ClusterDeployments, 2 Secrets."""
    numbers: dict[str, int] = {}
    for ref in refs:
        numbers[ref.kind] = numbers.get(ref.kind, 0) + 1
    return ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in numbers.items())
