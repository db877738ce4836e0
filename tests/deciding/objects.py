"""Random objects of the kinds that we write, and where in each the interesting fields are.

An object is in its kind's API as a person might write it: not only what our renderers make.
"""

from __future__ import annotations

import base64
import copy
import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

Object = dict[str, Any]
Path = tuple[str | int, ...]

NAMESPACE = "fuzz"
TEXTS = ["", "a", "1", "true", "null", "5s", "é", "😀", "a\nb", "\u0085", "{{ x }}", "~", "0x1f", " lead", "#no"]
FINALIZERS: Path = ("metadata", "finalizers")
OWNERS: Path = ("metadata", "ownerReferences")
ANNOTATIONS: Path = ("metadata", "annotations")
#: A copy of ClusterDeployment as kcm 1.1 and later have it: its services are a list with keys.
KEYED_GROUP = "keyed.k0rdent.mirantis.com"
_KCM_CRDS = pathlib.Path(__file__).parents[1] / "sandbox" / "crds" / "k0rdent.mirantis.com.yaml"


@dataclass(frozen=True)
class Kind:
    """A kind, how to make one at random, and where in it the interesting fields are (None: it has no such).

    :ivar make: the object without metadata.
    :ivar free: takes any JSON.
    :ivar texts: takes a map of strings.
    :ivar listed, item: takes a list, and an item of it by number.
    :ivar keyed: the server merges that list item by item.
    :ivar switch: takes a boolean.
    :ivar number: takes an integer.
    :ivar defaults: what the server fills in where it is absent.
    :ivar immutable: two values of a field of which the second is refused after the first.
    """

    name: str
    make: Callable[[random.Random], Object]
    namespaced: bool = True
    free: Path | None = None
    texts: Path = ANNOTATIONS
    listed: Path = FINALIZERS
    item: Callable[[int], Any] = "example.com/{}".format
    keyed: bool = True
    switch: Path = (*OWNERS, 0, "controller")
    number: Path | None = None
    defaults: tuple[tuple[Path, Any], ...] = ()
    immutable: tuple[Path, Any, Any] | None = None
    has_status: bool = False

    def text(self, value: str) -> str:
        """`value` as this kind's `texts` take it."""
        return base64.b64encode(value.encode()).decode() if self.texts == ("data",) and self.name == "Secret" else value


def look(obj: Any, path: Path, default: Any = None) -> Any:
    """What is at `path`."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(obj, list) or step >= len(obj):
                return default
        elif not isinstance(obj, dict) or step not in obj:
            return default
        obj = obj[step]
    return obj


def put(obj: Object, path: Path, value: Any) -> None:
    """Put `value` at `path`, with what must be above it."""
    if path[: len(OWNERS)] == OWNERS and not look(obj, OWNERS):
        put(obj["metadata"], ("ownerReferences",), [owner(0)])
    at: Any = obj
    for step in path[:-1]:
        if isinstance(step, str) and not isinstance(at.get(step), (dict, list)):
            at[step] = {}
        at = at[step]
    at[path[-1]] = value


def drop(obj: Object, path: Path) -> bool:
    """Remove what is at `path`; was there something?"""
    above = look(obj, path[:-1])
    if not isinstance(above, dict) or path[-1] not in above:
        return False
    del above[path[-1]]
    return True


def owner(number: int) -> Object:
    """An owner reference."""
    uid = f"00000000-0000-4000-8000-{number:012d}"
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": f"o{number}", "uid": uid}


# -- anything


def scalar(rng: random.Random) -> Any:
    return rng.choice([True, False, 0, 1, 2, -7, 1.0, 2.5, 10**12, rng.choice(TEXTS), rng.choice(TEXTS)])


def tree(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON, nulls and empty containers included."""
    kind = rng.random()
    if depth and kind < 0.35:
        keys = ["a", "b", "c", "x.y/z", "<<", "é"]
        return {rng.choice(keys): tree(rng, depth - 1) for _number in range(rng.randint(0, 3))}
    if depth and kind < 0.5:
        return [tree(rng, depth - 1) for _number in range(rng.randint(0, 3))]
    return None if kind < 0.53 else scalar(rng)


def mapping(rng: random.Random) -> Object:
    return {rng.choice("abcdef"): tree(rng) for _number in range(rng.randint(0, 4))}


def some(rng: random.Random, fields: Object) -> Object:
    """A part of `fields`."""
    return {key: value for key, value in fields.items() if rng.random() < 0.7}


