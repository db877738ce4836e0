"""Of which line something is, and what is said of the way from one to another."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import REASON_LIMIT
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import ways


def services(**templates: str) -> list[dict[str, Any]]:
    return [{"name": name.replace("_", "-"), "template": template} for name, template in templates.items()]


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("0.0", services(kof_storage="kof-storage", cert_manager="cert-manager")),
        ("0.0", services(kof_operators="kof-operators", kof_collectors="kof-collectors")),
        ("0.1", services(kof_storage="kof-storage-0-1-1")),
        ("0.1", services(kof_storage="kof-storage-0-1-0")),
        ("0.1", services(kof_storage="kof-storage-0-1-1-rc1", cert_manager="cert-manager")),
        ("0.2", services(kof_collectors="kof-collectors-0-2-0")),
        (None, services(cert_manager="cert-manager")),
        (None, services(kof_storage="kof-storage-mine")),
        (None, services(kof_storage="mine", kof_collectors="mine-0-1-1")),
        (None, services(kof_storage="kof-storage", kof_collectors="kof-collectors-0-1-1")),
        (None, [{"name": "kof-storage"}]),
        (None, [{}]),
        (None, []),
    ],
)
def test_the_line_of_services(line: str | None, there: list[dict[str, Any]]) -> None:
    assert ways.line_of(there) == line


def test_what_hinders_is_told_both_ways_and_fits_into_a_reason() -> None:
    old, new = services(kof_storage="kof-storage"), services(kof_storage="kof-storage-0-1-1")
    assert ways.hindrance(old, old) is None
    assert ways.hindrance(new, services(kof_storage="kof-storage-0-1-0")) is None
    assert ways.hindrance(services(kof_storage="mine"), new) is None
    assert ways.hindrance(old, services(kof_storage="mine")) is None
    up, back = ways.hindrance(old, new) or "", ways.hindrance(new, old) or ""
    assert up.startswith("has the services of kof 0.0, and those of 0.1 are wanted: 0.0 is upgraded by hand")
    assert "kof_version: 0.0.x" in up
    assert back.startswith("has the services of kof 0.1, and those of 0.0 are wanted: there is no way back to 0.0")
    assert max(len(up), len(back)) <= REASON_LIMIT


def manifest(*names: str) -> str:
    return "".join(f"---\nkind: ServiceTemplate\nmetadata:\n  name: {name}\n" for name in names)


@pytest.mark.parametrize(
    ("name", "version", "text", "line"),
    [
        ("kof-mothership", "0.1.0", manifest("kof-storage"), "0.0"),
        ("kof-mothership", "0.1.11", manifest('"kof-storage"'), "0.0"),
        ("kof-mothership", "0.1.0", manifest("kof-storage-0-1-0"), "0.1"),
        ("kof-mothership", "0.1.0", "", None),  # without templates it may be either
        ("kof-operators", "0.1.0", "", None),
        ("kof-operators", "v0.1.0", "", None),
        *(("kof-mothership", f"0.1.{number}", "", "0.0") for number in range(6, 12)),  # without templates
        ("kof-mothership", "0.1.1", "", "0.1"),
        ("kof-mothership", "0.1.1-rc1", "", "0.1"),
        ("kof-mothership", "0.1.7", manifest("kof-storage-0-1-7"), "0.1"),
        ("kof-operators", "0.0.2", "", "0.0"),
        ("kof-operators", "0.1.1", "", "0.1"),
        ("kof", "1.10.0", "", "1.10"),
        ("kof", "custom", "", None),
    ],
)
def test_the_line_of_a_chart(name: str, version: str, text: str, line: str | None) -> None:
    assert ways.line_of_chart(name, version, text) == line
