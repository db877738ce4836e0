#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_add.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_add
short_description: One cluster by the answers of a survey, and its inventory entry
version_added: 0.1.0
description:
  - The steps of C(k0rdent.kof.add_region) and C(k0rdent.kof.add_child) that no other playbook has. What they do with
    the cluster is done by M(k0rdent.kof.fleet_preflight) and M(k0rdent.kof.fleet_apply).
  - Answers are extra variables named as the options of the role P(k0rdent.kof.regional#role) or
    P(k0rdent.kof.child#role). Ansible would give them to every host. After the fact C(__add_cluster) of C(localhost)
    says which host they are of (see the examples), all actions of this collection read them as that one's, and those
    that were left empty (null, or an empty text) as not said at all.
  - An entry has what the host says by itself, in the inventory and by answers; what its groups say stays theirs. The
    same gives the same text.
  - Answers are data. One that looks like a template is marked C(!unsafe) in an entry.
options:
  layer:
    description: The layer of the cluster.
    type: str
    required: true
    choices: [regional, child]
  step:
    description:
      - V(answers) says which cluster the answers are of, and refuses one that the inventory has in another layer. It
        asks no cluster.
      - V(live) refuses a cluster that is live in the other layer. The batch is that one host.
      - V(entry) gives the host's entry for an inventory. The batch is that one host.
    type: str
    required: true
    choices: [answers, live, entry]
  folder:
    description:
      - Where the entry is written to, too, as C(<cluster>.yml); made if it isn't there. A relative path begins where
        C(ansible-playbook) was called.
      - A file of that name that isn't an entry is left alone, and told of by O(step=answers) already.
    type: path
author:
  - k0rdent.kof contributors (@k0rdent)
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    description: Writes no file, and hands nothing on.
  diff_mode:
    support: none
  idempotent:
    support: full
    description: A file whose content is right is not written.
"""

EXAMPLES = r"""
---
# With -e child_cluster_name=a -e child_regional=aws-us-east-2, as playbooks/add_child.yml does it.
- name: Look at the answers
  hosts: localhost
  gather_facts: false
  connection: local
  tasks:
    - name: Find out which cluster the answers are of
      k0rdent.kof.fleet_add:
        layer: child
        step: answers
      register: answered

    - name: Have it in the inventory of this run
      ansible.builtin.add_host:
        name: "{{ answered.host }}"
        groups: "{{ answered.group }}"

    - name: Make the answers its own
      ansible.builtin.set_fact:
        __add_cluster: "{{ {'host': answered.host, 'layer': 'child', 'pattern': answered.pattern} }}"

- name: The cluster
  hosts: "{{ hostvars.localhost.__add_cluster.pattern }}"
  gather_facts: false
  connection: local
  tasks:
    - name: Apply it, and wait for it
      k0rdent.kof.fleet_apply:
        layer: child
        wait: true
      run_once: true

    - name: Keep its inventory entry
      k0rdent.kof.fleet_add:
        layer: child
        step: entry
        folder: inventories/added
      run_once: true
"""

RETURN = r"""
---
host:
  description: The host that the cluster is in the inventory, or will be.
  returned: O(step=answers)
  type: str
  sample: aws-us-east-2
cluster:
  description: The name of the cluster.
  returned: O(step=answers)
  type: str
  sample: aws-us-east-2
group:
  description: The group of its host.
  returned: O(step=answers)
  type: str
  sample: kof_regional
layer:
  description: As O(layer).
  returned: O(step=answers)
  type: str
  sample: regional
pattern:
  description: The host as a pattern for a play's C(hosts).
  returned: O(step=answers)
  type: str
  sample: aws-us-east-2
known:
  description: Whether the inventory has the host.
  returned: O(step=answers)
  type: bool
live:
  description: Whether the cluster is there.
  returned: O(step=live)
  type: bool
entry:
  description: The entry, an inventory in YAML.
  returned: O(step=entry)
  type: str
file:
  description: The file that the entry is in, as an absolute path; empty without O(folder).
  returned: O(step=entry)
  type: str
  sample: /home/me/fleet/added/aws-us-east-2.yml
left_out:
  description:
    - Variables that the host has and the entry hasn't, because they are, or hold, what may be secret - by the name of a
      key, out of a vault, a private key, a password in a URL.
  returned: O(step=entry)
  type: list
  elements: str
  sample: [regional_service_values]
stats:
  description:
    - For M(ansible.builtin.set_stats); empty in check mode. C(k0rdent_kof_entry) has C(schema)
      (V(k0rdent.kof.entry/1)), C(layer), C(group), C(host), C(cluster), C(file), C(left_out) and C(yaml), the entry
      itself, which is empty where it has more than 65,536 bytes.
  returned: O(step=entry)
  type: dict
msg:
  description: What was found or done.
  returned: success
  type: str
  sample: aws-us-east-2 is new
"""
