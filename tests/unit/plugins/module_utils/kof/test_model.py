"""model.py: what variables may be, what they mean together, and what must be unique between clusters."""

from __future__ import annotations

import base64
import dataclasses
import random
import time
from typing import Any

import pytest
from unit.tagging import tagged

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_1_10 import KOF_1_10
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Release
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    Child,
    Fault,
    Mothership,
    Regional,
    fleet_faults,
    parse_child,
    parse_dns_credentials,
    parse_mothership,
    parse_regional,
    shared_users,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Hider

MOTHERSHIP: dict[str, Any] = {"kof_version": "0.1.1"}
REGIONAL: dict[str, Any] = {
    "kof_version": "0.1.1",
    "regional_domain": "eu1.kof.example.com",
    "regional_admin_email": "platform@example.com",
    "regional_config": {"region": "eu-west-1", "workersNumber": 3},
}
CHILD: dict[str, Any] = {"kof_version": "0.1.1", "child_regional": "eu1", "child_config": {"region": "eu-west-1"}}


def regional(host: str = "eu1", **changes: Any) -> Regional:
    found, faults = parse_regional(host, {**REGIONAL, **changes})
    assert found is not None, faults
    return found


def child(host: str = "eu1-a", **changes: Any) -> Child:
    found, faults = parse_child(host, {**CHILD, **changes})
    assert found is not None, faults
    return found


PARSERS = [
    (parse_mothership, "mothership"),
    (parse_regional, "regional"),
    (parse_child, "child"),
    (parse_dns_credentials, "dns_credentials"),
]


def fault_of(parse: Any, base: dict[str, Any], **variables: Any) -> Fault:
    """The one fault of the one variable given."""
    found, faults = parse("eu1", {**base, **variables})
    assert found is None
    assert len(faults) == 1, [str(fault) for fault in faults]
    (fault,) = faults
    assert fault.host == "eu1"
    assert fault.example
    assert "\n" not in str(fault)
    return fault


def test_a_regional_with_its_defaults() -> None:
    assert regional() == Regional(
        host="eu1",
        fleet="kof",
        namespace="kof",
        kcm_namespace="kcm-system",
        version="0.1.1",
        cluster_name="eu1",
        domain="eu1.kof.example.com",
        admin_email="platform@example.com",
        template=None,
        template_kind="aws-standalone-cp",
        credential="aws-cluster-identity-cred",
        config={"region": "eu-west-1", "workersNumber": 3},
        cluster_labels={},
        labels={},
        storage_class=None,
        external_dns="secret",
        external_dns_owner=None,
        external_dns_access=None,
        ingress_addresses=[],
        retention=None,
        logs_storage_size="10Gi",
        service_templates={},
        service_values={},
        disabled_services=[],
        extra_services=[],
        service_priority=100,
        propagate_credentials=True,
        promxy_insecure_skip_verify=False,
        promxy_dial_timeout="5s",
        datasource_resync_period="5m",
        dashboards=None,
        vmuser_secret="storage-vmuser-credentials",
    )


def test_a_child_with_its_defaults() -> None:
    found = child()
    assert (found.cluster_name, found.regional, found.opencost) == ("eu1-a", "eu1", True)
    assert {field.name for field in dataclasses.fields(Child)} < {
        field.name for field in dataclasses.fields(Regional)
    } | {
        "regional",
        "opencost",
    }


def test_a_mothership_with_its_defaults() -> None:
    found, faults = parse_mothership("mothership", MOTHERSHIP)
    assert faults == []
    assert isinstance(found, Mothership)
    assert found.chart_repository == "oci://ghcr.io/k0rdent/kof/charts"
    assert found.promxy_image_tag == "v0.0.93"
    assert found.dns_secret is False


@pytest.mark.parametrize(
    ("method", "secret"), [("none", False), ("iam_user", True), ("existing", True), ("node_role", False)]
)
def test_some_dns_methods_end_in_a_secret(method: str, secret: bool) -> None:
    given = {"existing": KEY, "none": {}}.get(method, ZONES)
    found, faults = parse_mothership("mothership", {**MOTHERSHIP, **given, "dns_credentials_method": method})
    assert faults == []
    assert found is not None
    assert found.dns_secret is secret


