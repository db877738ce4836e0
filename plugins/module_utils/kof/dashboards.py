# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own Grafana dashboards: a folder of JSON files, read and looked at before anything of it is sent.

The Grafana operator writes what it doesn't like into its log and nowhere else, takes a dashboard without a uid under
one that no link can know, and of two with the same title in the same folder deletes the one. So all of it is told here,
by file. Reads files, and sends nothing. Source: grafana-operator 5.13.0, controllers/dashboard_controller.go.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, maps_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: etcd takes no larger request (bytes; etcd.io, --max-request-bytes), and beside the dashboard there is the object.
TEXT_LIMIT = 3 * 1024 * 1024 // 2 - 8 * 1024
#: Characters of a file's name: the object is named by the cluster and by it (manifests/grafana_dashboard.py).
NAME_LIMIT = 253 - syntax.CLUSTER_NAME_LIMIT - len("-dashboard-")
#: What stands in a file for what differs from cluster to cluster, and what it becomes (see `inputs`).
METRICS, LOGS, REGION = "KOF_METRICS", "KOF_LOGS", "KOF_REGION"

#: One for every region.
EXAMPLE_UID = f"payments-${{{REGION}}}"

#: Grafana's own, by uid or name; none of it is somebody's data source.
_BUILT_IN = frozenset({"", "grafana", "default", "__expr__", "-100", "-- Grafana --", "-- Mixed --", "-- Dashboard --"})
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
#: ${name}, ${name:format}, $name and [[name]].
_VARIABLE = re.compile(r"(?:\$\{(\w+)(?:[.:][^}]*)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\])\Z")


class Problem(NamedTuple):
    """What is wrong with a file, and what would be right."""

    file: str
    what: str
    right: str


@dataclass(frozen=True)
class Dashboard:
    """One file.

    :ivar name: of the file, without `.json`; the object is named by it.
    :ivar text: as it stands there.
    :ivar uid, title: with inputs as they are written.
    :ivar sources: the data sources that it names, by name or uid.
    :ivar inputs: which it names of `inputs`.
    """

    name: str
    text: str
    uid: str
    title: str
    sources: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.json"


def resolved(text: str, inputs: Mapping[str, str]) -> str:
    """A text with each `${NAME}` replaced, as the operator does it with `spec.datasources`."""
    for name, value in inputs.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def digest(spec: Mapping[str, Any]) -> str:
    """What `status.hash` is once the dashboard of this `spec` is in Grafana."""
    inputs = {str(each.get("inputName")): str(each.get("datasourceName")) for each in spec.get("datasources") or ()}
    return hashlib.sha256(resolved(str(spec.get("json") or ""), inputs).encode(errors="surrogatepass")).hexdigest()


def head(spec: Any) -> tuple[str, str]:
    """uid and title of the dashboard of a live `spec`; empty where it says none, or isn't of JSON."""
    sources = maps_of(dig(spec, ("datasources",)))
    inputs = {str(each.get("inputName")): str(each.get("datasourceName")) for each in sources}
    try:
        found = json.loads(resolved(str(dig(spec, ("json",)) or ""), inputs))
    except (ValueError, RecursionError):
        return "", ""
    return (str(found.get("uid") or ""), str(found.get("title") or "")) if isinstance(found, dict) else ("", "")


# -- a folder


def load(folder: str) -> tuple[tuple[Dashboard, ...], tuple[Problem, ...]]:
    """The dashboards of a folder, those of files `*.json` directly in it, by name; and what is wrong with others.

    :param folder: a relative one is below the working folder.
    """
    path = pathlib.Path(os.path.abspath(os.path.expanduser(folder)))
    try:
        names = sorted(entry.name for entry in os.scandir(path) if _is_meant(entry.name))
        stamps = tuple((name, _stamp(path / name)) for name in names)
    except (OSError, ValueError) as error:  # a name may have in it what none has
        why = getattr(error, "strerror", None) or "can be the name of no folder"
        return (), (Problem("", f"{quoted(str(path))}: {why}", "a folder with a file <name>.json for each"),)
    return _loaded(path, stamps)


def _is_meant(name: str) -> bool:
    return name.lower().endswith(".json") and not name.startswith(".")


def _stamp(path: pathlib.Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)


@functools.lru_cache(64)  # a folder may be that of every region
def _loaded(path: pathlib.Path, stamps: tuple[tuple[str, tuple[int, ...]], ...]) -> Any:
    dashboards: list[Dashboard] = []
    problems: list[Problem] = []
    for name, stamp in stamps:
        found = _read(path / name, stamp)
        if isinstance(found, Dashboard):
            dashboards.append(found)
        else:
            problems.append(found)
    return tuple(dashboards), tuple(problems)


