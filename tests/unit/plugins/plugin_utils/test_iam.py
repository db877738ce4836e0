"""plugin_utils/iam.py against moto: what is there comes back as plain data, what isn't as None, trouble as an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleError
from botocore.exceptions import ClientError
from moto import mock_aws

from ansible_collections.k0rdent.kof.plugins.plugin_utils import iam

DOCUMENT: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["route53:List*"], "Resource": ["*"]}],
}
OPTIONS = {
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "a-secret-half",
    "region": "us-east-1",
    "aws_validate_certs": True,
}
TAGS = [{"Key": "k0rdent.kof/fleet", "Value": "prod"}]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[iam.Aws]:
    for name in ("AWS_PROFILE", "AWS_URL", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield iam.Aws(OPTIONS)


@pytest.fixture
def client(aws: iam.Aws) -> Any:
    return aws.retrying("iam")


def made_policy(client: Any) -> str:
    made = client.create_policy(PolicyName="dns", Path="/kof/", PolicyDocument=json.dumps(DOCUMENT), Tags=TAGS)
    return made["Policy"]["Arn"]


def test_caller_says_account_and_arn(aws: iam.Aws) -> None:
    found = iam.caller(aws.retrying("sts"))
    assert found["account"] == "123456789012"
    assert found["arn"].startswith("arn:aws:sts::123456789012:")


def test_policy_has_the_document_of_its_default_version(client: Any) -> None:
    arn = made_policy(client)
    other = {**DOCUMENT, "Statement": [{**DOCUMENT["Statement"][0], "Resource": ["arn:aws:route53:::hostedzone/Z1"]}]}
    client.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(other), SetAsDefault=False)
    tags = {"k0rdent.kof/fleet": "prod"}
    expected = {"arn": arn, "document": DOCUMENT, "version_ids": ["v1", "v2"], "tags": tags}
    assert iam.policy(client, arn) == expected
    client.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert iam.policy(client, arn) == {**expected, "document": other}


def test_user_has_what_is_attached_and_its_tags(client: Any) -> None:
    arn = made_policy(client)
    client.create_user(UserName="dns", Path="/kof/")
    bare = {"name": "dns", "path": "/kof/", "permissions_boundary": "", "attached_policies": [], "tags": {}}
    assert iam.user(client, "dns") == bare
    client.attach_user_policy(UserName="dns", PolicyArn=arn)
    client.tag_user(UserName="dns", Tags=TAGS)
    assert iam.user(client, "dns") == {**bare, "attached_policies": [arn], "tags": {"k0rdent.kof/fleet": "prod"}}


def test_boundary_of_a_user_is_its_arn(client: Any) -> None:
    client.create_user(UserName="dns")
    answer = client.get_user(UserName="dns")
    # moto forgets a user's boundary; this is how AWS shows it.
    boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/most"}

    class Bound:
        list_attached_user_policies = staticmethod(client.list_attached_user_policies)

        def get_user(self, **_call: Any) -> Any:
            return {"User": {**answer["User"], "PermissionsBoundary": boundary}}

    found = iam.user(Bound(), "dns")
    assert found is not None
    assert found["permissions_boundary"] == "arn:aws:iam::123456789012:policy/most"


def test_what_is_not_there_is_none(client: Any) -> None:
    assert iam.policy(client, "arn:aws:iam::123456789012:policy/none") is None
    assert iam.user(client, "none") is None


def test_other_errors_of_aws_are_raised(client: Any) -> None:
    def denied(**_call: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetUser")

    class Denying:
        get_user = get_policy = staticmethod(denied)

    with pytest.raises(ClientError, match="AccessDenied"):
        iam.user(Denying(), "dns")
    with pytest.raises(ClientError, match="AccessDenied"):
        iam.policy(Denying(), "arn:aws:iam::123456789012:policy/dns")


def test_options_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(AnsibleError, match="profile and access tokens"):
        iam.Aws({**OPTIONS, "profile": "production"}).retrying("iam")
