"""A controller that checks what it is sent as AWX does, for the real modules of awx.awx. On loopback, in memory.

It has what AWX 24.6 refuses, each refusal with the name of the rule in AWX' sources (`Refused.rule`, header X-Rule);
it runs no job. A project is synced from a folder (`file://`), by AWX' own idea of what is a playbook. What it can't do
is refused loudly: an endpoint, a filter or an association that isn't here is a test's mistake, never a silent success.
"""

from __future__ import annotations

import json
import pathlib
import re
import threading
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema
import yaml
from dateutil import rrule as rules
from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

TOKEN = "a-token-of-the-test"
ENCRYPTED = "$encrypted$"
Object = dict[str, Any]


class Refused(Exception):
    """
    :ivar rule: where AWX says so: class and method of awx/api/serializers.py, unless another file is named.
    """

    def __init__(self, rule: str, body: Any, status: int = 400) -> None:
        super().__init__(f"{rule}: {body}")
        self.rule, self.body, self.status = rule, body, status


class Kind(NamedTuple):
    """
    :ivar fields: with their defaults; of a type the default is of.
    :ivar references: fields that name another object, and the endpoint of it.
    :ivar required: without a default.
    :ivar unique: fields that no two objects have in common.
    :ivar lists: associations, and the endpoint of what is in them.
    :ivar roles: that a team or user can be given on one.
    """

    type: str
    fields: Object
    references: Mapping[str, str] = MappingProxyType({})
    required: tuple[str, ...] = ("name",)
    unique: tuple[str, ...] = ("name",)
    lists: Mapping[str, str] = MappingProxyType({})
    roles: tuple[str, ...] = ()


_NOTIFIED = {f"notification_templates_{event}": "notification_templates" for event in ("started", "success", "error")}
_ASKED = ("inventory", "limit", "scm_branch", "labels", "tags", "skip_tags", "variables")
_ASKED_OF_JOBS = (
    *("diff_mode", "job_type", "verbosity", "credential", "execution_environment", "forks", "job_slice_count"),
    *("timeout", "instance_groups"),
)


def _ask(names: tuple[str, ...]) -> Object:
    return {f"ask_{name}_on_launch": False for name in names}


_PROMPTS: Object = {
    "extra_data": {}, "scm_branch": None, "job_type": None, "job_tags": None, "skip_tags": None, "limit": None,
    "diff_mode": None, "verbosity": None, "forks": None, "job_slice_count": None, "timeout": None,
    "inventory": None, "execution_environment": None,
}  # fmt: skip
_OWNED = {"organization": "organizations"}
KINDS: dict[str, Kind] = {
    "organizations": Kind(
        "organization", {"name": "", "description": "", "max_hosts": 0, "default_environment": None},
        {"default_environment": "execution_environments"},
        roles=("admin", "execute", "project_admin", "read", "member", "auditor", "approval"),
        lists={**_NOTIFIED, "notification_templates_approvals": "notification_templates"},
    ),
    "labels": Kind(
        "label", {"name": "", "organization": None}, _OWNED, ("name", "organization"), ("name", "organization")
    ),
    "credential_types": Kind(
        "credential_type", {"name": "", "description": "", "kind": "", "inputs": {}, "injectors": {}},
        required=("name", "kind"), unique=("name", "kind"),
    ),
    "credentials": Kind(
        "credential", {"name": "", "description": "", "organization": None, "credential_type": None, "inputs": {}},
        {**_OWNED, "credential_type": "credential_types"}, ("name", "credential_type"),
        ("name", "organization", "credential_type"), roles=("admin", "read", "use"),
    ),
    "execution_environments": Kind(
        "execution_environment",
        {"name": "", "description": "", "organization": None, "image": "", "credential": None, "pull": ""},
        {**_OWNED, "credential": "credentials"}, ("name", "image"),
    ),
    "notification_templates": Kind(
        "notification_template",
        {
            "name": "", "description": "", "organization": None, "notification_type": "",
            "notification_configuration": {}, "messages": None,
        },
        _OWNED, ("name", "organization", "notification_type"), ("name", "organization"),
    ),
    "projects": Kind(
        "project",
        {
            "name": "", "description": "", "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "",
            "scm_refspec": "", "scm_clean": False, "scm_delete_on_update": False, "scm_track_submodules": False,
            "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "allow_override": False, "timeout": 0,
            "default_environment": None, "credential": None,
        },
        {**_OWNED, "default_environment": "execution_environments", "credential": "credentials"},
        unique=("name", "organization"), lists=_NOTIFIED, roles=("admin", "read", "use", "update"),
    ),
    "inventories": Kind(
        "inventory",
        {"name": "", "description": "", "organization": None, "kind": "", "host_filter": None, "variables": ""},
        _OWNED, ("name", "organization"), ("name", "organization"),
        roles=("admin", "read", "use", "update", "adhoc"),
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            "name": "", "description": "", "inventory": None, "source": "", "source_path": "", "source_vars": "",
            "source_project": None, "credential": None, "execution_environment": None, "overwrite": False,
            "overwrite_vars": False, "update_on_launch": False, "update_cache_timeout": 0, "timeout": 0,
            "verbosity": 1, "enabled_var": "", "enabled_value": "", "host_filter": "", "limit": "", "scm_branch": "",
        },
        {
            "inventory": "inventories", "source_project": "projects", "credential": "credentials",
            "execution_environment": "execution_environments",
        },
        ("name", "inventory", "source"), ("name", "inventory"), _NOTIFIED,
    ),
    "job_templates": Kind(
        "job_template",
        {
            "name": "", "description": "", "job_type": "run", "inventory": None, "project": None, "playbook": "",
            "scm_branch": "", "forks": 0, "limit": "", "verbosity": 0, "extra_vars": "", "job_tags": "",
            "force_handlers": False, "skip_tags": "", "start_at_task": "", "timeout": 0, "use_fact_cache": False,
            "execution_environment": None, "host_config_key": "", **_ask((*_ASKED, *_ASKED_OF_JOBS)),
            "survey_enabled": False, "become_enabled": False, "diff_mode": False, "allow_simultaneous": False,
            "job_slice_count": 1, "webhook_service": "", "prevent_instance_group_fallback": False,
        },
        {
            "inventory": "inventories", "project": "projects",
            "execution_environment": "execution_environments",
        },
        unique=("name", "organization"), lists={**_NOTIFIED, "labels": "labels", "credentials": "credentials"},
        roles=("admin", "read", "execute"),
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            "name": "", "description": "", "organization": None, "extra_vars": "", "survey_enabled": False,
            "allow_simultaneous": False, **_ask(_ASKED), "inventory": None, "limit": None, "scm_branch": None,
            "job_tags": None, "skip_tags": None, "webhook_service": "",
        },
        {**_OWNED, "inventory": "inventories"}, unique=("name", "organization"),
        lists={**_NOTIFIED, "notification_templates_approvals": "notification_templates", "labels": "labels"},
        roles=("admin", "read", "execute", "approval"),
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        {
            **_PROMPTS, "workflow_job_template": None, "unified_job_template": None, "identifier": "",
            "all_parents_must_converge": False,
        },
        {
            "workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates",
            "inventory": "inventories", "execution_environment": "execution_environments",
        },
        ("workflow_job_template",), ("identifier", "workflow_job_template"),
        {
            **{f"{when}_nodes": "workflow_job_template_nodes" for when in ("success", "failure", "always")},
            "credentials": "credentials", "labels": "labels",
        },
    ),
    "workflow_approval_templates": Kind(
        "workflow_approval_template", {"name": "", "description": "", "timeout": 0}, unique=()
    ),
    "schedules": Kind(
        "schedule",
        {**_PROMPTS, "name": "", "description": "", "unified_job_template": None, "rrule": "", "enabled": True},
        {
            "unified_job_template": "unified_job_templates", "inventory": "inventories",
            "execution_environment": "execution_environments",
        },
        ("name", "unified_job_template", "rrule"), ("name", "unified_job_template"),
        {"credentials": "credentials", "labels": "labels"},
    ),
    "teams": Kind(
        "team", {"name": "", "description": "", "organization": None}, _OWNED, ("name", "organization"),
        ("name", "organization"), roles=("admin", "read", "member"),
    ),
    "applications": Kind("application", {"name": "", "organization": None}, _OWNED),
    "users": Kind("user", {"username": ""}, {}, ("username",), ("username",)),
}  # fmt: skip
UNIFIED = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
_CHOICES = {
    "job_type": ("run", "check", "", None),
    "verbosity": (0, 1, 2, 3, 4, 5, None),
    "pull": ("", "always", "missing", "never"),
}
_BUILT_IN = (
    (
        "OpenShift or Kubernetes API Bearer Token",
        "kubernetes",
        ("host", "bearer_token", "verify_ssl", "ssl_ca_cert"),
        ("bearer_token",),
    ),
    ("Amazon Web Services", "cloud", ("username", "password", "security_token"), ("password", "security_token")),
)
_PLAYBOOK = re.compile(
    r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?include|(ansible\.builtin\.)?import_playbook):\s*?.*?$"
)


