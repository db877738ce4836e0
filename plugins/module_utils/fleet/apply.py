# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From parsed clusters to what came of their objects: rendered, decided and sent in the order in which they may be.

Pure but for the client it is given. Rendering is fleet/render.py and kof/manifests, deciding and sending
k8s/reconcile.py; what a batch's policy and guards are is said here for all jobs that write.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render, side_effects
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_SHOWN, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import Outcome, Pending, Policy
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import PROGRESS_SECONDS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, own_cluster, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import stand_ins, stood_for
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

Say = Callable[[str], None]


def policy_of(fleet: Fleet) -> Policy:
    """What the batch's kof_* variables say about others' changes and about time."""
    return Policy(
        drift_managers=tuple(fleet.shared("kof_drift_managers")),
        deadline=fleet.shared("kof_apply_timeout"),
        force_conflicts=fleet.shared("kof_force_conflicts"),
        adopt=fleet.shared("kof_adopt"),
    )


def progress_lines(what: str, say: Say, every: float = PROGRESS_SECONDS) -> Callable[[int, int], None]:
    """For reconcile's `progress`: a line each `every` seconds, so that a long batch doesn't look dead."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say(f"{done} of {total} {what}")

    return progress


def apply(
    connection: Connection,
    fleet: Fleet,
    layer: str,
    surroundings: render.Surroundings,
    domains: Mapping[str, str],
    *,
    check_mode: bool,
    pending: Pending | None,
    say: Say,
    after_charts: bool = False,
) -> tuple[list[tuple[str, Outcome]], list[str]]:
    """Bring about the objects of a layer's clusters; each one's outcome with its cluster's host, and warnings.

    :param domains: of each child's regional, by the regional's host name.
    :param pending: in check mode, what earlier steps would have made.
    :param say: is given lines of progress.
    :param after_charts: of the mothership, what stands on its charts; else what they stand on.
    :raises FleetFault: a cluster can't be rendered, or the server, the login or the time was lost.
    """
    objects, faults = render.layer_objects(fleet, layer, surroundings, domains)
    if faults:
        raise FleetFault.of(faults)
    if layer == "mothership":
        steps = {host: each[1:] if after_charts else each[:1] for host, each in objects.items()}
        objects = {host: each for host, each in steps.items() if each}
    of_kcm = layer != "mothership"
    clusters = {host: of_host[0] for host, of_host in objects.items()}
    own = own_cluster.refusals(connection, clusters, surroundings.deployments) if of_kcm else {}
    itself = [
        (host, Outcome(reconcile.ref_of(clusters.pop(host)), "refused", reason=reason)) for host, reason in own.items()
    ]
    policy, until = policy_of(fleet), time.monotonic() + fleet.shared("kof_apply_timeout")

    def send(wanted: list[tuple[str, dict[str, Any]]], **known: Any) -> list[tuple[str, Outcome]]:
        outcomes = reconcile.reconcile(
            connection,
            [each for _host, each in wanted],
            policy=replace(policy, deadline=max(0.1, until - time.monotonic())),
            check_mode=check_mode,
            pending=pending,
            progress=progress_lines(f"{layer} objects", say),
            guards=guards.of_writing(fleet.shared("kof_fleet"), fleet.permissions, policy.drift_managers),
            **known,
        )
        return [(host, outcome) for (host, _each), outcome in zip(wanted, outcomes, strict=True)]

    # The clusters were listed for the rendering: a second LIST of the largest kind would tell nothing new.
    live = {reconcile.ref_of(each): each for each in surroundings.deployments.values()}
    by_host = send(list(clusters.items()), **({"live": live} if of_kcm else {}))
    # A server group without its cluster would make promxy fail every query.
    refused = {host for host, outcome in by_host if outcome.action == "refused"}
    by_host += send([(host, each) for host in clusters if host not in refused for each in objects[host][1:]])
    unless_lost(by_host, layer)
    by_host += itself
    if fleet.shared("kof_replace_guide_objects") and layer == "regional":
        by_host += _replace(connection, fleet, surroundings.kcm_version, by_host, policy, check_mode=check_mode)
    changed = {host for host, outcome in by_host if outcome.changed and outcome.ref.kind == "ClusterDeployment"}
    upgrades = side_effects.of_upgrades(clusters, changed, surroundings.deployments, fleet.release)
    return by_host, [*(each.line() for each in ended_maintenance(fleet, layer)), *upgrades]


def ended_maintenance(fleet: Fleet, layer: str) -> list[Check]:
    """A maintenance that is over holds nothing back any more: that is its end, or a moment that somebody mistyped."""
    variable, now = f"{layer}_maintenance_until", time.time()
    return [
        Check(
            "maintenance",
            f"{each.maintenance_until} is past, nothing is held back",
            remedy="a later time, or leave it out",
            status=WARNING,
            hosts=(each.host,),
            variable=variable,
        )
        for each in (fleet.of(layer) if layer in ("regional", "child") else ())
        if each.maintenance_until and syntax.seconds(each.maintenance_until) <= now
    ]


def unless_lost(by_host: Sequence[tuple[str, Outcome]], layer: str) -> None:
    """Server, login and time concern the whole batch: one message then, not one for each host that wasn't reached.

    :raises FleetFault: some of the batch was lost.
    """
    lost = [(host, outcome) for host, outcome in by_host if outcome.lost]
    if not lost:
        return
    hosts = list(dict.fromkeys(host for host, _outcome in lost))
    _host, first = lost[0]
    others = Counter(outcome.action for _host, outcome in by_host if not outcome.lost)
    done = ", ".join(f"{number} {action}" for action, number in sorted(others.items())) or "nothing was sent"
    raise FleetFault(
        f"{first.ref}: {first.reason}\n{len(hosts)} {layer} clusters were not reached: {some(hosts, FAULTS_SHOWN)}. "
        f"Of the other objects: {done}. The next run goes on from here.",
        [
            f"{host}: {outcome.ref}: {outcome.reason}"
            for host, outcome in by_host
            if outcome.action == "refused" and not outcome.lost
        ],
    )


def _replace(
    connection: Connection,
    fleet: Fleet,
    kcm_version: str,
    by_host: Sequence[tuple[str, Outcome]],
    policy: Policy,
    *,
    check_mode: bool,
) -> list[tuple[str, Outcome]]:
    """Delete what stands for clusters under other names, the guide's fixed ones above all, where their own objects are
    there now."""
    refused = {host for host, outcome in by_host if outcome.action == "refused"}
    host_of = {cluster.cluster_name: cluster.host for cluster in fleet.of("regional") if cluster.host not in refused}
    given = Given(fleet.release, kcm_version)
    of_cluster = {each.cluster_name: parts("regional", each, given) for each in fleet.of("regional")}
    asked = [each for those in of_cluster.values() for each in stood_for(those)]
    live: dict[str, list[dict[str, Any]]] = {}
    for api_version, kind, namespace in dict.fromkeys((ref.api_version, ref.kind, ref.namespace) for ref, _of in asked):
        if connection.resource(api_version, kind):
            live[kind] = connection.list_objects(connection.path(api_version, kind, namespace))[0]

    def still(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        """At that moment, too."""
        stands = any(ref.kind == live["kind"] and signs.why(live) for ref, signs in asked)
        return None if stands else "doesn't stand for a cluster of this batch any more: run again"

    found = [each for each in stand_ins(live, of_cluster, fleet.shared("kof_fleet")) if each.cluster in host_of]
    outcomes = reconcile.delete(
        connection,
        [Ref(each.api_version, each.kind, each.namespace, each.name) for each in found],
        policy=policy,
        check_mode=check_mode,
        guards=(
            *guards.of_deleting(fleet.shared("kof_fleet"), fleet.permissions),
            guards.kept_by_others,
            guards.kept_by_gitops,
            still,
        ),
    )
    return [(host_of[each.cluster], outcome) for each, outcome in zip(found, outcomes, strict=True)]
