# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a fleet isn't as the inventory says, and by whose hand: as text for people, as JSON for programs, and as the
reasons of hosts that fail for it. It is given what docs/drift.schema.json describes."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: Goes up where a reader of the older form would go wrong; new keys alone change nothing.
SCHEMA = "k0rdent.kof.drift/1"
#: Of a cluster. unknown: nothing that differs was seen, and not all may be read.
STATES = ("drifted", "unknown", "as_wanted")
DRIFTED, NOT_KNOWN, AS_WANTED = STATES
#: Whose a field is: of a manager of kof_drift_managers, of another one, of an earlier run of ours, or nobody says.
WHOSE = ("person", "controller", "ours", "unknown")
PERSON, CONTROLLER, OURS, UNKNOWN = WHOSE
#: What a run makes of a field. left: it is not taken from its manager, and the object is refused for it; refused: the
#: object is, by a guard or for another field; unproved: the API server alone can say.
BECOMES = ("taken_back", "written", "left", "refused", "unproved")
TAKEN_BACK, WRITTEN, LEFT, REFUSED, UNPROVED = BECOMES
#: For what a host fails: nothing, what no run can put right, or whatever differs.
FAILS = ("never", "refused", "drift")
#: How many objects the table tells, how many fields of each, and how many names a line lists.
_OBJECTS, _FIELDS, _NAMES = 100, 10, 6
_OF_WHOM = {
    PERSON: "a person",
    CONTROLLER: "a controller",
    OURS: "an earlier run: the inventory has changed",
    UNKNOWN: "",
}
_THEN = {
    TAKEN_BACK: "a run takes it back",
    WRITTEN: "a run writes it",
    LEFT: "a run leaves it",
    REFUSED: "a run refuses it",
    UNPROVED: "whether a run may take it, the API server says",
}
_FIELDS_OF = {PERSON: "by people", CONTROLLER: "by controllers", OURS: "by earlier runs", UNKNOWN: "by nobody known"}
_NOBODY = "nobody is known to have it"
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Drift = Mapping[str, Any]


def text(drift: Drift) -> str:
    """For people: what differs, cluster by cluster, each field with whose it is, since when, and what becomes of it."""
    lines: list[str] = []
    at, last = drift["at"], None
    for each in drift["objects"][:_OBJECTS]:
        if each["host"] != last:
            lines.append(each["host"])
            last = each["host"]
        why = f": {each['why']}" if each["why"] else ""
        lines.append(f"    {each['object']}: {_action(each['action'])}{why}")
        lines += (f"        {_field(field, at)}" for field in each["fields"][:_FIELDS])
        more = len(each["fields"][_FIELDS:]) + each["more_fields"]
        lines += [f"        and {more:,} more fields"] if more else []
    rest = drift["objects"][_OBJECTS:]
    if rest:
        hosts = {each["host"] for each in rest}
        lines.append(f"and {len(rest):,} more objects of {len(hosts):,} clusters: drift.json has all")
    lines += (f"Not looked at: {each['what']}: {some(each['hosts'], _NAMES)}" for each in drift["not_looked_at"])
    for each in drift["extra"] or ():
        lines.append(
            f"Beside it: {each['count']:,} {each['kind']} of fleet {drift['fleet']}, of no host of this inventory"
        )
    # What is a line break to anybody is one line's end only where it was written here.
    return "\n".join([*(re.sub(r"[^\S ]", " ", line) for line in lines), summary(drift)])


def _action(action: str) -> str:
    if action == UNPROVED:
        return "no difference is seen, and only the API server can say"
    return f"would be {action}"


def _field(field: Mapping[str, str], at: str) -> str:
    whose = _OF_WHOM[field["whose"]]
    by = f"{field['manager']}{f' ({whose})' if whose else ''}" if field["manager"] else _NOBODY
    since = f", since {field['since']}{_age(field['since'], at)}" if field["since"] else ""
    return f"{field['path']}: {by}{since}; {_THEN[field['becomes']]}"


def _age(since: str, at: str) -> str:
    """How long that is, in its largest unit; "" for what is no time, or one to come by this machine's clock."""
    try:
        passed = (datetime.datetime.fromisoformat(at) - datetime.datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return ""
    return next((f" ({passed // size:.0f} {unit} ago)" for size, unit in _AGES if passed >= size), "")


def summary(drift: Drift) -> str:
    """In one line how many clusters aren't as wanted, and whose hands that is by."""
    of_clusters, of_fields = drift["counts"]["clusters"], drift["counts"]["fields"]
    differ, total = of_clusters[DRIFTED], sum(of_clusters.values())
    told = f"{differ:,} of {total:,} clusters {'differs' if differ == 1 else 'differ'} from the inventory"
    told += f", {of_clusters[NOT_KNOWN]:,} not looked at in full" if of_clusters[NOT_KNOWN] else ""
    objects = Counter(each["action"] for each in drift["objects"])
    counted = [
        f"{number:,} {'unproved' if action == UNPROVED else _action(action)}" for action, number in objects.items()
    ]
    hands = [f"{of_fields[each]:,} {_FIELDS_OF[each]}" for each in WHOSE if of_fields[each]]
    return "; ".join([told, *counted, *([f"fields: {', '.join(hands)}"] if hands else [])])


def failures(drift: Drift, fails: str) -> dict[str, str]:
    """By host why it fails, in one line.

    :param fails: one of FAILS.
    """
    found: dict[str, list[str]] = {}
    for each in drift["objects"] if fails != "never" else ():
        if each["action"] == UNPROVED or (fails == "refused" and each["action"] != "refused"):
            continue
        paths = some([field["path"] for field in each["fields"]])
        told = ": ".join(filter(None, (f"{each['object']} {_action(each['action'])}", each["why"], paths)))
        found.setdefault(each["host"], []).append(told)
    return {host: " | ".join(reasons) for host, reasons in found.items()}


def states(
    clusters: Sequence[Mapping[str, str]], objects: Sequence[Mapping[str, Any]], unknown: set[str]
) -> Iterator[dict[str, str]]:
    """The clusters, each with its state."""
    drifted = {each["host"] for each in objects if each["action"] != UNPROVED}
    for each in clusters:
        host = each["host"]
        yield {**each, "state": DRIFTED if host in drifted else NOT_KNOWN if host in unknown else AS_WANTED}