def test_tagged_variables_give_the_same_cluster() -> None:
    variables = {**REGIONAL, "regional_service_values": {"kof-storage": {"a": {"b": [1, True, None, "x"]}}}}
    assert parse_regional("eu1", to_plain(tagged(variables))) == parse_regional("eu1", variables)


REGIONAL_FAULTS = [
    ("regional_domain", "EU1.example.com", "lowercase"),
    ("regional_domain", "eu1", "two parts"),
    ("regional_domain", "a." * 122 + "de", "253"),
    ("regional_domain", "10.0.0.1", "not an address"),
    ("regional_domain", "eu1.example.com.", "empty part"),
    ("regional_domain", "{{ nope }}.example.com", "lowercase"),
    ("regional_admin_email", "platform", "e-mail"),
    ("regional_cluster_name", "Eu1", "lowercase"),
    ("regional_cluster_name", "x" * 54, "Helm's release name, which kcm makes of a cluster's name, has at most 53"),
    ("regional_cluster_name", "eu.1", "DNS label"),
    ("regional_cluster_name", "mothership", "management cluster's own metrics"),
    ("regional_template", "Aws", "lowercase"),
    ("regional_template_kind", "aws_standalone", "lowercase"),
    ("regional_credential", "a b", "lowercase"),
    ("regional_vmuser_secret", 'a"b', "lowercase"),
    ("regional_storage_class", "GP3", "lowercase"),
    ("regional_external_dns", "secrets", "did you mean secret?"),
    ("regional_external_dns_owner", "a,b=c", "letters, digits, dots, dashes"),
    ("regional_ingress_addresses", ["192.0.2.256"], "neither an IP address nor a host name"),
    ("regional_ingress_addresses", ["a b"], "neither an IP address nor a host name"),
    ("regional_ingress_addresses", ["192.0.2.1", "a.example.com"], "has a host name beside something else"),
    ("regional_external_dns_owner", "x" * 129, "1 to 128"),
    ("regional_retention", "30", "unit"),
    ("regional_retention", 30, "number"),
    ("regional_logs_storage_size", "10", "unit"),
    ("regional_promxy_dial_timeout", "5", "Go duration"),
    ("regional_promxy_dial_timeout", 5, "number"),
    ("regional_datasource_resync_period", "5 minutes", "Go duration"),
    ("regional_service_priority", 0, "from 1 to 2147483646"),
    ("regional_labels", {"a b": "c"}, "the key 'a b'"),
    ("regional_labels", {"a": True}, "the value of a must be a string"),
    ("regional_labels", {"app.kubernetes.io/part-of": "x"}, "set by the collection"),
    ("regional_cluster_labels", {"a": "b c"}, "the value of a"),
    ("regional_cluster_labels", {"k0rdent.mirantis.com/kof-storage-secrets": "false"}, 'must be "true"'),
    ("regional_cluster_labels", {"k0rdent.mirantis.com/kof-aws-dns-secrets": "no"}, 'must be "true"'),
    ("regional_config", {"clusterLabels": ["a"]}, "map of strings"),
    ("regional_config", {"clusterLabels": {"a": 1}}, "clusterLabels.a must be a string"),
    ("regional_config", {"clusterLabels": {"k0rdent.mirantis.com/kof-storage-secrets": "x"}}, 'must be "true"'),
    ("regional_config", {"a": {"x" * 1023: 1}}, "takes 1025 characters"),
    ("regional_config", {"a": [{"\x85" * 171: 1}]}, "takes 1028 characters"),
    ("regional_config", {"a": [{"\u2028" * 300: 1}]}, "takes 1802 characters"),
    ("regional_config", "region=eu", "map"),
    ("regional_service_templates", {"kof-storge": "a"}, "did you mean kof-storage?"),
    ("regional_service_templates", {"kof-storage": 1}, "ServiceTemplate's name"),
    ("regional_service_templates", {"kof-storage": "A"}, "lowercase"),
    ("regional_service_values", {"kof-colectors": {}}, "is none of the services"),
    ("regional_service_values", {"kof-storage": "a: b"}, "must be a map"),
    ("regional_service_values", {"kof-storage": None}, "must be a map"),
    ("regional_extra_services", [{"name": "a"}], "template is required"),
    ("regional_extra_services", [{"template": "a-1"}], "name is required"),
    ("regional_extra_services", [{"name": "A", "template": "a-1"}], "name 'A'"),
    ("regional_extra_services", [{"name": "a", "template": 1}], "template must be a string"),
    ("regional_extra_services", [{"name": "a", "template": "a-1", "namespace": "a.b"}], "namespace 'a.b'"),
    ("regional_extra_services", [{"name": "a", "template": "a-1", "value": {}}], "did you mean values?"),
    ("regional_extra_services", [{"name": "a", "template": "a-1", "values": "a: b"}], "values must be a map"),
    ("regional_extra_services", [{"name": "a", "template": "a-1", "disable": "yes"}], "disable must be"),
    ("regional_extra_services", [{"name": "a", "template": "a-1", "valuesFrom": [{"name": "a"}]}], "valuesFrom"),
    ("regional_extra_services", [{"name": "a", "template": "a-1"}] * 2, "there twice"),
    ("regional_extra_services", [{"name": "kof-storage", "template": "a-1"}], "same Helm release"),
    ("regional_disabled_services", ["cert-manger"], "did you mean cert-manager?"),
    ("regional_disabled_services", ["kof-collectors"], "is none of the services (ingress-nginx, cert-manager, kof-sto"),
    ("regional_disabled_services", [1], "must be a string"),
    ("regional_disabled_services", {"cert-manager": True}, "must be a list"),
    ("regional_extra_services", ["a"], "item 1 is a string, but must be a map"),
    ("kof_version", 1.1, "arrived as the number 1.1"),
    ("kof_version", "0.2.0", "must be 0.1.1"),
    ("kof_namespace", "Kof", "lowercase"),
    ("kof_kcm_namespace", "a.b", "DNS label"),
    ("kof_fleet", "my fleet", "letters, digits"),
    ("kof_chart_repository", "https://k0rdent.github.io/kof", "oci://"),
    ("kof_chart_repository", "oci://user@ghcr.io/x", "without a user"),
    ("kof_chart_repository", "oci://ghcr.io/x/", "slash at its end"),
    ("kof_apply_timeout", 0, "from 1"),
    ("kof_wait_timeout", 0, "from 1"),
    ("kof_wait_timeout", "1h", "whole number"),
    ("kof_max_fail_percentage", 101, "from 0 to 100"),
    ("kof_max_delete", -1, "from 0 to 100000"),
    ("kof_force_conflicts", "hand", "did you mean hands?"),
    ("kof_chart_repository_username", "robot", "kof_chart_repository_password"),
]


