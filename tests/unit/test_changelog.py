"""The changelog's fragments: YAML, of the sections that there are, a text for each entry."""

from __future__ import annotations

import pathlib

import pytest
import yaml

CHANGELOGS = pathlib.Path(__file__).parents[2] / "changelogs"
SECTIONS = {name for name, _title in yaml.safe_load((CHANGELOGS / "config.yaml").read_text())["sections"]}


@pytest.mark.parametrize("file", sorted((CHANGELOGS / "fragments").iterdir()), ids=lambda file: file.name)
def test_a_fragment_is_yaml_with_a_text_for_each_entry(file: pathlib.Path) -> None:
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(found) <= {*SECTIONS, "release_summary"}
    texts = [text for entries in found.values() for text in (entries if isinstance(entries, list) else [entries])]
    assert all(isinstance(text, str) for text in texts)
