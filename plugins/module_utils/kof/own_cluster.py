# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Credential leads to the management cluster itself, which must never be its own regional or child: Sveltos
would copy its Secrets onto themselves, and then delete them everywhere.

Reads Secrets, and looks for one namespace's uid where their kubeconfigs lead. Nothing that a kubeconfig holds but the
address of its server is kept or told; its plugins aren't run and its files aren't read. May not judge anything else.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import foreign_kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import POOL_SIZE, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import settings
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig

#: What an API server is called from the inside (kubernetes.io/docs, DNS for Services): Sveltos runs inside of ours.
_INSIDE = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_KUBE_SYSTEM = "/api/v1/namespaces/kube-system"  # its uid is a cluster's identity
#: For a look at another cluster; the controller need not reach it.
LOOK_SECONDS = 3.0
WHY_NOT = "Sveltos would copy the fleet's Secrets onto themselves and then delete them on all clusters"

Object = Mapping[str, Any]
#: Host, port and path: behind one host a gateway has a path for each of its clusters.
Address = tuple[str, int, str]


@dataclass(frozen=True)
class Finding:
    """What is known of a Credential.

    :ivar own: why it leads to the management cluster itself; empty if it doesn't, as far as known.
    :ivar unread: why its Secret could not be read; empty if it could.
    """

    own: str = ""
    unread: str = ""


def look(connection: Connection, credentials: Sequence[Object], inside: Collection[str]) -> dict[str, Finding]:
    """By name, what is known of those Credentials whose identity is a Secret; nothing of the others.

    :param connection: to the management cluster.
    :param inside: names of Credentials whose cluster is asked who it is, if the controller reaches it.
    :raises ApiUnavailable: the management cluster doesn't answer.
    :raises ApiError: it doesn't accept the credentials (401).
    """
    refs = {each["metadata"]["name"]: ref for each in credentials if (ref := secret_of(each)) is not None}
    if not refs:
        return {}
    ours = _Ours(connection)
    # Several Credentials may share one Secret.
    wanted = {ref: any(refs[name] == ref for name in inside if name in refs) for ref in dict.fromkeys(refs.values())}
    with ThreadPoolExecutor(min(POOL_SIZE, len(wanted))) as pool:
        found = dict(zip(wanted, pool.map(lambda item: ours.finding(*item), wanted.items()), strict=True))
    return {name: found[ref] for name, ref in refs.items()}


def refusals(connection: Connection, wanted: Mapping[str, Object], live: Mapping[str, Object]) -> dict[str, str]:
    """By host, why its ClusterDeployment may not be applied: it would make the management cluster one of its own.

    Only what is new or gets another Credential is looked at, so that a run without changes asks for nothing.

    :param wanted: ClusterDeployments by host, all of one namespace and apiVersion.
    :param live: those there are, by name.
    :raises ApiUnavailable, ApiError: the Credentials can't be read.
    """
    changing: dict[str, str] = {}
    for host, item in wanted.items():
        there, name = live.get(item["metadata"]["name"]), item["spec"].get("credential")
        if name and ((there or {}).get("spec") or {}).get("credential") != name:
            changing[host] = name
    if not changing:
        return {}
    first = next(iter(wanted.values()))
    if connection.resource(first["apiVersion"], "Credential") is None:
        return {}
    path = connection.path(first["apiVersion"], "Credential", first["metadata"]["namespace"])
    names = set(changing.values())
    credentials = [each for each in connection.list_objects(path)[0] if each["metadata"]["name"] in names]
    found = look(connection, credentials, names)
    return {
        host: f"its Credential {name} leads to the management cluster itself: {found[name].own}; {WHY_NOT}"
        for host, name in changing.items()
        if name in found and found[name].own
    }


def kubeconfig_secrets(namespace: str, cluster: str, credential: Object | None) -> list[tuple[str, str]]:
    """Where a cluster's kubeconfig may be, as namespace and name: Cluster API's Secret; an adopted cluster has none of
    it, and is reached by its Credential's."""
    of_credential = secret_of(credential) if credential else None
    return [(namespace, f"{cluster}-kubeconfig"), *([of_credential] if of_credential else [])]


