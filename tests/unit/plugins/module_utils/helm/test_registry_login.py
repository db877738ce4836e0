"""Credential helpers: found by helm's and Docker's files as helm 3.19 finds them, and asked only by a 401."""

from __future__ import annotations

import http.server
import json
import pathlib
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.registry_login import missing_helper, wants_login
from sandbox import binaries

CHARTS = "oci://registry.example.com/kof/charts"


def environment(folder: pathlib.Path, *, helm: object = None, docker: object = None) -> dict[str, str]:
    for name, content in (("helm", helm), ("docker", docker)):
        (folder / name).mkdir()
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name / "config.json").write_text(text)
    program = folder / "docker-credential-there"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return {
        "HOME": str(folder),
        "PATH": f"{folder}:/usr/bin:/bin",
        "HELM_REGISTRY_CONFIG": str(folder / "helm" / "config.json"),
        "DOCKER_CONFIG": str(folder / "docker"),
    }


@pytest.mark.parametrize(
    ("helm", "docker", "missing"),
    [
        (None, None, None),
        ({}, {"auths": {"registry.example.com": {"auth": "x"}}}, None),
        ({"credsStore": "there"}, None, None),
        ({"credsStore": "gone"}, None, "docker-credential-gone"),
        (None, {"credsStore": "desktop"}, "docker-credential-desktop"),
        (None, {"credHelpers": {"registry.example.com": "ecr-login"}}, "docker-credential-ecr-login"),
        (None, {"credHelpers": {"registry.example.com": "there"}, "credsStore": "gone"}, None),
        (None, {"credHelpers": {"other.example.com": "gone"}}, None),
        ("no json", ["a list"], None),
        ({"credHelpers": "text", "credsStore": 5}, None, None),
    ],
)
def test_the_helper_that_is_named_for_the_registry(
    tmp_path: pathlib.Path, helm: object, docker: object, missing: str | None
) -> None:
    told = missing_helper(CHARTS, environment(tmp_path, helm=helm, docker=docker))
    assert (missing in told and "registry.example.com" in told) if missing and told else told is missing


class _Registry(http.server.BaseHTTPRequestHandler):
    code = 401

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.send_header("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:1/token"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(params=[401, 200])
def registry(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    handler = type("Registry", (_Registry,), {"code": request.param})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"oci://127.0.0.1:{server.server_port}/charts", request.param
        server.shutdown()


def test_helm_asks_the_helper_where_the_registry_wants_a_login(
    registry: tuple[str, int], tmp_path: pathlib.Path
) -> None:
    reference, code = registry
    around = environment(tmp_path, docker={"credsStore": "gone"})
    assert wants_login(reference, plain_http=True, ca_file=None) == (code == 401)
    helm = [binaries.find_or_build()["helm"], "pull", f"{reference}/kof", "--version", "1.0.0", "--plain-http"]
    said = subprocess.run(helm, env=around, cwd=tmp_path, capture_output=True, text=True, check=False).stderr
    assert ("docker-credential-gone" in said) == (code == 401)


def test_a_registry_that_cannot_be_asked_is_not_said_to_want_a_login() -> None:
    assert not wants_login("oci://127.0.0.1:1/charts", plain_http=True, ca_file=None)
    assert not wants_login("oci://127.0.0.1:1/charts", plain_http=False, ca_file="/nowhere/ca.pem")


def test_what_speaks_no_http_wants_no_login() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def answer() -> None:
            with silent.accept()[0] as link:
                link.recv(1000)
                link.sendall(b"SSH-2.0-nobody\r\n")

        threading.Thread(target=answer, daemon=True).start()
        reference = f"oci://127.0.0.1:{silent.getsockname()[1]}/charts"
        assert not wants_login(reference, plain_http=True, ca_file=None)
