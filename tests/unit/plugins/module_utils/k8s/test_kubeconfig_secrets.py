"""No credential of a kubeconfig, an option or the environment gets into a message, however it is malformed."""

from __future__ import annotations

import base64
import copy
import pathlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import connect
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import Unexpected, quotes_nothing

CANARY = "CANARY0123456789abcdef"
CLOSED = "https://127.0.0.1:1"

MALFORMED: dict[str, Callable[[str], Any]] = {
    "newline behind": lambda secret: f"{secret}\n",
    "newline inside": lambda secret: f"{secret}\n{secret}",
    "carriage return": lambda secret: f"{secret}\r{secret}",
    "control character": lambda secret: f"{secret}\x1b[0m\x00",
    "a list": lambda secret: [secret],
    "a map": lambda secret: {"a": secret},
    "half a surrogate pair": lambda secret: f"{secret}\udc80",
    "an umlaut": lambda secret: f"{secret}\u00fc\u20ac",
    "nothing wrong": lambda secret: secret,
}


def whole(user: dict[str, Any], cluster: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": CLOSED, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }


PLACES: dict[str, Callable[[Any], tuple[dict[str, Any], dict[str, str]]]] = {
    "api_key": lambda it: ({"host": CLOSED, "api_key": it}, {}),
    "password": lambda it: ({"host": CLOSED, "username": "me", "password": it}, {}),
    "proxy": lambda it: ({"host": CLOSED, "api_key": "x", "proxy": _url(it)}, {}),
    "proxy as environment": lambda it: ({"host": "https://192.0.2.1", "api_key": "x"}, {"HTTPS_PROXY": _url(it)}),
    "proxy login": lambda it: (
        {"host": CLOSED, "api_key": "x", "proxy": "http://127.0.0.1:1", "proxy_headers": {"proxy_basic_auth": it}},
        {},
    ),
    "proxy headers": lambda it: ({"host": CLOSED, "api_key": "x", "proxy_headers": it}, {}),
    "host": lambda it: ({"host": _url(it), "api_key": "x"}, {}),
    "client_key as its text": lambda it: ({"host": CLOSED, "client_cert": "/dev/null", "client_key": _pem(it)}, {}),
    "K8S_AUTH_API_KEY": lambda it: ({"host": CLOSED}, {"K8S_AUTH_API_KEY": it}),
    "K8S_AUTH_KUBECONFIG": lambda it: ({}, {"K8S_AUTH_KUBECONFIG": _dump(whole({"token": it}))}),
    "KUBECONFIG": lambda it: ({}, {"KUBECONFIG": _dump(whole({"token": it}))}),
    "kubeconfig's token": lambda it: ({"kubeconfig": whole({"token": it})}, {}),
    "kubeconfig's password": lambda it: ({"kubeconfig": whole({"username": "me", "password": it})}, {}),
    "kubeconfig's key": lambda it: (
        {"kubeconfig": whole({"client-certificate-data": "eA==", "client-key-data": it})},
        {},
    ),
    "kubeconfig's key file": lambda it: (
        {"kubeconfig": whole({"client-certificate-data": "eA==", "client-key": _pem(it)})},
        {},
    ),
    "kubeconfig's token file": lambda it: ({"kubeconfig": whole({"tokenFile": _pem(it)})}, {}),
    "kubeconfig's proxy": lambda it: ({"kubeconfig": whole({"token": "x"}, {"proxy-url": _url(it)})}, {}),
    "kubeconfig's server": lambda it: ({"kubeconfig": whole({"token": "x"}, {"server": _url(it)})}, {}),
    "kubeconfig as text": lambda it: ({"kubeconfig": _dump(whole({"token": it}))}, {}),
    "kubeconfig as broken text": lambda it: ({"kubeconfig": f"a: [\nusers: *{it}"}, {}),
    "kubeconfig as base64": lambda it: (
        {"kubeconfig": base64.b64encode(_dump(whole({"token": it})).encode()).decode()},
        {},
    ),
    "kubeconfig as cut off base64": lambda it: (
        {"kubeconfig": base64.b64encode(_dump(whole({"token": it})).encode()).decode()[:-7]},
        {},
    ),
    "client_key as its base64": lambda it: ({"host": CLOSED, "client_cert": "/dev/null", "client_key": _der(it)}, {}),
    "kubeconfig's key file as base64": lambda it: (
        {"kubeconfig": whole({"client-certificate-data": "eA==", "client-key": _der(it)})},
        {},
    ),
    "kubeconfig a key as base64": lambda it: ({"kubeconfig": _der(it)}, {}),
    "kubeconfig a secret": lambda it: ({"kubeconfig": _pem(it)}, {}),
}


def _url(value: Any) -> Any:
    return f"http://me:{value}@127.0.0.1:1" if isinstance(value, str) else value


def _pem(value: Any) -> Any:
    """A secret as it is taken for a path: of several lines, or very long. A short one may be a file's name."""
    if not isinstance(value, str):
        return value
    return value * 20 if value == CANARY else f"-----BEGIN PRIVATE KEY-----\n{value}\n"


def _der(value: Any) -> Any:
    """What stands between the lines of a PEM file, in one: with a slash now and then."""
    if not isinstance(value, str):
        return value
    return f"MIIEpAIBAAKCAQEA/{value}/k3J9" * 12 if value == CANARY else _pem(value)


def _dump(content: Any) -> str:
    return yaml.safe_dump(content) if "\udc80" not in repr(content) else f"apiVersion: v1\nusers: [{content!r}]\n"


@pytest.mark.parametrize("how", MALFORMED)
@pytest.mark.parametrize("place", PLACES)
def test_no_message_has_the_secret(place: str, how: str) -> None:
    options, environ = copy.deepcopy(PLACES[place](MALFORMED[how](CANARY)))
    texts = {name: text for name, text in environ.items() if isinstance(text, str)}
    with pytest.raises((ApiUnavailable, Unexpected)) as caught, quotes_nothing(expected=(ApiUnavailable,)):  # noqa: SIM117
        with connect(options, {"HOME": "/nowhere", **texts}) as connection:
            connection.request("GET", "/api", deadline=0.0)
    assert not isinstance(caught.value, Unexpected), "each kind has a message of its own"
    shown = "".join(traceback.format_exception(caught.value))
    for coded in (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("="), CANARY[:12]):
        assert coded not in str(caught.value)
        assert coded not in shown


@pytest.mark.parametrize("behind", ["\n", "\r\n", "  \n", "\t"])
@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"host": CLOSED, "api_key": f"{CANARY}%s"}, f"Bearer {CANARY}"),
        ({"host": f"{CLOSED}%s", "username": "me", "password": f"{CANARY}%s"}, kubeconfig._basic("me", CANARY)),
        ({"kubeconfig": whole({"token": f"{CANARY}%s"})}, f"Bearer {CANARY}"),
        ({"kubeconfig": whole({"username": "me%s", "password": f"{CANARY}%s"})}, kubeconfig._basic("me", CANARY)),
    ],
)
def test_white_space_at_the_ends_is_nobodys_secret(options: dict[str, Any], header: str, behind: str) -> None:
    found = kubeconfig.settings(_filled(options, behind), {})
    assert (found.server, found.authorization) == (CLOSED, header)


def _filled(value: Any, behind: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, behind) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, behind) for each in value]
    return value.replace("%s", behind)


def _forms() -> Iterator[str]:
    content = whole({"token": CANARY})
    yield yaml.safe_dump(content)
    yield f"\n# mine\n---\n{yaml.safe_dump(content)}"
    yield yaml.safe_dump(content, default_flow_style=True, width=10_000)
    yield str(content).replace("'", '"')


@pytest.mark.parametrize("text", list(_forms()))
def test_a_text_with_content_is_a_kubeconfig(text: str) -> None:
    for found in (
        kubeconfig.settings({"kubeconfig": text}, {}),
        kubeconfig.settings({}, {"K8S_AUTH_KUBECONFIG": text}),
    ):
        assert found.authorization == f"Bearer {CANARY}"
        assert found.source == "kubeconfig given as its content, context c"


def test_a_path_stays_a_path(tmp_path: pathlib.Path) -> None:
    for name in ("config", "a b", "k8s-{x}", "apiVersion", "a" * 120):
        (tmp_path / name).write_text(yaml.safe_dump(whole({"token": CANARY})))
        assert kubeconfig.settings({"kubeconfig": f"{tmp_path / name}\n"}, {}).authorization == f"Bearer {CANARY}"
