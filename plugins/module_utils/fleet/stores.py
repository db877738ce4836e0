# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's metrics and logs in the forms in which its stores give and take them: VictoriaMetrics' native format, and
VictoriaLogs' JSON lines. By way of vmauth, below the same paths as everybody's.

Pure but for the way it is given. What is asked of one time and never of all: nothing here holds more in memory than a
few MiB, or what one short time has. Times are milliseconds since 1970; a range has its begin in it, and not its end.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Paths
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, from_json

METRICS, LOGS = "metrics", "logs"
KINDS = (METRICS, LOGS)
#: Bytes that one request takes to a store, or a line of 256 KiB more: ingress-nginx, which stands in front of kof's
#: vmauth with its defaults, refuses what is larger than 1 MiB.
AT_ONCE = 2**19
#: Of the native format: what its reader refuses, and the times before its blocks.
_LARGEST_BLOCK, HEAD = 2**20, 16
_SIZE = struct.Struct(">I")
#: Seconds that a request of an export may take: the stores end it sooner.
_NEWEST = {"latency_offset": "1ms", "nocache": "1"}
#: A cluster of stores, one of which is away, is to refuse and not to answer with half of it.
_WHOLE = {"deny_partial_response": "1", "allow_partial_response": "0"}


class Reader(Protocol):
    """An answer that is read as it comes."""

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at its end. Raises NoAnswer where it breaks off."""

    def readline(self) -> bytes:
        """The next line with its end; nothing at the end of all. Raises NoAnswer likewise."""


class Way(Protocol):
    """How stores are asked. Each raises NoAnswer."""

    def ask(self, url: str, form: Mapping[str, str], login: tuple[str, str]) -> tuple[int, bytes]:
        """HTTP status and a short answer."""

    def read(
        self, url: str, form: Mapping[str, str], login: tuple[str, str]
    ) -> AbstractContextManager[tuple[int, Reader]]:
        """HTTP status and a long answer."""

    def send(self, url: str, body: bytes, login: tuple[str, str]) -> tuple[int, bytes]:
        """HTTP status and answer to what is sent."""


class Refused(Exception):
    """The region doesn't answer, or not so: each other question would be answered likewise."""


class TooMuch(Exception):
    """The store didn't give all of what was asked: less of it may be had."""


class Unknown(Exception):
    """What a store has taken of what it was sent isn't known."""


class Ambiguous(Unknown):
    """And won't be, however often it is asked."""


@dataclass(frozen=True)
class Region:
    """A regional cluster's stores.

    :ivar address: of its vmauth.
    :ivar login: user and password of it.
    :ivar paths: behind it.
    """

    cluster: str
    address: str
    login: tuple[str, str] = field(repr=False)
    paths: Paths

    @property
    def import_metrics(self) -> str:
        return self.paths.write_metrics.removesuffix("/api/v1/write") + "/api/v1/import/native"

    @property
    def import_logs(self) -> str:
        return self.paths.write_logs.removesuffix("/insert/opentelemetry/v1/logs") + "/insert/jsonline"


def stamp(at: int) -> str:
    """A time as both stores read it."""
    return f"{datetime.datetime.fromtimestamp(at // 1000, datetime.UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def _judged(status: int, kind: str, path: str) -> None:
    """
    :raises Refused, TooMuch: it is no answer.
    """
    if status in (401, 403):
        raise Refused(f"HTTP {status}: vmauth doesn't take the stored login")
    if status in (400, 404):
        raise Refused(f"{kind}: HTTP {status}: vmauth has no route for {path}, or its store doesn't understand it")
    if status == 502:
        raise Refused(f"{kind}: HTTP 502: vmauth runs, and what stores {kind} doesn't")
    if status not in (200, 204):
        raise TooMuch(f"{kind}: HTTP {status}")


_OF_A_WAY = {"name": "its name is unknown", "certificate": "its certificate isn't trusted"}


def _unanswered(region: Region, reason: NoAnswer) -> Refused:
    why = _OF_A_WAY.get(reason.kind, "it isn't reached")
    return Refused(f"{region.address}: {why}: {reason}")


def _answer(region: Region, way: Way, path: str, form: Mapping[str, str], kind: str) -> bytes:
    try:
        status, body = way.ask(f"{region.address}{path}", form, region.login)
    except NoAnswer as reason:
        raise _unanswered(region, reason) from None
    _judged(status, kind, path)
    return body


# -- what is there


def selector(names: Iterable[str] | None = None) -> str:
    """Series of metrics of these names; of all."""
    if names is None:
        return '{__name__!=""}'
    # RE2 takes a backslash before punctuation of ASCII alone.
    escaped = "|".join(re.sub(r"([^\w:\x80-\U0010ffff])", r"\\\1", name, flags=re.ASCII) for name in names)
    return f"{{__name__=~{json.dumps(escaped, ensure_ascii=False)}}}"


