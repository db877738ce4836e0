"""The whole preflight, from variables as a user writes them to the table, on a real API server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from unit.situations import CONFIG

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_1_10 import KOF_1_10
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.cluster import default_classes
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row, table
from ansible_collections.k0rdent.kof.plugins.module_utils.report.table import WIDTH
from sandbox.fixtures import ControlPlane

#: Namespaces of this file's own: the control plane is shared with other tests.
KOF, KCM = "preflight-kof", "preflight-kcm"
RELEASE = RELEASES["0.1.1"]
SHARED = {"kof_version": "0.1.1", "kof_namespace": KOF, "kof_kcm_namespace": KCM}
REGIONAL = {**SHARED, "regional_admin_email": "a@example.com", "regional_config": {"region": "eu-west-1"}}
BATCH = ("mothership", "eu1", "us1", "eu1-a")


def inventory(
    eu1: dict[str, Any] | None = None, child: dict[str, Any] | None = None, **shared: Any
) -> preflight.Inventory:
    """One mothership, two regionals, one child; with more variables."""
    shared = {**SHARED, "dns_credentials_method": "iam_user", **shared}
    found: list[Any] = []
    faults: list[model.Fault] = []
    common = {name: value for name, value in shared.items() if name.startswith("kof_")}
    for parse, host, variables in (
        (model.parse_mothership, "mothership", {}),
        (model.parse_regional, "eu1", {**REGIONAL, "regional_domain": "eu1.example.com", **(eu1 or {})}),
        (model.parse_regional, "us1", {**REGIONAL, "regional_domain": "us1.example.com"}),
        (
            model.parse_child,
            "eu1-a",
            {"child_regional": "eu1", "child_config": {"region": "eu-west-1"}, **(child or {})},
        ),
    ):
        parsed, wrong = parse(host, {**variables, **common})
        found.append(parsed)
        faults += wrong
    regionals = [each for each in found[1:3] if each]
    return preflight.Inventory(found[0], regionals, [found[3]], faults, shared)


def of_kcm(kind: str, name: str, spec: dict[str, Any], namespace: str | None = KCM) -> dict[str, Any]:
    meta = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": "k0rdent.mirantis.com/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


CHART = {"chart": "x", "version": "0.1.0", "interval": "10m", "sourceRef": {"kind": "HelmRepository", "name": "x"}}
IDENTITY = {"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2", "kind": "AWSClusterStaticIdentity", "name": "x"}
#: A management cluster as k0rdent leaves it: objects, each with its status.
SEEDED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        of_kcm("Management", "kcm", {"release": "kcm-0-1-0"}, None),
        {
            "release": "kcm-0-1-0",
            "components": {"capi": {"success": True}},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Fine",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        },
    ),
    (of_kcm("Credential", "aws-cluster-identity-cred", {"identityRef": IDENTITY}), {"ready": True}),
    *(
        (of_kcm("ClusterTemplate", name, {"helm": {"chartSpec": CHART}}), {"valid": valid, "config": CONFIG})
        for name, valid in (
            ("aws-standalone-cp-0-0-5", True),
            ("aws-standalone-cp-0-1-0", True),
            ("aws-standalone-cp-0-9-0", False),
        )
    ),
]
RESOURCE_TEMPLATE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x-resource-template", "namespace": KCM},
}
STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "preflight", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "example.com/x",
}


@pytest.fixture(scope="module")
def seeded(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    # The namespace stays: without controllers it would be terminating for ever.
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": KCM}}
    with connect({"kubeconfig": str(control_plane.admin)}, {}) as admin:

        def path(item: dict[str, Any]) -> str:
            meta = item["metadata"]
            return admin.path(item["apiVersion"], item["kind"], meta.get("namespace"), meta["name"])

        for item in (space, STORAGE, RESOURCE_TEMPLATE, *(item for item, _status in SEEDED)):
            query = {"fieldManager": "test", "force": "true"}
            admin.request("PATCH", path(item), query=query, body=item, content_type="application/apply-patch+yaml")
        for item, status in SEEDED:
            body = {"status": status}
            admin.request("PATCH", f"{path(item)}/status", body=body, content_type="application/merge-patch+json")
        yield control_plane
        for item in (STORAGE, RESOURCE_TEMPLATE, *(item for item, _status in SEEDED)):
            admin.request("DELETE", path(item))


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "claim"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def test_the_default_class_is_the_one_that_the_api_server_gives_to_a_claim(seeded: ControlPlane) -> None:
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    beta = "storageclass.beta.kubernetes.io/is-default-class"
    said = "storageclass.kubernetes.io/is-default-class"
    steps: list[tuple[str, dict[str, str]]] = [
        ("m-one", {said: "true"}),
        ("z-other", {said: "True"}),
        ("a-same-second", {said: "true"}),
        ("x-beta", {beta: "true", said: "false"}),
        ("y-no", {said: "false"}),
    ]
    with connect({"kubeconfig": str(seeded.admin)}, {}) as admin:
        try:
            for name, annotations in steps:
                time.sleep(1.05 if name == "x-beta" else 0)
                item = {**STORAGE, "metadata": {"name": name, "annotations": annotations}}
                admin.request("POST", classes, body=item)
                first, *_others = default_classes(admin.list_objects(classes)[0])
                given, end = "", time.monotonic() + 120
                while given != first and time.monotonic() < end:  # admission looks at a cache
                    path = f"/api/v1/namespaces/{KCM}/persistentvolumeclaims"
                    answer = admin.request("POST", path, query={"dryRun": "All"}, body=CLAIM)
                    given = answer["spec"]["storageClassName"]
                assert given == first, name
            assert first == "x-beta"
        finally:
            for name, _annotations in steps:
                with contextlib.suppress(ApiError):
                    admin.request("DELETE", f"{classes}/{name}")


@pytest.fixture
def connection(seeded: ControlPlane) -> Iterator[Connection]:
    with connect({"kubeconfig": str(seeded.kubeconfig)}, {}) as opened:
        yield opened


def run(connection: Any, fleet: preflight.Inventory, batch: Any = BATCH, **options: Any) -> list[row.Check]:
    return preflight.run(connection, batch, fleet, RELEASE, **{"check_mode": False, **options})


def failed(checks: list[row.Check]) -> list[str]:
    # The sandbox's helm is none of this file's business.
    return [check.line() for check in row.failures(checks) if check.name != "helm"]


def test_a_first_run_has_nothing_to_complain_about(connection, seeded):
    mark = seeded.audit.stat().st_size
    checks = run(connection, inventory())
    assert failed(checks) == []
    announced = {check.name for check in checks if check.status == row.ANNOUNCED}
    assert {
        "ServiceTemplates",
        "Secret storage-vmuser-credentials",
        "Secret external-dns-aws-credentials",
        "opentelemetry-operator",
    } <= announced
    named = {check.name: check.found for check in checks}
    assert "newest" in named["ClusterTemplate aws-standalone-cp-0-1-0"]
    assert sum(connection.counts.values()) <= 20
    with open(seeded.audit, "rb") as log:
        log.seek(mark)
        asked = [json.loads(line) for line in log]
    ours = [entry for entry in asked if entry["user"]["username"] == "k0rdent-kof"]
    assert {entry["verb"] for entry in ours} <= {"get", "list", "create"}
    assert {entry["objectRef"]["resource"] for entry in ours if entry["verb"] == "create"} == {
        "selfsubjectaccessreviews"
    }
    listed = [e["requestURI"] for e in ours if e["verb"] == "list" and e["objectRef"]["resource"] == "secrets"]
    assert all("owner%3Dhelm" in uri for uri in listed), "only those that helm keeps its releases in"


def test_without_a_mothership_in_the_run_nothing_is_announced(connection):
    lines = failed(run(connection, inventory(), ("eu1", "us1", "eu1-a")))
    assert any(
        line.startswith("eu1, us1: regional_service_templates: ServiceTemplate kof-storage-0-1-1: not in")
        for line in lines
    )
    assert any("run the mothership playbook first" in line for line in lines)


def test_a_later_layer_of_check_mode_is_told_what_would_be_there(connection):
    regionals = ("eu1", "us1")
    assert failed(run(connection, inventory(), regionals, before="regional", announce=True)) == []
    assert failed(run(connection, inventory(), regionals, before="regional", check_mode=True)) == []
    alone = replace(inventory(), mothership=None)
    assert failed(run(connection, alone, regionals, before="regional", check_mode=True)) != []


def test_what_is_wrong_is_told_by_host_and_variable(connection):
    fleet = inventory(
        {"regional_credential": "aws-cluster-identity-crd", "regional_config": {"regoin": "x"}},
        {"child_template": "aws-standalone-cp-0-9-0"},
    )
    lines = failed(run(connection, fleet))
    assert len(lines) == 3
    assert any(
        line.startswith("eu1: regional_credential:") and "did you mean aws-cluster-identity-cred?" in line
        for line in lines
    )
    assert any(line.startswith("eu1: regional_config:") and "did you mean region?" in line for line in lines)
    assert any(line.startswith("eu1-a: child_template:") and "use aws-standalone-cp-0-1-0" in line for line in lines)


def test_a_fault_outside_the_batch_is_a_warning(connection):
    fleet = inventory({"regional_domain": "not a domain"})
    checks = run(connection, fleet, ("us1",), before="regional", announce=True)
    assert failed(checks) == []
    assert [check.hosts for check in checks if check.status == row.WARNING and check.variable == "regional_domain"] == [
        ("eu1",)
    ]
    assert any(line.startswith("eu1: regional_domain:") for line in failed(run(connection, fleet)))


def test_one_wrong_variable_is_one_fault(connection):
    """Neither the children of a regional nor the fleet of a mothership are blamed for its host's own fault."""
    (line,) = failed(run(connection, inventory({"regional_retention": "30"})))
    assert line.startswith("eu1: regional_retention:")
    broken = replace(
        inventory(),
        mothership=None,
        faults=[model.Fault("mothership", "mothership_helm_timeout", "must be a number", "600")],
    )
    assert failed(run(connection, broken)) == ["mothership: mothership_helm_timeout: must be a number; 600"]


