"""The whole sandbox: what `up`, `down` and `status` do, in which order.

May hold: the order of things and what must be there at the end. May not hold: how one part is started (cluster.py,
registry.py, aws.py) nor the objects that make a management cluster of it (the simulator's `seed`).
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import urllib3
import yaml

from sandbox import aws, binaries, chart_index, chart_packages, cluster, data, faults, lines, names, processes, registry
from sandbox import state as state_files
from sandbox.api import Api, ApiFailure, connect, wait_until
from sandbox.lines import Line
from sandbox.state import SandboxError

HERE = pathlib.Path(__file__).parent
MOTHERSHIP = "mothership"
SIMULATOR = "simulator"
KOF_USER = "k0rdent-kof"

Say = Callable[[str], None]


def up(
    state: pathlib.Path,
    *,
    only_control_plane: bool = False,
    clusters: str | None = None,
    line: Line | None = None,
    with_data: bool | None = None,
    charts: str | None = None,
    say: Say = print,
) -> bool:
    """Start the sandbox, or what is missing of it; False if all of it ran already.

    What a killed `up` left is removed first. `only_control_plane` starts etcd and API server of the mothership with all
    CRDs, those of the charts too, and nothing else. `clusters`: real | none, whether the simulator starts a control
    plane for each cluster; None for what it was, at first real. `line`: of kof, with the kcm that it knew; None for
    what it was, at first 0.1. `with_data`: whether real metrics and logs go through it, of the clusters that have
    control planes; None for what it was, at first not. `charts`: real | small, whether kof-operators has the real one's
    size, which costs CPU at each install and look; None for what it was, at first real. Raises SandboxError if a part
    does not come up.
    """
    tools = binaries.find_or_build(say, data=bool(with_data))
    began = time.monotonic()
    state_files.claim(state)
    with state_files.lock(state_files.main_lock(state), "another `up` or `down` is at work; waiting for it"):
        before = _facts(state)
        if before and not before["only_control_plane"]:
            only_control_plane = False  # the whole has a control plane too, and is not thrown away for less
        if before and clusters and not only_control_plane and before.get("clusters", "real") != clusters:
            raise SandboxError(f"it is up, with other than `--clusters {clusters}`; `down` first")
        if before and charts and not only_control_plane and before.get("charts", "real") != charts:
            raise SandboxError(f"it is up, with other than `--charts {charts}`; `down` first")
        if before and line and before["line"] != line.name:
            raise SandboxError(f"it is up, of line {before['line']} and not {line.name}; `down` first")
        with_data = bool((before or {}).get("data")) if with_data is None else with_data
        if with_data and (only_control_plane or (clusters or (before or {}).get("clusters")) == "none"):
            raise SandboxError("--data wants clusters that have control planes")
        if before and before.get("data", False) != with_data:
            raise SandboxError(f"it is up, with{'out' if with_data else ''} `--data`; `down` first")
        if before and before["only_control_plane"] == only_control_plane and not _broken(state, before):
            return False
        if before is None or before["only_control_plane"] != only_control_plane:
            _clear_away(state)
            _remove_logs(state)
        clusters = clusters or (before or {}).get("clusters", "real")
        charts = charts or (before or {}).get("charts", "real")
        line = line or (lines.find(before["line"]) if before else lines.LINE_0_1)
        if only_control_plane:
            _control_plane_only(state, line)
        else:
            _everything(state, tools, clusters, charts, line, with_data, say)
        facts = {"only_control_plane": only_control_plane, "clusters": clusters, "charts": charts}
        state_files.write_json(state / "sandbox.json", {**facts, "line": line.name, "data": with_data})
    say(f"sandbox: up in {time.monotonic() - began:.1f} s, see {state}")
    return True


def down(state: pathlib.Path, *, keep_logs: bool = False) -> None:
    """End all that the sandbox started and remove its state folder. Nothing happens where there is nothing."""
    if not state_files.is_ours(state):
        return
    with state_files.lock(state_files.main_lock(state), "another `up` or `down` is at work; waiting for it"):
        _clear_away(state)
        (state / "faults.json").unlink(missing_ok=True)
        if not keep_logs:
            _remove_logs(state)
        shutil.rmtree(state / "locks", ignore_errors=True)
        if not any(state.iterdir()):
            state.rmdir()


def status(state: pathlib.Path) -> dict[str, Any]:
    """What runs, as plain data.

    `{"up": bool, "only_control_plane": bool, "line": name or None, "clusters": [name], "processes": [{"name", "pid",
    "rss" (bytes), "cpu" (seconds)}], "missing": [name of a process that should run]}`.
    """
    facts = _facts(state)
    return {
        "up": facts is not None and not _broken(state, facts),
        "only_control_plane": bool(facts and facts["only_control_plane"]),
        "line": facts["line"] if facts else None,
        "clusters": [name for name in cluster.names(state=state) if cluster.find(name, state=state)],
        "processes": [
            {"name": process.name, "pid": process.pid, "rss": process.rss(), "cpu": process.cpu_seconds()}
            for process in processes.running(state)
        ],
        "missing": _broken(state, facts) if facts else [],
    }


def _facts(state: pathlib.Path) -> dict[str, Any] | None:
    """How it was started; None if it isn't up."""
    facts = state_files.read_json(state / "sandbox.json")
    return {"line": lines.LINE_0_1.name, **facts} if facts else None