def _read(path: pathlib.Path, stamp: tuple[int, ...]) -> Dashboard | Problem:
    wrong = functools.partial(Problem, path.name)
    if stamp and not stat.S_ISREG(stamp[3]):
        return wrong("is no file", "a file, or another name than *.json")
    name = path.name[: -len(".json")]
    fits = path.name.endswith(".json")
    problem = syntax.domain(name, NAME_LIMIT, needs_dot=False) if fits else "must end in .json, in lower case"
    if problem:
        return wrong(f"its name {problem}", "for example payments.json: an object is named by it")
    if stamp and stamp[1] > TEXT_LIMIT:
        return wrong(f"has {stamp[1]:,} bytes, but an object has room for {TEXT_LIMIT:,}", _SMALLER)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        return wrong(f"can't be read: {error.strerror}", "a file that whoever runs this may read")
    except UnicodeDecodeError as error:
        return wrong(f"is no UTF-8, from byte {error.start} on", "what Grafana's Export > Save to file writes")
    sent = len(json.dumps(text, ensure_ascii=False).encode())
    if sent > TEXT_LIMIT:
        return wrong(f"takes {sent:,} bytes in an object, which has room for {TEXT_LIMIT:,}", _SMALLER)
    return _dashboard(name, text, wrong)


_SMALLER = "two dashboards; or without what Grafana adds to an export"


def _dashboard(name: str, text: str, wrong: Any) -> Dashboard | Problem:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return wrong(f"is no JSON: {error}", "what Grafana's Export > Save to file writes")
    except _NoConstant as error:
        return wrong(f"is no JSON: {error} is no number there", "null")
    except RecursionError:
        return wrong("is nested deeper than anything reads", "what Grafana's Export > Save to file writes")
    except ValueError:
        return wrong("has a number with more digits than anything reads", "what Grafana's Export > Save to file writes")
    if not isinstance(found, dict):
        return wrong("is no JSON object", "what Grafana's Export > Save to file writes")
    if isinstance(found.get("dashboard"), dict) and "uid" not in found:
        return wrong("is an answer of Grafana's API, with the dashboard inside", "what is in its field dashboard")
    if "spec" in found and "apiVersion" in found:
        return wrong("is an object of Kubernetes or of Grafana's newer API", "the dashboard alone, Export > classic")
    for key in ("uid", "title"):
        if not isinstance(found.get(key), str) or not found[key].strip():
            return wrong(f"has no {key}", f'"{key}": a text; of Grafana\'s own export it is there')
    inputs = tuple(each for each in (METRICS, LOGS, REGION) if f"${{{each}}}" in text)
    known = {str(each.get("name")) for each in _variables(found)} | {METRICS, LOGS, REGION}
    sources = []
    for source in dict.fromkeys(_sources(found)):
        variable = _VARIABLE.match(source)
        of = next(filter(None, variable.groups()), "") if variable else ""
        if of.startswith("__") or of in known or source in _BUILT_IN:
            continue
        if variable:
            listed = [each.get("name") for each in maps_of(found.get("__inputs"))]
            how = ", an input that only Grafana's own import asks for" if of in listed else ""
            return wrong(
                f"reads from {quoted(source, 60)}, which is none of its variables{how}",
                f"the name of a data source; ${{{METRICS}}}, ${{{LOGS}}} of a region; or a variable of type datasource",
            )
        sources.append(source)
    return Dashboard(name, text, found["uid"], found["title"], tuple(sources), inputs)


class _NoConstant(Exception):
    pass


def _no_constant(text: str) -> Any:
    raise _NoConstant(text)


def _variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    templating = dashboard.get("templating")
    return maps_of(templating.get("list")) if isinstance(templating, dict) else []


def _sources(dashboard: Mapping[str, Any]) -> Iterator[str]:
    """All that stands as a data source anywhere in it: a name, or {type, uid}."""
    waiting: list[Any] = [dashboard]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            source = value.get("datasource")
            if isinstance(source, str):
                yield source
            elif isinstance(source, dict) and isinstance(source.get("uid"), str):
                yield source["uid"]
            waiting += value.values()


# -- together, and among what is there


def inputs(metrics: str, region: str = "") -> dict[str, str]:
    """What the inputs become: the data sources of metrics and, of a region, of its logs, by name; and the region's own
    name, by which promxy calls it (label `promxyCluster`)."""
    return {METRICS: metrics, **({LOGS: region, REGION: region} if region else {})}


def problems(dashboards: Collection[Dashboard], given: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the dashboards of one cluster, taken together.

    :param given: its inputs.
    """
    seen: dict[tuple[str, str], str] = {}
    for each in dashboards:
        lacking = [f"${{{name}}}" for name in each.inputs if name not in given]
        uid, title = (resolved(text, given) for text in (each.uid, each.title))
        if lacking:
            yield Problem(each.file, f"has {some(lacking)} in it, which is a region's", "in a folder of a region")
        elif not _UID.match(uid):
            right = "at most 40 letters, digits, - and _"
            yield Problem(each.file, f"its uid {quoted(uid, 60)} is none that Grafana takes", right)
        for key, value in (("uid", uid), ("title", title)):
            first = seen.setdefault((key, value), each.file)
            if first != each.file:
                why = "Grafana has one of each" if key == "uid" else "of two in a folder the operator deletes the one"
                yield Problem(each.file, f"has the {key} of {first}, {quoted(value, 60)}", f"another one: {why}")
