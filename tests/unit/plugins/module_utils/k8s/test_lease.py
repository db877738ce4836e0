"""The lease's protocol against an API of dictionaries and clocks of our own: who may write, and when nobody may."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time
import types
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.modules import helm_release

LABELS = {"of": "kof"}
PATH = "/apis/coordination.k8s.io/v1/namespaces/kcm-system/leases/kof-fleet-kof"


class Api:
    """One Lease, as the API server keeps it; `before_write` may change it just before."""

    def __init__(self) -> None:
        self.live: dict[str, Any] | None = None
        self.version = 0
        self.before_write: list[Callable[[], None]] = []
        self.sent: list[str] = []
        self.away = False

    def put(self, live: Mapping[str, Any] | None) -> None:
        self.version += 1
        self.live = None if live is None else copy.deepcopy(dict(live))
        if self.live is not None:
            self.live["metadata"] = {
                "uid": "u",
                **self.live["metadata"],
                "resourceVersion": str(self.version),
            }

    def request(self, method: str, path: str, *, body: Any = None, deadline: float | None = None) -> dict[str, Any]:
        assert path in (PATH, PATH.rpartition("/")[0])
        self.sent.append(method)
        if self.away:
            raise ApiUnavailable("the server is away")
        if method != "GET" and self.before_write:
            self.before_write.pop()()
        if method == "POST":
            if self.live is not None:
                raise ApiError(409, "AlreadyExists")
            self.put(body)
        elif self.live is None:
            raise ApiError(404, "NotFound")
        elif method != "GET":
            meant = body["preconditions"] if method == "DELETE" else body["metadata"]
            if meant["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict")
            held = method == "DELETE" and self.live["metadata"].get("finalizers")
            if held:
                body = {**self.live, "metadata": {**self.live["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
            self.put(None if method == "DELETE" and not held else body)
        json.dumps(body).encode()
        return copy.deepcopy(self.live or {})


class Memory:
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def get(self) -> dict[str, Any]:
        return dict(self.known)

    def set(self, known: Mapping[str, Any]) -> None:
        self.known = dict(known)


class World:
    """Runs, all with the same time; each may be stopped."""

    def __init__(self) -> None:
        self.api, self.time = Api(), 1000.0
        self.runs: dict[str, lease.Lease] = {}
        self.shared: dict[str, bool] = {}
        self.stopped: set[str] = set()
        self.dead: set[str] = set()
        self.said: list[str] = []

    def run(self, name: str, *, shared: bool = False, memory: Memory | None = None, seconds: int = 300) -> lease.Lease:
        def sleep(passed: float) -> None:
            self.time += passed
            for other, each in list(self.runs.items()):
                if other != name and other not in self.stopped | self.dead:
                    renew(each)

        told = {"user": "alice", "host": f"machine-of-{name}", "job": "12 nightly", "playbook": "k0rdent.kof.site"}
        made = lease.Lease(
            self.api,
            ("kcm-system", "kof-fleet-kof"),
            lease.Holder(name, told, shared, "boot", (hash(name) % 1000 + 1, name)),
            memory or Memory(),
            of="fleet kof",
            labels=LABELS,
            say=self.said.append,
            seconds=seconds,
            gone=lambda _machine, process: process[1] in self.dead,
            sleep=sleep,
            clock=lambda: self.time,
        )
        made.keep = lambda: None  # type: ignore[method-assign]  # renewed by these tests, not by a thread
        self.runs[name], self.shared[name] = made, shared
        return made

    def holds(self, name: str) -> bool:
        """Would a request of this run begin now? Asked of a copy of what it knows: to ask may lose it."""
        memory = self.runs[name]._memory
        before = memory.get()
        try:
            self.runs[name].check()
        except lease.Lost:
            return False
        finally:
            memory.set(before)
        return name not in self.dead


def renew(each: lease.Lease) -> None:
    """As its thread does."""
    if "renewed" in each._memory.get():
        try:
            each.check()
            each._renew()
        except lease.Lost:
            pass


@pytest.fixture
def world() -> World:
    return World()


def entries(world: World) -> dict[str, Any]:
    assert world.api.live
    return dict(json.loads(world.api.live["metadata"]["annotations"][lease.HOLDERS]))


def test_the_first_takes_it_and_the_second_is_told_who_has_it(world: World) -> None:
    world.run("a").take()
    assert world.api.sent == ["GET", "POST"]
    assert entries(world)["a"]["told"]["user"] == "alice"
    assert world.api.live
    assert world.api.live["spec"]["holderIdentity"] == "a"
    assert world.api.live["spec"]["leaseDurationSeconds"] == lease.SECONDS
    second = world.run("b")
    for _again in range(2):
        with pytest.raises(lease.NotHeld) as told:
            second.take()
    for text in ("alice on machine-of-a", "job 12 nightly", "k0rdent.kof.site", "since 20", "end it", "300 s"):
        assert text in str(told.value), text
    assert "sign of life" in world.said[0]
    assert world.time < 1010  # the first sign of life is enough
    assert [*entries(world)] == ["a"]


def test_a_run_that_has_it_sends_nothing_for_it_but_renewals(world: World) -> None:
    memory = Memory()
    world.run("a", memory=memory).take()
    world.api.sent.clear()
    later = world.run("a", memory=memory)
    later.take()
    later.take()
    assert not world.api.sent
    world.time += 100
    renew(later)
    renew(later)
    assert world.api.sent == ["GET", "PUT", "PUT"]  # what it wrote it need not read
    assert memory.known["renewed"] == world.time


def test_given_back_nothing_is_left_and_another_begins_at_once(world: World) -> None:
    first = world.run("a")
    first.take()
    first.release()
    assert world.api.live is None
    world.run("b").take()
    assert not world.said
    first.release()  # it has none: the other's stays
    assert [*entries(world)] == ["b"]


def test_an_answer_to_a_renewal_that_comes_late_takes_back_nothing_that_was_given_back(world: World) -> None:
    first = world.run("a")
    first.take()
    request = first._connection.request
    first._live = None

    def slow(method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = request(method, path, **more)
        if method == "PUT":
            first._connection.request = request  # type: ignore[method-assign]
            first.release()  # it has waited for this answer long enough
        return answer

    first._connection.request = slow  # type: ignore[method-assign]
    first._renew()
    assert world.api.live is None
    assert first._memory.get() == {}
    first.take()
    renew(first)
    assert entries(world)["a"]["beat"] == 2


def test_a_dead_one_of_this_machine_is_followed_at_once_of_another_after_its_time(world: World) -> None:
    world.run("a").take()
    world.dead.add("a")
    world.run("b").take()
    assert world.time == 1000.0
    world.stopped.add("b")
    world.run("c").take()
    assert 1300 <= world.time < 1310
    assert [*entries(world)] == ["c"]


def test_the_one_that_was_stopped_sends_nothing_any_more_whoever_has_it(world: World) -> None:
    memory = Memory()
    first = world.run("a", memory=memory)
    first.take()
    world.time += lease.SECONDS + 1
    with pytest.raises(lease.Lost, match="wasn't renewed for 301 s"):
        first.check()
    for task in (first, world.run("a", memory=memory)):  # nor do the run's other tasks
        with pytest.raises(lease.Lost, match="Run again"):
            task.take()
    assert world.api.sent == ["GET", "POST"]


def test_it_is_over_for_its_holder_before_it_is_for_others(world: World) -> None:
    first = world.run("a")
    first.take()
    world.time += lease.SECONDS * 0.8 + 1
    with pytest.raises(lease.Lost):
        first.check()


def test_a_renewal_that_finds_another_says_who_it_is(world: World) -> None:
    first = world.run("a")
    first.take()
    assert world.api.live
    world.api.put(None)
    world.run("b").take()
    with pytest.raises(lease.Lost, match="held now by alice on machine-of-b"):
        first._renew()
    with pytest.raises(lease.Lost, match="machine-of-b"):
        first.check()


def test_a_renewal_that_was_held_up_isnt_sent_any_more(world: World) -> None:
    """Its process was stopped after it had looked. To take it and to give it back are no renewals."""
    first = world.run("a")
    first.check(PATH)
    first.take()
    first.check(PATH)
    world.time += lease.SECONDS
    with pytest.raises(lease.Lost, match="wasn't renewed for 300 s"):
        first.check(PATH)
    with pytest.raises(lease.Lost):
        first.check(PATH)
    second = world.run("b")
    second.take()
    second._memory.set({})  # as `release` begins
    second.check(PATH)


def test_a_lease_that_somebody_deleted_is_lost(world: World) -> None:
    first = world.run("a")
    first.take()
    world.api.put(None)
    with pytest.raises(lease.Lost, match="deleted or written anew"):
        first._renew()
    assert world.api.live is None


def test_while_the_server_is_away_it_is_held_until_its_time_is_up(world: World) -> None:
    first = world.run("a")
    first.take()
    world.api.away = True
    world.time += 200
    with pytest.raises(ApiUnavailable):
        first._renew()
    first.check()
    world.time += 41
    with pytest.raises(lease.Lost):
        first.check()


def test_slices_share_it_and_nobody_else_gets_in(world: World) -> None:
    slices = [world.run(f"slice{number}", shared=True) for number in range(8)]
    for each in slices:
        each.take()
    assert len(entries(world)) == 8
    with pytest.raises(lease.NotHeld, match="machine-of-slice"):
        world.run("site").take()
    for each in slices:
        each._renew()
        each.check()
    for each in slices[:7]:
        each.release()
    assert [*entries(world)] == ["slice7"]
    assert world.api.live
    assert world.api.live["spec"]["holderIdentity"] == "slice7"
    slices[7].release()
    assert world.api.live is None
    world.run("later").take()
    with pytest.raises(lease.NotHeld):
        world.run("slice9", shared=True).take()


def test_of_two_that_take_it_at_once_one_is_told_of_the_other(world: World) -> None:
    other = world.run("b")
    world.api.before_write.append(other.take)
    with pytest.raises(lease.NotHeld, match="machine-of-b"):
        world.run("a").take()


def test_who_waits_for_one_that_ends_meanwhile_is_told_to_run_again(world: World) -> None:
    first = world.run("a")
    first.take()
    world.stopped.add("a")
    second = world.run("b")
    second._sleep = lambda _seconds: first.release()  # type: ignore[assignment]
    with pytest.raises(lease.NotHeld, match=r"has just ended.*run again"):
        second.take()


def test_slices_behind_a_dead_run_all_go_on_whoever_takes_it_over_first(world: World) -> None:
    world.run("site").take()
    world.stopped.add("site")
    first, second = world.run("s1", shared=True), world.run("s2", shared=True)
    sleep, took = second._sleep, []

    def slept(seconds: float) -> None:
        sleep(seconds)
        if world.time >= 1290 and not took:
            took.append("s1")
            dead = lease._entries(first._read())
            sent = first._put(first._read(), {}, None, list(dead))  # it began to watch a little earlier
            first._memory.set({"renewed": sent})

    second._sleep = slept  # type: ignore[method-assign]
    second.take()
    assert took == ["s1"]
    assert {*entries(world)} == {"s1", "s2"}
    renew(first)
    assert entries(world)["s1"]["over"] == ["site"]
    with pytest.raises(lease.NotHeld, match="machine-of-s"):
        world.run("other").take()


def test_a_task_whose_run_has_ended_takes_it_from_nobody(world: World) -> None:
    world.run("a").take()
    world.stopped.add("a")
    orphan = world.run("b")
    orphan._alive = lambda: world.time < 1100
    with pytest.raises(lease.Lost, match="Ansible has ended"):
        orphan.take()
    assert [*entries(world)] == ["a"]


def test_what_else_the_server_forbids_is_no_missing_right(world: World) -> None:
    def refuse() -> None:
        raise ApiError(403, "Forbidden", "unable to create new content in namespace kcm-system: it is being terminated")

    world.api.before_write.append(refuse)
    with pytest.raises(lease.NotHeld, match=r"can't be taken: unable to create .* terminated\. Nothing was changed"):
        world.run("a").take()


def test_a_missing_right_and_a_strangers_lease_are_told_before_anything_is_written(world: World) -> None:
    def refuse() -> None:
        raise ApiError(403, "Forbidden", 'leases "x" is forbidden: User "ann" cannot create resource "leases"')

    world.api.before_write.append(refuse)
    with pytest.raises(lease.NotHeld, match=r"right to get, create, update and delete leases.*kcm-system.*rights\.md"):
        world.run("a").take()

    def homeless() -> None:
        raise ApiError(404, "NotFound", 'namespaces "kcm-system" not found')

    world.api.before_write.append(homeless)
    with pytest.raises(lease.NotHeld, match=r'namespaces "kcm-system" not found.*kubectl create namespace kcm-system'):
        world.run("a").take()
    world.api.put({"metadata": {"name": "kof-fleet-kof", "labels": {"of": "another"}}, "spec": {}})
    with pytest.raises(lease.NotHeld, match="belongs to somebody else"):
        world.run("b").take()


@pytest.mark.parametrize(
    "holders",
    [
        "",
        "[]",
        "null",
        "{",
        "7",
        '{"x": 1}',
        '{"": {}}',
        '{"\\ud800": {}}',
        '{"r": {"beat": "x", "seconds": 1e400}}',
        '{"r": {"told": [1], "process": [1, 2, 3], "since": 7, "seconds": -1, "machine": {}, "shared": "yes"}}',
    ],
)
def test_whatever_somebody_wrote_into_it_it_is_waited_for_or_free(world: World, holders: str) -> None:
    spec = {"holderIdentity": None if holders else "kubectl", "renewTime": "2026-01-01T00:00:00.000000Z"}
    world.api.put({"metadata": {"labels": LABELS, "annotations": {lease.HOLDERS: holders}}, "spec": spec})
    before = world.time
    world.run("a").take()
    assert entries(world)["a"]["beat"] == 1
    named = bool(holders) and '": {' in holders and '"": ' not in holders
    assert (world.time > before) == (named or not holders)
    assert world.time - before < lease.SECONDS + 5


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        [],
        {"holderIdentity": "", "renewTime": None},
        {"holderIdentity": "x"},
        {"holderIdentity": "x", "leaseDurationSeconds": -7, "renewTime": "nonsense", "acquireTime": 5},
        {"holderIdentity": "x", "leaseDurationSeconds": 2**31 - 1, "renewTime": "2999-12-31T23:59:59.999999Z"},
        {"holderIdentity": 7, "leaseDurationSeconds": "x", "renewTime": "0001-01-01T00:00:00Z"},
    ],
)
def test_a_spec_of_any_form_is_watched_by_our_own_clock_alone(world: World, spec: Any) -> None:
    """Whatever time it says: somebody is named, and gives no sign of life for as long as a run holds it, or nobody."""
    world.api.put({"metadata": {"labels": LABELS}, "spec": spec})
    before = world.time
    world.run("a").take()
    waited = world.time - before
    assert waited == pytest.approx(lease.SECONDS if spec and spec.get("holderIdentity") else 0, abs=5)
    assert world.api.live is not None
    assert world.api.live["spec"]["holderIdentity"] == "a"


@pytest.mark.parametrize("seconds", [-1, 0, True, False, None, "9", 1e400, 0.5, 10**9])
def test_a_time_that_no_run_says_takes_the_lease_from_nobody_early(world: World, seconds: Any) -> None:
    holders = json.dumps({"r": {"beat": 1, "seconds": seconds}})
    world.api.put({"metadata": {"labels": LABELS, "annotations": {lease.HOLDERS: holders}}, "spec": {}})
    before = world.time
    world.run("a").take()
    assert lease.SECONDS <= world.time - before <= lease._LONGEST + 5


@pytest.mark.parametrize("since", ["2026-13-45T99:99:99.000000Z", "0000-00-00T00:00:00.000000Z", "x"])
def test_a_time_that_is_none_is_not_written_again(world: World, since: str) -> None:
    """The API server would take no write of the Lease any more."""
    holders = json.dumps({"r": {"beat": 1, "shared": True, "since": since}})
    world.api.put({"metadata": {"labels": LABELS, "annotations": {lease.HOLDERS: holders}}, "spec": {}})
    world.run("a", shared=True).take()
    assert world.api.live is not None
    assert world.api.live["spec"]["acquireTime"].startswith("20")
    assert "99:99" not in world.api.live["spec"]["acquireTime"]


def test_one_that_somebody_holds_by_a_finalizer_is_nobodys_and_says_so(world: World) -> None:
    """It is given back, and doesn't go: the next runs neither wait for a holder nor work with what goes any moment."""
    world.run("a").take()
    assert world.api.live is not None
    world.api.live["metadata"]["finalizers"] = ["example.com/hold"]
    world.runs["a"].release()
    assert world.api.live["metadata"]["deletionTimestamp"]
    assert entries(world) == {}
    for name in ("b", "c"):
        before = world.time
        with pytest.raises(lease.NotHeld) as refused:
            world.run(name).take()
        assert world.time - before < 15
        for told in ("is being deleted since 2026-01-01", "example.com/hold", "kubectl patch lease kof-fleet-kof"):
            assert told in str(refused.value)
    # Whoever holds it takes it off meanwhile.
    later = world.run("d")
    sleep = later._sleep

    def gone(passed: float) -> None:
        sleep(passed)
        world.api.put(None)

    later._sleep = gone
    later.take()
    assert entries(world).keys() == {"d"}


