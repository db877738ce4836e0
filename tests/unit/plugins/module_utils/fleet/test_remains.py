"""Whose a thing on the management cluster is: what can't be told is somebody's."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.remains import (
    CHARTS,
    DATA,
    FLEET,
    KUBERNETES,
    MADE,
    OTHERS,
    Owners,
    kinds,
)
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
        (item("Pod", "a", ownerReferences=[{"kind": "ReplicaSet", "name": "b"}]), MADE),
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
