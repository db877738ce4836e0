#!/usr/bin/python
# Copyright: k0rdent.kof contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One GrafanaDatasource: arguments to manifest to reconcile."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: grafana_datasource
short_description: Give the management cluster's Grafana a datasource with the logs of a regional cluster
version_added: 0.1.0
description:
  - Makes, repairs or deletes one GrafanaDatasource, by server-side apply as field manager C(k0rdent.kof).
  - User name and password come out of a Secret; the object holds the placeholders that the Grafana operator fills in.
  - The roles make the same object for each regional cluster of an inventory; this module is for single use.
options:
  state:
    description: Whether the datasource shall be there.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the object, unique on the management cluster. The roles use the cluster's name with C(-logs).
    type: str
    required: true
  namespace:
    description: The namespace of the Grafana and of the Secret.
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
  datasource_name:
    description:
      - Name that Grafana shows. A second datasource of this name would overwrite the first in Grafana.
      - Required if O(state=present).
    type: str
  url:
    description:
      - Address of the datasource.
      - Required if O(state=present).
    type: str
  datasource_type:
    description: Grafana's name of the type; by default the release's plugin for logs.
    type: str
  credentials_secret:
    description: Name of the Secret with user name and password, in O(namespace).
    type: str
    default: storage-vmuser-credentials
  username_key:
    description: Key of the user name in the Secret; by default the one of the release.
    type: str
  password_key:
    description: Key of the password in the Secret; by default the one of the release.
    type: str
  is_default:
    description: Whether it is Grafana's default datasource.
    type: bool
    default: false
  resync_period:
    description: How often the operator looks for changes in Grafana, a Go duration.
    type: str
    default: 5m
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
    description: By field; C(secureJsonData) is masked.
author:
  - k0rdent.kof contributors (@k0rdent)
seealso:
  - module: k0rdent.kof.promxy_server_group
"""

EXAMPLES = r"""
---
- name: Show the logs of a region in Grafana
  k0rdent.kof.grafana_datasource:
    kof_version: "0.1.1"
    name: aws-us-east-2-logs
    datasource_name: aws-us-east-2
    url: https://vmauth.aws-us-east-2.kof.example.com/vls

- name: No longer
  k0rdent.kof.grafana_datasource:
    kof_version: "0.1.1"
    name: aws-us-east-2-logs
    state: absent
"""

RETURN = r"""
---
object:
  description: Kind, namespace and name.
  returned: always
  type: str
  sample: GrafanaDatasource kof/aws-us-east-2-logs
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
  sample: [spec.datasource.url]
took_back:
  description: Fields that somebody had changed by hand, with the manager and the time, and that were set right.
  returned: success
  type: list
  elements: str
  sample:
    - "GrafanaDatasource kof/aws-us-east-2-logs: spec.resyncPeriod from kubectl-edit (set 2026-01-01T00:00:00Z)"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import masking
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.changes import Ref
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.client import CONNECTION_OPTIONS
from ansible_collections.k0rdent.kof.plugins.module_utils.kof import single_object, syntax
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.manifests.grafana_datasource import grafana_datasource
from ansible_collections.k0rdent.kof.plugins.module_utils.kof.releases import RELEASES
from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "kof"},
    "fleet": {"type": "str", "default": "kof"},
    "kof_version": {"type": "str", "required": True},
    "datasource_name": {"type": "str"},
    "url": {"type": "str"},
    "datasource_type": {"type": "str"},
    # Names, no secrets.
    "credentials_secret": {"type": "str", "default": "storage-vmuser-credentials", "no_log": False},
    "username_key": {"type": "str", "no_log": False},
    "password_key": {"type": "str", "no_log": False},
    "is_default": {"type": "bool", "default": False},
    "resync_period": {"type": "str", "default": "5m"},
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
    for option, problem in (
        ("name", syntax.object_name(options["name"])),
        ("resync_period", syntax.go_duration(options["resync_period"])),
    ):
        if problem:
            module.fail_json(msg=f"{option}: {telling.quoted(options[option])} {problem}")
    if options["url"] is not None and not options["url"].startswith(("https://", "http://")):
        module.fail_json(msg="url: must start with https:// (or http://); for example https://vmauth.example.com/vls")
    ref = Ref(release.grafana.api_version, "GrafanaDatasource", options["namespace"], options["name"])
    wanted = None
    if options["state"] == "present":
        fields = (
            "name",
            "namespace",
            "fleet",
            "datasource_name",
            "url",
            "credentials_secret",
            "datasource_type",
            "resync_period",
            "is_default",
            "username_key",
            "password_key",
        )
        wanted = grafana_datasource(release, **{field: options[field] for field in fields})
    single_object.run(module, ref, wanted)


def main() -> None:
    """The module."""
    work(
        AnsibleModule(
            argument_spec={**CONNECTION_OPTIONS, **single_object.RECONCILE_OPTIONS, **ARGUMENTS},
            required_if=[("state", "present", ("datasource_name", "url"))],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
