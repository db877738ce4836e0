# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS records that reach regional clusters: which there have to be, how they resolve, and what is to be done about
them in Route 53. Pure: who asks resolvers and AWS hands in what they said.

A record of ours has a TXT record beside it, `_k0rdent-kof.<name>`, with the fleet and, by type, a hash of the values:
so only what a run wrote is ever taken away, and not if somebody has changed it since. external-dns has TXT records too
(as 0.23 writes them; older ones by their sources): `<type>-<name>`, up to 0.17 `<name>` too, any of them with a prefix
or suffix of its user's, in which the type may stand. An alias' type is its own; up to 0.21, of an A record cname.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.names import Answer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.dns_records import NAMES, dns_records
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import some

PRESENT, ABSENT = "present", "absent"
#: Of whom records may be replaced, where that is said.
EXTERNAL_DNS, OTHERS = "external_dns", "others"
TYPES = ("A", "AAAA", "CNAME")
MARK = "_k0rdent-kof"
_HERITAGE, _OURS = "heritage=external-dns", "heritage=k0rdent.kof"
_OWNER = "external-dns/owner="
#: What external-dns puts before a name, but where its user's affix has it.
_TYPED = tuple(f"{kind.lower()}-" for kind in TYPES)
#: What it says where it encrypts: base64 of a nonce and some hundred bytes.
_ENCRYPTED = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
#: What became of a name.
RIGHT, MISSING, WRONG, UNKNOWN = "right", "missing", "wrong", "unknown"


