"""Fixtures shared by the unit tests."""

from __future__ import annotations

from sandbox.fixtures import control_plane

__all__ = ["control_plane"]
