"""Which server, identity and proxy the options, the environment and kubeconfigs amount to."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import time
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig as under_test
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiUnavailable, connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import (
    BY_KEYWORD,
    BY_VARIABLE,
    CONNECTION_OPTIONS,
    Said,
    settings,
)
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

CERTIFICATE, KEY = (f"-----BEGIN {kind}-----\nUEVN\n-----END {kind}-----\n" for kind in ("CERTIFICATE", "PRIVATE KEY"))


def config(user=None, cluster=None, **more):
    return {
        "current-context": "c",
        "contexts": [
            {"name": "c", "context": {"cluster": "k", "user": "u"}},
            {"name": "other", "context": {"cluster": "k"}},
        ],
        "clusters": [{"name": "k", "cluster": {"server": "https://api.example.com:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        **more,
    }


def test_names_and_types_are_those_of_kubernetes_core():
    assert set(CONNECTION_OPTIONS) == set(AUTH_ARG_SPEC)
    theirs: dict[str, Any] = AUTH_ARG_SPEC
    for name, spec in theirs.items():
        assert CONNECTION_OPTIONS[name]["type"] == spec.get("type", "str"), name
        assert CONNECTION_OPTIONS[name].get("aliases", []) == spec.get("aliases", []), name
        # A proxy may have a login in it, a kubeconfig keys; some versions of kubernetes.core show them.
        assert CONNECTION_OPTIONS[name].get("no_log", False) == spec.get("no_log", name in ("proxy", "kubeconfig")), (
            name
        )


def test_a_token_and_the_defaults():
    found = settings({"kubeconfig": config({"token": "hunter2"})}, {})
    assert found.server == "https://api.example.com:6443"
    assert found.authorization == "Bearer hunter2"
    assert found.verify
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("K8S_AUTH_API_KEY", "t", "authorization", "Bearer t"),
        ("K8S_AUTH_VERIFY_SSL", "false", "verify", False),
        ("K8S_AUTH_VALIDATE_CERTS", "True", "verify", True),
        ("K8S_AUTH_IMPERSONATE_USER", "ann", "headers", (("Impersonate-User", "ann"),)),
        ("K8S_AUTH_IMPERSONATE_GROUPS", "a,b", "headers", (("Impersonate-Group", "a"), ("Impersonate-Group", "b"))),
        ("K8S_AUTH_PROXY", "http://p:1", "proxy", "http://p:1"),
    ],
)
def test_environment_variables_stand_in_for_options(name, text, field, value):
    found = settings({"kubeconfig": config({"token": "x"}), "host": None}, {name: text})
    assert getattr(found, field) == value


@pytest.mark.parametrize("value", ["maybe", "fals e", 5, "None", []])
@pytest.mark.parametrize("name", ["validate_certs", "persist_config"])
def test_a_boolean_is_one_or_refused_by_name(name, value):
    """Truthiness would check certificates where somebody says so, and not where he mistypes it."""
    good = {"kubeconfig": config({"token": "x"})}
    assert settings({**good, "validate_certs": "false"}, {}).verify is False
    assert settings({**good, "validate_certs": "yes"}, {}).verify is True
    with pytest.raises(ApiUnavailable, match=f"option {name} is neither true nor false"):
        settings({**good, name: value}, {})
    if isinstance(value, str):
        variable = f"K8S_AUTH_{name.upper()}"
        with pytest.raises(ApiUnavailable, match=f"{variable} of the environment is neither true nor false"):
            settings(good, {variable: value})


def test_groups_as_text_are_no_letters():
    found = settings({"kubeconfig": config({"token": "x"}), "impersonate_groups": "devs, ops"}, {})
    assert found.headers == (("Impersonate-Group", "devs"), ("Impersonate-Group", "ops"))


def test_what_is_not_safe_on_the_way_is_told():
    def told(options, cluster=None):
        return settings({"kubeconfig": config({"token": "x"}, cluster), **options}, {}).warnings

    assert told({}) == ()
    assert told({}, {"server": "http://127.0.0.1:8001"}) == ()  # kubectl proxy
    (plain,) = told({}, {"server": "http://jane:hunter2@h:1"})
    assert plain.startswith("http://h:1 (kubeconfig given as its content, context c) is spoken to unencrypted")
    for options, cluster in (({"validate_certs": "no"}, {}), ({}, {"insecure-skip-tls-verify": True})):
        (unverified,) = told(options, cluster)
        assert unverified.startswith("the certificate of https://api.example.com:6443 (kubeconfig given")


def test_who_gives_an_authority_wants_it_asked(tmp_path):
    (tmp_path / "ca.pem").write_text("CA")
    insecure = {"kubeconfig": config({"token": "x"}, {"insecure-skip-tls-verify": True})}
    assert not settings(insecure, {}).verify
    assert settings({**insecure, "ca_cert": str(tmp_path / "ca.pem")}, {}).verify
    assert not settings({**insecure, "ca_cert": str(tmp_path / "ca.pem"), "validate_certs": False}, {}).verify


def test_no_credentials_of_a_kubeconfig_go_unencrypted():
    user = {"token": "hunter2", "as": "ann"}
    found = settings({"kubeconfig": config(user, {"server": "http://h"})}, {})
    assert (found.authorization, found.headers) == (None, (("Impersonate-User", "ann"),))
    # The option's own are kubernetes.core's to send.
    options = {"kubeconfig": config(user, {"server": "http://h"}), "api_key": "own"}
    assert settings(options, {}).authorization == "Bearer own"
    assert settings({**options, "api_key": None, "host": "https://h"}, {}).authorization == "Bearer hunter2"


def test_the_awx_credential_is_enough():
    environ = {"K8S_AUTH_HOST": "https://h:6443", "K8S_AUTH_API_KEY": "t", "K8S_AUTH_VERIFY_SSL": "False"}
    found = settings({}, environ)
    assert (found.server, found.authorization, found.verify) == ("https://h:6443", "Bearer t", False)


def test_options_win_over_the_environment_and_the_kubeconfig():
    given = {"kubeconfig": config({"token": "x"}), "api_key": "y", "host": "h:1", "validate_certs": False}
    found = settings(given, {"K8S_AUTH_API_KEY": "z", "K8S_AUTH_HOST": "other"})
    assert (found.authorization, found.server, found.verify) == ("Bearer y", "https://h:1", False)


def test_a_host_alone_gets_no_credentials_of_a_kubeconfig_nobody_named(tmp_path):
    (tmp_path / "config").write_text(yaml.safe_dump(config({"token": "hunter2"})))
    found = settings({"host": "https://elsewhere"}, {"KUBECONFIG": str(tmp_path / "config")})
    assert found.authorization is None


def test_basic_token_file_data_and_relative_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ca.pem").write_text("CA")
    (tmp_path / "sub" / "token").write_text("from-file\n")
    path = tmp_path / "sub" / "config"
    path.write_text(yaml.safe_dump(config({"tokenFile": "token"}, {"certificate-authority": "ca.pem"})))
    found = settings({"kubeconfig": str(path)}, {})
    assert (found.authorization, found.ca_pem, found.renewable) == ("Bearer from-file", b"CA", True)
    both = base64.b64encode(f"its key:\n{KEY}its certificate:\n{CERTIFICATE}".encode()).decode()
    found = settings({"kubeconfig": config({"client-certificate-data": both, "client-key-data": both})}, {})
    assert found.client_pem == (CERTIFICATE + KEY).encode()
    found = settings({"kubeconfig": config({"username": "u", "password": "p"})}, {})
    assert found.authorization == "Basic " + base64.b64encode(b"u:p").decode()


def test_several_kubeconfigs_are_merged_the_first_wins(tmp_path):
    (tmp_path / "a").write_text(yaml.safe_dump({"current-context": "c", "clusters": [], "users": None}))
    (tmp_path / "b").write_text(yaml.safe_dump({**config({"token": "b"}), "current-context": "other"}))
    paths = os.pathsep.join(str(tmp_path / name) for name in ("a", "missing", "b"))
    assert settings({}, {"KUBECONFIG": paths}).authorization == "Bearer b"
    assert settings({"context": "other"}, {"KUBECONFIG": paths}).authorization is None


def test_a_pod_s_service_account(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "ca.crt").write_text("CA")
    monkeypatch.setattr(under_test, "_IN_CLUSTER", str(tmp_path))
    found = settings({}, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert (found.server, found.authorization, found.renewable) == ("https://[fd00::1]:443", "Bearer pod-token", True)


KEYWORD, VARIABLE = Said(BY_KEYWORD, "the keyword"), Said(BY_VARIABLE, "the variable")


@pytest.mark.parametrize(
    ("options", "environ", "said", "pattern"),
    [
        ({"kubeconfig": "/k"}, {"K8S_AUTH_HOST": "https://h"}, {}, "option kubeconfig names one.*K8S_AUTH_HOST"),
        ({"context": "c"}, {"K8S_AUTH_HOST": "https://h"}, {"context": VARIABLE}, "the variable names one"),
        ({"kubeconfig": "/k", "host": "h"}, {}, {"host": VARIABLE}, "option kubeconfig names one.*of the variable"),
        ({}, {"K8S_AUTH_KUBECONFIG": "/k", "KUBECONFIG": "/m"}, {"KUBECONFIG": KEYWORD}, "the keyword names one"),
        ({}, {"K8S_AUTH_HOST": "h", "KUBECONFIG": "/m"}, {"KUBECONFIG": KEYWORD}, "the keyword names one"),
        ({"kubeconfig": ""}, {}, {"kubeconfig": VARIABLE}, "the variable is empty"),
        ({"host": ""}, {}, {}, "option host is empty"),
        # Written, and empty: neither the environment's nor the default is meant.
        ({"kubeconfig": " \n"}, {"K8S_AUTH_KUBECONFIG": "/k"}, {"kubeconfig": VARIABLE}, "the variable is empty"),
        ({"context": ""}, {"K8S_AUTH_KUBECONFIG": "/k"}, {}, "option context is empty"),
        ({"host": "h", "api_key": ""}, {"K8S_AUTH_API_KEY": "x"}, {}, "option api_key is empty"),
        ({"host": "h", "key_file": ""}, {}, {}, "option key_file is empty"),
        ({"host": "h", "impersonate_user": ""}, {}, {}, "option impersonate_user is empty"),
        ({"kubeconfig": ":"}, {}, {}, "kubeconfig names no file"),
        *(
            ({}, {name: ""}, {name: KEYWORD}, "the keyword is empty")
            for name in ("K8S_AUTH_KUBECONFIG", "K8S_AUTH_HOST", "K8S_AUTH_CONTEXT", "KUBECONFIG")
        ),
        ({"kubeconfig": "apiVersion: v1\nusers: &hunter2 *hunter2"}, {}, {}, "text of one, but not YAML at line 2"),
        ({"kubeconfig": "YXBpVmVyc2lvbjogdjEKdXNlcnM6IGh1bnRlcjI="}, {}, {}, "is the text of a kubeconfig"),
        ({"kubeconfig": "/nowhere:/etc/passwd"}, {}, {}, "there is no kubeconfig /nowhere"),
    ],
)
def test_who_is_not_to_be_believed(options, environ, said, pattern):
    with pytest.raises(ApiUnavailable, match=pattern) as caught:
        settings(options, {"HOME": "/nowhere", **environ}, said)
    assert "hunter2" not in str(caught.value)


def test_an_empty_variable_of_the_environment_is_unset_and_takes_none_away(tmp_path):
    """AWX sets K8S_AUTH_CONTEXT to an empty text where a credential's input was left empty; and an empty text is all
    that the keyword has to take a variable of the process away."""
    (tmp_path / "k").write_text(yaml.safe_dump(config({"token": "x"})))
    unset = dict.fromkeys(("K8S_AUTH_CONTEXT", "K8S_AUTH_HOST", "K8S_AUTH_API_KEY", "KUBECONFIG"), "")
    environ = {**unset, "K8S_AUTH_KUBECONFIG": str(tmp_path / "k"), "K8S_AUTH_USERNAME": " "}
    assert settings({}, environ).authorization == "Bearer x"
    assert settings({}, environ, dict.fromkeys(unset, KEYWORD)).authorization == "Bearer x"


def test_one_value_said_twice_is_no_contradiction(tmp_path):
    (tmp_path / "k").write_text(yaml.safe_dump(config({"token": "x"})))
    environ = {"K8S_AUTH_KUBECONFIG": str(tmp_path / "k"), "KUBECONFIG": str(tmp_path / "k")}
    assert settings({}, environ, {"KUBECONFIG": KEYWORD}).authorization == "Bearer x"
    # Farther off than what is taken: overruled, as ever.
    assert settings({"host": "https://h", "api_key": "y"}, environ).address == "https://h"


def test_the_place_says_server_context_and_who_named_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    path = tmp_path / ".kube" / "config"
    path.write_text(yaml.safe_dump(config({"token": "x"}, {"server": "https://ann:hunter2@h:1"})))

    def place(options, environ, said=None):
        found = settings(options, environ, said)
        assert "hunter2" not in found.place
        return found.place.replace(str(tmp_path), "T"), found.unsaid

    file = {"kubeconfig": str(path)}
    assert place(file, {}, {"kubeconfig": VARIABLE}) == (
        "https://h:1 (kubeconfig T/.kube/config, context c), by the variable",
        False,
    )
    assert place({**file, "context": "other"}, {}, {"kubeconfig": VARIABLE, "context": KEYWORD}) == (
        "https://h:1 (kubeconfig T/.kube/config, context other), by the variable and the keyword",
        False,
    )
    assert place({}, {"KUBECONFIG": str(path)}) == (
        "https://h:1 (kubeconfig T/.kube/config, context c), by KUBECONFIG of the environment",
        False,
    )
    assert place({}, {}) == (
        "https://h:1 (kubeconfig ~/.kube/config, context c), by kubectl's default, since nothing says which cluster",
        True,
    )
    assert place({"context": "c"}, {}) == (
        "https://h:1 (kubeconfig ~/.kube/config, context c), by option context",
        False,
    )
    assert place({"host": "ann:hunter2@h"}, {}, {"host": VARIABLE}) == ("https://h, by the variable", False)


def test_a_kubeconfig_in_memory_is_called_what_it_holds():
    descriptor = os.memfd_create("/etc/kof/vaulted")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json.dumps(config({"token": "x"})).encode())
        stream.flush()
        found = settings({"kubeconfig": f"/proc/{os.getpid()}/fd/{descriptor}"}, {})
    assert found.place == "https://api.example.com:6443 (kubeconfig /etc/kof/vaulted, context c), by option kubeconfig"


def test_a_pod_whose_kubeconfig_is_named_too(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "ca.crt").write_text("CA")
    monkeypatch.setattr(under_test, "_IN_CLUSTER", str(tmp_path))
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert settings({}, pod).place == "https://10.0.0.1:443, by the pod's service account"
    with pytest.raises(ApiUnavailable, match="KUBECONFIG of the environment names a kubeconfig, but in a pod"):
        settings({}, {**pod, "KUBECONFIG": "/k"})
    assert settings({"kubeconfig": config({"token": "x"})}, {**pod, "KUBECONFIG": "/k"}).authorization == "Bearer x"


@pytest.mark.parametrize(
    ("options", "environ", "proxy"),
    [
        ({}, {}, None),
        ({}, {"HTTPS_PROXY": "http://e:1"}, "http://e:1"),
        ({}, {"https_proxy": "e:1"}, "http://e:1"),
        ({}, {"HTTPS_PROXY": "http://e:1", "NO_PROXY": ".example.com"}, None),
        ({}, {"HTTPS_PROXY": "http://e:1", "NO_PROXY": "ample.com"}, "http://e:1"),
        ({"no_proxy": "*"}, {"HTTPS_PROXY": "http://e:1"}, None),
        ({"proxy": "http://o:1"}, {"HTTPS_PROXY": "http://e:1"}, "http://o:1"),
        ({"host": "https://10.1.2.3:6443", "no_proxy": "10.0.0.0/8"}, {"HTTPS_PROXY": "http://e:1"}, None),
        ({"host": "https://127.0.0.1:6443"}, {"HTTPS_PROXY": "http://e:1"}, None),
    ],
)
def test_proxies(options, environ, proxy):
    assert settings({"kubeconfig": config({"token": "x"}), **options}, environ).proxy == proxy


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kubeconfig": "/nowhere/config"}, "there is no kubeconfig /nowhere/config"),
        ({"kubeconfig": config({"token": "x"}), "context": "typo"}, "no context named 'typo' (it has: c, other)"),
        ({"kubeconfig": {}}, "no current-context"),
        ({"kubeconfig": config({"client-certificate-data": "eA=="})}, "client-certificate without client-key"),
        ({"kubeconfig": config({"tokenFile": "/nowhere/token"})}, "can't read tokenFile"),
        ({"host": "https://h", "client_cert": "/x"}, "belong together"),
        ({"host": "ftp://h", "api_key": "hunter2"}, "starts with https://"),
        ({"host": "https://h:notaport", "api_key": "hunter2"}, "no usable port"),
        (
            {"host": "https://h", "api_key": "hunter2", "proxy": "socks4://u:hunter2@p"},
            "it starts with http://",
        ),
    ],
)
def test_what_is_wrong_is_said_without_secrets(options, text):
    with pytest.raises(ApiUnavailable) as caught:
        connect(options, {"HOME": "/nowhere"})
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_broken_kubeconfig_is_named_with_its_line(tmp_path):
    path = tmp_path / "config"
    path.write_text("a: 1\nb: [hunter2\n")
    with pytest.raises(ApiUnavailable, match="not YAML at line 3") as caught:
        connect({"kubeconfig": str(path)}, {})
    assert "hunter2" not in str(caught.value)
    pem = base64.b64encode(b"no pem").decode()
    with pytest.raises(ApiUnavailable, match="certificate authority"):
        connect({"kubeconfig": config({"token": "x"}, {"certificate-authority-data": pem})}, {})
    with pytest.raises(ApiUnavailable, match="client certificate and key"):
        connect({"kubeconfig": config({"client-certificate-data": pem, "client-key-data": pem})}, {})


def test_client_certificates_work_and_leave_no_file(control_plane, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with connect({"kubeconfig": str(control_plane.kubeconfig)}) as connection:
        assert connection.request("GET", "/api/v1/namespaces/default")["metadata"]["name"] == "default"
    assert list(tmp_path.iterdir()) == []


def test_an_exec_plugin_gives_a_certificate_that_no_file_holds(control_plane, tmp_path, monkeypatch):
    """The plugin hands out the administrator's own certificate, as cloud plugins do."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    admin = yaml.safe_load(control_plane.admin.read_text())
    user = admin["users"][0]["user"]

    def pem(name):
        data = user.get(f"{name}-data")
        return base64.b64decode(data).decode() if data else open(user[name]).read()

    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"clientCertificateData": pem("client-certificate"), "clientKeyData": pem("client-key")},
    }
    (tmp_path / "answer.json").write_text(json.dumps(credential))
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat {tmp_path}/answer.json\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    api = "client.authentication.k8s.io/v1"
    admin["users"][0]["user"] = {"exec": {"apiVersion": api, "command": "./plugin", "interactiveMode": "Never"}}
    (tmp_path / "config").write_text(yaml.safe_dump(admin))
    with connect({"kubeconfig": str(tmp_path / "config")}) as connection:
        assert connection.request("GET", "/api/v1/namespaces/default")["kind"] == "Namespace"
    assert (tmp_path / "runs").read_text() == "run\n"
    assert list(folder.iterdir()) == []
    plugin.write_text("#!/bin/sh\necho hunter2 >&2\nexit 1\n")
    with pytest.raises(ApiUnavailable, match="credential plugin") as caught:
        connect({"kubeconfig": str(tmp_path / "config")})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("persist", [False, True])
