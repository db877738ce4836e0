#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_alerts.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_alerts
short_description: Which alert rules there are, and which clusters they speak of
version_added: 0.1.0
description:
  - Lists the alert rules of the management cluster, kof's own and those of the inventory, each with its state, as
    vmalert tells it, and the clusters it fires for.
  - Rules that can't fire, or that the operator or promxy refuse, are told with the code of C(docs/findings.md).
  - Fails for no alert. At kof 0.0, which has no Alertmanager, it is refused.
options:
  vmalert:
    description:
      - Address of vmalert's API from here, without a login. Without it the API server's proxy is asked, which takes the
        right to get C(services/proxy) in the namespace of kof.
      - Where neither goes, the states of rules are V(unknown), and a warning says why.
    type: str
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Alerts
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell which alerts there are
      k0rdent.kof.fleet_alerts:
      run_once: true
"""

RETURN = r"""
---
rules:
  description: The alert rules, the worst first.
  returned: success
  type: list
  elements: dict
  sample:
    - vmrule: node-exporter
      group: node-exporter
      alert: NodeClockNotSynchronising
      severity: warning
      owner: kof
      state: firing
      why: ""
      clusters: {aws-us-east-2-child1: "2026-03-01T04:00:00Z"}
      code: ""
msg:
  description: How many rules there are, and how many of them fire or fail.
  returned: always
  type: str
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
"""
