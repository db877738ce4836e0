"""What a wait that ends too early tells: why, by which code, and what to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import wait as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Waited


def test_who_is_late_is_told_with_code_and_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    refs = {name: Ref("v1", "ClusterDeployment", "kcm-system", name) for name in ("eu1", "eu1-logs", "us1")}
    hosts = {"eu1": "eu1", "eu1-logs": "eu1", "us1": "us1"}
    pairs = [(hosts[name], SimpleNamespace(ref=ref)) for name, ref in refs.items()]
    waited = [
        Waited(refs["eu1"], "late", "Helm: no", 600.4, "mend it", "service-being-retried"),
        Waited(refs["eu1-logs"], "late", "no Grafana", 600, "", "datasource-unmatched"),
        Waited(refs["us1"], "ready", "", 3),
    ]
    monkeypatch.setattr(under_test, "targets", lambda *_arguments: pairs)
    monkeypatch.setattr(under_test.wait, "wait", lambda *_arguments, **_options: waited)
    fleet: Any = SimpleNamespace(shared=lambda _name: 600)
    connection: Any = None
    result = under_test.until_ready(connection, fleet, "regional", "v1alpha1", lambda _line: None)
    assert result["refused"] == [
        {
            "host": "eu1",
            "reason": (
                "ClusterDeployment kcm-system/eu1 late after 600 s: Helm: no [service-being-retried] (mend it); "
                "ClusterDeployment kcm-system/eu1-logs late after 600 s: no Grafana [datasource-unmatched]"
            ),
            "codes": ["service-being-retried", "datasource-unmatched"],
        }
    ]
    assert result["msg"] == "1 of 2 clusters ready"
