"""Reading a batch: every fault of every host, settings that would be lost, one management cluster per batch."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
import yaml
from ansible._internal._datatag._tags import Origin
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import trust_as_template
from unit.inventories import FLEET, task_vars

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, FleetFault, shared_lines
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import ReplacedMap
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import replaced

EVERY_LAYER = LAYERS
REPOSITORY = pathlib.Path(__file__).parents[4]


def faults(folder: pathlib.Path, text: str = FLEET, **more: object) -> list[str]:
    return list(map(str, shared_lines(fleets.read_fleet(task_vars(folder, text, **more), EVERY_LAYER).faults)))


def test_a_right_inventory_has_no_faults(tmp_path: pathlib.Path) -> None:
    fleet = fleets.read_fleet(task_vars(tmp_path), EVERY_LAYER)
    assert fleet.faults == []
    assert [each.domain for each in fleet.of("regional")] == ["eu1.example.com", "us1.example.com"]
    assert fleet.shared("kof_namespace") == "kof"
    assert fleet.batch["child"] == ["eu1-child1", "us1-child1"]


def test_only_the_batch_is_read(tmp_path: pathlib.Path) -> None:
    fleet = fleets.read_fleet(task_vars(tmp_path, batch=["us1"]), ["regional"])
    assert list(fleet.clusters) == ["us1"]
    everywhere = fleets.read_fleet(task_vars(tmp_path, batch=["us1"]), ["regional"], everywhere=True)
    assert everywhere.batch["regional"] == ["us1"]
    assert set(everywhere.clusters) == {"mothership", "eu1", "us1", "eu1-child1", "us1-child1"}


def test_faults_of_all_hosts_are_collected(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("regional_domain: eu1.example.com", "regional_domain: 5").replace(
        "child_regional: us1", "child_regional: '{{ nothing_like_it }}'"
    )
    found = faults(tmp_path, text)
    assert [line.split(": ")[:2] for line in found] == [["eu1", "regional_domain"], ["us1-child1", "child_regional"]]
    assert "nothing_like_it" in found[1]


def test_what_cannot_be_templated_is_not_missing_too(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("regional_domain: eu1.example.com", "regional_domain: 'x {{ $labels.x }}'")
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert "eu1: regional_domain" in found[0]
    assert "!unsafe" in found[0]


def test_an_expression_that_fails_is_told_with_what_helps(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault password, what is undefined, a lookup's own trouble: each has another remedy than a stray brace."""
    vaulted = VaultLib([("default", VaultSecret(b"right"))]).encrypt(b"platform@example.com").decode()
    as_yaml = "!vault |\n" + "".join(f"        {line}\n" for line in vaulted.splitlines())
    wrong = VaultSecretsContext([("default", VaultSecret(b"wrong"))])
    monkeypatch.setattr(VaultSecretsContext, "_current", wrong)
    email = "regional_admin_email: platform@example.com\n"
    for text in (
        FLEET.replace(email, f"regional_admin_email: {as_yaml}"),
        FLEET.replace(email, f"my_email: {as_yaml}    regional_admin_email: '{{{{ my_email }}}}'\n"),
    ):
        (line,) = faults(tmp_path, text)
        assert line.startswith("eu1, us1: regional_admin_email: ")
        assert "--vault-password-file, in AWX a Vault credential" in line
        assert "!unsafe" not in line
    for expression, remedy in (
        ("{{ nothing }}", "default(omit)"),
        ("{{ lookup('file', '/nowhere') }}", "on the controller"),
        ("x {{ $labels.x }}", "!unsafe where {{ is meant to stay"),
    ):
        (line,) = faults(tmp_path, FLEET.replace(email, f'regional_admin_email: "{expression}"\n'))
        assert remedy in line, line


@pytest.mark.parametrize(
    "expression", ["{{ nothing | default(omit) }}", "{{ nothing | default(none) }}", "{{ nothing | default('') }}", "~"]
)
def test_an_option_can_be_left_out_by_expression(tmp_path: pathlib.Path, expression: str) -> None:
    more = f'{{regional_storage_class: "{expression}", kof_no_proxy: "{expression}", '
    fleet = fleets.read_fleet(
        task_vars(tmp_path, FLEET.replace("us1: {", f"us1: {more}").replace('"~"', "~")), EVERY_LAYER
    )
    assert fleet.faults == []
    assert fleet.clusters["us1"].storage_class is None
    assert "kof_no_proxy" not in fleet.variables["us1"]


