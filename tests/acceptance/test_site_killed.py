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
import re
import signal
import time

import boto3
import pytest
from support import Sandbox, finish

pytestmark = pytest.mark.lines

MOMENTS = 10
#: Releases that are being installed.
PENDING = "/api/v1/namespaces/kof/secrets?labelSelector=owner=helm,status=pending-install"
#: Short, so that a release whose helm was killed is soon older than its own time-out.
ARGUMENTS = ("-e", '{"mothership_helm_timeout": 20}')


@pytest.fixture(scope="module")
def duration(own_sandbox: Sandbox) -> float:
    """How long an undisturbed first run takes here; the moments are spread over it."""
    own_sandbox.take_kof_away()
    start = time.monotonic()
    run = own_sandbox.playbook("site", *ARGUMENTS)
    assert run.code == 0, run.output
    return time.monotonic() - start


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


@pytest.mark.long
@pytest.mark.parametrize("whole_tree", [False, True], ids=["process", "tree"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_run_is_finished_by_the_next(
    own_sandbox: Sandbox, duration: float, moment: int, whole_tree: bool
) -> None:
    own_sandbox.take_kof_away()
    started = own_sandbox.start_playbook("site", *ARGUMENTS)
    time.sleep(duration * (moment + 0.5) / MOMENTS)
    kill(started[0].pid, whole_tree)
    finish(started)
    assert_converged(own_sandbox)


@pytest.mark.parametrize(
    "whole_tree", [pytest.param(False, marks=pytest.mark.long, id="process"), pytest.param(True, id="tree")]
)
def test_killed_while_helm_installs(own_sandbox: Sandbox, whole_tree: bool) -> None:
    """The worst moment of all, caught by its sign: the release is pending-install."""
    own_sandbox.take_kof_away()
    started = own_sandbox.start_playbook("site", *ARGUMENTS)
    end = time.monotonic() + 600
    while not own_sandbox.items(PENDING):
        assert time.monotonic() < end
        assert started[0].poll() is None
        time.sleep(0.02)
    kill(started[0].pid, whole_tree)
    finish(started)
    assert_converged(own_sandbox)


def test_unchanged_run_needs_no_registry(own_sandbox: Sandbox) -> None:
    run = own_sandbox.playbook("site", *ARGUMENTS)
    assert run.code == 0, run.output
    elsewhere = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", own_sandbox.endpoints["chart_repository"])
    run = own_sandbox.playbook("site", *ARGUMENTS, "-e", f"kof_chart_repository={elsewhere}")
    # The mothership's HelmRepository follows the repository, so the values differ and it must act: a clear message.
    assert run.code != 0
    assert "Traceback" not in run.output
    status = own_sandbox.answer("status", "--json")
    servers = [each for each in json.loads(status)["processes"] if each["name"] in ("registry", "chart-index")]
    assert servers
    for each in servers:
        os.kill(each["pid"], signal.SIGKILL)
    try:
        run = own_sandbox.playbook("site", *ARGUMENTS)
        assert run.code == 0, run.output
        assert run.total("changed") == 0
    finally:
        own_sandbox.command("up")
