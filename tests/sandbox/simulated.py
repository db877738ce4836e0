"""A management cluster whose simulator runs in the test's own process, without clusters behind its ClusterDeployments.

May hold: starting it, making objects on it, waiting. May not hold: what a test asserts.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import lifecycle
from sandbox.simulator.api import Api, ApiError, Object
from sandbox.simulator.app import Simulator
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CRD,
    HELM_REPOSITORY,
    NAMESPACE,
    SERVICE_TEMPLATE,
    Kind,
)
from sandbox.simulator.seed import seed

KCM, KOF = "kcm-system", "kof"
PSG_CRD = "promxyservergroups.kof.k0rdent.mirantis.com"


class Charts(http.server.BaseHTTPRequestHandler):
    """An OCI registry that has the charts named in `there`, as far as a HEAD or GET of a manifest tells."""

    there: set[str] = set()  # noqa: RUF012

    def do_GET(self) -> None:
        self.send_response(200 if self.path in self.there else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Sandbox:
    """What a test needs at hand."""

    def __init__(self, api: Api, state: Path, simulator: Simulator) -> None:
        self.api = api
        self.state = state
        self.simulator = simulator

    def fault(self, **values: Any) -> None:
        (self.state / "faults.json").write_text(json.dumps(values))
        self.simulator.faults_changed()

    def make(self, kind: Kind, name: str, namespace: str | None = None, **rest: Any) -> Object:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **rest.pop("metadata", {})}
        obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}
        return self.api.create(kind, obj, manager="test")

    def conditions(self, name: str) -> dict[str, Object]:
        deployment = self.api.get(CLUSTER_DEPLOYMENT, KCM, name) or {}
        return {c["type"]: c for c in (deployment.get("status") or {}).get("conditions") or []}

    def ready(self, name: str) -> bool:
        return self.conditions(name).get("Ready", {}).get("status") == "True"


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    """The first true answer; `seconds` on an idle machine. Raises AssertionError if there is none in time."""
    end = time.monotonic() + 15 * seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.05)
    answer = ask()
    assert answer, f"not within {seconds} s"
    return answer


def cluster_deployment(name: str, *services: Object, **spec: Any) -> Object:
    return {
        "apiVersion": CLUSTER_DEPLOYMENT.api_version,
        "kind": CLUSTER_DEPLOYMENT.kind,
        "metadata": {"name": name, "namespace": KCM, "labels": {"own": "label"}},
        "spec": {
            "template": "aws-standalone-cp-0-1-0",
            "credential": "aws-cluster-identity-cred",
            "config": {"region": "us-east-2"},
            "serviceSpec": {"services": list(services)},
            **spec,
        },
    }


def running(state: Path, **options: Any) -> Iterator[Sandbox]:
    """For a fixture to `yield from`; `options` are the Simulator's."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Charts)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lifecycle.up(state, only_control_plane=True)
    try:
        kubeconfig = state / "mothership.kubeconfig"
        api = Api(kubeconfig)
        api.delete(CRD, None, PSG_CRD)  # on a management cluster it comes with kof-mothership, later than all else
        within(10, lambda: api.get(CRD, None, PSG_CRD) is None)
        seed(api)
        api.create(NAMESPACE, {"metadata": {"name": KOF}})
        endpoints = {"registry": f"127.0.0.1:{server.server_address[1]}"}
        simulator = Simulator(kubeconfig, state, endpoints, clusters="none", **options)
        simulator.start()
        yield Sandbox(api, state, simulator)
        simulator.stop()
    finally:
        server.shutdown()
        lifecycle.down(state)


def two_services(sandbox: Sandbox) -> list[Object]:
    """Two services whose templates are valid."""
    sandbox.make(HELM_REPOSITORY, "kof", KCM, spec={"type": "oci", "url": "oci://ghcr.io/k0rdent/kof/charts"})
    for name in ("one", "two"):
        Charts.there.add(f"/v2/kof/charts/{name}/manifests/1.0.0")
        service_template(sandbox, f"{name}-1-0-0", name, "1.0.0")
    within(5, lambda: valid(sandbox, "one-1-0-0") and valid(sandbox, "two-1-0-0"))
    return [
        {"name": name, "namespace": "kof", "template": f"{name}-1-0-0", "values": f"who: {name}\n"}
        for name in ("one", "two")
    ]


def service_template(sandbox: Sandbox, name: str, chart: str, version: str) -> None:
    chart_spec = {
        "chart": chart,
        "version": version,
        "interval": "10m0s",
        "sourceRef": {"kind": "HelmRepository", "name": "kof"},
    }
    sandbox.make(SERVICE_TEMPLATE, name, KCM, spec={"helm": {"chartSpec": chart_spec}})


def valid(sandbox: Sandbox, name: str) -> bool:
    return bool(((sandbox.api.get(SERVICE_TEMPLATE, KCM, name) or {}).get("status") or {}).get("valid"))


def refusal(do: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as refused:
        do()
    return refused.value.message
