"""site.yml on a real control plane, end to end. The tests build on each other, in file order, on one sandbox.

What is shown: a fleet from nothing, the same run changing nothing, check mode equal to the real run, drift repaired,
foreign hands respected.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
import yaml
from support import Run, Sandbox, secrets_of

pytestmark = [pytest.mark.lines, pytest.mark.real_size]

REGIONALS = ["aws-us-east-2", "aws-eu-west-1"]
CHILDREN = [f"{name}-child1" for name in REGIONALS]
OUR_KINDS = ["clusterdeployments", "promxyservergroups", "grafanadatasources"]


@pytest.fixture(scope="module")
def predicted(sandbox: Sandbox) -> Run:
    """check mode on the empty management cluster, before anything else happens there."""
    mark = sandbox.audit_mark()
    run = sandbox.playbook("site", "--check", "--diff")
    assert run.code == 0, run.output
    assert sandbox.mutations_since(mark) == []
    return run


@pytest.fixture(scope="module")
def installed(sandbox: Sandbox, predicted: Run) -> Run:
    run = sandbox.playbook("site", "--diff", "-v")
    assert run.code == 0, run.output
    return run


@dataclasses.dataclass(frozen=True)
class Repeated:
    """The second run, what it sent that could have changed something, and the objects that were written to."""

    run: Run
    mutations: list[str]
    moved: list[str]


@pytest.fixture(scope="module")
def repeated(sandbox: Sandbox, installed: Run) -> Repeated:
    before = {name: item["metadata"]["resourceVersion"] for name, item in our_objects(sandbox).items()}
    mark = sandbox.audit_mark()
    run = sandbox.playbook("site", "--diff")
    mutations = sandbox.mutations_since(mark)
    after = our_objects(sandbox)
    moved = [
        name
        for name, version in before.items()
        # A ClusterDeployment's status is kcm's to write: only what we author counts there.
        if after[name]["metadata"]["resourceVersion"] != version and not name.startswith("ClusterDeployment")
    ]
    return Repeated(run, mutations, moved)


def our_objects(sandbox: Sandbox) -> dict[str, Any]:
    """Every object that carries our label, on the mothership."""
    found = {}
    for kind in [*OUR_KINDS, "secrets", "namespaces"]:
        for item in sandbox.get(kind, "-A", "-l", "app.kubernetes.io/managed-by=k0rdent.kof")["items"]:
            found[f"{item['kind']}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"] = item
    return found


def promxy_config(sandbox: Sandbox) -> Any:
    data = sandbox.get("secret", "-n", "kof", "kof-mothership-promxy-config")["data"]["config.yaml"]
    return yaml.safe_load(base64.b64decode(data))


def test_check_mode_predicts_the_first_run(predicted: Run, installed: Run) -> None:
    assert predicted.changes() == installed.changes()
    assert {(name, action) for name, action in installed.changes() if name.startswith("ClusterDeployment")} == {
        (f"ClusterDeployment kcm-system/{name}", "created") for name in [*REGIONALS, *CHILDREN]
    }


def test_the_charts_have_what_breaks_on_the_real_ones(
    sandbox: Sandbox, installed: Run, repeated: Repeated, line: str
) -> None:
    """An invalid schema in a subchart, a manifest of 22,800 lines with an unquoted `=`, ServiceMonitors, hooks."""

    def released(run: Run) -> dict[str, Any]:
        results = [each["result"] for each in run.events if each.get("action", "").endswith("helm_release")]
        return {each["status"]["name"]: each for result in results for each in result["results"]}

    first, again = released(installed), released(repeated.run)
    (told,) = first["kof-operators"]["took"]
    assert "not checked by the chart's schema" in told
    assert first["kof-mothership"]["took"] == []
    assert {name: each["action"] for name, each in again.items()} == dict.fromkeys(first, "unchanged")
    assert {name: each["took"] for name, each in again.items()} == {name: [] for name in first}
    manifest = sandbox.helm("get", "manifest", "kof-operators", "-n", "kof")
    assert manifest.count("\n") > 22_800
    assert "\n                        - =\n" in manifest
    assert sandbox.get("servicemonitors", "-A")["items"]
    cleanup = {"kof-mothership": "pre-delete"} if line == "0.1" else {}  # at 0.0 nothing tidies up
    for release, hook in {"kof-operators": "test", **cleanup}.items():
        assert f"helm.sh/hook: {hook}" in sandbox.helm("get", "hooks", release, "-n", "kof")


def test_prediction_says_what_no_server_checked(predicted: Run) -> None:
    assert "not checked by the server" in predicted.output or any(
        "not_checked" in each for event in predicted.events for each in event.get("result", {}).get("objects", [])
    )
    assert "known after the run" in predicted.output


def test_five_control_planes_run(sandbox: Sandbox, installed: Run) -> None:
    identities = set()
    for cluster in ["mothership", *REGIONALS, *CHILDREN]:
        identities.add(sandbox.get("namespace", "kube-system", cluster=cluster)["metadata"]["uid"])
        pods = sandbox.get("pods", "-A", cluster=cluster)["items"]
        not_running = [
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}: {pod['status'].get('phase')}"
            for pod in pods
            if pod["status"].get("phase") not in ("Running", "Succeeded")
        ]
        assert not_running == [], cluster
        assert any(pod["metadata"]["namespace"] == "kof" for pod in pods), cluster
    assert len(identities) == 5


def test_every_cluster_is_ready(sandbox: Sandbox, installed: Run) -> None:
    for item in sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]:
        conditions = {each["type"]: each["status"] for each in item["status"]["conditions"]}
        assert conditions["Ready"] == "True", item["metadata"]["name"]


def test_regionals_do_not_overwrite_each_other(sandbox: Sandbox, installed: Run) -> None:
    groups = sandbox.get("promxyservergroups", "-n", "kof")["items"]
    assert {group["spec"]["cluster_name"] for group in groups} == set(REGIONALS)
    sources = [each["spec"]["datasource"] for each in sandbox.get("grafanadatasources", "-n", "kof")["items"]]
    logs = {each["name"]: each["url"] for each in sources if each["type"] == "victoriametrics-logs-datasource"}
    assert logs == {name: f"https://vmauth.{name}.kof.example.com/vls" for name in REGIONALS}


def test_promxy_config_has_both_regionals(sandbox: Sandbox, installed: Run) -> None:
    groups = promxy_config(sandbox)["promxy"]["server_groups"]
    found = {group["labels"]["promxyCluster"]: group["static_configs"][0]["targets"] for group in groups}
    assert found == {name: [f"vmauth.{name}.kof.example.com:443"] for name in REGIONALS}


def test_dns_credentials_are_on_both_regionals(sandbox: Sandbox, installed: Run) -> None:
    ours = sandbox.get("secret", "-n", "kof", "external-dns-aws-credentials")["data"]
    assert list(ours) == ["external-dns-aws-credentials"]
    for cluster in REGIONALS:
        assert sandbox.get("secret", "-n", "kof", "external-dns-aws-credentials", cluster=cluster)["data"] == ours
    for cluster in CHILDREN:
        there = sandbox.kubectl("get", "secrets", "-n", "kof", "-o", "name", cluster=cluster).split()
        assert "secret/storage-vmuser-credentials" in there
        assert "secret/external-dns-aws-credentials" not in there


def test_second_run_changes_nothing(repeated: Repeated) -> None:
    assert repeated.run.code == 0, repeated.run.output
    assert repeated.run.total("changed") == 0, repeated.run.changes()
    assert repeated.mutations == []
    assert repeated.moved == []


def test_clusters_are_looked_at_again_only_where_the_mothership_had_to_bring_something(
    installed: Run, repeated: Repeated
) -> None:
    def preflights(run: Run) -> int:
        return sum(each["event"] == "ok" and each["task"].startswith("Check the whole batch") for each in run.events)

    assert preflights(installed) == 2
    assert preflights(repeated.run) == 1


def test_check_mode_after_the_run_predicts_nothing(sandbox: Sandbox, installed: Run) -> None:
    run = sandbox.playbook("site", "--check", "--diff")
    assert run.code == 0, run.output
    assert run.changes() == set()
    assert run.total("changed") == 0


def test_no_secret_in_any_output(sandbox: Sandbox, predicted: Run, installed: Run) -> None:
    """Of check mode, of the first run (-v), and of one with all that Ansible can tell."""
    values = secrets_of(sandbox)
    # A fresh Secret makes the run handle every secret again.
    sandbox.kubectl("delete", "secret", "-n", "kof", "external-dns-aws-credentials")
    run = sandbox.playbook("site", "--diff", "-vvvv")
    assert run.code == 0, run.output
    values += secrets_of(sandbox)
    assert len(values) >= 6
    for each in (predicted, installed, run):
        text = each.output + json.dumps(each.events)
        assert [value[:3] for value in values if value in text] == []


def test_deleted_and_edited_objects_are_repaired(sandbox: Sandbox, installed: Run) -> None:
    sandbox.kubectl("delete", "promxyservergroup", "-n", "kof", f"{REGIONALS[0]}-metrics")
    patch = json.dumps({"spec": {"config": {"workersNumber": 7}}})
    sandbox.kubectl(
        "patch", "clusterdeployment", "-n", "kcm-system", CHILDREN[0], "--type=merge", "-p", patch,
        "--field-manager=kubectl-edit",
    )  # fmt: skip
    run = sandbox.playbook("site", "--diff")
    assert run.code == 0, run.output
    assert run.changes() == {
        (f"PromxyServerGroup kof/{REGIONALS[0]}-metrics", "created"),
        (f"ClusterDeployment kcm-system/{CHILDREN[0]}", "updated"),
    }
    took_back = [line for event in run.events for line in event.get("result", {}).get("took_back", [])]
    assert len(took_back) == 1
    assert "spec.config.workersNumber from kubectl-edit" in took_back[0]
    live = sandbox.get("clusterdeployment", "-n", "kcm-system", CHILDREN[0])
    assert live["spec"]["config"]["workersNumber"] == 3


def test_field_of_another_controller_is_reported_not_taken(sandbox: Sandbox, installed: Run) -> None:
    name = f"{REGIONALS[1]}-logs"
    patch = json.dumps({"spec": {"datasource": {"access": "direct"}}})
    sandbox.kubectl(
        "patch", "grafanadatasource", "-n", "kof", name, "--type=merge", "-p", patch, "--field-manager=kof-operator"
    )
    run = sandbox.playbook("site")
    assert run.code != 0
    # Only the guilty one fails, its child is left out and named, the other region is looked after.
    assert {host for host, counts in run.stats.items() if counts["failures"]} == {REGIONALS[1]}
    left_out = [each for event in run.events for each in event.get("result", {}).get("left_out", [])]
    assert {"host": CHILDREN[1], "reason": f"its regional {REGIONALS[1]} failed"} in left_out
    assert run.stats[CHILDREN[0]]["ok"] > 0
    assert "kof-operator" in run.output
    assert "spec.datasource.access" in run.output
    assert sandbox.get("grafanadatasource", "-n", "kof", name)["spec"]["datasource"]["access"] == "direct"
    sandbox.kubectl("delete", "grafanadatasource", "-n", "kof", name)
    assert sandbox.playbook("regional").code == 0


def test_limit_to_one_region_without_the_mothership(sandbox: Sandbox, installed: Run) -> None:
    run = sandbox.playbook("site", "--limit", f"{REGIONALS[0]},{CHILDREN[0]}")
    assert run.code == 0, run.output
    assert set(run.stats) <= {REGIONALS[0], CHILDREN[0], "localhost"}
    assert run.total("changed") == 0


def test_render_is_the_same_twice_and_holds_no_secret(sandbox: Sandbox, installed: Run, tmp_path: Any) -> None:
    for folder in ("one", "two"):
        run = sandbox.playbook("render", "-e", f"render_folder={tmp_path / folder}")
        assert run.code == 0, run.output
    texts = [
        {
            str(path.relative_to(tmp_path / folder)): path.read_bytes()
            for path in sorted((tmp_path / folder).rglob("*"))
            if path.is_file()
        }
        for folder in ("one", "two")
    ]
    assert texts[0] == texts[1]
    assert f"regional/{REGIONALS[0]}.yaml" in texts[0]
    everything = b"".join(texts[0].values()).decode()
    assert [value[:3] for value in secrets_of(sandbox) if value in everything] == []
