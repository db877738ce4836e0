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
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import listing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.alive import of_one_kind
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import POOL_SIZE, Connection, Resource, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
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


#: Of an owner that isn't read: it is gone, so that Kubernetes takes away what it had; its kind isn't served; nobody
#: knows.
GONE, UNSERVED, UNKNOWN = "gone", "unserved", "unknown"
#: Owners of owners, after which nobody asks on: controllers make three or four of them, anybody can write a thousand.
_DEEPEST = 50


class Lineage:
    """Finds the owners that objects name: one GET for each that wasn't listed."""

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str, str, str | None], Object | str] = {}
        #: Kinds of which one could not be read: of each other that would take as long, a minute and a half at worst.
        self._unread: set[tuple[str, str]] = set()
        #: uids of what is proven to be ours, so that each is asked for once, however many ways lead to it.
        self.ours: set[object] = set()

    def know(self, items: Iterable[Object]) -> None:
        """What was listed."""
        self.ours.clear()
        for item in items:
            group = str(item.get("apiVersion")).rpartition("/")[0]
            metadata = item["metadata"]
            self._known[group, str(item.get("kind")), metadata["name"], metadata.get("namespace")] = item

    def owner(self, reference: Mapping[str, Any], namespace: str | None) -> Object | str:
        """The object, or why there is none: GONE, UNSERVED, UNKNOWN.

        :param namespace: of who names it: an owner is there, or in none.
        """
        version, kind, name = (str(reference.get(key)) for key in ("apiVersion", "kind", "name"))
        group = version.rpartition("/")[0]
        keys = [(group, kind, name, space) for space in dict.fromkeys((namespace, None))]
        found = next((self._known[key] for key in keys if key in self._known), None)
        if found is None:
            found = UNKNOWN if (version, kind) in self._unread else self._read(version, kind, namespace, name)
            self._known[keys[0]] = found
            if found == UNKNOWN:
                self._unread.add((version, kind))
        if isinstance(found, str):
            return found
        # Another one by its name: that isn't the owner, which is gone.
        return found if found["metadata"].get("uid") == reference.get("uid") else GONE

    def _read(self, version: str, kind: str, namespace: str | None, name: str) -> Object | str:
        if self._connection is None:
            return UNKNOWN
        try:
            resource = self._connection.resource(version, kind)
            if resource is None:
                return UNSERVED
            found = get_or_none(self._connection, f"{path_of(resource, namespace)}/{quote(name, safe='')}")
        except ApiError:
            return UNKNOWN
        except ApiUnavailable as error:
            of_one_kind(self._connection, error)
            return UNKNOWN
        return GONE if found is None else found


