"""group_vars/ and host_vars/ that nobody reads: found by path where they hold variables of ours, and only there."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader

from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import PREFIXES
from ansible_collections.k0rdent.kof.plugins.plugin_utils.vars_folders import unread

GROUPS = {"all": ["eu1"], "kof_regional": ["eu1"]}


@pytest.fixture
def found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """found(files, called) -> the lines, of a play that was imported from elsewhere and an inventory in inventory/."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text("")
    (tmp_path / "site.yml").write_text("")

    def lines(files: dict[str, str], called: str = "site.yml", basedir: str = "collection/playbooks") -> list[str]:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=(called,)))
        loader = DataLoader()
        loader.set_basedir(str(tmp_path / basedir))
        sources = [str(tmp_path / "inventory" / "hosts.yml")]
        return unread(loader, {"groups": GROUPS, "ansible_inventory_sources": sources}, PREFIXES)

    return lines


@pytest.mark.parametrize("called", ["site.yml", "./site.yml", "k0rdent.kof.site"])
@pytest.mark.parametrize(
    "name", ["group_vars/all.yml", "group_vars/kof_regional", "group_vars/all/kof.yaml", "host_vars/eu1.json"]
)
def test_a_file_of_ours_is_told_with_where_to_put_it(
    found: Any, tmp_path: pathlib.Path, name: str, called: str
) -> None:
    (line,) = found({name: '{"kof_fleet": "acme", "other": 1}'}, called)
    folder = name.split("/")[0]
    assert line.startswith(f"{tmp_path / name}: kof_fleet would be ignored")
    assert line.endswith(f"move the file to {tmp_path}/inventory/{folder}")


def test_a_playbook_between_that_imports_ours_has_such_folders_too(found: Any, tmp_path: pathlib.Path) -> None:
    files = {
        "site.yml": "[{hosts: localhost}, {import_playbook: kof/fleet.yml}, {import_playbook: '{{ more }}'}]",
        "kof/fleet.yml": "[{ansible.builtin.import_playbook: k0rdent.kof.site}, {import_playbook: ../site.yml}]",
        "kof/group_vars/all.yml": "kof_fleet: acme",
    }
    (line,) = found(files)
    assert line.startswith(f"{tmp_path}/kof/group_vars/all.yml: kof_fleet would be ignored")
    assert found(files, basedir="kof") == [], "a play of its own"


@pytest.mark.parametrize(
    ("files", "basedir"),
    [
        ({"group_vars/all.yml": "acme_region: x"}, "collection/playbooks"),  # nothing of ours
        ({"group_vars/all.yml": ""}, "collection/playbooks"),
        ({"group_vars/web.yml": "kof_fleet: acme"}, "collection/playbooks"),  # of no group that there is
        ({"group_vars/all.yml": "kof_fleet: acme"}, "."),  # the play is this playbook's own: core reads it
        ({"inventory/group_vars/all.yml": "kof_fleet: acme"}, "collection/playbooks"),
    ],
)
def test_what_is_read_or_not_ours_is_no_fault(found: Any, files: dict[str, str], basedir: str) -> None:
    assert found(files, basedir=basedir) == []


def test_a_link_to_what_is_read_is_read(found: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "inventory" / "group_vars").symlink_to(tmp_path / "group_vars")
    assert found({"group_vars/all.yml": "kof_fleet: acme"}) == []


def test_what_cannot_be_looked_into_may_be_ours(found: Any) -> None:
    (line,) = found({"group_vars/all.yml": "$ANSIBLE_VAULT;1.1;AES256\n3132\n"})
    assert "what is in it would be ignored" in line
