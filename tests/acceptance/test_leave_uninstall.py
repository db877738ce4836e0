"""uninstall.yml on a small fleet: what it refuses, what it leaves and tells, and that nothing of ours is left when all
was asked for, over all kinds that the API server serves, Helm, IAM and Route 53. The commands are docs/uninstall.md's.

The tests build on each other, in file order: the fleet is made once, and at the end it is gone.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import example_fleet
import pytest
import yaml
from support import REPOSITORY, Run, Sandbox
from unit.unconvertible import unconvertible

from sandbox.api import ApiFailure, connect

pytestmark = pytest.mark.lines

FLEET = example_fleet.fleet(1, 2)
(REGION,) = FLEET.regionals
CONFIRMED = ("-e", "kof_uninstall_confirm=sandbox")
ALL = ("-e", "kof_uninstall_also=all")
ZONE = "Z0EXAMPLE00000000000"
OURS = "app.kubernetes.io/managed-by=k0rdent.kof"
HERITAGE = '"heritage=external-dns,external-dns/owner=default,external-dns/resource=ingress/kof/vmauth-cluster"'
#: Kinds that are about others, and come and go by themselves.
PASSING = {"events", "leases", "endpoints", "endpointslices", "controllerrevisions"}
#: In every namespace.
BY_THEMSELVES = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
#: Groups of the operators in kof's charts.
GROUPS = ("operator.victoriametrics.com", "grafana.integreatly.org", "kof.k0rdent.mirantis.com", "opentelemetry.io")


def clients(sandbox: Sandbox) -> tuple[Any, Any]:
    """IAM, Route 53."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
    ends = {"endpoint_url": sandbox.endpoints["aws"], "region_name": "us-east-1", **keys}
    return boto3.client("iam", **ends), boto3.client("route53", **ends)


def served(api: Any) -> Iterator[str]:
    """The path of a list of every kind that is served, in each of its versions: the preferred one of a group need not
    have all its kinds."""
    groups = api.request("GET", "/apis")["groups"]
    versions = [f"/apis/{each['groupVersion']}" for group in groups for each in group["versions"]]
    for version in ("/api/v1", *versions):
        try:
            resources = api.request("GET", version)["resources"]
        except ApiFailure as gone:
            if gone.status != 404:  # its last kind went just now
                raise
            continue
        for each in resources:
            if "/" not in each["name"] and "list" in each["verbs"] and each["name"] not in PASSING:
                yield f"{version}/{each['name']}"


def there(sandbox: Sandbox) -> set[str]:
    """What is there of the fleet and of kof's charts, looked for otherwise than the collection does: by every kind,
    everything, told by label, release, namespace and name."""
    found = set()
    with connect(sandbox.folder / "mothership.kubeconfig") as api:
        for answer in (api.request("GET", path) for path in served(api)):
            kind = answer["kind"].removesuffix("List")
            found |= {name for item in answer["items"] if (name := ours(kind, item["metadata"]))}
    return found


def ours(kind: str, metadata: dict[str, Any]) -> str:
    """As a report names it; empty for what is not of the fleet, or comes with each namespace."""
    marks, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    space, name = metadata.get("namespace"), metadata["name"]
    found = (
        labels.get("app.kubernetes.io/managed-by") == "k0rdent.kof"
        or marks.get("meta.helm.sh/release-name") in ("kof-mothership", "kof-operators")
        or (space == "kof" and (kind, name) not in BY_THEMSELVES)
        or (kind, name) in {("Namespace", "kof"), ("HelmRepository", "k0rdent-catalog")}
        or (kind == "CustomResourceDefinition" and name.partition(".")[2] in GROUPS)
    )
    told = f"{kind} {space}/{name}" if space else f"{kind} {name}"
    return told if found else ""


def at_aws(sandbox: Sandbox) -> set[str]:
    iam, zones = clients(sandbox)
    pages = zones.get_paginator("list_resource_record_sets").paginate(HostedZoneId=ZONE)
    records = [each for page in pages for each in page["ResourceRecordSets"] if each["Type"] not in ("NS", "SOA")]
    return {
        *(f"IAM user {each['UserName']}" for each in iam.list_users()["Users"]),
        *(f"IAM policy {each['PolicyName']}" for each in iam.list_policies(Scope="Local")["Policies"]),
        *(f"{each['Type']} {each['Name']}" for each in records),
    }


