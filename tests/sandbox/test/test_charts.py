"""The stand-in charts: that they render, carry the real names, heed and ignore the keys that the real ones do."""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from sandbox import binaries, chart_packages, registry
from sandbox.chart_packages import ALL, Chart
from sandbox.fixtures import ControlPlane
from sandbox.lines import LINE_0_0, LINE_0_1

CHARTS = {chart.name: chart for chart in ALL}
WITHOUT_LOOKUP: dict[str, dict[str, Any]] = {
    # Alone, without a cluster, these end in the error that they end in where the Secret is missing.
    "kof-storage": {"victoriametrics": {"vmauth": {"enabled": False}}},
    "kof-collectors": {"collectors": {"enabled": False}},
}

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="session")
def helm() -> pathlib.Path:
    return binaries.find_or_build()["helm"]


@pytest.fixture(scope="session")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("charts")
    return {chart.name: chart_packages.assemble(chart, folder) for chart in ALL}


class Renderer:
    """`helm template` on the assembled charts; the release is named as the chart, in namespace kof."""

    def __init__(self, helm: pathlib.Path, assembled: dict[str, pathlib.Path]) -> None:
        self._helm = helm
        self._assembled = assembled
        self._ran: dict[tuple[Any, ...], subprocess.CompletedProcess[str]] = {}
        self._read: dict[str, Objects] = {}

    def run(
        self, verb: str, chart: str, values: dict[str, Any], *, schema: bool = False
    ) -> subprocess.CompletedProcess[str]:
        name = [chart] if verb == "template" else []
        command = [str(self._helm), verb, *name, str(self._assembled[chart]), "--namespace", "kof", "--values", "-"]
        command += [] if schema else ["--skip-schema-validation"]
        given = json.dumps(values)
        # The same again gives the same, but for what is drawn; it takes seconds with CRDs in it.
        if (*command, given) not in self._ran:
            done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
            self._ran[*command, given] = done
        return self._ran[*command, given]

    def __call__(self, chart: str, values: dict[str, Any] | None = None) -> Objects:
        done = self.run("template", chart, values if values is not None else WITHOUT_LOOKUP.get(chart, {}))
        assert done.returncode == 0, done.stderr
        if done.stdout in self._read:
            return self._read[done.stdout]
        documents = [document for document in foreign_yaml.documents(done.stdout) if document]
        found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
        assert len(found) == len(documents), "an object twice"
        self._read[done.stdout] = found
        return found


@pytest.fixture(scope="session")
def render(helm: pathlib.Path, assembled: dict[str, pathlib.Path]) -> Renderer:
    return Renderer(helm, assembled)


def drawn_out(objects: Objects) -> Objects:
    """Without Secrets, whose content is drawn anew each time."""
    return {key: value for key, value in objects.items() if key[0] != "Secret"}


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_charts_lint_and_render(chart: Chart, render: Renderer, assembled: dict[str, pathlib.Path]) -> None:
    values = WITHOUT_LOOKUP.get(chart.name, {})
    linted = render.run("lint", chart.name, values)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert render(chart.name)
    about = yaml.safe_load((assembled[chart.name] / "Chart.yaml").read_text())
    assert (about["name"], about["version"]) == (chart.name, chart.version)


@pytest.mark.parametrize("chart", ["kof-storage", "kof-collectors"])
def test_missing_credentials_end_in_the_real_charts_error(chart: str, render: Renderer) -> None:
    done = render.run("template", chart, {})
    assert done.returncode != 0
    assert "error calling index: index of untyped nil" in done.stderr


