"""The rules of alerts that no variable says any more: which they are, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import alert_rules
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import alerts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]
ALERTS = RELEASE.alerts
assert ALERTS is not None
RULES = [{"name": "a", "rules": [{"alert": "A", "expr": 'up{clusterName="eu1"} == 0'}]}]
UNTIL, SECONDS = "2027-03-01T04:00:00Z", 1_803_873_600


def region(**said: Any) -> model.Regional:
    given = {"kof_version": "0.1.1", "regional_domain": "eu1.x.y", "regional_admin_email": "a@x.y", **said}
    cluster, faults = model.parse_regional("eu1", given)
    assert cluster, faults
    return cluster


def made(cluster: model.Regional, **labels: str) -> dict[str, Any]:
    """What a run has made of a cluster's rules."""
    item = alerts.rules(cluster, ALERTS, alerts.rules_ref(cluster, ALERTS, "mothership"))
    item["metadata"]["labels"] |= labels
    return item


def names(there: list[dict[str, Any]], now: float = 0, **said: Any) -> list[str]:
    return [each["metadata"]["name"] for each in alert_rules.left(region(**said), RELEASE, there, now)]


def test_what_no_variable_says_any_more_is_left() -> None:
    before = made(region(regional_alert_rules=RULES))
    other = {**before, "metadata": {**before["metadata"], "name": "us1-alerts"}}
    theirs = made(region(regional_alert_rules=RULES), **{"app.kubernetes.io/part-of": "another"})
    assert names([before, other, theirs]) == ["eu1-alerts"]
    for said in ({"regional_alert_rules": []}, {"regional_alert_rules": RULES}, {"regional_maintenance_until": UNTIL}):
        assert names([before], **said) == []


def test_what_can_fire_no_more_is_told_by_nobody() -> None:
    assert names([made(region(regional_alert_rules=[]))]) == []
    maintenance = made(region(regional_maintenance_until=UNTIL))
    assert names([maintenance], SECONDS - 1) == ["eu1-alerts"]
    assert names([maintenance], SECONDS) == []
    both = made(region(regional_maintenance_until=UNTIL, regional_alert_rules=RULES))
    assert names([both], SECONDS) == ["eu1-alerts"]


@pytest.mark.parametrize("spec", [None, {}, {"groups": None}, {"groups": [{"name": "a"}]}])
def test_an_object_that_somebody_emptied_is_none(spec: Any) -> None:
    assert names([{**made(region(regional_alert_rules=RULES)), "spec": spec}]) == []


def test_a_line_without_alerts_has_none() -> None:
    release = replace(RELEASE, alerts=None)
    assert alert_rules.left(region(), release, [made(region(regional_alert_rules=RULES))], 0) == []


def test_they_are_told_until_they_go() -> None:
    found = [("eu1", Ref("operator.victoriametrics.com/v1beta1", "VMRule", "kof", "eu1-alerts"))]
    (told,) = alert_rules.warnings(found, pruned=False)
    assert "VMRule kof/eu1-alerts; -e kof_alert_rules_prune=true deletes them" in told
    assert alert_rules.warnings(found, pruned=True) == alert_rules.warnings([], pruned=False) == []
