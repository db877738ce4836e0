#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_delete.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_delete
short_description: Delete the child clusters of the batch, then its regional clusters
version_added: 0.1.0
description:
  - Deletes the ClusterDeployments of all hosts of C(kof_child) in the batch, waits until they are gone, and then
    deletes the hosts of C(kof_regional), each first from the global view (PromxyServerGroup, GrafanaDatasource),
    because promxy would fail every query while it asks a cluster that isn't there.
  - Nothing happens unless the extra variable C(kof_delete_confirm) is the name of the fleet (C(kof_fleet)). Without it
    the task fails, and says which clusters it would delete on which server. It has to be an extra variable or a survey
    answer; in an inventory it is an error, on a play it doesn't count.
  - A regional cluster stays while a child sends to it, whether that child is in the inventory or not, in whatever
    namespace, and if its collectors come by a C(MultiClusterService). One outside this run makes it refused, one that
    was refused or isn't gone in time leaves it out; both are named. So does a child that may send to any, because its
    values are in ConfigMaps or Secrets or have templates for addresses, unless its label
    C(k0rdent.mirantis.com/kof-regional-cluster-name) names its regional. Services that are disabled
    (C(child_disabled_services)) count, as that need not uninstall them. A PromxyServerGroup that somebody made for it
    under another name makes it refused, too.
  - For regional clusters the right to list ClusterDeployments in all namespaces, and MultiClusterServices, is needed.
  - Before anything of a regional or an adopted cluster goes, the API server is asked by dry runs whether all of it may.
    Where an admission policy or a missing right keeps one object, all of that cluster stays.
  - What belongs to another fleet, is kept by a GitOps controller or a Helm release, or doesn't carry the labels of this
    collection is refused, with the whole cluster. Other clusters go on.
  - A cluster that was adopted (Sveltos has a C(SveltosCluster) of it) lives on. Kcm and Sveltos forget it within a
    second of its ClusterDeployment, with everything on it. So first all its services and the labels by which it gets
    Secrets are taken out of the ClusterDeployment, and the task waits until Sveltos has uninstalled them, with their
    data. What charts leave behind by themselves stays (namespaces, CustomResourceDefinitions, volumes).
  - An adopted cluster that Sveltos doesn't reach, or from which something isn't uninstalled in time, is refused. The
    extra variable C(kof_delete_leave_services), a list of hosts or a text with commas, lets the services of these
    clusters stay as they are, reachable or not. Like the confirmation it is an error in an inventory.
  - Nothing else is deleted. Namespaces, Secrets, IAM users, the mothership and DNS records stay.
  - What isn't there is fine, what is being deleted already is waited for. So the next run finishes an interrupted one.
  - When more children failed than C(kof_max_fail_percentage) allows, all regional clusters are left out.
  - Each cluster that was refused, or isn't gone in time, is a failure. Where O(booked_by) is V(task) that of the task,
    which has all its results nevertheless; otherwise that of what follows, which has them in RV(outcomes).
options:
  confirmed_by:
    description:
      - The extra variable that has to be the fleet's name.
      - With V(kof_uninstall_confirm) it is no error that the management cluster doesn't serve k0rdent's API any more.
    type: str
    choices: [kof_delete_confirm, kof_uninstall_confirm]
    default: kof_delete_confirm
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
      - Takes the children that the run would delete for gone when it looks at the regional clusters, and the services
        that would be uninstalled likewise.
  diff_mode:
    support: full
    description: One entry per object that is deleted; Secret data and password-like fields are masked.
notes:
  - C(kof_wait_timeout) bounds each wait (for the children, for the objects of the global view, for the regional
    clusters, and for the services of adopted ones). C(kof_wait=false) skips the wait for the regional clusters only.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
# ansible-playbook delete.yml -i inventories/staging --limit 'aws-eu-west-1*' -e kof_delete_confirm=staging
- name: Delete a region with its children
  hosts: kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Delete the batch
      k0rdent.kof.fleet_delete:
      run_once: true
"""

RETURN = r"""
---
counts:
  description: >-
    How many objects were C(deleted), C(absent) before, C(being_deleted) already, or C(refused) by the API server.
  returned: unless nothing was tried
  type: dict
  sample: {deleted: 16, absent: 1}
objects:
  description: The objects that were deleted, or would be in check mode.
  returned: unless nothing was tried
  type: list
  elements: dict
  sample: [{object: ClusterDeployment kcm-system/aws-us-east-2-child1, action: deleted}]
uninstalled:
  description: Hosts of clusters that live on, of which the services were uninstalled, or would be in check mode.
  returned: unless nothing was tried
  type: list
  elements: str
  sample: [adopted-1]
left_behind:
  description: Clusters that live on with these releases, because C(kof_delete_leave_services) says so.
  returned: unless nothing was tried
  type: list
  elements: dict
  sample: [{host: adopted-2, releases: [cert-manager/cert-manager, kof/kof-storage]}]
refused:
  description: Clusters that may not be deleted, or aren't gone in time, with the reason, in which the code of
    C(docs/findings.md) stands in brackets. They don't stop the others.
  returned: unless nothing was tried
  type: list
  elements: dict
  sample:
    - host: aws-eu-west-1
      reason: >-
        child clusters that this run doesn't delete still send to it: aws-eu-west-1-child7; delete them first or in the
        same run. Nothing of this cluster is deleted
left_out:
  description: Regional clusters whose children are still there, and clusters that failed in an earlier task of the run.
  returned: unless nothing was tried
  type: list
  elements: dict
  sample: [{host: aws-eu-west-1, reason: "its child clusters are still there: aws-eu-west-1-child1"}]
dns_records:
  description:
    - Names that external-dns made for the deleted regional clusters. It never takes one back, so they may stay behind
      in the hosted zones.
  returned: unless nothing was tried
  type: list
  elements: str
  sample: [vmauth.aws-us-east-2.kof.example.com, grafana.aws-us-east-2.kof.example.com]
outcomes:
  description: By host, what changed, why it failed, why it was left out; and who books it. Only what happened.
  returned: unless nothing was tried
  type: dict
  sample:
    changed: {aws-us-east-2: ClusterDeployment kcm-system/aws-us-east-2 updated}
    failed: {aws-eu-west-1: "ClusterDeployment kcm-system/aws-eu-west-1: admission webhook denied the request"}
errors:
  description: Each fault of the input on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["aws-us-east-2: regional_domain: missing; aws-us-east-2.kof.example.com"]
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
  sample: 16 deleted; 1 absent
"""
