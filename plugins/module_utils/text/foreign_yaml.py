# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads YAML that others wrote (manifests, kubeconfigs, charts, values on live clusters) as helm and kubectl read it.

Their reader is sigs.k8s.io/yaml 1.6 (go.yaml.in/yaml/v2 behind it): YAML 1.1 with exceptions that PyYAML doesn't share.
`=` is text, `<<` merges in its place, dates are text, `1:30` is text, `0o17` is a number, every key becomes text. The
text is cut into events by libyaml, of which both are made; what the events mean is decided here.

What it reads, we read as the same value; what it refuses, we refuse, but for a few things that YAML 1.2 allows: the
escape `\\/`, a `?` inside of a flow scalar, a comma right behind a tag. Known to be read by it and refused here: a tag
with a comma or bracket in it, a second byte order mark, and what stands behind a list, map or quoted text that is a
whole document.

Text and values only; no Kubernetes, no files. What is written by us is written by yaml_text.py.
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

#: Levels that lists and maps may be nested. The Go library's limit is 10,000, but what walks the value here recurses.
DEEPEST = 400


class NotYaml(ValueError):
    """Text that sigs.k8s.io/yaml would not read either; the message quotes nothing of it.

    :ivar line: where, counted from 1; 0 where that is not known.
    """

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.why, self.line = why, line


def read(text: str | bytes, *, whole: bool = False) -> Any:
    """The first document of `text`: None, bool, int, float, str, or list or dict (string keys) of these.

    Bytes are UTF-8 or, with a byte order mark, UTF-16. What an alias stands for is one object with its anchor's.
    Of a key that is there twice the last one counts.

    :param whole: whether anything behind the first document is a fault, too; the Go library doesn't look there.
    :raises NotYaml: where sigs.k8s.io/yaml's YAMLToJSON has an error, and where it is deeper than DEEPEST.
    """
    import yaml  # PyYAML comes with ansible-core; module_utils may not import it at the top

    try:
        text = _text(text)
        stand_in = ""
        if _MARK in text[1:]:
            stand_in = next(each for each in map(chr, range(0xE000, 0xF900)) if each not in text)
            text = text[:1] + text[1:].replace(_MARK, stand_in)
        value = _value(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader), stand_in, whole)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # The problems that quote do it at their end.
        why = (error.problem or "it can't be read").partition(" '")[0]
        raise NotYaml(why, mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, UnicodeError):
        raise NotYaml("it holds bytes or characters that YAML forbids") from None
    if _NOT_FINITE.search(text):
        _refuse_not_finite(value)
    return value


@functools.lru_cache(maxsize=4096)
def shared(text: str) -> Any:
    """As `read` with `whole`: one value for all who ask for the same text, which is of a thousand clusters and read by
    several jobs. Nobody may change it.

    :raises NotYaml:
    """
    return read(text, whole=True)


def documents(text: str) -> Iterator[Any]:
    """The documents of a manifest, cut at lines of `---` as helm and kubectl (k8s.io/apimachinery) do it before they
    read any; empty ones are None.

    :raises NotYaml: as `read`; its line counts in the whole text.
    """
    part: list[str] = []
    start = 0
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines):
        line = line.removesuffix("\r")
        if line.startswith("---"):
            behind = line[3:].strip(_GO_SPACE)
            if behind and not behind.startswith("#"):
                raise NotYaml("a document's separator is followed by something else than a comment", number + 1)
            if part:
                yield _part(part, start)
                part, start = [], number + 1
                continue
        part.append(line)
    if part:
        yield _part(part, start)


def _part(lines: list[str], start: int) -> Any:
    try:
        return read("\n".join(lines) + "\n")
    except NotYaml as error:
        raise NotYaml(error.why, start + error.line if error.line else 0) from None


_MARK = "\ufeff"
_NOT_FINITE = re.compile(r"\.(?:inf|nan)", re.IGNORECASE)
_GO_SPACE = "".join(chr(each) for each in range(0x3001) if chr(each).isspace() and not 0x1C <= each <= 0x1F)


def _text(text: str | bytes) -> str:
    """As text, without its byte order mark. Raises UnicodeError."""
    if isinstance(text, bytes):
        text = text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    return text.removeprefix(_MARK)


