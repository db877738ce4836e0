#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_report.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_report
short_description: Say once what a run did to each cluster
version_added: 0.1.0
description:
  - Names the clusters that changed, were left out or failed in the batches of this run whose tasks have
    C(booked_by) V(play), and prepares for M(k0rdent.kof.fleet_outcome) what is to be booked on which host.
  - Every cluster that failed is booked, and so are those that changed, and those that were left out, up to 200 each.
    Of more, none is booked by itself. The implicit C(localhost) has the number; with C(--limit), one of them has it.
  - What a role has said and failed itself in the same run (C(booked_by) V(role)) is in RV(stats) only.
  - It asks no cluster.
options:
  management_cluster:
    description: The management cluster in words, to be told at the end. Empty for none.
    type: str
    default: ""
attributes:
  check_mode:
    description: Can run in check mode and predict the changes.
    support: full
    details: It changes nothing; in check mode it says what would change.
  diff_mode:
    description: Shows what changes, or would change, in diff mode.
    support: none
notes:
  - Batches leave their RV(k0rdent.kof.fleet_apply#module:outcomes) as facts of C(localhost);
    playbooks/layers/report.yml of the collection shows how this action and its result are used.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Say what was done
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: What became of the clusters
      k0rdent.kof.fleet_report:
      run_once: true
      register: report
"""

RETURN = r"""
---
stats:
  description:
    - The names of all clusters that changed (or would, in check mode), failed or were left out, for
      M(ansible.builtin.set_stats).
    - C(k0rdent_kof_run) has C(schema) (V(k0rdent.kof.run/1)), C(check_mode), C(counts) of C(changed), C(failed) and
      C(left_out), the first 200 names of C(failed), and C(files), the paths of the status' files that this run wrote.
    - None of the keys is named like an option of this collection, as a workflow makes them extra variables of its next
      jobs.
  returned: success
  type: dict
  sample: {k0rdent_kof_changed: [aws-us-east-2], k0rdent_kof_failed: [], k0rdent_kof_left_out: []}
play:
  description: Patterns of the hosts on which something changed or that were left out.
  returned: success
  type: list
  elements: str
  sample: [aws-us-east-2]
failures:
  description: Patterns of the hosts that failed.
  returned: success
  type: list
  elements: str
  sample: []
booked:
  description: By host, C(status) and C(msg) of what M(k0rdent.kof.fleet_outcome) books on it.
  returned: success
  type: dict
  sample: {aws-us-east-2: {status: changed, msg: ClusterDeployment kcm-system/aws-us-east-2 updated}}
failed_because:
  description: By host, why it failed.
  returned: success
  type: dict
  sample: {}
told:
  description: How many batches were reported by now, so that another report in the same run books none twice.
  returned: success
  type: dict
  sample: {__regional_outcomes: 1}
msg:
  description: What was said.
  returned: success
  type: str
  sample: "Changed: 1 cluster: aws-us-east-2"
"""
