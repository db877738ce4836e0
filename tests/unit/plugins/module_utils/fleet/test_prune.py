"""Which clusters have left an inventory, on data: whose they are, what is left of them, and how they are deleted."""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune, render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import ref_of
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

LAYERS = ("mothership", "regional", "child")
Objects = list[dict[str, Any]]


def read(folder: pathlib.Path, text: str = FLEET) -> fleets.ReadFleet:
    fleet = fleets.read_fleet(task_vars(folder, text), LAYERS)
    assert fleet.faults == []
    return fleet


@pytest.fixture
def objects(tmp_path: pathlib.Path) -> Objects:
    """All of the fleet's clusters, as if they were live."""
    fleet = read(tmp_path)
    domains = {each.host: each.domain for each in fleet.of("regional")}
    made: Objects = []
    for layer in ("regional", "child"):
        rendered, _faults = render.layer_objects(fleet, layer, render.offline(fleet.release), domains)
        made += [each for of_host in rendered.values() for each in of_host]
    return made


def of_kind(objects: Objects, kind: str) -> Objects:
    return [each for each in objects if each["kind"] == kind]


def found(folder: pathlib.Path, objects: Objects, known: set[str], beside: Objects = ()) -> list[prune.Gone]:  # type: ignore[assignment]
    groups = of_kind(objects, "PromxyServerGroup")
    release = read(folder).release
    return prune.found(of_kind(objects, "ClusterDeployment"), groups, beside, release, "test", known)


