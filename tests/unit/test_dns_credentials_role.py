"""roles/dns_credentials: its look makes a plan that is empty exactly where nothing is to do, and holds no secret.

The variables are read as the action external_dns_access_info reads them, with looks as it takes them; the role's own
variables are templated with its plan.
"""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.plan import (
    NotForUs,
    first_region,
    names,
    refuse_strangers,
    to_make,
    wanted,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import trust_size
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import with_defaults
from ansible_collections.k0rdent.kof.plugins.plugin_utils import dns_credentials

ROLE = pathlib.Path(__file__).parents[2] / "roles" / "dns_credentials"
FLEET = {"kof_fleet": "prod", "dns_credentials_hosted_zones": ["Z2", "/hostedzone/Z1"]}
NAME = "kof-external-dns-prod"
POLICY_ARN = f"arn:aws:iam::123456789012:policy/{NAME}"
TAGS = {"k0rdent.kof/fleet": "prod", "k0rdent.kof/managed-by": "k0rdent.kof"}
#: Written anew, not taken from the role: the records of the two zones, and finding zones.
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Records",
            "Effect": "Allow",
            "Action": [
                "route53:ChangeResourceRecordSets",
                "route53:ListResourceRecordSets",
                "route53:ListTagsForResource",
                "route53:ListTagsForResources",
            ],
            "Resource": ["arn:aws:route53:::hostedzone/Z1", "arn:aws:route53:::hostedzone/Z2"],
        },
        {
            "Sid": "FindZones",
            "Effect": "Allow",
            "Action": ["route53:ListHostedZones", "route53:ListHostedZonesByName"],
            "Resource": ["*"],
        },
    ],
}
LOOK = {
    "changed": False,
    "failed": False,
    "caller": {"account": "123456789012", "arn": "arn:aws:iam::123456789012:user/admin"},
    "policy": {"arn": POLICY_ARN, "document": DOCUMENT, "version_ids": ["v3"], "tags": TAGS},
    "user": {
        "name": NAME,
        "path": "/",
        "permissions_boundary": "",
        "attached_policies": ["arn:aws:iam::aws:policy/Other", POLICY_ARN],
        "tags": {**TAGS, "k0rdent.kof/management-cluster": "uid", "owner": "somebody"},
    },
    "access_key": {"id": "AKIAIOSFODNN7EXAMPLE", "outstanding": [], "warnings": []},
}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [trusted(each) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


def read(**variables: Any) -> tuple[dict[str, Any], list[Any]]:
    """The role's options as its look reads them, and what is wrong."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    known = {"inventory_hostname": "mothership", "dns_credentials_method": "iam_user", **FLEET, **variables}
    task_vars = {**trusted(defaults), **known}
    action: Any = SimpleNamespace(_templar=Templar(DataLoader(), variables=task_vars))
    return dns_credentials.of_task(action, task_vars)


def options(**variables: Any) -> dict[str, Any]:
    values, faults = read(**variables)
    assert not faults
    return dns_credentials.public(values)


def plan(look: dict[str, Any], **variables: Any) -> list[str]:
    role = options(**variables)
    return to_make(role, wanted(role, look["caller"]), look)


def login(plan: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """What the modules of AWS are given."""
    role = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    templar = Templar(DataLoader(), variables={**trusted(role), **variables, "__dns_credentials_look": {"plan": plan}})
    return templar.template(trust_as_template("{{ __dns_credentials_aws }}"))


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    look = copy.deepcopy(LOOK)
    change(look)
    return look


def test_nothing_is_to_do_where_all_is_there() -> None:
    assert plan(LOOK) == []


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (lambda look: look.update(policy=None), "policy"),
        (lambda look: look.update(user=None), "user"),
        (lambda look: look["policy"].update(document={**DOCUMENT, "Statement": DOCUMENT["Statement"][:1]}), "policy"),
        (lambda look: look["policy"]["document"]["Statement"][0]["Resource"].append("*"), "policy"),
        (lambda look: look["policy"]["version_ids"].append("v2"), "policy"),
        (lambda look: look["policy"].update(arn=POLICY_ARN.replace("policy/", "policy/elsewhere/")), "policy"),
        (lambda look: look["policy"]["tags"].pop("k0rdent.kof/managed-by"), "policy"),
        (lambda look: look["policy"]["tags"].update({"k0rdent.kof/fleet": "another"}), "policy"),
        (lambda look: look["user"].update(path="/moved/"), "user"),
        (lambda look: look["user"]["attached_policies"].remove(POLICY_ARN), "user"),
        (lambda look: look["user"]["tags"].pop("k0rdent.kof/managed-by"), "user"),
        (
            lambda look: look["access_key"]["outstanding"].append("Secret kof/external-dns-aws-credentials updated"),
            "access_key",
        ),
        (lambda look: look["access_key"]["warnings"].append("another key was used"), "access_key"),
    ],
)
def test_whatever_differs_is_made_and_nothing_else(change: Callable[[dict[str, Any]], Any], made: str) -> None:
    assert plan(changed(change)) == [made]


@pytest.mark.parametrize(
    "variables",
    [
        {"dns_credentials_hosted_zones": ["Z1"]},
        {"dns_credentials_hosted_zones": [], "dns_credentials_all_zones": True},
        {"dns_credentials_tags": {"team": "platform"}},
        {"dns_credentials_path": "/kof/"},
        {"dns_credentials_policy_name": "another"},
        {"dns_credentials_permissions_boundary": "arn:aws:iam::123456789012:policy/boundary"},
        {"kof_fleet": "another"},
    ],
    ids=json.dumps,
)
def test_whatever_is_wanted_anew_is_made(variables: dict[str, Any]) -> None:
    assert plan(LOOK, **variables)


def test_a_zone_of_another_partition_ends_it() -> None:
    zones = ["arn:aws-cn:route53:::hostedzone/Z1", "arn:aws:route53:::hostedzone/Z2", "Z3"]
    with pytest.raises(NotForUs, match=r"hosted_zones: arn:aws-cn:\S+/Z1 isn't in partition aws, .*user/admin"):
        plan(LOOK, dns_credentials_hosted_zones=zones)


@pytest.mark.parametrize("kind", ["user", "policy", "role"])
@pytest.mark.parametrize("tags", [{}, {"k0rdent.kof/fleet": "another"}], ids=["no tag", "another's"])
def test_what_somebody_else_made_ends_it(kind: str, tags: dict[str, str]) -> None:
    there = {"name": NAME, "arn": POLICY_ARN}
    all_of_it = wanted(options(), LOOK["caller"])
    refuse_strangers(all_of_it, {**dict.fromkeys(("user", "policy", "role")), kind: {**there, "tags": TAGS}})
    with pytest.raises(NotForUs, match=f"The IAM {kind} {NAME} exists .* aws iam tag-{kind} --{kind}-") as caught:
        refuse_strangers(all_of_it, {kind: {**there, "tags": tags}})
    named = POLICY_ARN if kind == "policy" else NAME
    assert f"{named} --tags Key=k0rdent.kof/fleet,Value=prod" in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "made"),
    [
        ({"dns_credentials_method": "node_role"}, ["policy", "role", "instance_profile"]),
        (
            {"dns_credentials_method": "node_role", "dns_credentials_existing_node_roles": ["nodes"]},
            ["inline_policy"],
        ),
        (
            {
                "dns_credentials_method": "irsa",
                "dns_credentials_existing_node_roles": ["nodes"],
                "dns_credentials_oidc_provider_arns": ["arn:aws:iam::123456789012:oidc-provider/o.example.net/id"],
            },
            ["policy", "role"],
        ),
    ],
    ids=["node_role", "existing roles", "irsa"],
)
def test_roles_are_always_compared_by_their_module(variables: dict[str, Any], made: list[str]) -> None:
    assert plan({**LOOK, "policy": None}, **variables) == made
    assert plan(LOOK, **variables) == [each for each in made if each != "policy"]


def test_the_account_is_the_one_that_was_looked_at() -> None:
    assert plan(changed(lambda look: look["caller"].update(account="210987654321"))) == ["policy", "user"]


@pytest.mark.parametrize(
    "nothing", [None, "", trust_as_template("{{ nowhere | default(omit) }}")], ids=["null", "empty", "omit"]
)
def test_whatever_is_set_to_nothing_is_unset(nothing: Any) -> None:
    texts = (
        "user_name",
        "permissions_boundary",
        "endpoint_url",
        "aws_access_key",
        "aws_secret_key",
        "aws_session_token",
        "aws_profile",
        "access_key_id",
        "file",
    )
    unset = {f"dns_credentials_{name}": nothing for name in texts}
    found = options(**unset)
    assert not [name for name in texts if name in found]
    assert names(found)["user"] == NAME
    if nothing != "":  # an empty text is no number, no list and no path
        more = dict.fromkeys(("dns_credentials_tags", "dns_credentials_path", "kof_namespace", "kof_adopt"), nothing)
        found = options(**unset, **more)
        assert (found["tags"], found["path"], found["kof_namespace"], found["kof_adopt"]) == ({}, "/", "kof", True)
    given = {"region": nothing if isinstance(nothing, str) and not nothing else None, "validate_certs": False}
    assert login(given, **unset) == {"validate_certs": False}


def test_a_login_goes_without_the_line_break_that_it_ends_in() -> None:
    """`|` of YAML leaves one; the modules would send it and AWS refuse it."""
    halves = {"aws_access_key": "access_key", "aws_secret_key": "secret_key", "aws_session_token": "session_token"}
    given = {f"dns_credentials_{name}": f"{name}\n" for name in halves}
    found = login({"region": None, "validate_certs": True}, **given)
    assert {name: found[option] for name, option in halves.items()} == {name: name for name in halves}


def test_text_of_a_survey_is_what_the_options_are() -> None:
    survey = {"dns_credentials_hosted_zones": "Z1, Z2", "dns_credentials_all_zones": "false", "kof_adopt": "no"}
    found = options(**survey)
    assert (found["hosted_zones"], found["all_zones"], found["kof_adopt"]) == (["Z1", "Z2"], False, False)
    assert wanted(found, LOOK["caller"])["document"] == DOCUMENT


def test_all_that_is_wrong_is_told_at_once_and_no_secret() -> None:
    wrong = {
        "dns_credentials_hosted_zones": ["zone"],
        "dns_credentials_aws_secret_key": 8377,
        "kof_fleet": 1.1,
        "dns_credentials_path": trust_as_template("{{ nowhere }}"),
    }
    _values, faults = read(**wrong)
    told = "\n".join(map(str, faults))
    assert all(f"mothership: {name}: " in told for name in wrong)
    assert "8377" not in told


@pytest.mark.parametrize("number", [1, 2, 7])
def test_the_trust_policy_is_as_long_as_the_check_before_it_counts(number: int) -> None:
    arns = [f"arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/{n}" for n in range(number)]
    irsa = {"dns_credentials_method": "irsa", "dns_credentials_oidc_provider_arns": arns}
    size = trust_size(arns, with_defaults("dns_credentials", {}))
    if size > 2048:
        assert "AWS takes 2048" in str(read(**irsa)[1])
    else:
        trust = wanted(options(**irsa), LOOK["caller"])["trust"]
        assert size == len(json.dumps(trust, separators=(",", ":")))
        assert [each["Condition"]["StringEquals"] for each in trust["Statement"]] == [
            {
                f"oidc.example.net/id/{n}:aud": "sts.amazonaws.com",
                f"oidc.example.net/id/{n}:sub": "system:serviceaccount:kof:kof-storage-external-dns",
            }
            for n in range(number)
        ]
    assert (size > 2048) == (number == 7)


@pytest.mark.parametrize(
    ("partition", "region", "service"),
    [
        ("aws", "us-east-1", "ec2.amazonaws.com"),
        ("aws-cn", "cn-north-1", "ec2.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "ec2.amazonaws.com"),
    ],
)
def test_each_partition_has_its_names(partition: str, region: str, service: str) -> None:
    zone = f"arn:{partition}:route53:::hostedzone/Z1"
    role = options(dns_credentials_method="node_role", dns_credentials_hosted_zones=["Z2", zone])
    assert first_region(role) == region
    made = wanted(role, {"account": "123456789012", "arn": f"arn:{partition}:sts::123456789012:assumed-role/admin/me"})
    assert made["policy_arn"] == f"arn:{partition}:iam::123456789012:policy/{NAME}"
    assert made["document"]["Statement"][0]["Resource"] == [zone, zone.replace("Z1", "Z2")]
    assert made["trust"]["Statement"][0]["Principal"] == {"Service": service}


@pytest.mark.parametrize(
    ("said", "region"),
    [
        ({}, "cn-north-1"),
        ({"dns_credentials_aws_region": "eu-west-1"}, "eu-west-1"),
        ({"dns_credentials_aws_profile": "production"}, None),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, None),
        ({"AWS_PROFILE": "production"}, None),
        ({"AWS_CONFIG_FILE": __file__}, None),
    ],
    ids=str,
)
def test_a_region_is_made_up_only_where_nobody_has_said_one(
    said: dict[str, str], region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    for name in [name for name in said if name.isupper()]:
        monkeypatch.setenv(name, said[name])
    variables = {name: value for name, value in said.items() if not name.isupper()}
    zones = ["arn:aws-cn:route53:::hostedzone/Z1"]
    values, faults = read(dns_credentials_hosted_zones=zones, **variables)
    assert not faults
    assert dns_credentials.for_look(values).get("region") == region


def test_a_given_key_is_named_and_not_shown() -> None:
    given = {"dns_credentials_access_key_id": "AKIA", "dns_credentials_secret_access_key": "hush-hush"}
    of_variables = dns_credentials.without_aws(options(dns_credentials_method="existing", **given))
    assert of_variables["make"] == ["secret"]
    assert "hush-hush" not in json.dumps(of_variables)
    assert of_variables["options"] == {
        "access_key_id_variable": "dns_credentials_access_key_id",
        "secret_access_key_variable": "dns_credentials_secret_access_key",
        "fleet": "prod",
        "namespace": "kof",
        "force_conflicts": "hands",
        "drift_managers": with_defaults("dns_credentials", {})["kof_drift_managers"],
        "adopt": True,
    }
    file = options(dns_credentials_method="existing", dns_credentials_file="key", kof_namespace="mine")
    of_file = dns_credentials.without_aws(file)["options"]
    assert (of_file["file"], of_file["file_profile"], of_file["namespace"]) == ("key", "default", "mine")
    assert not [name for name in of_file if name.endswith("_variable")]
    assert dns_credentials.without_aws(options(dns_credentials_method="none")) == {"make": []}


def test_no_secret_is_in_the_plan() -> None:
    secrets = {
        f"dns_credentials_{name}": f" hush-hush-{name} "
        for name in ("secret_access_key", "aws_secret_key", "aws_session_token")
    }
    given = {"dns_credentials_aws_access_key": "AKIA", "dns_credentials_path": "/kof/", **secrets}
    role = options(**given)
    assert role["path"] == "/kof/"
    assert "hush-hush" not in json.dumps([role, wanted(role, LOOK["caller"])])
    to_aws = login({"region": "eu-west-1", "validate_certs": True}, **given)
    assert to_aws == {
        "access_key": "AKIA",
        "secret_key": "hush-hush-aws_secret_key",
        "session_token": "hush-hush-aws_session_token",
        "region": "eu-west-1",
        "validate_certs": True,
    }
