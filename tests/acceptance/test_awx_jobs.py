"""Job templates of awx/ run by ansible-runner as AWX runs them: the project synced, inventory, survey, credentials.

Around the runner this does what AWX does, seen on a real one: the collection comes out of a tarball that the project's
collections/requirements.yml names, the inventory out of ansible-inventory, answers are untrusted scalars that YAML
types again, credentials are environment and files of their injectors, a slice has every n-th host. The runner, Ansible,
helm and the API server are real; the container that AWX puts around a job is not there.
"""

from __future__ import annotations

import base64
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from fetch_collections import place
from support import COLLECTION_USER, REPOSITORY, Run, Runner, Sandbox
from tagged_yaml import Loader

from sandbox import names

pytestmark = pytest.mark.long
#: Of awx/settings.yml, where an inventory is one region's.
REGIONS = {"us-east-2": "192.0.2.1", "eu-west-1": "192.0.2.2"}
CHILDREN = {"aws-us-east-2-child1", "aws-us-east-2-child2", "aws-eu-west-1-child1"}
#: By credential the manifests of docs/rbac/ that docs/awx.md has for it.
ROLES = {
    "kof reader": ("reader",),
    "kof verifier": ("reader", "verifier"),
    "kof operator": ("operator",),
    "kof deleter": ("operator", "deleter"),
    "kof dns credentials": ("dns_credentials",),
}
#: No secret may be found in what a job leaves. Of AWX's built-in AWS type, and of our own for a registry.
CANARIES = {"AWS_SECRET_ACCESS_KEY": "canary-secret-of-the-administrator", "KOF_CHART_REPOSITORY_PASSWORD": "0123"}
Answers = dict[str, Any]


