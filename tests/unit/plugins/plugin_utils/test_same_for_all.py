"""Which variables are read once for all hosts: a lookup is called once, and nothing that could differ is shared."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2
import pytest
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.plugins.loader import filter_loader, lookup_loader
from unit.inventories import task_vars

from ansible_collections.k0rdent.kof.plugins.filter.mothership import mothership
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import same_for_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import Reader

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
    shared = {"kof_version": "0.1.1", "regional_admin_email": "a@example.com", **of_all}
    lines = "\n".join(
        f"        r{n}: {{regional_domain: r{n}.example.com{of_host.replace('{n}', str(n))}}}" for n in range(HOSTS)
    )
    return (
        "all:\n  vars:\n"
        + "".join(f"    {name}: {text}\n" for name, text in shared.items())
        + MORE.format(regionals=lines)
    )


def read(folder: pathlib.Path, text: str) -> Fleet:
    fleet = fleets.read_fleet(task_vars(folder, text), LAYERS)
    assert fleet.faults == []
    assert len(fleet.clusters) == HOSTS + 1
    return fleet


#: What reads the same for whoever asks, and its value.
CALL, VALUE = "lookup('env', 'KOF_TEST_OF_ALL')", "secret-of-all"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One for each time that CALL was evaluated."""
    monkeypatch.setenv("KOF_TEST_OF_ALL", VALUE)
    lookup = lookup_loader.get("env", class_only=True)
    real, counted = lookup.run, list[Any]()

    def run(self: Any, terms: Any, variables: Any = None, **options: Any) -> Any:
        counted.append(terms)
        return real(self, terms, variables, **options)

    monkeypatch.setattr(lookup, "run", run)
    return counted


def test_a_lookup_for_all_is_called_once(tmp_path: pathlib.Path, calls: list[Any]) -> None:
    fleet = read(tmp_path, inventory({"my_secret": f'"{{{{ {CALL} }}}}"', "kof_api_key": '"{{ my_secret }}"'}))
    assert {values["kof_api_key"] for values in fleet.variables.values()} == {"secret-of-all"}
    assert len(calls) == 1


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
def test_what_can_differ_is_read_on_every_host(
    tmp_path: pathlib.Path, calls: list[Any], expression: str, of_all: dict[str, str]
) -> None:
    text = inventory({**of_all, "regional_retention": f"\"{{{{ {CALL} and {expression} | hash('crc32') }}}}\""}, OWN)
    found = fleets.read_fleet(task_vars(tmp_path, text, batch=REGIONALS), ["regional"])
    values = {found.variables[host].get("regional_retention", fault_of(found, host)) for host in REGIONALS}
    assert len(values) == HOSTS
    assert len(calls) == HOSTS


OWN = ", my_own: '{n}'"
REGIONALS = [f"r{n}" for n in range(HOSTS)]


def fault_of(fleet: Fleet, host: str) -> str:
    return next(str(fault) for fault in fleet.faults if fault.host == host)


def test_what_python_takes_for_equal_is_not_the_same_to_a_template(tmp_path: pathlib.Path) -> None:
    text = inventory({"kof_proxy": '"http://{{ my_own | to_json | hash }}"', "my_own": "{x: [1]}"})
    for host, own in (("r0", "{x: [1]}"), ("r1", "{x: [true]}"), ("r2", "{x: [1.0]}")):
        text = text.replace(f"{host}: {{", f"{host}: {{my_own: {own}, ")
    fleet = fleets.read_fleet(task_vars(tmp_path, text), LAYERS)
    assert len({fleet.variables[host]["kof_proxy"] for host in ("r0", "r1", "r2")}) == 3
    assert fleet.variables["r3"]["kof_proxy"] == fleet.variables["r0"]["kof_proxy"]


def test_a_variant_of_a_group_is_read_once_too(tmp_path: pathlib.Path, calls: list[Any]) -> None:
    odd = ", my_zone: '{n}'"
    text = inventory({"kof_api_key": f'"{{{{ {CALL} ~ (my_zone | default) }}}}"'}, odd)
    for n in range(HOSTS):
        text = text.replace(f"my_zone: '{n}'", f"my_zone: '{n % 2}'")
    fleet = fleets.read_fleet(task_vars(tmp_path, text), LAYERS)
    assert {values["kof_api_key"] for values in fleet.variables.values()} == {f"secret-of-all{n}" for n in ("", 0, 1)}
    assert len(calls) == 3


def test_a_failure_is_shared_and_told_for_every_host(tmp_path: pathlib.Path, calls: list[Any]) -> None:
    fleet = fleets.read_fleet(task_vars(tmp_path, inventory({"kof_api_key": f'"{{{{ {CALL} ~ nothing }}}}"'})), LAYERS)
    assert {fault.host for fault in fleet.faults} == {"mothership", *(f"r{n}" for n in range(HOSTS))}
    assert len(calls) == 1


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


def test_filters_of_one_task_call_a_lookup_once(tmp_path: pathlib.Path, calls: list[Any]) -> None:
    text = inventory({"kof_chart_repository_password": f'"{{{{ {CALL} }}}}"', "kof_chart_repository_username": "robot"})
    hostvars = task_vars(tmp_path, text)["hostvars"]
    told = [mothership(hostvars["mothership"])["helm"]["registry_password"] for _each in range(3)]
    assert told == ["secret-of-all"] * 3
    assert len(calls) == 1


def test_variables_that_are_no_hosts_are_not_taken_for_another_ones() -> None:
    reader = Reader()
    assert [reader.read("", {"kof_fleet": name}, ["kof_fleet"])[0] for name in ("a", "b")] == [
        {"kof_fleet": "a"}, {"kof_fleet": "b"},
    ]  # fmt: skip


