"""The objects of a k0rdent management cluster before kof: kcm 0.1.0 with the AWS provider, all healthy."""

from __future__ import annotations

import json
from typing import Any

from sandbox.simulator.api import MANAGER, Api, ApiError, Object
from sandbox.simulator.conditions import SUCCEEDED, set_condition
from sandbox.simulator.fleet import create_all, deployment, namespace, storage_class
from sandbox.simulator.kinds import (
    AWS_STATIC_IDENTITY,
    CLUSTER_TEMPLATE,
    CONFIG_MAP,
    CREDENTIAL,
    DEPLOYMENT,
    HELM_REPOSITORY,
    MANAGEMENT,
    NAMESPACE,
    SECRET,
    STORAGE_CLASS,
    SVELTOS_CLUSTER,
    Kind,
)

KCM = "kcm-system"
RELEASE = "kcm-0-1-0"
KUBERNETES = "v1.31.5+k0s.0"
ADOPTED = "adopted-cluster"
_PROVIDERS = ["bootstrap-k0sproject-k0smotron", "control-plane-k0sproject-k0smotron", "infrastructure-aws"]
_COMPONENTS = ("kcm", "capi", "cluster-api-provider-aws", "k0smotron", "projectsveltos")


def _machine(profile: str) -> Object:
    return {
        "amiID": "",
        "iamInstanceProfile": f"{profile}.cluster-api-provider-aws.sigs.k8s.io",
        "imageLookup": {"format": "", "org": "", "baseOS": ""},
        "instanceType": "",
        "rootVolumeSize": 8,
        "uncompressedUserData": False,
        "nonRootVolumes": [],
    }


def aws_config() -> Object:
    """Default values of aws-standalone-cp, which kcm shows in status.config. clusterAnnotations came with 0.2.0."""
    return {
        "controlPlaneNumber": 3,
        "workersNumber": 2,
        "clusterNetwork": {
            "pods": {"cidrBlocks": ["10.244.0.0/16"]},
            "services": {"cidrBlocks": ["10.96.0.0/12"]},
        },
        "clusterLabels": {},
        "region": "",
        "sshKeyName": "",
        "publicIP": False,
        "bastion": {
            "enabled": False,
            "disableIngressRules": False,
            "allowedCIDRBlocks": [],
            "instanceType": "t2.micro",
            "ami": "",
        },
        "clusterIdentity": {"name": "", "namespace": "", "kind": "AWSClusterStaticIdentity"},
        "controlPlane": _machine("control-plane"),
        "worker": _machine("nodes"),
        "k0s": {"version": KUBERNETES, "api": {"extraArgs": {}}},
        "extensions": {"chartRepository": "", "imageRepository": ""},
    }


def cluster_template(version: str, *, error: str | None = None) -> tuple[Object, Object]:
    """A ClusterTemplate aws-standalone-cp of that version, and its status (invalid with `error`)."""
    name = f"aws-standalone-cp-{version.replace('.', '-')}"
    spec = {
        "helm": {
            "chartSpec": {
                "chart": "aws-standalone-cp",
                "version": version,
                "interval": "10m0s",
                "sourceRef": {"kind": "HelmRepository", "name": "kcm-templates"},
            }
        }
    }
    template: Object = {
        "apiVersion": CLUSTER_TEMPLATE.api_version,
        "kind": CLUSTER_TEMPLATE.kind,
        "metadata": {"name": name, "namespace": KCM, "labels": {"k0rdent.mirantis.com/managed": "true"}},
        "spec": spec,
    }
    if error:
        return template, {"valid": False, "validationError": error, "observedGeneration": 1}
    return template, {
        "valid": True,
        "chartRef": {"kind": "HelmChart", "name": name, "namespace": KCM},
        "chartVersion": version,
        "config": aws_config(),
        "description": "A KCM template to deploy a K0s cluster on AWS with bootstrapped control plane nodes.",
        "k8sVersion": KUBERNETES,
        "providers": _PROVIDERS,
        "observedGeneration": 1,
    }


