"""Field diffs say what changed and never a secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.diff import (
    HIDDEN,
    HIDDEN_NEW,
    changes,
    is_secret_name,
    masked,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.ownership import LAST_APPLIED


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
        "create_secret",
        "create_secrets",
        "region",
        "insecure_skip_verify",
        "credential",
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


def test_urls_are_shown_without_their_logins():
    assert masked({"dsn": "postgres://me:hunter2@db/kof", "text": "a: http://me:hunter2@h\npassword: hunter2\n"}) == {
        "dsn": "postgres://db/kof",
        "text": "a: http://h\npassword: (hidden)\n",
    }
