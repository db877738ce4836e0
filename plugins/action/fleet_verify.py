# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_verify.py: the status with what it takes more rights to know, in the same faces.

What is looked at more is module_utils/fleet/verify.py.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.k0rdent.kof.plugins.action import fleet_status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import status, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.installed import InstalledChart
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection


class ActionModule(fleet_status.ActionModule):
    def look(
        self,
        connection: Connection,
        fleet: Fleet,
        charts: Sequence[InstalledChart] | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        now = datetime.datetime.now(datetime.UTC)
        return status.look(connection, fleet, charts, patience=options["patience"], now=now, more=(verify.datasources,))
