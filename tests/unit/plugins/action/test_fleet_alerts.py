"""Alert rules, Alertmanager's Secrets and a maintenance, applied by fleet_apply to a real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

RULES = [{"name": "mine", "rules": [{"alert": "Down", "expr": 'up{clusterName="eu1-child1"} == 0', "for": "5m"}]}]
CONFIG = {
    "route": {"receiver": "a"},
    "receivers": [{"name": "a", "slack_configs": [{"channel": "#a", "api_url_file": "/etc/vm/secrets/slack/url"}]}],
}
OF_THE_CHART = {
    "apiVersion": "operator.victoriametrics.com/v1beta1",
    "kind": "VMAlertmanager",
    "metadata": {
        "name": "cluster",
        "namespace": "kof",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "kof-mothership"},
    },
    "spec": {"configRawYaml": "route: {}", "port": "9093"},
}
VM = "operator.victoriametrics.com"


@pytest.fixture(autouse=True)
def _namespaces(control_plane: Any) -> Any:
    for name in ("kof", "kcm-system"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield
    for kind, where in (
        ("clusterdeployments", "kcm-system"),
        (f"vmrules.{VM}", "kof"),
        (f"vmalertmanagers.{VM}", "kof"),
    ):
        control_plane.kubectl("delete", kind, "--all", "-n", where)


def extra(**variables: Any) -> tuple[str, str]:
    return "-e", json.dumps(variables)


def task(layer: str, **options: Any) -> dict[str, Any]:
    return {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": layer, **options}}


def rule(control_plane: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(control_plane.kubectl("get", f"vmrules.{VM}", name, "-n", "kof", "-o", "json"))
    return found


def test_a_child_s_rules_and_maintenance_come_change_and_stay(control_plane: Any, play: Any) -> None:
    wanted = extra(child_alert_rules=RULES, child_maintenance_until="2097-03-01T04:00:00Z")
    for changed in (True, False):
        run = play("kof_child", task("child"), *wanted)
        assert run.returncode == 0, run.stdout
        assert ("changed: [" in run.stdout) is changed
    groups = rule(control_plane, "eu1-child1-alerts")["spec"]["groups"]
    assert [each["name"] for each in groups] == ["mine", "maintenance"]
    # What a hand changed is taken back and named.
    patch = {"spec": {"groups": [{"name": "mine", "rules": []}]}}
    control_plane.kubectl(
        "patch", f"vmrules.{VM}", "eu1-child1-alerts", "-n", "kof", "--type=merge", "-p", json.dumps(patch)
    )
    run = play("kof_child", task("child"), *wanted)
    assert run.returncode == 0, run.stdout
    assert rule(control_plane, "eu1-child1-alerts")["spec"]["groups"] == groups
    run = play("kof_child", task("child"), *extra(child_alert_rules=[]))
    assert rule(control_plane, "eu1-child1-alerts")["spec"]["groups"] == []
    assert run.returncode == 0


def test_of_a_maintenance_that_is_past_each_run_says_so_and_goes_on(control_plane: Any, play: Any) -> None:
    """A nightly run after its end isn't to fail."""
    run = play("kof_child", task("child"), *extra(child_maintenance_until="2020-03-01T04:00:00Z"))
    assert run.returncode == 0, run.stdout
    said = " ".join((run.stdout + run.stderr).split())
    assert (
        "eu1-child1: child_maintenance_until: maintenance: 2020-03-01T04:00:00Z is past, nothing is held back" in said
    )
    assert control_plane.kubectl("get", "clusterdeployments", "-n", "kcm-system", "-o", "name").strip()


def test_rules_of_another_s_release_are_left_alone(control_plane: Any, play: Any) -> None:
    theirs = {
        "apiVersion": f"{VM}/v1beta1",
        "kind": "VMRule",
        "metadata": {
            "name": "eu1-child1-alerts",
            "namespace": "kof",
            "annotations": {"meta.helm.sh/release-name": "mine"},
        },
        "spec": {"groups": []},
    }
    control_plane.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=json.dumps(theirs))
    run = play("kof_child", task("child"), *extra(child_alert_rules=RULES))
    assert run.returncode != 0
    assert "belongs to helm release mine" in run.stdout
    assert rule(control_plane, "eu1-child1-alerts")["spec"]["groups"] == []


