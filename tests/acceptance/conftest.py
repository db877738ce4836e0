"""The sandboxes of an acceptance run: each one for the session, stopped at its end (not with KOF_ACCEPTANCE_KEEP=1)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest
from support import REPOSITORY, Sandbox

from sandbox.fixtures import control_plane

__all__ = ["control_plane", "fleet_sandbox", "sandbox"]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    folder = pathlib.Path(os.environ.get("KOF_ACCEPTANCE_DIR", REPOSITORY / ".work" / "acceptance"))
    yield from _running(Sandbox(folder))


@pytest.fixture(scope="session")
def fleet_sandbox() -> Iterator[Sandbox]:
    """For many clusters: they get no control planes of their own. The mothership is installed, no cluster is there.

    Its tests may leave nothing behind: each deletes the clusters it made, and ends its faults. $KOF_FLEET_DIR names the
    folder of one that is to be used, and left running, for those who run one test again and again.
    """
    given = os.environ.get("KOF_FLEET_DIR")
    folder = pathlib.Path(given or REPOSITORY / ".work" / "acceptance-fleet")
    if given and (folder / "fleet-is-installed").exists():
        yield Sandbox(folder)
        return
    for running in _running(Sandbox(folder), "--clusters", "none", keep=bool(given)):
        installed = running.playbook("site", "--limit", "mothership")
        assert installed.code == 0, installed.output
        (folder / "fleet-is-installed").touch()
        yield running


def _running(running: Sandbox, *arguments: str, keep: bool = False) -> Iterator[Sandbox]:
    running.command("down")
    running.command("up", *arguments)
    yield running
    if not keep and not os.environ.get("KOF_ACCEPTANCE_KEEP"):
        running.command("down")
