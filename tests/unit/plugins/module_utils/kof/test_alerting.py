"""alerting.py and what the model makes of it: an Alertmanager configuration or rules that would be refused, or say a
secret, are told before anything is sent; and the secret isn't."""

from __future__ import annotations

import copy
import pathlib
import subprocess
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import alerting
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import config_problems, rule_problems
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    fleet_faults,
    parse_child,
    parse_mothership,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text import yaml_text
from sandbox import binaries

SECRET = "s3cr3t-of-the-test"
FILE = "/etc/vm/secrets/alerting/key"
CONFIG: dict[str, Any] = {
    "global": {"resolve_timeout": "5m", "slack_api_url_file": FILE, "smtp_smarthost": "mail.example.com:587"},
    "route": {
        "receiver": "nobody",
        "group_by": ["alertname", "clusterName"],
        "group_wait": "30s",
        "routes": [
            {"receiver": "team-a", "matchers": ['severity=~"critical|warning"', "clusterName = a"], "continue": True},
            {"receiver": "hook", "matchers": ['{a="b",c!~"d,e"}'], "mute_time_intervals": ["nights"]},
        ],
    },
    "time_intervals": [
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]}
    ],
    "inhibit_rules": [{"source_matchers": ["a=b"], "target_matchers": ["c=d"], "equal": ["clusterName"]}],
    "receivers": [
        {"name": "nobody"},
        {
            "name": "team-a",
            "slack_configs": [{"channel": "#a", "send_resolved": True, "title": "{{ .CommonLabels.token }}"}],
            "email_configs": [
                {"to": "a@example.com", "from": "k@example.com", "auth_password_file": FILE, "headers": {"token": "a"}}
            ],
            "pagerduty_configs": [{"routing_key_file": "/etc/vm/secrets/pager/key", "details": {"password": "none"}}],
        },
        {
            "name": "hook",
            "webhook_configs": [
                {"url": "http://hook.kof.svc:8080/a/b"},
                {"url": "http://hook:8080"},
                {"url": "http://127.0.0.1:9/"},
                {
                    "url_file": FILE,
                    "http_config": {"authorization": {"credentials_file": FILE}, "tls_config": {"ca_file": FILE}},
                },
            ],
        },
    ],
}


