# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file of a backup: a gzipped tar of a manifest, which has a checksum of itself and of each other member, and
the members.

The same members are the same bytes: nothing in it is of the moment, the machine or the user. Read it is only as it is
written: what differs in any way is damaged, or by somebody else, and refused as a whole. Plain bytes; what is in the
members is fleet/backup.py's and fleet/restore.py's.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: The number goes up where a reader of the older form would go wrong.
FORMAT, NUMBER = "k0rdent.kof.backup", 2
MANIFEST = "manifest.json"
#: Members below it are encrypted by Ansible Vault.
ENCRYPTED = "encrypted/"
#: Bytes of the file, of all in it, and of the manifest alone; a fleet of 1,100 clusters takes 10 MB unpacked.
LARGEST_FILE, LARGEST, LARGEST_MANIFEST = 256 * 2**20, 512 * 2**20, 2**20
_MEMBERS = 1000
_NAME = re.compile(r"(?:[a-z0-9]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,90}\Z")
#: What the manifest says of the fleet, each a text.
_TEXTS = ("collection", "fleet", "kof_namespace", "kcm_namespace", "line", "kof_version", "kcm_version")
#: And what those of the first form don't say.
_SINCE_2 = ("management_cluster",)
_VAULT = b"$ANSIBLE_VAULT;"
_WHOLE = "It was damaged on its way, or isn't one that k0rdent.kof.backup has written: take another one"


class NotAnArchive(ValueError):
    """Not a backup that may be read; the message says why, and quotes nothing of what is in it."""


@dataclass(frozen=True)
class About:
    """What an archive says of itself.

    :ivar collection: version of this collection; empty for a checkout.
    :ivar line, kof_version: of kof, that the fleet was of.
    :ivar charts: by Helm release of kof, the version of its chart.
    :ivar left_out: what of the fleet isn't in it, and why, one line each.
    :ivar management_cluster: the uid of its namespace kube-system; empty in an archive of the first form.
    """

    collection: str
    fleet: str
    kof_namespace: str
    kcm_namespace: str
    line: str
    kof_version: str
    kcm_version: str
    charts: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    management_cluster: str = ""


def as_json(value: Any) -> bytes:
    """The same value is the same bytes, whatever the order of its keys."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def as_lines(items: Iterable[Any]) -> bytes:
    """A list likewise, an item a line: with an indent, json would write each of a thousand clusters in Python."""
    lines = ",\n".join(json.dumps(each, sort_keys=True, ensure_ascii=False) for each in items)
    return f"[\n{lines}\n]\n".encode()


def pack(about: About, members: Mapping[str, bytes]) -> bytes:
    """The archive; of the same, the same bytes."""
    said = {name: getattr(about, name) for name in (*_TEXTS, *_SINCE_2)}
    manifest = {
        "schema": f"{FORMAT}/{NUMBER}",
        **said,
        "charts": dict(about.charts),
        "left_out": list(about.left_out),
        "members": {name: _checksum(content) for name, content in members.items()},
    }
    manifest["checksum"] = _checksum(as_json(manifest))
    zipping = zlib.compressobj(wbits=31)  # unlike the module gzip it writes the same head at every version of Python
    return zipping.compress(_tar({MANIFEST: as_json(manifest), **dict(sorted(members.items()))})) + zipping.flush()


def unpack(content: bytes) -> tuple[About, dict[str, bytes]]:
    """What an archive says of itself, and its members, all of which are whole.

    :raises NotAnArchive: it isn't, in every byte, what `pack` makes.
    """
    tar = _unzipped(content, LARGEST)
    found = _members(tar)
    about, checksums = _manifest(found.pop(MANIFEST))
    for name in sorted(checksums.keys() ^ found.keys()):
        what = "is listed in the manifest, and isn't there" if name in checksums else "isn't listed in the manifest"
        raise NotAnArchive(f"its member {name} {what}. {_WHOLE}")
    for name, member in found.items():
        if checksums[name] != _checksum(member):
            raise NotAnArchive(f"its member {name} has another checksum than the manifest says. {_WHOLE}")
        if name.startswith(ENCRYPTED) and not member.startswith(_VAULT):
            raise NotAnArchive(f"its member {name} isn't encrypted by Ansible Vault. {_WHOLE}")
    if tar != _tar({MANIFEST: tar[512 : 512 + _size(tar)], **dict(sorted(found.items()))}):
        raise NotAnArchive(f"more is in it than its members. {_WHOLE}")
    return about, found


def head(content: bytes) -> About:
    """What the beginning of an archive says of it; of the members nothing is looked at.

    :param content: all of the file, or its first 2 MiB.
    :raises NotAnArchive: that is no beginning of one.
    """
    tar = _unzipped(content, LARGEST_MANIFEST + 1024, whole=False)
    if tar[:100].rstrip(b"\0") != MANIFEST.encode():
        raise NotAnArchive("its first member isn't the manifest")
    return _manifest(tar[512 : 512 + _size(tar)])[0]


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tar(members: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600  # time 0, user and group 0 without names
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def _unzipped(content: bytes, largest: int, *, whole: bool = True) -> bytes:
    """
    :param whole: whether it has to end there.
    """
    if len(content) > LARGEST_FILE:
        raise NotAnArchive(f"it is larger than {LARGEST_FILE} bytes, which no backup is")
    if content[:2] != b"\x1f\x8b":
        raise NotAnArchive(f"it is no gzip file. {_WHOLE}")
    unzip = zlib.decompressobj(wbits=31)
    try:
        found = unzip.decompress(content, largest)
    except zlib.error:
        raise NotAnArchive(f"it can't be unpacked. {_WHOLE}") from None
    if whole and not unzip.eof:
        if unzip.unconsumed_tail:
            raise NotAnArchive(f"unpacked it would be larger than {largest} bytes, which no backup is")
        raise NotAnArchive(f"its end is missing. {_WHOLE}")
    if whole and unzip.unused_data:
        raise NotAnArchive(f"something is behind its end. {_WHOLE}")
    return found


def _members(content: bytes) -> dict[str, bytes]:
    """The manifest first, then the others."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                name = member.name
                if len(found) >= _MEMBERS:
                    raise NotAnArchive(f"it has more than {_MEMBERS} members. {_WHOLE}")
                if member.type != tarfile.REGTYPE or member.pax_headers:
                    raise NotAnArchive(f"one of its members is a link, a device, or no file as others are. {_WHOLE}")
                if not _NAME.match(name):
                    raise NotAnArchive(f"one of its members has a name, or a path, that no member has. {_WHOLE}")
                if name in found:
                    raise NotAnArchive(f"its member {name} is there twice. {_WHOLE}")
                if not found and name != MANIFEST:
                    raise NotAnArchive(f"its first member isn't the manifest. {_WHOLE}")
                stream = tar.extractfile(member)
                found[name] = stream.read() if stream else b""
                if len(found[name]) != member.size:
                    raise NotAnArchive(f"the end of its member {name} is missing. {_WHOLE}")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, NotAnArchive):
            raise
        raise NotAnArchive(f"it is no tar file inside. {_WHOLE}") from None
    if not found:
        raise NotAnArchive(f"nothing is in it. {_WHOLE}")
    return found


