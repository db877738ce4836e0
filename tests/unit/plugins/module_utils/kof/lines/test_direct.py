"""The parts of style "direct": that what is said of a part and what is made of it are one object."""

from __future__ import annotations

import pathlib
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    Given,
    Goes,
    Installed,
    Kind,
    Part,
    departure,
    rights,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

GIVEN = Given(RELEASES["0.1.1"], "v1beta1", "aws-standalone-cp-0-1-0", "eu1.example.com")


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> Fleet:
    return fleets.read_fleet(task_vars(tmp_path), LAYERS)


def of(fleet: Fleet, layer: str, **changed: Any) -> tuple[Part, ...]:
    return parts(layer, replace(fleet.of(layer)[0], **changed), GIVEN)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_part_is_the_object_that_it_makes_and_waits_for(fleet: Fleet, layer: str) -> None:
    found = of(fleet, layer)
    for part in found:
        if part.manifest and isinstance(part.what, Installed):
            assert Installed(part.manifest()["namespace"], part.manifest()["name"]) == part.what
        elif part.manifest:
            assert ref_of(part.manifest()) == part.what
        if part.target:
            assert part.target().ref == part.what
    names = [part.what for part in found]
    assert len(set(names)) == len(names)


def test_the_cluster_itself_comes_first(fleet: Fleet) -> None:
    """So it goes last, and nothing that points to it is there before it or after it."""
    for layer in ("regional", "child"):
        first = of(fleet, layer)[0].what
        assert isinstance(first, Ref)
        assert (first.kind, first.name) == ("ClusterDeployment", fleet.of(layer)[0].cluster_name)


def test_what_later_layers_need_of_the_mothership(fleet: Fleet) -> None:
    needed = [part.what for part in of(fleet, "mothership") if part.needed]
    assert [each.kind for each in needed if isinstance(each, Kind)] == [
        "PromxyServerGroup",
        "GrafanaDatasource",
        "GrafanaDashboard",
        "VMRule",
        "VMAlertmanager",
    ]
    objects = [(each.kind, each.name) for each in needed if isinstance(each, Ref)]
    templates = [("ServiceTemplate", name) for name in RELEASES["0.1.1"].service_templates]
    assert objects == [("Namespace", "kof"), *templates]


def test_templates_that_somebody_else_installs_are_not_waited_for(fleet: Fleet) -> None:
    def awaited(**changed: Any) -> set[str]:
        found = (part.what for part in of(fleet, "mothership", **changed) if part.target)
        return {each.kind for each in found}

    assert awaited() - awaited(install_templates=False) == {"ServiceTemplate"}


def test_a_target_needs_no_template_and_no_domain(fleet: Fleet) -> None:
    """Waiting doesn't render: it has neither."""
    for layer in LAYERS:
        for part in parts(layer, fleet.of(layer)[0], Given(RELEASES["0.1.1"], "v1alpha1")):
            assert part.target is None or part.target().ref == part.what


def test_a_cluster_goes_after_what_stands_for_it(fleet: Fleet) -> None:
    gone = {layer: departure(of(fleet, layer)) for layer in LAYERS}
    assert gone["mothership"] == {}
    assert [set(each) for each in (gone["regional"], gone["child"])] == [{Goes.DELETED}] * 2
    kinds = [part.what.kind for part in gone["regional"][Goes.DELETED] if isinstance(part.what, Ref)]
    assert kinds == ["GrafanaDatasource", "PromxyServerGroup", "ClusterDeployment"]


def needed(fleet: Fleet, layer: str, job: str) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for part in of(fleet, layer):
        for right in rights(part):
            if right.job == job:
                found[right.resource] |= right.verbs
    return {resource: " ".join(sorted(verbs)) for resource, verbs in sorted(found.items())}


def test_the_rights_that_a_region_needs(fleet: Fleet) -> None:
    assert needed(fleet, "regional", "apply") == dict.fromkeys(
        ("clusterdeployments", "grafanadatasources", "promxyservergroups"), "create get list patch"
    )
    around = ("clusterconfigurations", "clusters", "clustersummaries", "servicetemplates", "sveltosclusters")
    assert needed(fleet, "regional", "wait") == dict.fromkeys(
        ("clusterdeployments", "grafanadatasources", *around), "list watch"
    )
    ours = dict.fromkeys(("clusterdeployments", "grafanadatasources", "promxyservergroups"), "delete get list watch")
    asked = dict.fromkeys(("credentials", "servicetemplates"), "list watch")
    assert needed(fleet, "regional", "delete") == ours | asked
    assert needed(fleet, "regional", "replace") == dict.fromkeys(
        ("grafanadatasources", "promxyservergroups"), "delete get list"
    )


def test_a_child_needs_no_other_right_than_a_region(fleet: Fleet) -> None:
    for job in ("apply", "wait", "delete", "replace"):
        assert needed(fleet, "child", job).items() <= needed(fleet, "regional", job).items()
    assert needed(fleet, "child", "delete") == {
        "clusterdeployments": "delete get list watch",
        "credentials": "list watch",
        "servicetemplates": "list watch",
    }


def test_the_rights_that_the_mothership_needs_beside_its_charts(fleet: Fleet) -> None:
    assert needed(fleet, "mothership", "apply") == {"namespaces": "create get patch"}
    assert needed(fleet, "mothership", "check") == {"servicetemplates": "get"}
    assert needed(fleet, "mothership", "helm") == {"secrets": "list"}
    assert needed(fleet, "mothership", "wait") == {
        "deployments": "list watch",
        "secrets": "get",
        "servicetemplates": "list watch",
    }
    assert needed(fleet, "mothership", "delete") == {}


def test_one_namespace_is_written_and_no_other(fleet: Fleet) -> None:
    found = [right for part in of(fleet, "mothership") for right in rights(part) if right.kind == "Namespace"]
    assert {(verb, right.name) for right in found for verb in right.verbs} == {
        ("get", "kof"),
        ("patch", "kof"),
        ("create", ""),  # it has no name yet
    }


def test_what_stands_for_a_part_under_another_name(fleet: Fleet) -> None:
    group, source = (part for part in of(fleet, "regional") if part.stand_in)
    old = {"kind": "PromxyServerGroup", "metadata": {"name": "old"}, "spec": {"cluster_name": "eu1"}}
    assert group.stand_in
    assert source.stand_in
    assert group.stand_in.why(old) == "spec.cluster_name is eu1"
    assert group.stand_in.why({**old, "spec": {"cluster_name": "us1"}}) is None
