"""inventories/adopted as it is shipped: two clusters that live on, on control planes of their own. The tests build on
each other, in file order.

What is shown: site.yml, again without a change, from the live inventory without a change, deleted with nothing of ours
left on the clusters, and installed again; and the management cluster is no cluster of its own.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest
import yaml
from support import REPOSITORY, Run, Sandbox

INVENTORY = REPOSITORY / "inventories" / "adopted"
CLUSTERS = ("adopted-regional", "adopted-child")
RELEASES = {
    "adopted-regional": {"ingress-nginx/ingress-nginx", "cert-manager/cert-manager", "kof/kof-storage"},
    "adopted-child": {"kof/cert-manager", "kof/kof-operators", "kof/kof-collectors"},
}


class Fleet:
    """The shipped inventory's clusters, with the objects of its README. All that is changed is where everything is."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        ends = sandbox.endpoints
        self.here: dict[str, Any] = {
            "kof_kubeconfig": ends["kof_kubeconfig"],
            "kof_helm_binary": ends["helm"],
            "kof_chart_repository": f"oci://{ends['registry']}/kof/charts",
            "kof_chart_repository_plain_http": True,
        }
        for name in CLUSTERS:
            sandbox.command("adopt", name)  # the cluster; of its objects only the Secret is kept
            sandbox.kubectl("delete", "credential", f"{name}-cred", "-n", "kcm-system")
            sandbox.kubectl("delete", "configmap", f"{name}-kubeconf-resource-template", "-n", "kcm-system")
            self.documented(name)

    def documented(self, name: str) -> None:
        """Apply the README's manifests, for another cluster under its name."""
        text = (INVENTORY / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
        self.sandbox.kubectl("apply", "-f", "-", stdin=text.replace("adopted-regional", name))

    def run(self, playbook: str, *more: str, inventory: pathlib.Path | None = None, code: int = 0, **extra: Any) -> Run:
        file = self.folder / "here.json"
        file.write_text(json.dumps({**self.here, **extra}))
        source = str(inventory or INVENTORY / "hosts.yml")
        done = self.sandbox.playbook(playbook, "-e", f"@{file}", *more, inventory=source)
        assert done.code == code, done.output
        return done

    def releases(self, name: str) -> set[str]:
        """What Helm has on a cluster."""
        secrets = self.sandbox.get("secrets", "-A", "-l", "owner=helm", cluster=name)["items"]
        return {f"{each['metadata']['namespace']}/{each['metadata']['labels']['name']}" for each in secrets}


@pytest.fixture(scope="module")
def fleet(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(sandbox, tmp_path_factory.mktemp("adopted"))


def test_it_is_installed_from_a_credential_alone(fleet: Fleet) -> None:
    fleet.run("site")
    for name in CLUSTERS:
        assert fleet.releases(name) == RELEASES[name]
        secret = fleet.sandbox.kubectl(
            "get", "secret", "storage-vmuser-credentials", "-n", "kof", "-o", "name", cluster=name
        )
        assert secret.strip() == "secret/storage-vmuser-credentials"


def test_again_changes_nothing(fleet: Fleet) -> None:
    done = fleet.run("site")
    assert done.total("changed") == 0
    assert done.changes() == set()


def test_the_live_inventory_changes_nothing_and_the_file_neither(fleet: Fleet) -> None:
    """kcm has put its own label into both ClusterDeployments."""
    labels = [
        item["metadata"]["labels"] for item in fleet.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
    ]
    assert [each.get("k0rdent.mirantis.com/component") for each in labels] == ["kcm", "kcm"]
    live = fleet.folder / "live.kof.yml"
    live.write_text(
        yaml.safe_dump(
            {"plugin": "k0rdent.kof.clusters", "kubeconfig": fleet.here["kof_kubeconfig"], "fleet": "adopted"}
        )
    )
    # What a ClusterDeployment doesn't say, group_vars say.
    said: dict[str, Any] = {
        "regional_template_kind": "adopted-cluster",
        "child_template_kind": "adopted-cluster",
        "kof_version": "0.1.1",
    }
    assert fleet.run("site", inventory=live, **said).changes() == set()
    assert fleet.run("site").changes() == set()


def test_the_management_cluster_is_none_of_its_own(fleet: Fleet) -> None:
    sandbox = fleet.sandbox
    config = (sandbox.folder / "mothership.kubeconfig").read_text()
    file = fleet.folder / "self.kubeconfig"
    file.write_text(config)
    sandbox.kubectl("create", "secret", "generic", "self-kubeconf", "-n", "kcm-system", f"--from-file=value={file}")
    fleet.documented("self")
    host = {
        "child_regional": "adopted-regional",
        "child_template_kind": "adopted-cluster",
        "child_credential": "self-cred",
    }
    hosts = yaml.safe_load((INVENTORY / "hosts.yml").read_text())
    hosts["kof_child"]["hosts"]["self"] = host
    other = fleet.folder / "self.yml"
    other.write_text(
        yaml.safe_dump({**hosts, "all": {"vars": yaml.safe_load((INVENTORY / "group_vars/all.yml").read_text())}})
    )
    variables = yaml.safe_load((INVENTORY / "group_vars/kof_regional.yml").read_text())
    told = fleet.run("child", "--limit", "self", inventory=other, code=2, **variables).output
    assert "self: child_credential: Credential self-cred: leads to the management cluster itself" in told
    # And without a preflight before it.
    play = fleet.folder / "alone.yml"
    task = {"name": "Apply", "k0rdent.kof.fleet_apply": {"layer": "child"}, "run_once": True}
    play.write_text(yaml.safe_dump([{"hosts": "self", "gather_facts": False, "connection": "local", "tasks": [task]}]))
    alone = sandbox.run(["-v", "-i", str(other), str(play), "-e", f"@{fleet.folder / 'here.json'}"]).output
    assert "leads to the management cluster itself" in alone
    names = sandbox.kubectl("get", "clusterdeployments", "-n", "kcm-system", "-o", "name").split()
    assert not any(name.endswith("/self") for name in names)
    key = yaml.safe_load(config)["users"][0]["user"]
    assert not any(str(value)[:40] in told + alone for value in key.values())


def test_delete_leaves_nothing_of_ours_on_them(fleet: Fleet) -> None:
    predicted = fleet.run("delete", "--check")
    assert RELEASES["adopted-child"] <= fleet.releases("adopted-child")
    done = fleet.run("delete", "-e", "kof_delete_confirm=adopted")
    for run, be in ((predicted, "would be "), (done, "")):
        assert f"services {be}uninstalled on clusters that live on: adopted-child, adopted-regional" in run.output
    assert re.search(r"promxy has adopted-regional in its configuration", done.output)
    for name in CLUSTERS:
        assert fleet.releases(name) == set()
        secrets = fleet.sandbox.get("secrets", "-n", "kof", cluster=name)["items"]
        assert "storage-vmuser-credentials" not in {each["metadata"]["name"] for each in secrets}
    assert fleet.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"] == []


def test_they_are_adopted_again(fleet: Fleet) -> None:
    fleet.run("site")
    for name in CLUSTERS:
        assert fleet.releases(name) == RELEASES[name]
