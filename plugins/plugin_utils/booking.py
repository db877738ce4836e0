# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each cluster: from the batch in which it happened to the report that books it on its own host.

Core books a batch's result on the batch's first host. So the batch says only what it did to whom; a task after it
keeps that as a fact of localhost, over kof_serial's batches, --limit and layers; plays at the end book each cluster.
Knows names and sentences, nothing of Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.outcomes import CHANGING, Outcome
from ansible_collections.k0rdent.kof.plugins.module_utils.plain import to_plain
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

LOCALHOST = "localhost"
#: Facts of localhost: of each batch of these layers and jobs, what `Outcomes.fact` gives.
FACTS = ("__regional_outcomes", "__child_outcomes", "__delete_outcomes")
#: Fact of localhost: the last result of fleet_report.
REPORT = "__report_booked"
#: Variables in which the tasks of batches keep their results, with the diffs.
RESULTS = ("__regional_applied", "__child_applied", "__delete_deleted")
#: How many changed clusters, and how many that were left out, are booked: each takes 50 milliseconds.
BOOKED = 200
#: The option of batch actions: who says what became of each cluster. The task itself; tasks of its role, on each
#: host; or a play at the end. Only where it is the task itself, it fails by what isn't everybody's concern.
BY_TASK, BY_ROLE, BY_PLAY = "task", "role", "play"
OPTION = {"booked_by": {"type": "str", "default": BY_TASK, "choices": [BY_TASK, BY_ROLE, BY_PLAY]}}
NO_OUTCOMES: dict[str, Any] = {"outcomes": {}, "stop": False}


@dataclass
class Outcomes:
    """By host what happened, in the order in which it did. A cluster may have changed and failed.

    :ivar changed: host to what changed.
    :ivar failed: host to why it was refused or isn't ready.
    :ivar left_out: host to why it wasn't tried.
    :ivar stop: why nothing further may be tried; empty if it may.
    """

    changed: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    stop: str = ""

    def fact(self) -> dict[str, Any]:
        """As a result carries it; empty where nothing happened."""
        return {name: value for name, value in vars(self).items() if value}

    def add(self, fact: Mapping[str, Any]) -> None:
        for name in ("changed", "failed", "left_out"):
            getattr(self, name).update(fact.get(name, {}))
        self.stop = fact.get("stop") or self.stop

    def lines(self, *, check_mode: bool) -> list[str]:
        """All names, each list in one line; none where nothing happened."""
        told = (("Would change" if check_mode else "Changed", self.changed), ("Left out", self.left_out))
        return [
            f"{what}: {len(hosts)} {'cluster' if len(hosts) == 1 else 'clusters'}: {', '.join(hosts)}"
            for what, hosts in (*told, ("Failed", self.failed))
            if hosts
        ]


def told_as(action: str, check_mode: bool) -> str:
    """An outcome's action in words: in check mode nothing was done."""
    return f"would be {action}" if check_mode and action in CHANGING else action


