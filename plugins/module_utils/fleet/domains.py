# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domain the regional cluster of each child has. Pure but for what it is given to read by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.live import regional_domain
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.cluster_deployment import regional_domain_of
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault, Regional


def of_regionals(
    fleet: Fleet,
    layer: str,
    surroundings: Surroundings,
    regionals: Sequence[str],
    read: Callable[[str], Regional | None],
) -> dict[str, str]:
    """The domain of each child's regional, by its host: from the inventory, else of the live cluster. None for other
    layers.

    :param regionals: the inventory's regional hosts.
    :param read: gives the parsed regional of a host, in the batch or not; its faults go to the fleet's.
    :raises FleetFault: one has none.
    """
    domains: dict[str, str] = {}
    faults: list[Fault] = []
    for child in fleet.of("child") if layer == "child" else ():
        if child.regional in domains:
            continue
        regional = read(child.regional)
        if regional is not None:
            domains[child.regional] = regional.domain
            continue
        live = surroundings.deployments.get(child.regional)
        # Where our annotation says it, nobody is asked for the groups.
        domain = live and (regional_domain_of(live) or regional_domain(live, surroundings.server_groups()))
        if domain:
            domains[child.regional] = domain
        elif child.regional in regionals:
            faults += [fault for fault in fleet.faults if fault.host == child.regional]
        else:
            what = (
                f"{child.regional} is live, but nothing says its domain: no regional cluster of kof's"
                if live
                else f"no regional cluster {child.regional}, neither in the inventory nor on the management cluster"
            )
            known = ", ".join(regionals[:5]) or "none"
            faults.append(Fault(child.host, "child_regional", what, f"a host of kof_regional: {known}"))
    if faults:
        raise FleetFault.of(faults)
    return domains
