# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a cluster, by its objects: pods and why one doesn't run, volumes, load balancers, sets of pods.

Pure: no network, no clock. Beside readiness.py, which has the verdict itself; nothing here is waited for by a run,
whoever looks at a cluster asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import (
    IS_READY,
    Object,
    Readiness,
    before_status,
    changed_at,
    condition,
    of_any_form,
    progressing,
    since,
)

#: What a kubelet says while it can't get an image; it tries again, ever more slowly.
_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")
_OUT_OF_MEMORY = "OOMKilled"
#: So often in its life a container ends before its pod's age tells since when it is so.
_OFTEN = 3
_SELECTED_NODE = "volume.kubernetes.io/selected-node"


def pod(obj: Object, recent: Callable[[str], bool] = lambda _when: True) -> Readiness:
    """A pod that is to run for ever: ready, or why it isn't. One that is going, was evicted or is a Job's is well: what
    takes its place is another one.

    :param recent: whether a time (RFC 3339) is so near that it still matters that a container was killed for its memory
        then, though it runs again.
    """
    meta, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in meta or status.get("phase") in ("Succeeded", "Failed") or _owner(obj)[0] == "Job":
        return IS_READY
    began = str(status.get("startTime") or meta.get("creationTimestamp") or "")
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for each in containers:
        verdict = _memory(each, recent)
        if verdict:
            return verdict
    scheduled = condition(obj, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        why = f"no node takes it: {scheduled.get('message') or scheduled.get('reason') or 'no message'}"
        return progressing(why, code="pod-not-scheduled", since=since(scheduled))
    for each in containers:
        verdict = _waiting(each, began)
        if verdict:
            return verdict
    ready = condition(obj, "Ready") or {}
    if ready.get("status") == "True":
        return IS_READY
    if not containers or any("waiting" in (each.get("state") or {}) for each in containers):
        why = _first_reason(containers) or "its containers haven't begun"
        return progressing(why, code="pod-not-started", since=began)
    why = f"it runs and isn't ready: {ready.get('message') or ready.get('reason') or 'no message'}"
    return progressing(why, code="pod-not-ready", since=since(ready) or began)


def _memory(container: Mapping[str, Any], recent: Callable[[str], bool]) -> Readiness | None:
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        ended = state.get("terminated") or {}
        when = str(ended.get("finishedAt") or "")
        if ended.get("reason") == _OUT_OF_MEMORY and (not container.get("ready") or recent(when)):
            times = f" ({container['restartCount']} restarts)" if container.get("restartCount") else ""
            why = f"container {container['name']} was killed, it took more memory than its limit{times}"
            return progressing(why, code="pod-out-of-memory", since=when)
    return None


def _waiting(container: Mapping[str, Any], began: str) -> Readiness | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), waiting.get("message")
    told = f"container {container['name']}: {reason}" + (f": {message}" if message else "")
    if reason in _NO_IMAGE:
        return progressing(told, code="image-not-pulled", since=began)
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    crashed = ended.get("exitCode") not in (None, 0)
    if reason == "CrashLoopBackOff" or (crashed and "running" not in state):
        times = f" {container['restartCount']} times" if container.get("restartCount") else ""
        code = f" with exit code {ended['exitCode']}" if crashed else ""
        why = f"container {container['name']} ends{code}, and was started again{times}"
        once = str(ended.get("finishedAt") or "") if int(container.get("restartCount") or 0) < _OFTEN else ""
        return progressing(why, code="pod-crashing", since=once or began)
    if reason not in ("", "ContainerCreating", "PodInitializing"):
        return progressing(told, code="pod-not-started", since=began)
    return None