def _size(tar: bytes) -> int:
    """Of the first member of a tar."""
    try:
        return int(tar[124:136].rstrip(b"\0 ") or b"0", 8)
    except ValueError:
        raise NotAnArchive(f"it is no tar file inside. {_WHOLE}") from None


def _manifest(content: bytes) -> tuple[About, dict[str, str]]:
    """What it says, and the checksums by member."""
    if len(content) > LARGEST_MANIFEST:
        raise NotAnArchive(f"its manifest is larger than {LARGEST_MANIFEST} bytes. {_WHOLE}")
    said = read_json(content, "its manifest")
    schema = said.get("schema") if isinstance(said, dict) else None
    number = re.fullmatch(rf"{re.escape(FORMAT)}/([1-9]\d{{0,5}})", schema) if isinstance(schema, str) else None
    if number is None:
        raise NotAnArchive(f"its manifest is of no backup. {_WHOLE}")
    if int(number[1]) > NUMBER:
        raise NotAnArchive(
            f"it was written by a newer release of this collection ({schema}; this one reads up to {FORMAT}/{NUMBER}): "
            "restore it with that one"
        )
    names = (*_TEXTS, *(_SINCE_2 if int(number[1]) > 1 else ()))
    wanted = {"schema", *names, "charts", "left_out", "members", "checksum"}
    for name in sorted(wanted ^ said.keys()):
        what = "lacks" if name in wanted else "has another key than"
        raise NotAnArchive(f"its manifest {what} {name if name in wanted else 'are known'}. {_WHOLE}")
    maps, left_out = [said["charts"], said["members"]], said["left_out"]
    flat = [said[name] for name in (*names, "checksum")]
    for each in maps:
        flat += [*each.values()] if isinstance(each, dict) else [None]
    flat += left_out if isinstance(left_out, list) else [None]
    if not all(isinstance(each, str) for each in flat):
        raise NotAnArchive(f"its manifest has a value of another type than it should. {_WHOLE}")
    checksum = said.pop("checksum")
    try:
        whole = checksum == _checksum(as_json(said)) and content == as_json({**said, "checksum": checksum})
    except UnicodeEncodeError:  # half of a character, which JSON can say
        whole = False
    if not whole:
        raise NotAnArchive(f"its manifest has another checksum than it says. {_WHOLE}")
    texts = {name: said[name] for name in names}
    return About(**texts, charts=said["charts"], left_out=tuple(left_out)), said["members"]


def read_json(content: bytes, what: str) -> Any:
    """What a member holds.

    :param what: how to call it.
    :raises NotAnArchive: it is no JSON in UTF-8, or says something twice.
    """

    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise NotAnArchive(f"{what} has a key twice. {_WHOLE}")
            found[key] = value
        return found

    def number(_text: str) -> None:
        raise ValueError

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=number)
    except NotAnArchive:
        raise
    except (ValueError, RecursionError):
        raise NotAnArchive(f"{what} is no JSON in UTF-8. {_WHOLE}") from None
