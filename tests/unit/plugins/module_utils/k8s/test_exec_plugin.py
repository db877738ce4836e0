"""Tests of module_utils/k8s/exec_plugin.py: real commands; what they print besides their answer must never be seen."""

from __future__ import annotations

import base64
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.exec_plugin import SHARED, credential, forget
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings

V1 = "client.authentication.k8s.io/v1"
WHERE = "kubeconfig /x/config, context c"
CANARY = "CANARY-hunter2"
Plugin = Callable[..., dict[str, Any]]


@pytest.fixture
def plugin(tmp_path: pathlib.Path) -> Plugin:
    """Writes a command from shell lines, which also notes each of its runs in `calls`; gives the kubeconfig's exec."""

    def write(*lines: str, **more: Any) -> dict[str, Any]:
        path = tmp_path / "get-token"
        path.write_text("\n".join(["#!/bin/sh", f"echo run >>{tmp_path}/calls", *lines, ""]))
        path.chmod(0o700)
        return {"apiVersion": V1, "command": str(path), "interactiveMode": "Never", **more}

    return write


@pytest.fixture
def calls(tmp_path: pathlib.Path) -> Callable[[], int]:
    file = tmp_path / "calls"
    return lambda: file.read_text().count("run") if file.exists() else 0


@pytest.fixture
def run() -> dict[str, str]:
    """The environment of a process of one run."""
    return {**os.environ, SHARED: exec_plugin.shared_memory()}


def answer(**status: Any) -> str:
    return f"echo '{json.dumps({'apiVersion': V1, 'kind': 'ExecCredential', 'status': status})}'"


def at(seconds: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat()


def refusal(spec: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ApiUnavailable) as caught:
        credential(spec, {}, WHERE, os.environ if environ is None else environ)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_what_a_plugin_gives(plugin: Plugin) -> None:
    assert credential(plugin(answer(token=" t\n".replace("\n", "\\n"))), {}, WHERE, os.environ).token == "t"
    pair = credential(plugin(answer(clientCertificateData="C", clientKeyData="K")), {}, WHERE, os.environ)
    assert (pair.token, pair.pem) == ("", b"C\nK")
    assert CANARY not in repr(credential(plugin(answer(token=CANARY)), {}, WHERE, os.environ))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (f"echo token {CANARY}", "no JSON"),
        ("true", "no JSON"),
        (f"echo '[\"{CANARY}\"]'", "no ExecCredential"),
        (
            f"echo '{json.dumps({'apiVersion': V1, 'kind': 'Secret', 'status': {'token': CANARY}})}'",
            "no ExecCredential",
        ),
        (answer(token=CANARY).replace("/v1", "/v1beta1"), f"isn't of {V1}"),
        (answer(token=CANARY).replace("status", "spec"), "no status"),
        (answer(), "neither a token nor a certificate"),
        (answer(token="", expirationTimestamp=at(9)), "neither a token nor a certificate"),
        (answer(token=[CANARY]), "aren't all texts"),
        (answer(token=CANARY, clientKeyData=CANARY), "certificate without a key"),
        (answer(clientCertificateData=CANARY), "certificate without a key"),
        (answer(token=f"a\\n{CANARY}"), "no header can carry"),
        (answer(token=f"ä{CANARY}"), "no header can carry"),
        (answer(token=CANARY, expirationTimestamp="soon"), "is no time"),
        (answer(token=CANARY, expirationTimestamp=1764360000), "is no time"),
        (answer(token=CANARY, expirationTimestamp="2026-11-28T12:00:00"), "no time zone"),
    ],
)
def test_what_is_no_credential_is_said_and_not_shown(plugin: Plugin, output: str, words: str) -> None:
    message = refusal(plugin(output, f"echo {CANARY} >&2", installHint="Install\n it"))
    assert words in message
    assert WHERE in message
    assert message.endswith(": Install it")


def test_one_that_fails_is_named_with_its_exit_code_and_hint(plugin: Plugin, capfd: pytest.CaptureFixture[str]) -> None:
    spec = plugin(f"echo {CANARY} >&2; echo {CANARY}; exit 3", args=["--secret", CANARY], installHint="Install it")
    message = refusal(spec)
    assert spec["command"] in message
    assert "exit code 3" in message
    assert message.endswith(": Install it")
    assert "signal 9" in refusal(plugin("kill -9 $$"))
    assert capfd.readouterr() == ("", "")


