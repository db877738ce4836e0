"""What the benchmarks count and write: medians, ratios, who is red, the audit log. No time is asserted."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import audit, report, rounds, tasks
from benchmarks.checkout import Checkout
from benchmarks.rounds import Attempt, Contender, Done, Machine, Wrong

REPOSITORY = pathlib.Path(__file__).parents[2]
FACTS = {
    "when": "2026-01-31",
    "commit": "abc1234",
    "machine": "2 cores",
    "children": 1000,
    "regions": 100,
    "rounds": 5,
}


def logged(verb: str, resource: str = "clusterdeployments", **more: Any) -> str:
    what = {"resource": resource, "namespace": more.pop("namespace", "a"), "name": more.pop("name", "x")}
    entry = {"user": {"username": "k0rdent-kof"}, "verb": verb, "objectRef": what, "requestURI": "/apis/x"}
    return json.dumps(entry | {"responseStatus": {"code": 200}} | more)


def test_a_ratio_is_that_of_the_medians_and_red_above_what_was_wanted() -> None:
    row = report.times("create", [9.0, 1.0, 2.0], "kubectl", [4.0, 100.0, 3.0], 0.5)
    assert (row["ours_s"], row["rival_s"], row["ratio"], row["ok"]) == (2.0, 4.0, 0.5, True)
    assert report.times("create", [2.1], "kubectl", [4.0], 0.5)["ok"] is False
    shown = report.times("create", [2.1], "kubectl", [4.0])
    assert (shown["ok"], shown["ratio"]) == (None, 0.525)
    assert report.times("with preflight", [2.1])["ratio"] is None


def test_a_limit_of_nothing_allows_nothing() -> None:
    assert report.limit("memory", "", 250, 250)["ok"] is True
    assert report.limit("memory", "", 251, 250)["ok"] is False
    assert report.limit("writes", "", 0, 0)["ok"] is True
    assert report.limit("writes", "", 1, 0)["ok"] is False


def test_only_what_the_items_took_is_multiplied() -> None:
    assert rounds.extrapolate([11.0, 1.0, 0.5], 1.0, 20, 1000) == [501.0, 1.0, 1.0]


def test_the_table_names_red_rows_and_notes_once() -> None:
    numbers: dict[str, Any] = {"peak_mb": 80.0, "requests": {"patch": 1000}, "cpu_s": 1.5, "rival_cpu_s": 0.5}
    rows = [
        report.times("create", [2.0], "kubectl", [1.0], 1.0, note="why", **numbers),
        report.times("again", [1.0, 1.0, 9.0], "kubectl", [2.0], 0.6, note="why"),
        report.limit("memory", "biggest process", 300, 250, " MB"),
    ]
    text = report.text(rows)
    assert [line.split()[0] for line in text.splitlines()] == ["task", "RED", "ok", "RED", "2"]
    assert "2 of 3 rows are RED" in text
    page = report.markdown(rows, FACTS)
    assert "| create | 2.00 s | 1.50 s | kubectl | 1.00 s | 0.50 s | 2.00 | 1.00 | 1 | **red** [1] |" in page
    assert "| again | 1.00 s |  | kubectl | 2.00 s |  | 0.50 | 0.60 | 3 | ok [1] |" in page
    assert "| memory | 300 MB |  | biggest process |  |  | 1.20 | at most 250 MB |  | **red** |" in page
    assert page.count("why") == 1
    assert "| create | kubectl | 1,000 patch | none | 80 MB |" in page


def test_the_section_is_put_between_its_marks_and_nowhere_else(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"by hand\n{report.BEGIN}\nold\n{report.END}\nby hand too\n")
    for _twice in range(2):
        report.write_section(page, "new\n")
    assert page.read_text() == f"by hand\n{report.BEGIN}\nnew\n{report.END}\nby hand too\n"
    page.write_text("by hand")
    with pytest.raises(ValueError, match="no section"):
        report.write_section(page, "new\n")


def test_requests_are_counted_by_verb_and_by_whether_they_could_change_something() -> None:
    lines = [
        logged("list"),
        logged("patch"),
        logged("patch", requestURI="/apis/x?dryRun=All"),
        logged("create", "selfsubjectaccessreviews"),
    ]
    requests = [audit.parse(line) for line in lines]
    assert audit.by_verb(requests) == {"create, asking": 1, "list": 1, "patch": 1, "patch, asking": 1}
    assert [each.changes for each in requests] == [False, True, False, False]


def test_a_region_deleted_before_its_last_child_is_seen() -> None:
    def order(*lines: str) -> bool:
        return audit.deleted_before([audit.parse(line) for line in lines], {"child1", "child2"}, {"region"})

    first, second, region = (logged("delete", name=name) for name in ("child1", "child2", "region"))
    assert order(first, second, region)
    assert not order(first, region, second)
    refused = logged("delete", name="region", responseStatus={"code": 409})
    asked = logged("delete", name="region", requestURI="/apis/x?dryRun=All")
    group = logged("delete", "promxyservergroups", name="region")
    assert order(first, refused, asked, group, second, region)


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    log = tmp_path / "audit.log"
    log.write_text(logged("get") + "\n")
    return Machine({"PATH": os.environ["PATH"]}, lambda: 0.0, log, tmp_path / "out", tmp_path, lambda _line: None)


def test_the_order_turns_and_each_measurement_is_checked_and_cleared(machine: Machine) -> None:
    happened: list[str] = []

    def contender(name: str, most: int | None = None) -> Contender:
        def prepare() -> Attempt:
            happened.append(name)
            others = logged("delete", user={"username": "somebody"})
            more = f"echo '{logged('patch')}\n{others}' >>{machine.audit_log}"
            return Attempt(["/bin/sh", "-c", more], lambda _done: None, lambda: happened.append(f"{name} cleared"))

        return Contender(name, "k0rdent-kof", prepare, most)

    measured = machine.compare("task", [contender("a"), contender("b", 1)], 2)
    assert happened == ["a", "a cleared", "b", "b cleared", "a", "a cleared"]
    happened.clear()
    machine.rounds_of = {"k0rdent-kof": 1}
    machine.compare("task", [contender("a"), contender("b", 3)], 2)
    assert happened == ["a", "a cleared", "b", "b cleared"], "the fewest that somebody allows"
    machine.rounds_of = {"somebody": 1}
    happened.clear()
    measured = machine.compare("task", [contender("a"), contender("b")], 2)
    assert [each for each in happened if "cleared" not in each] == ["a", "b", "b", "a"]
    assert [audit.by_verb(done.requests) for done in measured["a"]] == [{"patch": 1}, {"patch": 1}]


def test_who_fails_or_did_not_do_the_work_does_not_win(machine: Machine) -> None:
    cleared: list[str] = []

    def refuse(done: Done) -> None:
        raise Wrong(f"it only said {done.output!r}")

    def race(command: list[str], **more: Any) -> None:
        attempt = Attempt(command, refuse, lambda: cleared.append("yes"), **more)
        machine.compare("task", [Contender("a", "nobody", lambda: attempt)], 1)

    with pytest.raises(Wrong, match=r"task: a: exit code 3.*\n.*it broke"):
        race(["/bin/sh", "-c", "echo it broke >&2; exit 3"])
    with pytest.raises(Wrong, match="it only said 'done"):
        race(["/bin/sh", "-c", "echo done; exit 3"], codes=(0, 3))
    assert cleared == ["yes", "yes"]


def test_another_commit_that_cannot_do_it_is_told_and_left_out(machine: Machine) -> None:
    said: list[str] = []
    machine.say = said.append
    cleared: list[str] = []

    def contender(name: str, command: str, **more: Any) -> Contender:
        attempt = Attempt(["/bin/sh", "-c", command], lambda _done: None, lambda: cleared.append(name))
        return Contender(name, "nobody", lambda: attempt, **more)

    first = "[ -e once ] && exit 4; touch once"  # succeeds in the first round only
    contenders = [contender("ours", "true"), contender("ours, at abc", first, may_fail=True)]
    measured = machine.compare("status", contenders, 3)
    assert [len(each) for each in measured.values()] == [3, 0], "half of its rounds would be no measurement"
    assert sum("ours, at abc: exit code 4" in each for each in said) == 1
    assert cleared.count("ours, at abc") == 2
    world: Any = SimpleNamespace(checkout=SimpleNamespace(contender=lambda name: f"{name}, at abc"))
    (row,) = tasks._against_checkout(world, "status", measured)
    assert (row["rival"], row["rival_s"], row["ok"]) == ("ours, at abc", None, None)
    assert "can't do it" in report.markdown([row], FACTS)


def test_neighbours_work_meanwhile_and_only_then(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = machine.directory / "pids"
    monkeypatch.setattr(rounds, "NEIGHBOUR", ["/bin/sh", "-c", f"echo $$ >>{pids}; exec sleep 600"])
    both = f"until [ $(cat {pids} | wc -l) = 2 ]; do sleep 0.01; done; kill -0 $(cat {pids}) && echo both"
    attempt = Attempt(["timeout", "30", "/bin/sh", "-c", both], lambda _done: None)
    measured = machine.compare("task", [Contender("a", "nobody", lambda: attempt, neighbours=2)], 1)
    assert measured["a"][0].output == "both\n"
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    pids.unlink()
    nobody = Attempt(["/bin/sh", "-c", "true"], lambda _done: None)
    machine.compare("task", [Contender("a", "nobody", lambda: nobody)], 1)
    assert not pids.exists()


def done(seconds: float, cpu: float) -> Done:
    return Done(seconds, 0, 1.0, "", cpu=cpu)


def test_another_checkout_does_the_same_from_its_own_folder_with_its_own_collection(
    machine: Machine, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "before"
    (folder / "plugins").mkdir(parents=True)
    (folder / "what").write_text("theirs")
    (tmp_path / "what").write_text("ours")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "old").touch()
    other = Checkout.at(folder, tmp_path / "links")
    assert not (tmp_path / "links" / "old").exists()
    linked = tmp_path / "links" / "ansible_collections"
    assert (linked / "k0rdent" / "kof").resolve() == folder
    for name in ("kubernetes/core", "amazon/aws"):
        ours = REPOSITORY / ".work" / "collections" / "ansible_collections" / name
        assert (linked / name).resolve() == ours.resolve(), "all other collections are the same"
    world = SimpleNamespace(checkout=other)
    said: list[str] = []
    command = ["/bin/sh", "-c", 'cat what; echo " $MINE $ANSIBLE_COLLECTIONS_PATH"']
    attempt = Attempt(command, lambda done: said.append(done.output), environment={"MINE": "kept"})
    measured = machine.compare("task", tasks._own(world, "ours", lambda: attempt), 2)
    assert list(measured) == ["ours", "ours, at an unknown commit"]
    theirs = f"theirs kept {tmp_path / 'links'}\n"
    assert said == ["ours kept \n", theirs, theirs, "ours kept \n"]
    assert [each.name for each in tasks._own(SimpleNamespace(checkout=None), "ours", lambda: attempt)] == ["ours"]


def test_against_another_checkout_only_what_is_more_than_the_noise_is_red() -> None:
    other = Checkout(pathlib.Path("/"), "abc", {})
    world = SimpleNamespace(checkout=other)
    slower = {"ours": [done(10.9, 2.4), done(11.0, 2.4)], "ours, at abc": [done(9.0, 2.0), done(11.0, 2.0)]}
    by_clock, by_cpu = tasks._against_checkout(world, "create", slower)
    assert (by_clock["ok"], round(by_clock["noise"], 2), round(by_clock["ratio"], 3)) == (True, 0.1, 1.095)
    assert (by_cpu["ok"], by_cpu["wanted"], by_cpu["rival"]) == (False, 1.0, "ours, at abc")
    (once, _cpu) = tasks._against_checkout(world, "create", {name: each[:1] for name, each in slower.items()})
    assert once["ok"] is None, "one round knows no noise"
    assert tasks._against_checkout(SimpleNamespace(checkout=None), "create", slower) == []


def test_memory_is_that_of_the_biggest_process_below_not_ours(machine: Machine) -> None:
    ballast = bytearray(150_000_000)  # what Linux would count as the child's, were it forked from here
    small = rounds.run(["/bin/sh", "-c", "true"], machine.environment, machine.output, machine.directory)
    big = f"{sys.executable} -c 'bytearray(100_000_000)'; true"
    with_a_big_child = rounds.run(["/bin/sh", "-c", big], machine.environment, machine.output, machine.directory)
    assert small.peak_mb < 30 < 100 < with_a_big_child.peak_mb < 150
    assert len(ballast) > 0


def test_an_interrupted_measurement_leaves_no_process(machine: Machine) -> None:
    pid_file = machine.directory / "pid"

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    import signal
    import threading

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:

        def when_it_runs() -> None:
            while not pid_file.exists() or not pid_file.read_text().strip():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGUSR1)

        threading.Thread(target=when_it_runs, daemon=True).start()
        command = ["/bin/sh", "-c", f"echo $$ >{pid_file}; exec sleep 600"]
        with pytest.raises(KeyboardInterrupt):
            rounds.run(command, machine.environment, machine.output, machine.directory)
    finally:
        signal.signal(signal.SIGUSR1, before)
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and pathlib.Path(f"/proc/{pid}/stat").exists():
        if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return  # ended; nobody reaps orphans in some containers
        time.sleep(0.05)
    assert not pathlib.Path(f"/proc/{pid}").exists()
