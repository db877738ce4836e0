"""helm_release against a real API server and registry, with releases left by real failures and killed helms."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from release_charts import INVALID_SCHEMA, NAME, SCHEMA, guarded_registry, package

from ansible_collections.k0rdent.kof.plugins.module_utils.helm import run as helm_run
from ansible_collections.k0rdent.kof.plugins.module_utils.helm import stored as helm_facts
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import Helm
from ansible_collections.k0rdent.kof.plugins.modules import helm_release
from sandbox import binaries, registry
from sandbox.fixtures import ControlPlane

VERSIONS = ("1.0.0", "1.1.0")
SECRET = "Tr0ub4dor-and-3"
LEFT = "release-leftover"
#: By path of a helm.
VERSIONS_OF: dict[str, tuple[int, int, int]] = {}


@dataclasses.dataclass(frozen=True)
class Tools:
    """What all tests of this file share: the helm binary, the registry with the demo chart, the chart's packages."""

    helm: pathlib.Path
    registry: str
    packages: dict[str, pathlib.Path]


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    state = tmp_path_factory.mktemp("registry")
    programs = binaries.find_or_build()
    address = registry.start(state, programs)
    try:
        packages = {version: package(state, version) for version in VERSIONS}
        for archive in packages.values():
            command = [str(programs["helm"]), "push", str(archive), f"oci://{address}/charts", "--plain-http"]
            subprocess.run(command, check=True, capture_output=True)
        yield Tools(programs["helm"], address, packages)
    finally:
        registry.stop(state)


@pytest.fixture(scope="session")
def left(control_plane: ControlPlane, tools: Tools) -> list[dict[str, Any]]:
    """What a real helm leaves of a first install in namespace LEFT; that is named as long as those of tests are."""
    helm = [str(tools.helm), "install", NAME, str(tools.packages["1.0.0"]), "--namespace", LEFT, "--create-namespace"]
    subprocess.run([*helm, "--kubeconfig", str(control_plane.kubeconfig)], check=True, capture_output=True)
    found = [json.loads(control_plane.kubectl("get", "namespace", LEFT, "-o", "json"))]
    found += json.loads(control_plane.kubectl("get", "secrets,configmaps", "-n", LEFT, "-o", "json"))["items"]
    found.append(json.loads(control_plane.kubectl("get", "clusterrole", f"demo-{LEFT}", "-o", "json")))
    for each in found:
        for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            each["metadata"].pop(name, None)
    control_plane.kubectl("delete", "clusterrole", f"demo-{LEFT}")
    return found


