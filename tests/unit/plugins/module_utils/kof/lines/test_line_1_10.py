"""Line 1.10 as blueprint data: what is written, what is made of it by others, when that is well, and how it goes.

Judged against the state of a management cluster before and after its operator has acted (live_1_10).
"""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
import yaml
from unit import live_1_10 as state

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import Readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.wait import Lookup, Target, all_ready
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import (
    Given,
    Goes,
    Installed,
    Known,
    Part,
    departure,
    rights,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import labels_judges
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import labels_names as names
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_1_10 import KOF_1_10
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    Child,
    Mothership,
    Regional,
    parse_child,
    parse_mothership,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import stand_ins

P, API, KOF_API, R, C, N = state.P, state.API, state.KOF_API, state.R, state.C, state.N
OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "kof"}
TEMPLATE = "aws-standalone-cp-1-0-34"
CONFIG = {
    "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
    "region": "us-east-2",
    "controlPlaneNumber": 1,
    "controlPlane": {"instanceType": "t3.large"},
    "workersNumber": 3,
    "worker": {"instanceType": "t3.xlarge"},
}


def given(live: Any = None) -> Given[Any]:
    return Given(KOF_1_10, "v1beta1", TEMPLATE, state.DOMAIN, R, Known(live or {}))


def regional(**changed: Any) -> Regional:
    """Read as 0.1's, whose options are the same, and then told what that doesn't allow."""
    variables = {"kof_version": "0.1.1", "regional_domain": state.DOMAIN, "regional_admin_email": "admin@example.com"}
    found, faults = parse_regional(R, {**variables, "regional_config": CONFIG})
    assert found, faults
    return replace(found, logs_storage_size="100Gi", version="1.10.0", **changed)


def child(name: str = C, **changed: Any) -> Child:
    found, faults = parse_child(name, {"kof_version": "0.1.1", "child_regional": R, "child_config": CONFIG})
    assert found, faults
    return replace(found, version="1.10.0", **changed)


def mothership(**changed: Any) -> Mothership:
    found, faults = parse_mothership("mothership", {"kof_version": "0.1.1"})
    assert found, faults
    return replace(found, version="1.10.0", **changed)


LAYERS: dict[str, Any] = {"mothership": mothership, "regional": regional, "child": child}


def of(layer: str, live: Any = None, **changed: Any) -> tuple[Part, ...]:
    return parts(layer, LAYERS[layer](**changed), given(live))


def made(layer: str, **changed: Any) -> dict[str, Any]:
    """The one object of a cluster, the texts under its annotations read."""
    written = [part.manifest() for part in of(layer, **changed) if part.manifest]
    assert len(written) == 1
    settings = written[0]["spec"]["config"].get("clusterAnnotations", {})
    for key, text in settings.items():
        if key.endswith("-values"):
            settings[key] = yaml.safe_load(text)
    return written[0]


# -- what is written


def test_a_region_is_one_object() -> None:
    found = made("regional", retention="30d", storage_class="gp3", promxy_dial_timeout="10s")
    assert found == {
        "apiVersion": "k0rdent.mirantis.com/v1beta1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "aws-us-east-2",
            "namespace": "kcm-system",
            "labels": {
                **OURS,
                "k0rdent.mirantis.com/kof-cluster-role": "regional",
                "k0rdent.mirantis.com/kof-cluster-name": "aws-us-east-2",
                "k0rdent.mirantis.com/kof-version": "1.10.0",
                "k0rdent.mirantis.com/kof-aws-dns-secrets": "true",
            },
            "annotations": {
                "k0rdent.mirantis.com/kof-http-config": (
                    '{"dial_timeout":"10s","tls_config":{"insecure_skip_verify":false}}'
                )
            },
        },
        "spec": {
            "template": "aws-standalone-cp-1-0-34",
            "credential": "aws-cluster-identity-cred",
            "cleanupOnDeletion": True,
            "config": {
                **CONFIG,
                "clusterAnnotations": {
                    "k0rdent.mirantis.com/kof-regional-domain": "aws-us-east-2.kof.example.com",
                    "k0rdent.mirantis.com/kof-cert-email": "admin@example.com",
                    "k0rdent.mirantis.com/kof-storage-class": "gp3",
                    "k0rdent.mirantis.com/kof-storage-values": {
                        "external-dns": {"enabled": True},
                        "victoria-logs-cluster": {"vlstorage": {"persistentVolume": {"size": "100Gi"}}},
                        "victoriametrics": {"vmcluster": {"spec": {"retentionPeriod": "30d"}}},
                    },
                },
            },
        },
    }


def test_a_region_with_nothing_but_defaults() -> None:
    found = made("regional", external_dns="none")
    assert "annotations" not in found["metadata"]
    assert f"{P}/kof-aws-dns-secrets" not in found["metadata"]["labels"]
    assert found["spec"]["config"]["clusterAnnotations"] == {
        f"{P}/kof-regional-domain": state.DOMAIN,
        f"{P}/kof-cert-email": "admin@example.com",
        # Left out, kof would switch it on wherever any DNS Secret is.
        f"{P}/kof-storage-values": {
            "external-dns": {"enabled": False},
            "victoria-logs-cluster": {"vlstorage": {"persistentVolume": {"size": "100Gi"}}},
        },
    }


def test_external_dns_by_the_nodes() -> None:
    values = made("regional", external_dns="node")["spec"]["config"]["clusterAnnotations"][f"{P}/kof-storage-values"]
    assert values["external-dns"] == {
        "enabled": True,
        "env": [{"name": "AWS_DEFAULT_REGION", "value": "us-east-2"}],
        "extraVolumes": [],
        "extraVolumeMounts": [],
    }


