#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_preflight.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_preflight
short_description: Check everything that can be known before a change
version_added: 0.1.0
description:
  - Reads and validates the whole inventory and looks at the management cluster, then prints one table of check, found,
    wanted and remedy. It changes nothing.
  - A fault stops the run only if it involves a cluster of the batch.
  - Where nobody says C(kof_version), it says which releases there are and which one is installed, and fails.
options:
  scope:
    description:
      - V(inventory) only looks whether the inventory has clusters, whether a group looks misspelt, and whether the run
        is asked for anything at all. It fails where C(--limit), C(--tags) or C(--skip-tags) name what isn't there, and
        where no play of the run would have something to do. Core runs on no host without a word.
      - V(all) checks everything.
    type: str
    choices: [inventory, all]
    default: all
  table:
    description: Whether the printed table has every check, or only those that are not simply fine.
    type: str
    choices: [full, problems]
    default: full
  layers:
    description:
      - The layers that will be applied after this. What an earlier one of them brings is announced, not missed.
      - Those that C(--tags) or C(--skip-tags) leave out, by the names of the layers, are not checked.
    type: list
    elements: str
    choices: [dns_credentials, mothership, regional, child]
    default: [dns_credentials, mothership, regional, child]
  promxy:
    description:
      - Address of promxy's API from here, without a login, which is asked whether the expressions of alert rules are
        PromQL. Without it the API server's proxy is tried, which takes the right to get C(services/proxy) in the
        namespace of kof.
    type: str
  job:
    description:
      - What comes after this, by which the user of the management cluster is asked for his rights.
      - V(apply) writes the clusters of O(layers) and waits for them. V(look) changes nothing, it only waits at most.
        V(status) is M(k0rdent.kof.fleet_status), V(verify) M(k0rdent.kof.fleet_verify), V(support)
        M(k0rdent.kof.fleet_support_bundle), V(backup) M(k0rdent.kof.fleet_backup). V(delete) takes clusters away.
        Secrets that may not be read are a warning before all but V(apply).
    type: str
    choices: [look, status, verify, support, backup, apply, delete]
    default: apply
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  diff_mode:
    support: none
    description: It changes nothing.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Preflight
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Check the batch
      k0rdent.kof.fleet_preflight:
      run_once: true
"""

RETURN = r"""
---
checks:
  description: Every check that is not simply fine. C(code) is that of the finding in C(docs/findings.md) which it
    would be on a live fleet, where it would be one.
  returned: always
  type: list
  elements: dict
  sample:
    - name: Kubernetes version
      found: "1.31"
      wanted: ">= 1.32"
      remedy: upgrade the management cluster
      status: failed
      code: ""
    - name: Credential aws-cluster-identity-cred
      found: "not ready: Secret aws-cluster-identity-secret not found"
      wanted: ready
      remedy: see the identity it refers to and that identity's Secret
      status: failed
      code: credential-not-ready
announced:
  description: How many checks are about what isn't there yet and this run will bring. With 0, no second look is needed.
  returned: always
  type: int
  sample: 0
errors:
  description: Each fault on its own line, at most 100 of them.
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
  sample: 24 checks, 23 fine, 1 warning
"""
