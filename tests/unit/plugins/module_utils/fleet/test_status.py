"""How a fleet is, by objects that a fake source holds: what is told, how bad it is, and of whom."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import pathlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import status as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart, Revision
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import helm_releases
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Resource
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import FIELD_MANAGER, HANDS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, operators
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects as rendered_objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import (
    grafana_datasource,
    promxy_config,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.sveltos import values_hash
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report

#: Values of a kof-storage whose logs have a volume.
KEPT = "victoria-logs-single: {server: {persistentVolume: {enabled: true}}}\n"
NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
LONG_AGO, JUST_NOW = "2026-02-01T00:00:00Z", "2026-03-01T11:50:00Z"
KCM = "k0rdent.mirantis.com/v1alpha1"
SVELTOS = "config.projectsveltos.io/v1beta1"


def installed(name: str, version: str, status: str, since: str = "", last: str = "") -> InstalledChart:
    """:param version: what is deployed; `status`, `since` and `last` are of the newest revision."""
    return InstalledChart(name, version, "deployed", "0.1", last=Revision(last or version, status, since))


CHARTS = [
    installed("kof-operators", "0.1.1", "deployed", LONG_AGO),
    installed("kof-mothership", "0.1.1", "deployed", LONG_AGO),
]
SHARED = {
    "kof_version": "0.1.1",
    "kof_namespace": "kof",
    "kof_kcm_namespace": "kcm-system",
    "kof_fleet": "prod",
    "kof_chart_repository": "oci://here/charts",
    "kof_drift_managers": list(HANDS),
    "kof_apply_timeout": 60,
    "kof_force_conflicts": "hands",
    "kof_adopt": True,
}
REGION = {"regional_domain": "eu1.example.com", "regional_admin_email": "a@example.com"}


def fleet(*, mothership: bool = True) -> Fleet:
    parsed = {
        "mothership": model.parse_mothership("mothership", SHARED)[0],
        "eu1": model.parse_regional("eu1", {**SHARED, **REGION})[0],
        "eu1-a": model.parse_child("eu1-a", {**SHARED, "child_regional": "eu1"})[0],
    }
    layers = {"mothership": "mothership", "eu1": "regional", "eu1-a": "child"}
    batch = {layer: [host] for host, layer in layers.items() if mothership or host != "mothership"}
    return Fleet(
        {"mothership": [], **batch},
        dict.fromkeys(layers, SHARED),
        parsed,
        layers,  # type: ignore[arg-type]
    )


def item(api: str, kind: str, namespace: str | None, name: str, **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "creationTimestamp": LONG_AGO, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **parts}


def condition(kind: str, state: str, message: str = "", since: str = LONG_AGO) -> dict[str, str]:
    return {"type": kind, "status": state, "message": message, "lastTransitionTime": since}


def cluster(name: str, layer: str) -> list[dict[str, Any]]:
    """A cluster that is as it should be."""
    services = [
        {"name": each.name, "namespace": each.namespace or "kof", "template": each.template}
        for each in KOF_0_1_1.services[layer]
    ]
    charts = [
        {"releaseNamespace": each["namespace"], "releaseName": each["name"], "chartVersion": "1.0.0"}
        for each in services
    ]
    releases = [
        {"releaseNamespace": each["namespace"], "releaseName": each["name"], "valuesHash": values_hash("")}
        for each in services
    ]
    features = [{"featureID": each, "status": "Provisioned"} for each in ("Helm", "Resources")]
    of = {"clusterNamespace": "kcm-system", "clusterName": name, "clusterType": "Capi"}

    def summary(title: str, profile: str, kind: str, **spec: Any) -> dict[str, Any]:
        made = item(SVELTOS, "ClusterSummary", "kcm-system", title, spec={**of, "clusterProfileSpec": spec})
        made["metadata"]["ownerReferences"] = [{"kind": kind, "name": profile}]
        made["status"] = {"featureSummaries": features, "helmReleaseSummaries": releases if spec else []}
        return made

    if layer == "regional":
        charts[2]["values"] = services[2]["values"] = KEPT
        releases[2]["valuesHash"] = values_hash(KEPT)
    deployment = item(KCM, "ClusterDeployment", "kcm-system", name)
    deployment["spec"] = {"credential": "aws", "template": "aws-0-1-0", "serviceSpec": {"services": services}}
    deployment["status"] = {"conditions": [condition("Ready", "True")]}
    return [
        deployment,
        summary(f"p--{name}-capi-{name}", name, "Profile", helmCharts=charts),
        summary(f"kof-storage-secrets-capi-{name}", "kof-storage-secrets", "ClusterProfile"),
        *(
            [summary(f"kof-aws-dns-secrets-capi-{name}", "kof-aws-dns-secrets", "ClusterProfile")]
            if layer == "regional"
            else []
        ),
    ]


def group(name: str = "eu1") -> dict[str, Any]:
    """A PromxyServerGroup as a run makes it."""
    region = replace(fleet().of("regional")[0], cluster_name=name, host=name)
    made = promxy_server_group.of_regional(region, KOF_0_1_1)
    made["metadata"]["creationTimestamp"] = LONG_AGO
    return made


def configuration(*groups: dict[str, Any], login: tuple[str, str] = ("x", "x")) -> dict[str, Any]:
    """The Secret that promxy's operator makes of groups."""
    text = promxy_config.render(groups, {"storage-vmuser-credentials": login})
    data = {"config.yaml": base64.b64encode(text.encode()).decode()}
    return item("v1", "Secret", "kof", KOF_0_1_1.promxy.secret, data=data)


def objects() -> list[dict[str, Any]]:
    """A fleet that is well."""
    found = [
        item("v1", "Namespace", None, "kof"),
        item(KCM, "Management", None, "kcm", status={"components": {"capi": {"success": True}}}),
        item(KCM, "Credential", "kcm-system", "aws", status={"ready": True}),
        group(),
        configuration(group()),
        item("grafana.integreatly.org/v1beta1", "GrafanaDatasource", "kof", "eu1-logs", status={"uid": "x"}),
        *cluster("eu1", "regional"),
        *cluster("eu1-a", "child"),
    ]
    found += [
        item(KCM, "ServiceTemplate", "kcm-system", name, status={"valid": True}) for name in KOF_0_1_1.service_templates
    ]
    for each in KOF_0_1_1.deployments:
        status = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        found.append(item("apps/v1", "Deployment", "kof", each.name, spec={"replicas": 1}, status=status))
    for name, keys in KOF_0_1_1.secrets.items():
        found.append(item("v1", "Secret", "kof", name, data=dict.fromkeys(keys, "eA==")))
    return found


class Source:
    """Lists and gets what it holds, and nothing else."""

    server = "https://fake:6443"

    def __init__(
        self,
        held: list[dict[str, Any]],
        *,
        forbidden: tuple[str, ...] = (),
        unserved: tuple[str, ...] = (),
        broken: tuple[str, ...] = (),
    ):
        self.held, self.forbidden, self.unserved, self.broken = held, forbidden, unserved, broken
        self.asked: list[str] = []

    def api_groups(self, group: str) -> dict[str, Any]:
        return {"preferred": "v1alpha1", "versions": ["v1alpha1"]}

    def resource(self, api_version: str, kind: str) -> Any:
        return None if kind in self.unserved else Resource(api_version, kind, kind, True, ())

    def path(self, api_version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        return "|".join((kind, namespace or "", name or ""))

    def _of(self, path: str) -> list[dict[str, Any]]:
        kind, namespace, name = path.split("|")
        self.asked.append(path)
        if kind in self.forbidden or f"{kind}/{name}" in self.forbidden:
            raise ApiError(403, "Forbidden", f"cannot list {kind}")
        if kind in self.broken:
            raise ApiError(500, "InternalError", f"conversion webhook for {kind} failed")
        return [
            each
            for each in self.held
            if each["kind"] == kind
            and (not namespace or each["metadata"].get("namespace") == namespace)
            and (not name or each["metadata"]["name"] == name)
        ]

    def list_objects(self, path: str, **_options: Any) -> tuple[list[dict[str, Any]], str]:
        return copy.deepcopy(self._of(path)), "1"

    def request(self, method: str, path: str, **_options: Any) -> dict[str, Any]:
        assert method == "GET"
        found = self._of(path)
        if not found:
            raise ApiError(404, "NotFound", path)
        return copy.deepcopy(found[0])


def look(
    source: Source, *, patience: float = 60, mothership: bool = True, charts: Any = CHARTS, **more: Any
) -> dict[str, Any]:
    return under_test.look(
        source,
        fleet(mothership=mothership),
        charts,
        patience=patience,
        now=NOW,  # type: ignore[arg-type]
        **more,
    )


def told(seen: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["host"], each["severity"], each["code"]) for each in seen["findings"]}


