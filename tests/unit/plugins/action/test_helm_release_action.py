"""The action helm_release in a play: it answers alone where nothing is to do, and leaves all else to the module.

That a module ran shows in what -vvv says of its process.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml

from sandbox import binaries

NAME, SPACE = "looked-at", "helm-action"
PYTHON = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"text": "TEXT"}}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chart") / NAME
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {NAME}\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text("text: hello\n")
    text = yaml.safe_dump(CONFIG).replace("TEXT", "{{ .Values.text }}")
    (folder / "templates" / "config.yaml").write_text(text)
    return str(folder)


def release(chart: str, **arguments: Any) -> dict[str, Any]:
    helm = str(pathlib.Path(binaries.find_or_build()["helm"]))
    given = {"name": NAME, "namespace": SPACE, "create_namespace": True, "chart_ref": chart, "binary_path": helm}
    return {"name": "Release", "vars": PYTHON, "k0rdent.kof.helm_release": {**given, **arguments}}


def outcome(run: Any) -> tuple[str, bool]:
    """The action that -vvv tells, and whether the module's own process was started."""
    assert run.returncode == 0, run.stdout + run.stderr
    action = run.stdout.split('"action": "')[1].split('"')[0]
    return action, "EXEC" in run.stdout


def test_only_what_has_to_change_starts_the_module(control_plane: Any, play: Any, chart: str) -> None:
    first = play("kof_mothership", release(chart), "-vvv")
    again = play("kof_mothership", release(chart), "-vvv", "--diff")
    checked = play("kof_mothership", release(chart), "-vvv", "--check")
    assert [outcome(run) for run in (first, again, checked)] == [
        ("installed", True), ("unchanged", False), ("unchanged", False),
    ]  # fmt: skip
    assert "changed=0" in again.stdout

    elsewhere = play("kof_mothership", release(chart), "-vvv", environment={"HELM_DRIVER": "secret"})
    assert outcome(elsewhere) == ("unchanged", True)  # what it would see is the module's to know

    control_plane.kubectl("delete", "configmap", NAME, "-n", SPACE)
    repaired = play("kof_mothership", release(chart), "-vvv")
    upgraded = play("kof_mothership", release(chart, values={"text": "other"}), "-vvv")
    assert [outcome(run) for run in (repaired, upgraded)] == [("repaired", True), ("upgraded", True)]
    found = json.loads(control_plane.kubectl("get", "configmap", NAME, "-n", SPACE, "-o", "json"))
    assert found["data"] == {"text": "other"}


def test_what_is_wrong_is_said_by_the_module(play: Any, chart: str) -> None:
    run = play("kof_mothership", release(chart, timeout="soon"))
    assert run.returncode != 0
    assert "timeout: " in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