def adopted_template() -> tuple[Object, Object]:
    """The ClusterTemplate that takes a cluster by its kubeconfig, and its status."""
    template, status = cluster_template("0.1.0")
    chart_spec = {**template["spec"]["helm"]["chartSpec"], "chart": ADOPTED}
    name = f"{ADOPTED}-0-1-0"
    template["metadata"]["name"] = status["chartRef"]["name"] = name
    template["spec"] = {"helm": {"chartSpec": chart_spec}}
    status |= {
        "config": {
            "clusterLabels": {},
            "clusterIdentity": {"name": "adopted-cluster-identity"},
            "consecutiveFailureThreshold": 3,
        },
        "description": "A KCM template to adopt an already existing kubernetes cluster\n",
        "providers": ["infrastructure-internal"],
    }
    del status["k8sVersion"]
    return template, status


def _typed(kind: Kind, metadata: Object, **rest: Any) -> tuple[Kind, Object]:
    return kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}


def adoption(name: str, kubeconfig: str) -> tuple[tuple[Kind, Object], ...]:
    """What one makes by hand before a cluster can be adopted: `<name>-kubeconf`, its ConfigMap and `<name>-cred`."""
    secret = f"{name}-kubeconf"
    labels = {"k0rdent.mirantis.com/component": "kcm"}
    identity = {"apiVersion": "v1", "kind": "Secret", "name": secret, "namespace": KCM}
    return (
        _typed(SECRET, {"name": secret, "namespace": KCM, "labels": labels}, stringData={"value": kubeconfig}),
        _resource_template(secret),
        _typed(
            CREDENTIAL,
            {"name": f"{name}-cred", "namespace": KCM},
            spec={"description": f"Kubeconfig of {name}", "identityRef": identity},
        ),
    )


def _resource_template(identity: str) -> tuple[Kind, Object]:
    """The ConfigMap that goes with each cluster of a Credential; Sveltos fails without, and kcm's own are empty."""
    meta = {
        "name": f"{identity}-resource-template",
        "namespace": KCM,
        "labels": {"k0rdent.mirantis.com/component": "kcm"},
        "annotations": {"projectsveltos.io/template": "true"},
    }
    return _typed(CONFIG_MAP, meta)


def _nowhere(name: str) -> str:
    """A kubeconfig of a cluster that isn't there."""
    named = {"name": name}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{**named, "cluster": {"server": f"https://{name}.invalid:6443"}}],
        "contexts": [{**named, "context": {"cluster": name, "user": name}}],
        "users": [{**named, "user": {}}],
    }
    return json.dumps(config)


def _objects() -> tuple[tuple[Kind, Object], ...]:
    def meta(name: str, space: str | None = KCM) -> Object:
        labels = {"k0rdent.mirantis.com/managed": "true"}
        return (
            {"name": name, "labels": labels} if space is None else {"name": name, "namespace": space, "labels": labels}
        )

    kcm_image = "ghcr.io/k0rdent/kcm/controller:0.1.0"
    sveltos_image = "docker.io/projectsveltos/{}:v0.45.0"
    return (
        *((NAMESPACE, namespace(name)) for name in (KCM, "projectsveltos", "mgmt")),
        (STORAGE_CLASS, storage_class("standard", "rancher.io/local-path", default=True)),
        (DEPLOYMENT, deployment(KCM, "kcm-controller-manager", kcm_image)),
        (DEPLOYMENT, deployment(KCM, "source-controller", "ghcr.io/fluxcd/source-controller:v1.4.1")),
        (DEPLOYMENT, deployment(KCM, "helm-controller", "ghcr.io/fluxcd/helm-controller:v1.1.0")),
        (DEPLOYMENT, deployment(KCM, "kcm-cert-manager", "quay.io/jetstack/cert-manager-controller:v1.16.2")),
        (DEPLOYMENT, deployment("projectsveltos", "addon-controller", sveltos_image.format("addon-controller"))),
        (DEPLOYMENT, deployment("projectsveltos", "sc-manager", sveltos_image.format("sveltoscluster-manager"))),
        _typed(
            HELM_REPOSITORY,
            meta("kcm-templates"),
            spec={"type": "oci", "url": "oci://ghcr.io/k0rdent/kcm/charts", "interval": "10m0s"},
        ),
        _typed(
            SECRET,
            meta("aws-cluster-identity-secret"),
            type="Opaque",
            stringData={"AccessKeyID": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "example"},
        ),
        _typed(
            AWS_STATIC_IDENTITY,
            meta("aws-cluster-identity", None),
            spec={"secretRef": "aws-cluster-identity-secret", "allowedNamespaces": {"selector": {"matchLabels": {}}}},
        ),
        _resource_template("aws-cluster-identity"),
        *adoption(ADOPTED, _nowhere(ADOPTED)),
        _typed(SVELTOS_CLUSTER, {"name": "mgmt", "namespace": "mgmt"}, spec={"data": {}}),
    )


