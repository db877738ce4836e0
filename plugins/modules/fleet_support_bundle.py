#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_support_bundle.py, which runs in the controller's
process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_support_bundle
short_description: Write one file for a question about a fleet, without secrets
version_added: 0.1.0
description:
  - Writes C(kof-support-<fleet>-<time>.tar.gz), readable by its owner alone, with versions, the inventory's hosts and
    those of their variables that can be no secret, the status of the fleet as JSON and as text, events of its objects
    and the records of its last runs.
  - It only reads, from the management cluster, and no Secret but helm's own record of its charts. Of the inventory it
    tells values of options that hold a number, a word or a name; of all others, C(no_log), maps and free texts, the
    names alone. What the inventory holds of secrets is hidden wherever it turns up, as is what Ansible Vault held.
  - Where the inventory has faults, or the management cluster can't be reached, the bundle says so, and has the rest.
options:
  folder:
    description: Where the file is written; made where it isn't there. A relative one is below the working folder.
    type: path
    default: .
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    details: It looks, and writes no file.
  diff_mode:
    support: none
    description: It changes nothing.
notes:
  - Look through the bundle before you hand it on. A secret that somebody put into a name or a message of theirs looks
    like any other word.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: What one attaches to a question
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Write the support bundle
      k0rdent.kof.fleet_support_bundle:
        folder: /tmp/support
      run_once: true
"""

RETURN = r"""
---
file:
  description: The file that was written; empty in check mode, and where no cluster is in the batch.
  returned: success
  type: str
  sample: /tmp/support/kof-support-kof-20260301t120000z.tar.gz
contents:
  description: The files in it.
  returned: where a cluster is in the batch
  type: list
  elements: str
  sample: [README.txt, events.json, inventory.json, runs.json, status.json, status.txt, versions.json]
not_looked_at:
  description: What couldn't be read, and why.
  returned: where a cluster is in the batch
  type: list
  elements: str
  sample: []
management_cluster:
  description: The management cluster that was asked, in words.
  returned: where one was asked
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: Where it is, and how large.
  returned: always
  type: str
  sample: "/tmp/kof-support-kof-20260301t120000z.tar.gz: 7 files, 5120 bytes; look through it before you hand it on"
"""
