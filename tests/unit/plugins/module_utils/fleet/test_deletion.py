"""Which clusters may be deleted: whom a live child sends to, what isn't ours, and what DNS keeps."""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import Deletion
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.readiness import Surroundings
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets

Live = dict[Any, dict[str, Any]]


def deletion(folder: pathlib.Path, text: str = FLEET, batch: list[str] | None = None) -> tuple[Deletion, Live]:
    """Of a batch, and all that `text` renders to, as if it were live."""
    variables = task_vars(folder, text)
    everything = fleets.read_fleet(variables, ["regional", "child"])
    assert everything.faults == []
    domains = {each.host: each.domain for each in everything.of("regional")}
    live: Live = {}
    for layer in ("regional", "child"):
        objects, _faults = render.layer_objects(everything, layer, render.offline(everything.release), domains)
        live |= {ref_of(each): each for of_host in objects.values() for each in of_host}
    fleet = fleets.read_fleet(task_vars(folder, text, batch=batch), ["regional", "child"])
    return Deletion(fleet, "v1alpha1"), live


def find(live: Live, kind: str, name: str) -> dict[str, Any]:
    return next(item for ref, item in live.items() if (ref.kind, ref.name) == (kind, name))


def test_children_that_go_first_hold_nobody(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    wanted.guard(live)
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert wanted.hosts("regional") == ["eu1", "us1"]
    assert wanted.going(live) == {"child": ["eu1-child1", "us1-child1"], "regional": ["eu1", "us1"]}


def test_a_live_child_is_known_by_what_it_sends_to_whatever_the_inventory_says(tmp_path: pathlib.Path) -> None:
    # Applied for eu1, and later written down for us1.
    wanted, live = deletion(tmp_path, batch=["eu1", "us1", "eu1-child1"])
    (child,) = wanted.fleet.of("child")
    object.__setattr__(child, "regional", "us1")
    live = {ref: item for ref, item in live.items() if ref.name != "us1-child1"}
    wanted.hold_regionals(live)
    assert set(wanted.left_out) == {"eu1", "us1"}


def test_a_child_in_templates_of_kcm_is_found_too(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path, batch=["eu1"])
    for service in find(live, "ClusterDeployment", "eu1-child1")["spec"]["serviceSpec"]["services"]:
        service["values"] = "url: https://VMAUTH.eu1.example.com:443/{{ .Cluster.metadata.name }}"
    wanted.hold_regionals(live)
    assert "still send to it: eu1-child1;" in wanted.refused["eu1"]


def test_a_child_with_disabled_collectors_holds_its_regional_and_it_is_told_why(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("child_regional: eu1", "child_regional: eu1, child_disabled_services: [kof-collectors]")
    _wanted, live = deletion(tmp_path, text)
    services = find(live, "ClusterDeployment", "eu1-child1")["spec"]["serviceSpec"]["services"]
    assert [each["name"] for each in services if each.get("disable")] == ["kof-collectors"]
    wanted, _live = deletion(tmp_path, text, batch=["eu1"])
    wanted.hold_regionals(live)
    assert "send to it: eu1-child1 (by a disabled service, which may not be uninstalled);" in wanted.refused["eu1"]


def test_a_child_is_not_taken_for_told_by_what_another_service_names(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    child = untold(live, "team-b")
    for service in child["spec"]["serviceSpec"]["services"]:
        service.pop("valuesFrom")
    old = {"name": "agent", "template": "a-1", "disable": True, "values": "url: https://vmauth.eu1.example.com"}
    child["spec"]["serviceSpec"]["services"].append(old)
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert list(wanted.refused) == ["eu1", "us1"]


def test_a_longer_domain_is_another_one(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path, batch=["eu1"])
    for service in find(live, "ClusterDeployment", "eu1-child1")["spec"]["serviceSpec"]["services"]:
        service["values"] = "url: https://vmauth.eu1.example.com.au/"
    wanted.hold_regionals(live)
    assert wanted.refused == {}


def test_the_domain_that_was_applied_counts_also_where_the_inventory_has_a_new_one(tmp_path: pathlib.Path) -> None:
    _wanted, live = deletion(tmp_path)
    new = FLEET.replace("eu1.example.com", "new.example.com")
    wanted, _live = deletion(tmp_path, new, batch=["eu1"])
    wanted.hold_regionals(live)
    assert "eu1-child1" in wanted.refused["eu1"]
    assert wanted.dns_records(["eu1"], live) == ["vmauth.eu1.example.com", "grafana.eu1.example.com"]


def moved(live: Live, name: str, namespace: str) -> dict[str, Any]:
    """A copy of a live cluster in another namespace, added to `live`."""
    copied = copy.deepcopy(find(live, "ClusterDeployment", name))
    copied["metadata"]["namespace"] = namespace
    live[ref_of(copied)] = copied
    return copied


def without(live: Live, *names: str) -> Live:
    return {
        ref: item for ref, item in live.items() if (ref.namespace, ref.name) not in {("kcm-system", n) for n in names}
    }


def test_a_child_in_another_namespace_holds_its_regional_though_one_of_its_name_goes(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    moved(live, "eu1-child1", "team-b")
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert list(wanted.refused) == ["eu1"]
    assert "still send to it: team-b/eu1-child1;" in wanted.refused["eu1"]


def test_a_regional_of_another_namespace_that_has_the_same_domain_holds_nobody(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    moved(live, "eu1", "team-b")
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert wanted.refused == wanted.left_out == {}


def untold(live: Live, namespace: str = "kcm-system") -> dict[str, Any]:
    """A child of somebody's, whose collectors take their values from a Secret."""
    child = moved(live, "eu1-child1", namespace)
    child["metadata"].update(name="theirs", labels={})
    live[ref_of(child)] = live.pop(next(ref for ref, item in live.items() if item is child))
    for service in child["spec"]["serviceSpec"]["services"]:
        service.pop("values", None)
        service["valuesFrom"] = [{"kind": "Secret", "name": "s"}]
    return child


def test_a_child_whose_regional_can_not_be_told_holds_every_one(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    child = untold(live, "team-b")
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert list(wanted.refused) == ["eu1", "us1"]
    assert wanted.refused["us1"] == (
        "whether team-b/theirs send to it can't be told (team-b/theirs: values of its service kof-collectors are in "
        "Secret s): delete them first, or name their regional cluster on them: kubectl label clusterdeployment theirs "
        "-n team-b k0rdent.mirantis.com/kof-regional-cluster-name=<cluster>. Nothing of this cluster is deleted"
    )
    # Somebody who knows says it.
    for name, held in (("us1", ["us1"]), ("elsewhere", [])):
        child["metadata"]["labels"] = {"k0rdent.mirantis.com/kof-regional-cluster-name": name}
        wanted, _live = deletion(tmp_path)
        wanted.hold_regionals(live, going=wanted.hosts("child"))
        assert list(wanted.refused) == held


def test_collectors_that_come_by_a_multiclusterservice_count(tmp_path: pathlib.Path) -> None:
    for values, held in (("url: https://vmauth.us1.example.com/", ["us1"]), ("", ["eu1", "us1"])):
        wanted, live = deletion(tmp_path)
        service = {"name": "collect", "template": "kof-collectors-0-1-1", "values": values}
        bundle = {
            "apiVersion": "k0rdent.mirantis.com/v1alpha1",
            "kind": "MultiClusterService",
            "metadata": {"name": "all"},
            "spec": {"clusterSelector": {}, "serviceSpec": {"services": [service]}},
        }
        live[ref_of(bundle)] = bundle
        wanted.hold_regionals(live, going=wanted.hosts("child"))
        assert list(wanted.refused) == held
    assert "kubectl label multiclusterservice all k0rdent.mirantis.com/kof-reg" in wanted.refused["us1"]


def test_one_of_ours_that_may_send_anywhere_leaves_all_out_while_it_is_there(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    for service in find(live, "ClusterDeployment", "eu1-child1")["spec"]["serviceSpec"]["services"]:
        service["values"] = "{{ .everything }}"
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert wanted.refused == wanted.left_out == {}
    wanted.hold_regionals(live)
    assert wanted.left_out["us1"] == "its child clusters are still there: us1-child1, eu1-child1"
    assert "eu1" in wanted.left_out


def test_a_regional_with_collectors_of_its_own_does_not_hold_itself(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    for name, more in (
        ("eu1", {"values": "url: https://vmauth.eu1.example.com/"}),
        ("us1", {"valuesFrom": [{"kind": "S"}]}),
    ):
        services = find(live, "ClusterDeployment", name)["spec"]["serviceSpec"]["services"]
        services.append({"name": "kof-collectors", "template": "kof-collectors-0-1-1", **more})
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert list(wanted.refused) == ["eu1"]  # us1 may send there
    assert "whether us1 send to it can't be told" in wanted.refused["eu1"]


def test_orphans_do_not_hold_what_a_regional_left_behind(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path, batch=["eu1"])
    live = {ref: item for ref, item in live.items() if (ref.kind, ref.name) != ("ClusterDeployment", "eu1")}
    wanted.hold_regionals(live)
    assert wanted.hosts("regional") == ["eu1"]


def test_a_regional_that_the_inventory_has_for_a_child_is_refused(tmp_path: pathlib.Path) -> None:
    _wanted, live = deletion(tmp_path)
    text = FLEET.replace("    eu1: {regional_domain: eu1.example.com}\n", "").replace("eu1-child1:", "eu1:")
    wanted, _live = deletion(tmp_path, text.replace("child_regional: eu1", "child_regional: us1"))
    wanted.guard(live)
    assert "is a regional cluster, and the inventory has it in kof_child" in wanted.refused["eu1"]


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ({"argocd.argoproj.io/tracking-id": "fleet:k0rdent.mirantis.com/ClusterDeployment:kcm-system/eu1"}, "Argo CD"),
        ({"meta.helm.sh/release-name": "regions"}, "helm release regions"),
    ],
)
def test_what_others_would_make_again_stays(tmp_path: pathlib.Path, annotation: dict[str, str], told: str) -> None:
    wanted, live = deletion(tmp_path)
    find(live, "ClusterDeployment", "eu1")["metadata"]["annotations"].update(annotation)
    wanted.guard(live)
    assert list(wanted.refused) == ["eu1"]
    assert told in wanted.refused["eu1"]


def test_a_second_place_in_the_global_view_holds_the_cluster(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    ours = find(live, "PromxyServerGroup", "eu1-metrics")
    hand_made = {**ours, "metadata": {"name": "promxyservergroup-sample", "namespace": "kof"}}
    live[ref_of(hand_made)] = hand_made
    wanted.guard(live)
    assert list(wanted.refused) == ["eu1"]
    assert "PromxyServerGroup kof/promxyservergroup-sample stands for it, too" in wanted.refused["eu1"]


@pytest.mark.parametrize(("limit", "stay"), [(0, ["us1"]), (49, ["us1"]), (50, []), (100, [])])
def test_failed_children_may_stop_all_regionals(tmp_path: pathlib.Path, limit: int, stay: list[str]) -> None:
    wanted, _live = deletion(tmp_path, FLEET.replace("kof_fleet: test", f"kof_max_fail_percentage: {limit}"))
    wanted.refused = {"eu1-child1": "why", "eu1": "its own reason"}
    wanted.hold_after_failures()
    assert list(wanted.left_out) == stay


def test_without_external_dns_there_are_no_records(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("eu1.example.com}", "eu1.example.com, regional_external_dns: none}")
    wanted, live = deletion(tmp_path, text)
    assert wanted.dns_records(["eu1", "us1"], live) == ["vmauth.us1.example.com", "grafana.us1.example.com"]


# -- clusters that live on without their ClusterDeployment


def around(name: str, *releases: str, kind: str = "Sveltos", **status: Any) -> dict[str, Surroundings]:
    """What Sveltos says of a cluster with these releases in namespace kof."""
    managed = [{"releaseName": each, "releaseNamespace": "kof", "status": "Managing"} for each in releases]
    summary = {
        "metadata": {"name": f"p--{name}-{kind.lower()}-{name}"},
        "spec": {"clusterType": kind},
        "status": {"helmReleaseSummaries": managed},
    }
    clusters = [{"kind": "SveltosCluster", "status": {"connectionStatus": "Healthy", **status}}]
    return {name: Surroundings(summaries=[summary], clusters=clusters if kind == "Sveltos" else [])}


def test_only_what_lives_on_is_uninstalled(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    found = {**around("eu1", "kof-storage"), **around("us1", "kof-storage", kind="Capi")}
    wanted.find_standing(live, found, [])
    assert wanted.standing == {"eu1": ["kof/kof-storage"]}
    assert wanted.refused == {}


DOWN = {"connectionStatus": "Down", "failureMessage": "connection refused"}


def test_an_unreachable_cluster_with_releases_stays_until_the_user_lets_them_stay(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    found = around("eu1-child1", "cert-manager", "kof-collectors", **DOWN)
    wanted.find_standing(live, found, [])
    assert "connection refused" in wanted.refused["eu1-child1"]
    assert "kof/cert-manager, kof/kof-collectors can't be uninstalled" in wanted.refused["eu1-child1"]
    assert "-e kof_delete_leave_services=eu1-child1" in wanted.refused["eu1-child1"]
    wanted.hold_regionals(live, going=wanted.hosts("child"))
    assert "eu1" in wanted.left_out

    wanted, live = deletion(tmp_path)
    wanted.find_standing(live, found, ["eu1-child1"])
    assert wanted.refused == wanted.standing == {}
    assert wanted.left_behind == {"eu1-child1": ["kof/cert-manager", "kof/kof-collectors"]}


def test_one_failed_try_refuses_nothing(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    wanted.find_standing(live, around("eu1-child1", "kof-collectors", connectionFailures=1, failureMessage="i/o"), [])
    assert (wanted.standing, wanted.refused) == ({"eu1-child1": ["kof/kof-collectors"]}, {})


def test_an_unreachable_cluster_where_nothing_ever_was_just_goes(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    wanted.find_standing(live, around("eu1-child1", **DOWN), [])
    assert wanted.refused == wanted.standing == {}


def test_services_of_a_cluster_that_is_not_in_the_run_can_not_be_left(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    with pytest.raises(FleetFault, match="kof_delete_leave_services: eu2: no regional or child cluster"):
        wanted.find_standing(live, {}, ["eu1", "eu2"])


def test_the_patch_holds_only_as_long_as_the_object_is_ours(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    find(live, "ClusterDeployment", "eu1")["metadata"]["uid"] = "u"
    ours = "/metadata/labels/app.kubernetes.io~1"
    labels = "/spec/config/clusterLabels/k0rdent.mirantis.com~1kof-"
    assert wanted.withdrawal("eu1", live) == [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "test", "path": f"{ours}managed-by", "value": "k0rdent.kof"},
        {"op": "test", "path": f"{ours}part-of", "value": "test"},
        {"op": "remove", "path": "/spec/serviceSpec/services"},
        {"op": "remove", "path": f"{labels}storage-secrets"},
        {"op": "remove", "path": f"{labels}aws-dns-secrets"},
    ]
    # An earlier run did all but wait.
    spec = find(live, "ClusterDeployment", "eu1")["spec"]
    spec["serviceSpec"].pop("services")
    spec["config"]["clusterLabels"] = {}
    assert wanted.withdrawal("eu1", live) == []


def test_the_last_region_stays_in_promxys_configuration(tmp_path: pathlib.Path) -> None:
    wanted, live = deletion(tmp_path)
    groups = [ref for ref in live if ref.kind == "PromxyServerGroup"]
    assert wanted.last_region(live, groups) == "us1"
    assert wanted.last_region(live, groups[:1]) is None
    assert wanted.last_region({}, groups) is None
    other = copy.deepcopy(live[groups[1]])
    other["metadata"]["labels"] = {}  # the operator doesn't look at it
    assert wanted.last_region({groups[0]: live[groups[0]], groups[1]: other}, groups[:1]) == "eu1"
