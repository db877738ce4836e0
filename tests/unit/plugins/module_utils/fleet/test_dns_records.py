"""What is to be done about DNS records: on zones as data, each step done as Route 53 does it."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.names import Answer
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_records
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.dns_records import (
    ABSENT,
    EXTERNAL_DNS,
    OTHERS,
    PRESENT,
    Name,
    NoZone,
    Zone,
)

DOMAIN, BALANCER = "eu1.example.com", "a1.us-east-2.elb.amazonaws.com"
VMAUTH = f"vmauth.{DOMAIN}"
FOUR, SIX, HOST = {"ip": "192.0.2.1"}, {"ip": "2001:DB8::1"}, {"hostname": BALANCER}
Record = dict[str, Any]


def record(kind: str, *values: str, name: str = VMAUTH, **more: Any) -> Record:
    return {"Name": f"{name}.", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": one} for one in values], **more}


def alias(kind: str, target: str = f"dualstack.{BALANCER}.") -> Record:
    of = {"HostedZoneId": "Z9", "DNSName": target, "EvaluateTargetHealth": True}
    return {"Name": f"{VMAUTH}.", "Type": kind, "AliasTarget": of}


def heritage(name: str, owner: str = "default") -> Record:
    text = f'"heritage=external-dns,external-dns/owner={owner},external-dns/resource=ingress/kof/vmauth"'
    return record("TXT", text, name=name)


def vmauth(*ingress: dict[str, str], external_dns: bool = False) -> Name:
    found = {each.name: each for each in dns_records.names_of("eu1", DOMAIN, ingress, external_dns=external_dns)}
    assert set(found) == {VMAUTH, f"grafana.{DOMAIN}"}
    return found[VMAUTH]


class Route53:
    """One zone."""

    def __init__(self, *sets: Record) -> None:
        self.sets = [copy.deepcopy(each) for each in sets]

    def plan(self, name: Name, state: str = PRESENT, *told: str, fleet: str = "a") -> Name:
        name = Name(name.host, name.name, name.wanted, name.external_dns)
        dns_records.plan(name, Zone("Z1", "example.com", self.sets), state, fleet, told)
        return name

    def run(self, name: Name, state: str = PRESENT, *told: str, until: int | None = None, fleet: str = "a") -> str:
        """Do it; what was refused."""
        planned = self.plan(name, state, *told, fleet=fleet)
        for step in planned.steps[:until]:
            self.do(step.options(60))
        return planned.refused

    def do(self, step: dict[str, Any]) -> None:
        there = [each for each in self.sets if each["Name"] == f"{step['record']}." and each["Type"] == step["type"]]
        if step["state"] == ABSENT:
            (one,) = there
            values = [each["Value"] for each in one.get("ResourceRecords", ())] or [one["AliasTarget"]["DNSName"]]
            assert values == step["value"], "Route 53 deletes only what is just so"
            assert bool(step.get("alias")) == ("AliasTarget" in one)
            health = one.get("AliasTarget", {}).get("EvaluateTargetHealth", False)
            assert step.get("alias_evaluate_target_health", False) == health, "that too"
            self.sets.remove(one)
            return
        self.sets = [each for each in self.sets if each not in there]
        self.sets.append(record(step["type"], *step["value"], name=step["record"]))
        kinds = [each["Type"] for each in self.sets if each["Name"] == f"{step['record']}."]
        assert "CNAME" not in kinds or kinds == ["CNAME"], "a CNAME stands alone"

    def of(self, name: str = VMAUTH) -> dict[str, list[str]]:
        return {
            each["Type"]: sorted(one["Value"] for one in each.get("ResourceRecords", ()))
            for each in self.sets
            if each["Name"] == f"{name}."
        }


INGRESSES = {
    "four": ((FOUR,), {"A": ["192.0.2.1"]}),
    "both": ((FOUR, SIX, {"ip": "192.0.2.2"}), {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]}),
    "six": ((SIX,), {"AAAA": ["2001:db8::1"]}),
    "host": ((HOST,), {"CNAME": [BALANCER]}),
}


@pytest.mark.parametrize("which", INGRESSES)
def test_written_once_and_taken_away_without_trace(which: str) -> None:
    ingress, found = INGRESSES[which]
    zone, name = Route53(record("A", "192.0.2.7", name="example.com")), vmauth(*ingress)
    before = copy.deepcopy(zone.sets)
    assert zone.run(name) == ""
    assert zone.of() == found
    assert zone.plan(name).steps == []
    assert zone.run(name, ABSENT) == ""
    assert zone.sets == before
    assert zone.plan(name, ABSENT).steps == []


@pytest.mark.parametrize(("first", "then"), list(itertools.permutations(INGRESSES, 2)))
def test_a_new_address_replaces_ours_wherever_a_run_was_killed(first: str, then: str) -> None:
    before, after = vmauth(*INGRESSES[first][0]), vmauth(*INGRESSES[then][0])
    zone = Route53()
    zone.run(before)
    for killed in range(len(zone.plan(after).steps) + 1):
        one = Route53(*zone.sets)
        one.run(after, until=killed)
        away = Route53(*one.sets)
        assert away.run(after, ABSENT) == ""
        assert away.sets == [], f"killed after {killed}, then taken away"
        assert one.run(after) == "", f"killed after {killed}"
        assert one.of() == INGRESSES[then][1]
        assert one.plan(after).steps == []


@pytest.mark.parametrize("which", INGRESSES)
def test_a_first_run_that_was_killed_leaves_nothing_that_nobody_takes_away(which: str) -> None:
    name = vmauth(*INGRESSES[which][0])
    for killed in range(len(Route53().plan(name).steps) + 1):
        zone = Route53()
        zone.run(name, until=killed)
        assert zone.run(name, ABSENT) == ""
        assert zone.sets == []


THEIRS = [
    [record("A", "203.0.113.1")],
    [record("CNAME", "x.example.com.")],
    [record("A", "192.0.2.1", "203.0.113.1")],
    [alias("A", "x.elb.amazonaws.com."), alias("AAAA", "x.elb.amazonaws.com.")],
    [alias("A")],
]


@pytest.mark.parametrize("theirs", THEIRS)
def test_somebody_s_record_is_left_alone_unless_told(theirs: list[Record]) -> None:
    zone, name = Route53(*theirs), vmauth(FOUR)
    refused = zone.run(name)
    assert "is there, which isn't this fleet's" in refused
    assert zone.sets == theirs
    assert zone.run(name, ABSENT) == ""
    assert zone.sets == theirs
    assert zone.run(name, PRESENT, OTHERS) == ""
    assert zone.of() == {"A": ["192.0.2.1"]}
    assert zone.plan(name).steps == []
    assert zone.run(name, ABSENT) == ""
    assert zone.sets == []


def test_what_somebody_wrote_rightly_stays_theirs() -> None:
    for theirs, ingress in (
        ([record("A", "192.0.2.1")], FOUR),
        ([record("CNAME", f"{BALANCER.upper()}.")], HOST),
        ([alias("A"), alias("AAAA")], HOST),
    ):
        zone = Route53(*theirs)
        assert zone.run(vmauth(ingress)) == ""
        assert zone.run(vmauth(ingress), ABSENT) == ""
        assert zone.sets == theirs
    zone = Route53(record("A", "192.0.2.1"))
    assert zone.run(vmauth(FOUR, SIX)) == ""
    assert zone.of() == {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}
    assert zone.run(vmauth(FOUR, SIX), ABSENT) == ""
    assert zone.of() == {"A": ["192.0.2.1"]}


def test_what_somebody_changed_since_is_theirs() -> None:
    zone, name = Route53(), vmauth(FOUR)
    zone.run(name)
    zone.do({"state": PRESENT, "record": VMAUTH, "type": "A", "value": ["203.0.113.1"]})
    before = copy.deepcopy(zone.sets)
    assert "somebody has changed it since" in zone.run(name, ABSENT)
    assert "isn't this fleet's" in zone.run(name)
    assert zone.sets == before


def test_another_fleet_s_record_is_theirs() -> None:
    zone, name = Route53(), vmauth(FOUR)
    zone.run(name, fleet="b")
    before = copy.deepcopy(zone.sets)
    for state in (PRESENT, ABSENT):
        assert "fleet b made it" in zone.run(name, state, OTHERS, EXTERNAL_DNS)
    assert zone.sets == before


@pytest.mark.parametrize(
    "registry",
    [
        VMAUTH,
        f"a-{VMAUTH}",
        f"cname-{VMAUTH}",
        f"aaaa-{VMAUTH}",
        f"pre-{VMAUTH}",
        f"x.{VMAUTH}",
        f"vmauth-suf.{DOMAIN}",
        # As 0.23 writes them with an affix that has a dot, or the type in it.
        f"kof.a-{VMAUTH}",
        f"a-kof.{VMAUTH}",
        f"a-vmauth-kof.{DOMAIN}",
        f"a-vmauth.kof.{DOMAIN}",
        f"vmauth-a.kof.{DOMAIN}",
    ],
)
def test_external_dns_own_is_left_alone_unless_told(registry: str) -> None:
    theirs = [record("A", "203.0.113.1"), heritage(registry, "kof-eu1")]
    zone, name = Route53(*theirs), vmauth(FOUR)
    for told in ((), (OTHERS,)):
        assert zone.run(name, PRESENT, *told) == "it is external-dns' own (owner kof-eu1)"
    assert zone.run(name, ABSENT) == ""
    assert zone.sets == theirs
    assert zone.run(name, PRESENT, EXTERNAL_DNS) == ""
    assert zone.of()["A"] == ["192.0.2.1"]
    zone.run(name, ABSENT)
    assert zone.sets == theirs[1:]


#: What 0.23 wrote with --txt-encrypt-enabled for ingress/kof/vmauth-cluster of owner sandbox-us1.
ENCRYPTED = (
    "84H0kcSJV3xDT4LuaUBw8HegMk/IpIxuaEwClA9oVen7sGjIaXgf9e6MSMuLqh/puKpKICXNxNfz01jB6jSFkmgzM5LqBYKT/7WkOZrK4Zu4rR58z"
    "KnfQ197Sa3jAMQNby5NNQ8pt5vrdBARXzZezJDs6+13c+D2Kfg8RGCNCA=="
)


def test_one_that_hides_whose_it_is_has_it_all_the_same() -> None:
    theirs = [record("A", "203.0.113.1"), record("TXT", f'"{ENCRYPTED}"', name=f"a-{VMAUTH}")]
    zone, name = Route53(*theirs), vmauth(FOUR)
    assert zone.run(name, PRESENT, OTHERS) == "it is external-dns' own (of whom, its TXT record hides)"
    assert zone.sets == theirs
    assert zone.run(name, PRESENT, EXTERNAL_DNS) == ""


def test_what_external_dns_wrote_goes_away_as_it_is() -> None:
    """As 0.23 makes them of an ELB's host name: Route 53 looks after its health."""
    texts = [heritage(f"{kind}-{VMAUTH}", "sandbox-eu1") for kind in ("a", "aaaa")]
    zone, name = Route53(alias("A", BALANCER), alias("AAAA", BALANCER), *texts), vmauth(FOUR)
    assert zone.run(name, PRESENT, EXTERNAL_DNS) == ""
    assert zone.of() == {"A": ["192.0.2.1"]}
    # It is alive, and writes its own again: ours is over.
    for each in (alias("A", BALANCER), alias("AAAA", BALANCER)):
        zone.sets = [one for one in zone.sets if (one["Name"], one["Type"]) != (each["Name"], each["Type"])]
        zone.sets.append(each)
    assert zone.run(name) == "it is external-dns' own (owner sandbox-eu1)"
    assert zone.run(name, ABSENT) == ""
    assert sorted(zone.sets, key=str) == sorted([alias("A", BALANCER), alias("AAAA", BALANCER), *texts], key=str)


