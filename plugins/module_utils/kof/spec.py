# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of the roles as the one source of validation: names, types, choices, what is required.

Stricter than ansible-core, whose coercions would let `kof_version: 1.10` through as 1.1, null as '', 'a=1' as a map.
What a string must look like is in `syntax.py`, what variables mean together in `model.py`. Controller only: it reads
the roles' files, which a module on a target doesn't have. No message here quotes the value of a `no_log` option.
"""

from __future__ import annotations

import functools
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import IS_EMPTY, NEVER_EMPTY, is_empty
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain, truth
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import CONTROL, quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, nearest

ROLES = ("mothership", "dns_credentials", "regional", "child")
#: With one of these a variable is ours.
PREFIXES = ("kof_", *(f"{role}_" for role in ROLES))
#: Variables that say which management cluster, and as whom.
_NEVER_EMPTY = frozenset(f"kof_{name}" for name in NEVER_EMPTY)
LEAVE_OUT = "; leave the variable out for the default"
_ROLES_FOLDER = pathlib.Path(__file__).resolve().parents[3] / "roles"


class Fault(NamedTuple):
    """One thing that is wrong with the input.

    :ivar host: whose variable it is; empty where that is known from elsewhere.
    :ivar variable: its name.
    :ivar problem: what is wrong; never with the value of a secret.
    :ivar example: what would be right.
    """

    host: str
    variable: str
    problem: str
    example: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.host, self.variable, f"{self.problem}; {self.example}") if part)


@functools.cache
def load_spec(role: str) -> Mapping[str, dict[str, Any]]:
    """The options of a role, by variable name, as its meta/argument_specs.yml has them.

    :raises FileNotFoundError: there is no such role.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    path = _ROLES_FOLDER / role / "meta" / "argument_specs.yml"
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)["argument_specs"]["main"]["options"]


#: How the problem of a variable begins that isn't there.
REQUIRED = "is required"


def faults_of(role: str, variables: Mapping[str, Any], host: str = "") -> list[Fault]:
    """What is wrong with the types, choices and presence of a role's variables.

    :param variables: plain values (`plain.to_plain`) by name; names the role doesn't know are not looked at.
    :param host: for the faults.
    """
    faults = []
    values = settled(role, variables)
    for name, check in _checks(role).items():
        option = load_spec(role)[name]
        if name not in values:
            if option.get("required"):
                missing = REQUIRED + (", and set to nothing" if name in variables else "")
                faults.append(Fault(host, name, missing, _example(name, option)))
            continue
        if name in _NEVER_EMPTY and is_empty(values[name]):
            faults.append(Fault(host, name, IS_EMPTY[0], f"{IS_EMPTY[1]}; {_example(name, option)}"))
            continue
        problem = check(values[name])
        if problem:
            faults.append(Fault(host, name, problem, remedy(name, values[name])))
    return faults


