"""backup.yml and restore.yml on a fleet that lives: all is taken away, and all comes back, logins too.

The tests build on each other, in file order.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pathlib
import signal
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import example_fleet
import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from support import Run, Sandbox, finish, secrets_of

PASSWORD = b"open sesame"
#: Of kof, of what it stands on, and of its clusters.
KINDS = (
    "clusterdeployments.k0rdent.mirantis.com",
    "promxyservergroups.kof.k0rdent.mirantis.com",
    "grafanadatasources.grafana.integreatly.org",
    "grafanadashboards.grafana.integreatly.org",
    "vmrules.operator.victoriametrics.com",
)
OURS = ("-A", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")
RULES = [{"name": "of-tests", "rules": [{"alert": "Always", "expr": "vector(1)", "labels": {"severity": "none"}}]}]
DASHBOARD = {"uid": "of-tests", "title": "Of tests", "panels": []}
SHAPE = example_fleet.fleet(2, 4)


class Fleet:
    """A fleet on a sandbox, its backups, and who may open them."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        boards = folder / "dashboards"
        boards.mkdir()
        (boards / "of-tests.json").write_text(json.dumps(DASHBOARD))
        said = {"mothership_alert_rules": RULES, "mothership_dashboards": str(boards)}
        shape = example_fleet.Fleet(
            SHAPE.shared, {**SHAPE.mothership, **said}, SHAPE.regionals, SHAPE.children, SHAPE.usual
        )
        self.inventory = sandbox.inventory(folder / "fleet", shape)
        (folder / "password").write_bytes(PASSWORD)
        self.vault = ("--vault-id", f"prod@{folder / 'password'}")

    def run(self, playbook: str, *arguments: str) -> Run:
        return self.sandbox.playbook(playbook, *self.vault, *arguments, inventory=self.inventory)

    def backup(self, where: str, *arguments: str) -> pathlib.Path:
        run = self.run("backup", "-e", f"backup_folder={self.folder / where}", *arguments)
        assert run.code == 0, run.output
        (file,) = (self.folder / where).iterdir()
        return file

    def restore(self, file: pathlib.Path, *arguments: str) -> Run:
        return self.run("restore", "-e", f"restore_file={file}", *arguments)

    def take_away(self) -> None:
        """All but what is at AWS."""
        self.sandbox.delete_clusters()
        for release in ("kof-mothership", "kof-operators"):
            self.sandbox.helm("uninstall", "-n", "kof", release, "--timeout", "60s")
        self.sandbox.kubectl("delete", "namespace", "kof", "--timeout=120s")

    def objects(self) -> dict[str, Any]:
        """By kind and name, what somebody wants: spec, labels and annotations of ours, and what is in Secrets."""
        found = {}
        for kind in KINDS:
            for each in self.sandbox.get(kind, *OURS)["items"]:
                meta = each["metadata"]
                annotations = {
                    key: value for key, value in (meta.get("annotations") or {}).items() if "k0rdent.kof/" in key
                }
                found[f"{kind} {meta['name']}"] = (each["spec"], meta["labels"], annotations)
        for name in ("storage-vmuser-credentials", "grafana-admin-credentials", "external-dns-aws-credentials"):
            found[f"secret {name}"] = self.sandbox.get("secret", "-n", "kof", name)["data"]
        labels = self.sandbox.get("namespace", "kof")["metadata"]["labels"]
        found["namespace kof"] = labels
        return found


