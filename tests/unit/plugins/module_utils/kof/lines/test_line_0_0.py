"""Line 0.0 as blueprint data: the whole objects of a region and a child, as that kof takes them."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Kind, Part
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import mothership_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    parse_child,
    parse_mothership,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

GIVEN = Given(KOF_0_0, "v1alpha1", "aws-standalone-cp-0-0-5", "cloud1-region1.kof.example.com")
CONFIG = {
    "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
    "controlPlane": {"instanceType": "t3.large"},
    "controlPlaneNumber": 1,
    "publicIP": True,
    "region": "us-east-2",
    "worker": {"instanceType": "t3.medium"},
    "workersNumber": 3,
}
OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "kof"}
CERT_MANAGER = {"crds": {"enabled": True}}


def regional(given: Given = GIVEN, **variables: Any) -> tuple[Part, ...]:
    cluster, faults = parse_regional(
        "cloud1-region1",
        {
            "kof_version": "0.1.1",
            "regional_domain": "cloud1-region1.kof.example.com",
            "regional_admin_email": "admin@example.com",
            "regional_config": CONFIG,
            **variables,
        },
    )
    assert cluster, faults
    return parts("regional", cluster, given)


def child(given: Given = GIVEN, **variables: Any) -> tuple[Part, ...]:
    cluster, faults = parse_child(
        "cloud1-region1-child1",
        {"kof_version": "0.1.1", "child_regional": "cloud1-region1", "child_config": CONFIG, **variables},
    )
    assert cluster, faults
    return parts("child", cluster, given)


def objects(found: tuple[Part, ...]) -> list[dict[str, Any]]:
    """Their manifests, the services' values read: their text is a matter of style."""
    made = [part.manifest() for part in found if part.manifest]
    for service in (made[0]["spec"]["serviceSpec"]["services"]) if made else ():
        if "values" in service:
            service["values"] = yaml.safe_load(service["values"])
    return made


def test_the_cluster_deployment_of_a_region() -> None:
    assert objects(regional())[0] == {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "cloud1-region1",
            "namespace": "kcm-system",
            "labels": {**OURS, "kof": "storage"},
            "annotations": {"k0rdent-kof/regional-domain": "cloud1-region1.kof.example.com"},
        },
        "spec": {
            "template": "aws-standalone-cp-0-0-5",
            "credential": "aws-cluster-identity-cred",
            "config": {
                **CONFIG,
                "clusterLabels": {
                    "k0rdent.mirantis.com/kof-storage-secrets": "true",
                    "k0rdent.mirantis.com/kof-aws-dns-secrets": "true",
                },
            },
            "serviceSpec": {
                "priority": 100,
                "services": [
                    {"name": "ingress-nginx", "namespace": "ingress-nginx", "template": "ingress-nginx-4-11-3"},
                    {
                        "name": "cert-manager",
                        "namespace": "cert-manager",
                        "template": "cert-manager",
                        "values": CERT_MANAGER,
                    },
                    {
                        "name": "kof-storage",
                        "namespace": "kof",
                        "template": "kof-storage",
                        "values": {
                            "cert-manager": {"email": "admin@example.com"},
                            "external-dns": {
                                "enabled": True,
                                "txtOwnerId": "kof-cloud1-region1",
                                "domainFilters": ["cloud1-region1.kof.example.com"],
                                "extraArgs": ["--aws-zone-match-parent"],
                            },
                            "grafana": {
                                "ingress": {"host": "grafana.cloud1-region1.kof.example.com"},
                                "security": {"credentials_secret_name": "grafana-admin-credentials"},
                            },
                            "victoria-logs-single": {"server": {"persistentVolume": {"enabled": True, "size": "10Gi"}}},
                            "victoriametrics": {
                                "vmauth": {
                                    "credentials": {
                                        "credentials_secret_name": "storage-vmuser-credentials",
                                        "password_key": "password",
                                        "username_key": "username",
                                    },
                                    "ingress": {"host": "vmauth.cloud1-region1.kof.example.com"},
                                }
                            },
                        },
                    },
                ],
            },
        },
    }


def test_values_are_text() -> None:
    manifest = regional()[0].manifest
    assert manifest
    assert manifest()["spec"]["serviceSpec"]["services"][1]["values"] == "crds:\n  enabled: true\n"


def test_without_a_dns_secret_and_with_a_storage_class() -> None:
    found = objects(regional(regional_external_dns="none", regional_storage_class="gp3"))[0]["spec"]
    assert found["config"]["clusterLabels"] == {"k0rdent.mirantis.com/kof-storage-secrets": "true"}
    values = found["serviceSpec"]["services"][2]["values"]
    assert values["global"] == {"storageClass": "gp3"}
    volume = values["victoria-logs-single"]["server"]["persistentVolume"]
    assert volume == {"enabled": True, "size": "10Gi", "storageClassName": "gp3"}
    assert values["external-dns"] == {"enabled": False}


