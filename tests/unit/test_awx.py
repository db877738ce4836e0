"""awx/: what is made is as playbooks and roles are now; every answer that AWX lets through is one that we take."""

from __future__ import annotations

import json
import os
import pathlib
import re
from typing import Any

import pytest
import yaml
from tagged_yaml import Loader
from unit import awx_templates as awx

from ansible_collections.k0rdent.kof.plugins.action import fleet_preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, spec
from ansible_collections.k0rdent.kof.plugins.plugin_utils.variables import PLAY_ONLY

DATA = {path.stem: yaml.load(path.read_text(), Loader=Loader) for path in sorted(awx.FOLDER.glob("*.yml"))}
TEMPLATES: list[dict[str, Any]] = DATA.get("controller_templates", {}).get("controller_templates", [])
QUESTIONS = [
    (template["name"], each) for template in TEMPLATES for each in template.get("survey_spec", {}).get("spec", [])
]
#: Every option of every role, whether a survey asks for it now or not.
OPTIONS = [(role, name, each) for role in spec.ROLES for name, each in spec.load_spec(role).items()]


def test_what_a_survey_offers_for_the_end_of_a_run_preflight_takes() -> None:
    offered = {
        choice for _template, each in QUESTIONS if each["variable"] == "kof_verify" for choice in each["choices"]
    }
    assert offered == {"management", "inside", "nothing"}
    for choice in offered:
        fleet_preflight._verified_at_the_end(choice)


def made_before() -> set[str]:
    return {str(path.relative_to(awx.FOLDER)) for path in awx.FOLDER.rglob("*.yml") if awx.HEAD in path.read_text()}


def test_what_is_made_is_as_playbooks_and_roles_say_now() -> None:
    made = awx.files()
    if os.environ.get("KOF_RENEW_AWX"):
        for name in made_before() - set(made):
            (awx.FOLDER / name).unlink()
        for name, text in made.items():
            (awx.FOLDER / name).write_text(text, encoding="utf-8")
    there = {name: (awx.FOLDER / name).read_text(encoding="utf-8") for name in made if (awx.FOLDER / name).is_file()}
    old = sorted(name for name in made if made[name] != there.get(name))
    assert not old, f"not as the playbooks and specs are: {', '.join(old)}; make them anew: {awx.COMMAND}"
    assert made_before() <= set(made), awx.COMMAND


def test_every_playbook_that_people_start_has_a_template() -> None:
    names = {path.stem for path in (awx.REPOSITORY / "playbooks").glob("*.yml")} - set(awx.NOT_IN_AWX)
    assert {each["playbook"] for each in TEMPLATES} == {f"{name}.yml" for name in names}
    assert len(names) >= 11


def test_every_extra_variable_of_a_run_has_its_question() -> None:
    assert set(awx.EXTRA) == set(PLAY_ONLY), "write in tests/unit/awx_templates.py (EXTRA) what is asked for it"
    asked = {question["variable"] for _template, question in QUESTIONS}
    assert asked >= set(awx.EXTRA)
    assert asked >= set(awx.OF_A_RUN)


def test_what_a_playbook_can_be_told_is_asked() -> None:
    """Every variable that a playbook reads with a default of its own, but those that others give it."""
    for playbook in awx.playbooks():
        read = set(re.findall(r"(?<![\w.])([a-z][a-z0-9]*_[a-z0-9_]+) \| default\(", playbook.path.read_text()))
        of_inventory = {name for _role, name, _each in OPTIONS}
        known = {*playbook.options(), "preflight_needed", *awx.NOT_ASKED, *of_inventory}
        assert read <= known, (playbook.name, read - known)


def test_what_status_can_be_told_is_asked_as_its_documentation_has_it() -> None:
    """By hand, so that what is derived is seen to be so."""
    asked = {each["variable"]: each for name, each in QUESTIONS if name == "kof status"}
    assert set(asked) == {"status_format", "status_folder", "status_patience"}
    assert asked["status_patience"]["type"] == "integer"
    assert asked["status_patience"]["default"] == 60
    assert asked["status_format"]["type"] == "multiselect"
    assert asked["status_format"]["default"] == "text"
    assert asked["status_format"]["choices"] == ["text", "json", "prometheus", "junit", "html"]
    assert asked["status_folder"] | {"question_description": ""} == {
        "variable": "status_folder",
        "question_name": "Folder (status_folder)",
        "question_description": "",
        "required": False,
        "type": "text",
        "min": 0,
        "max": 1024,
        "default": "",
    }
    site = {each["variable"]: each for name, each in QUESTIONS if name == "kof site"}
    assert (site["kof_max_fail_percentage"]["min"], site["kof_max_fail_percentage"]["max"]) == (0, 100)
    assert (site["kof_wait_timeout"]["min"], site["kof_wait_timeout"]["max"]) == (1, 7 * 86_400)
    assert site["kof_wait_timeout"]["default"] == ""
    assert "Left empty: 3600, if the inventory says nothing." in site["kof_wait_timeout"]["question_description"]
    assert site["kof_force_conflicts"]["choices"] == ["hands", "never", "always"]
    confirm = next(each for name, each in QUESTIONS if each["variable"] == "kof_delete_confirm")
    assert confirm["required"]


