# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet actions share about a batch: who is left out, which regional a child has, and the result.

Results carry counts and names, never whole objects: with 1,000 clusters they would fill the job's output.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils import guards, shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.helm import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.live_fleet import regional_domain
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests import grafana_datasource, promxy_server_group
from ansible_collections.k0rdent.kof.plugins.module_utils.manifests.cluster_deployment import regional_domain_of
from ansible_collections.k0rdent.kof.plugins.module_utils.model import Fault, Regional
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import installed
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import some
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.guide import (
    GRAFANA_DATASOURCE,
    PROMXY_SERVER_GROUP,
    Expected,
    StandIn,
    guide_objects,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.reconcile import Guard, Outcome, Pending, Policy
from ansible_collections.k0rdent.kof.plugins.module_utils.shared_layer import AnothersLayer
from ansible_collections.k0rdent.kof.plugins.module_utils.wait import PROGRESS_SECONDS
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asked import report_follows
from ansible_collections.k0rdent.kof.plugins.plugin_utils.booking import (
    BY_PLAY,
    BY_TASK,
    Outcomes,
    noted,
    of_batch,
    tell,
    told_as,
)
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import (
    FAULTS_SHOWN,
    Fleet,
    FleetFault,
    members,
    read_regional,
)
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import warn
from ansible_collections.k0rdent.kof.plugins.plugin_utils.render import Surroundings

#: As what the role mothership registers the result of its fleet_wait.
MOTHERSHIP_WAITED = "__mothership_waited"


def policy_of(fleet: Fleet) -> Policy:
    """What the batch's kof_* variables say about others' changes and about time."""
    return Policy(
        drift_managers=tuple(fleet.shared("kof_drift_managers")),
        deadline=fleet.shared("kof_apply_timeout"),
        force_conflicts=fleet.shared("kof_force_conflicts"),
        adopt=fleet.shared("kof_adopt"),
    )


def guards_of(fleet: Fleet) -> tuple[Guard, ...]:
    """What every object of the batch is guarded by when it is written."""
    return guards.of_writing(fleet.shared("kof_fleet"), fleet.permissions, fleet.shared("kof_drift_managers"))


def still_stands_in(fleet: Fleet) -> Guard:
    """The guard of what is deleted because it stands for a cluster of this batch: it must, at that moment, too."""
    expected = [expected_of(each) for each in fleet.of("regional")]

    def guard(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        groups, datasources = (
            [live] if live["kind"] == kind else [] for kind in (PROMXY_SERVER_GROUP, GRAFANA_DATASOURCE)
        )
        found = guide_objects(groups, datasources, expected, fleet.shared("kof_fleet"))
        return None if found else "doesn't stand for a cluster of this batch any more: run again"

    return guard


def progress_lines(
    what: str, say: Callable[[str], None], every: float = PROGRESS_SECONDS
) -> Callable[[int, int], None]:
    """For reconcile's `progress`: a line each `every` seconds, so that a long batch doesn't look dead."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say(f"{done} of {total} {what}")

    return progress


def pending_of(task_vars: Mapping[str, Any]) -> Pending:
    """What the mothership's play of this run would have made, had it not been in check mode."""
    hostvars = task_vars["hostvars"]
    pending = Pending()
    for host in members(task_vars["groups"], "mothership"):
        for kind, name in (hostvars.raw_get(host).get(MOTHERSHIP_WAITED) or {}).get("pending", []):
            pending.add(str(kind), str(name))
    return pending


def expected_of(regional: Regional) -> Expected:
    """What of a regional cluster must exist only once."""
    name = regional.cluster_name
    return Expected(name, regional.domain, promxy_server_group.name_of(name), grafana_datasource.name_of(name))


def guide_objects_of(connection: Connection, fleet: Fleet) -> list[StandIn]:
    """The objects under other names that stand for a regional cluster of this batch."""
    release, namespace = fleet.release, fleet.shared("kof_namespace")
    listed = []
    for api_version, kind in (
        (release.promxy_api_version, PROMXY_SERVER_GROUP),
        (release.grafana_api_version, GRAFANA_DATASOURCE),
    ):
        served = connection.resource(api_version, kind)
        path = connection.path(api_version, kind, namespace) if served else None
        listed.append(connection.list_objects(path)[0] if path else [])
    expected = [expected_of(each) for each in fleet.of("regional")]
    return guide_objects(listed[0], listed[1], expected, fleet.shared("kof_fleet"))


def leave_out_failed(fleet: Fleet, layer: str, task_vars: Mapping[str, Any]) -> list[dict[str, str]]:
    """Take out of the batch what failed before, and the children of a failed regional; say so by name."""
    failed = noted(task_vars).failed
    left_out = []
    for cluster in fleet.of(layer):
        if cluster.host in failed:
            reason = "it failed in an earlier task of this run"
        elif layer == "child" and cluster.regional in failed:
            reason = f"its regional {cluster.regional} failed"
        else:
            continue
        left_out.append({"host": cluster.host, "reason": reason})
        del fleet.clusters[cluster.host]
    if left_out:
        told = [f"{each['host']} ({each['reason']})" for each in left_out]
        warn(f"{len(left_out)} {layer} clusters are left out: {some(told, FAULTS_SHOWN)}")
    return left_out


def regional_domains(
    fleet: Fleet, layer: str, surroundings: Surroundings, task_vars: Mapping[str, Any]
) -> tuple[dict[str, str], list[Fault]]:
    """The domain of each child's regional: from the inventory, else of the live cluster, else a fault."""
    domains: dict[str, str] = {}
    faults: list[Fault] = []
    if layer != "child":
        return domains, faults
    for child in fleet.of("child"):
        if child.regional in domains:
            continue
        regional = read_regional(fleet, child.regional, task_vars)
        if regional is not None:
            domains[child.regional] = regional.domain
            continue
        live = surroundings.deployments.get(child.regional)
        # Where our annotation says it, nobody is asked for the groups.
        domain = live and (regional_domain_of(live) or regional_domain(live, surroundings.server_groups()))
        if domain:
            domains[child.regional] = domain
        elif child.regional in members(task_vars["groups"], "regional"):
            faults += [fault for fault in fleet.faults if fault.host == child.regional]
        else:
            known = ", ".join(members(task_vars["groups"], "regional")[:5]) or "none"
            what = (
                f"{child.regional} is live, but nothing says its domain: no regional cluster of kof's"
                if live
                else f"no regional cluster {child.regional}, neither in the inventory nor on the management cluster"
            )
            faults.append(
                Fault(
                    child.host,
                    "child_regional",
                    what,
                    f"a host of kof_regional: {known}",
                )
            )
    return domains, faults


def refuse_another_kof(connection: Connection, fleet: Fleet) -> None:
    """Ask anew, in whose cluster this run is about to change the charts: preflight may be hours ago, or not have been.

    :raises FleetFault: they are another fleet's, of a newer kof, or of one that this release can't follow.
    """
    namespace, mine = fleet.shared("kof_namespace"), fleet.shared("kof_fleet")
    try:
        shared_layer.refuse(connection, namespace, mine, fleet.permissions.take_over)
    except AnothersLayer as problem:
        raise FleetFault(f"{problem}. Nothing was changed.") from None
    try:
        charts = installed.look(connection, namespace) or ()
    except NotARelease as problem:
        raise FleetFault(str(problem)) from None
    hindered = installed.hindrances(charts, fleet.release)
    if hindered:
        raise FleetFault.of([str(each) for each in hindered], "what this run would install")


def batch_result(
    by_host: Sequence[tuple[str, Outcome]],
    left_out: list[dict[str, str]],
    counts: Mapping[str, int],
    *,
    check_mode: bool = False,
) -> dict[str, Any]:
    """The result of a batch: counts, the names of what changed, and who was refused and why."""
    changed = [(host, outcome) for host, outcome in by_host if outcome.changed]
    refused: dict[str, list[str]] = {}
    for host, outcome in by_host:
        if outcome.action == "refused":
            refused.setdefault(host, []).append(f"{outcome.ref}: {outcome.reason}")
    result: dict[str, Any] = {
        "changed": bool(changed),
        "counts": dict(counts),
        "objects": [
            {"object": str(outcome.ref), "action": outcome.action}
            | ({"not_checked": outcome.not_checked} if outcome.not_checked else {})
            for _host, outcome in changed
        ],
        "refused": [{"host": host, "reason": "; ".join(reasons)} for host, reasons in refused.items()],
        "left_out": left_out,
        "took_back": [
            f"{outcome.ref}: {field} from {manager}{f' (set {when})' if when else ''}"
            for _host, outcome in by_host
            for field, manager, when in outcome.took_back
        ],
    }
    words = [f"{number} {told_as(action, check_mode)}" for action, number in sorted(counts.items())] or [
        "nothing to do"
    ]
    if left_out:
        words.append(f"{len(left_out)} left out: {some((each['host'] for each in left_out), FAULTS_SHOWN)}")
    words += [f"took back {each}" for each in result["took_back"][:10]]
    result["msg"] = "; ".join(words)
    return result


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


@dataclass(frozen=True)
class Rollout:
    """Where a rollout stands when a batch stops it: the hosts of the play, each in one list, in the play's order.

    :ivar done: of earlier batches, and of this one what is ready (or, where nothing is waited for, applied).
    :ivar unfinished: of this batch, applied but not waited for.
    :ivar untouched: of later batches.
    """

    done: list[str]
    failed: list[str]
    unfinished: list[str]
    untouched: list[str]

    def __str__(self) -> str:
        told = [
            f"{what}: {some(hosts, FAULTS_SHOWN)}" + (f" ({len(hosts)})" if len(hosts) > 1 else "")
            for what, hosts in (
                ("done", self.done),
                ("failed", self.failed),
                ("applied, but not waited for", self.unfinished),
                ("untouched", self.untouched),
            )
            if hosts
        ]
        return "The rollout stops here. " + "; ".join(told)


def rollout_of(
    task_vars: Mapping[str, Any],
    batch: Sequence[str],
    refused: Collection[str],
    *,
    finished: bool,
    left_out: Collection[str] = (),
) -> Rollout:
    """Sort the play's hosts by how far this rollout got with them.

    :param batch: hosts of this batch.
    :param refused: those of them that just failed.
    :param finished: whether the others of the batch are done, or only applied.
    :param left_out: hosts of this batch that nothing was tried for, untouched as those whose turn didn't come.
    """
    everyone = list(task_vars.get("ansible_play_hosts_all") or batch)
    here = [everyone.index(host) for host in batch if host in everyone] or [0]
    failed = {*refused, *noted(task_vars).failed}
    earlier, later = everyone[: min(here)], everyone[max(here) + 1 :]
    skipped = {*left_out, *noted(task_vars).left_out} - failed
    rest = [host for host in batch if host not in failed | skipped]
    done = [host for host in earlier if host not in failed | skipped] + (rest if finished else [])
    untouched = [host for host in [*earlier, *batch] if host in skipped] + later
    return Rollout(done, [host for host in [*earlier, *batch] if host in failed], [] if finished else rest, untouched)


def within_limit(
    result: dict[str, Any],
    fleet: Fleet,
    layer: str,
    task_vars: Mapping[str, Any],
    outcomes: Outcomes,
    *,
    finished: bool,
    booked_by: str,
) -> dict[str, Any]:
    """The result with `outcomes` and `stop`: whether more of the batch failed than kof_max_fail_percentage allows, by
    now. A warning then says so, and which clusters are done, failed and untouched; those are left out.

    There is one mothership, and nothing works without it: its failure always is the batch's. So is any failure where
    the play that would book it is skipped, and where nobody else would stop the rollout.

    :param finished: whether what isn't refused is ready, or was only applied.
    :raises FleetFault: the batch itself fails; the message names the guilty.
    """
    refused, batch = result["refused"], fleet.batch[layer]
    alone = layer == "mothership" or (booked_by == BY_PLAY and not report_follows(task_vars))
    limit = 0 if alone else fleet.shared("kof_max_fail_percentage")
    failed = {*outcomes.failed, *noted(task_vars).failed}.intersection(batch)
    if refused and len(failed) * 100 > limit * len(batch):
        head = (
            f"{len(failed)} of {len(batch)} {layer} clusters failed, more than kof_max_fail_percentage ({limit}) allows"
        )
        rollout = rollout_of(
            task_vars, batch, list(outcomes.failed), finished=finished, left_out=list(outcomes.left_out)
        )
        if alone or booked_by == BY_TASK:
            guilty = [f"{each['host']}: {each['reason']}" for each in refused]
            more = [f"... and {len(guilty) - FAULTS_SHOWN} more"] if len(guilty) > FAULTS_SHOWN else []
            stands = [] if layer == "mothership" else [str(rollout)]
            raise FleetFault("\n".join([f"{head}:", *guilty[:FAULTS_SHOWN], *more, *stands]), guilty)
        outcomes.stop = head
        for host in rollout.untouched:
            # Who was left out before has a reason of their own.
            outcomes.left_out.setdefault(host, f"the rollout stopped before its turn: {head}")
        result["warnings"] = [*result.get("warnings", ()), f"{head}. {rollout}"]
    return result | {"outcomes": outcomes.fact(), "stop": bool(outcomes.stop)}


def stopped(layer: str, task_vars: Mapping[str, Any], booked_by: str) -> dict[str, Any] | None:
    """The result of a batch of which nothing may be tried because the rollout stopped before; None where it may.

    All of the play is left out, by name: the play ends with this batch.
    """
    why = noted(task_vars).stop
    if not why or booked_by == BY_TASK:
        return None
    ours = set(members(task_vars["groups"], layer))
    hosts = [host for host in task_vars.get("ansible_play_hosts_all") or ours if host in ours]
    left_out = [{"host": host, "reason": f"the rollout stopped before: {why}"} for host in hosts]
    warn(f"{len(hosts)} {layer} clusters are left out, the rollout stopped before: {some(hosts, FAULTS_SHOWN)}")
    result, outcomes = batch_result([], left_out, {}), of_batch([], [], left_out)
    tell(outcomes, result, booked_by, check_mode=False)
    return result | {"outcomes": outcomes.fact(), "stop": True}
