"""The action fleet_record: when it keeps nothing, that it never fails, and that no secret is in what it keeps."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import types
from typing import Any

import pytest
from ansible._internal._datatag._tags import VaultedValue
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.action import fleet_record
from ansible_collections.k0rdent.kof.plugins.action.fleet_record import ActionModule
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leaving

CANARY = "CANARY-of-a-vault"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(check=..., failing=..., **facts of localhost) gives the result, what was written and what was warned."""

    def ran(*, check: bool = False, failing: Any = "", batch: Any = None, left: Any = None, **facts: Any) -> Any:
        action = object.__new__(ActionModule)
        action._task = types.SimpleNamespace(args={}, check_mode=check)
        written: list[Any] = []
        warned: list[str] = []

        def write(_connection: Any, namespace: str, name: str, record: Any, _permissions: Any) -> str:
            written.append((namespace, name, record))
            if isinstance(failing, Exception):
                raise failing
            return failing

        monkeypatch.setattr(fleet_record, "warn", warned.append)
        monkeypatch.setattr(fleet_record.record, "write", write)
        monkeypatch.setattr(ActionModule, "connect", lambda *_arguments: contextlib.nullcontext())
        variables = task_vars(tmp_path, batch=batch)
        variables["ansible_play_hosts_all"] = variables["ansible_play_batch"]
        if left is not None:
            variables["ansible_play_batch"] = left
        variables["ansible_play_hosts"] = variables["ansible_play_batch"]
        variables["hostvars"]._variable_manager.set_nonpersistent_facts("localhost", facts)
        secret = VaultedValue(ciphertext="x").tag(CANARY)
        variables["hostvars"]._variable_manager.set_nonpersistent_facts("eu1", {"regional_admin_email": secret})
        variables["hostvars"]._variable_manager.set_nonpersistent_facts(
            "us1", {"regional_config": {"adminPassword": "CANARY-in-a-map"}}
        )
        with leaving.of_action(action, variables):
            return action.fleet({}, variables), written, warned

    return ran


def changed(what: str = "ClusterDeployment kcm-system/eu1 updated") -> dict[str, Any]:
    return {"__regional_outcomes": [{"changed": {"eu1": what}}]}


def test_a_run_that_changed_something_is_kept_with_who_what_and_when(run: Any) -> None:
    result, written, warned = run(**changed())
    ((namespace, name, record),) = written
    assert (namespace, result["name"], result["changed"], warned) == ("kof", name, False, [])
    assert record["fleet"] == "test"
    assert record["kof_version"] == "0.1.1"
    assert record["changed"] == {"count": 1, "clusters": {"eu1": "ClusterDeployment kcm-system/eu1 updated"}}
    assert {"user", "host", "job", "playbook", "began", "ended", "result"} <= record.keys()


@pytest.mark.parametrize(
    "options", [{"check": True, **changed()}, {}, {"__status_outcomes": [{"failed": {"eu1": "x"}}]}]
)
def test_check_mode_and_a_run_that_changed_nothing_keep_none_and_ask_nobody(run: Any, options: Any) -> None:
    result, written, warned = run(**options)
    assert (result["name"], written, warned) == ("", [], [])


@pytest.mark.parametrize("failing", ["ConfigMap kof/x: not allowed", ApiUnavailable("can't reach it")])
def test_where_it_cannot_be_kept_that_is_a_warning(run: Any, failing: Any) -> None:
    result, _written, warned = run(failing=failing, **changed())
    assert not result.get("failed")
    assert result["name"] == ""
    assert warned == [f"the record of this run: {failing}"]


def test_nothing_that_a_vault_held_is_kept(run: Any) -> None:
    _result, written, _warned = run(batch=["eu1"], **changed(f"ClusterDeployment updated by {CANARY}\x1b[2J"))
    assert CANARY not in json.dumps(written)
    assert written[0][2]["changed"]["clusters"] == {"eu1": "ClusterDeployment updated by (hidden)\\x1b[2J"}


def test_why_a_cluster_failed_quotes_nothing_secret_of_its_variables(run: Any) -> None:
    """A webhook may say the value that it refuses, as it is or coded."""
    coded = base64.b64encode(b"CANARY-in-a-map").decode()
    facts = {"__regional_outcomes": [{"changed": {"eu1": "x"}, "failed": {"us1": f"refused CANARY-in-a-map, {coded}"}}]}
    _result, ((_namespace, _name, record),), _warned = run(batch=["eu1"], **facts)
    assert record["failed"]["clusters"] == {"us1": "refused (hidden), (hidden)"}


def test_a_block_in_which_the_last_host_failed_leaves_one_too(run: Any) -> None:
    """There nobody is in the batch any more."""
    result, ((_namespace, name, record),), warned = run(batch=["eu1"], left=[], **changed())
    assert (result["name"], warned) == (name, [])
    assert (record["changed"]["count"], record["failed"]["clusters"]) == (1, {"eu1": "a task of it failed"})
