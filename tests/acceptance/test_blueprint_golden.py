"""What the collection renders is what it was, byte for byte; what it sends to change something too, request by request.

The files of tests/golden are what a change of the code, and not of what it does, must leave alone. A change that means
to send something else renews them (`KOF_RENEW_GOLDEN=1 make acceptance TOPIC=blueprint`) and its message says why.
Reads are not held: there may always be fewer.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from example_fleet import Fleet, fleet, write
from support import LEASES, REPOSITORY, REVIEWS, Run, Sandbox

from sandbox import lifecycle
from sandbox.fault_proxy import FaultProxy

GOLDEN = REPOSITORY / "tests" / "golden"
RENEW = bool(os.environ.get("KOF_RENEW_GOLDEN"))
CONFIRMED = ("-e", "kof_delete_confirm=sandbox")

#: All that a host can say about itself, beside a region and a child that say as little as they can.
RICH = Fleet(
    shared={"kof_version": "0.1.1", "regional_admin_email": "platform@example.com"},
    mothership={
        "mothership_retention": "30d",
        "mothership_storage_class": "standard",
        "mothership_values": {"grafana-operator": {"replicas": 2}},
    },
    regionals={
        "eu1": {"regional_domain": "eu1.example.com", "regional_config": {"region": "eu-west-1"}},
        "us1": {
            "regional_domain": "us1.example.com",
            "regional_admin_email": "us@example.com",
            "regional_config": {"region": "us-east-2", "workersNumber": 3, "clusterLabels": {"a": "b"}},
            "regional_cluster_labels": {"team": "x"},
            "regional_labels": {"example.com/tier": "gold"},
            "regional_external_dns": "node",
            "regional_storage_class": "fast",
            "regional_retention": "30d",
            "regional_logs_storage_size": "50Gi",
            "regional_service_priority": 7,
            "regional_service_values": {
                "kof-storage": {"promxy": {"enabled": True}, "defaultRules": {"note": "1: #?"}}
            },
        },
    },
    usual={"eu1": {}, "us1": {}},
    children={
        "eu1-child1": {"child_regional": "eu1", "child_config": {"region": "eu-west-1"}},
        "us1-child1": {
            "child_regional": "us1",
            "child_config": {"region": "us-east-2", "controlPlaneNumber": 3},
            "child_opencost": False,
            "child_labels": {"example.com/tier": "gold"},
            "child_service_values": {"kof-collectors": {"global": {"clusterName": "another"}}},
        },
    },
)


def held(name: str, now: str) -> None:
    """`now` is what tests/golden/<name> says, or becomes it."""
    file = GOLDEN / name
    if RENEW:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, encoding="utf-8")
    assert now == file.read_text(encoding="utf-8"), f"{file}: the module's docstring says when it may be renewed"


@pytest.mark.parametrize("which", ["example", "adopted", "per-region", "rich", "many"])
def test_what_is_rendered_is_what_it_was(which: str, tmp_path: pathlib.Path) -> None:
    generated = {"rich": RICH, "many": fleet(3, 12)}
    if which in generated:
        sources = [write(tmp_path / "inventory", generated[which])]
    else:
        shipped = (REPOSITORY / "inventories" / which).glob("*.yml")
        sources = sorted(file for file in shipped if file.name not in ("site.yml", "rollout.yml"))
    folder = tmp_path / "rendered"
    inventory = [argument for source in sources for argument in ("-i", str(source))]
    run = Sandbox(tmp_path).run([*inventory, "playbooks/render.yml", "-e", f"render_folder={folder}"])
    assert run.code == 0, run.output
    made = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    golden = GOLDEN / "rendered" / which
    if RENEW:
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(folder, golden)
    assert made == {str(file.relative_to(golden)): file.read_bytes() for file in golden.rglob("*") if file.is_file()}


# -- requests


class Recorded:
    """A fleet on a sandbox, whose runs go through a proxy that keeps what they send."""

    def __init__(self, sandbox: Sandbox, proxy: FaultProxy, folder: pathlib.Path) -> None:
        self.sandbox = sandbox
        self._proxy = proxy
        self._kubeconfig = proxy.write_kubeconfig(folder / "kubeconfig")
        self._inventory = sandbox.inventory(folder / "inventory", RICH)

    def run(self, playbook: str, *arguments: str) -> tuple[Run, str]:
        """The run, and what it sent that could have changed something, as text for `held`."""
        del self._proxy.sent[:]
        through = ("-e", f"kof_kubeconfig={self._kubeconfig}", "-e", "kof_wait=false")
        run = self.sandbox.playbook(playbook, *through, *arguments, inventory=self._inventory)
        return run, "".join(sorted(self._lines()))

    def _lines(self) -> Iterator[str]:
        for method, path, agent, body in self._proxy.sent:
            address, _mark, query = path.partition("?")
            if agent.startswith("Helm/") or address.rpartition("/")[2] in REVIEWS:
                continue
            if LEASES in address:
                continue  # held while it writes, and renewed by the clock
            if method == "DELETE" and "/configmaps/kof-run-" in address:
                continue  # records of other tests, of which there may be too many
            address = re.sub(r"(?<=/configmaps/kof-run-)[^/]*$", "RUN", address)
            options = urllib.parse.urlencode(sorted(urllib.parse.parse_qsl(query)))
            yield f"{method} {address}{options and '?' + options} {_digest(body)}\n"


MADE_UP = {"uid", "resourceVersion", "time"}


def _digest(body: bytes) -> str:
    """Of what is meant: without what the server made up, and without Secrets' data."""
    if not body:
        return "-"
    meant = _without_chance(yaml.safe_load(body))
    return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()[:16]


