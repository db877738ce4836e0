"""Nothing that a vault held leaves an action: not in its result, its errors or the lines that it displays."""

from __future__ import annotations

import importlib.util
import json
import os
import time
import types
from typing import Any

import pytest
from ansible._internal._datatag._tags import Origin, VaultedValue
from ansible.errors import AnsibleAction, AnsibleActionFail, AnsibleActionSkip
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.utils.display import Display

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import spec
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, guarded, leaving, lines, signals

CANARY = "CANARY-of-a-vault"


def vaulted(text: str) -> str:
    return VaultedValue(ciphertext="$ANSIBLE_VAULT;1.1;AES256").tag(text)


def action(run: Any, **more: Any) -> Any:
    """An action whose run() is `run`, at work in a play with two hosts."""
    made = type("ActionModule", (), {"run": guarded.action(run), "_loader": DataLoader(), **more})()
    made._task = types.SimpleNamespace(args={"note": vaulted("CANARY-argument")}, _ds={"x": "{{ note }} {{ deep }}"})
    return made


VARIABLES: dict[str, Any] = {
    "note": vaulted(CANARY),
    "deep": {"list": [{"pin": vaulted("1234")}]},
    "regional_note": vaulted("east"),
    "kof_note": vaulted("kof"),  # a default of ours
    "child_regional": vaulted("eu-east-1"),
    "groups": {"kof_child": ["eu-east-1", "eu-west-1"], "all": ["eu-east-1", "eu-west-1"]},
}


def test_no_result_has_it_but_where_tasks_go_by_a_name() -> None:
    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        return {
            "diff": [{"host": "eu-east-1", "after": f"note: {CANARY}\npin: 1234\nport: 12345\n"}],
            "msg": f"kof-storage of eu-west-1: {CANARY}, https://me:pw@host/ and CANARY-argument \x1b[0m",
            "refused": [{"host": "eu-east-1", "reason": "1234"}],
            "pending": [["Namespace", "east"]],
            "changed": True,
            "port": 1234,
        }

    assert action(run, GOES_BY=("pending",)).run(None, VARIABLES) == {
        "diff": [{"host": "eu-east-1", "after": "note: (hidden)\npin: (hidden)\nport: 12345\n"}],
        "msg": "kof-storage of eu-west-1: (hidden), https://host/ and (hidden) \\x1b[0m",
        "refused": [{"host": "eu-east-1", "reason": "(hidden)"}],
        "pending": [["Namespace", "east"]],
        "changed": True,
        "port": 1234,
    }


def test_a_vaulted_value_that_was_changed_leaves_neither_old_nor_new() -> None:
    diff = {
        "before": "a.note: the old one\na.port: 1\nvalues: |\n  x: old\n  y: 1\n",
        "after": f"a.note: {CANARY}\na.port: 2\nvalues: |\n  x: 1234\n  y: 2\n",
    }
    assert action(lambda *_arguments: {"diff": [diff]}).run(None, VARIABLES)["diff"] == [
        {
            "before": "a.note: (hidden)\na.port: 1\nvalues: |\n  x: (hidden)\n  y: 1\n",
            "after": "a.note: (hidden)\na.port: 2\nvalues: |\n  x: (hidden)\n  y: 2\n",
        }
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # Several lines, of which the new one may be one.
        ("note: |\n  old 1\n  old 2\nport: 1\n", f"note: {CANARY}\nport: 2\n", "note: (hidden)\nport: 1\n"),
        ("note: |\n  a: old 1\n\n  old 2\n", f"note: |\n  a: {CANARY}\n  1234\n", "note: (hidden)\n"),
        # A list item: which of the old ones it was can't be told.
        ("args:\n  - --pin=old\n  - -x\nport: 1\n", "args:\n  - -x\n  - --pin=1234\n", "args: (hidden)\nport: 1\n"),
        (
            "spec:\n  env:\n  - name: x\n    value: old\n  port: 1\n",
            "spec:\n  env:\n  - name: x\n    value: 1234\n  port: 1\n",
            "spec:\n  env: (hidden)\n  port: 1\n",
        ),
        ("a[0]: old\na[1]: b\n", "a[0]: 1234\na[1]: c\n", "a[0]: (hidden)\na[1]: b\n"),
        # A text that is no YAML.
        ("ini: |\n  [auth]\n  pin = old\n  x: 1\nz: 1", "ini: |\n  [a]\n  pin = 1234\n  x: 1\n", "ini: (hidden)\nz: 1"),
        # Quoted over several lines, as PyYAML writes it.
        ("m:\n  a: 'old 1\n\n    old 2'\n  b: 1\n", "m:\n  a: 1234\n  b: 2\n", "m:\n  a: (hidden)\n  b: 1\n"),
        ("m:\n  a:\n    deep: old\n  b: 1\n", "m:\n  a: 1234\n  b: 2\n", "m:\n  a: (hidden)\n  b: 1\n"),
        ('x.y: {"a": "old"}\n', 'x.y: {"a": "1234"}\n', "x.y: (hidden)\n"),
        ("removed 1\na: 1\n", "removed 1234\na: 2\n", "removed 1\na: 1\n"),
    ],
)  # fmt: skip
def test_of_a_field_that_gets_a_secret_nothing_old_stays(before: str, after: str, expected: str) -> None:
    run = action(lambda *_arguments: {"diff": {"before": before, "after": after}}).run(None, VARIABLES)
    assert run["diff"]["before"] == expected


