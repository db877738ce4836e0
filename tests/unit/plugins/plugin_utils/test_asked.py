"""Names of --limit that match nobody; what needs plays is tests/acceptance/test_real_green.py."""

from __future__ import annotations

import pathlib
import types

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from unit.inventories import FLEET

from ansible_collections.k0rdent.kof.plugins.plugin_utils import asked


@pytest.mark.parametrize(
    ("limit", "unmatched"),
    [
        ("eu1", []),
        ("@limit", ["us2"]),  # its comment and its empty line are no names
        ("kof_child:!us*:&kof_child", []),
        ("~eu.*,kof_regional[0:1],localhost", []),
        ("eu1:!retired", ["!retired"]),
    ],
)
def test_parts_of_a_limit_that_match_nobody(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, limit: str, unmatched: list[str]
) -> None:
    (tmp_path / "hosts.yml").write_text(FLEET)
    (tmp_path / "limit").write_text("eu1\n\n# the rest is for tomorrow\nus2\n")
    monkeypatch.chdir(tmp_path)
    inventory = InventoryManager(DataLoader(), sources=[str(tmp_path / "hosts.yml")])
    inventory.subset(limit)
    found = asked._patterns(types.SimpleNamespace(_inventory=inventory))
    assert [line.split(":")[0] for line in found] == [f"--limit {each}" for each in unmatched]


@pytest.mark.parametrize(
    ("named", "file"),
    [
        ("k0rdent.kof.site", "playbooks/site.yml"),
        ("k0rdent.kof.layers.report", "playbooks/layers/report.yml"),
        ("k0rdent.kof.nothing", None),
        ("no.such.collection", None),
        ("site.yml", None),
        ("", None),
    ],
)
def test_a_collections_playbook_is_found_wherever_the_play_is(named: str, file: str | None) -> None:
    found = asked._path(named)
    root = pathlib.Path(__file__).parents[4]
    assert (pathlib.Path(found).resolve() if found else None) == (root / file if file else None)


@pytest.mark.parametrize(
    ("groups", "extra", "slice_of_awx"),
    [
        ({"kof_regional": ["eu1"], "kof_child": []}, {"awx_job_id": 7}, True),
        ({"kof_regional": ["eu1"], "kof_child": []}, {}, False),  # somebody at a terminal
        ({"kof_regional": ["eu1"]}, {"awx_job_id": 7}, False),  # a slice has all groups
        ({"kof_regional": [], "kof_child": [], "web": ["w1"]}, {"awx_job_id": 7}, False),  # and some cluster
    ],
)
def test_a_slice_of_awx_may_have_no_cluster_of_the_playbook(
    monkeypatch: pytest.MonkeyPatch, groups: dict[str, list[str]], extra: dict[str, int], slice_of_awx: bool
) -> None:
    monkeypatch.setattr(asked, "extra_variables", lambda _hostvars: extra)
    assert asked._may_be_a_slice({"groups": groups, "hostvars": {}}, ["kof_child"]) is slice_of_awx
