"""Where a line for people goes, by what the stdout callback is and what has been put around Display."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest
from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.observed import Request
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded, lines, module_action
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction

CALLBACKS = {
    "theirs_for_people": """
from ansible.plugins.callback.default import CallbackModule as Default
class CallbackModule(Default):
    CALLBACK_TYPE, CALLBACK_NAME = "stdout", "theirs_for_people"
""",
    "theirs_for_programs": """
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_TYPE, CALLBACK_NAME = "stdout", "theirs_for_programs"
""",
}


@pytest.fixture
def callbacks(tmp_path: pathlib.Path) -> None:
    for name, text in CALLBACKS.items():
        (tmp_path / f"{name}.py").write_text(text)
    callback_loader.add_directory(str(tmp_path))
    lines.takes_lines.cache_clear()


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("default", True),
        ("ansible.builtin.default", True),
        ("minimal", True),
        ("ansible.builtin.oneline", True),
        ("theirs_for_people", True),
        ("theirs_for_programs", False),
        ("not.there.at_all", False),
    ],
)
def test_stdout_is_left_to_a_callback_for_programs(
    callbacks: None, name: str, out: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(C, "DEFAULT_STDOUT_CALLBACK", name)
    lines.takes_lines(name)  # what the loader says of a callback that isn't there is no line of ours
    capsys.readouterr()
    lines.say("2 of 4 ready")
    told = capsys.readouterr()
    assert (told.out, told.err) == (("2 of 4 ready\n", "") if out else ("", "2 of 4 ready\n"))


def test_what_others_put_around_display_is_theirs_to_do_in_the_controllers_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def around(display: Any) -> Any:
        @functools.wraps(display)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            print("\x1b[K an event's mark")
            return display(*args, **kwargs)

        return wrapper

    for _each in range(2):
        monkeypatch.setattr(Display, "display", around(Display.display))
    lines.say("2 of 4 ready")
    assert capsys.readouterr().out == "2 of 4 ready\n"


def test_what_a_cluster_says_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines.say("late: \x1b]0;mine\x07")
    lines.warn("left out: \x1b[2J")
    told = capsys.readouterr()
    assert told.out == "late: \\x1b]0;mine\\x07\n"
    assert "\x1b" not in told.err


@pytest.fixture
def verbosity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """verbosity(3) is -vvv."""
    display = Display()

    def to(number: int) -> None:
        monkeypatch.setattr(display, "verbosity", number)
        monkeypatch.setattr(display, "log_verbosity", number)

    yield to
    lines._requests.clear()


def asked(path: str) -> Request:
    return Request("https://s", "GET", path, 200, 0.001)


def test_nothing_is_spent_on_requests_that_nobody_wants_to_see(verbosity: Any) -> None:
    verbosity(2)
    assert lines.observer() is None
    verbosity(3)
    assert lines.observer() is not None


def test_requests_of_threads_are_shown_by_the_main_thread_before_its_next_line(
    verbosity: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verbosity(3)
    monkeypatch.setattr(C, "DEFAULT_STDOUT_CALLBACK", "default")
    by: set[threading.Thread] = set()
    shown = Display.display

    def display(self: Any, *args: Any, **kwargs: Any) -> None:
        by.add(threading.current_thread())
        shown(self, *args, **kwargs)

    monkeypatch.setattr(Display, "display", display)
    observe: Any = lines.observer()
    observe(asked("/first"))
    threads = [threading.Thread(target=observe, args=(asked("/second"),)) for _each in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().out == "<https://s> GET /first: 200 in 1 ms\n"
    lines.warn("late")
    assert capsys.readouterr().out.splitlines() == ["<https://s> GET /second: 200 in 1 ms"] * 20
    assert by == {threading.main_thread()}


@pytest.mark.parametrize("ends", [dict, lambda: 1 / 0])
def test_an_action_leaves_no_request_unshown_and_tells_no_secret_by_one(
    verbosity: Any, capsys: pytest.CaptureFixture[str], ends: Any
) -> None:
    verbosity(3)
    from ansible._internal._datatag._tags import VaultedValue

    class Action:
        _task = types.SimpleNamespace(args={"name": VaultedValue(ciphertext="x").tag("CANARY-of-a-vault")})

        @guarded.action
        def run(self, tmp: Any, task_vars: Any) -> Any:
            thread = threading.Thread(target=lines._observed, args=(asked("/a/CANARY-of-a-vault%1B[2J"),))
            thread.start()
            thread.join()
            return ends()

    with contextlib.suppress(AnsibleActionFail):
        Action().run(None, {"hostvars": types.SimpleNamespace(raw_get=dict)})
    assert capsys.readouterr().out == "<https://s> GET /a/(hidden)\\x1b[2J: 200 in 1 ms\n"


def test_requests_of_a_module_are_shown_and_no_part_of_its_result(
    verbosity: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verbosity(3)
    action: Any = object.__new__(ModuleAction)
    action._task = types.SimpleNamespace(environment=[])
    action._connection = types.SimpleNamespace(transport="ssh", become=None)
    monkeypatch.setattr(
        module_action.ActionBase,
        "_execute_module",
        lambda *_arguments, **_options: {"changed": False, "requests": ["<s> GET /a: 200 in 1 ms"]},
    )
    assert action.module({}, {}) == {"changed": False}
    assert capsys.readouterr().out == "<s> GET /a: 200 in 1 ms\n"
