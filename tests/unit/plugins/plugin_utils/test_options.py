"""Each text option of each action: what has become a number or a boolean is refused by name, never made text again."""

from __future__ import annotations

import importlib
import pathlib
from typing import Any

import pytest
from ansible._internal._datatag._tags import Origin
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.plugin_utils.options import mistyped

FOLDER = pathlib.Path(__file__).parents[4] / "plugins" / "action"
#: Only our own report play calls these, with what it has found out itself; awx_objects asks no cluster.
INTERNAL = {"fleet_outcome", "fleet_report", "awx_objects"}
ACTIONS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in INTERNAL)
NOT_TEXT = (1.1, 83, 0, True, False)


def action_of(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.k0rdent.kof.plugins.action.{name}").ActionModule


def options() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (action, name, option)
        for action in ACTIONS
        for name, option in {**action_of(action).OPTIONS, **CONNECTION_OPTIONS}.items()
    ]


def test_these_are_all_options_of_all_actions() -> None:
    assert len(ACTIONS) == 26
    assert len(options()) > 250
    for action in set(ACTIONS) - {"fleet_delete", "fleet_record"}:
        assert action_of(action).OPTIONS, action


@pytest.mark.parametrize(("value", "kind"), [(5, "number"), (1.5, "number"), (True, "boolean")])
@pytest.mark.parametrize("secret", [False, True])
def test_a_value_with_a_tag_is_told_as_what_it_is(value: Any, kind: str, secret: bool) -> None:
    """As a task's arguments are: a tagged number is of a type of its own."""
    tagged = Origin(path="/x/play.yml", line_num=3).tag(value)
    told = mistyped({"name": tagged}, {"name": {"type": "str", "no_log": secret}})
    assert told.startswith(f"name: arrived as {'a' if secret else 'the'} {kind}"), told


@pytest.mark.parametrize("value", NOT_TEXT)
def test_a_text_option_that_is_no_text_any_more_is_refused(value: Any) -> None:
    refused = 0
    for action, name, option in options():
        is_text = option.get("type", "str") in ("str", "path", "raw")
        for each in (name, *option.get("aliases", ())):
            told = mistyped({each: value}, {name: option})
            assert bool(told) == is_text, (action, each)
            if told:
                refused += 1
                assert told.startswith(f"{each}: arrived as ")
                assert not (option.get("no_log") and str(value).lower() in told.split(";")[0]), (action, each)
        if option.get("type") == "list" and option.get("elements") == "str":
            assert mistyped({name: ["a", value]}, {name: option}), (action, name)
    assert refused > 150


@pytest.mark.parametrize("value", [["a"], {"a": "CANARY"}, []])
def test_a_list_or_map_for_a_text_is_refused(value: Any) -> None:
    refused = 0
    for action, name, option in options():
        told = mistyped({name: value}, {name: option})
        assert bool(told) == (option.get("type", "str") in ("str", "path")), (action, name)
        refused += bool(told)
        if told:
            assert told == f"{name}: is {'a list' if isinstance(value, list) else 'a map'}, but must be a string"
        if option.get("type") == "list" and option.get("elements") == "str":
            assert mistyped({name: ["a", value]}, {name: option}), (action, name)
    assert refused > 150


@pytest.mark.parametrize("value", [None, "", "1.10", "true"])
def test_text_and_nothing_are_left_to_ansible_core(value: Any) -> None:
    assert not [name for _action, name, option in options() if mistyped({name: value}, {name: option})]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_refuses_before_it_does_anything(action: str) -> None:
    task = Task.load({"action": f"k0rdent.kof.{action}", "args": {"context": 1.1}})
    task.args = {"context": 1.1}
    plugin = action_of(action)(
        task=task,
        connection=connection_loader.get("local", PlayContext(), None),
        play_context=PlayContext(),
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    result = plugin.run(task_vars={})
    assert result["failed"]
    assert result["msg"].startswith("context: arrived as the number 1.1, but must be a string; quote it")
