"""Which rights helm needs, by what a chart gives and what is there; and who may write which roles and bindings."""

from __future__ import annotations

from typing import Any

import pytest
from test_facts import FakeConnection, wanted
from unit.situations import named, walk

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import gather

RBAC = f"{charts.RBAC}/v1"


def thing(kind: str = "ConfigMap", name: str = "x", api: str = "v1", hook: str = "", **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if hook:
        metadata["annotations"] = {"helm.sh/hook": hook}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def verbs(foreseen: Foreseen) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for verb, ref in charts.of_release(foreseen, "kof"):
        found.setdefault(f"{ref.kind} {ref.name}".strip(), set()).add(verb)
    return found


RECORD = {"get", "list", "create", "update"}


def test_nothing_to_do_needs_nothing() -> None:
    assert verbs(Foreseen("x")) == {}


def test_an_install_creates_and_an_upgrade_touches_what_differs() -> None:
    old, new = thing(data={"a": "1"}), thing(data={"a": "2"})
    assert verbs(Foreseen("x", "install", [old])) == {"Secret": RECORD, "ConfigMap x": {"get", "create"}}
    assert verbs(Foreseen("x", "upgrade", [new], [old], revisions=1))["ConfigMap x"] == {"get", "patch"}
    same = Foreseen("x", "upgrade", [old, thing(name="y")], [old], revisions=10)
    assert verbs(same) == {
        "Secret": {*RECORD, "delete"},
        "ConfigMap x": {"get"},
        "ConfigMap y": {"get", "create"},
    }


def test_what_names_the_release_s_namespace_is_what_names_none() -> None:
    old, new = thing(), thing()
    new["metadata"]["namespace"] = "kof"
    assert verbs(Foreseen("x", "upgrade", [new], [old], revisions=1))["ConfigMap x"] == {"get", "patch"}
    elsewhere = thing()
    elsewhere["metadata"]["namespace"] = "other"
    assert verbs(Foreseen("x", "upgrade", [elsewhere], [old], revisions=1))["ConfigMap x"] == {"get", "create"}


def test_what_is_missing_goes_or_failed() -> None:
    old = thing()
    repaired = Foreseen("x", "upgrade", [old], [old], absent=[ref_of(old)])
    assert verbs(repaired)["ConfigMap x"] == {"get", "create"}
    gone = Foreseen("x", "upgrade", [], [old], removed=[ref_of(old)])
    assert verbs(gone)["ConfigMap x"] == {"get", "delete"}
    failed = Foreseen("x", "upgrade", [old], [old], failed=True)
    assert verbs(failed)["ConfigMap x"] == {"get", "create", "patch"}


@pytest.mark.parametrize(
    ("step", "hook", "needed"),
    [
        ("install", "pre-install", {"get", "create", "delete"}),
        ("install", "post-upgrade, post-install", {"get", "create", "delete"}),
        ("install", "pre-upgrade", None),
        ("install", "test", None),
        ("upgrade", "pre-install", None),
        ("upgrade", "post-upgrade", {"get", "create", "delete"}),
        ("upgrade", "pre-delete", None),
    ],
)
def test_hooks_count_where_they_run(step: str, hook: str, needed: set[str] | None) -> None:
    assert verbs(Foreseen("x", step, [thing(hook=hook)])).get("ConfigMap x") == needed
    job = verbs(Foreseen("x", step, [thing("Job", api="batch/v1", hook=hook)])).get("Job x")
    assert job == (needed and needed | {"list", "watch"})


ROLE = thing("ClusterRole", api=RBAC, rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}])
BINDING = thing("ClusterRoleBinding", "b", RBAC, roleRef={"kind": "ClusterRole", "name": "x"})


AGGREGATED = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": None}


def test_rights_of_a_role() -> None:
    rules = [
        {"apiGroups": ["", "apps"], "resources": ["pods/log"], "resourceNames": ["a"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    pods = {"verb": "get", "resource": "pods", "subresource": "log", "name": "a"}
    assert [dict(each) for each in charts.rights_of({"rules": rules})] == [
        {**pods, "group": ""},
        {**pods, "group": "apps"},
        {"path": "/metrics", "verb": "get"},
    ]
    assert {"verb": "*", "group": "*", "resource": "*"} in map(dict, charts.rights_of(AGGREGATED))
    assert charts.rights_of({"rules": None}) == ()


def ungranted(may: Any, *documents: dict[str, Any], step: str = "install", **answers: Any) -> list[tuple[str, Any]]:
    """What facts find of a chart with these documents, for a user who `may`."""
    groups = {charts.RBAC: ["v1"]}
    listed = [
        {"kind": kind, "name": f"{kind.lower()}s", "namespaced": not kind.startswith("Cluster")}
        for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    ]

    class Connection(FakeConnection):
        def resource(self, _api: str, kind: str) -> Any:
            (found,) = [each for each in listed if each["kind"] == kind] or [None]
            return found and facts_resource(found)

        def path(self, _api: str, kind: str, _namespace: Any, name: str) -> str:
            return f"/{kind}/{name}"

    def refusing(attributes: dict[str, str]) -> bool:
        return attributes.get("resource") != "*" and may(attributes)

    foreseen = [Foreseen("chart", step, documents)]
    look = wanted(foresee=lambda _version, _served: foreseen, walk=walk("child"))
    return [
        (str(grant.what), lacking) for grant, lacking in gather(Connection(answers, groups, refusing), look).ungranted
    ]


def facts_resource(entry: dict[str, Any]) -> Any:
    from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Resource

    return Resource(RBAC, entry["kind"], entry["name"], entry["namespaced"], ())


def test_nobody_gives_what_he_does_not_hold() -> None:
    def holds(*held: str) -> Any:
        return lambda attributes: f"{attributes['verb']} {attributes.get('resource')}" in held

    rights = charts.rights_of(ROLE)
    assert ungranted(holds(), ROLE, BINDING) == [("ClusterRole x", rights), ("ClusterRoleBinding b", rights)]
    assert ungranted(holds("get secrets"), ROLE) == [("ClusterRole x", rights[1:])]
    assert ungranted(holds("get secrets", "list secrets"), ROLE, BINDING) == []
    assert ungranted(holds("escalate clusterroles"), ROLE, BINDING) == [("ClusterRoleBinding b", rights)]
    assert ungranted(holds("escalate clusterroles", "bind clusterroles"), ROLE, BINDING) == []


def test_a_binding_to_a_role_that_no_chart_brings() -> None:
    binding = {**BINDING, "roleRef": {"kind": "ClusterRole", "name": "theirs"}}
    nothing: Any = lambda _attributes: False  # noqa: E731
    assert ungranted(nothing, binding) == [("ClusterRoleBinding b", None)]
    live = {"/ClusterRole/theirs": {**named("theirs"), "rules": ROLE["rules"]}}
    assert ungranted(nothing, binding, **live) == [("ClusterRoleBinding b", charts.rights_of(ROLE))]


def test_an_administrator_is_asked_nothing_more() -> None:
    connection = FakeConnection({})
    assert gather(connection, wanted(foresee=lambda *_any: [Foreseen("chart")])).ungranted == ()


def test_crds_of_the_charts_count_as_served() -> None:
    definition = thing(
        "CustomResourceDefinition",
        api="apiextensions.k8s.io/v1",
        spec={
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1"}],
        },
    )
    assert charts.of_definitions([definition, ROLE]) == {("example.com", "Thing"): ("things", True)}
    assert charts.served_by([definition]) == ["example.com/v1", "example.com/v1/Thing"]
