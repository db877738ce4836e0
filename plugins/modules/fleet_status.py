#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_status.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_status
short_description: Tell how a fleet is, and what to do where it isn't well
version_added: 0.1.0
description:
  - Asks of every part of every cluster of the batch, by one list a kind of the management cluster, whether it is as it
    must be, and prints what isn't. Each such finding has a stable code, which C(docs/findings.md) explains.
  - It only reads, and only from the management cluster. What its user may not read is told, and not looked at;
    a cluster of which nothing bad is known, and not all may be read, is C(unknown) and not C(ready).
  - A finding of severity C(failed) fails the host that it is of; warnings, and what is normal in the middle of a
    rollout, fail nothing.
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.booking
  - k0rdent.kof.faces
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
- name: Status
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell how the fleet is
      k0rdent.kof.fleet_status:
      run_once: true

    - name: For dashboards and alerts
      k0rdent.kof.fleet_status:
        format: [json, prometheus]
        folder: /var/lib/node_exporter/textfile
        patience: 120
      run_once: true
"""

RETURN = r"""
---
counts:
  description: How many clusters are in each state, and how many findings there are of each severity.
  returned: always, but for an empty batch
  type: dict
  sample:
    clusters: {missing: 0, failed: 1, warning: 0, unknown: 0, progressing: 2, ready: 17}
    findings: {failed: 1, warning: 0, progress: 2}
findings:
  description: What was found, the worst first, at most 100 of them. The file of format V(json) has all.
  returned: always
  type: list
  elements: dict
  sample:
    - code: credential-not-ready
      severity: failed
      title: A cluster's Credential isn't ready
      host: aws-us-east-2
      cluster: aws-us-east-2
      layer: regional
      object: ClusterDeployment kcm-system/aws-us-east-2
      since: "2026-03-01T10:00:00Z"
      why: "CredentialReady: Credential is not ready"
      remedy: "see the Credential's conditions: its identity object and the identity's Secret must exist"
versions:
  description: What is there of kof. C(charts) is null where Secrets may not be listed; templates are those of the
    batch's clusters, each with their number.
  returned: always, but for an empty batch
  type: dict
  sample:
    kcm_api: v1alpha1
    k0rdent: kcm-0-1-0
    charts: {kof-operators: 0.1.1, kof-mothership: 0.1.1}
    service_templates: [{name: kof-storage-0-1-1, count: 2}]
    cluster_templates: [{name: aws-standalone-cp-0-1-0, count: 2}]
budgets:
  description: What the regional clusters use of what they share, as C(k0rdent.kof.fleet_preflight) reckons it.
  returned: always, but for an empty batch
  type: list
  elements: dict
  sample:
    - name: certificates
      found: no new ones
      wanted: at most 50 under a domain in 7 days (letsencrypt.org/docs/rate-limits)
      remedy: ""
      status: ok
drift:
  description: What a site run would change, by kind; RV(not_looked_at) has what isn't known. Of Helm releases version
    and state are compared, of objects all that is wanted. The file of format V(json) names the objects.
  returned: always, but for an empty batch
  type: list
  elements: dict
  sample:
    - kind: ClusterDeployment
      unchanged: 19
      created: 0
      updated: 1
      adopted: 0
      upgraded: 0
      refused: 0
      unproved: 0
not_looked_at:
  description: What could not be looked at, and why.
  returned: always, but for an empty batch
  type: list
  elements: str
  sample: []
files:
  description: The files that were, or in check mode would be, written.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/node_exporter/textfile/kof_status.prom]
outcomes:
  description: Which clusters failed and why, for C(k0rdent.kof.fleet_report).
  returned: always
  type: dict
  sample: {}
errors:
  description: Each failed cluster on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["aws-us-east-2: credential-not-ready: CredentialReady is False"]
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
  description: A summary in one line.
  returned: always
  type: str
  sample: "19 of 20 clusters ready; 1 failed"
"""
