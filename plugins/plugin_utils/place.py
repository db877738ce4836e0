# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which management cluster a task speaks to: everything that Ansible lets one say it by, heard as kubernetes.core's
actions hear it, so that all actions and modules of a play speak to one.

What the options then amount to is module_utils/k8s/kubeconfig.py. Nothing is sent here.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleFileNotFound, AnsibleValueOmittedError
from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import exec_plugin, kubeconfig, kubeconfig_fields
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, connect, warned
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import CONNECTION_OPTIONS, Said
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import faults_of, settled
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.unwritable import LOCAL_TMP, unwritable
from ansible_collections.k0rdent.kof.plugins.plugin_utils import core_internals, leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.controller import delegated
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import observer, warn

#: kof_* variables that are kubernetes.core's connection options, by option name.
CONNECTION_VARIABLES = {
    name: f"kof_{name}"
    for name in (
        "kubeconfig", "context", "host", "api_key", "username", "password", "client_cert", "client_key", "ca_cert",
        "validate_certs", "proxy", "no_proxy", "impersonate_user", "impersonate_groups",
    )
}  # fmt: skip
#: The options that choose a server.
_NAMING = ("kubeconfig", "context", "host")
_MEMFD_NAME_LIMIT = 249
#: Where what exec plugins gave is for all of a run: core imports the code of actions and inventories in the process
#: that it forks all others from, and that lives until the run's end.
_CREDENTIALS = exec_plugin.shared_memory()


@contextlib.contextmanager
def environment(action: ActionBase) -> Iterator[dict[str, Said]]:
    """The task's keyword `environment` in this process, as a module's would have it; who said each variable of it.

    An action runs in a process of its own, so nobody else sees it.
    """
    given = core_internals.keyword_environment(action)
    before = dict(os.environ)
    os.environ.update({str(name): str(value) for name, value in given.items()} | {exec_plugin.SHARED: _CREDENTIALS})
    try:
        yield {
            str(name): Said(kubeconfig.BY_KEYWORD, f"{name} of the keyword environment{_in(value)}")
            for name, value in given.items()
        }
    finally:
        os.environ.clear()
        os.environ.update(before)


def controllers_environment() -> dict[str, str]:
    """This process's environment for a connection that no action makes, but the controller itself."""
    return {**os.environ, exec_plugin.SHARED: _CREDENTIALS}


@contextlib.contextmanager
def arguments(action: ActionBase, task_vars: Mapping[str, Any]) -> Iterator[dict[str, Said]]:
    """Have the task's own arguments say all that was said about the cluster: the keyword `environment` is this
    process's, kof_* variables stand in for options that aren't given, a kubeconfig is where a module finds it.

    Gives who said what. Raises ApiUnavailable for what names no cluster, or more than one.
    """
    task = core_internals.task_of(action)
    written = task.args
    args = dict(written)
    said = by_options(args)
    for name, variable in CONNECTION_VARIABLES.items():
        names = (name, *CONNECTION_OPTIONS[name].get("aliases", ()))
        if variable in task_vars and all(args.get(each) is None for each in names):
            value = templated(action, variable, task_vars[variable])
            if value is not None:
                leaving.hear(task_vars, [variable], {variable: value})
                args[name], said[name] = value, by_variable(variable, task_vars[variable], task_vars)
    # On another machine its environment and its files count, as they do for every module.
    if core_internals.connection_of(action).transport != "local":
        task.args = args
        yield said
        return
    with environment(action) as by_keyword:
        machine = delegated(action, task_vars)
        if machine:
            raise ApiUnavailable(
                f"delegate_to names {machine}, but the connection is local, so this would run here: give {machine} "
                "its ansible_connection, or take delegate_to away"
            )
        said |= by_keyword
        heard = {name: args.get(name) for name in CONNECTION_OPTIONS}
        unheard(action, heard, said)
        kubeconfig.judged(heard, os.environ, said)
        if args.get("kubeconfig"):
            args["kubeconfig"] = found(action, args["kubeconfig"])
        task.args = args
        try:
            yield said
        finally:
            # Callbacks get the task as it is in the end, and shall find nothing in it that was not written there.
            task.args = written


def by_variable(name: str, raw: Any, task_vars: Mapping[str, Any]) -> Said:
    """Who said a kof_* variable; `raw`: its value with the tags that Ansible gave it."""
    extra = core_internals.extra_variables(task_vars["hostvars"]) if "hostvars" in task_vars else {}
    where = " of the extra variables (-e)" if name in extra else _in(raw) or " of the inventory"
    return Said(kubeconfig.BY_VARIABLE, f"{name}{where}")


