"""Fixtures shared by the tests of module_utils."""

from __future__ import annotations

import pytest

import yaml_judge


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> yaml_judge.Judge:
    """Texts as Go's YAML libraries read them: yaml_judge/main.go."""
    try:
        return yaml_judge.build(tmp_path_factory.mktemp("go"))
    except yaml_judge.NoJudge as reason:
        pytest.skip(str(reason))
