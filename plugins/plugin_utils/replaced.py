# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that a host has from a group and of its own: ansible-core takes the nearest one whole, and what only the other
one has is gone without a word. Reads the inventory's groups as ansible-core's vars plugins do; templates nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import ReplacedMap
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals


def maps(
    hostvars: Any, raw: Mapping[str, Mapping[str, Any]], roles_of: Mapping[str, tuple[str, ...]]
) -> tuple[ReplacedMap, ...]:
    """What the maps of groups say and the hosts' own, which replace them, don't.

    :param raw: by host, its variables, not templated.
    :param roles_of: by host, the roles whose options it has.
    """
    inventory = core_internals.inventory_of(hostvars)
    of_group = functools.cache(functools.partial(core_internals.variables_of_group, hostvars))
    found = []
    for host, roles in roles_of.items():
        own = raw[host]
        options = [name for name in _map_options(roles) if isinstance(own.get(name), dict)]
        groups = inventory.get_host(host).get_groups() if options else ()
        for name in options:
            for group in groups:
                theirs = of_group(group.name).get(name)
                if isinstance(theirs, dict) and theirs is not own[name]:
                    lost = tuple(_missing(theirs, own[name]))
                    if lost:
                        found.append(ReplacedMap(host, name, group.name, lost))
    return tuple(found)


@functools.cache
def _map_options(roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for role in roles for name, option in load_spec(role).items() if option.get("type") == "dict")


def _missing(theirs: dict[str, Any], own: dict[str, Any], path: str = "") -> Iterator[str]:
    for key in dict.keys(theirs):
        if key not in own:
            yield f"{path}{key}"
            continue
        above, below = dict.get(theirs, key), dict.get(own, key)
        if isinstance(above, dict) and isinstance(below, dict):
            yield from _missing(above, below, f"{path}{key}.")
