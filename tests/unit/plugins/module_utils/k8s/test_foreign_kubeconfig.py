"""Kubeconfigs out of Secrets: what is taken of them, and what never is."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import foreign_kubeconfig


def packed(user: dict[str, Any] | None = None, **cluster: Any) -> str:
    config = {
        "current-context": "one",
        "contexts": [
            {"name": "other", "context": {"cluster": "other", "user": "other"}},
            {"name": "one", "context": {"cluster": "one", "user": "one"}},
        ],
        "clusters": [
            {"name": "other", "cluster": {"server": "https://other:6443"}},
            {"name": "one", "cluster": {"server": "https://one:6443", **cluster}},
        ],
        "users": [{"name": "one", "user": user if user is not None else {"token": "t"}}],
    }
    return base64.b64encode(yaml.safe_dump(config).encode()).decode()


def test_the_current_contexts_cluster_and_user_alone() -> None:
    found = foreign_kubeconfig.read(packed(**{"proxy-url": "http://proxy:3128", "tls-server-name": "x"}))
    assert found is not None
    assert found.config["clusters"][0]["cluster"] == {
        "server": "https://one:6443",
        "proxy-url": "http://proxy:3128",
        "tls-server-name": "x",
    }
    assert found.config["users"][0]["user"] == {"token": "t"}
    assert found.has_login
    assert "other" not in str(found.config)


def test_no_command_and_no_file_of_this_machine() -> None:
    user = {"exec": {"command": "touch"}, "tokenFile": "/etc/shadow", "client-key": "/root/key"}
    found = foreign_kubeconfig.read(packed(user, **{"certificate-authority": "/etc/passwd"}))
    assert found is not None
    assert found.config["users"][0]["user"] == {}
    assert found.config["clusters"][0]["cluster"] == {"server": "https://one:6443"}
    assert (found.has_login, found.left_out) == (False, ("client-key", "exec", "tokenFile"))


@pytest.mark.parametrize("text", ["", "!", base64.b64encode(b"[clouds]").decode(), base64.b64encode(b"- 1").decode()])
def test_other_values_are_none(text: str) -> None:
    assert foreign_kubeconfig.read(text) is None


def test_of_a_secret_cluster_apis_key_first() -> None:
    first, usual = packed(server="https://first:1"), packed()
    found = foreign_kubeconfig.in_secret({"data": {"a": first, "value": usual, "z": "!"}})
    assert found is not None
    assert found.config["clusters"][0]["cluster"]["server"] == "https://one:6443"
    assert foreign_kubeconfig.in_secret({"data": {"a": "!"}}) is None
    assert foreign_kubeconfig.in_secret({}) is None