def settled(role: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """A role's variables as their options mean them: without those that are set to nothing, text in the option's type.

    Nothing is null for every option (an expression's, an answer that a survey left empty), and an empty text for one
    without a default, but for those that say which management cluster and as whom. Text, as `-e name=...` and surveys
    give it, becomes an integer, a boolean, a list (items between commas or line breaks, or YAML) or a map (YAML) where
    it is one; anything else stays for `faults_of` to refuse.
    """
    spec = load_spec(role)
    values = {}
    for name, value in variables.items():
        option = spec.get(name)
        if option is not None:
            if value is None or (value == "" and "default" not in option and name not in _NEVER_EMPTY):
                continue
            if isinstance(value, str) and option.get("type") in _FROM_TEXT:
                value = _FROM_TEXT[option["type"]](value)
        values[name] = value
    return values


def with_defaults(role: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """A role's variables as `settled` has them, and its defaults.

    Options that have neither a value nor a default are absent. The values are expected to have no faults.
    """
    values = settled(role, variables)
    for name, default in _defaults(role):
        if name not in values:
            values[name] = _copy(default)
    return values


@functools.cache
def _defaults(role: str) -> list[tuple[str, Any]]:
    return [(name, option["default"]) for name, option in load_spec(role).items() if "default" in option]


def strangers(names: Iterable[str]) -> list[tuple[str, str]]:
    """Which names begin as our options do and are none, each with what is probably meant: nobody would read it."""
    return [(name, _meant(name) or _meant_place(name)) for name in names if name not in _known_names()]


def _meant_place(name: str) -> str:
    """Where what a name says can be said, by the prefix of the name."""
    layer, _blank, words = name.partition("_")
    if layer in ("regional", "child"):
        path = _CONFIG_KEYS.get(words.replace("_", "").lower())
        near = nearest(name, (each for each in _known_names() if each.startswith(layer)))
        if path or not near:
            *above, key = (path or _camel(words)).split(".")
            value = f"{{{key}: ...}}" if not above else f"{{{above[0]}: {{{key}: ...}}}}"
            return f"values of the ClusterTemplate are keys of {layer}_config, perhaps {layer}_config: {value}"
        return f"did you mean {near}?"
    if layer in ("kof", "mothership"):
        return "values of the charts are keys of mothership_values"
    return f"see ansible-doc -t role k0rdent.kof.{'dns_credentials' if layer == 'dns' else layer}"


def _camel(words: str) -> str:
    first, *others = words.split("_")
    return first + "".join(each.capitalize() for each in others)


#: What people call values of kcm's ClusterTemplates, without underscores, by the keys that these have.
_CONFIG_KEYS = {
    "instancetype": "worker.instanceType",
    "machinetype": "worker.instanceType",
    "flavor": "worker.flavor",
    "vmsize": "worker.vmSize",
    "rootvolumesize": "worker.rootVolumeSize",
    "disksize": "worker.rootVolumeSize",
    "workerinstancetype": "worker.instanceType",
    "controlplaneinstancetype": "controlPlane.instanceType",
    "replicas": "workersNumber",
    "workers": "workersNumber",
    "nodes": "workersNumber",
    "workernumber": "workersNumber",
    "workercount": "workersNumber",
    "nodecount": "workersNumber",
    "workersnumber": "workersNumber",
    "controlplanes": "controlPlaneNumber",
    "controlplanecount": "controlPlaneNumber",
    "controlplanenumber": "controlPlaneNumber",
    "publicip": "publicIP",
    "annotations": "clusterAnnotations",
    "clusterannotations": "clusterAnnotations",
    "identity": "clusterIdentity.name",
    "clusteridentity": "clusterIdentity.name",
    "location": "location",
    "region": "region",
}


def show(value: Any) -> str:
    """A value as YAML would write it, cut to a length that fits a line. Not for secrets."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value, 60)
    if isinstance(value, (dict, list)):
        return "a map" if isinstance(value, dict) else "a list"
    return repr(value)


@functools.cache
def _known_names() -> frozenset[str]:
    return frozenset(name for role in ROLES for name in load_spec(role))


@functools.cache
def _meant(name: str) -> str:
    # Two slips (a letter lost, added, changed or swapped), or the same words in another order.
    words = sorted(name.split("_"))
    for known in sorted(_known_names()):
        if sorted(known.split("_")) == words or _slips(name.lower(), known, 2) <= 2:
            return f"did you mean {known}?"
    return ""


def _slips(left: str, right: str, limit: int) -> int:
    """Edit distance with swapped neighbours (optimal string alignment); anything above `limit` is `limit + 1`."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before, last = list[int](), list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        now = [row]
        for column, other in enumerate(right, 1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > limit:
            return limit + 1
        before, last = last, now
    return last[-1]


Check = Callable[[Any], "str | None"]
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})\Z", re.ASCII)


def _boolean_of(text: str) -> Any:
    try:
        return truth(text)
    except ValueError:
        return text


def list_of(text: str) -> Any:
    """The list that a text is: in YAML, or its items between commas or line breaks; the text itself if it is none."""
    if text.lstrip().startswith(("[", "- ")):
        return _yaml_of(text, list)
    return [item for item in (part.strip() for line in text.splitlines() for part in line.split(",")) if item] or text


def _yaml_of(text: str, kind: type) -> Any:
    """The list or map that a text is as YAML; the text itself where it is none, or one that no variable can be."""
    import yaml

    try:
        found = to_plain(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, NotPlain, ValueError, RecursionError):
        return text
    return found if isinstance(found, kind) and not _misread(text) else text


#: An integer that YAML reads as another number than people do: 010 is 8, 1:30 is 90.
OTHERWISE = re.compile(r"[-+]?(0[0-7_]+|[0-9]+(:[0-9]+)+)$", re.ASCII)
_PERHAPS_OTHERWISE = re.compile(r"(?<![\w.:])(0[0-7_]|[0-9]+:[0-9])", re.ASCII)


def _misread(value: Any) -> str | None:
    """What YAML makes of a text that is a list or map in it, and nobody means: such an integer, or of two values of one
    key the last one."""
    if not isinstance(value, str) or not (_PERHAPS_OTHERWISE.search(value) or ":" in value):
        return None
    import yaml

    try:
        waiting = [yaml.compose(value, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))]
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    seen: set[int] = set()
    for node in waiting:  # grows meanwhile
        if isinstance(node, yaml.ScalarNode):
            if node.tag.endswith(":int") and not node.style and OTHERWISE.match(node.value):
                return (
                    "has a number with a leading 0 or colons, which YAML reads as another one: quote it, or write it "
                    "without"
                )
        elif node is not None and id(node) not in seen:
            seen.add(id(node))
            pairs = isinstance(node, yaml.MappingNode)
            twice = _twice(node) if pairs else None
            if twice is not None:
                return f"has the key {quoted(twice, 60)} twice in one map, and YAML takes the last one: say it once"
            waiting += [each for pair in node.value for each in pair] if pairs else node.value
    return None