def test_one_that_is_being_deleted_is_held_by_who_has_it_as_long_as_it_is_there(world: World) -> None:
    world.run("a").take()
    assert world.api.live is not None
    going = {"finalizers": ["example.com/hold"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    world.api.put({**world.api.live, "metadata": {**world.api.live["metadata"], **going}})
    world.time += 100
    renew(world.runs["a"])
    assert world.holds("a")
    with pytest.raises(lease.NotHeld, match="another run is at work on fleet kof: alice on machine-of-a"):
        world.run("b").take()
    world.runs["a"].release()
    assert entries(world) == {}
    world.api.put(None)
    world.run("c").take()


def test_to_prove_it_asks_the_server(world: World) -> None:
    first = world.run("a")
    first.prove()
    assert world.api.sent == ["GET", "POST"]
    world.time += 100
    first.prove()
    assert world.api.sent[2:] == ["PUT"]
    assert first._memory.get()["renewed"] == world.time
    world.time += 100
    world.api.put(None)
    with pytest.raises(lease.Lost, match="deleted or written anew"):
        first.prove()


def test_a_module_sees_whether_the_run_that_began_it_has_the_lease_still(world: World) -> None:
    first = world.run("a")
    first.take()
    given = lease.handed_over(first)
    lease.see(world.api, {})  # nobody said that it needs one
    lease.see(world.api, given)
    guard = helm_release._guard(
        types.SimpleNamespace(params={"fleet": "kof", "release_namespace": "kof", "take_over_fleet": []})
    )
    assert guard
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(helm_release.shared_layer, "refuse", lambda *_arguments: None)
        for name, value in given.items():
            patched.setenv(name, value)
        guard(world.api)
        first.release()
        with pytest.raises(lease.Lost, match="lost the lease"):
            guard(world.api)
        world.run("b").take()
        with pytest.raises(lease.Lost):
            guard(world.api)
    world.api.away = True
    with pytest.raises(ApiUnavailable):
        lease.see(world.api, given)


def test_requests_that_change_something() -> None:
    assert lease.is_write("PATCH", "/api/v1/namespaces/kof", {"fieldManager": "k0rdent.kof"})
    assert lease.is_write("DELETE", "/api/v1/namespaces/kof", None)
    assert lease.is_write("POST", "/api/v1/namespaces", {})
    assert not lease.is_write("PATCH", "/api/v1/namespaces/kof", {"dryRun": "All"})
    assert not lease.is_write("GET", "/api/v1/namespaces/kof", None)
    assert not lease.is_write("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None)
    assert not lease.is_write("POST", "/api/v1/namespaces/kof/serviceaccounts/grafana/token", None)


@pytest.mark.parametrize(("missing", "clock"), [("", time.CLOCK_BOOTTIME), ("CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)])
def test_the_clock_is_one_that_goes_on_while_the_machine_sleeps(missing: str, clock: int) -> None:
    """Of macOS, which has no CLOCK_BOOTTIME, that is CLOCK_MONOTONIC (clock_gettime(3) there), not time.monotonic."""
    with pytest.MonkeyPatch.context() as patched:
        asked: list[int] = []
        patched.setattr(time, "clock_gettime", lambda each: asked.append(each) or 0.0)
        if missing:
            patched.delattr(time, missing)
        made = types.ModuleType("lease_of_another_system")
        patched.setitem(sys.modules, made.__name__, made)
        exec(compile(pathlib.Path(lease.__file__).read_text(), lease.__file__, "exec"), made.__dict__)
        made.now()
    assert asked == [clock]


def test_a_process_has_gone_only_where_that_is_sure() -> None:
    here, this = lease.machine(), lease.process(os.getpid())
    assert here
    assert this[1].isdigit()
    assert not lease.gone(here, this)
    assert lease.gone(here, (this[0], "1"))  # another one with its number
    child = subprocess.Popen([sys.executable, "-c", ""])
    was = lease.process(child.pid)
    child.wait()
    assert lease.gone(here, was)
    assert not lease.gone("another start of it", was)
    assert not lease.gone("", was)
    assert not lease.gone(here, (was[0], ""))
    assert not lease.gone(here, (0, "1"))
    assert not lease.gone(here, lease.process(1))


def test_a_thread_renews_it_until_it_is_told_to_stop() -> None:
    world = World()
    made = world.run("a", seconds=2)
    del made.keep  # type: ignore[attr-defined]  # the real one
    made._clock = lease.now
    made.take()
    pause = multiprocessing.Event()
    began = time.monotonic()
    while time.monotonic() - began < 2.5 or entries(world)["a"]["beat"] < 4:  # more than its time has passed
        assert time.monotonic() - began < 120
        pause.wait(0.2)
        made.check()
    made.stop()
    pause.wait(0.6)
    beat = entries(world)["a"]["beat"]
    pause.wait(0.9)
    assert entries(world)["a"]["beat"] == beat


class Runs(RuleBasedStateMachine):
    """Whatever runs do, and die or are stopped meanwhile: two that don't share it never write at the same time."""

    names = st.sampled_from(["a", "b", "c", "s1", "s2"])

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for name in ("a", "b", "c", "s1", "s2"):
            self.world.run(name, shared=name.startswith("s"), seconds=30)
        self.number = 0

    @rule(name=names, torn=st.integers(0, 3))
    def take(self, name: str, torn: int) -> None:
        if name in self.world.stopped | self.world.dead:
            return
        self._others_first(torn)
        self.world.runs[name]._refused = None  # its next task
        try:
            self.world.runs[name].take()
        except (lease.NotHeld, lease.Lost):
            return
        assert self.world.holds(name)

    @rule(name=names, torn=st.integers(0, 2))
    def renew(self, name: str, torn: int) -> None:
        if name not in self.world.stopped | self.world.dead:
            self._others_first(torn)
            renew(self.world.runs[name])

    @rule(name=names)
    def release(self, name: str) -> None:
        if name not in self.world.stopped | self.world.dead:
            self.world.runs[name].release()

    @rule(name=names)
    def stop(self, name: str) -> None:
        self.world.stopped.add(name)

    @rule(name=names)
    def go_on(self, name: str) -> None:
        self.world.stopped.discard(name)

    @precondition(lambda self: len(self.world.dead) < 3)
    @rule(name=names)
    def die_and_begin_anew(self, name: str) -> None:
        self.number += 1
        self.world.dead.add(name)
        self.world.runs.pop(name, None)
        self.world.run(f"{name}{self.number}", shared=name.startswith("s"), seconds=30)

    @rule(seconds=st.floats(0.1, 40))
    def time_passes(self, seconds: float) -> None:
        self.world.time += seconds

    def _others_first(self, torn: int) -> None:
        """Somebody else writes the Lease between our look and our write."""

        def touch() -> None:
            if self.world.api.live is not None:
                self.world.api.put(self.world.api.live)

        self.world.api.before_write = [touch] * torn

    @invariant()
    def one_writes_or_all_share(self) -> None:
        writing = [name for name in self.world.runs if self.world.holds(name)]
        assert len(writing) < 2 or all(self.world.shared[name] for name in writing), writing


Runs.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRuns = Runs.TestCase
