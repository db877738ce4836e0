"""Limits, sizes, replicas, retention and the issuer end in what the charts make of them; at a line whose charts don't
read one, and in values of the user's own, it is refused before anything is made.

What `k0rdent.kof.render` writes is given to helm and the stand-in charts, which are as deaf as the real ones are: that
is held against them here too, key by key.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from support import REPOSITORY

from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from forked import SHARED
from sandbox import binaries, chart_packages

Objects = dict[tuple[str, str], dict[str, Any]]

PROMXY = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}}
RELOAD = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}}
#: The guide's, of a file that the chart doesn't use.
OPERATOR = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
GO = {"requests": {"memory": "64Mi"}, "limits": {"memory": "256Mi"}}
ISSUER = {"ca": {"secretName": "our-ca"}}
#: By layer: what both lines' charts read, and what those of 0.0 have written in.
SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mothership": (
        {
            "mothership_promxy_resources": PROMXY,
            "mothership_promxy_operator_resources": OPERATOR,
            "mothership_promxy_replicas": 2,
            "mothership_metrics_replicas": 4,
            "mothership_metrics_replication_factor": 3,
        },
        {
            "mothership_promxy_reload_resources": RELOAD,
            "mothership_grafana_storage_size": "3Gi",
            "mothership_metrics_storage_size": "70Gi",
            "mothership_metrics_cache_size": "7Gi",
            "mothership_retention": "90d",
        },
    ),
    "regional": (
        {
            "regional_logs_retention": "26w",
            "regional_logs_storage_size": "30Gi",
            "regional_metrics_replicas": 5,
            "regional_metrics_replication_factor": 4,
            "regional_cluster_issuer": ISSUER,
        },
        {
            "regional_metrics_storage_size": "90Gi",
            "regional_metrics_cache_size": "9Gi",
            "regional_retention": "60d",
        },
    ),
    "child": ({}, {"child_instrumentation_resources": GO}),
}


@pytest.fixture(scope="module")
def helm() -> pathlib.Path:
    return binaries.find_or_build()["helm"]


@pytest.fixture(scope="module", params=list(LINES))
def of_line(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def make(helm: pathlib.Path, of_line: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Objects]:
    """(chart, values) -> what helm makes of a stand-in chart of the line, by kind and name; without Secrets, which are
    drawn anew each time."""
    folder = tmp_path_factory.mktemp("charts")
    # Of cert-manager line 0.0 has both, the wrapper of kcm and, later, the project's own chart.
    charts = {chart.name: chart_packages.assemble(chart, folder) for chart in chart_packages.OF_LINE[of_line]}

    def made(chart: str, values: Any) -> Objects:
        command = [str(helm), "template", chart, str(charts[chart]), "--namespace", "kof", "--values", "-"]
        # Where a Secret of the cluster is read, there is none here.
        command += [
            "--skip-schema-validation",
            "--set",
            "victoriametrics.vmauth.enabled=false,collectors.enabled=false",
        ]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        documents = [each for each in foreign_yaml.documents(done.stdout) if each and each["kind"] != "Secret"]
        return {(each["kind"], each["metadata"]["name"]): each for each in documents}

    return made


def play(folder: pathlib.Path, line: str, **more: Any) -> tuple[int, str, pathlib.Path]:
    """`k0rdent.kof.render` for a fleet of three hosts; its exit code, output and folder."""
    classes = {"mothership_storage_class": "fast", "regional_storage_class": "fast"} if line == "0.0" else {}
    shared = {
        "kof_version": LINES[line].version,
        "kof_chart_repository": "oci://registry.example.com/kof/charts",
        "regional_domain": "eu1.example.com",
        "regional_admin_email": "a@example.com",
        "child_regional": "eu1",
        **classes,
        **more,
    }
    hosts = {"kof_mothership": "m", "kof_regional": "eu1", "kof_child": "eu1-child1"}
    inventory = {"all": {"vars": shared}, **{group: {"hosts": {host: None}} for group, host in hosts.items()}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    arguments = ["-i", str(folder / "hosts.yml"), str(REPOSITORY / "playbooks" / "render.yml")]
    code, output = SHARED.run([*arguments, "-e", f"render_folder={folder / 'rendered'}"], dict(os.environ), 300)
    return code, output, folder / "rendered"


def written(folder: pathlib.Path) -> dict[str, Any]:
    """By chart, its values as they were written."""
    found = {
        name: yaml.safe_load((folder / "mothership" / f"{name}-values.yaml").read_text())
        for name in ("kof-operators", "kof-mothership")
    }
    for file in ("regional/eu1.yaml", "child/eu1-child1.yaml"):
        cluster = next(yaml.safe_load_all((folder / file).read_text()))
        for service in cluster["spec"]["serviceSpec"]["services"]:
            found[service["name"]] = yaml.safe_load(service.get("values", "{}"))
    return found


def containers(objects: Objects, kind: str, name: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in objects[kind, name]["spec"]["template"]["spec"]["containers"]}


def size(objects: Objects, kind: str, name: str) -> str:
    spec = objects[kind, name]["spec"]
    claim = spec["volumeClaimTemplates"][0]["spec"] if kind == "StatefulSet" else spec
    return claim["resources"]["requests"]["storage"]


def metrics(objects: Objects) -> dict[str, Any]:
    """What a cluster of VictoriaMetrics was told."""
    parts = {"vminsert": "Deployment", "vmselect": "StatefulSet", "vmstorage": "StatefulSet"}
    (insert,) = containers(objects, "Deployment", "vminsert-cluster").values()
    (storage,) = containers(objects, "StatefulSet", "vmstorage-cluster").values()
    return {
        "replicas": {objects[kind, f"{name}-cluster"]["spec"]["replicas"] for name, kind in parts.items()},
        "factor": insert["args"],
        "retention": storage["args"],
        "storage": size(objects, "StatefulSet", "vmstorage-cluster"),
        "cache": size(objects, "StatefulSet", "vmselect-cluster"),
    }


def test_each_option_ends_in_what_the_charts_make(
    of_line: str, make: Callable[..., Objects], tmp_path: pathlib.Path
) -> None:
    later = of_line != "0.0"
    said: dict[str, Any] = {}
    for both, of_later in SAID.values():
        said |= both | (of_later if later else {})
    code, output, folder = play(tmp_path, of_line, **said)
    assert code == 0, output
    values = written(folder)

    mothership = make("kof-mothership", values["kof-mothership"])
    promxy = containers(mothership, "Deployment", "kof-mothership-promxy")
    assert promxy["promxy"]["resources"] == PROMXY
    charts_own = {part: {"cpu": 0.02, "memory": "20Mi"} for part in ("requests", "limits")}
    assert promxy["promxy-server-configmap-reload"]["resources"] == (RELOAD if later else charts_own)
    assert mothership["Deployment", "kof-mothership-promxy"]["spec"]["replicas"] == 2
    (operator,) = containers(mothership, "Deployment", "kof-mothership-promxy-operator").values()
    assert operator["resources"] == OPERATOR
    assert size(mothership, "PersistentVolumeClaim", "grafana-vm-pvc") == ("3Gi" if later else "200Mi")
    assert metrics(mothership) == {
        "replicas": {4},
        "factor": ["-replicationFactor=3"],
        "retention": ["-retentionPeriod=90d" if later else "-retentionPeriod=1"],
        "storage": "70Gi" if later else "10Gi",
        "cache": "7Gi" if later else "2Gi",
    }

    regional = make("kof-storage", values["kof-storage"])
    assert metrics(regional) == {
        "replicas": {5},
        "factor": ["-replicationFactor=4"],
        "retention": ["-retentionPeriod=60d" if later else "-retentionPeriod=1"],
        "storage": "90Gi" if later else "10Gi",
        "cache": "9Gi" if later else "2Gi",
    }
    logs = "kof-storage-victoria-logs-single-server"
    assert size(regional, "StatefulSet", logs) == "30Gi"
    assert "-retentionPeriod=26w" in containers(regional, "StatefulSet", logs)[logs]["args"]
    (issuer,) = [each for (kind, _name), each in regional.items() if kind == "ClusterIssuer"]
    assert (issuer["metadata"]["name"], issuer["spec"]) == ("letsencrypt-prod", ISSUER)
    signers = {
        each["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
        for (kind, _name), each in regional.items()
        if kind == "Ingress"
    }
    assert signers == {"letsencrypt-prod"}

    child = make("kof-collectors", values["kof-collectors"])
    default = {part: {"memory": "128Mi"} for part in ("requests", "limits")}
    go = child["Instrumentation", "kof-instrumentation"]["spec"]["go"]["resourceRequirements"]
    assert go == (GO if later else default)


MIRROR = "registry.example.com:5000/mirror"
#: What reads a Secret of the cluster isn't made here, nor what is put beside a Go program once one runs.
UNSEEN = ("/target-allocator", "/autoinstrumentation-go")


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """Specs of all pods, by the name of what makes them."""
    return {name: each["spec"]["template"]["spec"] for (kind, name), each in objects.items() if kind in WITH_PODS}


WITH_PODS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
#: Made by operators out of objects in which the charts have no pull secrets, or by charts that have no value for them.
WITHOUT_LOGIN = ("capi-visualizer", "dashboard", "grafana-vm-", "vm")


def test_a_mirror_is_where_all_images_come_from_but_those_that_are_written_in(
    of_line: str, make: Callable[..., Objects], tmp_path: pathlib.Path
) -> None:
    said: dict[str, Any] = {}
    for role in SAID:
        said |= {f"{role}_image_registry": MIRROR, f"{role}_image_pull_secrets": ["our-registry"]}
    code, output, folder = play(tmp_path, of_line, **said)
    assert code == 0, output
    known = LINES[of_line].images
    for chart, values in written(folder).items():
        usual, found = pods(make(chart, {})), make(chart, values)
        assert pods(found).keys() - usual.keys() <= {"kof-storage-external-dns"}
        left = set()
        for spec in pods(found).values():
            for container in (*spec["containers"], *spec.get("initContainers", ())):
                if not container["image"].startswith(f"{MIRROR}/"):
                    left.add(container["image"].rpartition(":")[0].removeprefix("docker.io/"))
        written_in = {each.rpartition(":")[0].removeprefix("docker.io/") for each in known[chart].fixed}
        assert left == {each for each in written_in if not each.endswith(UNSEEN)}
        for name, spec in pods(found).items():
            for before, after in zip(usual.get(name, spec)["containers"], spec["containers"], strict=True):
                # Nothing but the registry is another one.
                was, now = (each["image"].rpartition(":")[0] for each in (before, after))
                host, _slash, path = was.partition("/")
                assert now in (was, f"{MIRROR}/{path if '.' in host else was}")
        ours = [{"name": "our-registry"}]
        with_login = {name for name, spec in pods(found).items() if spec.get("imagePullSecrets") == ours}
        if chart == "cert-manager":
            accounts = [each for (kind, _name), each in found.items() if kind == "ServiceAccount"]
            assert [each["imagePullSecrets"] for each in accounts] == [ours] * 3
        else:
            without = {name for name in pods(found) if name.startswith(WITHOUT_LOGIN)}
            assert with_login == pods(found).keys() - without
            assert bool(without) == bool(known[chart].without_secrets) or chart == "kof-collectors"
        if chart == "kof-operators":
            (spec,) = pods(found).values()
            collector = f"--collector-image={MIRROR}/otel/opentelemetry-collector-contrib:0.116.0"
            assert collector in spec["containers"][0]["args"]


def test_what_the_charts_have_written_in_is_refused_with_all_else_before_anything_is_made(
    tmp_path: pathlib.Path,
) -> None:
    said = {name: value for _both, of_later in SAID.values() for name, value in of_later.items()}
    code, output, folder = play(tmp_path, "0.0", **said)
    assert code != 0
    assert not folder.exists()
    for name in said:
        assert f"{name}: can't be said at kof 0.0.x: its charts have it written in" in output, output


@pytest.mark.parametrize("line", LINES)
def test_values_that_no_chart_reads_are_refused_by_name_with_what_works(line: str, tmp_path: pathlib.Path) -> None:
    storage = {
        "victoria-logs-single": {"server": {"storage": {"storageClassName": "CANARY"}}},
        "grafana": {"ingres": {}},
    }
    code, output, folder = play(
        tmp_path,
        line,
        mothership_values={"grafana": {"ingress": {"enabled": False}}, "promxy": {"resorces": {"limits": "CANARY"}}},
        mothership_operators_values={"opentelemetry-operators": {"enabled": False}},
        regional_service_values={"kof-storage": storage},
        child_service_values={"kof-collectors": {"opencosts": {"enabled": False}}},
    )
    assert code != 0
    assert not folder.exists()
    for told in (
        "grafana.ingress.enabled can't be said at kof",
        "promxy.resorces can't be said at kof",
        "did you mean resources?",
        "did you mean opentelemetry-operator?",
        "kof-storage.victoria-logs-single.server.storage can't be said",
        "victoria-logs-single.server.persistentVolume, or regional_logs_storage_size and regional_storage_class",
        "kof-storage.grafana.ingres can't be said",
        "kof-collectors.opencosts can't be said",
    ):
        assert told in output, output
    assert "CANARY" not in output


#: What they do isn't nothing: that is why they are refused.
HARMFUL = ("kcm.serviceMonitor", "promxy.ingress")


def test_the_stand_ins_are_as_deaf_as_the_real_charts(of_line: str, make: Callable[..., Objects]) -> None:
    """All that a chart ignores is said at once; where that changes something, each alone says what it was."""
    for chart, known in LINES[of_line].values.items():
        paths = [path for path in known.ignored if path not in HARMFUL]
        if not chart.startswith("kof-") or not paths:
            continue
        usual = make(chart, {})
        together: dict[str, Any] = {}
        for path in paths:
            _merge(together, said_at(path))
        if make(chart, together) != usual:
            for path in paths:
                assert make(chart, said_at(path)) == usual, f"{chart} reads {path}"
            raise AssertionError(f"{chart} reads some of {paths}, said together")


def said_at(path: str) -> dict[str, Any]:
    said: Any = {"enabled": True, "size": "77Gi", "storage": {"size": "77Gi"}, "storageClassName": "canary"}
    said |= {
        "resources": {"limits": {"memory": "77Mi"}},
        "username_key": "canary",
        "remoteWriteUrl": "http://c",
    }
    if path.rpartition(".")[2] in ("clusterName", "email", "enabled", "retentionPeriod"):
        said = "canary"
    for key in reversed(path.split(".")):
        said = {key: said}
    return said


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(into.get(key), dict) and isinstance(value, dict):
            _merge(into[key], value)
        else:
            assert key not in into, f"{key} is said twice"
            into[key] = value
