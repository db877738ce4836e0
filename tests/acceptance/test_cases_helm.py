"""helm at the mothership, as users and attackers met it: what events show of values, where a failed chart leads, and
what Ctrl-C, SIGTERM and a cancelled job leave of a helm at work. With real signals, to the group that a terminal, a
service manager or ansible-runner sends them to.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from support import Run, Sandbox, finish

CANARIES = ("CANARYpassword77", "CANARYdsn77", "CANARYtext77")
VALUES = {
    "grafana": {"security": {"adminPassword": CANARIES[0]}},
    "custom": {"dsn": f"postgres://u:{CANARIES[1]}@db/x", "note": CANARIES[2]},
}
PLAY: dict[str, Any] = {"gather_facts": False, "connection": "local"}
PYTHON = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
NAMESPACE, NAMES = "interrupted", ("first", "second")
#: A release whose upgrade waits for a Job, and nothing else; no controller runs it.
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: stalls\nversion: 1.0.0\n",
    "values.yaml": "text: ''\nstall: false\n",
    "templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {text: '{{ .Values.text }}'}\n"
    ),
    "templates/stall.yaml": """\
{{- if .Values.stall }}
apiVersion: batch/v1
kind: Job
metadata: {name: '{{ .Release.Name }}-stalls', annotations: {helm.sh/hook: "post-install,post-upgrade"}}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: none, image: example.com/none}]}}
{{- end }}
""",
}


def role(sandbox: Sandbox, folder: pathlib.Path, *arguments: str) -> Run:
    """The role mothership with a helm that isn't there, so that its first chart fails; as much said as there is."""
    play = folder / "play.yml"
    play.write_text(
        yaml.safe_dump([{**PLAY, "hosts": "kof_mothership", "vars": PYTHON, "roles": ["k0rdent.kof.mothership"]}])
    )
    values = json.dumps(
        {
            "mothership_values": {"grafana-operator": VALUES},
            "mothership_operators_values": {"opentelemetry-operator": VALUES},
        }
    )
    usual = ["-i", "inventories/sandbox", str(play), "-e", values, "-e", "kof_helm_binary=/none"]
    return sandbox.run([*usual, *arguments])


def test_the_first_chart_that_fails_is_the_last_and_no_event_shows_values(
    clusterless: Sandbox, tmp_path: pathlib.Path
) -> None:
    run = role(clusterless, tmp_path, "-vvv", "--diff")
    (failed,) = [each for each in run.events if each["event"] == "failed"]
    assert [each["item"] for each in failed["result"]["results"]] == ["kof-operators"], run.output
    assert "no program that can be run" in failed["result"]["results"][0]["msg"]
    told = run.output + json.dumps(run.events)
    # What the command line gave is echoed by nobody, so whatever is found comes from a task.
    assert not [canary for canary in CANARIES if canary in told]


class Releases:
    """A play that brings two releases of the chart up to date, one after the other; the first stalls."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox = sandbox
        self._folder, self._before = folder, ""
        for name, text in CHART.items():
            file = folder / "stalls" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._archive = folder / "stalls-1.0.0.tgz"
        with tarfile.open(self._archive, "w:gz") as package:
            package.add(folder / "stalls", arcname="stalls")

    def _play(self, text: str, stall: bool) -> list[str]:
        release = {
            "release_name": "{{ item }}",
            "release_namespace": NAMESPACE,
            "create_namespace": True,
            "chart_ref": str(self._archive),
            "release_values": {"text": text, "stall": stall},
            "timeout": "300s",
            "binary_path": self.sandbox.endpoints["helm"],
            "kubeconfig": self.sandbox.endpoints["kof_kubeconfig"],
        }
        task = {"name": "Releases", "k0rdent.kof.helm_release": release, "loop": list(NAMES)}
        play = self._folder / "play.yml"
        play.write_text(yaml.safe_dump([{**PLAY, "hosts": "localhost", "vars": PYTHON, "tasks": [task]}]))
        return [str(play)]

    def start(self, text: str) -> tuple[subprocess.Popen[str], pathlib.Path]:
        self._before = self._job()
        return self.sandbox.start(self._play(text, True), {})

    def run(self, text: str) -> Run:
        run = self.sandbox.run(self._play(text, False))
        assert run.code == 0, run.output
        return run

    def statuses(self) -> dict[str, str]:
        listed = json.loads(self.sandbox.helm("list", "-n", NAMESPACE, "-a", "-o", "json"))
        return {each["name"]: each["status"] for each in listed}

    def text(self, name: str) -> str:
        return self.sandbox.get("configmap", name, "-n", NAMESPACE)["data"]["text"]

    def helm_works(self) -> bool:
        """Whether the first one's helm waits for its Job, and not for that of a run before to be gone."""
        return self._job() not in ("", self._before) and self.statuses()["first"].startswith("pending-")

    def _job(self) -> str:
        found = self.sandbox.kubectl("get", "job", "first-stalls", "-n", NAMESPACE, "--ignore-not-found", "-o", "json")
        return str(json.loads(found)["metadata"]["uid"]) if found.strip() else ""

    def let_it_end(self) -> None:
        done = [{"type": each, "status": "True"} for each in ("SuccessCriteriaMet", "Complete")]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        times = {"startTime": now, "completionTime": now}
        conditions = [{**each, "lastTransitionTime": now} for each in done]
        patch = json.dumps({"status": {"conditions": conditions, **times}})
        self.sandbox.kubectl(
            *("patch", "job", "first-stalls", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch)
        )


