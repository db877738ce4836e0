"""How people reach what they open: each line that is told is used here and answers, each kubeconfig opens its cluster,
and a login is where its owner alone sees it.

Services, Secrets, kubeconfigs, RBAC and tokens are real ones of real API servers; kubectl forwards through the real API
server. What answers behind a port is a stand-in: kwok's kubelet starts a small program instead of a container.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shlex
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import example_fleet
import pytest
from support import EVENTS, REPOSITORY, Run, Runner, Sandbox
from terminal import on_a_terminal

from sandbox import cluster, processes

FLEET = example_fleet.fleet(1, 1)
(REGION,), (CHILD,) = FLEET.regionals, FLEET.children
KEYS = ("GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD")
#: By what is told: the port of the container behind it.
CONTAINERS = {
    "Grafana": 3000,
    "promxy": 8082,
    "VictoriaMetrics": 8481,
    "Sveltos": 8080,
    "Cluster API": 8081,
    "VictoriaLogs": 9428,
}
ADMIN = "k0rdent-kof-platform-admin"


class People:
    """Who wants to open something, and a folder of theirs."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.where = sandbox.inventory(folder / "fleet", FLEET)

    def run(self, *arguments: str, **said: Any) -> Run:
        extra = ("-e", json.dumps({f"access_{name}": value for name, value in said.items()}))
        return self.sandbox.playbook("access", *extra, *arguments, inventory=self.where)

    def ways(self, run: Run) -> list[dict[str, Any]]:
        (event,) = [each for each in run.events if str(each.get("action", "")).endswith("fleet_access")]
        return event["result"]["ways"]

    def login(self, cluster: str) -> list[str]:
        data = self.sandbox.get("secret", "grafana-admin-credentials", "-n", "kof", cluster=cluster)["data"]
        return [base64.b64decode(data[key]).decode() for key in KEYS]

    @contextlib.contextmanager
    def forwarded(self, command: str) -> Iterator[None]:
        """While the line runs, word for word but for where kubectl is."""
        program, *arguments = shlex.split(command)
        assert program == "kubectl"
        process = subprocess.Popen(
            [self.sandbox.endpoints["kubectl"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout
            first = process.stdout.readline()
            assert first.startswith("Forwarding from 127.0.0.1:"), first + process.stdout.read()
            yield
        finally:
            process.terminate()
            process.wait(120)


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def people(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> People:
    found = People(sandbox, tmp_path_factory.mktemp("access"))
    made = sandbox.playbook("site", inventory=found.where)
    assert made.code == 0, made.output
    return found


def test_01_each_line_answers_and_each_kubeconfig_opens_its_cluster(people: People) -> None:
    folder = people.folder / "kubeconfigs"
    end = time.monotonic() + 600
    while True:  # site waits for releases; pods may take their time
        run = people.run(kubeconfigs=str(folder))
        assert (run.code, run.total("changed")) == (0, 0), run.output
        ways = people.ways(run)
        if not any(each["why_not"] for each in ways) or time.monotonic() > end:
            break
    assert [(each["host"], each["name"]) for each in ways] == [
        *(("mothership", name) for name in ("Grafana", "promxy", "VictoriaMetrics", "Sveltos", "Cluster API")),
        *((REGION, name) for name in ("Grafana", "VictoriaMetrics", "VictoriaLogs")),
    ]
    for each in ways:
        assert each["why_not"] == "", each
        assert f"  {each['command']}" in run.output, run.output
        with people.forwarded(each["command"]):
            reached, port, path = fetched(each["url"]).split(" ")
        assert reached == each["host"], each
        assert int(port) == CONTAINERS[each["name"]], each
        assert each["url"].endswith(path.strip().rstrip("/")), each
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(each.name for each in folder.iterdir()) == sorted(f"{name}.kubeconfig" for name in (REGION, CHILD))
    for name in (REGION, CHILD):
        file = folder / f"{name}.kubeconfig"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kubectl = [people.sandbox.endpoints["kubectl"], "--kubeconfig", str(file)]
        asked = subprocess.run([*kubectl, "get", "ns", "kube-system", "-o", "json"], capture_output=True, check=True)
        there = people.sandbox.get("namespace", "kube-system", cluster=name)["metadata"]["uid"]
        assert json.loads(asked.stdout)["metadata"]["uid"] == there
    for name in ("mothership", REGION):
        for secret in people.login(name):
            assert secret not in run.output


def test_02_kubeconfigs_of_chosen_clusters_go_through_no_link(people: People) -> None:
    folder, elsewhere = people.folder / "chosen", people.folder / "elsewhere"
    folder.mkdir(0o755)
    (folder / f"{CHILD}.kubeconfig").symlink_to(elsewhere)
    run = people.run("--limit", CHILD, kubeconfigs=str(folder))
    assert run.code == 0, run.output
    assert [each.name for each in folder.iterdir()] == [f"{CHILD}.kubeconfig"]
    assert not elsewhere.exists()
    assert not (folder / f"{CHILD}.kubeconfig").is_symlink()
    checked = people.run("--check", kubeconfigs=str(people.folder / "never"))
    assert checked.code == 0, checked.output
    assert not (people.folder / "never").exists()


def test_03_what_cant_be_reached_is_told_with_why(people: People) -> None:
    kof = ("-n", "kof")
    service = people.sandbox.get("service", "capi-visualizer", *kof)
    people.sandbox.kubectl("delete", "service", "capi-visualizer", *kof)
    people.sandbox.kubectl("scale", "deployment", "kof-mothership-promxy", "--replicas=0", *kof)
    try:
        deadline = time.monotonic() + 600
        while True:
            run = people.run()
            why = {each["name"]: each["why_not"] for each in people.ways(run)}
            if "no pod is behind it" in why["promxy"] or time.monotonic() > deadline:
                break
        assert run.code == 0, run.output
        assert why["promxy"] == "Service kof/kof-mothership-promxy: no pod is behind it"
        assert why["Cluster API"] == "there is no Service kof/capi-visualizer: kof-mothership hasn't made it"
        assert "Cluster API: can't be reached: there is no Service kof/capi-visualizer" in run.output
        assert why["Grafana"] == ""
    finally:
        people.sandbox.kubectl("scale", "deployment", "kof-mothership-promxy", "--replicas=1", *kof)
        for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            service["metadata"].pop(field, None)
        people.sandbox.kubectl("create", "-f", "-", stdin=json.dumps(service))


def secrets(people: People) -> list[str]:
    return [*people.login("mothership"), *people.login(REGION)]


def test_04_without_a_terminal_logins_go_to_a_file_of_their_own_and_nowhere_else(people: People) -> None:
    refused = people.run(show_credentials=True)
    assert refused.code != 0
    assert "name a file for them by credentials_file (access_credentials_file)" in refused.output
    file = people.folder / "logins"
    run = people.run("-vvvv", show_credentials=True, credentials_file=str(file))
    assert run.code == 0, run.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for whose in ("mothership", REGION):
        login = people.login(whose)
        told = "".join(f"  {key}: {value}\n" for key, value in zip(KEYS, login, strict=True))
        assert f"{whose} Grafana:\n{told}" in file.read_text()
    for secret in secrets(people):
        assert secret not in run.output + refused.output
        assert secret not in json.dumps(run.events)
    checked = people.run("--check", show_credentials=True, credentials_file=str(people.folder / "never"))
    assert checked.code == 0, checked.output
    assert not (people.folder / "never").exists()


def test_05_a_runner_that_keeps_its_terminal_has_none_of_it(people: People) -> None:
    runner = Runner.installed()
    file = people.folder / "of-runner"
    shown = runner.run(people.sandbox, people.where, "playbooks/access.yml", "-e", "access_show_credentials=true")
    assert shown.code != 0
    kept = runner.run(
        people.sandbox, people.where, "playbooks/access.yml", "-vvv",
        "-e", "access_show_credentials=true", "-e", f"access_credentials_file={file}",
    )  # fmt: skip
    assert kept.code == 0, kept.output
    for secret in secrets(people):
        assert secret in file.read_text()
        for run in (shown, kept):
            assert secret not in run.output + json.dumps(run.events)


def test_06_a_person_sees_them_and_no_log_does(people: People) -> None:
    log, events = people.folder / "ansible.log", people.folder / "events"
    environment = {name: text for name, text in people.sandbox.environment.items() if name != "CI"}
    environment |= EVENTS | {"KOF_EVENTS_FILE": str(events), "ANSIBLE_LOG_PATH": str(log)}
    access = ["ansible-playbook", "-i", people.where, str(REPOSITORY / "playbooks" / "access.yml")]
    code, shown = on_a_terminal([*access, "-e", "access_show_credentials=true", "-vvv"], environment, 300)
    assert code == 0, shown
    for secret in secrets(people):
        assert secret in shown
        assert secret not in log.read_text() + events.read_text()
    assert "The logins were shown on the terminal" in log.read_text()


def ours(mark: str) -> list[int]:
    """The kubectl processes that forward with this in their arguments."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().decode(errors="replace").split("\0")
            if "port-forward" in words and any(mark in word for word in words):
                found.append(int(entry.parent.name))
    return found


def until(done: Callable[[], Any], seconds: float = 600) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.2)
    return found


def answered(url: str) -> str:
    def answer() -> str:
        with contextlib.suppress(OSError):
            return fetched(url)
        return ""

    return until(answer)


class Told:
    """What a process says, read while it works."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.text = ""
        self._reader = threading.Thread(target=self._read, args=(process.stdout,))
        self._reader.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.text += line

    def whole(self) -> str:
        """Once nobody can say any more."""
        self._reader.join(600)
        assert not self._reader.is_alive()
        return self.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_07_forwards_are_held_outlive_a_pod_and_end_with_the_run(
    number: int, people: People, tmp_path: pathlib.Path
) -> None:
    said = {
        "access_forward": True,
        "access_forward_seconds": 600,
        "access_kubectl": people.sandbox.endpoints["kubectl"],
    }
    mark = people.sandbox.endpoints["kof_kubeconfig"]
    with contextlib.closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 8082))
        taken.listen()
        # Of what ansible-playbook writes to no terminal a signal takes what it hasn't flushed.
        process, events = people.sandbox.start_playbook(
            "access", "-e", json.dumps(said), inventory=people.where, PYTHONUNBUFFERED="1", TMPDIR=str(tmp_path)
        )
        told = Told(process)
        try:
            for url, whose in (("http://127.0.0.1:3000", "mothership"), ("http://127.0.0.1:13000", REGION)):
                assert answered(url).split()[:2] == [whose, "3000"]
            until(lambda: len(ours(mark)) == 4)  # promxy's port is taken
            if number == signal.SIGINT:
                until(lambda: OPEN in told.text)  # it looks each half second, and answers before it has looked
                pods = people.sandbox.get("pods", "-n", "kof")["items"]
                (name,) = [
                    each["metadata"]["name"] for each in pods if each["metadata"]["name"].startswith("grafana-vm-d")
                ]
                people.sandbox.kubectl("delete", "pod", name, "-n", "kof")
                # A kubelet ends what it forwards to a pod that is gone. kwok's goes on, so it is ended itself.
                processes.end(people.sandbox.folder, ["mothership.kwok"])
                try:
                    until(lambda: "mothership Grafana http://127.0.0.1:3000: " in told.text.partition(OPEN)[2])
                finally:
                    cluster.mend("mothership", state=people.sandbox.folder)
                assert answered("http://127.0.0.1:3000").split()[:2] == ["mothership", "3000"]
                until(lambda: f"{OPEN} again" in told.text)
        finally:
            process.send_signal(number)
            process.wait(600)
        output = told.whole()

    def left() -> list[Any]:
        """What the task takes away on its way out, which it goes on with when ansible-playbook itself is gone."""
        folders = [] if number == signal.SIGKILL else list(tmp_path.glob("kof-access-*"))
        return [*ours(mark), *ours("kof-access-"), *folders]

    until(lambda: not left())
    assert "mothership promxy: port 8082 is taken on this machine, so it isn't forwarded" in output
    if number == signal.SIGINT:
        assert f"{OPEN} again" in output, output
    events.unlink()


#: Said when it answers; with `again` when it had been away.
OPEN = "mothership Grafana http://127.0.0.1:3000: open"


def of_admin(people: People) -> set[str]:
    kinds = "serviceaccounts,clusterroles,clusterrolebindings,rolebindings,secrets"
    found = people.sandbox.kubectl("get", kinds, "-A", "-o", "name")
    return {name for name in found.split() if "platform-admin" in name}


def test_08_the_platform_administrator_comes_with_a_token_and_goes_without_trace(people: People) -> None:
    before, file = (
        people.sandbox.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name"),
        people.folder / "token",
    )
    assert of_admin(people) == set()
    said = {"platform_admin": "present", "credentials_file": str(file)}
    checked = people.run("--check", **said)
    assert checked.code == 0, checked.output
    assert (of_admin(people), file.exists()) == (set(), False)
    run = people.run("-vvv", **said)
    assert (run.code, run.total("changed")) == (0, 1), run.output
    assert len(of_admin(people)) == 3
    token = file.read_text().split(": ")[1].strip()
    assert token not in run.output + json.dumps(run.events)

    def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
        server = people.sandbox.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        login = ["--server", server, "--token", token, "--insecure-skip-tls-verify", "--kubeconfig", os.devnull]
        return subprocess.run(
            [people.sandbox.endpoints["kubectl"], *login, *arguments], capture_output=True, text=True, check=False
        )

    # The API server heeds a binding a moment after it is made.
    until(lambda: REGION in asked("get", "clustersummaries", "-A").stdout)
    assert "Forbidden" in asked("get", "secrets", "-n", "kof").stderr
    assert "Forbidden" in asked("delete", "clusterdeployment", REGION, "-n", "kcm-system").stderr
    again = people.run(**said)
    assert (again.code, again.total("changed")) == (0, 0), again.output
    gone = people.run(platform_admin="absent")
    assert (gone.code, gone.total("changed")) == (0, 1), gone.output
    assert of_admin(people) == set()
    assert people.sandbox.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name") == before
    until(lambda: asked("get", "clustersummaries", "-A").returncode != 0)
    # The API server remembers for 10 seconds who a token is.
    until(lambda: "Unauthorized" in asked("get", "clustersummaries", "-A").stderr)
    again = people.run(platform_admin="absent")
    assert (again.code, again.total("changed")) == (0, 0), again.output


def test_09_the_guides_role_is_a_choice_and_others_objects_are_nobodys_to_take(people: People) -> None:
    said = {"platform_admin": "present", "credentials_file": str(people.folder / "token")}
    run = people.run(platform_admin_role="cluster-admin", **said)
    assert run.code == 0, run.output
    bound = people.sandbox.get("clusterrolebinding", ADMIN)
    assert bound["roleRef"]["name"] == "cluster-admin"
    assert f"clusterrole.rbac.authorization.k8s.io/{ADMIN}" not in of_admin(people)
    people.sandbox.kubectl(
        "label", "serviceaccount", ADMIN, "-n", "kof", "app.kubernetes.io/managed-by=hand", "--overwrite"
    )
    refused = people.run(platform_admin="absent")
    assert refused.code != 0
    assert "wasn't made by this collection" in refused.output
    people.sandbox.kubectl("delete", "serviceaccount", ADMIN, "-n", "kof")
    assert people.run(platform_admin="absent").code == 0
    assert of_admin(people) == set()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"platform_admin": "maybe"}, "access_platform_admin"),
        ({"platform_admin": "present", "platform_admin_seconds": 60}, "must be from 600"),
        ({"platform_admin": "present", "platform_admin_role": "Cluster Admin"}, "access_platform_admin_role"),
        ({"kubeconfigs": "a\nb"}, "access_kubeconfigs"),
        ({"deadline": 0}, "access_deadline"),
        ({"show_credentials": "perhaps"}, "show_credentials"),
    ],
)
def test_10_what_can_be_nothing_is_told(said: dict[str, Any], told: str, people: People) -> None:
    mark = people.sandbox.audit_mark()
    run = people.run(**said)
    assert run.code != 0
    assert told in run.output or told.removeprefix("access_") in run.output, run.output
    assert people.sandbox.mutations_since(mark) == []
