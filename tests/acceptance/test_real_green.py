"""What was asked for and not done never ends green: runs that select nothing, and roles in somebody's own play."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
import yaml
from support import REPOSITORY, Run, Sandbox

REGIONAL = {
    "regional_domain": "aws-us-east-2.kof.example.com",
    "regional_admin_email": "platform@example.com",
    "regional_config": {"region": "us-east-2"},
}
INVENTORY = {
    "kof_mothership": {"hosts": {"mothership": {}}},
    "kof_regional": {"hosts": {"aws-us-east-2": REGIONAL}},
    "kof_child": {"hosts": {"aws-us-east-2-child1": {"child_regional": "aws-us-east-2"}}},
    "web": {"hosts": {"web1": {}}},
    "ungrouped": {"hosts": {"localhost": {"ansible_connection": "local"}}},
}
#: Nobody listens there: a run that would do something says so, and no other.
NOWHERE = {"kof_version": "0.1.1", "kof_host": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Runs of ansible-playbook; nothing of a sandbox is there."""
    return Sandbox(tmp_path_factory.mktemp("no-sandbox"))


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    file = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    file.write_text(yaml.safe_dump({**INVENTORY, "all": {"vars": NOWHERE}}))
    return file


@pytest.mark.parametrize(
    ("playbook", "arguments", "told"),
    [
        # ansible-pull limits every run so, by itself.
        ("site", "--limit localhost,runner7,127.0.0.1", "localhost,runner7,127.0.0.1 this run would do nothing"),
        ("delete", "--limit localhost,runner7,127.0.0.1", "localhost,runner7,127.0.0.1 this run would do nothing"),
        ("render", "--limit localhost", "would do nothing"),
        ("preflight", "--limit localhost", "would do nothing"),
        ("site", "--limit web1", "would do nothing"),
        (
            "site",
            "--limit aws-us-east-2,aws-us-esat-2",
            "--limit aws-us-esat-2: no host or group of the inventory matches; did you mean aws-us-east-2?",
        ),
        # What excludes nobody lets more be done than was asked for.
        ("delete", "--limit kof_child,!aws-us-esat-2-child1", "--limit !aws-us-esat-2-child1: no host or group"),
        ("site", "--tags chlid", "--tags chlid: no task of this run has that tag; did you mean child?"),
        ("site", "--tags regional,chlid", "--tags chlid"),
        ("site", "--skip-tags mothreship", "--skip-tags mothreship: no task of this run has that tag"),
        ("delete", "--tags child", "--tags child: no task of this run has that tag"),
        # Its children would be deleted all the same.
        ("delete", "--skip-tags mothership,child", "1 fault in what this run is asked for"),
        ("render", "--skip-tags mothership", "--skip-tags mothership: no task of this run has that tag"),
        ("child", "--limit mothership", "it has no host of kof_child"),
        ("delete", "--limit mothership", "it has no host of kof_regional or kof_child"),
        (
            "site",
            "--limit aws-us-east-2 --tags child",
            "with --limit aws-us-east-2 and --tags child this run would do nothing",
        ),
        ("site", "--skip-tags dns_credentials,mothership,regional,child,verify", "this run would do nothing"),
    ],
)
def test_a_run_that_selects_nothing_fails_by_the_name_of_what_selects_nothing(
    forks: Sandbox, inventory: pathlib.Path, playbook: str, arguments: str, told: str
) -> None:
    run = forks.run(["-i", str(inventory), f"playbooks/{playbook}.yml", *arguments.split()])
    assert run.code == 2, run.output
    assert told in run.output
    assert "nothing was changed" in run.output


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [
        # What a fleet without the shared layer says in all its runs.
        ("regional", "--skip-tags dns_credentials,mothership"),
        ("preflight", "--skip-tags dns_credentials,mothership"),
        ("preflight", "--tags regional"),
        # What molecule says in all its runs.
        ("regional", "--skip-tags molecule-notest,notest"),
    ],
)
def test_layers_that_a_playbook_has_no_tasks_for_may_be_skipped(
    forks: Sandbox, inventory: pathlib.Path, playbook: str, arguments: str
) -> None:
    run = forks.run(["-i", str(inventory), f"playbooks/{playbook}.yml", *arguments.split()])
    assert "can't reach the API server" in run.output, run.output


