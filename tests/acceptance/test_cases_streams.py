"""Where lines for people go: stdout stays JSON for a program, and ansible-runner sees no stray data in a worker."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import venv

import example_fleet
import pytest
from support import REPOSITORY, Sandbox

#: Up to 2.4.1 ansible-runner marks in the worker, too, what Display shows; that is what AWX 24 has.
RUNNERS = ("==2.4.1", ">=2.4.2")
RUN = """
import json, sys
import ansible_runner
done = ansible_runner.run(private_data_dir=sys.argv[1], playbook=sys.argv[2], inventory=sys.argv[3], quiet=True,
                          project_dir=sys.argv[4], envvars=json.loads(sys.argv[5]), cmdline=sys.argv[6])
print(json.dumps({"rc": done.rc, "stats": done.stats, "stdout": done.stdout.read()}))
"""


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
    """In an environment of its own, with this session's ansible-core; its host summary is the recap."""
    venv.create(tmp_path / "runner", with_pip=True)
    python = tmp_path / "runner" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"ansible-runner{version}"]
    subprocess.run(pip, check=True)
    for name in ("project", "data"):
        (tmp_path / name).mkdir()
    settings = {
        name: value
        for name, value in fleet_sandbox.environment.items()
        if name.startswith(("ANSIBLE_", "KOF_")) or name == "PYTHONPATH"
    }
    words = (
        REPOSITORY / "playbooks" / "regional.yml",
        inventory,
        REPOSITORY,
        json.dumps(settings),
        "-e kof_wait=false",
    )
    run = subprocess.run(
        [str(python), "-c", RUN, str(tmp_path / "data"), *map(str, words)],
        env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    fleet_sandbox.delete_clusters()
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout.splitlines()[-1])
    assert done["rc"] == 0, done["stdout"]
    assert "errantly sent data" not in done["stdout"]
    assert "Changed: 1 cluster: aws-us-east-1-1" in done["stdout"]
    assert done["stats"]["changed"] == {"aws-us-east-1-1": 1}
