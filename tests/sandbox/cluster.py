"""Control planes: one set of etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok for each cluster.

May hold: how such a set is configured, started, found again and ended. May not hold: any Kubernetes object beyond the
nodes, or knowledge of kof, kcm or the simulator. Everything is on disk, so that any process may start, find and end a
cluster: two at a time on the same one wait for each other.

All of it is tuned for five control planes on two cores: no leader election, no fsync, only the controllers that
Deployments, StatefulSets, DaemonSets, Jobs, volumes and the end of namespaces need, no heartbeats of nodes. There is no
kubelet: containers don't run, kwok says they do. Volumes: the binder runs, but no provisioner; who wants a
PersistentVolumeClaim bound makes its PersistentVolume (the simulator does).
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import sys
import time
from dataclasses import dataclass

import yaml

from sandbox import binaries, certificates, processes
from sandbox import state as state_files
from sandbox.api import Api, connect, wait_until
from sandbox.state import SandboxError

CONTROL_PLANE = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")
COMPONENTS = CONTROL_PLANE + CONTROLLERS

RESERVED = ("kof",)  # kof.kubeconfig is the collection's own user on the mothership

_CONTROLLERS_THAT_RUN = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
)

# These would need a controller or a kubelet that we don't run, or guard what a sandbox needn't guard.
_ADMISSION_OFF = (
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "PersistentVolumeClaimResize",
    "PodSecurity",
    "RuntimeClass",
    "StorageObjectInUseProtection",
    "TaintNodesByCondition",
)

# Every request by everyone, once, when it is answered: tests read from it who wrote what.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
        {"level": "Metadata"},
    ],
}

# kwok's own stages would keep nodes alive with a heartbeat; nobody here declares a silent node dead.
_NODE_STAGE = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: node-becomes-ready
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      conditions:
      {{ range NodeConditions }}
      - type: {{ .type | Quote }}
        status: {{ .status | Quote }}
        reason: {{ .reason | Quote }}
        message: {{ .message | Quote }}
        lastHeartbeatTime: {{ $now | Quote }}
        lastTransitionTime: {{ $now | Quote }}
      {{ end }}
      addresses:
      - {type: InternalIP, address: {{ NodeIP | Quote }}}
      - {type: Hostname, address: {{ .metadata.name | Quote }}}
      daemonEndpoints: {kubeletEndpoint: {Port: %(kubelet)d}}
      capacity: {cpu: "32", memory: 256Gi, ephemeral-storage: 1Ti, pods: "250"}
      allocatable: {cpu: "32", memory: 256Gi, ephemeral-storage: 1Ti, pods: "250"}
      nodeInfo:
        architecture: amd64
        operatingSystem: linux
        bootID: ""
        machineID: ""
        systemUUID: ""
        osImage: kwok
        kernelVersion: kwok
        containerRuntimeVersion: kwok://%(kwok)s
        kubeletVersion: %(kubernetes)s
        kubeProxyVersion: ""
"""

# Of what the containers would do, kwok lets a port be forwarded to: to a program that answers any HTTP request.
_PORT_FORWARD = """\
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata:
  name: container-answers
spec:
  forwards:
"""
#: What the charts' pods listen on that people open.
_FORWARDED = (3000, 8080, 8081, 8082, 8481, 9428)


def _port_forward(cluster: str) -> str:
    program = pathlib.Path(__file__).with_name("container.py")
    forwards = [
        {"ports": [port], "command": [sys.executable, "-IS", str(program), cluster, str(port)]} for port in _FORWARDED
    ]
    return _PORT_FORWARD + "".join(f"  - {json.dumps(each)}\n" for each in forwards)


@dataclass(frozen=True)
class Cluster:
    """A control plane: its name, the kubeconfig of its administrator, and the address of its API server."""

    name: str
    kubeconfig: pathlib.Path
    server: str
    state: pathlib.Path

    def stop(self) -> None:
        """End it and forget all it held; its logs stay."""
        stop(self.name, state=self.state)


def _folder(state: pathlib.Path, name: str) -> pathlib.Path:
    return state / "clusters" / name


def _process(name: str, component: str) -> str:
    return f"{name}.{component}"


