"""The objects of the kof 0.1.1 guide's example, written out by hand, with every difference from the guide explained.

Differences in all objects: labels app.kubernetes.io/managed-by and /part-of are ours; names derive from the cluster, so
that a second region doesn't overwrite the first.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    cluster_deployment,
    grafana_datasource,
    mothership_values,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child, parse_mothership, parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
TEMPLATE = "aws-standalone-cp-0-1-0"
OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "kof"}
DOMAIN = "cloud1-region1.kof.example.com"
REGIONAL, _FAULTS = parse_regional(
    "cloud1-region1",
    {
        "kof_version": "0.1.1",
        "regional_domain": DOMAIN,
        "regional_admin_email": "admin@example.com",
        "regional_promxy_insecure_skip_verify": True,  # the guide's; ours is false
        "regional_config": {
            "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
            "controlPlane": {"instanceType": "t3.large"},
            "controlPlaneNumber": 1,
            "publicIP": True,
            "region": "us-east-2",
            "worker": {"instanceType": "t3.medium"},
            "workersNumber": 3,
        },
    },
)
CHILD, _FAULTS = parse_child(
    "cloud1-region1-child1",
    {
        "kof_version": "0.1.1",
        "child_regional": "cloud1-region1",
        "child_config": {
            "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
            "controlPlane": {"instanceType": "t3.large"},
            "controlPlaneNumber": 1,
            "publicIP": False,
            "region": "us-east-2",
            "worker": {"instanceType": "t3.small"},
            "workersNumber": 3,
        },
    },
)


def with_parsed_values(deployment: dict[str, Any]) -> dict[str, Any]:
    """The object with the text of each service's values read, as kcm reads it."""
    for service in deployment["spec"]["serviceSpec"]["services"]:
        if "values" in service:
            assert isinstance(service["values"], str)
            service["values"] = yaml.safe_load(service["values"])
    return deployment


@pytest.mark.parametrize("kcm_version", ["v1alpha1", "v1beta1"])
def test_regional_cluster_deployment(kcm_version: str) -> None:
    assert REGIONAL is not None
    made = cluster_deployment.regional(REGIONAL, release=RELEASE, kcm_version=kcm_version, template=TEMPLATE)
    assert with_parsed_values(made) == {
        "apiVersion": f"k0rdent.mirantis.com/{kcm_version}",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "cloud1-region1",
            "namespace": "kcm-system",
            "labels": {"kof": "storage", **OURS},
            # For children whose regional is in another inventory.
            "annotations": {"k0rdent-kof/regional-domain": DOMAIN},
        },
        "spec": {
            "template": TEMPLATE,
            "credential": "aws-cluster-identity-cred",
            "config": {
                "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
                "controlPlane": {"instanceType": "t3.large"},
                "controlPlaneNumber": 1,
                "publicIP": True,
                "region": "us-east-2",
                "worker": {"instanceType": "t3.medium"},
                "workersNumber": 3,
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
                        "template": "cert-manager-1-16-2",
                        "values": {"cert-manager": {"crds": {"enabled": True}}},
                    },
                    {
                        "name": "kof-storage",
                        "namespace": "kof",
                        "template": "kof-storage-0-1-1",
                        "values": {
                            # The guide names no owner: all regions' records would be those of one, `default`.
                            "external-dns": {
                                "enabled": True,
                                "txtOwnerId": "kof-cloud1-region1",
                                "domainFilters": [DOMAIN],
                                "extraArgs": ["--aws-zone-match-parent"],
                            },
                            "victoriametrics": {
                                "vmauth": {
                                    "ingress": {"host": f"vmauth.{DOMAIN}"},
                                    # The guide's victoriametrics.security.* is read by no template of the chart.
                                    "credentials": {
                                        "username_key": "username",
                                        "password_key": "password",
                                        "credentials_secret_name": "storage-vmuser-credentials",
                                    },
                                }
                            },
                            "grafana": {
                                "ingress": {"host": f"grafana.{DOMAIN}"},
                                "security": {"credentials_secret_name": "grafana-admin-credentials"},
                            },
                            "cert-manager": {"email": "admin@example.com"},
                            # Not in the guide: logs on an emptyDir are gone with their pod.
                            "victoria-logs-single": {"server": {"persistentVolume": {"enabled": True, "size": "10Gi"}}},
                        },
                    },
                ],
            },
        },
    }


def test_promxy_server_group() -> None:
    assert REGIONAL is not None
    assert promxy_server_group.of_regional(REGIONAL, RELEASE) == {
        "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1",
        "kind": "PromxyServerGroup",
        "metadata": {
            "name": "cloud1-region1-metrics",
            "namespace": "kof",
            "labels": {
                "app.kubernetes.io/name": "promxy-operator",
                "k0rdent.mirantis.com/promxy-secret-name": "kof-mothership-promxy-config",
                **OURS,
            },
        },
        "spec": {
            "cluster_name": "cloud1-region1",
            "targets": [f"vmauth.{DOMAIN}:443"],
            "path_prefix": "/vm/select/0/prometheus/",
            "scheme": "https",
            "http_client": {
                "dial_timeout": "5s",
                "tls_config": {"insecure_skip_verify": True},
                "basic_auth": {
                    "credentials_secret_name": "storage-vmuser-credentials",
                    "username_key": "username",
                    "password_key": "password",
                },
            },
        },
    }


