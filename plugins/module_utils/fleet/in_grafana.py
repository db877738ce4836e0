# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in Grafana's own database and in no object of the management cluster: folders, and dashboards that somebody
made in its pages. Read for a backup, and brought back from it.

By Grafana's HTTP API: folder, folder/dashboard search, dashboard and data source API, as the documentation of 10.4 has
them. Pure but for the questions, which go out by what it is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import same
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import from_json

#: (path, query, JSON to be sent or None[, by which method: POST]) -> HTTP status and body. Raises NoAnswer.
Ask = Callable[..., "tuple[int, bytes]"]
#: Entries of one page; Grafana gives at most 5,000 of a search.
PAGE = 500
_PAGES = 200
#: Of a dashboard, what is of one Grafana alone.
_ITS_OWN = ("id", "version", "iteration")


class NotGrafana(Exception):
    """Who answers refuses, or isn't Grafana; the text quotes nothing of a dashboard."""


@dataclass(frozen=True)
class Step:
    """What restoring one folder or dashboard takes.

    :ivar action: unchanged | created | updated | refused.
    :ivar body: what is sent, by `method`; None for nothing.
    :ivar reason: why it is refused.
    """

    what: str
    action: str
    path: str = ""
    body: Any = None
    reason: str = ""
    method: str = "POST"


def read(ask: Ask, others: Collection[str]) -> dict[str, Any]:
    """Folders, each behind its parent, dashboards with the folder's uid (empty: none), and what data sources there are.

    :param others: uids of dashboards that come from elsewhere: of GrafanaDashboards.
    :raises NotGrafana, NoAnswer:
    """
    dashboards = []
    for each in sorted(_pages(ask, "/api/search", {"type": "dash-db"}), key=lambda each: each["uid"]):
        found = None if each["uid"] in others else _dashboard(ask, each["uid"])
        if found and not found[0].get("provisioned"):
            meta, dashboard = found
            dashboards.append({"folder": str(meta.get("folderUid") or ""), "dashboard": dashboard})
    sources = _json(ask, "/api/datasources", {})
    if not isinstance(sources, list) or not all(isinstance(each, dict) for each in sources):
        raise NotGrafana("what it answers to /api/datasources isn't Grafana's")
    told = [{key: str(each.get(key) or "") for key in ("uid", "name", "type")} for each in sources]
    return {
        "folders": list(_folders(ask)),
        "dashboards": dashboards,
        "sources": sorted(told, key=lambda each: each["uid"]),
    }


def _folders(ask: Ask) -> Iterator[dict[str, str]]:
    waiting, seen = [""], set()
    while waiting:
        parent = waiting.pop(0)
        for each in sorted(_below(ask, parent), key=lambda each: each["uid"]):
            if each["uid"] not in seen:
                seen.add(each["uid"])
                waiting.append(each["uid"])
                yield {"uid": each["uid"], "title": each["title"], "parent": parent}


def _below(ask: Ask, parent: str) -> list[dict[str, Any]]:
    """The folders in a folder; where Grafana has no nested ones it tells those at the top again."""
    found = _pages(ask, "/api/folders", {"parentUid": parent} if parent else {})
    return [each for each in found if (each.get("parentUid") or "") == parent and isinstance(each.get("title"), str)]


