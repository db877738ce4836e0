"""Which files of a folder are a fleet's backups, and which half-written ones nobody writes any more."""

from __future__ import annotations

import fcntl
import os
import pathlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, kept
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.backup import file_name

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
UID = "1a2b3c4d-5e6f"


def packed(fleet: str = "prod", cluster: str = UID) -> bytes:
    texts = ("0.1.0", fleet, "kof", "kcm-system", "0.1", "0.1.1", "v1alpha1")
    return archive.pack(archive.About(*texts, {}, (), cluster), {"inventory.yml": os.urandom(100_000).hex().encode()})


def name(day: int) -> str:
    return file_name("prod", NOW - timedelta(days=day))


@pytest.fixture
def shelf(tmp_path: pathlib.Path) -> kept.Kept:
    return kept.Kept(tmp_path, "prod", UID)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (packed()[:-1], "its end is missing"),
        (packed()[:50_000], "its end is missing"),
        (packed()[:-4] + bytes(4), "can't be unpacked"),
        (packed("other"), "it is another fleet's"),
        (packed(cluster=""), "it doesn't say of which management cluster it is"),
        (b"", "no gzip file"),
        (packed(cluster="other"), ""),
    ],
)
def test_only_whole_ones_of_this_fleet_on_this_management_cluster_count(
    shelf: kept.Kept, content: bytes, told: str
) -> None:
    for day in (9, 8):
        (shelf.path / name(day)).write_bytes(packed())
    for day in (10, 5, 1):
        (shelf.path / name(day)).write_bytes(content)
    (shelf.path / name(11)).symlink_to(name(9))
    os.mkfifo(shelf.path / name(12))
    os.mkdir(shelf.path / name(13))
    gone = shelf.beyond(2, NOW, name(0))  # the one that is written, and that of 8 days ago
    assert gone == [name(9)]
    assert len(shelf.told) == (3 if told else 0)
    assert all(told in each and "stays, and doesn't count" in each for each in shelf.told)
    assert shelf.remove(gone, check_mode=True) == [str(shelf.path / name(9))]
    assert (shelf.path / name(9)).exists()
    assert shelf.remove(gone, check_mode=False) == [str(shelf.path / name(9))]
    assert not (shelf.path / name(9)).exists()
    assert len(list(shelf.path.iterdir())) == 7


def test_what_came_in_its_place_meanwhile_stays(shelf: kept.Kept) -> None:
    (shelf.path / name(9)).write_bytes(packed())
    gone = shelf.beyond(1, NOW, name(0))
    (shelf.path / "new").write_bytes(b"somebody's")
    os.replace(shelf.path / "new", shelf.path / name(9))
    assert gone == [name(9)]
    assert shelf.remove(gone, check_mode=False) == []
    assert (shelf.path / name(9)).read_bytes() == b"somebody's"


def half(shelf: kept.Kept, pid: int, mark: str = "") -> pathlib.Path:
    file = shelf.path / f".{name(3)}{mark or shelf.mark().rpartition('-')[0]}-{pid}.unfinished"
    file.write_bytes(b"half")
    return file


@pytest.fixture
def dead() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_only_that_of_a_dead_process_of_this_machine_is_left_behind(shelf: kept.Kept, dead: int) -> None:
    left = half(shelf, dead)
    half(shelf, os.getpid())
    half(shelf, 1)  # of somebody else, and alive
    half(shelf, dead, ".1a2b3c4d-another-host")
    half(shelf, dead, ".ffffffff" + shelf.mark().rpartition("-")[0][9:])  # of another management cluster
    (shelf.path / f".{name(3)}.unfinished").write_bytes(b"of whom?")
    (
        shelf.path / f".kof-backup-other-20260301t120000z.tar.gz{shelf.mark().rpartition('-')[0]}-{dead}.unfinished"
    ).touch()
    (shelf.path / f".{name(4)}{shelf.mark().rpartition('-')[0]}-{dead}.unfinished").symlink_to(left)
    assert shelf.left_behind() == [left.name]
    assert shelf.remove(shelf.left_behind(), check_mode=False) == [str(left)]
    assert len(list(shelf.path.iterdir())) == 7


def test_what_somebody_holds_is_written_in_another_container(shelf: kept.Kept, dead: int) -> None:
    left = half(shelf, dead)
    with open(left, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shelf.left_behind() == []
    assert shelf.left_behind() == [left.name]


def test_no_number_is_too_large_to_be_a_process(shelf: kept.Kept) -> None:
    assert shelf.left_behind() == []
    left = half(shelf, 9_999_999_999)
    assert shelf.left_behind() == [left.name]
