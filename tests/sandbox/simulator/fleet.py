"""The clusters behind ClusterDeployments: real control planes (the small demo) or none at all (a thousand).

A real one gets what the ClusterTemplate and Sveltos bring to any cluster: a default StorageClass with a provisioner,
system pods, load balancers; and the Grafana operator, which the kof-storage chart installs.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox import cluster as control_planes
from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.grafana import GrafanaOperator
from sandbox.simulator.kinds import DEPLOYMENT, NAMESPACE, STORAGE_CLASS, Kind
from sandbox.simulator.provisioners import LoadBalancers, VolumeProvisioner
from sandbox.simulator.runtime import Cluster, Key, Later

log = logging.getLogger("simulator")

DEFAULT_STORAGE_CLASS = "ebs-csi-default-sc"


@dataclass(frozen=True)
class Running:
    """A cluster whose control plane answers: its kubeconfig's text, and the file and connection where there is one."""

    kubeconfig: str
    file: Path | None = None
    cluster: Cluster | None = None


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


_SYSTEM: tuple[tuple[Kind, Object], ...] = (
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


def cluster_operators(cluster: Cluster) -> None:
    """Attach what runs in every cluster, the management cluster included."""
    VolumeProvisioner(cluster)
    LoadBalancers(cluster)
    GrafanaOperator(cluster)


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
            return self._running.get(key)

    def _start(self, key: Key) -> None:
        began = time.monotonic()
        try:
            started = control_planes.start(self.control_plane(key), state=self._state)
            cluster = Cluster(Api(started.kubeconfig), key[1])
            try:
                cluster_operators(cluster)
                cluster.start()
                create_all(cluster.api, _SYSTEM, manager="k0s")
            except Exception:
                cluster.stop()
                raise
            running = Running(started.kubeconfig.read_text(), started.kubeconfig, cluster)
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

    def running(self, key: Key) -> Running | None:
        named = {"name": key[1]}
        return Running(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": key[1],
                    "clusters": [{**named, "cluster": {"server": f"https://{key[1]}.invalid:6443"}}],
                    "contexts": [{**named, "context": {"cluster": key[1], "user": key[1]}}],
                    "users": [{**named, "user": {}}],
                }
            )
        )

    def remove(self, key: Key) -> None:
        pass
