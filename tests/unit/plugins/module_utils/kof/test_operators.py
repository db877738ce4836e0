"""What kof's charts bring to a cluster, as its operators write it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import operators as under_test

SINCE = "2026-03-01T10:00:00Z"


def obj(status: Any = None, **parts: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "creationTimestamp": SINCE}, "status": status or {}, **parts}


def conditions(*entries: tuple[str, str, str, str]) -> dict[str, Any]:
    keys = ("type", "status", "reason", "message")
    return {"conditions": [{**dict(zip(keys, each, strict=True)), "lastTransitionTime": SINCE} for each in entries]}


def secret(user: str, password: str) -> dict[str, Any]:
    data = {"username": user, "password": password}
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (conditions(("Ready", "True", "Ready", "up to date")), ""),
        (conditions(("Ready", "False", "DoesNotExist", "Secret does not exist")), "Secret does not exist"),
        (
            conditions(
                ("Ready", "False", "DoesNotExist", "Secret does not exist"),
                ("Issuing", "False", "Failed", "429 rateLimited: too many certificates"),
            ),
            "too many certificates",
        ),
        (None, "cert-manager has not looked at it"),
    ],
)
def test_a_certificate(status: Any, told: str) -> None:
    verdict = under_test.certificate(obj(status))
    assert verdict.code == ("certificate-not-ready" if told else "")
    assert told in verdict.why


@pytest.mark.parametrize(("told", "code"), [("2/2", ""), ("1/2", "collector-not-ready"), ("", "collector-not-ready")])
def test_a_collector(told: str, code: str) -> None:
    assert under_test.collector(obj({"scale": {"statusReplicas": told}})).code == code
    assert under_test.collector(None).code == "workload-missing"


CONFIG = {
    "extensions": {
        "health_check": {},
        "basicauth/metrics": {"client_auth": {"username": "u", "password": "CANARY"}},
        "basicauth/logs": {"client_auth": {"username": "u", "password": "CANARY"}},
    }
}


@pytest.mark.parametrize("config", [CONFIG, str(CONFIG)])
@pytest.mark.parametrize(
    ("logins", "code"),
    [
        ([secret("u", "CANARY")], ""),
        ([secret("other", "x"), secret("u", "CANARY")], ""),
        ([secret("u", "new")], "login-outdated"),
        ([], ""),  # nobody knows
    ],
)
def test_the_login_that_a_collector_sends_with(config: Any, logins: Any, code: str) -> None:
    verdict = under_test.collector_login(obj(spec={"config": config}), logins)
    assert verdict.code == code
    assert "CANARY" not in verdict.why


def test_collectors_without_a_login_are_none_of_ours() -> None:
    for config in ({}, {"extensions": None}, {"extensions": {"basicauth/x": None}}, "a: [", None):
        assert under_test.collector_login(obj(spec={"config": config}), [secret("u", "p")]).ready


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"stage": "complete", "stageStatus": "success"}, ""),
        ({"stage": "plugins", "stageStatus": "in progress"}, "grafana-not-ready"),
        ({"stage": "complete", "stageStatus": "failed"}, "grafana-not-ready"),
        ({}, "grafana-not-ready"),
    ],
)
def test_a_grafana(status: Any, code: str) -> None:
    assert under_test.grafana(obj(status)).code == code


def test_the_login_of_a_grafana_that_is_there() -> None:
    assert under_test.grafana_login(None, obj()).code == "grafana-login-missing"
    assert under_test.grafana_login(obj(), obj()).ready
    assert under_test.grafana_login(None, None).ready


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ("victoria-logs-single: {server: {persistentVolume: {enabled: true, size: 1Gi}}}", True),
        ("victoria-logs-single: {server: {storage: {enabled: true}}}", False),  # the guide's
        ("victoria-logs-single: {server: {persistentVolume: {enabled: false}}}", False),
        ("victoria-logs-single: {server: {persistentVolume: {enabled: 'true'}}}", False),
        ("", False),
        ("victoria-logs-single: nothing", False),
        ("x: {{ .Cluster.metadata.name }}: [", True),  # nobody can tell
    ],
)
def test_whether_logs_are_kept(values: str, kept: bool) -> None:
    assert under_test.logs_kept(values).code == ("" if kept else "logs-not-kept")