def of_batch(
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
            changed.setdefault(host, []).append(f"{outcome.ref} {told_as(outcome.action, check_mode)}")
    return Outcomes(
        {host: ", ".join(words) for host, words in changed.items()},
        {each["host"]: each["reason"] for each in failed},
        {each["host"]: each["reason"] for each in left_out},
    )


def tell(outcomes: Outcomes, result: dict[str, Any], booked_by: str, *, check_mode: bool) -> None:
    """Say in a batch's result what is to be said there: where a play follows that books each cluster, that the batch's
    first host changed isn't true; where none does, who changed is said at once."""
    if booked_by == BY_PLAY:
        result["changed"] = False
        return
    for line in Outcomes(outcomes.changed, left_out=outcomes.left_out).lines(check_mode=check_mode):
        say(line)


def noted(task_vars: Mapping[str, Any], skipped: Mapping[str, int] | None = None) -> Outcomes:
    """What this run did until now.

    :param skipped: by fact, how many of its batches aren't asked for.
    """
    found = Outcomes()
    for name, batches in _facts(task_vars).items():
        for fact in batches[(skipped or {}).get(name, 0) :]:
            found.add(fact)
    return found


def _facts(task_vars: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    of_localhost = task_vars["hostvars"].raw_get(LOCALHOST)
    return {name: to_plain(of_localhost[name]) for name in FACTS if name in of_localhost}


def report(task_vars: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Which host is to be booked as what: those since the last report. Names are of the whole run.

    :returns: the result of fleet_report but for `msg`; `play` and `failures` are patterns for a play's hosts.
    """
    before = to_plain(_last_report(task_vars).get("told", {}))
    everything, new = noted(task_vars), noted(task_vars, before)
    changed, left_out = (dict(list(each.items())[:BOOKED]) for each in (new.changed, new.left_out))
    done = {host: {"status": "changed", "msg": msg} for host, msg in changed.items()}
    done |= {host: {"status": "left out", "msg": msg} for host, msg in left_out.items() if host not in done}
    more = {
        "changed": [host for host in new.changed if host not in changed],
        "left_out": [host for host in new.left_out if host not in left_out],
    }
    if any(more.values()):
        _book_the_rest(done, more, task_vars, check_mode=check_mode)
    return {
        "stats": {
            f"k0rdent_kof_{name}": list(hosts)
            for name, hosts in (
                ("would_change" if check_mode else "changed", everything.changed),
                ("failed", everything.failed),
                ("left_out", everything.left_out),
            )
        },
        "booked": done,
        "failed_because": new.failed,
        "play": [pattern_of(host) for host in done],
        "failures": [pattern_of(host) for host in new.failed],
        "told": {name: len(batches) for name, batches in _facts(task_vars).items()},
    }


def _book_the_rest(
    done: dict[str, dict[str, Any]],
    more: Mapping[str, Sequence[str]],
    task_vars: Mapping[str, Any],
    *,
    check_mode: bool,
) -> None:
    """On localhost; where --limit leaves that out, on the last host that is booked anyway."""
    would = "would change" if check_mode else "changed"
    told = [
        f"{len(hosts)} more {what}"
        for what, hosts in ((would, more["changed"]), ("left out", more["left_out"]))
        if hosts
    ]
    text = f"{' and '.join(told)}; their names are in the report above"
    clusters = {host for name, hosts in task_vars["groups"].items() if name.startswith("kof_") for host in hosts}
    if task_vars.get("ansible_limit") is None and LOCALHOST not in clusters:
        status = "changed" if more["changed"] else "left out"
        done[LOCALHOST] = {"status": status, "msg": text, "more": list(more["changed"])}
    else:
        last = next(host for host in reversed(done) if done[host]["status"] == "changed" or not more["changed"])
        done[last] |= {"msg": f"{done[last]['msg']}; {text}", "more": list(more["changed"])}


def pattern_of(host: str) -> str:
    """A pattern for a play's `hosts` that matches this host, whatever characters of patterns are in its name."""
    any_other = re.sub(r"[^\w-]", ".", host)
    return host if re.fullmatch(r"\w[\w.-]*", host) else f"~^{any_other}$"


def diffs_of(task_vars: Mapping[str, Any], hosts: Collection[str]) -> list[dict[str, str]]:
    """The diffs that batches have of these hosts. Core shows no diff of a task that isn't changed."""
    found = []
    for host in hosts:
        variables = task_vars["hostvars"].raw_get(host)
        diffs = [each for name in RESULTS for each in (variables.get(name) or {}).get("diff") or ()]
        found += [to_plain(each) for each in diffs if each.get("host") == host]
    return found


def booking_of(task_vars: Mapping[str, Any], host: str) -> dict[str, Any]:
    """What fleet_report wants booked on this host: `status`, `msg`, `more`; empty if nothing."""
    return to_plain(_last_report(task_vars).get("booked", {}).get(host, {}))


def failure_of(task_vars: Mapping[str, Any], host: str) -> str:
    """Why this host failed; empty if it didn't."""
    return str(_last_report(task_vars).get("failed_because", {}).get(host, ""))


def _last_report(task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    return task_vars["hostvars"].raw_get(LOCALHOST).get(REPORT, {})
