"""The last look before a regional goes: shared by the objects of one step, and never old."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.action import fleet_delete
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile


def test_an_answer_that_takes_long_is_shared_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    looks: list[float] = []
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kcm"}} for name in "abc"
    ]
    host_of = {reconcile.ref_of(each): each["metadata"]["name"] for each in objects}  # type: ignore[index]

    def clusters(_so_far: str) -> dict[Any, Any]:
        looks.append(now[0])
        now[0] += 5.0  # the list of a thousand clusters
        return {}

    held = {"b": "has a child"}
    deletion: Any = types.SimpleNamespace(fleet=None, host_of=host_of, held=lambda _there: (held, {}))
    run = fleet_delete._Deleting(types.SimpleNamespace(), deletion, check_mode=False)  # type: ignore[arg-type]
    monkeypatch.setattr(run, "_clusters", clusters)
    monkeypatch.setattr(fleet_delete.time, "monotonic", lambda: now[0])
    assert [run._childless(each, None) for each in objects] == [None, "has a child", None]
    assert looks == [100.0]
    now[0] += fleet_delete._FRESH / 2
    run._childless(objects[0], None)
    assert looks == [100.0]
    now[0] += fleet_delete._FRESH
    run._childless(objects[0], None)
    assert len(looks) == 2
