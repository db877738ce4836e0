"""A fleet that somebody made by hand, as the kof 0.1.1 guide's reader does, becomes ours: one manager is left,
keys that only they wrote go, and the guide's fixed-name objects are named, and replaced on request.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from support import Sandbox

REGIONAL, CHILD = "aws-us-east-2", "aws-us-east-2-child1"
DOMAIN = f"{REGIONAL}.kof.example.com"
GUIDE_GROUP, GUIDE_SOURCE = "promxyservergroup-sample", "victoria-logs-regional0"
#: This fleet is one region, its DNS Secret was made by hand.
ARGUMENTS = ("--limit", f"mothership,{REGIONAL},{CHILD}", "-e", "dns_credentials_method=none")


def cluster_deployment(
    name: str, config: dict[str, Any], labels: dict[str, str], services: list[Any]
) -> dict[str, Any]:
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": labels},
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws-cluster-identity-cred",
            "config": {
                "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
                "clusterLabels": {"k0rdent.mirantis.com/kof-storage-secrets": "true"},
                "region": "us-east-2",
                **config,
            },
            "serviceSpec": {"priority": 100, "services": services},
        },
    }


def cert_manager(namespace: str) -> dict[str, str]:
    values = yaml.safe_dump({"cert-manager": {"crds": {"enabled": True}}})
    return {"name": "cert-manager", "namespace": namespace, "template": "cert-manager-1-16-2", "values": values}


def by_hand() -> list[dict[str, Any]]:
    """What the guide has its reader apply for one region and one child."""
    storage = {
        "external-dns": {"enabled": True},
        "victoriametrics": {"vmauth": {"ingress": {"host": f"vmauth.{DOMAIN}"}}},
        "grafana": {"ingress": {"host": f"grafana.{DOMAIN}"}},
    }
    secret = {
        "username_key": "username",
        "password_key": "password",
        "credentials_secret_name": "storage-vmuser-credentials",
    }
    return [
        cluster_deployment(
            REGIONAL,
            # publicIP is the reader's own; our inventory says nothing of bastion, so that key must go.
            {"controlPlaneNumber": 1, "publicIP": True, "workersNumber": 3, "bastion": {"enabled": True}},
            {"kof": "storage"},
            [
                {"name": "ingress-nginx", "namespace": "ingress-nginx", "template": "ingress-nginx-4-11-3"},
                cert_manager("cert-manager"),
                {
                    "name": "kof-storage",
                    "namespace": "kof",
                    "template": "kof-storage-0-1-1",
                    "values": yaml.safe_dump(storage),
                },
            ],
        ),
        {
            "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1",
            "kind": "PromxyServerGroup",
            "metadata": {
                "name": GUIDE_GROUP,
                "namespace": "kof",
                "labels": {"k0rdent.mirantis.com/promxy-secret-name": "kof-mothership-promxy-config"},
            },
            "spec": {
                "cluster_name": REGIONAL,
                "targets": [f"vmauth.{DOMAIN}:443"],
                "path_prefix": "/vm/select/0/prometheus/",
                "scheme": "https",
                "http_client": {
                    "dial_timeout": "5s",
                    "tls_config": {"insecure_skip_verify": True},
                    "basic_auth": secret,
                },
            },
        },
        {
            "apiVersion": "grafana.integreatly.org/v1beta1",
            "kind": "GrafanaDatasource",
            "metadata": {"name": GUIDE_SOURCE, "namespace": "kof", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
            "spec": {
                "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
                "datasource": {
                    "name": REGIONAL,
                    "type": "victoriametrics-logs-datasource",
                    "url": f"https://vmauth.{DOMAIN}/vls",
                    "access": "proxy",
                },
            },
        },
        cluster_deployment(
            CHILD,
            {"controlPlaneNumber": 1, "workersNumber": 3},
            {"kof": "collector"},
            [
                cert_manager("kof"),
                {"name": "kof-operators", "namespace": "kof", "template": "kof-operators-0-1-1"},
                {"name": "kof-collectors", "namespace": "kof", "template": "kof-collectors-0-1-1"},
            ],
        ),
    ]


@pytest.fixture(scope="module")
def hand_made(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A management cluster where somebody followed the guide; its clusters have no control planes of their own."""
    sandbox = own_sandbox
    registry = sandbox.endpoints["registry"]
    values = tmp_path_factory.mktemp("hand") / "mothership-values.yaml"
    profile = {
        "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
        "secrets": ["external-dns-aws-credentials"],
    }
    repo = {"url": f"oci://{registry}/kof/charts", "insecure": True}
    kof = {"repo": repo, "clusterProfiles": {"kof-aws-dns-secrets": profile}}
    values.write_text(yaml.safe_dump({"kcm": {"installTemplates": True, "kof": kof}}))
    sandbox.kubectl("create", "namespace", "kof")
    sandbox.kubectl(
        "create",
        "secret",
        "generic",
        "-n",
        "kof",
        "external-dns-aws-credentials",
        "--from-literal=external-dns-aws-credentials=[default]",
    )
    for chart, extra in (("kof-operators", []), ("kof-mothership", ["-f", str(values)])):
        sandbox.helm(
            "install",
            "-n",
            "kof",
            chart,
            f"oci://{registry}/kof/charts/{chart}",
            "--version",
            "0.1.1",
            "--plain-http",
            # As whoever followed the guide with a helm of today has to say for kof-operators.
            "--skip-schema-validation",
            *extra,
        )
    for name in (
        "kof-storage-0-1-1",
        "cert-manager-1-16-2",
        "ingress-nginx-4-11-3",
        "kof-operators-0-1-1",
        "kof-collectors-0-1-1",
    ):
        sandbox.kubectl(
            "wait",
            "-n",
            "kcm-system",
            f"servicetemplate/{name}",
            "--for=jsonpath={.status.valid}=true",
            "--timeout=60s",
        )
    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(by_hand()))
    return sandbox


