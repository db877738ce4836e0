"""Gathering: few requests, Secrets by name, nothing written, and no refusal that ends in a traceback."""

from __future__ import annotations

import base64
import pathlib
import stat
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.situations import group, named, walk

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import facts as facts_module
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import (
    Wanted,
    certificate_problem,
    gather,
    helm_version,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import Need

ALL_LAYERS = ("mothership", "regional", "child")
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KCM = "/apis/k0rdent.mirantis.com/v1alpha1"
GROUPS = {
    "k0rdent.mirantis.com": ["v1alpha1"],
    "kof.k0rdent.mirantis.com": ["v1alpha1"],
    "grafana.integreatly.org": ["v1beta1"],
}


class FakeConnection:
    """Answers from a dict of path -> object, list of items, or error to raise; notes what was asked."""

    server = "https://fake:6443"
    place, unsaid = "https://fake:6443, by option host", False

    def __init__(self, answers: dict[str, Any], groups: dict[str, list[str]] | None = None, may: Any = None) -> None:
        self.answers: dict[str, Any] = {
            "/version": {"gitVersion": "v1.34.4"},
            "/apis": {
                "groups": [
                    {"name": name, "versions": [{"version": version} for version in versions]}
                    for name, versions in (GROUPS if groups is None else groups).items()
                ]
            },
            **answers,
        }
        self.may = may or (lambda attributes: True)
        self.asked: list[tuple[str, str]] = []
        self.listed: list[tuple[str, Any]] = []

    def _answer(self, method: str, path: str) -> Any:
        self.asked.append((method, path))
        answer = self.answers.get(path, ApiError(404, "NotFound", f"{path} not found"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def request(self, method, path, *, query=None, body=None, **_options):
        if path == REVIEW:
            self.asked.append((method, path))
            return {"status": {"allowed": self.may(body["spec"]["resourceAttributes"]), "reason": ""}}
        return self._answer(method, path)

    def list_objects(self, path, *, query=None, page=500):
        self.listed.append((path, query))
        return self._answer("LIST", path), "1"


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"walk": walk(*ALL_LAYERS), "helm": False, **changes})


def test_a_whole_preflight_is_a_handful_of_requests():
    connection = FakeConnection(
        {
            f"{KCM}/managements": [named("kcm")],
            f"{KCM}/namespaces/kcm-system/clusterdeployments": [named(f"c{n}") for n in range(1000)],
            "/apis/kof.k0rdent.mirantis.com/v1alpha1/namespaces/kof/promxyservergroups": [
                group(f"g{n}", f"c{n}", secret="mine") for n in range(100)
            ],
            "/api/v1/namespaces/kof/secrets/mine": {"data": {"password": base64.b64encode(b"geheim").decode()}},
            "/api/v1/namespaces/kof": named("kof"),
        }
    )
    facts = gather(connection, wanted(secrets=frozenset({"storage-vmuser-credentials"})))
    assert len(facts.cluster_deployments) == 1000
    assert facts.secrets == {"mine": {"password": b"geheim"}, "storage-vmuser-credentials": None}
    assert facts.namespaces == {"kof": named("kof"), "kcm-system": None}
    assert facts.kubernetes == "v1.34.4"
    assert facts.kcm_version == "v1alpha1"
    assert len(connection.asked) <= 20
    assert max(Counter(connection.asked).values()) == 1
    # Helm's own are told by their labels; no other Secret is ever in a list.
    assert [query["labelSelector"].split(",")[0] for path, query in connection.listed if path.endswith("/secrets")] == [
        "owner=helm"
    ]
    assert {path for method, path in connection.asked if method not in ("GET", "LIST")} == {REVIEW}
    assert "geheim" not in repr(facts)


def test_the_newest_known_version_of_kcm_is_discovered():
    both = {"k0rdent.mirantis.com": ["v1alpha1", "v1beta1"]}
    connection = FakeConnection({"/apis/k0rdent.mirantis.com/v1beta1/managements": [named("kcm")]}, both)
    facts = gather(connection, wanted())
    assert facts.kcm_version == "v1beta1"
    assert len(facts.managements) == 1
    assert gather(FakeConnection({}, {"k0rdent.mirantis.com": ["v9"]}), wanted()).kcm_version is None


def test_an_ordinary_cluster_is_no_error_here():
    facts = gather(FakeConnection({}, {}), wanted())
    assert facts.kcm_version is None
    assert facts.unread == {}


def test_only_what_the_layers_need_is_read():
    connection = FakeConnection({})
    gather(connection, wanted(walk=walk("mothership")))
    assert not [path for _method, path in connection.asked if "clusterdeployments" in path or "promxy" in path]
    connection = FakeConnection({})
    gather(connection, wanted(walk=walk("child")))
    assert not [
        path
        for _method, path in connection.asked
        if "storageclasses" in path or (path[-11:] == "deployments" and "apps" in path)
    ]


def test_where_services_charts_come_from_is_looked_at_where_they_are_published_nowhere() -> None:
    path = "/apis/source.toolkit.fluxcd.io/v1/namespaces/kcm-system/helmrepositories/kof"
    there = named("kof", "kcm-system", spec={"url": "https://charts.example.com/kof"})
    old = wanted(walk=walk("child", release=RELEASES["0.0.x"]))
    assert gather(FakeConnection({path: there}), old).services_repository == there
    forbidden = ApiError(403, "Forbidden", "no")
    facts = gather(FakeConnection({path: forbidden}), old)
    assert (facts.services_repository, facts.unread) == (None, {}), "good to know, and no reason to ask for a right"
    connection = FakeConnection({path: there})
    assert gather(connection, wanted(walk=walk("child"))).services_repository is None
    assert ("GET", path) not in connection.asked


@pytest.mark.parametrize(
    ("repository", "asked"), [("oci://r.example.com/kof", True), ("https://r.example.com/kof", False), ("/srv", False)]
)
def test_a_login_of_registries_is_looked_for_at_registries_alone(
    monkeypatch: pytest.MonkeyPatch, repository: str, asked: bool
) -> None:
    monkeypatch.setattr(facts_module, "missing_helper", lambda *_given: "no docker-credential-x")
    monkeypatch.setattr(facts_module, "wants_login", lambda *_given, **_options: True)
    found = gather(FakeConnection({}), wanted(helm=True, helm_binary="/nowhere", anonymous_registry=repository))
    assert bool(found.helper_problem) is asked


def test_a_refusal_is_noted_with_the_servers_reason():
    denied = ApiError(403, "Forbidden", 'credentials is forbidden: User "u" cannot list')
    connection = FakeConnection({f"{KCM}/namespaces/kcm-system/credentials": denied})
    facts = gather(connection, wanted())
    assert facts.unread == {"Credential": '403 Forbidden: credentials is forbidden: User "u" cannot list'}
    assert facts.credentials == ()


def test_promxys_deployment_is_read_where_it_may_be():
    path = "/apis/apps/v1/namespaces/kof/deployments/promxy"
    there = named("promxy", "kof")
    assert gather(FakeConnection({path: there}), wanted(promxy_deployment="promxy")).promxy_deployment == there
    for refusal in (ApiError(403, "Forbidden", "no"), ApiError(404, "NotFound", "no")):
        facts = gather(FakeConnection({path: refusal}), wanted(promxy_deployment="promxy"))
        assert (facts.promxy_deployment, facts.unread) == (None, {})
    with pytest.raises(ApiError):
        gather(FakeConnection({path: ApiError(401, "Unauthorized", "no")}), wanted(promxy_deployment="promxy"))


def test_the_config_map_beside_each_identity_is_read_by_name():
    def credential(credential_name, **identity):
        return named(credential_name, spec={"identityRef": identity})

    in_kcm = "/api/v1/namespaces/kcm-system/configmaps"
    refused = ApiError(403, "Forbidden", "no")
    connection = FakeConnection(
        {
            f"{KCM}/namespaces/kcm-system/credentials": [
                credential("a", name="aws"),
                credential("b", name="azure", namespace="there"),
                credential("c", name="secret"),
                credential("unused", name="unused"),
            ],
            f"{in_kcm}/aws-resource-template": named("aws-resource-template"),
            f"{in_kcm}/secret-resource-template": refused,
        },
    )
    facts = gather(connection, wanted(credentials=frozenset((each, each) for each in "abcd")))
    assert facts.resource_templates == {"a": named("aws-resource-template"), "b": None}
    asked = {path for _method, path in connection.asked if "configmaps" in path}
    assert asked == {
        f"{in_kcm}/aws-resource-template",
        f"{in_kcm}/secret-resource-template",
        "/api/v1/namespaces/there/configmaps/azure-resource-template",
    }


def test_sveltos_clusters_are_listed_where_they_are_served():
    path = "/apis/lib.projectsveltos.io/v1beta1/namespaces/kcm-system/sveltosclusters"
    groups = {"k0rdent.mirantis.com": ["v1alpha1"], "lib.projectsveltos.io": ["v1beta1"]}
    connection = FakeConnection({path: [named("c1")]}, groups)
    assert gather(connection, wanted()).sveltos_clusters == (named("c1"),)
    connection = FakeConnection({}, {"k0rdent.mirantis.com": ["v1alpha1"]})
    assert gather(connection, wanted()).sveltos_clusters == ()
    assert path not in {asked for _method, asked in connection.asked}


def test_the_time_of_the_facts_is_the_callers_clock():
    now = datetime(2026, 3, 8, tzinfo=UTC)
    assert gather(FakeConnection({}), wanted(), lambda: now).now == now


def test_operators_are_looked_for_at_home_where_the_whole_cluster_is_forbidden():
    connection = FakeConnection(
        {
            "/apis/apps/v1/deployments": ApiError(403, "Forbidden", "no"),
            "/apis/apps/v1/namespaces/kof/deployments": [named("otel", "kof")],
        }
    )
    facts = gather(connection, wanted())
    assert [item["metadata"]["name"] for item in facts.operators] == ["otel"]
    assert facts.unread == {}


@pytest.mark.parametrize("path", ["/version", "/apis", f"{KCM}/managements", "/api/v1/namespaces/kof"])
@pytest.mark.parametrize("error", [ApiUnavailable("https://fake:6443 is away"), ApiError(401, "Unauthorized", "no")])
def test_a_lost_connection_and_a_refused_login_are_for_the_caller(path, error):
    with pytest.raises(type(error)):
        gather(FakeConnection({path: error}), wanted())


def test_something_else_than_kubernetes_is_told():
    with pytest.raises(ApiUnavailable, match="not like a Kubernetes API server"):
        gather(FakeConnection({"/apis": {"hello": "world"}}), wanted())


def test_an_administrator_is_asked_about_once():
    connection = FakeConnection({})
    assert gather(connection, wanted()).denied == ()
    assert connection.asked.count(("POST", REVIEW)) == 1


def test_everybody_else_is_asked_about_every_need():
    needs = walk(*ALL_LAYERS).needs("v1alpha1")
    asked = []

    def may(attributes):
        asked.append(attributes)
        return attributes["verb"] in ("get", "list", "watch")

    denied = gather(FakeConnection({}, may=may), wanted(namespace_labels={"of": "kof"})).denied
    assert len(asked) == len(needs) + 1
    assert {one.need for one in denied} == {need for need in needs if need.verb not in ("get", "list", "watch")}
    cluster_wide = [one for one in asked if one["resource"] == "namespaces"]
    assert all("namespace" not in one for one in cluster_wide)
    assert {
        "verb": "patch",
        "group": "k0rdent.mirantis.com",
        "resource": "clusterdeployments",
        "namespace": "kcm-system",
    } in asked


def test_a_namespace_is_neither_made_nor_written_where_it_is_right():
    def asked(there: dict[str, Any] | None) -> set[str]:
        found: list[dict[str, Any]] = []
        answers = {"/api/v1/namespaces/kof": there} if there else {}
        connection = FakeConnection(answers, may=lambda attributes: found.append(attributes))
        gather(connection, wanted(walk=walk("mothership"), namespace_labels={"of": "kof"}))
        return {each["verb"] for each in found if each["resource"] == "namespaces"}

    assert asked(None) == {"get", "create", "patch"}
    assert asked(named("kof")) == {"get", "patch"}
    assert asked(named("kof", labels={"of": "kof", "more": "x"})) == {"get"}


def test_who_only_looks_is_asked_for_nothing_that_writes_and_for_no_secret():
    needs = walk("regional", "child", job="look").needs("v1beta1")
    assert {need.verb for need in needs} == {"list", "watch"}
    assert "secrets" not in {need.resource for need in needs}


def test_who_deletes_is_asked_for_what_delete_needs():
    """Of a regional cluster, too, whether somebody in another namespace sends to it."""
    everywhere = [need for need in walk("regional", job="delete").needs("v1beta1") if need.namespace is None]
    assert [(need.verb, need.resource) for need in everywhere] == [
        ("list", "clusterdeployments"),
        ("list", "multiclusterservices"),
    ]
    assert not [need for need in walk("child", job="delete").needs("v1beta1") if need.namespace is None]
    deleted = {need.resource for need in walk("regional", "child", job="delete").needs("v1") if need.verb == "delete"}
    # Of ConfigMaps, old records of runs; of Leases, the fleet's.
    grafana = {"grafanadatasources", "grafanadashboards"}
    assert deleted == {"clusterdeployments", "promxyservergroups", "configmaps", "leases", *grafana}


def test_the_secret_with_a_key_of_aws_is_written_by_the_methods_that_have_one():
    def resources(method: str) -> set[str]:
        needs = walk("dns_credentials", method=method).needs("v1beta1")
        return {need.resource for need in needs if not need.optional}

    assert resources("iam_user") == resources("existing") == {"managements", "namespaces", "secrets", "leases"}
    assert resources("irsa") == resources("none") == {"managements"}


def test_the_rights_for_a_record_are_optional_where_nothing_else_needs_them():
    for job in ("apply", "delete"):
        needs = walk("mothership", "regional", "child", job=job).needs("v1beta1")
        optional = {(need.verb, need.resource, need.namespace) for need in needs if need.optional}
        assert optional == {(verb, "configmaps", "kof") for verb in ("get", "list", "create", "patch", "delete")}
    # Who looks and writes needs to list them for the look.
    both = walk("regional", job="status", more=("record",)).needs("v1beta1")
    of_records = {need.verb: need.optional for need in both if need.resource == "configmaps"}
    assert of_records == {"list": False, "get": True, "create": True, "patch": True, "delete": True}


def test_deleting_is_only_needed_where_something_is_replaced():
    def may_delete(needs):
        return [need for need in needs if need.verb == "delete" and need.resource == "promxyservergroups"]

    assert may_delete(walk("regional").needs("v1alpha1")) == []
    assert may_delete(walk("regional", more=("replace",)).needs("v1alpha1")) == [
        Need("delete", "kof.k0rdent.mirantis.com", "promxyservergroups", "kof", "regional")
    ]


def test_the_same_need_of_two_layers_is_one():
    needs = walk(*ALL_LAYERS).needs("v1alpha1")
    places = [(need.verb, need.group, need.resource, need.namespace) for need in needs]
    assert len(places) == len(set(places))


def executable(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_helm_says_its_version(tmp_path):
    helm = executable(tmp_path / "helm", '#!/bin/sh\n[ "$1" = version ] && echo v3.19.5\n')
    found = helm_version(helm)
    assert (found.path, found.version, found.problem) == (helm, "v3.19.5", None)


def test_helm_on_path_is_the_default(tmp_path, monkeypatch):
    helm = executable(tmp_path / "helm", "#!/bin/sh\necho v3.8.0\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert helm_version().path == helm
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert helm_version().problem == "no helm on PATH"


def test_a_helm_that_is_none_is_told(tmp_path):
    assert "not an executable file" in str(helm_version(str(tmp_path / "helm")).problem)


def test_a_helm_that_is_asked_for_its_version_gets_no_way_to_credentials(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = tmp_path / "helm"
    helm.write_text('#!/bin/sh\necho "v3.0.0${K0RDENT_KOF_CREDENTIALS}"\n')
    helm.chmod(0o700)
    monkeypatch.setenv("K0RDENT_KOF_CREDENTIALS", "/proc/1/fd/3")
    assert helm_version(str(helm)).version == "v3.0.0"
    broken = executable(tmp_path / "broken", "#!/bin/sh\necho unknown flag >&2; exit 1\n")
    assert helm_version(broken).problem == f"{broken} version ended with 1: unknown flag"
    garbage = executable(tmp_path / "garbage", "\x7fELF nonsense")
    assert helm_version(garbage).problem is not None


def test_a_file_without_certificates_is_told(tmp_path):
    assert certificate_problem(None) is None
    assert certificate_problem("/nowhere/ca.pem") == "/nowhere/ca.pem: No such file or directory"
    (tmp_path / "ca.pem").write_text("hello")
    assert "no PEM certificate" in str(certificate_problem(str(tmp_path / "ca.pem")))
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert certificate_problem(str(tmp_path / "ca.pem")) is None
