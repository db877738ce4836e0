# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what the clusters of the inventory refer to: Credentials, templates, config keys, regionals. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import own_cluster, readiness
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.templates import (
    WrongType,
    choose_template,
    is_valid,
    labels_nobody,
    of_kind,
    template_for,
    unknown_keys,
    unlabelled_told,
    wrong_types,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.checks.cluster import k0rdent
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import resource_template_of
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import (
    Situation,
    by_value,
    grouped,
    hosts_told,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import cut
from ansible_collections.k0rdent.kof.plugins.module_utils.text.versions import Version, of_name
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import did_you_mean, some

#: Before it kcm (internal/credspropagation) knew by itself what each provider's clusters get.
ASKS_FOR_TEMPLATES = Version((0, 1, 0))
#: Without it Sveltos takes a ConfigMap's content as it is.
TEMPLATE_ANNOTATION = "projectsveltos.io/template"


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
            remedy = did_you_mean(name, existing, "") or "make it, or name one that exists"
            told = (found, "exists and is ready", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="credential-missing"))
        elif not (item.get("status") or {}).get("ready"):
            why = _condition_message(item) or "no reason given"
            remedy = "see the identity it refers to and that identity's Secret"
            told = (f"not ready: {why}", "ready", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="credential-not-ready"))
        else:
            checks.append(Check(title, f"ready{hosts_told(hosts)}"))
    return checks


def management_cluster(s: Situation) -> list[Check]:
    """The management cluster must not be adopted as one of its own regional or child clusters."""
    checks = []
    applied = {(name, (item.get("spec") or {}).get("credential")) for name, item in s.live.items()}
    for (name, variable), ones in grouped(s.subjects, lambda one: (one.credential, one.variable("credential"))).items():
        found = s.facts.own_cluster.get(name)
        about, title = tuple(one.host for one in ones), f"Credential {name}"
        if found is None:
            continue
        if found.own:
            told, wanted = f"leads to the management cluster itself: {found.own}", "another cluster"
            checks.append(Check(title, told, wanted, own_cluster.WHY_NOT, FAILED, about, variable))
        elif found.unread and any((one.name, name) not in applied for one in ones):
            told = f"its kubeconfig may not be read ({found.unread})"
            remedy = "make sure yourself that it isn't the management cluster's: " + own_cluster.WHY_NOT
            checks.append(Check(title, told, "", remedy, WARNING, about, variable))
    return checks


def _condition_message(item: Mapping[str, Any]) -> str:
    messages = [
        " ".join(str(condition.get("message", "")).split())
        for condition in (item.get("status") or {}).get("conditions") or ()
        if condition.get("status") != "True"
    ]
    return some([message for message in messages if message])


def resource_templates(s: Situation) -> list[Check]:
    """The ConfigMap beside each Credential's identity object: Sveltos has never done with a cluster without it."""
    _release, version = k0rdent(s)
    if s.facts.kcm_version is None or (version and not version.at_least(ASKS_FOR_TEMPLATES)):
        return []
    existing = {item["metadata"]["name"]: item for item in s.facts.credentials}
    checks = []
    for (credential, variable), hosts in by_value(
        ((one.credential, one.variable("credential")), one.host) for one in s.subjects if one.propagate_credentials
    ).items():
        if credential not in s.facts.resource_templates or credential not in existing:
            continue
        namespace, name = resource_template_of(existing[credential], s.kcm_namespace)
        found, about = s.facts.resource_templates[credential], tuple(hosts)
        title, annotation = f"ConfigMap {name}", f'{TEMPLATE_ANNOTATION}: "true"'
        if found is None:
            told = f"not in {namespace}: kcm gives it to Sveltos for Credential {credential}, which waits for it"
            remedy = f"make it; an empty one with annotation {annotation} will do unless the provider wants more"
            missing = "service-reference-missing"
            checks.append(Check(title, told, "exists", remedy, FAILED, about, variable, code=missing))
        elif "{{" in str(found.get("data") or "") and not _is_template(found):
            told = f"holds a template without annotation {annotation}: Sveltos would apply it as it is written"
            checks.append(Check(title, told, "annotated", f"annotate it with {annotation}", WARNING, about, variable))
    return checks


def _is_template(item: Mapping[str, Any]) -> bool:
    return TEMPLATE_ANNOTATION in (item["metadata"].get("annotations") or {})


