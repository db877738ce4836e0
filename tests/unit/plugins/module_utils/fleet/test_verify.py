"""What verify finds beside status on the management cluster, by objects that a fake source holds."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import test_data
from test_status import (
    CHARTS,
    JUST_NOW,
    LONG_AGO,
    NOW,
    SHARED,
    Source,
    cluster,
    configuration,
    fleet,
    group,
    item,
    named,
    objects,
    states,
    told,
)

from ansible_collections.k0rdent.kof.plugins.action import fleet_verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data, status, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside as looks
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import progressing
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.line_0_1 import KOF_0_1_1

DATASOURCE = ("grafana.integreatly.org/v1beta1", "GrafanaDatasource")


def held(**status_of_promxy: Any) -> list[dict[str, Any]]:
    """A fleet that is well, but for a datasource of the chart's."""
    return [*objects(), item(*DATASOURCE, "kof", "promxy", status=status_of_promxy)]


def look(source: Source) -> dict[str, Any]:
    more = (verify.datasources,)
    return status.look(source, fleet(), CHARTS, patience=60, now=NOW, more=more)  # type: ignore[arg-type]


def test_of_a_fleet_that_is_well_nothing_is_found() -> None:
    seen = look(Source(held(uid="y")))
    assert (seen["findings"], seen["not_looked_at"]) == ([], [])
    assert set(states(seen).values()) == {"ready"}


def test_a_datasource_that_is_nobodys_part_is_the_motherships() -> None:
    assert told(look(Source(held(lastMessage="i/o timeout")))) == {("mothership", "warning", "datasource-refused")}


def test_that_of_a_region_out_of_this_batch_is_told_by_its_own_run() -> None:
    spoilt = held(lastMessage="i/o timeout")
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "prod"}
    named(spoilt, "GrafanaDatasource", "promxy")["metadata"]["labels"] = labels
    assert told(look(Source(spoilt))) == set()


def test_what_may_not_be_read_is_told() -> None:
    seen = look(Source(held(uid="y"), forbidden=("GrafanaDatasource",)))
    assert states(seen)["mothership"] == "unknown"
    assert any("GrafanaDatasource" in each for each in seen["not_looked_at"])


# -- inside


Visits = list[looks.Visit]


def look_inside(
    held: list[dict[str, Any]], found: dict[str, list[looks.Found]], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Visits]:
    """With what visits find by the cluster's name; a text instead: why its kubeconfig may not be read."""
    made: Visits = []

    def visited(_management: Any, visits: Visits, _recent: Any) -> None:
        made.extend(visits)
        for visit in visits:
            there = found.get(visit.name, [])
            visit.found, visit.forbidden = ([], there) if isinstance(there, str) else (there, "")

    monkeypatch.setattr(looks, "look", visited)
    source = Source(held + MOTHERSHIP)
    seen = status.look(source, fleet(), CHARTS, patience=60, now=NOW, more=(verify.inside(7),))  # type: ignore[arg-type]
    return seen, made


def running(kind: str, name: str) -> dict[str, Any]:
    done = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    return item("apps/v1", kind, "kof", name, spec={"replicas": 1}, status=done)


#: What runs on the management cluster beside the Deployments that a run waits for.
MOTHERSHIP = [running(each.kind, each.name) for each in KOF_0_1_1.workloads["mothership"]]
MISSING = looks.Found("Deployment kof/x inside of eu1", progressing("x: isn't there", code="workload-missing"))
SILENT = looks.Found("", progressing("no answer within 7 s", code="cluster-not-answering"), reach=True)


def test_every_cluster_that_is_there_is_visited_with_its_own_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, visits = look_inside(objects(), {}, monkeypatch)
    assert (seen["findings"], set(states(seen).values())) == ([], {"ready"})
    assert [(visit.name, visit.secrets, visit.seconds) for visit in visits] == [
        ("eu1", [("kcm-system", "eu1-kubeconfig")], 7),
        ("eu1-a", [("kcm-system", "eu1-a-kubeconfig")], 7),
    ]