def _remove_logs(state: pathlib.Path) -> None:
    shutil.rmtree(state / "logs", ignore_errors=True)
    for file in state.glob("audit*.log"):
        file.unlink()


def _broken(state: pathlib.Path, facts: dict[str, Any]) -> list[str]:
    """Names of processes that should run and don't; those of clusters which the simulator started count too."""
    wanted = [f"{name}.{part}" for name in cluster.names(state=state) for part in cluster.missing(name, state=state)]
    if MOTHERSHIP not in cluster.names(state=state):
        wanted.append(MOTHERSHIP)
    if not facts["only_control_plane"]:
        parts = (
            registry.NAME,
            aws.NAME,
            names.NAME,
            *((chart_index.NAME,) if lines.find(facts["line"]).http else ()),
            *((SIMULATOR,) if _has("sandbox.simulator.__main__") else ()),
            *((data.NAME,) if facts.get("data") else ()),
        )
        wanted += [name for name in parts if processes.find(state, name) is None]
    return wanted


def _clear_away(state: pathlib.Path) -> None:
    """End everything and remove what it held, but for logs, faults and locks."""
    (state / "sandbox.json").unlink(missing_ok=True)
    # First who would mend what we take away. The simulator has helm processes to end.
    processes.end(state, [SIMULATOR, data.NAME], patience=5)
    processes.end_all(state)
    for entry in list(state.iterdir()) if state.is_dir() else []:
        if entry.name in ("logs", "locks", "faults.json", "audit.log"):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _control_plane_only(state: pathlib.Path, line: Line) -> None:
    cluster.start(MOTHERSHIP, only_control_plane=True, audit=True, state=state)
    _kof_user(state)
    with connect(state / f"{MOTHERSHIP}.kubeconfig") as api:
        apply_files(api, sorted((HERE / "crds").rglob("*.yaml")), line)
    _endpoints(state, binaries.find_or_build(), line, {})


def _everything(
    state: pathlib.Path,
    tools: dict[str, pathlib.Path],
    clusters: str,
    charts: str,
    line: Line,
    with_data: bool,
    say: Say,
) -> None:
    addresses: dict[str, str] = {}

    def registry_and_charts() -> None:
        work, small = state / "chart-packages", charts == "small"
        chart_packages.restore(line, small, registry.files(state), work)
        addresses["registry"] = registry.start(state, tools)
        if chart_packages.push_all(tools["helm"], addresses["registry"], work, line, small):
            chart_packages.keep(line, small, registry.files(state), work)
        if line.http:
            addresses["index"] = chart_index.start(state)
            place = chart_index.folder(state)
            chart_packages.index_all(tools["helm"], addresses["index"], work, place, line, small)

    def stand_in_for_aws() -> None:
        addresses["aws"] = aws.start(state)
        addresses["names"] = names.start(state, addresses["aws"])

    for name in cluster.names(state=state):
        cluster.mend(name, state=state)
    side = [_InBackground(registry_and_charts), _InBackground(stand_in_for_aws)]
    cluster.start(MOTHERSHIP, audit=True, state=state)
    say("mothership: control plane, controllers and nodes are up")
    _kof_user(state)
    with connect(state / f"{MOTHERSHIP}.kubeconfig") as api:
        apply_files(api, sorted((HERE / "crds").glob("*.yaml")), line)
        apply_files(api, sorted((HERE / "admission").glob("*.yaml")))
    for job in side:
        job.join()
    if with_data:
        addresses |= data.start(state)
    _endpoints(state, tools, line, addresses)
    place = state_files.read_json(state / "endpoints.json")["chart_repository"]
    say(f"charts of line {line.name}: {place}; AWS: {addresses['aws']}")
    if not (state / "faults.json").exists():
        faults.clear(state)
    elif faults.read(state) != faults.none():
        say(f"faults are set: {state / 'faults.json'}")
    if _has("sandbox.simulator.__main__"):
        _management_cluster(state, clusters, line)
        say("simulator: runs, the management cluster is ready")