class Controller:
    """What AWX has, and what it was asked. Use as a context manager; `environment` leads awx.awx to it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, Object]] = {endpoint: {} for endpoint in KINDS}
        #: Associations and surveys, by object and name; grants: teams by object and role.
        self.lists: dict[tuple[int, str], list[int]] = {}
        self.surveys: dict[int, Object] = {}
        self.refusals: list[Refused] = []
        self.writes: list[tuple[str, str]] = []
        self._ids = iter(range(1, 1_000_000))
        self._lock = threading.Lock()
        for name, kind, fields, secret in _BUILT_IN:
            inputs = {
                "fields": [
                    {"id": each, "label": each, "type": "boolean" if each == "verify_ssl" else "string"}
                    | ({"secret": True} if each in secret else {})
                    for each in fields
                ]
            }
            self._add("credential_types", {"name": name, "kind": kind, "inputs": inputs, "managed": True})
        self._add("organizations", {"name": "Default"})
        controller = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: Any) -> None:
                pass

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                headers = {}
                try:
                    if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                        raise Refused(
                            "IsAuthenticated", {"detail": "Authentication credentials were not provided."}, 401
                        )
                    with controller._lock:
                        status, answer = controller.answer(self.command, self.path, body)
                except Refused as refused:
                    controller.refusals.append(refused)
                    status, answer, headers = refused.status, refused.body, {"X-Rule": refused.rule}
                sent = b"" if status == 204 else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {
                    "Content-Type": "application/json", "Content-Length": str(len(sent)), **headers,
                    "X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1",
                }.items():  # fmt: skip
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = do_DELETE = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Controller:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        return {"CONTROLLER_HOST": f"http://127.0.0.1:{self._server.server_port}", "CONTROLLER_OAUTH_TOKEN": TOKEN}

    def named(self, endpoint: str, name: str) -> Object:
        """The one object of that name.

        :raises ValueError: there is none, or more.
        """
        (found,) = [each for each in self.objects[endpoint].values() if each.get("name") == name]
        return found

    # What is asked

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:2] != ["api", "v2"]:
            raise Refused("urls", {"detail": "Not found."}, 404)
        if method != "GET":
            self.writes.append((method, url.path))
        endpoint, *rest = parts[2:]
        query = dict(parse_qsl(url.query))
        if endpoint == "unified_job_templates" and not rest and method == "GET":
            return 200, _page(
                [self._shown(each, one) for each in UNIFIED for one in self.objects[each].values()], query
            )
        if endpoint == "roles":
            return self._grant(method, int(rest[0]), rest[1], body)
        if endpoint not in KINDS:
            raise Refused("urls", {"detail": "Not found."}, 404)
        if not rest:
            if method == "GET":
                return 200, _page([self._shown(endpoint, each) for each in self.objects[endpoint].values()], query)
            if method == "POST" and endpoint != "workflow_approval_templates":
                return 201, self._shown(endpoint, self._create(endpoint, body))
        else:
            found = self.objects[endpoint].get(int(rest[0]) if rest[0].isdigit() else -1)
            if found is None:
                raise Refused("get_object_or_404", {"detail": "Not found."}, 404)
            if rest[1:]:
                return self._below(method, endpoint, found, rest[1], body)
            if method == "GET":
                return 200, self._shown(endpoint, found)
            if method == "PATCH":
                return 200, self._shown(endpoint, self._change(endpoint, found, body))
            if method == "DELETE" and endpoint != "labels":
                self._delete(endpoint, found)
                return 204, None
        raise Refused("views.http_method_names", {"detail": f'Method "{method}" not allowed.'}, 405)

    def _shown(self, endpoint: str, item: Object) -> Object:
        kind = KINDS[endpoint]
        base = f"/api/v2/{endpoint}/{item['id']}/"
        names = [*kind.lists, *(["survey_spec"] if "survey_enabled" in kind.fields else [])]
        shown = {**item, "url": base, "type": kind.type, "related": {name: f"{base}{name}/" for name in names}}
        summary: Object = {
            "object_roles": {f"{role}_role": {"id": self._role(item["id"], role)} for role in kind.roles}
        }
        references = {**kind.references, **(_OWNED if endpoint in UNIFIED else {})}
        for field, target in references.items():
            other = self._find(target, item.get(field)) if item.get(field) else None
            if other is not None:
                summary[field] = {"id": other["id"], "name": other.get("name", "")}
                shown["related"][field] = f"/api/v2/{self._endpoint_of(other)}/{other['id']}/"
        if endpoint == "workflow_job_template_nodes":
            for name in ("success_nodes", "failure_nodes", "always_nodes"):
                shown[name] = self.lists.get((item["id"], name), [])
            if item["unified_job_template"]:
                template = self._find("unified_job_templates", item["unified_job_template"]) or {}
                more = ("description", *(("timeout",) if self._endpoint_of(template) == UNIFIED[-1] else ()))
                summary["unified_job_template"] |= {name: template[name] for name in more}
        if endpoint == "credentials":
            secret = {each["id"] for each in self._type_of(item)["inputs"]["fields"] if each.get("secret")}
            shown["inputs"] = {
                key: ENCRYPTED if key in secret and value else value for key, value in item["inputs"].items()
            }
        return shown | {"summary_fields": summary}

    def _type_of(self, credential: Object) -> Object:
        return self.objects["credential_types"][credential["credential_type"]]

    def _role(self, identity: int, role: str) -> int:
        """A role's id: one of its own for each object."""
        return identity * 100 + sorted({each for kind in KINDS.values() for each in kind.roles}).index(role)

    def _find(self, endpoint: str, identity: Any) -> Object | None:
        places = UNIFIED if endpoint == "unified_job_templates" else (endpoint,)
        return next((self.objects[each][identity] for each in places if identity in self.objects[each]), None)

    def _endpoint_of(self, item: Object) -> str:
        return next(endpoint for endpoint, found in self.objects.items() if found.get(item["id"]) is item)

    # What is written

    def _add(self, endpoint: str, values: Object) -> Object:
        defaults = json.loads(json.dumps(KINDS[endpoint].fields))
        item = {"id": next(self._ids), "managed": False, **defaults, **values}
        self.objects[endpoint][item["id"]] = item
        return item

    def _create(self, endpoint: str, body: Object) -> Object:
        kind = KINDS[endpoint]
        missing = [name for name in kind.required if body.get(name) in (None, "")]
        if missing:
            raise Refused("rest_framework Field.required", {name: ["This field is required."] for name in missing})
        values = self._checked(endpoint, body, None)
        item = self._add(endpoint, values)
        if endpoint == "projects":
            item["scm_revision"] = "0" * 40
            item["status"] = "successful"
        return item

    def _change(self, endpoint: str, item: Object, body: Object) -> Object:
        values = self._checked(endpoint, body, item)
        item.update(values)
        return item

    def _checked(self, endpoint: str, body: Object, item: Object | None) -> Object:
        kind = KINDS[endpoint]
        if not isinstance(body, dict):
            raise Refused("rest_framework Serializer", {"non_field_errors": ["Invalid data. Expected a dictionary."]})
        values = {name: value for name, value in body.items() if name in kind.fields}  # others are ignored
        # fields.CharNullField and ChoiceNullField: null is the empty text.
        values |= {name: "" for name, value in values.items() if value is None and isinstance(kind.fields[name], str)}
        for name, value in values.items():
            _typed(name, value, kind.fields[name])
            if name in kind.references and value is not None and self._find(kind.references[name], value) is None:
                message = f'Invalid pk "{value}" - object does not exist.'
                raise Refused("rest_framework PrimaryKeyRelatedField", {name: [message]})
        whole = {**kind.fields, **(item or {}), **values}
        check: Callable[..., None] | None = getattr(self, f"_check_{endpoint}", None)
        if check is not None:
            check(values, whole, item)
        for name in ("organization",):  # a template's is its project's
            if endpoint == "job_templates":
                values[name] = whole[name] = self.objects["projects"][whole["project"]]["organization"]
            if endpoint == "inventory_sources":
                values[name] = whole[name] = self.objects["inventories"][whole["inventory"]]["organization"]
        for other in self.objects[endpoint].values():
            if kind.unique and other is not item and all(other.get(name) == whole.get(name) for name in kind.unique):
                message = f"{kind.type} with this ({', '.join(kind.unique)}) combination already exists"
                raise Refused("BaseSerializer.validate_unique", {"__all__": [message]})
        return values

    def _delete(self, endpoint: str, item: Object) -> None:
        identity = item["id"]
        if item.get("managed"):
            raise Refused(
                "views.CredentialTypeDetail.destroy",
                {"detail": "Deletion not allowed for managed credential types"},
                403,
            )
        if endpoint == "credential_types" and any(
            each["credential_type"] == identity for each in self.objects["credentials"].values()
        ):
            raise Refused(
                "views.CredentialTypeDetail.destroy",
                {"detail": "Credential types that are in use cannot be deleted"},
                403,
            )
        del self.objects[endpoint][identity]
        if endpoint == "workflow_job_template_nodes":  # awx/main/signals.py, delete_approval_templates
            self.objects["workflow_approval_templates"].pop(item["unified_job_template"], None)
        self.surveys.pop(identity, None)
        for key in [key for key in self.lists if key[0] == identity]:
            del self.lists[key]
        for members in self.lists.values():
            if identity in members:
                members.remove(identity)
        # Django's on_delete: what is part of it goes too, what only names it loses the name.
        for other_endpoint, kind in KINDS.items():
            for other in list(self.objects[other_endpoint].values()):
                for field, target in kind.references.items():
                    places = UNIFIED if target == "unified_job_templates" else (target,)
                    if endpoint not in places or other.get(field) != identity:
                        continue
                    if field in ("workflow_job_template", "organization") or (other_endpoint, field) in _CASCADES:
                        self._delete(other_endpoint, other)
                        break
                    other[field] = None

    # What AWX refuses, a method for each kind

    def _check_credential_types(self, values: Object, whole: Object, item: Object | None) -> None:
        if item and item["managed"]:
            raise Refused(
                "CredentialTypeSerializer.validate",
                {"detail": "Modifications not allowed for managed credential types"},
                403,
            )
        used = item and any(each["credential_type"] == item["id"] for each in self.objects["credentials"].values())
        if used and item and "inputs" in values and values["inputs"] != item["inputs"]:
            raise Refused(
                "CredentialTypeSerializer.validate",
                {"detail": "Modifications to inputs are not allowed for credential types that are in use"},
                403,
            )
        if whole["kind"] not in ("cloud", "net"):
            raise Refused(
                "CredentialTypeSerializer.validate", {"kind": f"Must be 'cloud' or 'net', not {whole['kind']}"}
            )
        _check_inputs(whole["inputs"])
        _check_injectors(whole["injectors"], whole["inputs"])

    def _check_credentials(self, values: Object, whole: Object, item: Object | None) -> None:
        if not whole["organization"]:
            raise Refused(
                "CredentialSerializerCreate.validate", {"detail": "Missing 'user', 'team', or 'organization'."}
            )
        fields = {each["id"]: each for each in self._type_of(whole)["inputs"].get("fields", [])}
        kinds = {"string": str, "boolean": bool}
        for name, value in values.get("inputs", {}).items():
            if name not in fields:
                raise Refused(
                    "fields.CredentialInputField.schema",
                    {"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]},
                )
            if not isinstance(value, kinds[fields[name].get("type", "string")]):
                raise Refused(
                    "fields.CredentialInputField.schema",
                    {"inputs": {name: [f"is not of type '{fields[name].get('type', 'string')}'"]}},
                )
            if value == ENCRYPTED and not item:
                raise Refused(
                    "fields.CredentialInputField.validate",
                    {"inputs": [f"$encrypted$ is a reserved keyword, and cannot be used for {name}."]},
                )

    def _check_execution_environments(self, values: Object, whole: Object, item: Object | None) -> None:
        if item and values.get("organization") and values["organization"] != item["organization"]:
            raise Refused(
                "ExecutionEnvironmentSerializer.validate",
                {"organization": "Cannot change the organization of an execution environment"},
            )
        if not re.fullmatch(r"[a-zA-Z0-9.:-]+(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?", whole["image"]):
            raise Refused("validators.validate_container_image_name", {"image": ["is not a container image name"]})

    def _check_notification_templates(self, values: Object, whole: Object, item: Object | None) -> None:
        rule = "NotificationTemplateSerializer.validate"
        if whole["notification_type"] != "webhook":
            raise Refused("test controller", {"notification_type": "this controller knows webhooks only"}, 501)
        if "notification_configuration" not in values:
            return
        known = {
            "url": (str, None),
            "http_method": (str, "POST"),
            "disable_ssl_verification": (bool, False),
            "username": (str, ""),
            "password": (str, ""),
            "headers": (dict, None),
        }
        configuration = values["notification_configuration"]
        for name, (kind, default) in known.items():
            if name not in configuration and default is None:
                raise Refused(rule, [f"Missing required fields for Notification Configuration: ['{name}']."])
            configuration.setdefault(name, default)
            if not isinstance(configuration[name], kind):
                raise Refused(rule, [f"Configuration field '{name}' incorrect type, expected {kind.__name__}."])
        if configuration["http_method"].lower() not in ("put", "post"):
            raise Refused(rule, ["HTTP method must be either 'POST' or 'PUT'."])

    def _check_projects(self, values: Object, whole: Object, item: Object | None) -> None:
        if whole["scm_type"] not in ("", "git", "svn", "insights", "archive"):
            raise Refused("rest_framework ChoiceField", {"scm_type": [f'"{whole["scm_type"]}" is not a valid choice.']})
        if whole["scm_type"] == "":
            for name in ("scm_update_on_launch", "scm_delete_on_update", "scm_track_submodules", "scm_clean"):
                if whole[name]:
                    raise Refused(
                        "ProjectSerializer.validate", {name: "Update options must be set to false for manual projects."}
                    )
        elif not whole["scm_url"]:
            raise Refused("models.projects.ProjectOptions.clean_scm_url", {"scm_url": ["SCM URL is required."]})
        if not whole["organization"]:
            raise Refused("access.ProjectAccess.can_add", {"organization": "a project of nobody is only a superuser's"})

    def _check_inventories(self, values: Object, whole: Object, item: Object | None) -> None:
        _variables("InventorySerializer.validate_variables", "variables", whole["variables"])
        if whole["kind"] not in ("", "smart", "constructed"):
            raise Refused("rest_framework ChoiceField", {"kind": [f'"{whole["kind"]}" is not a valid choice.']})

    def _check_inventory_sources(self, values: Object, whole: Object, item: Object | None) -> None:
        rule = "InventorySourceSerializer.validate"
        if whole["source"] not in ("scm", "ec2"):
            raise Refused(
                "InventorySourceOptionsSerializer.source", {"source": [f'"{whole["source"]}" is not a valid choice.']}
            )
        if whole["source"] == "scm" and not whole["source_project"]:
            raise Refused(rule, {"source_project": "Project required for scm type sources."})
        if whole["source"] != "scm" and (whole["source_project"] or whole["source_path"]):
            raise Refused(rule, {"detail": "Cannot set source_project source_path if not SCM type."})
        if whole["source"] == "scm" and not self.objects["projects"][whole["source_project"]]["scm_type"]:
            raise Refused(
                "InventorySourceSerializer.validate_source_project",
                {"source_project": ["Cannot use manual project for SCM-based inventory."]},
            )
        if self.objects["inventories"][whole["inventory"]]["kind"]:
            raise Refused(
                "InventorySourceSerializer.validate_inventory",
                {"detail": "Cannot create Inventory Source for Smart or Constructed Inventories"},
            )
        credential = self.objects["credentials"].get(whole["credential"])
        if credential and self._type_of(credential)["kind"] in ("insights", "vault"):
            raise Refused(
                "models.inventory.InventorySource.cloud_credential_validation",
                {"credential": "Credentials of type insights and vault are disallowed for scm inventory sources."},
            )

    def _check_job_templates(self, values: Object, whole: Object, item: Object | None) -> None:
        if not whole["project"]:
            raise Refused("JobTemplateSerializer.validate", {"project": "Job Templates must have a project assigned."})
        if not whole["inventory"] and not whole["ask_inventory_on_launch"]:
            raise Refused(
                "JobTemplateSerializer.validate",
                {"inventory": "You must either set a default value or ask to prompt on launch."},
            )
        project = self.objects["projects"][whole["project"]]
        if not whole["playbook"]:
            raise Refused("JobOptionsSerializer.validate", {"playbook": "Must select playbook for project."})
        if whole["playbook"] not in playbooks_of(project):
            raise Refused("JobOptionsSerializer.validate", {"playbook": "Playbook not found for project."})
        if (whole["scm_branch"] or whole["ask_scm_branch_on_launch"]) and not project["allow_override"]:
            raise Refused("JobOptionsSerializer.validate", {"scm_branch": "Project does not allow overriding branch."})
        _variables("JobTemplateSerializer.validate_extra_vars", "extra_vars", whole["extra_vars"])

    def _check_workflow_job_templates(self, values: Object, whole: Object, item: Object | None) -> None:
        _variables("WorkflowJobTemplateSerializer.validate_extra_vars", "extra_vars", whole["extra_vars"])

    def _check_workflow_job_template_nodes(self, values: Object, whole: Object, item: Object | None) -> None:
        if whole["unified_job_template"]:
            self._check_prompts(whole, required=False)

    def _check_schedules(self, values: Object, whole: Object, item: Object | None) -> None:
        check_rrule(whole["rrule"])
        template = self._find("unified_job_templates", whole["unified_job_template"])
        if template and self._endpoint_of(template) == "projects" and not template["scm_type"]:
            raise Refused(
                "ScheduleSerializer.validate_unified_job_template", ["Manual Project cannot have a schedule set."]
            )
        self._check_prompts(whole, required=True)

    def _check_prompts(self, whole: Object, *, required: bool) -> None:
        """LaunchConfigurationBaseSerializer.validate: what a schedule or node says, its template has to ask for."""
        rule = "LaunchConfigurationBaseSerializer.validate"
        template = self._find("unified_job_templates", whole["unified_job_template"])
        assert template is not None
        if "survey_enabled" not in template:
            return
        questions = self.surveys.get(template["id"], {}).get("spec", []) if template["survey_enabled"] else []
        asked = {each["variable"]: each for each in questions}
        if not isinstance(whole["extra_data"], dict):
            raise Refused(rule, {"extra_data": ["is no dictionary"]})
        for name, each in asked.items():
            if name in whole["extra_data"]:
                _check_survey_answer(each, whole["extra_data"][name])
            elif required and each["required"]:
                raise Refused(
                    "models.mixins._survey_element_validation",
                    {"variables_needed_to_start": [f"'{name}' value missing"]},
                )
        more = set(whole["extra_data"]) - set(asked)
        if more and not template["ask_variables_on_launch"]:
            raise Refused(
                "models.mixins._accept_or_ignore_variables",
                {"extra_data": [f"Variables {', '.join(sorted(more))} are not allowed on launch."]},
            )
        for name in (
            "inventory",
            "limit",
            "job_type",
            "diff_mode",
            "verbosity",
            "scm_branch",
            "forks",
            "job_slice_count",
            "timeout",
            "job_tags",
            "skip_tags",
            "execution_environment",
        ):
            said = whole.get(name)
            ask = f"ask_{name.removeprefix('job_') if name == 'job_tags' else name}_on_launch"
            if said is not None and said != template.get(name) and not template.get(ask):
                raise Refused(
                    "models.jobs._accept_or_ignore_job_kwargs", {name: "Field is not configured to prompt on launch."}
                )

    # Below an object

    def _below(self, method: str, endpoint: str, item: Object, name: str, body: Any) -> tuple[int, Any]:
        kind = KINDS[endpoint]
        if name == "survey_spec" and "survey_enabled" in kind.fields:
            if method == "GET":
                return 200, self.surveys.get(item["id"], {})
            if method == "DELETE":
                self.surveys.pop(item["id"], None)
                return 200, {}
            check_survey(body)
            self.surveys[item["id"]] = body
            return 200, {}
        if name == "create_approval_template" and endpoint == "workflow_job_template_nodes" and method == "POST":
            if not body.get("name"):
                raise Refused("WorkflowJobTemplateNodeCreateApprovalSerializer", {"name": ["This field is required."]})
            values = {field: body[field] for field in ("name", "description", "timeout") if field in body}
            for field, value in values.items():
                _typed(field, value, KINDS["workflow_approval_templates"].fields[field])
            workflow = self.objects["workflow_job_templates"][item["workflow_job_template"]]
            approval = self._add("workflow_approval_templates", {**values, "organization": workflow["organization"]})
            item["unified_job_template"] = approval["id"]
            return 201, self._shown("workflow_approval_templates", approval)
        if name == "users" and endpoint == "organizations" and method == "GET":
            return 200, _page([], {})
        if name not in kind.lists:
            raise Refused("urls", {"detail": "Not found."}, 404)
        members = self.lists.setdefault((item["id"], name), [])
        target = kind.lists[name]
        if method == "GET":
            return 200, _page([self._shown(target, self.objects[target][each]) for each in members], {})
        identity = body.get("id")
        if not isinstance(identity, int):
            raise Refused("generics.attach_validate", {"msg": '"id" field must be an integer.'})
        if identity not in self.objects[target]:
            raise Refused("generics.get_object_or_400", {"detail": "Not found."})
        if body.get("disassociate"):
            members.remove(identity)
            return 204, None
        self._check_member(endpoint, item, name, identity)
        if identity not in members:
            members.append(identity)
        return 204, None

    def _check_member(self, endpoint: str, item: Object, name: str, identity: int) -> None:
        members = self.lists[(item["id"], name)]
        if endpoint == "job_templates" and name == "credentials":
            kinds = [self.objects["credentials"][each]["credential_type"] for each in members]
            if self.objects["credentials"][identity]["credential_type"] in kinds:
                raise Refused(
                    "views.JobTemplateCredentialsList.is_valid_relation",
                    {"error": "Cannot assign multiple credentials of one type."},
                )
        if name.endswith("_nodes"):
            others = [each for each in ("success_nodes", "failure_nodes", "always_nodes") if each != name]
            rule = "views.WorkflowJobTemplateNodeChildrenBaseList.is_valid_relation"
            if any(identity in self.lists.get((item["id"], other), []) for other in others):
                raise Refused(rule, {"Error": "Relationship not allowed."})
            if item["id"] == identity or item["id"] in self._after(identity):
                raise Refused(rule, {"Error": "Cycle detected."})
            if (
                self.objects["workflow_job_template_nodes"][identity]["workflow_job_template"]
                != item["workflow_job_template"]
            ):
                raise Refused("views.EnforceParentRelationshipMixin", {"Error": "is a node of another workflow"})
        if name == "labels" and endpoint != "workflow_job_template_nodes":
            label, owner = self.objects["labels"][identity], item.get("organization")
            if label["organization"] != owner:
                raise Refused("access.LabelAccess", {"detail": "a label of another organization"}, 403)

    def _after(self, node: int) -> set[int]:
        found: set[int] = set()
        waiting = [node]
        for each in waiting:
            for name in ("success_nodes", "failure_nodes", "always_nodes"):
                new = set(self.lists.get((each, name), [])) - found
                found |= new
                waiting += new
        return found

    def _grant(self, method: str, identity: int, actors: str, body: Any) -> tuple[int, Any]:
        owner = next(
            (each for found in self.objects.values() for each in found.values() if each["id"] == identity // 100), None
        )
        if owner is None or actors != "teams":
            raise Refused("get_object_or_404", {"detail": "Not found."}, 404)
        endpoint = self._endpoint_of(owner)
        role = sorted({each for kind in KINDS.values() for each in kind.roles})[identity % 100]
        members = self.lists.setdefault((owner["id"], f"{role}_role"), [])
        if method == "GET":
            return 200, _page([self._shown("teams", self.objects["teams"][each]) for each in members], {})
        team = self.objects["teams"].get(body.get("id"))
        if team is None:
            raise Refused("generics.get_object_or_400", {"detail": "Not found."})
        if endpoint == "organizations" and role in ("member", "admin"):
            raise Refused(
                "views.RoleTeamsList.post",
                {"msg": "You cannot assign an Organization participation role as a child role for a Team."},
            )
        if endpoint == "credentials" and owner["organization"] != team["organization"]:
            raise Refused(
                "views.RoleTeamsList.post",
                {
                    "msg": "You cannot grant credential access to a team when the Organization field "
                    "isn't set, or belongs to a different organization"
                },
            )
        if body.get("disassociate"):
            members.remove(team["id"])
        elif team["id"] not in members:
            members.append(team["id"])
        return 204, None


_CASCADES = {
    ("inventory_sources", "inventory"),
    ("schedules", "unified_job_template"),
    ("credentials", "credential_type"),
}


def playbooks_of(project: Object) -> set[str]:
    """awx/main/utils/ansible.py could_be_playbook, of a folder that stands for a checkout."""
    folder = pathlib.Path(urlsplit(project["scm_url"]).path)
    found = set()
    for path in [*folder.rglob("*.yml"), *folder.rglob("*.yaml")]:
        parts = path.relative_to(folder).parts
        skipped = {"roles", "tasks", "group_vars", "host_vars"} & set(parts[:-1])
        if not skipped and any(map(_PLAYBOOK.match, path.read_text(encoding="utf-8").splitlines())):
            found.add("/".join(parts))
    return found


def _page(items: list[Object], query: dict[str, str]) -> Object:
    """rest_filters: every filter has to be met, of those with or__ one."""
    paging = ("page_size", "page", "order_by")

    def met(item: Object, name: str, value: str) -> bool:
        field, _blank, of = name.partition("__")
        if field not in item and field != "type":
            raise Refused(
                "filters.FieldLookupBackend", {"detail": f"{type(item).__name__} has no field named '{field}'"}
            )
        said = item["summary_fields"].get(field, {}).get(of, "") if of else item[field]
        return str(said) == value

    either = [(name[4:], value) for name, value in query.items() if name.startswith("or__")]
    all_of = [(name, value) for name, value in query.items() if name not in paging and not name.startswith("or__")]
    found = [
        each
        for each in items
        if all(met(each, *one) for one in all_of) and (not either or any(met(each, *one) for one in either))
    ]
    return {"count": len(found), "next": None, "previous": None, "results": found}


def _typed(name: str, value: Any, default: Any) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise Refused("rest_framework ChoiceField", {name: [f'"{value}" is not a valid choice.']})
    if value is None or default is None:
        return
    kind = type(default)
    wrong = {
        str: "Not a valid string.",
        int: "A valid integer is required.",
        bool: "Must be a valid boolean.",
        dict: "is no dictionary",
    }
    if type(value) is not kind:
        raise Refused("rest_framework Field.to_internal_value", {name: [wrong.get(kind, "wrong type")]})
    if isinstance(value, str) and name == "name" and len(value) > 512:
        raise Refused("rest_framework CharField", {name: ["Ensure this field has no more than 512 characters."]})


def _variables(rule: str, name: str, text: str) -> None:
    """validators.vars_validate_or_raise"""
    try:
        found = yaml.safe_load(text or "{}")
    except yaml.YAMLError as problem:
        raise Refused(rule, {name: [f"Cannot parse as JSON or YAML ({problem})."]}) from None
    if found is not None and not isinstance(found, dict):
        raise Refused(rule, {name: ["Variables were neither a dictionary nor a list."]})


_IDENTIFIER = "^[a-zA-Z_]+[a-zA-Z0-9_]*$"
_INPUTS = {
    "type": "object", "additionalProperties": False,
    "properties": {
        "required": {"type": "array", "items": {"type": "string"}},
        "fields": {
            "type": "array",
            "items": {
                "type": "object", "additionalProperties": False, "required": ["id", "label"],
                "properties": {
                    "type": {"enum": ["string", "boolean"]}, "format": {"enum": ["ssh_private_key", "url"]},
                    "choices": {"type": "array", "minItems": 1, "items": {"type": "string"}, "uniqueItems": True},
                    "id": {"type": "string", "pattern": _IDENTIFIER}, "label": {"type": "string"},
                    "help_text": {"type": "string"}, "multiline": {"type": "boolean"}, "secret": {"type": "boolean"},
                    "ask_at_runtime": {"type": "boolean"}, "default": {},
                },
            },
        },
    },
}  # fmt: skip
_INJECTORS = {
    "type": "object", "additionalProperties": False,
    "properties": {
        "file": {
            "type": "object", "additionalProperties": False,
            "patternProperties": {r"^template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?$": {"type": "string"}},
        },
        "env": {
            "type": "object", "additionalProperties": False,
            "patternProperties": {_IDENTIFIER: {"type": "string", "pattern": "^[\x00-\x7f]*$"}},
        },
        "extra_vars": {"type": "object"},
    },
}  # fmt: skip


def _schema(rule: str, name: str, value: Any, schema: Object) -> None:
    for problem in jsonschema.Draft4Validator(schema).iter_errors(value):
        raise Refused(rule, {name: [problem.message]})


def _check_inputs(inputs: Object) -> None:
    rule = "fields.CredentialTypeInputField.validate"
    _schema(f"{rule} (schema)", "inputs", inputs, _INPUTS)
    seen = set()
    for field in inputs.get("fields", []):
        if field["id"] == "tower":
            raise Refused(rule, {"inputs": ['"tower" is a reserved field name']})
        if field["id"] in seen:
            raise Refused(rule, {"inputs": [f"field IDs must be unique ({field['id']})"]})
        seen.add(field["id"])
        field.setdefault("type", "string")
        if field.get("ask_at_runtime"):
            raise Refused(
                "CredentialTypeSerializer.validate",
                {"inputs": "'ask_at_runtime' is not supported for custom credentials."},
            )
        for key in ("choices", "multiline", "format", "secret"):
            if key in field and field["type"] != "string":
                raise Refused(rule, {"inputs": [f"{key} not allowed for {field['type']} type ({field['id']})"]})


def _check_injectors(injectors: Object, inputs: Object) -> None:
    rule = "fields.CredentialTypeInjectorField.validate"
    _schema(f"{rule} (schema)", "injectors", injectors, _INJECTORS)
    known: Object = {field["id"]: "EXAMPLE" for field in inputs.get("fields", [])}
    files = list(injectors.get("file", {}))
    if "template" in files and len(files) > 1:
        raise Refused(rule, {"injectors": ["Must use multi-file syntax when injecting multiple files"]})
    filename: Any = "FILE" if files == ["template"] else {each.partition(".")[2]: "FILE" for each in files}
    known["tower"] = {"filename": filename}
    for name in injectors.get("env", {}):
        if name.startswith("ANSIBLE_"):
            raise Refused(
                rule,
                {
                    "injectors": [
                        f"Environment variable {name} may affect Ansible configuration so its use is not allowed"
                    ]
                },
            )
    for kind in ("file", "env", "extra_vars"):
        for name, text in injectors.get(kind, {}).items():
            try:
                ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(text).render(known)
            except UndefinedError as problem:
                raise Refused(rule, {"injectors": [f"{name} uses an undefined field ({problem})"]}) from None
            except TemplateSyntaxError as problem:
                raise Refused(
                    rule, {"injectors": [f"Syntax error rendering template for {name} inside of {kind} ({problem})"]}
                ) from None


_SURVEY_TYPES: dict[str, tuple[type, ...]] = {
    "multiselect": (list, str), "multiplechoice": (str,), "text": (str,), "textarea": (str,), "password": (str,),
    "integer": (int,), "float": (int, float),
}  # fmt: skip


def check_survey(survey: Any) -> None:
    """views.JobTemplateSurveySpec._validate_spec_data.

    :raises Refused: AWX would refuse it.
    """
    rule = "views.JobTemplateSurveySpec._validate_spec_data"

    def refuse(message: str) -> None:
        raise Refused(rule, {"error": message})

    parts: tuple[tuple[str, type], ...] = (("name", str), ("description", str), ("spec", list))
    for name, kind in parts:
        if name not in survey:
            refuse(f"Field '{name}' is missing from survey spec.")
        if not isinstance(survey[name], kind):
            refuse(f"Expected {kind.__name__} for field '{name}', received {type(survey[name]).__name__} type.")
    if not survey["spec"]:
        refuse("'spec' doesn't contain any items.")
    seen = set()
    for number, item in enumerate(survey["spec"]):
        if not isinstance(item, dict):
            refuse(f"Survey question {number} is not a json object.")
        for name in ("type", "question_name", "variable", "required"):
            if name not in item:
                refuse(f"'{name}' missing from survey question {number}")
            kind, called = (bool, "boolean") if name == "required" else (str, "string")
            if not isinstance(item[name], kind):
                refuse(f"'{name}' in survey question {number} expected to be {called}.")
        if item["variable"] in seen:
            refuse(f"'variable' '{item['variable']}' duplicated in survey question {number}.")
        seen.add(item["variable"])
        if item["type"] not in _SURVEY_TYPES:
            refuse(f"'{item['type']}' in survey question {number} is not one of the allowed question types.")
        default = item.get("default", "")
        if default != "" and (isinstance(default, bool) or not isinstance(default, _SURVEY_TYPES[item["type"]])):
            refuse(f"Default value {default} in survey question {number} expected to be of its type.")
        for name in ("min", "max"):
            if item.get(name) is not None and not isinstance(item[name], int):
                refuse(f"The {name} limit in survey question {number} expected to be integer.")
        if item["type"] in ("multiselect", "multiplechoice"):
            if "choices" not in item:
                refuse(f"Survey question {number} of type {item['type']} must specify choices.")
            defaults = default.splitlines() if isinstance(default, str) else default
            if item["type"] == "multiplechoice" and len(defaults) > 1:
                refuse("Multiple Choice (Single Select) can only have one default value.")
            if any(each not in item["choices"] for each in defaults):
                refuse("Default choice must be answered from the choices listed.")
        if isinstance(default, str) and default.startswith(ENCRYPTED) and item["type"] != "password":
            refuse("$encrypted$ is a reserved keyword for password question defaults")


def _check_survey_answer(question: Object, value: Any) -> None:
    """models.mixins.SurveyJobTemplateMixin._survey_element_validation"""
    rule = "models.mixins._survey_element_validation"
    kinds: dict[str, tuple[type, ...]] = {**_SURVEY_TYPES, "multiselect": (list,)}
    if isinstance(value, bool) or not isinstance(value, kinds[question["type"]]):
        raise Refused(
            rule, {"variables_needed_to_start": [f"Value {value} for '{question['variable']}' is of another type."]}
        )
    size: Any = value if question["type"] in ("integer", "float") else len(value)  # type: ignore[arg-type]
    if "choices" not in question and not question["min"] <= size <= question["max"]:
        raise Refused(
            rule, {"variables_needed_to_start": [f"'{question['variable']}' value {value} is too small or too large."]}
        )
    if "choices" in question and any(
        each not in question["choices"] for each in (value if isinstance(value, list) else [value])
    ):
        raise Refused(
            rule,
            {
                "variables_needed_to_start": [
                    f"Value {value} for '{question['variable']}' expected to be one of the choices."
                ]
            },
        )


def check_rrule(text: str) -> None:
    """SchedulePreviewSerializer.validate_rrule.

    :raises Refused: AWX would refuse it.
    """
    problems = list(_rrule_problems(text))
    if problems:
        raise Refused("SchedulePreviewSerializer.validate_rrule", {"rrule": problems})


def _rrule_problems(text: str) -> Iterator[str]:
    starts = re.findall(r".*?(DTSTART(;[^:]+)?\:[0-9]+T[0-9]+Z?)", text)
    if not starts:
        yield "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"
    if re.findall(r".*?(DTSTART:[0-9]+T[0-9]+) ", text):
        yield "DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ."
    if len(starts) > 1:
        yield "Multiple DTSTART is not supported."
    if "rrule:" not in text.lower():
        yield "One or more rule required in rrule."
    for word in ("exdate:", "rdate:"):
        if word in text.lower():
            yield f"{word[:-1].upper()} not allowed in rrule."
    for rule in re.findall(r".*?(RULE\:[^\s]*)", text):
        if "interval" not in rule.lower():
            yield f"INTERVAL required in rrule: {rule}"
        elif "secondly" in rule.lower():
            yield f"SECONDLY is not supported: {rule}"
        if re.match(r".*?BYDAY[\:\=][0-9]+[a-zA-Z]{2}", rule):
            yield f"BYDAY with numeric prefix not supported: {rule}"
        if "COUNT" in rule and "UNTIL" in rule:
            yield f"RRULE may not contain both COUNT and UNTIL: {rule}"
        count = re.match(r".*?COUNT\=([0-9]+)", rule)
        if count and int(count[1]) > 999:
            yield f"COUNT > 999 is unsupported: {rule}"
    zone = re.search(r"TZID=([^:]+):", text)
    if zone and zone[1] not in zoneinfo.available_timezones():
        yield "rrule parsing failed validation: A valid TZID must be provided (e.g., America/New_York)"
        return
    try:
        parsed = rules.rrulestr(text, forceset=True)
    except Exception as problem:  # as AWX does: whatever dateutil raises
        yield f"rrule parsing failed validation: {problem}"
        return
    if any(each._dtstart.tzinfo is None for each in parsed._rrule):
        yield "rrule parsing failed validation: A valid TZID must be provided (e.g., America/New_York)"
