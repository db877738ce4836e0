"""Rows of the table: what was wanted and whether it was reached; as text, as JSON and as Markdown. Pure functions.

A row is a plain dict, as it is written to results.json: `task, ours_s, rival, rival_s, ratio, wanted, ok`, and for the
reader `what` (of a row that is no time: what was counted), `peak_mb`, `cpu_s` (of all processes), `requests` (by verb),
`rounds` (seconds of each), `load` (average) and `busy` (cores of the sandbox) before each, the same of the rival as
`rival_*`, `note`.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.rounds import median

Row = dict[str, Any]
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"


def times(
    task: str,
    ours: Sequence[float],
    rival: str | None = None,
    rivals: Sequence[float] = (),
    wanted: float | None = None,
    **more: Any,
) -> Row:
    """A row of two times: the ratio of their medians, which is to be at most `wanted` (None: only shown)."""
    ours_s, rival_s = median(ours), median(rivals) if rivals else None
    ratio = ours_s / rival_s if rival_s else None
    return row(task, ours_s, rival, rival_s, ratio, wanted, rounds=list(ours), rival_rounds=list(rivals), **more)


def limit(task: str, what: str, value: float, at_most: float, unit: str = "", **more: Any) -> Row:
    """A row of a number that has a limit; its ratio is the number over the limit."""
    ratio = value / at_most if at_most else float(value > 0)
    shown = {"what": what, "value": value, "limit": at_most, "unit": unit}
    return row(task, None, None, None, ratio, 1.0 if at_most else 0.0, **shown, **more)


def row(
    task: str,
    ours_s: float | None,
    rival: str | None,
    rival_s: float | None,
    ratio: float | None,
    wanted: float | None,
    **more: Any,
) -> Row:
    ok = None if wanted is None else ratio is not None and ratio <= wanted
    made = {"task": task, "ours_s": ours_s, "rival": rival, "rival_s": rival_s, "ratio": ratio, "wanted": wanted}
    return made | {"ok": ok} | {name: value for name, value in more.items() if value not in (None, "", [], {})}


def text(rows: Sequence[Row]) -> str:
    """The table for a terminal; every red row begins with RED."""
    lines = [_line(each) for each in [_HEAD, *[_cells(each) for each in rows]]]
    red = sum(each["ok"] is False for each in rows)
    lines.append(f"{red} of {len(rows)} rows are RED" if red else f"all {len(rows)} rows are as wanted")
    return "\n".join(lines)


_HEAD = ("", "task", "ours", "CPU", "rival", "its time", "its CPU", "ratio", "wanted")


def _line(cells: Sequence[str]) -> str:
    widths = (4, 44, 12, 9, 50, 12, 9, 8, 8)
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cells(each: Row) -> tuple[str, ...]:
    mark = {True: "ok", False: "RED", None: ""}[each["ok"]]
    if "what" in each:
        told = f"{_number(each['value'])}{each.get('unit', '')}"
        bound = f"at most {_number(each['limit'])}{each.get('unit', '')}"
        return mark, each["task"], told, "", each["what"], "", "", _ratio(each["ratio"]), bound
    rival_s = "" if each["rival_s"] is None else f"{each['rival_s']:.2f} s"
    ours_s = f"{each['ours_s']:.2f} s"
    cpu, its_cpu = (f"{each[name]:.2f} s" if name in each else "" for name in ("cpu_s", "rival_cpu_s"))
    ratio, wanted = _ratio(each["ratio"]), _ratio(each["wanted"])
    return mark, each["task"], ours_s, cpu, each["rival"] or "", rival_s, its_cpu, ratio, wanted


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    """With as many decimals as a small one needs: 0.0083, 0.35, 1.00."""
    if value is None:
        return ""
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def markdown(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """The section of docs/performance.md: what was measured on which machine, the table, the notes below it."""
    lines = [
        f"Measured {facts['when']} at {facts['commit']} on {facts['machine']}: {facts['children']:,} children in "
        f"{facts['regions']:,} regions; medians. CPU is of all processes of a contender.",
        "",
        "| task | ours | CPU | rival | its time | its CPU | ratio | wanted | rounds | |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    notes: list[str] = []
    for each in rows:
        mark, *cells = _cells(each)
        mark = {"RED": "**red**"}.get(mark, mark)
        if each.get("note"):
            if each["note"] not in notes:
                notes.append(each["note"])
            mark += f" [{notes.index(each['note']) + 1}]"
        rounds = len(each.get("rounds", [])) or ""
        lines.append(f"| {' | '.join(cells)} | {rounds} | {mark.strip()} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    counted = [each for each in rows if each.get("requests") is not None and each["ours_s"] is not None]
    if counted:
        lines += ["", "| task | against | requests of ours | requests of the rival | peak memory: ours, rival |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {each['task']} | {each['rival'] or ''} | {_verbs(each['requests'])} | "
            f"{_verbs(each.get('rival_requests', {}))} | {each['peak_mb']:.0f} MB"
            + (f", {each['rival_peak_mb']:.0f} MB |" if each.get("rival_peak_mb") else " |")
            for each in counted
        ]
    return "\n".join(lines).rstrip() + "\n"


def _verbs(requests: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {verb}" for verb, number in requests.items()) or "none"


def write_section(page: pathlib.Path, section: str) -> None:
    """Put the section between its marks in a page, and leave the rest alone.

    :raises ValueError: the page has no marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no section between {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{section}{END}{after}", encoding="utf-8")
