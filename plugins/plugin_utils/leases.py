# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of the fleet as the tasks of one run have it: who this run is, and what its tasks tell each other.

Taking, keeping and losing it is module_utils/k8s/lease.py.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import multiprocessing
import os
import struct
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.lease import name_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import lease
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.common import labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.spec import load_spec
from ansible_collections.k0rdent.kof.plugins.plugin_utils import place, this_run
from ansible_collections.k0rdent.kof.plugins.plugin_utils.leaving import leaving
from ansible_collections.k0rdent.kof.plugins.plugin_utils.lines import say

#: Of a run that changes children only, which shares the lease with others of its kind: a variable of its play.
SHARED = "__lease_shared"
#: Seconds of the lease, for tests that can't wait for its end.
_SECONDS = "K0RDENT_KOF_LEASE_SECONDS"
#: Core imports the code of actions in the process that it forks all others from, so all tasks of a run share this.
_MEMORY = mmap.mmap(-1, 1 << 16)
_LENGTH = struct.Struct("<I")


class Memory:
    """What the tasks of this run know of one Lease, see lease.Memory: in memory that their processes share."""

    def __init__(self, key: str) -> None:
        """
        :param key: of the Lease, with its server.
        """
        self._key = key

    def get(self) -> dict[str, Any]:
        found = _known().get(self._key)
        return found if isinstance(found, dict) else {}

    def set(self, known: Mapping[str, Any]) -> None:
        told = json.dumps({"run": this_run.name(), "leases": {**_known(), self._key: dict(known)}}).encode()
        if len(told) < len(_MEMORY) - _LENGTH.size:
            _MEMORY[: _LENGTH.size + len(told)] = _LENGTH.pack(len(told)) + told


def _known() -> dict[str, Any]:
    """What this run knows, by Lease: what stands there may be another run's, of the process that began both."""
    for _try in range(100):
        (length,) = _LENGTH.unpack(_MEMORY[: _LENGTH.size])
        with contextlib.suppress(ValueError):  # another task writes it
            found = json.loads(_MEMORY[_LENGTH.size : _LENGTH.size + length] or b"{}")
            return found["leases"] if found.get("run") == this_run.name() else {}
    return {}


def held() -> bool:
    """Does this run have any lease?"""
    return any("renewed" in known for known in _known().values())


def lost() -> str:
    """Why nothing more may be sent, as this run had a lease and lost it; "" where it has one, or never had."""
    for known in _known().values():
        age = lease.now() - known.get("renewed", lease.now())
        if "lost" in known or lease.is_over(age, _seconds()):
            return str(
                known.get("lost") or f"this run has lost its lease, which wasn't renewed for {age:.0f} s. Run again"
            )
    return ""


def namespace_of(action: ActionBase, task_vars: Mapping[str, Any]) -> str:
    """Where the leases are, for a task of a single host: kof_kcm_namespace."""
    name = "kof_kcm_namespace"
    said = place.templated(action, name, task_vars[name]) if name in task_vars else None
    return str(said or load_spec("mothership")[name]["default"])


def of_fleet(connection: Connection, fleet: str, kcm_namespace: str, task_vars: Mapping[str, Any]) -> lease.Lease:
    """The fleet's lease, for a task of this run; renewed from now on where the run has it.

    :param connection: to the management cluster. What it writes is written with the lease only.
    """
    main = multiprocessing.parent_process()
    number = main.pid if main and main.pid else os.getpid()
    ran = this_run.told(task_vars)
    told = {**ran, "job": " ".join((ran["job"] or {}).get(part, "") for part in ("id", "template")).strip()}
    name = name_of(fleet)
    made = lease.Lease(
        connection,
        (kcm_namespace, name),
        lease.Holder(
            this_run.name(), leaving(told), bool(task_vars.get(SHARED)), lease.machine(), lease.process(number)
        ),
        Memory(f"{connection.server} {connection.reached} {kcm_namespace}/{name}"),
        of=f"fleet {fleet}",
        labels=labels(fleet),
        say=say,
        seconds=_seconds(),
        alive=lambda: main is None or os.getppid() == main.pid,
        gone=lease.gone,
    )
    connection.lease = made
    made.keep()
    return made


def _seconds() -> int:
    given = os.environ.get(_SECONDS, "")
    return int(given) if given.isdigit() and int(given) > 0 else lease.SECONDS