class _Untrusted(str):
    """A text that somebody typed: AWX has YAML read it again."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Untrusted, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def data_of(kind: str) -> Any:
    return yaml.load((REPOSITORY / "awx" / f"controller_{kind}.yml").read_text(), Loader)[f"controller_{kind}"]


TEMPLATES = {each["name"]: each for each in data_of("templates")}


class Awx:
    """An AWX node beside a sandbox: the project, what it installed, and jobs."""

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.runner = Runner.installed(">=2.4.2")
        # What the execution environment has: helm, and collections that ours depends on.
        self.tools = folder / "bin"
        self.tools.mkdir()
        (self.tools / "helm").symlink_to(sandbox.endpoints["helm"])
        place(folder / "environment")
        (folder / "environment" / "ansible_collections" / "k0rdent" / "kof").unlink()
        self.project, self.collections = folder / "project", folder / "requirements_collections"
        self._write_project()
        self._sync()
        self.tokens: dict[str, str] = {}
        self._jobs = 0
        self.left: list[str] = []

    def _write_project(self) -> None:
        """As docs/awx.md says: a repository of what is in awx/project, and of an inventory of a file a region."""
        shutil.copytree(REPOSITORY / "awx" / "project", self.project)
        fleet = self.project / "inventories" / "fleet"
        shutil.copytree(REPOSITORY / "inventories" / "per-region", fleet)
        ends = self.sandbox.endpoints
        login = "{{ lookup('ansible.builtin.env', 'KOF_CHART_REPOSITORY_%s') | default(omit, true) }}"
        shared = {
            "kof_version": ends["kof_version"],
            "kof_fleet": "production",
            "kof_chart_repository": ends["chart_repository"],
            "kof_chart_repository_plain_http": True,
            "kof_chart_repository_username": login % "USERNAME",
            "kof_chart_repository_password": login % "PASSWORD",
        }
        (fleet / "group_vars" / "all.yml").write_text(yaml.safe_dump(shared))
        aws = {"dns_credentials_endpoint_url": ends["aws"], "dns_credentials_hosted_zones": ["Z0EXAMPLE00000000000"]}
        mothership = fleet / "group_vars" / "kof_mothership.yml"
        mothership.write_text(yaml.safe_dump({**yaml.safe_load(mothership.read_text()), **aws}))
        (fleet / "host_vars").mkdir()
        for region, address in REGIONS.items():
            (fleet / "host_vars" / f"aws-{region}.yml").write_text(
                yaml.safe_dump({"regional_external_dns": "none", "regional_ingress_addresses": [address]})
            )
        tarballs = self.project / "collections"
        self._ansible("ansible-galaxy", "collection", "build", str(REPOSITORY), "--output-path", str(tarballs))
        (tarball,) = tarballs.glob("k0rdent-kof-*.tar.gz")
        wanted = {"collections": [{"name": f"collections/{tarball.name}", "type": "file"}]}
        (tarballs / "requirements.yml").write_text(yaml.safe_dump(wanted))

    def _sync(self) -> None:
        """What a project update does."""
        wanted = str(self.project / "collections" / "requirements.yml")
        self._ansible("ansible-galaxy", "collection", "install", "-r", wanted, "-p", str(self.collections), "--offline")
        assert (self.collections / "ansible_collections" / "k0rdent" / "kof" / "MANIFEST.json").is_file()

    def _environment(self) -> dict[str, str]:
        """Of a job's container: nothing of this repository."""
        paths = (self.collections, self.folder / "environment")
        return {
            "PATH": f"{self.tools}:{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, paths)),
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        }

    def _ansible(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.project, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _inventory(self, sources: list[str], slices: tuple[int, int] | None) -> dict[str, Any]:
        """What AWX' script of an inventory prints, of a slice (number from 1, of how many) or of all."""
        words = [word for source in sources for word in ("-i", source)]
        told = json.loads(self._ansible("ansible-inventory", "--list", "--export", *words))
        if slices is None:
            return told
        number, of = slices
        every = {host for name, group in told.items() if name != "_meta" for host in group.get("hosts", ())}
        mine = set(sorted(every)[number - 1 :: of])
        for name, group in told.items():
            if name == "_meta":
                group["hostvars"] = {host: each for host, each in group["hostvars"].items() if host in mine}
            elif "hosts" in group:
                group["hosts"] = [host for host in group["hosts"] if host in mine]
        return told

    def launch(
        self,
        name: str,
        answers: Answers | None = None,
        *,
        region: str = "",
        limit: str = "",
        check: bool = False,
        slices: tuple[int, int] | None = None,
    ) -> Run:
        """A job of a template, to its end.

        :param region: its inventory; without, that of the fleet.
        """
        template = TEMPLATES[name]
        self._jobs += 1
        number = self._jobs
        job = self.folder / f"job_{number}"
        (job / "env").mkdir(parents=True)
        shutil.copytree(self.project, job / "project")
        files = (
            [f"inventories/fleet/{each}.yml" for each in ("mothership", region)] if region else ["inventories/fleet"]
        )
        (job / "inventory").mkdir()
        script = job / "inventory" / "hosts"
        inventory = json.dumps(self._inventory(files, slices))
        script.write_text(f"#!/usr/bin/env python3\nprint({inventory!r})\n")
        script.chmod(0o700)
        about = {"awx_job_id": number, "awx_job_template_name": name, "awx_user_name": "somebody"}
        extra = about | {each.replace("awx_", "tower_"): value for each, value in about.items()}
        extra |= self._answered(template, answers or {})
        (job / "env" / "extravars").write_text(yaml.dump(extra, Dumper=_Dumper))
        injected = self._injected(template["credentials"], job)
        (job / "env" / "envvars").write_text(json.dumps(injected))
        words = ["-u root", "--diff" if template["diff_mode"] else "", "--check" if check else ""]
        (job / "env" / "cmdline").write_text(" ".join(filter(None, [*words, f"-l {limit}" if limit else ""])))
        run = self.runner.start(
            self._environment(), private_data_dir=str(job), playbook=template["playbook"], inventory=str(script)
        )
        self.left.append(run.output + json.dumps(run.events))
        return run

    @staticmethod
    def _answered(template: Mapping[str, Any], answers: Answers) -> Answers:
        """Extra variables as AWX makes them of what somebody answered, and of defaults where nothing was."""
        questions = {each["variable"]: each for each in template["survey_spec"]["spec"]}
        assert answers.keys() <= questions.keys(), "a survey takes no other variables"
        given: Answers = {}
        for variable, question in questions.items():
            answer = answers.get(variable, question["default"])
            if question["type"] in ("integer", "float"):
                if answer != "":
                    given[variable] = answer
            elif question["type"] == "multiselect":
                chosen = answer if isinstance(answer, list) else answer.split("\n") if answer else []
                assert set(chosen) <= set(question["choices"])
                given[variable] = [_Untrusted(each) for each in chosen]
            else:
                assert isinstance(answer, str), f"{variable}: people type texts"
                assert not answer or question["type"] != "multiplechoice" or answer in question["choices"]
                given[variable] = _Untrusted(answer)
            assert not question["required"] or variable in given
        return given

    def _injected(self, credentials: list[str], job: pathlib.Path) -> dict[str, str]:
        """Environment, and files, of the credentials of a job."""
        given: dict[str, str] = {}
        for name in credentials:
            if name == "kof AWS":
                given |= {"AWS_ACCESS_KEY_ID": "AKIAOFTHEADMIN000000"}
                given["AWS_SECRET_ACCESS_KEY"] = CANARIES["AWS_SECRET_ACCESS_KEY"]
            elif name == "kof chart registry":
                given |= {"KOF_CHART_REPOSITORY_USERNAME": "", "KOF_CHART_REPOSITORY_PASSWORD": ""}
            elif name == "kof admin":  # of our own type, a kubeconfig whose context is left empty
                file = job / "env" / "kubeconfig"
                shutil.copy(self.sandbox.folder / "kof.kubeconfig", file)
                given |= {"K8S_AUTH_KUBECONFIG": str(file), "K8S_AUTH_CONTEXT": ""}
            else:
                authority = job / "env" / "authority.crt"
                authority.write_bytes(self._authority())
                given |= {
                    "K8S_AUTH_HOST": self._cluster()["server"],
                    "K8S_AUTH_API_KEY": self.token(name),
                    "K8S_AUTH_VERIFY_SSL": "True",
                    "K8S_AUTH_SSL_CA_CERT": str(authority),
                }
        return given

    def _cluster(self) -> dict[str, str]:
        (found,) = yaml.safe_load((self.sandbox.folder / "mothership.kubeconfig").read_text())["clusters"]
        return found["cluster"]

    def _authority(self) -> bytes:
        about = self._cluster()
        if "certificate-authority-data" in about:
            return base64.b64decode(about["certificate-authority-data"])
        return pathlib.Path(about["certificate-authority"]).read_bytes()

    def sent_since(self, mark: int) -> list[str]:
        """Requests that could have changed something, of whoever a job may be."""
        users = [COLLECTION_USER, *(f"system:serviceaccount:kof:{each.replace(' ', '-')}" for each in ROLES)]
        return [each for user in users for each in self.sandbox.mutations_since(mark, user)]

    def token(self, credential: str) -> str:
        """Of a service account that is bound to its roles and to nothing else."""
        if credential in self.tokens:
            return self.tokens[credential]
        account = credential.replace(" ", "-")
        kubectl = self.sandbox.kubectl
        about = {"metadata": {"name": account, "namespace": "kof"}}
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump({"apiVersion": "v1", "kind": "ServiceAccount", **about}))
        for role in ROLES[credential]:
            objects = yaml.safe_load((REPOSITORY / "docs" / "rbac" / f"{role}.yaml").read_text())
            for each in objects["items"]:
                if each["kind"].endswith("Binding"):
                    each["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": "kof"}]
                    each["metadata"]["name"] += f"-of-{account}"
            kubectl("apply", "-f", "-", stdin=yaml.safe_dump(objects))
        self.tokens[credential] = kubectl("create", "token", account, "-n", "kof").strip()
        return self.tokens[credential]


