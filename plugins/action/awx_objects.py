# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/awx_objects.py: what the controller_* variables have, made or taken away by awx.awx's modules.

These do each object; here is their order, what check mode can know, and what may be taken away. awx.awx is no
dependency of the collection: it is looked for when this runs.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.k0rdent.kof.plugins.plugin_utils import guarded, variables
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}
}


class Kind(NamedTuple):
    """A kind of objects of AWX.

    :ivar variable: which has them, as infra.aap_configuration calls it.
    :ivar module: of awx.awx.
    :ivar endpoint: of the API.
    :ivar belongs: the key of what an object belongs to, by which those of one name are told apart.
    """

    variable: str
    module: str
    endpoint: str
    belongs: str = "organization"


#: In the order in which they refer to each other.
KINDS = (
    Kind("controller_organizations", "organization", "organizations", ""),
    Kind("controller_labels", "label", "labels"),
    Kind("controller_credential_types", "credential_type", "credential_types", ""),
    Kind("controller_credentials", "credential", "credentials"),
    Kind("controller_execution_environments", "execution_environment", "execution_environments", ""),
    Kind("controller_notifications", "notification_template", "notification_templates"),
    Kind("controller_projects", "project", "projects"),
    Kind("controller_inventories", "inventory", "inventories"),
    Kind("controller_inventory_sources", "inventory_source", "inventory_sources", "inventory"),
    Kind("controller_templates", "job_template", "job_templates"),
    Kind("controller_workflows", "workflow_job_template", "workflow_job_templates"),
    Kind("controller_schedules", "schedule", "schedules", "unified_job_template"),
    Kind("controller_teams", "team", "teams"),
    Kind("controller_roles", "role", "", ""),
)
ORGANIZATIONS, LABELS, WORKFLOWS, ROLES = KINDS[0], KINDS[1], KINDS[10], KINDS[-1]
_NODES = "workflow_job_template_nodes"
#: Of a node what isn't said to its job.
_OF_NODES = ("identifier", "unified_job_template", "related", "state")
#: What an organization may have; deleting it takes all of this with it, whosever it is.
_IN_ORGANIZATION = (
    *("projects", "inventories", "job_templates", "workflow_job_templates", "teams", "credentials"),
    *("execution_environments", "notification_templates", "applications"),
)
_TOKENS = ("CONTROLLER_OAUTH_TOKEN", "TOWER_OAUTH_TOKEN")
_ABSENT = "the collection awx.awx isn't installed, and without it AWX can't be configured"
_INSTALL = "ansible-galaxy collection install awx.awx:24.6.1 (it is in the PyPI package ansible up to version 13, too)"


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False
    _supports_async = False

    @guarded.action
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        self._vars = task_vars or {}
        self._lookup = lookup_loader.get("awx.awx.controller_api", loader=self._loader, templar=self._templar)
        if self._lookup is None:
            raise AnsibleActionFail(f"{_ABSENT}: {_INSTALL}")
        if not any(map(os.environ.get, _TOKENS)):
            raise AnsibleActionFail(
                f"AWX is asked with a token, and the environment has none: set CONTROLLER_HOST and {_TOKENS[0]}. "
                "(With a user's password awx.awx makes a token for each request that looks, and leaves it there.)"
            )
        wanted = self._wanted()
        self._there = {kind: self._listed(kind) for kind in KINDS if kind in wanted and kind.endpoint}
        self._changed: list[str] = []
        self._kept: list[str] = []
        self._result = result
        try:
            if options["state"] == "absent":
                self._take_away(wanted)
            else:
                self._make(wanted)
        except AnsibleActionFail as problem:
            # What was done until then is told, too.
            return {**result, **self._told(), "failed": True, "msg": str(problem.message)}
        return {**result, **self._told()}

    def _told(self) -> dict[str, Any]:
        lines = [*self._changed, *self._kept]
        for line in lines:
            say(line)
        return {"changed": bool(self._changed), "objects": self._changed, "kept": self._kept, "msg": "\n".join(lines)}

    def _wanted(self) -> dict[Kind, list[dict[str, Any]]]:
        """The objects of each kind that there is a variable for, as the modules take them."""
        names = [kind.variable for kind in KINDS if kind.variable in self._vars]
        if not names:
            raise AnsibleActionFail(f"there is nothing to make: none of {', '.join(k.variable for k in KINDS)} is set")
        host = self._vars["inventory_hostname"]
        values, faults = variables.read(host, self._vars["hostvars"][host], names)
        wanted: dict[Kind, list[dict[str, Any]]] = {}
        problems = [str(each) for each in faults]
        for kind in KINDS:
            items = values.get(kind.variable)
            needed = "role" if kind == ROLES else "name"
            if items is None:
                continue
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                problems.append(f"{kind.variable}: must be a list of maps, each with a {needed}")
                continue
            nameless = [str(number) for number, each in enumerate(items, 1) if not _text(each.get(needed))]
            if nameless:
                problems.append(f"{kind.variable}: entry {', '.join(nameless)} has no {needed}, which must be text")
            wanted[kind] = [{key: _name_of(value) for key, value in each.items()} for each in items]
        if problems:
            raise AnsibleActionFail("\n".join(problems))
        return wanted

    def _listed(self, kind: Kind) -> dict[tuple[str, str], dict[str, Any]]:
        """What AWX has of a kind, by its name and that of what it belongs to."""
        found = {}
        for each in self._ask(kind.endpoint):
            owner = each.get("summary_fields", {}).get(kind.belongs, {}).get("name", "") if kind.belongs else ""
            found[(each["name"], owner)] = each
        return found

    def _ask(self, endpoint: str, **query: Any) -> list[dict[str, Any]]:
        try:
            return self._lookup.run(
                [endpoint], variables=self._vars, query_params={"page_size": 200, **query}, return_all=True,
                return_objects=True, max_objects=10_000,
            )  # fmt: skip
        except AnsibleError as problem:
            raise AnsibleActionFail(f"AWX can't be asked for its {endpoint.replace('_', ' ')}: {problem}") from None

    def _make(self, wanted: dict[Kind, list[dict[str, Any]]]) -> None:
        missing: set[str] = set()  # in check mode: names of what would have been made
        for kind, item in _each(wanted):
            new = kind != ROLES and _key(kind, item) not in self._there[kind]
            if new and self._task.check_mode:
                missing.add(item["name"])
                self._changed.append(f"{_called(kind, item)} would be created")
                continue
            nodes = item.get("workflow_nodes") if kind == WORKFLOWS else None
            # With an approval among its nodes the module always says changed: whether they differ is seen here.
            done = self._module(kind, {key: value for key, value in item.items() if key != "workflow_nodes" or new})
            if (
                nodes
                and not new
                and not done.get("failed")
                and self._differ(nodes, self._there[kind][_key(kind, item)])
            ):
                done = {"changed": True} if self._task.check_mode else self._module(kind, item)
            if done.get("failed"):
                # What refers to something that isn't made yet can't be asked for; that it would change is certain.
                awaited = sorted(missing & set(_texts(item)))
                if not awaited:
                    raise AnsibleActionFail(f"{_called(kind, item)}: {done.get('msg', 'failed')}")
                self._changed.append(f"{_called(kind, item)} would change, once there is {', '.join(awaited)}")
            elif done.get("changed"):
                would = "would be " if self._task.check_mode else ""
                self._changed.append(f"{_called(kind, item)} {would}{'created' if new else 'updated'}")

    def _differ(self, wanted: list[dict[str, Any]], workflow: dict[str, Any]) -> bool:
        """Whether a workflow's nodes aren't as they are wanted; others that somebody added are left alone."""
        there = {each["identifier"]: each for each in self._ask(_NODES, workflow_job_template=workflow["id"])}
        names = {each["id"]: name for name, each in there.items()}
        for node in wanted:
            found = there.get(node["identifier"])
            if node.get("state") == "absent":
                if found:
                    return True
                continue
            if found is None:
                return True
            template, is_there = node["unified_job_template"], found["summary_fields"].get("unified_job_template", {})
            said = {key: value for key, value in template.items() if key in ("name", "description", "timeout")}
            if template["type"] != "workflow_approval":
                said = {"name": template["name"]}
            prompts = {key: value for key, value in node.items() if key not in _OF_NODES}
            if any(is_there.get(key) != value for key, value in said.items()) or any(
                _name_of(found["summary_fields"].get(key, found.get(key))) != _name_of(value)
                for key, value in prompts.items()
            ):
                return True
            for relation, others in node.get("related", {}).items():
                after = {names.get(each) for each in found.get(relation, ())}
                if after != {each.get("identifier") for each in others}:
                    return True
        return False

    def _take_away(self, wanted: dict[Kind, list[dict[str, Any]]]) -> None:
        gone: dict[str, int] = defaultdict(int)  # by organization and endpoint
        for kind, item in reversed(list(_each(wanted))):
            there = kind != ROLES and self._there[kind].get(_key(kind, item))
            if not there or there.get("managed"):
                continue  # grants go with the team and what it may do
            if kind == LABELS:
                continue  # AWX deletes none but with its organization
            if kind == ORGANIZATIONS:
                others = self._others_in(there, gone)
                if others:
                    self._kept.append(f"{_called(kind, item)} stays: it also has {', '.join(others)}")
                    continue
            identity = {key: value for key, value in item.items() if key in _IDENTITY}
            done = self._module(kind, {**identity, "state": "absent"})
            if done.get("failed"):
                raise AnsibleActionFail(f"{_called(kind, item)}: {done.get('msg', 'failed')}")
            gone[f"{there.get('organization')}/{kind.endpoint}"] += 1
            self._changed.append(f"{_called(kind, item)} {'would be ' if self._task.check_mode else ''}deleted")

    def _others_in(self, organization: dict[str, Any], gone: dict[str, int]) -> list[str]:
        """What an organization has beside what this run has taken away, or would take."""
        others = []
        for endpoint in _IN_ORGANIZATION:
            ours = gone[f"{organization['id']}/{endpoint}"] if self._task.check_mode else 0
            count = len(self._ask(endpoint, organization=organization["id"])) - ours
            if count > 0:
                others.append(f"{count} {endpoint.replace('_', ' ')}")
        members = self._ask(f"organizations/{organization['id']}/users")
        return others + ([f"{len(members)} users"] if members else [])

    def _module(self, kind: Kind, arguments: dict[str, Any]) -> dict[str, Any]:
        done = self._execute_module(f"awx.awx.{kind.module}", module_args=arguments, task_vars=self._vars)
        for warning in done.get("warnings", ()):
            if warning not in self._result.setdefault("warnings", []):
                self._result["warnings"].append(warning)
        return done


_SUMMARY = {"id", "name", "description"}
#: What a module finds an object by.
_IDENTITY = ("name", "organization", "inventory", "unified_job_template", "credential_type")


def _each(wanted: dict[Kind, list[dict[str, Any]]]) -> Iterator[tuple[Kind, dict[str, Any]]]:
    for kind, items in wanted.items():
        for item in items:
            yield kind, item


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _name_of(value: Any) -> Any:
    """infra.aap_configuration's `organization: {name: ...}` is its name, and so is the API's summary of one."""
    return value["name"] if isinstance(value, dict) and {"name"} <= set(value) <= _SUMMARY else value


def _key(kind: Kind, item: dict[str, Any]) -> tuple[str, str]:
    return item["name"], str(item.get(kind.belongs) or "") if kind.belongs else ""


def _called(kind: Kind, item: dict[str, Any]) -> str:
    if kind == ROLES:
        return f"role {item['role']} of {item.get('team') or item.get('user') or 'several'}"
    return f"{kind.module.replace('_', ' ')} {item['name']}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