def test_an_extra_service_is_disabled_where_it_is() -> None:
    extra = [{"name": "dex", "template": "dex-1"}]
    fault = fault_of(parse_regional, REGIONAL, regional_extra_services=extra, regional_disabled_services=["dex"])
    assert fault.example == "disable: true, there in regional_extra_services"


def test_where_the_release_is_not_known_an_address_that_none_takes_is_a_fault() -> None:
    def faulty(address: str) -> bool:
        _none, faults = parse_regional("eu1", {**REGIONAL, "kof_version": "9.9.9", "kof_chart_repository": address})
        return "kof_chart_repository" in {each.variable for each in faults}

    assert faulty("ftp://charts.example.com")
    assert not faulty("https://charts.example.com/kof")  # line 0.0 would take it


@pytest.mark.parametrize(
    "address", ["oci://robot:hush-hush@ghcr.io/x", "oci://ghcr.io/x?sig=hush-hush", "robot:hush-hush@ghcr.io/x"]
)
def test_a_login_in_an_address_is_not_quoted(address: str) -> None:
    fault = fault_of(parse_regional, REGIONAL, kof_chart_repository=address)
    assert "without a user" in fault.problem or "must start with oci://" in fault.problem
    assert "hush-hush" not in fault.problem


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    REGIONAL_FAULTS,
    ids=[f"{name}={value!r:.40}" for name, value, _why in REGIONAL_FAULTS],
)
def test_bad_input_of_a_regional(variable: str, value: Any, why: str) -> None:
    fault = fault_of(parse_regional, REGIONAL, **{variable: value})
    assert fault.variable == variable
    assert why in fault.problem


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("child_regional", None, "required, and set to nothing"),
        ("child_opencost", "perhaps", "true or false"),
        ("child_cluster_name", "x" * 60, "53"),
        ("child_service_values", {"kof-storage": {}}, "cert-manager, kof-operators, kof-collectors"),
        ("child_cluster_labels", {"k0rdent.mirantis.com/kof-storage-secrets": ""}, 'must be "true"'),
    ],
)
def test_bad_input_of_a_child(variable: str, value: Any, why: str) -> None:
    fault = fault_of(parse_child, CHILD, **{variable: value})
    assert fault.variable == variable
    assert why in fault.problem


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("mothership_storage_class", "a b", "lowercase"),
        ("mothership_promxy_image_tag", "a:b", "image tag"),
        ("mothership_retention", "1", "unit"),
        ("mothership_helm_timeout", 0, "from 1"),
        ("mothership_values", ["a"], "map"),
        ("mothership_values", {"grafana-operator": {"x" * 1200: 1}}, "characters"),
        ("dns_credentials_method", "iam", "must be"),
    ],
)
def test_bad_input_of_a_mothership(variable: str, value: Any, why: str) -> None:
    fault = fault_of(parse_mothership, MOTHERSHIP, **{variable: value})
    assert fault.variable == variable
    assert why in fault.problem


