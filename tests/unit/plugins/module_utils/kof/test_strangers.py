"""Recognising what stands for a cluster of ours under another name."""

from __future__ import annotations

import pytest
from unit.situations import OURS, THEIRS, datasource, group, made_of

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import domain_of_target, domain_of_url
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import stand_ins

EU1 = {"eu1": made_of("eu1", "eu1.example.com")}


def all_of(groups, datasources=()):
    return stand_ins({"PromxyServerGroup": groups, "GrafanaDatasource": datasources}, EU1, "kof")


def found(groups=(), datasources=()):
    return [str(one) for one in all_of(groups, datasources)]


def test_the_guides_objects_are_found_by_name_of_the_cluster_or_by_domain():
    assert found([group("promxyservergroup-sample", "eu1")]) == ["PromxyServerGroup kof/promxyservergroup-sample"]
    assert found([group("other", "x", "eu1.example.com")]) == ["PromxyServerGroup kof/other"]
    assert found((), [datasource("victoria-logs-regional0", "eu1")]) == [
        "GrafanaDatasource kof/victoria-logs-regional0"
    ]
    assert found((), [datasource("other", "x", "eu1.example.com")]) == ["GrafanaDatasource kof/other"]


def test_ours_and_those_of_other_clusters_are_left_alone():
    assert found([group("eu1-metrics", "eu1", "eu1.example.com", labels=OURS)]) == []
    assert found([group("promxyservergroup-sample", "us9", "us9.example.com")]) == []
    assert (
        found((), [datasource("eu1-logs", "eu1"), datasource("victoria-logs-regional0", "us9", "us9.example.com")])
        == []
    )


def test_a_metrics_datasource_of_the_same_name_is_no_stand_in():
    metrics = datasource("mine", "eu1")
    metrics["spec"]["datasource"]["type"] = "prometheus"
    assert found((), [metrics]) == []


def test_one_being_deleted_does_not_count():
    assert found([group("promxyservergroup-sample", "eu1", deletionTimestamp="2026-01-01T00:00:00Z")]) == []


def test_another_fleets_group_is_told_apart():
    (one,) = all_of([group("g", "eu1", labels=THEIRS)])
    assert one.fleet == "other"
    (one,) = all_of([group("g", "eu1", labels=OURS)])
    assert one.fleet is None


def test_objects_without_any_field_are_no_trouble():
    bare = {"metadata": {"name": "bare"}}
    assert all_of([bare], [bare]) == []
    odd = {
        "metadata": {"name": "odd"},
        "spec": {"targets": [None, 3, ""], "datasource": {"url": "http://[", "name": 4}},
    }
    assert all_of([odd], [odd]) == []


@pytest.mark.parametrize(
    ("target", "domain"),
    [
        ("vmauth.eu1.example.com:443", "eu1.example.com"),
        ("vmauth.EU1.example.com", "eu1.example.com"),
        ("vmselect-cluster.kof:8481", None),
        (None, None),
    ],
)
def test_domain_of_a_target(target, domain):
    assert domain_of_target(target) == domain


def test_domain_of_an_url():
    assert domain_of_url("https://vmauth.eu1.example.com/vls") == "eu1.example.com"
    assert domain_of_url("https://vmauth.eu1.example.com:8443/vls") == "eu1.example.com"
    assert domain_of_url("http://grafana.example.com") is None
    assert domain_of_url("http://[") is None


def test_what_stands_for_several_clusters() -> None:
    groups = [
        group("promxyservergroup-sample", "us1"),
        group("eu1-metrics", "us1", "us1.example.com"),  # ours of another cluster, however wrong
        group("nobodys", "us9", "us9.example.com"),
    ]
    live = {
        "PromxyServerGroup": [{**each, "kind": "PromxyServerGroup"} for each in groups],
        "GrafanaDatasource": [{**datasource("mine", "x", "eu1.example.com"), "kind": "GrafanaDatasource"}],
        "ConfigMap": [{"metadata": {"name": "a"}}],
    }
    found = stand_ins(live, {**EU1, "us1": made_of("us1", "us1.example.com")}, "kof")
    assert [(str(one), one.cluster, one.why) for one in found] == [
        ("PromxyServerGroup kof/promxyservergroup-sample", "us1", "spec.cluster_name is us1"),
        ("GrafanaDatasource kof/mine", "eu1", "its url is https://vmauth.eu1.example.com/vls"),
    ]


def test_one_that_names_a_cluster_and_points_at_another_stands_for_the_one_it_names() -> None:
    """promxy labels its series by the name; which cluster comes first in the inventory says nothing."""
    mixed = group("mine", "us1", "eu1.example.com")
    both = {**EU1, "us1": made_of("us1", "us1.example.com")}
    for order in (both, dict(reversed(both.items()))):
        (found,) = stand_ins({"PromxyServerGroup": [mixed]}, order, "kof")
        assert (found.cluster, found.why) == ("us1", "spec.cluster_name is us1")
