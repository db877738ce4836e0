# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look inside of every cluster of a fleet, at the same time, each with its own deadline and its own credentials.

Reads only. Kubeconfigs come from Secrets of the management cluster and are in memory alone; nothing of how the
management cluster is reached (proxy, authority, login, environment) goes into these connections. One cluster that is
dead, slow or hostile is a finding of its own and holds up nobody else.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import foreign_kubeconfig, workloads
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import settings
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    OTHER_FORM,
    Readiness,
    failed,
    of_any_form,
    progressing,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import operators
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Inside, Part, right
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]

#: Clusters that are visited at a time: one that is dead takes its deadline and nothing else.
VISITS = 256
#: Of those that have answered, how many are asked the rest at a time: more would only wait for each other here, while
#: their own deadlines pass.
TURNS = 16
#: Bytes of all answers of a cluster: pods of a thousand nodes, and no more than this machine can hold.
LARGEST = 64 * 2**20
#: Seconds over its deadline after which nobody waits for a visit any more: a name's resolution can't be ended.
GRACE = 2.0
_TICK = 0.2
#: Pods of any namespace whose UIDs are kept, beside those of a cluster's parts: enough that one of them says something.
PODS_KEPT = 100

_POD, _CLAIM, _SERVICE = ("v1", "Pod"), ("v1", "PersistentVolumeClaim"), ("v1", "Service")
_CLASS = ("storage.k8s.io/v1", "StorageClass")
#: What is looked at in each namespace of a cluster's parts, whatever its name.
_BESIDE = (_POD, _CLAIM, _SERVICE, operators.CERTIFICATE)
#: Of a server that the kubeconfig leads to.
NO_API = "it answers as no API server does"
#: What is no more than that pods of a workload aren't there: a pod itself may tell why.
_OF_PODS = ("deployment-not-available", "deployment-stuck", "workload-not-ready")


@dataclass(frozen=True)
class Found:
    """
    :ivar what: what it is of.
    :ivar obj: it, where it is there.
    :ivar reach: whether it is about the way to the cluster rather than about what is there.
    """

    what: str
    verdict: Readiness
    obj: Mapping[str, Any] | None = None
    reach: bool = False


@dataclass(frozen=True)
class Kept:
    """What is kept of a cluster to know its data by.

    :ivar pods: UIDs; None where they could not be read.
    :ivar collectors: its OpenTelemetryCollectors, which hold a login; None likewise.
    """

    pods: Sequence[str] | None = None
    collectors: Sequence[Object] | None = field(default=None, repr=False)


@dataclass(eq=False)
class Visit:
    """One cluster's.

    :ivar name: the cluster's.
    :ivar parts: what is to be there, each an object inside of it.
    :ivar secrets: where its kubeconfig may be, in order: namespace and name.
    :ivar seconds: its own deadline, from its first request; waiting for a turn doesn't count.
    :ivar keeps: whether `kept` is to be filled; holds: whether `held` is.
    :ivar held: what is there of the parts.
    :ivar found: when it is over.
    """

    name: str
    parts: Sequence[Part]
    secrets: Sequence[tuple[str, str]]
    seconds: float
    keeps: bool = False
    holds: bool = False
    held: list[Object] = field(default_factory=list, repr=False)
    found: list[Found] = field(default_factory=list)
    kept: Kept = Kept()
    #: time.monotonic() at which it has to be done; None while it doesn't count.
    until: float | None = None
    #: Gives its turn back, once.
    turn: _Turn | None = None
    #: Why its kubeconfig may not be read.
    forbidden: str = ""

    @property
    def refs(self) -> list[Ref]:
        """What is to be there, inside of it."""
        return [part.what.ref for part in self.parts if isinstance(part.what, Inside)]


class _Turn:
    def __init__(self, turns: threading.Semaphore) -> None:
        self._turns, self._lock, self._held = turns, threading.Lock(), True
        turns.acquire()

    def give_back(self) -> None:
        with self._lock:
            if self._held:
                self._held = False
                self._turns.release()


