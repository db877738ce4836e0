# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the controller's process sees what a module of the same task would: for actions that look in its place."""

from __future__ import annotations

from ansible.plugins.action import ActionBase


def elsewhere(action: ActionBase) -> str:
    """Why a module would see another account, cluster or file than this process does; empty if it wouldn't."""
    if action._connection.transport != "local":
        return f"the connection is {action._connection.transport}, not local"
    if action._connection.become:
        return "the task becomes another user"
    return "the task has an environment" if any(action._task.environment or []) else ""
