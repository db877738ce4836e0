# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a variable's template can't but give the same: a proof by what it refers to, without templating it.

A template's value depends on the variables it names, on those that they name in turn, on what its lookups read, and on
chance and time where it asks for them. May know Jinja's syntax and Ansible's lookups, filters and tests; which of them
give the same to whoever asks is a list. Where anything can't be told, the answer is that it may differ.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
from ansible.plugins.loader import filter_loader, lookup_loader, test_loader
from ansible.plugins.lookup import LookupBase
from jinja2 import meta, nodes

from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import variables_of_options

#: Names that stand for more than one variable.
_EVERYTHING = frozenset({"vars", "hostvars", "environment"})
#: Ansible's functions in templates; Jinja's own (range, dict, ...) know no variables either.
_FUNCTIONS = frozenset({"lookup", "query", "q", "now", "undef", "omit", *jinja2.Environment().globals})
_LOOKUPS = ("lookup", "query", "q")
#: Lookups that only read or reckon: what is read once is what all would read. Not password, random_choice, pipe, lines
#: and url, nor a secret manager's that makes a new login for whoever asks: they may give another value each time.
_STEADY_LOOKUPS = frozenset({
    "ansible.builtin.csvfile", "ansible.builtin.dict", "ansible.builtin.env", "ansible.builtin.file",
    "ansible.builtin.fileglob", "ansible.builtin.first_found", "ansible.builtin.indexed_items", "ansible.builtin.ini",
    "ansible.builtin.items", "ansible.builtin.list", "ansible.builtin.nested", "ansible.builtin.sequence",
    "ansible.builtin.subelements", "ansible.builtin.together", "ansible.builtin.unvault",
    "amazon.aws.secretsmanager_secret", "amazon.aws.ssm_parameter", "azure.azcollection.azure_keyvault_secret",
    "community.general.onepassword", "community.general.onepassword_doc", "community.general.onepassword_raw",
    "community.hashi_vault.vault_kv1_get", "community.hashi_vault.vault_kv2_get", "community.sops.sops",
    "google.cloud.gcp_secret_manager",
})  # fmt: skip
#: The same of filters, of Jinja and ansible-core. Not random, shuffle, strftime (of now), password_hash, vault (with a
#: random salt), nor attr, which gives what may be called.
_STEADY_FILTERS = frozenset({
    "abs", "b64decode", "b64encode", "basename", "batch", "bool", "capitalize", "center", "checksum", "combinations",
    "combine", "comment", "commonpath", "count", "d", "default", "dict2items", "dictsort", "difference", "dirname",
    "e", "escape", "expanduser", "expandvars", "extract", "fileglob", "filesizeformat", "first", "flatten", "float",
    "forceescape", "format", "from_json", "from_yaml", "from_yaml_all", "groupby", "hash", "human_readable",
    "human_to_bytes", "indent", "int", "intersect", "items", "items2dict", "join", "last", "length", "list", "log",
    "lower", "mandatory", "map", "max", "md5", "min", "normpath", "path_join", "permutations", "pow", "pprint",
    "product", "quote", "realpath", "regex_escape", "regex_findall", "regex_replace", "regex_search", "reject",
    "rejectattr", "rekey_on_member", "relpath", "replace", "reverse", "root", "round", "safe", "select", "selectattr",
    "sha1", "slice", "sort", "split", "splitext", "string", "striptags", "subelements", "sum", "symmetric_difference",
    "ternary", "title", "to_datetime", "to_json", "to_nice_json", "to_nice_yaml", "to_uuid", "to_yaml", "tojson",
    "trim", "truncate", "type_debug", "union", "unique", "unvault", "upper", "urldecode", "urlencode", "urlize",
    "urlsplit", "win_basename", "win_dirname", "win_splitdrive", "wordcount", "wordwrap", "xmlattr", "zip",
    "zip_longest",
})  # fmt: skip
#: By the filter that is given the name of one: which loader knows it.
_BY_NAME = {
    "map": filter_loader, "select": test_loader, "reject": test_loader, "selectattr": test_loader,
    "rejectattr": test_loader,
}  # fmt: skip
#: What asks for chance or time: functions, and what a date is asked for.
_CHANCE_AND_TIME = frozenset({"now", "lipsum"})
_OF_A_DATE = frozenset({"now", "utcnow", "today"})
#: To which functions a lookup may hand the variables: they take the values of its options, and search paths. Its own
#: and its base's are looked through, too.
_OF_OPTIONS = frozenset({"set_options", "find_file_in_search_path", "get_basedir", "run", "_run"})
_MISSING = object()
_CORE = "ansible.builtin."
_JINJA = jinja2.Environment()