# -- the kinds


def _service(number: int) -> Object:
    return {"name": f"s{number}", "namespace": "kof", "template": "t-1"}


def _services(rng: random.Random, keyed: bool) -> list[Object]:
    services = [_service(number) for number in rng.sample(range(5), rng.randint(0, 3))]
    for service in services:
        if rng.random() < 0.5:
            service["values"] = "a: 1\nb: x\n"
        if rng.random() < 0.1 and not (keyed and len(services) > 1):
            del service["namespace"]
    return services


def _cluster_deployment(api_version: str, keyed: bool = False) -> Callable[[random.Random], Object]:
    def make(rng: random.Random) -> Object:
        service_spec = some(
            rng,
            {
                "priority": rng.choice([100, 7]),
                "services": _services(rng, keyed),
                "syncMode": "Continuous",
                "stopOnConflict": rng.choice([True, False]),
            },
        )
        spec = some(rng, {"credential": "c", "config": mapping(rng), "propagateCredentials": True, "dryRun": False})
        spec["template"] = rng.choice(["t1", "t2"])
        if rng.random() < 0.7:
            spec["serviceSpec"] = service_spec
        return {"apiVersion": api_version, "kind": "ClusterDeployment", "spec": spec}

    return make


def _promxy_server_group(rng: random.Random) -> Object:
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


def _value_from(number: int) -> Object:
    return {"targetPath": f"p{number}", "valueFrom": {"secretKeyRef": {"name": "s", "key": "username"}}}


def _grafana_datasource(rng: random.Random) -> Object:
    source = {
        "name": rng.choice(["x", "y"]),
        "type": "t",
        "url": "https://x",
        "access": "proxy",
        **some(rng, {"isDefault": False, "jsonData": mapping(rng), "secureJsonData": mapping(rng), "basicAuth": True}),
    }
    spec = some(
        rng,
        {
            "resyncPeriod": rng.choice(["5m", "1m"]),
            "allowCrossNamespaceImport": True,
            "valuesFrom": [_value_from(number) for number in range(rng.randint(0, 2))],
        },
    )
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDatasource",
        "spec": {**spec, "datasource": source, "instanceSelector": {"matchLabels": {"dashboards": "grafana"}}},
    }


def _secret(rng: random.Random) -> Object:
    data = {rng.choice("abc"): rng.choice(["", "YQ==", "Yg=="]) for _number in range(rng.randint(0, 3))}
    return {"apiVersion": "v1", "kind": "Secret", **some(rng, {"type": "Opaque", "data": data})}


def _config_map(rng: random.Random) -> Object:
    data = {rng.choice("abcdef"): rng.choice(TEXTS) for _number in range(rng.randint(0, 4))}
    return {"apiVersion": "v1", "kind": "ConfigMap", **some(rng, {"data": data, "immutable": False})}


def _namespace(_rng: random.Random) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace"}


def _reference(number: int) -> Object:
    return {"name": f"p{number}"}


def _service_account(rng: random.Random) -> Object:
    pulls = [_reference(number) for number in rng.sample(range(4), rng.randint(0, 3))]
    secrets = [{"name": name} for name in rng.sample(["p", "q"], rng.randint(0, 2))]
    switch = rng.choice([True, False])
    fields = {"imagePullSecrets": pulls, "secrets": secrets, "automountServiceAccountToken": switch}
    return {"apiVersion": "v1", "kind": "ServiceAccount", **some(rng, fields)}


def _subject(number: int) -> Object:
    return {"kind": "ServiceAccount", "name": f"s{number}", "namespace": "kof"}


_RBAC = "rbac.authorization.k8s.io"


def _cluster_role_binding(rng: random.Random) -> Object:
    subjects = [_subject(rng.choice([1, 2])), *([{"kind": "User", "name": "u"}] if rng.random() < 0.2 else [])]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"},
        **some(rng, {"subjects": subjects}),
    }


_SERVICES: Path = ("spec", "serviceSpec", "services")
_CLUSTER_DEPLOYMENT: dict[str, Any] = {
    "free": ("spec", "config"),
    "listed": _SERVICES,
    "item": _service,
    "switch": ("spec", "dryRun"),
    "number": ("spec", "serviceSpec", "priority"),
    "defaults": (
        (("spec", "propagateCredentials"), True),
        (("spec", "serviceSpec", "syncMode"), "Continuous"),
        (("spec", "serviceSpec", "priority"), 100),
    ),
    "has_status": True,
}
_VIEW = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"}

