"""external_dns_access_info in a play, on a real control plane and moto's server: it looks, and writes nothing."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

NAME, FLEET_TAG, CLUSTER_TAG = "dns-look", "k0rdent.kof/fleet", "k0rdent.kof/management-cluster"


@pytest.fixture
def iam() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # Servers of one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    try:
        yield boto3.client(
            "iam",
            region_name="us-east-1",
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="secret-half-of-the-admin",
        )
    finally:
        server.stop()


def look(iam: Any, **arguments: Any) -> dict[str, Any]:
    options = {
        "user_name": NAME,
        "policy_name": NAME,
        "fleet": "actions",
        "namespace": "dns-look",
        "region": "us-east-1",
        "access_key": "AKIAIOSFODNN7EXAMPLE",
        "secret_key": "secret-half-of-the-admin",
        "endpoint_url": iam.meta.endpoint_url,
        **arguments,
    }
    return {"name": "Look", "k0rdent.kof.external_dns_access_info": options, "register": "found"}


def result(run: Any) -> dict[str, Any]:
    """What `-v` prints of the only task."""
    found = next(line for line in run.stdout.splitlines() if line.startswith(("ok: ", "changed: ", "fatal: ")))
    return json.loads(found[found.index("=> ") + 3 :])


def test_what_is_there_and_what_is_missing(control_plane: Any, play: Any, iam: Any) -> None:
    nothing = result(play("kof_mothership", look(iam), "-v"))
    assert (nothing["changed"], nothing["policy"], nothing["user"]) == (False, None, None)
    assert "Secret dns-look/external-dns-aws-credentials created" in nothing["access_key"]["outstanding"]
    assert "dns-look" not in control_plane.kubectl("get", "namespaces", "-o", "name")

    iam.create_user(UserName=NAME, Tags=[{"Key": FLEET_TAG, "Value": "actions"}])
    made = iam.create_access_key(UserName=NAME)["AccessKey"]
    text = f"[default]\naws_access_key_id = {made['AccessKeyId']}\naws_secret_access_key = {made['SecretAccessKey']}\n"
    control_plane.kubectl("create", "namespace", "dns-look")
    secret = ("create", "secret", "generic", "external-dns-aws-credentials", "-n", "dns-look")
    control_plane.kubectl(*secret, f"--from-literal=external-dns-aws-credentials={text}")
    run = play("kof_mothership", look(iam), "-vvvv", "--diff")
    for hidden in (made["SecretAccessKey"], base64.b64encode(text.encode()).decode(), "secret-half-of-the-admin"):
        assert hidden not in run.stdout + run.stderr
    found = result(play("kof_mothership", look(iam), "-v"))
    assert (found["changed"], found["user"]["name"], found["access_key"]["id"]) == (False, NAME, made["AccessKeyId"])
    assert f"IAM user {NAME} tagged" in found["access_key"]["outstanding"]  # and only said:
    assert CLUSTER_TAG not in {each["Key"] for each in iam.get_user(UserName=NAME)["User"]["Tags"]}


@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"connection": "ssh"}, "the connection is ssh, not local"),
        ({"become": True}, "the task becomes another user"),
    ],
)
def test_a_look_that_would_see_another_account_is_none(play: Any, iam: Any, keywords: dict[str, Any], why: str) -> None:
    run = play("kof_mothership", look(iam), **keywords)
    assert run.returncode != 0
    assert why in run.stdout + run.stderr


def test_a_look_for_another_machine_is_none(play: Any, iam: Any) -> None:
    run = play("kof_mothership", {**look(iam), "delegate_to": "bastion"})
    assert run.returncode != 0
    assert "delegate_to names bastion" in run.stdout + run.stderr


def test_an_environment_counts_as_in_a_module(play: Any, iam: Any) -> None:
    task = {**look(iam), "environment": {"AWS_URL": iam.meta.endpoint_url}}
    del task["k0rdent.kof.external_dns_access_info"]["endpoint_url"]
    found = result(play("kof_mothership", task, "-v"))
    assert found["caller"]["account"] == "123456789012"


def test_aws_that_cannot_be_asked_is_one_clear_message(play: Any, iam: Any) -> None:
    run = play(
        "kof_mothership", look(iam, endpoint_url="http://127.0.0.1:9", aws_config={"retries": {"max_attempts": 0}})
    )
    assert run.returncode != 0
    assert "AWS can't show what external-dns has" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_a_user_of_another_fleet_is_named(control_plane: Any, play: Any, iam: Any) -> None:
    iam.create_user(UserName=NAME, Tags=[{"Key": FLEET_TAG, "Value": "another"}])
    run = play("kof_mothership", look(iam))
    assert run.returncode != 0
    assert f"{FLEET_TAG}=another" in run.stdout + run.stderr


def of_role(iam: Any, **variables: Any) -> list[dict[str, Any]]:
    """The role's look, with the variables where a role that is imported has them."""
    login = {
        "dns_credentials_endpoint_url": iam.meta.endpoint_url,
        "dns_credentials_aws_access_key": "AKIAIOSFODNN7EXAMPLE",
        "dns_credentials_aws_secret_key": "secret-half-of-the-admin",
        "dns_credentials_hosted_zones": ["Z1"],
        "kof_fleet": "actions",
        "kof_namespace": "dns-look",
    }
    return [{"name": "Look", "k0rdent.kof.external_dns_access_info": {"of_role": True}, "vars": {**login, **variables}}]


