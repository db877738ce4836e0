# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What single values of an Alertmanager configuration and of alert rules must look like: durations, regular
expressions, times, and of which type a key's value is. Alertmanager refuses the whole configuration for any of them.

Each function returns what is wrong and what would be right, or None. Pure. Sources: as of alerting.py; model/time.go of
Prometheus' common v0.46.0, timeinterval/timeinterval.go of Alertmanager v0.27.0, regexp/syntax of Go.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax

Wrong = tuple[str, str]

_DURATION = re.compile(
    r"(?:0|(?=[0-9])([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)\Z", re.ASCII
)
_PART = re.compile(r"0*([0-9]+)(ms|[ywdhms])", re.ASCII)
_MILLISECONDS = {
    "y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1,
}  # fmt: skip
#: Digits of a number, and milliseconds, that Go's time.Duration holds.
_DIGITS, _LONGEST = 16, (2**63 - 1) // 1_000_000
_NEVER_ZERO = ("group_interval", "repeat_interval")

#: What Go's regular expressions know, and Python's don't or read otherwise: such a one isn't judged here.
_OF_GO = re.compile(r"\\[zQEpPC]|\\x\{|\(\?(?!:|P<)|\[\[:|\{,|\\[dswDSW]-")
#: What Python's know, and Go's don't: looking around, references back, atomic and possessive groups, comments.
_OF_PYTHON = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>])|(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\+")
_REFERENCE = re.compile(r"\\[1-9](?![0-7])")
_ESCAPED, _CLASS = re.compile(r"\\.", re.DOTALL), re.compile(r"\[\^?\]?[^\]]*\]")

_INTEGERS = frozenset(("max_alerts", "chat_id", "limit", "concurrency", "update_entries_limit"))
_BOOLEANS = frozenset(("debug", "eval_alignment"))
_GO_DURATIONS = frozenset(("retry", "expire", "ttl"))
_LISTS = frozenset(("fields", "actions", "images", "links", "responders", "scopes"))
#: Maps of names of the user's own, to texts.
TABLES = frozenset(("headers", "details", "custom_fields", "attributes", "endpoint_params"))
#: Maps of fixed keys without a secret in them, inside of one of _LISTS.
_INNER = frozenset(("confirm",))

_TIME = re.compile(r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z", re.ASCII)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NUMBER = re.compile(r"-?[0-9]{1,4}\Z", re.ASCII)


def duration(key: str, value: Any) -> Wrong | None:
    """Of a key that is one to Prometheus."""
    right = f"{key}: 5m"
    if not (isinstance(value, str) and _DURATION.match(value)):
        return "must be a duration", right
    parts = _PART.findall(value)
    if any(len(number) > _DIGITS for number, _unit in parts):
        return "is longer than Go can count", right
    length = sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)
    if length > _LONGEST:
        return "is longer than Go can count", right
    return ("can't be 0", right) if not length and key in _NEVER_ZERO else None


def regex(text: Any) -> Wrong | None:
    """Of what must be a regular expression of Go. Only what surely is none is told."""
    right = "a regular expression of Go (RE2), 'a|b.*'"
    if not isinstance(text, str):
        return None  # a number is read as text
    bare = _CLASS.sub("", _ESCAPED.sub("", text))
    if _OF_PYTHON.search(bare) or _REFERENCE.search(text.replace("\\\\", "")):
        return "has what Go's regular expressions don't know (looking around, references back, ++)", right
    if _OF_GO.search(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(f"^(?:{text})$")
    except (re.error, OverflowError, RecursionError):
        return "is no regular expression", right
    return None


def unescaped(text: str) -> str:
    """The value of a matcher, with the quotation marks that it may stand in, as Alertmanager reads it."""
    if text.startswith('"'):
        text = text[1:-1]
    return re.sub(r"\\(.)", lambda found: {"n": "\n", '"': '"', "\\": "\\"}.get(found[1], found[0]), text, flags=re.S)


def form(key: str, value: Any) -> Wrong | None:
    """Of a key of an integration, of an HTTP configuration or of a rule, whose value is neither a secret, nor a file,
    nor a map of fixed keys."""
    if value is None:
        return None
    if key in _INTEGERS:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return None if whole and (value >= 0 or key == "chat_id") else ("must be a whole number", f"{key}: 5")
    if key in _BOOLEANS:
        return None if isinstance(value, bool) else ("must be true or false", f"{key}: true")
    if key in _GO_DURATIONS:
        fine = isinstance(value, str) and syntax.go_duration(value) is None
        return None if fine else ("must be a duration", f"{key}: 5m")
    if key in _LISTS:
        return None if isinstance(value, list) else ("must be a list", f"{key}: [...]")
    if key in TABLES:
        return table(value, key)
    if isinstance(value, (list, Mapping)) and key not in _INNER:
        return f"must be text, and is a {'list' if isinstance(value, list) else 'map'}", f"{key}: text"
    return None


def table(value: Any, key: str) -> Wrong | None:
    """A map of names to texts."""
    if not isinstance(value, Mapping) or any(isinstance(each, (list, Mapping)) for each in value.values()):
        return "must be a map of texts", f"{key}: {{name: text}}"
    return None


def interval(value: Mapping[str, Any]) -> Iterator[tuple[str, Wrong]]:
    """Of one time interval: by key what is wrong with it."""
    times = value.get("times")
    if times is not None and not (isinstance(times, list) and all(map(_is_span, times))):
        right = 'times: [{start_time: "22:00", end_time: "24:00"}]'
        yield "times", ("must be a list of maps of start_time and an end_time after it, as HH:MM in quotes", right)
    for key, names, least, most, right in (
        ("weekdays", _DAYS, None, None, "[saturday, 'monday:wednesday']"),
        ("days_of_month", (), -31, 31, "['1:7', '-1']"),
        ("months", _MONTHS, 1, 12, "[december, '1:3']"),
        ("years", (), 0, 9999, "['2027:2028']"),
    ):
        listed = value.get(key)
        if listed is not None and not (
            isinstance(listed, list) and all(_is_range(each, names, least, most) for each in listed)
        ):
            yield key, ("is no list of days, months or years, or of ranges of them", f"{key}: {right}")
    location = value.get("location")
    if location is not None and not (isinstance(location, str) and re.match(r"[A-Za-z][A-Za-z0-9_+/-]*\Z", location)):
        yield "location", ("must be the name of a time zone", "location: Europe/Berlin")


def _is_span(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"start_time", "end_time"}:
        return False
    start, end = value["start_time"], value["end_time"]
    return all(isinstance(each, str) and bool(_TIME.match(each)) for each in (start, end)) and start < end


def _is_range(value: Any, names: tuple[str, ...], least: int | None, most: int | None) -> bool:
    """Of one name or number, or of two with a colon between them, in their order."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    found: list[int] = []
    for each in str(value).lower().split(":"):
        if each in names:
            found.append(names.index(each) + (1 if least else 0))
        elif least is not None and most is not None and _NUMBER.match(each) and least <= int(each) <= most:
            found.append(int(each))
        else:
            return False
    if least is not None and least < 0 and 0 in found:
        return False
    # A day counted from the month's end may stand behind one from its beginning.
    ordered = len(found) < 2 or found[0] <= found[1] or (least is not None and least < 0 and found[1] < 0 < found[0])
    return len(found) <= 2 and ordered
