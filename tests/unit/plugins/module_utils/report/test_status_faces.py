"""The faces of a status: what they say reads well at any size, is what programs take, and stays text."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.statuses import WELL, finding, hostile, status

from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report

SCHEMA = json.loads((pathlib.Path(__file__).parents[5] / "docs" / "status.schema.json").read_text())
NASTY = 'a\\b"c</testcase>&\n{x="y"} \u202e\x07 é'


def test_a_small_fleet_that_is_well() -> None:
    assert report.text(status(WELL)).splitlines() == [
        "mothership  1 ready",
        "regional    1 ready",
        "child       1 ready",
        "versions    kof 0.1.1 wanted; kof-operators 0.1.1, kof-mothership 0.1.1 installed; k0rdent kcm-0-1-0 "
        "(API v1alpha1)",
        "services    kof-storage-0-1-1 (1)",
        "budgets     promxy config: 812 bytes",
        "drift       a run would change nothing of 2 objects",
        "3 of 3 clusters ready; nothing is wrong; what a code means: docs/findings.md",
    ]


def test_problems_come_first_each_with_its_clusters_why_and_what_to_do() -> None:
    broken = finding("eu1")
    slow = finding("eu1-child1", "progress", "infrastructure-not-ready")
    lines = report.text(status({**WELL, "eu1": "failed", "eu1-child1": "progressing"}, broken, slow)).splitlines()
    assert lines[:8] == [
        "FAILED  credential-not-ready: A Credential isn't ready",
        "        eu1: ClusterDeployment kcm-system/eu1: no Secret (since 2026-03-01T10:00:00Z)",
        "        -> kubectl describe credential x",
        "",
        "In progress, as it is in the middle of a rollout:",
        "  infrastructure-not-ready: eu1-child1",
        "",
        "mothership  1 ready",
    ]
    assert lines[-1].startswith("1 of 3 clusters ready; 1 failed; ")


def test_a_thousand_clusters_fit_on_a_screen() -> None:
    hosts = [f"eu1-child{number}" for number in range(1000)]
    whys = [
        f"the connection was refused by 10.0.0.{number}, and that is a long story to tell here" for number in range(7)
    ]
    found = [finding(host, code="cluster-unreached", why=whys[at % 7]) for at, host in enumerate(hosts[:700])]
    found += [finding(host, "warning", "version-skew", why="one and the same") for host in hosts[700:750]]
    found += [finding(host, "progress", "machines-not-ready") for host in hosts[750:]]
    states = dict(zip(hosts, ["failed"] * 700 + ["warning"] * 50 + ["progressing"] * 250, strict=True))
    lines = report.text(status(states, *found)).splitlines()
    assert len(lines) < 40
    assert all(len(line) <= 120 for line in lines)
    told = "\n".join(lines)
    assert "100 clusters: eu1-child0, eu1-child7, eu1-child14" in told
    assert "and of 400 more: 400 clusters: eu1-child3" in told
    assert "50 clusters: eu1-child700" in told
    assert "  machines-not-ready: 250 clusters: eu1-child750" in told
    assert "child       250 progressing, 50 warning, 700 failed" in told


def test_what_could_not_be_looked_at_is_told() -> None:
    seen = status(WELL, not_looked_at=["Credential: forbidden"])
    seen["versions"]["charts"] = None
    told = report.text(seen)
    assert "Not looked at: Credential: forbidden" in told
    assert "installed" not in told


def alike(hosts: list[str], version: str, **more: Any) -> dict[str, Any]:
    services = [{"name": "kof-collectors", "template": f"kof-collectors-{version}"}]
    about = {"layer": "child", "cluster_template": "aws-0-1-0", "kubernetes": "v1.31.1", "differs": []}
    return {**about, "services": services, "hosts": hosts, **more}


def test_which_clusters_are_on_another_version_is_told_against_what_most_have() -> None:
    hosts = [f"eu1-child{number}" for number in range(1000)]
    seen = status(WELL)
    others = [alike([hosts[990 + number]], "0-1-0", kubernetes=f"v1.30.{number}") for number in range(4)]
    seen["versions"]["sets"] = [alike(hosts[:980], "0-1-1"), alike(hosts[980:990], "0-1-0"), *others]
    lines = [each for each in report.text(seen).splitlines() if each.startswith(("skew", " "))]
    one = "skew        1 of 994 child clusters: Kubernetes v1.30."
    assert lines == [
        "skew        10 of 994 child clusters: kof-collectors kof-collectors-0-1-0 (most have kof-collectors-0-1-1):",
        "            eu1-child980, eu1-child981, eu1-child982, eu1-child983, eu1-child984, eu1-child985 and 4 more",
        f"{one}0 (most have v1.31.1), kof-collectors kof-collectors-0-1-0 (most",
        "            have kof-collectors-0-1-1): eu1-child990",
        f"{one}1 (most have v1.31.1), kof-collectors kof-collectors-0-1-0 (most",
        "            have kof-collectors-0-1-1): eu1-child991",
        "            and 2 clusters that differ otherwise",
    ]
    jsonschema.validate(seen, SCHEMA)


def test_a_budget_that_is_nearly_used_up_is_told_with_its_limit_and_what_to_do() -> None:
    used = {
        "name": "certificates",
        "found": "600 under x.y",
        "wanted": "at most 50",
        "remedy": "wait",
        "status": "warning",
    }
    seen = status(WELL, budgets=[*status(WELL)["budgets"], used])
    assert report.text(seen).splitlines()[-5:] == [
        "budgets     promxy config: 812 bytes",
        "            WARNING certificates: 600 under x.y; at most 50",
        "            -> wait",
        "drift       a run would change nothing of 2 objects",
        "3 of 3 clusters ready; 1 budget is nearly used up; what a code means: docs/findings.md",
    ]
    jsonschema.validate(seen, SCHEMA)


def drift(*changed: tuple[str, str, str], unchanged: int = 0) -> dict[str, Any]:
    """:param changed: host, kind, action."""
    kinds = list(dict.fromkeys(kind for _host, kind, _action in changed))
    counts = []
    for kind in kinds:
        numbers = {action: sum(each[1:] == (kind, action) for each in changed) for action in report.ACTIONS}
        counts.append({"kind": kind, "unchanged": unchanged, **numbers})
    objects = [
        {
            "host": host,
            "kind": kind,
            "object": f"{kind} a/{host}",
            "action": action,
            "fields": ["spec.x"],
            "more_fields": 0,
        }
        | {"why": "because"}
        for host, kind, action in changed
    ]
    return {"counts": counts, "objects": objects}


def test_what_a_run_would_change_is_told_by_kind_and_with_its_clusters() -> None:
    changed = [(f"eu1-child{number}", "ClusterDeployment", "updated") for number in range(1000)]
    changed += [("eu1", "PromxyServerGroup", "created"), ("eu1-child1", "ClusterDeployment", "refused")]
    seen = status(WELL, drift=drift(*changed, unchanged=7))
    told = report.text(seen)
    assert " ".join(told[told.index("drift ") :].split()).startswith(
        "drift a run would change 1,001 of 1,016 objects: ClusterDeployment: 1,000 updated, 1 refused; "
        "PromxyServerGroup: 1 created: 1,001 clusters: eu1-child0, eu1-child1, eu1-child2, eu1-child3, eu1-child4, "
        "eu1-child5 and 995 more"
    )
    jsonschema.validate(seen, SCHEMA)
    unknown = status(WELL, drift={"counts": [], "objects": []})
    assert "drift       what a run would change isn't known" in report.text(unknown).splitlines()


@pytest.mark.parametrize("seen", [status(WELL), status({**WELL, NASTY: "failed"}, finding(NASTY, why=NASTY))])
def test_json_is_as_its_schema_says(seen: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(report.as_json(seen)), SCHEMA)
    assert json.loads(report.as_json(seen)) == seen
    assert set(SCHEMA["required"]) == set(seen)


@pytest.mark.parametrize(
    ("at", "value"),
    [("schema", "k0rdent.kof.status/2"), ("at", "yesterday"), ("clusters", [{"host": "a"}]), ("findings", [{}])],
)
def test_the_schema_refuses_what_is_otherwise(at: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**status(WELL), at: value}, SCHEMA)


def test_prometheus_takes_it_whatever_the_names_are() -> None:
    found = [finding("eu1"), finding(NASTY), finding("eu1", "warning", "version-skew")]
    text = report.prometheus(status({**WELL, NASTY: "failed"}, *found, fleet='a"b'))
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    fleet = {"fleet": 'a"b'}
    about = {"cluster": NASTY, "layer": "regional", "state": "failed"}
    assert ("kof_cluster_state", {**fleet, **about}, 1.0) in samples
    assert ("kof_findings", {**fleet, "code": "credential-not-ready", "severity": "failed"}, 2.0) in samples
    assert ("kof_findings", {**fleet, "code": "version-skew", "severity": "warning"}, 1.0) in samples
    assert ("kof_status_timestamp_seconds", fleet, 1772366400.0) in samples
    assert len(samples) == 4 + 2 + 1
    assert text.endswith("\n")


def test_junit_has_a_case_for_each_cluster_and_for_what_is_of_none() -> None:
    found = [finding("eu1"), finding(NASTY, why=NASTY), finding("eu1-child1", "warning"), finding("", "warning")]
    text = report.junit(status({**WELL, "eu1": "failed", NASTY: "failed"}, *found))
    suite = ElementTree.fromstring(text)
    cases = {case.get("name"): case for case in suite}
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    assert set(cases) == {"mothership", "eu1", "eu1-child1", NASTY.replace("\x07", "\ufffd"), "prod"}
    assert not list(cases["mothership"])
    failure = cases["eu1"].find("failure")
    assert failure is not None
    assert failure.text == (
        "failed: credential-not-ready: ClusterDeployment kcm-system/eu1: no Secret; kubectl describe credential x"
    )
    assert cases["eu1-child1"].find("failure") is None
    assert (cases["eu1-child1"].findtext("system-out") or "").startswith("warning: credential-not-ready")
    assert not re.search(r"[\x00-\x08]", text)


def test_a_cluster_of_which_not_all_may_be_read_is_ready_in_no_face() -> None:
    seen = status({**WELL, "eu1": "unknown"}, not_looked_at=["SveltosCluster: forbidden"])
    assert report.summary(seen) == "2 of 3 clusters ready, 1 not looked at in full; nothing else is wrong"
    assert "regional    1 unknown" in report.text(seen)
    assert 'cluster="eu1",layer="regional",state="unknown"} 1' in report.prometheus(seen)
    suite = ElementTree.fromstring(report.junit(seen))
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert [case.get("name") for case in suite if case.find("skipped") is not None] == ["eu1"]
    jsonschema.validate(seen, SCHEMA)


@pytest.mark.parametrize(
    ("severities", "missing", "expected"),
    [
        ((), False, "unknown"),
        (("progress",), False, "unknown"),
        (("warning", "progress"), False, "warning"),
        ((), True, "missing"),
    ],
)
def test_what_is_known_to_be_bad_comes_before_what_is_not_known(
    severities: tuple[str, ...], missing: bool, expected: str
) -> None:
    assert report.state_of([{"severity": each} for each in severities], missing=missing, unread=True) == expected


FORGED = "x\nchild       1 ready\n\u2028child       2 ready\r\x85\x0b\x0c3 of 3 clusters ready; nothing is wrong"


def test_no_text_of_a_cluster_makes_a_line_of_the_table() -> None:
    where = {"title": FORGED, "why": FORGED, "object": FORGED, "remedy": FORGED}
    found = [finding(FORGED, severity, code="version-skew", **where) for severity in ("failed", "warning", "progress")]
    seen = status({**WELL, "eu1": "failed"}, *found, kof_version=FORGED, not_looked_at=[FORGED])
    seen["versions"] |= {"kcm_api": FORGED, "charts": {"kof-mothership": FORGED}}
    seen["versions"]["service_templates"] = [{"name": FORGED, "count": 1}]
    lines = report.text(seen).splitlines()
    assert [each for each in lines if each.startswith("child ")] == ["child       1 ready"]
    assert [each for each in lines if re.match("[0-9]+ of", each)] == [lines[-1]]
    assert lines[-1].startswith("2 of 3 clusters ready; 1 failed, 1 warning; ")


def test_the_documented_service_may_write_what_ansible_and_the_status_need() -> None:
    page = (pathlib.Path(__file__).parents[5] / "docs" / "status.md").read_text()
    unit = dict(re.findall(r"^(\w+)=(.*)$", page[page.index("[Service]") : page.index("[Timer]")], re.MULTILINE))
    assert unit["ProtectSystem"] == "strict"
    folder = re.search(r'"status_folder": "([^"]+)"', unit["ExecStart"])
    assert folder is not None
    assert set(unit["ReadWritePaths"].split()) == {folder[1], f"{unit['WorkingDirectory']}/.ansible"}


def test_hostile_texts_stay_texts_in_every_face_for_programs() -> None:
    """The page has a test of its own (test_html.py), and so have the table's lines."""
    seen = hostile()
    jsonschema.validate(seen, SCHEMA)
    assert json.loads(report.as_json(seen)) == seen
    hosts = [each["host"] for each in seen["clusters"]]
    families = {each.name: each.samples for each in text_string_to_metric_families(report.prometheus(seen))}
    assert [sample.labels["cluster"] for sample in families["kof_cluster_state"]] == hosts
    assert set(families) == {"kof_cluster_state", "kof_findings", "kof_status_timestamp_seconds"}
    suite = ElementTree.fromstring(report.junit(seen))
    shown = [re.sub(r"[\x00\x07\x1b\ufffe]", "\ufffd", host) for host in hosts]
    assert [case.get("name") for case in suite] == shown
    assert {each.tag for each in suite.iter()} == {"testsuite", "testcase", "failure", "system-out"}
    assert [each for each in report.text(seen).splitlines() if each.startswith("child ")] == [
        f"child       1 ready, {len(hosts) - 3} failed"
    ]
