"""AWX, empty, becomes what awx/ has, by the real modules of awx.awx; a second run changes nothing; all goes again.

The modules run in the test's process: eighty of their own take minutes. One long test runs the playbooks as they are.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils import urls
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader, init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from support import REPOSITORY

from ansible_collections.k0rdent.kof.plugins.action import awx_objects
from awx_controller import TOKEN, Controller, Refused

KUBERNETES = {"host": "https://192.0.2.1:6443", "bearer_token": "canary-of-a-token-42", "verify_ssl": True}
LIMIT = 1800


@functools.cache
def shipped() -> dict[str, Any]:
    """What awx/ has; read once, for that takes as long as what is done with it."""
    loader, data = DataLoader(), dict[str, Any]()
    for path in sorted((REPOSITORY / "awx").glob("*.yml")):
        data |= loader.load_from_file(str(path), trusted_as_template=True)
    return data


class Awx:
    """A controller, a project as a user has it, and runs of our playbooks against them."""

    def __init__(self, controller: Controller, folder: pathlib.Path) -> None:
        self.controller, self.folder = controller, folder
        self.project = folder / "project"
        shutil.copytree(REPOSITORY / "awx" / "project", self.project)
        self.settings: dict[str, Any] = {
            "awx_kof_project_url": f"file://{self.project}",
            "awx_kof_image": "registry.example.com/kof:0.1.0",
            "awx_kof_regions": ["us-east-2", "eu-west-1"],
            "awx_kof_notification_url": "https://chat.example.com/hook",
            "awx_kof_credential_inputs": {"kof reader": KUBERNETES},
        }
        #: Instead of what the data has, by variable.
        self.data: dict[str, Any] = {}

    def apply(self, state: str = "present", *, check: bool = False) -> dict[str, Any]:
        """What the playbook's task does, and its result."""
        loader = DataLoader()
        inventory = InventoryManager(loader, sources=["localhost,"])
        manager = VariableManager(loader, inventory)
        manager._extra_vars = {**shipped(), **self.settings, **self.data}
        task = Task.load({"action": "k0rdent.kof.awx_objects", "args": {"state": state}})
        task.check_mode = check
        play = Play.load({"hosts": "localhost", "name": "x"}, variable_manager=manager, loader=loader)
        host = inventory.get_host("localhost")
        variables = manager.get_vars(play=play, host=host, task=task)
        variables["hostvars"] = HostVars(inventory, manager, loader)
        context = PlayContext()
        action = awx_objects.ActionModule(
            task=task, connection=connection_loader.get("local", context, None), play_context=context, loader=loader,
            templar=Templar(loader, variables), shared_loader_obj=None,
        )  # fmt: skip
        action._execute_module = lambda name, module_args, task_vars: module(name, module_args, check)
        return action.run(task_vars=variables)

    def run(self, name: str, *arguments: str) -> tuple[int, str]:
        """The playbook, as it is."""
        file = self.folder / "settings.yml"
        file.write_text(yaml.safe_dump(self.settings))
        done = subprocess.run(
            ["ansible-playbook", f"k0rdent.kof.{name}", "-e", f"@{file}", *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=LIMIT, check=False,
            env={**os.environ, **self.controller.environment},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def made(self) -> dict[str, list[str]]:
        """Names of what isn't AWX' own, by endpoint."""
        found = {
            endpoint: sorted(str(each.get("name") or each.get("identifier")) for each in items.values())
            for endpoint, items in self.controller.objects.items()
        }
        found["organizations"].remove("Default")
        found["credential_types"] = [name for name in found["credential_types"] if name.startswith("kof ")]
        return {endpoint: names for endpoint, names in found.items() if names}


def module(name: str, arguments: dict[str, Any], check: bool) -> dict[str, Any]:
    """A real module of awx.awx, in this process: its result."""
    collection = ".".join(name.split(".")[:2])
    code = importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{name.rpartition('.')[2]}")
    told = io.StringIO()
    said = {**arguments, "_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp", "_ansible_tmpdir": "/tmp"}
    try:
        with patch_module_args(said), contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            code.main()
    except Exception as problem:  # as a module process ends that raises
        return {"failed": True, "msg": f"Module failed: {problem}"}
    return json.loads(told.getvalue().strip().splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> Iterator[None]:
    init_plugin_loader([str(REPOSITORY / ".work" / "collections")])
    with pytest.MonkeyPatch.context() as patch:
        # Made anew for each of thousands of requests, and used for none: they go over plain HTTP.
        patch.setattr(urls, "make_context", functools.cache(urls.make_context))
        yield


@pytest.fixture
def awx(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Awx]:
    with Controller() as controller:
        for name, value in controller.environment.items():
            monkeypatch.setenv(name, value)
        yield Awx(controller, tmp_path)


def objects(result: dict[str, Any]) -> list[str]:
    assert not result.get("failed"), result["msg"]
    assert result["changed"] == bool(result["objects"])
    return list(result["objects"])


def test_an_empty_awx_is_configured_and_a_second_run_changes_nothing(
    awx: Awx, capfd: pytest.CaptureFixture[str]
) -> None:
    controller = awx.controller
    predicted = objects(awx.apply(check=True))
    assert controller.writes == []
    assert "job template kof status would be created" in predicted
    done = objects(awx.apply())
    assert controller.refusals == []
    # A grant is told apart by nobody: predicted once there is what it is for.
    assert [each for each in done if not each.startswith("role ")] == [
        each.replace("would be ", "") for each in predicted if not each.startswith("role ")
    ]
    assert len([each for each in predicted if each.startswith("role ")]) == len(
        [e for e in done if e.startswith("role ")]
    )
    told = "".join(capfd.readouterr()) + json.dumps(done)
    assert "canary-of-a-token" not in told
    assert TOKEN not in told

    made = awx.made()
    assert len(made["job_templates"]) == len(list((REPOSITORY / "awx" / "project").glob("*.yml"))) - 1  # live.kof.yml
    assert made["inventories"] == ["kof eu-west-1", "kof fleet", "kof live", "kof us-east-2"]
    paths = sorted(
        (controller.objects["inventories"][each["inventory"]]["name"], each["source_path"])
        for each in controller.objects["inventory_sources"].values()
    )
    assert paths == [
        ("kof eu-west-1", "inventories/fleet/eu-west-1.yml"),
        ("kof eu-west-1", "inventories/fleet/mothership.yml"),
        ("kof fleet", "inventories/fleet"),
        ("kof live", "live.kof.yml"),
        ("kof us-east-2", "inventories/fleet/mothership.yml"),
        ("kof us-east-2", "inventories/fleet/us-east-2.yml"),
    ]
    assert controller.named("credentials", "kof reader")["inputs"] == KUBERNETES
    assert controller.named("credentials", "kof admin")["inputs"] == {}
    site = controller.named("job_templates", "kof site")
    asked = {each["variable"] for each in controller.surveys[site["id"]]["spec"]}
    assert {"kof_serial", "kof_dangerous_changes"} <= asked
    kinds = [controller.objects["credentials"][each]["name"] for each in controller.lists[site["id"], "credentials"]]
    assert sorted(kinds) == ["kof AWS", "kof admin", "kof chart registry"]
    operators = controller.named("teams", "kof operators")["id"]
    assert operators in controller.lists[controller.named("job_templates", "kof child")["id"], "execute_role"]
    assert (site["id"], "execute_role") not in controller.lists
    assert controller.named("schedules", "kof drift every night")["extra_data"] == {"kof_drift_fails": "drift"}
    nodes = {each["identifier"]: each for each in controller.objects["workflow_job_template_nodes"].values()}
    assert nodes["verify"]["id"] in controller.lists[nodes["site"]["id"], "success_nodes"]

    del controller.writes[:]
    assert objects(awx.apply()) == []
    assert objects(awx.apply(check=True)) == []
    assert controller.writes == []


@pytest.mark.long
def test_what_somebody_changed_is_taken_back_and_what_they_filled_in_stays(awx: Awx) -> None:
    controller = awx.controller
    awx.apply()
    site = controller.named("job_templates", "kof site")
    controller.named("credentials", "kof admin")["inputs"] = {"bearer_token": "by hand"}
    site["ask_variables_on_launch"] = True
    status = controller.named("job_templates", "kof status")
    controller.surveys[status["id"]]["spec"].pop()
    team = controller.named("teams", "kof readers")
    controller.lists[status["id"], "execute_role"].remove(team["id"])
    del controller.writes[:]
    would = objects(awx.apply(check=True))
    assert controller.writes == []
    assert would == [
        "job template kof site would be updated",
        "job template kof status would be updated",
        "role execute of kof readers would be updated",
    ]
    assert objects(awx.apply()) == [each.replace("would be ", "") for each in would]
    assert site["ask_variables_on_launch"] is False
    assert controller.named("credentials", "kof admin")["inputs"] == {"bearer_token": "by hand"}
    awx.settings["awx_kof_update_secrets"] = True
    assert objects(awx.apply()) == ["credential kof reader updated"]


@pytest.mark.long
def test_removal_leaves_nothing_of_ours_and_everything_of_others(awx: Awx) -> None:
    controller = awx.controller
    others = controller._add("organizations", {"name": "other"})
    same = controller._add("teams", {"name": "kof operators", "organization": others["id"]})
    awx.apply()
    organization = controller.named("organizations", "kof")
    mine = controller._add("projects", {"name": "mine", "organization": organization["id"]})
    del controller.writes[:]
    result = awx.apply("absent", check=True)
    assert controller.writes == []
    assert result["kept"] == ["organization kof stays: it also has 1 projects"]
    assert objects(awx.apply("absent")) == [each.replace("would be ", "") for each in result["objects"]]
    assert awx.made() == {
        "organizations": ["kof", "other"],
        "labels": ["changes", "kof", "reads only"],
        "projects": ["mine"],
        "teams": ["kof operators"],
    }
    controller._delete("projects", mine)
    assert objects(awx.apply("absent")) == ["organization kof deleted"]
    assert awx.made() == {"organizations": ["other"], "teams": ["kof operators"]}
    assert objects(awx.apply("absent")) == []
    assert same["id"] in controller.objects["teams"]
    assert controller.refusals == []


def test_without_its_collection_or_a_token_it_says_what_to_do(awx: Awx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awx_objects.lookup_loader, "get", lambda *_names, **_options: None)
    with pytest.raises(
        awx_objects.AnsibleActionFail, match=r"awx\.awx isn't installed.*ansible-galaxy collection install"
    ):
        awx.apply()
    monkeypatch.undo()
    monkeypatch.delenv("CONTROLLER_OAUTH_TOKEN", raising=False)
    with pytest.raises(awx_objects.AnsibleActionFail, match="set CONTROLLER_HOST and CONTROLLER_OAUTH_TOKEN"):
        awx.apply()
    assert awx.controller.writes == []


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("controller_labels", [{"organization": "kof"}], "controller_labels: entry 1 has no name"),
        ("controller_labels", [{"name": 1.1}], "controller_labels: entry 1 has no name"),
        ("controller_labels", "kof", "controller_labels: must be a list of maps"),
        ("controller_roles", [{"team": "kof readers"}], "controller_roles: entry 1 has no role"),
    ],
)
def test_data_that_is_none_is_refused_before_anything_is_written(
    awx: Awx, variable: str, value: Any, told: str
) -> None:
    awx.data[variable] = value
    with pytest.raises(awx_objects.AnsibleActionFail, match=re.escape(told)):
        awx.apply()
    assert awx.controller.writes == []


def test_a_setting_that_is_missing_is_named(awx: Awx) -> None:
    del awx.settings["awx_kof_project_url"]
    with pytest.raises(awx_objects.AnsibleActionFail, match=r"controller_projects: .*awx_kof_project_url"):
        awx.apply()
    assert awx.controller.writes == []


_CONFIRM = {"type": "text", "question_name": "A", "variable": "kof_delete_confirm", "required": True}
_TEMPLATE = {"organization": "kof", "project": "kof", "inventory": "kof fleet", "survey_enabled": True}
_KUBERNETES_TYPE = "OpenShift or Kubernetes API Bearer Token"
#: As little as what is refused needs beside itself: each object takes its module's time.
SMALL: dict[str, list[dict[str, Any]]] = {
    **{kind.variable: [] for kind in awx_objects.KINDS[1:]},
    "controller_organizations": [{"name": "kof"}],
    "controller_credentials": [
        {"name": name, "organization": "kof", "credential_type": _KUBERNETES_TYPE}
        for name in ("kof reader", "kof admin")
    ],
    "controller_execution_environments": [{"name": "kof", "image": "registry.example.com/kof:1"}],
    "controller_inventories": [{"name": "kof fleet", "organization": "kof"}],
    "controller_templates": [
        {**_TEMPLATE, "name": "kof status", "playbook": "status.yml", "survey_enabled": False},
        {
            **_TEMPLATE, "name": "kof delete", "playbook": "delete.yml",
            "survey_spec": {"name": "", "description": "", "spec": [{**_CONFIRM, "min": 0, "max": 9, "default": ""}]},
        },
    ],
}  # fmt: skip


def small(awx: Awx, until: str) -> None:
    """Only what comes before a kind, and as little as can be of it."""
    names = [kind.variable for kind in awx_objects.KINDS]
    awx.data |= {name: SMALL[name] if names.index(name) < names.index(until) else [] for name in names}
    project = {"name": "kof", "organization": "kof", "scm_type": "git", "scm_url": f"file://{awx.project}"}
    if names.index("controller_projects") < names.index(until):
        awx.data["controller_projects"] = [project]


#: What AWX refuses, each by the rule that it has for it.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("controller_schedules", {"rrule": "DTSTART:20260101T000000Z RRULE:FREQ=DAILY"}, "validate_rrule"),
    (
        "controller_schedules",
        {"rrule": "DTSTART;TZID=Mars/Base:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1"},
        "validate_rrule",
    ),
    (
        "controller_schedules",
        {"unified_job_template": "kof status", "job_type": "check"},
        "_accept_or_ignore_job_kwargs",
    ),
    ("controller_schedules", {"unified_job_template": "kof delete"}, "_survey_element_validation"),
    ("controller_schedules", {"extra_data": {"kof_host": "x"}}, "_accept_or_ignore_variables"),
    ("controller_templates", {"playbook": "nowhere.yml"}, "JobOptionsSerializer.validate"),
    ("controller_templates", {"scm_branch": "other"}, "JobOptionsSerializer.validate"),
    (
        "controller_templates",
        {"credentials": ["kof reader", "kof admin"]},
        "JobTemplateCredentialsList.is_valid_relation",
    ),
    ("controller_credential_types", {"kind": "ssh"}, "CredentialTypeSerializer.validate"),
    ("controller_credential_types", {"injectors": {"env": {"ANSIBLE_CONFIG": "x"}}}, "CredentialTypeInjectorField"),
    ("controller_credential_types", {"injectors": {"env": {"X": "{{ nowhere }}"}}}, "CredentialTypeInjectorField"),
    (
        "controller_credential_types",
        {"inputs": {"fields": [{"id": "tower", "label": "x"}]}},
        "CredentialTypeInputField",
    ),
    ("controller_credentials", {"inputs": {"nowhere": "x"}}, "CredentialInputField"),
    ("controller_credentials", {"inputs": {"host": 5}}, "CredentialInputField"),
    ("controller_inventory_sources", {"source": "ec2"}, "InventorySourceSerializer.validate"),
    (
        "controller_notifications",
        {"notification_configuration": {"url": "x"}},
        "NotificationTemplateSerializer.validate",
    ),
    ("controller_execution_environments", {"image": "no image"}, "validate_container_image_name"),
]


