"""The arrows of ARCHITECTURE.md: which folder of plugins may import which. Read from the imports, nothing is run."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

REPOSITORY = pathlib.Path(__file__).parents[2]
PLUGINS = REPOSITORY / "plugins"
PACKAGE = "ansible_collections.k0rdent.kof.plugins."

#: What each folder of module_utils may use beside itself. An arrow that isn't here is against the house: turn it.
ARROWS = {
    "text": set(),
    "k8s": {"text"},
    "helm": {"k8s", "text"},
    "dns": {"k8s", "text"},
    "report": {"text"},
    "kof": {"k8s", "text"},
    "fleet": {"kof", "helm", "dns", "k8s", "report", "text"},
    "preflight": {"fleet", "kof", "helm", "dns", "k8s", "report", "text"},
}


def _imported(file: pathlib.Path) -> Iterator[str]:
    """The modules of this collection that a file imports, below plugins/, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            names = [f"{node.module}.{each.name}" for each in node.names]
        yield from (name.removeprefix(PACKAGE) for name in names if name.startswith(PACKAGE))


def _sources(folder: str) -> list[pathlib.Path]:
    return sorted((PLUGINS / folder).rglob("*.py"))


def test_every_module_stands_in_a_folder_of_the_house() -> None:
    top = {each.relative_to(PLUGINS / "module_utils").parts[0] for each in _sources("module_utils")}
    assert top == {*ARROWS, "__init__.py"}
    for folder in {each.parent for each in _sources("module_utils")}:
        first = (folder / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(first)), folder


def test_arrows_point_down_only() -> None:
    against = []
    for file in _sources("module_utils"):
        home = file.relative_to(PLUGINS / "module_utils").parts[0]
        for name in _imported(file):
            where, folder = name.split(".")[:2]
            if where != "module_utils" or (folder != home and folder not in ARROWS.get(home, ())):
                against.append(f"{file.relative_to(PLUGINS)} -> {name}")
    assert not against


def test_a_faces_or_texts_code_speaks_to_no_server() -> None:
    """text/ and report/ stay what their first lines say: they import nothing that could open a connection."""
    sockets = re.compile(r"^(socket|ssl|http|urllib\.request|subprocess|requests|kubernetes|boto3)(\.|$)")
    for file in [*_sources("module_utils/text"), *_sources("module_utils/report")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if sockets.match(name)], file


def test_what_runs_on_other_machines_needs_nothing_that_only_the_controller_has() -> None:
    """Modules may run anywhere: neither they nor module_utils import plugin_utils, nor Ansible beyond module_utils."""
    for file in [*_sources("module_utils"), *_sources("modules")]:
        assert not [name for name in _imported(file) if name.startswith("plugin_utils")], file
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            of_ansible = [name for name in names if name == "ansible" or name.startswith("ansible.")]
            assert not [name for name in of_ansible if not name.startswith("ansible.module_utils")], file


def test_the_page_names_every_folder() -> None:
    page = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for folder in ARROWS:
        assert f"`{folder}/`" in page, folder
