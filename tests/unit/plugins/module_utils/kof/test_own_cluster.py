"""Which Credentials lead to the management cluster itself: by its addresses, and by asking who is there."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import own_cluster
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.own_cluster import Finding
from sandbox.fixtures import ControlPlane

TOKEN = "the-token-of-the-adopted-cluster"


@pytest.fixture(scope="module")
def management(control_plane: ControlPlane) -> Iterator[Connection]:
    with connect({"kubeconfig": str(control_plane.admin)}, {}) as connection:
        connection.request("POST", "/api/v1/namespaces", body={"metadata": {"name": "own"}})
        yield connection
        connection.request("DELETE", "/api/v1/namespaces/own")


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> dict[str, Any]:
    """The administrator's, with all files in it."""
    config = yaml.safe_load(control_plane.admin.read_text())
    for section, inner in (("clusters", "cluster"), ("users", "user")):
        content = config[section][0][inner]
        for name in ("certificate-authority", "client-certificate", "client-key"):
            if name in content:
                data = pathlib.Path(control_plane.admin.parent, content.pop(name)).read_bytes()
                content[f"{name}-data"] = base64.b64encode(data).decode()
    return config


@pytest.fixture
def forwarder(management: Connection) -> Iterator[int]:
    """The port of a load balancer before the management cluster's API server."""
    host, port, _path = own_cluster._address(management.server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pump(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    here, _address = listener.accept()
                    there = socket.create_connection((host, port))
                    for pair in ((here, there), (there, here)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def credential(management: Connection, name: str, value: bytes, key: str = "value") -> dict[str, Any]:
    """A Credential whose Secret has this value; the Secret is there."""
    data = {key: base64.b64encode(value).decode()}
    body = {"metadata": {"name": name}, "data": data}
    with contextlib.suppress(Exception):
        management.request("DELETE", f"/api/v1/namespaces/own/secrets/{name}")
    management.request("POST", "/api/v1/namespaces/own/secrets", body=body)
    return {
        "metadata": {"name": f"{name}-cred", "namespace": "kcm-system"},
        "spec": {"identityRef": {"kind": "Secret", "name": name, "namespace": "own"}},
    }


def at(config: dict[str, Any], server: str, **user: Any) -> bytes:
    """A kubeconfig for another address, perhaps with another user."""
    changed = json.loads(json.dumps(config))
    changed["clusters"][0]["cluster"]["server"] = server
    if user:
        changed["users"][0]["user"] = user
    return yaml.safe_dump(changed).encode()


def found(management: Connection, credentials: list[dict[str, Any]], inside: bool = True) -> dict[str, Finding]:
    names = [each["metadata"]["name"] for each in credentials] if inside else []
    return own_cluster.look(management, credentials, names)


def test_our_own_addresses_are_known(management: Connection, kubeconfig: dict[str, Any]) -> None:
    service = management.request("GET", "/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"]
    _host, port, _path = own_cluster._address(management.server)
    servers = {
        "same": management.server,
        "slash": f"{management.server}/",
        "localhost": f"https://LOCALHOST:{port}",
        "service": f"https://{service}",
        "dns": "https://kubernetes.default.svc",
    }
    wanted = [credential(management, name, at(kubeconfig, server, token=TOKEN)) for name, server in servers.items()]
    told = found(management, wanted, inside=False)
    assert [name for name, finding in told.items() if "is the management cluster's own" in finding.own] == [
        each["metadata"]["name"] for each in wanted
    ]
    assert TOKEN not in repr(told)


def test_behind_another_address_it_is_asked_who_it_is(
    management: Connection, kubeconfig: dict[str, Any], forwarder: int
) -> None:
    wanted = credential(management, "balanced", at(kubeconfig, f"https://127.0.0.1:{forwarder}"))
    assert found(management, [wanted], inside=False) == {"balanced-cred": Finding()}
    told = found(management, [wanted])["balanced-cred"].own
    assert told == "its cluster has the uid of the management cluster's own namespace kube-system"


def test_another_cluster_is_another_cluster(
    management: Connection, kubeconfig: dict[str, Any], forwarder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_cluster._Ours, "_get", lambda *_args: {"metadata": {"uid": "another"}})
    wanted = credential(management, "other", at(kubeconfig, f"https://127.0.0.1:{forwarder}"))
    assert found(management, [wanted]) == {"other-cred": Finding()}


def test_clusters_behind_one_gateway_are_told_apart(
    management: Connection, kubeconfig: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their paths, as Rancher has them; or by who logs in alone: then the one that answers says who it is."""
    by_path = credential(
        management, "by-path", at(kubeconfig, f"{management.server}/k8s/clusters/c-m-abc", token=TOKEN)
    )
    by_login = credential(management, "by-login", at(kubeconfig, management.server))
    told = found(management, [by_path, by_login], inside=False)
    assert told["by-path-cred"] == Finding()
    assert told["by-login-cred"].own
    monkeypatch.setattr(own_cluster._Ours, "_get", lambda *_args: {"metadata": {"uid": "another"}})
    assert found(management, [by_login]) == {"by-login-cred": Finding()}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"[default]\naws_secret_access_key = x",
        b"clouds: {openstack: {}}",
        b"{a: *b}",
        b"- 1",
        b"contexts: 1\ncurrent-context: a",
        b"contexts: [{name: a}]\ncurrent-context: a",
        b"contexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b, cluster: {}}]\ncurrent-context: a",
        b"contexts: [{name: a, context: {cluster: b}}]\nclusters: [{name: b, cluster: {server: 'https://[::1'}}]\n"
        b"current-context: a",
    ],
)
def test_whatever_a_secret_holds_nothing_breaks(management: Connection, value: bytes) -> None:
    assert found(management, [credential(management, "odd", value)]) == {"odd-cred": Finding()}


def test_commands_and_files_of_a_kubeconfig_are_left_alone(
    management: Connection, kubeconfig: dict[str, Any], forwarder: int, tmp_path: pathlib.Path
) -> None:
    ran = tmp_path / "ran"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(ran)]}
    for user in ({"exec": plugin}, {"tokenFile": "/etc/hostname"}, {"client-certificate": "/etc/hostname"}):
        wanted = credential(management, "plugin", at(kubeconfig, f"https://127.0.0.1:{forwarder}", **user))
        assert found(management, [wanted]) == {"plugin-cred": Finding()}
    assert not ran.exists()


def test_clouds_and_what_is_missing_are_nothing_to_look_at(management: Connection) -> None:
    cloud = {"metadata": {"name": "aws"}, "spec": {"identityRef": {"kind": "AWSClusterStaticIdentity", "name": "a"}}}
    gone = {"metadata": {"name": "gone", "namespace": "own"}, "spec": {"identityRef": {"kind": "Secret", "name": "x"}}}
    assert found(management, [cloud, gone, {"metadata": {"name": "empty"}}]) == {"gone": Finding()}


def test_only_new_clusters_and_new_credentials_are_asked_about(management: Connection) -> None:
    def cluster(name: str) -> dict[str, Any]:
        return {
            "apiVersion": "k0rdent.mirantis.com/v1alpha1",
            "metadata": {"name": "a", "namespace": "kcm-system"},
            "spec": {"credential": name},
        }

    before = dict(management.counts)
    assert own_cluster.refusals(management, {"a": cluster("c")}, {"a": cluster("c")}) == {}
    assert management.counts == before
