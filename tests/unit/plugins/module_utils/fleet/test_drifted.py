"""What of a fleet isn't as the inventory says: each field with whose hand it is by, and what a run would make of it."""

from __future__ import annotations

import copy
import json
import pathlib
import random
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from unit.plugins.module_utils.fleet.test_status import (
    CHARTS,
    LONG_AGO,
    NOW,
    OF_OTHER_TYPES,
    Source,
    as_applied,
    fleet,
    named,
    places,
)

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import drifted
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.drift import FIELDS_IN_FULL
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import Revision
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import helm_releases
from ansible_collections.k0rdent.kof.plugins.module_utils.report import drift as report

SCHEMA = json.loads((pathlib.Path(__file__).parents[5] / "docs" / "drift.schema.json").read_text())
SINCE = "2026-02-27T12:00:00Z"  # two days before
PART_OF = "metadata.labels[app.kubernetes.io/part-of]"


def look(
    held: list[dict[str, Any]], *, charts: Any = CHARTS, whole: bool = True, asked: Any = None, **more: Any
) -> dict[str, Any]:
    source = Source(held, **more)
    found = drifted.look(
        source,  # type: ignore[arg-type]
        asked or fleet(),
        charts,
        now=NOW,
        domain_of=lambda _host: None,
        whole=whole,
    )
    jsonschema.validate({**found, "management_cluster": "https://fake:6443"}, SCHEMA)
    assert len(source.asked) == len(set(source.asked))
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {each["host"]: each["state"] for each in found["clusters"]}


def fields(found: dict[str, Any], name: str) -> dict[str, tuple[str, str, str, str]]:
    """Of the object of this name, by path: manager, whose, since and what becomes of it."""
    (one,) = (each for each in found["objects"] if each["object"].endswith(name))
    keys = ("manager", "whose", "since", "becomes")
    return {each["path"]: tuple(each[key] for key in keys) for each in one["fields"]}  # type: ignore[misc]


def taken(
    live: dict[str, Any], value: Any, *path: str, manager: str, operation: str = "Update", time: str = SINCE
) -> None:
    """As the API server leaves an object of which somebody has set a field with force: theirs, and no more ours."""
    (ours,) = (each for each in live["metadata"]["managedFields"] if each["manager"] == "k0rdent.kof")
    place, owned = live, ours["fieldsV1"]
    for key in path[:-1]:
        place, owned = place[key], owned[f"f:{key}"]
    place[path[-1]] = value
    owned.pop(f"f:{path[-1]}", None)
    theirs: dict[str, Any] = {}
    for key in reversed(path):
        theirs = {f"f:{key}": theirs}
    entry = {"manager": manager, "operation": operation, "apiVersion": live["apiVersion"], "fieldsType": "FieldsV1"}
    live["metadata"]["managedFields"].append({**entry, "time": time, "fieldsV1": theirs})


def child(held: list[dict[str, Any]]) -> dict[str, Any]:
    return named(held, "ClusterDeployment", "eu1-a")


def test_of_a_fleet_that_is_as_a_run_left_it_nothing_is_told() -> None:
    found = look(as_applied())
    assert found["objects"] == []
    assert set(states(found).values()) == {"as_wanted"}
    assert (found["extra"], found["not_looked_at"]) == ([], [])
    assert report.text(found) == "0 of 3 clusters differ from the inventory"
    assert all(report.failures(found, fails) == {} for fails in report.FAILS)


@pytest.mark.parametrize(
    ("manager", "operation", "whose", "becomes"),
    [
        ("kubectl-edit", "Update", "person", "taken_back"),
        ("kubectl", "Apply", "person", "taken_back"),
        ("before-first-apply", "Update", "person", "taken_back"),
        ("helm", "Update", "controller", "left"),
        ("argocd-controller", "Apply", "controller", "left"),
    ],
)
def test_each_hand_is_named_with_field_and_time(manager: str, operation: str, whose: str, becomes: str) -> None:
    held = as_applied()
    taken(child(held), "another", "spec", "credential", manager=manager, operation=operation)
    found = look(held)
    assert fields(found, "kcm-system/eu1-a") == {"spec.credential": (manager, whose, SINCE, becomes)}
    (one,) = found["objects"]
    assert one["action"] == ("updated" if becomes == "taken_back" else "refused")
    assert states(found) == {"mothership": "as_wanted", "eu1": "as_wanted", "eu1-a": "drifted"}
    assert found["counts"]["fields"] == {**dict.fromkeys(report.WHOSE, 0), whose: 1}
    text = report.text(found)
    assert f"        spec.credential: {manager} (a {whose}), since {SINCE} (2 d ago); a run " in text
    assert set(report.failures(found, "drift")) == {"eu1-a"}
    assert set(report.failures(found, "refused")) == ({"eu1-a"} if becomes == "left" else set())
    assert report.failures(found, "never") == {}


