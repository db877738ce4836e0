"""What a helm is started with. What it does then is modules/test_helm_release.py, with a real one."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import Helm, Registry
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings


def environment(tmp_path: pathlib.Path, settings: Settings) -> dict[str, str]:
    """As a program gets it that is started as helm."""
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o700)
    with Helm(str(program), settings, Registry(), scratch=str(tmp_path)) as helm:
        return dict(line.partition("=")[::2] for line in helm.act(["list"], 10).splitlines())


def test_the_way_to_the_runs_credentials_is_not_helms(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(exec_plugin.SHARED, "/proc/1/fd/3")
    monkeypatch.setenv("ANOTHER", "x")
    found = environment(tmp_path, Settings("https://a", ""))
    assert exec_plugin.SHARED not in found
    assert found["ANOTHER"] == "x"


@pytest.mark.parametrize(
    ("upper", "lower", "proxy", "both"),
    [
        # golang.org/x/net/http/httpproxy: getEnvAny("NO_PROXY", "no_proxy"), the first that isn't empty
        ("up.example.com", "low.example.com", None, "up.example.com,a.example.com"),
        ("", "low.example.com", None, "low.example.com,a.example.com"),
        (None, "low.example.com", None, "low.example.com,a.example.com"),
        ("up.example.com", None, None, "up.example.com,a.example.com"),
        (None, None, None, "a.example.com"),
        # Its kubeconfig says the proxy of the cluster.
        ("up.example.com", "low.example.com", "http://p", "up.example.com"),
        (None, "low.example.com", "http://p", "low.example.com"),
    ],
)
def test_no_proxy_has_one_meaning_in_both_spellings(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    upper: str | None,
    lower: str | None,
    proxy: str | None,
    both: str,
) -> None:
    for name, value in (("NO_PROXY", upper), ("no_proxy", lower)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    found = environment(tmp_path, Settings("https://a.example.com:6443", "", proxy=proxy))
    assert (found["NO_PROXY"], found["no_proxy"]) == (both, both)
