# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether all is really so: looks at more than status does, each for `status.look` to make at its end. Reads only."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside as looks
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import EVER, Look
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import changed_at, failed, of_any_form
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import identity, operators, own_cluster, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Inside, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import inside as inside_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import switched_on
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig


def rights(layer: str, cluster: Any, given: Given[Any]) -> Iterator[Right]:
    """The Secrets of the management cluster that status looks at where it may, and tells that it may not."""
    secrets = {part.what for part in parts(layer, cluster, given) if isinstance(part.what, Ref)}
    names = {ref.name for ref in secrets if ref.kind == "Secret"}
    if layer in ("regional", "child"):
        names.add(cluster.vmuser_secret)
    if layer == "regional":
        names.add(given.release.promxy.secret)
    for name in sorted(names):
        yield right("verify", Ref("v1", "Secret", cluster.namespace, name), "get", name=name)
    for part in inside_of(cluster, given) if layer == "mothership" else ():
        if isinstance(part.what, Inside):
            yield right("verify", part.what.ref, "list")
    if layer in ("regional", "child"):
        # The kubeconfigs: whoever may read these is administrator of all clusters.
        yield right("verify", Ref("v1", "Secret", cluster.kcm_namespace, ""), "get")


def datasources(seen: Look) -> None:
    """The GrafanaDatasources that are nobody's part: what kof's charts bring, and what somebody made by hand.

    :raises ApiError, ApiUnavailable: as status.look.
    """
    home, motherships = seen.fleet.shared("kof_namespace"), seen.fleet.of("mothership")
    if not motherships or not isinstance(seen.release, Direct) or home in seen.absent:
        return
    api = seen.release.grafana.api_version
    if seen.connection.resource(api, GRAFANA_DATASOURCE) is None:
        return
    try:
        items, _version = seen.connection.list_objects(seen.connection.path(api, GRAFANA_DATASOURCE, home))
    except ApiError as error:
        if error.status == 401:
            raise
        seen.not_read(f"{GRAFANA_DATASOURCE}: {error}", *motherships)
        return
    for item in items:
        if identity.fleet_of(item) is None:  # a region's is told as its part
            verdict = of_any_form(readiness.grafana_datasource, item)
            seen.judged(motherships[0], str(ref_of(item)), verdict, item)


@dataclass(frozen=True)
class Data:
    """How data is asked for.

    :ivar ask, limits, promxy, now: as of data.look.
    """

    ask: data.Ask
    limits: Mapping[str, float]
    promxy: str
    now: Callable[[], float]


def inside(seconds: float, of_data: Data | None = None) -> Callable[[Look], None]:
    """A look inside of every cluster, the management cluster too.

    :param seconds: each cluster's own deadline.
    :param of_data: whether data arrives is asked, too, and how; None for not.
    """
    return functools.partial(_inside, seconds, of_data)


def _inside(seconds: float, of_data: Data | None, seen: Look) -> None:
    """
    :raises FleetFault: no kubeconfig may be read.
    :raises ApiError, ApiUnavailable: as status.look.
    """
    given = Given(seen.release, seen.kcm_version)
    for mothership in () if seen.absent else seen.fleet.of("mothership"):
        targets = [part.target() for part in inside_of(mothership, given) if part.target]
        for target, there in zip(targets, wait.look(seen.connection, targets, unread={}), strict=True):
            if there.unread:
                seen.not_read(f"{target.ref.kind}: {there.unread}", mothership)
            else:
                told = looks.called(target.ref.name, there.verdict)
                seen.judged(mothership, str(target.ref), told, there.live, settled=seen.installed)
    visits = {visit: cluster for cluster in _others(seen) if (visit := _visit(seen, cluster, given, seconds)).parts}
    for visit in visits:
        visit.keeps = of_data is not None
    if not visits:
        return
    looks.look(seen.connection, list(visits), seen.recent)
    forbidden = {visit.forbidden: None for visit in visits if visit.forbidden}
    if all(visit.forbidden for visit in visits):
        raise FleetFault(
            f"the kubeconfigs of the clusters may not be read, Secrets <cluster>-kubeconfig in namespace "
            f"{seen.fleet.shared('kof_kcm_namespace')}: {next(iter(forbidden))}; docs/rbac/verifier.yaml grants it; or "
            "leave the look inside of clusters out: -e kof_verify=true"
        )
    summaries: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in seen.listed.get("ClusterSummary", ()):
        summaries[str(dig(each, ("spec", "clusterName")))].append(each)
    since_when: dict[str, str] = {}
    for visit, cluster in visits.items():
        if visit.forbidden:
            seen.not_read(f"the kubeconfig of {visit.name}: {visit.forbidden}", cluster)
        settled = since_when[cluster.host] = _deployed(seen, cluster, summaries[visit.name])
        for found in visit.found:
            since = EVER if found.reach and settled else settled
            seen.judged(cluster, found.what, found.verdict, found.obj, settled=since)
    if of_data is not None:
        _data(seen, visits, since_when, of_data)


