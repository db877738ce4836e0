"""The generator of example fleets: any fleet it makes is one that the collection takes."""

from __future__ import annotations

import pathlib

import example_fleet
import pytest
import yaml
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets


def test_same_arguments_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    files = []
    for name in ("first", "second"):
        folder = example_fleet.write(tmp_path / name, example_fleet.fleet(7, 30, seed=3))
        files.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.yml")})
    assert files[0] == files[1]


def test_another_seed_gives_another_fleet() -> None:
    assert example_fleet.fleet(7, 30, seed=3) != example_fleet.fleet(7, 30, seed=4)


@pytest.mark.parametrize(("regions", "children"), [(0, 0), (1, 0), (3, 40), (40, 3)])
def test_it_has_the_size_asked_for_and_no_fault(tmp_path: pathlib.Path, regions: int, children: int) -> None:
    made = example_fleet.fleet(regions, children)
    assert (len(made.regionals), len(made.children)) == (regions, children)
    read = fleets.read_fleet(task_vars(tmp_path, yaml.safe_dump(made.inventory)), LAYERS)
    assert read.faults == []
    assert len(read.clusters) == 1 + regions + children


@pytest.mark.parametrize(("regions", "children"), [(0, 1), (-1, 0), (1, -1)])
def test_an_impossible_size_is_refused(regions: int, children: int) -> None:
    with pytest.raises(ValueError, match="regions and"):
        example_fleet.fleet(regions, children)
