# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each layer of a batch must become before the next one may start, by host, and waiting for it.

Pure but for the client it is given; how objects are watched is k8s/wait.py, what is well the parts' judges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import side_effects
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import Surroundings
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import wait
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import awaited
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Known
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.parts import parts

#: How many names of what would be waited for a result carries.
_NAMED = 100


def targets(fleet: Fleet, layer: str, kcm_version: str, live: Known | None = None) -> list[tuple[str, wait.Target]]:
    """(host, target) of every cluster of the batch in a layer.

    :param kcm_version: the served version of kcm's API.
    :param live: what somebody has listed.
    """
    given = Given(fleet.release, kcm_version, live=live or Known())
    return [
        (cluster.host, part.target())
        for cluster in fleet.of(layer)
        for part in parts(layer, cluster, given)
        if part.target
    ]


def announced(fleet: Fleet, layer: str, kcm_version: str, live: Known | None = None) -> dict[str, Any]:
    """`until_ready` in check mode: its `waiting_for` and `msg`."""
    pairs = targets(fleet, layer, kcm_version, live) if fleet.shared("kof_wait") else []
    refs = [str(target.ref) for _host, target in pairs]
    return {"waiting_for": refs[:_NAMED], "msg": f"would wait until {len(refs)} objects are ready"}


def until_ready(
    connection: Connection,
    fleet: Fleet,
    layer: str,
    kcm_version: str,
    say: Callable[[str], None],
    live: Known | None = None,
) -> dict[str, Any]:
    """Wait as kof_wait_timeout says; `ready`, `msg` and `refused` of a result: who isn't ready, why, and the codes
    for it (kof/findings.py).

    :param say: is given lines of progress.
    :param live: what somebody has listed.
    :raises ApiError: a LIST or WATCH isn't allowed.
    :raises ApiUnavailable: the API server is away from the start.
    """
    pairs = targets(fleet, layer, kcm_version, live)
    waited = wait.wait(
        connection,
        [target for _host, target in pairs],
        timeout=fleet.shared("kof_wait_timeout"),
        progress=say,
        owners=[] if layer == "mothership" else [host for host, _target in pairs],
    )
    late: dict[str, list[wait.Waited]] = {}
    for (host, _target), each in zip(pairs, waited, strict=True):
        if each.state != "ready":
            late.setdefault(host, []).append(each)
    total = len({host for host, _target in pairs})
    ready, what = total - len(late), "clusters"
    if layer == "mothership":
        total, ready, what = len(waited), sum(each.state == "ready" for each in waited), "objects"
    return {
        "ready": ready,
        "refused": [
            {
                "host": host,
                "reason": "; ".join(map(_told, those)),
                "codes": list(dict.fromkeys(each.code for each in those if each.code)),
            }
            for host, those in late.items()
        ],
        "msg": f"{ready} of {total} {what} ready",
    }


def _told(late: wait.Waited) -> str:
    return f"{late.ref} {late.state} after {late.seconds:.0f} s: {late.because}"


def all_ready(connection: Connection, fleet: Fleet, layer: str, surroundings: Surroundings) -> tuple[bool, list[str]]:
    """Whether `until_ready` would find all as it must be, and what is worth a warning all the same.

    The clusters are judged as they were listed for the rendering: nothing was sent since.
    """
    namespace = fleet.shared("kof_kcm_namespace")
    known = {"ClusterDeployment": list(surroundings.deployments.values())}
    try:
        if connection.resource(awaited.SVELTOS, "ClusterSummary"):
            path = connection.path(awaited.SVELTOS, "ClusterSummary", namespace)
            known["ClusterSummary"] = connection.list_objects(path)[0]
        warnings = side_effects.of_another_repository(
            connection,
            fleet.of(layer),
            known.get("ClusterSummary", []),
            fleet.shared("kof_chart_repository"),
            namespace,
        )
        wanted = [target for _host, target in targets(fleet, layer, surroundings.kcm_version, surroundings.live)]
        return wait.all_ready(connection, wanted, known), warnings
    except (ApiError, ApiUnavailable):
        return False, []  # whoever waits for the server, says what is wrong
