"""What is wrong with the inventory plugin's file is told without the secrets in it."""

from __future__ import annotations

import json
import pathlib
import shlex
import traceback
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

CANARY = "CANARY0123456789"
CONTENT = """
  apiVersion: v1
  clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
  users: [{name: u, user: {token: %s}}]
  contexts: [{name: c, context: {cluster: c, user: u}}]
  current-context: c
"""


def parsed(tmp_path: pathlib.Path, text: str) -> Any:
    file = tmp_path / "live.kof.yml"
    file.write_text(f"plugin: k0rdent.kof.clusters\n{text}\n")
    plugin = inventory_loader.get("k0rdent.kof.clusters")
    plugin.parse(InventoryData(), DataLoader(), str(file))


def test_core_still_says_what_else_is_wrong(tmp_path: pathlib.Path) -> None:
    with pytest.raises(AnsibleParserError, match="Incorrect plugin name in file: another"):
        parsed(tmp_path, "plugin: another")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"host: https://127.0.0.1:1\napi_key: {{a: {CANARY}}}", "api_key"),
        (f"host: https://127.0.0.1:1\napi_key: [{CANARY}]", "api_key"),
        (f"host: https://127.0.0.1:1\napi_key: *{CANARY}", "can't be read as YAML, line 3"),
        (f"host: https://127.0.0.1:1\napi_key: !{CANARY} x", "can't be read as YAML"),
        (f"host: https://127.0.0.1:1\napi_key: '{CANARY}", "can't be read as YAML"),
        (f'host: https://127.0.0.1:1\napi_key: "{CANARY}\\n{CANARY}"', "option api_key has a line break"),
        (f"host: https://127.0.0.1:1\napi_key: |\n  {CANARY}", "connection refused"),
        (f"host: https://127.0.0.1:1\napi_key: x\nproxy: http://u:{CANARY}/@127.0.0.1:x", "the proxy of option proxy"),
        (f"kubeconfig: |{CONTENT % CANARY}", "connection refused"),
        (f"kubeconfig:{CONTENT % CANARY}", "connection refused"),
        (f"kubeconfig: |{CONTENT % f'[{CANARY}]'}", "token is a list"),
        (f"kubeconfig: |{CONTENT % f'*{CANARY}'}", "not YAML at line 3"),
        ("kubeconfig: {current-context: 2020-01-01}", "option kubeconfig: current-context: YAML reads it as a date"),
        (f"kubeconfig: [{CANARY}]", "kubeconfig is neither a path nor the content"),
    ],
)
def test_nothing_secret_is_told(tmp_path: pathlib.Path, text: str, told: str) -> None:
    with pytest.raises(AnsibleParserError) as caught:
        parsed(tmp_path, text)
    said = str(caught.value)
    assert told in said
    assert "unexpected" not in said
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in (caught.value._formatted_source_context or "")


def test_what_nobody_expected_is_told_as_type_and_place(tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig

    def fails(*_arguments: Any) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(kubeconfig, "paths_of", fails)
    with pytest.raises(AnsibleParserError, match=r"unexpected RuntimeError at .*test_clusters_secrets.py:") as caught:
        parsed(tmp_path, "kubeconfig: /x")
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("command", "told"), [("no-such-plugin", "no-such-plugin"), ("sh -c 'exit 7'", "exit code 7")])
def test_a_plugin_that_fails_is_told_also_where_the_cache_has_the_clusters(
    tmp_path: pathlib.Path, monkeypatch: Any, command: str, told: str
) -> None:
    plugin = inventory_loader.get("k0rdent.kof.clusters")
    monkeypatch.setattr(plugin.__class__, "_clusters", lambda *_arguments: [])
    name, *arguments = shlex.split(command)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": name, "args": arguments}
    user = json.dumps({"exec": {**spec, "interactiveMode": "Never", "installHint": "see the wiki"}})
    with pytest.raises(AnsibleParserError, match=told) as caught:
        parsed(tmp_path, f"kubeconfig: {CONTENT.replace('{token: %s}', user)}")
    assert str(caught.value).startswith(f"{tmp_path}/live.kof.yml: ")
    assert "see the wiki" in str(caught.value)
    assert "unexpected" not in str(caught.value)
