"""Every collection that users have to install for ours is really called by what we ship."""

from __future__ import annotations

import importlib.machinery
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller

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


def test_preflight_looks_for_the_versions_that_are_asked_for() -> None:
    collections = {name: version.removeprefix(">=") for name, version in DEPENDENCIES.items()}
    assert collections == controller.COLLECTIONS
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    packages = {name: rest.partition(",")[0] for name, _least, rest in (line.partition(">=") for line in lines)}
    assert controller.PACKAGES.items() <= packages.items()


def test_what_is_there_is_found() -> None:
    found = controller.versions()
    assert set(found) == {*controller.COLLECTIONS, *controller.PACKAGES}
    assert not [name for name, version in found.items() if version is None]


def test_what_is_missing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.PathFinder])
    for name in list(sys.modules):
        if name.partition(".")[0] in ("boto3", "kubernetes", "ansible_collections"):
            monkeypatch.delitem(sys.modules, name)
    assert set(controller.versions().values()) == {None}


@pytest.mark.parametrize(
    "plugin", ["module_utils/fleet/access_key", "plugin_utils/zones", "action/external_dns_access_info"]
)
def test_without_the_sdk_nothing_ends_in_a_name_that_is_not_defined(plugin: str) -> None:
    """In a process of its own, where botocore can't be imported, what catches its errors is evaluated."""
    program = f"""
import sys
for name in ("botocore", "boto3"):
    sys.modules[name] = None
from ansible_collections.k0rdent.kof.plugins.{plugin.replace("/", ".")} import BotoCoreError, ClientError
try:
    raise KeyError("other")
except (BotoCoreError, ClientError):
    raise SystemExit(1)
except KeyError:
    print("told")
"""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=False)
    assert done.stdout == "told\n", done.stderr


def test_zones_without_the_sdk_say_so() -> None:
    program = """
import sys
for name in ("botocore", "boto3"):
    sys.modules[name] = None
from ansible_collections.k0rdent.kof.plugins.plugin_utils import zones
(zone,) = zones.look({"dns_credentials_method": "irsa", "dns_credentials_hosted_zones": ["Z1"]})
print(zone.problem)
"""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=False)
    assert "boto" in done.stdout, done.stderr
