#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_record.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_record
short_description: Keep a record of a run that changed something
version_added: 0.1.0
description:
  - Where this run changed something, writes a ConfigMap C(kof-run-<time>-<short>) into C(kof_namespace) of the
    management cluster - who ran what from where, as which job of AWX, from when to when, and what became of which
    cluster.
  - Tasks of one run write one record, the later ones what the earlier ones wrote.
  - The last 20 of a fleet are kept; older ones are deleted. Another fleet's are never touched.
  - A run that changed nothing, and check mode, keep none. A run that ended before its report, because it was killed or
    nothing was left to go on with, leaves none either.
  - Where a record can't be kept, that is a warning, and the task is ok.
  - Playbooks of the collection and its roles call it by themselves. C(k0rdent.kof.status) and C(kubectl) show records.
notes:
  - It needs the rights to C(get), C(list), C(create), C(patch) and C(delete) ConfigMaps in C(kof_namespace).
  - Names of clusters and sentences about them are bounded to 200,000 bytes of a record; of more it has the number.
attributes:
  check_mode:
    support: full
    details: It writes nothing in check mode.
  diff_mode:
    support: none
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Apply clusters with tasks of one's own
  hosts: kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Apply
      k0rdent.kof.fleet_apply:
        layer: child
        booked_by: play
      run_once: true
      register: applied

    - name: Keep what became of the clusters, for the record
      ansible.builtin.set_fact:
        __child_outcomes: "{{ hostvars.localhost.__child_outcomes | default([]) + [applied.outcomes] }}"
      when: applied.outcomes | length > 0
      run_once: true
      delegate_to: localhost
      delegate_facts: true

    - name: Keep a record of the run
      k0rdent.kof.fleet_record:
      run_once: true
      failed_when: false
"""

RETURN = r"""
---
name:
  description: Of the ConfigMap; empty where none was written.
  returned: success
  type: str
  sample: kof-run-20260301t120000z-1a2b3c4d
management_cluster:
  description: The management cluster it is on, in words.
  returned: where a record was to be written
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: What was written, or why not.
  returned: always
  type: str
  sample: the record is ConfigMap kof-run-20260301t120000z-1a2b3c4d
"""
