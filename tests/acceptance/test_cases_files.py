"""What runs leave on the controller: files and facts; and what of a cluster's text a terminal gets."""

from __future__ import annotations

import json
import pathlib
import unicodedata
from typing import Any

import left_behind
import pytest
from left_behind import assert_no_key_told, left_in, plugins_calls
from support import Sandbox

by_plugin, folders = pytest.fixture(left_behind.by_plugin), pytest.fixture(left_behind.folders)


def test_a_run_asks_an_exec_plugin_once_and_leaves_no_file_and_no_fact(
    fresh_sandbox: Sandbox, by_plugin: pathlib.Path, folders: dict[str, str]
) -> None:
    run = fresh_sandbox.playbook(
        "site",
        "--check",
        "--diff",
        "-vvv",
        "-e",
        f"kof_kubeconfig={by_plugin}",
        ANSIBLE_CACHE_PLUGIN="jsonfile",
        **folders,
    )
    assert run.code == 0, run.output
    # Actions and modules, each a process of its own.
    assert {event["action"] for event in run.events if event["event"] == "ok"} >= {
        "k0rdent.kof.fleet_preflight",
        "k0rdent.kof.fleet_apply",
        "k0rdent.kof.helm_release",
        "k0rdent.kof.external_dns_access_key",
    }
    assert plugins_calls(by_plugin) == 1
    assert left_in(folders) == []
    with_facts = {event["action"] for event in run.events if "ansible_facts" in event.get("result", {})}
    assert with_facts <= {"ansible.builtin.set_fact"}  # of core, which keeps it in memory
    assert_no_key_told(run, by_plugin)
    # Later layers know all the same what isn't there only because nothing was changed.
    waited = [event["result"] for event in run.events if event.get("action") == "k0rdent.kof.fleet_wait"]
    assert ["Namespace", "kof"] in waited[0]["pending"]


# A regional cluster that somebody made to be read: what must not act on a terminal, and what must not be evaluated.
TITLE, RED, BACKWARDS = "\x1b]0;owned\a\x1b[2J", "\x9b31mred", "\u202edne eht"


def hostile(name: str, pwned: pathlib.Path) -> dict[str, Any]:
    template = f"{{{{ lookup('pipe', 'touch {pwned}') }}}}"
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": name,
            "namespace": "kcm-system",
            "labels": {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "sandbox"},
            "annotations": {
                "k0rdent-kof/regional-domain": template + TITLE,
                "note": f"{RED}\n{BACKWARDS}\nall is well",
            },
        },
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws-cluster-identity-cred",
            "dryRun": True,
            "config": {"region": template + BACKWARDS + RED, "clusterLabels": {}, f"key{RED}": TITLE},
        },
    }


def test_what_a_cluster_says_does_nothing_to_a_terminal_and_is_no_template(
    fresh_sandbox: Sandbox, tmp_path: pathlib.Path
) -> None:
    pwned, name = tmp_path / "pwned", "aws-us-east-2"
    fresh_sandbox.kubectl("create", "-f", "-", stdin=json.dumps(hostile(name, pwned)))
    try:
        run = fresh_sandbox.playbook("site", "--check", "--diff", "--limit", f"mothership,{name}", "-vv")
    finally:
        fresh_sandbox.kubectl("delete", "clusterdeployment", "-n", "kcm-system", name)
    assert run.code == 0, run.output
    powers = {each for each in run.output if unicodedata.category(each) in ("Cc", "Cf", "Cs")}
    assert powers <= {"\n", "\t"}
    assert not pwned.exists()
    # It is told all the same, or this proves nothing.
    for seen in (r"\x1b]0;owned\x07\x1b[2J", r"\x9b31mred", r"\u202edne eht"):
        assert seen in run.output, run.output
