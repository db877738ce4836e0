"""What a backup has in it, and which files it keeps. The whole of it, on an API server: action/test_fleet_backup.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.rights import ALERTS
from unit.situations import walk

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import backup, installed, rendered
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import dashboards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Hider

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
#: What runs write and no backup lists: its one field of ours comes with the charts' layer; Secrets are read by name.
NOT_LISTED = {"VMAlertmanager", "Secret"}


@pytest.mark.parametrize("version", RELEASES)
def test_every_kind_that_runs_write_is_saved(version: str) -> None:
    release, kcm = RELEASES[version], "v1beta1"
    said = {name: value for name, value in ALERTS.items() if release.alerts}
    clusters = walk("mothership", "regional", "child", release=release, said=said).clusters
    one = dashboards.Dashboard("a", "{}", "a", "A", (), ())
    for layer in ("mothership", "regional"):
        clusters = {**clusters, layer: replace(clusters[layer], dashboards=(one,))}
    given = Given(release, kcm, regional_domain="eu1.example.com")
    known = {
        (each.api_version, each.kind, each.namespace)
        for each in backup.kinds(release, given.kcm_api, "kof", "kcm-system")
    }
    written = {
        (part.what.api_version, part.what.kind, part.what.namespace)
        for layer, cluster in clusters.items()
        for part in parts(layer, cluster, given)
        if part.manifest and isinstance(part.what, Ref) and part.what.kind not in NOT_LISTED
    }
    assert written == known


def test_a_secret_comes_back_without_what_is_the_servers() -> None:
    meta = {
        "name": "a", "namespace": "kof", "uid": "u", "resourceVersion": "7", "managedFields": [{}],
        "labels": {"app.kubernetes.io/managed-by": "Helm"}, "ownerReferences": [{"uid": "x"}], "finalizers": ["f"],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "meta.helm.sh/release-name": "kof"},
    }  # fmt: skip
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": {"a": "Yg=="}}
    assert backup.of_secret(live) == {
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="},
        "metadata": {
            "name": "a", "namespace": "kof", "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "kof"},
        },
    }  # fmt: skip
    bare = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "kof", "labels": None}}
    assert backup.of_secret(bare)["metadata"] == {"name": "a", "namespace": "kof"}


class Stub:
    """Of a fleet and its connection, what collecting without secrets asks; see `of`."""

    release = RELEASES["0.1.1"]

    def shared(self, name: str) -> Any:
        said = {"kof_fleet": "prod", "kof_namespace": "kof", "kof_kcm_namespace": "kcm-system", "kof_version": "0.1.1"}
        return {**said, "kof_drift_managers": ["kubectl*"]}[name]

    def everywhere(self, _layer: str) -> list[Any]:
        return []


def of(monkeypatch: pytest.MonkeyPatch, *live: dict[str, Any]) -> backup.Saved:
    monkeypatch.setattr(backup, "_live", lambda *_: list(live))
    monkeypatch.setattr(backup, "_charts", lambda *_, **_more: None)
    return backup.collect(None, Stub(), "v1alpha1", lambda _text: False, secrets=False)  # type: ignore[arg-type]


def deployment(name: str = "eu1", values: str = "a: 1\n", **meta: Any) -> dict[str, Any]:
    services = [{"name": "kof-storage", "template": "kof-storage-0-1-1", "namespace": "kof", "values": values}]
    labels = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "prod"}
    return {
        "apiVersion": "k0rdent.mirantis.com/v1alpha1",
        "kind": "ClusterDeployment",
        "metadata": {"name": name, "namespace": "kcm-system", "labels": labels, "uid": "u", **meta},
        "spec": {"template": "t", "config": {"region": "a", "workersNumber": 2}, "serviceSpec": {"services": services}},
    }


def test_what_a_gitops_controller_applies_is_saved_whole_though_a_person_has_edited_a_field(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = {"f:app.kubernetes.io/managed-by": {}, "f:app.kubernetes.io/part-of": {}}
    all_of_it = {"f:metadata": {"f:labels": labels}, "f:spec": {"f:template": {}, "f:config": {}, "f:serviceSpec": {}}}
    edited = {"f:spec": {"f:config": {"f:workersNumber": {}}}}
    live = deployment(
        managedFields=[
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": all_of_it},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": edited},
        ]
    )
    (kept,) = of(monkeypatch, live).objects
    assert kept["spec"] == live["spec"]
    assert kept["metadata"] == {key: live["metadata"][key] for key in ("name", "namespace", "labels")}


@pytest.mark.parametrize(
    "values",
    [
        "a: 1\n# adminPassword: CANARY\n",
        "a: 1 # was password: CANARY\n",
        "a: |\n  # token=CANARY\n  b\n",
        "secrets:\n  db: CANARY\n",
        "envSecrets: {DB: {value: CANARY}}\n",
        '"https://user:CANARY@example.com": 1\n',
    ],
)
def test_a_secret_that_no_field_is_named_for_is_in_no_plain_member(
    monkeypatch: pytest.MonkeyPatch, values: str
) -> None:
    by_url = rendered.secret_by(Hider([]))
    monkeypatch.setattr(backup, "_live", lambda *_: [deployment(values=values)])
    monkeypatch.setattr(backup, "_charts", lambda *_, **_more: None)
    found = backup.collect(None, Stub(), "v1alpha1", by_url, secrets=False)  # type: ignore[arg-type]
    plain = b"".join(backup.members(found, None).values()) + repr(found.left_out).encode()
    assert b"CANARY" not in plain
    assert "ClusterDeployment kcm-system/eu1, in which something may be secret" in found.left_out[0]


@pytest.mark.parametrize(
    "value",
    [
        "# the region's own collectors\na: 1\n",
        "a: '#ff0000'\nimagePullSecrets: [{name: a}]\nsecrets: [a, b]\n",
        "secrets: {create: false, existingSecretName: a, refreshInterval: 1}\n",
        '{"color": "#password: x", "url": "https://example.com/#token"}',
        {"https://example.com": 1, "secrets": None},
    ],
)
def test_what_only_looks_like_a_comment_or_names_secrets_is_none(value: Any) -> None:
    assert not backup.may_hold_secret(value, rendered.secret_by(Hider([])))


@pytest.mark.parametrize("secrets", [True, False])
def test_a_kof_of_another_line_than_the_inventory_says_is_no_backup(
    monkeypatch: pytest.MonkeyPatch, secrets: bool
) -> None:
    chart = installed.InstalledChart("kof-mothership", "0.0.7", "deployed", "0.0")
    monkeypatch.setattr(installed, "look", lambda *_: (chart,))
    monkeypatch.setattr(backup, "_live", lambda *_: [deployment()])
    with pytest.raises(
        FleetFault, match=r"0\.1\.1 is of line 0\.1, and Helm release kof-mothership 0\.0\.7 .* line 0\.0"
    ):
        backup.collect(None, Stub(), "v1alpha1", lambda _text: False, secrets=secrets)  # type: ignore[arg-type]


def test_what_another_tool_has_said_of_an_object_is_told_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"f:app.kubernetes.io/managed-by": {}, "f:app.kubernetes.io/part-of": {}}
    ours = {"f:metadata": {"f:labels": labels}, "f:spec": {"f:template": {}, "f:config": {"f:region": {}}}}
    theirs = {"f:metadata": {"f:finalizers": {}}, "f:spec": {"f:config": {"f:workersNumber": {}, "f:region": {}}}}
    live = deployment(
        managedFields=[
            {"manager": "k0rdent.kof", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": ours},
            {"manager": "HashiCorp", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": theirs},
            {"manager": "kcm", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {}}},
        ]
    )
    found = of(monkeypatch, live)
    assert found.objects[0]["spec"]["config"] == {"region": "a"}
    assert found.left_out[0] == "ClusterDeployment kcm-system/eu1: spec.config.workersNumber, of HashiCorp"
    assert len(found.left_out) == 2


def test_a_cluster_that_is_being_deleted_is_in_no_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of(monkeypatch, deployment("stays"), deployment("goes", deletionTimestamp="2026-03-31T12:00:00Z"))
    assert [each["metadata"]["name"] for each in found.objects] == ["stays"]
    assert "stays:" in found.inventory
    assert "goes" not in found.inventory


def names(*days: int, fleet: str = "prod") -> list[str]:
    return [backup.file_name(fleet, NOW - timedelta(days=day)) for day in days]


def beyond(there: list[str], keep: str, *damaged: str) -> list[str]:
    return backup.beyond(there, "prod", backup.keeping(keep), NOW, lambda name: name not in damaged)


@pytest.mark.parametrize(
    ("keep", "gone"),
    [("1", (40, 9, 1)), ("2", (40, 9)), ("4", ()), ("9", ()), ("30d", (40,)), ("12h", (40, 9, 1)), ("1w", (40, 9))],
)
def test_the_oldest_go_and_the_newest_stays(keep: str, gone: tuple[int, ...]) -> None:
    there = [*names(1, 40, 0, 9), *names(50, fleet="prod-eu"), *names(50, fleet="other"), "notes.txt"]
    assert beyond(there, keep) == names(*gone)


@pytest.mark.parametrize("keep", ["1", "2", "3", "1h", "30d", "8w"])
def test_what_does_not_count_neither_goes_nor_drives_out_another(keep: str) -> None:
    """The two newest can't be restored, nor can the oldest."""
    there = names(60, 50, 40, 9, 1, 0)
    gone = beyond(there, keep, *names(60, 1, 0))
    assert gone == {"1": names(50, 40), "2": names(50), "1h": names(50, 40), "30d": names(50, 40)}.get(keep, [])
    assert beyond(there, keep, *there) == []