def states(seen: dict[str, Any]) -> dict[str, str]:
    return {each["host"]: each["state"] for each in seen["clusters"]}


def named(held: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(each for each in held if (each["kind"], each["metadata"]["name"]) == (kind, name))


def test_of_a_fleet_that_is_well_nothing_is_found_and_each_kind_is_listed_once() -> None:
    source = Source(objects())
    seen = look(source)
    assert seen["findings"] == []
    assert states(seen) == {"mothership": "ready", "eu1": "ready", "eu1-a": "ready"}
    assert seen["counts"]["clusters"]["ready"] == 3
    assert seen["versions"]["charts"] == {"kof-operators": "0.1.1", "kof-mothership": "0.1.1"}
    assert {"name": "cert-manager-1-16-2", "count": 2} in seen["versions"]["service_templates"]
    assert seen["versions"]["cluster_templates"] == [{"name": "aws-0-1-0", "count": 2}]
    assert len(source.asked) == len(set(source.asked))
    assert all("|kof|" in each and each.split("|")[2] for each in source.asked if each.startswith("Secret"))


def test_clusters_that_are_alike_in_all_versions_are_told_together() -> None:
    held = [*objects(), *cluster("eu1-b", "child")]
    named(held, "ClusterDeployment", "eu1-a")["status"]["k8sVersion"] = "v1.31.1"
    named(held, "ClusterDeployment", "eu1-a")["spec"]["serviceSpec"]["services"][2]["template"] = "kof-collectors-0-1-0"
    named(held, "Management", "kcm")["status"]["release"] = "kcm-0-1-0"
    versions = look(Source(held))["versions"]
    assert versions["k0rdent"] == "kcm-0-1-0"
    regional, child = versions["sets"]
    assert (regional["layer"], regional["hosts"], regional["differs"]) == ("regional", ["eu1"], [])
    assert (child["hosts"], child["kubernetes"], child["cluster_template"]) == (["eu1-a"], "v1.31.1", "aws-0-1-0")
    assert child["differs"] == ["kof-collectors is kof-collectors-0-1-0, kof-collectors-0-1-1 is wanted"]
    assert {"name": "kof-collectors", "template": "kof-collectors-0-1-0"} in child["services"]


@pytest.mark.parametrize("forbidden", [(), ("PromxyServerGroup",), ("Deployment",)])
def test_budgets_are_reckoned_by_what_is_read_anyway(forbidden: tuple[str, ...]) -> None:
    given: list[under_test.Live] = []

    def weigh(live: under_test.Live) -> list[dict[str, str]]:
        given.append(live)
        return [{"name": "promxy memory"}]

    source = Source(objects(), forbidden=forbidden)
    seen = look(source, weigh=weigh)
    assert seen["budgets"] == [{"name": "promxy memory"}]
    assert source.asked.count("PromxyServerGroup|kof|") == 1
    (live,) = given
    assert {each["metadata"]["name"] for each in live.cluster_deployments} == {"eu1", "eu1-a"}
    groups = live.promxy_server_groups
    assert (groups and [each["metadata"]["name"] for each in groups]) == (
        None if "PromxyServerGroup" in forbidden else ["eu1-metrics"]
    )
    promxy = None if "Deployment" in forbidden else KOF_0_1_1.promxy.deployment
    assert (live.promxy and live.promxy["metadata"]["name"]) == promxy


OF_ALL_KINDS = [
    item(
        "v1", "Pod", "kof", "p", spec={"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]},
        status={
            "phase": "Pending", "startTime": LONG_AGO, "conditions": [condition("PodScheduled", "True")],
            "containerStatuses": [{
                "name": "x", "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": LONG_AGO, "reason": "Error"}},
            }],
        },
    ),
    item("v1", "PersistentVolumeClaim", "kof", "c", spec={"storageClassName": "s"}, status={"phase": "Pending"}),
    item("storage.k8s.io/v1", "StorageClass", None, "s", provisioner="p"),
    item(*operators.GRAFANA, "kof", "g", status={"stage": "complete", "stageStatus": "success"}),
    item(
        "lib.projectsveltos.io/v1beta1", "SveltosCluster", "kcm-system", "eu1", spec={},
        status={"connectionStatus": "Healthy", "connectionFailures": 0, "failureMessage": ""},
    ),
    item(
        "cluster.x-k8s.io/v1beta1", "Cluster", "kcm-system", "eu1-a", spec={},
        status={"conditions": [condition("RemoteConnectionProbe", "True")], "v1beta2": {"conditions": []}},
    ),
    item(
        SVELTOS, "ClusterConfiguration", "kcm-system", "capi--eu1",
        status={"profileResources": [{
            "profileName": "eu1",
            "Features": [{"featureID": "Helm", "charts": [{"releaseName": "kof-storage", "chartVersion": "1.0.0"}]}],
        }]},
    ),
    item("v1", "ConfigMap", "kof", "kof-run-1", data={"run.json": json.dumps({
        "schema": "k0rdent.kof.run/1", "job": {"id": "1"},
        "changed": {"count": 1}, "failed": {"count": 0}, "left_out": {"count": 0},
    })}),
]  # fmt: skip
#: What may stand where something else belongs.
OF_OTHER_TYPES = (
    None, {}, [], "", "text", 5, -1, True, ["x"], [None], {"a": None}, {"x": [{"y": 1}]}, "9" * 5000, float("inf"),
    "0001-01-01T00:00:00Z", "\u202e\x1b[31m<b>", "[" * 5000,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all that is in a value; metadata only an API server writes, and as it should be."""
    for key in value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        if path or key not in ("apiVersion", "kind", "metadata"):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def test_no_form_that_an_object_has_ends_a_look_or_breaks_its_schema() -> None:
    """Each part of each object once of another type, one at a time."""
    chance = random.Random(15)
    held = [*as_applied(), *OF_ALL_KINDS]
    schema = json.loads((pathlib.Path(__file__).parents[5] / "docs" / "status.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    told_of: Counter[str] = Counter()
    for number, each in enumerate(held):
        for path in places(each):
            changed = copy.deepcopy(held)
            value: Any = changed[number]
            for key in path[:-1]:
                value = value[key]
            value[path[-1]] = copy.deepcopy(chance.choice(OF_OTHER_TYPES))
            seen = look(Source(changed), more=[verify.datasources])
            assert len(seen["clusters"]) == 3
            told_of.update(found["code"] for found in seen["findings"])
            seen = json.loads(json.dumps({**seen, "management_cluster": "here"}))
            faults = [fault.message for fault in validator.iter_errors(seen)]
            assert faults == [], (each["kind"], path, value[path[-1]])
    assert told_of["object-malformed"] > 20


class Silent(Source):
    """Gives no answer about one kind, as where the webhook that converts it never ends; or about nothing."""

    def __init__(self, held: list[dict[str, Any]], kind: str, *, away: bool = False) -> None:
        super().__init__(held)
        self.silent, self.away = kind, away

    def _of(self, path: str) -> list[dict[str, Any]]:
        if path == "/version" and not self.away:
            return [{"gitVersion": "v1.34.4"}]
        if path == "/version" or path.startswith(f"{self.silent}|"):
            raise ApiUnavailable("no answer within 60 s")
        return super()._of(path)


@pytest.mark.parametrize("kind", ["Management", "Credential", "ClusterSummary", "Pod", "GrafanaDatasource", "VMRule"])
def test_a_kind_of_which_no_answer_comes_is_told_and_the_rest_is_looked_at(kind: str) -> None:
    seen = look(Silent(objects(), kind), more=[prune.tell])
    assert any(each.startswith(f"{kind}: ") and "no answer" in each for each in seen["not_looked_at"])
    # Where the server is away for all else, too, that is what is wrong.
    with pytest.raises(ApiUnavailable, match="no answer"):
        look(Silent(objects(), kind, away=True), more=[prune.tell])


def test_what_has_left_the_inventory_is_told_by_any_of_its_parts() -> None:
    """Of one whose ClusterDeployment is gone, and one that is being deleted."""
    held, region = objects(), replace(fleet().of("regional")[0], cluster_name="us1", host="us1")
    left = [group("us1"), grafana_datasource.of_regional(region, KOF_0_1_1)]
    going = copy.deepcopy(named(held, "ClusterDeployment", "eu1-a"))
    labels = left[1]["metadata"]["labels"]
    going["metadata"] |= {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z", "labels": labels}
    seen = look(Source([*held, *left, going]), more=[prune.tell])
    found = [each for each in seen["findings"] if each["code"] == "cluster-left-inventory"]
    assert [each["object"] for each in found] == [str(ref_of(going)), str(ref_of(left[0]))]
    assert "being deleted since 2026-01-01T00:00:00Z" in found[0]["why"]
    assert all(str(ref_of(each)) in found[1]["why"] for each in left)


@pytest.mark.parametrize(
    "kind", ["Management", "Credential", "ClusterSummary", "Deployment", "Pod", "GrafanaDatasource"]
)
def test_a_kind_that_can_t_be_had_though_the_server_runs_is_told_and_the_rest_is_looked_at(kind: str) -> None:
    """As where the webhook that converts it is away: its controllers are what one looks for then."""
    source = Source(objects(), broken=(kind,))
    seen = look(source)
    assert any("conversion webhook" in each for each in seen["not_looked_at"])
    assert all(source.asked.count(each) == 1 for each in source.asked if each.startswith(f"{kind}|"))
    assert "unknown" in states(seen).values()
    with pytest.raises(ApiError, match="conversion webhook"):
        look(Source(objects(), broken=("ClusterDeployment",)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], set()),  # of an OCI repository
        ([condition("Ready", "True")], set()),
        ([condition("Ready", "Unknown", "building artifact")], set()),
        ([condition("Ready", "False", "503 of https://me:CANARY@here/", JUST_NOW)], {"progress"}),
        ([condition("Ready", "False", "503", LONG_AGO)], {"warning"}),
    ],
)
def test_a_repository_of_charts_that_flux_doesn_t_reach(said: Any, expected: set[str]) -> None:
    made = item("source.toolkit.fluxcd.io/v1", "HelmRepository", "kcm-system", "kof", status={"conditions": said})
    source = Source([*objects(), made])
    seen = look(source)
    assert told(seen) == {("mothership", severity, "chart-repository-not-ready") for severity in expected}
    assert source.asked.count("HelmRepository|kcm-system|kof") == 1
    assert "CANARY" not in str(seen)


@pytest.mark.parametrize(
    "problem", [NotARelease("Secret x holds no release"), ApiError(500, "InternalError", "etcd is away")]
)
def test_a_release_that_somebody_broke_says_nothing_and_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def look_at_charts(*_arguments: Any) -> None:
        raise problem

    monkeypatch.setattr(under_test.installed, "look", look_at_charts)
    charts = under_test.charts_of(Source([]), "kof")  # type: ignore[arg-type]
    seen = look(Source(objects()), charts=charts)
    assert (seen["versions"]["charts"], states(seen)["mothership"], states(seen)["eu1"]) == (None, "unknown", "ready")
    assert seen["not_looked_at"][0] == f"Helm releases of kof's charts: {problem}"


def test_other_values_of_a_chart_are_drift_and_none_of_them_is_told() -> None:
    (_operators, mothership) = helm_releases(fleet())
    as_stored = json.loads(json.dumps(mothership["values"]), parse_int=float)  # helm's JSON has no integers
    for values, upgraded in ((as_stored, 0), ({**as_stored, "mine": {"password": "CANARY"}}, 1), (None, 0)):
        last = Revision("0.1.1", "deployed", LONG_AGO, values)
        charts = [CHARTS[0], replace(CHARTS[1], last=last)]
        drift = look(Source(as_applied()), charts=charts)["drift"]
        assert counted({"drift": drift})["Helm release"] == {
            "unchanged": 2 - upgraded,
            **({"upgraded": 1} if upgraded else {}),
        }
        assert [each["why"] for each in drift["objects"] if each["kind"] == "Helm release"] == [
            "its values differ"
        ] * upgraded
        assert "CANARY" not in f"{drift} {last}"


def test_budgets_that_can_t_be_reckoned_hide_nothing_else() -> None:
    def weigh(_live: under_test.Live) -> list[dict[str, str]]:
        raise TypeError("CANARY")

    seen = look(Source(objects()), weigh=weigh)
    assert (seen["budgets"], told(seen)) == ([], {("mothership", "warning", "object-malformed")})
    assert "CANARY" not in str(seen)


def trie(value: Any) -> dict[str, Any]:
    """Of all fields of an object as an apply makes them its manager's; lists as one value."""
    return {f"f:{key}": trie(each) for key, each in value.items()} if isinstance(value, dict) else {}


def applied(want: dict[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
    """An object as it is after this was applied to an empty cluster."""
    live = copy.deepcopy(want)
    metadata = {key: each for key, each in want["metadata"].items() if key not in ("name", "namespace")}
    fields = trie(
        {"metadata": metadata, **{key: want[key] for key in want if key not in ("apiVersion", "kind", "metadata")}}
    )
    entry = {"manager": manager, "operation": "Apply", "apiVersion": want["apiVersion"], "fieldsType": "FieldsV1"}
    about = {"uid": "1", "resourceVersion": "7", "creationTimestamp": LONG_AGO}
    live["metadata"] |= {**about, "managedFields": [{**entry, "time": LONG_AGO, "fieldsV1": fields}]}
    return live


def as_applied() -> list[dict[str, Any]]:
    """A fleet that is well, and as a run left it."""
    held = objects()
    there = {"eu1": "aws-0-1-0", "eu1-a": "aws-0-1-0"}
    for layer in ("mothership", "regional", "child"):
        for one in fleet().of(layer):
            given = Given(
                KOF_0_1_1, "v1alpha1", there.get(one.host, ""), None if layer == "regional" else "eu1.example.com"
            )
            for want in rendered_objects(layer, one, given):
                live = applied(want)
                kept = next(
                    (
                        each
                        for each in held
                        if (each["kind"], each["metadata"]["name"]) == (live["kind"], live["metadata"]["name"])
                    ),
                    {},
                )
                held = [each for each in held if each is not kept]
                held.append({**live, **({"status": kept["status"]} if "status" in kept else {})})
    return held


def counted(seen: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {
        each["kind"]: {name: number for name, number in each.items() if name != "kind" and number}
        for each in seen["drift"]["counts"]
    }


AS_APPLIED = {
    "Namespace": {"unchanged": 1},
    "Helm release": {"unchanged": 2},
    "ClusterDeployment": {"unchanged": 2},
    "PromxyServerGroup": {"unchanged": 1},
    "GrafanaDatasource": {"unchanged": 1},
}


def test_after_a_run_there_is_nothing_that_another_would_change() -> None:
    source = Source(as_applied())
    seen = look(source)
    assert seen["drift"]["objects"] == []
    assert counted(seen) == AS_APPLIED
    assert len(source.asked) == len(set(source.asked))


def test_what_a_run_would_change_is_counted_by_kind_and_told_by_cluster() -> None:
    held = [each for each in as_applied() if each["kind"] != "GrafanaDatasource"]
    child = named(held, "ClusterDeployment", "eu1-a")
    child["metadata"]["labels"]["app.kubernetes.io/part-of"] = "prod"
    child["spec"]["credential"] = "another"
    charts = [installed("kof-operators", "0.1.0", "deployed", LONG_AGO), CHARTS[1]]
    seen = look(Source(held), charts=charts)
    assert counted(seen) == {
        **AS_APPLIED,
        "Helm release": {"unchanged": 1, "upgraded": 1},
        "ClusterDeployment": {"unchanged": 1, "updated": 1},
        "GrafanaDatasource": {"created": 1},
    }
    told_of = {(each["host"], each["object"], each["action"]): each for each in seen["drift"]["objects"]}
    assert set(told_of) == {
        ("mothership", "Helm release kof-operators", "upgraded"),
        ("eu1-a", "ClusterDeployment kcm-system/eu1-a", "updated"),
        ("eu1", "GrafanaDatasource kof/eu1-logs", "created"),
    }
    assert told_of["eu1-a", "ClusterDeployment kcm-system/eu1-a", "updated"]["fields"] == ["spec.credential"]


def test_a_cluster_that_is_not_there_would_be_made_with_all_of_it() -> None:
    held = [
        each for each in as_applied() if not (each["kind"] == "ClusterDeployment" and each["metadata"]["name"] == "eu1")
    ]
    seen = look(Source(held))
    assert counted(seen) == {**AS_APPLIED, "ClusterDeployment": {"unchanged": 1, "created": 1}}
    # Of its parts nothing is found: they are looked at for this alone.
    assert {each for each in told(seen) if each[0] == "eu1"} == {("eu1", "failed", "cluster-missing")}


def test_a_cluster_of_another_fleet_would_be_refused_and_the_rest_of_it_left() -> None:
    held = as_applied()
    named(held, "ClusterDeployment", "eu1")["metadata"]["labels"]["app.kubernetes.io/part-of"] = "theirs"
    seen = look(Source(held))
    assert counted(seen)["ClusterDeployment"] == {"unchanged": 1, "refused": 1}
    assert "PromxyServerGroup" not in counted(seen)
    (refused,) = seen["drift"]["objects"]
    assert refused["why"].startswith("belongs to fleet theirs")


def test_of_what_may_not_be_read_or_rendered_nothing_is_said() -> None:
    seen = look(Source(as_applied(), forbidden=("GrafanaDatasource",)))
    assert "GrafanaDatasource" not in counted(seen)
    alone = fleet()
    alone.batch, alone.clusters = (
        {**alone.batch, "regional": []},
        {k: v for k, v in alone.clusters.items() if k != "eu1"},
    )
    held = [each for each in as_applied() if each["metadata"]["name"] != "eu1"]
    options: Any = {"patience": 60, "now": NOW}
    seen = under_test.look(Source(held), alone, CHARTS, **options)  # type: ignore[arg-type]
    assert "ClusterDeployment" not in counted(seen)
    assert any("nothing says its regional's domain" in each for each in seen["not_looked_at"])
    known = under_test.look(Source(held), alone, CHARTS, domain_of=lambda _host: "eu1.example.com", **options)  # type: ignore[arg-type]
    assert counted(known)["ClusterDeployment"] == {"unchanged": 1}


def change(kind: str, name: str, **parts: Any) -> list[dict[str, Any]]:
    held = objects()
    named(held, kind, name).update(parts)
    return held


def edited(kind: str, name: str, *path: Any, value: Any) -> list[dict[str, Any]]:
    held = objects()
    place = named(held, kind, name)
    for key in path[:-1]:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[path[-1]] = value
    return held


def without(kind: str, name: str) -> list[dict[str, Any]]:
    return [each for each in objects() if (each["kind"], each["metadata"]["name"]) != (kind, name)]


def conditions(*entries: dict[str, str]) -> list[dict[str, Any]]:
    return change("ClusterDeployment", "eu1-a", status={"conditions": [condition("Ready", "False"), *entries]})


def without_credential() -> list[dict[str, Any]]:
    held = conditions(condition("CredentialReady", "False", "Credential not found"))
    held.remove(named(held, "Credential", "aws"))
    return held


def reached(status: dict[str, Any], **spec: Any) -> list[dict[str, Any]]:
    kind = "SveltosCluster"
    return [*objects(), item("lib.projectsveltos.io/v1beta1", kind, "kcm-system", "eu1-a", status=status, spec=spec)]


def summary(features: list[dict[str, str]], name: str = "p--eu1-a-capi-eu1-a", **more: Any) -> list[dict[str, Any]]:
    return change("ClusterSummary", name, status={"featureSummaries": features, **more})


PROMXY = KOF_0_1_1.promxy.deployment


def pod(
    *,
    waiting: dict[str, str] | None = None,
    ready: bool = False,
    killed: str = "",
    owner: tuple[str, str] = ("ReplicaSet", f"{PROMXY}-5d4f"),
    claim: str = "",
) -> dict[str, Any]:
    made = item("v1", "Pod", "kof", f"{owner[1]}-x")
    made["metadata"] |= {
        "ownerReferences": [{"kind": owner[0], "name": owner[1], "controller": True}],
        "labels": {"pod-template-hash": "5d4f"},
    }
    container: dict[str, Any] = {"name": "one", "ready": ready, "restartCount": 7, "state": {"running": {}}}
    if waiting:
        container["state"] = {"waiting": waiting}
    if killed:
        container["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": killed}}
    conditions = [condition("PodScheduled", "True"), condition("Ready", str(ready))]
    made["status"] = {"startTime": LONG_AGO, "conditions": conditions, "containerStatuses": [container]}
    if claim:
        made["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": claim}}]}
    return made


