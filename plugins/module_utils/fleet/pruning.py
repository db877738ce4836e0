# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes what runs have made and nothing asks for any more: its callers say which those are, and whether a run may."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.apply import policy_of
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.fleet import Fleet
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import reconcile
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Guard, Outcome, Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import Connection
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import guards


def delete(
    connection: Connection, fleet: Fleet, left: Sequence[tuple[str, Ref]], still: Guard, *, check_mode: bool
) -> list[tuple[str, Outcome]]:
    """Each one's outcome with its cluster's host.

    :param still: asked of each at the act, whether it is what it was when it was looked at.
    :raises ApiError, ApiUnavailable: nothing can be read.
    """
    outcomes = reconcile.delete(
        connection,
        [ref for _host, ref in left],
        policy=policy_of(fleet),
        check_mode=check_mode,
        guards=(
            *guards.of_deleting(fleet.shared("kof_fleet"), fleet.permissions),
            guards.kept_by_others,
            guards.kept_by_gitops,
            still,
        ),
    )
    return [(host, outcome) for (host, _ref), outcome in zip(left, outcomes, strict=True)]