def _data(seen: Look, visits: Mapping[looks.Visit, Any], settled: Mapping[str, str], asked: Data) -> None:
    """Whether data of the children arrives at their regionals, those out of this batch, too.

    :param settled: by host, since when a cluster is ready and nothing was deployed to it; "" where it isn't.
    """
    clusters = {cluster.host: cluster for cluster in visits.values()}
    layer_of = seen.fleet.layer_of
    senders = {visit: cluster for visit, cluster in visits.items() if layer_of[cluster.host] == "child"}
    children = [
        data.Child(
            cluster.host,
            cluster.cluster_name,
            cluster.regional,
            visit.kept.pods,
            visit.kept.collectors,
            tuple(_kinds(visit)),
        )
        for visit, cluster in senders.items()
    ]
    of: dict[str, list[Any]] = {each.host: [] for each in clusters.values() if layer_of[each.host] == "regional"}
    for cluster in senders.values():
        of.setdefault(cluster.regional, []).append(cluster)
    regionals = [found for host, theirs in of.items() if (found := _regional(seen, host, theirs))]
    whole = next(iter(seen.fleet.of("mothership")), None)
    looked = data.look(
        regionals,
        children,
        asked.ask,
        seen.release.paths,
        now=asked.now,
        limits=asked.limits,
        promxy=asked.promxy,
        dashboards=seen.release.dashboards if whole and switched_on(whole.values, _GRAFANA) else (),
    )
    seen.ages = looked.ages
    for line in looked.not_looked_at:
        seen.not_read(line)
    for each in looked.findings:
        about = clusters.get(each.host) if each.host else whole
        if about is None:  # nobody's of this batch
            seen.not_read(f"data of {each.host or 'all'}: {each.code}: {each.what}: {each.why}", *of.get(each.host, ()))
            continue
        since = settled[each.host] if each.host else seen.installed
        seen.judged(about, each.what, failed(each.why, code=each.code, since=each.since), None, settled=since)


def _kinds(visit: looks.Visit) -> Iterator[str]:
    """What a child is to send, by what is to run on it."""
    if any((ref.api_version, ref.kind) == operators.COLLECTOR for ref in visit.refs):
        yield from (data.METRICS, data.LOGS)
        if any(ref.name == _OPENCOST for ref in visit.refs):
            yield data.COSTS


#: The value of kof-mothership that takes Grafana away when false.
_GRAFANA = ("grafana", "enabled")
#: What makes the series of costs, which the collectors send.
_OPENCOST = "kof-collectors-opencost"


def _regional(seen: Look, host: str, children: Iterable[Any]) -> data.Regional | None:
    """What it takes to ask a regional; None where that isn't known, which is told.

    :param children: of it, those of the batch.
    """
    children = list(children)
    domain = seen.regional_domain(children[0]) if children else seen.fleet.clusters[host].domain  # type: ignore[union-attr]
    cluster = seen.fleet.clusters.get(host)
    about = [*(each for each in seen.fleet.of("regional") if each.host == host), *children]
    if not domain:
        seen.not_read(f"data of {host}: nothing says its domain", *about)
        return None
    name = (cluster or children[0]).vmuser_secret  # type: ignore[union-attr]
    keys = seen.release.vmuser_keys
    try:
        secret = seen.secret(name)
    except ApiError as error:
        if error.status == 401:
            raise
        seen.not_read(f"data of {host}: its login: {error}", *about)
        return None
    user, password = (operators.value_of(secret, key) for key in keys)
    if not user or not password:
        seen.not_read(f"data of {host}: Secret {seen.fleet.shared('kof_namespace')}/{name} has no login", *about)
        return None
    return data.Regional(host, getattr(cluster, "cluster_name", host), domain, (user, password))


def _others(seen: Look) -> Iterator[Any]:
    """The clusters that are looked at inside: those that are there, stay, and are no other fleet's."""
    for layer in ("regional", "child"):
        for cluster in seen.fleet.of(layer):
            live = seen.live.get(cluster.cluster_name)
            mine = live is not None and identity.fleet_of(live) in (None, seen.fleet.shared("kof_fleet"))
            if live is not None and mine and "deletionTimestamp" not in live["metadata"]:
                yield cluster


def _visit(seen: Look, cluster: Any, given: Given[Any], seconds: float) -> looks.Visit:
    name, space = cluster.cluster_name, cluster.kcm_namespace
    wanted = dig(seen.live[name], ("spec", "credential"))
    credentials = (each for each in seen.listed.get("Credential", ()) if each["metadata"]["name"] == wanted)
    secrets = own_cluster.kubeconfig_secrets(space, name, next(credentials, None))
    return looks.Visit(name, inside_of(cluster, given), secrets, seconds)


def _deployed(seen: Look, cluster: Any, summaries: Iterable[dict[str, Any]]) -> str:
    """When something was last deployed to a cluster that is ready; "" for one that isn't: there a rollout may be the
    reason of all."""
    if cluster.host not in seen.ready:
        return ""
    features = (dig(summary, ("status", "featureSummaries")) for summary in summaries)
    times = [
        str(dig(feature, ("lastAppliedTime",)) or "")
        for each in features
        for feature in (each if isinstance(each, list) else ())
    ]
    return max([changed_at(seen.live[cluster.cluster_name]), *times]) or EVER
