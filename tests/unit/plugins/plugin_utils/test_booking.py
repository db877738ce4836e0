"""What is kept of each batch, which hosts a report books as what, and what is said of the rest."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import outcomes_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref, diff_of
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes, pattern_of
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking


def outcome(name: str, action: str) -> Outcome:
    return Outcome(Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", name), action)


@pytest.fixture
def variables(tmp_path: pathlib.Path) -> dict[str, Any]:
    return task_vars(tmp_path)


def keep(variables: dict[str, Any], host: str = "localhost", **facts: Any) -> None:
    variables["hostvars"]._variable_manager.set_nonpersistent_facts(host, facts)


def changed(*hosts: str) -> dict[str, Any]:
    return {"changed": dict.fromkeys(hosts, "ClusterDeployment updated")}


def test_check_mode_says_would() -> None:
    by_host = [("eu1", outcome("eu1", "created")), ("us1", outcome("us1", "unchanged"))]
    done, predicted = (outcomes_of(by_host, [], [], check_mode=check) for check in (False, True))
    assert done.changed == {"eu1": "ClusterDeployment kcm-system/eu1 created"}
    assert predicted.changed == {"eu1": "ClusterDeployment kcm-system/eu1 would be created"}
    assert done.lines(check_mode=False) == ["Changed: 1 cluster: eu1"]
    assert predicted.lines(check_mode=True) == ["Would change: 1 cluster: eu1"]


def test_batches_and_layers_add_up_and_the_newest_reason_counts(variables: dict[str, Any]) -> None:
    keep(
        variables,
        __regional_outcomes=[changed("eu1"), {"failed": {"us1": "frozen"}, "stop": "too many"}],
        __child_outcomes=[{"left_out": {"us1-child1": "its regional us1 failed"}}],
    )
    found = booking.noted(variables)
    assert list(found.changed) == ["eu1"]
    assert found.failed == {"us1": "frozen"}
    assert found.left_out == {"us1-child1": "its regional us1 failed"}
    assert found.stop == "too many"
    assert found.lines(check_mode=False) == [
        "Changed: 1 cluster: eu1",
        "Left out: 1 cluster: us1-child1",
        "Failed: 1 cluster: us1",
    ]


def test_a_cluster_that_changed_and_failed_is_booked_as_both(variables: dict[str, Any]) -> None:
    keep(variables, __regional_outcomes=[changed("eu1"), {"failed": {"eu1": "late"}}])
    report = booking.report(variables, check_mode=False)
    assert (report["play"], report["failures"]) == (["eu1"], ["eu1"])


def test_names_for_the_next_jobs_are_none_of_our_options(variables: dict[str, Any]) -> None:
    keep(variables, __regional_outcomes=[changed("eu1") | {"failed": {"us1": "frozen"}}])
    variables["__status_told"] = {"files": ["/srv/status.html"]}
    assert booking.report(variables, check_mode=False)["stats"] == {
        "k0rdent_kof_run": {
            "schema": "k0rdent.kof.run/1",
            "check_mode": False,
            "counts": {"changed": 1, "failed": 1, "left_out": 0},
            "failed": ["us1"],
            "files": ["/srv/status.html"],
        },
        "k0rdent_kof_changed": ["eu1"],
        "k0rdent_kof_failed": ["us1"],
        "k0rdent_kof_left_out": [],
    }
    would = booking.report(variables, check_mode=True)["stats"]
    assert "k0rdent_kof_would_change" in would
    assert would["k0rdent_kof_run"]["check_mode"]
    assert would["k0rdent_kof_run"]["files"] == []  # which it has not written


def test_a_second_report_of_the_same_run_books_only_what_is_new(variables: dict[str, Any]) -> None:
    keep(variables, __regional_outcomes=[changed("eu1") | {"failed": {"us1": "frozen"}}])
    first = booking.report(variables, check_mode=False)
    keep(variables, __report_booked=first, __child_outcomes=[changed("eu1-child1")])
    second = booking.report(variables, check_mode=False)
    assert (second["play"], second["failures"]) == (["eu1-child1"], [])
    assert second["stats"]["k0rdent_kof_changed"] == ["eu1", "eu1-child1"]


def test_what_a_role_has_booked_no_report_books_again(variables: dict[str, Any]) -> None:
    """A role in somebody's own play, and one of our playbooks, in one run."""
    by_role = Outcomes({"eu1": "made"}, {"us1": "frozen"}, {"us1-child1": "its regional us1 failed"})
    keep(
        variables,
        __regional_outcomes=[by_role.fact(booking.BY_ROLE)],
        __child_outcomes=[Outcomes({"eu1-child1": "made"}).fact(booking.BY_PLAY)],
    )
    report = booking.report(variables, check_mode=False)
    assert (report["play"], report["failures"]) == (["eu1-child1"], [])
    assert booking.for_report(variables).lines(check_mode=False) == ["Changed: 1 cluster: eu1-child1"]
    # It happened all the same: for later layers, and for the next jobs of a workflow.
    assert booking.noted(variables).failed == {"us1": "frozen"}
    assert report["stats"].pop("k0rdent_kof_run")["counts"] == {"changed": 2, "failed": 1, "left_out": 1}
    assert report["stats"] == {
        "k0rdent_kof_changed": ["eu1", "eu1-child1"],
        "k0rdent_kof_failed": ["us1"],
        "k0rdent_kof_left_out": ["us1-child1"],
    }
    assert Outcomes().fact(booking.BY_PLAY) == {}


