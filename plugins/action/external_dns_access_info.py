# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/external_dns_access_info.py: one look at AWS and the Secret, in the controller's process.

An action, not a module: a module's process, its code unpacked and compiled, takes longer than the look.
Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import plan
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.errors import BotoCoreError, ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import CLUSTER_TAG
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.options import aws_beside_kubernetes, told
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.plan import NotForUs
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.access_key import (
    OPTIONS,
    KeyAndSecret,
    Stop,
    own_uid,
    result_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Said
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_AT_AWS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.shared_layer import AnothersLayer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.single_object import RECONCILE_OPTIONS, policy_from
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some
from ansible_collections.k0rdent.kof.plugins.plugin_utils import dns_credentials, guarded, iam, place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import one_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction

ARGUMENTS: dict[str, dict[str, Any]] = {
    **OPTIONS,
    "policy_name": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/"},
    "of_role": {"type": "bool", "default": False},
    "to_remove": {"type": "bool", "default": False},
}


class ActionModule(ModuleAction):
    _supports_async = False
    OPTIONS: ClassVar = {**aws_beside_kubernetes(), **RECONCILE_OPTIONS, **ARGUMENTS}
    DOES = "looks"
    GOES_BY = ("caller", "policy", "user", "take_over_fleet", "plan", "left")
    #: Of the role's look: its options.
    role: Mapping[str, Any] | None = None

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        written, variables = self._task.args, task_vars or {}
        if not boolean(written.get("of_role", False), strict=False):
            return super().run(tmp, task_vars)
        values, faults = dns_credentials.of_task(self, variables)
        if faults:
            return {"failed": True, "msg": "\n".join(map(str, faults))}
        self.role = dns_credentials.public(values)
        if self.role["method"] not in DNS_METHODS_AT_AWS:
            nothing = {"changed": False, "plan": dns_credentials.without_aws(self.role)}
            if boolean(written.get("to_remove", False), strict=False):
                nothing = {"changed": False, "plan": {"make": [], "remove": []}, "left": []}
            return nothing
        # Callbacks shall find nothing in the task that was not written there, least of all a login.
        self._task.args = {**written, **dns_credentials.for_look(values)}
        try:
            return super().run(tmp, task_vars)
        finally:
            self._task.args = written

    def where(self, task_vars: dict[str, Any]) -> AbstractContextManager[dict[str, Said]]:
        return super().where(task_vars) if self._with_key() else place.environment(self)

    def _with_key(self) -> bool:
        """Only a key has to do with the management cluster: for all else nobody needs to say which that is."""
        return self.role is None or self.role["method"] == "iam_user"

    def module(self, said: dict[str, Said], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {"changed": False}
        try:
            _validated, options = self.validate_argument_spec(argument_spec={**self.OPTIONS, **CONNECTION_OPTIONS})
            permissions = one_run(options, task_vars)
            # For the module that makes the key: it can't see what is an extra variable.
            result["take_over_fleet"] = sorted(permissions.take_over)
            with place.connected(options, said) if self._with_key() else nullcontext() as connection:
                if connection:
                    shared_layer.refuse(connection, options["namespace"], options["fleet"], permissions.take_over)
                result.update(_look(options, connection, permissions, self.role))
        except AnothersLayer as problem:
            # Told apart from what the look merely can't see: nobody may go on and make anything then.
            result.update(failed=True, refused=True, msg=str(problem))
        except (FleetFault, Stop, NotForUs, ApiError, ApiUnavailable, UnsendableString) as problem:
            result.update(failed=True, msg=str(problem))
        except (BotoCoreError, ClientError, AnsibleError) as problem:
            result.update(failed=True, msg=f"AWS can't show what external-dns has: {told(problem, self._task.args)}")
        return result


def _look(
    options: Mapping[str, Any], connection: Connection | None, permissions: Permissions, role: Mapping[str, Any] | None
) -> dict[str, Any]:
    aws = iam.Aws(options)
    caller = iam.caller(aws.retrying("sts"))
    client = aws.retrying("iam")
    found: dict[str, Any] = {"caller": caller}
    wanted = plan.wanted(role, caller) if role else {}
    if not wanted.get("node_roles"):
        arn = plan.policy_arn(caller, options["path"], options["policy_name"])
        found["policy"] = iam.policy(client, arn) or (iam.policy_named(client, wanted["policy"]) if role else None)
        if connection:
            found["user"] = iam.user(client, options["user_name"])
        else:
            found["role"] = iam.role(client, wanted["role"])
    if role:
        plan.refuse_strangers(wanted, found)
    if role and options["to_remove"]:
        found["left"] = list(_there(client, role, wanted, found, connection))
        of_tasks = {"region": options["region"], "validate_certs": options["aws_validate_certs"]}
        found["plan"] = {**wanted, "make": [], "remove": found["left"], **of_tasks}
        return found
    if connection:
        found["access_key"] = _access_key(client, options, connection, permissions)
    if role:
        found["plan"] = {
            **wanted,
            "make": plan.to_make(role, wanted, found),
            "options": dns_credentials.for_modules(role),
            "region": options["region"],
            "validate_certs": options["aws_validate_certs"],
        }
    return found


def _there(
    client: Any,
    role: Mapping[str, Any],
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    connection: Connection | None,
) -> Iterator[dict[str, str]]:
    """Of what the role makes at AWS, what is there and this fleet's: kind and name, in the order of making.

    :raises NotForUs: it is another management cluster's too, or others use it.
    """
    user, policy = found.get("user"), found.get("policy")
    claimed_by = (user or {"tags": {}})["tags"].get(CLUSTER_TAG)
    if connection and claimed_by not in (None, own_uid(connection)):
        raise NotForUs(
            f"The IAM user {wanted['user']} belongs to the fleet {role['kof_fleet']} of another management cluster "
            f"({CLUSTER_TAG}={claimed_by}): it stays, and what it uses"
        )
    ours = {("user", wanted["user"]), ("role", wanted["role"])}
    others = sorted(iam.attached_to(client, policy["arn"]) - ours) if policy else []
    if others:
        names = some([f"{kind} {name}" for kind, name in others])
        raise NotForUs(f"The IAM policy {wanted['policy']} is attached to others: {names}. Detach it there first")
    there = {
        "policy": policy,
        "user": user,
        "access_key": user and client.list_access_keys(UserName=wanted["user"], aws_retry=True)["AccessKeyMetadata"],
        "role": found.get("role"),
    }
    for kind, name in plan.entries(role):
        if kind == "inline_policy":
            is_there = iam.has_inline_policy(client, name, wanted["policy"])
        elif kind == "instance_profile":
            is_there = iam.has_instance_profile(client, name, wanted["tags"])
        else:
            is_there = bool(there[kind])
        if is_there:
            yield {"kind": kind, "name": name}


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