class Release:
    """The demo release in a namespace of its own: runs the module on it, and helm and kubectl beside it."""

    def __init__(
        self,
        cluster: ControlPlane,
        tools: Tools,
        left: list[dict[str, Any]],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.cluster = cluster
        self._left = left
        self.tools = tools
        self.namespace = f"release-{uuid.uuid4().hex[:8]}"
        self._capsys = capsys
        self.printed = self.warned = ""

    def there(self) -> None:
        """As `run()` leaves it: what a real helm left once (`left`), in this namespace. Four helms less."""
        text = json.dumps([each for each in self._left if each.get("type") != "helm.sh/release.v1"])
        objects = json.loads(text.replace(LEFT, self.namespace))
        for secret in (each for each in self._left if each.get("type") == "helm.sh/release.v1"):
            kept = gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"])))
            kept = gzip.compress(kept.replace(LEFT.encode(), self.namespace.encode()))
            data = {"release": base64.b64encode(base64.b64encode(kept)).decode()}
            metadata = {**secret["metadata"], "namespace": self.namespace}
            objects.append({**secret, "metadata": metadata, "data": data})
        if self.cluster.kubectl("get", "namespace", self.namespace, "--ignore-not-found", "-o", "name"):
            del objects[0]
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(listed))

    def run(self, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """The module's result."""
        self._capsys.readouterr()
        with patch_module_args(self._given(check, arguments)), pytest.raises(SystemExit):
            helm_release.main()
        self.printed, self.warned = self._capsys.readouterr()
        return json.loads(self.printed)

    def _given(self, check: bool, arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "kubeconfig": str(self.cluster.kubeconfig),
            "binary_path": str(self.tools.helm),
            "name": NAME,
            "namespace": self.namespace,
            "create_namespace": True,
            "chart_ref": f"oci://{self.tools.registry}/charts/{NAME}",
            "chart_version": "1.0.0",
            "plain_http": True,
            "timeout": "10s",
            "_ansible_check_mode": check,
            "_ansible_diff": True,
        } | arguments

    def same_as_predicted(self, **arguments: Any) -> dict[str, Any]:
        """The result of a real run, after a check that predicted the same and wrote nothing."""
        before = self.everything()
        predicted = self.run(check=True, **arguments)
        assert self.everything() == before
        done = self.run(**arguments)
        assert not done.get("failed"), done["msg"]
        assert (predicted["action"], predicted["changed"]) == (done["action"], done["changed"])
        return done

    def everything(self) -> str:
        """Names and resourceVersions of all that the release could touch."""
        objects = json.loads(self.kubectl("get", "secrets,configmaps,services,jobs", "-o", "json"))["items"]
        ours = [f"{each['kind']}/{each['metadata']['name']} {each['metadata']['resourceVersion']}" for each in objects]
        return "\n".join(ours) + self.cluster.kubectl("get", "namespaces", "-o", "name")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def exists(self, kind: str, name: str) -> bool:
        return bool(self.kubectl("get", kind, name, "--ignore-not-found", "-o", "name"))

    def data(self, name: str) -> dict[str, str]:
        return json.loads(self.kubectl("get", "secret", name, "-o", "json"))["data"]

    def start_helm(self, verb: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            str(self.tools.helm),
            verb,
            NAME,
            str(self.tools.packages["1.0.0"]),
            "-n",
            self.namespace,
            *arguments,
        ]
        return subprocess.Popen(
            [*command, "--kubeconfig", str(self.cluster.kubeconfig)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def killed_helm(self, verb: str, hook: str, *arguments: str) -> None:
        """What a SIGKILL leaves of `helm install` or `upgrade` while it waits for a hook."""
        process = self.start_helm(verb, "--set", f"stall={hook}", *arguments)
        try:
            wait_until(lambda: self.exists("job", "demo-stall"))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert self.statuses()[-1].startswith("pending-")

    def statuses(self) -> list[str]:
        """The status of each revision, by label and payload, which must agree."""
        secrets = json.loads(self.kubectl("get", "secrets", "-l", f"owner=helm,name={NAME}", "-o", "json"))["items"]
        revisions = sorted((helm_facts.decode(secret) for secret in secrets), key=lambda each: each.version)
        labels = {secret["metadata"]["name"]: secret["metadata"]["labels"]["status"] for secret in secrets}
        assert all(labels[each.secret] == each.status for each in revisions)
        return [each.status for each in revisions]

    def is_done(self, **arguments: Any) -> None:
        """Nothing is left to do, which is found without helm or registry, and the last revision is deployed."""
        away: dict[str, Any] = {"binary_path": "/nowhere/helm", "chart_ref": f"oci://127.0.0.1:1/charts/{NAME}"}
        again = self.run(**away, **arguments)
        assert again.get("action") == "unchanged", again
        assert again["changed"] is False
        assert self.statuses()[-1] == "deployed"


@pytest.fixture
def release(
    control_plane: ControlPlane, tools: Tools, left: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> Release:
    return Release(control_plane, tools, left, capsys)


@pytest.fixture(autouse=True)
def _version_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each binary is asked for its version once; a run asks each time, which is a fifth of its helms."""
    asks = Helm.check_version

    def once(helm: Helm) -> tuple[int, int, int]:
        if helm._binary not in VERSIONS_OF:
            VERSIONS_OF[helm._binary] = asks(helm)
        return VERSIONS_OF[helm._binary]

    monkeypatch.setattr(Helm, "check_version", once)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pending release is left behind when it is older than its time-out, without the grace a real helm gets."""
    monkeypatch.setattr(helm_facts, "GRACE", 0.0)
    monkeypatch.setattr(helm_run, "_POLL", 0.2)


def wait_until(condition: Callable[[], bool], limit: float = 120) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def test_install_then_nothing_to_do_without_helm_and_registry(release: Release) -> None:
    done = release.same_as_predicted()
    assert done["action"] == "installed"
    assert done["status"] == {
        "name": NAME,
        "namespace": release.namespace,
        "revision": 1,
        "status": "deployed",
        "chart": "demo-1.0.0",
        "app_version": "1.0.0",
    }
    assert release.exists("configmap", "demo-hook")
    release.is_done()
    assert release.run(check=True, binary_path="/nowhere/helm")["action"] == "unchanged"


def test_nothing_to_do_writes_nothing(release: Release) -> None:
    release.there()
    size = release.cluster.audit.stat().st_size
    release.is_done()
    with release.cluster.audit.open() as stream:
        stream.seek(size)
        verbs = {event["verb"] for event in map(json.loads, stream) if event["user"]["username"] == "k0rdent-kof"}
    assert verbs <= {"get", "list"}
    assert "get" in verbs


def test_check_of_the_first_install_is_validated_and_makes_no_namespace(release: Release) -> None:
    predicted = release.run(check=True)
    assert (predicted["action"], predicted["not_checked"]) == ("installed", None)
    assert predicted["status"]["chart"] == "demo-1.0.0"
    assert f"namespace/{release.namespace}\n" not in release.cluster.kubectl("get", "namespaces", "-o", "name")


def test_values_and_version_upgrade_and_keep_what_was_drawn(release: Release) -> None:
    release.there()
    drawn = release.data("demo-drawn")
    done = release.same_as_predicted(
        values={"text": "changed", "deep": {"password": SECRET, "numbers": [1, 2.5, True]}}
    )
    assert (done["action"], done["reason"]) == ("upgraded", "its values differ")
    assert 'text: "changed"' in done["diff"]["after"]
    assert 'deep.password: "(hidden)"' in done["diff"]["after"]
    assert SECRET not in release.printed
    done = release.same_as_predicted(chart_version="1.1.0")
    assert (done["action"], done["status"]["chart"], done["status"]["revision"]) == ("upgraded", "demo-1.1.0", 3)
    assert release.data("demo-drawn") == drawn
    release.is_done(chart_version="1.1.0")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"null": None, "empty": {}, "list": [], "text": ""},
        {"on": True, "one": 1, "million": 10_000_000, "half": 0.5, "string": "1", "yes": "yes", "date": "2025-01-01"},
        {
            "text": "ü — \U0001f600 \u2028 {{ .Values.x }} \"quoted\" 'single' \\ back\n  two lines\n",
            "t:": {"a.b": "c"},
        },
    ],
)
def test_values_come_back_as_they_were_given(release: Release, values: dict[str, Any]) -> None:
    assert release.run(values=values)["action"] == "installed"
    release.is_done(values=values)
    if values.get("text"):
        assert (
            json.loads(release.kubectl("get", "configmap", "demo-config", "-o", "json"))["data"]["text"]
            == values["text"]
        )


def test_a_null_is_in_the_diff(release: Release) -> None:
    release.run(values={"text": "x"})
    done = release.same_as_predicted(values={"text": "x", "extra": None})
    assert (done["action"], done["reason"]) == ("upgraded", "its values differ")
    assert "\nextra: null\n" in done["diff"]["after"]
    release.is_done(values={"text": "x", "extra": None})


@pytest.mark.parametrize("check", [True, False])
def test_what_an_upgrade_takes_away_is_named(release: Release, check: bool) -> None:
    release.run(values={"extra": True, "kept": True})
    done = release.run(check=check, values={"profiles": {"main": None}})
    gone = [f"ConfigMap {release.namespace}/demo-extra", f"Secret {release.namespace}/demo-profile"]
    assert sorted(done["removed"]) == gone
    assert all(each in done["diff"]["before"] for each in gone)
    warned = " ".join(release.warned.split())
    assert ("the upgrade would take away" if check else "the upgrade takes away") in warned
    assert all(each in warned for each in gone)
    assert not any(release.exists(*each) for each in (("configmap", "demo-extra"), ("secret", "demo-profile"))) or check
    # helm's annotation keeps the third one.
    assert release.exists("configmap", "demo-kept")


def test_nothing_is_named_that_is_gone_already_or_comes_back(release: Release) -> None:
    release.run(values={"extra": True})
    release.kubectl("delete", "configmap", "demo-extra")
    done = release.same_as_predicted(values={"text": "other"}, chart_version="1.1.0")
    assert done["removed"] == []
    assert "take" not in release.warned


@pytest.mark.parametrize("spoilt", [{}, {"broken": True}])
def test_what_the_fleet_needs_is_not_taken_away(release: Release, spoilt: dict[str, Any]) -> None:
    needed = {"needed_objects": ["Secret/demo-profile", "Secret/demo-kept"]}
    release.run(**needed)
    if spoilt:  # a failed upgrade of other values before it: a rollback would come first
        assert release.run(values=spoilt)["failed"]
    before = release.everything()
    for check in (True, False):
        refused = release.run(check=check, values={"profiles": {"main": None}}, **needed)
        assert refused["failed"]
        assert f"it would take away Secret {release.namespace}/demo-profile, which the fleet needs" in refused["msg"]
        assert f"-e kof_dangerous_changes={release.namespace}" in refused["msg"]
    assert release.everything() == before
    assert release.run(values={"profiles": {"main": None}})["changed"]
    assert not release.exists("secret", "demo-profile")


SIZES = {"growing_values": {"store.size": "10Gi", "store.replicas": 1}, "fixed_values": ["store.storageClass"]}
#: What is there, what is wanted then, and what would be lost.
LOST = [
    ({"size": "20Gi"}, {"size": "15Gi"}, "shrink store.size from 20Gi to 15Gi"),
    ({"size": "20Gi"}, {}, "shrink store.size from 20Gi to 10Gi"),
    ({}, {"size": "9Gi"}, "shrink store.size from 10Gi to 9Gi"),
    ({"replicas": 3}, {"replicas": 2}, "shrink store.replicas from 3 to 2"),
    ({"storageClass": "fast"}, {"storageClass": "slow"}, "give store.storageClass another value"),
    ({"storageClass": "fast"}, {}, "give store.storageClass another value"),
]


@pytest.mark.parametrize(("before", "after", "lost"), LOST)
def test_what_volumes_can_not_follow_is_refused(
    release: Release, before: dict[str, Any], after: dict[str, Any], lost: str
) -> None:
    assert "failed" not in release.run(values={"store": before}, **SIZES)
    there = release.everything()
    for check in (True, False):
        refused = release.run(check=check, values={"store": after}, **SIZES)
        assert refused["failed"]
        assert f"dangerous change: it would {lost}: volumes stay" in refused["msg"]
        assert f"-e kof_dangerous_changes={release.namespace}" in refused["msg"]
    assert release.everything() == there
    assert release.run(values={"store": after})["changed"]


def test_what_grows_and_what_a_failed_revision_said_first_is_not(release: Release) -> None:
    release.run(values={"store": {"size": "10Gi"}}, **SIZES)
    grown = {"store": {"size": "20Gi", "replicas": 3, "storageClass": "fast"}}
    assert release.run(values=grown, **SIZES)["changed"]
    # One that helm gave up counts, too: what its operator made of it nobody knows.
    broken = {"store": {**grown["store"], "size": "40Gi"}, "broken": True}
    assert release.run(values=broken)["failed"]
    refused = release.run(values=grown, **SIZES)
    assert "shrink store.size from 40Gi to 20Gi" in refused["msg"]


def test_deleted_objects_are_made_again(release: Release) -> None:
    release.there()
    drawn = release.data("demo-drawn")
    release.kubectl("delete", "configmap", "demo-config")
    release.cluster.kubectl("delete", "clusterrole", f"demo-{release.namespace}")
    done = release.same_as_predicted()
    assert done["action"] == "repaired"
    assert done["took"] == [f"missing ConfigMap {release.namespace}/demo-config, ClusterRole demo-{release.namespace}"]
    assert release.data("demo-drawn") == drawn
    release.is_done()


def test_an_object_on_its_way_out_is_waited_for_then_made_again(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helm_run, "_POLL", 0.2)
    release.there()

    def hold(finalizers: list[str]) -> None:
        patch = json.dumps({"metadata": {"finalizers": finalizers}})
        release.kubectl("patch", "configmap", "demo-config", "--type=merge", "-p", patch)

    hold(["example.com/hold"])
    release.kubectl("delete", "configmap", "demo-config", "--wait=false")
    assert release.run(check=True)["action"] == "repaired"
    stuck = release.run(timeout="1s")
    assert stuck["failed"]
    assert "ConfigMap" in stuck["msg"]
    assert "example.com/hold" in stuck["msg"]
    threading.Timer(1, hold, args=([],)).start()
    assert release.run()["action"] == "repaired"
    release.is_done()


def test_failed_first_install_is_mended(release: Release) -> None:
    failed = release.run(values={"broken": True})
    assert failed["failed"]
    assert failed["changed"]
    assert "port" in failed["msg"]
    assert release.statuses() == ["failed"]
    done = release.same_as_predicted()
    assert done["action"] == "recovered"
    assert release.exists("configmap", "demo-hook")
    release.is_done()


def test_failed_upgrade_with_other_values_is_rolled_back_then_upgraded(release: Release) -> None:
    release.there()
    filled = base64.b64encode(b"all regions").decode()
    release.kubectl("patch", "secret", "demo-filled", "-p", json.dumps({"data": {"config.yaml": filled}}))
    drawn = release.data("demo-drawn")
    assert release.run(values={"broken": True, "extra": True})["failed"]
    assert release.exists("configmap", "demo-extra")
    done = release.same_as_predicted(values={"text": "third"})
    assert done["action"] == "recovered"
    assert "rolled back to revision 1" in done["took"]
    # Neither the failed revision's object nor its key in a kept object stays, and no Secret goes back in time.
    assert not release.exists("configmap", "demo-extra")
    assert "extra" not in json.loads(release.kubectl("get", "configmap", "demo-config", "-o", "json"))["data"]
    assert release.data("demo-filled") == {"config.yaml": filled}
    assert release.data("demo-drawn") == drawn
    release.is_done(values={"text": "third"})


def test_the_same_upgrade_after_a_failure_needs_no_rollback(release: Release) -> None:
    release.there()
    values = {"extra": True, "stall": "post-upgrade"}
    failed = release.run(values=values, timeout="2s")
    assert failed["failed"]
    assert failed["changed"]
    assert failed["status"]["status"] == "failed"
    finish = threading.Thread(target=complete_next_job, args=(release,))
    finish.start()
    done = release.run(values=values)
    finish.join()
    assert done["action"] == "recovered", done
    assert done["took"] == []
    assert release.statuses() == ["superseded", "failed", "deployed"]
    release.is_done(values=values)


def test_first_install_killed_before_its_hooks_ended_runs_them(release: Release, impatient: None) -> None:
    release.cluster.kubectl("create", "namespace", release.namespace)
    release.killed_helm("install", "pre-install")
    assert not release.exists("configmap", "demo-hook")
    done = release.run(timeout="2s")
    assert done["action"] == "recovered", done
    assert "marked it failed" in done["took"][0]
    assert release.exists("configmap", "demo-hook"), "an upgrade alone never runs install hooks"
    assert release.statuses()[-1] == "deployed"
    release.is_done()


def test_first_install_killed_after_its_hooks_is_upgraded(release: Release, impatient: None) -> None:
    release.cluster.kubectl("create", "namespace", release.namespace)
    release.there()
    drawn = release.data("demo-drawn")
    restate(release, "pending-install")
    release.kubectl("delete", "configmap", "demo-config")
    done = release.run(timeout="1s")
    assert done["action"] == "recovered"
    assert "marked it failed" in done["took"][0]
    assert release.statuses() == ["superseded", "deployed"]
    assert release.data("demo-drawn") == drawn
    release.is_done()


@pytest.mark.parametrize("values", [{}, {"text": "another"}])
def test_killed_upgrade(release: Release, impatient: None, values: dict[str, Any]) -> None:
    release.there()
    release.killed_helm("upgrade", "pre-upgrade", "--set", "extra=true")
    predicted = release.run(check=True, timeout="2s", values=values)
    assert predicted["action"] == "recovered"
    assert "a helm may still be at work" in predicted["not_checked"]
    done = release.run(timeout="2s", values=values)
    assert done["action"] == "recovered", done
    assert release.statuses()[-1] == "deployed"
    assert not {"pending-upgrade"} & set(release.statuses())
    release.is_done(values=values)


def test_killed_between_superseding_and_deploying(release: Release, impatient: None) -> None:
    release.there()
    release.run(values={"text": "second"})
    restate(release, "pending-upgrade")
    assert release.statuses() == ["superseded", "pending-upgrade"]
    assert release.run(timeout="1s", values={"text": "second"})["action"] == "recovered"
    assert release.statuses()[-1] == "deployed"
    release.is_done(values={"text": "second"})


@pytest.mark.parametrize("status", ["pending-rollback", "uninstalling"])
def test_other_things_left_pending(release: Release, impatient: None, status: str) -> None:
    release.there()
    restate(release, status)
    release.kubectl("delete", "configmap", "demo-config")
    assert release.run(timeout="1s")["action"] == "recovered"
    release.is_done()


def test_a_living_helm_is_waited_for(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm_run, "_POLL", 0.2)
    release.there()
    process = release.start_helm("upgrade", "--set", "stall=pre-upgrade", "--timeout", "600s")
    try:
        wait_until(lambda: release.exists("job", "demo-stall"))
        finish = threading.Timer(2, lambda: complete_job(release))
        finish.start()
        done = release.run(timeout="600s", values={"stall": "pre-upgrade"})
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()
    assert done["action"] == "unchanged", done
    assert done["took"][0].startswith("waited ")
    assert release.statuses() == ["superseded", "deployed"]


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("living", [True, False])
def test_this_machines_clock_decides_nothing(
    release: Release, monkeypatch: pytest.MonkeyPatch, impatient: None, hours: int, living: bool
) -> None:
    """A helm begun an hour ago, or in an hour, by our clock: all that counts is how long we saw it at work."""
    release.there()
    restate(release, "pending-upgrade")
    told = helm_facts._time
    monkeypatch.setattr(helm_facts, "_time", lambda text: told(text) + timedelta(hours=hours))
    begun = time.monotonic()
    ends = threading.Timer(1, restate, args=(release, "deployed"))
    if living:
        ends.start()
    done = release.run(timeout="300s" if living else "4s")
    ends.cancel()
    waited = time.monotonic() - begun
    assert done["action"] == ("unchanged" if living else "recovered"), done
    assert waited < 300 if living else 4 <= waited < 300
    assert done["took"][0].startswith("waited" if living else "revision 1 stayed pending-upgrade for the 4 s")


@pytest.mark.parametrize("words", ["release: already exists", "cannot re-use a name that is still in use"])
def test_a_run_beside_ours_that_is_quicker(release: Release, tmp_path: pathlib.Path, words: str) -> None:
    """Another helm installs between our look and our act, and ours says so."""
    quicker = tmp_path / "helm"
    quicker.write_text(
        f'#!/bin/sh\nif [ "$1" = install ] && [ ! -e {tmp_path}/done ]; then\n'
        f'  touch {tmp_path}/done; {release.tools.helm} "$@"; echo "Error: INSTALLATION FAILED: {words}" >&2; exit 1\n'
        f'fi\nexec {release.tools.helm} "$@"\n'
    )
    quicker.chmod(0o755)
    done = release.run(binary_path=str(quicker))
    assert (done["action"], done["took"]) == ("unchanged", ["another helm was quicker"]), done
    assert release.statuses() == ["deployed"]


def test_no_secret_on_a_command_line_in_the_environment_or_in_a_file(
    release: Release, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "sesame-" + "x" * 20
    spy, seen, scratch = tmp_path / "helm", tmp_path / "seen", tmp_path / "scratch"
    scratch.mkdir()
    spy.write_text(
        f"#!/bin/sh\n{{ tr '\\0' '\\n' </proc/$$/cmdline; env; find {scratch} -type f -exec cat {{}} +; }} >>{seen}\n"
        f'exec {release.tools.helm} "$@"\n'
    )
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HELM_KUBETOKEN", "someone-elses")
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    values = {"db": {"password": SECRET}, "text": f"marker {SECRET}"}
    done = release.run(
        binary_path=str(spy),
        values=values,
        registry_username="robot",
        registry_password=token,
        _ansible_tmpdir=str(scratch),
        _ansible_verbosity=4,
    )
    assert done["action"] == "installed", done
    record = seen.read_text(errors="replace")
    assert "--registry-config" in record
    assert "HELM_KUBETOKEN" not in record
    assert "HELM_NAMESPACE" not in record
    for hidden in (SECRET, token, base64.b64encode(f"robot:{token}".encode()).decode(), client_key(release)):
        assert hidden not in record
        assert hidden not in release.printed
    assert list(scratch.iterdir()) == []


def test_what_helm_says_of_a_secret_is_hidden(release: Release) -> None:
    failed = release.run(values={"text": "x", "token": SECRET, "broken": True, "extra": False})
    assert failed["failed"]
    assert SECRET not in release.printed


@pytest.mark.parametrize("login", ["me:CANARY", "me:a/+CANARY\n", "me:CAN CANARY", "CANARY"])
@pytest.mark.parametrize(
    "address", [{"chart_ref": "oci://{}@127.0.0.1/c"}, {"chart_ref": "c", "chart_repo_url": "https://{}@127.0.0.1"}]
)
def test_an_address_with_a_login_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str], login: str, address: dict[str, str]
) -> None:
    given = {"name": NAME, "namespace": "kof", "host": "https://127.0.0.1:1"}
    given |= {name: text.format(login) for name, text in address.items()}
    with patch_module_args(given), pytest.raises(SystemExit):
        helm_release.main()
    told = "".join(capsys.readouterr())
    assert "has a login in it" in told
    assert "CANARY" not in told


