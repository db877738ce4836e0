"""The sandbox of an acceptance run: one for the session, stopped at its end (not with KOF_ACCEPTANCE_KEEP=1)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest
from support import REPOSITORY, Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    folder = pathlib.Path(os.environ.get("KOF_ACCEPTANCE_DIR", REPOSITORY / ".work" / "acceptance"))
    running = Sandbox(folder)
    running.command("down")
    running.command("up")
    yield running
    if not os.environ.get("KOF_ACCEPTANCE_KEEP"):
        running.command("down")
