"""A sandbox of line 0.0: its charts and the index that they come from, its kcm, and what its operators do otherwise."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from sandbox import binaries, chart_index, chart_packages, lifecycle, lines
from sandbox import state as state_files
from sandbox.lines import LINE_0_0
from sandbox.simulator import promxy, seed, sources
from sandbox.simulator.kinds import SERVICE_TEMPLATE
from sandbox.state import SandboxError

OURS = ("kof-operators", "kof-mothership", "kof-storage", "kof-collectors")
TEMPLATES = {"cert-manager", "kof-operators", "kof-collectors", "kof-storage"}


@pytest.fixture(scope="module")
def helm() -> pathlib.Path:
    return binaries.find_or_build()["helm"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("line-0.0")


@pytest.fixture(scope="module")
def index(helm: pathlib.Path, work: pathlib.Path) -> Iterator[str]:
    """The address of a server with the line's repositories."""
    address = chart_index.start(work)
    chart_packages.index_all(helm, address, work / "packages", chart_index.folder(work), LINE_0_0)
    yield address
    chart_index.stop(work)


def rendered(helm: pathlib.Path, work: pathlib.Path, name: str, values: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The objects of one of the line's charts with an index, by kind and name."""
    (chart,) = [each for each in chart_packages.OF_LINE["0.0"] if each.name == name and each.http]
    folder = chart_packages.assemble(chart, work / "charts")
    command = [str(helm), "template", name, str(folder), "--namespace", "kof", "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {(each["kind"], each["metadata"]["name"]): each for each in foreign_yaml.documents(done.stdout) if each}


def volume_class(objects: dict[tuple[str, str], Any], kind: str, name: str) -> str | None:
    spec = objects[kind, name]["spec"]
    return (spec["volumeClaimTemplates"][0]["spec"] if kind == "StatefulSet" else spec).get("storageClassName")


# -- charts


def test_templates_have_no_version_and_name_charts_of_their_own(helm: pathlib.Path, work: pathlib.Path) -> None:
    values = {"kcm": {"installTemplates": True, "kof": {"charts": {"storage": {"version": "0.1.0"}}}}}
    found = rendered(helm, work, "kof-mothership", values)
    assert {name for kind, name in found if kind == "ServiceTemplate"} == TEMPLATES
    assert {name for kind, name in found if kind == "HelmChart"} == TEMPLATES
    reference = found["ServiceTemplate", "kof-storage"]["spec"]["helm"]["chartRef"]
    assert (reference["kind"], reference["name"], reference["namespace"]) == ("HelmChart", "kof-storage", "kcm-system")
    versions = {name: found["HelmChart", name]["spec"]["version"] for name in TEMPLATES}
    assert versions == {"cert-manager": "1.16.1", "kof-storage": "0.1.0", "kof-operators": None, "kof-collectors": None}
    urls = {name: each["spec"]["url"] for (kind, name), each in found.items() if kind == "HelmRepository"}
    assert urls == {"jetstack": "https://charts.jetstack.io", "kof": "https://k0rdent.github.io/kof/"}


def test_promxys_secret_is_not_the_charts_and_its_pod_waits_for_it(helm: pathlib.Path, work: pathlib.Path) -> None:
    found = rendered(helm, work, "kof-mothership", {})
    assert ("Secret", "kof-mothership-promxy-config") not in found
    gates = found["Deployment", "kof-mothership-promxy"]["spec"]["template"]["spec"]["schedulingGates"]
    assert gates == [{"name": "mounts.sandbox/kof-mothership-promxy-config"}]


def test_the_charts_own_log_sources_are_examples(helm: pathlib.Path, work: pathlib.Path) -> None:
    assert ("GrafanaDatasource", "storage1-logs") in rendered(helm, work, "kof-mothership", {})
    found = rendered(helm, work, "kof-mothership", {"grafana": {"logSources": []}})
    assert ("GrafanaDatasource", "storage1-logs") not in found


@pytest.mark.parametrize(("chart", "usual"), [("kof-mothership", "standard"), ("kof-storage", "ebs-csi-default-sc")])
def test_retention_and_sizes_are_the_charts_and_grafanas_volume_has_no_class(
    helm: pathlib.Path, work: pathlib.Path, chart: str, usual: str
) -> None:
    sizes = {"vmselect": {"storage": {"size": "9Gi"}}, "vmstorage": {"storage": {"size": "9Gi"}}}
    own = {"vmcluster": {"retentionPeriod": "30d", **sizes}, "vmauth": {"enabled": False}}
    for given, wanted in (({}, usual), ({"global": {"storageClass": "fast"}}, "fast")):
        found = rendered(helm, work, chart, {"victoriametrics": own, **given})
        assert volume_class(found, "StatefulSet", "vmstorage-cluster") == wanted
        assert volume_class(found, "PersistentVolumeClaim", "grafana-vm-pvc") is None
        storage = found["StatefulSet", "vmstorage-cluster"]["spec"]
        assert storage["template"]["spec"]["containers"][0]["args"] == ["-retentionPeriod=1"]
        assert storage["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "10Gi"
        pod = found["Deployment", "grafana-vm-deployment"]["spec"]["template"]["spec"]
        assert "api.github.com" in pod["initContainers"][0]["args"][0]


def test_cert_manager_takes_its_values_as_its_own_chart_does(helm: pathlib.Path, work: pathlib.Path) -> None:
    def crds(values: dict[str, Any]) -> int:
        found = rendered(helm, work, "cert-manager", values)
        return sum(kind == "CustomResourceDefinition" for kind, _name in found)

    assert crds({"crds": {"enabled": True}}) > 1
    assert crds({"cert-manager": {"crds": {"enabled": True}}}) == 0


# -- the index


@pytest.mark.parametrize("chart", OURS)
def test_helm_finds_the_charts_in_the_index(helm: pathlib.Path, index: str, work: pathlib.Path, chart: str) -> None:
    """By a relative address, by one that sends it on to another, and not the higher number that can't be had."""
    environment = {f"HELM_{name}_HOME": str(work / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    command = [str(helm), "show", "chart", chart, "--repo", f"{index}/kof"]

    def shown(*version: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *version], env=environment, capture_output=True, text=True, check=False)

    asked = shown("--version", "0.1.0")
    assert asked.returncode == 0, asked.stderr
    assert yaml.safe_load(asked.stdout)["version"] == "0.1.0"
    assert f"{index}/kof/gone/{chart}.tgz" in shown().stderr


def test_flux_finds_what_helm_finds(index: str) -> None:
    registry = sources.Registry()
    for chart in OURS:
        assert registry.check(sources.ChartSource(chart, True, f"{index}/kof"), "0.1.0") == "0.1.0"
    instead = sources.stand_ins({"index": index})
    jetstack = sources.source("https://charts.jetstack.io", "cert-manager", False, instead)
    assert registry.check(jetstack, "1.16.1") == "v1.16.1"


@pytest.mark.parametrize(
    ("chart", "where", "version", "problem"),
    [
        ("kof-storage", "kof", "*", "failed to fetch {}/kof/gone/kof-storage.tgz : 404"),
        ("kof-storage", "kof", "0.2.0", "no 'kof-storage' chart with version matching '0.2.0' found"),
        ("withdrawn", "kof", "0.1.0", "no 'withdrawn' chart"),
        ("kof-storage", "nowhere", "0.1.0", "failed to fetch Helm repository index: failed to fetch {}/nowhere/index"),
    ],
)
def test_flux_says_what_it_does_not_find(index: str, chart: str, where: str, version: str, problem: str) -> None:
    with pytest.raises(sources.ChartMissing) as missing:
        sources.Registry().check(sources.ChartSource(chart, True, f"{index}/{where}"), version)
    assert problem.format(index) in str(missing.value)


def test_an_index_is_made_once(index: str, helm: pathlib.Path, work: pathlib.Path) -> None:
    file = chart_index.folder(work) / "kof" / "index.yaml"
    before = file.stat().st_mtime_ns
    chart_packages.index_all(helm, index, work / "packages", chart_index.folder(work), LINE_0_0)
    assert file.stat().st_mtime_ns == before


# -- kcm and the operators


def test_what_kcm_0_0_7_comes_with() -> None:
    made = {template["metadata"]["name"]: status for template, status in seed._cluster_templates(LINE_0_0)}
    assert set(made) == {
        *("aws-standalone-cp-0-0-4", "aws-standalone-cp-0-0-5", "adopted-cluster-0-0-2"),
        *("openstack-standalone-cp-0-0-2", "azure-aks-0-0-2"),
    }
    labelled = {name for name, status in made.items() if "clusterLabels" in status["config"]}
    assert labelled == {"aws-standalone-cp-0-0-4", "aws-standalone-cp-0-0-5"}
    services = {obj["metadata"]["name"] for kind, obj in seed._objects(LINE_0_0) if kind is SERVICE_TEMPLATE}
    assert services == {"ingress-nginx-4-11-3", "cert-manager-1-16-2"}
    assert not [kind for kind, _obj in seed._objects(lines.LINE_0_1) if kind is SERVICE_TEMPLATE]


def test_its_crds_know_no_sync_mode() -> None:
    text = (lifecycle.HERE / "crds" / "k0rdent.mirantis.com.yaml").read_text()
    for line, there in ((LINE_0_0, False), (lines.LINE_0_1, True)):
        for kind in ("ClusterDeployment", "MultiClusterService"):
            (crd,) = [each for each in yaml.safe_load_all(text) if each and each["spec"]["names"]["kind"] == kind]
            lifecycle._without(crd, line.absent_fields)
            schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            properties = schema["properties"]["serviceSpec"]["properties"]
            assert "services" in properties
            assert ("syncMode" in properties) is there


def test_the_operator_escapes_what_it_quotes() -> None:
    group = {"cluster_name": "c", "http_client": {}}
    text = promxy.render([(group, 'u"', "back\\slash")], escaping=True)
    (read,) = yaml.safe_load(text)["promxy"]["server_groups"]
    assert read["http_client"]["basic_auth"] == {"username": 'u"', "password": "back\\slash"}


# -- which line


@pytest.mark.parametrize("name", ["0.0", "0.0.x"])
def test_a_line_is_named_as_itself_or_as_its_release(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("KOF_LINE", name)
    assert lines.of_environment() is LINE_0_0
    monkeypatch.setenv("KOF_LINE", "")
    assert lines.of_environment() is None
    with pytest.raises(SandboxError, match=r"no sandbox of line '0\.2'; KOF_LINE or --line is 0\.1 \(0\.1\.1\) or"):
        lines.find("0.2")


def test_a_sandbox_stays_of_its_line(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    state_files.claim(state)
    facts = {"only_control_plane": False, "clusters": "none", "line": "0.1"}
    state_files.write_json(state / "sandbox.json", facts)
    with pytest.raises(SandboxError, match=r"it is up, of line 0\.1 and not 0\.0; `down` first"):
        lifecycle.up(state, line=LINE_0_0, say=lambda _text: None)
    assert state_files.read_json(state / "sandbox.json") == facts
