# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What external-dns needs by each method of role dns_credentials, as parts: entries of IAM, and the Secret with its
key. What the entries have to be is dns/aws/plan.py's to say; nothing is sent or read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws import plan
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.secret import (
    KNOWN_LATER,
    NAME,
    external_dns_secret,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import AtAws, Part, Right, right
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.namespace import namespace
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import DNS_METHODS_WITH_SECRET, DnsAccess


def parts(options: Mapping[str, Any]) -> tuple[Part, ...]:
    """In the order in which they are made.

    :param options: the role's, as dns/aws/plan.py takes them: method, kof_fleet, kof_namespace,
        existing_node_roles, and names where they are set.
    """
    method, home, fleet = options["method"], options["kof_namespace"], options["kof_fleet"]
    found = [Part(AtAws(kind, name)) for kind, name in plan.entries(options)]
    if method in DNS_METHODS_WITH_SECRET:
        secret = external_dns_secret(home, labels(fleet), KNOWN_LATER, KNOWN_LATER)
        found.append(Part(Ref("v1", "Namespace", None, home), manifest=lambda: namespace(home, fleet)))
        # Its key is known once AWS has made it.
        found.append(Part(Ref("v1", "Secret", home, NAME), manifest=lambda: secret))
    return tuple(found)


def rights(options: Mapping[str, Any]) -> Iterator[Right]:
    """What is read beside the parts: whose the user is, by the management cluster's uid."""
    if options["method"] == "iam_user":
        yield right("apply", Ref("v1", "Namespace", None, "kube-system"), "get", name="kube-system")


#: Of the role's variables, those that the regional clusters' external-dns goes by.
OF_REGIONALS = (
    "method", "hosted_zones", "all_zones", "role_name", "path", "oidc_provider_arns", "existing_node_roles",
    "service_account",
)  # fmt: skip
#: By method, the regional_external_dns of the clusters that get its rights.
EXTERNAL_DNS_OF = {"iam_user": "secret", "existing": "secret", "node_role": "node", "irsa": "node"}


def access_of(options: Mapping[str, Any]) -> DnsAccess | None:
    """What these options give the external-dns of regional clusters; None where they give it nothing.

    The role is in the account of the clusters' OIDC providers: IAM knows no others in its trust.

    :param options: the role's, judged: OF_REGIONALS and kof_fleet.
    """
    method, role = options["method"], plan.names(options)["role"]
    if method not in EXTERNAL_DNS_OF:
        return None
    zones = () if options["all_zones"] else options["hosted_zones"]
    provider = next(iter(options["oidc_provider_arns"]), "").split(":") if method == "irsa" else []
    return DnsAccess(
        zones=tuple(dict.fromkeys(zone.rpartition("/")[2] for zone in zones)),
        role_arn=f"arn:{provider[1]}:iam::{provider[4]}:role{options['path']}{role}" if len(provider) > 4 else None,
        service_account=options["service_account"],
        instance_profile=role if method == "node_role" and not options["existing_node_roles"] else None,
    )
