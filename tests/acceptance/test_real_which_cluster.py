"""Which cluster? Every way to say it, times every action, module, inventory plugin and playbook: what is honoured, is
at the server that was named, and what isn't honoured is refused by name. ~/.kube/config's server hears of neither.

Two real API servers; before the one of ~/.kube/config each run has a listener of its own, that counts connections.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pathlib
import re
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from moto.server import ThreadedMotoServer
from support import REPOSITORY, Run, Sandbox
from which_cluster import MODULES, WAYS, Decoy, Way

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.saved_data import About, Folder
from sandbox import binaries
from sandbox.fixtures import ControlPlane, running_control_plane

#: Runs at once: the machine has two cores.
PARALLEL = 2
LIMIT = 120  # seconds for one run
NAME = "which-cluster"
AWS = {"region": "us-east-1", "access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "secret-half-of-the-admin"}
HOSTS = {
    "all": {
        "vars": {
            "kof_version": "0.1.1", "kof_fleet": NAME, "regional_admin_email": "platform@example.com",
            "kof_inventory_complete": True,
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "given_id": "AKIAIOSFODNN7EXAMPLE", "given_half": "HalfOfAKeyHalfOfAKey",
        }
    },
    "kof_mothership": {"hosts": {"mothership": {}}},
    "kof_regional": {"hosts": {"eu1": {"regional_domain": "eu1.example.com"}}},
    "kof_child": {"hosts": {"eu1-child1": {"child_regional": "eu1"}}},
    "machines": {"hosts": {"bastion": {}}},
}  # fmt: skip
QUIET: Callable[[str], None] = lambda _text: None  # noqa: E731
#: Speaks to no cluster.
SILENT = "fleet_render"
#: Does nothing of its own to a cluster, so it doesn't name one.
NAMELESS = "fleet_lease"
#: Writes what it can, and says in there what it could not look at.
TOLERANT = "fleet_support_bundle"
#: Those that ask a cluster, and not AWX.
PLAYBOOKS = sorted(p.stem for p in (REPOSITORY / "playbooks").glob("*.yml") if not p.stem.startswith("awx_"))


def tasks(work: pathlib.Path, chart: pathlib.Path, aws: str) -> dict[str, dict[str, Any]]:
    """Arguments for each action and module that need nothing but an empty cluster, in check mode."""
    user = {"user_name": NAME, "fleet": NAME, "endpoint_url": aws, **AWS}
    return {
        "fleet_add": {"layer": "regional", "step": "live"},
        "fleet_alerts": {},
        "fleet_render": {"folder": str(work / "rendered")},
        "fleet_restore": {"file": str(work / "backup.tar.gz"), "step": "before_charts"},
        "fleet_access": {},
        "fleet_apply": {"layer": "mothership"},
        "fleet_backup": {"folder": str(work / "backups")},
        "fleet_data": {"step": "restore", "folder": str(work / "data")},
        "fleet_delete": {},
        "fleet_lease": {"fleet": NAME},
        "fleet_preflight": {"table": "problems"},
        "fleet_prune": {},
        "fleet_drift": {"booked_by": "play"},
        "fleet_dns_records": {"booked_by": "play", "resolver": "127.0.0.1:9", "deadline": 1},
        "fleet_wait": {"layer": "mothership"},
        "fleet_uninstall": {"step": "look"},
        "fleet_support_bundle": {},  # in check mode it looks, and writes no file
        "fleet_status": {"booked_by": "play"},  # nothing is there, and that fails the hosts
        "fleet_verify": {"booked_by": "play"},
        "external_dns_access_info": {**user, "policy_name": NAME},
        "external_dns_access_key": user,
        "external_dns_secret": {
            "access_key_id_variable": "given_id", "secret_access_key_variable": "given_half", "fleet": NAME,
        },
        "grafana_datasource": {"kof_version": "0.1.1", "name": NAME, "datasource_name": NAME, "url": "https://vmauth.eu1.example.com/vls"},
        "helm_release": {
            "release_name": NAME, "release_namespace": "kof", "chart_ref": str(chart),
            "binary_path": str(binaries.find_or_build(QUIET)["helm"]),
        },
        "promxy_server_group": {
            "kof_version": "0.1.1", "name": NAME, "cluster_name": "eu1", "targets": ["vmauth.eu1.example.com:443"],
        },
    }  # fmt: skip


def write_data(folder: pathlib.Path) -> None:
    """Saved data in which nothing is."""
    made = Folder(folder / "data")
    made.begin(About(NAME, "0.1.1", 0, 1))
    made.finish([])
    made.release()


def write_backup(folder: pathlib.Path) -> None:
    """An archive in which nothing is."""
    texts = {"collection": "", "fleet": NAME, "kof_namespace": "kof", "kcm_namespace": "kcm-system"}
    texts |= {"line": "0.1", "kof_version": "0.1.1", "kcm_version": "v1alpha1", "schema": "k0rdent.kof.backup/1"}
    said: dict[str, Any] = {**texts, "charts": {}, "left_out": [], "members": {}}

    def written() -> bytes:
        return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()

    said["checksum"] = hashlib.sha256(written()).hexdigest()
    content = written()
    with tarfile.open(folder / "backup.tar.gz", "w:gz", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size, member.mode = len(content), 0o600
        tar.addfile(member, io.BytesIO(content))


class World:
    """The two clusters, what the runs share, and the runs."""

    def __init__(self, named: ControlPlane, other: ControlPlane, aws: str, folder: pathlib.Path) -> None:
        self.named, self.other, self.aws, self.folder = named, other, aws, folder
        for plane in (named, other):
            for namespace in ("kof", "kcm-system"):  # the fleet's lease is in the second
                plane.kubectl("create", "namespace", namespace)
        # All that a backup finds there.
        ours = ("app.kubernetes.io/managed-by=k0rdent.kof", f"app.kubernetes.io/part-of={NAME}")
        named.kubectl("label", "namespace", "kof", *ours)
        self.chart = folder / "chart"
        (self.chart / "templates").mkdir(parents=True)
        (self.chart / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
        (self.chart / "templates" / "config.yaml").write_text(yaml.safe_dump(config))
        self.text = named.kubeconfig.read_text()
        self._config = yaml.safe_load(self.text)
        cluster, user = self._config["clusters"][0]["cluster"], self._config["users"][0]["user"]
        self.server = cluster["server"]
        secrets = VaultLib([("default", VaultSecret(b"open sesame"))])
        (folder / "password").write_text("open sesame")
        (folder / "vaulted").write_bytes(secrets.encrypt(self.text))
        for name, section, key in (
            ("cert", user, "client-certificate"), ("key", user, "client-key"), ("ca", cluster, "certificate-authority"),
        ):  # fmt: skip
            data = section.get(f"{key}-data")
            (folder / name).write_bytes(base64.b64decode(data) if data else pathlib.Path(section[key]).read_bytes())
        self.upstream = urlsplit(yaml.safe_load(other.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]).port
        self._sandbox = Sandbox(folder)

    def decoy(self, name: str) -> tuple[Decoy, pathlib.Path]:
        """A listener before the other cluster, and a home folder whose kubeconfig leads to it."""
        decoy = Decoy(int(self.upstream or 0))
        home = self.folder / name / "home"
        (home / ".kube").mkdir(parents=True)
        config = yaml.safe_load(self.other.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = decoy.address
        (home / ".kube" / "config").write_text(yaml.safe_dump(config))
        return decoy, home

    def both(self, home: pathlib.Path) -> pathlib.Path:
        """A kubeconfig whose current context is the decoy's, with the named cluster's as `named`."""
        path = home / "both"
        config = yaml.safe_load((home / ".kube" / "config").read_text())
        for section, inner in (("clusters", "cluster"), ("users", "user")):
            config[section].append({"name": "named", inner: self._config[section][0][inner]})
        config["contexts"].append({"name": "named", "context": {"cluster": "named", "user": "named"}})
        path.write_text(yaml.safe_dump(config))
        return path

    def playbook(self, arguments: list[str], environment: dict[str, str]) -> Run:
        return self._sandbox.run(arguments, LIMIT, environment)

    def run(self, way: Way) -> tuple[Run, Decoy]:
        """All actions and modules in one play, each told where by this way."""
        name = re.sub(r"\W+", "-", way.name)
        decoy, home = self.decoy(name)
        work = self.folder / name / "work"
        work.mkdir()
        write_backup(work)
        write_data(work)
        words = {
            "named": self.named.kubeconfig, "host": self.server, "decoy": decoy.address, "work": work, "home": home,
            "both": self.both(home), "text": self.text,
            **{each: self.folder / each for each in ("vaulted", "password", "cert", "key", "ca")},
        }  # fmt: skip

        def filled(value: Any) -> Any:
            if isinstance(value, str):
                for word, text in words.items():
                    value = value.replace("{" + word + "}", str(text))
                return value
            if isinstance(value, dict):
                return {key: filled(each) for key, each in value.items()}
            return [filled(each) for each in value] if isinstance(value, (list, tuple)) else value

        inventory = work / "inventory"
        (inventory / "group_vars").mkdir(parents=True)
        (inventory / "hosts.yml").write_text(yaml.safe_dump(HOSTS))
        (inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(filled(dict(way.variables))))
        for path, text in way.files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(filled(text))
        play = {
            "hosts": "kof_mothership:kof_regional:kof_child", "gather_facts": False, "connection": "local",
            **filled(dict(way.play)),
            "tasks": [
                {
                    "name": plugin, f"k0rdent.kof.{plugin}": {**arguments, **filled(dict(way.options))},
                    "run_once": True, "check_mode": True, "ignore_errors": True, **filled(dict(way.task)),
                }
                for plugin, arguments in tasks(work, self.chart, self.aws).items()
            ],
        }  # fmt: skip
        (work / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        arguments = [str(work / "play.yml"), "-i", str(inventory), "-vv", *filled(way.arguments)]
        return self.playbook(arguments, {"HOME": str(home), **filled(dict(way.environment))}), decoy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = f"http://{host}:{port}"
    # Servers of one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"{aws}/moto-api/reset", method="POST")).close()
    iam = boto3.client(
        "iam", region_name=AWS["region"], endpoint_url=aws, aws_access_key_id=AWS["access_key"],
        aws_secret_access_key=AWS["secret_key"],
    )  # fmt: skip
    iam.create_user(UserName=NAME, Tags=[{"Key": "k0rdent.kof/fleet", "Value": NAME}])
    planes = [running_control_plane(tmp_path_factory) for _each in range(2)]
    try:
        with ThreadPoolExecutor(2) as pool:
            named, other = pool.map(next, planes)
        made = World(named, other, aws, tmp_path_factory.mktemp("which"))
        yield made
    finally:
        for plane in planes:
            next(plane, None)
        server.stop()


@pytest.fixture(scope="module")
def runs(world: World, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[tuple[Run, Decoy]]]]:
    """The runs of the ways that were asked for, two at a time, ahead of their tests."""
    wanted = {
        item.callspec.params["way"].name
        for item in request.session.items
        if hasattr(item, "callspec") and "way" in item.callspec.params
    }
    with ThreadPoolExecutor(PARALLEL) as pool:
        yield {way.name: pool.submit(world.run, way) for way in WAYS if way.name in wanted}


def test_every_action_and_module_is_in_the_matrix(tmp_path: pathlib.Path) -> None:
    plugins = REPOSITORY / "plugins"
    there = {path.stem for kind in ("action", "modules") for path in (plugins / kind).glob("*.py")} - {"__init__"}
    # They say again what others found, and ask no cluster; in check mode the record isn't kept.
    assert set(tasks(tmp_path, tmp_path, "")) == there - {
        *("fleet_outcome", "fleet_report", "fleet_record"),
        "awx_objects",
    }
    documented = {path.stem for path in (plugins / "modules").glob("*.py") if "def main" in path.read_text()}
    assert set(MODULES) == documented
    # yaml reads files alone.
    assert {path.stem for path in (plugins / "inventory").glob("*.py")} - {"__init__", "yaml"} == {"clusters"}


@pytest.mark.parametrize(
    "way", [pytest.param(way, id=way.name, marks=[pytest.mark.long] if way.long else []) for way in WAYS]
)
def test_a_way_to_say_where(
    way: Way, world: World, runs: dict[str, Future[tuple[Run, Decoy]]], tmp_path: pathlib.Path
) -> None:
    run, decoy = runs[way.name].result()
    decoy.close()
    assert decoy.connections == 0, run.output
    results = {event["task"]: event for event in run.events if event["event"] in ("ok", "failed", "unreachable")}
    assert set(results) == set(tasks(tmp_path, tmp_path, "")), run.output
    for plugin, event in results.items():
        refused = bool(way.refused) != (plugin in way.but)
        if plugin == SILENT and not way.places:
            refused = False
        told = event["result"].get("msg", "")
        if refused and plugin == TOLERANT and event["event"] == "ok":
            assert re.search(way.refused, " ".join(event["result"]["not_looked_at"]), re.DOTALL), event["result"]
            continue
        if refused:
            assert event["event"] != "ok", f"{plugin} is honoured: {run.output}"
            assert re.search(way.refused, told, re.DOTALL), f"{plugin}: {told}"
            continue
        if plugin == "fleet_preflight":  # the cluster is empty, and that is told
            assert "API server" not in told, run.output
        else:
            assert event["event"] == "ok", f"{plugin}: {told}"
        if plugin.startswith("fleet_") and plugin not in (SILENT, NAMELESS):
            assert event["result"]["management_cluster"].startswith(world.server), f"{plugin}: {event['result']}"
    for secret in filter(
        None, (way.secret, "HalfOfAKeyHalfOfAKey", AWS["secret_key"], (world.folder / "key").read_text()[60:120])
    ):
        assert secret not in run.output


def some_now(names: list[str], *now: str) -> list[Any]:
    """All as parameters, those but `now` marked long."""
    return [pytest.param(name, marks=[] if name in now else [pytest.mark.long]) for name in names]


def inventory_in(folder: pathlib.Path, **variables: Any) -> str:
    """HOSTS as an inventory below `folder`, and these variables of all."""
    (folder / "inventory" / "group_vars").mkdir(parents=True)
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump(HOSTS))
    (folder / "inventory" / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables))
    return str(folder / "inventory")


@pytest.mark.parametrize("playbook", some_now(PLAYBOOKS, "delete", "render", "site"))
def test_a_playbook_is_at_the_named_cluster_and_says_so(playbook: str, world: World, tmp_path: pathlib.Path) -> None:
    decoy, home = world.decoy(f"playbook-{playbook}")
    inventory = inventory_in(tmp_path, kof_kubeconfig=str(world.named.kubeconfig))
    write_backup(tmp_path)
    write_data(tmp_path)
    paths = f"render_folder={tmp_path}/rendered restore_file={tmp_path}/backup.tar.gz"
    arguments = [f"k0rdent.kof.{playbook}", "-i", inventory, "--check", "-e", paths]
    run = world.playbook(arguments, {"HOME": str(home)})
    decoy.close()
    assert decoy.connections == 0, run.output
    if playbook == "render":
        assert run.code == 0, run.output
        return
    told = " ".join(re.sub(r"[|│┃]", " ", run.output).split())
    assert world.server in told, run.output
    assert "group_vars/all.yml" in told, run.output
    # The cluster is empty, so only what needs no kcm gets to its end: there the last words are.
    if playbook == "delete":
        assert run.code == 0, run.output
        assert re.search(rf"4 absent; at {world.server} \(kubeconfig .*, by kof_kubeconfig in .*all.yml:1", run.output)


@pytest.mark.parametrize("kind", ["group_vars/all.yml", "host_vars/eu1/kof.yaml"])
@pytest.mark.parametrize("playbook", some_now(PLAYBOOKS, "site"))
def test_variables_beside_an_importing_playbook_are_refused_by_path(
    kind: str, playbook: str, world: World, tmp_path: pathlib.Path
) -> None:
    decoy, home = world.decoy(f"beside-{playbook}-{kind[:5]}")
    inventory = inventory_in(tmp_path)
    (tmp_path / "site.yml").write_text(yaml.safe_dump([{"import_playbook": f"k0rdent.kof.{playbook}"}]))
    (tmp_path / kind).parent.mkdir(parents=True)
    (tmp_path / kind).write_text(yaml.safe_dump({"kof_kubeconfig": str(world.named.kubeconfig)}))
    run = world.playbook([str(tmp_path / "site.yml"), "-i", inventory], {"HOME": str(home)})
    decoy.close()
    assert decoy.connections == 0, run.output
    assert run.code != 0, run.output
    folder = kind.split("/")[0]
    assert f"{tmp_path / kind}: kof_kubeconfig would be ignored" in run.output
    assert f"move the file to {inventory}/{folder}" in run.output


@pytest.mark.parametrize("how", ["beside the file", "vaulted", "of the environment", "a dictionary"])
def test_an_inventory_of_the_live_cluster(how: str, world: World, tmp_path: pathlib.Path) -> None:
    decoy, home = world.decoy(f"inventory-{how.replace(' ', '-')}")
    (tmp_path / "named").write_text(world.text)
    kubeconfig = {
        "beside the file": "named",
        "vaulted": str(world.folder / "vaulted"),
        "a dictionary": yaml.safe_load(world.text),
    }
    file = {"plugin": "k0rdent.kof.clusters", **({"kubeconfig": kubeconfig[how]} if how in kubeconfig else {})}
    (tmp_path / "live.kof.yml").write_text(yaml.safe_dump(file))
    environment = {"HOME": str(home)} | ({} if how in kubeconfig else {"K8S_AUTH_KUBECONFIG": str(tmp_path / "named")})
    arguments = [
        "k0rdent.kof.preflight",
        "-i",
        str(tmp_path / "live.kof.yml"),
        "--vault-password-file",
        str(world.folder / "password"),
    ]
    run = world.playbook(arguments, environment)
    decoy.close()
    assert decoy.connections == 0, run.output
    # A dictionary's credentials aren't handed on, where it leads to is.
    assert world.server in run.output, run.output
    assert ("doesn't accept the credentials" in run.output or "can't reach" in run.output) == (how == "a dictionary"), (
        run.output
    )


@pytest.mark.parametrize(
    "how", some_now(["module_defaults", "environment", "variables", "defaults_of_theirs"], "module_defaults")
)
def test_what_kubernetes_core_makes_in_our_role(how: str, world: World, tmp_path: pathlib.Path) -> None:
    """A namespace that isn't there; the charts' registry isn't there either, so the role ends after it."""
    decoy, home = world.decoy(f"core-{how}")
    file, namespace = {"kubeconfig": str(world.named.kubeconfig)}, f"by-{how.replace('_', '-')}"
    variables = {"kof_kubeconfig": file["kubeconfig"]} if how in ("variables", "defaults_of_theirs") else {}
    elsewhere = {"host": decoy.address, "client_cert": str(world.folder / "cert")}
    elsewhere |= {"client_key": str(world.folder / "key"), "validate_certs": False}
    inventory = inventory_in(
        tmp_path, kof_helm_binary=str(binaries.find_or_build(QUIET)["helm"]), kof_namespace=namespace,
        kof_chart_repository="oci://127.0.0.1:9/none", **variables,
    )  # fmt: skip
    keywords: dict[str, dict[str, Any]] = {
        "module_defaults": {"module_defaults": {"group/k0rdent.kof.kof": file}},
        "environment": {"environment": {"K8S_AUTH_KUBECONFIG": file["kubeconfig"]}},
        "variables": {},
        # With a host they win over the kubeconfig that kof_kubeconfig names.
        "defaults_of_theirs": {"module_defaults": {"group/k8s": elsewhere}},
    }
    play = {"hosts": "kof_mothership", "gather_facts": False, "connection": "local", **keywords[how]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "roles": ["k0rdent.kof.mothership"]}]))
    run = world.playbook([str(tmp_path / "play.yml"), "-i", inventory], {"HOME": str(home)})
    decoy.close()
    assert decoy.connections == 0, run.output
    assert "127.0.0.1:9" in run.output, run.output
    assert f"namespace/{namespace}" in world.named.kubectl("get", "namespace", namespace, "-o", "name")
    made = [event["action"] for event in run.events if event["event"] == "ok" and event["result"].get("changed")]
    ours = how in ("module_defaults", "defaults_of_theirs")
    assert made == ["k0rdent.kof.fleet_apply" if ours else "kubernetes.core.k8s"]


