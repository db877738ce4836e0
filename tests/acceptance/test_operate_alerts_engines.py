"""What the inventory says of alerts, in the real PromQL engine, vmalert and Alertmanager, without a cluster: which
receiver is told, whom a maintenance holds back, and that it ends by itself. With data: test_operate_alerts.py."""

from __future__ import annotations

import http.server
import json
import pathlib
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import mothership_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child, parse_mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import expressions
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask
from sandbox import binaries
from sandbox.data import wanted

pytestmark = pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data")
RELEASE = RELEASES["0.1.1"]
#: Seconds that maintenances of the test last: one that is over only where it is ended, and one that ends by itself.
LONG, SHORT = 3600, 5


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook; `came`: path, alert and cluster of what fires."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[tuple[str, str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for each in body["alerts"]:
            if each["status"] == "firing":
                labels = each["labels"]
                self.server.came.append((self.path, labels["alertname"], labels.get("clusterName", "")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Engines:
    def __init__(self, folder: pathlib.Path, receiver: Receiver) -> None:
        tools = binaries.built_for_data()
        assert tools is not None
        self.rules, self.alertmanager = folder / "rules", f"http://127.0.0.1:{_port()}"
        self.rules.mkdir()
        said = {"kof_version": "0.1.1", "mothership_alertmanager_config": _config(receiver)}
        mothership, faults = parse_mothership("m", said)
        assert mothership is not None, faults
        text = mothership_values(mothership, RELEASE)["victoriametrics"]["vmalert"]["vmalertmanager"]["config"]
        live = {"metadata": {"namespace": "kof"}, "spec": {"configRawYaml": text}}
        for file, content in (wanted.alertmanager(live, [], folder) or {}).items():
            file.write_text(content)
        (folder / "promxy.yaml").write_text("promxy: {server_groups: []}\n")
        promxy, vmalert = _port(), _port()
        self.promxy = f"http://127.0.0.1:{promxy}"
        self.say()
        commands = (
            (tools["promql"], f"-config={folder / 'promxy.yaml'}", f"-bind-addr=127.0.0.1:{promxy}"),
            (
                tools["alertmanager"],
                f"--config.file={folder / 'alertmanager.yaml'}",
                f"--storage.path={folder / 'stored'}",
                f"--web.listen-address={self.alertmanager.removeprefix('http://')}",
                "--cluster.listen-address=",
            ),
            (
                tools["vmalert"],
                f"-rule={self.rules}/*.yaml",
                "-configCheckInterval=1s",
                f"-httpListenAddr=127.0.0.1:{vmalert}",
                f"-datasource.url={self.promxy}",
                f"-notifier.url={self.alertmanager}",
                "-evaluationInterval=1s",
            ),
        )
        self.processes = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(folder / f"{number}.log").open("w"))
            for number, command in enumerate(commands)
        ]

    def say(self, until: str | None = None) -> None:
        """The rules of two clusters, one of them under maintenance or not."""
        for name in ("a", "b"):
            rule = {"alert": "Down", "expr": f'vector(1) unless on() up{{clusterName="{name}"}}'}
            said: dict[str, Any] = {
                "kof_version": "0.1.1",
                "child_regional": "eu1",
                "child_alert_rules": [{"name": "mine", "rules": [rule]}],
                **({"child_maintenance_until": until} if until and name == "a" else {}),
            }
            child, faults = parse_child(name, said)
            assert child is not None, faults
            given = Given(RELEASE, "v1beta1", template="t", regional_domain="eu1.example.com")
            (made,) = (each for each in objects("child", child, given) if each["kind"] == "VMRule")
            (self.rules / wanted.rule_file(made)).write_text(wanted.rules_text(made))

    def alerts(self) -> dict[tuple[str, str], str]:
        with urllib.request.urlopen(f"{self.alertmanager}/api/v2/alerts", timeout=5) as answer:
            return {
                (each["labels"]["alertname"], each["labels"]["clusterName"]): each["status"]["state"]
                for each in json.load(answer)
            }


def _config(receiver: Receiver) -> dict[str, Any]:
    return {
        "route": {
            "receiver": "others",
            "group_by": ["alertname", "clusterName"],
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": "2s",
            "routes": [{"receiver": "team-a", "matchers": ['clusterName="a"']}],
        },
        "receivers": [
            {"name": name, "webhook_configs": [{"url": receiver.url(name)}]} for name in ("others", "team-a")
        ],
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.shutdown()


@pytest.fixture
def engines(tmp_path: pathlib.Path, receiver: Receiver) -> Iterator[Engines]:
    found = Engines(tmp_path, receiver)
    yield found
    for process in found.processes:
        process.kill()
        process.wait()


def seconds_from_now(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (OSError, NoAnswer):
            pass
        assert time.monotonic() < end, "it doesn't come about"
        time.sleep(0.2)


def test_each_alert_reaches_its_receiver_and_a_maintenance_holds_back_its_cluster_s_and_ends(
    engines: Engines, receiver: Receiver
) -> None:
    until(lambda: engines.alerts() == {("Down", "a"): "active", ("Down", "b"): "active"})
    until(lambda: set(receiver.came) == {("/team-a", "Down", "a"), ("/others", "Down", "b")})
    engines.say(seconds_from_now(LONG))
    until(lambda: [engines.alerts().get(("Down", name)) for name in ("a", "b")] == ["suppressed", "active"])
    time.sleep(1.5)  # what was on its way
    receiver.came.clear()
    until(lambda: ("/others", "Down", "b") in receiver.came)
    assert set(receiver.came) == {("/others", "Down", "b")}  # and nobody is told of the maintenance itself
    ends = seconds_from_now(SHORT)
    engines.say(ends)
    until(lambda: seconds_from_now(0) >= ends)
    until(lambda: engines.alerts().get(("Down", "a")) == "active")
    until(lambda: ("/team-a", "Down", "a") in receiver.came)


def test_what_is_metricsql_only_passes_vmalert_and_is_refused_by_promxy(
    engines: Engines, tmp_path: pathlib.Path
) -> None:
    tools = binaries.built_for_data()
    assert tools is not None

    def by_promxy(expression: str) -> tuple[int, bytes]:
        return ask(f"{engines.promxy}/api/v1/query", {"query": expression}, None)

    until(lambda: by_promxy("up")[0] == 200)
    for expression, by_vmalert, told in (
        ("up == 0", False, "1 expressions are PromQL"),
        ("timestamp(up)[1h] > 0", False, "promxy refuses it: 1:14: parse error: ranges only allowed for vector"),
        ("up[5m]", False, "its result is a matrix"),
        ("count(up", True, "promxy refuses it: 1:9: parse error: unclosed left parenthesis"),
    ):
        groups = [{"name": "a", "rules": [{"alert": "a", "expr": expression}]}]
        (tmp_path / "tried.yaml").write_text(yaml.safe_dump({"groups": groups}))
        command = [str(tools["vmalert"]), "-dryRun", f"-rule={tmp_path / 'tried.yaml'}"]
        assert bool(subprocess.run(command, capture_output=True, check=False).returncode) is by_vmalert
        mothership, faults = parse_mothership("m", {"kof_version": "0.1.1", "mothership_alert_rules": groups})
        assert mothership is not None, faults
        (row,) = expressions.rows("mothership", [mothership], by_promxy)
        assert told in row.found
