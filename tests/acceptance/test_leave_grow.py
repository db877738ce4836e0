"""What a grown or changed inventory does by site.yml alone: more regions, more children, a child that moves, a host by
another name.

The tests build on each other, in file order.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import example_fleet
import pytest
from support import DEPLOYMENTS, Run, Sandbox

GROWN = example_fleet.fleet(2, 4)
FIRST, SECOND = GROWN.regionals
MOVES, *STAY = [name for name, each in GROWN.children.items() if each["child_regional"] == FIRST]
DOMAIN = {name: each["regional_domain"] for name, each in GROWN.regionals.items()}


class Fleet:
    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder

    def site(self, fleet: example_fleet.Fleet, *arguments: str) -> Run:
        whole = dataclasses.replace(fleet, shared={**fleet.shared, "kof_inventory_complete": True})
        inventory = self.sandbox.inventory(self.folder, whole)
        quick = ("--skip-tags", "dns_credentials", "-e", "kof_verify=false")
        return self.sandbox.playbook("site", *quick, *arguments, inventory=inventory)

    def sends_to(self) -> dict[str, set[str]]:
        """By cluster, the regional clusters that its collectors name."""
        found: dict[str, set[str]] = {}
        for each in self.sandbox.items(DEPLOYMENTS):
            text = "".join(
                service.get("values", "")
                for service in each["spec"]["serviceSpec"]["services"]
                if service["name"] == "kof-collectors"
            )
            found[each["metadata"]["name"]] = {name for name, domain in DOMAIN.items() if f"vmauth.{domain}" in text}
        return found


@pytest.fixture(scope="module")
def grown(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One region with one child."""
    fleet = Fleet(fleet_sandbox, tmp_path_factory.mktemp("grow") / "fleet")
    small = example_fleet.Fleet(
        GROWN.shared,
        GROWN.mothership,
        {FIRST: GROWN.regionals[FIRST]},
        {STAY[0]: GROWN.children[STAY[0]]},
        {FIRST: GROWN.usual[FIRST]},
    )
    run = fleet.site(small)
    assert run.code == 0, run.output
    yield fleet
    fleet_sandbox.delete_clusters()


def names(run: Run) -> set[str]:
    """Of the objects that changed."""
    return {what.rpartition("/")[2] for what, _action in run.changes()}


def test_more_regions_and_children_are_made_and_the_others_left_alone(grown: Fleet) -> None:
    new = {*GROWN.children, SECOND, f"{SECOND}-metrics", f"{SECOND}-logs"} - {STAY[0]}
    predicted = grown.site(GROWN, "--check")
    assert predicted.code == 0, predicted.output
    run = grown.site(GROWN)
    assert run.code == 0, run.output
    assert names(run) == names(predicted) == new
    assert grown.sends_to()[MOVES] == {FIRST}


def moved() -> example_fleet.Fleet:
    children = {**GROWN.children, MOVES: {**GROWN.children[MOVES], "child_regional": SECOND}}
    return dataclasses.replace(GROWN, children=children, usual={})


def inventory_of_hosts(fleet: example_fleet.Fleet) -> example_fleet.Fleet:
    """With each child in a group of the region it names, whatever it is called."""
    return dataclasses.replace(fleet, usual={name: {"child_regional": name} for name in fleet.regionals})


def test_a_child_moves_and_it_is_told_where_its_history_stays(grown: Fleet) -> None:
    wanted = inventory_of_hosts(moved())
    predicted = grown.site(wanted, "--check")
    run = grown.site(wanted)
    for each in (predicted, run):
        assert each.code == 0, each.output
        assert names(each) == {MOVES}
        told = " ".join(each.output.replace("│", " ").split())
        rows = [row for event in each.events for row in event.get("result", {}).get("checks", ())]
        (row,) = {(row["found"], row["remedy"]) for row in rows if row["name"] == "child moves"}
        assert row[0] == f"{MOVES} sends to {FIRST}, and will to {SECOND}", told
        assert "what it has sent stays there, and is asked by promxy" in row[1]
    assert grown.sends_to()[MOVES] == {SECOND}
    # Its old region is asked as before.
    groups = "/apis/kof.k0rdent.mirantis.com/v1alpha1/namespaces/kof/promxyservergroups"
    assert {each["spec"]["cluster_name"] for each in grown.sandbox.items(groups)} == {FIRST, SECOND}
    again = grown.site(wanted)
    assert (again.code, again.changes()) == (0, set()), again.output
    assert "child moves" not in again.output


def test_a_host_by_another_name_is_the_same_cluster(grown: Fleet) -> None:
    fleet = moved()
    regionals = dict(fleet.regionals)
    regionals["frankfurt"] = {**regionals.pop(SECOND), "regional_cluster_name": SECOND}
    children = {
        f"a-{name}": {
            **each,
            "child_cluster_name": name,
            "child_regional": "frankfurt" if each["child_regional"] == SECOND else each["child_regional"],
        }
        for name, each in fleet.children.items()
    }
    renamed = inventory_of_hosts(dataclasses.replace(fleet, regionals=regionals, children=children))
    mark = grown.sandbox.audit_mark()
    run = grown.site(renamed)
    assert (run.code, run.changes()) == (0, set()), run.output
    assert grown.sandbox.mutations_since(mark) == []
    assert "cluster-left-inventory" not in run.output


def test_a_regional_by_another_cluster_name_is_refused_and_the_old_one_told(grown: Fleet) -> None:
    fleet = moved()
    regionals = {**fleet.regionals, SECOND: {**fleet.regionals[SECOND], "regional_cluster_name": "frankfurt"}}
    mark = grown.sandbox.audit_mark()
    run = grown.site(inventory_of_hosts(dataclasses.replace(fleet, regionals=regionals)))
    assert run.code != 0
    told = " ".join(run.output.replace("│", " ").split())
    assert f"{DOMAIN[SECOND]} is the domain of the live cluster {SECOND}" in told
    assert f"{SECOND}: live, and not in the inventory" in told
    assert grown.sandbox.mutations_since(mark) == []
