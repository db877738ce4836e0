"""What all fleets of a management cluster share has one owner: two fleets, a newer kof, Flux' releases, hosted zones.

The layers are also run without the preflight before them, as somebody's own playbook or an AWX job does it.
"""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
import urllib.parse
import urllib.request
from typing import Any

import pytest
import yaml
from support import Run, Sandbox

A, B = "team-a", "team-b"
CONFIG = {
    "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
    "controlPlane": {"instanceType": "t3.large"},
    "controlPlaneNumber": 1,
    "worker": {"instanceType": "t3.medium"},
    "workersNumber": 3,
}
DNS_SECRET = ("secret", "external-dns-aws-credentials", "-n", "kof")


def inventory(
    folder: pathlib.Path, sandbox: Sandbox, fleet: str, mothership: dict[str, Any] | None, *regions: str
) -> str:
    """One team's inventory: its mothership's variables (None: the mothership is another fleet's), its regions, each
    with a child."""
    ends = sandbox.endpoints
    aws = {
        "dns_credentials_endpoint_url": ends["aws"],
        "dns_credentials_aws_access_key": "AKIASANDBOXADMIN0000",
        "dns_credentials_aws_secret_key": "secret-of-the-sandbox-administrator",
    }
    shared = {
        "kof_version": "0.1.1",
        "kof_fleet": fleet,
        "kof_kubeconfig": ends["kof_kubeconfig"],
        "kof_helm_binary": ends["helm"],
        "kof_chart_repository": f"oci://{ends['registry']}/kof/charts",
        "kof_chart_repository_plain_http": True,
        "regional_admin_email": "platform@example.com",
        "regional_external_dns": "node",
    }
    hosts = {
        "all": {"vars": shared},
        "kof_mothership": {"hosts": {} if mothership is None else {"mothership": {**aws, **mothership}}},
        "kof_regional": {
            "hosts": {
                name: {
                    "regional_domain": f"{name}.{fleet}.example.org",
                    "regional_config": {**CONFIG, "region": "us-west-2"},
                }
                for name in regions
            }
        },
        "kof_child": {
            "hosts": {
                f"{name}-child": {"child_regional": name, "child_config": {**CONFIG, "region": "us-west-2"}}
                for name in regions
            }
        },
    }
    file = folder / fleet / "hosts.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(hosts))
    return str(file)


def iam_user(zone: str, cpu: str) -> dict[str, Any]:
    return {
        "dns_credentials_method": "iam_user",
        "dns_credentials_hosted_zones": [zone],
        "mothership_values": {"promxy": {"resources": {"requests": {"cpu": cpu}}}},
    }