def adopted_clusters(s: Situation) -> list[Check]:
    """Live adopted clusters that Sveltos doesn't reach: nothing is deployed there, whatever else is fine."""
    hosts = {one.name: one.host for one in s.subjects}
    checks, reached = [], 0
    for item in s.facts.sveltos_clusters:
        host = hosts.get(item["metadata"]["name"])
        if host is None:
            continue
        obstacle = readiness.unreached_as(item, readiness.Surroundings(clusters=[item]))
        if obstacle is None:
            reached += 1
            continue
        told = (obstacle.text, "reached", obstacle.advice, WARNING, (host,))
        checks.append(Check("adopted clusters", *told, code=obstacle.code))
    if reached:
        checks.append(Check("adopted clusters", f"{reached} reached by Sveltos"))
    return checks


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
            remedy = (
                did_you_mean(kind, {_kind_of(other) for other in valid}, "")
                or "name a kind or a template that is there"
            )
            checks.append(Check(title, found, "a valid template", remedy, FAILED, about, variable))
        elif item is None:
            found = f"not in {s.kcm_namespace} (valid are: {some(valid) or 'none'})"
            remedy = did_you_mean(name, valid, "") or "name one that exists, or none for the newest valid"
            if how == "kept":
                remedy = (
                    f"the ClusterDeployment uses it: name another one in {about[0]}'s {variable.removesuffix('_kind')}"
                )
            told = (found, "exists and is valid", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="cluster-template-not-ready"))
        elif not is_valid(item):
            best = choose_template(s.facts.cluster_templates, _kind_of(name))
            remedy = f"use {best}, or repair the template" if best else "repair the template"
            told = (_why_invalid(item), "valid", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="cluster-template-not-ready"))
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
        return f"invalid: {cut(' '.join(str(status['validationError']).split()), 200)}"
    return "invalid" if status.get("valid") is False else "kcm has not validated it yet"


def config_keys(s: Situation) -> list[Check]:
    """Keys under `config` that the template doesn't know, which do nothing, and values of another type than its
    defaults': kcm takes both in silence."""
    if s.facts.kcm_version is None or s.unread("ClusterTemplate", "ClusterDeployment"):
        return []
    templates = {item["metadata"]["name"]: item for item in s.facts.cluster_templates}
    newest: dict[str, str | None] = {}
    slips: dict[tuple[str, str, str, str | None, str | None], list[str]] = {}
    types: dict[tuple[str, str, WrongType], list[str]] = {}
    unlabelled: dict[tuple[str, str], list[str]] = {}
    checked = 0
    for one in s.subjects:
        if one.template_kind not in newest:
            newest[one.template_kind] = choose_template(s.facts.cluster_templates, one.template_kind)
        live = s.live.get(one.name)
        template = template_for(one.template, one.template_kind, live, ()) or newest[one.template_kind]
        item = templates.get(template or "", {})
        known = (item.get("status") or {}).get("config")
        if template and item and labels_nobody(item, s.release.needs.unlabelled):
            unlabelled.setdefault((template, one.variable("template_kind")), []).append(one.host)
        if not template or not isinstance(known, Mapping) or not known:
            continue
        checked += 1
        for key in unknown_keys(one.config, known):
            slips.setdefault((template, key.path, one.variable("config"), key.meant, key.elsewhere), []).append(
                one.host
            )
        for wrong in wrong_types(one.config, known):
            types.setdefault((template, one.variable("config"), wrong), []).append(one.host)
    checks = []
    for (template, variable), hosts in unlabelled.items():
        found, remedy = unlabelled_told(template, s.release.needs.k0rdent_below)
        checks.append(Check("cluster labels", found, "clusterLabels", remedy, FAILED, tuple(hosts), variable))
    for (template, variable, wrong), hosts in types.items():
        found = f"{variable}.{wrong.path} is {wrong.found}, but {template} has {wrong.wanted} there by default"
        remedy = "write it without quotes; an expression gives it by {{ ... | int }} or {{ ... | bool }}"
        if wrong.wanted == "text":
            remedy = "quote it: YAML reads NO, yes and off as booleans, 1.10 as the number 1.1"
        status = FAILED if wrong.certain else WARNING
        checks.append(Check("config types", found, wrong.wanted, remedy, status, tuple(hosts), variable))
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
        checks.append(Check("config keys", f"all known to the templates of {checked} clusters, and of the types there"))
    return checks


