# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a fleet, and of kof, there is on a management cluster, by all kinds that it serves, and whose each thing is.

Reads, by the client it is given. Nobody's guess: what can't be told is somebody's, and nothing of somebody's goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import POOL_SIZE, Connection, Resource, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    MANAGED_BY,
    OURS,
    PART_OF,
    fleet_of,
    gitops_keeper,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct

Object = Mapping[str, Any]
RELEASE, RELEASE_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
POLICY, HOOK = "helm.sh/resource-policy", "helm.sh/hook"
CRD = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "")
#: Whose it is: this fleet's; of the Helm releases of kof's charts; made by what these brought; data of it; Kubernetes'
#: own, in any namespace; anybody else's.
FLEET, CHARTS, MADE, DATA, KUBERNETES, OTHERS = "fleet", "charts", "made", "data", "kubernetes", "others"
#: In words, whose it is where nothing says so.
NOBODY = "nobody knows"
#: Kinds that are about others, and go by themselves.
_PASSING = {"Event", "Lease", "Endpoints", "EndpointSlice", "PodMetrics", "ControllerRevision", "ComponentStatus"}
#: What operators of kof's charts say of what they make.
_OPERATORS = ("vm-operator", "grafana-operator", "opentelemetry-operator", "promxy-operator", "kof-operator")


@dataclass(frozen=True)
class Owners:
    """By what is told whose something is.

    :ivar namespace: of kof.
    :ivar releases: of kof's charts, in that namespace.
    :ivar charts: whether those are this fleet's to take away: it has the mothership.
    :ivar secrets: by their names, those that kof's charts and operators make in it, or we.
    :ivar sets: StatefulSets of kof, of whose pods the volumes are.
    """

    fleet: str
    namespace: str
    releases: tuple[str, ...]
    charts: bool
    secrets: frozenset[str] = frozenset()
    sets: tuple[str, ...] = ()

    @classmethod
    def of(cls, fleet: str, namespace: str, release: Direct, *, charts: bool) -> Owners:
        names = {*release.secrets, release.promxy.secret, release.dns.secret, "vmalertmanager-cluster-config"}
        sets = tuple(each.name for each in release.workloads.get("mothership", ()) if each.kind == "StatefulSet")
        return cls(fleet, namespace, tuple(reversed(list(release.charts))), charts, frozenset(names), sets)

    def of_charts(self, item: Object) -> bool:
        """Whether a Helm release of kof's charts has made it. What has an owner is a controller's, with marks that it
        copied: as Sveltos makes ClusterSummaries of a ClusterProfile."""
        return self._marked(item) and not item["metadata"].get("ownerReferences")

    def _marked(self, item: Object) -> bool:
        marks = item["metadata"].get("annotations") or {}
        return marks.get(RELEASE) in self.releases and marks.get(RELEASE_NAMESPACE) == self.namespace

    def whose(self, item: Object) -> tuple[str, str]:
        """Whose an object is: one of the words above, and for people."""
        metadata, kind = item["metadata"], item.get("kind")
        marks, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
        fleet = fleet_of(item)
        if fleet is not None:
            return (FLEET, f"fleet {fleet}") if fleet == self.fleet else (OTHERS, f"fleet {fleet}")
        owner = next((f"{each.get('kind')} {each.get('name')}" for each in metadata.get("ownerReferences") or ()), "")
        if self._marked(item):
            return (MADE, owner) if owner else (CHARTS, f"Helm release {marks[RELEASE]}")
        if marks.get(RELEASE):
            return OTHERS, f"Helm release {marks.get(RELEASE_NAMESPACE)}/{marks[RELEASE]}"
        keeper = gitops_keeper(item)
        if keeper:
            return OTHERS, keeper
        if metadata.get("namespace") != self.namespace:
            return OTHERS, NOBODY
        name = metadata["name"]
        if kind in _PASSING or (kind, name) in _DEFAULTS:
            return KUBERNETES, "Kubernetes"
        if kind == "PersistentVolumeClaim" and any(re.search(rf"-{re.escape(each)}-\d+$", name) for each in self.sets):
            return DATA, "kof: its data"
        if owner:
            return MADE, owner
        if kind == "Secret" and (name in self.secrets or self._of_history(name)):
            return CHARTS, "kof's charts"
        if marks.get(HOOK) and any(name.startswith(f"{each}-") for each in self.releases):
            return CHARTS, "a hook of kof's charts"
        if labels.get(MANAGED_BY) in _OPERATORS:
            return MADE, str(labels[MANAGED_BY])
        if kind == "Secret" and item.get("type") == "kubernetes.io/service-account-token":
            return KUBERNETES, "Kubernetes"
        return OTHERS, NOBODY

    def _of_history(self, name: str) -> bool:
        return any(name.startswith(f"sh.helm.release.v1.{each}.v") for each in self.releases)


_DEFAULTS = {
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "openshift-service-ca.crt"),
}


@dataclass
class Found:
    """
    :ivar items: by object, what is there of the fleet and of kof's charts anywhere, and all that is in kof's namespace.
    :ivar definitions: CustomResourceDefinitions of the groups of kof's operators, and those that its charts made.
    :ivar unread: by kind or group, why it can't be looked at.
    :ivar unseen: those of them that may have something in kof's namespace.
    """

    items: dict[Ref, Object] = field(default_factory=dict)
    definitions: dict[Ref, Object] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)

    def of(self, owners: Owners, *whose: str) -> list[Ref]:
        """Those that are of one of these."""
        return [ref for ref, item in self.items.items() if owners.whose(item)[0] in whose]


