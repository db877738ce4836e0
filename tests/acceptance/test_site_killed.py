"""SIGKILL in site.yml at ten moments, each in two ways: only ansible-playbook, and its whole process tree with helm.

After each: run again at once, and once more. Releases are deployed, live objects are what is wanted, nothing is there
twice, and the one IAM key is the Secret's. Takes about half an hour: `make acceptance-long TOPIC=site_killed`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import signal
import time
import urllib.request
from collections.abc import Iterator

import boto3
import pytest
from support import REPOSITORY, Sandbox, finish

MOMENTS = 10
#: Short, so that a release whose helm was killed is soon older than its own time-out.
ARGUMENTS = ("-e", '{"mothership_helm_timeout": 20}')


@pytest.fixture(scope="module")
def clusterless() -> Iterator[Sandbox]:
    """A sandbox whose clusters have no control planes of their own: the mothership is what matters here."""
    sandbox = Sandbox(REPOSITORY / ".work" / "acceptance-killed")
    sandbox.command("down")
    sandbox.command("up", "--clusters", "none")
    yield sandbox
    sandbox.command("down")


@pytest.fixture(scope="module")
def duration(clusterless: Sandbox) -> float:
    """How long an undisturbed first run takes here; the moments are spread over it."""
    reset(clusterless)
    start = time.monotonic()
    run = clusterless.playbook("site", *ARGUMENTS)
    assert run.code == 0, run.output
    return time.monotonic() - start


def reset(sandbox: Sandbox) -> None:
    sandbox.kubectl("delete", "clusterdeployments", "--all", "-n", "kcm-system", "--timeout=120s")
    for release in ("kof-mothership", "kof-operators"):
        sandbox.helm("uninstall", "-n", "kof", release, "--ignore-not-found", "--timeout", "60s")
    sandbox.kubectl("delete", "namespace", "kof", "--ignore-not-found", "--timeout=120s")
    urllib.request.urlopen(
        urllib.request.Request(f"{sandbox.endpoints['aws']}/moto-api/reset", method="POST"), timeout=10
    )


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, left = [], [pid]
    while left:
        each = left.pop()
        found.append(each)
        left += children.get(each, [])
    return found


def kill(pid: int, whole_tree: bool) -> None:
    for each in descendants(pid) if whole_tree else [pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def iam_keys(sandbox: Sandbox) -> list[str]:
    iam = boto3.client(
        "iam",
        endpoint_url=sandbox.endpoints["aws"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    users = iam.list_users()["Users"]
    assert len(users) <= 1
    return [
        key["AccessKeyId"]
        for user in users
        for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
    ]


def key_of_the_secret(sandbox: Sandbox) -> str:
    data = sandbox.get("secret", "-n", "kof", "external-dns-aws-credentials")["data"]["external-dns-aws-credentials"]
    lines = dict(line.split(" = ") for line in base64.b64decode(data).decode().splitlines() if " = " in line)
    return lines["aws_access_key_id"]


def assert_converged(sandbox: Sandbox) -> None:
    for attempt in ("at once", "once more"):
        run = sandbox.playbook("site", *ARGUMENTS)
        assert run.code == 0, f"{attempt}: {run.output}"
    assert run.total("changed") == 0, run.changes()
    releases = {
        each["name"]: each["status"] for each in json.loads(sandbox.helm("list", "-n", "kof", "-a", "-o", "json"))
    }
    assert releases == {"kof-operators": "deployed", "kof-mothership": "deployed"}
    assert iam_keys(sandbox) == [key_of_the_secret(sandbox)]
    assert len(sandbox.get("promxyservergroups", "-A")["items"]) == 2
    assert len(sandbox.get("clusterdeployments", "-A")["items"]) == 4
    check = sandbox.playbook("site", "--check", *ARGUMENTS)
    assert check.code == 0
    assert check.changes() == set()


@pytest.mark.long
@pytest.mark.parametrize("whole_tree", [False, True], ids=["process", "tree"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_run_is_finished_by_the_next(
    clusterless: Sandbox, duration: float, moment: int, whole_tree: bool
) -> None:
    reset(clusterless)
    started = clusterless.start_playbook("site", *ARGUMENTS)
    time.sleep(duration * (moment + 0.5) / MOMENTS)
    kill(started[0].pid, whole_tree)
    finish(started)
    assert_converged(clusterless)


@pytest.mark.parametrize("whole_tree", [False, True], ids=["process", "tree"])
def test_killed_while_helm_installs(clusterless: Sandbox, whole_tree: bool) -> None:
    """The worst moment of all, caught by its sign: the release is pending-install."""
    reset(clusterless)
    started = clusterless.start_playbook("site", *ARGUMENTS)
    end = time.monotonic() + 120
    while "pending-install" not in clusterless.helm("list", "-n", "kof", "-a", "-o", "json", check=False):
        assert time.monotonic() < end
        assert started[0].poll() is None
    kill(started[0].pid, whole_tree)
    finish(started)
    assert_converged(clusterless)


def test_unchanged_run_needs_no_registry(clusterless: Sandbox, duration: float) -> None:
    assert_converged(clusterless)
    run = clusterless.playbook("site", *ARGUMENTS, "-e", "kof_chart_repository=oci://127.0.0.1:1/kof/charts")
    # The mothership's HelmRepository follows the repository, so the values differ and it must act: a clear message.
    assert run.code != 0
    assert "Traceback" not in run.output
    status = clusterless.answer("status", "--json")
    (registry,) = [each["pid"] for each in json.loads(status)["processes"] if each["name"] == "registry"]
    os.kill(registry, signal.SIGKILL)
    try:
        run = clusterless.playbook("site", *ARGUMENTS)
        assert run.code == 0, run.output
        assert run.total("changed") == 0
    finally:
        clusterless.command("up")
