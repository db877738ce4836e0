"""Recap, host summary and exit code are each cluster's own: what changed, failed or was left out is booked there.

Of three sizes: 3 clusters are in `make test`; 250, also under ansible-runner by its events and host summary, and 1,100
in `make acceptance-long TOPIC=cases_booking`, which says of each run how long it took and how much it printed (`-rP`
shows it).
"""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import example_fleet
import pytest
import yaml
from support import Run, Runner, Sandbox

REASON = "frozen until the audit is over"
#: Up to how many changed clusters, and up to how many that were left out, are booked by themselves.
BOOKED = 200
LAYERS = ("--tags", "regional,child")


@dataclass
class Fleet:
    """An example fleet, applied as it is; nobody waits for it or works on it."""

    sandbox: Sandbox
    folder: pathlib.Path
    inventory: str
    example: example_fleet.Fleet
    runner: Runner | None
    relabelled: set[str] = field(default_factory=set)

    @property
    def regionals(self) -> list[str]:
        return list(self.example.regionals)

    @property
    def children(self) -> list[str]:
        """In the inventory's order."""
        return [child for regional in self.regionals for child in self.children_of(regional)]

    def children_of(self, regional: str) -> list[str]:
        return [name for name, child in self.example.children.items() if child["child_regional"] == regional]

    def site(self, *arguments: str) -> Run:
        return self.run("playbooks/site.yml", *LAYERS, *arguments)

    def own_play(self, layer: str, *arguments: str, then: str = "", **keywords: object) -> Run:
        """A play of somebody's own with nothing but one of our roles in it, and one of our playbooks after it."""
        play = {"name": "Ours", "hosts": f"kof_{layer}", "gather_facts": False, "connection": "local", **keywords}
        more = [{"import_playbook": f"k0rdent.kof.{then}"}] if then else []
        file = self.folder / "play.yml"
        file.write_text(yaml.safe_dump([play | {"roles": [f"k0rdent.kof.{layer}"]}, *more]))
        return self.run(str(file), *arguments)

    def run(self, playbook: str, *arguments: str) -> Run:
        began = time.monotonic()
        words = ("-e", "kof_wait=false", *arguments)
        if self.runner:
            done = self.runner.run(self.sandbox, self.inventory, playbook, *words)
        else:
            done = self.sandbox.run(["-i", self.inventory, playbook, *words])
        size = len(self.regionals) + len(self.children)
        print(f"{size} clusters: {time.monotonic() - began:.1f} s, {len(done.output):,} characters, rc {done.code}")
        return done

    def want(self, host: str, team: str | None) -> None:
        layer = "child" if host in self.example.children else "regional"
        file = pathlib.Path(self.inventory) / "host_vars" / f"{host}.yml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({f"{layer}_cluster_labels": {"team": team} if team else {}}))

    def change(self, *hosts: str) -> None:
        """From now on these clusters are wanted otherwise."""
        for host in hosts:
            self.want(host, f"new-{time.time_ns()}")
        self.relabelled |= set(hosts)

    def settle(self) -> None:
        """From now on they are wanted as they are."""
        for item in self.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]:
            if item["metadata"]["name"] in self.relabelled:
                labels = item["spec"]["config"].get("clusterLabels") or {}
                self.want(item["metadata"]["name"], labels.get("team"))

    def refuse(self, *names: str) -> None:
        """Have the API server refuse the ClusterDeployments of these names."""
        kind, name = "ValidatingAdmissionPolicy", "kof-booking"
        rule = {
            "apiGroups": ["k0rdent.mirantis.com"],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["clusterdeployments"],
        }
        policy = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": f"!(object.metadata.name in {json.dumps(names)})", "message": REASON}],
            },
        }
        binding = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }
        for each in (policy, binding):
            self.sandbox.kubectl("apply", "-f", "-", stdin=json.dumps(each))
        wish = self.sandbox.get("clusterdeployment", "-n", "kcm-system", names[0])
        wish["metadata"]["labels"]["tried"] = "yes"
        dry_run = ("replace", "--dry-run=server", "-f", "-")
        end = time.monotonic() + 300
        while self.sandbox.kubectl(*dry_run, stdin=json.dumps(wish), check=False):
            assert time.monotonic() < end, "the policy never came into effect"
            time.sleep(0.2)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((2, 1, False), id="3"),
        pytest.param((50, 200, False), id="250", marks=pytest.mark.long),
        pytest.param((50, 200, True), id="250 under ansible-runner", marks=pytest.mark.long),
        pytest.param((100, 1000, False), id="1100", marks=pytest.mark.long),
    ],
)
def applied(
    request: pytest.FixtureRequest, fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    regionals, children, under_runner = request.param
    example = example_fleet.fleet(regionals, children)
    folder = tmp_path_factory.mktemp("booking")
    runner = Runner.installed() if under_runner else None
    fleet = Fleet(fleet_sandbox, folder, fleet_sandbox.inventory(folder / "fleet", example), example, runner)
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    everyone = [*fleet.regionals, *fleet.children]
    first = fleet.site()
    assert first.code == 0, first.output[-3000:]
    assert changed(first) == ({*everyone} if len(everyone) <= BOOKED else {"localhost"})
    assert_named_once(first, everyone)
    if len(everyone) > BOOKED:
        assert f"{len(everyone)} changed" in first.output
    yield fleet
    fleet_sandbox.delete_clusters()
    fleet_sandbox.command("fault", "--clear")


@pytest.fixture
def fleet(applied: Fleet) -> Iterator[Fleet]:
    """Wanted as it is; and again so afterwards."""
    yield applied
    applied.sandbox.kubectl("delete", "validatingadmissionpolicybinding", "kof-booking", "--ignore-not-found")
    applied.sandbox.kubectl("delete", "validatingadmissionpolicy", "kof-booking", "--ignore-not-found")
    applied.settle()


def counted(run: Run, what: str) -> set[str]:
    return {host for host, counts in run.stats.items() if counts[what]}


def changed(run: Run) -> set[str]:
    return counted(run, "changed")


def failed(run: Run) -> dict[str, int]:
    return {host: counts["failures"] for host, counts in run.stats.items() if counts["failures"]}


def handed_on(run: Run) -> dict[str, Any]:
    """What set_stats has for the next jobs of a workflow."""
    (data,) = [
        each["result"]["ansible_stats"]["data"] for each in run.events if str(each.get("action")).endswith("set_stats")
    ]
    return data


def assert_named_once(run: Run, hosts: list[str], key: str = "changed", word: str = "Changed") -> None:
    assert sorted(handed_on(run)[f"k0rdent_kof_{key}"]) == sorted(hosts)
    (line,) = [each for each in run.output.splitlines() if each.startswith(f"{word}: ")]
    assert sorted(line.rpartition(": ")[2].split(", ")) == sorted(hosts)


def left_out(run: Run) -> set[str]:
    """Hosts on which it is booked that they were left out, by the report's own task."""
    return {
        each["host"]
        for each in run.events
        if each["event"] == "skipped" and str(each["action"]).endswith("fleet_outcome")
    }


def test_nothing_changed(fleet: Fleet) -> None:
    run = fleet.site()
    assert run.code == 0, run.output[-3000:]
    assert (changed(run), failed(run), left_out(run)) == (set(), {}, set())
    assert "No cluster changed, none failed." in run.output
    names: dict[str, Any] = {f"k0rdent_kof_{key}": [] for key in ("changed", "failed", "left_out")}
    told = handed_on(run)
    assert told.pop("k0rdent_kof_run")["counts"] == {"changed": 0, "failed": 0, "left_out": 0}
    assert told == names


def test_some_changed_on_their_own_hosts_and_check_mode_says_would(fleet: Fleet) -> None:
    few = [fleet.regionals[-1], fleet.children[-1]]
    fleet.change(*few)
    mark = fleet.sandbox.audit_mark()
    predicted = fleet.site("--check", "--diff")
    assert fleet.sandbox.mutations_since(mark) == []
    run = fleet.site("--diff")
    for each, said, key, word in (
        (predicted, "would be updated", "would_change", "Would change"),
        (run, "updated", "changed", "Changed"),
    ):
        assert (each.code, changed(each), failed(each)) == (0, set(few), {}), each.output[-3000:]
        assert_named_once(each, few, key, word)
        booked = [event for event in each.events if str(event.get("action")).endswith("fleet_outcome")]
        assert {event["host"]: event["result"]["msg"] for event in booked} == {
            host: f"ClusterDeployment kcm-system/{host} {said}" for host in few
        }
        # A diff is shown where the change is booked; core shows none of a task that isn't changed.
        assert each.output.count("+spec.config.clusterLabels.team: new-") == len(few)
    # In a role of somebody's own play, the task itself has changed.
    fleet.change(fleet.regionals[-1])
    alone = fleet.own_play("regional")
    assert alone.code == 0, alone.output[-3000:]
    assert changed(alone) == {fleet.regionals[0]}
    assert f"Changed: 1 cluster: {fleet.regionals[-1]}" in alone.output


def test_some_refused_fail_on_their_own_hosts_and_their_children_are_left_out_by_name(fleet: Fleet) -> None:
    *others, regional = [each for each in fleet.regionals if fleet.children_of(each)]
    guilty = [regional, *(fleet.children_of(each)[-1] for each in others[:1])]
    fine = [next(each for each in fleet.regionals if each != regional)]
    fine += [fleet.children_of(each)[0] for each in others[1:2]]
    orphans = fleet.children_of(regional)
    fleet.change(*guilty, *fine)
    fleet.refuse(*guilty)
    run = fleet.site()
    assert run.code == 2, run.output[-3000:]
    assert failed(run) == dict.fromkeys(guilty, 1)
    assert changed(run) == set(fine)
    assert left_out(run) == set(orphans)
    assert handed_on(run)["k0rdent_kof_failed"] == guilty
    assert_named_once(run, orphans, "left_out", "Left out")
    assert f"its regional {regional} failed" in run.output
    # Twice by core itself (an error, and the host's result); and no more by us.
    assert run.output.count(f"ClusterDeployment kcm-system/{regional}: ") == 2


def test_over_the_limit_in_the_second_batch_stops_all_and_books_the_right_hosts(fleet: Fleet) -> None:
    first, guilty, last = fleet.regionals[0], fleet.regionals[1], fleet.regionals[-1]
    fleet.change(first, guilty, last, fleet.children[0])
    fleet.refuse(guilty)
    serial = [1, 1, "100%"]
    rollout = json.dumps({"kof_serial": serial, "kof_max_fail_percentage": 5})
    run = fleet.site("-e", rollout)
    assert run.code == 2, run.output[-3000:]
    assert failed(run) == {guilty: 1}
    assert changed(run) == {first}
    untouched = fleet.regionals[2:]
    away = [*untouched, *fleet.children]
    assert_named_once(run, away, "left_out", "Left out")
    assert left_out(run) == ({*away} if len(away) <= BOOKED else {"localhost"})
    assert "The rollout stops here." in run.output
    assert "kof_max_fail_percentage (5) allows" in run.output
    # So it is where somebody's own play goes by batches.
    alone = fleet.own_play("regional", "-e", rollout, serial=serial)
    assert alone.code == 2, alone.output[-3000:]
    assert failed(alone) == {guilty: 1}
    assert not set(untouched) & set(alone.stats), "the play ends with this batch"


def test_a_role_alone_reports_and_fails_by_itself(fleet: Fleet) -> None:
    fine, guilty = fleet.regionals[0], fleet.regionals[1]
    fleet.change(fine, guilty)
    fleet.refuse(guilty)
    run = fleet.own_play("regional")
    assert run.code == 2, run.output[-3000:]
    assert failed(run) == {guilty: 1}
    assert f"ClusterDeployment kcm-system/{guilty}: admission policy kof-booking: {REASON}" in run.output
    assert f"Changed: 1 cluster: {fine}" in run.output


def test_a_role_and_one_of_our_playbooks_in_one_run_book_nothing_twice(fleet: Fleet) -> None:
    *others, regional = [each for each in fleet.regionals if fleet.children_of(each)]
    fine = [each for each in fleet.regionals if each != regional][-1]
    child = [fleet.children_of(each)[0] for each in others[:1]]
    orphans = fleet.children_of(regional)
    fleet.change(regional, fine, *child)
    fleet.refuse(regional)
    run = fleet.own_play("regional", then="child")
    assert run.code == 2, run.output[-3000:]
    assert failed(run) == {regional: 1}, "by the role alone"
    assert changed(run) == {fleet.regionals[0], *child}, "by the role's task, and by the report of the playbook"
    assert left_out(run) == set(orphans)
    assert run.output.count(f"Changed: 1 cluster: {fine}") == 1
    assert run.output.count(f"ClusterDeployment kcm-system/{regional}: ") == 2, "by core itself"
    assert sorted(handed_on(run)["k0rdent_kof_changed"]) == sorted([fine, *child])


def test_limited_to_a_region_and_its_children(fleet: Fleet) -> None:
    regional, outside = fleet.regionals[:2]
    children = fleet.children_of(regional)
    fleet.change(regional, outside, *children)
    fleet.refuse(children[-1])
    run = fleet.site("--limit", ",".join([regional, *children]))
    assert run.code == 2, run.output[-3000:]
    assert failed(run) == {children[-1]: 1}
    assert changed(run) == {regional, *children[:-1]}
    assert set(run.stats) <= {regional, *children, "localhost"}
    assert_named_once(run, [regional, *children[:-1]])
