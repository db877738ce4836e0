"""No secret of an inventory gets out of runs that do their work, alone or under ansible-runner as in AWX.

Where each run goes wrong is test_cases_secrets.py; here all is right, or goes wrong at the end.
"""

from __future__ import annotations

import base64
import dataclasses
import http.server
import json
import pathlib
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import example_fleet
import pytest
import yaml
from canaries import Canary, named, run
from support import EVENTS, REPOSITORY, Runner, Sandbox

pytestmark = [pytest.mark.long, pytest.mark.lines]

PLACES = (
    "registry password",
    "proxy password",
    "AWS secret key",
    "Grafana password",
    "URL in the mothership's values",
    "vaulted",
    "vaulted for a regional",
    "vaulted for a child",
    "storage password",
    "URL in a service's values",
    "child's password",
)
CANARY = {place: Canary(number, place, "as it should be") for number, place in enumerate(PLACES)}
LOUD = ("-vvvv", "--diff")


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Tunnels for who knows the password."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        wanted = "Basic " + base64.b64encode(f"me:{CANARY['proxy password'].text}".encode()).decode()
        if self.headers.get("Proxy-Authorization") != wanted:
            self.send_error(407)
            return
        host, _colon, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            self._relay(self.connection, there)
        self.close_connection = True

    @staticmethod
    def _relay(one: socket.socket, other: socket.socket) -> None:
        while True:
            for ready in select.select([one, other], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (other if ready is one else one).sendall(data)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture
def inventory(own_sandbox: Sandbox, proxy: int, tmp_path: pathlib.Path) -> pathlib.Path:
    def secret(place: str) -> str:
        return CANARY[place].text

    def url(place: str) -> str:
        return f"postgres://me:{quote(secret(place), safe='')}@db.example.com/kof"

    fleet = example_fleet.fleet(1, 1)
    (regional,), (child,) = fleet.regionals, fleet.children
    fleet = dataclasses.replace(
        fleet,
        shared={
            **fleet.shared,
            "kof_kubeconfig": yaml.safe_load(pathlib.Path(own_sandbox.endpoints["kof_kubeconfig"]).read_text()),
            "kof_proxy": f"http://me:{quote(secret('proxy password'), safe='')}@127.0.0.1:{proxy}",
            "kof_chart_repository_username": "me",
            "kof_chart_repository_password": secret("registry password"),
        },
        mothership={
            "dns_credentials_aws_secret_key": secret("AWS secret key"),
            "mothership_values": {
                "grafana-operator": {"security": {"adminPassword": secret("Grafana password")}},
                "defaultRules": {"dsn": url("URL in the mothership's values"), "note": "{{ vaulted_note }}"},
            },
        },
        regionals={
            regional: {
                **fleet.regionals[regional],
                "regional_service_values": {
                    "kof-storage": {
                        "grafana-operator": {"adminPassword": secret("storage password")},
                        "defaultRules": {"dsn": url("URL in a service's values"), "note": "{{ vaulted_note }}"},
                    }
                },
            }
        },
        children={
            child: {
                **fleet.children[child],
                "child_service_values": {
                    "kof-collectors": {
                        "kube-state-metrics": {"password": secret("child's password"), "note": "{{ vaulted_note }}"}
                    }
                },
            }
        },
    )
    where = pathlib.Path(own_sandbox.inventory(tmp_path / "inventory", fleet))
    (tmp_path / "vault").write_text("vault-password\n")
    encrypt = ["ansible-vault", "encrypt_string", "--vault-password-file", str(tmp_path / "vault")]
    for layer, place in (
        ("mothership", "vaulted"),
        ("regional", "vaulted for a regional"),
        ("child", "vaulted for a child"),
    ):
        vaulted = subprocess.run([*encrypt, secret(place)], check=True, capture_output=True, text=True).stdout
        (where / "group_vars" / f"kof_{layer}.yml").write_text(f"vaulted_note: {vaulted}")
    return where


def _private_key(sandbox: Sandbox) -> bytes:
    """A piece of the key with which the collection logs in, as a kubeconfig has it."""
    config = yaml.safe_load(pathlib.Path(sandbox.endpoints["kof_kubeconfig"]).read_text())
    return config["users"][0]["user"]["client-key-data"][60:140].encode()


def _quiet(sandbox: Sandbox, work: pathlib.Path, command: list[str], **environment: str) -> int:
    """Run it; nothing may have a canary in it, nor the collection's key."""
    seen = run(command, work, {**sandbox.environment, **environment})
    assert not named(seen, CANARY.values(), work), seen.output[-3000:]
    key = _private_key(sandbox)
    assert key not in b"".join(each.read_bytes() for each in work.rglob("*") if each.is_file())
    return seen.code


def _playbook(inventory: pathlib.Path, name: str, *arguments: str) -> list[str]:
    vault = str(inventory.parent / "vault")
    path = str(REPOSITORY / "playbooks" / f"{name}.yml")
    return ["ansible-playbook", "-i", str(inventory), "--vault-password-file", vault, path, *arguments]


def test_all_that_a_fleet_goes_through(own_sandbox: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    loud = {**EVENTS, "ANSIBLE_DISPLAY_TRACEBACK": "always"}
    for step, (name, *arguments) in enumerate(
        (
            ("render", *LOUD),
            ("site", "--check", *LOUD),
            ("site", *LOUD),
            ("site",),
            ("delete", "-e", "kof_delete_confirm=sandbox", *LOUD),
        )
    ):
        code = _quiet(own_sandbox, tmp_path / f"work{step}", _playbook(inventory, name, *arguments), **loud)
        assert code == 0, (name, (tmp_path / f"work{step}" / "output").read_text()[-3000:])


@pytest.fixture(scope="module")
def runner() -> str:
    """ansible-runner in an environment of its own; it starts this session's Ansible."""
    return str(Runner.installed().python.with_name("ansible-runner"))


def _told(work: pathlib.Path) -> dict[tuple[str, str], str]:
    """What the events of ansible-runner hold, by event and the last word of the action's name."""
    told: dict[tuple[str, str], str] = {}
    for file in sorted(work.glob("artifacts/*/job_events/*.json")):
        event = json.loads(file.read_text())
        name = event["event"], str(event.get("event_data", {}).get("task_action", "")).rpartition(".")[2]
        told[name] = told.get(name, "") + json.dumps(event)
    return told


def test_under_ansible_runner(
    own_sandbox: Sandbox, inventory: pathlib.Path, runner: str, tmp_path: pathlib.Path
) -> None:
    """Events as AWX stores them: of a run that changes all, and of one whose chart can't be had."""
    vault = str(inventory.parent / "vault")
    playbook = str(REPOSITORY / "playbooks" / "site.yml")
    broken = "-e kof_chart_repository=oci://127.0.0.1:1/nowhere -e mothership_promxy_image_tag=another"
    for step, (more, wanted) in enumerate((("", 0), (broken, 2))):
        work = tmp_path / f"work{step}"
        (work / "project").mkdir(parents=True)  # ansible-runner starts only where there is one
        words = f"-i {inventory} --vault-password-file {vault} -vvv --diff {more}"
        code = _quiet(own_sandbox, work, [runner, "run", str(work), "-p", playbook, f"--cmdline={words}"])
        assert code == wanted, (work / "output").read_text()[-3000:]
        told = _told(work)
        assert ("playbook_on_stats", "") in told  # they are all there
        if wanted:
            assert "127.0.0.1:1" in told["runner_on_failed", "fleet_preflight"]
        else:
            asked = {action for event, action in told if event in ("runner_on_ok", "runner_item_on_ok")}
            assert asked >= {"fleet_preflight", "fleet_apply", "helm_release", "fleet_wait", "fleet_outcome"}
            diffs = told["runner_on_ok", "fleet_outcome"]
            assert diffs.count("(hidden)") > 1, diffs