def by_options(options: Mapping[str, Any]) -> dict[str, Said]:
    """Who said the connection's options that a task gives."""
    return {name: _by_task(name, options[name]) for name in CONNECTION_OPTIONS if options.get(name) is not None}


def unheard(action: ActionBase, options: Mapping[str, Any], said: Mapping[str, Said]) -> None:
    """Raise ApiUnavailable where module_defaults name a cluster for other modules of the same play, and not for this.

    That is another cluster for another action of ours, or any for kubernetes.core's where nothing nearer to this task
    than the environment names one.
    """
    named = any(options.get(name) and said[name].rank <= kubeconfig.BY_VARIABLE for name in _NAMING if name in said)
    for name, raw in _module_defaults(action).items():
        of = name.removeprefix("group/")
        ours = of.startswith("k0rdent.kof.") and of != "k0rdent.kof.kof"
        if not (ours or (_kubernetes_cores(of) and not named)):
            continue
        task = core_internals.task_of(action)
        try:
            values = core_internals.templated(action, raw)
        except AnsibleError as error:
            raise ApiUnavailable(
                f"module_defaults for {name}{_in(raw)} can't be read: {telling.of_template(error)}"
            ) from None
        where = {key: values[key] for key in _NAMING if values.get(key)} if isinstance(values, Mapping) else {}
        if any(options.get(key) != value for key, value in where.items()):
            raise ApiUnavailable(
                f"which management cluster? module_defaults name one for {name}{_in(raw)}, which isn't that of "
                f"{task.action}: give it to group/k0rdent.kof.kof, which holds all of k0rdent.kof"
            )


def _module_defaults(action: ActionBase) -> dict[str, Any]:
    """By module or group, with the collection's name, what was said last."""
    entries: dict[str, Any] = {}
    for each in core_internals.task_of(action).module_defaults or []:
        entries.update(each)
    return entries


def _kubernetes_cores(module_or_group: str) -> bool:
    return module_or_group.startswith("kubernetes.core.") or module_or_group == "ansible.builtin.k8s"


def found(action: ActionBase, named: Any) -> Any:
    """A task's kubeconfig option as `readable` gives it.

    Relative paths are searched as kubernetes.core does (files/ of role and playbook, and these themselves), then so at
    the playbook that was called, and in the working folder. Raises ApiUnavailable.
    """

    def find(path: str) -> str:
        with contextlib.suppress(AnsibleFileNotFound):
            return os.path.abspath(core_internals.file_of_role_or_playbook(action, "files", path))
        folders = [os.path.join(folder, *files) for folder in called_from() for files in (("files",), ())]
        for folder in (*folders, os.getcwd()):
            if os.path.isfile(os.path.join(folder, path)):
                return os.path.join(folder, path)
        looked = "" if path.startswith(("/", "~")) else f" in files/ of role and playbook, beside it, in {os.getcwd()}"
        raise ApiUnavailable(f"there is no kubeconfig {path}{looked}: give the path of one, or host")

    return readable(named, find, core_internals.loader_of(action))


def connected(options: Mapping[str, Any], said: Mapping[str, Said]) -> Connection:
    """The connection of an action, and the warnings that it brings.

    :param options: all that the action knows of it, and others.
    :param said: who said them. Raises ApiUnavailable.
    """
    return warned(connect({name: options.get(name) for name in CONNECTION_OPTIONS}, said=said), warn, observer())


def readable(named: Any, find: Callable[[str], str], loader: Any) -> str:
    """A kubeconfig option as what any process of this user can open: the paths of its files, absolute; or, where it is
    the content or a file is vaulted, the path of all of it in memory.

    :param find: gives the absolute path of a file by its name, or raises ApiUnavailable.
    :param loader: Ansible's, with the vault's passwords.
    """
    try:
        named = to_plain(named)
    except NotPlain as problem:
        raise ApiUnavailable(f"kubeconfig: {problem}") from None
    content = kubeconfig.content_of(named)
    if content is not None:
        content = kubeconfig_fields.typed(content, "kubeconfig given as its content")
        return _in_memory("given as its content", kubeconfig.localised(content, os.getcwd()))
    files = [find(os.path.expandvars(path)) for path in kubeconfig.paths_of(named)]
    if not any(map(_is_vaulted, files)):
        return os.pathsep.join(files)
    return _in_memory(os.pathsep.join(files), kubeconfig.merged(files, explicit=True, read=_reader(loader)))


