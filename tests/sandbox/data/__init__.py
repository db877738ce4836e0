"""Real metrics and logs: what runs beside kwok, which runs no container, and stands where the containers would.

Per regional cluster a VictoriaMetrics, a VictoriaLogs and a vmauth behind TLS; per child cluster an OpenTelemetry
collector with the configuration that the live kof-collectors rendered; for the mothership a query side of promxy, a
vmalert with the live VMRules and the Alertmanager that the live VMAlertmanager says. A
name such as vmauth.<domain> is known once the regional's Ingress and its load balancer are there, as external-dns
would have it; the way to it is the proxy of `endpoints.json`, for which it needs no root, no DNS and no port 443.

`wanted.py` says, from a cluster's live objects, which programs run and with which files; `__main__.py` makes it so,
every few seconds; `sender.py` is scraped and writes containers' logs; `proxy.py` is the way. `hold` keeps one away.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Iterable

from sandbox import processes
from sandbox import state as state_files
from sandbox.registry import answers
from sandbox.state import SandboxError

NAME = "data"
PORTS = ("tls", "proxy", "sender", "promxy", "metrics", "vmalert", "alertmanager")


def folder(state: pathlib.Path) -> pathlib.Path:
    """Where configurations, certificates and what is stored lie."""
    return state / NAME


def process(cluster: str, program: str) -> str:
    """What a cluster's program is called among the sandbox's processes."""
    return f"{NAME}.{cluster}.{program}"


def start(state: pathlib.Path) -> dict[str, str]:
    """Start it unless it runs.

    :returns: `proxy`, `promxy`, `vmalert`, `alertmanager` (addresses), `certificates` (path of the authority's): for
        endpoints.json.
    """
    folder(state).mkdir(parents=True, exist_ok=True)
    ports = state_files.ports(state, NAME, PORTS)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("K8S_AUTH_") and name != "KUBECONFIG"
    }
    environment |= {"KOF_SANDBOX_DIR": str(state), "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    processes.start(state, NAME, [sys.executable, "-m", "sandbox.data"], environment)
    if not answers(state, NAME, ports["proxy"]):
        log = processes.log_file(state, NAME)
        raise SandboxError(f"the data path does not start; the end of {log}:\n{processes.tail(log)}")
    return {
        "proxy": f"http://127.0.0.1:{ports['proxy']}",
        **{name: f"http://127.0.0.1:{ports[name]}" for name in ("promxy", "vmalert", "alertmanager")},
        "certificates": str(folder(state) / "ca.crt"),
    }


def held(state: pathlib.Path) -> set[str]:
    """Processes that are kept away."""
    return set(state_files.read_json(folder(state) / "held.json", []))


def hold(state: pathlib.Path, names: Iterable[str]) -> None:
    """Keep these processes (`process()`) away until told otherwise, and no others; ended within a few seconds."""
    state_files.write_json(folder(state) / "held.json", sorted(names))