def service_templates(s: Situation) -> list[Check]:
    if not s.subjects or s.facts.kcm_version is None or s.unread("ServiceTemplate"):
        return []
    existing = {item["metadata"]["name"]: item for item in s.facts.service_templates}
    checks: list[Check] = []
    valid: dict[str, None] = {}
    coming: dict[str, None] = {}
    rows = by_value(((name, variable), one.host) for one in s.subjects for name, variable in one.templates)
    for (name, variable), hosts in rows.items():
        title, about, item = f"ServiceTemplate {name}", tuple(hosts), existing.get(name)
        comes = name in s.release.service_templates
        if item is not None and is_valid(item):
            valid[name] = None
        elif item is not None and (item.get("status") or {}).get("valid") is False:
            remedy = "see its HelmChart and HelmRepository (is the registry reachable from the cluster?)"
            told = (_why_invalid(item), "valid", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="template-not-valid"))
        elif s.announce and comes and s.install_templates:
            coming[name] = None
        elif item is not None:
            told = (_why_invalid(item), "valid", "wait for kcm, then run again", FAILED, about, variable)
            checks.append(Check(title, *told, code="template-not-valid"))
        elif comes and not s.install_templates:
            found = f"not in {s.kcm_namespace}, and mothership_install_templates is false"
            remedy = "mothership_install_templates: true, or make the ServiceTemplate"
            told = (found, "valid", remedy, FAILED, about, "mothership_install_templates")
            checks.append(Check(title, *told, code="template-missing"))
        else:
            found = f"not in {s.kcm_namespace} (there are: {some(existing) or 'none'})"
            remedy = (
                "run the mothership playbook first" if comes else (did_you_mean(name, existing, "") or "make it first")
            )
            told = (found, "valid", remedy, FAILED, about, variable)
            checks.append(Check(title, *told, code="template-missing"))
    if coming:
        found = f"not there yet: {', '.join(coming)}"
        checks.append(Check("ServiceTemplates", found, "valid", "will come with kof-mothership", ANNOUNCED))
    if valid:
        checks.append(Check("ServiceTemplates", f"valid: {', '.join(valid)}"))
    return checks


def services_of_others(s: Situation) -> list[Check]:
    """Services that somebody else has installed on a cluster: ours wait for them to go, or to be left out, for ever.

    What is on a cluster is seen once kcm has tried, in its ClusterDeployment.
    """
    ours = {each.name for services in s.release.services.values() for each in services}
    rows: dict[tuple[str, str, str], list[str]] = {}
    looked_at = 0
    for one in s.subjects:
        live = s.live.get(one.name)
        if live is None:
            continue
        looked_at += 1
        for name, message in readiness.kept_by_others(live):
            if name not in one.disabled_services:
                variable = one.variable("disabled_services" if name is None or name in ours else "extra_services")
                rows.setdefault((name or "<the service>", message, variable), []).append(one.host)
    checks = []
    for (name, message, variable), hosts in rows.items():
        leave_out = f"{variable}: [{name}]" if variable.endswith("_disabled_services") else f"disable: true for {name}"
        remedy = f"{leave_out} leaves ours out; or uninstall what is there"
        told = (f"{name} is there already: {message}", "", remedy, WARNING, tuple(hosts), variable)
        checks.append(Check("services", *told, code="service-of-others"))
    if not checks and looked_at:
        checks.append(Check("services", f"none is in the way of another on {looked_at} live clusters"))
    return checks


def regional_of_children(s: Situation) -> list[Check]:
    """Every child's regional: in the inventory, else live with a known domain."""
    if not s.children or s.facts.kcm_version is None or s.unread("ClusterDeployment"):
        return []
    listed = {one.host: one for one in s.everyone if one.layer == "regional"}
    in_batch = {one.host for one in s.regionals}
    domains = s.live_domains
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
        elif regional in domains or regional in s.unparsed:
            fine += len(hosts)
        elif regional in s.live:
            found = f"{regional} is live, but has no domain: it is no regional cluster of this collection"
            remedy = "name a host of kof_regional, or add this one to the inventory"
            checks.append(
                Check("child's regional", found, "a regional cluster", remedy, FAILED, about, "child_regional")
            )
        else:
            found = f"{regional} is neither a host of kof_regional nor a live regional cluster"
            remedy = did_you_mean(str(regional), [*listed, *domains], "") or "add it to the inventory"
            checks.append(
                Check("child's regional", found, "a regional cluster", remedy, FAILED, about, "child_regional")
            )
    if fine:
        checks.append(Check("child's regional", f"known for {fine} children"))
    return checks
