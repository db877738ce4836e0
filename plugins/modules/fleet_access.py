#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_access.py, which runs in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_access
short_description: Tell how to reach Grafana and what else people open, and give them what they log in with
version_added: 0.1.0
description:
  - Looks at the services of kof on the management cluster and, with O(kubeconfigs) or O(show_credentials), inside of
    each regional cluster of the batch. Of each it tells the line for C(kubectl port-forward), the address, and in which
    Secret and under which keys its login is; of one that can't be reached, why.
  - A login is shown to a terminal or written to a file that is its owner's alone, and only when asked. It is in no
    result, event or log, whatever the verbosity; where Ansible runs in a runner, whose terminal keeps what it shows,
    the file is the only way.
options:
  show_credentials:
    description: Show the logins, on the terminal on which C(ansible-playbook) was called, or in O(credentials_file).
    type: bool
    default: false
  credentials_file:
    description:
      - File for the logins, instead of the terminal; readable by its owner alone. A relative one is below the working
        folder.
    type: path
  kubeconfigs:
    description:
      - Folder for the kubeconfigs of the batch's regional and child clusters, C(<cluster>.kubeconfig) each, readable by
        its owner alone; made where it isn't there. They hold addresses, authorities and plain logins, and no command
        to run.
    type: path
  deadline:
    description: How long each regional cluster is asked, in seconds.
    type: int
    default: 30
  forward:
    description:
      - Hold what can be reached open by C(kubectl port-forward), on loopback alone, for O(forward_seconds) or until the
        run is ended. A way that ends, or behind which nobody answers any more, is begun again; a port that is taken on
        this machine is told.
      - It looks inside of the regional clusters of the batch, too.
    type: bool
    default: false
  forward_seconds:
    description: How long, in seconds.
    type: int
    default: 3600
  kubectl:
    description: kubectl, for O(forward).
    type: path
    default: kubectl
  platform_admin:
    description:
      - Make the service account that people log in to the dashboard of Sveltos with, and show a token of it as the
        logins are shown (V(present)); or take away all of it, and with it all of its tokens (V(absent)).
    type: str
    choices: [present, absent]
  platform_admin_role:
    description:
      - The ClusterRole it gets. Without it one of its own, which reads the kinds that the dashboards show, and no
        Secret.
      - kof's guides have V(cluster-admin).
    type: str
  platform_admin_seconds:
    description: How long the token is good for, from 600. The API server may give it for less.
    type: int
    default: 3600
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    details: It writes no file, shows no login, and sends only C(dryRun=All) requests beside reads.
  diff_mode:
    support: full
    description: Of the platform administrator's objects.
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: How to reach what people open
  hosts: kof_mothership:kof_regional:kof_child
  gather_facts: false
  connection: local
  tasks:
    - name: Tell it, and write the kubeconfigs
      k0rdent.kof.fleet_access:
        kubeconfigs: /tmp/kubeconfigs
      run_once: true
"""

RETURN = r"""
---
ways:
  description:
    - What people open. C(command) is empty for what can't be reached, C(why_not) for what can; C(secret) and C(keys)
      are where its login is, empty where it asks for none.
  returned: success
  type: list
  elements: dict
  sample:
    - host: mothership
      name: Grafana
      service: kof/grafana-vm-service
      port: 3000
      url: http://127.0.0.1:3000
      command: kubectl port-forward -n kof svc/grafana-vm-service 3000:3000
      secret: kof/grafana-admin-credentials
      keys: [GF_SECURITY_ADMIN_USER, GF_SECURITY_ADMIN_PASSWORD]
      why_not: ""
files:
  description: The kubeconfigs that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/tmp/kubeconfigs/aws-us-east-2.kubeconfig]
no_kubeconfig:
  description: Clusters of which there is no kubeconfig that could be written, with the reason.
  returned: where a cluster is in the batch
  type: list
  elements: dict
  sample: [{host: aws-us-east-2, reason: "no kubeconfig: Secret kcm-system/aws-us-east-2-kubeconfig doesn't exist"}]
counts:
  description: How many objects of the platform administrator were created, updated, deleted or unchanged.
  returned: with O(platform_admin)
  type: dict
  sample: {created: 3}
objects:
  description: Those that changed, or would in check mode.
  returned: with O(platform_admin)
  type: list
  elements: dict
  sample: [{object: ServiceAccount kof/k0rdent-kof-platform-admin, action: created}]
management_cluster:
  description: The management cluster that was asked, in words.
  returned: where one was asked
  type: str
  sample: https://10.0.0.1:6443 (context kof of /home/kof/.kube/config)
msg:
  description: How many can be reached, and where the logins are.
  returned: always
  type: str
  sample: 5 of 5 can be reached
"""
