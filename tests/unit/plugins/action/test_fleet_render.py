"""The playbook render, as a person calls it: where the files are, and what of a vault is in them."""

from __future__ import annotations

import base64
import os
import pathlib
import stat
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.action.fleet_render import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from forked import SHARED

REPOSITORY = pathlib.Path(__file__).parents[4]

HOSTS = """
kof_mothership: {hosts: {"../../up": {}}}
kof_regional:
  hosts:
    "../../../escaped": {regional_cluster_name: eu1, regional_domain: eu1.example.com}
    "..": {regional_cluster_name: us1, regional_domain: us1.example.com}
"""
PLAIN = """
kof_version: "0.1.1"
kof_fleet: first
regional_admin_email: platform@example.com
mothership_values:
  promxy: {extraArgs: ["--bearer={{ in_file }}"], env: {note: "{{ one | b64encode }}", adminPassword: by-name-only}}
  defaultRules: {ini: "user={{ template }} {{ deep.list[0] }}"}
regional_service_values:
  kof-storage: {defaultRules: {auth: "{{ one }}", pin: "{{ number }}", who: "{{ of_host }}", plain: stays-as-it-is}}
"""
IN_FILE = """
in_file: CANARY-file
template: "{{ 'CANARY' }}-template"
deep: {list: [CANARY-deep]}
number: 13371337
of_host: "CANARY-{{ regional_cluster_name }}"
nothing_uses: "{{ lookup('pipe', 'touch FOLDER/nothing-uses-it') }}"
regional_storage_class: gp3
"""
CANARIES = ["CANARY", "13371337", "by-name-only", base64.b64encode(b"CANARY-inline").decode()]


SETTINGS = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}


def vault(folder: pathlib.Path, verb: str, *arguments: str) -> str:
    words = [verb, "--vault-password-file", str(folder / "password"), *arguments]
    code, told = SHARED.run(words, os.environ | SETTINGS, 300, program="vault")
    assert code == 0, told
    return told


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "a" / "b" / "c" / "inventory"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(HOSTS)
    (tmp_path / "password").write_text("p")
    (folder / "group_vars/all/vault.yml").write_text(IN_FILE.replace("FOLDER", str(tmp_path)))
    vault(tmp_path, "encrypt", str(folder / "group_vars/all/vault.yml"))
    text = vault(tmp_path, "encrypt_string", "CANARY-inline", "--name", "one")
    (folder / "group_vars/all/plain.yml").write_text(PLAIN + text)
    return folder


def render(inventory: pathlib.Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")}
    password = ("--vault-password-file", inventory.parents[3] / "password")
    words = [REPOSITORY / "playbooks/render.yml", "-i", inventory, *arguments, *password]
    code, told = SHARED.run(list(map(str, words)), clean | SETTINGS | {"PWD": "/nowhere"}, 300, folder=inventory.parent)
    assert code == 0, told
    return told


def files(folder: pathlib.Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_render_writes_below_the_callers_folder_and_no_secret(inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    before = files(tmp_path)
    told = render(inventory, "-v")
    folder = inventory.parent / "rendered"
    found = files(folder)
    assert f"5 files in {folder}, 5 changed" in told
    assert sorted(found) == [
        "mothership/kof-mothership-values.yaml",
        "mothership/kof-operators-values.yaml",
        "mothership/mothership.yaml",
        "regional/eu1.yaml",
        "regional/us1.yaml",
    ]
    assert {name for name in files(tmp_path) if not name.startswith("a/b/c/rendered/")} == set(before)
    written = "".join(found.values())
    assert not [each for each in CANARIES if each in written + told]
    for stays in ("stays-as-it-is", "eu1.example.com", "app.kubernetes.io/part-of: first"):
        assert stays in written
    assert "changed=0" in render(inventory)
    # Told to, all of it, for nobody else's eyes.
    told = render(inventory, "-e", "render_secrets=true", "-e", "render_folder=../mine")
    mine = inventory.parent / "../mine"
    written = "".join(files(mine).values())
    assert not [
        each for each in (*CANARIES[1:], "CANARY-file", "CANARY-template", "CANARY-deep") if each not in written
    ]
    assert str(mine.resolve()) in told
    assert "CANARY" not in told
    assert {stat.S_IMODE(each.stat().st_mode) for each in mine.rglob("*") if each.is_file()} == {0o600}


@pytest.mark.parametrize("folder", ["a\0b", "a\nb", "\x1b[2J"])
def test_a_folder_that_nobody_means_is_refused_before_anything_is_read(folder: str) -> None:
    action: Any = None  # nothing of it is needed
    with pytest.raises(FleetFault, match="control character"):
        ActionModule.fleet(action, {"folder": folder, "secrets": False}, {})
