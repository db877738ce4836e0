# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of modules/fleet_verify.py: the status with what it takes more rights to know, in the same faces.

What is looked at more is module_utils/fleet/verify.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.k0rdent.kof.plugins.action import fleet_status
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet import data, status, verify
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import FleetFault
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.plugin_utils.fleet import ReadFleet

#: What is looked at.
SCOPES = ("management", "inside")


class ActionModule(fleet_status.ActionModule):
    OPTIONS: ClassVar = {
        **fleet_status.ActionModule.OPTIONS,
        "scope": {"type": "str", "default": "inside", "choices": list(SCOPES)},
        "deadline": {"type": "int", "default": 30},
        "data": {"type": "bool", "default": False},
        **{f"{kind}_age": {"type": "int", "default": age} for kind, age in data.AGES.items()},
        "promxy": {"type": "str"},
    }

    def fleet(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if options["deadline"] < 1:
            raise FleetFault("deadline (verify_deadline) is less than 1; seconds for each cluster, 30 for example")
        _refuse("promxy", data.address, options, data.ADDRESS)
        for kind, usual in data.AGES.items():
            _refuse(f"{kind}_age", data.seconds, options, f"in seconds, {usual} for example")
        return super().fleet(options, task_vars)

    def look(
        self,
        connection: Connection,
        fleet: ReadFleet,
        charts: status.Charts,
        options: Mapping[str, Any],
        task_vars: dict[str, Any],
        more: Sequence[Callable[[status.Look], None]] = (),
    ) -> dict[str, Any]:
        more = [*more, verify.datasources]
        asked = None
        if options["data"]:
            # Core's client of HTTP takes longer to import than the rest, and site.yml's verify asks no data.
            from ansible_collections.k0rdent.kof.plugins.plugin_utils.asking import ask

            asked = verify.Data(ask, _ages(options), (options["promxy"] or "").rstrip("/"), time.time)
        if asked or options["scope"] == "inside":
            more.append(verify.inside(options["deadline"], asked))
        return super().look(connection, fleet, charts, options, task_vars, more)


def _ages(options: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: options[f"{kind}_age"] for kind in data.AGES}


def _refuse(option: str, read: Callable[[Any], None], options: Mapping[str, Any], right: str) -> None:
    """
    :param read: raises ValueError for what it can't be.
    :raises FleetFault: that.
    """
    try:
        read(options[option])
    except ValueError as problem:
        raise FleetFault(f"{option} (verify_{option}) {problem}; {right}") from None
