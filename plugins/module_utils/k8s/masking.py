# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core masks in a module's output and in the arguments it repeats there: secrets, and nothing else."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import kubeconfig
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import is_secret_name
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import is_worth_hiding, logins

_SECRET_FIELDS = ("token", "password", "client-key-data")


def mask(module: Any) -> None:
    """Have `module` (an AnsibleModule with the connection's options) mask the secrets of a kubeconfig that was given as
    its content, where core would mask every text in it, `v1` and the cluster's name too; and the logins in URLs."""
    given = module.params.get("kubeconfig")
    if given:
        module.no_log_values -= set(texts(given))
        others = [module.params.get(name) for name, option in module.argument_spec.items() if option.get("no_log")]
        module.no_log_values |= {each for each in others if isinstance(each, str) and each is not given}
    urls = [*texts(module.params), f"https://{module.params.get('host') or ''}"]
    secrets = {*secrets_in(given), *(each for url in urls for each in logins(url))}
    # Options that are sent are taken without white space at their ends.
    secrets |= {each.strip() for each in module.no_log_values if isinstance(each, str)}
    module.no_log_values |= set(filter(is_worth_hiding, secrets))


def secrets_in(given: Any) -> set[str]:
    """The secrets of a kubeconfig option; none where it names files."""
    if not given:
        return set()
    try:
        content = kubeconfig.content_of(given)
    except (ApiUnavailable, TypeError):
        return {*texts(given)}  # whatever it is, it can't be told apart
    found: set[str] = set()
    for cluster in _inner(content, "clusters", "cluster", found):
        urls = texts([cluster.get("server"), cluster.get("proxy-url")])
        found.update(each for url in urls for each in logins(url))
    for user in _inner(content, "users", "user", found):
        found.update(texts([user.get(name) for name in _SECRET_FIELDS]))
        provider, plugin = user.get("auth-provider"), user.get("exec")
        found.update(texts(provider.get("config") if isinstance(provider, Mapping) else provider))
        found.update(_of_exec(plugin) if isinstance(plugin, Mapping) else texts(plugin))
    return found | {decoded for each in found if (decoded := _unpacked(each))}


def _of_exec(plugin: Mapping[str, Any]) -> Iterator[str]:
    """The values of an exec plugin's environment, and of arguments that are named like secrets."""
    for each in _items(plugin.get("env")):
        yield from texts(each["value"] if isinstance(each, Mapping) and "value" in each else each)
    arguments = list(map(str, _items(plugin.get("args"))))
    for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        if is_secret_name(name):
            yield value if equals else following


def _items(value: Any) -> list[Any]:
    """Those of a list; of what stands in its place, that."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _inner(content: Any, section: str, inner: str, found: set[str]) -> Iterator[Mapping[str, Any]]:
    """The maps `inner` of a section; the texts of what is something else there go to `found`."""
    for entry in _items((content or {}).get(section)):
        value = entry.get(inner) if isinstance(entry, Mapping) else entry
        if isinstance(value, Mapping):
            yield value
        else:
            found.update(texts(value))


def texts(value: Any) -> Iterator[str]:
    """All text and numbers in a value, as text."""
    if isinstance(value, str):
        yield value
        yield value.strip()
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for each in value:
            yield from texts(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
