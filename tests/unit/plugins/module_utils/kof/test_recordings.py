"""The real chain's recordings, replayed: ready is said where the oracle says so, and never where it doesn't.

The oracle (tests/recordings) was written apart from readiness.py. A view of the cluster may lag behind it, kind by
kind, as real WATCHes do, lose events and be cut off until the next LIST. A verdict "ready" is right when the oracle
agrees at some moment since the seen ClusterDeployment came about.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import recordings
import slices
from recordings import NAMESPACE, RUNS, Moment, not_deployed

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait as waiting
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import FAILED
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, readiness

API = "k0rdent.mirantis.com/v1alpha1"
#: Where the judge that compared the summary's own values said ready, and nothing of the change was deployed.
FALSE_READY = {
    "kcm-0.1.0-run1": ["14:43:27.920", "14:44:53.379", "14:47:10.109", "14:57:37.174"],
    "kcm-0.1.0-run2": ["15:13:01.986", "15:13:54.470", "15:15:25.192"],
}
#: (run, cluster, from when on it was whole until it was changed, deleted, or the recording ended).
HEALTHY = [
    ("kcm-0.1.0-run1", "reg1", "14:41:00.726"),
    ("kcm-0.1.0-run1", "reg1-child1", "14:42:26.637"),
    ("kcm-0.1.0-run1", "reg1", "14:43:39.231"),
    ("kcm-0.1.0-run1", "reg1", "14:45:28.207"),
    ("kcm-0.1.0-run1", "reg1-child1", "14:50:42.659"),
    ("kcm-0.1.0-run1", "reg1", "14:55:10.935"),
    ("kcm-0.1.0-run1", "reg1-child1", "14:56:37.412"),
    ("kcm-0.1.0-run1", "reg1", "14:58:05.957"),
    ("kcm-0.1.0-run1", "reg1-child1", "14:58:58.337"),
    ("kcm-0.1.0-run1", "reg1-child1", "15:00:34.528"),
    ("kcm-0.1.0-run2", "reg1", "15:10:44.694"),
    ("kcm-0.1.0-run2", "reg1-child1", "15:11:20.726"),
    ("kcm-0.1.0-run2", "reg1", "15:14:16.922"),
    ("kcm-0.1.0-run2", "reg1", "15:15:38.383"),
]


@cache
def moments(run: str) -> tuple[Moment, ...]:
    """A run without most of what one broken kubeconfig made in it: nine hundred states that differ by a counter."""
    counter: Counter[str] = Counter()
    kept = []
    for moment in recordings.read(run):
        counter[moment.name] += moment.kind == "SveltosCluster" and moment.name == "c-garbage"
        if moment.kind != "SveltosCluster" or moment.name != "c-garbage" or counter[moment.name] % 30 == 1:
            kept.append(moment)
    return tuple(kept)


@cache
def of_kind(run: str, kind: str) -> list[tuple[int, Moment]]:
    """With their places."""
    return [(number, moment) for number, moment in enumerate(moments(run)) if moment.kind == kind]


@cache
def places(run: str) -> dict[int, int]:
    """By id() of an object, where it is."""
    return {id(moment.object): number for number, moment in enumerate(moments(run))}


templates = cache(recordings.service_templates)


@cache
def truth(run: str) -> tuple[frozenset[str], ...]:
    """By moment, the clusters that have all they should."""
    return tuple(
        frozenset(name for kind, name in there if kind == "ClusterDeployment" and not not_deployed(there, name))
        for _moment, there in recordings.states(moments(run))
    )


class View:
    """What wait sees of a run from a moment on, and what it makes of it."""

    def __init__(self, run: str, start: int) -> None:
        self.run, self.now, self.start = run, start, start
        self.names = sorted({moment.name for moment in moments(run) if moment.kind == "ClusterDeployment"})
        targets = [awaited.cluster_deployment(Ref(API, "ClusterDeployment", NAMESPACE, name)) for name in self.names]
        self.wait = waiting._Wait(None, targets, 60, lambda _line: None, "ready")  # type: ignore[arg-type]
        self.scopes = {scope.kind: scope for scope in self.wait._scopes()[0]}
        for kind in self.scopes:
            self.list(kind)

    def list(self, kind: str) -> None:
        there: dict[str, Any] = dict(templates(self.run)) if kind == "ServiceTemplate" else {}
        for number, moment in of_kind(self.run, kind):
            if number > self.now:
                break
            there.pop(moment.name, None)
            if moment.type != "DELETED":
                there[moment.name] = moment.object
        self.take(waiting._News(self.scopes[kind], list(there.values()), complete=True))

    def event(self, moment: Moment) -> None:
        gone = moment.type == "DELETED"
        self.take(waiting._News(self.scopes[moment.kind], [moment.object], gone=gone))

    def take(self, news: waiting._News) -> None:
        self.wait._judge(self.wait._take(news))

    def verdicts(self) -> Iterator[tuple[str, core_readiness.Readiness]]:
        yield from zip(self.names, self.wait._verdicts, strict=True)

    def wrong(self) -> list[str]:
        """What the present verdicts say that isn't so."""
        found = []
        for name, verdict in self.verdicts():
            seen = self.wait._live.get(("ClusterDeployment", NAMESPACE, name))
            if verdict.ready:
                since = max(self.start, places(self.run)[id(seen)])
                if not any(name in truth(self.run)[index] for index in range(since, self.now + 1)):
                    found.append(f"{self.at} {name} false ready")
            # No cluster in these runs was beyond help; what is being deleted has failed as itself.
            elif verdict.state == FAILED and not verdict.can_heal and seen and not _going(seen):
                found.append(f"{self.at} {name} failed for good: {verdict.why}")
        return found

    @property
    def at(self) -> str:
        return moments(self.run)[self.now].at


