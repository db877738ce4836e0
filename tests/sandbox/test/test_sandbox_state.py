"""Tests of sandbox.state and sandbox.faults: files, locks, ports, switches. No process but threads."""

from __future__ import annotations

import json
import threading
import time

import pytest

from sandbox import faults
from sandbox import state as state_files
from sandbox.state import SandboxError


def test_write_leaves_the_old_text_when_it_fails(tmp_path, monkeypatch):
    file = tmp_path / "folder" / "file"
    state_files.write(file, "old", 0o600)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            state_files.write(file, "new")
    assert file.read_text() == "old"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    inside, most = [], []

    def work():
        with state_files.lock(tmp_path / "lock"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_a_lock_whose_file_was_removed_meanwhile_still_excludes(tmp_path):
    order = []

    def second():
        with state_files.lock(tmp_path / "lock"):
            order.append("second in")
            time.sleep(0.3)
            order.append("second out")

    with state_files.lock(tmp_path / "lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.2)
        (tmp_path / "lock").unlink()
    end = time.monotonic() + 120
    while not order and time.monotonic() < end:
        time.sleep(0.01)
    with state_files.lock(tmp_path / "lock"):
        order.append("third in")
    waiting.join()
    assert order == ["second in", "second out", "third in"]


def test_ports_stay_with_their_owner_and_differ_between_owners(tmp_path):
    first = state_files.ports(tmp_path, "a", ("api", "etcd"))
    assert state_files.ports(tmp_path, "a", ("api", "etcd")) == first
    others = [state_files.ports(tmp_path, f"b{number}", ("api", "etcd")) for number in range(20)]
    everything = [port for ports in (first, *others) for port in ports.values()]
    assert len(set(everything)) == len(everything) == 42
    assert all(port in state_files.PORTS for port in everything)
    assert state_files.ports(tmp_path, "a", ("api", "etcd"), fresh=True) != first
    state_files.forget_ports(tmp_path, "a")
    assert "a" not in state_files.read_json(tmp_path / "ports.json")


def test_a_folder_with_other_things_is_not_taken(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SandboxError, match="holds other things"):
        state_files.claim(tmp_path)
    assert not state_files.is_ours(tmp_path)


def test_a_folder_with_faults_set_before_the_start_is_taken(tmp_path):
    faults.change(tmp_path, faults.parse(["never_ready=a"]))
    state_files.claim(tmp_path)
    state_files.claim(tmp_path)
    assert state_files.is_ours(tmp_path)


def test_faults_are_set_one_by_one_and_cleared_together(tmp_path):
    assert faults.read(tmp_path) == faults.none()
    faults.change(tmp_path, faults.parse(["slow_seconds=1.5", "never_ready=a, b"]))
    faults.change(tmp_path, faults.parse(["helm_fails_first=a/cert-manager", "never_ready="]))
    written = json.loads((tmp_path / "faults.json").read_text())
    assert written == faults.none() | {"slow_seconds": 1.5, "helm_fails_first": ["a/cert-manager"]}
    faults.clear(tmp_path)
    assert json.loads((tmp_path / "faults.json").read_text()) == faults.none()


def test_the_simulator_knows_the_same_faults():
    simulator_faults = pytest.importorskip("sandbox.simulator.faults")
    everything = {name: 1.0 if name.endswith("_seconds") else ["a/b"] for name in faults.SWITCHES}
    assert set(vars(simulator_faults.parse(everything))) == set(faults.SWITCHES)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("never_reddy=a", "is no fault"),
        ("never_ready", "NAME=VALUE"),
        ("slow_seconds=soon", "wants seconds"),
        ("slow_seconds=-1", "wants seconds"),
        ("slow_seconds=nan", "wants seconds"),
        ("helm_fails_first=cluster", "wants cluster/service"),
        ("says_no=cluster", "wants cluster/Condition"),
    ],
)
def test_a_wrong_fault_is_refused(setting, message):
    with pytest.raises(SandboxError, match=message):
        faults.parse([setting])