@pytest.fixture(scope="module")
def awx(own_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Awx]:
    yield Awx(own_sandbox, tmp_path_factory.mktemp("awx"))
    for kind in ("clusterrolebinding", "rolebinding", "clusterrole", "role"):
        found = own_sandbox.get(kind, "-A")["items"]
        for each in found:
            if each["metadata"]["name"].startswith("k0rdent-kof-"):
                space = each["metadata"].get("namespace")
                own_sandbox.kubectl("delete", kind, each["metadata"]["name"], *(["-n", space] if space else []))


def artifacts(run: Run) -> dict[str, Any]:
    """What set_stats handed on: AWX keeps it with the job."""
    return {
        name.removeprefix("k0rdent_kof_"): value
        for each in run.events
        if str(each.get("action")).endswith("set_stats")
        for name, value in each["result"]["ansible_stats"]["data"].items()
    }


def hosts(run: Run, what: str) -> set[str]:
    return {host for host, counts in run.stats.items() if counts[what]}


def well(run: Run) -> Run:
    assert run.code == 0, run.output
    assert "errantly" not in run.output
    assert not hosts(run, "failures")
    return run


def test_01_site_as_the_workflow_has_it_and_again(awx: Awx, tmp_path: pathlib.Path) -> None:
    asked = well(awx.launch("kof preflight"))
    assert not hosts(asked, "changed")
    predicted = well(awx.launch("kof site", check=True))
    assert set(artifacts(predicted)["would_change"]) >= CHILDREN
    first = well(awx.launch("kof site", {"kof_serial": "1, 100%", "kof_wait_timeout": 600}))
    there = {f"aws-{region}" for region in REGIONS} | CHILDREN
    assert there <= hosts(first, "changed")
    handed_on = artifacts(first)
    assert set(handed_on["changed"]) >= there
    assert handed_on["run"]["counts"] == {"changed": len(handed_on["changed"]), "failed": 0, "left_out": 0}
    again = well(awx.launch("kof site", {"kof_verify": "management"}))
    assert "PLAY [Verify]" in again.output
    assert not hosts(again, "changed"), again.output
    assert artifacts(again)["run"]["counts"] == {"changed": 0, "failed": 0, "left_out": 0}