def needs(name: str, raw: Mapping[str, Any], *, one: bool) -> dict[str, Any] | None:
    """All that the value of a variable depends on: untemplated values by name, the variable's own among them.

    None where it may depend on more: on the host.

    :param raw: the host's variables, not templated.
    :param one: by its meaning the variable has one value for all, which may be another one each time it is asked for.
    """
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found[each] = raw.get(each, _MISSING)
        for text in _texts(found[each]):
            names = _names(text, one)
            if names is None:
                return None
            waiting += names
    return found


def met(needed: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether another host has the very same."""
    return all(_same(value, raw.get(name, _MISSING)) for name, value in needed.items())


#: A variable by its name, written where it looks as one that is chosen: of a host, of all, of the lookup `vars`.
_KEY = (
    r"""(?:\.(?P<attr>\w+)\b(?!\s*\()|\[\s*(?P<q>['"])(?P<key>\w+)(?P=q)\s*\]|"""
    r"""\.get\(\s*(?P<q2>['"])(?P<got>\w+)(?P=q2))"""
)
_OF_A_HOST = re.compile(rf"(?<![\w.])hostvars\s*(?:\.\w+|(?P<host>\[(?:[^][]|\[[^][]*\])*\]))\s*{_KEY}")
_OF_ALL = re.compile(rf"(?<![\w.])vars\s*{_KEY}")
_LOOKED_UP = re.compile(
    r"""\b(?:lookup|query|q)\(\s*(['"])(?:ansible\.builtin\.)?vars\1\s*,\s*(['"])(\w+)\2\s*(?=\)|,\s*\w+\s*=)"""
)


@functools.lru_cache(4096)
def mentioned(text: str) -> frozenset[str] | None:
    """The variables that a template may read, of whichever host, by their names; None where that may be any."""
    names = _names(text, True)
    if names is None:

        def plain(found: re.Match[str]) -> str:
            name = found["attr"] or found["key"] or found["got"]
            here = f"({host}, {name})[1]" if (host := found.groupdict().get("host")) else name
            return f"{here}.get(0" if found["got"] else here

        again = _LOOKED_UP.sub(r"dict(a=\3", _OF_ALL.sub(plain, _OF_A_HOST.sub(plain, text)))
        names = _names(again, True) if again != text else None
    return None if names is None else frozenset(names)


def _same(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if type(left) is not type(right):
        return False  # 1, 1.0 and true are equal to Python
    if isinstance(left, dict):
        # As plain dictionaries: a lazy one would template.
        return list(left) == list(right) and all(
            map(_same, dict.values(left), dict.values(right))
        )  # fmt: skip
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, list.__iter__(left), list.__iter__(right)))
    return isinstance(left, (str, int, float)) and left == right


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that can be templates."""
    if isinstance(value, str):
        if "{" in value or value.startswith("#"):
            yield str.__str__(value)
    elif isinstance(value, dict):
        for each in dict.values(value):
            yield from _texts(each)
    elif isinstance(value, list):
        for each in list.__iter__(value):
            yield from _texts(each)


@functools.lru_cache(4096)
def _names(text: str, one: bool) -> tuple[str, ...] | None:
    """The variables that a template names; None where it may read others, or (unless `one`) give something else to each
    that asks."""
    if text.startswith("#jinja2:"):
        return None  # its own delimiters
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(text)
        if next(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)), None):
            return None
        for loader, name in _plugins(tree):
            if not (_blind(loader, name) if one else _steady(loader, name)):
                return None
            # Jinja asks for all before it tells any name.
            for known in (environment.filters, environment.tests):
                known.setdefault(name, lambda: None)
        names = set(meta.find_undeclared_variables(tree))
    except jinja2.TemplateError:
        return None
    if not one and _asks_for_chance_or_time(tree):
        return None
    called = {id(call.node): call for call in tree.find_all(nodes.Call)}
    for node in tree.find_all(nodes.Name):
        if node.name not in _LOOKUPS or node.ctx != "load":
            continue
        call = called.get(id(node))
        plugin = call.args[0] if call and call.args else None
        options = _options(plugin.value, one) if isinstance(plugin, nodes.Const) else None
        if options is None:
            return None
        names |= options
    return None if names & _EVERYTHING else tuple(sorted(names - _FUNCTIONS))


def _plugins(tree: nodes.Template) -> Iterator[tuple[Any, str]]:
    """The filters and tests of a template, each with the loader that knows it; "" where the name can't be told."""
    yield from ((test_loader, test.name) for test in tree.find_all(nodes.Test))
    for node in tree.find_all(nodes.Filter):
        yield filter_loader, node.name
        short = node.name.rpartition(".")[2]
        # The first argument of map and select, the second of selectattr, is one's name.
        inner = node.args[1:2] if short.endswith("attr") else node.args[:1]
        if short in _BY_NAME and (inner or node.dyn_args or node.dyn_kwargs):
            said = inner[0].value if inner and isinstance(inner[0], nodes.Const) else ""
            yield _BY_NAME[short], said if isinstance(said, str) else ""


def _asks_for_chance_or_time(tree: nodes.Template) -> bool:
    names = {node.name for node in tree.find_all(nodes.Name)}
    attributes = {node.attr for node in tree.find_all(nodes.Getattr)}
    keys = {node.arg.value for node in tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)}
    return bool(names & _CHANCE_AND_TIME or (attributes | keys) & _OF_A_DATE)


@functools.cache
def _blind(loader: Any, name: str) -> bool:
    """Whether a filter or test sees its input and arguments only: Jinja's and ansible-core's do."""
    found = _found(loader, name)
    if not isinstance(found, str):
        return found is not None and "context" not in str(getattr(found.j2_function, "jinja_pass_arg", "")).lower()
    return bool(found)


@functools.cache
def _steady(loader: Any, name: str) -> bool:
    """Whether a filter or test makes the same of the same, whoever asks. Of tests, Jinja's and ansible-core's do."""
    found = _found(loader, name)
    return isinstance(found, str) and (found in _STEADY_FILTERS if loader is filter_loader else bool(found))


def _found(loader: Any, name: str) -> Any:
    """The short name of a filter or test of Jinja's or ansible-core's; another one itself; None where there is none."""
    try:
        plugin = loader.get(name) if name else None
    except KeyError:  # ansible-core's way to say that there is none
        plugin = None
    except Exception:  # of whatever is wrong with it, its call tells
        return None
    if plugin is None:
        return name if name in (_JINJA.filters if loader is filter_loader else _JINJA.tests) else None
    full = getattr(plugin, "ansible_name", "")
    return full.removeprefix(_CORE) if full.startswith(_CORE) else plugin


@functools.cache
def _options(plugin: str, one: bool) -> frozenset[str] | None:
    """The variables that a lookup takes its options from; None where it may read others, or (unless `one`) give another
    value to each that asks."""
    found = lookup_loader.get(plugin, class_only=True) if isinstance(plugin, str) else None
    if found is None or not (one or found.ansible_name in _STEADY_LOOKUPS):
        return None
    if any(map(_reads_variables, found.__mro__[: found.__mro__.index(LookupBase)])):
        return None
    return variables_of_options(found)


@functools.cache
def _reads_variables(part: type) -> bool:
    """Whether the module of a lookup, or of a class that it is made of, does more with the variables than hand them to
    what takes its options from them."""
    try:
        source = ast.parse(inspect.getsource(inspect.getmodule(part)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return True
    harmless: set[int] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Call) and _called(node) in _OF_OPTIONS:
            harmless |= {id(each) for each in [*node.args, *(keyword.value for keyword in node.keywords)]}
        elif isinstance(node, ast.Attribute) and node.attr == "basedir":
            harmless.add(id(node.value))  # the playbook's folder
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef) and node.name == "run":
            if "variables" not in {each.arg for each in [*node.args.args, *node.args.kwonlyargs]}:
                return True
        elif id(node) in harmless:
            continue
        elif (isinstance(node, ast.Name) and node.id == "variables") or (
            isinstance(node, ast.Attribute) and node.attr in ("_templar", "available_variables")
        ):
            return True
    return False


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
