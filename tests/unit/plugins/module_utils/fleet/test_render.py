"""Which template a cluster gets, and which objects each layer has."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

RELEASE = RELEASES["0.1.1"]


def template(name: str, valid: bool = True) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"valid": valid}}


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> Fleet:
    return fleets.read_fleet(task_vars(tmp_path), LAYERS)


def test_newest_valid_template(fleet: Fleet) -> None:
    names = ["aws-standalone-cp-0-0-5", "aws-standalone-cp-0-1-0", "azure-standalone-cp-0-2-0"]
    templates = [*map(template, names), template("aws-standalone-cp-0-9-0", valid=False)]
    around = render.Surroundings("v1alpha1", templates)
    assert render.template_of(fleet.clusters["eu1"], "regional", around, RELEASE) == "aws-standalone-cp-0-1-0"


def test_a_running_cluster_keeps_its_template(fleet: Fleet) -> None:
    live = {"eu1": {"spec": {"template": "aws-standalone-cp-0-0-5"}}}
    around = render.Surroundings("v1alpha1", [template("aws-standalone-cp-0-1-0")], live)
    assert render.template_of(fleet.clusters["eu1"], "regional", around, RELEASE) == "aws-standalone-cp-0-0-5"


def test_no_template_is_a_fault_of_the_cluster(fleet: Fleet) -> None:
    found = render.template_of(fleet.clusters["eu1"], "regional", render.Surroundings("v1alpha1"), RELEASE)
    assert (found.host, found.variable) == ("eu1", "regional_template_kind")


@pytest.mark.parametrize(
    ("config", "fine"), [(None, True), ({}, False), ({"region": ""}, False), ({"clusterLabels": {}}, True)]
)
def test_a_template_whose_clusters_get_no_secrets_is_a_fault(
    fleet: Fleet, config: dict[str, Any] | None, fine: bool
) -> None:
    adopted = template("adopted-cluster-0-0-2")
    adopted["status"]["config"] = config
    around = render.Surroundings("v1alpha1", [adopted], {"eu1": {"spec": {"template": "adopted-cluster-0-0-2"}}})
    found = render.template_of(fleet.clusters["eu1"], "regional", around, KOF_0_0)
    if fine:
        assert found == "adopted-cluster-0-0-2"
    else:
        assert (found.host, found.variable) == ("eu1", "regional_template_kind")
        assert found.problem.startswith("adopted-cluster-0-0-2 has no clusterLabels")
    assert render.template_of(fleet.clusters["eu1"], "regional", around, RELEASE) == "adopted-cluster-0-0-2"


def test_offline_names_the_releases_own_template(fleet: Fleet) -> None:
    found = render.template_of(fleet.clusters["eu1"], "regional", render.offline(RELEASE), RELEASE)
    assert found == "aws-standalone-cp-0-1-0"


def test_objects_of_each_layer(fleet: Fleet) -> None:
    domains = {"eu1": "eu1.example.com", "us1": "us1.example.com"}
    kinds = {}
    for layer in LAYERS:
        objects, faults = render.layer_objects(fleet, layer, render.offline(RELEASE), domains)
        assert faults == []
        kinds[layer] = {host: [each["kind"] for each in of_host] for host, of_host in objects.items()}
    regional = ["ClusterDeployment", "PromxyServerGroup", "GrafanaDatasource"]
    assert kinds == {
        "mothership": {"mothership": ["Namespace"]},
        "regional": {"eu1": regional, "us1": regional},
        "child": {"eu1-child1": ["ClusterDeployment"], "us1-child1": ["ClusterDeployment"]},
    }
