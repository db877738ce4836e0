#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_uninstall.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_uninstall
short_description: Take away what a fleet has beside its clusters and charts, and tell what is left
version_added: 0.1.0
description:
  - Three steps of the playbook C(k0rdent.kof.uninstall), which has the clusters (M(k0rdent.kof.fleet_delete)) and the
    charts (M(k0rdent.kof.helm_release)) go between them.
  - Nothing happens unless the extra variable C(kof_uninstall_confirm) is the name of the fleet (C(kof_fleet)). What
    goes on request is named by the extra variable C(kof_uninstall_also), V(all) or some of C(platform_admin),
    C(dns_secret), C(iam), C(dns_records), C(templates), C(namespace) and C(crds). In an inventory either is an error.
  - What belongs to another fleet, to somebody else's Helm release or to a GitOps controller, or of which nobody can
    tell whose it is, stays, and so does what can't go without it.
  - Whatever is deleted is waited for. What doesn't go is told with who holds it, since when, why, and what to do; no
    finalizer is ever taken off.
options:
  step:
    description:
      - With V(look) nothing is changed. It fails where the fleet may not go - live clusters of it that are no host of
        the run, others that need the charts, others' objects of kinds that would go, a missing confirmation.
      - With V(objects), after the clusters, deletes what reads from them (PromxyServerGroups, GrafanaDatasources,
        GrafanaDashboards, rules of alerts), then the custom resources of the charts whose operators have to take them
        away before they go themselves.
      - With V(rest), after the charts, deletes what C(kof_uninstall_also) names but C(iam) and C(dns_records), which
        are tasks of amazon.aws, and tells what is left.
    type: str
    required: true
    choices: [look, objects, rest]
  only_tell:
    description: Whether V(rest) deletes nothing, because something before it is still there.
    type: bool
    default: false
  at_aws:
    description: >-
      What M(k0rdent.kof.external_dns_access_info) gave with its option C(to_remove), of which C(left) is told.
    type: dict
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
  - k0rdent.kof.booking
attributes:
  check_mode:
    support: full
    description:
      - Sends only C(dryRun=All) requests and reads, needs no confirmation and doesn't wait.
      - Takes the clusters that the run would have deleted, and what goes with them and with the charts, for gone.
  diff_mode:
    support: full
    description: One entry per object that is deleted.
notes:
  - It looks at all kinds that the API server serves, Secrets among them, and needs the rights of an administrator.
  - C(kof_wait_timeout) bounds each wait.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
# ansible-playbook k0rdent.kof.uninstall -i inventories/staging -e kof_uninstall_confirm=staging
- name: Tell what there is of a fleet
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell
      k0rdent.kof.fleet_uninstall:
        step: rest
        only_tell: true
      run_once: true
"""

RETURN = r"""
---
also:
  description: What goes on request, each with whether it does.
  returned: with O(step=look)
  type: dict
  sample: {namespace: true, iam: false}
go_on:
  description: Whether what comes after may be done.
  returned: success
  type: bool
  sample: true
counts:
  description: How many objects were C(deleted), being deleted already (C(unchanged)), or C(refused).
  returned: with O(step=objects) and O(step=rest)
  type: dict
  sample: {deleted: 16}
objects:
  description: The objects that were deleted, or would be in check mode.
  returned: with O(step=objects) and O(step=rest)
  type: list
  elements: dict
  sample: [{object: PromxyServerGroup kof/aws-us-east-2-metrics, action: deleted}]
refused:
  description: What stays though it was to go, and why; at most 100.
  returned: with O(step=objects) and O(step=rest)
  type: list
  elements: str
  sample: ["CustomResourceDefinition vmrules.operator.victoriametrics.com: has objects: VMRule monitoring/mine"]
left:
  description: >-
    What is left, each C(object) with C(whose) it is and how to C(remove) it; empty where that is its owner's.
  returned: with O(step=rest)
  type: list
  elements: dict
  sample: [{object: Namespace kof, whose: fleet staging, remove: "-e kof_uninstall_also=namespace"}]
unread:
  description: By kind, why it couldn't be looked at.
  returned: with O(step=rest)
  type: dict
  sample: {"metrics.k8s.io/v1beta1": the server is currently unable to handle the request}
outcomes:
  description: By host, what changed and why it failed; and who books it. Only what happened.
  returned: with O(step=objects) and O(step=rest)
  type: dict
  sample: {changed: {mothership: 4 objects deleted}}
diff:
  description: One entry per object that is deleted.
  returned: in diff mode, with O(step=objects) and O(step=rest)
  type: list
  elements: dict
  sample: [{before_header: Namespace kof, after_header: Namespace kof deleted, before: "# exists", after: ""}]
errors:
  description: Each fault of the input on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["kof_uninstall_also: namespaces is nothing that can go; did you mean namespace?"]
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
  sample: 16 deleted
"""
