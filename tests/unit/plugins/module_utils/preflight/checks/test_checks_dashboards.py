"""What the user's dashboards read from, on facts as data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.situations import Case, assert_told, case_names, datasource, situation, walk

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import Dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import dashboards as checks
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, OK


def file(name: str, *sources: str) -> Dashboard:
    return Dashboard(name, "{}", name, name, sources, ())


def said(*sources: str) -> dict[str, object]:
    return {"dashboards": (("m", "mothership_dashboards", file("payments", *sources)),)}


CASES: list[Case] = [
    (
        checks.dashboard_sources,
        said("promxi"),
        FAILED,
        r"^m: mothership_dashboards: dashboards: payments\.json reads from 'promxi', .*no such.*did you mean promxy",
    ),
    (
        checks.dashboard_sources,
        {
            "dashboards": (
                ("eu1", "regional_dashboards", file("a", "promxy")),
                ("eu1", "regional_dashboards", file("b", "mine")),
            )
        },
        FAILED,
        r"^eu1: regional_dashboards: dashboards: b\.json reads from 'mine'",
    ),
    # Of the charts, of a region that is still to come, and of somebody's own that is live.
    (
        checks.dashboard_sources,
        {**said("promxy", "us1", "mine"), "grafana_datasources": (datasource("x", "mine"),)},
        OK,
        r"dashboards: 1, and what they read from is there",
    ),
]


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def test_without_dashboards_or_a_look_at_data_sources_nothing_is_said():
    assert checks.dashboard_sources(situation()) == []
    assert checks.dashboard_sources(situation(**said("promxi"), unread={"GrafanaDatasource": "403"})) == []


def test_data_sources_are_looked_at_where_the_mothership_has_dashboards():
    there = walk("mothership")
    assert "grafana_datasources" not in {look.fact for look in there.looks("v1alpha1")}
    asked = replace(there, clusters={"mothership": replace(there.clusters["mothership"], dashboards=(file("a"),))})
    assert "grafana_datasources" in {look.fact for look in asked.looks("v1alpha1")}
