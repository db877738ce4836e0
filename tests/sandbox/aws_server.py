"""moto's server with the hosted zones that the sandbox's inventories name: whoever makes a zone can't choose its id.

May hold: AWS objects that an account has before anybody works in it, and after `moto-api/reset`.
"""

from __future__ import annotations

from typing import Any

from moto.route53 import models
from moto.server import main

ZONES = {
    "Z0EXAMPLE00000000000": "example.com.",
    "Z0EXAMPLE00000000001": "example.com.",
    "Z0EXAMPLE00000000002": "example.org.",
}

_empty = models.Route53Backend.__init__


def _with_zones(backend: Any, *arguments: Any, **named: Any) -> None:
    _empty(backend, *arguments, **named)
    new_zone: Any = models.FakeZone
    for zone_id, name in ZONES.items():
        zone = new_zone(name, zone_id, private_zone=False, caller_reference=zone_id)
        zone.delegation_set = models.DelegationSet(zone_id, [f"ns1.{name}"], f"DelSet_{zone_id}")
        backend.zones[zone_id] = zone


if __name__ == "__main__":
    vars(models)["Route53Backend"].__init__ = _with_zones
    main()
