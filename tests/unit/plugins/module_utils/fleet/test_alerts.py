"""fleet/alerts.py: which alert rules there are, by VMRules and vmalert's answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import alerts
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.alerts import Rule

NEVER = 'max_over_time(kube_pod_container_status_waiting_reason{reason="a", namespace=~""}[5m]) >= 1'


def vmrule(name: str, *rules: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **meta}, "spec": {"groups": [{"name": "g", "rules": list(rules)}]}}


def alert(name: str, expr: str = "up == 0", **more: Any) -> dict[str, Any]:
    return {"alert": name, "expr": expr, **more}


def of_vmalert(**said: Any) -> bytes:
    """By alert, what vmalert says of it."""
    rules = [{"type": "alerting", "name": name, **each} for name, each in said.items()]
    group = {"name": "g", "rules": [*rules, {"type": "recording", "name": "a"}]}
    return json.dumps({"status": "success", "data": {"groups": [group]}}).encode()


def test_states_owners_and_clusters_the_worst_first() -> None:
    ours = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "f"}
    helm = {"meta.helm.sh/release-name": "kof-mothership"}
    items = [
        vmrule("kofs", alert("Never", NEVER), alert("Quiet"), alert("Soon"), annotations=helm),
        vmrule("mine", alert("Down", labels={"severity": "critical"}), {"record": "a", "expr": "up"}, labels=ours),
        vmrule("theirs", alert("Broken")),
    ]
    since = "2026-03-01T04:00:00Z"
    told = alerts.told_by_vmalert(
        of_vmalert(
            Never={"state": "inactive"},
            Quiet={"state": "inactive", "health": "ok", "alerts": []},
            Soon={"state": "pending", "alerts": [{"labels": {}, "activeAt": since}]},
            Down={"state": "firing", "alerts": [{"labels": {"clusterName": "eu1"}, "activeAt": since}]},
            Broken={"state": "inactive", "health": "err", "lastError": "422:\nno"},
        )
    )
    found = alerts.rules(items, told, "clusterName")
    assert [(each.alert, each.state, each.owner, each.code) for each in found] == [
        ("Down", "firing", "fleet f", ""),
        ("Soon", "pending", "kof", ""),
        ("Broken", "broken", "others", "alert-rule-fails"),
        ("Never", "never fires", "kof", "alert-rule-never-fires"),
        ("Quiet", "inactive", "kof", ""),
    ]
    assert (found[0].clusters, found[0].severity) == ({"eu1": since}, "critical")
    lines = alerts.lines(found)
    assert lines[0] == f"firing       Down (mine, fleet f, critical): eu1 since {since}"
    assert "422: no [alert-rule-fails]" in lines[2]
    assert not [line for line in lines if "Quiet" in line]
    assert lines[-1] == "5 alert rules: 1 firing, 1 pending, 1 broken, 1 never fires, 1 inactive"


def test_what_the_operator_refuses_and_what_nobody_knows() -> None:
    refused = vmrule("a", alert("A")) | {"status": {"status": "failed", "lastSyncError": "bad expr"}}
    found = alerts.rules([refused, vmrule("b", alert("B"))], None, "clusterName")
    assert [(each.state, each.code) for each in found] == [("broken", "alert-rules-refused"), ("unknown", "")]
    assert alerts.lines([]) == ["no alert rules"]


@pytest.mark.parametrize("expr", ['kube_pod_info{namespace=~"kof|a"}', 'up{namespace=""}', 'kube_a{namespace!=""}'])
def test_what_may_fire(expr: str) -> None:
    (rule,) = alerts.rules([vmrule("a", alert("A", expr))], None, "clusterName")
    assert rule == Rule("a", "g", "A", "", "others", "unknown")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"data": {}}', b'{"data": {"groups": [{"name": "a"}]}}'])
def test_what_is_no_answer_of_vmalert(body: bytes) -> None:
    assert alerts.told_by_vmalert(body) is None


def of_file(file: str, *rules: dict[str, Any], group: str = "g") -> dict[str, Any]:
    return {"name": group, "file": file, "rules": [{"type": "alerting", **each} for each in rules]}


def test_rules_of_one_name_have_each_its_own_state() -> None:
    """Of several VMRules, as each cluster under maintenance has one, and of one group, as kof's own have them."""
    items = [
        vmrule(f"{name}-alerts", alert("Full", labels={"severity": "warning"}), alert("Full"), namespace="kof")
        for name in ("a", "b", "new")
    ]
    firing = {"state": "firing", "alerts": [{"labels": {"clusterName": "b"}}]}
    groups = [
        of_file("/etc/vmalert/kof-a-alerts.yaml", {"name": "Full"}, {"name": "Full", "state": "pending"}),
        of_file("/etc/vmalert/kof-b-alerts.yaml", {"name": "Full", **firing}, {"name": "Full", "state": "inactive"}),
    ]
    told = alerts.told_by_vmalert(json.dumps({"data": {"groups": groups}}).encode())
    found = alerts.rules(items, told, "clusterName")
    assert [(each.vmrule, each.severity, each.state) for each in found] == [
        ("b-alerts", "warning", "firing"),
        ("a-alerts", "", "pending"),
        ("new-alerts", "warning", "unknown"),
        ("new-alerts", "", "unknown"),
        ("a-alerts", "warning", "inactive"),
        ("b-alerts", "", "inactive"),
    ]


@pytest.mark.parametrize(
    "group",
    [
        {"name": ["a"], "rules": [{"type": "alerting", "name": "b"}]},
        {"name": "a", "rules": [{"type": "alerting", "name": "b", "alerts": "none"}]},
        {"name": "a", "rules": [{"type": "alerting", "name": "b", "alerts": ["c"]}]},
        {"name": "a", "rules": [{"type": "alerting", "name": "b", "alerts": 5}]},
        {"name": "a", "rules": [{"type": "alerting", "name": "b", "alerts": [{"labels": ["c"]}]}]},
        {"name": "a", "rules": "b"},
        {"name": "a", "rules": ["b"]},
        "a",
    ],
)
def test_what_is_an_answer_in_part_is_none(group: Any) -> None:
    assert alerts.told_by_vmalert(json.dumps({"data": {"groups": [group]}}).encode()) is None
    deep = b'{"data": {"groups": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    assert alerts.told_by_vmalert(deep) is None
