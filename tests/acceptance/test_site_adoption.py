"""A fleet that somebody made by hand, as the reader of a line's guide does, becomes ours: one manager is left, keys
that only they wrote go, and the guide's fixed-name objects are named, and replaced on request.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import yaml
from support import Sandbox

pytestmark = pytest.mark.lines

REGIONAL, CHILD = "aws-us-east-2", "aws-us-east-2-child1"
DOMAIN = f"{REGIONAL}.kof.example.com"
GUIDE_GROUP, GUIDE_SOURCE = "promxyservergroup-sample", "victoria-logs-regional0"
LOGIN = {
    "username_key": "username",
    "password_key": "password",
    "credentials_secret_name": "storage-vmuser-credentials",
}
#: This fleet is one region, its DNS Secret was made by hand.
ARGUMENTS = ("--limit", f"mothership,{REGIONAL},{CHILD}", "-e", "dns_credentials_method=none")


@dataclasses.dataclass(frozen=True)
class Guide:
    """What a line's guide says otherwise.

    :ivar charts: version of kof's charts.
    :ivar versions: what its names of ServiceTemplates end in: of kof's, of cert-manager's.
    :ivar cert_manager: values of cert-manager.
    :ivar sources: names of the GrafanaDatasources that its reader applies.
    """

    template: str
    charts: str
    versions: tuple[str, str]
    cert_manager: dict[str, Any]
    sources: tuple[str, ...]


GUIDES = {
    "0.0": Guide("aws-standalone-cp-0-0-5", "0.1.0", ("", ""), {"crds": {"enabled": True}}, ()),
    "0.1": Guide(
        "aws-standalone-cp-0-1-0",
        "0.1.1",
        ("-0-1-1", "-1-16-2"),
        {"cert-manager": {"crds": {"enabled": True}}},
        (GUIDE_SOURCE,),
    ),
}


def cluster_deployment(
    guide: Guide, name: str, config: dict[str, Any], labels: dict[str, str], services: list[Any]
) -> dict[str, Any]:
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": labels},
        "spec": {
            "template": guide.template,
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


def cert_manager(guide: Guide, namespace: str) -> dict[str, str]:
    template, values = f"cert-manager{guide.versions[1]}", yaml.safe_dump(guide.cert_manager)
    return {"name": "cert-manager", "namespace": namespace, "template": template, "values": values}


def by_hand(guide: Guide) -> list[dict[str, Any]]:
    """What the guide has its reader apply for one region and one child."""
    kof = guide.versions[0]
    storage = {
        "external-dns": {"enabled": True},
        "victoriametrics": {"vmauth": {"ingress": {"host": f"vmauth.{DOMAIN}"}}},
        "grafana": {"ingress": {"host": f"grafana.{DOMAIN}"}},
    }
    return [
        cluster_deployment(
            guide,
            REGIONAL,
            # publicIP is the reader's own; our inventory says nothing of bastion, so that key must go.
            {"controlPlaneNumber": 1, "publicIP": True, "workersNumber": 3, "bastion": {"enabled": True}},
            {"kof": "storage"},
            [
                {"name": "ingress-nginx", "namespace": "ingress-nginx", "template": "ingress-nginx-4-11-3"},
                cert_manager(guide, "cert-manager"),
                {
                    "name": "kof-storage",
                    "namespace": "kof",
                    "template": f"kof-storage{kof}",
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
                    "basic_auth": LOGIN,
                },
            },
        },
        *(
            {
                "apiVersion": "grafana.integreatly.org/v1beta1",
                "kind": "GrafanaDatasource",
                "metadata": {"name": name, "namespace": "kof", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
                "spec": {
                    "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
                    "datasource": {
                        "name": REGIONAL,
                        "type": "victoriametrics-logs-datasource",
                        "url": f"https://vmauth.{DOMAIN}/vls",
                        "access": "proxy",
                    },
                },
            }
            for name in guide.sources
        ),
        cluster_deployment(
            guide,
            CHILD,
            {"controlPlaneNumber": 1, "workersNumber": 3},
            {"kof": "collector"},
            [
                cert_manager(guide, "kof"),
                {"name": "kof-operators", "namespace": "kof", "template": f"kof-operators{kof}"},
                {"name": "kof-collectors", "namespace": "kof", "template": f"kof-collectors{kof}"},
            ],
        ),
    ]


@pytest.fixture(scope="module")
def guide(line: str) -> Guide:
    return GUIDES[line]


@pytest.fixture(scope="module")
def hand_made(own_sandbox: Sandbox, guide: Guide, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A management cluster where somebody followed the guide; its clusters have no control planes of their own."""
    sandbox = own_sandbox
    charts = sandbox.endpoints["chart_repository"]
    values = tmp_path_factory.mktemp("hand") / "mothership-values.yaml"
    profile = {
        "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
        "secrets": ["external-dns-aws-credentials"],
    }
    # Of a mirror, whose newest may be any.
    versions = {name: {"version": guide.charts} for name in ("operators", "collectors", "storage")}
    kof = {
        "repo": {"url": charts, "insecure": True},
        "charts": versions,
        "clusterProfiles": {"kof-aws-dns-secrets": profile},
    }
    url = f"https://vmauth.{DOMAIN}/vls"
    source = {"name": REGIONAL, "url": url, "type": "victoriametrics-logs-datasource", "auth": LOGIN}
    grafana = {"logSources": [] if guide.sources else [source]}
    values.write_text(yaml.safe_dump({"kcm": {"installTemplates": True, "kof": kof}, "grafana": grafana}))
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
            *((f"{charts}/{chart}", "--plain-http") if charts.startswith("oci:") else (chart, "--repo", charts)),
            "--version",
            guide.charts,
            # As whoever followed the guide with a helm of today has to say for kof-operators.
            "--skip-schema-validation",
            *extra,
        )
    templates = [f"{name}{guide.versions[0]}" for name in ("kof-storage", "kof-operators", "kof-collectors")]
    for name in (*templates, f"cert-manager{guide.versions[1]}", "ingress-nginx-4-11-3"):
        sandbox.kubectl(
            "wait",
            "-n",
            "kcm-system",
            f"servicetemplate/{name}",
            "--for=jsonpath={.status.valid}=true",
            "--timeout=600s",
        )
    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(by_hand(guide)))
    return sandbox


