"""Every command that README and the docs show is run by a test, or says in a comment above it why not.

`<!-- run by tests/acceptance/… -->` names the test, `<!-- not run: … -->` the reason. What this file runs, it takes
from the pages as it stands, on the shared sandbox: in a folder in which `inventories/production` is an inventory of it.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import pytest
from example_fleet import Fleet
from support import REPOSITORY, Sandbox

PAGES = [
    path.relative_to(REPOSITORY)
    for pattern in ("*.md", "docs/*.md", "roles/*/README.md")
    for path in sorted(REPOSITORY.glob(pattern))
]
_BLOCK = re.compile(r"^(?P<above>[^\n]*)\n *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^ *(\$ )?(ansible|kubectl|helm|make|pip|git)\b", re.MULTILINE)
_MARK = re.compile(r"<!-- (?:run by (?P<test>tests/\S+\.py)|not run: (?P<why>.{10,})) -->")
HERE = "tests/acceptance/test_operate_docs.py"
#: What stands for something of the reader's own.
_RECORD = re.compile(r"kof-run-\S+")


class Block(NamedTuple):
    """:ivar above: the line above it."""

    page: str
    above: str
    text: str


ALL = [
    (found["language"], Block(str(page), found["above"], found["text"]))
    for page in PAGES
    for found in _BLOCK.finditer((REPOSITORY / page).read_text(encoding="utf-8"))
]
BLOCKS = [block for language, block in ALL if language in ("shell", "bash", "sh", "console")]
OURS = [block for block in BLOCKS if f"run by {HERE} " in block.above]


def named(block: Block) -> str:
    return f"{block.page}: {block.text.partition(chr(10))[0][:60]}"


def test_no_other_block_shows_commands() -> None:
    assert len(BLOCKS) > 10
    others = [block for language, block in ALL if block not in BLOCKS and language not in ("yaml", "ini")]
    assert not [named(block) for block in others if _COMMAND.search(block.text)]


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_each_is_run_or_says_why_not(block: Block) -> None:
    mark = _MARK.fullmatch(block.above)
    assert mark, f"{named(block)}: the line above must say which test runs it, or why none does"
    if mark["test"] and mark["test"] != HERE:
        test = (REPOSITORY / mark["test"]).read_text(encoding="utf-8")
        # README's are taken out of it by tests/acceptance/readme.py.
        assert pathlib.Path(block.page).name in test or (block.page == "README.md" and "import readme" in test)
    if mark["why"]:
        for other in re.findall(r"tests/\S+\.py", mark["why"]):
            assert (REPOSITORY / other).exists(), other


@pytest.fixture(scope="module")
def folder(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where a reader stands: with the pages' docs/rbac, an inventory of production, and a file with a password."""
    home = tmp_path_factory.mktemp("reader")
    (home / "docs").symlink_to(REPOSITORY / "docs")
    (home / "bin").mkdir()
    for tool in ("kubectl", "helm"):
        (home / "bin" / tool).symlink_to(fleet_sandbox.endpoints[tool])
    made = fleet_sandbox.inventory(home / "inventories" / "production", Fleet({}, {}, {}, {}))
    assert made.startswith(str(home / "inventories" / "production"))
    (home / "FILE").write_text("a-password")
    return home


@pytest.mark.parametrize("block", OURS, ids=named)
def test_it_works_as_it_is_written(block: Block, fleet_sandbox: Sandbox, folder: pathlib.Path) -> None:
    programs = [str(folder / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
    environment = fleet_sandbox.environment | {
        "PATH": os.pathsep.join(programs),
        "KUBECONFIG": fleet_sandbox.endpoints["kof_kubeconfig"],
    }
    text = block.text
    if _RECORD.search(text):
        records = fleet_sandbox.items("/api/v1/namespaces/kof/configmaps")
        (name, *_others) = [each["metadata"]["name"] for each in records if _RECORD.match(each["metadata"]["name"])]
        text = _RECORD.sub(name, text)
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        for made in ("secret/regional-grafana-login", "rolebinding/k0rdent-kof-operator-awx"):
            fleet_sandbox.kubectl("delete", made, "-n", "kof", "--ignore-not-found")
        fleet_sandbox.kubectl("delete", "-f", str(REPOSITORY / "docs/rbac/operator.yaml"), "--ignore-not-found")
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    assert done.stdout.strip()