def test_domains_of_host_and_neighbour_are_told_together(connection):
    lines = failed(run(connection, inventory({"regional_domain": "us1.example.com"})))
    twice = "eu1, us1: regional_domain: domains: us1.example.com is the domain of eu1, us1"
    assert any(line.startswith(twice) for line in lines)


def test_a_user_without_rights_gets_a_table_and_no_traceback(seeded):
    with connect({"kubeconfig": str(seeded.kubeconfig), "impersonate_user": "nobody"}, {}) as opened:
        checks = run(opened, inventory())
    lines = failed(checks)
    assert any(
        "may not get, list, watch, create, patch clusterdeployments.k0rdent.mirantis.com in namespace preflight-kcm"
        in line
        for line in lines
    )
    assert any("may not get, create, patch namespaces in the whole cluster" in line for line in lines)
    lines = table.render(checks).splitlines()
    assert max(len(line) for line in lines if not line.lstrip().startswith("->")) <= WIDTH


def test_a_server_that_is_away_is_one_failed_check():
    with connect({"host": "https://127.0.0.1:1", "api_key": "x"}, {}) as opened:
        (line,) = failed(run(opened, inventory()))
    assert "127.0.0.1:1" in line


def test_a_refused_login_is_one_failed_check(seeded):
    cluster = yaml.safe_load(seeded.kubeconfig.read_text())["clusters"][0]["cluster"]
    with connect({"host": cluster["server"], "api_key": "TOPSECRET", "validate_certs": False}, {}) as opened:
        (line,) = failed(run(opened, inventory()))
    assert "doesn't accept the credentials" in line
    assert "TOPSECRET" not in line


