"""What the tasks of one run tell each other of the lease: between processes, and nobody else's."""

from __future__ import annotations

import dataclasses
import multiprocessing
import re
import types
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.lease import name_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig, lease
from ansible_collections.k0rdent.kof.plugins.plugin_utils import leases, this_run


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> leases.Memory:
    monkeypatch.setattr(this_run, "name", lambda: "this-run")
    made = leases.Memory("server kcm-system/kof-fleet-kof")
    made.set({})
    return made


def test_a_task_knows_what_another_process_of_the_run_has_taken(memory: leases.Memory) -> None:
    other = leases.Memory("server kcm-system/kof-fleet-other")
    worker = multiprocessing.get_context("fork").Process(target=lambda: memory.set({"renewed": lease.now()}))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert memory.get()["renewed"] <= lease.now()
    assert leases.held()
    assert other.get() == {}
    assert leases.lost() == ""
    memory.set({"lost": "held now by bob"})
    assert (leases.held(), leases.lost()) == (False, "held now by bob")
    memory.set({"renewed": lease.now() - 299})
    assert "wasn't renewed for 299 s" in leases.lost()


def test_what_another_run_of_the_same_process_knew_is_nobody_s(
    memory: leases.Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.set({"renewed": lease.now()})
    monkeypatch.setattr(this_run, "name", lambda: "the-next-run")
    assert memory.get() == {}
    assert not leases.held()


def test_what_is_torn_or_too_long_is_not_believed(memory: leases.Memory) -> None:
    memory.set({"renewed": 1.0})
    memory.set({"lost": "x" * 70_000})
    assert memory.get() == {"renewed": 1.0}
    leases._MEMORY[:8] = leases._LENGTH.pack(4) + b"{{{{"
    assert memory.get() == {}


@pytest.mark.parametrize(
    ("fleet", "name"),
    [("kof", "kof-fleet-kof"), ("a-1", "kof-fleet-a-1"), ("Team_A", r"kof-fleet-team-a-[0-9a-f]{8}")],
)
def test_a_fleet_that_no_object_can_be_called_by_has_a_lease_of_its_own(fleet: str, name: str) -> None:
    assert re.fullmatch(name, name_of(fleet))
    assert len({name_of(each) for each in ("a.b", "a_b", "a-b", "A-b")}) == 4


@pytest.mark.parametrize(("said", "seconds"), [(None, 300), ("", 300), ("7", 7), ("0", 300), ("-1", 300), ("ten", 300)])
def test_a_holder_is_this_run_for_so_long(said: str | None, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(leases._SECONDS, raising=False)
    if said is not None:
        monkeypatch.setenv(leases._SECONDS, said)
    connection: Any = types.SimpleNamespace(server="https://a", reached="a1", lease=None)
    made = leases.of_fleet(connection, "kof", "kcm-system", {"awx_user_name": "ann", leases.SHARED: True})
    assert connection.lease is made
    assert made.path.endswith("/namespaces/kcm-system/leases/kof-fleet-kof")
    assert (made._seconds, made._holder.run, made._holder.shared) == (seconds, this_run.name(), True)
    assert made._holder.told["user"] == "ann"
    assert not lease.gone(made._holder.machine, made._holder.process)


def test_two_clusters_behind_one_address_have_a_lease_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """By two tunnels, one after the other: what is held of the one says nothing of the other. Another user does."""
    monkeypatch.setattr(this_run, "name", lambda: "of-two-clusters")
    here = kubeconfig.Settings("https://127.0.0.1:6443", "here", ca_pem=b"a", authorization="Bearer ann")

    def known(settings: kubeconfig.Settings) -> dict[str, Any]:
        connection: Any = types.SimpleNamespace(server=settings.address, reached=settings.reached, lease=None)
        return dict(leases.of_fleet(connection, "kof", "kcm-system", {})._memory.get())

    connection: Any = types.SimpleNamespace(server=here.address, reached=here.reached, lease=None)
    made = leases.of_fleet(connection, "kof", "kcm-system", {})
    made._memory.set({"lost": "held now by bob"})  # which no thread renews
    assert known(dataclasses.replace(here, authorization="Bearer bob", client_pem=b"c")) == {"lost": "held now by bob"}
    for other in ({"ca_pem": b"b"}, {"ca_pem": None}, {"proxy": "http://p:3128"}, {"tls_server_name": "b"}):
        assert known(dataclasses.replace(here, **other)) == {}, other  # type: ignore[arg-type]
    assert known(dataclasses.replace(here, server="https://127.0.0.1:6443/k8s/clusters/b")) == {}
    made._memory.set({})