def test_what_an_external_dns_that_is_gone_wrote_goes_away_when_told() -> None:
    """With its TXT records, however they are called; wherever a run was killed; and nothing beside."""
    others = [record("A", "203.0.113.1", name=f"www.{DOMAIN}"), record("MX", "10 mail.example.com", name=VMAUTH)]
    texts = [heritage(VMAUTH), *(heritage(f"{kind}-{VMAUTH}") for kind in ("a", "aaaa"))]
    theirs = [alias("A", BALANCER), alias("AAAA", BALANCER), *texts, *others]
    name, steps = vmauth(FOUR), 5
    assert len(Route53(*theirs).plan(name, ABSENT, EXTERNAL_DNS).steps) == steps
    assert Route53(*theirs).plan(name, ABSENT).steps == []
    for until in range(steps + 1):
        zone = Route53(*theirs)
        zone.run(name, ABSENT, EXTERNAL_DNS, until=until)
        assert zone.run(name, ABSENT, EXTERNAL_DNS) == ""
        assert zone.sets == others
    # Nobody's, whom no TXT record names; and what hides as whom it is.
    assert Route53(record("A", "192.0.2.1")).plan(name, ABSENT, EXTERNAL_DNS).steps == []
    hidden = Route53(record("A", "192.0.2.1"), heritage(f"a-{VMAUTH}", ""))
    assert "hides as whom" in hidden.run(name, ABSENT, EXTERNAL_DNS)
    assert len(hidden.sets) == 2


