# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules of the management cluster, kof's own and users', and what each says of which clusters.

The rules are the VMRules; their states are vmalert's to tell, which is asked by what it is given. Pure but for that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import kept_by
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import fleet_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig, from_json, maps_of
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

#: The worst first; `unknown`: vmalert wasn't asked, or doesn't know the rule.
FIRING, PENDING, BROKEN, NEVER, UNKNOWN, INACTIVE = "firing", "pending", "broken", "never fires", "unknown", "inactive"
STATES = (FIRING, PENDING, BROKEN, NEVER, UNKNOWN, INACTIVE)
#: A selector of series that lack a label which all series of these metrics have: by metric's beginning, the label.
_WITHOUT_A_NAMESPACE = re.compile(r"\b(?:kube|kubelet)_[a-z_]+\{[^}]*\bnamespace\s*=~?\s*(?:\"\"|'')")

Object = Mapping[str, Any]
#: What vmalert says, by group and alert: rules in their order, each with the file that it is from. Several VMRules may
#: have a group of the same name, and a group several alerts of one (a warning, and a critical one).
Told = Mapping[tuple[str, str], Sequence[Object]]


@dataclass(frozen=True)
class Rule:
    """An alert rule.

    :ivar owner: `kof` for its charts', `fleet <name>` for what an inventory says, else `others`.
    :ivar state: one of STATES.
    :ivar why: of one that is broken or never fires.
    :ivar clusters: where it fires or is about to, each with since when (RFC 3339); "" for an alert about none.
    :ivar code: of kof/findings.py, for what somebody has to mend.
    """

    vmrule: str
    group: str
    alert: str
    severity: str
    owner: str
    state: str
    why: str = ""
    clusters: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


def told_by_vmalert(body: bytes) -> Told | None:
    """vmalert's answer to /api/v1/rules; None for what isn't its answer."""
    found: dict[tuple[str, str], list[Object]] = {}
    try:
        for group in from_json(body)["data"]["groups"]:
            for rule in group["rules"]:
                if rule["type"] == "alerting":
                    firing = [{**each, "labels": {**(each.get("labels") or {})}} for each in rule.get("alerts") or ()]
                    told = {**rule, "alerts": firing, "file": str(group.get("file") or "").rpartition("/")[2]}
                    found.setdefault((group["name"], rule["name"]), []).append(told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found


def rules(vmrules: Sequence[Object], told: Told | None, label: str) -> list[Rule]:
    """Every alert rule, the worst first.

    :param told: of vmalert; None where it couldn't be asked.
    :param label: that names the cluster.
    """
    files = {_file_of(item) for item in vmrules}
    found = [each for item in vmrules for each in _of(item, told or {}, files, label)]
    return sorted(found, key=lambda each: (STATES.index(each.state), each.vmrule, each.alert))


def _file_of(item: Object) -> str:
    """What the operator calls the file that it makes of a VMRule for vmalert."""
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}-{meta['name']}.yaml"


def _of(item: Object, told: Told, files: Collection[str], label: str) -> Iterator[Rule]:
    fleet = fleet_of(item)
    owner = f"fleet {fleet}" if fleet else "kof" if (kept_by(item) or "").startswith("helm release kof") else "others"
    refused = str(dig(item, ("status", "lastSyncError")) or "")
    seen = Counter[tuple[str, str]]()
    for group in maps_of(dig(item, ("spec", "groups"))):
        name = str(group.get("name", ""))
        for rule in maps_of(group.get("rules")):
            if rule.get("alert"):
                alert, severity = str(rule["alert"]), str(dig(rule, ("labels", "severity")) or "")
                all_of_it, number = told.get((name, alert), ()), seen[name, alert]
                mine = [each for each in all_of_it if each["file"] == _file_of(item)]
                mine = mine or [each for each in all_of_it if each["file"] not in files]
                known = mine[number] if number < len(mine) else None
                seen[name, alert] += 1
                plain = Rule(item["metadata"]["name"], name, alert, severity, owner, UNKNOWN)
                yield _judged(plain, str(rule.get("expr") or ""), refused, known, label)


def _judged(rule: Rule, expression: str, refused: str, known: Object | None, label: str) -> Rule:
    """With its state; known: what vmalert says of it."""
    if refused:
        why = one_line(f"the operator leaves it out: {refused}")
        return replace(rule, state=BROKEN, why=why, code="alert-rules-refused")
    if _WITHOUT_A_NAMESPACE.search(expression):
        why = "it selects series without a namespace, of which there are none"
        return replace(rule, state=NEVER, why=why, code="alert-rule-never-fires")
    if known is None:
        return rule
    if known.get("health") == "err":
        return replace(rule, state=BROKEN, why=one_line(str(known.get("lastError", ""))), code="alert-rule-fails")
    clusters = {str(each["labels"].get(label, "")): str(each.get("activeAt", "")) for each in known["alerts"]}
    state = str(known.get("state"))
    return replace(rule, state=state if state in (FIRING, PENDING) else INACTIVE, clusters=clusters)


def lines(found: Sequence[Rule]) -> list[str]:
    """What a person reads: all that isn't inactive, with what is, counted."""
    told = []
    for each in found:
        if each.state == INACTIVE:
            continue
        of = [
            f"{cluster or 'no cluster'} since {since}" if since else cluster for cluster, since in each.clusters.items()
        ]
        about = f": {some(of)}" if of else f": {each.why} [{each.code}]" if each.why else ""
        severity = f", {each.severity}" if each.severity else ""
        told.append(f"{each.state:<12} {each.alert} ({each.vmrule}, {each.owner}{severity}){about}")
    counts = ((state, sum(each.state == state for each in found)) for state in STATES)
    summary = ", ".join(f"{count} {state}" for state, count in counts if count)
    return [*told, f"{len(found)} alert rules: {summary}" if found else "no alert rules"]
