"""Example fleets of any size, as inventories: for benchmarks and tests, or to try a rollout on.

    python -m example_fleet --regions 100 --children 1000 --seed 1 -e kof_kubeconfig=~/.kube/config FOLDER
    ansible-playbook -i FOLDER playbooks/render.yml

The same arguments give the same bytes. May hold: what a fleet looks like. May not hold: anything about the sandbox,
a test or a benchmark; those pass their own variables.
"""

from __future__ import annotations

import argparse
import pathlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

AREAS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1", "ap-east-1", "ap-northeast-1", "ap-southeast-1",
    "ap-southeast-2",
)  # fmt: skip
MACHINES = ("t3.large", "t3.xlarge", "m5.large", "m5.xlarge", "m6i.2xlarge")
TEAMS = ("payments", "search", "checkout", "platform", "data", "mobile")
MOTHERSHIP = "mothership"

Variables = dict[str, Any]


@dataclass(frozen=True)
class Fleet:
    """One mothership; the variables of each regional and each child host, by host name.

    :ivar shared: variables of group all.
    :ivar mothership: variables of the one host of kof_mothership.
    :ivar usual: what most children of a regional have in common, by the regional's name.
    """

    shared: Variables
    mothership: Variables
    regionals: dict[str, Variables]
    children: dict[str, Variables]
    usual: dict[str, Variables] = field(default_factory=dict)

    @property
    def inventory(self) -> dict[str, Any]:
        """As one YAML inventory without group_vars files: a group for each region's children, with what they share."""
        return {
            "all": {"vars": self.shared},
            "kof_mothership": {"hosts": {MOTHERSHIP: self.mothership or None}},
            "kof_regional": {"hosts": self.regionals},
            "kof_child": {"children": {f"kof_child_{name.replace('-', '_')}": group for name, group in self._groups()}},
        }

    def _groups(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The children of each regional that has some, with the variables in which they differ from what is usual."""
        for regional, usual in self.usual.items():
            hosts = {
                name: {key: value for key, value in own.items() if usual.get(key) != value} or None
                for name, own in self.children.items()
                if own["child_regional"] == regional
            }
            if hosts:
                yield regional, {"vars": usual, "hosts": hosts}


def fleet(regions: int, children: int, seed: int = 1, shared: Mapping[str, Any] | None = None) -> Fleet:
    """A fleet of that size. Children are spread over the regions unevenly, as they are; each has one at random, and
    every fourth has other machines than is usual there.

    :param seed: another seed, another fleet.
    :param shared: variables of group all, over the generator's own.
    :raises ValueError: a number is negative, or there are children and no region.
    """
    if regions < 0 or children < 0 or (children and not regions):
        raise ValueError(f"{regions} regions and {children} children: a child needs a region, and none is negative")
    chance = random.Random(seed)
    regionals: dict[str, Variables] = {}
    for number in range(regions):
        area = AREAS[number % len(AREAS)]
        name = f"aws-{area}-{number // len(AREAS) + 1}"
        regionals[name] = {
            "regional_domain": f"{name}.kof.example.com",
            "regional_config": _config(chance, area) | {"publicIP": True},
        }
        if chance.random() < 0.2:
            regionals[name]["regional_retention"] = chance.choice(("14d", "60d", "90d"))
    usual = {
        name: {"child_regional": name, "child_config": _config(chance, own["regional_config"]["region"])}
        for name, own in regionals.items()
    }
    of_regional = dict.fromkeys(regionals, 0)
    hosts: dict[str, Variables] = {}
    for _number in range(children):
        # The square prefers the first regions.
        regional = list(regionals)[int(chance.random() ** 2 * regions)]
        of_regional[regional] += 1
        own = {**usual[regional], "child_cluster_labels": {"team": chance.choice(TEAMS)}}
        if chance.random() < 0.25:
            own["child_config"] = _config(chance, regionals[regional]["regional_config"]["region"])
        hosts[f"{regional}-child{of_regional[regional]}"] = own
    everybody = {"kof_version": "0.1.1", "regional_admin_email": "platform@example.com", **(shared or {})}
    return Fleet(everybody, {}, regionals, dict(sorted(hosts.items())), usual)


def at(fleet: Fleet, kof_version: str) -> Fleet:
    """The fleet at another release, without what that one refuses."""
    if kof_version == fleet.shared.get("kof_version", kof_version) or not kof_version.startswith("0.0."):
        return fleet
    regionals = {
        name: {key: value for key, value in own.items() if key != "regional_retention"}
        for name, own in fleet.regionals.items()
    }
    return replace(fleet, shared={**fleet.shared, "kof_version": kof_version}, regionals=regionals)


def _config(chance: random.Random, area: str) -> Variables:
    """Values of ClusterTemplate aws-standalone-cp."""
    return {
        "region": area,
        "clusterIdentity": {"name": "aws-cluster-identity", "namespace": "kcm-system"},
        "controlPlane": {"instanceType": chance.choice(MACHINES)},
        "controlPlaneNumber": chance.choice((1, 3)),
        "worker": {"instanceType": chance.choice(MACHINES), "rootVolumeSize": chance.choice((32, 64, 128))},
        "workersNumber": chance.randint(2, 12),
    }


def write(folder: pathlib.Path, fleet: Fleet) -> pathlib.Path:
    """Write the fleet as an inventory into `folder`, which is made; returns it, as `-i` takes it."""
    (folder / "group_vars").mkdir(parents=True, exist_ok=True)
    hosts = {group: content for group, content in fleet.inventory.items() if group != "all"}
    (folder / "hosts.yml").write_text(_text(hosts))
    (folder / "group_vars" / "all.yml").write_text(_text(fleet.shared))
    return folder


def _text(data: Any) -> str:
    return yaml.dump(data, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, explicit_start=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m example_fleet", description="Write an inventory of a made-up fleet."
    )
    parser.add_argument("--regions", type=int, default=100)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "-e", action="append", default=[], metavar="NAME=VALUE", dest="shared", help="a variable of all"
    )
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    shared = dict(each.split("=", 1) for each in arguments.shared)
    made = fleet(arguments.regions, arguments.children, arguments.seed, shared)
    print(write(arguments.folder, made))


if __name__ == "__main__":
    main()
