"""Every plugin tells an exception that nobody expected as its type and place."""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import types
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleFilterError, AnsibleParserError

from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Unexpected
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded

PLUGINS = pathlib.Path(__file__).resolve().parents[4] / "plugins"
NAMES = [
    (kind, file.stem) for kind in ("action", "filter", "inventory", "modules") for file in (PLUGINS / kind).glob("*.py")
]
CANARY = "CANARY0123456789"
#: A plugin, as far as its guards look at it.
AT_WORK = types.SimpleNamespace(TELLS_AGAIN=True)


def _plugin(kind: str, name: str) -> Any:
    return importlib.import_module(f"ansible_collections.k0rdent.kof.plugins.{kind}.{name}")


def _entries(kind: str, name: str) -> list[Any]:
    plugin = _plugin(kind, name)
    if kind == "modules":
        return [plugin.work] if hasattr(plugin, "main") else []  # else it is the documentation of an action
    if kind == "filter":
        return list(plugin.FilterModule().filters().values())
    return [plugin.ActionModule.run] if kind == "action" else [plugin.InventoryModule.parse]


def _raises(*_arguments: Any, **_named: Any) -> Any:
    raise ValueError(f"Invalid header value b'Bearer {CANARY}\\n'")


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_plugin_is_guarded(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in _entries(kind, name):
        inner = entry
        while not (guards := [cell for cell in inner.__closure__ or () if "_GeneratorContextManager" in repr(cell)]):
            assert hasattr(inner, "__wrapped__"), f"{kind} {name} isn't guarded"
            inner = inner.__wrapped__
        # What the guard itself does is tried below; here, that it is around all of the entry.
        assert len(guards) == 1
        assert inner.__wrapped__.__name__ == entry.__name__


@pytest.mark.parametrize("name", [name for kind, name in NAMES if kind == "action"])
def test_no_action_leaves_its_result_to_async_status(name: str) -> None:
    """Which is core's: it would be read past the gate."""
    action = object.__new__(_plugin("action", name).ActionModule)
    action._task = types.SimpleNamespace(async_val=10, action=name, args={}, check_mode=False)
    action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
    with pytest.raises(AnsibleActionFail, match="does not support async"):
        action.run(None, {})


@pytest.mark.parametrize(
    ("guard", "told", "passes"),
    [
        (guarded.action, AnsibleActionFail, AnsibleActionSkip("mine")),
        (guarded.template, AnsibleFilterError, AnsibleFilterError("mine")),
        (guarded.inventory, AnsibleParserError, AnsibleParserError("mine")),
    ],
)
def test_each_kind_ends_its_own_way(guard: Any, told: type[Exception], passes: Exception) -> None:
    for _again in range(2):
        with pytest.raises(told, match="unexpected ValueError at ") as caught:
            guard(_raises)(AT_WORK)
        assert CANARY not in str(caught.value)

    def says(_self: Any, *_arguments: Any) -> None:
        raise passes

    with pytest.raises(type(passes), match="mine"):
        guard(says)(AT_WORK)


def test_a_module_ends_by_an_exception_that_says_as_much() -> None:
    from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quotes_nothing

    with pytest.raises(Unexpected, match="unexpected ValueError at ") as caught:
        quotes_nothing()(_raises)()
    assert CANARY not in str(caught.value)