@pytest.fixture(scope="module")
def fleet(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """It is there, and ready."""
    fleet = Fleet(own_sandbox, tmp_path_factory.mktemp("backup"))
    run = fleet.run("site", "-e", "kof_verify=false")
    assert run.code == 0, run.output
    yield fleet
    own_sandbox.delete_clusters()
    own_sandbox.take_kof_away()


@pytest.fixture(scope="module")
def live(fleet: Fleet) -> dict[str, Any]:
    return fleet.objects()


@pytest.fixture(scope="module")
def saved(fleet: Fleet, live: dict[str, Any]) -> pathlib.Path:
    """The backup that all is restored from."""
    return fleet.backup("first")


def members(file: pathlib.Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def test_a_backup_changes_nothing_and_two_are_equal(fleet: Fleet, saved: pathlib.Path) -> None:
    mark = fleet.sandbox.audit_mark()
    again = fleet.backup("second")
    assert fleet.sandbox.mutations_since(mark) == []
    assert saved.stat().st_mode & 0o777 == 0o600
    one, other = members(saved), members(again)
    assert one.keys() == other.keys()
    assert {"encrypted/secrets.json", "encrypted/values.json", "inventory.yml", "objects/VMRule.json"} <= one.keys()
    vault = VaultLib([("prod", VaultSecret(PASSWORD))])
    for name in one.keys() - {"manifest.json"}:
        if name.startswith("encrypted/"):
            assert vault.decrypt(one[name]) == vault.decrypt(other[name]), name
        else:
            assert one[name] == other[name], name
    checksums = [json.loads(each["manifest.json"]) for each in (one, other)]
    for each in checksums:
        each.pop("checksum")  # of all that the manifest says, the sums of encrypted members among it
        each["members"] = {name: sum_ for name, sum_ in each["members"].items() if not name.startswith("encrypted/")}
    assert checksums[0] == checksums[1]


def test_no_secret_stands_in_it_in_plain(fleet: Fleet, saved: pathlib.Path) -> None:
    secrets = secrets_of(fleet.sandbox)
    assert len(secrets) > 5
    everything = b"".join(members(saved).values())
    found = [each for each in secrets if each.encode() in everything]
    coded = [each for each in secrets if base64.b64encode(each.encode()) in everything]
    assert (found, coded) == ([], [])


def test_what_is_there_as_it_was_needs_no_name_and_stays(
    fleet: Fleet, live: dict[str, Any], saved: pathlib.Path
) -> None:
    run = fleet.restore(saved, "-e", "kof_wait=false")
    assert run.code == 0, run.output
    assert fleet.objects() == live


def test_damaged_ones_are_refused_with_nothing_changed(fleet: Fleet, saved: pathlib.Path) -> None:
    content, mark = saved.read_bytes(), fleet.sandbox.audit_mark()
    for number, (damaged, why) in enumerate(
        ((content[:-9], "its end is missing"), (b"", "no gzip file"), (content + b"x", "behind its end"))
    ):
        file = fleet.folder / f"damaged{number}"
        file.write_bytes(damaged)
        run = fleet.restore(file)
        assert run.code != 0
        assert why in " ".join(run.output.split())
    run = fleet.restore(saved, "-e", "kof_fleet=other")
    assert run.code != 0
    assert fleet.sandbox.mutations_since(mark) == []


def test_all_comes_back_on_an_empty_mothership(fleet: Fleet, live: dict[str, Any], saved: pathlib.Path) -> None:
    fleet.take_away()
    mark = fleet.sandbox.audit_mark()
    predicted = fleet.restore(saved, "--check", "--diff")
    assert predicted.code == 0, predicted.output
    assert fleet.sandbox.mutations_since(mark) == []
    run = fleet.restore(saved, "--diff")
    assert run.code == 0, run.output
    assert fleet.objects() == live
    assert changed(predicted) == changed(run)
    assert told_at_the_end(predicted, "Would change") == told_at_the_end(run, "Changed")
    for name in (*SHAPE.regionals, *SHAPE.children):
        assert f"ClusterDeployment kcm-system/{name} created" in run.output, "its diff"
    assert told_at_the_end(run, "Changed") == {example_fleet.MOTHERSHIP, *SHAPE.regionals, *SHAPE.children}
    for each in secrets_of(fleet.sandbox):
        assert each not in predicted.output + run.output
    # Of the cluster as it is nothing else is left to do.
    again = fleet.run("site", "-e", "kof_verify=false")
    assert again.code == 0, again.output
    assert fleet.objects() == live


def changed(run: Run) -> set[tuple[str, str]]:
    """What it says of objects, whichever task: the charts' layer makes what the inventory says of the mothership."""
    return {
        (each["object"], each["action"])
        for event in run.events
        if event["event"] == "ok" and not str(event.get("action")).endswith("fleet_outcome")
        for each in event["result"].get("objects", ())
    }


def told_at_the_end(run: Run, word: str) -> set[str]:
    """The clusters that the report names."""
    (line,) = [each for each in run.output.splitlines() if each.startswith(f"{word}: ")]
    return set(line.rpartition(": ")[2].split(", "))


@pytest.mark.long
@pytest.mark.parametrize("word", ["/secrets/", "/clusterdeployments/"])
def test_a_killed_restore_is_finished_by_the_next(
    word: str, fleet: Fleet, live: dict[str, Any], saved: pathlib.Path
) -> None:
    """Killed right after its first write of a kind."""
    fleet.take_away()
    mark = fleet.sandbox.audit_mark()
    given = (*fleet.vault, "-e", f"restore_file={saved}")
    started = fleet.sandbox.start_playbook("restore", *given, inventory=fleet.inventory)
    while not any(word in each for each in fleet.sandbox.mutations_since(mark)):
        assert started[0].poll() is None, finish(started).output
        time.sleep(0.02)
    os.killpg(started[0].pid, signal.SIGKILL)
    finish(started)
    run = fleet.restore(saved)
    assert run.code == 0, run.output
    assert fleet.objects() == live
