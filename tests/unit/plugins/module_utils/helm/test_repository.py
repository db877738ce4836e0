"""Charts out of an HTTP repository: a real helm, and repositories as they are found: with a login, without an index."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import pathlib
import tarfile
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.command import (
    Helm,
    HelmFailed,
    Registry,
    chart_on_disk,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.kubeconfig import Settings
from sandbox import binaries

PASSWORD = "sesame-open-canary"
LOGIN = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
#: As they are met: higher versions than the one that is wanted, no digests, other people's entries.
INDEX = """\
apiVersion: v1
entries:
  kof-operators:
  - {{name: kof-operators, version: 0.1.11, urls: [nowhere/kof-operators-0.1.11.tgz]}}
  - {{name: kof-operators, version: 0.1.0, created: "2025-01-28T10:00:00Z", urls: [{url}]}}
  others: []
  odd:
  - {{name: odd, version: v1, urls: [], deprecated: true}}
  - null
generated: "2025-01-28T10:00:00Z"
"""


class Repository(http.server.BaseHTTPRequestHandler):
    """Its files by path, for who logs in."""

    files: dict[str, bytes]
    login: str | None
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        code, body = 200, self.files.get(self.path, b"")
        if self.login and self.headers.get("Authorization") != self.login:
            code, body = 401, b""
        elif self.path not in self.files:
            code, body = 404, b"no such file"
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(files: dict[str, bytes], login: str | None = None) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """The URL of a repository with these files, and who has asked for what."""
    handler = type("Served", (Repository,), {"files": files, "login": login, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/kof", handler.asked
        server.shutdown()


def chart(name: str = "kof-operators", version: str = "0.1.0") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        text = f"apiVersion: v2\nname: {name}\nversion: {version}\n".encode()
        entry = tarfile.TarInfo(f"{name}/Chart.yaml")
        entry.size = len(text)
        package.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


CHART = chart()
FILES = {
    "/kof/index.yaml": INDEX.format(url="kof-operators-0.1.0.tgz").encode(),
    "/kof/kof-operators-0.1.0.tgz": CHART,
}


@pytest.fixture
def spied(tmp_path: pathlib.Path) -> tuple[str, pathlib.Path]:
    """A helm, and the file with all that it was called with and found around it."""
    spy, seen = tmp_path / "helm", tmp_path / "seen"
    spy.write_text(
        f"#!/bin/sh\n{{ tr '\\0' '\\n' </proc/$$/cmdline; env; find {tmp_path}/scratch -type f -exec cat {{}} +; }} "
        f'>>{seen}\nexec {binaries.find_or_build()["helm"]} "$@"\n'
    )
    spy.chmod(0o700)
    (tmp_path / "scratch").mkdir()
    return str(spy), seen


def pulled(spied: tuple[str, pathlib.Path], url: str, version: str = "0.1.0", **registry: str) -> bytes:
    scratch = spied[1].parent / "scratch"
    with Helm(spied[0], Settings("https://a", ""), Registry(**registry), scratch=str(scratch)) as helm:  # type: ignore[arg-type]
        found = pathlib.Path(helm.pull("kof-operators", version, url)).read_bytes()
    assert list(scratch.iterdir()) == []
    return found


def test_the_very_version_is_pulled_and_no_cache_of_the_users_is_asked(
    spied: tuple[str, pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_REPOSITORY_CONFIG", str(tmp_path / "somebody-elses.yaml"))
    monkeypatch.setenv("HELM_REPOSITORY_CACHE", str(tmp_path / "cache"))
    with served(FILES) as (url, asked):
        assert pulled(spied, url) == CHART
    assert asked == [("/kof/index.yaml", None), ("/kof/kof-operators-0.1.0.tgz", None)]
    assert not (tmp_path / "cache").exists()


def test_a_login_is_sent_and_stands_nowhere(spied: tuple[str, pathlib.Path]) -> None:
    with served(FILES, LOGIN) as (url, asked):
        assert pulled(spied, url, username="robot", password=PASSWORD) == CHART
    assert {authorization for _path, authorization in asked} == {LOGIN}
    record = spied[1].read_text(errors="replace")
    assert "--repository-config" in record
    assert PASSWORD not in record
    assert LOGIN not in record


def test_a_login_is_not_sent_to_where_packages_are_else(spied: tuple[str, pathlib.Path]) -> None:
    with served({"/kof/x.tgz": CHART}) as (elsewhere, told):
        files = {"/kof/index.yaml": INDEX.format(url=f"{elsewhere.replace('127.0.0.1', 'localhost')}/x.tgz").encode()}
        with served(files, LOGIN) as (url, _asked):
            assert pulled(spied, url, username="robot", password=PASSWORD) == CHART
    assert told == [("/kof/x.tgz", None)]


@pytest.mark.parametrize(
    ("files", "login", "why", "unreachable"),
    [
        ({}, None, "/kof/index.yaml : 404 Not Found", False),
        (FILES, "Basic other", "/kof/index.yaml : 401 Unauthorized", False),
        ({"/kof/index.yaml": b"<html>a login page</html>"}, None, "cannot unmarshal|no API version", False),
        ({"/kof/index.yaml": b""}, None, "empty index.yaml file", False),
        # one number among the versions, of whatever chart, and helm reads none
        ({"/kof/index.yaml": FILES["/kof/index.yaml"].replace(b"v1, urls", b"1, urls")}, None, "number into Go", False),
        ({"/kof/index.yaml": b"apiVersion: v1\nentries: {}\n"}, None, 'chart "kof-operators" .*not found', False),
        (
            {"/kof/index.yaml": INDEX.replace("0.1.0", "0.1.1").format(url="x.tgz").encode()},
            None,
            "no chart version found for kof-operators-0.1.0",
            False,
        ),
        ({"/kof/index.yaml": FILES["/kof/index.yaml"]}, None, "kof-operators-0.1.0.tgz : 404", False),
    ],
)
def test_what_is_wrong_with_a_repository_is_told(
    spied: tuple[str, pathlib.Path], files: dict[str, bytes], login: str | None, why: str, unreachable: bool
) -> None:
    with served(files, login) as (url, _asked), pytest.raises(HelmFailed, match=why) as failed:
        pulled(spied, url, username="robot", password=PASSWORD)
    assert failed.value.unreachable is unreachable
    assert PASSWORD not in str(failed.value)
    assert "Hang tight" not in str(failed.value)


def test_nobody_there(spied: tuple[str, pathlib.Path]) -> None:
    with pytest.raises(HelmFailed, match="connection refused") as failed:
        pulled(spied, "http://127.0.0.1:1/kof")
    assert failed.value.unreachable


def test_a_chart_on_disk_is_a_folder_or_a_package_of_the_version(tmp_path: pathlib.Path) -> None:
    wanted = str(tmp_path / "kof-operators")
    assert chart_on_disk(wanted, "0.1.0") is None
    (tmp_path / "kof-operators-0.1.0.tgz").write_bytes(CHART)
    assert chart_on_disk(wanted, "0.1.0") == f"{wanted}-0.1.0.tgz"
    assert chart_on_disk(wanted, "0.1.1") is None
    assert chart_on_disk(wanted) is None
    (tmp_path / "kof-operators").mkdir()
    assert chart_on_disk(wanted, "0.1.0") == wanted


@pytest.mark.parametrize(
    ("stdout", "stderr"), [("", "Error: no such CA file"), ("Hang tight", "Error: no such CA file")]
)
def test_what_helm_says_beside_its_chatter_is_told(tmp_path: pathlib.Path, stdout: str, stderr: str) -> None:
    helm = tmp_path / "helm"
    helm.write_text(f"#!/bin/sh\necho '{stdout}'\necho '{stderr}' >&2\nexit 1\n")
    helm.chmod(0o700)
    with Helm(str(helm), Settings("https://a", ""), Registry()) as made, pytest.raises(HelmFailed) as failed:
        made.pull("kof-operators", "0.1.0", "https://charts.example.com/kof")
    assert str(failed.value) == "helm repo update: no such CA file"
