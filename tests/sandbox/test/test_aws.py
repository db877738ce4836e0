"""The stand-in for AWS: where moto takes what Route 53 refuses, it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox import aws

ZONE = "Z0EXAMPLE00000000000"
BALANCER = {"HostedZoneId": "Z3AADJGX6KTTL2", "DNSName": "a.us-east-2.elb.amazonaws.com.", "EvaluateTargetHealth": True}
Record = dict[str, Any]


@pytest.fixture(scope="module", name="route53")
def _route53(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    state = tmp_path_factory.mktemp("aws")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
    try:
        yield boto3.client("route53", endpoint_url=aws.start(state), region_name="us-east-1", **keys)
    finally:
        aws.stop(state)


def change(client: Any, *changes: tuple[str, Record]) -> None:
    batch = [{"Action": action, "ResourceRecordSet": each} for action, each in changes]
    client.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch={"Changes": batch})


def there(client: Any) -> list[tuple[str, str]]:
    found = client.list_resource_record_sets(HostedZoneId=ZONE)["ResourceRecordSets"]
    return [(each["Name"], each["Type"]) for each in found]


def record(name: str, kind: str, *values: str, ttl: int = 60) -> Record:
    return {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": each} for each in values]}


A, TXT = record("x.example.com", "A", "192.0.2.1", "192.0.2.2"), record("x.example.com", "TXT", '"t"')
ALIAS = {"Name": "y.example.com.", "Type": "A", "AliasTarget": BALANCER}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([("CREATE", A)], r"\[name='x\.example\.com\.', type='A'\] but it already exists"),
        ([("DELETE", {**A, "TTL": 300})], "but the values provided do not match the current values"),
        ([("DELETE", record("x.example.com", "A", "192.0.2.1"))], "but the values provided do not match"),
        ([("DELETE", {**ALIAS, "AliasTarget": {**BALANCER, "EvaluateTargetHealth": False}})], "do not match"),
        ([("DELETE", record("z.example.com", "A", "192.0.2.1"))], "but it was not found"),
        ([("UPSERT", record("x.example.com", "CNAME", "z.example.com"))], "CNAME with DNS name x.example.com. is not"),
        # One that is refused refuses all.
        ([("CREATE", record("z.example.com", "A", "192.0.2.1")), ("CREATE", A)], "already exists"),
    ],
)
def test_what_route_53_refuses_changes_nothing(route53: Any, changes: list[tuple[str, Record]], why: str) -> None:
    change(route53, *(("UPSERT", each) for each in (A, TXT, ALIAS)))
    before = there(route53)
    with pytest.raises(ClientError, match=why) as refused:
        change(route53, *changes)
    assert refused.value.response["Error"]["Code"] == "InvalidChangeBatch"
    assert there(route53) == before


def test_what_it_takes_is_done(route53: Any) -> None:
    change(route53, *(("UPSERT", each) for each in (A, TXT, ALIAS)))
    change(route53, ("DELETE", A), ("DELETE", TXT), ("CREATE", record("x.example.com", "CNAME", "z.example.com")))
    assert there(route53) == [("x.example.com.", "CNAME"), ("y.example.com.", "A")]
    change(route53, ("DELETE", ALIAS), ("DELETE", record("x.example.com", "CNAME", "z.example.com")))
    assert there(route53) == []


def test_what_was_taken_away_can_be_made_again(route53: Any) -> None:
    other = record("zz.example.com", "A", "192.0.2.9")
    change(route53, ("CREATE", A), ("CREATE", other))
    change(route53, ("DELETE", A))
    change(route53, ("CREATE", A))
    change(route53, ("DELETE", A), ("DELETE", other))
    assert there(route53) == []
