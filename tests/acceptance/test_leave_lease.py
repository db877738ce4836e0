"""Two runs never write to one fleet at a time: one works, the other says who does, and nobody waits for the dead.

The protocol under any order of events is tests/unit/plugins/module_utils/k8s/test_lease.py; here are real processes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import example_fleet
import pytest
import yaml
from killers import tree
from support import DEPLOYMENTS, LEASES, REPOSITORY, Run, Sandbox, Started, finish

FLEET = example_fleet.fleet(1, 2)
REGION = next(iter(FLEET.regionals))
NAME = "kof-fleet-sandbox"
SHORT = {"K0RDENT_KOF_LEASE_SECONDS": "10"}
HELD = "another run is at work on fleet sandbox: "
#: So said by one that looked while the other still worked, and would have written afterwards.
JUST_ENDED = "fleet sandbox: the run that held its lease has just ended"
CONFIRMED = ("-e", "kof_delete_confirm=sandbox")
CLUSTERS = ("--tags", "regional,child")


class Fleet:
    """A fleet, its inventory, and what is there of it."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path, fleet: example_fleet.Fleet) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.where = sandbox.inventory(folder / "inventory", fleet)
        self.names = {*fleet.regionals, *fleet.children}

    def start(self, playbook: str, *arguments: str, **environment: str) -> Started:
        return self.sandbox.start_playbook(playbook, *arguments, inventory=self.where, **environment)

    def run(self, playbook: str, *arguments: str, **environment: str) -> Run:
        return self.sandbox.playbook(playbook, *arguments, inventory=self.where, **environment)

    def lease(self) -> dict[str, Any] | None:
        return next((each for each in self.sandbox.items(LEASES) if each["metadata"]["name"] == NAME), None)

    def there(self) -> set[str]:
        return {each["metadata"]["name"] for each in self.sandbox.items(DEPLOYMENTS)}

    def settled(self, *arguments: str) -> None:
        """All is as wanted, nobody holds anything, and another run has nothing to do."""
        assert self.there() == self.names
        assert self.lease() is None
        mark = self.sandbox.audit_mark()
        run = self.run("site", *CLUSTERS, *arguments)
        assert run.code == 0, run.output
        assert (run.total("changed"), self.sandbox.mutations_since(mark)) == (0, [])


def until(done: Callable[[], Any], seconds: float = 600, every: float = 0.05) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(every)
    return found


def stop(pid: int) -> list[int]:
    """A process and all below it, stopped: the upper ones first, and those too that they began meanwhile."""
    stopped: list[int] = []
    while new := [each for each in tree(pid) if each not in stopped]:
        for each in new:
            os.kill(each, signal.SIGSTOP)
        stopped += new
    return stopped


def one_works(runs: list[Run], *else_: str) -> Run:
    """Of runs at the same time one ends well, and each other says who it was, or `else_`; the one."""
    well = [run for run in runs if run.code == 0]
    assert well, "\n\n".join(run.output for run in runs)
    for run in runs:
        told = " ".join(run.output.split())
        if run.code != 0:
            assert any(each in told for each in (HELD, JUST_ENDED, *else_)), run.output
    return well[0]


def rounds(quick: int, all_: int) -> list[Any]:
    """So many times, of which the first few don't take minutes."""
    return [*range(quick), *(pytest.param(each, marks=pytest.mark.long) for each in range(quick, all_))]