def test_beside_a_cname_there_is_nothing() -> None:
    """A TXT record of an external-dns of up to 0.17 stands at the name itself, and goes where its records do."""
    theirs = [record("A", "203.0.113.1"), heritage(VMAUTH), heritage(f"cname-{VMAUTH}")]
    zone, name = Route53(*theirs), vmauth(HOST)
    assert "external-dns' own" in zone.run(name, PRESENT, OTHERS)
    assert zone.sets == theirs
    for killed in range(len(zone.plan(name, PRESENT, EXTERNAL_DNS).steps)):
        zone.run(name, PRESENT, EXTERNAL_DNS, until=killed)
        assert zone.run(name, PRESENT, EXTERNAL_DNS) == ""
        assert zone.of() == {"CNAME": [BALANCER]}
        assert zone.run(name, ABSENT) == ""
        assert zone.sets == theirs[2:]
        zone = Route53(*theirs)
    stands = Route53(*theirs)
    assert stands.run(vmauth(FOUR), PRESENT, EXTERNAL_DNS) == ""
    assert stands.of()["TXT"], "an address doesn't mind it"


@pytest.mark.parametrize(
    "other",
    [
        record("CAA", '0 issue "x"'),
        record("TXT", '"v=spf1 -all"'),
        record("TXT", '"heritage=external-dns,external-dns/owner=default"', '"v=spf1 -all"'),
    ],
)
def test_what_is_somebody_s_keeps_a_cname_away(other: Record) -> None:
    zone, name = Route53(other), vmauth(HOST)
    for told in ((), (OTHERS,), (EXTERNAL_DNS, OTHERS)):
        assert zone.run(name, PRESENT, *told), other
        assert zone.sets == [other]
    why = f"{other['Type']} is there, and beside a CNAME Route 53 takes nothing"
    assert zone.run(name, PRESENT, EXTERNAL_DNS) == why
    assert "by hand" in zone.plan(name, PRESENT, EXTERNAL_DNS).by_hand
    assert zone.run(name, ABSENT) == ""