def test_tags_inside_of_what_somebody_includes_are_nobodys_mistake(
    forks: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    told = {"ansible.builtin.debug": {"msg": "something"}}
    (tmp_path / "config.yml").write_text(yaml.safe_dump([{**told, "tags": "config"}, {**told, "tags": "slow"}]))
    include = {"ansible.builtin.include_tasks": "config.yml", "tags": "always"}
    file = tmp_path / "everything.yml"
    file.write_text(
        yaml.safe_dump(
            [
                {"hosts": "localhost", "gather_facts": False, "tasks": [include]},
                {"import_playbook": str(REPOSITORY / "playbooks" / "site.yml"), "tags": "ours"},
            ]
        )
    )
    run = forks.run(["-i", str(inventory), str(file), "--tags", "config"])
    assert run.code == 0, run.output
    run = forks.run(["-i", str(inventory), str(file), "--skip-tags", "slow"])
    assert "can't reach the API server" in run.output, run.output


@pytest.mark.parametrize("hosts", ["localhost", "kof_regional"])
def test_role_mothership_on_hosts_that_it_is_not_for(
    forks: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path, hosts: str
) -> None:
    """The other roles have arguments that such a host lacks."""
    play = {"hosts": hosts, "gather_facts": False, "connection": "local", "roles": ["k0rdent.kof.mothership"]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    run = forks.run(["-i", str(inventory), str(tmp_path / "play.yml")])
    assert run.code == 2, run.output
    assert "not in group kof_mothership. Say hosts: kof_mothership" in run.output


def test_an_empty_layer_of_its_own_playbook(forks: Sandbox, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump({"kof_mothership": INVENTORY["kof_mothership"]}))
    run = forks.run(["-i", str(file), "playbooks/child.yml"])
    assert run.code == 2, run.output
    assert "this run would do nothing: it has no host of kof_child" in run.output


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        ("--limit aws-us-east-2", True),
        ("--limit aws-us-east-2 --tags regional,web", True),
        # Theirs alone is asked for, and done.
        ("--limit web1", False),
        ("--tags web", False),
        ("--limit localhost --tags theirs", False),
        ("--tags ours", True),
    ],
)
def test_in_a_playbook_of_somebodys_own_what_others_do_counts(
    forks: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path, arguments: str, reached: bool
) -> None:
    play = {"gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "something"}}]}
    file = tmp_path / "everything.yml"
    file.write_text(
        yaml.safe_dump(
            [
                {"name": "Web", "hosts": "web", "connection": "local", "tags": "web", **play},
                {"name": "Here", "hosts": "localhost", "tags": "theirs", **play},
                {"import_playbook": str(REPOSITORY / "playbooks" / "site.yml"), "tags": "ours"},
            ]
        )
    )
    run = forks.run(["-i", str(inventory), str(file), *arguments.split()])
    assert "would do nothing" not in run.output
    # Ours goes on to the server, where nobody is; with theirs alone all is well.
    assert ("can't reach the API server" in run.output) is reached, run.output
    assert run.code == (2 if reached else 0), run.output


REFUSED, FINE = "aws-us-east-1-1", "aws-us-east-2-1"
WHY = "change freeze until Monday"
FREEZE = f"""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: freeze}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [k0rdent.mirantis.com]
        apiVersions: ["*"]
        operations: [CREATE, UPDATE]
        resources: [clusterdeployments]
  validations: [{{expression: "object.metadata.name != '{REFUSED}'", message: {WHY}}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: freeze}}
spec: {{policyName: freeze, validationActions: [Deny]}}
"""


@pytest.fixture
def two_regions(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> Iterator[str]:
    yield fleet_sandbox.inventory(tmp_path / "inventory", example_fleet.fleet(2, 0))
    fleet_sandbox.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=FREEZE)
    fleet_sandbox.delete_clusters()


@pytest.fixture
def frozen(fleet_sandbox: Sandbox, two_regions: str) -> str:
    """One of the two regions may not be made."""
    fleet_sandbox.kubectl("apply", "-f", "-", stdin=FREEZE)
    probe = json.dumps(
        {
            "apiVersion": "k0rdent.mirantis.com/v1alpha1",
            "kind": "ClusterDeployment",
            "metadata": {"name": REFUSED, "namespace": "kcm-system"},
            "spec": {"template": "aws-standalone-cp-0-1-0", "credential": "aws-cluster-identity-cred"},
        }
    )
    end = time.monotonic() + 300
    # A policy is in force a moment after it was made.
    while fleet_sandbox.kubectl("create", "--dry-run=server", "-o", "name", "-f", "-", stdin=probe, check=False):
        assert time.monotonic() < end
        time.sleep(0.2)
    return two_regions


def own_play(sandbox: Sandbox, folder: pathlib.Path, inventory: str, *arguments: str, **more: Any) -> Run:
    """A play of somebody's own with our role in it, and a task of theirs after it."""
    play = {
        "name": "One layer of our regions",
        "hosts": "kof_regional",
        "gather_facts": False,
        "connection": "local",
        "roles": ["k0rdent.kof.regional"],
        "post_tasks": [{"name": "Go on", "ansible.builtin.debug": {"msg": "goes on {{ inventory_hostname }}"}}],
        **more,
    }
    file = folder / "play.yml"
    file.write_text(yaml.safe_dump([play]))
    return sandbox.run(["-i", inventory, str(file), *arguments])


def test_a_role_in_ones_own_play_fails_what_was_refused_on_its_own_host(
    fleet_sandbox: Sandbox, frozen: str, tmp_path: pathlib.Path
) -> None:
    run = own_play(fleet_sandbox, tmp_path, frozen)
    assert run.code == 2, run.output
    assert WHY in run.output
    assert {host: counts["failures"] for host, counts in run.stats.items() if counts["failures"]} == {REFUSED: 1}
    assert f"goes on {FINE}" in run.output
    assert f"goes on {REFUSED}" not in run.output


def test_a_role_in_ones_own_play_fails_what_never_becomes_ready(
    fleet_sandbox: Sandbox, two_regions: str, tmp_path: pathlib.Path
) -> None:
    ready = own_play(fleet_sandbox, tmp_path, two_regions, "--limit", FINE)  # however long it takes here
    assert ready.code == 0, ready.output
    fleet_sandbox.command("fault", f"never_ready={REFUSED}")
    try:
        run = own_play(fleet_sandbox, tmp_path, two_regions, "-e", "kof_wait_timeout=3")
    finally:
        fleet_sandbox.command("fault", "--clear")
    assert run.code == 2, run.output
    assert {host for host, counts in run.stats.items() if counts["failures"]} == {REFUSED}
    assert "ClusterDeployment kcm-system/aws-us-east-1-1" in run.output
    # Nothing failed: the role says nothing.
    fine = own_play(fleet_sandbox, tmp_path, two_regions)
    assert fine.code == 0, fine.output
    assert fine.total("failures") == 0


def test_what_was_refused_fails_also_where_the_report_play_is_skipped(fleet_sandbox: Sandbox, frozen: str) -> None:
    run = fleet_sandbox.playbook("regional", "--skip-tags", "always", inventory=frozen)
    assert run.code == 2, run.output
    assert WHY in run.output


def test_a_child_of_a_regional_that_was_made_by_hand(
    fleet_sandbox: Sandbox, two_regions: str, tmp_path: pathlib.Path
) -> None:
    """Preflight and apply say the same; its domain is in promxy's group, and of another only in its values."""
    registry: list[dict[str, Any]] = []
    for name, with_group in (("hand-1", True), ("hand-2", False)):
        host = f"vmauth.{name}.by-hand.example.org"
        values = yaml.safe_dump({"victoriametrics": {"vmauth": {"ingress": {"host": host}}}})
        registry.append(
            {
                "apiVersion": "k0rdent.mirantis.com/v1alpha1",
                "kind": "ClusterDeployment",
                "metadata": {"name": name, "namespace": "kcm-system", "labels": {"kof": "storage"}},
                "spec": {
                    "template": "aws-standalone-cp-0-1-0",
                    "credential": "aws-cluster-identity-cred",
                    "config": {"region": "us-east-2"},
                    "serviceSpec": {
                        "services": [
                            {"name": "kof-storage", "namespace": "kof", "template": "kof-storage-0-1-1"}
                            | ({} if with_group else {"values": values})
                        ]
                    },
                },
            }
        )
        if with_group:
            registry.append(
                {
                    "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1",
                    "kind": "PromxyServerGroup",
                    "metadata": {
                        "name": "promxyservergroup-sample",
                        "namespace": "kof",
                        "labels": {"k0rdent.mirantis.com/promxy-secret-name": "kof-mothership-promxy-config"},
                    },
                    "spec": {
                        "cluster_name": name,
                        "targets": [f"{host}:443"],
                        "path_prefix": "/vm/select/0/prometheus/",
                        "scheme": "https",
                        "http_client": {"basic_auth": {"credentials_secret_name": "storage-vmuser-credentials"}},
                    },
                }
            )
    fleet_sandbox.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": registry}))
    fleet = example_fleet.fleet(0, 0)
    for name in ("hand-1", "hand-2"):
        fleet.children[f"{name}-child"] = {"child_regional": name, "child_config": {"region": "us-east-2"}}
        fleet.usual[name] = {}
    inventory = fleet_sandbox.inventory(tmp_path / "children", fleet)
    try:
        run = fleet_sandbox.playbook("child", "-e", "kof_wait=false", inventory=inventory)
        assert run.code == 0, run.output
        for name in ("hand-1", "hand-2"):
            child = fleet_sandbox.get("clusterdeployment", "-n", "kcm-system", f"{name}-child")
            assert f"vmauth.{name}.by-hand.example.org" in json.dumps(child["spec"]), name
    finally:
        fleet_sandbox.kubectl(
            "delete", "promxyservergroup", "-n", "kof", "promxyservergroup-sample", "--ignore-not-found"
        )
