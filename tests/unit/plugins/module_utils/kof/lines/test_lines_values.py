"""Values that the charts of a line don't read: refused by name, with what does it instead."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import unread
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import mothership_values, service_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import (
    Mothership,
    parse_child,
    parse_mothership,
    parse_regional,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES

HTTPS = "https://charts.example.com/kof"
PARSERS = {
    "mothership": (parse_mothership, {"kof_chart_repository": HTTPS, "mothership_storage_class": "gp3"}),
    "regional": (parse_regional, {"regional_domain": "a.example.com", "regional_admin_email": "a@example.com"}),
    "child": (parse_child, {"child_regional": "a"}),
}
VARIABLES = {
    "kof-mothership": ("mothership", "mothership_values", ()),
    "kof-operators": ("mothership", "mothership_operators_values", ()),
    "kof-storage": ("regional", "regional_service_values", ("kof-storage",)),
    "kof-collectors": ("child", "child_service_values", ("kof-collectors",)),
}
#: What the guides and the charts' own values files have and no template reads, whatever the line.
DEAF = {
    "kof-mothership": [
        "global.clusterName",
        "grafana.ingress.enabled",
        "kcm.serviceMonitor.enabled",
        "promxy.config.remoteWriteUrl",
        "promxy.ingress.enabled",
    ],
    "kof-storage": [
        "cert-manager.email",
        "victoria-logs-single.server.storage.enabled",
        "victoria-logs-single.server.storage.storageClassName",
        "victoriametrics.security.credentials_secret_name",
        "victoriametrics.vmagent.enabled",
    ],
}
#: Written into the templates of 0.0, or not in them at all.
DEAF_AT_0_0 = {
    "kof-mothership": [
        "grafana.storage.size",
        "grafana.version",
        "promxy.configmapReload.resources",
        "sveltos.serviceMonitors",
        "victoriametrics.vmalert.vmalertmanager.config",
        "victoriametrics.vmcluster.retentionPeriod",
        "victoriametrics.vmcluster.vmselect.storage.size",
    ],
    "kof-storage": ["victoriametrics.vmcluster.retentionPeriod", "victoriametrics.vmcluster.vmstorage.storage.size"],
    "kof-collectors": ["kof.instrumentation.resources"],
}


def nested(path: str, value: Any, inside: tuple[str, ...] = ()) -> dict[str, Any]:
    for key in reversed((*inside, *path.split("."))):
        value = {key: value}
    return value


def told(line: str, role: str, **variables: Any) -> list[tuple[str, str, str]]:
    parse, base = PARSERS[role]
    release = LINES[line]
    given: dict[str, Any] = {"kof_version": release.version, **base, **variables}
    if line != "0.0":
        given.pop("kof_chart_repository", None)
    _made, faults = parse("a1", given)
    return [(each.variable, each.problem, each.example) for each in faults]


def told_of(line: str, chart: str, path: str, value: Any = "CANARY") -> list[tuple[str, str, str]]:
    role, variable, inside = VARIABLES[chart]
    return told(line, role, **{variable: nested(path, value, inside)})


@pytest.mark.parametrize(
    ("line", "chart", "path"),
    [
        *((line, chart, path) for line in LINES for chart, paths in DEAF.items() for path in paths),
        *(("0.0", chart, path) for chart, paths in DEAF_AT_0_0.items() for path in paths),
        *(
            (line, chart, path)
            for line, release in LINES.items()
            for chart, known in release.values.items()
            for path in known.ignored
        ),
    ],
)
def test_what_a_chart_does_not_read_is_refused_by_name(line: str, chart: str, path: str) -> None:
    ((variable, problem, right),) = told_of(line, chart, path)
    assert variable == VARIABLES[chart][1]
    said = problem.partition(" can't be said at kof ")[0]
    assert ".".join((*VARIABLES[chart][2], path)).startswith(said)
    assert problem.startswith(f"{said} can't be said at kof {LINES[line].version}: ")
    assert "CANARY" not in problem + right


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("chart", "path", "works"),
    [
        ("kof-storage", "victoria-logs-single.server.storage.size", "victoria-logs-single.server.persistentVolume"),
        ("kof-storage", "victoriametrics.security.username_key", "victoriametrics.vmauth.credentials"),
        ("kof-storage", "cert-manager.email", 'cert-manager: {"email ": '),
        ("kof-mothership", "promxy.service.extraLabels", "promxy.extraLabels"),
    ],
)
def test_the_key_that_works_is_told(line: str, chart: str, path: str, works: str) -> None:
    ((_variable, _problem, right),) = told_of(line, chart, path)
    assert works in right


@pytest.mark.parametrize(
    ("line", "chart", "path"),
    [
        (line, chart, path)
        for line, release in LINES.items()
        for chart, known in release.values.items()
        if chart in VARIABLES
        for path in sorted(known.read)
    ],
)
def test_what_it_reads_is_not_and_null_says_nothing(line: str, chart: str, path: str) -> None:
    known = LINES[line].values[chart]
    assert not list(unread(nested(path, {"x": 1}), known))
    assert not list(unread({"none.of.it": None, **nested(path, None)}, known))


def test_a_slip_of_the_keyboard_is_told_with_what_was_meant() -> None:
    ((_variable, problem, right),) = told_of("0.1", "kof-mothership", "promxy.resource.limits.memory", "1Gi")
    assert problem == "promxy.resource can't be said at kof 0.1.1: the chart reads no such key; did you mean resources?"
    assert right == "leave promxy.resource out"
    # Of a chart that has another one in it, only what is under the other one's name arrives.
    ((_variable, problem, _right),) = told(
        "0.1", "regional", regional_service_values={"ingress-nginx": {"controller": {"replicaCount": 2}}}
    )
    assert problem.startswith("ingress-nginx.controller can't be said")


def test_every_unread_key_is_told_and_long_ones_are_cut() -> None:
    values = {"promxy": {"a": 1, "b": {}}, "grafana": {"ingress": {"enabled": False, "host": "g.example.com"}}}
    paths = [
        problem.partition(" ")[0] for _variable, problem, _right in told("0.1", "mothership", mothership_values=values)
    ]
    assert sorted(paths) == ["grafana.ingress.enabled", "promxy.a", "promxy.b"]
    ((_variable, problem, _right),) = told("0.1", "mothership", mothership_values={"x" * 900: 1})
    assert len(problem) < 300


def test_behind_a_service_template_of_ones_own_any_chart_may_be() -> None:
    values = {"kof-storage": {"mine": 1}}
    given = {"regional_service_templates": {"kof-storage": "patched"}, "regional_storage_class": "gp3"}
    assert told("0.1", "regional", regional_service_values=values)
    assert told("0.1", "regional", regional_service_values=values, **given) == []


@pytest.mark.parametrize("line", LINES)
def test_all_that_we_write_is_read_but_the_address_that_is_lost_on_the_way(line: str) -> None:
    release = LINES[line]
    common = {"kof_version": release.version}
    own, faults = parse_mothership(
        "m",
        {
            **common,
            "kof_chart_repository": HTTPS if line == "0.0" else "oci://mirror.example.com/kof",
            "kof_kcm_namespace": "kcm",
            "mothership_storage_class": "gp3",
            "dns_credentials_method": "iam_user",
            "dns_credentials_all_zones": True,
            **({} if line == "0.0" else {"mothership_retention": "30d"}),
        },
    )
    assert isinstance(own, Mothership), faults
    written = {"kof-mothership": mothership_values.mothership_values(own, release)}
    regional, faults = parse_regional(
        "r",
        {
            **common,
            **PARSERS["regional"][1],
            "regional_storage_class": "gp3",
            **({} if line == "0.0" else {"regional_retention": "30d"}),
        },
    )
    assert regional, faults
    child, faults = parse_child("c", {**common, **PARSERS["child"][1]})
    assert child, faults
    written |= service_values.regional_values(regional, release)
    written |= service_values.child_values(child, release, "a.example.com")
    found = {
        (chart, ".".join(path))
        for chart, values in written.items()
        if chart in release.values
        for path, _why, _right in unread(values, release.values[chart])
    }
    assert found == {("kof-storage", "cert-manager.email")}


# -- options that are one value of a chart

RESOURCES = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}
SAID: dict[str, Any] = {
    "mothership_promxy_resources": RESOURCES,
    "mothership_promxy_reload_resources": RESOURCES,
    "mothership_promxy_operator_resources": RESOURCES,
    "mothership_promxy_replicas": 2,
    "mothership_grafana_storage_size": "1Gi",
    "child_instrumentation_resources": {"limits": {"memory": "1Gi"}},
    "regional_logs_retention": "26w",
    **{
        f"{role}_{name}": value
        for role in ("mothership", "regional")
        for name, value in (
            ("retention", "30d"),
            ("metrics_storage_size", "100Gi"),
            ("metrics_cache_size", "5Gi"),
            ("metrics_replicas", 4),
            ("metrics_replication_factor", 3),
        )
    },
}
NOT_AT_0_0 = {
    "mothership_promxy_reload_resources",
    "mothership_grafana_storage_size",
    "child_instrumentation_resources",
    *(f"{role}_{name}" for role in ("mothership", "regional") for name in ("retention", "metrics_storage_size")),
    *(f"{role}_metrics_cache_size" for role in ("mothership", "regional")),
}


def values_of(line: str, role: str, **variables: Any) -> dict[str, dict[str, Any]]:
    parse, base = PARSERS[role]
    release = LINES[line]
    base = {name: value for name, value in base.items() if line == "0.0" or name != "kof_chart_repository"}
    cluster, faults = parse("a1", {"kof_version": release.version, **base, **variables})
    assert cluster, faults
    if role == "mothership":
        return {each["name"]: each["values"] for each in mothership_values.releases(cluster, release)}
    if role == "regional":
        return service_values.regional_values(cluster, release)
    return service_values.child_values(cluster, release, "a.example.com")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", SAID)
def test_an_option_is_the_value_that_the_chart_reads_or_is_refused(line: str, name: str) -> None:
    role, setting = name.partition("_")[0], LINES[line].options[name]
    both = {name: SAID[name]} | ({f"{role}_metrics_replicas": 4} if name.endswith("factor") else {})
    problems = told(line, role, **both)
    if line == "0.0" and name in NOT_AT_0_0:
        ((variable, problem, right),) = problems
        assert (variable, right) == (name, f"leave {name} out")
        assert problem == "can't be said at kof 0.0.x: its charts have it written in"
        return
    assert problems == []
    value: Any = values_of(line, role, **both)[setting.chart]
    for key in setting.path:
        value = value[key]
    assert value == SAID[name]
    # What the chart takes, not something beside it.
    assert not list(unread(nested(".".join(setting.path), value), LINES[line].values[setting.chart]))


def test_all_options_that_are_values_are_among_these() -> None:
    assert set(SAID) == set(LINES["0.1"].options) == set(LINES["0.0"].options)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mothership_promxy_resources", {"request": {}}, "has request, but there are requests and limits only"),
        ("mothership_promxy_resources", {"requests": "1Gi"}, "requests must be a map"),
        ("mothership_promxy_resources", {"limits": {"memory": "1 Gi"}}, "limits.memory must be a Kubernetes quantity"),
        ("mothership_promxy_resources", {"limits": {"memory": True}}, "limits.memory must be a Kubernetes quantity"),
        ("mothership_promxy_resources", {"limits": {"cpu": "-1"}}, "limits.cpu must be a Kubernetes quantity"),
        ("mothership_promxy_resources", {"limits": {"memory": "512m"}}, "less than a byte"),
        # Helm merges it with the chart's limit, and no pod may have that.
        (
            "mothership_promxy_resources",
            {"requests": {"memory": "512Mi"}},
            "requests.memory is more than limits.memory",
        ),
        ("child_instrumentation_resources", {"limits": {"memory": "64Mi"}}, "requests.memory is more than"),
        ("mothership_promxy_replicas", 0, "from 1 to 100"),
        ("mothership_metrics_storage_size", "10", "unit"),
        ("mothership_metrics_replication_factor", 2, "there are 1 replicas"),
        ("regional_metrics_replicas", 1, "is 2, but there are 1 replicas"),
        ("regional_logs_retention", "1", "unit"),
        ("regional_cluster_issuer", {"acme": {}, "ca": {}}, "must be a map of one of acme, ca"),
        ("regional_cluster_issuer", {"letsencrypt": {}}, "must be a map of one of acme, ca"),
        ("regional_cluster_issuer", {"ca": "our-ca"}, "with a map"),
        ("regional_cluster_issuer", {"acme": {"email": "a@example.com"}}, "acme needs server"),
        ("regional_cluster_issuer", {"ca": {"secretName": "{{ x }}"}}, "has a template"),
    ],
)
def test_what_no_chart_or_pod_could_take_is_refused(name: str, value: Any, why: str) -> None:
    ((_variable, problem, _right),) = told("0.1", name.partition("_")[0], **{name: value})
    assert why in problem


def test_a_null_takes_the_charts_limit_away() -> None:
    assert told("0.1", "mothership", mothership_promxy_resources={"requests": {"memory": "1Gi"}, "limits": None}) == []


ISSUER = {"ca": {"secretName": "our-ca"}}


@pytest.mark.parametrize("line", LINES)
def test_an_issuer_of_ones_own_has_the_name_that_the_ingresses_name(line: str) -> None:
    given = {"regional_cluster_issuer": ISSUER, "regional_storage_class": "gp3"}
    storage = values_of(line, "regional", **given)["kof-storage"]
    assert storage["cert-manager"]["enabled"] is False
    (issuer,) = storage["victoria-metrics-operator"]["extraObjects"]
    assert (issuer["kind"], issuer["metadata"], issuer["spec"]) == (
        "ClusterIssuer",
        {"name": "letsencrypt-prod"},
        ISSUER,
    )
    assert values_of(line, "regional", regional_storage_class="gp3")["kof-storage"]["cert-manager"] == {
        "email": "a@example.com"
    }
    for values, why in (
        ({"victoria-metrics-operator": {"extraObjects": []}}, "replaces the list that it is in"),
        ({"victoria-metrics-operator": {"enabled": False}}, "takes away the chart that brings it"),
        ({"cert-manager": {"enabled": True}}, "makes one of the same name"),
    ):
        ((variable, problem, _right),) = told(
            line, "regional", **given, regional_service_values={"kof-storage": values}
        )
        assert (variable, why in problem) == ("regional_service_values", True)
