"""The record of a run: bounded, found again, the newest kept, and nobody else's touched; on a real API server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import record
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes

RAN = {
    "fleet": "mine",
    "user": "alice",
    "host": "controller",
    "job": {"id": "12", "template": "kof site"},
    "playbook": "k0rdent.kof.site",
    "began": "2026-03-01T12:00:00Z",
    "ended": "2026-03-01T12:05:00Z",
}
NONE = Permissions()
_spaces = itertools.count()


@pytest.fixture
def space(control_plane: Any) -> Iterator[tuple[Connection, str]]:
    """A connection and a namespace of the test's own."""
    name = f"records-{next(_spaces)}"
    with connect({"kubeconfig": str(control_plane.admin)}) as connection:
        connection.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
        yield connection, name


def made(fleet: str = "mine", **outcomes: Any) -> dict[str, Any]:
    return record.of({**RAN, "fleet": fleet}, Outcomes(**(outcomes or {"changed": {"eu1": "x created"}})))


def names(connection: Connection, space: str) -> set[str]:
    items, _version = connection.list_objects(f"/api/v1/namespaces/{space}/configmaps")
    return {each["metadata"]["name"] for each in items if each["metadata"]["name"].startswith("kof-run")}


def test_a_thousand_clusters_fit_and_of_more_than_fit_there_is_the_number() -> None:
    usual = {
        f"aws-us-east-1-{n}-child1": f"ClusterDeployment kcm-system/aws-us-east-1-{n}-child1 created"
        for n in range(1000)
    }
    assert made(changed=usual)["changed"] == {"count": 1000, "clusters": usual}
    longest = {f"{n:04}{'x' * 249}": f"ClusterDeployment kcm-system/{n:04}{'x' * 249} created" for n in range(1000)}
    told = made(changed=longest, failed={"eu1": "no"}, left_out=longest)
    assert told["result"] == "failed"
    assert told["failed"] == {"count": 1, "clusters": {"eu1": "no"}}
    assert told["changed"]["count"] == told["left_out"]["count"] == 1000
    assert len(told["changed"]["clusters"]) + told["changed"]["not_named"] == 1000
    assert len(json.dumps(told, indent=1)) < 300_000


def test_what_was_kept_is_read_again_and_a_later_task_of_the_run_writes_the_same(space: Any) -> None:
    connection, where = space
    assert record.write(connection, where, "kof-run-1", made(), NONE) == ""
    later = made(changed={"eu1": "x created", "us1": "y updated"}, failed={"us1": "late"})
    assert record.write(connection, where, "kof-run-1", later, NONE) == ""
    assert record.read(connection, where, "mine") == [{"name": "kof-run-1", **later}]
    item = connection.request("GET", f"/api/v1/namespaces/{where}/configmaps/kof-run-1")
    assert item["metadata"]["labels"] == {
        "app.kubernetes.io/component": "run-record",
        "app.kubernetes.io/managed-by": "k0rdent.kof",
        "app.kubernetes.io/part-of": "mine",
    }
    short = record.in_short({"name": "kof-run-1", **later})
    assert short == {name: RAN[name] for name in ("user", "host", "playbook", "began", "ended")} | {
        "name": "kof-run-1",
        "job": "12 kof site",
        "result": "failed",
        "changed": 2,
        "failed": 1,
        "left_out": 0,
    }


def test_the_last_twenty_are_kept_and_another_fleet_s_are_never_touched(space: Any, monkeypatch: Any) -> None:
    connection, where = space
    monkeypatch.setattr(record, "KEPT", 3)
    for number in range(5):
        assert record.write(connection, where, f"kof-run-theirs{number}", made("theirs"), NONE) == ""
    assert len(names(connection, where)) == 3
    # One of our own manner, but no record.
    body = {"metadata": {"name": "kof-run-no-record", "labels": {"app.kubernetes.io/part-of": "mine"}}}
    connection.request("POST", f"/api/v1/namespaces/{where}/configmaps", body=body)
    allowed = Permissions(take_over=frozenset({"theirs"}))
    for number in range(5):
        assert record.write(connection, where, f"kof-run-mine{number}", made(), allowed) == ""
    theirs = {f"kof-run-theirs{number}" for number in (2, 3, 4)}
    assert names(connection, where) == theirs | {"kof-run-no-record"} | {f"kof-run-mine{n}" for n in (2, 3, 4)}