@pytest.mark.parametrize("path", ["/nowhere/kof-operators", "~/nowhere/kof-operators", "./kof-operators"])
def test_a_path_that_is_not_there_is_no_name_of_a_repositorys_chart(
    capsys: pytest.CaptureFixture[str], path: str
) -> None:
    given = {
        "name": NAME,
        "namespace": "kof",
        "host": "https://127.0.0.1:1",
        "chart_ref": path,
        "chart_version": "1.0.0",
    }
    with patch_module_args(given), pytest.raises(SystemExit):
        helm_release.main()
    assert f"{path} is no folder or package of a chart on this machine" in "".join(capsys.readouterr())


def test_registry_with_login_and_private_ca(release: Release, tmp_path: pathlib.Path) -> None:
    with guarded_registry(release.tools.registry, tmp_path, "robot", SECRET) as (address, authority):
        arguments: dict[str, Any] = {
            "chart_ref": f"oci://{address}/charts/{NAME}",
            "plain_http": False,
            "registry_username": "robot",
            "registry_ca_file": str(authority),
        }
        refused = release.run(**arguments, registry_password="wrong-one")
        assert refused["failed"]
        assert "401" in refused["msg"]
        untrusted = release.run(**{**arguments, "registry_ca_file": None}, registry_password=SECRET)
        assert "certificate" in untrusted["msg"]
        assert release.same_as_predicted(**arguments, registry_password=SECRET)["action"] == "installed"
    assert SECRET not in release.printed