def test_an_address_of_ipv6_is_the_same_however_it_is_written() -> None:
    zone = Route53(record("AAAA", "2001:0DB8:0::1"))
    assert zone.run(vmauth(SIX)) == ""
    assert zone.of() == {"AAAA": ["2001:0DB8:0::1"]}


def test_whose_txt_records_are_no_reason() -> None:
    theirs = [record("A", "192.0.2.5", name=f"vmauth-admin.{DOMAIN}"), heritage(f"a-vmauth-admin.{DOMAIN}")]
    assert dns_records.owner_of(VMAUTH, Zone("Z1", "example.com", theirs)) is None
    below = [record("A", "192.0.2.5", name=f"x.{VMAUTH}"), heritage(f"a-x.{VMAUTH}")]
    assert dns_records.owner_of(VMAUTH, Zone("Z1", "example.com", below)) is None
    for other in (
        heritage(f"a-grafana.{DOMAIN}"),
        heritage("vmauth.us1.example.com"),
        record("TXT", '"heritage=external-dns-like"'),
        record("TXT", '"v=spf1 -all"'),
        record("TXT", f'"v=DKIM1; p={ENCRYPTED}"'),
        record("TXT", '"c2hvcnQ="', name=f"a-{VMAUTH}"),
    ):
        assert dns_records.owner_of(VMAUTH, Zone("Z1", "example.com", [other])) is None


