# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of role dns_credentials, judged, and which options of its tasks they are. What is wanted at AWS is
module_utils/dns/aws/plan.py's to say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.plan import first_region, names
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_AT_AWS, parse_dns_credentials
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import Fault, load_spec
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import unsendable_login
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.place import CONNECTION_VARIABLES
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import read

_PREFIX = "dns_credentials_"
#: Names of the options of amazon.aws, by ours without their prefix.
_OF_AWS = {
    "endpoint_url": "endpoint_url",
    "aws_access_key": "access_key",
    "aws_secret_key": "secret_key",
    "aws_session_token": "session_token",
    "aws_profile": "profile",
    "aws_region": "region",
    "aws_ca_bundle": "aws_ca_bundle",
    "aws_validate_certs": "aws_validate_certs",
}
#: Of the variables that all roles share, those that matter to this one, and which option of our modules each is.
_SHARED = {
    "kof_fleet": "fleet",
    "kof_namespace": "namespace",
    "kof_force_conflicts": "force_conflicts",
    "kof_drift_managers": "drift_managers",
    "kof_adopt": "adopt",
}
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")


class _Templated(dict[str, Any]):
    """A task's variables, each templated when it is read."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any]) -> None:
        super().__init__(task_vars)
        self._action = action

    def __getitem__(self, name: str) -> Any:
        return core_internals.templated(self._action, super().__getitem__(name))


def of_task(action: ActionBase, task_vars: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """As `judged`: what a task of the role sees, variables of its play and arguments of the role too."""
    mine = [name for name in load_spec("dns_credentials") if name.startswith(_PREFIX) or name in _SHARED]
    found, faults = judged(_Templated(action, task_vars), [name for name in mine if name in task_vars])
    leaving.hear(task_vars, list(found), found)
    return found, faults


def judged(variables: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], list[Fault]]:
    """The role's options by these variables and its defaults, secrets too, and all that is wrong with them."""
    host = str(variables.get("inventory_hostname", ""))
    values, faults = read(host, variables, names)
    unread = {fault.variable for fault in faults}
    found, more = parse_dns_credentials(host, values)
    faults += [fault for fault in more if fault.variable not in unread]
    if found.get(f"{_PREFIX}method") in DNS_METHODS_AT_AWS:
        # All modules of AWS take the environment's login as it is, and their SDK quotes what it can't send.
        faults += [Fault(host, name, problem, "one word") for name, problem in unsendable_login(os.environ)]
    return found, faults


def public(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of judged options those that are no secrets, without their prefix."""
    spec = load_spec("dns_credentials")
    # A kubeconfig may be its content, and where the management cluster is no setting of this.
    kept = (name for name in values if not spec[name].get("no_log") and name not in CONNECTION_VARIABLES.values())
    return {name.removeprefix(_PREFIX): values[name] for name in kept}


def for_aws(values: Mapping[str, Any]) -> dict[str, Any]:
    """AWS' options (module_utils/dns/aws/options.py) that these variables set; the login is among them."""
    given = {name: values.get(_PREFIX + variable) for variable, name in _OF_AWS.items()}
    return {name: value for name, value in given.items() if value not in (None, "")}


def for_modules(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of each module of ours in this: where the Secret is and whose, how to treat what others did to it."""
    return {name: options[variable] for variable, name in _SHARED.items()}


def for_look(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the module external_dns_access_info; a login is among them."""
    options = public(values)
    named = {f"{kind}_name": name for kind, name in names(options).items() if kind != "role"}
    given = {**for_aws(values), **for_modules(options), **named, "path": options["path"]}
    return given if (region := region_of(options)) is None else {**given, "region": region}


def without_aws(options: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of a method that makes nothing at AWS; a key that is given, by the names of variables or of a file."""
    if options["method"] == "none":
        return {"make": []}
    pair = {f"{half}_variable": f"{_PREFIX}{half}" for half in ("access_key_id", "secret_access_key")}
    file = {name: options[name] for name in ("file", "file_profile") if name in options}
    given = pair if "access_key_id" in options else file
    return {"make": ["secret"], "options": {**for_modules(options), **given}}


def region_of(options: Mapping[str, Any]) -> str | None:
    """The region to tell the SDK; None where somebody has said one already.

    IAM is global, yet the SDK wants a region and finds none where there are only keys, as from AWX's credential.
    """
    said = options.get("aws_profile") or any(os.environ.get(name) for name in _REGION_VARIABLES)
    configuration = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    if options.get("aws_region") or said or os.path.isfile(os.path.expanduser(configuration)):
        return options.get("aws_region")
    return first_region(options)
