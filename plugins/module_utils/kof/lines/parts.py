# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster of any line is made of: the one door to the styles."""

from __future__ import annotations

from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.blueprint import Given, Part
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines import direct, labels
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.lines.release import Direct, Labels


def parts(layer: str, cluster: Any, given: Given[Any]) -> tuple[Part, ...]:
    """The parts of a cluster, in the order in which they are made; they go the other way round.

    :param layer: mothership, regional or child.
    :param cluster: the model's of that layer.
    """
    style = labels.PARTS if isinstance(given.release, Labels) else direct.PARTS
    return style[layer](cluster, given)


def inside(cluster: Any, given: Given[Any]) -> tuple[Part, ...]:
    """What is inside of a cluster, by its own API server: for who looks there. Not among `parts`, which every job walks
    and of which none is a look inside. Of no line that is told by labels: none is offered yet."""
    return tuple(direct.inside(cluster, given)) if isinstance(given.release, Direct) else ()


def objects(layer: str, cluster: Any, given: Given[Any], place: type = Ref) -> list[dict[str, Any]]:
    """What of a cluster we write, in the order in which it is made; of objects the first is the cluster itself.

    :param place: the type of the parts' `what`: objects of the management cluster, or Helm releases.
    """
    return [part.manifest() for part in parts(layer, cluster, given) if part.manifest and isinstance(part.what, place)]