def secret_of(credential: Object) -> tuple[str, str] | None:
    """Namespace and name of the Secret that is a Credential's identity; None where that is something else."""
    kind, name, namespace = (dig(credential, ("spec", "identityRef", key)) for key in ("kind", "name", "namespace"))
    if kind != "Secret" or not isinstance(name, str) or not name:
        return None
    return str(namespace or credential["metadata"].get("namespace") or ""), name


class _Ours:
    """The management cluster as kubeconfigs may name it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.addresses = self._addresses()
        self.uid = ((self._get(_KUBE_SYSTEM) or {}).get("metadata") or {}).get("uid")

    def finding(self, ref: tuple[str, str], inside: bool) -> Finding:
        namespace, name = ref
        try:
            secret = self.connection.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except ApiError as error:
            if error.status == 401:
                raise
            # Without it the Credential isn't ready, which is told elsewhere.
            return Finding() if error.status == 404 else Finding(unread=f"{error.status} {error.reason}")
        texts = (secret.get("data") or {}).values()
        configs = [found.config for text in texts if (found := foreign_kubeconfig.read(text)) is not None]
        for config in configs:
            address = _address(config["clusters"][0]["cluster"]["server"])
            if address in self.addresses and not self._shared_with_another(address, config):
                return Finding(f"its server {address[0]}:{address[1]} is the management cluster's own")
        for config in configs if inside and self.uid else ():
            if _uid_behind(config, self.connection) == self.uid:
                return Finding("its cluster has the uid of the management cluster's own namespace kube-system")
        return Finding()

    def _shared_with_another(self, address: Address, config: Object) -> bool:
        """Whether another cluster answers where ours does: a gateway may tell its clusters apart by who logs in alone.

        Only asked of the address that we speak to ourselves: one inside of the cluster may lead elsewhere from here.
        """
        uid = _uid_behind(config, self.connection) if self.uid and address == _address(self.connection.server) else None
        return uid not in (None, self.uid)

    def _addresses(self) -> set[Address]:
        found = {_address(self.connection.server), *((name, 443, "") for name in _INSIDE)}
        service = (self._get("/api/v1/namespaces/default/services/kubernetes") or {}).get("spec") or {}
        for ip in [service.get("clusterIP"), *(service.get("clusterIPs") or [])]:
            found |= {_address(f"https://{_host(ip)}:{port['port']}") for port in service.get("ports") or [] if ip}
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        query = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
        for each in (self._get(slices, query) or {}).get("items") or []:
            ips = [ip for endpoint in each.get("endpoints") or [] for ip in endpoint.get("addresses") or []]
            ports = [port["port"] for port in each.get("ports") or [] if port.get("port")]
            found |= {_address(f"https://{_host(ip)}:{port}") for ip in ips for port in ports}
        return found

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """None where the user may not read it: it is good to know, and no reason to ask for a right."""
        try:
            return self.connection.request("GET", path, query=query)
        except ApiError as error:
            if error.status == 401:
                raise
            return None


def _host(ip: object) -> str:
    return f"[{ip}]" if ":" in str(ip) else str(ip)


def _address(server: object) -> Address:
    """In one spelling; ("", 0, "") for what is no address."""
    text = str(server)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = (parts.hostname or "").rstrip("."), parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return "", 0, ""
    with contextlib.suppress(ValueError):
        host = str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
    return host, port, parts.path.rstrip("/")


def _uid_behind(config: Mapping[str, Any], ours: Connection) -> str | None:
    """The uid of a cluster's namespace kube-system; None if it can't be had: what is wrong there isn't ours to tell.

    :param ours: the connection to the management cluster; who observes that one observes this one, too.
    """
    deadline = time.monotonic() + LOOK_SECONDS
    try:
        with Connection(settings({"kubeconfig": dict(config)}, {})) as connection:
            connection.observe = ours.observe
            answer = connection.request("GET", _KUBE_SYSTEM, timeout=LOOK_SECONDS, retries=False, deadline=deadline)
        return answer["metadata"]["uid"]
    except (ApiError, ApiUnavailable, KeyError, TypeError, ValueError, OSError):
        return None
