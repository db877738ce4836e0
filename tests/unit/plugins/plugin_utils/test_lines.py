"""Where a line for people goes, by what the stdout callback is and what has been put around Display."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import pytest
from ansible import constants as C
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

from ansible_collections.k0rdent.kof.plugins.plugin_utils import lines

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
