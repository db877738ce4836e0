#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_render.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_render
short_description: Write the manifests and values of the batch to a folder
version_added: 0.1.0
description:
  - Writes every manifest and Helm values file that the layers of this batch would use. It needs no cluster.
  - The same input gives the same bytes, and nothing secret is in them.
  - A file that is no longer rendered is left in the folder.
options:
  folder:
    description: Where to write; made if it isn't there.
    type: path
    required: true
author:
  - k0rdent.kof contributors (@k0rdent)
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
attributes:
  check_mode:
    support: full
    description: Says which files would change.
  diff_mode:
    support: none
    description: Compare the folders.
  idempotent:
    support: full
    description: A file whose content is right is not written.
  async:
    support: none
    description: The whole batch is one task.
notes:
  - Runs once for the whole play batch (C(ansible_play_batch)) and reads every host's variables itself; set
    C(run_once) to V(true) on the task so that its result is registered for all hosts.
  - The variables are those of the roles P(k0rdent.kof.mothership#role), P(k0rdent.kof.regional#role) and
    P(k0rdent.kof.child#role), from the inventory or as extra variables. Set on a play or a role they would be ignored,
    so that is an error.
"""

EXAMPLES = r"""
---
- name: Render the fleet
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Write the manifests
      k0rdent.kof.fleet_render:
        folder: /tmp/rendered
      run_once: true
"""

RETURN = r"""
---
files:
  description: How many files were rendered.
  returned: success
  type: int
  sample: 1102
written:
  description: The files that changed, relative to the folder.
  returned: success
  type: list
  elements: str
  sample: [regional/aws-us-east-2.yaml]
"""