@dataclass(frozen=True)
class Zone:
    """A hosted zone.

    :ivar domain: lower case, without the last dot.
    :ivar sets: its resource record sets as boto3 lists them.
    """

    id: str
    domain: str
    sets: Sequence[Mapping[str, Any]] = ()

    @functools.cached_property
    def at(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Its record sets by name."""
        found = defaultdict(list)
        for each in self.sets:
            found[_name(each)].append(each)
        return dict(found)

    @functools.cached_property
    def registered(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """TXT records of external-dns by each domain above them: what stands before that one in their names, and as
        whom it owns what they tell of (empty where it encrypts that)."""
        found = defaultdict(list)
        for each in self.sets:
            if each["Type"] != "TXT":
                continue
            owner = next((owner for owner in map(_registered, _raw(each)) if owner is not None), None)
            left, parent = "", _name(each)
            while owner is not None and parent:
                label, _dot, parent = parent.partition(".")
                left = f"{left}.{label}" if left else label
                found[parent].append((left, owner))
        return dict(found)


@dataclass(frozen=True)
class Set:
    """A resource record set of an address or an alias.

    :ivar values: as Route 53 has them; of an alias its target.
    :ivar alias: the hosted zone of an alias' target.
    :ivar health: Route 53 looks after the health of an alias' target.
    :ivar policy: a routing policy stands with it.
    """

    type: str
    values: tuple[str, ...]
    alias: str = ""
    health: bool = False
    policy: bool = False

    def is_as(self, values: Iterable[str]) -> bool:
        """Whether it leads there: an alias to a host name of a load balancer is as good as a CNAME, and AWS puts
        `dualstack.` before it."""
        return {*map(_plain, self.values)} == {*map(_plain, values)}

    def __str__(self) -> str:
        return f"{'alias' if self.alias else self.type} {some(self.values)}"


@dataclass(frozen=True)
class Step:
    """One call of amazon.aws.route53.

    :ivar values: those that are there, of a deletion: Route 53 refuses it where they aren't any more.
    """

    state: str
    zone: str
    record: str
    type: str
    values: tuple[str, ...]
    alias: str = ""
    health: bool = False

    def options(self, ttl: int) -> dict[str, Any]:
        """The module's options."""
        found: dict[str, Any] = {"state": self.state, "hosted_zone_id": self.zone}
        found |= {"record": self.record, "type": self.type, "value": list(self.values)}
        if self.alias:
            of_alias = {"alias_hosted_zone_id": self.alias, "alias_evaluate_target_health": self.health}
            return {**found, "alias": True, **of_alias}
        return {**found, "ttl": ttl} if self.state == PRESENT else found


@dataclass
class Name:
    """One name of a regional cluster.

    :ivar wanted: values by type.
    :ivar external_dns: the cluster has one, whose records these are.
    :ivar state: RIGHT, MISSING, WRONG or UNKNOWN, by the resolver; empty where it wasn't asked.
    :ivar why: of that.
    :ivar refused: why nothing is done about it in Route 53.
    :ivar by_hand: what to do about that, where no option of ours helps.
    :ivar steps: what is to be done there.
    """

    host: str
    name: str
    wanted: Mapping[str, tuple[str, ...]]
    external_dns: bool
    state: str = ""
    why: str = ""
    refused: str = ""
    by_hand: str = ""
    steps: list[Step] = field(default_factory=list)


def names_of(
    host: str, domain: str, ingress: Sequence[Mapping[str, Any]] | None, *, external_dns: bool
) -> Iterator[Name]:
    """The names of a regional cluster.

    :param ingress: `status.loadBalancer.ingress` of the ingress' Service; None where that doesn't matter.
    :raises NoAddress: there is none in it.
    """
    wanted: dict[str, dict[str, list[str]]] = {f"{name}.{domain}": {} for name in NAMES}
    for each in dns_records(ingress, domain) if ingress is not None else ():
        wanted[each["name"]].setdefault(each["type"], []).append(each["value"])
    for name, by_type in wanted.items():
        values = {kind: tuple(dict.fromkeys(found)) for kind, found in by_type.items()}
        yield Name(host, name, values, external_dns)


def judge(name: Name, answers: Mapping[str, Answer]) -> None:
    """Say of a name how it resolves.

    :param answers: of the name, and of the host name that it is to lead to.
    """
    answer = answers[name.name]
    target = next(iter(name.wanted.get("CNAME", ())), "").lower()
    wanted = frozenset(value for kind in ("A", "AAAA") for value in name.wanted.get(kind, ()))
    behind = answers[target].addresses if target else frozenset()
    leads = answer.aliases[-1] if answer.aliases else some(sorted(answer.addresses))
    if answer.problem:
        name.state, name.why = UNKNOWN, answer.problem
    elif not answer.addresses and not answer.aliases:
        name.state, name.why = MISSING, "doesn't resolve"
    elif target and (target in answer.aliases or answer.addresses & behind):
        name.state, name.why = RIGHT, f"leads to {target}"
    elif wanted and answer.addresses == wanted:
        name.state, name.why = RIGHT, f"leads to {some(sorted(wanted))}"
    elif wanted & answer.addresses:
        lacks, more = sorted(wanted - answer.addresses), sorted(answer.addresses - wanted)
        told = [f"lacks {some(lacks)}"] * bool(lacks) + [f"leads to {some(more)} too"] * bool(more)
        name.state, name.why = WRONG, " and ".join(told)
    elif answer.aliases and not answer.addresses and wanted:
        name.state, name.why = WRONG, f"is another name for {leads}, which has no address"
    else:
        name.state, name.why = WRONG, f"leads to {leads}"


def targets(names: Iterable[Name]) -> list[str]:
    """All that is to be looked up: the names, and host names that they are to lead to."""
    found = [each for name in names for each in (name.name, *(one.lower() for one in name.wanted.get("CNAME", ())))]
    return list(dict.fromkeys(found))


class NoZone(ValueError):
    """No zone, or more than one, is a name's; the message says so."""


def zone_of(name: str, zones: Iterable[Zone]) -> Zone:
    """The zone that a name is in: of those whose domain it is below, the nearest.

    :raises NoZone: there is none, or two are as near.
    """
    fit = [zone for zone in zones if f".{name}".endswith(f".{zone.domain}")]
    nearest = [zone for zone in fit if len(zone.domain) == max(len(each.domain) for each in fit)]
    if not nearest:
        raise NoZone(f"no hosted zone is of a domain above {name}")
    if len(nearest) > 1:
        which = some(zone.id for zone in nearest)
        raise NoZone(f"{which} are all {nearest[0].domain}: say by dns_records_hosted_zones which one it is")
    return nearest[0]


def plan(name: Name, zone: Zone, state: str, fleet: str, told: Collection[str]) -> None:
    """What to do about a name in its zone, into its `steps`; or why not, into `refused`.

    :param state: PRESENT or ABSENT.
    :param told: whose records may be replaced: EXTERNAL_DNS, OTHERS.
    """
    found = _Found(name, zone, fleet)
    if found.said and found.said.get("fleet") != fleet:
        name.refused = f"fleet {found.said.get('fleet')} made it ({found.mark_name})"
        name.by_hand = "that fleet takes it away (dns_records_state: absent), or whoever knows that it is gone, by hand"
    elif state == ABSENT:
        name.steps += found.absent()
        if EXTERNAL_DNS in told and not name.steps and not name.refused:
            name.steps += found.absent_of_external_dns()
    elif found.is_right():
        # Whoever made it. Of ours, what the TXT record says may be of before a run that was killed.
        name.steps += found.marked(found.ours)
    else:
        owner = owner_of(name.name, zone)
        may = {*told, OTHERS} if EXTERNAL_DNS in told else {*told}
        if EXTERNAL_DNS not in told and owner is not None:
            name.refused = f"it is external-dns' own ({f'owner {owner}' if owner else 'of whom, its TXT record hides'})"
        elif EXTERNAL_DNS not in told and name.external_dns:
            name.refused = "the cluster's external-dns makes it (regional_external_dns)"
        else:
            name.steps += found.present(may)


def owner_of(name: str, zone: Zone) -> str | None:
    """As whom an external-dns owns a name, empty where it hides that; None for none."""
    first, _dot, parent = name.partition(".")
    among = zone.registered.get(parent, ())
    # Without affixes it is for sure.
    sure = (owner for left, owner in among if first in (left, _untyped(left)))
    return next(sure, next((owner for left, owner in among if _may_be_of(left, first, parent, zone)), None))


def _may_be_of(left: str, first: str, parent: str, zone: Zone) -> bool:
    """Whether a TXT record of external-dns is a name's with an affix, as `yx`, `y.a-x`, `a-y.x`, `xy` or `a-x.y`.

    Nobody knows of affixes; what it would be without one is another name, and that one's where it is there.
    """
    bare = _untyped(left)
    fits = left.endswith(first) or left.startswith(first) or bare.startswith(first)
    return fits and not any(each["Type"] in TYPES for each in zone.at.get(f"{bare}.{parent}", ()))


def _untyped(left: str) -> str:
    return next((left.removeprefix(each) for each in _TYPED if left.startswith(each)), left)


class _Found:
    """A name as its zone has it.

    :ivar there: its record sets; `ours` the types of those that this collection wrote.
    :ivar registry: a TXT record of external-dns' that is at the name itself.
    :ivar beside: other types that are there.
    :ivar said: what the TXT record beside it says; empty where there is none.
    """

    def __init__(self, name: Name, zone: Zone, fleet: str) -> None:
        self.name, self.zone, self.fleet = name, zone, fleet
        self.mark_name = f"{MARK}.{name.name}"
        self.mark = next((each for each in zone.at.get(self.mark_name, ()) if each["Type"] == "TXT"), None)
        self.said = _said(self.mark)
        at = zone.at.get(name.name, ())
        self.there = list(_sets(at))
        txt = [each for each in at if each["Type"] == "TXT"]
        self.registry = [each for each in txt if all(_registered(value) is not None for value in _raw(each))]
        self.beside = sorted({str(each["Type"]) for each in at if each not in self.registry} - {*TYPES})
        self.ours = {each.type for each in self.there if self._is_ours(each)}

    def _is_ours(self, each: Set) -> bool:
        """By the hash, or, where a run was killed before it wrote that, by what it would have written."""
        hashed = self.said.get(each.type.lower())
        if hashed is None or each.alias or each.policy:
            return False
        return hashed == _hash(each.values) or self._fits(each)

    def _fits(self, each: Set) -> bool:
        return not each.alias and each.is_as(self.name.wanted.get(each.type, ()))

    def is_right(self) -> bool:
        """As wanted; to a host name an alias leads as well as a CNAME."""
        target = self.name.wanted.get("CNAME")
        if target and self.there and all(each.alias and each.is_as(target) for each in self.there):
            return True
        return {each.type for each in self.there} == set(self.name.wanted) and all(map(self._fits, self.there))

    def present(self, may: Collection[str]) -> list[Step]:
        wanted = self.name.wanted
        in_the_way = [each for each in self.there if not self._fits(each)]
        routed = [each for each in in_the_way if each.policy]
        foreign = [each for each in in_the_way if each.type not in self.ours]
        if routed:
            self.name.refused = f"{some(map(str, routed))} has a routing policy, which is somebody else's"
            self.name.by_hand = "take it away by hand, if nobody needs it"
            return []
        if "CNAME" in wanted and self.beside:
            self.name.refused = f"{some(self.beside)} is there, and beside a CNAME Route 53 takes nothing"
            self.name.by_hand = "take that away by hand, or have an alias made by hand or by external-dns"
            return []
        if foreign and OTHERS not in may:
            self.name.refused = f"{some(map(str, foreign))} is there, which isn't this fleet's"
            return []
        # A name with a CNAME has nothing else: what goes, goes first. What is new comes after the TXT record that says
        # whose it is, so that no kill leaves something that nobody takes away.
        going = [each for each in in_the_way if each.type not in wanted or each.alias]
        changing = {each.type for each in in_the_way if each not in going}
        kept = {each.type for each in self.there if self._fits(each)}
        written = {kind: self._step(kind, values) for kind, values in wanted.items() if kind not in kept}
        registry = self.registry if "CNAME" in written else []
        return [
            *(self._gone(each) for each in going),
            *(Step(ABSENT, self.zone.id, self.name.name, "TXT", _raw(each)) for each in registry),
            *(step for kind, step in written.items() if kind in changing),
            *self.marked({*written, *self.ours} & set(wanted)),
            *(step for kind, step in written.items() if kind not in changing),
        ]

    def _step(self, kind: str, values: tuple[str, ...]) -> Step:
        return Step(PRESENT, self.zone.id, self.name.name, kind, values)

    def _gone(self, each: Set) -> Step:
        return Step(ABSENT, self.zone.id, self.name.name, each.type, each.values, each.alias, each.health)

    def absent(self) -> list[Step]:
        if self.mark is None or not self.said:
            return []
        ours = [each for each in self.there if each.type in self.ours]
        changed = [each for each in self.there if each.type not in self.ours and each.type.lower() in self.said]
        # That an external-dns has written its own again is known; who else has, is asked.
        if changed and owner_of(self.name.name, self.zone) is None:
            self.name.refused = f"{some(map(str, changed))} isn't what was written here: somebody has changed it since"
            self.name.by_hand = f"take it away by hand, and {self.mark_name} with it; or have it written anew"
            return []
        steps = [self._gone(each) for each in ours]
        return [*steps, Step(ABSENT, self.zone.id, self.mark_name, "TXT", _raw(self.mark))]

    def absent_of_external_dns(self) -> list[Step]:
        """What an external-dns has written at the name, and the TXT records by which it knows that: for who knows that
        this external-dns is gone. It never takes one back by its own."""
        registry = [
            (place, each)
            for place in (self.name.name, *(f"{kind}{self.name.name}" for kind in _TYPED))
            for each in self.zone.at.get(place, ())
            if each["Type"] == "TXT" and _raw(each) and all(_registered(value) for value in _raw(each))
        ]
        if not registry:
            if self.there and owner_of(self.name.name, self.zone) is not None:
                self.name.refused = "an external-dns made it, whose TXT record hides as whom, or has another name"
                self.name.by_hand = "take it and that TXT record away by hand, once that external-dns is gone"
            return []
        return [
            *(self._gone(each) for each in self.there if not each.policy),
            *(Step(ABSENT, self.zone.id, place, "TXT", _raw(each)) for place, each in registry),
        ]

    def marked(self, ours: Iterable[str]) -> list[Step]:
        """The TXT record that says which types are ours, unless it says so already."""
        hashes = [f"{kind.lower()}={_hash(self.name.wanted[kind])}" for kind in sorted(ours)]
        text = (json.dumps(",".join([_OURS, f"fleet={self.fleet}", *hashes])),)
        if not hashes or (self.mark is not None and _raw(self.mark) == text):
            return []
        return [Step(PRESENT, self.zone.id, self.mark_name, "TXT", text)]


def _sets(at: Iterable[Mapping[str, Any]]) -> Iterator[Set]:
    for each in at:
        if each["Type"] in TYPES:
            target = each.get("AliasTarget")
            policy = "SetIdentifier" in each
            if target:
                health = bool(target.get("EvaluateTargetHealth"))
                yield Set(each["Type"], (target["DNSName"],), target["HostedZoneId"], health, policy)
            else:
                yield Set(each["Type"], _raw(each), policy=policy)


def _name(each: Mapping[str, Any]) -> str:
    return str(each["Name"]).rstrip(".").lower()


def _raw(each: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one["Value"]) for one in each.get("ResourceRecords") or ())


def _plain(value: str) -> str:
    """An address as it is usually written; a host name without what makes no difference."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value.rstrip(".").lower().removeprefix("dualstack.")


def _unquoted(text: str) -> str:
    return text.replace('" "', "").strip('"')


def _registered(value: str) -> str | None:
    """The owner that a TXT record of external-dns tells, empty where it is encrypted; None of any other one."""
    text = _unquoted(value)
    parts = text.split(",")
    if _HERITAGE in parts:
        return next((part.removeprefix(_OWNER) for part in parts if part.startswith(_OWNER)), "")
    return "" if _ENCRYPTED.fullmatch(text) else None


def _said(mark: Mapping[str, Any] | None) -> dict[str, str]:
    parts = _unquoted("".join(_raw(mark))).split(",") if mark else []
    if _OURS not in parts:
        return {}
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _hash(values: Iterable[str]) -> str:
    text = ",".join(sorted(each.rstrip(".").lower() for each in values))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
