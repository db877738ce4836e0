#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_drift.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_drift
short_description: Tell what of a fleet isn't as the inventory says, and by whose hand
version_added: 0.1.0
description:
  - Of every object and Helm release that a site run would write, and that isn't as the inventory has it, each field
    that differs, by its path, with the field manager that has it now, since when, and what a run would make of it.
  - It only reads, and only from the management cluster. Nothing is sent to find that out, no dry run either, so that
    its user needs no right to write. What may not be read is told.
  - No value is told, of a Secret or of anything else.
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.booking
  - k0rdent.kof.fleet
attributes:
  diff_mode:
    support: none
    description: It changes nothing.
options:
  fails:
    description:
      - For what a cluster's host fails. V(never) for nothing; V(refused) for what no run can put right, since a guard
        refuses it, or a controller has a field of it; V(drift) for whatever isn't as the inventory says.
      - What may not be read, and what only the API server can judge, fails nothing.
    type: str
    choices: [never, refused, drift]
    default: never
  folder:
    description:
      - Folder for C(drift.json), which C(docs/drift.schema.json) describes, made if it isn't there. The file takes the
        place of the old one in one step, and everybody may read it. Nothing is written through links.
      - In check mode nothing is written.
    type: path
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Drift
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell what differs from the inventory
      k0rdent.kof.fleet_drift:
      run_once: true

    - name: Fail for what no run can put right, and keep all of it
      k0rdent.kof.fleet_drift:
        fails: refused
        folder: /var/lib/kof
      run_once: true
"""

RETURN = r"""
---
counts:
  description: How many clusters are in each state, how many fields are whose, and by kind how many objects would become
    what.
  returned: always, but for an empty batch
  type: dict
  sample:
    clusters: {drifted: 1, unknown: 0, as_wanted: 19}
    fields: {person: 1, controller: 0, ours: 0, unknown: 0}
    kinds:
      - kind: ClusterDeployment
        unchanged: 18
        created: 0
        updated: 1
        adopted: 0
        upgraded: 0
        refused: 0
        unproved: 0
objects:
  description: What isn't as wanted, at most 100 of them. The file has all.
  returned: always
  type: list
  elements: dict
  sample:
    - host: aws-us-east-2
      kind: ClusterDeployment
      object: ClusterDeployment kcm-system/aws-us-east-2
      action: updated
      why: ""
      fields:
        - path: spec.credential
          manager: kubectl-edit
          whose: person
          since: "2026-03-01T10:00:00Z"
          becomes: taken_back
      more_fields: 0
extra:
  description: By kind, how many objects of the fleet are of no host of the inventory; null where the run is limited.
  returned: always, but for an empty batch
  type: list
  elements: dict
  sample: [{kind: ClusterDeployment, count: 1}]
not_looked_at:
  description: What could not be looked at, why, and of which hosts not all is known then.
  returned: always, but for an empty batch
  type: list
  elements: dict
  sample: []
files:
  description: The file that was, or in check mode would be, written.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/kof/drift.json]
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
  sample: ["aws-us-east-2: ClusterDeployment kcm-system/aws-us-east-2 would be updated: spec.credential"]
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
  sample: "1 of 20 clusters differs from the inventory; 1 would be updated; fields: 1 by people"
"""
