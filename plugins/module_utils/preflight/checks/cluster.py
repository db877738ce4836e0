# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the management cluster and the controller: versions, APIs, rights, health, helm, storage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.helm.stored import CHECKS_SCHEMAS, OLDEST_HELM
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP, KCM_VERSIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import switched_on
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_AT_AWS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import charts, controller
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import OPERATORS, SVELTOS_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.needs import Need
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import (
    GRAFANA_SWITCH,
    Situation,
    grouped,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, INPUT, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut, quoted, without_login, without_query
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import Version, of_name, parse
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some

DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
NO_PROVISIONER = "kubernetes.io/no-provisioner"
LEAVE_OUT, OR_NAME = ", or leave it out for the default", ", or name one in the variable"
HELM_CHECKS_SCHEMAS = Version(CHECKS_SCHEMAS)
#: kcm pull request 2555: before it the field was no pointer, so that false was left out of what kcm wrote back.
KEEPS_FALSE = Version((1, 9, 0))
HELM_MINIMUM, HELM_BELOW = Version((*OLDEST_HELM, 0)), Version((4, 0, 0))


def inputs(s: Situation) -> list[Check]:
    """Faults of the variables, as the model found them."""
    checks = [
        Check(
            INPUT,
            fault.problem,
            "",
            fault.example,
            FAILED,
            tuple(dict.fromkeys(each.host for each in alike if each.host)),
            fault.variable or None,
        )
        for fault, alike in grouped(s.faults, lambda fault: fault._replace(host="")).items()
    ]
    if not checks:
        count = len(s.everyone) + (1 if s.mothership_host else 0)
        checks.append(Check(INPUT, f"{count} clusters, all variables valid"))
    return checks


def replaced_maps(s: Situation) -> list[Check]:
    """Maps in groups and on hosts: the nearest one replaces the others whole."""
    mine = {one.host for one in s.subjects} | set(s.mothership_hosts)
    rows = grouped(
        (each for each in s.replaced if each.host in mine), lambda each: (each.variable, each.group, each.lost)
    )
    checks = []
    for (variable, group, lost), alike in rows.items():
        found = f"replaces {variable} of group {group} as a whole, without its {some(lost, 6)}"
        remedy = (
            f"""what shall stay under a name of your own, my_config, and {variable}: "{{{{ my_config | combine("""
            """{'region': ...}, recursive=true) }}"; or say it all here"""
        )
        hosts = tuple(each.host for each in alike)
        checks.append(Check("values of groups", found, "", remedy, WARNING, hosts, variable))
    return checks


def unique(s: Situation) -> list[Check]:
    """No two clusters of the inventory have one name or one domain: they would overwrite each other."""
    regionals = [one for one in s.everyone if one.domain]
    checks = []
    for what, suffix, of in (
        ("name", "cluster_name", grouped(s.everyone, lambda one: one.name)),
        ("domain", "domain", grouped(regionals, lambda one: (one.domain or "").lower())),
    ):
        for value, ones in of.items():
            if len(ones) < 2:
                continue
            hosts, last = tuple(one.host for one in ones), ones[-1]
            found, wanted = f"{value} is the {what} of {some(hosts)}", f"a {what} of its own for each"
            example = last.host if what == "name" else f"{last.name}.<your zone>"
            remedy = f"for example {example} for {last.host}"
            checks.append(Check(f"{what}s", found, wanted, remedy, FAILED, hosts, last.variable(suffix)))
    told = f"{len(s.everyone)} names and {len(regionals)} domains, all different"
    return checks or [Check("names and domains", told)]


def api_server(s: Situation) -> list[Check]:
    found = f"{s.facts.place or s.facts.server} answers"
    if not s.facts.unsaid:
        return [Check("API server", found)]
    remedy = "kof_kubeconfig and kof_context (in group_vars/all.yml), or K8S_AUTH_KUBECONFIG: another shell has another"
    return [Check("API server", found, "a cluster that was named", remedy, WARNING, (), "kof_kubeconfig")]


def kubernetes_version(s: Situation) -> list[Check]:
    wanted = parse(s.release.needs.kubernetes)
    found = parse(s.facts.kubernetes)
    told = s.facts.kubernetes or "no version"
    if found is None or wanted is None or not found.at_least(wanted):
        return [
            Check(
                "Kubernetes",
                told,
                f">= {s.release.needs.kubernetes}",
                "upgrade the management cluster",
                FAILED,
            )
        ]
    return [Check("Kubernetes", told, f">= {s.release.needs.kubernetes}")]


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
    of_charts = s.release.needs.kcm
    if "mothership" in s.layers and s.install_templates and of_charts not in facts.apis.get(KCM_GROUP, ()):
        found, wanted = f"{KCM_GROUP}/{facts.kcm_version} alone", f"{KCM_GROUP}/{of_charts}"
        remedy = (
            f"kof {s.release.version}'s charts make ServiceTemplates of that version: an older k0rdent, or a newer kof"
        )
        checks = [Check("API k0rdent", found, wanted, remedy, FAILED, s.mothership_hosts)]
    else:
        checks = [Check("API k0rdent", f"{KCM_GROUP}/{facts.kcm_version}")]
    if SVELTOS_GROUP not in facts.apis:
        checks.append(
            Check("API Sveltos", f"{SVELTOS_GROUP}: not served", "served", "see why Management kcm isn't Ready", FAILED)
        )
    if "regional" in s.layers:
        for name, api_version in (
            ("API promxy", s.release.promxy.api_version),
            ("API Grafana", s.release.grafana.api_version),
        ):
            group, _slash, version = api_version.partition("/")
            served = facts.apis.get(group, ())
            if version in served:
                checks.append(Check(name, f"{group}/{version}"))
            elif s.announce:
                checks.append(
                    Check(name, "not served yet", f"{group}/{version}", "will come with kof-mothership", ANNOUNCED)
                )
            else:
                checks.append(
                    Check(
                        name,
                        f"{group}: {', '.join(served) or 'not served'}",
                        f"{group}/{version}",
                        "run the mothership playbook first",
                        FAILED,
                        tuple(subject.host for subject in s.regionals),
                        code="kind-not-served",
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
        verbs = ", ".join(dict.fromkeys(need.verb for need in needs))
        record = all(need.optional for need in needs)
        checks.append(
            Check(
                "permission",
                f"may not {verbs} {name} {where}",
                "allowed",
                f"bind a {'Role' if namespace else 'ClusterRole'} with these verbs to the user of kof_kubeconfig, or "
                "of the job's credential" + (", or the run leaves no record of itself" if record else ""),
                WARNING if record else FAILED,
                (),
                "kof_kubeconfig",
            )
        )
    return checks or [Check("permissions", "every verb needed is allowed")]


def grants(s: Situation) -> list[Check]:
    """Kubernetes lets nobody give by a role or binding what he doesn't hold, but for two verbs."""
    checks = []
    for grant, lacking in s.facts.ungranted:
        where = f"in namespace {grant.namespace}" if grant.namespace else "in the whole cluster"
        what = some(dict.fromkeys(_right_told(dict(each)) for each in lacking)) if lacking else "what it gives"
        found = f"may not write {grant.what.kind} {grant.what.name} {where}: lacks {what}"
        remedy = f"bind a role with verb {grant.verb} for {grant.resource}.{charts.RBAC}, or with these rights"
        checks.append(Check("permission", found, "allowed", remedy, FAILED, (), "kof_kubeconfig"))
    return checks


def _right_told(right: Mapping[str, str]) -> str:
    if "path" in right:
        return f"{right['verb']} {right['path']}"
    resource = right["resource"] + (f"/{right['subresource']}" if "subresource" in right else "")
    named = f" {right['name']}" if "name" in right else ""
    return f"{right['verb']} {resource}{'.' if right['group'] else ''}{right['group']}{named}"


def charts_to_come(s: Situation) -> list[Check]:
    """What helm has to do for each chart, as far as it can be known: nobody should learn it in mid-run."""
    if any(check.status == FAILED for check in helm(s)):
        return []  # none of this could be seen then
    checks = []
    for each in s.facts.foreseen:
        name = f"chart {each.name}"
        unserved = s.facts.unserved.get(each.name)
        if each.problem:
            status = WARNING if each.unreachable and s.check_mode else FAILED
            found, remedy = each.problem, "helm would come no further: see mothership_values and kof_chart_repository"
            checks.append(Check(name, found, "as wanted, or able to become so", remedy, status, s.mothership_hosts))
        elif unserved:
            remedy = "install what serves them first"
            checks.append(
                Check(name, f"holds {some(unserved)}", "kinds that are served", remedy, FAILED, s.mothership_hosts)
            )
        elif each.removed:
            found = f"the {each.step} takes away {some([str(ref) for ref in each.removed], 6)}"
            checks.append(Check(name, found, "", "see that nobody needs them", WARNING, s.mothership_hosts))
        else:
            checks.append(Check(name, f"to be brought up to date ({each.step})" if each.step else "as wanted"))
    return checks


def libraries(s: Situation) -> list[Check]:
    """What Ansible needs beside itself where a module of another collection will be called."""
    needed: dict[str, str] = {}
    if s.dns_layer and s.dns_method in DNS_METHODS_AT_AWS:
        needed |= dict.fromkeys(controller.FOR_AWS, f"dns_credentials_method {s.dns_method}")
    if "mothership" in s.layers and s.namespace in s.facts.namespaces and s.facts.namespaces[s.namespace] is None:
        needed |= dict.fromkeys(controller.FOR_NAMESPACE, f"namespace {s.namespace}")
    checks = []
    for name, what in needed.items():
        found, least = s.facts.libraries.get(name, ""), controller.MINIMUM[name]
        there, minimum = parse(found), parse(least)
        if found is not None and (there is None or minimum is None or there.at_least(minimum)):
            continue
        kind = "collection" if name in controller.COLLECTIONS else "Python package"
        how = f"ansible-galaxy collection install {name}" if kind == "collection" else f"pip install '{name}>={least}'"
        remedy = f"{how}, for the Python that runs ansible-playbook (in AWX: in the execution environment)"
        told = f"{kind} {name} {found or 'is missing'}, needed for {what}"
        checks.append(Check("controller", told, f"{name} >= {least}", remedy, FAILED, s.mothership_hosts))
    if needed and not checks:
        there_are = [f"{name} {s.facts.libraries.get(name) or ''}".strip() for name in needed]
        return [Check("controller", ", ".join(there_are))]
    return checks


def readable(s: Situation) -> list[Check]:
    """What could not be read for another reason than a missing right that `permissions` names already."""
    named = {denied.need.resource for denied in s.facts.denied}
    optional = ("Namespace", "Release", "Deployment", *(() if s.needs_secrets else ("Secret",)))
    checks = []
    for what, why in s.facts.unread.items():
        kind = what.split()[0]
        plural = {"StorageClass": "storageclasses"}.get(kind, f"{kind.lower()}s")
        if plural in named:
            continue
        status = WARNING if kind in optional else FAILED
        checks.append(Check(what, f"can't be read: {why}", "readable", "grant it, or see the API server's log", status))
    return checks


def management(s: Situation) -> list[Check]:
    """kcm's own verdict on itself, with the errors of its components."""
    if s.facts.kcm_version is None or s.unread("Management"):
        return []
    if not s.facts.managements:
        told = ("none", "one, Ready", "install k0rdent, and wait until it is Ready", FAILED)
        return [Check("Management", *told, code="k0rdent-not-ready")]
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
            checks.append(Check(name, f"not Ready: {why}", "Ready", remedy, FAILED, code="k0rdent-not-ready"))
    return checks


def k0rdent_version(s: Situation) -> list[Check]:
    """Whether k0rdent is new enough."""
    if s.facts.kcm_version is None or s.unread("Management") or not s.facts.managements:
        return []
    name, found = k0rdent(s)
    minimum = parse(s.release.needs.k0rdent)
    wanted = f">= {s.release.needs.k0rdent}"
    if found is None or minimum is None:
        told = f"release {name!r} tells no version" if name else "Management names no release"
        return [Check("k0rdent", told, wanted, "check by hand that k0rdent is new enough", WARNING)]
    if not found.at_least(minimum):
        return [Check("k0rdent", str(found), wanted, "upgrade k0rdent", FAILED)]
    below = parse(s.release.needs.k0rdent_below)
    if below and found.at_least(below):
        remedy = f"kof {s.release.version} was made for an older one: a later kof_version goes with this"
        return [Check("k0rdent", str(found), f"{wanted}, < {below}", remedy, WARNING, (), "kof_version")]
    return [Check("k0rdent", str(found), wanted)]


def k0rdent(s: Situation) -> tuple[str, Version | None]:
    """Name and version of k0rdent: of the Release that Management says it runs."""
    item = s.facts.managements[0] if s.facts.managements else {}
    name = (item.get("status") or {}).get("release") or (item.get("spec") or {}).get("release") or ""
    release = next((one for one in s.facts.releases if one["metadata"]["name"] == name), {})
    return name, parse((release.get("spec") or {}).get("version")) or of_name(name)


def propagated_credentials(s: Situation) -> list[Check]:
    """`propagate_credentials: false` is lost at kcm's own first update of the object, until k0rdent 1.9.0."""
    asked = [one for one in s.subjects if not one.propagate_credentials]
    if not asked or s.facts.kcm_version is None or s.unread("Management"):
        return []
    name, found = k0rdent(s)
    if found is not None and found.at_least(KEEPS_FALSE):
        return []
    told = f"k0rdent {found} turns it back to true" if found else f"release {name!r} tells no version"
    return [
        Check(
            "propagated credentials",
            told,
            f"k0rdent >= {KEEPS_FALSE}",
            "leave the variable out, and make an empty ConfigMap <identity>-resource-template beside the identity",
            FAILED if found else WARNING,
            tuple(one.host for one in asked),
            asked[0].variable("propagate_credentials"),
        )
    ]


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
    if version.numbers >= HELM_BELOW.numbers:
        remedy = f"helm {version.numbers[0]} applies in another way, which kof's charts don't bear: {remedy}"
    if not (version.at_least(HELM_MINIMUM) and version.numbers < HELM_BELOW.numbers):
        return [Check("helm", told, wanted, remedy, FAILED, s.mothership_hosts, "kof_helm_binary")]
    invalid = sorted(name for name, chart in s.release.charts.items() if chart.invalid_schema)
    if invalid and version.at_least(HELM_CHECKS_SCHEMAS):
        told += f"; without schema validation, which this helm refuses: {', '.join(invalid)}"
    return [Check("helm", told, wanted)]


def chart_repository(s: Situation) -> list[Check]:
    """The CA file of a chart repository of one's own, and the program that helm asks for a login there; whether the
    repository answers, helm finds out where it must."""
    if "mothership" in s.layers and s.facts.helper_problem:
        remedy = "install it (in AWX: in the execution environment), take it out of the file, or give a login here"
        variable = "kof_chart_repository_username"
        wanted = "a credential helper that is there"
        # Where no chart is to be fetched, nobody asks it.
        there = {(chart.name, chart.version) for chart in s.facts.installed or () if chart.status == "deployed"}
        status = WARNING if there >= {(name, chart.version) for name, chart in s.release.charts.items()} else FAILED
        return [Check("chart repository", s.facts.helper_problem, wanted, remedy, status, s.mothership_hosts, variable)]
    if "mothership" not in s.layers or not s.facts.ca_file_problem:
        return []
    found, wanted = s.facts.ca_file_problem, "a file with the repository's CA certificates (PEM)"
    remedy = "the file is read on the controller (in AWX: in the execution environment)"
    variable = "kof_chart_repository_ca_file"
    return [Check("chart repository", found, wanted, remedy, FAILED, s.mothership_hosts, variable)]


def services_repository(s: Situation) -> list[Check]:
    """Whether Flux gets at the charts of services where it was told to: else no cluster comes. A registry isn't asked
    before a chart is wanted."""
    item = s.facts.services_repository or {}
    ready = next((c for c in (item.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    if not s.subjects or ready is None:
        return []
    title, address = "services' charts", without_query(without_login(str(item["spec"].get("url"))))
    if ready.get("status") == "True":
        return [Check(title, f"{address}, Ready")]
    # Flux quotes the whole URL.
    why = without_query(without_login(" ".join(str(ready.get("message")).split())))
    new = tuple(one.host for one in s.subjects if one.name not in s.live)
    found = f"HelmRepository {s.kcm_namespace}/kof, {address}: {cut(why, 200)}"
    remedy = "by the mothership playbook, with a kof_chart_repository that the management cluster reaches"
    status = FAILED if new and "mothership" not in s.layers else WARNING
    return [Check(title, found, "Ready", remedy, status, new, "kof_chart_repository")]


def internet(s: Situation) -> list[Check]:
    """What Grafana fetches when it starts, where one will."""
    here = s.mothership_hosts if "mothership" in s.layers and not s.facts.installed and s.grafana else ()
    with_one = (one for one in s.regionals if switched_on(one.storage_values, GRAFANA_SWITCH))
    new = (*here, *(one.host for one in with_one if one.name not in s.live))
    if not s.release.needs.internet or not new:
        return []
    found, remedy = f"fetches {s.release.needs.internet}", "without it grafana-vm stays in Init:CrashLoopBackOff"
    return [Check("Grafana", found, "the internet", remedy, WARNING, new)]


def operator_charts(s: Situation) -> list[Check]:
    """The guide's minimums for OpenTelemetry and VictoriaMetrics are versions of the operators' charts.

    Where the operators aren't there yet, the release's own charts bring them. One that somebody else installed would
    reconcile kof's objects too, and must be new enough for them.
    """
    if "mothership" not in s.layers or s.unread("Deployment"):
        return []
    checks = []
    for operator in OPERATORS:
        if operator not in s.release.needs.operators:
            continue
        minimum, comes, chart = s.release.needs.operators[operator]
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
            if meta.get("namespace") == s.namespace and release in s.release.charts:
                own = f"chart {version} of {release}"
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
            checks.append(Check(operator, own))
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
    title, variable, hosts = "storage class", "mothership_storage_class", s.mothership_hosts
    classes = {item["metadata"]["name"]: item for item in s.facts.storage_classes}
    # Where charts name one by themselves, none can be left out, and Grafana takes the default one all the same.
    leave_out, or_name = ("", "") if s.release.classes else (LEAVE_OUT, OR_NAME)
    if s.storage_class:
        if s.storage_class not in classes:
            found = f"{s.storage_class} doesn't exist (there are: {some(classes) or 'none'})"
            remedy = did_you_mean(s.storage_class, classes, "") or f"name one that exists{leave_out}"
            wanted = "an existing class"
            return [Check(title, found, wanted, remedy, FAILED, hosts, variable, code="volume-not-bound")]
        provisioner = classes[s.storage_class].get("provisioner")
        if provisioner == NO_PROVISIONER:
            found = f"{s.storage_class} has {NO_PROVISIONER}: volumes stay Pending unless somebody makes them by hand"
            wanted = "a class that can provision"
            return [Check(title, found, wanted, "", WARNING, hosts, variable, code="volume-not-bound")]
        if not (s.release.classes and s.grafana):
            return [Check(title, f"{s.storage_class}, {provisioner}")]
    defaults = default_classes(s.facts.storage_classes)
    wanted = "a default class that can provision"
    remedy = f'mark one as default (annotation {DEFAULT_CLASS[0]}: "true"){or_name}'
    if not defaults:
        found = f"no default among {some(classes)}" if classes else "no storage class at all"
        marked = [f"{name} says {quoted(text, 20)}" for name, text in _almost_default(classes)]
        found += f' ({some(marked)}, and the API server knows only "true")' if marked else ""
        return [Check(title, found, wanted, remedy, FAILED, hosts, variable, code="volume-not-bound")]
    used, *others = defaults
    provisioner = classes[used].get("provisioner")
    told = f"default {used}, {provisioner}"
    if others:
        told += f", the newest of {len(defaults)} (also: {some(others)})"
    if provisioner == NO_PROVISIONER:
        found = f"{told}: volumes would stay Pending"
        return [Check(title, found, wanted, remedy, FAILED, hosts, variable, code="volume-not-bound")]
    if others:
        remedy = f"take the mark off all but one (annotation {DEFAULT_CLASS[0]}){or_name}"
        return [Check(title, told, "one default class", remedy, WARNING, hosts, variable)]
    return [Check(title, told)]


def default_classes(storage_classes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the default storage classes, that which new claims get first.

    As the API server chooses (k8s.io/kubernetes, pkg/volume/util, GetDefaultClass): the newest, of equally old ones the
    first by name. Only the text "true" marks one.
    """
    marked = sorted(
        (item["metadata"] for item in storage_classes if "true" in _default_marks(item)), key=lambda meta: meta["name"]
    )
    # Timestamps are RFC 3339 in UTC to the second, which sort as text.
    return [meta["name"] for meta in sorted(marked, key=lambda meta: meta.get("creationTimestamp") or "", reverse=True)]


def _default_marks(item: Mapping[str, Any]) -> list[str]:
    annotations = item["metadata"].get("annotations") or {}
    return [annotations[key] for key in DEFAULT_CLASS if key in annotations]


def _almost_default(classes: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Classes that somebody may have meant to be the default, each with what its annotation says."""
    return [
        (name, text)
        for name, item in classes.items()
        for text in _default_marks(item)
        if text.strip().lower() in ("true", "yes", "1", "on")
    ]


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
                told = ("missing", "there", remedy, FAILED, (), "kof_namespace")
                checks.append(Check(f"namespace {name}", *told, code="mothership-missing"))
            continue
        since = item["metadata"].get("deletionTimestamp")
        if since:
            why = "; ".join(
                str(condition.get("message", ""))
                for condition in (item.get("status") or {}).get("conditions") or ()
                if condition.get("status") == "True"
            )
            found = f"being deleted since {since}" + (f": {cut(why, 200)}" if why else "")
            remedy = f"wait until it is gone (kubectl get namespace {name} -o yaml says what holds it)"
            told = (found, "there, or gone", remedy, FAILED, (), "kof_namespace")
            code = "namespace-terminating" if name == s.namespace else ""
            checks.append(Check(f"namespace {name}", *told, code=code))
    return checks
