"""The server of `Forks`: each run is a fork of it, and from there on the same as ansible-playbook or another.

What each run begins with, two thirds of its time, is imported once: Ansible, the plugins that most runs need, and this
collection's. Nothing of a run is here, and none runs here. Requests are lines of JSON on stdin, the answer to each is
its exit code: `{"program": "playbook", "arguments": [...], "environment": {...}, "folder": path, "outputs": [...]}`.
The outputs are the files that get stdout and stderr, which may be one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pathlib
import sys
import threading
import warnings
from typing import NoReturn

from ansible import constants
from ansible.cli import inventory, playbook, vault
from ansible.plugins import loader
from ansible.utils.path import cleanup_tmp_file

PROGRAMS = {"playbook": playbook.main, "inventory": inventory.main, "vault": vault.main}
PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
#: Of Ansible. What is kept as an object and not as a class (vars, cache) is each run's own.
USED = {
    "strategy": ["linear"], "callback": ["default"], "connection": ["local"], "shell": ["sh"],
    "inventory": ["host_list", "script", "auto", "yaml", "ini", "toml"], "lookup": ["file", "env"],
    "action": ["set_fact", "debug", "assert", "include_role", "normal", "set_stats"],
}  # fmt: skip
#: Each run reads what there is of these, and the options of each: three quarters of a short one.
ALL_OF = ("connection", "shell", "become", "callback", "filter", "test")
#: Imported when first needed, which is in every run; another core may not have one.
LATE = (
    "ansible.modules", "ansible.playbook.handler_task_include", "ansible.plugins.cache.memory",
    "ansible.plugins.doc_fragments.vars_plugin_staging", "ansible.plugins.vars.host_group_vars",
    "multiprocessing.popen_fork", "multiprocessing.synchronize",
)  # fmt: skip


def warm() -> None:
    """Load what runs would load."""
    loader.init_plugin_loader()
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    wanted = [(kind, f"ansible.builtin.{name}") for kind, names in USED.items() for name in names]
    for kind in ("action", "inventory"):
        wanted += [(kind, f"k0rdent.kof.{file.stem}") for file in (PLUGINS / kind).glob("[!_]*.py")]
    for kind, name in wanted:
        getattr(loader, f"{kind}_loader").get(name, class_only=True)
    for kind in ALL_OF:
        list(getattr(loader, f"{kind}_loader").all(class_only=kind not in ("filter", "test")))
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # What is there now is never looked at again, so that forks share its memory.
    gc.collect()
    gc.freeze()


def temporary(modules: str) -> None:
    """Give a fork a local_tmp of its own, below its own HOME, that it removes at its end.

    But for built modules, which all find in the server's: building one takes as long as much else of a run.
    """
    atexit.unregister(cleanup_tmp_file)  # the server's is the server's to remove
    for name in ("ANSIBLE_HOME", "DEFAULT_LOCAL_TMP"):
        setattr(constants, name, constants.config.get_config_value(name, variables=vars(constants)))
    os.symlink(modules, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))


def leave(code: object) -> NoReturn:
    """As the interpreter ends, but that what was imported isn't taken apart, piece by piece: a tenth of a second."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as is done first
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else bool(code))


def serve() -> None:
    modules = os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
    os.mkdir(modules)
    # Not `for line in sys.stdin`: that reads ahead, and a fork would take what it read with it.
    while line := sys.stdin.readline():
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(request["environment"])
            for stream, path in zip((1, 2), request["outputs"], strict=True):
                output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.dup2(output, stream)
                os.close(output)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(request["folder"])
            temporary(modules)
            program = request["program"]
            try:
                PROGRAMS[program]([f"ansible-{program}", *request["arguments"]])
            except SystemExit as end:
                leave(end.code)
            leave(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    warm()
    serve()
