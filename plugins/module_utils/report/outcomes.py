# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each cluster of a run: added up over its batches, and which host is to be booked as what.

Names and sentences; knows nothing of Kubernetes, nor how a run keeps what its batches said (plugin_utils/booking.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LOCALHOST = "localhost"
#: Up to how many changed clusters, and up to how many that were left out, are booked each on its own host: a process of
#: core's for each, 20 to 50 milliseconds. Of more one host has the number: some of them would look like all.
BOOKED = 200
#: Who says what became of each cluster. The task itself; tasks of its role, on each host; or a play at the end. Only
#: where it is the task itself, it fails by what isn't everybody's concern.
BY_TASK, BY_ROLE, BY_PLAY = "task", "role", "play"
#: Of what the next jobs of a workflow get of a run; the number goes up where a reader of the older form would go wrong.
SCHEMA = "k0rdent.kof.run/1"
#: How many names of failed clusters are in there: a job of AWX keeps it in the database.
NAMED = 200


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

    def fact(self, booked_by: str) -> dict[str, Any]:
        """As a result carries it; empty where nothing happened.

        :param booked_by: who is to book it.
        """
        happened = {name: value for name, value in vars(self).items() if value}
        return {**happened, "booked_by": booked_by} if happened else {}

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

    def tell(self, result: dict[str, Any], booked_by: str, say: Callable[[str], None], *, check_mode: bool) -> None:
        """Say in a batch's result what is to be said there: where a play follows that books each cluster, that the
        batch's first host changed isn't true; where none does, who changed is said at once."""
        if booked_by == BY_PLAY:
            result["changed"] = False
            return
        for line in Outcomes(self.changed, left_out=self.left_out).lines(check_mode=check_mode):
            say(line)


def together(facts: Iterable[Mapping[str, Any]]) -> Outcomes:
    """What batches did, by their facts; the newest reason counts."""
    found = Outcomes()
    for fact in facts:
        found.add(fact)
    return found


def unbooked(batches: Mapping[str, Sequence[Mapping[str, Any]]], told: Mapping[str, int] | None = None) -> Outcomes:
    """Of all batches, what no role has booked itself.

    :param told: by name, how many of the batches were told before.
    """
    return together(
        fact
        for name, facts in batches.items()
        for fact in facts[(told or {}).get(name, 0) :]
        if fact.get("booked_by") != BY_ROLE
    )


def report(
    batches: Mapping[str, Sequence[Mapping[str, Any]]],
    told: Mapping[str, int],
    *,
    check_mode: bool,
    on_localhost: bool,
    files: Sequence[str] = (),
    beside: Outcomes | None = None,
) -> dict[str, Any]:
    """Which host is to be booked as what: those since the last report that no role booked. Names are of the whole run.

    :param batches: by name, the facts of all batches until now.
    :param told: `told` of the last report.
    :param on_localhost: whether localhost may be booked for those that aren't booked by themselves.
    :param files: in which a status of this run is, by their paths.
    :param beside: what tasks did that book themselves.
    :returns: the result of fleet_report but for `msg`; `play` and `failures` are patterns for a play's hosts.
    """
    of_tasks = [beside.fact(BY_TASK)] if beside else []
    everything = together([*of_tasks, *(fact for facts in batches.values() for fact in facts)])
    new = unbooked(batches, told)
    few = 0 if on_localhost else 1  # somebody has to have the number
    changed, left_out = (
        dict(list(each.items())[: len(each) if len(each) <= BOOKED else few]) for each in (new.changed, new.left_out)
    )
    done = {host: {"status": "changed", "msg": msg} for host, msg in changed.items()}
    done |= {host: {"status": "left out", "msg": msg} for host, msg in left_out.items() if host not in done}
    more = {
        "changed": [host for host in new.changed if host not in changed],
        "left_out": [host for host in new.left_out if host not in left_out],
    }
    would = "would change" if check_mode else "changed"
    if any(more.values()):
        _book_the_rest(done, more, would, on_localhost=on_localhost)
    return {
        "stats": {
            "k0rdent_kof_run": _of_run(everything, check_mode=check_mode, files=files),
            **{
                f"k0rdent_kof_{name}": list(hosts)
                for name, hosts in (
                    (would.replace(" ", "_"), everything.changed),
                    ("failed", everything.failed),
                    ("left_out", everything.left_out),
                )
            },
        },
        "booked": done,
        "failed_because": new.failed,
        "play": [pattern_of(host) for host in done],
        "failures": [pattern_of(host) for host in new.failed],
        "told": {name: len(facts) for name, facts in batches.items()},
    }


def _of_run(done: Outcomes, *, check_mode: bool, files: Sequence[str]) -> dict[str, Any]:
    """What became of the run, small whatever its size: in check mode, what would have."""
    named = ("changed", "failed", "left_out")
    return {
        "schema": SCHEMA,
        "check_mode": check_mode,
        "counts": {name: len(getattr(done, name)) for name in named},
        "failed": list(done.failed)[:NAMED],
        "files": list(files),
    }


def _book_the_rest(
    done: dict[str, dict[str, Any]], more: Mapping[str, Sequence[str]], would: str, *, on_localhost: bool
) -> None:
    """On localhost; where it may not be, on the last host that is booked anyway."""
    told = [
        f"{len(hosts)}{'' if on_localhost else ' more'} {what}"
        for what, hosts in ((would, more["changed"]), ("left out", more["left_out"]))
        if hosts
    ]
    text = f"{' and '.join(told)}; their names are in the report above"
    if on_localhost:
        status = "changed" if more["changed"] else "left out"
        done[LOCALHOST] = {"status": status, "msg": text, "more": list(more["changed"])}
    else:
        last = next(host for host in reversed(done) if done[host]["status"] == "changed" or not more["changed"])
        done[last] |= {"msg": f"{done[last]['msg']}; {text}", "more": list(more["changed"])}


def pattern_of(host: str) -> str:
    """A pattern for a play's `hosts` that matches this host, whatever characters of patterns are in its name."""
    any_other = re.sub(r"[^\w-]", ".", host)
    return host if re.fullmatch(r"\w[\w.-]*", host) else f"~^{any_other}$"