def _without_chance(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_chance(each) for each in part]
    if not isinstance(part, dict):
        return part
    secret = part.get("kind") == "Secret"
    if part.get("kind") == "ConfigMap" and part["metadata"]["name"].startswith("kof-run-"):
        part = {"kind": "ConfigMap", "metadata": {"labels": part["metadata"]["labels"]}}  # who ran it, and when
    chance = str(part.get("path", "")).rpartition("/")[2] in MADE_UP  # an operation of a JSON patch
    return {
        key: "seen"
        if key in MADE_UP or (key == "value" and chance)
        else sorted(value)
        if secret and key in ("data", "stringData")
        else _without_chance(value)
        for key, value in part.items()
    }


@pytest.fixture(scope="module")
def recorded(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Nobody works on its clusters: what is sent must depend on us alone."""
    folder = tmp_path_factory.mktemp("golden")
    kubeconfig = pathlib.Path(fleet_sandbox.endpoints["kof_kubeconfig"])
    fleet_sandbox.command("fault", "kcm_ignores=kcm-system")
    with FaultProxy(fleet_sandbox.folder, kubeconfig, lifecycle.MOTHERSHIP) as proxy:
        yield Recorded(fleet_sandbox, proxy, folder)
    fleet_sandbox.delete_clusters()
    fleet_sandbox.command("fault", "--clear")


def test_01_check_mode(recorded: Recorded) -> None:
    run, sent = recorded.run("regional", "--check")
    assert run.code == 0, run.output
    held("requests/check.txt", sent)


def test_02_install(recorded: Recorded) -> None:
    for layer in ("regional", "child"):
        run, sent = recorded.run(layer)
        assert run.code == 0, run.output
        held(f"requests/install-{layer}.txt", sent)


def test_03_rerun(recorded: Recorded) -> None:
    run, sent = recorded.run("child")
    assert (run.code, run.total("changed"), sent) == (0, 0, ""), run.output


def test_04_drift(recorded: Recorded) -> None:
    kubectl = recorded.sandbox.kubectl
    edit = json.dumps({"spec": {"config": {"workersNumber": 77}}, "metadata": {"labels": {"kof": "other"}}})
    kubectl("patch", "clusterdeployment", "us1", "-n", "kcm-system", "--type=merge", "-p", edit)
    kubectl("delete", "promxyservergroup", "eu1-metrics", "-n", "kof")
    run, sent = recorded.run("layers/regional")
    assert run.code == 0, run.output
    held("requests/drift.txt", sent)


def test_05_adoption(recorded: Recorded) -> None:
    """The objects of a region and its child as a person's kubectl apply leaves them, with a key that we don't say."""
    kubectl = recorded.sandbox.kubectl
    everything = ("clusterdeployments/eu1", "clusterdeployments/eu1-child1")
    for each in everything:
        item = recorded.sandbox.get(each, "-n", "kcm-system")
        labels = {"kof": item["metadata"]["labels"]["kof"], "theirs": "kept"}
        item["metadata"] = {"name": item["metadata"]["name"], "namespace": "kcm-system", "labels": labels}
        item["spec"]["config"]["bastion"] = {"enabled": True}
        item.pop("status", None)
        kubectl("delete", each, "-n", "kcm-system")
        kubectl("apply", "-f", "-", stdin=json.dumps(item))
    for layer in ("regional", "child"):
        run, sent = recorded.run(f"layers/{layer}")
        assert run.code == 0, run.output
        held(f"requests/adoption-{layer}.txt", sent)


def test_06_refusal(recorded: Recorded) -> None:
    """Another fleet's regional holds its own objects and its children's, and nothing else."""
    kubectl = recorded.sandbox.kubectl
    for field, name in (("workersNumber", "eu1"), ("controlPlaneNumber", "eu1-child1"), ("workersNumber", "us1")):
        edit = json.dumps({"spec": {"config": {field: 55}}})
        kubectl("patch", "clusterdeployment", name, "-n", "kcm-system", "--type=merge", "-p", edit)
    theirs = ("clusterdeployment", "us1", "-n", "kcm-system", "--overwrite")
    kubectl("label", *theirs, "app.kubernetes.io/part-of=theirs")
    for layer in ("regional", "child"):
        _run, sent = recorded.run(f"layers/{layer}")
        assert "/us1?" not in sent
        held(f"requests/refusal-{layer}.txt", sent)
    kubectl("label", *theirs, "app.kubernetes.io/part-of=sandbox")


def test_07_lost_dns_secret(recorded: Recorded) -> None:
    recorded.sandbox.kubectl("delete", "secret", "external-dns-aws-credentials", "-n", "kof")
    run, sent = recorded.run("dns_credentials")
    assert run.code == 0, run.output
    held("requests/lost-dns-secret.txt", sent)


def test_08_delete(recorded: Recorded) -> None:
    run, sent = recorded.run("delete", *CONFIRMED)
    assert run.code == 0, run.output
    held("requests/delete.txt", sent)
