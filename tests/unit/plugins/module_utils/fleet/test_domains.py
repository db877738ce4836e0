"""Which domain a child's regional cluster has: by the inventory, else by what is live."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.cluster_deployment import DOMAIN_ANNOTATION
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets


def read(folder: pathlib.Path, text: str) -> tuple[fleets.ReadFleet, dict[str, Any]]:
    variables = task_vars(folder, text)
    return fleets.read_fleet(variables, ["child"]), variables


def test_domain_comes_from_the_inventory_else_from_the_live_regional(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("child_regional: us1", "child_regional: far-away")
    fleet, variables = read(tmp_path, text)
    live = {"far-away": {"metadata": {"annotations": {DOMAIN_ANNOTATION: "far.example.com"}}}}
    surroundings = render.Surroundings("v1alpha1", deployments=live)
    domains = fleets.domains_of(fleet, "child", surroundings, variables)
    assert domains == {"eu1": "eu1.example.com", "far-away": "far.example.com"}
    with pytest.raises(FleetFault, match=r"us1-child1: child_regional: no regional cluster far-away.*: eu1, us1"):
        fleets.domains_of(fleet, "child", render.Surroundings("v1alpha1"), variables)
    assert fleets.domains_of(fleet, "regional", render.Surroundings("v1alpha1"), variables) == {}


def test_domain_of_a_regional_made_by_hand_is_the_one_that_promxy_asks(tmp_path: pathlib.Path) -> None:
    fleet, variables = read(tmp_path, FLEET.replace("child_regional: us1", "child_regional: by-hand"))
    # What promxy asks counts, as for preflight: kof-storage's host may be behind another name.
    values = "victoriametrics: {vmauth: {ingress: {host: vmauth.inside.example.com}}}"
    services = {"serviceSpec": {"services": [{"name": "kof-storage", "values": values}]}}
    live: dict[str, Any] = {"by-hand": {"metadata": {"name": "by-hand"}, "spec": services}}
    group = {"spec": {"cluster_name": "by-hand", "targets": ["vmauth.hand.example.com:443"]}}
    asked = render.Surroundings("v1alpha1", deployments=live, server_groups=lambda: [group])
    assert fleets.domains_of(fleet, "child", asked, variables) == {
        "eu1": "eu1.example.com",
        "by-hand": "hand.example.com",
    }
    live["by-hand"]["spec"] = {}
    with pytest.raises(FleetFault, match="is live, but nothing says its domain"):
        fleets.domains_of(fleet, "child", render.Surroundings("v1alpha1", deployments=live), variables)
