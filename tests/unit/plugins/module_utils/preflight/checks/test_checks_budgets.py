"""The budgets that all regions share: the numbers, where they turn, and what they say to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from unit.situations import (
    CHILD,
    EU1,
    LABEL,
    RELEASE,
    Case,
    assert_told,
    case_names,
    deployment,
    group,
    made_of,
    named,
    situation,
)

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config, promxy_server_group
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import subjects
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks import budgets
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation, Subject
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, OK, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.report.table import WIDTH, render

ALL = (
    budgets.promxy_config_size,
    budgets.promxy_reloads,
    budgets.promxy_memory,
    budgets.certificates,
    budgets.route53_requests,
)
#: check, what is spoilt, what it must then say: status, and a pattern its one-line form has. What only warns is below.
CASES: list[Case] = [
    (
        budgets.promxy_config_size,
        {"render_promxy_config": lambda groups, credentials: "x" * 1_048_577, "groups": (group("eu1-metrics", "eu1"),)},
        FAILED,
        r"1,048,577 bytes.*at most 1,048,576",
    ),
]
NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
MI = 1024 * 1024


@pytest.mark.parametrize(("check", "spoilt", "status", "pattern"), CASES, ids=case_names(CASES))
def test_what_is_wrong_is_told(check, spoilt, status, pattern):
    assert_told(check, spoilt, status, pattern)


def regional(
    name: str, zone: str = "example.com", external_dns: dict[str, Any] | None = None, **values: Any
) -> Subject:
    storage = {"external-dns": {"enabled": True, **(external_dns or {})}, **values}
    metrics = promxy_server_group.name_of(name)
    domain = f"{name}.{zone}"
    more: Any = {"promxy_server_group": metrics, "storage_values": storage, "parts": made_of(name, domain)}
    return replace(EU1, host=name, name=name, domain=domain, **more)


def regions(number: int, zone: str = "example.com", **values: Any) -> tuple[Subject, ...]:
    return tuple(regional(f"r{count}", zone, **values) for count in range(number))


def fleet(number: int, zone: str = "example.com", **changes: Any) -> Situation:
    """A run that makes that many regions, none of which is there."""
    groups = tuple(group(f"r{count}-metrics", f"r{count}") for count in range(number))
    return situation(**{"subjects": regions(number, zone), "groups": groups, "now": NOW, **changes})


def live(name: str, created: str = "2026-03-08T00:00:00Z", zone: str = "example.com", **changes: Any) -> dict[str, Any]:
    annotations = {"k0rdent-kof/regional-domain": f"{name}.{zone}"}
    return {**deployment(name, annotations=annotations, creationTimestamp=created), **changes}


def only(checks: list[Check]) -> Check:
    (check,) = checks
    return check


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_nothing_is_said_where_no_regional_is_walked(check):
    spoilt = situation(subjects=(CHILD,), others=regions(500), layers=frozenset({"child"}), now=NOW)
    assert check(spoilt) == []


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_what_could_not_be_read_is_not_guessed(check):
    unread = {"PromxyServerGroup": "403 Forbidden", "ClusterDeployment": "403 Forbidden"}
    assert check(fleet(500, unread=unread)) == []


def test_a_small_fleet_has_five_short_rows_with_number_limit_and_source():
    s = fleet(2, render_promxy_config=lambda groups, credentials: "x" * 1014)
    rows = [only(check(s)) for check in ALL]
    assert [(row.name, row.status, row.found, row.remedy) for row in rows] == [
        ("promxy config", OK, "1,014 bytes for 2 regions, 0% of a Secret", ""),
        ("promxy reloads", OK, "2 by this run, 10 s", ""),
        ("promxy memory", OK, "about 72Mi for 2 regions", ""),
        ("certificates", OK, "4 under example.com", ""),
        ("Route 53 requests", OK, "0.067 a second for 2 regions, 2 a poll", ""),
    ]
    assert [row.wanted for row in rows] == [
        "at most 1,048,576 bytes (Kubernetes, any Secret)",
        "at most 10 min, at 5 s each (kof pull request 1124)",
        "at most 80% of its limit, 128Mi (estimate, kof issue 495)",
        "at most 50 under a domain in 7 days (letsencrypt.org/docs/rate-limits)",
        "at most 10 a second for an account (AWS, Route 53 API throttling)",
    ]
    assert len(render(rows).splitlines()) <= 15


def test_a_large_fleet_is_warned_and_not_stopped():
    s = fleet(300)
    rows = [only(check(s)) for check in ALL[1:]]
    assert {row.status for row in rows} == {WARNING}
    assert all(row.found and row.wanted and row.remedy for row in rows)
    text = render(rows)
    assert max(len(line) for line in text.splitlines() if not line.lstrip().startswith("->")) <= WIDTH
    assert len(text.splitlines()) <= 45


@pytest.mark.parametrize(
    ("size", "status", "told"),
    [
        (828_375, OK, "79%"),
        (838_860, OK, "80%"),  # 80% are 838,860.8
        (838_861, WARNING, "80%"),
        (849_346, WARNING, "81%"),
        (1_048_576, WARNING, "100%"),
        (1_048_577, FAILED, "100%"),
    ],
)
def test_the_secret_warns_over_80_percent_and_fails_over_all(size, status, told):
    check = only(budgets.promxy_config_size(fleet(2000, render_promxy_config=lambda groups, credentials: "x" * size)))
    assert (check.status, f", {told} of a Secret" in check.found) == (status, True)
    assert ("one takes about" in check.remedy) == (status != OK)


def test_a_group_already_live_is_counted_once_in_the_config():
    counted = []

    def render(groups, credentials):
        counted.append((len(groups), credentials["storage-vmuser-credentials"]))
        return "x"

    groups = (group("eu1-metrics", "eu1"), group("us1-metrics", "us1"))
    there = (group("eu1-metrics", "eu1"), group("far", "far"), group("other", "other", labels={}))
    budgets.promxy_config_size(situation(promxy_server_groups=there, groups=groups, render_promxy_config=render))
    assert counted == [(3, ("abc", "defghi"))]


@pytest.mark.parametrize(("number", "status"), [(0, OK), (1, OK), (119, OK), (120, OK), (121, WARNING)])
def test_reloads_are_those_of_ten_minutes(number, status):
    check = only(budgets.promxy_reloads(fleet(200, groups=fleet(number).groups)))
    assert check.status == status
    assert check.found.startswith(f"{number} by this run" if number else "none by this run")
    assert ("[1, 120]" in check.remedy) == (status == WARNING)


def test_only_groups_that_change_are_reloaded():
    more = {LABEL: "kof-mothership-promxy-config", "more": "x"}
    same, moved, relabelled, new, theirs = (group(f"{name}-metrics", name) for name in ("a", "b", "c", "d", "e"))
    there = (
        {**same, "metadata": {**same["metadata"], "resourceVersion": "7", "labels": more}},
        group("b-metrics", "b", "elsewhere.example.com"),
        group("c-metrics", "c", labels={}),
        theirs,
    )  # fmt: skip
    check = only(budgets.promxy_reloads(fleet(1, groups=(same, moved, relabelled, new), promxy_server_groups=there)))
    assert check.found == "3 by this run, 15 s"


def test_a_group_that_is_replaced_is_deleted_with_one_more_reload():
    sample = group("promxyservergroup-sample", "r0", "r0.example.com")
    for replaced, told in ((False, "1 by this run, 5 s"), (True, "2 by this run, 10 s")):
        s = fleet(1, promxy_server_groups=(sample,), replace_guide_objects=replaced)
        assert only(budgets.promxy_reloads(s)).found == told
        assert only(budgets.promxy_memory(s)).found.endswith("for 1 region" if replaced else "for 2 regions")


@pytest.mark.parametrize(
    ("number", "limit", "status", "proposed"),
    [
        (9, "128Mi", OK, None),  # 100 of 102.4Mi
        (10, "128Mi", WARNING, "256Mi"),
        (16, "160Mi", OK, None),  # 128 of 128Mi: exactly 80%
        (17, "160Mi", WARNING, "256Mi"),
        (35, "256Mi", OK, None),
        (36, "256Mi", WARNING, "512Mi"),
        (300, "128Mi", WARNING, "2Gi"),
        (300, "2Gi", OK, None),
        (300, 2e9, OK, None),
        (300, None, OK, None),
        (2, "lots", WARNING, "256Mi"),
        (2, "-1", WARNING, "256Mi"),
    ],
)
def test_promxy_needs_more_memory_for_more_regions(number, limit, status, proposed):
    check = only(budgets.promxy_memory(fleet(number, promxy_memory=limit)))
    assert check.status == status
    assert check.found == f"about {64 + 4 * number}Mi for {number} regions"
    if proposed:
        text = check.remedy.partition(", by the mothership playbook")[0]
        memory = {"promxy": {"resources": {"limits": {"memory": proposed}}}}
        assert yaml.safe_load(text) == {"mothership_values": memory}
        assert only(budgets.promxy_memory(fleet(number, promxy_memory=proposed))).status == OK


def test_the_live_limit_counts_where_the_mothership_is_not_installed():
    promxy = {"name": "promxy", "resources": {"limits": {"memory": "4Gi"}}}
    sidecar = {"name": "promxy-server-configmap-reload", "resources": {"limits": {"memory": "20Mi"}}}
    there = named("kof-mothership-promxy", spec={"template": {"spec": {"containers": [sidecar, promxy]}}})
    alone = frozenset({"regional"})

    def checked(layers, containers):
        there["spec"]["template"]["spec"]["containers"] = containers
        return only(budgets.promxy_memory(fleet(300, layers=layers, promxy_deployment=there)))

    assert "4Gi" in checked(alone, [sidecar, promxy]).wanted
    assert checked(alone, [sidecar, promxy]).status == OK
    assert checked(alone, [sidecar, {"name": "promxy"}]).wanted.startswith("it has no limit")
    assert "128Mi, this inventory's" in checked(frozenset({"mothership", "regional"}), [sidecar, promxy]).wanted
    small = {"name": "promxy", "resources": {"limits": {"memory": "64Mi"}}}
    assert "64Mi, the live one" in checked(alone, [small]).wanted
    unread = fleet(300, layers=alone, promxy_deployment=None)
    assert "128Mi, this inventory's" in only(budgets.promxy_memory(unread)).wanted


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("128Mi", 128 * MI), ("0.5Gi", 512 * MI), (".5Gi", 512 * MI), ("1.Gi", 1024 * MI), ("64Ki", 65536),
        ("1e9", 10**9), ("1E9", 10**9), ("12e-1", 1.2), ("1G", 10**9), ("1E", 10**18), ("2k", 2000), ("500m", 0.5),
        ("1000000u", 1), ("128974848", 128974848), (128974848, 128974848), (1e9, 10**9), ("0", 0), ("+5", 5),
        ("-5", None), ("", None), ("Mi", None), ("128 Mi", None), ("128mb", None), ("1K", None), ("1e", None),
        (None, None), (True, None), ([], None), ("1Mi2", None),
    ],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_does(text, size):
    assert syntax.quantity(text) == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("eu1.kof.example.com", "example.com"),
        ("example.com", "example.com"),
        ("EU1.Example.COM.", "example.com"),
        ("eu1.kof.example.co.uk", "example.co.uk"),
        ("eu1.example.com.au", "example.com.au"),
        ("eu1.com.example", "com.example"),
        ("eu1.example.de", "example.de"),
        ("co.uk", "co.uk"),
        ("uk", "uk"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_the_registered_domain(name, domain):
    assert budgets.registered(name) == domain


@pytest.mark.parametrize(
    ("number", "recent", "status", "found", "fit"),
    [
        (25, 0, OK, "50 under example.com", None),
        (26, 0, WARNING, "52 under example.com: 26 new regions", "25 new regions"),
        (20, 5, OK, "50 under example.com", None),
        (21, 5, WARNING, "52 under example.com: 21 new regions, and 10 in the last 7 days", "20 new regions"),
        (1, 25, WARNING, "52 under example.com: 1 new region, and 50 in the last 7 days", "0 new regions"),
        (300, 30, WARNING, "660 under example.com: 300 new regions, and 60 in the last 7 days", "0 new regions"),
    ],
)
def test_a_week_has_fifty_certificates(number, recent, status, found, fit):
    there = tuple(live(f"live{count}") for count in range(recent))
    check = only(budgets.certificates(fleet(number, cluster_deployments=there)))
    assert (check.status, check.found) == (status, found)
    if fit is not None:
        assert check.remedy.startswith(f"{fit} fit this week (--limit), then 25 a week")


def test_only_new_regions_and_those_of_the_last_week_count():
    there = (
        live("r0", "2026-02-01T00:00:00Z"),  # long there: renewals are free
        live("r1", "2026-03-01T11:59:59Z"),  # a second too old
        live("r2", "2026-03-01T12:00:00Z"),
        live("r3", "2026-02-01T00:00:00Z", "old.example.com"),  # gets another domain
        live("away", "2026-03-08T00:00:00Z"),  # in nobody's inventory
        live("else", "2026-03-08T00:00:00Z", "example.org"),
        deployment("child", creationTimestamp="2026-03-08T00:00:00Z"),
    )
    check = only(budgets.certificates(fleet(5, cluster_deployments=there)))
    assert check.found == "8 under example.com"  # r2, away; r3, r4
    timeless = fleet(5, cluster_deployments=there, now=None)
    assert only(budgets.certificates(timeless)).found == "4 under example.com"
    everything = fleet(3, cluster_deployments=there)
    assert only(budgets.certificates(everything)).found == "no new ones"


def test_each_registered_domain_has_its_own_fifty():
    mixed = (*regions(25, "a.example.com"), *regions(25, "b.example.co.uk"), *regions(25, "c.other.co.uk"))
    check = only(budgets.certificates(fleet(0, subjects=mixed)))
    assert (check.status, check.found) == (OK, "50 under example.com")
    two = (*regions(26, "example.com"), *regions(27, "example.org"), *regions(1, "example.net"))
    found = budgets.certificates(fleet(0, subjects=two))
    assert [one.found for one in found] == [
        "52 under example.com: 26 new regions",
        "54 under example.org: 27 new regions",
    ]


@pytest.mark.parametrize(
    ("values", "certificates"),
    [
        ({}, 2),
        ({"grafana": {"enabled": False}}, 1),
        ({"grafana": {"ingress": {"enabled": False}}}, 1),
        ({"victoriametrics": {"vmauth": {"enabled": False}}}, 1),
        ({"victoriametrics": {"enabled": False}, "grafana": {"enabled": False}}, 0),
        ({"cert-manager": {"enabled": False}}, 0),
        ({"grafana": None}, 2),
    ],
)
def test_a_region_without_one_asks_for_fewer_certificates(values, certificates):
    s = fleet(1, subjects=(regional("r0", **values),))
    assert only(budgets.certificates(s)).found == f"{certificates} under example.com"


@pytest.mark.parametrize(
    ("interval", "status"),
    [
        ("10127ms", OK),  # 79%
        ("10s", OK),  # 40 regions, two requests each: exactly 80%
        ("9999ms", WARNING),
        ("9877ms", WARNING),  # 81%
        ("8s", WARNING),  # exactly at the limit
        ("1s", WARNING),
        ("1m", OK),
        ("nonsense", OK),  # the chart's own minute
    ],
)
def test_route_53_warns_over_80_percent(interval, status):
    s = fleet(40, subjects=regions(40, external_dns={"interval": interval}))
    assert only(budgets.route53_requests(s)).status == status


def test_the_proposed_interval_is_long_enough():
    check = only(budgets.route53_requests(fleet(300)))
    assert check.found == "35 a second for 300 regions, 7 a poll"
    values = yaml.safe_load(check.remedy.removeprefix("for all regions "))["regional_service_values"]["kof-storage"]
    assert values["external-dns"] == {
        "interval": "5m",
        "triggerLoopOnEvent": True,
        "extraArgs": ["--aws-zones-cache-duration=1h"],
    }
    followed = only(budgets.route53_requests(fleet(300, subjects=regions(300, external_dns=values["external-dns"]))))
    assert followed.status == OK
    only_interval = only(budgets.route53_requests(fleet(300, subjects=regions(300, external_dns={"interval": "5m"}))))
    assert only_interval.status == OK


def test_records_are_listed_by_pages_and_zones_may_be_cached():
    def found(number, zones=1, **external_dns):
        subjects = regions(number, external_dns=external_dns)
        return only(budgets.route53_requests(fleet(0, subjects=subjects, hosted_zones=zones))).found

    assert found(50) == "1.7 a second for 50 regions, 2 a poll"  # 300 records
    assert found(51) == "2.5 a second for 51 regions, 3 a poll"
    assert found(50, zones=3) == "3.3 a second for 50 regions, 4 a poll"
    assert found(60, extraArgs=["--aws-zones-cache-duration=10m"]).startswith("2.1 a second")
    assert found(60, extraArgs=["--aws-zones-cache-duration=10m", "--provider-cache-time=10m"]).startswith("0.3 ")
    assert found(60, extraArgs=["--events"]).startswith("3 a second")


def test_all_regions_of_the_account_count_but_those_without_route_53():
    config = {"clusterLabels": {RELEASE.dns.label: "true"}}
    there = (
        live("r0", spec={"config": config}),  # ours, counted once
        live("away", spec={"config": config}),
        live("by-hand", spec={"config": {}}),
        live("bare", spec={}),
    )
    azure = replace(regional("azure", external_dns={"provider": {"name": "azure"}}))
    off = replace(regional("off", external_dns={"enabled": False}))
    s = fleet(0, subjects=(*regions(2), azure, off), others=(regional("r9"), CHILD), cluster_deployments=there)
    assert "for 4 regions" in only(budgets.route53_requests(s)).found
    nobody = fleet(0, subjects=(azure, off), others=(CHILD,), cluster_deployments=there)
    assert budgets.route53_requests(nobody) == []


def test_variables_become_what_the_budgets_look_at():
    """From variables as a user writes them: the values of a region's services are those that will be rendered."""
    own = {"kof-storage": {"external-dns": {"interval": "5m"}, "grafana": {"enabled": False}}}
    common = {"kof_version": "0.1.1", "regional_admin_email": "a@example.com", "regional_config": {}}
    parsed, faults = model.parse_regional(
        "r0", {**common, "regional_domain": "r0.example.com", "regional_service_values": own}
    )
    assert parsed is not None, faults
    s = fleet(0, subjects=(subjects.of_regional(parsed, RELEASE),))
    assert only(budgets.certificates(s)).found == "1 under example.com"
    assert only(budgets.route53_requests(s)).found == "0.0067 a second for 1 region, 2 a poll"
    node, faults = model.parse_regional(
        "r0", {**common, "regional_domain": "r0.example.com", "regional_external_dns": "none"}
    )
    assert node is not None, faults
    assert budgets.route53_requests(fleet(0, subjects=(subjects.of_regional(node, RELEASE),))) == []


