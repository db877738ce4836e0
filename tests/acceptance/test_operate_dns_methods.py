"""What role dns_credentials makes at AWS ends at the external-dns of each regional cluster, by each of its methods; and
where only the user can bring it there, preflight says how.

AWS is moto's. What becomes of the values of kof-storage is made by helm and the stand-in chart, whose external-dns
takes what the real subchart takes.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import example_fleet
import pytest
import yaml
from support import Run, Sandbox

from sandbox import chart_packages

NAME, ROLE, ZONE = "dns-eu", "kof-dns-methods", "Z0EXAMPLE00000000000"
OIDC = "arn:aws:iam::123456789012:oidc-provider/oidc.example.net/id/ABC"
NODES = "nodes.cluster-api-provider-aws.sigs.k8s.io"
#: By case: what role dns_credentials is told, and which of its ways the cluster takes.
METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "iam_user": ({"method": "iam_user"}, "secret"),
    "node_role": ({"method": "node_role"}, "node"),
    "existing_node_roles": ({"method": "node_role", "existing_node_roles": [NODES]}, "node"),
    "irsa": ({"method": "irsa", "oidc_provider_arns": [OIDC], "path": "/kof/"}, "node"),
}
MOUNTED = "external-dns-aws-credentials"


class World:
    """The sandbox with the account, and one regional cluster of ours."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
        self.iam = boto3.client("iam", endpoint_url=sandbox.endpoints["aws"], region_name="us-east-1", **keys)

    def run(self, playbook: str, method: str, *arguments: str, **said: Any) -> Run:
        """:param said: variables of the regional, over those of the method."""
        options, way = METHODS[method]
        # Beside what the sandbox itself has, whose user stays.
        own = {} if method == "iam_user" else {"role_name": ROLE, "policy_name": ROLE}
        regional = {
            "regional_domain": f"{NAME}.kof.example.com",
            "regional_admin_email": "a@example.com",
            "regional_config": {"region": "eu-west-1", "worker": {"instanceType": "t3.medium"}},
            "regional_external_dns": way,
            **said,
        }
        fleet = example_fleet.Fleet(
            shared={},
            mothership={f"dns_credentials_{name}": value for name, value in {**own, **options}.items()},
            regionals={NAME: regional},
            children={},
        )
        where = self.sandbox.inventory(self.folder / "fleet", fleet)
        return self.sandbox.playbook(playbook, *arguments, inventory=where)

    def applied(self, method: str) -> int:
        """What role dns_credentials and the cluster are made into by a method; how much of it changed."""
        runs = [self.run(playbook, method) for playbook in ("dns_credentials", "regional")]
        assert [each.code for each in runs] == [0, 0], "".join(each.output for each in runs)
        return sum(each.total("changed") for each in runs)

    @property
    def live(self) -> dict[str, Any]:
        return self.sandbox.get("clusterdeployment", NAME, "-n", "kcm-system")["spec"]

    def made(self) -> dict[str, Any]:
        """What external-dns becomes on the cluster: its service account, and its Deployment's arguments and volumes."""
        (service,) = (each for each in self.live["serviceSpec"]["services"] if each["name"] == "kof-storage")
        chart = next(each for each in chart_packages.OF_LINE["0.1"] if each.name == "kof-storage")
        where = chart_packages.assemble(chart, self.folder / "charts")
        command = [self.sandbox.endpoints["helm"], "template", "kof-storage", str(where), "--values", "-"]
        command += ["--namespace", service["namespace"], "--skip-schema-validation"]
        # Its Secret is read on the cluster, and here is none.
        command += ["--set", "victoriametrics.vmauth.enabled=false"]
        done = subprocess.run(command, input=service["values"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        objects = [each for each in yaml.safe_load_all(done.stdout) if each]
        (deployment,) = (each for each in objects if each["metadata"]["name"] == "kof-storage-external-dns"
                         and each["kind"] == "Deployment")  # fmt: skip
        pod = deployment["spec"]["template"]["spec"]
        accounts = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ServiceAccount"}
        account = accounts[pod["serviceAccountName"]]
        return {
            "account": f"{account['metadata']['namespace']}:{account['metadata']['name']}",
            "annotations": account["metadata"].get("annotations") or {},
            "arguments": pod["containers"][0]["args"],
            "secrets": [each["secret"]["secretName"] for each in pod.get("volumes") or () if "secret" in each],
        }

    def policy_of_role(self, role: str) -> dict[str, Any]:
        """The one document that lets a role write to zones."""
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            return self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        (policy,) = self.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        version = self.iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        found = self.iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)
        return found["PolicyVersion"]["Document"]

    def take_away(self) -> None:
        self.sandbox.delete_clusters()
        for profile in self.iam.list_instance_profiles()["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            for each in profile["Roles"]:
                self.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=each["RoleName"])
            self.iam.delete_instance_profile(InstanceProfileName=name)
        for role in self.iam.list_roles()["Roles"]:
            name = role["RoleName"]
            for each in self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                self.iam.detach_role_policy(RoleName=name, PolicyArn=each["PolicyArn"])
            for inline in self.iam.list_role_policies(RoleName=name)["PolicyNames"]:
                self.iam.delete_role_policy(RoleName=name, PolicyName=inline)
            self.iam.delete_role(RoleName=name)
        for policy in self.iam.list_policies(Scope="Local")["Policies"]:
            if policy["PolicyName"] == ROLE:
                self.iam.delete_policy(PolicyArn=policy["Arn"])


@pytest.fixture
def world(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> Iterator[World]:
    found = World(fleet_sandbox, tmp_path)
    yield found
    found.take_away()


def trust(account: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": OIDC},
        "Condition": {
            "StringEquals": {
                "oidc.example.net/id/ABC:aud": "sts.amazonaws.com",
                "oidc.example.net/id/ABC:sub": f"system:serviceaccount:{account}",
            }
        },
    }


def by_user(world: World, made: dict[str, Any]) -> None:
    assert made["secrets"] == [MOUNTED]
    assert MOUNTED in world.sandbox.kubectl("get", "secrets", "-n", "kof", "-o", "name")
    assert not made["annotations"]


def by_profile(world: World, made: dict[str, Any]) -> None:
    assert made["secrets"] == []
    assert not made["annotations"]
    profile = world.live["config"]["worker"]["iamInstanceProfile"]
    (role,) = world.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    assert role["RoleName"] == ROLE
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert world.live["config"]["worker"]["instanceType"] == "t3.medium"


def by_nodes_that_are_there(world: World, made: dict[str, Any]) -> None:
    assert made["secrets"] == []
    assert "iamInstanceProfile" not in world.live["config"]["worker"]
    assert world.iam.list_instance_profiles()["InstanceProfiles"] == []


def by_account(world: World, made: dict[str, Any]) -> None:
    assert made["secrets"] == []
    assert "iamInstanceProfile" not in world.live["config"]["worker"]
    role = world.iam.get_role(RoleName=ROLE)["Role"]
    assert made["annotations"] == {"eks.amazonaws.com/role-arn": role["Arn"]}
    assert role["AssumeRolePolicyDocument"]["Statement"] == [trust(made["account"])]


ENDS: dict[str, tuple[str, Callable[[World, dict[str, Any]], None]]] = {
    "iam_user": ("", by_user),
    "node_role": (ROLE, by_profile),
    "existing_node_roles": (NODES, by_nodes_that_are_there),
    "irsa": (ROLE, by_account),
}


LONG = ("iam_user", "existing_node_roles")  # each is a fleet of its own


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in METHODS]
)
def test_each_method_ends_at_external_dns(world: World, method: str) -> None:
    role, ends = ENDS[method]
    if method == "existing_node_roles":
        ec2 = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
        document = {"Version": "2012-10-17", "Statement": [ec2]}
        world.iam.create_role(RoleName=NODES, AssumeRolePolicyDocument=json.dumps(document))
    first = world.applied(method)
    made = world.made()
    ends(world, made)
    assert f"--zone-id-filter={ZONE}" in made["arguments"]
    assert f"--domain-filter={NAME}.kof.example.com" in made["arguments"]
    if role:
        (zones,) = (each["Resource"] for each in world.policy_of_role(role)["Statement"] if each["Sid"] == "Records")
        assert zones == [f"arn:aws:route53:::hostedzone/{ZONE}"]
    assert first
    assert world.applied(method) == 0


