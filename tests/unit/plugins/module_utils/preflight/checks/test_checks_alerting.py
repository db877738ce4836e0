"""What the user's Alertmanager reads, on facts as data."""

from __future__ import annotations

import pytest
from unit.situations import Case, assert_told, case_names, situation

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.alerting import secret_keys_of, secrets_of
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import alerting as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, OK, WARNING

HERE = {
    "mothership_host": "m",
    "mothership_in_batch": True,
    "alerting_secrets": (("alerting", "slack"), ("alerting", "pagerduty")),
}
CASES: list[Case] = [
    (
        checks.alertmanager_secrets,
        {**HERE, "secrets": {"alerting": None}},
        FAILED,
        r"^m: mothership_alertmanager_config: Secret alerting: not in kof, .*reads slack, pagerduty of it.*--from-f",
    ),
    (
        checks.alertmanager_secrets,
        {**HERE, "secrets": {"alerting": None}, "namespaces": {"kof": None}},
        WARNING,
        r"Secret alerting: not in kof",
    ),
    (
        checks.alertmanager_secrets,
        {**HERE, "secrets": {"alerting": {"slack": b"TOPSECRET", "pager-duty": b"TOPSECRET"}}},
        FAILED,
        r"Secret alerting: key pagerduty isn't in it \(there are: pager-duty, slack\), .*did you mean pager-duty",
    ),
    (
        checks.alertmanager_secrets,
        {**HERE, "secrets": {"alerting": {"slack": b"", "pagerduty": b"x"}}},
        FAILED,
        r"key slack is empty",
    ),
    (
        checks.alertmanager_secrets,
        {**HERE, "secrets": {"alerting": {"slack": b"x", "pagerduty": b"x"}}},
        OK,
        r"Alertmanager's Secrets: 1, with the keys that it reads",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_of_one_that_may_not_be_read_nothing_is_said_here():
    assert checks.alertmanager_secrets(situation(**HERE, unread={"Secret alerting": "403"})) == []


def test_each_key_is_found_wherever_it_is_read():
    folder = "/etc/vm/secrets"
    config = {
        "global": {"slack_api_url_file": f"{folder}/alerting/slack", "http_config": {"tls_config": {"ca_file": "x"}}},
        "receivers": [
            {"webhook_configs": [{"url_file": f"{folder}/alerting/slack"}, {"url_file": f"{folder}/other/url"}]},
            {"email_configs": [{"auth_password_file": f"{folder}/alerting/mail", "text": f"{folder}/no/file"}]},
        ],
    }
    assert secret_keys_of(config) == [("alerting", "slack"), ("other", "url"), ("alerting", "mail")]
    assert secrets_of(config) == ["alerting", "other"]
    assert secret_keys_of(None) == []