KINDS = (
    Kind(
        "ClusterDeployment",
        _cluster_deployment("k0rdent.mirantis.com/v1alpha1"),
        keyed=False,
        **_CLUSTER_DEPLOYMENT,
    ),
    Kind("ClusterDeployment v1beta1", _cluster_deployment(f"{KEYED_GROUP}/v1beta1", True), **_CLUSTER_DEPLOYMENT),
    Kind(
        "PromxyServerGroup",
        _promxy_server_group,
        listed=("spec", "targets"),
        item="h{}:443".format,
        keyed=False,
        switch=("spec", "http_client", "tls_config", "insecure_skip_verify"),
        has_status=True,
    ),
    Kind(
        "GrafanaDatasource",
        _grafana_datasource,
        free=("spec", "datasource", "jsonData"),
        listed=("spec", "valuesFrom"),
        item=_value_from,
        keyed=False,
        switch=("spec", "datasource", "isDefault"),
        number=("spec", "datasource", "orgId"),
        defaults=((("spec", "resyncPeriod"), "5m"),),
        immutable=(
            ("spec", "instanceSelector"),
            {"matchLabels": {"dashboards": "grafana"}},
            {"matchLabels": {"dashboards": "other"}},
        ),
        has_status=True,
    ),
    Kind(
        "Secret",
        _secret,
        texts=("data",),
        switch=("immutable",),
        defaults=((("type",), "Opaque"),),
        immutable=(("type",), "Opaque", "example.com/other"),
    ),
    Kind("ConfigMap", _config_map, texts=("data",), switch=("immutable",), immutable=(("immutable",), True, False)),
    Kind(
        "Namespace",
        _namespace,
        namespaced=False,
        defaults=((("spec", "finalizers"), ["kubernetes"]),),
        has_status=True,
    ),
    Kind(
        "ServiceAccount",
        _service_account,
        listed=("imagePullSecrets",),
        item=_reference,
        switch=("automountServiceAccountToken",),
    ),
    Kind(
        "ClusterRoleBinding",
        _cluster_role_binding,
        namespaced=False,
        listed=("subjects",),
        item=_subject,
        keyed=False,
        defaults=((("roleRef", "apiGroup"), _RBAC),),
        immutable=(("roleRef",), _VIEW, {**_VIEW, "name": "edit"}),
    ),
)


def make(rng: random.Random, kind: Kind, name: str) -> Object:
    """A random object of `kind`."""
    obj = kind.make(rng)
    metadata: Object = {"name": name}
    if kind.namespaced:
        metadata["namespace"] = NAMESPACE
    if rng.random() < 0.6:
        metadata["labels"] = {key: rng.choice(["", "1", "x"]) for key in rng.sample(["l1", "l2", "a.b/c"], 2)}
    if rng.random() < 0.3:
        metadata["annotations"] = {rng.choice("abcdef"): rng.choice(TEXTS) for _number in range(rng.randint(0, 4))}
    if rng.random() < 0.1:
        metadata["labels"] = {}
    if rng.random() < 0.1:
        metadata["finalizers"] = [f"example.com/{letter}" for letter in rng.sample("abc", rng.randint(1, 3))]
    if rng.random() < 0.1:
        metadata["ownerReferences"] = [owner(number) for number in rng.sample(range(3), rng.randint(1, 2))]
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


def keyed_definition() -> Object:
    """A CustomResourceDefinition: the sandbox's ClusterDeployment in a group of its own, as v1alpha1 and as v1beta1,
    whose services are a list with keys. The older version's list is one value, as it was."""
    documents = yaml.safe_load_all(_KCM_CRDS.read_text(encoding="utf-8"))
    definition = next(each for each in documents if each and each["spec"]["names"]["kind"] == "ClusterDeployment")
    definition["metadata"] = {"name": f"clusterdeployments.{KEYED_GROUP}"}
    definition["spec"]["group"] = KEYED_GROUP
    definition["spec"]["names"].pop("shortNames", None)
    (older,) = definition["spec"]["versions"]
    newer = copy.deepcopy(older)
    older["storage"] = False
    newer["name"] = "v1beta1"
    spec = newer["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    services = spec["serviceSpec"]["properties"]["services"]
    services |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "namespace"]}
    services["items"]["properties"]["namespace"]["default"] = "default"
    definition["spec"]["versions"] = [older, newer]
    return definition
