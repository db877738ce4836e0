"""No secret gets out of what a fleet's owner does after the first day: backup, restore, prune, drift, status,
uninstall, and site between them, on a fleet in which people have put secrets of their own.

A canary stands in each input: variables, extra variables, vaulted ones, the vault's password, a kubeconfig, Helm
values, logins of Grafana, live objects, dashboards made in Grafana's pages. Searched for as they are, in base64 and
coded for a URL, in all that a run shows (-vvvv, differences, events), leaves, keeps for a while, or tells other
processes. Takes some minutes.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import canaries
import pytest
import test_cases_secrets_site as site
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from support import EVENTS, REPOSITORY, Sandbox, secrets_of

from sandbox.grafana_api import Grafana

pytestmark = pytest.mark.long

inventory, proxy = site.inventory, site.proxy
MINE = (
    "vault password", "extra variable", "token of another user of the kubeconfig", "Grafana's admin",
    "ClusterDeployment of a region", "ClusterDeployment of a child", "VMRule", "URL in a VMRule", "GrafanaDatasource",
    "annotation", "dashboard in Grafana", "URL of a dashboard in Grafana",
)  # fmt: skip
CANARY = {
    **site.CANARY,
    **{place: canaries.Canary(100 + number, place, "as it should be") for number, place in enumerate(MINE)},
}
RULES = [{"name": "of-tests", "rules": [{"alert": "Always", "expr": "vector(1)", "labels": {"severity": "none"}}]}]
LOUD = ("-vvvv", "--diff")
KCM, KOF = ("-n", "kcm-system"), ("-n", "kof")


def secret(place: str) -> str:
    return CANARY[place].text


def url(place: str) -> str:
    return f"https://me:{quote(secret(place), safe='')}@runbooks.example.com/r"


@dataclasses.dataclass
class World:
    """A fleet whose inputs are full of canaries, and what was found of them, by step."""

    sandbox: Sandbox
    inventory: pathlib.Path
    folder: pathlib.Path
    found: dict[str, Any] = dataclasses.field(default_factory=dict)
    looked_at: list[int] = dataclasses.field(default_factory=list)
    made: set[bytes] = dataclasses.field(default_factory=set)

    def step(self, name: str, playbook: str, *arguments: str, code: int = 0) -> pathlib.Path:
        """Run it, and look; the folder that it may write to."""
        work = self.folder / name
        command = ["ansible-playbook", "-i", str(self.inventory), str(REPOSITORY / "playbooks" / f"{playbook}.yml")]
        command += ["-e", f"@{self.folder / 'extra.yml'}", "--vault-id", f"prod@{self.folder / 'vault'}"]
        self.look()
        loud = {**self.sandbox.environment, **EVENTS, "ANSIBLE_DISPLAY_TRACEBACK": "always"}
        seen = canaries.run([*command, *LOUD, *arguments], work, loud)
        assert seen.code == code, seen.output[-6000:]
        self.looked_at += [seen.processes, seen.files]
        if hits := canaries.named(seen, CANARY.values(), work):
            self.found[name] = hits
        for archive in work.rglob("*.tar.gz"):
            if hits_in := canaries.found_in_archive(archive):
                self.found[f"{name}, {archive.name}"] = hits_in
        written = b"".join(each.read_bytes() for each in work.rglob("*") if each.is_file())
        self.look()
        if hits_of := [each for each in (site._private_key(self.sandbox), *self.made) if each in written]:
            self.found[f"{name}, what kof and AWS have made"] = hits_of
        print(f"{name}: {seen.processes} processes, {seen.files} temporary files", *self.found.get(name, ()))
        return work

    def look(self) -> None:
        """Note the secrets that no test knows before."""
        if "external-dns-aws-credentials" in self.names("secret", *KOF):
            self.made |= {each.encode() for each in secrets_of(self.sandbox)}

    def names(self, kind: str, *arguments: str) -> str:
        return self.sandbox.kubectl("get", kind, *arguments, "-o", "name")

    def edit(self, kind: str, name: str, namespace: str, change: Any) -> None:
        """As somebody does it by hand."""
        how = ("--type=json" if isinstance(change, list) else "--type=merge", "--field-manager=kubectl-edit")
        self.sandbox.kubectl("patch", kind, name, "-n", namespace, *how, "-p", json.dumps(change))


@pytest.fixture
def world(own_sandbox: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[World]:
    (tmp_path / "extra.yml").write_text(
        yaml.safe_dump({"kof_chart_repository_password": secret("extra variable"), "kof_verify": False})
    )
    _vault_anew(inventory, tmp_path)
    shared_file, hosts_file = inventory / "group_vars" / "all.yml", inventory / "hosts.yml"
    shared, hosts = (yaml.safe_load(each.read_text()) for each in (shared_file, hosts_file))
    spare = {"name": "spare", "user": {"token": secret("token of another user of the kubeconfig")}}
    shared["kof_kubeconfig"]["users"].append(spare)
    shared["kof_inventory_complete"] = True
    hosts["kof_mothership"]["hosts"]["mothership"]["mothership_alert_rules"] = RULES
    (group,) = hosts["kof_child"]["children"].values()
    (first,) = group["hosts"]
    group["hosts"]["leaves"] = group["hosts"][first]
    shared_file.write_text(yaml.safe_dump(shared))
    hosts_file.write_text(yaml.safe_dump(hosts, sort_keys=False))
    yield World(own_sandbox, inventory, tmp_path)
    own_sandbox.take_kof_away()


def _vault_anew(inventory: pathlib.Path, folder: pathlib.Path) -> None:
    """The vaulted variables again, with a password that is a canary itself."""
    old = VaultLib([("default", VaultSecret((folder / "vault").read_bytes().strip()))])
    new = VaultSecret(secret("vault password").encode())
    for file in inventory.glob("group_vars/kof_*.yml"):
        name, _tag, text = file.read_text().partition(" !vault |")
        lines = "\n".join(line.strip() for line in text.strip().splitlines())
        plain = old.decrypt(lines.encode())
        again = VaultLib([("prod", new)]).encrypt(plain, new, "prod").decode()
        file.write_text(f"{name} !vault |\n" + "".join(f"  {line}\n" for line in again.splitlines()))
    (folder / "vault").write_text(secret("vault password"))


def _one(world: World, kind: str, *arguments: str) -> str:
    ours = ("-l", "app.kubernetes.io/managed-by=k0rdent.kof")
    return world.names(kind, *arguments, *ours).split()[0].partition("/")[2]


def _by_people(world: World, regional: str) -> None:
    """Secrets that people put into live objects of the fleet."""
    admin = base64.b64encode(secret("Grafana's admin").encode()).decode()
    login = {"data": {"GF_SECURITY_ADMIN_PASSWORD": admin}}
    world.edit("secret", "grafana-admin-credentials", "kof", login)
    for name, place in ((regional, "ClusterDeployment of a region"), ("leaves", "ClusterDeployment of a child")):
        world.edit("clusterdeployment", name, "kcm-system", {"spec": {"config": {"bootstrapToken": secret(place)}}})
    said = {"password": secret("VMRule"), "runbook_url": url("URL in a VMRule")}
    add = {"op": "add", "path": "/spec/groups/0/rules/0/annotations", "value": said}
    world.edit("vmrule", _one(world, "vmrule", *KOF), "kof", [add])
    secured = {"spec": {"datasource": {"secureJsonData": {"httpHeaderValue1": secret("GrafanaDatasource")}}}}
    source = _one(world, "grafanadatasource", *KOF)
    world.edit("grafanadatasource", source, "kof", secured)
    noted = {"metadata": {"annotations": {"example.com/api-token": secret("annotation")}}}
    world.edit("promxyservergroup", _one(world, "promxyservergroup", *KOF), "kof", noted)


def test_nothing_that_is_done_to_a_fleet_that_lives_tells_a_secret(world: World, tmp_path: pathlib.Path) -> None:
    world.step("install", "site")
    grafana = Grafana(_user(world.sandbox), secret("Grafana's admin"))
    try:
        (regional,) = yaml.safe_load((world.inventory / "hosts.yml").read_text())["kof_regional"]["hosts"]
        _by_people(world, regional)
        grafana.folder("mine", "Mine")
        inputs = {"password": secret("dashboard in Grafana"), "url": url("URL of a dashboard in Grafana")}
        grafana.dashboard("board", "Board", "mine", panels=[{"id": 1, "options": inputs}])
        asks = ("-e", f"backup_grafana={grafana.address}", "-e", "backup_folder=saved")
        (file,) = (world.step("backup", "backup", *asks) / "saved").iterdir()
        told = {"status_format": ["text", "json", "html", "junit", "prometheus"], "status_folder": "told"}
        world.step("status", "status", "-e", json.dumps(told))
        drift = world.step("drift", "drift", "-e", "kof_drift_folder=told")
        assert json.loads((drift / "told" / "drift.json").read_text())["objects"]
        world.step("site, in check mode", "site", "--check")

        grafana.dashboards.clear()
        world.sandbox.delete_clusters()
        back = ("-e", f"restore_file={file}", "-e", f"restore_grafana={grafana.address}")
        world.step("restore, in check mode", "restore", *back, "--check")
        world.step("restore", "restore", *back, "-e", "kof_restore_confirm=sandbox")
        assert grafana.dashboards["board"]["dashboard"]["panels"][0]["options"] == inputs
        live = world.sandbox.get("clusterdeployment", regional, *KCM)["spec"]["config"]
        assert live["bootstrapToken"] == secret("ClusterDeployment of a region")
        world.step("site takes back what people said", "site")

        hosts = yaml.safe_load((world.inventory / "hosts.yml").read_text())
        for group in hosts["kof_child"]["children"].values():
            del group["hosts"]["leaves"]
        (world.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts, sort_keys=False))
        _by_people(world, regional)
        world.step("prune, in check mode", "prune", "--check")
        world.step("prune", "prune", "-e", "kof_prune_confirm=sandbox")
        world.step("uninstall, unconfirmed", "uninstall", "-e", "kof_uninstall_also=all", code=2)
        world.step("uninstall, in check mode", "uninstall", "-e", "kof_uninstall_also=all", "--check")
        world.step("uninstall", "uninstall", "-e", "kof_uninstall_confirm=sandbox", "-e", "kof_uninstall_also=all")
    finally:
        grafana.close()
    assert world.found == {}
    processes, files = sum(world.looked_at[::2]), sum(world.looked_at[1::2])
    assert min(processes, files) > 20, "nothing was found because nobody has looked"


def _user(sandbox: Sandbox) -> str:
    data = sandbox.get("secret", "grafana-admin-credentials", *KOF)["data"]["GF_SECURITY_ADMIN_USER"]
    return base64.b64decode(data).decode()
