"""A folder on which nothing can be written: everywhere, what was to be written, where, and what moves it is told."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleParserError
from ansible.plugins.cache import CachePluginAdjudicator

from ansible_collections.k0rdent.kof.plugins.inventory import clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rendered import Folder
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import Helm, HelmFailed, HelmUnusable, Registry
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import transport
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings, settings
from ansible_collections.k0rdent.kof.plugins.plugin_utils import place

REPOSITORY = pathlib.Path(__file__).parents[3]
BIN = pathlib.Path(sys.executable).parent
NO_ROOM = "No space left on device"


def mounted(folder: pathlib.Path, options: str) -> Iterator[pathlib.Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nobody here may mount: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def full(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A disk that has no room for another file."""
    yield from mounted(tmp_path / "full", "size=4k,nr_inodes=1")


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A disk with room for a few lines."""
    yield from mounted(tmp_path / "small", "size=16k")


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without files in memory."""
    monkeypatch.delattr(os, "memfd_create")


def told(problem: pytest.ExceptionInfo[Any], *words: object) -> None:
    for each in (NO_ROOM, "can't write", *words):
        assert str(each) in str(problem.value)


def test_a_rendering(small: pathlib.Path) -> None:
    folder = Folder(small / "rendered", secrets=False)
    with pytest.raises(FleetFault) as caught:
        folder.write({"regional/a.yaml": "a: 1\n", "regional/b.yaml": "x" * 100_000})
    told(caught, small / "rendered", "regional/b.yaml (100000 bytes)", "render_folder")
    assert [each.name for each in small.rglob("*") if each.is_file()] == ["a.yaml"]


def test_a_folder_for_a_rendering(full: pathlib.Path) -> None:
    with pytest.raises(FleetFault) as caught:
        Folder(full / "rendered", secrets=False).write({"regional/a.yaml": "a: 1\n"})
    told(caught, full / "rendered", "render_folder")


@pytest.mark.parametrize(("scratch", "moves"), [(True, "ansible_remote_tmp"), (False, "TMPDIR")])
def test_helms_folder(full: pathlib.Path, monkeypatch: pytest.MonkeyPatch, scratch: bool, moves: str) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(full))
    folder = str(full) if scratch else None
    with pytest.raises(HelmUnusable) as caught, Helm("helm", Settings("https://a", ""), Registry(), scratch=folder):
        pass
    told(caught, moves)


def test_what_helm_has_no_room_for(tmp_path: pathlib.Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho 'Error: write /x/y.tgz: no space left on device' >&2\nexit 1\n")
    helm.chmod(0o700)
    on_it = Helm(str(helm), Settings("https://a", ""), Registry(), scratch=str(tmp_path))
    with on_it as running, pytest.raises(HelmFailed) as caught:
        running.pull("oci://a/b", "1")
    told(caught, f"to {tmp_path}/helm-", "ansible_remote_tmp", "write /x/y.tgz")


def test_a_client_certificate_without_memory_for_it(
    full: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_memory: None
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(full))
    with pytest.raises(ApiUnavailable) as caught:
        transport.Transport(Settings("https://a", "", client_pem=b"x"), 1)
    told(caught, "the client certificate", full, "TMPDIR")


def test_a_kubeconfig_without_memory_for_it(
    full: pathlib.Path, monkeypatch: pytest.MonkeyPatch, no_memory: None
) -> None:
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(full), raising=False)
    with pytest.raises(ApiUnavailable) as caught:
        place.readable({"clusters": [], "users": [], "contexts": []}, str, None)
    told(caught, "a kubeconfig", full, "ANSIBLE_LOCAL_TEMP")


def test_certificates_for_the_library(
    full: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kubernetes")
    monkeypatch.setattr("tempfile.tempdir", str(full))
    data = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nUEVN\n-----END CERTIFICATE-----\n").decode()
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://a", "certificate-authority-data": data}}],
        "users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": {"id-token": "a.b.c"}}}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    with pytest.raises(ApiUnavailable) as caught:
        settings({"kubeconfig": str(tmp_path / "config"), "persist_config": True}, {})
    told(caught, "certificates", full, "TMPDIR")


def run(folder: pathlib.Path, arguments: list[str], **environment: str) -> str:
    done = subprocess.run(
        [str(BIN / arguments[0]), *arguments[1:]],
        cwd=folder,
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


RELEASE = {
    "release_name": "a",
    "release_namespace": "b",
    "chart_ref": "oci://a/b",
    "host": "https://127.0.0.1:1",
    "api_key": "0123456789",
}


@pytest.mark.parametrize(
    ("variable", "disk", "what"),
    [("ANSIBLE_REMOTE_TEMP", "full", "helm's files"), ("ANSIBLE_LOCAL_TEMP", "small", "the module")],
)
def test_a_module(tmp_path: pathlib.Path, request: pytest.FixtureRequest, variable: str, disk: str, what: str) -> None:
    folder: pathlib.Path = request.getfixturevalue(disk)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_pipelining": True, "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [{"k0rdent.kof.helm_release": RELEASE}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    output = run(
        tmp_path, ["ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"], **{variable: str(folder)}
    )
    assert f"can't write {what} to {folder}" in output
    assert NO_ROOM in output
    assert variable.removeprefix("ANSIBLE_").lower().replace("temp", "tmp") in output.lower().replace("temp", "tmp")


def test_the_cache_of_an_inventory(full: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = clusters.InventoryModule()
    plugin._cache = CachePluginAdjudicator("ansible.builtin.jsonfile", _uri=str(full))
    options = {"cache": True, "namespace": "kcm-system", "cache_connection": str(full)}
    monkeypatch.setattr(plugin, "get_option", options.get)
    monkeypatch.setattr(plugin, "get_cache_key", str)
    monkeypatch.setattr(plugin, "_ask", lambda _path: [])
    plugin._given = {}
    with pytest.raises(AnsibleParserError) as caught:
        plugin._clusters("a.kof.yml", cache=True)
    told(caught, "the cache", full, "cache_connection")