def test_a_required_option_left_out_by_expression_is_missing(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("regional_domain: us1.example.com", "regional_domain: '{{ nothing | default(omit) }}'")
    assert [line.split("; ")[0] for line in faults(tmp_path, text)] == ["us1: regional_domain: is required"]


def test_text_of_a_survey_is_what_the_option_is(tmp_path: pathlib.Path) -> None:
    extra = {
        "regional_config": "region: us-east-2\nworkersNumber: 3\n",
        "kof_drift_managers": "kubectl*, k9s",
        "kof_wait": "false",
        "dns_credentials_all_zones": "false",
        "dns_credentials_hosted_zones": "Z1, Z2",
        "regional_retention": None,
    }
    fleet = fleets.read_fleet(task_vars(tmp_path, extra=extra), EVERY_LAYER)
    assert fleet.faults == []
    assert fleet.clusters["us1"].config == {"region": "us-east-2", "workersNumber": 3}
    assert fleet.shared("kof_drift_managers") == ["kubectl*", "k9s"]
    assert fleet.shared("kof_wait") is False
    assert fleet.variables["mothership"]["dns_credentials_all_zones"] is False
    assert fleet.variables["mothership"]["dns_credentials_hosted_zones"] == ["Z1", "Z2"]


def test_text_that_became_a_number_is_refused_with_what_helps_there(tmp_path: pathlib.Path) -> None:
    (line,) = faults(tmp_path, extra={"kof_context": 1.1})
    assert line.startswith("mothership, eu1, us1 and 2 more: kof_context: arrived as the number 1.1")
    assert "AWX reads a survey's answer as YAML" in line
    (line,) = faults(tmp_path, FLEET.replace("us1: {", "us1: {regional_retention: 1.10, "))
    assert "us1: regional_retention: arrived as the number 1.1" in line
    assert "quote it" in line


def test_a_number_of_an_ini_inventory_is_told_how_ini_quotes(tmp_path: pathlib.Path) -> None:
    text = "[kof_regional]\neu1 regional_domain=a.example.com regional_admin_email=a@b.de regional_retention=1.10\n"
    text += "[kof_regional:vars]\nkof_version=0.1.1\n"
    (line,) = faults(tmp_path, text, name="hosts.ini")
    assert "eu1: regional_retention: arrived as the number 1.1" in line
    assert "an INI inventory takes a pair of quotes away" in line


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("regional_config: {controlPlaneNumber: 010}", "regional_config: 010 is read as the number 8"),
        ("regional_config: {a: [{b: 1:30}]}", "regional_config: 1:30 is read as the number 90"),
        ("kof_password: 01234567", "kof_password: a number with a leading 0"),
        ("kof_chart_repository_password: 12:30:45", "kof_chart_repository_password: a number with a leading 0"),
        ("regional_config: {adminPassword: 01234567}", "regional_config: a number with a leading 0"),
        ("regional_config: {a: [{name: PASSWORD, value: 01234567}]}", "regional_config: a number with a leading 0"),
        ("kof_wait_timeout: 0600", "kof_wait_timeout: 0600 is read as the number 384"),
        ("regional_config: {controlPlaneNumber: 10, b: 0, c: -1, d: 0x10, e: 1_000, f: '010'}", None),
    ],
)
def test_numbers_that_yaml_reads_otherwise_are_told(tmp_path: pathlib.Path, yaml: str, told: str | None) -> None:
    found = faults(tmp_path, FLEET.replace("us1: {", f"us1: {{{yaml}, "))
    assert [told in line for line in found] == ([True] if told else [])
    assert not [line for line in found if re.search("1234567|342391|45045", line)]


def test_a_variable_with_our_prefix_that_nobody_reads_is_refused(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace(
        "regional_admin_email:",
        "kof_grafana_enabled: false\n    regional_instance_type: t3.xlarge\n    my_own: 1\n    regional_admin_email:",
    )
    found = faults(tmp_path, text)
    assert len(found) == 2, found
    assert found[0].startswith("mothership, eu1, us1 and 2 more: kof_grafana_enabled: no such variable")
    assert "perhaps regional_config: {worker: {instanceType: ...}}" in found[1]
    assert "my_" in found[1]


def test_misspelt_name_is_guessed(tmp_path: pathlib.Path) -> None:
    found = faults(tmp_path, FLEET.replace("child_regional: us1", "child_regionl: us1"))
    assert any("us1-child1: child_regionl" in line and "child_regional" in line for line in found)


PERMISSIONS = ("kof_delete_confirm", "kof_restore_confirm", "kof_take_over_fleet", "kof_dangerous_changes")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("kof_serial", "it would be ignored"), *((name, "a standing permission") for name in PERMISSIONS)],
)
def test_what_has_to_be_an_extra_variable_is_a_fault_elsewhere(tmp_path: pathlib.Path, name: str, problem: str) -> None:
    found = faults(tmp_path, FLEET.replace("kof_fleet: test", f"kof_fleet: test\n    {name}: test"))
    assert any(f": {name}: set {tmp_path}/hosts.yml:6: " in line for line in found)
    assert any(f": {name}: " in line and problem in line and f"-e {name}=" in line for line in found)
    assert faults(tmp_path, extra={name: "test"}) == []


