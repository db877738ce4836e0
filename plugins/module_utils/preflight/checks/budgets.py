# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets that all regions of a fleet share, and that a large fleet uses up: promxy's, Let's Encrypt's, Route 53's.

Each row says the number, the limit with its source, and what to do. Only the Secret's size stops a run: the other
limits make it slow, or can be raised where we can't see it. Pure, and never more than one pass over the regions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.quantities import quantity
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import of_config
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import SECRET_LIMIT
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Facts
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Situation, Subject
from ansible_collections.k0rdent.kof.plugins.module_utils.report.row import FAILED, WARNING, Check

#: Share of a budget from which on it is worth a warning.
FULL = Fraction(8, 10)

#: Seconds of one reload, as between "Reloading" and "Reloaded" in the operator's log in pull request 1124 of kof (a
#: newer operator, few groups). That it doesn't grow with the groups is assumed, and in favour of the fleet.
RELOAD_SECONDS = 5
#: Our own choice (s): half of the 20 minutes that kof's documentation waits for a new cluster. Until then nobody waits
#: for the reloads of new regions, and a correction made meanwhile isn't stuck behind them for longer.
RELOADS_LIMIT = 600

MI = 1024 * 1024
#: An estimate, not a measurement: kof only says that promxy was killed for its memory with two clusters already, that
#: more clusters take more, and raised the chart's 128Mi to 512Mi and then 2Gi (its issue 495, pull request 491).
#: promxy holds the answers of all regions to a query at once. 4Mi is one answer of 100,000 samples (400 series over an
#: hour, at 15 s), each 16 bytes and about 25 more as JSON; promxy itself gets half of what the chart gives it.
PROMXY_MEMORY, PROMXY_MEMORY_A_REGION = 64 * MI, 4 * MI
#: The least that is proposed (bytes); doubled until it is enough.
PROPOSED_MEMORY = 256 * MI

#: Let's Encrypt's: new certificates per registered domain in CERTIFICATE_DAYS, whoever asks for them; renewals don't
#: count (letsencrypt.org/docs/rate-limits). Its 300 orders per account in 3 hours don't matter here: each regional
#: cluster has a ClusterIssuer and thus an account of its own.
CERTIFICATES = 50
CERTIFICATE_DAYS = 7
#: vmauth.<domain> and grafana.<domain>.
CERTIFICATES_A_REGION = 2
#: Second labels under which countries register names: example.co.uk is registered, co.uk is not.
REGISTRIES = frozenset({"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"})

#: Requests a second per AWS account, all callers together, with bursts of 50 (AWS, Throttling for Amazon Route 53 API
#: requests). It was 5 for years, and most pages still say so.
ROUTE53_LIMIT = 10
#: Records that one ListResourceRecordSets answers with (AWS, Route 53 API reference).
RECORDS_A_PAGE = 300
#: Of one region: two names, each with two TXT records of external-dns 0.15 (its docs, the TXT registry).
RECORDS_A_REGION = 6
#: external-dns' own, and that of its chart.
INTERVAL = "1m"


def promxy_config_size(s: Situation) -> list[Check]:
    """The config of all regions is one Secret, and a Secret has a limit."""
    if not s.regionals or s.render_promxy_config is None or s.unread("PromxyServerGroup"):
        return []
    groups = _groups(s)
    if not groups:
        return []
    size = len(s.render_promxy_config(list(groups.values()), _credentials(s.facts)).encode())
    share = Fraction(size, SECRET_LIMIT)
    found = f"{size:,} bytes for {_regions(len(groups))}, {float(share):.0%} of a Secret"
    wanted = f"at most {SECRET_LIMIT:,} bytes (Kubernetes, any Secret)"
    remedy = f"spread the regions over several management clusters: one takes about {int(len(groups) / share):,}"
    about = tuple(one.host for one in s.regionals)
    if share > 1:
        return [Check("promxy config", found, wanted, remedy, FAILED, about)]
    if share > FULL:
        return [Check("promxy config", found, wanted, remedy, WARNING, about)]
    return [Check("promxy config", found, wanted)]


def promxy_reloads(s: Situation) -> list[Check]:
    """The operator of kof 0.1.1 rewrites the config and reloads promxy for each group that changes, one by one."""
    if not s.regionals or s.unread("PromxyServerGroup"):
        return []
    live = {group["metadata"]["name"]: group for group in s.facts.promxy_server_groups}
    reloads = len(s.groups_going) + sum(_differs(group, live.get(group["metadata"]["name"])) for group in s.groups)
    found = f"{reloads:,} by this run, {_time(reloads * RELOAD_SECONDS)}" if reloads else "none by this run"
    wanted = f"at most {_time(RELOADS_LIMIT)}, at {RELOAD_SECONDS} s each (kof pull request 1124)"
    if reloads * RELOAD_SECONDS <= RELOADS_LIMIT:
        return [Check("promxy reloads", found, wanted)]
    batch = RELOADS_LIMIT // RELOAD_SECONDS
    remedy = f"""batches: -e '{{"kof_serial": [1, {batch}]}}'; until its turn promxy doesn't show a region's change"""
    return [Check("promxy reloads", found, wanted, remedy, WARNING)]