def test_of_an_adopted_cluster_also_the_secret_of_its_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    adopted = objects()
    named(adopted, "Credential", "aws")["spec"] = {"identityRef": {"kind": "Secret", "name": "eu1-kubeconf"}}
    _seen, visits = look_inside(adopted, {}, monkeypatch)
    assert visits[0].secrets == [("kcm-system", "eu1-kubeconfig"), ("kcm-system", "eu1-kubeconf")]


def test_what_goes_or_is_anothers_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    others = objects()
    named(others, "ClusterDeployment", "eu1")["metadata"]["deletionTimestamp"] = LONG_AGO
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "another"}
    named(others, "ClusterDeployment", "eu1-a")["metadata"]["labels"] = labels
    assert look_inside(others, {}, monkeypatch)[1] == []


def test_what_a_cluster_that_is_ready_lacks_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _visits = look_inside(objects(), {"eu1": [MISSING], "eu1-a": [SILENT]}, monkeypatch)
    assert told(seen) == {("eu1", "failed", "workload-missing"), ("eu1-a", "failed", "cluster-not-answering")}
    assert set(status.failures(seen)) == {"eu1", "eu1-a"}


def test_what_was_deployed_a_moment_ago_may_still_come_but_a_cluster_that_is_ready_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed = objects()
    for feature in named(deployed, "ClusterSummary", "p--eu1-capi-eu1")["status"]["featureSummaries"]:
        feature |= {"lastAppliedTime": JUST_NOW}
    seen, _visits = look_inside(copy.deepcopy(deployed), {"eu1": [MISSING, SILENT]}, monkeypatch)
    assert told(seen) == {("eu1", "progress", "workload-missing"), ("eu1", "failed", "cluster-not-answering")}


def test_in_the_middle_of_a_rollout_nothing_inside_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    made = objects()
    live = named(made, "ClusterDeployment", "eu1")
    live["metadata"]["creationTimestamp"] = JUST_NOW
    live["status"] = {"conditions": []}
    seen, _visits = look_inside(made, {"eu1": [MISSING, SILENT]}, monkeypatch)
    assert {severity for host, severity, _code in told(seen) if host == "eu1"} == {"progress"}


