"""Whether data arrives, against regionals that answer as the real ones did."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.data import (
    COSTS,
    LOGS,
    METRICS,
    Child,
    Regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1

NOW = 1_800_000_000.0
LIMITS = {METRICS: 120.0, LOGS: 600.0, COSTS: 600.0}
LOGIN = ("user", "secret-of-everybody")
EU, US = (Regional(name, f"{name}-1", f"{name}.kof.example.com", LOGIN) for name in ("eu", "us"))
PROMXY = "http://promxy:8082"


@dataclass
class Vmauth:
    """A regional's: ages by kind, then by cluster, or pod; or what it answers instead."""

    ages: dict[str, dict[str, float]] = field(default_factory=dict)
    away: NoAnswer | None = None
    login: tuple[str, str] = LOGIN
    stores: dict[str, int] = field(default_factory=dict)  # HTTP status by kind
    shows: str = ""

    def answer(self, path: str, form: dict[str, str], login: tuple[str, str] | None) -> tuple[int, bytes]:
        if self.away:
            raise self.away
        if path == "/metrics":
            return 200, self.shows.encode()
        if login != self.login:
            return 401, b"Unauthorized"
        if path == "/vls/select/logsql/query":
            if LOGS in self.stores:
                return self.stores[LOGS], b"no backend for user"
            rows = [
                {"k8s.pod.uid": pod, "newest": _stamp(NOW - age)}
                for pod, age in self.ages.get(LOGS, {}).items()
                if json.dumps(pod) in form["query"]
            ]
            return 200, "\n".join(map(json.dumps, rows)).encode()
        assert path == "/vm/select/0/prometheus/api/v1/query"
        assert form["latency_offset"] == "1ms"
        kind = COSTS if "node_total_hourly_cost" in form["query"] else METRICS
        if METRICS in self.stores:
            return self.stores[METRICS], b"no backend for user"
        rows = [
            {"metric": {"clusterName": name}, "value": [NOW, str(NOW - age)]}
            for name, age in self.ages.get(kind, {}).items()
        ]
        return 200, json.dumps({"status": "success", "data": {"result": rows}}).encode()


