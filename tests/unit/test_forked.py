"""A run that is a fork is what the program itself does: same words, same exit code, its own environment."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from forked import REPOSITORY, Forks

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "{{ lookup('ansible.builtin.env', 'KOF_WORD') }} at {{ playbook_dir }}"}
    - k0rdent.kof.fleet_preflight:
"""

WHERE = """
import os
import tempfile

from ansible import constants
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **_options):
        open(os.path.join(constants.DEFAULT_LOCAL_TMP, "left"), "w").close()
        return [constants.DEFAULT_LOCAL_TMP, tempfile.gettempdir()]
"""
OF_A_HOME = """
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **_options):
        return ["of this home"]
"""


def test_a_fork_does_what_the_program_does(tmp_path: pathlib.Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")}
    environment = {**clean, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    arguments = ["-i", "localhost,", str(tmp_path / "play.yml")]
    forks = Forks()
    try:
        code, told = forks.run(arguments, environment | {"KOF_WORD": "first"}, timeout=300)
        assert f"first at {tmp_path}" in told
        done = subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=REPOSITORY,
            env=environment | {"KOF_WORD": "first"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (code, told) == (done.returncode, done.stdout)
        assert code == 2
        _code, told = forks.run(arguments, environment, timeout=300)
        assert "first" not in told
        with pytest.raises(AssertionError, match=r"no end in 0\.01 seconds"):
            forks.run(arguments, environment, timeout=0.01)
    finally:
        forks.end()


def test_a_fork_is_at_its_own_home_and_leaves_nothing_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lookup_plugins").mkdir()
    (tmp_path / "lookup_plugins" / "where.py").write_text(WHERE)
    play = {"hosts": "localhost", "gather_facts": False, "connection": "local"}
    tasks = [{"ansible.builtin.debug": {"msg": "{{ query('where') | join(' ') }}"}}, {"ansible.builtin.ping": None}]
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": tasks}]))
    asks = "{{ query('of_a_home') }}"
    (tmp_path / "home.yml").write_text(json.dumps([{**play, "tasks": [{"ansible.builtin.debug": {"msg": asks}}]}]))
    config = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")} | config
    forks = Forks()
    try:
        for name in ("first", "second"):
            home, scratch = tmp_path / name, tmp_path / f"{name}-tmp"
            home.mkdir()
            scratch.mkdir()
            environment = clean | {"HOME": str(home), "TMPDIR": str(scratch)}
            arguments = ["-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"]
            code, told = forks.run([*arguments, str(tmp_path / "play.yml")], environment, timeout=300)
            assert code == 0, told
            ((local, temporary),) = re.findall(r'"msg": "(\S+) (\S+)"', told)
            assert local.startswith(f"{home}/.ansible/tmp/ansible-local-"), told
            assert temporary == str(scratch)
            assert not pathlib.Path(local).exists()
        assert len(forks._idle) == 1  # both homes were bare
        assert not [*(tmp_path / "second").glob(".ansible/tmp/*")]
        (home / ".ansible" / "plugins" / "lookup").mkdir(parents=True)
        (home / ".ansible" / "plugins" / "lookup" / "of_a_home.py").write_text(OF_A_HOME)
        code, told = forks.run([*arguments, str(tmp_path / "home.yml")], environment, timeout=300)
        assert code == 0, told
        assert "of this home" in told
    finally:
        forks.end()
    assert not [*(tmp_path / "first").glob(".ansible/tmp/*")]


#: What a run imports that was not there before, as its last line.
AS_A_FORK = """
import os, sys
from forked import __main__ as server
server.warm()
there, path = set(sys.modules), sys.argv[1:]
try:
    server.PROGRAMS["playbook"](["ansible-playbook", *path])
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(set(sys.modules) - there))
"""


def test_a_short_run_finds_all_that_it_imports(tmp_path: pathlib.Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY.replace("    - k0rdent.kof.fleet_preflight:\n", ""))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")}
    environment = {**clean, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "PYTHONPATH": str(REPOSITORY / "tests")}
    command = [sys.executable, "-c", AS_A_FORK, "-i", "localhost,", str(tmp_path / "play.yml")]
    told = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True).stdout
    assert "ok=1" in told
    assert not re.findall(r"\bansible\.plugins\.\S+", told.splitlines()[-1])


def test_a_program_around_finds_forks_for_ansible_playbook(tmp_path: pathlib.Path) -> None:
    """Output and complaints apart, each in its folder and with its environment, also two at a time; and its own end."""
    (tmp_path / "play.yml").write_text(PLAY.replace("    - k0rdent.kof.fleet_preflight:\n", ""))
    (tmp_path / "broken.yml").write_text("- hosts: localhost\n  tasks: [{no.such.module: }]\n")
    script = f"""
    cd {tmp_path}
    KOF_WORD=first ansible-playbook -i localhost, play.yml > first &
    KOF_WORD=second ansible-playbook -i localhost, play.yml
    wait
    ansible-playbook -i localhost, --syntax-check broken.yml > nothing || echo "ended with $?"
    exit 7
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOF_")}
    environment = {**clean, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "PYTHONPATH": str(REPOSITORY / "tests")}
    command = [sys.executable, "-m", "forked.around", "sh", "-c", script]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment | {"ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert f"second at {tmp_path}" in done.stdout
    assert f"first at {tmp_path}" in (tmp_path / "first").read_text()
    assert "ended with 4" in done.stdout
    assert "no.such.module" in done.stderr
    assert "no.such.module" not in done.stdout + (tmp_path / "nothing").read_text()
