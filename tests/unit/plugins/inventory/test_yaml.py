"""k0rdent.kof.yaml gives what ansible-core's yaml gives, of any file, and copies and collects nothing."""

from __future__ import annotations

import copy
import gc
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
NAMES = ("ansible.builtin.yaml", "k0rdent.kof.yaml")
PLAIN = """
all:
  vars: {kof_fleet: "{{ 'fleet' }}", empty: null}
  children:
    kof_regional:
      hosts:
        aws-us-east-[1:3]: &shared {regional_config: {region: us-east-2, list: [1, two, 3.0]}}
        eu-west-1: *shared
      children: kof_more
    kof_child: {hosts: one, vars: {child_regional: eu-west-1}}
    unheard: {hosts: , other: {a: b}, vars: text-of-nothing}
  nothing:
"""
UGLY = {
    "plain": PLAIN.replace("vars: text-of-nothing", "vars: {x: y}"),
    "json": '{"kof_child": {"hosts": {"a": {"x": "{{ y }}"}}}}',
    "text for a map": PLAIN,
    "empty": "",
    "a list": "[]",
    "another plugin's": "plugin: k0rdent.kof.clusters",
    "no YAML": "a: [",
    "a number for a host": "all: {hosts: {1: {}}}",
    "no group": "all: text\nother: {hosts: {a: }}",
    "vars that are a list": "all: {vars: [a]}",
}


def loader() -> DataLoader:
    made = DataLoader()
    made.set_vault_secrets([("default", VaultSecret(b"pw"))])
    return made


def read(name: str, path: pathlib.Path) -> Any:
    """What a plugin makes of a file: the whole inventory, with tags, or the error."""
    plugin, inventory = inventory_loader.get(name), InventoryData()
    assert plugin.verify_file(str(path))
    try:
        plugin.parse(inventory, loader(), str(path))
    except Exception as error:
        return type(error), str(error)
    inventory.reconcile_inventory()
    tags = [
        (name, list(tags_in(each.vars))) for kind in ("hosts", "groups") for name, each in vars(inventory)[kind].items()
    ]
    groups = {name: (group.vars, group.child_groups, group.hosts) for name, group in inventory.groups.items()}
    return repr(groups), repr({name: host.vars for name, host in inventory.hosts.items()}), repr(tags)


def tags_in(value: Any) -> Iterator[Any]:
    """The type of each value in it, keys too, and all its tags: where it stands in which file, if it is trusted."""
    yield type(value), getattr(value, "_ansible_tags_mapping", None)
    for each in (
        [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from tags_in(each)


@pytest.mark.parametrize("text", UGLY.values(), ids=UGLY)
def test_any_file_is_read_as_core_reads_it(tmp_path: pathlib.Path, text: str) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    assert read(NAMES[1], file) == read(NAMES[0], file)


def test_an_encrypted_file_is_read_as_core_reads_it(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_bytes(VaultLib([("default", VaultSecret(b"pw"))]).encrypt(UGLY["plain"]))
    found = read(NAMES[1], file)
    assert "us-east-2" in found[1]
    assert found == read(NAMES[0], file)


@pytest.mark.parametrize(
    "file", sorted((REPOSITORY / "inventories").glob("*/*.yml")), ids=lambda path: path.parent.name
)
def test_inventories_that_we_show_are_read_as_core_reads_them(file: pathlib.Path) -> None:
    assert read(NAMES[1], file) == read(NAMES[0], file)


def test_nothing_is_copied(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(UGLY["plain"])
    copied: list[Any] = []
    monkeypatch.setattr(copy, "deepcopy", copied.append)
    read(NAMES[1], file)
    assert not copied
    read(NAMES[0], file)
    assert copied


@pytest.mark.parametrize("name", NAMES)
def test_its_options_are_those_of_core(tmp_path: pathlib.Path, name: str) -> None:
    file, config = tmp_path / "hosts.inv", tmp_path / "ansible.cfg"
    file.write_text("kof_child: {hosts: {a: }}")
    config.write_text(f"[defaults]\nyaml_valid_extensions = .inv\n[inventory]\nenable_plugins = {name}\n")
    command = ["ansible-inventory", "-i", str(file), "--graph"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(config)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "--a" in done.stdout, done.stderr


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("text", [UGLY["plain"], UGLY["no YAML"]])
def test_the_collector_is_left_as_it_was(tmp_path: pathlib.Path, text: str, enabled: bool) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    (gc.enable if enabled else gc.disable)()
    gc.unfreeze()
    try:
        read(NAMES[1], file)
        assert gc.isenabled() is enabled
        assert (gc.get_freeze_count() > 0) is (text == UGLY["plain"])
    finally:
        gc.enable()
        gc.unfreeze()
