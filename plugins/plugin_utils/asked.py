# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line asked this run for, and whether any of it selects something to do.

Core runs a play on no host, and a misspelt tag, without a word and ends with 0. May know plays, tasks, tags and
patterns; knows nothing of Kubernetes.
"""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, nearest, some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals
from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import extra_variables
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import warn

#: Tags that core gives a meaning of their own.
SPECIAL_TAGS = frozenset({"all", "always", "never", "tagged", "untagged"})
ALWAYS = "always"
#: Layers of a fleet, by the tags of their plays.
LAYERS = ("dns_credentials", "mothership", "regional", "child")
_PREFLIGHT = "k0rdent.kof.fleet_preflight"


def by_tags(layers: Sequence[str], task_vars: Mapping[str, Any], around: Collection[str]) -> list[str]:
    """The layers whose plays `--tags` and `--skip-tags` leave: each is tagged with its name.

    :param around: tags of the task that asks; all but `always` were put around our playbook by whoever imports it.
    """
    wanted, unwanted = _run_tags(task_vars), _skip_tags(task_vars)

    def left(layer: str) -> bool:
        tags = {layer, *around} - {ALWAYS}
        return bool(wanted & {"all", "tagged", *tags}) and not unwanted & {"all", "tagged", *tags}

    return [layer for layer in layers if left(layer)]


def report_follows(task_vars: Mapping[str, Any]) -> bool:
    """Whether the report play, at the end of each of our playbooks, will be run to fail what was refused."""
    return not _skip_tags(task_vars) & {ALWAYS, "tagged"}


def faults(action: Any, task_vars: Mapping[str, Any], groups: Collection[str], layers: Collection[str]) -> list[str]:
    """Names of the command line that select nothing, and whether all that it asks for is nothing.

    :param action: the action plugin of a running task.
    :param groups: groups on whose hosts the playbook works.
    :param layers: that the playbook is about; to skip another one is to have what was asked for.
    """
    limit = task_vars.get("ansible_limit")
    wanted, unwanted = _run_tags(task_vars), _skip_tags(task_vars)
    found = _patterns(task_vars["hostvars"]) if limit is not None else []
    names = [host for group in groups for host in task_vars["groups"].get(group, ())]
    left = set(names) & set(task_vars["ansible_play_hosts_all"]) if limit is not None else names
    if left and wanted == {"all"} and not unwanted:
        return found  # the usual run: reading all its plays again would take a tenth of a second
    plays = _plays(action, task_vars)
    if plays is None:
        return found
    tasks = [task for play in plays for task in core_internals.tasks(play)]
    tags = set(SPECIAL_TAGS).union(*(task.tags for task in tasks))
    if any(task.action == _PREFLIGHT and not _is_look(task) for task in tasks):
        tags |= set(layers)  # see by_tags
    known = tags - SPECIAL_TAGS
    # Many skip the same tags in every run, as molecule does (notest): only what must be meant for us is misspelt.
    passed_over = {
        tag for tag in unwanted - tags - {*LAYERS}.difference(layers) if tag in LAYERS or nearest(tag, known)
    }
    misspelt = [
        f"{option} {tag}: no task of this run has that tag{did_you_mean(tag, known)}"
        for option, strange in (("--tags", wanted - tags), ("--skip-tags", passed_over))
        for tag in sorted(strange)
    ]
    # All that our tasks bring in have the tags of ours.
    if misspelt and any(core_internals.includes_of_others(task, "k0rdent.kof") for task in tasks):
        return found  # it may be the tag of a task that is read only when it is its turn
    if misspelt:
        return [*misspelt, *found]
    # Where all tasks are tagged so, as in preflight.yml, they are what was asked for.
    also_always = ALWAYS in wanted or all(ALWAYS in task.tags for task in tasks)
    if any(_does_something(play, action, task_vars, also_always) for play in plays):
        return found
    by = [f"--limit {limit}"] if limit is not None else []
    by += [f"--tags {','.join(sorted(wanted))}"] if wanted != {"all"} else []
    by += [f"--skip-tags {','.join(sorted(unwanted))}"] if unwanted else []
    if not names and not by and _may_be_a_slice(task_vars, groups):
        warn(f"no host of {' or '.join(groups)} is in this slice of the inventory: nothing is done")
        return found
    what = f"with {' and '.join(by)} this run" if by else "this run"
    clusters = f"clusters that its playbook is for are {some(names, 5)}" if names else "the inventory has none"
    return [
        f"{what} would do nothing: it has no host of {' or '.join(groups)}, or no task for it ({clusters})",
        *found,
    ]


def _may_be_a_slice(task_vars: Mapping[str, Any], groups: Collection[str]) -> bool:
    """Whether AWX may have cut the inventory: a slice has every n-th host, all groups, and no word of being one."""
    known = task_vars["groups"]
    ours = any(hosts for name, hosts in known.items() if name.startswith("kof_"))
    return ours and all(name in known for name in groups) and "awx_job_id" in extra_variables(task_vars["hostvars"])


def _run_tags(task_vars: Mapping[str, Any]) -> set[str]:
    return set(task_vars.get("ansible_run_tags") or ()) or {"all"}


def _skip_tags(task_vars: Mapping[str, Any]) -> set[str]:
    return set(task_vars.get("ansible_skip_tags") or ())


def _patterns(hostvars: Any) -> list[str]:
    """The parts of --limit, files opened, that match no host; those that exclude, too: they would exclude nobody. A
    comment in a file is no part."""
    found = []
    inventory = core_internals.inventory_of(hostvars)
    for pattern in core_internals.limits(hostvars):
        name = pattern.lstrip("!&")
        if (
            name.startswith("#")
            or name in inventory.groups
            or inventory.get_hosts(name, ignore_limits=True, ignore_restrictions=True)
        ):
            continue
        near = did_you_mean(name, [*inventory.hosts, *inventory.groups])
        found.append(f"--limit {pattern}: no host or group of the inventory matches{near}")
    return found


def _plays(action: Any, task_vars: Mapping[str, Any]) -> list[Any] | None:
    """The plays of all playbooks of the command line, read again as --list-tags does; None where they can't be."""
    paths = [_path(str(argument)) for argument in core_internals.arguments()]
    if None in paths:
        return None
    try:
        return core_internals.plays(action, task_vars["hostvars"], filter(None, paths)) or None
    except AnsibleError:
        return None  # running, they say themselves what is wrong


