# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a fleet is, and its faces: a table, JSON, Prometheus' textfile, JUnit. Only layout; what is found comes in.

A status is plain data, as docs/status.schema.json describes it: that is the face JSON, and all that the others have.
"""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.k0rdent.kof.plugins.module_utils.report.table import WIDTH
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: Goes up where a reader of the older form would go wrong; new keys alone change nothing.
SCHEMA = "k0rdent.kof.status/1"
#: Of a cluster, the worst first. unknown: nothing that somebody has to see was found, and not all may be read.
STATES = ("missing", "failed", "warning", "unknown", "progressing", "ready")
MISSING, FAILED, WARNING, UNKNOWN, PROGRESSING, READY = STATES
LAYERS = ("mothership", "regional", "child")
#: What a run may do to an object that it doesn't leave as it is. refused: it would be, and the run says why; unproved:
#: no difference is seen, and only the API server can say.
ACTIONS = ("created", "updated", "adopted", "upgraded", "refused", "unproved")
#: A severity that is no problem.
PROGRESS = "progress"
#: Of one code, how many clusters the table tells the reason of; and how many names a line lists.
_REASONS, _NAMES = 3, 6
_STATE_OF = {"failed": FAILED, "warning": WARNING, PROGRESS: PROGRESSING}
_MARKS = {"failed": "FAILED", "warning": "WARNING", PROGRESS: "progress"}

Status = Mapping[str, Any]


def state_of(findings: Iterable[Mapping[str, str]], *, missing: bool, unread: bool) -> str:
    """The state of a cluster by what was found of it.

    :param unread: something of it may not be read.
    """
    if missing:
        return MISSING
    found = [_STATE_OF[each["severity"]] for each in findings]
    return min([*found, UNKNOWN if unread else READY], key=STATES.index)


# -- table


def text(status: Status) -> str:
    """For people: what is wrong by code, each with its clusters, why and what to do; counts for all else."""
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for each in status["findings"]:
        groups.setdefault((each["severity"], each["code"]), []).append(each)
    lines: list[str] = []
    for (severity, code), found in groups.items():
        if severity != PROGRESS:
            lines += [*_problem(severity, code, found), ""]
    progress = [
        _wrapped(f"{code}: {_hosts(found)}", "  ") for (severity, code), found in groups.items() if severity == PROGRESS
    ]
    if progress:
        lines += ["In progress, as it is in the middle of a rollout:", *(each for those in progress for each in those)]
        lines.append("")
    lines += _layers(status["clusters"])
    lines += _versions(status)
    lines += _budgets(status["budgets"])
    lines += _drift(status["drift"])
    lines += _last_run(status)
    for each in status["not_looked_at"]:
        lines += _wrapped(f"Not looked at: {each}", "  ", "")
    return "\n".join([*lines, f"{summary(status)}; what a code means: docs/findings.md"])


def _problem(severity: str, code: str, found: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield from _wrapped(f"{_MARKS[severity]:<8}{code}: {found[0]['title']}", " " * 8, "")
    alike: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for each in found:
        alike.setdefault((each["why"], each["remedy"]), []).append(each)
    remedies: dict[str, None] = {}
    for (why, remedy), those in list(alike.items())[:_REASONS]:
        since = min((each["since"] for each in those if each["since"]), default="")
        what = those[0]["object"] if len(those) == 1 and those[0]["object"] else ""
        told = ": ".join(part for part in (_hosts(those), what, why) if part)
        yield from _wrapped(told + (f" (since {since})" if since else ""), " " * 8)
        remedies[remedy] = None
    rest = [each for those in list(alike.values())[_REASONS:] for each in those]
    if rest:
        yield from _wrapped(f"and of {len({each['host'] for each in rest})} more: {_hosts(rest)}", " " * 8)
    for remedy in remedies:
        # In a line of its own, so that a command can be copied.
        yield f"{' ' * 8}-> {' '.join(remedy.split())}"


def _hosts(found: Iterable[Mapping[str, str]]) -> str:
    hosts = list(dict.fromkeys(each["host"] or each["layer"] for each in found))
    count = f"{len(hosts)} clusters: " if len(hosts) > _NAMES else ""
    return count + some(hosts, _NAMES)


def _layers(clusters: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for layer in LAYERS:
        states = Counter(each["state"] for each in clusters if each["layer"] == layer)
        if states:
            told = ", ".join(f"{states[state]} {state}" for state in reversed(STATES) if states[state])
            yield f"{layer:<12}{told}"


def _versions(status: Status) -> Iterator[str]:
    versions = status["versions"]
    charts = versions["charts"]
    installed = ", ".join(f"{name} {version}" for name, version in charts.items()) if charts else ""
    if charts is not None:
        installed = installed or "no chart of kof"
    told = [f"kof {status['kof_version']} wanted", *([f"{installed} installed"] if installed else [])]
    api = f"API {versions['kcm_api']}"
    told.append(f"k0rdent {versions['k0rdent']} ({api})" if versions["k0rdent"] else f"k0rdent {api}")
    yield from _wrapped(f"{'versions':<12}{'; '.join(told)}", " " * 12, "")
    used = ", ".join(f"{each['name']} ({each['count']})" for each in versions["service_templates"])
    if used:
        yield from _wrapped(f"{'services':<12}{used}", " " * 12, "")
    others = [each for each in unusual(versions["sets"]) if each["unlike"]]
    for each in others[:_REASONS]:
        count = f"{len(each['hosts']):,} of {each['of']:,} {each['layer']} clusters"
        told_of = f"{count}: {some(each['unlike'])}: {some(each['hosts'], _NAMES)}"
        yield from _wrapped(f"{'skew':<12}{told_of}", " " * 12, "")
    if len(others) > _REASONS:
        hosts = sum(len(each["hosts"]) for each in others[_REASONS:])
        yield f"{'':<12}and {hosts:,} clusters that differ otherwise"


def unusual(sets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sets of versions, each with how many clusters its layer has (`of`) and how it is unlike the layer's most
    usual one, which is the first of it, in words (`unlike`)."""
    usual: dict[str, Mapping[str, Any]] = {}
    of = Counter[str]()
    for each in sets:
        usual.setdefault(each["layer"], each)
        of[each["layer"]] += len(each["hosts"])
    return [{**each, "of": of[each["layer"]], "unlike": _unlike(each, usual[each["layer"]])} for each in sets]