def test_of_a_cluster_with_external_dns_nothing_is_written_unless_told() -> None:
    zone, name = Route53(), vmauth(FOUR, external_dns=True)
    assert "external-dns makes it (regional_external_dns)" in zone.run(name)
    assert zone.sets == []
    assert zone.run(name, PRESENT, EXTERNAL_DNS) == ""
    assert zone.of() == {"A": ["192.0.2.1"]}


def test_a_routing_policy_is_never_ours() -> None:
    zone = Route53(record("A", "203.0.113.1", SetIdentifier="blue", Weight=1))
    assert "routing policy" in zone.run(vmauth(FOUR), PRESENT, OTHERS, EXTERNAL_DNS)


def test_the_nearest_zone_is_a_name_s() -> None:
    zones = [Zone("Z1", "example.com"), Zone("Z2", "eu1.example.com"), Zone("Z3", "xeu1.example.com")]
    assert dns_records.zone_of(VMAUTH, zones).id == "Z2"
    with pytest.raises(NoZone, match="no hosted zone is of a domain above"):
        dns_records.zone_of("vmauth.example.org", zones)
    with pytest.raises(NoZone, match=r"Z1, Z9 are all example\.com: say by dns_records_hosted_zones"):
        dns_records.zone_of("vmauth.us1.example.com", [*zones, Zone("Z9", "example.com")])


@pytest.mark.parametrize(
    ("ingress", "answer", "behind", "state", "why"),
    [
        ((FOUR,), Answer(frozenset({"192.0.2.1"})), (), "right", "leads to 192.0.2.1"),
        ((FOUR,), Answer(), (), "missing", "doesn't resolve"),
        ((FOUR,), Answer(frozenset({"192.0.2.9"})), (), "wrong", "leads to 192.0.2.9"),
        ((FOUR,), Answer(frozenset({"192.0.2.1", "192.0.2.9"})), (), "wrong", "leads to 192.0.2.9 too"),
        ((FOUR, SIX), Answer(frozenset({"192.0.2.1"})), (), "wrong", "lacks 2001:db8::1"),
        ((FOUR,), Answer(frozenset({"192.0.2.1"}), ("b.example.com",)), (), "right", "leads to 192.0.2.1"),
        ((FOUR,), Answer(frozenset(), ("b.example.com",)), (), "wrong", "another name for b.example.com"),
        ((FOUR,), Answer(problem="no answer in time"), (), "unknown", "no answer in time"),
        ((HOST,), Answer(frozenset(), (BALANCER,)), (), "right", f"leads to {BALANCER}"),
        ((HOST,), Answer(frozenset({"198.51.100.1"})), ("198.51.100.1", "198.51.100.2"), "right", BALANCER),
        ((HOST,), Answer(frozenset({"198.51.100.9"})), ("198.51.100.1",), "wrong", "leads to 198.51.100.9"),
        ((HOST,), Answer(frozenset({"198.51.100.9"}), ("old.elb.com",)), (), "wrong", "leads to old.elb.com"),
    ],
)
def test_how_a_name_resolves(ingress: Any, answer: Answer, behind: Any, state: str, why: str) -> None:
    name = vmauth(*ingress)
    assert dns_records.targets([name]) == [VMAUTH, *([BALANCER] if ingress == (HOST,) else [])]
    dns_records.judge(name, {VMAUTH: answer, BALANCER: Answer(frozenset(behind))})
    assert name.state == state
    assert why in name.why