def _twice(node: Any) -> str | None:
    """A key that a map of YAML has more than once."""
    keys = Counter((key.tag, key.value) for key, _value in node.value if isinstance(key.value, str))
    return next((key for (tag, key), times in keys.items() if times > 1 and not tag.endswith(":merge")), None)


#: What a text becomes, by the option's type.
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "int": lambda text: int(text) if _INTEGER.match(text) else text,
    "bool": _boolean_of,
    "list": list_of,
    "dict": functools.partial(_yaml_of, kind=dict),
}


@functools.cache
def _checks(role: str) -> dict[str, Check]:
    return {name: _check_of(option) for name, option in load_spec(role).items()}


def _check_of(option: Mapping[str, Any]) -> Check:
    kind, choices = option.get("type", "str"), option.get("choices")
    quote = _hide if option.get("no_log") else show
    if kind == "list":
        of_item = _check_of({"type": option.get("elements", "str"), "no_log": option.get("no_log")})
        return functools.partial(_list_problem, of_item)
    check = functools.partial(_TYPES[kind], quote=quote)
    if kind == "str" and quote is _hide:
        return functools.partial(_credential_problem, check)
    if choices:
        return functools.partial(_choice_problem, check, choices, quote)
    return check


def _hide(value: Any) -> str:
    # A task's own arguments come here with tags, whose types are others.
    kinds = (("a boolean", bool), ("a number", (int, float)), ("a map", dict), ("a list", list))
    return next((name for name, kind in kinds if isinstance(value, kind)), "null" if value is None else "a string")


def _shown(value: Any, quote: Callable[[Any], str]) -> str:
    return _hide(value) if quote is _hide else f"the {_hide(value).partition(' ')[2]} {quote(value)}"


def _null(value: Any) -> str | None:
    return f"has no value (null){LEAVE_OUT}" if value is None else None


def _string_problem(value: Any, quote: Callable[[Any], str]) -> str | None:
    if isinstance(value, str):
        return None if value else f"is empty{LEAVE_OUT}"
    if isinstance(value, (bool, int, float)):
        return f"arrived as {_shown(value, quote)}, but must be a string"
    return _null(value) or f"is {_hide(value)}, but must be a string"


def _credential_problem(check: Check, value: Any) -> str | None:
    """Of a secret: nowhere can one be sent that has a line break inside, and what tries it quotes it."""
    problem = check(value)
    if problem or not CONTROL.search(value.strip()):
        return problem
    return "has a line break or another control character inside; give it without"


def _integer_problem(value: Any, quote: Callable[[Any], str]) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    if isinstance(value, str) and _INTEGER.match(value):
        return None  # from -e name=5, where everything is text
    return _null(value) or f"is {quote(value)}, but must be a whole number"


