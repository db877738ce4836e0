"""What runs on a cluster, by objects as kubelets and controllers write them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import workloads as under_test

LATE = "workload-not-ready"
BEGAN, LATER = "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"
RUNNING = {"running": {"startedAt": LATER}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": LATER}}


def container(state: dict[str, Any], *, ready: bool = False, last: Any = None, restarts: int = 0) -> dict[str, Any]:
    return {"name": "one", "state": state, "ready": ready, "lastState": last or {}, "restartCount": restarts}


def pod(*containers: dict[str, Any], init: Any = (), **parts: Any) -> dict[str, Any]:
    ready = bool(containers) and all(each["ready"] for each in containers)
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": str(ready), "reason": "ContainersNotReady", "lastTransitionTime": LATER},
    ]
    status = {"phase": "Running", "startTime": BEGAN, "conditions": conditions, "containerStatuses": list(containers)}
    status |= {"initContainerStatuses": list(init)} | parts.pop("status", {})
    metadata = {"name": "db-0", "creationTimestamp": BEGAN, **parts.pop("metadata", {})}
    return {"kind": "Pod", "metadata": metadata, "spec": parts.pop("spec", {}), "status": status}


WELL = container(RUNNING, ready=True)
#: By what is so: the pod, its code, and since when it is so, as far as that is known.
PODS: dict[str, tuple[dict[str, Any], str, str]] = {
    "all is well": (pod(WELL), "", ""),
    "it was started again once, long ago": (pod(container(RUNNING, ready=True, last=ended(1), restarts=1)), "", ""),
    "its init container is done": (pod(WELL, init=[container(ended(0, "Completed"), ready=True)]), "", ""),
    "it was evicted": (pod(status={"phase": "Failed", "reason": "Evicted", "containerStatuses": []}), "", ""),
    "it is done": (pod(container(ended(0)), status={"phase": "Succeeded"}), "", ""),
    "it is going": (pod(container(ended(137)), metadata={"deletionTimestamp": LATER}), "", ""),
    "it is a Job's": (
        pod(
            container(ended(1), restarts=5),
            metadata={"ownerReferences": [{"kind": "Job", "name": "x", "controller": True}]},
        ),
        "",
        "",
    ),
    "no node": (
        pod(
            status={
                "phase": "Pending",
                "containerStatuses": [],
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient memory.",
                        "lastTransitionTime": BEGAN,
                    }
                ],
            }
        ),
        "pod-not-scheduled",
        BEGAN,
    ),
    "the image": (
        pod(container({"waiting": {"reason": "ErrImagePull", "message": "not found"}})),
        "image-not-pulled",
        BEGAN,
    ),
    "the image of an init container": (
        pod(
            container({"waiting": {"reason": "PodInitializing"}}),
            init=[container({"waiting": {"reason": "ImagePullBackOff"}})],
        ),
        "image-not-pulled",
        BEGAN,
    ),
    "a Secret in its environment": (
        pod(container({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}})),
        "pod-not-started",
        BEGAN,
    ),
    "a Secret that it mounts": (pod(container({"waiting": {"reason": "ContainerCreating"}})), "pod-not-started", BEGAN),
    "no kubelet has seen it": (pod(status={"phase": "Pending"}), "pod-not-started", BEGAN),
    "it ends again and again": (
        pod(container({"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(2), restarts=9)),
        "pod-crashing",
        BEGAN,
    ),
    "it has just ended once": (pod(container(ended(1), restarts=0)), "pod-crashing", LATER),
    "it has ended without an error, which it shouldn't": (
        pod(container({"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(0), restarts=4)),
        "pod-crashing",
        BEGAN,
    ),
    "its memory": (
        pod(container({"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(137, "OOMKilled"), restarts=3)),
        "pod-out-of-memory",
        LATER,
    ),
    "its memory, and it runs again": (
        pod(container(RUNNING, ready=True, last=ended(137, "OOMKilled"), restarts=1)),
        "pod-out-of-memory",
        LATER,
    ),
    "its probe": (pod(container(RUNNING)), "pod-not-ready", LATER),
}


@pytest.mark.parametrize("what", PODS)
def test_why_a_pod_does_not_run(what: str) -> None:
    obj, code, since = PODS[what]
    verdict = under_test.pod(obj)
    assert (verdict.code, verdict.since) == (code, since)
    assert bool(verdict.why) == bool(code)


def test_memory_of_yesterday_matters_only_while_it_does_not_run() -> None:
    def never(_when: str) -> bool:
        return False

    again, not_again = PODS["its memory, and it runs again"][0], PODS["its memory"][0]
    assert under_test.pod(again, never).ready
    assert under_test.pod(not_again, never).code == "pod-out-of-memory"


@pytest.mark.parametrize(
    ("owner", "labels", "of"),
    [
        (("ReplicaSet", "kof-promxy-5d4f8"), {"pod-template-hash": "5d4f8"}, ("Deployment", "kof-promxy")),
        (("ReplicaSet", "kof-promxy-5d4f8"), {}, ("Deployment", "kof-promxy")),
        (("StatefulSet", "vmstorage-cluster"), {}, ("StatefulSet", "vmstorage-cluster")),
        (None, {}, ("Pod", "db-0")),
    ],
)
def test_whose_a_pod_is(owner: tuple[str, str] | None, labels: dict[str, str], of: tuple[str, str]) -> None:
    owners: list[dict[str, Any]] = [{"kind": "Other", "name": "x"}]
    if owner:
        owners.append({"kind": owner[0], "name": owner[1], "controller": True})
    assert under_test.workload_of(pod(WELL, metadata={"ownerReferences": owners, "labels": labels})) == of


def storage_class(name: str, provisioner: str = "ebs.csi.aws.com", mode: str = "Immediate") -> dict[str, Any]:
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}


CLASSES = [
    storage_class("fast"),
    storage_class("late", mode="WaitForFirstConsumer"),
    storage_class("hand", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
]


def claim(name: str | None, phase: str = "Pending", **annotations: str) -> dict[str, Any]:
    spec = {} if name is None else {"storageClassName": name}
    metadata = {"name": "db", "creationTimestamp": BEGAN, "annotations": annotations}
    return {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("obj", "told"),
    [
        (claim("gone", "Bound"), ""),
        (claim("fast"), "ebs.csi.aws.com of its StorageClass fast has made no volume"),
        (claim("gone"), "StorageClass gone doesn't exist"),
        (claim("hand"), "makes no volumes"),
        (claim("late"), ""),
        (claim("late", **{"volume.kubernetes.io/selected-node": "n1"}), "has made no volume"),
        (claim(None), "none is the default"),
        (claim(""), "made by hand"),
        (claim("fast", "Lost"), "is gone"),
    ],
)
def test_why_a_claim_has_no_volume(obj: dict[str, Any], told: str) -> None:
    verdict = under_test.volume_claim(obj, CLASSES)
    assert verdict.code == ("volume-not-bound" if told else "")
    assert told in verdict.why


def test_a_cause_is_told_once() -> None:
    """A claim before the pods that wait for it, and one pod of a workload for each cause."""
    mounts = {"volumes": [{"persistentVolumeClaim": {"claimName": "db"}}, {"emptyDir": {}}]}
    owner = {"ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": True}]}
    waits = pod(container({"waiting": {"reason": "ContainerCreating"}}), spec=mounts, metadata=owner)
    crashes = [
        pod(
            container({"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(1), restarts=5),
            metadata={**owner, "name": name},
        )
        for name in ("db-1", "db-2")
    ]
    found = list(under_test.troubles([waits, *crashes, pod(WELL)], [claim("fast")], CLASSES))
    assert [(each.verdict.code, each.of) for each in found] == [
        ("volume-not-bound", ("PersistentVolumeClaim", "db")),
        ("pod-crashing", ("StatefulSet", "db")),
    ]
    bound = list(under_test.troubles([waits], [claim("fast", "Bound")], CLASSES))
    assert [(each.verdict.code, each.plain) for each in bound] == [("pod-not-started", True)]


@pytest.mark.parametrize(
    ("ingress", "code"),
    [
        ([{"hostname": "x.elb.amazonaws.com"}], ""),
        ([{"ip": "192.0.2.1"}], ""),
        ([{}], "load-balancer-missing"),
        (None, "load-balancer-missing"),
    ],
)
def test_a_load_balancer_has_an_address(ingress: Any, code: str) -> None:
    service = {
        "metadata": {"name": "x"},
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    assert under_test.load_balancer(service).code == code
    assert under_test.load_balancer({**service, "spec": {"type": "ClusterIP"}}).ready


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"replicas": 2, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "a"}, ""),
        (
            {"readyReplicas": 2, "currentRevision": "a", "updateRevision": "b", "updatedReplicas": 1},
            LATE,
        ),
        ({"readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}, LATE),
        ({"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3}, ""),
        ({"desiredNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 3}, LATE),
        ({"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 1}, LATE),
        ({}, LATE),
    ],
)
def test_a_set_of_pods(status: dict[str, Any], code: str) -> None:
    obj = {"metadata": {"name": "db", "generation": 1}, "spec": {"replicas": 2}}
    obj["status"] = {"observedGeneration": 1, **status}
    assert under_test.set_of_pods(obj).code == code
    assert under_test.set_of_pods(None).code == "workload-missing"
