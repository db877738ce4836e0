"""The objects of a k0rdent management cluster before kof: kcm of a line with the AWS provider, all healthy."""

from __future__ import annotations

import json
from typing import Any

from sandbox.lines import LINE_0_1, Line
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
    SERVICE_TEMPLATE,
    STORAGE_CLASS,
    SVELTOS_CLUSTER,
    Kind,
)

KCM = "kcm-system"
AWS, ADOPTED = "aws-standalone-cp", "adopted-cluster"
#: ServiceTemplates that kcm 0.0.7 itself comes with; later ones leave them to the catalog.
_OWN_SERVICES = (("ingress-nginx", "4.11.3"), ("cert-manager", "1.16.2"))
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


def dashed(version: str) -> str:
    """A version as it stands in names of Kubernetes objects."""
    return version.replace(".", "-")


def template_name(chart: str, version: str) -> str:
    return f"{chart}-{dashed(version)}"


def aws_config(line: Line) -> Object:
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
        "k0s": {"version": line.kubernetes, "api": {"extraArgs": {}}},
        "extensions": {"chartRepository": "", "imageRepository": ""},
    }


def _template(kind: Kind, chart: str, version: str, labels: Object) -> Object:
    """A template of a chart from kcm's own repository."""
    source = {"kind": "HelmRepository", "name": "kcm-templates"}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": template_name(chart, version), "namespace": KCM, "labels": labels},
        "spec": {"helm": {"chartSpec": {"chart": chart, "version": version, "interval": "10m0s", "sourceRef": source}}},
    }


def cluster_template(
    version: str, *, error: str | None = None, chart: str = AWS, config: Object | None = None, line: Line = LINE_0_1
) -> tuple[Object, Object]:
    """A ClusterTemplate of that version, and its status (invalid with `error`).

    `config`: the default values of its chart, if it isn't the one of AWS.
    """
    template = _template(CLUSTER_TEMPLATE, chart, version, {"k0rdent.mirantis.com/managed": "true"})
    if error:
        return template, {"valid": False, "validationError": error, "observedGeneration": 1}
    cloud = chart.partition("-")[0]
    return template, {
        "valid": True,
        "chartRef": {"kind": "HelmChart", "name": template_name(chart, version), "namespace": KCM},
        "chartVersion": version,
        "config": config or aws_config(line),
        "description": f"A KCM template to deploy a K0s cluster on {cloud} with bootstrapped control plane nodes.",
        "k8sVersion": line.kubernetes,
        "providers": [*_PROVIDERS[:2], f"infrastructure-{cloud}"],
        "observedGeneration": 1,
    }


def adopted_template(line: Line = LINE_0_1) -> tuple[Object, Object]:
    """The ClusterTemplate that takes a cluster by its kubeconfig, and its status."""
    config: Object = {"clusterIdentity": {"name": "adopted-cluster-identity"}, "consecutiveFailureThreshold": 3}
    if line is LINE_0_1:
        config["clusterLabels"] = {}
    template, status = cluster_template(line.adopted, chart=ADOPTED, config=config, line=line)
    status |= {
        "description": "A KCM template to adopt an already existing kubernetes cluster\n",
        "providers": ["infrastructure-internal"],
    }
    del status["k8sVersion"]
    return template, status


def _cluster_templates(line: Line) -> list[tuple[Object, Object]]:
    found = [cluster_template(version, line=line) for version in line.templates]
    found.append(adopted_template(line))
    if line is LINE_0_1:
        found.append(cluster_template("0.9.0", error="failed to load chart: missing provider contract"))
    else:  # two more into whose clusters no Secret can be copied: no clusterLabels
        identity = {"name": "", "cloudName": "", "region": ""}
        openstack = {"controlPlaneNumber": 3, "workersNumber": 2, "identityRef": identity}
        aks = {"location": "", "clusterIdentity": {"name": "", "namespace": ""}}
        for chart, config in (("openstack-standalone-cp", openstack), ("azure-aks", aks)):
            found.append(cluster_template("0.0.2", chart=chart, config=config, line=line))
    return found


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


def _objects(line: Line) -> tuple[tuple[Kind, Object], ...]:
    def meta(name: str, space: str | None = KCM) -> Object:
        labels = {"k0rdent.mirantis.com/managed": "true"}
        return (
            {"name": name, "labels": labels} if space is None else {"name": name, "namespace": space, "labels": labels}
        )

    kcm_image = f"ghcr.io/k0rdent/kcm/controller:{line.kcm}"
    services = _OWN_SERVICES if line is not LINE_0_1 else ()
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
        *(
            (SERVICE_TEMPLATE, _template(SERVICE_TEMPLATE, chart, version, {"k0rdent.mirantis.com/component": "kcm"}))
            for chart, version in services
        ),
        *adoption(ADOPTED, _nowhere(ADOPTED)),
        _typed(SVELTOS_CLUSTER, {"name": "mgmt", "namespace": "mgmt"}, spec={"data": {}}),
    )


def _with_status(line: Line) -> tuple[tuple[Kind, Object, Object], ...]:
    release = template_name("kcm", line.kcm)
    management: Object = {
        "apiVersion": MANAGEMENT.api_version,
        "kind": MANAGEMENT.kind,
        "metadata": {"name": "kcm", "finalizers": ["k0rdent.mirantis.com/management"]},
        "spec": {"release": release, "providers": [{"name": name} for name in _COMPONENTS[2:]]},
    }
    ready: list[dict[str, Any]] = []
    set_condition(ready, "Ready", "True", "AllComponentsHealthy", "All components are successfully installed")
    components = {name: {"success": True, "template": template_name(name, line.kcm)} for name in _COMPONENTS}
    management_status = {
        "availableProviders": ["infrastructure-internal", *_PROVIDERS],
        "components": components,
        "conditions": ready,
        "observedGeneration": 1,
        "release": release,
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
        *((CLUSTER_TEMPLATE, *made) for made in _cluster_templates(line)),
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


def seed(api: Api, line: Line = LINE_0_1) -> None:
    """Make what isn't there; leave alone what is. The CRDs must be served. Raises ApiError."""
    create_all(api, _objects(line), manager="helm")
    for kind, obj, status in _with_status(line):
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