def test_a_host_whose_name_is_no_cluster_name() -> None:
    _none, faults = parse_regional("EU_1", REGIONAL)
    (fault,) = faults
    assert fault.variable == "regional_cluster_name"
    assert "the host's name 'EU_1'" in fault.problem
    assert regional("EU_1", regional_cluster_name="eu-1").cluster_name == "eu-1"


def test_all_faults_of_a_host_are_told_at_once_and_each_once() -> None:
    _none, faults = parse_regional("eu1", {"regional_domain": 5, "regional_retention": "x", "kof_version": True})
    assert sorted(fault.variable for fault in faults) == [
        "kof_version",
        "regional_admin_email",
        "regional_domain",
        "regional_retention",
    ]


def test_no_password_is_quoted_whatever_is_wrong() -> None:
    for value in (123456, {"geheim": 1}, True, ["geheim"]):
        _none, faults = parse_regional("eu1", {**REGIONAL, "kof_chart_repository_password": value})
        assert faults
        assert not any("123456" in str(fault) or "geheim" in str(fault) for fault in faults)


def test_our_labels_may_be_repeated() -> None:
    labels = {"k0rdent.mirantis.com/kof-storage-secrets": "true"}
    assert regional(regional_cluster_labels=labels).cluster_labels == labels


def test_without_the_dns_secret_its_label_is_anybodys() -> None:
    labels = {"k0rdent.mirantis.com/kof-aws-dns-secrets": "false"}
    assert regional(regional_external_dns="node", regional_cluster_labels=labels)


def test_values_of_an_extra_service() -> None:
    found = regional(
        regional_extra_services=[{"name": "velero", "template": "velero-8-1-0", "values": {"a": 1}}],
        regional_service_values={"velero": {"b": 2}},
    )
    assert found.service_values == {"velero": {"b": 2}}


def test_a_fleet_in_order() -> None:
    assert fleet_faults(None, [regional(), regional("us1", regional_domain="us1.example.com")], [child()]) == []


def test_names_and_domains_are_unique() -> None:
    faults = fleet_faults(
        None,
        [regional(), regional("eu2", regional_cluster_name="eu1")],
        [child("x", child_cluster_name="eu1"), child("y"), child("z", child_cluster_name="y")],
    )
    assert [(fault.host, fault.variable) for fault in faults] == [
        ("eu2", "regional_cluster_name"),
        ("x", "child_cluster_name"),
        ("z", "child_cluster_name"),
        ("eu2", "regional_domain"),
    ]
    assert "also that of eu1" in faults[0].problem


