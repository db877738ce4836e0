"""Metrics, logs and costs that really went from child clusters to their regionals, and each way in which they don't.

Real collectors, vmauth, VictoriaMetrics and VictoriaLogs, with what `site.yml` and the charts made of the inventory.
$KOF_DATA_DIR names the folder of a sandbox that runs so already (`make demo`) and is to be used, and left alone.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support import REPOSITORY, Sandbox

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data import COSTS, LOGS, METRICS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.findings import FINDINGS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask
from sandbox import binaries
from sandbox import data as real
from sandbox.api import connect
from sandbox.certificates import Authority

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data"),
]

HERE, THERE = "aws-us-east-2", "aws-eu-west-1"
CHILD = f"{HERE}-child1"
#: Shorter than anybody's, for the test's sake; samples come every 5 s.
LIMITS = {METRICS: 30.0, LOGS: 30.0, COSTS: 30.0}
COLLECTORS = "/apis/opentelemetry.io/v1beta1/namespaces/kof/opentelemetrycollectors"
INGRESS = "/apis/networking.k8s.io/v1/namespaces/kof/ingresses/vmauth-cluster"
ELSEWHERE = "data-in-another-region"
STALE = {("metrics-stale", CHILD), ("logs-stale", CHILD), ("costs-stale", CHILD)}


class Fleet:
    """The demo's, asked as verify asks it: without the playbook, which takes seconds each time."""

    def __init__(self, running: Sandbox) -> None:
        self.running, self.folder = running, running.folder
        self.endpoints = running.endpoints
        secret = self.request("mothership", "GET", "/api/v1/namespaces/kof/secrets/storage-vmuser-credentials")["data"]
        user, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
        self.login = user, password

    def request(self, cluster: str, method: str, path: str, body: Any = None) -> Any:
        with connect(self.folder / f"{cluster}.kubeconfig") as api:
            return api.request(method, path, body, "application/merge-patch+json")

    def look(self) -> data.Looked:
        regionals = [data.Regional(name, name, f"{name}.kof.example.com", self.login) for name in (HERE, THERE)]
        children = []
        for name in (HERE, THERE):
            child = f"{name}-child1"
            pods = [each["metadata"]["uid"] for each in self.request(child, "GET", "/api/v1/pods")["items"]]
            children.append(data.Child(child, child, name, pods, self.request(child, "GET", COLLECTORS)["items"]))
        return data.look(
            regionals,
            children,
            ask,
            KOF_0_1_1.paths,
            now=time.time,
            limits=LIMITS,
            promxy=self.endpoints["promxy"],
        )

    def verify(self, folder: pathlib.Path, failed: str = "") -> dict[str, Any]:
        """What the playbook tells. The login is in nothing that it writes or says.

        :param failed: the host that the run fails.
        """
        asked = {f"verify_{kind}_age": 30 for kind in (METRICS, LOGS, COSTS)} | {
            "verify_data": True,
            "verify_promxy": self.endpoints["promxy"],
            "status_format": ["text", "json"],
            "status_folder": str(folder),
            "status_patience": 0,
        }
        run = self.running.playbook("verify", "-vvv", "-e", json.dumps(asked))
        text = (folder / "status.json").read_text()
        assert self.login[1] not in run.output + text + json.dumps(run.events)
        assert not failed or (run.code == 2 and run.stats[failed]["failures"]), run.output
        return json.loads(text)

    def until(self, wanted: set[tuple[str, str]], seconds: float = 240, *, count: int = 0) -> data.Looked:
        """Look until that is found and nothing else; so many findings, where one code is of several kinds."""
        end = time.monotonic() + seconds
        while True:
            looked = self.look()
            found = {(each.code, each.host) for each in looked.findings}
            if found == wanted and len(looked.findings) >= count:
                assert self.login[1] not in repr(looked)
                return looked
            assert time.monotonic() < end, looked.findings
            time.sleep(2)

    def collectors(self, change: dict[str, Any]) -> None:
        """Change the configuration of the child's collectors."""
        for kind in ("node-exporter", "k8s-cluster"):
            body = {"spec": {"config": change}}
            self.request(CHILD, "PATCH", f"{COLLECTORS}/kof-collectors-{kind}", body)

    def send_to(self, address: str, metrics: str = KOF_0_1_1.paths.write_metrics, logs: str = "") -> None:
        logs = logs or KOF_0_1_1.paths.write_logs
        exporters = {
            "prometheusremotewrite": {"endpoint": address + metrics},
            "otlphttp": {"logs_endpoint": address + logs},
        }
        self.collectors({"exporters": exporters})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    given = os.environ.get("KOF_DATA_DIR")
    running = Sandbox(pathlib.Path(given or REPOSITORY / ".work" / "acceptance-data"))
    if not given:
        running.command("down")
        running.command("up", "--data")
        installed = running.playbook("site")
        assert installed.code == 0, installed.output
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", running.endpoints["proxy"])
        patch.setenv("SSL_CERT_FILE", running.endpoints["certificates"])
        yield Fleet(running)
    if not given:
        running.command("down")