def promxy_memory(s: Situation) -> list[Check]:
    """What promxy needs grows with the regions, and the chart gives it little: an estimate against its limit.

    The live Deployment's limit counts where this run doesn't install the mothership, else what it will install.
    """
    if not s.regionals or s.unread("PromxyServerGroup"):
        return []
    limit, whose = s.promxy_memory, "this inventory's"
    if "mothership" not in s.layers and s.facts.promxy_deployment:
        limit, whose = _memory_of(s.facts.promxy_deployment), "the live one"
    regions = len(_groups(s))
    estimate = PROMXY_MEMORY + regions * PROMXY_MEMORY_A_REGION
    found = f"about {estimate // MI}Mi for {_regions(regions)}"
    has = None if limit is None else quantity(limit)
    if limit is None or (has is not None and estimate <= has * FULL):
        told = "it has no limit" if limit is None else f"at most 80% of its limit, {limit}"
        return [Check("promxy memory", found, f"{told} (estimate, kof issue 495)")]
    proposed = PROPOSED_MEMORY
    while estimate > proposed * FULL:
        proposed *= 2
    text = f"{proposed // MI}Mi" if proposed < 1024 * MI else f"{proposed // MI // 1024}Gi"
    wanted = f"at most 80% of its limit, {limit}, {whose} (estimate, kof issue 495)"
    if has is None:
        wanted = f"a Kubernetes quantity as its limit, which {limit!r} isn't"
    remedy = f"mothership_values: {{promxy: {{resources: {{limits: {{memory: {text}}}}}}}}}, by the mothership playbook"
    return [Check("promxy memory", found, wanted, remedy, WARNING, (), "mothership_values")]


