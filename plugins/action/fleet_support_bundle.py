# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_support_bundle.py: one file for a question, without secrets.

What is in it is module_utils/fleet/support.py and the rooms of status; here it all goes through the gate.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action.fleet_status import as_it_leaves
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import record, rendered, status, support
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import LAYERS, Fleet, FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.render import kcm_version_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, one_line
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.kcm import KCM_GROUP
from ansible_collections.k0rdent.kof.plugins.module_utils.preflight import controller, facts
from ansible_collections.k0rdent.kof.plugins.module_utils.report import status as report
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say


class ActionModule(fleets.FleetAction):
    OPTIONS: ClassVar = {"folder": {"type": "path", "default": "."}}

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = options["folder"]
        if telling.CONTROL.search(folder):
            raise FleetFault("folder (support_bundle_folder) has a line break or another control character inside")
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if not fleet.hosts:
            return {"changed": False, "file": "", "msg": "no cluster is in the batch"}
        now = datetime.datetime.now(datetime.UTC)
        found: dict[str, Any] = {"inventory.json": support.inventory(fleet), "versions.json": _here(fleet)}
        unread: list[str] = []
        # At night it is just an inventory with faults, or a cluster that can't be reached, that one has a question of.
        if fleet.faults:
            found["faults.txt"] = "".join(f"{fault}\n" for fault in map(str, fleet.faults))
        in_doubt = any(fault.variable in fleets.SAME_IN_A_BATCH for fault in fleet.faults)
        if in_doubt:
            unread.append("the management cluster: which one it is, or of which fleet, is in doubt (faults.txt)")
        else:
            self._look(fleet, options, now, found, unread)
        files = _as_they_leave(found, unread, fleet)
        stamp = now.strftime("%Y%m%dt%H%M%Sz")
        named = "fleet" if in_doubt else fleet.shared("kof_fleet")
        name = f"kof-support-{named}-{stamp}"
        content = support.archive(name, files, int(now.timestamp()))
        path = pathlib.Path(os.path.abspath(folder))
        msg = f"{path / name}.tar.gz: {len(files)} files, {len(content)} bytes; look through it before you hand it on"
        if not self.check_mode:
            # What is relative is meant from where ansible-playbook was called.
            there = rendered.Folder(path, secrets=True, mode=0o600, named="support_bundle_folder")
            there.write({f"{name}.tar.gz": content})
            say(f"Support bundle: {msg}")
        return {
            "changed": False,
            "file": "" if self.check_mode else f"{path / name}.tar.gz",
            "contents": sorted(files),
            "not_looked_at": unread,
            "msg": msg,
        }

    def _look(
        self, fleet: Fleet, options: Mapping[str, Any], now: datetime.datetime, found: dict[str, Any], unread: list[str]
    ) -> None:
        """Add what the management cluster tells, as far as it does."""
        try:
            with self.connect(fleet, options) as connection:
                found["versions.json"] |= {"api_server": connection.request("GET", "/version").get("gitVersion")}
                for name, look in (
                    ("status.json", lambda: self._status(connection, fleet, now)),
                    ("events.json", lambda: self._events(connection, fleet, unread)),
                    ("runs.json", lambda: self._runs(connection, fleet)),
                    ("kcm", lambda: _management(connection)),
                ):
                    try:
                        found[name] = look()
                    except (FleetFault, ApiError) as problem:
                        unread.append(f"{name}: {one_line(str(problem))}")
        except (FleetFault, ApiError, ApiUnavailable) as problem:
            unread.append(f"the management cluster: {one_line(str(problem))}")
        found["versions.json"] |= {"kcm": found.pop("kcm", None)}
        unread += (found.get("status.json") or {}).get("not_looked_at", [])

    def _status(self, connection: Connection, fleet: Fleet, now: datetime.datetime) -> dict[str, Any]:
        charts = status.charts_of(connection, fleet.shared("kof_namespace"))
        told = status.look(connection, fleet, charts, patience=60, now=now)
        return {**told, "management_cluster": self._place}

    @staticmethod
    def _events(connection: Connection, fleet: Fleet, unread: list[str]) -> list[dict[str, Any]]:
        events, forbidden = support.events(connection, fleet)
        unread += forbidden
        return events

    @staticmethod
    def _runs(connection: Connection, fleet: Fleet) -> list[dict[str, Any]]:
        return record.read(connection, fleet.shared("kof_namespace"), fleet.shared("kof_fleet"))


def _here(fleet: Fleet) -> dict[str, Any]:
    """What runs this."""
    helm = facts.helm_version(fleet.variables[fleet.hosts[0]].get("kof_helm_binary"))
    return {
        "k0rdent.kof": controller.own_version() or "no release: read from a checkout",
        "ansible-core": importlib.metadata.version("ansible-core"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "helm": helm.version or one_line(helm.problem or ""),
        **controller.versions(),
    }


def _management(connection: Connection) -> list[dict[str, str]]:
    """k0rdent, as it says itself."""
    api = f"{KCM_GROUP}/{kcm_version_of(connection)}"
    items = connection.list_objects(connection.path(api, "Management"))[0]
    return [
        {
            "management": each["metadata"]["name"],
            "api": api,
            "release": str((each.get("status") or {}).get("release") or (each.get("spec") or {}).get("release") or ""),
        }
        for each in items
    ]


def _as_they_leave(found: Mapping[str, Any], unread: list[str], fleet: Fleet) -> dict[str, str]:
    """The files as text: no secret that a vault held or the inventory has, no character that does more than stand
    there."""
    hide = telling.Hider(support.secrets(fleet), anywhere=telling.ANYWHERE)
    told: dict[str, Any] = dict(found)
    if "status.json" in told:
        told["status.json"] = as_it_leaves(told["status.json"])
        told["status.txt"] = report.text(told["status.json"]) + "\n"
    files = {
        name: hide.all_of(leaving(value)) if isinstance(value, str) else support.as_json(hide.all_of(leaving(value)))
        for name, value in told.items()
    }
    return {**files, "README.txt": hide(leaving(support.contents(files, unread)))}