def test_clusters_that_would_share_a_user_are_told_where_the_line_has_it() -> None:
    names = ("child-120", "child-201")
    children = [model.parse_child(name, {**SHARED, "child_regional": "eu1"})[0] for name in names]
    fleet = preflight.Inventory(None, [], [each for each in children if each])
    assert [fault.host for fault in preflight._between(fleet, KOF_1_10)] == ["child-201"]
    assert preflight._between(fleet, RELEASE) == []


def test_where_nobody_says_which_kof_only_that_is_told_and_the_other_faults(connection: Connection) -> None:
    """The clusters couldn't be parsed without it, so that nothing else can be known of them."""
    fleet = inventory({"regional_domain": "x y"})
    found = preflight.run(connection, BATCH, fleet, None, check_mode=False)
    assert [(check.name, check.variable, check.status) for check in found] == [
        (row.INPUT, "regional_domain", row.FAILED),
        ("kof", "kof_version", row.FAILED),
    ]
    assert f"kof_version isn't set; no kof is installed in namespace {KOF}" in found[1].found
    away = preflight.run(ApiUnavailable("no kubeconfig at /nowhere"), BATCH, inventory(), None, check_mode=True)
    assert [check.name for check in away] == ["API server"]
    assert "/nowhere" in away[0].found


