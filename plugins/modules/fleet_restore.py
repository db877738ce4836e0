#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_restore.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_restore
short_description: Bring back what a backup of a fleet has
version_added: 0.1.0
description:
  - Applies the objects of an archive of M(k0rdent.kof.fleet_backup), in steps with kof's charts between them. First
    the namespace of kof and Secrets, which the charts leave as they are; then regional clusters with what they have in
    promxy and Grafana, dashboards and rules of alerts, and after them child clusters. Last, where O(grafana) says how
    to reach it, folders and dashboards that somebody made in Grafana's pages.
  - All of the archive is looked at before anything is written. One that is damaged, of another fleet, of another line
    of kof or of a newer kof is refused, and so is one with objects in it that no run of the fleet would have written.
  - What isn't there is made. What is there, and would be another than it is, is set back only where the extra variable
    C(kof_restore_confirm) is the name of the fleet (C(kof_fleet)). Nothing is deleted.
  - Where an object is refused, the clusters that come after it aren't begun.
options:
  file:
    description: The archive.
    type: path
    required: true
  step:
    description: What is brought back, what the charts of kof stand on, what stands on them, or what was Grafana's own.
    type: str
    required: true
    choices: [before_charts, after_charts, grafana]
  grafana:
    description:
      - Address of Grafana of the management cluster, as this machine reaches it, without a login, for V(grafana) as
        O(step). It is written to with the login of its administrator. Without it, that step does nothing.
    type: str
  sha256:
    description: What RV(sha256) of the first step was; another file is refused.
    type: str
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
  - k0rdent.kof.booking
attributes:
  check_mode:
    support: full
    details: Sends dry runs; what stands on objects that aren't there yet is predicted.
  diff_mode:
    support: full
seealso:
  - module: k0rdent.kof.fleet_backup
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Namespace and Secrets of a backup
  hosts: kof_mothership
  gather_facts: false
  connection: local
  tasks:
    - name: Bring back what the charts stand on
      k0rdent.kof.fleet_restore:
        file: /var/backups/kof/kof-backup-prod-20260301t120000z.tar.gz
        step: before_charts
      run_once: true
"""

RETURN = r"""
---
objects:
  description: What was written, and in check mode what would be.
  returned: where the archive may be restored
  type: list
  elements: dict
  sample: [{object: ClusterDeployment kcm-system/eu1, action: created}]
took_back:
  description: Fields that others had changed, and that are again as they were.
  returned: where the archive may be restored
  type: list
  elements: str
  sample: []
counts:
  description: How many objects of each outcome.
  returned: where the archive may be restored
  type: dict
  sample: {created: 12}
refused:
  description: Objects that were refused, and why.
  returned: where the archive may be restored
  type: list
  elements: str
  sample: []
outcomes:
  description:
    - By host what changed and why it failed, and who books it. Only what happened; of clusters that are no hosts of
      this run, on the mothership's.
  returned: where the archive may be restored
  type: dict
  sample: {changed: {eu1: ClusterDeployment kcm-system/eu1 created}, booked_by: play}
sha256:
  description: Of the archive.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
management_cluster:
  description: The management cluster that was written to, in words.
  returned: success
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: What was done.
  returned: always
  type: str
  sample: 12 created
"""