def test_registry_away_when_there_is_something_to_do(release: Release) -> None:
    away = f"oci://127.0.0.1:1/charts/{NAME}"
    predicted = release.run(check=True, chart_ref=away)
    assert predicted["action"] == "installed"
    assert predicted["not_checked"].startswith("the registry can't be reached: ")
    failed = release.run(chart_ref=away)
    assert failed["failed"]
    assert "connection refused" in failed["msg"]
    assert "namespace" not in failed


def test_a_version_that_is_not_there_is_an_error_in_check_mode_too(release: Release) -> None:
    failed = release.run(check=True, chart_version="9.9.9")
    assert failed["failed"]
    assert "9.9.9" in failed["msg"]
    assert "not found" in failed["msg"]


def test_a_kind_that_is_not_served_yet(release: Release) -> None:
    predicted = release.run(check=True, values={"unserved": True})
    assert predicted["action"] == "installed"
    assert predicted["not_checked"] == "needs CustomResourceDefinition of Whatsit (example.com/v1)"
    failed = release.run(values={"unserved": True})
    assert failed["failed"]
    assert "ensure CRDs are installed first" in failed["msg"]


def test_a_chart_whose_schema_is_invalid(release: Release, tmp_path: pathlib.Path) -> None:
    arguments = {"chart_ref": str(package(tmp_path, "2.0.0", INVALID_SCHEMA)), "chart_version": "2.0.0"}
    for check in (True, False):
        refused = release.run(check=check, **arguments)
        assert re.search("sub.*examples.*got string, want array", refused["msg"])
    assert not release.statuses()
    done = release.same_as_predicted(**arguments, skip_schema_validation=True)
    (told,) = done["took"]
    assert re.fullmatch(r"values not checked by the chart's schema: helm 3\.\d+\.\d+ refuses an invalid one", told)
    again = release.run(**arguments, skip_schema_validation=True)
    assert (again["changed"], again["took"]) == (False, [])
    done = release.same_as_predicted(**arguments, skip_schema_validation=True, values={"text": "other"})
    assert (done["action"], len(done["took"])) == ("upgraded", 1)


