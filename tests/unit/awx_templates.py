"""awx/: job templates with surveys, workflows, schedules, grants and the project's playbooks, made of what playbooks
and roles say about themselves. Helpers only, no test.

`KOF_RENEW_AWX=1 make try TEST=tests/unit/test_awx.py` writes them anew. What is asked is found: variables that a
playbook gives to an option of one of our actions, as its documentation has that option, and of the roles'
argument_specs what is of one run. A new playbook is in nobody's hands until TRUST says in whose, but one that says of
itself that it changes nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.uninstall import ALSO, CONFIRM, ITEMS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, spec
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import DANGEROUS, PRUNE, PRUNE_RULES, TAKE_OVER
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.values_0_1 import OPTIONS as SETTINGS

REPOSITORY = pathlib.Path(__file__).parents[2]
FOLDER = REPOSITORY / "awx"
COMMAND = "KOF_RENEW_AWX=1 make try TEST=tests/unit/test_awx.py"
HEAD = "# Not written by hand: tests/unit/awx_templates.py says how.\n"
ORGANIZATION = "{{ __awx_kof_organization }}"
#: What configures AWX itself is started from outside of it.
NOT_IN_AWX = ("awx_configure", "awx_remove")
#: Options of the roles that are of one run; the others are the fleet's, and stay in its inventory, where they are kept.
OF_A_RUN = (
    "kof_wait",
    "kof_wait_timeout",
    "kof_apply_timeout",
    "kof_max_fail_percentage",
    "kof_force_conflicts",
    "kof_adopt",
    "kof_replace_guide_objects",
)
#: Who may start k0rdent.kof.render is no reason to have the Secrets; a job has no terminal for logins, no folder that
#: stays, and nobody who looks through its forwards.
NOT_ASKED = (
    "render_secrets",
    "access_show_credentials",
    "access_credentials_file",
    "access_kubeconfigs",
    "access_forward",
    "access_forward_seconds",
    "access_kubectl",
)
#: Playbooks for one cluster, whose variables are the answers: the role whose options they ask for.
ONE_CLUSTER = {"add_region": "regional", "add_child": "child"}
NAMES_IT = {
    "required": True,
    "description": "Name of the cluster, its ClusterDeployment and, where it is new, its host.",
}


@functools.cache
def documentation(action: str) -> dict[str, dict[str, Any]]:
    """The options of one of our actions, with those of its fragments."""
    package = "ansible_collections.k0rdent.kof.plugins"
    documented = yaml.safe_load(importlib.import_module(f"{package}.modules.{action}").DOCUMENTATION)
    options: dict[str, dict[str, Any]] = {}
    for name in documented.get("extends_documentation_fragment", ()):
        fragment = importlib.import_module(f"{package}.doc_fragments.{name.rpartition('.')[2]}")
        options |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION).get("options") or {}
    return options | (documented.get("options") or {})


#: What is no option of a role or an action, but an extra variable of a run (PLAY_ONLY).
EXTRA: dict[str, dict[str, Any]] = {
    "kof_serial": {
        "type": "str",
        "description": "How many clusters at a time, for example V(1,10%,100%) for canaries. Without it, all at once.",
    },
    "kof_verify": {
        "type": "str",
        "choices": ["management", "inside", "nothing"],
        "description": "What is verified at the end. Without it, what the management cluster knows.",
    },
    "kof_delete_confirm": {
        "type": "str",
        "required": True,
        "description": "The name of the fleet (C(kof_fleet)), as a confirmation that its clusters are meant.",
    },
    "kof_delete_leave_services": {
        "type": "list",
        "description": "Hosts of adopted clusters that can't be reached and are let go with what is installed there.",
    },
    "kof_prune_confirm": {
        "type": "str",
        "required": True,
        "description": "The name of the fleet (C(kof_fleet)), as a confirmation that what left its inventory may go.",
    },
    "kof_restore_confirm": {
        "type": "str",
        "description": "The name of the fleet (C(kof_fleet)), where what is there may be set back (docs/backup.md).",
    },
    CONFIRM: {
        "type": "str",
        "required": True,
        "description": "The name of the fleet (C(kof_fleet)), as a confirmation that all of it is meant.",
    },
    ALSO: {
        "type": "list",
        "description": f"What goes beside clusters and charts - V(all), or some of {', '.join(ITEMS)}.",
    },
    PRUNE: {
        "type": "bool",
        "description": "Whether this run deletes dashboards that are of no file any more (docs/dashboards.md).",
    },
    PRUNE_RULES: {
        "type": "bool",
        "description": "Whether this run deletes rules of alerts that are of no variable any more (docs/alerts.md).",
    },
    TAKE_OVER: {"type": "list", "description": "Fleets whose objects this run may take over (docs/guards.md)."},
    DANGEROUS: {"type": "list", "description": "Clusters to which this run may do what loses data (docs/guards.md)."},
}
#: These are options of their action, too, and asked as its documentation has them.
EXTRA |= {f"kof_drift_{name}": documentation("fleet_drift")[name] for name in ("fails", "folder")}
#: Where these are asked: with which action, and in which playbook alone.
_WITH_ACTION = {
    "fleet_delete": ("kof_delete_confirm", "kof_delete_leave_services"),
    "fleet_prune": ("kof_prune_confirm", "kof_delete_leave_services"),
    "fleet_restore": ("kof_restore_confirm",),
}
_WITH_PLAYBOOK = {
    "uninstall": (CONFIRM, ALSO),
    "site": ("kof_verify", PRUNE, PRUNE_RULES, TAKE_OVER, DANGEROUS),
    "mothership": (PRUNE, PRUNE_RULES),
    "regional": (PRUNE, PRUNE_RULES),
    "child": (PRUNE_RULES,),
}
#: What says in a playbook whether one of its tasks runs.
_SWITCHES = {
    "backup": {
        "backup_data": {
            "type": "bool",
            "description": "Whether metrics and logs of the regional clusters are saved, too (docs/backup.md).",
        }
    }
}
#: Options of the roles that one playbook alone reads.
_OF_PLAYBOOK = {"prune": ("kof_max_delete",)}


@dataclasses.dataclass(frozen=True)
class Trust:
    """Who may start a playbook, and as whom it goes to the management cluster (docs/rbac).

    :ivar credential: the Kubernetes credential.
    :ivar more: other credentials.
    :ivar teams: who may start it; nobody means the administrators of the organization, and workflows.
    :ivar reads: it changes nothing.
    :ivar sliced: it may be cut into slices (AWX cuts the inventory).
    """

    credential: str
    more: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    reads: bool = False
    sliced: bool = False


READERS, OPERATORS, APPROVERS = "kof readers", "kof operators", "kof approvers"
TEAMS = (READERS, OPERATORS, APPROVERS)
_AWS, _CHARTS = "kof AWS", "kof chart registry"
TRUST = {
    "access": Trust("kof admin"),
    # A job has no folder that stays, but one that its execution environment mounts.
    "backup": Trust("kof admin"),
    "child": Trust("kof operator", (_CHARTS,), (OPERATORS,), sliced=True),
    "delete": Trust("kof deleter"),
    "dns_credentials": Trust("kof dns credentials", (_AWS,)),
    "dns_records": Trust("kof verifier", (_AWS,), (OPERATORS,)),
    # Kof's charts are told by their releases, which are Secrets.
    "drift": Trust("kof verifier", (), TEAMS, reads=True),
    "mothership": Trust("kof admin", (_CHARTS,)),
    # As whom the run is that it stands before: the workflows' first step.
    "preflight": Trust("kof admin", (_AWS, _CHARTS), reads=True),
    "prune": Trust("kof deleter"),
    "regional": Trust("kof operator", (_CHARTS,), (OPERATORS,)),
    "restore": Trust("kof admin", (_CHARTS,)),
    "site": Trust("kof admin", (_AWS, _CHARTS)),
    "uninstall": Trust("kof admin", (_AWS,)),
    "verify": Trust("kof verifier", (), TEAMS, reads=True, sliced=True),
    "add_region": Trust("kof operator", (_CHARTS,), (OPERATORS,)),
    "add_child": Trust("kof operator", (_CHARTS,), (OPERATORS,)),
}
_READS = re.compile(r"\b(Changes nothing|It only reads|Reads only|reads only)\b", re.IGNORECASE)


class Playbook:
    """What a playbook says about itself."""

    def __init__(self, path: pathlib.Path) -> None:
        self.name = path.stem
        self.path = path
        self._text = path.read_text(encoding="utf-8")
        comment = [line[2:] for line in self._text.splitlines() if line.startswith("# ")]
        self._comment = " ".join(comment)
        # Up to the first command line or end of a sentence.
        self.about = re.split(r"(?<=[.?])\s|\s{2,}", self._comment, maxsplit=1)[0].removesuffix(".")

    @property
    def title(self) -> str:
        return f"kof {self.name.replace('_', ' ')}"

    @property
    def trust(self) -> Trust:
        if self.name in TRUST:
            return TRUST[self.name]
        if _READS.search(self._comment) or self.name == "render":
            return Trust("kof reader", (), TEAMS, reads=True, sliced=self.name == "status")
        return Trust("kof admin")

    def _plays(self, path: pathlib.Path) -> Iterator[tuple[bool, dict[str, Any]]]:
        """Each play, and whether it is this playbook's own: in its file, or in the layer of its name."""
        for play in yaml.safe_load(path.read_text(encoding="utf-8")):
            imported = play.get("ansible.builtin.import_playbook")
            if imported is None:
                yield path == self.path or path.stem == self.name, play
            elif "layers/" in imported:  # other playbooks' variables are theirs
                yield from self._plays(path.parent / imported)

    @functools.cached_property
    def layers(self) -> list[str]:
        """The roles it runs."""
        return [role for role in spec.ROLES if f"layers/{role}.yml" in self._text]

    def options(self) -> dict[str, dict[str, Any]]:
        """What it can be told, by variable, each as a spec; `own`, where the inventory doesn't say it."""
        found: dict[str, dict[str, Any]] = {}
        if self.name in ONE_CLUSTER:
            role = ONE_CLUSTER[self.name]
            found |= {name: each for name, each in spec.load_spec(role).items() if name.startswith(f"{role}_")}
            # A host's name says it elsewhere; here nothing but the answer does.
            found[f"{role}_cluster_name"] = {**found[f"{role}_cluster_name"], **NAMES_IT}
        for own, play in self._plays(self.path):
            if "kof_serial" in str(play.get("serial")):
                found["kof_serial"] = EXTRA["kof_serial"]
            for task in play.get("tasks", ()):
                for action, arguments in task.items():
                    if not action.startswith("k0rdent.kof."):
                        continue
                    name = action.rpartition(".")[2]
                    asked = _WITH_ACTION.get(name, ())
                    # What another variable confirms asks for that one.
                    instead = "confirmed_by" in (arguments or {})
                    found |= {each: EXTRA[each] for each in asked if not (instead and each == "kof_delete_confirm")}
                    if own:
                        found |= _given(name, arguments or {})
        if self.layers or self.name in ONE_CLUSTER:
            block = spec.load_spec((self.layers or [ONE_CLUSTER.get(self.name, "")])[0])
            found |= {each: block[each] for each in OF_A_RUN}
        found |= {name: spec.load_spec("mothership")[name] for name in _OF_PLAYBOOK.get(self.name, ())}
        found |= {name: EXTRA[name] for name in _WITH_PLAYBOOK.get(self.name, ())}
        found |= _SWITCHES.get(self.name, {})
        return {name: each for name, each in found.items() if not each.get("no_log")}


