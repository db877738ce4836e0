"""SIGKILL at 30 random writes over install, restore, prune and uninstall, to the API server and to AWS: the run that
follows at once ends right, which is with the very objects that an undisturbed run leaves.

A write isn't passed on, or is done and its answer lost; only ansible-playbook is killed, or all below it, too. The seed
that a test has in its name decides. Takes about half an hour: `make acceptance-long TOPIC=leave_killed`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import example_fleet
import killers
import pytest
from support import LEASES, Run, Sandbox, finish
from test_leave_uninstall import at_aws, ours, served
from test_site_killed import iam_keys, key_of_the_secret

from sandbox import lifecycle
from sandbox.api import ApiFailure, connect
from sandbox.fault_proxy import FaultProxy

pytestmark = pytest.mark.long

SEEDS = range(6)
WHOLE = example_fleet.fleet(2, 4)
KEEPS, LEAVES = WHOLE.regionals
GONE = {LEAVES, *(name for name, each in WHOLE.children.items() if each["child_regional"] == LEAVES)}
#: Helm's time-out is short, so that a release whose helm was killed is soon older than that.
QUICK = ("-e", json.dumps({"kof_verify": False, "mothership_helm_timeout": 20}))
#: Everything but what is at AWS, to which the restored Secret has the key.
ALSO = "platform_admin,dns_secret,templates,namespace,crds"
#: What the API server and controllers choose anew each time: addresses, volumes and their nodes.
CHOSEN = {"Service": {"clusterIP", "clusterIPs"}, "PersistentVolumeClaim": {"volumeName"}}
NOTED = ("pv.kubernetes.io/", "volume.kubernetes.io/", "volume.beta.kubernetes.io/")
Objects = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """What is killed: a playbook on the whole inventory or on the smaller one, and its arguments."""

    playbook: str
    smaller: bool
    arguments: tuple[str, ...]


#: A life, in which each begins where the one before has ended, and the first where the last has.
LIFE = {
    "install": Step("site", False, ()),
    "uninstall-but-aws": Step(
        "uninstall", False, ("-e", json.dumps({"kof_uninstall_confirm": "sandbox", "kof_uninstall_also": ALSO}))
    ),
    "restore": Step("restore", False, ()),
    "prune": Step("prune", True, ("-e", "kof_prune_confirm=sandbox", "-e", f"kof_max_delete={len(GONE)}")),
    "uninstall-all": Step(
        "uninstall", True, ("-e", json.dumps({"kof_uninstall_confirm": "sandbox", "kof_uninstall_also": "all"}))
    ),
}


@dataclasses.dataclass
class Undisturbed:
    """What a step does when nobody kills it."""

    writes: list[str]
    objects: Objects
    at_aws: set[str]


class World:
    """A management cluster behind a relay that kills, and how far its fleet is in LIFE."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path, killer: killers.Killer, kubeconfig: str, aws: str):
        self.sandbox, self.folder, self.killer = sandbox, folder, killer
        self.saved: dict[str, Any] = {}
        self.at: str | None = None  # the last step that has ended well; None: nobody knows
        relayed = {"kof_kubeconfig": kubeconfig, "kof_inventory_complete": True}
        fleet = dataclasses.replace(
            WHOLE,
            shared={**WHOLE.shared, **relayed},
            mothership={**WHOLE.mothership, "dns_credentials_endpoint_url": aws},
        )
        left = dataclasses.replace(
            fleet,
            regionals={name: each for name, each in fleet.regionals.items() if name not in GONE},
            children={name: each for name, each in fleet.children.items() if name not in GONE},
        )
        self.whole, self.smaller = (
            sandbox.inventory(folder / name, each) for name, each in (("whole", fleet), ("smaller", left))
        )
        (folder / "password").write_text("open sesame")

    def words(self, step: Step) -> tuple[str, ...]:
        vault = ("--vault-id", f"prod@{self.folder / 'password'}", "-e", f"backup_folder={self.folder / 'backup'}")
        file = ("-e", f"restore_file={each}") if (each := next(self.folder.glob("backup/*"), None)) else ()
        return (*QUICK, *vault, *file, *step.arguments)

    def inventory(self, step: Step) -> str:
        return self.smaller if step.smaller else self.whole

    def run(self, step: Step) -> Run:
        return self.sandbox.playbook(step.playbook, *self.words(step), inventory=self.inventory(step))

    def save(self) -> None:
        """What the fleet is now is what will be restored, with the key that AWS knows now."""
        for each in self.folder.glob("backup/*"):
            each.unlink()
        run = self.run(Step("backup", False, ()))
        assert run.code == 0, run.output
        self.saved = logins(self.sandbox)

    def take(self, name: str) -> Undisturbed:
        """Do a step, and nobody disturbs it."""
        if name == "uninstall-but-aws":
            self.save()
        self.killer.count()
        run = self.run(LIFE[name])
        assert run.code == 0, run.output
        self.at = name
        return Undisturbed(self.killer.writes, objects(self.sandbox), at_aws(self.sandbox))

    def bring_before(self, name: str) -> None:
        """So that the step may begin: where it isn't by now, from the beginning."""
        before = list(LIFE)[list(LIFE).index(name) - 1]
        if self.at == before:
            return
        self.sandbox.take_kof_away()
        self.at = list(LIFE)[-1]
        for each in LIFE:
            if self.at == before:
                break
            self.take(each)

    def killed_in(self, step: Step, number: int, *, after: bool, whole_tree: bool) -> contextlib.ExitStack:
        """Begin it, and kill it at a write. Who only lost its first process may still have others: leaving the stack
        waits for their end."""
        words = self.words(step)
        started = self.sandbox.start_playbook(step.playbook, *words, inventory=self.inventory(step))
        process = started[0]
        self.killer.at(number, after=after, kill=lambda: killers.kill(process.pid, whole_tree=whole_tree))
        rest = contextlib.ExitStack()
        rest.callback(finish, started)
        process.wait(600)
        return rest


