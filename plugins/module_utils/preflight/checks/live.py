# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what is there already: domains, owners, stand-ins, and what promxy and external-dns need. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.dns_credentials import EXTERNAL_DNS_OF
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import external_dns as dns
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    MANAGED_BY,
    OURS,
    domain_of_target,
    fleet_of,
    gitops_keeper,
    of_config,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import destination
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_WITH_SECRET
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.strangers import GRAFANA_DATASOURCE, PROMXY_SERVER_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.templates import template_for
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation, by_value, hosts_told
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import ANNOUNCED, FAILED, WARNING, Check
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

SAFE = 'no ", \\ or line breaks'
_BREAKS = f"{SAFE}: the operator would break the config of all regions"


def live_domains(s: Situation) -> list[Check]:
    """A domain serves one regional cluster, also across inventories and fleets."""
    if not s.regionals or s.unread("ClusterDeployment"):
        return []
    owners: dict[str, set[str]] = {}
    for cluster, domain in s.live_domains.items():
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
    adopted, taken = [], []
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
            keeper = labels.get(MANAGED_BY, "")
            others = guards.kept_by(item)
            if deleted:
                remedy = "wait until it is gone, then run again"
                checks.append(Check(title, deleted, "not being deleted", remedy, FAILED, about, code="being-deleted"))
            elif guards.another_fleet(s.fleet, s.permissions)(item, None):
                remedy = f"another name, or, to take it over, -e {guards.TAKE_OVER}={fleet}"
                told = (f"{title} belongs to fleet {fleet}", f"fleet {s.fleet}", remedy, FAILED, about, variable)
                code = "cluster-of-another-fleet" if kind == "ClusterDeployment" else ""
                checks.append(Check("fleet", *told, code=code))
            elif others:
                remedy = "another name, or remove it there"
                checks.append(Check(title, f"belongs to {others}", "nobody's or ours", remedy, FAILED, about, variable))
            elif gitops_keeper(item):
                found = f"kept by {gitops_keeper(item)}, which puts back whatever others change"
                remedy = "change it there, or take it out of there first; or another name"
                # What is as it should be isn't touched, so ours may be there by way of Git.
                status = WARNING if keeper == OURS else FAILED
                checks.append(Check(title, found, "nobody's or ours", remedy, status, about, variable))
            elif fleet not in (None, s.fleet):
                taken.append(f"{kind} {name} of fleet {fleet}")
            elif keeper != OURS and not s.adopt:
                remedy = "kof_adopt: true to take it over, or another name"
                found = "exists, and this collection has not made it"
                checks.append(Check(title, found, "ours", remedy, FAILED, about, "kof_adopt"))
            elif keeper != OURS:
                adopted.append(f"{kind} {name}")
    if taken:
        checks.append(Check("fleet", some(taken), f"fleet {s.fleet}", "will be taken over", ANNOUNCED))
    if adopted:
        checks.append(Check("existing objects", f"{some(adopted)}: made by hand", "", "will be adopted", ANNOUNCED))
    return checks


def left_inventory(s: Situation) -> list[Check]:
    """Clusters of the fleet that an inventory, which is declared whole, doesn't have, by what was read of their
    parts."""
    if not s.whole or not s.layers & {"regional", "child"} or s.unread("ClusterDeployment"):
        return []
    groups = s.facts.promxy_server_groups
    beside = [*groups, *s.facts.grafana_datasources]
    known = {one.name for one in s.everyone}
    gone = prune.found(s.facts.cluster_deployments, groups, beside, s.release, s.fleet, known)
    if not gone:
        return [Check("left the inventory", "no cluster of the fleet")]
    remedy = "k0rdent.kof.prune, if they are to go; else put them back into the inventory"
    found = "; ".join(f"{some([each.name for each in those])}: {how}" for how, those in _alike(gone))
    told = (f"{found}, and not in the inventory", "in the inventory: kof_inventory_complete", remedy)
    return [Check("left the inventory", *told, WARNING, code="cluster-left-inventory")]


def _alike(gone: Iterable[prune.Gone]) -> Iterable[tuple[str, list[prune.Gone]]]:
    found: dict[str, list[prune.Gone]] = {}
    for each in gone:
        found.setdefault(each.said(), []).append(each)
    return found.items()