def test_nobody_changes_another_hosts_value(tmp_path: pathlib.Path) -> None:
    fleet = read(tmp_path, inventory({"my_list": "[a]", "kof_drift_managers": "\"{{ my_list + ['b'] }}\""}))
    fleet.variables["r0"]["kof_drift_managers"].append("c")
    assert fleet.variables["r1"]["kof_drift_managers"] == ["a", "b"]


#: Each gives something else, or may, whenever it is asked.
OF_CHANCE_AND_TIME = (
    "lookup('password', '/dev/null')",
    "lookup('ansible.builtin.password', '/dev/null', length=9)",
    "lookup('random_choice', *my_list)",
    "query('random_choice', my_list) | first",
    "lookup('pipe', 'date +%N')",
    "lookup('lines', 'uuidgen')",
    "lookup('url', 'https://example.com/new-token')",
    "my_list | random",
    "my_list | ansible.builtin.random",
    "my_list | shuffle | join",
    "my_list | map('random') | join",
    "my_list | ansible.builtin.map('random') | join",
    "my_list | map(my_filter) | join",
    "'x' | password_hash",
    "'x' | vault('y')",
    "'%s' | strftime",
    "now()",
    "now(utc=true).isoformat()",
    "lipsum(n=1)",
    "('2020-01-01' | to_datetime('%Y-%m-%d')).now()",
    "('2020-01-01' | to_datetime('%Y-%m-%d'))['utcnow']()",
    "'2020-01-01' | to_datetime('%Y-%m-%d') | attr('today')",
    "my_list | no_such_filter",
    "lookup('community.hashi_vault.vault_write', 'database/creds/x')",
)


@pytest.mark.parametrize("expression", OF_CHANCE_AND_TIME)
def test_what_asks_for_chance_or_time_is_asked_on_every_host(expression: str) -> None:
    for text in (
        f"{{{{ {expression} }}}}",
        f"{{% set x = {expression} %}}{{{{ x }}}}",
        f"{{{{ ({expression}) ~ a }}}}",
    ):
        assert same_for_all._names(text, one=False) is None, text


def test_a_random_value_in_all_is_every_hosts_own_but_one_of_what_all_share(tmp_path: pathlib.Path) -> None:
    """A token that a command makes anew each time would differ from host to host, and a run speaks to one cluster."""
    random = "lookup('password', '/dev/null', chars=['ascii_lowercase'], length=20)"
    of_all = {
        "regional_admin_email": f'"{{{{ {random} }}}}@example.com"',
        "regional_storage_class": "\"{{ lookup('pipe', 'od -An -N8 -tx1 /dev/urandom') | hash('sha1') }}\"",
        "kof_api_key": f'"{{{{ {random} }}}}"',
    }
    fleet = read(tmp_path, inventory(of_all))
    for name in of_all:
        found = {fleet.variables[f"r{n}"][name] for n in range(HOSTS)}
        assert len(found) == (1 if name.startswith("kof_") else HOSTS), name


def test_the_filters_that_ansible_core_has_are_known_as_steady_or_not() -> None:
    """Of a new one nobody has said yet whether it gives the same to whoever asks."""
    of_core = {plugin.ansible_name.removeprefix("ansible.builtin.") for plugin in filter_loader.all()}
    of_core = {name for name in of_core if "." not in name} | {*jinja2.Environment().filters}
    unsteady = {"attr", "password_hash", "random", "shuffle", "strftime", "vault"}
    assert of_core - same_for_all._STEADY_FILTERS == unsteady
    assert of_core >= same_for_all._STEADY_FILTERS
    for name in sorted(of_core):
        assert (same_for_all._names(f"{{{{ 'x' | {name} }}}}", one=False) is None) == (name in unsteady)


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
    found = same_for_all._names(text, one=True)
    assert found is None if names is None else set(found or ()) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ a }}", {"a"}),
        ("{{ hostvars[groups['m'][0]].vault_pw | b64encode }}", {"groups", "vault_pw"}),
        ("{{ hostvars.m.pw }}{{ hostvars['m']['x'] }}", {"pw", "x"}),
        ("{{ hostvars[h].get('y', d) }}", {"d", "h", "y"}),
        ("{{ hostvars[inventory_hostname].a.b['c'] }}", {"a", "inventory_hostname"}),
        ("{{ vars['a'] ~ vars.b ~ vars.get('c') }}", {"a", "b", "c"}),
        ("{{ lookup('vars', 'x', default='') ~ q('ansible.builtin.vars', 'y') }}", {"x", "y"}),
        ("{{ lookup('pipe', c) }}", {"c"}),
        ("{{ hostvars[h]['v' ~ y] }}", None),
        ("{{ hostvars[h].items() }}", None),
        ("{{ hostvars[a[b[c]]].x }}", None),
        ("{{ hostvars[h].x ~ hostvars[h][n] }}", None),
        ("{{ vars['a' ~ x] }}", None),
        ("{{ lookup('vars', n) }}", None),
        ("{{ lookup('vars', 'a', b) }}", None),
        ("{{ lookup('template', 'x') }}", None),
        ("{{ groups['a'] | map('extract', hostvars, 'pw') | list }}", None),
    ],
)
def test_which_variables_a_template_may_read(text: str, names: set[str] | None) -> None:
    found = same_for_all.mentioned(text)
    assert found is None if names is None else set(found or ()) == names


def test_the_variables_of_a_lookups_options_are_referred_to() -> None:
    assert "ansible_lookup_url_timeout" in set(same_for_all._names("{{ lookup('url', 'https://x') }}", one=True) or ())
    assert same_for_all._names("{{ lookup('amazon.aws.secretsmanager_secret', 'x') }}", one=False) is not None
