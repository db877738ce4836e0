#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_wait.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_wait
short_description: Wait until one layer of the batch is ready
version_added: 0.1.0
description:
  - For waiting alone. M(k0rdent.kof.fleet_apply) can wait for what it applies in the same task.
  - Watches all clusters of the batch at once and prints who is late and why.
  - A cluster is ready when its ClusterDeployment is Ready for the wanted generation and its ClusterSummary lists every
    wanted service as provisioned. A failure that can't heal ends the wait for that cluster; a time-out gives a
    diagnosis.
  - In check mode it says what it would wait for and returns.
  - A cluster that doesn't become ready fails the task where nothing else would say so; see O(booked_by). The roles
    P(k0rdent.kof.regional#role) and P(k0rdent.kof.child#role) fail each on its own host. Whoever wants to decide by
    RV(refused) and RV(stop) says V(role).
options:
  layer:
    description: Which layer of the batch this task is about. Hosts of other layers in the batch are left alone.
    type: str
    required: true
    choices: [mothership, regional, child]
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
  - k0rdent.kof.booking
attributes:
  diff_mode:
    support: none
    description: It changes nothing.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Wait for the regional clusters of the inventory
  hosts: kof_regional
  gather_facts: false
  connection: local
  tasks:
    - name: Wait for the batch
      k0rdent.kof.fleet_wait:
        layer: regional
      run_once: true
"""

RETURN = r"""
---
ready:
  description: How many of the clusters that were waited for are ready; of the mothership, how many of its objects.
  returned: success
  type: int
  sample: 100
waiting_for:
  description: In check mode, the objects it would wait for.
  returned: in check mode
  type: list
  elements: str
  sample: [ClusterDeployment kcm-system/aws-us-east-2]
pending:
  description: In check mode, the kind and name of what the mothership's charts would bring and isn't there yet.
  returned: in check mode, of the mothership
  type: list
  elements: list
  sample: [[Namespace, kof]]
refused:
  description: Clusters that were refused or are not ready, with the reason. They don't stop the others. Of those that
    are not ready, C(codes) are those of C(docs/findings.md), which stand in brackets in the reason, too.
  returned: success
  type: list
  elements: dict
  sample:
    - host: aws-eu-west-1
      reason: "ClusterDeployment kcm-system/aws-eu-west-1: admission webhook denied the request"
left_out:
  description: Clusters that were not tried, because they or their regional cluster failed before.
  returned: success
  type: list
  elements: dict
  sample: [{host: aws-eu-west-1-child1, reason: its regional aws-eu-west-1 failed}]
outcomes:
  description: By host, what changed, why it failed, why it was left out, why the rollout stops; and who
    books it. Only what happened.
  returned: success
  type: dict
  sample:
    changed: {aws-us-east-2: ClusterDeployment kcm-system/aws-us-east-2 updated}
    failed: {aws-eu-west-1: "ClusterDeployment kcm-system/aws-eu-west-1: admission webhook denied the request"}
stop:
  description: Whether nothing further may be tried, because more failed than C(kof_max_fail_percentage) allows.
  returned: success
  type: bool
  sample: false
errors:
  description: Each fault of the input on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["aws-us-east-2: regional_domain: missing; aws-us-east-2.kof.example.com"]
management_cluster:
  description: The management cluster's server and context, and where they were said.
  returned: when it was connected to
  type: str
  sample: https://10.0.0.1:6443 (kubeconfig /etc/kof/kubeconfig, context kof), by kof_kubeconfig in group_vars/all.yml:2
as_kubernetes_core:
  description: Whether a module of kubernetes.core with the C(kof_*) variables as its options is sure to reach the same.
  returned: when it was connected to
  type: bool
  sample: true
msg:
  description: A summary in one line, or what is wrong.
  returned: always
  type: str
  sample: 3 created; 297 unchanged
"""