def moved_children(s: Situation) -> list[Check]:
    """Children that sent to another regional cluster until now: what they have sent stays where it is."""
    if s.unread("ClusterDeployment"):
        return []
    owners = {domain.lower(): name for name, domain in s.live_domains.items()}
    regionals = {one.host: one for one in s.everyone if one.layer == "regional"}
    checks = []
    for one in s.children:
        live = s.live.get(one.name)
        to = regionals.get(one.regional or "")
        new = (to.domain if to else s.live_domains.get(one.regional or "")) or ""
        domains = destination(live, s.release).domains - {new.lower()} if live and new else ()
        before = [owners.get(domain, domain) for domain in sorted(domains)]
        if before:
            found = f"{one.name} sends to {some(before)}, and will to {to.name if to else one.regional}"
            remedy = (
                "what it has sent stays there, and is asked by promxy (metrics) and Grafana (logs) as long as that "
                "regional cluster lives and keeps it"
            )
            told = (found, "", remedy, ANNOUNCED, (one.host,), "child_regional")
            checks.append(Check("child moves", *told))
    return checks


def styles(s: Situation) -> list[Check]:
    """A live cluster of which kof was told in another way, by another of its lines."""
    return _guarded(s, "style", guards.other_style, "in the way of this kof_version", "kof_version")


def dangerous_changes(s: Situation) -> list[Check]:
    """A change of a live cluster that would take data or kof itself away."""
    guard = guards.dangerous_changes(s.permissions, s.hands)
    return _guarded(s, "dangerous changes", guard, "none", None)


def _guarded(s: Situation, title: str, guard: Guard, wanted: str, variable: str | None) -> list[Check]:
    """What a guard would say of the batch's live clusters at the act."""
    live = [(one, s.live[one.name]) for one in s.subjects if one.name in s.live]
    if not live or s.render_cluster is None:
        return []
    checks = []
    for one, item in live:
        reason = guard(item, s.render_cluster(one.host, item))
        if reason:
            found, _stop, remedy = reason.partition(". ")
            found = f"ClusterDeployment {s.kcm_namespace}/{one.name}: {found}"
            checks.append(Check(title, found, wanted, remedy, FAILED, (one.host,), variable))
    return checks or [Check(title, f"{wanted}: {len(live)} live clusters")]


def guide_names(s: Situation) -> list[Check]:
    """Two groups for one cluster double its series, so what already stands for a cluster must make way."""
    if not s.regionals:
        return []
    host_of = {one.name: one.host for one in s.regionals}
    going = {str(ref) for each in s.facts.foreseen for ref in each.removed}
    checks = []
    for found in s.stand_ins:
        told = f"stands for {found.cluster} already ({found.why})"
        about, wanted = (host_of[found.cluster],), "only ours"
        if found.fleet:
            remedy = f"it belongs to fleet {found.fleet}: one cluster, one fleet"
            checks.append(Check(str(found), told, wanted, remedy, FAILED, about, "regional_cluster_name"))
        elif found.keeper:
            told, remedy = f"{told}, and is kept by {found.keeper}", "remove it there: deleted here, it would come back"
            if str(found) in going:
                remedy = "the mothership's upgrade takes it away: run k0rdent.kof.mothership first, for itself"
            checks.append(Check(str(found), told, wanted, remedy, FAILED, about))
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


def unsafe(value: bytes | str) -> str | None:
    """What about a string breaks the promxy config, whose operator quotes but doesn't escape; None if it is safe.

    The answer names the kind of character, never the string.
    """
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return "has bytes that aren't UTF-8"
    return (syntax.promxy_safe(text) or "").partition(";")[0] or None


def _harm(s: Situation) -> tuple[str, str]:
    """What is wanted instead of such a string, and how bad it is. The chart says no version of its operator's image."""
    if not s.release.promxy.escapes:
        return _BREAKS, FAILED
    then = "one pulled anew is kof 0.1.1's, which doesn't, and breaks the config of all regions"
    return (
        f"{SAFE}: the operator of kof {s.release.version} escapes them, but its image has tag latest: {then}",
        WARNING,
    )


def vmuser_secret(s: Situation) -> list[Check]:
    """The Secret promxy and Grafana log in with: there, with both keys, and with nothing that breaks the config."""
    if not s.regionals:
        return []
    checks = []
    for name, hosts in by_value((one.vmuser_secret, one.host) for one in s.regionals).items():
        if s.unread(f"Secret {name}"):
            continue
        title, about, data = f"Secret {name}", tuple(hosts), s.facts.secrets.get(name)
        comes = name in s.release.secrets
        if data is None:
            if s.announce and comes:
                checks.append(Check(title, "not there yet", "", "will come with kof-mothership", ANNOUNCED))
            else:
                remedy = (
                    "run the mothership playbook first"
                    if comes
                    else f"make it in {s.namespace}, with {' and '.join(s.release.vmuser_keys)}"
                )
                wanted = "there, or promxy's config stays as it is for all regions"
                told = (f"not in {s.namespace}", wanted, remedy, FAILED, about, "regional_vmuser_secret")
                code = "secret-missing" if comes else "server-group-login-missing"
                checks.append(Check(title, *told, code=code))
            continue
        for key in s.release.vmuser_keys:
            value = data.get(key)
            problem = unsafe(value) if value else "is missing or empty"
            if problem:
                found = f"its {key} {problem}"
                wanted, status = _harm(s) if value else (_BREAKS, FAILED)
                remedy = "set another one (letters and digits), then touch the regionals' PromxyServerGroups"
                told = (found, wanted, remedy, status, about, "regional_vmuser_secret")
                code = "promxy-config-broken" if value else "secret-empty"
                checks.append(Check(title, *told, code=code))
    return checks or [Check("vmuser Secret", "there, safe for promxy")]


