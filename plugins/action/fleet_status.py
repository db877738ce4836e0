# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_status.py: how the fleet is, once for the whole batch, in every face that is asked for.

What is looked at is module_utils/fleet/status.py, how it looks module_utils/report/status.py.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune, status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FAULTS_KEPT, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Facts
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report
from ansible_collections.k0rdent.kof.plugins.module_utils.report.faces import FACES
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, looking, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving


class ActionModule(looking.LookAction):
    OPTIONS: ClassVar = {
        "format": {"type": "list", "elements": "str", "default": ["text"], "choices": list(FACES)},
        "folder": {"type": "path"},
        "patience": {"type": "int", "default": 60},
        **booking.OPTION,
    }
    FOLDER = "status_folder"
    LISTED = "findings"

    def look(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        charts: status.Charts,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
        more: Sequence[Callable[[status.Look], None]] = (),
    ) -> dict[str, Any]:
        """How the fleet is, as docs/status.schema.json describes it."""
        if not any(whole.doubts(fleet, task_vars)) and not whole.outside(fleet, task_vars):
            more = [*more, prune.tell]
        now = datetime.datetime.now(datetime.UTC)
        return status.look(
            connection,
            fleet,
            charts,
            patience=options["patience"],
            now=now,
            more=more,
            weigh=functools.partial(_budgets, fleet, now),
            domain_of=functools.cache(functools.partial(looking.domain_of, fleet, task_vars)),
        )

    def refuse(self, options: Mapping[str, Any]) -> None:
        unseen = [each for each in options["format"] if each != "text"]
        if unseen and not options["folder"]:
            raise FleetFault(
                f"format (status_format) has {', '.join(unseen)}, which is written to files only: name the folder for "
                "them by folder (status_folder)"
            )
        if options["patience"] < 0:
            raise FleetFault("patience (status_patience) is less than 0; minutes, 60 for example")

    def leaves(self, found: dict[str, Any]) -> dict[str, Any]:
        return as_it_leaves(found)

    def failures(self, found: dict[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
        return status.failures(found)

    def text(self, found: dict[str, Any], options: Mapping[str, Any]) -> str:
        return report.text(found) if "text" in options["format"] else ""

    def files(self, found: dict[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
        return {file: face(found) for face, file in map(FACES.__getitem__, dict.fromkeys(options["format"]))}

    def summary(self, found: dict[str, Any]) -> str:
        return report.summary(found)

    def told(self, found: dict[str, Any]) -> dict[str, Any]:
        return {
            "counts": found["counts"],
            # Which hosts are of which versions is in the file of format json.
            "versions": {name: each for name, each in found["versions"].items() if name != "sets"},
            "budgets": found["budgets"],
            "drift": found["drift"]["counts"],
            "findings": found["findings"][:FAULTS_KEPT],
            "not_looked_at": found["not_looked_at"],
        }


def as_it_leaves(found: dict[str, Any]) -> dict[str, Any]:
    """Whatever face it gets: no secret, and no character that does more than stand there. Words of ours, by which
    programs go, stay: a vault may hold the word failed."""
    leaves = leaving(found)
    leaves |= {key: found[key] for key in ("schema", "at")}
    for rows, before, ours in (
        (leaves["findings"], found["findings"], ("code", "severity", "title", "layer")),
        (leaves["clusters"], found["clusters"], ("layer", "state")),
        (leaves["drift"]["counts"], found["drift"]["counts"], ("kind",)),
        (leaves["drift"]["objects"], found["drift"]["objects"], ("kind", "action")),
        (leaves["budgets"], found["budgets"], ("name", "status")),
        (leaves["versions"]["sets"], found["versions"]["sets"], ("layer",)),
    ):
        for row, each in zip(rows, before, strict=True):
            row |= {key: each[key] for key in ours}
    return leaves


def _budgets(fleet: Fleet, now: datetime.datetime, live: status.Live) -> list[dict[str, str]]:
    """As preflight reckons them, by what was read anyway. Logins count by about their length."""
    motherships = fleet.everywhere("mothership")
    shared = {name: value for each in motherships for name, value in fleet.variables[each.host].items()}
    inventory = preflight.Inventory(
        motherships[0] if motherships else None,
        fleet.everywhere("regional"),
        fleet.everywhere("child"),
        shared=shared | fleet.variables[fleet.hosts[0]],
    )
    facts = Facts(
        "",
        cluster_deployments=tuple(live.cluster_deployments),
        promxy_server_groups=tuple(live.promxy_server_groups or ()),
        promxy_deployment=live.promxy,
        now=now.astimezone(datetime.UTC),
        unread={} if live.promxy_server_groups is not None else {"PromxyServerGroup": "it may not be read"},
    )
    rows = preflight.budgets(facts, fleet.hosts, inventory, fleet.release)
    return [{name: getattr(row, name) for name in ("name", "found", "wanted", "remedy", "status")} for row in rows]
