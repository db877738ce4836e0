"""The user's dashboards among all that are there: what they may read from, whose uids are taken, which are left."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dashboards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.dashboards import digest
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import DASHBOARDS_OF
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.grafana_dashboard import grafana_dashboard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

RELEASE = RELEASES["0.1.1"]


def region(folder: pathlib.Path, name: str = "eu", **boards: Any) -> model.Regional:
    folder.mkdir(exist_ok=True)
    for each, content in boards.items():
        (folder / f"{each}.json").write_text(json.dumps({"title": each, "uid": each, **content}))
    shared = {"kof_version": "0.1.1", "regional_domain": f"{name}.x.y", "regional_admin_email": "a@x.y"}
    cluster, faults = model.parse_regional(name, {**shared, "regional_dashboards": str(folder)})
    assert cluster, faults
    return cluster


def objects(cluster: model.Regional) -> list[dict[str, Any]]:
    return [grafana_dashboard(cluster, RELEASE, each) for each in cluster.dashboards or ()]


def test_the_object_of_a_file(tmp_path: pathlib.Path) -> None:
    (made,) = objects(region(tmp_path, a={"x": "${KOF_LOGS} ${KOF_METRICS}"}))
    assert made["metadata"] == {
        "name": "eu-dashboard-a",
        "namespace": "kof",
        "labels": {
            "app.kubernetes.io/managed-by": "k0rdent.kof",
            "app.kubernetes.io/part-of": "kof",
            "k0rdent.kof/dashboards-of": "eu",
        },
    }
    assert made["spec"].pop("json") == (tmp_path / "a.json").read_text()
    assert made["spec"] == {
        "folder": "eu",
        "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
        "resyncPeriod": "5m",
        "datasources": [
            {"inputName": "KOF_METRICS", "datasourceName": "promxy"},
            {"inputName": "KOF_LOGS", "datasourceName": "eu"},
        ],
    }


def test_a_data_source_that_nobody_has_is_told_by_file(tmp_path: pathlib.Path) -> None:
    cluster = region(tmp_path, a={"datasource": "promxi"}, b={"datasource": "eu"}, c={"datasource": "promxy"})
    (fault,) = dashboards.looked([cluster], RELEASE, [], {"promxy", "eu"}).faults
    assert str(fault).startswith("eu: regional_dashboards: a.json reads from 'promxi', and Grafana has no such data")
    assert "did you mean promxy" in str(fault)


@pytest.mark.parametrize(
    "source",
    [
        {"spec": {"datasource": {"name": "mine"}}},
        {"spec": {"datasource": {"uid": "mine", "name": 7}}},
        {"spec": {"datasource": None}, "status": {"uid": "mine"}},
        {"metadata": {"uid": "mine"}},
        {"spec": None, "status": None, "metadata": {"uid": "mine"}},
    ],
)
def test_grafana_finds_data_sources_by_name_and_by_uid(source: dict[str, Any]) -> None:
    assert "mine" in set(dashboards._names_of([{"metadata": {}, **source}]))


def test_a_uid_that_another_dashboard_has_is_told(tmp_path: pathlib.Path) -> None:
    cluster = region(tmp_path, a={"uid": "x-${KOF_REGION}"})
    stranger = {"apiVersion": "g/v1", "kind": "GrafanaDashboard", "metadata": {"name": "theirs", "namespace": "kof"}}
    for spec, status in (({"json": '{"uid": "x-eu"}'}, {}), ({"json": "["}, {"uid": "x-eu"}), (None, {"uid": "x-eu"})):
        (fault,) = dashboards.looked([cluster], RELEASE, [{**stranger, "spec": spec, "status": status}], ()).faults
        assert "a.json has the uid 'x-eu', as GrafanaDashboard kof/theirs has" in str(fault)
    assert not dashboards.looked([cluster], RELEASE, [{**stranger, "spec": {"json": '{"uid": "x"}'}}], ()).faults


def test_two_regions_with_one_uid_are_told(tmp_path: pathlib.Path) -> None:
    clusters = [region(tmp_path, name, a={}) for name in ("eu", "us")]
    (fault,) = dashboards.looked(clusters, RELEASE, [], ()).faults
    assert str(fault).startswith("us: regional_dashboards: a.json has the uid 'a', as a.json of eu has")


def test_what_is_of_no_file_any_more_is_left_and_no_stranger(tmp_path: pathlib.Path) -> None:
    """Also one that was renamed: under its old name it has the same uid."""
    before = objects(region(tmp_path / "before", a={}, b={}))
    others = [
        {**before[0], "metadata": {**before[0]["metadata"], "name": "x", "labels": labels}, "spec": {}}
        for labels in ({DASHBOARDS_OF: "us"}, {DASHBOARDS_OF: "eu"}, None)
    ]
    after = region(tmp_path / "after", b={}, c={"uid": "a"})
    found = dashboards.looked([after], RELEASE, [*before, *others], ())
    assert [(host, ref.name) for host, ref in found.left] == [("eu", "eu-dashboard-a")]
    assert not found.faults
    assert "GrafanaDashboard kof/eu-dashboard-a; -e kof_dashboards_prune=true" in found.warnings(pruned=False)[0]
    assert found.warnings(pruned=True) == dashboards.Looked().warnings(pruned=False) == []


SPEC = {"json": '{"a": "${KOF_REGION}"}', "datasources": [{"inputName": "KOF_REGION", "datasourceName": "eu"}]}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"hash": digest(SPEC)}, ""),
        ({"hash": digest({"json": SPEC["json"]})}, "dashboard-not-in-grafana"),
        ({}, "dashboard-not-in-grafana"),
        (None, "dashboard-not-in-grafana"),
        ({"hash": digest(SPEC), "NoMatchingInstances": True}, "dashboard-unmatched"),
        (
            {
                "hash": digest(SPEC),
                "conditions": [{"type": "DashboardSynchronized", "status": "False", "message": "m"}],
            },
            "dashboard-refused",
        ),
        ({"hash": digest(SPEC), "conditions": [{"type": "DashboardSynchronized", "status": "True"}]}, ""),
    ],
)
def test_it_is_ready_once_its_text_as_it_is_wanted_is_in_grafana(status: Any, code: str) -> None:
    verdict = readiness.grafana_dashboard({"metadata": {"name": "a"}, "spec": SPEC, "status": status})
    assert (verdict.ready, verdict.code) == (not code, code)


def test_what_is_gone_or_going_is_told() -> None:
    assert readiness.grafana_dashboard(None).code == "dashboard-missing"
    going = {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": SPEC}
    assert readiness.grafana_dashboard(going).code == "being-deleted"