class _InBackground:
    """A job in a thread whose exception comes out at `join`."""

    def __init__(self, job: Callable[[], None]) -> None:
        self._failure: BaseException | None = None

        def run() -> None:
            try:
                job()
            except BaseException as reason:
                self._failure = reason

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._failure:
            raise self._failure


def _kof_user(state: pathlib.Path) -> None:
    """The collection works as a user of its own, so that the audit log tells its requests from all others."""
    cluster.user(MOTHERSHIP, KOF_USER, state / "kof.kubeconfig", state=state)
    with connect(state / f"{MOTHERSHIP}.kubeconfig") as api:
        api.apply(
            f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{KOF_USER}",
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": KOF_USER},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": KOF_USER}],
            },
        )


def make_user(state: pathlib.Path, name: str) -> pathlib.Path:
    """A kubeconfig for somebody who may do nothing on the mothership but what you give him; made on first use."""
    if not re.fullmatch(r"[a-z0-9][-a-z0-9.]*", name) or name in cluster.names(state=state) or name == "kof":
        raise SandboxError(f"a user can't be named {name!r}: lower case, and not a cluster's name")
    file = state / f"{name}.kubeconfig"
    cluster.user(MOTHERSHIP, name, file, state=state)
    return file


def adopt(state: pathlib.Path, name: str) -> str:
    """Make `NAME-cred`, a Credential by which kcm can adopt a cluster, and that cluster where clusters are real; the
    name of the ClusterTemplate for it.

    It is one that kcm knows nothing of, and that stays when its ClusterDeployment goes.
    """
    from sandbox.simulator.api import Api as SimulatorApi
    from sandbox.simulator.fleet import SYSTEM, create_all
    from sandbox.simulator.seed import ADOPTED, template_name
    from sandbox.simulator.seed import adopt as make_credential

    facts = _facts(state)
    if facts is None:
        raise SandboxError("it is not up")
    kubeconfig = None
    if facts["clusters"] == "real":
        started = cluster.start(name, state=state)
        create_all(SimulatorApi(started.kubeconfig), SYSTEM, manager="k0s")
        kubeconfig = started.kubeconfig.read_text()
    make_credential(SimulatorApi(state / f"{MOTHERSHIP}.kubeconfig"), name, kubeconfig)
    return template_name(ADOPTED, lines.find(facts["line"]).adopted)


def _endpoints(state: pathlib.Path, tools: dict[str, pathlib.Path], line: Line, addresses: dict[str, str]) -> None:
    oci, index = addresses.get("registry"), addresses.get("index")
    charts = f"{index}/kof" if index else f"oci://{oci}/kof/charts" if oci else None
    state_files.write_json(
        state / "endpoints.json",
        {
            "line": line.name,
            "kof_version": line.kof_version,
            "registry": oci,
            "index": index,
            "chart_repository": charts,
            "aws": addresses.get("aws"),
            # A DNS server that knows what stands in AWS' hosted zones.
            "names": addresses.get("names"),
            # Through which proxy names of the sandbox's domains are reached, and whose certificates are then trusted.
            "proxy": addresses.get("proxy"),
            "certificates": addresses.get("certificates"),
            **{name: addresses.get(name) for name in ("promxy", "vmalert", "alertmanager")},
            "helm": str(tools["helm"]),
            "kubectl": str(tools["kubectl"]),
            "kof_kubeconfig": str(state / "kof.kubeconfig"),
            "mothership_kubeconfig": str(state / f"{MOTHERSHIP}.kubeconfig"),
        },
    )