def test_promxys_http_client_is_told_only_where_it_differs() -> None:
    key = f"{P}/kof-http-config"
    found = made("regional", promxy_dial_timeout="10s", promxy_insecure_skip_verify=True)
    wanted = '{"dial_timeout":"10s","tls_config":{"insecure_skip_verify":true}}'
    assert found["metadata"]["annotations"] == {key: wanted}


def test_values_of_any_service_are_text_under_annotations_sorted() -> None:
    users = {"kof-storage": {"a": 1}, "envoy-gateway": {"b": {"d": 1, "c": 2}}, "kof-operators": {}}
    (part,) = [part for part in of("regional", service_values=users) if part.manifest]
    assert part.manifest
    settings = part.manifest()["spec"]["config"]["clusterAnnotations"]
    assert settings[f"{P}/kof-envoy-gateway-values"] == "b:\n  c: 2\n  d: 1\n"
    assert settings[f"{P}/kof-storage-values"].startswith("a: 1\nexternal-dns:\n")
    assert f"{P}/kof-operators-values" not in settings


def test_labels_of_a_users_cluster_keep_those_of_kof() -> None:
    """With clusterLabels in its config a cluster doesn't get those of its ClusterDeployment."""
    plain = made("regional")["spec"]["config"]
    assert "clusterLabels" not in plain
    found = made("regional", cluster_labels={"team": "a"}, config={**CONFIG, "clusterLabels": {"x": "y"}})
    assert found["spec"]["config"]["clusterLabels"] == {
        "team": "a",
        "x": "y",
        f"{P}/kof-cluster-role": "regional",
        f"{P}/kof-cluster-name": R,
        f"{P}/kof-version": "1.10.0",
        f"{P}/kof-aws-dns-secrets": "true",
    }


def test_users_labels_and_annotations_stay_and_never_win_over_those_of_kof() -> None:
    mine = {"team": "a", f"{P}/kof-cluster-role": "child", f"{P}/kof-tenant-id": "blue"}
    theirs = {"example.com/a": "b", f"{P}/kof-regional-domain": "other.example.com"}
    found = made("regional", labels=mine, config={**CONFIG, "clusterAnnotations": theirs})
    labels, settings = found["metadata"]["labels"], found["spec"]["config"]["clusterAnnotations"]
    assert (labels["team"], labels[f"{P}/kof-cluster-role"], labels[f"{P}/kof-tenant-id"]) == ("a", "regional", "blue")
    assert (settings["example.com/a"], settings[f"{P}/kof-regional-domain"]) == ("b", state.DOMAIN)


def test_extra_services_alone_are_in_the_spec() -> None:
    extra = [{"name": "velero", "template": "velero-8-1-0", "values": {"a": 1}}]
    found = made("child", extra_services=extra, service_values={"velero": {"b": 2}}, propagate_credentials=False)
    assert found["spec"]["serviceSpec"] == {
        "priority": 100,
        "services": [{"name": "velero", "namespace": "velero", "template": "velero-8-1-0", "values": "a: 1\nb: 2\n"}],
    }
    assert found["spec"]["propagateCredentials"] is False
    assert "clusterAnnotations" not in found["spec"]["config"]


def test_a_child_is_one_object() -> None:
    assert made("child") == {
        "apiVersion": "k0rdent.mirantis.com/v1beta1",
        "kind": "ClusterDeployment",
        "metadata": {
            "name": "aws-us-east-2-child1",
            "namespace": "kcm-system",
            "labels": {
                **OURS,
                "k0rdent.mirantis.com/kof-cluster-role": "child",
                "k0rdent.mirantis.com/kof-cluster-name": "aws-us-east-2-child1",
                "k0rdent.mirantis.com/kof-version": "1.10.0",
                "k0rdent.mirantis.com/kof-regional-cluster-name": "aws-us-east-2",
            },
        },
        "spec": {
            "template": "aws-standalone-cp-1-0-34",
            "credential": "aws-cluster-identity-cred",
            "cleanupOnDeletion": True,
            "config": CONFIG,
        },
    }
    found = made("child", opencost=False, service_values={"kof-collectors": {"a": 1}})
    assert found["spec"]["config"]["clusterAnnotations"] == {
        f"{P}/kof-collectors-values": {"opencost": {"enabled": False}, "a": 1}
    }


def test_a_child_of_a_regional_whose_cluster_has_another_name_than_its_host() -> None:
    (part, *_more) = parts("child", child(regional="host-of-it"), given())
    assert part.manifest
    assert part.manifest()["metadata"]["labels"][f"{P}/kof-regional-cluster-name"] == R
    (part, *_more) = parts("child", child(), replace(given(), regional_name=None))
    assert part.manifest
    assert part.manifest()["metadata"]["labels"][f"{P}/kof-regional-cluster-name"] == R


def test_a_cluster_without_config_has_an_empty_one() -> None:
    """kof's operator reads it without looking, and panics for null."""
    assert made("child", config={})["spec"]["config"] == {}


def test_what_is_written_is_of_this_style_by_the_guards() -> None:
    """A run of a direct line refuses these clusters, and this line theirs."""
    for layer in ("regional", "child"):
        assert guards.style_of(made(layer)) == "labels"


def test_the_mothership_is_one_helm_release_and_a_namespace() -> None:
    own, chart = (part for part in of("mothership") if part.manifest)
    assert own.manifest
    assert own.manifest()["metadata"] == {"name": "kof", "labels": OURS}
    assert chart.what == Installed("kof", "kof")
    assert chart.manifest
    assert chart.manifest() == {
        "name": "kof",
        "namespace": "kof",
        "chart_ref": "oci://ghcr.io/k0rdent/kof/charts/kof",
        "chart_version": "1.10.0",
        "values": {},
        "timeout": mothership().helm_timeout,
        "skip_schema_validation": False,
        "needed_objects": [],
    }


