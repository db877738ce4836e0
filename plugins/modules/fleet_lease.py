#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_lease.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_lease
short_description: Hold the lease of a fleet, so that no other run writes meanwhile
version_added: 0.1.0
description:
  - One run at a time changes a fleet. Whoever is about to write first takes the fleet's Lease (C(coordination.k8s.io))
    in C(kof_kcm_namespace) of the management cluster; see C(docs/lease.md).
  - Fleet actions and M(k0rdent.kof.helm_release) with O(k0rdent.kof.helm_release#module:fleet) do that by themselves.
    This is for tasks of other modules, before the first of them.
  - Where another run has it the task fails and says who that is, since when and how to go on.
  - It is renewed by the actions of this collection while they run, and ends by itself 300 seconds after the last
    renewal. M(k0rdent.kof.fleet_record) gives it back, as the roles and playbooks of the collection do at their end.
options:
  fleet:
    description: Name of the fleet, C(kof_fleet).
    type: str
    required: true
  state:
    description:
      - V(held) takes it for this run, if the run hasn't got it yet; else it renews it, so that the API server has said
        that the run has it.
      - V(released) gives it back, if the run has it.
    type: str
    default: held
    choices: [held, released]
attributes:
  check_mode:
    support: full
    details: In check mode it takes no lease, and says who holds it.
  diff_mode:
    support: none
notes:
  - Works in the controller's process, so it refuses C(become) and a connection that isn't C(local).
  - It needs the rights to C(get), C(create), C(update) and C(delete) Leases in C(kof_kcm_namespace).
  - A task never counts as changed by it.
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Change something of the fleet with a module of another collection
  hosts: kof_mothership
  gather_facts: false
  connection: local
  tasks:
    - name: See that no other run is at work
      k0rdent.kof.fleet_lease:
        fleet: "{{ kof_fleet }}"

    - name: Change it
      kubernetes.core.k8s:
        state: present
        src: files/credential.yml

    - name: Let the next run begin
      k0rdent.kof.fleet_lease:
        fleet: "{{ kof_fleet }}"
        state: released
"""

RETURN = r"""
---
msg:
  description: Who holds the lease.
  returned: always
  type: str
  sample: the lease of fleet kof is held by this run
"""
