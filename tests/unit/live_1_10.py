"""A management cluster with kof 1.10, before and after its operator, kcm and Flux have acted. Test data, no test.

Names and hashes are written out as they were seen, not computed: the code has to come to them.
"""

from __future__ import annotations

import base64
import copy
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref

Live = dict[Ref, dict[str, Any]]
P = "k0rdent.mirantis.com"
API, KOF_API, HELM = f"{P}/v1beta1", f"kof.{P}/v1beta1", "helm.toolkit.fluxcd.io/v2"
R, C, N = "aws-us-east-2", "aws-us-east-2-child1", "kcm-system"
DOMAIN = "aws-us-east-2.kof.example.com"
SERVICES = {
    "kof-regional-cluster": [
        "envoy-gateway",
        "cert-manager",
        "kof-operators",
        "victoria-metrics-operator",
        "kof-storage",
        "kof-collectors",
    ],
    "kof-child-cluster": ["cert-manager", "kof-operators", "kof-collectors"],
    "kof-storage-child-secret-propagation": ["kof-vmuser-creds"],
}
TEMPLATES = [
    "kof-operators-1-10-0",
    "kof-collectors-1-10-0",
    "kof-storage-1-10-0",
    "kof-propagation-1-10-0",
    "cert-manager-v1-19-3",
    "ingress-nginx-4-14-3",
    "gateway-helm-v1-7-2",
    "victoria-metrics-operator-0-58-1",
]