def test_clusters_of_other_namespaces_have_names_of_their_own() -> None:
    assert fleet_faults(None, [], [child("a"), child("b", child_cluster_name="a", kof_kcm_namespace="other")]) == []


def test_a_childs_regional_exists_here_or_there() -> None:
    children = [child("a"), child("b", child_regional="aws-eu-wst-1"), child("c", child_regional="us9")]
    regionals = [regional(), regional("aws-eu-west-1", regional_domain="eu2.example.com")]
    assert fleet_faults(None, regionals, children) == []  # what is on the management cluster isn't known
    (fault,) = fleet_faults(None, regionals, children, live_regionals=["us9"])
    assert (fault.host, fault.variable) == ("b", "child_regional")
    assert "did you mean aws-eu-west-1?" in fault.problem


def test_a_child_must_know_its_regionals_password() -> None:
    faults = fleet_faults(None, [regional(regional_vmuser_secret="other")], [child()])
    assert [(fault.host, fault.variable) for fault in faults] == [("eu1-a", "child_vmuser_secret")]


def test_promxys_configuration_must_fit_into_a_secret() -> None:
    regionals = [
        dataclasses.replace(regional(), host=f"r{index}", cluster_name=f"r{index}", domain=f"r{index}.example.com")
        for index in range(2500)
    ]
    (fault,) = fleet_faults(None, regionals, [])
    assert "1048576" in fault.problem


def test_a_large_fleet_is_parsed_in_a_moment() -> None:
    started = time.process_time()
    regionals = [regional(f"r{index}", regional_domain=f"r{index}.example.com") for index in range(100)]
    children = [child(f"c{index}", child_regional=f"r{index % 100}") for index in range(1000)]
    assert fleet_faults(None, regionals, children) == []
    assert time.process_time() - started < 5  # 0.1 s on an idle machine


ZONES = {"dns_credentials_method": "iam_user", "dns_credentials_hosted_zones": ["Z0123456789ABCDEFGHIJ"]}
KEY = {"dns_credentials_access_key_id": "AKIA", "dns_credentials_secret_access_key": "hush"}
ARN = "arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/ABC"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"dns_credentials_method": "none", "dns_credentials_hosted_zones": ["nonsense"]},
        ZONES,
        {**ZONES, "dns_credentials_hosted_zones": ["/hostedzone/Z1", "arn:aws-cn:route53:::hostedzone/Z2"]},
        {"dns_credentials_method": "node_role", "dns_credentials_all_zones": True},
        {**ZONES, "dns_credentials_aws_access_key": "AKIA", "dns_credentials_aws_secret_key": "hush"},
        {**ZONES, "dns_credentials_aws_profile": "admin", "dns_credentials_path": "/kof/"},
        {**ZONES, "dns_credentials_method": "irsa", "dns_credentials_oidc_provider_arns": [ARN]},
        {"dns_credentials_method": "existing", **KEY},
        {"dns_credentials_method": "existing", "dns_credentials_file": "~/aws", "dns_credentials_access_key_id": ""},
    ],
)
def test_right_dns_credentials(variables: dict[str, Any]) -> None:
    assert parse_dns_credentials("m", variables)[1] == []
    assert parse_mothership("m", {**MOTHERSHIP, **variables})[1] == []


