"""Fixtures shared by the unit tests, and how hypothesis runs them."""

from __future__ import annotations

from hypothesis import settings

from sandbox.fixtures import control_plane

__all__ = ["control_plane"]

# No test has a stop-watch: the machine may be busy.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
