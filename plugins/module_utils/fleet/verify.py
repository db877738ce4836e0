# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether all is really so: looks at more than status does, each for `status.look` to make at its end. Reads only."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside as looks
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.status import EVER, Look
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import changed_at
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import identity, own_cluster, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Inside, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import inside as inside_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE


def rights(layer: str, cluster: Any, given: Given[Any]) -> Iterator[Right]:
    """The Secrets of the management cluster that status looks at where it may, and tells that it may not."""
    secrets = {part.what for part in parts(layer, cluster, given) if isinstance(part.what, Ref)}
    names = {ref.name for ref in secrets if ref.kind == "Secret"}
    if layer == "regional":
        names |= {cluster.vmuser_secret, given.release.promxy.secret}
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
        if error.status != 403:
            raise
        seen.not_read(f"{GRAFANA_DATASOURCE}: {error}", *motherships)
        return
    for item in items:
        if identity.fleet_of(item) is None:  # a region's is told as its part
            seen.judged(motherships[0], str(ref_of(item)), readiness.grafana_datasource(item), item)


def inside(seconds: float) -> Callable[[Look], None]:
    """A look inside of every cluster, the management cluster too.

    :param seconds: each cluster's own deadline.
    """
    return functools.partial(_inside, seconds)


def _inside(seconds: float, seen: Look) -> None:
    """
    :raises FleetFault: no kubeconfig may be read.
    :raises ApiError, ApiUnavailable: as status.look.
    """
    given = Given(seen.release, seen.kcm_version)
    for mothership in () if seen.absent else seen.fleet.of("mothership"):
        targets = [part.target() for part in inside_of(mothership, given) if part.target]
        for target, there in zip(targets, wait.look(seen.connection, targets, forbidden=True), strict=True):
            if there.unread:
                seen.not_read(f"{target.ref.kind}: {there.unread}", mothership)
            else:
                told = looks.called(target.ref.name, there.verdict)
                seen.judged(mothership, str(target.ref), told, there.live, settled=seen.installed)
    visits = {visit: cluster for cluster in _others(seen) if (visit := _visit(seen, cluster, given, seconds)).parts}
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
        summaries[str((each.get("spec") or {}).get("clusterName"))].append(each)
    for visit, cluster in visits.items():
        if visit.forbidden:
            seen.not_read(f"the kubeconfig of {visit.name}: {visit.forbidden}", cluster)
        settled = _deployed(seen, cluster, summaries[visit.name])
        for found in visit.found:
            since = EVER if found.reach and settled else settled
            seen.judged(cluster, found.what, found.verdict, found.obj, settled=since)


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
    secrets = [(space, f"{name}-kubeconfig")]
    # An adopted cluster has none of Cluster API's; Sveltos reaches it by its Credential's.
    wanted = (seen.live[name].get("spec") or {}).get("credential")
    credentials = (each for each in seen.listed.get("Credential", ()) if each["metadata"]["name"] == wanted)
    secrets += filter(None, map(own_cluster.secret_of, credentials))
    return looks.Visit(name, inside_of(cluster, given), secrets, seconds)


def _deployed(seen: Look, cluster: Any, summaries: Iterable[dict[str, Any]]) -> str:
    """When something was last deployed to a cluster that is ready; "" for one that isn't: there a rollout may be the
    reason of all."""
    if cluster.host not in seen.ready:
        return ""
    times = [
        str(feature.get("lastAppliedTime") or "")
        for summary in summaries
        for feature in (summary.get("status") or {}).get("featureSummaries") or ()
    ]
    return max([changed_at(seen.live[cluster.cluster_name]), *times]) or EVER
