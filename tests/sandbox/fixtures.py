"""pytest fixtures on the sandbox, for any test that wants a real API server.

May hold: starting and stopping. May not hold: what a test asserts, or objects of its own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator

import pytest

from sandbox import cluster, kubectl, lifecycle

# Of every helm and kubectl that a test starts, a tenth of the CPU is the collection of garbage that goes with it.
os.environ.setdefault("GOGC", "400")


@dataclasses.dataclass(frozen=True)
class ControlPlane:
    """A real etcd and kube-apiserver with the sandbox's CRDs, without admission, controllers and simulator.

    kubeconfig: the collection's own user; admin: the administrator's; audit: JSON lines of all requests.
    """

    state: pathlib.Path
    kubeconfig: pathlib.Path
    admin: pathlib.Path
    audit: pathlib.Path
    kubectl_binary: pathlib.Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl as the administrator; its output. Raises AssertionError with stderr when it fails."""
        done = kubectl.run(self.kubectl_binary, self.admin, *arguments, stdin=stdin, timeout=600)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def restart(self, down_seconds: float = 0) -> None:
        """Kill the API server and start it again."""
        cluster.restart_apiserver(lifecycle.MOTHERSHIP, down_seconds=down_seconds, state=self.state)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One control plane for the whole test session, as `running_control_plane` says."""
    yield from running_control_plane(tmp_path_factory)


def running_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane in a folder of its own, for a fixture of any scope to `yield from`.

    $KOF_TEST_CONTROL_PLANE names the folder of one that runs already (`python -m sandbox up --only control-plane`)
    and is to be used and left alone: for those who run one test again and again.
    """
    given = os.environ.get("KOF_TEST_CONTROL_PLANE")
    state = pathlib.Path(given) if given else tmp_path_factory.mktemp("control-plane")
    if not given:
        lifecycle.up(state, only_control_plane=True, say=lambda _text: None)
    try:
        endpoints = json.loads((state / "endpoints.json").read_text())
        yield ControlPlane(
            state,
            pathlib.Path(endpoints["kof_kubeconfig"]),
            pathlib.Path(endpoints["mothership_kubeconfig"]),
            state / "audit.log",
            pathlib.Path(endpoints["kubectl"]),
        )
    finally:
        if not given:
            lifecycle.down(state)