def _environment() -> dict[str, str]:
    """Nearly nothing: etcd and others take settings from variables that the user may have for something else."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}


def names(*, state: pathlib.Path | None = None) -> list[str]:
    """Names of the clusters that were started and not stopped, whether they run now or not."""
    return sorted(file.parent.name for file in ((state or state_files.folder()) / "clusters").glob("*/cluster.json"))


def find(name: str, *, state: pathlib.Path | None = None) -> Cluster | None:
    """The cluster of that name if its API server runs."""
    state = state or state_files.folder()
    facts = state_files.read_json(_folder(state, name) / "cluster.json")
    if facts is None or processes.find(state, _process(name, "kube-apiserver")) is None:
        return None
    return Cluster(name, state / f"{name}.kubeconfig", facts["server"], state)


def missing(name: str, *, state: pathlib.Path | None = None) -> list[str]:
    """Components of a started cluster which should run and don't; all of them if there is no such cluster."""
    state = state or state_files.folder()
    facts = state_files.read_json(_folder(state, name) / "cluster.json")
    wanted = CONTROL_PLANE if facts and facts["only_control_plane"] else COMPONENTS
    return [component for component in wanted if processes.find(state, _process(name, component)) is None]


def start(
    name: str,
    *,
    nodes: int = 3,
    only_control_plane: bool = False,
    audit: bool = False,
    state: pathlib.Path | None = None,
) -> Cluster:
    """Start a control plane, or what is missing of it, and return when it works.

    `nodes` fake nodes are made where there are none yet. `only_control_plane` leaves out controllers, scheduler and
    nodes. `audit` makes its API server write `<state>/audit.log`. `state` is the state folder, by default the one of
    the environment. Raises SandboxError with the end of a log if a part does not come up.
    """
    state = state or state_files.folder()
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) or name in RESERVED:
        raise SandboxError(f"a cluster can't be named {name!r}")
    tools = binaries.find_or_build()
    state_files.claim(state)
    with state_files.lock(state / "locks" / name):
        folder = _folder(state, name)
        facts = state_files.read_json(folder / "cluster.json")
        if facts is None:
            # Whatever is there is left from a start that was killed.
            _remove(state, name)
            for attempt in (1, 2, 3):
                try:
                    server = _start_control_plane(state, name, tools, audit, fresh=attempt > 1)
                    break
                except _PortTaken:
                    _remove(state, name)
            else:
                raise SandboxError(f"{name}: found no free ports in three attempts")
        else:
            audit = audit or facts["audit"]
            only_control_plane = only_control_plane and facts["only_control_plane"]
            nodes = facts["nodes"]
            server = _start_control_plane(state, name, tools, audit, fresh=False)
        if not only_control_plane:
            _start_controllers(state, name, tools, server, nodes)
        facts = {"server": server, "only_control_plane": only_control_plane, "audit": audit, "nodes": nodes}
        state_files.write_json(folder / "cluster.json", facts)
    return Cluster(name, state / f"{name}.kubeconfig", server, state)


def mend(name: str, *, state: pathlib.Path | None = None) -> None:
    """Start again what has ended of a cluster; its data is as it was. Nothing happens if it was stopped meanwhile."""
    state = state or state_files.folder()
    tools = binaries.find_or_build()
    with state_files.lock(state / "locks" / name):
        facts = state_files.read_json(_folder(state, name) / "cluster.json")
        if facts and missing(name, state=state):
            _start_control_plane(state, name, tools, facts["audit"], fresh=False)
            if not facts["only_control_plane"]:
                _start_controllers(state, name, tools, facts["server"], facts["nodes"])


def stop(name: str, *, state: pathlib.Path | None = None) -> None:
    """End a cluster and forget its data, keys, kubeconfig and ports. Nothing happens where there is none."""
    state = state or state_files.folder()
    if not _folder(state, name).exists():
        return
    with state_files.lock(state / "locks" / name):
        _remove(state, name)


def _remove(state: pathlib.Path, name: str) -> None:
    # Killed, not asked: an API server waits for its watchers, and its data goes anyway.
    processes.end(state, [_process(name, component) for component in COMPONENTS])
    # The file that says "this is a cluster" goes first, so that a half-removed one isn't taken for one.
    (_folder(state, name) / "cluster.json").unlink(missing_ok=True)
    shutil.rmtree(_folder(state, name), ignore_errors=True)
    (state / f"{name}.kubeconfig").unlink(missing_ok=True)
    state_files.forget_ports(state, name)


_PORTS = ("etcd", "peer", "api", "kubelet")


class _PortTaken(Exception):
    """Somebody took one of our ports between our look and the server's bind."""