def test_an_error_instead_of_a_connection_is_told_with_the_inventorys_own_faults():
    lines = failed(run(ApiUnavailable("no kubeconfig at /nowhere"), inventory({"regional_domain": "x y"})))
    assert any("/nowhere" in line for line in lines)
    assert any(line.startswith("eu1: regional_domain:") for line in lines)


def test_a_whole_fleet_is_checked_in_no_time(connection):
    regionals = [
        model.parse_regional(f"r{n}", {**REGIONAL, "regional_domain": f"r{n}.example.com"})[0] for n in range(100)
    ]
    children = [model.parse_child(f"c{n}", {**SHARED, "child_regional": f"r{n % 100}"})[0] for n in range(1000)]
    mothership = model.parse_mothership("mothership", SHARED)[0]
    fleet = preflight.Inventory(mothership, regionals, children, (), {**SHARED, "dns_credentials_method": "iam_user"})
    batch = {"mothership", *(each.host for each in [*regionals, *children])}
    checks = run(connection, fleet, batch)
    assert failed(checks) == []
    assert len(checks) < 60


@pytest.mark.parametrize(
    ("variables", "old", "new"),
    [
        ({}, "standard", None),
        ({"mothership_storage_class": "gp3"}, "gp3", "gp3"),
        ({"mothership_values": {"global": {"storageClass": "fast"}}}, "fast", "fast"),
        (
            {"mothership_storage_class": "gp3", "mothership_values": {"global": {"storageClass": "fast"}}},
            "fast",
            "fast",
        ),
        (
            {"mothership_storage_class": "gp3", "mothership_values": {"global": {"storageClass": None}}},
            "standard",
            None,
        ),
        ({"mothership_values": {"global": {"storageClass": ""}}}, None, None),
        ({"mothership_values": {"global": None}}, "standard", None),
    ],
)
def test_a_storage_class_said_by_hand_counts(variables: dict[str, Any], old: str | None, new: str | None) -> None:
    for version, wanted in (("0.0.x", old), ("0.1.1", new)):
        given = {"kof_version": version, "kof_chart_repository": "oci://registry.example.com/kof", **variables}
        cluster, faults = model.parse_mothership("m", given)
        assert cluster, faults
        assert preflight._storage_class(cluster, RELEASES[version]) == wanted