def iam(sandbox: Sandbox, action: str) -> str:
    """What IAM answers to a question without parameters, as XML."""
    signed = "AWS4-HMAC-SHA256 Credential=AKIASANDBOXADMIN0000/20260101/us-east-1/iam/aws4_request"
    request = urllib.request.Request(
        sandbox.endpoints["aws"],
        data=urllib.parse.urlencode({"Action": action, "Version": "2010-05-08"}).encode(),
        headers={"Authorization": f"{signed}, SignedHeaders=host, Signature=0"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def refused(run: Run, *told: str) -> None:
    assert run.code != 0, run.output
    # Ansible wraps nothing, but quotes.
    for each in told:
        assert each in run.output, run.output
    assert run.total("changed") == 0


@pytest.fixture(scope="module")
def team_a(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Team A's inventory, installed."""
    ours = inventory(tmp_path_factory.mktemp("a"), own_sandbox, A, iam_user("Z0EXAMPLE00000000000", "100m"))
    installed = own_sandbox.playbook("site", inventory=ours)
    assert installed.code == 0, installed.output
    return ours


def test_another_fleet_is_refused_early_and_at_the_act(
    own_sandbox: Sandbox, team_a: str, tmp_path: pathlib.Path
) -> None:
    theirs = inventory(tmp_path, own_sandbox, B, iam_user("Z0EXAMPLE00000000002", "150m"), "b-us-west-2")
    mark, secret = own_sandbox.audit_mark(), own_sandbox.get(*DNS_SECRET)["data"]
    early = own_sandbox.playbook("site", inventory=theirs)
    refused(early, "shared layer", "namespace kof belongs to fleet team-a", "no host in kof_mothership")
    for layer in ("mothership", "dns_credentials"):
        for mode in ((), ("--check",)):
            refused(
                own_sandbox.playbook(f"layers/{layer}", *mode, inventory=theirs), "belongs to fleet team-a", "team-b"
            )
    # The charts alone, as from a task list that was entered in the middle.
    refused(
        own_sandbox.playbook(
            "layers/mothership", "--start-at-task", "Install or upgrade the charts, in this order", inventory=theirs
        ),
        "belongs to fleet team-a",
    )
    assert own_sandbox.changes_since(mark) == []
    assert own_sandbox.get(*DNS_SECRET)["data"] == secret
    assert "team-b" not in iam(own_sandbox, "ListUsers")
    assert "team-b" not in iam(own_sandbox, "ListPolicies")


def test_another_fleet_has_regions_and_children_of_its_own(
    own_sandbox: Sandbox, team_a: str, tmp_path: pathlib.Path
) -> None:
    secret = own_sandbox.get(*DNS_SECRET)["data"]
    theirs = inventory(tmp_path, own_sandbox, B, None, "b-us-west-2")
    made = own_sandbox.playbook("site", inventory=theirs)
    assert made.code == 0, made.output
    clusters = own_sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
    fleets = {each["metadata"]["name"]: each["metadata"]["labels"]["app.kubernetes.io/part-of"] for each in clusters}
    assert fleets == {"b-us-west-2": B, "b-us-west-2-child": B}
    again = own_sandbox.playbook("site", inventory=theirs)
    assert (again.code, again.total("changed")) == (0, 0), again.output
    owner = own_sandbox.get("namespace", "kof")["metadata"]["labels"]["app.kubernetes.io/part-of"]
    assert (owner, own_sandbox.get(*DNS_SECRET)["data"]) == (A, secret)
    # And with its mothership in the inventory, but left out of the run.
    theirs = inventory(tmp_path, own_sandbox, B, iam_user("Z0EXAMPLE00000000002", "150m"), "b-us-west-2")
    again = own_sandbox.playbook("site", "--skip-tags", "dns_credentials,mothership", inventory=theirs)
    assert (again.code, again.total("changed")) == (0, 0), again.output
    unmoved = own_sandbox.playbook("site", inventory=team_a)
    assert (unmoved.code, unmoved.total("changed")) == (0, 0), unmoved.output


def rewrite(sandbox: Sandbox, release: str, version: str, manifest: str = "") -> None:
    """Have a Helm release say that its chart is of this version; what to add to its manifest."""
    selector = f"owner=helm,name={release},status=deployed"
    (secret,) = sandbox.get("secrets", "-n", "kof", "-l", selector)["items"]
    payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    payload["chart"]["metadata"]["version"] = version
    payload["manifest"] += manifest
    stored = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    patch = json.dumps({"data": {"release": stored}})
    sandbox.kubectl("patch", "secret", "-n", "kof", secret["metadata"]["name"], "-p", patch)


@pytest.mark.parametrize(
    ("release", "version", "manifest", "early", "late"),
    [
        ("kof-mothership", "1.10.0", "", "of line 1.10", "there is no way back"),
        pytest.param(
            "kof-mothership",
            "0.1.1",
            "---\nkind: ConfigMap\nmetadata:\n  labels:\n    helm.toolkit.fluxcd.io/name: kof\n"
            "    helm.toolkit.fluxcd.io/namespace: flux-system\n",
            "kept by the Flux HelmRelease flux-system/kof",
            "the Flux HelmRelease flux-system/kof keeps it",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_newer_kof_and_one_that_flux_keeps(
    own_sandbox: Sandbox,
    team_a: str,
    tmp_path: pathlib.Path,
    release: str,
    version: str,
    manifest: str,
    early: str,
    late: str,
) -> None:
    selector = ("secrets", "-n", "kof", "-l", f"owner=helm,name={release},status=deployed")
    before = own_sandbox.get(*selector)["items"][0]
    try:
        rewrite(own_sandbox, release, version, manifest)
        other = inventory(tmp_path, own_sandbox, A, iam_user("Z0EXAMPLE00000000000", "175m"), "a-us-west-2")
        mark = own_sandbox.audit_mark()
        refused(own_sandbox.playbook("mothership", inventory=other), "installed kof", early)
        refused(own_sandbox.playbook("layers/mothership", inventory=other), late)
        refused(own_sandbox.playbook("layers/mothership", "--check", inventory=other), late)
        if not manifest:
            # Its clusters are written for that kof, too.
            refused(own_sandbox.playbook("regional", inventory=other), "installed kof", early)
        assert own_sandbox.changes_since(mark) == []
    finally:
        patch = json.dumps({"data": before["data"]})
        own_sandbox.kubectl("patch", "secret", "-n", "kof", before["metadata"]["name"], "-p", patch)


def test_a_zone_that_does_not_exist_or_is_of_another_domain(
    own_sandbox: Sandbox, team_a: str, tmp_path: pathlib.Path
) -> None:
    mark = own_sandbox.audit_mark()
    missing = inventory(tmp_path, own_sandbox, A, iam_user("Z0TYPO00000000000000", "100m"))
    refused(
        own_sandbox.playbook("site", inventory=missing),
        "dns_credentials_hosted_zones: hosted zone Z0TYPO00000000000000: doesn't exist",
    )
    other = inventory(tmp_path, own_sandbox, A, iam_user("Z0EXAMPLE00000000000", "100m"), "a-us-west-2")
    refused(
        own_sandbox.playbook("site", "-e", "regional_external_dns=secret", inventory=other),
        "external-dns may write to example.com, and a-us-west-2.team-a.example.org isn't in there",
    )
    assert own_sandbox.changes_since(mark) == []


def test_what_gitops_keeps_is_not_adopted(own_sandbox: Sandbox, team_a: str, tmp_path: pathlib.Path) -> None:
    ours = inventory(tmp_path, own_sandbox, A, {}, "gitops-1")
    cluster = {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "gitops-1",
            "namespace": "kcm-system",
            "labels": {
                "kustomize.toolkit.fluxcd.io/name": "fleet",
                "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
            },
        },
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws-cluster-identity-cred",
            "config": {**CONFIG, "region": "us-west-2"},
        },
    }
    apply = ("apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-")
    own_sandbox.kubectl(*apply, stdin=json.dumps(cluster))
    try:
        mark = own_sandbox.audit_mark()
        told = "regional_cluster_name: ClusterDeployment kcm-system/gitops-1: kept by the Flux Kustomization fleet"
        refused(own_sandbox.playbook("regional", inventory=ours), told)
        late = own_sandbox.playbook("layers/regional", "-v", inventory=ours)
        assert "the Flux Kustomization fleet" in late.output, late.output
        assert own_sandbox.changes_since(mark) == []
    finally:
        own_sandbox.kubectl("delete", "clusterdeployment", "-n", "kcm-system", "gitops-1", "--timeout=600s")