def _boolean_problem(value: Any, quote: Callable[[Any], str]) -> str | None:
    if isinstance(value, bool) or (isinstance(value, str) and isinstance(_boolean_of(value), bool)):
        return None
    return _null(value) or f"is {quote(value)}, but must be true or false"


def _map_problem(value: Any, quote: Callable[[Any], str]) -> str | None:
    if isinstance(value, dict):
        return None
    return _null(value) or _misread(value) or f"is {_hide(value)}, but must be a map"


def _raw_problem(value: Any, quote: Callable[[Any], str]) -> str | None:
    # The one such option is kof_kubeconfig, a path or the content.
    return None if isinstance(value, dict) and value else _string_problem(value, _hide)


def _list_problem(of_item: Check, value: Any) -> str | None:
    if not isinstance(value, list):
        return _null(value) or _misread(value) or f"is {_hide(value)}, but must be a list"
    for index, item in enumerate(value):
        problem = of_item(item)
        if problem:
            return f"item {index + 1} {problem}"
    return None


def _choice_problem(check: Check, choices: list[Any], quote: Callable[[Any], str], value: Any) -> str | None:
    problem = check(value)
    if problem or value in choices:
        return problem
    return f"is {quote(value)}, but must be {_one_of(choices)}{did_you_mean(str(value), map(str, choices))}"


