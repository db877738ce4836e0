# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there: everything the checks look at, fetched over the project's connection in a handful of requests.

This is the only file of the preflight that touches the network or starts a process. It judges nothing: what could not
be read is noted with the server's reason, and the checks say what that means.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import installed
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.side_effects import REPOSITORY
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.registry_login import missing_helper, wants_login
from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import Foreseen, NotARelease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.exec_plugin import of_a_child
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited, own_cluster
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP, served_version
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts, controller
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import Need, Walk
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut

SVELTOS_GROUP = awaited.SVELTOS.partition("/")[0]
#: The operators whose chart version the guide asks for, by their Deployment's app.kubernetes.io/name.
OPERATORS = ("opentelemetry-operator", "victoria-metrics-operator")
#: As many as the connection pool keeps.
PARALLEL = 8
_EVERYTHING = {"verb": "*", "group": "*", "resource": "*"}
HELM_SECONDS = 15


@dataclass(frozen=True)
class Denied:
    """A need the server's access review refuses, with its reason (often empty)."""

    need: Need
    reason: str


@dataclass(frozen=True)
class Helm:
    """The helm binary: where it is, the version it says, or why it says none."""

    path: str | None
    version: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What to look for.

    :ivar walk: what the run is about; nothing where it has no cluster.
    :ivar secrets: names of Secrets in the kof namespace that matter beside those the PromxyServerGroups name.
    :ivar helm: whether the helm binary is needed; `helm_binary` its path, None for the one on PATH.
    :ivar anonymous_registry: the chart repository, where no login is given for it; plain_http: without TLS.
    :ivar ca_file: file with the CA certificates of the chart repository, if it has its own.
    :ivar promxy_deployment: name of promxy's Deployment; None where nobody wants to know how it is set up.
    :ivar credentials: (cluster, Credential) of the clusters at hand.
    :ivar foresee: what helm has to do for each chart, by the cluster's version and the API versions it serves, which
        a chart's CRDs add to; None where no chart is to be installed.
    :ivar namespace_labels: that the namespace must have.
    """

    walk: Walk
    secrets: frozenset[str] = frozenset()
    helm: bool = True
    helm_binary: str | None = None
    ca_file: str | None = None
    anonymous_registry: str | None = None
    plain_http: bool = False
    promxy_deployment: str | None = None
    credentials: frozenset[tuple[str, str]] = frozenset()
    foresee: Callable[[str, Sequence[str]], Sequence[Foreseen]] | None = None
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """The management cluster and the controller as they are. Objects are as the API server sent them.

    :ivar place: which server that is and who named it, in words; `unsaid`: nobody did, it is kubectl's default.
    :ivar kubernetes: gitVersion, `v1.34.4`.
    :ivar apis: served versions by API group.
    :ivar kcm_version: the newest version of kcm's API that is served and known here; None if there is none.
    :ivar own_cluster: of Credentials with a kubeconfig, by name, whether they lead to the management cluster itself.
    :ivar secrets: data of the Secrets asked for by name, decoded; None for one that doesn't exist. Never printed.
    :ivar sveltos_clusters: what Sveltos reaches the adopted clusters by.
    :ivar resource_templates: by Credential, its identity's ConfigMap; None for one that doesn't exist. Those that may
        not be read are left out.
    :ivar promxy_deployment: None where it wasn't asked for, doesn't exist or may not be read.
    :ivar services_repository: kcm's HelmRepository of kof's charts; None likewise.
    :ivar installed: the Helm releases of kof's own charts; None where they may not be read.
    :ivar now: the time at which this was true; None where it is made up.
    :ivar helper_problem: why helm can't even ask for a login at the chart repository.
    :ivar ca_file_problem: why the file with the chart repository's CA is of no use; None if it is, or isn't needed.
    :ivar foreseen: what helm has to do for each chart.
    :ivar unserved: kinds of the charts that the cluster doesn't serve and no chart brings, by chart.
    :ivar ungranted: roles and bindings of the charts that the user may not write, each with rights that lack for it;
        None for rights that can't be known.
    :ivar libraries: versions of the collections and Python packages on this machine, by name; empty where there is
        one but doesn't say, None where there is none.
    :ivar unread: what could not be read: kind -> the server's reason.
    """

    server: str
    place: str = ""
    unsaid: bool = False
    kubernetes: str | None = None
    apis: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kcm_version: str | None = None
    managements: tuple[dict, ...] = ()
    releases: tuple[dict, ...] = ()
    storage_classes: tuple[dict, ...] = ()
    credentials: tuple[dict, ...] = ()
    resource_templates: Mapping[str, dict | None] = field(default_factory=dict)
    sveltos_clusters: tuple[dict, ...] = ()
    own_cluster: Mapping[str, own_cluster.Finding] = field(default_factory=dict)
    cluster_templates: tuple[dict, ...] = ()
    service_templates: tuple[dict, ...] = ()
    cluster_deployments: tuple[dict, ...] = ()
    promxy_server_groups: tuple[dict, ...] = ()
    grafana_datasources: tuple[dict, ...] = ()
    operators: tuple[dict, ...] = ()
    promxy_deployment: dict | None = None
    services_repository: dict | None = None
    installed: tuple[InstalledChart, ...] | None = ()
    now: datetime | None = None
    namespaces: Mapping[str, dict | None] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes] | None] = field(default_factory=dict, repr=False)
    denied: tuple[Denied, ...] = ()
    helm: Helm | None = None
    ca_file_problem: str | None = None
    helper_problem: str | None = None
    foreseen: tuple[Foreseen, ...] = ()
    unserved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ungranted: tuple[tuple[charts.Grant, tuple[charts.Attributes, ...] | None], ...] = ()
    libraries: Mapping[str, str | None] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


class _Reader:
    """Reads objects and keeps why something could not be read. ApiUnavailable and a refused login go through."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.unread: dict[str, str] = {}

    def listed(self, what: str, path: str, query: Mapping[str, str] | None = None) -> tuple[dict, ...]:
        try:
            return tuple(self.connection.list_objects(path, query=query)[0])
        except ApiError as error:
            self.note(what, error)
            return ()

    def one(self, what: str, path: str) -> dict | None:
        try:
            return self.connection.request("GET", path)
        except ApiError as error:
            self.note(what, error)
            return None

    def note(self, what: str, error: ApiError) -> None:
        if error.status == 401:
            raise error
        if error.status != 404:  # not served, or not there: the checks see that themselves
            self.unread.setdefault(what, f"{error.status} {error.reason}: {error.message}")


