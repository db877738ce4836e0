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
  - The same input gives the same bytes.
  - A file is named by its cluster. One that is no longer rendered is left in the folder.
  - No link in the folder is followed; where one is in the way of a file or a folder, nothing is written.
options:
  folder:
    description:
      - Where to write; made if it isn't there. A relative path begins where C(ansible-playbook) was called.
    type: path
    default: rendered
  secrets:
    description:
      - Whether values that are secret are written, to files that nobody else can read (mode 0600).
      - Without it a marker stands in the place of each - of values under the name of a secret (password, token and the
        like), of those that come from Ansible's vault (vaulted values, and all in an encrypted file), of private keys
        and of texts with a password in a URL.
    type: bool
    default: false
author:
  - k0rdent.kof contributors (@k0rdent)
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
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
folder:
  description: Where the files are, as an absolute path.
  returned: success
  type: str
  sample: /home/me/fleet/rendered
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