def test_kubeconfigs_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some clusters: these are unknown. Of all: nothing is done, and what would be right is said."""
    seen, _visits = look_inside(objects(), {"eu1": "cannot get"}, monkeypatch)  # type: ignore[dict-item]
    assert (seen["findings"], states(seen)["eu1"], states(seen)["eu1-a"]) == ([], "unknown", "ready")
    assert seen["not_looked_at"] == ["the kubeconfig of eu1: cannot get"]
    with pytest.raises(FleetFault, match=r"verifier\.yaml"):
        look_inside(objects(), {"eu1": "cannot get", "eu1-a": "cannot get"}, monkeypatch)  # type: ignore[dict-item]


def test_on_the_management_cluster_what_operators_make_of_the_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _visits = look_inside(objects(), {}, monkeypatch)
    assert seen["findings"] == []
    monkeypatch.setitem(globals(), "MOTHERSHIP", MOTHERSHIP[1:])
    seen, _visits = look_inside(objects(), {}, monkeypatch)
    assert told(seen) == {("mothership", "failed", "workload-missing")}
    assert "grafana-vm-deployment" in seen["findings"][0]["why"]


# -- data

USER, PASSWORD = test_data.LOGIN


def regions() -> list[dict[str, Any]]:
    """A fleet of two regions that is well, and has a login that is to be seen nowhere."""
    held = [each for each in objects() if each["kind"] != "Secret" or each["metadata"]["name"] not in _LOGINS]
    data = {key: base64.b64encode(text.encode()).decode() for key, text in (("username", USER), ("password", PASSWORD))}
    held.append(item("v1", "Secret", "kof", _LOGINS[0], data=data))
    held.append(configuration(group(), group("us1"), login=test_data.LOGIN))
    held += [group("us1"), *cluster("us1", "regional")]
    return [*held, item(*DATASOURCE, "kof", "us1-logs", status={"uid": "z"})]


_LOGINS = ("storage-vmuser-credentials", KOF_0_1_1.promxy.secret)


def both(*batch: str, **child: Any) -> Fleet:
    """:param batch: its hosts; none for all. :param child: variables of the child."""
    made = fleet()
    region = {"regional_domain": "us1.example.com", "regional_admin_email": "a@example.com"}
    made.clusters["us1"] = model.parse_regional("us1", {**SHARED, **region})[0]  # type: ignore[assignment]
    made.clusters["eu1-a"] = model.parse_child("eu1-a", {**SHARED, "child_regional": "eu1", **child})[0]  # type: ignore[assignment]
    made.variables["us1"], made.layer_of["us1"] = SHARED, "regional"
    layers = {"mothership": ["mothership"], "regional": ["eu1", "us1"], "child": ["eu1-a"]}
    made.batch.update(
        {layer: [host for host in hosts if not batch or host in batch] for layer, hosts in layers.items()}
    )
    return made


def look_for_data(
    monkeypatch: pytest.MonkeyPatch,
    arrived: dict[str, test_data.Vmauth],
    *,
    held: list[dict[str, Any]] | None = None,
    of: Fleet | None = None,
    kept: looks.Kept | None = None,
    forbidden: tuple[str, ...] = (),
) -> dict[str, Any]:
    """:param arrived: by the regional's name, what is there and answers."""
    collector = test_data._collector("eu1.example.com")

    def visited(_management: Any, visits: Visits, _recent: Any) -> None:
        for visit in visits:
            assert visit.keeps
            visit.kept = kept or looks.Kept([f"pod-of-{visit.name}"], [collector])

    monkeypatch.setattr(looks, "look", visited)
    asked = test_data.Fleet()
    asked.vmauths = {"us1": test_data.Vmauth(), **arrived}
    how = verify.Data(asked.ask, data.AGES, "", lambda: test_data.NOW)
    source = Source([*(held or regions()), *MOTHERSHIP], forbidden=forbidden)
    more = (verify.inside(7, how),)
    seen = status.look(source, of or both(), CHARTS, patience=60, now=NOW, more=more)  # type: ignore[arg-type]
    assert PASSWORD not in repr(seen)
    return seen


def test_ages_of_data_that_arrives_are_told_and_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look_for_data(monkeypatch, {"eu1": test_data._well("eu1-a")})
    assert (seen["findings"], seen["not_looked_at"], set(states(seen).values())) == ([], [], {"ready"})
    assert seen["data"] == [{"host": "eu1-a", "metrics": 5.0, "logs": 9.0, "costs": 7.0}]


def test_what_doesnt_arrive_is_the_childs_with_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    late = test_data._well("eu1-a")
    late.ages[data.METRICS] = {"eu1-a": 301.0}
    late.ages[data.LOGS] = {"pod-of-eu1-a": 301.0}
    late.ages[data.COSTS] = {}
    seen = look_for_data(monkeypatch, {"eu1": late})
    assert told(seen) == {("eu1-a", "failed", "metrics-stale"), ("eu1-a", "failed", "costs-missing")}
    assert set(status.failures(seen)) == {"eu1-a"}


def test_a_child_that_sends_to_another_region_is_found_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = {"eu1": test_data.Vmauth(), "us1": test_data._well("eu1-a")}
    wrong = looks.Kept(["pod-of-eu1-a"], [test_data._collector("us1.example.com", ("user", PASSWORD))])
    seen = look_for_data(monkeypatch, arrived, kept=wrong)
    assert told(seen) == {("eu1-a", "failed", "data-in-another-region")}
    assert {each["object"] for each in seen["findings"]} == set(data.KINDS)
    assert all(
        "it arrives at us1; its collectors send them to https://vmauth.us1" in each["why"] for each in seen["findings"]
    )