def _value(text: str, loader: Any, stand_in: str, whole: bool) -> Any:
    """The value of the first document. Raises PyYAML's errors."""
    import yaml

    while True:
        # With a mark before it, which libyaml takes off: one that is left is then treated by both as one behind it.
        parser = loader(_MARK + text)
        try:
            value = _Document(_restoring(parser.get_event, stand_in) if stand_in else parser.get_event).value()
            if whole and parser.check_event() and not parser.check_event(yaml.StreamEndEvent):
                raise NotYaml("something stands behind its first document", parser.peek_event().start_mark.line + 1)
            return value
        except yaml.MarkedYAMLError as error:
            mended = _mended(text, error)
            if mended is None:
                raise
            text = mended
        finally:
            parser.dispose()


def _mended(text: str, error: Any) -> str | None:
    """`text` with what libyaml refuses and the Go library reads written so that both read it, None if it isn't that."""
    if error.problem_mark is None:
        return None
    at = error.problem_mark.index
    if error.problem == "found unknown escape character" and text[at : at + 2] == "\\'":
        return text[:at] + text[at + 1 :]
    if error.problem == "found unexpected ':'" and error.context_mark is not None:  # [a:]
        start = error.context_mark.index
        quoted = text[start : at + 1].replace("'", "''")
        return f"{text[:start]}'{quoted}'{text[at + 1 :]}"
    return None


def _restoring(next_event: Callable[[], Any], stand_in: str) -> Callable[[], Any]:
    """Events with the byte order marks, which libyaml would drop at a line's start, again where they were."""

    def restored() -> Any:
        event = next_event()
        if hasattr(event, "value"):
            event.value = event.value.replace(stand_in, _MARK)
        return event

    return restored


def _refuse_not_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotYaml("a number is infinite or not a number, which JSON can't carry")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_not_finite(each)


class _Document:
    """One document on its way from events to a value; without recursion, for the text may be nested as it likes."""

    def __init__(self, next_event: Callable[[], Any]) -> None:
        self._next = next_event
        # By anchor: the value, and how many nodes the Go library decodes for it; None while it is open.
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._decoded = 1
        self._by_alias = 0

    def value(self) -> Any:
        """Raises NotYaml and PyYAML's errors."""
        from yaml import events

        scalar, alias = events.ScalarEvent, events.AliasEvent
        mapping, sequence = events.MappingStartEvent, events.SequenceStartEvent
        next_event, anchors = self._next, self._anchors
        next_event()  # the stream's start
        first = next_event()
        if isinstance(first, events.StreamEndEvent):
            return None
        if first.version not in (None, (1, 1)):
            raise NotYaml("it asks for another YAML than 1.1", first.start_mark.line + 1)
        # Of the open containers: the container, its key (_KEY: one is to come, _MERGE, None in a list), its anchor, and
        # how many nodes had been decoded before it.
        stack: list[tuple[Any, Any, str | None, int]] = []
        holder: Any = None
        key: Any = None
        anchor: str | None = None
        before = 0
        while True:
            event = next_event()
            kind = event.__class__
            written_here = False
            if kind is scalar:
                self._decoded += 1
                text, tag = event.value, event.tag
                if key is _KEY and text == "<<" and (event.implicit[0] or tag == _TAG + "merge"):
                    self._decoded -= 1
                    key = _MERGE
                    if event.anchor:
                        anchors[event.anchor] = (text, 1)
                    continue
                value = text if tag is None else _tagged(tag, text, event)
                if tag is None and event.implicit[0]:
                    value = _plain(text)
                if event.anchor:
                    anchors[event.anchor] = (value, 1)
            elif kind is mapping or kind is sequence:
                if key is _KEY:
                    raise NotYaml("a key is a list or a map", event.start_mark.line + 1)
                if len(stack) >= DEEPEST:
                    raise NotYaml(f"it is nested deeper than {DEEPEST} levels", event.start_mark.line + 1)
                stack.append((holder, key, anchor, before))
                anchor, before = event.anchor, self._decoded
                if kind is sequence and key is _MERGE:
                    self._decoded -= 1
                if anchor:
                    anchors[anchor] = None
                holder, key = ({}, _KEY) if kind is mapping else ([], None)
                self._decoded += 1
                continue
            elif kind is alias:
                value = self._alias(event)
            else:  # the end of a container
                if not stack:
                    return value
                value = holder
                if anchor:
                    anchors[anchor] = (value, self._decoded - before)
                holder, key, anchor, before = stack.pop()
                written_here = True
            if key is None:
                if holder is None:
                    continue  # the document's own value; its end is next
                holder.append(value)
            elif key is _KEY:
                key = value if value.__class__ is str else _key(value, event)
            elif key is _MERGE:
                _merge(holder, value, event, written_here)
                key = _KEY
            else:
                holder[key] = value
                key = _KEY

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise NotYaml("an alias has no anchor before it", event.start_mark.line + 1)
        known = self._anchors[event.anchor]
        if known is None:
            raise NotYaml("an alias stands inside of what it stands for", event.start_mark.line + 1)
        value, size = known
        self._decoded += 1 + size
        self._by_alias += size
        # The Go library's guard against texts that grow without bounds, number for number.
        if self._by_alias > 100 and self._decoded > 1000:
            beyond = min(max(self._decoded - 400_000, 0), 3_600_000) / 3_600_000
            if self._by_alias / self._decoded > 0.99 - 0.89 * beyond:
                raise NotYaml("most of it would come from aliases", event.start_mark.line + 1)
        return value