def as_admin(sandbox: Sandbox) -> str:
    """A kubeconfig of somebody who has the role of docs/rbac/admin.yaml, and no other."""
    sandbox.kubectl("apply", "-f", str(REPOSITORY / "docs" / "rbac" / "admin.yaml"))
    config = yaml.safe_load((sandbox.folder / "mothership.kubeconfig").read_text())
    config["users"][0]["user"] |= {"as": "ann", "as-groups": ["k0rdent-kof-admin"]}
    file = sandbox.folder / "ann.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return str(file)


def task(run: Run, step: int) -> dict[str, Any]:
    """The result of one of the three tasks."""
    found = [each["result"] for each in run.events if str(each.get("action")).endswith("fleet_uninstall")]
    return found[step]


def told(run: Run) -> str:
    return " ".join(run.output.split())


@pytest.fixture(scope="module")
def inventory(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a fleet that is there, with records that its external-dns has made and others have."""
    sandbox = own_sandbox
    written, folder = sandbox.inventory(tmp_path_factory.mktemp("uninstall"), FLEET), tmp_path_factory.mktemp("token")
    run = sandbox.playbook("site", inventory=written)
    assert run.code == 0, run.output
    run = sandbox.playbook(
        "access",
        "-e",
        "access_platform_admin=present",
        "-e",
        f"access_credentials_file={folder}/token",
        inventory=written,
    )
    assert run.code == 0, run.output
    _iam, zones = clients(sandbox)
    domain = FLEET.regionals[REGION]["regional_domain"]
    for name, kind, value in (
        (f"vmauth.{domain}", "A", "192.0.2.1"),
        (f"vmauth.{domain}", "TXT", HERITAGE),
        (f"a-vmauth.{domain}", "TXT", HERITAGE),
        ("www.kof.example.com", "A", "203.0.113.1"),
    ):
        record = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
        change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        zones.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=change)
    yield written
    sandbox.kubectl(
        "patch", "vmcluster", "mine", "-n", "kof", "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False
    )
    urllib.request.urlopen(urllib.request.Request(f"{sandbox.endpoints['aws']}/moto-api/reset", method="POST"))


def test_unconfirmed_changes_nothing_and_says_what_would_go(own_sandbox: Sandbox, inventory: str) -> None:
    mark = own_sandbox.audit_mark()
    for said in ((), ("-e", "kof_uninstall_confirm=another")):
        run = own_sandbox.playbook("uninstall", *said, *ALL, inventory=inventory)
        assert run.code != 0
        assert "would take fleet sandbox away from https://" in told(run)
        assert "3 clusters with their data" in told(run)
        assert "kof-mothership" in told(run)
        assert "vmstorage-db-vmstorage-cluster-0" in told(run) or "volumes" not in told(run)
        assert "pass -e kof_uninstall_confirm=sandbox" in told(run)
    assert own_sandbox.mutations_since(mark) == []


def test_faults_of_what_is_asked_for_are_told_before_anything(own_sandbox: Sandbox, inventory: str) -> None:
    mark = own_sandbox.audit_mark()
    run = own_sandbox.playbook("uninstall", *CONFIRMED, "-e", "kof_uninstall_also=namespaces", inventory=inventory)
    assert run.code != 0
    assert "namespaces is nothing that can go; did you mean namespace?" in told(run)
    run = own_sandbox.playbook("uninstall", *CONFIRMED, "--limit", f"mothership,{REGION}", inventory=inventory)
    assert run.code != 0
    assert "2 live clusters of fleet sandbox are in no host of this run" in told(run)
    assert all(child in told(run) for child in FLEET.children)
    assert own_sandbox.mutations_since(mark) == []


def test_what_is_others_keeps_namespace_and_charts(own_sandbox: Sandbox, inventory: str) -> None:
    """A ConfigMap of a person, a cluster of another fleet, an object of a kind that would go with a chart."""
    mark = own_sandbox.audit_mark()
    own_sandbox.kubectl("create", "configmap", "mine", "-n", "kof")
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "theirs"}}
    own_sandbox.kubectl("create", "-f", "-", stdin=json.dumps({**role, "rules": []}))
    owner = {**role, **own_sandbox.get("clusterrole", "theirs")["metadata"]}
    owned = {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
    made = {"name": "owned", "namespace": "kof", "ownerReferences": [owned]}
    own_sandbox.kubectl(
        "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": made})
    )
    run = own_sandbox.playbook("uninstall", *CONFIRMED, *ALL, inventory=inventory)
    assert run.code != 0
    assert "namespace kof can't go with what isn't kof's: ConfigMap kof/mine" in told(run)
    assert "ConfigMap kof/owned (of ClusterRole theirs)" in told(run)
    own_sandbox.kubectl("delete", "configmap", "mine", "owned", "-n", "kof")
    own_sandbox.kubectl("delete", "clusterrole", "theirs")

    child = min(FLEET.children)
    item = own_sandbox.get("clusterdeployment", child, "-n", "kcm-system")
    other = {
        "apiVersion": item["apiVersion"], "kind": item["kind"], "spec": {**item["spec"], "dryRun": True},
        "metadata": {"name": "others", "namespace": "kcm-system"},
    }  # fmt: skip
    own_sandbox.kubectl("create", "-f", "-", stdin=json.dumps(other))
    run = own_sandbox.playbook("uninstall", *CONFIRMED, inventory=inventory)
    assert run.code != 0
    assert "others need what kof's charts have brought: kcm-system/others (uses" in told(run)
    own_sandbox.kubectl("delete", "clusterdeployment", "others", "-n", "kcm-system")

    if "servicemonitors.monitoring.coreos.com" in own_sandbox.kubectl("get", "crd", "-o", "name"):
        monitor = {
            "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
            "metadata": {"name": "mine", "namespace": "default"}, "spec": {"selector": {}, "endpoints": []},
        }  # fmt: skip
        own_sandbox.kubectl("create", "-f", "-", stdin=json.dumps(monitor))
        run = own_sandbox.playbook("uninstall", *CONFIRMED, inventory=inventory)
        assert run.code != 0
        assert "goes with Helm release kof-operators, and with it others' objects" in told(run)
        assert "ServiceMonitor default/mine" in told(run)
        own_sandbox.kubectl("delete", "servicemonitor", "mine", "-n", "default")
    assert own_sandbox.mutations_since(mark) == []


@pytest.mark.long  # each kind that is listed has its own in tests/unit/plugins/action/test_fleet_uninstall.py
def test_a_kind_that_cant_be_listed_is_never_taken_for_an_empty_one(own_sandbox: Sandbox, inventory: str) -> None:
    """The webhook that converts it is away: whatever there is of it stays, and with it all else."""
    mark, admin = own_sandbox.audit_mark(), own_sandbox.folder / "mothership.kubeconfig"
    group = {
        "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1", "kind": "PromxyServerGroup",
        "metadata": {"name": "theirs", "namespace": "kof"},
        "spec": own_sandbox.get("promxyservergroup", f"{REGION}-metrics", "-n", "kof")["spec"],
    }  # fmt: skip
    with unconvertible(admin, "promxyservergroups.kof.k0rdent.mirantis.com", group):
        run = own_sandbox.playbook("uninstall", *CONFIRMED, *ALL, inventory=inventory)
        seen = own_sandbox.playbook("status", inventory=inventory)
    assert run.code != 0
    assert "can't be looked at, whosever it is: PromxyServerGroup (kof.k0rdent.mirantis.com/v1alpha1)" in told(run)
    assert "conversion webhook" in told(run)
    assert "Nothing was changed" in told(run)
    assert "Traceback" not in run.output + seen.output
    assert "PromxyServerGroup: " in told(seen)
    assert "conversion webhook" in told(seen)
    assert own_sandbox.mutations_since(mark) == []


def test_check_mode_changes_nothing(own_sandbox: Sandbox, inventory: str) -> None:
    before, mark = there(own_sandbox), own_sandbox.audit_mark()
    run = own_sandbox.playbook("uninstall", "--check", *ALL, inventory=inventory)
    assert run.code == 0, run.output
    assert own_sandbox.mutations_since(mark) == []
    assert there(own_sandbox) == before
    assert "Nothing would be left" in told(run), run.output
    deleted = {each["object"] for step in (1, 2) for each in task(run, step)["objects"]}
    assert {"Namespace kof", f"PromxyServerGroup kof/{REGION}-metrics"} <= deleted


def test_a_stuck_finalizer_is_explained_and_not_stripped(own_sandbox: Sandbox, inventory: str) -> None:
    """A VMCluster of the chart whose operator doesn't do its work: the charts stay, so that it still can."""
    held = {
        "apiVersion": "operator.victoriametrics.com/v1beta1", "kind": "VMCluster", "spec": {"retentionPeriod": "1"},
        "metadata": {
            "name": "mine", "namespace": "kof", "finalizers": ["apps.victoriametrics.com/finalizer"],
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {
                "meta.helm.sh/release-name": "kof-mothership", "meta.helm.sh/release-namespace": "kof",
            },
        },
    }  # fmt: skip
    own_sandbox.kubectl("create", "-f", "-", stdin=json.dumps(held))
    run = own_sandbox.playbook("uninstall", *CONFIRMED, "-e", "kof_wait_timeout=20", inventory=inventory)
    assert run.code != 0
    assert "VMCluster kof/mine is still there after" in told(run)
    assert "held by apps.victoriametrics.com/finalizer, which the VictoriaMetrics operator takes off" in told(run)
    assert "kubectl logs deployment/kof-mothership-victoria-metrics-operator -n kof" in told(run)
    found = own_sandbox.get("vmcluster", "mine", "-n", "kof")["metadata"]
    assert found["finalizers"] == ["apps.victoriametrics.com/finalizer"]
    assert "deletionTimestamp" in found
    assert "kof-mothership" in own_sandbox.helm("list", "-n", "kof", "-q")
    own_sandbox.kubectl(
        "patch", "vmcluster", "mine", "-n", "kof", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )


def test_what_is_left_is_exactly_what_the_report_says(own_sandbox: Sandbox, inventory: str) -> None:
    predicted = task(own_sandbox.playbook("uninstall", "--check", inventory=inventory), 2)["left"]
    run = own_sandbox.playbook("uninstall", *CONFIRMED, inventory=inventory)
    assert run.code == 0, run.output
    assert own_sandbox.helm("list", "-n", "kof", "-q", "--all").split() == []
    left = {each["object"] for each in task(run, 2)["left"]}
    on_cluster = {each for each in left if not each.startswith(("IAM", "DNS"))}
    assert on_cluster == there(own_sandbox)
    assert {"Namespace kof", "Secret kof/external-dns-aws-credentials"} <= on_cluster
    assert {each for each in left if each.startswith("IAM")} == {
        "IAM user kof-external-dns-sandbox",
        "IAM access key kof-external-dns-sandbox",
        "IAM policy kof-external-dns-sandbox",
    }
    assert all(each["remove"] for each in task(run, 2)["left"])
    foreseen = {each["object"] for each in predicted}
    assert foreseen <= left
    # The run's own record, and what helm makes only while it uninstalls.
    assert [each for each in left - foreseen if "kof-run-" not in each and "-cleanup-hook" not in each] == []


def test_nothing_is_left_with_everything_asked_for(own_sandbox: Sandbox, inventory: str) -> None:
    others = {"IAM user others"}
    iam, _zones = clients(own_sandbox)
    iam.create_user(UserName="others")
    admin = as_admin(own_sandbox)
    mark = own_sandbox.audit_mark()
    run = own_sandbox.playbook("uninstall", *CONFIRMED, *ALL, "-e", f"kof_kubeconfig={admin}", inventory=inventory)
    assert run.code == 0, run.output
    own_sandbox.kubectl("delete", "clusterrolebinding", "k0rdent-kof-admin")
    assert own_sandbox.mutations_since(mark) == []  # all by the administrator of docs/rbac/admin.yaml
    assert task(run, 2)["left"] == []
    assert "Nothing is left" in told(run)
    assert there(own_sandbox) == set()
    assert at_aws(own_sandbox) == {*others, "A www.kof.example.com."}
    iam.delete_user(UserName="others")


def test_again_there_is_nothing_to_do(own_sandbox: Sandbox, inventory: str) -> None:
    mark = own_sandbox.audit_mark()
    run = own_sandbox.playbook("uninstall", inventory=inventory)
    assert run.code == 0, run.output
    assert run.total("changed") == 0
    assert own_sandbox.mutations_since(mark) == []
