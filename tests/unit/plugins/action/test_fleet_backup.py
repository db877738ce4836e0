"""fleet_backup and fleet_restore in plays, on a real API server without controllers: what goes comes back as it was."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from unit.plugins.action.test_fleet_lease import another, space

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import archive, kept
from sandbox.grafana_api import Grafana

__all__ = ["another", "space"]
KINDS = "clusterdeployments,promxyservergroups,grafanadatasources"
EVERYTHING = "kof_mothership:kof_regional:kof_child"
CANARY = "a/+CANARY0001END=b"
LOGIN = "storage-vmuser-credentials"
PASSWORD = b"open sesame"
#: What the server and controllers say of an object.
MOVES = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


def result(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The last task's result, which `-v` prints as one line of JSON."""
    found = re.findall(r"=> (\{.*\})$", run.stdout, re.MULTILINE)
    assert found, run.stdout
    return json.loads(found[-1])


def failed(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode != 0, run.stdout
    return " ".join(str(result(run)["msg"]).split())


def members(file: str | pathlib.Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


class World:
    """A fleet of two regions and a child, and the plays over it."""

    def __init__(self, control_plane: Any, play: Any, folder: pathlib.Path) -> None:
        self.plane, self._play, self.folder = control_plane, play, folder
        self.password = folder / "password"
        self.password.write_bytes(PASSWORD)
        self.vault = ("--vault-id", f"prod@{self.password}")

    def backup(self, *arguments: str, where: str = "backups", **options: Any) -> subprocess.CompletedProcess[str]:
        task = {"k0rdent.kof.fleet_backup": {"folder": str(self.folder / where), **options}}
        return self._play(EVERYTHING, task, "-v", *arguments)

    def restore(
        self, file: str | pathlib.Path, *arguments: str, step: str = "after_charts", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        task = {"k0rdent.kof.fleet_restore": {"file": str(file), "step": step, **options}}
        return self._play("kof_mothership", task, "-v", *arguments)

    def apply(self, layer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._play(f"kof_{layer}", {"k0rdent.kof.fleet_apply": {"layer": layer}}, "-v", *arguments)

    def objects(self) -> dict[str, Any]:
        """As they are, but for what moves by itself."""
        found = {}
        listed = [
            *self._items(KINDS, "-A"),
            *self._items("namespace", "kof"),
            *self._items("secret", LOGIN, "-n", "kof"),
        ]
        for each in listed:
            meta = {key: value for key, value in each["metadata"].items() if key not in MOVES}
            said = {key: value for key, value in each.items() if key != "status"}
            found[f"{each['kind']} {meta['name']}"] = {**said, "metadata": meta}
        return found

    def _items(self, *what: str) -> list[dict[str, Any]]:
        told = self.plane.kubectl("get", *what, "--ignore-not-found", "-o", "json")
        found = json.loads(told) if told.strip() else {"items": []}
        return found.get("items", [found])

    def take_away(self) -> None:
        self.plane.kubectl("delete", KINDS, "--all", "-A")
        self.plane.kubectl("delete", "secret", LOGIN, "-n", "kof", "--ignore-not-found")

    def sent(self, since: int) -> list[str]:
        """What a run of the collection's user may have changed."""
        with open(self.plane.audit, encoding="utf-8") as log:
            log.seek(since)
            entries = [json.loads(line) for line in log]
        return [
            f"{each['verb']} {each['requestURI']}"
            for each in entries
            if each["user"]["username"] == "k0rdent-kof" and each["verb"] not in ("get", "list", "watch")
            if "dryRun=All" not in each["requestURI"] and "selfsubject" not in each["requestURI"]
        ]


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    """All objects, once they have been made."""
    return []


@pytest.fixture
def world(control_plane: Any, play: Any, tmp_path: pathlib.Path, made: list[dict[str, Any]]) -> Iterator[World]:
    world = World(control_plane, play, tmp_path)
    for name in ("kcm-system",):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    for layer in ("mothership", "regional", "child"):
        run = world.apply(layer)
        assert run.returncode == 0, run.stdout
    login = {"username": "u", "password": CANARY}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": LOGIN, "namespace": "kof"},
        "stringData": login,
    }
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(secret))
    yield world
    world.take_away()


def test_what_is_taken_away_comes_back_as_it_was_and_the_next_run_has_nothing_to_do(world: World) -> None:
    world.plane.kubectl("label", "clusterdeployment", "eu1", "-n", "kcm-system", "team=red", "--field-manager=kubectl")
    before = world.objects()
    assert len(before) == 9
    run = world.backup(*world.vault)
    assert run.returncode == 0, run.stdout
    file = pathlib.Path(result(run)["file"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert result(run)["left_out"] == []
    world.take_away()
    for step in ("before_charts", "after_charts"):
        predicted = world.restore(file, *world.vault, "--check", step=step)
        assert predicted.returncode == 0, predicted.stdout
        assert len(world.objects()) == (1 if step == "before_charts" else 2)  # nothing came of it
        run = world.restore(file, *world.vault, step=step)
        assert run.returncode == 0, run.stdout
        assert result(run)["objects"] == result(predicted)["objects"]
    assert world.objects() == before
    for layer in ("mothership", "regional", "child"):
        applied = world.apply(layer, "--check", "--limit", f"kof_{layer},!eu1")
        assert result(applied)["changed"] is False, applied.stdout
    again = world.restore(file, *world.vault)
    assert (result(again)["changed"], result(again)["counts"]) == (False, {"unchanged": 7})


def test_what_became_of_each_cluster_is_kept_for_the_report_on_its_own_host(world: World) -> None:
    file = result(world.backup(*world.vault))["file"]
    world.take_away()
    for given, hosts in (
        (("--check",), {"eu1", "us1", "eu1-child1"}),
        (("--check", "--limit", "mothership"), {"mothership"}),  # no other host can be booked then
        ((), {"eu1", "us1", "eu1-child1"}),
    ):
        told = result(world.restore(file, *world.vault, *given, booked_by="play"))
        assert told["outcomes"]["changed"].keys() == hosts
        assert told["outcomes"]["booked_by"] == "play"
        assert told["changed"] is False
    assert result(world.restore(file, *world.vault, booked_by="play"))["outcomes"] == {}
    theirs = ("label", "clusterdeployment", "us1", "-n", "kcm-system", "--overwrite")
    world.plane.kubectl(*theirs, "app.kubernetes.io/part-of=other")
    world.plane.kubectl("delete", "clusterdeployment", "eu1", "-n", "kcm-system")
    given = ("-e", "kof_restore_confirm=actions")
    run = world.restore(file, *world.vault, *given, booked_by="play")
    world.plane.kubectl(*theirs, "app.kubernetes.io/part-of=actions")
    assert run.returncode == 0, run.stdout  # the report fails it, with all that was done
    outcomes = result(run)["outcomes"]
    assert outcomes["changed"].keys() == {"eu1"}
    assert "ClusterDeployment kcm-system/us1" in outcomes["failed"]["us1"]
    assert "not begun: ClusterDeployment kcm-system/eu1-child1" in outcomes["failed"]["mothership"]
    # What would be set back isn't, and that too is told at the end, behind what the steps before have written.
    world.plane.kubectl("patch", "promxyservergroup", "eu1-metrics", "-n", "kof", "--type=merge", "-p",
                        '{"spec": {"targets": ["vmauth.other.example.com:443"]}}')  # fmt: skip
    begun = world.plane.audit.stat().st_size
    run = world.restore(file, *world.vault, booked_by="play")
    assert run.returncode == 0, run.stdout
    assert "pass -e kof_restore_confirm=actions" in result(run)["outcomes"]["failed"]["mothership"]
    assert result(run)["refused"]
    assert world.sent(begun) == []


def test_the_same_fleet_is_the_same_archive_but_for_what_is_encrypted(world: World) -> None:
    plain = [result(world.backup(where=f"plain{number}"))["file"] for number in (1, 2)]
    assert pathlib.Path(plain[0]).read_bytes() == pathlib.Path(plain[1]).read_bytes()
    one, other = (members(result(world.backup(*world.vault, where=f"full{number}"))["file"]) for number in (1, 2))
    assert one.keys() == other.keys()
    differing = {name for name in one if one[name] != other[name]}
    assert differing == {"encrypted/secrets.json", archive.MANIFEST}  # which has its checksum
    vault = VaultLib([("prod", VaultSecret(PASSWORD))])
    assert vault.decrypt(one["encrypted/secrets.json"]) == vault.decrypt(other["encrypted/secrets.json"])
    assert one["encrypted/secrets.json"].startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")


@pytest.mark.parametrize("name", ["kof_fleet", "kof_kcm_namespace"])
def test_clusters_that_say_another_fleet_than_the_mothership_are_refused(world: World, name: str) -> None:
    """What is theirs would be missing in the archive, and in those that drive out the good ones."""
    hosts = world.folder / "hosts.yml"
    inventory = yaml.safe_load(hosts.read_text())
    for each in inventory["kof_regional"]["hosts"].values():
        each[name] = "another"
    hosts.write_text(yaml.safe_dump(inventory))
    assert name in failed(world.backup())
    assert not (world.folder / "backups").exists()


def test_an_inventory_of_it_is_in_it_by_which_a_run_has_nothing_to_do(world: World) -> None:
    text = members(result(world.backup())["file"])["inventory.yml"]
    found = yaml.safe_load(text)
    shared = {"kof_version": "0.1.1", "kof_fleet": "actions", "kof_namespace": "kof", "kof_kcm_namespace": "kcm-system"}
    assert found["all"]["vars"] == shared
    assert found["kof_mothership"] == {"hosts": {"mothership": None}}
    assert {name: each["regional_domain"] for name, each in found["kof_regional"]["hosts"].items()} == {
        "eu1": "eu1.example.com", "us1": "us1.example.com",
    }  # fmt: skip
    assert found["kof_child"]["hosts"]["eu1-child1"]["child_regional"] == "eu1"
    (world.folder / "hosts.yml").write_bytes(text)
    for layer in ("mothership", "regional", "child"):
        assert result(world.apply(layer))["counts"] == {
            "unchanged": {"mothership": 1, "regional": 6, "child": 1}[layer]
        }


def test_without_a_password_nothing_secret_is_read_and_that_is_said(world: World) -> None:
    begun = world.plane.audit.stat().st_size
    run = world.backup()
    with open(world.plane.audit, encoding="utf-8") as log:
        log.seek(begun)
        asked = [json.loads(line)["requestURI"] for line in log]
    assert not [each for each in asked if "/secrets/" in each]
    assert "what is secret is saved encrypted only" in result(run)["left_out"][-1]
    assert not [name for name in members(result(run)["file"]) if name.startswith("encrypted/")]


def test_no_secret_is_anywhere_in_plain(world: World) -> None:
    config = [{"op": "add", "path": "/spec/config/adminPassword", "value": CANARY}]
    world.plane.kubectl(
        "patch", "clusterdeployment", "us1", "-n", "kcm-system", "--type=json", "-p", json.dumps(config)
    )  # fmt: skip
    for where, arguments in (("plain", ()), ("full", world.vault)):
        run = world.backup(*arguments, "-vvv", "--diff", where=where)
        assert run.returncode == 0, run.stdout
        (file,) = (world.folder / where).iterdir()
        found = members(file)
        everything = b"".join(found.values()) + run.stdout.encode()
        for each in (CANARY, base64.b64encode(CANARY.encode()).decode(), "CANARY0001END"):
            assert each.encode() not in everything, each
        told = "ClusterDeployment kcm-system/us1, in which something may be secret" in run.stdout
        assert ("encrypted/objects.json" in found, told) == (bool(arguments), not arguments)
    world.take_away()
    for step in ("before_charts", "after_charts"):
        run = world.restore(file, *world.vault, "-vvv", "--diff", step=step)
        assert run.returncode == 0, run.stdout
        assert "CANARY0001END" not in run.stdout
        assert base64.b64encode(CANARY.encode()).decode() not in run.stdout
    assert world.objects()["ClusterDeployment us1"]["spec"]["config"]["adminPassword"] == CANARY


@pytest.mark.parametrize(
    ("ids", "wanted", "why"),
    [
        ((), "prod", "vault_id (backup_vault_id) isn't one that this run has: this run has no vault id"),
        (("a", "b"), None, "isn't said: the vault ids of this run are a, b"),
        (("a", "b"), "c", "isn't one that this run has: the vault ids of this run are a, b"),
    ],
)
def test_which_password_is_meant_has_to_be_clear(world: World, ids: tuple[str, ...], wanted: Any, why: str) -> None:
    given = [each for vault_id in ids for each in ("--vault-id", f"{vault_id}@{world.password}")]
    assert why in failed(world.backup(*given, **({"vault_id": wanted} if wanted else {})))
    assert not (world.folder / "backups").exists()


def test_the_one_that_is_said_encrypts(world: World) -> None:
    ids = ("--vault-id", f"a@{world.password}", "--vault-id", f"b@{world.password}")
    found = members(result(world.backup(*ids, vault_id="b"))["file"])
    assert found["encrypted/secrets.json"].startswith(b"$ANSIBLE_VAULT;1.2;AES256;b\n")


def test_as_many_are_kept_as_was_said_and_nothing_else_goes(world: World) -> None:
    first = pathlib.Path(result(world.backup(*world.vault))["file"])
    folder, whole = first.parent, first.read_bytes()
    old = [folder / f"kof-backup-actions-2026030{day}t120000z.tar.gz" for day in (1, 2, 3, 4)]
    for each in old:
        each.write_bytes(whole)
    strangers = {
        folder / "kof-backup-other-20260301t120000z.tar.gz": whole,
        folder / "kof-backup-actions-20260301t120000z.tar.gz.old": b"",
        folder / "kof-backup-actions-latest.tar.gz": whole,
        folder / "notes.txt": b"",
    }
    for each, content in strangers.items():
        each.write_bytes(content)
    damaged = folder / "kof-backup-actions-20260228t120000z.tar.gz"
    damaged.write_bytes(b"not a backup")
    link = folder / "kof-backup-actions-20260227t120000z.tar.gz"
    link.symlink_to(folder / "notes.txt")
    predicted = world.backup(*world.vault, "--check", keep="3")
    assert result(predicted)["removed"] == [str(each) for each in old[:3]]
    assert all(each.exists() for each in old)
    run = world.backup(*world.vault, keep="3")
    assert result(run)["removed"] == [str(each) for each in old[:3]]
    assert f"{damaged} stays, and doesn't count among those that are kept" in " ".join(run.stdout.split())
    left = {each.name for each in folder.iterdir()}
    written = pathlib.Path(result(run)["file"])
    assert left == {first.name, old[3].name, written.name, damaged.name, link.name, *(each.name for each in strangers)}


def test_neither_a_damaged_one_nor_that_of_another_management_cluster_counts_or_goes(world: World) -> None:
    first = pathlib.Path(result(world.backup(*world.vault))["file"])
    folder, (about, found) = first.parent, archive.unpack(first.read_bytes())
    uid = world.plane.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    assert about.management_cluster == uid.strip()
    theirs = archive.pack(about_with(about, management_cluster="0" * 8 + uid.strip()[8:]), found)
    stay = {f"kof-backup-actions-2026030{day}t120000z.tar.gz": theirs for day in (1, 3)}
    stay["kof-backup-actions-20260304t120000z.tar.gz"] = first.read_bytes()[:-100]
    for name, content in {**stay, "kof-backup-actions-20260302t120000z.tar.gz": first.read_bytes()}.items():
        (folder / name).write_bytes(content)
    run = world.backup(*world.vault, keep="2")  # the first one, and the one that it writes
    assert result(run)["removed"] == [str(folder / "kof-backup-actions-20260302t120000z.tar.gz")]
    left = {each.name for each in folder.iterdir()}
    assert left == {*stay, first.name, pathlib.Path(result(run)["file"]).name}
    assert run.stdout.count("doesn't count among those that are kept") >= 1
    assert "20260301t120000z.tar.gz stays" not in run.stdout  # which is its own cluster's concern


def test_what_a_killed_run_has_left_half_written_goes_with_the_next(world: World) -> None:
    first = pathlib.Path(result(world.backup(*world.vault))["file"])
    uid = archive.unpack(first.read_bytes())[0].management_cluster
    dead = subprocess.Popen(["true"])
    dead.wait()
    mark = kept.Kept(first.parent, "actions", uid).mark().rpartition("-")[0]
    name = ".kof-backup-actions-20260301t120000z.tar.gz"
    left = first.parent / f"{name}{mark}-{dead.pid}.unfinished"
    alive = first.parent / f"{name}{mark}-{os.getpid()}.unfinished"
    for each in (left, alive):
        each.write_bytes(b"half")
    assert result(world.backup(*world.vault, "--check"))["removed"] == [str(left)]
    assert left.exists()
    assert result(world.backup(*world.vault))["removed"] == [str(left)]
    assert not left.exists()
    assert alive.exists()


@pytest.mark.parametrize("keep", ["0", "ten", "-1", "30 d", "1m", "999999"])
def test_what_is_kept_has_to_be_a_number_or_an_age(world: World, keep: str) -> None:
    assert "keep (backup_keep) is neither a number of archives" in failed(world.backup(keep=keep))
    assert not (world.folder / "backups").exists()


def test_a_fleet_that_has_nothing_is_no_backup(world: World) -> None:
    told = failed(world.backup("-e", "kof_fleet=other"))
    assert "fleet other has nothing on this management cluster" in told
    assert not (world.folder / "backups").exists()


def test_what_is_there_and_differs_is_set_back_only_when_confirmed(world: World) -> None:
    file = result(world.backup())["file"]
    drift = [{"op": "replace", "path": "/spec/config/workersNumber", "value": 7}]
    (world.folder / "drift.json").write_text(json.dumps(drift))
    more = [{"op": "add", "path": "/spec/config/workersNumber", "value": 7}]
    world.plane.kubectl(
        "patch", "clusterdeployment", "eu1", "-n", "kcm-system", "--type=json", "-p", json.dumps(more),
        "--field-manager=kubectl-edit",
    )  # fmt: skip
    world.plane.kubectl("annotate", "promxyservergroup", "eu1-metrics", "-n", "kof", "a=b")
    world.plane.kubectl("patch", "promxyservergroup", "eu1-metrics", "-n", "kof", "--type=merge", "-p",
                        '{"spec": {"targets": ["vmauth.other.example.com:443"]}}')  # fmt: skip
    for given in ((), ("-e", "kof_restore_confirm=other")):
        begun = world.plane.audit.stat().st_size
        told = failed(world.restore(file, *given))
        assert "PromxyServerGroup kof/eu1-metrics" in told
        assert "pass -e kof_restore_confirm=actions" in told
        assert world.sent(begun) == []
    run = world.restore(file, "-e", "kof_restore_confirm=actions")
    assert run.returncode == 0, run.stdout
    group = world.objects()["PromxyServerGroup eu1-metrics"]
    assert group["spec"]["targets"] == ["vmauth.eu1.example.com:443"]


def test_what_may_not_be_restored_here_is_refused_with_nothing_changed(world: World) -> None:
    file = pathlib.Path(result(world.backup(*world.vault))["file"])
    about, found = archive.unpack(file.read_bytes())
    world.take_away()
    other = world.folder / "password2"
    other.write_text("another one")
    begun, damaged = world.plane.audit.stat().st_size, world.folder / "damaged.tar.gz"
    for content, arguments, why in (
        (file.read_bytes(), (), "this run has no vault password"),
        (file.read_bytes(), ("--vault-id", f"prod@{other}"), "none of this run's vault passwords opens"),
        (file.read_bytes()[:-20], world.vault, "its end is missing"),
        (file.read_bytes(), (*world.vault, "-e", "kof_fleet=other"), "the archive is of 'actions'"),
        (file.read_bytes(), (*world.vault, *OF_0_0), "is of line 0.0"),
        (archive.pack(about_with(about, charts={"kof-mothership": "0.1.9"}), found), world.vault, "of a newer kof"),
        (archive.pack(about_with(about, line="7.0", kof_version="7"), found), world.vault, "doesn't know"),
    ):
        damaged.write_bytes(content)
        for step in ("before_charts", "after_charts"):
            assert why in failed(world.restore(damaged, *arguments, step=step)), why
    os.mkfifo(world.folder / "pipe")
    for name, why in (("", "Is a directory"), ("none", "can't be read: No such file"), ("pipe", "is no file")):
        assert why in failed(world.restore(world.folder / name, *world.vault))
    assert world.sent(begun) == []
    assert set(world.objects()) == {"Namespace kof"}


def test_what_would_be_refused_after_the_charts_is_told_before_anything_is_written(world: World) -> None:
    file = result(world.backup(*world.vault))["file"]
    theirs = ("label", "clusterdeployment", "us1", "-n", "kcm-system", "--overwrite")
    world.take_away()
    assert world.restore(file, *world.vault).returncode == 0
    world.plane.kubectl("delete", "secret", LOGIN, "-n", "kof", "--ignore-not-found")
    world.plane.kubectl(*theirs, "app.kubernetes.io/part-of=other")
    begun = world.plane.audit.stat().st_size
    for given in ((), ("-e", "kof_restore_confirm=actions")):
        told = failed(world.restore(file, *world.vault, *given, step="before_charts"))
        assert "ClusterDeployment kcm-system/us1" in told
        assert "Nothing was changed." in told
    assert world.sent(begun) == []
    world.plane.kubectl(*theirs, "app.kubernetes.io/part-of=actions")


OF_0_0 = ("-e", "kof_version=0.0.x", "-e", "kof_chart_repository=oci://registry.example.com/kof/charts")


def about_with(about: archive.About, **more: Any) -> archive.About:
    return archive.About(**{**vars(about), **more})


@pytest.fixture
def grafana(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grafana]:
    """On this machine, with its administrator's login on the cluster."""
    monkeypatch.setenv("no_proxy", "*")
    login = {"GF_SECURITY_ADMIN_USER": "admin", "GF_SECURITY_ADMIN_PASSWORD": CANARY}
    meta = {"name": "grafana-admin-credentials", "namespace": "kof"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": login}
    world.plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(secret))
    running = Grafana("admin", CANARY)
    running.folder("team", "Team")
    running.dashboard("costs", "Costs", "team")
    running.dashboard("keys", "Keys", headers=[{"name": "Authorization", "value": CANARY}])
    yield running
    running.close()
    world.plane.kubectl("delete", "secret", "grafana-admin-credentials", "-n", "kof", "--ignore-not-found")


def test_what_is_in_grafana_alone_comes_back(world: World, grafana: Grafana) -> None:
    run = world.backup(*world.vault, grafana=grafana.address)
    assert run.returncode == 0, run.stdout
    assert {each.split()[0] for each in grafana.asked} == {"GET"}
    file = result(run)["file"]
    found = members(file)
    assert json.loads(found["grafana.json"])["folders"] == [{"uid": "team", "title": "Team", "parent": ""}]
    assert "encrypted/dashboards.json" in found
    assert CANARY.encode() not in b"".join(found.values()) + run.stdout.encode()
    plain = world.backup(where="plain", grafana=grafana.address)
    assert "dashboard keys of Grafana, in which something may be secret" in str(result(plain)["left_out"])

    before = {uid: {**each["dashboard"], "version": 1} for uid, each in grafana.dashboards.items()}
    grafana.folders.clear()
    grafana.dashboards.clear()
    step = {"step": "grafana", "grafana": grafana.address}
    predicted = world.restore(file, *world.vault, "--check", **step)
    assert grafana.dashboards == {}
    run = world.restore(file, *world.vault, **step)
    assert run.returncode == 0, run.stdout
    assert CANARY not in run.stdout
    assert result(run)["objects"] == result(predicted)["objects"]
    there = {uid: {**each["dashboard"], "version": 1} for uid, each in grafana.dashboards.items()}
    assert [{**each, "id": 0} for _uid, each in sorted(there.items())] == [
        {**each, "id": 0} for _uid, each in sorted(before.items())
    ]
    assert grafana.dashboards["costs"]["folderUid"] == "team"
    assert result(world.restore(file, *world.vault, **step))["changed"] is False
    # What is there and differs takes the fleet's name.
    grafana.dashboard("costs", "Of today", "team")
    posts = [each for each in grafana.asked if each.startswith("POST")]
    assert "pass -e kof_restore_confirm=actions" in failed(world.restore(file, *world.vault, **step))
    assert [each for each in grafana.asked if each.startswith("POST")] == posts
    confirmed = world.restore(file, *world.vault, "-e", "kof_restore_confirm=actions", **step)
    assert result(confirmed)["objects"] == [{"object": "dashboard Costs (costs)", "action": "updated"}]
    grafana.folders["team"]["title"] = "Renamed"
    told = failed(world.restore(file, *world.vault, **step))
    assert "folder Team (its title)" in told
    assert grafana.folders["team"]["title"] == "Renamed"
    confirmed = world.restore(file, *world.vault, "-e", "kof_restore_confirm=actions", **step)
    assert result(confirmed)["objects"] == [{"object": "folder Team (its title)", "action": "updated"}]
    assert grafana.folders["team"]["title"] == "Team"


def test_what_was_grafanas_own_comes_back_with_the_fleets_lease_only(
    world: World, grafana: Grafana, another: Any
) -> None:
    file = result(world.backup(*world.vault, grafana=grafana.address))["file"]
    grafana.folders.clear()
    grafana.dashboards.clear()
    step = {"step": "grafana", "grafana": grafana.address}
    told = failed(world.restore(file, *world.vault, **step))
    assert "another run is at work on fleet actions: bob on elsewhere" in told
    assert grafana.dashboards == grafana.folders == {}
    another.release()
    assert world.restore(file, *world.vault, **step).returncode == 0
    assert sorted(grafana.dashboards) == ["costs", "keys"]


def test_a_grafana_that_can_not_be_asked_ends_it_without_a_file(world: World, grafana: Grafana) -> None:
    for address, why in (
        ("http://127.0.0.1:9", "Connection refused"),
        ("http://user:x@127.0.0.1:9", "is no address of Grafana's API"),
        ("localhost:3000", "is no address of Grafana's API"),
    ):
        assert why in failed(world.backup(grafana=address))
    grafana.refuses["/api/search"] = 403
    assert "doesn't let its administrator's login read /api/search" in failed(world.backup(grafana=grafana.address))
    world.plane.kubectl("delete", "secret", "grafana-admin-credentials", "-n", "kof")
    assert "Secret kof/grafana-admin-credentials has no GF_SECURITY" in failed(world.backup(grafana=grafana.address))
    assert not (world.folder / "backups").exists()