def _going(seen: dict[str, Any]) -> bool:
    return "deletionTimestamp" in seen["metadata"]


def replay(run: str) -> list[str]:
    """A run from its beginning to its end, seen at once and whole."""
    view, wrong = View(run, 0), []
    for number, moment in enumerate(moments(run)):
        view.now = number
        if moment.kind in view.scopes:
            view.event(moment)
        wrong += view.wrong()
    return list(dict.fromkeys(wrong))


@pytest.mark.parametrize("run", RUNS)
def test_in_order_nothing_wrong_is_said(run: str) -> None:
    assert replay(run) == []


def test_a_judge_without_the_hash_says_ready_at_the_seven_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_not_deployed", lambda *_what: "")
    monkeypatch.setattr(readiness, "_unreached", lambda *_what: "")
    for run, times in FALSE_READY.items():
        assert {line.split()[0] for line in replay(run)} >= set(times)


@pytest.mark.parametrize(("run", "name", "at"), HEALTHY, ids=str)
def test_a_whole_cluster_is_ready_at_once(run: str, name: str, at: str) -> None:
    number = max(index for index, moment in enumerate(moments(run)) if moment.at <= at)
    verdicts = dict(View(run, number).verdicts())
    assert verdicts[name].ready, verdicts[name].why


def test_the_replay_ends_with_the_recordings_healthy_ends() -> None:
    """The list of healthy moments is whole: no run has another cluster that was ready at last."""
    for run in RUNS:
        ready = {name for name, verdict in View(run, len(moments(run)) - 1).verdicts() if verdict.ready}
        assert ready == truth(run)[-1] == {"reg1", "reg1-child1"}


def at_random(places: range) -> tuple[list[tuple[Any, ...]], Counter[str]]:
    """Replay parts of the runs, each from another place on, with cuts, delays and lost events; what was said wrongly,
    and the states at the ends."""
    said: Counter[str] = Counter()
    wrong: list[tuple[Any, ...]] = []
    for place in places:
        dice = random.Random(place)
        run = dice.choice(RUNS)
        start = dice.randrange(len(moments(run)))
        view = View(run, start)
        wrong += [(place, each) for each in view.wrong()]
        late: list[tuple[int, Moment]] = []  # (when it comes, what)
        cut: dict[str, int] = {}  # by kind: when it is listed again
        for number in range(start + 1, min(len(moments(run)), start + dice.randrange(5, 80))):
            view.now = number
            moment = moments(run)[number]
            for kind in [kind for kind, until in cut.items() if until <= number]:
                del cut[kind]
                view.list(kind)
            if dice.random() < 0.03:
                kind = dice.choice(sorted(view.scopes))
                cut.setdefault(kind, number + dice.randrange(1, 25))
                late = [pair for pair in late if pair[1].kind != kind]
            if moment.kind in view.scopes and moment.kind not in cut and dice.random() > 0.03:
                # One WATCH keeps its order: what was late stays before what comes after it.
                after = max((when for when, each in late if each.kind == moment.kind), default=0)
                late.append((max(after, number + dice.choice((0, 0, 0, 1, 3, 8))), moment))
            for _when, each in [pair for pair in late if pair[0] <= number]:
                view.event(each)
                wrong += [(place, each) for each in view.wrong()]
            late = [pair for pair in late if pair[0] > number]
        for kind in view.scopes:
            view.list(kind)
        wrong += [(place, each) for each in view.wrong()]
        said.update(verdict.state for _name, verdict in view.verdicts())
    return wrong, said


@pytest.mark.parametrize(
    "places",
    [pytest.param(slices.of(1000, 250), id=slices.NAME), pytest.param(range(1000), id="all", marks=pytest.mark.long)],
)
def test_with_cuts_delays_and_lost_events_at_a_thousand_places_nothing_wrong_is_said(places: range) -> None:
    wrong, said = at_random(places)
    assert wrong == []
    assert said["ready"] > len(places) / 4
    assert said["progressing"] > len(places) / 4