def _utc() -> datetime:
    return datetime.now(UTC)


def gather(connection: Any, wanted: Wanted, clock: Callable[[], datetime] = _utc) -> Facts:
    """Read what the checks need: two requests to get to know the server, then about a dozen side by side.

    Secrets are read by name, never listed but for helm's of kof's own releases. Nothing is written: an access review is
    a question sent as POST.

    :param clock: gives the time in UTC.
    :raises ApiUnavailable: the API server can't be reached.
    :raises ApiError: it doesn't accept the credentials (401), or fails on the first question.
    """
    reader = _Reader(connection)
    kubernetes, groups = _who_is_there(connection)
    apis = {group["name"]: tuple(version["version"] for version in group["versions"]) for group in groups}
    kcm_version = served_version(apis.get(KCM_GROUP, ()))
    walk = wanted.walk
    # Rights are of a group, whatever version of it is served.
    written_for = kcm_version or walk.release.needs.kcm

    jobs: dict[str, Callable[[], Any]] = {}
    for look in walk.looks(written_for):
        group, _slash, version = look.of.api_version.partition("/")
        if version in apis.get(group, ()):
            jobs[look.fact] = lambda look=look: reader.listed(look.of.kind, look.path)  # type: ignore[misc]
    if "mothership" in walk.layers:
        jobs["operators"] = lambda: _operators(reader, walk.namespace)
    if walk.layers:
        jobs["installed"] = lambda: _installed(reader, walk.namespace)
    if wanted.promxy_deployment:
        path = f"/apis/apps/v1/namespaces/{walk.namespace}/deployments/{wanted.promxy_deployment}"
        jobs["promxy_deployment"] = lambda path=path: _if_allowed(connection, path)  # type: ignore[misc]
    if walk.release.elsewhere:
        kept = f"/apis/{REPOSITORY[0]}/namespaces/{walk.kcm_namespace}/helmrepositories/{REPOSITORY[2]}"
        jobs["services_repository"] = lambda: _if_allowed(connection, kept)
    spaces = (walk.namespace, walk.kcm_namespace)
    for space in spaces:
        jobs[f"namespace {space}"] = lambda space=space: reader.one("Namespace", f"/api/v1/namespaces/{space}")  # type: ignore[misc]
    jobs["administrator"] = lambda: _reviewed(connection, _EVERYTHING)[0] if walk.clusters else True
    if wanted.foresee:
        served = ["v1", *(f"{group}/{version}" for group, versions in apis.items() for version in versions)]
        jobs["foreseen"] = lambda: tuple(wanted.foresee(kubernetes or "", served))  # type: ignore[misc]
    if wanted.helm:
        jobs["helm"] = lambda: helm_version(wanted.helm_binary)
        jobs["ca_file_problem"] = lambda: certificate_problem(wanted.ca_file)
        jobs["helper_problem"] = lambda: _helper_problem(wanted)

    results = _side_by_side(jobs)
    needs = walk.needs(written_for)
    results |= _rights(
        connection, wanted, needs, results, results.pop("administrator"), results.get(f"namespace {spaces[0]}")
    )
    secrets = set(wanted.secrets) | set(credential_secrets(results.get("promxy_server_groups", ())))
    secret_jobs: dict[str, Callable[[], Any]] = {
        name: lambda name=name: _secret(reader, walk.namespace, name)  # type: ignore[misc]
        for name in sorted(secrets)
    }
    found = _side_by_side(secret_jobs)
    used = {credential for _cluster, credential in wanted.credentials}
    identities = {
        item["metadata"]["name"]: resource_template_of(item, walk.kcm_namespace)
        for item in results.get("credentials", ())
        if item["metadata"]["name"] in used
    }
    templates = _side_by_side(
        {
            f"{space}/{name}": lambda space=space, name=name: _config_map(connection, space, name)  # type: ignore[misc]
            for space, name in sorted(set(identities.values()))
        }
    )
    applied = {
        (item["metadata"]["name"], (item.get("spec") or {}).get("credential"))
        for item in results.get("cluster_deployments", ())
    }
    return Facts(
        server=connection.server,
        place=connection.place,
        unsaid=connection.unsaid,
        kubernetes=kubernetes,
        apis=apis,
        kcm_version=kcm_version,
        namespaces={space: results.pop(f"namespace {space}", None) for space in spaces},
        secrets=found,
        resource_templates={
            credential: templates[f"{space}/{name}"]
            for credential, (space, name) in identities.items()
            if templates[f"{space}/{name}"] != {}
        },
        own_cluster=own_cluster.look(
            connection,
            [item for item in results.get("credentials", ()) if item["metadata"]["name"] in used],
            {credential for _cluster, credential in wanted.credentials - applied},
        ),
        libraries=controller.versions(),
        now=clock(),
        unread=dict(reader.unread),
        **results,
    )


