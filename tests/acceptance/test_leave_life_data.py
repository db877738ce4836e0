"""A fleet's life with an API server for each cluster and what really goes through them: installed with one region and
one child, grown, a child moved, saved, all taken away, restored. After each step metrics, logs and costs of each child
arrive where they should; in the end those of before are there, too.

Objects after each step of such a life are molecule's (life); the stores alone, with kills, test_leave_backup_data.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
from support import DEPLOYMENTS, REPOSITORY, Run, Sandbox

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data import COSTS, LOGS, METRICS
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask
from sandbox import binaries
from sandbox import data as real

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data"),
]
SHAPE = example_fleet.fleet(2, 3, seed=6)
GROWN = dataclasses.replace(SHAPE, shared={**SHAPE.shared, "kof_inventory_complete": True})
HERE, THERE = GROWN.regionals
MOVES, STAYS = [name for name, each in GROWN.children.items() if each["child_regional"] == HERE]
FIRST = dataclasses.replace(GROWN, regionals={HERE: GROWN.regionals[HERE]}, children={STAYS: GROWN.children[STAYS]})
MOVED = dataclasses.replace(
    GROWN, children={**GROWN.children, MOVES: {**GROWN.children[MOVES], "child_regional": THERE}}
)
KINDS = (METRICS, LOGS, COSTS)


class Life:
    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        (folder / "password").write_text("open sesame")
        self.vault = ("--vault-id", f"prod@{folder / 'password'}")
        self.inventory = ""

    def wants(self, fleet: example_fleet.Fleet) -> None:
        self.inventory = self.sandbox.inventory(self.folder / "fleet", fleet)

    def run(self, playbook: str, *arguments: str, **said: Any) -> Run:
        run = self.sandbox.playbook(playbook, *arguments, "-e", json.dumps(said), inventory=self.inventory)
        assert run.code == 0, run.output
        return run

    def login(self) -> tuple[str, str]:
        held = self.sandbox.get("secret", "-n", "kof", "storage-vmuser-credentials")["data"]
        return base64.b64decode(held["username"]).decode(), base64.b64decode(held["password"]).decode()

    def arrives(self, fleet: example_fleet.Fleet) -> None:
        """verify.yml finds all of it well and each kind of data of each child, when that had time to come."""
        said = {f"verify_{kind}_age": 60 for kind in KINDS} | {
            "verify_data": True,
            "verify_promxy": self.sandbox.endpoints["promxy"],
            "status_format": ["json"],
            "status_folder": str(self.folder),
            "status_patience": 0,
        }
        end = time.monotonic() + 300
        while True:
            run = self.sandbox.playbook("verify", "-e", json.dumps(said), inventory=self.inventory)
            told = json.loads((self.folder / "status.json").read_text())
            ages = {each["host"]: [each[kind] for kind in KINDS] for each in told["data"]}
            if (
                run.code == 0
                and ages.keys() == fleet.children.keys()
                and None not in {age for each in ages.values() for age in each}
            ):
                return
            assert time.monotonic() < end, run.output
            time.sleep(2)

    def count(self, region: str, child: str, at: int) -> float:
        """Samples of a child that a region has of the hour before."""
        form = {"query": f'sum(count_over_time({{clusterName="{child}"}}[1h]))', "time": str(at), "nocache": "1"}
        rows = json.loads(self.ask(region, "/vm/select/0/prometheus/api/v1/query", form))["data"]["result"]
        return float(rows[0]["value"][1]) if rows else 0.0

    def lines(self, region: str, at: int) -> int:
        """Lines of logs that a region has of the hour before."""
        form = {"query": f"_time:[{told(at - 3600)}, {told(at)}) | stats count() lines"}
        return int(json.loads(self.ask(region, "/vls/select/logsql/query", form))["lines"])

    def ask(self, region: str, path: str, form: dict[str, str]) -> bytes:
        domain = GROWN.regionals[region]["regional_domain"]
        return ask(f"https://vmauth.{domain}{path}", form, self.login())[1]


def told(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


@pytest.fixture
def life(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    running = Sandbox(REPOSITORY / ".work" / "acceptance-life")
    running.command("down")
    running.command("up", "--data")
    monkeypatch.setenv("HTTPS_PROXY", running.endpoints["proxy"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("SSL_CERT_FILE", running.endpoints["certificates"])
    yield Life(running, tmp_path)
    running.command("down")


def test_what_is_measured_lives_as_long_as_its_fleet(life: Life) -> None:
    for fleet in (FIRST, GROWN, MOVED):
        life.wants(fleet)
        life.run("site")
        life.arrives(fleet)

    kept = [(HERE, STAYS), (HERE, MOVES), (THERE, MOVES), *((THERE, each) for each in GROWN.children if THERE in each)]
    before, end = [0.0], time.monotonic() + 300
    while not all(before):  # what is younger than a minute isn't saved
        assert time.monotonic() < end, before
        time.sleep(5)
        to = int(time.time()) - 60
        before = [life.count(*each, to - 1) for each in kept]
    logs = [life.lines(region, to) for region in GROWN.regionals]
    assert all(logs), logs
    where = life.folder / "backups"
    said = {"backup_folder": str(where), "backup_data_from": "2h", "backup_data_to": told(to)}
    life.run("backup", *life.vault, backup_data=True, **said)

    life.run("uninstall", kof_uninstall_confirm="sandbox", kof_uninstall_also="all")
    assert life.sandbox.items(DEPLOYMENTS) == []
    assert life.sandbox.kubectl("get", "namespace", "kof", "--ignore-not-found") == ""

    stores = [real.folder(life.sandbox.folder) / region for region in GROWN.regionals]
    while any(each.exists() for each in stores):  # or what was measured before would be there anyway
        assert time.monotonic() < end + 300, stores
        time.sleep(0.5)

    (archive,), (data,) = where.glob("kof-backup-*"), where.glob("kof-data-*")
    files = {"restore_file": str(archive), "restore_data": str(data)}
    life.run("restore", *life.vault, restore_data_patience=600, **files)
    life.arrives(MOVED)
    assert [life.count(*each, to - 1) for each in kept] == before
    assert [life.lines(region, to) for region in GROWN.regionals] == logs
