"""What may be asked for beside clusters and charts. What an uninstall does to a cluster is shown on a real API server:
tests/acceptance/test_leave_uninstall.py and test_leave_orders.py."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from unit.inventories import FLEET as INVENTORY
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.uninstall import ITEMS, Uninstall, items
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets


def test_all_is_all_and_names_are_names() -> None:
    assert items(["all"]) == items(["crds", "ALL"]) == set(ITEMS)
    assert items([]) == set()
    assert items(["Namespace", "iam"]) == {"namespace", "iam"}


def test_what_is_no_such_thing_is_refused_with_what_is_near() -> None:
    with pytest.raises(FleetFault) as refused:
        items(["crd", "namespace", "everything"])
    assert "kof_uninstall_also: crd is nothing that can go; did you mean crds?" in str(refused.value)
    assert "everything is nothing that can go" in str(refused.value)


OF_US = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "test"}
CORE = ("Namespace", "Secret", "ConfigMap", "PersistentVolumeClaim")
KCM, KOF = "k0rdent.mirantis.com/v1alpha1", "kof.k0rdent.mirantis.com/v1alpha1"
KINDS = {
    "v1": CORE,
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    KCM: ("ClusterDeployment", "MultiClusterService", "ServiceTemplate"),
    KOF: ("PromxyServerGroup",),
}
CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition", "MultiClusterService")


class Api(Connection):
    """A management cluster of these objects, in as few words as an uninstall's look needs.

    :ivar broken: by plural, why it can't be listed.
    """

    place = "here"

    def __init__(self, *objects: Mapping[str, Any], broken: Mapping[str, ApiError] | None = None) -> None:
        self.objects, self.broken = objects, broken or {}
        self._resources = {}

    @property
    def server(self) -> str:
        return "here"

    def api_groups(self, group: str, **_options: Any) -> Any:
        versions = [each.partition("/")[2] for each in KINDS if each.startswith(f"{group}/")]
        return {"preferred": versions[0], "versions": versions} if versions else None

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        assert method == "GET", "nothing is written in a look"
        if path == "/apis":
            return {"groups": [{"preferredVersion": {"groupVersion": each}} for each in KINDS if "/" in each]}
        root, _slash, rest = path.removeprefix("/apis/").removeprefix("/api/").partition("/namespaces/")
        for version, kinds in KINDS.items():
            if path in (f"/apis/{version}", f"/api/{version}"):
                told = [(kind, f"{kind.lower()}s", kind not in CLUSTER_SCOPED) for kind in kinds]
                return {
                    "resources": [
                        {"kind": kind, "name": plural, "namespaced": spaced, "verbs": ["list", "delete"]}
                        for kind, plural, spaced in told
                    ]
                }
        space, _slash, plural = rest.rpartition("/") if "/" in rest else ("", "", "")
        if root == "v1" and rest and not space:  # one namespace
            found = [each for each in self.objects if each["kind"] == "Namespace" and each["metadata"]["name"] == rest]
            if not found:
                raise ApiError(404, "NotFound", "no such namespace")
            return dict(found[0])
        plural = plural or root.rpartition("/")[2]
        if plural in self.broken:
            raise self.broken[plural]
        wanted = str((options.get("query") or {}).get("labelSelector", ""))
        pairs = [pair.split("=") for pair in wanted.split(",") if pair]
        return {
            "kind": "List",
            "items": [
                dict(each)
                for each in self.objects
                if f"{each['kind'].lower()}s" == plural
                and space in ("", each["metadata"].get("namespace"))
                and (
                    wanted.startswith("owner=")
                    or all(each["metadata"].get("labels", {}).get(key) == value for key, value in pairs)
                )
            ],
        }


def item(api: str, kind: str, name: str, space: str | None = "kof", **metadata: Any) -> dict[str, Any]:
    found = {"name": name, **({"namespace": space} if space else {}), **metadata}
    return {"apiVersion": api, "kind": kind, "metadata": found}


Work = Callable[..., Uninstall]


@pytest.fixture
def uninstall(tmp_path: pathlib.Path) -> Work:
    fleet = fleets.read_fleet(task_vars(tmp_path, INVENTORY), ("mothership", "regional", "child"))
    assert fleet.faults == []
    return lambda api, *also: Uninstall(api, fleet, items(also), False, lambda _line: None)


HOME = item("v1", "Namespace", "kof", None, labels=OF_US)
DENIED = ApiError(403, "Forbidden", "configmaps is forbidden")


def test_a_namespace_doesnt_go_with_what_nobody_can_see(uninstall: Work) -> None:
    """What isn't seen may be anybody's."""
    theirs = item("v1", "ConfigMap", "theirs")
    with pytest.raises(FleetFault, match="can't go with what isn't kof's: ConfigMap kof/theirs"):
        uninstall(Api(HOME, theirs), "namespace").look("test")
    unseen = {"configmaps": DENIED}
    with pytest.raises(FleetFault, match=r"can't be looked at, whosever it is: ConfigMap \(v1\): .*forbidden"):
        uninstall(Api(HOME, theirs, broken=unseen), "namespace").look("test")
    assert "on request crds" in uninstall(Api(HOME, theirs, broken=unseen), "crds").look("test")
    # Where it is gone, nothing can be in it.
    assert "nothing of fleet test" in uninstall(Api(broken=unseen), "namespace").look(None)


HELM = {"meta.helm.sh/release-name": "kof-mothership", "meta.helm.sh/release-namespace": "kof"}


def definition(kind: str) -> dict[str, Any]:
    group, _slash, version = KOF.partition("/")
    told = {"kind": kind, "plural": f"{kind.lower()}s"}
    spec = {"group": group, "names": told, "scope": "Namespaced", "versions": [{"name": version, "served": True}]}
    crd = item("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.lower()}s.{group}", None)
    return {**crd, "spec": spec}


@pytest.mark.parametrize(
    ("found", "also", "told"),
    [
        ([item("v1", "PersistentVolumeClaim", "data-vmstorage-cluster-0")], ["namespace"], "the data in volumes"),
        (
            [
                item(KCM, "ServiceTemplate", "a", "kcm-system", annotations=HELM)
                | {"spec": {"helm": {"chartSpec": {"sourceRef": {"name": "k0rdent-catalog"}}}}}
            ],
            ["templates"],
            "on request templates",
        ),
        (
            [definition("PromxyServerGroup"), item(KOF, "PromxyServerGroup", "of-chart", annotations=HELM)],
            [],
            "what the charts' operators take care of: PromxyServerGroup kof/of-chart",
        ),
    ],
    ids=["volume", "template", "custom resource"],
)
def test_whatever_goes_wants_the_fleets_name(
    uninstall: Work, found: list[dict[str, Any]], also: list[str], told: str
) -> None:
    """Also where a run that was killed, or somebody, has taken away all else: no release, no cluster."""
    for each in found:
        each["metadata"].setdefault("labels", {"app.kubernetes.io/managed-by": "Helm"})
    with pytest.raises(FleetFault, match=f"{told}.*pass -e kof_uninstall_confirm=test"):
        uninstall(Api(*found), *also).look(None)
    assert told in uninstall(Api(*found), *also).look("test")


def test_what_a_fleet_taken_over_has_wants_the_fleets_name(uninstall: Work) -> None:
    theirs = item(KOF, "PromxyServerGroup", "a", labels={**OF_US, "app.kubernetes.io/part-of": "old"})
    work = uninstall(Api(theirs))
    assert "nothing of fleet test" in work.look(None)
    work.fleet.permissions = Permissions(frozenset(["old"]), frozenset())
    with pytest.raises(FleetFault, match=r"1 objects of its own.*pass -e kof_uninstall_confirm=test"):
        work.look(None)


def test_a_cluster_in_a_namespace_that_no_run_uses_is_told_with_what_helps(uninstall: Work) -> None:
    """Somebody's copy, with its labels: no inventory can have it."""
    copied = item(KCM, "ClusterDeployment", "eu1", "elsewhere", labels=OF_US)
    with pytest.raises(FleetFault) as refused:
        uninstall(Api(HOME, copied)).look("test")
    assert "elsewhere/eu1" in str(refused.value)
    assert "kubectl delete clusterdeployment eu1 -n elsewhere" in str(refused.value)
    assert "second -i" not in str(refused.value)
