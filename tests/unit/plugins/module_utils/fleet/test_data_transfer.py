"""How data is asked for in parts, and what becomes of a part that can't be had."""

from __future__ import annotations

import io
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from unit.plugins.module_utils.fleet.test_stores import HEAD, REGION, block

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data_transfer, saved_data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data_transfer import Patience, Told
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.saved_data import About, Folder

HOUR = 3_600_000
NOW = Patience(settled=0.0, arrived=0.2)


class Store:
    """A region with a sample and a line each second, whose answers may be cut.

    :ivar most: seconds beyond which an answer is cut; names beyond which it is refused.
    :ivar moves: answers after which there is one line more.
    :ivar there: of what is sent, how many are counted.
    """

    def __init__(self, end: int, names: int = 3) -> None:
        self.end, self.names = end, [f"m{number}" for number in range(names)]
        self.most_seconds, self.most_names, self.moves, self.reads = 10**9, 10**9, 0, 0
        self.full, self.sent = True, {"metrics": 0, "logs": 0}
        self.whole = True

    def ask(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> tuple[int, bytes]:
        if "logsql" in url:
            number = self._seconds(*self._logs(form)) + (1 if self.moves > 0 else 0) if self.full else self.sent["logs"]
            self.moves = max(0, self.moves - 1)
            return 200, json.dumps({"n": str(number)}).encode()
        if "stale_samples" in form["query"]:
            return 200, b'{"data":{"result":[]}}'
        found = re.search(r"\[(\d+)ms\]", form["query"])
        assert found
        number = (
            self._seconds(_ms(form["time"]) + 1 - int(found[1]), _ms(form["time"]) + 1)
            if self.full
            else self.sent["metrics"]
        )
        rows = [{"metric": {"__name__": name}, "value": [0, str(number)]} for name in self._named(form["query"])]
        return 200, json.dumps({"data": {"result": rows if number else []}}).encode()

    @contextmanager
    def read(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> Iterator[tuple[int, Any]]:
        self.reads += 1
        if "logsql" in url:
            begin, end = self._logs(form)
            text = b"".join(b'{"_time":"%d"}\n' % second for second in range(self._seconds(begin, end)))
            yield 200, io.BytesIO(text if self._seconds(begin, end) <= self.most_seconds else text[: len(text) // 2])
            return
        begin, end = _ms(form["start"]), _ms(form["end"]) + 1
        names, rows = self._named(form["match[]"]), self._seconds(begin, end)
        text = HEAD + b"".join(block(name.encode() + b"\x01", begin, end - 1, rows) for name in names)
        cut = rows > self.most_seconds or len(names) > self.most_names
        yield 200, io.BytesIO(text[:-9] if cut else text)

    def send(self, url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        raise AssertionError

    def _seconds(self, begin: int, end: int) -> int:
        return max(0, (min(end, self.end) + 999) // 1000 - (begin + 999) // 1000)

    def _named(self, text: str) -> list[str]:
        found = re.search(r'__name__=~"([^"]*)"', text)
        return found[1].split("|") if found else self.names

    @staticmethod
    def _logs(form: Mapping[str, str]) -> tuple[int, int]:
        found = re.search(r"_time:\[(\S+), (\S+)\)", form["query"])
        assert found
        return _ms(found[1]), _ms(found[2])


def _ms(text: str) -> int:
    return saved_data.moment(text, 0)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_transfer, "_PAUSE", 0)


def folder(tmp_path: pathlib.Path, end: int) -> Folder:
    made = Folder(tmp_path / "kof-data-prod-19700101t000000z")
    made.begin(About("prod", "0.1.1", 0, end))
    return made


def saved(made: Folder, store: Store) -> dict[str, Told]:
    return {each.kind: each for each in data_transfer.save(made, [REGION], store, lambda _: None)}


def covered(made: Folder, kind: str, name: str | None = None) -> list[tuple[int, int]]:
    mine = [each for each in made.about.parts if each.kind == kind and (name is None or name in each.names)]
    return sorted((each.begin, each.end) for each in mine)


def test_each_ms_of_each_metric_is_in_one_part(tmp_path: pathlib.Path) -> None:
    made = folder(tmp_path, 2 * HOUR + 7)
    told = saved(made, Store(made.about.end))
    assert (told["metrics"].count, told["logs"].count) == (3 * 7201, 7201)
    assert covered(made, "logs") == [(0, HOUR), (HOUR, 2 * HOUR), (2 * HOUR, 2 * HOUR + 7)]
    assert covered(made, "metrics", "m1") == [(0, 2 * HOUR + 7)]


def test_what_is_cut_is_asked_for_in_halves(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    store.most_seconds, store.most_names = 1000, 2
    told = saved(made, store)
    assert not told["metrics"].why + told["logs"].why
    assert (told["metrics"].count, told["logs"].count) == (3 * 3600, 3600)
    quarters = [(number * HOUR // 4, (number + 1) * HOUR // 4) for number in range(4)]
    assert covered(made, "logs") == quarters
    for name in store.names:
        assert covered(made, "metrics", name) == quarters
    reads, made = store.reads, again(made)
    assert not saved(made, store)["logs"].why
    assert store.reads == reads  # all of it is whole


def again(made: Folder) -> Folder:
    made.release()
    found = Folder(made.path)
    found.go_on()
    return found


def test_what_is_cut_however_short_it_is_is_told_and_not_there(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    store.most_seconds = 0
    told = saved(made, store)
    for kind in ("metrics", "logs"):
        (why,) = told[kind].why
        assert "even of" in why
        assert told[kind].count == 0
    assert not made.about.parts
    assert not list(made.path.rglob("*.gz*"))


def test_what_changes_while_it_is_read_is_read_again(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    store.moves = 2
    assert saved(made, store)["logs"].count == 3600
    store.moves = 10**6
    made = folder(tmp_path / "other", HOUR)
    told = saved(made, store)
    assert "lines, even of" in told["logs"].why[0]
    assert told["metrics"].count == 3 * 3600


def test_nothing_is_asked_for_once_nobody_wants_it_any_more(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, 480 * HOUR), Store(480 * HOUR)
    told = data_transfer.save(made, [REGION], store, lambda _: None, lambda: len(made.about.parts) < 5)
    assert [each.why for each in told] == [["stopped"], ["stopped"]]
    assert len(made.about.parts) < 8  # those that were on their way


def test_many_names_are_several_parts(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_transfer, "MOST", {"metrics": 8000, "logs": 1000})
    made = folder(tmp_path, HOUR)
    saved(made, Store(HOUR, names=7))
    assert [len(each.names) for each in made.about.parts if each.kind == "metrics"] == [2, 2, 2, 1]
    assert len(covered(made, "logs")) == 4


def test_nothing_is_sent_where_others_have_samples_and_what_doesnt_arrive_is_told(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    saved(made, store)
    store.full, store.sent = False, {"metrics": 5, "logs": 3600}

    def back() -> dict[str, Told]:
        options: dict[str, Any] = {"may_write": lambda: None, "patience": NOW, "check_mode": False}
        return {each.kind: each for each in data_transfer.bring_back(made, [REGION], store, lambda _: None, **options)}

    told = back()
    assert "eu1 has 15 samples of these metrics in that time already, and 10800 are saved" in told["metrics"].why[0]
    assert (told["logs"].there, told["logs"].why) == (1, [])
    store.sent = {"metrics": 0, "logs": 3600}
    store.send = lambda *_: (204, b"")  # type: ignore[method-assign]
    told = back()
    assert "all was sent, and 0 of 10800 are at eu1" in told["metrics"].why[0]
    assert (made.path / saved_data.BEGUN).exists()
    store.send = lambda *_: (503, b"")  # type: ignore[method-assign]
    assert "eu1 doesn't take it, or doesn't answer: run again" in back()["metrics"].why[0]
    store.send = lambda *_: (401, b"")  # type: ignore[method-assign]
    assert "HTTP 401" in back()["metrics"].why[0]


def test_what_was_begun_at_a_region_is_known_until_it_is_asked_again(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    saved(made, store)
    for part in made.about.parts:
        made.sending(part)
    begun = made.begun()
    other = replace(REGION, cluster="us1")
    for regions in ([], [other]):
        data_transfer.bring_back(
            made, regions, store, lambda _: None, may_write=lambda: None, patience=NOW, check_mode=False
        )
        assert made.begun() == begun
    data_transfer.bring_back(
        made, [REGION], store, lambda _: None, may_write=lambda: None, patience=NOW, check_mode=False
    )
    assert made.begun() == []


def test_a_run_that_may_not_write_sends_nothing(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    saved(made, store)
    store.full = False

    def may_not() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        data_transfer.bring_back(
            made, [REGION], store, lambda _: None, may_write=may_not, patience=NOW, check_mode=False
        )
    assert not (made.path / saved_data.BEGUN).exists()


def test_no_request_begins_once_a_run_may_not_write_any_more(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_transfer.stores, "AT_ONCE", 1000)
    made, store, asked, sent = folder(tmp_path, HOUR), Store(HOUR), list[int](), list[bytes]()
    saved(made, store)
    store.full = False

    def send(url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        sent.append(body)
        return 204, b""

    def may_write() -> None:  # as a lease that is lost in the middle of a part
        asked.append(1)
        if len(asked) > 8:
            raise KeyError

    store.send = send  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        data_transfer.bring_back(
            made, [REGION], store, lambda _: None, may_write=may_write, patience=NOW, check_mode=False
        )
    assert len(sent) <= 8


def test_what_is_told_is_what_is_sent_whatever_others_have_written(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    saved(made, store)
    store.full, store.sent = False, {"metrics": 5000, "logs": 4000}
    store.send = lambda *_: (204, b"")  # type: ignore[method-assign]
    for part in made.about.parts:
        made.sending(part)

    @contextmanager
    def others(url: str, form: Mapping[str, str], login: tuple[str, str]) -> Iterator[tuple[int, Any]]:
        yield 200, io.BytesIO(b"".join(b'{"_time":"another %d"}\n' % number for number in range(4000)))

    store.read = others  # type: ignore[method-assign]
    for check_mode, there in ((True, 5000), (False, 5000), (False, 1000)):
        store.sent["metrics"] = there
        told = data_transfer.bring_back(
            made, [REGION], store, lambda _: None, may_write=lambda: None, patience=NOW, check_mode=check_mode
        )
        assert {each.kind: each.count for each in told} == {"metrics": 0, "logs": 3600}


def test_what_cant_be_told_isnt_sent_again_and_why_is_told(tmp_path: pathlib.Path) -> None:
    made, store = folder(tmp_path, HOUR), Store(HOUR)
    content = HEAD + block(b"m0\x01", 0, HOUR // 2, 1800) + block(b"m0\x01", 0, HOUR - 1, 3600)

    def fill(write: Callable[[bytes], object]) -> int:
        write(content)
        return 3600

    part = made.put("eu1", "metrics", 0, HOUR, ("m0",), fill)
    made.sending(part)
    store.full, store.sent = False, {"metrics": 1800, "logs": 0}

    @contextmanager
    def once(url: str, form: Mapping[str, str], login: tuple[str, str]) -> Iterator[tuple[int, Any]]:
        yield 200, io.BytesIO(HEAD + block(b"m0\x01", 0, HOUR // 2, 1800))

    store.read = once  # type: ignore[method-assign]
    told = data_transfer.bring_back(
        made, [REGION], store, lambda _: None, may_write=lambda: None, patience=NOW, check_mode=False
    )
    (why,) = [each.why for each in told if each.kind == "metrics"]
    assert "several blocks of the same time" in why[0]
    assert why[0].startswith(part.file)
    assert "doesn't answer" not in why[0]


def test_why_stores_dont_answer_is_told_whatever_it_is() -> None:
    store = Store(HOUR)
    assert data_transfer.wait(REGION, store, 0) == ""
    store.ask = lambda *_: (302, b"")  # type: ignore[method-assign]
    assert data_transfer.wait(REGION, store, 0.1) == "metrics: HTTP 302"
