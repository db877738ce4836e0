"""What guards say of an object that is there: pure, on objects as data."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import REASON_LIMIT
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels

Object = dict[str, Any]
ROLE = guards.ROLE_LABEL
INJECTION = "istio-injection"


def service(name: str, namespace: str = "kof", **more: Any) -> Object:
    return {"name": name, "namespace": namespace, "template": f"{name}-0-1-1", **more}


def cluster(*services: Object, kind: str = "ClusterDeployment", **more: Any) -> Object:
    """A direct one unless services say otherwise; `labels` are those beside ours."""
    listed = list(services) or [service("cert-manager"), service("kof-storage")]
    config = more.pop("config", {})
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "eu1", "namespace": "kcm-system", "labels": labels("a", more.pop("labels", None)), **more},
        "spec": {"template": "t", "config": config, "serviceSpec": {"services": listed}},
    }


def owned(live: Object, manager: str, *paths: tuple[str, ...], operation: str = "Apply") -> Object:
    """`live` with an entry of a manager for the fields at these paths."""
    fields: Object = {}
    for path in paths:
        node = fields
        for step in path:
            node = node.setdefault(f"f:{step}", {})
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": live["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    live["metadata"].setdefault("managedFields", []).append(entry)
    return live


def said(live: Object, wanted: Object | None, fleet: str = "a", **permissions: Any) -> str | None:
    """The first reason of those that writing (or with None: deleting) asks."""
    allowed = Permissions(**{name: frozenset(names) for name, names in permissions.items()})
    asked = guards.of_deleting(fleet, allowed) if wanted is None else guards.of_writing(fleet, allowed)
    reason = next(filter(None, (guard(live, wanted) for guard in asked)), None)
    assert reason is None or len(reason) <= REASON_LIMIT, "a longer reason would be cut"
    return reason


# -- fleets


@pytest.mark.parametrize("deleting", [False, True])
@pytest.mark.parametrize(
    "kind", ["ClusterDeployment", "PromxyServerGroup", "GrafanaDatasource", "Namespace", "Secret", "Anything"]
)
def test_another_fleet_s_object_of_any_kind_is_left_alone(kind: str, deleting: bool) -> None:
    live, wanted = cluster(kind=kind), None if deleting else cluster(kind=kind)
    assert said(live, wanted, "a") is None
    reason = said(live, wanted, "b") or ""
    assert "belongs to fleet a (label app.kubernetes.io/part-of), and this run's fleet is b" in reason
    assert reason.endswith("pass -e kof_take_over_fleet=a")
    assert said(live, wanted, "b", take_over={"a"}) is None
    assert said(live, wanted, "b", take_over={"c"}) is not None


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": None},
        {"labels": {"app.kubernetes.io/part-of": "a"}},
        {"labels": {"app.kubernetes.io/managed-by": "x"}},
    ],
)
def test_what_no_fleet_made_belongs_to_none(metadata: Object) -> None:
    live = cluster()
    live["metadata"] = {"name": "eu1", "namespace": "kcm-system", **metadata}
    assert said(live, cluster(), "b") is None
    assert said(live, None, "b") is None


@pytest.mark.parametrize(
    ("there", "then", "why"),
    [
        ("kof-storage", "kof-storage-0-1-1", "0.0 is upgraded by hand"),
        ("kof-storage-0-1-1", "kof-storage", "there is no way back to 0.0"),
        ("kof-storage-0-1-0", "kof-storage", "there is no way back to 0.0"),
        ("kof-storage-0-1-0", "kof-storage-0-1-1", None),
        ("kof-storage", "kof-storage", None),
        ("mine", "kof-storage-0-1-1", None),
    ],
)
@pytest.mark.parametrize("disabled", [{}, {"disable": True}])
def test_a_cluster_does_not_come_to_another_line_by_another_version(
    there: str, then: str, why: str | None, disabled: Object
) -> None:
    live = cluster(service("kof-storage", **{"template": there, **disabled}))
    wanted = cluster(service("kof-storage", **{"template": then, **disabled}))
    told = guards.other_style(live, wanted)
    assert (why in told) if why and told else told is why
    assert (said(live, wanted) or "") == (told or "")
    assert said(live, None) is None, "who deletes it may"


@pytest.mark.parametrize("kind", ["ClusterDeployment", "PromxyServerGroup", "GrafanaDatasource"])
def test_what_a_gitops_controller_keeps_is_left_to_it(kind: str) -> None:
    live = cluster(kind=kind, labels={"kustomize.toolkit.fluxcd.io/name": "fleet"})
    told = said(live, cluster(kind=kind)) or ""
    assert "kept by the Flux Kustomization fleet" in told
    assert "take it out of there first" in told
    assert said(cluster(kind="Namespace", labels={"kustomize.toolkit.fluxcd.io/name": "fleet"}), cluster()) is None


def test_what_the_operator_or_a_helm_release_keeps_is_theirs() -> None:
    for kind in ("ClusterDeployment", "PromxyServerGroup", "GrafanaDatasource"):
        kept = cluster(kind=kind)
        kept["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "kof-operator"}
        assert "belongs to kof-operator" in (said(kept, cluster(kind=kind)) or "")
        released = cluster(kind=kind, annotations={"meta.helm.sh/release-name": "mine"})
        assert "belongs to helm release mine" in (said(released, cluster(kind=kind)) or "")
    # It only gets labels, and `helm --create-namespace` may have made it.
    assert (
        said(cluster(kind="Namespace", annotations={"meta.helm.sh/release-name": "x"}), cluster(kind="Namespace"))
        is None
    )


# -- styles

BY_LABELS = [
    {"labels": {ROLE: "regional"}},
    {"labels": {ROLE: ""}},
    {"config": {"clusterLabels": {ROLE: "child"}}},
    {"config": {"clusterAnnotations": {"k0rdent.mirantis.com/kof-regional-domain": "eu1.example.com"}}},
]


@pytest.mark.parametrize("marks", BY_LABELS)
@pytest.mark.parametrize("services", [(), (service("ingress-nginx"),), (service("kof-storage"),)])
def test_a_cluster_of_kof_s_labels_is_not_written_with_services(marks: Object, services: tuple[Object, ...]) -> None:
    live = cluster(*services, **copy.deepcopy(marks))
    if not services:
        del live["spec"]["serviceSpec"]
    for allowed in ({}, {"dangerous": {"eu1"}}):
        assert "was made for kof 0.2 or later" in (said(live, cluster(), **allowed) or "")
    assert said(live, None) is None, "deleting it is what its own confirmation is for"


@pytest.mark.parametrize("marks", BY_LABELS)
def test_a_cluster_with_services_is_not_written_with_labels(marks: Object) -> None:
    wanted = cluster(**copy.deepcopy(marks))
    del wanted["spec"]["serviceSpec"]
    assert "was made for kof before 0.2" in (said(cluster(), wanted) or "")
    assert said(cluster(service("kof-collectors")), wanted) is not None
    assert said(cluster(service("kof-collectors", disable=True)), wanted) is not None


@pytest.mark.parametrize(
    "marks",
    [
        # The direct style has these itself, and kof-operator writes the name on every cluster there is.
        {"labels": {"kof": "storage", "k0rdent.mirantis.com/kof-cluster-name": "eu1"}},
        {"config": {"clusterLabels": {"k0rdent.mirantis.com/kof-storage-secrets": "true"}}},
        {"config": {"clusterAnnotations": {"example.com/owner": "me"}, "clusterLabels": None}},
        {"annotations": {"k0rdent-kof/regional-domain": "eu1.example.com"}},
    ],
)
def test_what_is_no_mark_of_a_style(marks: Object) -> None:
    assert said(cluster(**marks), cluster()) is None


# -- dangerous changes


def dangerous(live: Object, wanted: Object) -> str | None:
    """What is said, if it is that this is dangerous; with the permission nothing may be said."""
    reason = said(live, wanted)
    assert said(live, wanted, dangerous={"eu1"}) is None
    assert said(live, wanted, dangerous={"eu2"}) == reason
    if reason is not None:
        assert reason.startswith("dangerous change: ")
        assert reason.endswith("If that is meant, pass -e kof_dangerous_changes=eu1")
    return reason


def bare(**more: Any) -> Object:
    """A cluster of the labels style."""
    item = cluster(**more)
    del item["spec"]["serviceSpec"]
    return item


def test_a_role_that_changes_or_goes() -> None:
    live = owned(bare(labels={ROLE: "regional"}), "k0rdent.kof", ("metadata", "labels", ROLE))
    assert dangerous(live, bare(labels={ROLE: "regional"})) is None
    assert "would change from regional to child" in (dangerous(live, bare(labels={ROLE: "child"})) or "")
    assert f"label {ROLE} would go" in (dangerous(live, bare()) or "")
    assert dangerous(bare(), bare(labels={ROLE: "regional"})) is None, "kof comes to a cluster that had none"


@pytest.mark.parametrize("kind", ["ClusterDeployment", "Namespace"])
@pytest.mark.parametrize("label", guards.ISTIO_LABELS)
def test_istio_that_comes_changes_or_goes(kind: str, label: str) -> None:
    without, on, off = (cluster(kind=kind, labels=more) for more in ({}, {label: "enabled"}, {label: "disabled"}))
    assert f"label {label} would come" in (dangerous(without, on) or "")
    assert "would change from enabled to disabled" in (dangerous(on, off) or "")
    assert dangerous(on, on) is None
    ours = owned(copy.deepcopy(on), "k0rdent.kof", ("metadata", "labels", label))
    assert f"label {label} would go" in (dangerous(ours, without) or "")


def test_a_label_that_an_apply_leaves_is_no_danger() -> None:
    def live(*managers: tuple[str, str]) -> Object:
        item = cluster(labels={INJECTION: "enabled"})
        for manager, operation in managers:
            owned(item, manager, ("metadata", "labels", INJECTION), ("spec", "template"), operation=operation)
        return item

    assert dangerous(live(("istio-operator", "Update")), cluster()) is None
    assert dangerous(live(("kubectl-label", "Update")), cluster()) is None, "a person's label stays theirs"
    assert dangerous(live(("k0rdent.kof", "Apply"), ("istio-operator", "Update")), cluster()) is None
    assert dangerous(live(("k0rdent.kof", "Apply")), cluster()) is not None
    # Somebody's manifest is taken over whole, and what isn't wanted goes.
    assert dangerous(live(("kubectl", "Apply")), cluster()) is not None


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([service("kof-storage")], "service cert-manager would be uninstalled"),
        ([service("cert-manager")], "service kof-storage would be uninstalled"),
        ([service("mine")], "service kof-storage would be uninstalled"),
        (
            [service("cert-manager"), service("kof-storage", disable=True)],
            "service kof-storage would be uninstalled, with its data: it is disabled",
        ),
        (
            [service("cert-manager"), service("kof-storage", "other")],
            "service kof-storage would be moved to namespace other, that is uninstalled in kof",
        ),
    ],
)
def test_a_service_of_kof_that_goes(after: list[Object], told: str) -> None:
    assert told in (dangerous(cluster(), cluster(*after)) or "")


@pytest.mark.parametrize("spec", [{}, {"serviceSpec": None}, {"serviceSpec": {}}, {"serviceSpec": {"services": []}}])
def test_no_services_at_all(spec: Object) -> None:
    wanted = cluster()
    wanted["spec"] = spec
    assert "service cert-manager would be uninstalled; service kof-storage" in (dangerous(cluster(), wanted) or "")
    live = copy.deepcopy(wanted)
    assert dangerous(live, cluster()) is None


def test_other_changes_of_services_are_ordinary() -> None:
    theirs, off = service("somebodys"), service("kof-operators", disable=True)
    live = cluster(service("cert-manager"), service("kof-storage"), theirs, off)
    assert dangerous(live, cluster(service("kof-storage", values="a: b"), service("cert-manager"))) is None
    # Without a namespace kcm installs a service in one of its own name.
    nameless = {"name": "cert-manager", "template": "x"}
    assert dangerous(cluster(nameless), cluster(service("cert-manager", "cert-manager"))) is None


SIZE = "victoria-logs-single: {server: {persistentVolume: {size: %s, storageClassName: %s}}}"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (SIZE % ("10Gi", "fast"), SIZE % ("20Gi", "fast"), "victoria-logs-single.server.persistentVolume.size"),
        (SIZE % ("10Gi", "fast"), SIZE % ("10Gi", "slow"), "persistentVolume.storageClassName"),
        ("global: {storageClass: fast}", "global: {storageClass: slow}", "global.storageClass"),
        ("global: {storageClass: fast}", "", "global.storageClass"),
        ("", "global: {storageClass: fast}", None),
        (SIZE % ("10Gi", "fast"), SIZE % ('"10Gi"', "fast") + "\nmore: {x: 1}", None),
        ("global: {storageClass: '{{ .Cluster.x }}'}", "global: {storageClass: fast}", None),
        ("[no, map]", "global: {storageClass: fast}", None),
        (": no yaml: [", "global: {storageClass: fast}", None),
    ],
)
def test_a_value_that_volumes_can_not_follow(before: str, after: str, told: str | None) -> None:
    live, wanted = cluster(service("kof-storage", values=before)), cluster(service("kof-storage", values=after))
    reason = dangerous(live, wanted)
    assert reason is None if told is None else told in (reason or "")


METRICS = "victoriametrics: {vmcluster: {vmstorage: {storage: {size: %s}}, replicaCount: %s}}"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (METRICS % ("50Gi", 3), METRICS % ("20Gi", 3), "vmcluster.vmstorage.storage.size from 50Gi to 20Gi"),
        (METRICS % ("1Gi", 3), METRICS % ("1000Mi", 3), "from 1Gi to 1000Mi"),
        (METRICS % ("10Gi", 5), METRICS % ("10Gi", 4), "vmcluster.replicaCount from 5 to 4"),
        # What isn't said is the chart's: 10Gi of three.
        (METRICS % ("50Gi", 3), "a: 1", "from 50Gi to 10Gi"),
        ("a: 1", METRICS % ("5Gi", 3), "from 10Gi to 5Gi"),
        ("a: 1", METRICS % ("10Gi", 1), "replicaCount from 3 to 1"),
        (METRICS % ("20Gi", 3), METRICS % ("50Gi", 4), None),
        (METRICS % ("10Gi", 3), METRICS % ("10240Mi", 3), None),
        (METRICS % ("much", 3), METRICS % ("1Gi", 3), None),
        ("a: '{{ .Cluster.x }}'", METRICS % ("1Gi", 1), None),
        (METRICS % ("50Gi", 3), "a: '{{ .Cluster.x }}'", None),
    ],
)
def test_a_volume_that_would_shrink_and_a_replica_that_would_go(before: str, after: str, told: str | None) -> None:
    live, wanted = cluster(service("kof-storage", values=before)), cluster(service("kof-storage", values=after))
    reason = dangerous(live, wanted)
    assert reason is None if told is None else told in (reason or "")


def test_labels_and_services_of_other_kinds_are_none_of_these() -> None:
    assert said(cluster(kind="Secret", labels={INJECTION: "x"}), cluster(kind="Secret")) is None
    assert said(cluster(kind="Secret"), cluster(service("x"), kind="Secret")) is None
