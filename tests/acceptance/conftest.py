"""The sandboxes of an acceptance run: started when first asked for, ended as soon as nobody needs them any more (not
with KOF_ACCEPTANCE_KEEP=1). What runs without need takes time from the tests.

What is promised at every line of kof is a test of a file marked `lines`: it runs on 0.1 and, as a long one, on the
others.
"""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Iterator

import pytest
from support import REPOSITORY, Sandbox

from sandbox import lines
from sandbox.fixtures import ControlPlane, running_control_plane

GIVEN, KEEP = os.environ.get("KOF_FLEET_DIR"), os.environ.get("KOF_ACCEPTANCE_KEEP")
#: In the state folder: what the clusterless sandbox holds, unless nothing was ever installed on it.
HOLDS = "holds"
FLEET, ANYTHING = "the mothership, and no cluster", "anything"
#: Of the charts none has the real one's size: what that breaks is shown on one that has clusters.
CLUSTERLESS = ("--clusters", "none", "--charts", "small")
OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in lines.NAMES if name != lines.LINE_0_1.name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "line" in metafunc.fixturenames and metafunc.definition.get_closest_marker("lines"):
        metafunc.parametrize("line", [lines.LINE_0_1.name, *OTHERS], indirect=True, scope="module")


@pytest.hookimpl(tryfirst=True)  # before `-m` is heeded
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order in which the clusterless sandbox has to change least: who needs it untouched comes first.

    Tests of those on it are `shared`, or `bare` where they install kof themselves, the others `own`.
    """
    wanted: dict[pathlib.Path, set[str]] = collections.defaultdict(set)
    for item in items:
        wanted[item.path] |= set(getattr(item, "fixturenames", ()))

    def turn(item: pytest.Item) -> int:
        fixtures = wanted[item.path]
        if "clusterless" not in fixtures:
            return 0
        return 1 if "fresh_sandbox" in fixtures else 2 if "fleet_sandbox" in fixtures else 3

    def line(item: pytest.Item) -> int:
        """Its place among the lines: of clusterless sandboxes one runs at a time."""
        called = getattr(item, "callspec", None)
        return lines.NAMES.index(called.params.get("line", lines.LINE_0_1.name)) if called else 0

    items.sort(key=lambda item: (line(item), turn(item)))
    for item in items:
        item.add_marker(("own", "shared", "shared", "bare")[turn(item)])


@pytest.fixture(scope="module")
def line(request: pytest.FixtureRequest) -> str:
    """Of kof, that the sandboxes are of."""
    return getattr(request, "param", lines.LINE_0_1.name)


@pytest.fixture(scope="module")
def sandbox(line: str, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """With a control plane for each cluster. For one file: five control planes are no neighbours for other tests.

    Of the charts one is as large as the real one in files marked `real_size`: two seconds of CPU of each install on the
    management cluster, and on each child, are for that alone.
    """
    charts = "real" if request.node.get_closest_marker("real_size") else "small"
    folder = pathlib.Path(os.environ.get("KOF_ACCEPTANCE_DIR", REPOSITORY / ".work" / "acceptance"))
    yield from _running(Sandbox(folder), "--line", line, "--charts", charts)


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """For one file too: thousands of objects stay on it."""
    yield from running_control_plane(tmp_path_factory)


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The folder of the clusterless sandbox, whether it runs or not. A run of nothing but `bare` tests has another
    than the rest, so that both may run at a time."""
    bare = all(item.get_closest_marker("bare") for item in request.session.items)
    running = Sandbox(pathlib.Path(GIVEN or REPOSITORY / ".work" / f"acceptance-{'bare' if bare else 'fleet'}"))
    if not (GIVEN and (running.folder / HOLDS).exists()):
        running.command("down")
    yield running
    if not GIVEN and not KEEP:
        running.command("down")


@pytest.fixture(scope="module")
def clusterless(shared: Sandbox, line: str) -> Sandbox:
    """One sandbox whose clusters get no control planes, for the fixtures below, which say what it holds.

    $KOF_FLEET_DIR names the folder of one that is to be used, and left running, for those who run one test again and
    again.
    """
    if not shared.running or shared.endpoints["line"] != line:
        shared.command("down")
        shared.command("up", *CLUSTERLESS, "--line", line)
    return shared


@pytest.fixture(scope="module")
def fresh_sandbox(clusterless: Sandbox) -> Sandbox:
    """A management cluster as k0rdent leaves it, and no clusters. Its tests install nothing."""
    if (clusterless.folder / HOLDS).exists():
        line = clusterless.endpoints["line"]
        clusterless.command("down")
        clusterless.command("up", *CLUSTERLESS, "--line", line)
    return clusterless


@pytest.fixture(scope="module")
def fleet_sandbox(clusterless: Sandbox) -> Sandbox:
    """For many clusters. The mothership is installed, no cluster is there.

    Its tests may leave nothing behind: each deletes the clusters it made, and ends its faults.
    """
    if _holds(clusterless) != FLEET:
        _empty(clusterless)
        installed = clusterless.playbook("site", "--limit", "mothership")
        assert installed.code == 0, installed.output
        (clusterless.folder / HOLDS).write_text(FLEET)
    return clusterless


@pytest.fixture(scope="module")
def own_sandbox(clusterless: Sandbox) -> Sandbox:
    """A management cluster without kof; only CRDs may be left of an earlier one. Its tests may leave what they like."""
    _empty(clusterless)
    return clusterless


def _holds(clusterless: Sandbox) -> str:
    file = clusterless.folder / HOLDS
    return file.read_text() if file.exists() else ""


def _empty(clusterless: Sandbox) -> None:
    # Tests of `clusterless` itself say nothing of what they leave.
    if _holds(clusterless) or clusterless.kubectl("get", "namespace", "kof", "--ignore-not-found"):
        clusterless.take_kof_away()
    (clusterless.folder / HOLDS).write_text(ANYTHING)


def _running(running: Sandbox, *arguments: str) -> Iterator[Sandbox]:
    running.command("down")
    running.command("up", *arguments)
    yield running
    if not KEEP:
        running.command("down")
