# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the looks at a whole batch have in common (fleet_status with fleet_verify, fleet_drift): who is looked at, where
files go, what is said, and for what hosts fail. What is looked at, and how it looks, is each one's own.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import rendered, status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import (
    FAULTS_KEPT,
    FAULTS_SHOWN,
    LAYERS,
    FleetFault,
    errors_beside,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.rollout import guilty_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.report.outcomes import Outcomes
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling
from ansible_collections.k0rdent.kof.plugins.plugin_utils import booking
from ansible_collections.k0rdent.kof.plugins.plugin_utils import fleet as fleets
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

Found = dict[str, Any]


class LookAction(fleets.FleetAction):
    """A subclass says what it finds, and how that is told."""

    #: The variable by which users name option folder.
    FOLDER: ClassVar[str]
    #: The list that a result has where there is nothing to look at.
    LISTED: ClassVar[str]

    def refuse(self, options: Mapping[str, Any]) -> None:
        """
        :raises FleetFault: options that can't be meant.
        """

    def look(
        self,
        connection: Connection,
        fleet: fleets.ReadFleet,
        charts: status.Charts,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
    ) -> Found:
        """What there is, as the schema in docs/ describes it."""
        raise NotImplementedError

    def leaves(self, found: Found) -> Found:
        """That, as it may leave: see plugin_utils/leaving.py."""
        raise NotImplementedError

    def failures(self, found: Found, options: Mapping[str, Any]) -> dict[str, str]:
        """By host, for what it fails."""
        raise NotImplementedError

    def text(self, found: Found, options: Mapping[str, Any]) -> str:
        """What people read; empty where they want none."""
        raise NotImplementedError

    def files(self, found: Found, options: Mapping[str, Any]) -> dict[str, str]:
        """By name, what is written."""
        raise NotImplementedError

    def summary(self, found: Found) -> str:
        """In one line."""
        raise NotImplementedError

    def told(self, found: Found) -> dict[str, Any]:
        """What of it is in the task's result."""
        raise NotImplementedError

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        self.refuse(options)
        folder = folder_of(options["folder"], self.FOLDER)
        fleet = fleets.read_fleet(task_vars, LAYERS)
        if fleet.faults:
            raise FleetFault.of(fleet.faults)
        nothing: dict[str, Any] = {"changed": False, self.LISTED: [], "files": [], "outcomes": {}}
        if not fleet.hosts:
            return nothing | {"msg": "no cluster is in the batch"}
        if folder and not self.check_mode:
            folder.write({})  # where nothing can be written that is told before anybody looks
        run = booking.run_of(task_vars, options["booked_by"])
        with self.connect(fleet, options) as connection:
            charts = status.charts_of(connection, fleet.shared("kof_namespace"))
            found = self.look(connection, fleet, charts, options, task_vars)
        found = self.leaves({**found, "management_cluster": self._place})
        failed, files, text = self.failures(found, options), self.files(found, options), self.text(found, options)
        if text:
            say(text)
        if folder and not self.check_mode:
            folder.write(files)
        result = nothing | {
            **self.told(found),
            "files": [str(folder.path / name) for name in files] if folder else [],
            "msg": self.summary(found),
            "outcomes": Outcomes(failed=failed).fact(options["booked_by"]),
        }
        if failed and run.alone:
            lines = [{"host": host, "reason": reason} for host, reason in failed.items()]
            message = "\n".join([self.summary(found), *guilty_of(lines, FAULTS_SHOWN)])
            result |= {"failed": True, "msg": message, **errors_beside(message, guilty_of(lines, FAULTS_KEPT))}
        return result


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


def domain_of(fleet: fleets.ReadFleet, task_vars: dict[str, Any], host: str) -> str | None:
    """Of a regional cluster of the inventory, in the batch or not."""
    regional = fleets.read_regional(fleet, host, task_vars)
    return regional.domain if regional else None
