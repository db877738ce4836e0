# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet on its way out, after its clusters: what reads from them, what kof's charts need their operators for, and
what is taken away on request. The clusters are deletion.py's, the Helm releases helm/run.py's.

Pure but for the client it is given. Whatever goes is asked about at the act, on the live object just read; in doubt it
stays, and is told with whose it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import access, listing, remains, stuck
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.remains import CHARTS, DATA, FLEET, MADE, OTHERS, Owners
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.store import ReleaseStore
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease, contents
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile, wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard, Outcome, Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import fleet_of, shared_by_another
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import alerts, grafana_dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import nearest, some

#: Extra variables of one run: the fleet's name, typed; and what goes beside its clusters and charts.
CONFIRM, ALSO = "kof_uninstall_confirm", "kof_uninstall_also"
NAMESPACE, CRDS, TEMPLATES, ADMIN, SECRET = "namespace", "crds", "templates", "platform_admin", "dns_secret"
IAM, RECORDS = "iam", "dns_records"
ITEMS = (ADMIN, SECRET, IAM, RECORDS, TEMPLATES, NAMESPACE, CRDS)
ALL = "all"
#: Where a ServiceTemplate, and a HelmChart, name what they are read from.
_SOURCES = (("spec", "helm", "chartSpec", "sourceRef", "name"), ("spec", "sourceRef", "name"))


def items(names: Iterable[str]) -> frozenset[str]:
    """What goes beside clusters and charts.

    :raises FleetFault: a name is none of ITEMS.
    """
    given = {name.strip().lower() for name in names}
    wrong = [
        f"{ALSO}: {name} is nothing that can go" + (f"; did you mean {near}?" if (near := nearest(name, ITEMS)) else "")
        for name in sorted(given - {*ITEMS, ALL})
    ]
    if wrong:
        raise FleetFault.of([*wrong, f"{ALSO}: it takes {ALL}, or any of {', '.join(ITEMS)}"], "the extra variables")
    return frozenset(ITEMS if ALL in given else given)