def _stamp(seconds: float) -> str:
    """Nine digits, as VictoriaLogs says it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f123Z")


def _well(*clusters: str) -> Vmauth:
    return Vmauth(
        {
            METRICS: dict.fromkeys(clusters, 5.0),
            LOGS: {f"pod-of-{name}": 9.0 for name in clusters},
            COSTS: dict.fromkeys(clusters, 7.0),
        }
    )


def _collector(domain: str = EU.domain, login: tuple[str, str] = LOGIN, **endpoints: str) -> dict[str, Any]:
    base = f"https://vmauth.{domain}"
    auth = {"client_auth": {"username": login[0], "password": login[1]}}
    return {
        "spec": {
            "config": {
                "extensions": {"basicauth/metrics": auth, "basicauth/logs": auth},
                "exporters": {
                    "prometheusremotewrite": {
                        "endpoint": endpoints.get("metrics", f"{base}/vm/insert/0/prometheus/api/v1/write"),
                        "auth": {"authenticator": "basicauth/metrics"},
                    },
                    "otlphttp": {
                        "logs_endpoint": endpoints.get("logs", f"{base}/vls/insert/opentelemetry/v1/logs"),
                        "auth": {"authenticator": "basicauth/logs"},
                    },
                },
            }
        }
    }


def _child(name: str = "c1", collectors: Any = None, pods: Any = "own") -> Child:
    return Child(name, f"{name}-name", "eu", [f"pod-of-{name}-name"] if pods == "own" else pods, collectors)


class Fleet:
    """Two regionals; a question is counted and answered by the one whose name it names."""

    def __init__(self) -> None:
        self.vmauths = {"eu": _well("c1-name"), "us": _well("other")}
        self.promxy: tuple[int, Any] = (200, ("eu-1", "us-1"))
        self.lacks: tuple[str, ...] = ()  # series that promxy has none of
        self.asked: list[str] = []

    def ask(self, url: str, form: Any, login: Any) -> tuple[int, bytes]:
        self.asked.append(url)
        if url.startswith(PROMXY):
            status, regions = self.promxy
            query = (form or {})["query"]
            if query.startswith("count("):
                there = not any(each in query for each in self.lacks)
                counted = [{"metric": {}, "value": [NOW, "3"]}] if there else []
                return status, json.dumps({"status": "success", "data": {"result": counted}}).encode()
            rows = [{"metric": {"promxyCluster": name}, "value": [NOW, "1"]} for name in regions]
            bad = {"status": "error", "error": "server group us: 502"}
            return status, json.dumps(
                {"status": "success", "data": {"result": rows}} if status == 200 else bad
            ).encode()
        host, path = url.removeprefix("https://vmauth.").split("/", 1)
        return self.vmauths[host.partition(".")[0]].answer(f"/{path}", form, login)

    def look(self, *children: Child, promxy: str = "") -> data.Looked:
        return data.look(
            [EU, US],
            children,
            self.ask,
            KOF_0_1_1.paths,
            now=lambda: NOW,
            limits=LIMITS,
            promxy=promxy,
            dashboards=KOF_0_1_1.dashboards,
        )


def _codes(looked: data.Looked) -> list[tuple[str, str, str]]:
    return [(each.code, each.host, each.what) for each in looked.findings]


@pytest.fixture(name="fleet")
def _fleet() -> Fleet:
    return Fleet()


def test_a_healthy_fleet_has_ages_and_no_finding(fleet):
    looked = fleet.look(_child(collectors=[_collector()]), promxy=PROMXY)
    assert looked.findings == []
    assert looked.not_looked_at == []
    assert looked.ages == {"c1": {METRICS: 5.0, LOGS: pytest.approx(9.0, abs=1e-3), COSTS: 7.0}}


def test_all_children_of_a_region_are_asked_for_at_once(fleet):
    fleet.look(*(_child(f"c{number}") for number in range(400)))
    # Metrics, logs, costs and what it refused, of two regions; once more the logs of those that have none at home.
    assert len(fleet.asked) == 9


def test_logs_are_asked_for_in_questions_that_fit(fleet, monkeypatch):
    monkeypatch.setattr(data, "PODS_AT_ONCE", 3)
    pods = [f"pod-{number}" for number in range(7)]
    fleet.vmauths["eu"].ages[LOGS] = {"pod-6": 3.0}
    looked = fleet.look(_child(pods=pods))
    assert looked.ages["c1"][LOGS] == pytest.approx(3.0, abs=1e-3)
    assert sum("vmauth.eu" in url and "logsql" in url for url in fleet.asked) == 3
    assert sum("vmauth.us" in url and "logsql" in url for url in fleet.asked) == 1  # whether it answers


@pytest.mark.parametrize(
    ("away", "code"),
    [
        (NoAnswer("name", "vmauth.eu.kof.example.com: no such name"), "vmauth-name-unknown"),
        (NoAnswer("certificate", "self-signed certificate"), "vmauth-certificate-not-trusted"),
        (NoAnswer("refused", "connection refused"), "vmauth-not-reached"),
    ],
)
def test_a_regional_that_is_away_is_one_finding_and_its_children_none(fleet, away, code):
    fleet.vmauths["eu"].away = away
    looked = fleet.look(_child(), promxy=PROMXY)
    assert _codes(looked) == [(code, "eu", "https://vmauth.eu.kof.example.com")]
    assert str(away) in looked.findings[0].why
    assert looked.ages == {"c1": {}}
    # Nobody waits again and again for who is away.
    assert sum("vmauth.eu" in url for url in fleet.asked) == 1


def test_a_refused_login_is_told_without_it(fleet):
    fleet.vmauths["eu"].login = ("user", "another")
    looked = fleet.look(_child())
    assert _codes(looked) == [("vmauth-login-refused", "eu", "https://vmauth.eu.kof.example.com")]
    assert "secret" not in repr(EU)
    assert "secret" not in repr(looked)


@pytest.mark.parametrize(
    ("status", "code"), [(502, "store-not-reached"), (400, "vmauth-route-missing"), (500, "vmauth-answer-unknown")]
)
def test_one_store_that_is_away_hides_nothing_of_the_other(fleet, status, code):
    fleet.vmauths["eu"].stores = {METRICS: status}
    fleet.vmauths["eu"].ages[LOGS] = {}
    looked = fleet.look(_child())
    assert _codes(looked) == [(code, "eu", "https://vmauth.eu.kof.example.com"), ("logs-missing", "c1", LOGS)]
    fleet.vmauths["eu"].stores = {LOGS: status}
    fleet.vmauths["eu"].ages[METRICS] = {}
    looked = fleet.look(_child())
    assert _codes(looked) == [(code, "eu", "https://vmauth.eu.kof.example.com"), ("metrics-missing", "c1", METRICS)]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"status": "success", "data": {"result": [{}]}}',
        b"null",
        b"[" * 100_000,
        b'{"status": "success", "data": {"result": [{"metric": {}, "value": [0, 1%s]}]}}' % (b"0" * 400),
        b'{"status": "success", "data": {"result": [{"metric": [], "value": [0, "1"]}]}}',
        b'{"status": "success", "data": {"result": [{"metric": {"clusterName": []}, "value": [0, "1"]}]}}',
    ],
    ids=lambda body: body[:60].decode(),
)
def test_who_answers_for_a_vmauth_and_is_none_is_told(fleet, monkeypatch, body):
    real = fleet.ask
    monkeypatch.setattr(fleet, "ask", lambda url, *rest: (200, body) if "vmauth.eu" in url else real(url, *rest))
    found = _codes(fleet.look(_child()))
    assert ("vmauth-answer-unknown", "eu", "https://vmauth.eu.kof.example.com") in found
    assert {host for _, host, _ in found} == {"eu"}


def test_missing_and_stale_are_told_apart_with_since(fleet):
    fleet.vmauths["eu"].ages = {METRICS: {"c1-name": 121.0}, LOGS: {"pod-of-c1-name": 4000.0}}
    looked = fleet.look(_child(collectors=[_collector()]))
    assert _codes(looked) == [
        ("metrics-stale", "c1", METRICS), ("logs-stale", "c1", LOGS), ("costs-missing", "c1", COSTS),
    ]  # fmt: skip
    assert looked.findings[0].why.startswith("the newest at eu is 2 min 1 s old; what can be the reason: ")
    assert looked.findings[1].why.startswith("the newest at eu is 1 h 6 min old")
    assert [each.since for each in looked.findings] == ["2027-01-15T07:57:59Z", "2027-01-15T06:53:20Z", ""]
    assert looked.ages["c1"][COSTS] is None


def test_limits_are_inclusive_and_a_clock_that_is_ahead_is_no_fault(fleet):
    fleet.vmauths["eu"].ages = {
        METRICS: {"c1-name": 120.0}, LOGS: {"pod-of-c1-name": 600.0}, COSTS: {"c1-name": -30.0},
    }  # fmt: skip
    looked = fleet.look(_child())
    assert looked.findings == []
    assert looked.ages["c1"][COSTS] == 0


def test_data_in_another_region_is_told_with_where_and_why(fleet):
    fleet.vmauths = {"eu": _well(), "us": _well("c1-name")}
    looked = fleet.look(_child(collectors=[_collector(US.domain)]))
    assert _codes(looked) == [("data-in-another-region", "c1", kind) for kind in (METRICS, LOGS, COSTS)]
    why = looked.findings[0].why
    assert "but it arrives at us" in why
    assert "send them to https://vmauth.us.kof.example.com/vm/insert/0/prometheus/api/v1/write, not to" in why
    assert "send them to https://vmauth.us.kof.example.com/vls/insert" in looked.findings[1].why
    # What was sent there long ago, before it was moved, is no news.
    fleet.vmauths["us"] = Vmauth({METRICS: {"c1-name": 7200.0}})
    assert "metrics-missing" in {each.code for each in fleet.look(_child()).findings}


def test_a_cause_is_told_where_the_collectors_show_it_and_no_secret(fleet):
    fleet.vmauths["eu"] = _well()
    for collectors, expected in (
        ([], "it has no OpenTelemetryCollector"),
        ([_collector(login=("user", "secret-old"))], "have another login"),
        ([{"spec": {}}], "what can be the reason"),
        ([_collector()], "what can be the reason"),
        (None, "what can be the reason"),
    ):
        looked = fleet.look(_child(collectors=collectors))
        assert {each.code for each in looked.findings} == {"metrics-missing", "logs-missing", "costs-missing"}
        assert all(expected in each.why for each in looked.findings), expected
        assert "secret" not in repr(looked)


def test_a_cause_is_of_the_kind_that_is_missing(fleet):
    fleet.vmauths["eu"] = _well()
    looked = fleet.look(_child(collectors=[_collector(logs="https://vmauth.eu.kof.example.com/vls/wrong")]))
    told = {each.what: each.why for each in looked.findings}
    assert "send them to https://vmauth.eu.kof.example.com/vls/wrong, not to" in told[LOGS]
    assert "vls/wrong" not in told[METRICS] + told[COSTS]


def test_what_vmauth_refused_is_a_hint(fleet):
    fleet.vmauths["eu"] = _well()
    fleet.vmauths["eu"].shows = (
        'vmauth_http_request_errors_total{reason="invalid_auth_token"} 12\n'
        'vmauth_http_request_errors_total{reason="missing_route"} 0\n'
    )
    why = fleet.look(_child()).findings[0].why
    assert "vmauth of eu has refused a login that isn't its own 12 times" in why
    assert "no route" not in why


def test_logs_of_a_cluster_that_nobody_looked_into_are_said_to_be_unseen(fleet):
    looked = fleet.look(_child(pods=None))
    assert looked.findings == []
    assert looked.not_looked_at == ["c1: logs: nobody looked which pods it has"]
    assert LOGS not in looked.ages["c1"]


def test_promxy_has_to_know_each_region_that_has_something(fleet):
    fleet.promxy = (200, ("eu-1",))
    assert _codes(fleet.look(_child(), promxy=PROMXY)) == [("promxy-lacks-region", "us", "us-1")]
    fleet.vmauths["us"].ages = {}
    assert fleet.look(_child(), promxy=PROMXY).findings == []
    fleet.promxy = (422, ())
    looked = fleet.look(_child(), promxy=PROMXY)
    assert _codes(looked) == [("promxy-query-failed", "", PROMXY)]
    assert looked.findings[0].why == "HTTP 422: server group us: 502"
    # What is told of a region isn't told again of promxy.
    fleet.vmauths["us"].stores = {METRICS: 502}
    looked = fleet.look(_child(), promxy=PROMXY)
    assert [each.code for each in looked.findings] == ["store-not-reached"]
    assert looked.not_looked_at == ["promxy: it answers no query as long as us doesn't"]


def test_a_dashboard_whose_variable_finds_nothing_is_named_with_it(fleet):
    fleet.lacks = ("kube_namespace_labels",)
    looked = fleet.look(_child(), promxy=PROMXY)
    assert [(each.code, each.what) for each in looked.findings] == [
        ("dashboard-without-data", "OpenCost / Cost reporter / Basic overview"),
        ("dashboard-without-data", "OpenCost / Cost reporter / Detailed overview"),
    ]
    assert "its variable namespace, label_values(kube_namespace_labels, namespace)" in looked.findings[0].why
    fleet.lacks = ("kube_node_info",)
    found = [each.what for each in fleet.look(_child(), promxy=PROMXY).findings]
    assert [title.rpartition(" ")[2] for title in found] == ["Global", "Namespaces", "Nodes", "Pods"]
    # Nobody sends anything, which is told of the children: of their dashboards it isn't told again.
    fleet.lacks = ("kube_", "node_")
    assert not [each for each in fleet.look(promxy=PROMXY).findings if each.code == "dashboard-without-data"]