@pytest.fixture(scope="module")
def fleet(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    yield Fleet(fleet_sandbox, tmp_path_factory.mktemp("lease"), FLEET)
    fleet_sandbox.delete_clusters()
    fleet_sandbox.command("fault", "--clear")


def test_00_a_mothership_was_installed_and_nothing_is_held_a_second_run_takes_nothing(fleet: Fleet) -> None:
    """Key, namespace and charts were written with the lease: by modules of other collections and by helm."""
    installed = [
        f"{entry['verb']} {entry['objectRef']['resource']}"
        for entry in fleet.sandbox.requests_since(0)
        if entry["verb"] in ("create", "patch", "update", "delete") and "dryRun" not in entry["requestURI"]
    ]
    written = [each for each in installed if each.split()[1] in ("leases", "namespaces", "secrets", "configmaps")]
    assert written[0] == "create leases", written
    assert fleet.lease() is None
    mark = fleet.sandbox.audit_mark()
    run = fleet.run("site", "--limit", "kof_mothership")
    assert (run.code, run.total("changed")) == (0, 0), run.output
    assert fleet.sandbox.mutations_since(mark) == []


@pytest.mark.parametrize("round_", rounds(3, 20))
def test_01_of_two_that_are_started_together_one_works_and_the_other_says_who(fleet: Fleet, round_: int) -> None:
    fleet.sandbox.delete_clusters()
    mark = fleet.sandbox.audit_mark()
    started = [fleet.start("site", *CLUSTERS, "-e", f"awx_user_name=user{number}") for number in range(2)]
    runs = [finish(each) for each in started]
    worked = one_works(runs)
    other = runs[1 - runs.index(worked)]
    if other.code != 0:
        user, told = f"user{runs.index(worked)}", " ".join(other.output.split())
        assert f"{HELD}{user} on " in told or JUST_ENDED in told
        assert other.total("changed") == 0
    made = [each for each in fleet.sandbox.mutations_since(mark) if f"{DEPLOYMENTS}/" in each]
    assert len(made) == len(fleet.names), "each cluster was written once"
    fleet.settled()


def test_02_a_change_and_a_deletion(fleet: Fleet) -> None:
    """Either all stays, as it was wanted, or all is gone."""
    started = [fleet.start("site", *CLUSTERS, "-e", '{"child_cluster_labels": {"round": "2"}}')]
    started.append(fleet.start("delete", *CONFIRMED))
    runs = [finish(each) for each in started]
    one_works(runs, "being deleted since")  # which site's preflight sees before it writes
    if runs[1].code == 0 and runs[0].code != 0:
        assert fleet.there() == set()
    elif runs[1].code != 0:
        assert fleet.there() == fleet.names
    assert fleet.lease() is None
    again = fleet.run("delete", *CONFIRMED)
    assert (again.code, fleet.there()) == (0, set()), again.output


@pytest.fixture(scope="module")
def archive(fleet: Fleet) -> pathlib.Path:
    """A backup of the fleet as it is wanted."""
    assert fleet.run("site", *CLUSTERS).code == 0
    saved = fleet.run("backup", "-e", f"backup_folder={fleet.folder / 'backup'}")
    assert saved.code == 0, saved.output
    (file,) = (fleet.folder / "backup").iterdir()
    return file


def together(fleet: Fleet, given: Sequence[tuple[str, ...]]) -> dict[str, Run]:
    """Runs that are started together, by playbook. Meanwhile nothing gets ready, or goes: who has the lease keeps it
    until another run has ended."""
    fleet.sandbox.command("fault", "kcm_ignores=kcm-system")
    try:
        started = [fleet.start(*each) for each in given]
        until(lambda: any(each[0].poll() is not None for each in started), 300)
    finally:
        fleet.sandbox.command("fault", "--clear")
    runs = [finish(each) for each in started]
    one_works(runs)
    return {each[0]: run for each, run in zip(given, runs, strict=True)}


def labelled(fleet: Fleet, names: Collection[str]) -> set[str | None]:
    return {
        each["spec"]["config"]["clusterLabels"].get("round")
        for each in fleet.sandbox.items(DEPLOYMENTS)
        if each["metadata"]["name"] in names
    }


def label(value: str) -> tuple[str, str]:
    return "-e", json.dumps({"child_cluster_labels": {"round": value}})


@pytest.mark.parametrize("round_", rounds(1, 6))
def test_03_a_change_and_a_restore(fleet: Fleet, archive: pathlib.Path, round_: int) -> None:
    """Of what each would make of all children there is one or the other."""
    assert fleet.run("site", *CLUSTERS, *label("before")).code == 0
    given = [
        ("site", *CLUSTERS, *label("after")),
        ("restore", "-e", f"restore_file={archive}", "-e", "kof_restore_confirm=sandbox"),
    ]
    runs = together(fleet, given if round_ % 2 else given[::-1])
    wanted = {"site": "after", "restore": None}
    worked = [playbook for playbook, run in runs.items() if run.code == 0]
    assert labelled(fleet, FLEET.children) in [{wanted[each]} for each in worked]
    assert fleet.lease() is None
    again = fleet.run(*given[1])
    assert again.code == 0, again.output
    fleet.settled()


@pytest.mark.parametrize("round_", rounds(1, 6))
def test_04_a_change_and_a_prune(fleet: Fleet, tmp_path: pathlib.Path, round_: int) -> None:
    """What stays is changed on all clusters that stay, or on none; what has left is gone, or there as it was."""
    left = max(FLEET.children)
    assert fleet.run("site", *CLUSTERS, *label("before")).code == 0
    shared = {**FLEET.shared, "kof_inventory_complete": True}
    kept = {name: each for name, each in FLEET.children.items() if name != left}
    smaller = Fleet(fleet.sandbox, tmp_path, dataclasses.replace(FLEET, shared=shared, children=kept))
    given = [("site", *CLUSTERS, *label("after")), ("prune", "-e", "kof_prune_confirm=sandbox")]
    runs = together(smaller, given if round_ % 2 else given[::-1])
    assert (left in fleet.there()) == (runs["prune"].code != 0), runs["prune"].output
    assert labelled(fleet, kept) == ({"after"} if runs["site"].code == 0 else {"before"})
    assert fleet.lease() is None
    for playbook, *arguments in given:
        again = smaller.run(playbook, *arguments)
        assert again.code == 0, again.output
    smaller.settled(*label("after"))
    mark = fleet.sandbox.audit_mark()
    again = smaller.run(*given[1])
    assert (again.code, fleet.sandbox.mutations_since(mark)) == (0, []), again.output


def test_05_eight_slices_of_child_work_at_once(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    many = example_fleet.fleet(1, 8)
    sliced = Fleet(fleet.sandbox, tmp_path, many)
    fleet.sandbox.delete_clusters()  # what kcm has seen doesn't go while it ignores all
    fleet.sandbox.command("fault", "kcm_ignores=kcm-system")
    try:
        assert sliced.run("regional", "-e", "kof_wait=false").code == 0
        quick = ("-e", "kof_wait=false")
        started = [sliced.start("child", *quick, "--limit", f"{child},{REGION}") for child in many.children]
        runs = [finish(each) for each in started]
        assert [run.code for run in runs] == [0] * 8, "\n\n".join(run.output for run in runs if run.code)
        assert sliced.there() == sliced.names
        assert sliced.lease() is None
    finally:
        fleet.sandbox.delete_clusters()
        fleet.sandbox.command("fault", "--clear")


def test_06_one_that_was_stopped_for_too_long_sends_nothing_any_more(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    large = Fleet(fleet.sandbox, tmp_path, example_fleet.fleet(1, 300))
    fleet.sandbox.delete_clusters()
    fleet.sandbox.command("fault", "kcm_ignores=kcm-system")
    quick = (*CLUSTERS, "-e", "kof_wait=false")
    try:
        first = large.start("site", *quick, **SHORT)
        until(lambda: len(large.there()) > 10)
        stopped = stop(first[0].pid)
        assert len(large.there()) < len(large.names), "it was stopped too late to tell anything"
        assert large.lease()
        began = time.monotonic()
        second = large.run("site", *quick, **SHORT)
        assert second.code == 0, second.output
        assert time.monotonic() - began > 10
        assert "Watching for a sign of life of that run" in second.output
        assert large.there() == large.names
        mark = fleet.sandbox.audit_mark()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        woken = finish(first)
        assert woken.code != 0
        assert "this run has lost the lease of fleet sandbox, so nothing more is sent" in " ".join(woken.output.split())
        assert fleet.sandbox.mutations_since(mark) == [], "nothing was sent, to be refused, either"
        assert large.lease() is None
    finally:
        fleet.sandbox.delete_clusters()
        fleet.sandbox.command("fault", "--clear")


def test_07_a_killed_run_of_this_machine_holds_nobody_up(fleet: Fleet) -> None:
    fleet.sandbox.delete_clusters()
    first = fleet.start("site", *CLUSTERS)
    until(fleet.lease)
    os.kill(first[0].pid, signal.SIGKILL)
    finish(first)
    second = fleet.run("site", *CLUSTERS)
    assert second.code == 0, second.output
    assert "Watching" not in second.output
    fleet.settled()


def test_08_looks_and_check_mode_take_none_and_go_on_beside_one(fleet: Fleet) -> None:
    fleet.sandbox.delete_clusters()
    first = fleet.start("site", *CLUSTERS)
    try:
        before = until(fleet.lease)
        for playbook, arguments in (("status", ()), ("site", ("--check",)), ("preflight", ())):
            beside = fleet.run(playbook, *arguments)
            assert HELD not in beside.output
        now = fleet.lease()
        assert now is None or now["metadata"]["annotations"].keys() == before["metadata"]["annotations"].keys()
    finally:
        assert finish(first).code == 0


@pytest.mark.long
def test_09_three_minutes_between_two_tasks_are_no_end(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    fleet.sandbox.delete_clusters()
    layers = REPOSITORY / "playbooks" / "layers"
    wait = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.pause": {"minutes": 3}, "delegate_to": "localhost"}],
    }
    play = tmp_path / "play.yml"
    imports = [{"import_playbook": str(layers / f"{name}.yml")} for name in ("regional", "child", "report")]
    play.write_text(yaml.safe_dump([imports[0], wait, *imports[1:]]))
    first = fleet.sandbox.start(["-i", fleet.where, str(play)], {})
    until(lambda: fleet.there() == {REGION})
    until(lambda: "ready" in json.dumps(fleet.sandbox.items(DEPLOYMENTS)).lower())
    time.sleep(10)
    second = fleet.run("site", *CLUSTERS)
    assert second.code != 0
    assert HELD in " ".join(second.output.split()), second.output
    done = finish(first)
    assert done.code == 0, done.output
    fleet.settled()