@pytest.fixture(scope="module")
def bare(clusterless: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    yield Releases(clusterless, tmp_path_factory.mktemp("stalls"))
    clusterless.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


@pytest.fixture
def releases(bare: Releases) -> Releases:
    """With both releases there, at their first text."""
    bare.run("before")
    assert bare.statuses() == dict.fromkeys(NAMES, "deployed")
    return bare


def until(condition: Callable[[], bool], limit: float = 600) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def signalled(releases: Releases, text: str, number: int) -> tuple[subprocess.Popen[str], pathlib.Path]:
    """A run that got the signal, as all of its process group did, while its first helm was at work."""
    started = releases.start(text)
    until(releases.helm_works)
    os.killpg(started[0].pid, number)
    return started


def test_ctrl_c_waits_for_helm(releases: Releases) -> None:
    started = signalled(releases, "ctrl-c", signal.SIGINT)
    time.sleep(2)
    assert started[0].poll() is None, "ansible-playbook has left its helm behind"
    releases.let_it_end()
    run = finish(started)
    assert run.code == 99
    assert "release interrupted/first: helm is waited for" in run.output
    assert "was at work when this run was told to end, and was waited for: it did what it was to do" in run.output
    assert releases.statuses() == dict.fromkeys(NAMES, "deployed")
    # The second one was not begun any more.
    assert [releases.text(each) for each in NAMES] == ["ctrl-c", "before"]


def test_sigterm_stops_helm_which_says_so(releases: Releases) -> None:
    run = finish(signalled(releases, "sigterm", signal.SIGTERM))
    assert run.code == -signal.SIGTERM
    assert "release interrupted/first: helm is told to stop, and notes there how far it came" in run.output
    # ansible-playbook is gone by then; who reads its output sees the end of it.
    assert (
        "was waited for: UPGRADE FAILED: context canceled; run the same again, which goes on from there" in run.output
    )
    assert releases.statuses() == {"first": "failed", "second": "deployed"}
    releases.run("after")
    assert releases.statuses() == dict.fromkeys(NAMES, "deployed")
    assert [releases.text(each) for each in NAMES] == ["after", "after"]


def test_a_cancelled_job_begins_nothing_more(releases: Releases) -> None:
    """ansible-runner ends ansible-playbook and its group by SIGKILL, which its worker with helm is not part of."""
    started = signalled(releases, "killed", signal.SIGKILL)
    releases.let_it_end()
    finish(started)
    until(lambda: releases.statuses() == dict.fromkeys(NAMES, "deployed"))
    time.sleep(3)
    assert [releases.text(each) for each in NAMES] == ["killed", "before"]


@pytest.fixture
def nobody(own_sandbox: Sandbox) -> Iterator[str]:
    """A user without any right, for the sandbox's own to impersonate."""
    name = "nobody-yet"
    yield name
    for kind in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        own_sandbox.kubectl("delete", kind, "-A", "-l", f"of={name}")


DENIED = re.compile(r"may not (\S+(?:, \S+)*) (\S+) in (?:namespace (\S+)|the whole cluster)$")
GRANTS = re.compile(r"bind a role with verb (escalate|bind) for (roles|clusterroles)\.")


@pytest.mark.long
def test_the_rights_that_preflight_asks_for_are_enough(own_sandbox: Sandbox, nobody: str) -> None:
    """From a user who may do nothing to one who installs the mothership, by granting what preflight names, no more."""
    granted: set[tuple[str, str, str, str]] = set()
    own_sandbox.kubectl("create", "namespace", "kof")
    for _round in range(5):
        run = own_sandbox.playbook("preflight", "-e", f"kof_impersonate_user={nobody}", "-e", LAYERS)
        if run.code == 0:
            break
        (failed,) = [each["result"] for each in run.events if each["event"] == "failed"]
        named = set()
        for check in failed["checks"]:
            for verbs, resource, namespace in DENIED.findall(check["found"]):
                plural, _dot, group = resource.partition(".")
                named |= {(verb, group, plural, namespace) for verb in verbs.split(", ")}
            named |= {(verb, "rbac.authorization.k8s.io", of, "") for verb, of in GRANTS.findall(check["remedy"])}
        assert named - granted, run.output
        granted |= named
        grant(own_sandbox, nobody, granted)
    assert {("escalate", "rbac.authorization.k8s.io", "clusterroles", "")} <= granted
    run = own_sandbox.playbook("mothership", "-e", f"kof_impersonate_user={nobody}")
    assert run.code == 0, run.output
    again = own_sandbox.playbook("mothership", "-e", f"kof_impersonate_user={nobody}")
    assert (again.code, again.total("changed")) == (0, 0), again.output


LAYERS = json.dumps({"preflight_layers": ["mothership"]})


def grant(sandbox: Sandbox, user: str, rights: set[tuple[str, str, str, str]]) -> None:
    objects: list[dict[str, Any]] = []
    for namespace in {each[3] for each in rights}:
        cluster = "" if namespace else "Cluster"
        metadata = {"name": user, "labels": {"of": user}, **({"namespace": namespace} if namespace else {})}
        rules = [
            {"apiGroups": [group], "resources": [plural], "verbs": [verb]}
            for verb, group, plural, where in sorted(rights)
            if where == namespace
        ]
        head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{cluster}Role", "name": user}
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
        objects += [
            {**head, "kind": f"{cluster}Role", "rules": rules},
            {**head, "kind": f"{cluster}RoleBinding", "roleRef": role, "subjects": [subject]},
        ]
    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
