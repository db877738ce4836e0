"""Single values of an Alertmanager configuration and of rules in every form that people write and Alertmanager, which
then refuses all of it, or the API server takes not: each is told by its place, and what is fine passes."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

import pytest
from test_alerting import HOOK, RECEIVER, SLACK, spoilt

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import alert_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import config_problems, rule_problems
from ansible_collections.k0rdent.kof.plugins.module_utils.text import yaml_text
from sandbox import binaries

INTERVAL = ("time_intervals", 0, "time_intervals", 0)
IN_INTERVAL = "time_intervals[0].time_intervals[0]"
FIRST, INHIBIT = ("route", "routes", 0), ("inhibit_rules", 0)
IN_FIRST, IN_SLACK = "route.routes[0]", "receivers[1].slack_configs[0]"
MAIL = (*RECEIVER, "email_configs", 0)

#: Path, value, where it is told.
WRONG: list[tuple[tuple[Any, ...], Any, str]] = [
    *(
        (("route", key), value, f"route.{key}")
        for key, value in (
            ("group_wait", "0 minutes"),
            ("group_wait", "0x"),
            ("group_wait", "05"),
            ("group_wait", "5m\n"),
            ("group_wait", "\u0665m"),
            ("group_wait", "1h 5m"),
            ("group_wait", "-5m"),
            ("group_wait", "293y"),
            ("group_wait", f"{'9' * 5000}s"),
            ("group_wait", 30),
            ("group_wait", True),
            ("group_interval", "0s"),
            ("group_interval", "0"),
            ("repeat_interval", "0h0m"),
        )
    ),
    *(
        ((*FIRST, key), value, f"{IN_FIRST}.{key}")
        for key in ("mute_time_intervals", "active_time_intervals")
        for value in ("nights", 5, True, {"nights": True}, [["nights"]], [5])
    ),
    *(
        ((*FIRST, "matchers"), [text], f"{IN_FIRST}.matchers[0]")
        for text in (
            'a=~"("',
            'a!~"["',
            'a=~"*"',
            'a="b",c=~"a**"',
            'a=~"(?!b).*"',
            'a=~"(b)\\\\1"',
            "a=~b++",
            'a=~"x{2,1}"',
        )
    ),
    *(
        ((*FIRST, key), value, f"{IN_FIRST}.{key}")
        for key, value in (
            ("match", "severity=critical"),
            ("match", ["a"]),
            ("match", {"a": ["b"]}),
            ("match", {"a b": "c"}),
            ("match_re", {"a": "("}),
        )
    ),
    *(
        ((*INHIBIT, key), value, f"inhibit_rules[0].{key}")
        for key, value in (
            ("equal", "clusterName"),
            ("equal", ["a b"]),
            ("equal", [1]),
            ("source_match", "a"),
            ("target_match_re", {"a": "("}),
        )
    ),
    *(
        ((*SLACK, key), value, f"{IN_SLACK}.{key}")
        for key, value in (
            ("channel", {"name": "a"}),
            ("text", ["a"]),
            ("fields", {"title": "a"}),
            ("actions", "a"),
            ("send_resolved", "true"),
            ("http_config", "none"),
        )
    ),
    ((*MAIL, "headers"), "Subject: a", "receivers[1].email_configs[0].headers"),
    ((*MAIL, "headers"), {"Subject": ["a"]}, "receivers[1].email_configs[0].headers"),
    ((*MAIL, "to"), ["a@example.com"], "receivers[1].email_configs[0].to"),
    ((*HOOK, 0, "max_alerts"), "5", "receivers[2].webhook_configs[0].max_alerts"),
    ((*HOOK, 0, "max_alerts"), -1, "receivers[2].webhook_configs[0].max_alerts"),
    ((*HOOK, 0, "max_alerts"), True, "receivers[2].webhook_configs[0].max_alerts"),
    *(
        ((*INTERVAL, key), value, f"{IN_INTERVAL}.{key}")
        for key, value in (
            ("times", {"start_time": "00:00", "end_time": "06:00"}),
            ("times", [{"start_time": 0, "end_time": 360}]),  # what YAML 1.1 makes of 0:00 and 6:00
            ("times", [{"start_time": "0:00", "end_time": "06:00"}]),
            ("times", [{"start_time": "22:00", "end_time": "06:00"}]),
            ("times", [{"start_time": "22:00"}]),
            ("times", [{"start_time": "22:00", "end_time": "24:01"}]),
            ("weekdays", "saturday"),
            ("weekdays", ["sat"]),
            ("weekdays", ["friday:monday"]),
            ("weekdays", [6]),
            ("days_of_month", ["0"]),
            ("days_of_month", ["32"]),
            ("days_of_month", [True]),
            ("months", ["13"]),
            ("months", ["decembre"]),
            ("years", ["2027-2028"]),
            ("location", 5),
            ("location", "Europe/Berlin\n"),
        )
    ),
]


@pytest.mark.parametrize(("path", "value", "where"), WRONG, ids=lambda each: ascii(each)[:40])
def test_what_alertmanager_refuses_is_told_by_its_place(path: tuple[Any, ...], value: Any, where: str) -> None:
    found = config_problems(spoilt(*path, value=value))
    assert [each.where for each in found] == [where], found


#: Path and value.
FINE: list[tuple[tuple[Any, ...], Any]] = [
    *((("route", "group_wait"), value) for value in ("0", "0s", "5m", "1y2w3d4h5m6s7ms", "292y", "00005m", "0h0m")),
    (("route", "group_interval"), "1ms"),
    ((*FIRST, "mute_time_intervals"), ["nights"]),
    *(
        ((*FIRST, "matchers"), [text])
        for text in (
            'a=~"(?i)b|c"',
            'a=~"[[:alpha:]]+"',
            'a=~"\\\\Qa(b\\\\E"',
            'a=~"\\\\pL+?"',
            'a!~"b{2,}"',
            'a=~"\\\\*+"',
            'a=~"[(?=]+"',
            'a=~"\\\\."',
            'a="("',
            'a=~"(?P<b>c)"',
            'a=~"[\\\\w-.]+"',
        )
    ),
    ((*FIRST, "match"), {"a": 5}),
    ((*FIRST, "match_re"), {"a": "b|c"}),
    ((*INHIBIT, "equal"), []),
    ((*SLACK, "channel"), 5),
    ((*SLACK, "fields"), [{"title": "a", "value": 5, "short": True}]),
    ((*SLACK, "actions"), [{"type": "button", "text": "a", "url": "http://a", "confirm": {"text": "b"}}]),
    ((*MAIL, "headers"), {"Subject": "a", "X-Number": 5}),
    ((*HOOK, 0, "max_alerts"), 0),
    ((*INTERVAL, "times"), [{"start_time": "18:00", "end_time": "24:00"}]),
    ((*INTERVAL, "weekdays"), ["saturday", "sunday", "monday:friday"]),
    ((*INTERVAL, "days_of_month"), ["1:7", "-1", "20:-1", 15]),
    ((*INTERVAL, "months"), ["december", "1:3", "may:july", 12]),
    ((*INTERVAL, "years"), [2027, "2028:2030"]),
    ((*INTERVAL, "location"), "America/Port-au-Prince"),
]


@pytest.mark.parametrize(("path", "value"), FINE, ids=lambda each: ascii(each)[:40])
def test_what_is_fine_passes(path: tuple[Any, ...], value: Any) -> None:
    assert config_problems(spoilt(*path, value=value)) == []


@pytest.mark.skipif(binaries.built_for_data() is None, reason="not built: python -m sandbox build --data")
def test_the_real_amtool_takes_what_is_fine(tmp_path: pathlib.Path) -> None:
    tools = binaries.built_for_data()
    assert tools is not None
    file, refused = tmp_path / "config.yaml", []
    for path, value in FINE:
        file.write_text(yaml_text.dump(spoilt(*path, value=value)))
        done = subprocess.run([tools["amtool"], "check-config", file], capture_output=True, text=True, check=False)
        if done.returncode:
            refused.append((path, value, done.stderr))
    assert not refused


@pytest.mark.parametrize(
    ("group", "where"),
    [
        ({"limit": "5"}, "[0].limit"),
        ({"limit": 1.5}, "[0].limit"),
        ({"concurrency": True}, "[0].concurrency"),
        ({"eval_alignment": "true"}, "[0].eval_alignment"),
        ({"interval": "0 minutes"}, "[0].interval"),
        ({"rules": [{"record": "a", "expr": "up", "debug": "yes"}]}, "[0].rules[0].debug"),
        ({"rules": [{"record": "a", "expr": "up", "update_entries_limit": "5"}]}, "[0].rules[0].update_entries_limit"),
        ({"rules": [{"alert": "a", "expr": "up", "for": "0 minutes"}]}, "[0].rules[0].for"),
    ],
)
def test_what_the_api_server_refuses_of_rules_is_told(group: dict[str, Any], where: str) -> None:
    fine: dict[str, Any] = {"name": "a", "rules": [{"alert": "a", "expr": "up", "for": "0", "debug": True}]}
    assert rule_problems([fine | {"limit": 5, "eval_alignment": False}]) == []
    assert [each.where for each in rule_problems([fine | group])] == [where]


def test_no_value_is_quoted() -> None:
    """It may be a secret in a wrong place."""
    secret = "s3cr3t-of-the-test"
    for path, _value, _where in WRONG:
        for value in (secret, [secret], {"a": [secret]}):
            told = [each for each in config_problems(spoilt(*path, value=value)) if "knows no key" not in each.what]
            named_keys = [each for each in told if "none of the" in each.what or "is no matcher" in each.what]
            assert secret not in str([each for each in told if each not in named_keys])


def test_a_huge_or_deep_expression_ends() -> None:
    assert alert_values.regex("(" * 5000) is not None
    assert alert_values.regex("a|" * 50_000) is None
