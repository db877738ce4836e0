"""The clusters behind ClusterDeployments: real control planes (the small demo) or none at all (a thousand).

An adopted one lives by itself and is only connected. A real one gets what the ClusterTemplate and Sveltos bring to any
cluster: a default StorageClass with a provisioner, system pods, load balancers; and the Grafana operator, which the
kof-storage chart installs.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import urllib3
import yaml

from sandbox import cluster as control_planes
from sandbox.binaries import KUBERNETES
from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.faults import Faults
from sandbox.simulator.grafana import GrafanaOperator
from sandbox.simulator.kinds import DEPLOYMENT, NAMESPACE, STORAGE_CLASS, Kind
from sandbox.simulator.provisioners import LoadBalancers, VolumeProvisioner
from sandbox.simulator.runtime import Cluster, Key, Later
from sandbox.simulator.texts import NO_KUBECONFIG, no_discovery

log = logging.getLogger("simulator")

DEFAULT_STORAGE_CLASS = "ebs-csi-default-sc"


@dataclass(frozen=True)
class Running:
    """A cluster whose control plane answers: its kubeconfig's text, and the file and connection where there is one."""

    kubeconfig: str
    server: str
    file: Path | None = None
    cluster: Cluster | None = None


class CannotConnect(Exception):
    """A kubeconfig is none, or nobody answers at its server; the text is Sveltos' (SveltosCluster's failureMessage)."""


class Fleet(Protocol):
    """What provisions clusters. Keys are namespace and name of the ClusterDeployment."""

    real: bool

    def ensure(self, key: Key) -> Running | None:
        """The running cluster; None while it is coming up (`changed` is called later). Raises Later if that failed."""
        ...

    def running(self, key: Key) -> Running | None: ...

    def remove(self, key: Key) -> None:
        """Take the cluster away; returns when it is gone. Raises Later while it is still starting."""
        ...

    def adopt(self, key: Key, kubeconfig: str) -> str:
        """Connect a cluster that lives by itself; its Kubernetes version. Raises CannotConnect."""
        ...

    def release(self, key: Key) -> None:
        """Forget an adopted cluster; nothing happens to it."""
        ...


def deployment(namespace: str, name: str, image: str, replicas: int = 1) -> Object:
    """A Deployment that only has to be there and have running pods."""
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name.rpartition("/")[2], "image": image}]},
            },
        },
    }


def storage_class(name: str, provisioner: str, *, default: bool, binding: str = "WaitForFirstConsumer") -> Object:
    """A StorageClass."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true" if default else "false"},
        },
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
    }


def namespace(name: str) -> Object:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


#: What runs in a cluster before anybody deploys to it.
SYSTEM: tuple[tuple[Kind, Object], ...] = (
    (NAMESPACE, namespace("projectsveltos")),
    (STORAGE_CLASS, storage_class(DEFAULT_STORAGE_CLASS, "ebs.csi.aws.com", default=True)),
    (DEPLOYMENT, deployment("kube-system", "coredns", "quay.io/k0sproject/coredns:1.11.4", 2)),
    (
        DEPLOYMENT,
        deployment("kube-system", "ebs-csi-controller", "public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver:v1.33.0"),
    ),
    (
        DEPLOYMENT,
        deployment("projectsveltos", "sveltos-agent-manager", "docker.io/projectsveltos/sveltos-agent:v0.45.0"),
    ),
)


def create_all(api: Api, objects: tuple[tuple[Kind, Object], ...], *, manager: str) -> None:
    """Create each object that doesn't exist yet."""
    for kind, obj in objects:
        try:
            api.create(kind, obj, manager=manager)
        except ApiError as error:
            if not error.conflict:
                raise


def cluster_operators(cluster: Cluster, faults: Faults | None = None) -> GrafanaOperator:
    """Attach what runs in every cluster, the management cluster included.

    :param faults: those that hold it up; None where none do.
    """
    VolumeProvisioner(cluster)
    LoadBalancers(cluster)
    return GrafanaOperator(cluster, faults)


def _adoptable(kubeconfig: str, key: Key) -> str:
    """The server that a kubeconfig names. Raises CannotConnect."""
    try:
        config = yaml.safe_load(kubeconfig)
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        return str(next(c["cluster"]["server"] for c in config["clusters"] if c["name"] == context["cluster"]))
    except (yaml.YAMLError, TypeError, KeyError, StopIteration):
        # clientcmd sees the content under a name that is new each time.
        raise CannotConnect(NO_KUBECONFIG.format(number=zlib.crc32(f"{key}{time.time()}".encode()))) from None