@pytest.mark.parametrize(
    ("variables", "name", "why"),
    [
        ({**ZONES, "dns_credentials_hosted_zones": ["example.com"]}, "hosted_zones", "neither the id nor the ARN"),
        ({**ZONES, "dns_credentials_hosted_zones": []}, "hosted_zones", "is empty"),
        ({**ZONES, "dns_credentials_all_zones": True}, "hosted_zones", "beside dns_credentials_all_zones"),
        (
            {**ZONES, "dns_credentials_aws_access_key": "AKIA"},
            "aws_access_key",
            "without dns_credentials_aws_secret_key",
        ),
        (
            {**ZONES, "dns_credentials_aws_secret_key": "hush"},
            "aws_secret_key",
            "without dns_credentials_aws_access_key",
        ),
        (
            {
                **ZONES,
                "dns_credentials_aws_access_key": "AKIA",
                "dns_credentials_aws_secret_key": "hush",
                "dns_credentials_aws_profile": "a",
            },
            "aws_profile",
            "beside",
        ),
        ({**ZONES, "dns_credentials_path": "kof"}, "path", "slash"),
        ({**ZONES, "dns_credentials_user_name": "a b"}, "user_name", "no name for AWS"),
        ({**ZONES, "dns_credentials_role_name": "a" * 65}, "role_name", "at most 64"),
        ({**ZONES, "dns_credentials_method": "irsa"}, "oidc_provider_arns", "is empty"),
        (
            {**ZONES, "dns_credentials_method": "irsa", "dns_credentials_oidc_provider_arns": ["oidc.example.net"]},
            "oidc_provider_arns",
            "no ARN",
        ),
        ({"dns_credentials_method": "existing"}, "method", "existing takes"),
        ({"dns_credentials_method": "existing", **KEY, "dns_credentials_file": "f"}, "method", "existing takes"),
        (
            {"dns_credentials_method": "existing", "dns_credentials_access_key_id": "A"},
            "method",
            "existing takes either",
        ),
        ({**ZONES, "dns_credentials_aws_secret_key": 83}, "aws_secret_key", "arrived as a number"),
    ],
)
def test_what_the_layer_would_refuse_is_refused_with_the_other_variables(
    variables: dict[str, Any], name: str, why: str
) -> None:
    _none, faults = parse_mothership("m", {**MOTHERSHIP, **variables})
    assert [fault.variable for fault in faults] == [f"dns_credentials_{name}"]
    assert why in faults[0].problem
    assert "hush" not in str(faults)


def test_what_no_secret_or_object_can_hold_is_refused() -> None:
    incompressible = base64.b64encode(random.Random(1).randbytes(1_100_000)).decode()
    for text, fits in ((incompressible, False), ("x" * 3_000_000, True)):
        _none, faults = parse_mothership(
            "m", {**MOTHERSHIP, "mothership_values": {"grafana-operator": {"dashboard": text}}}
        )
        assert [fault.variable for fault in faults] == ([] if fits else ["mothership_values"])
        assert fits or "as Helm keeps it" in faults[0].problem
    _none, faults = parse_regional(
        "r", {**REGIONAL, "regional_service_values": {"kof-storage": {"defaultRules": "x" * 1_600_000}}}
    )
    assert [fault.variable for fault in faults] == ["regional_service_values"]
    assert "the whole ClusterDeployment has 1,572,864" in faults[0].problem


@pytest.mark.parametrize(("parse", "role"), PARSERS)
@pytest.mark.parametrize("secret", ["/CANARY" * 20, "canary-" * 8 + "-canary", "canary." * 40])
def test_a_long_secret_in_any_wrong_variable_is_told_so_that_it_is_found(parse: Any, role: str, secret: str) -> None:
    """What a vault held is hidden where text leaves, which has to know the piece that is left of it."""
    told = []
    for shape in (secret, [secret], {secret: secret}, [{"name": secret, "template": secret, secret: 1}]):
        for name in load_spec(role):
            method = {"dns_credentials_method": "irsa"} if role == "dns_credentials" else {}
            told += [str(fault) for fault in parse("eu1", {**method, name: shape})[1]]
    hide = Hider([secret], anywhere=8)
    assert any("canary" in each.lower() for each in told)
    assert not [each for each in told if "canary" in hide(each).lower()]


# -- what a line can't have


MIRRORED = {**MOTHERSHIP, "kof_chart_repository": "oci://registry.example.com/kof"}


def told(parse: Any, base: dict[str, Any], line: Release, **variables: Any) -> list[str]:
    return [f"{fault.variable}: {fault.problem}" for fault in parse("eu1", {**base, **variables}, line)[1]]


