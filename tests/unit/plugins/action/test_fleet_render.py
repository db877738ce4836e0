"""The playbook render, as a person calls it: where the files are, and what of a vault is in them."""

from __future__ import annotations

import base64
import os
import pathlib
import stat
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[4]
BIN = pathlib.Path(sys.executable).parent

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
  promxy: {extraArgs: ["--bearer={{ in_file }}"], note: "{{ one | b64encode }}", adminPassword: by-name-only}
  grafana: {ini: "user={{ template }} {{ deep.list[0] }}"}
regional_service_values:
  kof-storage: {grafana: {auth: "{{ one }}"}, pin: "{{ number }}", plain: stays-as-it-is}
"""
IN_FILE = """
in_file: CANARY-file
template: "{{ 'CANARY' }}-template"
deep: {list: [CANARY-deep]}
number: 13371337
regional_storage_class: gp3
"""
CANARIES = ["CANARY", "13371337", "by-name-only", base64.b64encode(b"CANARY-inline").decode()]


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "a" / "b" / "c" / "inventory"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(HOSTS)
    (tmp_path / "password").write_text("p")
    vault = [str(BIN / "ansible-vault"), "--vault-password-file", str(tmp_path / "password")]
    (folder / "group_vars/all/vault.yml").write_text(IN_FILE)
    subprocess.run([*vault[:1], "encrypt", *vault[1:], str(folder / "group_vars/all/vault.yml")], check=True)
    inline = [*vault[:1], "encrypt_string", *vault[1:], "CANARY-inline", "--name", "one"]
    text = subprocess.run(inline, check=True, capture_output=True, text=True).stdout
    (folder / "group_vars/all/plain.yml").write_text(PLAIN + text)
    return folder


def render(inventory: pathlib.Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")}
    password = ("--vault-password-file", inventory.parents[3] / "password")
    done = subprocess.run(
        [BIN / "ansible-playbook", REPOSITORY / "playbooks/render.yml", "-i", inventory, *arguments, *password],
        cwd=inventory.parent,
        env=clean | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "PWD": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
