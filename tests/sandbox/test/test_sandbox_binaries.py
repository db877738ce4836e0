"""Tests of sandbox.binaries with a Go command and programs played by shell scripts: nothing is compiled or fetched."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from sandbox import binaries
from sandbox.state import SandboxError

ANSWERS = {
    "etcd": "etcd Version: 3.6.1",
    "kube-apiserver": "Kubernetes v1.34.0",
    "kube-controller-manager": "Kubernetes v1.34.0",
    "kube-scheduler": "Kubernetes v1.34.0",
    "kubectl": '{"clientVersion": {"gitVersion": "v1.35.2"}}',
    "helm": "v3.20.1+gabc",
    "kwok": "kwok version v0.7.9 go1.24 (linux/amd64)",
    "registry": "registry github.com/distribution/distribution/v3 v3.1.0",
}

# Plays `go version`, `go build -o …` and `go install` with GOBIN; talks like `go build -v`.
GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.26.0 linux/amd64"; exit; fi
if [ "$1" = mod ]; then echo "{\\"Dir\\": \\"$FAKE_GO_MODULE\\"}"; exit; fi
echo "go: downloading example.com/module v1.0.0" >&2
echo "example.com/module/package" >&2
if [ -n "$FAKE_GO_FAILS" ]; then echo "./main.go:3:1: undefined: x" >&2; exit 1; fi
output=$GOBIN/
previous=
for word; do if [ "$previous" = -o ]; then output=$word; fi; previous=$word; done
for word; do
  case $word in
    .) package=own;;
    /*|-*) continue;;
    *.*/*) package=${word%@*};;
    *) continue;;
  esac
  case $output in */) program=$output$(basename "$package");; *) program=$output;; esac
  echo half >"$program"
  sleep "${FAKE_GO_SECONDS:-0}"
  echo whole >"$program"
done
"""


def _program(file: pathlib.Path, text: str) -> pathlib.Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def _says(file: pathlib.Path, answer: str) -> pathlib.Path:
    return _program(file, f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path, monkeypatch):
    """No program of the machine is seen but the shell's own; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("FAKE_GO_MODULE", str(tmp_path / "module"))
    for folder in ("shell", "module"):
        (tmp_path / folder).mkdir()
    for name in ("sh", "cat", "nice", "sleep", "basename"):
        where = shutil.which(name)
        assert where
        (tmp_path / "shell" / name).symlink_to(where)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{tmp_path / 'shell'}")
    binaries._version_of.cache_clear()


@pytest.fixture(name="one_build")
def _one_build(monkeypatch):
    """As if the last of the builds were the only one."""
    monkeypatch.setattr(binaries, "BUILDS", binaries.BUILDS[-1:])
    return binaries.BUILDS[-1].tools[0]


def test_programs_of_a_fitting_version_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    for name in ("etcd", "kube-apiserver", "kubectl"):
        _says(tmp_path / "assets" / name, ANSWERS[name])
    for name in ANSWERS:
        _says(tmp_path / "bin" / name, ANSWERS[name])
    found = binaries.find_or_build(lambda line: pytest.fail(f"builds: {line}"))
    assert set(found) == set(ANSWERS)
    for name, path in found.items():
        assert path.parent.name == ("assets" if name in ("etcd", "kube-apiserver", "kubectl") else "bin")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("kube-apiserver", "Kubernetes v1.33.9"),
        ("kube-apiserver", "Kubernetes v0.0.0-master+$Format:%H$"),
        ("kubectl", '{"clientVersion": {"gitVersion": "v1.32.4-dispatcher"}}'),
        ("kubectl", "Client Version: v1.34.0"),
        ("helm", "v4.0.0"),
        ("helm", "v3.18.9"),
        ("kwok", "kwok version v0.6.0"),
        ("registry", "registry github.com/docker/distribution v2.8.3"),
        ("etcd", "etcd Version: 3.5.9"),
        ("etcd", ""),
    ],
)
def test_programs_of_other_versions_are_not_used(tmp_path, name, answer):
    tool = next(tool for build in binaries.BUILDS for tool in build.tools if tool.name == name)
    _says(tmp_path / "bin" / name, answer)
    assert binaries._on_this_machine(tool) is None


def test_what_is_absent_is_built_once_and_kept_by_version(tmp_path):
    _program(tmp_path / "bin" / "go", GO)
    lines: list[str] = []
    found = binaries.find_or_build(lines.append)
    assert {name: path.read_text() for name, path in found.items()} == dict.fromkeys(ANSWERS, "whole\n")
    assert found["etcd"] == binaries.cache() / f"etcd-{binaries.ETCD}" / "etcd"
    assert next(line for line in lines if "building" in line).startswith("[1/5] building etcd v3.6.5 from Go modules")
    assert sum("done in" in line and "1 packages compiled" in line for line in lines) == 5
    (tmp_path / "bin" / "go").unlink()
    assert binaries.find_or_build(lambda line: pytest.fail(f"builds again: {line}")) == found


def test_programs_of_the_data_path_are_built_when_asked_for_and_no_others_will_do(tmp_path):
    names = {"victoria-metrics", "vmauth", "vmalert", "victoria-logs", "promql", "amtool", "alertmanager", "collector"}
    _program(tmp_path / "bin" / "go", GO)
    for name in names:
        _says(tmp_path / "bin" / name, f"{name} v1.151.0")
    assert set(binaries.find_or_build(lambda _: None)) == set(ANSWERS)
    assert binaries.built_for_data() is None
    lines: list[str] = []
    found = binaries.find_or_build(lines.append, data=True)
    assert set(found) == set(ANSWERS) | names
    assert {name: found[name].read_text() for name in names} == dict.fromkeys(names, "whole\n")
    assert next(line for line in lines if "building" in line).startswith("[1/5] building victoria-metrics v1.151.0")
    assert binaries.built_for_data() == {name: found[name] for name in names}
    found["collector"].unlink()
    assert binaries.built_for_data() is None


#: In the form that the real ones have.
MODULE = {
    "source/openshift_route.go": "package source\n",
    "source/store.go": """package source