def objects(sandbox: Sandbox) -> Objects:
    """All that is there of the fleet and of kof's charts, of every kind that is served, as somebody wants it."""
    end = time.monotonic() + 60
    while True:
        try:
            return _objects(sandbox)
        except ApiFailure:  # of a kind whose CRD comes or goes: 404, 429
            if time.monotonic() > end:
                raise
            time.sleep(1)


def _objects(sandbox: Sandbox) -> Objects:
    found = {}
    with connect(sandbox.folder / "mothership.kubeconfig") as api:
        for answer in (api.request("GET", path) for path in served(api)):
            kind = answer["kind"].removesuffix("List")
            for item in answer["items"]:
                name = ours(kind, item["metadata"])
                if name and not _passing(kind, item):
                    found[name] = _wanted(kind, item)
    return found


def _passing(kind: str, item: Mapping[str, Any]) -> bool:
    """Of runs and of helm, as many as there were; and what a controller makes of something else that is looked at."""
    name = item["metadata"]["name"]
    if any(each.get("controller") for each in item["metadata"].get("ownerReferences") or ()):
        return True
    return item.get("type") == "helm.sh/release.v1" or (kind == "ConfigMap" and name.startswith("kof-run-"))


def _wanted(kind: str, item: Mapping[str, Any]) -> Any:
    """Without what servers and controllers add. Of Secrets which keys: an install makes them of random texts."""
    meta = item["metadata"]
    notes = {key: each for key, each in (meta.get("annotations") or {}).items() if not key.startswith(NOTED)}
    kept = {"labels": meta.get("labels") or {}, "annotations": notes}
    content = {key: each for key, each in item.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    if kind in CHOSEN:
        content["spec"] = {key: each for key, each in item["spec"].items() if key not in CHOSEN[kind]}
    if kind == "Secret":
        content["data"] = sorted(content.get("data") or {})
    return {**kept, **content}


def holders(leases: list[Any]) -> list[str]:
    return [each["spec"]["holderIdentity"] for each in leases if "kof" in each["metadata"]["name"]]


def logins(sandbox: Sandbox) -> dict[str, Any]:
    names = ("storage-vmuser-credentials", "grafana-admin-credentials", "external-dns-aws-credentials")
    return {name: sandbox.get("secret", "-n", "kof", name)["data"] for name in names}


def releases(sandbox: Sandbox) -> dict[str, str]:
    listed = json.loads(sandbox.helm("list", "-n", "kof", "-a", "-o", "json"))
    return {each["name"]: each["status"] for each in listed}


def soon(found: Callable[[], Any], wanted: Any) -> Any:
    """What is found, once it is what is wanted, or in the end: controllers are at work after a run, too."""
    end = time.monotonic() + 60
    while (now := found()) != wanted and time.monotonic() < end:
        time.sleep(1)
    return now


@pytest.fixture(scope="module")
def world(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, killer = tmp_path_factory.mktemp("killed"), killers.Killer()
    direct = pathlib.Path(own_sandbox.endpoints["kof_kubeconfig"])
    with (
        FaultProxy(own_sandbox.folder, direct, lifecycle.MOTHERSHIP) as proxy,
        killers.aws_watched(own_sandbox.endpoints["aws"], killer) as aws,
    ):
        killers.watched(proxy, killer)
        relayed = proxy.write_kubeconfig(folder / "relayed.kubeconfig")
        yield World(own_sandbox, folder, killer, str(relayed), aws)
    own_sandbox.take_kof_away()


@pytest.fixture(scope="module")
def undisturbed(world: World) -> dict[str, Undisturbed]:
    """A whole life."""
    world.sandbox.take_kof_away()
    return {name: world.take(name) for name in LIFE}


@pytest.mark.parametrize("name", LIFE)
@pytest.mark.parametrize("seed", [pytest.param(each, id=f"seed{each}") for each in SEEDS])
def test_killed_at_a_random_write(world: World, undisturbed: dict[str, Undisturbed], seed: int, name: str) -> None:
    step, wanted, chance = LIFE[name], undisturbed[name], random.Random(f"{seed} {name}")
    # Of a hundred writes one run has one or two less than another: what a controller has done by then it need not do.
    most = len(wanted.writes) - len(wanted.writes) // 50
    number, after = chance.randint(1, most), chance.random() < 0.5
    whole_tree = chance.random() < 0.5
    world.bring_before(name)
    if name == "uninstall-but-aws":
        world.save()
    world.at = None
    with world.killed_in(step, number, after=after, whole_tree=whole_tree):
        told = f"write {number} of {len(wanted.writes)}, {world.killer.killed}; after: {after}, tree: {whole_tree}"
        print(told)
        assert world.killer.killed, f"only {len(world.killer.writes)} writes came: {told}"
        leases = world.sandbox.items(LEASES)
        assert all(each["spec"]["leaseDurationSeconds"] <= 300 for each in leases)
        world.killer.count()
        again = world.run(step)
    assert again.code == 0, f"{told}\n{again.output}"
    world.at = name
    assert "Watching for a sign of life" not in again.output, "a dead one of this machine is known at once"
    left = [each for each in world.sandbox.items(LEASES) if "kof" in each["metadata"]["name"]]
    if left:  # who has nothing to write takes none, and leaves a dead one's to who has
        assert (world.killer.writes, holders(left)) == ([], holders(leases)), f"{told}\n{again.output}"
    found = soon(lambda: objects(world.sandbox), wanted.objects)
    assert found.keys() ^ wanted.objects.keys() == set(), told
    differ = {key: (each, wanted.objects[key]) for key, each in found.items() if each != wanted.objects[key]}
    assert differ == {}, told
    assert at_aws(world.sandbox) == wanted.at_aws, told
    if step.playbook == "uninstall":
        assert releases(world.sandbox) == {}
    else:
        assert releases(world.sandbox) == {"kof-operators": "deployed", "kof-mothership": "deployed"}
        assert iam_keys(world.sandbox) == [key_of_the_secret(world.sandbox)], told
    if name in ("restore", "prune"):
        assert logins(world.sandbox) == world.saved, told
