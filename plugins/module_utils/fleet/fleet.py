# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters that a run is about, parsed, and what concerns them all when it goes wrong. Plain values: how they come
out of an inventory is Ansible's side, plugin_utils/fleet.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.kof import model
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.guards import Permissions
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.model import Fault
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text.words import first_lines, some

LAYERS = ("mothership", "regional", "child")


GROUPS = {layer: f"kof_{layer}" for layer in LAYERS}


#: How many faults a result carries; the total is always said.
FAULTS_SHOWN, FAULTS_KEPT = 10, 100


class FleetFault(Exception):
    """What concerns the whole batch: bad input, no connection, no permission.

    :ivar faults: one line each, at most FAULTS_KEPT of them.
    """

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)[:FAULTS_KEPT]

    @classmethod
    def of(cls, faults: Sequence[Fault | str], what: str = "the inventory") -> FleetFault:
        lines = list(dict.fromkeys(map(str, shared_lines(faults))))
        many = f"{len(lines)} faults" if len(lines) > 1 else "1 fault"
        head = f"{many} in {what}; nothing was changed."
        return cls("\n".join([head, *first_lines(lines, FAULTS_SHOWN)]), lines)


def members(groups: Mapping[str, Sequence[str]], layer: str) -> list[str]:
    """The inventory's hosts of a layer."""
    return list(groups.get(GROUPS[layer], ()))


def errors_beside(message: str, faults: Sequence[str]) -> dict[str, list[str]]:
    """The `errors` of a failed result: all faults, unless the message has them. Core prints it twice as it is."""
    return {} if all(line in message for line in faults) else {"errors": list(faults)[:FAULTS_KEPT]}


def shared_lines(faults: Sequence[Fault | str]) -> list[Fault | str]:
    """The faults, those that are the same for several hosts as one, where its first was."""
    hosts: dict[Fault | str, list[str]] = {}
    for fault in faults:
        alike = fault if isinstance(fault, str) else fault._replace(host="")
        hosts.setdefault(alike, []).append("" if isinstance(fault, str) else fault.host)
    return [
        fault if isinstance(fault, str) else fault._replace(host=some(dict.fromkeys(each)))
        for fault, each in hosts.items()
    ]


@dataclass
class Fleet:
    """The clusters a batch is about, parsed, with what they share.

    `batch` has the hosts of this play batch by layer; `variables` and `clusters` hold every host that was read;
    `permissions` are those of this one run; `raw` are the variables as they were written, not templated.
    """

    batch: dict[str, list[str]]
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    clusters: dict[str, model.Mothership | model.Regional | model.Child] = field(default_factory=dict)
    layer_of: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    permissions: Permissions = field(default_factory=Permissions)
    raw: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, layer: str) -> list[Any]:
        """The parsed clusters of this batch in one layer, in the inventory's order."""
        return [self.clusters[host] for host in self.batch[layer] if host in self.clusters]

    def everywhere(self, layer: str) -> list[Any]:
        """The parsed clusters of one layer, of this batch or not."""
        return [cluster for host, cluster in self.clusters.items() if self.layer_of[host] == layer]

    @property
    def hosts(self) -> list[str]:
        return [host for layer in LAYERS for host in self.batch[layer]]

    def shared(self, name: str) -> Any:
        """A `kof_*` value all hosts of the batch agree on (with its default)."""
        first = next(host for layer in LAYERS for host in self.batch[layer])
        return self.variables[first].get(name)

    @property
    def release(self) -> Direct:
        return RELEASES[self.shared("kof_version")]