def test_one_that_is_not_there_is_named_with_its_hint(tmp_path: pathlib.Path) -> None:
    spec = {
        "apiVersion": V1,
        "command": "kubelogin-not-here",
        "interactiveMode": "Never",
        "installHint": "Install kubelogin",
    }
    assert refusal(spec) == (
        f"can't run kubelogin-not-here, the credential plugin of {WHERE} (it isn't on PATH): Install kubelogin"
    )
    assert "can't be found, or isn't executable" in refusal({**spec, "command": str(tmp_path)})
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"\0")
    nonsense.chmod(0o700)
    assert "Exec format error" in refusal({**spec, "command": str(nonsense)})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "exec.apiVersion"),
        ({"apiVersion": None}, "exec.apiVersion"),
        ({"command": None}, "exec.command"),
        ({"command": ["a"]}, "exec.command"),
        ({"command": "a\0b"}, "NUL"),
        ({"args": ["\ud800"]}, "surrogate"),
        ({"env": [{"name": "\udc80", "value": "b"}]}, "surrogate"),
        ({"args": "get-token"}, "exec.args"),
        ({"args": [1]}, "exec.args"),
        ({"env": {"A": "b"}}, "exec.env"),
        ({"env": [{"name": "A", "value": 1}]}, "exec.env"),
        ({"env": [{"name": "", "value": "b"}]}, "exec.env"),
        ({"env": [{"name": "A=", "value": "b"}]}, "exec can't"),
        ({"interactiveMode": None}, "exec.interactiveMode"),
        ({"interactiveMode": "never"}, "exec.interactiveMode"),
        ({"interactiveMode": "Always"}, "no terminal"),
    ],
)
def test_a_spec_that_client_go_refuses_runs_nothing(
    plugin: Plugin, calls: Callable[[], int], wrong: dict[str, Any], words: str
) -> None:
    assert words in refusal({**plugin(answer(token="t")), **wrong})
    assert calls() == 0


def test_one_that_hangs_is_ended_with_its_children(
    plugin: Plugin, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_plugin, "PATIENCE", 1.0)
    began = time.monotonic()
    message = refusal(plugin(f"sleep 600 & echo $! $$ >{tmp_path}/pids; wait"))
    assert time.monotonic() - began < 30
    assert "within 1 s" in message
    assert "log in" in message
    assert_gone((tmp_path / "pids").read_text().split())


def test_one_that_writes_without_end_is_ended_and_named(plugin: Plugin, tmp_path: pathlib.Path) -> None:
    began = time.monotonic()
    message = refusal(plugin(f"echo $$ >{tmp_path}/pids; yes s3cret"))
    assert time.monotonic() - began < 30
    assert "wrote more than 1 MiB" in message
    assert "s3cret" not in message
    assert_gone((tmp_path / "pids").read_text().split())


def assert_gone(pids: list[str]) -> None:
    end = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end, pids
        time.sleep(0.05)


def alive(pid: str) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_the_run_ends_the_plugin(plugin: Plugin, tmp_path: pathlib.Path, number: int) -> None:
    spec = plugin(f"sleep 600 & echo $! $$ >{tmp_path}/pids.new; mv {tmp_path}/pids.new {tmp_path}/pids; wait")
    asking = textwrap.dedent(
        f"""
        from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.exec_plugin import credential
        credential({spec!r}, {{}}, "x", {{}})
        """
    )
    with subprocess.Popen([sys.executable, "-c", asking], stderr=subprocess.DEVNULL, env=importable()) as process:
        end = time.monotonic() + 120
        while not (tmp_path / "pids").exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=120) != 0
    assert_gone((tmp_path / "pids").read_text().split())


def importable() -> dict[str, str]:
    """An environment in which another Python finds the collection where this one does."""
    root = pathlib.Path(exec_plugin.__file__).parents[6]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}


def test_the_processes_of_a_run_ask_once(plugin: Plugin, calls: Callable[[], int], run: dict[str, str]) -> None:
    """Actions are forked, modules are programs of their own: four of each at once."""
    spec = plugin("sleep 0.2", answer(token=CANARY, expirationTimestamp=at(3600)))
    asking = (
        "import os\nfrom ansible_collections.k0rdent.kof.plugins.module_utils.k8s.exec_plugin import credential\n"
        f"assert credential({spec!r}, {{}}, 'x', os.environ).token == {CANARY!r}"
    )
    environ = importable() | {SHARED: run[SHARED]}
    modules = [
        subprocess.Popen(["/bin/sh", "-c", f'{sys.executable} -c "$0"', asking], env=environ) for _again in range(4)
    ]
    children = []
    for _again in range(4):
        child = os.fork()
        if not child:
            os._exit(credential(spec, {}, "x", environ).token != CANARY)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert [module.wait(timeout=300) for module in modules] == [0] * 4
    assert calls() == 1
    assert oct(os.stat(run[SHARED]).st_mode)[-3:] == "600"


def test_another_account_is_asked_for_anew(plugin: Plugin, calls: Callable[[], int], run: dict[str, str]) -> None:
    """Whatever a plugin may go by: its environment, its arguments, the cluster."""
    spec = plugin(answer(token="t"))
    for each, cluster, environ in (
        (spec, {}, run),
        (spec, {}, {**run, "AWS_PROFILE": "production"}),
        ({**spec, "args": ["--role", "x"]}, {}, run),
        ({**spec, "env": [{"name": "AWS_PROFILE", "value": "staging"}]}, {}, run),
        ({**spec, "provideClusterInfo": True}, {"server": "https://a"}, run),
        ({**spec, "provideClusterInfo": True}, {"server": "https://b"}, run),
    ):
        before = calls()
        for _again in range(2):
            credential(each, cluster, WHERE, environ)
        assert calls() == before + 1


