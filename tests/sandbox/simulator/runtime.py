"""Caches fed by WATCH, and work queues: the part of controller-runtime that the simulated operators need.

At idle every thread sleeps in a socket read or on a condition: nothing polls.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import urllib3

from sandbox.simulator.api import Api, ApiError, Gone, Object
from sandbox.simulator.kinds import CRD, Kind

log = logging.getLogger("simulator")

#: Helm keeps its releases in Secrets: large, frequent, and of no interest to anybody here.
NO_HELM_RELEASES = {"fieldSelector": "type!=helm.sh/release.v1"}

Key = tuple[str, str]  # namespace ("" for cluster-scoped), name
Handler = Callable[[Object | None, Object | None], None]  # (old, new); new is None on deletion


def key_of(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Later(Exception):
    """Something isn't as it must be yet; the queue tries again. The text is logged as it is, without a traceback."""


class Stopped(Exception):
    """The owner is going away; leave the loop."""


class Queue:
    """Keys to reconcile: each at most once in the queue, never two workers on one key, with delays and back-off.

    `reconcile(key)` returns seconds until the next visit or None; after an exception it is tried again (in 0.25 s,
    doubling to 30 s).
    """

    def __init__(self, name: str, reconcile: Callable[[Any], float | None], *, workers: int = 1) -> None:
        self.name = name
        self._reconcile = reconcile
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Hashable]] = []
        self._due: dict[Hashable, float] = {}
        self._busy: set[Hashable] = set()
        self._again: dict[Hashable, float] = {}
        self._failures: dict[Hashable, int] = {}
        self._sequence = itertools.count()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def add(self, key: Hashable, after: float = 0.0) -> None:
        """Visit `key` in `after` seconds, or earlier if that is planned already."""
        with self._condition:
            self._add(key, time.monotonic() + after)

    def _add(self, key: Hashable, due: float) -> None:
        if key in self._busy:
            self._again[key] = min(due, self._again.get(key, due))
            return
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._sequence), key))
        self._condition.notify()

    def _next(self) -> Hashable:
        with self._condition:
            while not self._stopped:
                now = time.monotonic()
                while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
                    heapq.heappop(self._heap)  # replaced by an earlier visit
                if self._heap and self._heap[0][0] <= now:
                    key = heapq.heappop(self._heap)[2]
                    del self._due[key]
                    self._busy.add(key)
                    return key
                self._condition.wait(self._heap[0][0] - now if self._heap else None)
            raise Stopped

    def _work(self) -> None:
        while True:
            try:
                key = self._next()
            except Stopped:
                return
            after: float | None = None
            try:
                after = self._reconcile(key)
                self._failures.pop(key, None)
            except ApiError as error:
                after = self._back_off(key)
                if not error.conflict:  # somebody wrote meanwhile: an everyday event
                    log.warning("%s %s: %s", self.name, key, error)
            except (urllib3.exceptions.HTTPError, OSError, Later) as error:
                after = self._back_off(key)
                log.warning("%s %s: %s", self.name, key, error)
            except Exception:
                after = self._back_off(key)
                log.exception("%s %s", self.name, key)
            with self._condition:
                self._busy.discard(key)
                dues = [] if after is None else [time.monotonic() + after]
                if key in self._again:
                    dues.append(self._again.pop(key))
                if dues:
                    self._add(key, min(dues))

    def _back_off(self, key: Hashable) -> float:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        return min(0.25 * 2**count, 30.0)


