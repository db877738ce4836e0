#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_backup.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_backup
short_description: Write one archive of what a fleet has on its management cluster
version_added: 0.1.0
description:
  - Writes C(kof-backup-<fleet>-<time>.tar.gz), readable by its owner alone, with all objects that runs of the fleet
    (C(kof_fleet)) have written on the management cluster, whatever inventory is at hand, an inventory that they amount
    to and, encrypted by Ansible Vault, the Secrets that they refer to and the values of kof's charts. It only reads.
  - What is secret is encrypted with a vault password that ansible-playbook was given, or not read at all. The result
    says what isn't in the archive.
  - Of a fleet that hasn't changed the archive is the same, byte for byte, but for what is encrypted.
  - Folders and dashboards that somebody made in Grafana's pages are in it where O(grafana) says how to reach it.
    Metrics and logs aren't, which M(k0rdent.kof.fleet_data) saves.
options:
  folder:
    description: Where the file is written; made where it isn't there. A relative one is below the working folder.
    type: path
    default: .
  keep:
    description:
      - How many whole archives of the fleet stay in the folder, as a number, or how long they stay, C(30d), C(12h) or
        C(8w). Older ones are removed once the new one is written; never the newest, and nothing that isn't a whole
        backup of this fleet on this management cluster. A damaged one neither counts nor goes. Without it, all stay.
    type: str
  vault_id:
    description:
      - The vault id that encrypts. Without it, that of the setting C(vault_encrypt_identity), else the only one of the
        run. Where there are several, it has to be said.
    type: str
  grafana:
    description:
      - Address of Grafana of the management cluster, as this machine reaches it, without a login, for example
        C(http://localhost:3000) where M(k0rdent.kof.fleet_access) forwards it. It is asked with the login of its
        administrator, which is read from the Secret that the charts make. Without it, Grafana isn't asked.
    type: str
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    details: It looks, writes no file and removes none.
  diff_mode:
    support: none
    description: It changes nothing on a cluster.
  idempotent:
    support: none
    description: Each run writes a file of its own.
seealso:
  - module: k0rdent.kof.fleet_restore
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Every night, with a vault password
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Save the fleet
      k0rdent.kof.fleet_backup:
        folder: /var/backups/kof
        keep: 30d
      run_once: true
"""

RETURN = r"""
---
file:
  description: The file that was written; empty in check mode, and where no cluster is in the batch.
  returned: success
  type: str
  sample: /var/backups/kof/kof-backup-prod-20260301t120000z.tar.gz
sha256:
  description: Of the file; empty in check mode.
  returned: where a cluster is in the batch
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
contents:
  description: What is in it.
  returned: where a cluster is in the batch
  type: list
  elements: str
  sample: [manifest.json, encrypted/secrets.json, inventory.yml, objects/ClusterDeployment.json]
kinds:
  description: How many objects of each kind are in it.
  returned: where a cluster is in the batch
  type: list
  elements: dict
  sample: [{kind: ClusterDeployment, count: 12}]
left_out:
  description: What of the fleet isn't in it, and why.
  returned: where a cluster is in the batch
  type: list
  elements: str
  sample: []
removed:
  description:
    - Older archives, and what killed runs of this machine have left half-written, that were removed, or in check mode
      would be.
  returned: where a cluster is in the batch
  type: list
  elements: str
  sample: []
management_cluster:
  description: The management cluster that was asked, in words.
  returned: where a cluster is in the batch
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: Where it is, and what is in it.
  returned: always
  type: str
  sample: "/var/backups/kof/kof-backup-prod-20260301t120000z.tar.gz: 12 ClusterDeployment, 1 Namespace, 3 Secret"
"""
