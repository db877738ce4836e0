# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From live ClusterDeployments back to the variables that would render them: the inverse of `manifests`; and the one
answer to which domain a live regional cluster has.

Pure: listed objects in, clusters out. Only what a ClusterDeployment says can be found; no request is made here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import ownership
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    REGIONAL_LABEL,
    REGIONAL_NAMESPACE_LABEL,
    ROLE_LABEL,
    VMAUTH,
    domain_of_target,
    domain_of_url,
    fleet_of,
    of_config,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.options import unread
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.ways import line_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import image_values, service_values
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.cluster_deployment import (
    DOMAIN_ANNOTATION,
    regional_domain_of,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import LINES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml, plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import NotPlain, to_plain
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig as _dig

#: The service by which a layer's clusters are known, made by hand or by us.
MAIN_SERVICE = {"regional": "kof-storage", "child": "kof-collectors"}
#: Values of that service that have a variable, and what the variable takes; anything else stays a service value.
_VARIABLES: dict[str, dict[str, tuple[tuple[str, ...], Callable[[str], str | None]]]] = {
    "regional": {
        "admin_email": (("cert-manager", "email"), syntax.email),
        "retention": (("victoriametrics", "vmcluster", "retentionPeriod"), syntax.retention),
        "logs_storage_size": (("victoria-logs-single", "server", "persistentVolume", "size"), syntax.storage_size),
        "logs_retention": (("victoria-logs-single", "server", "retentionPeriod"), syntax.retention),
        "metrics_storage_size": (("victoriametrics", "vmcluster", "vmstorage", "storage", "size"), syntax.storage_size),
        "metrics_cache_size": (("victoriametrics", "vmcluster", "vmselect", "storage", "size"), syntax.storage_size),
        "vmuser_secret": (
            ("victoriametrics", "vmauth", "credentials", "credentials_secret_name"),
            syntax.object_name,
        ),
    },
    "child": {"vmuser_secret": (("kof", "metrics", "credentials_secret_name"), syntax.object_name)},
}
#: Labels that are never somebody's wish: kcm's, Helm's, Flux's, Argo CD's and Sveltos' own, and those of kof_fleet.
#: An exported manifest that is applied again makes them a person's by field ownership.
_NOT_OURS = re.compile(
    r"k0rdent\.mirantis\.com/(component|managed)|(helm|kustomize)\.toolkit\.fluxcd\.io/.*|helm\.sh/.*"
    r"|argocd\.argoproj\.io/.*|app\.kubernetes\.io/(managed-by|part-of)|projectsveltos\.io/.*"
)
#: What a ClusterDeployment has beyond what variables say, but for what the API server writes by itself.
_KNOWN = ("config", "credential", "propagateCredentials", "serviceSpec", "template")
_KNOWN_OF_SERVICES = {"priority": None, "services": None, "stopOnConflict": False, "syncMode": "Continuous"}
#: The charts of kof that bring services to clusters by MultiClusterServices.
_KOF_CHARTS_WITH_SERVICES = ("kof-child", "kof-regional", "kof-istio")
#: A regional's domain, wherever it stands in the text of a service's values.
_SENT_TO = re.compile(rf"\b{re.escape(VMAUTH)}([a-z0-9.-]+)", re.IGNORECASE)
#: A template in the middle of a host name, or one that is an address or has it in itself; kcm's are text until Sveltos
#: knows the cluster.
_TEMPLATED_HOST = re.compile(rf"\b{re.escape(VMAUTH)}[a-z0-9.-]*\{{\{{|://[^/\s\"']*\{{\{{", re.IGNORECASE)
_ADDRESS = re.compile(
    r"^[^#\n]*?(?:endpoint|url|host|server|address|target)s?[\"']?[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE
)
#: An endpoint as nearly all are written: of a text that has no other, nothing needs to be parsed.
_PLAIN_ENDPOINT = re.compile(rf"\bendpoint[\"']?[ \t]*:[ \t]*[\"']?https?://{re.escape(VMAUTH)}", re.IGNORECASE)
#: An endpoint in the same cluster: names without a dot, of Services, and a loopback's.
_INSIDE = re.compile(
    r"(?:[a-z]+://)?(?:[^@/]*@)?(?:[^.:/\[]+|[^:/]+\.svc(?:\.cluster\.local)?\.?|127\.[\d.]+|\[::1\])(?::\d+)?(?:/|$)",
    re.IGNORECASE,
)
#: A line that a template writes, whatever it may be: not one that only says if, else, end and so on.
_WRITTEN_LINE = re.compile(
    r"^[ \t]*\{\{-?+[ \t]*+(?!(?:if|else|end|range|with|define)\b|/\*|\$\w+[ \t]*:?=)", re.MULTILINE
)


@dataclass
class FoundCluster:
    """A regional or child cluster as the management cluster has it.

    :ivar layer: regional | child.
    :ivar fleet: the fleet whose label it carries; None for a cluster that this collection didn't make.
    :ivar namespace: into which kof is installed; None where its service isn't there.
    :ivar version: of kof, by the ServiceTemplate of that service; None where it is none of a release known here.
    :ivar variables: of its host: the role's own, and `cluster_*` with its state.
    :ivar left_out: what no variable can say, one line each.
    """

    name: str
    layer: str
    fleet: str | None
    namespace: str | None
    version: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def regional_domain(
    cluster_deployment: Mapping[str, Any] | None, promxy_server_groups: Iterable[Mapping[str, Any]] = ()
) -> str | None:
    """The domain of a live regional cluster; None for a cluster that has none, and for no cluster.

    Our annotation says it. For a regional made by hand, the target of its PromxyServerGroup does, else the values of
    its kof-storage.
    """
    if cluster_deployment is None:
        return None
    annotated = regional_domain_of(cluster_deployment)
    if annotated:
        return annotated
    in_view = _domains_in_view(promxy_server_groups).get(cluster_deployment["metadata"]["name"])
    return in_view or _domain_in_values(cluster_deployment)


def regional_domains(
    cluster_deployments: Iterable[Mapping[str, Any]], promxy_server_groups: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """`regional_domain` of every live cluster that has one, by the cluster's name.

    Groups for clusters without a ClusterDeployment are left out: they are no place for a child to send to.
    """
    in_view = _domains_in_view(promxy_server_groups)
    found = {}
    for item in cluster_deployments:
        name = item["metadata"]["name"]
        domain = regional_domain_of(item) or in_view.get(name) or _domain_in_values(item)
        if domain:
            found[name] = domain
    return found


def _domains_in_view(promxy_server_groups: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By cluster name, where promxy looks for its metrics."""
    domains: dict[str, str] = {}
    for group in promxy_server_groups:
        spec = group.get("spec") or {}
        for target in spec.get("targets") or ():
            domain = domain_of_target(target)
            if domain and isinstance(spec.get("cluster_name"), str):
                domains.setdefault(spec["cluster_name"], domain)
    return domains


def _domain_in_values(item: Mapping[str, Any]) -> str | None:
    for service in _services(item):
        if service.get("name") == MAIN_SERVICE["regional"]:
            host = _dig(_parsed(service), ("victoriametrics", "vmauth", "ingress", "host"))
            return host.removeprefix(VMAUTH) if isinstance(host, str) and host.startswith(VMAUTH) else None
    return None


def found_clusters(
    cluster_deployments: Iterable[Mapping[str, Any]],
    release: Direct,
    promxy_server_groups: Iterable[Mapping[str, Any]] = (),
) -> list[FoundCluster]:
    """The regional and child clusters among ClusterDeployments, by name; others are not kof's and are left out."""
    cluster_deployments = list(cluster_deployments)
    domains = regional_domains(cluster_deployments, promxy_server_groups)
    found, regionals = [], {}
    endpoints: dict[str, str | None] = {}
    for item in sorted(cluster_deployments, key=lambda each: each["metadata"]["name"]):
        layer = layer_of(item, release)
        if layer is None:
            continue
        own = LINES.get(line_of(_services(item)) or "", release)
        cluster, values = _found(item, layer, own)
        found.append(cluster)
        main = values.get(MAIN_SERVICE[layer], {})
        if layer == "regional":
            domain = domains.get(cluster.name)
            if domain:
                cluster.variables["regional_domain"] = domain
                regionals[domain.lower()] = cluster.name
        else:
            endpoints[cluster.name] = domain_of_url(_dig(main, ("kof", "metrics", "endpoint")))
        _recover(cluster, values, endpoints.get(cluster.name), own)
    for cluster in found:
        regional = regionals.get(endpoints.get(cluster.name) or "")
        if regional:
            cluster.variables["child_regional"] = regional
    return found


def layer_of(item: Mapping[str, Any], release: Direct) -> str | None:
    """regional or child; None for a ClusterDeployment that is neither.

    Our annotation says it, or the service that makes a cluster one of them, or the guide's label.
    """
    meta = item["metadata"]
    if DOMAIN_ANNOTATION in (meta.get("annotations") or {}):
        return "regional"
    names = {service.get("name") for service in _services(item)}
    guides = meta.get("labels") or {}
    for layer, service in MAIN_SERVICE.items():
        if service in names:
            return layer
    for layer, wanted in release.cluster_labels.items():
        if wanted.items() <= guides.items():
            return layer
    return None


class _Sender:
    """A service as far as it tells where it sends to; its values are parsed when it is asked, and once."""

    def __init__(self, service: Mapping[str, Any]) -> None:
        self.service = service
        self.text = str(service.get("values") or "")

    @functools.cached_property
    def values(self) -> dict[str, Any] | None:
        return _parsed(self.service)

    @functools.cached_property
    def domains(self) -> frozenset[str]:
        """The domains of regional clusters that it names, for metrics, logs or whatever.

        Looked for in the text, not in the parsed values: it is enough for a thousand clusters, and for templates of
        kcm. What a comment says is none, and a backslash may stand inside of a domain: there the parsed values count.
        """
        texts = [self.text]
        if ("\\" in self.text or ("#" in self.text and _SENT_TO.search(self.text))) and self.values is not None:
            texts = list(plain.texts(self.values, keys=True))
        return frozenset(domain.rstrip(".").lower() for text in texts for domain in _SENT_TO.findall(text))

    @property
    def has_collectors(self) -> bool:
        return any(MAIN_SERVICE["child"] in str(self.service.get(key)) for key in ("name", "template"))


@dataclass(frozen=True)
class Destination:
    """To which regional clusters a cluster sends, as far as its ClusterDeployment tells.

    :ivar domains: of regional clusters.
    :ivar disabled: those of them that only services name which kcm leaves alone (`disable`). That isn't to say that
        they are off the cluster: whether they are uninstalled, and when, is for the versions of kcm, for Sveltos, and
        for a cluster that may be paused or out of reach.
    :ivar regional: the name of one, and its namespace where that is told, too.
    :ivar untold: why there may be others; None if there are none.
    """

    domains: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    regional: tuple[str, str | None] | None = None
    untold: str | None = None


def destination(item: Mapping[str, Any], release: Direct) -> Destination:
    """Where a live cluster of any style sends to, or the clusters of a MultiClusterService. A regional may have
    collectors, too.

    What is in ConfigMaps and Secrets isn't read: that would take rights that nothing else needs, and they may change.
    """
    labels_of = item["metadata"].get("labels") or {}
    if (item["metadata"].get("annotations") or {}).get("meta.helm.sh/release-name") in _KOF_CHARTS_WITH_SERVICES:
        return Destination()  # of kof itself, from 0.2 on: for the clusters that its labels mark
    name = labels_of.get(REGIONAL_LABEL)
    named = (str(name), labels_of.get(REGIONAL_NAMESPACE_LABEL)) if name else None
    # A regional's own kof-storage has its domain for those who send to it.
    senders = [_Sender(each) for each in _services(item) if each.get("name") != MAIN_SERVICE["regional"]]
    domains = frozenset[str]().union(*(each.domains for each in senders))
    disabled = domains.difference(*(each.domains for each in senders if not each.service.get("disable")))
    collectors = [each for each in senders if each.has_collectors]
    role = labels_of.get(ROLE_LABEL) or of_config(item, "clusterLabels").get(ROLE_LABEL)
    sends = collectors or role == "child" or layer_of(item, release) == "child"
    return Destination(domains, disabled, named, None if named or not sends else _untold(collectors))


def _untold(collectors: Sequence[_Sender]) -> str | None:
    """Why the values of collectors don't say for sure where they send to, each its own: what another service names is
    no answer for them. Disabled ones may still run, see Destination."""
    for each in collectors:
        service, text = each.service, each.text
        of_service = f"of its service {service.get('name')}"
        sources = [f"{source.get('kind')} {source.get('name')}" for source in service.get("valuesFrom") or ()]
        if sources:
            return f"values {of_service} are in {', '.join(sources)}"
        if "{{" in text and (_TEMPLATED_HOST.search(text) or _WRITTEN_LINE.search(text) or _templated_address(text)):
            return f"an address in the values {of_service} is a template"
        if not each.domains:
            return f"no address of a regional cluster in the values {of_service}"
        if "{{" not in text and text.count("endpoint") != len(_PLAIN_ENDPOINT.findall(text)):
            elsewhere = next(_elsewhere((each.values or {}).get("kof"), "kof"), None)
            if elsewhere:
                return f"{elsewhere} in the values {of_service} is another host than a regional cluster's {VMAUTH}*"
    return None if collectors else "no address of a regional cluster in its services"


def _elsewhere(value: Any, path: str) -> Iterator[str]:
    """The paths of endpoints that may lead to a regional cluster by another name: of no vmauth, out of the cluster."""
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        if key == "endpoint" and isinstance(each, str) and each and not domain_of_url(each) and not _INSIDE.match(each):
            yield f"{path}.{key}"
        yield from _elsewhere(each, f"{path}.{key}")


def _templated_address(text: str) -> bool:
    """Whether a key of an address has a template for its host: one after the host does no harm."""
    return any("{{" in value and not _SENT_TO.search(value.partition("{{")[0]) for value in _ADDRESS.findall(text))


def _found(item: Mapping[str, Any], layer: str, release: Direct) -> tuple[FoundCluster, dict[str, dict[str, Any]]]:
    """The cluster with everything but what is in its services' values, and those by service."""
    meta, spec = item["metadata"], ownership.as_written(item, "spec")
    services, ours = {service["name"]: service for service in _services({"spec": spec})}, release.services[layer]
    main = services.get(MAIN_SERVICE[layer], {})
    as_released = any((each.name, each.template) == (main.get("name"), main.get("template")) for each in ours)
    cluster = FoundCluster(
        meta["name"], layer, fleet_of(item), main.get("namespace"), release.version if as_released else None
    )
    values = {name: _values(service, cluster) for name, service in services.items()}
    config = {key: value for key, value in of_config({"spec": spec}).items() if key != "clusterLabels"}
    cluster_labels = of_config({"spec": spec}, "clusterLabels")
    by_us = {**release.cluster_labels[layer], **labels(cluster.fleet or "")}
    variables = {
        "template": spec.get("template"),
        "credential": spec.get("credential"),
        "config": config,
        "cluster_labels": _without(cluster_labels, {release.vmuser_label: "true"}),
        "labels": {
            key: value
            for key, value in _without(ownership.as_written(item, "metadata.labels"), by_us).items()
            if not _NOT_OURS.fullmatch(key)
        },
        "service_priority": (spec.get("serviceSpec") or {}).get("priority"),
        # True is the API's default.
        "propagate_credentials": False if spec.get("propagateCredentials") is False else None,
        "service_templates": {
            each.name: services[each.name]["template"]
            for each in ours
            if each.name in services and services[each.name].get("template") != each.template
        },
        "disabled_services": [each.name for each in ours if services.get(each.name, {}).get("disable")],
        "extra_services": [
            _extra_service(service, values[name])
            for name, service in services.items()
            if name not in {each.name for each in ours}
        ],
    }
    cluster.left_out += [
        f"valuesFrom of service {each.name}" for each in ours if services.get(each.name, {}).get("valuesFrom")
    ]
    cluster.left_out += _beyond_variables(spec)
    cluster.variables = {f"{layer}_{name}": value for name, value in variables.items() if value not in (None, {}, [])}
    cluster.variables.update(_state(item))
    return cluster, {name: value for name, value in values.items() if name in {each.name for each in ours}}


def _beyond_variables(spec: Mapping[str, Any]) -> list[str]:
    """Fields that somebody set and no variable can say."""
    service_spec = spec.get("serviceSpec") or {}
    found = [f"spec.{key}" for key, value in spec.items() if key not in _KNOWN and value]
    found += [
        f"spec.serviceSpec.{key}"
        for key, value in service_spec.items()
        if value and (key not in _KNOWN_OF_SERVICES or _KNOWN_OF_SERVICES[key] not in (None, value))
    ]
    labels_there = of_config({"spec": spec}).get("clusterLabels")
    for path, value in (("spec.config", spec.get("config")), ("spec.config.clusterLabels", labels_there)):
        found += [f"{path}, which is no map"] if value and not isinstance(value, dict) else []
    for service in service_spec.get("services") or ():
        told = [key for key, value in service.items() if key not in model.SERVICE_KEYS and value]
        found += [f"{key} of service {service.get('name')}" for key in told]
    return found


def _state(item: Mapping[str, Any]) -> dict[str, Any]:
    """What is read only: no role has variables of these names."""
    meta, status = item["metadata"], item.get("status") or {}
    conditions = {
        each["type"]: {key: each.get(key, "") for key in ("status", "reason", "message")}
        for each in status.get("conditions") or ()
    }
    seen = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    return {
        "cluster_conditions": conditions,
        "cluster_deleting": "deletionTimestamp" in meta,
        "cluster_ready": seen and conditions.get("Ready", {}).get("status") == "True",
    }


def _services(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    return ((item.get("spec") or {}).get("serviceSpec") or {}).get("services") or []


def _extra_service(service: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    kept = {key: service[key] for key in ("name", "template", "namespace", "valuesFrom", "disable") if service.get(key)}
    return {**kept, "values": values} if values else kept


def _values(service: Mapping[str, Any], cluster: FoundCluster) -> dict[str, Any]:
    """The values of a service as a map; empty, and noted, where they are no plain YAML."""
    values = _parsed(service)
    if values is None:
        cluster.left_out.append(f"the values of service {service['name']}, a template or no YAML map")
    return values or {}


def _parsed(service: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values of a service as a map; None where they are no plain YAML map."""
    text = service.get("values") or ""
    try:
        # Ours never has two braces beside each other: as a variable a template of kcm's would become mere text.
        values = to_plain(_read(text) or {}) if "{{" not in text else None
    except (foreign_yaml.NotYaml, NotPlain, TypeError):
        values = None
    return values if isinstance(values, dict) else None


def _read(text: str) -> Any:
    """
    :raises NotYaml:
    """
    try:
        return foreign_yaml.shared(text)
    except foreign_yaml.NotYaml:  # helm doesn't look behind the first document
        return foreign_yaml.read(text)


def _recover(cluster: FoundCluster, values: dict[str, dict[str, Any]], domain: str | None, release: Direct) -> None:
    """The variables behind the services' values; what remains becomes `<layer>_service_values`."""
    main = values.get(MAIN_SERVICE[cluster.layer], {})
    variables, said = cluster.variables, {"kof_version": release.version}
    variables.update(_image_variables(cluster.layer, values, release))
    for name, (path, check) in _VARIABLES[cluster.layer].items():
        value = _dig(main, path)
        if isinstance(value, str) and check(value) is None:
            variables[f"{cluster.layer}_{name}"] = value
    ours: dict[str, dict[str, Any]] = {}
    # Required by the role, but not always there: only what would be rendered from them is wanted here.
    if cluster.layer == "regional":
        variables.update(_storage_variables(main, release))
        if variables.get("regional_external_dns") == "secret":
            kept = _without(variables.pop("regional_cluster_labels", {}), {release.dns.label: "true"})
            variables.update({"regional_cluster_labels": kept} if kept else {})
        needed = {"regional_domain": "a.example.com", "regional_admin_email": "a@example.com", **said}
        needed["regional_storage_class"] = "a"
        regional, _faults = model.parse_regional(cluster.name, {**needed, **variables})
        if regional:
            ours = service_values.regional_values(regional, release)
    else:
        if isinstance(_dig(main, ("opencost", "enabled")), bool):
            variables["child_opencost"] = main["opencost"]["enabled"]
        child, _faults = model.parse_child(cluster.name, {"child_regional": "a", **said, **variables})
        if child:
            ours = service_values.child_values(child, release, domain or "a.example.com")
    beyond = {name: _beyond(of_service, ours.get(name, {})) for name, of_service in values.items()}
    others = variables.get(f"{cluster.layer}_service_templates", {})
    for name, known in release.values.items():
        for path, _why, _right in list(unread(beyond.get(name), known)) if name not in others else ():
            beyond[name] = _less(beyond[name], path)
            cluster.left_out.append(f"{'.'.join(path)} of service {name}, which its chart doesn't read")
    theirs = {name: of_service for name, of_service in beyond.items() if of_service}
    if theirs:
        variables[f"{cluster.layer}_service_values"] = theirs


def _image_variables(layer: str, values: Mapping[str, Any], release: Direct) -> dict[str, Any]:
    """A mirror of images and the login there, each where all charts are told of it as a run would; else they stay
    values."""
    services = (name for name in release.service_names(layer) if name in values)
    known = {name: release.images[name] for name in services if name in release.images}
    there = [_dig(values[name], tuple(path.split("."))) for name, each in known.items() for path in each.registries]
    registry = next((each for each in there if isinstance(each, str) and syntax.image_registry(each) is None), None)
    lists = [_dig(values[name], tuple(path.split("."))) for name, each in known.items() for path in each.secrets]
    logins = next((names for each in lists if (names := _names(each))), [])
    found = {}
    for variable, said in (("registry", (registry, ())), ("pull_secrets", (None, logins))):
        told = [(name, *one) for name, each in known.items() for one in image_values.said(each, *said)]
        if told and all(_dig(values[name], path) == value for name, path, value in told):
            found[f"{layer}_image_{variable}"] = registry if variable == "registry" else logins
    return found


def _names(value: Any) -> list[str]:
    """Of a list of pull secrets; empty where it is none that a variable could say."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and set(each) == {"name"} for each in value):
        return []
    names = [each["name"] for each in value]
    fine = all(isinstance(each, str) and syntax.object_name(each) is None for each in names)
    return names if fine and len(set(names)) == len(names) else []


def _less(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Values without what is at a path, and without maps that are empty then."""
    key, *inside = path
    kept = _less(values[key], inside) if inside else None
    return {name: kept if name == key else value for name, value in values.items() if name != key or kept}


def _storage_variables(storage: Mapping[str, Any], release: Direct) -> dict[str, Any]:
    """The variables of a regional that are in kof-storage at several places."""
    found: dict[str, Any] = {}
    dns = storage.get("external-dns")
    if isinstance(dns, dict):
        by_node = release.dns.without_secret.items() <= dns.items()
        found["regional_external_dns"] = ("node" if by_node else "secret") if dns.get("enabled") else "none"
        owner = dns.get("txtOwnerId")
        if dns.get("enabled") and isinstance(owner, str) and model.owner_problem(owner) is None:
            found["regional_external_dns_owner"] = owner
    named = _dig(storage, ("global", "storageClass"))
    of_logs = _dig(storage, ("victoria-logs-single", "server", "persistentVolume", "storageClassName"))
    if isinstance(named, str) and named == of_logs and syntax.object_name(named) is None:
        found["regional_storage_class"] = named
    return found


def _beyond(live: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """What must be merged into `ours` for `live`; that `live` lacks something can't be said so."""
    result = {}
    for key, value in live.items():
        mine = ours.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            inner = _beyond(value, mine)
            if inner:
                result[key] = inner
        elif key not in ours or not _same(value, mine):
            result[key] = value
    return result


def _without(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if known.get(key) != value}


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, str) and isinstance(other, str):
        return value == other
    return _text(value) == _text(other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # unlike ==, tells True from 1