def test_02_a_region_for_itself_leaves_the_others_alone(awx: Awx) -> None:
    mark = awx.sandbox.audit_mark()
    run = well(awx.launch("kof regional", region="us-east-2"))
    assert not any("eu-west-1" in host for host in run.stats)
    assert awx.sent_since(mark) == []


def test_03_status_and_verify_with_pages_that_stay(awx: Awx, tmp_path: pathlib.Path) -> None:
    answers = {"status_format": ["text", "json", "html"], "status_folder": str(tmp_path / "pages")}
    told = well(awx.launch("kof status", answers))
    assert "5 of 6 clusters ready, 1 not looked at in full" in told.output, told.output
    files = sorted(pathlib.Path(each).name for each in artifacts(told)["run"]["files"])
    assert files == ["status.html", "status.json", "status.txt"]
    for file in artifacts(told)["run"]["files"]:
        assert pathlib.Path(file).stat().st_size > 500
    verified = awx.launch("kof verify", {"verify_deadline": 5})
    # Clusters of this sandbox have no control plane: a look inside is told as not possible, by cluster.
    assert hosts(verified, "failures") == there_inside(verified), verified.output
    assert set(artifacts(verified)["failed"]) == hosts(verified, "failures")


def there_inside(run: Run) -> set[str]:
    return {f"aws-{region}" for region in REGIONS} | CHILDREN if run.code else set()


def test_04_access_and_records(awx: Awx) -> None:
    access = well(awx.launch("kof access"))
    assert "port-forward" in access.output
    resolver = awx.sandbox.endpoints["names"]
    written = awx.launch("kof dns records", {"dns_records_write": "true", "dns_records_resolver": resolver})
    assert hosts(written, "changed") >= {f"aws-{region}" for region in REGIONS}, written.output
    again = well(awx.launch("kof dns records", {"dns_records_write": "true", "dns_records_resolver": resolver}))
    assert not hosts(again, "changed")
    for region in REGIONS:
        assert names  # the sandbox's DNS server answers from Route 53, which the second run asked
        assert f"vmauth.aws-{region}.kof.example.com" in again.output
    gone = awx.launch("kof dns records", {"dns_records_write": "true", "dns_records_state": "absent"})
    assert hosts(gone, "changed") >= {f"aws-{region}" for region in REGIONS}, gone.output