def test_grafana_datasource() -> None:
    assert REGIONAL is not None
    assert grafana_datasource.of_regional(REGIONAL, RELEASE) == {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDatasource",
        # The guide says managed-by: Helm, which it isn't.
        "metadata": {"name": "cloud1-region1-logs", "namespace": "kof", "labels": OURS},
        "spec": {
            "valuesFrom": [
                {
                    "targetPath": "basicAuthUser",
                    "valueFrom": {"secretKeyRef": {"key": "username", "name": "storage-vmuser-credentials"}},
                },
                {
                    "targetPath": "secureJsonData.basicAuthPassword",
                    "valueFrom": {"secretKeyRef": {"key": "password", "name": "storage-vmuser-credentials"}},
                },
            ],
            "datasource": {
                "name": "cloud1-region1",
                "url": f"https://vmauth.{DOMAIN}/vls",
                "access": "proxy",
                "isDefault": False,
                "type": "victoriametrics-logs-datasource",
                "basicAuth": True,
                # The guide's backslash is its shell's.
                "basicAuthUser": "${username}",
                "secureJsonData": {"basicAuthPassword": "${password}"},
            },
            "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
            "resyncPeriod": "5m",
        },
    }


def test_child_cluster_deployment() -> None:
    assert CHILD is not None
    made = cluster_deployment.child(
        CHILD, release=RELEASE, kcm_version="v1alpha1", template=TEMPLATE, regional_domain=DOMAIN
    )
    credentials = {
        "username_key": "username",
        "password_key": "password",
        "credentials_secret_name": "storage-vmuser-credentials",
    }
    assert with_parsed_values(made) == {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "cloud1-region1-child1",
            "namespace": "kcm-system",
            "labels": {"kof": "collector", **OURS},
        },
        "spec": {
            "template": TEMPLATE,
            "credential": "aws-cluster-identity-cred",
            "config": {
                "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
                "controlPlane": {"instanceType": "t3.large"},
                "controlPlaneNumber": 1,
                "publicIP": False,
                "region": "us-east-2",
                "worker": {"instanceType": "t3.small"},
                "workersNumber": 3,
                "clusterLabels": {"k0rdent.mirantis.com/kof-storage-secrets": "true"},
            },
            "serviceSpec": {
                "priority": 100,
                "services": [
                    {
                        "name": "cert-manager",
                        "namespace": "kof",
                        "template": "cert-manager-1-16-2",
                        "values": {"cert-manager": {"crds": {"enabled": True}}},
                    },
                    {"name": "kof-operators", "namespace": "kof", "template": "kof-operators-0-1-1"},
                    {
                        "name": "kof-collectors",
                        "namespace": "kof",
                        "template": "kof-collectors-0-1-1",
                        "values": {
                            "global": {"clusterName": "cloud1-region1-child1"},
                            "opencost": {
                                "enabled": True,
                                "opencost": {
                                    "prometheus": {
                                        "username_key": "username",
                                        "password_key": "password",
                                        "existingSecretName": "storage-vmuser-credentials",
                                        "external": {"url": f"https://vmauth.{DOMAIN}/vm/select/0/prometheus"},
                                    },
                                    "exporter": {"defaultClusterId": "cloud1-region1-child1"},
                                },
                            },
                            "kof": {
                                "logs": {
                                    **credentials,
                                    "endpoint": f"https://vmauth.{DOMAIN}/vls/insert/opentelemetry/v1/logs",
                                },
                                "metrics": {
                                    **credentials,
                                    "endpoint": f"https://vmauth.{DOMAIN}/vm/insert/0/prometheus/api/v1/write",
                                },
                            },
                        },
                    },
                ],
            },
        },
    }


def test_mothership_values_with_dns_and_a_storage_class() -> None:
    mothership, faults = parse_mothership(
        "mothership",
        {
            "kof_version": "0.1.1",
            "mothership_storage_class": "gp3",
            "dns_credentials_method": "iam_user",
            "dns_credentials_hosted_zones": ["Z0EXAMPLE00000000000"],
        },
    )
    assert mothership is not None, faults
    operators, charts = mothership_values.releases(mothership, RELEASE)
    assert operators["values"] == {}
    assert (operators["name"], operators["chart_ref"], operators["chart_version"], operators["namespace"]) == (
        "kof-operators",
        "oci://ghcr.io/k0rdent/kof/charts/kof-operators",
        "0.1.1",
        "kof",
    )
    assert (charts["name"], charts["chart_version"]) == ("kof-mothership", "0.1.1")
    assert charts["values"] == {
        "global": {"storageClass": "gp3"},
        "kcm": {
            "installTemplates": True,
            "kof": {
                "clusterProfiles": {
                    "kof-aws-dns-secrets": {
                        "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
                        "secrets": ["external-dns-aws-credentials"],
                    }
                }
            },
        },
        # Not in the guide: the chart's own tag, latest, is another promxy every few months.
        "promxy": {"image": {"tag": "v0.0.93"}},
    }
