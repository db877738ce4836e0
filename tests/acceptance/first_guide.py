"""Line 0.0 as its guide has it: the fleet of its example, and every object that is wanted of us for it, in full.

Data only, written by hand from the charts of kof at commit 121b61f5 and the API of kcm 0.0.7; nothing is made by the
collection. No test belongs here.
"""

from __future__ import annotations

from typing import Any

import example_fleet

REGION, CHILD = "cloud1-region1", "cloud1-region1-managed1"
DOMAIN = f"{REGION}.kof.example.com"
_AT = f"https://vmauth.{DOMAIN}"
_AWS: dict[str, Any] = {
    "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
    "controlPlane": {"instanceType": "t3.large"},
    "controlPlaneNumber": 1,
    "region": "us-east-2",
    "workersNumber": 3,
}
_REGION_CONFIG = {**_AWS, "publicIP": True, "worker": {"instanceType": "t3.medium"}}
_CHILD_CONFIG = {**_AWS, "publicIP": False, "worker": {"instanceType": "t3.small"}}

FLEET = example_fleet.Fleet(
    shared={"kof_version": "0.0.x", "regional_admin_email": "admin@example.com"},
    mothership={},
    regionals={REGION: {"regional_domain": DOMAIN, "regional_config": _REGION_CONFIG}},
    children={CHILD: {"child_regional": REGION, "child_config": _CHILD_CONFIG}},
    usual={REGION: {}},
)

_OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "sandbox"}
_LOGIN = {
    "credentials_secret_name": "storage-vmuser-credentials",
    "username_key": "username",
    "password_key": "password",
}
_SECRETS = {"k0rdent.mirantis.com/kof-storage-secrets": "true"}
_CERT_MANAGER = {"name": "cert-manager", "template": "cert-manager", "values": {"crds": {"enabled": True}}}


def _deployment(name: str, role: str, config: dict[str, Any], services: list[Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": {**_OURS, "kof": role}, **metadata},
        "spec": {
            "template": "aws-standalone-cp-0-0-5",
            "credential": "aws-cluster-identity-cred",
            "config": config,
            "serviceSpec": {"priority": 100, "services": services},
        },
    }


#: Values of services are text on the server; here as what the text says.
OBJECTS: tuple[dict[str, Any], ...] = (
    _deployment(
        REGION,
        "storage",
        {**_REGION_CONFIG, "clusterLabels": {**_SECRETS, "k0rdent.mirantis.com/kof-aws-dns-secrets": "true"}},
        [
            {"name": "ingress-nginx", "namespace": "ingress-nginx", "template": "ingress-nginx-4-11-3"},
            {**_CERT_MANAGER, "namespace": "cert-manager"},
            {
                "name": "kof-storage",
                "namespace": "kof",
                "template": "kof-storage",
                "values": {
                    "cert-manager": {"email": "admin@example.com"},
                    # The guide's external-dns is everybody's "default", and writes to every zone.
                    "external-dns": {
                        "enabled": True,
                        "txtOwnerId": f"sandbox-{REGION}",
                        "domainFilters": [DOMAIN],
                        "extraArgs": ["--aws-zone-match-parent", "--zone-id-filter=Z0EXAMPLE00000000000"],
                    },
                    "grafana": {
                        "ingress": {"host": f"grafana.{DOMAIN}"},
                        "security": {"credentials_secret_name": "grafana-admin-credentials"},
                    },
                    "victoria-logs-single": {"server": {"persistentVolume": {"enabled": True, "size": "10Gi"}}},
                    "victoriametrics": {"vmauth": {"credentials": _LOGIN, "ingress": {"host": f"vmauth.{DOMAIN}"}}},
                },
            },
        ],
        annotations={"k0rdent-kof/regional-domain": DOMAIN},
    ),
    {
        "apiVersion": "kof.k0rdent.mirantis.com/v1alpha1",
        "kind": "PromxyServerGroup",
        "metadata": {
            "name": f"{REGION}-metrics",
            "namespace": "kof",
            "labels": {
                **_OURS,
                "app.kubernetes.io/name": "promxy-operator",
                "k0rdent.mirantis.com/promxy-secret-name": "kof-mothership-promxy-config",
            },
        },
        "spec": {
            "cluster_name": REGION,
            "targets": [f"vmauth.{DOMAIN}:443"],
            "path_prefix": "/vm/select/0/prometheus/",
            "scheme": "https",
            "http_client": {
                "dial_timeout": "5s",
                "tls_config": {"insecure_skip_verify": False},
                "basic_auth": _LOGIN,
            },
        },
    },
    {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDatasource",
        "metadata": {"name": f"{REGION}-logs", "namespace": "kof", "labels": _OURS},
        "spec": {
            "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
            "datasource": {
                "name": REGION,
                "type": "victoriametrics-logs-datasource",
                "url": f"{_AT}/vls",
                "access": "proxy",
                "isDefault": False,
                "basicAuth": True,
                "basicAuthUser": "${username}",
                "secureJsonData": {"basicAuthPassword": "${password}"},
            },
            "valuesFrom": [
                {
                    "targetPath": path,
                    "valueFrom": {"secretKeyRef": {"name": "storage-vmuser-credentials", "key": key}},
                }
                for path, key in (("basicAuthUser", "username"), ("secureJsonData.basicAuthPassword", "password"))
            ],
        },
    },
    _deployment(
        CHILD,
        "collector",
        {**_CHILD_CONFIG, "clusterLabels": _SECRETS},
        [
            {**_CERT_MANAGER, "namespace": "kof"},
            {"name": "kof-operators", "namespace": "kof", "template": "kof-operators"},
            {
                "name": "kof-collectors",
                "namespace": "kof",
                "template": "kof-collectors",
                "values": {
                    "global": {"clusterName": CHILD},
                    "kof": {
                        "logs": {**_LOGIN, "endpoint": f"{_AT}/vls/insert/opentelemetry/v1/logs"},
                        "metrics": {**_LOGIN, "endpoint": f"{_AT}/vm/insert/0/prometheus/api/v1/write"},
                    },
                    "opencost": {
                        "enabled": True,
                        "opencost": {
                            "exporter": {"defaultClusterId": CHILD},
                            "prometheus": {
                                "existingSecretName": "storage-vmuser-credentials",
                                "username_key": "username",
                                "password_key": "password",
                                "external": {"url": f"{_AT}/vm/select/0/prometheus"},
                            },
                        },
                    },
                },
            },
        ],
    ),
)


def mothership_values(repository: str) -> dict[str, Any]:
    """Of release kof-mothership, whose charts come from a repository with an index over plain HTTP."""
    version = {"version": "0.1.0"}
    return {
        "kcm": {
            "installTemplates": True,
            "kof": {
                "repo": {"url": repository, "type": "default", "insecure": True},
                "charts": {"operators": version, "collectors": version, "storage": version},
                "clusterProfiles": {
                    "kof-aws-dns-secrets": {
                        "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
                        "secrets": ["external-dns-aws-credentials"],
                    }
                },
            },
        },
        "grafana": {"logSources": []},
        "promxy": {"image": {"tag": "v0.0.93"}},
    }