def test_05_four_slices_of_child_at_once(awx: Awx) -> None:
    mark = awx.sandbox.audit_mark()
    for name in sorted(CHILDREN):
        patch = {"spec": {"config": {"workersNumber": 9}}}
        awx.sandbox.kubectl(
            "patch", "clusterdeployment", name, "-n", "kcm-system", "--type=merge", "-p", json.dumps(patch),
            "--field-manager=kubectl-edit",
        )  # fmt: skip
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(awx.launch, "kof child", slices=(number, 4)) for number in range(1, 5)]
        runs = [well(each.result()) for each in jobs]
    assert set().union(*(hosts(run, "changed") for run in runs)) == CHILDREN
    changed = [name for run in runs for name in artifacts(run)["changed"]]
    assert sorted(changed) == sorted(CHILDREN), "each of one slice alone"
    for each in awx.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]:
        if each["metadata"]["name"] in CHILDREN:
            assert each["spec"]["config"]["workersNumber"] == 3
    sent = [each for each in awx.sent_since(mark) if "/clusterdeployments/" in each]
    assert len(sent) == len(CHILDREN), sent


def test_06_a_region_and_a_child_by_survey_are_kept_in_the_project(awx: Awx) -> None:
    region, child, kept = "aws-eu-central-1", "aws-eu-central-1-child1", awx.folder / "entries"
    config = "region: eu-central-1\ncontrolPlaneNumber: 1\nworkersNumber: 2\n"
    answers = {
        "regional_cluster_name": region,
        "regional_domain": f"{region}.kof.example.com",
        "regional_admin_email": "platform@example.com",
        "regional_config": config + "clusterIdentity: {name: aws-cluster-identity, namespace: kcm-system}\n",
        "regional_external_dns": "none",
        "add_entry_folder": str(kept),
    }
    added = well(awx.launch("kof add region", answers))
    assert hosts(added, "changed") == {region}
    of_child = {"child_cluster_name": child, "child_regional": region, "child_config": config}
    typed = awx.launch("kof add child", of_child | {"child_cluster_name": "0123"})
    assert typed.code != 0
    assert "child_cluster_name" in typed.output, "0123 arrives as the number 83"
    well(awx.launch("kof add child", of_child | {"add_entry_folder": str(kept)}))
    again = well(awx.launch("kof add child", of_child | {"add_entry_folder": str(kept)}))
    assert not hosts(again, "changed"), again.output
    for name in (region, child):
        (awx.project / "inventories" / "fleet" / f"{name}.yml").write_text((kept / f"{name}.yml").read_text())
    site = well(awx.launch("kof site"))
    assert {region, child} <= set(site.stats)
    assert not hosts(site, "changed"), site.output


@pytest.mark.parametrize("answer", ["1.10", "true", "0123"])
def test_07_what_awx_types_again_is_refused_by_name_or_meant(awx: Awx, answer: str) -> None:
    """A fleet's name that became a number, a boolean or an octal number is no name."""
    mark = awx.sandbox.audit_mark()
    run = awx.launch("kof delete", {"kof_delete_confirm": answer})
    assert run.code != 0
    assert "kof_delete_confirm" in run.output
    assert awx.sent_since(mark) == []


def test_08_delete_with_a_limit_and_all(awx: Awx) -> None:
    child = "aws-us-east-2-child2"
    one = well(awx.launch("kof delete", {"kof_delete_confirm": "production"}, limit=child))
    assert hosts(one, "changed") == {child}
    everything = well(awx.launch("kof delete", {"kof_delete_confirm": "production"}))
    assert hosts(everything, "changed") >= (CHILDREN - {child})
    left = awx.sandbox.get("clusterdeployments", "-n", "kcm-system")["items"]
    assert [each["metadata"]["name"] for each in left if "deletionTimestamp" not in each["metadata"]] == []


def test_09_no_secret_is_in_what_jobs_left(awx: Awx) -> None:
    text = "\n".join(awx.left)
    assert len(awx.left) > 8
    secrets = [*awx.tokens.values(), CANARIES["AWS_SECRET_ACCESS_KEY"]]
    assert len(secrets) > 3
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode(), urllib.parse.quote(secret, safe="")):
            assert form not in text
    assert re.search(r"Changed: \d+ clusters", text)
