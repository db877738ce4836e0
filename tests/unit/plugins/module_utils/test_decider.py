"""The decider against the API server's own opinion: random histories of an object, then a random wish.

Held for each: what is called unchanged is unchanged in a server dry run; check mode predicts what the real run does;
a second run has nothing to do. KOF_FUZZ_CASES sets how many (normally 200), KOF_FUZZ_SEED where to begin.
"""

from __future__ import annotations

import copy
import os
import random
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.connection import ApiError, Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.diff import changes, same_ownership
from ansible_collections.k0rdent.kof.plugins.module_utils.ownership import unchanged
from ansible_collections.k0rdent.kof.plugins.module_utils.reconcile import Policy, reconcile, ref_of

CASES = int(os.environ.get("KOF_FUZZ_CASES", "200"))
SEED = int(os.environ.get("KOF_FUZZ_SEED", "1"))
NAMESPACE = "fuzz"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

_TEXTS = ["", "a", "1", "true", "null", "5s", "é", "😀", "a\nb", "\u0085", "{{ x }}", "~", "0x1f", " lead", "#no"]


def scalar(rng: random.Random) -> Any:
    return rng.choice([True, False, 0, 1, 2, -7, 1.0, 2.5, 10**12, rng.choice(_TEXTS), rng.choice(_TEXTS)])


