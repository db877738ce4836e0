"""inventories/per-region as it is shipped, on a real control plane: a region, another one, the first again, both, and
one deleted. The tests build on each other, in file order, on one sandbox.

What is shown: a run of one region writes to no object of another, whatever is in the other's file.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from support import REPOSITORY, Run, Sandbox

FOLDER = REPOSITORY / "inventories" / "per-region"
US, EU = "us-east-2", "eu-west-1"
CLUSTERS = {
    US: {"aws-us-east-2", "aws-us-east-2-child1", "aws-us-east-2-child2"},
    EU: {"aws-eu-west-1", "aws-eu-west-1-child1"},
}
#: Where what a region has is kept: (resource, namespace).
PLACES = (("clusterdeployments", "kcm-system"), ("promxyservergroups", "kof"), ("grafanadatasources", "kof"))


class Regions:
    """Runs playbooks with the files of some regions. All that the sandbox changes is where everything is."""

    def __init__(self, sandbox: Sandbox, here: pathlib.Path) -> None:
        self.sandbox = sandbox
        ends = sandbox.endpoints
        here.write_text(
            json.dumps(
                {
                    "kof_version": "0.1.1",
                    "kof_fleet": "sandbox",
                    "kof_kubeconfig": ends["kof_kubeconfig"],
                    "kof_helm_binary": ends["helm"],
                    "kof_chart_repository": f"oci://{ends['registry']}/kof/charts",
                    "kof_chart_repository_plain_http": True,
                    "dns_credentials_hosted_zones": ["Z0EXAMPLE00000000000"],
                    "dns_credentials_endpoint_url": ends["aws"],
                    "dns_credentials_aws_access_key": "AKIASANDBOXADMIN0000",
                    "dns_credentials_aws_secret_key": "secret-of-the-sandbox-administrator",
                }
            )
        )
        self._here = here

    def run(self, playbook: str, *regions: str, more: tuple[str, ...] = ()) -> Run:
        sources = [word for region in regions for word in ("-i", str(FOLDER / f"{region}.yml"))]
        mothership = str(FOLDER / "mothership.yml")
        done = self.sandbox.playbook(playbook, *sources, "-e", f"@{self._here}", *more, inventory=mothership)
        assert done.code == 0, done.output
        return done

    def objects(self, region: str) -> dict[str, Any]:
        """Who wrote what there is of a region: resourceVersion, and the generation where a controller writes status."""
        found = {}
        for resource, namespace in PLACES:
            for item in self.sandbox.get(resource, "-n", namespace)["items"]:
                if region in item["metadata"]["name"]:
                    metadata = item["metadata"]
                    key = "generation" if resource == "clusterdeployments" else "resourceVersion"
                    found[f"{resource}/{metadata['name']}"] = (metadata["uid"], metadata[key])
        return found

    def requests_about(self, region: str, mark: int) -> list[str]:
        """Requests of ours since a mark that name an object of a region."""
        return [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in self.sandbox.requests_since(mark)
            if region in entry.get("objectRef", {}).get("name", "")
        ]


@pytest.fixture(scope="module")
def regions(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    yield Regions(fleet_sandbox, tmp_path_factory.mktemp("regions") / "here.json")
    fleet_sandbox.delete_clusters()


@pytest.fixture(scope="module")
def first(regions: Regions) -> Run:
    return regions.run("site", US)


@pytest.fixture(scope="module")
def second(regions: Regions, first: Run) -> Run:
    before, mark = regions.objects(US), regions.sandbox.audit_mark()
    assert len(before) == 5
    run = regions.run("site", EU)
    assert regions.requests_about(US, mark) == []
    assert regions.objects(US) == before
    return run


def clusters_of(run: Run) -> set[str]:
    return {name.rpartition("/")[2] for name, _action in run.changes() if name.startswith("ClusterDeployment")}


def counted(run: Run, layer: str) -> dict[str, int]:
    """What became of a layer's objects."""
    task = f"Apply the {layer} clusters of the batch, and wait for them"
    (counts,) = [
        each["result"]["counts"] for each in run.events if each["event"] == "ok" and each["task"].endswith(task)
    ]
    return counts


def test_each_region_brings_its_own(first: Run, second: Run) -> None:
    assert clusters_of(first) == CLUSTERS[US]
    assert clusters_of(second) == CLUSTERS[EU]
    assert not CLUSTERS[US] & set(second.stats)


def test_the_first_region_again_changes_nothing_and_asks_nothing_about_the_other(regions: Regions, second: Run) -> None:
    before, mark = regions.objects(EU), regions.sandbox.audit_mark()
    assert len(before) == 4
    again = regions.run("site", US)
    assert again.total("changed") == 0, again.changes()
    assert regions.sandbox.mutations_since(mark) == []
    assert regions.requests_about(EU, mark) == []
    assert regions.objects(EU) == before


def test_both_together_change_nothing(regions: Regions, second: Run) -> None:
    mark = regions.sandbox.audit_mark()
    both = regions.run("site", US, EU)
    assert both.total("changed") == 0, both.changes()
    # Three objects for each region, one for each child.
    assert counted(both, "regional") == {"unchanged": 6}
    assert counted(both, "child") == {"unchanged": 3}
    assert regions.sandbox.mutations_since(mark) == []


def test_one_region_is_deleted_and_the_other_stays(regions: Regions, second: Run) -> None:
    before, mark = regions.objects(US), regions.sandbox.audit_mark()
    deleted = regions.run("delete", EU, more=("-e", "kof_delete_confirm=sandbox"))
    assert {name for name, action in deleted.changes() if action == "deleted"} >= {
        f"ClusterDeployment kcm-system/{name}" for name in CLUSTERS[EU]
    }
    assert regions.objects(EU) == {}
    assert regions.objects(US) == before
    assert regions.requests_about(US, mark) == []
