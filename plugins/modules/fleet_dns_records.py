#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/fleet_dns_records.py, which runs in the controller's
process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fleet_dns_records
short_description: Say which DNS records regional clusters need, how they resolve, and what to do about them
version_added: 0.1.0
description:
  - Tells of each regional cluster of the batch whether C(vmauth.<domain>) and C(grafana.<domain>) lead to its
    ingress, as one table, and with O(write) what M(amazon.aws.route53) has to do about that. It changes nothing
    itself; the playbook C(k0rdent.kof.dns_records) does both.
  - The ingress is what C(regional_ingress_addresses) says, else what the Service C(ingress-nginx-controller) inside
    of the cluster has. For that it reads the cluster's kubeconfig from its Secret on the management cluster, in
    memory only.
  - Addresses want A and AAAA records, a host name a CNAME; an alias of Route 53 that leads to the same is as good.
  - Beside each name that is written stands a TXT record C(_k0rdent-kof.<name>) with the fleet and a hash of the
    values. Only what that tells of is replaced or taken away, and only while it is as it was written.
options:
  state:
    description:
      - Whether the records shall be there. V(absent) takes away what a run of this fleet wrote, and nothing else.
    type: str
    choices: [present, absent]
    default: present
  write:
    description:
      - Whether Route 53 is asked, and RV(steps) says what is to be done there. The mothership's host must be in the
        batch.
    type: bool
    default: false
  resolver:
    description: IP address of the resolver to ask, with a port if it isn't 53. The system's if not given.
    type: str
  deadline:
    description: Seconds, for all questions to the resolver together, and for each cluster that is looked into.
    type: int
    default: 30
  ttl:
    description: Time to live (seconds) of records that are written.
    type: int
    default: 300
  hosted_zones:
    description:
      - Zones of Route 53 to write to, by id or ARN. If empty, those of C(dns_credentials_hosted_zones), else all
        public ones of the account; a name is in the nearest of them.
    type: list
    elements: str
    default: []
  overwrite:
    description:
      - Whose records may be replaced, beside those that a run of this fleet wrote.
      - V(external_dns), those of external-dns, by its TXT records, and of clusters that have one. It leaves them
        alone then, or puts its own back, as its policy is. With O(state=absent), records that external-dns wrote at
        the names go too, with its TXT records of them; for external-dns that is gone.
      - V(others), those of anybody else.
    type: list
    elements: str
    choices: [external_dns, others]
    default: []
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.attributes
  - k0rdent.kof.booking
  - k0rdent.kof.fleet
attributes:
  check_mode:
    support: full
    details: It only looks.
  diff_mode:
    support: none
    description: It changes nothing.
notes:
  - Who one is at AWS is what the mothership's variables C(dns_credentials_aws_*) and C(dns_credentials_endpoint_url)
    say, else the environment. It takes C(route53:GetHostedZone), C(route53:ListHostedZones) and
    C(route53:ListResourceRecordSets).
requirements:
  - dnspython >= 2.6
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Whether all regional clusters are reached
  hosts: kof_mothership:kof_regional
  gather_facts: false
  connection: local
  tasks:
    - name: Look at the DNS records
      k0rdent.kof.fleet_dns_records:
        resolver: 192.0.2.53
      run_once: true
"""

RETURN = r"""
---
records:
  description: Each name.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: Of the inventory.
      type: str
    name:
      description: The name.
      type: str
      sample: vmauth.aws-us-east-2.kof.example.com
    wanted:
      description: What has to be there, by type. Empty with O(state=absent).
      type: list
      elements: dict
      sample: [{"type": "CNAME", "values": ["a1.us-east-2.elb.amazonaws.com"]}]
    state:
      description: V(right), V(missing), V(wrong) or V(unknown), by the resolver. Empty with O(state=absent).
      type: str
    why:
      description: What is there instead, or why that isn't known.
      type: str
    refused:
      description: With O(write), why nothing is done about it. Else empty.
      type: str
steps:
  description: With O(write), options of M(amazon.aws.route53), one call each, in their order. Else empty.
  returned: always
  type: list
  elements: dict
region:
  description: The region to tell AWS' SDK where nobody has said one. Route 53 is the same from each.
  returned: always
  type: str
outcomes:
  description: What became of the clusters, for M(k0rdent.kof.fleet_report). Empty if nothing is to be done.
  returned: always
  type: dict
management_cluster:
  description: The management cluster, where it was asked.
  returned: where it was asked
  type: str
msg:
  description: How many names there are, and what is to be done.
  returned: always
  type: str
"""