def test_an_auth_provider_by_the_library_leaves_no_file(tmp_path, monkeypatch, persist):
    """The library writes what it finds of certificates to files, and removes them only where a process ends well."""
    pytest.importorskip("kubernetes")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    part = base64.urlsafe_b64encode(json.dumps({"exp": 4102444800}).encode()).decode().rstrip("=")
    data = base64.b64encode((CERTIFICATE + KEY).encode()).decode()
    oidc = {"name": "oidc", "config": {"id-token": f"a.{part}.b", "client-id": "x", "idp-issuer-url": "https://i"}}
    user = {"auth-provider": oidc, "client-certificate-data": data, "client-key-data": data}
    content = config(user, {"certificate-authority-data": data})
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    got = settings({"kubeconfig": str(tmp_path / "config"), "persist_config": persist}, {})
    assert (got.authorization, got.by_plugin) == (f"Bearer a.{part}.b", True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/srv/kubeconfigs/" + "abcd/EFGH1234/" * 12 + "eu1",
        "abcd/EFGH1234/" * 12 + "eu1",
        "a" * 200,
        "~/" + "kubeconfigs" * 12,
        "aGEKaGFhaGEK/aGEKaGFhaGEK",  # the base64 of something with a line break inside
        "/MIIx/" + "a" * 120,
    ],
)
def test_a_path_may_have_letters_digits_and_slashes_alone(path: str) -> None:
    assert under_test.paths_of(path) == [path]
    with pytest.raises(ApiUnavailable, match=f"there is no kubeconfig .*{path[-20:]}"):
        settings({"kubeconfig": path}, {})