@pytest.mark.parametrize(
    ("line", "parse", "base", "variables", "why"),
    [
        (KOF_0_0, parse_regional, REGIONAL, {"regional_retention": "30d"}, "at kof 0.0.x: its charts have it written"),
        (KOF_0_0, parse_mothership, MIRRORED, {"mothership_retention": "30d"}, "at kof 0.0.x"),
        *(
            (KOF_0_0, parse_mothership, MIRRORED, {"mothership_values": values}, f"{path} can't be said at kof 0.0.x")
            for path, values in (
                (
                    "victoriametrics.vmcluster.retentionPeriod",
                    {"victoriametrics": {"vmcluster": {"retentionPeriod": "1"}}},
                ),
                (
                    "victoriametrics.vmcluster.vmstorage",
                    {"victoriametrics": {"vmcluster": {"vmstorage": {"storage": {"size": "1Gi"}}}}},
                ),
                ("grafana.version", {"grafana": {"version": ""}}),
                ("sveltos", {"sveltos": {"serviceMonitors": False}}),
            )
        ),
        (
            KOF_0_0,
            parse_regional,
            REGIONAL,
            {"regional_service_values": {"kof-storage": {"victoriametrics": {"vmcluster": {"vmselect": {}}}}}},
            "kof-storage.victoriametrics.vmcluster.vmselect can't be said at kof 0.0.x",
        ),
        (
            KOF_0_0,
            parse_child,
            CHILD,
            {"child_service_values": {"kof-collectors": {"kof": {"instrumentation": {"resources": {}}}}}},
            "instrumentation.resources can't be said",
        ),
        (
            KOF_1_10,
            parse_regional,
            REGIONAL,
            {"regional_disabled_services": ["kof-storage"]},
            "1.10.0: its services",
        ),
        (KOF_1_10, parse_child, CHILD, {"child_disabled_services": ["kof-collectors"]}, "at kof 1.10.0: its services"),
        (
            KOF_1_10,
            parse_child,
            CHILD,
            {"child_service_templates": {"kof-collectors": "a"}},
            "1.10.0: its charts",
        ),
        (KOF_1_10, parse_child, CHILD, {"child_vmuser_secret": "mine"}, "a user of its own"),
        (KOF_1_10, parse_mothership, MOTHERSHIP, {"mothership_promxy_image_tag": "v1"}, "at kof 1.10.0"),
        (
            KOF_1_10,
            parse_regional,
            REGIONAL,
            {"regional_service_values": {"cert-manager": {"cert-manager": {"a": 1}}}},
            "'cert-manager' is none of the services (kof-storage, ",
        ),
    ],
)
def test_what_a_line_can_not_have_is_refused_by_its_own_data(
    line: Release, parse: Any, base: dict[str, Any], variables: dict[str, Any], why: str
) -> None:
    problems = told(parse, base, line, **variables)
    assert problems, "nothing is told"
    assert problems[0].startswith(f"{next(iter(variables))}: ")
    assert why in problems[0]
    assert told(parse, base, line) == []
    assert told(parse, base, RELEASES["0.1.1"], **variables) == []


@pytest.mark.parametrize("line", [KOF_0_0, RELEASES["0.1.1"], KOF_1_10], ids=lambda line: line.version)
def test_a_line_takes_what_it_has_and_no_longer_names_than_all_it_makes_of_them_bear(line: Release) -> None:
    values = {"regional_service_values": {"kof-storage": {"defaultRules": {"a": 1}}}, "regional_storage_class": "gp3"}
    assert told(parse_regional, REGIONAL, line, **values) == []
    # gateway-<name> of 1.10 would have 63 with 55, and Helm's release names end before.
    assert told(parse_regional, REGIONAL, line, regional_cluster_name="a" * 53) == []
    assert "at most 53" in told(parse_regional, REGIONAL, line, regional_cluster_name="a" * 54)[0]


def test_clusters_of_which_a_line_would_make_one_user_are_told() -> None:
    clusters: list[Any] = [child(name) for name in ("child-120", "child-121", "child-201")]
    clusters += [regional(name) for name in ("region-020", "region-101")]
    found = shared_users(clusters, KOF_1_10)
    assert [(fault.host, fault.variable) for fault in found] == [
        ("child-201", "child_cluster_name"),
        ("region-101", "regional_cluster_name"),
    ]
    assert "'child-201' would share its user with child-120: kof 1.10.0" in found[0].problem
    assert shared_users(clusters, RELEASES["0.1.1"]) == []
