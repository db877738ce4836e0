"""Many clusters as one real API server behind many TLS ports, each with its own authority and its own user.

To whoever asks, a port is a cluster: its namespace kof is one of the real server's own, in which its token, and no
other, may do something. Some ports are dead or slow. No test belongs here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pathlib
import socket
import ssl
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import yaml

from sandbox.api import Api, connect, server_of
from sandbox.certificates import Authority

HOME = "kof"
ANSWERS, REFUSES, SILENT, SLOW = "answers", "refuses", "silent", "slow"


@dataclass
class Cluster:
    """
    :ivar space: of the real server's namespaces, that is its namespace kof.
    :ivar how: it answers.
    """

    name: str
    space: str
    how: str = ANSWERS
    token: str = field(default="", repr=False)
    port: int = 0
    authority: str = field(default="", repr=False)

    def kubeconfig(self) -> str:
        packed = base64.b64encode(self.authority.encode()).decode()
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": packed}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "admin",
                "contexts": [{"name": "admin", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": self.token}}],
            }
        )


def fill(admin: pathlib.Path, spaces: dict[str, list[dict[str, Any]]], clusters: Iterable[Cluster]) -> None:
    """Make the namespaces with these objects (status too) and a user of each cluster, who may do all in its own."""
    local = threading.local()

    def api() -> Api:
        if not hasattr(local, "api"):
            local.api = Api(admin)
        return local.api

    def space(item: tuple[str, list[dict[str, Any]]]) -> None:
        name, objects = item
        api().request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        # No controller makes it here, and no pod is let in without.
        api().request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        for each in objects:
            made = {**each, "metadata": {**each["metadata"], "namespace": name}}
            root = f"/apis/{each['apiVersion']}" if "/" in each["apiVersion"] else f"/api/{each['apiVersion']}"
            path = f"{root}/namespaces/{name}/{each['kind'].lower()}s"
            there = api().request("POST", path, made)
            if "status" in each:
                there["status"] = {**each["status"]}
                if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
                    there["status"]["observedGeneration"] = there["metadata"]["generation"]
                api().request("PUT", f"{path}/{each['metadata']['name']}/status", there)
        binding = {
            "metadata": {"name": "all"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"system:serviceaccounts:{name}"}
            ],
        }
        api().request("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings", binding)

    def user(cluster: Cluster) -> None:
        path = f"/api/v1/namespaces/{cluster.space}/serviceaccounts"
        api().request("POST", path, {"metadata": {"name": cluster.name}})
        spec = {"spec": {"expirationSeconds": 3600}}
        cluster.token = api().request("POST", f"{path}/{cluster.name}/token", spec)["status"]["token"]

    # What isn't in a namespace all may look at.
    rbac, everybody = "/apis/rbac.authorization.k8s.io/v1", {"kind": "Group", "name": "system:serviceaccounts"}
    rule = {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list"]}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "many-clusters"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", **everybody}
    head = {"metadata": {"name": "many-clusters"}}
    api().request("POST", f"{rbac}/clusterroles", {**head, "rules": [rule]})
    api().request("POST", f"{rbac}/clusterrolebindings", {**head, "roleRef": role_ref, "subjects": [subject]})
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(space, spaces.items()))
        list(pool.map(user, clusters))


class Ports:
    """The ports, in a thread of their own."""

    def __init__(self, upstream: pathlib.Path, clusters: list[Cluster], folder: pathlib.Path, slow: float) -> None:
        """:param slow: seconds before each answer of those that are slow."""
        address, self._trust = server_of(upstream, client_certificate=False)
        self._host, _colon, port = address.removeprefix("https://").partition(":")
        self._port, self._slow = int(port), slow
        self._loop = asyncio.new_event_loop()
        self._silent: list[socket.socket] = []
        self._upstream: dict[str, list[Any]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        for each in clusters:
            authority = Authority(folder / each.name, each.name)
            each.authority = authority.certificate_file.read_text()
            certificate, key = authority.issue(each.name, addresses=("127.0.0.1",), server=True)
            listening = socket.create_server(("127.0.0.1", 0), backlog=64)
            each.port = listening.getsockname()[1]
            if each.how == REFUSES:
                listening.close()
            elif each.how == SILENT:
                self._silent.append(listening)  # connections come up, and nobody ever says a word
            else:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                file = folder / each.name / "server.pem"
                file.write_text(certificate + key)
                context.load_cert_chain(file)
                served = asyncio.start_server(self._handler(each), sock=listening, ssl=context)
                asyncio.run_coroutine_threadsafe(served, self._loop).result()

    def close(self) -> None:
        for each in self._silent:
            each.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _handler(self, cluster: Cluster) -> Any:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection(self._host, self._port, ssl=self._trust)
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    if cluster.how == SLOW:
                        await asyncio.sleep(self._slow)
                    await self._ask(cluster, head, writer, *there)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        return handle

    async def _ask(
        self,
        cluster: Cluster,
        head: bytes,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        to: asyncio.StreamWriter,
    ) -> None:
        lines = [each for each in head.split(b"\r\n") if not each.lower().startswith(b"accept-encoding:")]
        theirs, ours = f"/namespaces/{HOME}", f"/namespaces/{cluster.space}"
        lines[0] = lines[0].replace(theirs.encode(), ours.encode(), 1)
        to.write(b"\r\n".join(lines))
        answer = (await there.readuntil(b"\r\n\r\n")).split(b"\r\n\r\n")[0].split(b"\r\n")
        fields = dict(each.lower().split(b": ", 1) for each in answer[1:])
        if fields.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int((await there.readline()).strip(), 16):
                body += await there.readexactly(size)
                await there.readexactly(2)
            await there.readexactly(2)
        else:
            body = await there.readexactly(int(fields[b"content-length"]))
        body = body.replace(f'"{cluster.space}"'.encode(), f'"{HOME}"'.encode())
        kept = [
            each for each in answer if each.lower().partition(b":")[0] not in (b"transfer-encoding", b"content-length")
        ]
        writer.write(b"\r\n".join([*kept, f"Content-Length: {len(body)}".encode(), b"", body]))
        await writer.drain()


def tell(sandbox_folder: pathlib.Path, clusters: Iterable[Cluster]) -> None:
    """Put the kubeconfigs into the management cluster, as Cluster API has them there."""
    with connect(sandbox_folder / "mothership.kubeconfig") as api:
        for each in clusters:
            path = "/api/v1/namespaces/kcm-system/secrets"
            value = base64.b64encode(each.kubeconfig().encode()).decode()
            name = f"{each.name}-kubeconfig"
            patch = json.loads(json.dumps({"metadata": {"name": name}, "data": {"value": value}}))
            api.request("PATCH", f"{path}/{name}", patch, "application/merge-patch+json")