def certificates(s: Situation) -> list[Check]:
    """New regions take two certificates each, of those that Let's Encrypt gives under one registered domain in a week.

    kof 0.1.1 hard-wires Let's Encrypt's production. A region is new if it isn't live, or is live under another domain;
    live ones count for a week from their creation. What others got under the domain can't be known here, nor a higher
    limit that somebody has been given: so this never stops a run.
    """
    if not s.regionals or s.unread("ClusterDeployment"):
        return []
    domains = s.live_domains
    known = {one.name: one for one in s.everyone if one.layer == "regional"}
    since = s.facts.now and (s.facts.now - timedelta(days=CERTIFICATE_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    used: Counter[str] = Counter()
    for name, domain in domains.items():
        if since and s.live[name]["metadata"].get("creationTimestamp", "") >= since:
            used[registered(domain)] += _certificates(known.get(name))
    new: dict[str, list[int]] = {}
    for one in s.regionals:
        live = domains.get(one.name) if one.name in s.live else ""
        if live is not None and live.lower() != (one.domain or "").lower():
            new.setdefault(registered(one.domain or ""), []).append(_certificates(one))
    wanted = f"at most {CERTIFICATES} under a domain in {CERTIFICATE_DAYS} days (letsencrypt.org/docs/rate-limits)"
    total = {domain: used[domain] + sum(each) for domain, each in new.items()}
    checks = []
    for domain, number in total.items():
        if number > CERTIFICATES:
            fit = _fitting(new[domain], CERTIFICATES - used[domain])
            found = f"{number:,} under {domain}: {_regions(len(new[domain]), 'new region')}"
            found += f", and {used[domain]} in the last {CERTIFICATE_DAYS} days" if used[domain] else ""
            weekly = CERTIFICATES // CERTIFICATES_A_REGION
            remedy = (
                f"{_regions(fit, 'new region')} fit this week (--limit), then {weekly} a week; "
                "or several domains, or a higher limit from Let's Encrypt"
            )
            checks.append(Check("certificates", found, wanted, remedy, WARNING, (), "regional_domain"))
    if checks:
        return checks
    most = max(total, key=lambda domain: total[domain], default=None)
    return [Check("certificates", f"{total[most]} under {most}" if most else "no new ones", wanted)]


def route53_requests(s: Situation) -> list[Check]:
    """The external-dns of all regions poll Route 53, and AWS counts the requests of an account together.

    At each interval one lists the zones (ListHostedZones) and their records (ListResourceRecordSets, by pages), which
    all regions share: so twice the regions are up to four times the requests. Assumed: one account, no other callers,
    no zones beside those of dns_credentials_hosted_zones. Of live regions that the inventory doesn't have, only those
    with the DNS Secret are seen, and they count with the default interval.
    """
    regions = [one.storage_values.get("external-dns") for one in s.everyone if one.layer == "regional"]
    polls = Counter(_poll(values) for values in regions if isinstance(values, Mapping) and _uses_route53(values))
    if not s.regionals or s.unread("ClusterDeployment") or not polls:
        return []
    known = {one.name for one in s.everyone}
    label = s.release.dns.label
    for name in s.live_domains:
        if name not in known and of_config(s.live[name], "clusterLabels").get(label) == "true":
            polls[_poll({})] += 1
    number = sum(polls.values())
    pages = max(s.hosted_zones, 1) - 1 + math.ceil(number * RECORDS_A_REGION / RECORDS_A_PAGE)
    rate = sum(many * (1 / zones + pages / records) for (zones, records), many in polls.items())
    told = f"{float(rate):,.0f}" if rate >= 10 else f"{float(rate):.2g}"
    found = f"{told} a second for {_regions(number)}, {1 + pages} a poll"
    wanted = f"at most {ROUTE53_LIMIT} a second for an account (AWS, Route 53 API throttling)"
    if rate <= ROUTE53_LIMIT * FULL:
        return [Check("Route 53 requests", found, wanted)]
    minutes = math.ceil(number * (1 + pages) / (ROUTE53_LIMIT * FULL) / 60)
    # The spaces let a table break the line where YAML may be broken.
    values = f"extraArgs: [ --aws-zones-cache-duration=1h ], interval: {minutes}m, triggerLoopOnEvent: true"
    remedy = f"for all regions regional_service_values: {{kof-storage: {{external-dns: {{{values}}}}}}}"
    return [Check("Route 53 requests", found, wanted, remedy, WARNING, (), "regional_service_values")]


def registered(domain: str) -> str:
    """The registered domain of a name: its last two labels, three under a country's second label such as co.uk.

    Let's Encrypt goes by the Public Suffix List, which isn't here: other second labels (kyoto.jp) and suffixes that
    companies registered for their customers (a dynamic DNS service's) are taken for registered domains.
    """
    labels = domain.lower().rstrip(".").split(".")
    under_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in REGISTRIES
    return ".".join(labels[-3:] if under_country else labels[-2:])


def _groups(s: Situation) -> dict[str, Mapping[str, Any]]:
    """The PromxyServerGroups that promxy has after the run, by name."""
    going, label = s.groups_going, s.release.promxy.label
    groups: dict[str, Mapping[str, Any]] = {
        group["metadata"]["name"]: group
        for group in s.facts.promxy_server_groups
        if group["metadata"]["name"] not in going and label in (group["metadata"].get("labels") or {})
    }
    groups.update({group["metadata"]["name"]: group for group in s.groups})
    return groups


def _differs(group: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    if live is None:
        return True
    labels = live["metadata"].get("labels") or {}
    return group["spec"] != live.get("spec") or not group["metadata"].get("labels", {}).items() <= labels.items()


def _credentials(facts: Facts) -> dict[str, tuple[str, str]]:
    """User name and password by Secret. One that isn't there yet is left out, and shows as text of about its length."""
    return {
        name: tuple(data.get(key, b"").decode(errors="replace") for key in ("username", "password"))  # type: ignore[misc]
        for name, data in facts.secrets.items()
        if data
    }


def _memory_of(deployment: Mapping[str, Any]) -> Any:
    """The memory limit of a Deployment's container promxy; None where it has none."""
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        if container["name"] == "promxy":
            return ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return None


def _certificates(one: Subject | None) -> int:
    """How many certificates a region asks Let's Encrypt for; as the chart does, where its values aren't known."""
    values = one.storage_values if one else {}
    if _off(values, "cert-manager"):
        return 0
    vmauth = not _off(values, "victoriametrics") and not _off(values, "victoriametrics", "vmauth")
    grafana = not _off(values, "grafana") and not _off(values, "grafana", "ingress")
    return vmauth + grafana


def _off(values: Any, *path: str) -> bool:
    for key in (*path, "enabled"):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values is False


def _fitting(new: list[int], left: int) -> int:
    """How many of the new regions, in their order, find their certificates among those left."""
    for number, each in enumerate(new):
        left -= each
        if left < 0:
            return number
    return len(new)


def _uses_route53(values: Mapping[str, Any]) -> bool:
    """Whether external-dns with these values of its chart runs, and with AWS."""
    provider = values.get("provider", "aws")
    name = provider.get("name", "aws") if isinstance(provider, Mapping) else provider
    return values.get("enabled") is True and name == "aws"


def _poll(values: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """How often (s) external-dns with these values lists the zones, and their records: at intervals, unless cached."""
    arguments = values.get("extraArgs")
    given = dict(str(each).partition("=")[::2] for each in arguments) if isinstance(arguments, list) else {}
    interval = _seconds(values.get("interval")) or _seconds(INTERVAL)
    zones = _seconds(given.get("--aws-zones-cache-duration"))
    return max(interval, zones), max(interval, _seconds(given.get("--provider-cache-time")))


def _seconds(duration: Any) -> Fraction:
    """A Go duration in seconds; 0 for anything else."""
    if not isinstance(duration, str) or syntax.go_duration(duration):
        return Fraction(0)
    return Fraction(syntax.nanoseconds(duration), 10**9)


def _regions(number: int, what: str = "region") -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def _time(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} min"
