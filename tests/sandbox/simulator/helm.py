"""Runs the real helm binary, as Sveltos does with helm's library: install or upgrade one release, or uninstall it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.simulator.sources import ChartSource


class HelmFailed(Exception):
    """helm ended with an error; the text is its message."""


@dataclass(frozen=True)
class Release:
    """One release as a Profile's helmCharts entry describes it."""

    name: str
    namespace: str
    chart: ChartSource
    version: str
    values: tuple[str, ...] = ()  # YAML documents, later ones win


class Helm:
    """helm with a home folder of its own, so that nobody's repositories, plugins or logins leak in."""

    def __init__(self, binary: str, home: Path, *, timeout: float = 300.0) -> None:
        self._binary = binary
        self._home = home
        self._timeout = timeout

    def _run(self, kubeconfig: Path, *arguments: str) -> str:
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "KUBECONFIG": str(kubeconfig),
            "GOGC": "400",  # a tenth less CPU of a program that ends soon
            "HELM_CACHE_HOME": str(self._home / "cache"),
            "HELM_CONFIG_HOME": str(self._home / "config"),
            "HELM_DATA_HOME": str(self._home / "data"),
        }
        try:
            done = subprocess.run(
                [self._binary, *arguments], env=env, capture_output=True, text=True, timeout=self._timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise HelmFailed(f"helm {arguments[0]} took longer than {self._timeout:.0f} s") from error
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
            raise HelmFailed("\n".join(lines).removeprefix("Error: ") or f"helm ended with {done.returncode}")
        return done.stdout

    def upgrade(self, kubeconfig: Path, release: Release) -> None:
        """Install or upgrade, not waiting for pods. Raises HelmFailed.

        A release that a killed helm left pending is taken back first; no other helm than ours works on these clusters.
        """
        try:
            self._upgrade(kubeconfig, release)
        except HelmFailed as error:
            if "another operation" not in str(error):
                raise
            self._free(kubeconfig, release)
            self._upgrade(kubeconfig, release)

    def _free(self, kubeconfig: Path, release: Release) -> None:
        try:
            self._run(kubeconfig, "rollback", release.name, "--namespace", release.namespace)
        except HelmFailed:  # there was no revision before this one
            self.uninstall(kubeconfig, release.name, release.namespace)

    def _upgrade(self, kubeconfig: Path, release: Release) -> None:
        with tempfile.TemporaryDirectory(prefix="sandbox-helm-") as folder:
            files: list[str] = []
            for number, text in enumerate(release.values):
                path = Path(folder, f"values-{number}.yaml")
                path.write_text(text)
                files += ["--values", str(path)]
            arguments = [
                "upgrade", "--install", release.name, release.chart.reference, "--version", release.version,
                "--namespace", release.namespace, "--create-namespace", "--history-max", "2", *files,
            ]  # fmt: skip
            # The helm in Sveltos 0.45 doesn't mind a schema that is invalid itself, such as kof-operators has.
            arguments.append("--skip-schema-validation")
            if release.chart.repository:
                arguments += ["--repo", release.chart.repository]
            elif release.chart.plain_http:
                arguments.append("--plain-http")
            self._run(kubeconfig, *arguments)

    def version(self, kubeconfig: Path, name: str, namespace: str, chart: str) -> str | None:
        """The version of `chart` that a release was made from; None if it isn't there. Raises HelmFailed."""
        pattern = f"^{re.escape(name)}$"
        listed = json.loads(
            self._run(kubeconfig, "list", "--namespace", namespace, "--filter", pattern, "--output", "json")
        )
        found = next((release["chart"] for release in listed), "")
        return found.removeprefix(f"{chart}-") if found.startswith(f"{chart}-") else None

    def uninstall(self, kubeconfig: Path, name: str, namespace: str) -> None:
        """Remove a release; one that isn't there is fine. Raises HelmFailed."""
        self._run(kubeconfig, "uninstall", name, "--namespace", namespace, "--ignore-not-found")