class Recorder:
    """A management cluster with nothing in it, which notes what it is asked."""

    server = "https://fake:6443"
    place, unsaid = "https://fake:6443, by option host", False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def request(self, method, path, **_options):
        self.asked.append(f"{method} {path}")
        if path == "/version":
            return {"gitVersion": "v1.34.4"}
        if path == "/apis":
            names = ("k0rdent.mirantis.com", "kof.k0rdent.mirantis.com")
            return {"groups": [{"name": name, "versions": [{"version": "v1alpha1"}]} for name in names]}
        if path.endswith("/kof-mothership-promxy"):
            limits = {"name": "promxy", "resources": {"limits": {"memory": "96Mi"}}}
            return {"spec": {"template": {"spec": {"containers": [limits]}}}}
        if method == "POST":
            return {"status": {"allowed": True}}
        return {"metadata": {"name": path.rpartition("/")[2]}}

    def list_objects(self, path, **_options):
        self.asked.append(f"LIST {path}")
        return [], "1"


def ran(number: int, batch: set[str] | None = None, **mothership: Any) -> tuple[list[Check], list[str]]:
    """The whole preflight over a fleet of that many regions, and the requests it sent."""
    common = {"kof_version": "0.1.1", "regional_admin_email": "a@example.com", "regional_config": {}}
    regionals = [
        model.parse_regional(
            f"aws-us-east-2-{count}", {**common, "regional_domain": f"aws-us-east-2-{count}.kof.example.com"}
        )[0]
        for count in range(number)
    ]
    parsed, faults = model.parse_mothership("mothership", {"kof_version": "0.1.1", **mothership})
    assert not faults
    child = model.parse_child("child", {"kof_version": "0.1.1", "child_regional": "aws-us-east-2-0"})[0]
    assert child is not None
    inventory = preflight.Inventory(parsed, [each for each in regionals if each], [child], (), {})
    hosts = batch or {"mothership", *(each.host for each in inventory.regionals)}
    connection = Recorder()
    return preflight.run(connection, hosts, inventory, RELEASE, check_mode=False), connection.asked


