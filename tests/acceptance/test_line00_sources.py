"""Where the charts of line 0.0 come from, now that upstream's repository is gone: a mirror with an index, an OCI
registry, a folder; one after the other on one management cluster. And what is said where there are none.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess

import first_guide
import pytest
from first_guide import CHILD, REGION
from support import Run, Sandbox

pytestmark = [pytest.mark.long, pytest.mark.parametrize("line", ["0.0"], indirect=True, scope="module")]

TEMPLATES = ("cert-manager", "kof-collectors", "kof-operators", "kof-storage")


@pytest.fixture(scope="module")
def inventory(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    return own_sandbox.inventory(tmp_path_factory.mktemp("sources"), first_guide.FLEET)


@pytest.fixture(scope="module")
def index(own_sandbox: Sandbox) -> str:
    return own_sandbox.endpoints["chart_repository"]


@pytest.fixture(scope="module")
def packages(own_sandbox: Sandbox) -> list[pathlib.Path]:
    """kof's own, as the sandbox made them."""
    return sorted((own_sandbox.folder / "chart-packages" / "packages").glob("kof-*-0.1.0.tgz"))


def mothership(sandbox: Sandbox, inventory: str, repository: str, *more: str) -> Run:
    given = {"kof_chart_repository": repository, "kof_chart_repository_plain_http": "://" in repository}
    return sandbox.playbook("mothership", "-e", json.dumps(given), *more, inventory=inventory)


def repository_of(sandbox: Sandbox) -> tuple[str, str]:
    """What Flux gets the services' charts from."""
    spec = sandbox.get("helmrepository", "-n", "kcm-system", "kof")["spec"]
    return spec["url"], spec["type"]


def assert_installed(sandbox: Sandbox, run: Run) -> None:
    assert run.code == 0, run.output
    releases = json.loads(sandbox.helm("list", "-n", "kof", "-o", "json"))
    assert {each["chart"] for each in releases} == {"kof-operators-0.1.0", "kof-mothership-0.1.0"}
    for name in TEMPLATES:
        assert sandbox.get("servicetemplate", "-n", "kcm-system", name)["status"]["valid"] is True, name


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("https://k0rdent.github.io/kof", "deleted"),
        ("oci://ghcr.io/k0rdent/kof/charts", "0.1"),
        ("http://127.0.0.1:1/kof", "127.0.0.1:1"),
    ],
)
def test_without_charts_nothing_is_touched(own_sandbox: Sandbox, inventory: str, repository: str, told: str) -> None:
    mark = own_sandbox.audit_mark()
    plain = {"kof_chart_repository": repository, "kof_chart_repository_plain_http": repository.startswith("http:")}
    run = own_sandbox.playbook("site", "-e", json.dumps(plain), inventory=inventory)
    assert run.code != 0
    assert "kof_chart_repository" in run.output
    assert told in run.output
    assert "Traceback" not in run.output
    assert own_sandbox.mutations_since(mark) == []


def test_an_oci_registry(own_sandbox: Sandbox, inventory: str, packages: list[pathlib.Path]) -> None:
    mirror = f"oci://{own_sandbox.endpoints['registry']}/mirror/charts"
    assert len(packages) == 4
    for package in packages:
        push = [own_sandbox.endpoints["helm"], "push", str(package), mirror, "--plain-http"]
        subprocess.run(push, check=True, capture_output=True)
    assert_installed(own_sandbox, mothership(own_sandbox, inventory, mirror))
    assert repository_of(own_sandbox) == (mirror, "oci")


def test_another_source_is_followed(own_sandbox: Sandbox, inventory: str, index: str) -> None:
    assert_installed(own_sandbox, mothership(own_sandbox, inventory, index))
    assert repository_of(own_sandbox) == (index, "default")
    again = mothership(own_sandbox, inventory, index)
    assert (again.code, again.total("changed")) == (0, 0), again.output


@pytest.mark.parametrize("packed", [True, False], ids=["packages", "folders"])
def test_a_folder_of_the_controller(
    own_sandbox: Sandbox, inventory: str, index: str, packages: list[pathlib.Path], tmp_path: pathlib.Path, packed: bool
) -> None:
    """Flux can't reach it: where it gets the services' charts is said beside it."""
    for package in packages:
        if packed:
            shutil.copy(package, tmp_path)
        else:
            shutil.unpack_archive(package, tmp_path, filter="data")
    alone = mothership(own_sandbox, inventory, str(tmp_path))
    assert alone.code != 0
    assert "mothership_values" in alone.output
    values = json.dumps({"mothership_values": {"kcm": {"kof": {"repo": {"url": index, "insecure": True}}}}})
    assert_installed(own_sandbox, mothership(own_sandbox, inventory, str(tmp_path), "-e", values))
    assert repository_of(own_sandbox) == (index, "default")


def test_a_dead_index_is_told_before_a_cluster_is_made_that_could_get_no_charts(
    own_sandbox: Sandbox, inventory: str, index: str
) -> None:
    assert_installed(own_sandbox, mothership(own_sandbox, inventory, index))
    servers = json.loads(own_sandbox.answer("status", "--json"))["processes"]
    (pid,) = [each["pid"] for each in servers if each["name"] == "chart-index"]
    os.kill(pid, signal.SIGKILL)
    try:
        # Flux looks again when it is told to.
        own_sandbox.kubectl("annotate", "helmrepository", "-n", "kcm-system", "kof", "look=again")
        wait = ("wait", "helmrepository/kof", "-n", "kcm-system", "--for=condition=Ready=False", "--timeout=600s")
        own_sandbox.kubectl(*wait)
        mark = own_sandbox.audit_mark()
        run = own_sandbox.playbook("site", "--limit", f"{REGION},{CHILD}", inventory=inventory)
        assert run.code != 0
        told = " ".join(run.output.split())
        assert "HelmRepository kcm-system/kof" in told
        assert "failed to fetch Helm repository index" in told
        assert own_sandbox.mutations_since(mark) == []
    finally:
        own_sandbox.command("up")