def _path(argument: str) -> str | None:
    """The file of a playbook that is named by its path, or as a collection's (namespace.collection.name)."""
    if pathlib.Path(argument).is_file():
        return argument
    parts = argument.split(".")
    try:
        # What ansible-playbook named so, it found in the same collection; playbook_dir is that of the play.
        package = importlib.import_module(f"ansible_collections.{parts[0]}.{parts[1]}") if len(parts) > 2 else None
    except ImportError:
        return None
    files = [
        pathlib.Path(folder, "playbooks", *parts[2:-1], f"{parts[-1]}{ending}")
        for folder in (package.__path__ if package else ())
        for ending in (".yml", ".yaml", "")
    ]
    return next((str(file) for file in files if file.is_file()), None)


def _is_look(task: Any) -> bool:
    """Is it the look that asks all this, which is no work?"""
    return task.args.get("scope") == "inventory"


def _does_something(play: Any, action: Any, task_vars: Mapping[str, Any], also_always: bool) -> bool:
    selected = [
        task
        for task in core_internals.tasks(play, task_vars)
        if not _is_look(task) and (also_always or ALWAYS not in task.tags)
    ]
    if not selected:
        return False
    try:
        hosts = core_internals.templated(action, play.hosts)
    except AnsibleError:
        return True  # it depends on what the run finds out
    inventory = core_internals.inventory_of(task_vars["hostvars"])
    return bool(inventory.get_hosts(hosts, ignore_restrictions=True)) if hosts else False