@pytest.fixture(autouse=True)
def _well_before_and_after(fleet: Fleet) -> Iterator[None]:
    """Each test begins with a fleet that is well, and leaves it so: what it broke is found no more."""
    fleet.until(set())
    found = fleet.request(CHILD, "GET", f"{COLLECTORS}/kof-collectors-node-exporter")["spec"]["config"]
    yield
    real.hold(fleet.folder, [])
    fleet.collectors({"exporters": found["exporters"], "extensions": found["extensions"]})
    fleet.until(set())


def test_verify_tells_ages_and_fails_the_host_whose_data_goes_to_another_region(
    fleet: Fleet, tmp_path: pathlib.Path
) -> None:
    """The playbook, with the login and what is inside of the clusters as it finds them; all else is asked as here."""
    well = fleet.verify(tmp_path)
    ages = {each["host"]: each for each in well["data"]}
    assert set(ages) == {CHILD, f"{THERE}-child1"}
    assert all(0 <= each[kind] < 60 for each in ages.values() for kind in (METRICS, LOGS, COSTS))
    codes = {each["code"] for each in well["findings"]}
    assert not {code for code in codes if FINDINGS[code].data}, well["findings"]

    fleet.send_to(f"https://vmauth.{THERE}.kof.example.com")
    fleet.until({(ELSEWHERE, CHILD)}, count=3)
    seen = fleet.verify(tmp_path, failed=CHILD)
    found = [(each["host"], each["severity"], each["object"]) for each in seen["findings"] if each["code"] == ELSEWHERE]
    assert sorted(found) == [(CHILD, "failed", kind) for kind in sorted((METRICS, LOGS, COSTS))]
    assert "arrives at aws-eu-west-1; its collectors send them to" in json.dumps(seen["findings"])


def test_ages_are_those_that_a_direct_query_tells(fleet: Fleet) -> None:
    looked = fleet.look()
    base = f"https://vmauth.{HERE}.kof.example.com"
    form = {"query": f'tlast_over_time(up{{clusterName="{CHILD}"}}[1h])', "latency_offset": "1ms"}
    _, body = ask(f"{base}/vm/select/0/prometheus/api/v1/query", form, fleet.login)
    newest = max(float(row["value"][1]) for row in json.loads(body)["data"]["result"])
    assert looked.ages[CHILD][METRICS] == pytest.approx(time.time() - newest, abs=10)
    _, body = ask(f"{base}/vls/select/logsql/query", {"query": '_time:5m "is slow"', "limit": "3"}, fleet.login)
    rows = [json.loads(line) for line in body.splitlines()]
    assert {row["k8s.namespace.name"] for row in rows} <= {"kof", "kube-system", "projectsveltos"}
    assert all("façade" in row["_msg"] for row in rows)
    assert set(looked.ages) == {CHILD, f"{THERE}-child1"}
    assert all(set(each) == {METRICS, LOGS, COSTS} for each in looked.ages.values())


