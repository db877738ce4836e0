# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's variables as plain values, for the fleet actions and the filters. What they mean is kof/model.py."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleValueOmittedError

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.diff import is_secret_name
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import (
    DANGEROUS,
    PRUNE,
    PRUNE_RULES,
    TAKE_OVER,
    Permissions,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import (
    EXTRA,
    IN_INI,
    IN_YAML,
    OTHERWISE,
    Fault,
    example_of,
    list_of,
    remedy,
    typed_by_yaml,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain, truth
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, leaving, place, same_for_all
from ansible_collections.k0rdent.kof.plugins.plugin_utils.place import origin

#: What has to be an extra variable: why it may not be in the inventory, and what would be right.
PLAY_ONLY = {
    "kof_serial": ("a play keyword can't see inventory variables, it would be ignored", "-e kof_serial=10%"),
    "kof_verify": ("it is said to one run", "-e kof_verify=false, or inside"),
    "kof_drift_fails": ("it is said to one run", "-e kof_drift_fails=drift, or refused, or never"),
    "kof_drift_folder": ("it is said to one run", "-e kof_drift_folder=/var/lib/kof"),
    "kof_delete_confirm": (
        "kept in the inventory it would be a standing permission to delete",
        "-e kof_delete_confirm=<kof_fleet>, with the one run that is meant",
    ),
    "kof_prune_confirm": (
        "kept in the inventory it would be a standing permission to delete",
        "-e kof_prune_confirm=<kof_fleet>, with the one run that is meant",
    ),
    "kof_delete_leave_services": (
        "kept in the inventory it would leave services behind in every later run",
        "-e kof_delete_leave_services=<host>,<host>, with the one run that is meant",
    ),
    "kof_restore_confirm": (
        "kept in the inventory it would be a standing permission to set the fleet back",
        "-e kof_restore_confirm=<kof_fleet>, with the one run that is meant",
    ),
    "kof_uninstall_confirm": (
        "kept in the inventory it would be a standing permission to take the fleet away",
        "-e kof_uninstall_confirm=<kof_fleet>, with the one run that is meant",
    ),
    "kof_uninstall_also": (
        "kept in the inventory it would have every later uninstall take more away",
        "-e kof_uninstall_also=all, or some of namespace,crds,templates,dns_secret,iam,dns_records,platform_admin",
    ),
    TAKE_OVER: (
        "kept there it would be a standing permission to take over that fleet's objects",
        f"-e {TAKE_OVER}=<the old fleet>, with the one run that is meant",
    ),
    DANGEROUS: (
        "kept there it would be a standing permission for dangerous changes",
        f"-e {DANGEROUS}=<cluster>,<cluster>, with the one run that is meant",
    ),
    PRUNE: (
        "kept there it would be a standing permission to delete dashboards",
        f"-e {PRUNE}=true, with the one run that is meant",
    ),
    PRUNE_RULES: (
        "kept there it would be a standing permission to delete rules of alerts",
        f"-e {PRUNE_RULES}=true, with the one run that is meant",
    ),
}
#: Of these, what a play may say in its `vars:`, too.
OF_A_PLAY = frozenset({"kof_serial", "kof_verify", "kof_drift_fails", "kof_drift_folder"})
_NO_OPTIONS = frozenset(PLAY_ONLY)


@functools.lru_cache(4096)  # hosts have the same few names
def is_option(name: object, prefixes: tuple[str, ...]) -> bool:
    """Is it the name of an option by its prefix, and nothing that plays set or read by themselves?"""
    return isinstance(name, str) and name.startswith(prefixes) and name not in _NO_OPTIONS


def permissions(extra: Mapping[str, Any]) -> tuple[Permissions, list[Fault]]:
    """What extra variables allow, each as `named` reads it."""
    found: list[frozenset[str]] = []
    faults: list[Fault] = []
    for name in (TAKE_OVER, DANGEROUS):
        names, wrong = named(extra, name)
        found.append(frozenset(names))
        faults += wrong
    prunes: list[bool] = []
    for name in (PRUNE, PRUNE_RULES):
        prune = extra.get(name)
        try:
            prunes.append(prune if isinstance(prune, bool) else prune not in (None, "") and truth(prune))
        except ValueError as problem:
            faults.append(Fault("", name, f"as an extra variable {problem}", PLAY_ONLY[name][1]))
            prunes.append(False)
    take_over, dangerous = found
    return Permissions(take_over, dangerous, *prunes), faults


def named(extra: Mapping[str, Any], variable: str) -> tuple[list[str], list[Fault]]:
    """The names that one of PLAY_ONLY lists: a list, or text as `-e` and surveys give it, which is one in YAML or has
    commas, spaces or line breaks between them. None, and a fault, where it is anything else."""
    given = extra.get(variable)
    listed = [] if given is None else list_of(given) if isinstance(given, str) else given
    if isinstance(listed, str) and not listed.strip(", \n"):
        listed = []
    if isinstance(listed, list) and all(isinstance(each, str) and "{" not in each for each in listed):
        return [name for each in listed for name in str(each).split()], []
    return [], [Fault("", variable, "as an extra variable is no list of names", PLAY_ONLY[variable][1])]


class Reader:
    """Reads the variables of hosts, each template once for all hosts on which it can't but give the same.

    A lookup of a secret manager in group_vars/all, or a vaulted value, is one call and one decryption so, however many
    hosts there are. What can differ is read on every host, and so is what may be new each time (a random password, the
    time, a command's output), but for the variables that all share: see `same_for_all.needs`.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[Mapping[str, Any], Any]]] = {}
        self._looked_at: dict[tuple[int, bool], tuple[Any, str | None]] = {}

    def read(self, host: str, variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[Fault]]:
        """The variables of these names as builtin types, each in its own try, and a fault for each that can't be read.

        What an expression leaves out (`default(omit)`) is absent.
        """
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        # Templating costs a fifth of a millisecond a variable also where there is nothing to template: a second a
        # thousand hosts.
        raw = core_internals.untemplated(variables)
        names = list(map(str, names))
        for name in names:
            if name in raw and _is_literal(raw[name]):
                found = _plain(name, raw[name])
            else:
                found = self._once(name, variables, raw)
            if isinstance(found, Fault):
                faults.append(found._replace(host=host))
            elif found is not _OMITTED:
                values[name] = found
        leaving.hear(raw, names, values)
        return values, faults

    def misread(self, raw: Any, secret: bool) -> str | None:
        """As the function; of a value that is a group's, the same object for each of its hosts, once."""
        key = (id(raw), secret)
        if key not in self._looked_at:
            self._looked_at[key] = raw, misread(raw, secret)  # kept, so that nothing else gets its id
        return self._looked_at[key][1]

    def _once(self, name: str, variables: Mapping[str, Any], raw: Mapping[str, Any]) -> Any:
        if name not in raw:
            return _templated(name, variables)
        known = self._known.setdefault(name, [])
        for needed, value in known:
            if same_for_all.met(needed, raw):
                # Nobody may change another host's value with their own.
                return value if isinstance(value, Fault) or value is _OMITTED else to_plain(value)
        found = _templated(name, variables)
        all_of_it = same_for_all.needs(name, raw, one=name.startswith(SHARED))
        if all_of_it is not None and len(known) < _VARIANTS:
            known.append((all_of_it, found))
        return found


#: How the names begin of what all hosts of a fleet share: one run has one value of it, a token's too that is made anew
#: for whoever asks.
SHARED = "kof_"
#: Of how many variants of one variable, by group say, the value is kept.
_VARIANTS = 16
_OMITTED = object()


def read(host: str, variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[Fault]]:
    """As Reader.read, of one host."""
    return Reader().read(host, variables, names)


def _templated(name: str, variables: Mapping[str, Any]) -> Any:
    try:
        value = variables[name]
        return _OMITTED if core_internals.is_omitted(value) else _plain(name, value)
    except AnsibleValueOmittedError:
        return _OMITTED
    except AnsibleError as problem:
        return Fault("", name, f"can't be templated: {telling.of_template(problem)}", _remedy(name, problem))


def _plain(name: str, value: Any) -> Any:
    try:
        return to_plain(value)
    except NotPlain as problem:
        return Fault("", name, str(problem), example_of(name))


#: What helps against what stood in the way of a template, by the names of ansible-core's errors.
_REMEDIES = (
    ("Vault", "give the vault password it was encrypted with: --vault-password-file, in AWX a Vault credential"),
    ("UndefinedVariable", "set what it refers to, or let it be left out: {{{{ ... | default(omit) }}}}"),
    ("SyntaxError", "!unsafe where {{{{ is meant to stay as it is; {example}"),
    ("PluginNotFound", "install the collection that has it (in AWX: collections/requirements.yml); {example}"),
    ("Plugin", "see what that lookup or filter needs on the controller (in AWX: in the execution environment)"),
)


def _remedy(name: str, problem: BaseException) -> str:
    chain: list[str] = []
    error: BaseException | None = problem
    while error is not None and len(chain) < 20:
        chain.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    for word, helps in _REMEDIES:
        if any(word in each for each in chain):
            return helps.format(example=example_of(name))
    return example_of(name)


def by_cause(faults: Iterable[Fault], raw: Mapping[str, Any], values: Mapping[str, Any], extra: Any) -> list[Fault]:
    """The faults, each with the remedy that fits where a value of another type came from.

    :param raw: the host's variables, not templated; `values`: plain.
    :param extra: the names of extra variables.
    """
    found = []
    for fault in faults:
        name = fault.variable
        if name in values and typed_by_yaml(name, values[name]):
            fault = fault._replace(example=remedy(name, values[name], _said(name, raw.get(name), extra)))
        found.append(fault)
    return found


def _said(name: str, raw: Any, extra: Any) -> str:
    if name in extra:
        return EXTRA
    path, colon, _line = origin(raw).rpartition(":")
    beside = {"group_vars", "host_vars"}.intersection(path.split("/"))
    return IN_YAML if not colon or beside or path.endswith((".yml", ".yaml", ".json")) else IN_INI


def misread(raw: Any, secret: bool = False) -> str | None:
    """What YAML makes of an integer that is written otherwise than people write them, else None: 010 is 8.

    :param raw: the value with the tags that say where it was written.
    :param secret: nothing of the value may be told.
    """
    if isinstance(raw, dict):
        # One of a list of environment variables and the like says by its name what its value is.
        name = dict.get(raw, "name")
        secret = secret or (isinstance(name, str) and is_secret_name(name))
        items = ((value, secret or is_secret_name(str(key))) for key, value in dict.items(raw))
        return next((each for value, hidden in items if (each := misread(value, hidden))), None)
    if isinstance(raw, list):
        return next((each for value in list.__iter__(raw) if (each := misread(value, secret))), None)
    if not isinstance(raw, int) or isinstance(raw, bool):
        return None
    written = place.written(raw)
    if not OTHERWISE.match(written):
        return None
    if secret:
        return "a number with a leading 0 or colons is read as another number by YAML: quote it"
    return f"{written} is read as the number {int(raw)}: YAML takes a leading 0 for octal, and 1:30 for a number to 60"


def _is_literal(value: Any) -> bool:
    """Is it data that templating gives back as it is? Only what surely is: no brace, no header of a template's own."""
    if isinstance(value, str):
        return "{" not in value and not value.startswith("#")
    if isinstance(value, dict):
        return all(map(_is_literal, dict.values(value)))
    if isinstance(value, list):
        return all(map(_is_literal, list.__iter__(value)))
    return value is None or isinstance(value, (bool, int, float))