def as_kubernetes_core(action: ActionBase, values: Mapping[str, Any], said: Mapping[str, Said]) -> bool:
    """Whether a module of kubernetes.core with the kof_* variables as its options, in the same play, is sure to reach
    the cluster that `said` tells the sayers of: it knows nothing of what was given to our own options, nor every place
    where a kubeconfig is searched here, and what is a dictionary would be among its arguments. And defaults of its
    group stand in for each option that it isn't given: a host among them wins over kof_kubeconfig.

    :param values: of the kof_* variables, by the names of its options.
    """
    if any(name.startswith("group/") and _kubernetes_cores(name[6:]) for name in _module_defaults(action)):
        return False
    # It takes texts as they are, quotes what it can't send, and has URLs with logins among its arguments.
    texts = [value for value in values.values() if isinstance(value, str)]
    texts += [value for name, value in os.environ.items() if name.startswith("K8S_AUTH_")]
    if any(each != each.strip() or telling.logins(each) for each in texts):
        return False
    if kubeconfig.content_of(os.environ.get("K8S_AUTH_KUBECONFIG", "")) is not None:
        return False
    named = values.get("kubeconfig")
    by_task = any(each.rank == kubeconfig.BY_TASK for each in said.values())
    paths = named.split(os.pathsep) if isinstance(named, str) else [named]
    return not by_task and all(each is None or str(each).startswith(("/", "~")) for each in paths)


def called_from() -> list[str]:
    """The folders of the playbooks that ansible-playbook was called with; of a collection's own, the working folder."""
    return [
        os.path.dirname(os.path.abspath(each)) if os.path.isfile(each) else os.getcwd()
        for each in core_internals.arguments()
    ]


def origin(value: Any) -> str:
    """File and line of a value, as far as Ansible's data tags tell; only ever shown, never decided by."""
    path, line = core_internals.origin(value)
    return f"{path}:{line}" if line else path


def written(value: Any) -> str:
    """A plain scalar as its file has it, by its tag; empty where that isn't known. For what YAML reads otherwise."""
    path, _colon, line = origin(value).rpartition(":")
    column = core_internals.column(value)
    if not path or not line.isdigit() or not column:
        return ""
    lines = _lines(path)
    text = lines[int(line) - 1][column - 1 :] if int(line) <= len(lines) else ""
    return re.split(r"[\s,\]}#]", text, maxsplit=1)[0]


@functools.lru_cache(64)
def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def _by_task(name: str, value: Any) -> Said:
    return Said(kubeconfig.BY_TASK, f"option {name}{_in(value)}")


def _in(value: Any) -> str:
    """` in <file>:<line>`, short where the file is below the working folder; empty where it isn't known."""
    where = origin(value)
    below = os.getcwd() + os.sep
    return f" in {where.removeprefix(below)}" if where else ""


def templated(action: ActionBase, name: str, raw: Any) -> Any:
    """The value of a kof_* variable; None where it is unset."""
    try:
        values = settled("mothership", {name: to_plain(core_internals.templated(action, raw))})
    except AnsibleValueOmittedError:
        return None
    except (AnsibleError, NotPlain):
        # Not quoted: it may hold a password.
        raise ApiUnavailable(
            f"{name}{_in(raw)} can't be read: a template in it fails, or no vault password fits"
        ) from None
    for fault in faults_of("mothership", values):
        if fault.variable == name:
            raise ApiUnavailable(str(fault))
    return values.get(name)


def _is_vaulted(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return stream.read(len(kubeconfig.VAULTED)) == kubeconfig.VAULTED.encode()
    return False


def _reader(loader: Any) -> Callable[[str], str]:
    def read(path: str) -> str:
        try:
            return str(loader.get_text_file_contents(path))
        except AnsibleError:
            raise ApiUnavailable(
                f"the kubeconfig {path} is encrypted by Ansible Vault, and no given vault password fits: see "
                "--vault-password-file, or the Vault credential of AWX"
            ) from None

    return read


def _in_memory(name: str, content: Mapping[str, Any]) -> str:
    """A path under which only processes of this user, and only while this one lives, can read a kubeconfig; where the
    system has no files in memory, a file of mode 0600 that goes with Ansible's temporary folder."""
    data = json.dumps(content, default=str).encode()
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create(name.encode()[:_MEMFD_NAME_LIMIT].decode(errors="ignore"))
        os.fchmod(descriptor, 0o600)
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
    else:
        try:
            descriptor, path = tempfile.mkstemp(dir=C.DEFAULT_LOCAL_TMP)
        except OSError as error:
            raise ApiUnavailable(unwritable(error, "a kubeconfig", C.DEFAULT_LOCAL_TMP, LOCAL_TMP)) from None
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise ApiUnavailable(unwritable(error, "a kubeconfig", path, LOCAL_TMP)) from None
    return path
