# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/external_dns_secret.py: reads a key from variables or a file and writes the Secret.

An action, not a module, because arguments of a module are written to a file and shown by -vvv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.keys import (
    Credentials,
    CredentialsFault,
    checked,
    read_ini,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import external_dns_secret
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import changes, reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Said
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, shared_layer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.shared_layer import AnothersLayer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.single_object import RECONCILE_OPTIONS, policy_from
from ansible_collections.k0rdent.kof.plugins.plugin_utils import place
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import one_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils.module_action import ModuleAction

ARGUMENTS: dict[str, dict[str, Any]] = {
    "access_key_id_variable": {"type": "str"},
    # The names of variables are no secrets, and hiding them would mask them everywhere.
    "secret_access_key_variable": {"type": "str", "no_log": False},
    "file": {"type": "str"},
    "file_profile": {"type": "str", "default": "default"},
    "fleet": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "kof"},
}


class ActionModule(ModuleAction):
    _requires_connection = False
    _supports_async = False
    OPTIONS: ClassVar = {**RECONCILE_OPTIONS, **ARGUMENTS}
    DOES = "writes"

    def module(self, said: dict[str, Said], task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            _validated, options = self.validate_argument_spec(
                argument_spec={**CONNECTION_OPTIONS, **self.OPTIONS},
                required_together=[("access_key_id_variable", "secret_access_key_variable")],
                required_one_of=[("access_key_id_variable", "file")],
                mutually_exclusive=[("access_key_id_variable", "file")],
            )
            permissions = one_run(options, task_vars)
            return self._write(options, said, self._read(options, task_vars), permissions)
        except (AnothersLayer, FleetFault, CredentialsFault, ApiError, UnsendableString) as problem:
            return {"failed": True, "msg": str(problem)}

    def _read(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Credentials:
        if options["file"]:
            return self._from_file(options["file"], options["file_profile"])
        names = (options["access_key_id_variable"], options["secret_access_key_variable"])
        try:
            return checked(*(self._variable(name, task_vars) for name in names))
        except CredentialsFault as fault:
            raise CredentialsFault(f"{' and '.join(names)}: {fault}") from None

    def _variable(self, name: str, task_vars: Mapping[str, Any]) -> str:
        if name not in task_vars:
            raise CredentialsFault(f"{name} is not set")
        try:
            value = self._templar.template(task_vars[name])
            if isinstance(value, (dict, list, bool, int, float)) or value is None:
                raise CredentialsFault(f"{name} is not text")
            # str() also decrypts a single vaulted value.
            return str(value)
        except AnsibleError:
            # Not quoted: what can't be templated or decrypted may be the secret itself.
            raise CredentialsFault(f"{name} can't be read: a template in it fails, or no vault password fits") from None

    def _from_file(self, name: str, profile: str) -> Credentials:
        path = self._loader.path_dwim(name)
        try:
            text = self._loader.get_text_file_contents(path)
        except AnsibleError as error:
            there = self._loader.path_exists(path)
            why = f"can't be read or decrypted ({type(error).__name__})" if there else "no such file"
            raise CredentialsFault(f"dns_credentials_file {path}: {why}") from None
        try:
            return read_ini(text, profile)
        except CredentialsFault as fault:
            raise CredentialsFault(f"dns_credentials_file {path}: {fault}") from None

    def _write(
        self,
        options: Mapping[str, Any],
        said: Mapping[str, Said],
        credentials: Credentials,
        permissions: guards.Permissions,
    ) -> dict[str, Any]:
        check_mode = bool(self._task.check_mode)
        policy = policy_from(options)
        asked = guards.of_writing(options["fleet"], permissions, policy.drift_managers)
        connection = place.connected(options, said)
        try:
            shared_layer.refuse(connection, options["namespace"], options["fleet"], permissions.take_over)
            # One after the other: in check mode the Secret's namespace may not exist yet.
            made = reconcile.reconcile(
                connection,
                [namespace(options["namespace"], options["fleet"])],
                policy=policy,
                check_mode=check_mode,
                guards=asked,
            )[0]
            pending = reconcile.Pending()
            if check_mode and made.action == "created":
                pending.add("Namespace", options["namespace"])
            wanted = external_dns_secret(
                options["namespace"], labels(options["fleet"]), credentials.access_key_id, credentials.secret_access_key
            )
            outcomes = [made]
            if made.action != "refused":
                outcomes += reconcile.reconcile(
                    connection, [wanted], policy=policy, check_mode=check_mode, pending=pending, guards=asked
                )
        finally:
            connection.close()
        refused = [f"{each.ref} is refused: {each.reason}" for each in outcomes if each.action == "refused"]
        if refused:
            return {"failed": True, "msg": "; ".join(refused)}
        return changes.result_of(outcomes, diff=self._task.diff or self._play_context.diff) | {
            "access_key_id": credentials.access_key_id,
            "msg": f"access key {credentials.access_key_id} is in {outcomes[-1].ref}",
        }
