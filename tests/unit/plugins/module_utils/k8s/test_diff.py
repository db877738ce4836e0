"""Field diffs say what changed and never a secret."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import (
    HIDDEN,
    HIDDEN_NEW,
    changes,
    is_secret_name,
    masked,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import LAST_APPLIED
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml, yaml_text
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Hider


def obj(spec, **more):
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec, **more}


def shown(before, after):
    return [(change.path, change.before, change.after) for change in changes(before, after)]


def test_paths_before_and_after():
    before = obj({"a": 1, "b": {"c": [1, 2]}, "gone": True, "list": [{"v": "x"}, {"v": "y"}]})
    after = obj({"a": 1.0, "b": {"c": [1, 3]}, "new": None, "list": [{"v": "x"}, {"v": "z"}]})
    assert shown(before, after) == [
        ("spec.b.c[1]", 2, 3),
        ("spec.gone", True, None),
        ("spec.list[1].v", "y", "z"),
        ("spec.new", None, None),
    ]


def test_what_moves_by_itself_is_no_change():
    before = obj({}, status={"a": 1})
    before["metadata"] |= {"resourceVersion": "1", "generation": 1, "managedFields": [], "uid": "u"}
    after = obj({}, status={"a": 2})
    after["metadata"] |= {"resourceVersion": "2", "generation": 2, "managedFields": [{}], "uid": "u"}
    assert shown(before, after) == []


def test_true_is_not_one():
    assert shown(obj({"a": True}), obj({"a": 1})) == [("spec.a", True, 1)]


def test_secret_data_is_hidden_and_still_seen_to_change():
    before = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b2xk", "same": "eA=="}}
    after = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "bmV3", "same": "eA==", "b": "bW9yZQ=="}}
    assert shown(before, after) == [("data.a", HIDDEN, HIDDEN_NEW), ("data.b", None, HIDDEN)]
    assert shown(None, after)[-3:] == [("data.a", None, HIDDEN), ("data.same", None, HIDDEN), ("data.b", None, HIDDEN)]


def test_the_last_applied_annotation_is_not_shown():
    before = obj({})
    before["metadata"]["annotations"] = {LAST_APPLIED: '{"data":{"password":"hunter2"}}'}
    assert "hunter2" not in str(shown(before, obj({})))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "adminPassword",
        "GF_SECURITY_ADMIN_PASSWORD",
        "aws_secret_access_key",
        "secretKey",
        "secret_key",
        "token",
        "apiKey",
        "api_key",
        "clientSecret",
        "privateKey",
        "tls.key",
        "secureJsonData",
        "passphrase",
        "Authorization",
        "pass",
        "DB_PASS",
        "smtpPass",
        "creds",
        "Cookie",
        "auths",
        ".dockerconfigjson",
        "encryptionKey",
        "ssh_key",
        "licenseKey",
        "accountKey",
        "keyData",
        "psk",
        "slack_api_url",
        "webhookUrl",
    ],
)
def test_secret_names(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "credentials_secret_name",
        "secretName",
        "secret-name",
        "promxy-secret-name",
        "username_key",
        "password_key",
        "secretKeyRef",
        "imagePullSecrets",
        "child_image_pull_secrets",
        "create_secret",
        "create_secrets",
        "region",
        "insecure_skip_verify",
        "credential",
        "credentials",
        "propagateCredentials",
        "bypass",
        "key",
        "labelKey",
        "url",
        "secretRef",
        "k0rdent.mirantis.com/kof-aws-dns-secrets",
    ],
)
def test_names_of_secrets_are_no_secrets(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "grafana:\n  adminPassword: hunter2\n",
        "a:\n- token: hunter2\n",
        '{"x": {"password": "hunter2"}}',
        "password: [hunter2, b]\n",
        "auth:\n  secret:\n    deep: {value: hunter2}\n",
        "key: |\n  [default]\n  aws_secret_access_key = hunter2\n",
        "password: {{ hunter2 }\n",
        "[default]\naws_access_key_id = AKIA\naws_secret_access_key = hunter2\n",
        "args: [--user, me, --password, hunter2]\n",
        "env:\n- {key: DB_PASS, value: hunter2}\n- {Name: TOKEN, Value: hunter2}\n",
        "credentials: hunter2\n",
        "a:\n  DB_PASS: hunter2\n  b: c\n",
        "a:\n  pwd: hunter2\n  b: c\n",
        "a:\n  url: https://h/?x=1&token=hunter2&y=2\n",
        "a: host=h password=hunter2\n",
        "a: Server=h;Password=hunter2;\n",
        "script: |\n  #!/bin/sh\n  export TOKEN='hunter2'; run --api-key=hunter2\n",
        'toml: |\n  password = """\n  hunter2\n  """\n',
        "pem: |\n  -----BEGIN EC PRIVATE KEY-----\n  hunter2\n  -----END EC PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\n",
    ],
)
def test_values_text_is_masked_inside(text):
    (change,) = changes(obj({"values": "a: 1\n"}), obj({"values": text}))
    assert "hunter2" not in change.after


def test_values_text_without_secrets_stays_byte_for_byte():
    text = "secretName: x   # a comment\nb:   [1, 2]\n"
    (change,) = changes(obj({"values": ""}), obj({"values": text}))
    assert change.after == text


@given(
    st.recursive(
        st.just("hunter2") | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )
)
def test_nothing_under_a_secret_name_gets_out(tree):
    thing = obj({"x": {"password": tree}, "values": json.dumps({"token": tree})})
    assert "hunter2" not in str([c.after for c in changes(None, thing)])
    assert "hunter2" not in str([c.before for c in changes(thing, None)])
    assert "hunter2" not in str(masked(thing))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "postgres://me:one@db/kof",
            "postgres://me:two@db/kof",
            ("postgres://db/kof", f"postgres://db/kof {HIDDEN_NEW}"),
        ),
        (
            "x: 1\npassword: one\n",
            "x: 1\npassword: two\n",
            ('x: 1\npassword: "(hidden)"\n', f'x: 1\npassword: "(hidden)"\n{HIDDEN_NEW}'),
        ),
        ("postgres://me:one@db/kof", "postgres://me:two@db/x", ("postgres://db/kof", "postgres://db/x")),
    ],
)
def test_a_text_that_differs_in_its_secret_alone_is_told_to_differ(before, after, told):
    (change,) = changes(obj({"dsn": before}), obj({"dsn": after}))
    assert (change.before, change.after) == told


def test_a_text_of_several_lines_is_asked_as_a_whole_too():
    def secret(text):
        return "hunter2" in text or "two\nlines" in text or "://me:" in text

    assert masked({"a": "x: 1  # hunter2\nz: 2\n", "b": "no YAML: [\nhunter2", "c": "x: 1\nz: hunter2\n"}, secret) == {
        "a": HIDDEN,
        "b": HIDDEN,
        "c": 'x: 1\nz: "(hidden)"\n',
    }
    assert masked(["two\nlines", "one\ntwo", "postgres://me:x@db", "x: postgres://me:x@db\nz: 1\n"], secret) == [
        HIDDEN,
        "one\ntwo",
        HIDDEN,
        'x: "(hidden)"\nz: 1\n',
    ]


def test_urls_are_shown_without_their_logins():
    assert masked({"dsn": "postgres://me:hunter2@db/kof", "text": "a: http://me:hunter2@h\npassword: hunter2\n"}) == {
        "dsn": "postgres://db/kof",
        "text": 'a: http://h\npassword: "(hidden)"\n',
    }


def test_what_says_where_a_secret_is_and_what_surrounds_one_stays():
    shown_as_it_is = {
        "credentials": {"credentials_secret_name": "storage-vmuser-credentials", "username_key": "username"},
        "args": ["--token-ttl", "5m", "--existing-secret=here", "--password=$(PASSWORD)"],
        "env": [{"name": "LOG_LEVEL", "value": "debug"}, {"key": "token"}],
        "secretUrl": None,
        "text": "the token isn't here",
    }
    assert masked(shown_as_it_is) == shown_as_it_is
    assert masked(["--password", "hunter2", "--verbose"]) == ["--password", HIDDEN, "--verbose"]
    assert masked("https://h/?x=1&token=hunter2&y=2") == f"https://h/?x=1&token={HIDDEN}&y=2"
    (change,) = changes(obj({"args": ["--token", "hunter2", "a"]}), obj({"args": ["--token", "hunter3", "a"]}))
    assert (change.before, change.after) == (HIDDEN, HIDDEN_NEW)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"Key": "password", "Value": "hunter2"}, {"Key": "password", "Value": HIDDEN}),
        ({"KEY": "password", "VALUE": "hunter2"}, {"KEY": "password", "VALUE": HIDDEN}),
        (
            {"ParameterKey": "DbPassword", "ParameterValue": "hunter2"},
            {"ParameterKey": "DbPassword", "ParameterValue": HIDDEN},
        ),
        ({"header": "Authorization", "value": "hunter2"}, {"header": "Authorization", "value": HIDDEN}),
        ({"name": "a", "value": "b", "Value": "c"}, {"name": "a", "value": "b", "Value": "c"}),
        ("login --password hunter2", "login --password (hidden)"),
        ("login --password hunter2 --user me", "login --password (hidden) --user me"),
        ("login -token 'hunter2 hunter2' me", "login -token (hidden) me"),
        ("login --password hun'ter2 --user me", "login --password (hidden) --user me"),
        ("login --password 'hunter2", "login --password (hidden)"),
        ("login --password\n  hunter2", "login --password\n  (hidden)"),
        ("login --password-stdin --user me", "login --password-stdin --user me"),
        ("login --password -u me", "login --password -u me"),
        ("login --password $(PASSWORD)", "login --password $(PASSWORD)"),
        ("login --token-ttl 5m", "login --token-ttl 5m"),
        (["sh", "-c", "login --password hunter2 && run"], ["sh", "-c", "login --password (hidden) && run"]),
        ("login --password hunter2 && echo done: yes", '"login --password (hidden) && echo done": true\n'),
        ("Server=db;Password=hun ter2;Db=x", "Server=db;Password=(hidden);Db=x"),
        ("Server=db;Password=hun,ter2&hunter2;Db=x", "Server=db;Password=(hidden);Db=x"),
        ("Server=db;Account Key=hun ter2", "Server=db;Account Key=(hidden)"),
        ("run 'Server=db; Password = hun ter2;Db=x'", "run 'Server=db; Password = (hidden);Db=x'"),
        ("a:6380,ssl=true,password=hun ter2,b=c", "a:6380,ssl=true,password=(hidden),b=c"),
        ("host=h password='hun\\'ter2 hunter2' user=me", "host=h password=(hidden) user=me"),
        ("host=h password=hun'ter2 user=me", "host=h password=(hidden) user=me"),
        ("host=h password='hunter2", "host=h password=(hidden)"),
        ('run --opts "login --password hunter2" a', 'run --opts "login --password (hidden) a'),
        ("OPTS='-Da=b -Dpassword=hunter2' run", "OPTS='-Da=b -Dpassword=(hidden)' run"),
        ("PASSWORD=hun ter2 run;A=b", "PASSWORD=(hidden)"),
        ('prefix {"password":"hunter2"}', 'prefix {"password":(hidden)}'),
        (
            'prefix {"a":{"token":"hun\\"ter2","b":1},"secret":22}',
            'prefix {"a":{"token":(hidden),"b":1},"secret":(hidden)}',
        ),
        (r'echo "{\"password\":\"hun ter2\",\"a\":1}"', r'echo "{\"password\":(hidden),\"a\":1}"'),
        ("prefix {'password':'hunter2','a':1}", "prefix {'password':(hidden),'a':1}"),
        ('prefix {"password":null}', 'prefix {"password":null}'),
        ('prefix {"password":"hunter2"} and: more', '"prefix {\\"password\\":(hidden)} and": "(hidden)"\n'),
    ],
)
def test_a_secret_in_a_text_is_hidden_and_what_stands_around_it_is_not(value, shown):
    assert masked(value) == shown
    (change,) = changes(obj({"x": 1}), obj({"x": value})) if not isinstance(value, (list, dict)) else (None,)
    assert change is None or change.after == shown
    assert "unter2" not in str([each.after for each in changes(None, obj({"x": value}))])


@pytest.mark.parametrize("text", ['a=b"' * 25_000, "a=" * 50_000])
def test_a_long_text_of_assignments_takes_no_time_that_grows_with_its_square(text):
    began = time.process_time()
    assert masked(f"run password=x {text}") == f"run password=(hidden) {text}"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "vaulted", ["@new'value1", "a" * 60 + " b c" * 40, 'x{{ y }}"z', "two\nlines-of-it", "\x7f-\\-\u2028--"]
)
def test_a_text_that_is_written_anew_says_what_else_is_in_it_as_the_gate_knows_it(vaulted):
    text = json.dumps({"password": "hunter2", "other": vaulted, "list": [vaulted]})
    shown = masked(text)
    assert foreign_yaml.read(shown) == {"password": HIDDEN, "other": vaulted, "list": [vaulted]}
    assert any(form in shown for form in (vaulted, yaml_text.escaped(vaulted))) or "lines-of-it" in shown
    assert masked(json.dumps([{"password": "hunter2"}])) == '- password: "(hidden)"\n'
    assert Hider([vaulted, *vaulted.splitlines(), yaml_text.escaped(vaulted)])(shown).count(HIDDEN) >= 3
