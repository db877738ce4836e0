#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_data.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_data
short_description: Save metrics and logs of a fleet's regional clusters, and bring them back
version_added: 0.1.0
description:
  - With O(step=save) it writes C(kof-data-<fleet>-<time>), a folder that its owner alone may read, with the metrics and
    logs of a time range of each regional cluster of the fleet (C(kof_fleet)), in VictoriaMetrics' native format and as
    VictoriaLogs' JSON lines, both gzipped. Each regional is asked through its vmauth, at C(https://vmauth.<its domain>)
    and with the login that is stored in kof's namespace, from this machine, with its proxies (C(HTTPS_PROXY)) and
    authorities (C(SSL_CERT_FILE)). The login is never shown.
  - It is written in parts, each with its checksum and its number of samples or lines as the store counts them. A run
    that goes on with what another one left keeps the parts that are whole.
  - With O(step=restore) it sends to each regional what isn't there yet, and counts there what has arrived. What a run
    that was stopped may have sent in part is looked at first, so that nothing is sent twice.
  - A regional that can't be asked, or doesn't take all, is told and fails the task at its end; the others go on.
options:
  step:
    description: Whether data is saved, or brought back.
    type: str
    required: true
    choices: [save, restore]
  folder:
    description:
      - For V(save) as O(step), where the folder is written; made where it isn't there.
      - For V(restore) as O(step), the folder with the data itself.
      - A relative one is below the working folder.
    type: path
    required: true
  range_from:
    description:
      - The begin of the time range, as RFC 3339 with its zone (C(2026-03-01T00:00:00Z)) or as how long ago (C(90m),
        C(36h), C(7d), C(4w)). Without it, a day before the end.
      - A run that goes on with what another one left keeps that one's range.
    type: str
  range_to:
    description: The end of the time range, said likewise, which isn't in it. Without it, a minute ago.
    type: str
  patience:
    description: For V(restore) as O(step), seconds to wait for a regional's stores to answer.
    type: int
    default: 0
  only_look:
    description:
      - Only look at the options and the folder, and at the checksums of what is to come back; no regional is asked. It
        is for what a playbook has to know before it begins with something else.
    type: bool
    default: false
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    details: It counts what there is, and writes no file and to no cluster.
  diff_mode:
    support: none
    description: Metrics and logs have no difference that one could read.
  idempotent:
    support: partial
    details: What is there already isn't sent again. Each V(save) of another time is a folder of its own.
seealso:
  - module: k0rdent.kof.fleet_backup
  - module: k0rdent.kof.fleet_restore
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Metrics and logs
  hosts: kof_mothership:kof_regional
  gather_facts: false
  connection: local
  tasks:
    - name: Save the last week
      k0rdent.kof.fleet_data:
        step: save
        folder: /var/backups/kof
        range_from: 7d
      run_once: true
      register: saved

    - name: Bring it back
      k0rdent.kof.fleet_data:
        step: restore
        folder: "{{ saved.folder }}"
        patience: 600
      run_once: true
"""

RETURN = r"""
---
folder:
  description: The folder of the data; empty in check mode of V(save) as O(step), and where no cluster is in the batch.
  returned: success
  type: str
  sample: /var/backups/kof/kof-data-prod-20260301t120000z
data:
  description: Of each regional and kind, samples or lines that are saved, or that this run has sent or in check mode
    would; how many parts were there already; and what went wrong.
  returned: where a cluster is in the batch, and not for O(only_look)
  type: list
  elements: dict
  sample: [{cluster: aws-us-east-2, kind: metrics, count: 1250300, bytes: 2310400, there: 0, faults: []}]
range:
  description: The time range.
  returned: where a cluster is in the batch, and not for O(only_look)
  type: list
  elements: str
  sample: ["2026-02-28T12:00:00.000Z", "2026-03-01T12:00:00.000Z"]
left_out:
  description: Regionals of which nothing was asked, and why.
  returned: where a cluster is in the batch, and not for O(only_look)
  type: list
  elements: str
  sample: []
management_cluster:
  description: The management cluster that was asked, in words.
  returned: when it was connected to
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: A summary.
  returned: always
  type: str
  sample: "/var/backups/kof/kof-data-prod-20260301t120000z: 1250300 samples and 50100 lines of 1 regional"
"""