def test_what_an_action_reads_of_other_hosts_counts() -> None:
    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        assert leaving.leaving("CANARY-of-another") == "CANARY-of-another"
        leaving.hear({"x": vaulted("CANARY-of-another")}, ["x"], {})
        return {"msg": "it is CANARY-of-another"}

    assert action(run).run(None, VARIABLES) == {"msg": "it is (hidden)"}
    assert leaving.leaving("CANARY-of-another") == "CANARY-of-another"  # nothing is at work any more


def in_file(tmp_path: Any) -> Any:
    file = tmp_path / "vault.yml"
    file.write_text("$ANSIBLE_VAULT;1.1;AES256\n3030\n")
    return Origin(path=str(file)).tag


def told(text: str, variables: dict[str, Any], *read: tuple[Any, ...], **more: Any) -> str:
    """`text` as it leaves an action that reads variables: of which host, which, and what they become."""

    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        for each in read:
            leaving.hear(*each)
        return {"msg": text}

    made = action(run)
    made._task = types.SimpleNamespace(args={}, **more)
    return str(made.run(None, variables)["msg"])


def test_a_template_in_an_encrypted_file_is_secret_as_what_each_host_makes_of_it(tmp_path: Any) -> None:
    """It is the same object for all hosts."""
    shared = in_file(tmp_path)("{{ one }}-{{ two }}")
    plain = "user={{ kof_note }} of {{ inventory_hostname }}"
    read = [
        (
            {"kof_note": shared, "kof_line": plain, "one": host, "two": host[::-1]},
            ["kof_note", "kof_line"],
            {"kof_note": f"{host}-{host[::-1]}", "kof_line": f"user={host}-{host[::-1]} of {host}"},
        )
        for host in ("first", "second")
    ]
    text = "a first-tsrif, b second-dnoces, user=first-tsrif of first; first and second"
    assert told(text, {}, *read) == "a (hidden), b (hidden), (hidden); first and second"
    # Also where only another one was read, and a piece of that is told.
    line = [(each[0], ["kof_line"], {"kof_line": each[2]["kof_line"]}) for each in read]
    assert told(text, {}, *line) == "a (hidden), b (hidden), (hidden); first and second"


