"""A service that a cluster has already is left out of it; one that runs is disabled only by somebody who means it."""

from __future__ import annotations

import json
import pathlib

import example_fleet
import pytest
from support import Run, Sandbox

pytestmark = pytest.mark.lines

FLEET = example_fleet.fleet(1, 0)
(REGION,) = FLEET.regionals


def test_disabled_services(fleet_sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    where = fleet_sandbox.inventory(tmp_path / "fleet", FLEET)

    def regional(disabled: list[str], *arguments: str) -> Run:
        given = ("-e", json.dumps({"regional_disabled_services": disabled}))
        return fleet_sandbox.playbook("regional", *given, *arguments, inventory=where)

    def releases() -> list[str]:
        """On the cluster, as Sveltos has it."""
        summary = fleet_sandbox.get("clustersummary", "-n", "kcm-system", f"p--{REGION}-capi-{REGION}")
        return [each["releaseName"] for each in summary["status"]["helmReleaseSummaries"]]

    try:
        run = regional(["cert-manager"])
        assert run.code == 0, run.output
        assert releases() == ["ingress-nginx", "kof-storage"]
        again = regional(["cert-manager"])
        assert (again.code, again.total("changed")) == (0, 0), again.output

        mark = fleet_sandbox.audit_mark()
        run = regional(["cert-manager", "kof-storage"])
        assert run.code != 0
        told = " ".join(run.output.split())
        assert "service kof-storage would be uninstalled, with its data: it is disabled" in told
        assert f"-e kof_dangerous_changes={REGION}" in told
        assert fleet_sandbox.mutations_since(mark) == []

        run = regional(["ingress-nginx"], "-e", f"kof_dangerous_changes={REGION}")
        assert run.code == 0, run.output
        assert releases() == ["cert-manager", "kof-storage"]
    finally:
        fleet_sandbox.delete_clusters()
