# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS records that reach a regional cluster, out of its ingress' address, for who doesn't have external-dns."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import VMAUTH
from ansible_collections.k0rdent.kof.plugins.module_utils.text.telling import quoted

#: What is reached from outside, before the cluster's domain.
NAMES = (VMAUTH.removesuffix("."), "grafana")


class NoAddress(ValueError):
    """The load balancer has no address, or one that is neither a host name nor an IP address."""


def dns_records(ingress: Sequence[Mapping[str, Any]], domain: str) -> list[dict[str, str]]:
    """Records of the names before `domain`, each `{name, type, value}`, without a dot at their ends.

    :param ingress: `status.loadBalancer.ingress` of the ingress' Service. A host name, as AWS gives it, makes a CNAME
        (an A record can't point at a name); addresses make A and AAAA records.
    :raises NoAddress: there is none yet, or it is no address.
    """
    hostnames = [_name(str(entry["hostname"])) for entry in ingress if entry.get("hostname")]
    if hostnames:
        # A name has one CNAME; load balancers with names give one entry.
        targets = [("CNAME", hostnames[0])]
    else:
        targets = [_address(str(entry["ip"])) for entry in ingress if entry.get("ip")]
    if not targets:
        raise NoAddress("the load balancer has no address yet")
    return [{"name": f"{name}.{domain}", "type": kind, "value": value} for name in NAMES for kind, value in targets]


def _name(text: str) -> str:
    """Of whoever may write a Service's status on that cluster."""
    name = text.removesuffix(".")
    if syntax.domain(name.lower(), 253) or name.rpartition(".")[2].isdigit():
        raise NoAddress(f"{quoted(text, 60)} is no host name")
    return name


def _address(text: str) -> tuple[str, str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise NoAddress(f"{quoted(text, 60)} is no IP address") from None
    return ("A" if address.version == 4 else "AAAA"), str(address)
