"""What clusters refer to, failing and passing, on facts as data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.situations import (
    CHILD,
    CONFIG,
    EU1,
    HEALTHY,
    REGIONAL_ONLY,
    Case,
    assert_told,
    case_names,
    deployment,
    group,
    live_cluster,
    named,
    situation,
    sveltos_cluster,
    template,
)

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.own_cluster import Finding
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import references as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, OK, WARNING

TEMPLATES = HEALTHY.cluster_templates
UNLABELLED = template("adopted-cluster-0-0-2", config={**CONFIG, "clusterLabels": {}})
del UNLABELLED["status"]["config"]["clusterLabels"]
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


#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
CASES: list[Case] = [
    (
        checks.config_keys,
        {"release": KOF_0_0, "template": "adopted-cluster-0-0-2", "cluster_templates": (UNLABELLED, *TEMPLATES)},
        FAILED,
        r"^eu1: regional_template_kind: cluster labels: adopted-cluster-0-0-2 has no clusterLabels.*k0rdent 0\.1\.0",
    ),
    (
        checks.config_keys,
        {
            "release": KOF_0_0,
            "template": "adopted-cluster-0-1-0",
            "cluster_templates": (template("adopted-cluster-0-1-0"), *TEMPLATES),
        },
        OK,
        r"all known",
    ),
    (  # its values aren't known yet
        checks.config_keys,
        {
            "release": KOF_0_0,
            "template": "adopted-cluster-0-0-2",
            "cluster_templates": ({**UNLABELLED, "status": {}}, *TEMPLATES),
        },
        OK,
        r"all known",
    ),
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
        checks.services_of_others,
        {"cluster_deployments": (live_cluster("eu1", "cert-manager", status={"services": [CERT_MANAGER_OF_OTHERS]}),)},
        WARNING,
        r"^eu1: regional_disabled_services: services: cert-manager is there already: .*invalid ownership metadata "
        r"\[service-of-others\]; "
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


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_what_was_applied_already_is_not_doubted_at_every_run():
    unread = {"own_cluster": {KUBECONFIG_OF: Finding(unread="403 Forbidden")}}
    live = tuple(named(name, "kcm-system", spec={"credential": KUBECONFIG_OF}) for name in ("eu1", "us1", "eu1-a"))
    assert checks.management_cluster(situation(cluster_deployments=live, **unread)) == []


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


def test_before_0_1_k0rdent_asked_for_no_resource_template() -> None:
    missing = {"resource_templates": {KUBECONFIG_OF: None}}
    old = (named("kcm", status={"release": "kcm-0-0-7"}),)
    assert checks.resource_templates(situation(managements=old, releases=(), **missing)) == []
    assert checks.resource_templates(situation(managements=(), **missing)), "unknown: it may ask for one"
