"""Values as ansible-core hands them to plugins: tagged with origin and trust, all the way down. No tests in here."""

from __future__ import annotations

from typing import Any

from ansible._internal._datatag._tags import Origin, TrustedAsTemplate


def tagged(value: Any) -> Any:
    """The same value, every string, number, list and map of it tagged as if it came from an inventory file."""
    if isinstance(value, dict):
        value = {tagged(key): tagged(item) for key, item in value.items()}
    elif isinstance(value, list):
        value = [tagged(item) for item in value]
    elif value is None or isinstance(value, bool):
        return value
    value = Origin(path="/inventory/group_vars/all.yml", line_num=3, col_num=1).tag(value)
    return TrustedAsTemplate().tag(value) if isinstance(value, str) else value
