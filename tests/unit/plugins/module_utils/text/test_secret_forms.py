"""Texts that are secrets by their form, and those that only look like it."""

from __future__ import annotations

import base64
import json
import time

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.text import secret_forms

C = "Canary7Xq9"


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECRETS = [
    f"https://hooks.slack.com/services/T0/B0/{C}",
    f"HTTPS://HOOKS.SLACK.COM:443/services/T0/B0/{C}",
    f"hooks.slack.com/services/T0/B0/{C}",
    f"https%3A%2F%2Fhooks.slack.com%2Fservices%2FT0%2FB0%2F{C}",
    rf"https:\/\/hooks.slack.com\/services\/T0\/B0\/{C}",
    f"see https://hooks.slack.com/workflows/T0/B0/{C}, please",
    f"https://example.webhook.office.com/webhookb2/{C}@1/IncomingWebhook/{C}/2",
    f"https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig={C}",
    f"https://discord.com/api/webhooks/123/{C}",
    f"https://ptb.discordapp.com/api/v10/webhooks/123/{C}",
    f"https://api.telegram.org/bot123:{C}/sendMessage",
    f"https://events.eu.pagerduty.com/integration/{C}/enqueue",
    f"https://chat.googleapis.com/v1/spaces/A/messages?key=k1&token={C}",
    f"https://hc-ping.com/{C}",
    f"https://mattermost.example.com/hooks/{C}{C}",
    f"https://rocket.example.com/hooks/a1/{C}{C}",
    f"https://h.example.com/incoming-webhook/{C}{C}",
    f"https://h/x?a=b&sig={C}",
    f"https://h/?X-Amz-Signature={C}&x=y",
    f"https://h/?key={C}",
    f"https://h/?auth={C}#top",
    f"Bearer {C}",
    f"curl -H 'X: bearer {C}'",
    f"GenieKey {C}",
    f"Token {C}{C}",
    f"Authorization=Basic%20{coded('u:' + C)}",
    f"AWS4-HMAC-SHA256 Credential={C}/20260301/eu/s3",
    f"u:{C}@tcp(db:3306)/x",
    f"machine h login u password {C}",
    f"-----BEGIN EC PRIVATE KEY-----\n{C}\n-----END EC PRIVATE KEY-----\n",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{C}\n",
    f"-----BEGIN RSA PRIVATE KEY-----{C}",
    f"PuTTY-User-Key-File-3: ssh-rsa\n{C}\n",
    "AKIAIOSFODNN7EXAMPLE",
    "AIza" + (C * 4)[:35],
    "ghp_" + C * 4,
    "github_pat_" + C * 3,
    "glpat-" + C * 2,
    "xoxb-1-" + C,
    "glsa_" + C * 4,
    "sk_live_" + C * 2,
    "sk-" + C * 3,
    "hvs." + C * 3,
    f"SG.{C * 2}.{C * 2}",
    "123456789:AA" + C * 4,
    f"eyJhbGciOiJI.eyJzdWIiOiIx.{C}",
    "AGE-SECRET-KEY-1" + C * 6,
    "alice:$2y$10$" + C * 3,
    "alice:$apr1$" + C * 3,
    "{SSHA}" + C * 3,
]


#: Nothing else is in the text.
CODED = [
    coded(f"-----BEGIN EC PRIVATE KEY-----\n{C}\n-----END EC PRIVATE KEY-----\n"),
    coded(json.dumps({"auths": {"registry": {"auth": C}}})),
    coded(f"user:{C}"),
    "\n".join(coded(f"user:{C}{C}{C}")[at : at + 16] for at in range(0, 48, 16)),
    coded(f"apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user: {{token: {C}}}\n"),
]


@pytest.mark.parametrize("text", [*SECRETS, *CODED])
def test_a_secret_is_found_and_taken_out_in_whatever_it_stands(text: str) -> None:
    assert secret_forms.found(text)
    for around in () if text in CODED else (f"a {text}", f'x="{text}"\n', f"{text}\nb: c\n"):
        assert secret_forms.found(around)
    shown = secret_forms.hidden(text, "(hidden)")
    assert "(hidden)" in shown
    assert C not in shown
    assert coded(f"u:{C}") not in shown
    assert secret_forms.hidden(shown, "(hidden)") == shown


@pytest.mark.parametrize(
    "text",
    [
        "oci://ghcr.io/k0rdent/kof/charts",
        "registry.example.com:5000/kof/operator:v1.2.3@sha256:" + "0a1b2c3d" * 8,
        "sha256:" + "0a1b2c3d" * 8,
        "https://github.com/k0rdent/kof/blob/" + "0a1b2c3d" * 5 + "/charts/kof/values.yaml",
        "https://vmauth.eu1.example.com/vm/insert/0/prometheus/api/v1/write",
        "https://grafana.example.com/d/ab12cd34ef56/costs?orgId=1&from=now-6h&var-cluster=eu1&viewPanel=2",
        "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/",
        "https://api.slack.com/messaging/webhooks",
        "https://learn.example.com/webhooks/getting-started-with-incoming-webhooks",
        "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
        "https://h/?token=${TOKEN}&key=$(KEY)x",
        "https://h/?key={{ .Values.key }}",
        "basic authentication is used, bearer tokens are not",
        "Bearer authentication",
        "the token isn't here, nor is its basic-auth-plugin",
        "Basic understanding of 2 things",
        "kube-state-metrics-and-more",
        "abcdefghijklmnopqrstuvwxyz",
        "aws-us-east-2-storage-vmuser-credentials",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSQo=",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        'sum(rate(container_cpu_usage_seconds_total{image!=""}[5m])) by (pod)',
        "a description of the sk-learn model and of task-2",
        "$2 and $5 are arguments; $6$",
        "postgres://db.example.com/kof",
        "",
        "x",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert not secret_forms.found(text)
    assert secret_forms.hidden(text, "(hidden)") == text


@pytest.mark.parametrize(
    "text",
    [
        "a." * 20_000 + "webhook.office hooks.slack logic.azure hook",
        "://" * 10_000 + "/hook",
        "a:" * 20_000 + "@tcp(",
        "-----BEGIN " + "A " * 20_000 + "PRIVATE KEY",
        "?token=" * 10_000,
        "machine login password " * 4_000,
        "Bearer+" * 20_000,
        "A" * 16 + "\n" * 60_000 + "!",
    ],
)
def test_a_long_text_that_begins_like_one_again_and_again_takes_no_time_that_grows_with_its_square(text: str) -> None:
    """None of these ended in a minute, the last in half of one, where repetitions had no bounds."""
    began = time.process_time()
    assert len(secret_forms.hidden(text, "(hidden)")) <= 2 * len(text)
    assert time.process_time() - began < 10
