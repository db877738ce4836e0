#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_outcome.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_outcome
short_description: Book on its own host what became of a cluster
version_added: 0.1.0
description:
  - Is changed, skipped or failed as M(k0rdent.kof.fleet_report) found the cluster of this host, with what changed or
    why, so that recap, exit code and AWX's host summary are each cluster's own.
  - Shows in diff mode what changed in this cluster.
options:
  book:
    description: V(changed) books what changed or was left out, V(failed) what failed.
    type: str
    required: true
    choices: [changed, failed]
attributes:
  check_mode:
    description: Can run in check mode and predict the changes.
    support: full
    details: It changes nothing itself; in check mode it says what would change.
  diff_mode:
    description: Shows what changes, or would change, in diff mode.
    support: full
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Book what changed and what was left out
  hosts: "{{ hostvars.localhost.__report_booked.play | default([]) }}"
  gather_facts: false
  connection: local
  tasks:
    - name: Changed, or left out
      k0rdent.kof.fleet_outcome:
        book: changed
"""

RETURN = r"""
---
msg:
  description: What changed in the cluster, why it failed, or why it was left out.
  returned: always
  type: str
  sample: ClusterDeployment kcm-system/aws-us-east-2 updated
"""
