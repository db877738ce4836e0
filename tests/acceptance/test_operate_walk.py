"""A newcomer's walk: what README and docs show, and nothing else, from `make demo` to the report, Grafana's logins and
the DNS records.

The commands are taken from README.md and docs/access.md as they stand, and run in a shell that has nothing of ours but
where the sandbox is. What differs: the sandbox was started before, its tools and Python's packages are there, and for
an inventory of the reader's own the demo's stands.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator

import boto3
import dns.resolver
import pytest
import readme
from support import REPOSITORY, Sandbox
from terminal import on_a_terminal

pytestmark = pytest.mark.long

REGIONS = ("aws-eu-west-1", "aws-us-east-2")
NAMES = [f"{name}.{region}.kof.example.com" for region in REGIONS for name in ("vmauth", "grafana")]
ZONE = "Z0EXAMPLE00000000000"
KEYS = ("GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD")
WALK, VENV, REPORT = "A walk through the demo", ".work/venv", ".work/report"
#: Of ours, and so of no newcomer's shell; and what says that nobody looks.
PRIVATE = re.compile(r"ANSIBLE_|PYTHON|KOF_|K8S_AUTH_|KUBECONFIG|AWS_|VIRTUAL_ENV|MAKE|CI\Z|JOB_ID\Z")


class Newcomer:
    """Who has a clone, and a terminal in it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.environment = {name: value for name, value in os.environ.items() if not PRIVATE.match(name)} | {
            "KOF_SANDBOX_DIR": str(sandbox.folder),
            "ANSIBLE_NOCOLOR": "1",
        }

    def types(self, script: str, *, terminal: bool = True) -> str:
        """Commands in one shell, and all that they showed. AssertionError where one fails."""
        if not (REPOSITORY / VENV).exists():  # tests may have another one
            script = script.replace(VENV, sys.prefix)
        script = re.sub(r"^make ", "make -o setup ", script, flags=re.MULTILINE)  # its packages are there
        command = ["bash", "-euo", "pipefail", "-c", script.replace("inventories/production", "inventories/sandbox")]
        code, shown = on_a_terminal(command, self.environment, 900) if terminal else _piped(command, self.environment)
        assert code == 0, f"{script}\n{shown}"
        assert set(re.findall(r"failed=(\d+)", shown)) == {"0"}, shown
        return shown

    def logins(self) -> dict[str, list[str]]:
        """By the cluster's name, of each Grafana."""
        found = {}
        for name in ("mothership", *REGIONS):
            data = self.sandbox.get("secret", "grafana-admin-credentials", "-n", "kof", cluster=name)["data"]
            found[name] = [base64.b64decode(data[key]).decode() for key in KEYS]
        return found


def _piped(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def newcomer(sandbox: Sandbox) -> Iterator[Newcomer]:
    yield Newcomer(sandbox)
    shutil.rmtree(REPOSITORY / REPORT, ignore_errors=True)


def test_01_the_demo_is_the_first_command(newcomer: Newcomer) -> None:
    (first,) = readme.commands("")
    demo, test = first.splitlines()
    assert (demo.split("#")[0].strip(), test.split("#")[0].strip()) == ("make demo", "make test")
    shown = newcomer.types(f"{demo}\n")
    assert "What to look at next:" in shown
    for name in REGIONS:
        assert re.search(rf"^{name}-child1 .*changed=1", shown, re.MULTILINE), shown


def test_02_the_report_and_grafana_s_login(newcomer: Newcomer) -> None:
    report, _dns = readme.commands(WALK)
    shutil.rmtree(REPOSITORY / REPORT, ignore_errors=True)
    shown = newcomer.types(report)
    page = (REPOSITORY / REPORT / "status.html").read_text()
    for name in ("mothership", *REGIONS, *(f"{region}-child1" for region in REGIONS)):
        assert name in page
    logins = newcomer.logins()
    for user, password in logins.values():
        assert f"{KEYS[0]}: {user}\n  {KEYS[1]}: {password}\n" in shown
        assert password not in page
    assert "http://127.0.0.1:3000" in shown
    assert "The logins were shown on the terminal" in shown


def test_03_without_a_terminal_the_logins_are_in_a_file(newcomer: Newcomer) -> None:
    (block,) = readme.commands("Logins", "docs/access.md")
    on_terminal, in_file = block.splitlines(keepends=True)
    activated = f"source {VENV}/bin/activate\n"
    file = REPOSITORY / "logins"
    assert not file.exists()
    try:
        shown = newcomer.types(activated + in_file, terminal=False)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for user, password in newcomer.logins().values():
            assert f"{KEYS[0]}: {user}\n  {KEYS[1]}: {password}\n" in file.read_text()
            assert password not in shown
    finally:
        file.unlink(missing_ok=True)
    shown = newcomer.types(activated + on_terminal)
    assert all(password in shown for _user, password in newcomer.logins().values())


def zone(sandbox: Sandbox) -> list[str]:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
    client = boto3.client("route53", endpoint_url=sandbox.endpoints["aws"], region_name="us-east-1", **keys)
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=ZONE)
    return sorted(f"{each['Name']} {each['Type']}" for page in pages for each in page["ResourceRecordSets"])


def resolved(sandbox: Sandbox, name: str) -> str | None:
    """What a name is another name for, by the sandbox's DNS."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, port = [sandbox.endpoints["names"].rpartition(":")[0]], sandbox.endpoints["names"]
    resolver.port = int(port.rpartition(":")[2])
    try:
        return str(resolver.resolve(name, "CNAME", lifetime=10)[0].target).rstrip(".")
    except dns.resolver.NXDOMAIN:
        return None


def ingress(sandbox: Sandbox, region: str) -> str:
    service = sandbox.get("service", "ingress-nginx-controller", "-n", "ingress-nginx", cluster=region)
    return str(service["status"]["loadBalancer"]["ingress"][0]["hostname"])


def test_04_dns_records_are_written_resolve_and_go_again(newcomer: Newcomer) -> None:
    _report, block = readme.commands(WALK)
    activate, write, look, absent = block.splitlines(keepends=True)
    before = zone(newcomer.sandbox)
    assert {resolved(newcomer.sandbox, name) for name in NAMES} == {None}
    first = newcomer.types(activate + write)
    assert set(re.findall(r"changed=(\d+)", first)) != {"0"}
    for name in NAMES:
        assert resolved(newcomer.sandbox, name) == ingress(newcomer.sandbox, name.split(".")[1])
    for again in (write, look):
        assert set(re.findall(r"changed=(\d+)", newcomer.types(activate + again))) == {"0"}
    newcomer.types(activate + absent)
    assert zone(newcomer.sandbox) == before
