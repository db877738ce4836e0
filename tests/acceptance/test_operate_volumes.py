"""A volume of the management cluster isn't made smaller by the way: preflight refuses, and so does the act itself."""

from __future__ import annotations

import pytest
from support import Run, Sandbox

SMALLER = "victoriametrics.vmcluster.vmstorage.storage.size from 10Gi to 5Gi"


def run(sandbox: Sandbox, playbook: str, *arguments: str) -> Run:
    said = ("-e", "mothership_metrics_storage_size=5Gi", "-e", "kof_wait=false", "--skip-tags", "dns_credentials")
    return sandbox.playbook(playbook, *said, *arguments)


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("playbook", ["mothership", "layers/mothership"])
def test_a_smaller_volume_is_refused_early_and_at_the_act(fleet_sandbox: Sandbox, check: bool, playbook: str) -> None:
    mark = fleet_sandbox.audit_mark()
    found = run(fleet_sandbox, playbook, *(("--check",) if check else ()))
    assert found.code != 0
    text = " ".join(found.output.split())
    assert f"dangerous change: it would shrink {SMALLER}: volumes stay as they are" in text, found.output
    assert "-e kof_dangerous_changes=kof" in text
    assert ("chart kof-mothership: dangerous" in text) is (playbook == "mothership")  # by preflight's row
    assert fleet_sandbox.changes_since(mark) == []


def test_it_may_be_allowed_to_one_run(fleet_sandbox: Sandbox) -> None:
    found = run(fleet_sandbox, "mothership", "--check", "-e", "kof_dangerous_changes=kof")
    assert found.code == 0, found.output
    assert "would shrink" not in found.output