def test_what_another_run_has_written_this_second_is_not_written_over() -> None:
    there = [*names(0), backup.file_name("prod", NOW + timedelta(seconds=1))]
    assert backup.free_time(there, "prod", NOW) == NOW + timedelta(seconds=2)
    assert backup.free_time(there, "other", NOW) == NOW


def test_the_newest_stays_however_old_it_is() -> None:
    assert beyond(names(40, 50), "1h") == names(50)


@pytest.mark.parametrize("keep", ["1", "2", "12h"])
def test_files_of_a_time_to_come_never_drive_out_the_one_just_written(keep: str) -> None:
    there = names(-400, -399, -398, 0)
    assert beyond(there, keep) == []
    assert beyond([*there, *names(40, 50)], "1") == names(50, 40)


@pytest.mark.parametrize(
    "name",
    [
        "kof-backup-prod-20260301t120000z.tar.gz.old", "kof-backup-prod-20260231t120000z.tar.gz",
        "kof-backup-prod-2026030\uff11t120000z.tar.gz", "Kof-backup-prod-20260301t120000z.tar.gz",
        "kof-backup-pro.-20260301t120000z.tar.gz", "kof-backup-prod-20260301t120000z.tar.gz\n", "",
    ],
)  # fmt: skip
def test_no_other_name_is_one_of_ours(name: str) -> None:
    assert backup.written_at(name, "prod") is None
    assert backup.written_at(name, "pro.") is None or name.startswith("kof-backup-pro.-")


@pytest.mark.parametrize("said", ["", "0", "0d", "-1", "1.5", "\uff11", "d", "30 d", "30D", "5m", "1000000", "all"])
def test_what_says_neither_number_nor_age_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match="neither a number of archives"):
        backup.keeping(said)
