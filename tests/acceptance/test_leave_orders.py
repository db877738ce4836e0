"""Random fleets, owners and orders of removal on a real API server, with a controller that takes its time: no parent
goes before its children, nothing of others goes, and what goes is what a rule of three lines says.

In the process of the test, by the code that the actions are made of: a run of Ansible each would take a day.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.action.fleet_delete import _Deleting
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.deletion import Deletion
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.uninstall import Uninstall
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import objects
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import with_defaults
from sandbox.fixtures import ControlPlane

KINDS = (
    ("k0rdent.mirantis.com/v1alpha1", "ClusterDeployment", "kcm-system"),
    ("kof.k0rdent.mirantis.com/v1alpha1", "PromxyServerGroup", "kof"),
    ("grafana.integreatly.org/v1beta1", "GrafanaDatasource", "kof"),
)
DEPLOYMENTS = KINDS[0]
HOLD = "tests/hold"
MINE, THEIRS, NOBODYS = "mine", "theirs", ""
PARSE: Mapping[str, Any] = {"regional": model.parse_regional, "child": model.parse_child}


@dataclass(frozen=True)
class Cluster:
    """
    :ivar owner: the fleet that its live objects are of; empty for a person's.
    :ivar listed: whether it is a host of our inventory.
    """

    name: str
    layer: str
    owner: str
    listed: bool
    regional: str = ""


@dataclass
class Fleets:
    """One random situation."""

    version: str
    clusters: list[Cluster] = field(default_factory=list)

    @classmethod
    def of(cls, chance: random.Random) -> Fleets:
        found = cls(chance.choice(sorted(RELEASES)))
        owners = (MINE,) * 6 + (THEIRS, NOBODYS)
        for number in range(chance.randint(1, 3)):
            owner = chance.choice(owners)
            name = f"r{number}"
            found.clusters.append(Cluster(name, "regional", owner, owner == MINE and chance.random() < 0.95))
            for child in range(chance.randint(0, 3)):
                of = chance.choice(owners)
                listed = of == MINE and chance.random() < 0.9
                found.clusters.append(Cluster(f"{name}-c{child}", "child", of, listed, name))
        return found

    def fleet(self, clusters: list[Cluster], fleet: str = MINE) -> Fleet:
        """As an inventory has these."""
        made = Fleet(batch={layer: [] for layer in ("mothership", "regional", "child")})
        shared = {
            "kof_version": self.version,
            "kof_fleet": fleet,
            "kof_wait_timeout": 30,
            "kof_max_fail_percentage": 100,
        }
        for each in clusters:
            own: dict[str, Any] = {"child_regional": each.regional} if each.layer == "child" else {}
            if each.layer == "regional":
                own = {"regional_domain": f"{each.name}.example.com", "regional_admin_email": "a@example.com"}
            values = {**shared, **own, f"{each.layer}_template": "aws-standalone-cp-0-1-0"}
            cluster, faults = PARSE[each.layer](each.name, values)
            assert not faults, faults
            made.batch[each.layer].append(each.name)
            made.variables[each.name] = with_defaults(each.layer, values)
            made.clusters[each.name], made.layer_of[each.name] = cluster, each.layer
        return made

    def manifests(self) -> Iterator[dict[str, Any]]:
        """The live objects, as each owner has made them."""
        for each in self.clusters:
            one = self.fleet([each], each.owner or "somebody").clusters[each.name]
            domain = f"{each.regional}.example.com" if each.regional else None
            template = "aws-standalone-cp-0-1-0"
            given: Given[Any] = Given(RELEASES[self.version], "v1alpha1", template=template, regional_domain=domain)
            for item in objects(each.layer, one, given):
                if (item["apiVersion"], item["kind"], item["metadata"]["namespace"]) not in KINDS:
                    continue
                if not each.owner:
                    item["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
                yield item


class Controller(threading.Thread):
    """Holds ClusterDeployments for a random while after they are deleted, and notes in which order they begin to go and
    are gone."""

    def __init__(self, connection: Connection, chance: random.Random, version: str) -> None:
        super().__init__(daemon=True)
        self.connection, self.chance, self.version = connection, chance, version
        self.events: list[tuple[str, str]] = []
        self.ends = threading.Event()

    def run(self) -> None:
        path = self.connection.path(*DEPLOYMENTS)
        held: dict[str, float] = {}
        going: set[str] = set()
        while not self.ends.is_set():
            for item in self.connection.list_objects(path)[0]:
                name, metadata = item["metadata"]["name"], item["metadata"]
                if "deletionTimestamp" in metadata and name not in going:
                    going.add(name)
                    self.events.append((name, "going"))
                    held[name] = time.monotonic() + self.chance.choice((0, 0, 0.02, 0.1))
            for name, until in list(held.items()):
                if time.monotonic() >= until:
                    del held[name]
                    self.events.append((name, "gone"))  # before it is: nobody can have seen it gone earlier
                    free = {"metadata": {"finalizers": None}}
                    with contextlib.suppress(Exception):
                        self.connection.request(
                            "PATCH", f"{path}/{name}", body=free, content_type="application/merge-patch+json"
                        )
            time.sleep(0.005)


def everything(connection: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (kind, item["metadata"]["name"]): item
        for version, kind, space in KINDS
        for item in connection.list_objects(connection.path(version, kind, space))[0]
    }


def clean(connection: Connection) -> None:
    for version, kind, space in KINDS:
        path = connection.path(version, kind, space)
        for item in connection.list_objects(path)[0]:
            free = {"metadata": {"finalizers": None}}
            one = f"{path}/{item['metadata']['name']}"
            connection.request("PATCH", one, body=free, content_type="application/merge-patch+json")
            with contextlib.suppress(Exception):
                connection.request("DELETE", one)


def goes(fleets: Fleets, batch: list[Cluster]) -> set[str]:
    """The rule: a child of the run goes, a regional of it where nobody else sends to it. By whatever live object."""
    children = {each.name for each in batch if each.layer == "child"}
    return children | {
        each.name
        for each in batch
        if each.layer == "regional"
        and all(one.name in children for one in fleets.clusters if one.regional == each.name)
    }


@pytest.fixture(scope="module")
def connection(control_plane: ControlPlane) -> Iterator[Connection]:
    for name in ("kof", "kcm-system"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as found:
        yield found


def one_round(connection: Connection, seed: int) -> None:
    chance = random.Random(seed)
    fleets = Fleets.of(chance)
    clean(connection)
    for item in fleets.manifests():
        if item["kind"] == "ClusterDeployment":
            item["metadata"]["finalizers"] = [HOLD]
        path = connection.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
        connection.request("POST", path, body=item)
    before = everything(connection)
    listed = [each for each in fleets.clusters if each.listed]
    order = random.Random(seed + 1)
    controller = Controller(connection, order, "")
    controller.start()
    gone: set[str] = set()
    try:
        # Some of it in some order, then all, as people do.
        steps = [[each for each in listed if order.random() < 0.5] for _step in range(order.randint(0, 2))]
        for batch in (*steps, listed):
            if not batch:
                continue
            left = Fleets(fleets.version, [each for each in fleets.clusters if each.name not in gone])
            fleet = fleets.fleet(batch)
            deleting = _Deleting(connection, Deletion(fleet, "v1alpha1"), check_mode=False)
            deleting.run(MINE, [], diff=False)
            gone |= goes(left, [each for each in batch if each.name not in gone])
    finally:
        controller.ends.set()
        controller.join()
    after = everything(connection)
    assert {name for kind, name in before if kind == "ClusterDeployment" and (kind, name) not in after} == gone
    # Nothing of others, and of them not a field.
    owners = {each.name: each.owner for each in fleets.clusters}
    of = lambda name: owners[name.removesuffix("-metrics").removesuffix("-logs")]  # noqa: E731
    for (kind, name), item in before.items():
        if of(name) != MINE:
            assert after[kind, name]["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
    # No parent before its child.
    parents = {each.name: each.regional for each in fleets.clusters if each.regional}
    for index, (name, what) in enumerate(controller.events):
        if what == "going" and name in parents.values():
            sending = {child for child, parent in parents.items() if parent == name}
            assert sending <= {each for each, event in controller.events[:index] if event == "gone"}, controller.events
    # What reads from regions goes with the last cluster and not before.
    if listed:
        work = Uninstall(connection, fleets.fleet(listed), frozenset(), False, lambda _line: None)
        living = {each.name for each in fleets.clusters if each.owner == MINE} - gone
        if living:
            with pytest.raises(FleetFault, match="are still there"):
                work.objects()
        else:
            work.objects()
            assert not [name for kind, name in everything(connection) if of(name) == MINE]
        assert {key for key in after if of(key[1]) != MINE} <= set(everything(connection))


@pytest.mark.parametrize("seed", range(10))
def test_a_handful(connection: Connection, seed: int) -> None:
    one_round(connection, seed)


@pytest.mark.long
@pytest.mark.parametrize("hundred", range(10))
def test_a_hundred_of_a_thousand(connection: Connection, hundred: int) -> None:
    for seed in range(10 + 100 * hundred, 110 + 100 * hundred):
        one_round(connection, seed)
