"""Route 53 and DNS alone, as playbooks/dns_records.yml meets them: for tests of what is in a zone.

May hold: a zone and how it is put back, the playbook's run and what it says. May not hold: which records there are.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import example_fleet
from support import Run, Sandbox

from sandbox import aws, names

ZONE = "Z0EXAMPLE00000000000"
BALANCER = "a1b2.us-east-2.elb.amazonaws.com"
Record = dict[str, Any]


class World:
    """The sandbox with a zone that can be put back, and the regions' inventory.

    :ivar settles: seconds before each run, for who changes the zone right before it: the DNS server may answer for so
        long what it has just read.
    """

    settles = 0.0

    def __init__(self, sandbox: Sandbox, folder: pathlib.Path, regionals: Mapping[str, Mapping[str, Any]]) -> None:
        self.sandbox, self._folder = sandbox, folder
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
        self.client = boto3.client("route53", endpoint_url=sandbox.endpoints["aws"], region_name="us-east-1", **keys)
        self.where = self.inventory("fleet", regionals)

    def inventory(self, name: str, regionals: Mapping[str, Mapping[str, Any]]) -> str:
        """Another inventory of the same fleet, as `-i` takes it."""
        fleet = example_fleet.Fleet(
            shared={"regional_admin_email": "a@example.com"},
            mothership={},
            regionals={region: {"regional_domain": domain_of(region), **own} for region, own in regionals.items()},
            children={},
        )
        return self.sandbox.inventory(self._folder / name, fleet)

    def run(self, *arguments: str, inventory: str | None = None) -> Run:
        time.sleep(self.settles)
        resolver = ("-e", f"dns_records_resolver={self.sandbox.endpoints['names']}")
        return self.sandbox.playbook("dns_records", *resolver, *arguments, inventory=inventory or self.where)

    def records(self, zone: str = ZONE) -> list[Record]:
        pages = self.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        return [each for page in pages for each in page["ResourceRecordSets"] if each["Type"] not in ("NS", "SOA")]

    def of(self, name: str) -> dict[str, list[str]]:
        """By type the values; of an alias its target."""
        return {
            each["Type"]: sorted(one["Value"] for one in each.get("ResourceRecords", ()))
            for each in self.records()
            if each["Name"] == f"{name}."
        }

    def change(self, action: str, *records: Record, zone: str = ZONE) -> None:
        changes = [{"Action": action, "ResourceRecordSet": each} for each in records]
        if changes:
            self.client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def is_only(self, *records: Record) -> None:
        self.change("DELETE", *self.records())
        self.change("CREATE", *records)


def domain_of(region: str) -> str:
    return f"{region}.kof.example.com"


def name_of(region: str, before: str = "vmauth") -> str:
    return f"{before}.{domain_of(region)}"


def record(name: str, kind: str, *values: str, ttl: int = 60) -> Record:
    return {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": each} for each in values]}


def alias(name: str, kind: str, target: str = f"dualstack.{BALANCER}.") -> Record:
    of = {"HostedZoneId": "Z3AADJGX6KTTL2", "DNSName": target, "EvaluateTargetHealth": True}
    return {"Name": f"{name}.", "Type": kind, "AliasTarget": of}


@contextlib.contextmanager
def running(
    state: pathlib.Path, regionals: Mapping[str, Mapping[str, Any]], hosts: Mapping[str, Sequence[str]]
) -> Iterator[World]:
    """The sandbox's AWS and DNS alone, without a cluster.

    :param hosts: addresses of what is in no zone.
    """
    try:
        address = aws.start(state)
        ends = {"aws": address, "names": names.start(state, address), "kof_version": "0.1.1"}
        nowhere = {"kof_kubeconfig": str(state / "none"), "helm": "helm", "chart_repository": "oci://127.0.0.1:9/kof"}
        (state / "endpoints.json").write_text(json.dumps({**ends, **nowhere}))
        names.tell(state, hosts)
        yield World(Sandbox(state), state / "inventories", regionals)
    finally:
        names.stop(state)
        aws.stop(state)


def told(run: Run) -> dict[str, dict[str, Any]]:
    """By name what the action says of it."""
    (event,) = (each for each in run.events if each.get("action", "").endswith("fleet_dns_records"))
    assert event["event"] == "ok", run.output
    return {each["name"]: each for each in event["result"]["records"]}


def by_state(run: Run) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, each in told(run).items():
        found.setdefault(each["state"], set()).add(name.removesuffix(".kof.example.com"))
    return found


def failed(run: Run) -> set[str]:
    return {host for host, counts in run.stats.items() if counts["failures"]}


def of(*regions: str) -> set[str]:
    return {f"{name}.{region}" for region in regions for name in ("vmauth", "grafana")}
