"""The action fleet_status: what is refused before anything is read, and what leaves it as result, lines and files."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import types
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_status
from ansible_collections.k0rdent.kof.plugins.action.fleet_status import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving, looking

FORMATS = ["text", "json", "prometheus", "junit", "html"]
HOSTS = {"mothership": "mothership", "eu1": "regional", "us1": "regional", "eu1-child1": "child"}
FINDING = {
    "code": "service-failed",
    "severity": "failed",
    "title": "A service failed",
    "host": "eu1",
    "cluster": "eu1",
    "layer": "regional",
    "object": "ClusterDeployment kcm-system/eu1",
    "since": "",
    "why": "helm said \x1b[2J CANARY-of-a-vault </failure>",
    "remedy": "mend it",
}


def found(*findings: dict[str, str]) -> dict[str, Any]:
    failed = {each["host"] for each in findings if each["severity"] == "failed"}
    clusters = [
        {
            "host": host,
            "name": host,
            "layer": layer,
            "regional": "eu1" if layer == "child" else "",
            "state": "failed" if host in failed else "ready",
        }
        for host, layer in HOSTS.items()
    ]
    return {
        "schema": report.SCHEMA,
        "at": "2026-03-01T12:00:00Z",
        "fleet": "test",
        "kof_version": "0.1.1",
        "patience_minutes": 60,
        "counts": {
            "clusters": {**dict.fromkeys(report.STATES, 0), "failed": len(failed), "ready": len(HOSTS) - len(failed)},
            "findings": {"failed": len(findings), "warning": 0, "progress": 0},
        },
        "versions": {
            "kcm_api": "v1alpha1",
            "charts": None,
            "service_templates": [],
            "cluster_templates": [],
            "k0rdent": "kcm-1",
            "sets": [],
        },
        "budgets": [],
        "clusters": clusters,
        "findings": list(findings),
        "drift": {"counts": [], "objects": []},
        "not_looked_at": [],
    }


Seen = Any


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(status, vaulted=..., check=..., **options) gives the result; what was said is its `said`."""

    def ran(seen: Seen, *, vaulted: str = "CANARY-of-a-vault", check: bool = False, **options: Any) -> dict[str, Any]:
        action = object.__new__(ActionModule)
        action._task = types.SimpleNamespace(args={}, check_mode=check)
        action._place = "https://127.0.0.1:6443"
        said: list[str] = []
        monkeypatch.setattr(looking, "say", said.append)
        monkeypatch.setattr(ActionModule, "connect", lambda *_arguments: contextlib.nullcontext())
        monkeypatch.setattr(fleet_status.status, "charts_of", lambda *_arguments: "they may not be listed")
        monkeypatch.setattr(fleet_status.status, "look", lambda *_arguments, **_options: seen)
        (tmp_path / "inventory").mkdir(exist_ok=True)
        variables = task_vars(tmp_path / "inventory")
        note = VaultedValue(ciphertext="$ANSIBLE_VAULT;1.1;AES256").tag(vaulted)
        given = {"format": ["text"], "folder": None, "patience": 60, "booked_by": "task", **options}
        with leaving.of_action(action, {**variables, "kof_note": note}):
            return {**leaving.leaving(action.fleet(given, variables)), "said": "".join(said)}

    return ran


def test_a_failed_cluster_fails_the_task_by_name_where_nobody_else_will(run: Any) -> None:
    result = run(found(FINDING))
    assert result["failed"]
    assert result["msg"].startswith("3 of 4 clusters ready; 1 failed\neu1: service-failed: ")
    assert result["said"].startswith("FAILED  service-failed: A service failed\n")


def test_where_a_play_follows_it_is_booked_there(run: Any) -> None:
    result = run(found(FINDING), booked_by="role")
    assert "failed" not in result
    assert list(result["outcomes"]["failed"]) == ["eu1"]
    assert result["outcomes"]["booked_by"] == "role"


def test_a_warning_fails_nobody(run: Any) -> None:
    result = run(found({**FINDING, "severity": "warning"}))
    assert (result.get("failed"), result["outcomes"], result["changed"]) == (None, {}, False)


def test_no_face_has_a_secret_or_a_character_that_does_something(run: Any, tmp_path: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        result = run(found(FINDING), format=FORMATS, folder=str(tmp_path / "faces"), booked_by="role")
    finally:
        os.umask(before)
    texts = {file.name: file.read_text() for file in (tmp_path / "faces").iterdir()}
    assert set(texts) == {"status.txt", "status.json", "kof_status.prom", "status.xml", "status.html"}
    assert sorted(result["files"]) == sorted(str(tmp_path / "faces" / name) for name in texts)
    for text in (*texts.values(), result["said"], str(result)):
        assert "CANARY" not in text
        assert "\x1b" not in text
    assert "(hidden)" in texts["status.txt"]
    assert "(hidden)" in json.loads(texts["status.json"])["findings"][0]["why"]
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "faces").iterdir()} == {0o644}


