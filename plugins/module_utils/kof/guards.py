# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run may not do to an object that is there, whatever is wanted: every writer hands these guards to the engine.

Each looks at the live object and the wanted one and answers None or why not. Pure: no request is made here, and nothing
of the run is known but what is given. Preflight asks the same guards early; what counts is the answer at the act.
Sources: kcm's MultiClusterService controller (a cluster that no longer matches loses its services, with their data),
kof's charts from 0.2 on, which select clusters by label, and the StatefulSets of kof-storage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import quantities
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.ownership import HANDS, entries, handover, own_entry
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import external_dns
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import (
    MANAGED_BY,
    PART_OF,
    ROLE_LABEL,
    fleet_of,
    gitops_keeper,
    of_config,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import ways
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.plain import dig as _dig

#: Extra variables of one run that allow what a guard forbids.
TAKE_OVER, DANGEROUS = "kof_take_over_fleet", "kof_dangerous_changes"
#: And those by which what is of no file, or of no variable, any more goes.
PRUNE, PRUNE_RULES = "kof_dashboards_prune", "kof_alert_rules_prune"

#: Charts and clusters with and without Istio have other services under other names: those of before are uninstalled.
ISTIO_LABELS = ("istio-injection", f"{KCM_GROUP}/istio-role")
#: What kof 0.2 and later read from a cluster's own settings instead of from services.
_SETTINGS_PREFIX = f"{KCM_GROUP}/kof-"
#: Services of kof, of any release known here: without them a cluster stores or sends nothing. By name, the values of
#: each that its volumes can't follow.
_KOF_SERVICES: dict[str, set[tuple[str, ...]]] = {}
#: By name, those that only grow, with what they are where nothing is said.
_GROWING: dict[str, dict[tuple[str, ...], object]] = {}
for _service in (each for release in RELEASES.values() for of_layer in release.services.values() for each in of_layer):
    _KOF_SERVICES.setdefault(_service.name, set()).update(_service.fixed_values)
    _GROWING.setdefault(_service.name, {}).update(_service.growing_values)
#: Software that makes kof's objects too, and would make them again.
OTHER_MANAGERS = ("kof-operator", "promxy-operator")
#: The kinds of which one object is one cluster's. A namespace only gets labels from us.
_KINDS = ("ClusterDeployment", "PromxyServerGroup", "GrafanaDatasource", "GrafanaDashboard", "VMRule")
_HELM_RELEASE = "meta.helm.sh/release-name"


@dataclass(frozen=True)
class Permissions:
    """What the extra variables of this one run allow.

    :ivar take_over: fleets whose objects may become this fleet's, or be deleted as if they were.
    :ivar dangerous: names of clusters (or namespaces) of which dangerous changes may be made.
    :ivar prune_dashboards: dashboards of no file any more may be deleted.
    :ivar prune_alert_rules: rules of alerts of no variable any more may be deleted.
    """

    take_over: frozenset[str] = frozenset()
    dangerous: frozenset[str] = frozenset()
    prune_dashboards: bool = False
    prune_alert_rules: bool = False


def of_writing(fleet: str, permissions: Permissions, hands: Sequence[str] = HANDS) -> tuple[Guard, ...]:
    """The guards of every object that this collection writes.

    :param fleet: of this run.
    :param hands: field managers that are people (see Policy.drift_managers): what they hold an apply may take away.
    """
    return (
        another_fleet(fleet, permissions),
        kept_by_others,
        kept_by_gitops,
        other_style,
        dangerous_changes(permissions, hands),
    )


def of_deleting(fleet: str, permissions: Permissions) -> tuple[Guard, ...]:
    """The guards of every object that this collection deletes. What goes with a cluster is what deleting it means."""
    return (another_fleet(fleet, permissions),)


def another_fleet(fleet: str, permissions: Permissions) -> Guard:
    """An object of another fleet isn't ours. All fleets share one field manager, so the API server would allow it."""

    def guard(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
        theirs = fleet_of(live)
        if theirs is None or theirs == fleet or theirs in permissions.take_over:
            return None
        return (
            f"belongs to fleet {theirs} (label {PART_OF}), and this run's fleet is {fleet}: use another name, or, "
            f"if {fleet} is to take it over, pass -e {TAKE_OVER}={theirs}"
        )

    return guard


def kept_by_others(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
    """What other software makes of kof's kinds it would make again. A namespace only gets labels from us."""
    if live.get("kind") not in _KINDS:
        return None
    keeper = kept_by(live)
    return f"belongs to {keeper}: use another name, or remove it there" if keeper else None


def kept_by_gitops(live: Mapping[str, Any], _wanted: Mapping[str, Any] | None) -> str | None:
    """What a GitOps controller keeps it would put back. Asked of what differs only: ours may be there by way of Git."""
    keeper = gitops_keeper(live) if live.get("kind") in _KINDS else None
    return (
        f"kept by {keeper}, which puts back whatever others change: change it there, or take it out of there first"
        if keeper
        else None
    )


def kept_by(live: Mapping[str, Any]) -> str | None:
    """Which other software keeps an object, as its labels and annotations tell; None for a person's or nobody's."""
    metadata = live["metadata"]
    release = (metadata.get("annotations") or {}).get(_HELM_RELEASE)
    if release:
        return f"helm release {release}"
    manager = (metadata.get("labels") or {}).get(MANAGED_BY)
    return manager if manager in OTHER_MANAGERS else None


def other_style(live: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> str | None:
    """A cluster of which kof is told in another way than it was."""
    before, after = style_of(live), style_of(wanted or {})
    if before is None or after is None:
        return None
    if before == after:
        # Of one style there may be two lines.
        return ways.hindrance(*(_services(each or {}, disabled=None).values() for each in (live, wanted)))
    if before == "labels":
        return (
            f"was made for kof 0.2 or later, which {_mark(live)} tells what to install: this release of kof writes the "
            "services itself, and that would uninstall kof with its data. Use the kof_version it was made with"
        )
    return (
        "was made for kof before 0.2, with kof's services in its spec: a release that goes by "
        f"{ROLE_LABEL} would uninstall them with their data. Use the kof_version it was made with"
    )


def style_of(item: Mapping[str, Any]) -> str | None:
    """How a ClusterDeployment says that kof is wanted: labels (kof 0.2 and later) or direct (its services); None for
    any other object, and where it doesn't say."""
    if item.get("kind") != "ClusterDeployment":
        return None
    if _mark(item):
        return "labels"
    return "direct" if ways.MAIN_SERVICES & {name for _namespace, name in _services(item, disabled=None)} else None


def _mark(item: Mapping[str, Any]) -> str | None:
    """What makes a ClusterDeployment one of kof 0.2 or later: its label, or the settings that kof reads there."""
    for labels in (item["metadata"].get("labels") or {}, of_config(item, "clusterLabels")):
        if ROLE_LABEL in labels:
            return f"the label {ROLE_LABEL}"
    settings = (key for key in of_config(item, "clusterAnnotations") if key.startswith(_SETTINGS_PREFIX))
    key = next(settings, None)
    return f"the cluster annotation {key}" if key else None


def dangerous_changes(permissions: Permissions, hands: Sequence[str] = HANDS) -> Guard:
    """A change that takes data or a working kof away from a live cluster, and hides in an ordinary update."""

    def guard(live: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> str | None:
        name = live["metadata"]["name"]
        if wanted is None or name in permissions.dangerous:
            return None
        dangers = [*_label_dangers(live, wanted, hands), *_service_dangers(live, wanted)]
        if not dangers:
            return None
        return f"dangerous change: {'; '.join(dangers)}. If that is meant, pass -e {DANGEROUS}={name}"

    return guard


def _label_dangers(live: Mapping[str, Any], wanted: Mapping[str, Any], hands: Sequence[str]) -> Iterator[str]:
    if live.get("kind") not in ("ClusterDeployment", "Namespace"):
        return
    before, after = live["metadata"].get("labels") or {}, wanted["metadata"].get("labels") or {}
    for label in (ROLE_LABEL, *ISTIO_LABELS):
        if label not in before:
            # A role on a cluster that has none adds kof; Istio on one that has none moves its kof to other releases.
            if label in after and label in ISTIO_LABELS:
                yield f"label {label} would come"
        elif label in after:
            if after[label] != before[label]:
                yield f"label {label} would change from {before[label]} to {after[label]}"
        elif _goes(live, wanted, ("metadata", "labels", label), hands):
            yield f"label {label} would go"


def _goes(live: Mapping[str, Any], wanted: Mapping[str, Any], steps: Sequence[str], hands: Sequence[str]) -> bool:
    """Would an apply of ours take away the field at `steps`, which isn't wanted: is it ours, or a hand's that we take
    over, and nobody else's?"""
    mine = own_entry(dict(live))
    transfer = handover(dict(wanted), dict(live), "", hands)
    others = transfer.managed_fields[:-1] if transfer else [each for each in entries(dict(live)) if each is not mine]
    ours = [
        (mine or {}).get("fieldsV1") or {},
        *(trie for _manager, _time, trie in (transfer.taken if transfer else ())),
    ]
    return any(_owns(trie, steps) for trie in ours) and not any(_owns(each.get("fieldsV1"), steps) for each in others)


def _owns(trie: Any, steps: Sequence[str]) -> bool:
    for step in steps:
        trie = (trie or {}).get(f"f:{step}")
    return trie is not None


def _service_dangers(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    if live.get("kind") != "ClusterDeployment":
        return
    before, after, off = _services(live), _services(wanted), _services(wanted, disabled=True)
    for (namespace, name), service in before.items():
        if name not in _KOF_SERVICES:
            continue
        if (namespace, name) not in after:
            elsewhere = next((space for space, other in after if other == name), None)
            how = f"moved to namespace {elsewhere}, that is uninstalled in {namespace}" if elsewhere else "uninstalled"
            how += ", with its data: it is disabled" if (namespace, name) in off and not elsewhere else ""
            yield f"service {name} would be {how}"
        else:
            fixed = _fixed_values_changed(name, service, after[namespace, name])
            if fixed:
                yield f"service {name} can't take another {fixed}: it would be installed anew, without its data"
            for path, was, now in _shrinking(name, service, after[namespace, name]):
                yield (
                    f"service {name} would shrink {path} from {was} to {now}: volumes stay as they are, and with a "
                    "replica goes what is stored on it"
                )
    owners = [external_dns.owner_there(each) for each in (live, wanted)]
    was, comes = (external_dns.DEFAULT_OWNER if each == external_dns.AS_IT_WAS else each for each in owners)
    if was is not None and comes is not None and was != comes:
        yield (
            f"external-dns would own records as {comes} and leave those that it made as {was} alone for ever (to keep "
            f"that: regional_external_dns_owner: {was})"
        )


def _services(item: Mapping[str, Any], *, disabled: bool | None = False) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The services of a ClusterDeployment, by namespace (in v1alpha1 by default the name) and name.

    :param disabled: which: False for those that are on, True for those that are off, None for all.
    """
    services = ((item.get("spec") or {}).get("serviceSpec") or {}).get("services") or []
    return {
        (service.get("namespace") or service.get("name", ""), service.get("name", "")): service
        for service in services
        if disabled is None or bool(service.get("disable")) is disabled
    }


def _fixed_values_changed(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The first value in which two specs of a service differ, and that the volumes of its StatefulSets can't follow."""
    paths = _KOF_SERVICES[name]
    if not paths or before.get("values") == after.get("values"):
        return None
    old, new = _values(before), _values(after)
    for path in sorted(paths):
        # Where nothing was said the chart or the cluster chose, which can't be seen from here.
        was = _dig(old, path)
        if was is not None and _dig(new, path) != was:
            return ".".join(path)
    return None


def _shrinking(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Values of a service that would become less, and may only grow: path, what it was, what it would be."""
    if not _GROWING[name] or before.get("values") == after.get("values"):
        return
    old, new = _values(before), _values(after)
    if old is not None and new is not None:
        yield from quantities.shrinking(old, new, _GROWING[name])


def _values(service: Mapping[str, Any]) -> Any:
    text = service.get("values") or ""
    try:
        return foreign_yaml.read(text) if "{{" not in text else None
    except (foreign_yaml.NotYaml, TypeError):
        return None
