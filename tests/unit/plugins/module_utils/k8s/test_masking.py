"""A module masks the secrets of an inline kubeconfig, and nothing else of it."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.parameters import _list_no_log_values, remove_values

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import masking
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import CONNECTION_OPTIONS

OUTPUT = "PromxyServerGroup (kof.k0rdent.mirantis.com/v1alpha1) of cluster here, https://h:6443, context us, true"
CONTENT = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "us",
    "contexts": [{"name": "us", "context": {"cluster": "here", "user": "u"}}],
    "clusters": [{"name": "here", "cluster": {"server": "https://h:6443", "proxy-url": "http://me:CANARY-proxy@p"}}],
    "users": [
        {
            "name": "u",
            "user": {
                "token": "CANARY-token\n",
                "username": "true",
                "password": "CANARY-password",
                "client-key-data": "Q0FOQVJZLWtleQ==",
                "exec": {
                    "command": "here",
                    "args": ["us", "--client-secret=CANARY-argument", "--token", "CANARY-following"],
                    "env": [{"name": "E", "value": "CANARY-env"}],
                },
                "auth-provider": {"name": "oidc", "config": {"refresh-token": "CANARY-refresh"}},
            },
        }
    ],
}


def masked(given: Any, output: Any, **more: Any) -> Any:
    spec = {**CONNECTION_OPTIONS, "registry_password": {"type": "str", "no_log": True}, "chart_ref": {"type": "str"}}
    params = {"kubeconfig": given, **more}
    module: Any = types.SimpleNamespace(
        params=params, argument_spec=spec, no_log_values=set(_list_no_log_values(spec, params))
    )
    masking.mask(module)
    return remove_values(output, module.no_log_values)


@pytest.mark.parametrize("given", [CONTENT, yaml.safe_dump(CONTENT), json.dumps(CONTENT)])
def test_only_secrets_of_a_kubeconfig_are_masked(given: Any) -> None:
    assert masked(given, OUTPUT) == OUTPUT
    shown = repr(masked(given, given))
    assert "CANARY" not in shown
    assert "Q0FO" not in shown
    assert "https://h:6443" in shown
    assert "CANARY" not in masked(given, "CANARY-key, CANARY-token and http://me:CANARY-proxy@p")


def test_other_options_stay_masked_and_paths_are_shown() -> None:
    assert masked(CONTENT, "see us", registry_password="us") == "see ********"
    assert masked(None, "see CANARY-key", registry_password="CANARY-key\n") == "see ********"
    assert masked("/etc/kof/config", "kubeconfig /etc/kof/config") == "kubeconfig /etc/kof/config"
    assert masked(None, "https://me:CANARY@h/c CANARY", chart_ref="https://me:CANARY@h/c") == (
        "https://me:********@h/c ********"
    )
    assert masked(None, "of CANARY", host="me:CANARY@h") == "of ********"


@pytest.mark.parametrize(
    "given",
    [
        "users: [{user: {token: CANARY-token\n",
        {"users": [{"user": {"token": ["CANARY-token"], "exec": "CANARY-token", "auth-provider": "CANARY-token"}}]},
        {"users": "CANARY-token", "clusters": [{"cluster": ["CANARY-token"]}]},
        ["CANARY-token"],
        {"users": [{"user": {"token": "CANARY-token", "exec": {"command": "here"}}}]},
        {"users": [{"user": {"token": "CANARY-token", "exec": {"command": "here", "args": [], "env": []}}}]},
        {"users": [{"user": {"exec": {"args": 5, "env": "CANARY-env"}}}]},
        {"users": [{"user": {"exec": {"args": "--token=CANARY-token", "env": {"E": "CANARY-env"}}}}]},
        {"users": [{"user": {"exec": {"args": [["--token"], None], "env": [["CANARY-env"], 5]}}}]},
    ],
)
def test_a_malformed_one_is_masked_where_it_may_be_secret(given: Any) -> None:
    assert "CANARY" not in repr(masked(given, given))


def test_a_short_secret_is_masked_from_the_one_threshold_on() -> None:
    content = {**CONTENT, "users": [{"name": "me", "user": {"token": "xyz"}}, {"name": "b", "user": {"token": "kl"}}]}
    assert "xyz" in masking.secrets_in(content)
    assert masked(content, "xyz and kl") == "******** and kl"
