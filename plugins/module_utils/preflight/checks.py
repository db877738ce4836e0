# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: what is there (Facts) against what is wanted (the inventory and the release). Pure: no network, no clock.

One function per check, in the order of the table, each `(Situation) -> list[Check]`. A check says what it looked at
also when all is well, so that the table shows what was checked. Hosts with the same fault share a row.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.check import (
    ANNOUNCED,
    FAILED,
    OK,
    WARNING,
    Check,
    some,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import (
    GRAFANA_GROUP,
    KCM_GROUP,
    KCM_VERSIONS,
    OPERATORS,
    PROMXY_GROUP,
    SVELTOS_GROUP,
    Facts,
    Need,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.guide import (
    GRAFANA_DATASOURCE,
    MANAGED_BY,
    OURS,
    PROMXY_SERVER_GROUP,
    Expected,
    StandIn,
    domain_of_target,
    fleet_of,
    guide_objects,
    regional_domains,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.templates import (
    choose_template,
    is_valid,
    of_kind,
    template_for,
    unknown_keys,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.versions import Version, of_name, parse

DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
NO_PROVISIONER = "kubernetes.io/no-provisioner"
#: etcd and the API server take no Secret with more data than this (bytes).
SECRET_LIMIT = 1024 * 1024
SECRET_WARNING = 0.8
DNS_SECRET = "external-dns-aws-credentials"
#: Methods of dns_credentials that end in the Secret above.
DNS_METHODS_WITH_SECRET = ("iam_user", "existing")
#: helm 3.8 is the first that speaks OCI without a switch; helm 4 refuses upgrades of releases like these with
#: field conflicts.
HELM_MINIMUM, HELM_BELOW = Version((3, 8, 0)), Version((4, 0, 0))
#: Managers of objects that other software keeps; what they made isn't ours to take over.
OTHER_MANAGERS = ("kof-operator", "promxy-operator")


@dataclass(frozen=True)
class Subject:
    """What the checks want to know of one regional or child cluster of the inventory.

    :ivar layer: regional | child.
    :ivar name: the cluster's name.
    :ivar templates: ServiceTemplates it needs, each with the variable that names it.
    :ivar domain: of a regional cluster; None for a child.
    :ivar regional: the regional host of a child; None for a regional.
    :ivar external_dns: secret | node | none for a regional; None for a child.
    """

    host: str
    layer: str
    name: str
    template: str | None
    template_kind: str
    credential: str
    config: Mapping[str, Any]
    templates: tuple[tuple[str, str], ...] = ()
    vmuser_secret: str = ""
    domain: str | None = None
    regional: str | None = None
    external_dns: str | None = None
    promxy_server_group: str = ""
    grafana_datasource: str = ""

    def variable(self, suffix: str) -> str:
        return f"{self.layer}_{suffix}"


@dataclass(frozen=True)
class Minimums:
    """What a release asks for, and what its own charts bring.

    :ivar operators: by the operator's app.kubernetes.io/name: the least chart version, and the one that comes with
        the release on the management cluster, and the chart that brings it.
    :ivar service_templates: the ServiceTemplates kof-mothership brings.
    :ivar secrets: Secrets kof-mothership makes in its namespace.
    """

    kof: str
    k0rdent: str
    kubernetes: str
    operators: Mapping[str, tuple[str, str, str]]
    service_templates: frozenset[str]
    secrets: frozenset[str]
    release_names: frozenset[str]
    promxy_label: str
    promxy_versions: tuple[str, ...] = ("v1alpha1",)
    grafana_versions: tuple[str, ...] = ("v1beta1",)


@dataclass(frozen=True)
class Situation:
    """All a check may look at.

    :ivar layers: layers this run walks through.
    :ivar announce: the mothership layer comes before what is checked (or would have, in check mode).
    :ivar subjects: the clusters of the batch; `others` those of the inventory outside it.
    :ivar faults: of the model, as (host, variable, problem, example).
    :ivar groups: the PromxyServerGroups this run would write, rendered.
    :ivar render_promxy_config: (groups, credentials by Secret name) -> the text the operator would write.
    """

    facts: Facts
    minimums: Minimums
    layers: frozenset[str]
    announce: bool
    namespace: str
    kcm_namespace: str
    fleet: str
    subjects: tuple[Subject, ...] = ()
    others: tuple[Subject, ...] = ()
    faults: tuple[tuple[str, str, str, str], ...] = ()
    mothership_host: str | None = None
    mothership_in_batch: bool = False
    storage_class: str | None = None
    install_templates: bool = True
    dns_method: str = "none"
    replace_guide_objects: bool = False
    adopt: bool = True
    groups: tuple[Mapping[str, Any], ...] = ()
    render_promxy_config: Callable[[Sequence[Mapping[str, Any]], Mapping[str, tuple[str, str]]], str] | None = None

    @cached_property
    def live(self) -> dict[str, dict]:
        """The ClusterDeployments by name."""
        return {item["metadata"]["name"]: item for item in self.facts.cluster_deployments}

    @property
    def everyone(self) -> tuple[Subject, ...]:
        return self.subjects + self.others

    @property
    def regionals(self) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.layer == "regional")

    @property
    def children(self) -> tuple[Subject, ...]:
        return tuple(subject for subject in self.subjects if subject.layer == "child")

    @property
    def mothership_hosts(self) -> tuple[str, ...]:
        return (self.mothership_host,) if self.mothership_host and self.mothership_in_batch else ()

    def unread(self, *kinds: str) -> bool:
        """Whether a kind could not be read: then nothing can be said about it but that (see `readable`)."""
        return any(kind in self.facts.unread for kind in kinds)


def suggestion(name: str, names: Iterable[str]) -> str:
    """`did you mean x?` if a name is alike, else an empty text."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else ""


def by_value(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    """(value, host) pairs -> hosts by value, in the order of first appearance."""
    grouped: dict[Any, list[str]] = {}
    for value, host in pairs:
        grouped.setdefault(value, []).append(host)
    return grouped


def hosts_told(hosts: Sequence[str]) -> str:
    return f" (for {some(hosts)})" if hosts else ""


# --- the inventory itself -------------------------------------------------------------------------------------------


def inputs(s: Situation) -> list[Check]:
    """Faults of the variables, as the model found them: names, lengths, duplicates, types."""
    checks = [
        Check("inventory", problem, example, "", FAILED, (host,) if host else (), variable or None)
        for host, variable, problem, example in s.faults
    ]
    if not checks:
        count = len(s.everyone) + (1 if s.mothership_host else 0)
        checks.append(Check("inventory", f"{count} clusters, variables valid, names and domains unique"))
    return checks


# --- the management cluster -----------------------------------------------------------------------------------------


def api_server(s: Situation) -> list[Check]:
    return [Check("API server", f"{s.facts.server} answers")]


def kubernetes_version(s: Situation) -> list[Check]:
    wanted = parse(s.minimums.kubernetes)
    found = parse(s.facts.kubernetes)
    told = s.facts.kubernetes or "no version"
    if found is None or wanted is None or not found.at_least(wanted):
        return [
            Check(
                "Kubernetes",
                told,
                f">= {s.minimums.kubernetes}",
                "upgrade the management cluster",
                FAILED,
            )
        ]
    return [Check("Kubernetes", told, f">= {s.minimums.kubernetes}")]


def apis(s: Situation) -> list[Check]:
    """kcm and Sveltos must be there; the APIs of promxy and Grafana come with kof-mothership."""
    facts = s.facts
    if facts.kcm_version is None:
        served = facts.apis.get(KCM_GROUP, ())
        found = f"{KCM_GROUP}: {', '.join(served) or 'not served'}"
        wanted = f"{KCM_GROUP}/{' or '.join(reversed(KCM_VERSIONS))}"
        remedy = (
            "this release of the collection doesn't know that version of k0rdent"
            if served
            else "is this the management cluster? Check kof_kubeconfig and kof_context, or install k0rdent"
        )
        return [Check("API k0rdent", found, wanted, remedy, FAILED, (), "kof_kubeconfig" if not served else None)]
    checks = [Check("API k0rdent", f"{KCM_GROUP}/{facts.kcm_version}")]
    if SVELTOS_GROUP not in facts.apis:
        checks.append(
            Check("API Sveltos", f"{SVELTOS_GROUP}: not served", "served", "see why Management kcm isn't Ready", FAILED)
        )
    if "regional" in s.layers:
        for name, group, versions in (
            ("API promxy", PROMXY_GROUP, s.minimums.promxy_versions),
            ("API Grafana", GRAFANA_GROUP, s.minimums.grafana_versions),
        ):
            served = facts.apis.get(group, ())
            if set(versions) & set(served):
                checks.append(Check(name, f"{group}/{next(version for version in versions if version in served)}"))
            elif s.announce:
                checks.append(
                    Check(name, "not served yet", f"{group}/{versions[0]}", "will come with kof-mothership", ANNOUNCED)
                )
            else:
                checks.append(
                    Check(
                        name,
                        f"{group}: {', '.join(served) or 'not served'}",
                        f"{group}/{versions[0]}",
                        "run the mothership playbook first",
                        FAILED,
                        tuple(subject.host for subject in s.regionals),
                    )
                )
    return checks


def permissions(s: Situation) -> list[Check]:
    """The rights, one row per resource that lacks some."""
    missing: dict[tuple[str, str, str | None], list[Need]] = {}
    for denied in s.facts.denied:
        need = denied.need
        missing.setdefault((need.group, need.resource, need.namespace), []).append(need)
    checks = []
    for (group, resource, namespace), needs in missing.items():
        name = f"{resource}.{group}" if group else resource
        where = f"in namespace {namespace}" if namespace else "in the whole cluster"
        verbs = ", ".join(need.verb for need in needs)
        checks.append(
            Check(
                "permission",
                f"may not {verbs} {name} {where}",
                "allowed",
                f"bind a {'Role' if namespace else 'ClusterRole'} with these verbs to the user of kof_kubeconfig",
                FAILED,
                (),
                "kof_kubeconfig",
            )
        )
    return checks or [Check("permissions", "every verb needed is allowed")]


def readable(s: Situation) -> list[Check]:
    """What could not be read for another reason than a missing right that `permissions` names already."""
    named = {denied.need.resource for denied in s.facts.denied}
    checks = []
    for what, why in s.facts.unread.items():
        kind = what.split()[0]
        plural = {"StorageClass": "storageclasses"}.get(kind, f"{kind.lower()}s")
        if plural in named:
            continue
        status = WARNING if kind in ("Namespace", "Release", "Deployment") else FAILED
        checks.append(Check(what, f"can't be read: {why}", "readable", "grant it, or see the API server's log", status))
    return checks


def management(s: Situation) -> list[Check]:
    """kcm's own verdict on itself, with the errors of its components."""
    if s.facts.kcm_version is None or s.unread("Management"):
        return []
    if not s.facts.managements:
        return [Check("Management", "none", "one, Ready", "install k0rdent, and wait until it is Ready", FAILED)]
    checks = []
    for item in s.facts.managements:
        name = f"Management {item['metadata']['name']}"
        status = item.get("status") or {}
        errors = [
            f"{component}: {' '.join(str(state.get('error') or 'no success yet').split())}"
            for component, state in sorted((status.get("components") or {}).items())
            if isinstance(state, Mapping) and (state.get("error") or state.get("success") is False)
        ]
        ready = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
        is_ready = ready.get("status") == "True" if ready else bool(status.get("components")) and not errors
        remedy = f"kubectl describe management {item['metadata']['name']}"
        if is_ready:
            checks.append(Check(name, "Ready"))
        else:
            why = some(errors) or (ready or {}).get("message") or "no component reported yet"
            checks.append(Check(name, f"not Ready: {why}", "Ready", remedy, FAILED))
    return checks


def k0rdent_version(s: Situation) -> list[Check]:
    """The version of k0rdent: of the Release that Management says it runs."""
    if s.facts.kcm_version is None or s.unread("Management") or not s.facts.managements:
        return []
    item = s.facts.managements[0]
    name = (item.get("status") or {}).get("release") or (item.get("spec") or {}).get("release") or ""
    release = next((one for one in s.facts.releases if one["metadata"]["name"] == name), {})
    found = parse((release.get("spec") or {}).get("version")) or of_name(name)
    minimum = parse(s.minimums.k0rdent)
    wanted = f">= {s.minimums.k0rdent}"
    if found is None or minimum is None:
        told = f"release {name!r} tells no version" if name else "Management names no release"
        return [Check("k0rdent", told, wanted, "check by hand that k0rdent is new enough", WARNING)]
    if not found.at_least(minimum):
        return [Check("k0rdent", str(found), wanted, "upgrade k0rdent", FAILED)]
    return [Check("k0rdent", str(found), wanted)]


def helm(s: Situation) -> list[Check]:
    """helm 3; only the mothership layer uses it."""
    if "mothership" not in s.layers or s.facts.helm is None:
        return []
    found, wanted = s.facts.helm, f">= {HELM_MINIMUM}, < {HELM_BELOW}"
    remedy = "install helm 3 on the controller (in AWX: in the execution environment), or name it in kof_helm_binary"
    version = parse(found.version)
    if found.problem or version is None:
        problem = found.problem or f"{found.path} says {found.version!r}"
        return [Check("helm", problem, wanted, remedy, FAILED, s.mothership_hosts, "kof_helm_binary")]
    told = f"{found.version} ({found.path})"
    if not (version.at_least(HELM_MINIMUM) and version.numbers < HELM_BELOW.numbers):
        return [Check("helm", told, wanted, remedy, FAILED, s.mothership_hosts, "kof_helm_binary")]
    return [Check("helm", told, wanted)]


def operator_charts(s: Situation) -> list[Check]:
    """The guide's minimums for OpenTelemetry and VictoriaMetrics are versions of the operators' charts.

    Where the operators aren't there yet, the release's own charts bring them. One that somebody else installed would
    reconcile kof's objects too, and must be new enough for them.
    """
    if "mothership" not in s.layers or s.unread("Deployment"):
        return []
    checks = []
    for operator in OPERATORS:
        if operator not in s.minimums.operators:
            continue
        minimum, comes, chart = s.minimums.operators[operator]
        wanted = f"chart >= {minimum}"
        foreign = []
        own = None
        for item in s.facts.operators:
            meta = item["metadata"]
            labels = meta.get("labels") or {}
            if labels.get("app.kubernetes.io/name") != operator:
                continue
            version = chart_version(labels.get("helm.sh/chart", ""), operator)
            release = (meta.get("annotations") or {}).get("meta.helm.sh/release-name")
            if meta.get("namespace") == s.namespace and release in s.minimums.release_names:
                own = version
            else:
                foreign.append((f"{meta.get('namespace')}/{meta['name']}", version))
        least = parse(minimum)
        old = [
            f"{name} {version or 'of unknown version'}" for name, version in foreign if not _at_least(version, least)
        ]
        if old:
            checks.append(
                Check(
                    operator,
                    f"{some(old)}, beside kof's own",
                    wanted,
                    "upgrade or remove it: it would reconcile kof's objects too",
                    FAILED if any(not _at_least(v, least) and v for _name, v in foreign) else WARNING,
                    s.mothership_hosts,
                )
            )
        elif own is not None:
            checks.append(Check(operator, f"chart {own} of {chart}", wanted))
        else:
            checks.append(Check(operator, "not there yet", wanted, f"chart {comes} will come with {chart}", ANNOUNCED))
    return checks


def _at_least(version: str | None, least: Version | None) -> bool:
    found = parse(version)
    return found is not None and least is not None and found.at_least(least)


def chart_version(label: str, chart: str) -> str | None:
    """`opentelemetry-operator-0.75.1` (label helm.sh/chart) -> `0.75.1`; None if it isn't that chart."""
    return label[len(chart) + 1 :].replace("_", "+") if label.startswith(f"{chart}-") else None


def storage_class(s: Situation) -> list[Check]:
    """Grafana and VictoriaMetrics of the mothership need volumes: of the class that is named, else of the default."""
    if "mothership" not in s.layers or s.unread("StorageClass"):
        return []
    classes = {item["metadata"]["name"]: item for item in s.facts.storage_classes}
    variable, hosts = "mothership_storage_class", s.mothership_hosts
    if s.storage_class:
        if s.storage_class not in classes:
            found = f"{s.storage_class} doesn't exist (there are: {some(classes) or 'none'})"
            remedy = suggestion(s.storage_class, classes) or "name one that exists, or leave it out for the default"
            return [Check("storage class", found, "an existing class", remedy, FAILED, hosts, variable)]
        return [Check("storage class", f"{s.storage_class}, {classes[s.storage_class].get('provisioner')}")]
    default = [name for name, item in classes.items() if _is_default(item)]
    able = [name for name in default if classes[name].get("provisioner") != NO_PROVISIONER]
    wanted = "a default class that can provision"
    remedy = "mark one as default (annotation storageclass.kubernetes.io/is-default-class), or name one in the variable"
    if not default:
        found = f"no default among {some(classes)}" if classes else "no storage class at all"
        return [Check("storage class", found, wanted, remedy, FAILED, hosts, variable)]
    if not able:
        found = f"default {some(default)} has {NO_PROVISIONER}: volumes would stay Pending"
        return [Check("storage class", found, wanted, remedy, FAILED, hosts, variable)]
    return [Check("storage class", f"default {some(able)}, {classes[able[0]].get('provisioner')}")]


def _is_default(item: Mapping[str, Any]) -> bool:
    annotations = item["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in DEFAULT_CLASS)


def namespaces(s: Situation) -> list[Check]:
    """A namespace that is going away takes nothing in; the kof namespace may be missing, the mothership makes it."""
    checks = []
    for name, item in s.facts.namespaces.items():
        if item is None:
            if s.unread("Namespace"):
                continue
            if name == s.kcm_namespace:
                remedy = "where does kcm run? Set kof_kcm_namespace"
                checks.append(Check(f"namespace {name}", "missing", "there", remedy, FAILED, (), "kof_kcm_namespace"))
            elif "mothership" not in s.layers and not s.announce:
                remedy = "run the mothership playbook first"
                checks.append(Check(f"namespace {name}", "missing", "there", remedy, FAILED, (), "kof_namespace"))
            continue
        since = item["metadata"].get("deletionTimestamp")
        if since:
            why = "; ".join(
                str(condition.get("message", ""))
                for condition in (item.get("status") or {}).get("conditions") or ()
                if condition.get("status") == "True"
            )
            found = f"being deleted since {since}" + (f": {why[:200]}" if why else "")
            remedy = f"wait until it is gone (kubectl get namespace {name} -o yaml says what holds it)"
            checks.append(Check(f"namespace {name}", found, "there, or gone", remedy, FAILED, (), "kof_namespace"))
    return checks


# --- what the clusters refer to -------------------------------------------------------------------------------------


def credentials(s: Situation) -> list[Check]:
    if not s.subjects or s.facts.kcm_version is None or s.unread("Credential"):
        return []
    existing = {item["metadata"]["name"]: item for item in s.facts.credentials}
    checks = []
    for (name, variable), hosts in by_value(
        ((one.credential, one.variable("credential")), one.host) for one in s.subjects
    ).items():
        item = existing.get(name)
        title, about = f"Credential {name}", tuple(hosts)
        if item is None:
            found = f"not in {s.kcm_namespace} (there are: {some(existing) or 'none'})"
            remedy = suggestion(name, existing) or "make it, or name one that exists"
            checks.append(Check(title, found, "exists and is ready", remedy, FAILED, about, variable))
        elif not (item.get("status") or {}).get("ready"):
            why = _condition_message(item) or "no reason given"
            remedy = "see the identity it refers to and that identity's Secret"
            checks.append(Check(title, f"not ready: {why}", "ready", remedy, FAILED, about, variable))
        else:
            checks.append(Check(title, f"ready{hosts_told(hosts)}"))
    return checks


def _condition_message(item: Mapping[str, Any]) -> str:
    messages = [
        " ".join(str(condition.get("message", "")).split())
        for condition in (item.get("status") or {}).get("conditions") or ()
        if condition.get("status") != "True"
    ]
    return some([message for message in messages if message])


def cluster_templates(s: Situation) -> list[Check]:
    """The template each cluster gets: named, kept, or the newest valid one of the kind."""
    if not s.subjects or s.facts.kcm_version is None or s.unread("ClusterTemplate", "ClusterDeployment"):
        return []
    templates = {item["metadata"]["name"]: item for item in s.facts.cluster_templates}
    valid = [name for name, item in templates.items() if is_valid(item)]
    newest: dict[str, str | None] = {
        kind: choose_template(s.facts.cluster_templates, kind) for kind in {one.template_kind for one in s.subjects}
    }
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in s.subjects:
        live = s.live.get(one.name)
        kept = ((live or {}).get("spec") or {}).get("template")
        name = one.template or kept or newest[one.template_kind]
        how = "named" if one.template else "kept" if kept else "newest"
        variable = one.variable("template" if one.template else "template_kind")
        rows.setdefault((name or f"{one.template_kind}-*", how, variable), []).append(one.host)
    checks = []
    for (name, how, variable), hosts in rows.items():
        title, about, item = f"ClusterTemplate {name}", tuple(hosts), templates.get(name)
        if name.endswith("-*"):
            kind = name[:-2]
            bad = [
                f"{other} ({_why_invalid(templates[other])})" for other in templates if of_kind(templates[other], kind)
            ]
            found = f"none is valid: {some(bad)}" if bad else f"none of this kind (valid are: {some(valid) or 'none'})"
            remedy = suggestion(kind, {_kind_of(other) for other in valid}) or "name a kind or a template that is there"
            checks.append(Check(title, found, "a valid template", remedy, FAILED, about, variable))
        elif item is None:
            found = f"not in {s.kcm_namespace} (valid are: {some(valid) or 'none'})"
            remedy = suggestion(name, valid) or "name one that exists, or none for the newest valid"
            if how == "kept":
                remedy = (
                    f"the ClusterDeployment uses it: name another one in {about[0]}'s {variable.removesuffix('_kind')}"
                )
            checks.append(Check(title, found, "exists and is valid", remedy, FAILED, about, variable))
        elif not is_valid(item):
            best = choose_template(s.facts.cluster_templates, _kind_of(name))
            remedy = f"use {best}, or repair the template" if best else "repair the template"
            checks.append(Check(title, _why_invalid(item), "valid", remedy, FAILED, about, variable))
        else:
            newer = newest.get(_kind_of(name)) if how == "kept" else None
            note = f"; {newer} is newer, name it to upgrade" if newer and newer != name else ""
            checks.append(Check(title, f"valid, {how}{note}{hosts_told(hosts)}"))
    return checks


def _kind_of(name: str) -> str:
    version = of_name(name)
    if version is None:
        return name
    dashed = "-".join(map(str, version.numbers)) + (f"-{version.prerelease}" if version.prerelease else "")
    return name.removesuffix(dashed).removesuffix("v").rstrip("-")


def _why_invalid(item: Mapping[str, Any]) -> str:
    status = item.get("status") or {}
    if status.get("validationError"):
        return f"invalid: {' '.join(str(status['validationError']).split())[:200]}"
    return "invalid" if status.get("valid") is False else "kcm has not validated it yet"


def config_keys(s: Situation) -> list[Check]:
    """Keys under `config` that the template doesn't know: kcm takes them in silence, and they do nothing."""
    if s.facts.kcm_version is None or s.unread("ClusterTemplate", "ClusterDeployment"):
        return []
    known_of = {
        item["metadata"]["name"]: (item.get("status") or {}).get("config") for item in s.facts.cluster_templates
    }
    newest: dict[str, str | None] = {}
    slips: dict[tuple[str, str, str, str | None, str | None], list[str]] = {}
    checked = 0
    for one in s.subjects:
        if one.template_kind not in newest:
            newest[one.template_kind] = choose_template(s.facts.cluster_templates, one.template_kind)
        live = s.live.get(one.name)
        template = template_for(one.template, one.template_kind, live, ()) or newest[one.template_kind]
        known = known_of.get(template or "")
        if not template or not isinstance(known, Mapping) or not known:
            continue
        checked += 1
        for key in unknown_keys(one.config, known):
            slips.setdefault((template, key.path, one.variable("config"), key.meant, key.elsewhere), []).append(
                one.host
            )
    checks = []
    for (template, path, variable, meant, elsewhere), hosts in slips.items():
        found = f"{variable}.{path} is unknown to {template}, it would do nothing"
        if meant:
            checks.append(Check("config keys", found, "", f"did you mean {meant}?", FAILED, tuple(hosts), variable))
        else:
            remedy = (
                f"{elsewhere} is known: is it in the wrong place?" if elsewhere else "see the template's status.config"
            )
            checks.append(Check("config keys", found, "", remedy, WARNING, tuple(hosts), variable))
    if not checks and checked:
        checks.append(Check("config keys", f"all known to the templates of {checked} clusters"))
    return checks


def service_templates(s: Situation) -> list[Check]:
    if not s.subjects or s.facts.kcm_version is None or s.unread("ServiceTemplate"):
        return []
    existing = {item["metadata"]["name"]: item for item in s.facts.service_templates}
    checks = []
    rows = by_value(((name, variable), one.host) for one in s.subjects for name, variable in one.templates)
    for (name, variable), hosts in rows.items():
        title, about, item = f"ServiceTemplate {name}", tuple(hosts), existing.get(name)
        comes = name in s.minimums.service_templates
        if item is not None and is_valid(item):
            checks.append(Check(title, "valid"))
        elif item is not None and (item.get("status") or {}).get("valid") is False:
            remedy = "see its HelmChart and HelmRepository (is the registry reachable from the cluster?)"
            checks.append(Check(title, _why_invalid(item), "valid", remedy, FAILED, about, variable))
        elif s.announce and comes and s.install_templates:
            checks.append(Check(title, "not there yet", "valid", "will come with kof-mothership", ANNOUNCED))
        elif item is not None:
            checks.append(
                Check(title, _why_invalid(item), "valid", "wait for kcm, then run again", FAILED, about, variable)
            )
        elif comes and not s.install_templates:
            found = f"not in {s.kcm_namespace}, and mothership_install_templates is false"
            remedy = "mothership_install_templates: true, or make the ServiceTemplate"
            checks.append(Check(title, found, "valid", remedy, FAILED, about, "mothership_install_templates"))
        else:
            found = f"not in {s.kcm_namespace} (there are: {some(existing) or 'none'})"
            remedy = "run the mothership playbook first" if comes else (suggestion(name, existing) or "make it first")
            checks.append(Check(title, found, "valid", remedy, FAILED, about, variable))
    return checks


def regional_of_children(s: Situation) -> list[Check]:
    """Every child's regional: in the inventory, else live with a known domain."""
    if not s.children or s.facts.kcm_version is None or s.unread("ClusterDeployment"):
        return []
    listed = {one.host: one for one in s.everyone if one.layer == "regional"}
    in_batch = {one.host for one in s.regionals}
    domains = regional_domains(s.facts.cluster_deployments, s.facts.promxy_server_groups)
    checks, fine = [], 0
    for regional, hosts in by_value((one.regional, one.host) for one in s.children).items():
        about = tuple(hosts)
        if regional in listed:
            one = listed[regional]
            if regional not in in_batch and one.name not in s.live:
                found = f"regional {regional} is in the inventory, but neither live nor part of this run"
                remedy = f"run the regional playbook for {regional}: until then the children have nowhere to send to"
                checks.append(Check("child's regional", found, "live", remedy, WARNING, about, "child_regional"))
            else:
                fine += len(hosts)
        elif regional in domains:
            fine += len(hosts)
        elif regional in s.live:
            found = f"{regional} is live, but has no domain: it is no regional cluster of this collection"
            remedy = "name a host of kof_regional, or add this one to the inventory"
            checks.append(
                Check("child's regional", found, "a regional cluster", remedy, FAILED, about, "child_regional")
            )
        else:
            found = f"{regional} is neither a host of kof_regional nor a live regional cluster"
            remedy = suggestion(str(regional), [*listed, *domains]) or "add it to the inventory"
            checks.append(
                Check("child's regional", found, "a regional cluster", remedy, FAILED, about, "child_regional")
            )
    if fine:
        checks.append(Check("child's regional", f"known for {fine} children"))
    return checks


# --- what is already there ------------------------------------------------------------------------------------------


def live_domains(s: Situation) -> list[Check]:
    """A domain serves one regional cluster, also across inventories and fleets."""
    if not s.regionals or s.unread("ClusterDeployment"):
        return []
    owners: dict[str, set[str]] = {}
    for cluster, domain in regional_domains(s.facts.cluster_deployments, s.facts.promxy_server_groups).items():
        owners.setdefault(domain.lower(), set()).add(cluster)
    for group in s.facts.promxy_server_groups:
        spec = group.get("spec") or {}
        for target in spec.get("targets") or ():
            of_target = domain_of_target(target)
            if of_target and isinstance(spec.get("cluster_name"), str):
                owners.setdefault(of_target, set()).add(spec["cluster_name"])
    checks = []
    for one in s.regionals:
        for owner in sorted(owners.get((one.domain or "").lower(), set()) - {one.name}):
            fleet = fleet_of(s.live[owner]) if owner in s.live else None
            whose = f" of fleet {fleet}" if fleet and fleet != s.fleet else ""
            found = f"{one.domain} is the domain of the live cluster {owner}{whose}"
            remedy = f"another domain, for example {one.name}.<your zone>"
            checks.append(Check("domain", found, "a domain of its own", remedy, FAILED, (one.host,), "regional_domain"))
    return checks or [Check("domains", f"{len(s.regionals)}, none of them in use by another live cluster")]


def _being_deleted(item: Mapping[str, Any]) -> str | None:
    meta = item["metadata"]
    if not meta.get("deletionTimestamp"):
        return None
    return f"being deleted since {meta['deletionTimestamp']}, held by {some(meta.get('finalizers') or ['nothing'])}"


def ownership(s: Situation) -> list[Check]:
    """Live objects under our names: another fleet's, somebody's who may not be adopted, or on their way out."""
    checks: list[Check] = []
    objects: dict[tuple[str, str], Mapping[str, Any]] = {
        ("ClusterDeployment", name): item for name, item in s.live.items()
    }
    for kind, items in (
        (PROMXY_SERVER_GROUP, s.facts.promxy_server_groups),
        (GRAFANA_DATASOURCE, s.facts.grafana_datasources),
    ):
        objects.update({(kind, item["metadata"]["name"]): item for item in items})
    adopted = []
    for one in s.subjects:
        wanted = [("ClusterDeployment", one.name, s.kcm_namespace)]
        if one.layer == "regional":
            wanted.append((PROMXY_SERVER_GROUP, one.promxy_server_group, s.namespace))
            wanted.append((GRAFANA_DATASOURCE, one.grafana_datasource, s.namespace))
        for kind, name, namespace in wanted:
            item = objects.get((kind, name))
            if item is None:
                continue
            title, about = f"{kind} {namespace}/{name}", (one.host,)
            fleet, deleted = fleet_of(item), _being_deleted(item)
            variable = one.variable("cluster_name")
            labels = item["metadata"].get("labels") or {}
            annotations = item["metadata"].get("annotations") or {}
            keeper = labels.get(MANAGED_BY, "")
            release = annotations.get("meta.helm.sh/release-name")
            if deleted:
                remedy = "wait until it is gone, then run again"
                checks.append(Check(title, deleted, "not being deleted", remedy, FAILED, about))
            elif fleet is not None and fleet != s.fleet:
                remedy = f"another name, or kof_fleet: {fleet} if this inventory is meant to take it over"
                checks.append(
                    Check(title, f"belongs to fleet {fleet}", f"fleet {s.fleet}", remedy, FAILED, about, variable)
                )
            elif release or keeper in OTHER_MANAGERS:
                whose = f"helm release {release}" if release else keeper
                remedy = "another name, or remove it there"
                checks.append(Check(title, f"belongs to {whose}", "nobody's or ours", remedy, FAILED, about, variable))
            elif keeper != OURS and not s.adopt:
                remedy = "kof_adopt: true to take it over, or another name"
                found = "exists, and this collection has not made it"
                checks.append(Check(title, found, "ours", remedy, FAILED, about, "kof_adopt"))
            elif keeper != OURS:
                adopted.append(f"{kind} {name}")
    if adopted:
        checks.append(Check("existing objects", f"{some(adopted)}: made by hand", "", "will be adopted", ANNOUNCED))
    return checks


def stand_ins(s: Situation) -> list[StandIn]:
    """The guide's objects of this batch's regional clusters; see guide_objects."""
    expected = [
        Expected(one.name, (one.domain or "").lower(), one.promxy_server_group, one.grafana_datasource)
        for one in s.regionals
    ]
    return guide_objects(s.facts.promxy_server_groups, s.facts.grafana_datasources, expected, s.fleet)


def guide_names(s: Situation) -> list[Check]:
    """Two groups for one cluster double its series, so what already stands for a cluster must make way."""
    if not s.regionals:
        return []
    host_of = {one.name: one.host for one in s.regionals}
    checks = []
    for found in stand_ins(s):
        told = f"stands for {found.cluster} already ({found.why})"
        about, wanted = (host_of[found.cluster],), "only ours"
        if found.fleet:
            remedy = f"it belongs to fleet {found.fleet}: one cluster, one fleet"
            checks.append(Check(str(found), told, wanted, remedy, FAILED, about, "regional_cluster_name"))
        elif s.replace_guide_objects:
            checks.append(
                Check(
                    str(found), told, wanted, "will be replaced by ours", ANNOUNCED, about, "kof_replace_guide_objects"
                )
            )
        else:
            remedy = "kof_replace_guide_objects: true to replace it by ours, or delete it: two would double the series"
            checks.append(Check(str(found), told, wanted, remedy, FAILED, about, "kof_replace_guide_objects"))
    return checks


# --- promxy, DNS ----------------------------------------------------------------------------------------------------


def unsafe(text: bytes | str) -> str | None:
    """Why a string breaks the promxy config, whose operator quotes but doesn't escape; None if it is safe.

    The answer names the kind of character, never the string.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            return "bytes that aren't UTF-8"
    if '"' in text:
        return "a double quote"
    if "\\" in text:
        return "a backslash"
    if any(not character.isprintable() for character in text):
        return "a line break or another character that can't be printed"
    return None


def vmuser_secret(s: Situation) -> list[Check]:
    """The Secret promxy and Grafana log in with: there, with both keys, and with nothing that breaks the config."""
    if not s.regionals:
        return []
    checks = []
    for name, hosts in by_value((one.vmuser_secret, one.host) for one in s.regionals).items():
        if s.unread(f"Secret {name}"):
            continue
        title, about, data = f"Secret {name}", tuple(hosts), s.facts.secrets.get(name)
        comes = name in s.minimums.secrets
        if data is None:
            if s.announce and comes:
                checks.append(Check(title, "not there yet", "", "will come with kof-mothership", ANNOUNCED))
            else:
                remedy = (
                    "run the mothership playbook first"
                    if comes
                    else f"make it in {s.namespace}, with username and password"
                )
                wanted = "there, or promxy's config stays as it is for all regions"
                checks.append(
                    Check(title, f"not in {s.namespace}", wanted, remedy, FAILED, about, "regional_vmuser_secret")
                )
            continue
        for key in ("username", "password"):
            value = data.get(key)
            problem = unsafe(value) if value else "missing or empty"
            if problem:
                found = f"its {key} {'is' if not value else 'has'} {problem}"
                wanted = 'a value without ", \\ or line breaks: the operator would break the config of all regions'
                remedy = "set another one (letters and digits), then touch the regionals' PromxyServerGroups"
                checks.append(Check(title, found, wanted, remedy, FAILED, about, "regional_vmuser_secret"))
    return checks or [Check("vmuser Secret", "there, safe for promxy")]


def promxy_groups(s: Situation) -> list[Check]:
    """Live PromxyServerGroups that block or break the one config all regions share."""
    if "regional" not in s.layers or s.unread("PromxyServerGroup"):
        return []
    ours = {one.promxy_server_group for one in s.regionals}
    going = {found.name for found in stand_ins(s) if s.replace_guide_objects and found.kind == PROMXY_SERVER_GROUP}
    checks = []
    for group in s.facts.promxy_server_groups:
        meta, spec = group["metadata"], group.get("spec") or {}
        if meta["name"] in ours | going or s.minimums.promxy_label not in (meta.get("labels") or {}):
            continue
        title = f"PromxyServerGroup {meta['name']}"
        basic_auth = (spec.get("http_client") or {}).get("basic_auth") or {}
        secret = basic_auth.get("credentials_secret_name") or ""
        remedy = "repair or delete it: it holds up the config of all regions"
        if not secret:
            checks.append(Check(title, "names no credentials Secret", "one that exists", remedy, FAILED))
        elif s.facts.secrets.get(secret) is None and not s.unread(f"Secret {secret}"):
            if s.announce and secret in s.minimums.secrets:
                continue
            checks.append(
                Check(title, f"its Secret {secret} isn't in {s.namespace}", "one that exists", remedy, FAILED)
            )
        for field_name, value in (
            ("cluster_name", spec.get("cluster_name")),
            ("scheme", spec.get("scheme")),
            ("path_prefix", spec.get("path_prefix")),
            *(("targets", target) for target in spec.get("targets") or ()),
        ):
            unfit = unsafe(value) if isinstance(value, str) else None
            if unfit:
                checks.append(
                    Check(title, f"its spec.{field_name} has {unfit}", 'no ", \\ or line breaks', remedy, FAILED)
                )
    return checks


def promxy_config_size(s: Situation) -> list[Check]:
    """The config of all regions is one Secret, and a Secret has a limit."""
    if "regional" not in s.layers or s.render_promxy_config is None or s.unread("PromxyServerGroup"):
        return []
    going = {found.name for found in stand_ins(s) if s.replace_guide_objects and found.kind == PROMXY_SERVER_GROUP}
    groups = {
        group["metadata"]["name"]: group
        for group in s.facts.promxy_server_groups
        if group["metadata"]["name"] not in going and s.minimums.promxy_label in (group["metadata"].get("labels") or {})
    }
    groups.update({group["metadata"]["name"]: group for group in s.groups})
    if not groups:
        return []
    size = len(s.render_promxy_config(list(groups.values()), _credentials(s.facts)).encode())
    share = size / SECRET_LIMIT
    found = f"{size:,} bytes for {len(groups)} regions, {share:.0%} of a Secret"
    wanted = f"at most {SECRET_LIMIT:,} bytes"
    remedy = "spread the regions over several management clusters"
    about = tuple(one.host for one in s.regionals)
    if share > 1:
        return [Check("promxy config", found, wanted, remedy, FAILED, about)]
    if share > SECRET_WARNING:
        return [Check("promxy config", found, wanted, remedy, WARNING, about)]
    return [Check("promxy config", found, wanted)]


def _credentials(facts: Facts) -> dict[str, tuple[str, str]]:
    return {
        name: tuple((data or {}).get(key, b"").decode(errors="replace") for key in ("username", "password"))  # type: ignore[misc]
        for name, data in facts.secrets.items()
    }


def external_dns(s: Situation) -> list[Check]:
    """`regional_external_dns: secret` needs the Secret that Sveltos copies to the regional clusters."""
    hosts = tuple(one.host for one in s.regionals if one.external_dns == "secret")
    if not hosts or s.unread(f"Secret {DNS_SECRET}"):
        return []
    title, data = f"Secret {DNS_SECRET}", s.facts.secrets.get(DNS_SECRET)
    if data is not None:
        if data.get(DNS_SECRET):
            return [Check(title, f"there{hosts_told(hosts)}")]
        found = f"has no key {DNS_SECRET} (it has: {some(sorted(data)) or 'none'})"
        remedy = "one key of the Secret's own name, with an INI file as value: the dns_credentials playbook makes it"
        return [Check(title, found, "that key", remedy, FAILED, hosts, "regional_external_dns")]
    if s.dns_method in DNS_METHODS_WITH_SECRET and s.announce:
        return [Check(title, "not there yet", "", f"will come with dns_credentials ({s.dns_method})", ANNOUNCED)]
    remedy = (
        "run the dns_credentials playbook first"
        if s.dns_method in DNS_METHODS_WITH_SECRET
        else "dns_credentials_method: iam_user or existing on the mothership, or regional_external_dns: node or none"
    )
    return [Check(title, f"not in {s.namespace}", "there", remedy, FAILED, hosts, "regional_external_dns")]


#: In the order of the table.
ALL: tuple[Callable[[Situation], list[Check]], ...] = (
    inputs,
    api_server,
    kubernetes_version,
    apis,
    permissions,
    readable,
    k0rdent_version,
    management,
    namespaces,
    helm,
    operator_charts,
    storage_class,
    credentials,
    cluster_templates,
    config_keys,
    service_templates,
    regional_of_children,
    live_domains,
    ownership,
    guide_names,
    vmuser_secret,
    promxy_groups,
    promxy_config_size,
    external_dns,
)


def made(s: Situation) -> list[Check]:
    """Every check, in the order of the table."""
    return [check for function in ALL for check in function(s)]


__all__ = ["ALL", "OK", "Minimums", "Situation", "Subject", "made", "stand_ins", "unsafe"]