#: Those that begin with an underscore are of our own plays.
_VARIABLE = re.compile(r"(?<![\w.'])([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b")
_DEFAULT = re.compile(r"default\((\[.*?\]|'[^']*'|[a-z0-9]+)\s*[,)]")
_WORDS = {"true": True, "false": False}


def _given(action: str, arguments: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables that a task's arguments are made of, each as the option of the action that it is given to."""
    found = {}
    for name, value in arguments.items():
        text = value if isinstance(value, str) and "{{" in value else ""
        documented = documentation(action).get(name)
        for variable in dict.fromkeys(_VARIABLE.findall(text)):
            if documented is None or variable in NOT_ASKED:
                continue
            said = _DEFAULT.search(text)
            default = documented.get("default")
            if said and said[1] not in ("omit", "none"):
                default = _WORDS[said[1]] if said[1] in _WORDS else ast.literal_eval(said[1])
            option = {**documented, "own": True, "required": False, "default": default}
            found[variable] = {key: each for key, each in option.items() if each is not None}
    return found


@functools.cache
def limits() -> dict[str, tuple[int, int]]:
    """The smallest and largest of each number, as model.py checks them."""
    found = {}
    numbers = {"_": 1}
    for node in ast.walk(ast.parse(pathlib.Path(str(model.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "number":
            name, least, most = map(ast.unparse, node.args)
            for role in spec.ROLES:
                of_role = {"self": type("Of", (), {"role": role})}
                settings = [option for option, each in SETTINGS.items() if isinstance(each.default, int)]
                for key in settings if name == "name" else [str(eval(name, of_role))]:
                    found[key] = (eval(least, numbers), eval(most, numbers))
    return found


_MARKUP = re.compile(r"\b[A-Z]\(([^()]*(?:\([^()]*\))?[^()]*)\)")
_TEXT_LIMIT, _AREA_LIMIT = 1024, 65_536
_LARGEST = 2_147_483_647


def plain_text(description: Any) -> str:
    """A description without Ansible's markup."""
    lines = [description] if isinstance(description, str) else description
    return _MARKUP.sub(lambda found: found[1].partition("#")[0].replace("=", ": "), " ".join(lines))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(_written, value)) if isinstance(value, list) else str(value)


def question(variable: str, option: dict[str, Any]) -> dict[str, Any]:
    """The survey's question for an option, as AWX' own check of surveys takes it.

    A default is prefilled only where no inventory says the variable: an answer would replace what the inventory has.

    :raises ValueError: the option is a secret, which has no place in a survey: AWX reads answers as YAML again.
    """
    if option.get("no_log"):
        raise ValueError(f"{variable} is a secret: an input of a credential, and no question")
    kind, choices, default = option.get("type", "str"), option.get("choices"), option.get("default")
    about = plain_text(option["description"])
    prefilled: Any = ""
    if default not in (None, "", [], {}):
        about += f" Left empty: {_written(default)}{'' if option.get('own') else ', if the inventory says nothing'}."
    least, most = limits().get(variable, (0, _LARGEST))
    asked: dict[str, Any] = {}
    if kind == "bool":
        asked = {"type": "multiplechoice", "choices": ["true", "false"]}
    elif choices and kind == "list":
        asked = {"type": "multiselect", "choices": list(map(str, choices))}
    elif choices:
        asked = {"type": "multiplechoice", "choices": list(map(str, choices))}
    elif kind in ("int", "float"):
        asked = {"type": "integer" if kind == "int" else "float", "min": least, "max": most}
    elif kind in ("dict", "list"):
        asked = {"type": "textarea", "min": 0, "max": _AREA_LIMIT}
        about += " In YAML." if kind == "dict" else " Between commas, one a line, or in YAML."
    else:
        asked = {"type": "text", "min": 0, "max": _TEXT_LIMIT}
    if option.get("own") and default not in (None, "", [], {}):
        prefilled = (
            default
            if kind in ("int", "float")
            else "\n".join(map(_written, default))
            if isinstance(default, list)
            else _written(default)
        )
    words = variable.partition("_")[2].replace("_", " ")
    return {
        "variable": variable,
        "question_name": f"{words[:1].upper()}{words[1:]} ({variable})",
        "question_description": about,
        "required": bool(option.get("required")),
        **asked,
        "default": prefilled,
    }


def survey(options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A survey of these options; what has to be answered first."""
    questions = [question(*each) for each in options.items()]
    return {"name": "", "description": "", "spec": sorted(questions, key=lambda each: not each["required"])}


def playbooks(folder: pathlib.Path = REPOSITORY / "playbooks") -> list[Playbook]:
    """Those that people start in AWX."""
    return [Playbook(path) for path in sorted(folder.glob("*.yml")) if path.stem not in NOT_IN_AWX]


def template(playbook: Playbook) -> dict[str, Any]:
    trust, options = playbook.trust, playbook.options()
    found: dict[str, Any] = {
        "name": playbook.title,
        "description": playbook.about,
        "organization": ORGANIZATION,
        "labels": ["kof", "reads only" if trust.reads else "changes"],
        "project": "kof",
        "playbook": f"{playbook.name}.yml",
        "inventory": "kof fleet",
        "execution_environment": "kof",
        "credentials": [trust.credential, *trust.more],
        "job_type": "run",
        "diff_mode": not trust.reads,
        "allow_simultaneous": trust.reads,
        "ask_inventory_on_launch": True,
        "ask_limit_on_launch": playbook.name not in ONE_CLUSTER,
        "ask_job_type_on_launch": not trust.reads,
        "ask_diff_mode_on_launch": not trust.reads,
        "ask_job_slice_count_on_launch": trust.sliced,
        # Any variable would be any: the server that the credential's token is sent to, or a permission of guards.
        "ask_variables_on_launch": False,
        "notification_templates_error": "{{ __awx_kof_notifications }}",
        "survey_enabled": bool(options),
    }
    if options:
        found["survey_spec"] = survey(options)
    return found


def _node(identifier: str, name: str, then: str = "", **more: Any) -> dict[str, Any]:
    node = {
        "identifier": identifier,
        "unified_job_template": {"name": name, "organization": {"name": ORGANIZATION}, "type": "job_template"},
        **more,
    }
    # Only what succeeds goes on: to AWX a failure with a node after it is handled, and the workflow a success.
    return node | ({"related": {"success_nodes": [{"identifier": then}]}} if then else {})


def _approval(what: str, then: str) -> dict[str, Any]:
    node = _node("approval", f"kof approval {what}", then)
    node["unified_job_template"] |= {
        "type": "workflow_approval",
        "description": "Read the job before this one: it names what is wrong, and what would be done.",
        "timeout": 86_400,
    }
    return node


def workflows(templates: dict[str, Playbook]) -> list[dict[str, Any]]:
    """What is approved before it is done. Answers reach the nodes whose templates ask the same question."""

    def workflow(name: str, about: str, playbook: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "name": name,
            "description": about,
            "organization": ORGANIZATION,
            "labels": ["kof", "changes"],
            "inventory": "kof fleet",
            "ask_inventory_on_launch": True,
            "ask_limit_on_launch": True,
            "ask_variables_on_launch": False,
            "allow_simultaneous": False,
            "survey_enabled": True,
            "survey_spec": survey(templates[playbook].options()),
            "notification_templates_error": "{{ __awx_kof_notifications }}",
            "notification_templates_approvals": "{{ __awx_kof_notifications }}",
            "workflow_nodes": nodes,
        }

    return [
        workflow(
            "kof site with approval",
            "Preflight, somebody's approval, every layer, then whether all is really so, and the status",
            "site",
            [
                _node("preflight", "kof preflight", "approval"),
                _approval("of site", "site"),
                _node("site", "kof site", "verify"),
                _node("verify", "kof verify", "status"),
                _node("status", "kof status"),
            ],
        ),
        workflow(
            "kof delete with approval",
            "A check run that says what would be deleted, somebody's approval, and the deletion",
            "delete",
            [
                _node("look", "kof delete", "approval", job_type="check"),
                _approval("of delete", "delete"),
                _node("delete", "kof delete"),
            ],
        ),
    ]


def schedules() -> list[dict[str, Any]]:
    start = "DTSTART;TZID={{ __awx_kof_timezone }}:20260101T%s RRULE:FREQ=%s;INTERVAL=1"
    return [
        {
            "name": "kof status every hour",
            "description": "Fails, and notifies, where a cluster isn't well",
            "organization": ORGANIZATION,
            "unified_job_template": "kof status",
            "rrule": start % ("001500", "HOURLY"),
            "enabled": True,
        },
        {
            "name": "kof drift every night",
            "description": "Fails, and notifies, where a cluster isn't as the inventory says; changes nothing",
            "organization": ORGANIZATION,
            "unified_job_template": "kof drift",
            "rrule": start % ("030000", "DAILY"),
            "extra_data": {"kof_drift_fails": "drift"},
            "enabled": True,
        },
    ]


_INVENTORIES = "{{ controller_inventories | map(attribute='name') | list }}"


def grants(listed: Iterable[Playbook], flows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who may do what. Nobody is given what changes the mothership, or deletes, but through its workflow."""
    found: list[dict[str, Any]] = []
    names = [each["name"] for each in flows]
    for team in TEAMS:
        may = [each.title for each in listed if team in each.trust.teams]
        common = {"team": team, "lookup_organization": ORGANIZATION}
        found.append({**common, "role": "execute", "job_templates": may})
        found.append({**common, "role": "use", "inventories": _INVENTORIES})
        if team == OPERATORS:
            found.append({**common, "role": "execute", "workflows": names})
        if team == APPROVERS:
            found.append({**common, "role": "approval", "workflows": names})
    return found


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _written_as_yaml(variable: str, value: Any) -> str:
    text = yaml.dump({variable: value}, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return f"---\n{HEAD}{text}"


def files(folder: pathlib.Path = REPOSITORY / "playbooks") -> dict[str, str]:
    """Text by path below awx/ of all that is made."""
    listed = playbooks(folder)
    flows = workflows({each.name: each for each in listed})
    made = {
        "controller_templates.yml": _written_as_yaml("controller_templates", [template(each) for each in listed]),
        "controller_workflows.yml": _written_as_yaml("controller_workflows", flows),
        "controller_schedules.yml": _written_as_yaml("controller_schedules", schedules()),
        "controller_roles.yml": _written_as_yaml("controller_roles", grants(listed, flows)),
    }
    for each in listed:
        name = each.name.replace("_", " ")
        made[f"project/{each.name}.yml"] = (
            f"---\n{HEAD}- name: {name[:1].upper()}{name[1:]}\n"
            f"  ansible.builtin.import_playbook: k0rdent.kof.{each.name}\n"
        )
    return made