def spoilt(*path: Any, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    place: Any = config
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config


def test_a_configuration_that_is_fine() -> None:
    assert config_problems(CONFIG) == []
    assert alerting.secrets_of(CONFIG) == ["alerting", "pager"]


RECEIVER = ("receivers", 1)
SLACK = (*RECEIVER, "slack_configs", 0)
IN_SLACK = "receivers[1].slack_configs[0]"
HTTP = f"{IN_SLACK}.http_config"
PAGER = "receivers[1].pagerduty_configs[0]"
OTHERS = ("https://hook.example.com/", "http://hook.kof.svc/?key=")
HOOK = ("receivers", 2, "webhook_configs")


@pytest.mark.parametrize(
    ("path", "value", "where", "what"),
    [
        (("rout",), {}, "", "knows no key 'rout'"),
        (("route",), None, "route", "is required"),
        (("route",), "nobody", "route", "is required"),
        (("receivers",), None, "receivers", "is required"),
        (("receivers",), {"name": "a"}, "receivers", "must be a list of maps"),
        (("receivers", 0), {"name": "team-a"}, "receivers[1]", "'team-a' is there twice"),
        (("receivers", 0), {"webhook_configs": []}, "receivers[0]", "has no name"),
        (("receivers", 0), {"name": "nobody", "teams_configs": []}, "receivers[0]", "'teams_configs'"),
        (("receivers", 0), {"name": alerting.NOBODY}, "receivers", "one of ours"),
        (("route", "receiver"), "noboby", "route.receiver", "'noboby' is none of the receivers; did you mean nobody"),
        (("route", "receiver"), None, "route", "receiver is required"),
        (("route", "matchers"), ["a=b"], "route.matchers", "takes all alerts"),
        (("route", "routes", 0, "receiver"), "Team-A", "route.routes[0].receiver", "none of the receivers"),
        (("route", "routes", 0, "matchers"), ["severity"], "route.routes[0].matchers[0]", "is no matcher"),
        (("route", "routes", 0, "matchers"), "a=b", "route.routes[0].matchers", "must be a list"),
        (("route", "routes", 0, "continue"), "yes", "route.routes[0].continue", "true or false"),
        (("route", "routes", 0, "routes"), [{"receiver": "x"}], "route.routes[0].routes[0].receiver", "none of"),
        (("route", "routes", 1, "mute_time_intervals"), ["days"], "route.routes[1].mute_time_intervals", "'days'"),
        (("route", "group_wait"), 30, "route.group_wait", "must be a duration"),
        (("route", "group_wait"), "30", "route.group_wait", "must be a duration"),
        (("route", "group_by"), ["...", "a"], "route.group_by", "which is all"),
        (("templates",), ["/a.tmpl"], "templates", "no file"),
        (("inhibit_rules", 0, "target_matchers"), ["="], "inhibit_rules[0].target_matchers[0]", "no matcher"),
        (("global", "slack_api_url_file"), None, IN_SLACK, "lacks api_url_file"),
        (("global", "slack_api_url_file"), "/tmp/key", "global.slack_api_url_file", "must be a key of a Secret"),
        (("global", "slack_api_url_file"), "/etc/vm/secrets/../key", "global.slack_api_url_file", "must be a key"),
        (("global", "smtp_smarthost"), None, "receivers[1].email_configs[0]", "lacks smarthost"),
        (("global", "slack_api_url"), f"https://hooks.slack.com/{SECRET}", "global.slack_api_url", "is a secret"),
        (("global", "smtp_auth_password"), SECRET, "global.smtp_auth_password", "is a secret"),
        ((*SLACK, "api_url"), f"https://hooks.slack.com/{SECRET}", f"{IN_SLACK}.api_url", "is a secret"),
        ((*SLACK, "send_resolved"), "no", f"{IN_SLACK}.send_resolved", "true or false"),
        ((*SLACK, "chanel"), "#a", IN_SLACK, "'chanel'; did you mean channel"),
        ((*SLACK, "http_config"), {"bearer_token": SECRET}, f"{HTTP}.bearer_token", "is a secret"),
        ((*SLACK, "http_config"), {"tls_config": {"key": SECRET}}, f"{HTTP}.tls_config.key", "secret"),
        ((*SLACK, "http_config"), {"basic_auth": {"password": SECRET}}, f"{HTTP}.basic_auth.password", "is a secret"),
        ((*SLACK, "http_config"), {"proxy_url": f"http://a:{SECRET}@b"}, f"{HTTP}.proxy_url", "login"),
        ((*SLACK, "text"), f"-----BEGIN PRIVATE KEY-----{SECRET}", f"{IN_SLACK}.text", "private key"),
        ((*RECEIVER, "pagerduty_configs"), [{"routing_key": SECRET}], f"{PAGER}.routing_key", "secret"),
        ((*RECEIVER, "pagerduty_configs"), [{}], PAGER, "lacks routing_key_file"),
        ((*RECEIVER, "wechat_configs"), [{}], "receivers[1].wechat_configs[0]", "from no file"),
        ((*HOOK, 0), {"url": f"{OTHERS[0]}{SECRET}"}, "receivers[2].webhook_configs[0].url", "is a secret"),
        ((*HOOK, 0), {"url": f"{OTHERS[1]}{SECRET}"}, "receivers[2].webhook_configs[0].url", "is a secret"),
        ((*HOOK, 0), {"url": "hook"}, "receivers[2].webhook_configs[0].url", "must be an address"),
        ((*HOOK, 0), {}, "receivers[2].webhook_configs[0]", "lacks url or url_file"),
    ],
)  # fmt: skip
def test_one_fault_each(path: tuple[Any, ...], value: Any, where: str, what: str) -> None:
    problems = config_problems(spoilt(*path, value=value))
    first = problems[0]
    assert first.where == where
    assert what in first.what, problems
    # Who takes receivers away has routes to none.
    assert all(path[0] == "receivers" and "none of the receivers" in each.what for each in problems[1:]), problems
    assert SECRET not in repr(problems)


def test_a_secret_is_told_by_no_fault_of_the_model() -> None:
    config = spoilt("global", "smtp_auth_password", value=SECRET)
    found, faults = parse_mothership("m", {"kof_version": "0.1.1", "mothership_alertmanager_config": config})
    assert found is None
    (fault,) = faults
    assert fault.variable == "mothership_alertmanager_config"
    assert "smtp_auth_password_file: /etc/vm/secrets/<secret>/<key>" in str(fault)
    assert SECRET not in str(fault)


def rule(**changes: Any) -> list[dict[str, Any]]:
    found = {"alert": "Down", "expr": 'up{clusterName="eu1-a"} == 0', "for": "5m", **changes}
    return [{"name": "a", "rules": [{key: value for key, value in found.items() if value is not None}]}]


@pytest.mark.parametrize(
    ("groups", "where", "what"),
    [
        (["a"], "[0]", "must be a map"),
        ([{"rules": [{"alert": "a", "expr": 'b{clusterName="eu1-a"}'}]}], "[0]", "no name"),
        ([{"name": "a"}], "[0]", "has no rules"),
        ([*rule(), *rule()], "[1]", "'a' is there twice"),
        ([{**rule()[0], "intervall": "5s"}], "[0]", "'intervall'; did you mean interval"),
        ([{**rule()[0], "interval": "5 s"}], "[0].interval", "must be a duration"),
        (rule(record="a", **{"for": None}), "[0].rules[0]", "either alert or record"),
        (rule(alert=None), "[0].rules[0]", "either alert or record"),
        (rule(alert=None, record="a b", **{"for": None}), "[0].rules[0].record", "name of a metric"),
        (rule(alert=None, record="a"), "[0].rules[0].for", "of alerts only"),
        (rule(alert=alerting.MAINTENANCE), "[0].rules[0].alert", "another"),
        (rule(expr=None), "[0].rules[0].expr", "must be PromQL"),
        (rule(expr=5), "[0].rules[0].expr", "must be PromQL"),
        (rule(expr="up == 0"), "[0].rules[0].expr", "about every cluster"),
        (rule(expr='up{clusterName="eu1-ab"}'), "[0].rules[0].expr", "about every cluster"),
        (rule(expr='up{clusterName!="eu1-a"}'), "[0].rules[0].expr", "about every cluster"),
        (rule(expr='up{promxyCluster="eu1-a"}'), "[0].rules[0].expr", "about every cluster"),
        (rule(**{"for": 5}), "[0].rules[0].for", "must be a duration"),
        (rule(labels={"severity": 1}), "[0].rules[0].labels.severity", "must be text"),
        (rule(labels={"a-b": "c"}), "[0].rules[0].labels", "can't be a label"),
        (rule(labels={"clusterName": "b"}), "[0].rules[0].labels.clusterName", "set here"),
        (rule(labels=["a"]), "[0].rules[0].labels", "must be a map"),
        (rule(annotations={"a": "{{ $labels.pod }"}), "[0].rules[0].annotations.a", "don't close"),
        (rule(annotations={"a": f"https://a:{SECRET}@b/"}), "[0].rules[0].annotations.a", "login"),
        (rule(annotations="a"), "[0].rules[0].annotations", "must be a map"),
        (rule(annotation={}), "[0].rules[0]", "'annotation'; did you mean annotations"),
    ],
)
def test_one_fault_of_a_rule_each(groups: list[Any], where: str, what: str) -> None:
    problems = rule_problems(groups, "eu1-a", ("clusterName",))
    found = [(each.where, what in each.what or what in each.right) for each in problems]
    assert found == [(where, True)], problems
    assert SECRET not in repr(problems)


@pytest.mark.parametrize(
    "expression", ['up{clusterName="eu1-a"}', "up{clusterName=~'eu1-a|eu2'}", "sum(up{job='a', clusterName = `eu1-a`})"]
)
def test_rules_that_are_fine(expression: str) -> None:
    groups = rule(
        expr=expression, annotations={"summary": "{{ $value }} of {{ $labels.pod }}"}, labels={"severity": "a"}
    )
    assert rule_problems(groups, "eu1-a", ("clusterName",)) == []
    assert rule_problems(rule(expr="up == 0")) == []


REGIONAL = {"kof_version": "0.1.1", "regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
CHILD = {"kof_version": "0.1.1", "child_regional": "eu1"}


@pytest.mark.parametrize(
    "text", ["tomorrow", "2027-03-01", "2027-03-01T04:00:00", "2027-13-01T04:00:00Z", "2027-03-01 04:00Z", ""]
)
def test_what_is_no_moment(text: str) -> None:
    for parse, base, role in ((parse_regional, REGIONAL, "regional"), (parse_child, CHILD, "child")):
        found, faults = parse("eu1", {**base, f"{role}_maintenance_until": text})
        assert (found is not None, [each.variable for each in faults]) == (
            not text,
            [f"{role}_maintenance_until"] * bool(text),
        )


def test_a_maintenance_needs_what_holds_alerts_back() -> None:
    child, faults = parse_child("a", {**CHILD, "child_maintenance_until": "2027-03-01T04:00:00+01:00"})
    assert child
    assert not faults
    bare, _ = parse_mothership("m", {"kof_version": "0.1.1"})
    full, faults = parse_mothership("m", {"kof_version": "0.1.1", "mothership_alertmanager_config": CONFIG})
    assert bare
    assert full
    assert not faults
    assert [each.variable for each in fleet_faults(bare, [], [child])] == ["child_maintenance_until"]
    assert not fleet_faults(full, [], [child])
    assert not fleet_faults(None, [], [child])


@pytest.mark.parametrize("switch", ["victoriametrics", "promxy", "victoria-metrics-operator"])
def test_what_nobody_would_read_is_refused(switch: str) -> None:
    variables = {"kof_version": "0.1.1", "mothership_alert_rules": rule(expr="up == 0")}
    found, faults = parse_mothership("m", {**variables, "mothership_values": {switch: {"enabled": False}}})
    assert found is None
    assert "read by nobody" in str(faults[0])


def test_two_who_say_the_configuration() -> None:
    values = {"victoriametrics": {"vmalert": {"vmalertmanager": {"config": "route: {}"}}}}
    variables = {"kof_version": "0.1.1", "mothership_alertmanager_config": CONFIG, "mothership_values": values}
    found, faults = parse_mothership("m", variables)
    assert found is None
    assert "is set beside mothership_values" in str(faults[0])


def test_line_0_0_has_none_of_it_and_says_so() -> None:
    base = {"kof_version": "0.0.x", "kof_chart_repository": "https://charts.example.com/kof"}
    cases = [
        (parse_mothership, base, {"mothership_alertmanager_config": CONFIG}),
        (parse_mothership, base, {"mothership_alert_rules": []}),
        (parse_regional, {**base, **REGIONAL, "kof_version": "0.0.x"}, {"regional_alert_rules": []}),
        (
            parse_regional,
            {**base, **REGIONAL, "kof_version": "0.0.x"},
            {"regional_maintenance_until": "2027-03-01T04:00:00Z"},
        ),
        (parse_child, {**base, **CHILD, "kof_version": "0.0.x"}, {"child_alert_rules": []}),
        (parse_child, {**base, **CHILD, "kof_version": "0.0.x"}, {"child_maintenance_until": "2027-03-01T04:00:00Z"}),
    ]
    for parse, variables, change in cases:
        (variable,) = change
        found, faults = parse("a", {**variables, **change}, KOF_0_0)
        mine = [each for each in faults if each.variable == variable]
        assert found is None
        assert "no Alertmanager" in str(mine[0]), faults


#: What Alertmanager itself takes, and we refuse for a reason of ours: by what is said of it.
OURS = ("secret", "Secret", "login", "private key", "one of ours", "must be a key", "no file", "lacks", "address")


@pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data")
def test_the_real_amtool_agrees(tmp_path: pathlib.Path) -> None:
    """It takes what is fine, with what we add, and refuses each fault that isn't one of our own reasons."""
    tools = binaries.built_for_data()
    assert tools is not None
    file = tmp_path / "alertmanager.yaml"

    def taken(config: dict[str, Any]) -> bool:
        file.write_text(yaml_text.dump(config))
        return not subprocess.run([tools["amtool"], "check-config", file], capture_output=True, check=False).returncode

    assert taken(CONFIG)
    assert taken(alerting.with_maintenance(CONFIG, "clusterName"))
    (faults,) = (mark.args[1] for mark in test_one_fault_each.pytestmark)  # type: ignore[attr-defined]
    missed = [
        (path, what)
        for path, value, _where, what in faults
        if not any(each in what for each in OURS) and taken(spoilt(*path, value=value))
    ]
    assert not missed
