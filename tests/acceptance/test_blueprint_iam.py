"""docs/iam/ allows what role dns_credentials does by each method, and nothing that it never does: on moto, with its
check of IAM policies on.

moto takes no resource or condition of a policy into account, so these tests compare the resources themselves, by what
was called. Nobody judges conditions here, tags that are given when something is made, PassRole, and Route 53.
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from support import REPOSITORY, Run, Sandbox, finish

from sandbox.fixtures import ControlPlane

POLICIES = REPOSITORY / "docs" / "iam"
ZONE = "Z0EXAMPLE00000000000"
OIDC = "arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/ABC"
EXISTING = "nodes.cluster-api-provider-aws.sigs.k8s.io"
#: By file, what the role is told beside the zones.
METHODS: dict[str, dict[str, Any]] = {
    "iam_user": {"method": "iam_user"},
    "node_role": {"method": "node_role"},
    "existing_node_roles": {"method": "node_role", "existing_node_roles": [EXISTING]},
    "irsa": {"method": "irsa", "oidc_provider_arns": [OIDC]},
}
#: Asked for by AWS and by moto not, or by preflight alone; moto knows no boundary of a user, and a user whom it moves
#: to another path loses his tags.
UNSEEN = {"iam:PassRole", "iam:PutUserPermissionsBoundary", "iam:UpdateUser", "route53:GetHostedZone"}


class Account:
    """An account at moto, whose every call is recorded."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.iam = self.client("iam", "AKIASANDBOXADMIN0000", "none")

    def client(self, service: str, key: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def post(self, path: str, data: str = "") -> bytes:
        address, plain = f"{self.url}/moto-api/{path}", {"Content-Type": "text/plain"}
        request = urllib.request.Request(address, data.encode(), plain, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def user(self, policy: dict[str, Any]) -> tuple[str, str]:
        """The login of a user who has this policy alone."""
        with contextlib.suppress(self.iam.exceptions.EntityAlreadyExistsException):
            self.iam.create_user(UserName="runner")
        allowed = [{"Effect": "Allow", "Action": sorted(actions_of(policy)), "Resource": "*"}]
        document = json.dumps({"Version": policy["Version"], "Statement": allowed})
        self.iam.put_user_policy(UserName="runner", PolicyName="docs", PolicyDocument=document)
        for old in self.iam.list_access_keys(UserName="runner")["AccessKeyMetadata"]:
            self.iam.delete_access_key(UserName="runner", AccessKeyId=old["AccessKeyId"])
        key = self.iam.create_access_key(UserName="runner")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @contextlib.contextmanager
    def checked(self) -> Iterator[set[Call]]:
        """While policies count; gives what was called."""
        called: set[Call] = set()
        self.post("recorder/reset-recording")
        self.post("recorder/start-recording")
        self.post("reset-auth", "0")
        try:
            yield called
        finally:
            self.post("reset-auth", "inf")
            self.post("recorder/stop-recording")
            with urllib.request.urlopen(f"{self.url}/moto-api/recorder/download-recording", timeout=60) as answer:
                entries = [json.loads(line) for line in answer.read().splitlines() if line]
            bodies = (base64.b64decode(entry["body"]).decode() for entry in entries)
            called |= {call for body in bodies if (call := _call(body))}


#: An action, and the ARN of what it is about; none for ListPolicies, and where only a key's id says it.
Call = tuple[str, str | None]
#: The parameters that say what an action is about, those first that decide where there are several.
_ABOUT = {"InstanceProfileName": "instance-profile", "UserName": "user", "RoleName": "role", "PolicyName": "policy"}


def _call(body: str) -> Call | None:
    given = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
    action = given.get("Action")
    if action in (None, "GetCallerIdentity"):  # which everybody may
        return None
    arns = (f"arn:aws:iam::123456789012:{kind}/{given[name]}" for name, kind in _ABOUT.items() if name in given)
    return f"iam:{action}", next(arns, given.get("PolicyArn"))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [
        sys.executable,
        str(REPOSITORY / "tests" / "sandbox" / "aws_server.py"),
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    folder = tmp_path_factory.mktemp("moto")  # its recording goes there
    with (folder / "log").open("wb") as log, subprocess.Popen(server, cwd=folder, stdout=log, stderr=log) as process:
        found = Account(port)
        end = time.monotonic() + 300
        while True:
            try:
                found.post("reset")
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        yield found
        process.terminate()


@pytest.fixture
def role(control_plane: ControlPlane, account: Account, tmp_path: pathlib.Path) -> Any:
    """Runs the role by a method, as a user of the account; `absent`: what k0rdent.kof.uninstall runs of it."""

    def run(
        method: str, login: tuple[str, str], *, absent: bool = False, arguments: tuple[str, ...] = (), **more: Any
    ) -> Run:
        variables = {
            "kof_version": "0.1.1",
            "kof_fleet": "prod",
            "kof_kubeconfig": str(control_plane.admin),
            "ansible_python_interpreter": sys.executable,
            "dns_credentials_hosted_zones": [ZONE],
            "dns_credentials_endpoint_url": account.url,
            "dns_credentials_aws_access_key": login[0],
            "dns_credentials_aws_secret_key": login[1],
            **{f"dns_credentials_{name}": value for name, value in {**METHODS[method], **more}.items()},
        }
        play = {"hosts": "kof_mothership", "gather_facts": False, "connection": "local", "vars": variables}
        file = tmp_path / "play.yml"
        tasks: dict[str, Any] = {"roles": ["k0rdent.kof.dns_credentials"]}
        if absent:
            variables["__dns_credentials_remove"] = True
            gone = {"name": "k0rdent.kof.dns_credentials", "tasks_from": "absent", "rolespec_validate": False}
            kept = "{{ hostvars.localhost.__uninstall_outcomes | default([]) | map(attribute='failed') }}"
            tasks = {"tasks": [{"import_role": gone}, {"debug": {"msg": kept}}]}
        file.write_text(yaml.safe_dump([{**play, **tasks}]))
        inventory = tmp_path / "hosts.yml"
        inventory.write_text("kof_mothership: {hosts: {mothership: }}\n")
        return finish(Sandbox(tmp_path).start(["-i", str(inventory), str(file), *arguments], {}))

    return run


def policy_of(method: str, without: str = "") -> dict[str, Any]:
    document = json.loads((POLICIES / f"{method}.json").read_text(encoding="utf-8"))
    for statement in document["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != without]
    document["Statement"] = [each for each in document["Statement"] if each["Action"]]
    return document


def actions_of(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def allowed(document: dict[str, Any], call: Call) -> bool:
    action, arn = call
    return any(
        action in each["Action"] and (arn is None or fnmatch.fnmatchcase(arn, each["Resource"]))
        for each in document["Statement"]
    )


def spoil(account: Account, method: str) -> None:
    """Somebody changes all that can be changed about what the role has made."""
    iam, name = account.iam, "kof-external-dns-prod"
    if method == "existing_node_roles":
        iam.put_role_policy(RoleName=EXISTING, PolicyName=name, PolicyDocument=NOTHING)
        return
    arn = f"arn:aws:iam::123456789012:policy/{name}"
    for _version in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=NOTHING, SetAsDefault=True)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.untag_policy(PolicyArn=arn, TagKeys=["k0rdent.kof/managed-by"])
    if method == "iam_user":
        iam.detach_user_policy(UserName=name, PolicyArn=arn)
        iam.untag_user(UserName=name, TagKeys=["k0rdent.kof/managed-by"])
        iam.create_access_key(UserName=name)  # as a killed run leaves one
        return
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.untag_role(RoleName=name, TagKeys=["k0rdent.kof/managed-by"])
    iam.update_role(RoleName=name, Description="another")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUSTING)
    if method == "node_role":
        profile = {"InstanceProfileName": name}
        iam.remove_role_from_instance_profile(**profile, RoleName=name)
        iam.untag_instance_profile(**profile, TagKeys=["k0rdent.kof/managed-by"])


TRUSTING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs.amazonaws.com"}}],
    }
)
NOTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}]}
)


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_the_policy_of_a_method_allows_what_the_role_does_and_nothing_else(
    account: Account, role: Any, method: str
) -> None:
    account.post("reset")
    if method == "existing_node_roles":
        account.iam.create_role(RoleName=EXISTING, AssumeRolePolicyDocument=TRUSTING)
    document = policy_of(method)
    login = account.user(document)
    boundary = account.iam.create_policy(PolicyName="boundary", PolicyDocument=NOTHING)["Policy"]["Arn"]
    with account.checked() as made:
        first = role(method, login)
        again = role(method, login)
    assert (first.code, again.code, again.total("changed")) == (0, 0, 0), first.output + again.output
    spoil(account, method)
    more = {"permissions_boundary": boundary} if method in ("node_role", "irsa") else {}
    with account.checked() as mended:
        mending = role(method, login, **more)
    assert mending.code == 0, mending.output
    called = made | mended
    assert not [call for call in called if not allowed(document, call)]
    assert actions_of(document) - {action for action, _arn in called} <= UNSEEN


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "without"),
    [("iam_user", "iam:CreateAccessKey"), ("node_role", "iam:AddRoleToInstanceProfile"), ("irsa", "iam:CreateRole")],
)
def test_whoever_lacks_an_action_is_told_which(account: Account, role: Any, method: str, without: str) -> None:
    account.post("reset")
    login = account.user(policy_of(method, without))
    with account.checked():
        run = role(method, login)
    assert run.code != 0
    assert f"is not authorized to perform: {without}" in run.output
