"""fleet_apply that waits: one reading of the hosts, one result; whom it waits for, and when it doesn't. No server."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_apply
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import render
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Waited
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking

Apply = Callable[..., dict[str, Any]]


def ref(name: str) -> Ref:
    return Ref("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system", name)


class Scene:
    """A management cluster that answers as told, and what it was asked."""

    def __init__(self) -> None:
        self.came: dict[str, str] = {"eu1": "updated", "us1": "unchanged"}
        self.late: dict[str, str] = {}
        self.away = False
        self.ready_already = False
        self.waited_for: list[str] = []
        self.said: list[str] = []

    def apply(self, *_arguments: Any, **_keywords: Any) -> tuple[list[tuple[str, Outcome]], list[str]]:
        return [(host, Outcome(ref(host), action, reason="frozen")) for host, action in self.came.items()], []

    def wait(self, _connection: Any, targets: Any, **_keywords: Any) -> list[Waited]:
        if self.away:
            raise ApiUnavailable("the server is away")
        clusters = [target.ref for target in targets]
        self.waited_for = sorted({each.name for each in clusters if each.kind == "ClusterDeployment"})
        return [
            Waited(each, "late" if each.name in self.late else "ready", self.late.get(each.name, ""), 9)
            for each in clusters
        ]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene()
    monkeypatch.setattr(fleet_apply.apply, "apply", made.apply)
    monkeypatch.setattr(fleet_apply.wait.wait, "wait", made.wait)
    monkeypatch.setattr(fleet_apply.wait, "all_ready", lambda *_arguments: (made.ready_already, []))
    monkeypatch.setattr(render, "look_up", lambda *_arguments: render.Surroundings("v1alpha1"))
    monkeypatch.setattr(booking, "say", made.said.append)
    return made


@pytest.fixture
def run(scene: Scene, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """run(text of the inventory, check mode, **options): the result for the regional layer."""

    def done(text: str = FLEET, check: bool = False, **options: Any) -> dict[str, Any]:
        action = object.__new__(fleet_apply.ActionModule)
        action._task = SimpleNamespace(check_mode=check, diff=False)
        action._play_context = SimpleNamespace(diff=False)
        monkeypatch.setattr(action, "connect", lambda *_arguments: contextlib.nullcontext())
        asked = {"layer": "regional", "wait": True, "after_charts": False, "booked_by": booking.BY_PLAY, **options}
        return action.fleet(asked, task_vars(tmp_path, text))

    return done


def test_hosts_are_read_once_and_all_is_one_result(run: Apply, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    one = fleet_apply.fleets._read_host
    monkeypatch.setattr(
        fleet_apply.fleets, "_read_host", lambda *arguments: read.append(arguments[2]) or one(*arguments)
    )
    result = run()
    assert read == ["eu1", "us1"]
    assert scene.waited_for == ["eu1", "us1"]
    assert result["msg"] == "1 unchanged; 1 updated; 2 of 2 clusters ready"
    assert (result["ready"], result["all_ready"], result["refused"], result["stop"]) == (2, True, [], False)
    assert list(result["outcomes"]["changed"]) == ["eu1"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (FLEET, {"wait": False}),
        (FLEET.replace("kof_fleet: test", "kof_fleet: test\n    kof_wait: false"), {}),
    ],
)
def test_it_waits_only_where_task_and_variable_say_so(
    run: Apply, scene: Scene, text: str, options: dict[str, Any]
) -> None:
    result = run(text, **options)
    assert scene.waited_for == []
    assert "ready" not in result
    assert result["msg"] == "1 unchanged; 1 updated"


def test_what_is_ready_already_is_not_waited_for(run: Apply, scene: Scene) -> None:
    scene.came["eu1"], scene.ready_already = "unchanged", True
    result = run()
    assert scene.waited_for == []
    assert (result["all_ready"], result["msg"]) == (True, "2 unchanged; all are ready")


def test_the_others_of_a_refused_one_are_waited_for_and_both_count(run: Apply, scene: Scene) -> None:
    scene.came, scene.late = {"eu1": "refused", "us1": "updated"}, {"us1": "no nodes"}
    enough = FLEET.replace("kof_fleet: test", "kof_fleet: test\n    kof_max_fail_percentage: 50")
    result = run(enough)
    assert scene.waited_for == ["us1"]
    assert [each["host"] for each in result["refused"]] == ["eu1", "us1"]
    assert result["stop"], "each look alone has half of the batch, both have all of it"
    assert {host: why.rpartition(": ")[2] for host, why in result["outcomes"]["failed"].items()} == {
        "eu1": "frozen",
        "us1": "no nodes",
    }
    (warning,) = result["warnings"]
    assert "The rollout stops here. failed: eu1, us1 (2)" in warning


def test_more_refused_than_allowed_are_not_followed_by_a_wait(run: Apply, scene: Scene) -> None:
    scene.came["eu1"] = "refused"
    result = run(FLEET.replace("kof_fleet: test", "kof_fleet: test\n    kof_max_fail_percentage: 49"))
    assert (result["stop"], scene.waited_for) == (True, [])
    assert "applied, but not waited for: us1" in result["warnings"][0]


@pytest.mark.parametrize("booked_by", [booking.BY_TASK, booking.BY_ROLE])
def test_who_changed_is_said_before_the_wait(
    run: Apply, scene: Scene, monkeypatch: pytest.MonkeyPatch, booked_by: str
) -> None:
    def wait(*_arguments: Any, **_keywords: Any) -> list[Waited]:
        assert scene.said == ["Changed: 1 cluster: eu1"]
        return scene.wait(*_arguments, **_keywords)

    monkeypatch.setattr(fleet_apply.wait.wait, "wait", wait)
    scene.late["us1"] = "no nodes"
    result = run(booked_by=booked_by)
    assert result["changed"]
    assert result.get("failed", False) is (booked_by == booking.BY_TASK)
    assert scene.waited_for == ["eu1", "us1"]


def test_a_server_that_goes_away_meanwhile_fails_it_with_all_that_was_done(run: Apply, scene: Scene) -> None:
    scene.away = True
    result = run()
    assert (result["failed"], result["msg"]) == (True, "1 unchanged; 1 updated; the server is away")
    assert list(result["outcomes"]["changed"]) == ["eu1"]


def test_check_mode_says_what_it_would_wait_for(run: Apply, scene: Scene) -> None:
    result = run(check=True)
    assert scene.waited_for == []
    assert str(ref("eu1")) in result["waiting_for"]
    assert result["msg"].startswith("1 unchanged; 1 would be updated; would wait until ")
