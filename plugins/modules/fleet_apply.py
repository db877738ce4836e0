#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_apply.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_apply
short_description: Apply one layer of the fleet in one batch, and wait for it
version_added: 0.1.0
description:
  - Validates the variables of every host of the batch, renders their objects, compares them with what is there and
    applies only what differs, by server-side apply as field manager C(k0rdent.kof).
  - What somebody changed by hand is taken back and named; what another controller owns is refused and named.
  - The management cluster is refused as one of its own. Before a ClusterDeployment is made or gets another Credential
    whose identity is a Secret, the kubeconfigs in it are looked at, if they may be read, by the address of their server
    and by who answers there. No command in them is run and no file is read.
  - With O(wait) it goes on until what was applied is ready, as M(k0rdent.kof.fleet_wait) would, and reads every host's
    variables once for both. Clusters that were refused are not waited for; where more failed than
    C(kof_max_fail_percentage) allows, nothing is.
  - Warns where an upgrade of kof-storage takes away the login of the region's Grafana, and where charts still come from
    the repository before C(kof_chart_repository) changed.
  - A cluster that is refused fails the task where nothing else would say so; see O(booked_by). The roles
    P(k0rdent.kof.regional#role) and P(k0rdent.kof.child#role) fail each on its own host. Whoever wants to decide by
    RV(refused) and RV(stop) says V(role).
options:
  layer:
    description: Which layer of the batch this task is about. Hosts of other layers in the batch are left alone.
    type: str
    required: true
    choices: [mothership, regional, child]
  wait:
    description:
      - Whether to wait until the layer is ready, too, for at most C(kof_wait_timeout).
      - Where C(kof_wait) is false, nothing is waited for all the same. In check mode it says what it would wait for.
    type: bool
    default: false
  after_charts:
    description:
      - Of the mothership, whether it is about what stands on kof's charts (dashboards, rules of alerts, Alertmanager)
        instead of what they stand on (the namespace of kof). Nothing to others.
    type: bool
    default: false
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
  - k0rdent.kof.booking
attributes:
  check_mode:
    support: full
    description: Sends only C(dryRun=All) requests and reads.
  diff_mode:
    support: full
    description: One entry per object that changes, by field; Secret data and password-like fields are masked.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Apply the regional clusters of the inventory
  hosts: kof_regional
  gather_facts: false
  connection: local
  tasks:
    - name: Apply the batch, and wait until it is ready
      k0rdent.kof.fleet_apply:
        layer: regional
        wait: true
      run_once: true
"""

RETURN = r"""
---
counts:
  description: How many objects were created, updated, adopted, deleted, refused or unchanged.
  returned: success
  type: dict
  sample: {created: 3, unchanged: 297}
objects:
  description: The objects that changed, or would in check mode.
  returned: success
  type: list
  elements: dict
  sample: [{object: ClusterDeployment kcm-system/aws-us-east-2, action: created}]
took_back:
  description: Fields that somebody had changed by hand, with the manager and the time, and that were set right.
  returned: success
  type: list
  elements: str
  sample:
    - >-
      ClusterDeployment kcm-system/aws-us-east-2: spec.config.workersNumber from kubectl-edit (set 2026-01-01T00:00:00Z)
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
all_ready:
  description:
    - Whether all are known to be ready, so that M(k0rdent.kof.fleet_wait) has nothing to wait for.
    - Looked at where C(kof_wait) is true, and nothing had to change or O(wait) is true; else false.
  returned: success
  type: bool
  sample: false
ready:
  description: How many of the clusters that were waited for are ready; of the mothership, how many of its objects.
  returned: where something was waited for
  type: int
  sample: 100
waiting_for:
  description: In check mode, the objects it would wait for.
  returned: in check mode, with O(wait)
  type: list
  elements: str
  sample: [ClusterDeployment kcm-system/aws-us-east-2]
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
