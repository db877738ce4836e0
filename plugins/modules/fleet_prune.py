#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_prune.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_prune
short_description: Delete the clusters of a fleet that have left its inventory
version_added: 0.1.0
description:
  - Finds the clusters of the fleet (C(kof_fleet), by its labels) of which no host of C(kof_regional) or C(kof_child)
    has the name, by any of their parts. So what is left of one whose ClusterDeployment somebody deleted by hand is
    found, too. It deletes them as M(k0rdent.kof.fleet_delete) does, children before regional clusters,
    with their places in the global view, their rules of alerts and their dashboards.
  - Only an inventory that is declared whole can say what has left it. The variable C(kof_inventory_complete) has to be
    C(true) for all its hosts, in the inventory itself; as an extra variable it is refused. So are C(--limit), a slice
    of an AWX job, a batch that isn't all hosts of the three groups, hosts with faults in their variables, and a source
    of the inventory that Ansible could not read.
  - Where the inventory has no host of a layer at all, and clusters of that layer live, nothing is deleted. It rather
    looks as if the inventory had lost them.
  - Where more clusters have left than C(kof_max_delete) (1), none is deleted, in check mode neither. Those that are
    being deleted already, and what is left of those that are gone, don't count.
  - Where a kind can't be listed, nothing is deleted, and it is named.
  - Nothing happens unless the extra variable C(kof_prune_confirm) is the name of the fleet.
  - All that M(k0rdent.kof.fleet_delete) refuses is refused here. A regional cluster also stays while a child of the
    inventory names it in C(child_regional). A cluster whose layer can't be told stays.
  - Clusters that live on are treated as there; C(kof_delete_leave_services) takes names of clusters here.
  - What isn't there is fine, what is being deleted already is waited for. So the next run finishes an interrupted one.
options: {}
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
  - k0rdent.kof.booking
attributes:
  check_mode:
    support: full
    description: Sends only C(dryRun=All) requests and reads, needs no confirmation and doesn't wait.
  diff_mode:
    support: full
    description: One entry per object that is deleted; Secret data and password-like fields are masked.
notes:
  - The clusters are no hosts. What became of them is booked on the mothership's host, or the first of the batch.
  - A cluster that k0rdent.kof.add_region or add_child made, and whose entry nobody has put into the inventory, counts
    as one that has left it.
  - A folder of inventory files of which only some are given by C(-i) is not seen as a part. Say
    C(kof_inventory_complete) in group_vars only beside an inventory that is always given as a whole.
seealso:
  - module: k0rdent.kof.fleet_delete
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
# ansible-playbook prune.yml -i inventories/production -e kof_prune_confirm=production
- name: Delete what has left the inventory
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Delete the clusters that no host stands for any more
      k0rdent.kof.fleet_prune:
      run_once: true
"""

RETURN = r"""
---
clusters:
  description: The clusters that have left the inventory, by name.
  returned: success
  type: list
  elements: str
  sample: [aws-us-east-2-child1]
counts:
  description: >-
    How many objects were C(deleted), C(absent) before, C(being_deleted) already, or C(refused) by the API server.
  returned: success
  type: dict
  sample: {deleted: 1}
objects:
  description: The objects that were deleted, or would be in check mode.
  returned: success
  type: list
  elements: dict
  sample: [{object: ClusterDeployment kcm-system/aws-us-east-2-child1, action: deleted}]
uninstalled:
  description: Clusters that live on, of which the services were uninstalled, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [adopted-1]
left_behind:
  description: Clusters that live on with these releases, because C(kof_delete_leave_services) says so.
  returned: success
  type: list
  elements: dict
  sample: [{host: adopted-2, releases: [cert-manager/cert-manager, kof/kof-storage]}]
refused:
  description: Clusters that may not be deleted, or aren't gone in time, with the reason. They don't stop the others.
  returned: success
  type: list
  elements: dict
  sample: [{host: aws-eu-west-1, reason: "children of the inventory name it as child_regional: aws-eu-west-1-child7"}]
left_out:
  description: Regional clusters whose children are still there.
  returned: success
  type: list
  elements: dict
  sample: [{host: aws-eu-west-1, reason: "its child clusters are still there: aws-eu-west-1-child1"}]
dns_records:
  description: Names that external-dns made for the deleted regional clusters, and that may stay behind in the zones.
  returned: when there was something to delete
  type: list
  elements: str
  sample: [vmauth.aws-us-east-2.kof.example.com, grafana.aws-us-east-2.kof.example.com]
outcomes:
  description: By host what changed and why it failed, and who books it. Only what happened.
  returned: success
  type: dict
  sample: {changed: {mothership: pruned aws-us-east-2-child1}}
errors:
  description: Each fault of the input on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["kof_inventory_complete: isn't true: only an inventory declared whole can say what has left it"]
management_cluster:
  description: The management cluster's server and context, and where they were said.
  returned: when it was connected to
  type: str
  sample: https://10.0.0.1:6443 (kubeconfig /etc/kof/kubeconfig, context kof), by kof_kubeconfig in group_vars/all.yml:2
as_kubernetes_core:
  description: Whether a module of kubernetes.core with the C(kof_*) variables as its options is sure to reach the same.
  returned: when it was connected to
  type: bool
  sample: true
msg:
  description: A summary in one line, or what is wrong.
  returned: always
  type: str
  sample: "left the inventory: aws-us-east-2-child1; 1 deleted"
"""