def test_kof_operators_has_what_broke_on_the_real_one(render: Renderer) -> None:
    """Its subchart's schema, in helm's own words; the size of its manifest; text that YAML 1.1 takes for no text."""
    refused = render.run("template", "kof-operators", {}, schema=True)
    assert "/properties/manager/properties/featureGates/examples': got string, want array" in refused.stderr
    manifest = render.run("template", "kof-operators", {}).stdout
    assert chart_packages.REAL_LINES < manifest.count("\n") < 1.01 * chart_packages.REAL_LINES
    with pytest.raises(yaml.constructor.ConstructorError, match=r"tag:yaml\.org,2002:value"):
        list(yaml.load_all(manifest, Loader=yaml.CSafeLoader))
    fields = render("kof-operators")["CustomResourceDefinition", "servicemonitors.monitoring.coreos.com"]
    spec = fields["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["matcher0"]["properties"]["matchType"]["enum"] == ["!=", "=", "=~", "!~"]
    assert spec["required"] == ["selector"]
    hooks = [each["metadata"].get("annotations", {}).get("helm.sh/hook") for each in render("kof-operators").values()]
    assert "test" in hooks


def test_workloads_of_the_mothership(render: Renderer) -> None:
    found = render("kof-mothership")
    workloads = {
        name: each["spec"]["replicas"] for (kind, name), each in found.items() if kind in ("Deployment", "StatefulSet")
    }
    assert workloads == dict.fromkeys(
        (
            *("kof-mothership-promxy", "kof-mothership-promxy-operator", "kof-mothership-grafana-operator"),
            *(
                "grafana-vm-deployment",
                "kof-mothership-victoria-metrics-operator",
                "vminsert-cluster",
                "vmalert-cluster",
            ),
            *("vmselect-cluster", "vmstorage-cluster", "vmalertmanager-cluster", "capi-visualizer", "dashboard"),
        ),
        1,
    )
    assert base64.b64decode(found["Secret", "kof-mothership-promxy-config"]["data"]["config.yaml"]) == b""
    assert set(found["Secret", "storage-vmuser-credentials"]["data"]) == {"username", "password"}
    assert len(base64.b64decode(found["Secret", "storage-vmuser-credentials"]["data"]["password"])) == 12


def test_service_templates_only_on_wish(render: Renderer) -> None:
    def made(kind: str, values: dict[str, Any]) -> set[str]:
        return {name for each, name in render("kof-mothership", values) if each == kind}

    assert not made("ServiceTemplate", {})
    assert not made("HelmRepository", {})
    wanted = {"kcm": {"installTemplates": True}}
    assert made("ServiceTemplate", wanted) == {
        *("kof-operators-0-1-1", "kof-collectors-0-1-1", "kof-storage-0-1-1"),
        *("cert-manager-1-16-2", "ingress-nginx-4-11-3"),
    }
    objects = render("kof-mothership", wanted)
    assert {name for kind, name in objects if kind == "HelmRepository"} == {"kof", "k0rdent-catalog"}
    assert objects["HelmRepository", "k0rdent-catalog"]["metadata"]["annotations"]["helm.sh/hook"] == "pre-install"
    assert objects["ServiceTemplate", "kof-storage-0-1-1"]["spec"]["helm"]["chartSpec"]["sourceRef"] == {
        "kind": "HelmRepository",
        "name": "kof",
    }


def test_users_cluster_profiles_merge_with_the_charts_own(render: Renderer) -> None:
    profile = {"matchLabels": {"x": "true"}, "secrets": ["external-dns-aws-credentials"]}
    found = render("kof-mothership", {"kcm": {"kof": {"clusterProfiles": {"kof-aws-dns-secrets": profile}}}})
    assert {name for kind, name in found if kind == "ClusterProfile"} == {"kof-storage-secrets", "kof-aws-dns-secrets"}
    template = found["ConfigMap", "secret-template-external-dns-aws-credentials"]
    assert template["data"]["secret.yaml"] == '{{ copy "secret-external-dns-aws-credentials" }}\n'
    assert template["metadata"]["annotations"] == {"projectsveltos.io/template": "true"}
    assert ("Secret", "external-dns-aws-credentials") not in found


@pytest.mark.parametrize(
    ("chart", "values"),
    [
        ("kof-mothership", {"kcm": {"serviceMonitor": {"enabled": False}}}),
        ("kof-mothership", {"grafana": {"ingress": {"enabled": True}}}),
        ("kof-mothership", {"promxy": {"config": {"remoteWriteUrl": "http://elsewhere"}}}),
        ("kof-storage", {"cert-manager": {"email": "me@example.com"}}),
        ("kof-storage", {"victoriametrics": {"security": {"credentials_secret_name": "other"}}}),
        ("kof-storage", {"victoria-logs-single": {"server": {"storage": {"storageClassName": "fast"}}}}),
        ("cert-manager", {"crds": {"enabled": True}}),
    ],
)
def test_keys_that_the_real_chart_ignores(chart: str, values: dict[str, Any], render: Renderer) -> None:
    base = WITHOUT_LOOKUP.get(chart, {})
    merged = {key: {**base.get(key, {}), **values.get(key, {})} for key in {*base, *values}}
    assert drawn_out(render(chart, merged)) == drawn_out(render(chart, base))


def claims(objects: Objects) -> dict[str, str | None]:
    """The storage class of every claim, by the claim's or the StatefulSet's name."""
    found: dict[str, str | None] = {}
    for (kind, name), each in objects.items():
        specs = [each["spec"]] if kind == "PersistentVolumeClaim" else []
        if kind == "StatefulSet":
            specs = [claim["spec"] for claim in each["spec"].get("volumeClaimTemplates", [])]
        for spec in specs:
            found[name] = spec.get("storageClassName")
    return found


def test_storage_class(render: Renderer) -> None:
    names = {"grafana-vm-pvc", "vmselect-cluster", "vmstorage-cluster"}
    logs = "kof-storage-victoria-logs-single-server"
    fast = {"global": {"storageClass": "fast"}}
    assert claims(render("kof-mothership")) == dict.fromkeys(names)
    assert claims(render("kof-mothership", fast)) == dict.fromkeys(names, "fast")
    without = WITHOUT_LOOKUP["kof-storage"]
    assert claims(render("kof-storage", without | fast)) == dict.fromkeys(names, "fast"), "logs have no claim then"
    volume = {"server": {"persistentVolume": {"enabled": True, "storageClassName": "slow", "size": "7Gi"}}}
    found = render("kof-storage", without | fast | {"victoria-logs-single": volume})
    assert claims(found) == dict.fromkeys(names, "fast") | {logs: "slow"}
    (claim,) = found["StatefulSet", logs]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "7Gi"


def test_retention_image_and_address_arrive(render: Renderer) -> None:
    found = render(
        "kof-mothership",
        {"promxy": {"image": {"tag": "v0.0.93"}}, "victoriametrics": {"vmcluster": {"retentionPeriod": "30d"}}},
    )
    promxy = found["Deployment", "kof-mothership-promxy"]["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in promxy] == ["promxy", "promxy-server-configmap-reload"]
    assert promxy[0]["image"].endswith(":v0.0.93")
    (storage,) = found["StatefulSet", "vmstorage-cluster"]["spec"]["template"]["spec"]["containers"]
    assert storage["args"] == ["-retentionPeriod=30d"]


def test_cert_manager_takes_its_values_below_its_own_name(render: Renderer) -> None:
    assert not [name for kind, name in render("cert-manager") if kind == "CustomResourceDefinition"]
    found = render("cert-manager", {"cert-manager": {"crds": {"enabled": True}}})
    crds = {name: each for (kind, name), each in found.items() if kind == "CustomResourceDefinition"}
    assert {"certificates.cert-manager.io", "clusterissuers.cert-manager.io"} <= set(crds)
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in crds.values())


def test_external_dns(render: Renderer) -> None:
    base = WITHOUT_LOOKUP["kof-storage"]
    assert ("Deployment", "kof-storage-external-dns") not in render("kof-storage", base)
    account = {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:x"}}}
    said = {"txtOwnerId": "a-eu1", "domainFilters": ["kof.example.com"], "extraArgs": ["--zone-id-filter=Z1"]}
    found = render("kof-storage", base | {"external-dns": {"enabled": True, **said, **account}})
    spec = found["Deployment", "kof-storage-external-dns"]["spec"]["template"]["spec"]
    # What the real kof-storage 0.1.1 renders, whose subchart is external-dns 1.15.1.
    assert spec["containers"][0]["args"] == [
        "--log-level=info",
        "--log-format=text",
        "--interval=1m",
        "--source=service",
        "--source=ingress",
        "--policy=upsert-only",
        "--registry=txt",
        "--txt-owner-id=a-eu1",
        "--domain-filter=kof.example.com",
        "--provider=aws",
        "--zone-id-filter=Z1",
    ]
    assert spec["volumes"][0]["secret"]["secretName"] == "external-dns-aws-credentials"
    assert found["ServiceAccount", "kof-storage-external-dns"]["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:x"
    }


def test_replicas_of_storage(render: Renderer) -> None:
    found = render("kof-storage")
    for kind, name in (
        ("Deployment", "vminsert-cluster"),
        ("StatefulSet", "vmselect-cluster"),
        ("StatefulSet", "vmstorage-cluster"),
    ):
        assert found[kind, name]["spec"]["replicas"] == 3


# -- with an API server, where `lookup` finds something


class Installed:
    """helm and kubectl on one namespace of the control plane."""

    def __init__(self, helm: pathlib.Path, cluster: ControlPlane, assembled: dict[str, pathlib.Path]) -> None:
        self._helm = helm
        self._cluster = cluster
        self._assembled = assembled
        self.namespace = f"charts-{uuid.uuid4().hex[:8]}"
        self.kubectl("create", "namespace", self.namespace)

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl(*arguments, "-n", self.namespace)

    def upgrade(self, chart: str, values: dict[str, Any]) -> None:
        command = [
            str(self._helm),
            "upgrade",
            "--install",
            chart,
            str(self._assembled[chart]),
            "-n",
            self.namespace,
            "--skip-crds",
        ]
        done = subprocess.run(
            [*command, "--values", "-", "--kubeconfig", str(self._cluster.kubeconfig)],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def uninstall(self, chart: str) -> None:
        command = [
            str(self._helm),
            "uninstall",
            chart,
            "-n",
            self.namespace,
            # Nothing runs Jobs here.
            "--no-hooks",
            "--kubeconfig",
            str(self._cluster.kubeconfig),
        ]
        subprocess.run(command, capture_output=True, check=True)

    def data(self, name: str) -> dict[str, str] | None:
        text = self.kubectl("get", "secret", name, "--ignore-not-found", "-o", "json")
        return json.loads(text)["data"] if text else None


@pytest.fixture
def installed(
    helm: pathlib.Path, control_plane: ControlPlane, assembled: dict[str, pathlib.Path]
) -> Iterator[Installed]:
    place = Installed(helm, control_plane, assembled)
    yield place
    releases = json.loads(place.kubectl("get", "secrets", "-l", "owner=helm", "-o", "json"))["items"]
    for name in sorted({each["metadata"]["labels"]["name"] for each in releases}):
        place.uninstall(name)


def test_the_mothership_keeps_its_secrets_and_the_operators_config(installed: Installed) -> None:
    values = {"kcm": {"namespace": installed.namespace, "installTemplates": True}}
    installed.upgrade("kof-mothership", values)
    names = ("storage-vmuser-credentials", "grafana-admin-credentials")
    before = [installed.data(name) for name in names]
    written = base64.b64encode(b"global: {}\n").decode()
    patch = json.dumps({"data": {"config.yaml": written}})
    installed.kubectl("patch", "secret", "kof-mothership-promxy-config", "-p", patch)
    installed.upgrade("kof-mothership", values | {"promxy": {"image": {"tag": "v0.0.93"}}})
    assert [installed.data(name) for name in names] == before
    assert installed.data("kof-mothership-promxy-config") == {"config.yaml": written}
    # Not in the second revision any more, for they were there; and they stay all the same.
    templates = installed.kubectl("get", "servicetemplates", "-o", "name")
    assert "cert-manager-1-16-2" in templates
    installed.uninstall("kof-mothership")
    templates = installed.kubectl("get", "servicetemplates", "-o", "name")
    assert "cert-manager-1-16-2" in templates
    assert "kof-storage-0-1-1" not in templates


def test_storage_loses_grafanas_credentials_on_upgrade_as_the_real_one_does(installed: Installed) -> None:
    installed.kubectl(
        "create",
        "secret",
        "generic",
        "storage-vmuser-credentials",
        "--from-literal=username=u1",
        "--from-literal=password=p1",
    )
    installed.upgrade("kof-storage", {"cert-manager": {"enabled": False}})
    assert set(installed.data("grafana-admin-credentials") or {}) == {
        "GF_SECURITY_ADMIN_USER",
        "GF_SECURITY_ADMIN_PASSWORD",
    }
    user = json.loads(installed.kubectl("get", "vmuser", "vmuser-select", "-o", "json"))
    assert user["spec"]["username"] == "u1"
    installed.upgrade("kof-storage", {"cert-manager": {"enabled": False}})
    assert installed.data("grafana-admin-credentials") is None


def test_collectors_carry_credentials_and_addresses(installed: Installed) -> None:
    installed.kubectl(
        "create",
        "secret",
        "generic",
        "storage-vmuser-credentials",
        "--from-literal=username=u1",
        "--from-literal=password=p1",
    )
    metrics = {"metrics": {"endpoint": "https://vmauth.x/vm/insert/0/prometheus/api/v1/write"}}
    values = {"global": {"clusterName": "child-1"}, "kof": metrics}
    installed.upgrade("kof-collectors", values)

    def config(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(installed.kubectl("get", "otelcol", f"kof-collectors-{name}", "-o", "json"))
        return found["spec"]["config"]

    for each in (config("k8s-cluster"), config("node-exporter")):
        assert each["extensions"]["basicauth/metrics"]["client_auth"] == {"username": "u1", "password": "p1"}
        assert each["exporters"]["prometheusremotewrite"] == {
            "endpoint": metrics["metrics"]["endpoint"],
            "tls": {"insecure": True},
            "auth": {"authenticator": "basicauth/metrics"},
        }
        assert each["exporters"]["otlphttp"]["auth"] == {"authenticator": "basicauth/logs"}
    # Which cluster it is stands on what is scraped, and on nothing that comes another way.
    assert config("node-exporter")["receivers"]["prometheus"]["config"]["global"] == {
        "external_labels": {"clusterName": "child-1"}
    }
    assert "child-1" not in str(config("k8s-cluster"))


# -- the registry


def test_push_all_pushes_once_and_again_after_a_change(
    helm: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = registry.start(tmp_path / "registry", binaries.find_or_build())
    try:
        assert chart_packages.push_all(helm, address, tmp_path / "work") == list(CHARTS)
        assert chart_packages.push_all(helm, address, tmp_path / "work") == []
        changed = tmp_path / "charts"
        shutil.copytree(chart_packages.CHARTS, changed / "charts")
        (changed / "charts" / "ingress-nginx" / "values.yaml").open("a").write("# changed\n")
        shutil.copytree(chart_packages.CRDS, changed / "crds")
        monkeypatch.setattr(chart_packages, "_HERE", changed)
        monkeypatch.setattr(chart_packages, "CHARTS", changed / "charts")
        monkeypatch.setattr(chart_packages, "CRDS", changed / "crds")
        assert chart_packages.push_all(helm, address, tmp_path / "work") == ["ingress-nginx"]
        shown = subprocess.run(
            [
                str(helm),
                "show",
                "values",
                f"oci://{address}/catalog/charts/ingress-nginx",
                "--version",
                "4.11.3",
                "--plain-http",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "# changed" in shown.stdout
    finally:
        registry.stop(tmp_path / "registry")


def test_what_one_sandbox_pushed_the_next_one_has(
    helm: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_packages, "_kept", lambda _line, _small: tmp_path / "cache" / "charts-1")
    shown = []
    for name in ("first", "second"):
        state, work = tmp_path / name, tmp_path / name / "work"
        chart_packages.restore(LINE_0_1, True, registry.files(state), work)
        address = registry.start(state, binaries.find_or_build())
        try:
            pushed = chart_packages.push_all(helm, address, work, small=True)
            assert pushed == (list(CHARTS) if name == "first" else [])
            if pushed:
                chart_packages.keep(LINE_0_1, True, registry.files(state), work)
            command = [str(helm), "show", "all", f"oci://{address}/kof/charts/kof-operators", "--version", "0.1.1"]
            shown.append(subprocess.run([*command, "--plain-http"], capture_output=True, check=True).stdout)
        finally:
            registry.stop(state)
    assert shown[0] == shown[1]
    assert [each.name for each in (tmp_path / "cache").iterdir()] == ["charts-1"]


def test_what_is_kept_is_of_these_charts_at_this_size() -> None:
    found = {chart_packages._kept(line, small) for line in (LINE_0_0, LINE_0_1) for small in (False, True)}
    assert len(found) == 4


def test_a_small_kof_operators_lacks_only_lines(helm: pathlib.Path, tmp_path: pathlib.Path, render: Renderer) -> None:
    (chart,) = [each for each in chart_packages.of_line(LINE_0_1, small=True) if each.name == "kof-operators"]
    small = Renderer(helm, {chart.name: chart_packages.assemble(chart, tmp_path)})
    manifest = small.run("template", chart.name, {}).stdout
    assert manifest.count("\n") < 1000
    with pytest.raises(yaml.constructor.ConstructorError, match=r"tag:yaml\.org,2002:value"):
        list(yaml.load_all(manifest, Loader=yaml.CSafeLoader))
    assert small(chart.name).keys() == render(chart.name).keys()
    assert "featureGates/examples': got string" in small.run("template", chart.name, {}, schema=True).stderr


def test_push_says_why_it_failed(helm: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(chart_packages.ChartPackagingFailed, match="helm push"):
        chart_packages.push_all(helm, "127.0.0.1:1", tmp_path)
