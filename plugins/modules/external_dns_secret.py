#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of an action: the code is plugins/action/external_dns_secret.py, in the controller's process."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: external_dns_secret
short_description: Put an existing AWS access key into the Secret external-dns-aws-credentials
version_added: 0.1.0
description:
  - Writes the Secret C(external-dns-aws-credentials), which the regional clusters' external-dns reads, from an access
    key that was made elsewhere.
  - Takes the I(names) of variables, or a file, and reads them in the controller's process. So the secret access key is
    in no argument, result, diff or log, and is sent to the management cluster only.
  - The namespace is made if it isn't there.
options:
  access_key_id_variable:
    description: Name of the variable that holds the access key id.
    type: str
  secret_access_key_variable:
    description: Name of the variable that holds the secret access key; it may be vaulted.
    type: str
  file:
    description:
      - An AWS credentials file (INI) on the controller. It may be encrypted with Ansible Vault as a whole.
      - A relative path is looked for beside the playbook.
    type: str
  file_profile:
    description: The profile in O(file) to take.
    type: str
    default: default
  fleet:
    description: The fleet's name, put on the objects as the label C(app.kubernetes.io/part-of).
    type: str
    required: true
  namespace:
    description: The namespace of the Secret, on the management cluster.
    type: str
    default: kof
extends_documentation_fragment:
  - k0rdent.kof.connection
  - k0rdent.kof.reconcile
  - k0rdent.kof.attributes
attributes:
  check_mode:
    support: full
    description: Sends only C(dryRun=All) requests and reads.
  diff_mode:
    support: full
    description: The Secret's data are masked.
  idempotent:
    support: full
    description: A run that finds the key in the Secret changes nothing.
seealso:
  - module: k0rdent.kof.external_dns_access_key
author:
  - k0rdent.kof contributors (@k0rdent)
"""

EXAMPLES = r"""
---
- name: From vaulted variables
  k0rdent.kof.external_dns_secret:
    access_key_id_variable: dns_credentials_access_key_id
    secret_access_key_variable: dns_credentials_secret_access_key
    fleet: production

- name: From the file that the kof 0.1.1 guide makes
  k0rdent.kof.external_dns_secret:
    file: external-dns-aws-credentials
    fleet: production
"""

RETURN = r"""
---
access_key_id:
  description: Id of the key in the Secret.
  returned: success
  type: str
  sample: AKIAIOSFODNN7EXAMPLE
objects:
  description: What changed of the namespace and the Secret, or in check mode would.
  returned: success
  type: list
  elements: dict
  sample: [{"object": "Secret kof/external-dns-aws-credentials", "action": "created"}]
took_back:
  description: Fields that somebody had changed by hand, with the manager and the time, and that were set right.
  returned: success
  type: list
  elements: str
  sample: ["Secret kof/external-dns-aws-credentials: data from kubectl-edit (set 2026-01-01T00:00:00Z)"]
msg:
  description: A summary in one line, or what is wrong and what to do.
  returned: always
  type: str
  sample: access key AKIAIOSFODNN7EXAMPLE is in Secret kof/external-dns-aws-credentials
"""
