# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs out of Secrets: what somebody else has written there and may have meant for another machine.

No command of such a kubeconfig is run and no file that it names is read: whoever may write that Secret would run the
one and send the other to a server of his. In memory only; nothing of it is told.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml

#: What of a kubeconfig's user is neither a command nor a file of this machine.
_PLAIN_USER = ("token", "username", "password", "client-certificate-data", "client-key-data")
_PLAIN_CLUSTER = (
    "server", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name", "proxy-url",
)  # fmt: skip
_CA_FILE = "certificate-authority"
#: Where Cluster API has it; others call it as they like.
_USUAL = "value"


class Foreign(NamedTuple):
    """
    :ivar config: the current context's cluster and user, as a kubeconfig of nothing else.
    :ivar left_out: fields of its user that aren't taken.
    :ivar ca_file: whether it names its authority by a file, and by nothing else.
    """

    config: dict[str, Any]
    left_out: tuple[str, ...]
    ca_file: bool = False

    @property
    def has_login(self) -> bool:
        return bool(self.config["users"][0]["user"])


def read(text: object) -> Foreign | None:
    """The kubeconfig in a Secret's value (base64); None for any other value: Secrets of clouds are Credentials, too."""
    try:
        config = foreign_yaml.read(base64.b64decode(str(text)))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        users = [each for each in config.get("users") or [] if each.get("name") == context.get("user")]
        user = (users[0].get("user") if users else None) or {}
        plain = {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": cluster["server"], **_only(cluster, _PLAIN_CLUSTER)}}],
            "users": [{"name": "a", "user": _only(user, _PLAIN_USER)}],
        }
        left_out = tuple(sorted(str(name) for name in user if name not in _PLAIN_USER))
        return Foreign(plain, left_out, bool(cluster.get(_CA_FILE)) and not cluster.get(f"{_CA_FILE}-data"))
    except (binascii.Error, KeyError, TypeError, AttributeError, ValueError):
        return None


def in_secret(secret: Mapping[str, Any]) -> Foreign | None:
    """That of a Secret: at Cluster API's key, else at the first that has one."""
    data = secret.get("data") or {}
    for key in sorted(data, key=lambda key: (key != _USUAL, key)):
        found = read(data[key])
        if found is not None:
            return found
    return None


def _named(entries: Sequence[Any], name: object) -> Mapping[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError


def _only(section: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: section[name] for name in names if section.get(name)}
