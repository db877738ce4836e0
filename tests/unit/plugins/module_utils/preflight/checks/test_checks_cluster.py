"""What a cluster, its helm and its rights must be, failing and passing, on facts as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.situations import (
    CHILD,
    EU1,
    HEALTHY,
    REGIONAL_ONLY,
    US1,
    Case,
    assert_told,
    case_names,
    chart,
    named,
    situation,
    storage_class,
)

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import cluster as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Denied, Helm, Need
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import ReplacedMap
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, OK, WARNING

MANAGEMENT_ERROR = {
    "release": "kcm-0-1-0",
    "components": {"capi": {"success": True}, "cluster-api-provider-aws": {"error": "chart\npull failed"}},
    "conditions": [{"type": "Ready", "status": "False", "message": "components failed"}],
}


#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
GRANT = charts.Grant(
    Ref(f"{charts.RBAC}/v1", "ClusterRole", None, "promxy"),
    "escalate",
    "clusterroles",
    "",
    None,
    (
        (("verb", "get"), ("group", ""), ("resource", "secrets")),
        (("path", "/metrics"), ("verb", "get")),
        (
            ("verb", "create"),
            ("group", charts.RBAC),
            ("resource", "roles"),
            ("subresource", "status"),
            ("name", "mine"),
        ),
    ),
)


#: kcm's HelmRepository as Flux has judged it.
DEAD = named(
    "kof",
    "kcm-system",
    spec={"url": "https://robot:canary@charts.example.com/kof"},
    status={"conditions": [{"type": "Ready", "status": "False", "message": "failed to fetch\nindex: 404"}]},
)
READY = {**DEAD, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
#: What the sandbox's k0rdent is at line 0.0.
OLD_KCM = {
    "managements": (named("kcm", status={"release": "kcm-0-0-7"}),),
    "releases": (named("kcm-0-0-7", spec={"version": "0.0.7"}),),
}

#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
CASES: list[Case] = [
    (checks.k0rdent_version, {"release": KOF_0_0, **OLD_KCM}, OK, r"^k0rdent: 0\.0\.7 \(wanted: >= 0\.0\.7\)$"),
    (
        checks.k0rdent_version,
        {"release": KOF_0_0},
        WARNING,
        r"0\.1\.0 \(wanted: >= 0\.0\.7, < 0\.1\.0\).*a later",
    ),
    (
        checks.services_repository,
        {"release": KOF_0_0, "services_repository": DEAD, **REGIONAL_ONLY},
        FAILED,
        r"^eu1, us1, eu1-a: kof_chart_repository: .*https://\S*charts\.example\.com/kof: failed to fetch index: 404",
    ),
    (checks.services_repository, {"services_repository": DEAD}, WARNING, r"by the mothership playbook"),
    (
        checks.services_repository,
        {
            "services_repository": DEAD,
            "cluster_deployments": tuple(named(name, "kcm-system") for name in ("eu1", "us1", "eu1-a")),
            **REGIONAL_ONLY,
        },
        WARNING,
        r"404",
    ),
    (checks.services_repository, {"services_repository": READY}, OK, r"charts\.example\.com/kof, Ready$"),
    (
        checks.internet,
        {"release": KOF_0_0, "mothership_host": "m"},
        WARNING,
        r"^m, eu1, us1: Grafana: fetches its plugins.*Init:CrashLoopBackOff",
    ),
    (
        checks.internet,
        {
            "release": KOF_0_0,
            "installed": (chart("kof-mothership", "0.1.0"),),
            "cluster_deployments": (named("eu1", "kcm-system"),),
        },
        WARNING,
        r"^us1: Grafana",
    ),
    (
        checks.storage_class,
        {
            "release": KOF_0_0,
            "storage_class": "standard",
            "storage_classes": (storage_class("gp3", "ebs.csi.aws.com"),),
        },
        FAILED,
        r"mothership_storage_class: .*standard doesn't exist \(there are: gp3\).*; name one that exists$",
    ),
    (
        checks.storage_class,
        {
            "release": KOF_0_0,
            "storage_class": "gp3",
            "storage_classes": ({**named("gp3"), "provisioner": "ebs.csi.aws.com"},),
        },
        FAILED,
        r"no default among gp3 .*mark one as default \(annotation [^)]*\)$",
    ),
    (checks.storage_class, {"release": KOF_0_0, "storage_class": "standard"}, OK, r"default standard"),
    (
        checks.storage_class,
        {
            "release": KOF_0_0,
            "storage_class": "gp3",
            "storage_classes": ({**named("gp3"), "provisioner": "ebs.csi.aws.com"},),
            "grafana": False,  # which alone takes the default one
        },
        OK,
        r"gp3, ebs\.csi\.aws\.com$",
    ),
    (
        checks.internet,
        {
            "release": KOF_0_0,
            "mothership_host": "m",
            "grafana": False,
            "subjects": (EU1, replace(US1, storage_values={"grafana": {"enabled": False}})),
        },
        WARNING,
        r"^eu1: Grafana: fetches its plugins",
    ),
    (
        checks.inputs,
        {"faults": (Fault("eu1", "regional_domain", "is required", "for example eu1.example.com"),)},
        FAILED,
        r"^eu1: regional_domain: is required; for example eu1",
    ),
    (
        checks.unique,
        {"subjects": (EU1, replace(US1, domain="EU1.example.com"))},
        FAILED,
        (
            r"^eu1, us1: regional_domain: .*eu1\.example\.com is the domain of eu1, us1 .*for example us1\.<your "
            r"zone> for us1"
        ),
    ),
    (
        checks.unique,
        {"subjects": (EU1,), "others": (replace(CHILD, name="eu1"),)},
        FAILED,
        r"^eu1, eu1-a: child_cluster_name: .*eu1 is the name of eu1, eu1-a",
    ),
    (checks.kubernetes_version, {"kubernetes": "v1.31.9"}, FAILED, r"v1\.31\.9 \(wanted: >= 1\.32\)"),
    (checks.kubernetes_version, {"kubernetes": None}, FAILED, r"no version"),
    (checks.kubernetes_version, {"kubernetes": "v1.32.0-eks-abc"}, OK, r"1\.32\.0-eks"),
    (
        checks.apis,
        {"kcm_version": None, "apis": {}},
        FAILED,
        r"k0rdent\.mirantis\.com: not served .*v1alpha1 or v1beta1",
    ),
    (checks.apis, {"kcm_version": None, "apis": {"k0rdent.mirantis.com": ("v2",)}}, FAILED, r"v2 .*doesn't know"),
    (checks.apis, {"apis": {"k0rdent.mirantis.com": ("v1alpha1",)}}, FAILED, r"config\.projectsveltos\.io: not served"),
    (
        checks.apis,
        {"apis": {"k0rdent.mirantis.com": ("v1alpha1",), "config.projectsveltos.io": ("v1beta1",)}, **REGIONAL_ONLY},
        FAILED,
        r"^eu1, us1: API promxy: .*mothership playbook",
    ),
    (
        checks.apis,
        {"apis": {"k0rdent.mirantis.com": ("v1alpha1",), "config.projectsveltos.io": ("v1beta1",)}},
        ANNOUNCED,
        r"will come with kof-mothership",
    ),
    (  # k0rdent 1.1 and newer
        checks.apis,
        {"kcm_version": "v1beta1", "apis": {**HEALTHY.apis, "k0rdent.mirantis.com": ("v1beta1",)}},
        FAILED,
        r"v1beta1 alone \(wanted: k0rdent\.mirantis\.com/v1alpha1\).*kof 0\.1\.1's charts",
    ),
    (
        checks.permissions,
        {
            "denied": (
                Denied(Need("patch", "k0rdent.mirantis.com", "clusterdeployments", "kcm-system", "regional"), ""),
                Denied(Need("create", "k0rdent.mirantis.com", "clusterdeployments", "kcm-system", "regional"), ""),
            )
        },
        FAILED,
        r"may not patch, create clusterdeployments\.k0rdent\.mirantis\.com in namespace kcm-system",
    ),
    (
        checks.permissions,
        {"denied": (Denied(Need("create", "", "namespaces", None, "mothership"), ""),)},
        FAILED,
        r"may not create namespaces in the whole cluster.*ClusterRole",
    ),
    (checks.readable, {"unread": {"Credential": "500 InternalError: etcd"}}, FAILED, r"Credential: can't be read: 500"),
    (checks.readable, {"unread": {"Namespace": "403 Forbidden: no"}}, WARNING, r"Namespace"),
    (checks.readable, {"unread": {"Secret x": "403 Forbidden: no"}}, FAILED, r"Secret x"),
    (checks.readable, {"unread": {"Secret x": "403 Forbidden: no"}, "needs_secrets": False}, WARNING, r"Secret x"),
    (checks.management, {"managements": ()}, FAILED, r"install k0rdent"),
    (
        checks.management,
        {"managements": (named("kcm", status=MANAGEMENT_ERROR),)},
        FAILED,
        r"cluster-api-provider-aws: chart pull failed",
    ),
    (checks.management, {"managements": (named("kcm"),)}, FAILED, r"no component reported yet"),
    (
        checks.k0rdent_version,
        {"managements": (named("kcm", status={"release": "kcm-0-0-6"}),)},
        FAILED,
        r"0\.0\.6 \(wanted: >= 0\.0\.7\)",
    ),
    (
        checks.k0rdent_version,
        {"managements": (named("kcm", status={"release": "mine"}),)},
        WARNING,
        r"'mine' tells no version",
    ),
    (
        checks.k0rdent_version,
        {
            "managements": (named("kcm", status={"release": "mine"}),),
            "releases": (named("mine", spec={"version": "0.0.5"}),),
        },
        FAILED,
        r"0\.0\.5",
    ),
    (
        checks.namespaces,
        {"namespaces": {"kof": None, "kcm-system": None}},
        FAILED,
        r"^kof_kcm_namespace: namespace kcm-system: missing",
    ),
    (
        checks.namespaces,
        {"namespaces": {"kof": None, "kcm-system": named("kcm-system")}, **REGIONAL_ONLY},
        FAILED,
        r"mothership playbook",
    ),
    (
        checks.namespaces,
        {
            "namespaces": {
                "kof": named(
                    "kof",
                    deletionTimestamp="2026-01-01T00:00:00Z",
                    status={
                        "conditions": [
                            {"status": "True", "message": "apps.victoriametrics.com/finalizer in 1 resource"}
                        ]
                    },
                )
            }
        },
        FAILED,
        r"being deleted since 2026.*victoriametrics",
    ),
    (
        checks.helm,
        {"helm": Helm("/usr/bin/helm", "v4.0.1")},
        FAILED,
        r"^mothership: kof_helm_binary: .*v4\.0\.1 .*< 4.*helm 4 applies",
    ),
    (checks.helm, {"helm": Helm("/usr/bin/helm", "v3.7.2")}, FAILED, r"v3\.7\.2"),
    (checks.helm, {"helm": Helm(None, None, "no helm on PATH")}, FAILED, r"no helm on PATH"),
    (checks.helm, {"helm": Helm("/usr/bin/helm", "devel")}, FAILED, r"devel"),
    (
        checks.chart_repository,
        {"helper_problem": "docker-credential-gone isn't there"},
        FAILED,
        r"^mothership: kof_chart_repository_username: .*docker-credential-gone.*execution environment",
    ),
    (
        checks.chart_repository,
        {
            "helper_problem": "docker-credential-gone isn't there",
            "installed": (chart("kof-operators", "0.1.1"), chart("kof-mothership", "0.1.1")),
        },
        WARNING,
        r"docker-credential-gone",
    ),
    (
        checks.chart_repository,
        {"ca_file_problem": "/nowhere/ca.pem: No such file or directory"},
        FAILED,
        r"^mothership: kof_chart_repository_ca_file: .*/nowhere/ca\.pem",
    ),
    (
        checks.charts_to_come,
        {"foreseen": (Foreseen("kof-operators"), Foreseen("kof-mothership", problem="it would take away Secret x"))},
        FAILED,
        r"^mothership: chart kof-mothership: it would take away Secret x",
    ),
    (
        checks.charts_to_come,
        {"foreseen": (Foreseen("kof", "install"),), "unserved": {"kof": ("Issuer (cert-manager.io/v1)",)}},
        FAILED,
        r"^mothership: chart kof: holds Issuer \(cert-manager\.io/v1\) .*install what serves them first",
    ),
    (
        checks.charts_to_come,
        {"foreseen": (Foreseen("kof", problem="away", unreachable=True),)},
        FAILED,
        r"chart kof: away",
    ),
    (
        checks.charts_to_come,
        {"foreseen": (Foreseen("kof", problem="away", unreachable=True),), "check_mode": True},
        WARNING,
        r"chart kof: away",
    ),
    (
        checks.charts_to_come,
        {"foreseen": (Foreseen("kof", "upgrade", removed=[Ref("v1", "Secret", "kof", "old")]),)},
        WARNING,
        r"chart kof: the upgrade takes away Secret kof/old",
    ),
    (
        checks.grants,
        {"ungranted": ((GRANT, GRANT.rights),)},
        FAILED,
        r"may not write ClusterRole promxy in the whole cluster: lacks get secrets, get /metrics, create "
        r"roles/status\.rbac\.authorization\.k8s\.io mine .*verb escalate for clusterroles\.rbac",
    ),
    (checks.grants, {"ungranted": ((GRANT, None),)}, FAILED, r"lacks what it gives"),
    (
        checks.libraries,
        {"dns_layer": True, "dns_method": "irsa", "libraries": {"amazon.aws": "10.1.2", "boto3": None}},
        FAILED,
        r"^mothership: controller: Python package boto3 is missing, needed for dns_credentials_method irsa .*"
        r"wanted: boto3 >= 1\.34.*pip install 'boto3>=1\.34'",
    ),
    (
        checks.libraries,
        {"dns_layer": True, "dns_method": "iam_user", "libraries": {"amazon.aws": "9.5.0", "boto3": ""}},
        FAILED,
        r"collection amazon\.aws 9\.5\.0, .*ansible-galaxy collection install amazon\.aws",
    ),
    (
        checks.libraries,
        {"namespaces": {"kof": None}, "libraries": {"kubernetes.core": "6.2.0", "kubernetes": None}},
        FAILED,
        r"Python package kubernetes is missing, needed for namespace kof",
    ),
    (
        checks.operator_charts,
        {
            "operators": (
                named(
                    "otel",
                    "tools",
                    labels={
                        "app.kubernetes.io/name": "opentelemetry-operator",
                        "helm.sh/chart": "opentelemetry-operator-0.74.2",
                    },
                ),
            )
        },
        FAILED,
        r"tools/otel 0\.74\.2.*chart >= 0\.75",
    ),
    (
        checks.operator_charts,
        {"operators": (named("otel", "tools", labels={"app.kubernetes.io/name": "opentelemetry-operator"}),)},
        WARNING,
        r"tools/otel of unknown version",
    ),
    (
        checks.storage_class,
        {"storage_classes": ()},
        FAILED,
        r"^mothership: mothership_storage_class: .*no storage class at all",
    ),
    (
        checks.storage_class,
        {"storage_classes": ({**named("fast"), "provisioner": "x"},)},
        FAILED,
        r"no default among fast",
    ),
    (
        checks.storage_class,
        {
            "storage_classes": (
                {
                    **named("local", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
                    "provisioner": "kubernetes.io/no-provisioner",
                },
            )
        },
        FAILED,
        r"default local, kubernetes\.io/no-provisioner: volumes would stay Pending",
    ),
    (
        checks.storage_class,
        {
            "storage_classes": (
                storage_class("standard", "rancher.io/local-path", made="2026-01-01T00:00:00Z"),
                storage_class("local-disks", "kubernetes.io/no-provisioner", made="2026-02-01T00:00:00Z"),
            )
        },
        FAILED,
        r"default local-disks, kubernetes\.io/no-provisioner, the newest of 2 \(also: standard\): volumes would stay",
    ),
    (
        checks.storage_class,
        {
            "storage_classes": (
                storage_class("b-fast", "ebs.csi.aws.com"),
                storage_class("a-local", "kubernetes.io/no-provisioner", made="2025-12-31T23:59:59Z"),
                storage_class("c-slow", "ebs.csi.aws.com", key="storageclass.beta.kubernetes.io/is-default-class"),
            )
        },
        WARNING,
        r"default b-fast, ebs\.csi\.aws\.com, the newest of 3 \(also: c-slow, a-local\) \(wanted: one default class\)",
    ),
    (
        checks.storage_class,
        {"storage_classes": (storage_class("fast", "ebs.csi.aws.com", text="True"),)},
        FAILED,
        r"no default among fast \(fast says 'True', and the API server knows only \"true\"\)",
    ),
    (
        checks.storage_class,
        {"storage_class": "local", "storage_classes": (storage_class("local", "kubernetes.io/no-provisioner"),)},
        WARNING,
        r"local has kubernetes\.io/no-provisioner",
    ),
    (checks.storage_class, {"storage_class": "standart"}, FAILED, r"standart doesn't exist .*did you mean standard\?"),
    (
        checks.replaced_maps,
        {"replaced": (ReplacedMap("eu1", "regional_config", "kof_regional", ("publicIP", "worker.instanceType")),)},
        WARNING,
        r"^eu1: regional_config: values of groups: replaces regional_config of group kof_regional as a whole, without "
        r"its publicIP, worker\.instanceType; .* combine\(",
    ),
    (
        checks.propagated_credentials,
        {"propagate_credentials": False},
        FAILED,
        r"^eu1: regional_propagate_credentials: .*k0rdent 0.1.0 turns it back to true \(wanted: k0rdent >= 1.9.0\)",
    ),
    (
        checks.propagated_credentials,
        {
            "propagate_credentials": False,
            "releases": (named("kcm-1-8-0", spec={"version": "1.8.0"}),),
            "managements": (named("kcm", status={"release": "kcm-1-8-0"}),),
        },
        FAILED,
        r"k0rdent 1.8.0 turns it back",
    ),
    (
        checks.propagated_credentials,
        {"propagate_credentials": False, "managements": (named("kcm", status={"release": "mine"}),)},
        WARNING,
        r"release 'mine' tells no version",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_k0rdent_1_9_keeps_propagate_credentials_false():
    new = {"managements": (named("kcm", status={"release": "kcm-1-9-0"}),)}
    assert checks.propagated_credentials(situation(propagate_credentials=False, **new)) == []


@pytest.mark.parametrize("spoilt", [{"install_templates": False}, REGIONAL_ONLY])
def test_who_makes_no_service_templates_needs_no_old_kcm(spoilt: dict[str, Any]):
    served = {**HEALTHY.apis, "k0rdent.mirantis.com": ("v1beta1",)}
    assert {one.status for one in checks.apis(situation(kcm_version="v1beta1", apis=served, **spoilt))} == {OK}


def test_a_library_counts_only_where_it_is_needed():
    nothing = {"amazon.aws": None, "boto3": None, "kubernetes.core": None, "kubernetes": None}
    assert checks.libraries(situation(libraries=nothing)) == []
    assert checks.libraries(situation(libraries=nothing, dns_layer=True, dns_method="existing")) == []
    there = {"amazon.aws": "11.0.0", "boto3": ""}
    (row,) = checks.libraries(situation(libraries=there, dns_layer=True, dns_method="irsa"))
    assert (row.status, row.found) == (OK, "amazon.aws 11.0.0, boto3")


def test_nothing_is_said_of_charts_that_helm_could_not_look_at():
    gone = {"foreseen": (Foreseen("kof", problem="no helm"),), "helm": Helm(None, None, "no helm on PATH")}
    assert checks.charts_to_come(situation(**gone)) == []


def test_operators_that_kof_brought_itself_are_no_strangers():
    own = named(
        "kof-mothership-victoria-metrics-operator",
        "kof",
        labels={
            "app.kubernetes.io/name": "victoria-metrics-operator",
            "helm.sh/chart": "victoria-metrics-operator-0.36.0",
        },
        annotations={"meta.helm.sh/release-name": "kof-mothership"},
    )
    told = {one.name: one for one in checks.operator_charts(situation(operators=(own,)))}
    assert told["victoria-metrics-operator"].status == OK
    assert told["opentelemetry-operator"].status == ANNOUNCED


@pytest.mark.parametrize(("version", "told"), [("v3.18.4", False), ("v3.18.5", True), ("v3.19.5", True)])
def test_helm_tells_whose_schema_it_will_not_be_asked_about(version: str, told: bool) -> None:
    (row,) = checks.helm(situation(helm=Helm("/usr/bin/helm", version)))
    assert row.status == OK
    assert ("without schema validation, which this helm refuses: kof-operators" in row.found) is told


def test_no_login_of_the_services_repository_is_told() -> None:
    """Flux quotes the whole address, and a login that is cut in two isn't known by its "@" any more."""
    address = f"https://robot:{'CANARY' * 30}@charts.example.com/kof?sig=CANARY"
    ready = {"type": "Ready", "status": "False", "message": f"failed to fetch {address}: 404"}
    for status in ("False", "True"):
        repository = named("kof", spec={"url": address}, status={"conditions": [{**ready, "status": status}]})
        (told,) = checks.services_repository(situation(services_repository=repository))
        assert "https://charts.example.com/kof" in told.found
        assert "CAN" not in told.found