@pytest.mark.parametrize("name", PERMISSIONS)
def test_a_permission_of_a_play_is_none(tmp_path: pathlib.Path, name: str) -> None:
    variables = task_vars(tmp_path)
    variables[name] = Origin(path="/x/play.yml", line_num=3).tag("test")
    fleet = fleets.read_fleet(variables, EVERY_LAYER)
    (fault,) = fleet.faults
    assert str(fault).startswith(f"mothership: {name}: set /x/play.yml:3: kept")
    assert fleet.permissions == Permissions()


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a", {"a"}),
        ("a, b\nc", {"a", "b", "c"}),
        ("a b", {"a", "b"}),
        ('["a", "b"]', {"a", "b"}),  # -e name='["a", "b"]', which ansible-core takes for text
        ("- a\n- b", {"a", "b"}),
        (["a", "b"], {"a", "b"}),
        ("", set()),
        (" , ", set()),
        ([], set()),
        (None, set()),
    ],
)
def test_permissions_are_lists_or_the_text_of_a_survey(tmp_path: pathlib.Path, given: Any, names: set[str]) -> None:
    extra = {"kof_take_over_fleet": given, "kof_dangerous_changes": given}
    fleet = fleets.read_fleet(task_vars(tmp_path, extra=extra), EVERY_LAYER)
    assert fleet.faults == []
    assert fleet.permissions == Permissions(frozenset(names), frozenset(names))


@pytest.mark.parametrize("given", [True, False, 5, {}, {"a": "b"}, [1], "[1]", "{{ kof_fleet }}", ["{{ kof_fleet }}"]])
def test_what_is_no_list_of_names_permits_nothing(tmp_path: pathlib.Path, given: Any) -> None:
    fleet = fleets.read_fleet(task_vars(tmp_path, extra={"kof_take_over_fleet": given}), EVERY_LAYER)
    assert "kof_take_over_fleet: as an extra variable is no list of names" in str(fleet.faults[0])
    assert fleet.permissions == Permissions()


@pytest.mark.parametrize("name", ["regional_config", "kof_namespace", "child_template"])
def test_variable_of_a_play_would_be_lost(tmp_path: pathlib.Path, name: str) -> None:
    variables = task_vars(tmp_path)
    value = AnsibleTagHelper.tag("from-a-play", fleets_origin("/plays/site.yml", 12))
    found = fleets.read_fleet({**variables, name: value}, EVERY_LAYER).faults
    assert [fault.variable for fault in found] == [name]
    assert "/plays/site.yml:12" in str(found[0])


def test_variable_of_a_play_over_the_inventorys_would_be_lost(tmp_path: pathlib.Path) -> None:
    found = fleets.read_fleet({**task_vars(tmp_path), "kof_fleet": "another"}, EVERY_LAYER).faults
    assert [fault.variable for fault in found] == ["kof_fleet"]


def test_role_defaults_are_not_lost_variables(tmp_path: pathlib.Path) -> None:
    defaults = {name: option["default"] for name, option in fleets.load_spec("regional").items() if "default" in option}
    assert "regional_external_dns" in defaults
    assert fleets.read_fleet({**defaults, **task_vars(tmp_path)}, EVERY_LAYER).faults == []


