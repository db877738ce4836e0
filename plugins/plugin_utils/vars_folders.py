# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""group_vars/ and host_vars/ beside a playbook that ansible-core doesn't read, because the play is another playbook's.

Core reads these folders beside the inventory and beside the playbook that a play was written in. Of a play that was
imported from this collection that is the collection's own folder, and what stands beside the importing playbook, fleet
and kubeconfig too, would be left out without a word.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import arguments
from ansible_collections.k0rdent.kof.plugins.plugin_utils.place import called_from

#: This collection.
_OURS = str(pathlib.Path(__file__).resolve().parents[2])


def unread(loader: Any, task_vars: Mapping[str, Any], prefixes: tuple[str, ...]) -> list[str]:
    """A line for each file that core would have read beside the playbook that was called, or one that it imports, and
    doesn't, with variables of these prefixes in it: its path, and where to put it."""
    sources = [
        os.path.abspath(each) for each in task_vars.get("ansible_inventory_sources") or () if os.path.exists(each)
    ]
    beside_inventory = [each if os.path.isdir(each) else os.path.dirname(each) for each in sources]
    groups = task_vars.get("groups", {})
    lines = []
    for folder in dict.fromkeys([*called_from(), *_importing(loader)]):
        for kind, names in (("group_vars", groups), ("host_vars", groups.get("all", ()))):
            here = os.path.join(folder, kind)
            are_read = {
                os.path.realpath(os.path.join(each, kind)) for each in (loader.get_basedir(), *beside_inventory)
            }
            if not os.path.isdir(here) or os.path.realpath(here) in are_read:
                continue
            better = f"{beside_inventory[0]}/{kind}" if beside_inventory else f"{kind} beside the inventory"
            for path in _files(loader, here, names):
                ours = _variables(loader, path, prefixes)
                if ours:
                    lines.append(
                        f"{path}: {some(ours)} would be ignored: for an imported playbook ansible-core reads {kind} "
                        f"beside the inventory only; move the file to {better}"
                    )
    return lines


def _importing(loader: Any) -> list[str]:
    """The folders of the playbooks that the called ones import, as far as they are named by their paths; not ours."""
    waiting, found = [os.path.abspath(each) for each in arguments() if os.path.isfile(each)], []
    for path in waiting:  # grows meanwhile
        for name in _imports(loader, path):
            imported = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if imported not in waiting and os.path.isfile(imported) and not imported.startswith(f"{_OURS}{os.sep}"):
                waiting.append(imported)
                found.append(os.path.dirname(imported))
    return found


def _imports(loader: Any, path: str) -> list[str]:
    try:
        plays = loader.load_from_file(path)
    except AnsibleError:
        return []  # core has read it, and said what is wrong
    plays = [each for each in plays if isinstance(each, Mapping)] if isinstance(plays, list) else []
    return [str(name) for each in plays for key, name in each.items() if str(key).endswith("import_playbook")]


def _files(loader: Any, folder: str, names: Iterable[str]) -> list[str]:
    found = [os.fsdecode(path) for name in names for path in loader.find_vars_files(folder, name)]
    return list(dict.fromkeys(found))


def _variables(loader: Any, path: str, prefixes: tuple[str, ...]) -> list[str]:
    try:
        content = loader.load_from_file(path)
    except AnsibleError:
        return ["what is in it"]  # not YAML, or vaulted with another password: it may be ours
    return (
        [str(name) for name in content or () if str(name).startswith(prefixes)] if isinstance(content, Mapping) else []
    )
