"""A run with a kubeconfig whose plugin hands out a key, in folders of its own: what became of the key.

No test belongs here; test modules make fixtures of what yields or gives something to begin with.
"""

from __future__ import annotations

import base64
import json
import pathlib

import yaml
from support import Run, Sandbox

V1 = "client.authentication.k8s.io/v1"


def by_plugin(tmp_path: pathlib.Path, clusterless: Sandbox) -> pathlib.Path:
    """The sandbox's kubeconfig with a plugin that hands out its certificate and key, and notes each call."""
    config = yaml.safe_load(pathlib.Path(clusterless.endpoints["kof_kubeconfig"]).read_text())
    user = config["users"][0]["user"]

    def pem(name: str) -> str:
        data = user.get(f"{name}-data")
        return base64.b64decode(data).decode() if data else pathlib.Path(user[name]).read_text()

    status = {"clientCertificateData": pem("client-certificate"), "clientKeyData": pem("client-key")}
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status}))
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho call >>{tmp_path}/calls\ncat {answer}\n")
    plugin.chmod(0o700)
    exec_ = {"apiVersion": V1, "command": str(plugin), "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": exec_}
    file = tmp_path / "plugin.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


def folders(tmp_path: pathlib.Path) -> dict[str, str]:
    """Folders of a run's own, by the environment variable that names each: temporary files, and facts."""
    made = {}
    for variable, name in (("TMPDIR", "temporary"), ("ANSIBLE_CACHE_PLUGIN_CONNECTION", "facts")):
        (tmp_path / name).mkdir()
        made[variable] = str(tmp_path / name)
    return made


def left_in(folders: dict[str, str]) -> list[pathlib.Path]:
    return [each for folder in folders.values() for each in pathlib.Path(folder).rglob("*")]


def plugins_calls(kubeconfig: pathlib.Path) -> int:
    calls = kubeconfig.parent / "calls"
    return calls.read_text().count("call") if calls.exists() else 0


def assert_no_key_told(run: Run, kubeconfig: pathlib.Path) -> None:
    key = json.loads((kubeconfig.parent / "answer.json").read_text())["status"]["clientKeyData"]
    told = run.output + json.dumps(run.events)
    assert not [line for line in key.splitlines()[1:-1] if line in told]


def holding_a_key(folders: dict[str, str], kubeconfig: pathlib.Path) -> list[pathlib.Path]:
    key = (
        json.loads((kubeconfig.parent / "answer.json").read_text())["status"]["clientKeyData"].splitlines()[1].encode()
    )
    return [each for each in left_in(folders) if each.is_file() and key in each.read_bytes()]
