# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts a variable's template can't but give the same: a proof by what it refers to, without templating it.

A template's value depends on the variables it names, on those that they name in turn, and on what its lookups read.
May know Jinja's syntax and Ansible's lookups. Where anything can't be told, the answer is that it may differ.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
from ansible import constants as C
from ansible.plugins.loader import filter_loader, lookup_loader, test_loader
from ansible.plugins.lookup import LookupBase
from jinja2 import meta, nodes

#: Names that stand for more than one variable.
_EVERYTHING = frozenset({"vars", "hostvars", "environment"})
#: Ansible's functions in templates; Jinja's own (range, dict, ...) know no variables either.
_FUNCTIONS = frozenset({"lookup", "query", "q", "now", "undef", "omit", *jinja2.Environment().globals})
_LOOKUPS = ("lookup", "query", "q")
#: To which functions a lookup may hand the variables: they take the values of its options, and search paths. Its own
#: and its base's are looked through, too.
_OF_OPTIONS = frozenset({"set_options", "find_file_in_search_path", "get_basedir", "run", "_run"})
_MISSING = object()


def needs(name: str, raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """All that the value of a variable depends on: untemplated values by name, the variable's own among them.

    None where it may depend on more: on the host.

    :param raw: the host's variables, not templated.
    """
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found[each] = raw.get(each, _MISSING)
        for text in _texts(found[each]):
            names = _names(text)
            if names is None:
                return None
            waiting += names
    return found


def met(needed: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether another host has the very same."""
    return all(_same(value, raw.get(name, _MISSING)) for name, value in needed.items())


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
def _names(text: str) -> tuple[str, ...] | None:
    """The variables that a template names; None where it may read others."""
    if text.startswith("#jinja2:"):
        return None  # its own delimiters
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(text)
        if next(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)), None):
            return None
        for kind, loader, known in (
            (nodes.Filter, filter_loader, environment.filters),
            (nodes.Test, test_loader, environment.tests),
        ):
            for node in tree.find_all(kind):
                if node.name not in known and not _blind(loader, node.name):
                    return None
                known.setdefault(node.name, lambda: None)  # Jinja asks for all before it tells any name
        names = set(meta.find_undeclared_variables(tree))
    except jinja2.TemplateError:
        return None
    called = {id(call.node): call for call in tree.find_all(nodes.Call)}
    for name in tree.find_all(nodes.Name):
        if name.name not in _LOOKUPS or name.ctx != "load":
            continue
        call = called.get(id(name))
        plugin = call.args[0] if call and call.args else None
        options = _options(plugin.value) if isinstance(plugin, nodes.Const) else None
        if options is None:
            return None
        names |= options
    return None if names & _EVERYTHING else tuple(sorted(names - _FUNCTIONS))


@functools.cache
def _blind(loader: Any, name: str) -> bool:
    """Whether a filter or test sees its input and arguments only: Jinja's and ansible-core's do."""
    try:
        plugin = loader.get(name)
    except Exception:  # of whatever is wrong with it, its call tells
        return False
    if plugin is None or getattr(plugin, "ansible_name", "").startswith("ansible.builtin."):
        return True
    return "context" not in str(getattr(plugin.j2_function, "jinja_pass_arg", "")).lower()


@functools.cache
def _options(plugin: str) -> frozenset[str] | None:
    """The variables that a lookup takes its options from; None where it may read others."""
    found = lookup_loader.get(plugin, class_only=True) if isinstance(plugin, str) else None
    if found is None or any(map(_reads_variables, found.__mro__[: found.__mro__.index(LookupBase)])):
        return None
    names: set[str] = set()
    definitions = C.config.get_configuration_definitions("lookup", found._load_name)
    for option in definitions.values():
        names |= {each["name"] for each in option.get("vars") or ()}
    return frozenset(names)


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