def test_what_expires_is_not_given_again(plugin: Plugin, calls: Callable[[], int], run: dict[str, str]) -> None:
    for seconds, more in ((-5, 2), (exec_plugin.MARGIN - 5, 2), (exec_plugin.MARGIN + 60, 1)):
        spec, before = plugin(answer(token="t", expirationTimestamp=at(seconds)), args=[str(seconds)]), calls()
        assert credential(spec, {}, WHERE, run).expires == pytest.approx(time.time() + seconds, abs=30)
        credential(spec, {}, WHERE, run)
        assert calls() == before + more
    before = calls()
    credential(spec, {}, WHERE, run, lasting=600)
    assert calls() == before + 1


def test_what_a_server_refused_is_not_given_again(
    plugin: Plugin, calls: Callable[[], int], run: dict[str, str]
) -> None:
    spec = plugin(answer(token="t"))
    credential(spec, {}, WHERE, run)
    forget("another's", None, run)
    credential(spec, {}, WHERE, run)
    assert calls() == 1
    forget("t", None, run)
    credential(spec, {}, WHERE, run)
    assert calls() == 2
    spec = plugin(answer(clientCertificateData="C", clientKeyData="K"), args=["certificate"])
    pem = credential(spec, {}, WHERE, run).pem
    forget("", pem, run)
    credential(spec, {}, WHERE, run)
    assert calls() == 4


@pytest.mark.parametrize("memory", ["", "/proc/0/fd/0", "broken"])
def test_without_shared_memory_each_asks(
    plugin: Plugin, calls: Callable[[], int], memory: str, run: dict[str, str]
) -> None:
    if memory == "broken":
        memory = run[SHARED]
        pathlib.Path(memory).write_text('{"a": {"tok')  # a process was killed while it wrote
    spec = plugin(answer(token="t"))
    assert credential(spec, {}, WHERE, {**run, SHARED: memory}).token == "t"
    assert calls() == 1


def test_one_that_hangs_is_waited_for_once_by_a_run(
    plugin: Plugin, calls: Callable[[], int], run: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("PATIENCE", 1.0), ("SLOW", 0.5)):
        monkeypatch.setattr(exec_plugin, name, seconds)
    spec = plugin("sleep 600", installHint="Install it")
    asked_first = refusal(spec, run)
    # Another process of the run, one that forgets what a server refused, and one with another account.
    assert refusal(spec, run) == asked_first
    forget("t", None, run)
    assert refusal(spec, run) == asked_first
    assert calls() == 1
    refusal(spec, {**run, "AWS_PROFILE": "staging"})
    assert calls() == 2
    # The next run, and this one after a while: it may have been chance.
    spec = plugin(answer(token="t"), installHint="Install it")
    assert credential(spec, {}, WHERE, {**run, SHARED: exec_plugin.shared_memory()}).token == "t"
    assert refusal(spec, run) == asked_first
    monkeypatch.setattr(exec_plugin, "SLOW_FAILURE_LASTS", 0.0)
    assert credential(spec, {}, WHERE, run).token == "t"
    assert calls() == 4
    credential(spec, {}, WHERE, run)
    assert calls() == 4
    # What is good for another still is kept.
    monkeypatch.setattr(exec_plugin, "SLOW_FAILURE_LASTS", 60.0)
    spec = plugin(answer(token="t", expirationTimestamp=at(300)), args=["soon"])
    credential(spec, {}, WHERE, run)
    plugin("sleep 600")
    for _again in range(2):
        with pytest.raises(ApiUnavailable, match="gave no answer"):
            credential(spec, {}, WHERE, run, lasting=600)
    assert credential(spec, {}, WHERE, run).token == "t"
    assert calls() == 6


def test_a_quick_failure_is_not_remembered(plugin: Plugin, run: dict[str, str]) -> None:
    refusal(plugin("exit 1"), run)
    assert credential(plugin(answer(token="t")), {}, WHERE, run).token == "t"


def test_what_the_plugin_is_told(plugin: Plugin, tmp_path: pathlib.Path, run: dict[str, str]) -> None:
    settings = Settings("https://a", WHERE, ca_pem=b"pem", tls_server_name="b", proxy="http://p:1")
    about = exec_plugin.cluster_info(settings, {"audience": "x"})
    note = (
        f'printf %s "$KUBERNETES_EXEC_INFO" >{tmp_path}/info; env >{tmp_path}/env; test -t 0 || cat >{tmp_path}/stdin'
    )
    credential(
        plugin(note, answer(token="t"), provideClusterInfo=True, env=[{"name": "A", "value": "b"}]), about, "", run
    )
    assert json.loads((tmp_path / "info").read_text()) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "https://a",
                "tls-server-name": "b",
                "certificate-authority-data": base64.b64encode(b"pem").decode(),
                "proxy-url": "http://p:1",
                "config": {"audience": "x"},
            },
        },
    }
    environment = (tmp_path / "env").read_text()
    assert "\nA=b\n" in environment
    assert SHARED not in environment
    assert (tmp_path / "stdin").read_text() == ""
