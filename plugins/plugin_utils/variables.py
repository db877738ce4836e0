# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's variables as plain values, for the fleet actions and the filters. What they mean is module_utils/model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.guards import DANGEROUS, TAKE_OVER, Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.validation import Fault, example_of

#: What has to be an extra variable: why it may not be in the inventory, and what would be right.
PLAY_ONLY = {
    "kof_serial": ("a play keyword can't see inventory variables, it would be ignored", "-e kof_serial=10%"),
    "kof_delete_confirm": (
        "kept in the inventory it would be a standing permission to delete",
        "-e kof_delete_confirm=<kof_fleet>, with the one run that is meant",
    ),
    "kof_delete_leave_services": (
        "kept in the inventory it would leave services behind in every later run",
        "-e kof_delete_leave_services=<host>,<host>, with the one run that is meant",
    ),
    TAKE_OVER: (
        "kept there it would be a standing permission to take over that fleet's objects",
        f"-e {TAKE_OVER}=<the old fleet>, with the one run that is meant",
    ),
    DANGEROUS: (
        "kept there it would be a standing permission for dangerous changes",
        f"-e {DANGEROUS}=<cluster>,<cluster>, with the one run that is meant",
    ),
}
#: Of these, what a play may say in its `vars:`, too.
OF_A_PLAY = frozenset({"kof_serial"})
#: Variables the collection itself leaves on hosts.
OUR_FACTS = ("kof_failure",)
_NO_OPTIONS = frozenset({*PLAY_ONLY, *OUR_FACTS})


def is_option(name: object, prefixes: tuple[str, ...]) -> bool:
    """Is it the name of an option by its prefix, and nothing that plays set or read by themselves?"""
    return isinstance(name, str) and name.startswith(prefixes) and name not in _NO_OPTIONS


def permissions(extra: Mapping[str, Any]) -> tuple[Permissions, list[Fault]]:
    """What extra variables allow: each a list of names, or one text with commas or spaces (an answer of a survey)."""
    found: dict[str, frozenset[str]] = {}
    faults: list[Fault] = []
    for name in (TAKE_OVER, DANGEROUS):
        given = extra.get(name)
        listed = given.replace(",", " ").split() if isinstance(given, str) else [] if given is None else given
        if isinstance(listed, list) and all(isinstance(each, str) and "{" not in each for each in listed):
            found[name] = frozenset(str(each) for each in listed)
        else:
            faults.append(Fault("", name, "as an extra variable is no list of names", PLAY_ONLY[name][1]))
    return Permissions(found.get(TAKE_OVER, frozenset()), found.get(DANGEROUS, frozenset())), faults


def read(host: str, variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[Fault]]:
    """The variables of these names as builtin types, each in its own try, and a fault for each that can't be read."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    # Templating costs a fifth of a millisecond a variable also where there is nothing to template: a second a thousand
    # hosts.
    raw = getattr(variables, "_vars", {})
    for name in names:
        try:
            literal = name in raw and _is_literal(raw[name])
            values[str(name)] = to_plain(raw[name] if literal else variables[name])
        except NotPlain as problem:
            faults.append(Fault(host, str(name), str(problem), example_of(str(name))))
        except AnsibleError as problem:
            text = " ".join(str(problem).split())[:300]
            example = "!unsafe where {{ is meant to stay as it is"
            faults.append(Fault(host, str(name), f"can't be templated: {text}", example))
    return values, faults


def _is_literal(value: Any) -> bool:
    """Is it data that templating gives back as it is? Only what surely is: no brace, no header of a template's own."""
    if isinstance(value, str):
        return "{" not in value and not value.startswith("#")
    if isinstance(value, dict):
        return all(map(_is_literal, dict.values(value)))
    if isinstance(value, list):
        return all(map(_is_literal, list.__iter__(value)))
    return value is None or isinstance(value, (bool, int, float))
