"""Whose a thing on the management cluster is: what can't be told is somebody's."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.remains import (
    CHARTS,
    DATA,
    FLEET,
    KUBERNETES,
    MADE,
    OTHERS,
    Lineage,
    Owners,
    kinds,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Resource
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

OF_US = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "prod"}
BY_HELM = {"meta.helm.sh/release-name": "kof-mothership", "meta.helm.sh/release-namespace": "kof"}


def item(kind: str, name: str, space: str | None = "kof", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": space, **metadata}}


@pytest.fixture(params=sorted(RELEASES))
def owners(request: pytest.FixtureRequest) -> Owners:
    return Owners.of("prod", "kof", RELEASES[request.param], charts=True)


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (item("ConfigMap", "a", labels=OF_US), FLEET),
        (item("ConfigMap", "a", labels={**OF_US, "app.kubernetes.io/part-of": "other"}), OTHERS),
        (item("ConfigMap", "a", labels={**OF_US, "app.kubernetes.io/managed-by": "somebody"}), OTHERS),
        (item("ConfigMap", "a", annotations=BY_HELM), CHARTS),
        (item("ConfigMap", "a", annotations={**BY_HELM, "meta.helm.sh/release-namespace": "else"}), OTHERS),
        (item("ConfigMap", "a", annotations={**BY_HELM, "meta.helm.sh/release-name": "theirs"}), OTHERS),
        (item("ConfigMap", "a", labels={"kustomize.toolkit.fluxcd.io/name": "apps"}), OTHERS),
        (item("ConfigMap", "a", None), OTHERS),
        (item("ConfigMap", "a", labels=None, annotations=None), OTHERS),
        (item("ConfigMap", "kube-root-ca.crt"), KUBERNETES),
        (item("ServiceAccount", "default"), KUBERNETES),
        (item("ServiceAccount", "mine"), OTHERS),
        (item("PersistentVolumeClaim", "vmstorage-db-vmstorage-cluster-0"), DATA),
        (item("PersistentVolumeClaim", "data-mine-0"), OTHERS),
        (item("PersistentVolumeClaim", "backup-vmstorage-cluster-of-mine"), OTHERS),
        (item("PersistentVolumeClaim", "vmstorage-db-vmstorage-cluster-0-clone"), OTHERS),
        (item("Pod", "a", ownerReferences=[{"kind": "ReplicaSet", "name": "b"}]), OTHERS),  # nobody can look at it
        (
            item(
                "Summary", "a", "else", annotations=BY_HELM, ownerReferences=[{"kind": "ClusterProfile", "name": "b"}]
            ),
            MADE,
        ),
        (item("Secret", "storage-vmuser-credentials"), CHARTS),
        (item("Secret", "sh.helm.release.v1.kof-mothership.v3"), CHARTS),
        (item("Secret", "sh.helm.release.v1.kof-mothership2.v3"), OTHERS),
        (item("Secret", "mine"), OTHERS),
        (item("Job", "kof-mothership-cleanup", annotations={"helm.sh/hook": "pre-delete"}), CHARTS),
        (item("Job", "theirs-cleanup", annotations={"helm.sh/hook": "pre-delete"}), OTHERS),
        (item("Deployment", "a", labels={"app.kubernetes.io/managed-by": "vm-operator"}), MADE),
        (item("Deployment", "a", "else", labels={"app.kubernetes.io/managed-by": "vm-operator"}), OTHERS),
    ],
    ids=lambda value: value if isinstance(value, str) else value["metadata"]["name"],
)
def test_whose_it_is(owners: Owners, found: dict[str, Any], whose: str) -> None:
    assert owners.whose(found)[0] == whose


def owned(kind: str, name: str, *by: dict[str, Any], **more: Any) -> dict[str, Any]:
    references = [
        {"apiVersion": each["apiVersion"], "kind": each["kind"], "name": each["metadata"]["name"],
         "uid": each["metadata"]["uid"]}
        for each in by
    ]  # fmt: skip
    return item(kind, name, ownerReferences=references, uid=f"uid-of-{name}", **more)


CHART = item("Deployment", "chart", uid="1", annotations=BY_HELM)
SET = owned("ReplicaSet", "set", CHART)
OURS = item("Thing", "ours", None, uid="2", labels=OF_US)
THEIRS = item("Thing", "theirs", None, uid="3")
STRANGE = item("Deployment", "strange", uid="4")
COPY = item("Deployment", "chart", uid="5")  # an older one by that name
ABSENT = item("Deployment", "absent", uid="6")
#: Nobody's, in a circle.
LEFT, RIGHT = item("Ring", "left", uid="7"), item("Ring", "right", uid="8")
LEFT["metadata"]["ownerReferences"] = owned("", "", RIGHT)["metadata"]["ownerReferences"]
RIGHT["metadata"]["ownerReferences"] = owned("", "", LEFT)["metadata"]["ownerReferences"]
HIDDEN = {**item("Deployment", "hidden", uid="9"), "apiVersion": "hidden/v1"}
OF_OPERATORS = {**item("VMAgent", "a", uid="10"), "apiVersion": "operator.victoriametrics.com/v1beta1"}
UNSERVED = {**item("Unserved", "a", uid="11"), "apiVersion": "else/v1"}


@pytest.mark.parametrize(
    ("found", "whose", "words"),
    [
        (owned("Pod", "a", SET), MADE, "ReplicaSet set"),
        (owned("ConfigMap", "a", OURS), MADE, "Thing ours"),
        (owned("ConfigMap", "a", THEIRS), OTHERS, "of Thing theirs"),
        (owned("ConfigMap", "a", OURS, THEIRS), OTHERS, "of Thing theirs"),
        (owned("ReplicaSet", "a", STRANGE), OTHERS, "of Deployment strange"),
        (owned("ReplicaSet", "a", COPY), MADE, "Deployment chart, which is gone"),
        (owned("ReplicaSet", "a", ABSENT), MADE, "Deployment absent, which is gone"),
        (owned("ReplicaSet", "a", ABSENT, THEIRS), OTHERS, "of Thing theirs"),
        (LEFT, OTHERS, "of Ring right"),
        (owned("Pod", "a", LEFT), OTHERS, "of Ring left"),
        (owned("Pod", "a", HIDDEN), OTHERS, "of Deployment hidden"),
        (owned("Deployment", "a", OF_OPERATORS), MADE, "VMAgent a"),
        (owned("Deployment", "a", UNSERVED), OTHERS, "of Unserved a"),
        (owned("PersistentVolumeClaim", "db-vmstorage-cluster-0", CHART), DATA, "kof: its data"),
        (owned("PersistentVolumeClaim", "db-vmstorage-cluster-0", THEIRS), OTHERS, "of Thing theirs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_owners_is_ours_only_where_they_all_are(
    owners: Owners, found: dict[str, Any], whose: str, words: str
) -> None:
    class Api:
        """Of the kinds here."""

        def resource(self, version: str, kind: str) -> Resource | None:
            served = not version.startswith(("else", "operator"))
            return Resource(version, kind, f"{kind.lower()}s", kind != "Thing", ("list",)) if served else None

        def request(self, _method: str, path: str) -> Any:
            if "hidden" in path:
                raise ApiError(403, "Forbidden", "may not be read")
            for each in (CHART, SET, OURS, THEIRS, STRANGE, LEFT, RIGHT):
                space = "namespaces/kof/" if each["metadata"]["namespace"] else ""
                if path == f"/api/v1/{space}{each['kind'].lower()}s/{each['metadata']['name']}":
                    return each
            raise ApiError(404, "NotFound")

    asking = dataclasses.replace(owners, lineage=Lineage(Api()))  # type: ignore[arg-type]
    assert asking.whose(found) == (whose, words)
    # As they were listed: nothing is asked for.
    known = Lineage(Api())  # type: ignore[arg-type]
    known.know([CHART, SET, OURS, THEIRS, STRANGE, LEFT, RIGHT])
    assert dataclasses.replace(owners, lineage=known).whose(found) == (whose, words)


class Server:
    """Discovery."""

    def __init__(self, versions: list[str], kinds: dict[str, list[str]]) -> None:
        self.versions = [{"groupVersion": each} for each in versions]
        self.kinds = kinds

    def request(self, _method: str, path: str) -> Any:
        if path == "/apis":
            return {"groups": [{"preferredVersion": self.versions[0], "versions": self.versions}]}
        kinds = self.kinds[path.removeprefix("/apis/").removeprefix("/api/")]
        told = {"namespaced": True, "verbs": ["list"]}
        return {"resources": [{"kind": kind, "name": f"{kind.lower()}s", **told} for kind in kinds]}


def test_owners_without_end_and_by_countless_ways_are_no_trouble(owners: Owners) -> None:
    """As anybody may write them into kof's namespace: two thousand in a row, and forty pairs that own the next."""
    row = [item("ConfigMap", "0", uid="0")]
    for number in range(1, 2000):
        row.append(owned("ConfigMap", str(number), row[-1]))
    rows: list[list[dict[str, Any]]] = [[owned("Secret", f"0{side}", ABSENT) for side in "ab"]]
    for number in range(1, 40):
        rows.append([owned("Secret", f"{number}{side}", *rows[-1]) for side in "ab"])
    there = [*row, *(each for both in rows for each in both)]

    class Api:
        def resource(self, version: str, kind: str) -> Resource:
            return Resource(version, kind, f"{kind.lower()}s", True, ("list",))

        def request(self, _method: str, _path: str) -> Any:
            raise ApiError(404, "NotFound", "not found")

    mine = dataclasses.replace(owners, lineage=Lineage(Api()))  # type: ignore[arg-type]
    mine.lineage.know(there)
    assert mine.whose(row[-1])[0] == OTHERS
    assert mine.whose(rows[-1][0])[0] == MADE
    assert mine.whose(owned("Pod", "a", rows[-1][0], row[0]))[0] == OTHERS


