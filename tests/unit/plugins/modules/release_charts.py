"""Charts for the tests of helm_release, made to fail, stall and keep things in the ways that real charts do.

May hold: chart texts, packaging, a registry with login and TLS in front of the sandbox's. May not hold: assertions.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import pathlib
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Iterator

NAME = "demo"

_CHART = """\
apiVersion: v2
name: demo
version: {version}
appVersion: "{version}"
"""

_VALUES = """\
text: hello
extra: false
stall: ""
broken: false
unserved: false
refused: false
kept: false
profiles:
  main: {secret: demo-profile}
"""

#: One of each thing that helm_release has to care for.
_TEMPLATES = {
    "config.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: demo-config, namespace: {{ .Release.Namespace }}}
data:
  text: {{ .Values.text | toJson }}
  chart: {{ .Chart.Version | quote }}
{{- if .Values.extra }}
  extra: "yes"
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: demo-{{ .Release.Namespace }}
  # Text for helm, and for no parser of YAML 1.1 in Python.
  annotations: {demo/operator: =}
rules: []
""",
    # Drawn once, kept by `lookup`; and one that somebody else fills after us.
    "secrets.yaml": """\
{{- $drawn := lookup "v1" "Secret" .Release.Namespace "demo-drawn" }}
{{- $filled := lookup "v1" "Secret" .Release.Namespace "demo-filled" }}
apiVersion: v1
kind: Secret
metadata: {name: demo-drawn}
data:
  password: {{ get ($drawn.data | default dict) "password" | default (randAlpha 12 | b64enc) | quote }}
---
apiVersion: v1
kind: Secret
metadata: {name: demo-filled}
data:
  config.yaml: {{ get ($filled.data | default dict) "config.yaml" | default "" | quote }}
""",
    "extra.yaml": """\
{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata: {name: demo-extra}
{{- end }}
""",
    "kept.yaml": """\
{{- if .Values.kept }}
apiVersion: v1
kind: ConfigMap
metadata: {name: demo-kept, annotations: {helm.sh/resource-policy: keep}}
{{- end }}
""",
    # As kof-mothership makes the Secrets of its ClusterProfiles: a null for a profile takes its Secret away.
    "profiles.yaml": """\
{{- range $name, $profile := .Values.profiles }}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ $profile.secret }}, namespace: {{ $.Release.Namespace }}}
{{- end }}
""",
    # The API server refuses it, after helm has sent the objects before it.
    "broken.yaml": """\
{{- if .Values.broken }}
apiVersion: v1
kind: Service
metadata: {name: demo-broken}
spec:
  ports: [{port: 99999}]
{{- end }}
""",
    "refused.yaml": """\
{{- if .Values.refused }}{{ fail "this value is refused" }}{{ end }}
""",
    "unserved.yaml": """\
{{- if .Values.unserved }}
apiVersion: example.com/v1
kind: Whatsit
metadata: {name: demo-whatsit}
{{- end }}
""",
    "hook.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: demo-hook
  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "5", helm.sh/resource-policy: keep}
""",
    # No controller runs Jobs in the tests' control plane, so helm waits for it until somebody says that it is done.
    "stall.yaml": """\
{{- if .Values.stall }}
apiVersion: batch/v1
kind: Job
metadata:
  name: demo-stall
  annotations: {helm.sh/hook: {{ .Values.stall | quote }}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: sleep, image: example.com/sleep}]
{{- end }}
""",
}


#: Of a subchart; the second breaks JSON Schema's own rules, as opentelemetry-operator 0.75.1 does.
SCHEMA = '{"properties": {"number": {"type": "integer"}}}'
INVALID_SCHEMA = '{"properties": {"number": {"type": "integer", "examples": ""}}}'


def package(folder: pathlib.Path, version: str, schema: str | None = None) -> pathlib.Path:
    """Lays the demo chart of `version` out below `folder`, with a subchart `sub` that has the `schema`, and packs it;
    returns the .tgz."""
    chart = folder / version / NAME
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(_CHART.format(version=version))
    (chart / "values.yaml").write_text(_VALUES)
    for name, text in _TEMPLATES.items():
        (chart / "templates" / name).write_text(text)
    if schema:
        (chart / "charts" / "sub").mkdir(parents=True)
        (chart / "charts" / "sub" / "Chart.yaml").write_text("apiVersion: v2\nname: sub\nversion: 1.0.0\n")
        (chart / "charts" / "sub" / "values.schema.json").write_text(schema)
    archive = folder / f"{NAME}-{version}.tgz"
    with tarfile.open(archive, "w:gz") as package_file:
        package_file.add(chart, arcname=NAME)
    return archive


@contextlib.contextmanager
def guarded_registry(
    upstream: str, folder: pathlib.Path, user: str, password: str
) -> Iterator[tuple[str, pathlib.Path]]:
    """`upstream` (host:port, plain HTTP) behind TLS and a login; yields its address and the file with its own CA."""
    key, certificate = folder / "registry.key", folder / "registry.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != login:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="registry"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(upstream, timeout=10)
            connection.request(self.command, self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Docker-Content-Digest"):
                if answer.headers.get(name):
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(body))))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", certificate
    finally:
        server.shutdown()
        server.server_close()
