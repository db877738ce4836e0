"""What stores of a region answer when something is wrong, and what of it may not count as whole."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import stores
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.stores import (
    Ambiguous,
    Broken,
    Refused,
    Region,
    TooMuch,
    Unknown,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES, RELEASES

REGION = Region("eu1", "https://vmauth.eu1.example.com", ("u", "CANARY"), RELEASES["0.1.1"].paths)
HEAD = bytes(16)


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def block(name: bytes, first: int, last: int, rows: int) -> bytes:
    """As VictoriaMetrics writes it, but for its samples."""
    body = varint(first * 2) + varint(last * 2) + varint(0) + varint(rows) + b"\0" + bytes([2, 2, 64]) + b"\x01\x02\x00"
    return struct.pack(">I", len(name)) + name + struct.pack(">I", len(body)) + body


WHOLE = HEAD + block(b"up\x01job\x01a\x01", 1000, 5000, 5) + block(b"up\x01job\x01b\x01", 1000, 5000, 7)


class Way:
    """Answers as it is told.

    :ivar asked: url, form or query; sent: url and body.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.sent = list(answers), list[tuple[str, Any]](), list[tuple[str, bytes]]()

    def _next(self) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> tuple[int, bytes]:
        assert login == REGION.login
        self.asked.append((url, dict(form)))
        status, body = self._next()
        return status, body

    @contextlib.contextmanager
    def read(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> Iterator[tuple[int, Any]]:
        status, body = self.ask(url, form, login)
        yield status, body if hasattr(body, "read") else io.BytesIO(body)

    def send(self, url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        self.sent.append((url, body))
        status, said = self.ask(url, {}, login)
        return status, said


def read(way: Way) -> tuple[dict[str, int], bytes]:
    found = io.BytesIO()
    return stores.read_metrics(REGION, way, 0, 6000, ["up"], found.write), found.getvalue()


def test_all_blocks_are_given_as_they_come_and_counted() -> None:
    way = Way((200, WHOLE))
    assert read(way) == ({"up": 12}, WHOLE)
    url, form = way.asked[0]
    assert url == "https://vmauth.eu1.example.com/vm/select/0/prometheus/api/v1/export/native"
    assert (form["match[]"], form["start"], form["end"]) == (
        '{__name__=~"up"}',
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:05.999Z",
    )


@pytest.mark.parametrize("cut", [*range(1, 16), *range(17, len(WHOLE) - 29), *range(len(WHOLE) - 27, len(WHOLE))])
def test_an_answer_that_was_cut_anywhere_is_not_whole(cut: int) -> None:
    if cut == 16 + len(block(b"up\x01job\x01a\x01", 1000, 5000, 5)):
        return  # between two blocks: known by the count alone
    with pytest.raises(TooMuch, match="broke off"):
        read(Way((200, WHOLE[:cut])))


def test_what_a_store_says_in_the_middle_of_its_answer_is_no_block() -> None:
    with pytest.raises(TooMuch, match="broke off"):
        read(Way((200, WHOLE + b"\nremoteAddr: cannot read: i/o timeout\n")))


@pytest.mark.parametrize("body", [b"\xff" * 40, b"", bytes(40)])
def test_what_is_no_block_is_refused(body: bytes) -> None:
    with pytest.raises(Broken):
        list(stores.blocks(io.BytesIO(struct.pack(">I", 2) + b"up" + struct.pack(">I", len(body)) + body)))


class _Breaks(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found:
            raise NoAnswer("refused", "reset")
        return found

    def readline(self, size: int | None = -1) -> bytes:
        found = super().readline(size)
        if not found:
            raise NoAnswer("refused", "reset")
        return found


def test_a_connection_that_breaks_between_blocks_is_not_its_end() -> None:
    with pytest.raises(TooMuch, match="broke off: reset"):
        read(Way((200, _Breaks(WHOLE))))
    with pytest.raises(TooMuch, match="broke off: reset"):
        stores.read_logs(REGION, Way((200, _Breaks(b'{"_time":"t"}\n'))), 0, 1000, lambda _: None)


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        ((401, b"secret"), Refused, "HTTP 401: vmauth doesn't take the stored login"),
        ((400, b"missing route"), Refused, "HTTP 400: vmauth has no route for /vm/select"),
        ((502, b""), Refused, "what stores metrics doesn't"),
        ((422, b""), TooMuch, "HTTP 422"),
        ((503, b""), TooMuch, "HTTP 503"),
        (NoAnswer("certificate", "self-signed"), Refused, "its certificate isn't trusted: self-signed"),
        (NoAnswer("name", "no such name"), Refused, "its name is unknown"),
        (NoAnswer("refused", "refused"), Refused, "it isn't reached: refused"),
        ((302, b""), TooMuch, "HTTP 302"),
    ],
)
def test_refusals_are_told_and_login_and_answer_are_not(answer: Any, kind: type[Exception], told: str) -> None:
    for ask in (read, lambda way: stores.samples(REGION, way, 0, 1000)):
        with pytest.raises(kind) as caught:
            ask(Way(answer))
        assert told in str(caught.value)
        assert "CANARY" not in str(caught.value) + repr(REGION)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": {"result": [{}]}}', b'{"data": {"result": 3}}', b"null"])
def test_an_answer_of_somebody_else_is_no_count(body: bytes) -> None:
    with pytest.raises(Refused, match="isn't Prometheus'"):
        stores.samples(REGION, Way((200, body)), 0, 1000)
    with pytest.raises(Refused, match="isn't VictoriaLogs'"):
        stores.lines(REGION, Way((200, body)), 0, 1000)


@pytest.mark.parametrize("answer", [(200, b""), (200, b"\n"), (204, b""), (200, b'{"n":"1"}\n{"n":"2"}\n')])
def test_no_answer_is_no_count_of_logs(answer: Any) -> None:
    with pytest.raises(Refused, match="isn't VictoriaLogs'"):
        stores.lines(REGION, Way(answer), 0, 1000)
    assert stores.lines(REGION, Way((200, b'{"n":"0"}\n')), 0, 1000) == 0


@pytest.mark.parametrize("body", [b'{"_time":"t"}\n{"_ti', b'{"_time":"t"}', b'{"_time":"t"}\n\nremoteAddr: timeout\n'])
def test_lines_of_logs_that_were_cut_are_not_whole(body: bytes) -> None:
    with pytest.raises(TooMuch, match="broke off"):
        stores.read_logs(REGION, Way((200, body)), 0, 1000, lambda _: None)


def test_paths_of_writing_are_those_of_the_line() -> None:
    told = {line: (Region("a", "", ("", ""), release.paths)) for line, release in LINES.items()}
    for each in told.values():
        assert each.import_metrics == "/vm/insert/0/prometheus/api/v1/import/native"
        assert each.import_logs in ("/vls/insert/jsonline", "/vli/insert/jsonline")
    assert "opentelemetry" not in repr(told["0.1"].import_logs)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("up", "up"), ("a:b_c", "a:b_c"), ("a.b", r"a\\.b"), ("é", "é"), ("é.(|", r"é\\.\\(\\|"), ('q"', r"q\\\"")],
)
def test_names_of_metrics_are_said_exactly(name: str, wanted: str) -> None:
    assert stores.selector([name]) == f'{{__name__=~"{wanted}"}}'


