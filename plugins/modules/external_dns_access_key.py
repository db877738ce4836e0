#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the access key of external-dns' IAM user and the Secret that holds it, in one process.

Talks to AWS and Kubernetes; what to do about which key is decided in module_utils/dns/aws/keys.py. The secret half of a
key is shown by AWS once: it goes from that answer into the Secret, never into arguments, results, logs or files.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: external_dns_access_key
short_description: Make the access key of an IAM user and the Secret external-dns-aws-credentials that holds it
version_added: 0.1.0
description:
  - Sees to it that the IAM user has exactly one access key, and that this key is in the Secret
    C(external-dns-aws-credentials), as the file which external-dns reads. Both in one process, so that the secret half
    of the key is in no argument, result, diff, log or file.
  - A key is made only if the Secret holds none that AWS lists for the user. A key whose secret half the Secret doesn't
    hold and which was never used is what a killed run leaves behind; it is deleted first. One that has been used stops
    the run and is named.
  - The IAM user must exist and carry the tag C(k0rdent.kof/fleet) with the fleet's name; M(amazon.aws.iam_user) makes
    it. The user is then tagged with the management cluster (C(k0rdent.kof/management-cluster), the uid of its namespace
    C(kube-system)), so that fleets of the same name on two management clusters never delete each other's keys.
  - The namespace is made if it isn't there.
options:
  user_name:
    description: The IAM user.
    type: str
    required: true
  fleet:
    description: The fleet's name, expected as the value of the user's tag C(k0rdent.kof/fleet).
    type: str
    required: true
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
    description: Reads AWS, and sends only C(dryRun=All) requests to Kubernetes.
  diff_mode:
    support: full
    description: Names keys by their id. The Secret's data are masked.
  idempotent:
    support: full
    description: A run that finds its key in the Secret and at AWS changes nothing.
requirements:
  - boto3 >= 1.34
  - The right to C(iam:GetUser), C(iam:ListAccessKeys), C(iam:GetAccessKeyLastUsed), C(iam:CreateAccessKey),
    C(iam:DeleteAccessKey) and C(iam:TagUser) on the user
  - The right to get the namespace C(kube-system) of the management cluster
seealso:
  - module: amazon.aws.iam_user
  - module: k0rdent.kof.external_dns_secret
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: Make the IAM user of the fleet
  amazon.aws.iam_user:
    name: kof-external-dns-production
    tags:
      k0rdent.kof/fleet: production

- name: Make its key, and the Secret
  k0rdent.kof.external_dns_access_key:
    user_name: kof-external-dns-production
    fleet: production
    kubeconfig: ~/.kube/management
"""

RETURN = r"""
---
access_key_id:
  description: Id of the key in the Secret; in check mode C(known after the run) where one would be made.
  returned: success
  type: str
  sample: AKIAIOSFODNN7EXAMPLE
deleted_access_key_ids:
  description: Ids of the keys that nobody held and nobody had used.
  returned: success
  type: list
  elements: str
  sample: []
objects:
  description: What changed, or in check mode would. Objects of the cluster, and the user's key at AWS.
  returned: success
  type: list
  elements: dict
  sample: [{"object": "Secret kof/external-dns-aws-credentials", "action": "created"}]
took_back:
  description: Fields that a person had changed and that were set back.
  returned: success
  type: list
  elements: str
  sample: []
msg:
  description: A summary in one line, or what is wrong and what to do.
  returned: always
  type: str
  sample: made access key AKIAIOSFODNN7EXAMPLE of IAM user kof-external-dns-production
"""

import base64
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.errors import BotoCoreError, ClientError
from ansible_collections.k0rdent.kof.plugins.module_utils.dns.aws.options import aws_beside_kubernetes, sendable, told
from ansible_collections.k0rdent.kof.plugins.module_utils.fleet.access_key import OPTIONS, KeyAndSecret, Stop, result_of
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import masking, observed
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS, connect, warned
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.errors import ApiError, ApiUnavailable, UnsendableString
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.single_object import (
    RECONCILE_OPTIONS,
    permissions_from,
    policy_from,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling


def argument_spec() -> dict[str, Any]:
    return {**aws_beside_kubernetes(), **CONNECTION_OPTIONS, **RECONCILE_OPTIONS, **OPTIONS}


@telling.quotes_nothing()
def work(module: AnsibleAWSModule) -> None:
    """All that the module does; `main` only starts it, as ansible-test wants to see it begin."""
    masking.mask(module)
    try:
        module.params.update(sendable(module.params))
    except ApiUnavailable as problem:
        module.fail_json(msg=str(problem), exception=None)
    verify = (module.params["aws_ca_bundle"] or True) if module.params["aws_validate_certs"] else False
    iam = module.client("iam", retry_decorator=AWSRetry.jittered_backoff(), verify=verify)

    def hide(secret: str) -> None:
        module.no_log_values.update({secret, base64.b64encode(secret.encode()).decode()})

    connection = None
    try:
        connection = warned(connect(module.params), module.warn, observed.by_module(module))
        report = KeyAndSecret(
            iam,
            connection,
            user=module.params["user_name"],
            fleet=module.params["fleet"],
            namespace=module.params["namespace"],
            policy=policy_from(module.params),
            permissions=permissions_from(module.params),
            check_mode=module.check_mode,
            hide=hide,
        ).ensure()
    except (Stop, ApiError, ApiUnavailable, UnsendableString) as problem:
        module.fail_json(msg=str(problem), exception=None)
    except (BotoCoreError, ClientError) as error:
        what = f"AWS can't manage the access key of IAM user {module.params['user_name']}"
        module.fail_json(msg=f"{what}: {told(error, module.params)}", exception=None)
    finally:
        if connection:
            connection.close()
    for warning in report.warnings:
        module.warn(warning)
    module.exit_json(**result_of(report, with_diff=module._diff))


def main() -> None:
    """The module."""
    work(AnsibleAWSModule(argument_spec=argument_spec(), default_args=False, supports_check_mode=True))


if __name__ == "__main__":
    main()
