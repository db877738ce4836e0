"""Which domain a live regional cluster has. All else of live_fleet is tested with the inventory plugin."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.live_fleet import (
    found_clusters,
    regional_domain,
    regional_domains,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.releases import RELEASES


def cluster(
    name: str, annotated: str | None = None, host: str | None = None, text: str | None = None
) -> dict[str, Any]:
    values = {"victoriametrics": {"vmauth": {"ingress": {"host": host}}}}
    ingress = {"name": "ingress-nginx", "template": "ingress-nginx-4-11-3"}
    storage = {"name": "kof-storage", "template": "kof-storage-0-1-1", "values": text or yaml.safe_dump(values)}
    return {
        "metadata": {
            "name": name,
            "annotations": {"k0rdent-kof/regional-domain": annotated} if annotated else None,
        },
        "spec": {"serviceSpec": {"services": [ingress, *([storage] if host or text else [])]}},
    }


def group(cluster_name: object, *targets: object) -> dict[str, Any]:
    return {"metadata": {"name": "any"}, "spec": {"cluster_name": cluster_name, "targets": list(targets) or None}}


CLUSTERS = [
    cluster("annotated", "a.example.com", "vmauth.stale.example.com"),
    cluster("in-view", None, "vmauth.stale.example.com"),
    cluster("in-values", None, "vmauth.c.example.com"),
    cluster("elsewhere", None, "metrics.d.example.com"),
    cluster("template", text="victoriametrics: {vmauth: {ingress: {host: 'vmauth.{{ .Cluster }}'}}}"),
    cluster("no-yaml", text="a: [b"),
    cluster("no-map", text="victoriametrics: [vmauth]"),
    cluster("bare"),
]
GROUPS = [
    group("annotated", "vmauth.stale.example.com:443"),
    group("in-view", 7, "other.example.com:443", "vmauth.b.example.com:443"),
    group("gone", "vmauth.z.example.com:443"),
    group(None, "vmauth.y.example.com:443"),
    {"metadata": {"name": "empty"}},
]
DOMAINS = {"annotated": "a.example.com", "in-view": "b.example.com", "in-values": "c.example.com"}


def test_the_annotation_says_it_else_promxys_group_else_the_values() -> None:
    assert regional_domains(CLUSTERS, GROUPS) == DOMAINS
    assert {each["metadata"]["name"]: regional_domain(each, GROUPS) for each in CLUSTERS} == {
        name: DOMAINS.get(name) for name in (each["metadata"]["name"] for each in CLUSTERS)
    }
    assert regional_domain(None, GROUPS) is None


def test_the_live_inventory_has_the_same_domains() -> None:
    found = found_clusters(CLUSTERS, RELEASES["0.1.1"], GROUPS)
    assert {each.name: each.variables.get("regional_domain") for each in found if each.layer == "regional"} == {
        name: DOMAINS.get(name) for name in (each["metadata"]["name"] for each in CLUSTERS) if name != "bare"
    }


@pytest.mark.parametrize("spec", [None, {}, {"serviceSpec": None}, {"serviceSpec": {"services": None}}])
def test_a_cluster_of_nothing_has_none(spec: Any) -> None:
    assert regional_domain({"metadata": {"name": "a"}, "spec": spec}) is None