@pytest.mark.parametrize(
    ("written", "value", "text", "expected"),
    [
        ("{{ mine | upper }}", "CANARY-OF-A-VAULT", "is CANARY-OF-A-VAULT", "is (hidden)"),
        ("at {{ mine }}", f"at {CANARY}", f"at {CANARY}", "at (hidden)"),
        ("{{ {'note': mine, 'x': 'as-it-is'} }}", {"note": CANARY, "x": "as-it-is"}, f"as-it-is {CANARY}",
         "as-it-is (hidden)"),
        ("{{ json | from_json }}", {"x": ["Xy12"], "n": 1}, "Xy12 n", "(hidden) n"),
        ("{{ lookup('vars', 'mi' ~ 'ne') }} as-it-is", f"{CANARY} as-it-is", f"{CANARY} as-it-is", "(hidden) as-it-is"),
        ("{{ other }}", "as-it-is", f"as-it-is {CANARY}", f"as-it-is {CANARY}"),
    ],
)  # fmt: skip
def test_what_a_template_makes_of_a_vaulted_text_is_as_secret(
    written: str, value: Any, text: str, expected: str
) -> None:
    variables = {
        "kof_x": written, "mine": vaulted(CANARY), "json": vaulted('{"x": ["Xy12"], "n": 1}'), "other": "as-it-is",
    }  # fmt: skip
    assert told(text, {}, (variables, ["kof_x"], {"kof_x": value})) == expected


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("{{ lookup('file', 'token') }}", f"{CANARY}: one\nkey: CANARY-part", "(hidden) in x"),
        (
            "of {{ lookup('ansible.builtin.unvault', 'token') }}!",
            f"of {CANARY}: one\nkey: CANARY-part\n!",
            "(hidden) in x",
        ),
        ("{{ query('file', 'plain', 'token') | last | from_yaml }}", {"key": "CANARY-part"}, "(hidden) in x"),
        ("{{ lookup('file', 'plain') }}", "as it is", "as it is in x"),
        ("{{ lookup('file', 'absent', errors='ignore') }}", "", " in x"),
    ],
)
def test_what_a_lookup_reads_of_an_encrypted_file_is_as_secret(
    tmp_path: Any, written: str, value: Any, expected: str
) -> None:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(b"pw"))])
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "token").write_bytes(
        VaultLib(loader._vault.secrets).encrypt(f"{CANARY}: one\nkey: CANARY-part\n")
    )
    (tmp_path / "files" / "plain").write_text("as it is\n")
    variables = {"kof_x": written}
    text = f"{value['key'] if isinstance(value, dict) else value} in x"

    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        leaving.hear(variables, ["kof_x"], {"kof_x": value})
        return {"msg": text}

    made = action(run, _loader=loader)
    made._task = types.SimpleNamespace(args={})
    assert made.run(None, {**variables, "ansible_search_path": [str(tmp_path)]})["msg"] == expected


def test_a_variable_of_another_host_is_secret_by_its_name_or_where_any_may_be_meant() -> None:
    hosts = {
        "a": {"pw": vaulted("CANARY-a"), "x": vaulted("CANARY-x")},
        "b": {"pw": "{{ y }}", "y": vaulted("CANARY-b")},
    }
    around = {"groups": {"all": ["a", "b"]}, "hostvars": types.SimpleNamespace(raw_get=hosts.get)}
    text = "CANARY-a CANARY-b CANARY-x"
    named = around | {"kof_x": "{{ hostvars[groups['all'][0]].pw }}"}
    assert told(text, named) == "(hidden) (hidden) CANARY-x"
    assert told(text, around | {"kof_x": "{{ hostvars[h]['p' ~ w] }}"}) == "(hidden) (hidden) (hidden)"
    assert told(text, around | {"kof_x": "{{ pw }}"}) == text


def test_what_nothing_reads_is_not_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Any] = []
    of_vault = core_internals.of_vault
    monkeypatch.setattr(core_internals, "of_vault", lambda value: looked_at.append(value) or of_vault(value))
    password = vaulted("CANARY-of-ansible")
    variables = {"ansible_password": password, "mine": "{{ lookup('pipe', 'x') }}", "note": vaulted(CANARY)}
    assert told(CANARY, variables | {"kof_x": "plain"}) == CANARY
    assert told(CANARY, variables, _ds={"k0rdent.kof.helm_release": {"x": "{{ note }}"}}) == "(hidden)"
    around = types.SimpleNamespace(environment=[{"X": "{{ note }}"}])
    assert told(CANARY, variables, _ds={}, _parent=around) == "(hidden)"
    assert CANARY in looked_at
    assert password not in looked_at
    assert told(password, variables, _ds={"x": "{{ ansible_password }}"}) == "(hidden)"
    assert password in looked_at


