"""What a cloud does for a cluster's objects: volumes for claims, and hostnames for load balancers; and what a kubelet
does before a pod starts."""

from __future__ import annotations

import hashlib

from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.kinds import POD, PV, PVC, SECRET, SERVICE, STORAGE_CLASS
from sandbox.simulator.runtime import NO_HELM_RELEASES, Cluster, enqueue, key_of

#: Both ask for a volume: the PV controller (Immediate) and the scheduler (WaitForFirstConsumer).
_ASKED = ("volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner")
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_NO_PROVISIONER = "kubernetes.io/no-provisioner"


def volume_for(claim: Object, storage_class: Object) -> Object | None:
    """The PersistentVolume an external provisioner would make now for this claim, or None (not asked to, or can't)."""
    meta, spec = claim["metadata"], claim["spec"]
    annotations = meta.get("annotations") or {}
    if (claim.get("status") or {}).get("phase") != "Pending" or spec.get("volumeName"):
        return None
    if storage_class["provisioner"] == _NO_PROVISIONER or not any(name in annotations for name in _ASKED):
        return None
    if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and _SELECTED_NODE not in annotations:
        return None
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"pvc-{meta['uid']}",
            "annotations": {"pv.kubernetes.io/provisioned-by": storage_class["provisioner"]},
        },
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {**reference, "uid": meta["uid"]},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            # No disk stands behind it, and a hostPath volume needs no attaching.
            "hostPath": {"path": f"/volumes/{meta['uid']}", "type": "DirectoryOrCreate"},
        },
    }


class VolumeProvisioner:
    """Makes volumes for claims that ask, and removes released ones; Kubernetes' own controllers bind."""

    def __init__(self, cluster: Cluster) -> None:
        self._api: Api = cluster.api
        self._claims = cluster.informer(PVC)
        self._volumes = cluster.informer(PV)
        claims = cluster.queue("volumes", self._reconcile_claim)
        volumes = cluster.queue("released-volumes", self._reconcile_volume)
        self._claims.on_change(enqueue(claims))
        self._volumes.on_change(enqueue(volumes))

    def _reconcile_claim(self, key: tuple[str, str]) -> None:
        claim = self._claims.get(*key)
        name = claim["spec"].get("storageClassName") if claim else None
        if not claim or not name or claim["metadata"].get("deletionTimestamp") or claim["spec"].get("volumeName"):
            return
        storage_class = self._api.get(STORAGE_CLASS, None, name)
        volume = volume_for(claim, storage_class) if storage_class else None
        if volume:
            try:
                self._api.create(PV, volume, manager="csi-provisioner")
            except ApiError as error:
                if not error.conflict:
                    raise

    def _reconcile_volume(self, key: tuple[str, str]) -> None:
        volume = self._volumes.get(*key)
        if (
            volume
            and (volume.get("status") or {}).get("phase") == "Released"
            and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
            and "pv.kubernetes.io/provisioned-by" in (volume["metadata"].get("annotations") or {})
        ):
            self._api.delete(PV, None, volume["metadata"]["name"])


class LoadBalancers:
    """Gives every Service of type LoadBalancer a hostname like those of AWS."""

    def __init__(self, cluster: Cluster) -> None:
        self._api: Api = cluster.api
        self._services = cluster.informer(SERVICE)
        queue = cluster.queue("load-balancers", self._reconcile)

        def changed(old: Object | None, new: Object | None) -> None:
            if new and new["spec"].get("type") == "LoadBalancer":
                queue.add(key_of(new))

        self._services.on_change(changed)

    def _reconcile(self, key: tuple[str, str]) -> None:
        service = self._services.get(*key)
        if service is None or (service.get("status") or {}).get("loadBalancer", {}).get("ingress"):
            return
        digest = hashlib.sha256(service["metadata"]["uid"].encode()).hexdigest()
        host = f"a{digest[:31]}-{int(digest[31:40], 16) % 10**10}.us-east-2.elb.amazonaws.com"
        self._api.patch(
            SERVICE,
            *key,
            {"status": {"loadBalancer": {"ingress": [{"hostname": host}]}}},
            subresource="status",
            manager="aws-cloud-controller-manager",
        )


#: On a pod: the Secret of its namespace that it mounts, and can't start without.
MOUNTS = "mounts.sandbox/"


class Mounts:
    """The kubelet, as far as no pod starts before a Secret that it mounts is there.

    kwok mounts nothing, so a chart whose pods are to wait gives them a scheduling gate that names the Secret.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._api: Api = cluster.api
        self._pods = cluster.informer(POD)
        self._secrets = cluster.informer(SECRET, selector=NO_HELM_RELEASES)
        self._queue = cluster.queue("mounts", self._reconcile)
        self._pods.on_change(enqueue(self._queue))

        def secret_changed(_old: Object | None, new: Object | None) -> None:
            for pod in self._pods.all((new or {}).get("metadata", {}).get("namespace")) if new else ():
                self._queue.add(key_of(pod))

        self._secrets.on_change(secret_changed)

    def _reconcile(self, key: tuple[str, str]) -> None:
        pod = self._pods.get(*key)
        gates = (pod or {"spec": {}})["spec"].get("schedulingGates") or []
        left = [
            gate
            for gate in gates
            if not gate["name"].startswith(MOUNTS)
            or self._secrets.get(key[0], gate["name"].removeprefix(MOUNTS)) is None
        ]
        if left != gates:
            self._api.patch(POD, *key, {"spec": {"schedulingGates": left}}, manager="kubelet")