def _start_control_plane(
    state: pathlib.Path, name: str, tools: dict[str, pathlib.Path], audit: bool, fresh: bool
) -> str:
    """Start etcd and API server where they don't run; wait until they answer; return the API server's address."""
    folder = _folder(state, name)
    folder.mkdir(parents=True, exist_ok=True)
    port = state_files.ports(state, name, _PORTS, fresh=fresh)
    server = f"https://127.0.0.1:{port['api']}"
    authority = certificates.Authority(folder, name)
    certificates.signing_key(folder / "service-accounts.key", folder / "service-accounts.pub")
    if not (folder / "apiserver.crt").exists():
        certificate, key = authority.issue(
            "kube-apiserver",
            addresses=(
                "127.0.0.1", "10.96.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ),
            server=True,
        )  # fmt: skip
        state_files.write(folder / "apiserver.key", key, 0o600)
        state_files.write(folder / "apiserver.crt", certificate)
    kubeconfig = state / f"{name}.kubeconfig"
    authority.kubeconfig(kubeconfig, name, server, "kubernetes-admin", ("system:masters",))

    started = time.time()
    processes.start(state, _process(name, "etcd"), _etcd(folder, tools, port), _environment())
    audit_log = state / "audit.log" if audit else None
    command = _apiserver(folder, tools, port, audit_log)
    # Collecting garbage less often saves a second of CPU at each start, and costs some 60 MiB.
    processes.start(state, _process(name, "kube-apiserver"), command, _environment() | {"GOGC": "300"})
    api = Api(kubeconfig, timeout=5)  # then it is asked again, and whether the processes still run

    def ready() -> bool:
        for component in CONTROL_PLANE:
            if processes.find(state, _process(name, component)) is None:
                log = processes.log_file(state, _process(name, component))
                end = processes.tail(log)
                if "address already in use" in end and log.stat().st_mtime >= started:
                    raise _PortTaken
                raise SandboxError(f"{component} of {name} ended; the end of {log}:\n{end}")
        return api.raw("GET", "/readyz")[0] == 200

    try:
        wait_until(
            f"API server of {name}", 600, ready,
            lambda: processes.tail(processes.log_file(state, _process(name, "kube-apiserver"))),
        )  # fmt: skip
    finally:
        api.close()
    return server


def _etcd(folder: pathlib.Path, tools: dict[str, pathlib.Path], port: dict[str, int]) -> list[str]:
    client, peer = (f"http://127.0.0.1:{port[which]}" for which in ("etcd", "peer"))
    return [
        str(tools["etcd"]),
        "--name=default",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--snapshot-count=10000",
        "--log-level=warn",
    ]


def _apiserver(
    folder: pathlib.Path, tools: dict[str, pathlib.Path], port: dict[str, int], audit_log: pathlib.Path | None
) -> list[str]:
    command = [
        str(tools["kube-apiserver"]),
        f"--etcd-servers=http://127.0.0.1:{port['etcd']}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port['api']}",
        f"--tls-cert-file={folder / 'apiserver.crt'}",
        f"--tls-private-key-file={folder / 'apiserver.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={folder / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--disable-admission-plugins={','.join(_ADMISSION_OFF)}",
        # Nobody asks for its address through the cluster, nor for its identity among several.
        "--endpoint-reconciler-type=none",
        "--kubelet-preferred-address-types=InternalIP",  # for a port that is forwarded; nodes' names are nowhere
        "--feature-gates=APIServerIdentity=false",
        "--profiling=false",
    ]
    if audit_log:
        policy = folder / "audit-policy.yaml"
        state_files.write(policy, yaml.safe_dump(_AUDIT_POLICY, sort_keys=False))
        # Written before the answer is sent, and in one file whatever its size: tests count its lines.
        command += [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log}", "--audit-log-maxsize=10000"]
    return command


def _start_controllers(state: pathlib.Path, name: str, tools: dict[str, pathlib.Path], server: str, nodes: int) -> None:
    """Start controllers, scheduler and kwok where they don't run, make the nodes, wait until it all works."""
    folder = _folder(state, name)
    authority = certificates.Authority(folder, name)

    def identity(component: str, organizations: tuple[str, ...] = ()) -> pathlib.Path:
        file = folder / f"{component}.kubeconfig"
        authority.kubeconfig(file, name, server, f"system:{component}", organizations)
        return file

    # One identity for all controllers, instead of a service account each, needs more rights than its own role has.
    manager = identity("kube-controller-manager", ("system:masters",))
    processes.start(
        state,
        _process(name, "kube-controller-manager"),
        [
            str(tools["kube-controller-manager"]),
            f"--kubeconfig={manager}",
            "--secure-port=0",
            "--leader-elect=false",
            "--profiling=false",
            f"--controllers={','.join(_CONTROLLERS_THAT_RUN)}",
            f"--service-account-private-key-file={folder / 'service-accounts.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
        ],
        _environment(),
    )
    scheduler_config = folder / "kube-scheduler.yaml"
    state_files.write(
        scheduler_config,
        yaml.safe_dump(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "clientConnection": {"kubeconfig": str(identity("kube-scheduler")), "qps": 300, "burst": 600},
                "leaderElection": {"leaderElect": False},
                "enableProfiling": False,
                "parallelism": 2,
                # A rollout must not wait long for a pod whose volume has been bound meanwhile.
                "podInitialBackoffSeconds": 1,
                "podMaxBackoffSeconds": 2,
            }
        ),
    )
    processes.start(
        state,
        _process(name, "kube-scheduler"),
        [str(tools["kube-scheduler"]), f"--config={scheduler_config}", "--secure-port=0"],
        _environment(),
    )
    stages = folder / "kwok.yaml"
    kubelet = state_files.ports(state, name, _PORTS, fresh=False)["kubelet"]
    given = {"kwok": binaries.KWOK, "kubernetes": binaries.KUBERNETES, "kubelet": kubelet}
    state_files.write(stages, _NODE_STAGE % given + _port_forward(name))
    processes.start(
        state,
        _process(name, "kwok"),
        [
            str(tools["kwok"]),
            f"--kubeconfig={identity('kwok', ('system:masters',))}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=0",
            "--node-ip=127.0.0.1",
            f"--node-port={kubelet}",
            f"--server-address=127.0.0.1:{kubelet}",
            f"--tls-cert-file={folder / 'apiserver.crt'}",
            f"--tls-private-key-file={folder / 'apiserver.key'}",
        ],
        _environment(),
    )

    with connect(state / f"{name}.kubeconfig") as api:
        if not api.request("GET", "/api/v1/nodes?limit=1")["items"]:
            for number in range(nodes):
                api.request("POST", "/api/v1/nodes", _node(name, number))

        def works() -> bool:
            for component in CONTROLLERS:
                if processes.find(state, _process(name, component)) is None:
                    log = processes.log_file(state, _process(name, component))
                    raise SandboxError(f"{component} of {name} ended; the end of {log}:\n{processes.tail(log)}")
            # Without this one, which a controller makes, no pod would be admitted.
            account = api.get("/api/v1/namespaces/default/serviceaccounts/default")
            return account is not None and all(
                any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
                for node in api.request("GET", "/api/v1/nodes")["items"]
            )

        wait_until(f"controllers and nodes of {name}", 600, works, lambda: f"see the logs in {state / 'logs'}")


