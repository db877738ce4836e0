# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option by which a batch action leaves it to others to say what became of each cluster."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  booked_by:
    description:
      - Who says what became of each cluster. Ansible books the result of a batch on its first host, whichever changed.
      - V(task) is the task itself. It is changed where any cluster is, and fails where any was refused or is not ready.
      - V(role) is tasks that follow on each host. The task is changed where any cluster is, and doesn't fail for single
        clusters.
      - V(play) is a play at the end, as in the playbooks of this collection (M(k0rdent.kof.fleet_report),
        M(k0rdent.kof.fleet_outcome)). The task is never changed, and doesn't fail for single clusters, unless tags skip
        that play.
    type: str
    choices: [task, role, play]
    default: task
"""
