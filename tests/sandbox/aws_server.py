"""moto's server with the hosted zones that the sandbox's inventories name: whoever makes a zone can't choose its id.
And it takes no change of records that Route 53 refuses, and answers what amazon.aws asks of a user whom it removes.

May hold: AWS objects that an account has before anybody works in it, and after `moto-api/reset`; what moto is laxer in
than AWS.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.route53 import models
from moto.route53.exceptions import Route53ClientError
from moto.server import main

ZONES = {
    "Z0EXAMPLE00000000000": "example.com.",
    "Z0EXAMPLE00000000001": "example.com.",
    "Z0EXAMPLE00000000002": "example.org.",
}

_empty = models.Route53Backend.__init__
_change = models.Route53Backend.change_resource_record_sets


def _with_zones(backend: Any, *arguments: Any, **named: Any) -> None:
    _empty(backend, *arguments, **named)
    new_zone: Any = models.FakeZone
    for zone_id, name in ZONES.items():
        zone = new_zone(name, zone_id, private_zone=False, caller_reference=zone_id)
        zone.delegation_set = models.DelegationSet(zone_id, [f"ns1.{name}"], f"DelSet_{zone_id}")
        backend.zones[zone_id] = zone


def _as_route53(backend: Any, zone_id: str, changes: list[dict[str, Any]]) -> None:
    """All changes or none, each held against what is there, in Route 53's words."""
    zone = backend.get_hosted_zone(zone_id)
    there = {
        (_plain(each.name), each.type, each.set_identifier or ""): _content(each.ttl, each.records, each.alias_target)
        for each in zone.rrsets
    }
    faults = []
    for change in changes:
        given = change["ResourceRecordSet"]
        values = [each["Value"] for each in given.get("ResourceRecords") or ()]
        key = (_plain(given["Name"]), given["Type"], given.get("SetIdentifier") or "")
        content = _content(given.get("TTL"), values, given.get("AliasTarget"))
        told = f"resource record set [name='{key[0]}.', type='{key[1]}']"
        if change["Action"] == "DELETE":
            if key not in there:
                faults.append(f"Tried to delete {told} but it was not found")
            elif there.pop(key) != content:
                faults.append(f"Tried to delete {told} but the values provided do not match the current values")
        elif change["Action"] == "CREATE" and key in there:
            faults.append(f"Tried to create {told} but it already exists")
        else:
            there[key] = content
    changed = {_plain(change["ResourceRecordSet"]["Name"]) for change in changes}
    for name in sorted(changed):
        kinds = {kind for each, kind, _of_set in there if each == name}
        if "CNAME" in kinds and len(kinds) > 1:
            faults.append(
                f"RRSet of type CNAME with DNS name {name}. is not permitted as it conflicts with other records with "
                f"the same DNS name in zone {zone.name}"
            )
    if faults:
        raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(faults)}]")
    # What moto itself asks before it changes something, it asks of what was ever changed.
    deleted = [change["ResourceRecordSet"] for change in changes if change["Action"] == "DELETE"]
    zone.rr_changes = models.ChangeList()
    for each in deleted:
        zone.rr_changes.append({"Action": "UPSERT", "ResourceRecordSet": {**each}})
    _change(backend, zone_id, changes)


def _no_service_credentials(_response: Any) -> ActionResult:
    """ListServiceSpecificCredentials, of users who have none."""
    return ActionResult({"ServiceSpecificCredentials": []})


def _content(ttl: Any, values: list[str], alias: Any) -> tuple[str, ...]:
    if alias:
        health = str(alias.get("EvaluateTargetHealth")).lower()
        return ("alias", alias["HostedZoneId"], _plain(alias["DNSName"]), health)
    return (str(ttl), *sorted(values or ()))


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


if __name__ == "__main__":
    vars(models)["Route53Backend"].__init__ = _with_zones
    vars(models)["Route53Backend"].change_resource_record_sets = _as_route53
    IamResponse.list_service_specific_credentials = _no_service_credentials
    main()
