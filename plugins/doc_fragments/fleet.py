# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what all fleet actions have in common: they run once for a batch, on the hosts' own variables."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
notes:
  - Runs once for the whole play batch (C(ansible_play_batch)) and reads every host's variables itself; set
    C(run_once) to V(true) on the task so that its result is registered for all hosts.
  - The variables are those of the roles P(k0rdent.kof.mothership#role), P(k0rdent.kof.regional#role) and
    P(k0rdent.kof.child#role), from the inventory or as extra variables. Set on a play or a role they would be ignored,
    so that is an error.
  - Works in the controller's process, so it refuses C(become), a connection that isn't C(local), and
    C(delegate_to) another machine. The C(environment) of the task counts as for a module.
  - Another fleet's objects, clusters of the other style and dangerous changes are refused, object by object, unless an
    extra variable of this one run (C(kof_take_over_fleet), C(kof_dangerous_changes)) names them; see C(docs/guards.md).
  - C(async) is not supported, the whole batch is one task; a job's time-out must exceed C(kof_wait_timeout).
"""
