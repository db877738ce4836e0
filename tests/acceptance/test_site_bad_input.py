"""Every kind of bad input in site_bad_inputs.py ends the run before any change, with one message; where many are in one
inventory, the run names each of them.

The mothership is empty here, as before a first run: what the message must not be hidden behind is all that will come.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import yaml
from site_bad_inputs import CASES, EVERY, HOSTS, MOTHERSHIP, TOGETHER, US_CHILD, BadInput, host_of, says_together
from support import REPOSITORY, Run, Sandbox

#: At once: the machine has two cores, and a run is one process that reads and waits little.
PARALLEL = 2
#: A run that finds its fault takes some seconds; one that doesn't would go on to install (seconds).
LIMIT = 600

#: Whose variables cases that are together spoil; a cluster's case has a host of its own.
TOGETHER_ON = (EVERY, MOTHERSHIP)

#: Nothing is wrong with it: the sandbox's own inventory.
CALM = BadInput("nothing wrong", "")
#: What a run printed, and what the collection's user changed meanwhile.
Result = tuple[Run, list[str]]


def prepared(case: BadInput, sandbox: Sandbox, work: pathlib.Path) -> tuple[list[str], dict[str, str]]:
    """Lay out a case's folder. Returns ansible-playbook's arguments, the playbook first, and its environment."""

    def filled(text: str) -> str:
        return text.replace("{work}", str(work)).replace("{sandbox}", str(sandbox.folder))

    inventory = work / "inventory"
    shutil.copytree(REPOSITORY / "inventories" / "sandbox", inventory)
    (inventory / "host_vars").mkdir(exist_ok=True)
    if case.hosts is not None:
        (inventory / "hosts.yml").write_text(case.hosts)
    for path in inventory.rglob("*.yml"):
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not any(text in line for text in case.cut)]
        path.write_text("".join(kept))
    for key, text in case.variables.items():
        for host in HOSTS if key == EVERY else (key,):
            with open(inventory / "host_vars" / f"{host}.yml", "a") as file:
                file.write(filled(text) + "\n")
    for name, text in case.files.items():
        (work / name).write_text(filled(text))
        (work / name).chmod(0o755)
    if "\n" in case.playbook:
        (work / "play.yml").write_text(case.playbook)
        playbook = work / "play.yml"
    else:
        playbook = REPOSITORY / "playbooks" / f"{case.playbook}.yml"
    where = inventory if case.inventory else work / "nowhere"
    arguments = [str(playbook), "-i", str(where), *map(filled, case.arguments)]
    return arguments, {name: filled(text) for name, text in case.environment.items()}


def prepared_together(cases: list[BadInput], work: pathlib.Path) -> list[str]:
    """The same for cases that are one run. A cluster's is a host like the sandbox's; others' are variables of these."""
    inventory = work / "inventory"
    shutil.copytree(REPOSITORY / "inventories" / "sandbox", inventory)
    (inventory / "host_vars").mkdir(exist_ok=True)
    groups = yaml.safe_load((inventory / "hosts.yml").read_text())
    for case in cases:
        ((key, text),) = case.variables.items()
        hosts = HOSTS if key == EVERY else (key,)
        if key not in TOGETHER_ON:
            hosts = (host_of(case),)
            group = groups["kof_child" if key == US_CHILD else "kof_regional"]["hosts"]
            group[hosts[0]] = dict(group[key])
            if key != US_CHILD:
                group[hosts[0]]["regional_domain"] = f"{hosts[0]}.kof.example.com"
        for host in hosts:
            with open(inventory / "host_vars" / f"{host}.yml", "a") as file:
                file.write(text + "\n")
    (inventory / "hosts.yml").write_text(yaml.safe_dump(groups))
    # The message has ten faults; the result, which -v shows, has all.
    return [str(REPOSITORY / "playbooks" / "preflight.yml"), "-i", str(inventory), "-v"]


def lines(output: str) -> list[str]:
    """What a person reads, line by line: Ansible writes a message once as text and once escaped as JSON."""
    return output.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\").splitlines()


def together(case: BadInput) -> str:
    """The run that it is in with others; empty if it has one of its own."""
    return next((name for name, cases in TOGETHER.items() if case in cases), "")


