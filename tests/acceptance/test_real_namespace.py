"""kof's namespace on a real API server: made by kubernetes.core where it is missing, put right by our own action, and
neither where it is as wanted. In file order on one namespace; helm is kept away, so that each run is short.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest
from support import COLLECTION_USER, Run, Sandbox

NAME = "kof-of-a-test"
ROLE = """
- hosts: kof_mothership
  gather_facts: false
  connection: local
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  roles: [k0rdent.kof.mothership]
"""
#: The first task after those that are looked at here.
STOPS = "Install or upgrade the charts"
MAKE, MEND = "Make the namespace of kof", "Put the namespace of kof right"


class Role:
    """Runs the role's tasks about the namespace; the first one that needs helm ends the run."""

    def __init__(self, sandbox: Sandbox, play: pathlib.Path) -> None:
        self.sandbox = sandbox
        self._play = play
        play.write_text(ROLE)

    def run(self, *arguments: str) -> tuple[Run, list[str]]:
        """The run, and the requests that could have changed something, but for the record that it leaves."""
        mark = self.sandbox.audit_mark()
        usual = [
            "-i",
            "inventories/sandbox",
            str(self._play),
            "-e",
            f"kof_namespace={NAME}",
            "-e",
            "kof_helm_binary=/none",
        ]
        run = self.sandbox.run([*usual, *arguments])
        sent = self.sandbox.changes_since(mark, COLLECTION_USER)
        return run, [each for each in sent if "/configmaps/kof-run-" not in each]

    def labels(self) -> dict[str, str]:
        return self.sandbox.get("namespace", NAME)["metadata"]["labels"]


@pytest.fixture(scope="module")
def role(clusterless: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Role]:
    yield Role(clusterless, tmp_path_factory.mktemp("namespace") / "play.yml")
    clusterless.kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false")


def done(run: Run, task: str) -> bool:
    """Whether a task ran. The run must have come as far as the charts."""
    assert any(STOPS in each["task"] for each in run.events if each["event"] == "failed"), run.output
    return any(each["event"] == "ok" and each["task"].endswith(task) for each in run.events)


def test_check_mode_predicts_it_and_makes_nothing(role: Role) -> None:
    run, sent = role.run("--check")
    assert (f"Namespace {NAME}", "created") in run.changes()
    assert sent == []
    assert role.sandbox.kubectl("get", "namespace", NAME, "--ignore-not-found") == ""


def test_kubernetes_core_makes_it_under_our_field_manager(role: Role) -> None:
    run, sent = role.run()
    assert done(run, MAKE)
    assert not done(run, MEND)
    (request,) = sent
    assert request.startswith(f"patch /api/v1/namespaces/{NAME}?")
    assert "fieldManager=k0rdent.kof" in request
    assert role.labels()["app.kubernetes.io/part-of"] == "sandbox"


def test_neither_runs_where_it_is_as_wanted(role: Role) -> None:
    run, sent = role.run()
    assert not done(run, MAKE)
    assert not done(run, MEND)
    assert sent == []


def test_an_edit_is_taken_back_by_our_own_action(role: Role) -> None:
    edit = (
        "label",
        "namespace",
        NAME,
        "app.kubernetes.io/managed-by=me",
        "--overwrite",
        "--field-manager=kubectl-edit",
    )
    role.sandbox.kubectl(*edit)
    run, sent = role.run()
    assert done(run, MEND)
    assert not done(run, MAKE)
    assert sent
    assert role.labels()["app.kubernetes.io/managed-by"] == "k0rdent.kof"


def test_what_somebody_made_since_the_look_is_not_overwritten(role: Role) -> None:
    role.sandbox.kubectl("label", "namespace", NAME, "app.kubernetes.io/managed-by=somebody", "--overwrite")
    before = role.labels()
    look = {"changed": True, "counts": {"created": 1}, "as_kubernetes_core": True}
    stale = json.dumps({"__mothership_namespace": look})
    run, _sent = role.run("-e", stale)
    (failed,) = [each for each in run.events if each["event"] == "failed"]
    assert failed["task"].endswith(MAKE)
    assert "Conflict" in json.dumps(failed["result"])
    assert role.labels() == before