class RealFleet:
    """One real control plane per cluster, two started at a time."""

    real = True

    def __init__(self, state: Path, changed: Callable[[Key], None]) -> None:
        self._state = state
        self._changed = changed
        self._lock = threading.Lock()
        self._running: dict[Key, Running] = {}
        self._starting: set[Key] = set()
        self._failed: dict[Key, str] = {}
        self._adopted: dict[Key, Running] = {}
        self._attached: dict[str, Cluster] = {}  # by server: clusters that live by themselves, with their operators
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="clusters")

    @staticmethod
    def control_plane(key: Key) -> str:
        """The control plane's name: the cluster's own, for those in kcm-system."""
        return key[1] if key[0] == "kcm-system" else f"{key[0]}-{key[1]}"

    def ensure(self, key: Key) -> Running | None:
        with self._lock:
            if key in self._running:
                return self._running[key]
            if problem := self._failed.pop(key, None):
                raise Later(problem)
            if key not in self._starting:
                self._starting.add(key)
                self._pool.submit(self._start, key)
        return None

    def running(self, key: Key) -> Running | None:
        with self._lock:
            return self._running.get(key) or self._adopted.get(key)

    def adopt(self, key: Key, kubeconfig: str) -> str:
        server = _adoptable(kubeconfig, key).rstrip("/")
        folder = self._state / "simulator" / "adopted"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{key[0]}.{key[1]}.kubeconfig"
        if not file.exists() or file.read_text() != kubeconfig:
            file.touch(mode=0o600)
            file.write_text(kubeconfig)
        with self._lock:
            known = self._adopted.get(key)
        try:
            api = known.cluster.api if known and known.cluster and known.kubeconfig == kubeconfig else Api(file)
            version = str(api.request("GET", "/version", timeout=10.0)["gitVersion"])
            api.request("GET", "/api/v1", timeout=10.0)
        except urllib3.exceptions.HTTPError as error:
            raise CannotConnect(no_discovery(server, error)) from error
        except ApiError as error:
            raise CannotConnect(error.message or str(error)) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CannotConnect(f"BuildConfigFromFlags: {error}") from error
        if not (known and known.cluster and known.cluster.api is api):
            running = Running(kubeconfig, server, file, self._attach(server, api, key[1]))
            with self._lock:
                self._adopted[key] = running
        return version

    def _attach(self, server: str, api: Api, name: str) -> Cluster:
        """The connection to a cluster that lives by itself; its volumes, load balancers and Grafana are played once."""
        cluster = Cluster(api, name)
        mothership = Api(self._state / "mothership.kubeconfig").server
        with self._lock:
            ours = {running.server for running in self._running.values()} | {mothership, *self._attached}
            if server in ours:
                return cluster
            self._attached[server] = cluster
        cluster_operators(cluster)
        cluster.start()
        return cluster

    def release(self, key: Key) -> None:
        with self._lock:
            self._adopted.pop(key, None)

    def _start(self, key: Key) -> None:
        began = time.monotonic()
        try:
            started = control_planes.start(self.control_plane(key), state=self._state)
            cluster = Cluster(Api(started.kubeconfig), key[1])
            try:
                cluster_operators(cluster)
                cluster.start()
                create_all(cluster.api, SYSTEM, manager="k0s")
            except Exception:
                cluster.stop()
                raise
            running = Running(started.kubeconfig.read_text(), started.server, started.kubeconfig, cluster)
        except Exception as error:
            log.exception("cluster %s didn't start", key[1])
            with self._lock:
                self._failed[key] = str(error)
                self._starting.discard(key)
        else:
            log.info("cluster %s runs after %.1f s", key[1], time.monotonic() - began)
            with self._lock:
                self._running[key] = running
                self._starting.discard(key)
        self._changed(key)

    def remove(self, key: Key) -> None:
        with self._lock:
            busy = key in self._starting
            running = None if busy else self._running.pop(key, None)
        if busy:
            raise Later(f"cluster {key[1]} is still starting")
        if running and running.cluster:
            running.cluster.stop()
        control_planes.stop(self.control_plane(key), state=self._state)


class NoFleet:
    """No control planes: every cluster counts as running, under an address that nobody answers."""

    real = False

    def ensure(self, key: Key) -> Running | None:
        return self.running(key)

    def adopt(self, key: Key, kubeconfig: str) -> str:
        _adoptable(kubeconfig, key)
        return KUBERNETES

    def release(self, key: Key) -> None:
        pass

    def running(self, key: Key) -> Running | None:
        named = {"name": key[1]}
        server = f"https://{key[1]}.invalid:6443"
        return Running(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": key[1],
                    "clusters": [{**named, "cluster": {"server": server}}],
                    "contexts": [{**named, "context": {"cluster": key[1], "user": key[1]}}],
                    "users": [{**named, "user": {}}],
                }
            ),
            server,
        )

    def remove(self, key: Key) -> None:
        pass