@pytest.mark.parametrize("forgets", ["_not_deployed", "_not_taken_over"])
def test_cuts_and_delays_find_a_judge_that_forgets_something(monkeypatch: pytest.MonkeyPatch, forgets: str) -> None:
    monkeypatch.setattr(readiness, forgets, lambda chart, *_more: "" if chart else "the service")
    assert any(at_random(range(place, place + 1))[0] for place in range(150))


def test_services_are_gone_when_the_last_is_uninstalled() -> None:
    """reg1-child1's services were emptied at 14:58:15.494, and the last release was off the cluster 43 s later."""
    told = []
    for moment, there in recordings.states(moments("kcm-0.1.0-run1")):
        if not "14:58:15.494" <= moment.at <= "14:58:58.337":
            continue
        around = readiness.Surroundings(
            summaries=[
                each
                for (kind, _name), each in there.items()
                if kind == "ClusterSummary" and each["spec"]["clusterName"] == "reg1-child1"
            ],
            clusters=[there["SveltosCluster", "reg1-child1"]],
        )
        child = there["ClusterDeployment", "reg1-child1"]
        assert readiness.lives_on(around)
        told.append((moment.at, readiness.services_gone(child, around).ready))
    assert [at for at, gone in told if gone] == ["14:58:58.337"]
    assert len(told) > 5


class Played:
    """A Connection to a server on which a run is played, from a moment on, while one waits; WATCHes break off."""

    def __init__(self, run: str, start: int, seed: int) -> None:
        self.run, self.now, self.dice = run, start, random.Random(seed)
        self.moved = threading.Condition()
        self.watches = 0

    def play(self) -> None:
        for number in range(self.now + 1, len(moments(self.run))):
            time.sleep(0.001)
            with self.moved:
                self.now = number
                self.moved.notify_all()

    def resource(self, _api_version: str, kind: str) -> str:
        return kind

    def path(self, _api_version: str, kind: str, *_where: Any) -> str:
        return kind

    def list_objects(self, kind: str, **_options: Any) -> tuple[list[Any], str]:
        with self.moved:
            now = self.now
        if kind == "ServiceTemplate":
            return list(templates(self.run).values()), str(now)
        *_before, (_moment, there) = recordings.states(moments(self.run)[: now + 1])
        return [found for (of_kind, _name), found in there.items() if of_kind == kind], str(now)

    def watch(self, kind: str, version: str, *, opened: Callable[[Callable[[], None]], None]) -> Iterator[Any]:
        aborted = threading.Event()
        opened(aborted.set)
        self.watches += 1
        seen, left = int(version), self.dice.randrange(1, 12)
        while not aborted.is_set():
            with self.moved:
                self.moved.wait_for(lambda before=seen: self.now > before or aborted.is_set(), timeout=0.2)  # type: ignore[misc]
                now = self.now
            for number in range(seen + 1, now + 1):
                moment = moments(self.run)[number]
                if moment.kind != kind:
                    continue
                metadata = {**moment.object["metadata"], "resourceVersion": str(number)}
                yield {"type": moment.type, "object": {**moment.object, "metadata": metadata}}
                left -= 1
                if not left:
                    ends = (
                        ApiUnavailable("reset"),
                        ApiError(410, "Expired", "old"),
                        ApiError(500, "Internal", "no leader"),
                    )
                    if end := self.dice.choice((None, *ends)):
                        raise end
                    return
            seen = now


@pytest.mark.parametrize("start", range(30, 80, 5))
def test_a_wait_while_the_run_goes_on_ends_when_all_is_deployed(monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    """The whole of wait, threads and all, over WATCHes that break off after a few events."""
    monkeypatch.setattr(waiting, "_FIRST_PAUSE", 0.002)
    monkeypatch.setattr(waiting, "_LONGEST_PAUSE", 0.01)
    run = RUNS[1]
    server = Played(run, start, start)
    targets = [
        awaited.cluster_deployment(Ref(API, "ClusterDeployment", NAMESPACE, name)) for name in ("reg1", "reg1-child1")
    ]
    player = threading.Thread(target=server.play)
    player.start()
    done = waiting.wait(server, targets, timeout=30)  # type: ignore[arg-type]
    now = server.now
    player.join()
    assert [each.state for each in done] == ["ready", "ready"], [each.why for each in done]
    for each in done:
        assert any(each.ref.name in truth(run)[index] for index in range(start, now + 1))


def test_a_service_that_is_there_already_is_named() -> None:
    """Child c-same was adopted by the kubeconfig of a cluster that has cert-manager in another namespace."""
    told = {
        (moment.name, name)
        for moment in recordings.read("kcm-0.1.0-run1")
        if moment.kind == "ClusterDeployment"
        for name, _message in readiness.kept_by_others(moment.object)
    }
    assert told == {("c-same", "cert-manager")}