def promxy_groups(s: Situation) -> list[Check]:
    """Live PromxyServerGroups that block or break the one config all regions share."""
    if "regional" not in s.layers or s.unread("PromxyServerGroup"):
        return []
    ours = {one.promxy_server_group for one in s.regionals}
    checks = []
    for group in s.facts.promxy_server_groups:
        meta, spec = group["metadata"], group.get("spec") or {}
        if meta["name"] in ours | s.groups_going or s.release.promxy.label not in (meta.get("labels") or {}):
            continue
        title = f"PromxyServerGroup {meta['name']}"
        client = spec.get("http_client") or {}
        remedy = "repair or delete it: it holds up the config of all regions"
        checks += _credentials_of_group(
            s, title, (client.get("basic_auth") or {}).get("credentials_secret_name"), remedy
        )
        timeout = client.get("dial_timeout")
        if timeout is not None and syntax.go_duration(timeout):
            found, wanted = f"its dial_timeout is {timeout!r}", "a Go duration, for example 5s"
            checks.append(Check(title, found, wanted, remedy, FAILED, code="promxy-config-broken"))
        for name, value in (
            ("cluster_name", spec.get("cluster_name")),
            ("scheme", spec.get("scheme")),
            ("path_prefix", spec.get("path_prefix")),
            *(("targets", target) for target in spec.get("targets") or ()),
        ):
            unfit = unsafe(value) if isinstance(value, str) else None
            if unfit:
                wanted, status = _harm(s)
                repair = remedy if status == FAILED else "repair or delete it"
                found = f"its spec.{name} {unfit}"
                checks.append(Check(title, found, wanted, repair, status, code="promxy-config-broken"))
    return checks


def _credentials_of_group(s: Situation, title: str, secret: str | None, remedy: str) -> list[Check]:
    missing = "server-group-login-missing"
    if not secret:
        return [Check(title, "names no credentials Secret", "one that exists", remedy, FAILED, code=missing)]
    if s.unread(f"Secret {secret}"):
        return []
    data = s.facts.secrets.get(secret)
    if data is None:
        if s.announce and secret in s.release.secrets:
            return []
        found = f"its Secret {secret} isn't in {s.namespace}"
        return [Check(title, found, "one that exists", remedy, FAILED, code=missing)]
    if any(secret == one.vmuser_secret for one in s.regionals):
        return []  # looked at by vmuser_secret
    checks = []
    for key in s.release.vmuser_keys:
        unfit = unsafe(data.get(key, b""))
        if unfit:
            wanted, status = _harm(s)
            repair = remedy if status == FAILED else "set another one (letters and digits)"
            found = f"the {key} in its Secret {secret} {unfit}"
            checks.append(Check(title, found, wanted, repair, status, code="promxy-config-broken"))
    return checks


def external_dns(s: Situation) -> list[Check]:
    """`regional_external_dns: secret` needs the Secret that Sveltos copies to the regional clusters."""
    hosts = tuple(one.host for one in s.regionals if one.external_dns == "secret")
    name = s.release.dns.secret
    if not hosts or name not in s.facts.secrets or s.unread(f"Secret {name}"):
        return []
    title, data = f"Secret {name}", s.facts.secrets[name]
    if data is not None:
        if data.get(name):
            if EXTERNAL_DNS_OF.get(s.dns_method) != "node":
                return [Check(title, f"there{hosts_told(hosts)}")]
            found = f"taken{hosts_told(hosts)}, but dns_credentials_method is {s.dns_method}: nobody has its role so"
            remedy = "regional_external_dns: node, or dns_credentials_method: iam_user or existing"
            return [Check(title, found, "", remedy, WARNING, hosts, "regional_external_dns")]
        found = f"has no key {name} (it has: {some(sorted(data)) or 'none'})"
        remedy = "one key of the Secret's own name, with an INI file as value: the dns_credentials playbook makes it"
        return [Check(title, found, "that key", remedy, FAILED, hosts, "regional_external_dns", code="secret-empty")]
    if s.dns_method in DNS_METHODS_WITH_SECRET and s.announce_dns:
        return [Check(title, "not there yet", "", f"will come with dns_credentials ({s.dns_method})", ANNOUNCED)]
    remedy = (
        "run the dns_credentials playbook first"
        if s.dns_method in DNS_METHODS_WITH_SECRET
        else "dns_credentials_method: iam_user or existing on the mothership, or regional_external_dns: node or none"
    )
    found, code = f"not in {s.namespace}", "secret-missing"
    return [Check(title, found, "there", remedy, FAILED, hosts, "regional_external_dns", code=code)]