def _pages(ask: Ask, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """All entries, each once."""
    seen: set[str] = set()
    for page in range(1, _PAGES + 1):
        found = _json(ask, path, {**query, "limit": str(PAGE), "page": str(page)})
        if not isinstance(found, list) or not all(isinstance(each, dict) and _uid(each) for each in found):
            raise NotGrafana(f"what it answers to {path} isn't Grafana's")
        new = [each for each in found if each["uid"] not in seen]
        yield from new
        seen |= {each["uid"] for each in new}
        if len(found) < PAGE or not new:
            return
    raise NotGrafana(f"{path} has more than {PAGE * _PAGES} entries")


def _uid(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("uid"), str) and bool(item["uid"])


def _dashboard(ask: Ask, uid: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What Grafana says about a dashboard, and it without what is of one Grafana alone; None where it isn't there."""
    found = _json(ask, f"/api/dashboards/uid/{quote(uid, safe='')}", {}, missing=None)
    if found is None:
        return None
    meta, dashboard = (found.get("meta"), found.get("dashboard")) if isinstance(found, dict) else (None, None)
    if not isinstance(meta, dict) or not isinstance(dashboard, dict):
        raise NotGrafana("what it answers to /api/dashboards/uid isn't Grafana's")
    return meta, {key: value for key, value in dashboard.items() if key not in _ITS_OWN}


def _json(ask: Ask, path: str, query: Mapping[str, str], *, missing: Any = ...) -> Any:
    """
    :param missing: what is given where there is no such thing; without it that is an error.
    """
    status, body = ask(path, query, None)
    if status == 404 and missing is not ...:
        return missing
    if status in (401, 403):
        raise NotGrafana(f"Grafana doesn't let its administrator's login read {path} (HTTP status {status})")
    if status != 200:
        raise NotGrafana(f"Grafana answers to {path} with HTTP status {status}")
    try:
        return from_json(body)
    except ValueError:
        raise NotGrafana(f"what it answers to {path} is no JSON") from None


def checked(saved: Any) -> dict[str, Any]:
    """What an archive has of it.

    :raises ValueError: it is of another form.
    """
    if not isinstance(saved, dict) or not _is_whole(saved):
        raise ValueError("is of another form")
    return saved


def _is_whole(saved: Mapping[str, Any]) -> bool:
    if saved.keys() != {"folders", "dashboards", "sources"} or not all(
        isinstance(each, list) for each in saved.values()
    ):
        return False
    known = {""}
    for each in saved["folders"]:
        if not _texts(each, "uid", "title", "parent") or not each["uid"] or each["parent"] not in known:
            return False
        known.add(each["uid"])
    for each in saved["dashboards"]:
        if not (isinstance(each, dict) and each.keys() == {"folder", "dashboard"} and each["folder"] in known):
            return False
        if not isinstance(each["dashboard"], dict) or not _uid(each["dashboard"]):
            return False
    return all(_texts(each, "uid", "name", "type") for each in saved["sources"])


def _texts(item: Any, *keys: str) -> bool:
    return isinstance(item, dict) and item.keys() == {*keys} and all(isinstance(each, str) for each in item.values())


def plan(ask: Ask, saved: Mapping[str, Any]) -> list[Step]:
    """What there is to do, in order; nothing is written.

    :raises NotGrafana, NoAnswer:
    """
    steps: list[Step] = []
    uids: dict[str, str] = {"": ""}  # by the saved folder's, the one that it has here
    below: dict[str, dict[str, str]] = {}
    coming: set[str] = set()
    for each in saved["folders"]:
        parent = uids.get(each["parent"], "")
        if parent not in below:
            there = [] if parent in coming else _below(ask, parent)
            below[parent] = {found["uid"]: found["title"] for found in there}
        here = below[parent]
        # The operator makes those of its dashboards, with uids that Grafana chooses.
        named = each["uid"] if here.get(each["uid"]) == each["title"] else _first(here, each["title"])
        found = None if named else _json(ask, _path(each["uid"]), {}, missing=None)
        uids[each["uid"]] = named or each["uid"]
        if not named and found is None:
            coming.add(each["uid"])
        steps += _of_folder(each, parent, found, there=bool(named))
    steps += [_of_dashboard(ask, each["dashboard"], uids.get(each["folder"], "")) for each in saved["dashboards"]]
    return steps


def _first(folders: Mapping[str, str], title: str) -> str:
    return next((uid for uid, each in folders.items() if each == title), "")


def _path(uid: str) -> str:
    return f"/api/folders/{quote(uid, safe='')}"


def _of_folder(wanted: Mapping[str, str], parent: str, found: Any, *, there: bool) -> list[Step]:
    """
    :param found: the one of its uid, which has another title or is in another folder; None for none.
    :param there: whether it is there as it was.
    """
    what = f"folder {one_line(wanted['title'], 60)}"
    if there:
        return [Step(what, "unchanged")]
    if found is None:
        body = {"uid": wanted["uid"], "title": wanted["title"], **({"parentUid": parent} if parent else {})}
        return [Step(what, "created", "/api/folders", body)]
    if not isinstance(found, dict):
        raise NotGrafana("what it answers to /api/folders isn't Grafana's")
    steps = []
    if (found.get("parentUid") or "") != parent:
        steps.append(Step(f"{what} (its place)", "updated", f"{_path(wanted['uid'])}/move", {"parentUid": parent}))
    if found.get("title") != wanted["title"]:
        title: dict[str, Any] = {"title": wanted["title"], "overwrite": True}
        steps.append(Step(f"{what} (its title)", "updated", _path(wanted["uid"]), title, method="PUT"))
    return steps or [Step(what, "unchanged")]


def _of_dashboard(ask: Ask, wanted: Mapping[str, Any], folder: str) -> Step:
    what = f"dashboard {one_line(str(wanted.get('title') or ''), 60)} ({one_line(wanted['uid'], 40)})"
    found = _dashboard(ask, wanted["uid"])
    if found and found[0].get("provisioned"):
        return Step(what, "refused", reason="Grafana has it from files of its own, and takes no other")
    if found and same(found[1], wanted) and str(found[0].get("folderUid") or "") == folder:
        return Step(what, "unchanged")
    body = {"dashboard": {**wanted, "id": None}, "folderUid": folder, "overwrite": bool(found)}
    body["message"] = "restored by k0rdent.kof"
    return Step(what, "updated" if found else "created", "/api/dashboards/db", body)


def send(ask: Ask, steps: list[Step]) -> list[Step]:
    """Do it; what Grafana refuses is refused, and doesn't hold back the others.

    :raises NoAnswer:
    """
    return [each if each.body is None else _sent(ask, each) for each in steps]


def _sent(ask: Ask, step: Step) -> Step:
    status, body = ask(step.path, {}, step.body, step.method)
    if status == 200:
        return step
    try:
        said = json.loads(body)
    except ValueError:
        said = {}
    # Words like version-mismatch and name-exists; its message may quote what was sent.
    why = said.get("status") if isinstance(said, dict) and status == 412 else None
    told = f": {one_line(why, 40)}" if isinstance(why, str) else ""
    return Step(step.what, "refused", reason=f"Grafana answers with HTTP status {status}{told}")
