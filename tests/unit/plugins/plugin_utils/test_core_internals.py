"""core_internals.py is the one room for what ansible-core promises nobody: no other file goes past its door."""

from __future__ import annotations

import ast
import contextlib
import os
import pathlib
import threading
from collections.abc import Iterator

import pytest
from ansible._internal._datatag._tags import Origin

from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals

PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
ROOM = PLUGINS / "plugin_utils" / "core_internals.py"
#: What the developer guide and the porting guides have plugins import.
PUBLIC = (
    "ansible.constants",
    "ansible.errors",
    "ansible.module_utils",
    "ansible.plugins",
    "ansible.template.accept_lazy_markers",
    "ansible.utils.display",
)
#: What the developer guide has modules ask for whether a diff is wanted, and how much a person wants to see.
OF_MODULES = ("module._diff", "module._verbosity")


def private(source: str) -> Iterator[str]:
    """What in a file goes past the door: imports of modules and names of ansible-core that aren't public, and private
    attributes that no class of the file has."""
    tree = ast.parse(source)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{each.name}" for each in node.names]
        for name in names:
            parts = name.split(".")
            public = any(name == each or name.startswith(f"{each}.") for each in PUBLIC)
            if parts[0] == "ansible" and (not public or any(part.startswith("_") for part in parts)):
                yield f"line {node.lineno}: import of {name}"
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            told = ast.unparse(node)
            # Methods of named tuples are public, whatever they begin with.
            named_tuples = ("_replace", "_asdict")
            mine = told.startswith(("self._", "cls._", "super()._")) or node.attr in own
            if not mine and node.attr not in named_tuples and told not in OF_MODULES:
                yield f"line {node.lineno}: {told}"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr", "setattr"):
            named = node.args[1] if len(node.args) > 1 else None
            if isinstance(named, ast.Constant) and is_private(str(named.value)):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Compare) and "__name__" in ast.unparse(node):
            # The names of private types.
            texts = [each.value for each in (node.left, *node.comparators) if isinstance(each, ast.Constant)]
            if any(is_private(str(text)) for text in texts):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ansible._internal._datatag._tags import Origin", 1),
        ("import ansible._internal", 1),
        ("from ansible.playbook.play import Play", 1),
        ("from ansible import context", 1),
        ("def f():\n    from ansible.vars.plugins import get_vars_from_path", 1),
        ("from ansible.plugins._internal import x", 1),
        ("from ansible import constants as C\nfrom ansible.errors import AnsibleError", 0),
        ("hostvars._variable_manager.extra_vars", 1),
        ("getattr(task._role, '_role_collection', None)", 2),
        ("type(value).__name__ == '_OmitType'", 1),
        ("a.b()._c", 1),
        ("self._task.args, cls._x, fault._replace(host='')", 0),
        ("self.action._templar", 1),
        ("class A:\n    def _key(self): ...\n    def __lt__(self, other): return other._key()", 0),
    ],
)
def test_what_counts_as_private(source: str, found: int) -> None:
    assert len(list(private(source))) == found


def test_no_other_file_knows_a_private_name_of_ansible_core() -> None:
    files = sorted(PLUGINS.rglob("*.py"))
    assert ROOM in files
    assert list(private(ROOM.read_text())), "the room is empty, or nothing is seen"
    found = {str(file.relative_to(PLUGINS)): list(private(file.read_text())) for file in files if file != ROOM}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_pipe_is_opened_to_see_whether_it_is_encrypted(tmp_path: pathlib.Path) -> None:
    """What `-e @<(...)` names was read once; opened again, nobody writes to it, and the open never ends."""
    pipe, file = tmp_path / "pipe", tmp_path / "vault.yml"
    os.mkfifo(pipe)
    file.write_text("$ANSIBLE_VAULT;1.1;AES256\n3030\n")
    assert list(core_internals.of_vault(Origin(path=str(file)).tag("text"))) == ["text"]
    opened: list[int] = []

    def writes() -> None:
        with contextlib.suppress(OSError):  # nobody reads: what is right
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    # Lets an open for reading go on, and tells of it, instead of waiting for ever.
    timer = threading.Timer(0.3, writes)
    timer.start()
    assert list(core_internals.of_vault(Origin(path=str(pipe)).tag("text"))) == []
    timer.join()
    assert not [os.close(each) for each in opened]