def _unlike(one: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    pairs = [
        (name, one[key], usual[key])
        for name, key in (("ClusterTemplate", "cluster_template"), ("Kubernetes", "kubernetes"))
    ]
    mine, theirs = ({each["name"]: each["template"] for each in those["services"]} for those in (one, usual))
    pairs += [(name, mine.get(name, ""), theirs.get(name, "")) for name in {**theirs, **mine}]
    return [f"{name} {here or 'none'} (most have {most or 'none'})" for name, here, most in pairs if here != most]


def _budgets(budgets: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What is used of what all regions share; of what is nearly used up the limit, and what to do."""
    for number, each in enumerate(budgets):
        wrong = each["status"] != "ok"
        told = f"{each['name']}: {each['found']}" + (f"; {each['wanted']}" if wrong else "")
        head = ("budgets" if number == 0 else "").ljust(12)
        yield from _wrapped(f"{head}{'WARNING ' if wrong else ''}{told}", " " * 12, "")
        if wrong and each["remedy"]:
            yield f"{' ' * 12}-> {' '.join(each['remedy'].split())}"


def _drift(drift: Mapping[str, Any]) -> Iterator[str]:
    told = would_change(drift)
    clusters = list(dict.fromkeys(each["host"] or each["object"] for each in drift["objects"]))
    about = f": {f'{len(clusters):,} clusters: ' if len(clusters) > _NAMES else ''}{some(clusters, _NAMES)}"
    yield from _wrapped(f"{'drift':<12}{told}{about if clusters else ''}", " " * 12, "")


def would_change(drift: Mapping[str, Any]) -> str:
    """In one sentence what a run would change, by kind."""
    counts = drift["counts"]
    total = sum(number for each in counts for name, number in each.items() if name != "kind")
    if not total:
        return "what a run would change isn't known"
    changing = [
        f"{each['kind']}: " + ", ".join(f"{each[action]:,} {action}" for action in ACTIONS if each[action])
        for each in counts
        if any(each[action] for action in ACTIONS)
    ]
    number = sum(each[action] for each in counts for action in ACTIONS[:-2])
    told = f"a run would change {f'{number:,}' if number else 'nothing'} of {total:,} objects"
    return f"{told}: {'; '.join(changing)}" if changing else told


def _last_run(status: Status) -> Iterator[str]:
    for run in (status.get("runs") or ())[:1]:
        by = f"{run['user']} on {run['host']}" + (f" (job {run['job']})" if run["job"] else "")
        counts = ", ".join(
            f"{run[name]} {what}"
            for name, what in (("changed", "changed"), ("failed", "failed"), ("left_out", "left out"))
            if run[name]
        )
        yield from _wrapped(f"{'last run':<12}{run['ended']} {run['playbook']} by {by}: {counts}", " " * 12, "")


def summary(status: Status) -> str:
    """In one line how many clusters are ready, of how many nobody knows, and how many findings somebody has to see."""
    total, counts = len(status["clusters"]), status["counts"]
    clusters = "1 cluster" if total == 1 else f"{total} clusters"
    unknown = counts["clusters"][UNKNOWN]
    ready = f"{counts['clusters'][READY]} of {clusters} ready" + (
        f", {unknown} not looked at in full" if unknown else ""
    )
    wrong = [f"{counts['findings'][each]} {each}" for each in ("failed", "warning") if counts["findings"][each]]
    budgets = sum(each["status"] != "ok" for each in status["budgets"])
    wrong += [f"{budgets} {'budget is' if budgets == 1 else 'budgets are'} nearly used up"] if budgets else []
    return f"{ready}; {', '.join(wrong) or ('nothing else is wrong' if unknown else 'nothing is wrong')}"


def _wrapped(words: str, indent: str, first: str | None = None) -> list[str]:
    """Lines of at most WIDTH characters, broken between words; a longer word has a line of its own.

    Whatever breaks lines in a text, which may be somebody else's, breaks none here.
    """
    words = re.sub(r"[^\S ]", " ", words)
    lines, line = [], indent if first is None else first
    empty = True
    for word in words.split(" ") if first == "" else words.split():
        if not empty and len(line) + 1 + len(word) > WIDTH:
            lines.append(line.rstrip())
            line, empty = indent, True
        line, empty = (line + word, False) if empty else (f"{line} {word}", False)
    return [*lines, line.rstrip()]


# -- for programs


def as_json(status: Status) -> str:
    """As docs/status.schema.json says."""
    return json.dumps(status, indent=2, ensure_ascii=False) + "\n"


def prometheus(status: Status) -> str:
    """For the textfile collector of node_exporter. Each cluster has one sample, of the state that it is in."""
    fleet = {"fleet": status["fleet"]}
    lines = _metric(
        "kof_cluster_state",
        "The state that a cluster is in.",
        (
            ({**fleet, "cluster": each["host"], "layer": each["layer"], "state": each["state"]}, 1)
            for each in status["clusters"]
        ),
    )
    numbers = Counter((each["code"], each["severity"]) for each in status["findings"])
    lines += _metric(
        "kof_findings",
        "Findings by code; see docs/findings.md.",
        (({**fleet, "code": code, "severity": severity}, n) for (code, severity), n in numbers.items()),
    )
    lines += _metric(
        "kof_status_timestamp_seconds",
        "When the status was taken.",
        [(fleet, int(datetime.datetime.fromisoformat(status["at"]).timestamp()))],
    )
    return "\n".join(lines) + "\n"


def _metric(name: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        told = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{told}}} {value}")
    return lines


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def junit(status: Status) -> str:
    """One test case a cluster. It failed where the cluster did, and is skipped where nobody knows; warnings and what is
    in progress are its output."""
    of: dict[str, list[Mapping[str, str]]] = {}
    for each in status["findings"]:
        of.setdefault(each["host"], []).append(each)
    cases = [_case(each["host"], each["layer"], of.get(each["host"], ()), each["state"]) for each in status["clusters"]]
    known = {each["host"] for each in status["clusters"]}
    cases += [_case(host or status["fleet"], "fleet", found) for host, found in of.items() if host not in known]
    failures, skipped = (sum(f"<{each}" in case for case in cases) for each in ("failure", "skipped"))
    head = f'name={_attribute("k0rdent.kof.status " + status["fleet"])} tests="{len(cases)}" failures="{failures}"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<testsuite {head} errors="0" skipped="{skipped}" timestamp={_attribute(status["at"].removesuffix("Z"))}>',
            *cases,
            "</testsuite>\n",
        ]
    )


def _case(name: str, layer: str, found: Iterable[Mapping[str, str]], state: str = "") -> str:
    lines = {severity: [_line(each) for each in found if each["severity"] == severity] for severity in _MARKS}
    head = f"  <testcase classname={_attribute('kof.' + layer)} name={_attribute(name)}"
    inner = ""
    if lines["failed"]:
        message = _attribute(lines["failed"][0])
        inner += f"\n    <failure message={message}>{_xml(chr(10).join(lines['failed']))}</failure>"
    elif state == UNKNOWN:
        inner += '\n    <skipped message="not all of it may be read"/>'
    others = [*lines["warning"], *lines[PROGRESS]]
    if others:
        inner += f"\n    <system-out>{_xml(chr(10).join(others))}</system-out>"
    return f"{head}>{inner}\n  </testcase>" if inner else f"{head}/>"


def _line(finding: Mapping[str, str]) -> str:
    told = ": ".join(each for each in (finding["code"], finding["object"], finding["why"]) if each)
    return f"{finding['severity']}: {told}; {finding['remedy']}"


def _xml(value: str) -> str:
    return escape("".join(each if in_xml(each) else "\ufffd" for each in value))


def _attribute(value: str) -> str:
    return quoteattr("".join(each if in_xml(each) else "\ufffd" for each in value))


def in_xml(character: str) -> bool:
    """Whether XML 1.0 can have the character at all."""
    return character in "\t\n\r" or not (
        character < " " or "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff"
    )
