"""Runs a play with one of the actions, as a user would but for the start, against the test session's control plane."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from forked import SHARED

REPOSITORY = pathlib.Path(__file__).parents[4]
Play = Callable[..., subprocess.CompletedProcess[str]]

INVENTORY = {
    "all": {"vars": {"kof_version": "0.1.1", "kof_fleet": "actions", "regional_admin_email": "platform@example.com"}},
    "kof_mothership": {"hosts": {"mothership": {}}},
    "kof_regional": {
        "hosts": {
            name: {"regional_domain": f"{name}.example.com", "regional_template": "aws-standalone-cp-0-1-0"}
            for name in ("eu1", "us1")
        }
    },
    "kof_child": {"hosts": {"eu1-child1": {"child_regional": "eu1", "child_template": "aws-standalone-cp-0-1-0"}}},
}


@pytest.fixture
def play(control_plane: Any, tmp_path: pathlib.Path) -> Play:
    """play(hosts, task, *arguments, **keywords of the play) runs ansible-playbook and gives the finished process."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))

    def run(hosts: str, task: dict[str, Any], *arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
        one = {"hosts": hosts, "gather_facts": False, "connection": "local", **keywords}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([{**one, "tasks": [{"run_once": True, **task}]}]))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBECONFIG"))}
        environment = {
            **clean,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "K8S_AUTH_KUBECONFIG": str(control_plane.kubeconfig),
        }
        command = ["-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"), *arguments]
        return subprocess.CompletedProcess(command, *SHARED.run(command, environment, timeout=900), stderr="")

    return run