def storage(values: str) -> list[dict[str, Any]]:
    """The region with these values of kof-storage, deployed."""
    held = objects()
    named(held, "ClusterDeployment", "eu1")["spec"]["serviceSpec"]["services"][2]["values"] = values
    summary = named(held, "ClusterSummary", "p--eu1-capi-eu1")
    summary["spec"]["clusterProfileSpec"]["helmCharts"][2]["values"] = values
    summary["status"]["helmReleaseSummaries"][2]["valuesHash"] = values_hash(values)
    return held


def stranger() -> dict[str, Any]:
    made = group("elsewhere")
    made["spec"]["http_client"]["basic_auth"]["credentials_secret_name"] = "gone"
    return made


def deployed_with(feature: dict[str, Any]) -> list[dict[str, Any]]:
    """All that is wanted of the child is deployed, and this is what was tried last."""
    held = objects()
    features = named(held, "ClusterSummary", "p--eu1-a-capi-eu1-a")["status"]["featureSummaries"]
    features[0] = feature
    return held


HELM = {"featureID": "Helm", "status": "Failed"}
CASES = {
    "a Credential that isn't ready": (
        conditions(condition("CredentialReady", "False", "no Secret", JUST_NOW)),
        {("eu1-a", "failed", "credential-not-ready")},
    ),
    "the same, that kcm forgets": (
        change("Credential", "aws", status={"ready": False}),
        {("eu1", "failed", "credential-not-ready"), ("eu1-a", "failed", "credential-not-ready")},
    ),
    "a Credential that is gone": (
        without("Credential", "aws"),
        {("eu1", "failed", "credential-missing"), ("eu1-a", "failed", "credential-missing")},
    ),
    "a Credential that is gone, of which kcm says that it isn't ready": (
        without_credential(),
        {("eu1", "failed", "credential-missing"), ("eu1-a", "failed", "credential-missing")},
    ),
    "machines being made": (
        conditions(condition("InfrastructureReady", "Unknown", "creating", JUST_NOW)),
        {("eu1-a", "progress", "infrastructure-not-ready")},
    ),
    "machines that have been made for too long": (
        conditions(condition("InfrastructureReady", "Unknown", "creating", LONG_AGO)),
        {("eu1-a", "warning", "infrastructure-not-ready")},
    ),
    "a config that the chart refuses": (
        conditions(
            condition("HelmChartReady", "False", "failed to validate template with provided configuration: workers")
        ),
        {("eu1-a", "failed", "cluster-config-refused")},
    ),
    "a ClusterTemplate that isn't valid": (
        conditions(condition("TemplateReady", "False")),
        {("eu1-a", "failed", "cluster-template-not-ready")},
    ),
    "a cluster that is gone": (without("ClusterDeployment", "eu1-a"), {("eu1-a", "failed", "cluster-missing")}),
    "a cluster that isn't reached": (
        reached({"connectionStatus": "Down", "failureMessage": "no route"}),
        {("eu1-a", "failed", "cluster-unreached")},
    ),
    "a cluster that isn't reached each time": (
        reached({"connectionStatus": "Healthy", "connectionFailures": 1}),
        {("eu1-a", "warning", "cluster-unsteady")},
    ),
    "a cluster that is paused": (
        reached({"connectionStatus": "Healthy"}, paused=True),
        {("eu1-a", "warning", "cluster-paused")},
    ),
    "a release that failed for good": (
        summary([{**HELM, "status": "FailedNonRetriable", "failureMessage": "no"}]),
        {("eu1-a", "failed", "service-failed")},
    ),
    "a release that has been tried again for too long": (
        summary([{**HELM, "status": "Provisioning", "failureMessage": "no", "lastAppliedTime": JUST_NOW}]),
        {("eu1-a", "warning", "service-being-retried")},
    ),
    "a release that is deployed, and failed when it was once more": (
        deployed_with({**HELM, "failureMessage": "etcdserver: request timed out", "lastAppliedTime": JUST_NOW}),
        {("eu1-a", "progress", "service-being-retried")},
    ),
    "the same, again and again": (
        deployed_with({**HELM, "failureMessage": "no", "lastAppliedTime": JUST_NOW, "consecutiveFailures": 3}),
        {("eu1-a", "warning", "service-being-retried")},
    ),
    "a cluster that helm doesn't reach": (
        summary([{**HELM, "failureMessage": "Kubernetes cluster unreachable: Get https://x/version: dial tcp"}]),
        {("eu1-a", "failed", "cluster-unreached")},
    ),
    "a reference that is missing": (
        summary([{**HELM, "failureMessage": "Referenced resource: ConfigMap x-resource-template does not exist"}]),
        {("eu1-a", "failed", "service-reference-missing")},
    ),
    "a release of two profiles": (
        summary(
            [], helmReleaseSummaries=[{"releaseNamespace": "kof", "releaseName": "kof-operators", "status": "Conflict"}]
        ),
        {("eu1-a", "failed", "service-conflict")},
    ),
    "a release of somebody else's": (
        summary([{**HELM, "failureMessage": "x cannot be imported into the current release"}]),
        {("eu1-a", "failed", "service-of-others")},
    ),
    "services that aren't deployed": (summary([]), {("eu1-a", "warning", "service-not-deployed")}),
    "a login that isn't copied": (
        without("ClusterSummary", "kof-storage-secrets-capi-eu1-a"),
        {("eu1-a", "warning", "secrets-not-copied")},
    ),
    "a login that is being copied": (
        summary([{"featureID": "Resources", "status": "Provisioning"}], "kof-aws-dns-secrets-capi-eu1"),
        {("eu1", "warning", "secrets-not-copied")},
    ),
    "a login that is being copied anew": (
        summary(
            [{"featureID": "Resources", "status": "Provisioning", "lastAppliedTime": JUST_NOW}],
            "kof-aws-dns-secrets-capi-eu1",
        ),
        {("eu1", "progress", "secrets-not-copied")},
    ),
    "a login that is tried to be copied again and again": (
        summary(
            [{**HELM, "featureID": "Resources", "failureMessage": "no", "lastAppliedTime": JUST_NOW}],
            "kof-aws-dns-secrets-capi-eu1",
        ),
        {("eu1", "warning", "secrets-not-copied")},
    ),
    "another version": (
        [
            *edited("ClusterDeployment", "eu1-a", "spec", "serviceSpec", "services", 0, "template", value="own-1"),
            item(KCM, "ServiceTemplate", "kcm-system", "own-1", status={"valid": True}),
        ],
        {("eu1-a", "warning", "version-skew")},
    ),
    "another fleet's cluster": (
        edited(
            "ClusterDeployment",
            "eu1-a",
            "metadata",
            "labels",
            value={"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "other"},
        ),
        {("eu1-a", "warning", "cluster-of-another-fleet")},
    ),
    "a change that kcm hasn't seen": (
        edited("ClusterDeployment", "eu1-a", "metadata", "generation", value=2),
        {("eu1-a", "warning", "change-not-seen")},
    ),
    "a dry run": (
        edited("ClusterDeployment", "eu1-a", "spec", "dryRun", value=True),
        {("eu1-a", "failed", "cluster-dry-run")},
    ),
    "a ServiceTemplate that isn't valid": (
        change("ServiceTemplate", "kof-storage-0-1-1", status={"validationError": "no chart"}),
        {("mothership", "warning", "template-not-valid")},
    ),
    "a ServiceTemplate that is gone": (
        without("ServiceTemplate", "kof-storage-0-1-1"),
        {("mothership", "warning", "template-missing")},
    ),
    "a Deployment that is gone": (
        without("Deployment", "kof-mothership-promxy"),
        {("mothership", "warning", "deployment-missing")},
    ),
    "a Deployment that doesn't get on": (
        change(
            "Deployment",
            "kof-mothership-promxy",
            status={"conditions": [{**condition("Progressing", "False"), "reason": "ProgressDeadlineExceeded"}]},
        ),
        {("mothership", "failed", "deployment-stuck")},
    ),
    "a Deployment whose pods are refused": (
        change(
            "Deployment", "kof-mothership-promxy", status={"conditions": [condition("ReplicaFailure", "True", "quota")]}
        ),
        {("mothership", "warning", "deployment-pods-refused")},
    ),
    "a Deployment that starts": (
        change(
            "Deployment",
            "kof-mothership-promxy",
            status={"conditions": [condition("Available", "False", "", JUST_NOW)]},
        ),
        {("mothership", "progress", "deployment-not-available")},
    ),
    "a Deployment of which one pod after the other is replaced": (
        change(
            "Deployment",
            "kof-mothership-promxy",
            status={
                "replicas": 2,
                "updatedReplicas": 1,
                "availableReplicas": 1,
                "conditions": [
                    condition("Available", "True"),
                    {**condition("Progressing", "True"), "lastUpdateTime": JUST_NOW},
                ],
            },
        ),
        {("mothership", "progress", "deployment-not-available")},
    ),
    "a Deployment that somebody has scaled down": (
        change("Deployment", "kof-mothership-promxy", spec={"replicas": 0}, status={}),
        {("mothership", "failed", "deployment-scaled-down")},
    ),
    "a Secret that is empty": (
        change("Secret", "storage-vmuser-credentials", data={"username": "eA=="}),
        {("mothership", "warning", "secret-empty")},
    ),
    "a Secret that is gone": (
        without("Secret", "storage-vmuser-credentials"),
        {("mothership", "warning", "secret-missing")},
    ),
    "a Deployment whose image isn't there": (
        [
            *change("Deployment", PROMXY, status={"conditions": [condition("Available", "False")]}),
            pod(waiting={"reason": "ImagePullBackOff", "message": "no such tag"}),
        ],
        {("mothership", "warning", "image-not-pulled")},
    ),
    "the same, given up": (
        [
            *change(
                "Deployment",
                PROMXY,
                status={"conditions": [{**condition("Progressing", "False"), "reason": "ProgressDeadlineExceeded"}]},
            ),
            pod(waiting={"reason": "ImagePullBackOff"}),
        ],
        {("mothership", "failed", "image-not-pulled")},
    ),
    "a Deployment whose pod just starts": (
        [
            *change("Deployment", PROMXY, status={"conditions": [condition("Available", "False", "", JUST_NOW)]}),
            pod(waiting={"reason": "ContainerCreating"}),
        ],
        {("mothership", "progress", "deployment-not-available")},
    ),
    "a container that was killed for its memory an hour ago": (
        [*objects(), pod(ready=True, killed="2026-03-01T11:00:00Z")],
        {("mothership", "warning", "pod-out-of-memory")},
    ),
    "a container that was killed for its memory last month": ([*objects(), pod(ready=True, killed=LONG_AGO)], set()),
    "a volume that is missing, and who waits for it": (
        [
            *objects(),
            item("v1", "PersistentVolumeClaim", "kof", "db", spec={}, status={"phase": "Pending"}),
            pod(waiting={"reason": "ContainerCreating"}, owner=("StatefulSet", "vmstorage-cluster"), claim="db"),
        ],
        {("mothership", "warning", "volume-not-bound")},
    ),
    "a Grafana that doesn't come up": (
        [*objects(), item(*operators.GRAFANA, "kof", "grafana-vm", status={"stage": "plugins", "stageStatus": "x"})],
        {("mothership", "warning", "grafana-not-ready")},
    ),
    "a region whose logs have no volume": (
        storage("victoria-logs-single: {server: {storage: {enabled: true}}}\n"),
        {("eu1", "warning", "logs-not-kept")},
    ),
    "a place in promxy without its label": (
        edited("PromxyServerGroup", "eu1-metrics", "metadata", "labels", value={"other": "label"}),
        {("eu1", "warning", "server-group-unlabelled")},
    ),
    "a region that promxy doesn't know": (
        change("Secret", KOF_0_1_1.promxy.secret, data=configuration()["data"]),
        {("eu1", "warning", "region-not-in-promxy")},
    ),
    "an old login in promxy": (
        change("Secret", KOF_0_1_1.promxy.secret, data=configuration(group(), login=("x", "old"))["data"]),
        {("eu1", "warning", "login-outdated")},
    ),
    "a quote in a place in promxy": (
        edited("PromxyServerGroup", "eu1-metrics", "spec", "path_prefix", value='/"vm"'),
        {("eu1", "failed", "promxy-config-broken")},
    ),
    "promxy's configuration that can't be read": (
        change("Secret", KOF_0_1_1.promxy.secret, data={"config.yaml": base64.b64encode(b'a: "b"c"').decode()}),
        {("mothership", "failed", "promxy-config-broken")},
    ),
    "somebody's place in promxy without a login": (
        [*objects(), stranger()],
        {("mothership", "failed", "server-group-login-missing")},
    ),
    "k0rdent isn't well": (
        change("Management", "kcm", status={"components": {"capi": {"error": "no image"}}}),
        {("mothership", "warning", "k0rdent-not-ready")},
    ),
    "a datasource in no Grafana": (
        change("GrafanaDatasource", "eu1-logs", status={"NoMatchingInstances": True}),
        {("eu1", "warning", "datasource-unmatched")},
    ),
    "a datasource that isn't accepted": (
        change("GrafanaDatasource", "eu1-logs", status={"lastMessage": "no Secret"}),
        {("eu1", "warning", "datasource-refused")},
    ),
    "a datasource that is gone": (
        without("GrafanaDatasource", "eu1-logs"),
        {("eu1", "warning", "datasource-missing")},
    ),
    "a place in promxy that is gone": (
        without("PromxyServerGroup", "eu1-metrics"),
        {("eu1", "warning", "object-missing")},
    ),
    "kof's namespace is going": (
        edited("Namespace", "kof", "metadata", "deletionTimestamp", value=JUST_NOW),
        {("mothership", "failed", "namespace-terminating")},
    ),
    "a cluster that is going": (
        edited("ClusterDeployment", "eu1-a", "metadata", "deletionTimestamp", value=JUST_NOW),
        {("eu1-a", "warning", "being-deleted")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_alone_is_found_at_its_cluster_and_nothing_else(name: str) -> None:
    held, expected = CASES[name]
    seen = look(Source(held))
    assert told(seen) == expected
    assert all(each["why"] and each["remedy"] for each in seen["findings"])
    hosts = {host for host, _severity, _code in expected}
    assert {host for host, state in states(seen).items() if state != "ready"} == hosts
    assert set(under_test.failures(seen)) == {host for host, severity, _code in expected if severity == "failed"}


def test_logs_that_the_inventory_wants_without_a_volume_are_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    volume: dict[str, Any] = {"enabled": False}
    for part in reversed(operators.LOGS_VOLUME[:-1]):
        volume = {part: volume}
    monkeypatch.setitem(SHARED, "regional_service_values", {"kof-storage": volume})
    assert look(Source(CASES["a region whose logs have no volume"][0]))["findings"] == []


def test_promxys_regions_that_may_not_be_read_are_told_and_nothing_is_made_up() -> None:
    seen = look(Source(objects(), forbidden=(f"Secret/{KOF_0_1_1.promxy.secret}",)))
    assert seen["findings"] == []
    assert ["promxy" in each for each in seen["not_looked_at"]] == [True]
    assert states(seen) == {"mothership": "unknown", "eu1": "ready", "eu1-a": "ready"}


def test_of_a_promxy_that_is_switched_off_nothing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHARED, "mothership_values", {"promxy": {"enabled": False}})
    assert look(Source(without("Secret", KOF_0_1_1.promxy.secret)))["findings"] == []


def test_no_login_is_told_in_a_finding_of_promxys() -> None:
    held = change("Secret", KOF_0_1_1.promxy.secret, data=configuration(group(), login=("CANARY", "CANARY"))["data"])
    assert "CANARY" not in str(look(Source(held)))


def test_objects_of_which_nobody_has_written_a_status_are_looked_at_all_the_same() -> None:
    """Just made, or by hand: all that the API server wants of them is there, and nothing else."""
    held = objects()
    for each in held:
        for part in ("status", "data"):
            each.pop(part, None)
        if each["kind"] == "ClusterSummary":
            each["metadata"].pop("ownerReferences")
            each["spec"].pop("clusterProfileSpec")
    deployment = named(held, "ClusterDeployment", "eu1-a")
    deployment["spec"] = {"template": "aws-0-1-0"}
    seen = look(Source(held))
    assert states(seen) == {"mothership": "warning", "eu1": "failed", "eu1-a": "failed"}
    assert ("eu1", "failed", "credential-not-ready") in told(seen)
    assert {code for host, _severity, code in told(seen) if host == "eu1-a"} == {"cluster-not-ready", "service-missing"}
    assert {"name": "cert-manager-1-16-2", "count": 1} in seen["versions"]["service_templates"]


def test_a_deletion_that_can_not_end_says_by_what() -> None:
    held = edited("ClusterDeployment", "eu1-a", "metadata", "deletionTimestamp", value=JUST_NOW)
    named(held, "ClusterDeployment", "eu1-a")["metadata"]["finalizers"] = ["k0rdent.mirantis.com/cluster-deployment"]
    held.remove(named(held, "Credential", "aws"))
    seen = look(Source(held))
    assert {each for each in told(seen) if each[0] == "eu1-a"} == {("eu1-a", "failed", "deletion-held")}


def test_without_the_namespace_there_is_one_finding_and_not_twenty() -> None:
    held = [each for each in objects() if each["kind"] in ("Management", "Credential")]
    seen = look(Source(held, unserved=("PromxyServerGroup", "GrafanaDatasource")), charts=[])
    assert told(seen) == {
        ("mothership", "failed", "mothership-missing"),
        ("eu1", "failed", "cluster-missing"),
        ("eu1-a", "failed", "cluster-missing"),
    }
    assert len(seen["findings"]) == 3
    assert states(seen) == {"mothership": "missing", "eu1": "missing", "eu1-a": "missing"}


@pytest.mark.parametrize(
    ("charts", "severity"),
    [
        (CHARTS, "failed"),
        ([CHARTS[0], installed("kof-mothership", "0.1.1", "deployed", JUST_NOW)], "progress"),
        ("forbidden", "warning"),  # nobody says since when
    ],
)
def test_a_kind_that_is_not_served_is_one_finding(charts: Any, severity: str) -> None:
    seen = look(Source(objects(), unserved=("PromxyServerGroup",)), charts=charts)
    assert told(seen) == {("mothership", severity, "kind-not-served")}
    assert len(seen["findings"]) == 1


def a_rollout(held: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Another cluster of the fleet was changed just now."""
    fields = [{"manager": "k0rdent.kof", "operation": "Apply", "time": JUST_NOW}]
    named(held, "ClusterDeployment", "eu1")["metadata"]["managedFields"] = fields
    return held


def skewed() -> list[dict[str, Any]]:
    return CASES["another version"][0]


def bare(*names: str, disabled: bool = False) -> list[dict[str, Any]]:
    """The child without these services."""
    held = objects()
    spec = named(held, "ClusterDeployment", "eu1-a")["spec"]["serviceSpec"]
    if disabled:
        spec["services"] = [each | ({"disable": True} if each["name"] in names else {}) for each in spec["services"]]
    else:
        spec["services"] = [each for each in spec["services"] if each["name"] not in names]
    kept = {each["name"] for each in spec["services"] if not each.get("disable")}
    summary = named(held, "ClusterSummary", "p--eu1-a-capi-eu1-a")
    for part, key in (
        (summary["spec"]["clusterProfileSpec"], "helmCharts"),
        (summary["status"], "helmReleaseSummaries"),
    ):
        part[key] = [each for each in part[key] if each["releaseName"] in kept]
    return held


@pytest.mark.parametrize(
    ("held", "code", "severity"),
    [
        (lambda: without("ClusterDeployment", "eu1-a"), "cluster-missing", "failed"),
        (skewed, "version-skew", "warning"),
        (lambda: bare("kof-collectors", "kof-operators"), "service-missing", "failed"),
        (lambda: bare("kof-collectors", disabled=True), "service-missing", "failed"),
    ],
)
def test_whose_turn_has_not_come_is_in_progress_until_the_rollout_rests(held: Any, code: str, severity: str) -> None:
    assert told(look(Source(held()))) == {("eu1-a", severity, code)}
    seen = look(Source(a_rollout(held())))
    assert told(seen) == {("eu1-a", "progress", code)}
    assert states(seen)["eu1-a"] == "progressing"
    assert under_test.failures(seen) == {}


def test_services_that_the_inventory_leaves_out_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHARED, "child_disabled_services", ["kof-collectors"])
    assert look(Source(bare("kof-collectors", disabled=True)))["findings"] == []


def test_of_a_cluster_that_is_going_no_service_is_missed() -> None:
    held = bare("kof-collectors")
    named(held, "ClusterDeployment", "eu1-a")["metadata"]["deletionTimestamp"] = JUST_NOW
    assert told(look(Source(held))) == {("eu1-a", "warning", "being-deleted")}


@pytest.mark.parametrize(("charts", "code"), [([], "chart-being-installed"), ("forbidden", "")])
def test_without_the_date_of_the_namespace_the_first_cluster_gives_it(charts: Any, code: str) -> None:
    seen = look(Source(objects(), forbidden=("Namespace",), unserved=("GrafanaDatasource",)), charts=charts)
    expected = {("mothership", "warning", each) for each in ("kind-not-served", code) if each}
    assert told(seen) == expected


def test_what_a_chart_brings_is_not_missed_beside_the_chart() -> None:
    gone = next(each.name for each in KOF_0_1_1.deployments if each.chart == "kof-operators")
    seen = look(Source(without("Deployment", gone)), charts=CHARTS[1:])
    assert told(seen) == {("mothership", "warning", "chart-being-installed")}
    seen = look(Source(without("Deployment", "kof-mothership-promxy")), charts=CHARTS[1:])
    assert {code for _host, _severity, code in told(seen)} == {"chart-being-installed", "deployment-missing"}


def test_of_a_namespace_that_is_going_nothing_in_it_is_missed() -> None:
    held = edited("Namespace", "kof", "metadata", "deletionTimestamp", value=JUST_NOW)
    held = [each for each in held if each["metadata"].get("namespace") != "kof"]
    assert told(look(Source(held))) == {("mothership", "failed", "namespace-terminating")}


def test_a_chart_that_is_being_installed_is_as_old_as_its_revision() -> None:
    for since, severity in ((JUST_NOW, "progress"), (LONG_AGO, "failed")):
        charts = [CHARTS[0], installed("kof-mothership", "0.1.1", "pending-install", since)]
        assert told(look(Source(objects()), charts=charts)) == {("mothership", severity, "chart-being-installed")}


@pytest.mark.parametrize(
    ("charts", "expected"),
    [
        ([], {"chart-being-installed"}),
        (
            [installed("kof-operators", "0.1.1", "deployed"), installed("kof-mothership", "0.1.1", "failed")],
            {"chart-not-deployed"},
        ),
        ([CHARTS[0], installed("kof-mothership", "0.1.0", "deployed")], {"kof-version-differs"}),
        ([CHARTS[0], installed("kof-mothership", "0.1.1", "pending-install")], {"chart-being-installed"}),
        ([CHARTS[0], installed("kof-mothership", "0.1.0", "failed", JUST_NOW, "0.1.1")], {"chart-not-deployed"}),
        ([CHARTS[0], installed("kof-mothership", "0.1.1", "pending-upgrade")], {"chart-being-installed"}),
        ("forbidden", set()),
    ],
)
def test_kofs_charts(charts: Any, expected: set[str]) -> None:
    seen = look(Source(objects()), charts=charts)
    assert {code for _host, _severity, code in told(seen)} == expected
    assert bool(seen["not_looked_at"]) == (charts == "forbidden")


def elsewhere() -> list[dict[str, Any]]:
    held = objects()
    charts = named(held, "ClusterSummary", "p--eu1-a-capi-eu1-a")["spec"]["clusterProfileSpec"]["helmCharts"]
    charts[1] |= {"chartName": "kof-operators", "repositoryURL": "oci://old/charts"}
    held.append(
        item("source.toolkit.fluxcd.io/v1", "HelmRepository", "kcm-system", "kof", spec={"url": "oci://here/charts"})
    )
    return held


def test_where_charts_come_from_another_repository() -> None:
    seen = look(Source(elsewhere()))
    assert told(seen) == {("eu1-a", "warning", "another-repository")}
    assert "annotate clusterdeployment eu1-a" in seen["findings"][0]["remedy"]


#: By kind that may not be read, of which clusters not all is known then.
UNREAD = {
    "Secret": {"mothership"},
    "Deployment": {"mothership"},
    "Namespace": {"mothership"},
    "Management": {"mothership"},
    "Pod": {"mothership"},
    "PersistentVolumeClaim": {"mothership"},
    "Grafana": {"mothership"},
    "Credential": {"eu1", "eu1-a"},
    "ServiceTemplate": {"mothership", "eu1", "eu1-a"},
    "SveltosCluster": {"eu1", "eu1-a"},
    "Cluster": {"eu1", "eu1-a"},
    "ClusterSummary": {"eu1", "eu1-a"},
    "PromxyServerGroup": {"eu1"},
}


@pytest.mark.parametrize("kind", UNREAD)
def test_what_may_not_be_read_is_told_and_its_clusters_are_not_called_ready(kind: str) -> None:
    seen = look(Source(objects(), forbidden=(kind,)))
    assert seen["findings"] == []
    assert any(kind in each for each in seen["not_looked_at"])
    assert {host for host, state in states(seen).items() if state == "unknown"} == UNREAD[kind]
    assert {host for host, state in states(seen).items() if state == "ready"} == states(seen).keys() - UNREAD[kind]


@pytest.mark.parametrize("kind", ["SveltosCluster", "Cluster", "ClusterSummary", "ClusterConfiguration"])
@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (
            lambda: conditions(condition("ControlPlaneReady", "False", "machines are gone")),
            ("warning", "control-plane-not-ready"),
        ),
        (
            lambda: edited("ClusterDeployment", "eu1-a", "metadata", "deletionTimestamp", value=JUST_NOW),
            ("warning", "being-deleted"),
        ),
        (lambda: conditions(condition("CredentialReady", "False")), ("failed", "credential-not-ready")),
    ],
)
def test_what_a_cluster_says_itself_counts_whatever_else_may_not_be_read(
    kind: str, held: Any, expected: tuple[str, str]
) -> None:
    seen = look(Source(held(), forbidden=(kind,)))
    assert told(seen) == {("eu1-a", *expected)}
    assert states(seen) == {"mothership": "ready", "eu1": "unknown", "eu1-a": expected[0]}


def test_where_releases_of_charts_may_not_be_read_the_mothership_is_not_called_ready() -> None:
    seen = look(Source(objects()), charts="their Secrets may not be listed")
    assert states(seen)["mothership"] == "unknown"
    assert seen["counts"]["clusters"] == {**dict.fromkeys(report.STATES, 0), "unknown": 1, "ready": 2}


def test_a_repository_that_may_not_be_read_is_told_where_charts_come_from_elsewhere() -> None:
    seen = look(Source(elsewhere(), forbidden=("HelmRepository",)))
    assert seen["findings"] == []
    assert [each.partition(":")[0] for each in seen["not_looked_at"]] == ["HelmRepository"]
    assert states(seen) == {"mothership": "ready", "eu1": "unknown", "eu1-a": "unknown"}


@pytest.mark.parametrize(
    ("kind", "hosts"), [("Management", {"mothership"}), ("Credential", {"eu1", "eu1-a"}), ("ClusterSummary", None)]
)
def test_a_kind_of_k0rdent_or_sveltos_that_is_not_served_is_told(kind: str, hosts: set[str] | None) -> None:
    seen = look(Source(objects(), unserved=(kind,)))
    assert any(each.startswith(f"{kind} (") for each in seen["not_looked_at"])
    if hosts is not None:
        assert {host for host, state in states(seen).items() if state == "unknown"} == hosts


def test_without_a_management_k0rdent_is_not_well() -> None:
    seen = look(Source(without("Management", "kcm")))
    assert told(seen) == {("mothership", "warning", "k0rdent-not-ready")}


def test_clusters_that_may_not_be_listed_are_an_error() -> None:
    with pytest.raises(ApiError):
        look(Source(objects(), forbidden=("ClusterDeployment",)))


def test_what_is_of_a_mothership_outside_the_batch_fails_no_host() -> None:
    held = edited("Namespace", "kof", "metadata", "deletionTimestamp", value=JUST_NOW)
    seen = look(Source(held), mothership=False)
    assert told(seen) == {("", "failed", "namespace-terminating")}
    assert under_test.failures(seen) == {}
    assert states(seen) == {"eu1": "ready", "eu1-a": "ready"}


def test_what_another_region_does_to_promxy_fails_no_host_of_a_run_without_the_mothership() -> None:
    seen = look(Source([*objects(), stranger()]), mothership=False)
    assert told(seen) == {("", "failed", "server-group-login-missing")}
    assert under_test.failures(seen) == {}
    assert states(seen) == {"eu1": "ready", "eu1-a": "ready"}


def test_a_region_outside_the_batch_that_promxy_does_not_know_is_nobodys_finding() -> None:
    assert look(Source([*objects(), group("us1")]))["findings"] == []


@pytest.mark.parametrize(("patience", "severity"), [(5, "warning"), (15, "progress")])
def test_patience(patience: float, severity: str) -> None:
    held = conditions(condition("InfrastructureReady", "Unknown", "creating", JUST_NOW))
    assert told(look(Source(held), patience=patience)) == {("eu1-a", severity, "infrastructure-not-ready")}


@pytest.mark.parametrize(
    ("region", "expected"), [("eu1", set()), ("us1", {("eu1", "warning", "region-not-in-promxy")})]
)
def test_a_region_that_promxy_does_not_know(
    monkeypatch: pytest.MonkeyPatch, region: str, expected: set[tuple[str, str, str]]
) -> None:
    """Where the line has promxy come to life with its first region."""
    release = replace(KOF_0_1_1, promxy=replace(KOF_0_1_1.promxy, needs_regions=True))
    monkeypatch.setattr(Fleet, "release", release)
    held = change("Secret", release.promxy.secret, data=configuration(group(region))["data"])
    seen = look(Source(held))
    assert told(seen) == expected
    assert len(seen["findings"]) == len(expected)


def test_whatever_a_cluster_says_is_one_line() -> None:
    forged = "x\nchild       1 ready\n3 of 3 clusters ready"
    held = edited("ClusterDeployment", "eu1-a", "spec", "template", value=forged)
    named(held, "Management", "kcm")["status"] = {"components": {"capi": {"error": forged}}}
    services = named(held, "ClusterDeployment", "eu1-a")["spec"]["serviceSpec"]["services"]
    services[0]["template"] = forged
    seen = look(Source(held, forbidden=("Credential",)))
    texts = [each[key] for each in seen["findings"] for key in ("object", "why")]
    texts += [each["name"] for part in ("service_templates", "cluster_templates") for each in seen["versions"][part]]
    assert sum("child 1 ready" in each for each in texts) >= 4
    assert not [each for each in (*texts, *seen["not_looked_at"]) if "\n" in each]


def test_a_secret_that_may_not_be_read_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    release = replace(KOF_0_1_1, promxy=replace(KOF_0_1_1.promxy, needs_regions=True))
    monkeypatch.setattr(Fleet, "release", release)
    held = change("Secret", release.promxy.secret, data=configuration(group("us1"))["data"])
    forbidden = next(each for each in sorted(release.secrets) if each != release.promxy.secret)
    seen = look(Source(held, forbidden=(f"Secret/{forbidden}",)))
    assert ("eu1", "warning", "region-not-in-promxy") in told(seen)
    assert states(seen)["mothership"] == "unknown"


def test_what_nobody_dates_is_as_old_as_what_is_wanted() -> None:
    """A change of just now isn't deployed yet, however old its cluster is."""
    held = summary([])
    fields = [{"manager": "k0rdent.kof", "operation": "Apply", "time": JUST_NOW}]
    named(held, "ClusterDeployment", "eu1-a")["metadata"]["managedFields"] = fields
    seen = look(Source(held))
    assert told(seen) == {("eu1-a", "progress", "service-not-deployed")}
    assert seen["findings"][0]["since"] == ""
