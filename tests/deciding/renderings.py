"""Random valid variables for every option of the roles, and the objects that our renderers make of them."""

from __future__ import annotations

import base64
import functools
import json
import pathlib
import random
import string
import tempfile
from collections.abc import Callable
from typing import Any

import example_fleet

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import secret as dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import Surroundings, layer_objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import unheard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import grafana_datasource, promxy_server_group
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec, with_defaults
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import PARSERS
from deciding import strings
from deciding.objects import KEYED_GROUP, Object

Variables = dict[str, Any]
Maker = Callable[[random.Random], Any]
KCM_NAMESPACES = ("kcm-system", "kcm-other")


def tree(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON with any text in it."""
    kind = rng.random()
    if depth and kind < 0.3:
        return mapping(rng, depth - 1)
    if depth and kind < 0.45:
        return [tree(rng, depth - 1) for _number in range(rng.randint(0, 3))]
    if kind < 0.8:
        return strings.text(rng)
    numbers = [
        0,
        1,
        -7,
        2**53,
        -(2**53),
        1.0,
        0.1,
        2.5e-7,
        1e21,
        1e300,
        -0.0,
        rng.random(),
        rng.randint(-(2**40), 2**40),
    ]
    return rng.choice([None, True, False, rng.choice(numbers), rng.choice(numbers)])


def mapping(rng: random.Random, depth: int = 2) -> Object:
    keys = [strings.text(rng), "a", "b", "<<", "f:a", "k:{}", ".", "x" * 990]
    return {rng.choice(keys): tree(rng, depth) for _number in range(rng.randint(0, 4))}


def _name(rng: random.Random, limit: int = 40) -> str:
    letters = string.ascii_lowercase + string.digits
    middle = "".join(rng.choice(letters + "-") for _number in range(rng.randint(0, limit - 2)))
    return rng.choice(string.ascii_lowercase) + middle + rng.choice(letters)


def _labels(rng: random.Random) -> dict[str, str]:
    keys = ["team", "example.com/team", "A.b_c-d", "kof", "x" * 63]
    return {
        rng.choice(keys): rng.choice(["", "a", "A_b.c-1", "true", "1", "x" * 63])
        for _number in range(rng.randint(0, 3))
    }


def _config(rng: random.Random) -> Object:
    config = mapping(rng) | {"region": "us-east-2", "workersNumber": rng.randint(0, 9)}
    return config | ({"clusterLabels": _labels(rng)} if rng.random() < 0.3 else {})


#: By service, a chart in its own that takes any key.
_SUBCHARTS = {
    "kof-storage": "grafana-operator",
    "kof-operators": "opentelemetry-operator",
    "kof-collectors": "kube-state-metrics",
}


def _service_values(services: list[str]) -> Maker:
    return lambda rng: {
        name: {_SUBCHARTS.get(name, name): mapping(rng)} for name in rng.sample(services, rng.randint(0, len(services)))
    }


def _service_templates(services: list[str]) -> Maker:
    return lambda rng: {name: f"{name}-9" for name in rng.sample(services, rng.randint(0, len(services)))}


def _extra_services(rng: random.Random) -> list[Object]:
    services = []
    for number in range(rng.randint(0, 3)):
        more = {
            "namespace": _name(rng),
            "values": mapping(rng),
            "valuesFrom": [
                {"kind": rng.choice(["Secret", "ConfigMap"]), "name": _name(rng)} for _n in range(rng.randint(0, 2))
            ],
            "disable": rng.choice([True, False]),
        }
        chosen = {key: value for key, value in more.items() if rng.random() < 0.6}
        services.append({"name": f"extra-{number}", "template": _name(rng), **chosen})
    return services


def _duration(rng: random.Random) -> str:
    return rng.choice(["5s", "1m30s", "250ms", "1.5h", "10m"])


#: What a cluster's rules have to select by; its name is said where it is known.
_OF_CLUSTER = '{clusterName="<name>"}'


def _alert_rules(rng: random.Random) -> list[Object]:
    def rule(number: int) -> Object:
        more = {
            "for": rng.choice(["5m", "30s", "1h30m"]),
            "labels": {"severity": rng.choice(["critical", "true", "1"])},
            "annotations": {"summary": f"a {strings.text(rng)}"},
        }
        chosen = {key: value for key, value in more.items() if rng.random() < 0.6}
        return {
            "alert": f"A{number}",
            "expr": rng.choice([f"up{_OF_CLUSTER} == 0", f"absent(up{_OF_CLUSTER})\n  > 1"]),
            **chosen,
        }

    return [
        {"name": f"g{group}", "rules": [rule(number) for number in range(rng.randint(1, 3))]}
        for group in range(rng.randint(0, 2))
    ]


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Of dashboards, as long as these tests run."""
    folder = tempfile.TemporaryDirectory(prefix="deciding-")
    rng = random.Random(0)
    for number in range(3):
        board = {"uid": f"u{number}", "title": f"Board {number}", "panels": [], "x": mapping(rng)}
        (pathlib.Path(folder.name) / f"board-{number}.json").write_text(json.dumps(board), encoding="utf-8")
    return folder


def _of_role(role: str, services: list[str]) -> dict[str, Maker]:
    """Values of the options that end in a cluster's objects."""
    return {
        f"{role}_template": _name,
        f"{role}_template_kind": _name,
        f"{role}_credential": _name,
        f"{role}_propagate_credentials": lambda rng: rng.choice([True, False, "no"]),
        f"{role}_config": _config,
        f"{role}_cluster_labels": _labels,
        f"{role}_labels": _labels,
        f"{role}_service_templates": _service_templates(services),
        f"{role}_service_values": _service_values(services),
        f"{role}_disabled_services": lambda rng: rng.sample(services, rng.randint(0, len(services))),
        f"{role}_extra_services": _extra_services,
        f"{role}_service_priority": lambda rng: rng.choice([1, 100, 7, 2_147_483_646, "42"]),
        f"{role}_vmuser_secret": _name,
        f"{role}_alert_rules": _alert_rules,
        f"{role}_maintenance_until": lambda rng: f"{rng.randint(2090, 2099)}-03-01T04:00:00Z",
    }


#: By variable: a random valid value. What isn't here is in FIXED, or in no object.
MAKERS: dict[str, Maker] = {
    **_of_role("regional", ["ingress-nginx", "cert-manager", "kof-storage"]),
    **_of_role("child", ["cert-manager", "kof-operators", "kof-collectors"]),
    "regional_storage_class": _name,
    "regional_external_dns": lambda rng: rng.choice(["secret", "node", "none"]),
    "regional_external_dns_owner": lambda rng: rng.choice(["default", _name(rng)]),
    "regional_ingress_addresses": lambda rng: rng.choice([["203.0.113.7", "2001:db8::7"], ["a.elb.example.com"]]),
    "regional_dashboards": lambda _rng: _folder().name,
    "regional_retention": lambda rng: rng.choice(["36h", "30d", "2w", "1y"]),
    "regional_logs_storage_size": lambda rng: rng.choice(["1Gi", "500Mi", "2T"]),
    "regional_logs_retention": lambda rng: rng.choice(["36h", "30d", "2w", "1y"]),
    **{
        f"{role}_image_{name}": maker
        for role in ("regional", "child")
        for name, maker in (
            ("registry", lambda rng: rng.choice(["registry.example.com", "localhost:5000/mirror/of-all"])),
            ("pull_secrets", lambda rng: [_name(rng)]),
        )
    },
    "regional_cluster_issuer": lambda rng: {"ca": {"secretName": _name(rng)}},
    "regional_promxy_insecure_skip_verify": lambda rng: rng.choice([True, False, "yes"]),
    "regional_promxy_dial_timeout": _duration,
    "regional_datasource_resync_period": _duration,
    "regional_metrics_storage_size": lambda rng: rng.choice(["1Gi", "500Mi", "2T"]),
    "regional_metrics_cache_size": lambda rng: rng.choice(["1Gi", "500Mi", "2T"]),
    "child_instrumentation_resources": lambda rng: {"limits": {"memory": rng.choice(["1Gi", 2**30, None])}},
    "regional_metrics_replicas": lambda rng: rng.randint(3, 9),
    "regional_metrics_replication_factor": lambda rng: rng.randint(1, 3),
    "child_opencost": lambda rng: rng.choice([True, False, "no"]),
    "kof_kcm_namespace": lambda rng: rng.choice(KCM_NAMESPACES),
    "kof_fleet": lambda rng: rng.choice(["kof", "A.b_c-1", "x" * 63]),
}
#: Set for every set of variables, since they name the objects or are required.
FIXED = {
    "regional_cluster_name", "regional_domain", "regional_admin_email", "child_cluster_name", "child_regional",
    "kof_version", "kof_namespace",
}  # fmt: skip


def unique() -> str:
    """A word that makes names unique on an API server that has seen these tests before."""
    return f"{random.SystemRandom().randrange(10**6)}"


def options_without_values() -> set[str]:
    """Options of the cluster roles that nothing here sets although they may end in an object."""
    options = {name for role in ("regional", "child") for name in load_spec(role) if not name.startswith("kof_")}
    return options - set(MAKERS) - FIXED


def variables(rng: random.Random, number: int, run: str) -> tuple[Variables, Variables]:
    """Variables of a regional and of its child host; `run` and `number` make their names unique."""
    shared: Variables = {"kof_namespace": f"kof-{run}-{number}", "kof_version": rng.choice(list(RELEASES))}
    name = f"r{number}-{run}"
    regional: Variables = {"regional_domain": f"{name}.example.com", "regional_admin_email": "platform@example.com"}
    child: Variables = {"child_regional": name}
    if rng.random() < 0.3:
        regional["regional_cluster_name"], child["child_cluster_name"] = f"n{name}", f"nc{number}-{run}"
    for option, maker in MAKERS.items():
        if rng.random() < 0.5:
            target = regional if option.startswith("regional_") else child if option.startswith("child_") else shared
            target[option] = maker(rng)
    names = {"regional": name, "child": f"c{number}-{run}"}
    for role, values in (("regional", regional), ("child", child)):
        of_cluster = values.get(f"{role}_cluster_name", names[role])
        for group in values.get(f"{role}_alert_rules", ()):
            for each in group["rules"]:
                each["expr"] = each["expr"].replace("<name>", of_cluster)
    release = RELEASES[shared["kof_version"]]
    for option in (*release.refused, *(name for name, each in release.options.items() if unheard(each, release))):
        regional.pop(option, None)
        child.pop(option, None)
    if shared["kof_version"].startswith("0.0."):  # whose charts are nowhere, and name a class that few clusters have
        shared["kof_chart_repository"] = "oci://registry.example.com/kof/charts"
        regional.setdefault("regional_storage_class", _name(rng))
    return regional | shared, child | shared


def objects_of(regionals: dict[str, Variables], children: dict[str, Variables], release: Direct) -> list[Object]:
    """What fleet_apply would apply for these hosts and their mothership; all share the `kof_*` variables.

    :raises ValueError: the variables have a fault.
    """
    hosts = {"regional": regionals, "child": children}
    shared = {name: value for name, value in next(iter(regionals.values())).items() if name.startswith("kof_")}
    hosts["mothership"] = {example_fleet.MOTHERSHIP: shared}
    fleet = Fleet(batch={layer: list(of_layer) for layer, of_layer in hosts.items()})
    for layer, of_layer in hosts.items():
        for host, values in of_layer.items():
            cluster, faults = PARSERS[layer](host, values)
            if cluster is None:
                raise ValueError("\n".join(map(str, faults)))
            fleet.clusters[host], fleet.variables[host] = cluster, with_defaults(layer, values)
    domains = {each.host: each.domain for each in fleet.of("regional")}
    surroundings = Surroundings(release.needs.kcm, offline=True)
    made = []
    for layer in hosts:
        objects, _faults = layer_objects(fleet, layer, surroundings, domains)
        made += [each for of_host in objects.values() for each in of_host]
    return made


def of_modules(rng: random.Random, regional: Variables, name: str, release: Direct) -> list[Object]:
    """What the modules for single objects make, which take more than the role gives them."""
    cluster, _faults = model.parse_regional(name, regional)
    assert cluster is not None
    common = {"name": f"single-{name}", "namespace": cluster.namespace, "fleet": cluster.fleet}
    group = promxy_server_group.promxy_server_group(
        release,
        **common,
        cluster_name=name,
        targets=[f"{_name(rng)}:443" for _number in range(rng.randint(1, 3))],
        credentials_secret=_name(rng),
        path_prefix=rng.choice([None, "", "/a/"]),
        scheme=rng.choice(["http", "https"]),
        dial_timeout=_duration(rng),
        insecure_skip_verify=rng.choice([True, False]),
        username_key=rng.choice([None, "u"]),
        password_key=rng.choice([None, "p"]),
    )
    source = grafana_datasource.grafana_datasource(
        release,
        **common,
        datasource_name=strings.text(rng),
        url=strings.text(rng),
        credentials_secret=_name(rng),
        datasource_type=rng.choice([None, "prometheus"]),
        resync_period=_duration(rng),
        is_default=rng.choice([True, False]),
        username_key=rng.choice([None, "u"]),
        password_key=rng.choice([None, "p"]),
    )
    half = base64.b64encode(rng.randbytes(rng.randint(12, 90))).decode()
    return [
        group,
        source,
        dns_secret.external_dns_secret(cluster.namespace, labels(cluster.fleet), "A" * 20, half),
    ]


def keyed(objects: list[Object]) -> list[Object]:
    """The ClusterDeployments of `objects` as objects of kcm's v1beta1, whose services are a list with keys."""
    return [each | {"apiVersion": f"{KEYED_GROUP}/v1beta1"} for each in objects if each["kind"] == "ClusterDeployment"]


def random_objects(number: int, run: str) -> list[Object]:
    """All objects of the variables of set `number`; the first is the namespace that others are in."""
    rng = random.Random(number)
    regional, child = variables(rng, number, run)
    release = RELEASES[regional["kof_version"]]
    host = f"r{number}-{run}"
    made = objects_of({host: regional}, {f"c{number}-{run}": child}, release)
    made.sort(key=lambda each: each["kind"] != "Namespace")
    return [*made, *of_modules(rng, regional, host, release), *keyed(made)]


def example_objects(regions: int, children: int, seed: int, run: str) -> list[Object]:
    """All objects of an example fleet, in a namespace and under names of its own."""
    fleet = example_fleet.fleet(regions, children, seed)
    run = f"{run}-{seed}"
    shared = {**fleet.shared, "kof_namespace": f"example-{run}", "kof_version": next(iter(RELEASES))}
    regionals = {f"{name}-{run}": values for name, values in fleet.regionals.items()}
    hosts = {f"{name}-{run}": values for name, values in fleet.children.items()}
    known = {option for role in ("regional", "child") for option in load_spec(role)}
    of_role = {name: value for name, value in shared.items() if name in known}

    def own(values: Variables, role: str) -> Variables:
        return values | {name: v for name, v in of_role.items() if name.startswith((f"{role}_", "kof_"))}

    regionals = {name: own(values, "regional") for name, values in regionals.items()}
    hosts = {
        name: own(values | {"child_regional": f"{values['child_regional']}-{run}"}, "child")
        for name, values in hosts.items()
    }
    made = objects_of(regionals, hosts, next(iter(RELEASES.values())))
    made.sort(key=lambda each: each["kind"] != "Namespace")
    return [*made, *keyed(made)]