def test_another_login_on_the_child_is_found_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    old = looks.Kept(["pod-of-eu1-a"], [test_data._collector("eu1.example.com", ("user", "CANARY-of-old"))])
    seen = look_for_data(monkeypatch, {"eu1": test_data.Vmauth()}, kept=old)
    assert all("its collectors have another login" in each["why"] for each in seen["findings"])
    assert "CANARY-of-old" not in repr((seen, old))


def test_what_was_deployed_a_moment_ago_may_still_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    held = regions()
    for feature in named(held, "ClusterSummary", "p--eu1-a-capi-eu1-a")["status"]["featureSummaries"]:
        feature |= {"lastAppliedTime": JUST_NOW}
    seen = look_for_data(monkeypatch, {"eu1": test_data.Vmauth()}, held=held)
    assert told(seen) == {("eu1-a", "progress", f"{kind}-missing") for kind in data.KINDS}


def test_a_regional_that_is_away_is_its_own_and_of_its_children_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = test_data.Vmauth(away=NoAnswer("refused", "connection refused"))
    seen = look_for_data(monkeypatch, {"eu1": away})
    assert told(seen) == {("eu1", "failed", "vmauth-not-reached")}
    assert seen["data"] == [{"host": "eu1-a"}]


def test_of_a_regional_out_of_the_batch_it_is_told_that_its_children_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = test_data.Vmauth(away=NoAnswer("refused", "connection refused"))
    seen = look_for_data(monkeypatch, {"eu1": away}, of=both("eu1-a"))
    assert (seen["findings"], states(seen)) == ([], {"eu1-a": "unknown"})
    assert any("data of eu1: vmauth-not-reached" in each for each in seen["not_looked_at"])
    well = look_for_data(monkeypatch, {"eu1": test_data._well("eu1-a")}, of=both("eu1-a"))
    assert (well["findings"], states(well)) == ([], {"eu1-a": "ready"})


def test_what_the_inventory_switches_off_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = test_data._well("eu1-a")
    arrived.ages[data.COSTS] = {}
    without = {"child_service_values": {"kof-collectors": {"opencost": {"enabled": False}}}}
    assert told(look_for_data(monkeypatch, {"eu1": arrived}, of=both(**without))) == set()
    nothing = both(child_disabled_services=["kof-collectors"])
    assert not {
        each
        for each in told(look_for_data(monkeypatch, {"eu1": test_data.Vmauth()}, of=nothing))
        if "missing" in each[2]
    }


def test_a_login_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look_for_data(monkeypatch, {}, forbidden=(f"Secret/{_LOGINS[0]}",))
    assert not [each for each in seen["findings"] if each["code"] in ("metrics-missing", "vmauth-login-refused")]
    assert states(seen)["eu1-a"] == "unknown"
    assert any("data of eu1: its login" in each for each in seen["not_looked_at"])


@pytest.mark.parametrize("age", [-1, 0, True, "5m", 10**9])
def test_an_age_that_is_none_is_refused_before_anything_is_read(age: Any) -> None:
    with pytest.raises(FleetFault, match=r"metrics_age \(verify_metrics_age\).*300 for example"):
        refused(metrics_age=age)


@pytest.mark.parametrize("promxy", ["promxy:8082", "http://me:CANARY@x", "http://x?a=CANARY", "http://x y", "ftp://x"])
def test_an_address_of_promxy_that_is_none_is_refused_without_quoting_it(promxy: str) -> None:
    with pytest.raises(FleetFault, match="verify_promxy") as refusal:
        refused(promxy=promxy)
    assert "CANARY" not in str(refusal.value)
    data.address("http://localhost:8082/")


def refused(**options: Any) -> None:
    action = object.__new__(fleet_verify.ActionModule)
    ages = {f"{kind}_age": age for kind, age in data.AGES.items()}
    action.fleet({"deadline": 30, "promxy": None, **ages, **options}, {})