import (
\topenshift "example.com/client-go/versioned"
\tistio "example.com/istio"
)

type ClientGenerator interface {
\tOpenShiftClient() (openshift.Interface, error)
\tRESTConfig() (*rest.Config, error)
}

type generator struct {
\topenshiftClient    openshift.Interface
\topenshiftClientErr error
}

func (p *generator) OpenShiftClient() (openshift.Interface, error) {
\tif p == nil {
\t\treturn nil, nil
\t}

\treturn p.openshiftClient, nil
}

func build(name string) (Source, error) {
\tswitch name {
\tcase types.OpenShiftRoute:
\t\treturn buildOpenShiftRouteSource()
\tcase types.Fake:
\t\treturn NewFakeSource()
\t}
}

func buildOpenShiftRouteSource() (Source, error) {
\treturn NewOcpRouteSource()
}
""",
    "provider/factory/provider.go": """package factory

import (
\t"sigs.k8s.io/external-dns/provider"
\t"sigs.k8s.io/external-dns/provider/aws"
\t"sigs.k8s.io/external-dns/provider/awssd"
\t"sigs.k8s.io/external-dns/provider/civo"
)

var all = map[string]constructor{
\t\texternaldns.ProviderAWS:   aws.New,
\t\texternaldns.ProviderAWSSD: awssd.New,
\t\texternaldns.ProviderCivo:  civo.New,
}
""",
}


def _module(folder: pathlib.Path) -> None:
    for name, text in MODULE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_external_dns_is_built_when_asked_for_by_the_go_that_it_wants(tmp_path, monkeypatch):
    _module(tmp_path / "module")
    say = 'echo "$1 $GOTOOLCHAIN" >>"$FAKE_GO_SAYS"\n'
    monkeypatch.setenv("FAKE_GO_SAYS", str(tmp_path / "said"))
    _program(tmp_path / "bin" / "go", GO.replace('if [ "$1" = mod ]', f'{say}if [ "$1" = mod ]'))
    assert "external-dns" not in binaries.find_or_build(lambda _: None)
    assert set((tmp_path / "said").read_text().split()) == {"build", "install", "local"}
    (tmp_path / "said").unlink()
    assert binaries.built_external_dns() is None
    found = binaries.find_or_build(lambda _: None, external_dns=True)["external-dns"]
    assert found.read_text() == "whole\n"
    assert found == binaries.built_external_dns() == binaries._cached(binaries.EXTERNAL_DNS_BUILDS[0].tools[0])
    assert (tmp_path / "said").read_text() == f"mod {binaries.EXTERNAL_DNS_GO}\nbuild {binaries.EXTERNAL_DNS_GO}\n"


def test_what_cant_be_had_is_cut_out_of_a_copy(tmp_path):
    go = _program(tmp_path / "bin" / "go", GO)
    _module(tmp_path / "module")
    (build,) = binaries.EXTERNAL_DNS_BUILDS
    binaries.cache().mkdir(parents=True)
    copy = binaries._copy(build, go, tmp_path / "copy", dict(os.environ))
    assert not (copy / "source" / "openshift_route.go").exists()
    store = (copy / "source" / "store.go").read_text()
    assert [line for line in store.splitlines() if "penshift" in line.lower()] == ["\topenshiftClientErr error"]
    assert store.count("{") == store.count("}")
    for kept in ('istio "example.com/istio"', "RESTConfig()", "case types.Fake:", "func build(name string)"):
        assert kept in store
    providers = (copy / "provider" / "factory" / "provider.go").read_text()
    assert [line.split()[0] for line in providers.splitlines() if "aws" in line or "civo" in line] == [
        '"sigs.k8s.io/external-dns/provider/aws"',
        "externaldns.ProviderAWS:",
    ]
    assert {name: (tmp_path / "module" / name).read_text() for name in MODULE} == MODULE


def test_a_source_that_is_another_one_is_not_cut_in_silence(tmp_path):
    go = _program(tmp_path / "bin" / "go", GO)
    _module(tmp_path / "module")
    store = tmp_path / "module" / "source" / "store.go"
    store.write_text(store.read_text().replace("OpenShiftRoute:", "Openshift:"))
    (build,) = binaries.EXTERNAL_DNS_BUILDS
    binaries.cache().mkdir(parents=True)
    with pytest.raises(SandboxError, match=r"source/store.go has nothing that fits"):
        binaries._copy(build, go, tmp_path / "copy", dict(os.environ))


def test_another_source_of_ours_is_another_program(tmp_path):
    for name, text in (("one", "package main\n"), ("other", "package main // more\n"), ("same", "package main\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.go").write_text(text)
    one, other, same = (binaries._sources(tmp_path / name) for name in ("one", "other", "same"))
    assert one == same != other


def test_data_wants_a_newer_go(tmp_path):
    """Not the one on PATH, that is new enough for Kubernetes."""
    _program(tmp_path / "bin" / "go", GO.replace("go1.26.0", "go1.25.9"))
    home = binaries.cache() / binaries.GO_PACKAGE.replace("==", "-") / "go"
    (home / "src").mkdir(parents=True)
    _program(home / "bin" / "go", GO)
    assert binaries._go(lambda _: None) == tmp_path / "bin" / "go"
    assert {binaries._go(lambda _: None, build.go) for build in binaries.DATA_BUILDS} == {home / "bin" / "go"}


def test_a_failed_build_says_why_and_leaves_nothing(tmp_path, monkeypatch, one_build):
    _program(tmp_path / "bin" / "go", GO)
    monkeypatch.setenv("FAKE_GO_FAILS", "1")
    with pytest.raises(SandboxError, match="undefined: x"):
        binaries.find_or_build(lambda _: None)
    assert [entry.name for entry in binaries.cache().iterdir()] == ["build.lock"]


def test_a_killed_build_leaves_nothing_that_looks_finished(tmp_path, monkeypatch, one_build):
    _program(tmp_path / "bin" / "go", GO)
    script = "from sandbox import binaries; binaries.BUILDS = binaries.BUILDS[-1:]; binaries.find_or_build()"
    environment = os.environ | {"FAKE_GO_SECONDS": "600", "PYTHONPATH": str(pathlib.Path(binaries.__file__).parents[1])}
    builder = subprocess.Popen([sys.executable, "-c", script], env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(binaries.cache().glob(".making-*/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(binaries.cache().glob(".making-*/*")), "the build did not begin"
    os.killpg(builder.pid, signal.SIGKILL)
    builder.wait()
    assert not binaries._cached(one_build).exists()
    assert binaries.find_or_build(lambda _: None)["registry"].read_text() == "whole\n"
    assert not list(binaries.cache().glob(".making-*"))


def test_a_go_that_is_too_old_is_not_used(tmp_path, monkeypatch):
    _program(tmp_path / "bin" / "go", GO.replace("go1.26.0", "go1.23.9"))
    fetched = binaries.cache() / binaries.GO_PACKAGE.replace("==", "-") / "go"
    (fetched / "src").mkdir(parents=True)
    _program(fetched / "bin" / "go", GO)
    assert binaries._go(lambda _: None) == fetched / "bin" / "go"
    _program(tmp_path / "bin" / "go", GO)
    assert binaries._go(lambda _: None) == tmp_path / "bin" / "go"


def test_versions_are_stamped_for_every_program_of_kubernetes():
    kubernetes = next(build for build in binaries.BUILDS if len(build.tools) > 1)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion={binaries.KUBERNETES}" in kubernetes.link
        assert f"-X {package}.gitMinor=34" in kubernetes.link