def test_values_are_checked_by_a_chart_s_schema(release: Release, tmp_path: pathlib.Path) -> None:
    archive = package(tmp_path, "2.0.0", SCHEMA)
    refused = release.run(chart_ref=str(archive), chart_version="2.0.0", values={"sub": {"number": "three"}})
    assert "got string, want integer" in refused["msg"]
    assert not release.statuses()


@pytest.mark.parametrize(
    ("version", "skips"), [("v3.15.4", False), ("v3.18.4", False), ("v3.18.5", True), ("v3.21.0", True)]
)
def test_a_schema_is_left_out_only_where_helm_would_refuse_it(
    release: Release, tmp_path: pathlib.Path, version: str, skips: bool
) -> None:
    says = tmp_path / "helm"
    says.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && {{ echo {version}; exit; }}\necho "$@" >> {tmp_path}/said\n'
        f'exec {release.tools.helm} "$@"\n'
    )
    says.chmod(0o755)
    done = release.run(binary_path=str(says), skip_schema_validation=True)
    assert done["action"] == "installed"
    assert ("--skip-schema-validation" in (tmp_path / "said").read_text()) is skips
    assert len(done["took"]) == skips


def test_values_that_the_chart_refuses_fail_the_check(release: Release) -> None:
    for check in (True, False):
        failed = release.run(check=check, values={"refused": True})
        assert failed["failed"]
        assert "this value is refused" in failed["msg"]