def test_names_that_are_on_every_object_stay_where_an_encrypted_file_has_them(tmp_path: Any) -> None:
    tag = in_file(tmp_path)
    kept = {"kof_fleet": "first", "kof_namespace": "watch", "kof_kcm_namespace": "kcm-here", "kof_version": "1.99.0"}
    variables = {**kept, "regional_cluster_name": "eu-main-1", "regional_note": CANARY}
    raw = {name: tag(text) for name, text in variables.items()} | {"child_cluster_name": tag("{{ x }}-c1")}
    text = f"{' '.join(variables.values())} x-child-c1"
    shown = text.replace(CANARY, "(hidden)")
    assert told(text, raw) == shown
    names = [*variables, "child_cluster_name"]
    assert told(text, {}, (raw, names, {**variables, "child_cluster_name": "x-child-c1"})) == shown
    assert told("x-child-c1", {}, (raw | {"regional_note": tag("x-child-c1")}, ["regional_note"], {})) == "(hidden)"


@pytest.mark.parametrize("kind", [AnsibleActionFail, AnsibleActionSkip])
def test_no_error_has_it(kind: type[AnsibleAction]) -> None:
    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        raise kind(f"got: {CANARY}", result={"more": CANARY})

    with pytest.raises(kind) as caught:
        action(run).run(None, VARIABLES)
    assert str(caught.value) == "got: (hidden)"
    assert caught.value.result["more"] == "(hidden)"
    assert CANARY not in repr((caught.value.__cause__, caught.value.result, caught.value.args))


def test_no_line_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text: told.append(text))
    monkeypatch.setattr(lines.inspect, "unwrap", lambda *_a, **_n: lambda _display, text, stderr: told.append(text))
    read, write = os.pipe()

    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        lines.say(f"said {CANARY}")
        lines.warn(f"warned {CANARY}")
        signals._say(write, f"helm: {CANARY}")
        return {}

    action(run).run(None, VARIABLES)
    assert told == ["said (hidden)", "warned (hidden)"]
    assert os.read(read, 1000) == b"\nhelm: (hidden)\n"
    os.close(read)
    os.close(write)


def test_a_thousand_clusters_with_a_secret_each_take_no_time() -> None:
    """Alone on two cores some 0.3 s, most of it the pattern's; one `in` a secret and text took 90 s."""
    hosts = [f"region-{number:04d}" for number in range(1100)]
    secrets = {host: f"{number * 7919:x}-s3cret-{host[::-1]}" for number, host in enumerate(hosts)}
    text = "".join(f"spec.config.field{line}: some value of a usual length\n" for line in range(40))
    result = {
        "diff": [{"host": host, "before": text, "after": f"{text}note: {secrets[host]}\n"} for host in hosts],
        "refused": [{"host": host, "reason": "the API server refused"} for host in hosts],
    }

    def run(_self: Any, _tmp: Any, _task_vars: Any) -> dict[str, Any]:
        for secret in secrets.values():
            leaving.hear({"note": vaulted(secret)}, ["note"], {})
        return result

    start = time.process_time()
    told = action(run).run(None, {"groups": {"kof_regional": hosts, "all": hosts}})
    seconds = time.process_time() - start
    shown = json.dumps(told)
    assert not [secret for secret in secrets.values() if secret in shown]
    assert [each["host"] for each in told["diff"]] == hosts
    assert seconds < 10
    print(f"{seconds * 1000:.0f} ms for {len(json.dumps(result)) / 1e6:.1f} MB")


def test_who_imports_an_action_has_read_what_every_task_reads() -> None:
    """Core does so in the process that it forks for each task: else each task would read it."""
    spec.load_spec.cache_clear()
    found = importlib.util.spec_from_file_location("leaving_again", leaving.__file__)
    assert found
    assert found.loader
    found.loader.exec_module(importlib.util.module_from_spec(found))
    assert spec.load_spec.cache_info().currsize == len(spec.ROLES)