@dataclass(frozen=True)
class Owners:
    """By what is told whose something is.

    :ivar namespace: of kof.
    :ivar releases: of kof's charts, in that namespace.
    :ivar charts: whether those are this fleet's to take away: it has the mothership.
    :ivar secrets: by their names, those that kof's charts and operators make in it, or we.
    :ivar sets: StatefulSets of kof, of whose pods the volumes are.
    :ivar groups: of the API, those of the operators in kof's charts.
    :ivar lineage: finds owners.
    """

    fleet: str
    namespace: str
    releases: tuple[str, ...]
    charts: bool
    secrets: frozenset[str] = frozenset()
    sets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    lineage: Lineage = field(default_factory=Lineage, compare=False, repr=False)

    @classmethod
    def of(
        cls, fleet: str, namespace: str, release: Direct, *, charts: bool, connection: Connection | None = None
    ) -> Owners:
        """
        :param connection: to look for owners by; without it what has one is somebody's.
        """
        names = {*release.secrets, release.promxy.secret, release.dns.secret, "vmalertmanager-cluster-config"}
        sets = tuple(each.name for each in release.workloads.get("mothership", ()) if each.kind == "StatefulSet")
        return cls(
            fleet,
            namespace,
            tuple(reversed(list(release.charts))),
            charts,
            frozenset(names),
            sets,
            tuple(release.operator_groups),
            Lineage(connection),
        )

    def of_charts(self, item: Object) -> bool:
        """Whether a Helm release of kof's charts has made it. What has an owner is a controller's, with marks that it
        copied: as Sveltos makes ClusterSummaries of a ClusterProfile."""
        return self._marked(item) and not item["metadata"].get("ownerReferences")

    def _marked(self, item: Object) -> bool:
        marks = item["metadata"].get("annotations") or {}
        return marks.get(RELEASE) in self.releases and marks.get(RELEASE_NAMESPACE) == self.namespace

    def whose(self, item: Object, below: frozenset[object] = frozenset()) -> tuple[str, str]:
        """Whose an object is: one of the words above, and for people.

        :param below: uids of those whose owner it is, as far as this is asked for them.
        """
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
        made = self._of_owners(item, owner, below) if owner else None
        if made and made[0] == OTHERS:
            return made
        if kind == "PersistentVolumeClaim" and any(re.search(rf"-{re.escape(each)}-\d+$", name) for each in self.sets):
            return DATA, "kof: its data"
        if made:
            return made
        if kind == "Secret" and (name in self.secrets or self._of_history(name)):
            return CHARTS, "kof's charts"
        if marks.get(HOOK) and any(name.startswith(f"{each}-") for each in self.releases):
            return CHARTS, "a hook of kof's charts"
        if labels.get(MANAGED_BY) in _OPERATORS:
            return MADE, str(labels[MANAGED_BY])
        if kind == "Secret" and item.get("type") == "kubernetes.io/service-account-token":
            return KUBERNETES, "Kubernetes"
        return OTHERS, NOBODY

    def _of_owners(self, item: Object, first: str, below: frozenset[object]) -> tuple[str, str]:
        """Of what has owners: made by ours only where all of them are proven to be. What has lost them all goes by
        itself, whosever they were."""
        metadata = item["metadata"]
        below |= {metadata.get("uid")}
        gone = 0
        for each in metadata["ownerReferences"]:
            found = self.lineage.owner(each, metadata.get("namespace"))
            if found == GONE:
                gone += 1
                continue
            if isinstance(found, str):
                # Kubernetes keeps what objects of a kind had made that isn't served any more.
                ours = found == UNSERVED and str(each.get("apiVersion")).partition("/")[0] in self.groups
            else:
                uid = found["metadata"].get("uid")
                ours = uid in self.lineage.ours or (
                    uid not in below and len(below) < _DEEPEST and self.whose(found, below)[0] in (FLEET, CHARTS, MADE)
                )
                if ours:
                    self.lineage.ours.add(uid)
            if not ours:
                return OTHERS, f"of {each.get('kind')} {each.get('name')}"
        if gone == len(metadata["ownerReferences"]):
            return MADE, f"{first}, which is gone"
        return MADE, first

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
        except ApiUnavailable as error:
            of_one_kind(connection, error)
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
    owners.lineage.know(found.items.values())
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
        except ApiUnavailable as error:
            of_one_kind(connection, error)
            return one_line(str(error))

    with ThreadPoolExecutor(POOL_SIZE) as pool:
        yield from pool.map(ask, asks)


def path_of(kind: Resource, namespace: str | None) -> str:
    """Of a list."""
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    return f"{root}/namespaces/{namespace}/{kind.plural}" if kind.namespaced and namespace else f"{root}/{kind.plural}"


def definitions(connection: Connection, owners: Owners, release: Direct) -> list[Object]:
    """CustomResourceDefinitions of the groups of kof's operators, and those that its charts made.

    :raises Unlisted, ApiError, ApiUnavailable: as listing.objects.
    """
    items = listing.objects(connection, CRD.api_version, CRD.kind)
    return [each for each in items if is_of_charts(each, owners, release)]


def is_of_charts(definition: Object, owners: Owners, release: Direct) -> bool:
    """Whether a CustomResourceDefinition is one that kof's charts bring."""
    return owners.of_charts(definition) or (definition.get("spec") or {}).get("group") in release.operator_groups


def instances(
    connection: Connection, definition: Object, namespace: str | None, wanted: Callable[[Object], bool]
) -> list[Ref]:
    """The objects of a CustomResourceDefinition that `wanted` holds for.

    :param namespace: None for all, and for a kind without namespaces.
    :raises Unlisted, ApiError, ApiUnavailable: as listing.objects; also for a definition that serves nothing now.
    """
    spec, name = definition["spec"], definition["metadata"]["name"]
    served = [each for each in spec.get("versions") or () if each.get("served")]
    # The version in which they are stored: where the webhook that converts them is away, that one is still to be had.
    version = next((each["name"] for each in served if each.get("storage")), served[-1]["name"] if served else "")
    api_version, kind = f"{spec['group']}/{version}", spec["names"]["kind"]
    with listing.told(connection, api_version, kind, namespace):
        if not version:
            raise ApiError(404, "NotFound", f"{CRD.kind} {name} serves none of its versions")
        resource = Resource(api_version, kind, spec["names"]["plural"], spec.get("scope") == "Namespaced", ())
        try:
            items = connection.list_objects(path_of(resource, namespace))[0]
        except ApiError as error:
            if error.status == 404 and get_or_none(connection, (CRD.api_version, CRD.kind, None, name)) is None:
                return []  # gone with all its objects
            raise
        return [ref_of(item) for item in items if wanted(item)]
    raise AssertionError("unreachable")