def test_labels_are_read_as_they_were_written() -> None:
    name = 'up\x01a\x01b"\\é\x01x\x01\x000\x001\x002\x01'.encode()
    assert stores.labels_of(name) == {"__name__": "up", "a": 'b"\\é', "x": "\x00\x01\x02"}
    assert stores.key_of(b"up\x01a\x01b\x01c\x01d\x01") == stores.key_of(b"up\x01c\x01d\x01a\x01b\x01")


def stream(line: Mapping[str, str]) -> str:
    way = Way((200, b""))
    stores.send_logs(REGION, way, [json.dumps(line).encode() + b"\n"])
    (sent,) = way.sent
    return sent[0].partition("?")[2].partition("&_time")[0]


def test_lines_go_back_into_their_streams() -> None:
    tricky = '"_stream":"{x=\\"1\\"}"'
    assert stream({"_msg": tricky, "_stream": '{a="b,c=\\"d\\"",k8s.e="}"}'}) == "_stream_fields=a%2Ck8s.e"
    assert stream({"_stream": "{}"}) == "_time_field=_time&_msg_field=_msg&ignore_fields=_stream%2C_stream_id"
    way = Way((200, b""))
    lines = [json.dumps({"_stream": f'{{f{number % 2}="x"}}'}).encode() + b"\n" for number in range(10)]
    assert stores.send_logs(REGION, way, lines) == 10
    assert [body.count(b"\n") for _url, body in way.sent] == [5, 5]