def tree(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON, nulls and empty containers included."""
    kind = rng.random()
    if depth and kind < 0.35:
        return {
            rng.choice(["a", "b", "c", "x.y/z", "<<", "é"]): tree(rng, depth - 1)
            for _number in range(rng.randint(0, 3))
        }
    if depth and kind < 0.5:
        return [tree(rng, depth - 1) for _number in range(rng.randint(0, 3))]
    if kind < 0.53:
        return None
    return scalar(rng)


def mapping(rng: random.Random) -> dict[str, Any]:
    return {rng.choice("abcdef"): tree(rng) for _number in range(rng.randint(0, 4))}


def texts(rng: random.Random) -> dict[str, str]:
    return {rng.choice("abcdef"): rng.choice(_TEXTS) for _number in range(rng.randint(0, 4))}


def some(rng: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    """A part of `fields`."""
    return {key: value for key, value in fields.items() if rng.random() < 0.7}


def service(rng: random.Random) -> dict[str, Any]:
    result = {"name": rng.choice(["s1", "s2"]), "template": "t-1"}
    if rng.random() < 0.8:
        result["namespace"] = "kof"
    if rng.random() < 0.5:
        result["values"] = "a: 1\nb: x\n"
    return result


def cluster_deployment(rng: random.Random) -> dict[str, Any]:
    service_spec = some(
        rng,
        {
            "priority": rng.choice([100, 7]),
            "services": [service(rng) for _number in range(rng.randint(0, 2))],
            "syncMode": "Continuous",
            "stopOnConflict": rng.choice([True, False]),
        },
    )
    spec = some(rng, {"credential": "c", "config": mapping(rng), "propagateCredentials": True, "dryRun": False})
    spec["template"] = rng.choice(["t1", "t2"])
    if rng.random() < 0.7:
        spec["serviceSpec"] = service_spec
    return {"apiVersion": "k0rdent.mirantis.com/v1alpha1", "kind": "ClusterDeployment", "spec": spec}


def promxy_server_group(rng: random.Random) -> dict[str, Any]:
    client = some(
        rng,
        {
            "dial_timeout": rng.choice(["5s", "1m"]),
            "tls_config": some(rng, {"insecure_skip_verify": rng.choice([True, False])}),
            "basic_auth": some(rng, {"credentials_secret_name": "x", "username_key": "u", "password_key": "p"}),
        },
    )
    targets = [rng.choice(["a:1", "b:2"]) for _number in range(rng.randint(0, 3))]
    spec = some(rng, {"cluster_name": rng.choice(["x", "y"]), "targets": targets, "scheme": "https"})
    if rng.random() < 0.8:
        spec["http_client"] = client
    return {"apiVersion": "kof.k0rdent.mirantis.com/v1alpha1", "kind": "PromxyServerGroup", "spec": spec}


def grafana_datasource(rng: random.Random) -> dict[str, Any]:
    source = {
        "name": rng.choice(["x", "y"]),
        "type": "t",
        "url": "https://x",
        "access": "proxy",
        **some(rng, {"isDefault": False, "jsonData": mapping(rng), "secureJsonData": mapping(rng), "basicAuth": True}),
    }
    reference = {"secretKeyRef": {"name": "s", "key": "username"}}
    spec = some(
        rng,
        {
            "resyncPeriod": rng.choice(["5m", "1m"]),
            "allowCrossNamespaceImport": True,
            "valuesFrom": [{"targetPath": "basicAuthUser", "valueFrom": reference}],
        },
    )
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDatasource",
        "spec": {**spec, "datasource": source, "instanceSelector": {"matchLabels": {"dashboards": "grafana"}}},
    }


def secret(rng: random.Random) -> dict[str, Any]:
    data = {rng.choice("abc"): rng.choice(["", "YQ==", "Yg=="]) for _number in range(rng.randint(0, 3))}
    return {"apiVersion": "v1", "kind": "Secret", **some(rng, {"type": "Opaque", "data": data})}


def config_map(rng: random.Random) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", **some(rng, {"data": texts(rng), "immutable": False})}


def namespace(_rng: random.Random) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace"}


def service_account(rng: random.Random) -> dict[str, Any]:
    pulls = [{"name": name} for name in rng.sample(["p", "q", "r"], rng.randint(0, 3))]
    fields = some(rng, {"imagePullSecrets": pulls, "automountServiceAccountToken": rng.choice([True, False])})
    return {"apiVersion": "v1", "kind": "ServiceAccount", **fields}


def cluster_role_binding(rng: random.Random) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": rng.choice("xy"), "namespace": "kof"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        **some(rng, {"subjects": [subject]}),
    }


KINDS = [
    *[cluster_deployment] * 4,
    *[promxy_server_group] * 2,
    *[grafana_datasource] * 2,
    secret,
    config_map,
    namespace,
    service_account,
    cluster_role_binding,
]
CLUSTER_SCOPED = ("Namespace", "ClusterRoleBinding")


def make(rng: random.Random, kind: Any, name: str) -> dict[str, Any]:
    obj = kind(rng)
    metadata: dict[str, Any] = {"name": name}
    if obj["kind"] not in CLUSTER_SCOPED:
        metadata["namespace"] = NAMESPACE
    if rng.random() < 0.6:
        metadata["labels"] = {key: rng.choice(["", "1", "x"]) for key in rng.sample(["l1", "l2", "a.b/c"], 2)}
    if rng.random() < 0.3:
        metadata["annotations"] = texts(rng)
    if rng.random() < 0.1:
        metadata["labels"] = {}
    obj["metadata"] = metadata
    return obj


def mixed(rng: random.Random, one: Any, other: Any) -> Any:
    """Something between two versions of an object: keys of both."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return copy.deepcopy(one if rng.random() < 0.5 else other)
    result = {}
    for key in {**one, **other}:
        if key in one and key in other:
            result[key] = mixed(rng, one[key], other[key])
        elif rng.random() < 0.5:
            result[key] = copy.deepcopy(one.get(key, other.get(key)))
    return result


def holds_nothing(value: Any) -> bool:
    """Is there an empty object or list in `value`?"""
    if isinstance(value, dict):
        return not value or any(holds_nothing(child) for child in value.values())
    return isinstance(value, list) and (not value or any(holds_nothing(child) for child in value))


def nulls(value: Any) -> int:
    """How many nulls `value` holds."""
    if isinstance(value, dict):
        return sum(map(nulls, value.values()))
    return sum(map(nulls, value)) if isinstance(value, list) else int(value is None)


class Server:
    """What others do to an object."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def path(self, obj: dict[str, Any]) -> str:
        metadata = obj["metadata"]
        return self.connection.path(obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"])

    def get(self, obj: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self.connection.request("GET", self.path(obj))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def patch(self, obj: dict[str, Any], manager: str, content_type: str, **query: str) -> dict[str, Any] | None:
        """None when the server refuses it."""
        try:
            return self.connection.request(
                "PATCH", self.path(obj), query={"fieldManager": manager, **query}, body=obj, content_type=content_type
            )
        except ApiError:
            return None

    def delete(self, obj: dict[str, Any]) -> None:
        self.connection.request("DELETE", self.path(obj))


@pytest.fixture(scope="module")
def server(control_plane):
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:
        server = Server(connection)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        server.patch(space, "test", APPLY)
        yield server


OTHERS = ["kubectl-edit", "kubectl-client-side-apply", "manager", "helm", "kubectl"]


def history(rng: random.Random, server: Server, kind: Any, name: str) -> dict[str, Any]:
    """Let a few managers work on an object; the wish of ours."""
    first = make(rng, kind, name)
    latest = first
    for _number in range(rng.choice([0, 1, 1, 1, 2, 3])):
        latest = mixed(rng, latest, make(rng, kind, name)) if rng.random() < 0.6 else latest
        who = rng.random()
        if who < 0.5:
            server.patch(latest, "k0rdent.kof", APPLY, force="true")
        elif who < 0.65:
            server.patch(latest, rng.choice(OTHERS), APPLY, force="true")
        else:
            server.patch(latest, rng.choice(OTHERS), MERGE)
    wish = latest if rng.random() < 0.6 else mixed(rng, latest, make(rng, kind, name))
    wish.update(apiVersion=first["apiVersion"], kind=first["kind"])
    wish["metadata"].update({key: first["metadata"][key] for key in ("name", "namespace") if key in first["metadata"]})
    if rng.random() < 0.03 and server.get(wish) is not None:
        held = {"metadata": {"finalizers": ["example.com/held"]}}
        server.connection.request("PATCH", server.path(wish), body=held, content_type=MERGE)
        server.delete(wish)
    return wish


def test_never_wrongly_unchanged_and_check_mode_tells_the_truth(server: Server) -> None:
    proved = predictions = refused = 0
    policy = Policy()
    for number in range(SEED, SEED + CASES):
        rng = random.Random(number)
        kind = rng.choice(KINDS)
        wish = history(rng, server, kind, f"f{number}-{random.SystemRandom().randrange(10**9)}")
        note = f"KOF_FUZZ_SEED={number}"
        live = server.get(wish)
        if live is not None and unchanged(wish, live):
            proved += 1
            answer = server.patch(wish, "k0rdent.kof", APPLY, dryRun="All")
            assert answer is not None, f"{note}: called unchanged, but the server refuses it"
            assert not changes(live, answer), f"{note}: called unchanged, but {changes(live, answer)}"
            assert same_ownership(live, answer), f"{note}: called unchanged, but ownership would move"
        if holds_nothing(wish):
            # The server drops, or makes null, an object whose last field an apply removes, though the same apply wants
            # it empty: what it does depends on how many requests we need. Our renderers omit what is empty.
            continue
        predictions += 1
        (predicted,) = reconcile(server.connection, [wish], policy=policy, check_mode=True)
        assert server.get(wish) == live, f"{note}: check mode wrote something"
        (real,) = reconcile(server.connection, [wish], policy=policy, check_mode=False)
        if real.action == "refused" and "must be of type object" in (real.reason or ""):
            # The same trait: the server makes null what has lost its last field, and refuses the null …
            continue
        if nulls((server.get(wish) or {}).get("spec", {})):
            continue  # … or keeps it, where the schema allows it
        assert predicted.action == real.action, f"{note}: {predicted} != {real}"
        assert predicted.ref == real.ref == ref_of(wish)
        assert [(c.path, c.before, c.after) for c in predicted.changes] == [
            (c.path, c.before, c.after) for c in real.changes
        ], note
        assert predicted.took_back == real.took_back, note
        if real.action == "refused":
            refused += 1
            assert real.reason, note
            assert len(real.reason) <= 300, note
            assert "\n" not in real.reason, note
            continue
        (again,) = reconcile(server.connection, [wish], policy=policy, check_mode=False)
        assert again.action == "unchanged", f"{note}: after {real} came {again}"
    print(f"{CASES} cases: {proved} proved unchanged; {predictions} predicted, {refused} of them refused")
    assert proved > CASES / 20
    assert predictions > CASES / 3
    assert refused < predictions / 2
