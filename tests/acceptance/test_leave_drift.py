"""What isn't as the inventory says: each kind of hand named with field and age, by reads alone."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import example_fleet
import jsonschema
import pytest
from support import REPOSITORY, Run, Sandbox

pytestmark = pytest.mark.lines

FLEET = example_fleet.fleet(2, 4)
ONE, OTHER = FLEET.regionals
CHILDREN = sorted(FLEET.children)
KCM = ("-n", "kcm-system")
CANARY = "CANARY-of-a-value"


class Fleet:
    """A fleet as site.yml left it, and looks at what differs."""

    def __init__(self, sandbox: Sandbox, where: str, folder: pathlib.Path) -> None:
        self.sandbox, self.where, self.folder = sandbox, where, folder
        self.last = Run(0, "")

    def look(self, *arguments: str, fails: str = "never") -> dict[str, Any]:
        """The JSON, which is as its schema says; the run itself is `last`."""
        asked = {"kof_drift_folder": str(self.folder), "kof_drift_fails": fails}
        self.last = self.sandbox.playbook("drift", "-e", json.dumps(asked), *arguments, inventory=self.where)
        assert self.last.code in (0, 2), self.last.output
        found = json.loads((self.folder / "drift.json").read_text())
        jsonschema.validate(found, json.loads((REPOSITORY / "docs" / "drift.schema.json").read_text()))
        return found

    def failed(self) -> set[str]:
        return {host for host, counts in self.last.stats.items() if counts["failures"]}

    def site(self) -> None:
        made = self.sandbox.playbook("site", "-e", "kof_verify=false", inventory=self.where)
        assert made.code == 0, made.output

    def edit(self, kind: str, name: str, namespace: str, before: str, after: str) -> None:
        """As a person does, whose editor replaces a text."""
        subprocess.run(
            [self.sandbox.endpoints["kubectl"], "edit", kind, name, "-n", namespace],
            env={
                **os.environ,
                "KUBECONFIG": str(self.sandbox.folder / "mothership.kubeconfig"),
                "KUBE_EDITOR": f"sed -i 's|{before}|{after}|'",
            },
            check=True,
            capture_output=True,
        )


@pytest.fixture(scope="module")
def fleet(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("drift")
    made = Fleet(fleet_sandbox, fleet_sandbox.inventory(folder / "fleet", FLEET), folder / "told")
    try:
        made.site()
        yield made
    finally:
        fleet_sandbox.delete_clusters()


def named(sandbox: Sandbox, kind: str, region: str) -> str:
    """The object of a region, which is called after it."""
    (name,) = (
        each["metadata"]["name"]
        for each in sandbox.get(kind, "-n", "kof")["items"]
        if each["metadata"]["name"].startswith(region)
    )
    return name


def fields(found: dict[str, Any]) -> dict[tuple[str, str], set[tuple[str, str, str, str]]]:
    """By host and object, of each field its path, manager, whose it is and what becomes of it."""
    keys = ("path", "manager", "whose", "becomes")
    return {
        (each["host"], each["object"]): {tuple(field[key] for key in keys) for field in each["fields"]}
        for each in found["objects"]
    }


def test_of_a_fleet_that_a_run_left_nothing_is_told(fleet: Fleet) -> None:
    mark = fleet.sandbox.audit_mark()
    found = fleet.look(fails="drift")
    assert (fleet.last.code, fleet.last.total("changed"), fleet.failed()) == (0, 0, set()), fleet.last.output
    assert (found["objects"], found["extra"], found["not_looked_at"]) == ([], [], [])
    assert found["counts"]["clusters"] == {"drifted": 0, "unknown": 0, "as_wanted": 7}
    assert {each["verb"] for each in fleet.sandbox.requests_since(mark)} <= {"get", "list"}


def test_each_hand_is_named_with_field_and_age_and_a_run_puts_right_what_it_said(fleet: Fleet) -> None:
    sandbox = fleet.sandbox
    began = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    edited, labelled, taken, status = CHILDREN
    group, source, gone = (
        named(sandbox, "promxyservergroup", ONE),
        named(sandbox, "grafanadatasource", ONE),
        named(sandbox, "grafanadatasource", OTHER),
    )
    credential = sandbox.get("clusterdeployment", edited, *KCM)["spec"]["credential"]
    sandbox.kubectl("get", "credential", credential, *KCM)
    # By each kind of hand one thing.
    fleet.edit("clusterdeployment", edited, "kcm-system", "managed-by: k0rdent.kof", "managed-by: me")
    sandbox.kubectl("label", "clusterdeployment", labelled, *KCM, "app.kubernetes.io/managed-by-")
    sandbox.kubectl("label", "clusterdeployment", taken, *KCM, "app.kubernetes.io/part-of=us", "--overwrite")
    by_status = json.dumps({"status": {"observedGeneration": 1}})
    sandbox.kubectl(
        "patch", "clusterdeployment", status, *KCM, "--subresource=status", "--type=merge", "-p", by_status
    )  # fmt: skip
    live = sandbox.get("promxyservergroup", group, "-n", "kof")
    applied = {
        **{key: live[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": group, "namespace": "kof", "labels": {"my-own": "label"}},
        "spec": {"scheme": "http"},
    }
    by_apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    sandbox.kubectl(*by_apply, stdin=json.dumps(applied))
    by_controller = json.dumps({"spec": {"resyncPeriod": "7m"}})
    sandbox.kubectl(
        "patch", "grafanadatasource", source, "-n", "kof", "--type=merge", "-p", by_controller,
        "--field-manager=argocd-controller",
    )  # fmt: skip
    sandbox.kubectl("delete", "grafanadatasource", gone, "-n", "kof", "--wait=true")
    (release,) = (
        each for each in json.loads(sandbox.helm("list", "-n", "kof", "-o", "json")) if "mothership" in each["name"]
    )
    name, _dash, version = release["chart"].rpartition("-")
    charts = sandbox.endpoints["chart_repository"]
    where = (f"{charts}/{name}", "--plain-http") if charts.startswith("oci:") else (name, "--repo", charts)
    change = ("--reuse-values", "--set", f"mine.password={CANARY}")
    sandbox.helm("upgrade", release["name"], *where, "--version", version, "-n", "kof", *change, "--wait")

    mark = sandbox.audit_mark()
    found = fleet.look()
    assert {each["verb"] for each in sandbox.requests_since(mark)} <= {"get", "list"}
    assert (fleet.last.code, fleet.last.total("changed")) == (0, 0), fleet.last.output
    deployment = "ClusterDeployment kcm-system/"
    assert fields(found) == {
        (edited, f"{deployment}{edited}"): {
            ("metadata.labels[app.kubernetes.io/managed-by]", "kubectl-edit", "person", "taken_back")
        },
        (labelled, f"{deployment}{labelled}"): {
            ("metadata.labels[app.kubernetes.io/managed-by]", "", "unknown", "written")
        },
        (taken, f"{deployment}{taken}"): {
            ("metadata.labels[app.kubernetes.io/part-of]", "kubectl-label", "person", "refused")
        },
        # Of who applies a manifest all of it is taken back.
        (ONE, f"PromxyServerGroup kof/{group}"): {
            ("spec.scheme", "kubectl", "person", "taken_back"),
            ("metadata.labels.my-own", "kubectl", "person", "taken_back"),
        },
        (ONE, f"GrafanaDatasource kof/{source}"): {("spec.resyncPeriod", "argocd-controller", "controller", "left")},
        (OTHER, f"GrafanaDatasource kof/{gone}"): set(),
        ("mothership", f"Helm release {release['name']}"): {("mine.password", "helm", "unknown", "written")},
    }
    actions = {each["object"].partition("/")[2] or each["object"]: each["action"] for each in found["objects"]}
    assert actions == {
        edited: "updated", labelled: "updated", taken: "refused", group: "updated", source: "refused", gone: "created",
        f"Helm release {release['name']}": "upgraded",
    }  # fmt: skip
    assert "belongs to fleet us" in next(each["why"] for each in found["objects"] if each["host"] == taken)
    for each in found["objects"]:
        for field in each["fields"]:
            assert bool(field["since"]) == bool(field["manager"])
            if field["since"]:
                age = datetime.datetime.fromisoformat(field["since"]) - began
                assert datetime.timedelta(seconds=-1) <= age < datetime.timedelta(minutes=10), field
            assert f"{field['path']}: {field['manager'] or 'nobody'}" in fleet.last.output
    assert {each["host"]: each["state"] for each in found["clusters"]} == {
        **dict.fromkeys(("mothership", ONE, OTHER, edited, labelled, taken), "drifted"),
        status: "as_wanted",
    }
    for told in (json.dumps(found), fleet.last.output):
        assert CANARY not in told
    # By choice it fails hosts, for all of it or for what no run puts right.
    fleet.look(fails="drift")
    assert (fleet.last.code, fleet.failed()) == (2, {"mothership", ONE, OTHER, edited, labelled, taken})
    fleet.look("--limit", f"{ONE},{edited},{taken}", fails="refused")
    assert (fleet.last.code, fleet.failed()) == (2, {ONE, taken})

    # What is refused somebody has to undo; then a run puts right all that it said.
    sandbox.kubectl("label", "clusterdeployment", taken, *KCM, "app.kubernetes.io/part-of=sandbox", "--overwrite")
    sandbox.kubectl("delete", "grafanadatasource", source, "-n", "kof", "--wait=true")
    again = fleet.look(fails="refused")
    assert (fleet.last.code, fleet.failed()) == (0, set()), fleet.last.output
    assert fields(again)[taken, f"{deployment}{taken}"] == {
        ("metadata.labels[app.kubernetes.io/part-of]", "kubectl-label", "person", "taken_back")
    }
    fleet.site()
    found = fleet.look(fails="drift")
    assert (fleet.last.code, found["objects"]) == (0, []), fleet.last.output


def test_who_only_reads_is_told_what_he_may_not_see(fleet: Fleet) -> None:
    """With docs/rbac/reader.yaml, as it is shipped: no right to write, none to Secrets."""
    manifest = (REPOSITORY / "docs" / "rbac" / "reader.yaml").read_text()
    fleet.sandbox.kubectl("apply", "-f", "-", stdin=manifest)
    reader = {
        "kof_impersonate_user": "reader",
        "kof_impersonate_groups": ["k0rdent-kof-reader"],
        "kof_kubeconfig": str(fleet.sandbox.folder / "mothership.kubeconfig"),
    }
    fleet.sandbox.kubectl(
        "label", "clusterdeployment", CHILDREN[0], *KCM, "app.kubernetes.io/managed-by=me", "--overwrite"
    )
    try:
        found = fleet.look("-e", json.dumps(reader), fails="drift")
    finally:
        fleet.sandbox.kubectl("delete", "-f", "-", stdin=manifest)
        fleet.site()
    assert fleet.failed() == {CHILDREN[0]}
    states = {each["host"]: each["state"] for each in found["clusters"]}
    assert (states.pop("mothership"), states.pop(CHILDREN[0])) == ("unknown", "drifted")
    assert set(states.values()) == {"as_wanted"}
    assert [each["hosts"] for each in found["not_looked_at"]] == [["mothership"]]


def test_what_left_the_inventory_is_counted_and_a_part_of_it_says_nothing_of_the_rest(fleet: Fleet) -> None:
    kept = {host: each for host, each in FLEET.children.items() if host != CHILDREN[0]}
    smaller = dataclasses.replace(FLEET, children=kept)
    where = fleet.sandbox.inventory(fleet.folder.parent / "smaller", smaller)
    told = {"kof_drift_folder": str(fleet.folder), "kof_drift_fails": "drift"}
    run = fleet.sandbox.playbook("drift", "-e", json.dumps(told), inventory=where)
    assert run.code == 0, run.output
    found = json.loads((fleet.folder / "drift.json").read_text())
    assert found["extra"] == [{"kind": "ClusterDeployment", "count": 1}]
    assert fleet.look("--limit", ONE)["extra"] is None


def test_what_it_is_told_wrongly_is_refused_before_anything_is_asked(fleet: Fleet) -> None:
    mark = fleet.sandbox.audit_mark()
    for said, told in (
        ({"kof_drift_fails": "sometimes"}, "must be one of: never, refused, drift"),
        ({"kof_drift_folder": "a\nb"}, "kof_drift_folder"),
        ({"kof_drift_folder": "/dev/null"}, "kof_drift_folder"),
    ):
        run = fleet.sandbox.playbook("drift", "-e", json.dumps(said), inventory=fleet.where)
        assert run.code == 2, run.output
        assert told in run.output, run.output
    assert fleet.sandbox.requests_since(mark) == []
