# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in a kubeconfig and what in it belongs together, as client-go 0.34 has it: its types
(tools/clientcmd/api/v1) and its validation (tools/clientcmd/validation.go). Nothing is converted: `"false"` is a text.

Values only: opens no file, chooses no cluster, connects to nothing. No message quotes a value, but for the names of
contexts, clusters and users.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable

TEXT, BOOLEAN, BASE64, ANYTHING = "text", "true or false", "base64", "anything"


@dataclass(frozen=True)
class _ListOf:
    item: Any


@dataclass(frozen=True)
class _MapOf:
    """A map whose keys are the user's."""

    item: Any


@dataclass(frozen=True)
class _Named:
    """A list of {name, <inner>} whose names are all different."""

    inner: str
    shape: Any


_EXTENSIONS = _Named("extension", ANYTHING)
_CLUSTER = {
    "server": TEXT,
    "tls-server-name": TEXT,
    "insecure-skip-tls-verify": BOOLEAN,
    "certificate-authority": TEXT,
    "certificate-authority-data": BASE64,
    "proxy-url": TEXT,
    "disable-compression": BOOLEAN,
    "extensions": _EXTENSIONS,
}
_EXEC = {
    "command": TEXT,
    "args": _ListOf(TEXT),
    "env": _ListOf({"name": TEXT, "value": TEXT}),
    "apiVersion": TEXT,
    "installHint": TEXT,
    "provideClusterInfo": BOOLEAN,
    "interactiveMode": TEXT,
}
_USER = {
    "client-certificate": TEXT,
    "client-certificate-data": BASE64,
    "client-key": TEXT,
    "client-key-data": BASE64,
    "token": TEXT,
    "tokenFile": TEXT,
    "as": TEXT,
    "as-uid": TEXT,
    "as-groups": _ListOf(TEXT),
    "as-user-extra": _MapOf(_ListOf(TEXT)),
    "username": TEXT,
    "password": TEXT,
    "auth-provider": {"name": TEXT, "config": _MapOf(TEXT)},
    "exec": _EXEC,
    "extensions": _EXTENSIONS,
}
_CONFIG = {
    "kind": TEXT,
    "apiVersion": TEXT,
    "preferences": {"colors": BOOLEAN, "extensions": _EXTENSIONS},
    "clusters": _Named("cluster", _CLUSTER),
    "users": _Named("user", _USER),
    "contexts": _Named("context", {"cluster": TEXT, "user": TEXT, "namespace": TEXT, "extensions": _EXTENSIONS}),
    "current-context": TEXT,
    "extensions": _EXTENSIONS,
}
_EMPTY: dict[str, Any] = {TEXT: "", BOOLEAN: False, BASE64: ""}
_REMEDIES = {
    TEXT: "put it in quotes",
    BOOLEAN: "write true or false without quotes; of a template, `| bool` makes it one",
    BASE64: "it is what `base64 -w0` makes of a PEM file",
}


def typed(config: Any, where: str) -> dict[str, Any]:
    """The whole of a kubeconfig as client-go reads it: every known field has its type, null and what is unknown are
    left out, as items of lists null is the empty value.

    :param config: what its YAML says, or a dictionary of builtin types.
    :param where: which kubeconfig that is, for messages.
    :raises ApiUnavailable: for what client-go refuses wherever it stands, also in clusters that nobody asks for; with
        the field's name.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ApiUnavailable(f"{where} is no kubeconfig: it holds {_kind(config)}, and a map belongs there")
    result = _typed(config, _CONFIG, "", where)
    for field, wanted in (("kind", "Config"), ("apiVersion", "v1")):
        if result.get(field, "") not in ("", wanted):
            raise ApiUnavailable(f"{where} is no kubeconfig: its {field} isn't {wanted}")
    return result


def _typed(value: Any, shape: Any, path: str, where: str) -> Any:
    """`value`, which isn't null, by its shape."""
    if shape is ANYTHING:
        return value
    if isinstance(shape, str):
        return _scalar(value, shape, path, where)
    if isinstance(shape, (dict, _MapOf)):
        if not isinstance(value, Mapping):
            raise _wrong(value, "a map", path, where)
        if isinstance(shape, dict):
            fields = ((name, inner, value.get(name)) for name, inner in shape.items())
            return {
                name: _typed(each, inner, f"{path}.{name}".lstrip("."), where)
                for name, inner, each in fields
                if each is not None
            }
        return {_key(key, path, where): _item(each, shape.item, f"{path}.{key}", where) for key, each in value.items()}
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, "a list", path, where)
    if isinstance(shape, _ListOf):
        return [_item(each, shape.item, f"{path}[{index}]", where) for index, each in enumerate(value)]
    return _named(value, shape, path, where)


