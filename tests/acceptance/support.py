"""How the acceptance tests run the playbooks and look at what really happened: events, audit log, live objects.

No test belongs here, and nothing of the collection is imported: it is driven from the shell, as its users do.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import example_fleet

from forked import SHARED
from sandbox import faults, kubectl, lifecycle
from sandbox import state as state_files
from sandbox.api import connect

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
COLLECTION_USER = "k0rdent-kof"
#: What a run that changes nothing may send besides reads: these create nothing.
REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"}


DEPLOYMENTS = "/apis/k0rdent.mirantis.com/v1alpha1/namespaces/kcm-system/clusterdeployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kcm-system/leases"

#: Has Ansible write the events of a run to $KOF_EVENTS_FILE.
EVENTS = {
    "ANSIBLE_CALLBACKS_ENABLED": "kof_events",
    "ANSIBLE_CALLBACK_PLUGINS": str(REPOSITORY / "tests" / "acceptance" / "callback_plugins"),
}
#: A running ansible-playbook, and the file that its events go to.
Started = tuple[subprocess.Popen[str], pathlib.Path]


@dataclass
class Run:
    """One ansible-playbook process: its exit code, all it printed, and its task results."""

    code: int
    output: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """At the end of the last playbook; they add up."""
        return next((event["hosts"] for event in reversed(self.events) if event["event"] == "stats"), {})

    def total(self, name: str) -> int:
        return sum(host[name] for host in self.stats.values())

    def changes(self) -> set[tuple[str, str]]:
        """(object or release or task, action) of everything that changed, or would."""
        found: set[tuple[str, str]] = set()
        for event in self.events:
            if event["event"] != "ok":
                continue
            if event["action"].endswith("fleet_outcome"):
                continue  # books on its host what a batch has said
            for result in event["result"].get("results") or [event["result"]]:
                if "objects" in result:
                    found |= {(each["object"], each["action"]) for each in result["objects"]}
                if not result.get("changed") or "objects" in result:
                    continue
                if event["action"].endswith("helm_release"):
                    found.add((f"release {result['status']['namespace']}/{result['status']['name']}", result["action"]))
                else:
                    found.add((event["task"], "changed"))
        return found


@dataclass
class Sandbox:
    """A running sandbox, by its state folder."""

    folder: pathlib.Path

    @property
    def endpoints(self) -> dict[str, str]:
        return json.loads((self.folder / "endpoints.json").read_text())

    @property
    def running(self) -> bool:
        """Whether it was started and not ended."""
        return (self.folder / "sandbox.json").exists()

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("K8S_AUTH_", "KUBECONFIG", "AWS_", "KOF_LINE"))
        }
        return clean | {
            "KOF_SANDBOX_DIR": str(self.folder),
            "PYTHONPATH": str(REPOSITORY / "tests"),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".work" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def command(self, *arguments: str) -> None:
        if arguments[0] == "fault":  # in this process: the program takes half a second of CPU to begin
            settings = [each for each in arguments[1:] if each != "--clear"]
            if len(settings) < len(arguments) - 1:
                faults.clear(self.folder)
            faults.change(self.folder, faults.parse(settings))
            return
        if arguments == ("down",):
            lifecycle.down(self.folder)
            return
        subprocess.run([sys.executable, "-m", "sandbox", *arguments], env=self.environment, cwd=REPOSITORY, check=True)

    def answer(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "sandbox", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=REPOSITORY, check=True, capture_output=True, text=True
        ).stdout

    def kubectl(
        self, *arguments: str, cluster: str = "mothership", stdin: str | None = None, check: bool = True
    ) -> str:
        kubeconfig = self.folder / f"{cluster}.kubeconfig"
        done = kubectl.run(self.endpoints["kubectl"], kubeconfig, *arguments, stdin=stdin)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def get(self, *arguments: str, cluster: str = "mothership") -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json", cluster=cluster))

    def helm(self, *arguments: str, check: bool = True) -> str:
        command = [self.endpoints["helm"], "--kubeconfig", str(self.folder / "mothership.kubeconfig"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def items(self, path: str) -> list[Any]:
        """A LIST by its path, as the administrator: for who asks again and again, for whom kubectl is too slow."""
        with connect(self.folder / "mothership.kubeconfig") as api:
            return api.request("GET", path)["items"]

    def delete_clusters(self) -> None:
        """Remove every cluster, with what the regional ones have in promxy and Grafana."""
        # One request for all; kubectl's own way is one each, five a second.
        self.kubectl("delete", "--raw", DEPLOYMENTS)
        end = time.monotonic() + 600
        while left := self.items(DEPLOYMENTS):
            assert time.monotonic() < end, [each["metadata"]["name"] for each in left]
            time.sleep(0.1)
        ours = ("-n", "kof", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")
        self.kubectl("delete", "promxyservergroups,grafanadatasources", *ours)

    def take_kof_away(self) -> None:
        """Remove clusters, releases, kof's namespace, and all that is in the AWS account. CRDs stay, as helm has it,
        but those that are objects of a chart."""
        self.command("fault", "--clear")
        self.kubectl("delete", "clusterdeployments", "--all", "-n", "kcm-system", "--timeout=600s")
        for release in ("kof-mothership", "kof-operators"):
            self.helm("uninstall", "-n", "kof", release, "--ignore-not-found", "--timeout", "300s")
        self.kubectl("delete", "namespace", "kof", "--ignore-not-found", "--timeout=600s")
        end = time.monotonic() + 600
        while leaving := [
            each["metadata"]["name"]
            for each in self.get("customresourcedefinitions")["items"]
            if "deletionTimestamp" in each["metadata"]
        ]:  # those that a chart has among its objects; an install waits for them as long as helm may take
            assert time.monotonic() < end, leaving
            time.sleep(0.5)
        urllib.request.urlopen(
            urllib.request.Request(f"{self.endpoints['aws']}/moto-api/reset", method="POST"), timeout=60
        )

    def playbook(self, name: str = "site", *arguments: str, inventory: str | None = None, **environment: str) -> Run:
        return self.run(_of_playbook(name, arguments, inventory), environment=environment)

    def run(self, arguments: list[str], timeout: float = 900, environment: Mapping[str, str] | None = None) -> Run:
        """ansible-playbook to its end (`timeout`: seconds): a fork, where no settings of Ansible's own are given."""
        given = dict(environment or {})
        if any(name.startswith("ANSIBLE_") for name in given):
            return finish(self.start(arguments, given), timeout)
        events = _events_file()
        ours = self.environment | EVENTS | {"KOF_EVENTS_FILE": str(events)} | given
        try:
            code, output = SHARED.run(arguments, ours, timeout)
            return Run(code, output, _events_in(events))
        finally:
            events.unlink()

    def inventory(self, folder: pathlib.Path, fleet: example_fleet.Fleet) -> str:
        """The fleet as an inventory for this sandbox in `folder`, as `-i` takes it."""
        ends = self.endpoints
        shared = {
            "kof_kubeconfig": ends["kof_kubeconfig"],
            "kof_helm_binary": ends["helm"],
            "kof_chart_repository": ends["chart_repository"],
            "kof_chart_repository_plain_http": True,
        }
        mothership = {
            "dns_credentials_method": "iam_user",
            "dns_credentials_hosted_zones": ["Z0EXAMPLE00000000000"],
            "dns_credentials_endpoint_url": ends["aws"],
            "dns_credentials_aws_access_key": "AKIASANDBOXADMIN0000",
            "dns_credentials_aws_secret_key": "secret-of-the-sandbox-administrator",
        }
        fleet = example_fleet.at(fleet, ends["kof_version"])
        ours = dataclasses.replace(
            fleet,
            shared={**shared, "kof_version": ends["kof_version"], "kof_fleet": "sandbox", **fleet.shared},
            mothership={**mothership, **fleet.mothership},
        )
        return str(example_fleet.write(folder, ours))

    def start_playbook(
        self, name: str = "site", *arguments: str, inventory: str | None = None, **environment: str
    ) -> Started:
        """A process of its own, for who looks at it or ends it."""
        return self.start(_of_playbook(name, arguments, inventory), environment)

    def start(self, arguments: list[str], environment: dict[str, str]) -> Started:
        """ansible-playbook with any arguments, in a session of its own, and the file that gets its events."""
        events = _events_file()
        process = subprocess.Popen(
            ["ansible-playbook", *arguments],
            cwd=REPOSITORY,
            env=self.environment | EVENTS | {"KOF_EVENTS_FILE": str(events)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return process, events

    def audit_mark(self) -> int:
        return (self.folder / "audit.log").stat().st_size

    def mutations_since(self, mark: int, user: str = COLLECTION_USER) -> list[str]:
        """Requests of a user since a mark that could have changed the mothership: no dry runs, no access reviews."""
        found = []
        for entry in self.requests_since(mark, user):
            if entry["verb"] in ("get", "list", "watch"):
                continue
            resource = entry.get("objectRef", {}).get("resource", "")
            if resource in REVIEWS or "dryRun=All" in entry["requestURI"]:
                continue
            found.append(f"{entry['verb']} {entry['requestURI']}")
        return found

    def changes_since(self, mark: int, user: str = COLLECTION_USER) -> list[str]:
        """As `mutations_since`, of a run that changes something: without the lease that it takes and gives back."""
        return [each for each in self.mutations_since(mark, user) if LEASES not in each]

    def requests_since(self, mark: int, user: str = COLLECTION_USER) -> list[dict[str, Any]]:
        """The audit log's entries of a user since a mark."""
        with open(self.folder / "audit.log", "rb") as log:
            log.seek(mark)
            entries = [json.loads(line) for line in log if line.endswith(b"\n")]  # the last one may be half written
        return [entry for entry in entries if entry["user"]["username"] == user]


#: Read by the Python of an environment with ansible-runner.
_UNDER_RUNNER = """
import json, sys
import ansible_runner
done = ansible_runner.run(quiet=True, **json.loads(sys.argv[1]))
events = [{"event": each["event"], **each.get("event_data", {})} for each in done.events]
print(json.dumps({"rc": done.rc, "stats": done.stats, "stdout": done.stdout.read(), "events": events}))
"""
#: Of its host summary, by what Ansible calls it.
_SUMMARY = {"ok": "ok", "changed": "changed", "failures": "failures", "skipped": "skipped", "dark": "unreachable"}


@dataclass
class Runner:
    """ansible-runner in an environment of its own, which starts this session's Ansible as AWX does."""

    python: pathlib.Path

    @classmethod
    def installed(cls, version: str = "") -> Runner:
        """In an environment that is made once.

        :param version: as pip takes it after a name.
        """
        wanted = f"ansible-runner{version}"
        folder = REPOSITORY / ".work" / "runners" / re.sub(r"\W", "_", wanted)
        python, note = folder / "bin" / "python", folder / "ready"
        about = f"{wanted} {sys.executable}"
        with state_files.lock(folder.with_suffix(".lock")):
            if not (note.exists() and note.read_text() == about):
                venv.create(folder, clear=True)  # a pip of its own would take seconds more
                pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
                subprocess.run([*pip, "--disable-pip-version-check", wanted], check=True)
                note.write_text(about)
        return cls(python)

    def run(self, sandbox: Sandbox, inventory: str, playbook: str, *arguments: str) -> Run:
        """The run as the runner has it: its stdout, its events, its host summary."""
        with tempfile.TemporaryDirectory() as data:
            (pathlib.Path(data) / "project").mkdir()  # it starts only where there is one
            settings = {
                name: value
                for name, value in sandbox.environment.items()
                if name.startswith(("ANSIBLE_", "KOF_")) or name == "PYTHONPATH"
            }
            return self.start(
                {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"},
                private_data_dir=data,
                project_dir=str(REPOSITORY),
                playbook=str(REPOSITORY / playbook),
                inventory=inventory,
                envvars=settings,
                cmdline=shlex.join(arguments),
            )

    def start(self, environment: Mapping[str, str], **words: Any) -> Run:
        """:param words: of ansible_runner.run, which says what they are."""
        done = subprocess.run(
            [str(self.python), "-c", _UNDER_RUNNER, json.dumps(words)],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        hosts = {host for counts in told["stats"].values() for host in counts}
        stats = {
            host: {ours: told["stats"][theirs].get(host, 0) for theirs, ours in _SUMMARY.items()}
            for host in sorted(hosts)
        }
        events = [
            {
                "event": each["event"].removeprefix("runner_on_"),
                "host": each.get("host"),
                "task": each.get("task"),
                "action": each.get("task_action"),
                "result": each.get("res"),
            }
            for each in told["events"]
            if each["event"].removeprefix("runner_on_") in ("ok", "failed", "skipped", "unreachable")
        ]
        return Run(told["rc"], told["stdout"], [*events, {"event": "stats", "hosts": stats}])


def _of_playbook(name: str, arguments: tuple[str, ...], inventory: str | None) -> list[str]:
    return ["-i", inventory or "inventories/sandbox", f"playbooks/{name}.yml", *arguments]


def _events_file() -> pathlib.Path:
    file = pathlib.Path(tempfile.gettempdir()) / f"kof-events-{uuid.uuid4().hex}.jsonl"
    file.touch()
    return file


def _events_in(file: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def finish(started: Started, timeout: float = 900) -> Run:
    process, events = started
    try:
        output, _nothing = process.communicate(timeout=timeout)
        lines = _events_in(events)
    finally:
        process.kill()
        events.unlink()
    return Run(process.returncode, output, lines)


def secrets_of(sandbox: Sandbox) -> list[str]:
    """Every secret value the run may have met, plain and base64: none may be in any output. Key ids are no secrets."""
    found = []
    for name in ("storage-vmuser-credentials", "grafana-admin-credentials", "external-dns-aws-credentials"):
        for value in sandbox.get("secret", "-n", "kof", name).get("data", {}).values():
            found.append(value)
            words = base64.b64decode(value).decode().replace("=", " ").split()
            found += [word for word in words if len(word) >= 8 and not word.startswith(("aws_", "[", "AKIA", "LKIA"))]
    return found