def _with_status() -> tuple[tuple[Kind, Object, Object], ...]:
    management: Object = {
        "apiVersion": MANAGEMENT.api_version,
        "kind": MANAGEMENT.kind,
        "metadata": {"name": "kcm", "finalizers": ["k0rdent.mirantis.com/management"]},
        "spec": {"release": RELEASE, "providers": [{"name": name} for name in _COMPONENTS[2:]]},
    }
    ready: list[dict[str, Any]] = []
    set_condition(ready, "Ready", "True", "AllComponentsHealthy", "All components are successfully installed")
    components = {name: {"success": True, "template": f"{name}-0-1-0"} for name in _COMPONENTS}
    management_status = {
        "availableProviders": ["infrastructure-internal", *_PROVIDERS],
        "components": components,
        "conditions": ready,
        "observedGeneration": 1,
        "release": RELEASE,
    }
    credential: Object = {
        "apiVersion": CREDENTIAL.api_version,
        "kind": CREDENTIAL.kind,
        "metadata": {"name": "aws-cluster-identity-cred", "namespace": KCM},
        "spec": {
            "description": "Credential for AWS",
            "identityRef": {
                "apiVersion": AWS_STATIC_IDENTITY.api_version,
                "kind": AWS_STATIC_IDENTITY.kind,
                "name": "aws-cluster-identity",
            },
        },
    }
    credential_ready: list[dict[str, Any]] = []
    set_condition(credential_ready, "CredentialReady", "True", SUCCEEDED, "Credential is ready")
    return (
        (MANAGEMENT, management, management_status),
        *((CLUSTER_TEMPLATE, *cluster_template(version)) for version in ("0.0.5", "0.1.0")),
        (CLUSTER_TEMPLATE, *adopted_template()),
        (CLUSTER_TEMPLATE, *cluster_template("0.9.0", error="failed to load chart: missing provider contract")),
        (CREDENTIAL, credential, {"ready": True, "conditions": credential_ready}),
        (
            SVELTOS_CLUSTER,
            {"metadata": {"name": "mgmt", "namespace": "mgmt"}},
            {"ready": True, "connectionStatus": "Healthy", "version": "v1.34.4"},
        ),
    )


def adopt(api: Api, name: str, kubeconfig: str | None) -> None:
    """Make what a cluster needs to be adopted; a kubeconfig that was there is replaced. Raises ApiError.

    None: a kubeconfig that leads nowhere, for a sandbox whose clusters are none.
    """
    for kind, obj in adoption(name, kubeconfig or _nowhere(name)):
        api.apply(kind, obj, manager="kubectl")


def seed(api: Api) -> None:
    """Make what isn't there; leave alone what is. The CRDs must be served. Raises ApiError."""
    create_all(api, _objects(), manager="helm")
    for kind, obj, status in _with_status():
        meta = obj["metadata"]
        if "spec" in obj:
            try:
                api.create(kind, obj, manager=MANAGER)
            except ApiError as error:
                if not error.conflict:
                    raise
        live = api.get(kind, meta.get("namespace"), meta["name"])
        if live is not None and not live.get("status"):
            api.replace(kind, {**live, "status": status}, subresource="status", manager=MANAGER)