def beside(kind: str, name: str, fleet: str = "test", **labels: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": fleet, **labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "kof", "labels": labels}}


def test_it_is_this_fleets_that_no_host_stands_for(tmp_path: pathlib.Path, objects: Objects) -> None:
    gone = found(tmp_path, objects, {"eu1", "eu1-child1"})
    assert [(each.name, each.layer, each.domain) for each in gone] == [
        ("us1", "regional", "us1.example.com"),
        ("us1-child1", "child", None),
    ]
    assert all(each.lives for each in gone)
    labels = of_kind(objects, "ClusterDeployment")[1]["metadata"]["labels"]
    labels["app.kubernetes.io/part-of"] = "other"
    assert [each.name for each in found(tmp_path, objects, {"eu1", "eu1-child1"})] == ["us1-child1"]


def test_names_are_of_clusters_and_not_of_hosts(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("us1: {", "ohio: {regional_cluster_name: us1, ").replace("al: us1", "al: ohio")
    assert prune.names(read(tmp_path, text)) == {"eu1", "us1", "eu1-child1", "us1-child1"}


def test_rules_and_dashboards_go_with_their_cluster_and_the_motherships_stay(
    tmp_path: pathlib.Path, objects: Objects
) -> None:
    there = [
        beside("VMRule", "us1-alerts"),
        beside("VMRule", "eu1-alerts"),
        beside("VMRule", "mothership-alerts"),
        beside("VMRule", "of-somebody"),
        beside("VMRule", "ghost-alerts"),
        beside("VMRule", "other-alerts", fleet="other"),
        beside("GrafanaDashboard", "us1-dashboard-x", **{"k0rdent.kof/dashboards-of": "us1"}),
        beside("GrafanaDashboard", "by-hand"),
    ]
    gone = {each.name: each for each in found(tmp_path, objects, {"eu1", "eu1-child1", "us1-child1"}, there)}
    assert {name: [item["metadata"]["name"] for item in each.beside] for name, each in gone.items()} == {
        "us1": ["us1-alerts", "us1-dashboard-x"],
        "ghost": ["ghost-alerts"],
    }
    assert gone["ghost"].deployment is None
    assert [each.lives for each in gone.values()] == [False, True]
    deletion = prune.leaving(list(gone.values()), read(tmp_path), "v1alpha1")
    kinds = [(ref.kind, ref.name) for ref in deletion.refs["us1"]]
    assert kinds == [
        ("ClusterDeployment", "us1"),
        ("PromxyServerGroup", "us1-metrics"),
        ("GrafanaDatasource", "us1-logs"),
        ("VMRule", "us1-alerts"),
        ("GrafanaDashboard", "us1-dashboard-x"),
    ]


@pytest.mark.parametrize("spec", [None, [], "text", {"serviceSpec": 5}, {"serviceSpec": {"services": ["a", None]}}])
def test_what_cant_be_read_stays(tmp_path: pathlib.Path, objects: Objects, spec: Any) -> None:
    (item,) = [each for each in of_kind(objects, "ClusterDeployment") if each["metadata"]["name"] == "us1-child1"]
    item["spec"] = spec
    item["metadata"]["labels"].pop("kof", None)
    (gone,) = found(tmp_path, objects, {"eu1", "eu1-child1", "us1"})
    assert gone.layer is None
    deletion = prune.leaving([gone], read(tmp_path), "v1alpha1")
    assert "whether it is a regional or a child cluster" in deletion.refused["us1-child1"]
    assert deletion.hosts("child") == deletion.hosts("regional") == []


def test_a_domain_that_no_inventory_could_have_is_no_hindrance(tmp_path: pathlib.Path, objects: Objects) -> None:
    (item,) = [each for each in of_kind(objects, "ClusterDeployment") if each["metadata"]["name"] == "us1"]
    item["metadata"]["annotations"]["k0rdent-kof/regional-domain"] = "not a domain"
    gone = found(tmp_path, objects, {"eu1", "eu1-child1", "us1-child1"})
    deletion = prune.leaving(gone, read(tmp_path), "v1alpha1")
    assert deletion.hosts("regional") == ["us1"]


def test_what_is_on_its_way_out_needs_no_limit_and_no_word(tmp_path: pathlib.Path, objects: Objects) -> None:
    for item in of_kind(objects, "ClusterDeployment"):
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    fleet = read(tmp_path)
    gone = found(tmp_path, objects, {"eu1", "eu1-child1"})
    assert {each.said() for each in gone} == {"being deleted since 2026-01-01T00:00:00Z"}
    prune.refuse_a_loss(gone, fleet, "here")
    prune.refuse_unconfirmed(gone, fleet, "here", None)
    del of_kind(objects, "ClusterDeployment")[1]["metadata"]["deletionTimestamp"]
    with pytest.raises(FleetFault, match="pass -e kof_prune_confirm=test"):
        prune.refuse_unconfirmed(found(tmp_path, objects, {"eu1", "eu1-child1"}), fleet, "here", "tes")


def test_a_host_by_the_name_of_a_cluster_that_left_is_no_reason_to_keep_it(
    tmp_path: pathlib.Path, objects: Objects
) -> None:
    """The child's regional is host us1, whose cluster has another name."""
    text = FLEET.replace("us1: {", "us1: {regional_cluster_name: ohio, ")
    gone = found(tmp_path, objects, {"eu1", "eu1-child1", "us1-child1"})
    assert prune.leaving(copy.deepcopy(gone), read(tmp_path, text), "v1alpha1").refused == {}
    fleet = read(tmp_path, FLEET.replace("us1: {regional_domain: us1.example.com}", ""))
    assert "name it as child_regional: us1-child1" in prune.leaving(gone, fleet, "v1alpha1").refused["us1"]


def test_refs_are_once(tmp_path: pathlib.Path, objects: Objects) -> None:
    gone = found(tmp_path, objects, {"eu1", "eu1-child1", "us1-child1"}, [beside("VMRule", "us1-alerts")] * 2)
    refs = prune.leaving(gone, read(tmp_path), "v1alpha1").refs["us1"]
    assert len(refs) == len(set(refs)) == 4
    assert refs[-1] == ref_of(gone[0].beside[0])


@pytest.mark.parametrize("name", ["a.b", "x" * 70, "mothership"])
@pytest.mark.parametrize("layer", ["regional", "child", None])
def test_one_of_a_name_that_no_run_gives_stays_and_keeps_no_other(
    tmp_path: pathlib.Path, objects: Objects, name: str, layer: str | None
) -> None:
    """Somebody's copy of a ClusterDeployment, with its labels."""
    (other,) = found(tmp_path, objects, {"eu1", "eu1-child1", "us1"})
    copied = prune.Gone(name, layer, copy.deepcopy(other.deployment))
    deletion = prune.leaving([copied, other], read(tmp_path), "v1alpha1")
    assert list(deletion.refused) == [name]
    assert "by hand" in deletion.refused[name]
    assert (deletion.hosts("child"), deletion.hosts("regional")) == (["us1-child1"], [])
    assert deletion.refs[name][0].name == name


def test_nothing_said_is_not_the_name_of_a_fleet(tmp_path: pathlib.Path, objects: Objects) -> None:
    """Of one that is called None, for example by a template that had nothing to say."""
    gone = found(tmp_path, objects, {"eu1", "eu1-child1", "us1"})
    fleet = read(tmp_path, FLEET.replace("kof_fleet: test", "kof_fleet: None"))
    with pytest.raises(FleetFault, match="pass -e kof_prune_confirm=None"):
        prune.refuse_unconfirmed(gone, fleet, "here", None)
    prune.refuse_unconfirmed(gone, fleet, "here", "None")


def left_of(objects: Objects, name: str, *kinds: str) -> Objects:
    """The parts of a cluster beside its ClusterDeployment."""
    names = {name, f"{name}-metrics", f"{name}-logs"}
    kinds = kinds or ("PromxyServerGroup", "GrafanaDatasource")
    return [each for each in objects if each["kind"] in kinds and each["metadata"]["name"] in names]


def without(objects: Objects, name: str) -> Objects:
    return [each for each in objects if (each["kind"], each["metadata"]["name"]) != ("ClusterDeployment", name)]


@pytest.mark.parametrize("kinds", [(), ("PromxyServerGroup",), ("GrafanaDatasource",)])
def test_a_regional_is_found_by_any_of_its_parts(
    tmp_path: pathlib.Path, objects: Objects, kinds: tuple[str, ...]
) -> None:
    """Whose ClusterDeployment somebody deleted by hand: promxy would fail every query for ever."""
    left = left_of(objects, "us1", *kinds)
    (gone,) = found(tmp_path, without(objects, "us1"), {"eu1", "eu1-child1", "us1-child1"}, left)
    assert (gone.name, gone.layer, gone.deployment, gone.lives) == ("us1", "regional", None, False)
    assert gone.domain == ("us1.example.com" if "GrafanaDatasource" not in kinds else None)
    assert "its ClusterDeployment is gone, and " in gone.said()
    fleet = read(
        tmp_path,
        FLEET.replace("us1-child1: {child_regional: us1}", "").replace(
            "us1: {regional_domain", "ap1: {regional_domain"
        ),
    )
    deletion = prune.leaving([gone], fleet, "v1alpha1")
    assert (deletion.refused, deletion.hosts("regional")) == ({}, ["us1"])
    assert {ref_of(each) for each in left} <= set(deletion.refs["us1"])


def test_what_is_left_is_no_loss_and_goes_by_the_fleets_name_alone(tmp_path: pathlib.Path, objects: Objects) -> None:
    """Of two that are gone, and of one that is being deleted; kof_max_delete is 1, and one lives."""
    fleet = read(tmp_path)
    for name in ("eu1", "us1-child1"):
        objects = without(objects, name)
    (going,) = [each for each in of_kind(objects, "ClusterDeployment") if each["metadata"]["name"] == "us1"]
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    beside_them = [*left_of(objects, "eu1"), *left_of(objects, "us1"), beside("VMRule", "us1-child1-alerts")]
    gone = found(tmp_path, objects, set(), beside_them)
    assert {each.name: each.lives for each in gone} == {
        "eu1": False, "us1": False, "us1-child1": False, "eu1-child1": True,
    }  # fmt: skip
    prune.refuse_a_loss(gone, fleet, "here")
    with pytest.raises(FleetFault) as refused:
        prune.refuse_unconfirmed(gone, fleet, "here", None)
    assert "1 clusters of fleet test" in str(refused.value)
    assert "PromxyServerGroup kof/us1-metrics" in str(refused.value)
    assert "VMRule kof/us1-child1-alerts" in str(refused.value)
    prune.refuse_unconfirmed(gone, fleet, "here", "test")
    # No cluster of the layer lives, so no inventory can have lost it.
    nobody = read(tmp_path, FLEET.partition("kof_regional:")[0])
    prune.refuse_a_loss([each for each in gone if not each.lives], nobody, "here")
    with pytest.raises(FleetFault, match="no host in kof_child, and 1 child clusters"):
        prune.refuse_a_loss(gone, nobody, "here")


@pytest.mark.parametrize("owner", ["other", None])
def test_parts_of_a_cluster_that_is_anothers_by_now_are_no_leftovers(
    tmp_path: pathlib.Path, objects: Objects, owner: str | None
) -> None:
    (item,) = [each for each in of_kind(objects, "ClusterDeployment") if each["metadata"]["name"] == "us1"]
    item["metadata"]["labels"] = {**item["metadata"]["labels"], "app.kubernetes.io/part-of": owner} if owner else {}
    there = [*left_of(objects, "us1"), beside("VMRule", "us1-alerts")]
    assert found(tmp_path, objects, {"eu1", "eu1-child1", "us1-child1"}, there) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda group: group["spec"].update(cluster_name="else"),
        lambda group: group["spec"].update(cluster_name=None),
        lambda group: group["spec"].update(cluster_name=["us1"]),
        lambda group: group.update(spec=None),
        lambda group: group.pop("spec"),
        lambda group: group["metadata"].update(name="mine"),
        lambda group: group["metadata"]["labels"].update({"app.kubernetes.io/part-of": "other"}),
        lambda group: group["metadata"].update(labels=None),
        lambda group: group["metadata"].update(annotations={"k0rdent.kof/made-by": "module"}),
    ],
)
def test_what_only_resembles_a_part_is_somebodys(tmp_path: pathlib.Path, objects: Objects, spoil: Any) -> None:
    """As made by the module for single use, under a name of the user's own, or changed by a person."""
    (group,) = left_of(objects, "us1", "PromxyServerGroup")
    spoil(group)
    assert found(tmp_path, without(objects, "us1"), {"eu1", "eu1-child1", "us1-child1"}, [group]) == []


@pytest.mark.parametrize("targets", [None, "text", [], [None, 7, {}], ["192.0.2.1:443"]])
def test_targets_of_any_form_say_of_no_domain(tmp_path: pathlib.Path, objects: Objects, targets: Any) -> None:
    (group,) = left_of(objects, "us1", "PromxyServerGroup")
    group["spec"]["targets"] = targets
    (gone,) = found(tmp_path, without(objects, "us1"), {"eu1", "eu1-child1", "us1-child1"}, [group])
    assert gone.domain is None
