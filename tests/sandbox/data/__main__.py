"""Keeps real programs running for what the clusters' live objects ask for: `python -m sandbox.data`.

May hold: which cluster is asked for what, how often, and starting and ending programs. May not hold: what a program's
configuration is (wanted.py).
"""

from __future__ import annotations

import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable

import yaml

from sandbox import binaries, cluster, data, processes
from sandbox import state as state_files
from sandbox.api import Api, ApiFailure
from sandbox.certificates import Authority
from sandbox.data import proxy, sender, wanted
from sandbox.data.wanted import Object, Program
from sandbox.state import SandboxError

SECONDS = 2.0
NAMESPACE = "kof"
PROMXY_SECRET = "kof-mothership-promxy-config"

_LISTS = {
    "users": "/apis/operator.victoriametrics.com/v1beta1/vmusers",
    "rules": "/apis/operator.victoriametrics.com/v1beta1/vmrules",
    "alerts": f"/apis/operator.victoriametrics.com/v1beta1/namespaces/{NAMESPACE}/vmalerts",
    "alertmanagers": f"/apis/operator.victoriametrics.com/v1beta1/namespaces/{NAMESPACE}/vmalertmanagers",
    "collectors": "/apis/opentelemetry.io/v1beta1/opentelemetrycollectors",
    "monitors": "/apis/monitoring.coreos.com/v1/servicemonitors",
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
    "services": "/api/v1/services",
    "secrets": f"/api/v1/namespaces/{NAMESPACE}/secrets?fieldSelector=type%3DOpaque",
    "pods": "/api/v1/pods",
    "nodes": "/api/v1/nodes",
}


