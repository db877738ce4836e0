"""The sandbox as the benchmarks use it: namespaces that kcm works for or not, inventories, rendered files, objects.

Nothing in here is measured. May not hold: what is compared with what (tasks.py).
"""

from __future__ import annotations

import copy
import json
import pathlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import example_fleet
import yaml

from acceptance.support import REPOSITORY, Sandbox
from benchmarks import rounds
from benchmarks.checkout import Checkout
from benchmarks.rounds import Wrong
from sandbox import lifecycle
from sandbox.simulator.api import Api, ApiError
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CLUSTER_TEMPLATE,
    CONFIG_MAP,
    CREDENTIAL,
    GRAFANA_DATASOURCE,
    HELM_REPOSITORY,
    NAMESPACE,
    PROMXY_SERVER_GROUP,
    SERVICE_TEMPLATE,
    Kind,
)

KCM = "kcm-system"
#: Namespaces of the contenders: kcm's webhooks judge what is sent there, its controller doesn't work behind it.
PREFIX = "bench-"
RIVAL_USER = "rival"
#: Stands in rendered files for the namespace that a contender gets.
PLACEHOLDER = "namespace-of-a-contender"
#: What a namespace needs for kcm's webhooks to admit a ClusterDeployment.
_NEEDED = (HELM_REPOSITORY, CLUSTER_TEMPLATE, SERVICE_TEMPLATE, CREDENTIAL, CONFIG_MAP)
#: Cores in use by all of the sandbox's processes at which nothing is thought to work in the background.
QUIET = 0.15

Object = dict[str, Any]


