"""What is in Grafana alone, saved and brought back: against a stand-in with the real API's pages and refusals."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import in_grafana
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.in_grafana import NotGrafana, Step
from sandbox.grafana_api import Grafana


class Asked:
    """Grafana without a network in between."""

    def __init__(self, *, nested: bool = True) -> None:
        self.grafana = Grafana("admin", "x", nested=nested)
        self.grafana.close()
        self.login = self.grafana._login
        self.posted = 0

    def __call__(self, path: str, query: Mapping[str, str], body: Any, method: str = "POST") -> tuple[int, bytes]:
        self.posted += body is not None
        status, said = self.grafana.answer(method if body is not None else "GET", path, query, body, self.login)
        return status, said if isinstance(said, bytes) else json.dumps(said).encode()


@pytest.fixture
def asked() -> Asked:
    asked = Asked()
    asked.grafana.folder("team", "Team")
    asked.grafana.folder("inner", "Inner", "team")
    asked.grafana.folder("empty", "Empty")
    asked.grafana.dashboard("costs", "Costs", "inner", tags=["a"])
    asked.grafana.dashboard("alone", "Alone")
    asked.grafana.dashboard("charts", "Of a chart", "team")
    asked.grafana.dashboard("files", "Of files", provisioned=True)
    asked.grafana.sources = [{"id": 7, "uid": "p", "name": "promxy", "type": "prometheus", "password": "x"}]
    return asked


def saved(asked: Asked) -> dict[str, Any]:
    return in_grafana.checked(json.loads(json.dumps(in_grafana.read(asked, {"charts"}))))


def test_what_somebody_made_in_the_pages_is_saved_and_nothing_else(asked: Asked) -> None:
    assert saved(asked) == {
        "folders": [
            {"uid": "empty", "title": "Empty", "parent": ""},
            {"uid": "team", "title": "Team", "parent": ""},
            {"uid": "inner", "title": "Inner", "parent": "team"},
        ],
        "dashboards": [
            {"folder": "", "dashboard": {"uid": "alone", "title": "Alone", "panels": []}},
            {"folder": "inner", "dashboard": {"uid": "costs", "title": "Costs", "panels": [], "tags": ["a"]}},
        ],
        "sources": [{"uid": "p", "name": "promxy", "type": "prometheus"}],
    }
    assert asked.posted == 0


def test_it_comes_back_into_an_empty_one_and_is_there_then(asked: Asked) -> None:
    content, other = saved(asked), Asked()
    steps = in_grafana.plan(other, content)
    assert other.posted == 0
    assert [each.action for each in in_grafana.send(other, steps)] == ["created"] * 5
    assert in_grafana.read(other, ()) == {**content, "sources": []}
    assert {each.action for each in in_grafana.plan(other, content)} == {"unchanged"}


def test_a_folder_that_the_operator_has_made_meanwhile_is_the_same_by_its_title(asked: Asked) -> None:
    content, other = saved(asked), Asked()
    other.grafana.folder("random", "Team")
    in_grafana.send(other, in_grafana.plan(other, content))
    assert other.grafana.folders["inner"]["parentUid"] == "random"
    assert "team" not in other.grafana.folders


def test_what_is_there_and_differs_is_told_apart(asked: Asked) -> None:
    content = saved(asked)
    asked.grafana.dashboard("costs", "Costs", "inner", tags=["b"])
    asked.grafana.dashboard("alone", "Alone", "team")
    steps = {each.what: each for each in in_grafana.plan(asked, content)}
    assert steps["dashboard Costs (costs)"].action == "updated"
    assert steps["dashboard Alone (alone)"].action == "updated"  # moved to a folder
    done = in_grafana.send(asked, list(steps.values()))
    assert {each.action for each in done} == {"unchanged", "updated"}
    assert in_grafana.read(asked, {"charts"}) == content


@pytest.mark.parametrize(
    ("title", "parent", "steps"),
    [
        ("Of today", "team", ["folder Inner (its title)"]),
        ("inner", "team", ["folder Inner (its title)"]),
        ("Inner", "empty", ["folder Inner (its place)"]),
        ("Inner", "", ["folder Inner (its place)"]),
        ("Of today", "", ["folder Inner (its place)", "folder Inner (its title)"]),
    ],
)
def test_a_folder_of_another_title_or_place_differs_and_is_set_back(
    asked: Asked, title: str, parent: str, steps: list[str]
) -> None:
    content = saved(asked)
    asked.grafana.folders["inner"] |= {"title": title, "parentUid": parent}
    planned = in_grafana.plan(asked, content)
    assert [each.what for each in planned if each.action == "updated"] == steps
    assert asked.posted == 0
    assert "refused" not in {each.action for each in in_grafana.send(asked, planned)}
    assert in_grafana.read(asked, {"charts"}) == content
    assert {each.action for each in in_grafana.plan(asked, content)} == {"unchanged"}


def test_a_folder_whose_title_another_one_has_got_is_that_one_and_what_can_not_be_set_back_is_refused(
    asked: Asked,
) -> None:
    content = saved(asked)
    asked.grafana.folders["team"]["title"] = "Of today"
    asked.grafana.folder("new", "Team")
    planned = in_grafana.plan(asked, content)
    assert [each.what for each in planned if each.action == "updated"][:1] == ["folder Inner (its place)"]
    asked.grafana.folder("other", "Inner", "new")  # somebody's, after the look
    done = {each.what: each for each in in_grafana.send(asked, planned)}
    assert done["folder Inner (its place)"].reason == "Grafana answers with HTTP status 409"


def test_what_grafana_refuses_holds_back_nothing_else(asked: Asked) -> None:
    content, other = saved(asked), Asked()
    other.grafana.dashboard("another", "Alone")
    other.grafana.dashboard("costs", "Costs", provisioned=True)
    steps = in_grafana.send(other, in_grafana.plan(other, content))
    assert {each.what: each.reason for each in steps if each.action == "refused"} == {
        "dashboard Alone (alone)": "Grafana answers with HTTP status 412: name-exists",
        "dashboard Costs (costs)": "Grafana has it from files of its own, and takes no other",
    }
    # Made by somebody after the look.
    step = Step("d", "created", "/api/dashboards/db", {"dashboard": {"uid": "another", "title": "B"}})
    assert in_grafana.send(other, [step])[0].reason.endswith("412: version-mismatch")
    assert in_grafana.send(other, [Step("f", "updated", "/api/folders/team", {"title": "x"}, method="PUT")])[
        0
    ].reason.endswith("412: version-mismatch")
    folder = Step("f", "created", "/api/folders", {"uid": "x", "title": "Team"})
    assert in_grafana.send(other, [folder])[0].reason == "Grafana answers with HTTP status 409"


@pytest.mark.parametrize("number", [0, 1, 4, 5, 6, 13])
def test_all_pages_are_read(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_grafana, "PAGE", 5)
    asked = Asked()
    for each in range(number):
        asked.grafana.folder(f"f{each:02}", f"F{each}")
        asked.grafana.dashboard(f"d{each:02}", f"D{each}", f"f{each:02}")
    found = saved(asked)
    assert [each["uid"] for each in found["folders"]] == [f"f{each:02}" for each in range(number)]
    assert [each["folder"] for each in found["dashboards"]] == [f"f{each:02}" for each in range(number)]


def test_without_nested_folders_none_is_told_twice() -> None:
    asked = Asked(nested=False)
    for name in ("a", "b"):
        asked.grafana.folder(name, name)
    assert [each["parent"] for each in saved(asked)["folders"]] == ["", ""]


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/search", 403, "doesn't let its administrator"),
        ("/api/folders", 500, "HTTP status 500"),
        ("/api/datasources", 404, "404"),
    ],
)
def test_a_refused_question_is_told(asked: Asked, path: str, status: int, why: str) -> None:
    asked.grafana.refuses[path] = status
    with pytest.raises(NotGrafana, match=why):
        saved(asked)


@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", b'[{"uid": 1}]', b"[1]", b'[{"uid": ""}]', b"\xff"])
def test_who_answers_something_else_is_not_grafana(body: bytes) -> None:
    with pytest.raises(NotGrafana):
        in_grafana.read(lambda _path, _query, _body: (200, body), ())


def test_a_server_that_gives_the_same_page_for_ever_is_left() -> None:
    page = json.dumps([{"uid": str(each), "title": "t"} for each in range(in_grafana.PAGE)]).encode()
    asked: list[str] = []

    def ask(path: str, _query: Mapping[str, str], _body: Any) -> tuple[int, bytes]:
        asked.append(path)
        return (200, page) if path in ("/api/search", "/api/folders") else (404, b"{}")

    with pytest.raises(NotGrafana):
        in_grafana.read(ask, ())
    assert asked.count("/api/search") == 2


def test_folders_that_are_in_each_other_are_told_once() -> None:
    def ask(path: str, query: Mapping[str, str], _body: Any) -> tuple[int, bytes]:
        parent = query.get("parentUid", "")
        here = {"": ["a"], "a": ["b", "a"], "b": ["a"]}[parent] if path == "/api/folders" else []
        return 200, json.dumps([{"uid": uid, "title": uid, "parentUid": parent} for uid in here]).encode()

    assert [each["uid"] for each in in_grafana.read(ask, ())["folders"]] == ["a", "b"]


GOOD: dict[str, Any] = {
    "folders": [{"uid": "a", "title": "A", "parent": ""}],
    "dashboards": [{"folder": "a", "dashboard": {"uid": "d"}}],
    "sources": [{"uid": "s", "name": "n", "type": "t"}],
}
WRONG = [
    None,
    [],
    {},
    {**GOOD, "more": []},
    {**GOOD, "folders": {}},
    {**GOOD, "folders": [None]},
    {**GOOD, "folders": [{"uid": "a", "title": 1, "parent": ""}]},
    {**GOOD, "folders": [{"uid": "", "title": "", "parent": ""}]},
    {**GOOD, "folders": [{"uid": "a", "title": "A", "parent": "later"}]},
    {**GOOD, "dashboards": [{"folder": "a"}]},
    {**GOOD, "dashboards": [{"folder": 1, "dashboard": {"uid": "d"}}]},
    {**GOOD, "dashboards": [{"folder": "", "dashboard": {}}]},
    {**GOOD, "dashboards": [{"folder": "", "dashboard": []}]},
    {**GOOD, "sources": [{"uid": "s"}]},
]


def test_what_an_archive_has_of_it_is_looked_at() -> None:
    assert in_grafana.checked(copy.deepcopy(GOOD)) == GOOD
    for each in WRONG:
        with pytest.raises(ValueError, match="another form"):
            in_grafana.checked(each)