def look(management: Connection, visits: Sequence[Visit], recent: Callable[[str], bool]) -> None:
    """Make all visits, many at a time; each has `found` then.

    :param management: a connection to the management cluster, for their kubeconfigs.
    :param recent: whether a time (RFC 3339) is so near that it matters that a container was killed then.
    :raises ApiUnavailable, ApiError: the management cluster doesn't answer, or refuses more than a Secret.
    """
    management.resource("v1", "Secret")  # once, before all ask for it
    turns = threading.Semaphore(TURNS)
    done: queue.SimpleQueue[tuple[Visit, list[Found], Exception | None]] = queue.SimpleQueue()
    waiting, flying = list(reversed(visits)), set[Visit]()

    def run(visit: Visit) -> None:
        try:
            done.put((visit, list(_visited(management, visit, turns, recent)), None))
        except Exception as error:  # whatever it is, the main thread must hear of it
            done.put((visit, [], error))
        finally:
            visit.until = None
            if visit.turn:
                visit.turn.give_back()

    while waiting or flying:
        while waiting and len(flying) < VISITS:
            visit = waiting.pop()
            flying.add(visit)
            # Not a pool's: those are waited for at the end of the process, however long they hang.
            threading.Thread(target=run, args=(visit,), daemon=True).start()
        try:
            visit, found, error = done.get(timeout=_TICK)
        except queue.Empty:
            pass
        else:
            if visit in flying:
                flying.discard(visit)
                if error:
                    raise error
                visit.found = found
        now = time.monotonic()
        for visit in [each for each in flying if each.until is not None and now > each.until + GRACE]:
            flying.discard(visit)
            visit.found = [_late(visit, "no answer")]
            if visit.turn:
                visit.turn.give_back()


# -- one visit, in its own thread


def connection_by(config: dict[str, Any]) -> Connection:
    """A connection by a cluster's own kubeconfig, and of this process' environment by nothing: neither its proxies nor
    its K8S_AUTH_* are meant for that cluster. What answers there may be anything, so that all of it has a bound.

    :raises ApiUnavailable: it can't be used.
    """
    return Connection(replace(settings({"kubeconfig": config}, {}), source="its kubeconfig"), most=LARGEST)


def _visited(
    management: Connection, visit: Visit, turns: threading.Semaphore, recent: Callable[[str], bool]
) -> Iterator[Found]:
    config = _kubeconfig(management, visit)
    if isinstance(config, Found):
        yield config
        return
    if config is None:
        return
    try:
        connection = connection_by(config)
    except ApiUnavailable as error:
        yield _reach(failed(f"its kubeconfig can't be used: {error}", code="kubeconfig-unusable"))
        return
    connection.observe = management.observe
    with connection:
        reader = _Reader(connection, visit, time.monotonic() + visit.seconds)
        visit.until = reader.until
        if reader.answers(visit.refs[0]):
            left, visit.until = reader.until - time.monotonic(), None
            visit.turn = _Turn(turns)
            reader.until = visit.until = time.monotonic() + left
            reader.read()
            if visit.keeps:
                visit.kept = reader.kept()
            if visit.holds:
                found = (reader.objects.get(_place(ref), {}).get(ref.name) for ref in visit.refs)
                visit.held = [each for each in found if each is not None]
        visit.until = None
        yield from reader.trouble()
        yield from judged(visit.name, visit.parts, reader.objects, reader.unread, recent)


def _kubeconfig(management: Connection, visit: Visit) -> dict[str, Any] | Found | None:
    """What a kubeconfig says of how to reach the cluster; or why that isn't known. None where it may not be read."""
    tried = []
    for namespace, name in visit.secrets:
        try:
            secret = get_or_none(management, ("v1", "Secret", namespace, name))
        except ApiError as error:
            if error.status != 403:
                raise
            visit.forbidden = str(error)
            return None
        found = foreign_kubeconfig.in_secret(secret) if secret else None
        if found is None:
            tried.append(f"Secret {namespace}/{name} " + ("holds no kubeconfig" if secret else "doesn't exist"))
        elif found.ca_file or (found.left_out and not found.has_login):
            how = "has its authority in a file" if found.ca_file else f"logs in by {some(found.left_out)}"
            why = f"the kubeconfig in Secret {namespace}/{name} {how}, which isn't run or read here"
            return _reach(failed(why, code="kubeconfig-unusable"))
        else:
            return found.config
    return _reach(progressing(some(tried), code="kubeconfig-missing"))


def _reach(verdict: Readiness) -> Found:
    return Found("", verdict, reach=True)


def _late(visit: Visit, why: str) -> Found:
    return _reach(progressing(f"{why} within {visit.seconds:g} s", code="cluster-not-answering"))


