"""fleet_data in plays, on a real API server and with real stores behind a vmauth with TLS: out, back, and refused."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from stores_of_a_region import LOGIN, Stores
from unit.plugins.action.test_fleet_backup import failed, result
from unit.plugins.action.test_fleet_lease import another, space

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import saved_data
from sandbox import binaries
from sandbox.certificates import Authority
from sandbox.data.proxy import Proxy

__all__ = ["another", "space"]
TOOLS = binaries.built_for_data()
pytestmark = pytest.mark.skipif(TOOLS is None, reason="not built: python -m sandbox build --data")
EVERYTHING = "kof_mothership:kof_regional:kof_child"
NAMES = ("eu1", "us1")
SECRET = "storage-vmuser-credentials"


class World:
    """Two regions with their stores, and the plays over them.

    :ivar known: names that lead somewhere.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        assert TOOLS is not None
        self.folder = folder
        self.authority = Authority(folder, "load balancers")
        self.stores = {name: Stores(folder / name, TOOLS, self._certificate(name)) for name in NAMES}
        self.known: set[str] = set(NAMES)
        self.proxy = Proxy(0, self._resolved)
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()
        for each in self.stores.values():
            each.start()
        self.end = int(time.time()) * 1000 - 600_000
        self.begin = self.end - 3 * 3_600_000

    def _certificate(self, name: str) -> tuple[pathlib.Path, pathlib.Path]:
        host = f"vmauth.{name}.example.com"
        texts = self.authority.issue(host, addresses=(host,), server=True)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        return files

    def _resolved(self, host: str) -> tuple[str, int] | None:
        name = host.removeprefix("vmauth.").removesuffix(".example.com")
        return ("127.0.0.1", self.stores[name].ports[3]) if name in self.known else None

    def fill(self) -> None:
        for number, each in enumerate(self.stores.values()):
            times = [self.begin + step * 15_000 for step in range(720)]
            each.write_metrics(
                [{"metric": {"__name__": "up", "pod": f"p{n}"}, "values": times, "timestamps": times} for n in range(3)]
            )
            lines = [
                {
                    "_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000)),
                    "_msg": f"façade\n{at}",
                    "pod": f"p{number}",
                }
                for at in times
            ]
            each.write_logs(lines, "pod")
        for each in self.stores.values():
            each.until(self.begin, self.end, 2160, 720)

    def counts(self, name: str) -> tuple[int, int]:
        return self.stores[name].samples(self.begin, self.end), self.stores[name].lines(self.begin, self.end)

    def stop(self) -> None:
        self.proxy.shutdown()
        self.proxy.server_close()
        for each in self.stores.values():
            each.stop()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    made.fill()
    yield made
    made.stop()


@pytest.fixture
def world(stores: World, control_plane: Any, play: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{stores.proxy.server_address[1]}")
    monkeypatch.setenv("SSL_CERT_FILE", str(stores.authority.certificate_file))
    for name in ("kcm-system",):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    for layer in ("mothership", "regional"):
        run = play(f"kof_{layer}", {"k0rdent.kof.fleet_apply": {"layer": layer}}, "-v")
        assert run.returncode == 0, run.stdout
    stored(control_plane, LOGIN[1])
    stores.known = set(NAMES)
    yield stores
    control_plane.kubectl("delete", "clusterdeployments,promxyservergroups,grafanadatasources", "--all", "-A")


def stored(control_plane: Any, password: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": "kof"},
        "stringData": {"username": LOGIN[0], "password": password},
    }
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(secret))


def at(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))


def save(world: World, play: Any, where: pathlib.Path, *arguments: str, hosts: str = EVERYTHING) -> Any:
    options = {"range_from": at(world.begin), "range_to": at(world.end)}
    run = play(hosts, {"k0rdent.kof.fleet_data": {"step": "save", "folder": str(where), **options}}, "-v", *arguments)
    assert LOGIN[1] not in run.stdout
    return run


def restore(folder: pathlib.Path, play: Any, *arguments: str, **options: Any) -> Any:
    task = {"k0rdent.kof.fleet_data": {"step": "restore", "folder": str(folder), **options}}
    run = play("kof_mothership", task, "-v", *arguments)
    assert LOGIN[1] not in run.stdout
    return run