@dataclass
class World:
    """One run's sandbox and files.

    :ivar folder: everything is written in here.
    :ivar checkout: another checkout of this repository that takes part.
    """

    sandbox: Sandbox
    folder: pathlib.Path
    regions: int
    children: int
    say: Callable[[str], None]
    checkout: Checkout | None = None
    _namespaces: int = 0
    _rendered: dict[tuple[int, str | None], dict[str, dict[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api = Api(self.sandbox.endpoints["mothership_kubeconfig"], user_agent="benchmarks")

    @property
    def environment(self) -> dict[str, str]:
        """Everybody's."""
        caches = {
            name: str(self.folder / "cache" / name.lower())
            for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR")
        }
        return self.sandbox.environment | caches

    @property
    def rival(self) -> dict[str, str]:
        """The rivals' environment: they are a user of their own, and administrator."""
        kubeconfig = str(self.sandbox.folder / f"{RIVAL_USER}.kubeconfig")
        ends = self.sandbox.endpoints
        return {
            "KUBECONFIG": kubeconfig,
            "K8S_AUTH_KUBECONFIG": kubeconfig,
            "KUBECTL": ends["kubectl"],
            "HELM": ends["helm"],
        }

    @property
    def machine(self) -> rounds.Machine:
        return rounds.Machine(
            self.environment, self.quiet, self.sandbox.folder / "audit.log", self.folder / "output.txt", REPOSITORY,
            self.say, {RIVAL_USER: 1} if self.checkout else {},
        )  # fmt: skip

    def prepare(self) -> None:
        """Install the mothership, tell kcm whom to leave alone, and make the rivals' user."""
        self.sandbox.command("fault", f"kcm_ignores={PREFIX}*")
        self.sandbox.command("user", RIVAL_USER)
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": RIVAL_USER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": RIVAL_USER}],
        }
        self.api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body=binding)
        installed = self.sandbox.playbook("site", "--limit", "mothership", inventory=self.inventory())
        if installed.code:
            raise Wrong(f"the mothership could not be installed:\n{installed.output}")

    def quiet(self, patience: float = 180) -> float:
        """Wait until the sandbox's processes rest, but not for ever; returns the cores they still use."""

        def used() -> float:
            return sum(each["cpu"] for each in lifecycle.status(self.sandbox.folder)["processes"])

        deadline = time.monotonic() + patience
        while True:
            before, began = used(), time.monotonic()
            time.sleep(1)
            busy = (used() - before) / (time.monotonic() - began)
            if busy < QUIET or time.monotonic() > deadline:
                return busy

    def inventory(self, children: int | None = None) -> str:
        """An inventory of all regions and so many children, as `-i` takes it."""
        number = self.children if children is None else children
        folder = self.folder / f"inventory-{number}"
        if not folder.exists():
            self.sandbox.inventory(folder, self.fleet(number))
        return str(folder)

    def fleet(self, children: int | None = None) -> example_fleet.Fleet:
        return example_fleet.fleet(self.regions, self.children if children is None else children)

    def namespace(self) -> str:
        """A fresh namespace with copies of kcm's templates and Credential, in which ClusterDeployments are admitted."""
        self._namespaces += 1
        name = f"{PREFIX}{self._namespaces}"
        self.api.create(NAMESPACE, {"metadata": {"name": name}})
        for kind in _NEEDED:
            for seeded in self.listed(kind, KCM):
                if seeded["metadata"]["name"] == "kube-root-ca.crt":  # each namespace gets its own
                    continue
                made: Object = {key: seeded[key] for key in ("spec", "data") if key in seeded}
                made |= {"apiVersion": kind.api_version, "kind": kind.kind}
                metadata = {"name": seeded["metadata"]["name"], "namespace": name}
                self.api.create(kind, {**made, "metadata": metadata})
                if seeded.get("status"):
                    status = {"status": seeded["status"]}
                    self.api.patch(kind, name, metadata["name"], status, subresource="status")
        self._wait_admitted(name)
        return name

    def _wait_admitted(self, namespace: str) -> None:
        """The webhooks read from a cache: ask with dry runs until it has the copies."""
        sample = documents(next(iter(self.rendered()["child"].values())), namespace)[0]
        deadline = time.monotonic() + 60
        while True:
            try:
                path = CLUSTER_DEPLOYMENT.path(namespace)
                self.api.request("POST", path, query={"dryRun": "All"}, body=sample)
                return
            except ApiError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def empty(self, namespace: str) -> None:
        """Delete every cluster object of a contender's namespace. (The namespace stays: it costs nothing.)"""
        for kind in (CLUSTER_DEPLOYMENT, PROMXY_SERVER_GROUP, GRAFANA_DATASOURCE):
            self.api.request("DELETE", kind.path(namespace), timeout=300)
            deadline = time.monotonic() + 120
            while self.listed(kind, namespace):
                if time.monotonic() > deadline:
                    raise Wrong(f"{kind.kind}s of {namespace} don't go away")
                time.sleep(0.2)

    def listed(self, kind: Kind, namespace: str) -> list[Object]:
        return self.api.request("GET", kind.path(namespace), timeout=60)["items"]

    def clusters(self, namespace: str) -> dict[str, Object]:
        return {each["metadata"]["name"]: each for each in self.listed(CLUSTER_DEPLOYMENT, namespace)}

    def rendered(self, children: int | None = None, kof_namespace: str | None = None) -> dict[str, dict[str, str]]:
        """What our own render makes of the fleet: text by file's name by layer, for the namespace PLACEHOLDER."""
        number = self.children if children is None else children
        key = (number, kof_namespace)
        if key not in self._rendered:
            folder = self.folder / f"rendered-{number}-{kof_namespace or 'kof'}"
            own = ["-e", f"kof_namespace={kof_namespace}"] if kof_namespace else []
            made = self.sandbox.playbook(
                "render", "-e", f"render_folder={folder}", "-e", f"kof_kcm_namespace={PLACEHOLDER}", *own,
                inventory=self.inventory(number),
            )  # fmt: skip
            if made.code:
                raise Wrong(f"render failed:\n{made.output}")
            self._rendered[key] = {
                layer.name: {file.name: file.read_text(encoding="utf-8") for file in sorted(layer.iterdir())}
                for layer in folder.iterdir()
            }
        return self._rendered[key]

    def file(self, texts: Mapping[str, str], namespace: str, name: str) -> str:
        """These rendered texts as one file for a namespace; its path."""
        path = self.folder / f"{namespace}-{name}.yaml"
        path.write_text("".join(texts.values()).replace(PLACEHOLDER, namespace), encoding="utf-8")
        return str(path)

    def check_applied(self, namespace: str, texts: Mapping[str, str]) -> None:
        """Raises Wrong unless exactly these clusters are there, each with all that was wanted of it."""
        live = self.clusters(namespace)
        wanted = [each for text in texts.values() for each in documents(text, namespace)]
        wanted = [each for each in wanted if each["kind"] == CLUSTER_DEPLOYMENT.kind]
        if len(wanted) != len(live):
            raise Wrong(f"{len(live)} ClusterDeployments are there, not {len(wanted)}")
        for each in wanted:
            name = each["metadata"]["name"]
            if name not in live or not has(live[name]["spec"], each["spec"]):
                raise Wrong(f"ClusterDeployment {name} is not as wanted")

    def untouched(self, namespace: str) -> Callable[[rounds.Done], None]:
        """A check that raises Wrong if any cluster of the namespace was written since now."""
        before = {name: each["metadata"]["resourceVersion"] for name, each in self.clusters(namespace).items()}

        def check(_done: rounds.Done) -> None:
            after = {name: each["metadata"]["resourceVersion"] for name, each in self.clusters(namespace).items()}
            if after != before:
                raise Wrong(f"{sum(after.get(n) != v for n, v in before.items())} ClusterDeployments were written")

        return check

    def apply(self, namespace: str, texts: Mapping[str, str], name: str) -> str:
        """Make the clusters by kubectl, unmeasured; returns the file."""
        file = self.file(texts, namespace, name)
        self.run([self.rival["KUBECTL"], "apply", "--server-side", "-f", file], self.rival)
        return file

    def run(self, command: list[str], environment: Mapping[str, str] | None = None) -> rounds.Done:
        """Run something of the preparation. Raises Wrong if it fails."""
        done = rounds.run(
            command, self.environment | dict(environment or {}), self.folder / "preparation.txt", REPOSITORY
        )
        if done.code:
            raise Wrong(f"exit code {done.code} of {' '.join(command)[:300]}\n{done.output[-3000:]}")
        return done

    def edit(self, namespace: str, name: str, workers: int) -> None:
        """What somebody's `kubectl edit` of the number of workers sends."""
        patch = {"spec": {"config": {"workersNumber": workers}}}
        self.api.patch(CLUSTER_DEPLOYMENT, namespace, name, patch, manager="kubectl-edit")

    def pretend_ready(self, namespace: str) -> None:
        """Give each cluster of a namespace that kcm leaves alone the status of its namesake in kcm-system."""
        models = self.clusters(KCM)
        live = self.clusters(namespace)

        def copy_status(name: str) -> None:
            status = copy.deepcopy(models[name]["status"])
            status["observedGeneration"] = live[name]["metadata"]["generation"]
            self.api.patch(CLUSTER_DEPLOYMENT, namespace, name, {"status": status}, subresource="status")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(copy_status, live))


def documents(text: str, namespace: str) -> list[Object]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(text.replace(PLACEHOLDER, namespace), loader) if each]


def has(live: Any, wanted: Any) -> bool:
    """Whether a live value holds all of a wanted one: the server may have added keys, nothing else."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and has(live[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(has, live, wanted))
    return bool(live == wanted)


def values_of(cluster: Object) -> Object:
    """A rendered ClusterDeployment as the values of the rivals' templates."""
    meta, spec = cluster["metadata"], cluster["spec"]
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "labels": meta["labels"],
        "template": spec["template"],
        "credential": spec["credential"],
        "config": spec["config"],
        "priority": spec["serviceSpec"]["priority"],
        "services": spec["serviceSpec"]["services"],
    }


def write_json(path: pathlib.Path, value: Any) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return path