def _first_reason(containers: Sequence[Mapping[str, Any]]) -> str:
    for each in containers:
        reason = ((each.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            return f"container {each['name']}: {reason}"
    return ""


def _owner(obj: Object) -> tuple[str, str]:
    """Kind and name of what made an object."""
    for each in obj["metadata"].get("ownerReferences") or ():
        if each.get("controller"):
            return str(each.get("kind")), str(each.get("name"))
    return "", ""


def workload_of(obj: Object) -> tuple[str, str]:
    """Kind and name of the Deployment, StatefulSet or DaemonSet that a pod is of; the pod itself, where it is
    nobody's."""
    kind, name = _owner(obj)
    if kind == "ReplicaSet":
        # <Deployment>-<hash of the template>, which the pod carries as a label.
        stamp = (obj["metadata"].get("labels") or {}).get("pod-template-hash")
        return "Deployment", name.removesuffix(f"-{stamp}") if stamp else name.rpartition("-")[0] or name
    return (kind, name) if kind else ("Pod", str(obj["metadata"]["name"]))


def claims_of(obj: Object) -> Iterator[str]:
    """Names of the PersistentVolumeClaims that a pod mounts."""
    for volume in (obj.get("spec") or {}).get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name:
            yield str(name)


def volume_claim(obj: Object, classes: Sequence[Object]) -> Readiness:
    """A PersistentVolumeClaim with a volume; of one that waits for its pod to find a node, the pod tells.

    :param classes: all StorageClasses.
    """
    verdict = before_status(obj, "the PersistentVolumeClaim", observed=False)
    phase = (obj.get("status") or {}).get("phase")
    if verdict is not None or phase == "Bound":
        return verdict or IS_READY
    if phase == "Lost":
        return progressing("its volume is gone", code="volume-not-bound", since=changed_at(obj))
    by_name = {each["metadata"]["name"]: each for each in classes}
    name = (obj.get("spec") or {}).get("storageClassName")
    if name is None:
        # As soon as there is a default class it is written into claims that name none.
        why = "it names no StorageClass, and none is the default"
    elif name == "":
        why = 'its StorageClass is "": it takes only a volume that somebody made by hand'
    elif name not in by_name:
        why = f"its StorageClass {name} doesn't exist"
    else:
        provisioner, mode = (by_name[name].get(key) for key in ("provisioner", "volumeBindingMode"))
        if provisioner == "kubernetes.io/no-provisioner":
            why = f"its StorageClass {name} makes no volumes (provisioner {provisioner})"
        elif mode == "WaitForFirstConsumer" and _SELECTED_NODE not in (obj["metadata"].get("annotations") or {}):
            return IS_READY
        else:
            why = f"{provisioner} of its StorageClass {name} has made no volume yet"
    return progressing(why, code="volume-not-bound", since=str(obj["metadata"].get("creationTimestamp") or ""))


def load_balancer(obj: Object) -> Readiness:
    """A Service of type LoadBalancer with an address; any other is well."""
    if (obj.get("spec") or {}).get("type") != "LoadBalancer" or "deletionTimestamp" in obj["metadata"]:
        return IS_READY
    addresses = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if any(each.get("hostname") or each.get("ip") for each in addresses):
        return IS_READY
    made = str(obj["metadata"].get("creationTimestamp") or "")
    return progressing("the cloud has given it no address yet", code="load-balancer-missing", since=made)


def set_of_pods(obj: Object | None, what: str = "the StatefulSet") -> Readiness:
    """A StatefulSet or DaemonSet: all its pods updated and ready.

    :param what: the words for it, where it isn't there.
    """
    verdict = before_status(obj, what, missing="workload-missing")
    if verdict is not None or obj is None:
        return verdict or IS_READY
    spec, status = obj.get("spec") or {}, obj.get("status") or {}

    def number(key: str) -> int:
        return int(status.get(key) or 0)

    if "desiredNumberScheduled" in status:  # a DaemonSet; with OnDelete nobody updates it
        wanted, ready = number("desiredNumberScheduled"), number("numberReady")
        updates = (spec.get("updateStrategy") or {}).get("type") != "OnDelete"
        updated = number("updatedNumberScheduled") if updates else wanted
    else:
        replicas = spec.get("replicas")
        wanted, ready, updated = 1 if replicas is None else int(replicas), number("readyReplicas"), 0
        # Once all are updated, both revisions are one, and the number may be left out.
        same = status.get("currentRevision") == status.get("updateRevision")
        updates = (spec.get("updateStrategy") or {}).get("type") != "OnDelete"
        updated = wanted if same or not updates else number("updatedReplicas")
    if ready >= wanted and updated >= wanted:
        return IS_READY
    why = f"{min(ready, updated)} of {wanted} pods are updated and ready"
    return progressing(why, code="workload-not-ready", since=changed_at(obj))


@dataclass(frozen=True)
class Trouble:
    """What doesn't run as it should.

    :ivar obj: the pod or claim.
    :ivar of: kind and name of the workload that a pod is of; of a claim, those of itself.
    :ivar plain: the workload's own status tells as much: pods that start, or aren't ready yet.
    """

    obj: Object
    verdict: Readiness
    of: tuple[str, str]

    @property
    def plain(self) -> bool:
        return self.verdict.code in ("pod-not-started", "pod-not-ready")


def troubles(
    pods: Iterable[Object],
    claims: Iterable[Object],
    classes: Sequence[Object],
    recent: Callable[[str], bool] = lambda _when: True,
) -> Iterator[Trouble]:
    """What of a namespace doesn't run, each cause once: claims before the pods that wait for them, and of the pods of a
    workload one of each cause.

    :param classes: all StorageClasses.
    :param recent: as `pod` has it.
    """
    unbound: set[str] = set()
    for claim in claims:
        verdict = of_any_form(volume_claim, claim, classes)
        if not verdict.ready:
            unbound.add(claim["metadata"]["name"])
            yield Trouble(claim, verdict, ("PersistentVolumeClaim", claim["metadata"]["name"]))
    told: set[tuple[tuple[str, str], str]] = set()
    for each in pods:
        verdict, of = of_any_form(_but_for_volumes, each, recent, unbound), workload_of(each)
        if verdict.ready or (of, verdict.code) in told:
            continue
        told.add((of, verdict.code))
        yield Trouble(each, verdict, of)


def _but_for_volumes(obj: Object, recent: Callable[[str], bool], unbound: set[str]) -> Readiness:
    """Of a pod that waits for a claim, the claim tells."""
    verdict = pod(obj, recent)
    waits = verdict.code in ("pod-not-scheduled", "pod-not-started") and unbound.intersection(claims_of(obj))
    return IS_READY if waits else verdict