def test_a_region_that_cant_be_asked_fails_the_run_at_its_end_and_the_next_one_has_the_rest(
    world: World, play: Any, tmp_path: pathlib.Path
) -> None:
    looked = save(world, play, tmp_path / "data", "--check")
    assert looked.returncode == 0, looked.stdout
    assert {(e["cluster"], e["kind"], e["count"]) for e in result(looked)["data"]} == {
        (name, kind, count) for name in NAMES for kind, count in (("metrics", 2160), ("logs", 720))
    }
    assert not (tmp_path / "data").exists()

    world.known = {"eu1"}
    told = failed(save(world, play, tmp_path / "data"))
    assert "us1: https://vmauth.us1.example.com: it isn't reached" in told
    assert "isn't whole yet, run again to go on: 2160 samples and 720 lines" in told
    (folder,) = (tmp_path / "data").iterdir()
    refused = failed(restore(folder, play))
    assert "isn't finished: run the backup again, with backup_data=true" in refused

    world.known = set(NAMES)
    other = play(
        EVERYTHING, {"k0rdent.kof.fleet_data": {"step": "save", "folder": str(folder.parent), "range_from": "1h"}}, "-v"
    )
    assert "is of another range" in failed(other)
    run = save(world, play, tmp_path / "data")
    assert run.returncode == 0, run.stdout
    found = {(e["cluster"], e["kind"]): (e["count"], e["there"]) for e in result(run)["data"]}
    assert {key: count for key, (count, _there) in found.items()} == {
        (name, kind): count for name in NAMES for kind, count in (("metrics", 2160), ("logs", 720))
    }
    assert found["eu1", "logs"][1] > 0
    assert found["us1", "logs"][1] == 0
    again = save(world, play, tmp_path / "data")
    assert "has all of that time already" in result(again)["msg"]
    assert sorted(path.name for path in folder.iterdir()) == ["eu1", "manifest.json", "us1"]
    file = next(folder.glob("us1/logs/*"))
    file.unlink()
    assert f"{file.relative_to(folder)} isn't there. It was damaged" in failed(save(world, play, tmp_path / "data"))


def test_a_folder_of_a_fleet_of_that_name_elsewhere_stays_as_it_is(
    world: World, play: Any, tmp_path: pathlib.Path
) -> None:
    made = saved_data.Folder(tmp_path / saved_data.folder_name("actions", world.end))
    made.begin(saved_data.About("actions", "0.1.1", world.begin, world.end, management_cluster="another"))
    made.release()
    for task in ({}, {"range_from": at(world.begin), "range_to": at(world.end)}):
        if task:
            made.finish([])
        before = sorted(path.name for path in made.path.iterdir())
        run = play(EVERYTHING, {"k0rdent.kof.fleet_data": {"step": "save", "folder": str(tmp_path), **task}}, "-v")
        assert "is of a fleet actions on another management cluster: name another folder" in failed(run)
        assert sorted(path.name for path in made.path.iterdir()) == before


def test_what_a_full_disk_left_of_a_folder_is_begun_anew(world: World, play: Any, tmp_path: pathlib.Path) -> None:
    bare = tmp_path / saved_data.folder_name("actions", world.end)
    bare.mkdir(mode=0o700)
    run = save(world, play, tmp_path)
    assert run.returncode == 0, run.stdout
    assert result(run)["folder"] == str(bare)


@pytest.fixture(scope="module")
def kept() -> list[pathlib.Path]:
    return []


