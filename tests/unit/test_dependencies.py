"""Every collection that users have to install for ours is really called by what we ship."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

REPOSITORY = pathlib.Path(__file__).parents[2]
DEPENDENCIES: dict[str, str] = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text())["dependencies"]


def tasks_in(tree: Any) -> Iterator[dict[str, Any]]:
    """Every map under a play, a block or a list of tasks: a task is one, and its action is a key of it."""
    if isinstance(tree, list):
        for each in tree:
            yield from tasks_in(each)
    elif isinstance(tree, dict):
        yield tree
        for part in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks_in(tree.get(part))


@pytest.fixture(scope="module")
def called() -> set[str]:
    files = [*REPOSITORY.glob("playbooks/**/*.yml"), *REPOSITORY.glob("roles/*/tasks/*.yml")]
    return {key for file in files for task in tasks_in(yaml.safe_load(file.read_text())) for key in task}


@pytest.mark.parametrize("collection", DEPENDENCIES)
def test_a_shipped_role_or_playbook_calls_it(collection: str, called: set[str]) -> None:
    assert [action for action in called if action.startswith(f"{collection}.")], f"nothing calls {collection}"


def test_no_other_collection_is_called(called: set[str]) -> None:
    ours = {"ansible.builtin", "k0rdent.kof", *DEPENDENCIES}
    assert {action for action in called if action.count(".") == 2 and action.rpartition(".")[0] not in ours} == set()


def test_a_clone_asks_for_the_same_collections() -> None:
    wanted = yaml.safe_load((REPOSITORY / "requirements.yml").read_text())["collections"]
    assert {each["name"]: each["version"] for each in wanted} == DEPENDENCIES