def test_of_several_hands_each_has_its_fields_and_of_two_who_share_one_the_last() -> None:
    held = as_applied()
    taken(child(held), "another", "spec", "credential", manager="kubectl-edit")
    taken(child(held), 7, "spec", "serviceSpec", "priority", manager="kubectl-patch", time="2026-02-28T12:00:00Z")
    others = child(held)["metadata"]["managedFields"]
    others.insert(0, {**others[-1], "manager": "k9s", "time": "2026-02-20T12:00:00Z"})
    seen = fields(look(held), "kcm-system/eu1-a")
    assert {path: each[0] for path, each in seen.items()} == {
        "spec.credential": "kubectl-edit",
        "spec.serviceSpec.priority": "kubectl-patch",
    }


def test_what_a_hand_has_added_below_ours_is_told_and_what_is_its_own_isn_t() -> None:
    held = as_applied()
    taken(child(held), {"added": 1}, "spec", "config", "mine", manager="kubectl-edit")
    child(held)["metadata"]["labels"]["mine"] = "yes"
    child(held)["metadata"]["managedFields"][-1]["fieldsV1"]["f:metadata"] = {"f:labels": {".": {}, "f:mine": {}}}
    assert list(fields(look(held), "kcm-system/eu1-a")) == ["spec.config.mine.added"]


def test_who_takes_a_label_away_leaves_no_trace() -> None:
    held = as_applied()
    labels = child(held)["metadata"]["labels"]
    del labels["app.kubernetes.io/managed-by"]
    entry = child(held)["metadata"]["managedFields"][0]["fieldsV1"]
    del entry["f:metadata"]["f:labels"]["f:app.kubernetes.io/managed-by"]
    # Somebody who once made the map of labels has none of them.
    other = {"manager": "kubectl-label", "operation": "Update", "apiVersion": child(held)["apiVersion"], "time": SINCE}
    labelled = {"f:metadata": {"f:labels": {".": {}}}}
    child(held)["metadata"]["managedFields"].append({**other, "fieldsType": "FieldsV1", "fieldsV1": labelled})
    found = look(held)
    path = "metadata.labels[app.kubernetes.io/managed-by]"
    assert fields(found, "kcm-system/eu1-a") == {path: ("", "unknown", "", "written")}
    assert f"{path}: nobody is known to have it; a run writes it" in report.text(found)