@pytest.fixture
def saved(world: World, play: Any, kept: list[pathlib.Path], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    if not kept:
        where = tmp_path_factory.mktemp("kept")
        run = save(world, play, where)
        assert run.returncode == 0, run.stdout
        kept.extend(where.iterdir())
    return kept[0]


def test_what_is_damaged_or_anothers_is_refused_before_anything_is_sent(
    world: World, play: Any, saved: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    world.stores["eu1"].empty()
    try:
        folder = tmp_path / "copy"
        shutil.copytree(saved, folder)
        file = sorted(folder.glob("us1/logs/*"))[-1]  # the last that would be sent
        raw = file.read_bytes()
        file.write_bytes(raw[:-9])
        for look in ({}, {"only_look": True}):
            assert f"{file.relative_to(folder)} has another checksum" in failed(restore(folder, play, **look))
        file.write_bytes(raw)
        told = failed(restore(folder, play, "-e", "kof_fleet=other"))
        assert "is of fleet actions, and kof_fleet is other" in told
        assert "can't be read" in failed(restore(tmp_path, play))
        assert world.counts("eu1") == (0, 0)
        assert not (folder / "sending.jsonl").exists()
    finally:
        run = restore(saved, play)
        assert run.returncode == 0, run.stdout
        assert world.counts("eu1") == (2160, 720)


def test_what_is_there_already_stays_and_what_isnt_is_sent(world: World, play: Any, saved: pathlib.Path) -> None:
    world.stores["us1"].empty()
    looked = restore(saved, play, "--check")
    assert looked.returncode == 0, looked.stdout
    assert "would be sent: 2160 samples and 720 lines" in result(looked)["msg"]
    assert world.counts("us1") == (0, 0)
    world.known = {"us1"}
    began = time.monotonic()
    looked = restore(saved, play, "--check", patience=500)
    assert "(once they answer, eu1: " in result(looked)["msg"]
    assert time.monotonic() - began < 500
    world.known = set(NAMES)
    run = restore(saved, play)
    assert run.returncode == 0, run.stdout
    assert result(run)["changed"]
    assert [world.counts(name) for name in NAMES] == [(2160, 720)] * 2
    again = restore(saved, play)
    assert not result(again)["changed"]
    assert [world.counts(name) for name in NAMES] == [(2160, 720)] * 2
    # Samples that somebody else has written aren't doubled by those that are saved.
    world.stores["us1"].write_metrics([{"metric": {"__name__": "up"}, "values": [1], "timestamps": [world.begin + 1]}])
    world.stores["us1"].until(world.begin, world.end, 2161, 720)
    told = failed(restore(saved, play))
    assert re.search(r"us1 has \d+1 samples of these metrics in that time already, and \d+0 are saved", told)
    assert world.counts("us1") == (2161, 720)


def test_a_login_that_is_refused_and_a_certificate_that_isnt_trusted_are_told(
    world: World,
    play: Any,
    saved: pathlib.Path,
    control_plane: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
) -> None:
    stored(control_plane, "another-CANARY")
    for run in (save(world, play, tmp_path / "data"), restore(saved, play)):
        told = failed(run)
        assert "eu1: HTTP 401: vmauth doesn't take the stored login" in told
        assert "another-CANARY" not in run.stdout
    stored(control_plane, LOGIN[1])
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "somebody else").certificate_file))
    assert "its certificate isn't trusted" in failed(restore(saved, play))
    control_plane.kubectl("delete", "clusterdeployment", "us1", "-n", "kcm-system")
    monkeypatch.setenv("SSL_CERT_FILE", str(world.authority.certificate_file))
    told = failed(save(world, play, tmp_path / "gone"))
    assert "us1: it isn't on the management cluster" in told
    assert "2160 samples and 720 lines of 1 regional" in told
    control_plane.kubectl("delete", "secret", SECRET, "-n", "kof")
    told = failed(save(world, play, tmp_path / "no"))
    assert f"eu1: Secret kof/{SECRET} has no login" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"range_from": "soon"}, "range_from (backup_data_from) is neither a time with its zone"),
        ({"range_from": "1h", "range_to": "2h"}, "range_from (backup_data_from) isn't before to"),
        ({"range_to": "2096-01-01T00:00:00Z"}, "range_to (backup_data_to) is later than now"),
        ({"folder": "a\nb"}, "folder (backup_folder)"),
        ({"patience": -1}, "patience (restore_data_patience) is less than 0"),
    ],
)
def test_bad_options_are_refused_before_anything(play: Any, tmp_path: pathlib.Path, options: Any, told: str) -> None:
    task = {"step": "save", "folder": str(tmp_path / "data"), **options}
    assert told in failed(play(EVERYTHING, {"k0rdent.kof.fleet_data": task}, "-v"))
    assert not (tmp_path / "data").exists()
