# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's variables as plain values, for the fleet actions and the filters. What they mean is module_utils/model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import Fault, example_of

#: Extra variables that steer plays and can't be read from hostvars by a play keyword.
PLAY_ONLY = ("kof_serial",)
#: Variables the collection itself leaves on hosts.
OUR_FACTS = ("kof_failure", "kof_pending")


def is_option(name: object, prefixes: tuple[str, ...]) -> bool:
    """Is it the name of an option by its prefix, and nothing that plays set or read by themselves?"""
    return isinstance(name, str) and name.startswith(prefixes) and name not in PLAY_ONLY + OUR_FACTS


def read(host: str, variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[Fault]]:
    """The variables of these names as builtin types, each in its own try, and a fault for each that can't be read."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in names:
        try:
            values[str(name)] = to_plain(variables[name])
        except NotPlain as problem:
            faults.append(Fault(host, str(name), str(problem), example_of(str(name))))
        except AnsibleError as problem:
            text = " ".join(str(problem).split())[:300]
            example = "!unsafe where {{ is meant to stay as it is"
            faults.append(Fault(host, str(name), f"can't be templated: {text}", example))
    return values, faults
