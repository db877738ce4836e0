"""What verify finds beside status on the management cluster, by objects that a fake source holds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from test_status import CHARTS, JUST_NOW, LONG_AGO, NOW, Source, fleet, item, named, objects, states, told

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import inside as looks
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import status, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.readiness import progressing
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
