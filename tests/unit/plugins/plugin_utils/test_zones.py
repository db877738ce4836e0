"""Hosted zones as Route 53 has them, asked with the variables of dns_credentials."""

from __future__ import annotations

import time
import types
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Zone
from ansible_collections.k0rdent.kof.plugins.plugin_utils import zones

SECRET = "secret-half-of-the-admin"


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, Any]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield {
            "dns_credentials_method": "iam_user",
            "dns_credentials_endpoint_url": f"http://{host}:{port}",
            "dns_credentials_aws_access_key": "AKIAIOSFODNN7EXAMPLE",
            "dns_credentials_aws_secret_key": SECRET,
        }
    finally:
        server.stop()


@pytest.fixture(scope="module")
def made(aws: dict[str, Any]) -> str:
    client = boto3.client(
        "route53",
        endpoint_url=aws["dns_credentials_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=SECRET,
    )
    return client.create_hosted_zone(Name="KOF.example.com", CallerReference="a")["HostedZone"]["Id"]


def test_there_and_not_there_however_they_are_named(aws: dict[str, Any], made: str) -> None:
    plain = made.rpartition("/")[2]
    named = [made, plain, f"arn:aws:route53:::hostedzone/{plain}", "Z0TYPO00000000000000"]
    assert zones.look({**aws, "dns_credentials_hosted_zones": named}) == (
        Zone(plain, "kof.example.com"),
        Zone("Z0TYPO00000000000000"),
    )


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"dns_credentials_hosted_zones": ["Z1"], "dns_credentials_method": "none"},
        {"dns_credentials_hosted_zones": ["Z1"], "dns_credentials_method": "existing"},
        {"dns_credentials_hosted_zones": ["Z1"], "dns_credentials_all_zones": True},
    ],
)
def test_nobody_is_asked_where_no_zone_matters(aws: dict[str, Any], variables: dict[str, Any]) -> None:
    assert zones.look({**aws, "dns_credentials_endpoint_url": "http://127.0.0.1:9", **variables}) == ()


def test_what_aws_says_is_told_without_secrets(aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS answers a wrong signature with what was signed."""

    def refuses(**_arguments: Any) -> Any:
        error = {"Code": "AccessDenied", "Message": f"not\nfor {SECRET}: {'x' * 400}"}
        raise ClientError({"Error": error}, "GetHostedZone")

    client = types.SimpleNamespace(get_hosted_zone=refuses)
    monkeypatch.setattr(zones.iam.Aws, "client", lambda _self, _service: client)
    (found,) = zones.look({**aws, "dns_credentials_hosted_zones": ["Z1"]})
    assert "AccessDenied" in str(found.problem)
    assert "not for (hidden): xxx" in str(found.problem)
    assert len(str(found.problem)) < 400


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"endpoint_url": "http://127.0.0.1:9"}, "connect"),
        ({"aws_profile": "nobodys", "aws_access_key": ""}, "nobodys"),
    ],
)
def test_an_aws_that_does_not_answer_is_told_soon_and_without_secrets(
    aws: dict[str, Any], changed: dict[str, Any], told: str
) -> None:
    begun = time.monotonic()
    asked = {**aws, **{f"dns_credentials_{name}": value for name, value in changed.items()}}
    if "aws_profile" in changed:
        del asked["dns_credentials_aws_secret_key"]
    found = zones.look({**asked, "dns_credentials_hosted_zones": ["Z1", "Z2"]})
    assert [each.id for each in found] == ["Z1", "Z2"]
    assert all(told in str(each.problem) and SECRET not in str(each.problem) for each in found)
    assert time.monotonic() - begun < 60
