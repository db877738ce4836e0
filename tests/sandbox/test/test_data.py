"""The data path's parts: which programs live objects ask for, the way by names, and what is scraped."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sandbox.data import proxy, sender, wanted


def _secret(name: str, **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
    return {"metadata": {"name": name, "namespace": "kof"}, "data": data}


def _user(**spec: Any) -> dict[str, Any]:
    """As the chart makes it, but for what a test changes."""
    targets = [
        {
            "paths": [path],
            "drop_src_path_prefix_parts": 1,
            "static": {"url": f"http://{host}.kof.svc:{port}"},
        }
        for path, host, port in (
            ("/vls/.*", "kof-storage-victoria-logs-single-server", 9428),
            ("/vm/select/.*", "vmselect-cluster", 8481),
            ("/vm/insert/.*", "vminsert-cluster", 8480),
        )
    ]
    reference = {"name": "storage-vmuser-credentials", "key": "password"}
    return {
        "metadata": {"name": "vmuser-select", "namespace": "kof"},
        "spec": {"username": "u", "passwordRef": reference, "targetRefs": targets, **spec},
    }


STORES = {
    "vmselect-cluster": "http://m",
    "vminsert-cluster": "http://m",
    "-victoria-logs-single-server": "http://l",
}
CREDENTIALS = _secret("storage-vmuser-credentials", username="u", password='p"\n: {')


def test_vmauth_is_configured_by_the_user_that_is_there():
    (user,) = yaml.safe_load(wanted.vmauth_config([_user()], [CREDENTIALS], STORES))["users"]
    assert (user["username"], user["password"]) == ("u", 'p"\n: {')
    assert user["url_map"] == [
        {"src_paths": ["/vls/.*"], "url_prefix": "http://l", "drop_src_path_prefix_parts": 1},
        {"src_paths": ["/vm/select/.*"], "url_prefix": "http://m", "drop_src_path_prefix_parts": 3},
        {"src_paths": ["/vm/insert/.*"], "url_prefix": "http://m", "drop_src_path_prefix_parts": 3},
    ]


def test_what_a_user_lacks_is_lacking_in_vmauth():
    def users(user: dict[str, Any], *secrets: dict[str, Any]) -> list[Any]:
        found: list[Any] = yaml.safe_load(wanted.vmauth_config([user], secrets, STORES))["users"]
        return found

    assert users(_user()) == []
    assert users(_user(), _secret("storage-vmuser-credentials", pass_word="p")) == []
    assert users(_user(username=""), CREDENTIALS) == []
    elsewhere = [{"paths": ["/x/.*"], "static": {"url": "http://other.kof.svc:1/y"}}]
    (user,) = users(_user(targetRefs=elsewhere), CREDENTIALS)
    assert user["url_map"] == [
        {"src_paths": ["/x/.*"], "url_prefix": "http://127.0.0.1:9/y", "drop_src_path_prefix_parts": 0}
    ]


def test_a_name_is_known_once_there_is_a_load_balancer():
    ingresses: list[dict[str, Any]] = [
        {"metadata": {"name": name}, "spec": {"rules": [{"host": host}]}}
        for name, host in (("vmauth-cluster", "vmauth.eu.x"), ("grafana-vm-ingress", "grafana.eu.x"))
    ]
    waiting: list[dict[str, Any]] = [{"status": {"loadBalancer": {}}}, {"status": {}}]
    balanced = [*waiting, {"status": {"loadBalancer": {"ingress": [{"hostname": "a-1.elb.amazonaws.com"}]}}}]
    assert wanted.hosts_of_vmauth(ingresses, waiting) == []
    assert wanted.hosts_of_vmauth(ingresses, balanced) == ["vmauth.eu.x"]


def test_the_overlay_changes_what_only_kubernetes_gives_and_nothing_else():
    config = {
        "exporters": {"otlphttp": {}, "prometheusremotewrite": {}},
        "processors": {"batch": {}, "k8sattributes": {}},
        "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}, "filelog": {}, "prometheus": {}},
    }
    laid = wanted.overlay(
        config,
        logs=pathlib.Path("/logs"),
        allocator="http://127.0.0.1:1/c",
        identity="c",
        ports={"grpc": 2, "http": 3, "telemetry": 4},
    )
    assert set(laid) == {"service", "receivers", "processors"}
    assert set(laid["service"]) == {"telemetry"}
    assert laid["receivers"] == {
        "otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:2"}, "http": {"endpoint": "127.0.0.1:3"}}},
        "filelog": {"include": ["/logs/*/*/*.log"], "exclude": ["/logs/*/otc-container/*.log"]},
        "prometheus": {
            "config": {"scrape_configs": []},
            "target_allocator": {"endpoint": "http://127.0.0.1:1/c", "interval": "5s", "collector_id": "c"},
        },
    }
    assert laid["processors"] == {"k8sattributes": {"auth_type": "kubeConfig"}}
    other = wanted.overlay(
        {"receivers": {"k8s_cluster": {}, "k8sobjects": {}}},
        logs=pathlib.Path("/logs"),
        allocator="",
        identity="k",
        ports={"telemetry": 4},
    )
    assert (other["receivers"], other.get("processors")) == ({"k8s_cluster": {"auth_type": "kubeConfig"}}, None)


@pytest.fixture(name="child")
def _child(tmp_path):
    pods = [
        {
            "metadata": {"name": name, "namespace": "kof", "uid": f"00000000-0000-4000-8000-00000000000{number}"},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": phase},
        }
        for number, (name, phase) in enumerate((("one", "Running"), ("two", "Pending")))
    ]
    monitors = [
        {"metadata": {"name": f"kof-collectors-{name}", "namespace": "kof"}}
        for name in ("opencost", "kube-state-metrics")
    ]
    return sender.Child("child-1", tmp_path / "pods", monitors, pods, ["node-0", "node-1"])


def test_what_is_scraped_follows_the_monitors_that_are_there(child):
    serving = sender.Sender(0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    try:
        serving.children["child-1"] = child

        def get(path: str) -> str:
            with urllib.request.urlopen(serving.base("child-1") + path) as answer:
                return answer.read().decode()

        jobs = json.loads(get("/scrape_configs"))
        assert set(jobs) == {
            f"serviceMonitor/kof/kof-collectors-{name}/0" for name in ("opencost", "kube-state-metrics")
        }
        job = jobs["serviceMonitor/kof/kof-collectors-opencost/0"]
        quoted = urllib.parse.quote(job["job_name"], safe="")
        (group,) = json.loads(get(f"/jobs/{quoted}/targets?collector_id=x"))
        with urllib.request.urlopen(f"http://{group['targets'][0]}{job['metrics_path']}") as answer:
            assert 'node_total_hourly_cost{node="node-0",instance="node-0"} 0.0416' in answer.read().decode()
        assert 'kube_pod_status_phase{namespace="kof",pod="two",phase="Pending"} 1.0' in get(
            "/metrics/kof-collectors-kube-state-metrics"
        )
        with pytest.raises(urllib.error.HTTPError):
            get("/metrics/kof-collectors-something-else")
        child.monitors = []
        assert json.loads(get("/scrape_configs")) == {}
    finally:
        serving.shutdown()
        serving.server_close()


def test_logs_have_the_runtimes_form_and_end_with_their_pod(child):
    now = datetime.datetime(2026, 11, 29, 12, 0, 0, 123456, datetime.UTC)
    sender.write_logs(child, 7, now)
    (file,) = child.logs.rglob("*.log")
    assert file.relative_to(child.logs).as_posix() == "kof_one_00000000-0000-4000-8000-000000000000/main/0.log"
    lines = file.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("2026-11-29T12:00:00.123456000Z std") for line in lines)
    assert {line.split()[2] for line in lines} == {"F", "P"}
    child.pods = []
    sender.write_logs(child, 8, now)
    assert not list(child.logs.rglob("*.log"))


@pytest.fixture(name="way")
def _way() -> Iterator[tuple[proxy.Proxy, int]]:
    """A proxy that knows `vmauth.here`, behind which an echo is; and the port that nobody listens on."""
    echo = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = echo.accept()
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(100).upper())

    threading.Thread(target=answer, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    known = {"vmauth.here": ("127.0.0.1", echo.getsockname()[1]), "vmauth.down": ("127.0.0.1", closed)}
    serving = proxy.Proxy(0, known.get)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving, serving.server_address[1]
    serving.shutdown()
    serving.server_close()
    echo.close()


@pytest.mark.parametrize(
    ("first", "answered"),
    [
        ("CONNECT vmauth.here:443 HTTP/1.1", "200"),
        ("CONNECT vmauth.down:443 HTTP/1.1", "503"),
        ("CONNECT vmauth.elsewhere:443 HTTP/1.1", "502"),
        ("CONNECT vmauth.here:80 HTTP/1.1", "502"),
        ("GET http://vmauth.here/ HTTP/1.1", "405"),
    ],
)
def test_the_way_knows_the_sandboxs_names_and_no_others(way, first, answered):
    with socket.create_connection(("127.0.0.1", way[1])) as connection:
        connection.sendall(f"{first}\r\nHost: x\r\n\r\n".encode())
        stream = connection.makefile("rb")
        assert stream.readline().split()[1].decode() == answered
        while stream.readline().strip():
            pass
        if answered == "200":
            connection.sendall(b"hello")
            assert stream.read(5) == b"HELLO"


def _alertmanager(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "cluster", "namespace": "kof"}, "spec": spec}


def test_the_alertmanager_is_configured_by_what_is_live(tmp_path):
    config = tmp_path / "alertmanager.yaml"
    text = "route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{api_url_file: /etc/vm/secrets/slack/url}]}]\n"
    assert wanted.alertmanager(_alertmanager(configRawYaml="\n  \n"), [], tmp_path) == {config: wanted.NOBODY}
    assert wanted.alertmanager(_alertmanager(configRawYaml=text, secrets=["slack"]), [], tmp_path) is None
    files = wanted.alertmanager(
        _alertmanager(configRawYaml=text, secrets=["slack"]), [_secret("slack", url="https://x")], tmp_path
    )
    assert files is not None
    assert files[tmp_path / "secrets" / "slack" / "url"] == "https://x"
    assert f"{tmp_path}/secrets/slack/url" in files[config]
    # A Secret of the configuration goes before its text.
    files = wanted.alertmanager(
        _alertmanager(configRawYaml=text, configSecret="mine"),
        [_secret("mine", **{"alertmanager.yaml": "a: b"})],
        tmp_path,
    )
    assert files == {config: "a: b"}


def test_rules_are_a_file_for_each_object():
    rule = {"metadata": {"name": "a", "namespace": "kof"}, "spec": {"groups": [{"name": "b", "rules": []}]}}
    assert wanted.rule_file(rule) == "kof-a.yaml"
    assert yaml.safe_load(wanted.rules_text(rule)) == {"groups": [{"name": "b", "rules": []}]}
    assert yaml.safe_load(wanted.rules_text({**rule, "spec": {}})) == {"groups": []}
