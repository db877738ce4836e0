"""What is a secret by the names around it: in diffs, in what is rendered, and in a backup; and what isn't."""

from __future__ import annotations

import base64
import json
import pathlib
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import backup, rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import changes, masked
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Hider

C = "Canary7Xq9"
CODED = base64.b64encode(f"u:{C}".encode()).decode()
BOT = f"https://bot.example.com/{C}"
TESTS = pathlib.Path(__file__).parents[4]
SECRET = rendered.secret_by(Hider([]))


def in_text(value: Any) -> Any:
    """As service values have it: a text in a map."""
    return {"services": [{"name": "a", "values": yaml.safe_dump({"a": value, "b": 1})}]}


SECRETS: list[Any] = [
    {"slack_configs": [{"api_url": BOT}]},
    {"webhook_configs": [{"url": BOT}]},
    {"webhook_configs": [{"url": f"https://bot.example.com?x={C}"}]},
    {"webhook": BOT},
    {"webhook": {"config": {"endpoint": BOT}}},
    {"webhooks": [BOT]},
    {"hook": BOT},
    {"SLACK_WEBHOOK": BOT},
    {"Webhook-URL": C},
    {"slackWebhookURL": C},
    {"env": [{"name": "SLACK_WEBHOOK", "value": BOT}]},
    {"env": [{"name": "PROXY_AUTH", "value": C}]},
    {"notifications": {"slack": {"url": BOT}}},
    {"type": "slack", "settings": {"url": BOT}},
    {"type": "webhook", "settings": {"url": BOT, "username": "u"}},
    {"type": "pagerduty", "settings": {"integrationKey": C}},
    {"pagerduty_configs": [{"routing_key": C}]},
    {"pagerduty_configs": [{"service_key": C}]},
    {"pushover_configs": [{"user_key": C * 3}]},
    {"auth": CODED},
    {"auth": C},
    {"auth": ["u", C]},
    {"basic_auth": f"u:{C}"},
    {"basicAuth": C},
    {"HTTP_AUTH": C},
    {"basic_auth_users": {"alice": C}},
    {"headers": {"X-Auth": C}},
    {"headers": {"x": f"Bearer {C}"}},
    {"headers": [{"name": "X-Auth", "value": C}]},
    {"jsonData": {"httpHeaderName1": "X", "httpHeaderValue1": C}},
    {"credentials": {"admin": C}},
    {"credentials": {"a": {"b": {"c": C}}}},
    {"credentials": {"key": C}},
    {"credentials": [C]},
    {"credential": C},
    {"secrets": {"key": C}},
    {"creds": {"x": C}},
    {"connectionString": f"Endpoint=sb://x;SharedAccessKeyName=a;Entity={C}"},
    {"dockerConfig": json.dumps({"auths": {"r": {"auth": CODED}}})},
    {"templating": {"list": [{"name": "api_token", "type": "custom", "query": C, "current": {"text": C}}]}},
    {"templating": {"list": [{"label": "Password", "type": "textbox", "options": [{"value": C}]}]}},
    {"args": ["--auth", C]},
    {"args": ["run --webhook " + BOT]},
    {"script": f"export AUTH={C}\nrun\n"},
    {"text": f'prefix {{"auth":"{C}"}}'},
    {"text": f"[smtp]\nauth = {C}\n"},
    {"json": json.dumps({"a": json.dumps({"auth": C})})},
    {"text": f"a: 1\n# https://hooks.slack.com/services/T0/B0/{C}\n"},
]


@pytest.mark.parametrize("value", [*SECRETS, *map(in_text, SECRETS)], ids=lambda value: json.dumps(value)[:60])
def test_a_secret_is_in_no_diff_and_its_object_is_saved_encrypted_only(value: Any) -> None:
    assert backup.may_hold_secret(value, SECRET)
    thing = {"kind": "Thing", "spec": value}
    told = str([(each.before, each.after) for each in [*changes(None, thing), *changes(thing, None)]])
    for shown in (json.dumps(masked(value)), json.dumps(masked(value, SECRET, "(mark)")), told):
        assert C not in shown
        assert CODED not in shown


PLAIN: list[Any] = [
    {"spec": {"credential": "aws-cluster-credential", "propagateCredentials": False}},
    {"credentials": {"credentials_secret_name": "a", "username_key": "username", "password_key": "password"}},
    {"credentials": {"create": False, "secretName": "a", "username": "admin", "type": "basic"}},
    {"credentials": {"name": "a", "key": "b"}},
    {"basic_auth": {"credentials_secret_name": "a", "username_key": "username", "password_key": "password"}},
    {"basicAuth": True, "basicAuthUser": "${username}"},
    {"auth": "basic"},
    {"auth": "oauth2"},
    {"auth": {"authenticator": "basicauth/metrics"}},
    {"auth": {"anonymous": {"enabled": True, "org_role": "Viewer"}, "generic": {"auth_url": "https://dex.example.com/auth"}}},
    {"webhook": {"enabled": True, "port": 9443, "image": {"repository": "quay.io/x/webhook", "tag": "v1"}}},
    {"webhook": {"url": {"host": None}, "timeoutSeconds": 10}},
    {"webhooks": [{"name": "a.example.com", "clientConfig": {"service": {"path": "/validate"}}}]},
    {"conversion": {"strategy": "Webhook"}},
    {"webhook": "alertmanager"},
    {"secrets": ["a", "b"]},
    {"secrets": {"create": False, "labels": {"team": "red"}}},
    {"env": [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "AUTH", "value": "none"}]},
    {"templating": {"list": [{"name": "cluster", "type": "custom", "query": "a,b", "current": {"value": "a"}}]}},
    {"templating": {"list": [{"name": "secret", "type": "query", "query": "label_values(kube_secret_info, x)"}]}},
    {"url": "https://vmauth.eu1.example.com/vls", "endpoint": "https://vmauth.eu1.example.com/vm/insert/0/api/v1/write"},
    {"notifiers": [{"url": "http://vmalertmanager-cluster:9093"}], "type": {"a": "b"}},
    {"author": "somebody", "authority": "https://dex.example.com/x", "oauth": {"name": "x"}},
]  # fmt: skip


@pytest.mark.parametrize("value", [*PLAIN, *map(in_text, PLAIN)], ids=lambda value: json.dumps(value)[:60])
def test_what_only_says_how_or_where_stays_plain(value: Any) -> None:
    assert masked(value) == value
    assert not backup.may_hold_secret(value, SECRET)


#: What of the example fleets' rendered objects was taken for a secret before, and says where one is, or how long it is.
KNOWN = {"secretName", "random_password_length", "privateKey", "secureJsonData"}


def files() -> list[pathlib.Path]:
    folders = (TESTS / "golden/rendered", TESTS / "sandbox/charts", TESTS / "sandbox/crds")
    return [
        each for folder in folders for each in sorted(folder.rglob("*")) if each.suffix in (".yaml", ".yml", ".json")
    ]


def differing(one: Any, other: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [found for key in one for found in differing(one[key], other.get(key), (*path, str(key)))]
    if isinstance(one, list) and isinstance(other, list):
        return [found for pair in zip(one, other, strict=True) for found in differing(*pair, path)]
    return [] if one == other else [path]


def test_nothing_of_rendered_fleets_charts_and_crds_is_taken_for_a_secret() -> None:
    taken, looked = [], 0
    for file in files():
        try:
            documents = list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            continue  # a template
        for document in documents:
            looked += 1
            paths = differing(document, masked(document, SECRET, "(mark)"))
            taken += [(file.name, *path) for path in paths if not set(path) & KNOWN]
    assert looked > 50
    assert taken == []
