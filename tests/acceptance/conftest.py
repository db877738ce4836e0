"""The sandboxes of an acceptance run: each one for the session, stopped at its end (not with KOF_ACCEPTANCE_KEEP=1)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest
from support import REPOSITORY, Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    folder = pathlib.Path(os.environ.get("KOF_ACCEPTANCE_DIR", REPOSITORY / ".work" / "acceptance"))
    yield from _running(Sandbox(folder))


@pytest.fixture(scope="session")
def fleet_sandbox() -> Iterator[Sandbox]:
    """For many clusters: they get no control planes of their own. The mothership is installed, no cluster is there.

    Its tests may leave nothing behind: each deletes the clusters it made, and ends its faults. $KOF_FLEET_DIR names the
    folder of one to use again, for those who run one test again and again.
    """
    folder = pathlib.Path(os.environ.get("KOF_FLEET_DIR", REPOSITORY / ".work" / "acceptance-fleet"))
    for running in _running(Sandbox(folder), "--clusters", "none"):
        installed = running.playbook("site", "--limit", "mothership")
        assert installed.code == 0, installed.output
        yield running


def _running(running: Sandbox, *arguments: str) -> Iterator[Sandbox]:
    running.command("down")
    running.command("up", *arguments)
    yield running
    if not os.environ.get("KOF_ACCEPTANCE_KEEP"):
        running.command("down")
