# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to a survey are extra variables, and an extra variable is every host's. In a run that is about one cluster
(playbooks/add_region.yml, add_child.yml) they are made that host's alone, and those left empty nobody's, so that the
inventory is heard; all that reads hosts' variables behind this door sees the fleet as it is, and that one cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.adding import is_left_empty
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import LOCALHOST
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals

#: Fact of localhost: `host` and `layer` of the cluster that a run is about. There is none in any other run.
FACT = "__add_cluster"


def answers(hostvars: Any, layer: str) -> dict[str, Any]:
    """The extra variables that are about a cluster of this layer, not templated."""
    extra = core_internals.extra_variables(hostvars)
    return {name: extra[name] for name in extra if isinstance(name, str) and name.startswith(f"{layer}_")}


def of_one(hostvars: Any, layer: str, host: str) -> Any:
    """hostvars in which the answers for a layer are one host's alone; of no host, if `host` is none."""
    given = answers(hostvars, layer)
    empty = {name for name, answer in given.items() if is_left_empty(answer)}
    return core_internals.extra_variables_of_one(hostvars, host, set(given), empty)


def scoped(task_vars: dict[str, Any]) -> dict[str, Any]:
    """A task's variables as they are meant: in a run about one cluster, with its answers as its own."""
    hostvars = task_vars.get("hostvars")
    raw_get = getattr(hostvars, "raw_get", None)
    added: Mapping[str, str] | None = raw_get(LOCALHOST).get(FACT) if raw_get else None
    if not added:
        return task_vars
    layer, host = str(added["layer"]), str(added["host"])
    found = of_one(hostvars, layer, host)
    # Of the host that the task is booked on: what isn't as hostvars have it was set where nobody reads it.
    here = found.raw_get(task_vars.get("inventory_hostname", host))
    given = answers(hostvars, layer)
    own = {name: value for name, value in task_vars.items() if name not in given}
    return own | {name: here[name] for name in given if name in here} | {"hostvars": found}
