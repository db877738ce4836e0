"""Fixtures shared by the sandbox's own tests."""

from __future__ import annotations

from sandbox.fixtures import control_plane

# One for all: a fixture that each file names for itself is another one in each.
__all__ = ["control_plane"]