def managers(item: dict[str, Any]) -> set[str]:
    return {each["manager"] for each in item["metadata"]["managedFields"] if each.get("subresource") != "status"}


def test_preflight_names_the_guides_objects(hand_made: Sandbox, guide: Guide) -> None:
    run = hand_made.playbook("preflight", *ARGUMENTS)
    for name in (GUIDE_GROUP, *guide.sources):
        assert name in run.output
    assert "kof_replace_guide_objects" in run.output
    # Line 0.0's guide has its data source made by the charts, with values that ours don't have.
    first = "is kept by helm release kof-mothership" in " ".join(run.output.split())
    assert first is not bool(guide.sources)
    assert ("run k0rdent.kof.mothership first" in " ".join(run.output.split())) is first


def test_hand_made_fleet_is_adopted(hand_made: Sandbox, guide: Guide) -> None:
    replace = (*ARGUMENTS, "-e", '{"kof_replace_guide_objects": true}')
    if not guide.sources:
        first = hand_made.playbook("mothership", *ARGUMENTS)
        assert first.code == 0, first.output
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
    for name in guide.sources:
        assert (f"GrafanaDatasource kof/{name}", "deleted") in run.changes()
    sources = hand_made.get("grafanadatasources", "-n", "kof")["items"]
    ours = f"{REGIONAL}-logs"
    assert [each["metadata"]["name"] for each in sources if REGIONAL in json.dumps(each["spec"])] == [ours]
    groups = hand_made.get("promxyservergroups", "-n", "kof")["items"]
    assert [group["metadata"]["name"] for group in groups] == [f"{REGIONAL}-metrics"]


def test_third_run_changes_nothing(hand_made: Sandbox) -> None:
    mark = hand_made.audit_mark()
    run = hand_made.playbook("site", *ARGUMENTS)
    assert run.code == 0, run.output
    assert run.total("changed") == 0, run.changes()
    assert hand_made.mutations_since(mark) == []
