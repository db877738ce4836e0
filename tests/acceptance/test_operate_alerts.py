"""Alerts on real data: from what a collector sent, by the real PromQL engine, vmalert and Alertmanager, to the right
receiver; and what would not get there is refused before any change.

$KOF_DATA_DIR names the folder of a sandbox with data that is installed already, and is to be used and left alone.
"""

from __future__ import annotations

import datetime
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from support import REPOSITORY, Run, Sandbox

from sandbox import binaries
from sandbox.api import connect

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data"),
]

HERE, THERE = "aws-us-east-2-child1", "aws-eu-west-1-child1"
CANARY = "s3cr3t-of-a-webhook"
RULES = [
    {
        "name": "of-the-test",
        "interval": "2s",
        "rules": [
            {
                "alert": "HasData",
                # Aggregated away but for what is put on it again: it is routed and held back all the same.
                "expr": 'count(up{clusterName="{{ inventory_hostname }}"} == 1) > 0',
                "labels": {"severity": "critical"},
            }
        ],
    }
]
VMRULES = "/apis/operator.victoriametrics.com/v1beta1/namespaces/kof/vmrules"


class Receivers:
    """A webhook for each team, and what came there."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str, str]] = []
        came = self.came

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for each in body["alerts"]:
                    came.append((self.path, each["labels"]["alertname"], each["labels"].get("clusterName", "")))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def config(self) -> dict[str, Any]:
        return {
            "route": {
                "receiver": "others",
                "group_by": ["alertname", "clusterName"],
                "group_wait": "1s",
                "group_interval": "2s",
                "repeat_interval": "3s",
                "routes": [{"receiver": "team-a", "matchers": [f'clusterName="{HERE}"', 'severity="critical"']}],
            },
            "receivers": [
                {"name": "others", "webhook_configs": [{"url": f"{self.base}/others"}]},
                {"name": "team-a", "webhook_configs": [{"url": f"{self.base}/team-a"}]},
            ],
        }


class Fleet:
    def __init__(self, running: Sandbox, receivers: Receivers) -> None:
        self.running, self.receivers = running, receivers
        self.promxy, self.alertmanager = running.endpoints["promxy"], running.endpoints["alertmanager"]
        self.said: dict[str, Any] = {
            "mothership_alertmanager_config": receivers.config(),
            "child_alert_rules": RULES,
            "kof_verify": False,
            "preflight_promxy": self.promxy,
        }

    def run(self, playbook: str, *arguments: str, **said: Any) -> Run:
        return self.running.playbook(playbook, "-e", json.dumps(self.said | said), *arguments)

    def alerts(self) -> dict[str, str]:
        """By cluster, the state of its alert at the Alertmanager: active or suppressed."""
        with urllib.request.urlopen(f"{self.alertmanager}/api/v2/alerts", timeout=10) as answer:
            found = json.load(answer)
        return {
            each["labels"]["clusterName"]: each["status"]["state"]
            for each in found
            if each["labels"]["alertname"] == "HasData"
        }

    def rules(self) -> dict[str, Any]:
        with connect(self.running.folder / "mothership.kubeconfig") as api:
            listed = api.request("GET", VMRULES)["items"]
        return {each["metadata"]["name"]: each for each in listed}


def until(true: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except OSError:
            pass
        assert time.monotonic() < end, "it doesn't come about"
        time.sleep(1)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    given = os.environ.get("KOF_DATA_DIR")
    running = Sandbox(pathlib.Path(given or REPOSITORY / ".work" / "acceptance-alerts"))
    if not given:
        running.command("down")
        running.command("up", "--data")
    receivers = Receivers()
    found = Fleet(running, receivers)
    installed = found.run("site")
    assert installed.code == 0, installed.output
    yield found
    receivers.server.shutdown()
    if not given:
        running.command("down")


def test_a_rule_fires_on_real_data_and_reaches_its_receiver_and_a_maintenance_holds_it(fleet: Fleet) -> None:
    until(lambda: fleet.alerts() == {HERE: "active", THERE: "active"})
    until(lambda: {("/team-a", "HasData", HERE), ("/others", "HasData", THERE)} <= set(fleet.receivers.came))
    told = set(fleet.receivers.came)
    assert ("/others", "HasData", HERE) not in told
    assert ("/team-a", "HasData", THERE) not in told
    assert ("/others", "Watchdog", "") in told  # kof's own rules go the same way

    # For so long that the run has an end before it has.
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=240)
    moment = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    run = fleet.run("child", "--limit", HERE, child_maintenance_until=moment)
    assert run.code == 0, run.output
    until(lambda: fleet.alerts() == {HERE: "suppressed", THERE: "active"}, 120)
    time.sleep(5)  # what was on its way
    fleet.receivers.came.clear()
    until(lambda: ("/others", "HasData", THERE) in fleet.receivers.came)
    assert not [each for each in fleet.receivers.came if each[2] == HERE]
    assert not [each for each in fleet.receivers.came if each[1] == "ClusterUnderMaintenance"]
    until(lambda: fleet.alerts() == {HERE: "active", THERE: "active"}, 400)  # by itself
    until(lambda: ("/team-a", "HasData", HERE) in fleet.receivers.came)
    told_by_us = fleet.run("alerts", alerts_vmalert=fleet.running.endpoints["vmalert"])
    assert told_by_us.code == 0, told_by_us.output
    (rules,) = (each["result"]["rules"] for each in told_by_us.events if "rules" in each.get("result", {}))
    by_alert = {(each["vmrule"], each["alert"]): each for each in rules}
    mine = by_alert[f"{HERE}-alerts", "HasData"]
    assert (mine["state"], mine["owner"], list(mine["clusters"])) == ("firing", "fleet sandbox", [HERE])
    assert by_alert["general.rules", "Watchdog"]["state"] == "firing"
    assert by_alert["kubernetes-apps", "KubeJobFailed"]["code"] == "alert-rule-never-fires"
    again = fleet.run("child", "--limit", HERE, child_maintenance_until=moment)
    assert again.code == 0, again.output
    assert f"{HERE}: child_maintenance_until: maintenance: {moment} is past" in " ".join(again.output.split())
    assert fleet.run("child").code == 0


def test_a_second_run_changes_nothing_and_real_amtool_takes_what_was_applied(fleet: Fleet) -> None:
    again = fleet.run("site")
    assert again.code == 0, again.output
    assert again.total("changed") == 0, again.changes()
    tools = binaries.built_for_data()
    assert tools is not None
    config = fleet.running.folder / "data" / "alertmanager" / "alertmanager.yaml"
    checked = subprocess.run([tools["amtool"], "check-config", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {"general.rules", "kubernetes-apps", f"{HERE}-alerts", f"{THERE}-alerts"} <= set(fleet.rules())
    assert {(each.get("status") or {}).get("status") for each in fleet.rules().values()} == {"operational"}


def test_what_would_not_get_there_is_refused_before_any_change(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    metricsql = 'timestamp(up{clusterName="{{ inventory_hostname }}"})[1h] > 0'
    broken = 'count(up{clusterName="{{ inventory_hostname }}"} == 1'
    tools = binaries.built_for_data()
    assert tools is not None
    # vmalert itself takes the one of these two that is MetricsQL.
    for expression, code in ((metricsql, 0), (broken, 1)):
        file = tmp_path / "rules.yaml"
        tried_rules = [{"alert": "a", "expr": expression.replace("{{ inventory_hostname }}", "a")}]
        file.write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": tried_rules}]}))
        tried = subprocess.run([tools["vmalert"], "-dryRun", f"-rule={file}"], capture_output=True, check=False)
        assert bool(tried.returncode) is bool(code)
    before = {name: each["spec"] for name, each in fleet.rules().items()}
    config = fleet.receivers.config()
    rules: list[dict[str, Any]]
    config["route"]["routes"][0]["receiver"] = "team-b"
    config["receivers"][0]["slack_configs"] = [{"channel": "a", "api_url": f"https://hooks.example.com/{CANARY}"}]
    rules = [{"name": "a", "rules": [{"alert": "a", "expr": metricsql}, {"alert": "b", "expr": broken}]}]
    run = fleet.run("site", "-vvv", mothership_alertmanager_config=config, child_alert_rules=rules)
    assert run.code != 0
    text = " ".join(run.output.split())
    for told in (
        "route.routes[0].receiver: 'team-b' is none of the receivers",
        "receivers[0].slack_configs[0].api_url: is a secret",
        "[0].rules[0].expr: promxy refuses it",
        "[0].rules[1].expr: promxy refuses it",
    ):
        assert told in text, run.output
    assert not run.changes()
    assert {name: each["spec"] for name, each in fleet.rules().items()} == before
    # Extra variables are the command line's own: what was said there stands in nothing that Ansible tells of a task.
    assert CANARY not in json.dumps(run.events)