def test_a_status_is_nobody_s_drift() -> None:
    held = as_applied()
    live = child(held)
    live["status"]["conditions"][0]["message"] = "by hand"
    entry = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": live["apiVersion"], "time": SINCE}
    live["metadata"]["managedFields"].append(
        {**entry, "subresource": "status", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:conditions": {}}}}
    )
    assert look(held)["objects"] == []


def test_another_value_of_the_inventory_is_by_an_earlier_run() -> None:
    held = as_applied()
    child(held)["spec"]["credential"] = "as-the-inventory-was"
    found = look(held)
    assert fields(found, "kcm-system/eu1-a") == {"spec.credential": ("k0rdent.kof", "ours", LONG_AGO, "written")}
    assert "(an earlier run: the inventory has changed)" in report.text(found)


def test_an_equal_value_in_a_hand_is_taken_back_too() -> None:
    """Else it would stay when the inventory wants it no more."""
    held = as_applied()
    live = child(held)
    shared = {**live["metadata"]["managedFields"][0], "manager": "kubectl", "time": SINCE}
    live["metadata"]["managedFields"].append({**shared, "fieldsV1": {"f:spec": {"f:credential": {}}}})
    found = look(held)
    assert [each["action"] for each in found["objects"]] == ["adopted"]
    assert fields(found, "kcm-system/eu1-a") == {"spec.credential": ("kubectl", "person", SINCE, "taken_back")}


def test_a_takeover_names_its_label_and_all_that_a_run_then_leaves() -> None:
    held = as_applied()
    taken(
        named(held, "ClusterDeployment", "eu1"),
        "theirs",
        "metadata", "labels", "app.kubernetes.io/part-of",
        manager="k0rdent.kof.old",
    )  # fmt: skip
    taken(named(held, "GrafanaDatasource", "eu1-logs"), "Elsewhere", "spec", "datasource", "name", manager="kubectl")
    found = look(held)
    assert fields(found, "kcm-system/eu1") == {PART_OF: ("k0rdent.kof.old", "controller", SINCE, "left")}
    assert fields(found, "kof/eu1-logs") == {"spec.datasource.name": ("kubectl", "person", SINCE, "refused")}
    refused, rest = found["objects"]
    assert refused["why"].startswith("belongs to fleet theirs")
    assert (rest["action"], rest["why"][:36]) == ("refused", "a run leaves it as it is, since it r")
    assert set(report.failures(found, "refused")) == {"eu1"}


def test_what_was_deleted_is_told_and_what_is_being_deleted() -> None:
    held = [each for each in as_applied() if each["kind"] != "PromxyServerGroup"]
    going = named(held, "GrafanaDatasource", "eu1-logs")["metadata"]
    going |= {"deletionTimestamp": SINCE, "finalizers": ["operator.grafana.com/finalizer"]}
    found = look(held)
    told = {each["kind"]: each for each in found["objects"]}
    assert (told["PromxyServerGroup"]["action"], told["PromxyServerGroup"]["fields"]) == ("created", [])
    assert told["GrafanaDatasource"]["action"] == "refused"
    assert SINCE in told["GrafanaDatasource"]["why"]


def test_a_chart_is_told_with_paths_and_no_value() -> None:
    (_operators, mothership) = helm_releases(fleet())
    for change, why, paths in (
        ({"values": {**mothership["values"], "mine": {"password": "CANARY", "n": None}}}, "its values differ",
         ["mine.password", "mine.n"]),
        ({"values": mothership["values"], "status": "failed"}, "it is failed", ["status"]),
        ({"values": mothership["values"], "version": "0.1.0"}, "to 0.1.1", ["version"]),
    ):  # fmt: skip
        last = replace(Revision("0.1.1", "deployed", SINCE, {}), **change)  # type: ignore[arg-type]
        found = look(as_applied(), charts=[CHARTS[0], replace(CHARTS[1], version=last.version, last=last)])
        assert [each["why"] for each in found["objects"]] == [why]
        assert fields(found, "kof-mothership") == dict.fromkeys(paths, ("helm", "unknown", SINCE, "written"))
        assert "CANARY" not in f"{found}{report.text(found)}"


def test_what_isn_t_there_at_all_would_be_made() -> None:
    found = look([], charts=())
    assert {(each["host"], each["kind"]) for each in found["objects"]} >= {
        ("mothership", "Namespace"),
        ("mothership", "Helm release"),
        ("eu1", "ClusterDeployment"),
    }
    assert {each["action"] for each in found["objects"]} == {"created"}
    assert set(states(found).values()) == {"drifted"} or states(found)["eu1-a"] == "unknown"


def test_who_may_not_read_something_is_told_which_clusters_aren_t_known() -> None:
    found = look(as_applied(), forbidden=("GrafanaDatasource", "Namespace"), charts="their Secrets may not be listed")
    assert states(found) == {"mothership": "unknown", "eu1": "unknown", "eu1-a": "as_wanted"}
    assert {each["what"].partition(":")[0]: each["hosts"] for each in found["not_looked_at"]} == {
        "Helm releases of kof's charts": ["mothership"],
        "Namespace kof": ["mothership"],
        "GrafanaDatasource": ["eu1"],
    }
    assert "2 not looked at in full" in report.summary(found)
    assert report.failures(found, "drift") == {}


def test_what_is_not_served_is_not_known() -> None:
    found = look(as_applied(), unserved=("PromxyServerGroup",))
    assert states(found)["eu1"] == "unknown"
    assert [each["hosts"] for each in found["not_looked_at"]] == [["eu1"]]


def test_what_is_of_no_host_is_counted_where_the_inventory_is_whole() -> None:
    held = as_applied()
    for fleet_of, name in (("prod", "left"), ("prod", "left-too"), ("theirs", "other"), ("prod", "going")):
        other = copy.deepcopy(child(held))
        other["metadata"] |= {"name": name, "labels": {**other["metadata"]["labels"]}}
        other["metadata"]["labels"]["app.kubernetes.io/part-of"] = fleet_of
        held.append(other)
    held[-1]["metadata"]["deletionTimestamp"] = SINCE
    found = look(held)
    assert found["extra"] == [{"kind": "ClusterDeployment", "count": 2}]
    assert "2 ClusterDeployment of fleet prod, of no host of this inventory" in report.text(found)
    assert look(held, whole=False)["extra"] is None
    assert report.failures(found, "drift") == {}


@pytest.mark.parametrize("why", ["its regional isn't known", "it can't be read"])
def test_what_is_of_a_host_is_not_counted_though_nobody_can_say_how_it_is_wanted(why: str) -> None:
    held, asked = as_applied(), fleet()
    if why == "it can't be read":
        child(held)["spec"] = "x"
    else:
        held = [each for each in held if each["metadata"]["name"] not in ("eu1", "eu1-metrics")]
        asked = replace(asked, batch={**asked.batch, "regional": []}, clusters={**asked.clusters})
        del asked.clusters["eu1"]  # type: ignore[attr-defined]
    found = look(held, asked=asked)
    assert states(found)["eu1-a"] == "unknown"
    assert found["extra"] == []


def test_of_a_namespace_that_is_being_deleted_nothing_is_said_to_be_made() -> None:
    held = as_applied()
    named(held, "Namespace", "kof")["metadata"] |= {"deletionTimestamp": SINCE, "finalizers": ["kubernetes"]}
    found = look(held)
    assert [(each["kind"], each["action"]) for each in found["objects"]] == [("Namespace", "refused")]
    assert states(found) == {"mothership": "drifted", "eu1": "unknown", "eu1-a": "as_wanted"}
    assert found["not_looked_at"] == [{"what": "Namespace kof: it is being deleted", "hosts": ["eu1"]}]


def test_a_host_is_told_once_with_all_that_is_its() -> None:
    held = as_applied()
    part_of = ("metadata", "labels", "app.kubernetes.io/part-of")
    taken(named(held, "ClusterDeployment", "eu1"), "theirs", *part_of, manager="k0rdent.kof.old")
    taken(named(held, "GrafanaDatasource", "eu1-logs"), "Elsewhere", "spec", "datasource", "name", manager="kubectl")
    taken(child(held), "another", "spec", "credential", manager="kubectl-edit")
    lines = report.text(look(held)).splitlines()
    assert [each for each in lines if each in ("eu1", "eu1-a")] == ["eu1", "eu1-a"]


def test_a_huge_difference_is_counted_beyond_what_is_named() -> None:
    held = as_applied()
    many = {f"k{number}": number for number in range(FIELDS_IN_FULL + 5)}
    taken(child(held), many, "spec", "config", "mine", manager="kubectl-edit")
    found = look(held)
    (one,) = found["objects"]
    assert (len(one["fields"]), one["more_fields"]) == (FIELDS_IN_FULL, 5)
    assert found["counts"]["fields"]["person"] == FIELDS_IN_FULL + 5
    assert f"and {FIELDS_IN_FULL - 10 + 5} more fields" in report.text(found)


def test_a_text_breaks_no_line_and_a_time_that_is_none_no_table() -> None:
    found = look(as_applied())
    field = {"path": "a\nb\x85c", "manager": "m", "whose": "person", "since": "when?", "becomes": "taken_back"}
    about = {"host": "eu1", "kind": "K", "object": "K x", "action": "updated", "why": "", "more_fields": 0}
    found["objects"] = [{**about, "fields": [field, {**field, "since": "2026-03-01T13:00:00+00:00"}]}]
    text = report.text(found)
    assert len(text.splitlines()) == 5
    assert "since when?; a run" in text
    assert "2026-03-01T13:00:00+00:00; a run" in text


def test_no_form_that_an_object_has_ends_a_look_or_makes_its_cluster_as_wanted() -> None:
    """Each part of each object that a run writes once of another type, one at a time; its cluster differs, or isn't
    known: for whatever a person may put there, nobody is told that all is well."""
    chance = random.Random(18)
    held = as_applied()
    whose = {"eu1": "eu1", "eu1-a": "eu1-a", "eu1-metrics": "eu1", "eu1-logs": "eu1", "kof": "mothership"}
    for number, each in enumerate(held):
        for path in places(each) if each["metadata"].get("managedFields") else ():
            changed = copy.deepcopy(held)
            value: Any = changed[number]
            for key in path[:-1]:
                value = value[key]
            before, value[path[-1]] = value[path[-1]], copy.deepcopy(chance.choice(OF_OTHER_TYPES))
            found = look(changed)
            assert report.text(found)
            # Which template a cluster has no inventory of these says.
            if path[0] != "status" and path != ("spec", "template") and value[path[-1]] != before:
                assert states(found)[whose[each["metadata"]["name"]]] != "as_wanted", (path, value[path[-1]])
