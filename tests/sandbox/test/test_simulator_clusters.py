"""The simulator with a real control plane behind a ClusterDeployment, and the real helm and registry."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import binaries, cluster, lifecycle, processes, registry
from sandbox import state as state_files
from sandbox.simulator.api import Api, Object
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CLUSTER_PROFILE,
    CLUSTER_SUMMARY,
    CONFIG_MAP,
    CREDENTIAL,
    HELM_REPOSITORY,
    NAMESPACE,
    PVC,
    SECRET,
    SERVICE,
    SERVICE_TEMPLATE,
    STORAGE_CLASS,
    SVELTOS_CLUSTER,
    Kind,
)

KCM, KOF = "kcm-system", "kof"
SUMMARY = "p--one-capi-one"

# A chart which, as kof-storage does, fails as long as a Secret isn't in the cluster.
CHART = """
{{- $secret := lookup "v1" "Secret" .Release.Namespace .Values.secret }}
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data:
  user: "{{ index $secret.data "username" | b64dec }}"
  text: {{ .Values.text | quote }}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "{{ .Release.Name }}"}
spec:
  serviceName: none
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec: {containers: [{name: c, image: i, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    """The first true answer; `seconds` on an idle machine. Raises AssertionError if there is none in time."""
    end = time.monotonic() + 15 * seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {15 * seconds} s")


class Sandbox:
    """A management cluster with a registry, and the simulator as a process of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.tools = binaries.find_or_build()
        self.api = Api(state / "mothership.kubeconfig")
        self.registry = registry.start(state, self.tools)
        endpoints = {"registry": self.registry, "helm": str(self.tools["helm"])}
        state_files.write_json(state / "endpoints.json", endpoints)

    def run(self) -> int:
        """Start the simulator and wait until it works; its process id."""
        command = [sys.executable, "-m", "sandbox.simulator", "run", "--state-dir", str(self.state)]
        ready = self.state / "simulator.json"
        ready.unlink(missing_ok=True)
        environment = {**os.environ, "KOF_SANDBOX_DIR": str(self.state)}
        processes.start(self.state, "simulator", command, environment)
        within(10, ready.exists)
        return int(json.loads(ready.read_text())["pid"])

    def push(self, name: str, version: str, folder: Path) -> None:
        chart = folder / name
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}))
        (chart / "templates" / "all.yaml").write_text(CHART)
        helm = str(self.tools["helm"])
        quiet = {"check": True, "capture_output": True}
        subprocess.run([helm, "package", str(chart), "-d", str(folder)], **quiet)  # type: ignore[call-overload]
        to = f"oci://{self.registry}/kof/charts"
        package = str(folder / f"{name}-{version}.tgz")
        subprocess.run([helm, "push", package, to, "--plain-http"], **quiet)  # type: ignore[call-overload]

    def make(self, kind: Kind, name: str, namespace: str | None = None, **rest: Any) -> Object:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
        return self.api.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest})

    def helm_feature(self) -> Object:
        status = (self.api.get(CLUSTER_SUMMARY, KCM, SUMMARY) or {}).get("status") or {}
        return next((f for f in status.get("featureSummaries") or [] if f["featureID"] == "Helm"), {})


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("sandbox")
    lifecycle.up(state, only_control_plane=True)
    try:
        made = Sandbox(state)
        seed = [sys.executable, "-m", "sandbox.simulator", "seed", "--kubeconfig", str(state / "mothership.kubeconfig")]
        subprocess.run(seed, check=True)
        made.push("probe", "1.0.0", tmp_path_factory.mktemp("charts"))
        made.make(NAMESPACE, KOF)
        made.make(HELM_REPOSITORY, "kof", KCM, spec={"type": "oci", "url": "oci://ghcr.io/k0rdent/kof/charts"})
        source = {"kind": "HelmRepository", "name": "kof"}
        chart_spec = {"chart": "probe", "version": "1.0.0", "interval": "10m0s", "sourceRef": source}
        made.make(SERVICE_TEMPLATE, "probe-1-0-0", KCM, spec={"helm": {"chartSpec": chart_spec}})
        yield made
    finally:
        lifecycle.down(state)


def service(name: str, text: str) -> Object:
    values = yaml.safe_dump({"secret": "credentials", "text": text})
    return {"name": name, "namespace": KOF, "template": "probe-1-0-0", "values": values}


def test_a_cluster_from_birth_to_death(sandbox: Sandbox) -> None:
    """One long walk, since a control plane takes seconds: each step needs the one before."""
    api, pid = sandbox.api, sandbox.run()
    template = {"annotations": {"projectsveltos.io/template": "true"}}
    data = {"secret.yaml": '{{ copy "secret-credentials" }}'}
    sandbox.make(CONFIG_MAP, "secret-template-credentials", KOF, metadata=template, data=data)
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "credentials", "namespace": KOF}
    profile = {
        "clusterSelector": {"matchLabels": {"secrets": "true"}},
        "templateResourceRefs": [{"identifier": "secret-credentials", "resource": reference}],
        "policyRefs": [{"kind": "ConfigMap", "name": "secret-template-credentials", "namespace": KOF}],
    }
    sandbox.make(CLUSTER_PROFILE, "credentials", spec=profile)
    within(10, lambda: ((api.get(SERVICE_TEMPLATE, KCM, "probe-1-0-0") or {}).get("status") or {}).get("valid"))

    # The Secret doesn't exist yet: the chart's lookup finds nothing, and helm fails as it does in the field.
    spec = {
        "template": "aws-standalone-cp-0-1-0",
        "credential": "aws-cluster-identity-cred",
        "config": {"clusterLabels": {"secrets": "true"}},
        "serviceSpec": {"services": [service("first", "1"), service("second", "2")]},
    }
    sandbox.make(CLUSTER_DEPLOYMENT, "one", KCM, spec=spec)
    failed = within(30, lambda: sandbox.helm_feature().get("status") == "Failed" and sandbox.helm_feature())
    assert "index of untyped nil" in failed["failureMessage"]
    sandbox.make(SECRET, "credentials", KOF, stringData={"username": "me"})
    within(30, lambda: sandbox.helm_feature().get("status") == "Provisioned")

    # What is in the cluster, by the kubeconfig that anybody would use.
    kubeconfig = sandbox.state / "from-secret.kubeconfig"
    secret = api.get(SECRET, KCM, "one-kubeconfig") or {}
    kubeconfig.write_bytes(base64.b64decode(secret["data"]["value"]))
    there = Api(kubeconfig)
    copied = there.get(SECRET, KOF, "credentials") or {}
    assert base64.b64decode(copied["data"]["username"]) == b"me"

    def text_of(name: str) -> str | None:
        return ((there.get(CONFIG_MAP, KOF, name) or {}).get("data") or {}).get("text")

    assert [text_of("first"), text_of("second")] == ["1", "2"]
    born = [(there.get(CONFIG_MAP, KOF, name) or {})["metadata"] for name in ("first", "second")]
    assert int(born[0]["resourceVersion"]) < int(born[1]["resourceVersion"]), "services come in list order"
    classes, _ = there.list(STORAGE_CLASS)
    default = "storageclass.kubernetes.io/is-default-class"
    assert [c["metadata"]["name"] for c in classes if c["metadata"]["annotations"][default] == "true"]
    balancer = within(5, lambda: (there.get(SERVICE, KOF, "first") or {})["status"]["loadBalancer"].get("ingress"))
    assert balancer[0]["hostname"].endswith(".elb.amazonaws.com")
    within(10, lambda: (there.get(PVC, KOF, "data-first-0") or {}).get("status", {}).get("phase") == "Bound")

    # A killed simulator comes back to what it left, and redoes nothing.
    before = (api.get(CLUSTER_SUMMARY, KCM, SUMMARY) or {})["metadata"]["resourceVersion"]
    releases = len(helm_revisions(there))
    os.kill(pid, signal.SIGKILL)
    within(5, lambda: processes.find(sandbox.state, "simulator") is None)
    sandbox.run()
    time.sleep(2)
    assert (api.get(CLUSTER_SUMMARY, KCM, SUMMARY) or {})["metadata"]["resourceVersion"] == before
    assert len(helm_revisions(there)) == releases

    # Changed values are an upgrade of that release alone; a service that is gone is uninstalled.
    live = api.get(CLUSTER_DEPLOYMENT, KCM, "one") or {}
    live["spec"]["serviceSpec"]["services"] = [service("first", "new")]
    api.replace(CLUSTER_DEPLOYMENT, live, manager="test")
    within(15, lambda: text_of("first") == "new" and text_of("second") is None)

    # The cluster goes with its ClusterDeployment.
    api.delete(CLUSTER_DEPLOYMENT, KCM, "one")
    within(10, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "one") is None)
    assert cluster.find("one", state=sandbox.state) is None
    assert not (sandbox.state / "one.kubeconfig").exists()
    assert api.get(SECRET, KCM, "one-kubeconfig") is None
    within(5, lambda: not [s for s in api.list(CLUSTER_SUMMARY)[0] if s["spec"]["clusterName"] == "one"])


def test_an_adopted_cluster_outlives_its_deployment(sandbox: Sandbox) -> None:
    """Deployed to by its kubeconfig, noticed when it doesn't answer, and left with all that was deployed."""
    api = sandbox.api
    lifecycle.adopt(sandbox.state, "own")
    credential = within(5, lambda: (api.get(CREDENTIAL, KCM, "own-cred") or {}).get("status"))
    assert credential["ready"]
    spec = {
        "template": "adopted-cluster-0-1-0",
        "credential": "own-cred",
        "config": {"clusterLabels": {"secrets": "true"}},
        "serviceSpec": {"services": [service("first", "1")]},
    }
    sandbox.make(CLUSTER_DEPLOYMENT, "own", KCM, spec=spec)
    there = Api(sandbox.state / "own.kubeconfig")

    def text() -> str | None:
        return ((there.get(CONFIG_MAP, KOF, "first") or {}).get("data") or {}).get("text")

    within(30, lambda: text() == "1")
    copied = there.get(SECRET, KOF, "credentials") or {}
    assert copied["metadata"]["ownerReferences"][0]["kind"] == "ClusterProfile"
    within(5, lambda: (there.get(SERVICE, KOF, "first") or {})["status"]["loadBalancer"].get("ingress"))
    within(10, lambda: (there.get(PVC, KOF, "data-first-0") or {}).get("status", {}).get("phase") == "Bound")

    def connection() -> Object:
        return (api.get(SVELTOS_CLUSTER, KCM, "own") or {}).get("status") or {}

    assert connection()["connectionStatus"] == "Healthy"
    processes.end(sandbox.state, ["own.kube-apiserver"])
    down = within(20, lambda: connection().get("connectionStatus") == "Down" and connection())
    assert down["failureMessage"].endswith("connect: connection refused")
    live = api.get(CLUSTER_DEPLOYMENT, KCM, "own") or {}
    live["spec"]["serviceSpec"]["services"] = [service("first", "2")]
    api.replace(CLUSTER_DEPLOYMENT, live, manager="test")
    cluster.mend("own", state=sandbox.state)
    within(20, lambda: text() == "2")

    api.delete(CLUSTER_DEPLOYMENT, KCM, "own")
    within(10, lambda: api.get(CLUSTER_DEPLOYMENT, KCM, "own") is None)
    within(10, lambda: not [s for s in api.list(CLUSTER_SUMMARY)[0] if s["spec"]["clusterName"] == "own"])
    assert api.get(SVELTOS_CLUSTER, KCM, "own") is None
    assert text() == "2"
    assert there.get(SECRET, KOF, "credentials") is not None


def helm_revisions(api: Api) -> list[str]:
    """Names of helm's release Secrets."""
    return [s["metadata"]["name"] for s in api.list(SECRET)[0] if s["type"] == "helm.sh/release.v1"]
