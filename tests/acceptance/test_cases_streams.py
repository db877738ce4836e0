"""Where lines for people go: stdout stays JSON for a program, and ansible-runner sees no stray data in a worker."""

from __future__ import annotations

import json
import pathlib
import subprocess

import example_fleet
import pytest
from support import REPOSITORY, Runner, Sandbox

#: Up to 2.4.1 ansible-runner marks in the worker, too, what Display shows; that is what AWX 24 has.
RUNNERS = ("==2.4.1", ">=2.4.2")


@pytest.fixture
def inventory(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> str:
    return fleet_sandbox.inventory(tmp_path / "fleet", example_fleet.fleet(1, 1))


def test_stdout_is_json_for_a_callback_of_programs(fleet_sandbox: Sandbox, inventory: str) -> None:
    """As ansible.posix.json: one document. Table, progress and summary are on stderr."""
    fleet_sandbox.command("fault", "never_ready=aws-us-east-1-1")
    try:
        run = subprocess.run(
            ["ansible-playbook", "-i", inventory, "playbooks/regional.yml", "-e", "kof_wait_timeout=3"],
            cwd=REPOSITORY,
            env=fleet_sandbox.environment
            | {
                "ANSIBLE_STDOUT_CALLBACK": "kof_document",
                "ANSIBLE_CALLBACK_PLUGINS": str(REPOSITORY / "tests" / "acceptance" / "callback_plugins"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        fleet_sandbox.command("fault", "--clear")
        fleet_sandbox.delete_clusters()
    assert run.returncode == 2, run.stdout + run.stderr
    document = json.loads(run.stdout)
    assert document["stats"]["aws-us-east-1-1"]["failures"] == 1
    for told in ("check ", "Management cluster: ", "Failed: 1 cluster: aws-us-east-1-1"):
        assert told in run.stderr


@pytest.mark.long
@pytest.mark.parametrize("version", RUNNERS)
def test_under_ansible_runner_lines_are_live_and_none_is_stray(
    fleet_sandbox: Sandbox, inventory: str, tmp_path: pathlib.Path, version: str
) -> None:
    """Its host summary is the recap."""
    runner = Runner.installed(version)
    run = runner.run(fleet_sandbox, inventory, "playbooks/regional.yml", "-e", "kof_wait=false")
    fleet_sandbox.delete_clusters()
    assert run.code == 0, run.output
    assert "errantly sent data" not in run.output
    assert "Changed: 1 cluster: aws-us-east-1-1" in run.output
    assert {host: counts["changed"] for host, counts in run.stats.items() if counts["changed"]} == {
        "aws-us-east-1-1": 1
    }
