#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One PromxyServerGroup: arguments to manifest to reconcile."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: promxy_server_group
short_description: Tell promxy on the management cluster where a regional cluster's metrics are
version_added: 0.1.0
description:
  - Makes, repairs or deletes one PromxyServerGroup, by server-side apply as field manager C(k0rdent.kof).
  - The promxy operator quotes but does not escape what it writes into promxy's configuration, and one bad group breaks
    the configuration of all regions, so strings it can't carry are refused before anything is sent.
  - The roles make the same object for each regional cluster of an inventory; this module is for single use.
options:
  state:
    description: Whether the group shall be there.
    type: str
    choices: [present, absent]
    default: present
  cluster_name:
    description:
      - Name of the regional cluster, the value of the label C(promxyCluster) on all its series.
      - Required if O(state=present).
    type: str
  name:
    description: Name of the object; by default O(cluster_name) with C(-metrics) after it, as the roles name it.
    type: str
  namespace:
    description: Where kof is installed; the operator reads groups and Secrets only there.
    type: str
    default: kof
  fleet:
    description: Value of the label C(app.kubernetes.io/part-of).
    type: str
    default: kof
  kof_version:
    description: Release of kof on the management cluster.
    type: str
    required: true
  targets:
    description:
      - Addresses as C(host:port). Several are taken for replicas of each other.
      - Required if O(state=present).
    type: list
    elements: str
  scheme:
    description: How to speak to the targets.
    type: str
    choices: [https, http]
    default: https
  path_prefix:
    description: Path before the Prometheus API; by default the one of the release.
    type: str
  credentials_secret:
    description: Name of the Secret with user name and password, in O(namespace). It must exist, else no group is read.
    type: str
    default: storage-vmuser-credentials
  username_key:
    description: Key of the user name in the Secret; by default the one of the release.
    type: str
  password_key:
    description: Key of the password in the Secret; by default the one of the release.
    type: str
  dial_timeout:
    description: How long promxy waits for a connection, a Go duration.
    type: str
    default: 5s
  insecure_skip_verify:
    description: Whether promxy accepts any certificate of the targets.
    type: bool
    default: false
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
    description: By field.
author:
  - k0rdent.kof contributors (@k0rdent)
seealso:
  - module: k0rdent.kof.grafana_datasource
"""

EXAMPLES = r"""
---
- name: Let promxy read the metrics of a region
  k0rdent.kof.promxy_server_group:
    kof_version: "0.1.1"
    cluster_name: aws-us-east-2
    targets:
      - vmauth.aws-us-east-2.kof.example.com:443

- name: No longer
  k0rdent.kof.promxy_server_group:
    kof_version: "0.1.1"
    cluster_name: aws-us-east-2
    state: absent
"""

RETURN = r"""
---
object:
  description: Kind, namespace and name.
  returned: always
  type: str
  sample: PromxyServerGroup kof/aws-us-east-2-metrics
action:
  description: What was done, or in check mode would be.
  returned: always
  type: str
  sample: created
fields:
  description: The fields that changed in an object that was there.
  returned: success
  type: list
  elements: str
  sample: [spec.targets]
took_back:
  description: Fields that somebody had changed by hand, with the manager and the time, and that were set right.
  returned: success
  type: list
  elements: str
  sample:
    - "PromxyServerGroup kof/aws-us-east-2-metrics: spec.scheme from kubectl-edit (set 2026-01-01T00:00:00Z)"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import masking
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import single_object, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests import promxy_config
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.promxy_server_group import (
    name_of,
    promxy_server_group,
)
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "cluster_name": {"type": "str"},
    "name": {"type": "str"},
    "namespace": {"type": "str", "default": "kof"},
    "fleet": {"type": "str", "default": "kof"},
    "kof_version": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str"},
    "scheme": {"type": "str", "choices": ["https", "http"], "default": "https"},
    "path_prefix": {"type": "str"},
    # Names, no secrets.
    "credentials_secret": {"type": "str", "default": "storage-vmuser-credentials", "no_log": False},
    "username_key": {"type": "str", "no_log": False},
    "password_key": {"type": "str", "no_log": False},
    "dial_timeout": {"type": "str", "default": "5s"},
    "insecure_skip_verify": {"type": "bool", "default": False},
}


@telling.quotes_nothing()
def work(module: AnsibleModule) -> None:
    """All that the module does; `main` only starts it, as ansible-test wants to see it begin."""
    masking.mask(module)
    options = module.params
    if options["kof_version"] not in RELEASES:
        known = ", ".join(sorted(RELEASES))
        module.fail_json(msg=f"kof_version: {telling.quoted(options['kof_version'])} is not known; known are {known}")
    release = RELEASES[options["kof_version"]]
    name = options["name"] or name_of(options["cluster_name"])
    problem = syntax.object_name(name)
    if problem:
        module.fail_json(msg=f"name: {telling.quoted(name)} {problem}")
    ref = Ref(release.promxy.api_version, "PromxyServerGroup", options["namespace"], name)
    if options["state"] == "absent":
        single_object.run(module, ref, None)
        return
    wanted = promxy_server_group(
        release,
        name=name,
        **{
            field: options[field]
            for field in (
                "namespace",
                "fleet",
                "cluster_name",
                "targets",
                "scheme",
                "path_prefix",
                "credentials_secret",
                "username_key",
                "password_key",
                "dial_timeout",
                "insecure_skip_verify",
            )
        },
    )
    faults = promxy_config.faults([wanted], release=release)
    if faults:
        module.fail_json(msg="; ".join(f"{fault.variable}: {fault.problem}; {fault.example}" for fault in faults[:10]))
    single_object.run(module, ref, wanted)


def main() -> None:
    """The module."""
    work(
        AnsibleModule(
            argument_spec={**CONNECTION_OPTIONS, **single_object.RECONCILE_OPTIONS, **ARGUMENTS},
            required_if=[("state", "present", ("cluster_name", "targets"))],
            required_one_of=[("name", "cluster_name")],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
