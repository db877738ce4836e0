"""What docs/status.md has for those without AWX, taken out of the page and run: the service of a timer, the CronJob."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import shlex
import subprocess
import sys

import example_fleet
import pytest
import yaml
from support import REPOSITORY, Sandbox

PAGE = (REPOSITORY / "docs" / "status.md").read_text()
ANSIBLE = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
NAMES = ("status.json", "kof_status.prom")


@pytest.fixture(scope="module")
def inventory(fleet_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Of a mothership that is there, and of clusters that aren't, which is told. Where it is, nobody says in it."""
    folder = tmp_path_factory.mktemp("scheduled")
    fleet_sandbox.inventory(folder / "fleet", example_fleet.fleet(1, 1, shared={"kof_kubeconfig": None}))
    return folder / "fleet"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run(command: list[str], sandbox: Sandbox, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=sandbox.environment | environment, capture_output=True, text=True, check=False, cwd="/"
    )


def replaced(command: list[str], places: dict[str, str]) -> list[str]:
    """A command of the page with the places of this machine; each must be in it."""
    for place in places:
        assert any(place in word for word in command), place
    for place, here in places.items():
        command = [word.replace(place, here) for word in command]
    return command


def test_the_service_of_the_timer(fleet_sandbox: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (service,) = [each for each in blocks("ini") if "[Service]" in each]
    (timer,) = [each for each in blocks("ini") if "[Timer]" in each]
    assert "OnCalendar=*:0/15\n" in timer
    (line,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    places = {
        "/home/kof/kof/bin/ansible-playbook": ANSIBLE,
        "/home/kof/production": str(inventory),
        "/var/lib/node_exporter/textfile": str(tmp_path / "textfile"),
    }
    kubeconfig = str(fleet_sandbox.folder / "mothership.kubeconfig")
    # systemd reads a line much as a shell does; it has no variables, and no %.
    assert not re.search(r"[$%]", line)
    ended = run(replaced(shlex.split(line), places), fleet_sandbox, HOME=str(tmp_path / "home"), KUBECONFIG=kubeconfig)
    codes = {0, *map(int, re.findall(r"^SuccessExitStatus=(.*)$", service, re.MULTILINE))}
    assert ended.returncode in codes, ended.stdout + ended.stderr
    files = {each.name: each.read_text() for each in (tmp_path / "textfile").iterdir()}
    assert set(files) == set(NAMES)
    assert json.loads(files["status.json"])["counts"]["clusters"]["ready"] >= 1
    assert 'kof_cluster_state{fleet="' in files["kof_status.prom"]


def test_the_cron_job(fleet_sandbox: Sandbox, inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (manifest,) = [each for each in blocks("yaml") if "kind: CronJob" in each]
    (commands,) = [each for each in blocks("shell") if "cronjob/kof-status" in each]
    objects = {each["kind"]: each for each in yaml.safe_load_all(manifest)}
    reader = REPOSITORY / "docs" / "rbac" / "reader.yaml"
    (tmp_path / "kof-status.yaml").write_text(manifest)
    try:
        # As the page says, line by line: a real API server takes all of it.
        for line in commands.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "kubectl"
            here = {"docs/rbac/reader.yaml": str(reader), "kof-status.yaml": str(tmp_path / "kof-status.yaml")}
            fleet_sandbox.kubectl(*[here.get(word, word) for word in words[1:]])
        made = fleet_sandbox.get("job", "kof-status-now", "-n", "kof")
        pod = made["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]
        # What kubelet would start, as whom it would be: no kubeconfig, and this service account's token.
        token = fleet_sandbox.kubectl("create", "token", "kof-status", "-n", "kof").strip()
        places = {
            "ansible-playbook": ANSIBLE,
            "/inventory/hosts.yml": str(inventory),
            "/status": str(tmp_path / "status"),
        }
        who = {"K8S_AUTH_HOST": server_of(fleet_sandbox), "K8S_AUTH_API_KEY": token, "HOME": str(tmp_path / "home")}
        who["K8S_AUTH_SSL_CA_CERT"] = str(authority_of(fleet_sandbox, tmp_path))
        ended = run(replaced(container["command"], places), fleet_sandbox, **who)
    finally:
        fleet_sandbox.kubectl("delete", "clusterrolebinding", "kof-status", "--ignore-not-found")
        for kind in ("rolebinding", "job", "cronjob", "pvc", "serviceaccount"):
            names = ["kof-status-now"] if kind == "job" else ["kof-status"]
            fleet_sandbox.kubectl("delete", kind, *names, "-n", "kof", "--ignore-not-found")
        fleet_sandbox.kubectl("delete", "rolebinding", "kof-status", "-n", "kcm-system", "--ignore-not-found")
        fleet_sandbox.kubectl("delete", "-f", str(reader), "--ignore-not-found")
    assert ended.returncode in (0, 2), ended.stdout + ended.stderr
    seen = json.loads((tmp_path / "status" / "status.json").read_text())
    assert token not in ended.stdout + ended.stderr
    # The reader's own rights: it may read everything but Secrets.
    assert {each.partition(":")[0] for each in seen["not_looked_at"]} <= {"Helm releases of kof's charts", "Secret"}
    assert (tmp_path / "status" / "status.html").read_text().startswith("<!DOCTYPE html>")


def kubeconfig_of(sandbox: Sandbox) -> dict[str, str]:
    (cluster,) = yaml.safe_load((sandbox.folder / "mothership.kubeconfig").read_text())["clusters"]
    return cluster["cluster"]


def server_of(sandbox: Sandbox) -> str:
    return kubeconfig_of(sandbox)["server"]


def authority_of(sandbox: Sandbox, folder: pathlib.Path) -> pathlib.Path:
    file, about = folder / "ca.crt", kubeconfig_of(sandbox)
    if "certificate-authority-data" in about:
        file.write_bytes(base64.b64decode(about["certificate-authority-data"]))
        return file
    return pathlib.Path(about["certificate-authority"])
