"""filter/: thin wrappers, called directly, through a real Templar with tagged values, and from a playbook."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from unit.tagging import tagged

from ansible_collections.k0rdent.kof.plugins.filter.child_manifests import child_manifests
from ansible_collections.k0rdent.kof.plugins.filter.dns_records import dns_records
from ansible_collections.k0rdent.kof.plugins.filter.mothership import mothership
from ansible_collections.k0rdent.kof.plugins.filter.mothership_values import mothership_values
from ansible_collections.k0rdent.kof.plugins.filter.promxy_config import promxy_config
from ansible_collections.k0rdent.kof.plugins.filter.regional_manifests import regional_manifests
from forked import SHARED

ROOT = pathlib.Path(__file__).parents[4]
REGIONAL: dict[str, Any] = {
    "inventory_hostname": "eu1",
    "kof_version": "0.1.1",
    "regional_domain": "eu1.example.com",
    "regional_admin_email": "a@example.com",
    "regional_config": {"region": "eu-west-1"},
    "somebody_elses": object(),
}
CHILD: dict[str, Any] = {"inventory_hostname": "eu1-a", "kof_version": "0.1.1", "child_regional": "eu1"}
MOTHERSHIP: dict[str, Any] = {
    "inventory_hostname": "mothership",
    "kof_version": "0.1.1",
    "kof_kubeconfig": "/k",
    "kof_helm_binary": "/helm",
    "kof_chart_repository_username": "robot",
    "kof_chart_repository_password": "geheim",
    "kof_wait_timeout": "60",
    "dns_credentials_method": "existing",
    "dns_credentials_file": "~/key",
    "mothership_values": {"promxy": {"replicaCount": 2}},
}


def through_ansible(template: str, **variables: Any) -> Any:
    """The value of a template as a task would get it: tagged variables, lazy containers, the real filter loader."""
    templar = Templar(loader=DataLoader(), variables=tagged(variables))
    return templar.template(tagged(template))


def test_mothership_has_all_that_its_role_needs() -> None:
    settings = mothership(MOTHERSHIP)
    assert settings["namespace"] == "kof"
    assert settings["connection"] == {"kubeconfig": "/k"}
    assert settings["helm"] == {
        "binary_path": "/helm",
        "registry_username": "robot",
        "registry_password": "geheim",
        "plain_http": False,
    }
    assert settings["wait"] is True
    assert settings["wait_timeout"] == 60
    assert [release["name"] for release in settings["releases"]] == ["kof-operators", "kof-mothership"]
    for release in settings["releases"]:
        options = {"chart_ref", "chart_version", "values", "timeout", "skip_schema_validation", "needed_objects"}
        of_volumes = {"growing_values", "fixed_values"} if release["name"] == "kof-mothership" else set()
        assert set(release) == {"name", "namespace", *options, *of_volumes}
        assert release["skip_schema_validation"] is (release["name"] == "kof-operators")
        assert "geheim" not in json.dumps(release)
    assert settings["releases"][1]["growing_values"]["victoriametrics.vmcluster.vmstorage.storage.size"] == "10Gi"
    allowed = mothership({**MOTHERSHIP, "kof_dangerous_changes": "kof"})["releases"][1]
    assert (allowed["needed_objects"], "growing_values" in allowed, "fixed_values" in allowed) == ([], False, False)
    assert "kof-mothership-promxy" in settings["deployments"]
    assert settings["take_over_fleet"] == []
    # A survey's answer is a text, of which the fleet actions have made these names.
    assert mothership({**MOTHERSHIP, "kof_take_over_fleet": "b a,c"})["take_over_fleet"] == ["a", "b", "c"]


def test_values_of_each_chart() -> None:
    assert mothership_values(MOTHERSHIP)["promxy"] == {"image": {"tag": "v0.0.93"}, "replicaCount": 2}
    assert mothership_values(MOTHERSHIP, "kof-operators") == {}
    with pytest.raises(AnsibleFilterError, match="the charts are kof-operators, kof-mothership"):
        mothership_values(MOTHERSHIP, "kof-storage")


def test_manifests_of_a_regional_and_its_child() -> None:
    objects = regional_manifests(REGIONAL)
    assert [(each["kind"], each["metadata"]["name"]) for each in objects] == [
        ("ClusterDeployment", "eu1"),
        ("PromxyServerGroup", "eu1-metrics"),
        ("GrafanaDatasource", "eu1-logs"),
    ]
    assert objects[0]["apiVersion"] == "k0rdent.mirantis.com/v1alpha1"
    assert objects[0]["spec"]["template"] == "aws-standalone-cp-0-1-0"
    (child,) = child_manifests(CHILD, "eu1.example.com", template="t-1", kcm_version="v1beta1")
    assert (child["apiVersion"], child["spec"]["template"]) == ("k0rdent.mirantis.com/v1beta1", "t-1")
    assert "https://vmauth.eu1.example.com/" in child["spec"]["serviceSpec"]["services"][2]["values"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (
            lambda: regional_manifests({**REGIONAL, "regional_domain": 5}),
            "eu1: regional_domain: arrived as the number",
        ),
        (lambda: regional_manifests({**REGIONAL, "regional_config": {1: 2}}), "the key 1 is no string"),
        (lambda: regional_manifests("eu1"), "must be the variables of a host"),  # type: ignore[arg-type]
        (lambda: regional_manifests(REGIONAL, kcm_version="v1"), "v1alpha1 or v1beta1"),
        (lambda: regional_manifests(REGIONAL, template="A"), "template: "),
        (lambda: child_manifests(CHILD, "EU1"), "regional_domain: "),
        (lambda: child_manifests(CHILD, None), "regional_domain: must be a string"),  # type: ignore[arg-type]
        (lambda: promxy_config("x"), "list of PromxyServerGroup"),  # type: ignore[arg-type]
        (lambda: promxy_config([], {"a": "b"}), "list of user name and password"),
        (lambda: dns_records([], "a.b"), "no address yet"),
        (lambda: dns_records("x", "a.b"), "must be a Service"),
        (lambda: dns_records([{"ip": "192.0.2.1"}], "A"), "domain: "),
    ],
)
def test_what_is_wrong_is_a_filters_error(call: Any, why: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        call()
    assert why in str(caught.value)


def test_all_faults_are_in_one_error() -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        regional_manifests({**REGIONAL, "kof_version": 1.1, "regional_domain": "x"})
    assert len(str(caught.value).splitlines()) == 2


def test_promxys_configuration_of_regional_objects() -> None:
    text = promxy_config(regional_manifests(REGIONAL), {"storage-vmuser-credentials": ["u", "p"]})
    assert yaml.safe_load(text)["promxy"]["server_groups"][0]["labels"] == {"promxyCluster": "eu1"}
    with pytest.raises(AnsibleFilterError, match="backslash") as caught:
        promxy_config(regional_manifests(REGIONAL), {"storage-vmuser-credentials": ["u", "gehe\\im"]})
    assert "gehe" not in str(caught.value)


@pytest.mark.parametrize(
    "ingress",
    [
        {"status": {"loadBalancer": {"ingress": [{"hostname": "a.elb.amazonaws.com"}]}}},
        [{"hostname": "a.elb.amazonaws.com"}],
    ],
)
def test_records_of_a_service_or_its_ingress(ingress: Any) -> None:
    assert [record["type"] for record in dns_records(ingress, "eu1.example.com")] == ["CNAME", "CNAME"]


@pytest.mark.parametrize(
    ("template", "variables", "direct"),
    [
        ("{{ v | k0rdent.kof.mothership }}", {"v": MOTHERSHIP}, lambda: mothership(MOTHERSHIP)),
        ("{{ v | k0rdent.kof.mothership_values }}", {"v": MOTHERSHIP}, lambda: mothership_values(MOTHERSHIP)),
        (
            "{{ v | k0rdent.kof.child_manifests(regional_domain=d) }}",
            {"v": CHILD, "d": "{{ 'eu1' }}.example.com"},
            lambda: child_manifests(CHILD, "eu1.example.com"),
        ),
        (
            "{{ v | k0rdent.kof.regional_manifests }}",
            {"v": {**REGIONAL, "regional_config": {"region": "{{ 'eu-west' }}-1"}, "somebody_elses": "{{ nowhere }}"}},
            lambda: regional_manifests(REGIONAL),
        ),
        (
            "{{ [v | k0rdent.kof.regional_manifests] | flatten | k0rdent.kof.promxy_config }}",
            {"v": {key: value for key, value in REGIONAL.items() if key != "somebody_elses"}},
            lambda: promxy_config(regional_manifests(REGIONAL)),
        ),
        (
            "{{ i | k0rdent.kof.dns_records('a.b') }}",
            {"i": [{"ip": "192.0.2.1"}]},
            lambda: dns_records([{"ip": "192.0.2.1"}], "a.b"),
        ),
    ],
)
def test_a_template_gets_the_same_from_tagged_values(template: str, variables: dict[str, Any], direct: Any) -> None:
    assert json.loads(json.dumps(through_ansible(template, **variables))) == direct()


def test_a_placeholder_of_grafana_survives_templating() -> None:
    user = through_ansible(
        "{{ (v | k0rdent.kof.regional_manifests)[2].spec.datasource.basicAuthUser }}",
        v=dict(REGIONAL, somebody_elses=1),
    )
    assert user == "${username}"


def test_faults_reach_whoever_templates() -> None:
    with pytest.raises(AnsibleError, match="regional_domain: is required"):
        through_ansible("{{ v | k0rdent.kof.regional_manifests }}", v={"inventory_hostname": "eu1"})


def test_what_can_not_be_templated_is_named_with_everything_else() -> None:
    variables = {
        **CHILD,
        "child_template": "{{ nowhere }}",
        "child_config": {"a": [{"b": "{{ 1 / 0 }}"}]},
        "child_service_priority": 0,
    }
    with pytest.raises(AnsibleError) as caught:
        through_ansible("{{ v | k0rdent.kof.child_manifests(regional_domain='a.b') }}", v=variables)
    assert "eu1-a: child_template: can't be templated: 'nowhere' is undefined" in str(caught.value)
    assert "eu1-a: child_config: a[0].b: can't be templated: " in str(caught.value)
    assert "eu1-a: child_service_priority: is 0" in str(caught.value)


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Write what each host has
      ansible.builtin.copy:
        content: "{{ made | to_json }}"
        dest: "{{ out }}/{{ inventory_hostname }}.json"
        mode: "0600"
      vars:
        made: >-
          {{ hostvars[inventory_hostname] | k0rdent.kof.mothership if inventory_hostname == 'mothership'
             else hostvars[inventory_hostname] | k0rdent.kof.regional_manifests }}
"""
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    kof_version: "0.1.1"
    kof_fleet: "{{ 'test' ~ 'ing' }}"
    other: "{{ undefined_elsewhere }}"
  hosts:
    mothership:
      dns_credentials_method: iam_user
      dns_credentials_all_zones: true
    eu1:
      regional_domain: "{{ inventory_hostname }}.example.com"
      regional_admin_email: a@example.com
      regional_service_values:
        kof-storage:
          defaultRules: !unsafe "{{ $labels.cluster }} is down"
