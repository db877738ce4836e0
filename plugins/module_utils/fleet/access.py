# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How people reach what they open in a browser, from what lives: the service, the line for it, where its login is.

Pure but for the clients it is given, and reads only, but for the platform administrator. A login is read by `login`
alone; where it goes is its caller's to say.
"""

from __future__ import annotations

import base64
import json
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.inside import NO_API, connection_by
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import foreign_kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import OTHER_FORM
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import own_cluster
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Entrance
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import head
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import (
    mothership_values,
    switched_on,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.service_values import regional_values
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]
#: Regions that are asked at a time.
AT_A_TIME = 16
#: From here on, ten local ports for each region.
FIRST_PORT, PORTS = 13000, 10
ROLE = "k0rdent-kof-platform-admin"
#: What Sveltos' dashboard shows, and the visualizer: who logs in with the token need not be able to change anything.
SHOWN = {
    "config.projectsveltos.io": ("clusterprofiles", "profiles", "clustersummaries", "clusterconfigurations"),
    "lib.projectsveltos.io": ("sveltosclusters",),
    "cluster.x-k8s.io": ("clusters",),
    "k0rdent.mirantis.com": ("clusterdeployments", "multiclusterservices", "servicetemplates"),
}


def rights(namespace: str) -> Iterator[Right]:
    """What it takes to tell the ways of the management cluster; kubeconfigs and logins are Secrets beside."""
    for kind in ("Service", "Pod"):
        yield right("support", Ref("v1", kind, namespace, ""), "list")


@dataclass(frozen=True)
class Way:
    """One thing that people open.

    :ivar cluster: inside which it is; empty for the management cluster.
    :ivar local, port: the port on loopback, and that of the service.
    :ivar why_not: why it can't be reached; empty where it can.
    """

    host: str
    cluster: str
    entrance: Entrance
    namespace: str
    local: int
    port: int
    why_not: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.local}{self.entrance.path}"

    def arguments(self, login: Sequence[str]) -> list[str]:
        """kubectl's, that make it reachable.

        :param login: its options that say which cluster.
        """
        target = ["-n", self.namespace, f"svc/{self.entrance.service}", f"{self.local}:{self.port}"]
        return [*login, "port-forward", *target]

    def line(self, login: Sequence[str]) -> str:
        return shlex.join(["kubectl", *self.arguments(login)])

    @property
    def login(self) -> str:
        """Where its login is, in words; empty where it asks for none."""
        if not self.entrance.secret:
            return ""
        there = f" on {self.cluster}" if self.cluster else ""
        return f"Secret {self.namespace}/{self.entrance.secret}{there}, keys {' and '.join(self.entrance.keys)}"


@dataclass(frozen=True)
class Kubeconfig:
    """Of a cluster: what its kubeconfig says, without commands and files, or why there is none."""

    host: str
    name: str
    config: dict[str, Any] | None = field(default=None, repr=False)
    why_not: str = ""

    @property
    def text(self) -> str:
        """As a file; JSON is YAML."""
        return json.dumps({"apiVersion": "v1", "kind": "Config", **(self.config or {})}, indent=2) + "\n"


# -- what is there


def of_mothership(connection: Connection, fleet: Fleet) -> list[Way]:
    """
    :raises ApiError, ApiUnavailable: Services or Pods may not be listed.
    """
    found = []
    for mothership in fleet.of("mothership"):
        values = mothership_values(mothership, fleet.release)
        there = _There.of(connection, mothership.namespace, None)
        for each in fleet.release.entrances:
            on = switched_on(values, each.switch)
            found.append(_way(each, each.local, there, mothership.host, "", mothership.namespace, on, "kof-mothership"))
    return found


def of_regions(fleet: Fleet, kubeconfigs: Iterable[Kubeconfig], seconds: float) -> list[Way]:
    """What is inside of the batch's regional clusters, each asked by its own kubeconfig.

    :param seconds: each cluster's own deadline.
    """
    by_name = {each.name: each for each in kubeconfigs}
    regionals = list(enumerate(fleet.of("regional")))
    if not regionals:
        return []

    def ways(numbered: tuple[int, Any]) -> list[Way]:
        number, cluster = numbered
        of = by_name[cluster.cluster_name]
        there, why = None, of.why_not
        if of.config is not None:
            try:
                with connection_by(of.config) as connection:
                    there = _There.of(connection, cluster.namespace, time.monotonic() + seconds)
            except (ApiError, ApiUnavailable) as problem:
                why = one_line(str(problem))
            except OTHER_FORM:  # what a kubeconfig leads to may answer anything
                why = NO_API
        values = regional_values(cluster, fleet.release).get("kof-storage", {})
        made = []
        for index, each in enumerate(fleet.release.regional_entrances):
            local, on = FIRST_PORT + PORTS * number + index, switched_on(values, each.switch)
            place = (cluster.host, cluster.cluster_name, cluster.namespace, on, "kof-storage")
            try:
                way = _way(each, local, there, *place)
            except OTHER_FORM:
                way = replace(_way(each, local, None, *place), why_not=NO_API)
            made.append(replace(way, why_not=why) if there is None else way)
        return made

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [way for those in pool.map(ways, regionals) for way in those]


@dataclass(frozen=True)
class _There:
    """Services of a namespace by name, and its pods."""

    services: Mapping[str, Object]
    pods: Sequence[Object]

    @classmethod
    def of(cls, connection: Connection, namespace: str, deadline: float | None) -> _There:
        listed = {}
        for kind in ("services", "pods"):
            path = f"/api/v1/namespaces/{namespace}/{kind}"
            listed[kind] = connection.list_objects(path, deadline=deadline)[0]
        return cls({each["metadata"]["name"]: each for each in listed["services"]}, listed["pods"])

    def problem(self, name: str) -> str:
        """Why nobody answers behind a service that is there."""
        selector = (self.services[name].get("spec") or {}).get("selector") or {}
        behind = [
            pod for pod in self.pods if selector and selector.items() <= (pod["metadata"].get("labels") or {}).items()
        ]
        if not behind:
            return "no pod is behind it"
        if any(map(_is_ready, behind)):
            return ""
        return f"no pod behind it is ready: {some([each['metadata']['name'] for each in behind])}"


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return "deletionTimestamp" not in pod["metadata"] and any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in conditions
    )


def _way(
    entrance: Entrance, local: int, there: _There | None, host: str, cluster: str, namespace: str, on: bool, chart: str
) -> Way:
    way = Way(host, cluster, entrance, namespace, local, entrance.port)
    service = there.services.get(entrance.service) if there else None
    what = f"Service {namespace}/{entrance.service}"
    if there is None:
        return way
    if service is None:
        why = f"there is no {what}: "
        why += f"values take it away ({'.'.join(entrance.switch)}: false)" if not on else f"{chart} hasn't made it"
        return replace(way, why_not=why)
    ports = [each["port"] for each in (service.get("spec") or {}).get("ports") or () if each.get("protocol") != "UDP"]
    if entrance.port not in ports:
        if len(ports) != 1:
            return replace(way, why_not=f"{what} has no port {entrance.port} (it has {some(list(map(str, ports)))})")
        way = replace(way, port=ports[0])  # values may say another one
    problem = there.problem(entrance.service)
    return replace(way, why_not=f"{what}: {problem}" if problem else "")


# -- kubeconfigs


def kubeconfigs(
    connection: Connection, clusters: Iterable[Any], credentials: Sequence[Object], foreign: Mapping[str, str]
) -> list[Kubeconfig]:
    """Those of clusters, by Secrets of the management cluster: Cluster API's, and of adopted ones their Credential's.

    :param credentials: all of kcm's namespace.
    :param foreign: by name, the fleet of clusters that are another one's.
    :raises ApiError: another refusal than that a Secret may not be read.
    """
    by_name = {each["metadata"]["name"]: each for each in credentials}
    connection.resource("v1", "Secret")  # once, before all ask for it
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(lambda each: _kubeconfig(connection, each, by_name, foreign), clusters))


def _kubeconfig(
    connection: Connection, cluster: Any, credentials: Mapping[str, Object], foreign: Mapping[str, str]
) -> Kubeconfig:
    name, credential = cluster.cluster_name, credentials.get(cluster.credential)
    if name in foreign:
        return Kubeconfig(cluster.host, name, why_not=f"it belongs to fleet {foreign[name]}")
    tried = []
    for space, secret_name in own_cluster.kubeconfig_secrets(cluster.kcm_namespace, name, credential):
        try:
            secret = get_or_none(connection, ("v1", "Secret", space, secret_name))
        except ApiError as error:
            if error.status != 403:
                raise
            return Kubeconfig(cluster.host, name, why_not=f"its kubeconfig may not be read: {one_line(str(error))}")
        found = foreign_kubeconfig.in_secret(secret) if secret else None
        if found is None:
            tried.append(f"Secret {space}/{secret_name} " + ("holds no kubeconfig" if secret else "doesn't exist"))
        elif found.has_login or not found.left_out:
            return Kubeconfig(cluster.host, name, found.config)
        else:
            tried.append(
                f"that in Secret {space}/{secret_name} logs in by {some(found.left_out)}, which isn't run here"
            )
    return Kubeconfig(cluster.host, name, why_not=f"no kubeconfig: {some(tried)}")


# -- logins


def login(connection: Connection, way: Way) -> tuple[str, ...] | str:
    """The values at the keys of a way's Secret; a text for why they aren't known. Never to be put into a result."""
    ref = Ref("v1", "Secret", way.namespace, way.entrance.secret)
    try:
        secret = get_or_none(connection, ("v1", "Secret", way.namespace, way.entrance.secret))
    except (ApiError, ApiUnavailable) as problem:
        return one_line(str(problem))
    if secret is None:
        return f"{ref} isn't there"
    try:
        data = secret.get("data") or {}
        missing = [key for key in way.entrance.keys if not data.get(key)]
        if missing:
            return f"{ref} has no {some(missing)}"
        return tuple(base64.b64decode(data[key]).decode() for key in way.entrance.keys)
    except OTHER_FORM:
        return f"{ref} holds no text"


# -- the platform administrator


def platform_admin(namespace: str, fleet: str, role: str) -> Iterator[Object]:
    """Who logs in to Sveltos' dashboard: a service account, what it may, and the binding.

    :param role: a ClusterRole that is there; empty for one of ours, which only reads what the dashboards show.
    """
    api = "rbac.authorization.k8s.io"
    yield head("v1", "ServiceAccount", ROLE, fleet, namespace)
    if not role:
        rules = [
            {"apiGroups": [group], "resources": [*resources], "verbs": ["get", "list", "watch"]}
            for group, resources in SHOWN.items()
        ]
        yield {**head(f"{api}/v1", "ClusterRole", ROLE, fleet), "rules": rules}
    yield {
        **head(f"{api}/v1", "ClusterRoleBinding", ROLE, fleet),
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role or ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": ROLE, "namespace": namespace}],
    }


def platform_admin_refs(namespace: str) -> list[Ref]:
    """All of it that may be there, what grants first."""
    api = "rbac.authorization.k8s.io/v1"
    return [
        Ref(api, "ClusterRoleBinding", None, ROLE),
        Ref(api, "ClusterRole", None, ROLE),
        Ref("v1", "ServiceAccount", namespace, ROLE),
    ]


def token(connection: Connection, namespace: str, seconds: int) -> str:
    """A token of the platform administrator. Never to be put into a result.

    :param seconds: how long it is good for; the server may say less.
    :raises ApiError, ApiUnavailable: as a request.
    """
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{ROLE}/token"
    wanted = {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds},
    }  # fmt: skip
    return str(connection.request("POST", path, body=wanted)["status"]["token"])
