"""What is live already and must not be harmed, failing and passing, on facts as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.situations import (
    CHILD,
    EU1,
    HEALTHY,
    LABEL,
    OURS,
    REGIONAL_ONLY,
    THEIRS,
    Case,
    assert_told,
    case_names,
    datasource,
    deployment,
    group,
    live_cluster,
    secret,
    situation,
    template,
    without,
)

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import ROLE_LABEL, Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import live as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Subject, Zone
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, OK, WARNING

DELETING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["k0rdent.mirantis.com/cluster-deployment"]}


IN_A_RELEASE = {
    "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1",
    "kind": "PromxyServerGroup",
    **group("g", "eu1", annotations={"meta.helm.sh/release-name": "kof-mothership"}),
}


def rendered(host: str, _live: Any) -> dict[str, Any]:
    return {"apiVersion": "k0rdent.mirantis.com/v1alpha1", **live_cluster(host, "kof-storage")}


def with_values(values: str) -> dict[str, Any]:
    """eu1 live, its kof-storage with these values."""
    live = live_cluster("eu1", "kof-storage")
    live["spec"]["serviceSpec"]["services"][0]["values"] = values
    return live


def by_profile(**more: Any) -> Subject:
    return replace(EU1, template=None, external_dns="node", instance_profile="kof", **more)


US1_LIVE = deployment("us1", annotations={"k0rdent-kof/regional-domain": "us1.example.com"}, labels=OURS)
CHILD_OF_US1 = live_cluster("eu1-a", "kof-collectors", labels=OURS)
CHILD_OF_US1["spec"]["serviceSpec"]["services"][0]["values"] = (
    "kof: {metrics: {endpoint: 'https://vmauth.us1.example.com/vm/insert/0/prometheus/api/v1/write'}}"
)
WITH_PROFILE = template("aws-standalone-cp-0-1-0", config={"worker": {"iamInstanceProfile": "nodes"}})


#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
CASES: list[Case] = [
    (
        checks.left_inventory,
        {"whole": True, "cluster_deployments": (deployment("eu1", labels=OURS), deployment("old", labels=OURS))},
        WARNING,
        r"old: live, and not in the inventory .*\[cluster-left-inventory\]; k0rdent\.kof\.prune, if they are to go",
    ),
    (
        checks.left_inventory,  # one that was deleted by hand, and one that is being deleted
        {
            "whole": True,
            "cluster_deployments": (deployment("going", labels=OURS, deletionTimestamp="2026-01-01T00:00:00Z"),),
            "promxy_server_groups": (
                {**group("old-metrics", "old", labels=OURS), "apiVersion": "v1", "kind": "PromxyServerGroup"},
            ),
        },
        WARNING,
        r"going: being deleted since 2026-01-01T00:00:00Z; old: its ClusterDeployment is gone, and .*left",
    ),
    (
        checks.left_inventory,  # another fleet's, and nobody's
        {"whole": True, "cluster_deployments": (deployment("a", labels=THEIRS), deployment("b"))},
        OK,
        r"no cluster of the fleet",
    ),
    (
        checks.moved_children,
        {"cluster_deployments": (US1_LIVE, CHILD_OF_US1)},
        ANNOUNCED,
        r"^eu1-a: child_regional: child moves: eu1-a sends to us1, and will to eu1; what it has sent stays there",
    ),
    (
        checks.vmuser_secret,
        {"release": KOF_0_0, "secrets": secret(username=b"a", password=b'p"')},
        WARNING,
        r"its password has a double quote .*0\.0\.x escapes them, but its image has tag latest.*letters and digits",
    ),
    (
        checks.vmuser_secret,
        {"release": KOF_0_0, "secrets": secret(username=b"a")},
        FAILED,
        r"its password is missing or empty",
    ),
    (
        checks.promxy_groups,
        {"release": KOF_0_0, "promxy_server_groups": (group("b", 'a"b'),)},
        WARNING,
        r"its spec\.cluster_name has a double quote .*kof 0\.1\.1's, which doesn't, and breaks.*; repair or delete it$",
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
        {"promxy_server_groups": (IN_A_RELEASE,), "replace_guide_objects": True},
        FAILED,
        r"^eu1: .*is kept by helm release kof-mothership.*remove it there: deleted here, it would come back",
    ),
    (
        checks.guide_names,
        {
            "promxy_server_groups": (IN_A_RELEASE,),
            "foreseen": (Foreseen("kof-mothership", "upgrade", removed=[ref_of(IN_A_RELEASE)]),),
        },
        FAILED,
        r"^eu1: .*kept by helm release kof-mothership.*upgrade takes it away: run k0rdent\.kof\.mothership first",
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
        checks.external_dns,
        {"dns_method": "irsa"},
        WARNING,
        r"^eu1, us1: regional_external_dns: .*taken.*dns_credentials_method is irsa.*regional_external_dns: node",
    ),
    (
        checks.external_dns_owner,
        {"cluster_deployments": (with_values("external-dns: {enabled: true}"),)},
        OK,
        r"^eu1: regional_external_dns_owner: .*kept as it is, default.*regional_external_dns_owner: default keeps",
    ),
    (
        checks.instance_profiles,
        {"subjects": (by_profile(),), "cluster_templates": (template("aws-standalone-cp-0-1-0"),)},
        WARNING,
        r"^eu1: regional_template: .*aws-standalone-cp-0-1-0 takes none.*dns_credentials_existing_node_roles",
    ),
    (
        checks.instance_profiles,
        {"subjects": (by_profile(),), "cluster_templates": (WITH_PROFILE,), "cluster_deployments": (with_values(""),)},
        WARNING,
        r"worker\.iamInstanceProfile is not set.*regional_config: \{worker: \{iamInstanceProfile: kof\}\}, which repl",
    ),
    (
        checks.instance_profiles,
        {
            "subjects": (by_profile(config={"worker": {"iamInstanceProfile": "theirs"}}),),
            "cluster_templates": (WITH_PROFILE,),
        },
        WARNING,
        r"worker\.iamInstanceProfile is 'theirs'",
    ),
    (
        checks.instance_profiles,
        {"subjects": (by_profile(),), "cluster_templates": (WITH_PROFILE,)},
        OK,
        r"that of dns_credentials \(for eu1\)",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_groups_the_operator_skips_or_we_replace_hold_up_nothing():
    skipped = group("unlabelled", 'z"', secret="gone", labels={})
    ours = group("eu1-metrics", "eu1", secret="gone", labels={LABEL: "x", **OURS})
    sample = group("promxyservergroup-sample", "us1", secret="gone")
    found = checks.promxy_groups(situation(promxy_server_groups=(skipped, ours, sample), replace_guide_objects=True))
    assert found == []


def test_what_isnt_declared_whole_says_nothing_of_what_left_it() -> None:
    there = (deployment("old", labels=OURS),)
    assert checks.left_inventory(situation(cluster_deployments=there)) == []


def test_a_child_that_stays_moves_nowhere() -> None:
    """Nor does one whose regional's domain nobody knows."""
    of_eu1 = live_cluster("eu1-a", "kof-collectors", labels=OURS)
    of_eu1["spec"]["serviceSpec"]["services"][0]["values"] = (
        "kof: {metrics: {endpoint: 'https://vmauth.EU1.example.com/'}}"
    )
    assert checks.moved_children(situation(cluster_deployments=(of_eu1,))) == []
    assert checks.moved_children(situation(cluster_deployments=(CHILD_OF_US1,), subjects=(CHILD,), others=())) == []