def _node(cluster: str, number: int) -> dict[str, object]:
    name = f"{cluster[:52]}-worker-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{number % 3}",
            },
        },
    }


def user(name: str, common_name: str, file: pathlib.Path, *, state: pathlib.Path | None = None) -> None:
    """Write a kubeconfig for a user with a client certificate of its own, unless the file is there; gives no rights."""
    state = state or state_files.folder()
    facts = state_files.read_json(_folder(state, name) / "cluster.json")
    if facts is None:
        raise SandboxError(f"there is no cluster {name}")
    certificates.Authority(_folder(state, name), name).kubeconfig(file, name, facts["server"], common_name)


def server_certificate(name: str, *, state: pathlib.Path | None = None) -> tuple[str, str]:
    """PEM texts (certificate, key) for another server on loopback that a cluster's users are to trust as its own."""
    authority = certificates.Authority(_folder(state or state_files.folder(), name), name)
    return authority.issue("in front of the API server", addresses=("127.0.0.1", "localhost"), server=True)


def restart_apiserver(name: str, *, down_seconds: float = 0, state: pathlib.Path | None = None) -> None:
    """Kill the API server of a cluster, leave it away for a time, start it again on its port and wait until it answers.

    etcd goes on, nothing is lost. Raises SandboxError if there is no such cluster.
    """
    state = state or state_files.folder()
    facts = state_files.read_json(_folder(state, name) / "cluster.json")
    if facts is None:
        raise SandboxError(f"there is no cluster {name}")
    tools = binaries.find_or_build()
    with state_files.lock(state / "locks" / name):
        processes.end(state, [_process(name, "kube-apiserver")])
        time.sleep(down_seconds)
        _start_control_plane(state, name, tools, facts["audit"], fresh=False)
