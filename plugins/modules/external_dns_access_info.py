#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/external_dns_access_info.py, in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: external_dns_access_info
short_description: Look at the IAM policy, user and access key of external-dns, and at the Secret that holds the key
version_added: 0.1.0
description:
  - Reads in one go what M(amazon.aws.iam_managed_policy), M(amazon.aws.iam_user) and
    M(k0rdent.kof.external_dns_access_key) would each look at first, so that a play can leave them out where all is as
    wanted. For role P(k0rdent.kof.dns_credentials#role) it says itself what is to be made.
  - Works in the controller's process. It fails where the connection isn't C(local), or the task has C(become) or is
    delegated to another machine, as a module would then see another AWS account. An C(environment) is honoured.
options:
  of_role:
    description:
      - Look by the variables of role P(k0rdent.kof.dns_credentials#role) that the task sees, and by none of the options
        below, for each of its methods. Fails with every fault of the variables, and where user, policy or role of the
        same name belong to somebody else.
    type: bool
    default: false
  to_remove:
    description:
      - With O(of_role), look at what there is to be removed of what the role has made, and not at what it lacks. Fails
        where the user is another management cluster's, or others use the policy.
    type: bool
    default: false
  user_name:
    description: The IAM user. Required without O(of_role), as are O(policy_name) and O(fleet).
    type: str
  policy_name:
    description: The managed policy of the same account.
    type: str
  path:
    description: The path of the policy.
    type: str
    default: /
  fleet:
    description: The fleet's name, expected as the value of the user's tag C(k0rdent.kof/fleet).
    type: str
  namespace:
    description: The namespace of the Secret, on the management cluster.
    type: str
    default: kof
extends_documentation_fragment:
  - k0rdent.kof.aws_beside_kubernetes
  - k0rdent.kof.connection
  - k0rdent.kof.reconcile
  - k0rdent.kof.attributes
attributes:
  check_mode:
    support: full
    description: Reads, and sends only C(dryRun=All) requests to Kubernetes, in check mode or not.
  diff_mode:
    support: N/A
    description: Changes nothing.
  idempotent:
    support: N/A
    description: Changes nothing.
requirements:
  - boto3 >= 1.34
  - The right to C(sts:GetCallerIdentity), C(iam:GetPolicy), C(iam:GetPolicyVersion), C(iam:ListPolicyVersions),
    C(iam:GetUser), C(iam:ListAttachedUserPolicies), C(iam:ListAccessKeys) and C(iam:GetAccessKeyLastUsed); with
    O(of_role) also C(iam:ListPolicies) and C(iam:GetRole); with O(to_remove) also C(iam:ListEntitiesForPolicy),
    C(iam:GetRolePolicy) and C(iam:GetInstanceProfile)
  - The right to get the namespace C(kube-system) of the management cluster
seealso:
  - module: k0rdent.kof.external_dns_access_key
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Look at what external-dns has
  k0rdent.kof.external_dns_access_info:
    user_name: kof-external-dns-production
    policy_name: kof-external-dns-production
    fleet: production
    kubeconfig: ~/.kube/management
  register: access

- name: Say whether its key is in the Secret
  ansible.builtin.debug:
    msg: "{{ access.access_key.outstanding | default(['all is as wanted'], true) }}"
"""

RETURN = r"""
---
caller:
  description: Whose AWS credentials these are.
  returned: success
  type: dict
  sample: {"account": "123456789012", "arn": "arn:aws:iam::123456789012:user/administrator"}
policy:
  description: The policy, with the document of its default version; null if there is none.
  returned: success
  type: dict
  sample:
    arn: arn:aws:iam::123456789012:policy/kof-external-dns-production
    document: {"Version": "2012-10-17", "Statement": []}
    version_ids: [v1]
    tags: {"k0rdent.kof/fleet": production}
user:
  description: The user; null if there is none.
  returned: success
  type: dict
  sample:
    name: kof-external-dns-production
    path: /
    permissions_boundary: ""
    attached_policies: ["arn:aws:iam::123456789012:policy/kof-external-dns-production"]
    tags: {"k0rdent.kof/fleet": production}
access_key:
  description: The key that the Secret holds.
  returned: success
  type: dict
  contains:
    id:
      description: Its id; C(known after the run) if M(k0rdent.kof.external_dns_access_key) would make one.
      type: str
      sample: AKIAIOSFODNN7EXAMPLE
    outstanding:
      description: What M(k0rdent.kof.external_dns_access_key) would change.
      type: list
      elements: str
      sample: ["Secret kof/external-dns-aws-credentials created"]
    warnings:
      description: Its warnings.
      type: list
      elements: str
      sample: []
plan:
  description: >-
    What the role's tasks are to make (C(make)), and what it has to be; no secret is in it.
  returned: success, with O(of_role)
  type: dict
  sample: {"make": ["user", "access_key"], "user": "kof-external-dns-production", "path": "/"}
left:
  description: What there is of what the role makes, in the order of making.
  returned: success, with O(to_remove)
  type: list
  elements: dict
  sample: [{kind: user, name: kof-external-dns-production}]
refused:
  description: That the namespace of the Secret belongs to another fleet. Nothing may be made then.
  returned: where it is so
  type: bool
  sample: true
msg:
  description: What can't be read, and why.
  returned: failure
  type: str
  sample: "AWS can't show what external-dns has: Unable to locate credentials"
"""
