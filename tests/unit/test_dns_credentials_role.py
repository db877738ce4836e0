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
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.k0rdent.kof.plugins.module_utils.model import trust_size
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import with_defaults

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


def templated(expression: str, **variables: Any) -> Any:
    texts = [(ROLE / folder / "main.yml").read_text(encoding="utf-8") for folder in ("defaults", "vars")]
    role = {name: value for text in texts for name, value in yaml.safe_load(text).items()}
    known = {"inventory_hostname": "mothership", "dns_credentials_method": "iam_user", **FLEET, **variables}
    templar = Templar(DataLoader(), variables={**trusted(role), **known})
    (validate,) = yaml.safe_load((ROLE / "tasks" / "validate.yml").read_text(encoding="utf-8"))
    settings = templar.template(trusted(validate["ansible.builtin.set_fact"]))
    templar.available_variables = {**templar.available_variables, **settings}
    return templar.template(trust_as_template(expression))


def as_wanted(look: dict[str, Any], **variables: Any) -> bool:
    answer = templated("{{ __dns_credentials_as_wanted }}", **variables, __dns_credentials_look=look)
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


@pytest.mark.parametrize(
    "nothing", [None, "", trust_as_template("{{ nowhere | default(omit) }}")], ids=["null", "empty", "omit"]
)
def test_whatever_is_set_to_nothing_is_unset(nothing: Any) -> None:
    options = (
        "user_name",
        "permissions_boundary",
        "endpoint_url",
        "aws_access_key",
        "aws_profile",
        "access_key_id",
        "file",
    )
    unset = {f"dns_credentials_{name}": nothing for name in options}
    found = templated("{{ __dns_credentials_set }}", **unset)
    assert not [name for name in options if name in found]
    assert templated("{{ __dns_credentials_user }}", **unset) == NAME
    if nothing != "":  # an empty text is no number, no list and no path
        more = dict.fromkeys(("dns_credentials_tags", "dns_credentials_path", "kof_namespace", "kof_adopt"), nothing)
        found = templated("{{ __dns_credentials_set }}", **unset, **more)
        assert (found["tags"], found["path"], found["kof_namespace"], found["kof_adopt"]) == ({}, "/", "kof", True)


def test_text_of_a_survey_is_what_the_options_are() -> None:
    survey = {"dns_credentials_hosted_zones": "Z1, Z2", "dns_credentials_all_zones": "false", "kof_adopt": "no"}
    found = templated("{{ __dns_credentials_set }}", **survey)
    assert (found["hosted_zones"], found["all_zones"], found["kof_adopt"]) == (["Z1", "Z2"], False, False)
    assert (
        templated("{{ __dns_credentials_zone_arns }}", **survey, __dns_credentials_caller=LOOK["caller"])
        == (DOCUMENT["Statement"][0]["Resource"])
    )


def test_all_that_is_wrong_is_told_at_once_and_no_secret() -> None:
    wrong = {"dns_credentials_hosted_zones": ["zone"], "dns_credentials_aws_secret_key": 8377, "kof_fleet": 1.1}
    with pytest.raises(AnsibleError) as caught:
        templated("{{ __dns_credentials_set }}", **wrong)
    told = str(caught.value)
    assert all(f"mothership: {name}: " in told for name in wrong)
    assert "8377" not in told


@pytest.mark.parametrize("number", [1, 2, 7])
def test_the_trust_policy_is_as_long_as_the_check_before_it_counts(number: int) -> None:
    arns = [f"arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/{n}" for n in range(number)]
    wanted = {"dns_credentials_method": "irsa", "dns_credentials_oidc_provider_arns": arns}
    size = trust_size(arns, with_defaults("dns_credentials", {}))
    if size > 2048:
        with pytest.raises(AnsibleError, match="AWS takes 2048"):
            templated("{{ 1 }}", **wanted)
    else:
        assert size == len("".join(templated("{{ __dns_credentials_irsa_trust | string }}", **wanted).split()))
    assert (size > 2048) == (number == 7)


def test_no_secret_is_among_the_settings_which_are_a_fact_of_the_play() -> None:
    names = ("secret_access_key", "aws_secret_key", "aws_session_token")
    secrets = {f"dns_credentials_{name}": "hush-hush" for name in names}
    found = templated(
        "{{ __dns_credentials_set }}", **secrets, dns_credentials_aws_access_key="AKIA", dns_credentials_path="/kof/"
    )
    assert found["path"] == "/kof/"
    assert "hush-hush" not in json.dumps(found)
    hidden = templated("{{ __dns_credentials_aws.secret_key }}", **secrets, dns_credentials_aws_access_key="AKIA")
    assert hidden == "hush-hush"
