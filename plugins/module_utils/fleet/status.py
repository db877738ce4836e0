# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a fleet is: every part's judge asked once, over one LIST a kind, and what is found beside them.

Pure but for the client it is given, and reads only. What a finding means is kof/findings.py, how it looks report/.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import (
    beside,
    dashboards,
    installed,
    listing,
    record,
    side_effects,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.drift import Drift
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import helm_releases, kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import (
    NotARelease,
    same_values,
    values_that_differ,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import readiness as core_readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.alive import of_one_kind
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import Readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, identity, operators, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    Given,
    Kind,
    Known,
    Part,
    Right,
    right,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.findings import FAILED, FINDINGS, SEVERITIES, WARNING
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.alerts import VMRULE
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.cluster_deployment import regional_domain_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Object = dict[str, Any]
#: The Helm releases of kof's charts; why, where they can't be read.
Charts: TypeAlias = "Sequence[InstalledChart] | str"

#: Minutes for which it matters that a container was killed for its memory, though it runs again.
_RECENT = 24 * 60
#: For what no rollout can be the reason of, since there is none.
EVER = "1970-01-01T00:00:00Z"
#: A time as docs/status.schema.json has it.
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
#: Codes of what isn't there at all: nothing else is said of it then.
_NOT_THERE = ("cluster-missing", "mothership-missing")


def rights(layer: str, given: Given[Any], namespace: str, kcm_namespace: str) -> Iterator[Right]:
    """What a look reads beside the parts. A chart's release, too, but without it the rest is told all the same."""
    yield right("status", Ref("v1", "Namespace", None, namespace), "get", name=namespace)
    yield from record.rights("status", namespace)
    yield right("status", Ref(given.kcm_api, "Management", None, ""), "list")
    if layer == "mothership" and isinstance(given.release, Direct):
        for api, kind in (*beside.RUNS, operators.GRAFANA, (given.release.promxy.api_version, PROMXY_SERVER_GROUP)):
            yield right("status", Ref(api, kind, namespace, ""), "list")
        yield right("status", Ref(*beside.CLASS, None, ""), "list")
    if layer in ("mothership", "regional") and isinstance(given.release, Direct):
        yield right("status", Ref(given.release.grafana.api_version, dashboards.KIND, namespace, ""), "list")
    if isinstance(given.release, Direct) and given.release.alerts is not None:
        yield right("status", Ref(given.release.alerts.api_version, VMRULE, namespace, ""), "list")
    if layer in ("regional", "child"):
        for kind in ("Credential", "ServiceTemplate"):
            yield right("status", Ref(given.kcm_api, kind, kcm_namespace, ""), "list")
        api, kind, name = side_effects.REPOSITORY
        yield right("status", Ref(api, kind, kcm_namespace, name), "get", name=name)


@dataclass(frozen=True)
class Live:
    """What was read that budgets are reckoned by.

    :ivar promxy_server_groups: None where they may not be read.
    :ivar promxy: its Deployment; None where it isn't there, or may not be read.
    """

    cluster_deployments: Sequence[Object]
    promxy_server_groups: Sequence[Object] | None
    promxy: Object | None


#: Budgets that all regions share, as rows: name, found, wanted, remedy, status (ok, warning, failed).
Weigh = Callable[[Live], Sequence[Mapping[str, str]]]


def charts_of(connection: Connection, namespace: str) -> Charts:
    """:raises ApiError, ApiUnavailable: the API server can't be asked at all."""
    try:
        found = installed.look(connection, namespace)
    except NotARelease as problem:  # one that somebody broke says nothing, and hides nothing else
        return str(problem)
    except ApiError as error:
        if error.status == 401:
            raise
        return str(error)
    return "their Secrets may not be listed" if found is None else found


def look(
    connection: Connection,
    fleet: Fleet,
    charts: Charts,
    *,
    patience: float,
    now: datetime.datetime,
    more: Iterable[Callable[[Look], None]] = (),
    weigh: Weigh = lambda _live: (),
    domain_of: Callable[[str], str | None] = lambda _host: None,
) -> dict[str, Any]:
    """How the batch's clusters are, as docs/status.schema.json describes it.

    :param charts: the Helm releases of kof's charts; why, where they can't be read.
    :param more: looks at what this one doesn't look at (fleet/verify.py).
    :param patience: minutes after which what is normal in a rollout is so no more.
    :param now: with its time zone.
    :param weigh: reckons the budgets.
    :param domain_of: of a regional cluster of the inventory that isn't in the batch, by its host; None for none.
    :raises ApiError: ClusterDeployments may not be listed, or a request is refused for another reason than rights.
    :raises ApiUnavailable: the API server is away.
    :raises FleetFault: it serves no version of kcm's API that is known here.
    """
    seen = Look(connection, fleet, kcm_version_of(connection), patience, now, domain_of)
    seen.whole(charts)
    seen.clusters()
    for each in more:
        each(seen)
    seen.last_runs()
    budgets: Sequence[Mapping[str, str]] = ()
    with seen.of_any_form(seen.about_whole()):
        budgets = weigh(seen.of_budgets)
    return {**seen.told(charts), "budgets": [dict(each) for each in budgets]}


@dataclass
class _Found:
    """A finding, with what its severity depends on."""

    code: str
    host: str
    layer: str
    name: str
    what: str = ""
    why: str = ""
    advice: str = ""
    since: str = ""
    #: Since when it may have been so, where nobody says.
    at_most_since: str = ""
    #: Since when no rollout can be the reason.
    settled: str = ""
    #: A code that it is as bad as, beside its own.
    also: str = ""


@dataclass
class Look:
    """One look at a fleet: what it has read, and what it has found."""

    connection: Connection
    fleet: Fleet
    kcm_version: str
    patience: float
    now: datetime.datetime
    domain_of: Callable[[str], str | None]
    findings: list[_Found] = field(default_factory=list)
    not_looked_at: dict[str, None] = field(default_factory=dict)
    #: By kind, why it can't be listed.
    refused: dict[str, str] = field(default_factory=dict)
    #: Hosts of which something may not be read.
    unread: set[str] = field(default_factory=set)
    #: What isn't there, by the namespace of parts that then aren't looked at.
    absent: set[str] = field(default_factory=set)
    live: dict[str, Object] = field(default_factory=dict)
    served: dict[tuple[str, str], bool] = field(default_factory=dict)
    #: Since when kof's namespace is as it is; where that may not be read, the first ClusterDeployment.
    began: str = ""
    #: When a ClusterDeployment of the fleet last changed; where there is none, `began`.
    rolled: str = ""
    #: Of kof's charts those that aren't installed: what they bring can't be there.
    uninstalled: set[str] = field(default_factory=set)
    #: Secrets of kof's namespace that were read, by name.
    secrets: dict[str, Object | None] = field(default_factory=dict)
    #: Since when all of kof's charts are deployed, "" as long as they aren't, or nobody knows.
    installed: str = ""
    #: Of what was listed, by kind, what looks at more may want.
    listed: dict[str, list[Object]] = field(default_factory=dict)
    #: Hosts whose ClusterDeployment is ready.
    ready: set[str] = field(default_factory=set)
    #: Name of k0rdent's Release, "" where nobody says.
    k0rdent: str = ""
    #: kof's namespace, where it may be read.
    home: tuple[Object | None] | None = None
    #: Hosts of which not enough is known to say what is wanted of them.
    unrendered: set[str] = field(default_factory=set)
    #: The records of runs, the newest first; None where they may not be read.
    runs: list[dict[str, Any]] | None = None
    promxy: Object | None = None
    #: By the child's host and kind, seconds since the newest data at its regional; None where nobody asked.
    ages: Mapping[str, Mapping[str, float | None]] | None = None

    @property
    def of_budgets(self) -> Live:
        return Live(list(self.live.values()), self.listed.get(PROMXY_SERVER_GROUP), self.promxy)

    @functools.cached_property
    def drift(self) -> Drift:
        return Drift(self.fleet)

    @functools.cached_property
    def release(self) -> Any:
        """The line's data."""
        return self.fleet.release

    # -- the management cluster

    def whole(self, charts: Charts) -> None:
        """What concerns the management cluster as a whole."""
        home = self.fleet.shared("kof_namespace")
        mine = self.about_whole()
        with self.forbidden("Namespace", "mothership"):
            namespace = get_or_none(self.connection, ("v1", "Namespace", None, home))
            self.home = (namespace,)
            if namespace is None:
                self.absent.add(home)
                why = f"Namespace {home} doesn't exist"
                self.add(mine(code="mothership-missing", what=f"Namespace {home}", why=why))
            else:
                self.began = core_readiness.changed_at(namespace)
                verdict = core_readiness.namespace(namespace)
                self.found(mine, f"Namespace {home}", verdict, namespace)
                if not verdict.ready:
                    self.absent.add(home)  # what is in it goes before it
        managements = self.list_of(f"{readiness.KCM_GROUP}/{self.kcm_version}", "Management", None, "mothership")
        if managements == []:
            self.add(mine(code="k0rdent-not-ready", what="Management", why="there is no Management object"))
        for each in managements or ():
            said = dig(each, ("status", "release")) or dig(each, ("spec", "release"))
            self.k0rdent = self.k0rdent or str(said or "")
            what = f"Management {each['metadata']['name']}"
            self.found(mine, what, core_readiness.of_any_form(_management, each), each)
        if isinstance(charts, str):
            unread = f"Helm releases of kof's charts: {charts}"
            self.not_read_of(unread, "mothership")
            self.drift.not_known(unread, *(each.host for each in self.fleet.of("mothership")))
        elif home not in self.absent and self.fleet.of("mothership"):
            self._charts(mine, {each.name: each for each in charts})

    def _charts(self, mine: Callable[..., _Found], there: Mapping[str, InstalledChart]) -> None:
        dates = [
            there[name].newest.since
            for name in self.release.charts
            if name in there and there[name].newest.status == "deployed"
        ]
        self.installed = max(dates) if len(dates) == len(self.release.charts) else ""
        values = {each["name"]: each["values"] for each in helm_releases(self.fleet)}
        for name, wanted in self.release.charts.items():
            chart, what = there.get(name), f"Helm release {name}"
            if chart is None:
                self.uninstalled.add(name)
            well = bool(chart and chart.newest.status == "deployed" and chart.version == wanted.version)
            same = chart and chart.newest.version == wanted.version
            why = f"it is {chart.newest.status}" if chart and same else f"to {wanted.version}"
            differs = ["status" if same else "version"]
            if well and chart and chart.newest.values is not None and name in values:
                well, why = same_values(values[name], chart.newest.values), "its values differ"
                differs = [] if well else values_that_differ(values[name], chart.newest.values)
            since = chart.newest.since if chart else ""
            self.drift.chart(
                self._mothership,
                name,
                installed=chart is not None,
                as_wanted=well,
                why=why,
                since=since,
                fields=differs,
            )
            if chart is None or chart.newest.status.startswith("pending"):
                why = f"{chart.newest.version} is {chart.newest.status}" if chart else "isn't installed"
                self.add(mine(code="chart-being-installed", what=what, why=why, since=since, at_most_since=self.began))
            elif chart.newest.status != "deployed":
                why = f"{chart.newest.version} is {chart.newest.status}"
                self.add(mine(code="chart-not-deployed", what=what, why=why, since=chart.newest.since))
            elif chart.version != wanted.version:
                why = f"{chart.version} is installed, {wanted.version} is wanted"
                self.add(mine(code="kof-version-differs", what=what, why=why))

    def last_runs(self) -> None:
        """Who changed something, and when: of no cluster anything is unknown without it."""
        with self.forbidden("records of runs (ConfigMap)"):
            space, fleet = self.fleet.shared("kof_namespace"), self.fleet.shared("kof_fleet")
            self.runs = list(map(record.in_short, record.read(self.connection, space, fleet)))

    @property
    def _mothership(self) -> str:
        """Whose what concerns the management cluster is: the mothership's, or nobody's where it isn't in the batch."""
        return next((each.host for each in self.fleet.of("mothership")), "")

    # -- parts

    def clusters(self) -> None:
        """Every part of every cluster of the batch, and what is beside them."""
        self.parts()
        looks: list[Callable[[Any], None]] = [beside.clusters] if self._of_clusters else []
        if isinstance(self.release, Direct) and not self.absent:
            looks += [beside.running, beside.regions_of_promxy, beside.dashboards_left, beside.alert_rules_left]
        for look_beside in looks:
            with self.of_any_form(self.about_whole()):
                look_beside(self)

    @property
    def _of_clusters(self) -> bool:
        return any(self.fleet.of(layer) for layer in ("regional", "child"))

    def parts(self) -> None:
        """Every part of every cluster of the batch: how it is, and what a run would make of it."""
        api, space = f"{readiness.KCM_GROUP}/{self.kcm_version}", self.fleet.shared("kof_kcm_namespace")
        deployments = self.connection.list_objects(self.connection.path(api, "ClusterDeployment", space))[0]
        self.live = {each["metadata"]["name"]: each for each in deployments}
        made = [str(each["metadata"].get("creationTimestamp") or "") for each in deployments]
        self.began = self.began or min(made, default="")
        mine = [each for each in deployments if identity.fleet_of(each) in (None, self.fleet.shared("kof_fleet"))]
        self.rolled = max(map(core_readiness.changed_at, mine), default=self.began) or EVER
        listed = self.listed = {"ClusterDeployment": deployments}
        for api_version, kind in ((awaited.SVELTOS, "ClusterSummary"), (api, "ServiceTemplate")):
            found = self.list_of(api_version, kind, space, "regional", "child") if self._of_clusters else None
            if found is not None:
                listed[kind] = found
        asks_promxy = self.fleet.of("mothership") or self.fleet.of("regional")
        if isinstance(self.release, Direct) and not self.absent and asks_promxy:
            group = self.release.promxy.api_version
            if self.connection.resource(group, PROMXY_SERVER_GROUP) is not None:
                found = self.list_of(group, PROMXY_SERVER_GROUP, self.fleet.shared("kof_namespace"))
                if found is not None:
                    listed[PROMXY_SERVER_GROUP] = found
        everything = [each for layer in LAYERS for each in self._asked(layer)]
        targets = [_target(part) for _cluster, part, _judged in everything]
        looked = wait.look(self.connection, targets, listed, unread=self.refused)
        for (cluster, part, _judged), each in zip(everything, looked, strict=True):
            if part.manifest and each.unread:
                self.drift.not_known(f"{_kind(part)}: {each.unread}", cluster.host)
            elif part.manifest and cluster.host not in self.unrendered:
                self._drifts(cluster, part, each.live)
        asked = [(cluster, part) for cluster, part, judged in everything if judged]
        seen = [each for (_cluster, _part, judged), each in zip(everything, looked, strict=True) if judged]
        held = self._held([(part, each) for (_cluster, part), each in zip(asked, seen, strict=True)], listed)
        ready = self.ready
        for (cluster, part), each in zip(asked, seen, strict=True):
            verdict = each.verdict
            if each.unread:
                self.not_read_of(f"{_kind(part)}: {each.unread}")
                self.unread.add(cluster.host)
                if _kind(part) != "ClusterDeployment":
                    continue
                # What it says itself needs nothing that may not be read.
                verdict = core_readiness.of_any_form(readiness.cluster_deployment, each.live, None, ())
            obj = each.live or self.live.get(beside.name_of(cluster))
            if isinstance(part.what, Ref) and (part.what.kind, part.what.name) == self._promxys:
                self.promxy = each.live
            make = self.about(cluster)
            if each.live is None and self.uninstalled & self._brought_by(part):
                continue
            self.found(make, str(part.what), held.get(str(part.what), verdict), obj)
            if _kind(part) == "Secret":
                self.secrets[part.what.name] = each.live  # type: ignore[union-attr]
            if each.verdict.ready and _kind(part) == "ClusterDeployment":
                ready.add(cluster.host)

    def _drifts(self, cluster: Any, part: Part, live: Object | None) -> None:
        """
        :param live: as it was read; None: it isn't there.
        """
        if part.manifest is not None:
            with self.of_any_form(self.about(cluster), cluster.host):
                self.drift.add(cluster.host, part.manifest(), live)

    def drifts_in_absent(self, cluster: Any, part: Part) -> None:
        """Of what is in a namespace that isn't there, or is being deleted."""
        if self.home and self.home[0] is None:
            self._drifts(cluster, part, None)
        elif part.manifest is not None:
            self.drift.not_known(f"Namespace {self.fleet.shared('kof_namespace')}: it is being deleted", cluster.host)

    @functools.cached_property
    def _promxys(self) -> tuple[str, str]:
        return "Deployment", self.release.promxy.deployment

    def _asked(self, layer: str) -> Iterator[tuple[Any, Part, bool]]:
        """The parts of a layer's clusters that can be looked at, and whether each is to be judged: those of a cluster
        that isn't there aren't. What there is instead is found here."""
        usual = self.usual
        for cluster in () if layer == "mothership" and self.absent else self.fleet.of(layer):
            with self.of_any_form(self.about(cluster), cluster.host):
                yield from self._asked_of(layer, cluster, usual)

    @property
    def usual(self) -> Given[Any]:
        """What the parts of every cluster are made by."""
        return Given(self.release, self.kcm_version, live=Known({ref_of(each): each for each in self.live.values()}))

    def _asked_of(self, layer: str, cluster: Any, usual: Given[Any]) -> Iterator[tuple[Any, Part, bool]]:
        there = layer == "mothership" or beside.name_of(cluster) in self.live
        given = usual if layer == "mothership" else self._given(usual, layer, cluster)
        if not there:
            verdict = readiness.cluster_deployment(None)
            what = str(Ref(given.kcm_api, "ClusterDeployment", cluster.kcm_namespace, beside.name_of(cluster)))
            self.found(self.about(cluster, settled=self.rolled), what, verdict, None)
        for part in parts(layer, cluster, given):
            ref = part.what
            if part.manifest and isinstance(ref, Ref):
                self.drift.is_wanted(ref)
            if isinstance(ref, Ref) and ref.kind == "Namespace" and self.home:
                self._drifts(cluster, part, self.home[0])
            elif isinstance(ref, Ref) and ref.kind == "Namespace" and part.manifest:
                self.drift.not_known(f"{ref}: it may not be read", cluster.host)
            if not isinstance(ref, Kind | Ref) or not self._served(ref.api_version, ref.kind):
                if part.manifest and isinstance(ref, Ref):
                    self.drift.not_known(f"{ref.kind} ({ref.api_version}): it isn't served", cluster.host)
                continue
            if not isinstance(ref, Ref) or ref.kind == "Namespace":
                continue
            if ref.namespace in self.absent:
                self.drifts_in_absent(cluster, part)
                continue
            if (part.target and there) or part.manifest:
                yield cluster, part, there

    def _given(self, usual: Given[Any], layer: str, cluster: Any) -> Given[Any]:
        """What manifests need, too: a cluster's template, and where a child sends."""
        live = self.live.get(beside.name_of(cluster)) or {}
        # Of one that isn't there it doesn't matter which one is the newest.
        template = str(cluster.template or dig(live, ("spec", "template")) or "")
        if layer != "child":
            return replace(usual, template=template)
        domain = self.regional_domain(cluster)
        if domain is None:
            self.unrendered.add(cluster.host)
            self.not_looked_at[f"what a run would change of {cluster.host}: nothing says its regional's domain"] = None
            self.drift.not_known("what a run would change: nothing says its regional's domain", cluster.host)
        return replace(usual, template=template, regional_domain=domain)

    def regional_domain(self, child: Any) -> str | None:
        """Where a child sends: its regional's domain, by the inventory, else by what is there; None for neither."""
        regional = self.fleet.clusters.get(child.regional)
        domain = getattr(regional, "domain", None) or self.domain_of(child.regional)
        if domain is None and child.regional in self.live:
            domain = regional_domain_of(self.live[child.regional])
        return domain

    def _brought_by(self, part: Part) -> set[str]:
        """The chart that a part of the mothership comes with."""
        if part.manifest is not None or not isinstance(part.what, Ref):
            return set()
        charts = {each.name: each.chart for each in self.release.deployments}
        last = [*self.release.charts][-1]
        return {charts.get(part.what.name, last) if part.what.kind == "Deployment" else last}

    def _served(self, api_version: str, kind: str) -> bool:
        known = self.served.get((api_version, kind))
        if known is None:
            known = self.served[api_version, kind] = self.connection.resource(api_version, kind) is not None
            if not known and not self.absent:  # else kof isn't there, and has told so
                why = f"{kind} ({api_version}) isn't served"
                make = self.about_whole(at_most_since=self.began, settled=self.installed)
                self.add(make(code="kind-not-served", what=kind, why=why))
        return known

    def _held(
        self, seen: Sequence[tuple[Part, wait.Seen]], listed: Mapping[str, Sequence[Object]]
    ) -> dict[str, Readiness]:
        """Of what is being deleted and can't be, why, by its ref."""
        going = [part for part, each in seen if part.gone and each.verdict.code == "being-deleted"]
        targets = [part.gone() for part in going if part.gone]
        found = wait.look(self.connection, targets, listed, unread=self.refused) if targets else []
        return {
            str(part.what): each.verdict
            for part, each in zip(going, found, strict=True)
            if not each.unread and each.verdict.code == "deletion-held"
        }

    def secret(self, name: str) -> Object | None:
        """A Secret of kof's namespace, read once.

        :raises ApiError, ApiUnavailable: as a request.
        """
        if name not in self.secrets:
            ref = ("v1", "Secret", self.fleet.shared("kof_namespace"), name)
            self.secrets[name] = get_or_none(self.connection, ref)
        return self.secrets[name]

    # -- for looks at more

    def judged(self, cluster: Any, what: str, verdict: Readiness, obj: Mapping[str, Any] | None, **said: str) -> None:
        """What a look found of a cluster; nothing where it is ready.

        :param obj: what was judged, where it is there.
        :param said: more of the finding, `settled` for example.
        """
        self.found(self.about(cluster, **said), what, verdict, obj or self.live.get(beside.name_of(cluster)))

    def recent(self, when: str) -> bool:
        """Whether it matters that a container was killed then."""
        return not self._lasts(when, _RECENT)

    def not_read(self, what: str, *clusters: Any) -> None:
        """What could not be looked at, so that of these clusters not all is known."""
        self.not_looked_at[one_line(what)] = None
        self.unread.update(cluster.host for cluster in clusters)

    # -- what was found

    def about(self, cluster: Any, **more: str) -> Callable[..., _Found]:
        """Makes findings of a cluster."""
        layer = self.fleet.layer_of[cluster.host]
        return functools.partial(_Found, host=cluster.host, layer=layer, name=beside.name_of(cluster), **more)

    def about_whole(self, **more: str) -> Callable[..., _Found]:
        """Makes findings of the management cluster."""
        name = self._mothership
        return functools.partial(_Found, host=name, layer="mothership", name=name, **more)

    def list_of(self, api_version: str, kind: str, namespace: str | None, *layers: str) -> list[Object] | None:
        """All objects of a kind that clusters of these layers depend on; None where they may not be listed, or the kind
        isn't served."""
        with self.forbidden(kind, *layers):
            if self.connection.resource(api_version, kind) is None:
                self.not_read_of(f"{kind} ({api_version}): it isn't served", *layers)
                return None
            return self.connection.list_objects(self.connection.path(api_version, kind, namespace))[0]
        return None

    @contextlib.contextmanager
    def of_any_form(self, make: Callable[..., _Found], *drifting: str) -> Iterator[None]:
        """What can't be read in here, since its form is another one, ends no look: it is told.

        :param drifting: hosts of which a run's changes aren't known then.
        """
        try:
            yield
        except core_readiness.OTHER_FORM as error:
            verdict = core_readiness.of_other_form(error)
            self.found(make, "", verdict, None)
            if drifting:
                self.drift.not_known(f"what a run would change: {verdict.why}", *drifting)

    @contextlib.contextmanager
    def forbidden(self, kind: str, *layers: str) -> Iterator[None]:
        """What isn't allowed, or can't be had though the server runs (the webhook that converts it is away, or never
        ends), is told, and no error: of the layers' clusters not all is known then."""
        try:
            yield
        except ApiError as error:
            if error.status == 401:
                raise
            self.refused[kind] = str(error)
            self.not_read_of(f"{kind}: {error}", *layers)
        except ApiUnavailable as error:
            of_one_kind(self.connection, error)
            self.refused[kind] = str(error)
            self.not_read_of(f"{kind}: {error}", *layers)
        except listing.Unlisted as unlisted:
            self.refused[kind] = unlisted.why
            self.not_read_of(f"{kind}: {unlisted.why}", *layers)

    def not_read_of(self, what: str, *layers: str) -> None:
        self.not_looked_at[one_line(what)] = None
        self.unread.update(cluster.host for layer in layers for cluster in self.fleet.of(layer))

    def found(self, make: Callable[..., _Found], what: str, verdict: Readiness, obj: Mapping[str, Any] | None) -> None:
        """
        :param obj: what was judged; where it isn't there, its cluster; where that has none, kof's namespace counts.
        """
        if not verdict.ready:
            changed = core_readiness.changed_at(obj) if obj else self.began
            self.add(
                make(
                    code=verdict.code,
                    what=what,
                    why=verdict.why,
                    advice=verdict.advice,
                    since=verdict.since,
                    at_most_since=changed,
                )
            )

    def forget(self, host: str, code: str) -> None:
        self.findings = [each for each in self.findings if (each.host, each.code) != (host, code)]

    def add(self, found: _Found) -> None:
        self.findings.append(found)

    def _severity(self, found: _Found) -> str:
        codes = filter(None, (found.code, found.also))
        return min((self._severity_as(code, found) for code in codes), key=SEVERITIES.index)

    def _severity_as(self, code: str, found: _Found) -> str:
        meaning = FINDINGS[code]
        known = found.since or found.settled
        severity = meaning.after(patience_is_over=self._lasts(known or found.at_most_since or self.began))
        # A guess makes nothing worse than a warning.
        return severity if known or severity == meaning.severity else WARNING

    def _lasts(self, since: str, minutes: float | None = None) -> bool:
        """:param minutes: None for the patience."""
        began = _time(since)
        patience = self.patience if minutes is None else minutes
        return began is not None and (self.now - began).total_seconds() > patience * 60

    def told(self, charts: Charts) -> dict[str, Any]:
        """All of it as plain data; the worst first, and by layer."""
        findings = [
            {
                "code": each.code,
                "severity": self._severity(each),
                "title": FINDINGS[each.code].title,
                "host": each.host,
                "cluster": each.name,
                "layer": each.layer,
                "object": one_line(each.what),
                "since": each.since if _time(each.since) else "",
                "why": one_line(each.why),
                "remedy": each.advice or FINDINGS[each.code].remedy,
            }
            for each in self.findings
        ]
        findings.sort(key=lambda each: (SEVERITIES.index(each["severity"]), LAYERS.index(each["layer"])))
        of: dict[str, list[dict[str, str]]] = {}
        for finding in findings:
            of.setdefault(finding["host"], []).append(finding)
        clusters = []
        for layer in LAYERS:
            for cluster in self.fleet.of(layer):
                own = of.get(cluster.host, [])
                missing = any(each["code"] in _NOT_THERE and each["severity"] == FAILED for each in own)
                state = report.state_of(own, missing=missing, unread=cluster.host in self.unread)
                named = {"host": cluster.host, "name": beside.name_of(cluster), "layer": layer}
                clusters.append({**named, "regional": getattr(cluster, "regional", ""), "state": state})
        states = Counter(each["state"] for each in clusters)
        severities = Counter(each["severity"] for each in findings)
        arrived = (
            {}
            if self.ages is None
            else {"data": [{"host": host, **_rounded(each)} for host, each in self.ages.items()]}
        )
        return {
            "schema": report.SCHEMA,
            "at": self.now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fleet": self.fleet.shared("kof_fleet"),
            "kof_version": self.release.version,
            "patience_minutes": self.patience,
            "counts": {
                "clusters": {state: states[state] for state in report.STATES},
                "findings": {severity: severities[severity] for severity in SEVERITIES},
            },
            "versions": self._versions(charts),
            "clusters": clusters,
            "findings": findings,
            "drift": self.drift.told(),
            "not_looked_at": list(self.not_looked_at),
            "runs": self.runs,
            **arrived,
        }

    def _versions(self, charts: Charts) -> dict[str, Any]:
        names = [beside.name_of(cluster) for layer in ("regional", "child") for cluster in self.fleet.of(layer)]
        live = [self.live[name] for name in names if name in self.live]
        services = Counter(service["template"] for each in live for service in beside.services_of(each))
        clusters = Counter(str(dig(each, ("spec", "template"))) for each in live)
        return {
            "kcm_api": self.kcm_version,
            "k0rdent": self.k0rdent,
            "charts": None if isinstance(charts, str) else {each.name: each.version for each in charts},
            "service_templates": _counted(services),
            "cluster_templates": _counted(clusters),
            "sets": self._sets(),
        }

    def _sets(self) -> list[dict[str, Any]]:
        """The clusters that are there, those with the same templates and the same Kubernetes together; of each layer
        the most usual first."""
        sets: list[dict[str, Any]] = []
        for layer in ("regional", "child"):
            alike: dict[tuple[Any, ...], list[str]] = {}
            for cluster in self.fleet.of(layer):
                live = self.live.get(beside.name_of(cluster))
                if live is None:
                    continue
                template, kubernetes = dig(live, ("spec", "template")), dig(live, ("status", "k8sVersion"))
                services = tuple((str(each.get("name")), each["template"]) for each in beside.services_of(live))
                wanted = beside.wanted_of(self.release, layer, cluster) if isinstance(self.release, Direct) else {}
                differs = tuple(beside.others_of(wanted, live) if wanted else ())
                same = (str(template or ""), str(kubernetes or ""), services, differs)
                alike.setdefault(same, []).append(cluster.host)
            for (template, version, services, differs), hosts in sorted(
                alike.items(), key=lambda each: len(each[1]), reverse=True
            ):
                told = {"layer": layer, "cluster_template": one_line(template), "kubernetes": one_line(version)}
                named = [{"name": one_line(name), "template": one_line(each)} for name, each in services]
                sets.append({**told, "services": named, "differs": [*map(one_line, differs)], "hosts": hosts})
        return sets


def failures(status: Mapping[str, Any]) -> dict[str, str]:
    """By host of the status' clusters, what has failed there, in one line."""
    hosts = {each["host"] for each in status["clusters"]}
    found: dict[str, list[str]] = {}
    for each in status["findings"]:
        if each["severity"] == FAILED and each["host"] in hosts:
            what = f"{each['object']}: " if each["object"] else ""
            found.setdefault(each["host"], []).append(f"{each['code']}: {what}{each['why']}; {each['remedy']}")
    return {host: " | ".join(reasons) for host, reasons in found.items()}


def _counted(names: Mapping[str, int]) -> list[dict[str, Any]]:
    """As rows: what hides secrets looks at values, and not at keys."""
    return [{"name": one_line(name), "count": count} for name, count in sorted(names.items())]


def _rounded(ages: Mapping[str, float | None]) -> dict[str, float | None]:
    return {kind: None if age is None else round(age, 1) for kind, age in ages.items()}


def _time(text: str) -> datetime.datetime | None:
    """A time as Kubernetes writes it; None for any other text, which a status may have there."""
    try:
        return datetime.datetime.fromisoformat(text) if _STAMP.fullmatch(text) else None
    except ValueError:
        return None


def _kind(part: Part) -> str:
    return part.what.kind if isinstance(part.what, Ref | Kind) else ""


def _target(part: Part) -> wait.Target:
    """What to look at: of what we write and nobody has to wait for, that it is there; of a Deployment, that it has
    replicas, which a run doesn't wait for."""
    if not isinstance(part.what, Ref):
        raise AssertionError(part.what)
    if part.target is None:
        return wait.Target(part.what, lambda obj, _lookup: core_readiness.exists(obj))
    target = part.target()
    if part.what.kind != "Deployment":
        return target

    def judge(obj: Object | None, lookup: wait.Lookup) -> Readiness:
        verdict = target.judge(obj, lookup)
        if obj is None or not verdict.ready or (obj.get("spec") or {}).get("replicas") != 0:
            return verdict
        return core_readiness.failed("it is scaled to 0 replicas", code="deployment-scaled-down")

    return wait.Target(target.ref, judge, target.related)


def _management(management: Mapping[str, Any]) -> Readiness:
    """What k0rdent says of itself."""
    status, ready = management.get("status") or {}, core_readiness.condition(management, "Ready")
    broken = [
        f"{name}: {component.get('error') or 'failed'}"
        for name, component in (status.get("components") or {}).items()
        if not component.get("success")
    ]
    if ready and ready.get("status") != "True" and not broken:
        broken = [f"Ready is {ready.get('status')}: {ready.get('message') or 'no message'}"]
    if not broken:
        return core_readiness.IS_READY
    return core_readiness.failed(some(broken), code="k0rdent-not-ready", since=core_readiness.since(ready or {}))