def test_the_values_of_the_umbrella() -> None:
    found = of(
        "mothership",
        chart_repository="oci://r.example.com/kof",
        chart_repository_plain_http=True,
        storage_class="gp3",
        retention="30d",
        dns_secret=True,
        operators_values={"x": 1},
        values={"kof-child": {"values": {"y": 2}}, "kof-mothership": {"values": {"global": {"registry": "r"}}}},
    )
    (chart,) = (part for part in found if isinstance(part.what, Installed))
    assert chart.manifest
    assert chart.manifest()["values"] == {
        "global": {"helmRepo": {"kofManaged": {"url": "oci://r.example.com/kof", "insecure": True}}},
        "kof-operators": {"values": {"x": 1}},
        "kof-mothership": {
            "values": {
                "global": {"storageClass": "gp3", "registry": "r"},
                "kcm": {
                    "kof": {
                        "mcs": {
                            "kof-aws-dns-secrets": {
                                "matchLabels": {"k0rdent.mirantis.com/kof-aws-dns-secrets": "true"},
                                "secrets": ["external-dns-aws-credentials"],
                            }
                        }
                    }
                },
                "victoriametrics": {"vmcluster": {"spec": {"retentionPeriod": "30d"}}},
            }
        },
        "kof-child": {"values": {"y": 2}},
    }


def test_templates_that_somebody_else_installs_are_switched_off_in_the_umbrella() -> None:
    (chart,) = (part for part in of("mothership", install_templates=False) if isinstance(part.what, Installed))
    assert chart.manifest
    assert chart.manifest()["values"] == {"kof-mothership": {"values": {"kcm": {"installTemplates": False}}}}


# -- what others make of it: names


@pytest.mark.parametrize(
    ("config", "user"),
    [
        ("kof-aws-us-east-2", "2461207107"),
        ("kof-cluster-config-aws-us-east-2-child1", "3676574327"),
        ("kof-cloud1-region1", "2682784468"),
        ("kof-cluster-config-cloud1-region1-child1", "4062319368"),
        ("kof-cluster-config-child-120", "557321792"),
        ("kof-cluster-config-child-201", "557321792"),
    ],
)
def test_users(config: str, user: str) -> None:
    assert names.user_of(config, "kcm-system") == user


@pytest.mark.parametrize(
    ("fleet", "sharing"),
    [
        ([f"child-{one:03}" for one in range(1000)], 912),
        ([f"cloud1-region{one}-child{two}" for one in range(1, 101) for two in range(1, 11)], 64),
        ([f"region-{one:03}-child-{two}" for one in range(100) for two in range(10)], 36),
    ],
)
def test_how_many_children_of_an_ordinary_fleet_share_their_user_with_another(fleet: list[str], sharing: int) -> None:
    """It is the field's, not ours to change: what goes with a child has to look for its twins."""
    users = Counter(names.user_of(names.config_of_child(name), N) for name in fleet)
    assert sum(count for count in users.values() if count > 1) == sharing


def test_hashes_of_promxys_groups_are_not_padded() -> None:
    assert names.hashed("promxy-server-group", "kof-aws-us-east-2", N) == "promxy-server-group-ce4141b1"
    assert names.hashed("promxy-server-group", "kof-cloud1-region1", N) == "promxy-server-group-3c4f0"


@pytest.mark.parametrize(
    ("services", "hashed"),
    [
        ("kof-regional-cluster", "f4f250a9"),
        ("kof-child-cluster", "49a75732"),
        ("kof-storage-child-secret-propagation", "851570cc"),
        ("kof-istio-regional-cluster", "097c46c7"),
        ("kof-istio-child-cluster", "11cbb7e4"),
        ("kof-aws-dns-secrets-remote", "6ac7d66c"),
        ("kof-azure-dns-secrets-remote", "fd666c4c"),
        ("kof-mgmt-cluster", "4e27f341"),
    ],
)
def test_service_sets(services: str, hashed: str) -> None:
    assert names.service_set("x", services) == f"x-{hashed}"


@pytest.mark.parametrize("layer", ["mothership", "regional", "child"])
def test_a_part_is_the_object_that_it_makes_and_waits_for(layer: str) -> None:
    for live in (state.before(), state.after()):
        found = of(layer, live)
        for part in found:
            if part.manifest and isinstance(part.what, Ref):
                assert ref_of(part.manifest()) == part.what
            if part.target:
                assert part.target().ref == part.what
        assert len({part.what for part in found}) == len(found)


def test_everything_that_the_operator_makes_is_a_part_of_one_cluster_and_of_no_other() -> None:
    live = state.after()
    added = set(live) - set(state.before())
    ignored = {Ref(API, "ServiceSet", N, name) for name in (R, C)}
    mine = {part.what for part in of("regional", live)}
    its = {part.what for part in of("child", live)}
    assert added - ignored <= mine | its
    assert not {part for part in mine & its if isinstance(part, Ref)}
    assert not ignored & (mine | its)


def test_the_parts_grow_with_what_is_live() -> None:
    """Inside clusters, as the MultiClusterServices that are there say."""

    def inside(layer: str, live: Any) -> set[tuple[str, str, str | None]]:
        return {tuple(part.what) for part in of(layer, live) if isinstance(part.what, Installed)}

    user, creds = (N, "kof-vmuser-3676574327", R), (N, "kof-vmuser-creds-3676574327", R)
    assert inside("regional", None) == set()
    kof = {("kof", name, R) for name in state.SERVICES["kof-regional-cluster"]}
    assert inside("regional", state.before()) == kof
    admin = {(N, "kof-vmuser-admin-2461207107", R), (N, "kof-vmuser-creds-admin-2461207107", R)}
    assert inside("regional", state.after()) == kof | admin | {user, creds}
    assert inside("child", None) == {user, creds}
    own = {("kof", name, C) for name in [*state.SERVICES["kof-child-cluster"], "kof-vmuser-creds"]}
    assert inside("child", state.after()) == own | {user, creds}
    live = state.after()
    services = state.changed(live, Ref(API, "MultiClusterService", None, "kof-child-cluster"))["spec"]["serviceSpec"]
    services["services"] = services["services"][:1]
    assert ("kof", "kof-collectors", C) not in inside("child", live)