class Runner:
    """Runs the cases: those that leave the mothership alone two at a time ahead of their tests, the others by turns."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path, ahead: Iterable[BadInput]) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._pool = ThreadPoolExecutor(PARALLEL)
        self._ahead: dict[str, Future[Result]] = {}
        shared: dict[str, list[BadInput]] = {}
        for case in ahead:
            if name := together(case):
                shared.setdefault(name, []).append(case)
            else:
                self._ahead[case.name] = self._pool.submit(self._run, case)
        for name, cases in shared.items():
            arguments = prepared_together(cases, self._work(name))
            self._ahead |= dict.fromkeys([case.name for case in cases], self._pool.submit(self._seen, arguments, {}))

    def _work(self, name: str) -> pathlib.Path:
        work = self._folder / re.sub(r"\W+", "-", name)
        work.mkdir(parents=True)
        return work

    def _run(self, case: BadInput) -> Result:
        return self._seen(*prepared(case, self._sandbox, self._work(case.name)))

    def _seen(self, arguments: list[str], environment: dict[str, str]) -> Result:
        mark = self._sandbox.audit_mark()
        run = self._sandbox.run(arguments, LIMIT, environment)
        return run, self._sandbox.mutations_since(mark)

    def __call__(self, case: BadInput) -> Result:
        return self._ahead[case.name].result() if case.name in self._ahead else self._run(case)

    def settle(self) -> None:
        """Wait for all that were started ahead; what fails in one belongs to its own test."""
        for future in self._ahead.values():
            future.exception()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def run(
    fresh_sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    selected = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "case" in item.callspec.params
    ]
    ahead = [case for case in selected if isinstance(case, BadInput) and not case.alone]
    runner = Runner(fresh_sandbox, tmp_path_factory.mktemp("bad-input"), [CALM, *ahead])
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def kof_namespace(fresh_sandbox: Sandbox) -> Iterator[None]:
    """Once for all cases with objects in it: a namespace takes seconds to go."""
    fresh_sandbox.kubectl("create", "namespace", "kof")
    yield
    fresh_sandbox.kubectl("delete", "namespace", "kof")


@pytest.fixture
def spoilt(case: BadInput, fresh_sandbox: Sandbox, run: Runner, request: pytest.FixtureRequest) -> Iterator[None]:
    """The mothership as the case wants it, mended afterwards."""
    if not case.alone:
        yield
        return
    run.settle()
    if case.in_kof:
        request.getfixturevalue("kof_namespace")
    objects = [text for text in (case.objects, case.in_kof) if text]
    try:
        for text in objects:
            fresh_sandbox.kubectl("apply", "-f", "-", stdin=text)
        for spoil, _mend in case.patches:
            fresh_sandbox.kubectl(*spoil)
        if case.faults:
            fresh_sandbox.command("fault", *case.faults)
            until(fresh_sandbox, ready=False)
        yield
    finally:
        if case.faults:
            fresh_sandbox.command("fault", "--clear")
            until(fresh_sandbox, ready=True)
        for _spoil, mend in case.patches:
            fresh_sandbox.kubectl(*mend)
        for text in objects:
            fresh_sandbox.kubectl("delete", "-f", "-", "--ignore-not-found", "--timeout=600s", stdin=text)


def until(sandbox: Sandbox, *, ready: bool) -> None:
    """Wait until kcm agrees whether the fleet's Credential is ready."""
    end = time.monotonic() + 300
    while True:
        item = sandbox.get("credential", "-n", "kcm-system", "aws-cluster-identity-cred")
        if item.get("status", {}).get("ready", False) is ready:
            return
        assert time.monotonic() < end, item
        time.sleep(0.2)


def test_the_inventory_the_cases_start_from_is_good(run: Runner) -> None:
    result, mutations = run(CALM)
    assert result.code == 0, result.output
    assert mutations == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"\W+", "-", case.name))
def test_bad_input_ends_before_any_change(case: BadInput, spoilt: None, run: Runner) -> None:
    result, mutations = run(case)
    assert result.code != 0, result.output
    says = says_together(case) if together(case) else case.says
    assert any(re.search(says, line) for line in lines(result.output)), result.output
    assert mutations == []
    assert result.total("changed") == 0
    assert "Traceback" not in result.output
    assert "MODULE FAILURE" not in result.output
    text = result.output + json.dumps(result.events)
    assert [secret for secret in case.hides if secret in text] == []
