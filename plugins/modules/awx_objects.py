#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/awx_objects.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: awx_objects
short_description: Make in AWX what variables have, or take it away
version_added: 0.1.0
description:
  - Makes the objects of the variables C(controller_organizations), C(controller_labels),
    C(controller_credential_types), C(controller_credentials), C(controller_execution_environments),
    C(controller_notifications), C(controller_projects), C(controller_inventories), C(controller_inventory_sources),
    C(controller_templates), C(controller_workflows), C(controller_schedules), C(controller_teams) and
    C(controller_roles), in this order. They have the shape of infra.aap_configuration; the keys of an entry are the
    options of awx.awx's module for its kind, which does the work.
  - Needs the collection awx.awx, and where AWX is in its environment, C(CONTROLLER_HOST) and
    C(CONTROLLER_OAUTH_TOKEN). A user's password isn't taken.
  - Taken away is what is named so in the organization of the variables, and the organization itself only if nothing
    else is in it. A label goes with its organization, since AWX deletes none.
options:
  state:
    description: V(present) makes the objects, V(absent) takes them away, the last one first.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Can run in check mode and predict the changes.
    support: full
    details: What refers to an object that isn't there yet is not checked further.
  diff_mode:
    description: Shows what changes, or would change, in diff mode.
    support: none
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Configure AWX
  hosts: localhost
  gather_facts: false
  connection: local
  tasks:
    - name: Read what AWX is to have
      ansible.builtin.include_vars:
        dir: awx

    - name: Make it so
      k0rdent.kof.awx_objects:
        state: present
"""

RETURN = r"""
---
objects:
  description: What was created, updated or deleted, or would be, one line each.
  returned: always
  type: list
  elements: str
  sample: [job template kof status created]
kept:
  description: What stays, and why, where objects are taken away.
  returned: always
  type: list
  elements: str
  sample: ["organization kof stays: it also has 2 projects"]
msg:
  description: All of these lines, or what is wrong.
  returned: always
  type: str
"""