_KEY = object()
_MERGE = object()
_TAG = "tag:yaml.org,2002:"


def _merge(holder: dict[str, Any], value: Any, event: Any, written_here: bool) -> None:
    """`<<`: a map, or the maps of a list that is written here, into `holder`, over what is there."""
    maps = value if written_here and isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in maps):
        raise NotYaml("only maps can be merged", event.start_mark.line + 1)
    for each in reversed(maps):
        holder.update(each)


# -- what a scalar means

_WORDS: dict[str, Any] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))|0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FIRST = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_BASES = (16, 2, 8, 10, 2)
_DATE = re.compile(
    r"\d{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])"
    r"(?:[Tt](?P<t>\d\d?:\d\d?:\d\d?)(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d\d?:\d\d?:\d\d?(?:\.\d+)?)?",
    re.ASCII,
)


def _plain(text: str) -> Any:
    """What an unquoted scalar is."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_STARTS else text


def _number(text: str) -> Any:
    """The number that `text` is, else `text`."""
    # Go's own rule for underscores where a point comes first, none at all elsewhere.
    plain = text if text[0] == "." and not _POINT_FIRST.fullmatch(text) else text.replace("_", "")
    match = _INTEGER.fullmatch(plain)
    if match:
        sign, *digits = match.groups()
        said = ((each, base) for each, base in zip(digits, _BASES, strict=True) if each is not None)
        # Longer ones fit nowhere, and Python refuses to read thousands of digits.
        found = next((int(each, base) if len(each.lstrip("+-0")) <= 64 else 2**64 for each, base in said), 0)
        found = -found if sign == "-" else found
        if -(2**63) <= found < 2**63 or (not sign and 0 <= found < 2**64):
            return found
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        return number if math.isfinite(number) else text
    return text


def _tagged(tag: str, text: str, event: Any) -> Any:
    """What a scalar with a tag of its own is; an unknown tag is ignored."""
    name = tag.removeprefix(_TAG) if tag.startswith(_TAG) else ""
    if name == "binary":
        try:
            data = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
        except (binascii.Error, ValueError):
            raise NotYaml("a !!binary is no base64", event.start_mark.line + 1) from None
        # Each byte that is no UTF-8 becomes a replacement character, as Go's JSON has it.
        return re.sub("[\udc80-\udcff]", "\ufffd", data.decode(errors="surrogateescape"))
    if name in ("str", "") or name not in _OF_TAG:
        return text
    if name == "timestamp" and not _DATE.fullmatch(text):
        raise NotYaml("a !!timestamp is none", event.start_mark.line + 1)
    value = text if name == "timestamp" else _plain(text)
    if name == "float" and value.__class__ is int and value < 2**63:
        return float(value)
    if value.__class__ is not _OF_TAG[name]:
        raise NotYaml(f"a !!{name} is none", event.start_mark.line + 1)
    return value


_OF_TAG = {"bool": bool, "int": int, "float": float, "null": type(None), "timestamp": str}


def _key(value: Any, event: Any) -> str:
    """A key that was no text, as text."""
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is int and value < 2**63:
        return str(value)
    if value.__class__ is float:
        return _float_key(value)
    raise NotYaml("a key is null, a list, a map or too large a number", event.start_mark.line + 1)


def _float_key(value: float) -> str:
    """As Go's FormatFloat(value, 'g', -1, 32): the shortest that is the same 32-bit number."""
    if math.isnan(value):
        return ".nan"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    for digits in range(9):
        written = f"{single:.{digits}e}"
        if struct.unpack("f", struct.pack("f", float(written)))[0] == single:
            break
    mantissa, _e, exponent = written.partition("e")
    if -4 <= int(exponent) < 6 or not single:
        return f"{single:.{max(0, digits - int(exponent))}f}"
    return f"{mantissa}e{exponent}"
