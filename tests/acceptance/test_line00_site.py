"""The first guide's fleet at line 0.0, without control planes for its clusters: made, run again, deleted.

The one run of that line in `make test`. The tests build on each other, in file order. What is promised at every line is
in the files that are marked `lines`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import first_guide
import pytest
import yaml
from first_guide import CHILD, DOMAIN, REGION
from support import REPOSITORY, Run, Sandbox

KINDS = ("clusterdeployments", "promxyservergroups", "grafanadatasources")
#: What the server and controllers write.
SERVERS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "finalizers")
PROMXY = "kof-mothership-promxy"


@pytest.fixture(scope="module")
def first() -> Iterator[Sandbox]:
    running = Sandbox(REPOSITORY / ".work" / "acceptance-line00")
    running.command("down")
    running.command("up", "--clusters", "none", "--charts", "small", "--line", "0.0")
    yield running
    running.command("down")


@pytest.fixture(scope="module")
def inventory(first: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    return first.inventory(tmp_path_factory.mktemp("line00"), first_guide.FLEET)


@pytest.fixture(scope="module")
def installed(first: Sandbox, inventory: str) -> Run:
    run = first.playbook("site", "--diff", inventory=inventory)
    assert run.code == 0, run.output
    return run


def ours(item: dict[str, Any]) -> dict[str, Any]:
    """An object as its author wrote it; the text of services' values read."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVERS}
    metadata["labels"].pop("k0rdent.mirantis.com/component", None)
    found = {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}
    for service in found["spec"].get("serviceSpec", {}).get("services", []):
        if "values" in service:
            service["values"] = yaml.safe_load(service["values"])
    return found


def with_defaults(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """What the CRDs add. kcm 0.0.7 has no syncMode yet."""
    if kind == "ClusterDeployment":
        services = {"stopOnConflict": False, **spec["serviceSpec"]}
        return {"propagateCredentials": True, **spec, "serviceSpec": services}
    return {**({"resyncPeriod": "5m"} if kind == "GrafanaDatasource" else {}), **spec}


def test_charts_are_those_of_the_line_though_the_index_has_higher_numbers(first: Sandbox, installed: Run) -> None:
    releases = json.loads(first.helm("list", "-n", "kof", "-o", "json"))
    assert {each["chart"] for each in releases} == {"kof-operators-0.1.0", "kof-mothership-0.1.0"}
    values = json.loads(first.helm("get", "values", "-n", "kof", "kof-mothership", "-o", "json"))
    assert values == first_guide.mothership_values(first.endpoints["chart_repository"])


@pytest.mark.parametrize("wanted", first_guide.OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_objects_on_the_server(first: Sandbox, installed: Run, wanted: dict[str, Any]) -> None:
    metadata = wanted["metadata"]
    live = ours(first.get(wanted["kind"], "-n", metadata["namespace"], metadata["name"]))
    assert live == {**wanted, "spec": with_defaults(wanted["kind"], wanted["spec"])}


def test_there_is_nothing_else_of_ours(first: Sandbox, installed: Run) -> None:
    found = {
        (item["kind"], item["metadata"]["name"])
        for kind in KINDS
        for item in first.get(kind, "-A", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")["items"]
    }
    assert found == {(each["kind"], each["metadata"]["name"]) for each in first_guide.OBJECTS}


def test_promxy_runs_with_the_region_and_not_before(first: Sandbox, installed: Run) -> None:
    """Its pod waits for the Secret that comes with a region: who waited for it before would wait for ever."""
    secret = first.get("secret", "-n", "kof", "kof-mothership-promxy-config")
    groups = yaml.safe_load(base64.b64decode(secret["data"]["config.yaml"]))["promxy"]["server_groups"]
    assert [group["labels"]["promxyCluster"] for group in groups] == [REGION]
    region = first.get("clusterdeployment", "-n", "kcm-system", REGION)["metadata"]["creationTimestamp"]
    conditions = {each["type"]: each for each in first.get("deployment", "-n", "kof", PROMXY)["status"]["conditions"]}
    assert conditions["Available"]["status"] == "True"
    assert region <= secret["metadata"]["creationTimestamp"] <= conditions["Available"]["lastTransitionTime"]


def test_the_logs_of_the_region_can_be_looked_at(first: Sandbox, installed: Run) -> None:
    """The data sources of the guide's own values never come to be."""
    status = first.get("grafanadatasource", "-n", "kof", f"{REGION}-logs")["status"]
    assert status["hash"]
    assert "lastMessage" not in status


def test_services_come_from_where_the_templates_charts_say(first: Sandbox, installed: Run) -> None:
    charts = {
        name: {
            each["releaseName"]: (each["chartName"], each["chartVersion"])
            for each in first.get("profile", "-n", "kcm-system", name)["spec"]["helmCharts"]
        }
        for name in (REGION, CHILD)
    }
    cert_manager = ("cert-manager/cert-manager", "1.16.1")
    assert charts == {
        REGION: {
            "ingress-nginx": ("ingress-nginx", "4.11.3"),
            "cert-manager": cert_manager,
            "kof-storage": ("kof-storage/kof-storage", "0.1.0"),
        },
        CHILD: {
            "cert-manager": cert_manager,
            "kof-operators": ("kof-operators/kof-operators", "0.1.0"),
            "kof-collectors": ("kof-collectors/kof-collectors", "0.1.0"),
        },
    }


def test_a_second_run_changes_nothing(first: Sandbox, inventory: str, installed: Run) -> None:
    mark = first.audit_mark()
    run = first.playbook("site", inventory=inventory)
    assert run.code == 0, run.output
    assert run.total("changed") == 0, run.changes()
    assert first.mutations_since(mark) == []


def test_delete_takes_the_child_then_what_reads_the_region_then_the_region(
    first: Sandbox, inventory: str, installed: Run
) -> None:
    mark = first.audit_mark()
    run = first.playbook("delete", "-e", "kof_delete_confirm=sandbox", inventory=inventory)
    assert run.code == 0, run.output
    deletes = [each.rpartition("/")[2].partition("?")[0] for each in first.changes_since(mark)]
    assert deletes[0] == CHILD
    assert set(deletes[1:3]) == {f"{REGION}-metrics", f"{REGION}-logs"}
    assert deletes[3] == REGION
    assert [each.startswith("kof-run-") for each in deletes[4:]] == [True], "the run's record"
    for kind in KINDS:
        assert not first.get(kind, "-A", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")["items"]
    assert f"vmauth.{DOMAIN}" in run.output
