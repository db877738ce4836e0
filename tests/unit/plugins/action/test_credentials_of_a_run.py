"""How a credential goes from one process of a run to another: by memory, and through no file. Needs no server."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import yaml

REPOSITORY = pathlib.Path(__file__).parents[4]
V1 = "client.authentication.k8s.io/v1"
CANARY = "CANARY-of-the-plugin"


def test_an_exec_plugin_is_asked_once_and_arguments_of_modules_are_in_no_file(tmp_path: pathlib.Path) -> None:
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": CANARY}})
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho call >>{tmp_path}/calls\necho '{answer}'\n")
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": V1, "command": "./plugin", "interactiveMode": "Never"}}
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    of_all = {"kof_version": "0.1.1", "kof_fleet": "a", "kof_kubeconfig": str(tmp_path / "kubeconfig")}
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"kof_mothership": {"hosts": {"m": of_all | {"ansible_connection": "local"}}}})
    )
    live = {"plugin": "k0rdent.kof.clusters", "kubeconfig": str(tmp_path / "kubeconfig")}
    (tmp_path / "live.kof.yml").write_text(yaml.safe_dump(live))
    release = {"release_name": "a", "release_namespace": "b", "chart_ref": "oci://a/b"}
    tasks = [
        {"k0rdent.kof.fleet_apply": {"layer": "mothership"}},
        {"k0rdent.kof.helm_release": release},
        {"k0rdent.kof.fleet_wait": {"layer": "mothership"}},
    ]
    play = {
        "hosts": "m",
        "gather_facts": False,
        "ignore_errors": True,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": tasks,
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    playbook = str(pathlib.Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [playbook, "-i", "live.kof.yml", "-i", "hosts.yml", "play.yml", "-vvv"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "false",
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    # Each of them, and the inventory, has tried with what the plugin gave.
    assert told.count("can't reach the API server https://127.0.0.1:1") > len(tasks), told
    assert "live.kof.yml: can't reach the API server" in told
    assert "Using module file" in told
    assert (tmp_path / "calls").read_text() == "call\n"
    assert "PUT /" not in told
    assert CANARY not in told