@pytest.mark.parametrize(("role", "name", "option"), OPTIONS, ids=lambda each: each if isinstance(each, str) else "")
def test_the_question_for_an_option_agrees_with_it(role: str, name: str, option: dict[str, Any]) -> None:
    if option.get("no_log"):
        with pytest.raises(ValueError, match="input of a credential"):
            awx.question(name, option)
        return
    asked = awx.question(name, option)
    assert asked["required"] == bool(option.get("required"))
    assert asked["default"] == ""  # the inventory's would be replaced by it
    if "default" in option and option["default"] not in ("", [], {}):
        assert "Left empty: " in asked["question_description"]
    for answer, meant in answers(asked, option):
        # As it arrives: AWX writes answers as YAML, so that what looks like a number is one.
        values = spec.settled(role, {name: answer})
        faults = [each for each in spec.faults_of(role, {name: answer}) if each.variable == name]
        assert not faults, (answer, faults)
        assert values.get(name, "unset") == meant, answer


def answers(asked: dict[str, Any], option: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Answers that AWX lets through, as they arrive in the job, and what they mean."""
    kind = option.get("type", "str")
    empty = [] if asked["required"] else [(None, "unset")]
    if kind == "bool":
        return [(True, True), (False, False)]
    if kind == "int":
        return [(asked["min"], asked["min"]), (asked["max"], asked["max"])]
    if "choices" in option:
        assert all(yaml.safe_load(each) == each for each in asked["choices"]), "YAML makes another type of a choice"
        assert asked["choices"] == option["choices"]
        return [*empty, *((each, each) for each in asked["choices"])]
    if kind == "dict":
        return [
            *empty,
            ("a: 1\nb: [x, 'y: z']\n", {"a": 1, "b": ["x", "y: z"]}),
            ('{"a": {"b": null}}', {"a": {"b": None}}),
        ]
    if kind == "list" and option.get("elements") == "dict":
        return [*empty, ("- {name: a}\n- name: b\n", [{"name": "a"}, {"name": "b"}])]
    if kind == "list":
        return [*empty, ("a, b", ["a", "b"]), ("a\nb\n", ["a", "b"]), ("- a\n- b", ["a", "b"]), (["a"], ["a"])]
    return [*empty, ("some text", "some text")]


@pytest.mark.parametrize("text", ["a", "- a", "{a: 1", "a: 010\n", "{{ a }}", "[a]"])
@pytest.mark.parametrize("name", ["regional_config", "mothership_values"])
def test_a_text_that_is_no_map_is_refused_by_name_and_says_what_would_be_right(name: str, text: str) -> None:
    (fault,) = [each for each in spec.faults_of(name.partition("_")[0], {name: text}) if each.variable == name]
    assert "map" in fault.problem or "leading 0" in fault.problem
    assert "in YAML it may be text, too; for example" in fault.example


def test_an_option_that_changes_changes_its_question() -> None:
    option = dict(spec.load_spec("regional")["kof_wait_timeout"])
    before = awx.question("kof_wait_timeout", option)
    for change in ({"type": "str"}, {"default": 5}, {"required": True}, {"choices": [1]}, {"description": "x"}):
        assert awx.question("kof_wait_timeout", option | change) != before, change
    known = awx.limits()["kof_wait_timeout"]
    assert (before["min"], before["max"]) == known == (1, 7 * 86_400)


def test_limits_are_those_that_the_model_checks() -> None:
    """Each number beyond them is refused by the model itself."""
    assert awx.limits()["child_service_priority"] == awx.limits()["regional_service_priority"] == (1, 2_147_483_646)
    assert {name for _role, name, each in OPTIONS if each["type"] == "int"} <= set(awx.limits())
    assert "kof_max_fail_percentage" in pathlib.Path(str(model.__file__)).read_text()


def test_no_question_is_for_a_secret_and_none_says_where_the_fleet_is() -> None:
    secret = {name for _role, name, each in OPTIONS if each.get("no_log")}
    where = {name for _role, name, _each in OPTIONS if name.startswith(("kof_kube", "kof_host", "kof_ca", "kof_proxy"))}
    assert len(secret) > 5
    assert not {question["variable"] for _name, question in QUESTIONS} & (secret | where)
    for each in (*TEMPLATES, *DATA["controller_workflows"]["controller_workflows"]):
        assert each["ask_variables_on_launch"] is False, each["name"]
        assert not [question for question in each["survey_spec"]["spec"] if question["type"] == "password"]


def test_a_playbook_that_is_added_later_gets_its_template(tmp_path: pathlib.Path) -> None:
    (tmp_path / "layers").mkdir()
    for path in (awx.REPOSITORY / "playbooks").rglob("*.yml"):
        (tmp_path / path.relative_to(awx.REPOSITORY / "playbooks")).write_text(path.read_text())
    task = {
        "k0rdent.kof.fleet_status": {
            "folder": "{{ tell_folder | default('x', true) }}",
            "patience": "{{ tell_age | default(5) }}",
        }
    }
    for name, comment in (("tell", "# Tells more. Changes nothing."), ("turn", "# Turns what there is.")):
        plays = [{"name": "A", "hosts": "kof_regional", "tasks": [{"name": "B", **task}]}]
        (tmp_path / f"{name}.yml").write_text(f"---\n{comment}\n{yaml.safe_dump(plays)}")
    (tmp_path / "add_child.yml").write_text(
        "---\n# Adds a child.\n" + yaml.safe_dump([{"hosts": "localhost", "tasks": []}])
    )
    made = awx.files(tmp_path)
    templates = {
        each["playbook"]: each for each in yaml.safe_load(made["controller_templates.yml"])["controller_templates"]
    }
    tell, turn = templates["tell.yml"], templates["turn.yml"]
    assert tell["credentials"] == ["kof reader"]
    assert turn["credentials"] == ["kof admin"]
    assert "import_playbook: k0rdent.kof.tell" in made["project/tell.yml"]
    asked = {each["variable"]: each for each in tell["survey_spec"]["spec"]}
    assert {name: each["default"] for name, each in asked.items()} == {"tell_folder": "x", "tell_age": 5}
    assert asked["tell_age"]["type"] == "integer"
    for grant in yaml.safe_load(made["controller_roles.yml"])["controller_roles"]:
        if grant["role"] == "execute" and "job_templates" in grant:
            assert "kof tell" in grant["job_templates"]
            assert "kof turn" not in grant["job_templates"]  # nobody, until somebody says who
    child = {each["variable"]: each for each in templates["add_child.yml"]["survey_spec"]["spec"]}
    assert {name for name, each in spec.load_spec("child").items() if name.startswith("child_")} <= set(child)
    assert child["child_config"]["type"] == "textarea"
    assert child["child_regional"]["required"]
    first = [each["variable"] for each in templates["add_child.yml"]["survey_spec"]["spec"] if each["required"]]
    assert first == ["child_cluster_name", "child_regional"]
    assert templates["add_child.yml"]["ask_limit_on_launch"] is False


def test_names_that_the_data_uses_are_in_the_data() -> None:
    def names(variable: str) -> set[str]:
        return {each["name"] for each in DATA[variable][variable]}

    known = {
        "labels": names("controller_labels"),
        "credentials": names("controller_credentials"),
        "project": names("controller_projects"),
        "inventory": {each["name"] for each in DATA["controller_inventories"]["__awx_kof_inventories"]},
        "execution_environment": names("controller_execution_environments"),
        "team": names("controller_teams"),
        "job_templates": names("controller_templates"),
        "workflows": names("controller_workflows"),
        "unified_job_template": names("controller_templates"),
    }
    used = 0
    for data in DATA.values():
        for value in data.values():
            for item in value if isinstance(value, list) else ():
                for key in known.keys() & (item if isinstance(item, dict) else {}).keys():
                    wanted = item[key] if isinstance(item[key], list) else [item[key]]
                    if not str(item[key]).startswith("{{"):
                        used += 1
                        assert set(wanted) <= known[key], (item.get("name"), key)
    assert used > 60
    assert set(awx.TEAMS) == known["team"]
    assert {name for each in awx.TRUST.values() for name in (each.credential, *each.more)} <= known["credentials"]


def test_an_approval_stands_before_what_changes_and_cannot_be_gone_round() -> None:
    granted = DATA["controller_roles"]["controller_roles"]
    startable = {name for each in granted if each["role"] == "execute" for name in each.get("job_templates", ())}
    for flow in DATA["controller_workflows"]["controller_workflows"]:
        nodes = {each["identifier"]: each for each in flow["workflow_nodes"]}
        before: dict[str, list[str]] = {}
        for name, node in nodes.items():
            for child in node.get("related", {}).get("success_nodes", ()):
                before.setdefault(child["identifier"], []).append(name)
            assert set(node.get("related", {})) <= {"success_nodes"}, "a failure that is handled makes a success"
        (roots,) = [name for name in nodes if name not in before]
        assert roots in ("preflight", "look")
        changing = [name for name in nodes if name in ("site", "delete")]
        assert changing
        for name in changing:
            assert before[name] == ["approval"]
            assert nodes["approval"]["unified_job_template"]["type"] == "workflow_approval"
            assert nodes[name]["unified_job_template"]["name"] not in startable


def test_nothing_in_awx_is_a_secret() -> None:
    text = json.dumps(DATA)
    assert not re.search(r"PRIVATE KEY|AKIA[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{10}", text)
    for each in DATA["controller_credentials"]["controller_credentials"]:
        assert each["inputs"].startswith("{{ "), each["name"]
