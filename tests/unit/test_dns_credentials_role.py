"""roles/dns_credentials: the look of tasks/iam_user.yml saves the steps exactly where nothing is to do.

The role's own variables are templated with looks as the action external_dns_access_info returns them.
"""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

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


def as_wanted(look: dict[str, Any], **variables: Any) -> bool:
    texts = [(ROLE / folder / "main.yml").read_text(encoding="utf-8") for folder in ("defaults", "vars")]
    role = {name: value for text in texts for name, value in yaml.safe_load(text).items()}
    templar = Templar(DataLoader(), variables={**trusted(role), **FLEET, **variables, "__dns_credentials_look": look})
    answer = templar.template(trust_as_template("{{ __dns_credentials_as_wanted }}"))
    assert isinstance(answer, bool)
    return answer


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    look = copy.deepcopy(LOOK)
    change(look)
    return look


def test_nothing_is_to_do_where_all_is_there() -> None:
    assert as_wanted(LOOK)


@pytest.mark.parametrize(
    "change",
    [
        lambda look: look.update(policy=None),
        lambda look: look.update(user=None),
        lambda look: look["policy"].update(document={**DOCUMENT, "Statement": DOCUMENT["Statement"][:1]}),
        lambda look: look["policy"]["document"]["Statement"][0]["Resource"].append("*"),
        lambda look: look["policy"]["version_ids"].append("v2"),
        lambda look: look["policy"]["tags"].pop("k0rdent.kof/managed-by"),
        lambda look: look["policy"]["tags"].update({"k0rdent.kof/fleet": "another"}),
        lambda look: look["user"].update(path="/moved/"),
        lambda look: look["user"]["attached_policies"].remove(POLICY_ARN),
        lambda look: look["user"]["tags"].pop("k0rdent.kof/managed-by"),
        lambda look: look["access_key"]["outstanding"].append("Secret kof/external-dns-aws-credentials updated"),
        lambda look: look["access_key"]["warnings"].append("another key was used"),
    ],
)
def test_whatever_differs_is_left_to_the_steps(change: Callable[[dict[str, Any]], Any]) -> None:
    assert not as_wanted(changed(change))


@pytest.mark.parametrize(
    "variables",
    [
        {"dns_credentials_hosted_zones": ["Z1"]},
        {"dns_credentials_hosted_zones": [], "dns_credentials_all_zones": True},
        {"dns_credentials_hosted_zones": ["arn:aws-cn:route53:::hostedzone/Z1", "Z2"]},
        {"dns_credentials_tags": {"team": "platform"}},
        {"dns_credentials_path": "/kof/"},
        {"dns_credentials_policy_name": "another"},
        {"dns_credentials_permissions_boundary": "arn:aws:iam::123456789012:policy/boundary"},
        {"kof_fleet": "another"},
    ],
    ids=json.dumps,
)
def test_whatever_is_wanted_anew_is_left_to_the_steps(variables: dict[str, Any]) -> None:
    assert not as_wanted(LOOK, **variables)


def test_the_boundary_that_is_wanted_and_there_is_no_difference() -> None:
    arn = "arn:aws:iam::123456789012:policy/boundary"
    bound = changed(lambda look: look["user"].update(permissions_boundary=arn))
    assert as_wanted(bound, dns_credentials_permissions_boundary=arn)


def test_a_look_that_failed_is_left_to_the_steps() -> None:
    assert not as_wanted({"changed": False, "failed": False, "msg": "no credentials", "failed_when_result": False})


def test_the_account_is_the_one_that_was_looked_at() -> None:
    assert not as_wanted(changed(lambda look: look["caller"].update(account="210987654321")))