@pytest.mark.long
def test_our_roles_in_somebodys_play_with_an_environment(world: World, tmp_path: pathlib.Path) -> None:
    decoy, home = world.decoy("roles")
    inventory = inventory_in(
        tmp_path, kof_helm_binary=str(binaries.find_or_build(QUIET)["helm"]), kof_chart_repository="oci://127.0.0.1:9/none",
        dns_credentials_method="iam_user", dns_credentials_hosted_zones=["Z0EXAMPLE00000000000"],
        dns_credentials_endpoint_url=world.aws, dns_credentials_aws_access_key=AWS["access_key"],
        dns_credentials_aws_secret_key=AWS["secret_key"],
    )  # fmt: skip
    play = {
        "hosts": "kof_mothership", "gather_facts": False, "connection": "local",
        "environment": {"K8S_AUTH_KUBECONFIG": str(world.named.kubeconfig)},
        "roles": ["k0rdent.kof.dns_credentials", "k0rdent.kof.mothership"],
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    run = world.playbook([str(tmp_path / "play.yml"), "-i", inventory, "--check", "-v"], {"HOME": str(home)})
    decoy.close()
    assert decoy.connections == 0, run.output
    assert run.code == 0, run.output
    assert {"release kof/kof-operators", "release kof/kof-mothership"} <= {each for each, _action in run.changes()}
    assert any(action.endswith("created") for each, action in run.changes() if each.startswith("Secret")), run.changes()


def test_with_nothing_said_it_is_kubectls_default_and_a_warning(world: World, tmp_path: pathlib.Path) -> None:
    decoy, home = world.decoy("nothing-said")
    run = world.playbook(["k0rdent.kof.preflight", "-i", inventory_in(tmp_path)], {"HOME": str(home)})
    decoy.close()
    assert decoy.connections > 0, run.output  # and so the other tests can see one
    told = " ".join(re.sub(r"[|│┃]", " ", run.output).split())
    assert "kubectl's default" in told, run.output
    assert "warning" in told
