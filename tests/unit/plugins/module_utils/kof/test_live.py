"""Which domain a live regional cluster has, and who sends to it. All else is tested with the inventory plugin."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import (
    Destination,
    destination,
    found_clusters,
    regional_domain,
    regional_domains,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import cluster_deployment
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml

#: The schema of a ClusterDeployment leaves its config free.
ODD_CONFIGS: list[Any] = [
    None,
    "text",
    5,
    ["k0rdent.mirantis.com/kof-cluster-role"],
    {"clusterLabels": "k0rdent.mirantis.com/kof-cluster-role"},
    {"clusterLabels": 5},
    {"clusterLabels": [None]},
    {"clusterAnnotations": ["a"], "clusterLabels": ["a"]},
]


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


def test_each_cluster_is_of_its_own_line_and_gives_its_own_variables_back() -> None:
    """Whatever the inventory's release is, and a fleet's clusters may be of several lines for a while."""
    given: dict[str, Any] = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}
    live = []
    for name, release in (("old", RELEASES["0.0.x"]), ("new", RELEASES["0.1.1"])):
        regional, faults = model.parse_regional(name, {"kof_version": release.version, **given})
        assert regional, faults
        live.append(cluster_deployment.regional(regional, release=release, kcm_version="v1alpha1", template="aws-1"))
    for release in RELEASES.values():
        found = {each.name: each for each in found_clusters(live, release)}
        assert {name: each.version for name, each in found.items()} == {"old": "0.0.x", "new": "0.1.1"}
        for each in found.values():
            beyond = {"regional_service_values", "regional_service_templates", "regional_extra_services"}
            assert not beyond & each.variables.keys(), each.variables
            assert each.variables["regional_admin_email"] == "a@example.com"
    mixed = {**live[0], "metadata": {**live[0]["metadata"], "name": "mine"}}
    mixed["spec"] = copy.deepcopy(mixed["spec"])
    mixed["spec"]["serviceSpec"]["services"][2]["template"] = "kof-storage-mine"
    (odd,) = found_clusters([mixed], RELEASES["0.0.x"])
    assert odd.version is None
    assert odd.variables["regional_service_templates"] == {"kof-storage": "kof-storage-mine"}


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_a_mirror_of_images_is_said_by_its_variables_where_all_charts_are_told_of_it(release: Any) -> None:
    mirror = {"regional_image_registry": "registry.example.com/mirror", "regional_image_pull_secrets": ["a", "b"]}
    given = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com", **mirror}
    said = {"kof_version": release.version, "regional_storage_class": "gp3", **given}
    regional, faults = model.parse_regional("eu1", said)
    assert regional, faults
    live = cluster_deployment.regional(regional, release=release, kcm_version="v1alpha1", template="aws-1")
    (found,) = found_clusters([live], release)
    assert {name: found.variables.get(name) for name in mirror} == mirror
    assert "regional_service_values" not in found.variables
    # With one that isn't, a run would change more than nothing: what is there stays values.
    live["spec"]["serviceSpec"]["services"][0]["values"] = "{}"
    (found,) = found_clusters([live], release)
    assert not mirror.keys() & found.variables.keys()
    storage = found.variables["regional_service_values"]["kof-storage"]
    assert storage["global"]["image"]["registry"] == mirror["regional_image_registry"]


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
        f"# not to vmauth.eu2.example.com\nkof: {{metrics: {{endpoint: {EU1}/vm}}}}",
        f'kof: {{metrics: {{endpoint: "{EU1[:-8]}\\\n  mple.com/vm"}}}}',
        f'kof: {{metrics: {{endpoint: "{EU1[:-4]}\\x2Ecom/vm"}}}}',
        f"kof: {{metrics: {{endpoint: {EU1}/vm}}, logs: {{endpoint: 'http://vlogs.kof.svc:9428/'}}}}",
        f"kof: {{metrics: {{endpoint: {EU1}/vm}}, logs: {{endpoint: localhost:9428}}, traces: {{endpoint: ''}}}}",
        f"kof: {{metrics: {{endpoint: {EU1}/vm}}, logs: {{endpoint: http://127.0.0.1:9428/x}}}}",
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
        ({"name": "mine", "template": "acme-kof-collectors-1", "values": "a: b"}, "no address of a regional cluster"),
        ({"values": f"# once {EU1}\nkof: {{metrics: {{endpoint: https://192.0.2.1/vm}}}}"}, "no address of a regional"),
        (
            {"values": f"kof: {{metrics: {{endpoint: {EU1}}}, logs: {{endpoint: https://192.0.2.1}}}}"},
            "kof.logs.endpoint",
        ),
        (
            {"values": f"a: {EU1}\nkof:\n  metrics:\n    endpoint: https://by-another-name.example.com"},
            "kof.metrics.end",
        ),
        ({"values": f"kof:\n  logs: {{endpoint: 'https://[2001:db8::1]/'}}\nx: {EU1}"}, "kof.logs.endpoint"),
        ({"values": f"x: &a https://b.example.com\ny: {EU1}\nkof:\n  logs:\n    endpoint: *a"}, "kof.logs.endpoint"),
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
    assert destination(item, RELEASES["0.1.1"]) == Destination(regional=("eu1", None))


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


AGENT = {"name": "agent", "template": "a-1", "values": f"url: {EU1}"}


@pytest.mark.parametrize("disable", [False, True])
@pytest.mark.parametrize(
    "item",
    [
        sender({**COLLECTORS, "values": "a: b"}, AGENT),
        sender({**COLLECTORS, "name": "kof-collectors-2", "values": f"url: {EU1}"}, COLLECTORS),
        sender(AGENT, labels={f"{PREFIX}-cluster-role": "child"}),
    ],
    ids=["another service", "other collectors", "collectors from elsewhere"],
)
def test_what_another_service_names_is_no_answer_for_collectors(item: dict[str, Any], disable: bool) -> None:
    services = item["spec"]["serviceSpec"]["services"]
    services = [each | {"disable": disable and EU1 in each.get("values", "")} for each in services]
    item = {**item, "spec": {"serviceSpec": {"services": services}}}
    found = destination(item, RELEASES["0.1.1"])
    assert found.domains == {"eu1.example.com"}
    assert "no address of a regional cluster" in (found.untold or "")


def test_a_disabled_service_may_still_run_and_send() -> None:
    """kcm leaves it alone, which needn't uninstall it at once, or at all: what it names counts, and what it doesn't."""
    off = {**COLLECTORS, "values": f"url: {EU1}", "disable": True}
    found = destination(sender(off), RELEASES["0.1.1"])
    assert found == Destination(frozenset({"eu1.example.com"}), disabled=frozenset({"eu1.example.com"}))
    assert destination(sender(off, AGENT), RELEASES["0.1.1"]).disabled == set()
    secret = {**COLLECTORS, "valuesFrom": [{"kind": "Secret", "name": "s"}], "disable": True}
    assert destination(sender(secret), RELEASES["0.1.1"]).untold


@pytest.mark.parametrize("config", ODD_CONFIGS)
def test_what_the_api_server_takes_for_a_config_stops_nobody(config: Any) -> None:
    odd = {**cluster("odd", "a.example.com"), "kind": "ClusterDeployment"}
    odd["spec"]["config"] = config
    assert destination(odd, RELEASES["0.1.1"]) == Destination()
    assert guards.style_of(odd) is None
    (found,) = found_clusters([odd], RELEASES["0.1.1"])
    assert bool(found.left_out) == bool(config)
    assert "regional_cluster_labels" not in found.variables


def test_of_two_documents_among_values_the_first_counts_as_helm_has_it() -> None:
    text = "victoriametrics: {vmauth: {ingress: {host: vmauth.a.example.com}}}\n---\nb: 2\n"
    two = {**cluster("two", text=text), "kind": "ClusterDeployment"}
    (found,) = found_clusters([two], RELEASES["0.1.1"])
    assert (found.left_out, found.variables["regional_domain"]) == ([], "a.example.com")


def test_the_values_of_a_service_are_parsed_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many look at a thousand clusters' values."""
    parsed: list[str] = []
    read = foreign_yaml.read
    monkeypatch.setattr(foreign_yaml, "read", lambda text, **more: parsed.append(text) or read(text, **more))
    elsewhere = f"# ours\nkof: {{metrics: {{endpoint: {EU1}/vm}}, logs: {{endpoint: 'https://logs.example.com'}}}}\n"
    other = {"name": "other", "template": "other-1", "values": "# no address\na: 1\n"}
    found = destination(sender({**COLLECTORS, "values": elsewhere}, other), RELEASES["0.1.1"])
    assert found.domains == {"eu1.example.com"}
    assert "another host" in (found.untold or "")
    assert parsed == [elsewhere]
