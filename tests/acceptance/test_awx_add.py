"""add_region.yml and add_child.yml with answers as AWX sends them: text typed again, nothing as null, no number at all.

The tests build on each other, in file order: a region is added, found, changed, gets a child, and who asks for what
can't be is told which question is wrong. At the end no secret was in any output.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
import yaml
from support import REPOSITORY, Run, Sandbox, secrets_of
from tagged_yaml import Loader

NAME, CHILD = "aws-eu-west-1", "aws-eu-west-1-child1"
DOMAIN = f"{NAME}.kof.example.com"
CONFIG = """\
region: eu-west-1
clusterIdentity: {name: aws-cluster-identity, namespace: kcm-system}
controlPlane: {instanceType: t3.large}
controlPlaneNumber: 1
worker: {instanceType: t3.medium}
workersNumber: 3
"""
REGION = {
    "regional_cluster_name": NAME,
    "regional_domain": DOMAIN,
    "regional_admin_email": "ann@example.com",
    "regional_config": CONFIG,
    "regional_disabled_services": "cert-manager",
    "regional_promxy_insecure_skip_verify": False,
}
#: What every job has.
OF_AWX = {"awx_job_id": 7, "tower_job_id": 7, "awx_user_name": "ann", "awx_job_template_name": "kof add region"}


def survey(playbook: str) -> list[dict[str, Any]]:
    data = yaml.load((REPOSITORY / "awx" / "controller_templates.yml").read_text(), Loader)
    (found,) = [each for each in data["controller_templates"] if each["playbook"] == f"{playbook}.yml"]
    return found["survey_spec"]["spec"]


def as_awx_sends(playbook: str, given: dict[str, Any]) -> dict[str, Any]:
    """Answers to the survey: a text that was left empty is null, a number absent; of choices, an empty text."""
    found: dict[str, Any] = {}
    for question in survey(playbook):
        name, kind = question["variable"], question["type"]
        if name in given:
            found[name] = given[name]
        elif question["default"] not in ("", None):
            found[name] = question["default"]
        elif kind in ("text", "textarea"):
            found[name] = None
        elif kind == "multiplechoice" and not name.startswith("kof_"):
            found[name] = ""
    unasked = set(given) - {each["variable"] for each in survey(playbook)}
    assert not unasked, "no such question"
    return {**found, **OF_AWX}


class World:
    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.entries = folder / "entries"
        self.runs: list[Run] = []
        # A region that is planned: in the inventory, not there yet. It shares no more with the new one than the group.
        self.inventory = sandbox.inventory(folder / "fleet", example_fleet.fleet(1, 0))
        (planned,) = example_fleet.fleet(1, 0).regionals
        self.planned = planned
        (folder / "fleet" / "group_vars" / "kof_regional.yml").write_text("---\nregional_retention: 30d\n")

    def run(self, playbook: str, *arguments: str, inventory: str | None = None) -> Run:
        run = self.sandbox.playbook(playbook, *arguments, inventory=inventory or self.inventory)
        self.runs.append(run)
        return run

    def answered(self, playbook: str, given: dict[str, Any], *arguments: str) -> Run:
        """By a survey in AWX: one file of extra variables."""
        file = self.folder / "extravars"
        file.write_text(yaml.safe_dump(as_awx_sends(playbook, {**given, "add_entry_folder": str(self.entries)})))
        return self.run(playbook, "-e", f"@{file}", *arguments)

    def live(self) -> dict[str, Any]:
        items = self.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
        return {each["metadata"]["name"]: each for each in items}


@pytest.fixture(scope="module")
def world(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield World(fleet_sandbox, tmp_path_factory.mktemp("add"))
    fleet_sandbox.command("fault", "--clear")
    fleet_sandbox.delete_clusters()


def handed_on(run: Run) -> dict[str, Any]:
    """What the artifact of the job is."""
    found: dict[str, Any] = {}
    for event in run.events:
        if str(event.get("action")).endswith("set_stats") and event["event"] == "ok":
            found |= event["result"]["ansible_stats"]["data"]
    return found


def values_of(cluster: dict[str, Any], service: str) -> dict[str, Any]:
    (found,) = [each for each in cluster["spec"]["serviceSpec"]["services"] if each["name"] == service]
    return yaml.safe_load(found["values"])


def test_a_region_is_added_by_the_answers_of_a_survey(world: World) -> None:
    run = world.answered("add_region", REGION)
    assert run.code == 0, run.output
    live = world.live()
    assert set(live) == {NAME}
    cluster = live[NAME]
    assert cluster["metadata"]["annotations"]["k0rdent-kof/regional-domain"] == DOMAIN
    assert cluster["metadata"]["labels"]["app.kubernetes.io/part-of"] == "sandbox"
    assert cluster["spec"]["config"].items() >= yaml.safe_load(CONFIG).items()
    storage = values_of(cluster, "kof-storage")
    assert storage["victoriametrics"]["vmcluster"]["retentionPeriod"] == "30d"  # the group's: the answer was left empty
    assert f"Changed: 1 cluster: {NAME}" in run.output
    assert "Management cluster: " in run.output
    assert run.stats[NAME]["failures"] == 0
    assert run.stats[NAME]["changed"] > 0
    assert run.stats.get(world.planned, {}).get("changed", 0) == 0
    groups = world.sandbox.get("promxyservergroups,grafanadatasources", "-n", "kof", "-l", "app.kubernetes.io/part-of")
    assert {each["kind"] for each in groups["items"]} == {"PromxyServerGroup", "GrafanaDatasource"}
    assert world.planned not in json.dumps(groups)


def test_its_inventory_entry_is_a_file_and_an_artifact(world: World) -> None:
    text = (world.entries / f"{NAME}.yml").read_text()
    variables = {name: value for name, value in REGION.items() if name != "regional_cluster_name"}
    assert yaml.load(text, Loader) == {
        "kof_regional": {
            "hosts": {
                NAME: {
                    **variables,
                    "regional_config": yaml.safe_load(CONFIG),
                    "regional_disabled_services": ["cert-manager"],
                }
            }
        }
    }
    stats = handed_on(world.runs[-1])
    assert stats["k0rdent_kof_changed"] == [NAME]
    assert stats["k0rdent_kof_entry"] == {
        "schema": "k0rdent.kof.entry/1",
        "layer": "regional",
        "group": "kof_regional",
        "host": NAME,
        "cluster": NAME,
        "file": str(world.entries / f"{NAME}.yml"),
        "left_out": [],
        "yaml": text,
    }
    assert text in world.runs[-1].output


def test_the_same_answers_again_change_nothing(world: World) -> None:
    before, mark = (world.entries / f"{NAME}.yml").stat().st_mtime_ns, world.sandbox.audit_mark()
    run = world.answered("add_region", REGION)
    assert run.code == 0, run.output
    assert run.total("changed") == 0
    assert world.sandbox.mutations_since(mark) == []
    assert (world.entries / f"{NAME}.yml").stat().st_mtime_ns == before
    assert "No cluster changed, none failed." in run.output
    assert handed_on(run)["k0rdent_kof_entry"]["yaml"] == (world.entries / f"{NAME}.yml").read_text()


def test_with_its_entry_the_inventory_has_it_as_it_is(world: World) -> None:
    kept = world.folder / "kept"
    shutil.copytree(world.inventory, kept)
    shutil.copy(world.entries / f"{NAME}.yml", kept)
    mark = world.sandbox.audit_mark()
    run = world.run("regional", "--limit", NAME, inventory=str(kept))
    assert run.code == 0, run.output
    assert (run.total("changed"), world.sandbox.mutations_since(mark)) == (0, [])


def test_the_live_inventory_finds_it_from_then_on(world: World) -> None:
    kubeconfig = world.sandbox.endpoints["kof_kubeconfig"]
    (world.folder / "live.kof.yml").write_text(f"plugin: k0rdent.kof.clusters\nkubeconfig: {kubeconfig}\n")
    done = subprocess.run(
        ["ansible-inventory", "-i", str(world.folder / "live.kof.yml"), "--host", NAME],
        env={**os.environ, **world.sandbox.environment}, cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["regional_domain"], found["cluster_fleet"]) == (DOMAIN, "sandbox")
    assert found["regional_disabled_services"] == ["cert-manager"]


def test_a_child_of_a_region_that_no_inventory_has_is_added_by_the_command_line(world: World) -> None:
    run = world.run(
        "add_child", "-e", f"child_cluster_name={CHILD}", "-e", f"child_regional={NAME}",
        "-e", "child_config='{region: eu-west-1, controlPlaneNumber: 1, workersNumber: 2}'", "-e", "child_opencost=no",
    )  # fmt: skip
    assert run.code == 0, run.output
    child = world.live()[CHILD]
    assert child["spec"]["config"]["workersNumber"] == 2
    sent_to = values_of(child, "kof-collectors")["kof"]["metrics"]["endpoint"]
    assert f"vmauth.{DOMAIN}" in sent_to
    entry = yaml.load(handed_on(run)["k0rdent_kof_entry"]["yaml"], Loader)
    assert entry["kof_child"]["hosts"][CHILD] == {
        "child_regional": NAME,
        "child_config": {"region": "eu-west-1", "controlPlaneNumber": 1, "workersNumber": 2},
        "child_opencost": False,
    }
    assert handed_on(run)["k0rdent_kof_entry"]["file"] == ""


OTHER = {**REGION, "regional_labels": "example.com/team: a\n"}


def test_other_answers_are_a_change_which_a_check_run_tells_and_makes_nothing_of(world: World) -> None:
    mark, before = world.sandbox.audit_mark(), (world.entries / f"{NAME}.yml").read_text()
    run = world.answered("add_region", OTHER, "--check", "--diff")
    assert run.code == 0, run.output
    assert f"Would change: 1 cluster: {NAME}" in run.output
    assert "example.com/team" in run.output
    assert world.sandbox.mutations_since(mark) == []
    assert (world.entries / f"{NAME}.yml").read_text() == before
    assert "k0rdent_kof_entry" not in handed_on(run)


def test_other_answers_are_a_change_that_is_told_as_site_tells_it(world: World) -> None:
    run = world.answered("add_region", OTHER)
    assert run.code == 0, run.output
    assert f"Changed: 1 cluster: {NAME}" in run.output
    assert run.changes() >= {(f"ClusterDeployment kcm-system/{NAME}", "updated")}
    assert world.live()[NAME]["metadata"]["labels"]["example.com/team"] == "a"
    entry = yaml.load((world.entries / f"{NAME}.yml").read_text(), Loader)
    assert entry["kof_regional"]["hosts"][NAME]["regional_labels"] == {"example.com/team": "a"}


def test_one_that_is_made_and_not_ready_in_time_fails_by_its_name_and_its_entry_is_kept_all_the_same(
    world: World,
) -> None:
    late = f"{NAME}-late"
    world.sandbox.command("fault", f"never_ready={late}")
    try:
        run = world.answered("add_child", {"child_cluster_name": late, "child_regional": NAME, "kof_wait_timeout": 3})
    finally:
        world.sandbox.command("fault", "--clear")
    assert run.code != 0
    assert late in world.live()
    assert f"Failed: 1 cluster: {late}" in run.output
    assert run.stats[late]["failures"] == 1
    assert handed_on(run)["k0rdent_kof_failed"] == [late]
    assert handed_on(run)["k0rdent_kof_entry"]["host"] == late
    assert yaml.load((world.entries / f"{late}.yml").read_text(), Loader)["kof_child"]["hosts"][late] == {
        "child_regional": NAME
    }


#: By what is wrong: playbook, answers, more arguments, and what is told.
WRONG: dict[str, tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "no name": ("add_region", {"regional_domain": "x.example.com"}, (), ("regional_cluster_name: is required",)),
    "no domain": (
        "add_region",
        {"regional_cluster_name": "new", "regional_admin_email": "a@example.com"},
        (),
        ("regional_domain", "is required"),
    ),
    "a name typed again": (
        "add_child",
        {"child_cluster_name": 83},
        (),
        ("child_cluster_name: arrived as the number 83",),
    ),
    "a domain in use": (
        "add_region",
        {**REGION, "regional_cluster_name": "new"},
        (),
        ("regional_domain", f"the domain of the live cluster {NAME}"),
    ),
    "an unknown region": (
        "add_child",
        {"child_cluster_name": "new", "child_regional": "nowhere"},
        (),
        ("child_regional", "nowhere is neither a host of kof_regional nor a live regional cluster"),
    ),
    "a child's name": (
        "add_region",
        {**REGION, "regional_cluster_name": CHILD, "regional_domain": "b.example.com"},
        (),
        (f"regional_cluster_name: {CHILD} is live, as a child cluster",),
    ),
    "another fleet's": ("add_region", OTHER, ("-e", "kof_fleet=other"), ("sandbox", "kof_take_over_fleet")),
    "what loses data": (
        "add_region",
        {**OTHER, "regional_disabled_services": "cert-manager, kof-storage"},
        (),
        ("dangerous change", "kof-storage"),
    ),
    "a limit": ("add_region", OTHER, ("--limit", "mothership"), ("--limit: k0rdent.kof.add_region is about",)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_by_the_question_before_anything_is_touched(world: World, what: str) -> None:
    playbook, given, arguments, told = WRONG[what]
    kept, mark = {each.name: each.read_text() for each in world.entries.iterdir()}, world.sandbox.audit_mark()
    run = world.answered(playbook, given, *arguments)
    assert run.code != 0
    flat = " ".join(run.output.split())
    for words in told:
        assert words in flat, run.output
    assert world.sandbox.mutations_since(mark) == []
    assert {each.name: each.read_text() for each in world.entries.iterdir()} == kept
    assert "k0rdent_kof_entry" not in handed_on(run)


def test_no_secret_was_in_any_output_event_or_file(world: World) -> None:
    secrets = secrets_of(world.sandbox)
    assert len(secrets) > 4
    assert len(world.runs) > 10
    told = "".join(run.output + json.dumps(run.events) for run in world.runs)
    told += "".join(each.read_text() for each in world.entries.iterdir())
    assert not [secret for secret in secrets if secret in told]