"""


def test_in_a_playbook_with_hostvars(tmp_path: pathlib.Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".work" / "collections"))
    settings = {"ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    environment = {**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"}
    arguments = ["-i", "hosts.yml", "play.yml", "-e", f"out={tmp_path}"]
    code, told = SHARED.run(arguments, environment, 300, folder=tmp_path)
    assert code == 0, told
    settings = json.loads((tmp_path / "mothership.json").read_text(encoding="utf-8"))
    assert settings["fleet"] == "testing"
    assert "clusterProfiles" in settings["releases"][1]["values"]["kcm"]["kof"]
    cluster, group, datasource = json.loads((tmp_path / "eu1.json").read_text(encoding="utf-8"))
    assert cluster["metadata"]["annotations"] == {"k0rdent-kof/regional-domain": "eu1.example.com"}
    values = yaml.safe_load(cluster["spec"]["serviceSpec"]["services"][2]["values"])
    assert values["defaultRules"] == "{{ $labels.cluster }} is down"
    assert group["spec"]["targets"] == ["vmauth.eu1.example.com:443"]
    assert datasource["spec"]["datasource"]["secureJsonData"] == {"basicAuthPassword": "${password}"}


def test_dns_credentials_says_nothing_of_how_the_management_cluster_is_reached() -> None:
    from ansible_collections.k0rdent.kof.plugins.filter.dns_credentials import dns_credentials

    known = {"kof_kubeconfig": {"users": [{"name": "u", "user": {"token": "hush-hush"}}]}, "kof_context": "c"}
    found = dns_credentials({"dns_credentials_method": "none", **known})
    assert found["kof_fleet"] == "kof"
    assert "hush-hush" not in str(found)
    assert not set(known) & set(found)
