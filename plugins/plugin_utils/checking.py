# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of a batch: what the variables of its hosts say goes into preflight/run.py, and who looks at what else
there is: helm, the zones of DNS, what promxy says of alert rules.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import ended_maintenance
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import ApiUnavailable, Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.service_proxy import NoAnswer
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.mothership_values import settings, unguarded
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import REQUIRED
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller, expressions, foresight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.situation import Zone
from ansible_collections.k0rdent.kof.plugins.module_utils.report import row
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils import replaced, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask


def checks(
    fleet: fleets.ReadFleet,
    options: Mapping[str, Any],
    task_vars: Mapping[str, Any],
    connect: Callable[[], Connection],
    *,
    check_mode: bool,
) -> list[row.Check]:
    """
    :param options: of fleet_preflight.
    :raises FleetFault: it is in doubt which API server the batch speaks to, or as what.
    """
    release = RELEASES.get(fleet.shared("kof_version"))
    shared = set(fleets.SAME_IN_A_BATCH)
    unsaid = [fault for fault in fleet.faults if fault.variable == "kof_version" and fault.problem.startswith(REQUIRED)]
    if {fault.host for fault in unsaid}.issuperset(fleet.hosts):
        # Where none says which kof is wanted, the management cluster says more of it than the inventory.
        fleet.faults = [fault for fault in fleet.faults if fault not in unsaid]
    elif release is None:
        raise FleetFault.of(fleet.faults)
    if any(fault.variable in shared and fault.host in fleet.hosts for fault in fleet.faults):
        # Where the batch speaks to, or as what, is in doubt: nothing further can be asked.
        raise FleetFault.of(fleet.faults)
    motherships = fleet.everywhere("mothership")
    inventory = preflight.Inventory(
        motherships[0] if motherships else None,
        fleet.everywhere("regional"),
        fleet.everywhere("child"),
        fleet.faults,
        # The mothership's dns_credentials_* matter to the regional clusters also where it isn't in the batch.
        {name: value for each in motherships for name, value in fleet.variables[each.host].items()}
        | fleet.variables[fleet.hosts[0]],
        fleet.permissions,
        replaced.maps(
            task_vars["hostvars"],
            fleet.raw,
            {host: fleets.ROLES_OF_LAYER[layer] for host, layer in fleet.layer_of.items()},
        ),
        not any(whole.doubts(fleet, task_vars)),
    )
    variables = inventory.shared if motherships and motherships[0].host in fleet.hosts else {}
    looked_up = _zones(variables) if "dns_credentials" in options["layers"] else ()
    try:
        connection: Any = connect()
    except ApiUnavailable as problem:
        connection = problem
    try:
        found = preflight.run(
            connection,
            fleet.hosts,
            inventory,
            release,
            check_mode=check_mode,
            layers=options["layers"],
            zones=looked_up,
            foresee=_foresee(fleet, release) if release else None,
            job=options["job"],
        )
        if options["job"] == "apply":
            found += [each for layer in options["layers"] for each in ended_maintenance(fleet, layer)]
            if release and not isinstance(connection, ApiUnavailable):
                found += _expressions(connection, fleet, release, options)
        return found
    finally:
        if not isinstance(connection, ApiUnavailable):
            connection.close()


def _foresee(fleet: Fleet, release: Direct) -> foresight.Foresee | None:
    """The look at what helm will have to do; None where the batch has no mothership."""
    for mothership in fleet.of("mothership"):
        wanted = settings(mothership, release, fleet.variables[mothership.host])
        if mothership.namespace in fleet.permissions.dangerous:
            wanted["releases"] = [unguarded(each) for each in wanted["releases"]]
        return foresight.of_settings(wanted)
    return None


def _expressions(
    connection: Connection, fleet: Fleet, release: Direct, options: Mapping[str, Any]
) -> Iterator[row.Check]:
    """What promxy says of users' alert rules."""
    port = next((each.port for each in release.entrances if each.service == release.promxy.deployment), 0)
    home, address = fleet.shared("kof_namespace"), (options["promxy"] or "").rstrip("/")
    asking = expressions.by_the_api_server(connection, home, release.promxy.deployment, port)
    if address:
        asking = functools.partial(_asked_there, f"{address}/api/v1/query")
    for layer in LAYERS:
        if layer in options["layers"]:
            yield from expressions.rows(layer, fleet.of(layer), asking)


def _asked_there(url: str, expression: str) -> tuple[int, bytes]:
    """expressions.Ask, by an address."""
    try:
        return ask(url, {"query": expression}, None)
    except NoAnswer as reason:
        raise NoAnswer(reason.kind, f"{url}: {reason}") from None


def _zones(variables: Mapping[str, Any]) -> tuple[Zone, ...]:
    """Where the collection or the SDK is missing that AWS is asked with, the checks say that alone."""
    there = controller.versions()
    if any(there[name] is None for name in controller.FOR_AWS):
        return ()
    from ansible_collections.k0rdent.kof.plugins.plugin_utils import zones

    return zones.look(variables)
