"""README's *Requirements* and *Your first fleet*, followed word for word in a fresh home, end in a running fleet.

The files and commands are taken from README.md as they stand. What differs from a user's machine is where things come
from: Galaxy's collections are tarballs, the charts and AWS are the sandbox's (extra variables), ~/.kube/config is the
sandbox's management cluster with nothing of the guides on it. Short: with this clone's Python packages. Long: with an
empty virtual environment, as the README makes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator

import pytest
import readme
from support import REPOSITORY, Sandbox

REQUIREMENTS, FLEET = "Requirements", "Your first fleet"
GALAXY = "ansible-galaxy collection install k0rdent.kof\n"
#: Of ours, and so of no user's machine: a fresh shell has none of it.
PRIVATE = re.compile(r"ANSIBLE_|PYTHON|KOF_|K8S_AUTH_|KUBECONFIG|AWS_|VIRTUAL_ENV|XDG_|MAKE")
IDENTITY = (
    ("awsclusterstaticidentity", "aws-cluster-identity"),
    ("credential", "aws-cluster-identity-cred"),
    ("secret", "aws-cluster-identity-secret"),
    ("configmap", "aws-cluster-identity-resource-template"),
)


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> list[pathlib.Path]:
    """What Galaxy would give: our collection as `make build` builds it, and the two that it depends on."""
    folder = tmp_path_factory.mktemp("galaxy")
    command = ["ansible-galaxy", "collection", "build", str(REPOSITORY), "--output-path", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    collections = REPOSITORY / ".work" / "collections" / "ansible_collections"
    for name in ("kubernetes/core", "amazon/aws"):
        packed(collections / name, folder / f"{name.replace('/', '-')}.tar.gz")
    return sorted(folder.glob("*.tar.gz"))


def packed(collection: pathlib.Path, into: pathlib.Path) -> None:
    """An installed collection as the tarball it came from, less the files that the package `ansible` leaves out."""
    listed = json.loads((collection / "FILES.json").read_text())
    listed["files"] = [each for each in listed["files"] if (collection / each["name"]).exists()]
    files = json.dumps(listed).encode()
    manifest = json.loads((collection / "MANIFEST.json").read_text())
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(files).hexdigest()
    with tarfile.open(into, "w:gz", compresslevel=1) as archive:
        for name, content in (("MANIFEST.json", json.dumps(manifest).encode()), ("FILES.json", files)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for each in listed["files"]:
            if each["name"] != ".":
                archive.add(collection / each["name"], arcname=each["name"], recursive=False)


class Machine:
    """A home and a shell of a new user's, with helm and kubectl, and a management cluster in ~/.kube/config."""

    def __init__(self, home: pathlib.Path, sandbox: Sandbox, tarballs: list[pathlib.Path], *, packages: bool) -> None:
        """packages: whether the Python packages of this clone are there already."""
        self.home = home
        self._ends = sandbox.endpoints
        self._tarballs = tarballs
        (home / "bin").mkdir(parents=True)
        for tool in ("helm", "kubectl"):
            (home / "bin" / tool).symlink_to(self._ends[tool])
        (home / "bin" / "python3").symlink_to(sys.executable if packages else _outside_of_environments())
        (home / ".kube").mkdir()
        shutil.copy(self._ends["kof_kubeconfig"], home / ".kube" / "config")
        path = [
            str(home / "bin"),
            *([str(pathlib.Path(sys.executable).parent)] if packages else []),
            "/usr/bin",
            "/bin",
        ]
        self.environment = {name: value for name, value in os.environ.items() if not PRIVATE.match(name)} | {
            "HOME": str(home),
            "PATH": os.pathsep.join(path),
            "ANSIBLE_NOCOLOR": "1",
            "AWS_ACCESS_KEY_ID": "AKIASANDBOXADMIN0000",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-sandbox-administrator",
            "K0RDENT_AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "K0RDENT_AWS_SECRET_ACCESS_KEY": "secret-of-k0rdent",
        }
        self._elsewhere = home / "elsewhere.json"
        self._elsewhere.write_text(
            json.dumps(
                {
                    "kof_chart_repository": f"oci://{self._ends['registry']}/kof/charts",
                    "kof_chart_repository_plain_http": True,
                    "dns_credentials_endpoint_url": self._ends["aws"],
                }
            )
        )

    def run(self, script: str) -> str:
        """Commands of the README, in one bash of their own; their output. AssertionError where one fails."""
        if "ansible-galaxy" in script:
            assert script.count(GALAXY) == 1
            sources = " ".join(map(str, self._tarballs))
            script = script.replace(GALAXY, f"ansible-galaxy collection install --offline {sources}\n")
        script = re.sub(r"^ansible-playbook \S+", rf"\g<0> -e @{self._elsewhere}", script, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


def _outside_of_environments() -> str:
    """The Python that this one's virtual environment was made with."""
    return str(pathlib.Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture
def bare_sandbox(own_sandbox: Sandbox) -> Iterator[Sandbox]:
    """k0rdent alone, without what the guides leave to others. The README brings that, so it is there at the end."""

    def there(which: tuple[str, str]) -> str:
        return own_sandbox.kubectl("get", *which, "-n", "kcm-system", "--ignore-not-found", "-o", "json")

    before = {which: there(which) for which in IDENTITY}
    for which in IDENTITY:
        own_sandbox.kubectl("delete", *which, "-n", "kcm-system", "--ignore-not-found", "--wait=false")
    yield own_sandbox
    own_sandbox.delete_clusters()
    for which, text in before.items():
        if text and not there(which):
            seed = json.loads(text)
            seed["metadata"] = {key: seed["metadata"][key] for key in ("name", "namespace") if key in seed["metadata"]}
            own_sandbox.kubectl("create", "-f", "-", stdin=json.dumps(seed))


def follow(machine: Machine, sandbox: Sandbox) -> None:
    """The section *Your first fleet*, and what has to be true at its end."""
    assert readme.write_files(FLEET, machine.home) == [
        "aws-identity.yaml",
        "first-fleet/hosts.yml",
        "first-fleet/group_vars/all.yml",
        "first-fleet/group_vars/kof_mothership.yml",
    ]
    identity, fleet, look = readme.commands(FLEET)
    told = [machine.run(activated(machine) + each) for each in (identity, fleet, look)]
    assert "secret-of" not in "".join(told)

    config = sandbox.get("configmap", "aws-cluster-identity-resource-template", "-n", "kcm-system")
    assert config["metadata"]["annotations"]["projectsveltos.io/template"] == "true"
    assert "failed" not in told[1].partition("PLAY RECAP")[0].lower()
    for line in ("svc/grafana-vm-service", "svc/kof-mothership-promxy", "Secret kof/grafana-admin-credentials"):
        assert line in told[1]
    deployments = sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
    ready = {
        each["metadata"]["name"]: {c["type"]: c["status"] for c in each["status"]["conditions"]}["Ready"]
        for each in deployments
    }
    assert ready == {"aws-us-east-2": "True", "aws-us-east-2-child1": "True"}
    assert all(name in told[2] for name in (*ready, "aws-us-east-2-metrics", "aws-us-east-2-logs"))

    again = machine.run(activated(machine) + fleet.splitlines()[-1] + "\n")
    assert re.findall(r"changed=(\d+)", again)
    assert set(re.findall(r"changed=(\d+)", again)) == {"0"}
    assert set(re.findall(r"failed=(\d+)", again)) == {"0"}


def activated(machine: Machine) -> str:
    """A new shell in the environment that *Requirements* made, where it made one."""
    return "source ~/kof/bin/activate\n" if (machine.home / "kof").exists() else ""


def test_the_tarball_and_the_first_fleet(
    bare_sandbox: Sandbox, tarballs: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    machine = Machine(tmp_path / "home", bare_sandbox, tarballs, packages=True)
    machine.run(GALAXY)
    follow(machine, bare_sandbox)


@pytest.mark.long
def test_an_empty_environment_the_tarball_and_the_first_fleet(
    bare_sandbox: Sandbox, tarballs: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    machine = Machine(tmp_path / "home", bare_sandbox, tarballs, packages=False)
    (install,) = readme.commands(REQUIREMENTS)
    machine.run(install)
    follow(machine, bare_sandbox)
