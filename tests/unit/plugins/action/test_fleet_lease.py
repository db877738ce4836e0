"""The lease in real runs: whoever is about to write takes it, gives it back, and is told of another that has it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from unit.plugins.action.test_helm_release_action import chart, release

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.lease import name_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect

__all__ = ["chart"]
LABELS = {"app.kubernetes.io/managed-by": "k0rdent.kof", "app.kubernetes.io/part-of": "actions"}
HELD = {"k0rdent.kof.fleet_lease": {"fleet": "{{ kof_fleet }}"}, "run_once": True}
REFUSED = "another run is at work on fleet actions: bob on elsewhere, job 7 nightly, k0rdent.kof.site (since 20"
NAMESPACE = f"kof-of-lease-{secrets.token_hex(3)}"  # no namespace ends where no controller works


class Memory:
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def get(self) -> dict[str, Any]:
        return self.known

    def set(self, known: Any) -> None:
        self.known = dict(known)


def leases(control_plane: Any) -> list[Any]:
    return list(json.loads(control_plane.kubectl("get", "leases", "-n", "kcm-system", "-o", "json"))["items"])


@pytest.fixture
def space(control_plane: Any) -> Iterator[Connection]:
    """kcm's namespace, and a connection of somebody else's."""
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kcm-system"}}
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
    control_plane.kubectl("delete", "leases", "-n", "kcm-system", "--all")  # of other files' runs, which ended so
    with connect({"kubeconfig": str(control_plane.kubeconfig)}, {}) as connection:
        yield connection
    control_plane.kubectl("delete", "leases", "-n", "kcm-system", "--all")


@pytest.fixture
def another(space: Connection) -> Iterator[lease.Lease]:
    """A run of another machine that is at work."""
    told = {"user": "bob", "host": "elsewhere", "job": "7 nightly", "playbook": "k0rdent.kof.site"}
    holder = lease.Holder("kof-run-of-bob", told)
    made = lease.Lease(
        space, ("kcm-system", name_of("actions")), holder, Memory(), of="fleet actions", labels=LABELS, seconds=30
    )
    made.take()
    yield made
    made.release()


@pytest.mark.any_core
def test_it_is_held_and_given_back(control_plane: Any, play: Any, space: Connection) -> None:
    look = play("kof_mothership", HELD, "--check", "-v")
    assert look.returncode == 0, look.stdout
    assert "the lease of fleet actions is free" in look.stdout
    assert leases(control_plane) == []
    run = play("kof_mothership", HELD, "-e", "awx_user_name=ann", "-e", "awx_job_id=9")
    assert run.returncode == 0, run.stdout
    assert "changed=0" in run.stdout
    (held,) = leases(control_plane)
    assert held["metadata"]["name"] == "kof-fleet-actions"
    assert LABELS.items() <= held["metadata"]["labels"].items()
    ((name, holder),) = json.loads(held["metadata"]["annotations"][lease.HOLDERS]).items()
    assert name == held["spec"]["holderIdentity"]
    assert (holder["told"]["user"], holder["told"]["job"]) == ("ann", "9")
    assert "held by ann on " in play("kof_mothership", HELD, "--check", "-v").stdout
    # That run has ended: the next one of this machine doesn't wait for it.
    released = {"k0rdent.kof.fleet_lease": {"fleet": "actions", "state": "released"}}
    run = play("kof_mothership", released, pre_tasks=[HELD])
    assert run.returncode == 0, run.stdout
    assert leases(control_plane) == []
    assert "Watching" not in run.stdout
    # As at the end of every playbook of ours, whether a record is kept or not.
    run = play("kof_mothership", {"k0rdent.kof.fleet_record": {}}, pre_tasks=[HELD])
    assert "nothing changed" in play("kof_mothership", {"k0rdent.kof.fleet_record": {}}, "-v", pre_tasks=[HELD]).stdout
    assert run.returncode == 0, run.stdout
    assert leases(control_plane) == []


@pytest.mark.any_core
@pytest.mark.parametrize(("fleet", "why"), [("", "fleet: is empty"), ("a b", "fleet: must be at most 63 letters")])
def test_no_lease_is_taken_of_what_can_be_no_fleet(
    control_plane: Any, play: Any, space: Connection, fleet: str, why: str
) -> None:
    run = play("kof_mothership", {"k0rdent.kof.fleet_lease": {"fleet": fleet}})
    assert run.returncode != 0
    assert why in run.stdout
    assert leases(control_plane) == []


def test_a_fleet_action_takes_it_before_its_first_write_and_gives_it_back_where_it_fails(
    control_plane: Any, play: Any, space: Connection
) -> None:
    apply = {"k0rdent.kof.fleet_apply": {"layer": "mothership"}}
    ours = ("-e", f"kof_namespace={NAMESPACE}")
    mark = control_plane.audit.stat().st_size
    run = play("kof_mothership", apply, *ours)
    assert run.returncode == 0, run.stdout
    sent = writes(control_plane, mark)
    assert [each.partition(" ")[0] for each in sent] == ["create", "patch"], sent
    assert "/leases" in sent[0]
    mark = control_plane.audit.stat().st_size
    run = play("kof_mothership", apply, *ours)
    assert run.returncode == 0, run.stdout
    assert writes(control_plane, mark) == []
    # What fails is over: nobody waits for the process to end.
    never = {"k0rdent.kof.fleet_wait": {"layer": "regional"}, "ignore_errors": True}
    pause = {"name": "Look", "ansible.builtin.debug": {"msg": "after"}}
    assert leases(control_plane)
    run = play("kof_regional", pause, "-e", "kof_wait_timeout=1", pre_tasks=[HELD, never])
    assert "...ignoring" in run.stdout, run.stdout
    assert leases(control_plane) == []


def writes(control_plane: Any, since: int) -> list[str]:
    found = []
    for line in control_plane.audit.read_bytes()[since:].splitlines():
        entry = json.loads(line)
        ours = entry["user"]["username"] == "k0rdent-kof" and entry["verb"] not in ("get", "list", "watch")
        if ours and "dryRun" not in entry["requestURI"]:
            found.append(f"{entry['verb']} {entry['requestURI']}")
    return found


def test_who_finds_another_at_work_writes_nothing_and_names_it(
    control_plane: Any, play: Any, another: lease.Lease, chart: str
) -> None:
    tasks = (
        {"k0rdent.kof.fleet_apply": {"layer": "mothership"}},
        release(chart, namespace=f"{NAMESPACE}-helm", fleet="actions"),
        HELD,
    )
    mark = control_plane.audit.stat().st_size
    for task in tasks:
        run = play("kof_mothership", task, "-e", f"kof_namespace={NAMESPACE}-2")
        assert run.returncode != 0, task
        assert REFUSED in " ".join(run.stdout.split()), run.stdout
        assert "Nothing was changed by this task" in " ".join(run.stdout.split())
    assert [each for each in writes(control_plane, mark) if "/leases" not in each] == []
    ours = [each for each in writes(control_plane, mark) if each.startswith(("create", "delete"))]
    assert ours == []
    another.check()


def test_helm_is_at_work_with_the_lease_only(control_plane: Any, play: Any, space: Connection, chart: str) -> None:
    run = play("kof_mothership", release(chart, namespace=f"{NAMESPACE}-helm", fleet="actions", values={"text": "a"}))
    assert run.returncode == 0, run.stdout
    assert "changed=1" in run.stdout
    assert [each["metadata"]["name"] for each in leases(control_plane)] == ["kof-fleet-actions"]
    control_plane.kubectl("delete", "leases", "-n", "kcm-system", "--all")
    # With nothing to do it needs none.
    run = play("kof_mothership", release(chart, namespace=f"{NAMESPACE}-helm", fleet="actions", values={"text": "a"}))
    assert "changed=0" in run.stdout, run.stdout
    assert leases(control_plane) == []
    task = release(chart, namespace=f"{NAMESPACE}-gone", fleet="actions", release_state="absent")
    run = play("kof_mothership", task)
    assert run.returncode == 0, run.stdout
    assert "changed=0" in run.stdout, run.stdout
    assert leases(control_plane) == []
    run = play("kof_mothership", release(chart, namespace=f"{NAMESPACE}-helm", fleet="actions", release_state="absent"))
    assert "changed=1" in run.stdout, run.stdout
    assert leases(control_plane) != []


@pytest.mark.any_core
def test_one_that_a_finalizer_holds_is_told_and_not_waited_for(
    control_plane: Any, play: Any, space: Connection
) -> None:
    """Somebody's controller holds it after it was given back: the next run says whose it is, and what helps."""
    run = play("kof_mothership", HELD)
    assert run.returncode == 0, run.stdout
    name = ("leases", "kof-fleet-actions", "-n", "kcm-system")
    hold, free = ({"metadata": {"finalizers": each}} for each in (["example.com/hold"], None))
    control_plane.kubectl("patch", *name, "--type=merge", "-p", json.dumps(hold))
    try:
        run = play("kof_mothership", HELD, "-v")  # takes over what the first run left, and leaves it likewise
        released = {"k0rdent.kof.fleet_lease": {"fleet": "actions", "state": "released"}}
        both = play("kof_mothership", {"block": [HELD, released]})
        assert (run.returncode, both.returncode) == (0, 0), both.stdout
        (left,) = leases(control_plane)
        assert left["metadata"]["deletionTimestamp"]
        assert json.loads(left["metadata"]["annotations"][lease.HOLDERS]) == {}
        assert "holderIdentity" not in left["spec"]
        stuck = play("kof_mothership", HELD)
        assert stuck.returncode != 0
        told = " ".join(stuck.stdout.split())
        assert "doesn't go, as somebody's finalizer holds it: example.com/hold" in told
        assert "kubectl patch lease kof-fleet-actions -n kcm-system --type=merge" in told
        assert "Traceback" not in told
    finally:
        control_plane.kubectl("patch", *name, "--type=merge", "-p", json.dumps(free))
    assert play("kof_mothership", HELD).returncode == 0
