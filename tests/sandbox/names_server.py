"""A DNS server on loopback, over UDP and TCP, that answers as the world would for what stands in moto's Route 53.

May hold: how a zone is answered from (aliases, wildcards, CNAME chains, NXDOMAIN and NODATA). May not hold: names of
its own; what else there is (load balancers) stands in a JSON file, by name its addresses, read anew for each answer.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import boto3
from dnslib import AAAA, CNAME, NS, QTYPE, RCODE, RR, SOA, TXT, A
from dnslib.server import BaseResolver, DNSServer

TTL = 1
#: Longest chain of aliases, and how long (seconds) what Route 53 has is taken for the same.
CHAIN, FRESH = 8, 1.0
Records = dict[str, dict[str, list[str]]]
_KINDS = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "NS": NS}


class Names:
    """What there is: zones, by domain, and hosts that are in none of them."""

    def __init__(self, endpoint: str, hosts: pathlib.Path) -> None:
        keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
        self._client = boto3.client("route53", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self._hosts = hosts
        self._zones: dict[str, Records] = {}
        self._until = 0.0

    def zones(self) -> dict[str, Records]:
        """By domain, by name and type the values; `ALIAS` is a type too. Zones of one domain are one."""
        if time.monotonic() >= self._until:
            found: dict[str, Records] = {}
            for zone in self._client.list_hosted_zones()["HostedZones"]:
                records = found.setdefault(_plain(zone["Name"]), {})
                pages = self._client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
                for each in (each for page in pages for each in page["ResourceRecordSets"]):
                    by_type = records.setdefault(_plain(each["Name"]).replace("\\052", "*"), {})
                    if "AliasTarget" in each:
                        by_type.setdefault(f"ALIAS {each['Type']}", []).append(_plain(each["AliasTarget"]["DNSName"]))
                    else:
                        values = [one["Value"] for one in each["ResourceRecords"]]
                        by_type.setdefault(each["Type"], []).extend(values)
            self._zones, self._until = found, time.monotonic() + FRESH
        return self._zones

    def hosts(self) -> dict[str, list[str]]:
        """Addresses of what is in no zone."""
        return json.loads(self._hosts.read_text()) if self._hosts.exists() else {}


class Resolver(BaseResolver):
    """As a resolver that knows all that there is, and says so with authority."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def resolve(self, request: Any, _handler: Any) -> Any:
        """The answer to a question."""
        reply = request.reply()
        name, kind = _plain(str(request.q.qname)), QTYPE[request.q.qtype]
        answers, code, zone = self._answer(name, kind, 0)
        reply.header.rcode = code
        reply.header.ra = 1
        for each in answers:
            reply.add_answer(each)
        if zone and (code == RCODE.NXDOMAIN or not any(QTYPE[each.rtype] == kind for each in answers)):
            times = (1, 60, 60, 60, TTL)
            reply.add_auth(RR(zone, QTYPE.SOA, rdata=SOA(f"ns1.{zone}", f"hostmaster.{zone}", times), ttl=TTL))
        return reply

    def _answer(self, name: str, kind: str, depth: int) -> tuple[list[Any], int, str]:
        """Records, the code, and the zone that it is of (empty for a host, and for what nobody knows)."""
        zones, hosts = self._names.zones(), self._names.hosts()
        if name in hosts:
            return list(_of_host(name, kind, hosts[name])), RCODE.NOERROR, ""
        above = [each for each in zones if f".{name}".endswith(f".{each}")]
        if not above:
            return [], RCODE.REFUSED, ""
        zone = max(above, key=len)
        found = _at(name, zone, zones[zone])
        if found is None:
            return [], RCODE.NXDOMAIN, zone
        if kind in found:
            return [_record(name, kind, value) for value in found[kind]], RCODE.NOERROR, zone
        alias = next(iter(found.get(f"ALIAS {kind}", ())), None)
        if alias and depth < CHAIN:
            # Who asks sees addresses only, as if they stood here.
            behind = [each for each in self._answer(alias, kind, depth + 1)[0] if QTYPE[each.rtype] == kind]
            return [RR(name, each.rtype, rdata=each.rdata, ttl=TTL) for each in behind], RCODE.NOERROR, zone
        target = next(iter(found.get("CNAME", ())), None)
        if target and depth < CHAIN:
            further, code, its_zone = self._answer(_plain(target), kind, depth + 1)
            # What nobody here knows is asked of others, in vain.
            code = RCODE.NOERROR if code == RCODE.REFUSED else code
            return [_record(name, "CNAME", target), *further], code, its_zone or zone
        return [], RCODE.NOERROR, zone


def _at(name: str, zone: str, records: Records) -> dict[str, list[str]] | None:
    """What is at a name of a zone, by a wildcard where there is one (RFC 4592); None where there is no such name."""
    there = {zone, *records}
    if name in records:
        return records[name]
    while name != zone:
        if any(each == name or each.endswith(f".{name}") for each in there):
            return {}  # nothing but what is below
        name = name.partition(".")[2]
        wildcard = records.get(f"*.{name}")
        if wildcard is not None:
            return wildcard
        if any(each == name or each.endswith(f".{name}") for each in there):
            return None
    return {}


def _of_host(name: str, kind: str, addresses: list[str]) -> Iterator[Any]:
    for each in addresses:
        if kind == ("A" if ipaddress.ip_address(each).version == 4 else "AAAA"):
            yield _record(name, kind, each)


def _record(name: str, kind: str, value: str) -> Any:
    rdata: Any
    if kind == "SOA":
        served, mail, *times = value.split()
        rdata = SOA(served, mail, tuple(map(int, times)))
    elif kind == "TXT":
        strings = value.replace('" "', '", "')
        rdata = TXT([each.encode() for each in json.loads(f"[{strings}]")])
    else:
        rdata = _KINDS[kind](value)
    return RR(name, getattr(QTYPE, kind), rdata=rdata, ttl=TTL)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoint", required=True, help="of AWS")
    parser.add_argument("--hosts", type=pathlib.Path, required=True)
    said = parser.parse_args()
    resolver = Resolver(Names(said.endpoint, said.hosts))
    servers = [DNSServer(resolver, address="127.0.0.1", port=said.port, tcp=tcp) for tcp in (True, False)]
    servers[0].start_thread()
    servers[1].start()


if __name__ == "__main__":
    main()