def test_a_fleet_too_large_for_the_secret_is_stopped_by_one_row():
    checks, _asked = ran(2600)
    told = [check for check in row.failures(checks) if check.name in ("promxy config", "inventory", "domain")]
    (line,) = [check.line() for check in told]
    assert "for 2,600 regions, 1" in line
    assert "spread the regions over several management clusters: one takes about 2," in line


def test_the_real_config_of_a_thousand_regions_fits():
    (check,) = [each for each in ran(1000)[0] if each.name == "promxy config"]
    assert (check.status, check.wanted[:7]) == (OK, "at most")


def test_the_mothership_s_values_decide_over_the_charts():
    def memory(**options: Any) -> str:
        (check,) = [each for each in ran(10, **options)[0] if each.name == "promxy memory"]
        return check.wanted

    assert "128Mi, this inventory's" in memory()
    values = {"promxy": {"resources": {"limits": {"memory": "1Gi"}}}}
    assert "80% of its limit, 1Gi" in memory(mothership_values=values)
    assert "no limit" in memory(mothership_values={"promxy": {"resources": {"limits": {"memory": None}}}})
    assert "no limit" in memory(mothership_values={"promxy": {"resources": None}})
    assert "80% of its limit, 96Mi" in memory(batch={"aws-us-east-2-0"})


def test_requests_do_not_grow_with_the_fleet_and_one_asks_for_the_limit():
    def asked(number, batch=None):
        return [each for each in ran(number, batch)[1] if "SubjectAccess" not in each]

    assert sorted(asked(2)) == sorted(asked(300))
    promxy = "GET /apis/apps/v1/namespaces/kof/deployments/kof-mothership-promxy"
    assert not [each for each in asked(2) if "/deployments/" in each]
    assert asked(2, {"aws-us-east-2-0"}).count(promxy) == 1
    assert promxy not in asked(2, {"mothership"})
    assert promxy not in asked(2, {"child"})


def test_what_the_config_size_measures_is_what_the_operator_writes():
    text = promxy_config.render(fleet(3).groups, {"storage-vmuser-credentials": ("abc", "defghi")})
    s = fleet(3, render_promxy_config=promxy_config.render)
    assert only(budgets.promxy_config_size(s)).found.startswith(f"{len(text.encode()):,} bytes for 3 regions")
