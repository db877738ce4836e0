"""What of an archive may be restored: an archive is somebody's file, whatever its checksums say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, restore
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.archive import About, NotAnArchive
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, diff_of, ref_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import HIDDEN_NEW, Creation, changes
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES

ABOUT = About("", "prod", "kof", "kcm-system", "0.1", "0.1.1", "v1alpha1", {"kof-mothership": "0.1.1"})
OURS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "prod"}
HEAD = b"$ANSIBLE_VAULT;"


def obj(api: str, kind: str, name: str, namespace: str | None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(OURS), **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **({"spec": spec} if namespace else {})}


def cluster(name: str, service: str) -> dict[str, Any]:
    services = [{"name": service, "template": f"{service}-0-1-1"}]
    return obj(
        "k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", name, "kcm-system", serviceSpec={"services": services}
    )


HOME = obj("v1", "Namespace", "kof", None)
EU1, CHILD = cluster("eu1", "kof-storage"), cluster("a-child", "kof-collectors")
GROUP = obj("kof.k0rdent.mirantis.com/v1alpha1", "PromxyServerGroup", "eu1-metrics", "kof")
SECRET = {
    "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "a", "namespace": "kof"},
    "data": {"a": "Yg=="},
}  # fmt: skip
PLAIN: dict[str, Any] = {
    "objects/Namespace.json": [HOME],
    "objects/ClusterDeployment.json": [CHILD, EU1],
    "objects/PromxyServerGroup.json": [GROUP],
    "inventory.yml": None,
}


def packed(members: dict[str, Any], about: About = ABOUT) -> bytes:
    made = {}
    for name, value in members.items():
        content = value if isinstance(value, bytes) else archive.as_json(value)
        made[name] = HEAD + content if name.startswith("encrypted/") else content
    return archive.pack(about, made)


def read(members: dict[str, Any], about: About = ABOUT) -> restore.Content:
    return restore.read(packed(members, about), lambda member: member.removeprefix(HEAD))


def test_it_comes_in_the_order_in_which_it_can_be_made() -> None:
    content = read({**PLAIN, "encrypted/secrets.json": [SECRET], "encrypted/values.json": {"kof-mothership": {"a": 1}}})
    assert content.first == ([HOME], [SECRET])
    assert content.then == ([EU1, GROUP], [CHILD])
    assert content.values == {"kof-mothership": {"a": 1}}
    hidden = read({"objects/Namespace.json": [HOME], "encrypted/objects.json": [CHILD, EU1, GROUP]})
    assert hidden.then == ([EU1, GROUP], [CHILD])


def with_(item: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    changed = copy.deepcopy(item)
    change(changed)
    return changed


WRONG: dict[str, dict[str, Any]] = {
    "no list": {"objects/Namespace.json": HOME},
    "no object": {"objects/Namespace.json": [None]},
    "no JSON": {"objects/Namespace.json": b"["},
    "another kind than its member": {"objects/Namespace.json": [GROUP]},
    "an unknown member": {"objects/ClusterRoleBinding.json": []},
    "a member in an unknown place": {"scripts/x.sh": b""},
    "another encrypted member": {"encrypted/x.json": []},
    "a kind that no run writes": {
        "encrypted/objects.json": [obj("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "a", None)]
    },
    "a Secret among the objects": {"encrypted/objects.json": [SECRET]},
    "another API version": {"objects/PromxyServerGroup.json": [{**GROUP, "apiVersion": "v1"}]},
    "another namespace": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].update(namespace="kube-system"))]
    },
    "no namespace": {"objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].pop("namespace"))]},
    "the Namespace of somebody": {"objects/Namespace.json": [obj("v1", "Namespace", "kube-system", None)]},
    "another fleet's": {
        "objects/PromxyServerGroup.json": [
            with_(GROUP, lambda each: each["metadata"]["labels"].update({"app.kubernetes.io/part-of": "other"}))
        ]
    },
    "nobody's": {"objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].pop("labels"))]},
    "with a finalizer": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].update(finalizers=["a/b"]))]
    },
    "with an owner": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].update(ownerReferences=[]))]
    },
    "with a status": {"objects/PromxyServerGroup.json": [{**GROUP, "status": {}}]},
    "without a name": {"objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].pop("name"))]},
    "a name that is a number": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].update(name=1))]
    },
    "labels that are a list": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"].update(labels=["a"]))]
    },
    "a label that is true": {
        "objects/PromxyServerGroup.json": [with_(GROUP, lambda each: each["metadata"]["labels"].update(a=True))]
    },
    "metadata that is a text": {"objects/PromxyServerGroup.json": [{**GROUP, "metadata": "x"}]},
    "services that are a text": {
        "objects/ClusterDeployment.json": [with_(EU1, lambda each: each["spec"]["serviceSpec"].update(services="x"))]
    },
    "a spec that is a list": {"objects/ClusterDeployment.json": [{**EU1, "spec": [1]}]},
    "twice": {"objects/PromxyServerGroup.json": [GROUP, GROUP]},
    "once more where it is secret": {"encrypted/objects.json": [GROUP]},
    "a Secret elsewhere": {
        "encrypted/secrets.json": [with_(SECRET, lambda each: each["metadata"].update(namespace="kube-system"))]
    },
    "a Secret twice": {"encrypted/secrets.json": [SECRET, SECRET]},
    "a token among the Secrets": {
        "encrypted/secrets.json": [{**SECRET, "type": "kubernetes.io/service-account-token"}]
    },
    "an object among the Secrets": {"encrypted/secrets.json": [GROUP]},
    "data that are no text": {"encrypted/secrets.json": [{**SECRET, "data": {"a": 1}}]},
    "values of no chart": {"encrypted/values.json": []},
    "values that are a text": {"encrypted/values.json": {"kof-mothership": "x"}},
}


@pytest.mark.parametrize("how", WRONG)
def test_what_no_run_of_the_fleet_has_written_is_refused(how: str) -> None:
    with pytest.raises(NotAnArchive):
        read({**PLAIN, **WRONG[how]})


def test_what_is_encrypted_needs_its_password() -> None:
    content = packed({**PLAIN, "encrypted/secrets.json": [SECRET]})
    with pytest.raises(NotAnArchive, match="this run has no vault password: pass --vault-id"):
        restore.read(content, None)
    with pytest.raises(NotAnArchive, match="none of this run's vault passwords opens its member encrypted/secrets"):
        restore.read(content, lambda _member: None)
    assert restore.read(packed(PLAIN), None).then == ([EU1, GROUP], [CHILD])


def test_of_what_was_encrypted_the_fields_are_told_and_no_values() -> None:
    """Only the inventory knew which text of it a vault held."""
    content = read({**PLAIN, "objects/ClusterDeployment.json": [EU1], "encrypted/objects.json": [CHILD]})
    made = [Outcome(ref_of(each), "created", Creation(each)) for each in (EU1, CHILD)]
    shown, hidden = (diff_of([each])[0]["after"] for each in content.veiled(made))
    assert "name: eu1" in shown
    assert "kof-storage" in shown
    assert "name: a-child" in hidden
    assert "serviceSpec.services[0].template: (hidden)" in hidden
    assert "kof-collectors" not in hidden
    set_back = Outcome(ref_of(CHILD), "updated", changes(CHILD, with_(CHILD, _another)))
    (told,) = diff_of(content.veiled([set_back]))
    assert (told["before"], told["after"].rstrip()) == (
        "spec.serviceSpec.services[0].name: (hidden)\n",
        f"spec.serviceSpec.services[0].name: {HIDDEN_NEW}",
    )


def _another(item: dict[str, Any]) -> None:
    item["spec"]["serviceSpec"]["services"][0]["name"] = "another"


@pytest.mark.parametrize("charts", [{}, {"kof-mothership": "0.1.2"}])
def test_a_newer_kof_is_refused_though_nobody_could_see_its_charts(charts: dict[str, str]) -> None:
    class Mine:
        release = RELEASES["0.1.1"]

        def shared(self, name: str) -> str:
            return {"kof_fleet": "prod", "kof_namespace": "kof", "kof_kcm_namespace": "kcm-system"}[name]

    newer = replace(ABOUT, kof_version="0.1.2", charts=charts)
    (told,) = restore.faults(newer, Mine())  # type: ignore[arg-type]
    assert "the archive is of a newer kof" in told
    assert restore.faults(replace(ABOUT, charts={}), Mine()) == []  # type: ignore[arg-type]


def test_values_that_the_inventory_says_otherwise_are_told_by_their_paths() -> None:
    content = read({**PLAIN, "encrypted/values.json": {"kof-mothership": {"a": {"b": "secret1", "c": 1}, "d": True}}})
    releases = [
        {"name": "kof-operators", "values": {}},
        {"name": "kof-mothership", "values": {"a": {"b": "secret2", "c": 1}, "d": 1, "e": [1]}},
    ]
    (told,) = restore.other_values(content, releases)
    assert told.endswith("the inventory's count: a.b, d, e")
    assert "secret" not in told
    same = [{"name": "kof-mothership", "values": {"a": {"b": "secret1", "c": 1}, "d": True}}]
    assert restore.other_values(content, same) == []