def test_a_downgrade_has_to_be_asked_for(release: Release) -> None:
    release.run(chart_version="1.1.0")
    before = release.everything()
    for check in (True, False):
        refused = release.run(check=check)
        assert refused["failed"]
        assert (
            "chart version 1.1.0, and 1.0.0 is older: a downgrade has to be asked for (allow_downgrade)"
            in refused["msg"]
        )
    assert release.everything() == before
    release.same_as_predicted(allow_downgrade=True)


def test_what_flux_keeps_is_left_alone(release: Release) -> None:
    release.there()
    label_manifest(release, "helm.toolkit.fluxcd.io/name: demo", "helm.toolkit.fluxcd.io/namespace: flux-system")
    before = release.everything()
    assert release.run()["action"] == "unchanged"
    for arguments in ({"values": {"text": "other"}}, {"chart_version": "1.1.0"}, {"release_state": "absent"}):
        for check in (True, False):
            refused = release.run(check=check, **arguments)
            assert refused["failed"], arguments
            assert "the Flux HelmRelease flux-system/demo keeps it" in refused["msg"]
    assert release.everything() == before


def test_another_fleets_namespace(release: Release, impatient: None) -> None:
    release.run(fleet="team-b")
    labels = ("app.kubernetes.io/managed-by=k0rdent.kof", "app.kubernetes.io/part-of=team-a")
    release.cluster.kubectl("label", "namespace", release.namespace, *labels)
    before = release.everything()
    assert release.run(fleet="team-b")["action"] == "unchanged"
    for arguments in ({"values": {"text": "other"}}, {"release_state": "absent"}):
        refused = release.run(fleet="team-b", **arguments)
        assert refused["failed"]
        assert "belongs to fleet team-a" in refused["msg"]
    assert release.everything() == before
    # Nor is it marked failed, or waited for.
    restate(release, "pending-upgrade")
    before = release.everything()
    for arguments in ({"values": {"text": "other"}}, {"release_state": "absent"}):
        refused = release.run(fleet="team-b", timeout="1s", **arguments)
        assert "belongs to fleet team-a" in refused.get("msg", ""), refused
        assert release.everything() == before
    restate(release, "deployed")
    assert release.run(fleet="team-b", take_over_fleet=["team-a"], values={"text": "other"})["changed"]
    assert release.run(fleet="team-a", values={"text": "third"})["changed"]