class Asked:
    """What a cluster's API server has, asked as needed; a kind that it doesn't serve has none."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __call__(self, what: str) -> list[Object]:
        answer = self._api.get(_LISTS[what])
        found: list[Object] = answer["items"] if answer else []
        return found


class Keeper:
    """The loop, and what it has seen."""

    def __init__(self, state: pathlib.Path) -> None:
        self.state = state
        self.folder = data.folder(state)
        self.tools = binaries.built_for_data()
        if self.tools is None:
            raise SandboxError("the programs of the data path aren't built: python -m sandbox build --data")
        self.ports = state_files.ports(state, data.NAME, data.PORTS)
        self.authority = Authority(self.folder, "load balancers")
        self.names: dict[str, tuple[str, int]] = {}
        self.sender = sender.Sender(self.ports["sender"])
        self.proxy = proxy.Proxy(self.ports["proxy"], lambda host: self.names.get(host))
        self.started: dict[str, dict[str, Program]] = {}
        self.rules: dict[str, str] = {}

    # -- what a cluster asks for

    def regional(self, name: str, asked: Asked) -> tuple[list[Program], list[str]]:
        """Its programs, and the names that lead to it; none where there is no VMUser."""
        users = asked("users")
        if not users:
            return [], []
        folder = self.folder / name
        ports = state_files.ports(self.state, f"data-{name}", ("metrics", "logs"))
        stores = {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
        by_service = {
            "vmselect-cluster": stores["metrics"],
            "vminsert-cluster": stores["metrics"],
            "-victoria-logs-single-server": stores["logs"],
        }
        hosts = wanted.hosts_of_vmauth(asked("ingresses"), asked("services"))
        config = folder / "vmauth.yaml"
        programs = [
            Program(
                "victoria-metrics",
                "victoria-metrics",
                (f"-storageDataPath={folder / 'metrics'}", f"-httpListenAddr=127.0.0.1:{ports['metrics']}",
                 "-retentionPeriod=1d", "-memory.allowedBytes=64MiB"),
                ports=f"data-{name}",
            ),
            Program(
                "victoria-logs",
                "victoria-logs",
                (f"-storageDataPath={folder / 'logs'}", f"-httpListenAddr=127.0.0.1:{ports['logs']}",
                 "-retentionPeriod=1d", "-memory.allowedBytes=64MiB"),
                ports=f"data-{name}",
            ),
        ]  # fmt: skip
        if hosts:
            certificate, key = self._certificate(folder, hosts)
            address = f"{self._address(name)}:{self.ports['tls']}"
            programs.append(
                Program(
                    "vmauth",
                    "vmauth",
                    (f"-auth.config={config}", "-configCheckInterval=1s", f"-httpListenAddr={address}", "-tls",
                     f"-tlsCertFile={certificate}", f"-tlsKeyFile={key}"),
                    {config: wanted.vmauth_config(users, asked("secrets"), by_service)},
                )
            )  # fmt: skip
        return programs, hosts

    def child(self, name: str, asked: Asked) -> list[Program]:
        """A collector for each OpenTelemetryCollector."""
        found = asked("collectors")
        if not found:
            self.sender.children.pop(name, None)
            return []
        folder = self.folder / name
        child = self.sender.children.setdefault(name, sender.Child(name, folder / "pods"))
        child.monitors, child.pods = asked("monitors"), asked("pods")
        child.nodes = [each["metadata"]["name"] for each in asked("nodes")]
        programs = []
        for each in found:
            kind = each["metadata"]["name"]
            ports = state_files.ports(self.state, f"data-{name}-{kind}", ("grpc", "http", "telemetry"))
            config, over = folder / f"{kind}.yaml", folder / f"{kind}.overlay.yaml"
            laid = wanted.overlay(
                each["spec"]["config"],
                logs=child.logs,
                allocator=self.sender.base(name),
                identity=kind,
                ports=ports,
            )
            programs.append(
                Program(
                    kind,
                    "collector",
                    (f"--config={config}", f"--config={over}"),
                    {
                        config: yaml.safe_dump(each["spec"]["config"], sort_keys=False),
                        over: yaml.safe_dump(laid, sort_keys=False),
                    },
                    self._way() | {"KUBECONFIG": str(self.state / f"{name}.kubeconfig")},
                    (config, over),
                    f"data-{name}-{kind}",
                )
            )
        return programs

    def mothership(self, asked: Asked, api: Api) -> list[Program]:
        """promxy's query side, by the configuration that its operator wrote; what evaluates rules, and tells people."""
        secrets = asked("secrets")
        return [*self._promxy(secrets), *self._vmalert(asked, api), *self._alertmanager(asked, secrets)]

    def _vmalert(self, asked: Asked, api: Api) -> list[Program]:
        """vmalert with all rules, as the operator gives them to it, and where it writes what they record."""
        found = wanted.named(asked("alerts"), "cluster", NAMESPACE)
        if found is None:
            return []
        folder, texts = self.folder / "rules", {}
        for rule in asked("rules"):
            file, text = folder / wanted.rule_file(rule), wanted.rules_text(rule)
            empty = not (rule.get("spec") or {}).get("groups")
            problem = "" if empty else self._checked(file.name, text)
            self._say(api, rule, problem)
            if not empty and not problem:
                texts[file] = text
        for stale in set(folder.glob("*.yaml")) - set(texts):
            stale.unlink()
        store = f"http://127.0.0.1:{self.ports['metrics']}"
        return [
            Program(
                "victoria-metrics",
                "victoria-metrics",
                (f"-storageDataPath={self.folder / 'mothership-metrics'}",
                 f"-httpListenAddr=127.0.0.1:{self.ports['metrics']}", "-retentionPeriod=1d",
                 "-memory.allowedBytes=32MiB"),
            ),
            Program(
                "vmalert",
                "vmalert",
                (f"-rule={folder}/*.yaml", "-configCheckInterval=1s",
                 f"-httpListenAddr=127.0.0.1:{self.ports['vmalert']}",
                 f"-datasource.url=http://127.0.0.1:{self.ports['promxy']}",
                 f"-notifier.url=http://127.0.0.1:{self.ports['alertmanager']}",
                 f"-remoteWrite.url={store}/api/v1/write", "-remoteWrite.disablePathAppend",
                 f"-evaluationInterval={found['spec']['evaluationInterval']}"),
                texts,
            ),
        ]  # fmt: skip

    def _checked(self, name: str, text: str) -> str:
        """What vmalert has against a file of rules, which the operator leaves out then; empty for nothing."""
        if text not in self.rules:
            assert self.tools is not None
            tried = self.folder / "tried" / name
            state_files.write(tried, text)
            done = subprocess.run(
                [self.tools["vmalert"], "-dryRun", f"-rule={tried}"],
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            tried.unlink()
            # Its last words: what is wrong, of which file and group.
            self.rules[text] = " ".join(done.stderr.split())[-300:] if done.returncode else ""
        return self.rules[text]

    @staticmethod
    def _say(api: Api, rule: Object, problem: str) -> None:
        """As the operator says it of a VMRule."""
        status = {"status": "failed", "lastSyncError": problem} if problem else {"status": "operational"}
        if {key: each for key, each in (rule.get("status") or {}).items() if each} != status:
            head = rule["metadata"]
            path = f"/apis/operator.victoriametrics.com/v1beta1/namespaces/{head['namespace']}/vmrules/{head['name']}"
            body = {"status": {"lastSyncError": None, **status}}
            api.request("PATCH", f"{path}/status", body, "application/merge-patch+json")

    def _alertmanager(self, asked: Asked, secrets: list[Object]) -> list[Program]:
        """Alertmanager, once all Secrets that it mounts are there."""
        found = wanted.named(asked("alertmanagers"), "cluster", NAMESPACE)
        folder = self.folder / "alertmanager"
        files = None if found is None else wanted.alertmanager(found, secrets, folder)
        if files is None:
            return []
        arguments = (
            f"--config.file={folder / 'alertmanager.yaml'}", f"--storage.path={folder / 'stored'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}", "--cluster.listen-address=",
        )  # fmt: skip
        return [Program("alertmanager", "alertmanager", arguments, files, restart=tuple(files))]

    def _promxy(self, secrets: list[Object]) -> list[Program]:
        secret = wanted.named(secrets, PROMXY_SECRET, NAMESPACE)
        text = wanted.decoded(secret, "config.yaml")
        if not text:
            return []
        config = self.folder / "promxy.yaml"
        arguments = (f"-config={config}", f"-bind-addr=127.0.0.1:{self.ports['promxy']}")
        return [Program("promxy", "promql", arguments, {config: text}, self._way(), (config,))]

    def _way(self) -> dict[str, str]:
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.ports['proxy']}",
            "SSL_CERT_FILE": str(self.authority.certificate_file),
        }

    def _address(self, name: str) -> str:
        """A loopback address of its own for a regional's load balancer, the same for as long as the sandbox lives."""
        book: list[str] = state_files.read_json(self.folder / "addresses.json", [])
        if name not in book:
            book.append(name)
            state_files.write_json(self.folder / "addresses.json", book)
        number = book.index(name)
        return f"127.77.{number // 250}.{number % 250 + 1}"

    def _certificate(self, folder: pathlib.Path, hosts: list[str]) -> tuple[pathlib.Path, pathlib.Path]:
        certificate, key = folder / "vmauth.crt", folder / "vmauth.key"
        names = folder / "vmauth.hosts.json"
        if state_files.read_json(names) != hosts:
            texts = self.authority.issue(hosts[0][:64], addresses=tuple(hosts), server=True)
            state_files.write(key, texts[1], 0o600)
            state_files.write(certificate, texts[0])
            state_files.write_json(names, hosts)
        return certificate, key

    # -- making it so

    def keep(self, cluster_name: str, programs: Iterable[Program]) -> None:
        """Start what is wanted and doesn't run, anew what has other files now, and end what isn't wanted."""
        held = data.held(self.state)
        before = self.started.setdefault(cluster_name, {})
        now = {each.name: each for each in programs if data.process(cluster_name, each.name) not in held}
        changed = [
            name
            for name, each in before.items()
            if name not in now
            or now[name].arguments != each.arguments
            or any(now[name].files.get(file) != each.files.get(file) for file in each.restart)
        ]
        processes.end(self.state, [data.process(cluster_name, name) for name in changed], patience=3)
        for name, each in now.items():
            for file, text in each.files.items():
                if not file.exists() or file.read_text(encoding="utf-8") != text:
                    state_files.write(file, text, 0o600)
            process = data.process(cluster_name, name)
            if processes.find(self.state, process) is None:
                log = processes.log_file(self.state, process)
                if name in before and name not in changed and "address already in use" in processes.tail(log, 3):
                    # A stranger took a port while nobody listened on it: others from the next look on.
                    state_files.forget_ports(self.state, each.ports)
                    log.unlink()
                    continue
                environment = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
                assert self.tools is not None
                command = [str(self.tools[each.tool]), *each.arguments]
                processes.start(self.state, process, command, {**environment, **each.environment})
        self.started[cluster_name] = now

    def look(self) -> None:
        """One round over all clusters. Those that don't answer keep what they have."""
        there = cluster.names(state=self.state)
        names: dict[str, tuple[str, int]] = {}
        for name in there:
            if cluster.find(name, state=self.state) is None:
                continue
            try:
                api = Api(self.state / f"{name}.kubeconfig", timeout=10)
            except (OSError, ValueError, KeyError):
                continue
            try:
                asked = Asked(api)
                if name == "mothership":
                    self.keep(name, self.mothership(asked, api))
                    continue
                programs, hosts = self.regional(name, asked)
                names |= {host: (self._address(name), self.ports["tls"]) for host in hosts}
                self.keep(name, [*programs, *self.child(name, asked)])
            except (OSError, http.client.HTTPException, ApiFailure) as reason:
                print(f"{name}: {reason}", flush=True)
            finally:
                api.close()
        self.names = names
        for name in [each for each in self.started if each not in there]:
            self.sender.children.pop(name, None)
            self.keep(name, [])
            del self.started[name]
            shutil.rmtree(self.folder / name, ignore_errors=True)
        state_files.write_json(self.folder / "names.json", sorted(names))

    def run(self) -> None:
        """Until SIGTERM."""
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        for job in (self.sender.serve_forever, self.proxy.serve_forever):
            threading.Thread(target=job, daemon=True).start()
        threading.Thread(target=sender.keep_writing, args=(self.sender, ended), daemon=True).start()
        while not ended.is_set():
            began = time.monotonic()
            try:
                self.look()
            except (OSError, SandboxError, subprocess.SubprocessError) as reason:
                print(f"{type(reason).__name__}: {reason}", flush=True)
            ended.wait(max(0.2, SECONDS - (time.monotonic() - began)))


if __name__ == "__main__":
    try:
        Keeper(state_files.folder()).run()
    except SandboxError as failure:
        sys.exit(f"sandbox: {failure}")
