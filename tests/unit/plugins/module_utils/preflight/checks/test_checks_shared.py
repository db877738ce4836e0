"""The layer that fleets share, failing and passing, on facts as data."""

from __future__ import annotations

import pytest
from unit.situations import REGIONAL_ONLY, THEIRS, Case, assert_told, case_names, chart, named

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_0 import KOF_0_0
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import shared as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, OK, WARNING

#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has.
CASES: list[Case] = [
    (
        checks.shared_layer,
        {"namespaces": {"kof": named("kof", labels=THEIRS)}, "mothership_host": "m", "mothership_in_batch": True},
        FAILED,
        r"^m: shared layer: namespace kof belongs to fleet other.*no host in kof_mothership.*kof_take_over_fleet=other",
    ),
    (
        checks.shared_layer,
        {"namespaces": {"kof": named("kof", labels=THEIRS)}, "makes_dns_secret": True, **REGIONAL_ONLY},
        FAILED,
        r"belongs to fleet other",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "1.10.0"), chart("kof-mothership", "1.10.0", line="1.10"))},
        FAILED,
        r"^kof_version: installed kof: kof-mothership 1\.10\.0 is installed, of line 1\.10.*no way back",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof", "1.9.0", line="1.9"),), **REGIONAL_ONLY},
        FAILED,
        r"no way back",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "0.1.0"), chart("kof-mothership", "0.1.11", line="0.0"))},
        FAILED,
        r"of line 0\.0.*upgraded by hand \(docs/lines\.md\): helm takes over",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.1"),), "release": KOF_0_0},
        FAILED,
        r"0\.1\.1 is installed, of line 0\.1 \(wanted: at most 0\.1\.0, of line 0\.0 .*no way back to 0\.0",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.0"),), "release": KOF_0_0, **REGIONAL_ONLY},
        FAILED,
        r"0\.1\.0 is installed, of line 0\.1 .*no way back",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof", "1.10.0", line="1.10"),), "release": KOF_0_0},
        FAILED,
        r"of line 1\.10.*no way back: from 0\.2 on",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.11", line="0.0"),), "release": KOF_0_0},
        FAILED,
        r"0\.1\.11 is installed \(.*numbered anew on 2025-01-28",
    ),
    (
        checks.installed_kof,
        {
            "installed": (chart("kof-operators", "0.1.0", line=None), chart("kof-mothership", "0.1.0", line="0.0")),
            "release": KOF_0_0,
        },
        OK,
        r"kof-operators 0\.1\.0, kof-mothership 0\.1\.0$",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.2"),)},
        FAILED,
        r"0\.1\.2 is installed .*downgrade",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.1", keeper="kof/kof-mothership"),), "mothership_host": "m"},
        FAILED,
        r"kept by the Flux HelmRelease kof/kof-mothership",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-operators", "0.1.1"), chart("kof-mothership", "0.1.0"))},
        ANNOUNCED,
        r"kof-mothership 0\.1\.0 \(wanted: kof_version 0\.1\.1\); kof-mothership will be upgraded",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.0"),), **REGIONAL_ONLY},
        WARNING,
        r"run the mothership playbook first",
    ),
    (
        checks.installed_kof,
        {"installed": (chart("kof-mothership", "0.1.1", keeper="kof/kof-mothership"),), **REGIONAL_ONLY},
        OK,
        r"kof-mothership 0\.1\.1$",
    ),
    (
        checks.unchosen_kof,
        {"installed": (chart("kof-operators", "0.1.1"), chart("kof-mothership", "0.1.1"))},
        FAILED,
        r"^kof_version: kof: kof_version isn't set; installed in namespace kof: kof-operators 0\.1\.1, kof-mothership "
        r'0\.1\.1 \(wanted: .*: 0\.1\.1, 0\.0\.x\); in group_vars/all\.yml, .*kof_version: "0\.1\.1"$',
    ),
    (
        checks.unchosen_kof,
        {"installed": ()},
        FAILED,
        r'isn\'t set; no kof is installed in namespace kof .*kof_version: "0\.1\.1"$',
    ),
    (
        checks.unchosen_kof,
        {"installed": (chart("kof", "1.10.0", line="1.10"),)},
        FAILED,
        r"installed in namespace kof: kof 1\.10\.0 .*: 0\.1\.1, 0\.0\.x\); there is no way back",
    ),
    (
        checks.unchosen_kof,
        {"installed": (chart("kof-operators", "0.1.0"), chart("kof-mothership", "0.1.0", line="0.0"))},
        FAILED,
        r'kof-mothership 0\.1\.0 .*kof_version: "0\.0\.x"$',
    ),
    (checks.unchosen_kof, {"installed": None}, FAILED, r"can't be seen \(its Secrets may not be listed\)"),
    (
        checks.unchosen_kof,
        {"installed": None, "unread": {"Helm releases": "500 of a proxy"}},
        FAILED,
        r"can't be seen \(500 of a proxy\)",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)
