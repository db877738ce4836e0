"""Which variables are read once for all hosts: a lookup is called once, and nothing that could differ is shared."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext

from ansible_collections.k0rdent.kof.plugins.filter.mothership import mothership
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import same_for_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import Reader
from inventories import task_vars

HOSTS = 12
MORE = """
  children:
    kof_mothership:
      hosts: {{mothership: }}
    kof_regional:
      hosts:
{regionals}
"""


def inventory(of_all: Mapping[str, str], of_host: str = "") -> str:
    """One mothership and HOSTS regionals; `of_all`: YAML text by variable, `of_host`: of regional {n} on its line."""
    shared = {"regional_admin_email": "a@example.com", **of_all}
    lines = "\n".join(
        f"        r{n}: {{regional_domain: r{n}.example.com{of_host.replace('{n}', str(n))}}}" for n in range(HOSTS)
    )
    return (
        "all:\n  vars:\n"
        + "".join(f"    {name}: {text}\n" for name, text in shared.items())
        + MORE.format(regionals=lines)
    )


def read(folder: pathlib.Path, text: str) -> fleets.Fleet:
    fleet = fleets.read_fleet(task_vars(folder, text), fleets.LAYERS)
    assert fleet.faults == []
    assert len(fleet.clusters) == HOSTS + 1
    return fleet


def counted(folder: pathlib.Path, arguments: str = "") -> tuple[str, pathlib.Path]:
    """An expression that leaves a line in a file each time it is evaluated, and that file."""
    file = folder / "calls"
    return f"lookup('pipe', 'echo x >> {file}; echo secret-of-all'{arguments})", file


def calls(file: pathlib.Path) -> int:
    return len(file.read_text().splitlines())


def test_a_lookup_for_all_is_called_once(tmp_path: pathlib.Path) -> None:
    call, file = counted(tmp_path)
    fleet = read(tmp_path, inventory({"my_secret": f'"{{{{ {call} }}}}"', "kof_api_key": '"{{ my_secret }}"'}))
    assert {values["kof_api_key"] for values in fleet.variables.values()} == {"secret-of-all"}
    assert calls(file) == 1


@pytest.mark.parametrize(
    ("expression", "of_all"),
    [
        ("inventory_hostname", {}),
        ("my_own", {}),
        ("my_other", {"my_other": '"{{ my_own }}"'}),
        ("lookup('vars', 'my_own')", {}),
        ("(my_maps | to_json)", {"my_maps": "{a: ['{{ my_own }}']}"}),
    ],
)
def test_what_can_differ_is_read_on_every_host(tmp_path: pathlib.Path, expression: str, of_all: dict[str, str]) -> None:
    call, file = counted(tmp_path)
    text = inventory({**of_all, "regional_retention": f"\"{{{{ {call} and {expression} | hash('crc32') }}}}\""}, OWN)
    found = fleets.read_fleet(task_vars(tmp_path, text, batch=REGIONALS), ["regional"])
    values = {found.variables[host].get("regional_retention", fault_of(found, host)) for host in REGIONALS}
    assert len(values) == HOSTS
    assert calls(file) == HOSTS


OWN = ", my_own: '{n}'"
REGIONALS = [f"r{n}" for n in range(HOSTS)]


def fault_of(fleet: fleets.Fleet, host: str) -> str:
    return next(str(fault) for fault in fleet.faults if fault.host == host)


def test_what_python_takes_for_equal_is_not_the_same_to_a_template(tmp_path: pathlib.Path) -> None:
    text = inventory({"kof_proxy": '"http://{{ my_own | to_json | hash }}"', "my_own": "{x: [1]}"})
    for host, own in (("r0", "{x: [1]}"), ("r1", "{x: [true]}"), ("r2", "{x: [1.0]}")):
        text = text.replace(f"{host}: {{", f"{host}: {{my_own: {own}, ")
    fleet = fleets.read_fleet(task_vars(tmp_path, text), fleets.LAYERS)
    assert len({fleet.variables[host]["kof_proxy"] for host in ("r0", "r1", "r2")}) == 3
    assert fleet.variables["r3"]["kof_proxy"] == fleet.variables["r0"]["kof_proxy"]


def test_a_variant_of_a_group_is_read_once_too(tmp_path: pathlib.Path) -> None:
    call, file = counted(tmp_path)
    odd = ", my_zone: '{n}'"
    text = inventory({"kof_api_key": f'"{{{{ {call} ~ (my_zone | default) }}}}"'}, odd)
    for n in range(HOSTS):
        text = text.replace(f"my_zone: '{n}'", f"my_zone: '{n % 2}'")
    fleet = fleets.read_fleet(task_vars(tmp_path, text), fleets.LAYERS)
    assert {values["kof_api_key"] for values in fleet.variables.values()} == {f"secret-of-all{n}" for n in ("", 0, 1)}
    assert calls(file) == 3


def test_a_failure_is_shared_and_told_for_every_host(tmp_path: pathlib.Path) -> None:
    call, file = counted(tmp_path)
    fleet = fleets.read_fleet(
        task_vars(tmp_path, inventory({"kof_api_key": f'"{{{{ {call} ~ nothing }}}}"'})), fleets.LAYERS
    )
    assert {fault.host for fault in fleet.faults} == {"mothership", *(f"r{n}" for n in range(HOSTS))}
    assert calls(file) == 1


def test_a_vaulted_value_is_decrypted_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = VaultSecret(b"right")
    vaulted = VaultLib([("default", secret)]).encrypt(b"hush").decode()
    decrypted: list[Any] = []
    real = VaultLib.decrypt_and_get_vault_id
    monkeypatch.setattr(
        VaultLib, "decrypt_and_get_vault_id", lambda *args, **more: decrypted.append(1) or real(*args, **more)
    )
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext([("default", secret)]))
    text = "!vault |\n" + "".join(f"        {line}\n" for line in vaulted.splitlines())
    fleet = read(tmp_path, inventory({"kof_api_key": text.rstrip()}))
    assert {values["kof_api_key"] for values in fleet.variables.values()} == {"hush"}
    assert len(decrypted) == 1


def test_filters_of_one_task_call_a_lookup_once(tmp_path: pathlib.Path) -> None:
    call, file = counted(tmp_path)
    text = inventory({"kof_chart_repository_password": f'"{{{{ {call} }}}}"', "kof_chart_repository_username": "robot"})
    hostvars = task_vars(tmp_path, text)["hostvars"]
    told = [mothership(hostvars["mothership"])["helm"]["registry_password"] for _each in range(3)]
    assert told == ["secret-of-all"] * 3
    assert calls(file) == 1


def test_variables_that_are_no_hosts_are_not_taken_for_another_ones() -> None:
    reader = Reader()
    assert [reader.read("", {"kof_fleet": name}, ["kof_fleet"])[0] for name in ("a", "b")] == [
        {"kof_fleet": "a"}, {"kof_fleet": "b"},
    ]  # fmt: skip


def test_nobody_changes_another_hosts_value(tmp_path: pathlib.Path) -> None:
    fleet = read(tmp_path, inventory({"my_list": "[a]", "kof_drift_managers": "\"{{ my_list + ['b'] }}\""}))
    fleet.variables["r0"]["kof_drift_managers"].append("c")
    assert fleet.variables["r1"]["kof_drift_managers"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ lookup('env', 'X') }}", set()),
        ("{{ lookup('ansible.builtin.file', '/etc/' ~ region) | from_json }}", {"region"}),
        ("{{ query('password', 'f') | first }}", set()),
        ("{% for x in hosts %}{{ x }}{{ range(3) }}{% endfor %}", {"hosts"}),
        ("{{ a is match('x') and b is defined }}{{ c | default(omit) }}", {"a", "b", "c"}),
        ("{{ hostvars.a.b }}", None),
        ("{{ vars['a'] }}", None),
        ("{{ lookup('vars', 'a') }}", None),
        ("{{ lookup('template', 'a.j2') }}", None),
        ("{{ lookup(plugin, 'a') }}", None),
        ("{{ ['a'] | map('extract', vars) }}", None),
        ("{{ lookup('no.such.plugin', 'a') }}", None),
        ("{% set l = lookup %}{{ l('vars', 'a') }}", None),
        ("{% include 'a' %}", None),
        ("{{ a", None),
        ("#jinja2: variable_start_string:'<'\n<a>", None),
    ],
)
def test_what_a_template_refers_to(text: str, names: set[str] | None) -> None:
    found = same_for_all._names(text)
    assert found is None if names is None else set(found or ()) == names


def test_the_variables_of_a_lookups_options_are_referred_to() -> None:
    assert "ansible_lookup_url_timeout" in set(same_for_all._names("{{ lookup('url', 'https://x') }}") or ())
    assert same_for_all._names("{{ lookup('amazon.aws.secretsmanager_secret', 'x') }}") is not None
