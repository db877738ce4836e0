# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the shared layer of a management cluster is, asked at the act by whoever is about to change some of it.

Helm releases and AWS entries have no label of ours: whose the namespace of kof is, they are. One read, no write.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import get_or_none
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.identity import shared_by_another


class AnothersLayer(Exception):
    """The shared layer is another fleet's; the message says what to do instead."""


def refuse(connection: Any, namespace: str, fleet: str, taken_over: Collection[str] = ()) -> None:
    """Nothing, where the fleet may change the shared layer.

    :param namespace: of kof.
    :param taken_over: fleets whose objects this run may take over.
    :raises AnothersLayer: it may not.
    """
    found = get_or_none(connection, ("v1", "Namespace", None, namespace))
    theirs = shared_by_another(found, fleet, taken_over)
    if theirs:
        raise AnothersLayer("; ".join(theirs))
