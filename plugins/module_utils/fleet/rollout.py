# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run gets with the clusters of a layer: who is left out, what a batch did, when all of it stops.

Results carry counts and names, never whole objects: with 1,000 clusters they would fill the job's output. Pure: how a
run keeps what its batches did is Ansible's side, plugin_utils/booking.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    FAULTS_SHOWN,
    Fleet,
    errors_beside,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import (
    Outcome,
    counts,
    in_words,
    result_of,
    told_as,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import BY_TASK, Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import first_lines, some

NO_OUTCOMES: dict[str, Any] = {"outcomes": {}, "stop": False}


@dataclass(frozen=True)
class Run:
    """What a batch has to know of the run that it is part of, and how it speaks to who watches.

    :ivar before: what became of clusters until now.
    :ivar hosts: of the play, all its batches, in the play's order.
    :ivar booked_by: who is to say what becomes of each cluster.
    :ivar alone: nothing that follows the batch's task will fail what was refused: then the task itself has to.
    """

    before: Outcomes
    hosts: list[str]
    booked_by: str
    alone: bool
    say: Callable[[str], None]
    warn: Callable[[str], None]


def leave_out_failed(fleet: Fleet, layer: str, run: Run) -> list[dict[str, str]]:
    """Take out of the batch what failed before, and the children of a failed regional; say so by name of those of whom
    no task of this run has said that they failed or were left out."""
    failed, left_out = run.before.failed, []
    for cluster in fleet.of(layer):
        if cluster.host in failed:
            reason = "it failed in an earlier task of this run"
        elif layer == "child" and cluster.regional in failed:
            reason = f"its regional {cluster.regional} failed"
        else:
            continue
        left_out.append({"host": cluster.host, "reason": reason})
        del fleet.clusters[cluster.host]
    new = [each for each in left_out if each["host"] not in {**failed, **run.before.left_out}]
    if new:
        told = [f"{each['host']} ({each['reason']})" for each in new]
        run.warn(f"{len(new)} {layer} clusters are left out: {some(told, FAULTS_SHOWN)}")
    return left_out


def batch_result(
    by_host: Sequence[tuple[str, Outcome]],
    left_out: Sequence[Mapping[str, str]],
    *,
    check_mode: bool = False,
    diff: bool = False,
) -> dict[str, Any]:
    """The result of a batch: counts, the names of what changed, and who was refused and why."""
    outcomes = [outcome for _host, outcome in by_host]
    refused: dict[str, list[str]] = {}
    for host, outcome in by_host:
        if outcome.action == "refused":
            refused.setdefault(host, []).append(f"{outcome.ref}: {outcome.reason}")
    result = result_of(outcomes, diff=diff, hosts=[host for host, _outcome in by_host]) | {
        "counts": counts(outcomes),
        "refused": [{"host": host, "reason": "; ".join(reasons)} for host, reasons in refused.items()],
        "left_out": list(left_out),
    }
    words = in_words(result["counts"], check_mode=check_mode)
    if left_out:
        words.append(f"{len(left_out)} left out: {some((each['host'] for each in left_out), FAULTS_SHOWN)}")
    words += [f"took back {each}" for each in result["took_back"][:10]]
    return result | {"msg": "; ".join(words)}


def outcomes_of(
    by_host: Sequence[tuple[str, Outcome]],
    failed: Sequence[Mapping[str, str]],
    left_out: Sequence[Mapping[str, str]],
    *,
    check_mode: bool = False,
) -> Outcomes:
    """What one batch did.

    :param by_host: each object's outcome with its cluster's host.
    :param failed: entries with `host` and `reason`, as `left_out`.
    """
    changed: dict[str, list[str]] = {}
    for host, outcome in by_host:
        if outcome.changed:
            changed.setdefault(host, []).append(f"{outcome.ref} {told_as(outcome.action, check_mode=check_mode)}")
    return Outcomes(
        {host: ", ".join(words) for host, words in changed.items()},
        {each["host"]: each["reason"] for each in failed},
        {each["host"]: each["reason"] for each in left_out},
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

    @classmethod
    def of(
        cls, run: Run, batch: Sequence[str], refused: Collection[str], left_out: Collection[str], *, finished: bool
    ) -> Rollout:
        """Sort the play's hosts by how far this rollout got with them.

        :param batch: hosts of this batch.
        :param refused: those of them that just failed.
        :param left_out: those that nothing was tried for, untouched as those whose turn didn't come.
        :param finished: whether the others of the batch are done, or only applied.
        """
        everyone = run.hosts or list(batch)
        here = [everyone.index(host) for host in batch if host in everyone] or [0]
        failed = {*refused, *run.before.failed}
        earlier, later = everyone[: min(here)], everyone[max(here) + 1 :]
        skipped = {*left_out, *run.before.left_out} - failed
        rest = [host for host in batch if host not in failed | skipped]
        done = [host for host in earlier if host not in failed | skipped] + (rest if finished else [])
        untouched = [host for host in [*earlier, *batch] if host in skipped] + later
        return cls(done, [host for host in [*earlier, *batch] if host in failed], [] if finished else rest, untouched)

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


def guilty_of(refused: Sequence[Mapping[str, str]], shown: int = FAULTS_SHOWN) -> list[str]:
    """Who was refused and why, a line each; of more than `shown`, the first and how many more."""
    return first_lines([f"{each['host']}: {each['reason']}" for each in refused], shown)


def within_limit(
    result: dict[str, Any], fleet: Fleet, layer: str, outcomes: Outcomes, run: Run, *, finished: bool
) -> dict[str, Any]:
    """The result with `outcomes` and `stop`: whether more of the batch failed than kof_max_fail_percentage allows, by
    now. A warning then says so, and which clusters are done, failed and untouched; those are left out.

    There is one mothership, and nothing works without it: its failure always is the batch's. So is any failure that
    nobody else would tell (see Run.alone), whatever the limit: the task itself fails then, and names the guilty.

    :param finished: whether what isn't refused is ready, or was only applied.
    """
    refused, batch = result["refused"], fleet.batch[layer]
    alone = layer == "mothership" or run.alone
    limit = 0 if alone else fleet.shared("kof_max_fail_percentage")
    failed = {*outcomes.failed, *run.before.failed}.intersection(batch)
    if refused and len(failed) * 100 > limit * len(batch):
        head = f"{len(failed)} of {len(batch)} {layer} clusters failed"
        rollout = Rollout.of(run, batch, outcomes.failed, outcomes.left_out, finished=finished)
        if alone:
            stands = [] if layer == "mothership" else [str(rollout)]
            message = "\n".join([f"{head}:", *guilty_of(refused), *stands])
            fails = {"failed": True, "msg": message, **errors_beside(message, guilty_of(refused, FAULTS_KEPT))}
            # With all that was done to the others.
            return result | {"outcomes": outcomes.fact(run.booked_by), "stop": False} | fails
        head += f", more than kof_max_fail_percentage ({limit}) allows"
        outcomes.stop = head
        for host in rollout.untouched:
            # Who was left out before has a reason of their own.
            outcomes.left_out.setdefault(host, f"the rollout stopped before its turn: {head}")
        result["warnings"] = [*result.get("warnings", ()), f"{head}. {rollout}"]
    return result | {"outcomes": outcomes.fact(run.booked_by), "stop": bool(outcomes.stop)}


def stopped(layer: str, members: Sequence[str], run: Run) -> dict[str, Any] | None:
    """The result of a batch of which nothing may be tried because the rollout stopped before; None where it may.

    All of the play is left out, by name: the play ends with this batch.

    :param members: the hosts of the layer, in the play or not.
    """
    why = run.before.stop
    if not why or run.booked_by == BY_TASK:
        return None
    hosts = [host for host in run.hosts or members if host in set(members)]
    left_out = [{"host": host, "reason": f"the rollout stopped before: {why}"} for host in hosts]
    run.warn(f"{len(hosts)} {layer} clusters are left out, the rollout stopped before: {some(hosts, FAULTS_SHOWN)}")
    result, outcomes = batch_result([], left_out), outcomes_of([], [], left_out)
    outcomes.tell(result, run.booked_by, run.say, check_mode=False)
    return result | {"outcomes": outcomes.fact(run.booked_by), "stop": True}