def test_the_services_of_a_child() -> None:
    made = objects(child())
    assert len(made) == 1
    secret = {
        "credentials_secret_name": "storage-vmuser-credentials",
        "username_key": "username",
        "password_key": "password",
    }
    at = "https://vmauth.cloud1-region1.kof.example.com"
    name = "cloud1-region1-child1"
    assert made[0] == {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": {**OURS, "kof": "collector"}},
        "spec": {
            "template": "aws-standalone-cp-0-0-5",
            "credential": "aws-cluster-identity-cred",
            "config": {**CONFIG, "clusterLabels": {"k0rdent.mirantis.com/kof-storage-secrets": "true"}},
            "serviceSpec": {
                "priority": 100,
                "services": [
                    {"name": "cert-manager", "namespace": "kof", "template": "cert-manager", "values": CERT_MANAGER},
                    {"name": "kof-operators", "namespace": "kof", "template": "kof-operators"},
                    {
                        "name": "kof-collectors",
                        "namespace": "kof",
                        "template": "kof-collectors",
                        "values": {
                            "global": {"clusterName": name},
                            "kof": {
                                "logs": {**secret, "endpoint": f"{at}/vls/insert/opentelemetry/v1/logs"},
                                "metrics": {**secret, "endpoint": f"{at}/vm/insert/0/prometheus/api/v1/write"},
                            },
                            "opencost": {
                                "enabled": True,
                                "opencost": {
                                    "exporter": {"defaultClusterId": name},
                                    "prometheus": {
                                        "username_key": "username",
                                        "password_key": "password",
                                        "existingSecretName": "storage-vmuser-credentials",
                                        "external": {"url": f"{at}/vm/select/0/prometheus"},
                                    },
                                },
                            },
                        },
                    },
                ],
            },
        },
    }


def test_what_promxy_and_grafana_read_is_what_they_read_at_0_1() -> None:
    group, source = objects(regional())[1:]
    assert [group, source] == objects(regional(Given(RELEASES["0.1.1"], "v1alpha1", "t")))[1:]
    assert group["metadata"]["name"] == "cloud1-region1-metrics"
    assert group["spec"]["targets"] == ["vmauth.cloud1-region1.kof.example.com:443"]
    assert source["metadata"]["name"] == "cloud1-region1-logs"
    assert source["spec"]["datasource"]["url"] == "https://vmauth.cloud1-region1.kof.example.com/vls"


@pytest.mark.parametrize(
    ("repository", "kind"), [("https://charts.example.com/kof", "default"), ("oci://r.example.com/kof", "oci")]
)
def test_the_values_of_kof_mothership(repository: str, kind: str) -> None:
    """Which repositories a user may name is checked elsewhere, and there HTTP isn't known yet."""
    given = {"kof_version": "0.1.1", "mothership_storage_class": "gp3", "dns_credentials_method": "existing"}
    cluster, faults = parse_mothership("mothership", {**given, **EXISTING})
    assert cluster, faults
    operators, own = mothership_values.releases(replace(cluster, chart_repository=repository), KOF_0_0)
    assert (operators["name"], operators["chart_version"], operators["values"]) == ("kof-operators", "0.1.0", {})
    assert (own["name"], own["chart_version"]) == ("kof-mothership", "0.1.0")
    assert own["values"] == {
        "kcm": {
            "installTemplates": True,
            "kof": {
                "repo": {"url": repository, "type": kind, "insecure": False},
                "charts": {
                    "operators": {"version": "0.1.0"},
                    "collectors": {"version": "0.1.0"},
                    "storage": {"version": "0.1.0"},
                },
                "clusterProfiles": {
                    "kof-aws-dns-secrets": {
                        "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
                        "secrets": ["external-dns-aws-credentials"],
                    }
                },
            },
        },
        "global": {"storageClass": "gp3"},
        "grafana": {"logSources": []},
        "promxy": {"image": {"tag": "v0.0.93"}},
    }


EXISTING = {"dns_credentials_access_key_id": "AKIAEXAMPLE", "dns_credentials_secret_access_key": "s"}


def test_what_the_mothership_layer_waits_for() -> None:
    """Not for promxy, which has no configuration before there is a region; nor for a template that k0rdent brings."""
    cluster, _faults = parse_mothership("mothership", {"kof_version": "0.1.1"})
    found = parts("mothership", cluster, GIVEN)
    awaited = [part.what for part in found if part.target]
    names = sorted((each.kind, each.name) for each in awaited if not isinstance(each, Kind))
    assert names == [
        ("Deployment", "kof-mothership-grafana-operator"),
        ("Deployment", "kof-mothership-promxy-operator"),
        ("Deployment", "kof-mothership-victoria-metrics-operator"),
        ("Deployment", "kof-operators-opentelemetry-operator"),
        ("Secret", "grafana-admin-credentials"),
        ("Secret", "storage-vmuser-credentials"),
        ("ServiceTemplate", "cert-manager"),
        ("ServiceTemplate", "kof-collectors"),
        ("ServiceTemplate", "kof-operators"),
        ("ServiceTemplate", "kof-storage"),
    ]


def promxy_secret(*regions: str) -> dict[str, Any]:
    lines = "".join(f'      labels:\n        promxyCluster: "{name}"\n' for name in regions)
    text = f"promxy:\n  server_groups:\n{lines}"
    data = {"config.yaml": base64.b64encode(text.encode()).decode()}
    return {"metadata": {"namespace": "kof", "name": "kof-mothership-promxy-config"}, "data": data}


def test_promxy_is_waited_for_with_the_region() -> None:
    config, running = regional()[-2:]
    assert config.what == Ref("v1", "Secret", "kof", "kof-mothership-promxy-config")
    assert running.what == Ref("apps/v1", "Deployment", "kof", "kof-mothership-promxy")
    assert config.manifest is None
    assert config.target
    assert running.target
    judge = config.target().judge
    assert judge(None, Lookup()).state == "progressing"
    assert "names no region cloud1-region1" in judge(promxy_secret("cloud1-region10", "eu1"), Lookup()).why
    assert judge(promxy_secret("eu1", "cloud1-region1"), Lookup()).ready


def test_at_0_1_nothing_is_added_for_it() -> None:
    assert len(regional(Given(RELEASES["0.1.1"], "v1alpha1", "t"))) == 3
