"""A healthy management cluster and fleet as data, to be spoilt in one place by each test, and how a case of a check is
told. No tests in here."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Part
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Facts, Helm
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.jobs import JOBS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import Walk
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation, Subject
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, Check

RELEASE = RELEASES["0.1.1"]
LABEL = RELEASE.promxy.label
CONFIG = {
    "controlPlaneNumber": 3,
    "workersNumber": 2,
    "region": "",
    "publicIP": False,
    "clusterLabels": {},
    "clusterIdentity": {"name": "", "kind": "AWSClusterStaticIdentity"},
    "controlPlane": {"instanceType": "", "amiID": ""},
    "worker": {"instanceType": "", "amiID": ""},
}


def walk(
    *layers: str,
    job: str = "apply",
    more: tuple[str, ...] = (),
    method: str = "iam_user",
    release: Direct = RELEASE,
    said: Mapping[str, Any] | None = None,
) -> Walk:
    """What a run through these layers of a fleet is about, in the namespaces that everybody has; said: variables."""
    shared: dict[str, Any] = {
        "kof_version": release.version,
        "kof_chart_repository": "oci://registry.example.com/kof",
        **(said or {}),
    }
    region = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
    parsed = {
        "mothership": model.parse_mothership("mothership", shared),
        "regional": model.parse_regional("eu1", {**shared, **region}),
        "child": model.parse_child("eu1-a", {**shared, "child_regional": "eu1"}),
        "dns_credentials": ({"method": method, "kof_fleet": "kof", "kof_namespace": "kof"}, []),
    }
    clusters = {layer: parsed[layer][0] for layer in layers}
    assert all(clusters.values()), parsed
    for layer in clusters.keys() & {"mothership", "regional"}:
        clusters[layer] = replace(clusters[layer], dashboards=())
    return Walk(clusters, release, "kof", "kcm-system", JOBS[job] + more)


def named(
    name: str, namespace: str | None = None, *, status: Any = None, spec: Any = None, **meta: Any
) -> dict[str, Any]:
    """A Kubernetes object with as much as the checks look at."""
    item: dict[str, Any] = {"metadata": {"name": name, **meta}}
    if namespace:
        item["metadata"]["namespace"] = namespace
    if status is not None:
        item["status"] = status
    if spec is not None:
        item["spec"] = spec
    return item


def sveltos_cluster(name: str, *place: str, **parts: Any) -> dict[str, Any]:
    """A SveltosCluster as it is listed."""
    return {"kind": "SveltosCluster", **named(name, *place, **parts)}


def template(name: str, valid: bool | None = True, config: Any = None, error: str | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"config": CONFIG if config is None else config}
    if valid is not None:
        status["valid"] = valid
    if error:
        status["validationError"] = error
    return named(name, "kcm-system", status=status)


def group(
    name: str,
    cluster: str,
    domain: str = "x.example.com",
    secret: str = "storage-vmuser-credentials",
    timeout: str = "5s",
    **meta: Any,
) -> dict[str, Any]:
    meta.setdefault("labels", {LABEL: "kof-mothership-promxy-config"})
    return named(
        name,
        "kof",
        spec={
            "cluster_name": cluster,
            "targets": [f"vmauth.{domain}:443"],
            "path_prefix": "/vm/select/0/prometheus/",
            "scheme": "https",
            "http_client": {"dial_timeout": timeout, "basic_auth": {"credentials_secret_name": secret}},
        },
        **meta,
    )


def datasource(name: str, cluster: str, domain: str = "x.example.com", **meta: Any) -> dict[str, Any]:
    return named(
        name,
        "kof",
        spec={
            "datasource": {
                "name": cluster,
                "url": f"https://vmauth.{domain}/vls",
                "type": "victoriametrics-logs-datasource",
            }
        },
        **meta,
    )


def deployment(name: str, **changes: Any) -> dict[str, Any]:
    return named(name, "kcm-system", spec={"template": "aws-standalone-cp-0-1-0"}, **changes)


OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "kof"}
THEIRS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "other"}

HEALTHY = Facts(
    server="https://127.0.0.1:6443",
    kubernetes="v1.34.4",
    apis={
        "k0rdent.mirantis.com": ("v1alpha1",),
        "kof.k0rdent.mirantis.com": ("v1alpha1",),
        "grafana.integreatly.org": ("v1beta1",),
        "config.projectsveltos.io": ("v1beta1",),
    },
    kcm_version="v1alpha1",
    managements=(
        named(
            "kcm",
            status={
                "release": "kcm-0-1-0",
                "components": {"capi": {"success": True}, "kcm": {"success": True}},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        ),
    ),
    releases=(named("kcm-0-1-0", spec={"version": "0.1.0"}),),
    storage_classes=(
        {
            **named("standard", annotations={"storageclass.kubernetes.io/is-default-class": "true"}),
            "provisioner": "ebs.csi.aws.com",
        },
    ),
    credentials=(
        named(
            "aws-cluster-identity-cred",
            "kcm-system",
            status={"ready": True},
            spec={"identityRef": {"kind": "AWSClusterStaticIdentity", "name": "aws-cluster-identity"}},
        ),
    ),
    resource_templates={"aws-cluster-identity-cred": named("aws-cluster-identity-resource-template", "kcm-system")},
    sveltos_clusters=(
        sveltos_cluster("eu1-a", "kcm-system", status={"connectionStatus": "Healthy", "ready": True}),
        sveltos_cluster("somebody-elses", "kcm-system", status={"connectionStatus": "Down"}),
    ),
    cluster_templates=(
        template("aws-standalone-cp-0-0-5"),
        template("aws-standalone-cp-0-1-0"),
        template("aws-standalone-cp-0-9-0", False, error="chart not found"),
    ),
    service_templates=tuple(
        named(name, "kcm-system", status={"valid": True})
        for name in ("kof-storage-0-1-1", "kof-operators-0-1-1", "cert-manager-1-16-2")
    ),
    namespaces={"kof": named("kof"), "kcm-system": named("kcm-system")},
    secrets={
        "storage-vmuser-credentials": {"username": b"abc", "password": b"defghi"},
        "external-dns-aws-credentials": {"external-dns-aws-credentials": b"[default]"},
    },
    helm=Helm("/usr/bin/helm", "v3.19.5"),
)


def made_of(name: str, domain: str) -> tuple[Part, ...]:
    """The parts of a regional cluster, as far as checks look at them."""
    cluster: Any = types.SimpleNamespace(
        cluster_name=name,
        domain=domain,
        namespace="kof",
        kcm_namespace="kcm-system",
        alert_rules=None,
        maintenance_until=None,
        dashboards=None,
    )
    return parts("regional", cluster, Given(RELEASE, "v1alpha1"))


EU1 = Subject(
    host="eu1",
    layer="regional",
    name="eu1",
    template=None,
    template_kind="aws-standalone-cp",
    credential="aws-cluster-identity-cred",
    config={"region": "eu-west-1", "controlPlane": {"instanceType": "t3.large"}},
    templates=(
        ("kof-storage-0-1-1", "regional_service_templates"),
        ("cert-manager-1-16-2", "regional_service_templates"),
    ),
    vmuser_secret="storage-vmuser-credentials",
    domain="eu1.example.com",
    external_dns="secret",
    promxy_server_group="eu1-metrics",
    grafana_datasource="eu1-logs",
    parts=made_of("eu1", "eu1.example.com"),
)
US1 = replace(
    EU1,
    host="us1",
    name="us1",
    domain="us1.example.com",
    promxy_server_group="us1-metrics",
    grafana_datasource="us1-logs",
    parts=made_of("us1", "us1.example.com"),
)
CHILD = Subject(
    host="eu1-a",
    layer="child",
    name="eu1-a",
    template=None,
    template_kind="aws-standalone-cp",
    credential="aws-cluster-identity-cred",
    config={"region": "eu-west-1"},
    templates=(("kof-operators-0-1-1", "child_service_templates"),),
    vmuser_secret="storage-vmuser-credentials",
    regional="eu1",
)

SITUATION = Situation(
    facts=HEALTHY,
    release=RELEASE,
    layers=frozenset({"mothership", "regional", "child"}),
    announce=True,
    announce_dns=True,
    namespace="kof",
    kcm_namespace="kcm-system",
    fleet="kof",
    subjects=(EU1, US1, CHILD),
    mothership_host="mothership",
    mothership_in_batch=True,
    promxy_memory="128Mi",
    hosted_zones=1,
    render_promxy_config=lambda groups, credentials: "x" * 400 * len(groups),
)


def situation(**changes: Any) -> Situation:
    """SITUATION with other fields; those of Facts go into its facts, those of Subject into eu1."""
    facts = {key: changes.pop(key) for key in list(changes) if key in Facts.__dataclass_fields__}
    eu1 = {key: changes.pop(key) for key in list(changes) if key in Subject.__dataclass_fields__}
    if eu1:
        changes["subjects"] = (replace(EU1, **eu1), US1, CHILD)
    return replace(SITUATION, facts=replace(HEALTHY, **facts), **changes)


REGIONAL_ONLY = {"layers": frozenset({"regional", "child"}), "announce": False, "announce_dns": False}


def secret(**data: bytes) -> dict:
    return {**HEALTHY.secrets, "storage-vmuser-credentials": data}


def chart(name: str, version: str, *, line: str | None = "0.1", keeper: str | None = None) -> InstalledChart:
    return InstalledChart(name, version, "deployed", line, keeper)


def storage_class(
    name: str,
    provisioner: str,
    *,
    made: str = "2026-01-01T00:00:00Z",
    key: str = "storageclass.kubernetes.io/is-default-class",
    text: str = "true",
) -> dict[str, Any]:
    """A StorageClass that is marked as a default one."""
    return {**named(name, annotations={key: text}, creationTimestamp=made), "provisioner": provisioner}


def without(*names: str) -> dict:
    return {**HEALTHY.secrets, **dict.fromkeys(names)}


def live_cluster(name: str, *services: str, **meta: Any) -> dict[str, Any]:
    """A ClusterDeployment as listed, with services in namespace kof."""
    listed = [{"name": each, "namespace": "kof", "template": f"{each}-0-1-1"} for each in services]
    item = {"kind": "ClusterDeployment", **deployment(name, **meta)}
    return {**item, "spec": {**item["spec"], "serviceSpec": {"services": listed}}}


#: A check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
Case = tuple[Callable[[Situation], list[Check]], dict[str, Any], str, str]


def case_names(cases: list[Case]) -> list[str]:
    return [f"{number}-{case[0].__name__}" for number, case in enumerate(cases)]


def assert_told(check: Callable[[Situation], list[Check]], spoilt: dict[str, Any], status: str, pattern: str) -> None:
    """Spoilt so, the check says so; and it doesn't fail where it is to warn."""
    found = check(situation(**spoilt))
    lines = [one.line() for one in found if one.status == status]
    assert any(re.search(pattern, line) for line in lines), [(one.status, one.line()) for one in found]
    if status != FAILED:
        assert not [one.line() for one in found if one.status == FAILED]
