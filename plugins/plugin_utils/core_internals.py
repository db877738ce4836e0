# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-core has no public name for: how it tags values, what an action has of its task, what stands behind
hostvars, how plays and groups are read. The one room for its private names, and for modules of it that no documentation
promises; a test keeps all other files from them. Each function is named for what it is for, and decides nothing.

Where a version of core lacks how values are tagged, nothing is known of a value, and no more.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import IGNORED
from ansible.parsing.vault import EncryptedString, VaultLib, is_encrypted_file
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.action import ActionBase
from ansible.utils.path import unfrackpath
from ansible.vars.hostvars import HostVars
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

from ansible_collections.k0rdent.kof.plugins.module_utils.text import plain

try:
    from ansible._internal._datatag._tags import Origin, TrustedAsTemplate, VaultedValue
except ImportError:
    Origin = TrustedAsTemplate = VaultedValue = None

# -- values

#: Fewer digits are in too many places that have nothing to do with a secret.
_DIGITS = 6


def origin(value: Any) -> tuple[str, int]:
    """The file and line (0: not known) that a value comes from; no file where that isn't known."""
    tag = Origin.get_tag(value) if Origin else None
    return (tag.path, tag.line_num or 0) if tag is not None and tag.path else ("", 0)


def column(value: Any) -> int:
    """The column, from 1, at which a value stands in its file; 0 where that isn't known."""
    return getattr(Origin.get_tag(value), "col_num", None) or 0 if Origin else 0


def is_omitted(value: Any) -> bool:
    """Is it what `default(omit)` gives?"""
    return type(value).__name__ == "_OmitType"


def is_trusted(value: Any) -> bool:
    """Whether a text may be a template. What an inventory file says may, what came as data may not."""
    return TrustedAsTemplate is not None and TrustedAsTemplate.is_tagged_on(value)


# What has failed inside a filter's input stands there as a marker, which knows why.
plain.failure_of_marker = lambda marker: marker._as_exception()


def of_vault(value: Any) -> Iterator[str]:
    """The texts, and numbers of many digits, in an untemplated value that a vault held: as one vaulted text, or in a
    file that is encrypted as a whole. A text that no password opens is left out: it can't be anywhere either."""
    if isinstance(value, EncryptedString):
        try:
            yield str(value)
        except Exception:
            return
    elif isinstance(value, dict):
        for each in dict.values(value):
            yield from of_vault(each)
    elif isinstance(value, (list, tuple)):
        for each in list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value):
            yield from of_vault(each)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        text = str.__str__(value) if isinstance(value, str) else str(value)
        if isinstance(value, str) or len(text) >= _DIGITS:
            tagged = VaultedValue is not None and VaultedValue.get_tag(value) is not None
            if tagged or _is_encrypted(origin(value)[0]):
                yield text


@functools.cache
def _is_encrypted(path: str) -> bool:
    """Nothing but a regular file is opened: a pipe (`-e @<(...)`) was read once, and would be waited for."""
    try:
        if not path or not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as stream:
            return bool(is_encrypted_file(stream))
    except OSError:
        return False


def of_encrypted_file(loader: Any, variables: Mapping[str, Any], name: str) -> Iterator[str]:
    """The text that lookups give for a file, found as they find it, if it is encrypted and can be had."""
    try:
        paths = variables.get("ansible_search_path") or [loader.get_basedir()]
        path = loader.path_dwim_relative_stack(list(paths), "files", name, is_role="role_path" in variables)
        if path and _is_encrypted(path):
            yield loader.get_text_file_contents(path)
    except (AnsibleError, OSError, ValueError):
        return


# -- the task of a running action


def task_of(action: ActionBase) -> Any:
    """The task that an action plugin works for."""
    return action._task


def written_of(action: ActionBase) -> tuple[Any, ...]:
    """All that a task says, templated and as it is written, and what the keywords around it say for it."""
    task = action._task
    around = getattr(task, "_parent", None)
    keywords = [getattr(each, name, None) for each in (task, around) for name in ("environment", "module_defaults")]
    return (task.args, getattr(task, "_ds", None), *keywords)


def connection_of(action: ActionBase) -> Any:
    """The connection that a module of the task would have."""
    return action._connection


def loader_of(action: ActionBase) -> Any:
    """What reads files for the task, with the vault's passwords."""
    return action._loader


def vault_secrets(action: ActionBase) -> list[tuple[str, Any]]:
    """The vault ids that ansible-playbook was given, each with its secret, in the order in which core tries them."""
    return [(str(vault_id), secret) for vault_id, secret in getattr(action._loader._vault, "secrets", None) or ()]


def vault_identity() -> str | None:
    """The vault id that a setting names for encrypting; None for none."""
    return C.config.get_config_value("DEFAULT_VAULT_ENCRYPT_IDENTITY") or None


def encrypted(content: bytes, vault_id: str, secret: Any) -> bytes:
    """As ansible-vault does it."""
    found: bytes = VaultLib().encrypt(content, secret=secret, vault_id=vault_id)
    return found


def decrypted(content: bytes, secrets: list[tuple[str, Any]]) -> bytes | None:
    """None where none of the secrets opens it, or it is damaged."""
    try:
        return bytes(VaultLib(secrets).decrypt(content))
    except AnsibleError:
        return None


def templated(action: ActionBase, value: Any) -> Any:
    """A value as the task's templates make it. Raises AnsibleError."""
    return action._templar.template(value)


def keyword_environment(action: ActionBase) -> dict[str, Any]:
    """The variables of the keyword `environment` around the task, the nearest said last."""
    given: dict[str, Any] = {}
    action._compute_environment_string(given)
    return given


