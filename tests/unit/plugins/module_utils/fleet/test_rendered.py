"""Where the files of a rendering go, who may read them, and what of them is secret."""

from __future__ import annotations

import base64
import errno
import os
import pathlib
import resource
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rendered import (
    MARKER,
    Folder,
    secret_by,
    without_secrets,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import ANYWHERE, Hider

TEXTS = {"regional/eu1.yaml": "a: 1\n", "mothership/kof-values.yaml": "b: ü\n"}


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def everything(folder: pathlib.Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_only_what_differs_is_written(tmp_path: pathlib.Path) -> None:
    folder = Folder(tmp_path / "deep" / "rendered", secrets=False)
    assert folder.differing(TEXTS) == list(TEXTS)
    assert not folder.path.exists()
    folder.write(TEXTS)
    assert everything(folder.path) == TEXTS
    assert folder.differing(TEXTS) == []
    changed = TEXTS | {"regional/eu1.yaml": "a: 2\n"}
    assert folder.differing(changed) == ["regional/eu1.yaml"]
    folder.write(changed)
    assert everything(folder.path) == changed
    assert {mode(folder.path / name) for name in TEXTS} == {0o644}


def test_files_with_secrets_are_nobody_elses(tmp_path: pathlib.Path) -> None:
    Folder(tmp_path, secrets=False).write(TEXTS)
    folder = Folder(tmp_path, secrets=True)
    # The content is right, but all may read it.
    assert folder.differing(TEXTS) == list(TEXTS)
    with open(tmp_path / "regional/eu1.yaml") as somebody_has_it_open:
        folder.write(TEXTS | {"regional/eu1.yaml": "secret\n"})
        assert "secret" not in somebody_has_it_open.read()
    assert {mode(tmp_path / name) for name in TEXTS} == {0o600}
    assert folder.differing({"mothership/kof-values.yaml": "b: ü\n"}) == []
    new = Folder(tmp_path / "new", secrets=True)
    new.write(TEXTS)
    assert {mode(each) for each in (new.path, new.path / "regional")} == {0o700}


@pytest.mark.parametrize("place", ["regional", "regional/eu1.yaml"])
@pytest.mark.parametrize("target", ["there", "missing"])
def test_links_lead_nowhere(tmp_path: pathlib.Path, place: str, target: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for file in ("eu1.yaml", "there"):
        (outside / file).write_text("precious")
    link = tmp_path / "rendered" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if place == "regional" else outside / target)
    folder = Folder(tmp_path / "rendered", secrets=False)
    for act in (folder.differing, folder.write):
        if act == folder.write and place != "regional":
            continue
        with pytest.raises(FleetFault) as caught:
            act(TEXTS)
        assert str(link) in str(caught.value)
        assert "render_folder" in str(caught.value)
    # One that is put there between the look and the writing is replaced, not followed.
    if place != "regional":
        folder.write(TEXTS)
        assert not link.is_symlink()
    assert {each.name: each.read_text() for each in outside.iterdir()} == {"eu1.yaml": "precious", "there": "precious"}


def test_another_name_of_a_file_keeps_its_content(tmp_path: pathlib.Path) -> None:
    (tmp_path / "regional").mkdir()
    (tmp_path / "precious").write_text("precious")
    os.link(tmp_path / "precious", tmp_path / "regional/eu1.yaml")
    Folder(tmp_path, secrets=False).write(TEXTS)
    assert (tmp_path / "precious").read_text() == "precious"


def test_what_a_killed_run_left_is_no_trouble(tmp_path: pathlib.Path) -> None:
    (tmp_path / "regional").mkdir()
    (tmp_path / "regional/.eu1.yaml.unfinished").symlink_to(tmp_path / "elsewhere")
    folder = Folder(tmp_path, secrets=False)
    folder.write(TEXTS)
    assert everything(tmp_path) == TEXTS


def test_a_folder_that_cant_be_written_is_named_with_what_moves_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FleetFault) as caught:
        Folder(tmp_path / "file" / "rendered", secrets=False).write(TEXTS)
    assert str(caught.value) == (
        f"can't write a folder to {tmp_path}/file/rendered: Not a directory. Mend that there, or name another folder "
        "by render_folder (option folder)"
    )


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path, secrets=False)
    folder.write(TEXTS)
    large = {"regional/eu1.yaml": "x" * 20000}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses the write itself, as it does on a full disk: with EFBIG, since this one isn't full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, hard))
    try:
        with pytest.raises(FleetFault) as caught:
            folder.write(large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "regional/eu1.yaml (20000 bytes)" in str(caught.value)
    assert f"to {tmp_path}: {os.strerror(errno.EFBIG)}" in str(caught.value)
    assert "render_folder" in str(caught.value)
    assert everything(tmp_path) == TEXTS


SECRET = secret_by(Hider({"hunter2hunter2", "abc", "x", "  padded-value\n", "multi\nline\nsecret"}, ANYWHERE))


@pytest.mark.parametrize(
    ("text", "hides"),
    [
        ("hunter2hunter2", True),
        ("https://host/?key=hunter2hunter2&x", True),
        (base64.b64encode(b"hunter2hunter2").decode(), True),
        ("Bearer padded-value", True),
        ("multi\nline\nsecret", True),
        ("abc", True),
        ("user:abc@host", True),
        ("abcdef", False),
        ("x", False),  # hides nothing
        ("x-y", False),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", True),
        ("-----BEGIN CERTIFICATE-----\nMII", False),
        ("https://me:pass@example.com/", True),
        ("https://token@example.com/", True),
        ("registry.example.com/a@sha256:0123", False),
        ("oci://ghcr.io/k0rdent/kof/charts", False),
        ("", False),
    ],
)
def test_what_holds_a_secret(text: str, hides: bool) -> None:
    assert SECRET(text) is hides


def test_a_marker_stands_for_a_url_with_a_login() -> None:
    values = {
        "dsn": "postgres://me:pass@db/kof",
        "text": "dsn: postgres://me:pass@db/kof\nx: 1\n",
        "url": "https://db/a@b",
    }
    assert without_secrets(values, SECRET) == {
        "dsn": MARKER,
        "text": f'dsn: "{MARKER}"\nx: 1\n',
        "url": "https://db/a@b",
    }


def test_a_marker_stands_for_each_secret_and_all_else_stays() -> None:
    values = "auth:\n  user: hunter2hunter2\n  list: [a, abc]\n  pin: 5\n  adminPassword: p\n  text: |\n    a\n    b\n"
    deployment = {
        "apiVersion": "k0rdent.mirantis.com/v1beta1",
        "kind": "ClusterDeployment",
        "metadata": {"name": "abc", "namespace": "abc", "labels": {"team": "abc"}},
        "spec": {
            "config": {"password": "p", "existingSecret": "name", "passwordKey": "key", "number": 7, "on": True},
            "secureJsonData": {"basicAuthPassword": "${password}"},
            "env": [{"name": "ADMIN_PASSWORD", "value": "p"}, {"name": "HOME", "value": "/"}],
            "args": ["--password=p", "--level=info"],
            "serviceSpec": {
                "services": [{"name": "a", "values": values}, {"name": "b", "values": "a: 1 # as it is\n"}]
            },
        },
    }
    (found,) = without_secrets([deployment], SECRET)
    services = found["spec"].pop("serviceSpec")["services"]
    assert found == {
        "apiVersion": "k0rdent.mirantis.com/v1beta1",
        "kind": "ClusterDeployment",
        "metadata": {"name": "abc", "namespace": "abc", "labels": {"team": MARKER}},
        "spec": {
            "config": {"password": MARKER, "existingSecret": "name", "passwordKey": "key", "number": 7, "on": True},
            "secureJsonData": {"basicAuthPassword": "${password}"},
            "env": [{"name": "ADMIN_PASSWORD", "value": MARKER}, {"name": "HOME", "value": "/"}],
            "args": [f"--password={MARKER}", "--level=info"],
        },
    }
    assert services[1]["values"] == "a: 1 # as it is\n"
    assert yaml.safe_load(services[0]["values"]) == {
        "auth": {"user": MARKER, "list": ["a", MARKER], "pin": 5, "adminPassword": MARKER, "text": "a\nb\n"}
    }


def test_two_runs_that_write_the_same_folder_at_once_leave_whole_files(tmp_path: pathlib.Path) -> None:
    """A timer's and somebody's: neither takes the other's unfinished file for its own."""
    texts = ["a" * 2**20, "b" * 2**20]

    def write(text: str) -> set[str]:
        found = set()
        for _ in range(60):
            Folder(tmp_path, secrets=False, mode=0o644).write({"status.json": text})
            found.add((tmp_path / "status.json").read_text())
        return found

    with ThreadPoolExecutor(2) as pool:
        seen = set().union(*pool.map(write, texts))
    assert seen <= set(texts)
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK])
def test_what_is_no_file_isn_t_replaced_by_one(kind: int, tmp_path: pathlib.Path) -> None:
    """As root a file would be where /dev/null was."""
    os.mknod(tmp_path / "log", kind | 0o600)
    with pytest.raises(FleetFault, match="is a link, or no folder"):
        Folder(tmp_path, secrets=True).write({"log": "a"})
    assert stat.S_IFMT((tmp_path / "log").lstat().st_mode) == kind
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]
