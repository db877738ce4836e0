# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the controller's process stands where the task is meant to: for actions that work in it, not in a module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.k0rdent.kof.plugins.plugin_utils.core_internals import connection_of, task_of

#: Their hosts are clusters, not machines: a task delegated to one runs where one for it would.
_OF_CLUSTERS = ("kof_mothership", "kof_regional", "kof_child")


def elsewhere(action: ActionBase, task_vars: Mapping[str, Any]) -> str:
    """Why a module would see another account, cluster or file than this process does; empty if it wouldn't."""
    machine = delegated(action, task_vars)
    if machine:
        return f"delegate_to names {machine}"
    connection = connection_of(action)
    if connection.transport != "local":
        return f"the connection is {connection.transport}, not local"
    return "the task becomes another user" if connection.become else ""


def delegated(action: ActionBase, task_vars: Mapping[str, Any]) -> str:
    """The other machine that delegate_to names; empty where it names none, this one, or one of our clusters."""
    machine = task_of(action).delegate_to
    groups = task_vars.get("groups", {})
    if not machine or machine in C.LOCALHOST or any(machine in groups.get(group, ()) for group in _OF_CLUSTERS):
        return ""
    return str(machine)
