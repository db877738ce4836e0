# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_status.py: how the fleet is, once for the whole batch, in every face that is asked for.

What is looked at is module_utils/fleet/status.py, how it looks module_utils/report/status.py.
"""

from __future__ import annotations

import datetime
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import prune, rendered, status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    FAULTS_SHOWN,
    LAYERS,
    Fleet,
    FleetFault,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import run as preflight
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight.facts import Facts
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report
from ansible_collections.k0rdent.kof.plugins.module_utils.report.faces import FACES
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking, whole
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {
        "format": {"type": "list", "elements": "str", "default": ["text"], "choices": list(FACES)},
        "folder": {"type": "path"},
        "patience": {"type": "int", "default": 60},
        **booking.OPTION,
    }

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
            domain_of=functools.cache(functools.partial(domain_of, fleet, task_vars)),
        )

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        formats, folder = options["format"], _folder(options)
        if options["patience"] < 0:
            raise FleetFault("patience (status_patience) is less than 0; minutes, 60 for example")
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        nothing = {"changed": False, "findings": [], "files": [], "outcomes": {}}
        if not fleet.hosts:
            return nothing | {"msg": "no cluster is in the batch"}
        if folder and not self.check_mode:
            folder.write({})  # where nothing can be written that is told before anybody looks
        run = booking.run_of(task_vars, options["booked_by"])
        with self.connect(fleet, options) as connection:
            charts = status.charts_of(connection, fleet.shared("kof_namespace"))
            found = self.look(connection, fleet, charts, options, task_vars)
        failed = status.failures(found)
        found = as_it_leaves({**found, "management_cluster": self._place})
        if "text" in formats:
            say(report.text(found))
        files = {file: face(found) for face, file in map(FACES.__getitem__, dict.fromkeys(formats))}
        if folder and not self.check_mode:
            folder.write(files)
        result = nothing | {
            "counts": found["counts"],
            # Which hosts are of which versions is in the file of format json.
            "versions": {name: each for name, each in found["versions"].items() if name != "sets"},
            "budgets": found["budgets"],
            "drift": found["drift"]["counts"],
            "findings": found["findings"][:FAULTS_KEPT],
            "not_looked_at": found["not_looked_at"],
            "files": [str(folder.path / name) for name in files] if folder else [],
            "msg": report.summary(found),
            "outcomes": Outcomes(failed=failed).fact(options["booked_by"]),
        }
        if failed and run.alone:
            lines = [{"host": host, "reason": reason} for host, reason in failed.items()]
            message = "\n".join([report.summary(found), *guilty_of(lines, FAULTS_SHOWN)])
            result |= {"failed": True, "msg": message, **fleets.errors_beside(message, guilty_of(lines, FAULTS_KEPT))}
        return result


def _folder(options: Mapping[str, Any]) -> rendered.Folder | None:
    """Where files go; None where none are asked for.

    :raises FleetFault: it has no name that a folder may have, or there is a face that nobody would see.
    """
    unseen = [each for each in options["format"] if each != "text"]
    if unseen and not options["folder"]:
        raise FleetFault(
            f"format (status_format) has {', '.join(unseen)}, which is written to files only: name the folder for "
            "them by folder (status_folder)"
        )
    return folder_of(options["folder"], "status_folder")


def folder_of(given: str | None, variable: str) -> rendered.Folder | None:
    """The folder that files for everybody go to; None where none is said.

    :param variable: by which users name it.
    :raises FleetFault: it has no name that a folder may have.
    """
    if not given:
        return None
    if telling.CONTROL.search(given):
        raise FleetFault(f"folder ({variable}) has a line break or another control character inside")
    # What is relative is meant from where ansible-playbook was called. The collector of Prometheus is another user.
    return rendered.Folder(pathlib.Path(os.path.abspath(given)), secrets=False, mode=0o644, named=variable)


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


def domain_of(fleet: fleets.ReadFleet, task_vars: dict[str, Any], host: str) -> str | None:
    """Of a regional cluster of the inventory, in the batch or not."""
    regional = fleets.read_regional(fleet, host, task_vars)
    return regional.domain if regional else None


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
