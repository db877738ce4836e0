"""The file of a backup: the same is the same bytes, and whatever isn't exactly what was written is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import MANIFEST, About, NotAnArchive

ABOUT = About(
    "0.1.0", "prod", "kof", "kcm-system", "0.1", "0.1.1", "v1alpha1", {"kof-mothership": "0.1.1"}, ("a",), "1-2-3"
)
VAULTED = b"$ANSIBLE_VAULT;1.1;AES256\n3161"
MEMBERS = {"objects/Namespace.json": b"[]\n", "inventory.yml": b"---\n", "encrypted/secrets": VAULTED}
NAMES = st.sampled_from([*MEMBERS, "objects/VMRule.json", "a", "b/c.json", "Z-1"])


def zipped(content: bytes) -> bytes:
    zipping = zlib.compressobj(wbits=31)
    return zipping.compress(content) + zipping.flush()


def unzipped(content: bytes) -> bytes:
    return zlib.decompress(content, wbits=31)


def tar(members: list[tuple[tarfile.TarInfo | str, bytes]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as writing:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size, info.mode = info.size or len(content), 0o600
            writing.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def parts(content: bytes) -> list[tuple[tarfile.TarInfo | str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(unzipped(content))) as reading:
        return [(member.name, reading.extractfile(member).read()) for member in reading]  # type: ignore[union-attr]


def special(kind: bytes, name: str = "objects/VMRule.json", **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def with_member(member: tarfile.TarInfo | str, content: bytes = b"") -> bytes:
    return zipped(tar([*parts(WHOLE), (member, content)]))


def with_manifest(change: Callable[[dict[str, Any]], Any]) -> bytes:
    (_name, manifest), *rest = parts(WHOLE)
    said = json.loads(manifest)
    changed = change(said)
    text = changed if isinstance(changed, bytes) else archive.as_json(said if changed is None else changed)
    return zipped(tar([(MANIFEST, text), *rest]))


def of_manifest(name: str, value: Any) -> bytes:
    return with_manifest(lambda said: said.update({name: value}))


WHOLE = archive.pack(ABOUT, MEMBERS)
TAR = unzipped(WHOLE)
TAR_OF_LATER = tar([(special(tarfile.REGTYPE, MANIFEST, mtime=1), parts(WHOLE)[0][1]), *parts(WHOLE)[1:]])
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no gzip file"),
    "a text": (b"---\nkof_fleet: prod\n", "no gzip file"),
    "a zip": (b"PK\x03\x04", "no gzip file"),
    "gzip's head alone": (WHOLE[:10], "its end is missing"),
    "cut in the middle": (WHOLE[: len(WHOLE) // 2], "its end is missing"),
    "cut at the last byte": (WHOLE[:-1], "its end is missing"),
    "another checksum of gzip": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], "can't be unpacked"),
    "something behind": (WHOLE + b"\0", "behind its end"),
    "two in a row": (WHOLE + WHOLE, "behind its end"),
    "no tar": (zipped(b"x" * 2000), "no tar file"),
    "an empty tar": (zipped(tar([])), "nothing is in it"),
    "an empty gzip": (zipped(b""), "no tar file"),
    "a tar cut inside of a member": (zipped(TAR[:700]), "no tar file"),
    "another byte in a member": (zipped(TAR.replace(b"[]\n\0", b"{}\n\0")), "another checksum"),
    "another byte in a head": (zipped(TAR.replace(b"0000600", b"0000644", 1)), "no tar file"),
    "another time": (zipped(TAR_OF_LATER),
                     "more is in it"),
    "another owner": (with_member(special(tarfile.REGTYPE, "x", uname="root")), "isn't listed"),
    "more than the manifest has": (with_member("objects/VMRule.json", b"[]"), "isn't listed in the manifest"),
    "less than the manifest has": (zipped(tar(parts(WHOLE)[:-1])), "isn't there"),
    "a member twice": (with_member("inventory.yml", b"---\n"), "there twice"),
    "the manifest twice": (with_member(MANIFEST, parts(WHOLE)[0][1]), "there twice"),
    "the manifest in the end": (zipped(tar([*parts(WHOLE)[1:], parts(WHOLE)[0]])), "first member isn't the manifest"),
    "no manifest": (zipped(tar(parts(WHOLE)[1:])), "first member isn't the manifest"),
    "a way out": (with_member("../../etc/cron.d/x", b"x"), "a path, that no member has"),
    "an absolute way": (with_member("/etc/cron.d/x", b"x"), "a path, that no member has"),
    "a deep way": (with_member("a/../b", b"x"), "a path, that no member has"),
    "a hidden file": (with_member(".bashrc", b"x"), "a path, that no member has"),
    "a line break": (with_member("a\nb", b"x"), "a path, that no member has"),
    "a name that is no text": (zipped(tar([(special(tarfile.REGTYPE, "\udcff"), b"")])), "a path, that no member has"),
    "a long name": (zipped(tar([*parts(WHOLE), ("x" * 200, b"")], tarfile.GNU_FORMAT)), "a path, that no member has"),
    "a symbolic link": (with_member(special(tarfile.SYMTYPE, linkname="/etc/passwd")), "is a link"),
    "a hard link": (with_member(special(tarfile.LNKTYPE, linkname=MANIFEST)), "is a link"),
    "a device": (with_member(special(tarfile.CHRTYPE, devmajor=1, devminor=5)), "a device"),
    "a pipe": (with_member(special(tarfile.FIFOTYPE)), "a device"),
    "a folder": (with_member(special(tarfile.DIRTYPE, "objects")), "no file as others"),
    "a sparse file": (with_member(special(tarfile.GNUTYPE_SPARSE)), "no file as others"),
    "headers of pax": (zipped(tar([*parts(WHOLE), (special(tarfile.REGTYPE, pax_headers={"a": "b"}), b"")],
                                  tarfile.PAX_FORMAT)), "no file as others"),
    "a member larger than it is": (zipped(TAR[:512].replace(b"\0000", b"\0007") + TAR[512:]), "no tar file"),
    "no JSON": (with_manifest(lambda _said: b"{"), "no JSON in UTF-8"),
    "no UTF-8": (with_manifest(lambda _said: b'{"schema": "\xff"}'), "no JSON in UTF-8"),
    "no number": (with_manifest(lambda _said: b'{"schema": NaN}'), "no JSON in UTF-8"),
    "deep": (with_manifest(lambda _said: b"[" * 100_000), "no JSON in UTF-8"),
    "a key twice": (with_manifest(lambda _said: b'{"fleet": "a", "fleet": "b"}'), "a key twice"),
    "a list": (with_manifest(lambda _said: [1]), "of no backup"),
    "of something else": (of_manifest("schema", "k0rdent.kof.entry/1"), "of no backup"),
    "of a number": (of_manifest("schema", 1), "of no backup"),
    "of a number that is none": (of_manifest("schema", "k0rdent.kof.backup/one"), "of no backup"),
    "newer": (of_manifest("schema", "k0rdent.kof.backup/3"), "written by a newer release"),
    "another fleet": (of_manifest("fleet", "other"), "manifest has another checksum"),
    "another version": (of_manifest("charts", {"kof-mothership": " .1.1"}), "manifest has another checksum"),
    "half a character": (
        with_manifest(lambda said: json.dumps({**said, "fleet": "\ud800"}).encode()), "manifest has another checksum"
    ),
    "a blank": (with_manifest(lambda said: archive.as_json(said) + b" "), "manifest has another checksum"),
    "lacking a key": (with_manifest(lambda said: said.pop("fleet") and None), "lacks fleet"),
    "with another key": (of_manifest("more", "x"), "another key than are known"),
    "a fleet that is none": (of_manifest("fleet", None), "value of another type"),
    "a fleet that is a map": (of_manifest("fleet", {"a": "b"}), "value of another type"),
    "charts that are a list": (of_manifest("charts", ["kof"]), "value of another type"),
    "a chart without a version": (of_manifest("charts", {"kof": 1}), "value of another type"),
    "what is left out is a text": (of_manifest("left_out", "x"), "value of another type"),
    "members that are a list": (of_manifest("members", []), "value of another type"),
    "a checksum that is true": (of_manifest("members", {"inventory.yml": True}), "value of another type"),
    "plain where it should be encrypted": (archive.pack(ABOUT, {"encrypted/secrets": b"{}"}), "isn't encrypted"),
}  # fmt: skip


def test_the_same_is_the_same_bytes_and_comes_back() -> None:
    assert archive.pack(ABOUT, dict(reversed(MEMBERS.items()))) == WHOLE
    assert archive.unpack(WHOLE) == (ABOUT, MEMBERS)
    assert archive.head(WHOLE) == ABOUT
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as reading:  # by who has nothing of ours
        found = reading.getmembers()
    assert [member.name for member in found] == [MANIFEST, *sorted(MEMBERS)]
    assert {(each.mtime, each.uid, each.gid, each.uname, each.mode) for each in found} == {(0, 0, 0, "", 0o600)}


@given(st.dictionaries(NAMES, st.binary(max_size=3000)), st.lists(st.text(st.characters(codec="utf-8"))))
def test_whatever_is_in_it_comes_back(members: dict[str, bytes], left_out: list[str]) -> None:
    members = {name: VAULTED + each if name.startswith("encrypted/") else each for name, each in members.items()}
    about = dataclasses.replace(ABOUT, left_out=tuple(left_out))
    assert archive.unpack(archive.pack(about, members)) == (about, members)


@pytest.mark.parametrize("how", DAMAGED)
def test_what_is_damaged_is_refused_and_told_why(how: str) -> None:
    content, why = DAMAGED[how]
    with pytest.raises(NotAnArchive, match=why):
        archive.unpack(content)


def test_what_is_too_large_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    bomb = zipped(TAR[:-1024] + bytes(50 * 2**20))
    assert len(bomb) < 2**17
    with pytest.raises(NotAnArchive, match="unpacked it would be larger than"):
        archive.unpack(bomb)
    monkeypatch.setattr(archive, "LARGEST_FILE", 100)
    with pytest.raises(NotAnArchive, match="larger than 100 bytes"):
        archive.unpack(WHOLE)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "_MEMBERS", 3)
    with pytest.raises(NotAnArchive, match="more than 3 members"):
        archive.unpack(WHOLE)
    monkeypatch.setattr(archive, "LARGEST_MANIFEST", 100)
    monkeypatch.setattr(archive, "_MEMBERS", 30)
    with pytest.raises(NotAnArchive, match="manifest is larger than"):
        archive.unpack(WHOLE)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_no_changed_byte_is_read_as_if_nothing_were(changed: list[tuple[int, int]], inside: bool) -> None:
    """And none makes a reader fail with anything else."""
    content = bytearray(TAR if inside else WHOLE)
    for at, value in changed:
        content[at % len(content)] = value
    after = zipped(bytes(content)) if inside else bytes(content)
    same = bytes(content) == (TAR if inside else WHOLE)
    try:
        found = archive.unpack(after)
    except NotAnArchive:
        assert not same
    else:
        assert found == (ABOUT, MEMBERS)
        # Some bits of gzip mean nothing: its time, its system, what fills the last byte of a block.
        assert same or (not inside and unzipped(after) == TAR)


@given(st.binary(max_size=3000), st.booleans())
def test_whatever_else_is_refused(content: bytes, as_gzip: bool) -> None:
    for read in (archive.unpack, archive.head):
        with pytest.raises(NotAnArchive):
            read(zipped(content) if as_gzip else content)


def test_one_of_the_first_form_is_read_and_says_nothing_of_its_management_cluster() -> None:
    def first(said: dict[str, Any]) -> dict[str, Any]:
        old = {**said, "schema": "k0rdent.kof.backup/1"}
        del old["management_cluster"], old["checksum"]
        return old | {"checksum": hashlib.sha256(archive.as_json(old)).hexdigest()}

    about, members = archive.unpack(with_manifest(first))
    assert (about, members) == (dataclasses.replace(ABOUT, management_cluster=""), MEMBERS)
