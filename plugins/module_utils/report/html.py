# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status as one page that stands alone: no script, and nothing that is fetched from anywhere. Pure.

What is in it is a status' plain data (docs/status.schema.json). Only `element` makes markup, and every text that it is
given stays text. What a page says by a colour it says by a sign and in words, too.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ansible_collections.k0rdent.kof.plugins.module_utils.report.html_style import STYLE
from ansible_collections.k0rdent.kof.plugins.module_utils.report.status import (
    ACTIONS,
    FAILED,
    MISSING,
    PROGRESS,
    PROGRESSING,
    READY,
    STATES,
    UNKNOWN,
    WARNING,
    in_xml,
    summary,
    unusual,
    would_change,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: Bytes, that a page of 1,000 clusters stays below, whatever they say.
LARGEST = 1_000_000


class _Room(NamedTuple):
    """
    :ivar reasons: how many of them a page tells in full.
    :ivar least: of one code, whatever the others take.
    :ivar longest: characters of a text.
    """

    reasons: int
    least: int
    longest: int

    def cut(self, text: str) -> str:
        """A text that isn't too long."""
        return text if len(text) <= self.longest else f"{text[: self.longest]}\u2026"


#: The first one that a page fits in is taken.
_ROOMS = (_Room(150, 3, 800), _Room(50, 2, 400), _Room(0, 1, 100))
#: Up to how many clusters each shows its name; more are a grid of signs.
_NAMED = 60
#: How many reasons of a code are seen at once; the others are behind a click.
_OPEN = 4
#: How many names a reason lists before it counts the rest.
_NAMES = 12
#: How many objects that a run would change the page has, and fields of each.
_CHANGES, _FIELDS = 100, 3
#: How many sets of versions the page has.
_SETS = 20
#: A state's sign, from characters that every font has.
_SIGNS = {
    READY: "\u2713",
    PROGRESSING: "\u2026",
    UNKNOWN: "?",
    WARNING: "!",
    FAILED: "\u00d7",
    MISSING: "\u2013",
}
#: What a state means, for the legend.
_MEANINGS = {
    READY: "all is as it must be",
    PROGRESSING: "in a rollout, as is normal",
    UNKNOWN: "not all of it may be read",
    WARNING: "somebody has to look",
    FAILED: "doesn't do its work",
    MISSING: "isn't there",
}
#: Elements without an end tag.
_VOID = frozenset({"meta"})
_COMMAND = re.compile(r"`([^`]+)`")


class Markup:
    """What only `element` makes: everything else is text."""

    __slots__ = ("written",)

    def __init__(self, written: str) -> None:
        self.written = written


Inside: TypeAlias = "Markup | str | None"


def element(tag: str, *inside: Inside, **attributes: str | None) -> Markup:
    """An element with texts and elements inside; of `None` nothing is made.

    :param attributes: ``class_`` is class, ``aria_label`` is aria-label.
    """
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{told}>")
    held = "".join(each.written if isinstance(each, Markup) else _text(each) for each in inside if each is not None)
    return Markup(f"<{tag}{told}>{held}</{tag}>")


def _text(value: str) -> str:
    return html.escape("".join(each if in_xml(each) else "\ufffd" for each in value))


def page(status: Mapping[str, Any]) -> str:
    """The whole page; for 1,000 clusters it is smaller than LARGEST."""
    for room in _ROOMS:
        made = _page(status, room)
        if len(made.encode()) < LARGEST:
            break
    return made


def _page(status: Mapping[str, Any], room: _Room) -> str:
    fleet = str(status["fleet"])
    problems, progress = _grouped(status["findings"])
    anchors: dict[str, str] = {}
    for number, (_severity_and_code, found) in enumerate([*problems.items(), *progress.items()]):
        for each in found:
            anchors.setdefault(each["host"], f"f{number}")
    sections = [
        _section("problems", "What is wrong", _problems(problems, room)),
        _section("progress", "In progress", _progress(progress, len(problems))) if progress else None,
        _section("fleet", "The fleet", _topology(status["clusters"], anchors)),
        _section("versions", "Versions", _versions(status)),
        _section("budgets", "Budgets", _budgets(status["budgets"])) if status["budgets"] else None,
        _section("drift", "What a run would change", _drift(status["drift"])),
        _section("unread", "Not looked at", [_list(status["not_looked_at"], room)])
        if status["not_looked_at"]
        else None,
        _section("clusters", "All clusters", _table(status)),
    ]
    there = [each for each in sections if each is not None]
    body = element(
        "body",
        element("a", "To the content", href="#content", class_="skip"),
        _header(status, [(title, name) for name, title, _made in there]),
        element("main", *(made for _name, _title, made in there), id="content", tabindex="-1"),
        element(
            "footer",
            element("p", "Made by k0rdent.kof.status. What a code means: docs/findings.md of the collection."),
        ),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", f"{_title_of(status)} \u2013 kof fleet {fleet}"),
        _STYLE,
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en').written}\n"


#: The only text that isn't escaped: it is ours, and quotes are meant.
_STYLE = Markup(f"<style>{STYLE}</style>")


def _title_of(status: Mapping[str, Any]) -> str:
    wrong = sum(status["counts"]["clusters"][state] for state in (MISSING, FAILED))
    return f"{wrong} failed" if wrong else summary(status).partition(";")[0]


def _header(status: Mapping[str, Any], contents: Iterable[tuple[str, str]]) -> Markup:
    counts = status["counts"]["clusters"]
    tiles = [
        element(
            "li",
            element("span", _SIGNS[state], class_="sign", aria_hidden="true"),
            element("b", f"{counts[state]:,}"),
            element("span", state),
            class_=f"tile {state}",
            title=_MEANINGS[state],
        )
        for state in STATES
        if counts[state]
    ]
    return element(
        "header",
        element("p", "kof fleet", class_="over"),
        element("h1", str(status["fleet"])),
        element("p", f"{_capital(summary(status))}.", class_="summary"),
        element("ul", *tiles, class_="tiles", aria_label="Clusters by state"),
        element(
            "dl",
            *_pair("Taken", element("time", _readable(status["at"]), datetime=status["at"])),
            *_pair("Management cluster", str(status["management_cluster"])),
            *_pair("Patience", f"{status['patience_minutes']:g} minutes"),
            class_="facts",
        ),
        element(
            "nav",
            element("ul", *(element("li", element("a", title, href=f"#{name}")) for title, name in contents)),
            aria_label="Sections",
        ),
    )


def _section(name: str, title: str, inside: Iterable[Inside]) -> tuple[str, str, Markup]:
    made = element(
        "section", element("h2", title, id=f"{name}-title"), *inside, id=name, aria_labelledby=f"{name}-title"
    )
    return name, title, made


# -- what was found

Found = Mapping[str, str]
Groups = dict[tuple[str, str], list[Found]]


def _grouped(findings: Iterable[Found]) -> tuple[Groups, Groups]:
    """By severity and code, in the order in which they come: problems, and what is in progress."""
    problems: Groups = {}
    progress: Groups = {}
    for each in findings:
        groups = progress if each["severity"] == PROGRESS else problems
        groups.setdefault((each["severity"], each["code"]), []).append(each)
    return problems, progress


def _problems(groups: Groups, room: _Room) -> Iterator[Markup]:
    if not groups:
        yield element("p", "Nothing that somebody has to look at was found.", class_="well")
    room = room._replace(reasons=max(room.least, room.reasons // max(len(groups), 1)))
    for number, ((severity, code), found) in enumerate(groups.items()):
        yield _problem(f"f{number}", severity, code, found, room)


def _problem(anchor: str, severity: str, code: str, found: Sequence[Found], room: _Room) -> Markup:
    alike: dict[tuple[str, str], list[Found]] = {}
    for each in found:
        alike.setdefault((each["why"], each["remedy"]), []).append(each)
    # What most have comes first.
    groups = sorted(alike.values(), key=len, reverse=True)
    remedies = {each["remedy"] for each in found}
    once = _remedy(found[0]["remedy"], room) if len(remedies) == 1 else None
    reasons = [_reason(those, room, own_remedy=once is None) for those in groups[: room.reasons]]
    rest = [each for those in groups[room.reasons :] for each in those]
    if rest:
        reasons.append(element("div", element("p", "The same, for other reasons: ", _hosts(rest)), class_="reason"))
    more = reasons[_OPEN:]
    hosts = len({each["host"] for each in found})
    return element(
        "article",
        element(
            "h3",
            element("span", severity, class_=f"badge {severity}"),
            " ",
            element("span", found[0]["title"]),
            " ",
            element("code", code),
            " ",
            element("span", _clusters(hosts), class_="count"),
        ),
        once,
        *reasons[:_OPEN],
        element("details", element("summary", _more(len(groups) - _OPEN)), *more, class_="more") if more else None,
        class_=f"problem {severity}",
        id=anchor,
        tabindex="-1",
    )


def _reason(found: Sequence[Found], room: _Room, *, own_remedy: bool) -> Markup:
    first = found[0]
    since = min((each["since"] for each in found if each["since"]), default="")
    what = first["object"] if len(found) == 1 else ""
    why = ": ".join(each for each in (what, first["why"]) if each)
    told: list[Inside] = [element("span", room.cut(why))] if why else []
    if since:
        told += [" ", element("span", "since ", element("time", _readable(since), datetime=since), class_="since")]
    return element(
        "div",
        element("p", _hosts(found), class_="who"),
        element("p", *told, class_="why") if told else None,
        _remedy(first["remedy"], room) if own_remedy else None,
        class_="reason",
    )


def _remedy(remedy: str, room: _Room) -> Markup:
    return element("p", element("span", "What to do", class_="label"), " ", *_commands(room.cut(remedy)), class_="do")


def _more(reasons: int) -> str:
    return "1 more reason" if reasons == 1 else f"{reasons:,} more reasons"


def _clusters(number: int) -> str:
    return "1 cluster" if number == 1 else f"{number:,} clusters"


def _hosts(found: Iterable[Found]) -> Markup:
    """Names; of many the first ones: the table of all clusters has the rest, with their codes."""
    hosts = list(dict.fromkeys(each["host"] or each["layer"] for each in found))
    if len(hosts) <= _NAMES + 3:
        return element("span", ", ".join(hosts), class_="names")
    return element(
        "span",
        element("span", ", ".join(hosts[:_NAMES]), class_="names"),
        f" and {len(hosts) - _NAMES:,} more",
    )


def _progress(groups: Groups, before: int) -> Iterator[Markup]:
    yield element("p", "As it is in the middle of a rollout: nobody has to do anything.", class_="dim")
    rows = [
        element(
            "li",
            element("b", found[0]["title"]),
            " ",
            element("code", code),
            " ",
            _hosts(found),
            id=f"f{number}",
            tabindex="-1",
        )
        for number, ((_severity, code), found) in enumerate(groups.items(), before)
    ]
    yield element("ul", *rows, class_="plain")


def _commands(text: str) -> Iterator[Inside]:
    """What stands in backticks is to be copied."""
    for number, piece in enumerate(_COMMAND.split(text)):
        if piece:
            yield element("code", piece) if number % 2 else piece


# -- the fleet

Cluster = Mapping[str, Any]


def _topology(clusters: Sequence[Cluster], anchors: Mapping[str, str]) -> Iterator[Markup]:
    """The mothership, below it the regional clusters, in each of these its children."""
    of: dict[str, list[Cluster]] = {}
    for each in clusters:
        of.setdefault(each["layer"], []).append(each)
    named = len(clusters) <= _NAMED
    children: dict[str, list[Cluster]] = {}
    for each in of.get("child", ()):
        children.setdefault(each["regional"], []).append(each)
    regions = [
        _region(each["host"], each, children.pop(each["host"], ()), anchors, named) for each in of.get("regional", ())
    ]
    # Whose regional isn't part of this look.
    regions += [_region(regional, None, those, anchors, named) for regional, those in children.items()]
    legend = [
        element(
            "li",
            element("span", _SIGNS[state], class_=f"cell {state}", aria_hidden="true"),
            element("b", state),
            f" {_MEANINGS[state]}",
        )
        for state in reversed(STATES)
        if any(each["state"] == state for each in clusters)
    ]
    yield element("ul", *legend, class_="legend", aria_label="What the signs mean")
    below = element("ul", *regions, class_="regions" if named else "regions dense") if regions else None
    tops = of.get("mothership", [])
    if not tops:
        yield below or element("p", "no cluster")
        return
    top = [
        element(
            "div",
            element("span", "mothership", class_="over"),
            element("span", each["host"], class_="name"),
            _state(each, anchors),
            class_=f"node top {each['state']}",
        )
        for each in tops
    ]
    yield element("ul", element("li", *top, below), class_="tree")


def _region(
    host: str, regional: Cluster | None, children: Sequence[Cluster], anchors: Mapping[str, str], named: bool
) -> Markup:
    states = [each["state"] for each in children]
    count = "no child" if not children else "1 child" if len(children) == 1 else f"{len(children):,} children"
    ready = states.count(READY)
    told = count if ready == len(children) else f"{count}, {ready:,} ready"
    cells = [element("li", _cell(each, anchors, named)) for each in children]
    return element(
        "li",
        element(
            "div",
            element("span", host or "of no regional cluster", class_="name"),
            _state(regional, anchors) if regional else element("span", "not part of this look", class_="dim"),
            element("span", told, class_="dim"),
            class_="head",
        ),
        element("ul", *cells, class_="cells", aria_label=f"Children of {host}") if cells else None,
        class_=f"node region {regional['state'] if regional else 'outside'}",
    )


def _state(cluster: Cluster, anchors: Mapping[str, str]) -> Markup:
    """A cluster's state as a badge, that leads to what was found of it."""
    state = cluster["state"]
    inside = (element("span", _SIGNS[state], aria_hidden="true"), f" {state}")
    anchor = anchors.get(cluster["host"])
    if anchor is None:
        return element("span", *inside, class_=f"badge {state}")
    return element("a", *inside, class_=f"badge {state}", href=f"#{anchor}", aria_label=_told(cluster))


def _cell(cluster: Cluster, anchors: Mapping[str, str], named: bool) -> Markup:
    state, anchor = cluster["state"], anchors.get(cluster["host"])
    inside: tuple[Inside, ...] = (_SIGNS[state],)
    if named:
        inside = (element("span", _SIGNS[state], aria_hidden="true"), f" {cluster['host']}")
    about = {"class_": f"cell {state}" + (" named" if named else ""), "title": _told(cluster)}
    if anchor is not None:
        return element("a", *inside, href=f"#{anchor}", aria_label=_told(cluster), **about)
    return element("span", *inside, role="img", aria_label=_told(cluster), **about)


def _told(cluster: Cluster) -> str:
    return f"{cluster['host']}: {cluster['state']}"


# -- versions, and the rest


def _versions(status: Mapping[str, Any]) -> Iterator[Inside]:
    versions, charts = status["versions"], status["versions"]["charts"]
    installed = "may not be read" if charts is None else ", ".join(f"{name} {each}" for name, each in charts.items())
    yield element(
        "dl",
        *_pair("kof, as wanted", str(status["kof_version"])),
        *_pair("kof, as installed", installed or "no chart of kof"),
        *_pair("k0rdent", str(versions["k0rdent"]) or "unknown"),
        *_pair("k0rdent API", str(versions["kcm_api"])),
        class_="facts",
    )
    sets = unusual(versions["sets"])
    rows: list[Sequence[Inside]] = [
        (
            f"{each['layer']}, {len(each['hosts']):,} of {each['of']:,}",
            each["cluster_template"],
            each["kubernetes"],
            ", ".join(service["template"] for service in each["services"]),
            _skew(each),
        )
        for each in sets[:_SETS]
    ]
    if rows:
        heads = ("clusters", "ClusterTemplate", "Kubernetes", "ServiceTemplates", "skew")
        yield _rows(heads, rows, "those that are alike in all versions, the most usual first")
    if len(sets) > _SETS:
        yield element("p", f"And {len(sets) - _SETS:,} more that are alike in nothing.", class_="dim")


def _skew(alike: Mapping[str, Any]) -> Inside:
    """In which they differ from what most have, and from what the inventory wants."""
    if not alike["unlike"] and not alike["differs"]:
        return "none"
    told: list[Inside] = [element("p", each, class_="why") for each in (*alike["unlike"], *alike["differs"])]
    return element("div", *told, element("p", some(alike["hosts"], _NAMES), class_="dim"))


def _budgets(budgets: Sequence[Mapping[str, str]]) -> Iterator[Inside]:
    yield element("p", "What all regions share, and a large fleet uses up.", class_="dim")
    rows = [
        (
            each["name"],
            element("span", each["status"], class_=f"badge {'ready' if each['status'] == 'ok' else each['status']}"),
            each["found"],
            each["wanted"],
            element("span", *_commands(each["remedy"])),
        )
        for each in budgets
    ]
    yield _rows(("budget", "state", "used", "limit", "what to do"), rows, "what is used of it")


def _drift(drift: Mapping[str, Any]) -> Iterator[Inside]:
    yield element("p", f"{_capital(would_change(drift))}.")
    kinds = [each for each in drift["counts"] if any(each[action] for action in ACTIONS)]
    actions = [action for action in ACTIONS if any(each[action] for each in kinds)]
    if not kinds:
        return
    counts = [(each["kind"], *(f"{each[action]:,}" for action in actions), f"{each['unchanged']:,}") for each in kinds]
    yield _rows(("kind", *actions, "unchanged"), counts, "how many objects a run would change")
    objects = drift["objects"]
    rows = [
        (each["object"], each["host"], each["action"], ", ".join(each["fields"][:_FIELDS]) or each["why"])
        for each in objects[:_CHANGES]
    ]
    yield _rows(("object", "cluster", "would be", "fields, or why"), rows, "what it would change")
    if len(objects) > _CHANGES:
        yield element("p", f"And {len(objects) - _CHANGES:,} more: status.json has all.", class_="dim")


def _table(status: Mapping[str, Any]) -> Iterator[Inside]:
    codes: dict[str, dict[str, None]] = {}
    for each in status["findings"]:
        codes.setdefault(each["host"], {})[each["code"]] = None
    clusters = status["clusters"]
    rows = [
        (each["host"], each["layer"], each["regional"], each["state"], some(codes.get(each["host"], ())))
        for each in clusters
    ]
    made = _rows(("cluster", "layer", "regional cluster", "state", "findings"), rows, "every cluster, by layer")
    opener = element("summary", f"Show {len(clusters):,} clusters as a table")
    yield element("details", opener, made, open="" if len(clusters) <= _NAMED else None)


def _rows(heads: Sequence[str], rows: Iterable[Sequence[Inside]], caption: str) -> Markup:
    """A table; the first cell of each row is its head. Wide ones scroll by themselves, with the keyboard, too."""
    head = element("tr", *(element("th", each, scope="col") for each in heads))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    table = element(
        "table", element("caption", f"{heads[0]}: {caption}"), element("thead", head), element("tbody", *body)
    )
    return element("div", table, class_="scrolled", role="group", aria_label=f"{heads[0]}: {caption}", tabindex="0")


def _list(texts: Iterable[str], room: _Room) -> Markup:
    return element("ul", *(element("li", room.cut(each)) for each in texts), class_="plain")


def _pair(name: str, value: Inside) -> tuple[Markup]:
    return (element("div", element("dt", name), element("dd", value)),)


def _readable(at: str) -> str:
    """A time as people write it; what is none stays."""
    return at.replace("T", " ", 1).removesuffix("Z") + " UTC" if at.endswith("Z") else at


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