def test_another_regions_domain_is_accepted_there_and_found(fleet: Fleet) -> None:
    other = f"https://vmauth.{THERE}.kof.example.com"
    fleet.send_to(other)
    looked = fleet.until({(ELSEWHERE, CHILD)}, count=3)
    assert {each.what for each in looked.findings} == {METRICS, LOGS, COSTS}
    for each in looked.findings:
        assert f"but it arrives at {THERE}; its collectors send them to {other}" in each.why


def test_another_password_is_found_with_its_cause(fleet: Fleet) -> None:
    wrong = {"client_auth": {"password": "another-password"}}
    fleet.collectors({"extensions": {"basicauth/metrics": wrong, "basicauth/logs": wrong}})
    looked = fleet.until(STALE)
    assert all("its collectors have another login" in each.why for each in looked.findings)
    assert "another-password" not in repr(looked)


@pytest.mark.parametrize(
    ("metrics", "logs"),
    [("/vm/insert/0/prometheus/api/v9/write", "/vls/insert/nothing"), ("/insert/0/write", "/logs")],
    ids=["path", "prefix"],
)
def test_a_wrong_path_is_found_with_its_cause(fleet: Fleet, metrics: str, logs: str) -> None:
    base = f"https://vmauth.{HERE}.kof.example.com"
    fleet.send_to(base, metrics, logs)
    told = {each.what: each.why for each in fleet.until(STALE).findings}
    assert f"send them to {base}{metrics}, not to" in told[METRICS]
    assert f"send them to {base}{logs}, not to" in told[LOGS]


def test_a_collector_that_is_gone_is_found_with_candidates(fleet: Fleet) -> None:
    real.hold(fleet.folder, [real.process(CHILD, "kof-collectors-node-exporter")])
    assert all("its collectors don't run" in each.why for each in fleet.until(STALE).findings)


@pytest.mark.parametrize("store", ["metrics", "logs"])
def test_a_regions_store_that_is_away_is_its_own_finding(fleet: Fleet, store: str) -> None:
    real.hold(fleet.folder, [real.process(HERE, f"victoria-{store}")])
    looked = fleet.until({("store-not-reached", HERE)})
    assert f"{store}: HTTP 502" in looked.findings[0].why
    # The other region goes on.
    assert all(age is not None and age < 30 for age in looked.ages[f"{THERE}-child1"].values())


def test_a_vmauth_that_is_away_is_found(fleet: Fleet) -> None:
    real.hold(fleet.folder, [real.process(HERE, "vmauth")])
    fleet.until({("vmauth-not-reached", HERE)})


def test_a_name_that_nobody_knows_is_found(fleet: Fleet) -> None:
    rules = fleet.request(HERE, "GET", INGRESS)["spec"]["rules"]
    try:
        fleet.request(HERE, "PATCH", INGRESS, {"spec": {"rules": [{**rules[0], "host": "vmauth.other.example.com"}]}})
        looked = fleet.until({("vmauth-not-reached", HERE)})
        assert "No such name" in looked.findings[0].why  # in the proxy's words
    finally:
        fleet.request(HERE, "PATCH", INGRESS, {"spec": {"rules": rules}})


def test_a_certificate_that_nobody_trusts_is_found(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    folder = real.folder(fleet.folder) / HERE
    before = [(folder / f"vmauth.{end}", (folder / f"vmauth.{end}").read_text()) for end in ("key", "crt")]
    name = f"vmauth.{HERE}.kof.example.com"
    certificate, key = Authority(tmp_path, "somebody else").issue(name, addresses=(name,), server=True)
    try:
        (folder / "vmauth.key").write_text(key)
        (folder / "vmauth.crt").write_text(certificate)
        fleet.until({("vmauth-certificate-not-trusted", HERE)})
    finally:
        for file, text in before:
            file.write_text(text)
