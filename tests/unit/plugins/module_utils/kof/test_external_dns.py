"""As whom external-dns owns records, what it may touch, and what access it is given: on clusters as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.dns_credentials import access_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Known
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    DnsAccess,
    Regional,
    parse_dns_credentials,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

TEMPLATE = "aws-standalone-cp-0-1-0"
PROVIDER = "arn:aws-us-gov:iam::123456789012:oidc-provider/oidc.example.net/id/ABC"


def regional(access: DnsAccess | None = None, version: str = "0.1.1", **variables: Any) -> Regional:
    said = {"kof_version": version, "regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
    if version == "0.0.x":
        said["kof_chart_repository"] = "https://charts.example.com"
    found, faults = parse_regional("eu1", {**said, "kof_fleet": "a", **variables})
    assert found, faults
    return replace(found, external_dns_access=access)


def made(cluster: Regional, live: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """Its ClusterDeployment, `values` of the services as maps."""
    known = Known({ref_of(live): live} if live else {})
    given = {"template": TEMPLATE, "live": known, **given}
    return objects("regional", cluster, Given(RELEASES[cluster.version], "v1alpha1", **given))[0]


def dns(deployment: dict[str, Any]) -> dict[str, Any]:
    (service,) = (each for each in deployment["spec"]["serviceSpec"]["services"] if each["name"] == "kof-storage")
    return yaml.safe_load(service["values"])["external-dns"]


def with_dns(deployment: dict[str, Any], values: str) -> dict[str, Any]:
    """Live, and its kof-storage with these values."""
    services = [
        {**each, "values": values} if each["name"] == "kof-storage" else each
        for each in deployment["spec"]["serviceSpec"]["services"]
    ]
    return {**deployment, "spec": {**deployment["spec"], "serviceSpec": {"services": services}}}


@pytest.mark.parametrize("version", ["0.1.1", "0.0.x"])
def test_a_new_cluster_s_records_are_its_own(version: str) -> None:
    found = dns(made(regional(DnsAccess(zones=("Z1", "Z2")), version)))
    assert found["txtOwnerId"] == "a-eu1"
    assert found["domainFilters"] == ["eu1.example.com"]
    assert found["extraArgs"] == ["--aws-zone-match-parent", "--zone-id-filter=Z1", "--zone-id-filter=Z2"]


@pytest.mark.parametrize(
    ("there", "owner"),
    [
        ("external-dns: {enabled: true}", None),
        ("external-dns: {enabled: true, txtOwnerId: ''}", None),
        ("external-dns: {enabled: true, txtOwnerId: before}", "before"),
        ("external-dns: {enabled: false}", "a-eu1"),
        ("external-dns: null", "a-eu1"),
        ("", "a-eu1"),
        ("[external-dns]", None),
        ("external-dns: {enabled: '{{ .x }}'}", None),
        (": no yaml external-dns [", None),
    ],
)
def test_the_owner_that_is_live_is_kept(there: str, owner: str | None) -> None:
    live = with_dns(made(regional()), there)
    found = dns(made(regional(DnsAccess(zones=("Z1",))), live))
    assert found.get("txtOwnerId") == owner
    assert ("domainFilters" in found, "extraArgs" in found) == ((owner is not None,) * 2)
    assert guards.dangerous_changes(guards.Permissions())(live, made(regional(), live)) is None


def test_another_owner_is_refused_and_told_how_to_say_it() -> None:
    live = with_dns(made(regional()), "external-dns: {enabled: true}")
    guard = guards.dangerous_changes(guards.Permissions())
    another = made(regional(regional_external_dns_owner="mine"), live)
    assert dns(another)["txtOwnerId"] == "mine"
    reason = guard(live, another) or ""
    assert "own records as mine and leave those that it made as default alone" in reason
    assert reason.endswith("pass -e kof_dangerous_changes=eu1")
    assert guards.dangerous_changes(guards.Permissions(dangerous=frozenset({"eu1"})))(live, another) is None
    same = made(regional(regional_external_dns_owner="default"), live)
    assert guard(live, same) is None
    assert dns(same)["domainFilters"] == ["eu1.example.com"]
    by_values = {"kof-storage": {"external-dns": {"txtOwnerId": "mine"}}}
    assert guard(live, made(regional(regional_service_values=by_values), live))
    assert guard(live, made(regional(regional_external_dns="none"), live)) is None


@pytest.mark.parametrize(
    ("theirs", "all_of_it"),
    [
        (["--interval=5m"], ["--aws-zone-match-parent", "--zone-id-filter=Z1", "--interval=5m"]),
        (["--zone-id-filter=Z9"], ["--aws-zone-match-parent", "--zone-id-filter=Z9"]),
        (
            ["--aws-zone-match-parent", "--zone-id-filter=Z1", "--x"],
            ["--aws-zone-match-parent", "--zone-id-filter=Z1", "--x"],
        ),
        ([], ["--aws-zone-match-parent", "--zone-id-filter=Z1"]),
        ("text", "text"),
        (None, None),
    ],
)
def test_arguments_of_the_user_s_take_no_filter_away(theirs: Any, all_of_it: Any) -> None:
    said = {"kof-storage": {"external-dns": {"extraArgs": theirs}}}
    assert dns(made(regional(DnsAccess(zones=("Z1",)), regional_service_values=said)))["extraArgs"] == all_of_it


def test_irsa_ends_at_the_service_account() -> None:
    access = DnsAccess(role_arn="arn:aws:iam::1:role/a", service_account="their-dns")
    found = dns(made(regional(access, regional_external_dns="node")))
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}
    assert found["serviceAccount"] == {"name": "their-dns", "annotations": annotations}
    assert "serviceAccount" not in dns(made(regional(access)))


PROFILE = DnsAccess(instance_profile="kof-external-dns-a")
WORKER = {"worker": {"iamInstanceProfile": "nodes", "instanceType": ""}}


@pytest.mark.parametrize(
    ("template", "known", "said", "path"),
    [
        (TEMPLATE, None, {}, ("worker", "iamInstanceProfile")),
        (TEMPLATE, WORKER, {"worker": {"instanceType": "m"}}, ("worker", "iamInstanceProfile")),
        (TEMPLATE, {"worker": {"instanceType": ""}}, {}, None),
        ("aws-hosted-cp-0-1-0", None, {}, ("iamInstanceProfile",)),
        ("our-own-1-0-0", None, {}, None),
        ("our-own-1-0-0", WORKER, {}, ("worker", "iamInstanceProfile")),
        (TEMPLATE, WORKER, {"worker": {"iamInstanceProfile": "theirs"}}, None),
    ],
)
def test_node_role_ends_at_the_workers_of_a_new_cluster(
    template: str, known: Any, said: dict[str, Any], path: tuple[str, ...] | None
) -> None:
    cluster = regional(PROFILE, regional_external_dns="node", regional_config=said)
    config = made(cluster, template=template, template_config=known)["spec"]["config"]
    del config["clusterLabels"]
    if path is None:
        assert config == said
    elif len(path) == 1:
        assert config == {**said, path[0]: "kof-external-dns-a"}
    else:
        assert config == {"worker": {**said.get("worker", {}), "iamInstanceProfile": "kof-external-dns-a"}}


def test_a_live_cluster_s_nodes_are_not_replaced_unasked() -> None:
    cluster = regional(PROFILE, regional_external_dns="node")
    bare = made(replace(cluster, external_dns_access=None))
    assert "worker" not in made(cluster, bare)["spec"]["config"]
    ours = made(cluster)
    assert made(cluster, ours)["spec"]["config"] == ours["spec"]["config"] != bare["spec"]["config"]
    assert "worker" not in made(replace(cluster, external_dns="secret"))["spec"]["config"]


def options(**said: Any) -> dict[str, Any]:
    values, faults = parse_dns_credentials(
        "m", {"kof_fleet": "a", **{f"dns_credentials_{name}": value for name, value in said.items()}}
    )
    assert not faults
    return {name.removeprefix("dns_credentials_"): value for name, value in values.items()}


def test_what_the_methods_give() -> None:
    account = "kof-storage-external-dns"
    zones = {"hosted_zones": ["arn:aws:route53:::hostedzone/Z1", "Z2", "/hostedzone/Z1"]}
    assert access_of(options(method="none")) is None
    assert access_of(options(method="iam_user", **zones)) == DnsAccess(("Z1", "Z2"), None, account)
    assert access_of(options(method="node_role", all_zones=True)) == DnsAccess((), None, account, "kof-external-dns-a")
    assert access_of(options(method="node_role", existing_node_roles=["n"], **zones)) == DnsAccess(
        ("Z1", "Z2"), None, account
    )
    found = access_of(options(method="irsa", oidc_provider_arns=[PROVIDER], path="/kof/", role_name="dns", **zones))
    assert found == DnsAccess(("Z1", "Z2"), "arn:aws-us-gov:iam::123456789012:role/kof/dns", account)
