# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run sees the whole fleet, so that a cluster it doesn't see has left the inventory. Knows no Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, members
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import LOCALHOST
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, one_cluster

COMPLETE = "kof_inventory_complete"


def doubts(fleet: Fleet, task_vars: Mapping[str, Any]) -> Iterator[Fault | str]:
    """Why this run's inventory can't say which clusters have left it, each with what would be right; nothing where it
    can. That a host's variables are at fault is one, too, for the caller: its cluster's name may be among them.

    :param fleet: all hosts of the inventory, as far as they were read.
    """
    hostvars = task_vars["hostvars"]
    if COMPLETE in core_internals.extra_variables(hostvars):
        right = "say it in group all of the inventory that has every cluster of the fleet"
        yield Fault("", COMPLETE, "as an extra variable it would declare whatever inventory is at hand", right)
    for host, values in fleet.variables.items():
        if values.get(COMPLETE) is not True:
            right = f"{COMPLETE}: true in group all, if this one has every cluster of the fleet"
            yield Fault(host, COMPLETE, "isn't true: only an inventory declared whole can say what has left it", right)
    if task_vars.get("ansible_limit") is not None:
        yield f"--limit {task_vars['ansible_limit']}: what is limited away hasn't left the inventory; run without it"
    if _is_slice(core_internals.extra_variables(hostvars)):
        yield "this job is a slice, and AWX has cut the inventory for it; a job template without slices sees all of it"
    if hostvars.raw_get(LOCALHOST).get(one_cluster.FACT):
        yield "this run is about the one cluster that is added"
    for source in core_internals.unparsed_sources(hostvars):
        yield f"{source} can't be read as a source of the inventory, so its hosts are missing; mend it, or leave it out"


def outside(fleet: Fleet, task_vars: Mapping[str, Any]) -> list[str]:
    """The clusters' hosts that the inventory has, and the batch hasn't."""
    batch = set(fleet.hosts)
    return [host for layer in LAYERS for host in members(task_vars["groups"], layer) if host not in batch]


def _is_slice(extra: Mapping[str, Any]) -> bool:
    """AWX makes a workflow job of its own for the slices of a job, with the name of their template; nothing else of
    what it tells a job says it is one (awx/main/models: JobTemplate.create_unified_job, UnifiedJob.awx_meta_vars)."""
    return any(
        extra.get(f"{prefix}_workflow_job_name")
        and extra.get(f"{prefix}_workflow_job_name") == extra.get(f"{prefix}_job_template_name")
        for prefix in ("awx", "tower")
    )