def test_users_of_another_region_are_none_of_this_one() -> None:
    live = state.after()
    propagation = state.changed(live, Ref(API, "MultiClusterService", None, "kof-vmuser-propagation-3676574327"))
    propagation["spec"]["clusterSelector"]["matchLabels"] = {f"{P}/kof-cluster-name": "eu1"}
    found = {part.what for part in of("regional", live)}
    assert Installed(N, "kof-vmuser-3676574327", R) not in found
    assert Installed(N, "kof-vmuser-admin-2461207107", R) in found


def test_a_component_that_is_switched_off_is_neither_waited_for_nor_are_its_deployments() -> None:
    def awaited(**changed: Any) -> set[str]:
        return {part.what.name for part in of("mothership", **changed) if part.target and isinstance(part.what, Ref)}

    gone = awaited() - awaited(values={"kof-mothership": {"enabled": False}}, install_templates=False)
    assert gone == {
        "kof-mothership",
        "kof-mothership-kof-operator",
        "kof-mothership-promxy",
        *KOF_1_10.service_templates,
    }
    assert awaited(dns_secret=True) - awaited() == {"kof-aws-dns-secrets-remote"}


# -- when it is well


def verdicts(layer: str, live: Any, **changed: Any) -> dict[tuple[str, str], Readiness]:
    return {
        (part.what.kind, part.what.name): judged(part.target(), live)
        for part in of(layer, live, **changed)
        if part.target and isinstance(part.what, Ref)
    }


def judged(target: Target, live: Any, lookup: Lookup | None = None) -> Readiness:
    lookup = lookup or Lookup()
    for related in target.related:
        for ref, item in live.items():
            if (ref.api_version, ref.kind) == (related.api_version, related.kind):
                lookup._put(related.kind, related.key(item) if related.key else None, item, False)
    return target.judge(live.get(target.ref), lookup)


REGIONAL = {
    ("ClusterDeployment", R): "Ready is False",
    ("ConfigMap", f"kof-{R}"): "doesn't exist yet",
    ("Secret", "kof-vmuser-creds-admin-2461207107"): "doesn't exist yet",
    ("MultiClusterService", "kof-vmuser-propagation-admin-2461207107"): "doesn't exist yet",
    ("PromxyServerGroup", "promxy-server-group-ce4141b1"): "doesn't exist yet",
    ("ServiceSet", f"{R}-f4f250a9"): "doesn't exist yet",
    ("Secret", "kof-mothership-promxy-config"): "names no region aws-us-east-2 yet",
}
CHILD = {
    ("ClusterDeployment", C): "Ready is False",
    ("ConfigMap", f"kof-cluster-config-{C}"): "doesn't exist yet",
    ("MultiClusterService", "kof-vmuser-propagation-3676574327"): "doesn't exist yet",
    ("ServiceSet", f"{C}-49a75732"): "doesn't exist yet",
    ("ServiceSet", f"{C}-851570cc"): "doesn't exist yet",
}


@pytest.mark.parametrize(("layer", "awaited"), [("regional", REGIONAL), ("child", CHILD)])
def test_before_the_operator_has_acted_nothing_is_ready_and_after_it_all_is(layer: str, awaited: Any) -> None:
    found = verdicts(layer, state.before())
    assert found.keys() == awaited.keys()
    for which, why in awaited.items():
        assert found[which].state == "progressing", which
        assert why in found[which].why, which
    assert {each.state for each in verdicts(layer, state.after()).values()} == {"ready"}


def test_the_mothership_before_and_after_flux_has_acted() -> None:
    found = verdicts("mothership", state.before())
    assert {name for kind, name in found if kind in ("HelmRelease", "MultiClusterService")} == {
        "kof-operators",
        "victoria-metrics-operator",
        "kof-mothership",
        "kof-regional",
        "kof-child",
        "kof-regional-cluster",
        "kof-child-cluster",
    }
    assert {name for kind, name in found if kind == "ServiceTemplate"} == set(state.TEMPLATES)
    assert {each.state for each in found.values()} == {"ready"}
    assert {each.state for each in verdicts("mothership", {}).values()} == {"progressing"}


class Server:
    """A management cluster of which only reads are answered."""

    def __init__(self, live: Any) -> None:
        self.live = live

    def resource(self, api_version: str, kind: str) -> str:
        return f"{api_version} {kind}"

    def path(self, *where: str | None) -> tuple[str | None, ...]:
        return where

    def list_objects(self, path: Any, deadline: float) -> tuple[list[Any], str]:
        api_version, kind, namespace = path
        found = [
            item
            for ref, item in self.live.items()
            if (ref.api_version, ref.kind) == (api_version, kind) and namespace in (None, ref.namespace, N)
        ]
        return found, "1"

    def request(self, _verb: str, path: Any, deadline: float) -> Any:
        if Ref(*path) not in self.live:
            raise ApiError(404, "NotFound", "")
        return self.live[Ref(*path)]


