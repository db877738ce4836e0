#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_verify.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_verify
short_description: Tell whether all of a fleet is really so, and what to do where it isn't
version_added: 0.1.0
description:
  - Tells what M(k0rdent.kof.fleet_status) does, in the same faces, and what it takes more rights to know.
  - Of the management cluster that is what is in Secrets, promxy's configuration for example, which is held against
    every region, and every GrafanaDatasource in the namespace of kof, whoever made it.
  - It only reads. What its user may not read is told, and not looked at; a cluster of which nothing bad is known, and
    not all may be read, is C(unknown) and not C(ready).
  - A finding of severity C(failed) fails the host that it is of; warnings, and what is normal in the middle of a
    rollout, fail nothing.
  - With O(scope=inside) it looks inside of every cluster, many at a time, each with its own O(deadline). There it looks
    for the namespaces and workloads that kof's charts bring, pods that don't run and why, PersistentVolumeClaims, load
    balancers, certificates, the Secret with the login, and OpenTelemetry collectors.
  - The kubeconfigs for that come from the Secrets C(<cluster>-kubeconfig) of kcm's namespace, of adopted clusters from
    that of their Credential. They stay in memory; nothing of the connection to the management cluster, and no variable
    of the environment, is used for the others.
  - With O(data=true) each regional is also asked, at C(https://vmauth.<its domain>) and with the login that is stored
    in kof's namespace, how old the newest metrics, logs and costs of each child are, as Grafana would ask it. That goes
    from this machine, with its proxies (C(HTTPS_PROXY)) and authorities (C(SSL_CERT_FILE)). The login is never shown.
seealso:
  - module: k0rdent.kof.fleet_status
options:
  scope:
    description:
      - V(management) asks the management cluster alone. V(inside) looks inside of all clusters, too; that takes the
        right to read the Secrets with their kubeconfigs, which C(docs/rbac/verifier.yaml) grants.
    type: str
    choices: [management, inside]
    default: inside
  deadline:
    description:
      - Seconds in which a cluster has to have answered all that it is asked; its own, whatever the others take.
    type: int
    default: 30
  data:
    description:
      - Whether to ask each regional for the data of its children. It looks inside of all clusters, too, whatever
        O(scope) says, for logs are known by pods.
      - The regionals that are asked are those of the batch and those of its children. Which of them has what a child
        sends to a wrong one is known of these only.
    type: bool
    default: false
  metrics_age:
    description:
      - Seconds beyond which the newest metric of a child at its regional is too old, with O(data=true).
    type: int
    default: 300
  logs_age:
    description:
      - Seconds beyond which the newest log line of any of a child's pods is too old, with O(data=true).
    type: int
    default: 900
  costs_age:
    description:
      - Seconds beyond which the newest cost of a child's nodes is too old, with O(data=true).
    type: int
    default: 900
  promxy:
    description:
      - Address of promxy's API, with O(data=true), to ask whether each region answers through it. Without, it isn't
        asked, since nothing says how it is reached from here. It holds no login.
      - For example V(http://localhost:8082) as long as
        C(kubectl port-forward -n kof svc/kof-mothership-promxy 8082:8082) runs.
    type: str
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.booking
  - k0rdent.kof.faces
  - k0rdent.kof.fleet
attributes:
  diff_mode:
    support: none
    description: It changes nothing.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Verify
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell whether all is really so
      k0rdent.kof.fleet_verify:
      run_once: true

    - name: For dashboards and alerts
      k0rdent.kof.fleet_verify:
        format: [json, prometheus]
        folder: /var/lib/node_exporter/textfile
        patience: 120
      run_once: true

    - name: Also whether data of all children arrives
      k0rdent.kof.fleet_verify:
        data: true
        metrics_age: 600
      run_once: true

    - name: The management cluster alone
      k0rdent.kof.fleet_verify:
        scope: management
      run_once: true
"""

RETURN = r"""
---
counts:
  description: How many clusters are in each state, and how many findings there are of each severity.
  returned: always, but for an empty batch
  type: dict
  sample:
    clusters: {missing: 0, failed: 1, warning: 0, unknown: 0, progressing: 2, ready: 17}
    findings: {failed: 1, warning: 0, progress: 2}
findings:
  description: What was found, the worst first, at most 100 of them. The file of format V(json) has all.
  returned: always
  type: list
  elements: dict
  sample:
    - code: credential-not-ready
      severity: failed
      title: A cluster's Credential isn't ready
      host: aws-us-east-2
      cluster: aws-us-east-2
      layer: regional
      object: ClusterDeployment kcm-system/aws-us-east-2
      since: "2026-03-01T10:00:00Z"
      why: "CredentialReady: Credential is not ready"
      remedy: "see the Credential's conditions: its identity object and the identity's Secret must exist"
versions:
  description: What is there of kof. C(charts) is null where Secrets may not be listed; templates are those of the
    batch's clusters, each with their number.
  returned: always, but for an empty batch
  type: dict
  sample:
    kcm_api: v1alpha1
    charts: {kof-operators: 0.1.1, kof-mothership: 0.1.1}
    service_templates: [{name: kof-storage-0-1-1, count: 2}]
    cluster_templates: [{name: aws-standalone-cp-0-1-0, count: 2}]
not_looked_at:
  description: What could not be looked at, and why.
  returned: always, but for an empty batch
  type: list
  elements: str
  sample: []
files:
  description: The files that were, or in check mode would be, written.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/node_exporter/textfile/kof_status.prom]
outcomes:
  description: Which clusters failed and why, for C(k0rdent.kof.fleet_report).
  returned: always
  type: dict
  sample: {}
errors:
  description: Each failed cluster on its own line, at most 100 of them.
  returned: failure, where RV(msg) doesn't have them all
  type: list
  elements: str
  sample: ["aws-us-east-2: credential-not-ready: CredentialReady is False"]
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
  description: A summary in one line.
  returned: always
  type: str
  sample: "19 of 20 clusters ready; 1 failed"
"""
