"""Every check of the preflight, failing and passing, on facts as data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.guards import ROLE_LABEL, Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.helm import Foreseen, ObjectRef
from ansible_collections.k0rdent.kof.plugins.module_utils.own_cluster import Finding
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts, checks
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import ANNOUNCED, FAILED, OK, WARNING
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Denied, Helm, Need
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import ReplacedMap, Zone
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import Fault

from .situations import (
    CHILD,
    EU1,
    HEALTHY,
    LABEL,
    OURS,
    THEIRS,
    US1,
    datasource,
    deployment,
    group,
    named,
    situation,
    sveltos_cluster,
    template,
)

REGIONAL_ONLY = {"layers": frozenset({"regional", "child"}), "announce": False, "announce_dns": False}
DELETING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["k0rdent.mirantis.com/cluster-deployment"]}
MANAGEMENT_ERROR = {
    "release": "kcm-0-1-0",
    "components": {"capi": {"success": True}, "cluster-api-provider-aws": {"error": "chart\npull failed"}},
    "conditions": [{"type": "Ready", "status": "False", "message": "components failed"}],
}


def secret(**data: bytes) -> dict:
    return {**HEALTHY.secrets, "storage-vmuser-credentials": data}


def chart(name: str, version: str, *, line: str = "0.1", keeper: str | None = None) -> InstalledChart:
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


def rendered(host: str) -> dict[str, Any]:
    return {"apiVersion": "k0rdent.mirantis.com/v1alpha1", **live_cluster(host, "kof-storage")}


#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
GRANT = charts.Grant(
    ObjectRef(f"{charts.RBAC}/v1", "ClusterRole", None, "promxy"),
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

CASES = [
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
        checks.hosted_zones,
        {"zones": (Zone("Z1", "example.com"), Zone("Z2")), "dns_method": "iam_user", "mothership_in_batch": True},
        FAILED,
        r"dns_credentials_hosted_zones: hosted zone Z2: doesn't exist",
    ),
    (
        checks.hosted_zones,
        {"zones": (Zone("Z1", "other.example.org"),), "dns_method": "iam_user", "subjects": (EU1,), "others": ()},
        FAILED,
        r"^eu1: dns_credentials_hosted_zones: .*may write to other\.example\.org, and eu1\.\S+ isn't in there",
    ),
    (
        # Not by the ending of a text: the zone of ple.com isn't example.com's.
        checks.hosted_zones,
        {"zones": (Zone("Z1", "ple.com"),), "dns_method": "iam_user", "subjects": (EU1,), "others": ()},
        FAILED,
        r"isn't in there",
    ),
    (
        checks.hosted_zones,
        {"zones": (Zone("Z1", problem="AccessDenied: no"), Zone("Z2", "example.org")), "dns_method": "iam_user"},
        WARNING,
        r"Z1: can't be looked up: AccessDenied: no; the right route53:GetHostedZone",
    ),
    (
        checks.hosted_zones,
        {"zones": (Zone("Z1", "other.example.org"),), "dns_method": "node_role", "subjects": (EU1,), "others": ()},
        OK,
        r"Z1 is other\.example\.org",
    ),
    (
        checks.namespaces,
        {"namespaces": {"kof": None, "kcm-system": None}},
        FAILED,
        r"^kof_kcm_namespace: namespace kcm-system: missing",
    ),
    (
        checks.shared_layer,
        {"namespaces": {"kof": named("kof", labels=THEIRS)}, "mothership_host": "m", "mothership_in_batch": True},
        FAILED,
        r"^m: shared layer: namespace kof belongs to fleet other.*no host in kof_mothership.*kof_take_over_fleet=other",
    ),
    (
        checks.shared_layer,
        {"namespaces": {"kof": named("kof", labels=THEIRS)}, "makes_dns_secret": True, **REGIONAL_ONLY},
        FAILED,
        r"belongs to fleet other",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "1.10.0"), chart("kof-mothership", "1.10.0", line="1.10"))},
        FAILED,
        r"^kof_version: installed kof: kof-mothership 1\.10\.0 is installed, of line 1\.10.*no way back",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof", "1.9.0", line="1.9"),), **REGIONAL_ONLY},
        FAILED,
        r"no way back",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "0.1.0"), chart("kof-mothership", "0.1.11", line="0.0"))},
        FAILED,
        r"of line 0\.0.*upgraded by hand: helm must take over",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.2"),)},
        FAILED,
        r"0\.1\.2 is installed .*downgrade",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.1", keeper="kof/kof-mothership"),), "mothership_host": "m"},
        FAILED,
        r"kept by the Flux HelmRelease kof/kof-mothership",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "0.1.1"), chart("kof-mothership", "0.1.0"))},
        ANNOUNCED,
        r"kof-mothership 0\.1\.0 \(wanted: kof_version 0\.1\.1\); kof-mothership will be upgraded",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.0"),), **REGIONAL_ONLY},
        WARNING,
        r"run the mothership playbook first",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.1", keeper="kof/kof-mothership"),), **REGIONAL_ONLY},
        OK,
        r"kof-mothership 0\.1\.1$",
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
        {"foreseen": (Foreseen("kof", "upgrade", removed=[ObjectRef("v1", "Secret", "kof", "old")]),)},
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
        checks.credentials,
        {"credential": "aws-cluster-identity-crd"},
        FAILED,
        r"^eu1: regional_credential: .*not in kcm-system.*did you mean aws-cluster-identity-cred\?",
    ),
    (
        checks.resource_templates,
        {"resource_templates": {"aws-cluster-identity-cred": None}},
        FAILED,
        r"^eu1, us1: .*ConfigMap aws-cluster-identity-resource-template: not in kcm-system.*make it.*"
        r'projectsveltos.io/template: "true"',
    ),
    (
        checks.resource_templates,
        {"resource_templates": {"aws-cluster-identity-cred": named("x") | {"data": {"a": "{{ .Cluster }}"}}}},
        WARNING,
        "a template without annotation projectsveltos.io/template",
    ),
    (
        checks.adopted_clusters,
        {
            "sveltos_clusters": (
                sveltos_cluster("us1", status={"connectionStatus": "Down", "failureMessage": "dial tcp: refused"}),
            )
        },
        WARNING,
        r"^us1: .*connectionStatus Down.*dial tcp: refused",
    ),
    (
        checks.adopted_clusters,
        {
            "sveltos_clusters": (
                sveltos_cluster("us1", status={"connectionStatus": "Healthy", "connectionFailures": 1}),
            )
        },
        WARNING,
        "us1",
    ),
    (
        checks.adopted_clusters,
        {"sveltos_clusters": (sveltos_cluster("us1", spec={"paused": True}, status={"connectionStatus": "Healthy"}),)},
        WARNING,
        "us1: .*paused",
    ),
    (
        checks.credentials,
        {
            "credentials": (
                named(
                    "aws-cluster-identity-cred",
                    status={
                        "ready": False,
                        "conditions": [{"type": "CredentialReady", "status": "False", "message": "Secret not found"}],
                    },
                ),
            )
        },
        FAILED,
        r"^eu1, us1: regional_credential: .*not ready: Secret not found",
    ),
    (
        checks.cluster_templates,
        {"template": "aws-standalone-cp-0-1-9"},
        FAILED,
        r"^eu1: regional_template: .*not in kcm-system.*did you mean aws-standalone-cp-0-1-0",
    ),
    (
        checks.cluster_templates,
        {"template": "aws-standalone-cp-0-9-0"},
        FAILED,
        r"^eu1: regional_template: .*invalid: chart not found.*use aws-standalone-cp-0-1-0",
    ),
    (
        checks.cluster_templates,
        {"template_kind": "aws-standalone"},
        FAILED,
        r"^eu1: regional_template_kind: .*none of this kind.*did you mean aws-standalone-cp\?",
    ),
    (
        checks.cluster_templates,
        {"cluster_templates": (template("aws-standalone-cp-0-1-0", None),)},
        FAILED,
        r"none is valid: aws-standalone-cp-0-1-0 \(kcm has not validated it yet\)",
    ),
    (
        checks.cluster_templates,
        {"cluster_deployments": (named("eu1", spec={"template": "gone-0-1-0"}),)},
        FAILED,
        r"the ClusterDeployment uses it: name another one in eu1's regional_template",
    ),
    (
        checks.config_keys,
        {"config": {"regoin": "eu-west-1"}},
        FAILED,
        (
            r"^eu1: regional_config: .*regional_config\.regoin is unknown to aws-standalone-cp-0-1-0.*did you mean "
            r"region\?"
        ),
    ),
    (
        checks.replaced_maps,
        {"replaced": (ReplacedMap("eu1", "regional_config", "kof_regional", ("publicIP", "worker.instanceType")),)},
        WARNING,
        r"^eu1: regional_config: values of groups: replaces regional_config of group kof_regional as a whole, without "
        r"its publicIP, worker\.instanceType; .* combine\(",
    ),
    (
        checks.config_keys,
        {"config": {"controlPlaneNumber": "3"}},
        FAILED,
        (
            r"^eu1: regional_config: config types: regional_config\.controlPlaneNumber is '3', text, but "
            r"aws-standalone-cp-0-1-0 has a number there by default \(wanted: a number\); write it without quotes"
        ),
    ),
    (
        checks.config_keys,
        {"config": {"worker": {"instanceType": False}}},
        FAILED,
        r"worker\.instanceType is false, a boolean.*quote it: YAML reads NO",
    ),
    (
        checks.config_keys,
        {"config": {"worker": {"instance_type": "t3"}}},
        FAILED,
        r"worker\.instance_type.*did you mean worker\.instanceType\?",
    ),
    (
        checks.config_keys,
        {"config": {"instanceType": "t3"}},
        WARNING,
        r"controlPlane\.instanceType is known: is it in the wrong place",
    ),
    (
        checks.config_keys,
        {"config": {"clusterIdentity": {"name": "a", "namespace": "kcm-system"}}},
        WARNING,
        r"clusterIdentity\.namespace",
    ),
    (checks.service_templates, {"service_templates": ()}, ANNOUNCED, r"will come with kof-mothership"),
    (
        checks.service_templates,
        {"service_templates": (), **REGIONAL_ONLY},
        FAILED,
        r"^eu1, us1: regional_service_templates: .*not in kcm-system.*mothership playbook",
    ),
    (
        checks.service_templates,
        {"service_templates": (), "install_templates": False},
        FAILED,
        r"mothership_install_templates is false",
    ),
    (
        checks.service_templates,
        {"templates": (("kof-storag-0-1-1", "regional_service_templates"),)},
        FAILED,
        r"^eu1: .*did you mean kof-storage-0-1-1\?",
    ),
    (
        checks.service_templates,
        {"service_templates": (named("kof-storage-0-1-1", status={"valid": False, "validationError": "no chart"}),)},
        FAILED,
        r"invalid: no chart",
    ),
    (
        checks.regional_of_children,
        {"subjects": (EU1, replace(CHILD, regional="eu9"))},
        FAILED,
        r"^eu1-a: child_regional: .*eu9 is neither .*",
    ),
    (
        checks.regional_of_children,
        {"subjects": (replace(CHILD, regional="old"),), "cluster_deployments": (deployment("old"),)},
        FAILED,
        r"old is live, but has no domain",
    ),
    (
        checks.regional_of_children,
        {"subjects": (CHILD,), "others": (EU1,)},
        WARNING,
        r"neither live nor part of this run",
    ),
    (
        checks.live_domains,
        {
            "cluster_deployments": (
                deployment("old", annotations={"k0rdent-kof/regional-domain": "eu1.example.com"}, labels=THEIRS),
            )
        },
        FAILED,
        r"^eu1: regional_domain: .*eu1\.example\.com is the domain of the live cluster old of fleet other",
    ),
    (
        checks.live_domains,
        {"promxy_server_groups": (group("promxyservergroup-sample", "old", "eu1.example.com"),)},
        FAILED,
        r"live cluster old",
    ),
    (
        checks.ownership,
        {"cluster_deployments": (deployment("eu1", labels=THEIRS),)},
        FAILED,
        r"^eu1: regional_cluster_name: .*belongs to fleet other",
    ),
    (
        checks.ownership,
        {"cluster_deployments": (deployment("eu1", labels=THEIRS),), "permissions": Permissions(frozenset({"other"}))},
        ANNOUNCED,
        r"^fleet: ClusterDeployment eu1 of fleet other .*will be taken over",
    ),
    (
        checks.styles,
        {"cluster_deployments": (live_cluster("eu1", labels={ROLE_LABEL: "regional"}),), "render_cluster": rendered},
        FAILED,
        r"^eu1: kof_version: style: .*kcm-system/eu1: was made for kof 0\.2 or later.*Use the kof_version",
    ),
    (
        checks.dangerous_changes,
        {
            "cluster_deployments": (live_cluster("eu1", "kof-storage", "cert-manager"),),
            "render_cluster": rendered,
        },
        FAILED,
        r"^eu1: dangerous changes: .*service cert-manager would be uninstalled.*pass -e kof_dangerous_changes=eu1$",
    ),
    (
        checks.dangerous_changes,
        {
            "cluster_deployments": (live_cluster("eu1", "kof-storage", "cert-manager"),),
            "render_cluster": rendered,
            "permissions": Permissions(dangerous=frozenset({"eu1"})),
        },
        OK,
        r"^dangerous changes: none: 1 live clusters",
    ),
    (
        checks.ownership,
        {"cluster_deployments": (deployment("eu1-a", **DELETING),)},
        FAILED,
        r"^eu1-a: .*being deleted since 2026-01-01T00:00:00Z, held by k0rdent",
    ),
    (
        checks.ownership,
        {
            "promxy_server_groups": (
                group("eu1-metrics", "eu1", labels={LABEL: "x", "app.kubernetes.io/managed-by": "kof-operator"}),
            )
        },
        FAILED,
        r"belongs to kof-operator",
    ),
    (
        checks.ownership,
        {"grafana_datasources": (datasource("eu1-logs", "eu1", annotations={"meta.helm.sh/release-name": "mine"}),)},
        FAILED,
        r"belongs to helm release mine",
    ),
    (
        checks.ownership,
        {
            "cluster_deployments": (
                deployment("eu1", labels={"kustomize.toolkit.fluxcd.io/name": "fleet", "kof": "storage"}),
            )
        },
        FAILED,
        r"^eu1: regional_cluster_name: .*kept by the Flux Kustomization fleet",
    ),
    (
        checks.ownership,
        {
            "cluster_deployments": (
                deployment("eu1", labels=OURS, annotations={"argocd.argoproj.io/tracking-id": "kof:k0rdent/x:a/b"}),
            )
        },
        WARNING,
        r"^eu1: .*kept by the Argo CD application kof, which",
    ),
    (
        checks.ownership,
        {"cluster_deployments": (deployment("eu1"),), "adopt": False},
        FAILED,
        r"^eu1: kof_adopt: .*exists, and this collection has not made it",
    ),
    (
        checks.ownership,
        {"cluster_deployments": (deployment("eu1"),)},
        ANNOUNCED,
        r"ClusterDeployment eu1: made by hand; will be adopted",
    ),
    (
        checks.guide_names,
        {"promxy_server_groups": (group("promxyservergroup-sample", "eu1"),)},
        FAILED,
        (
            r"^eu1: kof_replace_guide_objects: .*stands for eu1 already \(spec\.cluster_name is eu1\).*"
            r"kof_replace_guide_objects: true"
        ),
    ),
    (
        checks.guide_names,
        {"grafana_datasources": (datasource("victoria-logs-regional0", "x", "us1.example.com"),)},
        FAILED,
        r"^us1: .*its url is https://vmauth\.us1",
    ),
    (
        checks.guide_names,
        {"promxy_server_groups": (group("promxyservergroup-sample", "eu1"),), "replace_guide_objects": True},
        ANNOUNCED,
        r"will be replaced by ours",
    ),
    (
        checks.guide_names,
        {
            "promxy_server_groups": (group("g", "eu1", labels={"kustomize.toolkit.fluxcd.io/name": "apps"}),),
            "replace_guide_objects": True,
        },
        FAILED,
        r"^eu1: .*is kept by the Flux Kustomization apps.*remove it there",
    ),
    (
        checks.guide_names,
        {"promxy_server_groups": (group("g", "eu1", labels=THEIRS),), "replace_guide_objects": True},
        FAILED,
        r"belongs to fleet other",
    ),
    (
        checks.vmuser_secret,
        {"secrets": secret(username=b"a", password=b'p"w-TOPSECRET')},
        FAILED,
        r"^eu1, us1: regional_vmuser_secret: .*its password has a double quote",
    ),
    (
        checks.vmuser_secret,
        {"secrets": secret(username=b"a\\b", password=b"p")},
        FAILED,
        r"its username has a backslash",
    ),
    (checks.vmuser_secret, {"secrets": secret(username=b"a", password=b"p\n")}, FAILED, r"line break"),
    (checks.vmuser_secret, {"secrets": secret(username=b"a", password=b"\xff\xfe")}, FAILED, r"aren't UTF-8"),
    (checks.vmuser_secret, {"secrets": secret(username=b"a")}, FAILED, r"its password is missing or empty"),
    (
        checks.vmuser_secret,
        {"secrets": without("storage-vmuser-credentials")},
        ANNOUNCED,
        r"will come with kof-mothership",
    ),
    (
        checks.vmuser_secret,
        {"secrets": without("storage-vmuser-credentials"), **REGIONAL_ONLY},
        FAILED,
        r"mothership playbook",
    ),
    (
        checks.vmuser_secret,
        {"vmuser_secret": "mine"},
        FAILED,
        r"^eu1: regional_vmuser_secret: .*not in kof.*make it in kof",
    ),
    (
        checks.promxy_groups,
        {"promxy_server_groups": (group("mine", "z", secret="gone"),)},
        FAILED,
        r"PromxyServerGroup mine: its Secret gone isn't in kof",
    ),
    (
        checks.promxy_groups,
        {"promxy_server_groups": (group("mine", "z", secret=""),)},
        FAILED,
        r"names no credentials Secret",
    ),
    (
        checks.promxy_groups,
        {"promxy_server_groups": (group("mine", 'z"'),)},
        FAILED,
        r"its spec\.cluster_name has a double quote",
    ),
    (
        checks.promxy_groups,
        {"promxy_server_groups": (group("mine", "z", timeout="5"),)},
        FAILED,
        r"its dial_timeout is '5' \(wanted: a Go duration",
    ),
    (
        checks.promxy_groups,
        {
            "promxy_server_groups": (group("mine", "z", secret="other"),),
            "secrets": {**HEALTHY.secrets, "other": {"password": b'"TOPSECRET'}},
        },
        FAILED,
        r"the password in its Secret other has a double quote",
    ),
    (
        checks.promxy_config_size,
        {"render_promxy_config": lambda groups, credentials: "x" * 1_048_577, "groups": (group("eu1-metrics", "eu1"),)},
        FAILED,
        r"1,048,577 bytes.*at most 1,048,576",
    ),
    (
        checks.external_dns,
        {"secrets": without("external-dns-aws-credentials")},
        FAILED,
        r"^eu1, us1: regional_external_dns: .*not in kof.*dns_credentials_method",
    ),
    (
        checks.external_dns,
        {"secrets": without("external-dns-aws-credentials"), "dns_method": "iam_user"},
        ANNOUNCED,
        r"dns_credentials \(iam_user\)",
    ),
    (
        checks.external_dns,
        {"secrets": without("external-dns-aws-credentials"), "dns_method": "iam_user", **REGIONAL_ONLY},
        FAILED,
        r"run the dns_credentials playbook first",
    ),
    (
        checks.external_dns,
        {"secrets": {**HEALTHY.secrets, "external-dns-aws-credentials": {"aws_access_key_id": b"A"}}},
        FAILED,
        r"has no key external-dns-aws-credentials \(it has: aws_access_key_id\)",
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


KUBECONFIG_OF = "aws-cluster-identity-cred"
CERT_MANAGER_OF_OTHERS = {
    "conditions": [
        {
            "type": "Helm",
            "status": "False",
            "message": 'CustomResourceDefinition "issuers.cert-manager.io" in namespace "" exists and cannot be '
            "imported into the current release: invalid ownership metadata",
        }
    ]
}

VELERO_OF_OTHERS = {"type": "kof.velero/SveltosHelmReleaseReady", "message": "Release kof/velero: of profile x"}

CASES += [
    (
        checks.services_of_others,
        {"cluster_deployments": (live_cluster("eu1", "cert-manager", status={"services": [CERT_MANAGER_OF_OTHERS]}),)},
        WARNING,
        r"^eu1: regional_disabled_services: services: cert-manager is there already: .*invalid ownership metadata; "
        r"regional_disabled_services: \[cert-manager\] leaves ours out",
    ),
    (
        checks.services_of_others,
        {
            "cluster_deployments": (
                live_cluster(
                    "eu1",
                    "velero",
                    status={"services": [{"conditions": [{**VELERO_OF_OTHERS, "status": "False"}]}]},
                ),
            )
        },
        WARNING,
        r"^eu1: regional_extra_services: services: velero is there already: Release kof/velero: .*; "
        r"disable: true for velero leaves ours out",
    ),
    (
        checks.management_cluster,
        {"own_cluster": {KUBECONFIG_OF: Finding(own="its server 192.0.2.1:6443 is the management cluster's own")}},
        FAILED,
        r"^eu1, us1: regional_credential: Credential .*: leads to the management cluster itself: its",
    ),
    (
        checks.management_cluster,
        {"own_cluster": {KUBECONFIG_OF: Finding(unread="403 Forbidden")}},
        WARNING,
        r"its kubeconfig may not be read \(403 Forbidden\); make sure yourself",
    ),
]


def test_what_was_applied_already_is_not_doubted_at_every_run():
    unread = {"own_cluster": {KUBECONFIG_OF: Finding(unread="403 Forbidden")}}
    live = tuple(named(name, "kcm-system", spec={"credential": KUBECONFIG_OF}) for name in ("eu1", "us1", "eu1-a"))
    assert checks.management_cluster(situation(cluster_deployments=live, **unread)) == []


def test_k0rdent_1_9_keeps_propagate_credentials_false():
    new = {"managements": (named("kcm", status={"release": "kcm-1-9-0"}),)}
    assert checks.propagated_credentials(situation(propagate_credentials=False, **new)) == []


@pytest.mark.parametrize(
    ("check", "spoilt", "status", "pattern"),
    CASES,
    ids=[f"{number}-{case[0].__name__}" for number, case in enumerate(CASES)],
)
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    found = check(situation(**spoilt))
    lines = [one.line() for one in found if one.status == status]
    assert any(re.search(pattern, line) for line in lines), [(one.status, one.line()) for one in found]
    if status != FAILED:
        assert not [one.line() for one in found if one.status == FAILED]


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
def test_a_healthy_cluster_passes_every_check(check):
    assert [one.line() for one in check(situation()) if one.status not in (OK, ANNOUNCED)] == []


@pytest.mark.parametrize("spoilt", [{"install_templates": False}, REGIONAL_ONLY])
def test_who_makes_no_service_templates_needs_no_old_kcm(spoilt: dict[str, Any]):
    served = {**HEALTHY.apis, "k0rdent.mirantis.com": ("v1beta1",)}
    assert {one.status for one in checks.apis(situation(kcm_version="v1beta1", apis=served, **spoilt))} == {OK}


def test_every_check_has_a_case_that_fails():
    may_not_fail = {
        checks.services_of_others,  # one cluster's is no reason to hold up the others
        checks.adopted_clusters,  # the others go on
        checks.api_server,  # an API server that is away never gets as far as facts
        checks.replaced_maps,  # it may be meant so
        checks.promxy_reloads,  # the budgets of test_budgets.py, which warn
        checks.promxy_memory,
        checks.certificates,
        checks.route53_requests,
    }
    assert {case[0] for case in CASES if case[2] == FAILED} | may_not_fail == set(checks.ALL)


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


def test_no_secret_value_is_ever_told():
    spoilt = situation(secrets=secret(username=b'user-"TOPSECRET', password=b"pass\\TOPSECRET"))
    assert "TOPSECRET" not in repr(spoilt)
    assert "TOPSECRET" not in str([(one, one.line()) for one in checks.made(spoilt)])


def test_clusters_with_the_same_fault_share_a_row():
    many = tuple(replace(CHILD, host=f"c{n}", name=f"c{n}", credential="nope") for n in range(1000))
    found = checks.credentials(situation(subjects=many))
    assert len(found) == 1
    assert len(found[0].hosts) == 1000
    assert "c0, c1, c2 and 997 more" in found[0].line()


def test_a_live_cluster_keeps_its_template():
    live = (named("eu1", spec={"template": "aws-standalone-cp-0-0-5"}),)
    told = [one.line() for one in checks.cluster_templates(situation(cluster_deployments=live))]
    assert any("aws-standalone-cp-0-0-5: valid, kept; aws-standalone-cp-0-1-0 is newer" in line for line in told)


def test_the_config_is_held_against_the_template_that_is_kept():
    old = template("aws-standalone-cp-0-0-5", config={"region": "", "legacy": ""})
    live = (named("eu1", spec={"template": "aws-standalone-cp-0-0-5"}),)
    spoilt = situation(
        cluster_templates=(old, *HEALTHY.cluster_templates[1:]), cluster_deployments=live, config={"legacy": "x"}
    )
    assert [one.line() for one in checks.config_keys(spoilt) if one.status != OK] == []


def test_a_live_regional_serves_children_without_an_inventory_of_it():
    marked = deployment("far", annotations={"k0rdent-kof/regional-domain": "far.example.com"})
    by_hand = deployment("hand")
    spoilt = situation(
        subjects=(replace(CHILD, regional="far"), replace(CHILD, regional="hand")),
        cluster_deployments=(marked, by_hand),
        promxy_server_groups=(group("promxyservergroup-sample", "hand", "hand.example.com"),),
    )
    assert [one.line() for one in checks.regional_of_children(spoilt)] == ["child's regional: known for 2 children"]


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


def test_groups_the_operator_skips_or_we_replace_hold_up_nothing():
    skipped = group("unlabelled", 'z"', secret="gone", labels={})
    ours = group("eu1-metrics", "eu1", secret="gone", labels={LABEL: "x", **OURS})
    sample = group("promxyservergroup-sample", "us1", secret="gone")
    found = checks.promxy_groups(situation(promxy_server_groups=(skipped, ours, sample), replace_guide_objects=True))
    assert found == []


def test_layers_that_are_not_run_ask_for_nothing():
    spoilt = situation(layers=frozenset({"child"}), subjects=(CHILD,), others=(EU1, US1), helm=None, storage_classes=())
    for check in (checks.helm, checks.storage_class, checks.operator_charts, checks.vmuser_secret, checks.external_dns):
        assert check(spoilt) == []


@pytest.mark.parametrize(("version", "told"), [("v3.18.4", False), ("v3.18.5", True), ("v3.19.5", True)])
def test_helm_tells_whose_schema_it_will_not_be_asked_about(version: str, told: bool) -> None:
    (row,) = checks.helm(situation(helm=Helm("/usr/bin/helm", version)))
    assert row.status == OK
    assert ("without schema validation, which this helm refuses: kof-operators" in row.found) is told