@pytest.mark.parametrize("layer", ["mothership", "regional", "child"])
def test_the_engine_that_waits_comes_to_the_same(layer: str) -> None:
    """A cluster-scoped kind that a judge of a namespaced one looks at, and a kind that is both, are no matter to it."""

    def ready(live: Any) -> bool:
        targets = [part.target() for part in of(layer) if part.target]
        return all_ready(Server(live), targets, {})  # type: ignore[arg-type]

    assert ready(state.after())
    assert ready(state.before()) is (layer == "mothership")
    for part in of(layer):
        if part.target and isinstance(part.what, Ref):
            live = state.after()
            del live[part.what]
            assert not ready(live), part.what


def helm_release(**status: Any) -> Readiness:
    live = state.before()
    ref = Ref(state.HELM, "HelmRelease", "kof", "kof-regional")
    state.changed(live, ref)["status"].update(status)
    return verdicts("mothership", live)["HelmRelease", "kof-regional"]


def test_a_helm_release_of_another_version_or_generation_is_not_ready() -> None:
    assert "has 1.9.0 of its chart" in helm_release(lastAttemptedRevision="1.9.0").why
    assert helm_release(lastAttemptedRevision="", history=[{"chartVersion": "1.10.0"}]).ready
    assert helm_release(observedGeneration=0).state == "progressing"
    assert helm_release(lastAttemptedRevision="", history=[]).state == "progressing"


def test_a_helm_release_has_failed_for_good_only_where_flux_tries_no_more() -> None:
    bad = state.condition("Ready", "False", "InstallFailed", "timed out")
    trying = helm_release(conditions=[bad])
    assert (trying.state, trying.why) == ("progressing", "InstallFailed: timed out")
    given_up = helm_release(conditions=[bad, state.condition("Stalled")])
    assert (given_up.state, given_up.can_heal) == ("failed", False)


def test_services_whose_templates_kcm_does_not_know_are_not_ready() -> None:
    live = state.before()
    ref = Ref(API, "MultiClusterService", None, "kof-regional-cluster")
    state.changed(live, ref)["status"]["conditions"] = [
        state.condition("ServicesReferencesValidation", "False", "Failed", "ServiceTemplate x not found")
    ]
    found = verdicts("mothership", live)["MultiClusterService", "kof-regional-cluster"]
    assert "ServiceTemplate x not found" in found.why


def regional_set(services: list[str], **states: str) -> Readiness:
    live = state.after()
    state.deployed(live, f"{R}-f4f250a9", services, **states)
    return verdicts("regional", live)["ServiceSet", f"{R}-f4f250a9"]


def test_a_service_set_is_ready_with_every_service_of_its_multi_cluster_service() -> None:
    """It grows, and says that it is deployed at every step."""
    all_of_them = state.SERVICES["kof-regional-cluster"]
    for count in range(len(all_of_them)):
        found = regional_set(all_of_them[:count])
        assert (found.state, found.why[:6]) == ("progressing", f"{count} of 6")
    assert regional_set(all_of_them).ready
    assert regional_set(all_of_them, kof_collectors="Provisioning").state == "progressing"


def test_a_service_that_is_being_upgraded_is_deployed_from_the_template_of_before() -> None:
    live = state.after()
    services = state.changed(live, Ref(API, "MultiClusterService", None, "kof-regional-cluster"))["spec"]["serviceSpec"]
    services["services"][4]["template"] = "kof-storage-2"
    found = verdicts("regional", live)["ServiceSet", f"{R}-f4f250a9"]
    assert (found.state, found.why) == ("progressing", "5 of 6 services are deployed, not kof-storage")


def test_a_service_that_is_disabled_is_not_waited_for() -> None:
    live = state.after()
    services = state.changed(live, Ref(API, "MultiClusterService", None, "kof-regional-cluster"))["spec"]["serviceSpec"]
    services["services"][4]["disable"] = True
    state.deployed(
        live, f"{R}-f4f250a9", [each for each in state.SERVICES["kof-regional-cluster"] if each != "kof-storage"]
    )
    assert verdicts("regional", live)["ServiceSet", f"{R}-f4f250a9"].ready


def test_a_failed_service_is_told_at_once_and_a_failure_only_when_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    live = state.after()
    broken = state.deployed(live, f"{R}-f4f250a9", state.SERVICES["kof-regional-cluster"], kof_storage="Failed")
    broken["status"]["services"][4]["failureMessage"] = "no matches for kind VMUser"
    (target,) = [part.target() for part in of("regional") if part.target and part.what.kind == "ServiceSet"]  # type: ignore[union-attr]
    clock, lookup = [1000.0], Lookup()
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    first = judged(target, live, lookup)
    assert first.state == "progressing"
    assert "no matches for kind VMUser" in first.why
    assert first.recheck == labels_judges.FAILED_GRACE
    clock[0] += labels_judges.FAILED_GRACE
    late = judged(target, live, lookup)
    assert (late.state, late.can_heal) == ("failed", True)
    mended = state.after()
    assert judged(target, mended, lookup).ready
    assert judged(target, live, lookup).state == "progressing"


def test_without_its_multi_cluster_service_nobody_can_say_what_is_missing() -> None:
    live = state.after()
    del live[Ref(API, "MultiClusterService", None, "kof-regional-cluster")]
    found = verdicts("regional", live)["ServiceSet", f"{R}-f4f250a9"]
    assert "MultiClusterService kof-regional-cluster doesn't exist" in found.why


def test_ready_of_a_cluster_deployment_is_true_before_kof_is_on_it() -> None:
    """So it alone is no end: the ServiceSet isn't there."""
    live = state.before()
    state.cluster(live, R, "regional", there=True)
    found = verdicts("regional", live)
    assert found["ClusterDeployment", R].ready
    assert not found["ServiceSet", f"{R}-f4f250a9"].ready


def conditions(*found: Any) -> Readiness:
    live = state.after()
    state.changed(live, Ref(API, "ClusterDeployment", N, R))["status"]["conditions"] = list(found)
    return verdicts("regional", live)["ClusterDeployment", R]