@pytest.mark.parametrize(("variable", "change", "rule"), WRONG, ids=lambda each: each if isinstance(each, str) else "")
def test_what_awx_refuses_ends_the_run_by_the_objects_name(
    awx: Awx, variable: str, change: dict[str, Any], rule: str
) -> None:
    first = next(kind for kind in awx_objects.KINDS if kind.variable == variable)
    small(awx, variable)
    names = {"controller_credentials": "kof reader", "controller_inventory_sources": "fleet"}
    base = {**BASES[variable], "name": names.get(variable, f"wrong {first.module}"), **change}
    awx.data[variable] = [base]
    result = awx.apply()
    assert result["failed"], result
    assert result["msg"].startswith(f"{first.module.replace('_', ' ')} {base['name']}: "), result["msg"]
    (refused,) = awx.controller.refusals
    assert rule in refused.rule
    assert isinstance(refused, Refused)


ORGANIZATION = {"organization": "kof"}
BASES: dict[str, dict[str, Any]] = {
    "controller_schedules": {
        "unified_job_template": "kof status",
        "rrule": "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1",
    },
    "controller_templates": {
        **ORGANIZATION, "project": "kof", "playbook": "status.yml", "inventory": "kof fleet", "job_type": "run",
    },
    "controller_credential_types": {"kind": "cloud", "inputs": {"fields": [{"id": "a", "label": "A"}]}},
    "controller_credentials": {**ORGANIZATION, "credential_type": "OpenShift or Kubernetes API Bearer Token"},
    "controller_inventory_sources": {
        **ORGANIZATION, "inventory": "kof fleet", "source": "scm", "source_project": "kof", "source_path": "x",
    },
    "controller_notifications": {**ORGANIZATION, "notification_type": "webhook"},
    "controller_execution_environments": {"image": "registry.example.com/kof:1"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": None}, "is missing"),
        ({"spec": []}, "doesn't contain"),
        ({"spec": [{"type": "text", "question_name": "A", "variable": "a"}]}, "'required' missing"),
        (
            {"spec": [{"type": "map", "question_name": "A", "variable": "a", "required": True}]},
            "allowed question types",
        ),
        (
            {"spec": [{"type": "integer", "question_name": "A", "variable": "a", "required": True, "default": "5"}]},
            "of its type",
        ),
        (
            {"spec": [{"type": "multiselect", "question_name": "A", "variable": "a", "required": True}]},
            "must specify choices",
        ),
        ({"spec": [{"type": "text", "question_name": "A", "variable": "a", "required": True}] * 2}, "duplicated"),
    ],
)
def test_a_survey_that_awx_refuses_ends_the_run(awx: Awx, change: dict[str, Any], told: str) -> None:
    survey = {"name": "", "description": "", "spec": [{}], **change}
    base = {**BASES["controller_templates"], "name": "wrong", "survey_enabled": True}
    small(awx, "controller_templates")
    awx.data["controller_templates"] = [
        {**base, "survey_spec": {key: value for key, value in survey.items() if value is not None}}
    ]
    result = awx.apply()
    assert result["failed"]
    (refused,) = awx.controller.refusals
    assert refused.rule == "views.JobTemplateSurveySpec._validate_spec_data"
    assert told in refused.body["error"]


@pytest.mark.long
def test_the_playbooks_as_they_are(awx: Awx) -> None:
    controller = awx.controller
    code, output = awx.run("awx_configure", "-vvv")
    assert code == 0, output
    assert controller.refusals == []
    assert "canary-of-a-token" not in output
    assert TOKEN not in output
    del controller.writes[:]
    code, output = awx.run("awx_configure")
    assert code == 0, output
    assert re.search(r"^localhost +: ok=2 +changed=0 ", output, re.MULTILINE)
    assert controller.writes == []
    code, output = awx.run("awx_remove")
    assert code == 0, output
    assert awx.made() == {}