def kinds(connection: Connection) -> tuple[list[Resource], dict[str, str]]:
    """All kinds that can be listed, each once, in its group's preferred version or, as that has not every kind of the
    group, in the first that has it; by group, why it can't be asked."""
    found: dict[tuple[str, str], Resource] = {}
    unread: dict[str, str] = {}
    versions = ["v1"]
    for group in connection.request("GET", "/apis").get("groups") or ():
        served = [group.get("preferredVersion") or {}, *(group.get("versions") or ())]
        versions += dict.fromkeys(str(each["groupVersion"]) for each in served if each.get("groupVersion"))
    for version in versions:
        try:
            answer = connection.request("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
        except ApiError as error:
            if error.status != 404:  # an aggregated API whose server is away; else its last kind has gone just now
                unread[version] = one_line(str(error))
            continue
        for each in answer.get("resources") or ():
            if "/" not in each["name"] and "list" in (each.get("verbs") or ()) and each["kind"] not in _PASSING:
                kind = Resource(version, each["kind"], each["name"], bool(each["namespaced"]), tuple(each["verbs"]))
                found.setdefault((version.rpartition("/")[0], kind.plural), kind)
    return list(found.values()), unread


def look(connection: Connection, owners: Owners, release: Direct) -> Found:
    """All there is.

    :raises ApiError, ApiUnavailable: the server's kinds can't be asked for.
    """
    served, unread = kinds(connection)
    found = Found(unread=unread, unseen=set(unread))
    ours = f"{MANAGED_BY}={OURS},{PART_OF}={owners.fleet}"
    asks: list[tuple[Resource, str | None, str]] = [(each, None, ours) for each in served if each.kind != CRD.kind]
    if owners.charts:
        asks += [(each, None, f"{MANAGED_BY}=Helm") for each in served if each.kind != CRD.kind]
        asks += [(each, owners.namespace, "") for each in served if each.namespaced]
        asks += [(each, None, "") for each in served if each.kind == CRD.kind]
    for (kind, space, selector), listed in zip(asks, _listed(connection, asks), strict=True):
        if isinstance(listed, str):
            what = f"{kind.kind} ({kind.api_version})"
            found.unread[what] = listed
            found.unseen |= {what} if space else set()
            continue
        for item in listed:
            if kind.kind == CRD.kind:
                if is_of_charts(item, owners, release):
                    found.definitions[ref_of(item)] = item
                continue
            if selector.endswith("=Helm") and not owners.of_charts(item):
                continue
            found.items.setdefault(ref_of(item), item)
    if owners.charts:
        home = get_or_none(connection, ("v1", "Namespace", None, owners.namespace))
        if home is not None:
            found.items.setdefault(ref_of(home), home)
    return found


def _listed(
    connection: Connection, asks: Sequence[tuple[Resource, str | None, str]]
) -> Iterator[list[dict[str, Any]] | str]:
    """What each gives, or why it gives nothing."""

    def ask(one: tuple[Resource, str | None, str]) -> list[dict[str, Any]] | str:
        kind, space, selector = one
        try:
            return connection.list_objects(path_of(kind, space), query={"labelSelector": selector} if selector else {})[
                0
            ]
        except ApiError as error:
            # Gone since it was discovered, or one that only says that it can be listed.
            return [] if error.status in (404, 405) else one_line(str(error))

    with ThreadPoolExecutor(POOL_SIZE) as pool:
        yield from pool.map(ask, asks)


def path_of(kind: Resource, namespace: str | None) -> str:
    """Of a list."""
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    return f"{root}/namespaces/{namespace}/{kind.plural}" if kind.namespaced and namespace else f"{root}/{kind.plural}"


def definitions(connection: Connection, owners: Owners, release: Direct) -> list[Object]:
    """CustomResourceDefinitions of the groups of kof's operators, and those that its charts made.

    :raises ApiError, ApiUnavailable: they can't be listed.
    """
    items = connection.list_objects(connection.path(CRD.api_version, CRD.kind))[0]
    return [each for each in items if is_of_charts(each, owners, release)]


def is_of_charts(definition: Object, owners: Owners, release: Direct) -> bool:
    """Whether a CustomResourceDefinition is one that kof's charts bring."""
    return owners.of_charts(definition) or (definition.get("spec") or {}).get("group") in release.operator_groups


def instances(
    connection: Connection, definition: Object, namespace: str | None, wanted: Callable[[Object], bool]
) -> list[Ref]:
    """The objects of a CustomResourceDefinition that `wanted` holds for.

    :param namespace: None for all, and for a kind without namespaces.
    :raises ApiError, ApiUnavailable: they can't be listed.
    """
    spec = definition["spec"]
    versions = [each["name"] for each in spec.get("versions") or () if each.get("served")]
    if not versions:
        return []
    kind = Resource(
        f"{spec['group']}/{versions[-1]}", spec["names"]["kind"], spec["names"]["plural"],
        spec.get("scope") == "Namespaced", (),
    )  # fmt: skip
    try:
        items: Iterable[Object] = connection.list_objects(path_of(kind, namespace))[0]
    except ApiError as error:
        if error.status == 404:  # not served yet, or not any more
            return []
        raise
    return [ref_of(item) for item in items if wanted(item)]