class Informer:
    """A cache of one kind of one API server, kept current by WATCH; handlers hear of every change.

    Where the kind isn't served (its CRD comes with a chart later) it waits for `kinds_changed`.
    """

    def __init__(
        self, api: Api, kind: Kind, *, selector: dict[str, str] | None = None, served: Served | None = None
    ) -> None:
        self.kind = kind
        self._api = api
        self._selector = selector
        self._served = served
        self._objects: dict[Key, Object] = {}
        self._dropped: dict[Key, int] = {}  # so that a late `put` doesn't bring a deleted object back
        self._generation = 0
        self._lock = threading.Lock()
        self._handlers: list[Handler] = []
        self._synced = threading.Event()
        self._stopped = False

    def on_change(self, handler: Handler) -> None:
        """Call `handler(old, new)` for each change; register before `start`."""
        self._handlers.append(handler)

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"watch-{self.kind.plural}", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self._synced.set()

    def wait_synced(self, timeout: float = 300.0) -> None:
        """Until the first LIST is in (or the kind is known not to be served). Raises TimeoutError."""
        if not self._synced.wait(timeout):
            raise TimeoutError(f"no list of {self.kind.plural} after {timeout:.0f} s")

    def get(self, namespace: str | None, name: str) -> Object | None:
        """The cached object, to be read and not changed."""
        with self._lock:
            return self._objects.get((namespace or "", name))

    def all(self, namespace: str | None = None) -> list[Object]:
        with self._lock:
            objects = list(self._objects.values())
        return objects if namespace is None else [o for o in objects if o["metadata"].get("namespace", "") == namespace]

    def put(self, obj: Object) -> None:
        """Take in what a write of ours was answered with, so that the next read sees it before the WATCH says so."""
        self._take(obj)

    def _version(self, obj: Object) -> int:
        return int(obj["metadata"]["resourceVersion"])

    def _take(self, obj: Object) -> None:
        obj.setdefault("apiVersion", self.kind.api_version)
        obj.setdefault("kind", self.kind.kind)
        key = key_of(obj)
        with self._lock:
            old = self._objects.get(key)
            known = self._version(old) if old is not None else self._dropped.get(key, -1)
            if known >= self._version(obj):
                return
            self._objects[key] = obj
        self._tell(old, obj)

    def _drop(self, key: Key, version: int | None = None) -> None:
        with self._lock:
            old = self._objects.get(key)
            if old is None or (version is not None and self._version(old) > version):
                return
            del self._objects[key]
            self._dropped[key] = max(version or 0, self._version(old))
        self._tell(old, None)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                log.exception("handler of %s", self.kind.plural)

    def _run(self) -> None:
        pause = 0.2
        while not self._stopped:
            try:
                version = self._list()
                self._synced.set()
                pause = 0.2
                self._watch(version)
            except Gone:
                continue
            except ApiError as error:
                if error.not_found:
                    self._absent()
                    pause = 0.2
                    continue
                # 429: the server is still setting up the storage of a kind whose CRD is new
                log.log(
                    logging.DEBUG if error.status == 429 else logging.WARNING,
                    "watch of %s: %s",
                    self.kind.plural,
                    error,
                )
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                if not self._stopped:
                    log.warning("watch of %s: %s", self.kind.plural, error)
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _list(self) -> str:
        seen = self._served.generation if self._served else 0
        try:
            items, version = self._api.list(self.kind, selector=self._selector)
        except ApiError as error:
            if error.not_found and self._served:
                self._generation = seen
            raise
        for item in items:
            self._take(item)
        listed = {key_of(item) for item in items}
        with self._lock:
            gone = [key for key in self._objects if key not in listed]
        for key in gone:
            self._drop(key, int(version))
        return version

    def _watch(self, version: str) -> None:
        while not self._stopped:
            for event, obj in self._api.watch(self.kind, version, selector=self._selector):
                if self._stopped:
                    return
                version = obj["metadata"]["resourceVersion"]
                if event == "DELETED":
                    self._drop(key_of(obj), int(version))
                elif event != "BOOKMARK":
                    self._take(obj)

    def _absent(self) -> None:
        with self._lock:
            keys = list(self._objects)
        for key in keys:
            self._drop(key)
        self._synced.set()
        if self._served:
            self._served.wait_change(self._generation)
        else:
            time.sleep(5)


class Served:
    """Tells waiting informers that some CRD came, changed or went, so that they try their kind again."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.generation = 0

    def changed(self, _old: Object | None, _new: Object | None) -> None:
        with self._condition:
            self.generation += 1
            self._condition.notify_all()

    def wait_change(self, generation: int) -> None:
        """Until a change after `generation`; a served kind may lag a little behind its CRD's condition."""
        with self._condition:
            while self.generation == generation:
                self._condition.wait()
        time.sleep(0.1)


class Cluster:
    """The informers and queues of one API server, started and stopped together."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self._served = Served()
        self._informers: dict[Kind, Informer] = {}
        self._queues: list[Queue] = []
        self.stopped = threading.Event()

    def informer(self, kind: Kind, *, selector: dict[str, str] | None = None) -> Informer:
        """The cluster's one informer of a kind."""
        if kind not in self._informers:
            self._informers[kind] = Informer(self.api, kind, selector=selector, served=self._served)
        return self._informers[kind]

    def queue(self, name: str, reconcile: Callable[[Any], float | None], *, workers: int = 1) -> Queue:
        queue = Queue(f"{self.name}/{name}", reconcile, workers=workers)
        self._queues.append(queue)
        return queue

    def start(self, *, crds: bool = True) -> None:
        """Start informers, wait for their first lists, then start the queues. Raises TimeoutError."""
        if crds:
            self.informer(CRD).on_change(self._served.changed)
        informers = list(self._informers.values())
        for informer in informers:
            informer.start()
        for informer in informers:
            informer.wait_synced()
        for queue in self._queues:
            queue.start()

    def stop(self) -> None:
        self.stopped.set()
        for queue in self._queues:
            queue.stop()
        for informer in self._informers.values():
            informer.stop()
        self.api.close()


def enqueue(queue: Queue) -> Handler:
    """A handler that puts the changed object's key into a queue."""

    def handler(old: Object | None, new: Object | None) -> None:
        queue.add(key_of(new or old or {}))

    return handler


def enqueue_all(queue: Queue, keys: Callable[[], Iterable[Key]]) -> Handler:
    """A handler that puts all of `keys()` into a queue, whatever changed."""

    def handler(_old: Object | None, _new: Object | None) -> None:
        for key in keys():
            queue.add(key)

    return handler