def test_the_names_of_templates_are_hidden_as_any_other_word(run: Any, tmp_path: pathlib.Path) -> None:
    seen = found()
    seen["versions"] |= {
        each: [{"name": "CANARY-of-a-vault", "count": 1}] for each in ("service_templates", "cluster_templates")
    }
    result = run(seen, format=FORMATS, folder=str(tmp_path / "faces"))
    assert "services    (hidden) (1)" in result["said"]
    for text in (*(file.read_text() for file in (tmp_path / "faces").iterdir()), str(result)):
        assert "CANARY" not in text


@pytest.mark.parametrize("word", ["failed", "service-failed", "regional", "ready"])
def test_a_vault_with_one_of_our_words_breaks_no_face(run: Any, tmp_path: pathlib.Path, word: str) -> None:
    run(found(FINDING), vaulted=word, format=FORMATS, folder=str(tmp_path / "faces"), booked_by="role")
    written = json.loads((tmp_path / "faces" / "status.json").read_text())
    assert written["findings"][0]["code"] == "service-failed"
    assert written["findings"][0]["severity"] == "failed"
    assert {each["state"] for each in written["clusters"]} == {"failed", "ready"}


def test_check_mode_writes_nothing(run: Any, tmp_path: pathlib.Path) -> None:
    result = run(found(), check=True, format=["json"], folder=str(tmp_path / "faces"))
    assert result["files"] == [str(tmp_path / "faces" / "status.json")]
    assert not (tmp_path / "faces").exists()


def test_nothing_is_written_through_a_link(run: Any, tmp_path: pathlib.Path) -> None:
    """The folder of a collector may be somebody else's too."""
    (tmp_path / "faces").mkdir()
    (tmp_path / "target").write_text("mine")
    (tmp_path / "faces" / "status.json").symlink_to(tmp_path / "target")
    (tmp_path / "faces" / ".status.json.unfinished").symlink_to(tmp_path / "target")
    run(found(), format=["json"], folder=str(tmp_path / "faces"))
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "faces" / "status.json").is_symlink()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"format": ["text", "json", "junit"]}, "json, junit, which is written to files only: name the folder"),
        ({"folder": "a\nb"}, "status_folder.* control character"),
        ({"patience": -1}, "status_patience.* is less than 0"),
    ],
)
def test_what_nobody_means_is_refused_before_anything_is_read(options: dict[str, Any], told: str) -> None:
    action = object.__new__(ActionModule)  # nothing of a task is needed
    with pytest.raises(FleetFault, match=told):
        ActionModule.fleet(action, {"format": ["text"], "folder": None, "patience": 60, **options}, {})


def test_budgets_are_those_of_preflight_by_what_is_live(tmp_path: pathlib.Path) -> None:
    read = fleet_status.fleets.read_fleet(task_vars(tmp_path), LAYERS)
    assert read.faults == []
    now = fleet_status.datetime.datetime(2026, 3, 1, tzinfo=fleet_status.datetime.UTC)
    promxy = {
        "spec": {
            "template": {"spec": {"containers": [{"name": "promxy", "resources": {"limits": {"memory": "70Mi"}}}]}}
        }
    }
    rows = {each["name"]: each for each in fleet_status._budgets(read, now, fleet_status.status.Live([], [], promxy))}
    assert set(rows) == {"promxy config", "promxy memory", "certificates"} or "Route 53 requests" in rows
    assert rows["promxy memory"]["status"] == "warning"
    assert "70Mi, the live one" in rows["promxy memory"]["wanted"]
    regions = len(read.of("regional"))
    assert rows["certificates"]["found"].startswith(f"{2 * regions} under ")
    # Where promxy's groups may not be read, nothing is guessed of it.
    unread = fleet_status._budgets(read, now, fleet_status.status.Live([], None, promxy))
    assert {each["name"] for each in unread} == set(rows) - {"promxy config", "promxy memory"}


def test_a_folder_that_is_none_is_told_before_anybody_looks(run: Any, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    (tmp_path / "faces").write_text("somebody's")
    monkeypatch.setattr(fleet_status.status, "charts_of", lambda *_arguments: pytest.fail("looked"))
    monkeypatch.setattr(ActionModule, "look", lambda *_arguments: pytest.fail("looked"))
    with pytest.raises(FleetFault, match="status_folder"):
        run(found(), format=["json"], folder=str(tmp_path / "faces"))
    assert (tmp_path / "faces").read_text() == "somebody's"