def put(live: Live, api: str, kind: str, namespace: str | None, name: str, **content: Any) -> dict[str, Any]:
    metadata = {"name": name, "generation": 1, **content.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    item = {"apiVersion": api, "kind": kind, "metadata": metadata, **content}
    live[Ref(api, kind, namespace, name)] = item
    return item


def condition(kind: str, status: str = "True", reason: str = "Succeeded", message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def services_of(live: Live, name: str, services: list[str], namespace: str = "kof", **spec: Any) -> dict[str, Any]:
    wanted = [{"name": each, "namespace": namespace, "template": f"{each}-1"} for each in services]
    return put(
        live,
        API,
        "MultiClusterService",
        None,
        name,
        spec={**spec, "serviceSpec": {"services": wanted}},
        status={"observedGeneration": 1, "conditions": [condition("ServicesReferencesValidation")]},
    )


def cluster(live: Live, name: str, role: str, *, there: bool, **labels: str) -> dict[str, Any]:
    conditions = [condition("TemplateReady"), condition("CredentialReady"), condition("HelmReleaseReady")]
    if there:
        conditions += [condition("CAPIClusterSummary"), condition("ServicesInReadyState", message="0/0")]
    conditions.append(condition("Ready", "True" if there else "False", message="" if there else "not yet"))
    labels = {f"{P}/kof-cluster-role": role, f"{P}/kof-cluster-name": name, **labels}
    return put(
        live,
        API,
        "ClusterDeployment",
        N,
        name,
        metadata={"labels": labels},
        spec={"template": "aws-standalone-cp-1-0-34", "credential": "c", "config": {}},
        status={"observedGeneration": 1, "conditions": conditions},
    )


def before() -> Live:
    """kof is installed, both ClusterDeployments were just applied, and nobody has looked at them."""
    live: Live = {}
    for name, version in {
        "kof-operators": "1.10.0",
        "victoria-metrics-operator": "0.58.1",
        "kof-mothership": "1.10.0",
        "kof-regional": "1.10.0",
        "kof-child": "1.10.0",
    }.items():
        put(
            live,
            HELM,
            "HelmRelease",
            "kof",
            name,
            status={
                "observedGeneration": 1,
                "conditions": [condition("Ready", reason="InstallSucceeded")],
                "lastAttemptedRevision": f"{version}+0123456789ab",
                "history": [{"chartVersion": f"{version}+0123456789ab", "status": "deployed"}],
            },
        )
    for name, services in SERVICES.items():
        services_of(live, name, services)
    for name in TEMPLATES:
        put(live, API, "ServiceTemplate", N, name, status={"observedGeneration": 1, "valid": True})
    for name in ("kof-mothership-kof-operator", "kof-mothership-promxy"):
        running = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        put(live, "apps/v1", "Deployment", "kof", name, spec={"replicas": 1}, status=running)
    put(live, "v1", "Secret", "kof", "kof-mothership-promxy-config", data={"config.yaml": encoded("promxy: {}\n")})
    cluster(live, R, "regional", there=False)
    cluster(live, C, "child", there=False, **{f"{P}/kof-regional-cluster-name": R})
    return live


def after() -> Live:
    """All has come: what the operator made, and what kcm says is on the clusters."""
    live = before()
    cluster(live, R, "regional", there=True)
    cluster(live, C, "child", there=True, **{f"{P}/kof-regional-cluster-name": R})
    at = f"https://vmauth.{DOMAIN}"
    data = {
        "aws_region": "us-east-2",
        "kof_http_config": "",
        "regional_cluster_name": R,
        "regional_cluster_namespace": N,
        "regional_cluster_cloud": "aws",
        "read_metrics_endpoint": f"{at}/vm/select/0/prometheus",
        "write_metrics_endpoint": f"{at}/vm/insert/0/prometheus/api/v1/write",
        "read_logs_endpoint": f"{at}/vls",
        "write_logs_endpoint": f"{at}/vli/insert/opentelemetry/v1/logs",
    }
    labels = {f"{P}/kof-cluster-role": "regional", f"{P}/kof-generated": "true"}
    put(live, "v1", "ConfigMap", N, f"kof-{R}", metadata={"labels": labels}, data=data)
    put(live, "v1", "ConfigMap", N, f"kof-record-vmrules-{R}", data={})
    child_labels = {f"{P}/kof-cluster-role": "child"}
    put(live, "v1", "ConfigMap", N, f"kof-cluster-config-{C}", metadata={"labels": child_labels}, data=dict(data))
    for user in ("admin-2461207107", "3676574327"):
        login = {"username": encoded(user), "password": encoded("p")}
        for namespace in (N, "kof"):
            put(live, "v1", "Secret", namespace, f"kof-vmuser-creds-{user}", data=dict(login))
        put(live, "operator.victoriametrics.com/v1beta1", "VMUser", N, f"kof-vmuser-{user}")
        found = services_of(
            live,
            f"kof-vmuser-propagation-{user}",
            [f"kof-vmuser-{user}", f"kof-vmuser-creds-{user}"],
            N,
            clusterSelector={"matchLabels": {f"{P}/kof-cluster-name": R}},
            dependsOn=["kof-regional-cluster"],
        )
        found["status"]["matchingClusters"] = [
            {"kind": "ClusterDeployment", "namespace": N, "name": R, "deployed": True}
        ]
    group(live, R, "ce4141b1")
    for what in ("logs", "audit-logs", "traces"):
        put(live, KOF_API, "VMStorageConnection", N, f"kof-{what}-storage-connection-ce4141b1")
    config = f'promxy:\n  server_groups:\n    - labels:\n        promxyCluster: "{R}"\n'
    live[Ref("v1", "Secret", "kof", "kof-mothership-promxy-config")]["data"] = {"config.yaml": encoded(config)}
    # One named like its cluster is there for each, empty and never deployed.
    for name in (R, C):
        put(live, API, "ServiceSet", N, name, spec={"services": []}, status={"deployed": False})
    deployed(live, f"{R}-f4f250a9", SERVICES["kof-regional-cluster"])
    deployed(live, f"{C}-49a75732", SERVICES["kof-child-cluster"])
    deployed(live, f"{C}-851570cc", SERVICES["kof-storage-child-secret-propagation"])
    return live


def group(live: Live, name: str, hashed: str, namespace: str = N) -> dict[str, Any]:
    return put(
        live,
        KOF_API,
        "PromxyServerGroup",
        namespace,
        f"promxy-server-group-{hashed}",
        metadata={"labels": {f"{P}/secret-name": "kof-mothership-promxy-config"}},
        spec={
            "cluster_name": name,
            "scheme": "https",
            "targets": [f"vmauth.{name}.kof.example.com:443"],
            "path_prefix": "/vm/select/0/prometheus/",
            "http_client": {"basic_auth": {"credentials_secret_name": "kof-vmuser-creds-admin-2461207107"}},
        },
    )


def deployed(live: Live, name: str, services: list[str], **states: str) -> dict[str, Any]:
    """A ServiceSet with these services, each Deployed unless said otherwise."""
    entries = [
        {
            "name": each,
            "namespace": "kof",
            "template": f"{each}-1",
            "state": states.get(each.replace("-", "_"), "Deployed"),
        }
        for each in services
    ]
    spec = {"services": [{"name": each, "namespace": "kof", "template": f"{each}-1"} for each in services]}
    # True as soon as what is in it so far is deployed.
    return put(live, API, "ServiceSet", N, name, spec=spec, status={"deployed": True, "services": entries})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def changed(live: Live, ref: Ref) -> dict[str, Any]:
    """An object of the state, to be changed for this test alone."""
    live[ref] = copy.deepcopy(live[ref])
    return live[ref]
