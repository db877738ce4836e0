# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for one object share: their options, and from a wanted object to the module's result.

Nothing about a kind may be here; the connection's options are in kubeconfig.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import changes, observed
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Outcome, Policy, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS, connect, warned
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import HANDS
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.reconcile import delete, reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import MADE_BY

# How to treat what others did; the documentation is doc_fragments/reconcile.py.
RECONCILE_OPTIONS: dict[str, dict[str, Any]] = {
    "force_conflicts": {"type": "str", "choices": ["hands", "never", "always"], "default": "hands"},
    "drift_managers": {"type": "list", "elements": "str", "default": list(HANDS)},
    "adopt": {"type": "bool", "default": True},
    "take_over_fleet": {"type": "list", "elements": "str", "default": []},
}


def policy_from(options: Mapping[str, Any]) -> Policy:
    """The policy that RECONCILE_OPTIONS say."""
    return Policy(
        drift_managers=tuple(options["drift_managers"]),
        force_conflicts=options["force_conflicts"],
        adopt=options["adopt"],
    )


def permissions_from(options: Mapping[str, Any]) -> guards.Permissions:
    """What a task allows by RECONCILE_OPTIONS: it is of one run by itself."""
    return guards.Permissions(take_over=frozenset(options["take_over_fleet"]))


def run(module: Any, ref: Ref, wanted: dict[str, Any] | None) -> None:
    """Bring `wanted` about, or with None delete `ref`, and end the module (exit_json or fail_json).

    :param module: has RECONCILE_OPTIONS and an option `fleet`.
    """
    policy, fleet, permissions = policy_from(module.params), module.params["fleet"], permissions_from(module.params)
    try:
        options = {name: module.params.get(name) for name in CONNECTION_OPTIONS}
        with warned(connect(options), module.warn, observed.by_module(module)) as connection:
            if wanted is None:
                asked = guards.of_deleting(fleet, permissions)
                (outcome,) = delete(connection, [ref], policy=policy, check_mode=module.check_mode, guards=asked)
            else:
                # By its name alone it may be a part of a cluster that has left the inventory: see fleet/prune.py.
                wanted["metadata"].setdefault("annotations", {})[MADE_BY] = "module"
                asked = guards.of_writing(fleet, permissions, policy.drift_managers)
                (outcome,) = reconcile(connection, [wanted], policy=policy, check_mode=module.check_mode, guards=asked)
    except (ApiError, ApiUnavailable) as error:
        module.fail_json(msg=str(error), exception=None)
        return
    if outcome.action == "refused":
        module.fail_json(msg=f"{ref}: {outcome.reason}", object=str(ref), action="refused")
    module.exit_json(**result_of(outcome, with_diff=bool(module._diff)))


def result_of(outcome: Outcome, *, with_diff: bool) -> dict[str, Any]:
    """The module's result, about its one object."""
    fields = [change.path for change in outcome.changes] if outcome.action in ("updated", "adopted") else []
    result = changes.result_of([outcome], diff=with_diff) | {"object": str(outcome.ref), "action": outcome.action}
    not_checked = {"not_checked": outcome.not_checked} if outcome.not_checked else {}
    del result["objects"]
    return result | not_checked | {"fields": fields}