def samples(region: Region, way: Way, begin: int, end: int, names: Sequence[str] | None = None) -> dict[str, int]:
    """How many samples there are, by the metric's name.

    :raises Refused, TooMuch:
    """
    found: Counter[str] = Counter()
    for row in _counted(region, way, begin, end, names, "sum(%s) by (__name__)"):
        found[row[0].get("__name__", "")] += row[1]
    return dict(found)


def series(region: Region, way: Way, begin: int, end: int, names: Sequence[str] | None) -> dict[bytes, int]:
    """How many samples there are, by series, see `key_of`.

    :raises Refused, TooMuch:
    """
    found: Counter[bytes] = Counter()
    for labels, count in _counted(region, way, begin, end, names, "%s"):
        found[_key(labels)] += count
    return dict(found)


def _counted(
    region: Region, way: Way, begin: int, end: int, names: Sequence[str] | None, how: str, of: str = ""
) -> Iterator[tuple[dict[str, str], int]]:
    path = f"{region.paths.read_metrics}/api/v1/query"
    # A range of MetricsQL is without its begin, and has its end. Markers of a series' end are no samples to the first.
    for function in ("count_over_time", "stale_samples_over_time"):
        query = how % f"{function}({of or selector(names)}[{end - begin}ms]) keep_metric_names"
        text = _answer(region, way, path, {"query": query, "time": stamp(end - 1), **_NEWEST, **_WHOLE}, METRICS)
        try:
            rows = dig(from_json(text), ("data", "result"))
            found = [({str(k): str(v) for k, v in row["metric"].items()}, int(row["value"][1])) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(f"{METRICS}: an answer that isn't Prometheus'") from None
        yield from found


def lines(region: Region, way: Way, begin: int, end: int) -> int:
    """How many lines of logs there are.

    :raises Refused, TooMuch:
    """
    path = f"{region.paths.read_logs}/select/logsql/query"
    query = f"_time:[{stamp(begin)}, {stamp(end)}) | stats count() n"
    text = _answer(region, way, path, {"query": query, **_WHOLE}, LOGS)
    try:
        (row,) = filter(None, text.splitlines())  # also of no line at all; nothing is what somebody else answers
        return int(from_json(row)["n"])
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{LOGS}: an answer that isn't VictoriaLogs'") from None


# -- the way out


def read_metrics(
    region: Region, way: Way, begin: int, end: int, names: Sequence[str], write: Callable[[bytes], object]
) -> dict[str, int]:
    """Give all blocks that have to do with that time to `write`, in the native format.

    :returns: rows by the metric's name. A block is given whole: what of it is in that time the native format's reader
        takes by the times before the first block.
    :raises Refused, TooMuch: what was written is to be thrown away.
    """
    form = {"match[]": selector(names), "start": stamp(begin), "end": stamp(end - 1), **_WHOLE}
    found: Counter[str] = Counter()
    with _reading(region, way, f"{region.paths.read_metrics}/api/v1/export/native", form, METRICS) as answer:
        write(head_of(answer))
        for block in blocks(answer):
            found[block.name.partition(b"\x01")[0].decode("utf-8", "replace")] += block.rows
            write(block.raw)
    return dict(found)


def read_logs(region: Region, way: Way, begin: int, end: int, write: Callable[[bytes], object]) -> int:
    """Give all lines of that time to `write`; how many they are.

    :raises Refused, TooMuch: what was written is to be thrown away.
    """
    number = 0
    for line in _lines(region, way, begin, end):
        number += 1
        write(line)
    return number


def _lines(region: Region, way: Way, begin: int, end: int) -> Iterator[bytes]:
    form = {"query": f"_time:[{stamp(begin)}, {stamp(end)})", **_WHOLE}
    with _reading(region, way, f"{region.paths.read_logs}/select/logsql/query", form, LOGS) as answer:
        while line := answer.readline():
            # What a store says in the middle of its answer, and where that was cut.
            if not line.startswith(b"{") or not line.endswith(b"}\n"):
                raise TooMuch(f"{LOGS}: the answer broke off")
            yield line


class _reading:
    """A long answer. What breaks in it is TooMuch."""

    def __init__(self, region: Region, way: Way, path: str, form: Mapping[str, str], kind: str) -> None:
        self._region, self._kind, self._path = region, kind, path
        self._open = way.read(f"{region.address}{path}", form, region.login)

    def __enter__(self) -> Reader:
        try:
            status, answer = self._open.__enter__()
        except NoAnswer as reason:
            raise _unanswered(self._region, reason) from None
        try:
            _judged(status, self._kind, self._path)
        except BaseException:
            self._open.__exit__(None, None, None)
            raise
        return answer

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._open.__exit__(None, None, None)
        if isinstance(error, (NoAnswer, Broken)):
            raise TooMuch(f"{self._kind}: the answer broke off: {error}") from None


# -- the native format: two times, then by block its series' name and its samples, each with its size before it


class Broken(ValueError):
    """Not the native format, or not to its end."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of a series.

    :ivar raw: all of it; name: of the series, as `key_of` reads it.
    :ivar first, last: times of its samples, the last one in it; rows: how many they are.
    """

    raw: bytes
    name: bytes
    first: int
    last: int
    rows: int


def head_of(stream: Reader) -> bytes:
    """
    :raises Broken:
    """
    head = stream.read(HEAD)
    if len(head) != HEAD:
        raise Broken("its begin is missing")
    return head


def blocks(stream: Reader) -> Iterator[Block]:
    """All behind the head.

    :raises Broken: the last one isn't whole, or is none.
    """
    while size := stream.read(4):
        name_size = _length(size)
        name = stream.read(name_size)
        second = stream.read(4)
        body = stream.read(_length(second)) if len(name) == name_size else b""
        if len(second) != 4 or len(body) != _length(second):
            raise Broken("a block isn't whole")
        try:
            first, at = _varint(body, 0)
            last, at = _varint(body, at)
            _value, at = _varint(body, at)
            rows, at = _varint(body, at, signed=False)
        except IndexError:
            raise Broken("a block isn't one") from None
        if first > last or not 0 < rows <= 2**16:
            raise Broken("a block isn't one")
        yield Block(b"".join((size, name, second, body)), name, first, last, rows)


def _length(raw: bytes) -> int:
    size: int = _SIZE.unpack(raw)[0] if len(raw) == 4 else -1
    if not 0 <= size <= _LARGEST_BLOCK:
        raise Broken("a block isn't whole, or the store has said why it gives no more")
    return size


def _varint(raw: bytes, at: int, *, signed: bool = True) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return ((value >> 1) ^ -(value & 1) if signed else value), at


_ESCAPED = {b"\x000": b"\x00", b"\x001": b"\x01", b"\x002": b"\x02"}


@functools.lru_cache(65536)
def labels_of(name: bytes) -> dict[str, str]:
    """The labels of a series, its metric's name among them, of how the native format says them."""
    texts = [
        re.sub(rb"\x00[012]", lambda found: _ESCAPED[found[0]], each).decode("utf-8", "replace")
        for each in name.split(b"\x01")
    ]
    pairs = texts[1:-1]  # behind each is the sign that ends it
    return {"__name__": texts[0], **dict(zip(pairs[::2], pairs[1::2], strict=False))}


def key_of(name: bytes) -> bytes:
    """A series, so that it is the same however a store said it."""
    return _key(labels_of(name))


def _key(labels: Mapping[str, str]) -> bytes:
    return hashlib.blake2b(json.dumps(sorted(labels.items())).encode(), digest_size=16).digest()


# -- the way back


def missing_blocks(
    region: Region, way: Way, begin: int, end: int, names: Sequence[str], content: Callable[[], Iterable[Block]]
) -> Callable[[Block], bool]:
    """Of what was sent and may have arrived in part: which blocks aren't there. A store takes a block as one, and what
    of these series is in that time is from us.

    :param content: the blocks, from the first on.
    :raises Ambiguous: it can't be told.
    :raises Refused, TooMuch:
    """
    there = series(region, way, begin, end, names)
    of: dict[bytes, list[tuple[int, int]]] = {}
    for block in content():
        key = key_of(block.name)
        if key in there:
            of.setdefault(key, []).append((max(block.first, begin), min(block.last, end - 1)))
    known: dict[tuple[bytes, int, int], bool] = {}
    doubles: list[bool] = []  # once it was asked

    def missing(block: Block) -> bool:
        key = key_of(block.name)
        if key not in there:
            return True
        first, last = max(block.first, begin), min(block.last, end - 1)
        if first > last:
            return False  # none of it is of that time
        others = [each for each in of[key] if each != (first, last)]
        if not others:
            return False
        labels = labels_of(block.name).items()
        exact = ",".join(f"{json.dumps(k)}={json.dumps(v, ensure_ascii=False)}" for k, v in labels)
        if any(low <= last and first <= high for low, high in others if low <= high):
            if not doubles:
                doubles.append(_counts_doubles_once(region, way, begin, end, f"{{{exact}}}", key))
            if doubles[0]:
                return True
            raise Ambiguous(
                "a series has several blocks of the same time, so what of it has arrived can't be told, and nothing "
                "was sent again. Delete the series of these metrics there, and run again"
            )
        if (key, first, last) not in known:
            rows = _counted(region, way, first, last + 1, None, "%s", f"{{{exact}}}")
            known[key, first, last] = any(_key(labels) == key for labels, _count in rows)
        return not known[key, first, last]

    return missing


def _counts_doubles_once(region: Region, way: Way, begin: int, end: int, exact: str, key: bytes) -> bool:
    """Whether a store has samples of a series twice and counts them once, as one with replicas does (kof's): it does no
    harm then to send some again.

    :raises Refused, TooMuch:
    """
    form = {"match[]": exact, "start": stamp(begin), "end": stamp(end - 1), **_WHOLE}
    rows, first, last = 0, begin, end - 1
    with _reading(region, way, f"{region.paths.read_metrics}/api/v1/export/native", form, METRICS) as answer:
        head_of(answer)
        for block in blocks(answer):
            if key_of(block.name) == key:
                rows, first, last = rows + block.rows, min(first, block.first), max(last, block.last)
    counted = _counted(region, way, first, last + 1, None, "%s", exact)
    return rows > sum(count for labels, count in counted if _key(labels) == key)


def send_metrics(region: Region, way: Way, head: bytes, content: Iterable[Block]) -> int:
    """Samples of these blocks. How many blocks they were.

    :raises Refused: nothing of the last request was taken.
    :raises Unknown: what of it was taken isn't known.
    """
    number = size = 0
    batch = [head]
    for block in content:
        if size + len(block.raw) > AT_ONCE and len(batch) > 1:
            _send(region, way, region.import_metrics, b"".join(batch), METRICS)
            batch, size = [head], 0
        batch.append(block.raw)
        size += len(block.raw)
        number += 1
    if len(batch) > 1:
        _send(region, way, region.import_metrics, b"".join(batch), METRICS)
    return number


def missing_lines(region: Region, way: Way, begin: int, end: int) -> Callable[[bytes], bool]:
    """Which lines aren't there: each that is there is one that isn't to be sent, once.

    :raises Refused, TooMuch:
    """
    there = Counter(_line_key(line) for line in _lines(region, way, begin, end))

    def missing(line: bytes) -> bool:
        key = _line_key(line)
        if there.get(key, 0):
            there[key] -= 1
            return False
        return True

    return missing


def _line_key(line: bytes) -> bytes:
    try:
        said = from_json(line)
        said.pop("_stream_id", None)
    except (ValueError, AttributeError):
        raise TooMuch(f"{LOGS}: a line that isn't VictoriaLogs'") from None
    return hashlib.blake2b(json.dumps(sorted(said.items())).encode(), digest_size=12).digest()


def send_logs(region: Region, way: Way, content: Iterable[bytes]) -> int:
    """Lines, each into the stream that it was of. How many they were.

    :raises Refused, Unknown: as `send_metrics`.
    """
    number, size = 0, 0
    batches: dict[str, list[bytes]] = {}
    for line in content:
        batches.setdefault(_stream_fields(line), []).append(line)
        number, size = number + 1, size + len(line)
        if size > AT_ONCE:
            _send_lines(region, way, batches)
            batches, size = {}, 0
    _send_lines(region, way, batches)
    return number


def _send_lines(region: Region, way: Way, batches: Mapping[str, list[bytes]]) -> None:
    for fields, batch in batches.items():
        query = {
            "_stream_fields": fields,
            "_time_field": "_time",
            "_msg_field": "_msg",
            "ignore_fields": "_stream,_stream_id",  # they are made of the others
        }
        path = f"{region.import_logs}?{urlencode({key: value for key, value in query.items() if value})}"
        _send(region, way, path, b"".join(batch), LOGS)


_STREAM = re.compile(rb'(?<!\\)"_stream"\s*:\s*"((?:[^"\\]|\\.)*)"')
_STREAM_FIELD = re.compile(r'[{,]([^="]+)="(?:[^"\\]|\\.)*"')


def _stream_fields(line: bytes) -> str:
    """The fields that make the stream of a line, between commas."""
    found = _STREAM.search(line)
    return _fields_of(found[1]) if found else ""


@functools.lru_cache(4096)
def _fields_of(stream: bytes) -> str:
    try:
        return ",".join(_STREAM_FIELD.findall(json.loads(b'"' + stream + b'"')))
    except ValueError:
        return ""


def _send(region: Region, way: Way, path: str, body: bytes, kind: str) -> None:
    try:
        status, _body = way.send(f"{region.address}{path}", body, region.login)
    except NoAnswer as reason:
        if reason.kind in _OF_A_WAY:
            raise _unanswered(region, reason) from None
        raise Unknown(f"{kind}: {reason}") from None
    if status in (400, 401, 403, 404):
        _judged(status, kind, path.partition("?")[0])
    if status == 413:  # nothing of it has reached the store
        raise Refused(f"{kind}: HTTP 413: what is in front of vmauth takes no request of {len(body)} bytes")
    if status not in (200, 204):
        raise Unknown(f"{kind}: HTTP {status}")