def test_two_management_clusters_in_one_batch(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("us1: {", "us1: {kof_kubeconfig: /other, ")
    found = faults(tmp_path, text)
    assert any("us1: kof_kubeconfig" in line and "mothership" in line for line in found)


def test_difference_of_a_secret_quotes_no_value(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("us1: {", "us1: {kof_api_key: hush-hush, ")
    found = faults(tmp_path, text)
    assert any("us1: kof_api_key" in line for line in found)
    assert "hush-hush" not in "".join(found)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ({"all": ["a"], "web": ["a"]}, "has no host in kof_mothership, kof_regional or kof_child"),
        ({"kof_mothership": ["a", "b"]}, "exactly one"),
        ({"kof_mothership": ["a"], "kof_childs": ["b"]}, "did you mean kof_child?"),
        ({"kof_mothership": ["a"], "kof-regional": ["b"]}, "b in none of its groups; did you mean kof_regional?"),
        ({"kof_mothership": ["a"], "child": ["b"]}, "did you mean kof_child?"),
        ({"kof_mothership": ["a"], "KOF_CHILDREN": ["b"]}, "did you mean kof_child?"),
        ({"kof_regional": ["a"], "kof_regional_eu": ["a", "b"]}, "group kof_regional_eu: "),
        ({"kof_regional": ["a"], "kof_child": ["a"]}, "a host is one cluster"),
    ],
)
def test_group_faults(groups: dict[str, list[str]], says: str) -> None:
    assert any(says in line for line in fleets.group_faults(groups))


@pytest.mark.parametrize(
    "name",
    [
        "kof_us_east_2",
        "kof_prod",
        "regional",
        "child",
        "kof_stores",
        "kof_aws",
        "kof_regional_eu",
        "kof_regionals",
        "eu",
    ],
)
def test_groups_of_ones_own_are_fine_as_long_as_no_host_is_lost(name: str) -> None:
    ours = {"kof_mothership": ["m"], "kof_regional": ["a"], "kof_child": ["b"], "kof_failed": ["a"]}
    assert fleets.group_faults({**ours, name: ["a", "b"]}) == []
    assert fleets.group_faults({**ours, name: []}) == []


@pytest.mark.parametrize("name", ["kof_us_east_2", "kof_prod", "kof_storage", "region", "web"])
def test_hosts_of_others_may_be_in_groups_that_are_not_nearly_ours(name: str) -> None:
    assert fleets.group_faults({"kof_mothership": ["m"], name: ["somebody-elses"]}) == []


def test_message_counts_what_it_leaves_out() -> None:
    fault = FleetFault.of([f"host{number}: x: wrong" for number in range(150)])
    assert "150 faults" in str(fault)
    assert "and 140 more" in str(fault)
    assert len(fault.faults) == 100


def test_templates_from_the_inventory_are_evaluated_others_stay_text(tmp_path: pathlib.Path) -> None:
    text = FLEET.replace("regional_domain: eu1.example.com", "regional_domain: '{{ inventory_hostname }}.example.org'")
    fleet = fleets.read_fleet(task_vars(tmp_path, text), EVERY_LAYER)
    assert fleet.clusters["eu1"].domain == "eu1.example.org"
    trusted = {"regional_domain": trust_as_template("{{ 'a' }}.example.org")}
    assert fleets.read_fleet(task_vars(tmp_path, extra=trusted), EVERY_LAYER).clusters["eu1"].domain == "a.example.org"


def fleets_origin(path: str, line: int) -> object:
    from ansible._internal._datatag._tags import Origin

    return Origin(path=path, line_num=line)


@pytest.mark.parametrize(
    ("of_all", "of_one"),
    [
        ("/etc/kubeconfig", "{users: [{user: {token: hush-hush}}]}"),
        ("{users: [{user: {token: hush-hush}}]}", "/etc/kubeconfig"),
        # The text of one, by mistake.
        ('"apiVersion: v1\\nusers: [{user: {token: hush-hush}}]"', "/etc/kubeconfig"),
    ],
)
def test_difference_of_a_kubeconfig_quotes_nothing(tmp_path: pathlib.Path, of_all: str, of_one: str) -> None:
    text = FLEET.replace("us1: {", f"us1: {{kof_kubeconfig: {of_one}, ")
    found = faults(tmp_path, text.replace("kof_fleet: test", f"kof_fleet: test\n    kof_kubeconfig: {of_all}"))
    assert any("us1: kof_kubeconfig" in line for line in found)
    assert "hush-hush" not in "".join(found)


def test_difference_of_a_proxy_quotes_no_login(tmp_path: pathlib.Path) -> None:
    found = faults(tmp_path, FLEET.replace("us1: {", "us1: {kof_proxy: 'http://robot:hush-hush@proxy:3128', "))
    assert any("us1: kof_proxy" in line for line in found)
    assert "hush-hush" not in "".join(found)


def replaced_maps(folder: pathlib.Path, text: str) -> tuple[ReplacedMap, ...]:
    hostvars = task_vars(folder, text)["hostvars"]
    roles = {"eu1": ("regional",), "us1": ("regional",), "us1-child1": ("child",)}
    return replaced.maps(hostvars, {host: hostvars.raw_get(host) for host in roles}, roles)