def apply_files(api: Api, files: list[pathlib.Path], line: Line | None = None) -> None:
    """Apply every object of these YAML files, and wait until the CRDs among them are served.

    What kcm of that line doesn't know yet is left out.

    Only kinds whose plural is the kind in lower case with an s or es are known here: CRDs and admission objects.
    """
    definitions = []
    for file in files:
        for document in yaml.load_all(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not document:
                continue
            if line:
                _without(document, line.absent_fields)
            kind = document["kind"].lower()
            plural = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
            path = f"/apis/{document['apiVersion']}/{plural}/{document['metadata']['name']}"
            try:
                api.apply(path, document)
            except ApiFailure as refusal:
                raise SandboxError(f"{file}: {document['metadata']['name']}: {refusal}") from None
            if document["kind"] == "CustomResourceDefinition":
                definitions.append(path)

    def established() -> bool:
        while definitions:
            conditions = (api.get(definitions[-1]) or {}).get("status", {}).get("conditions") or []
            if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                return False
            definitions.pop()
        return True

    wait_until("CRDs", 300, established, lambda: f"not served: {', '.join(definitions)}")


def _without(schema: Any, fields: tuple[str, ...]) -> None:
    """Take fields of `serviceSpec` out of a CRD."""
    for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "serviceSpec":
            for field in fields:
                value.get("properties", {}).pop(field, None)
        elif fields and isinstance(value, dict | list):
            _without(value, fields)


def _management_cluster(state: pathlib.Path, clusters: str, line: Line) -> None:
    """Make a management cluster of the mothership: kcm's objects, and the simulator, which plays kcm and operators."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "KUBECONFIG" and not name.startswith(("K8S_AUTH_", "HELM_"))
    }
    # What it leaves in its folder for temporary files, if killed, goes with the state folder.
    (state / "tmp").mkdir(exist_ok=True)
    environment |= {"KOF_SANDBOX_DIR": str(state), "PYTHONPATH": str(HERE.parent), "TMPDIR": str(state / "tmp")}
    program = [sys.executable, "-m", "sandbox.simulator"]
    kubeconfig = state / f"{MOTHERSHIP}.kubeconfig"
    # In this process: another one takes half a second to begin.
    from sandbox.simulator.api import Api as SimulatorApi
    from sandbox.simulator.api import ApiError
    from sandbox.simulator.seed import seed

    try:
        seed(SimulatorApi(kubeconfig), line)
    except (ApiError, OSError, urllib3.exceptions.HTTPError) as reason:
        raise SandboxError(f"the simulator's seed failed: {reason}") from reason
    if processes.find(state, SIMULATOR) is None:
        (state / "simulator.json").unlink(missing_ok=True)  # of one that died
    processes.start(state, SIMULATOR, [*program, "run", "--state-dir", str(state), "--clusters", clusters], environment)
    log = processes.log_file(state, SIMULATOR)
    with connect(kubeconfig) as api:

        def ready() -> bool:
            if processes.find(state, SIMULATOR) is None:
                raise SandboxError(f"the simulator ended; the end of {log}:\n{processes.tail(log)}")
            # Written by the simulator once it watches everything.
            return (state / "simulator.json").exists() and not _unready(api)

        wait_until("the management cluster", 600, ready, lambda: f"{_unready(api)}\n{processes.tail(log)}")


def _unready(api: Api) -> str:
    """What a user could trip over if they began now; empty if nothing."""
    group = "/apis/k0rdent.mirantis.com/v1alpha1"
    hooks = api.request("GET", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations")["items"]
    if not hooks:
        return "kcm's webhooks are not registered"
    for management in api.request("GET", f"{group}/managements")["items"]:
        conditions = management.get("status", {}).get("conditions", [])
        if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            return f"Management {management['metadata']['name']} is not ready"
    for credential in api.request("GET", f"{group}/credentials")["items"]:
        if "status" not in credential:
            return f"Credential {credential['metadata']['name']} has no status"
    for template in api.request("GET", f"{group}/clustertemplates")["items"]:
        if "valid" not in template.get("status", {}):
            return f"ClusterTemplate {template['metadata']['name']} is not judged"
    return ""