@pytest.mark.parametrize("limit", [None, "kof_child"])
def test_of_too_many_to_be_booked_one_has_the_number(variables: dict[str, Any], limit: str | None) -> None:
    hosts = [f"c{number}" for number in range(1100)]
    failed = {f"f{number}": "frozen" for number in range(300)}
    keep(variables, __child_outcomes=[changed(*hosts) | {"failed": failed}])
    report = booking.report(variables | ({"ansible_limit": limit} if limit else {}), check_mode=False)
    assert len(report["failures"]) == 300, "each that failed is booked"
    assert report["stats"]["k0rdent_kof_changed"] == hosts
    carrier = "c0" if limit else "localhost"  # --limit takes the implicit localhost away
    assert report["play"] == [carrier]
    assert report["booked"][carrier]["status"] == "changed"
    assert ("1099 more changed" if limit else "1100 changed") in report["booked"][carrier]["msg"]
    assert report["booked"][carrier]["more"] == (hosts[1:] if limit else hosts), "for their diffs"
    of_run = report["stats"]["k0rdent_kof_run"]
    assert of_run["counts"] == {"changed": 1100, "failed": 300, "left_out": 0}
    assert of_run["failed"] == list(failed)[:200]
    assert len(json.dumps(of_run)) < 3000
    assert len(json.dumps(report)) < 100_000


def test_as_many_as_can_be_booked_are_whatever_the_others_are(variables: dict[str, Any]) -> None:
    hosts, away = ([f"{letter}{number}" for number in range(most)] for letter, most in (("c", 200), ("l", 201)))
    keep(variables, __child_outcomes=[changed(*hosts) | {"left_out": dict.fromkeys(away, "the rollout stopped")}])
    report = booking.report(variables, check_mode=False)
    assert report["play"] == [*hosts, "localhost"]
    assert report["booked"]["localhost"]["status"] == "left out"
    assert "201 left out" in report["booked"]["localhost"]["msg"]


def test_diffs_are_found_by_host(variables: dict[str, Any]) -> None:
    actions = (("eu1", "eu1", "created"), ("us1", "us1", "unchanged"), ("us1", "x", "created"))
    by_host = [(host, outcome(name, action)) for host, name, action in actions]
    diff = diff_of([each for _host, each in by_host], hosts=[host for host, _each in by_host])
    for host in ("eu1", "us1"):
        keep(variables, host, __regional_applied={"diff": diff})
    (found,) = booking.diffs_of(variables, ["us1"])
    assert found["before_header"] == "ClusterDeployment kcm-system/x"
    assert len(booking.diffs_of(variables, ["us1", "eu1"])) == 2


@pytest.mark.parametrize("name", ["eu-1", "eu1.example.com", "_x", "eu[1]", "ä", "a b", "!x", "~x", "&x", "*"])
def test_a_host_is_found_by_its_pattern_whatever_it_is_called(tmp_path: pathlib.Path, name: str) -> None:
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=["localhost,"])
    for each in (name, "other", "eu1"):
        inventory.add_host(each)
    assert [host.name for host in inventory.get_hosts([pattern_of(name)])] == [name]


def test_a_run_did_what_its_batches_and_the_tasks_of_the_mothership_did(variables: dict[str, Any]) -> None:
    """What the record of a run says: also who failed in a task that books nobody."""
    released = [
        {"changed": True, "action": "upgraded", "status": {"namespace": "kof", "name": "kof-mothership"}},
        {"changed": False, "action": "unchanged", "status": {"namespace": "kof", "name": "kof-operators"}},
        {"skipped": True},
    ]
    keep(
        variables,
        "mothership",
        __mothership_made={"changed": True},
        __mothership_put_right={"changed": False, "skipped": True},
        __mothership_released={"results": released},
        __dns_credentials_made_secret={"changed": True},
    )
    keep(variables, __regional_outcomes=[changed("eu1") | {"failed": {"us1": "frozen"}, "booked_by": "role"}])
    hosts = {"ansible_play_hosts_all": ["mothership", "eu1", "us1", "us1-child1"], "ansible_play_hosts": ["eu1", "us1"]}
    found = booking.of_run(variables | hosts)
    assert found.changed == {
        "mothership": "Namespace of kof written, Secret of external-dns written, "
        "Helm release kof/kof-mothership upgraded",
        "eu1": "ClusterDeployment updated",
    }
    assert found.failed == {
        "us1": "frozen",
        "mothership": "a task of it failed",
        "us1-child1": "a task of it failed",
    }


