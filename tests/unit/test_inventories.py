"""The inventories that we ship can be used as they are: parsed by Ansible, without a fault, and rendered."""

from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
import yaml

from forked import SHARED

REPOSITORY = pathlib.Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "inventories" / "example"
PER_REGION = REPOSITORY / "inventories" / "per-region"
REGIONS = ("us-east-2", "eu-west-1")


def ansible(program: str, *arguments: str) -> str:
    """What it told, errors and warnings too; it has to end well."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    code, told = SHARED.run(list(arguments), environment, 300, program=program)
    assert code == 0, told
    return told


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("rendered")
    ansible("playbook", "playbooks/render.yml", "-i", str(EXAMPLE / "hosts.yml"), "-e", f"render_folder={folder}")
    return folder


def test_example_renders_every_cluster(rendered: pathlib.Path) -> None:
    names = {str(path.relative_to(rendered)) for path in rendered.rglob("*.yaml")}
    hosts = yaml.safe_load((EXAMPLE / "hosts.yml").read_text())
    clusters = {
        f"{layer}/{host}.yaml"
        for layer in ("mothership", "regional", "child")
        for host in hosts[f"kof_{layer}"]["hosts"]
    }
    assert names == clusters | {"mothership/kof-operators-values.yaml", "mothership/kof-mothership-values.yaml"}


def test_example_uses_what_it_sets(rendered: pathlib.Path) -> None:
    eu = list(yaml.safe_load_all((rendered / "regional" / "aws-eu-west-1.yaml").read_text()))
    storage = next(service for service in eu[0]["spec"]["serviceSpec"]["services"] if service["name"] == "kof-storage")
    values = yaml.safe_load(storage["values"])
    assert values["global"]["storageClass"] == "gp3-encrypted"
    assert values["victoriametrics"]["vmcluster"]["vmstorage"]["storage"]["size"] == "50Gi"
    mothership = yaml.safe_load((rendered / "mothership" / "kof-mothership-values.yaml").read_text())
    assert mothership["promxy"]["resources"]["limits"]["memory"] == "512Mi"


def rendered_files(into: pathlib.Path, *inventories: pathlib.Path) -> dict[str, str]:
    """What render.yml writes for these inventories, by path."""
    sources = [word for each in inventories for word in ("-i", str(each))]
    told = ansible("playbook", "playbooks/render.yml", *sources, "-e", f"render_folder={into}")
    assert "[WARNING]" not in told, told
    return {str(path.relative_to(into)): path.read_text() for path in into.rglob("*.yaml")}


def test_a_region_is_the_same_alone_and_among_others(tmp_path: pathlib.Path) -> None:
    """Vars of one region's file may not reach another's clusters: both are in the same groups."""
    assert {file.stem for file in PER_REGION.glob("*.yml")} == {"mothership", *REGIONS}
    both = rendered_files(tmp_path / "both", PER_REGION)
    assert {name for name in both if name.startswith(("regional/", "child/"))} == {
        "regional/aws-us-east-2.yaml",
        "regional/aws-eu-west-1.yaml",
        "child/aws-us-east-2-child1.yaml",
        "child/aws-us-east-2-child2.yaml",
        "child/aws-eu-west-1-child1.yaml",
    }
    for region in REGIONS:
        files = PER_REGION / "mothership.yml", PER_REGION / f"{region}.yml"
        alone = rendered_files(tmp_path / region, *files)
        assert alone == {name: text for name, text in both.items() if name.startswith("mothership/") or region in name}
        for name in (f"regional/aws-{region}.yaml", f"child/aws-{region}-child1.yaml"):
            assert next(yaml.safe_load_all(alone[name]))["spec"]["config"]["region"] == region


def test_inventories_in_commands_that_we_show_can_be_read() -> None:
    """A folder with a playbook in it, for example, can't."""
    texts = [path.read_text() for path in REPOSITORY.glob("*.md")]
    texts += [path.read_text() for path in (REPOSITORY / "inventories").rglob("*") if path.suffix in (".md", ".yml")]
    commands = {match[0] for text in texts for match in re.finditer(r"-i inventories/[\w./-]+(?: -i [\w./-]+)*", text)}
    assert {command.split("/")[1] for command in commands} == {
        "example",
        "per-region",
        "adopted",
        "sandbox",
        "line-0.0",
    }
    for command in commands:
        told = ansible("inventory", "--list", *command.split())
        assert told.startswith("{"), (command, told)  # and no warning before it
        assert json.loads(told)["kof_regional"]["hosts"], command