def test_a_regional_to_which_a_child_is_being_added_is_ready() -> None:
    of_it = state.condition
    ready, services = of_it("Ready", "False"), of_it("ServicesInReadyState", "False", message="6/8")
    summary = of_it("CAPIClusterSummary")
    assert conditions(of_it("TemplateReady"), summary, services, ready).ready
    assert conditions(summary, services, ready, of_it("Deleting", "False")).ready
    assert not conditions(of_it("CAPIClusterSummary", "False"), services, ready).ready
    assert not conditions(of_it("HelmReleaseReady", "False"), summary, services, ready).ready
    assert not conditions(services, ready).ready
    assert conditions(of_it("CredentialReady", "False"), summary, services, ready).state == "failed"


def test_a_status_of_before_the_last_change_counts_for_nothing() -> None:
    live = state.after()
    state.changed(live, Ref(API, "ClusterDeployment", N, R))["metadata"]["generation"] = 2
    assert verdicts("regional", live)["ClusterDeployment", R].state == "progressing"


@pytest.mark.parametrize("layer", ["regional", "child"])
def test_what_is_being_deleted_is_not_ready(layer: str) -> None:
    for part in of(layer):
        if part.target and isinstance(part.what, Ref):
            live = state.after()
            state.changed(live, part.what)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            assert verdicts(layer, live)[part.what.kind, part.what.name].state == "failed", part.what


@pytest.mark.parametrize(
    ("kind", "name", "path", "why"),
    [
        ("ConfigMap", f"kof-{R}", ("data", "regional_cluster_name"), "another regional_cluster_name than"),
        ("ConfigMap", f"kof-{R}", ("data", "read_metrics_endpoint"), "another read_metrics_endpoint than"),
        ("PromxyServerGroup", "promxy-server-group-ce4141b1", ("spec", "cluster_name"), "another cluster_name than"),
        ("PromxyServerGroup", "promxy-server-group-ce4141b1", ("spec", "targets"), "another targets than"),
        ("PromxyServerGroup", "promxy-server-group-ce4141b1", ("spec", "http_client"), "credentials_secret_name"),
    ],
)
def test_a_region_whose_domain_has_not_reached_everything(kind: str, name: str, path: Any, why: str) -> None:
    live = state.after()
    (ref,) = (ref for ref in live if (ref.kind, ref.name) == (kind, name))
    state.changed(live, ref)[path[0]][path[1]] = {} if path[1] == "http_client" else "old"
    found = verdicts("regional", live)[kind, name]
    assert found.state == "progressing"
    assert why in found.why


def child_config(**data: str) -> Readiness:
    live = state.after()
    state.changed(live, Ref("v1", "ConfigMap", N, f"kof-cluster-config-{C}"))["data"].update(data)
    return verdicts("child", live)["ConfigMap", f"kof-cluster-config-{C}"]


def test_a_child_that_sends_to_another_region_has_failed_until_its_label_is_heard() -> None:
    found = child_config(regional_cluster_name="eu1")
    assert (found.state, found.can_heal) == ("failed", True)
    assert "sends to regional cluster eu1, not to aws-us-east-2" in found.why


def test_a_child_that_lags_behind_its_regions_new_domain() -> None:
    found = child_config(write_metrics_endpoint="https://old.example.com", read_logs_endpoint="https://old.example.com")
    assert found.state == "progressing"
    assert "read_logs_endpoint, write_metrics_endpoint" in found.why
    assert "applied again" in found.advice
    assert "old.example.com" not in found.why


def test_a_child_whose_region_is_gone_sends_to_nobody() -> None:
    """Its ConfigMap stays, with the endpoints that were."""
    live = state.after()
    del live[Ref("v1", "ConfigMap", N, f"kof-{R}")]
    assert (
        "regional cluster aws-us-east-2 isn't there"
        in verdicts("child", live)["ConfigMap", f"kof-cluster-config-{C}"].why
    )


def test_a_child_is_touched_exactly_when_its_region_is_reached_otherwise() -> None:
    """kof's operator hears of it by that alone, in another region or cloud."""

    def annotations(live: Any) -> Any:
        (part,) = [part for part in of("child", live) if part.manifest]
        assert part.manifest
        return part.manifest()["metadata"].get("annotations")

    assert annotations(state.before()) is None
    live = state.after()
    first = annotations(live)
    assert list(first) == ["k0rdent-kof/regional-config"]
    config = state.changed(live, Ref("v1", "ConfigMap", N, f"kof-{R}"))
    config["data"] = dict(sorted(config["data"].items()))
    assert annotations(live) == first
    config["data"]["write_logs_endpoint"] = "https://vmauth.new.example.com/vli"
    assert annotations(live) != first


def test_a_region_whose_label_was_taken_away_is_ready_and_stores_nothing() -> None:
    """kcm uninstalls all that its MultiClusterService brought, and goes on calling the cluster ready."""
    live = state.after()
    del live[Ref(API, "ServiceSet", N, f"{R}-f4f250a9")]
    found = {which: each.state for which, each in verdicts("regional", live).items()}
    assert found.pop(("ServiceSet", f"{R}-f4f250a9")) == "progressing"
    assert set(found.values()) == {"ready"}


def test_a_users_login_that_is_not_on_the_regional_cluster_yet() -> None:
    ref = Ref(API, "MultiClusterService", None, "kof-vmuser-propagation-3676574327")
    live = state.after()
    state.changed(live, ref)["status"]["matchingClusters"][0]["deployed"] = False
    assert "isn't deployed on aws-us-east-2" in verdicts("child", live)["MultiClusterService", ref.name].why
    state.changed(live, ref)["status"]["matchingClusters"] = []
    assert "doesn't match aws-us-east-2" in verdicts("child", live)["MultiClusterService", ref.name].why


