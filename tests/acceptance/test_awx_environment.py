"""ansible-builder takes our execution environment, and an environment with just what it asks for runs site.yml."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest
import yaml
from cores import PYTHONS, python_of
from fetch_collections import place
from support import REPOSITORY

pytestmark = pytest.mark.long
BUILDER = "ansible-builder>=3.1,<4"
LIMIT = 3600


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment_with(folder: pathlib.Path, python: str, *requirements: str) -> pathlib.Path:
    """The bin folder of a new environment with just these."""
    run(python, "-m", "venv", str(folder))
    run(str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *requirements)
    return folder / "bin"


def test_ansible_builder_takes_it(tmp_path: pathlib.Path) -> None:
    python = python_of("3.11") or python_of("3.12")
    assert python
    tools = environment_with(tmp_path / "tools", python, BUILDER)
    run(str(tools / "ansible-builder"), "create", "-c", str(tmp_path / "context"), "--output-filename", "Containerfile")
    steps = (tmp_path / "context" / "Containerfile").read_text()
    assert "sha256sum --check --strict" in steps
    assert "ansible-runner>=2.4.2" in steps
    there = tmp_path / "collections" / "ansible_collections" / "k0rdent"
    there.mkdir(parents=True)
    (there / "kof").symlink_to(REPOSITORY)
    told = run(str(tools / "ansible-builder"), "introspect", str(tmp_path / "collections"))
    found = yaml.safe_load(re.sub(r"^#.*$", "", told, flags=re.MULTILINE))
    wanted = (REPOSITORY / "meta" / "ee-requirements.txt").read_text()
    # PyYAML it leaves out, as it does what ansible-core brings.
    for name in ("kubernetes", "boto3", "PySocks", "jsonpatch", "cryptography", "urllib3"):
        assert name.lower() in wanted.lower()
        assert name.lower() in str(found["python"]).lower(), told


@pytest.mark.parametrize("core", sorted(PYTHONS))
def test_site_runs_with_just_what_the_environment_asks_for(core: str, tmp_path: pathlib.Path) -> None:
    python = next(filter(None, map(python_of, PYTHONS[core])), None)
    if python is None:
        pytest.skip(f"no Python {' or '.join(PYTHONS[core])}")
    described = yaml.safe_load((REPOSITORY / "execution-environment.yml").read_text())["dependencies"]
    tools = environment_with(
        tmp_path / "environment", python, f"ansible-core=={core}.*", described["ansible_runner"]["package_pip"],
        "-r", str(REPOSITORY / described["python"]),
    )  # fmt: skip
    place(tmp_path / "collections", core)
    sandbox = {"KOF_SANDBOX_DIR": str(tmp_path / "sandbox")}
    try:
        run("python", "-m", "sandbox", "up", "--clusters", "none", "--charts", "small", **sandbox)
        said = {
            **sandbox, "PYTHONPATH": "", "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            "PATH": f"{tools}:/usr/bin:/bin", "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        }  # fmt: skip
        playbook = (str(tools / "ansible-playbook"), "-i", "inventories/sandbox", "playbooks/site.yml")
        run(*playbook, **said)
        again = run(*playbook, **said)
        assert {int(each) for each in re.findall(r" changed=(\d+)", again)} == {0}, again
    finally:
        run("python", "-m", "sandbox", "down", **sandbox)
