# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet's own regional clusters with what it takes to ask their stores. Pure but for the client it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.stores import Region
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection, get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import operators
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import fleet_of, vmauth_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import found_clusters
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import with_defaults


def own_regions(connection: Connection, fleet: Fleet, kcm_version: str) -> tuple[list[Region], list[str]]:
    """Those that are there, of the inventory and, by the fleet's label, beside it.

    :returns: and of each other `name: why` it can't be asked.
    :raises ApiError, ApiUnavailable: something may not be read.
    """
    api, name = f"{KCM_GROUP}/{kcm_version}", fleet.shared("kof_fleet")
    live: list[Mapping[str, Any]] = []
    if connection.resource(api, "ClusterDeployment") is not None:
        path = connection.path(api, "ClusterDeployment", fleet.shared("kof_kcm_namespace"))
        live = list(connection.list_objects(path)[0])
    there = {each["metadata"]["name"]: each for each in live}
    wanted = {each.cluster_name: (each.domain, each.vmuser_secret) for each in fleet.everywhere("regional")}
    beside = [each for each in live if fleet_of(each) == name and each["metadata"]["name"] not in wanted]
    for found in found_clusters(beside, fleet.release):
        if found.layer == "regional":
            variables = with_defaults("regional", found.variables)
            wanted[found.name] = (variables.get("regional_domain"), variables["regional_vmuser_secret"])
    regions, left_out = [], []
    logins: dict[str, tuple[str | None, str | None]] = {}
    for cluster, (domain, secret) in wanted.items():
        why, item = "", there.get(cluster)
        if item is None:
            why = "it isn't on the management cluster"
        elif "deletionTimestamp" in item["metadata"]:
            why = "it is being deleted"
        elif fleet_of(item) not in (None, name):
            why = f"it is fleet {fleet_of(item)}'s"
        elif not domain:
            why = "nothing says its domain"
        elif secret not in logins:
            stored = get_or_none(connection, ("v1", "Secret", fleet.shared("kof_namespace"), secret))
            user, password = (operators.value_of(stored, key) for key in fleet.release.vmuser_keys)
            logins[secret] = (user, password)
        user, password = logins.get(secret, (None, None))
        if not why and (not user or not password):
            why = f"Secret {fleet.shared('kof_namespace')}/{secret} has no login"
        if why or user is None or password is None:
            left_out.append(f"{cluster}: {why}")
        else:
            regions.append(Region(cluster, f"https://{vmauth_of(str(domain))}", (user, password), fleet.release.paths))
    return regions, left_out
