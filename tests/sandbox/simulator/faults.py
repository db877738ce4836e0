"""The faults one can switch on: `faults.json` of the sandbox's folder, read again whenever it changes."""

from __future__ import annotations

import fnmatch
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

log = logging.getLogger("simulator")


@dataclass(frozen=True)
class FaultSet:
    """What is switched on. Clusters and credentials by name, services as `cluster/service`."""

    slow_seconds: float = 0.0  # a cluster's infrastructure takes that much longer
    step_seconds: float = 0.0  # see `Faults.step`
    slow_sveltos_seconds: float = 0.0  # from a ClusterSummary's new spec until Sveltos looks at it
    never_ready: frozenset[str] = field(default_factory=frozenset)
    credential_not_ready: frozenset[str] = field(default_factory=frozenset)
    helm_fails_first: frozenset[str] = field(default_factory=frozenset)
    helm_failed_non_retriable: frozenset[str] = field(default_factory=frozenset)
    helm_of_others: frozenset[str] = field(default_factory=frozenset)
    helm_conflict: frozenset[str] = field(default_factory=frozenset)
    says_no: frozenset[str] = field(default_factory=frozenset)  # cluster/Condition
    stuck_finalizer: frozenset[str] = field(default_factory=frozenset)
    unreachable: frozenset[str] = field(default_factory=frozenset)
    kcm_asleep: frozenset[str] = field(default_factory=frozenset)
    asleep: frozenset[str] = field(default_factory=frozenset)  # promxy, grafana
    kcm_ignores: frozenset[str] = field(default_factory=frozenset)  # patterns of namespaces

    def ignored(self, namespace: str) -> bool:
        """Whether kcm leaves the ClusterDeployments of a namespace alone (its webhooks still judge them)."""
        return any(fnmatch.fnmatchcase(namespace, pattern) for pattern in self.kcm_ignores)


def parse(data: Any) -> FaultSet:
    """The fault set that JSON data describes. Raises ValueError for an unknown name or a wrong type."""
    if not isinstance(data, dict):
        raise ValueError("faults must be an object")
    known = {f.name for f in fields(FaultSet)}
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name not in known:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(known))}")
        if name.endswith("_seconds"):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"{name} must be a number of seconds")
            values[name] = float(value)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            values[name] = frozenset(value)
        else:
            raise ValueError(f"{name} must be a list of names")
    return FaultSet(**values)


class Faults:
    """The current fault set; `watch` tells of changes. `step`: see there."""

    def __init__(self, path: Path, *, step: float = 0.0) -> None:
        self._path = path
        self._step = step
        self._stamp: tuple[int, int] | None = None
        self._current = FaultSet()
        self._lock = threading.Lock()

    def current(self) -> FaultSet:
        """What faults.json says now; a file that is being written or wrong leaves the last good one in force."""
        with self._lock:
            self._read()
            return self._current

    def step(self) -> float:
        """Seconds for what takes Sveltos about ten, and the rest in proportion; 0: nothing in between is shown.

        A thousand clusters would spend minutes on states that nobody looks at.
        """
        return self.current().step_seconds or self._step

    def _read(self) -> bool:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return False
        try:
            self._current = parse(json.loads(self._path.read_text())) if stamp else FaultSet()
        except (OSError, ValueError) as error:
            log.warning("%s: %s", self._path, error)
            return False
        self._stamp = stamp
        return True

    def watch(self, changed: Callable[[], None], stop: threading.Event, every: float = 0.5) -> None:
        """Call `changed` after each change of the file until `stop` is set. One stat per `every` seconds."""
        last = self.current()
        while not stop.wait(every):
            now = self.current()
            if now != last:
                last = now
                changed()
