"""The last looks before a cluster goes: shared by the objects of one step, and never old; and where they fail."""

from __future__ import annotations

import types
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.action import fleet_delete
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.listing import Unlisted
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.lease import Lost


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


def test_who_keeps_services_is_not_told_to_be_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the look after the wait for them fails."""
    refs = {host: [Ref("k/v1", "ClusterDeployment", "kcm", host)] for host in ("theirs", "slow", "gone")}
    deletion: Any = types.SimpleNamespace(
        fleet=types.SimpleNamespace(shared=lambda _name: 3), refs=refs, standing=dict.fromkeys(refs, ()), refused={},
        secret_profiles=[], guard_of=lambda _layer: None, guard=lambda _live: None, withdrawal=lambda *_of: [{}],
    )  # fmt: skip
    deletion.hosts = lambda _layer: [host for host in refs if host not in deletion.refused]

    def patch(_connection: Any, patches: Any, **_more: Any) -> dict[Ref, Any]:
        of = {"theirs": types.SimpleNamespace(action="refused", reason="is another fleet's", changed=False)}
        done = types.SimpleNamespace(action="updated", changed=True)
        return {ref: of.get(ref.name, done) for ref in patches}

    def wait(_connection: Any, targets: Any, **_more: Any) -> list[Any]:
        ends = {"slow": "progressing"}
        return [
            types.SimpleNamespace(ref=each.ref, state=ends.get(each.ref.name, "ready"), seconds=3.0, because="why")
            for each in targets
        ]

    def listed(_refs: Any) -> Any:
        raise Unlisted("ClusterDeployment", "k/v1", "kcm", ApiError(500, message="conversion webhook for A failed"))

    run = fleet_delete._Deleting(types.SimpleNamespace(), deletion, check_mode=False)  # type: ignore[arg-type]
    run.live = {each[0]: {} for each in refs.values()}
    monkeypatch.setattr(run, "_listed", listed)
    monkeypatch.setattr(fleet_delete, "policy_of", lambda _fleet: None)
    monkeypatch.setattr(fleet_delete.reconcile, "patch", patch)
    monkeypatch.setattr(fleet_delete.wait, "wait", wait)
    run._uninstall("child")
    assert deletion.refused["theirs"].endswith(": is another fleet's")
    assert "its services are still on the cluster after 3 s" in deletion.refused["slow"]
    assert deletion.refused["gone"].endswith("It stays, without its services")


@pytest.mark.parametrize("away", [ApiUnavailable("no answer"), ApiError(401, message="renew them")])
def test_a_server_that_goes_away_while_children_go_keeps_nobody_from_being_told_of(
    monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    """They were deleted; their region stays, and all of it is in the result."""
    ref = Ref("k/v1", "ClusterDeployment", "kcm", "child")
    deletion: Any = types.SimpleNamespace(
        fleet=types.SimpleNamespace(shared=lambda _name: 3), refused={}, gone=lambda ref: ref
    )
    deletion.hosts = lambda _layer: [host for host in ("regional",) if host not in deletion.refused]
    run = fleet_delete._Deleting(types.SimpleNamespace(), deletion, check_mode=False)  # type: ignore[arg-type]

    def fails(*_of: Any, **_more: Any) -> Any:
        raise away

    monkeypatch.setattr(fleet_delete.wait, "wait", fails)
    monkeypatch.setattr(run, "_clusters", fails)
    run._wait_until_gone([("child", ref)])
    run._look_again([("child", ref)])
    assert deletion.refused == {"child": f"{ref}: whether it is gone can't be seen: {away}", "regional": str(away)}
    monkeypatch.setattr(fleet_delete.wait, "wait", lambda *_of, **_more: (_ for _ in ()).throw(Lost("another run")))
    with pytest.raises(Lost):
        run._wait_until_gone([("child", ref)])
