"""The action fleet_drift: what is refused before anything is read, and what leaves it as result, lines and file."""

from __future__ import annotations

import contextlib
import json
import pathlib
import types
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_drift
from ansible_collections.k0rdent.kof.plugins.action.fleet_drift import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.report import drift as report
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving, looking

HOSTS = {"mothership": "mothership", "eu1": "regional", "us1": "regional", "eu1-child1": "child"}


def thing(host: str, action: str, *, becomes: str = "taken_back", whose: str = "person") -> dict[str, Any]:
    field = {
        "path": "metadata.labels[CANARY-of-a-vault\x1b[2J]",
        "manager": "kubectl-edit",
        "whose": whose,
        "since": "2026-03-01T10:00:00Z",
        "becomes": becomes,
    }
    about = {"kind": "ClusterDeployment", "object": f"ClusterDeployment kcm-system/{host}", "why": "", "more_fields": 0}
    return {"host": host, "action": action, "fields": [field], **about}


def found(*objects: dict[str, Any]) -> dict[str, Any]:
    named = [{"host": host, "name": host, "layer": layer} for host, layer in HOSTS.items()]
    clusters = list(report.states(named, objects, {"us1"}))
    return {
        "schema": report.SCHEMA,
        "at": "2026-03-01T12:00:00Z",
        "fleet": "test",
        "kof_version": "0.1.1",
        "counts": {
            "clusters": {state: sum(each["state"] == state for each in clusters) for state in report.STATES},
            "fields": {**dict.fromkeys(report.WHOSE, 0), "person": len(objects)},
            "kinds": [{"kind": "ClusterDeployment", "unchanged": 0, "updated": len(objects)}],
        },
        "clusters": clusters,
        "objects": list(objects),
        "extra": [],
        "not_looked_at": [{"what": "GrafanaDatasource: not allowed", "hosts": ["us1"]}],
    }


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(drift, vaulted=..., check=..., **options) gives the result; what was said is its `said`."""

    def ran(seen: Any, *, vaulted: str = "CANARY-of-a-vault", check: bool = False, **options: Any) -> dict[str, Any]:
        action = object.__new__(ActionModule)
        action._task = types.SimpleNamespace(args={}, check_mode=check)
        action._place = "https://127.0.0.1:6443"
        said: list[str] = []
        asked: list[dict[str, Any]] = []
        monkeypatch.setattr(looking, "say", said.append)
        monkeypatch.setattr(ActionModule, "connect", lambda *_arguments: contextlib.nullcontext())
        monkeypatch.setattr(fleet_drift.status, "charts_of", lambda *_arguments: "they may not be listed")
        monkeypatch.setattr(fleet_drift.drifted, "look", lambda *_arguments, **given: asked.append(given) or seen)
        (tmp_path / "inventory").mkdir(exist_ok=True)
        variables = task_vars(tmp_path / "inventory")
        note = VaultedValue(ciphertext="$ANSIBLE_VAULT;1.1;AES256").tag(vaulted)
        given = {"fails": "never", "folder": None, "booked_by": "task", **options}
        with leaving.of_action(action, {**variables, "kof_note": note}):
            result = leaving.leaving(action.fleet(given, variables))
        assert [each["whole"] for each in asked] == [True]
        return {**result, "said": "".join(said)}

    return ran


def test_what_differs_fails_nobody_unless_it_is_said(run: Any) -> None:
    result = run(found(thing("eu1", "updated")))
    assert (result.get("failed"), result["outcomes"], result["changed"]) == (None, {}, False)
    assert result["msg"] == (
        "1 of 4 clusters differs from the inventory, 1 not looked at in full; 1 would be updated; fields: 1 by people"
    )
    assert result["said"].startswith("eu1\n    ClusterDeployment kcm-system/eu1: would be updated\n")
    assert "Not looked at: GrafanaDatasource: not allowed: us1" in result["said"]


@pytest.mark.parametrize(("fails", "failed"), [("drift", ["eu1", "eu1-child1"]), ("refused", ["eu1-child1"])])
def test_it_fails_the_hosts_that_differ_by_name(run: Any, fails: str, failed: list[str]) -> None:
    seen = found(thing("eu1", "updated"), thing("eu1-child1", "refused", becomes="refused"), thing("us1", "unproved"))
    result = run(seen, fails=fails)
    assert result["failed"]
    told = result["msg"].splitlines()[1:]
    assert [line.partition(":")[0] for line in told] == failed
    assert told[-1].startswith("eu1-child1: ClusterDeployment kcm-system/eu1-child1 would be refused: metadata.")
    booked = run(seen, fails=fails, booked_by="role")
    assert "failed" not in booked
    assert list(booked["outcomes"]["failed"]) == failed


@pytest.mark.parametrize("word", ["CANARY-of-a-vault", "updated", "person", "taken_back", "drifted", "2026-03-01"])
def test_no_secret_leaves_and_our_words_stay(run: Any, tmp_path: pathlib.Path, word: str) -> None:
    result = run(found(thing("eu1", "updated")), vaulted=word, folder=str(tmp_path / "told"))
    text = (tmp_path / "told" / "drift.json").read_text()
    assert (tmp_path / "told" / "drift.json").stat().st_mode & 0o777 == 0o644
    for each in (text, result["said"], str(result)):
        assert "\x1b" not in each
        assert "CANARY" not in each or word != "CANARY-of-a-vault"
    (one,) = json.loads(text)["objects"]
    assert one["action"] == "updated"
    assert {key: one["fields"][0][key] for key in ("whose", "becomes")} == {"whose": "person", "becomes": "taken_back"}
    assert one["fields"][0]["since"] == "2026-03-01T10:00:00Z"
    assert {each["state"] for each in json.loads(text)["clusters"]} == set(report.STATES)


def test_check_mode_writes_nothing(run: Any, tmp_path: pathlib.Path) -> None:
    result = run(found(), check=True, folder=str(tmp_path / "told"))
    assert result["files"] == [str(tmp_path / "told" / "drift.json")]
    assert not (tmp_path / "told").exists()


def test_a_folder_that_is_none_is_told_before_anybody_looks(
    run: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FleetFault, match=r"kof_drift_folder.* control character"):
        run(found(), folder="a\nb")
    (tmp_path / "told").write_text("somebody's")
    with pytest.raises(FleetFault, match="kof_drift_folder"):
        run(found(), folder=str(tmp_path / "told"))
    assert (tmp_path / "told").read_text() == "somebody's"