def file_of_role_or_playbook(action: ActionBase, folder: str, name: str) -> str:
    """The path of a file in the folder of the task's role or playbook, or beside these. Raises AnsibleFileNotFound."""
    return str(action._find_needle(folder, name))


# -- behind hostvars


def extra_variables(hostvars: Any) -> Mapping[str, Any]:
    """What `-e` or a survey gave, not templated: nothing in an inventory or a playbook can get in here."""
    return hostvars._variable_manager.extra_vars


class _OfOne(HostVars):
    """hostvars in which extra variables of some names are one host's alone."""

    # Not core's own: that would put itself in the place of the one it is made of.
    def __init__(self, hostvars: HostVars, host: str, names: Collection[str], empty: Collection[str]) -> None:
        self.__dict__.update(vars(hostvars))
        self._host = host
        self._mine, self._others = (_without_extra(hostvars, each) for each in (empty, names))

    def raw_get(self, host_name: str) -> Any:
        return (self._mine if host_name == self._host else self._others).raw_get(host_name)


def _without_extra(hostvars: HostVars, names: Collection[str]) -> HostVars:
    manager = hostvars._variable_manager
    other, others = object.__new__(type(manager)), object.__new__(HostVars)
    vars(other).update(vars(manager))
    vars(others).update(vars(hostvars))
    other._extra_vars = {name: value for name, value in manager._extra_vars.items() if name not in names}
    other._hostvars, others._variable_manager = others, other
    return others


def extra_variables_of_one(hostvars: Any, host: str, names: Collection[str], empty: Collection[str]) -> Any:
    """hostvars in which extra variables of these names are that host's alone, and those of `empty` nobody's."""
    return _OfOne(hostvars, host, names, empty)


def untemplated(of_host: Any) -> dict[str, Any]:
    """The variables of `hostvars[host]` as they were written; none of what is a map of somebody's own."""
    return getattr(of_host, "_vars", {})


def inventory_of(hostvars: Any) -> Any:
    """The inventory, with its hosts and groups."""
    return hostvars._inventory


def unparsed_sources(hostvars: Any) -> list[str]:
    """The sources of the inventory, and files in its folders, that no plugin could read: core goes on without them."""
    parsed = set(hostvars._inventory._inventory.processed_sources)

    def files(source: str) -> Iterator[str]:
        if not os.path.isdir(source):
            yield source
            return
        for name in sorted(os.listdir(source)):
            if not IGNORED.search(os.fsencode(name)):
                yield from files(os.path.join(source, name))

    sources = [str(each) if "," in each else unfrackpath(each, follow=False) for each in hostvars._inventory._sources]
    return [file for source in sources if source for file in files(source) if file not in parsed]


def limits(hostvars: Any) -> list[str]:
    """The parts of --limit, its files opened."""
    return list(map(str, hostvars._inventory._subset or ()))


def variables_of_group(hostvars: Any, name: str) -> Mapping[str, Any]:
    """What a group says by itself, in the inventory and in group_vars beside it and beside the playbook."""
    inventory, loader = hostvars._inventory, hostvars._loader
    group = inventory.groups[name]
    beside = get_vars_from_inventory_sources(loader, inventory._sources, [group], "task")
    return {**group.get_vars(), **beside, **get_vars_from_path(loader, loader.get_basedir(), [group], "task")}


def variables_of_host(hostvars: Any, name: str) -> Mapping[str, Any]:
    """What a host says by itself, in the inventory and in host_vars beside it and the playbook; not templated."""
    inventory, loader = hostvars._inventory, hostvars._loader
    host = inventory.get_host(name)
    beside = get_vars_from_inventory_sources(loader, inventory._sources, [host], "task")
    of_play = get_vars_from_path(loader, loader.get_basedir(), [host], "task")
    return {**host.vars, **beside, **of_play} if host else {}


# -- the command line and what it runs


def arguments() -> list[str]:
    """The playbooks that ansible-playbook was called with, as they were named."""
    named = context.CLIARGS.get("args") or ()
    return list(named) if isinstance(named, (list, tuple)) else []  # a text: not ansible-playbook


def plays(action: ActionBase, hostvars: Any, paths: Iterable[str]) -> list[Play]:
    """The plays of playbooks, read again as --list-tags does. Raises AnsibleError."""
    loader = action._loader
    folder = loader.get_basedir()
    found: list[Play] = []
    try:
        for path in paths:
            found += Playbook.load(path, variable_manager=hostvars._variable_manager, loader=loader).get_plays()
    finally:
        loader.set_basedir(folder)
    return found


def tasks(play: Play, variables: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """The tasks of a play as it is written, before any tag has its say; with variables, those that tags leave."""
    for block in play.compile():
        yield from _in_block(block if variables is None else block.filter_tagged_tasks(dict(variables)))


def _in_block(block: Any) -> Iterator[Any]:
    for part in (block.block, block.rescue, block.always):
        for each in part:
            if isinstance(each, Block):
                yield from _in_block(each)
            elif not getattr(each, "implicit", False):
                yield each


def includes_of_others(task: Any, collection: str) -> bool:
    """Does a task that isn't the collection's bring others in while it runs?"""
    return isinstance(task, TaskInclude) and getattr(task._role, "_role_collection", None) != collection


# -- plugins


def variables_of_options(lookup: Any) -> frozenset[str]:
    """The variables from which a lookup plugin takes its options."""
    definitions = C.config.get_configuration_definitions("lookup", lookup._load_name)
    return frozenset(each["name"] for option in definitions.values() for each in option.get("vars") or ())