def test_rules_that_no_variable_says_any_more_go_when_that_is_asked_for(control_plane: Any, play: Any) -> None:
    def there() -> bool:
        return bool(control_plane.kubectl("get", f"vmrules.{VM}", "-n", "kof", "-o", "name").strip())

    assert play("kof_child", task("child"), *extra(child_alert_rules=RULES)).returncode == 0
    run = play("kof_child", task("child"))
    assert (run.returncode, "changed: [" in run.stdout, there()) == (0, False, True), run.stdout
    prune = extra(kof_alert_rules_prune=True)
    control_plane.kubectl("label", f"vmrules.{VM}", "eu1-child1-alerts", "-n", "kof", "argocd.argoproj.io/instance=x")
    run = play("kof_child", task("child"), *prune)
    assert (run.returncode != 0, there()) == (True, True)
    assert "kept by the Argo CD application x" in " ".join(run.stdout.split())
    control_plane.kubectl("label", f"vmrules.{VM}", "eu1-child1-alerts", "-n", "kof", "argocd.argoproj.io/instance-")
    run = play("kof_child", task("child"), "--check", *prune)
    assert (run.returncode, "changed: [" in run.stdout, there()) == (0, True, True), run.stdout
    for changed in (True, False):
        run = play("kof_child", task("child"), *prune)
        assert (run.returncode, "changed: [" in run.stdout, there()) == (0, changed, False), run.stdout


def test_what_of_the_mothership_stands_on_the_charts(control_plane: Any, play: Any) -> None:
    control_plane.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=json.dumps(OF_THE_CHART))
    rules = [{"name": "all", "rules": [{"alert": "Down", "expr": "up == 0"}]}]
    wanted = extra(mothership_alertmanager_config=CONFIG, mothership_alert_rules=rules)
    before = play("kof_mothership", task("mothership"), *wanted)
    assert before.returncode == 0, before.stdout
    assert "vmrules" not in control_plane.kubectl("get", f"vmrules.{VM}", "-n", "kof", "-o", "name")
    for changed in (True, False):
        run = play("kof_mothership", task("mothership", after_charts=True), *wanted)
        assert run.returncode == 0, run.stdout
        assert ("changed: [" in run.stdout) is changed, run.stdout
    assert rule(control_plane, "mothership-alerts")["spec"]["groups"] == rules

    def theirs() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            control_plane.kubectl("get", f"vmalertmanagers.{VM}", "cluster", "-n", "kof", "-o", "json")
        )
        assert found["metadata"]["labels"] == OF_THE_CHART["metadata"]["labels"]  # type: ignore[index]
        spec: dict[str, Any] = found["spec"]
        return spec

    assert theirs() == {**OF_THE_CHART["spec"], "secrets": ["slack"]}  # type: ignore[dict-item]
    none = {**CONFIG, "receivers": [{"name": "a"}]}
    for changed in (True, False):
        run = play("kof_mothership", task("mothership", after_charts=True), *extra(mothership_alertmanager_config=none))
        assert run.returncode == 0, run.stdout
        assert ("changed: [" in run.stdout) is changed, run.stdout
    assert theirs() == OF_THE_CHART["spec"]


TELL = {"name": "Alerts", "k0rdent.kof.fleet_alerts": {}}


def test_rules_are_listed_also_where_vmalert_cannot_be_asked(control_plane: Any, play: Any) -> None:
    assert play("kof_child", task("child"), *extra(child_alert_rules=RULES)).returncode == 0
    run = play("kof_mothership:kof_child", TELL)
    assert run.returncode == 0, run.stdout
    text = " ".join(run.stdout.split())
    assert "unknown Down (eu1-child1-alerts, fleet actions)" in text
    assert "1 alert rules: 1 unknown" in text
    assert "vmalert doesn't answer" in text
    assert "changed: [" not in run.stdout


@pytest.mark.parametrize("address", ["ftp://a", "http://me:CANARY@a", "a b"])
def test_what_is_no_address_of_vmalert(play: Any, address: str) -> None:
    run = play("kof_mothership", {**TELL, "k0rdent.kof.fleet_alerts": {"vmalert": address}})
    assert run.returncode != 0
    assert "vmalert (alerts_vmalert) is no address of vmalert's API" in " ".join(run.stdout.split())
    assert "CANARY" not in run.stdout


def test_line_0_0_says_by_name_that_it_has_none(play: Any) -> None:
    said = extra(kof_version="0.0.x", kof_chart_repository="https://charts.example.com/kof")
    run = play("kof_mothership", TELL, *said)
    assert run.returncode != 0
    assert "kof 0.0.x has no alerts that anybody is told: its charts bring no Alertmanager" in " ".join(
        run.stdout.split()
    )