# -- who else stands for it


def stand_in(kind: str, item: Any) -> str | None:
    found = stand_ins({kind: [item]}, {R: of("regional")}, "kof")
    return found[0].why if found else None


def test_a_config_map_of_the_guides_that_stands_for_the_region_under_its_own_name() -> None:
    live = state.after()
    own = live[Ref("v1", "ConfigMap", N, f"kof-{R}")]
    assert stand_in("ConfigMap", own) is None
    another = copy.deepcopy(own)
    another["metadata"]["name"] = R
    assert stand_in("ConfigMap", another) == "its regional_cluster_name is aws-us-east-2"
    another["data"]["regional_cluster_name"] = "eu1"
    assert stand_in("ConfigMap", another) is None
    assert stand_in("ConfigMap", live[Ref("v1", "ConfigMap", N, f"kof-cluster-config-{C}")]) is None


def test_a_server_group_of_an_earlier_line_that_would_double_the_regions_series() -> None:
    live: Any = {}
    old = state.group(live, R, "x", "kof")
    assert stand_in("PromxyServerGroup", old) == "spec.cluster_name is aws-us-east-2"
    old["spec"]["cluster_name"] = "other"
    assert stand_in("PromxyServerGroup", old) == f"its target is vmauth.{state.DOMAIN}:443"
    assert stand_in("PromxyServerGroup", state.group(live, "eu1", "y")) is None
    assert stand_in("PromxyServerGroup", state.group(live, R, "ce4141b1")) is None


# -- rights


def needed(layer: str, job: str, live: Any = None) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for part in of(layer, live):
        for right in rights(part):
            if right.job == job:
                found[right.kind] |= right.verbs
    return {kind: " ".join(sorted(verbs)) for kind, verbs in sorted(found.items())}


def test_the_rights_that_a_region_needs() -> None:
    live = state.after()
    state.group(live, "eu1", "1234")
    assert needed("regional", "apply", live) == {"ClusterDeployment": "create get list patch"}
    assert needed("regional", "wait", live) == {
        "ClusterDeployment": "list watch",
        "ConfigMap": "list watch",
        "MultiClusterService": "list watch",
        "PromxyServerGroup": "list watch",
        "Secret": "get",
        "ServiceSet": "list watch",
    }
    assert needed("regional", "delete", live) == {
        "ClusterDeployment": "delete get list watch",
        "ConfigMap": "list watch",
        "Credential": "list watch",
        "MultiClusterService": "list watch",
        "PromxyServerGroup": "list watch",
        "Secret": "get",
        "ServiceSet": "list watch",
        "ServiceTemplate": "list watch",
        "VMStorageConnection": "list watch",
        "VMUser": "list watch",
    }


def test_the_rights_that_a_child_needs() -> None:
    """More than its own objects' to delete: what the operator leaves behind, and nobody else removes."""
    assert needed("child", "apply") == {"ClusterDeployment": "create get list patch"}
    assert needed("child", "wait") == {
        "ClusterDeployment": "list watch",
        "ConfigMap": "list watch",
        "MultiClusterService": "list watch",
        "ServiceSet": "list watch",
    }
    assert needed("child", "delete") == {
        "ClusterDeployment": "delete get list watch",
        "ConfigMap": "list watch",
        "Credential": "list watch",
        "MultiClusterService": "delete get list watch",
        "Secret": "delete get",
        "ServiceSet": "list watch",
        "ServiceTemplate": "list watch",
        "VMUser": "list watch",
    }


def test_the_rights_that_the_mothership_needs_beside_its_charts() -> None:
    assert needed("mothership", "apply") == {"Namespace": "create get patch"}
    assert needed("mothership", "check") == {"MultiClusterService": "get", "ServiceTemplate": "get"}
    assert needed("mothership", "helm") == {"Secret": "list"}
    assert needed("mothership", "wait") == {
        "Deployment": "list watch",
        "HelmRelease": "list watch",
        "MultiClusterService": "list watch",
        "ServiceTemplate": "list watch",
    }
    assert needed("mothership", "delete") == {
        "Deployment": "list watch",
        "HelmRelease": "delete get list watch",
        "MultiClusterService": "list watch",
        "Namespace": "delete get list watch",
    }


def test_secrets_are_never_listed_but_by_helm() -> None:
    for layer in LAYERS:
        for job in ("apply", "wait", "delete"):
            assert "list" not in needed(layer, job, state.after()).get("Secret", "")


# -- how it goes


def waves(layer: str, live: Any, **changed: Any) -> dict[Goes, list[str]]:
    found = departure(of(layer, live, **changed))
    return {wave: [str(part.what) for part in those if isinstance(part.what, Ref)] for wave, those in found.items()}


def test_a_child_goes_and_then_what_nobody_takes_away() -> None:
    found = waves("child", state.after())
    assert list(found) == [Goes.DELETED, Goes.FOLLOWS, Goes.LEFT, Goes.FOLLOWS_LEFT]
    assert found[Goes.DELETED] == [f"ClusterDeployment {N}/{C}"]
    assert sorted(found[Goes.FOLLOWS]) == [
        f"ConfigMap {N}/kof-cluster-config-{C}",
        f"Secret {N}/kof-vmuser-creds-3676574327",
        f"ServiceSet {N}/{C}-49a75732",
        f"ServiceSet {N}/{C}-851570cc",
        f"VMUser {N}/kof-vmuser-3676574327",
    ]
    # First what kcm acts on, then the password of which nothing is made any more.
    assert found[Goes.LEFT] == [
        "MultiClusterService kof-vmuser-propagation-3676574327",
        "Secret kof/kof-vmuser-creds-3676574327",
    ]
    (on_the_regional,) = found[Goes.FOLLOWS_LEFT]
    assert on_the_regional == f"ServiceSet {N}/{names.service_set(R, 'kof-vmuser-propagation-3676574327')}"
    inside = [part.what for part in departure(of("child", state.after()))[Goes.FOLLOWS_LEFT]]
    assert Installed(N, "kof-vmuser-3676574327", R) in inside