def test_the_first_guides_fleet_is_as_the_guide_has_it(tmp_path: pathlib.Path) -> None:
    files = rendered_files(tmp_path, REPOSITORY / "inventories" / "line-0.0" / "hosts.yml")
    storage, group, _source = yaml.safe_load_all(files["regional/cloud1-region1.yaml"])
    (managed,) = yaml.safe_load_all(files["child/cloud1-region1-managed1.yaml"])
    for deployment, label, worker, public in (
        (storage, "storage", "t3.medium", True),
        (managed, "collector", "t3.small", False),
    ):
        assert deployment["metadata"]["labels"]["kof"] == label
        config = deployment["spec"]["config"]
        assert (deployment["spec"]["template"], config["worker"]) == (
            "aws-standalone-cp-0-0-5",
            {"instanceType": worker},
        )
        assert (config["publicIP"], config["region"], config["workersNumber"]) == (public, "us-east-2", 3)
    names = [service["template"] for service in storage["spec"]["serviceSpec"]["services"]]
    assert names == ["ingress-nginx-4-11-3", "cert-manager", "kof-storage"]
    names = [service["template"] for service in managed["spec"]["serviceSpec"]["services"]]
    assert names == ["cert-manager", "kof-operators", "kof-collectors"]
    assert group["spec"]["targets"] == ["vmauth.cloud1-region1.kof.example.com:443"]
    values = yaml.safe_load(files["mothership/kof-mothership-values.yaml"])
    assert values["grafana"] == {"logSources": []}
    assert values["kcm"]["kof"]["repo"] == {
        "url": "https://charts.example.com/kof",
        "type": "default",
        "insecure": False,
    }


def test_rollout_is_what_the_plays_read() -> None:
    rollout = yaml.safe_load((EXAMPLE / "rollout.yml").read_text())
    assert set(rollout) == {"kof_serial", "kof_max_fail_percentage"}
    for layer in ("regional", "child"):
        (play,) = yaml.safe_load((REPOSITORY / "playbooks" / "layers" / f"{layer}.yml").read_text())
        assert "kof_serial" in play["serial"]


def test_adopted_clusters_need_a_credential_and_no_config(tmp_path: pathlib.Path) -> None:
    adopted = REPOSITORY / "inventories" / "adopted"
    files = rendered_files(tmp_path, adopted / "hosts.yml")
    for name, host in (("regional", "adopted-regional"), ("child", "adopted-child")):
        deployment = next(yaml.safe_load_all(files[f"{name}/{host}.yaml"]))
        assert deployment["spec"]["template"] == "adopted-cluster-0-1-0"
        assert set(deployment["spec"]["config"]) == {"clusterLabels"}
        # Of the README's objects the names fit.
        text = (
            (adopted / "README.md").read_text().split("```yaml\n")[1].split("```")[0].replace("adopted-regional", host)
        )
        credential, config_map = yaml.safe_load_all(text)
        assert credential["metadata"]["name"] == deployment["spec"]["credential"]
        assert config_map["metadata"]["name"] == f"{credential['spec']['identityRef']['name']}-resource-template"
        assert not config_map.get("data")


def test_each_region_is_a_group_with_its_children() -> None:
    sources = ("-i", str(EXAMPLE / "hosts.yml"), "-i", str(EXAMPLE / "regions.yml"))
    listed = json.loads(ansible("inventory", *sources, "--list"))
    groups = {name: sorted(group["hosts"]) for name, group in listed.items() if name.startswith("region_")}
    assert groups == {
        "region_aws_eu_west_1": ["aws-eu-west-1", "aws-eu-west-1-child1"],
        "region_aws_us_east_2": ["aws-us-east-2", "aws-us-east-2-child1", "aws-us-east-2-child2"],
    }
    # The collection takes them for groups of one's own.
    limited = ansible("playbook", "playbooks/site.yml", *sources, "--limit", "region_aws_us_east_2", "--list-hosts")
    assert "aws-us-east-2-child2" in limited
    assert "aws-eu-west-1" not in limited
