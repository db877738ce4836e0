# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosted zones that an inventory names, as Route 53 has them, and their records. Only reads: what they mean is said
in module_utils, by preflight and fleet/dns_records.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.errors import BotoCoreError, ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.options import aws_beside_kubernetes, told
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import dns_records
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_AT_AWS
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Zone
from ansible_collections.k0rdent.kof.plugins.plugin_utils import dns_credentials, iam

#: A table must not wait for an AWS that isn't there.
PATIENCE = {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 1}}
_PREFIX = "dns_credentials_"


def look(variables: Mapping[str, Any]) -> tuple[Zone, ...]:
    """The zones of `dns_credentials_hosted_zones`, each once, where the method gives rights in them.

    Whatever keeps AWS from answering is told with the zone.

    :param variables: of the mothership's host, plain.
    """
    ids = [str(each).rpartition("/")[2] for each in variables.get(f"{_PREFIX}hosted_zones") or ()]
    if variables.get(f"{_PREFIX}method") not in DNS_METHODS_AT_AWS or variables.get(f"{_PREFIX}all_zones") or not ids:
        return ()
    try:
        client = iam.Aws(_options(variables)).client("route53")
        return tuple(_zone(client, each, variables) for each in dict.fromkeys(ids))
    except (ApiUnavailable, AnsibleError, BotoCoreError, ClientError) as problem:
        why = told(problem, _options(variables))
        return tuple(Zone(each, problem=why) for each in dict.fromkeys(ids))


def records(variables: Mapping[str, Any], ids: Iterable[str]) -> list[dns_records.Zone]:
    """The hosted zones with these ids, else all public ones of the account, with their records.

    :param variables: of the mothership's host, plain.
    :raises AwsUnavailable: AWS can't be asked, or refuses; without secrets.
    """
    # Who is about to write has the SDK's own patience.
    options = {**_options(variables), "aws_config": None}
    try:
        client = iam.Aws(options).retrying("route53")
        found = [client.get_hosted_zone(Id=each.rpartition("/")[2], aws_retry=True)["HostedZone"] for each in ids]
        if not found:
            found = [each for page in _pages(client, "list_hosted_zones") for each in page["HostedZones"]]
            found = [each for each in found if not each.get("Config", {}).get("PrivateZone")]
        return [
            dns_records.Zone(
                each["Id"].rpartition("/")[2],
                each["Name"].rstrip(".").lower(),
                [
                    one
                    for page in _pages(client, "list_resource_record_sets", HostedZoneId=each["Id"])
                    for one in page["ResourceRecordSets"]
                ],
            )
            for each in found
        ]
    except (ApiUnavailable, AnsibleError, BotoCoreError, ClientError) as problem:
        raise AwsUnavailable(told(problem, options)) from None


class AwsUnavailable(Exception):
    """AWS can't be asked; the message says why, in one line."""


def _pages(client: Any, call: str, **arguments: Any) -> Iterator[Any]:
    yield from client.get_paginator(call).paginate(**arguments)


def _options(variables: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {name: option.get("default") for name, option in aws_beside_kubernetes().items()}
    options.update(dns_credentials.for_aws(variables), aws_config=PATIENCE)
    # Route 53 is the same from every region; the SDK wants one all the same.
    options["region"] = options.get("region") or "us-east-1"
    return options


def _zone(client: Any, zone_id: str, variables: Mapping[str, Any]) -> Zone:
    try:
        found = client.get_hosted_zone(Id=zone_id)["HostedZone"]
    except ClientError as error:
        details = error.response.get("Error", {})
        if details.get("Code") in ("NoSuchHostedZone", "InvalidInput"):
            return Zone(zone_id)
        return Zone(zone_id, problem=told(error, _options(variables)))
    return Zone(zone_id, domain=found["Name"].rstrip(".").lower())