def test_the_role_is_told_what_to_make_and_no_secret(play: Any, iam: Any) -> None:
    run = play("kof_mothership", *of_role(iam, dns_credentials_method="iam_user"), "-vvvv")
    assert "secret-half-of-the-admin" not in run.stdout + run.stderr
    found = result(play("kof_mothership", *of_role(iam, dns_credentials_method="iam_user"), "-v"))
    assert found["plan"]["make"] == ["policy", "user", "access_key"]
    assert found["plan"]["options"]["namespace"] == "dns-look"
    assert (found["plan"]["user"], found["plan"]["region"]) == ("kof-external-dns-actions", "us-east-1")


@pytest.mark.parametrize("kind", ["policy", "role"])
def test_what_is_somebody_elses_ends_the_role_wherever_its_path_is(play: Any, iam: Any, kind: str) -> None:
    name = "kof-external-dns-actions"
    if kind == "policy":
        allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.create_policy(PolicyName=name, Path="/elsewhere/", PolicyDocument=document)
    else:
        iam.create_role(RoleName=name, Path="/elsewhere/", AssumeRolePolicyDocument="{}")
    run = play("kof_mothership", *of_role(iam, dns_credentials_method="node_role"))
    assert run.returncode != 0
    assert f"The IAM {kind} {name} exists and doesn't carry our tag" in " ".join(run.stdout.split())


def test_without_a_key_no_management_cluster_is_needed(play: Any, iam: Any) -> None:
    nowhere = {"kof_kubeconfig": "/nowhere/kubeconfig"}
    found = result(play("kof_mothership", *of_role(iam, dns_credentials_method="node_role", **nowhere), "-v"))
    assert found["plan"]["make"] == ["policy", "role", "instance_profile"]
    none = {"dns_credentials_method": "none", "ansible_connection": "ssh", **nowhere}
    assert result(play("kof_mothership", *of_role(iam, **none), "-v"))["plan"] == {"make": []}


def removing(iam: Any, **variables: Any) -> dict[str, Any]:
    (task,) = of_role(iam, **{"dns_credentials_method": "iam_user", **variables})
    return {**task, "k0rdent.kof.external_dns_access_info": {"of_role": True, "to_remove": True}}


def test_what_is_to_be_removed_is_what_is_there_and_ours_alone(control_plane: Any, play: Any, iam: Any) -> None:
    name, tags = "kof-external-dns-actions", [{"Key": FLEET_TAG, "Value": "actions"}]
    found = result(play("kof_mothership", removing(iam), "-v"))
    assert (found["left"], found["plan"]["remove"], found["plan"]["make"]) == ([], [], [])
    assert result(play("kof_mothership", removing(iam, dns_credentials_method="none"), "-v"))["left"] == []

    allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document, Tags=tags)["Policy"]["Arn"]
    iam.create_user(UserName=name, Tags=tags)
    iam.create_access_key(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    found = result(play("kof_mothership", removing(iam), "-v"))
    assert found["left"] == [{"kind": kind, "name": name} for kind in ("policy", "user", "access_key")]

    iam.create_user(UserName="others")
    iam.attach_user_policy(UserName="others", PolicyArn=arn)
    run = play("kof_mothership", removing(iam))
    assert run.returncode != 0
    assert f"The IAM policy {name} is attached to others: user others" in " ".join(run.stdout.split())
    iam.detach_user_policy(UserName="others", PolicyArn=arn)

    iam.tag_user(UserName=name, Tags=[{"Key": CLUSTER_TAG, "Value": "another"}])
    run = play("kof_mothership", removing(iam))
    assert run.returncode != 0
    assert "of another management cluster" in " ".join(run.stdout.split())


def test_all_faults_of_the_roles_variables_are_told(play: Any, iam: Any) -> None:
    wrong = {"dns_credentials_method": "irsa", "dns_credentials_path": "kof", "kof_namespace": 1.1}
    told = play("kof_mothership", *of_role(iam, **wrong)).stdout
    for name in ("dns_credentials_path", "kof_namespace", "dns_credentials_oidc_provider_arns"):
        assert f"mothership: {name}: " in told
