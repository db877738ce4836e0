"""Tests of the sandbox with real control planes: `up`, `down` and what survives a kill. About half a minute.

One control plane without controllers serves most tests; the whole set is started once.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from sandbox import cluster, lifecycle, processes
from sandbox import state as state_files
from sandbox.api import ApiFailure, connect, wait_until

PACKAGE = pathlib.Path(lifecycle.__file__).parent


def _sandbox(state: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        env=os.environ | {"KOF_SANDBOX_DIR": str(state), "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def _processes_that_mention(text: str) -> list[str]:
    """Command lines of the processes, other than ours, which have a text there or in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
                everything = line + (entry / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if text.encode() in everything:
                found.append(line.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


@pytest.fixture(name="state", scope="module")
def _state(tmp_path_factory):
    """A sandbox of which the control plane runs."""
    folder = tmp_path_factory.mktemp("sandbox") / "state"
    started = _sandbox(folder, "up", "--only", "control-plane")
    assert started.returncode == 0, started.stderr
    yield folder
    lifecycle.down(folder)


def test_the_api_server_serves_its_version_and_our_kinds(state):
    with connect(state / "mothership.kubeconfig") as api:
        assert api.request("GET", "/version")["gitVersion"].startswith("v1.34.")
        definitions = api.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        assert any(definition["spec"]["group"] == "k0rdent.mirantis.com" for definition in definitions)
        assert all(
            any(c["type"] == "Established" and c["status"] == "True" for c in definition["status"]["conditions"])
            for definition in definitions
        )


def test_it_listens_on_loopback_only(state):
    inodes = set()
    for process in processes.running(state):
        for descriptor in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].split(":")[0])
    assert len(listening) >= 3
    assert set(listening) == {"0100007F"}


def test_the_collection_has_a_user_of_its_own_who_is_audited(state):
    with connect(state / "kof.kubeconfig") as api:
        api.request(
            "POST",
            "/api/v1/namespaces?dryRun=All",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "by-the-collection"}},
        )
    events = [json.loads(line) for line in (state / "audit.log").read_text().splitlines()]
    assert {event["stage"] for event in events} == {"ResponseComplete"}
    mine = [event for event in events if event["user"]["username"] == "k0rdent-kof"]
    assert [(event["verb"], event["requestURI"]) for event in mine] == [("create", "/api/v1/namespaces?dryRun=All")]
    assert "requestObject" not in mine[0]
    assert any(event["user"]["username"] == "kubernetes-admin" for event in events)


def test_a_user_has_no_rights_until_given(state):
    made = _sandbox(state, "user", "stranger")
    assert made.returncode == 0, made.stderr
    with connect(pathlib.Path(made.stdout.strip())) as api, pytest.raises(ApiFailure) as refusal:
        api.request("GET", "/api/v1/secrets")
    assert refusal.value.status == 403
    assert _sandbox(state, "user", "mothership").returncode == 1


def test_up_again_changes_nothing(state):
    before = processes.running(state)
    again = _sandbox(state, "up", "--only", "control-plane")
    assert again.returncode == 0
    assert "is up" in again.stdout
    assert processes.running(state) == before
    told = json.loads(_sandbox(state, "status", "--json").stdout)
    assert told["up"] is True
    assert {row["name"] for row in told["processes"]} == {"mothership.etcd", "mothership.kube-apiserver"}
    assert "there is: mothership" in _sandbox(state, "kubeconfig", "elsewhere").stderr


@pytest.mark.parametrize("command", [("restart-apiserver", "mothership"), ("up", "--only", "control-plane")])
def test_data_survive_a_killed_api_server(state, command):
    config_map = "/api/v1/namespaces/default/configmaps/kept"
    with connect(state / "mothership.kubeconfig") as api:
        kept = api.apply(config_map, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}})
    before = {process.name: process for process in processes.running(state)}
    if command[0] == "up":
        os.kill(before["mothership.kube-apiserver"].pid, signal.SIGKILL)
        assert _sandbox(state, "status").returncode == 3
    restarted = _sandbox(state, *command)
    assert restarted.returncode == 0, restarted.stderr
    after = {process.name: process for process in processes.running(state)}
    assert after["mothership.etcd"] == before["mothership.etcd"]
    assert after["mothership.kube-apiserver"] != before["mothership.kube-apiserver"]
    with connect(state / "mothership.kubeconfig") as api:
        assert api.get(config_map)["metadata"]["uid"] == kept["metadata"]["uid"]