def test_absent(release: Release) -> None:
    assert release.same_as_predicted(state="absent")["action"] == "unchanged"
    release.there()
    done = release.same_as_predicted(state="absent", chart_ref=None)
    assert (done["action"], done["status"]["status"]) == ("uninstalled", "absent")
    assert not release.exists("configmap", "demo-config")
    assert release.same_as_predicted(state="absent")["action"] == "unchanged"


def test_after_an_uninstall_that_kept_its_history(release: Release) -> None:
    release.there()
    command = [str(release.tools.helm), "uninstall", NAME, "-n", release.namespace, "--keep-history"]
    subprocess.run([*command, "--kubeconfig", str(release.cluster.kubeconfig)], check=True, capture_output=True)
    assert release.same_as_predicted(state="absent")["action"] == "unchanged"
    assert release.same_as_predicted()["action"] == "installed"
    release.is_done()


def test_chart_on_disk(release: Release) -> None:
    folder = release.tools.packages["1.0.0"].parent / "1.0.0" / NAME
    for chart in (str(folder), str(release.tools.packages["1.0.0"])):
        done = release.run(chart_ref=chart, chart_version=None)
        assert done["action"] in ("installed", "unchanged")
    assert "is of version 1.0.0" in release.run(chart_ref=str(folder), chart_version="1.1.0")["msg"]
    assert "is no chart" in release.run(chart_ref=str(folder / "templates"))["msg"]


def test_any_version_is_right_where_none_is_named(release: Release) -> None:
    release.there()
    assert release.run(chart_version=None)["action"] == "unchanged"
    assert release.run(chart_version=None, values={"text": "new"})["status"]["chart"] == "demo-1.1.0"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("v4.0.1+gabc", "helm 4 applies"),
        ("v3.9.4", "3.14 or newer"),
        ("no idea", "no version that we understand"),
    ],
)
def test_helm_that_we_cannot_use(release: Release, tmp_path: pathlib.Path, said: str, why: str) -> None:
    fake = tmp_path / "helm"
    fake.write_text(f"#!/bin/sh\necho '{said}'\n")
    fake.chmod(0o755)
    for check in (True, False):
        failed = release.run(check=check, binary_path=str(fake))
        assert failed["failed"]
        assert why in failed["msg"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "Kof_Mothership"}, "can't be the name of a release"),
        ({"name": "x" * 54}, "53 characters"),
        ({"timeout": "ten"}, "no duration"),
        ({"timeout": "0"}, "more than nothing"),
        ({"registry_password": SECRET}, "registry_username"),
        ({"binary_path": "/nowhere/helm"}, "no program"),
        ({"kubeconfig": "/nowhere/config"}, "there is no kubeconfig"),
    ],
)
def test_bad_input(release: Release, arguments: dict[str, Any], why: str) -> None:
    failed = release.run(**arguments)
    assert failed["failed"]
    assert why in failed["msg"]
    assert SECRET not in release.printed


def restate(release: Release, status: str) -> None:
    """Give the last revision another status, as a helm killed at that moment would have left it."""
    rewrite(release, lambda payload: {"info": {**payload["info"], "status": status}}, {"status": status})


def label_manifest(release: Release, *labels: str) -> None:
    """Have the last revision's objects labelled, as Flux' helm-controller does it."""
    added = "".join(f"    {label}\n" for label in labels)
    rewrite(release, lambda payload: {"manifest": payload["manifest"] + f"---\nmetadata:\n  labels:\n{added}"}, {})