def test_what_is_missing_of_lines_is_missing_as_often() -> None:
    line = b'{"_time":"1","_msg":"a"}\n'
    missing = stores.missing_lines(REGION, Way((200, b'{"_msg":"a","_stream_id":"0","_time":"1"}\n')), 0, 1000)
    assert [missing(line), missing(line), missing(b'{"_time":"2"}\n')] == [False, True, True]


def found(*rows: tuple[Mapping[str, str], int]) -> tuple[int, bytes]:
    result = [{"metric": metric, "value": [0, str(count)]} for metric, count in rows]
    return 200, json.dumps({"data": {"result": result}}).encode()


def missing(content: bytes, *answers: Any) -> list[bool]:
    def blocks() -> list[stores.Block]:
        stream = io.BytesIO(content)
        stores.head_of(stream)
        return list(stores.blocks(stream))

    judge = stores.missing_blocks(REGION, Way(*answers), 1000, 9000, ["up"], blocks)
    return [judge(each) for each in blocks()]


A, B = {"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}
TWO = HEAD + block(b"up\x01job\x01a\x01", 500, 2000, 5) + block(b"up\x01job\x01a\x01", 2001, 9500, 5)


def test_blocks_of_series_that_are_there_are_not_missing() -> None:
    assert missing(WHOLE, found((B, 7)), found()) == [True, False]
    assert missing(WHOLE, found(), found()) == [True, True]


def test_of_a_series_in_several_blocks_each_is_asked_for() -> None:
    assert missing(TWO, found((A, 5)), found(), found((A, 5)), found(), found(), found()) == [False, True]


def test_of_blocks_of_the_same_time_all_are_sent_where_doubles_are_counted_once() -> None:
    overlapping = TWO + block(b"up\x01job\x01a\x01", 1500, 9000, 5)
    once = block(b"up\x01job\x01a\x01", 1000, 2000, 5) + block(b"up\x01job\x01b\x01", 1000, 2000, 5)
    there = found((A, 5)), found()
    assert missing(overlapping, *there, (200, HEAD + once + once), *there) == [True] * 3
    with pytest.raises(Ambiguous, match="several blocks of the same time"):
        missing(overlapping, *there, (200, HEAD + once), *there)


def test_requests_are_of_a_bounded_size_each_with_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "AT_ONCE", 100)
    stream = io.BytesIO(HEAD + b"".join(block(b"up\x01", 0, number, 1) for number in range(50)))
    stores.head_of(stream)
    way = Way((204, b""))
    assert stores.send_metrics(REGION, way, HEAD, stores.blocks(stream)) == 50
    assert len(way.sent) > 5
    assert all(body.startswith(HEAD) and len(body) < 150 for _url, body in way.sent)


def test_requests_are_of_a_size_that_ingress_nginx_takes_by_default() -> None:
    line = b'{"_msg":"' + b"x" * (2**18 - 12) + b'"}\n'  # the longest that VictoriaLogs takes
    way = Way((204, b""))
    assert stores.send_logs(REGION, way, [line] * 20) == 20
    samples = [stores.Block(block(b"up\x01", 0, 9, 1), b"up\x01", 0, 9, 1)] * 40_000
    assert stores.send_metrics(REGION, way, HEAD, samples) == 40_000
    assert max(len(body) for _url, body in way.sent) <= 2**20
    for send in (
        lambda: stores.send_logs(REGION, Way((413, b"<html>")), [line]),
        lambda: stores.send_metrics(REGION, Way((413, b"<html>")), HEAD, samples[:1]),
    ):
        with pytest.raises(Refused, match="HTTP 413: what is in front of vmauth takes no request of "):
            send()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [((401, b""), Refused), ((500, b""), Unknown), ((503, b""), Unknown), (NoAnswer("refused", "reset"), Unknown)],
)
def test_what_was_taken_of_a_request_that_failed_is_unknown(answer: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        stores.send_logs(REGION, Way(answer), [b"{}\n"])