def managers(item: dict[str, Any]) -> set[str]:
    return {each["manager"] for each in item["metadata"]["managedFields"] if each.get("subresource") != "status"}


def test_preflight_names_the_guides_objects(hand_made: Sandbox) -> None:
    run = hand_made.playbook("preflight", *ARGUMENTS)
    assert GUIDE_GROUP in run.output
    assert GUIDE_SOURCE in run.output
    assert "kof_replace_guide_objects" in run.output


def test_hand_made_fleet_is_adopted(hand_made: Sandbox) -> None:
    replace = (*ARGUMENTS, "-e", '{"kof_replace_guide_objects": true}')
    predicted = hand_made.playbook("site", "--check", "--diff", *replace)
    assert predicted.code == 0, predicted.output
    run = hand_made.playbook("site", "--diff", *replace)
    assert run.code == 0, run.output
    assert predicted.changes() == run.changes()
    for name in (REGIONAL, CHILD):
        live = hand_made.get("clusterdeployment", "-n", "kcm-system", name, "--show-managed-fields")
        assert not {each for each in managers(live) if each.startswith("kubectl")}, name
        assert "k0rdent.kof" in managers(live)
        assert "kubectl.kubernetes.io/last-applied-configuration" not in json.dumps(
            live["metadata"].get("annotations", {})
        )
        assert "bastion" not in live["spec"]["config"]
    assert (f"PromxyServerGroup kof/{GUIDE_GROUP}", "deleted") in run.changes()
    assert (f"GrafanaDatasource kof/{GUIDE_SOURCE}", "deleted") in run.changes()
    groups = hand_made.get("promxyservergroups", "-n", "kof")["items"]
    assert [group["metadata"]["name"] for group in groups] == [f"{REGIONAL}-metrics"]


def test_third_run_changes_nothing(hand_made: Sandbox) -> None:
    mark = hand_made.audit_mark()
    run = hand_made.playbook("site", *ARGUMENTS)
    assert run.code == 0, run.output
    assert run.total("changed") == 0, run.changes()
    assert hand_made.mutations_since(mark) == []