def test_a_kind_that_cant_be_read_is_asked_for_once(owners: Owners) -> None:
    """Each request for one whose webhook never ends takes a minute and a half."""
    asked: list[str] = []

    class Api:
        def resource(self, version: str, kind: str) -> Resource:
            return Resource(version, kind, f"{kind.lower()}s", True, ("list",))

        def request(self, _method: str, path: str) -> Any:
            asked.append(path)
            raise ApiError(500, message="conversion webhook for Thing failed")

    mine = dataclasses.replace(owners, lineage=Lineage(Api()))  # type: ignore[arg-type]
    for number in range(5):
        found = owned("Pod", "a", item("Thing", f"of-{number}", uid=str(number)))
        assert mine.whose(found) == (OTHERS, f"of Thing of-{number}")
    assert len(asked) == 1


def test_a_kind_that_only_another_version_of_its_group_has_is_seen() -> None:
    """As VMCluster beside VLCluster: v1 is preferred, and has but the newer kinds."""
    group = "operator.victoriametrics.com"
    new, old = f"{group}/v1", f"{group}/v1beta1"
    served = {"v1": ["Secret"], new: ["VLCluster", "VMAnomaly"], old: ["VLCluster", "VMCluster"]}
    found, unread = kinds(Server([new, old], served))  # type: ignore[arg-type]
    assert unread == {}
    assert [(each.api_version, each.kind) for each in found] == [
        ("v1", "Secret"),
        (new, "VLCluster"),
        (new, "VMAnomaly"),
        (old, "VMCluster"),
    ]