def test_what_a_helm_that_failed_had_begun_is_told(variables: dict[str, Any]) -> None:
    failed = {"failed": True, "changed": True, "item": "kof-mothership", "msg": "CANARY"}
    keep(variables, "mothership", __mothership_released={"results": [failed], "failed": True})
    found = booking.of_run(variables | {"ansible_play_hosts_all": ["mothership"], "ansible_play_hosts": []})
    assert found.changed == {"mothership": "Helm release kof-mothership begun, and failed"}
    assert found.failed == {"mothership": "a task of it failed"}


def test_a_run_of_which_no_task_changed_anything_changed_nothing(variables: dict[str, Any]) -> None:
    keep(variables, "mothership", __mothership_released={"results": [{"changed": False}], "changed": False})
    keep(variables, __status_outcomes=[{"failed": {"us1": "frozen"}}])
    assert booking.of_run(variables).changed == {}


def test_every_task_of_a_role_whose_change_is_told_keeps_it_so() -> None:
    """By the name that is read: a task renamed, or a new one, would change something that no record names."""
    roles = pathlib.Path(__file__).parents[4] / "roles"
    (tasks,) = yaml.safe_load((roles / "mothership/tasks/main.yml").read_text())
    (block,) = yaml.safe_load((roles / "dns_credentials/tasks/make.yml").read_text())
    absent = yaml.safe_load((roles / "dns_credentials/tasks/absent.yml").read_text())
    taking = next(each["block"] for each in absent if "block" in each)
    written = {each["register"] for each in [*tasks["block"], *block["block"], *taking] if "register" in each}
    unsaid = {"__mothership_waited", "__dns_credentials_look_again"}
    assert written - unsaid == {*booking.OF_MOTHERSHIP, booking.CHARTS}
    assert all("register" in each or "k0rdent.kof.fleet_lease" in each for each in block["block"])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("__mothership_released", {"results": [{"changed": True, "action": "upgraded", "status": {"name": "kof"}}]}),
        ("__mothership_namespace", {"changed": True}),
        ("__dns_credentials_removed_user", {"changed": True}),
    ],
)
def test_what_only_the_mothership_changed_is_told_at_the_end_and_handed_on_but_not_booked_twice(
    variables: dict[str, Any], name: str, kept: dict[str, Any]
) -> None:
    """Its tasks are changed on its own host."""
    keep(variables, "mothership", **{name: kept})
    assert booking.for_report(variables).lines(check_mode=False) == ["Changed: 1 cluster: mothership"]
    report = booking.report(variables, check_mode=False)
    assert report["play"] == report["failures"] == []
    assert report["stats"]["k0rdent_kof_changed"] == ["mothership"]
    assert report["stats"]["k0rdent_kof_run"]["counts"]["changed"] == 1
    keep(variables, __regional_outcomes=[changed("eu1") | {"failed": {"mothership": "late"}}])
    assert booking.for_report(variables).lines(check_mode=True) == [
        "Would change: 2 clusters: mothership, eu1",
        "Failed: 1 cluster: mothership",
    ]


PLAYBOOKS = pathlib.Path(__file__).parents[4] / "playbooks"
#: Actions that say what became of clusters, and by their playbooks' end have to be told.
TELLING = {f"k0rdent.kof.fleet_{name}" for name in (
    "apply", "wait", "delete", "prune", "uninstall", "restore", "drift", "status", "verify", "dns_records",
)}  # fmt: skip


def plays_of(file: pathlib.Path) -> list[dict[str, Any]]:
    """With those of the playbooks that it imports."""
    found = []
    for play in yaml.safe_load(file.read_text()):
        imported = play.get("ansible.builtin.import_playbook")
        found += plays_of(file.parent / imported) if imported else [play]
    return found


def tasks_of(play: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for task in play.get("tasks", ()):
        imported = task.get("ansible.builtin.import_tasks")
        file = PLAYBOOKS.parent / str(imported).lstrip("./")
        found += yaml.safe_load(file.read_text()) if imported else [task]
    return found


@pytest.mark.parametrize("file", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda file: file.stem)
def test_every_playbook_that_says_what_became_of_clusters_tells_it_at_its_end(file: pathlib.Path) -> None:
    """It keeps it as a fact that the report reads, and ends with the report."""
    plays = plays_of(file)
    tasks = [task for play in plays for task in tasks_of(play)]
    telling = [each for each in tasks if TELLING & each.keys()]
    kept = {name for each in tasks for name in each.get("ansible.builtin.set_fact", ()) if name.endswith("_outcomes")}
    read = "".join(str(each["ansible.builtin.set_fact"]) for each in tasks if "ansible.builtin.set_fact" in each)
    for each in telling:
        (action,) = TELLING & each.keys()
        booked = (each[action] or {}).get("booked_by")
        name = each["register"]
        assert booked or name in booking.OF_MOTHERSHIP or each.get("check_mode") or name.endswith("_looked"), name
        assert not booked or f"{name}.outcomes" in read or name.endswith("_looked"), name
    assert kept <= {*booking.FACTS}
    reports = any("k0rdent.kof.fleet_report" in task for task in tasks)
    assert reports or not telling
