"""Answers are extra variables, and so every host's: in a run about one cluster they are that one's alone."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import one_cluster

GROUP = FLEET.replace("  hosts:\n    eu1:", "  vars: {regional_retention: 30d}\n  hosts:\n    eu1:")
ANSWERS = {
    "regional_cluster_name": "new",
    "regional_domain": "new.example.com",
    "regional_config": "region: eu-west-1\nworkersNumber: 3\n",
    "regional_metrics_replicas": "2",
    "regional_retention": None,
    "regional_storage_class": "",
    "regional_external_dns": "",
    "awx_job_id": 5,
    "kof_wait": True,
}


def added(folder: pathlib.Path, answers: dict[str, Any], host: str = "new", layer: str = "regional") -> dict[str, Any]:
    """A task's variables in the play of the cluster that is added."""
    variables = task_vars(folder, GROUP, batch=["eu1"], extra=answers)
    hostvars = variables["hostvars"]
    hostvars._inventory._inventory.add_host(host, group=f"kof_{layer}")
    hostvars._inventory.clear_caches()
    hostvars._variable_manager.set_nonpersistent_facts("localhost", {one_cluster.FACT: {"layer": layer, "host": host}})
    return {
        **hostvars.raw_get(host),
        "hostvars": hostvars,
        "groups": hostvars._inventory.get_groups_dict(),
        "ansible_play_batch": [host],
        "inventory_hostname": host,
    }


def read(variables: dict[str, Any]) -> fleets.ReadFleet:
    return fleets.read_fleet(one_cluster.scoped(variables), ["regional"], everywhere=True)


def test_answers_are_the_one_clusters_and_the_fleet_is_as_its_inventory_says(tmp_path: pathlib.Path) -> None:
    fleet = read(added(tmp_path, ANSWERS))
    assert fleet.faults == []
    domains = {each.host: each.domain for each in fleet.everywhere("regional")}
    assert domains == {"eu1": "eu1.example.com", "us1": "us1.example.com", "new": "new.example.com"}
    names = {each.host: each.cluster_name for each in fleet.everywhere("regional")}
    assert names == {host: host for host in domains}
    assert fleet.variables["new"]["regional_config"] == {"region": "eu-west-1", "workersNumber": 3}
    assert fleet.variables["new"]["regional_metrics_replicas"] == 2
    assert fleet.variables["eu1"]["regional_config"] == {}
    assert "regional_metrics_replicas" not in fleet.variables["us1"]


def test_what_was_left_empty_is_what_the_inventory_says_else_the_default(tmp_path: pathlib.Path) -> None:
    variables = read(added(tmp_path, ANSWERS)).variables["new"]
    assert variables["regional_retention"] == "30d"
    assert variables["regional_external_dns"] == "secret"
    assert "regional_storage_class" not in variables


def test_of_a_host_that_is_in_the_inventory_the_answers_win(tmp_path: pathlib.Path) -> None:
    fleet = read(
        added(tmp_path, {**ANSWERS, "regional_cluster_name": "eu1", "regional_domain": "b.example.com"}, "eu1")
    )
    assert fleet.faults == []
    assert fleet.clusters["eu1"].domain == "b.example.com"  # type: ignore[union-attr]
    assert fleet.clusters["us1"].domain == "us1.example.com"  # type: ignore[union-attr]


def test_answers_of_one_layer_leave_the_others_extra_variables_alone(tmp_path: pathlib.Path) -> None:
    found = one_cluster.scoped(added(tmp_path, {**ANSWERS, "kof_fleet": "other"}))
    assert {found["hostvars"].raw_get(host)["kof_fleet"] for host in ("mothership", "eu1", "new")} == {"other"}
    assert found["hostvars"]._variable_manager.extra_vars["regional_domain"] == "new.example.com"
    assert "regional_domain" not in found["hostvars"].raw_get("mothership")
    assert "regional_domain" not in found["hostvars"]["mothership"]
    assert set(found["hostvars"]) >= {"mothership", "eu1", "new"}
    assert "new" in found["hostvars"]


def test_ansibles_own_variables_are_as_they_were(tmp_path: pathlib.Path) -> None:
    before = added(tmp_path, ANSWERS)
    one_cluster.scoped(before)
    assert before["hostvars"].raw_get("eu1")["regional_domain"] == "new.example.com"
    assert before["regional_retention"] is None


def test_a_template_of_another_host_sees_that_hosts_own(tmp_path: pathlib.Path) -> None:
    us1 = "{regional_domain: us1.example.com"
    text = FLEET.replace(us1, us1 + ', my: "{{ regional_domain }}"')
    other = task_vars(tmp_path, text, extra=ANSWERS, name="other.yml")
    found = one_cluster.of_one(other["hostvars"], "regional", "eu1")
    assert found["us1"]["my"] == "us1.example.com"
    assert other["hostvars"]["us1"]["my"] == "new.example.com"


@pytest.mark.parametrize("variables", [{}, {"hostvars": {}}, {"hostvars": {"a": {}}, "x": 1}])
def test_no_other_run_is_touched(variables: dict[str, Any], tmp_path: pathlib.Path) -> None:
    assert one_cluster.scoped(variables) is variables
    plain = task_vars(tmp_path, extra=ANSWERS)
    assert one_cluster.scoped(plain) is plain
