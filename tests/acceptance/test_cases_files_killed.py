"""Runs that are killed: nothing of what a credential plugin gave is left on the controller. Takes minutes."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import time

import left_behind
import pytest
from left_behind import holding_a_key, left_in, plugins_calls
from support import Sandbox

by_plugin, folders = pytest.fixture(left_behind.by_plugin), pytest.fixture(left_behind.folders)


@pytest.mark.long
def test_runs_that_are_killed_leave_no_key_and_the_first_that_isnt_asks_once_too(
    own_sandbox: Sandbox, by_plugin: pathlib.Path, folders: dict[str, str], tmp_path: pathlib.Path
) -> None:
    for variable in ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP"):
        (tmp_path / variable).mkdir()
        folders[variable] = str(tmp_path / variable)
    arguments = ("-e", f"kof_kubeconfig={by_plugin}", "--limit", "mothership")
    for seconds in (0, 3, 6, 10):
        process, events = own_sandbox.start_playbook("site", *arguments, **folders)
        asked, until = plugins_calls(by_plugin), None
        while process.poll() is None and (until is None or time.monotonic() < until):
            assert holding_a_key(folders, by_plugin) == []
            if until is None and plugins_calls(by_plugin) > asked:
                until = time.monotonic() + seconds
            time.sleep(0.1)
        assert until is not None, "it ended and asked nobody"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        events.unlink()
    for folder in folders.values():
        shutil.rmtree(folder)
        pathlib.Path(folder).mkdir()
    before = plugins_calls(by_plugin)
    run = own_sandbox.playbook("site", *arguments, **folders)
    assert run.code == 0, run.output
    assert run.total("changed") > 0
    assert plugins_calls(by_plugin) == before + 1
    assert not [each for each in left_in(folders) if each.is_file()]
    others = [event for event in run.events if event.get("action", "").startswith("kubernetes.core.")]
    assert {event["event"] for event in others} == {"skipped"}, others  # its modules would ask the plugin again
