"""What would run in a child cluster's pods: the target allocator, what is scraped, and the logs of its containers.

May hold: the form of what OpenCost, kube-state-metrics, node-exporter and a container runtime say, about the pods and
nodes that are there. May not hold: where it goes from here; that is the collector's.
"""

from __future__ import annotations

import datetime
import http.server
import json
import pathlib
import shutil
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from sandbox.data.wanted import Object, scrape_config, scrape_job

# A container's log is begun anew beyond this many bytes: nobody reads it but the collector, which follows it.
LARGEST_LOG = 2**20


@dataclass
class Child:
    """What is there in one cluster, as it was when somebody looked last."""

    name: str
    logs: pathlib.Path
    monitors: list[Object] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)


def metrics(service: str, child: Child, now: float) -> str | None:
    """The page of a service, in Prometheus' text format; None if it isn't one that we play."""
    if service.endswith("-opencost"):
        spaces = sorted({each["metadata"]["namespace"] for each in child.pods})
        return _page(
            ("node_total_hourly_cost", "gauge", [({"node": node, "instance": node}, 0.0416) for node in child.nodes]),
            ("node_cpu_hourly_cost", "gauge", [({"node": node}, 0.0107) for node in child.nodes]),
            ("node_ram_hourly_cost", "gauge", [({"node": node}, 0.0053) for node in child.nodes]),
            # As of kube-state-metrics 1, which no longer makes them by itself.
            ("kube_namespace_labels", "gauge", [({"namespace": each}, 1.0) for each in spaces]),
        )
    if service.endswith("-kube-state-metrics"):
        pods = [
            ({"namespace": each["metadata"]["namespace"], "pod": each["metadata"]["name"], "phase": phase}, float(on))
            for each in child.pods
            for phase in ("Pending", "Running", "Failed")
            for on in [(each.get("status") or {}).get("phase") == phase]
        ]
        nodes: list[tuple[dict[str, str], float]] = [({"node": node}, 1.0) for node in child.nodes]
        info: list[tuple[dict[str, str], float]] = [
            ({"namespace": each["metadata"]["namespace"], "pod": each["metadata"]["name"]}, 1.0) for each in child.pods
        ]
        return _page(
            ("kube_node_info", "gauge", nodes),
            ("kube_pod_info", "gauge", info),
            ("kube_pod_status_phase", "gauge", pods),
        )
    if service.endswith("-prometheus-node-exporter"):
        return _page(
            ("node_cpu_seconds_total", "counter", [({"cpu": "0", "mode": "idle"}, now % 1e6)]),
            ("node_memory_MemAvailable_bytes", "gauge", [({}, 2.0**33)]),
            ("node_uname_info", "gauge", [({"nodename": node}, 1.0) for node in child.nodes]),
        )
    return None


def _page(*families: tuple[str, str, list[tuple[dict[str, str], float]]]) -> str:
    lines = []
    for name, kind, samples in families:
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in samples:
            inside = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
            lines.append(f"{name}{{{inside}}} {value}")
    return "\n".join(lines) + "\n"


class Sender(http.server.ThreadingHTTPServer):
    """Serves each child's scrape jobs, their targets and their pages below `/<child>`."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.children: dict[str, Child] = {}

    def base(self, child: str) -> str:
        """Where a child's collector asks for its jobs."""
        return f"http://127.0.0.1:{self.server_address[1]}/{child}"

    def answer(self, path: str) -> Any:
        """JSON value or text behind a path; None where there is nothing."""
        name, _, rest = path.lstrip("/").partition("/")
        child = self.children.get(name)
        if child is None:
            return None
        if rest == "scrape_configs":
            return {scrape_job(each): scrape_config(each, f"/{name}") for each in child.monitors}
        if rest.startswith("jobs/"):
            job = urllib.parse.unquote(rest.removeprefix("jobs/").removesuffix("/targets"))
            there = any(scrape_job(each) == job for each in child.monitors)
            return [{"targets": [f"127.0.0.1:{self.server_address[1]}"], "labels": {}}] if there else []
        return metrics(rest.removeprefix("metrics/"), child, time.time()) if rest.startswith("metrics/") else None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Sender
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        value = self.server.answer(urllib.parse.urlsplit(self.path).path)
        text = value if isinstance(value, str) else json.dumps(value)
        kind = "text/plain; version=0.0.4" if isinstance(value, str) else "application/json"
        self.send_response(404 if value is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        """Scrapes are no news."""


def write_logs(child: Child, number: int, now: datetime.datetime) -> None:
    """Add lines to the log of each running pod's first container, as a container runtime writes them (CRI).

    Among them what real ones hold: a line in two parts, one on stderr, JSON, what isn't ASCII. Folders of pods that
    are gone are removed.
    """
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    wanted = set()
    for pod in child.pods:
        meta = pod["metadata"]
        if (pod.get("status") or {}).get("phase") != "Running":
            continue
        folder = child.logs / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"
        wanted.add(folder)
        file = folder / pod["spec"]["containers"][0]["name"] / "0.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > LARGEST_LOG:
            file.unlink()
        lines = (
            f'{stamp} stdout F {{"level":"info","msg":"line {number} of {meta["name"]}"}}',
            f"{stamp} stderr F WARN: façade n° {number} is slow",
            f"{stamp} stdout P level=error msg=the first half of ",
            f"{stamp} stdout F a long line",
        )
        with file.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
    for folder in child.logs.glob("*_*_*"):
        if folder not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def keep_writing(sender: Sender, ended: threading.Event, seconds: float = 5) -> None:
    """Write logs of all children, every few seconds, until it is ended."""
    number = 0
    while not ended.wait(seconds):
        number += 1
        for child in list(sender.children.values()):
            write_logs(child, number, datetime.datetime.now(datetime.UTC))
