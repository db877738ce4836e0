# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/external_dns_access_info.py: one look at AWS and the Secret, in the controller's process.

An action, not a module: a module's process, its code unpacked and compiled, takes longer than the look.
Changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils import shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.access_key import OPTIONS, KeyAndSecret, Stop, result_of
from ansible_collections.k0rdent.kof.plugins.module_utils.api_errors import ApiError, ApiUnavailable, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.aws_errors import BotoCoreError, ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.aws_options import aws_beside_kubernetes, told
from ansible_collections.k0rdent.kof.plugins.module_utils.connection import CONNECTION_OPTIONS, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.shared_layer import AnothersLayer
from ansible_collections.k0rdent.kof.plugins.module_utils.shown import shown
from ansible_collections.k0rdent.kof.plugins.module_utils.single_object import RECONCILE_OPTIONS, policy_from
from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded, iam, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import elsewhere
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import FleetFault, one_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils.options import mistyped

ARGUMENTS: dict[str, dict[str, Any]] = {
    **OPTIONS,
    "policy_name": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    OPTIONS: ClassVar = {**aws_beside_kubernetes(), **RECONCILE_OPTIONS, **ARGUMENTS}
    _supports_diff = True
    _supports_async = False

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        why_not = elsewhere(self, task_vars or {})
        if why_not:
            return {**result, "failed": True, "msg": f"This looks from the controller's process only: {why_not}"}
        problem = mistyped(self._task.args, {**self.OPTIONS, **CONNECTION_OPTIONS})
        if problem:
            return dict(shown({**result, "failed": True, "msg": problem}))
        try:
            with place.arguments(self, task_vars or {}) as said:
                _validated, options = self.validate_argument_spec(
                    argument_spec={**aws_beside_kubernetes(), **CONNECTION_OPTIONS, **RECONCILE_OPTIONS, **ARGUMENTS}
                )
                permissions = one_run(options, task_vars or {})
                # For the module that makes the key: it can't see what is an extra variable.
                result["take_over_fleet"] = sorted(permissions.take_over)
                with place.connected(options, said) as connection:
                    shared_layer.refuse(connection, options["namespace"], options["fleet"], permissions.take_over)
                    result.update(_look(options, connection, permissions))
        except AnothersLayer as problem:
            # Told apart from what the look merely can't see: nobody may go on and make anything then.
            result.update(failed=True, refused=True, msg=str(problem))
        except (FleetFault, Stop, ApiError, ApiUnavailable, UnsendableString) as problem:
            result.update(failed=True, msg=str(problem))
        except (BotoCoreError, ClientError, AnsibleError) as problem:
            result.update(failed=True, msg=f"AWS can't show what external-dns has: {told(problem, self._task.args)}")
        return dict(shown(result))


def _look(options: Mapping[str, Any], connection: Connection, permissions: Permissions) -> dict[str, Any]:
    aws = iam.Aws(options)
    caller = iam.caller(aws.retrying("sts"))
    partition = caller["arn"].split(":")[1]
    policy_arn = f"arn:{partition}:iam::{caller['account']}:policy{options['path']}{options['policy_name']}"
    client = aws.retrying("iam")
    return {
        "changed": False,
        "caller": caller,
        "policy": iam.policy(client, policy_arn),
        "user": iam.user(client, options["user_name"]),
        "access_key": _access_key(client, options, connection, permissions),
    }


def _access_key(
    client: Any, options: Mapping[str, Any], connection: Connection, permissions: Permissions
) -> dict[str, Any]:
    report = KeyAndSecret(
        client,
        connection,
        user=options["user_name"],
        fleet=options["fleet"],
        namespace=options["namespace"],
        policy=policy_from(options),
        permissions=permissions,
        check_mode=True,
        hide=_in_no_result,
    ).ensure()
    outstanding = [f"{each['object']} {each['action']}" for each in result_of(report, with_diff=False)["objects"]]
    return {"id": report.access_key_id, "outstanding": outstanding, "warnings": report.warnings}


def _in_no_result(_secret: str) -> None:
    """The secret half stays in this process: the result has ids and names only."""