@pytest.mark.parametrize("moment", ["locks/.sandbox", "processes/registry", "processes/mothership.kube-apiserver"])
def test_what_a_killed_start_left_is_cleared_away(tmp_path, moment):
    """Killed as soon as that file is there: nothing started, one process of two just starting, API server starting."""
    state = tmp_path / "state"
    starter = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "up"],
        env=os.environ | {"KOF_SANDBOX_DIR": str(state), "PYTHONPATH": str(PACKAGE.parent)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(moment, 600, (state / moment).exists)
    starter.kill()
    starter.wait()
    if moment.endswith("apiserver"):
        assert _processes_that_mention(str(state)), "nothing is left: proves nothing"
    for _ in (1, 2):
        assert _sandbox(state, "down").returncode == 0
    wait_until("the end of all processes", 120, lambda: not _processes_that_mention(str(state)))
    assert not state.exists()


def test_a_whole_cluster_runs_pods_and_ends_namespaces(tmp_path):
    state = tmp_path / "state"
    namespace = "/api/v1/namespaces/work"
    try:
        started = cluster.start("east", nodes=2, state=state)
        assert cluster.find("east", state=state) == started
        with connect(started.kubeconfig) as api:
            nodes = api.request("GET", "/api/v1/nodes")["items"]
            assert [node["metadata"]["name"] for node in nodes] == ["east-worker-0", "east-worker-1"]
            api.apply(namespace, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "work"}})
            labels = {"app": "web"}
            wanted = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {
                            "containers": [{"name": "web", "image": "none"}],
                            "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
                        },
                    },
                },
            }
            api.apply("/apis/apps/v1/namespaces/work/deployments/web", wanted)
            # Without its volume it waits, as it would anywhere.
            claim = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "disk"},
                "spec": {
                    "accessModes": ["ReadWriteMany"],
                    "resources": {"requests": {"storage": "1Gi"}},
                    "storageClassName": "",
                },
            }
            volume = {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": "disk"},
                "spec": {
                    "accessModes": ["ReadWriteMany"],
                    "capacity": {"storage": "1Gi"},
                    "hostPath": {"path": "/disk"},
                    "claimRef": {"namespace": "work", "name": "disk"},
                },
            }
            pods = f"{namespace}/pods"
            wait_until("pods", 600, lambda: len(api.request("GET", pods)["items"]) == 3)
            assert {pod["status"]["phase"] for pod in api.request("GET", pods)["items"]} == {"Pending"}
            api.apply("/api/v1/persistentvolumes/disk", volume)
            api.apply(f"{namespace}/persistentvolumeclaims/disk", claim)

            def rolled_out():
                status = api.get("/apis/apps/v1/namespaces/work/deployments/web")["status"]
                return status.get("availableReplicas") == 3

            wait_until("the rollout", 600, rolled_out)
            api.request("DELETE", namespace)
            wait_until("the end of the namespace", 600, lambda: api.get(namespace) is None)
        started.stop()
        assert cluster.find("east", state=state) is None
        wait_until("the end of its processes", 120, lambda: not _processes_that_mention(str(state)))
        assert not started.kubeconfig.exists()
        assert state_files.read_json(state / "ports.json") == {}
    finally:
        cluster.stop("east", state=state)


def test_two_first_starts_survive_a_port_taken_meanwhile(tmp_path, monkeypatch):
    """Somebody takes the API server's port between our look and its bind."""
    state = tmp_path / "state"
    real = state_files.ports
    taken: list[tuple[socket.socket, int]] = []

    def ports(folder, owner, names, fresh=False):
        numbers = real(folder, owner, names, fresh)
        if not taken:
            thief = socket.socket()
            thief.bind(("127.0.0.1", numbers["api"]))
            thief.listen()
            taken.append((thief, numbers["api"]))
        return numbers

    monkeypatch.setattr(state_files, "ports", ports)
    try:
        started = cluster.start("west", only_control_plane=True, state=state)
        assert not started.server.endswith(f":{taken[0][1]}")
        with connect(started.kubeconfig) as api:
            assert api.get("/api/v1/namespaces/default")
    finally:
        cluster.stop("west", state=state)
        for thief, _ in taken:
            thief.close()
