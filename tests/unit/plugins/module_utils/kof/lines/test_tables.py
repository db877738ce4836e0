"""Where a chart has a map, a value that is none is refused: `promxy: false` instead of `promxy: {enabled: false}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import SERVICE_TABLES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import service_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import parse_child, parse_mothership, parse_regional
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

REGION = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
PARSE = {"mothership": parse_mothership, "regional": parse_regional, "child": parse_child}
BASE: dict[str, dict[str, Any]] = {"mothership": {}, "regional": REGION, "child": {"child_regional": "eu1"}}
DIRECT = [version for version in RELEASES if version.startswith(("0.0", "0.1"))]


def problems(layer: str, version: str = "0.1.1", **variables: Any) -> list[str]:
    _made, faults = PARSE[layer]("x", {"kof_version": version, **BASE[layer], **variables})
    return [str(each) for each in faults if "has a map there" in str(each)]


@pytest.mark.parametrize("version", DIRECT)
@pytest.mark.parametrize(
    ("layer", "variable", "value", "told"),
    [
        ("mothership", "mothership_values", {"promxy": False}, "promxy is false"),
        ("mothership", "mothership_values", {"grafana": False}, "grafana is false"),
        ("mothership", "mothership_values", {"kcm": {"kof": "CANARY"}}, "kcm.kof is no map"),
        ("mothership", "mothership_values", {"global": []}, "global is no map"),
        ("mothership", "mothership_operators_values", {"opentelemetry-operator": 0}, "opentelemetry-operator is 0"),
        ("regional", "regional_service_values", {"kof-storage": {"grafana": False}}, "kof-storage.grafana is false"),
        (
            "regional",
            "regional_service_values",
            {"kof-storage": {"victoriametrics": {"vmauth": {"credentials": "CANARY"}}}},
            "victoriametrics.vmauth.credentials is no map",
        ),
        ("child", "child_service_values", {"kof-collectors": {"opencost": False}}, "kof-collectors.opencost is false"),
    ],
)
def test_what_is_no_map_is_refused_where_it_is_said(
    version: str, layer: str, variable: str, value: Any, told: str
) -> None:
    found = problems(layer, version, **{variable: value})
    assert len(found) == 1
    assert variable in found[0]
    assert told in found[0]
    assert "CANARY" not in found[0]


def test_maps_and_what_is_taken_away_are_fine() -> None:
    values = {"promxy": {"enabled": False}, "grafana": {"ingress": {"host": "x"}}, "global": None}
    assert problems("mothership", mothership_values=values) == []
    assert problems("regional", regional_service_values={"kof-storage": {"external-dns": None}}) == []


def maps(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, Mapping) and values:
        if path:
            yield path
        for key, value in values.items():
            yield from maps(value, (*path, key))


@pytest.mark.parametrize("version", DIRECT)
def test_every_map_that_we_write_into_is_known(version: str) -> None:
    region, _faults = parse_regional(
        "eu1",
        {"kof_version": version, **REGION, "regional_storage_class": "x"}
        | ({} if version.startswith("0.0") else {"regional_retention": "1d"}),
    )
    child, _faults = parse_child("eu1-a", {"kof_version": version, "child_regional": "eu1"})
    assert region is not None
    assert child is not None
    release = RELEASES[version]
    known = {
        (service, *table[:length])
        for service, tables in SERVICE_TABLES.items()
        for table in tables
        for length in range(1, len(table) + 1)
    }
    for values in (
        service_values.regional_values(region, release),
        service_values.child_values(child, release, "eu1.example.com"),
    ):
        assert {path for path in maps(values) if len(path) > 1} <= known