def rewrite(release: Release, change: Callable[[dict[str, Any]], dict[str, Any]], labels: dict[str, str]) -> None:
    secrets = json.loads(release.kubectl("get", "secrets", "-l", f"owner=helm,name={NAME}", "-o", "json"))["items"]
    last = max((helm_facts.decode(secret) for secret in secrets), key=lambda each: each.version)
    payload = {**last.payload, **change(dict(last.payload))}
    stored = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    patch = {"metadata": {"labels": labels}, "data": {"release": stored}}
    release.kubectl("patch", "secret", last.secret, "-p", json.dumps(patch))


def complete_job(release: Release) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("SuccessCriteriaMet", "Complete")
    ]
    done = {"status": {"conditions": conditions, "startTime": now, "completionTime": now}}
    release.kubectl("patch", "job", "demo-stall", "--subresource=status", "--type=merge", "-p", json.dumps(done))


def complete_next_job(release: Release) -> None:
    """Complete the Job that helm makes anew for the hook which is there from the last attempt."""
    old = json.loads(release.kubectl("get", "job", "demo-stall", "-o", "json"))["metadata"]["uid"]

    def is_new() -> bool:
        found = release.kubectl("get", "job", "demo-stall", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
        return found not in ("", old)

    wait_until(is_new)
    complete_job(release)


def client_key(release: Release) -> str:
    """A line out of the middle of the kubeconfig's private key."""
    text = release.cluster.kubeconfig.read_text()
    key = text.partition("client-key-data")[2].strip(": \"'").split()[0].strip("\"',")
    return key[len(key) // 2 : len(key) // 2 + 60] if len(key) > 200 else os.urandom(30).hex()


def test_the_arguments_in_a_result_have_the_values_under_no_name() -> None:
    params = {"values": {"dsn": SECRET}, "release_values": {"dsn": SECRET}, "release_name": NAME, "chart_ref": None}
    params |= {"chart_repo_url": f"https://me:{SECRET}@charts.example.com"}
    told = helm_release._invocation(types.SimpleNamespace(params=params))["module_args"]
    assert told == {
        **dict.fromkeys(("values", "release_values", "chart_repo_url"), "(not shown)"),
        "release_name": NAME,
        "chart_ref": None,
    }


class _Ends(BaseException):
    """A module's end."""


@pytest.mark.parametrize(
    ("interrupted", "told"),
    [
        ("history", "ended by a signal before anything was changed"),
        ("check_version", "ended by a signal before anything was changed"),
        ("afterwards", "ended by a signal, after helm install; run the same again, which goes on from there"),
    ],
)
def test_a_signal_between_two_steps_is_told_with_what_was_begun(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, interrupted: str, told: str
) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "Chart.yaml").write_text(f"apiVersion: v2\nname: {NAME}\nversion: 1.0.0\n")
    acted: list[str] = []

    class Fake:
        def history(self) -> list[Any]:
            if interrupted == "history" or (acted and not acted[1:]):
                acted.append("interrupted")
                raise KeyboardInterrupt
            return []

        def check_version(self) -> tuple[int, int, int]:
            if interrupted == "check_version":
                raise KeyboardInterrupt
            return (3, 19, 0)

        def template(self, *_given: Any) -> str:
            return ""

        def missing(self, _wanted: Any) -> list[Any]:
            return []

        def act(self, arguments: list[str], *_more: Any) -> None:
            acted.append(arguments[0])

    defaults = {name: option.get("default") for name, option in helm_run.OPTIONS.items()}
    parameters = {**defaults, "release_name": NAME, "release_namespace": "x", "chart_ref": str(tmp_path / NAME)}
    run = helm_run.ReleaseRun(
        {**parameters, "release_values": {}},
        check_mode=False,
        scratch=None,
        guard=None,
        connection=types.SimpleNamespace(warnings=[]),
    )
    run._store = Fake()
    monkeypatch.setattr(run, "_helm", lambda: contextlib.nullcontext(Fake()))
    monkeypatch.setattr(helm_release, "ReleaseRun", lambda *_arguments, **_named: run)
    results: list[dict[str, Any]] = []

    def fail_json(**result: Any) -> None:
        results.append(result)
        raise _Ends

    module = types.SimpleNamespace(
        params={**parameters, "release_values": {}, "host": None, "kubeconfig": None},
        argument_spec={},
        no_log_values=set(),
        tmpdir=str(tmp_path),
        check_mode=False,
        _diff=False,
        _verbosity=0,
        fail_json=fail_json,
        warn=results.append,
    )
    with pytest.raises(_Ends):
        helm_release.work(module)
    assert [each["msg"] for each in results] == [f"release x/{NAME}: {told}"]


def test_of_values_short_ones_and_numbers_are_hidden_as_words_only() -> None:
    values = {"maxTokens": 100, "token": "abc", "password": "CANARY-1", "name": "other-words"}
    module: Any = types.SimpleNamespace(
        params={"release_values": values},
        argument_spec={"release_values": {"type": "dict", "no_log": True}},
        no_log_values={"100", "abc", "CANARY-1", "other-words"},
    )
    hide = helm_release._hide(module)
    assert module.no_log_values == {"CANARY-1"}
    assert hide("1000m, 100, abc, abcd") == "1000m, (hidden), (hidden), abcd"