@dataclass
class Uninstall:
    """
    :ivar also: of ITEMS, what goes beside clusters and charts.
    :ivar gone: in check mode, hosts of clusters that the run would have deleted by now.
    :ivar outcomes: what was done to each object.
    :ivar refused: why something stays though it was to go, a line each.
    """

    connection: Connection
    fleet: Fleet
    also: frozenset[str]
    check_mode: bool
    say: Callable[[str], None]
    gone: Collection[str] = ()
    outcomes: list[Outcome] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name: str = self.fleet.shared("kof_fleet")
        self.namespace: str = self.fleet.shared("kof_namespace")
        self.kcm_namespace: str = self.fleet.shared("kof_kcm_namespace")
        self.release = self.fleet.release
        self.kcm_api = f"{KCM_GROUP}/{kcm_version_of(self.connection, may_be_gone=True)}"
        # Charts, namespace and AWS are the mothership's: a fleet without one has only its clusters here.
        self.charts = bool(self.fleet.of("mothership"))
        self.owners = Owners.of(self.name, self.namespace, self.release, charts=self.charts, connection=self.connection)

    # -- before anything

    def look(self, confirmed: object) -> str:
        """Whether the fleet may go, as far as can be known before; a line on what would.

        :raises FleetFault: it may not. Nothing was changed.
        """
        try:
            return self._looked(confirmed)
        except listing.Unlisted as unlisted:
            raise FleetFault(f"{unlisted}. Nothing was changed.") from None

    def _looked(self, confirmed: object) -> str:
        if not self.charts and self.also - {ADMIN}:
            raise FleetFault(
                f"{ALSO}: {some(sorted(self.also - {ADMIN}))} goes with the mothership, and no host of kof_mothership "
                "is in this run. Nothing was changed."
            )
        living, users = self._clusters()
        inventory = self._hosted()
        unlisted = [ref for ref in living if ref not in inventory]
        outside = [ref for ref in unlisted if ref.namespace != self.kcm_namespace]
        if outside:
            first = outside[0]
            raise FleetFault(
                f"{len(outside)} live clusters with the labels of fleet {self.name} are outside of namespace "
                f"{self.kcm_namespace} (kof_kcm_namespace), and no run with that can delete them: "
                f"{some([_named(ref) for ref in outside], FAULTS_SHOWN)}. If they are somebody's copies, take the "
                f"labels off, or delete them: kubectl delete clusterdeployment {first.name} -n {first.namespace}. "
                "Nothing was changed."
            )
        if unlisted:
            raise FleetFault(
                f"{len(unlisted)} live clusters of fleet {self.name} are in no host of this run: "
                f"{some([_named(ref) for ref in unlisted], FAULTS_SHOWN)}. All of it has to go: run without --limit; "
                "have them in the inventory, or give the live fleet as a second -i, a file that ends in .kof.yml "
                f"(plugin: k0rdent.kof.clusters, fleet: {self.name}). Nothing was changed."
            )
        self._refuse_users(users)
        found = remains.look(self.connection, self.owners, self.release)
        stay = self._foreign_objects(found.definitions.values())
        if stay:
            raise FleetFault(f"{stay}. Nothing was changed.")
        if NAMESPACE in self.also and self.charts:
            others = self._others_in(found)
            if others:
                raise FleetFault(f"{others}. Nothing was changed.")
        told = self._at_stake(living, found)
        if told and not self.check_mode and (confirmed is None or str(confirmed) != self.name):
            said = "" if confirmed is None else f"{CONFIRM} is another text than the fleet's name. "
            raise FleetFault(
                f"{said}This run would take fleet {self.name} away from {self.connection.place}: {told}. Nothing was "
                f"changed. If that is what you want, pass -e {CONFIRM}={self.name}"
            )
        return told or f"nothing of fleet {self.name} is there any more"

    def _at_stake(self, living: Collection[Ref], found: remains.Found) -> str:
        volumes = [
            ref
            for ref in found.of(self.owners, DATA, MADE, CHARTS, FLEET)
            if ref.kind == "PersistentVolumeClaim" and ref.namespace == self.namespace
        ]
        releases = sorted(
            {name for item in found.items.values() for name in self.owners.releases if _is_history(item, name)}
        )
        parts = []
        if living:
            parts.append(f"{len(living)} clusters with their data: {some([ref.name for ref in living], FAULTS_SHOWN)}")
        if releases:
            parts.append(f"Helm releases {some(releases)}")
        if volumes and NAMESPACE in self.also:
            parts.append(f"the data in volumes {some([ref.name for ref in volumes], FAULTS_SHOWN)}")
        # Of a release whose Secrets are gone: its databases are still there.
        kinds = {(each["spec"]["group"], each["spec"]["names"]["kind"]) for each in found.definitions.values()}
        by_charts = [ref for ref, item in found.items.items() if self.owners.of_charts(item)]
        custom = [
            ref
            for ref in by_charts
            if ref.namespace == self.namespace and (ref.api_version.partition("/")[0], ref.kind) in kinds
        ]
        if custom and not releases:
            parts.append(f"what the charts' operators take care of: {some(list(map(str, custom)), FAULTS_SHOWN)}")
        also = [each for each in ITEMS if each in self.also]
        ours = {*found.of(self.owners, FLEET), *self._readers()}
        left = found.definitions or any(ref.kind == "ServiceTemplate" for ref in by_charts)
        if not parts and not ours and not (also and (left or IAM in also or RECORDS in also)):
            return ""
        return "; ".join(
            [*parts, f"{len(ours)} objects of its own", *([f"and on request {some(also)}"] if also else [])]
        )

    def _hosted(self, hosts: Collection[str] | None = None) -> set[Ref]:
        """The clusters of these hosts; of all."""
        return {
            Ref(self.kcm_api, "ClusterDeployment", each.kcm_namespace, each.cluster_name)
            for layer in ("regional", "child")
            for each in self.fleet.of(layer)
            if hosts is None or each.host in hosts
        }

    def _list(self, api: str, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        """What there is; nothing of a kind that isn't served.

        :raises Unlisted: what there is isn't known.
        """
        return listing.objects(self.connection, api, kind, namespace)

    def _going(self) -> list[dict[str, Any]]:
        """In check mode, the living clusters that are taken for gone."""
        gone = self._hosted(self.gone)
        there = self._list(self.kcm_api, "ClusterDeployment", self.kcm_namespace) if gone else []
        return [item for item in there if ref_of(item) in gone]

    def _clusters(self) -> tuple[list[Ref], dict[Ref, str]]:
        """This fleet's living clusters, of all namespaces; and who else needs what kof's charts bring, with why.

        :raises Unlisted: they can't be listed.
        """
        goes = {
            item["metadata"]["name"]
            for item in self._list(self.kcm_api, "ServiceTemplate", self.kcm_namespace)
            if self._with_charts(item) or (TEMPLATES in self.also and self.owners.of_charts(item))
        }
        gone, ours = self._hosted(self.gone), self._hosted()
        living: list[Ref] = []
        users: dict[Ref, str] = {}
        for kind in ("ClusterDeployment", "MultiClusterService"):
            for item in self._list(self.kcm_api, kind, None):
                ref = ref_of(item)
                theirs = fleet_of(item)
                if kind == "ClusterDeployment" and (
                    theirs == self.name or theirs in self.fleet.permissions.take_over or ref in ours
                ):
                    living += [ref] if ref not in gone else []
                    continue
                used = sorted(goes & set(_used_templates(item)))
                if used and ref.namespace in (None, self.kcm_namespace):
                    users[ref] = f"uses {some(used)}"
                elif theirs:
                    users[ref] = f"is of fleet {theirs}"
        return living, users

    def _refuse_users(self, users: Mapping[Ref, str]) -> None:
        """
        :raises FleetFault: the charts, if they are this run's, are somebody else's too.
        """
        if not self.charts:
            return
        theirs = shared_by_another(
            get_or_none(self.connection, ("v1", "Namespace", None, self.namespace)),
            self.name,
            self.fleet.permissions.take_over,
        )
        if theirs:
            raise FleetFault(f"{'; '.join(theirs)}. Nothing was changed.")
        if users:
            told = [f"{_named(ref)} ({why})" for ref, why in users.items()]
            raise FleetFault(
                f"others need what kof's charts have brought: {some(told, FAULTS_SHOWN)}. Uninstall those first, or "
                "leave the charts: no host in kof_mothership. Nothing was changed."
            )

    def _foreign_objects(self, definitions: Iterable[Mapping[str, Any]]) -> str:
        """Why the charts have to stay: with a CustomResourceDefinition of theirs others' objects would go."""
        for item in definitions:
            if not self._with_charts(item):
                continue
            try:
                others = remains.instances(self.connection, item, None, self._is_others)
            except listing.Unlisted as unlisted:
                return (
                    f"CustomResourceDefinition {item['metadata']['name']} goes with Helm release "
                    f"{item['metadata']['annotations'][remains.RELEASE]}, and whether others have objects of it isn't "
                    f"known: {unlisted}. Or leave the charts: no host in kof_mothership"
                )
            if others:
                return (
                    f"CustomResourceDefinition {item['metadata']['name']} goes with Helm release "
                    f"{item['metadata']['annotations'][remains.RELEASE]}, and with it others' objects: "
                    f"{some(list(map(str, others)), FAULTS_SHOWN)}. Delete them, or leave the charts: no host in "
                    "kof_mothership"
                )
        return ""

    def _with_charts(self, item: Mapping[str, Any]) -> bool:
        """Whether helm deletes an object when it uninstalls our releases: what counts is the manifest that it has
        stored, not what anybody has written on the object since."""
        return self.owners.of_charts(item) and (item["kind"], item["metadata"]["name"]) in self._manifests

    @functools.cached_property
    def _manifests(self) -> frozenset[tuple[str, str]]:
        """Kind and name of all that the last revisions hold, but for what helm is told to keep.

        :raises FleetFault: one can't be read.
        """
        found: set[tuple[str, str]] = set()
        for release in self.owners.releases:
            try:
                history = ReleaseStore(self.connection, self.namespace, release).history()
                held = list(contents(history[-1].manifest)) if history else []
            except NotARelease as problem:
                raise FleetFault(f"{problem}. Nothing was changed.") from None
            except ApiError as error:
                raise FleetFault(
                    f"what Helm release {release} holds isn't known, as its record can't be read (a Secret of "
                    f"namespace {self.namespace}): {one_line(str(error))}. Nothing was changed."
                ) from None
            found |= {(str(each["kind"]), str(dig(each, ("metadata", "name")))) for each in held if not _kept(each)}
        return frozenset(found)

    def _is_others(self, item: Mapping[str, Any]) -> bool:
        return self.owners.whose(item)[0] == OTHERS

    def _others_in(self, found: remains.Found) -> str:
        others = {
            ref: self.owners.whose(item)[1]
            for ref, item in found.items.items()
            if ref.namespace == self.namespace and self.owners.whose(item)[0] == OTHERS
        }
        told = [f"{ref} ({whose})" for ref, whose in others.items()]
        if told:
            return (
                f"namespace {self.namespace} can't go with what isn't kof's: {some(told, FAULTS_SHOWN)}. Move or "
                f"delete that, or leave {NAMESPACE} out of {ALSO}"
            )
        there = Ref("v1", "Namespace", None, self.namespace) in found.items
        told = [f"{what}: {found.unread[what]}" for what in sorted(found.unseen)]
        if told and there:
            return (
                f"namespace {self.namespace} can't go with what can't be looked at, whosever it is: "
                f"{some(told, FAULTS_SHOWN)}. Mend that, or leave {NAMESPACE} out of {ALSO}"
            )
        return ""

    # -- after the clusters

    def objects(self) -> None:
        """Take away what of the fleet is in kof's namespace beside its charts, and what of the charts needs their
        operators to go; then the charts may.

        :raises FleetFault: clusters live, or somebody else needs the charts.
        """
        living, users = self._clusters()
        if living:
            names = some([_named(ref) for ref in living], FAULTS_SHOWN)
            raise FleetFault(
                f"clusters of fleet {self.name} are still there: {names}. What they need "
                "stays until they are gone; run again then"
            )
        self._refuse_users(users)
        charts: list[Ref] = []
        self._delete(self._readers(), self._of_fleet, "objects of the fleet")
        if not self.charts or self.refused:
            return
        definitions = remains.definitions(self.connection, self.owners, self.release)
        stay = self._foreign_objects(definitions)
        if stay:
            raise FleetFault(stay)
        for definition in definitions:
            charts += remains.instances(self.connection, definition, self.namespace, self.owners.of_charts)
        self._delete(charts, self._of_charts, "objects that the charts' operators take care of")

    def _readers(self) -> list[Ref]:
        """What there is of `_kinds` that goes."""
        return [
            ref_of(item)
            for api, kind in self._kinds()
            for item in self._list(api, kind, self.namespace)
            if self.owners.whose(item)[0] == FLEET or fleet_of(item) in self.fleet.permissions.take_over
        ]

    def _kinds(self) -> Iterator[tuple[str, str]]:
        """Of what is written for clusters, and for the mothership, in kof's namespace; what reads from regions
        first."""
        yield self.release.promxy.api_version, PROMXY_SERVER_GROUP
        yield self.release.grafana.api_version, GRAFANA_DATASOURCE
        yield self.release.grafana.api_version, grafana_dashboard.KIND
        if self.release.alerts:
            yield self.release.alerts.api_version, alerts.VMRULE
            yield self.release.alerts.api_version, alerts.VMALERTMANAGER

    # -- after the charts

    def rest(self) -> None:
        """What goes on request, each after what needs it."""
        for what, act in (
            (ADMIN, self._admin),
            (SECRET, self._secret),
            (TEMPLATES, self._templates),
            (NAMESPACE, self._home),
            (CRDS, self._definitions),
        ):
            if what in self.also and (self.charts or what == ADMIN):
                self._tried(what, act)

    def _tried(self, what: str, act: Callable[[], None]) -> None:
        """What hinders one of them is told of that one, and the others come to their turn."""
        try:
            act()
        except FleetFault as fault:
            self.refused.append(f"{what}: {fault}")
        except (ApiError, ApiUnavailable) as problem:
            if isinstance(problem, Lost):
                raise
            self.refused.append(f"{what}: {one_line(str(problem))}")

    def _admin(self) -> None:
        self._delete(access.platform_admin_refs(self.namespace), self._of_fleet, "the platform administrator")

    def _secret(self) -> None:
        secret = Ref("v1", "Secret", self.namespace, self.release.dns.secret)
        self._delete([secret], self._of_fleet, "the DNS Secret")

    def _home(self) -> None:
        found = remains.look(self.connection, self.owners, self.release)
        others = "" if self.check_mode else self._others_in(found)
        if others:
            self.refused.append(others)
        else:
            home = Ref("v1", "Namespace", None, self.namespace)
            self._delete([home], self._of_fleet, "the namespace")

    def _templates(self) -> None:
        """ServiceTemplates that the charts leave, and then what they are read from, unless others are."""
        left = [
            Ref(self.kcm_api, "ServiceTemplate", self.kcm_namespace, item["metadata"]["name"])
            for item in self._list(self.kcm_api, "ServiceTemplate", self.kcm_namespace)
            if self.owners.of_charts(item) and _kept(item)
        ]
        # Of the templates of clusters that are only taken for gone, kcm says that they are needed.
        used = {name for item in self._going() for name in _used_templates(item)}
        self.outcomes += [Outcome(ref, "deleted", not_checked="its clusters gone") for ref in left if ref.name in used]
        self._delete([ref for ref in left if ref.name not in used], _left_by_charts(self.owners), "templates")
        for version, kind, name in self.release.kept_sources:
            ref = Ref(version, kind, self.kcm_namespace, name)
            if self.connection.resource(version, kind) is not None:
                self._delete([ref], self._unused_source(left), "sources of templates")

    def _unused_source(self, gone: Collection[Ref]) -> Guard:
        """What the charts have left, and of what there is no template of anybody's any more."""
        by_charts = _left_by_charts(self.owners)
        templates = {ref.name for ref in gone}

        def guard(live: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> str | None:
            why = by_charts(live, wanted)
            if why:
                return why
            try:
                there = [
                    (kind, item)
                    for api, kind in ((self.kcm_api, "ServiceTemplate"), (live["apiVersion"], "HelmChart"))
                    for item in self._list(api, kind, self.kcm_namespace)
                ]
            except listing.Unlisted as unlisted:
                return f"may be needed: {unlisted}"
            users = [
                f"{kind} {item['metadata']['name']}"
                for kind, item in there
                if "deletionTimestamp" not in item["metadata"]
                and live["metadata"]["name"] in (dig(item, path) for path in _SOURCES)
                and not (self.check_mode and item["metadata"]["name"] in templates)
                and not {each.get("name") for each in item["metadata"].get("ownerReferences") or ()} & templates
            ]
            return f"is needed by {some(users, FAULTS_SHOWN)}" if users else None

        return guard

    def _definitions(self) -> None:
        found = remains.definitions(self.connection, self.owners, self.release)
        leaves = set() if not self.check_mode else {ref_of(item) for item in found if self._with_charts(item)}

        def guard(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
            whose, words = self.owners.whose(live)
            if whose == OTHERS and words != remains.NOBODY:
                return f"is of {words}"
            # In check mode what is kof's has to be taken for gone.
            stays = self._is_others if self.check_mode else lambda _item: True
            try:
                there = remains.instances(self.connection, live, None, stays)
            except listing.Unlisted as unlisted:
                return f"may have objects: {unlisted}"
            return f"has objects: {some(list(map(str, there)), FAULTS_SHOWN)}" if there else None

        refs = [ref_of(item) for item in found if ref_of(item) not in leaves]
        self._delete(refs, guard, "CustomResourceDefinitions")

    # -- guards, deleting

    def _of_fleet(self, live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        theirs = fleet_of(live)
        if theirs is None:
            return "wasn't made by this collection"
        if theirs != self.name and theirs not in self.fleet.permissions.take_over:
            return f"belongs to fleet {theirs}"
        return guards.kept_by_others(live, None) or guards.kept_by_gitops(live, None)

    def _of_charts(self, live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        return None if self.owners.of_charts(live) else "isn't of kof's charts any more"

    def _delete(self, refs: Collection[Ref], guard: Guard, what: str) -> None:
        """Delete what is there of these, and wait until it is gone; what stays is refused, and told."""
        if not refs:
            return
        try:
            outcomes = reconcile.delete(
                self.connection, list(refs), policy=policy_of(self.fleet), check_mode=self.check_mode, guards=(guard,)
            )
        except ApiError as error:
            self.refused.append(f"{what}: {one_line(str(error))}")
            return
        self.outcomes += [each for each in outcomes if each.action != "absent"]
        self.refused += [f"{each.ref}: {each.reason}" for each in outcomes if each.action == "refused"]
        going = [each.ref for each in outcomes if each.action in ("deleted", "unchanged")]
        if self.check_mode or not going:
            return
        try:
            waited = wait.wait(
                self.connection,
                [stuck.gone(ref) for ref in going],
                timeout=self.fleet.shared("kof_wait_timeout"),
                progress=self.say,
                word=f"of {what} gone",
            )
        except ApiError as error:
            names = some(list(map(str, going)), FAULTS_SHOWN)
            self.refused.append(f"{names}: deleted, but whether they are gone can't be seen: {one_line(str(error))}")
            return
        self.refused += [
            f"{each.ref} is still there after {each.seconds:.0f} s: {each.because}"
            for each in waited
            if each.state != "ready"
        ]

    # -- at the end

    def left(self) -> tuple[list[dict[str, str]], dict[str, str]]:
        """What is left of the fleet and of kof's charts: each as `object`, `whose` and `remove`; and what couldn't be
        looked at, by kind. In check mode what would be."""
        try:
            return self._left()
        except (ApiError, ApiUnavailable, FleetFault) as problem:
            # What was done is told all the same.
            return [], {"all that is left": one_line(str(problem))}

    def _left(self) -> tuple[list[dict[str, str]], dict[str, str]]:
        found = remains.look(self.connection, self.owners, self.release)
        going = {each.ref for each in self.outcomes if self.check_mode and each.action in ("deleted", "unchanged")}
        home = Ref("v1", "Namespace", None, self.namespace)
        told: list[dict[str, str]] = []
        for ref, item in sorted(found.items.items(), key=lambda each: _order(each[0])):
            whose, words = self.owners.whose(item)
            if whose == remains.KUBERNETES or ref in going or (home in going and ref.namespace == self.namespace):
                continue
            if self.check_mode and self._follows(ref, item, whose):
                continue
            told.append({"object": str(ref), "whose": words, "remove": self._remedy(ref, item, whose)})
        for ref, item in sorted(found.definitions.items(), key=lambda each: each[0].name):
            if ref in going or (self.check_mode and self._with_charts(item)):
                continue
            whose, words = self.owners.whose(item)
            words = f"kof's charts ({words})" if words == remains.NOBODY else words
            remove = "" if whose == OTHERS and self.owners.whose(item)[1] != remains.NOBODY else _also(CRDS)
            told.append({"object": str(ref), "whose": words, "remove": remove})
        if self.charts:
            told += self._sources(going)
        return told, found.unread

    def _follows(self, ref: Ref, item: Mapping[str, Any], whose: str) -> bool:
        """Whether, in check mode, it would be gone: with its cluster, its release or what has made it."""
        if ref.kind == "ClusterDeployment":
            return ref in self._hosted(self.gone)
        if whose == FLEET:
            return ref.namespace == self.namespace and ref.kind in {kind for _api, kind in self._kinds()}
        if whose == MADE:
            return True
        # What only a name tells to be the charts', an operator has made, or a hook: helm doesn't know it.
        return self._with_charts(item) or any(_is_history(item, name) for name in self.owners.releases)

    def _sources(self, going: Collection[Ref]) -> Iterator[dict[str, str]]:
        """What a hook of the charts has made: nothing of them says whose it is."""
        for version, kind, name in self.release.kept_sources:
            ref = Ref(version, kind, self.kcm_namespace, name)
            live = get_or_none(self.connection, (version, kind, self.kcm_namespace, name)) if ref not in going else None
            if live is not None and not _left_by_charts(self.owners)(live, None):
                yield {"object": str(ref), "whose": "kof's charts", "remove": _also(TEMPLATES)}

    def _remedy(self, ref: Ref, item: Mapping[str, Any], whose: str) -> str:
        if whose == OTHERS:
            return ""
        if ref.kind == "ClusterDeployment":
            return "run k0rdent.kof.uninstall again"
        if ref.name == access.ROLE and whose == FLEET:
            return _also(ADMIN)
        if ref.kind == "Secret" and ref.name == self.release.dns.secret and whose == FLEET:
            return _also(SECRET)
        if ref.kind == "Namespace" or ref.namespace == self.namespace:
            return _also(NAMESPACE)
        if whose == CHARTS and _kept(item) and ref.kind == "ServiceTemplate":
            return _also(TEMPLATES)
        space = f" -n {ref.namespace}" if ref.namespace else ""
        return f"kubectl delete {ref.kind.lower()} {ref.name}{space}"


def _also(what: str) -> str:
    return f"-e {ALSO}={what}"


def _order(ref: Ref) -> tuple[str, str, str]:
    return (ref.namespace or "", ref.kind, ref.name)


def _named(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"


def _kept(item: Mapping[str, Any]) -> bool:
    return dig(item, ("metadata", "annotations", remains.POLICY)) == "keep"


def _is_history(item: Mapping[str, Any], release: str) -> bool:
    return item.get("kind") == "Secret" and str(item["metadata"]["name"]).startswith(f"sh.helm.release.v1.{release}.v")


def _used_templates(item: Mapping[str, Any]) -> Iterator[str]:
    """Names of the ServiceTemplates that a ClusterDeployment or MultiClusterService has."""
    for path in (("spec", "serviceSpec", "services"), ("spec", "services")):
        services = dig(item, path)
        for each in services if isinstance(services, list) else ():
            if isinstance(each, Mapping) and each.get("template"):
                yield str(each["template"])


def _left_by_charts(owners: Owners) -> Guard:
    """What helm was told to keep: made by a release of ours, or by a hook, of which helm says nothing."""

    def guard(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        marks = live["metadata"].get("annotations") or {}
        if not _kept(live):
            return f"isn't what helm was told to keep ({remains.POLICY})"
        if not owners.of_charts(live) and (marks.get(remains.RELEASE) or not marks.get(remains.HOOK)):
            return "wasn't made by kof's charts"
        return guards.kept_by_gitops(live, None)

    return guard