def test_of_twins_by_hash_the_other_ones_login_stays() -> None:
    live: Any = {}
    state.cluster(live, "child-120", "child", there=True)
    alone = waves("child", live, name="child-120")
    assert [each.rpartition("-")[2] for each in alone[Goes.LEFT]] == ["557321792", "557321792"]
    state.cluster(live, "child-201", "child", there=True)
    found = waves("child", live, name="child-120")
    assert Goes.LEFT not in found
    assert Goes.FOLLOWS_LEFT not in found
    assert not any("557321792" in each for wave in found.values() for each in wave)


def test_twins_among_regions_keep_their_admin() -> None:
    live: Any = {}
    state.cluster(live, "region-101", "regional", there=True)
    name, same = "region-020", "region-101"
    assert names.user_of(f"kof-{name}", N) == names.user_of(f"kof-{same}", N)
    found = waves("regional", live, cluster_name=name)[Goes.FOLLOWS]
    assert not any("vmuser" in each for each in found)
    assert any("vmuser" in each for each in waves("regional", {}, cluster_name=name)[Goes.FOLLOWS])


def test_a_region_takes_all_that_is_its_own_with_it() -> None:
    live = state.after()
    found = waves("regional", live)
    assert list(found) == [Goes.DELETED, Goes.FOLLOWS]
    assert found[Goes.DELETED] == [f"ClusterDeployment {N}/{R}"]
    admin = "admin-2461207107"
    assert sorted(found[Goes.FOLLOWS]) == [
        f"ConfigMap {N}/kof-{R}",
        f"ConfigMap {N}/kof-record-vmrules-{R}",
        f"MultiClusterService kof-vmuser-propagation-{admin}",
        f"PromxyServerGroup {N}/promxy-server-group-ce4141b1",
        f"Secret {N}/kof-vmuser-creds-{admin}",
        f"Secret kof/kof-vmuser-creds-{admin}",
        f"ServiceSet {N}/{R}-f4f250a9",
        f"VMStorageConnection {N}/kof-audit-logs-storage-connection-ce4141b1",
        f"VMStorageConnection {N}/kof-logs-storage-connection-ce4141b1",
        f"VMStorageConnection {N}/kof-traces-storage-connection-ce4141b1",
        f"VMUser {N}/kof-vmuser-{admin}",
    ]


def test_promxy_forgets_a_region_unless_it_was_the_last() -> None:
    secret = "Secret kof/kof-mothership-promxy-config"
    live = state.after()
    assert secret not in waves("regional", live)[Goes.FOLLOWS]
    stranger = state.group(live, "x", "5678")
    for labels in ({}, {f"{P}/secret-name": "of-another-promxy"}):
        stranger["metadata"]["labels"] = labels
        assert secret not in waves("regional", live)[Goes.FOLLOWS]
    named = {"labels": {f"{P}/secret-name": "kof-mothership-promxy-config"}}
    state.put(live, KOF_API, "VMStorageConnection", N, "x", metadata=named)
    assert secret not in waves("regional", live)[Goes.FOLLOWS]
    state.group(live, "eu1", "1234")
    assert secret in waves("regional", live)[Goes.FOLLOWS]
    part = next(each for each in of("regional", live) if str(each.what) == secret)
    assert part.gone
    still = judged(part.gone(), live)
    assert (still.state, still.why) == ("progressing", "still names region aws-us-east-2")
    assert judged(part.gone(), state.before()).ready
    assert judged(part.gone(), {}).ready


def test_the_mothership_is_uninstalled_one_release_after_the_other() -> None:
    live = state.after()
    found = departure(of("mothership", live))
    assert [part.what for part in found[Goes.DELETED]] == [Installed("kof", "kof")]
    assert [str(part.what) for part in found[Goes.LEFT]] == [
        "HelmRelease kof/kof-child",
        "HelmRelease kof/kof-regional",
        "HelmRelease kof/kof-mothership",
        "HelmRelease kof/victoria-metrics-operator",
        "HelmRelease kof/kof-operators",
        "Namespace kof",
    ]


def test_users_whose_clusters_are_gone_go_before_kof_regional_which_they_hold() -> None:
    live = state.after()
    del live[Ref(API, "ClusterDeployment", N, C)]
    left = [str(part.what) for part in departure(of("mothership", live))[Goes.LEFT]]
    assert left[:3] == [
        "MultiClusterService kof-vmuser-propagation-3676574327",
        "Secret kof/kof-vmuser-creds-3676574327",
        "HelmRelease kof/kof-child",
    ]
    # The admin's goes with its region, whether that is there or not.
    del live[Ref(API, "ClusterDeployment", N, R)]
    assert not any("admin" in str(part.what) for part in of("mothership", live))


def test_what_brings_kof_to_all_clusters_is_never_deleted_by_us() -> None:
    """Without kof-child-cluster the collectors of every child are gone in seconds: only its chart may take it away."""
    for live in (state.before(), state.after()):
        for layer in LAYERS:
            for part in of(layer, live, **({"dns_secret": True} if layer == "mothership" else {})):
                if isinstance(part.what, Ref) and part.what.name in (*state.SERVICES, "kof-aws-dns-secrets-remote"):
                    assert part.goes is Goes.FOLLOWS_LEFT


def test_it_is_not_offered() -> None:
    assert KOF_1_10.version not in RELEASES