class _Reader:
    """What a cluster has, as far as it answers in time."""

    def __init__(self, connection: Connection, visit: Visit, until: float) -> None:
        self.connection, self.visit, self.until = connection, visit, until
        #: By apiVersion, kind and namespace; None for what could not be read.
        self.objects: dict[tuple[str, str, str | None], dict[str, Object]] = {}
        self.unread: dict[tuple[str, str, str | None], str] = {}
        self._gone = ""  # why nothing further is asked
        self._refused: list[str] = []
        self._unknown = False  # whether it takes the login for nobody's
        self._asked = 0

    def answers(self, first: Ref) -> bool:
        self._named(first)
        return not self._gone

    def read(self) -> None:
        refs = self.visit.refs
        for ref in refs:
            if ref.kind in ("Namespace", "Secret") and ref.name not in self.objects.get(_place(ref), {}):
                self._named(ref)
        spaces = [ref.name for ref in refs if ref.kind == "Namespace" and ref.name in self._there(ref)]
        kinds = {space: dict[tuple[str, str], None]() for space in spaces}
        for ref in refs:
            if ref.namespace in kinds and ref.kind != "Secret":
                kinds[ref.namespace][ref.api_version, ref.kind] = None
        for space, wanted in kinds.items():
            for api, kind in (*wanted, *_BESIDE):
                self._list(api, kind, space)
        claims = [claim for space in spaces for claim in self.objects.get((*_CLAIM, space), {}).values()]
        if any(dig(each, ("status", "phase")) != "Bound" for each in claims):
            self._list(*_CLASS, None)

    def kept(self) -> Kept:
        page = self._ask((*_POD, None), _path(*_POD, None), {"limit": str(PODS_KEPT)})
        pods = [
            pod for (api, kind, _space), held in self.objects.items() if (api, kind) == _POD for pod in held.values()
        ]
        others = dig(page, ("items",))
        pods += others if isinstance(others, list) else ()
        uids = list(dict.fromkeys(str(dig(pod, ("metadata", "uid"))) for pod in pods))
        collectors = [
            each
            for (api, kind, _space), held in self.objects.items()
            if (api, kind) == operators.COLLECTOR
            for each in held.values()
        ]
        unknown = self._gone or any(place[:2] == operators.COLLECTOR for place in self.unread)
        return Kept(uids if uids or page is not None else None, None if unknown else collectors)

    def trouble(self) -> Iterator[Found]:
        """What of it could not be read."""
        if self._gone and not self._unknown:
            after = f" (after {self._asked} answers)" if self._asked else ""
            yield _reach(progressing(f"{self._gone}{after}", code="cluster-not-answering"))
        if self._refused:
            yield _reach(progressing(some(self._refused, 2), code="kubeconfig-refused"))

    def _there(self, ref: Ref) -> Mapping[str, Object]:
        return self.objects.get(_place(ref), {})

    def _named(self, ref: Ref) -> None:
        place = _place(ref)
        found = self._ask(place, f"{_path(*place)}/{ref.name}", name=ref.name)
        if found is not None:
            self.objects.setdefault(place, {}).update({ref.name: found} if found else {})

    def _list(self, api: str, kind: str, namespace: str | None) -> None:
        place = (api, kind, namespace)
        if place in self.objects or place in self.unread:
            return
        if self._gone:
            self.unread[place] = self._gone
            return
        try:
            items, _version = self.connection.list_objects(_path(*place), deadline=self.until)
        except (ApiError, ApiUnavailable) as error:
            if self._failed(place, error):
                return
            items = []  # its kind isn't served
        except OTHER_FORM:
            items = [{}]
        self._asked += 1
        if all(map(_is_object, items)):
            self.objects[place] = {each["metadata"]["name"]: each for each in items}
        else:
            self.unread[place] = self._gone = NO_API

    def _ask(
        self,
        place: tuple[str, str, str | None],
        path: str,
        query: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Object | None:
        """An object of this name or a page, {} where there is none, None where that isn't known."""
        if self._gone:
            self.unread[place] = self._gone
            return None
        try:
            found = self.connection.request("GET", path, query=query, deadline=self.until)
        except (ApiError, ApiUnavailable) as error:
            if self._failed(place, error, named=name is not None):
                return None
            self._asked += 1
            return {}
        self._asked += 1
        if name is not None and not _is_object(found, name):
            self.unread[place] = self._gone = NO_API
            return None
        return found

    def _failed(
        self, place: tuple[str, str, str | None], error: ApiError | ApiUnavailable, *, named: bool = False
    ) -> bool:
        """False for what isn't there."""
        self.unread[place] = str(error)
        if isinstance(error, ApiError) and error.status == 404:
            # Of a kind that it doesn't serve an API server says no more than that there is no such path.
            if named and error.reason != "NotFound":
                self._gone = self.unread[place] = NO_API
                return True
            del self.unread[place]
            return False
        if isinstance(error, ApiError) and error.status == 403:
            self._asked += 1
            self._refused.append(str(error))
        elif isinstance(error, ApiError) and error.status == 401:
            self._gone, self._unknown = str(error), True
            self._refused.append(str(error))
        elif time.monotonic() >= self.until:
            self._gone = f"no answer within {self.visit.seconds:g} s"
        else:
            self._gone = str(error)
        return True


def _is_object(found: Any, name: str | None = None) -> bool:
    """Whether it has the metadata that an API server writes, of this name."""
    meta = dig(found, ("metadata",))
    called = dig(meta, ("name",))
    maps = [dig(meta, (key,)) for key in ("labels", "annotations")]
    lists = [dig(meta, (key,)) for key in ("ownerReferences", "managedFields", "finalizers")]
    return (
        isinstance(called, str)
        and name in (None, called)
        and all(each is None or isinstance(each, dict) for each in maps)
        and all(each is None or isinstance(each, list) for each in lists)
        and all(isinstance(each, dict) for entries in lists[:2] for each in entries or ())
    )


def _place(ref: Ref) -> tuple[str, str, str | None]:
    return ref.api_version, ref.kind, ref.namespace


def _path(api: str, kind: str, namespace: str | None) -> str:
    """By Kubernetes' own guess of the plural: to discover kinds takes a cluster longer than to list them."""
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    plural = right("verify", Ref(api, kind, namespace, "")).resource
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


# -- judging; pure


def judged(
    name: str,
    parts: Iterable[Part],
    objects: Mapping[tuple[str, str, str | None], Mapping[str, Object]],
    unread: Mapping[tuple[str, str, str | None], str],
    recent: Callable[[str], bool],
) -> Iterator[Found]:
    """What is wrong inside of a cluster, each cause once.

    :param name: of the cluster.
    :param objects: by apiVersion, kind and namespace what is there; what isn't in it was not looked at.
    :param unread: of the same, what could not be read.
    """
    missing: set[str] = set()
    late: dict[tuple[str | None, str, str], Found] = {}
    found: list[Found] = []
    for part in parts:
        ref = part.what.ref if isinstance(part.what, Inside) else None
        if ref is None or part.target is None or _place(ref) in unread or ref.namespace in missing:
            continue
        if _place(ref) not in objects:
            continue
        obj = objects[_place(ref)].get(ref.name)
        verdict = of_any_form(part.target().judge, obj, Lookup())
        if ref.kind == "Namespace" and obj is None:
            missing.add(ref.name)
        each = Found(str(part.what), called(ref.name, verdict), obj)
        if verdict.code in _OF_PODS:
            late[ref.namespace, ref.kind, ref.name] = each
        else:
            found.append(each)

    def of(obj: Mapping[str, Any], verdict: Readiness) -> Found:
        return Found(str(Inside(name, ref_of(obj))), called(obj["metadata"]["name"], verdict), obj)

    for space in dict.fromkeys(space for _api, _kind, space in objects if space):
        for trouble in _troubles(space, objects, recent):
            workload = late.get((space, *trouble.of))
            if workload is None:
                found.append(of(trouble.obj, trouble.verdict))
            elif not trouble.plain:
                why = f"{workload.verdict.why}; {trouble.verdict.why}"
                told = progressing(why, code=trouble.verdict.code, since=trouble.verdict.since)
                late[space, *trouble.of] = Found(workload.what, told, workload.obj)
        for kind, judge in ((_SERVICE, workloads.load_balancer), (operators.CERTIFICATE, operators.certificate)):
            found += [of(obj, of_any_form(judge, obj)) for obj in objects.get((*kind, space), {}).values()]
        logins = [
            each
            for each in objects.get(("v1", "Secret", space), {}).values()
            if operators.value_of(each, "username") and operators.value_of(each, "password")
        ]
        collectors = objects.get((*operators.COLLECTOR, space), {}).values() if logins else ()
        found += [of(obj, of_any_form(operators.collector_login, obj, logins)) for obj in collectors]
    yield from (each for each in (*found, *late.values()) if not each.verdict.ready)


def _troubles(
    space: str,
    objects: Mapping[tuple[str, str, str | None], Mapping[str, Object]],
    recent: Callable[[str], bool],
) -> Iterator[workloads.Trouble]:
    pods, claims = (objects.get((*kind, space), {}).values() for kind in (_POD, _CLAIM))
    return workloads.troubles(pods, claims, list(objects.get((*_CLASS, None), {}).values()), recent)


def called(name: str, verdict: Readiness) -> Readiness:
    """With its name in why: a face tells what is the same of several clusters once, and that isn't the same."""
    return Readiness(
        verdict.state, f"{name}: {verdict.why}", verdict.can_heal, verdict.advice, None, verdict.code, verdict.since
    )