def external_dns_owner(s: Situation) -> list[Check]:
    """Whose name is on the records of live clusters, where nobody has said one."""
    title, variable, kept = "external-dns owner", "regional_external_dns_owner", []
    for one in s.regionals:
        there = dns.owner_there(s.live.get(one.name))
        if there == dns.AS_IT_WAS and one.external_dns != "none" and one.dns_owner is None:
            kept.append(one.host)
    if not kept:
        return []
    found = f"kept as it is, {dns.DEFAULT_OWNER}, without a filter of domains and zones{hosts_told(kept)}"
    remedy = f"{variable}: {dns.DEFAULT_OWNER} keeps the owner and brings the filters"
    return [Check(title, found, "", remedy, hosts=tuple(kept), variable=variable)]


def instance_profiles(s: Situation) -> list[Check]:
    """Where external-dns gets at the zones by its nodes' role: templates that take none, nodes that have another."""
    if s.facts.kcm_version is None or s.unread("ClusterTemplate", "ClusterDeployment"):
        return []
    title, templates = "instance profile", {item["metadata"]["name"]: item for item in s.facts.cluster_templates}
    checks, fine = [], []
    for one in s.regionals:
        if not one.instance_profile:
            continue
        live, variable = s.live.get(one.name), one.variable("config")
        template = template_for(one.template, one.template_kind, live, s.facts.cluster_templates) or ""
        known = (templates.get(template, {}).get("status") or {}).get("config")
        path = dns.profile_path(template, known if isinstance(known, Mapping) else None)
        if path is None:
            found = f"{template or one.template_kind} takes none, so its nodes have no right to write to the zones"
            remedy = "the roles that its nodes have in dns_credentials_existing_node_roles, or another method"
            checks.append(Check(title, found, one.instance_profile, remedy, WARNING, (one.host,), "regional_template"))
            continue
        said = dig(one.config, path)
        there = said if said is not None else dig(of_config(live), path) if live else one.instance_profile
        if there == one.instance_profile:
            fine.append(one.host)
            continue
        told = quoted(there, 60) if isinstance(there, str) else "not set"
        found = f"{'.'.join(path)} is {told}, so its nodes have no right to write to the zones"
        how = functools.reduce(lambda inner, key: f"{{{key}: {inner}}}", reversed(path), one.instance_profile)
        remedy = f"{variable}: {how}, which replaces every node; or their role in dns_credentials_existing_node_roles"
        checks.append(Check(title, found, one.instance_profile, remedy, WARNING, (one.host,), variable))
    if fine and not checks:
        checks.append(Check(title, f"that of dns_credentials{hosts_told(fine)}"))
    return checks


def hosted_zones(s: Situation) -> list[Check]:
    """The zones in which dns_credentials gives rights: they are there, and every regional that needs one has one."""
    checks, variable = [], "dns_credentials_hosted_zones"
    for zone in s.zones:
        title, about = f"hosted zone {zone.id}", s.mothership_hosts
        if zone.problem:
            remedy = "the right route53:GetHostedZone on it; or see by hand that it is there, and of which domain"
            checks.append(Check(title, f"can't be looked up: {zone.problem}", "", remedy, WARNING, about, variable))
        elif zone.domain is None:
            remedy = "aws route53 list-hosted-zones shows those that are there (is it this account?)"
            checks.append(
                Check(title, "doesn't exist", "a zone of the regionals' domains", remedy, FAILED, about, variable)
            )
    domains = [zone.domain for zone in s.zones if zone.domain]
    if not domains or checks:
        return checks
    homeless = [
        one
        for one in s.everyone
        if one.external_dns == EXTERNAL_DNS_OF.get(s.dns_method)
        and not any(f".{one.domain}".lower().endswith(f".{domain}") for domain in domains)
    ]
    if homeless:
        found = (
            f"external-dns may write to {some(domains)}, and {some(str(one.domain) for one in homeless)} isn't in there"
        )
        remedy = "the zone of that domain, or regional_external_dns: none for a regional whose records are made by hand"
        hosts = tuple(one.host for one in homeless)
        return [Check("hosted zones", found, "every regional's domain in one", remedy, FAILED, hosts, variable)]
    return [Check("hosted zones", f"{', '.join(f'{zone.id} is {zone.domain}' for zone in s.zones)}")]
