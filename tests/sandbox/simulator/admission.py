"""kcm's admission webhooks: a validating webhook over HTTPS on loopback, and the decisions behind it.

The decisions are pure functions of the request and a `Lookup`; messages are worded as kcm 0.1.0 words them. The API
server calls it for dry runs too (no side effects), and refuses everything that the webhook guards while it is away
(failurePolicy Fail).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.simulator.api import Api, Object
from sandbox.simulator.kinds import (
    CLUSTER_DEPLOYMENT,
    CLUSTER_TEMPLATE,
    CREDENTIAL,
    MULTI_CLUSTER_SERVICE,
    SERVICE_TEMPLATE,
    VALIDATING_WEBHOOKS,
    Kind,
)

log = logging.getLogger("simulator")

CONFIGURATION = Path(__file__).resolve().parent.parent / "admission" / "validating-webhooks.yaml.in"
SYSTEM_NAMESPACE = "kcm-system"  # where kcm looks up the templates of a MultiClusterService

#: Kinds of identity that a provider of a ClusterTemplate accepts.
IDENTITY_KINDS = {
    "infrastructure-aws": {"AWSClusterStaticIdentity", "AWSClusterRoleIdentity", "AWSClusterControllerIdentity"},
    "infrastructure-azure": {"AzureClusterIdentity", "Secret"},
    "infrastructure-openstack": {"Secret"},
    "infrastructure-internal": {"Secret"},
}


class Lookup(Protocol):
    """What the webhooks read: objects by kind, namespace and name, and whole kinds."""

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None: ...

    def all(self, kind: Kind, namespace: str | None = None) -> list[Object]: ...


class Denied(Exception):
    """The request is refused with this message, and perhaps a warning to the client."""

    def __init__(self, message: str, warning: str | None = None) -> None:
        super().__init__(message)
        self.warning = warning


class Missing(Denied):
    """An object that the request refers to doesn't exist. kcm hands on the API server's own words and status (404)."""

    def __init__(self, kind: Kind, name: str) -> None:
        # controller-runtime's cache names the kind where the API server names the resource.
        self.group, self.kind, self.name = kind.api_version.partition("/")[0], kind.kind, name
        super().__init__(f'{self.kind}.{self.group} "{name}" not found')


def _template(lookup: Lookup, kind: Kind, namespace: str, name: str) -> Object:
    template = lookup.get(kind, namespace, name)
    if template is None:
        raise Missing(kind, name)
    return template


def _must_be_valid(template: Object) -> None:
    status = template.get("status") or {}
    if not status.get("valid"):
        raise Denied(f"the template is not valid: {status.get('validationError', '')}")


def _check_services(lookup: Lookup, namespace: str, spec: Object, *, without_disabled: bool = False) -> None:
    """Disabled services are looked at too. Of several missing templates the first is told, and nothing else."""
    problems: list[Denied] = []
    for service in (spec.get("serviceSpec") or {}).get("services") or []:
        if without_disabled and service.get("disable"):
            continue
        try:
            _must_be_valid(_template(lookup, SERVICE_TEMPLATE, namespace, service["template"]))
        except Denied as error:
            problems.append(error)
    missing = next((problem for problem in problems if isinstance(problem, Missing)), None)
    if missing:
        raise missing
    if problems and not without_disabled:
        raise Denied("\n".join(str(problem) for problem in problems))


def _check_credential(lookup: Lookup, namespace: str, spec: Object, template: Object) -> None:
    name = spec.get("credential", "")
    providers = (template.get("status") or {}).get("providers") or []
    if not providers:
        raise Denied(f"template {json.dumps(template['metadata']['name'])} has no providers defined")
    if not any(provider.startswith("infrastructure-") for provider in providers):
        raise Denied(f"template {json.dumps(template['metadata']['name'])} has no infrastructure providers defined")
    credential = lookup.get(CREDENTIAL, namespace, name)
    if credential is None:
        raise Missing(CREDENTIAL, name)
    if not (credential.get("status") or {}).get("ready"):
        raise Denied("credential is not Ready")
    identity = credential["spec"]["identityRef"].get("kind", "")
    for provider in providers:
        accepted = IDENTITY_KINDS.get(provider)
        if accepted and identity not in accepted:
            raise Denied(
                f"wrong kind of the ClusterIdentity {json.dumps(identity)} for provider {json.dumps(provider)}"
            )
        if accepted is None and provider.startswith("infrastructure-"):
            raise Denied(f"unsupported infrastructure provider {provider}")


def _check_references(namespace: str, spec: Object) -> None:
    """All of one kind of reference are told, those of values only where the others are right."""
    service_spec = spec.get("serviceSpec") or {}
    resources = [reference["resource"] for reference in service_spec.get("templateResourceRefs") or []]
    values = [ref for service in service_spec.get("services") or [] for ref in service.get("valuesFrom") or []]
    for references, place in ((resources, "templateResourceRefs"), (values, "services[].valuesFrom")):
        problems = [
            f"{reference.get('kind', '')} {json.dumps(reference.get('name', ''))} is in namespace "
            f"{reference['namespace']}, cannot refer to a resource in a namespace other than {namespace} "
            f"in .spec.serviceSpec.{place}"
            for reference in references
            if reference.get("namespace") and reference["namespace"] != namespace
        ]
        if problems:
            raise Denied("\n".join(problems))


def check_cluster_deployment(lookup: Lookup, operation: str, obj: Object, old: Object | None) -> None:
    """Raise Denied where kcm refuses to create or update a ClusterDeployment.

    One that is being deleted isn't spared, and kcm's own writes aren't: without its Credential, or with a
    ServiceTemplate that is no longer valid, its finalizer can't be taken off.
    """
    if operation not in ("CREATE", "UPDATE"):
        return
    namespace, spec = obj["metadata"]["namespace"], obj["spec"]
    before = (old or {}).get("spec", {}).get("template")
    try:
        template = _template(lookup, CLUSTER_TEMPLATE, namespace, spec["template"])
        if operation == "CREATE" or before != spec["template"]:
            upgrades = ((old or {}).get("status") or {}).get("availableUpgrades") or []
            if operation == "UPDATE" and spec["template"] not in upgrades:
                raise UpgradeForbidden(before, spec["template"])
            _must_be_valid(template)
            if (template.get("status") or {}).get("k8sVersion"):  # compared with what the services want
                _check_services(lookup, namespace, spec, without_disabled=True)
        _check_credential(lookup, namespace, spec, template)
        _check_references(namespace, spec)
        _check_services(lookup, namespace, spec)
    except (Missing, UpgradeForbidden):
        raise
    except Denied as error:
        raise Denied(f"the ClusterDeployment is invalid: {error}", error.warning) from error


class UpgradeForbidden(Denied):
    """No upgrade leads from the one template to the other; said without more words."""

    def __init__(self, before: str | None, after: str) -> None:
        super().__init__(
            "cluster upgrade is forbidden",
            f"Cluster can't be upgraded from {before} to {after}. This upgrade sequence is not allowed",
        )


def check_multi_cluster_service(lookup: Lookup, operation: str, obj: Object, _old: Object | None) -> None:
    """Raise Denied where kcm refuses to create or update a MultiClusterService."""
    if operation not in ("CREATE", "UPDATE"):
        return
    try:
        _check_services(lookup, SYSTEM_NAMESPACE, obj.get("spec") or {})
    except Missing:
        raise
    except Denied as error:
        raise Denied(f"the MultiClusterService is invalid: {error}") from error


def _service_template_names(spec: Object) -> set[str]:
    return {service["template"] for service in (spec.get("serviceSpec") or {}).get("services") or []}


def check_template_deletion(lookup: Lookup, operation: str, kind: Kind, old: Object) -> None:
    """Raise Denied for the deletion of a template that a ClusterDeployment or MultiClusterService refers to."""
    if operation != "DELETE":
        return
    name, namespace = old["metadata"]["name"], old["metadata"]["namespace"]
    deployments = lookup.all(CLUSTER_DEPLOYMENT, namespace)
    used_by = None
    if kind is CLUSTER_TEMPLATE:
        if any(d["spec"]["template"] == name for d in deployments):
            used_by = "ClusterDeployment"
    elif any(name in _service_template_names(d["spec"]) for d in deployments):
        used_by = "ClusterDeployment"
    elif namespace == SYSTEM_NAMESPACE and any(
        name in _service_template_names(m.get("spec") or {}) for m in lookup.all(MULTI_CLUSTER_SERVICE)
    ):
        used_by = "MultiClusterService"
    if used_by:
        warning = f"The {kind.kind} object can't be removed if {used_by} objects referencing it still exist"
        raise Denied("template deletion is forbidden", warning)


def review(lookup: Lookup, request: Object) -> Object:
    """The response to an AdmissionReview's request."""
    kind, operation = request["kind"]["kind"], request["operation"]
    obj, old = request.get("object"), request.get("oldObject")
    try:
        if kind == CLUSTER_DEPLOYMENT.kind and obj:
            check_cluster_deployment(lookup, operation, obj, old)
        elif kind == MULTI_CLUSTER_SERVICE.kind and obj:
            check_multi_cluster_service(lookup, operation, obj, old)
        elif kind == CLUSTER_TEMPLATE.kind and old:
            check_template_deletion(lookup, operation, CLUSTER_TEMPLATE, old)
        elif kind == SERVICE_TEMPLATE.kind and old:
            check_template_deletion(lookup, operation, SERVICE_TEMPLATE, old)
    except Denied as error:
        status: Object = {"code": 403, "reason": "Forbidden", "message": str(error)}
        if isinstance(error, Missing):
            details = {"group": error.group, "kind": error.kind, "name": error.name}
            status |= {"status": "Failure", "code": 404, "reason": "NotFound", "details": details}
        denial = {"uid": request["uid"], "allowed": False, "status": status}
        return {**denial, "warnings": [error.warning]} if error.warning else denial
    return {"uid": request["uid"], "allowed": True}


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, kept in `folder` so that a restart doesn't change it."""
    certificate, key = folder / "webhook.crt", folder / "webhook.key"
    if certificate.exists() and key.exists():
        return certificate, key
    folder.mkdir(parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kcm-webhook-service.kcm-system.svc")])
    today = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return certificate, key


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, decide: Callable[[Object], Object]) -> None:
        self.tls = tls
        self.decide = decide
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def hang_up(self) -> None:
        """End the kept-alive connections too, or the API server would go on asking through them."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("webhook connection from %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive: a handshake per request would cost more than the decision
    server: _Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The handshake belongs to the connection's own thread, not to the accepting one.
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.open.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.open.discard(self.request)
        super().finish()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(
            {
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": self.server.decide(body["request"]),
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
        self.wfile.write(head + answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Webhook:
    """The running webhook. `start` serves and registers it with the API server."""

    def __init__(self, lookup: Lookup, folder: Path) -> None:
        self._folder = folder
        self._certificate, key = _certificate(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._certificate, key)

        def decide(request: Object) -> Object:
            return review(lookup, request)

        self._server = _Server(("127.0.0.1", self._port()), tls, decide)

    def _port(self) -> int:
        """The port of the last run if it is still free, so that a restart leaves no gap with a stale address."""
        try:
            port = int((self._folder / "webhook.port").read_text())
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            return port
        except (OSError, ValueError):
            return 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def start(self, api: Api) -> None:
        """Serve, and apply the ValidatingWebhookConfiguration that points here. Raises ApiError."""
        (self._folder / "webhook.port").write_text(str(self._server.server_address[1]))
        threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True).start()
        authority = base64.b64encode(self._certificate.read_bytes()).decode()
        text = CONFIGURATION.read_text().replace("@URL@", self.url).replace("@CA@", authority)
        for document in yaml.safe_load_all(text):
            api.apply(VALIDATING_WEBHOOKS, document, manager="helm")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
