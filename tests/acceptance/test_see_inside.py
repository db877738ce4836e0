"""A look inside of 200 clusters, some of them dead, slow or broken: each told right, in time, and nothing secret left.

One real API server stands behind 200 TLS ports (many_clusters.py); ClusterDeployments are the simulator's.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import many_clusters
import pytest
import yaml
from many_clusters import REFUSES, SILENT, SLOW, Cluster
from support import REPOSITORY, Run, Sandbox, finish

from sandbox.fixtures import ControlPlane

DEADLINE, FACTOR, SLOWNESS = 20, 1.5, 4.0
LOGIN = {"username": "kof-user", "password": "CANARY-of-the-login"}
SECRET = "storage-vmuser-credentials"
LONG_AGO = "2026-01-01T00:00:00Z"
Object = dict[str, Any]


def workload(kind: str, name: str, **status: Any) -> Object:
    labels = {"matchLabels": {"app": name}}
    pod = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]},
    }
    api = "apps/v1"
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": labels, "template": pod},
        "status": status,
    }


def deployment(name: str) -> Object:
    return workload("Deployment", name, replicas=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1)


def daemon_set(name: str, ready: int = 2) -> Object:
    numbers = {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberMisscheduled": 0}
    return workload("DaemonSet", name, **numbers, numberReady=ready, updatedNumberScheduled=2)


def collector(name: str, password: str = LOGIN["password"], ready: str = "1/1") -> Object:
    auth = {"client_auth": {"username": LOGIN["username"], "password": password}}
    return {
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name},
        "spec": {"config": {"extensions": {"basicauth/metrics": auth}}},
        "status": {"scale": {"statusReplicas": ready}},
    }


def login(**values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}


def pod(name: str, **status: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status},
    }


def claim(name: str, phase: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    found = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
    return {**found, "status": {"phase": phase}}


def certificate(name: str, ready: str) -> Object:
    spec = {"secretName": name, "issuerRef": {"name": "letsencrypt-prod"}, "dnsNames": ["a.example.com"]}
    found = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": spec}
    condition = {"type": "Ready", "status": ready, "message": "order is pending", "lastTransitionTime": LONG_AGO}
    return {**found, "status": {"conditions": [condition]}}


def whole() -> list[Object]:
    """What is inside of a child that is well."""
    return [
        login(**LOGIN),
        *(deployment(name) for name in ("cert-manager", "cert-manager-cainjector", "cert-manager-webhook")),
        deployment("kof-operators-opentelemetry-operator"),
        collector("kof-collectors-node-exporter"),
        daemon_set("kof-collectors-node-exporter-collector"),
        deployment("kof-collectors-node-exporter-targetallocator"),
        collector("kof-collectors-k8s-cluster"),
        deployment("kof-collectors-k8s-cluster-collector"),
        deployment("kof-collectors-kube-state-metrics"),
        daemon_set("kof-collectors-prometheus-node-exporter"),
        deployment("kof-collectors-opencost"),
        pod("fine"),
        claim("fine", "Bound"),
        certificate("fine", "True"),
    ]


WORKLOADS = [each["metadata"]["name"] for each in whole() if "template" in each.get("spec", {})]
COLLECTORS = [each["metadata"]["name"] for each in whole() if each["kind"] == "OpenTelemetryCollector"]
CRASHING = {
    "name": "a",
    "restartCount": 7,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3, "finishedAt": LONG_AGO}},
}
NOT_PULLED = {
    "name": "a",
    "restartCount": 0,
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such"}},
}
NOT_READY = [{"type": "Ready", "status": "False"}]


def without(name: str) -> list[Object]:
    return [each for each in whole() if each["metadata"]["name"] != name]


def instead(*others: Object) -> list[Object]:
    names = {(each["kind"], each["metadata"]["name"]) for each in others}
    return [*(each for each in whole() if (each["kind"], each["metadata"]["name"]) not in names), *others]


#: What is inside of those that lack something, with the code and the name that tell it.
LACKING: list[tuple[list[Object], str, str]] = [
    *((without(name), "workload-missing", name) for name in (*WORKLOADS, *COLLECTORS)),
    (without(SECRET), "secret-missing", SECRET),
    (instead(login(username="a")), "secret-empty", SECRET),
    (instead(collector(COLLECTORS[0], password="before")), "login-outdated", COLLECTORS[0]),
    (instead(daemon_set("kof-collectors-node-exporter-collector", 1)), "workload-not-ready", "node-exporter-collector"),
    (
        instead(pod("bad", phase="Running", containerStatuses=[CRASHING], conditions=NOT_READY)),
        "pod-crashing",
        "exit code 3",
    ),
    (
        instead(pod("bad", phase="Pending", containerStatuses=[NOT_PULLED], conditions=NOT_READY)),
        "image-not-pulled",
        "ImagePullBackOff",
    ),
    (instead(claim("bad", "Pending")), "volume-not-bound", "bad"),
    (instead(certificate("bad", "False")), "certificate-not-ready", "order is pending"),
]


class Watch:
    """Looks at a run while it works: at its processes' arguments and memory, and at files in its folders."""

    def __init__(self, pid: int, folders: list[pathlib.Path], secrets: list[str]) -> None:
        self._pid, self._folders = pid, folders
        self._secrets = [each.encode() for each in secrets]
        self.found: set[str] = set()
        self.peaks: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._files()

    def _work(self) -> None:
        while not self._over.wait(0.1):
            self._processes()
            self._files()

    def _processes(self) -> None:
        """The run's, by their session."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self._pid:
                    self._secret_in((entry / "cmdline").read_bytes(), "arguments")
                    self._secret_in((entry / "environ").read_bytes(), "environment")
                    lines = (entry / "status").read_text().splitlines()
                    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
                    self.peaks[int(entry.name)] = int(peak) // 1024
            except (OSError, StopIteration):
                continue

    def _files(self) -> None:
        for folder in self._folders:
            for file in folder.rglob("*"):
                try:
                    if file.is_file():
                        self._secret_in(file.read_bytes(), str(file))
                except OSError:
                    continue

    def _secret_in(self, content: bytes, where: str) -> None:
        if any(each in content for each in self._secrets):
            self.found.add(where)


Ran = tuple[Run, dict[str, Any], dict[str, Cluster], Watch, float]


@pytest.fixture(scope="module")
def ran(fleet_sandbox: Sandbox, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("inside")
    fleet = example_fleet.fleet(4, 200)
    where = fleet_sandbox.inventory(folder / "fleet", fleet)
    made = fleet_sandbox.playbook("site", "--tags", "regional,child", inventory=where)
    assert made.code == 0, made.output
    # What Sveltos deployed a moment ago is normal to be missing for a while; here it was long ago.
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    names = list(fleet.children)
    how = [*[REFUSES] * 4, *[SILENT] * 6, *[SLOW] * 5]
    spaces = {"whole": whole(), **{f"lacking-{n}": objects for n, (objects, _code, _what) in enumerate(LACKING)}}
    clusters = [
        Cluster(name, f"lacking-{n}" if n < len(LACKING) else "whole", "answers") for n, name in enumerate(names)
    ]
    for cluster, each in zip(clusters[len(LACKING) :: 11], how, strict=False):
        cluster.how = each
    ports = many_clusters.Ports(control_plane.admin, clusters, folder / "ports", SLOWNESS)
    try:
        many_clusters.fill(control_plane.admin, spaces, clusters)
        many_clusters.tell(fleet_sandbox.folder, clusters)
        yield _look(fleet_sandbox, where, folder, clusters)
    finally:
        ports.close()
        fleet_sandbox.command("fault", "--clear")
        fleet_sandbox.delete_clusters()


def _look(sandbox: Sandbox, where: str, folder: pathlib.Path, clusters: list[Cluster]) -> Ran:
    homes = [folder / "tmp", folder / "home", folder / "faces"]
    for each in homes:
        each.mkdir()
    asked = {
        "status_format": ["text", "json"],
        "status_folder": str(homes[2]),
        "status_patience": 0,
        "verify_deadline": DEADLINE,
    }
    # By what the management cluster is reached the others aren't: with its authority none of them is trusted.
    authority = folder / "management.crt"
    config = yaml.safe_load((sandbox.folder / "mothership.kubeconfig").read_text())
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    environment = {"TMPDIR": str(homes[0]), "HOME": str(homes[1]), "K8S_AUTH_SSL_CA_CERT": str(authority)}
    arguments = ["-i", where, str(REPOSITORY / "playbooks" / "verify.yml"), "--limit", "kof_child", "-vvv"]
    mark, began = sandbox.audit_mark(), time.monotonic()
    started = sandbox.start([*arguments, "-e", json.dumps(asked)], environment)
    packed = [base64.b64encode(each.token.encode()).decode()[:60] for each in clusters]
    secrets = [*(each.token for each in clusters), *packed, LOGIN["password"]]
    watch = Watch(started[0].pid, homes, secrets)
    try:
        run = finish(started, timeout=300)
    finally:
        watch.end()
    whole_run = time.monotonic() - began
    # The look itself: from the first kubeconfig that is read until what was found is written.
    reads = [each for each in sandbox.requests_since(mark) if each["requestURI"].endswith("-kubeconfig")]
    first = min(datetime.datetime.fromisoformat(each["requestReceivedTimestamp"]) for each in reads)
    seconds = (homes[2] / "status.json").stat().st_mtime - first.timestamp()
    print(f"the whole run took {whole_run:.1f} s")
    seen = json.loads((homes[2] / "status.json").read_text())
    for each in secrets:
        assert each not in run.output
        assert each not in json.dumps(run.events)
    return run, seen, {each.name: each for each in clusters}, watch, seconds


def of(seen: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [each for each in seen["findings"] if each["host"] == name]


@pytest.mark.long
def test_each_cluster_is_told_as_what_it_is(ran: Ran) -> None:
    run, seen, clusters, _watch, _seconds = ran
    states = {each["host"]: each["state"] for each in seen["clusters"]}
    assert set(states) == set(clusters)
    wrong = []
    for n, (name, cluster) in enumerate(clusters.items()):
        found = {(each["code"], each["severity"]) for each in of(seen, name)}
        if cluster.how != "answers":
            expected = {("cluster-not-answering", "failed")}
        elif n < len(LACKING):
            _objects, code, what = LACKING[n]
            expected = {(code, "failed" if code == "workload-missing" else "warning")}
            if what not in of(seen, name)[0]["why"]:
                wrong.append((name, what, of(seen, name)))
        else:
            expected = set()
        if (
            found != expected
            or states[name]
            != ({"failed": "failed", "warning": "warning"} | {"": "ready"})[next(iter(expected))[1] if expected else ""]
        ):
            wrong.append((name, cluster.how, of(seen, name)))
    assert not wrong, run.output
    failed = {host for host, counts in run.stats.items() if counts["failures"]}
    assert failed == {host for host, state in states.items() if state == "failed"}


@pytest.mark.long
def test_it_takes_little_more_than_the_slowest_clusters_deadline(ran: Ran) -> None:
    """Beside the start of Ansible and the look at the management cluster. What the slow ones did answer was used."""
    _run, seen, clusters, watch, seconds = ran
    print(f"{len(clusters)} clusters in {seconds:.1f} s; memory of each process {sorted(watch.peaks.values())} MiB")
    assert seconds < FACTOR * DEADLINE
    slow = [each["why"] for name, cluster in clusters.items() if cluster.how == SLOW for each in of(seen, name)]
    assert all("answers)" in each for each in slow), slow
    assert max(watch.peaks.values()) < 250


@pytest.mark.long
def test_no_kubeconfig_and_no_token_is_on_disk_or_in_arguments(ran: Ran) -> None:
    _run, _seen, _clusters, watch, _seconds = ran
    assert watch.peaks
    assert not watch.found