def test_a_group_s_map_that_a_host_replaces_is_told_with_the_keys_that_are_lost(tmp_path: pathlib.Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "kof_regional.yml").write_text(
        "regional_config: {publicIP: true, worker: {instanceType: t3.medium, rootVolumeSize: 8}}\n"
    )
    text = FLEET.replace("us1: {", "us1: {regional_config: {region: us-east-2, worker: {instanceType: t3.large}}, ")
    text = text.replace("eu1: {", "eu1: {regional_config: '{{ my_config | combine({}) }}', ")
    text = text.replace("kof_fleet: test", "kof_fleet: test\n    kof_wait: true\n    child_config: {a: 1}")
    text = text.replace("us1-child1: {", "us1-child1: {child_config: {a: 2}, ")
    assert replaced_maps(tmp_path, text) == (
        ReplacedMap("us1", "regional_config", "kof_regional", ("publicIP", "worker.rootVolumeSize")),
    )


def test_hash_behaviour_merge_loses_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.constants.DEFAULT_HASH_BEHAVIOUR", "merge")
    text = FLEET.replace("us1: {", "us1: {regional_config: {region: us-east-2}, ")
    text = text.replace("kof_fleet: test", "kof_fleet: test\n    regional_config: {publicIP: true}")
    assert replaced_maps(tmp_path, text) == ()


def test_a_result_has_no_third_copy_of_what_its_message_says() -> None:
    lines = [f"eu{number}: regional_domain: missing" for number in range(11)]
    few, many = FleetFault.of(lines[:10]), FleetFault.of(lines)
    assert fleets.errors_beside(str(few), few.faults) == {}
    assert len(fleets.errors_beside(str(many), many.faults)["errors"]) == 11


def test_pending_is_what_the_motherships_role_registered(tmp_path: pathlib.Path) -> None:
    variables = task_vars(tmp_path)
    manager = variables["hostvars"]._variable_manager
    # What another run left in a fact cache says nothing about this one.
    manager.set_host_facts("mothership", {"kof_pending": [["Namespace", "old"]], "pending": [["Namespace", "old"]]})
    for waited in ({}, {"skipped": True}, {"pending": []}):
        manager.set_nonpersistent_facts("mothership", {fleets.MOTHERSHIP_WAITED: waited})
        assert fleets.pending_of(variables).items == set()
    waited = {"pending": [["Namespace", "kof"], ["crd", "g/Kind"]]}
    manager.set_nonpersistent_facts("mothership", {fleets.MOTHERSHIP_WAITED: waited})
    assert fleets.pending_of(variables).items == {("Namespace", "kof"), ("crd", "g/Kind")}
    (tasks,) = yaml.safe_load((REPOSITORY / "roles/mothership/tasks/main.yml").read_text(encoding="utf-8"))
    assert [task["register"] for task in tasks["block"] if "k0rdent.kof.fleet_wait" in task] == [
        fleets.MOTHERSHIP_WAITED
    ]


@pytest.mark.parametrize("batch", [None, ["us1"]])
def test_what_dns_credentials_gives_stands_with_the_mothership(tmp_path: pathlib.Path, batch: list[str] | None) -> None:
    """Wherever that one's variables are, and whether it is in the batch."""
    text = FLEET.replace("us1: {", "us1: {regional_external_dns: node, ")
    extra = {
        "dns_credentials_method": "node_role",
        "dns_credentials_hosted_zones": ["Z1"],
        "dns_credentials_role_name": "r",
    }
    fleet = fleets.read_fleet(task_vars(tmp_path, text, batch=batch, extra=extra), EVERY_LAYER)
    assert fleet.faults == []
    access = fleet.clusters["us1"].external_dns_access
    assert (access.zones, access.instance_profile) == (("Z1",), "r")
    if batch is None:
        assert fleet.clusters["eu1"].external_dns_access is None, "it has the Secret's"


def test_a_fault_of_what_dns_credentials_gives_is_told_with_the_regionals_too(tmp_path: pathlib.Path) -> None:
    extra = {
        "dns_credentials_method": "irsa",
        "dns_credentials_oidc_provider_arns": ["x"],
        "dns_credentials_all_zones": True,
    }
    (line,) = faults(tmp_path, extra=extra, batch=["us1"])
    assert line.startswith("mothership: dns_credentials_oidc_provider_arns: 'x' is no ARN")
