"""The folder of saved metrics and logs: what is whole stays, and what isn't is refused before anything is sent."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import saved_data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.saved_data import About, Busy, Folder, NotSaved

NOW = 1_800_000_000_000
DAY, HOUR = 86_400_000, 3_600_000


@pytest.mark.parametrize(
    ("begin", "end", "wanted"),
    [
        ("", "", (NOW - 60_000 - DAY, NOW - 60_000)),
        ("7d", "", (NOW - 7 * DAY, NOW - 60_000)),
        ("36h", "90m", (NOW - 36 * HOUR, NOW - 90 * 60_000)),
        ("2026-03-01T00:00:00Z", "2026-03-02T01:00:00.250+01:00", (1_772_323_200_000, 1_772_409_600_250)),
        ("", "2026-03-02t00:00:00z", (1_772_323_200_000, 1_772_409_600_000)),
    ],
)
def test_a_range_is_said_as_times_or_as_how_long_ago(begin: str, end: str, wanted: tuple[int, int]) -> None:
    assert saved_data.time_range(begin, end, NOW) == wanted


@pytest.mark.parametrize(
    ("begin", "end", "told"),
    [
        ("yesterday", "", "from is neither"),
        ("", "2026-03-01T00:00:00", "to is neither"),
        ("2026-03-01", "", "from is neither"),
        ("2026-02-30T00:00:00Z", "", "from is neither"),
        ("7 d", "", "from is neither"),
        ("7d", "8d", "from isn't before to"),
        ("7d", "7d", "from isn't before to"),
        ("", "2096-03-01T00:00:00Z", "to is later than now"),
        ("999999w", "", "from is before 1970"),
        ("\u0667d", "", "from is neither"),
    ],
)
def test_what_is_no_range_is_refused(begin: str, end: str, told: str) -> None:
    with pytest.raises(ValueError, match="^" + told):
        saved_data.time_range(begin, end, NOW)


def test_slices_and_gaps_have_each_ms_once() -> None:
    found = saved_data.slices(HOUR // 2, 3 * HOUR + 1, HOUR)
    assert found == [(HOUR // 2, HOUR), (HOUR, 2 * HOUR), (2 * HOUR, 3 * HOUR), (3 * HOUR, 3 * HOUR + 1)]
    assert saved_data.gaps(0, 10, []) == [(0, 10)]
    assert saved_data.gaps(0, 10, [(2, 4), (3, 6), (9, 12)]) == [(0, 2), (6, 9)]
    assert saved_data.gaps(0, 10, [(-3, 1), (12, 14), (20, 30)]) == [(1, 10)]
    assert saved_data.gaps(0, 10, [(0, 10)]) == []


def three(write: Callable[[bytes], object]) -> int:
    write(b"content")
    return 3


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    folder = Folder(tmp_path / "kof-data-prod-20260301t000000z")
    folder.begin(About("prod", "0.1.1", 0, 2 * HOUR, said=("7d", "")))
    for number, kind in enumerate(("metrics", "logs")):
        names = ("up",) if kind == "metrics" else ()
        folder.put("eu1", kind, number * HOUR, HOUR + number * HOUR, names, three)
    return folder


def again(folder: Folder) -> Folder:
    folder.release()
    found = Folder(folder.path)
    found.go_on()
    return found


def test_a_run_goes_on_with_what_is_whole(folder: Folder) -> None:
    assert [path.name for path in saved_data.unfinished(folder.path.parent, "prod")] == [folder.path.name]
    assert saved_data.unfinished(folder.path.parent, "pro") == []
    kept = again(folder)
    assert kept.about.parts == folder.about.parts
    assert kept.about.said == ("7d", "")
    kept.finish([])
    assert saved_data.unfinished(folder.path.parent, "prod") == []
    about = saved_data.read(folder.path)
    assert about.complete
    assert len(about.parts) == 2
    for part in about.parts:
        saved_data.check(folder.path, part)
        with saved_data.content(folder.path, part) as stream:
            assert stream.read() == b"content"


def test_what_was_cut_when_the_machine_went_down_is_made_anew(folder: Folder) -> None:
    done = folder.path / saved_data.DONE
    whole = done.read_bytes()
    done.write_bytes(whole[:-20])
    kept = again(folder)
    assert [part.kind for part in kept.about.parts] == ["metrics"]
    kept.put("eu1", "logs", HOUR, 2 * HOUR, (), three)
    assert len(again(kept).about.parts) == 2
    assert done.read_bytes() == whole


def test_a_line_that_was_cut_spoils_no_other(folder: Folder) -> None:
    first, second = folder.about.parts
    folder.sending(first)
    for name in (saved_data.DONE, saved_data.BEGUN):
        with (folder.path / name).open("ab") as stream:
            stream.write(b'{"file": "eu1/me')  # as much as a full disk took
    folder.sending(second)
    assert folder.begun() == [first.file, second.file]
    folder.put("eu1", "logs", 0, HOUR, (), three)
    assert len(again(folder).about.parts) == 3


def test_a_file_that_was_lost_and_made_anew_is_one_part(folder: Folder) -> None:
    (folder.path / folder.about.parts[1].file).unlink()
    kept = again(folder)
    kept.put("eu1", "logs", HOUR, 2 * HOUR, (), three)
    assert [part.kind for part in again(kept).about.parts] == ["metrics", "logs"]


def test_a_file_that_isnt_whole_is_made_anew(folder: Folder) -> None:
    file = folder.path / folder.about.parts[0].file
    file.write_bytes(file.read_bytes()[:-1])
    assert [part.kind for part in again(folder).about.parts] == ["logs"]


def test_a_folder_that_says_nothing_yet_is_nobodys_but_what_is_in_it_is(tmp_path: pathlib.Path) -> None:
    bare = tmp_path / "kof-data-prod-20260301t000000z"
    assert not saved_data.is_bare(bare)
    bare.mkdir(mode=0o700)
    (bare / ".manifest.json.unfinished").write_bytes(b"{")  # as much as a full disk took
    assert saved_data.is_bare(bare)
    (tmp_path / "link").symlink_to(bare)
    assert not saved_data.is_bare(tmp_path / "link")
    bare.chmod(0o755)
    assert not saved_data.is_bare(bare)
    bare.chmod(0o700)
    (bare / "notes").touch()
    assert not saved_data.is_bare(bare)


def test_nothing_is_left_of_a_part_that_broke_off(folder: Folder) -> None:
    def breaks(write: Callable[[bytes], object]) -> int:
        write(b"half")
        raise KeyError

    with pytest.raises(KeyError):
        folder.put("eu1", "logs", 0, HOUR, (), breaks)
    assert len(list(folder.path.rglob("*.gz*"))) == 2
    assert len(folder.about.parts) == 2


def test_two_runs_dont_work_with_one_folder(folder: Folder) -> None:
    with pytest.raises(Busy, match="another run works with"):
        Folder(folder.path).go_on()


def _truncated(path: pathlib.Path, file: pathlib.Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _turned(path: pathlib.Path, file: pathlib.Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def _gone(path: pathlib.Path, file: pathlib.Path) -> None:
    file.unlink()


def _linked(path: pathlib.Path, file: pathlib.Path) -> None:
    file.rename(path / "elsewhere")
    file.symlink_to(path / "elsewhere")


def _pipe(path: pathlib.Path, file: pathlib.Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("damage", [_truncated, _turned, _gone, _linked, _pipe])
def test_a_damaged_part_is_refused(folder: Folder, damage: Callable[[pathlib.Path, pathlib.Path], None]) -> None:
    folder.finish([])
    part = folder.about.parts[0]
    damage(folder.path, folder.path / part.file)
    with pytest.raises(NotSaved, match=r"\.gz"):
        saved_data.check(folder.path, part)


def changed(folder: Folder, change: Callable[[dict[str, object]], object], *, checksum: bool = True) -> None:
    file = folder.path / saved_data.MANIFEST
    said = json.loads(file.read_text())
    del said["checksum"]
    change(said)
    if checksum:
        said["checksum"] = saved_data.hashlib.sha256(saved_data.as_json(said)).hexdigest()
    file.write_bytes(saved_data.as_json(said))


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["parts"][0].update(file="../../etc/passwd"),
        lambda said: said["parts"][0].update(file="eu1/logs/../../x.jsonl.gz"),
        lambda said: said["parts"][0].update(file="/etc/passwd"),
        lambda said: said["parts"][0].update(cluster="us1"),
        lambda said: said["parts"][0].update(kind="traces"),
        lambda said: said["parts"][0].update(count="3"),
        lambda said: said["parts"][0].update(count=-1),
        lambda said: said["parts"][0].update(begin=said["parts"][0]["end"]),
        lambda said: said["parts"][0].update(more=1),
        lambda said: said["parts"][0].pop("sha256"),
        lambda said: said.update(more=1),
        lambda said: said.update(schema="k0rdent.kof.backup/1"),
        lambda said: said.update(schema=None),
        lambda said: said.pop("parts"),
        lambda said: said.update(parts=None),
    ],
)
def test_a_manifest_of_another_form_is_refused_whatever_its_checksum(
    folder: Folder, change: Callable[[dict[str, object]], object]
) -> None:
    folder.finish([])
    changed(folder, change)
    with pytest.raises(NotSaved):
        saved_data.read(folder.path)


def test_a_manifest_that_was_changed_or_is_of_a_newer_release_is_refused(
    folder: Folder, tmp_path: pathlib.Path
) -> None:
    folder.finish([])
    changed(folder, lambda said: said.update(schema="k0rdent.kof.data/2"))
    with pytest.raises(NotSaved, match="newer release"):
        saved_data.read(folder.path)
    changed(folder, lambda said: said.update(schema="k0rdent.kof.data/1", checksum="0"), checksum=False)
    with pytest.raises(NotSaved, match="checksum"):
        saved_data.read(folder.path)
    for raw in (b"", b"[]", b"null", b'{"schema": 1}', b"\xff"):
        (folder.path / saved_data.MANIFEST).write_bytes(raw)
        with pytest.raises(NotSaved):
            saved_data.read(folder.path)
    with pytest.raises(NotSaved, match="can't be read"):
        saved_data.read(tmp_path / "none")