def _who_is_there(connection: Any) -> tuple[str | None, list[dict[str, Any]]]:
    version = connection.request("GET", "/version").get("gitVersion")
    groups = connection.request("GET", "/apis").get("groups")
    if not isinstance(groups, list):
        raise ApiUnavailable(
            f"{connection.server} answers, but not like a Kubernetes API server; "
            "check kof_kubeconfig, kof_context and kof_host"
        )
    return version, groups


def _side_by_side(jobs: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    if not jobs:
        return {}
    with ThreadPoolExecutor(min(PARALLEL, len(jobs))) as pool:
        running = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: future.result() for name, future in running.items()}


def credential_secrets(promxy_server_groups: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the Secrets that PromxyServerGroups take their credentials from, each once."""
    names: dict[str, None] = {}
    for group in promxy_server_groups:
        basic_auth = ((group.get("spec") or {}).get("http_client") or {}).get("basic_auth") or {}
        if basic_auth.get("credentials_secret_name"):
            names[basic_auth["credentials_secret_name"]] = None
    return list(names)


def resource_template_of(credential: Mapping[str, Any], kcm_namespace: str) -> tuple[str, str]:
    """Namespace and name of the ConfigMap that kcm gives to Sveltos for a Credential (spec.propagateCredentials)."""
    identity = (credential.get("spec") or {}).get("identityRef") or {}
    return identity.get("namespace") or kcm_namespace, f"{identity.get('name')}-resource-template"


def _config_map(connection: Any, namespace: str, name: str) -> dict | None:
    """None if there is none; empty if it may not be read."""
    try:
        return connection.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except ApiError as error:
        if error.status == 401:
            raise
        return None if error.status == 404 else {}


def _secret(reader: _Reader, namespace: str, name: str) -> dict[str, bytes] | None:
    item = reader.one(f"Secret {name}", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if item is None:
        return None
    data = {}
    for key, value in (item.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError):  # the API server sends nothing else, a stand-in might
            data[key] = b""
    return data


def _operators(reader: _Reader, namespace: str) -> tuple[dict, ...]:
    """Deployments of the operators in any namespace; only in ours where the user may not look further."""
    query = {"labelSelector": f"app.kubernetes.io/name in ({','.join(OPERATORS)})"}
    try:
        return tuple(reader.connection.list_objects("/apis/apps/v1/deployments", query=query)[0])
    except ApiError as error:
        if error.status != 403:
            reader.note("Deployment", error)
            return ()
    return reader.listed("Deployment", f"/apis/apps/v1/namespaces/{namespace}/deployments", query)


def installed_charts(connection: Any, namespace: str) -> Facts:
    """Which kof is installed, and nothing else: all there is to know as long as nobody says which one is wanted.

    :raises ApiUnavailable, ApiError: as `gather`.
    """
    reader = _Reader(connection)
    return Facts(connection.server, installed=_installed(reader, namespace), unread=reader.unread)


def _installed(reader: _Reader, namespace: str) -> tuple[InstalledChart, ...] | None:
    try:
        return installed.look(reader.connection, namespace)
    except NotARelease as problem:
        reader.unread["Helm releases"] = str(problem)
    except ApiError as error:
        reader.note("Helm releases", error)
    return None


def _if_allowed(connection: Any, path: str) -> dict | None:
    """An object that is good to know, and no reason to ask for a right that nothing else needs."""
    try:
        return connection.request("GET", path)
    except ApiError as error:
        if error.status == 401:
            raise
        return None


def _rights(
    connection: Any,
    wanted: Wanted,
    known: Sequence[Need],
    found: Mapping[str, Any],
    administrator: bool,
    namespace: dict | None,
) -> dict[str, Any]:
    """What the user may not do: of the layers' needs, and of helm's by the charts as rendered."""
    walk = wanted.walk
    foreseen: Sequence[Foreseen] = found.get("foreseen", ())
    kinds = charts.of_definitions([document for each in foreseen for document in each.rendered])
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    as_wanted = wanted.namespace_labels.items() <= labels.items()
    # A namespace that is there isn't made, and one that is right isn't written.
    spared = ("create", "patch") if as_wanted else ("create",) if namespace else ()
    needs = {
        (each.verb, each.group, each.resource, each.namespace, each.name): each
        for each in known
        if each.resource != "namespaces" or each.verb not in spared
    }
    unserved: dict[str, dict[str, None]] = {}
    for each in foreseen:
        for verb, ref in charts.of_release(each, walk.namespace):
            group = ref.api_version.rpartition("/")[0]
            served = connection.resource(ref.api_version, ref.kind)
            plural = (served.plural, served.namespaced) if served else kinds.get((group, ref.kind))
            if plural is None:
                unserved.setdefault(each.name, {})[f"{ref.kind} ({ref.api_version})"] = None
            else:
                place = (ref.namespace or walk.namespace) if plural[1] else None
                need = Need(verb, group, plural[0], place, "mothership")
                needs.setdefault((verb, group, plural[0], place, ""), need)
    told: dict[str, Any] = {"unserved": {name: tuple(kinds) for name, kinds in unserved.items()}}
    if administrator:
        return {**told, "denied": ()}
    asked = list(charts.grants(foreseen, walk.namespace))
    return {**told, "denied": _denied(connection, list(needs.values())), "ungranted": _ungranted(connection, asked)}


def _ungranted(
    connection: Any, grants: Sequence[charts.Grant]
) -> tuple[tuple[charts.Grant, tuple[charts.Attributes, ...] | None], ...]:
    """The roles and bindings that may not be written: neither by their verb nor by holding what is in them."""
    with ThreadPoolExecutor(PARALLEL) as pool:

        def allowed(right: tuple[charts.Attributes, str | None]) -> bool:
            attributes, namespace = dict(right[0]), right[1]
            return _reviewed(connection, {**attributes, **({"namespace": namespace} if namespace else {})})[0]

        verbs = [
            (
                tuple(
                    (key, value)
                    for key, value in (
                        ("verb", each.verb),
                        ("group", charts.RBAC),
                        ("resource", each.resource),
                        ("name", each.name),
                    )
                    if value
                ),
                each.namespace,
            )
            for each in grants
        ]
        left = [each for each, may in zip(grants, pool.map(allowed, verbs), strict=True) if not may]
        rights = {each.what: _live_rights(connection, each) if each.rights is None else each.rights for each in left}
        asked = list(dict.fromkeys((right, each.namespace) for each in left for right in rights[each.what] or ()))
        held = dict(zip(asked, pool.map(allowed, asked), strict=True))
    found: list[tuple[charts.Grant, tuple[charts.Attributes, ...] | None]] = []
    for each in left:
        known = rights[each.what]
        lacking = None if known is None else tuple(right for right in known if not held[right, each.namespace])
        if lacking is None or lacking:
            found.append((each, lacking))
    return tuple(found)


def _live_rights(connection: Any, grant: charts.Grant) -> tuple[charts.Attributes, ...] | None:
    """The rights of a role that no chart brings; None where it isn't there, or may not be read."""
    kind = "Role" if grant.resource == "roles" else "ClusterRole"
    try:
        path = connection.path(f"{charts.RBAC}/v1", kind, grant.namespace if kind == "Role" else None, grant.name)
        return charts.rights_of(connection.request("GET", path))
    except ApiError as error:
        if error.status == 401:
            raise
        return None


def _denied(connection: Any, needs: Sequence[Need]) -> tuple[Denied, ...]:
    """The needs that are refused, for somebody who may not do everything: each is asked for.

    A SelfSubjectRulesReview would be one request, but is incomplete with authorizing webhooks and doesn't tell a
    namespace's rules from the cluster's.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda need: _reviewed(connection, _attributes(need)), needs)
        return tuple(
            Denied(need, reason) for need, (allowed, reason) in zip(needs, answers, strict=True) if not allowed
        )


def _attributes(need: Need) -> dict[str, str]:
    given = {"namespace": need.namespace, "name": need.name}
    attributes = {"verb": need.verb, "group": need.group, "resource": need.resource}
    return attributes | {key: value for key, value in given.items() if value}


def _reviewed(connection: Any, attributes: Mapping[str, str]) -> tuple[bool, str]:
    of = "nonResourceAttributes" if "path" in attributes else "resourceAttributes"
    answer = connection.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {of: {key: value for key, value in attributes.items() if of[0] == "r" or key != "namespace"}},
        },
    )
    status = answer.get("status") or {}
    return bool(status.get("allowed")), str(status.get("reason") or status.get("evaluationError") or "")


def helm_version(binary: str | None = None) -> Helm:
    """Ask the helm binary for its version; needs no cluster, and takes no more than HELM_SECONDS.

    :param binary: its path or name; None for `helm` on PATH.
    """
    name = os.path.expanduser(binary) if binary else "helm"
    path = shutil.which(name)
    if not path:
        where = f"{name} is not an executable file" if os.sep in name else f"no {name} on PATH"
        return Helm(None, None, where)
    try:
        # In an action there is no AnsibleModule with its run_command.
        answer = subprocess.run(  # pylint: disable=ansible-bad-function
            [path, "version", "--template", "{{.Version}}"],
            capture_output=True,
            text=True,
            timeout=HELM_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env=of_a_child(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as problem:
        return Helm(path, None, f"{path} version failed: {problem}")
    text = answer.stdout.strip()
    if answer.returncode or not text:
        said = cut(" ".join((answer.stderr or answer.stdout).split()), 200)
        return Helm(path, None, f"{path} version ended with {answer.returncode}: {said}")
    return Helm(path, text)


def _helper_problem(wanted: Wanted) -> str | None:
    """Why helm would fail at the chart repository; None also where the repository lets everybody in."""
    repository = wanted.anonymous_registry or ""
    problem = missing_helper(repository, os.environ) if repository.startswith("oci://") else None
    if problem is None:
        return None
    asks = wants_login(repository, plain_http=wanted.plain_http, ca_file=wanted.ca_file)
    return problem if asks else None


def certificate_problem(path: str | None) -> str | None:
    """Why a file holds no CA certificates; None if it does, or if there is no path."""
    if not path:
        return None
    try:
        with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as file:
            return None if "-----BEGIN CERTIFICATE-----" in file.read() else f"{path} holds no PEM certificate"
    except OSError as problem:
        return f"{path}: {problem.strerror}"