def test_one_that_became_another_fleet_s_since_it_was_listed_stays(space: Any, monkeypatch: Any) -> None:
    connection, where = space
    monkeypatch.setattr(record, "KEPT", 1)
    record.write(connection, where, "kof-run-1", made(), NONE)
    listed = record._listed

    def then_taken(*arguments: Any) -> Any:
        found = listed(*arguments)
        path = f"/api/v1/namespaces/{where}/configmaps/kof-run-1"
        patch = {"metadata": {"labels": {"app.kubernetes.io/part-of": "theirs"}}}
        connection.request("PATCH", path, body=patch, content_type="application/merge-patch+json")
        return found

    monkeypatch.setattr(record, "_listed", then_taken)
    why = record.write(connection, where, "kof-run-2", made(), NONE)
    assert why == f"old records stay: ConfigMap {where}/kof-run-1: is no record of fleet mine any more"
    assert names(connection, where) == {"kof-run-1", "kof-run-2"}


def test_what_somebody_wrote_there_that_is_no_record_is_no_run(space: Any) -> None:
    connection, where = space
    record.write(connection, where, "kof-run-1", made(), NONE)
    path = f"/api/v1/namespaces/{where}/configmaps"
    labels = connection.request("GET", f"{path}/kof-run-1")["metadata"]["labels"]
    ugly = [
        "{",
        "[]",
        "null",
        '{"schema": "k0rdent.kof.run/1"}',
        json.dumps(made() | {"job": "x"}),
        json.dumps(made() | {"changed": 7}),
    ]
    for number, text in enumerate(ugly):
        metadata = {"name": f"ugly{number}", "labels": labels}
        connection.request("POST", path, body={"metadata": metadata, "data": {"run.json": text}})
    connection.request("POST", path, body={"metadata": {"name": "empty", "labels": labels}})
    assert [each["name"] for each in record.read(connection, where, "mine")] == ["kof-run-1"]


def test_without_the_namespace_or_the_right_it_says_why(space: Any, control_plane: Any) -> None:
    connection, _where = space
    assert record.write(connection, "records-nowhere", "kof-run-1", made(), NONE) == record.NOWHERE
    options = {"kubeconfig": str(control_plane.admin), "impersonate_user": "nobody"}
    with connect(options) as nobody, pytest.raises(ApiError, match="forbidden"):
        record.write(nobody, "records-nowhere", "kof-run-1", made(), NONE)


def test_runs_that_end_at_once_keep_theirs_and_take_the_oldest_between_them(space: Any, monkeypatch: Any) -> None:
    connection, where = space
    monkeypatch.setattr(record, "KEPT", 3)
    for number in range(3):
        assert record.write(connection, where, f"kof-run-1-{number}", made(), NONE) == ""
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda n: record.write(connection, where, f"kof-run-2-{n}", made(), NONE), range(3)))
    assert told == [""] * 3
    # Each knows the others' as far as they were there; the next run takes what is over.
    assert {f"kof-run-2-{n}" for n in range(3)} <= names(connection, where)
    assert record.write(connection, where, "kof-run-3-0", made(), NONE) == ""
    assert len(names(connection, where)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[" * 100_000,
        "[]",
        '{"schema": "k0rdent.kof.run/1"}',
        json.dumps({**RAN, "schema": record.SCHEMA, "changed": {"count": True}, "failed": {}, "left_out": {}}),
        json.dumps(
            {**RAN, "schema": record.SCHEMA, **{key: {"count": -1} for key in ("changed", "failed", "left_out")}}
        ),
        json.dumps({**RAN, "schema": record.SCHEMA, **{key: {"count": 1} for key in ("changed", "failed")}}),
    ],
    ids=lambda text: text[:40],
)
def test_what_somebody_made_of_a_record_is_none(text: str) -> None:
    assert record._parsed(text) is None


def test_of_more_than_are_kept_the_newest_are_read_under_their_own_names(monkeypatch: Any) -> None:
    """Anybody may make ConfigMaps with these labels, and say any name in one."""
    held = [
        {
            "metadata": {"name": f"kof-run-{n:03}", "creationTimestamp": f"2026-03-01T12:{n:02}:00Z"},
            "data": {"run.json": json.dumps({**made(), "name": "another"})},
        }
        for n in range(50)
    ]
    monkeypatch.setattr(record, "_listed", lambda *_arguments: held)
    found = record.read(None, "kof", "mine")  # type: ignore[arg-type]
    assert [each["name"] for each in found] == [f"kof-run-{n:03}" for n in range(49, 29, -1)]


def test_without_a_namespace_there_is_no_record_and_nothing_is_wrong(space: Any) -> None:
    connection, _where = space
    assert record.write(connection, "nowhere", "kof-run-1", made(), NONE) == record.NOWHERE