def _named(value: Any, shape: _Named, path: str, where: str) -> list[dict[str, Any]]:
    inner = {"name": TEXT, shape.inner: shape.shape}
    entries = [_item(each, inner, f"{path}[{_label(each, index)}]", where) for index, each in enumerate(value)]
    seen: set[str] = set()
    for entry in entries:
        name = entry.get("name", "")
        if name in seen:
            raise ApiUnavailable(f"{where}: {path} has two entries named {name!r}: take one away, or rename it")
        # An extension that is null is no entry to client-go.
        if shape is not _EXTENSIONS or shape.inner in entry:
            seen.add(name)
    return entries


def _label(entry: Any, index: int) -> str:
    """How an entry of a list is called: by its name, where it has one."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) and name.isprintable() and name else str(index)


def _item(value: Any, shape: Any, path: str, where: str) -> Any:
    """An item of a list or map; null is the empty value there."""
    if value is None:
        return _EMPTY[shape] if isinstance(shape, str) else [] if isinstance(shape, _ListOf) else {}
    return _typed(value, shape, path, where)


def _key(key: Any, path: str, where: str) -> str:
    if not isinstance(key, str):
        raise ApiUnavailable(f"{where}: a key of {path} is {_kind(key)}, and text belongs there: {_REMEDIES[TEXT]}")
    return key


def _scalar(value: Any, shape: str, path: str, where: str) -> str | bool:
    wanted, kind = (BOOLEAN, bool) if shape == BOOLEAN else (TEXT, str)
    if not isinstance(value, kind):
        raise _wrong(value, wanted, path, where)
    if shape == BASE64 and isinstance(value, str):
        try:
            decoded(value)
        except binascii.Error:
            raise ApiUnavailable(f"{where}: {path} is not base64: {_REMEDIES[BASE64]}") from None
    return value


def _wrong(value: Any, wanted: str, path: str, where: str) -> ApiUnavailable:
    remedy = f": {_REMEDIES[wanted]}" if wanted in _REMEDIES and not isinstance(value, (list, Mapping)) else ""
    return ApiUnavailable(f"{where}: {path} is {_kind(value)}, and {wanted} belongs there{remedy}")


def _kind(value: Any) -> str:
    """What a value is, without saying it."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a map"
    return "a list" if isinstance(value, (list, tuple)) else "null" if value is None else type(value).__name__


def decoded(text: str) -> bytes:
    """The bytes of a `*-data` field, line breaks in it skipped. Raises binascii.Error."""
    try:
        return binascii.a2b_base64(re.sub(r"[\r\n]", "", text).encode("ascii"), strict_mode=True)
    except UnicodeEncodeError:
        raise binascii.Error from None


# -- what belongs together

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check(cluster: Mapping[str, Any], user: Mapping[str, Any], where: str, *, secure: bool) -> None:
    """Whether a context's cluster and user, as `typed` gives them, fit; their files and plugins aren't looked at.

    :param secure: whether TLS is spoken, by which alone some of it can't be together.

    :raises ApiUnavailable: for what client-go refuses, all of it at once.
    """
    wrong = [*_of_cluster(cluster, secure), *_of_user(user, secure)]
    if wrong:
        raise ApiUnavailable(f"{where}: {'; '.join(wrong)}")


def _of_cluster(cluster: Mapping[str, Any], secure: bool) -> Iterator[str]:
    if not cluster.get("server"):
        yield "its cluster has no server"
    yield from _both(cluster, "certificate-authority", "certificate-authority-data")
    if secure and cluster.get("insecure-skip-tls-verify"):
        for name in ("certificate-authority", "certificate-authority-data"):
            yield from _both(cluster, "insecure-skip-tls-verify", name)


def _of_user(user: Mapping[str, Any], secure: bool) -> Iterator[str]:
    for token, login in (("token", "username"), ("token", "password"), ("tokenFile", "username")):
        if secure or token == "token":
            yield from _both(user, token, login)
    if user.get("client-certificate") or user.get("client-certificate-data"):
        yield from _both(user, "client-certificate", "client-certificate-data")
        yield from _both(user, "client-key", "client-key-data")
        if not user.get("client-key") and not user.get("client-key-data"):
            yield "its user has a client-certificate without client-key"
    names = ("as", "as-uid", "as-groups", "as-user-extra")
    yield from (f"{name} has a control character in it" for name in names if _CONTROL.search(_joined(user.get(name))))
    if not user.get("as") and (user.get("as-uid") or user.get("as-groups") or user.get("as-user-extra")):
        yield "as-uid, as-groups and as-user-extra need `as`, the user to be impersonated"
    if "exec" in user and "auth-provider" in user:
        yield "exec and auth-provider are both there: take one of them away"


def _joined(value: Any) -> str:
    """All the text that goes into headers of a value."""
    if isinstance(value, Mapping):
        return "".join(map(_joined, value.values()))
    return "".join(value or ())


def _both(section: Mapping[str, Any], one: str, other: str) -> Iterator[str]:
    if section.get(one) and section.get(other):
        yield f"{one} and {other} are both there: take one of them away"
