"""Which domain a live regional cluster has, and who sends to it. All else is tested with the inventory plugin."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.live_fleet import (
    Destination,
    destination,
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


# -- where a cluster sends to


COLLECTORS = {"name": "kof-collectors", "template": "kof-collectors-0-1-1", "namespace": "kof"}
EU1 = "https://vmauth.eu1.example.com"
PREFIX = "k0rdent.mirantis.com/kof"


def sender(*services: dict[str, Any], labels: Any = None, config: Any = None) -> dict[str, Any]:
    return {
        "metadata": {"name": "c", "namespace": "team-b", "labels": labels or {}},
        "spec": {"config": config or {}, "serviceSpec": {"services": list(services)}},
    }


@pytest.mark.parametrize(
    "values",
    [
        f"kof: {{metrics: {{endpoint: {EU1}/vm}}}}",
        f"kof:\n  metrics:\n    endpoint: {EU1}:443/{{{{ .Cluster.metadata.name }}}}\n",
        f"{{{{ if .x }}}}\nkof: {{metrics: {{endpoint: {EU1}/vm}}}}\n{{{{- end }}}}\n",
        f"global: {{clusterName: '{{{{ .Cluster.metadata.name }}}}'}}\nkof: {{logs: {{endpoint: '{EU1}/vls'}}}}\n",
        f"not: yaml: at: all {EU1}",
    ],
)
def test_who_names_its_regional_in_its_values_is_told(values: str) -> None:
    found = destination(sender({**COLLECTORS, "values": values}), RELEASES["0.1.1"])
    assert (found.domains, found.untold) == ({"eu1.example.com"}, None)


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ({}, "no address of a regional cluster"),
        ({"values": None}, "no address of a regional cluster"),
        ({"values": "kof: {metrics: {endpoint: https://metrics.eu1.example.com/}}"}, "no address of a regional"),
        ({"values": f"url: {EU1}", "valuesFrom": [{"kind": "Secret", "name": "s"}]}, "are in Secret s"),
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "m"}]}, "are in ConfigMap m"),
        ({"values": f"a: {EU1}\nendpoint: https://vmauth.{{{{ .domain }}}}/vm"}, "is a template"),
        ({"values": f"a: {EU1}\nendpoint: https://{{{{ .host }}}}/vm"}, "is a template"),
        ({"values": f"a: {EU1}\nlogs:\n  endpoint: '{{{{ .logs }}}}'"}, "is a template"),
        ({"values": f"a: {EU1}\nb: vmauth.eu2.{{{{ .domain }}}}"}, "is a template"),
        ({"values": f"a: {EU1}\n{{{{ toYaml .more }}}}"}, "is a template"),
        ({"name": "mine", "values": "a: b"}, "no address of a regional cluster"),
    ],
)
def test_who_may_send_anywhere_is_not(service: dict[str, Any], why: str) -> None:
    found = destination(sender({**COLLECTORS, **service}), RELEASES["0.1.1"])
    assert why in (found.untold or "")


@pytest.mark.parametrize(
    "item",
    [
        sender(labels={"kof": "collector"}),  # its services come by a MultiClusterService
        sender(labels={f"{PREFIX}-cluster-role": "child"}),
        sender(config={"clusterLabels": {f"{PREFIX}-cluster-role": "child"}}),
    ],
)
def test_children_of_every_style_are_known(item: dict[str, Any]) -> None:
    assert destination(item, RELEASES["0.1.1"]).untold
    item["metadata"]["labels"] |= {f"{PREFIX}-regional-cluster-name": "eu1"}
    assert destination(item, RELEASES["0.1.1"]) == Destination(frozenset(), ("eu1", None))


def test_the_services_of_kof_s_own_charts_are_for_clusters_that_are_known_anyway() -> None:
    bundle = sender({**COLLECTORS, "values": "endpoint: '{{ .x }}'"})
    assert destination(bundle, RELEASES["0.1.1"]).untold
    bundle["metadata"]["annotations"] = {"meta.helm.sh/release-name": "kof-child"}
    assert destination(bundle, RELEASES["0.1.1"]) == Destination()


def test_who_collects_nothing_holds_nothing() -> None:
    storage = {"name": "kof-storage", "template": "t", "values": "host: vmauth.eu1.example.com"}
    for item in (sender(), sender(storage), sender({"name": "velero", "template": "v", "valuesFrom": [{}]})):
        assert destination(item, RELEASES["0.1.1"]) == Destination()
    # Whoever else sends there is told, too.
    agent = {"name": "agent", "template": "a-1", "values": f"url: {EU1}"}
    assert destination(sender(storage, agent), RELEASES["0.1.1"]).domains == {"eu1.example.com"}