def told(run: Run) -> dict[str, tuple[str, str, str]]:
    """What preflight has to say beside that all is fine, by name: status, what it found, what to do."""
    results = [event["result"] for event in run.events if str(event.get("action")).endswith("fleet_preflight")]
    return {each["name"]: (each["status"], each["found"], each["remedy"]) for each in results[-1]["checks"]}


def test_preflight_says_what_only_the_user_can_bring(world: World) -> None:
    made = world.run("regional", "iam_user")
    assert made.code == 0, made.output
    # Its nodes run, and a profile replaces them: nobody does that unasked.
    run = world.run("regional", "node_role")
    assert run.code == 0, run.output
    assert "iamInstanceProfile" not in world.live["config"]["worker"]
    status, found, remedy = told(run)["instance profile"]
    assert status == "warning"
    assert "worker.iamInstanceProfile is not set, so its nodes have no right" in found
    assert f"regional_config: {{worker: {{iamInstanceProfile: {ROLE}}}}}, which replaces every node" in remedy
    # As it says.
    said = {"region": "eu-west-1", "worker": {"instanceType": "t3.medium", "iamInstanceProfile": ROLE}}
    run = world.run("regional", "node_role", regional_config=said)
    assert (run.code, "instance profile" in told(run)) == (0, False), run.output
    assert world.live["config"]["worker"]["iamInstanceProfile"] == ROLE
    # A role that nobody uses: the cluster goes on by the key.
    for method in ("node_role", "irsa"):
        unused = told(world.run("preflight", method, regional_external_dns="secret", regional_config=said))
        status, found, remedy = unused[f"Secret {MOUNTED}"]
        assert status == "warning"
        assert f"dns_credentials_method is {method}" in found
        assert "regional_external_dns: node" in remedy
    # A template that has none.
    adopted = world.run("preflight", "node_role", regional_template="adopted-cluster-0-1-0", regional_config={})
    status, found, remedy = told(adopted)["instance profile"]
    assert status == "warning"
    assert "takes none, so its nodes have no right" in found
    assert "dns_credentials_existing_node_roles" in remedy