@pytest.mark.parametrize("folder", ["", "/etc/kubernetes/", "a.b/"])
@pytest.mark.parametrize(
    "content",
    [
        base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{'UEVN' * 9}\n".encode()).decode(),
        base64.b64encode(b"0\x82\x04\xa4\x02\x01\x00\x02" + b"\xff" * 40).decode(),  # RSA
        base64.b64encode(b"0\x82\x04\xa40\x82" + b"\xff" * 42).decode()[:-3],  # a certificate, cut off
        base64.b64encode(b"0.\x02\x01\x000\x05\x06\x03+ep" + b"x" * 36).decode(),  # Ed25519
        base64.b64encode(b"0w\x02\x01\x01\x04 " + b"x" * 114).decode(),  # of an elliptic curve
        base64.b64encode(b'{"apiVersion": "v1", "clusters": [], "users": []}').decode(),
        "a" * 256,
        "abc/" * 1025,
    ],
)
def test_what_can_be_no_path_is_not_shown(content: str, folder: str) -> None:
    with pytest.raises(ApiUnavailable) as caught:
        settings({"kubeconfig": folder + content}, {})
    assert content[:8] not in str(caught.value)
    assert "not shown" in str(caught.value) or "in base64" in str(caught.value)


def test_a_kubeconfig_option_of_any_length_is_told_in_its_length() -> None:
    def spent(size: int) -> float:
        start = time.process_time()
        for text in ("a" + "\n " * (size // 2), "/" * size, "a/" * (size // 2), "a" * size, "a/.:" * (size // 4)):
            with contextlib.suppress(ApiUnavailable):
                under_test.content_of(text)
                under_test.paths_of(text)
        return time.process_time() - start

    assert spent(100_000) < 40 * max(spent(10_000), 0.001)