def _one_of(choices: list[Any]) -> str:
    words = [str(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


_TYPES: dict[str, Callable[..., str | None]] = {
    "str": _string_problem,
    "path": _string_problem,
    "int": _integer_problem,
    "bool": _boolean_problem,
    "dict": _map_problem,
    "raw": _raw_problem,
}

#: Values to show where an option has neither a default nor choices to take one from.
_EXAMPLES = {
    "kof_kubeconfig": "~/.kube/config",
    "kof_host": "https://192.0.2.1:6443",
    "kof_proxy": "http://proxy.example.com:3128",
    "kof_helm_binary": "/usr/local/bin/helm",
    **{
        f"{role}_image_{name}": example
        for role in ("mothership", "regional", "child")
        for name, example in (("registry", "registry.example.com/mirror"), ("pull_secrets", "[our-registry]"))
    },
    "mothership_storage_class": "gp3",
    "mothership_retention": "30d",
    "regional_cluster_name": "aws-us-east-2",
    "regional_domain": "aws-us-east-2.kof.example.com",
    "regional_admin_email": "platform@example.com",
    "regional_template": "aws-standalone-cp-0-1-0",
    "regional_config": "{region: us-east-2, controlPlaneNumber: 1, workersNumber: 3}",
    "regional_storage_class": "gp3",
    "regional_retention": "30d",
    "regional_cluster_labels": '{example.com/team: "a"}',
    "regional_labels": '{example.com/team: "a"}',
    "regional_service_templates": "{cert-manager: cert-manager-1-16-2}",
    "regional_service_values": "{kof-storage: {global: {storageClass: gp3}}}",
    "regional_disabled_services": "[cert-manager]",
    "regional_extra_services": "[{name: velero, namespace: velero, template: velero-8-1-0}]",
    "child_cluster_name": "aws-us-east-2-child1",
    "child_regional": "aws-us-east-2",
    "child_template": "aws-standalone-cp-0-1-0",
    "child_config": "{region: us-east-2, controlPlaneNumber: 1, workersNumber: 3}",
    "child_cluster_labels": '{example.com/team: "a"}',
    "child_labels": '{example.com/team: "a"}',
    "child_service_templates": "{cert-manager: cert-manager-1-16-2}",
    "child_service_values": "{kof-collectors: {global: {clusterName: a}}}",
    "child_disabled_services": "[cert-manager]",
    "child_extra_services": "[{name: velero, namespace: velero, template: velero-8-1-0}]",
    "mothership_alertmanager_config": "{route: {receiver: team-a}, receivers: [{name: team-a}]}",
    "mothership_alert_rules": "[{name: nodes, rules: [{alert: NodeDown, expr: up == 0, for: 5m}]}]",
    "regional_alert_rules": "[{name: a, rules: [{alert: Down, expr: 'up{promxyCluster=\"eu1\"} == 0'}]}]",
    "child_alert_rules": "[{name: a, rules: [{alert: Down, expr: 'up{clusterName=\"eu1-a\"} == 0'}]}]",
    "regional_maintenance_until": '"2027-03-01T04:00:00Z"',
    "child_maintenance_until": '"2027-03-01T04:00:00Z"',
    "mothership_values": "{promxy: {resources: {requests: {memory: 512Mi}}}}",
    "mothership_operators_values": "{prometheus-operator-crds: {enabled: false}}",
}


def example_of(name: str) -> str:
    """`for example name: value` of a variable, for faults found elsewhere."""
    for role in ROLES:
        if name in load_spec(role):
            return _example(name, load_spec(role)[name])
    return f"see `ansible-doc -t role k0rdent.kof.{name.partition('_')[0]}`"


#: Types of options whose values are text.
_TEXTS = ("str", "path", "raw")
#: Where a value was said, as far as it changes what helps: in YAML, in an INI inventory, as an extra variable.
IN_YAML, IN_INI, EXTRA = "yaml", "ini", "extra"
_TYPED = {
    IN_YAML: "quote it: without quotes YAML reads {read}",
    IN_INI: 'an INI inventory takes a pair of quotes away: on a host\'s line \'"..."\', in a section of vars "..."',
    EXTRA: "as an extra variable it has to be text: -e {name}=... is, in JSON and YAML it is quoted; AWX reads a "
    "survey's answer as YAML, so say it in the inventory or in a credential instead",
}


def remedy(name: str, value: Any, said: str = IN_YAML) -> str:
    """What would be right instead of a value that was refused.

    :param said: where it was, one of IN_YAML, IN_INI and EXTRA.
    """
    if isinstance(value, (bool, int, float)) and typed_by_yaml(name, value):
        read = "yes, no, on and off as booleans" if isinstance(value, bool) else "1.10 as the number 1.1"
        return f"{_TYPED[said].format(name=name, read=read)}; {example_of(name)}"
    kind = _option(name).get("type")
    if isinstance(value, str) and kind in ("list", "dict"):
        return f"{'between commas or ' if kind == 'list' else ''}in YAML it may be text, too; {example_of(name)}"
    return example_of(name)


def became_typed(option: Mapping[str, Any], value: Any) -> str | None:
    """What is wrong with an option's value, where it is text, or a list of texts, that is none any more: a number or a
    boolean now, or a list or map, which ansible-core would write as Python does.

    :param option: of an argument spec. The value of a secret one is not told.
    """
    kind = option.get("type", "str")
    quote = _hide if option.get("no_log") else show
    if kind == "list" and option.get("elements", "str") in _TEXTS and isinstance(value, list):
        return next((problem for item in value if (problem := became_typed({**option, "type": "str"}, item))), None)
    if isinstance(value, (list, dict)):
        return _string_problem(value, quote) if kind in ("str", "path") else None
    return _string_problem(value, quote) if kind in _TEXTS and isinstance(value, (bool, int, float)) else None


def typed_by_yaml(name: str, value: Any) -> bool:
    """Whether a text option has become a number or a boolean: something on the way took it for YAML's."""
    return isinstance(value, (bool, int, float)) and _option(name).get("type", "str") in _TEXTS


@functools.cache
def is_secret(name: str) -> bool:
    """Whether no message may quote the value of a variable: its option is no_log."""
    return bool(_option(name).get("no_log"))


def _option(name: str) -> Mapping[str, Any]:
    return next((load_spec(role)[name] for role in ROLES if name in load_spec(role)), {})


def _example(name: str, option: Mapping[str, Any]) -> str:
    value = _EXAMPLES.get(name)
    if value is None:
        default = option.get("default", (option.get("choices") or [None])[0])
        value = _in_yaml(default) if default is not None else _of_type(option)
    return f"for example {name}: {value}"


def _of_type(option: Mapping[str, Any]) -> str:
    if option.get("no_log"):
        return '"{{ vaulted_value }}"'
    return {"path": "/path/to/file.pem", "int": "5", "bool": "true", "list": "[a, b]", "dict": "{a: b}"}.get(
        option.get("type", "str"), '"text"'
    )


def _in_yaml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_yaml, value))}]"
    if isinstance(value, str) and not re.match(r"[A-Za-z][A-Za-z0-9/:._-]*\Z", value):
        return f'"{value}"'
    return str(value)


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list)) else value
